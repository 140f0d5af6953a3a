/**
 * Leaves of the log: a SignedTransaction and the Transaction in it, or, if that cannot be, the input as a Transaction by itself.  One that is
 * read can be written, and what was written is read as the same: written again it is the same bytes.
 */
#include "codec/codec.h"
#include "fuzz.h"

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
read_and_written(struct bytes bytes)
{
	struct transaction t, again;
	enum status st = codec_transaction_decode(bytes, &arena, &t);

	assert(st == ST_OK || st == ST_CORRUPT || st == ST_NOMEM);
	if (st != ST_OK)
		return;
	entry_by_itself(bytes, &t);
	buf_clear(&first);
	buf_clear(&second);
	st = codec_transaction_encode(&t, &arena, &first);
	assert(st == ST_OK || st == ST_NOMEM);
	if (st != ST_OK)
		return;
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
