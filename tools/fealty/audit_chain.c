/*
 * Hashes only: the pool hashes each leaf twice, as the tree has it and as the next transaction's prev has it; here they are put one behind the
 * other.  What the entries say, and unless it was asked for who signed them, is not looked at: that the bytes are those of a signed root is all that this
 * tells.
 */
#include "audit.h"

#include <string.h>

static const char *
judge(const struct audit *audit, uint64_t seq, const struct transaction_head *head)
{
	const struct audit_chain *chain = &audit->chain;

	if (head->seq != seq)
		return "it says another seq than its place in the log";
	if (memcmp(head->prev.data, chain->prev, SHA256_BYTES) != 0)
		return "it does not follow the transaction before it: prev differs";
	if (seq == 0)
		return NULL;
	if (!bytes_equal(head->origin, bytes_of(audit->genesis.origin, strlen(audit->genesis.origin))))
		return "it names another origin than the genesis";
	return head->committed_at_us <= chain->committed_at_us ? "its committed_at is not after that of the transaction before it" : NULL;
}

/* Whoever names a key signs for it, and of those the signatures are verified: they are few, and say who signs checkpoints. */
static enum status
follow_keys(struct audit *audit, uint64_t seq, struct bytes leaf, enum replay_fault *ret_fault)
{
	struct audit_chain *chain = &audit->chain;
	size_t before = chain->keys.n;
	struct signed_transaction s;
	struct transaction t;

	*ret_fault = REPLAY_UNREADABLE;
	arena_reset(&chain->arena);
	enum status st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode(s.transaction, &chain->arena, &t);
	if (st != ST_OK)
		return st == ST_CORRUPT ? ST_OK : st;
	st = apply_follow_keys(&chain->keys, seq, leaf, &chain->arena);
	if (st == ST_OK && chain->keys.n > before)
		return apply_check_signatures(&chain->keys, seq, &s, &t, audit_verify, ret_fault);
	*ret_fault = seq == 0 ? REPLAY_GENESIS : REPLAY_ROTATION;
	return st;
}

static enum status
judge_keys(struct audit *audit, uint64_t seq, struct bytes leaf)
{
	enum replay_fault fault;

	enum status st = follow_keys(audit, seq, leaf, &fault);
	if (st != ST_OK || fault == REPLAY_OK)
		return st;
	finding_set_at(&audit->finding, seq, "transaction %llu: %s", (unsigned long long)seq, replay_fault_str(fault));
	return ST_INVALID;
}

static enum status
link_one(struct audit *audit, size_t i)
{
	struct audit_chain *chain = &audit->chain;
	const struct audit_link *link = &chain->links[i];
	uint64_t seq = audit->first + i;

	const char *text = judge(audit, seq, &link->head);
	if (text != NULL) {
		finding_set_at(&audit->finding, seq, "transaction %llu: %s", (unsigned long long)seq, text);
		return ST_INVALID;
	}
	memcpy(chain->prev, link->transaction, SHA256_BYTES);
	chain->committed_at_us = link->head.committed_at_us;
	merkle_tree_append(&chain->tree, link->leaf, NULL, NULL);
	enum status st = seq == 0 || link->rotates ? judge_keys(audit, seq, audit->leaves[i]) : ST_OK;
	if (st == ST_OK && seq == 0)
		st = audit_genesis(audit, audit->leaves[0]);
	if (st == ST_OK && audit->on_link != NULL)
		st = audit->on_link(audit->on_ctx, link, audit->leaves[i]);
	return st == ST_OK ? audit_reached(audit) : st;
}

enum status
audit_chain_chunk(struct audit *audit)
{
	struct key_history keys = audit->chain.keys;
	struct audit_work work = { audit->leaves, audit->n, audit->first, audit->check_signatures ? &keys : NULL, audit->chain.links };
	struct audit_verdict verdict;
	enum status st = ST_OK;

	if (audit->check_signatures)
		st = audit_pool_follow_keys(audit->pool, work.leaves, work.n, work.first_seq, &keys);
	if (st != ST_OK)
		return st;
	audit_pool_start(audit->pool, &work);
	st = audit_pool_finish(audit->pool, &verdict);
	if (st != ST_OK)
		return st;
	size_t sound = verdict.text == NULL ? audit->n : (size_t)(verdict.seq - audit->first);
	for (size_t i = 0; i < sound && st == ST_OK; i++)
		st = link_one(audit, i);
	if (st != ST_OK || verdict.text == NULL) {
		audit->signatures += audit->check_signatures ? audit->n : 0;
		return st;
	}
	finding_set_at(&audit->finding, verdict.seq, "transaction %llu: %s", (unsigned long long)verdict.seq, verdict.text);
	return ST_INVALID;
}

enum status
audit_chain_resume(struct audit *audit, const struct merkle_tree *tree, const struct key_history *keys, struct bytes genesis, struct bytes newest)
{
	struct audit_chain *chain = &audit->chain;
	struct transaction_head head;
	struct signed_transaction s;

	enum status st = log_genesis_read(genesis, &audit->genesis);
	if (st == ST_OK)
		st = codec_signed_decode(newest, &s);
	if (st == ST_OK)
		st = codec_transaction_head(s.transaction, &head);
	if (st != ST_OK)
		return st;
	hash_sha256(chain->prev, &s.transaction, 1);
	chain->committed_at_us = head.committed_at_us;
	chain->keys = *keys;
	chain->tree = *tree;
	audit->first = tree->size;
	return ST_OK;
}
