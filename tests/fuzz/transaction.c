/**
 * Leaves of the log: a SignedTransaction and the Transaction in it, or, if that cannot be, the input as a Transaction by itself.  One that is
 * read can be written, and what was written is read as the same: written again it is the same bytes.  Whatever is written, protobuf-c reads
 * and sees the same in it, and what both read is the same: no two readers of a ledger may differ.
 */
#include "codec/codec.h"
#include "fuzz.h"
#include "ledger.pb-c.h"

#define BUDGET_BYTES ((size_t)16 << 20)

static struct arena arena;
static struct buf first, second;

static void
entry_by_itself(struct bytes bytes, const struct transaction *all)
{
	struct transaction one;

	for (uint32_t i = 0; i < all->n_entries && i < 3; i++) {
		enum status st = codec_transaction_decode_one(bytes, i, &arena, &one);
		assert(st == ST_OK || st == ST_NOMEM);
		assert(st != ST_OK || (one.n_entries == 1 && one.entries[0].op == all->entries[i].op && one.seq == all->seq));
	}
	enum status st = codec_transaction_decode_one(bytes, (uint32_t)all->n_entries, &arena, &one);
	assert(st == ST_NOTFOUND || st == ST_NOMEM);
}

static void
head_alone(struct bytes bytes, const struct transaction *all)
{
	struct transaction_head head;
	enum status st = codec_transaction_head(bytes, &head);

	assert(st == ST_OK && head.seq == all->seq && head.committed_at_us == all->committed_at_us && head.n_entries == all->n_entries);
	assert(bytes_equal(head.prev, bytes_of(all->prev, SHA256_BYTES)));
	assert(bytes_equal(head.origin, bytes_of(all->origin == NULL ? "" : all->origin, all->origin == NULL ? 0 : strlen(all->origin))));
}

/* ---- by protobuf-c ---- */

static bool
same_bytes(ProtobufCBinaryData theirs, struct bytes ours)
{
	return bytes_equal(bytes_of(theirs.data, theirs.len), ours);
}

/* protobuf-c has an empty text where ours may have none. */
static bool
same_text(const char *theirs, const char *ours)
{
	return strcmp(theirs == NULL ? "" : theirs, ours == NULL ? "" : ours) == 0;
}

static void
same_entry(const Fealty__Ledger__V1__Entry *theirs, const struct entry *ours)
{
	assert(same_text(theirs->principal, ours->principal) && same_text(theirs->request_id, ours->request_id));
	assert(same_text(theirs->store, ours->store) && same_text(theirs->terminal, ours->terminal));
	assert(theirs->engine == ours->engine && theirs->program_version == ours->program_version && theirs->member == ours->member);
	assert(theirs->occurred_at == ours->occurred_at_us && theirs->due_at == ours->due_at_us && theirs->terminal_seq == ours->terminal_seq);
	assert(theirs->has_occurred_at == ours->has_occurred_at && theirs->has_due_at == ours->has_due_at);
	assert(theirs->has_business_date ? theirs->business_date == ours->business_date : ours->business_date == DAY_NONE);
	assert(!ours->has_fingerprint || same_bytes(theirs->fingerprint, bytes_of(ours->fingerprint, FINGERPRINT_BYTES)));
	assert(theirs->inputs != NULL && theirs->n_postings == ours->n_postings && theirs->n_touched == ours->n_touched);
	for (size_t i = 0; i < ours->n_postings; i++)
		assert((int)theirs->postings[i]->account == (int)ours->postings[i].account && theirs->postings[i]->member == ours->postings[i].member &&
		    theirs->postings[i]->points == ours->postings[i].points && (int)theirs->postings[i]->class_ == (int)ours->postings[i].class);
	for (size_t i = 0; i < ours->n_touched; i++)
		assert(theirs->touched[i]->member == ours->touched[i].member && theirs->touched[i]->prev_seq == ours->touched[i].prev.seq &&
		    theirs->touched[i]->prev_index == ours->touched[i].prev.index);
}

/* Whether protobuf-c reads it; and if it does, it reads the same. */
static bool
same_by_protobuf(struct bytes bytes, const struct transaction *ours)
{
	Fealty__Ledger__V1__Transaction *theirs = fealty__ledger__v1__transaction__unpack(NULL, bytes.len, bytes.data);

	if (theirs == NULL)
		return false;
	assert(same_text(theirs->origin, ours->origin) && theirs->seq == ours->seq && theirs->committed_at == ours->committed_at_us);
	assert(same_bytes(theirs->prev, bytes_of(ours->prev, SHA256_BYTES)) && theirs->program == ours->program);
	assert(theirs->n_entries == ours->n_entries);
	for (size_t i = 0; i < ours->n_entries; i++)
		same_entry(theirs->entries[i], &ours->entries[i]);
	fealty__ledger__v1__transaction__free_unpacked(theirs, NULL);
	return true;
}

static void
same_signed_by_protobuf(struct bytes leaf, const struct signed_transaction *ours)
{
	Fealty__Ledger__V1__SignedTransaction *theirs = fealty__ledger__v1__signed_transaction__unpack(NULL, leaf.len, leaf.data);

	assert(theirs != NULL && same_bytes(theirs->transaction, ours->transaction) && same_bytes(theirs->signature, ours->signature) &&
	    same_bytes(theirs->key_id, ours->key_id));
	fealty__ledger__v1__signed_transaction__free_unpacked(theirs, NULL);
}

/* ---- by ours ---- */

static void
read_and_written(struct bytes bytes)
{
	struct transaction t, again;
	enum status st = codec_transaction_decode(bytes, &arena, &t);

	assert(st == ST_OK || st == ST_CORRUPT || st == ST_NOMEM);
	if (st != ST_OK)
		return;
	(void)same_by_protobuf(bytes, &t);	/* it knows fields that we pass over, and refuses them with another wire type */
	entry_by_itself(bytes, &t);
	head_alone(bytes, &t);
	buf_clear(&first);
	buf_clear(&second);
	st = codec_transaction_encode(&t, &arena, &first);
	assert(st == ST_OK || st == ST_NOMEM);
	if (st != ST_OK)
		return;
	assert(same_by_protobuf(buf_bytes(&first), &t));
	st = codec_transaction_decode(buf_bytes(&first), &arena, &again);
	assert(st == ST_OK || st == ST_NOMEM);
	if (st == ST_OK)
		st = codec_transaction_encode(&again, &arena, &second);
	assert(st == ST_NOMEM || (st == ST_OK && bytes_equal(buf_bytes(&first), buf_bytes(&second))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes input = bytes_of(data, size);
	struct signed_transaction s;

	if (arena.budget_bytes == 0) {
		arena_init(&arena, BUDGET_BYTES);
		buf_init(&first);
		buf_init(&second);
	}
	arena_reset(&arena);
	enum status st = codec_signed_decode(input, &s);
	assert(st == ST_OK || st == ST_CORRUPT);
	if (st == ST_OK) {
		same_signed_by_protobuf(input, &s);
		struct signed_transaction copy;
		buf_clear(&first);
		codec_signed_encode(&s, &first);
		st = codec_signed_decode(buf_bytes(&first), &copy);
		assert(st == ST_OK && bytes_equal(copy.transaction, s.transaction) && bytes_equal(copy.signature, s.signature) &&
		    bytes_equal(copy.key_id, s.key_id));
		read_and_written(s.transaction);
	}
	read_and_written(input);
	return 0;
}
