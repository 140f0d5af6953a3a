/* Provisional members, referrals, openings, consents and erasure: their ladders of refusals, and entries of them that are forged. */
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

/* `member` is enrolled; `one` and `two` are provisional, with 3 and 4 points; `closed` is closed; `friend` was referred by `member`. */
struct scene {
	struct stage s;
	uint64_t member, one, two, closed, friend;
};

static struct program_def
program_of_scene(void)
{
	struct program_def def = full();

	def.has_referral = def.has_pending_days = def.has_per_year = true;
	def.referrer_points = "50";
	def.referee_points = "30";
	def.referral_min_amount = "20000";
	def.referral_days = 14;
	def.referral_per_year = 2;
	def.has_transfers = true;
	return def;
}

static uint64_t
provisional(struct scene *c, const char *amount)
{
	assert_int_equal(stage_purchase(&c->s, 0, amount), LEDGER_OK);
	assert_true(c->s.entry.provisional && stage_member(&c->s, c->s.entry.member)->provisional);
	return c->s.entry.member;
}

static void
scene_set(struct scene *c)
{
	const struct program_def def = program_of_scene();
	struct cmd close = stage_cmd(OP_CLOSE, 0), refer = stage_cmd(OP_ENROL, 0);

	stage_init(&c->s);
	stage_at(&c->s, "2026-03-01T10:00:00");
	(void)stage_publish(&c->s, &def);
	c->member = stage_enrol(&c->s);
	c->one = provisional(c, "3000");
	c->two = provisional(c, "4000");
	close.member = c->closed = stage_enrol(&c->s);
	assert_int_equal(stage_play(&c->s, &close), LEDGER_OK);
	refer.u.enrol.names_referrer = true;
	refer.u.enrol.referrer = c->member;
	assert_int_equal(stage_play(&c->s, &refer), LEDGER_OK);
	c->friend = c->s.entry.member;
}

/* ---- ladders ---- */

static void
set_enrol(void *scene, struct cmd *ret)
{
	struct scene *c = scene;

	scene_set(c);
	*ret = stage_cmd(OP_ENROL, c->one);
	ret->n_merged = 1;
	ret->merged[0] = c->two;
	ret->u.enrol.names_referrer = true;
	ret->u.enrol.referrer = c->member;
}

#define BREAK(name, ...) static void name(void *scene, struct cmd *cmd) { struct scene *c = scene; (void)c; (void)cmd; __VA_ARGS__; }
BREAK(no_referrer, cmd->u.enrol.referrer = 0)
BREAK(merged_referrer, cmd->merged[0] = c->two; if (cmd->u.enrol.referrer != 0) cmd->u.enrol.referrer = c->two)
BREAK(is_enrolled, cmd->member = c->friend)
BREAK(closed_referrer, if (cmd->u.enrol.referrer == c->member) cmd->u.enrol.referrer = c->closed)
BREAK(merges_enrolled, cmd->merged[0] = c->friend)
BREAK(merges_too_many, cmd->n_merged = LEDGER_TOUCHED_MAX)

static const struct rung enrol_rungs[] = {
	{ "nobody referred", no_referrer, LEDGER_NOT_FOUND, "referrer" },
	{ "who goes into it referred", merged_referrer, LEDGER_SELF_REFERRAL, "referrer" },
	{ "the alias is an enrolled member's", is_enrolled, LEDGER_ALREADY_EXISTS, "member" },
	{ "a closed member referred", closed_referrer, LEDGER_MEMBER_CLOSED, "referrer" },
	{ "too many go into it", merges_too_many, LEDGER_CAP_REACHED, "aliases" },
	{ "an enrolled member would go into it", merges_enrolled, LEDGER_NOT_FOUND, "aliases" },
};

static void
set_opening(void *scene, struct cmd *ret)
{
	static const struct opening_lot lots[] = { { { 5, 0 }, DAY_NEVER }, { { 700, 2 }, DAY_NEVER } };
	struct scene *c = scene;

	scene_set(c);
	*ret = stage_cmd(OP_OPENING, 0);
	ret->u.opening.tier_until = DAY_NEVER;
	ret->u.opening.lots = lots;
	ret->u.opening.n_lots = 2;
}

static const struct opening_lot below[] = { { { -5, 0 }, DAY_NEVER } }, zero[] = { { { 0, 0 }, DAY_NEVER } }, surplus[] = { { { 5, 3 }, DAY_NEVER } };
static const struct opening_counter odd[] = { { "nothing", 1 } };
#define LOTS(which) do { cmd->u.opening.lots = (which); cmd->u.opening.n_lots = 1; } while (0)
BREAK(lot_below, LOTS(below))
BREAK(lot_zero, LOTS(zero))
BREAK(lot_surplus, LOTS(surplus))
BREAK(tier_unknown, cmd->u.opening.tier = "tin")
BREAK(counter_unknown, cmd->u.opening.counters = odd; cmd->u.opening.n_counters = 1)

static const struct rung opening_rungs[] = {
	{ "a lot below zero", lot_below, LEDGER_INVALID_ARGUMENT, "lots" },
	{ "a lot of zero", lot_zero, LEDGER_POINTS_NOT_POSITIVE, "lots" },
	{ "no such tier", tier_unknown, LEDGER_NOT_FOUND, "tier" },
	{ "no such counter", counter_unknown, LEDGER_INVALID_ARGUMENT, "counters" },
	{ "surplus digits", lot_surplus, LEDGER_INVALID_ARGUMENT, "lots" },
	{ "the alias is an enrolled member's", is_enrolled, LEDGER_ALREADY_EXISTS, "member" },
};

static void
set_consent(void *scene, struct cmd *ret)
{
	struct scene *c = scene;

	scene_set(c);
	*ret = stage_cmd(OP_CONSENT, c->member);
	ret->u.consent.purpose = "mail";
	ret->u.consent.given = true;
}
BREAK(is_nobody, cmd->member = 99)
BREAK(is_closed, cmd->member = c->closed)
BREAK(is_provisional, cmd->member = c->one)

static const struct rung consent_rungs[] = {
	{ "nobody", is_nobody, LEDGER_NOT_FOUND, "member" },
	{ "a closed member", is_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "a provisional one", is_provisional, LEDGER_MEMBER_PROVISIONAL, "member" },
};

static void
set_erase(void *scene, struct cmd *ret)
{
	struct scene *c = scene;

	scene_set(c);
	*ret = stage_cmd(OP_ERASE, c->friend);
}
static const struct rung erase_rungs[] = {
	{ "nobody", is_nobody, LEDGER_NOT_FOUND, "member" },
	{ "a provisional one", is_provisional, LEDGER_MEMBER_PROVISIONAL, "member" },
};

static void
the_ladders(void **state)
{
	struct scene c;
	const struct ladder_scene enrol = { &c, &c.s, set_enrol }, opening = { &c, &c.s, set_opening }, consent = { &c, &c.s, set_consent },
	    erase = { &c, &c.s, set_erase };

	(void)state;
	ladder_climb(&enrol, enrol_rungs, sizeof(enrol_rungs) / sizeof(enrol_rungs[0]));
	ladder_climb(&opening, opening_rungs, sizeof(opening_rungs) / sizeof(opening_rungs[0]));
	ladder_climb(&consent, consent_rungs, sizeof(consent_rungs) / sizeof(consent_rungs[0]));
	ladder_climb(&erase, erase_rungs, sizeof(erase_rungs) / sizeof(erase_rungs[0]));
}

/* ---- forged entries: the stage has what decide() says, and evolve() takes none of these ---- */

struct forged { struct entry entry; struct side sides[4]; struct touched touched[4]; uint64_t merged[4]; struct pending_change pendings[4]; };

static void
make(struct scene *c, const struct cmd *cmd, struct forged *f)
{
	struct refusal refusal;
	enum status st = decide(&c->s.live.state, cmd, c->s.now_us, &c->s.arena, &f->entry, &refusal);
	struct entry *e = &f->entry;

	assert_int_equal(st, ST_OK);
	assert_int_equal(refusal.result, LEDGER_OK);
	assert_true(e->n_sides <= 4 && e->n_merged <= 4 && e->n_pendings <= 4);
	for (size_t i = 0; i < e->n_sides; i++)
		f->sides[i] = e->sides[i];
	for (size_t i = 0; i < e->n_touched; i++)
		f->touched[i] = e->touched[i];
	for (size_t i = 0; i < e->n_merged; i++)
		f->merged[i] = e->merged[i];
	for (size_t i = 0; i < e->n_pendings; i++)
		f->pendings[i] = e->pendings[i];
	e->sides = f->sides;
	e->touched = f->touched;
	e->merged = f->merged;
	e->pendings = f->pendings;
}

static struct cmd
enrolment(const struct scene *c)
{
	struct cmd cmd = stage_cmd(OP_ENROL, c->one);

	cmd.n_merged = 1;
	cmd.merged[0] = c->two;
	return cmd;
}

static struct cmd
unknown(const struct scene *c)
{
	struct cmd cmd = stage_cmd(OP_PURCHASE, 0);

	(void)c;
	cmd.u.purchase.amount = dec("1000");
	return cmd;
}

static struct cmd
referred(const struct scene *c)
{
	struct cmd cmd = stage_cmd(OP_PURCHASE, c->friend);

	cmd.u.purchase.amount = dec("20000");
	return cmd;
}

static struct cmd
agreed(const struct scene *c)
{
	struct cmd cmd = stage_cmd(OP_CONSENT, c->member);

	cmd.u.consent.purpose = "mail";
	return cmd;
}

static struct cmd
forgotten(const struct scene *c)
{
	return stage_cmd(OP_ERASE, c->friend);
}

#define FORGE(name, ...) static void name(struct scene *c, struct forged *f) { (void)c; (void)f; __VA_ARGS__; }
FORGE(nothing)
FORGE(about_enrolled, f->entry.member = f->touched[0].member = c->member)
FORGE(about_later, f->entry.member = f->touched[0].member = 77)
FORGE(merges_member, f->merged[0] = f->sides[0].member = f->touched[1].member = c->member)
FORGE(merges_none, f->entry.n_merged = 0)
FORGE(merges_unsaid, f->entry.n_sides = f->entry.n_touched = 0; f->entry.n_touched = 1)
FORGE(merges_itself, f->merged[0] = f->sides[0].member = f->touched[1].member = f->entry.member)
FORGE(made_twice, f->entry.member = f->touched[0].member = c->member)
FORGE(made_later, f->entry.member = f->touched[0].member = 77)
FORGE(made_by_profile, f->entry.op = OP_PROFILE)
FORGE(of_no_referral, f->entry.has_referral = false)
FORGE(of_another, f->entry.referral.referrer = c->one)
FORGE(referred_twice, ((struct member *)(uintptr_t)stage_member(&c->s, c->friend))->referred_by = 0)
FORGE(waits_as_birthday, f->pendings[f->entry.n_pendings - 1].p.class = LOT_BIRTHDAY)
FORGE(no_purpose, f->entry.u.consent.purpose = "")
FORGE(long_purpose, f->entry.u.consent.purpose = "a-purpose-that-is-longer-than-any-code-may-be")
FORGE(something_left, f->entry.n_postings = 0; f->entry.n_pendings = 0)

static const struct forgery { const char *name; struct cmd (*of)(const struct scene *c); void (*forge)(struct scene *c, struct forged *f);
	enum evolve_fault want; } forgeries[] = {
	{ "as it is: an enrolment", enrolment, nothing, EVOLVE_OK },
	{ "of an enrolled member", enrolment, about_enrolled, EVOLVE_UNBALANCED },
	{ "of one that is not there", enrolment, about_later, EVOLVE_NO_MEMBER },
	{ "an enrolled member goes into it", enrolment, merges_member, EVOLVE_NO_MEMBER },
	{ "nobody is said to go into it", enrolment, merges_none, EVOLVE_NO_MEMBER },
	{ "who goes into it is not touched", enrolment, merges_unsaid, EVOLVE_NO_MEMBER },
	{ "it goes into itself", enrolment, merges_itself, EVOLVE_NO_MEMBER },
	{ "as it is: of nobody", unknown, nothing, EVOLVE_OK },
	{ "one that is there is made", unknown, made_twice, EVOLVE_NO_MEMBER },
	{ "a number is passed over", unknown, made_later, EVOLVE_NO_MEMBER },
	{ "what does not earn makes a member", unknown, made_by_profile, EVOLVE_MALFORMED },
	{ "as it is: a referral", referred, nothing, EVOLVE_OK },
	{ "a referrer without a referral", referred, of_no_referral, EVOLVE_NO_MEMBER },
	{ "another is the referrer", referred, of_another, EVOLVE_NO_MEMBER },
	{ "nobody had referred", referred, referred_twice, EVOLVE_MALFORMED },
	{ "points that wait to be a birthday's", referred, waits_as_birthday, EVOLVE_MALFORMED },
	{ "as it is: a consent", agreed, nothing, EVOLVE_OK },
	{ "no purpose", agreed, no_purpose, EVOLVE_MALFORMED },
	{ "a long purpose", agreed, long_purpose, EVOLVE_MALFORMED },
	{ "as it is: an erasure", forgotten, nothing, EVOLVE_OK },
	{ "something is left", forgotten, something_left, EVOLVE_MALFORMED },
};

static void
forged_entries_are_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		const struct forgery *row = &forgeries[i];
		struct scene c;
		struct forged f = { 0 };
		enum evolve_fault got;

		scene_set(&c);
		if (row->of == forgotten)
			assert_int_equal(stage_purchase(&c.s, c.friend, "50000"), LEDGER_OK);
		struct cmd cmd = row->of(&c);
		make(&c, &cmd, &f);
		row->forge(&c, &f);
		enum status st = evolve(&c.s.live.state, &f.entry, (struct entry_id){ c.s.seq, 0 }, c.s.now_us, EVOLVE_LIVE, &got);
		assert_int_equal(st, ST_OK);
		if ((got == EVOLVE_OK) != (row->want == EVOLVE_OK) || (row->want == EVOLVE_NO_MEMBER && got != EVOLVE_NO_MEMBER))
			fail_msg("%s: %s", row->name, evolve_fault_str(got));
		stage_release(&c.s);
	}
}

/* ---- what stays ---- */

static void
an_erased_record_has_nothing(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	assert_int_equal(stage_purchase(&c.s, c.friend, "50000"), LEDGER_OK);
	assert_int_equal(stage_hold(&c.s, c.friend, "10", 0), LEDGER_OK);
	struct entry_id hold = c.s.id;
	struct cmd erase = forgotten(&c);
	assert_int_equal(stage_play(&c.s, &erase), LEDGER_OK);
	const struct member *m = stage_member(&c.s, c.friend);
	struct closed_hold closed;

	assert_int_equal(m->standing, STANDING_CLOSED);
	assert_int_equal(m->available | m->pending | m->held | m->debt | m->points_earned | m->spend | m->visits, 0);
	assert_int_equal(m->n_lots + m->n_holds + m->n_pendings + m->n_tallies + m->n_days + m->n_counts + m->n_consents + m->n_vouchers, 0);
	assert_int_equal(m->referred_by, 0);
	assert_int_equal(m->due_at_us, INSTANT_NEVER);
	assert_int_equal(c.s.live.state.closed_hold(&c.s.live, hold, &closed), ST_OK);
	assert_int_equal(closed.end, HOLD_END_RELEASED);
	memory_trial_balance(&c.s.live);
	stage_release(&c.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ladders),
		cmocka_unit_test(forged_entries_are_faults),
		cmocka_unit_test(an_erased_record_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
