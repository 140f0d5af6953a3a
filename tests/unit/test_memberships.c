/* Memberships: their days, entries of them that are forged, what a merge keeps, and what a program may not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

static struct program_def
club(void)
{
	struct program_def def = plain("KRW");

	def.n_memberships = 2;
	def.memberships[0] = (struct membership_def){ .id = "prime", .fee = "100", .has_term = true, .trial_days = 30, .grace_days = 7,
	    .refund_if_unused = true, .earn_multiplier = "2" };
	def.memberships[1] = (struct membership_def){ .id = "year", .fee = "900", .has_term = true, .annual = true };
	return def;
}

static enum ledger_result
play(struct stage *s, enum op op, uint64_t member, const char *membership, bool trial)
{
	struct cmd c = stage_cmd(op, member);

	c.u.membership.membership = membership;
	c.u.membership.trial = trial;
	return stage_play(s, &c);
}

static void
begin(struct stage *s, const char *at)
{
	struct program_def def = club();

	stage_init(s);
	stage_at(s, at);
	stage_publish(s, &def);
}

/* A version that changes the grace changes no period that was paid before it. */
static void
grace_is_that_of_the_payment(void **state)
{
	struct program_def def = club();
	struct stage s;

	(void)state;
	begin(&s, "2026-01-31T00:00:00");
	uint64_t m = stage_enrol(&s);
	assert_int_equal(play(&s, OP_MEMBERSHIP_START, m, "prime", false), LEDGER_OK);
	def.memberships[0].grace_days = 0;
	stage_publish(&s, &def);
	stage_at(&s, "2026-03-06T23:59:59");
	assert_int_equal(stage_balance(&s, m).memberships[0].state, MEMBERSHIP_IS_GRACE);
	assert_int_equal(s.n_due, 0);
	stage_at(&s, "2026-03-07T00:00:00");
	assert_int_equal(s.n_due, 1);
	assert_true(stage_member(&s, m)->memberships[0].ended);
	assert_int_equal(stage_balance(&s, m).memberships[0].state, MEMBERSHIP_IS_ENDED);
	stage_release(&s);
}

/* A purchase notes the benefit once a period, and none when it brought nothing. */
static void
benefits_are_noted_once_a_period(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, "2026-01-31T00:00:00");
	uint64_t m = stage_enrol(&s);
	assert_int_equal(play(&s, OP_MEMBERSHIP_START, m, "prime", false), LEDGER_OK);
	assert_int_equal(stage_purchase(&s, m, "0"), LEDGER_OK);
	assert_int_equal(s.entry.n_memberships, 0);
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);
	assert_int_equal(s.entry.n_memberships, 1);
	assert_int_equal(s.entry.n_multiplied_by, 1);
	assert_int_equal(stage_granted(&s), 20);
	stage_at(&s, "2026-02-27T00:00:00");
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);
	assert_int_equal(s.entry.n_memberships, 0);
	assert_int_equal(play(&s, OP_MEMBERSHIP_RENEW, m, "prime", false), LEDGER_OK);
	stage_at(&s, "2026-02-28T00:00:00");
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);
	assert_int_equal(s.entry.n_memberships, 1);
	assert_int_equal(play(&s, OP_MEMBERSHIP_CANCEL, m, "prime", false), LEDGER_OK);
	assert_true(s.entry.has_refund);
	assert_int_equal(s.entry.refund, 0);
	stage_release(&s);
}

/* The one that runs longer stays, and that a trial was had. */
static void
a_merge_keeps_what_serves_the_member(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, "2026-01-31T00:00:00");
	uint64_t from = stage_enrol(&s), into = stage_enrol(&s);
	assert_int_equal(play(&s, OP_MEMBERSHIP_START, from, "prime", true), LEDGER_OK);
	assert_int_equal(play(&s, OP_MEMBERSHIP_START, from, "year", false), LEDGER_OK);
	assert_int_equal(play(&s, OP_MEMBERSHIP_START, into, "prime", false), LEDGER_OK);
	struct cmd c = stage_cmd(OP_MERGE, from);
	c.u.other.member = into;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	const struct member *m = stage_member(&s, into);
	assert_int_equal(m->n_memberships, 2);
	assert_int_equal(m->memberships[0].next, day("2026-02-28"));
	assert_int_equal(m->memberships[0].trial, day("2026-01-31"));
	assert_string_equal(m->memberships[1].id, "year");
	assert_int_equal(stage_member(&s, from)->n_memberships, 0);
	stage_release(&s);
}

/* ---- forged entries ---- */

static void no_id(struct membership *s) { s->id[0] = 0; }
static void endless_id(struct membership *s) { memset(s->id, 'a', sizeof(s->id)); }
static void no_next(struct membership *s) { s->next = DAY_NONE; }
static void no_ends(struct membership *s) { s->ends = INT32_MAX; }
static void bad_used(struct membership *s) { s->used = INT32_MAX; }
static void bad_trial(struct membership *s) { s->trial = INT32_MAX; }
static void paid_from_nowhere(struct membership *s) { s->anchor = DAY_NONE; }
static void nothing_paid(struct membership *s) { s->periods = 0; }
static void neither(struct membership *s) { s->anchor = DAY_NONE; s->periods = 0; }

static void (*const spoil_row[])(struct membership *s) = {
	no_id, endless_id, no_next, no_ends, bad_used, bad_trial, paid_from_nowhere, nothing_paid, neither,
};

static void
forged_rows_are_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spoil_row) / sizeof(spoil_row[0]); i++) {
		enum evolve_fault fault;
		struct stage s;

		begin(&s, "2026-01-31T00:00:00");
		uint64_t m = stage_enrol(&s);
		assert_int_equal(play(&s, OP_MEMBERSHIP_START, m, "prime", false), LEDGER_OK);
		struct membership row = s.entry.memberships[0];
		struct entry forged = s.entry;
		struct touched touched[1] = { { .member = m } };
		spoil_row[i](&row);
		forged.memberships = &row;
		forged.touched = touched;
		assert_int_equal(evolve(&s.live.state, &forged, (struct entry_id){ s.seq, 0 }, s.now_us, EVOLVE_LIVE, &fault), ST_OK);
		assert_int_equal(fault, EVOLVE_MALFORMED);
		stage_release(&s);
	}
}

/* ---- programs ---- */

static const char *prime = "prime", *other = "other";
static void p_no_id(struct program_def *d) { d->memberships[1].id = NULL; }
static void p_same_id(struct program_def *d) { d->memberships[1].id = prime; }
static void p_no_term(struct program_def *d) { d->memberships[0].has_term = false; }
static void p_no_fee(struct program_def *d) { d->memberships[0].fee = NULL; }
static void p_fee_below_zero(struct program_def *d) { d->memberships[0].fee = "-1"; }
static void p_trial(struct program_def *d) { d->memberships[0].trial_days = 4000; }
static void p_grace(struct program_def *d) { d->memberships[0].grace_days = 367; }
static void p_multiplier(struct program_def *d) { d->memberships[0].earn_multiplier = "0.5"; }
static void p_many(struct program_def *d) { d->n_memberships = PROGRAM_MEMBERSHIPS_MAX + 1; }
static void p_unknown(struct program_def *d) { d->rules[0].when.membership = other; }
static void p_enrol(struct program_def *d)
{
	d->rules[0].on = ON_ENROL;
	d->rules[0].has_per_amount = false;
	d->rules[0].has_fixed = true;
	d->rules[0].when.membership = prime;
}

static const struct { void (*spoil)(struct program_def *d); const char *path; } refusals[] = {
	{ p_no_id, "memberships[1].id" }, { p_same_id, "memberships[1].id" }, { p_no_term, "memberships[0].term" }, { p_no_fee, "memberships[0].fee" },
	{ p_fee_below_zero, "memberships[0].fee" }, { p_trial, "memberships[0].trial_days" }, { p_grace, "memberships[0].grace_days" },
	{ p_multiplier, "memberships[0].earn_multiplier" }, { p_many, "memberships" }, { p_unknown, "earn[0].when.membership" },
	{ p_enrol, "earn[0].when.membership" },
};

static void
programs_that_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct program_def def = club();
		struct zone zone = stage_zone(9);
		struct program_error error;
		struct program *p;
		struct arena arena;

		arena_init(&arena, 1u << 22);
		refusals[i].spoil(&def);
		assert_int_equal(program_compile(&def, &zone, &arena, &p, &error), ST_INVALID);
		assert_string_equal(error.path, refusals[i].path);
		arena_release(&arena);
	}
}

/* Members have them, with the days of their terms. */
static void
versions_keep_memberships(void **state)
{
	static const struct { bool drop, annual; } rows[] = { { true, false }, { false, true } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct program_def def = club();
		struct stage s;

		begin(&s, "2026-01-31T00:00:00");
		if (rows[i].drop)
			def.memberships[0].id = other;
		def.memberships[0].annual = rows[i].annual;
		struct cmd c = stage_cmd(OP_PUBLISH, 0);
		c.u.publish.id = def.id;
		c.u.publish.compiled = stage_compile(&s, &def);
		assert_int_equal(stage_play(&s, &c), LEDGER_INVALID_ARGUMENT);
		assert_string_equal(s.refusal.field, "memberships");
		stage_release(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grace_is_that_of_the_payment),
		cmocka_unit_test(benefits_are_noted_once_a_period),
		cmocka_unit_test(a_merge_keeps_what_serves_the_member),
		cmocka_unit_test(forged_rows_are_faults),
		cmocka_unit_test(programs_that_are_refused),
		cmocka_unit_test(versions_keep_memberships),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
