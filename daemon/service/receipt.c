/**
 * Receipts: C2SP log proofs of one transaction, given with the reply of the command that it is.
 *
 * A checkpoint is signed for them after the ledger has the batch, so nothing is ever signed that a crash could take away.  It is not
 * stored, and head.lock does not wait for it: a receipt is as good as the reply that it comes with, which is also only sent now.
 *
 * Nobody learns of others by a receipt: the transaction may be about no member besides those whom the command's own entry touches, and the
 * entry about one member only, unless an operator asks.  A command that asks for a receipt when it is first sent gets a transaction that
 * is like this; of a replay's it is judged here, whether it is in the ledger or in this very batch.
 *
 * The proof of a transaction of the batch comes from the batch's own hashes (merkle/span.h), that of an older one from stored tiles.
 */
#include <assert.h>
#include <string.h>

#include "merkle/span.h"
#include "merkle/tlogproof.h"
#include "service/commit.h"

struct receipt_wish {
	struct receipt_wish *next;
	struct work *work;
	size_t index;			/* of the command */
	struct entry_id id;		/* that its response names */
};

enum status
receipt_want(struct commit *c, struct work *work, size_t index, struct entry_id id)
{
	struct receipt_wish *wish = arena_alloc(&c->arena, sizeof(*wish));

	if (wish == NULL)
		return ST_NOMEM;
	*wish = (struct receipt_wish){ .next = c->receipts.first, .work = work, .index = index, .id = id };
	c->receipts.first = wish;
	return ST_OK;
}

void
receipts_forget(struct commit *c)
{
	c->receipts.first = NULL;
	c->receipts.n_leaves = 0;
}

/* ---- the batch's leaves ---- */

enum status
receipts_begin(struct commit *c)
{
	struct receipts *r = &c->receipts;
	size_t i = 0;

	assert(r->n_leaves == 0);
	if (r->first == NULL)
		return ST_OK;
	r->before = *apply_tree(c->apply);
	r->sealed = arena_alloc(&c->arena, c->n_sealed * sizeof(struct sealed *));
	r->hashes = arena_alloc(&c->arena, span_hashes_max(c->n_sealed) * sizeof(*r->hashes));
	if (r->sealed == NULL || r->hashes == NULL)
		return ST_NOMEM;
	for (struct sealed *s = c->sealed_first; s != NULL; s = s->next)
		r->sealed[i++] = s;
	assert(i == c->n_sealed && c->sealed_first->t.seq == r->before.size);
	for (struct receipt_wish *w = r->first; w != NULL; w = w->next) {
		if (w->id.seq >= r->before.size)
			r->sealed[w->id.seq - r->before.size]->in_receipt = true;
	}
	return ST_OK;
}

enum status
receipts_leaf(struct commit *c, struct sealed *sealed, struct bytes leaf)
{
	struct receipts *r = &c->receipts;

	if (r->first == NULL)
		return ST_OK;
	assert(r->sealed[r->n_leaves] == sealed);
	merkle_leaf_hash(leaf, r->hashes[r->n_leaves++]);
	if (!sealed->in_receipt)
		return ST_OK;
	char *copy = arena_memdup(&c->arena, leaf.data, leaf.len);
	sealed->leaf = bytes_of(copy, leaf.len);
	return copy == NULL ? ST_NOMEM : ST_OK;
}

/* ---- what may be shown ---- */

static bool
touches(const struct entry *e, uint64_t member)
{
	for (size_t i = 0; i < e->n_touched; i++) {
		if (e->touched[i].member == member)
			return true;
	}
	return false;
}

static bool
may_have(const struct identity *who, const struct transaction *t, uint32_t index)
{
	const struct entry *own = &t->entries[index];

	if (own->n_touched > 1 && who->role != ROLE_OPERATOR)
		return false;
	for (size_t i = 0; i < t->n_entries; i++) {
		const struct entry *e = &t->entries[i];
		for (size_t k = 0; k < e->n_touched; k++) {
			if (!touches(own, e->touched[k].member))
				return false;
		}
	}
	return true;
}

/* ---- into the response ---- */

/* What the receipts of a batch may take together: the reply without them may be as long as it can be, and still fits a frame. */
static bool
has_room(const struct work *w, size_t bytes)
{
	size_t without = (w->batch.n + 1) * (RESULT_BYTES_MAX + RESULT_AROUND_BYTES);	/* and the outcome of the whole */
	size_t rest = without < FRAME_REPLY_BYTES_MAX ? FRAME_REPLY_BYTES_MAX - without : 0;

	return !w->is_batch || (bytes <= rest && w->receipt_bytes <= rest - bytes);
}

/* A receipt, or why there is none. */
static void
append(struct commit *c, const struct receipt_wish *wish, struct bytes text, const char *why)
{
	struct work *w = wish->work;
	struct bytes *response = &w->responses[wish->index];

	if (why == NULL && !has_room(w, text.len + RESULT_AROUND_BYTES))
		why = "REPLY_FULL";
	buf_clear(&c->scratch);
	buf_put(&c->scratch, response->data, response->len);
	if (why != NULL)
		codec_no_receipt_append(why, &c->scratch);
	else
		codec_receipt_append(text, &c->scratch);
	char *copy = buf_status(&c->scratch) == ST_OK ? arena_memdup(&w->arena, c->scratch.data, c->scratch.len) : NULL;
	if (why == NULL)
		w->receipt_bytes += text.len + RESULT_AROUND_BYTES;
	w->lost |= copy == NULL;
	*response = bytes_of(copy, copy == NULL ? 0 : c->scratch.len);
}

static enum status
append_proof(struct commit *c, const struct receipt_wish *wish, struct bytes leaf, const struct proof *proof, const struct signed_head *head)
{
	size_t cap = TLOGPROOF_BYTES(leaf.len, proof->n_hashes, head->note_bytes);
	struct writer w = writer_of(arena_alloc(&c->arena, cap), cap);

	if (w.data == NULL)
		return ST_NOMEM;
	tlogproof_print(&w, &leaf, wish->id.seq, proof, bytes_of(head->note, head->note_bytes));
	append(c, wish, writer_bytes(&w), NULL);
	return ST_OK;
}

static enum status
give_new(struct commit *c, const struct receipt_wish *wish, const struct span *span, const struct signed_head *head)
{
	const struct sealed *s = c->receipts.sealed[wish->id.seq - c->receipts.before.size];
	struct proof proof;

	if (!may_have(wish->work->who, &s->t, wish->id.index)) {
		append(c, wish, bytes_of(NULL, 0), "SHARED");
		return ST_OK;
	}
	span_inclusion(span, wish->id.seq, &proof);
	return append_proof(c, wish, s->leaf, &proof, head);
}

/* A replay's, of an earlier batch. */
static enum status
give_stored(struct commit *c, const struct receipt_wish *wish, const struct signed_head *head)
{
	struct store_txn *state = NULL, *ledger = NULL;
	struct signed_transaction signed_transaction;
	struct transaction t;
	struct proof proof;
	struct bytes leaf;

	enum status st = store_read(c->service->store, STORE_STATE, &state);
	if (st == ST_OK)
		st = store_read(c->service->store, STORE_LEDGER, &ledger);
	if (st == ST_OK)
		st = read_good_leaf(ledger, state, wish->id.seq, &leaf);
	if (st == ST_OK)
		st = codec_signed_decode(leaf, &signed_transaction);
	if (st == ST_OK)
		st = codec_transaction_decode(signed_transaction.transaction, &c->arena, &t);
	if (st == ST_OK && wish->id.index >= t.n_entries)
		st = ST_CORRUPT;
	if (st == ST_OK && !may_have(wish->work->who, &t, wish->id.index)) {
		append(c, wish, bytes_of(NULL, 0), "SHARED");
	} else if (st == ST_OK && !has_room(wish->work, leaf.len)) {
		append(c, wish, bytes_of(NULL, 0), "REPLY_FULL");	/* its text would be longer still: a batch of replays costs no proofs */
	} else if (st == ST_OK) {
		st = apply_inclusion(c->apply, wish->id.seq, &proof);
		if (st == ST_OK)
			st = append_proof(c, wish, leaf, &proof, head);
	}
	store_abort(ledger);
	store_abort(state);
	return st == ST_NOTFOUND ? ST_CORRUPT : st;
}

/* In the order of the commands: of a batch the first receipts are the ones that fit. */
static struct receipt_wish *
reversed(struct receipt_wish *list)
{
	struct receipt_wish *first = NULL;

	for (struct receipt_wish *w = list, *next; w != NULL; w = next) {
		next = w->next;
		w->next = first;
		first = w;
	}
	return first;
}

enum status
receipts_give(struct commit *c)
{
	struct receipts *r = &c->receipts;
	struct signed_head head;
	struct span span;
	enum status st = ST_OK;

	if (r->first == NULL)
		return ST_OK;
	if (c->checkpoint_next.head.size == apply_tree(c->apply)->size)
		head = c->checkpoint_next;
	else
		st = checkpoint_sign(c, &head);
	if (st == ST_OK && r->n_leaves > 0)
		span_init(&span, &r->before, r->hashes, r->n_leaves);
	r->first = reversed(r->first);
	for (const struct receipt_wish *w = r->first; w != NULL && st == ST_OK; w = w->next)
		st = r->n_leaves > 0 && w->id.seq >= r->before.size ? give_new(c, w, &span, &head) : give_stored(c, w, &head);
	commit_step_done(c, FIGURE_STEP_RECEIPTS);
	return st;
}
