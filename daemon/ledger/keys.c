/*
 * Invariants: of each kind the keys' ranges follow each other without a gap, the last of them without an end; no key is there twice.
 *
 * A transaction key that was recovered signs the transaction that names it, since the one before is lost or in wrong hands; otherwise the
 * one before signs that too.  A checkpoint of s + 1 transactions shows the rotation of transaction s, so it is the new key's.
 */
#include "ledger/keys.h"

#include <assert.h>
#include <string.h>

static bool
is_public_key(const struct key_history *h, struct bytes key)
{
	return key.len == PUBLIC_KEY_LEN && key_history_find(h, key) == NULL;
}

static void
append(struct key_history *h, const struct ledger_key *key, struct bytes public_key)
{
	h->keys[h->n] = *key;
	memcpy(h->keys[h->n].public_key, public_key.data, PUBLIC_KEY_LEN);
	h->n++;
}

static bool
follow_genesis(struct key_history *h, const struct entry *e, uint64_t seq)
{
	struct bytes transaction_key = e->u.genesis.transaction_key, checkpoint_key = e->u.genesis.checkpoint_key;

	if (h->n > 0 || seq != 0 || transaction_key.len != PUBLIC_KEY_LEN || checkpoint_key.len != PUBLIC_KEY_LEN)
		return false;
	append(h, &(struct ledger_key){ .kind = KEY_OF_TRANSACTIONS, .until = UINT64_MAX }, transaction_key);
	append(h, &(struct ledger_key){ .kind = KEY_OF_CHECKPOINTS, .until = UINT64_MAX }, checkpoint_key);
	return true;
}

static bool
follow_rotation(struct key_history *h, const struct entry *e, uint64_t seq)
{
	bool of_checkpoints = e->u.rotate_key.kind == KEY_OF_CHECKPOINTS, recovers = e->u.rotate_key.recovery != RECOVERY_NONE;
	struct ledger_key *old = NULL;

	for (size_t i = 0; i < h->n; i++)
		if (h->keys[i].kind == e->u.rotate_key.kind && h->keys[i].until == UINT64_MAX)
			old = &h->keys[i];
	if (old == NULL || h->n == LEDGER_KEYS_MAX || !is_public_key(h, e->u.rotate_key.new_key) || seq <= old->named_at ||
	    !bytes_equal(e->key_change.old_key, bytes_of(old->public_key, PUBLIC_KEY_LEN)) || e->key_change.has_until != of_checkpoints)
		return false;
	uint64_t from = recovers && !of_checkpoints ? seq : seq + 1;
	old->until = from;
	old->until_us = of_checkpoints ? e->key_change.until_us : 0;
	append(h, &(struct ledger_key){ .kind = e->u.rotate_key.kind, .recovery = e->u.rotate_key.recovery, .named_at = seq, .from = from,
	    .until = UINT64_MAX }, e->u.rotate_key.new_key);
	return true;
}

bool
key_history_follow(struct key_history *h, const struct entry *e, uint64_t seq)
{
	assert(e->op == OP_GENESIS || e->op == OP_ROTATE_KEY);
	return e->op == OP_GENESIS ? follow_genesis(h, e, seq) : follow_rotation(h, e, seq);
}

/* ---- asking ---- */

/* Whatever number a stored row or a file may say: after the genesis there is one. */
static const struct ledger_key *
find_at(const struct key_history *h, enum key_kind kind, uint64_t at)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->keys[i].kind == kind && h->keys[i].from <= at && (at < h->keys[i].until || h->keys[i].until == UINT64_MAX))
			return &h->keys[i];
	return NULL;
}

const struct ledger_key *
key_history_current(const struct key_history *h, enum key_kind kind)
{
	return find_at(h, kind, UINT64_MAX);
}

const struct ledger_key *
key_history_find(const struct key_history *h, struct bytes public_key)
{
	for (size_t i = 0; i < h->n; i++)
		if (bytes_equal(public_key, bytes_of(h->keys[i].public_key, PUBLIC_KEY_LEN)))
			return &h->keys[i];
	return NULL;
}

void
key_history_signers(const struct key_history *h, uint64_t seq, const struct ledger_key **ret_first, const struct ledger_key **ret_second)
{
	*ret_first = find_at(h, KEY_OF_TRANSACTIONS, seq);
	*ret_second = NULL;
	for (size_t i = 0; i < h->n && seq > 0; i++) {
		const struct ledger_key *key = &h->keys[i];
		if (key->named_at != seq)
			continue;
		bool recovered = key->kind == KEY_OF_TRANSACTIONS && key->recovery != RECOVERY_NONE;
		*ret_second = recovered ? find_at(h, KEY_OF_CHECKPOINTS, seq) : key;
	}
}

const struct ledger_key *
key_history_checkpoint(const struct key_history *h, uint64_t size)
{
	return find_at(h, KEY_OF_CHECKPOINTS, size);
}

const struct ledger_key *
key_history_beside(const struct key_history *h, uint64_t size, int64_t committed_at_us)
{
	const struct ledger_key *must = key_history_checkpoint(h, size);
	const struct ledger_key *before = must == NULL || must->from == 0 ? NULL : find_at(h, KEY_OF_CHECKPOINTS, must->from - 1);

	return before != NULL && committed_at_us < before->until_us ? before : NULL;
}

/* ---- rows ---- */

void
ledger_key_encode(const struct ledger_key *key, struct buf *out)
{
	buf_put_u8(out, (uint8_t)key->kind);
	buf_put_u8(out, (uint8_t)key->recovery);
	buf_put(out, key->public_key, PUBLIC_KEY_LEN);
	buf_put_be64(out, key->named_at);
	buf_put_be64(out, key->from);
	buf_put_be64(out, key->until);
	buf_put_be64(out, (uint64_t)key->until_us);
}

enum status
ledger_key_decode(struct bytes value, struct ledger_key *ret_key)
{
	struct cursor c = cursor_of(value);
	uint8_t kind = cursor_u8(&c), recovery = cursor_u8(&c);
	struct bytes public_key = cursor_bytes(&c, PUBLIC_KEY_LEN);
	struct ledger_key key = { .named_at = cursor_be64(&c) };
	key.from = cursor_be64(&c);
	key.until = cursor_be64(&c);
	key.until_us = (int64_t)cursor_be64(&c);

	if (!cursor_done(&c) || kind == KEY_OF_NOTHING || kind >= KEY_KIND_COUNT || recovery >= RECOVERY_COUNT)
		return ST_CORRUPT;
	key.kind = (enum key_kind)kind;
	key.recovery = (enum key_recovery)recovery;
	memcpy(key.public_key, public_key.data, PUBLIC_KEY_LEN);
	*ret_key = key;
	return ST_OK;
}
