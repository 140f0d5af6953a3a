/* Replies are built in one place, so that a live answer, a replay and a refusal show the same block in the same way. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply/vouchers.h"
#include "service/internal.h"

#define RETRY_AFTER_MS 1000

void
refusal_set(struct refusal *refusal, enum ledger_result result, const char *field, const char *format, ...)
{
	va_list ap;

	refusal->result = result;
	refusal->field = field;
	va_start(ap, format);
	(void)vsnprintf(refusal->sentence, sizeof(refusal->sentence), format, ap);
	va_end(ap);
}

void
refusal_damaged(struct refusal *refusal)
{
	refusal_set(refusal, LEDGER_RECORD_DAMAGED, "disk", "What is stored of it is damaged, so it is not shown. An operator finds more in the log, and by "
	    "`fealty admin scrub`.");
}

static int32_t
today_of(const struct program *program, int64_t at_us)
{
	return zone_day(&program->zone, at_us);
}

enum status
answer_encode(const struct answer *a, struct arena *arena, struct buf *out)
{
	struct reply reply = { .bytes_max = a->bytes_max, .replayed = a->replayed, .has_id = a->has_id, .id = a->id, .entry = a->entry,
	    .then = a->then, .terminal = a->terminal, .n_vouchers = a->n_vouchers, .vouchers = a->vouchers };
	struct balance balance;

	if (a->refusal != NULL)
		reply.refusal = *a->refusal;
	if (reply.refusal.result == LEDGER_UNAVAILABLE) {
		reply.retryable = true;
		reply.retry_after_ms = RETRY_AFTER_MS;
	} else if (reply.refusal.result == LEDGER_RATE_LIMITED) {
		reply.retryable = true;
		reply.retry_after_ms = reply.refusal.retry_after_ms;
	}
	if (a->program != NULL) {
		reply.rules = a->program;
		reply.scale = a->program->scale;
		reply.currency_digits = a->program->currency_digits;
	}
	reply.seq = a->seq;
	reply.as_of_us = a->as_of_us;
	if (a->member != NULL && a->program != NULL) {
		enum status st = balance_of(a->member, a->program, today_of(a->program, a->as_of_us), arena, &balance);
		if (st != ST_OK)
			return st;
		if (!a->replayed && reply.refusal.result == LEDGER_OK)
			st = notices_of(a->member, a->program, a->has_id ? a->entry : NULL, today_of(a->program, a->as_of_us), arena, &balance);
		if (st != ST_OK)
			return st;
		reply.balance = &balance;
		reply.pool = a->pool;
		reply.has_member = a->member->number != 0;		/* a quote for somebody unknown */
		reply.member_no = a->member->number;
	}
	if (a->service != NULL && a->has_id && a->entry != NULL && a->entry->n_vouchers > 0) {
		struct voucher_coder coder = voucher_coder_of(a->service, a->entry->program);
		enum status st = voucher_codes(&coder, a->entry, a->id, arena, &reply);
		if (st != ST_OK)
			return st;
	}
	return codec_reply_encode(&reply, arena, out);
}

void
refusal_encode(const struct refusal *refusal, struct arena *arena, struct buf *out)
{
	struct answer answer = { .refusal = refusal };

	if (answer_encode(&answer, arena, out) != ST_OK)
		out->failed = true;
}

uint32_t
request_program(const struct request *request, uint32_t count, uint32_t number_of_id, struct refusal *ret_refusal)
{
	ret_refusal->result = LEDGER_OK;
	if (request->program != NULL)
		return number_of_id;
	if (count > 1)
		refusal_set(ret_refusal, LEDGER_INVALID_ARGUMENT, "program", "This ledger has %u programs; name the one that is meant.", count);
	return count == 1 ? 1 : 0;
}
