/**
 * Responses, written by hand like transactions: one leaves for every command.
 * Points are printed with all digits of the program's scale, money with those of its currency; a row or a field that the reply does not
 * have is left out, a balance of zero is not.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "codec/codec.h"
#include "codec/field.h"
#include "ledger/crm.h"

/* Field numbers of fealty.proto; test_reply reads them with the generated code. */
enum {
	RESPONSE_STATUS = 1, RESPONSE_REASON, RESPONSE_RETRYABLE, RESPONSE_RETRY_AFTER_MS, RESPONSE_FIELD, RESPONSE_MESSAGE,
	RESPONSE_REPLAYED, RESPONSE_ID, RESPONSE_MEMBER_NO, RESPONSE_GRANTED, RESPONSE_WANTED, RESPONSE_VALUE, RESPONSE_LOTS,
	RESPONSE_GRANTS, RESPONSE_ENDS_AT, RESPONSE_LEFT, RESPONSE_CLAWED, RESPONSE_WAITING,
	RESPONSE_AVAILABLE = 20, RESPONSE_PENDING, RESPONSE_HELD, RESPONSE_DEBT, RESPONSE_EXPIRING, RESPONSE_TIER, RESPONSE_TIER_EARNED,
	RESPONSE_TIER_SINCE, RESPONSE_TIER_UNTIL, RESPONSE_POINTS_TO_NEXT, RESPONSE_POINTS_TO_KEEP, RESPONSE_POINTS_EARNED, RESPONSE_SPEND,
	RESPONSE_VISITS, RESPONSE_AS_OF, RESPONSE_SEQ, RESPONSE_COUNTERS, RESPONSE_REMAINDER,
	RESPONSE_HISTORY = 40, RESPONSE_NEXT_BEFORE, RESPONSE_TRANSACTION, RESPONSE_PROGRAM, RESPONSE_VERSION,
};
enum { RESPONSE_NOTICES = 60, RESPONSE_NOTE, RESPONSE_SIZE, RESPONSE_INDEX, RESPONSE_HASHES, RESPONSE_RECEIPT, RESPONSE_NO_RECEIPT,
	RESPONSE_REFUND = 68, RESPONSE_MEMBERSHIP, RESPONSE_POOL = 82, RESPONSE_MEMBERSHIP_UNTIL };
enum { POOL_SUMS_AVAILABLE = 1, POOL_SUMS_PENDING, POOL_SUMS_HELD, POOL_SUMS_DEBT };
enum { RESPONSE_VOUCHERS = 90, RESPONSE_ISSUED, RESPONSE_REVOKED, RESPONSE_CONFLICT = 97, RESPONSE_VOUCHER_ROWS, RESPONSE_CODES = 100 };
enum { RESPONSE_STAMPS = 93, RESPONSE_STAMP_DEBT, RESPONSE_STAMPS_WANTED, RESPONSE_STAMPS_GRANTED };
enum { VOUCHER_CODE_ID = 1, VOUCHER_CODE_CODE, VOUCHER_CODE_LAST_DAY };
enum {
	VOUCHER_ROW_NAME = 1, VOUCHER_ROW_ID, VOUCHER_ROW_TITLE, VOUCHER_ROW_CODE, VOUCHER_ROW_STATE, VOUCHER_ROW_SOURCE, VOUCHER_ROW_OF,
	VOUCHER_ROW_LAST_DAY, VOUCHER_ROW_VALUE,
};
enum { RESPONSE_TERMINAL_GAP = 80, RESPONSE_TERMINAL_REPEAT, RESPONSE_TERMINALS = 86, RESPONSE_NEXT_AFTER };
enum {
	TERMINAL_PRINCIPAL = 1, TERMINAL_STORE, TERMINAL_TERMINAL, TERMINAL_LAST, TERMINAL_ID, TERMINAL_MISSING, TERMINAL_GAPS, TERMINAL_REPEATS,
	TERMINAL_REPEAT, TERMINAL_REPEAT_ID,
};
enum { SEQ_RANGE_FIRST = 1, SEQ_RANGE_LAST };
#define NUMBER_SHOWN_MAX ((UINT64_C(1) << 53) - 1)
enum { RESPONSE_PROVISIONAL = 107, RESPONSE_CONSENTS };
enum { RESPONSE_EFFECTS = 99 };
enum { RESPONSE_VAULT = 120, RESPONSE_PERSON, RESPONSE_SCRUB };
enum { VAULT_EPOCH = 1, VAULT_BEGUN_AT, VAULT_TURNING, VAULT_FAILED, VAULT_TURNS, VAULT_OLD };
enum { OLD_EPOCH = 1, OLD_REPLACED_AT, OLD_DESTROYED_AT };
enum {
	SCRUB_ENABLED = 1, SCRUB_BYTES_PER_SECOND, SCRUB_RUNNING, SCRUB_STAGE, SCRUB_POSITION, SCRUB_SIZE, SCRUB_DIRECT, SCRUB_PASSES, SCRUB_LAST_AT,
	SCRUB_LAST_MS, SCRUB_BYTES, SCRUB_TRANSACTIONS, SCRUB_KNOWN_FAULTS, SCRUB_FAULTS,
};
enum {
	SCRUB_FAULT_KIND = 1, SCRUB_FAULT_ENVIRONMENT, SCRUB_FAULT_WHERE, SCRUB_FAULT_SEQ, SCRUB_FAULT_LAST_SEQ, SCRUB_FAULT_WHAT, SCRUB_FAULT_REMEDY,
};
enum { PERSON_ALIASES = 1, PERSON_BIRTHDAYS, PERSON_SEGMENTS, PERSON_ABSORBED };
enum { BIRTHDAY_ROW_BIRTHDAY = 1, BIRTHDAY_ROW_ENTERED };
enum { EFFECT_TYPE = 1, EFFECT_POINTS, EFFECT_REASON };
enum { CONSENT_ROW_PURPOSE = 1, CONSENT_ROW_GIVEN, CONSENT_ROW_SINCE };
enum { NOTICE_KIND = 1, NOTICE_POINTS, NOTICE_LAST_DAY, NOTICE_DUE, NOTICE_OF_VOUCHER };
enum { EXPIRING_POINTS = 1, EXPIRING_LAST_DAY };
enum { LOT_ROW_LAST_DAY = 1, LOT_ROW_POINTS };
enum { GRANT_ROW_RULE = 1, GRANT_ROW_WANTED, GRANT_ROW_GRANTED, GRANT_ROW_CAP };
enum {
	HISTORY_ID = 1, HISTORY_AT, HISTORY_BUSINESS_DATE, HISTORY_OP, HISTORY_PRINCIPAL, HISTORY_KEY, HISTORY_POINTS, HISTORY_AVAILABLE,
	HISTORY_HELD, HISTORY_DEBT, HISTORY_TIER, HISTORY_AMOUNT, HISTORY_STORE, HISTORY_PENDING, HISTORY_WAITING, HISTORY_WANTED,
};
enum { COUNTER_ROW_ID = 1, COUNTER_ROW_COUNT };		/* of `remainder`: rule and amount; of `membership`: id and state, id and until */
enum { BATCH_RESPONSE_OUTCOME = 1, BATCH_RESPONSE_RESULTS };

/* What is left out of a reply that would be too long: all that the balance has again; then every list that a command or a program can make long. */
enum detail { DETAIL_ALL, DETAIL_BRIEF, DETAIL_LEAST };

/* gRPC's canonical codes. */
enum code {
	CODE_OK = 0, CODE_CANCELLED = 1, CODE_INVALID_ARGUMENT = 3, CODE_DEADLINE_EXCEEDED = 4, CODE_NOT_FOUND = 5, CODE_ALREADY_EXISTS = 6,
	CODE_PERMISSION_DENIED = 7, CODE_RESOURCE_EXHAUSTED = 8, CODE_FAILED_PRECONDITION = 9, CODE_OUT_OF_RANGE = 11,
	CODE_UNAVAILABLE = 14, CODE_DATA_LOSS = 15,
};

unsigned
ledger_result_code(enum ledger_result r)
{
	static const enum code codes[LEDGER_RESULT_COUNT] = {
		[LEDGER_OK] = CODE_OK,
		[LEDGER_INVALID_ARGUMENT] = CODE_INVALID_ARGUMENT,
		[LEDGER_POINTS_NOT_POSITIVE] = CODE_INVALID_ARGUMENT,
		[LEDGER_SELF_REFERRAL] = CODE_INVALID_ARGUMENT,
		[LEDGER_PERMISSION_DENIED] = CODE_PERMISSION_DENIED,
		[LEDGER_REQUEST_ID_REUSED] = CODE_ALREADY_EXISTS,
		[LEDGER_RECEIPT_REUSED] = CODE_ALREADY_EXISTS,
		[LEDGER_TOO_LARGE] = CODE_INVALID_ARGUMENT,
		[LEDGER_CLOCK_SKEW] = CODE_OUT_OF_RANGE,
		[LEDGER_EVENT_TOO_OLD] = CODE_OUT_OF_RANGE,
		[LEDGER_NOT_FOUND] = CODE_NOT_FOUND,
		[LEDGER_ALREADY_EXISTS] = CODE_ALREADY_EXISTS,
		[LEDGER_NOT_OFFERED] = CODE_FAILED_PRECONDITION,
		[LEDGER_MEMBER_CLOSED] = CODE_FAILED_PRECONDITION,
		[LEDGER_MEMBER_FROZEN] = CODE_FAILED_PRECONDITION,
		[LEDGER_MEMBER_PROVISIONAL] = CODE_FAILED_PRECONDITION,
		[LEDGER_HOLD_EXPIRED] = CODE_FAILED_PRECONDITION,
		[LEDGER_HOLD_NOT_OPEN] = CODE_FAILED_PRECONDITION,
		[LEDGER_ALREADY_REVERSED] = CODE_FAILED_PRECONDITION,
		[LEDGER_ALREADY_USED] = CODE_FAILED_PRECONDITION,
		[LEDGER_VOUCHER_EXPIRED] = CODE_FAILED_PRECONDITION,
		[LEDGER_MEMBERSHIP_ENDED] = CODE_FAILED_PRECONDITION,
		[LEDGER_BELOW_MINIMUM] = CODE_FAILED_PRECONDITION,
		[LEDGER_NOT_A_STEP] = CODE_FAILED_PRECONDITION,
		[LEDGER_OVER_ORDER_TOTAL] = CODE_FAILED_PRECONDITION,
		[LEDGER_MEMBER_TOO_NEW] = CODE_FAILED_PRECONDITION,
		[LEDGER_NOT_ELIGIBLE] = CODE_FAILED_PRECONDITION,
		[LEDGER_CAP_REACHED] = CODE_RESOURCE_EXHAUSTED,
		[LEDGER_OUT_OF_STOCK] = CODE_RESOURCE_EXHAUSTED,
		[LEDGER_INSUFFICIENT_POINTS] = CODE_FAILED_PRECONDITION,
		[LEDGER_HOLD_TOO_SMALL] = CODE_FAILED_PRECONDITION,
		[LEDGER_RETURN_EXCEEDS_PURCHASE] = CODE_FAILED_PRECONDITION,
		[LEDGER_UNAVAILABLE] = CODE_UNAVAILABLE,
		[LEDGER_DEADLINE_EXCEEDED] = CODE_DEADLINE_EXCEEDED,
		[LEDGER_RATE_LIMITED] = CODE_RESOURCE_EXHAUSTED,
		[LEDGER_RECORD_DAMAGED] = CODE_DATA_LOSS,
	};

	assert(r < LEDGER_RESULT_COUNT);
	return codes[r];
}

/* ---- values ---- */

static void
put_decimal(struct buf *out, uint32_t number, int64_t v, unsigned scale)
{
	char text[DECIMAL_TEXT_BYTES];

	field_put_text(out, number, decimal_format(v, scale, text));
}

static void
put_id(struct buf *out, uint32_t number, struct entry_id id)
{
	char text[32];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + id.index % 10);
	while ((id.index /= 10) > 0);
	text[--at] = '.';
	do
		text[--at] = (char)('0' + id.seq % 10);
	while ((id.seq /= 10) > 0);
	field_put_bytes(out, number, bytes_of(text + at, sizeof(text) - at));
}

static void
put_text_unless_empty(struct buf *out, uint32_t number, const char *v)
{
	if (v != NULL && v[0] != '\0')
		field_put_text(out, number, v);
}

/* ---- the answer ---- */

static void
put_status(struct buf *out, const struct reply *r)
{
	field_put_uint(out, RESPONSE_STATUS, ledger_result_code(r->refusal.result));
	if (r->refusal.result != LEDGER_OK)
		field_put_text(out, RESPONSE_REASON, ledger_result_str(r->refusal.result));
	if (r->retryable)
		field_put_uint(out, RESPONSE_RETRYABLE, 1);
	if (r->retry_after_ms > 0)
		field_put_uint(out, RESPONSE_RETRY_AFTER_MS, r->retry_after_ms);
	put_text_unless_empty(out, RESPONSE_FIELD, r->refusal.field);
	put_text_unless_empty(out, RESPONSE_MESSAGE, r->refusal.sentence);
	if (r->replayed)
		field_put_uint(out, RESPONSE_REPLAYED, 1);
	if (r->has_id)
		put_id(out, RESPONSE_ID, r->id);
	if (r->has_member)
		field_put_uint(out, RESPONSE_MEMBER_NO, r->member_no);
}

/* ---- the outcome ---- */

/* What earns says so, even when it earned nothing; an enrolment only where the program has rules for it. */
static bool
earns(const struct entry *e)
{
	return e->n_grants > 0 || e->op == OP_PURCHASE || e->op == OP_ACTIVITY || e->op == OP_BIRTHDAY || e->op == OP_ANNIVERSARY ||
	    (e->op == OP_ENROL && e->has_metrics);
}

static bool
sum_grants(const struct entry *e, int64_t *ret_granted, int64_t *ret_wanted)
{
	int64_t granted = 0, wanted = 0;

	for (size_t i = 0; i < e->n_grants; ++i)
		if (!checked_add(granted, e->grants[i].granted, &granted) || !checked_add(wanted, e->grants[i].wanted, &wanted))
			return false;
	if (e->has_referral && (!checked_add(granted, e->referral.referee_points, &granted) || !checked_add(wanted, e->referral.referee_points, &wanted)))
		return false;
	*ret_granted = granted;
	*ret_wanted = wanted;
	return true;
}

/* The account whose lots an operation takes from; ACCOUNT_NONE: it has no `lots`. */
static enum account
lots_account(enum op op)
{
	switch (op) {
	case OP_HOLD: case OP_REDEEM: case OP_RETURN:
		return ACCOUNT_MEMBER;
	case OP_CAPTURE: case OP_RELEASE:
		return ACCOUNT_HELD;
	case OP_NONE: case OP_GENESIS: case OP_PUBLISH: case OP_ENROL: case OP_PROFILE: case OP_PURCHASE: case OP_ADJUST: case OP_TIER:
	case OP_BIRTHDAY: case OP_HOLD_TIMEOUT: case OP_TIER_END: case OP_EXPIRE: case OP_CLOCK_ACCEPT: case OP_ZONE_DATA: case OP_RESTORE: case OP_TIER_REVIEW:
	case OP_ACTIVITY: case OP_LAPSE: case OP_ACTIVATE: case OP_TIER_LOOK: case OP_INACTIVITY: case OP_HOLD_EXPIRE:
	case OP_ANNIVERSARY: case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE: case OP_REVERSE_REDEEM: case OP_TRANSFER: case OP_MERGE:
	case OP_ADVANCE: case OP_ROTATE_KEY: case OP_APPROVE: case OP_APPROVER_KEY: case OP_VOUCHER_EXPIRE:
	case OP_VOUCHER_USE: case OP_VOUCHER_VOID: case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW:
	case OP_MEMBERSHIP_CANCEL: case OP_MEMBERSHIP_END: case OP_NOTICE: case OP_POOL_JOIN: case OP_POOL_LEAVE: case OP_AUTO_REDEEM:
	case OP_STAMP_EXPIRE: case OP_OPENING: case OP_CONSENT: case OP_ERASE: case OP_COUNT:
		return ACCOUNT_NONE;
	}
	return ACCOUNT_NONE;
}

static void
put_lot_row(struct buf *out, int32_t last_day, int64_t points, unsigned scale)
{
	size_t begun = field_begin(out, RESPONSE_LOTS);

	if (last_day != DAY_NEVER)
		field_put_sint(out, LOT_ROW_LAST_DAY, last_day);
	put_decimal(out, LOT_ROW_POINTS, points, scale);
	field_end(out, begun);
}

/* Of a pool's, other members' lots end with their own clocks. */
static int32_t
clock_day(const struct entry *e, uint64_t member)
{
	for (size_t i = 0; i < e->n_sides; ++i) {
		if (e->sides[i].member == member)
			return e->sides[i].clock.last_day;
	}
	return e->clock.last_day;
}

/* What a return takes for a voucher that was used is none of the points that it claws back. */
static bool
pays_voucher(const struct entry *e, size_t i)
{
	return e->op == OP_RETURN && e->postings[i + 1].account == ACCOUNT_REDEEMED;
}

/* Lots are taken in order of their last days, so those of one day follow each other, whatever their class. */
static bool
put_lots(struct buf *out, const struct entry *e, unsigned scale)
{
	bool of_one = e->op == OP_PURCHASE || e->op == OP_RETURN || e->n_merged > 0;
	enum account from = lots_account(e->op);
	int32_t last_day = DAY_NONE;
	int64_t points = 0;

	for (size_t i = 0; from != ACCOUNT_NONE && i < e->n_postings; ++i) {
		const struct posting *p = &e->postings[i];
		if (p->account != from || (of_one && p->member != e->member) || !posting_is_debit(e, i) || pays_voucher(e, i))
			continue;
		int32_t day = p->last_day == DAY_CLOCK ? clock_day(e, p->member) : p->last_day;
		if (points > 0 && day != last_day) {
			put_lot_row(out, last_day, points, scale);
			points = 0;
		}
		last_day = day;
		if (!checked_sub(points, p->points, &points))
			return false;
	}
	if (points > 0)
		put_lot_row(out, last_day, points, scale);
	return true;
}

/* Of the member that it is about.  What a return wanted is what its policy let it take. */
static bool
put_clawed(struct buf *out, const struct entry *e, unsigned scale)
{
	int64_t clawed = 0;

	for (size_t i = 0; i < e->n_postings; ++i) {
		const struct posting *p = &e->postings[i];
		if (p->member != e->member || !posting_is_debit(e, i))
			continue;
		bool taken = p[1].account == ACCOUNT_CLAWED || p[1].account == ACCOUNT_PARTNER_ISSUED;
		if (taken && !checked_sub(clawed, p->points, &clawed))
			return false;
	}
	put_decimal(out, RESPONSE_WANTED, clawed, scale);
	put_decimal(out, RESPONSE_CLAWED, clawed, scale);
	return true;
}

/* Ids of the vouchers that the entry gives or takes, sorted: each round writes those of the next id. */
static void
put_voucher_ids(struct buf *out, uint32_t number, const struct entry *e, enum voucher_state state)
{
	const char *last = NULL, *next;

	do {
		next = NULL;
		for (size_t i = 0; i < e->n_vouchers; ++i) {
			const struct voucher_change *c = &e->vouchers[i];
			bool counts = c->v.state == state && (state != VOUCHER_ISSUED || !c->has_from);
			if (counts && (last == NULL || strcmp(c->v.id, last) > 0) && (next == NULL || strcmp(c->v.id, next) < 0))
				next = c->v.id;
		}
		for (size_t i = 0; i < e->n_vouchers && next != NULL; ++i) {
			const struct voucher_change *c = &e->vouchers[i];
			if (c->v.state == state && (state != VOUCHER_ISSUED || !c->has_from) && strcmp(c->v.id, next) == 0)
				field_put_text(out, number, next);
		}
		last = next;
	} while (next != NULL);
}

/* A hold of a voucher, or its end: the entry changes one that was there. */
static bool
is_of_voucher(const struct entry *e)
{
	for (size_t i = 0; i < e->n_vouchers; ++i) {
		if (e->vouchers[i].has_from)
			return true;
	}
	return false;
}

static void
put_code(struct buf *out, const struct reply_code *c)
{
	size_t begun = field_begin(out, RESPONSE_CODES);

	field_put_text(out, VOUCHER_CODE_ID, c->id);
	field_put_text(out, VOUCHER_CODE_CODE, c->code);
	if (c->last_day != DAY_NEVER)
		field_put_sint(out, VOUCHER_CODE_LAST_DAY, c->last_day);
	field_end(out, begun);
}

static void
put_count(struct buf *out, uint32_t number, const char *id, int64_t count)
{
	size_t begun = field_begin(out, number);

	assert(count >= 0);
	field_put_text(out, COUNTER_ROW_ID, id);
	field_put_uint(out, COUNTER_ROW_COUNT, (uint64_t)count);
	field_end(out, begun);
}

static void
put_grant(struct buf *out, const struct grant *g, unsigned scale)
{
	size_t begun = field_begin(out, RESPONSE_GRANTS);

	field_put_text(out, GRANT_ROW_RULE, g->rule);
	put_decimal(out, GRANT_ROW_WANTED, g->wanted, scale);
	put_decimal(out, GRANT_ROW_GRANTED, g->granted, scale);
	put_text_unless_empty(out, GRANT_ROW_CAP, g->cap);
	field_end(out, begun);
}

static bool
put_outcome(struct buf *out, const struct reply *r, enum detail detail)
{
	const struct entry *e = r->entry;
	int64_t granted, wanted;

	if (earns(e)) {
		if (!sum_grants(e, &granted, &wanted))
			return false;
		put_decimal(out, RESPONSE_GRANTED, granted, r->scale);
		put_decimal(out, RESPONSE_WANTED, wanted, r->scale);
	}
	if (e->op == OP_PUBLISH)
		field_put_uint(out, RESPONSE_VERSION, e->u.publish.version);
	if (e->op == OP_RETURN && !put_clawed(out, e, r->scale))
		return false;
	if (e->has_value)
		put_decimal(out, RESPONSE_VALUE, e->value, r->currency_digits);
	if (detail == DETAIL_ALL && !put_lots(out, e, r->scale))
		return false;
	for (size_t i = 0; i < e->n_grants && detail == DETAIL_ALL; ++i)
		put_grant(out, &e->grants[i], r->scale);
	if (e->has_referral && e->referral.referee_points > 0 && detail == DETAIL_ALL)
		put_grant(out, &(struct grant){ .rule = "referee", .wanted = e->referral.referee_points, .granted = e->referral.referee_points }, r->scale);
	if (e->has_hold)
		field_put_fixed(out, RESPONSE_ENDS_AT, e->hold.ends_at_us);
	if (e->has_hold && !is_of_voucher(e))
		put_decimal(out, RESPONSE_LEFT, e->hold.left, r->scale);
	if (e->key_change.has_until)
		field_put_fixed(out, RESPONSE_ENDS_AT, e->key_change.until_us);
	if (e->waiting)
		field_put_uint(out, RESPONSE_WAITING, 1);
	for (size_t i = 0; i < e->n_stamps && detail == DETAIL_ALL; ++i) {
		if (e->stamps[i].wanted == 0)
			continue;
		put_count(out, RESPONSE_STAMPS_WANTED, e->stamps[i].card.id, e->stamps[i].wanted);
		put_count(out, RESPONSE_STAMPS_GRANTED, e->stamps[i].card.id, e->stamps[i].granted);
	}
	if (detail != DETAIL_LEAST) {
		put_voucher_ids(out, RESPONSE_ISSUED, e, VOUCHER_ISSUED);
		put_voucher_ids(out, RESPONSE_REVOKED, e, VOUCHER_REVOKED);
	}
	if (e->conflict)
		field_put_uint(out, RESPONSE_CONFLICT, 1);
	return true;
}

/* ---- the balance block ---- */

static void
put_expiring(struct buf *out, const struct expiring *x, unsigned scale)
{
	size_t begun = field_begin(out, RESPONSE_EXPIRING);

	put_decimal(out, EXPIRING_POINTS, x->points, scale);
	field_put_sint(out, EXPIRING_LAST_DAY, x->last_day);
	field_end(out, begun);
}

static void
put_notice(struct buf *out, const struct notice *n, unsigned scale)
{
	size_t begun = field_begin(out, RESPONSE_NOTICES);

	static const char *const kinds[NOTICE_KIND_COUNT] = { [NOTICE_EXPIRING] = "expiring", [NOTICE_DOWNGRADE] = "downgrade", [NOTICE_VOUCHER] = "voucher" };

	field_put_text(out, NOTICE_KIND, kinds[n->kind]);
	if (n->kind != NOTICE_VOUCHER)
		put_decimal(out, NOTICE_POINTS, n->points, scale);
	field_put_sint(out, NOTICE_LAST_DAY, n->last_day);
	field_put_sint(out, NOTICE_DUE, n->due);
	if (n->voucher != NULL)
		field_put_text(out, NOTICE_OF_VOUCHER, n->voucher);
	field_end(out, begun);
}

static void
put_counters(struct buf *out, const struct reply *r)
{
	const struct balance *b = r->balance;

	for (size_t i = 0; i < b->n_counters; ++i)
		put_count(out, RESPONSE_COUNTERS, b->counters[i].id, b->counters[i].value);
	for (size_t i = 0; i < b->n_stamps; ++i)
		put_count(out, RESPONSE_STAMPS, b->stamps[i].id, b->stamps[i].value);
	for (size_t i = 0; i < b->n_stamp_debts; ++i)
		put_count(out, RESPONSE_STAMP_DEBT, b->stamp_debts[i].id, b->stamp_debts[i].value);
	for (size_t i = 0; i < r->balance->n_remainders; ++i) {
		size_t begun = field_begin(out, RESPONSE_REMAINDER);

		field_put_text(out, COUNTER_ROW_ID, r->balance->remainders[i].id);
		put_decimal(out, COUNTER_ROW_COUNT, r->balance->remainders[i].value, r->currency_digits);
		field_end(out, begun);
	}
}

static void
put_balance(struct buf *out, const struct reply *r, enum detail detail)
{
	const struct balance *b = r->balance;
	const struct touched *then = r->then;

	put_decimal(out, RESPONSE_AVAILABLE, then != NULL ? then->available : b->available, r->scale);
	put_decimal(out, RESPONSE_PENDING, then != NULL ? then->pending : b->pending, r->scale);
	put_decimal(out, RESPONSE_HELD, then != NULL ? then->held : b->held, r->scale);
	put_decimal(out, RESPONSE_DEBT, then != NULL ? then->debt : b->debt, r->scale);
	for (size_t i = 0; i < b->n_expiring && detail == DETAIL_ALL; ++i)
		put_expiring(out, &b->expiring[i], r->scale);
	put_text_unless_empty(out, RESPONSE_TIER, then != NULL ? then->tier : b->tier);
	put_text_unless_empty(out, RESPONSE_TIER_EARNED, b->tier_earned);
	if (b->tier_since != DAY_NONE)
		field_put_sint(out, RESPONSE_TIER_SINCE, b->tier_since);
	if (b->tier_until != DAY_NEVER)
		field_put_sint(out, RESPONSE_TIER_UNTIL, b->tier_until);
	if (b->has_next)
		put_decimal(out, RESPONSE_POINTS_TO_NEXT, b->points_to_next, r->scale);
	if (b->has_keep)
		put_decimal(out, RESPONSE_POINTS_TO_KEEP, b->points_to_keep, r->scale);
	put_decimal(out, RESPONSE_POINTS_EARNED, b->points_earned, r->scale);
	put_decimal(out, RESPONSE_SPEND, b->spend, r->currency_digits);
	assert(b->visits >= 0);
	field_put_uint(out, RESPONSE_VISITS, (uint64_t)b->visits);
	field_put_fixed(out, RESPONSE_AS_OF, r->as_of_us);
}

/* ---- reads ---- */

static void
put_history_row(struct buf *out, const struct history_row *h, const struct reply *r)
{
	size_t begun = field_begin(out, RESPONSE_HISTORY);

	put_id(out, HISTORY_ID, h->id);
	field_put_fixed(out, HISTORY_AT, h->at_us);
	if (h->business_date != DAY_NONE)
		field_put_sint(out, HISTORY_BUSINESS_DATE, h->business_date);
	field_put_text(out, HISTORY_OP, op_str(h->op));
	put_text_unless_empty(out, HISTORY_PRINCIPAL, h->principal);
	put_text_unless_empty(out, HISTORY_KEY, h->key);
	put_decimal(out, HISTORY_POINTS, h->points, r->scale);
	put_decimal(out, HISTORY_AVAILABLE, h->available, r->scale);
	put_decimal(out, HISTORY_HELD, h->held, r->scale);
	put_decimal(out, HISTORY_DEBT, h->debt, r->scale);
	put_text_unless_empty(out, HISTORY_TIER, h->tier);
	if (h->has_amount)
		put_decimal(out, HISTORY_AMOUNT, h->amount, r->currency_digits);
	put_text_unless_empty(out, HISTORY_STORE, h->store);
	put_decimal(out, HISTORY_PENDING, h->pending, r->scale);
	if (h->waiting)
		field_put_uint(out, HISTORY_WAITING, 1);
	if (h->has_wanted)
		put_decimal(out, HISTORY_WANTED, h->wanted, r->scale);
	field_end(out, begun);
}

static void
put_voucher_row(struct buf *out, const struct reply_voucher *row, const struct reply *r)
{
	const struct voucher *v = row->v;
	size_t begun = field_begin(out, RESPONSE_VOUCHER_ROWS);
	char name[VOUCHER_NAME_TEXT_BYTES];

	field_put_text(out, VOUCHER_ROW_NAME, voucher_name_format(v, name));
	field_put_text(out, VOUCHER_ROW_ID, v->id);
	put_text_unless_empty(out, VOUCHER_ROW_TITLE, row->title);
	put_text_unless_empty(out, VOUCHER_ROW_CODE, row->code);
	field_put_text(out, VOUCHER_ROW_STATE, voucher_state_str(v->state == VOUCHER_SETTLED ? VOUCHER_USED : v->state));
	field_put_text(out, VOUCHER_ROW_SOURCE, voucher_source_str(v->source));
	put_text_unless_empty(out, VOUCHER_ROW_OF, v->of);
	if (v->last_day != DAY_NEVER)
		field_put_sint(out, VOUCHER_ROW_LAST_DAY, v->last_day);
	if (row->has_value)
		put_decimal(out, VOUCHER_ROW_VALUE, row->value, r->currency_digits);
	field_end(out, begun);
}

static void
put_reads(struct buf *out, const struct reply *r)
{
	for (size_t i = 0; i < r->n_vouchers; ++i)
		put_voucher_row(out, &r->vouchers[i], r);
	for (size_t i = 0; i < r->n_history; ++i)
		put_history_row(out, &r->history[i], r);
	if (r->has_next_before)
		field_put_uint(out, RESPONSE_NEXT_BEFORE, r->next_before);
	if (r->transaction.len > 0)
		field_put_bytes(out, RESPONSE_TRANSACTION, r->transaction);
	if (r->program.len > 0) {
		field_put_bytes(out, RESPONSE_PROGRAM, r->program);
		field_put_uint(out, RESPONSE_VERSION, r->version);
	}
}

static void
put_groups(struct buf *out, const struct balance *b, const struct pool_sums *pool, unsigned scale)
{
	for (size_t i = 0; i < b->n_memberships; ++i) {
		size_t begun = field_begin(out, RESPONSE_MEMBERSHIP);

		field_put_text(out, COUNTER_ROW_ID, b->memberships[i].id);
		field_put_text(out, COUNTER_ROW_COUNT, membership_state_str(b->memberships[i].state));
		field_end(out, begun);
	}
	if (pool != NULL) {
		size_t begun = field_begin(out, RESPONSE_POOL);

		put_decimal(out, POOL_SUMS_AVAILABLE, pool->available, scale);
		put_decimal(out, POOL_SUMS_PENDING, pool->pending, scale);
		put_decimal(out, POOL_SUMS_HELD, pool->held, scale);
		put_decimal(out, POOL_SUMS_DEBT, pool->debt, scale);
		field_end(out, begun);
	}
	for (size_t i = 0; i < b->n_memberships; ++i) {
		size_t begun = field_begin(out, RESPONSE_MEMBERSHIP_UNTIL);

		field_put_text(out, COUNTER_ROW_ID, b->memberships[i].id);
		field_put_sint(out, COUNTER_ROW_COUNT, b->memberships[i].until);
		field_end(out, begun);
	}
}

static void
put_log(struct buf *out, const struct reply *r)
{
	if (r->note.len > 0)
		field_put_bytes(out, RESPONSE_NOTE, r->note);
	if (r->size > 0)
		field_put_uint(out, RESPONSE_SIZE, r->size);
	if (r->has_index)
		field_put_uint(out, RESPONSE_INDEX, r->index);
	for (size_t i = 0; i < r->n_hashes; ++i)
		field_put_bytes(out, RESPONSE_HASHES, bytes_of(r->hashes[i], SHA256_BYTES));
	if (r->receipt.len > 0)
		codec_receipt_append(r->receipt, out);
}

/* ---- terminals ---- */

/* A terminal may say any number, and its gaps are as large; a client whose numbers are doubles reads the answer all the same. */
static void
put_number(struct buf *out, uint32_t number, uint64_t v)
{
	field_put_uint(out, number, v < NUMBER_SHOWN_MAX ? v : NUMBER_SHOWN_MAX);
}

static void
put_terminal(struct buf *out, const struct reply_terminal *t)
{
	const struct terminal_state *state = t->state;
	size_t begun = field_begin(out, RESPONSE_TERMINALS);

	put_text_unless_empty(out, TERMINAL_PRINCIPAL, t->principal);
	put_text_unless_empty(out, TERMINAL_STORE, t->name->store);
	put_text_unless_empty(out, TERMINAL_TERMINAL, t->name->terminal);
	put_number(out, TERMINAL_LAST, state->last);
	put_id(out, TERMINAL_ID, state->id);
	put_number(out, TERMINAL_MISSING, terminal_missing(state));
	for (size_t i = 0; i < state->n_gaps; ++i) {
		size_t gap = field_begin(out, TERMINAL_GAPS);

		put_number(out, SEQ_RANGE_FIRST, state->gaps[i].first);
		put_number(out, SEQ_RANGE_LAST, state->gaps[i].last);
		field_end(out, gap);
	}
	field_put_uint(out, TERMINAL_REPEATS, state->repeats);
	if (state->repeats > 0) {
		put_number(out, TERMINAL_REPEAT, state->repeat_seq);
		put_id(out, TERMINAL_REPEAT_ID, state->repeat_id);
	}
	field_end(out, begun);
}

/* The place to go on from is a key with zero bytes in it: hex digits carry it. */
static void
put_next_after(struct buf *out, struct bytes key)
{
	static const char digits[] = "0123456789abcdef";
	size_t begun = field_begin(out, RESPONSE_NEXT_AFTER);

	for (size_t i = 0; i < key.len; ++i) {
		buf_put_u8(out, (uint8_t)digits[key.data[i] >> 4]);
		buf_put_u8(out, (uint8_t)digits[key.data[i] & 15]);
	}
	field_end(out, begun);
}

static void
put_terminals(struct buf *out, const struct reply *r)
{
	if (r->terminal.gap > 0)
		put_number(out, RESPONSE_TERMINAL_GAP, r->terminal.gap);
	if (r->terminal.repeat)
		field_put_uint(out, RESPONSE_TERMINAL_REPEAT, 1);
	for (size_t i = 0; i < r->n_terminals; ++i)
		put_terminal(out, &r->terminals[i]);
	if (r->next_after.len > 0)
		put_next_after(out, r->next_after);
}

static void
put_people(struct buf *out, const struct reply *r, bool brief)
{
	if (r->balance != NULL && r->balance->provisional)
		field_put_uint(out, RESPONSE_PROVISIONAL, 1);
	for (size_t i = 0; r->balance != NULL && i < r->balance->n_consents && !brief; ++i) {
		const struct consent *c = &r->balance->consents[i];
		size_t begun = field_begin(out, RESPONSE_CONSENTS);

		field_put_text(out, CONSENT_ROW_PURPOSE, c->purpose);
		field_put_uint(out, CONSENT_ROW_GIVEN, c->given);
		field_put_sint(out, CONSENT_ROW_SINCE, c->day);
		field_end(out, begun);
	}
}

static void
put_vault(struct buf *out, const struct reply_vault *v)
{
	size_t begun = field_begin(out, RESPONSE_VAULT);

	field_put_uint(out, VAULT_EPOCH, v->epoch);
	field_put_fixed(out, VAULT_BEGUN_AT, v->begun_us);
	field_put_uint(out, VAULT_TURNING, v->turning);
	if (v->failed != NULL)
		field_put_text(out, VAULT_FAILED, v->failed);
	field_put_uint(out, VAULT_TURNS, v->turns);
	for (size_t i = 0; i < v->n_old; ++i) {
		size_t old = field_begin(out, VAULT_OLD);

		field_put_uint(out, OLD_EPOCH, v->old[i].epoch);
		field_put_fixed(out, OLD_REPLACED_AT, v->old[i].replaced_us);
		field_put_fixed(out, OLD_DESTROYED_AT, v->old[i].destroyed_us);
		field_end(out, old);
	}
	field_end(out, begun);
}

static void
put_scrub_fault(struct buf *out, const struct reply_scrub_fault *f)
{
	size_t begun = field_begin(out, SCRUB_FAULTS);

	field_put_text(out, SCRUB_FAULT_KIND, f->kind);
	field_put_text(out, SCRUB_FAULT_ENVIRONMENT, f->environment);
	field_put_text(out, SCRUB_FAULT_WHERE, f->where);
	if (f->has_seq) {
		field_put_uint(out, SCRUB_FAULT_SEQ, f->seq);
		field_put_uint(out, SCRUB_FAULT_LAST_SEQ, f->last);
	}
	field_put_text(out, SCRUB_FAULT_WHAT, f->what);
	field_put_text(out, SCRUB_FAULT_REMEDY, f->remedy);
	field_end(out, begun);
}

static void
put_scrub(struct buf *out, const struct reply_scrub *b)
{
	size_t begun = field_begin(out, RESPONSE_SCRUB);

	field_put_uint(out, SCRUB_ENABLED, b->enabled);
	field_put_uint(out, SCRUB_BYTES_PER_SECOND, b->bytes_per_second);
	field_put_uint(out, SCRUB_RUNNING, b->running);
	if (b->stage[0] != '\0')
		field_put_text(out, SCRUB_STAGE, b->stage);
	field_put_uint(out, SCRUB_POSITION, b->position);
	field_put_uint(out, SCRUB_SIZE, b->size);
	field_put_uint(out, SCRUB_DIRECT, b->direct);
	field_put_uint(out, SCRUB_PASSES, b->passes);
	if (b->last_at_us != 0) {
		field_put_fixed(out, SCRUB_LAST_AT, b->last_at_us);
		field_put_uint(out, SCRUB_LAST_MS, b->last_ms);
	}
	field_put_uint(out, SCRUB_BYTES, b->bytes);
	field_put_uint(out, SCRUB_TRANSACTIONS, b->transactions);
	field_put_uint(out, SCRUB_KNOWN_FAULTS, b->n_known);
	for (size_t i = 0; i < b->n_faults; ++i)
		put_scrub_fault(out, &b->faults[i]);
	field_end(out, begun);
}

static void
put_birthday(struct buf *out, const struct birthday_date *date)
{
	char text[16];
	size_t begun = field_begin(out, PERSON_BIRTHDAYS);

	(void)snprintf(text, sizeof(text), "%02d-%02d", date->month, date->day);
	field_put_text(out, BIRTHDAY_ROW_BIRTHDAY, text);
	field_put_sint(out, BIRTHDAY_ROW_ENTERED, date->entered_day);
	field_end(out, begun);
}

static void
put_person(struct buf *out, const struct reply_person *p)
{
	size_t begun = field_begin(out, RESPONSE_PERSON);

	for (size_t i = 0; i < p->n_aliases; ++i)
		field_put_text(out, PERSON_ALIASES, p->aliases[i]);
	for (size_t i = 0; i < p->n_dates; ++i)
		put_birthday(out, &p->dates[i]);
	for (size_t i = 0; i < p->n_segments; ++i)
		field_put_text(out, PERSON_SEGMENTS, p->segments[i]);
	for (size_t i = 0; i < p->n_absorbed; ++i)
		field_put_uint(out, PERSON_ABSORBED, p->absorbed[i]);
	field_end(out, begun);
}

/* Of what was done only: a quote has an entry and no id. */
static enum status
put_effects(struct buf *out, const struct reply *r, struct arena *arena)
{
	struct crm_effect *effects = NULL;
	size_t n = 0;
	enum status st = r->entry != NULL && r->has_id ? crm_effects(r->entry, r->rules, arena, &effects, &n) : ST_OK;

	for (size_t i = 0; i < n && st == ST_OK; ++i) {
		size_t begun = field_begin(out, RESPONSE_EFFECTS);

		field_put_text(out, EFFECT_TYPE, effects[i].type);
		if (effects[i].has_points)
			put_decimal(out, EFFECT_POINTS, effects[i].points, r->scale);
		field_put_text(out, EFFECT_REASON, effects[i].reason);
		field_end(out, begun);
	}
	return st;
}

static enum status
encode(const struct reply *reply, enum detail detail, struct arena *arena, struct buf *out)
{
	enum status st = ST_OK;

	put_status(out, reply);
	if (reply->entry != NULL && !put_outcome(out, reply, detail))
		return ST_CORRUPT;
	if (reply->balance != NULL)
		put_balance(out, reply, detail);
	if (reply->balance != NULL || reply->seq > 0)
		field_put_uint(out, RESPONSE_SEQ, reply->seq);
	if (reply->balance != NULL && detail == DETAIL_ALL)
		put_counters(out, reply);
	for (size_t i = 0; reply->balance != NULL && i < reply->balance->n_vouchers && detail == DETAIL_ALL; ++i)
		field_put_text(out, RESPONSE_VOUCHERS, reply->balance->vouchers[i]);
	for (size_t i = 0; i < reply->n_codes && detail == DETAIL_ALL; ++i)
		put_code(out, &reply->codes[i]);
	put_reads(out, reply);
	for (size_t i = 0; reply->balance != NULL && i < reply->balance->n_notices && detail == DETAIL_ALL; ++i)
		put_notice(out, &reply->balance->notices[i], reply->scale);
	put_log(out, reply);
	if (reply->entry != NULL && reply->entry->has_refund)
		put_decimal(out, RESPONSE_REFUND, reply->entry->refund, reply->currency_digits);
	if (reply->balance != NULL && detail != DETAIL_LEAST)
		put_groups(out, reply->balance, reply->pool, reply->scale);
	put_terminals(out, reply);
	put_people(out, reply, detail != DETAIL_ALL);
	if (reply->vault != NULL)
		put_vault(out, reply->vault);
	if (reply->scrub != NULL)
		put_scrub(out, reply->scrub);
	if (reply->person != NULL)
		put_person(out, reply->person);
	if (detail == DETAIL_ALL)
		st = put_effects(out, reply, arena);
	return st == ST_OK ? buf_status(out) : st;
}

enum status
codec_reply_encode(const struct reply *reply, struct arena *arena, struct buf *out)
{
	size_t begun = out->len;
	enum status st = encode(reply, DETAIL_ALL, arena, out);

	for (unsigned detail = DETAIL_BRIEF; detail <= DETAIL_LEAST && st == ST_OK && reply->bytes_max > 0 && out->len - begun > reply->bytes_max; ++detail) {
		out->len = begun;
		st = encode(reply, (enum detail)detail, arena, out);
	}
	return st;
}

void
codec_batch_reply_encode(struct bytes outcome, const struct bytes *responses, size_t n, struct buf *out)
{
	field_put_bytes(out, BATCH_RESPONSE_OUTCOME, outcome);
	for (size_t i = 0; i < n; ++i)
		field_put_bytes(out, BATCH_RESPONSE_RESULTS, responses[i]);
}

void
codec_receipt_append(struct bytes text, struct buf *out)
{
	field_put_bytes(out, RESPONSE_RECEIPT, text);
}

void
codec_no_receipt_append(const char *why, struct buf *out)
{
	assert(strlen(why) + 3 <= CODEC_NO_RECEIPT_BYTES);
	field_put_text(out, RESPONSE_NO_RECEIPT, why);
}

void
codec_cancelled_encode(struct buf *out)
{
	field_put_uint(out, RESPONSE_STATUS, CODE_CANCELLED);
}
