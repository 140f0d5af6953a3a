/*
 * Who signs, as the ledger itself says.  A rotation shows on the outside of its transaction, by the second signature, so that the few there
 * are can be found without reading what all others hold.  That none lacks it is found by who reads them: a replay, and a check of signatures.
 */
#include <assert.h>
#include <string.h>

#include "apply/internal.h"

#define KEY_ID_LEN 8
#define ROTATION_ARENA_BYTES ((size_t)1 << 20)

/* ---- rows ---- */

enum status
keys_load_rows(struct store_txn *state, struct key_history *ret_keys)
{
	struct store_cursor *cursor;
	struct bytes key, value;

	ret_keys->n = 0;
	enum status st = store_cursor_open(state, TABLE_KEY, bytes_of("", 0), &cursor);
	if (st != ST_OK)
		return st;
	while ((st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		if (key.len != 4 || get_be32(key.data) != ret_keys->n || ret_keys->n == LEDGER_KEYS_MAX)
			st = ST_CORRUPT;
		else
			st = ledger_key_decode(value, &ret_keys->keys[ret_keys->n]);
		if (st != ST_OK)
			break;
		ret_keys->n++;
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum status
keys_store_rows(struct store_txn *state, const struct key_history *keys)
{
	enum status st = ST_OK;
	struct buf row;

	buf_init(&row);
	for (uint32_t i = 0; i < keys->n && st == ST_OK; i++) {
		uint8_t key[4];
		put_be32(key, i);
		buf_clear(&row);
		ledger_key_encode(&keys->keys[i], &row);
		st = buf_status(&row);
		if (st == ST_OK)
			store_put(state, TABLE_KEY, bytes_of(key, sizeof(key)), buf_bytes(&row));
	}
	buf_release(&row);
	return st;
}

/* ---- signatures ---- */

static enum status
check_one(const struct ledger_key *key, struct bytes key_id, struct bytes transaction, struct bytes signature, apply_verify_fn *verify,
    enum replay_fault *ret_fault)
{
	struct bytes public_key = key == NULL ? bytes_of(NULL, 0) : bytes_of(key->public_key, PUBLIC_KEY_LEN);
	uint8_t hash[SHA256_BYTES];

	*ret_fault = REPLAY_KEY;
	if (key == NULL)
		return ST_OK;
	hash_sha256(hash, &public_key, 1);
	if (!bytes_equal(key_id, bytes_of(hash, KEY_ID_LEN)))
		return ST_OK;
	enum status st = verify(key->public_key, transaction, signature);
	*ret_fault = st == ST_INVALID ? REPLAY_SIGNATURE : REPLAY_OK;
	return st == ST_INVALID ? ST_OK : st;
}

bool
rotation_shows(const struct signed_transaction *s, const struct transaction *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_entries; i++)
		n += t->entries[i].op == OP_ROTATE_KEY;
	return n == 0 ? s->second_signature.len == 0 : t->n_entries == 1 && t->program == 0 && s->second_signature.len > 0;
}

enum status
apply_check_signatures(const struct key_history *keys, uint64_t seq, const struct signed_transaction *s, const struct transaction *t,
    apply_verify_fn *verify, enum replay_fault *ret_fault)
{
	const struct ledger_key *first, *second;

	*ret_fault = REPLAY_ROTATION;
	if (!rotation_shows(s, t))
		return ST_OK;
	key_history_signers(keys, seq, &first, &second);
	enum status st = check_one(first, s->key_id, s->transaction, s->signature, verify, ret_fault);
	if (st != ST_OK || *ret_fault != REPLAY_OK || s->second_signature.len == 0)
		return st;
	return check_one(second, s->second_key_id, s->transaction, s->second_signature, verify, ret_fault);
}

/* ---- the history ---- */

/* One that may change the keys; *${ret_fault} when it does and could not stand there. */
static enum status
follow(struct key_history *keys, uint64_t seq, struct bytes leaf, struct arena *arena, struct signed_transaction *s, struct transaction *t,
    enum replay_fault *ret_fault)
{
	*ret_fault = REPLAY_UNREADABLE;
	if (codec_signed_decode(leaf, s) != ST_OK)
		return ST_OK;
	*ret_fault = REPLAY_OK;
	*t = (struct transaction){ .n_entries = 0 };
	if (seq > 0 && s->second_signature.len == 0)
		return ST_OK;
	enum status st = codec_transaction_decode(s->transaction, arena, t);
	if (st == ST_CORRUPT || (st == ST_OK && t->seq != seq)) {
		*ret_fault = st == ST_OK ? REPLAY_SEQ : REPLAY_UNREADABLE;
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	enum op wanted = seq == 0 ? OP_GENESIS : OP_ROTATE_KEY;
	if (t->n_entries != 1 || t->entries[0].op != wanted || t->program != 0)
		*ret_fault = seq == 0 ? REPLAY_GENESIS : REPLAY_ROTATION;
	else if (!key_history_follow(keys, &t->entries[0], seq))
		*ret_fault = seq == 0 ? REPLAY_GENESIS : REPLAY_ROTATION;
	return ST_OK;
}

enum status
apply_follow_keys(struct key_history *keys, uint64_t seq, struct bytes leaf, struct arena *arena)
{
	struct signed_transaction s;
	struct transaction t;
	enum replay_fault fault;

	return follow(keys, seq, leaf, arena, &s, &t, &fault);
}

struct key_reader {
	struct store_txn *ledger;
	apply_verify_fn *verify;
	struct arena arena;
	struct key_history *keys;
	struct replay_error *error;
};

/* Of a leaf: what it does to the keys, and that those sign it who have to. */
static enum status
read_one(struct key_reader *r, uint64_t seq, struct bytes leaf)
{
	struct signed_transaction s;
	struct transaction t;
	enum replay_fault fault;

	arena_reset(&r->arena);
	enum status st = follow(r->keys, seq, leaf, &r->arena, &s, &t, &fault);
	if (st == ST_OK && fault == REPLAY_OK && t.n_entries > 0)
		st = apply_check_signatures(r->keys, seq, &s, &t, r->verify, &fault);
	if (st != ST_OK || fault == REPLAY_OK)
		return st;
	replay_error_set(r->error, fault, seq);
	return ST_INVALID;
}

static enum status
read_at(struct key_reader *r, uint64_t seq)
{
	uint8_t key[8];
	struct bytes leaf;

	put_be64(key, seq);
	enum status st = store_get(r->ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &leaf);
	if (st == ST_OK)
		return read_one(r, seq, leaf);
	if (st != ST_NOTFOUND)
		return st;
	replay_error_set(r->error, REPLAY_SEQ, seq);
	return ST_INVALID;
}

static enum status
read_range(struct key_reader *r, uint64_t from, uint64_t until)
{
	struct store_cursor *cursor;
	struct bytes key, leaf;
	uint8_t first[8];

	if (from >= until)
		return ST_OK;
	put_be64(first, from);
	enum status st = store_cursor_open(r->ledger, TABLE_TRANSACTION, bytes_of(first, sizeof(first)), &cursor);
	if (st != ST_OK)
		return st;
	for (uint64_t seq = from; seq < until && st == ST_OK; seq++) {
		st = store_cursor_next(cursor, &key, &leaf);
		if (st == ST_NOTFOUND || (st == ST_OK && (key.len != 8 || get_be64(key.data) != seq))) {
			replay_error_set(r->error, REPLAY_SEQ, seq);
			st = ST_INVALID;
		}
		if (st == ST_OK)
			st = read_one(r, seq, leaf);
	}
	store_cursor_close(cursor);
	return st;
}

/* Those that a state knows of; *${ret_from}: the first transaction that it does not know. */
static enum status
read_known(struct key_reader *r, struct store_txn *state, uint64_t size, uint64_t *ret_from)
{
	struct key_history known;
	uint64_t applied = 0, newest = 0;

	enum status st = apply_read_size(state, &applied);
	if (st == ST_OK)
		st = keys_load_rows(state, &known);
	*ret_from = 0;
	if (st != ST_OK || applied == 0)
		return st == ST_NOTFOUND ? ST_OK : st;
	st = read_at(r, 0);
	for (size_t i = 0; i < known.n && st == ST_OK; i++) {
		if (known.keys[i].named_at <= newest || known.keys[i].named_at >= size)
			continue;
		newest = known.keys[i].named_at;
		st = read_at(r, newest);
	}
	*ret_from = applied < size ? applied : size;
	return st;
}

enum status
apply_read_keys(struct store_txn *ledger, struct store_txn *state, uint64_t size, apply_verify_fn *verify, struct key_history *ret_keys,
    struct replay_error *ret_error)
{
	struct key_reader r = { .ledger = ledger, .verify = verify, .keys = ret_keys, .error = ret_error };
	uint64_t from = 0;

	assert(size > 0);
	ret_keys->n = 0;
	*ret_error = (struct replay_error){ .what = REPLAY_OK };
	arena_init(&r.arena, ROTATION_ARENA_BYTES);
	enum status st = state == NULL ? ST_OK : read_known(&r, state, size, &from);
	if (st == ST_OK)
		st = read_range(&r, from, size);
	arena_release(&r.arena);
	return st;
}
