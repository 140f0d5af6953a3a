/**
 * A batch is a list of changes in memory, newest first: lookups walk it before they ask the environment, writes go through it in order.
 * Batches with
 * enrolments or profiles are small, so a list will do; aliases are found by a hash of buckets over it.
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
#include "service/vault.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define MAC crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ALIAS_PLAIN 12
#define PERSON_KEY 20
#define PROFILE_BYTES_MAX 32768
#define PROFILE_FORMAT 1
#define VAULT_BATCH_BYTES ((size_t)256 * 1024 * 1024)
#define VAULT_BUCKETS 1024

struct change {
	struct change *next;			/* older */
	struct change *next_alias;		/* in its bucket, older */
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

struct vault {
	struct store *store;
	const struct keys *keys;
	struct arena arena;			/* the batch's */
	struct change *changes;
	struct change *aliases[VAULT_BUCKETS];
	struct store_txn *reader;
	enum debt debt;
};

static struct bytes
batch_key(void)
{
	return bytes_of("batch", strlen("batch"));
}

enum status
vault_new(struct store *store, const struct keys *keys, struct vault **ret_vault)
{
	struct vault *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return ST_NOMEM;
	v->store = store;
	v->keys = keys;
	arena_init(&v->arena, VAULT_BATCH_BYTES);
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
	arena_release(&v->arena);
	free(v);
}

/* ---- keys and seals ---- */

static void
alias_hash(const struct vault *v, uint32_t program, const char *alias, uint8_t ret_hash[static ALIAS_HASH_BYTES])
{
	crypto_generichash_state state;
	uint8_t number[4];

	put_be32(number, program);
	crypto_generichash_init(&state, keys_secret(v->keys, KEY_ALIAS), HASH_KEY_BYTES, ALIAS_HASH_BYTES);
	crypto_generichash_update(&state, number, sizeof(number));
	crypto_generichash_update(&state, (const unsigned char *)alias, strlen(alias));
	crypto_generichash_final(&state, ret_hash, ALIAS_HASH_BYTES);
}

static void
person_key(uint32_t program, uint64_t member, uint64_t seq, uint8_t ret_key[static PERSON_KEY])
{
	put_be32(ret_key, program);
	put_be64(ret_key + 4, member);
	put_be64(ret_key + 12, seq);
}

static void
seal(struct buf *out, const uint8_t *key, struct bytes plain, struct bytes bound)
{
	uint8_t nonce[NONCE], box[PROFILE_BYTES_MAX + MAC];
	unsigned long long len;

	assert(plain.len <= PROFILE_BYTES_MAX);
	randombytes_buf(nonce, sizeof(nonce));
	crypto_aead_xchacha20poly1305_ietf_encrypt(box, &len, plain.data, plain.len, bound.data, bound.len, NULL, nonce, key);
	buf_put(out, nonce, sizeof(nonce));
	buf_put(out, box, len);
}

/* Writes box.len - NONCE - MAC bytes. */
static enum status
unseal(uint8_t *ret_plain, const uint8_t *key, struct bytes box, struct bytes bound)
{
	if (box.len < NONCE + MAC)
		return ST_CORRUPT;
	int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(ret_plain, NULL, NULL, box.data + NONCE, box.len - NONCE, bound.data, bound.len,
	    box.data, key);
	return failed != 0 ? ST_CORRUPT : ST_OK;
}

static enum status
alias_seal(const struct vault *v, const uint8_t hash[static ALIAS_HASH_BYTES], uint32_t program, uint64_t member, uint64_t seq,
    struct buf *out)
{
	uint8_t plain[ALIAS_PLAIN];

	put_be32(plain, program);
	put_be64(plain + 4, member);
	buf_put_be64(out, seq);
	seal(out, keys_secret(v->keys, KEY_VAULT), bytes_of(plain, sizeof(plain)), bytes_of(hash, ALIAS_HASH_BYTES));
	return buf_status(out);
}

static enum status
alias_unseal(const struct vault *v, const uint8_t hash[static ALIAS_HASH_BYTES], uint32_t program, struct bytes value, uint64_t *ret_member)
{
	uint8_t plain[ALIAS_PLAIN];

	if (value.len != 8 + NONCE + ALIAS_PLAIN + MAC)
		return ST_CORRUPT;
	enum status st = unseal(plain, keys_secret(v->keys, KEY_VAULT), bytes_of(value.data + 8, value.len - 8), bytes_of(hash, ALIAS_HASH_BYTES));
	if (st != ST_OK)
		return st;
	if (get_be32(plain) != program)
		return ST_CORRUPT;
	*ret_member = get_be64(plain + 4);
	return ST_OK;
}

static void
profile_encode(const struct profile *p, struct buf *out)
{
	buf_put_u8(out, PROFILE_FORMAT);
	buf_put_varint(out, p->n_dates);
	for (size_t i = 0; i < p->n_dates; i++) {
		buf_put_u8(out, (uint8_t)p->dates[i].month);
		buf_put_u8(out, (uint8_t)p->dates[i].day);
		buf_put_svarint(out, p->dates[i].entered_day);
	}
	buf_put_varint(out, p->n_aliases);
	for (size_t i = 0; i < p->n_aliases; i++)
		buf_put_string(out, p->aliases[i]);
	buf_put_varint(out, p->n_segments);
	for (size_t i = 0; i < p->n_segments; i++)
		buf_put_string(out, p->segments[i]);
	buf_put_varint(out, p->n_absorbed);
	for (size_t i = 0; i < p->n_absorbed; i++)
		buf_put_varint(out, p->absorbed[i]);
}

static enum status
decode_texts(struct cursor *c, struct arena *arena, size_t max, const char **ret_texts, size_t *ret_n)
{
	uint64_t n = cursor_varint(c);

	if (n > max)
		return ST_CORRUPT;
	for (size_t i = 0; i < n; i++) {
		struct bytes text = cursor_string(c);
		ret_texts[i] = arena_memdup(arena, text.data, text.len);
		if (ret_texts[i] == NULL)
			return ST_NOMEM;
	}
	*ret_n = (size_t)n;
	return ST_OK;
}

static enum status
profile_decode(struct bytes plain, struct arena *arena, struct profile *ret)
{
	struct cursor c = cursor_of(plain);

	if (cursor_u8(&c) != PROFILE_FORMAT)
		return ST_CORRUPT;
	uint64_t n = cursor_varint(&c);
	if (n > LEDGER_BIRTHDAYS_MAX)
		return ST_CORRUPT;
	ret->n_dates = (size_t)n;
	for (size_t i = 0; i < n; i++) {
		ret->dates[i].month = cursor_u8(&c);
		ret->dates[i].day = cursor_u8(&c);
		ret->dates[i].entered_day = (int32_t)cursor_svarint(&c);
	}
	enum status st = decode_texts(&c, arena, PROFILE_ALIASES_MAX, ret->aliases, &ret->n_aliases);
	if (st == ST_OK)
		st = decode_texts(&c, arena, PROFILE_SEGMENTS_MAX, ret->segments, &ret->n_segments);
	if (st != ST_OK)
		return st;
	n = cursor_varint(&c);
	if (n > PROFILE_ABSORBED_MAX)
		return ST_CORRUPT;
	ret->n_absorbed = (size_t)n;
	for (size_t i = 0; i < n; i++)
		ret->absorbed[i] = cursor_varint(&c);
	return cursor_done(&c) ? ST_OK : ST_CORRUPT;
}

#define WRAPPED (NONCE + MEMBER_KEY_SECRET_BYTES + MAC)

static enum status
person_seal(const struct vault *v, const uint8_t key[static PERSON_KEY], const struct profile *p, struct buf *out)
{
	struct buf plain;
	struct bytes bound = bytes_of(key, 12);		/* program and member */

	buf_init(&plain);
	profile_encode(p, &plain);
	enum status st = buf_status(&plain);
	if (st == ST_OK && plain.len > PROFILE_BYTES_MAX)
		st = ST_TOO_LARGE;
	if (st == ST_OK) {
		seal(out, keys_secret(v->keys, KEY_VAULT), bytes_of(p->key, sizeof(p->key)), bound);
		seal(out, p->key, buf_bytes(&plain), bound);
		st = buf_status(out);
	}
	if (plain.data != NULL)
		sodium_memzero(plain.data, plain.len);
	buf_release(&plain);
	return st;
}

static enum status
person_unseal(const struct vault *v, const uint8_t key[static PERSON_KEY], struct bytes value, struct arena *arena, struct profile *ret)
{
	struct bytes bound = bytes_of(key, 12);

	if (value.len < WRAPPED + NONCE + MAC)
		return ST_CORRUPT;
	size_t plain_len = value.len - WRAPPED - NONCE - MAC;
	uint8_t *plain = arena_alloc(arena, plain_len);
	if (plain == NULL)
		return ST_NOMEM;
	enum status st = unseal(ret->key, keys_secret(v->keys, KEY_VAULT), bytes_of(value.data, WRAPPED), bound);
	if (st == ST_OK)
		st = unseal(plain, ret->key, bytes_of(value.data + WRAPPED, value.len - WRAPPED), bound);
	if (st == ST_OK)
		st = profile_decode(bytes_of(plain, plain_len), arena, ret);
	sodium_memzero(plain, plain_len);
	return st;
}

/* ---- reading ---- */

static enum status
lookup_hash(const struct vault *v, struct store_txn *txn, uint32_t program, const uint8_t hash[static ALIAS_HASH_BYTES],
    uint64_t *ret_member)
{
	struct bytes value;

	enum status st = store_get(txn, TABLE_ALIAS, bytes_of(hash, ALIAS_HASH_BYTES), &value);
	return st != ST_OK ? st : alias_unseal(v, hash, program, value, ret_member);
}

enum status
vault_lookup(const struct vault *v, struct store_txn *txn, uint32_t program, const char *alias, uint64_t *ret_member)
{
	uint8_t hash[ALIAS_HASH_BYTES];

	alias_hash(v, program, alias, hash);
	return lookup_hash(v, txn, program, hash, ret_member);
}

/* The newest row of a person. */
static enum status
person_row(struct store_txn *txn, uint32_t program, uint64_t member, struct bytes *ret_key, struct bytes *ret_value)
{
	uint8_t key[PERSON_KEY];

	person_key(program, member, UINT64_MAX, key);
	enum status st = store_floor(txn, TABLE_PERSON, bytes_of(key, sizeof(key)), ret_key, ret_value);
	if (st != ST_OK)
		return st;
	return ret_key->len == PERSON_KEY && memcmp(ret_key->data, key, 12) == 0 ? ST_OK : ST_NOTFOUND;
}

enum status
vault_read(const struct vault *v, struct store_txn *txn, uint32_t program, uint64_t member, struct arena *arena, struct profile *ret)
{
	struct bytes key, value;

	enum status st = person_row(txn, program, member, &key, &value);
	return st != ST_OK ? st : person_unseal(v, key.data, value, arena, ret);
}

static enum status
writer_reader(struct vault *v, struct store_txn **ret_txn)
{
	enum status st = v->reader == NULL ? store_read(v->store, STORE_VAULT, &v->reader) : store_renew(v->reader);

	if (st == ST_OK)
		*ret_txn = v->reader;
	return st;
}

static struct change **
alias_bucket(struct vault *v, const uint8_t hash[static ALIAS_HASH_BYTES])
{
	return &v->aliases[get_be32(hash) % VAULT_BUCKETS];
}

enum status
vault_find(struct vault *v, uint32_t program, const char *alias, uint64_t *ret_member)
{
	uint8_t hash[ALIAS_HASH_BYTES];
	struct store_txn *txn;

	alias_hash(v, program, alias, hash);
	for (const struct change *c = *alias_bucket(v, hash); c != NULL; c = c->next_alias) {
		if (memcmp(c->key, hash, sizeof(hash)) == 0) {
			*ret_member = c->member;
			return c->member == 0 ? ST_NOTFOUND : ST_OK;
		}
	}
	enum status st = writer_reader(v, &txn);
	return st != ST_OK ? st : lookup_hash(v, txn, program, hash, ret_member);
}

enum status
vault_profile(struct vault *v, uint32_t program, uint64_t member, struct arena *arena, struct profile *ret)
{
	uint8_t key[PERSON_KEY];
	struct store_txn *txn;

	person_key(program, member, 0, key);
	for (const struct change *c = v->changes; c != NULL; c = c->next) {
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
	if (c->table == TABLE_ALIAS) {
		struct change **bucket = alias_bucket(v, c->key);
		c->next_alias = *bucket;
		*bucket = c;
	}
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

	for (const struct change *c = v->changes; c != NULL; c = c->next) {
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
	st = person_seal(v, key, copy, &value);
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
	alias_hash(v, program, alias, hash);
	struct change *c = change_new(v, true, TABLE_ALIAS, bytes_of(hash, sizeof(hash)), seq);
	if (c == NULL)
		return ST_NOMEM;
	c->member = member;
	buf_init(&value);
	enum status st = alias_seal(v, hash, program, member, seq, &value);
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

	alias_hash(v, program, alias, hash);
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
	for (struct change *c = v->changes; c != NULL; c = c->next) {
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
	if (v->reader != NULL)
		store_rest(v->reader);
	if (v->debt != DEBT_NONE)
		return;
	for (struct change *c = v->changes; c != NULL; c = c->next) {
		if (c->profile != NULL)
			sodium_memzero((void *)(uintptr_t)c->profile, sizeof(*c->profile));
	}
	v->changes = NULL;
	memset(v->aliases, 0, sizeof(v->aliases));
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
			newest = newest->next_alias;
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
key_of(const struct change *c)
{
	return bytes_of(c->key, c->key_len);
}

/* Notes what an addition replaces, and writes it. */
static enum status
write_addition(struct vault *v, struct store_txn *txn, struct change *c)
{
	struct bytes old;

	enum status st = store_get(txn, c->table, key_of(c), &old);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	c->replaced = bytes_of(NULL, 0);
	if (st == ST_OK && c->table == TABLE_ALIAS) {
		char *copy = arena_memdup(&v->arena, old.data, old.len);
		if (copy == NULL)
			return ST_NOMEM;
		c->replaced = bytes_of(copy, old.len);
	}
	store_put(txn, c->table, key_of(c), c->value);
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
	if (st == ST_OK)
		return store_commit(txn);
	store_abort(txn);
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
			take_back(txn, list[i]->table, key_of(list[i]), list[i]->replaced);
		else if (!list[i]->add && v->debt == DEBT_REMOVALS)
			store_delete(txn, list[i]->table, key_of(list[i]));
	}
	store_delete(txn, TABLE_VAULT_META, batch_key());
	st = store_commit(txn);
	if (st != ST_OK)
		return st;
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

enum status
vault_each_birthday(const struct vault *v, bool (*visit)(void *ctx, uint32_t program, uint64_t member, const struct birthday_date *date),
    void *ctx)
{
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;
	struct arena arena;
	uint8_t first[1] = { 0 };
	bool go_on = true;

	enum status st = store_read(v->store, STORE_VAULT, &txn);
	if (st != ST_OK)
		return st;
	st = store_cursor_open(txn, TABLE_PERSON, bytes_of(first, sizeof(first)), &cursor);
	if (st != ST_OK) {
		store_abort(txn);
		return st;
	}
	arena_init(&arena, (size_t)1024 * 1024);
	while (go_on && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		struct profile profile;
		arena_reset(&arena);
		st = key.len == PERSON_KEY ? person_unseal(v, key.data, value, &arena, &profile) : ST_CORRUPT;
		if (st != ST_OK)
			break;
		for (size_t i = 0; i < profile.n_dates && go_on; i++)
			go_on = visit(ctx, get_be32(key.data), get_be64(key.data + 4), &profile.dates[i]);
		sodium_memzero(profile.key, sizeof(profile.key));
	}
	arena_release(&arena);
	store_cursor_close(cursor);
	store_abort(txn);
	return st == ST_NOTFOUND ? ST_OK : st;
}
