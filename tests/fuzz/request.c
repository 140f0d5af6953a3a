/* Bodies of REQUEST and BATCH frames: what is no request is refused in words that name what is wrong, and what is one can be fingerprinted. */
#include "codec/codec.h"
#include "frame.h"
#include "fuzz.h"

#define BUDGET_BYTES ((size_t)4 << 20)

static struct arena arena;

static void
decoded(const struct request *r, const struct refusal *refusal)
{
	if (refusal->result != LEDGER_OK) {
		assert(refusal->sentence[0] != '\0');
		return;
	}
	assert(r->op > REQUEST_NONE && r->op < REQUEST_OP_COUNT && strlen(request_op_str(r->op)) > 0);
	assert(!request_op_writes(r->op) || (r->key != NULL && request_id_valid(r->key)));
	assert(r->member == NULL || alias_valid(r->member));
	assert(r->reference == NULL || request_id_valid(r->reference));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes body = bytes_of(data, size);
	struct refusal refusal;
	struct request r;
	struct batch b;

	if (arena.budget_bytes == 0)
		arena_init(&arena, BUDGET_BYTES);
	arena_reset(&arena);
	enum status st = codec_request_decode(body, &arena, &r, &refusal);
	assert(st == ST_OK || st == ST_INVALID || st == ST_NOMEM);
	if (st == ST_OK)
		decoded(&r, &refusal);
	arena_reset(&arena);
	st = codec_batch_decode(body, &arena, &b);
	assert(st == ST_OK || st == ST_INVALID || st == ST_NOMEM);
	if (st == ST_OK && b.refusal.result == LEDGER_OK) {
		assert(b.n <= FRAME_BATCH_COMMANDS_MAX);
		for (size_t i = 0; i < b.n; i++)
			decoded(&b.commands[i], &b.refusals[i]);
	}
	return 0;
}
