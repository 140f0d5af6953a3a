/**
 * Lookups through the overlay, and by readers.
 *
 * due_bound_us is a lower bound of the next due instant: an apply_due_first() below it costs nothing, and one at or above it looks at the
 * members of
 * the overlay and at the first stored rows that the overlay does not supersede, and then knows the bound exactly.  At a midnight thousands
 * of rows share
 * an instant: that no hold is among them is found out once and kept in no_hold_at_us.
 */
#include "apply/internal.h"

#include <string.h>

size_t
request_key(const char *principal, const char *key, uint8_t ret_key[static REQUEST_KEY_BYTES_MAX])
{
	size_t key_len = strlen(key) + 1, principal_len = strlen(principal);

	if (key_len + principal_len > REQUEST_KEY_BYTES_MAX)
		return 0;
	memcpy(ret_key, key, key_len);
	memcpy(ret_key + key_len, principal, principal_len);	/* a key's end is its length: NOLINT(bugprone-not-null-terminated-result) */
	return key_len + principal_len;
}

enum status
request_row_decode(struct bytes value, struct request_row *ret)
{
	struct cursor c = cursor_of(value);
	struct request_row row = { .id.seq = cursor_be64(&c) };

	row.id.index = cursor_be32(&c);
	row.program = cursor_be32(&c);
	row.member = cursor_be64(&c);
	struct bytes fingerprint = cursor_bytes(&c, FINGERPRINT_BYTES);
	if (!cursor_done(&c))
		return ST_CORRUPT;
	memcpy(row.fingerprint, fingerprint.data, FINGERPRINT_BYTES);
	*ret = row;
	return ST_OK;
}

enum status
apply_request(struct apply *a, const char *principal, const char *key, struct request_row *ret)
{
	uint8_t row_key[REQUEST_KEY_BYTES_MAX];
	size_t len = request_key(principal, key, row_key);
	struct bytes value;

	if (len == 0)
		return ST_NOTFOUND;
	enum status st = apply_row(a, TABLE_REQUEST, bytes_of(row_key, len), &value);
	return st != ST_OK ? st : request_row_decode(value, ret);
}

struct matches { const struct ledger_state *state; uint32_t program; uint64_t member; unsigned n; struct entry_id first; };

static enum status
match(struct bytes value, struct matches *m)
{
	struct request_row row;

	enum status st = request_row_decode(value, &row);
	if (st != ST_OK)
		return st;
	bool is_its = row.program == m->program && m->member == 0;
	if (row.program == m->program && m->member != 0)
		st = member_became(m->state, row.program, row.member, m->member, &is_its);
	if (st == ST_OK && is_its) {
		if (m->n == 0)
			m->first = row.id;
		m->n++;
	}
	return st;
}

static bool
starts_with(struct bytes key, struct bytes prefix)
{
	return key.len >= prefix.len && memcmp(key.data, prefix.data, prefix.len) == 0;
}

static enum status
match_stored(struct apply *a, struct bytes prefix, struct matches *m)
{
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;

	enum status st = apply_reader(a, &txn);
	if (st == ST_OK)
		st = store_cursor_open(txn, TABLE_REQUEST, prefix, &cursor);
	if (st != ST_OK)
		return st;
	while ((st = store_cursor_next(cursor, &key, &value)) == ST_OK && starts_with(key, prefix)) {
		st = match(value, m);
		if (st != ST_OK)
			break;
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum status
apply_reference(struct apply *a, uint32_t program, uint64_t member, const char *key, unsigned *ret_n, struct entry_id *ret_id)
{
	uint8_t row_key[REQUEST_KEY_BYTES_MAX];
	size_t len = request_key("", key, row_key);
	struct bytes prefix = bytes_of(row_key, len);
	struct matches m = { .state = apply_state(a), .program = program, .member = member };

	if (len == 0) {
		*ret_n = 0;
		return ST_OK;
	}
	for (struct overlay_row *r = overlay_bucket(&a->overlay, TABLE_REQUEST, prefix); r != NULL; r = r->next) {
		if (r->table != TABLE_REQUEST || !starts_with(r->key, prefix))
			continue;
		enum status st = match(r->value, &m);
		if (st != ST_OK)
			return st;
	}
	enum status st = match_stored(a, prefix, &m);
	if (st != ST_OK)
		return st;
	*ret_n = m.n;
	*ret_id = m.first;
	return ST_OK;
}

enum status
apply_receipt(struct apply *a, uint32_t program, const char *store, const char *receipt_no, int32_t day, struct receipt_row *ret)
{
	uint8_t key[RECEIPT_KEY_BYTES_MAX];
	size_t len = receipt_key(program, store, receipt_no, day, key);
	struct bytes value;

	if (len == 0)
		return ST_NOTFOUND;
	enum status st = apply_row(a, TABLE_RECEIPT, bytes_of(key, len), &value);
	if (st != ST_OK)
		return st;
	struct cursor c = cursor_of(value);
	struct receipt_row row = { .id.seq = cursor_be64(&c) };
	row.id.index = cursor_be32(&c);
	row.member = cursor_be64(&c);
	struct bytes digest = cursor_bytes(&c, sizeof(row.digest));
	if (!cursor_done(&c))
		return ST_CORRUPT;
	memcpy(row.digest, digest.data, digest.len);
	*ret = row;
	return ST_OK;
}

bool
due_before(const struct due_row *a, const struct due_row *b)
{
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us;
	if (a->hold != b->hold)
		return a->hold;
	if (a->program != b->program)
		return a->program < b->program;
	return a->member < b->member;
}

/**
 * The first among the stored rows whose members the overlay has not touched; the rows of one instant are all looked at until one is a
 * hold's.
 */
static enum status
walk_stored(struct apply *a, struct store_cursor *cursor, struct due_row *best)
{
	struct bytes key, value;
	enum status st;

	while ((st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		if (key.len != DUE_KEY_BYTES)
			return ST_CORRUPT;
		struct due_row row = { (int64_t)get_be64(key.data), value.len > 0, get_be32(key.data + 8), get_be64(key.data + 12) };
		if (row.at_us > best->at_us)
			return ST_OK;
		const struct overlay_member *m = overlay_find_member(&a->overlay, row.program, row.member);
		if (m != NULL && m->dirty)
			continue;
		if (due_before(&row, best))
			*best = row;
		if (row.hold || best->at_us == a->no_hold_at_us)
			return ST_OK;
	}
	return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status
due_stored(struct apply *a, struct due_row *best)
{
	struct store_txn *txn;
	struct store_cursor *cursor;
	uint8_t first[1] = { 0 };

	enum status st = apply_reader(a, &txn);
	if (st == ST_OK)
		st = store_cursor_open(txn, TABLE_DUE, bytes_of(first, sizeof(first)), &cursor);
	if (st != ST_OK)
		return st;
	st = walk_stored(a, cursor, best);
	store_cursor_close(cursor);
	return st;
}

enum status
apply_due_first(struct apply *a, int64_t until_us, struct due_row *ret)
{
	struct due_row best = { .at_us = INSTANT_NEVER };

	if (until_us < a->due_bound_us)
		return ST_NOTFOUND;
	for (struct overlay_member *m = a->overlay.dirty; m != NULL; m = m->next_dirty) {
		struct due_row row = { m->m.due_at_us, member_due_is_hold(&m->m), m->m.program, m->m.number };
		if (row.at_us != INSTANT_NEVER && due_before(&row, &best))
			best = row;
	}
	enum status st = due_stored(a, &best);
	if (st != ST_OK)
		return st;
	a->due_bound_us = best.at_us;
	if (best.at_us > until_us || best.at_us == INSTANT_NEVER)
		return ST_NOTFOUND;
	if (!best.hold)
		a->no_hold_at_us = best.at_us;
	*ret = best;
	return ST_OK;
}

enum status
apply_put_look(struct apply *a, const struct due_row *row, bool gone)
{
	uint8_t key[DUE_KEY_BYTES];

	due_key(row->at_us, row->program, row->member, key);
	if (gone)
		return overlay_drop_row(&a->overlay, TABLE_LOOK, bytes_of(key, sizeof(key)));
	return overlay_put_row(&a->overlay, TABLE_LOOK, bytes_of(key, sizeof(key)), bytes_of("", 0));
}

enum status
apply_look_first(struct apply *a, const struct due_row *after, struct due_row *ret)
{
	uint8_t from[DUE_KEY_BYTES];
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;

	due_key(after->at_us, after->program, after->member + 1, from);
	enum status st = apply_reader(a, &txn);
	if (st == ST_OK)
		st = store_cursor_open(txn, TABLE_LOOK, bytes_of(from, sizeof(from)), &cursor);
	if (st != ST_OK)
		return st;
	st = store_cursor_next(cursor, &key, &value);
	if (st == ST_OK && key.len != DUE_KEY_BYTES)
		st = ST_CORRUPT;
	if (st == ST_OK)
		*ret = (struct due_row){ (int64_t)get_be64(key.data), false, get_be32(key.data + 8), get_be64(key.data + 12) };
	store_cursor_close(cursor);
	return st;
}

/* ---- readers ---- */

enum status
apply_read_member(struct store_txn *state, uint32_t program, uint64_t number, struct arena *arena, struct member *ret)
{
	uint8_t key[MEMBER_KEY_BYTES];
	struct bytes record;

	member_key(program, number, key);
	enum status st = store_get(state, TABLE_MEMBER, bytes_of(key, sizeof(key)), &record);
	return st == ST_OK ? apply_take_member(record, program, number, arena, ret) : st;
}

enum status
apply_take_member(struct bytes record, uint32_t program, uint64_t number, struct arena *arena, struct member *ret)
{
	enum status st = member_decode(record, arena, ret);

	ret->program = program;
	ret->number = number;
	return st;
}

enum status
apply_read_records(struct store_txn *state, uint32_t program, const uint64_t *numbers, size_t n, struct bytes *ret_records)
{
	uint8_t keys[STORE_MANY][MEMBER_KEY_BYTES];
	struct bytes key[STORE_MANY];

	for (size_t i = 0; i < n; i++) {
		member_key(program, numbers[i], keys[i]);
		key[i] = bytes_of(keys[i], MEMBER_KEY_BYTES);
	}
	return store_get_many(state, TABLE_MEMBER, key, n, ret_records);
}

enum status
apply_read_size(struct store_txn *state, uint64_t *ret_size)
{
	struct bytes value;
	struct apply_head head = { 0 };

	enum status st = store_get(state, TABLE_META, bytes_of(META_HEAD, strlen(META_HEAD)), &value);
	if (st == ST_OK)
		st = head_decode(value, &head);
	else if (st == ST_NOTFOUND)
		st = ST_OK;
	if (st == ST_OK)
		*ret_size = head.size;
	return st;
}

enum status
apply_read_tile(struct store_txn *state, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	uint8_t key[TILE_KEY_BYTES];
	struct bytes value;

	tile_key(level, index, key);
	enum status st = store_get(state, TABLE_TILE, bytes_of(key, sizeof(key)), &value);
	return tile_hash(st, value, ret_hash);
}

enum status
apply_read_request(struct store_txn *state, const char *principal, const char *key, struct request_row *ret)
{
	uint8_t row_key[REQUEST_KEY_BYTES_MAX];
	size_t len = request_key(principal, key, row_key);
	struct bytes value;

	if (len == 0)
		return ST_NOTFOUND;
	enum status st = store_get(state, TABLE_REQUEST, bytes_of(row_key, len), &value);
	return st != ST_OK ? st : request_row_decode(value, ret);
}

enum status
apply_read_totals(struct store_txn *state, uint32_t program, struct totals *ret)
{
	uint8_t key[4];
	struct bytes value;

	put_be32(key, program);
	enum status st = store_get(state, TABLE_PROGRAM, bytes_of(key, sizeof(key)), &value);
	return st != ST_OK ? st : totals_decode(value, ret);
}
