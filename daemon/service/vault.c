/**
 * A batch is a list of changes in memory, newest first: writes go through it in order; lookups ask it before they ask the environment, and find
 * aliases and persons by buckets over it, since a batch may enrol thousands.
 *
 * A profile is replaced by adding a row with a greater seq and removing the older one after the ledger's commit, so that a crash between
 * the
 * two never leaves a member without one.  An alias has one row: when an addition replaces one that is stored (unlinked and linked anew
 * within a batch),
 * the row `batch` keeps what it replaced.
 *
 * The row `batch` speaks of the seqs of one attempt.  Once it was acted upon, or undone, these seqs may be other transactions', so it goes
 * with that
 * same commit and is never read twice.
 */
#include "service/vault_row.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define VAULT_BATCH_BYTES ((size_t)256 * 1024 * 1024)
#define VAULT_BUCKETS 1024
#define KNOWN_MAX 16384			/* aliases, 640 KiB */

struct change {
	struct change *next;			/* older */
	struct change *next_in_bucket;		/* older */
	bool add;
	enum store_table table;
	uint8_t key[ALIAS_HASH_BYTES];		/* an alias's hash, or a person's key in its first bytes */
	size_t key_len;
	uint64_t seq, member;			/* an alias's member, 0 when unlinked */
	const struct profile *profile;		/* an added person's */
	bool forgets;				/* a person: all rows, those of this batch too */
	struct bytes value;			/* sealed; additions */
	struct bytes replaced;			/* the row that an addition found; len 0: none */
};

/* What a batch still owes the environment, after its ledger commit went one way or the other. */
enum debt { DEBT_NONE, DEBT_REMOVALS, DEBT_UNDO };

/* A key may be needed as long as a reader is in its epoch's vault: the one in use, one that was replaced, one that is being made. */
#define EPOCHS_AT_ONCE 3
struct slot {
	_Atomic uint64_t epoch;			/* 0: free.  Set after the key, and cleared before it goes */
	struct epoch_key *key;
};

struct touch_list {
	pthread_mutex_t lock;
	bool on, lost;
	uint8_t (*persons)[PERSON_PREFIX];
	size_t n, cap;
};

/* An alias that this thread looked up in the environment, and whose row has not changed since: opening one costs more than all else of a look-up. */
struct known { uint8_t hash[ALIAS_HASH_BYTES]; uint64_t member; };	/* member 0: none */

struct vault {
	struct store *store;
	const struct keys *keys;
	const char *keys_path;
	struct slot slots[EPOCHS_AT_ONCE];
	struct touch_list touched;
	struct arena arena;			/* the batch's */
	struct change *changes;
	struct change *aliases[VAULT_BUCKETS], *persons[VAULT_BUCKETS];
	struct known *known;			/* [KNOWN_MAX], by hash; a turn of the epoch, with other hashes, empties it */
	struct store_txn *reader;		/* of the batch: between batches it rests */
	bool reader_rests;
	enum debt debt;
};

static struct bytes
batch_key(void)
{
	return bytes_of("batch", strlen("batch"));
}

enum status
vault_new(struct store *store, const struct keys *keys, const char *keys_path, struct vault **ret_vault)
{
	struct vault *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return ST_NOMEM;
	v->known = calloc(KNOWN_MAX, sizeof(*v->known));
	if (v->known == NULL) {
		free(v);
		return ST_NOMEM;
	}
	v->store = store;
	v->keys = keys;
	v->keys_path = keys_path;
	pthread_mutex_init(&v->touched.lock, NULL);
	arena_init(&v->arena, VAULT_BATCH_BYTES);
	enum status st = vault_key_load(v, store_vault_epoch(store));
	if (st != ST_OK) {
		vault_free(v);
		return st;
	}
	*ret_vault = v;
	return ST_OK;
}

void
vault_free(struct vault *v)
{
	if (v == NULL)
		return;
	v->debt = DEBT_NONE;
	vault_discard(v);
	store_abort(v->reader);
	for (size_t i = 0; i < EPOCHS_AT_ONCE; i++)
		epoch_key_free(v->slots[i].key);
	pthread_mutex_destroy(&v->touched.lock);
	free(v->touched.persons);
	free(v->known);
	arena_release(&v->arena);
	free(v);
}

/* ---- keys of epochs ---- */

const struct epoch_key *
vault_key(const struct vault *v, uint64_t epoch)
{
	for (size_t i = 0; i < EPOCHS_AT_ONCE; i++)
		if (atomic_load(&v->slots[i].epoch) == epoch)
			return v->slots[i].key;
	assert(false);		/* nobody reads a vault whose key is not kept */
	return NULL;
}

enum status
vault_key_load(struct vault *v, uint64_t epoch)
{
	size_t i = 0;

	while (i < EPOCHS_AT_ONCE && atomic_load(&v->slots[i].epoch) != 0)
		i++;
	assert(i < EPOCHS_AT_ONCE && epoch != 0);
	enum status st = epoch_key_load(v->keys_path, v->keys, epoch, &v->slots[i].key);
	if (st == ST_OK)
		atomic_store(&v->slots[i].epoch, epoch);
	return st;
}

void
vault_key_drop(struct vault *v, uint64_t epoch)
{
	for (size_t i = 0; i < EPOCHS_AT_ONCE; i++) {
		if (atomic_load(&v->slots[i].epoch) != epoch)
			continue;
		atomic_store(&v->slots[i].epoch, 0);
		epoch_key_free(v->slots[i].key);
		v->slots[i].key = NULL;
	}
}

/* The writer's: what is written goes to the vault in use. */
static const struct epoch_key *
key_now(const struct vault *v)
{
	return vault_key(v, store_vault_epoch(v->store));
}

bool
vault_idle(const struct vault *v)
{
	return v->changes == NULL && v->debt == DEBT_NONE;
}

void
vault_reader_close(struct vault *v)
{
	store_abort(v->reader);
	v->reader = NULL;
	memset(v->known, 0, KNOWN_MAX * sizeof(*v->known));
}

struct store *
vault_store(const struct vault *v)
{
	return v->store;
}

/* ---- who was touched ---- */

void
vault_touched_begin(struct vault *v)
{
	pthread_mutex_lock(&v->touched.lock);
	v->touched.on = true;
	v->touched.lost = false;
	v->touched.n = 0;
	pthread_mutex_unlock(&v->touched.lock);
}

void
vault_touched_end(struct vault *v)
{
	pthread_mutex_lock(&v->touched.lock);
	v->touched.on = false;
	free(v->touched.persons);
	v->touched.persons = NULL;
	v->touched.n = v->touched.cap = 0;
	pthread_mutex_unlock(&v->touched.lock);
}

enum status
vault_touched_take(struct vault *v, uint8_t (**ret_persons)[PERSON_PREFIX], size_t *ret_n)
{
	pthread_mutex_lock(&v->touched.lock);
	bool lost = v->touched.lost;
	if (!lost) {
		*ret_persons = v->touched.persons;
		*ret_n = v->touched.n;
		v->touched.persons = NULL;
		v->touched.n = v->touched.cap = 0;
	}
	pthread_mutex_unlock(&v->touched.lock);
	return lost ? ST_NOMEM : ST_OK;
}

static void
touch(struct touch_list *t, const uint8_t person[static PERSON_PREFIX])
{
	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 256 : t->cap * 2;
		uint8_t (*grown)[PERSON_PREFIX] = realloc(t->persons, cap * sizeof(*grown));
		if (grown == NULL) {
			t->lost = true;
			return;
		}
		t->persons = grown;
		t->cap = cap;
	}
	memcpy(t->persons[t->n++], person, PERSON_PREFIX);
}

/* After a commit, so that whoever takes them and then reads sees it.  An alias changes with the profile that has it, never alone. */
static void
touch_changed(struct vault *v)
{
	struct touch_list *t = &v->touched;

	pthread_mutex_lock(&t->lock);
	for (const struct change *c = v->changes; t->on && c != NULL; c = c->next)
		if (c->table == TABLE_PERSON)
			touch(t, c->key);
	pthread_mutex_unlock(&t->lock);
}

/* ---- the writer reads ---- */

/* Whatever this thread commits next is seen after it. */
static void
vault_rest(struct vault *v)
{
	if (v->reader != NULL && !v->reader_rests)
		store_rest(v->reader);
	v->reader_rests = true;
}

static enum status
writer_reader(struct vault *v, struct store_txn **ret_txn)
{
	enum status st = ST_OK;

	if (v->reader == NULL)
		st = store_read(v->store, STORE_VAULT, &v->reader);
	else if (v->reader_rests)
		st = store_renew(v->reader);
	v->reader_rests = st != ST_OK;
	if (st == ST_OK)
		*ret_txn = v->reader;
	return st;
}

static struct change **
alias_bucket(struct vault *v, const uint8_t hash[static ALIAS_HASH_BYTES])
{
	return &v->aliases[get_be32(hash) % VAULT_BUCKETS];
}

static struct known *
known_slot(struct vault *v, const uint8_t hash[static ALIAS_HASH_BYTES])
{
	return &v->known[get_be32(hash) % KNOWN_MAX];
}

/* By the last four bytes of the member's number. */
static struct change **
person_bucket(struct vault *v, const uint8_t key[static PERSON_PREFIX])
{
	return &v->persons[get_be32(key + 8) % VAULT_BUCKETS];
}

/* Without the environment: whether it is known, or changed in this batch. */
static bool
find_here(struct vault *v, const uint8_t hash[static ALIAS_HASH_BYTES], uint64_t *ret_member)
{
	const struct known *known = known_slot(v, hash);

	if (known->member != 0 && memcmp(known->hash, hash, ALIAS_HASH_BYTES) == 0) {
		*ret_member = known->member;
		return true;
	}
	for (const struct change *c = *alias_bucket(v, hash); c != NULL; c = c->next_in_bucket) {
		if (memcmp(c->key, hash, ALIAS_HASH_BYTES) == 0) {
			*ret_member = c->member;
			return true;
		}
	}
	return false;
}

static void
learn(struct vault *v, const uint8_t hash[static ALIAS_HASH_BYTES], uint64_t member)
{
	struct known *known = known_slot(v, hash);

	memcpy(known->hash, hash, ALIAS_HASH_BYTES);
	known->member = member;
}

enum status
vault_find(struct vault *v, uint32_t program, const char *alias, uint64_t *ret_member)
{
	uint8_t hash[ALIAS_HASH_BYTES];
	struct store_txn *txn;

	alias_hash(key_now(v), program, alias, hash);
	if (find_here(v, hash, ret_member))
		return *ret_member == 0 ? ST_NOTFOUND : ST_OK;
	enum status st = writer_reader(v, &txn);
	if (st == ST_OK)
		st = vault_lookup_hash(v, txn, program, hash, ret_member);
	if (st == ST_OK)
		learn(v, hash, *ret_member);
	return st;
}

enum status
vault_find_many(struct vault *v, uint32_t program, const char *const *aliases, size_t n, uint64_t *ret_members)
{
	uint8_t hashes[STORE_MANY][ALIAS_HASH_BYTES];
	struct bytes keys[STORE_MANY];
	uint64_t members[STORE_MANY];
	size_t of[STORE_MANY], n_read = 0;
	struct store_txn *txn;

	assert(n <= STORE_MANY);
	for (size_t i = 0; i < n; i++) {
		ret_members[i] = 0;
		alias_hash(key_now(v), program, aliases[i], hashes[i]);
		if (find_here(v, hashes[i], &ret_members[i]))
			continue;
		of[n_read] = i;
		keys[n_read++] = bytes_of(hashes[i], ALIAS_HASH_BYTES);
	}
	if (n_read == 0)
		return ST_OK;
	enum status st = writer_reader(v, &txn);
	if (st == ST_OK)
		st = vault_lookup_hashes(v, txn, program, keys, n_read, members);
	for (size_t i = 0; i < n_read && st == ST_OK; i++) {
		ret_members[of[i]] = members[i];
		if (members[i] != 0)
			learn(v, keys[i].data, members[i]);
	}
	return st;
}

enum status
vault_profile(struct vault *v, uint32_t program, uint64_t member, struct arena *arena, struct profile *ret)
{
	uint8_t key[PERSON_KEY];
	struct store_txn *txn;

	person_key(program, member, 0, key);
	for (const struct change *c = *person_bucket(v, key); c != NULL; c = c->next_in_bucket) {
		if (c->forgets && memcmp(c->key, key, 12) == 0)
			return ST_NOTFOUND;
		if (c->profile != NULL && memcmp(c->key, key, 12) == 0) {
			*ret = *c->profile;
			return ST_OK;
		}
	}
	enum status st = writer_reader(v, &txn);
	return st != ST_OK ? st : vault_read(v, txn, program, member, arena, ret);
}

void
vault_profile_init(struct profile *p)
{
	memset(p, 0, sizeof(*p));
	randombytes_buf(p->key, sizeof(p->key));
}

/* ---- the batch ---- */

static struct change *
change_new(struct vault *v, bool add, enum store_table table, struct bytes key, uint64_t seq)
{
	struct change *c = arena_alloc(&v->arena, sizeof(*c));

	if (c == NULL)
		return NULL;
	assert(key.len <= sizeof(c->key));
	c->add = add;
	c->table = table;
	c->seq = seq;
	memcpy(c->key, key.data, key.len);
	c->key_len = key.len;
	return c;
}

static void
change_link(struct vault *v, struct change *c)
{
	c->next = v->changes;
	v->changes = c;
	struct change **bucket = c->table == TABLE_ALIAS ? alias_bucket(v, c->key) : person_bucket(v, c->key);
	c->next_in_bucket = *bucket;
	*bucket = c;
	if (c->table == TABLE_ALIAS)
		known_slot(v, c->key)->member = 0;
}

static enum status
change_value(struct vault *v, struct change *c, struct buf *value)
{
	char *copy = arena_memdup(&v->arena, value->data, value->len);

	if (copy == NULL)
		return ST_NOMEM;
	c->value = bytes_of(copy, value->len);
	return ST_OK;
}

static enum status
copy_texts(struct arena *arena, const char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		texts[i] = arena_strdup(arena, texts[i]);
		if (texts[i] == NULL)
			return ST_NOMEM;
	}
	return ST_OK;
}

/* The rows that a new profile supersedes: those stored, and those that this batch added before. */
static enum status
supersede(struct vault *v, const uint8_t key[static PERSON_KEY], uint64_t seq)
{
	struct store_txn *txn;
	struct bytes old_key, value;
	struct change *gone;

	for (const struct change *c = *person_bucket(v, key); c != NULL; c = c->next_in_bucket) {
		if (c->profile == NULL || memcmp(c->key, key, 12) != 0 || c->seq == seq)
			continue;
		gone = change_new(v, false, TABLE_PERSON, bytes_of(c->key, PERSON_KEY), seq);
		if (gone == NULL)
			return ST_NOMEM;
		change_link(v, gone);
		return ST_OK;
	}
	enum status st = writer_reader(v, &txn);
	if (st == ST_OK)
		st = person_row(txn, get_be32(key), get_be64(key + 4), &old_key, &value);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	gone = change_new(v, false, TABLE_PERSON, old_key, seq);
	if (gone == NULL)
		return ST_NOMEM;
	change_link(v, gone);
	return ST_OK;
}

enum status
vault_put_profile(struct vault *v, uint32_t program, uint64_t member, uint64_t seq, const struct profile *profile)
{
	uint8_t key[PERSON_KEY];
	struct buf value;

	person_key(program, member, seq, key);
	struct change *c = change_new(v, true, TABLE_PERSON, bytes_of(key, sizeof(key)), seq);
	struct profile *copy = arena_alloc(&v->arena, sizeof(*copy));
	if (c == NULL || copy == NULL)
		return ST_NOMEM;
	*copy = *profile;
	enum status st = copy_texts(&v->arena, copy->aliases, copy->n_aliases);
	if (st == ST_OK)
		st = copy_texts(&v->arena, copy->segments, copy->n_segments);
	if (st == ST_OK)
		st = supersede(v, key, seq);
	if (st != ST_OK)
		return st;
	c->profile = copy;
	c->member = member;
	buf_init(&value);
	st = person_seal(key_now(v), key, copy, &value);
	if (st == ST_OK)
		st = change_value(v, c, &value);
	buf_release(&value);
	if (st == ST_OK)
		change_link(v, c);
	return st;
}

enum status
vault_link(struct vault *v, uint32_t program, const char *alias, uint64_t member, uint64_t seq)
{
	uint8_t hash[ALIAS_HASH_BYTES];
	struct buf value;

	assert(member != 0);
	alias_hash(key_now(v), program, alias, hash);
	struct change *c = change_new(v, true, TABLE_ALIAS, bytes_of(hash, sizeof(hash)), seq);
	if (c == NULL)
		return ST_NOMEM;
	c->member = member;
	buf_init(&value);
	enum status st = alias_seal(key_now(v), hash, program, member, seq, &value);
	if (st == ST_OK)
		st = change_value(v, c, &value);
	buf_release(&value);
	if (st == ST_OK)
		change_link(v, c);
	return st;
}

enum status
vault_unlink(struct vault *v, uint32_t program, const char *alias, uint64_t seq)
{
	uint8_t hash[ALIAS_HASH_BYTES];

	alias_hash(key_now(v), program, alias, hash);
	struct change *c = change_new(v, false, TABLE_ALIAS, bytes_of(hash, sizeof(hash)), seq);
	if (c == NULL)
		return ST_NOMEM;
	change_link(v, c);
	return ST_OK;
}

static enum status
forget_row(struct vault *v, struct bytes key, uint64_t seq)
{
	struct change *gone = change_new(v, false, TABLE_PERSON, key, seq);

	if (gone == NULL)
		return ST_NOMEM;
	gone->forgets = true;
	change_link(v, gone);
	return ST_OK;
}

/* What is stored, and what this batch added; what it supersedes it removes anyway.  Without any row there is nothing to forget. */
enum status
vault_forget(struct vault *v, uint32_t program, uint64_t member, uint64_t seq)
{
	uint8_t key[PERSON_KEY];
	struct bytes row, value;
	struct store_txn *txn;

	person_key(program, member, 0, key);
	for (struct change *c = *person_bucket(v, key); c != NULL; c = c->next_in_bucket) {
		if (c->profile == NULL || memcmp(c->key, key, 12) != 0)
			continue;
		enum status st = forget_row(v, bytes_of(c->key, PERSON_KEY), seq);
		if (st != ST_OK)
			return st;
	}
	enum status st = writer_reader(v, &txn);
	if (st == ST_OK)
		st = person_row(txn, program, member, &row, &value);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	return forget_row(v, row, seq);
}

bool
vault_changed(const struct vault *v)
{
	return v->changes != NULL;
}

size_t
vault_bytes(const struct vault *v)
{
	return v->arena.used_bytes;
}

void
vault_discard(struct vault *v)
{
	vault_rest(v);
	if (v->debt != DEBT_NONE)
		return;
	for (struct change *c = v->changes; c != NULL; c = c->next) {
		if (c->profile != NULL)
			sodium_memzero((void *)(uintptr_t)c->profile, sizeof(*c->profile));
	}
	v->changes = NULL;
	memset(v->aliases, 0, sizeof(v->aliases));
	memset(v->persons, 0, sizeof(v->persons));
	arena_reset(&v->arena);
}

/* Oldest first. */
static struct change **
in_order(struct vault *v, size_t *ret_n)
{
	size_t n = 0;

	for (const struct change *c = v->changes; c != NULL; c = c->next)
		n++;
	struct change **list = arena_alloc(&v->arena, n * sizeof(struct change *));
	if (list == NULL)
		return NULL;
	size_t i = n;
	for (struct change *c = v->changes; c != NULL; c = c->next)
		list[--i] = c;
	*ret_n = n;
	return list;
}

/* Whether a later change of the batch concerns the same row: only the last counts. */
static bool
superseded(const struct vault *v, const struct change *c)
{
	if (c->table == TABLE_ALIAS) {
		const struct change *newest = v->aliases[get_be32(c->key) % VAULT_BUCKETS];
		while (newest != NULL && memcmp(newest->key, c->key, ALIAS_HASH_BYTES) != 0)
			newest = newest->next_in_bucket;
		return newest != c;
	}
	return false;
}

static void
batch_row(struct change **list, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_put_u8(out, list[i]->add);
		buf_put_u8(out, (uint8_t)list[i]->table);
		buf_put_be64(out, list[i]->seq);
		buf_put_u8(out, (uint8_t)list[i]->key_len);
		buf_put(out, list[i]->key, list[i]->key_len);
		buf_put_varint(out, list[i]->replaced.len);
		buf_put(out, list[i]->replaced.data, list[i]->replaced.len);
	}
}

static size_t
drop_superseded(const struct vault *v, struct change **list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!superseded(v, list[i]))
			list[kept++] = list[i];
	}
	return kept;
}

static struct bytes
row_key(const struct change *c)
{
	return bytes_of(c->key, c->key_len);
}

/* Notes what an addition replaces, and writes it. */
static enum status
write_addition(struct vault *v, struct store_txn *txn, struct change *c)
{
	struct bytes old;

	enum status st = store_get(txn, c->table, row_key(c), &old);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	c->replaced = bytes_of(NULL, 0);
	if (st == ST_OK && c->table == TABLE_ALIAS) {
		char *copy = arena_memdup(&v->arena, old.data, old.len);
		if (copy == NULL)
			return ST_NOMEM;
		c->replaced = bytes_of(copy, old.len);
	}
	store_put(txn, c->table, row_key(c), c->value);
	return ST_OK;
}

static enum status
write_batch(struct vault *v, struct store_txn *txn, struct change **list, size_t n)
{
	enum status st = ST_OK;
	struct buf row;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		if (list[i]->add)
			st = write_addition(v, txn, list[i]);
	}
	if (st != ST_OK)
		return st;
	buf_init(&row);
	batch_row(list, n, &row);
	st = buf_status(&row);
	if (st == ST_OK)
		store_put(txn, TABLE_VAULT_META, batch_key(), buf_bytes(&row));
	buf_release(&row);
	return st;
}

enum status
vault_write_additions(struct vault *v)
{
	struct store_txn *txn;
	size_t n;

	assert(v->debt == DEBT_NONE);
	struct change **list = in_order(v, &n);
	if (list == NULL)
		return ST_NOMEM;
	n = drop_superseded(v, list, n);
	enum status st = store_write(v->store, STORE_VAULT, &txn);
	if (st != ST_OK)
		return st;
	st = write_batch(v, txn, list, n);
	if (st != ST_OK) {
		store_abort(txn);
		return st;
	}
	st = store_commit(txn);
	if (st == ST_OK)
		touch_changed(v);
	return st;
}

/* Takes an addition back: what it replaced returns, or nothing does. */
static void
take_back(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes replaced)
{
	if (replaced.len > 0)
		store_put(txn, table, key, replaced);
	else
		store_delete(txn, table, key);
}

enum status
vault_settle(struct vault *v)
{
	struct store_txn *txn;
	size_t n;

	if (v->debt == DEBT_NONE)
		return ST_OK;
	struct change **list = in_order(v, &n);
	if (list == NULL)
		return ST_NOMEM;
	n = drop_superseded(v, list, n);
	enum status st = store_write(v->store, STORE_VAULT, &txn);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < n; i++) {
		if (list[i]->add && v->debt == DEBT_UNDO)
			take_back(txn, list[i]->table, row_key(list[i]), list[i]->replaced);
		else if (!list[i]->add && v->debt == DEBT_REMOVALS)
			store_delete(txn, list[i]->table, row_key(list[i]));
	}
	store_delete(txn, TABLE_VAULT_META, batch_key());
	st = store_commit(txn);
	if (st != ST_OK)
		return st;
	touch_changed(v);
	v->debt = DEBT_NONE;
	vault_discard(v);
	return ST_OK;
}

static bool
has_removals(const struct vault *v)
{
	for (const struct change *c = v->changes; c != NULL; c = c->next) {
		if (!c->add && !superseded(v, c))
			return true;
	}
	return false;
}

enum status
vault_write_removals(struct vault *v)
{
	if (!has_removals(v)) {
		vault_discard(v);		/* the row `batch` may stay: all of its additions are the ledger's */
		return ST_OK;
	}
	v->debt = DEBT_REMOVALS;
	return vault_settle(v);
}

enum status
vault_undo(struct vault *v)
{
	v->debt = DEBT_UNDO;
	return vault_settle(v);
}

static enum status
recover_row(struct store_txn *txn, struct bytes row, uint64_t size)
{
	struct cursor c = cursor_of(row);

	while (!cursor_done(&c)) {
		bool add = cursor_u8(&c) != 0;
		uint8_t table = cursor_u8(&c);
		uint64_t seq = cursor_be64(&c);
		uint8_t len = cursor_u8(&c);
		struct bytes key = cursor_bytes(&c, len);
		uint64_t replaced_len = cursor_varint(&c);
		struct bytes replaced = cursor_bytes(&c, (size_t)replaced_len);
		if (!cursor_ok(&c) || (table != TABLE_ALIAS && table != TABLE_PERSON))
			return ST_CORRUPT;
		if (add && seq >= size)
			take_back(txn, (enum store_table)table, key, replaced);
		else if (!add && seq < size)
			store_delete(txn, (enum store_table)table, key);
	}
	return ST_OK;
}

static enum status
recover_batch(struct store_txn *txn, uint64_t size)
{
	struct bytes row;

	enum status st = store_get(txn, TABLE_VAULT_META, batch_key(), &row);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	uint8_t *copy = malloc(row.len == 0 ? 1 : row.len);	/* writes may move the page it is on */
	if (copy == NULL)
		return ST_NOMEM;
	if (row.len > 0)
		memcpy(copy, row.data, row.len);
	st = recover_row(txn, bytes_of(copy, row.len), size);
	free(copy);
	if (st == ST_OK)
		store_delete(txn, TABLE_VAULT_META, batch_key());
	return st;
}

enum status
vault_recover(struct vault *v, uint64_t size)
{
	struct store_txn *txn;

	enum status st = store_write(v->store, STORE_VAULT, &txn);
	if (st != ST_OK)
		return st;
	st = recover_batch(txn, size);
	if (st == ST_OK)
		return store_commit(txn);
	store_abort(txn);
	return st;
}
