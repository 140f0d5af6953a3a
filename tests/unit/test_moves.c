/* Transfers, merges and advances: their ladders of refusals, what a merge brings together, and entries of them that are forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ladder.h"
#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/*
 * `from` has 1 000.00 in two lots, 10.00 that wait, 5.00 lent, and a hold of 100.00; `to` has the same but for the second lot; `other`
 * has nothing; `late` was enrolled today.
 */
struct scene {
	struct stage s;
	uint64_t from, to, other, late;
	struct entry_id hold, timed_out, purchase_id;
	struct entry purchase;
};

static struct program_def
program_of_scene(void)
{
	struct program_def def = full();

	def.rules[0].amount = "100";
	def.rules[0].pending = (struct pending_def){ .given = true, .has_days = true, .days = 14 };
	def.rules[0].n_caps = 1;
	def.rules[0].caps[0] = (struct cap_def){ .has_per = true, .per = PERIOD_MONTH, .points = "100" };
	def.has_transfers = true;
	def.transfer_min = "10";
	def.out_per_year = "500";
	def.in_per_year = "400";
	def.has_times_per_year = true;
	def.times_per_year = 2;
	def.transfer_days_min = 11;
	def.has_advance = true;
	def.advance_max = "50";
	return def;
}

static void
fill(struct scene *c, uint64_t member)
{
	struct cmd lend = stage_cmd(OP_ADVANCE, member);

	assert_int_equal(stage_adjust(&c->s, member, "595", NULL), LEDGER_OK);
	assert_int_equal(stage_hold(&c->s, member, "100", 0), LEDGER_OK);
	assert_int_equal(stage_purchase(&c->s, member, "1000"), LEDGER_OK);
	lend.u.advance.points = dec("5");
	assert_int_equal(stage_play(&c->s, &lend), LEDGER_OK);
}

static void
scene_set(struct scene *c)
{
	struct program_def def = program_of_scene();

	stage_init(&c->s);
	stage_at(&c->s, "2026-03-01T00:00:00");
	stage_publish(&c->s, &def);
	c->from = stage_enrol(&c->s);
	c->to = stage_enrol(&c->s);
	c->other = stage_enrol(&c->s);
	assert_int_equal(stage_adjust(&c->s, c->from, "500", "2026-06-30"), LEDGER_OK);
	assert_int_equal(stage_hold(&c->s, c->from, "10", 60 * US_PER_SECOND), LEDGER_OK);
	c->timed_out = c->s.id;
	stage_at(&c->s, "2026-03-12T12:00:00");
	c->late = stage_enrol(&c->s);
	fill(c, c->to);
	assert_int_equal(stage_adjust(&c->s, c->from, "495", NULL), LEDGER_OK);
	assert_int_equal(stage_purchase(&c->s, c->from, "1000"), LEDGER_OK);
	c->purchase = c->s.entry;
	c->purchase_id = c->s.id;
	struct cmd lend = stage_cmd(OP_ADVANCE, c->from);
	lend.u.advance.points = dec("5");
	assert_int_equal(stage_play(&c->s, &lend), LEDGER_OK);
	assert_int_equal(stage_hold(&c->s, c->from, "100", 0), LEDGER_OK);
	c->hold = c->s.id;
	assert_int_equal(stage_member(&c->s, c->from)->available, 90000);
	assert_int_equal(stage_member(&c->s, c->to)->available, 50000);
}

static struct cmd
transfer_of(const struct scene *c, const char *points)
{
	struct cmd cmd = stage_cmd(OP_TRANSFER, c->from);

	cmd.u.other.member = c->to;
	cmd.u.other.points = dec(points);
	return cmd;
}

static struct cmd
merge_of(const struct scene *c)
{
	struct cmd cmd = stage_cmd(OP_MERGE, c->from);

	cmd.u.other.member = c->to;
	return cmd;
}

static struct cmd
advance_of(const struct scene *c, const char *points)
{
	struct cmd cmd = stage_cmd(OP_ADVANCE, c->from);

	cmd.u.advance.points = dec(points);
	return cmd;
}

/* ---- the ladders ---- */

static void
stand(struct scene *c, enum op op, uint64_t member)
{
	struct cmd cmd = stage_cmd(op, member);

	if (stage_member(&c->s, member)->standing == STANDING_CLOSED)
		return;
	cmd.u.standing.reason = "test";
	assert_int_equal(stage_play(&c->s, &cmd), LEDGER_OK);
}

/* The next version is without transfers and advances. */
static void
leave_out(struct scene *c)
{
	struct program_def def = program_of_scene();

	def.has_transfers = def.has_advance = false;
	def.transfer_min = def.out_per_year = def.in_per_year = def.advance_max = NULL;
	def.has_times_per_year = false;
	def.times_per_year = def.transfer_days_min = 0;
	stage_publish(&c->s, &def);
}

static void
transfer_twice(struct scene *c)
{
	struct cmd cmd = transfer_of(c, "10");

	cmd.u.other.member = c->late;
	while (stage_play(&c->s, &cmd) == LEDGER_OK)
		;
	assert_int_equal(c->s.refusal.result, LEDGER_CAP_REACHED);
}

static void
hold_many(struct scene *c)
{
	assert_int_equal(stage_adjust(&c->s, c->to, "200", NULL), LEDGER_OK);
	while (stage_member(&c->s, c->to)->n_holds < LEDGER_HOLDS_MAX)
		assert_int_equal(stage_hold(&c->s, c->to, "10", 0), LEDGER_OK);
}

#define BREAK(name, ...) static void break_##name(void *scene, struct cmd *c) { struct scene *l = scene; (void)l; (void)c; __VA_ARGS__; }
BREAK(minus, c->u.other.points = dec("-1"))
BREAK(zero, c->u.other.points = dec("0.00"))
BREAK(skew, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us + LEDGER_SKEW_US + 60 * US_PER_SECOND)
BREAK(old, c->has_occurred_at = true; c->occurred_at_us = l->s.now_us - 45 * US_PER_DAY - 1)
BREAK(no_program, c->program = 9)
BREAK(no_member, c->member = 99)
BREAK(no_other, c->u.other.member = 0)
BREAK(oneself, c->u.other.member = c->member)
BREAK(digits, c->u.other.points = dec("1.000"))
BREAK(left_out, leave_out(l))
BREAK(other_closed, c->u.other.member = l->other; stand(l, OP_CLOSE, l->other))
BREAK(self_closed, c->member = l->other; stand(l, OP_CLOSE, l->other))
BREAK(late_closed, c->member = l->late; stand(l, OP_CLOSE, l->late))
BREAK(frozen, stand(l, OP_FREEZE, c->member))
BREAK(below_min, c->u.other.points = dec("9.99"))
BREAK(too_new, c->member = l->late)
BREAK(times, transfer_twice(l))
BREAK(out, c->u.other.points = dec("500.01"))
BREAK(in, c->u.other.points = dec("400.01"))
BREAK(too_many, assert_int_equal(stage_adjust(&l->s, l->from, "-600", NULL), LEDGER_OK); c->u.other.points = dec("300.01"))
BREAK(holds, hold_many(l))
BREAK(lent_minus, c->u.advance.points = dec("-1"))
BREAK(lent_zero, c->u.advance.points = dec("0"))
BREAK(lent_digits, c->u.advance.points = dec("1.000"))
BREAK(lent_above, c->u.advance.points = dec("45.01"))

static void
set_transfer(void *scene, struct cmd *ret)
{
	scene_set(scene);
	*ret = transfer_of(scene, "400");
}

static void
set_merge(void *scene, struct cmd *ret)
{
	scene_set(scene);
	*ret = merge_of(scene);
}

static void
set_advance(void *scene, struct cmd *ret)
{
	scene_set(scene);
	*ret = advance_of(scene, "45");
}

static void
the_ladder_of_transfers(void **state)
{
	static const struct rung rungs[] = {
		{ "below zero", break_minus, LEDGER_INVALID_ARGUMENT, "points" },
		{ "nothing", break_zero, LEDGER_POINTS_NOT_POSITIVE, "points" },
		{ "clock skew", break_skew, LEDGER_CLOCK_SKEW, "occurred_at" },
		{ "too old", break_old, LEDGER_EVENT_TOO_OLD, "occurred_at" },
		{ "no program", break_no_program, LEDGER_NOT_FOUND, "program" },
		{ "no member", break_no_member, LEDGER_NOT_FOUND, "member" },
		{ "nobody to send to", break_no_other, LEDGER_NOT_FOUND, "to" },
		{ "to oneself", break_oneself, LEDGER_INVALID_ARGUMENT, "to" },
		{ "surplus digits", break_digits, LEDGER_INVALID_ARGUMENT, "points" },
		{ "left out", break_left_out, LEDGER_NOT_OFFERED, NULL },
		{ "to a closed member", break_other_closed, LEDGER_MEMBER_CLOSED, "to" },
		{ "frozen", break_frozen, LEDGER_MEMBER_FROZEN, "member" },
		{ "below the minimum", break_below_min, LEDGER_BELOW_MINIMUM, "points" },
		{ "too new", break_too_new, LEDGER_MEMBER_TOO_NEW, "member" },
		{ "the third of a year", break_times, LEDGER_CAP_REACHED, "member" },
		{ "more than goes out in a year", break_out, LEDGER_CAP_REACHED, "points" },
		{ "more than comes in in a year", break_in, LEDGER_CAP_REACHED, "to" },
		{ "more than there is", break_too_many, LEDGER_INSUFFICIENT_POINTS, "points" },
	};
	static const struct rung alone[] = { { "of a closed member", break_late_closed, LEDGER_MEMBER_CLOSED, "member" } };
	struct scene c;
	struct ladder_scene l = { &c, &c.s, set_transfer };

	(void)state;
	ladder_climb(&l, rungs, sizeof(rungs) / sizeof(rungs[0]));
	ladder_climb(&l, alone, 1);
}

static void
the_ladder_of_merges(void **state)
{
	static const struct rung rungs[] = {
		{ "clock skew", break_skew, LEDGER_CLOCK_SKEW, "occurred_at" },
		{ "too old", break_old, LEDGER_EVENT_TOO_OLD, "occurred_at" },
		{ "no program", break_no_program, LEDGER_NOT_FOUND, "program" },
		{ "no member", break_no_member, LEDGER_NOT_FOUND, "member" },
		{ "nobody to merge with", break_no_other, LEDGER_NOT_FOUND, "into" },
		{ "with oneself", break_oneself, LEDGER_INVALID_ARGUMENT, "into" },
		{ "into a closed member", break_other_closed, LEDGER_MEMBER_CLOSED, "into" },
		{ "more holds than a member has", break_holds, LEDGER_CAP_REACHED, NULL },
	};
	static const struct rung alone[] = { { "of a closed member", break_self_closed, LEDGER_MEMBER_CLOSED, "member" } };
	struct scene c;
	struct ladder_scene l = { &c, &c.s, set_merge };

	(void)state;
	ladder_climb(&l, rungs, sizeof(rungs) / sizeof(rungs[0]));
	ladder_climb(&l, alone, 1);
}

static void
the_ladder_of_advances(void **state)
{
	static const struct rung rungs[] = {
		{ "below zero", break_lent_minus, LEDGER_INVALID_ARGUMENT, "points" },
		{ "nothing", break_lent_zero, LEDGER_POINTS_NOT_POSITIVE, "points" },
		{ "clock skew", break_skew, LEDGER_CLOCK_SKEW, "occurred_at" },
		{ "too old", break_old, LEDGER_EVENT_TOO_OLD, "occurred_at" },
		{ "no program", break_no_program, LEDGER_NOT_FOUND, "program" },
		{ "no member", break_no_member, LEDGER_NOT_FOUND, "member" },
		{ "surplus digits", break_lent_digits, LEDGER_INVALID_ARGUMENT, "points" },
		{ "left out", break_left_out, LEDGER_NOT_OFFERED, NULL },
		{ "frozen", break_frozen, LEDGER_MEMBER_FROZEN, "member" },
		{ "more than a member is lent", break_lent_above, LEDGER_CAP_REACHED, "points" },
	};
	static const struct rung alone[] = { { "of a closed member", break_self_closed, LEDGER_MEMBER_CLOSED, "member" } };
	struct scene c;
	struct ladder_scene l = { &c, &c.s, set_advance };

	(void)state;
	ladder_climb(&l, rungs, sizeof(rungs) / sizeof(rungs[0]));
	ladder_climb(&l, alone, 1);
}

/* ---- what a merge brings together; the stage replays it ---- */

static void
a_merge_leaves_nothing_behind(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	struct cmd cmd = merge_of(&c);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	const struct member *gone = stage_member(&c.s, c.from), *m = stage_member(&c.s, c.to);
	assert_int_equal(gone->standing, STANDING_CLOSED);
	assert_int_equal(gone->merged_into, c.to);
	assert_true(gone->available == 0 && gone->held == 0 && gone->pending == 0 && gone->debt == 0 && gone->advanced == 0);
	assert_true(gone->n_lots == 0 && gone->n_holds == 0 && gone->n_pendings == 0 && gone->n_tallies == 0 && gone->n_days == 0);
	assert_true(gone->spend == 0 && gone->visits == 0 && gone->points_earned == 0 && gone->purchases == 0);
	assert_int_equal(m->available, 140000);
	assert_int_equal(m->held, 20000);
	assert_int_equal(m->n_holds, 2);
	assert_int_equal(m->pending, 2000);
	assert_int_equal(m->debt, 1000);
	assert_int_equal(m->advanced, 1000);
	assert_int_equal(m->spend, 2000);
	assert_int_equal(m->visits, 2);
	assert_int_equal(m->purchases, 2);
	const struct tally *cap = tally_find(m->tallies, m->n_tallies, TALLY_RULE, "base", PERIOD_MONTH, day("2026-03-01"));
	assert_non_null(cap);
	assert_int_equal(cap->points, 2000);
	assert_int_equal(cap->count, 2);
	stage_release(&c.s);
}

static void
what_the_merged_member_did_goes_on(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	struct cmd cmd = merge_of(&c);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_int_equal(stage_capture(&c.s, c.to, c.timed_out, NULL), LEDGER_HOLD_EXPIRED);
	assert_int_equal(stage_capture(&c.s, c.from, c.hold, "1"), LEDGER_NOT_FOUND);		/* it is another's now */
	assert_int_equal(stage_capture(&c.s, c.to, c.hold, "60"), LEDGER_OK);
	struct cmd back = stage_cmd(OP_REVERSE_REDEEM, c.to);
	struct entry capture = c.s.entry;
	back.u.past.entry = &capture;
	back.u.past.id = c.s.id;
	assert_int_equal(stage_play(&c.s, &back), LEDGER_OK);
	assert_int_equal(stage_member(&c.s, c.to)->available, 146000);
	struct cmd all = stage_cmd(OP_RETURN, c.to);
	all.u.past.entry = &c.purchase;
	all.u.past.id = c.purchase_id;
	assert_int_equal(stage_play(&c.s, &all), LEDGER_OK);
	assert_int_equal(stage_member(&c.s, c.to)->pending, 1000);		/* its own pending points */
	assert_int_equal(stage_member(&c.s, c.to)->spend, 1000);
	stage_at(&c.s, "2026-03-26T00:00:00");
	assert_int_equal(stage_member(&c.s, c.to)->debt, 0);			/* 10.00 activated, and 10.00 were owed */
	assert_int_equal(stage_member(&c.s, c.to)->held, 0);
	assert_int_equal(stage_member(&c.s, c.to)->available, 160000);
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
	struct posting postings[32];
	struct touched touched[LEDGER_TOUCHED_MAX + 1];
	struct side sides[2];
	struct tally tally;
	struct followup followup;
};

static void
forge(struct scene *c, const struct cmd *cmd, struct forged *f)
{
	struct entry *e = &f->entry;
	enum status st = decide(&c->s.live.state, cmd, c->s.now_us, &c->s.arena, e, &c->s.refusal);

	assert_int_equal(st, ST_OK);
	assert_int_equal(c->s.refusal.result, LEDGER_OK);
	assert_true(e->n_postings <= 32 && e->n_sides <= 1 && e->n_touched <= 2);
	rows_copy(f->postings, e->postings, e->n_postings, sizeof(f->postings[0]));
	memset(f->touched, 0, sizeof(f->touched));
	rows_copy(f->touched, e->touched, e->n_touched, sizeof(f->touched[0]));
	if (e->n_sides == 1)
		f->sides[0] = e->sides[0];
	f->sides[1] = (struct side){ .member = c->other };
	f->tally = (struct tally){ .kind = TALLY_RECEIVED, .per = PERIOD_YEAR, .at = day("2026-01-01"), .points = -1 };
	f->followup = (struct followup){ .entry = c->purchase_id, .clawed = -1 };
	e->postings = f->postings;
	e->touched = f->touched;
	e->sides = f->sides;
}

/* Leaves out the postings of an account, of either member. */
static void
forget(struct forged *f, enum account account)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->entry.n_postings; i++) {
		if (f->postings[i].account != account)
			f->postings[kept++] = f->postings[i];
	}
	assert_true(kept < f->entry.n_postings);
	f->entry.n_postings = kept;
}

static struct posting *
posting_of(struct forged *f, enum account account, uint64_t member)
{
	for (size_t i = 0; i < f->entry.n_postings; i++) {
		if (f->postings[i].account == account && f->postings[i].member == member)
			return &f->postings[i];
	}
	fail_msg("no posting of %s", account_str(account));
	return NULL;
}

/* What a closed member would become part of; and a closed one that goes once more, which would lead back to itself. */
static void
close_by_merge(struct scene *c, struct forged *f, uint64_t from, uint64_t into)
{
	struct cmd cmd = stage_cmd(OP_MERGE, c->other);

	cmd.u.other.member = c->late;
	assert_int_equal(stage_play(&c->s, &cmd), LEDGER_OK);
	f->entry.n_postings = 0;
	f->entry.member = f->touched[0].member = into;
	f->entry.u.other.member = f->touched[1].member = f->sides[0].member = from;
}

#define FORGE(name, ...) static void forge_##name(struct scene *c, struct forged *f) { (void)c; (void)f; __VA_ARGS__; }
FORGE(nothing)
FORGE(third, posting_of(f, ACCOUNT_MEMBER, c->to)->member = c->other)
FORGE(third_pays, posting_of(f, ACCOUNT_MEMBER, c->from)->member = c->other)
FORGE(nobody, posting_of(f, ACCOUNT_MEMBER, c->to)->member = 99)
FORGE(unbalanced, posting_of(f, ACCOUNT_MEMBER, c->to)->points++)
FORGE(hold_of_other, posting_of(f, ACCOUNT_MEMBER, c->from)->account = ACCOUNT_HELD)
FORGE(one_touched, f->entry.n_touched = 1)
FORGE(three_touched, f->entry.n_touched = 3; f->touched[2].member = c->other)
FORGE(many_touched, f->entry.n_touched = LEDGER_TOUCHED_MAX + 1)
FORGE(none_touched, f->entry.n_touched = 0)
FORGE(touched_turned, f->touched[1] = f->touched[0]; f->touched[0].member = f->entry.u.other.member)
FORGE(touched_twice, f->touched[1].member = f->touched[0].member; f->entry.u.other.member = f->touched[0].member)
FORGE(touched_third, f->touched[1].member = c->other)
FORGE(touched_nobody, f->touched[1].member = f->entry.u.other.member = 99)
FORGE(side_third, f->sides[0].member = c->other)
FORGE(side_more, f->entry.n_sides = 2)
FORGE(side_own, f->sides[0].member = f->entry.member)
FORGE(side_tally_below, f->sides[0].n_tallies = 1; f->sides[0].tallies = &f->tally; f->tally.points = -1000000)
FORGE(side_tally_kind, f->sides[0].n_tallies = 1; f->sides[0].tallies = &f->tally; f->tally.kind = TALLY_KIND_COUNT)
FORGE(side_tier_text, f->sides[0].has_tier = true; memset(&f->sides[0].tier, 'x', sizeof(f->sides[0].tier)))
FORGE(side_clock, f->sides[0].clock = (struct inactivity_clock){ true, day("2026-12-31"), 12, 101 })
FORGE(followup_minus, f->entry.n_followups = 1; f->entry.followups = &f->followup)
FORGE(lots_stay, forget(f, ACCOUNT_MEMBER))
FORGE(holds_stay, forget(f, ACCOUNT_HELD))
FORGE(pending_stays, forget(f, ACCOUNT_PENDING))
FORGE(debt_stays, forget(f, ACCOUNT_DEBT))
FORGE(into_closed, close_by_merge(c, f, c->late, c->other))
FORGE(of_closed, close_by_merge(c, f, c->other, c->late))
FORGE(debt_above, posting_of(f, ACCOUNT_DEBT, c->from)->points = 501; posting_of(f, ACCOUNT_MEMBER, c->from)->points = -501;
    posting_of(f, ACCOUNT_MEMBER, c->from)->class = LOT_ADJUSTMENT)
FORGE(lent_to_third, posting_of(f, ACCOUNT_DEBT, c->from)->member = c->other)
FORGE(lent_touches_two, f->entry.n_touched = 2; f->touched[1].member = c->to)

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
all_sent(const struct scene *c)
{
	return transfer_of(c, "400");
}

static struct cmd
some_lent(const struct scene *c)
{
	return advance_of(c, "5");
}

static void
forged_transfers(void **state)
{
	static const struct forgery faults[] = {
		{ "nothing wrong", forge_nothing, EVOLVE_OK },
		{ "to a third member", forge_third, EVOLVE_NO_MEMBER },
		{ "from a third member", forge_third_pays, EVOLVE_NO_MEMBER },
		{ "to nobody", forge_nobody, EVOLVE_NO_MEMBER },
		{ "unbalanced", forge_unbalanced, EVOLVE_UNBALANCED },
		{ "out of a hold", forge_hold_of_other, EVOLVE_NO_LOT },
		{ "one touched", forge_one_touched, EVOLVE_NO_MEMBER },
		{ "three touched", forge_three_touched, EVOLVE_NO_MEMBER },
		{ "more touched than an entry may", forge_many_touched, EVOLVE_NO_MEMBER },
		{ "nobody touched", forge_none_touched, EVOLVE_NO_MEMBER },
		{ "the two turned about", forge_touched_turned, EVOLVE_NO_MEMBER },
		{ "to oneself", forge_touched_twice, EVOLVE_NO_MEMBER },
		{ "a third touched", forge_touched_third, EVOLVE_NO_MEMBER },
		{ "nobody to send to", forge_touched_nobody, EVOLVE_NO_MEMBER },
		{ "facts of a third member", forge_side_third, EVOLVE_NO_MEMBER },
		{ "facts of a third member besides", forge_side_more, EVOLVE_NO_MEMBER },
		{ "the sender's facts as the receiver's", forge_side_own, EVOLVE_NO_MEMBER },
		{ "received below zero", forge_side_tally_below, EVOLVE_NEGATIVE },
		{ "a count of nothing", forge_side_tally_kind, EVOLVE_MALFORMED },
		{ "a tier without end", forge_side_tier_text, EVOLVE_MALFORMED },
		{ "a clock that takes too much", forge_side_clock, EVOLVE_MALFORMED },
		{ "a followup below zero", forge_followup_minus, EVOLVE_MALFORMED },
	};

	(void)state;
	expect_faults(faults, sizeof(faults) / sizeof(faults[0]), all_sent);
}

static void
forged_merges(void **state)
{
	static const struct forgery faults[] = {
		{ "nothing wrong", forge_nothing, EVOLVE_OK },
		{ "to a third member", forge_third, EVOLVE_NO_MEMBER },
		{ "from a third member", forge_third_pays, EVOLVE_NO_MEMBER },
		{ "unbalanced", forge_unbalanced, EVOLVE_UNBALANCED },
		{ "one touched", forge_one_touched, EVOLVE_NO_MEMBER },
		{ "three touched", forge_three_touched, EVOLVE_NO_MEMBER },
		{ "more touched than an entry may", forge_many_touched, EVOLVE_NO_MEMBER },
		{ "the two turned about", forge_touched_turned, EVOLVE_NO_MEMBER },
		{ "with oneself", forge_touched_twice, EVOLVE_NO_MEMBER },
		{ "facts of a third member", forge_side_third, EVOLVE_NO_MEMBER },
		{ "lots left behind", forge_lots_stay, EVOLVE_UNBALANCED },
		{ "a hold left behind", forge_holds_stay, EVOLVE_UNBALANCED },
		{ "pending points left behind", forge_pending_stays, EVOLVE_UNBALANCED },
		{ "debt left behind", forge_debt_stays, EVOLVE_UNBALANCED },
		{ "into one that is merged already", forge_into_closed, EVOLVE_MALFORMED },
		{ "of one that is merged already", forge_of_closed, EVOLVE_MALFORMED },
	};

	(void)state;
	expect_faults(faults, sizeof(faults) / sizeof(faults[0]), merge_of);
}

static void
forged_advances(void **state)
{
	static const struct forgery faults[] = {
		{ "nothing wrong", forge_nothing, EVOLVE_OK },
		{ "more repaid than is owed", forge_debt_above, EVOLVE_NEGATIVE },
		{ "owed by a third member", forge_lent_to_third, EVOLVE_NO_MEMBER },
		{ "two touched", forge_lent_touches_two, EVOLVE_NO_MEMBER },
		{ "facts of another", forge_side_more, EVOLVE_NO_MEMBER },
		{ "a followup below zero", forge_followup_minus, EVOLVE_MALFORMED },
	};

	(void)state;
	expect_faults(faults, sizeof(faults) / sizeof(faults[0]), some_lent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ladder_of_transfers),
		cmocka_unit_test(the_ladder_of_merges),
		cmocka_unit_test(the_ladder_of_advances),
		cmocka_unit_test(a_merge_leaves_nothing_behind),
		cmocka_unit_test(what_the_merged_member_did_goes_on),
		cmocka_unit_test(forged_transfers),
		cmocka_unit_test(forged_merges),
		cmocka_unit_test(forged_advances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
