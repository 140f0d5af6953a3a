/*
 * Reads of the log: a transaction, a checkpoint, a proof or the receipt that it makes.
 *
 * Nobody hears of a checkpoint before it is public, and every proof leads to a tree no larger than that, so what a client can hold against
 * us is always something that head.lock has.  The snapshots are older than the look at the public checkpoint, so state may be behind it by
 * a moment: then the answer is to come again.
 */
#include <string.h>

#include "merkle/checkpoint.h"
#include "merkle/note.h"
#include "merkle/tlogproof.h"
#include "service/query.h"
#include "service/session.h"

/* What an approver has to look at before signing. */
static bool
has_waiting(const struct transaction *t)
{
	for (size_t i = 0; i < t->n_entries; i++) {
		if (t->entries[i].waiting)
			return true;
	}
	return false;
}

/* Tills and backends see only transactions about a single member, or made of their own commands alone; approvers those with an adjust that
 * needs, or needed, approval. */
static bool
may_see(const struct identity *who, const struct transaction *t)
{
	uint64_t member = t->n_entries == 0 ? 0 : t->entries[0].member;
	bool one = true, own = true;

	if (who->role == ROLE_OPERATOR || who->role == ROLE_AUDITOR)
		return true;
	if (who->role == ROLE_APPROVER)
		return has_waiting(t);
	for (size_t i = 0; i < t->n_entries; i++) {
		const struct entry *e = &t->entries[i];
		one &= e->member != 0 && e->member == member && e->n_touched == 1;
		own &= strcmp(e->principal, who->principal) == 0;
	}
	return one || own;
}

/* The transaction that a command names: an entry's id, or a request id of the asking principal. */
static enum status
find_transaction(struct query *q, uint64_t *ret_seq)
{
	struct entry_id id;
	struct request_row row;
	const struct request *r = q->request;

	if (r->has_seq) {
		*ret_seq = r->seq;
		return ST_OK;
	}
	enum status st = apply_read_request(q->loop->state, q->who->principal, r->reference, &row);
	if (st == ST_OK) {
		*ret_seq = row.id.seq;
		return ST_OK;
	}
	if (st == ST_NOTFOUND && entry_id_parse(r->reference, &id)) {
		*ret_seq = id.seq;
		return ST_OK;
	}
	return st;
}

/* Whether ${leaf} may be shown; if not, q->refusal says why. */
static enum status
judge_sight(struct query *q, struct bytes leaf)
{
	struct signed_transaction s;
	struct transaction t;

	enum status st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode(s.transaction, &q->loop->arena, &t);
	if (st == ST_OK && !identity_may(q->who, q->loop->service->programs, t.program))
		refusal_set(&q->refusal, LEDGER_PERMISSION_DENIED, "program",
		    "The transaction is not of a program that %s may act for; the server's access file says which those are.", q->who->principal);
	else if (st == ST_OK && !may_see(q->who, &t))
		refusal_set(&q->refusal, LEDGER_PERMISSION_DENIED, "seq",
		    q->who->role == ROLE_APPROVER ? "The transaction holds no adjust above the limit; approvers read no others."
		    : "The transaction concerns more than one member, and commands of others; only operators and auditors may read it.");
	return st;
}

/* The transaction that is asked for, and that may be shown; if there is none such, q->refusal says why. */
static enum status
find_leaf(struct query *q, uint64_t *ret_seq, struct bytes *ret_leaf)
{
	enum status st = find_transaction(q, ret_seq);
	if (st == ST_OK)
		st = *ret_seq < q->size ? read_good_leaf(q->loop->ledger, q->loop->state, *ret_seq, ret_leaf) : ST_NOTFOUND;
	if (st == ST_NOTFOUND) {
		refusal_set(&q->refusal, LEDGER_NOT_FOUND, q->request->has_seq ? "seq" : "command", "There is no such transaction in the ledger.");
		return ST_OK;
	}
	return st == ST_OK ? judge_sight(q, *ret_leaf) : st;
}

enum status
query_transaction(struct query *q, struct buf *out)
{
	struct bytes leaf;
	uint64_t seq;

	enum status st = find_leaf(q, &seq, &leaf);
	if (st != ST_OK)
		return st;
	if (q->refusal.result != LEDGER_OK)
		return query_refusal(q, out);
	struct reply reply = { .transaction = leaf, .seq = q->size - 1 };
	return codec_reply_encode(&reply, &q->loop->arena, out);
}

/* ---- checkpoints ---- */

/* The newest public one; if there is none yet, q->refusal says so. */
static void
find_public(struct query *q, struct signed_head *ret)
{
	struct service *s = q->loop->service;

	pthread_mutex_lock(&s->head_lock);
	*ret = s->public_checkpoint;
	pthread_mutex_unlock(&s->head_lock);
	if (ret->head.size == 0)
		refusal_set(&q->refusal, LEDGER_UNAVAILABLE, "size", "No checkpoint is public yet; ask again in a second.");
}

/* The size of the checkpoint that is served; it may be public a moment longer than ${head}. */
static uint64_t
served_size(struct query *q, const struct signed_head *head)
{
	struct service *s = q->loop->service;

	pthread_mutex_lock(&s->head_lock);
	uint64_t size = s->served.size;
	pthread_mutex_unlock(&s->head_lock);
	return size == 0 || size > head->head.size ? head->head.size : size;
}

/* Into ${ret} if it is the one that is served: the snapshot may not have its cosignatures yet. */
static bool
copy_served(struct service *s, uint64_t size, struct log_note *ret)
{
	pthread_mutex_lock(&s->head_lock);
	bool served = s->served.size == size;
	if (served)
		*ret = s->served;
	pthread_mutex_unlock(&s->head_lock);
	return served;
}

/* The note of ${size}, at most ${head}'s, with its cosignatures.  ST_NOTFOUND. */
static enum status
find_note(struct query *q, const struct signed_head *head, uint64_t size, struct bytes *ret_note)
{
	struct log_note *note = arena_alloc(&q->loop->arena, sizeof(*note));
	enum status st = ST_OK;

	if (note == NULL)
		return ST_NOMEM;
	if (!copy_served(q->loop->service, size, note))
		st = size == head->head.size ? log_note_make(q->loop->ledger, size, bytes_of(head->note, head->note_bytes), note)
		    : log_note_read(q->loop->ledger, size, note);
	*ret_note = bytes_of(note->text, note->len);
	return st;
}

bool
query_contradicts(struct loop_context *loop, uint64_t seen_size, struct bytes seen_root)
{
	struct service *s = loop->service;
	struct checkpoint stored;
	struct bytes text;
	struct note note;
	uint8_t key[8];

	if (seen_size > service_size(s))
		return true;
	if (seen_size == 0 || seen_root.len != SHA256_BYTES || loop_renew(loop) != ST_OK)
		return false;
	put_be64(key, seen_size);
	bool differs = store_get(loop->ledger, TABLE_CHECKPOINT, bytes_of(key, sizeof(key)), &text) == ST_OK && note_parse(text, &note) == NOTE_OK &&
	    checkpoint_parse(note.text, &stored) == CHECKPOINT_OK && memcmp(stored.root, seen_root.data, SHA256_BYTES) != 0;
	loop_rest(loop);
	return differs;
}

enum status
query_checkpoint(struct query *q, struct buf *out)
{
	const struct request *r = q->request;
	struct signed_head head;

	find_public(q, &head);
	if (q->refusal.result != LEDGER_OK)
		return query_refusal(q, out);
	struct reply reply = { .size = r->has_size ? r->size : head.head.size, .seq = q->size - 1 };
	enum status st = reply.size <= head.head.size ? find_note(q, &head, reply.size, &reply.note) : ST_NOTFOUND;
	if (st == ST_NOTFOUND) {
		refusal_set(&q->refusal, LEDGER_NOT_FOUND, "size", "No public checkpoint has that size; leave `size` out to get the newest.");
		return query_refusal(q, out);
	}
	if (st != ST_OK)
		return st;
	return codec_reply_encode(&reply, &q->loop->arena, out);
}

/* ---- proofs ---- */

static enum status
fetch_tile(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	return apply_read_tile(ctx, level, index, ret_hash);
}

static void
refuse_newer(struct query *q, const char *field, const struct signed_head *head)
{
	refusal_set(&q->refusal, LEDGER_UNAVAILABLE, field,
	    "The newest public checkpoint is of %llu transactions and does not reach there yet; ask again in a second.",
	    (unsigned long long)head->head.size);
}

static enum status
make_inclusion(struct query *q, const struct signed_head *head, struct proof *proof, struct reply *reply, struct bytes *ret_leaf)
{
	enum status st = find_leaf(q, &reply->index, ret_leaf);
	if (st != ST_OK || q->refusal.result != LEDGER_OK)
		return st;
	if (reply->index >= head->head.size) {
		refuse_newer(q, q->request->has_seq ? "seq" : "command", head);
		return ST_OK;
	}
	reply->has_index = true;
	reply->size = served_size(q, head);
	if (reply->index >= reply->size)
		reply->size = head->head.size;		/* witnesses that are late delay no proof: its note lacks their lines as yet */
	st = find_note(q, head, reply->size, &reply->note);
	if (st != ST_OK)
		return st;
	return proof_inclusion(reply->index, reply->size, fetch_tile, q->loop->state, proof);
}

/* The note is the checkpoint of `to`, when there is one. */
static enum status
make_consistency(struct query *q, const struct signed_head *head, struct proof *proof, struct reply *reply)
{
	const struct request *r = q->request;

	reply->size = r->has_to ? r->to_size : head->head.size;
	if (r->from_size > reply->size || reply->size > q->size) {
		refusal_set(&q->refusal, LEDGER_INVALID_ARGUMENT, reply->size > q->size ? "to" : "from",
		    "The ledger has %llu transactions, of which %llu are public: give sizes with `from` at most `to`.",
		    (unsigned long long)q->size, (unsigned long long)head->head.size);
		return ST_OK;
	}
	if (reply->size > head->head.size) {
		refuse_newer(q, "to", head);
		return ST_OK;
	}
	enum status st = find_note(q, head, reply->size, &reply->note);
	if (st == ST_NOTFOUND)
		reply->note = bytes_of(NULL, 0);
	else if (st != ST_OK)
		return st;
	return proof_consistency(r->from_size, reply->size, fetch_tile, q->loop->state, proof);
}

/* The same proof as one text, with the transaction. */
static enum status
encode_receipt(struct query *q, const struct reply *proved, const struct proof *proof, struct bytes leaf, struct buf *out)
{
	size_t cap = TLOGPROOF_BYTES(leaf.len, proof->n_hashes, proved->note.len);
	struct writer w = writer_of(arena_alloc(&q->loop->arena, cap), cap);
	struct reply reply = { .seq = proved->seq };

	if (w.data == NULL)
		return ST_NOMEM;
	tlogproof_print(&w, &leaf, proved->index, proof, proved->note);
	reply.receipt = writer_bytes(&w);
	return codec_reply_encode(&reply, &q->loop->arena, out);
}

enum status
query_proof(struct query *q, struct buf *out)
{
	struct bytes leaf = { .len = 0 };
	struct reply reply = { .seq = q->size == 0 ? 0 : q->size - 1 };
	struct proof proof = { .n_hashes = 0 };
	struct signed_head head;
	enum status st = ST_OK;

	find_public(q, &head);
	if (q->refusal.result == LEDGER_OK && head.head.size > q->size)
		refusal_set(&q->refusal, LEDGER_UNAVAILABLE, "size", "The newest checkpoint is just being applied; ask again at once.");
	if (q->refusal.result == LEDGER_OK)
		st = q->request->has_from ? make_consistency(q, &head, &proof, &reply) : make_inclusion(q, &head, &proof, &reply, &leaf);
	if (st != ST_OK)
		return st;
	if (q->refusal.result != LEDGER_OK)
		return query_refusal(q, out);
	if (q->request->want_receipt)
		return encode_receipt(q, &reply, &proof, leaf, out);
	reply.n_hashes = proof.n_hashes;
	reply.hashes = proof.hash;
	return codec_reply_encode(&reply, &q->loop->arena, out);
}
