/* Returns and reversals: their ladders of refusals; what they take and give back, alive and replayed; entries of them that are forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ladder.h"
#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/* A member that bought for 10 000 won on three lines and a part without one, and that has redeemed 20.00; another who did nothing. */
struct scene {
	struct stage s;
	uint64_t member, other;
	struct entry purchase, redeem;
	struct entry_id purchase_id, redeem_id;
};

static const struct line bought[] = {
	{ .sku = "latte", .category = "drink", .qty = 3, .has_amount = true, .amount = { 3000, 0 } },
	{ .sku = "cake", .category = "food", .qty = 1, .has_amount = true, .amount = { 2000, 0 } },
	{ .sku = "tea", .category = "drink", .qty = 2, .has_amount = true, .amount = { 4000, 0 } },
};

/* A point for 100 won, of which a half waits for 14 days. */
static struct program_def
program_of_scene(void)
{
	struct program_def def = full();

	def.rules[0].amount = "100";
	def.n_rules = 2;
	def.rules[1] = (struct rule_def){ .id = "later", .has_priority = true, .priority = 20, .has_kind = true, .kind = RULE_BONUS,
	    .has_per_amount = true, .amount = "100", .points = "1", .pending = { .given = true, .has_days = true, .days = 14 },
	    .n_caps = 1, .caps = { { .has_per = true, .per = PERIOD_MONTH, .points = "500" } } };
	def.expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 1 };
	return def;
}

static void
scene_set(struct scene *c)
{
	struct program_def def = program_of_scene();

	stage_init(&c->s);
	stage_at(&c->s, "2026-03-01T00:00:00");
	stage_publish(&c->s, &def);
	c->member = stage_enrol(&c->s);
	c->other = stage_enrol(&c->s);
	stage_at(&c->s, "2026-03-12T12:00:00");
	struct cmd buy = stage_cmd(OP_PURCHASE, c->member);
	buy.u.purchase.amount = dec("10000");
	buy.u.purchase.lines = bought;
	buy.u.purchase.n_lines = 3;
	assert_int_equal(stage_play(&c->s, &buy), LEDGER_OK);
	c->purchase = c->s.entry;
	c->purchase_id = c->s.id;
	assert_int_equal(stage_redeem(&c->s, c->member, "20"), LEDGER_OK);
	c->redeem = c->s.entry;
	c->redeem_id = c->s.id;
	assert_int_equal(stage_member(&c->s, c->member)->available, 8000);
	assert_int_equal(stage_member(&c->s, c->member)->pending, 10000);
}

static struct cmd
return_of(const struct scene *c, const char *amount)
{
	struct cmd cmd = stage_cmd(OP_RETURN, c->member);

	cmd.u.past.entry = &c->purchase;
	cmd.u.past.id = c->purchase_id;
	cmd.u.past.has_amount = amount != NULL;
	if (amount != NULL)
		cmd.u.past.amount = dec(amount);
	return cmd;
}

static struct cmd
reversal_of(const struct scene *c, const char *points)
{
	struct cmd cmd = stage_cmd(OP_REVERSE_REDEEM, c->member);

	cmd.u.past.entry = &c->redeem;
	cmd.u.past.id = c->redeem_id;
	cmd.u.past.has_points = points != NULL;
	if (points != NULL)
		cmd.u.past.points = dec(points);
	return cmd;
}

/* ---- the ladders ---- */

/* Nothing is left to this member, neither points nor purchase, and it may go. */
static void
close_member(struct scene *c)
{
	struct cmd all = return_of(c, NULL), close = stage_cmd(OP_CLOSE, c->member), back = stage_cmd(OP_ADJUST, c->member);

	if (stage_member(&c->s, c->member)->standing == STANDING_CLOSED)
		return;
	if (stage_play(&c->s, &all) != LEDGER_OK)
		return;			/* returned before */
	back.u.adjust.points = dec("20");		/* pays what the return made debt */
	assert_int_equal(stage_play(&c->s, &back), LEDGER_OK);
	close.u.standing.reason = "test";
	assert_int_equal(stage_play(&c->s, &close), LEDGER_OK);
}

static const struct line digit_lines[] = {
	{ .sku = "tea", .qty = 9 }, { .sku = "cake", .qty = 1, .has_amount = true, .amount = { 20000, 1 } },
};
static const struct line minus_lines[] = { { .sku = "cake", .qty = 1, .has_amount = true, .amount = { -1, 0 } } };
static const struct line empty_lines[] = { { .sku = "cake" } };
static const struct line surplus_lines[] = { { .sku = "tea", .qty = 2 }, { .sku = "tea", .qty = 1 } };

#define BREAK(name, ...) static void break_##name(void *scene, struct cmd *c) { struct scene *l = scene; (void)l; (void)c; __VA_ARGS__; }
#define LINES(what) c->u.past.has_amount = false; c->u.past.lines = what; c->u.past.n_lines = sizeof(what) / sizeof(what[0])
BREAK(both, LINES(surplus_lines); c->u.past.has_amount = true; c->u.past.amount = dec("1"))
BREAK(amount_minus, c->u.past.n_lines = 0; c->u.past.has_amount = true; c->u.past.amount = dec("-1"))
BREAK(lines_many, LINES(surplus_lines); c->u.past.n_lines = LEDGER_LINES_MAX + 1)
BREAK(lines_minus, LINES(minus_lines))
BREAK(lines_empty, LINES(empty_lines))
BREAK(points_minus, c->u.past.has_points = true; c->u.past.points = dec("-1"))
BREAK(points_0, c->u.past.has_points = true; c->u.past.points = dec("0.00"))
BREAK(skew, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us + LEDGER_SKEW_US + 60 * US_PER_SECOND)
BREAK(old, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us - 45 * US_PER_DAY - 1)
BREAK(no_program, c->program = 9)
BREAK(no_member, c->member = 99)
BREAK(no_entry, c->u.past.entry = NULL)
BREAK(amount_digits, c->u.past.n_lines = 0; c->u.past.has_amount = true; c->u.past.amount = dec("1.0"))
BREAK(lines_digits, LINES(digit_lines))
BREAK(points_digits, c->u.past.has_points = true; c->u.past.points = dec("1.000"))
BREAK(closed, close_member(l))
BREAK(amount_above, c->u.past.n_lines = 0; c->u.past.has_amount = true; c->u.past.amount = dec("10001"))
BREAK(points_above, c->u.past.has_points = true; c->u.past.points = dec("20.01"))

static void
set_return(void *scene, struct cmd *ret)
{
	scene_set(scene);
	*ret = return_of(scene, "10000");
}

static void
set_reversal(void *scene, struct cmd *ret)
{
	scene_set(scene);
	*ret = reversal_of(scene, "20");
}

static void
the_ladder_of_returns(void **state)
{
	static const struct rung rungs[] = {
		{ "amount and lines", break_both, LEDGER_INVALID_ARGUMENT, "amount" },
		{ "amount below zero", break_amount_minus, LEDGER_INVALID_ARGUMENT, "amount" },
		{ "too many lines", break_lines_many, LEDGER_INVALID_ARGUMENT, "lines" },
		{ "line below zero", break_lines_minus, LEDGER_INVALID_ARGUMENT, "lines" },
		{ "line of no items", break_lines_empty, LEDGER_INVALID_ARGUMENT, "lines" },
		{ "clock skew", break_skew, LEDGER_CLOCK_SKEW, "occurred_at" },
		{ "too old", break_old, LEDGER_EVENT_TOO_OLD, "occurred_at" },
		{ "no program", break_no_program, LEDGER_NOT_FOUND, "program" },
		{ "no member", break_no_member, LEDGER_NOT_FOUND, "member" },
		{ "no purchase", break_no_entry, LEDGER_NOT_FOUND, "purchase" },
		{ "amount with surplus digits", break_amount_digits, LEDGER_INVALID_ARGUMENT, "amount" },
		{ "line with surplus digits, behind one that is too much", break_lines_digits, LEDGER_INVALID_ARGUMENT, "lines" },
		{ "closed", break_closed, LEDGER_MEMBER_CLOSED, "member" },
		{ "more than was bought", break_amount_above, LEDGER_RETURN_EXCEEDS_PURCHASE, "amount" },
	};
	struct scene c;

	(void)state;
	ladder_climb(&(struct ladder_scene){ &c, &c.s, set_return }, rungs, sizeof(rungs) / sizeof(rungs[0]));
}

static void
the_ladder_of_reversals(void **state)
{
	static const struct rung rungs[] = {
		{ "points below zero", break_points_minus, LEDGER_INVALID_ARGUMENT, "points" },
		{ "no points", break_points_0, LEDGER_POINTS_NOT_POSITIVE, "points" },
		{ "clock skew", break_skew, LEDGER_CLOCK_SKEW, "occurred_at" },
		{ "too old", break_old, LEDGER_EVENT_TOO_OLD, "occurred_at" },
		{ "no program", break_no_program, LEDGER_NOT_FOUND, "program" },
		{ "no member", break_no_member, LEDGER_NOT_FOUND, "member" },
		{ "no redemption", break_no_entry, LEDGER_NOT_FOUND, "redeem" },
		{ "surplus digits", break_points_digits, LEDGER_INVALID_ARGUMENT, "points" },
		{ "closed", break_closed, LEDGER_MEMBER_CLOSED, "member" },
		{ "more than was redeemed", break_points_above, LEDGER_ALREADY_REVERSED, "points" },
	};
	struct scene c;

	(void)state;
	ladder_climb(&(struct ladder_scene){ &c, &c.s, set_reversal }, rungs, sizeof(rungs) / sizeof(rungs[0]));
}

/* Frozen members are returned to and reversed for. */
static void
frozen_members_give_and_get_back(void **state)
{
	struct scene c;
	struct cmd freeze, cmd;

	(void)state;
	scene_set(&c);
	freeze = stage_cmd(OP_FREEZE, c.member);
	freeze.u.standing.reason = "test";
	assert_int_equal(stage_play(&c.s, &freeze), LEDGER_OK);
	cmd = return_of(&c, "100");
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	cmd = reversal_of(&c, NULL);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	stage_release(&c.s);
}

/* ---- by lines: the table of what is too much ---- */

static void
lines_that_are_not_there(void **state)
{
	static const struct {
		const char *name;
		struct line lines[2];
		size_t n;
		enum ledger_result want;
		int64_t left;
	} cases[] = {
		{ "one of three", { { .sku = "latte", .qty = 1 } }, 1, LEDGER_OK, 9000 },
		{ "two of three", { { .sku = "latte", .qty = 2 } }, 1, LEDGER_OK, 8000 },
		{ "all three, twice named", { { .sku = "latte", .qty = 1 }, { .sku = "latte", .qty = 2 } }, 2, LEDGER_OK, 7000 },
		{ "four of three", { { .sku = "latte", .qty = 4 } }, 1, LEDGER_RETURN_EXCEEDS_PURCHASE, 10000 },
		{ "four of three, twice named", { { .sku = "latte", .qty = 2 }, { .sku = "latte", .qty = 2 } }, 2, LEDGER_RETURN_EXCEEDS_PURCHASE, 10000 },
		{ "not bought", { { .sku = "mug", .qty = 1 } }, 1, LEDGER_RETURN_EXCEEDS_PURCHASE, 10000 },
		{ "of another category", { { .sku = "cake", .category = "drink", .qty = 1 } }, 1, LEDGER_RETURN_EXCEEDS_PURCHASE, 10000 },
		{ "a part of the price", { { .sku = "cake", .qty = 1, .has_amount = true, .amount = { 1999, 0 } } }, 1, LEDGER_OK, 8001 },
		{ "the whole price", { { .sku = "cake", .qty = 1, .has_amount = true, .amount = { 2000, 0 } } }, 1, LEDGER_OK, 8000 },
		{ "more than the price", { { .sku = "cake", .qty = 1, .has_amount = true, .amount = { 2001, 0 } } }, 1, LEDGER_RETURN_EXCEEDS_PURCHASE,
		    10000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene c;

		scene_set(&c);
		struct cmd cmd = return_of(&c, NULL);
		cmd.u.past.lines = cases[i].lines;
		cmd.u.past.n_lines = cases[i].n;
		enum ledger_result got = stage_play(&c.s, &cmd);
		if (got != cases[i].want)
			fail_msg("%s: %s", cases[i].name, ledger_result_str(got));
		assert_int_equal(stage_member(&c.s, c.member)->spend, cases[i].left);
		stage_release(&c.s);
	}
}

/* ---- what is taken, step by step; the stage replays every entry ---- */

static int64_t
clawed_by(struct scene *c, const char *amount)
{
	struct cmd cmd = return_of(c, amount);
	int64_t sum = 0;

	assert_int_equal(stage_play(&c->s, &cmd), LEDGER_OK);
	for (size_t i = 0; i < c->s.entry.n_postings; i++)
		sum += c->s.entry.postings[i].account == ACCOUNT_CLAWED ? c->s.entry.postings[i].points : 0;
	return sum;
}

static void
pending_then_own_then_others_then_debt(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	assert_int_equal(stage_adjust(&c.s, c.member, "7", "2026-03-20"), LEDGER_OK);
	assert_int_equal(clawed_by(&c, "4000"), 8000);			/* 40.00 of each rule, all of them pending */
	const struct member *m = stage_member(&c.s, c.member);
	assert_int_equal(m->pending, 2000);
	assert_int_equal(m->available, 8700);
	assert_int_equal(clawed_by(&c, "5000"), 10000);			/* 20.00 pending, 80.00 of its own lot, and nothing of the adjustment */
	m = stage_member(&c.s, c.member);
	assert_int_equal(m->pending, 0);
	assert_int_equal(m->n_lots, 1);
	assert_int_equal(m->lots[0].class, LOT_ADJUSTMENT);
	assert_int_equal(m->available, 700);
	assert_int_equal(clawed_by(&c, NULL), 2000);			/* 7.00 of the adjustment, 13.00 of debt */
	m = stage_member(&c.s, c.member);
	assert_int_equal(m->available, 0);
	assert_int_equal(m->debt, 1300);
	assert_int_equal(m->points_earned, 0);
	assert_int_equal(m->spend, 0);
	assert_int_equal(m->visits, 0);
	stage_release(&c.s);
}

static void
a_return_after_the_night_takes_what_activated(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	stage_at(&c.s, "2026-03-26T00:00:00");
	assert_int_equal(stage_member(&c.s, c.member)->available, 18000);
	assert_int_equal(stage_member(&c.s, c.member)->points_earned, 20000);
	assert_int_equal(clawed_by(&c, NULL), 20000);
	assert_int_equal(stage_member(&c.s, c.member)->debt, 2000);
	assert_int_equal(stage_member(&c.s, c.member)->points_earned, 0);
	assert_int_equal(stage_member(&c.s, c.member)->n_days, 0);	/* each day's row is empty again */
	stage_release(&c.s);
}

static void
reversals_go_back_to_their_lot_and_no_further(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	struct cmd cmd = reversal_of(&c, "15");
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_int_equal(stage_member(&c.s, c.member)->available, 9500);
	assert_int_equal(stage_member(&c.s, c.member)->n_lots, 1);
	cmd = reversal_of(&c, "5.01");
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_ALREADY_REVERSED);
	cmd = reversal_of(&c, NULL);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_int_equal(stage_member(&c.s, c.member)->available, 10000);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_ALREADY_REVERSED);
	stage_release(&c.s);
}

/* ---- forged ---- */

static void
rows_copy(void *to, const void *rows, size_t n, size_t size)
{
	if (n > 0)
		memcpy(to, rows, n * size);
}

struct forged {
	struct entry entry;
	struct posting postings[16];
	struct touched touched[LEDGER_TOUCHED_MAX + 1];
	struct followup followups[2];
	struct line_left lines[LEDGER_LINES_MAX + 1];
	struct activation activation;
	struct owed owed;
	struct metric_day falls[4];
	struct tally tallies[4];
	struct pending_change pendings[4];
	struct side side;
};

/* The entry as it was decided, with every list in a place where it can be written to. */
static void
forge(struct scene *c, const struct cmd *cmd, struct forged *f)
{
	struct entry *e = &f->entry;
	enum status st = decide(&c->s.live.state, cmd, c->s.now_us, &c->s.arena, e, &c->s.refusal);

	assert_int_equal(st, ST_OK);
	assert_int_equal(c->s.refusal.result, LEDGER_OK);
	assert_true(e->n_postings <= 16 && e->n_followups == 1 && e->n_falls <= 4 && e->n_tallies <= 4 && e->n_pendings <= 4 && e->n_touched == 1);
	rows_copy(f->postings, e->postings, e->n_postings, sizeof(f->postings[0]));
	rows_copy(f->falls, e->falls, e->n_falls, sizeof(f->falls[0]));
	rows_copy(f->tallies, e->tallies, e->n_tallies, sizeof(f->tallies[0]));
	rows_copy(f->pendings, e->pendings, e->n_pendings, sizeof(f->pendings[0]));
	memset(f->touched, 0, sizeof(f->touched));
	f->touched[0] = e->touched[0];
	f->followups[0] = f->followups[1] = e->followups[0];
	memset(f->lines, 0, sizeof(f->lines));
	rows_copy(f->lines, e->followups[0].lines, e->followups[0].n_lines, sizeof(f->lines[0]));
	f->followups[0].lines = f->lines;
	f->activation = (struct activation){ day("2026-03-12"), day("2026-04-12"), 1 };
	f->owed = (struct owed){ .rule = "base", .points = 1 };
	f->side = (struct side){ .member = c->other };
	e->postings = f->postings;
	e->falls = f->falls;
	e->tallies = f->tallies;
	e->pendings = f->pendings;
	e->touched = f->touched;
	e->followups = f->followups;
}

static struct posting *
posting_of(struct forged *f, enum account account)
{
	for (size_t i = 0; i < f->entry.n_postings; i++) {
		if (f->postings[i].account == account)
			return &f->postings[i];
	}
	fail_msg("no posting of %s", account_str(account));
	return NULL;
}

#define FORGE(name, ...) static void forge_##name(struct scene *c, struct forged *f) { (void)c; (void)f; __VA_ARGS__; }
#define FOLLOWUP f->followups[0]
FORGE(nothing)
FORGE(third, posting_of(f, ACCOUNT_MEMBER)->member = c->other)
FORGE(third_debt, posting_of(f, ACCOUNT_MEMBER)->account = ACCOUNT_DEBT; posting_of(f, ACCOUNT_DEBT)->member = c->other)
FORGE(nobody, posting_of(f, ACCOUNT_MEMBER)->member = 99)
FORGE(unbalanced, posting_of(f, ACCOUNT_MEMBER)->points++)
FORGE(other_lot, posting_of(f, ACCOUNT_MEMBER)->class = LOT_BIRTHDAY)
FORGE(too_much, posting_of(f, ACCOUNT_MEMBER)->points = -8001; posting_of(f, ACCOUNT_CLAWED)->points += 1)
FORGE(nothing_touched, f->entry.n_touched = 0)
FORGE(touched_two, f->entry.n_touched = 2; f->touched[1].member = c->other)
FORGE(touched_twice, f->entry.n_touched = 2; f->touched[1].member = c->member)
FORGE(touched_many, f->entry.n_touched = LEDGER_TOUCHED_MAX + 1)
FORGE(touched_other, f->touched[0].member = c->other)
FORGE(side_other, f->entry.n_sides = 1; f->entry.sides = &f->side)
FORGE(side_own, f->entry.n_sides = 1; f->entry.sides = &f->side; f->side.member = c->member)
FORGE(left_minus, FOLLOWUP.left = -1)
FORGE(clawed_minus, FOLLOWUP.clawed = -1)
static const struct owed below_zero = { .rule = "base", .points = -1 };
FORGE(stepped_minus, FOLLOWUP.stepped = &below_zero; FOLLOWUP.n_stepped = 1)
FORGE(fallen_minus, FOLLOWUP.fallen = -1)
FORGE(reversed_minus, FOLLOWUP.reversed = -1)
FORGE(line_minus, f->lines[0].amount = -1)
FORGE(lines_many, FOLLOWUP.n_lines = LEDGER_LINES_MAX + 1)
FORGE(not_returned, FOLLOWUP.returned = false; FOLLOWUP.n_lines = 0; FOLLOWUP.left = 1)
FORGE(lines_not_returned, FOLLOWUP.returned = false; FOLLOWUP.left = 0)
FORGE(activation_empty, FOLLOWUP.n_activations = 1; FOLLOWUP.activations = &f->activation; f->activation.points = 0)
FORGE(activation_day, FOLLOWUP.n_activations = 1; FOLLOWUP.activations = &f->activation; f->activation.day = DAY_NEVER)
FORGE(activation_last, FOLLOWUP.n_activations = 1; FOLLOWUP.activations = &f->activation; f->activation.last_day = INT32_MIN)
FORGE(owed_empty, FOLLOWUP.n_owed = 1; FOLLOWUP.owed = &f->owed; f->owed.points = 0)
FORGE(owed_minus, FOLLOWUP.n_owed = 1; FOLLOWUP.owed = &f->owed; f->owed.points = -1)
FORGE(second_minus, f->entry.n_followups = 2; f->followups[1].reversed = -1)
FORGE(fall_day, f->entry.n_falls = 1; f->falls[0].day = DAY_NEVER)
FORGE(fall_overflow, f->entry.n_falls = 2; f->falls[0].spend = INT64_MIN; f->falls[1] = f->falls[0])
FORGE(tally_below, f->entry.n_tallies = 1; f->tallies[0] = (struct tally){ .kind = TALLY_RULE, .per = PERIOD_MONTH, .id = "later",
    .at = day("2026-03-01"), .points = -10001 })
FORGE(pending_gone, f->pendings[0].p.points -= 1)
FORGE(pending_other, f->pendings[0].p.from = c->redeem_id)
FORGE(pending_kept, f->entry.n_pendings = 0)

struct forgery { const char *name; void (*forge)(struct scene *c, struct forged *f); enum evolve_fault want; };

static void
expect_faults(const struct forgery *faults, size_t n, struct cmd (*of)(const struct scene *c))
{
	for (size_t i = 0; i < n; i++) {
		struct scene c;
		struct forged f = { 0 };
		enum evolve_fault got;

		scene_set(&c);
		struct cmd cmd = of(&c);
		forge(&c, &cmd, &f);
		faults[i].forge(&c, &f);
		enum status st = evolve(&c.s.live.state, &f.entry, (struct entry_id){ c.s.seq, 0 }, c.s.now_us, EVOLVE_LIVE, &got);
		assert_int_equal(st, ST_OK);
		if (got != faults[i].want)
			fail_msg("%s: %s", faults[i].name, evolve_fault_str(got));
		stage_release(&c.s);
	}
}

static struct cmd
most_returned(const struct scene *c)
{
	return return_of(c, "9000");		/* 100.00 pending, 80.00 of lots */
}

static struct cmd
half_reversed(const struct scene *c)
{
	return reversal_of(c, "10");
}

static void
forged_returns(void **state)
{
	static const struct forgery faults[] = {
		{ "nothing wrong", forge_nothing, EVOLVE_OK },
		{ "points of a third member", forge_third, EVOLVE_NO_MEMBER },
		{ "debt of a third member", forge_third_debt, EVOLVE_NO_MEMBER },
		{ "points of nobody", forge_nobody, EVOLVE_NO_MEMBER },
		{ "unbalanced", forge_unbalanced, EVOLVE_UNBALANCED },
		{ "a lot that is not there", forge_other_lot, EVOLVE_NO_LOT },
		{ "more than the lot has", forge_too_much, EVOLVE_NO_LOT },
		{ "nobody touched", forge_nothing_touched, EVOLVE_NO_MEMBER },
		{ "two touched", forge_touched_two, EVOLVE_NO_MEMBER },
		{ "one touched twice", forge_touched_twice, EVOLVE_NO_MEMBER },
		{ "more touched than an entry may", forge_touched_many, EVOLVE_NO_MEMBER },
		{ "another touched", forge_touched_other, EVOLVE_NO_MEMBER },
		{ "facts of a member that is not touched", forge_side_other, EVOLVE_NO_MEMBER },
		{ "its own facts as another's", forge_side_own, EVOLVE_NO_MEMBER },
		{ "left below zero", forge_left_minus, EVOLVE_MALFORMED },
		{ "clawed below zero", forge_clawed_minus, EVOLVE_MALFORMED },
		{ "steps below zero", forge_stepped_minus, EVOLVE_MALFORMED },
		{ "fallen below zero", forge_fallen_minus, EVOLVE_MALFORMED },
		{ "reversed below zero", forge_reversed_minus, EVOLVE_MALFORMED },
		{ "a line below zero", forge_line_minus, EVOLVE_MALFORMED },
		{ "more lines than a purchase has", forge_lines_many, EVOLVE_MALFORMED },
		{ "left, but not returned", forge_not_returned, EVOLVE_MALFORMED },
		{ "lines, but not returned", forge_lines_not_returned, EVOLVE_MALFORMED },
		{ "an activation of nothing", forge_activation_empty, EVOLVE_MALFORMED },
		{ "an activation beyond the calendar", forge_activation_day, EVOLVE_MALFORMED },
		{ "an activation into no lot", forge_activation_last, EVOLVE_MALFORMED },
		{ "nothing owed", forge_owed_empty, EVOLVE_MALFORMED },
		{ "owed below zero", forge_owed_minus, EVOLVE_MALFORMED },
		{ "the second row below zero", forge_second_minus, EVOLVE_MALFORMED },
		{ "a metric beyond the calendar", forge_fall_day, EVOLVE_MALFORMED },
		{ "a metric that overflows", forge_fall_overflow, EVOLVE_UNBALANCED },
		{ "a cap below zero", forge_tally_below, EVOLVE_NEGATIVE },
		{ "more than waits", forge_pending_gone, EVOLVE_NO_LOT },
		{ "what another entry made wait", forge_pending_other, EVOLVE_NO_LOT },
		{ "pending points without their row", forge_pending_kept, EVOLVE_MALFORMED },
	};

	(void)state;
	expect_faults(faults, sizeof(faults) / sizeof(faults[0]), most_returned);
}

static void
forged_reversals(void **state)
{
	static const struct forgery faults[] = {
		{ "nothing wrong", forge_nothing, EVOLVE_OK },
		{ "points to a third member", forge_third, EVOLVE_NO_MEMBER },
		{ "points to nobody", forge_nobody, EVOLVE_NO_MEMBER },
		{ "unbalanced", forge_unbalanced, EVOLVE_UNBALANCED },
		{ "two touched", forge_touched_two, EVOLVE_NO_MEMBER },
		{ "facts of a member that is not touched", forge_side_other, EVOLVE_NO_MEMBER },
		{ "reversed below zero", forge_reversed_minus, EVOLVE_MALFORMED },
		{ "left, but not returned", forge_not_returned, EVOLVE_MALFORMED },
	};

	(void)state;
	expect_faults(faults, sizeof(faults) / sizeof(faults[0]), half_reversed);
}

/* ---- an audit of what another engine wrote ---- */

static void
a_purchase_with_more_grants_than_rules(void **state)
{
	static struct grant grants[6000];
	static char names[6000][8];
	struct scene c;

	(void)state;
	scene_set(&c);
	for (size_t i = 0; i < 6000; i++) {
		snprintf(names[i], sizeof(names[i]), "g%zu", i);
		grants[i] = (struct grant){ .rule = names[i], .wanted = 1, .granted = 1 };
	}
	for (size_t i = 0; i < c.purchase.n_grants; i++)
		grants[i] = c.purchase.grants[i];
	c.purchase.grants = grants;
	c.purchase.n_grants = 6000;
	struct cmd cmd = return_of(&c, "4000");
	struct arena small;		/* so that what is written beyond its memory is written into somebody else's */
	arena_init(&small, (size_t)4 << 20);
	assert_int_equal(decide(&c.s.live.state, &cmd, c.s.now_us, &small, &c.s.entry, &c.s.refusal), ST_OK);
	assert_int_equal(c.s.refusal.result, LEDGER_OK);
	arena_release(&small);
	stage_release(&c.s);
}

static void
a_followup_of_more_than_was_bought(void **state)
{
	static const struct { int64_t left; struct line_left lines[3]; } rows[] = {
		{ 10001, { { 3, 3000 }, { 1, 2000 }, { 2, 4000 } } },
		{ 9000, { { 4, 3000 }, { 1, 2000 }, { 2, 4000 } } },
		{ 9000, { { 3, 3000 }, { 1, 2001 }, { 2, 4000 } } },
		{ 8999, { { 3, 3000 }, { 1, 2000 }, { 2, 4000 } } },
		{ 9000, { { 3, 3000 }, { 1, INT64_MIN }, { 2, 4000 } } },
	};
	static const struct line latte[] = { { .sku = "latte", .qty = 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene c;
		scene_set(&c);
		struct followup f = { .entry = c.purchase_id, .returned = true, .left = rows[i].left, .n_lines = 3, .lines = rows[i].lines };
		assert_int_equal(c.s.live.state.put_followup(c.s.live.state.ctx, &f), ST_OK);
		struct cmd cmd = return_of(&c, NULL);
		cmd.u.past.lines = latte;
		cmd.u.past.n_lines = 1;
		assert_int_equal(decide(&c.s.live.state, &cmd, c.s.now_us, &c.s.arena, &c.s.entry, &c.s.refusal), ST_CORRUPT);
		stage_release(&c.s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ladder_of_returns),
		cmocka_unit_test(the_ladder_of_reversals),
		cmocka_unit_test(frozen_members_give_and_get_back),
		cmocka_unit_test(lines_that_are_not_there),
		cmocka_unit_test(pending_then_own_then_others_then_debt),
		cmocka_unit_test(a_return_after_the_night_takes_what_activated),
		cmocka_unit_test(reversals_go_back_to_their_lot_and_no_further),
		cmocka_unit_test(forged_returns),
		cmocka_unit_test(forged_reversals),
		cmocka_unit_test(a_purchase_with_more_grants_than_rules),
		cmocka_unit_test(a_followup_of_more_than_was_bought),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
