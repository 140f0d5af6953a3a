/* A stored transaction is believed only as far as it checks: everything that can be wrong with it has a name, and the first is reported. */
#include "apply/internal.h"

#include <stdio.h>
#include <string.h>

#define FLUSH_TRANSACTIONS 4000
#define FLUSH_BYTES ((size_t)64 * 1024 * 1024)

const char *
replay_fault_str(enum replay_fault fault)
{
	switch (fault) {
	case REPLAY_OK: return "it is whole";
	case REPLAY_UNREADABLE: return "it cannot be read: its bytes are not those of a transaction";
	case REPLAY_SEQ: return "it says another seq than its place in the log";
	case REPLAY_ORIGIN: return "it names another origin than the genesis";
	case REPLAY_PREV: return "it does not follow the transaction before it: prev differs";
	case REPLAY_TIME: return "its committed_at is not after that of the transaction before it";
	case REPLAY_KEY: return "it is signed by another key than the one that the ledger had then";
	case REPLAY_ROTATION: return "it rotates a key and does not have both signatures, alone; or has two and rotates none";
	case REPLAY_APPROVAL: return "an entry approves with a signature that is not by its principal's key, or not of the adjust that it names";
	case REPLAY_SIGNATURE: return "its signature does not verify";
	case REPLAY_GENESIS: return "transaction 0, and only that, must be a genesis of this format";
	case REPLAY_REQUEST_TWICE: return "an entry repeats a request id of its principal";
	case REPLAY_ENTRY: return "an entry cannot be applied";
	}
	return "";
}

void
replay_error_set(struct replay_error *error, enum replay_fault what, uint64_t seq)
{
	*error = (struct replay_error){ .what = what, .seq = seq };
	snprintf(error->sentence, sizeof(error->sentence), "transaction %llu: %s", (unsigned long long)seq, replay_fault_str(what));
}

static enum replay_fault
check_genesis(const struct transaction *t)
{
	const struct entry *e = &t->entries[0];

	if (t->n_entries != 1 || e->op != OP_GENESIS || e->u.genesis.format != 1 || t->program != 0)
		return REPLAY_GENESIS;
	if (e->u.genesis.transaction_key.len != 32 || e->u.genesis.checkpoint_key.len != 32)
		return REPLAY_GENESIS;
	if (e->u.genesis.origin == NULL || strlen(e->u.genesis.origin) > 128 || strcmp(e->u.genesis.origin, t->origin) != 0)
		return REPLAY_GENESIS;
	return REPLAY_OK;
}

static enum replay_fault
check_place(const struct apply *a, uint64_t seq, const struct transaction *t)
{
	if (t->seq != seq || seq != a->head.size)
		return REPLAY_SEQ;
	if (memcmp(t->prev, a->head.prev, SHA256_BYTES) != 0)
		return REPLAY_PREV;
	if (t->n_entries == 0)
		return REPLAY_UNREADABLE;
	if (seq == 0)
		return check_genesis(t);
	if (strcmp(t->origin, a->head.origin) != 0)
		return REPLAY_ORIGIN;
	if (t->committed_at_us <= a->head.committed_at_us)
		return REPLAY_TIME;
	for (size_t i = 0; i < t->n_entries; i++) {
		if (t->entries[i].op == OP_GENESIS)
			return REPLAY_GENESIS;
	}
	return REPLAY_OK;
}

void
apply_set_judge(struct apply *a, apply_judge_fn *judge, void *ctx)
{
	a->judge = judge;
	a->judge_ctx = ctx;
}

void
apply_set_approvals(struct apply *a, apply_verify_fn *verify)
{
	a->verify_approval = verify;
}

/* One of what does not wait is evolve's to refuse. */
static enum status
check_approval(struct apply *a, const struct entry *e, struct replay_error *ret_error, uint64_t seq)
{
	struct waiting_adjust waiting;
	bool ok = false;

	if (e->op != OP_APPROVE || e->principal == NULL)
		return ST_OK;
	enum status st = state_waiting(a, e->u.approve.command, &waiting);
	if (st == ST_OK && a->verify_approval != NULL)
		st = apply_check_approval(a, e->principal, e->u.approve.command, e->u.approve.signature, a->verify_approval, &ok);
	if (st != ST_OK || ok)
		return st == ST_NOTFOUND ? ST_OK : st;
	replay_error_set(ret_error, REPLAY_APPROVAL, seq);
	return ST_INVALID;
}

static enum status
apply_one(struct apply *a, struct transaction *t, uint32_t index, struct replay_error *ret_error)
{
	struct entry *e = &t->entries[index];
	struct entry_id id = { t->seq, index };
	struct request_row row;
	enum evolve_fault fault;

	if (e->request_id != NULL) {
		enum status st = apply_request(a, e->principal == NULL ? "" : e->principal, e->request_id, &row);
		if (st == ST_OK) {
			replay_error_set(ret_error, REPLAY_REQUEST_TWICE, t->seq);
			return ST_INVALID;
		}
		if (st != ST_NOTFOUND)
			return st;
	}
	enum status st = check_approval(a, e, ret_error, t->seq);
	if (st == ST_OK && a->judge != NULL)
		st = a->judge(a->judge_ctx, apply_state(a), e, id, e->has_at ? e->at_us : t->committed_at_us);
	if (st == ST_OK)
		st = apply_entry(a, e, id, t->committed_at_us, EVOLVE_REPLAY, &fault);
	if (st != ST_OK || fault == EVOLVE_OK)
		return st;
	replay_error_set(ret_error, REPLAY_ENTRY, t->seq);
	ret_error->fault = fault;
	ret_error->index = index;
	snprintf(ret_error->sentence, sizeof(ret_error->sentence), "transaction %llu: entry %u (%s) cannot be applied: %s",
	    (unsigned long long)t->seq, index, op_str(e->op), evolve_fault_str(fault));
	return ST_INVALID;
}

static enum status
apply_decoded(struct apply *a, uint64_t seq, struct transaction *t, const struct signed_transaction *s, struct bytes leaf,
    struct replay_error *ret_error)
{
	enum replay_fault fault = check_place(a, seq, t);

	if (fault == REPLAY_OK && !rotation_shows(s, t))
		fault = REPLAY_ROTATION;
	if (fault != REPLAY_OK) {
		replay_error_set(ret_error, fault, seq);
		return ST_INVALID;
	}
	for (uint32_t i = 0; i < t->n_entries; i++) {
		enum status st = apply_one(a, t, i, ret_error);
		if (st != ST_OK)
			return st;
	}
	apply_seal(a, t, s->transaction);
	return apply_leaf(a, leaf);
}

enum status
apply_transaction(struct apply *a, uint64_t seq, struct bytes leaf, struct replay_error *ret_error)
{
	struct signed_transaction s;
	struct transaction t;

	*ret_error = (struct replay_error){ .what = REPLAY_OK, .seq = seq };
	if (codec_signed_decode(leaf, &s) != ST_OK) {
		replay_error_set(ret_error, REPLAY_UNREADABLE, seq);
		return ST_INVALID;
	}
	arena_reset(&a->scratch);
	enum status st = codec_transaction_decode(s.transaction, &a->scratch, &t);
	if (st == ST_CORRUPT) {
		replay_error_set(ret_error, REPLAY_UNREADABLE, seq);
		st = ST_INVALID;
	} else if (st == ST_OK) {
		st = apply_decoded(a, seq, &t, &s, leaf, ret_error);
	}
	return st;
}

static enum status
replay_chunk(struct apply *a, struct store_txn *ledger, uint64_t until_size, struct replay_error *ret_error)
{
	for (unsigned n = 0; a->head.size < until_size && n < FLUSH_TRANSACTIONS && apply_overlay_bytes(a) < FLUSH_BYTES; n++) {
		uint8_t key[8];
		struct bytes leaf;
		put_be64(key, a->head.size);
		enum status st = store_get(ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &leaf);
		if (st == ST_NOTFOUND) {
			replay_error_set(ret_error, REPLAY_SEQ, a->head.size);
			return ST_INVALID;
		}
		if (st == ST_OK)
			st = apply_transaction(a, a->head.size, leaf, ret_error);
		if (st != ST_OK)
			return st;
	}
	return apply_flush(a);
}

static enum status
ledger_size(struct store_txn *ledger, uint64_t *ret_size)
{
	struct bytes key, value;

	enum status st = store_last(ledger, TABLE_TRANSACTION, &key, &value);
	if (st == ST_NOTFOUND) {
		*ret_size = 0;
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	if (key.len != 8)
		return ST_CORRUPT;
	*ret_size = get_be64(key.data) + 1;
	return ST_OK;
}

enum status
apply_replay(struct apply *a, struct store *store, uint64_t until_size, bool (*progress)(void *ctx, uint64_t done, uint64_t total),
    void *ctx,
    struct replay_error *ret_error)
{
	struct store_txn *ledger;
	uint64_t size;

	*ret_error = (struct replay_error){ .what = REPLAY_OK };
	enum status st = store_read(store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	st = ledger_size(ledger, &size);
	if (st == ST_OK && size < until_size)
		until_size = size;
	while (st == ST_OK && a->head.size < until_size) {
		st = replay_chunk(a, ledger, until_size, ret_error);
		if (st == ST_OK && progress != NULL && !progress(ctx, a->head.size, until_size))
			st = ST_INTERRUPTED;
		if (st == ST_OK)
			st = store_renew(ledger);
	}
	store_abort(ledger);
	return st;
}
