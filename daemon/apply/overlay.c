/**
 * Invariants: a member or a row is in the overlay at most once; a clean member equals its stored record; the dirty list holds each dirty
 * member once.  Writes go out sorted by key, so that neighbouring records share the pages they dirty.
 */
#include "apply/overlay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/ask.h"

#define ASK_MEMBERS 32		/* whose records and pages come together */

static void
tables_init(struct overlay *o)
{
	memset(o->first_members, 0, sizeof(o->first_members));
	memset(o->first_rows, 0, sizeof(o->first_rows));
	o->members = o->first_members;
	o->rows = o->first_rows;
	o->n_member_buckets = o->n_row_buckets = OVERLAY_BUCKETS;
	o->dirty = NULL;
	o->n_members = o->n_dirty = 0;
	o->all_rows = NULL;
	o->n_rows = 0;
}

static void
tables_free(struct overlay *o)
{
	if (o->members != o->first_members)
		free(o->members);
	if (o->rows != o->first_rows)
		free(o->rows);
}

void
overlay_init(struct overlay *o, size_t budget_bytes)
{
	tables_init(o);
	arena_init(&o->arena, budget_bytes);
}

void
overlay_release(struct overlay *o)
{
	tables_free(o);
	arena_release(&o->arena);
}

void
overlay_reset(struct overlay *o)
{
	tables_free(o);
	tables_init(o);
	arena_reset(&o->arena);
}

bool
member_due_is_hold(const struct member *m)
{
	for (size_t i = 0; i < m->n_holds; i++) {
		if (m->holds[i].ends_at_us == m->due_at_us)
			return true;
	}
	return false;
}

static size_t
member_bucket(const struct overlay *o, uint32_t program, uint64_t number)
{
	uint64_t h = (number ^ (uint64_t)program << 40) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) % o->n_member_buckets;
}

/* Without memory for it the chains grow longer, and nothing else happens. */
static void
grow_members(struct overlay *o)
{
	size_t n = o->n_member_buckets;
	struct overlay_member **old = o->members, **grown = o->n_members < n ? NULL : calloc(n * 4, sizeof(struct overlay_member *));

	if (grown == NULL)
		return;
	o->members = grown;
	o->n_member_buckets = n * 4;
	for (size_t i = 0; i < n; i++) {
		for (struct overlay_member *m = old[i], *next; m != NULL; m = next) {
			struct overlay_member **bucket = &grown[member_bucket(o, m->m.program, m->m.number)];
			next = m->next;
			m->next = *bucket;
			*bucket = m;
		}
	}
	if (old != o->first_members)
		free(old);
}

struct overlay_member *
overlay_find_member(const struct overlay *o, uint32_t program, uint64_t number)
{
	struct overlay_member *m = o->members[member_bucket(o, program, number)];

	while (m != NULL && (m->m.number != number || m->m.program != program))
		m = m->next;
	return m;
}

static void
add(struct overlay *o, struct overlay_member *m, uint32_t program, uint64_t number)
{
	grow_members(o);
	o->n_members++;
	struct overlay_member **bucket = &o->members[member_bucket(o, program, number)];
	m->m.program = program;
	m->m.number = number;
	m->next = *bucket;
	*bucket = m;
}

struct overlay_member *
overlay_add_member(struct overlay *o, uint32_t program, uint64_t number)
{
	struct overlay_member *m = arena_alloc(&o->arena, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->m.due_at_us = m->stored_due_us = INSTANT_NEVER;
	add(o, m, program, number);
	return m;
}

enum status
overlay_load_member(struct overlay *o, uint32_t program, uint64_t number, struct bytes record, struct overlay_member **ret)
{
	struct overlay_member *m = arena_alloc(&o->arena, sizeof(*m));

	if (m == NULL)
		return ST_NOMEM;
	enum status st = member_decode(record, &o->arena, &m->m);
	if (st != ST_OK)
		return st;
	m->stored_due_us = m->m.due_at_us;
	m->stored_hold = member_due_is_hold(&m->m);
	m->stored_at = record.data;
	add(o, m, program, number);
	*ret = m;
	return ST_OK;
}

void
overlay_mark_dirty(struct overlay *o, struct overlay_member *m)
{
	if (m->dirty)
		return;
	m->dirty = true;
	m->next_dirty = o->dirty;
	o->dirty = m;
	o->n_dirty++;
}

static uint64_t
mix(uint64_t h, uint64_t part)
{
	h = (h ^ part) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

/* Eight bytes at a time: each step waits for the one before it. */
static uint64_t
hash_bytes(uint64_t h, const uint8_t *p, size_t len)
{
	uint64_t part;

	for (; len >= sizeof(part); p += sizeof(part), len -= sizeof(part)) {
		memcpy(&part, p, sizeof(part));
		h = mix(h, part);
	}
	part = len;
	for (size_t i = 0; i < len; i++)
		part = part << 8 | p[i];
	return mix(h, part);
}

/* All requests with one id are in one bucket, whoever's they are: the id ends with a NUL. */
static uint64_t
row_hash(enum store_table table, struct bytes key)
{
	const uint8_t *end = table == TABLE_REQUEST ? memchr(key.data, 0, key.len) : NULL;

	return hash_bytes((uint64_t)table, key.data, end == NULL ? key.len : (size_t)(end - key.data));
}

static struct overlay_row **
row_bucket(const struct overlay *o, uint64_t hash)
{
	return &o->rows[hash % o->n_row_buckets];
}

static void
grow_rows(struct overlay *o)
{
	size_t n = o->n_row_buckets;
	struct overlay_row **grown = o->n_rows < n ? NULL : calloc(n * 4, sizeof(struct overlay_row *));

	if (grown == NULL)
		return;
	if (o->rows != o->first_rows)
		free(o->rows);
	o->rows = grown;
	o->n_row_buckets = n * 4;
	for (struct overlay_row *r = o->all_rows; r != NULL; r = r->next_row) {
		struct overlay_row **bucket = row_bucket(o, row_hash(r->table, r->key));
		r->next = *bucket;
		*bucket = r;
	}
}

struct overlay_row *
overlay_bucket(const struct overlay *o, enum store_table table, struct bytes key)
{
	return *row_bucket(o, row_hash(table, key));
}

static struct overlay_row *
find_in(struct overlay_row *r, enum store_table table, struct bytes key)
{
	while (r != NULL && (r->table != table || !bytes_equal(r->key, key)))
		r = r->next;
	return r;
}

struct overlay_row *
overlay_find_row(const struct overlay *o, enum store_table table, struct bytes key)
{
	return find_in(overlay_bucket(o, table, key), table, key);
}

enum status
overlay_put_row(struct overlay *o, enum store_table table, struct bytes key, struct bytes value)
{
	uint64_t hash = row_hash(table, key);
	struct overlay_row *r = find_in(*row_bucket(o, hash), table, key);
	char *copy = arena_memdup(&o->arena, value.data, value.len);

	if (copy == NULL)
		return ST_NOMEM;
	if (r == NULL) {
		char *key_copy = arena_memdup(&o->arena, key.data, key.len);
		r = arena_alloc(&o->arena, sizeof(*r));
		if (r == NULL || key_copy == NULL)
			return ST_NOMEM;
		r->table = table;
		r->key = bytes_of(key_copy, key.len);
		grow_rows(o);
		struct overlay_row **bucket = row_bucket(o, hash);
		r->next = *bucket;
		*bucket = r;
		r->next_row = o->all_rows;
		o->all_rows = r;
		o->n_rows++;
	}
	r->value = bytes_of(copy, value.len);
	r->dropped = false;
	return ST_OK;
}

enum status
overlay_drop_row(struct overlay *o, enum store_table table, struct bytes key)
{
	enum status st = overlay_put_row(o, table, key, bytes_of("", 0));

	if (st == ST_OK)
		overlay_find_row(o, table, key)->dropped = true;
	return st;
}

void
member_key(uint32_t program, uint64_t number, uint8_t ret_key[static MEMBER_KEY_BYTES])
{
	put_be32(ret_key, program);
	put_be64(ret_key + 4, number);
}

void
due_key(int64_t at_us, uint32_t program, uint64_t number, uint8_t ret_key[static DUE_KEY_BYTES])
{
	put_be64(ret_key, (uint64_t)at_us);
	member_key(program, number, ret_key + 8);
}

/* What is sorted has what it is sorted by beside it: to go to each record for that would miss the cache at nearly every comparison. */
struct sorted_member { uint64_t number; uint32_t program; const struct overlay_member *m; };
struct sorted_row { uint64_t first; const struct overlay_row *r; };

static int
member_order(const void *a, const void *b)
{
	const struct sorted_member *x = a, *y = b;

	if (x->program != y->program)
		return x->program < y->program ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* The table and the first seven bytes of the key, as a number that is ordered as they are. */
static uint64_t
row_first(const struct overlay_row *r)
{
	uint8_t first[8] = { (uint8_t)r->table };

	memcpy(first + 1, r->key.data, r->key.len < 7 ? r->key.len : 7);
	return get_be64(first);
}

static int
row_order(const void *a, const void *b)
{
	const struct sorted_row *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	struct bytes p = x->r->key, q = y->r->key;
	int order = memcmp(p.data, q.data, p.len < q.len ? p.len : q.len);
	if (order != 0)
		return order;
	return p.len < q.len ? -1 : p.len > q.len;
}

static void
write_due(const struct overlay_member *m, struct store_txn *state)
{
	uint8_t key[DUE_KEY_BYTES];
	bool hold = member_due_is_hold(&m->m);

	if (m->stored_due_us == m->m.due_at_us && m->stored_hold == hold)
		return;
	if (m->stored_due_us != INSTANT_NEVER && m->stored_due_us != m->m.due_at_us) {
		due_key(m->stored_due_us, m->m.program, m->m.number, key);
		store_delete(state, TABLE_DUE, bytes_of(key, sizeof(key)));
	}
	if (m->m.due_at_us != INSTANT_NEVER) {
		due_key(m->m.due_at_us, m->m.program, m->m.number, key);
		store_put(state, TABLE_DUE, bytes_of(key, sizeof(key)), bytes_of("h", hold));
	}
}

/* They were decided in another order, so by now they and their pages are far from the processor, which finds several at once. */
static void
ask_for_members(const struct sorted_member *sorted, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ask_for(sorted[i].m, sizeof(*sorted[i].m));
	for (size_t i = 0; i < n; i++) {
		const struct overlay_member *m = sorted[i].m;
		store_ask(m->stored_at);
		ask_for(m->m.lots, m->m.n_lots * sizeof(*m->m.lots));
		ask_for(m->m.days, m->m.n_days * sizeof(*m->m.days));
	}
}

static enum status
write_sorted_members(const struct sorted_member *sorted, size_t n, struct store_txn *state)
{
	enum status st = ST_OK;
	struct buf record;

	buf_init(&record);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		uint8_t key[MEMBER_KEY_BYTES];
		if (i % ASK_MEMBERS == 0)
			ask_for_members(sorted + i, n - i < ASK_MEMBERS ? n - i : ASK_MEMBERS);
		buf_clear(&record);
		member_encode(&sorted[i].m->m, &record);
		st = buf_status(&record);
		if (st != ST_OK)
			break;
		member_key(sorted[i].program, sorted[i].number, key);
		store_put(state, TABLE_MEMBER, bytes_of(key, sizeof(key)), buf_bytes(&record));
		write_due(sorted[i].m, state);
	}
	buf_release(&record);
	return st;
}

/* The list is not the arena's: a write that fails for want of space is repeated until there is some. */
static enum status
write_members(const struct overlay *o, struct store_txn *state)
{
	struct sorted_member *sorted = malloc((o->n_dirty + 1) * sizeof(*sorted));
	size_t n = 0;

	if (sorted == NULL)
		return ST_NOMEM;
	for (const struct overlay_member *m = o->dirty; m != NULL; m = m->next_dirty)
		sorted[n++] = (struct sorted_member){ m->m.number, m->m.program, m };
	assert(n == o->n_dirty);
	qsort(sorted, n, sizeof(*sorted), member_order);
	enum status st = write_sorted_members(sorted, n, state);
	free(sorted);
	return st;
}

enum status
overlay_write(const struct overlay *o, struct store_txn *state)
{
	struct sorted_row *sorted = malloc((o->n_rows + 1) * sizeof(*sorted));
	size_t n = 0;

	if (sorted == NULL)
		return ST_NOMEM;
	for (const struct overlay_row *r = o->all_rows; r != NULL; r = r->next_row)
		sorted[n++] = (struct sorted_row){ row_first(r), r };
	assert(n == o->n_rows);
	qsort(sorted, n, sizeof(*sorted), row_order);
	for (size_t i = 0; i < n; i++) {
		const struct overlay_row *r = sorted[i].r;

		if (r->dropped)
			store_delete(state, r->table, r->key);
		else
			store_put(state, r->table, r->key, r->value);
	}
	free(sorted);
	return write_members(o, state);
}
