/**
 * The first pass goes over the persons by their keys, so their rows are appended; the hashes of aliases have no order, so they are gathered, sorted
 * and written in runs, which touches a page of the table once a run and not once an alias.  Both are synced now and then: what is not on the disk
 * when the ledger is next flushed would make that wait.
 *
 * An alias row is found by the text in the profile that has it, and each belongs to one profile: so the number of rows must be the same in both
 * vaults, or the copy is not taken.  Whose row it is, is what the old one says: after a merge that is another member than the profile's.
 *
 * Who is touched is noted after each commit of the writer, so a snapshot that is taken after the note has the change.  Such a person is taken out of the
 * copy with all aliases that it has there, of all that were touched first, and then put in as it is now: an alias that moved from one to another
 * is where it belongs, whichever was copied when.
 */
#include "service/vault_copy.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "service/vault_row.h"

#define CHUNK_PERSONS 256		/* copied in a row before a rest, about two milliseconds */
#define CHUNK_ALIASES 4096
#define SYNC_CHUNKS 32
#define RUN_ROWS ((size_t)500000)	/* aliases that are sorted at once: 48 MB */
#define REST_FEW 32			/* persons that the writer may be left with */
#define ROUNDS_MAX 10
#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

struct alias_row { uint8_t hash[ALIAS_HASH_BYTES], value[ALIAS_VALUE]; };

struct vault_copy {
	struct vault *vault;
	struct store *store;
	const char *keys_path;
	uint64_t epoch, old_epoch;
	const struct epoch_key *from, *to;
	struct buf epochs;			/* the row */
	struct arena arena;
	struct buf scratch;
	struct store_txn *reader;
	struct alias_row *run;			/* of the first pass */
	size_t n_run, cap_run;
	unsigned chunks;			/* since the last sync */
	int64_t worked_us;			/* when this stretch of work began */
	const atomic_bool *stop;
	bool made, touching, key_there;		/* to be undone: the fresh vault, the notes, the key */
	bool switched;
	struct vault_copied result;
};

/* ---- the row `epochs` ---- */

static struct bytes
epochs_key(void)
{
	return bytes_of("epochs", strlen("epochs"));
}

static void
epochs_encode(const struct epochs *e, struct buf *out)
{
	buf_put_be64(out, (uint64_t)e->begun_us);
	for (size_t i = 0; i < e->n_old; i++) {
		buf_put_be64(out, e->old[i].epoch);
		buf_put_be64(out, (uint64_t)e->old[i].replaced_us);
	}
}

enum status
vault_epochs_read(struct store_txn *txn, struct epochs *ret)
{
	struct bytes row;

	ret->begun_us = 0;
	ret->n_old = 0;
	enum status st = store_get(txn, TABLE_VAULT_META, epochs_key(), &row);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	if (row.len % 16 != 8 || row.len / 16 > EPOCH_KEYS_MAX)
		return ST_CORRUPT;
	struct cursor c = cursor_of(row);
	ret->begun_us = (int64_t)cursor_be64(&c);
	while (!cursor_done(&c)) {
		struct epoch_old *old = &ret->old[ret->n_old++];
		old->epoch = cursor_be64(&c);
		old->replaced_us = (int64_t)cursor_be64(&c);
	}
	return ST_OK;
}

enum status
vault_epochs_begin(struct vault *v, int64_t now_us)
{
	struct store_txn *txn;
	struct bytes row;
	uint8_t begun[8];

	enum status st = store_write(vault_store(v), STORE_VAULT, &txn);
	if (st != ST_OK)
		return st;
	st = store_get(txn, TABLE_VAULT_META, epochs_key(), &row);
	if (st != ST_NOTFOUND) {
		store_abort(txn);
		return st;
	}
	put_be64(begun, (uint64_t)now_us);
	store_put(txn, TABLE_VAULT_META, epochs_key(), bytes_of(begun, sizeof(begun)));
	return store_commit(txn);
}

/* ---- life ---- */

enum status
vault_copy_new(struct vault *v, const char *keys_path, uint64_t epoch, const struct epochs *epochs, struct vault_copy **ret_copy)
{
	struct vault_copy *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ST_NOMEM;
	c->vault = v;
	c->store = vault_store(v);
	c->keys_path = keys_path;
	c->epoch = epoch;
	c->old_epoch = store_vault_epoch(c->store);
	buf_init(&c->epochs);
	buf_init(&c->scratch);
	arena_init(&c->arena, ARENA_BYTES);
	epochs_encode(epochs, &c->epochs);
	enum status st = buf_status(&c->epochs);
	if (st == ST_OK)
		st = epoch_key_create(keys_path, epoch);
	c->key_there = st == ST_OK;
	if (st == ST_OK)
		st = vault_key_load(v, epoch);
	if (st == ST_OK)
		st = store_vault_begin(c->store, epoch);
	c->made = st == ST_OK;
	if (st != ST_OK) {
		vault_copy_free(c);
		return st;
	}
	c->from = vault_key(v, c->old_epoch);
	c->to = vault_key(v, epoch);
	*ret_copy = c;
	return ST_OK;
}

void
vault_copy_free(struct vault_copy *c)
{
	if (c == NULL)
		return;
	store_abort(c->reader);
	if (c->touching)
		vault_touched_end(c->vault);
	if (c->made)
		store_vault_abandon(c->store);
	if (c->key_there) {
		vault_key_drop(c->vault, c->epoch);
		(void)!epoch_key_destroy(c->keys_path, c->epoch);	/* else it ages as one that was replaced */
	}
	buf_release(&c->epochs);
	buf_release(&c->scratch);
	arena_release(&c->arena);
	free(c->run);
	free(c);
}

void
vault_copy_result(const struct vault_copy *c, struct vault_copied *ret)
{
	*ret = c->result;
}

/* ---- pace ---- */

static void
rest_for(int64_t us)
{
	struct timespec t = { .tv_sec = us / US_PER_SECOND, .tv_nsec = us % US_PER_SECOND * 1000 };

	nanosleep(&t, NULL);
}

/* After a chunk: what it wrote goes to the disk before it is much, and others get their turn. */
static enum status
pace(struct vault_copy *c)
{
	enum status st = ST_OK;

	if (c->stop != NULL && atomic_load(c->stop))
		return ST_INTERRUPTED;
	if (++c->chunks >= SYNC_CHUNKS) {
		c->chunks = 0;
		st = store_vault_sync(c->store);
	}
	int64_t worked_us = clock_monotonic_us() - c->worked_us;
	rest_for(worked_us > US_PER_SECOND ? US_PER_SECOND : worked_us);
	c->worked_us = clock_monotonic_us();
	return st;
}

/* ---- one person ---- */

/* The alias as the new vault has it; ST_CORRUPT when the old one has it not. */
static enum status
copy_alias(struct vault_copy *c, uint32_t program, const char *alias, struct alias_row *ret)
{
	uint8_t hash[ALIAS_HASH_BYTES];
	uint64_t member, seq;
	struct bytes value;

	alias_hash(c->from, program, alias, hash);
	enum status st = store_get(c->reader, TABLE_ALIAS, bytes_of(hash, sizeof(hash)), &value);
	if (st == ST_OK)
		st = alias_unseal(c->from, hash, program, value, &member, &seq);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_CORRUPT : st;
	alias_hash(c->to, program, alias, ret->hash);
	buf_clear(&c->scratch);
	st = alias_seal(c->to, ret->hash, program, member, seq, &c->scratch);
	if (st != ST_OK)
		return st;
	assert(c->scratch.len == sizeof(ret->value));
	memcpy(ret->value, c->scratch.data, sizeof(ret->value));
	return ST_OK;
}

static enum status
run_add(struct vault_copy *c, const struct alias_row *row)
{
	if (c->n_run == c->cap_run) {
		size_t cap = c->cap_run == 0 ? 4096 : c->cap_run * 2;
		struct alias_row *grown = realloc(c->run, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		c->run = grown;
		c->cap_run = cap;
	}
	c->run[c->n_run++] = *row;
	return ST_OK;
}

static void
put_alias(struct store_txn *txn, const struct alias_row *row)
{
	store_put(txn, TABLE_ALIAS, bytes_of(row->hash, sizeof(row->hash)), bytes_of(row->value, sizeof(row->value)));
}

/* Aliases go to the run, or (${direct}) into the vault at once. */
static enum status
copy_person(struct vault_copy *c, struct store_txn *txn, struct bytes key, struct bytes value, bool direct)
{
	struct profile p;
	struct alias_row row;

	arena_reset(&c->arena);
	enum status st = key.len == PERSON_KEY ? person_unseal(c->from, key.data, value, &c->arena, &p) : ST_CORRUPT;
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < p.n_aliases && st == ST_OK; i++) {
		st = copy_alias(c, get_be32(key.data), p.aliases[i], &row);
		if (st == ST_OK && direct)
			put_alias(txn, &row);
		else if (st == ST_OK)
			st = run_add(c, &row);
	}
	buf_clear(&c->scratch);
	if (st == ST_OK)
		st = person_rewrap(c->to, key.data, &p, value, &c->scratch);
	sodium_memzero(p.key, sizeof(p.key));
	if (st == ST_OK && direct)
		store_put(txn, TABLE_PERSON, key, buf_bytes(&c->scratch));
	else if (st == ST_OK)
		store_append(txn, TABLE_PERSON, key, buf_bytes(&c->scratch));
	return st;
}

static enum status
end_chunk(struct store_txn *txn, enum status st)
{
	if (st == ST_OK)
		return store_commit(txn);
	store_abort(txn);
	return st;
}

static enum status
look(struct vault_copy *c)
{
	return c->reader == NULL ? store_read(c->store, STORE_VAULT, &c->reader) : store_renew(c->reader);
}

/* ---- the first pass ---- */

/* Persons from ${key} on, which becomes where the next chunk begins.  Of one with two rows, in a batch that is being written, the newer. */
static enum status
copy_chunk(struct vault_copy *c, struct store_txn *txn, uint8_t key[static PERSON_KEY], bool *ret_end)
{
	struct bytes found, value;

	for (size_t i = 0; i < CHUNK_PERSONS; i++) {
		enum status st = store_ceil(c->reader, TABLE_PERSON, bytes_of(key, PERSON_KEY), &found, &value);
		if (st == ST_NOTFOUND) {
			*ret_end = true;
			return ST_OK;
		}
		if (st == ST_OK && found.len != PERSON_KEY)
			st = ST_CORRUPT;
		if (st == ST_OK)
			st = person_row(c->reader, get_be32(found.data), get_be64(found.data + 4), &found, &value);
		if (st == ST_OK)
			st = copy_person(c, txn, found, value, false);
		if (st != ST_OK)
			return st;
		person_key(get_be32(found.data), get_be64(found.data + 4), UINT64_MAX, key);
	}
	return ST_OK;
}

static int
by_hash(const void *a, const void *b)
{
	return memcmp(a, b, ALIAS_HASH_BYTES);
}

static enum status
write_run(struct vault_copy *c)
{
	struct store_txn *txn;
	enum status st = ST_OK;

	if (c->n_run > 0)		/* else there is no run */
		qsort(c->run, c->n_run, sizeof(*c->run), by_hash);
	for (size_t i = 0; i < c->n_run && st == ST_OK; i += CHUNK_ALIASES) {
		st = store_vault_write(c->store, &txn);
		if (st != ST_OK)
			return st;
		for (size_t k = i; k < c->n_run && k < i + CHUNK_ALIASES; k++)
			put_alias(txn, &c->run[k]);
		st = store_commit(txn);
		if (st == ST_OK)
			st = pace(c);
	}
	c->n_run = 0;
	return st;
}

static enum status
copy_all(struct vault_copy *c)
{
	uint8_t key[PERSON_KEY] = { 0 };
	struct store_txn *txn;
	bool end = false;

	while (!end) {
		enum status st = look(c);
		if (st == ST_OK)
			st = store_vault_write(c->store, &txn);
		if (st != ST_OK)
			return st;
		st = end_chunk(txn, copy_chunk(c, txn, key, &end));
		store_rest(c->reader);
		if (st == ST_OK)
			st = pace(c);
		if (st == ST_OK && (c->n_run >= RUN_ROWS || end))
			st = write_run(c);
		if (st != ST_OK)
			return st;
	}
	free(c->run);
	c->run = NULL;
	c->cap_run = 0;
	return ST_OK;
}

/* ---- again: whom the writer touched ---- */

static enum status
take_out(struct vault_copy *c, struct store_txn *txn, const uint8_t person[static PERSON_PREFIX])
{
	uint32_t program = get_be32(person);
	uint8_t copy[PERSON_KEY], hash[ALIAS_HASH_BYTES];
	struct bytes key, value;
	struct profile p;

	enum status st = person_row(txn, program, get_be64(person + 4), &key, &value);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	memcpy(copy, key.data, sizeof(copy));
	arena_reset(&c->arena);
	st = person_unseal(c->to, copy, value, &c->arena, &p);
	if (st != ST_OK)
		return st;
	sodium_memzero(p.key, sizeof(p.key));
	for (size_t i = 0; i < p.n_aliases; i++) {
		alias_hash(c->to, program, p.aliases[i], hash);
		store_delete(txn, TABLE_ALIAS, bytes_of(hash, sizeof(hash)));
	}
	store_delete(txn, TABLE_PERSON, bytes_of(copy, sizeof(copy)));
	return ST_OK;
}

static enum status
put_in(struct vault_copy *c, struct store_txn *txn, const uint8_t person[static PERSON_PREFIX])
{
	struct bytes key, value;

	enum status st = person_row(c->reader, get_be32(person), get_be64(person + 4), &key, &value);
	if (st == ST_NOTFOUND)
		return ST_OK;
	return st == ST_OK ? copy_person(c, txn, key, value, true) : st;
}

static enum status
each_touched(struct vault_copy *c, uint8_t (*persons)[PERSON_PREFIX], size_t n, bool paced,
    enum status (*act)(struct vault_copy *, struct store_txn *, const uint8_t *))
{
	struct store_txn *txn;

	for (size_t i = 0; i < n; i += CHUNK_PERSONS) {
		enum status st = store_vault_write(c->store, &txn);
		if (st != ST_OK)
			return st;
		for (size_t k = i; k < n && k < i + CHUNK_PERSONS && st == ST_OK; k++)
			st = act(c, txn, persons[k]);
		st = end_chunk(txn, st);
		if (st == ST_OK && paced)
			st = pace(c);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static int
by_person(const void *a, const void *b)
{
	return memcmp(a, b, PERSON_PREFIX);
}

static size_t
once_each(uint8_t (*persons)[PERSON_PREFIX], size_t n)
{
	size_t kept = 0;

	qsort(persons, n, sizeof(*persons), by_person);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || memcmp(persons[kept - 1], persons[i], PERSON_PREFIX) != 0)
			memmove(persons[kept++], persons[i], PERSON_PREFIX);
	return kept;
}

static enum status
copy_touched(struct vault_copy *c, bool paced, size_t *ret_n)
{
	uint8_t (*persons)[PERSON_PREFIX] = NULL;
	size_t n = 0;

	enum status st = vault_touched_take(c->vault, &persons, &n);
	if (st == ST_OK && n > 0) {
		n = once_each(persons, n);
		st = look(c);
		if (st == ST_OK)
			st = each_touched(c, persons, n, paced, take_out);
		if (st == ST_OK)
			st = each_touched(c, persons, n, paced, put_in);
	}
	if (c->reader != NULL)
		store_rest(c->reader);
	free(persons);
	*ret_n = n;
	return st;
}

static enum status
write_epochs(struct vault_copy *c)
{
	struct store_txn *txn;

	enum status st = store_vault_write(c->store, &txn);
	if (st != ST_OK)
		return st;
	store_put(txn, TABLE_VAULT_META, epochs_key(), buf_bytes(&c->epochs));
	return store_commit(txn);
}

enum status
vault_copy_run(struct vault_copy *c, const atomic_bool *stop)
{
	int64_t begun_us = clock_monotonic_us();
	size_t n = REST_FEW + 1;

	c->stop = stop;
	c->worked_us = begun_us;
	c->touching = true;
	vault_touched_begin(c->vault);
	enum status st = copy_all(c);
	if (st == ST_OK)
		st = write_epochs(c);
	if (st == ST_OK)
		st = store_vault_sync(c->store);
	for (int round = 0; round < ROUNDS_MAX && st == ST_OK && n > REST_FEW; round++) {
		st = copy_touched(c, true, &n);
		c->result.again += n;
		if (st == ST_OK && n > 0)
			st = store_vault_sync(c->store);
	}
	c->result.copied_us = clock_monotonic_us() - begun_us;
	return st;
}

/* ---- the end ---- */

static enum status
same_aliases(struct vault_copy *c)
{
	struct store_txn *txn;

	enum status st = look(c);
	if (st == ST_OK)
		st = store_vault_write(c->store, &txn);
	if (st != ST_OK)
		return st;
	c->result.persons = store_rows(txn, TABLE_PERSON);
	c->result.aliases = store_rows(txn, TABLE_ALIAS);
	if (c->result.aliases != store_rows(c->reader, TABLE_ALIAS) || c->result.persons != store_rows(c->reader, TABLE_PERSON))
		st = ST_CORRUPT;
	store_abort(txn);
	return st;
}

enum status
vault_copy_finish(struct vault_copy *c, bool *ret_harmless)
{
	int64_t begun_us = clock_monotonic_us();
	size_t n;

	assert(vault_idle(c->vault));
	*ret_harmless = true;
	enum status st = copy_touched(c, false, &n);
	c->result.rest = n;
	if (st == ST_OK)
		st = same_aliases(c);
	if (st == ST_OK)
		st = store_vault_sync(c->store);
	store_abort(c->reader);
	c->reader = NULL;
	if (st != ST_OK)
		return st;
	*ret_harmless = c->made = c->key_there = false;		/* from here on it may be what the next start finds */
	vault_reader_close(c->vault);
	st = store_vault_switch(c->store);
	c->switched = st == ST_OK;
	c->touching = false;
	vault_touched_end(c->vault);
	c->result.stopped_us = clock_monotonic_us() - begun_us;
	return st;
}

enum status
vault_copy_settle(struct vault_copy *c)
{
	assert(c->switched);
	enum status st = store_vault_drop(c->store);
	if (st != ST_BUSY)
		vault_key_drop(c->vault, c->old_epoch);
	return st;
}
