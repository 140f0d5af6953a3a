/* The ladder of refusals, rung by rung and in its order; versions of programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/* ---- the ladder ---- */

/* A member with 1 000.00 points; a hold of each fate; the clock at noon of 12 March. */
struct ladder {
	struct stage s;
	uint64_t member, other;
	struct entry_id open, taken, released, timed_out, others;
};

static void
ladder_set(struct ladder *l, const struct program_def *def)
{
	struct stage *s = &l->s;

	stage_init(s);
	stage_at(s, "2026-03-01T00:00:00");
	stage_publish(s, def);
	l->member = stage_enrol(s);
	l->other = stage_enrol(s);
	assert_int_equal(stage_adjust(s, l->member, "1400", NULL), LEDGER_OK);
	assert_int_equal(stage_adjust(s, l->other, "1000", NULL), LEDGER_OK);
	if (def->has_redemption) {
		assert_int_equal(stage_hold(s, l->member, "100", 60 * US_PER_SECOND), LEDGER_OK);
		l->timed_out = s->id;
		stage_at(s, "2026-03-12T12:00:00");
		assert_int_equal(stage_hold(s, l->member, "100", 0), LEDGER_OK);
		l->open = s->id;
		assert_int_equal(stage_hold(s, l->member, "100", 0), LEDGER_OK);
		l->released = s->id;
		assert_int_equal(stage_release_hold(s, l->member, l->released), LEDGER_OK);
		assert_int_equal(stage_hold(s, l->member, "300", 0), LEDGER_OK);
		l->taken = s->id;
		assert_int_equal(stage_capture(s, l->member, l->taken, NULL), LEDGER_OK);
		assert_int_equal(stage_hold(s, l->other, "100", 0), LEDGER_OK);
		l->others = s->id;
		assert_int_equal(stage_member(s, l->member)->available, 100000);
	} else {
		stage_at(s, "2026-03-12T12:00:00");
	}
}

static const struct line heavy_lines[] = { { .qty = 1, .amount = { 600, 0 } }, { .qty = 2, .amount = { 401, 0 } } };
static const struct line digit_lines[] = { { .qty = 1, .amount = { 60, 1 } } };
static const struct line minus_lines[] = { { .qty = 1, .amount = { -1, 0 } } };
static const struct line empty_lines[] = { { .qty = 0, .amount = { 1, 0 } } };

#define STEP(name, ...) static void step_##name(struct ladder *l, struct cmd *c) { (void)l; (void)c; __VA_ARGS__; }
STEP(nothing)
STEP(skew, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us + LEDGER_SKEW_US + 1)
STEP(skew_edge, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us + LEDGER_SKEW_US)
STEP(old, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us - 45 * US_PER_DAY - 1)
STEP(old_edge, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us - 45 * US_PER_DAY)
STEP(oldest, c->has_occurred_at = true; c->occurred_at_us = INT64_MIN)
STEP(farthest, c->has_occurred_at = true; c->occurred_at_us = INT64_MAX)
STEP(no_program, c->program = 0)
STEP(program_9, c->program = 9)
STEP(no_member, c->member = 0)
STEP(member_99, c->member = 99)
STEP(exists, c->member = l->member)
STEP(amount_minus, c->u.purchase.amount = dec("-1"))
STEP(amount_digits, c->u.purchase.amount = dec("1000.00"))
STEP(amount_huge, c->u.purchase.amount = dec("9000000000000000000"))
STEP(amount_large, c->u.purchase.amount = dec("2000000000000000000"))
STEP(lines_heavy, c->u.purchase.lines = heavy_lines; c->u.purchase.n_lines = 2)
STEP(lines_digits, c->u.purchase.lines = digit_lines; c->u.purchase.n_lines = 1)
STEP(lines_minus, c->u.purchase.lines = minus_lines; c->u.purchase.n_lines = 1)
STEP(lines_empty, c->u.purchase.lines = empty_lines; c->u.purchase.n_lines = 1)
STEP(lines_many, c->u.purchase.n_lines = LEDGER_LINES_MAX + 1)
STEP(paid_minus, c->u.purchase.has_paid_with_points = true; c->u.purchase.paid_with_points = dec("-1"))
STEP(paid_above, c->u.purchase.has_paid_with_points = true; c->u.purchase.paid_with_points = dec("1001"))
STEP(points_0, c->u.redeem.points = dec("0.00"))
STEP(points_minus, c->u.redeem.points = dec("-5"))
STEP(points_digits, c->u.redeem.points = dec("10.000"))
STEP(points_7, c->u.redeem.points = dec("7"))
STEP(points_12, c->u.redeem.points = dec("12"))
STEP(points_over, c->u.redeem.points = dec("1005"))
STEP(points_huge, c->u.redeem.points = dec("90000000000000000"))
STEP(round_12, c->u.redeem.points = dec("12.34"); c->u.redeem.round_down = true)
STEP(round_7, c->u.redeem.points = dec("7"); c->u.redeem.round_down = true)
STEP(round_4, c->u.redeem.points = dec("4.99"); c->u.redeem.round_down = true)
STEP(order_small, c->u.redeem.points = dec("15"); c->u.redeem.has_order_amount = true; c->u.redeem.order_amount = dec("299"))
STEP(order_enough, c->u.redeem.points = dec("15"); c->u.redeem.has_order_amount = true; c->u.redeem.order_amount = dec("300"))
STEP(order_minus, c->u.redeem.has_order_amount = true; c->u.redeem.order_amount = dec("-1"); c->u.redeem.points = dec("0"))
STEP(order_digits, c->u.redeem.has_order_amount = true; c->u.redeem.order_amount = dec("1.0"))
STEP(order_over, step_order_small(l, c); c->u.redeem.points = dec("1005"))
STEP(hold_0, c->u.hold.points = dec("0"))
STEP(hold_short, c->u.hold.has_ttl = true; c->u.hold.ttl_us = US_PER_SECOND - 1)
STEP(hold_long, c->u.hold.has_ttl = true; c->u.hold.ttl_us = 3600 * US_PER_SECOND + 1)
STEP(hold_longest, c->u.hold.has_ttl = true; c->u.hold.ttl_us = 3600 * US_PER_SECOND)
STEP(hold_7, c->u.hold.points = dec("7"))
STEP(hold_12, c->u.hold.points = dec("12"))
STEP(hold_over, c->u.hold.points = dec("1005"))
STEP(hold_order, c->u.hold.has_order_amount = true; c->u.hold.order_amount = dec("199"))
static void
step_hold_65(struct ladder *l, struct cmd *c)
{
	while (stage_member(&l->s, l->member)->n_holds < LEDGER_HOLDS_MAX)
		assert_int_equal(stage_hold(&l->s, l->member, "10", 0), LEDGER_OK);
	c->u.hold.points = dec("1005");
}
STEP(not_found, c->u.capture.found = false)
STEP(never_held, c->u.capture.hold = (struct entry_id){ 9999, 0 })
STEP(others, c->u.capture.hold = l->others)
STEP(others_taken, c->member = l->other; c->u.capture.hold = l->taken)
STEP(timed_out, c->u.capture.hold = l->timed_out)
STEP(taken, c->u.capture.hold = l->taken)
STEP(released, c->u.capture.hold = l->released)
STEP(late, l->s.now_us += 900 * US_PER_SECOND)
STEP(in_time, l->s.now_us += 800 * US_PER_SECOND)
STEP(capture_0, c->u.capture.has_points = true; c->u.capture.points = dec("0"))
STEP(capture_minus, c->u.capture.has_points = true; c->u.capture.points = dec("-1"))
STEP(capture_digits, c->u.capture.has_points = true; c->u.capture.points = dec("1.000"); c->u.capture.hold = l->taken)
STEP(capture_101, c->u.capture.has_points = true; c->u.capture.points = dec("100.01"))
STEP(capture_3, c->u.capture.has_points = true; c->u.capture.points = dec("3.33"))
STEP(adjust_0, c->u.adjust.points = dec("0"))
STEP(adjust_digits, c->u.adjust.points = dec("0.001"))
STEP(adjust_over, c->u.adjust.points = dec("-1000.01"))
STEP(adjust_all, c->u.adjust.points = dec("-1000"))
STEP(adjust_huge, c->u.adjust.points = dec("23058430092136939"))
STEP(adjust_past, c->u.adjust.last_day = day("2026-03-11"))
STEP(adjust_today, c->u.adjust.last_day = day("2026-03-12"))
STEP(adjust_debit_day, c->u.adjust.points = dec("-1"); c->u.adjust.last_day = day("2026-03-13"))
static void
stand(struct ladder *l, enum op op, uint64_t member)
{
	struct cmd c = stage_cmd(op, member);

	c.u.standing.reason = "test";
	assert_int_equal(stage_play(&l->s, &c), LEDGER_OK);
}
static void
empty(struct ladder *l)
{
	assert_int_equal(stage_capture(&l->s, l->member, l->open, NULL), LEDGER_OK);
	assert_int_equal(stage_adjust(&l->s, l->member, "-1000", NULL), LEDGER_OK);
}
STEP(frozen, stand(l, OP_FREEZE, l->member))
STEP(thawed, stand(l, OP_FREEZE, l->member); stand(l, OP_UNFREEZE, l->member))
STEP(closed, empty(l); stand(l, OP_CLOSE, l->member))
STEP(emptied, empty(l))
STEP(frozen_digits, step_frozen(l, c); c->u.redeem.points = dec("10.000"))
STEP(frozen_over, step_frozen(l, c); c->u.redeem.points = dec("1005"))
STEP(closed_member_99, step_closed(l, c); c->member = 99)
STEP(tier_platinum, c->u.tier.tier = "platinum")
STEP(tier_past, c->u.tier.tier = "gold"; c->u.tier.until = day("2026-03-11"))
STEP(tier_today, c->u.tier.tier = "gold"; c->u.tier.until = day("2026-03-12"))
STEP(tier_remove_until, c->u.tier.until = day("2026-03-13"))
STEP(birthday_today, birthday_date(c, 3, 12))
STEP(birthday_open, birthday_date(c, 3, 15))
STEP(birthday_closed, birthday_date(c, 3, 16))
STEP(birthday_after, birthday_date(c, 3, 7))
STEP(birthday_over, birthday_date(c, 3, 6))
static void
step_birthday_twice(struct ladder *l, struct cmd *c)
{
	birthday_date(c, 3, 12);
	assert_int_equal(stage_play(&l->s, c), LEDGER_OK);
}
static void
step_birthday_moved(struct ladder *l, struct cmd *c)
{
	step_birthday_twice(l, c);
	birthday_date(c, 8, 1);			/* none is due: the calendar year counts */
}

static const struct {
	const char *name;
	enum op op;
	void (*step)(struct ladder *l, struct cmd *c);
	enum ledger_result want;
	const char *field;
} rungs[] = {
	{ "clock skew", OP_PURCHASE, step_skew, LEDGER_CLOCK_SKEW, "occurred_at" },
	{ "300 s ahead is all right", OP_PURCHASE, step_skew_edge, LEDGER_OK, NULL },
	{ "as far ahead as it goes", OP_PURCHASE, step_farthest, LEDGER_CLOCK_SKEW, "occurred_at" },
	{ "too old", OP_PURCHASE, step_old, LEDGER_EVENT_TOO_OLD, "occurred_at" },
	{ "45 days are all right", OP_PURCHASE, step_old_edge, LEDGER_OK, NULL },
	{ "older than can be counted", OP_PURCHASE, step_oldest, LEDGER_EVENT_TOO_OLD, "occurred_at" },
	{ "program not named", OP_PURCHASE, step_no_program, LEDGER_NOT_FOUND, "program" },
	{ "no such program", OP_ENROL, step_program_9, LEDGER_NOT_FOUND, "program" },
	{ "alias unknown", OP_REDEEM, step_no_member, LEDGER_NOT_FOUND, "member" },
	{ "no such member", OP_PROFILE, step_member_99, LEDGER_NOT_FOUND, "member" },
	{ "alias taken", OP_ENROL, step_exists, LEDGER_ALREADY_EXISTS, "member" },
	{ "profile", OP_PROFILE, step_nothing, LEDGER_OK, NULL },

	{ "purchase", OP_PURCHASE, step_nothing, LEDGER_OK, NULL },
	{ "amount below zero", OP_PURCHASE, step_amount_minus, LEDGER_INVALID_ARGUMENT, "amount" },
	{ "amount with surplus zeros", OP_PURCHASE, step_amount_digits, LEDGER_INVALID_ARGUMENT, "amount" },
	{ "amount beyond the ledger", OP_PURCHASE, step_amount_huge, LEDGER_INVALID_ARGUMENT, "amount" },
	{ "points of an amount beyond the ledger", OP_PURCHASE, step_amount_large, LEDGER_INVALID_ARGUMENT, "amount" },
	{ "lines above the amount", OP_PURCHASE, step_lines_heavy, LEDGER_INVALID_ARGUMENT, "lines" },
	{ "line with surplus digits", OP_PURCHASE, step_lines_digits, LEDGER_INVALID_ARGUMENT, "lines" },
	{ "line below zero", OP_PURCHASE, step_lines_minus, LEDGER_INVALID_ARGUMENT, "lines" },
	{ "line of nothing", OP_PURCHASE, step_lines_empty, LEDGER_INVALID_ARGUMENT, "lines" },
	{ "too many lines", OP_PURCHASE, step_lines_many, LEDGER_INVALID_ARGUMENT, "lines" },
	{ "paid below zero", OP_PURCHASE, step_paid_minus, LEDGER_INVALID_ARGUMENT, "paid_with_points" },
	{ "paid above the amount", OP_PURCHASE, step_paid_above, LEDGER_INVALID_ARGUMENT, "paid_with_points" },

	{ "redeem", OP_REDEEM, step_nothing, LEDGER_OK, NULL },
	{ "redeem nothing", OP_REDEEM, step_points_0, LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "redeem below zero", OP_REDEEM, step_points_minus, LEDGER_INVALID_ARGUMENT, "points" },
	{ "redeem with surplus digits", OP_REDEEM, step_points_digits, LEDGER_INVALID_ARGUMENT, "points" },
	{ "redeem beyond the ledger", OP_REDEEM, step_points_huge, LEDGER_INVALID_ARGUMENT, "points" },
	{ "redeem below the minimum", OP_REDEEM, step_points_7, LEDGER_BELOW_MINIMUM, "points" },
	{ "redeem between steps", OP_REDEEM, step_points_12, LEDGER_NOT_A_STEP, "points" },
	{ "rounded down to a step", OP_REDEEM, step_round_12, LEDGER_OK, NULL },
	{ "rounded down below the minimum", OP_REDEEM, step_round_7, LEDGER_BELOW_MINIMUM, "points" },
	{ "rounded down to nothing", OP_REDEEM, step_round_4, LEDGER_NOT_A_STEP, "points" },
	{ "more than half of the order", OP_REDEEM, step_order_small, LEDGER_OVER_ORDER_TOTAL, "points" },
	{ "exactly half of the order", OP_REDEEM, step_order_enough, LEDGER_OK, NULL },
	{ "order below zero goes before no points", OP_REDEEM, step_order_minus, LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "order with surplus digits", OP_REDEEM, step_order_digits, LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "a limit shows whatever the balance", OP_REDEEM, step_order_over, LEDGER_OVER_ORDER_TOTAL, "points" },
	{ "redeem more than there is", OP_REDEEM, step_points_over, LEDGER_INSUFFICIENT_POINTS, "points" },

	{ "hold", OP_HOLD, step_nothing, LEDGER_OK, NULL },
	{ "hold nothing", OP_HOLD, step_hold_0, LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "hold under a second", OP_HOLD, step_hold_short, LEDGER_INVALID_ARGUMENT, "ttl" },
	{ "hold above max_ttl", OP_HOLD, step_hold_long, LEDGER_INVALID_ARGUMENT, "ttl" },
	{ "hold of max_ttl", OP_HOLD, step_hold_longest, LEDGER_OK, NULL },
	{ "hold below the minimum", OP_HOLD, step_hold_7, LEDGER_BELOW_MINIMUM, "points" },
	{ "hold between steps", OP_HOLD, step_hold_12, LEDGER_NOT_A_STEP, "points" },
	{ "hold above the order's share", OP_HOLD, step_hold_order, LEDGER_OVER_ORDER_TOTAL, "points" },
	{ "hold more than there is", OP_HOLD, step_hold_over, LEDGER_INSUFFICIENT_POINTS, "points" },
	{ "the 65th hold", OP_HOLD, step_hold_65, LEDGER_CAP_REACHED, NULL },

	{ "capture", OP_CAPTURE, step_nothing, LEDGER_OK, NULL },
	{ "capture without a hold", OP_CAPTURE, step_not_found, LEDGER_NOT_FOUND, "hold" },
	{ "capture of what never was", OP_CAPTURE, step_never_held, LEDGER_NOT_FOUND, "hold" },
	{ "capture of another member's hold", OP_CAPTURE, step_others, LEDGER_NOT_FOUND, "hold" },
	{ "capture of what another member had held", OP_CAPTURE, step_others_taken, LEDGER_NOT_FOUND, "hold" },
	{ "capture after the sweep", OP_CAPTURE, step_timed_out, LEDGER_HOLD_EXPIRED, "hold" },
	{ "capture twice", OP_CAPTURE, step_taken, LEDGER_HOLD_NOT_OPEN, "hold" },
	{ "capture after release", OP_CAPTURE, step_released, LEDGER_HOLD_NOT_OPEN, "hold" },
	{ "capture too late", OP_CAPTURE, step_late, LEDGER_HOLD_EXPIRED, "hold" },
	{ "capture in time", OP_CAPTURE, step_in_time, LEDGER_OK, NULL },
	{ "capture nothing", OP_CAPTURE, step_capture_0, LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "capture below zero", OP_CAPTURE, step_capture_minus, LEDGER_INVALID_ARGUMENT, "points" },
	{ "surplus digits go before a closed hold", OP_CAPTURE, step_capture_digits, LEDGER_INVALID_ARGUMENT, "points" },
	{ "capture more than is left", OP_CAPTURE, step_capture_101, LEDGER_HOLD_TOO_SMALL, "points" },
	{ "a capture needs no step", OP_CAPTURE, step_capture_3, LEDGER_OK, NULL },

	{ "release", OP_RELEASE, step_nothing, LEDGER_OK, NULL },
	{ "release without a hold", OP_RELEASE, step_not_found, LEDGER_NOT_FOUND, "hold" },
	{ "release of another member's hold", OP_RELEASE, step_others, LEDGER_NOT_FOUND, "hold" },
	{ "release after the sweep", OP_RELEASE, step_timed_out, LEDGER_HOLD_EXPIRED, "hold" },
	{ "release too late", OP_RELEASE, step_late, LEDGER_HOLD_EXPIRED, "hold" },
	{ "release twice", OP_RELEASE, step_released, LEDGER_HOLD_NOT_OPEN, "hold" },

	{ "adjust", OP_ADJUST, step_nothing, LEDGER_OK, NULL },
	{ "adjust by nothing", OP_ADJUST, step_adjust_0, LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "adjust with surplus digits", OP_ADJUST, step_adjust_digits, LEDGER_INVALID_ARGUMENT, "points" },
	{ "adjust beyond the ledger", OP_ADJUST, step_adjust_huge, LEDGER_INVALID_ARGUMENT, "points" },
	{ "take more than there is", OP_ADJUST, step_adjust_over, LEDGER_INSUFFICIENT_POINTS, "points" },
	{ "take all", OP_ADJUST, step_adjust_all, LEDGER_OK, NULL },
	{ "last day over", OP_ADJUST, step_adjust_past, LEDGER_INVALID_ARGUMENT, "last_day" },
	{ "last day today", OP_ADJUST, step_adjust_today, LEDGER_OK, NULL },
	{ "last day of a debit", OP_ADJUST, step_adjust_debit_day, LEDGER_INVALID_ARGUMENT, "last_day" },

	{ "redeem, frozen", OP_REDEEM, step_frozen, LEDGER_MEMBER_FROZEN, "member" },
	{ "redeem, frozen, surplus digits", OP_REDEEM, step_frozen_digits, LEDGER_INVALID_ARGUMENT, "points" },
	{ "redeem, frozen, too many", OP_REDEEM, step_frozen_over, LEDGER_MEMBER_FROZEN, "member" },
	{ "redeem, frozen no more", OP_REDEEM, step_thawed, LEDGER_OK, NULL },
	{ "redeem, closed", OP_REDEEM, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "hold, frozen", OP_HOLD, step_frozen, LEDGER_MEMBER_FROZEN, "member" },
	{ "capture, frozen", OP_CAPTURE, step_frozen, LEDGER_MEMBER_FROZEN, "member" },
	{ "capture, closed, taken before", OP_CAPTURE, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "release, frozen", OP_RELEASE, step_frozen, LEDGER_OK, NULL },
	{ "purchase, frozen", OP_PURCHASE, step_frozen, LEDGER_OK, NULL },
	{ "purchase, closed", OP_PURCHASE, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "activity, closed", OP_ACTIVITY, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "adjust, closed", OP_ADJUST, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "profile, closed", OP_PROFILE, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "tier, closed", OP_TIER, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "freeze", OP_FREEZE, step_nothing, LEDGER_OK, NULL },
	{ "freeze, closed", OP_FREEZE, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "freeze, nobody", OP_FREEZE, step_closed_member_99, LEDGER_NOT_FOUND, "member" },
	{ "unfreeze", OP_UNFREEZE, step_frozen, LEDGER_OK, NULL },
	{ "close with points", OP_CLOSE, step_nothing, LEDGER_NOT_ELIGIBLE, "member" },
	{ "close", OP_CLOSE, step_emptied, LEDGER_OK, NULL },
	{ "close, frozen, with points", OP_CLOSE, step_frozen, LEDGER_NOT_ELIGIBLE, "member" },
	{ "close, closed", OP_CLOSE, step_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "no such tier", OP_TIER, step_tier_platinum, LEDGER_NOT_FOUND, "tier" },
	{ "gift over", OP_TIER, step_tier_past, LEDGER_INVALID_ARGUMENT, "until" },
	{ "gift through today", OP_TIER, step_tier_today, LEDGER_OK, NULL },
	{ "removing until", OP_TIER, step_tier_remove_until, LEDGER_INVALID_ARGUMENT, "until" },
	{ "removing no gift", OP_TIER, step_nothing, LEDGER_OK, NULL },

	{ "birthday", OP_BIRTHDAY, step_birthday_today, LEDGER_OK, NULL },
	{ "birthday unknown", OP_BIRTHDAY, step_nothing, LEDGER_NOT_ELIGIBLE, NULL },
	{ "first day of the window", OP_BIRTHDAY, step_birthday_open, LEDGER_OK, NULL },
	{ "before the window", OP_BIRTHDAY, step_birthday_closed, LEDGER_NOT_ELIGIBLE, NULL },
	{ "last day of the window", OP_BIRTHDAY, step_birthday_after, LEDGER_OK, NULL },
	{ "after the window", OP_BIRTHDAY, step_birthday_over, LEDGER_NOT_ELIGIBLE, NULL },
	{ "birthday twice", OP_BIRTHDAY, step_birthday_twice, LEDGER_ALREADY_EXISTS, NULL },
	{ "birthday moved to later in the year", OP_BIRTHDAY, step_birthday_moved, LEDGER_ALREADY_EXISTS, NULL },
};

/* A command that would be accepted. */
static struct cmd
accepted(struct ladder *l, enum op op)
{
	struct cmd c = stage_cmd(op, op == OP_ENROL ? 0 : l->member);

	switch (op) {
	case OP_PURCHASE:
		c.u.purchase.amount = dec("1000");
		break;
	case OP_REDEEM:
		c.u.redeem.points = dec("10");
		break;
	case OP_HOLD:
		c.u.hold.points = dec("10");
		break;
	case OP_CAPTURE: case OP_RELEASE:
		c.u.capture.found = true;
		c.u.capture.hold = l->open;
		break;
	case OP_ADJUST:
		c.u.adjust.points = dec("10");
		break;
	case OP_ACTIVITY:
		c.u.activity.activity = "delivered";
		c.u.activity.qty = 1;
		break;
	case OP_NONE: case OP_GENESIS: case OP_PUBLISH: case OP_ENROL: case OP_PROFILE: case OP_TIER: case OP_BIRTHDAY:
	case OP_HOLD_TIMEOUT: case OP_TIER_END: case OP_EXPIRE: case OP_CLOCK_ACCEPT: case OP_ZONE_DATA: case OP_RESTORE:
	case OP_LAPSE: case OP_ACTIVATE: case OP_TIER_REVIEW: case OP_TIER_LOOK: case OP_INACTIVITY: case OP_HOLD_EXPIRE:
	case OP_ANNIVERSARY: case OP_FREEZE: case OP_UNFREEZE:
	case OP_RETURN: case OP_REVERSE_REDEEM: case OP_TRANSFER: case OP_MERGE: case OP_ADVANCE:	/* test_returns.c, test_moves.c */
	case OP_ROTATE_KEY: /* test_keys.c */
	case OP_APPROVE: case OP_APPROVER_KEY: /* test_approval.c */
	case OP_VOUCHER_USE: case OP_VOUCHER_VOID: case OP_VOUCHER_EXPIRE: /* test_vouchers.c */
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL: case OP_MEMBERSHIP_END: /* test_memberships.c */
	case OP_POOL_JOIN: case OP_POOL_LEAVE: /* test_pools.c */
	case OP_AUTO_REDEEM: case OP_STAMP_EXPIRE:
	case OP_OPENING: case OP_CONSENT: case OP_ERASE: /* test_people.c */
	case OP_CLOSE: case OP_NOTICE: case OP_COUNT:
		break;
	}
	return c;
}

static void
the_ladder(void **state)
{
	const struct program_def def = full();

	(void)state;
	for (size_t i = 0; i < sizeof(rungs) / sizeof(rungs[0]); i++) {
		struct ladder l;

		ladder_set(&l, &def);
		struct cmd c = accepted(&l, rungs[i].op);
		rungs[i].step(&l, &c);
		uint64_t seq = l.s.seq - l.s.n_due;
		enum ledger_result got = stage_play(&l.s, &c);
		if (got != rungs[i].want)
			fail_msg("%s: %s: %s", rungs[i].name, ledger_result_str(got), l.s.refusal.sentence);
		assert_int_equal(l.s.seq - l.s.n_due, got == LEDGER_OK ? seq + 1 : seq);
		if (got != LEDGER_OK) {
			assert_true((l.s.refusal.field == NULL) == (rungs[i].field == NULL));
			if (rungs[i].field != NULL)
				assert_string_equal(l.s.refusal.field, rungs[i].field);
			assert_true(strlen(l.s.refusal.sentence) > 10 && strlen(l.s.refusal.sentence) < sizeof(l.s.refusal.sentence) - 1);
		}
		stage_release(&l.s);
	}
}

/* What a program without the section refuses, and that it goes before what comes later on the ladder. */
static void
sections_left_out_are_not_offered(void **state)
{
	const struct program_def def = plain("KRW");
	struct ladder l;

	(void)state;
	ladder_set(&l, &def);
	assert_int_equal(stage_redeem(&l.s, l.member, "5000"), LEDGER_NOT_OFFERED);
	assert_int_equal(stage_hold(&l.s, l.member, "5000", 365 * US_PER_DAY), LEDGER_NOT_OFFERED);
	struct cmd c = stage_cmd(OP_TIER, l.member);
	assert_int_equal(stage_play(&l.s, &c), LEDGER_NOT_OFFERED);
	c.u.tier.tier = "gold";
	assert_int_equal(stage_play(&l.s, &c), LEDGER_NOT_OFFERED);
	c = stage_cmd(OP_BIRTHDAY, l.member);
	assert_int_equal(stage_play(&l.s, &c), LEDGER_NOT_OFFERED);
	assert_int_equal(stage_redeem(&l.s, l.member, "0"), LEDGER_POINTS_NOT_POSITIVE);
	assert_int_equal(stage_redeem(&l.s, l.member, "1.5"), LEDGER_INVALID_ARGUMENT);
	assert_int_equal(stage_redeem(&l.s, 99, "5000"), LEDGER_NOT_FOUND);
	stage_release(&l.s);
}

/* Each command breaks everything from its rung on: the first rung answers. */
static void
the_first_rung_answers(void **state)
{
	const struct program_def def = full();
	struct ladder l;

	(void)state;
	ladder_set(&l, &def);
	struct cmd c = stage_cmd(OP_REDEEM, 99);
	c.program = 9;
	c.has_occurred_at = true;
	c.occurred_at_us = l.s.now_us + 3600 * US_PER_SECOND;
	c.u.redeem.points = dec("-7.12345");
	assert_int_equal(stage_play(&l.s, &c), LEDGER_INVALID_ARGUMENT);
	c.u.redeem.points = dec("0.00000");
	assert_int_equal(stage_play(&l.s, &c), LEDGER_POINTS_NOT_POSITIVE);
	c.u.redeem.points = dec("7000.12345");
	assert_int_equal(stage_play(&l.s, &c), LEDGER_CLOCK_SKEW);
	c.occurred_at_us = 0;
	assert_int_equal(stage_play(&l.s, &c), LEDGER_EVENT_TOO_OLD);
	c.has_occurred_at = false;
	assert_int_equal(stage_play(&l.s, &c), LEDGER_NOT_FOUND);
	assert_string_equal(l.s.refusal.field, "program");
	c.program = 1;
	assert_int_equal(stage_play(&l.s, &c), LEDGER_NOT_FOUND);
	assert_string_equal(l.s.refusal.field, "member");
	c.member = l.member;
	assert_int_equal(stage_play(&l.s, &c), LEDGER_INVALID_ARGUMENT);
	stage_release(&l.s);
}

/* Should nobody have rolled the member forward, the hold's end counts all the same. */
static void
a_hold_ends_before_the_sweep(void **state)
{
	const struct program_def def = full();
	struct ladder l;

	(void)state;
	ladder_set(&l, &def);
	struct cmd c = accepted(&l, OP_CAPTURE);
	int64_t ends_at_us = member_hold(stage_member(&l.s, l.member), l.open)->ends_at_us;
	assert_int_equal(decide(&l.s.live.state, &c, ends_at_us - 1, &l.s.arena, &l.s.entry, &l.s.refusal), ST_OK);
	assert_int_equal(l.s.refusal.result, LEDGER_OK);
	assert_int_equal(decide(&l.s.live.state, &c, ends_at_us, &l.s.arena, &l.s.entry, &l.s.refusal), ST_OK);
	assert_int_equal(l.s.refusal.result, LEDGER_HOLD_EXPIRED);
	stage_release(&l.s);
}

/* ---- publish and clock ---- */

#define CHANGE(name, ...) static void change_##name(struct program_def *d) { __VA_ARGS__; }
CHANGE(nothing, (void)d)
CHANGE(currency, d->currency = "JPY")
CHANGE(scale, d->scale = 3)
CHANGE(timezone, d->timezone = "Europe/Paris")
CHANGE(tier_gone, d->n_tiers = 1)
CHANGE(tier_renamed, d->tiers[1].id = "golden")
CHANGE(tier_more, d->tiers[2] = tier_of("ruby", 2, "spend", "1", NULL); d->n_tiers = 3)

static const struct {
	const char *name;
	void (*change)(struct program_def *d);
	uint32_t version;
	enum ledger_result want;
	const char *field;
} versions[] = {
	{ "the same again", change_nothing, 0, LEDGER_OK, NULL },
	{ "the next by number", change_nothing, 2, LEDGER_OK, NULL },
	{ "the same number", change_nothing, 1, LEDGER_INVALID_ARGUMENT, "version" },
	{ "a number left out", change_nothing, 3, LEDGER_INVALID_ARGUMENT, "version" },
	{ "another currency", change_currency, 0, LEDGER_INVALID_ARGUMENT, "currency" },
	{ "another scale", change_scale, 0, LEDGER_INVALID_ARGUMENT, "points.scale" },
	{ "another timezone", change_timezone, 0, LEDGER_INVALID_ARGUMENT, "timezone" },
	{ "a tier less", change_tier_gone, 0, LEDGER_INVALID_ARGUMENT, "tiers" },
	{ "a tier renamed", change_tier_renamed, 0, LEDGER_INVALID_ARGUMENT, "tiers" },
	{ "a tier more", change_tier_more, 0, LEDGER_OK, NULL },
};

static void
further_versions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct program_def def = full();
		struct stage s;

		stage_init(&s);
		stage_at(&s, "2026-03-01T00:00:00");
		stage_publish(&s, &def);
		versions[i].change(&def);
		const struct program *p = stage_compile(&s, &def);
		struct cmd c = stage_cmd(OP_PUBLISH, 0);
		c.u.publish.id = def.id;
		c.u.publish.version = versions[i].version;
		c.u.publish.definition = memory_definition(&p);
		c.u.publish.compiled = p;
		enum ledger_result got = stage_play(&s, &c);
		if (got != versions[i].want)
			fail_msg("%s: %s", versions[i].name, ledger_result_str(got));
		if (got == LEDGER_OK) {
			assert_int_equal(s.entry.u.publish.version, 2);
			assert_int_equal(s.entry.program, 1);
			assert_int_equal(s.live.programs[0].totals.versions, 2);
		} else {
			assert_string_equal(s.refusal.field, versions[i].field);
		}
		stage_release(&s);
	}
}

static void
programs_are_numbered_as_they_come(void **state)
{
	struct program_def a = plain("KRW"), b = full();
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-01T00:00:00");
	stage_publish(&s, &a);
	assert_int_equal(s.entry.program, 1);
	assert_int_equal(s.entry.program_version, 0);
	assert_int_equal(s.entry.business_date, DAY_NONE);
	stage_publish(&s, &b);
	assert_int_equal(s.entry.program, 2);
	assert_int_equal(s.entry.u.publish.version, 1);
	assert_int_equal(s.live.n_programs, 2);

	struct cmd c = stage_cmd(OP_CLOCK_ACCEPT, 0);
	c.program = 0;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(s.entry.program, 0);
	assert_int_equal(s.entry.n_touched, 0);
	stage_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ladder),
		cmocka_unit_test(sections_left_out_are_not_offered),
		cmocka_unit_test(the_first_rung_answers),
		cmocka_unit_test(a_hold_ends_before_the_sweep),
		cmocka_unit_test(further_versions),
		cmocka_unit_test(programs_are_numbered_as_they_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
