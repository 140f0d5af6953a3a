/* Replies and what else a server writes: each is read back with the generated code. */
#include "codec_world.h"

#include <stdio.h>

#include "codec/field.h"
#include "fealty.pb-c.h"
#include "frame.h"

static Fealty__V1__Response *
response_of(struct world *w, const struct reply *r)
{
	buf_clear(&w->out);
	assert_int_equal(codec_reply_encode(r, &w->arena, &w->out), ST_OK);
	return (Fealty__V1__Response *)assert_as_generated(&fealty__v1__response__descriptor, buf_bytes(&w->out));
}

static void
response_free(Fealty__V1__Response *p)
{
	fealty__v1__response__free_unpacked(p, NULL);
}

/* ---- the answer ---- */

static void
refusals_have_a_code_and_a_reason(void **state)
{
	struct world *w = *state;
	static const struct { enum ledger_result result; Fealty__V1__Code code; const char *reason; } cases[] = {
		{ LEDGER_INVALID_ARGUMENT, FEALTY__V1__CODE__INVALID_ARGUMENT, "INVALID_ARGUMENT" },
		{ LEDGER_POINTS_NOT_POSITIVE, FEALTY__V1__CODE__INVALID_ARGUMENT, "POINTS_NOT_POSITIVE" },
		{ LEDGER_SELF_REFERRAL, FEALTY__V1__CODE__INVALID_ARGUMENT, "SELF_REFERRAL" },
		{ LEDGER_PERMISSION_DENIED, FEALTY__V1__CODE__PERMISSION_DENIED, "PERMISSION_DENIED" },
		{ LEDGER_REQUEST_ID_REUSED, FEALTY__V1__CODE__ALREADY_EXISTS, "REQUEST_ID_REUSED" },
		{ LEDGER_RECEIPT_REUSED, FEALTY__V1__CODE__ALREADY_EXISTS, "RECEIPT_REUSED" },
		{ LEDGER_TOO_LARGE, FEALTY__V1__CODE__INVALID_ARGUMENT, "TOO_LARGE" },
		{ LEDGER_CLOCK_SKEW, FEALTY__V1__CODE__OUT_OF_RANGE, "CLOCK_SKEW" },
		{ LEDGER_EVENT_TOO_OLD, FEALTY__V1__CODE__OUT_OF_RANGE, "EVENT_TOO_OLD" },
		{ LEDGER_NOT_FOUND, FEALTY__V1__CODE__NOT_FOUND, "NOT_FOUND" },
		{ LEDGER_ALREADY_EXISTS, FEALTY__V1__CODE__ALREADY_EXISTS, "ALREADY_EXISTS" },
		{ LEDGER_NOT_OFFERED, FEALTY__V1__CODE__FAILED_PRECONDITION, "NOT_OFFERED" },
		{ LEDGER_MEMBER_CLOSED, FEALTY__V1__CODE__FAILED_PRECONDITION, "MEMBER_CLOSED" },
		{ LEDGER_MEMBER_FROZEN, FEALTY__V1__CODE__FAILED_PRECONDITION, "MEMBER_FROZEN" },
		{ LEDGER_MEMBER_PROVISIONAL, FEALTY__V1__CODE__FAILED_PRECONDITION, "MEMBER_PROVISIONAL" },
		{ LEDGER_HOLD_EXPIRED, FEALTY__V1__CODE__FAILED_PRECONDITION, "HOLD_EXPIRED" },
		{ LEDGER_HOLD_NOT_OPEN, FEALTY__V1__CODE__FAILED_PRECONDITION, "HOLD_NOT_OPEN" },
		{ LEDGER_ALREADY_REVERSED, FEALTY__V1__CODE__FAILED_PRECONDITION, "ALREADY_REVERSED" },
		{ LEDGER_ALREADY_USED, FEALTY__V1__CODE__FAILED_PRECONDITION, "ALREADY_USED" },
		{ LEDGER_VOUCHER_EXPIRED, FEALTY__V1__CODE__FAILED_PRECONDITION, "VOUCHER_EXPIRED" },
		{ LEDGER_MEMBERSHIP_ENDED, FEALTY__V1__CODE__FAILED_PRECONDITION, "MEMBERSHIP_ENDED" },
		{ LEDGER_BELOW_MINIMUM, FEALTY__V1__CODE__FAILED_PRECONDITION, "BELOW_MINIMUM" },
		{ LEDGER_NOT_A_STEP, FEALTY__V1__CODE__FAILED_PRECONDITION, "NOT_A_STEP" },
		{ LEDGER_OVER_ORDER_TOTAL, FEALTY__V1__CODE__FAILED_PRECONDITION, "OVER_ORDER_TOTAL" },
		{ LEDGER_MEMBER_TOO_NEW, FEALTY__V1__CODE__FAILED_PRECONDITION, "MEMBER_TOO_NEW" },
		{ LEDGER_NOT_ELIGIBLE, FEALTY__V1__CODE__FAILED_PRECONDITION, "NOT_ELIGIBLE" },
		{ LEDGER_CAP_REACHED, FEALTY__V1__CODE__RESOURCE_EXHAUSTED, "CAP_REACHED" },
		{ LEDGER_OUT_OF_STOCK, FEALTY__V1__CODE__RESOURCE_EXHAUSTED, "OUT_OF_STOCK" },
		{ LEDGER_INSUFFICIENT_POINTS, FEALTY__V1__CODE__FAILED_PRECONDITION, "INSUFFICIENT_POINTS" },
		{ LEDGER_HOLD_TOO_SMALL, FEALTY__V1__CODE__FAILED_PRECONDITION, "HOLD_TOO_SMALL" },
		{ LEDGER_RETURN_EXCEEDS_PURCHASE, FEALTY__V1__CODE__FAILED_PRECONDITION, "RETURN_EXCEEDS_PURCHASE" },
		{ LEDGER_UNAVAILABLE, FEALTY__V1__CODE__UNAVAILABLE, "UNAVAILABLE" },
		{ LEDGER_DEADLINE_EXCEEDED, FEALTY__V1__CODE__DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED" },
		{ LEDGER_RATE_LIMITED, FEALTY__V1__CODE__RESOURCE_EXHAUSTED, "RATE_LIMITED" },
		{ LEDGER_RECORD_DAMAGED, FEALTY__V1__CODE__DATA_LOSS, "RECORD_DAMAGED" },
	};

	assert_int_equal(sizeof(cases) / sizeof(cases[0]), LEDGER_RESULT_COUNT - 1);		/* all but OK */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		struct reply r = { .refusal = { .result = cases[i].result, .field = "points", .sentence = "There are not enough points." },
		    .retryable = true, .retry_after_ms = 50 };
		Fealty__V1__Response *p = response_of(w, &r);
		assert_int_equal(p->status, cases[i].code);
		assert_string_equal(p->reason, cases[i].reason);
		assert_string_equal(p->field, "points");
		assert_string_equal(p->message, "There are not enough points.");
		assert_true(p->retryable);
		assert_int_equal(p->retry_after_ms, 50);
		assert_null(p->available);
		assert_false(p->has_seq);
		response_free(p);
	}
}

static void
success_has_no_reason(void **state)
{
	struct world *w = *state;
	struct reply r = { .has_id = true, .id = { UINT64_MAX, UINT32_MAX }, .has_member = true, .member_no = 7, .replayed = true,
	    .seq = 12 };
	Fealty__V1__Response *p = response_of(w, &r);

	assert_true(p->has_status);
	assert_int_equal(p->status, FEALTY__V1__CODE__OK);
	assert_null(p->reason);
	assert_null(p->field);
	assert_null(p->message);
	assert_false(p->has_retryable);
	assert_true(p->replayed);
	assert_string_equal(p->id, "18446744073709551615.4294967295");
	assert_int_equal(p->member_no, 7);
	assert_int_equal(p->seq, 12);
	response_free(p);
}

/* ---- the outcome ---- */

static void
earning_shows_its_grants(void **state)
{
	struct world *w = *state;
	const struct grant grants[] = { { "base", 1000, 1000, NULL }, { "tier:gold", 500, 250, "month" } };
	struct entry e = { .op = OP_PURCHASE, .n_grants = 2, .grants = grants };
	struct reply r = { .entry = &e, .scale = 2 };
	Fealty__V1__Response *p = response_of(w, &r);

	assert_string_equal(p->granted, "12.50");
	assert_string_equal(p->wanted, "15.00");
	assert_int_equal(p->n_grants, 2);
	assert_string_equal(p->grants[1]->rule, "tier:gold");
	assert_string_equal(p->grants[1]->wanted, "5.00");
	assert_string_equal(p->grants[1]->granted, "2.50");
	assert_string_equal(p->grants[1]->cap, "month");
	assert_null(p->grants[0]->cap);
	assert_int_equal(p->n_lots, 0);
	assert_null(p->value);
	assert_false(p->has_ends_at);
	response_free(p);

	e.n_grants = 0;			/* a purchase that earns nothing says so */
	p = response_of(w, &r);
	assert_string_equal(p->granted, "0.00");
	response_free(p);
	e.op = OP_BIRTHDAY;
	p = response_of(w, &r);
	assert_string_equal(p->granted, "0.00");
	response_free(p);
	e.op = OP_ANNIVERSARY;
	p = response_of(w, &r);
	assert_string_equal(p->wanted, "0.00");
	response_free(p);
	e.op = OP_ENROL;
	p = response_of(w, &r);
	assert_null(p->granted);
	response_free(p);
	e.n_grants = 2;			/* they may all be pending: no metrics change */
	p = response_of(w, &r);
	assert_string_equal(p->granted, "12.50");
	assert_string_equal(p->wanted, "15.00");
	response_free(p);
}

static void
counters_and_remainders_are_shown(void **state)
{
	struct world *w = *state;
	const struct balance_row counters[] = { { "nights", 19 }, { "stays", 0 } }, remainders[] = { { "base", 1250 } };
	const struct balance b = { .tier = "", .tier_earned = "", .tier_since = DAY_NONE, .tier_until = DAY_NEVER,
	    .n_counters = 2, .counters = counters, .n_remainders = 1, .remainders = remainders };
	struct reply r = { .balance = &b, .scale = 0, .currency_digits = 2 };
	Fealty__V1__Response *p = response_of(w, &r);

	assert_int_equal(p->n_counters, 2);
	assert_string_equal(p->counters[0]->id, "nights");
	assert_int_equal(p->counters[0]->count, 19);
	assert_true(p->counters[1]->has_count);
	assert_int_equal(p->n_remainder, 1);
	assert_string_equal(p->remainder[0]->rule, "base");
	assert_string_equal(p->remainder[0]->amount, "12.50");
	response_free(p);
}

static void
overflowing_grants_are_corrupt(void **state)
{
	struct world *w = *state;
	const struct grant grants[] = { { "a", INT64_MAX, 1, NULL }, { "b", 1, 1, NULL } };
	struct entry e = { .op = OP_PURCHASE, .n_grants = 2, .grants = grants };
	struct reply r = { .entry = &e };

	assert_int_equal(codec_reply_encode(&r, &w->arena, &w->out), ST_CORRUPT);
}

static void
spending_shows_its_lots(void **state)
{
	struct world *w = *state;
	const struct posting postings[] = {
		{ ACCOUNT_MEMBER, 1, -30, 100, LOT_EARNED, false, { 0, 0 }, NULL }, { ACCOUNT_REDEEMED, 0, 30, 100, LOT_EARNED, false, { 0, 0 }, NULL },
		{ ACCOUNT_MEMBER, 1, -5, 100, LOT_BIRTHDAY, false, { 0, 0 }, NULL }, { ACCOUNT_REDEEMED, 0, 5, 100, LOT_BIRTHDAY, false, { 0, 0 }, NULL },
		{ ACCOUNT_MEMBER, 1, -7, DAY_NEVER, LOT_EARNED, false, { 0, 0 }, NULL }, { ACCOUNT_REDEEMED, 0, 7, DAY_NEVER, LOT_EARNED, false, { 0, 0 }, NULL },
		{ ACCOUNT_HELD, 1, -9, 200, LOT_EARNED, false, { 0, 0 }, NULL }, { ACCOUNT_MEMBER, 1, 9, 200, LOT_EARNED, false, { 0, 0 }, NULL },
		/* the rest of a lot gets another last day: nothing was taken from it */
		{ ACCOUNT_MEMBER, 1, -50, 150, LOT_EARNED, false, { 0, 0 }, NULL }, { ACCOUNT_MEMBER, 1, 50, 180, LOT_EARNED, false, { 0, 0 }, NULL },
	};
	struct entry e = { .op = OP_REDEEM, .member = 1, .n_postings = 10, .postings = postings, .has_value = true, .value = 420 };
	struct reply r = { .entry = &e, .currency_digits = 2 };
	Fealty__V1__Response *p = response_of(w, &r);

	assert_string_equal(p->value, "4.20");
	assert_int_equal(p->n_lots, 2);
	assert_int_equal(p->lots[0]->last_day, 100);
	assert_string_equal(p->lots[0]->points, "35");		/* of both classes */
	assert_false(p->lots[1]->has_last_day);
	assert_string_equal(p->lots[1]->points, "7");
	response_free(p);

	e.op = OP_CAPTURE;		/* takes from what is held */
	e.has_hold = true;
	e.hold.ends_at_us = 99;
	e.hold.left = 3;
	p = response_of(w, &r);
	assert_int_equal(p->n_lots, 1);
	assert_string_equal(p->lots[0]->points, "9");
	assert_int_equal(p->ends_at, 99);
	assert_string_equal(p->left, "3");

	const struct posting clock[] = { { .account = ACCOUNT_MEMBER, .member = 1, .points = -4, .last_day = DAY_CLOCK, .class = LOT_EARNED },
		{ .account = ACCOUNT_REDEEMED, .points = 4, .last_day = DAY_CLOCK, .class = LOT_EARNED } };
	e.op = OP_REDEEM;
	e.has_hold = false;
	e.postings = clock;
	e.n_postings = 2;
	e.clock = (struct inactivity_clock){ true, 555, 12, 100 };
	response_free(p);
	p = response_of(w, &r);
	assert_int_equal(p->lots[0]->last_day, 555);		/* the clock's day, as it was */
	response_free(p);

	e.op = OP_ADJUST;
	p = response_of(w, &r);
	assert_int_equal(p->n_lots, 0);
	assert_false(p->has_waiting);
	response_free(p);
	e.waiting = true;
	p = response_of(w, &r);
	assert_true(p->has_waiting && p->waiting);
	response_free(p);
}

/* ---- the balance block ---- */

static void
balances_are_whole(void **state)
{
	struct world *w = *state;
	const struct expiring expiring[] = { { 100, 5 }, { 200, 12 } };
	const struct notice notices[] = { { NOTICE_EXPIRING, 5, 100, 70, NULL }, { NOTICE_DOWNGRADE, 250, 300, 270, NULL } };
	struct balance b = { .available = 413, .pending = 1, .held = 2, .debt = 3, .n_expiring = 2, .expiring = expiring, .tier = "gold",
	    .tier_earned = "silver", .tier_since = -5, .tier_until = 300, .has_next = true, .points_to_next = 0, .points_earned = 500,
	    .spend = 123456, .visits = 4, .has_keep = true, .points_to_keep = 250, .n_notices = 2, .notices = notices };
	struct reply r = { .balance = &b, .scale = 2, .currency_digits = 0, .as_of_us = 77, .seq = 0 };
	Fealty__V1__Response *p = response_of(w, &r);

	assert_string_equal(p->available, "4.13");
	assert_string_equal(p->pending, "0.01");
	assert_string_equal(p->held, "0.02");
	assert_string_equal(p->debt, "0.03");
	assert_int_equal(p->n_expiring, 2);
	assert_string_equal(p->expiring[1]->points, "0.12");
	assert_int_equal(p->expiring[1]->last_day, 200);
	assert_string_equal(p->tier, "gold");
	assert_string_equal(p->tier_earned, "silver");
	assert_int_equal(p->tier_since, -5);
	assert_int_equal(p->tier_until, 300);
	assert_string_equal(p->points_to_next, "0.00");
	assert_string_equal(p->points_to_keep, "2.50");
	assert_int_equal(p->n_notices, 2);
	assert_string_equal(p->notices[0]->kind, "expiring");
	assert_string_equal(p->notices[0]->points, "0.05");
	assert_int_equal(p->notices[0]->last_day, 100);
	assert_int_equal(p->notices[0]->due, 70);
	assert_string_equal(p->notices[1]->kind, "downgrade");
	assert_string_equal(p->points_earned, "5.00");
	assert_string_equal(p->spend, "123456");
	assert_int_equal(p->visits, 4);
	assert_int_equal(p->as_of, 77);
	assert_true(p->has_seq);
	response_free(p);

	/* a replay: as it was then, the rest of now */
	const struct touched then = { .available = 1000, .pending = 0, .held = 5, .debt = 6, .tier = "basic" };
	r.then = &then;
	p = response_of(w, &r);
	assert_string_equal(p->available, "10.00");
	assert_string_equal(p->pending, "0.00");
	assert_string_equal(p->held, "0.05");
	assert_string_equal(p->debt, "0.06");
	assert_string_equal(p->tier, "basic");
	assert_string_equal(p->points_earned, "5.00");
	response_free(p);
}

static void
what_a_program_lacks_is_absent(void **state)
{
	struct world *w = *state;
	struct balance b = { .tier = "", .tier_earned = "", .tier_since = DAY_NONE, .tier_until = DAY_NEVER };
	struct reply r = { .balance = &b };
	Fealty__V1__Response *p = response_of(w, &r);

	assert_string_equal(p->available, "0");		/* a balance of zero is not absent */
	assert_string_equal(p->debt, "0");
	assert_null(p->tier);
	assert_null(p->tier_earned);
	assert_false(p->has_tier_since);
	assert_false(p->has_tier_until);
	assert_null(p->points_to_next);
	assert_true(p->has_visits);
	response_free(p);
}

/* ---- reads ---- */

static void
reads_carry_their_rows(void **state)
{
	struct world *w = *state;
	const struct history_row rows[] = {
		{ .id = { 9, 1 }, .at_us = 5, .business_date = 20000, .op = OP_PURCHASE, .principal = "pos/1", .key = "k", .store = "s",
		    .tier = "gold", .points = -1, .available = 2, .pending = 3, .held = 4, .debt = 5, .amount = 150, .has_amount = true },
		{ .id = { 3, 0 }, .business_date = DAY_NONE, .op = OP_EXPIRE },
	};
	struct reply r = { .n_history = 2, .history = rows, .has_next_before = true, .next_before = 3, .currency_digits = 2, .seq = 9,
	    .transaction = bytes_of("leaf", 4) };
	Fealty__V1__Response *p = response_of(w, &r);

	assert_int_equal(p->n_history, 2);
	assert_string_equal(p->history[0]->id, "9.1");
	assert_int_equal(p->history[0]->at, 5);
	assert_int_equal(p->history[0]->business_date, 20000);
	assert_string_equal(p->history[0]->op, "purchase");
	assert_string_equal(p->history[0]->principal, "pos/1");
	assert_string_equal(p->history[0]->key, "k");
	assert_string_equal(p->history[0]->points, "-1");
	assert_string_equal(p->history[0]->available, "2");
	assert_string_equal(p->history[0]->pending, "3");
	assert_string_equal(p->history[0]->held, "4");
	assert_string_equal(p->history[0]->debt, "5");
	assert_string_equal(p->history[0]->tier, "gold");
	assert_string_equal(p->history[0]->amount, "1.50");
	assert_string_equal(p->history[0]->store, "s");
	assert_string_equal(p->history[1]->op, "expire");
	assert_false(p->history[1]->has_business_date);
	assert_null(p->history[1]->key);
	assert_null(p->history[1]->amount);
	assert_int_equal(p->next_before, 3);
	assert_int_equal(p->transaction.len, 4);
	assert_memory_equal(p->transaction.data, "leaf", 4);
	assert_null(p->program);
	response_free(p);
}

static void
a_program_is_passed_on_as_it_is(void **state)
{
	struct world *w = *state;
	struct buf definition;
	struct reply r = { .version = 3 };

	buf_init(&definition);
	field_put_text(&definition, 1, "acme");
	r.program = buf_bytes(&definition);
	Fealty__V1__Response *p = response_of(w, &r);
	assert_string_equal(p->program->id, "acme");
	assert_int_equal(p->version, 3);
	response_free(p);
	buf_release(&definition);
}

static void
batch_replies_hold_their_replies(void **state)
{
	struct world *w = *state;
	struct buf one, two;
	struct reply ok = { .seq = 4 }, no = { .refusal = { .result = LEDGER_NOT_FOUND, .field = "member" } };

	buf_init(&one);
	buf_init(&two);
	assert_int_equal(codec_reply_encode(&ok, &w->arena, &one), ST_OK);
	assert_int_equal(codec_reply_encode(&no, &w->arena, &two), ST_OK);
	const struct bytes replies[] = { buf_bytes(&one), buf_bytes(&two) };
	codec_batch_reply_encode(replies[0], replies, 2, &w->out);
	Fealty__V1__BatchResponse *p =
	    (Fealty__V1__BatchResponse *)assert_as_generated(&fealty__v1__batch_response__descriptor, buf_bytes(&w->out));
	assert_int_equal(p->outcome->seq, 4);
	assert_int_equal(p->n_results, 2);
	assert_int_equal(p->results[0]->seq, 4);
	assert_string_equal(p->results[1]->reason, "NOT_FOUND");
	fealty__v1__batch_response__free_unpacked(p, NULL);
	buf_release(&one);
	buf_release(&two);
}

/* ---- connection ---- */

static void
hello_is_taken_over(void **state)
{
	struct world *w = *state;
	Fealty__V1__Hello m = FEALTY__V1__HELLO__INIT;
	char *features[] = { (char[]){ "a" }, (char[]){ "b" } };
	uint8_t packed[256], root[32] = { 9 };
	struct hello h;

	m.has_version_min = m.has_version_max = m.has_checkpoint_size = m.has_checkpoint_root = 1;
	m.version_min = 1;
	m.version_max = 2;
	m.n_features = 2;
	m.features = features;
	m.principal = (char[]){ "pos/1" };
	m.client_name = (char[]){ "till" };
	m.checkpoint_size = 5;
	m.checkpoint_root = (ProtobufCBinaryData){ sizeof(root), root };
	size_t len = fealty__v1__hello__pack(&m, packed);
	memcpy(packed + len, "\x98\x06\x01", 3);			/* and a field that we do not know: ignored */
	assert_int_equal(codec_hello_decode(bytes_of(packed, len + 3), &w->arena, &h), ST_OK);
	assert_int_equal(h.version_min, 1);
	assert_int_equal(h.version_max, 2);
	assert_string_equal(h.principal, "pos/1");
	assert_string_equal(h.client_name, "till");
	assert_string_equal(h.client_version, "");
	assert_int_equal(h.n_features, 2);
	assert_string_equal(h.features[1], "b");
	assert_int_equal(h.checkpoint_size, 5);
	assert_int_equal(h.checkpoint_root.len, 32);
	assert_int_equal(h.checkpoint_root.data[0], 9);

	assert_int_equal(codec_hello_decode(bytes_of(NULL, 0), &w->arena, &h), ST_OK);
	assert_string_equal(h.principal, "");
	assert_int_equal(codec_hello_decode(bytes_of("\x32\x05pos\0x", 7), &w->arena, &h), ST_INVALID);		/* a NUL in the principal */
	assert_int_equal(codec_hello_decode(bytes_of("\x1a\x01\xff", 3), &w->arena, &h), ST_INVALID);
	assert_int_equal(codec_hello_decode(bytes_of("\x08", 1), &w->arena, &h), ST_INVALID);
}

static void
hello_keeps_its_budget(void **state)
{
	struct world *w = *state;
	struct arena small;
	struct hello h;

	for (size_t i = 0; i < 2000; ++i)
		field_put_text(&w->out, 3, "");
	arena_init(&small, (size_t)16 * 1024);
	assert_int_equal(codec_hello_decode(buf_bytes(&w->out), &small, &h), ST_NOMEM);
	arena_release(&small);
}

static void
hello_ok_says_all(void **state)
{
	struct world *w = *state;
	const char *const features[] = { "x" };
	struct hello_ok h = { .origin = "example.org/ledger", .principal = "pos/1", .server_version = "1.0", .n_features = 1,
	    .features = features, .frame_bytes_max = 1, .batch_bytes_max = 2, .batch_commands_max = 3, .reply_bytes_max = 4, .in_flight_max = 5,
	    .idle_ms = 6,
	    .manual_clock = true, .size = 7 };

	assert_int_equal(codec_hello_ok_encode(&h, &w->arena, &w->out), ST_OK);
	Fealty__V1__HelloOk *p = (Fealty__V1__HelloOk *)assert_as_generated(&fealty__v1__hello_ok__descriptor, buf_bytes(&w->out));
	assert_int_equal(p->version, 1);
	assert_string_equal(p->origin, "example.org/ledger");
	assert_string_equal(p->principal, "pos/1");
	assert_string_equal(p->server_version, "1.0");
	assert_int_equal(p->n_features, 1);
	assert_string_equal(p->features[0], "x");
	assert_int_equal(p->frame_bytes_max, 1);
	assert_int_equal(p->batch_bytes_max, 2);
	assert_int_equal(p->batch_commands_max, 3);
	assert_int_equal(p->reply_bytes_max, 4);
	assert_int_equal(p->in_flight_max, 5);
	assert_int_equal(p->idle_ms, 6);
	assert_true(p->manual_clock);
	assert_int_equal(p->size, 7);
	fealty__v1__hello_ok__free_unpacked(p, NULL);
}

/* Behind a Response that is encoded already, and in one. */
static void
receipts_are_appended(void **state)
{
	struct world *w = *state;
	const char text[] = "c2sp.org/tlog-proof@v1\nindex 0\n\nx\n";
	const struct bytes receipt = bytes_of(text, strlen(text));
	static const char *const reasons[] = { "SHARED", "REPLY_FULL" };
	struct reply reply = { .replayed = true, .seq = 7 };

	for (int inside = 0; inside < 2; inside++) {
		buf_clear(&w->out);
		reply.receipt = bytes_of(text, inside ? receipt.len : 0);
		assert_int_equal(codec_reply_encode(&reply, &w->arena, &w->out), ST_OK);
		if (!inside)
			codec_receipt_append(receipt, &w->out);
		Fealty__V1__Response *p = (Fealty__V1__Response *)assert_as_generated(&fealty__v1__response__descriptor, buf_bytes(&w->out));
		assert_string_equal(p->receipt, text);
		assert_null(p->no_receipt);
		assert_true(p->replayed && p->seq == 7);
		fealty__v1__response__free_unpacked(p, NULL);
	}
	reply.receipt.len = 0;
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&w->out);
		assert_int_equal(codec_reply_encode(&reply, &w->arena, &w->out), ST_OK);
		size_t before = w->out.len;
		codec_no_receipt_append(reasons[i], &w->out);
		assert_true(w->out.len - before <= CODEC_NO_RECEIPT_BYTES);
		Fealty__V1__Response *p = (Fealty__V1__Response *)assert_as_generated(&fealty__v1__response__descriptor, buf_bytes(&w->out));
		assert_string_equal(p->no_receipt, reasons[i]);
		assert_null(p->receipt);
		fealty__v1__response__free_unpacked(p, NULL);
	}
}

static void
small_frames(void **state)
{
	struct world *w = *state;
	const struct bytes transactions[] = { bytes_of("a", 1), bytes_of("bc", 2) };
	const struct push push = { .transactions = transactions, .n = 2, .first_seq = 3, .head = 9, .last_seq = 4 };
	uint64_t nonce;
	uint32_t credits;

	codec_pong_encode(UINT64_MAX, &w->out);
	assert_int_equal(codec_ping_decode(buf_bytes(&w->out), &w->arena, &nonce), ST_OK);		/* the same fields */
	assert_true(nonce == UINT64_MAX);
	protobuf_c_message_free_unpacked(assert_as_generated(&fealty__v1__pong__descriptor, buf_bytes(&w->out)), NULL);
	assert_int_equal(codec_credit_decode(bytes_of("\x08\x05", 2), &w->arena, &credits), ST_OK);
	assert_int_equal(credits, 5);
	assert_int_equal(codec_credit_decode(bytes_of("\x08", 1), &w->arena, &credits), ST_INVALID);

	buf_clear(&w->out);
	codec_goaway_encode("bye", &w->out);
	Fealty__V1__Goaway *g = (Fealty__V1__Goaway *)assert_as_generated(&fealty__v1__goaway__descriptor, buf_bytes(&w->out));
	assert_string_equal(g->message, "bye");
	fealty__v1__goaway__free_unpacked(g, NULL);

	buf_clear(&w->out);
	codec_push_encode(&push, &w->out);
	Fealty__V1__Push *p = (Fealty__V1__Push *)assert_as_generated(&fealty__v1__push__descriptor, buf_bytes(&w->out));
	assert_int_equal(p->n_transactions, 2);
	assert_memory_equal(p->transactions[1].data, "bc", 2);
	assert_int_equal(p->first_seq, 3);
	assert_int_equal(p->head, 9);
	assert_int_equal(p->last_seq, 4);
	fealty__v1__push__free_unpacked(p, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refusals_have_a_code_and_a_reason),
		TEST(success_has_no_reason),
		TEST(earning_shows_its_grants),
		TEST(counters_and_remainders_are_shown),
		TEST(overflowing_grants_are_corrupt),
		TEST(spending_shows_its_lots),
		TEST(balances_are_whole),
		TEST(what_a_program_lacks_is_absent),
		TEST(reads_carry_their_rows),
		TEST(a_program_is_passed_on_as_it_is),
		TEST(batch_replies_hold_their_replies),
		TEST(hello_is_taken_over),
		TEST(hello_keeps_its_budget),
		TEST(hello_ok_says_all),
		TEST(receipts_are_appended),
		TEST(small_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
