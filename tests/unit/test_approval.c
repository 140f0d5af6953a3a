/* Adjustments above the limit: which wait, who lets them happen and with what signature, and approvals that are forged. */
#include <stdio.h>
#include <string.h>

#include "ledger_world.h"

#include "ladder.h"
#include "ledger/redecide.h"
#include "memory_state.h"
#include "stage_programs.h"

#define KIM "approver/kim"

static struct bytes
key(char letter)
{
	static uint8_t keys[128][PUBLIC_KEY_LEN];

	memset(keys[(int)letter], letter, PUBLIC_KEY_LEN);
	return bytes_of(keys[(int)letter], PUBLIC_KEY_LEN);
}

static struct bytes
key_id(char letter)
{
	static uint8_t ids[128][SHA256_BYTES];
	struct bytes k = key(letter);

	hash_sha256(ids[(int)letter], &k, 1);
	return bytes_of(ids[(int)letter], LEDGER_KEY_ID_LEN);
}

/* ---- which wait ---- */

static struct program_def
limited(const char *limit)
{
	struct program_def def = full();

	def.adjust_without_approval = limit;
	return def;
}

/* ${s} with a member that has 500.00 points. */
static uint64_t
begin(struct stage *s, const char *limit)
{
	struct program_def def = full(), next = limited(limit);

	stage_init(s);
	stage_at(s, "2026-03-12T12:00:00");
	stage_publish(s, &def);
	uint64_t member = stage_enrol(s);
	assert_int_equal(stage_adjust(s, member, "500", NULL), LEDGER_OK);
	stage_publish(s, &next);
	return member;
}

static void
only_what_is_above_the_limit_waits(void **state)
{
	static const struct { const char *limit, *points; bool waits; } rows[] = {
		{ "100", "99.99", false }, { "100", "100", false }, { "100", "100.00", false }, { "100", "100.01", true }, { "100", "1000000", true },
		{ "100", "-99.99", false }, { "100", "-100", false }, { "100", "-100.01", true }, { "100", "-500", true },
		{ "0", "0.01", true }, { "0", "-0.01", true }, { NULL, "1000000", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct waiting_adjust w;
		uint64_t member = begin(&s, rows[i].limit);
		int64_t before = stage_member(&s, member)->available;
		assert_int_equal(stage_adjust(&s, member, rows[i].points, NULL), LEDGER_OK);
		if (s.entry.waiting != rows[i].waits)
			fail_msg("%s above %s", rows[i].points, rows[i].limit);
		enum status st = s.live.state.waiting(&s.live, s.id, &w);
		assert_int_equal(st, rows[i].waits ? ST_OK : ST_NOTFOUND);
		if (rows[i].waits) {
			assert_int_equal(s.entry.n_postings, 0);
			assert_int_equal(stage_member(&s, member)->available, before);
			assert_true(w.program == 1 && w.member == member && !w.approved);
			assert_int_equal(s.replay.n_waiting, 1);
		} else {
			assert_true(s.entry.n_postings > 0);
		}
		stage_release(&s);
	}
}

static void
what_could_not_be_made_does_not_wait(void **state)
{
	struct stage s;
	uint64_t member = begin(&s, "100");
	struct cmd cmd = stage_cmd(OP_ADJUST, member);

	(void)state;
	assert_int_equal(stage_adjust(&s, member, "-500.01", NULL), LEDGER_INSUFFICIENT_POINTS);
	assert_int_equal(stage_adjust(&s, member, "500", "2026-03-11"), LEDGER_INVALID_ARGUMENT);
	assert_int_equal(stage_adjust(&s, member, "500.001", NULL), LEDGER_INVALID_ARGUMENT);
	assert_int_equal(s.live.n_waiting, 0);
	cmd.u.adjust.points = dec("20000");				/* would reach gold */
	cmd.u.adjust.tier_points = true;
	assert_int_equal(stage_play(&s, &cmd), LEDGER_OK);
	assert_true(s.entry.waiting && !s.entry.has_metrics && !s.entry.has_tier);
	assert_int_equal(stage_member(&s, member)->points_earned, 0);
	stage_release(&s);
}

/* ---- the ladder of an approval ---- */

struct scene {
	struct stage s;
	uint64_t member;
	struct entry adjust;
	struct entry_id id;
};

static enum ledger_result
register_key(struct stage *s, const char *principal, char letter, int32_t until)
{
	struct cmd cmd = stage_cmd(OP_APPROVER_KEY, 0);

	cmd.program = 0;
	cmd.principal = "operator/local";
	cmd.u.approver_key.principal = principal;
	cmd.u.approver_key.public_key = key(letter);
	cmd.u.approver_key.until = until;
	return stage_play(s, &cmd);
}

static void
scene_adjust(struct scene *c, const char *points, const char *last_day, bool tier_points)
{
	struct cmd cmd = stage_cmd(OP_ADJUST, c->member);

	cmd.principal = "operator/ann";
	cmd.u.adjust.points = dec(points);
	cmd.u.adjust.tier_points = tier_points;
	if (last_day != NULL)
		cmd.u.adjust.last_day = day(last_day);
	assert_int_equal(stage_play(&c->s, &cmd), LEDGER_OK);
	assert_true(c->s.entry.waiting);
	c->adjust = c->s.entry;
	c->id = c->s.id;
}

static struct cmd
approve(const struct scene *c)
{
	static const uint8_t signature[64];
	struct cmd cmd = stage_cmd(OP_APPROVE, c->member);

	cmd.principal = KIM;
	cmd.u.approve.entry = &c->adjust;
	cmd.u.approve.id = c->id;
	cmd.u.approve.signature = bytes_of(signature, sizeof(signature));
	cmd.u.approve.key_id = key_id('k');
	cmd.u.approve.verified = true;
	return cmd;
}

static void
scene_set(struct scene *c)
{
	c->member = begin(&c->s, "100");
	assert_int_equal(register_key(&c->s, KIM, 'k', day("2026-06-30")), LEDGER_OK);
	scene_adjust(c, "300", "2026-05-31", false);
}

static void
ladder_set(void *scene, struct cmd *ret_accepted)
{
	struct scene *c = scene;

	scene_set(c);
	*ret_accepted = approve(c);
}

static void unknown_command(void *scene, struct cmd *c) { (void)scene; c->u.approve.entry = NULL; c->member = 0; }
static void no_key(void *scene, struct cmd *c) { (void)scene; c->principal = "approver/lee"; }
static void other_key(void *scene, struct cmd *c) { (void)scene; c->u.approve.key_id = key_id('l'); }
static void bad_signature(void *scene, struct cmd *c) { (void)scene; c->u.approve.verified = false; }
static void own(void *scene, struct cmd *c) { (void)c; ((struct scene *)scene)->adjust.principal = KIM; }

static void
approved(void *scene, struct cmd *c)
{
	struct cmd first = approve(scene);

	(void)c;
	if (register_key(&((struct scene *)scene)->s, KIM, 'k', DAY_NEVER) != LEDGER_OK)
		fail();
	(void)stage_play(&((struct scene *)scene)->s, &first);
}

static void
closed(void *scene, struct cmd *c)
{
	struct scene *s = scene;
	struct cmd close = stage_cmd(OP_CLOSE, s->member);
	char all[DECIMAL_TEXT_BYTES + 1] = "-";

	(void)c;
	assert_int_equal(stage_cmd(OP_CLOSE, s->member).op, OP_CLOSE);
	while (stage_member(&s->s, s->member)->available > 0) {		/* by parts that need nobody */
		int64_t left = stage_member(&s->s, s->member)->available;
		decimal_format(left < 10000 ? left : 10000, 2, all + 1);
		assert_int_equal(stage_adjust(&s->s, s->member, all, NULL), LEDGER_OK);
	}
	assert_int_equal(stage_play(&s->s, &close), LEDGER_OK);
}

static void
never_waited(void *scene, struct cmd *c)
{
	(void)scene;
	c->u.approve.id = (struct entry_id){ 3, 0 };
}

static void ended(void *scene, struct cmd *c) { (void)c; assert_int_equal(register_key(&((struct scene *)scene)->s, KIM, 'k', day("2026-03-11")), LEDGER_OK); }

static void
alone(const char *name, void (*break_it)(void *, struct cmd *), enum ledger_result want, const char *field)
{
	struct scene c;
	struct cmd cmd;
	struct rung rung = { name, break_it, want, field };
	const struct ladder_scene l = { &c, &c.s, ladder_set };

	l.set(&c, &cmd);
	break_it(&c, &cmd);
	ladder_expect(&l, &cmd, &rung, "");
	stage_release(&c.s);
}

static void
the_ladder(void **state)
{
	static const struct rung rungs[] = {
		{ "an unknown command", unknown_command, LEDGER_NOT_FOUND, "command" },
		{ "a principal without a key", no_key, LEDGER_NOT_FOUND, "key_id" },
		{ "another key", other_key, LEDGER_NOT_FOUND, "key_id" },
		{ "a bad signature", bad_signature, LEDGER_INVALID_ARGUMENT, "signature" },
		{ "one's own", own, LEDGER_PERMISSION_DENIED, "command" },
	};
	struct scene c;
	const struct ladder_scene l = { &c, &c.s, ladder_set };

	(void)state;
	ladder_climb(&l, rungs, sizeof(rungs) / sizeof(rungs[0]));
	alone("approved before", approved, LEDGER_ALREADY_EXISTS, "command");
	alone("a closed member", closed, LEDGER_MEMBER_CLOSED, "member");
	alone("what never waited", never_waited, LEDGER_NOT_ELIGIBLE, "command");
	alone("a key that ended", ended, LEDGER_NOT_ELIGIBLE, "key_id");
}

static void
keys_are_registered(void **state)
{
	struct stage s;
	struct cmd cmd = stage_cmd(OP_APPROVER_KEY, 0);
	struct approver kim;

	(void)state;
	begin(&s, "100");
	assert_int_equal(register_key(&s, "operator/kim", 'k', DAY_NEVER), LEDGER_INVALID_ARGUMENT);
	assert_string_equal(s.refusal.field, "principal");
	assert_int_equal(register_key(&s, KIM, 1, DAY_NEVER), LEDGER_ALREADY_EXISTS);		/* signs the ledger */
	assert_int_equal(register_key(&s, KIM, 2, DAY_NEVER), LEDGER_ALREADY_EXISTS);
	assert_string_equal(s.refusal.field, "public_key");
	assert_int_equal(register_key(&s, KIM, 'k', DAY_CLOCK), LEDGER_INVALID_ARGUMENT);
	cmd.program = 0;
	cmd.u.approver_key.principal = KIM;
	cmd.u.approver_key.public_key = bytes_of(key('k').data, PUBLIC_KEY_LEN - 1);
	assert_int_equal(stage_play(&s, &cmd), LEDGER_INVALID_ARGUMENT);
	assert_int_equal(s.live.n_approvers, 0);

	assert_int_equal(register_key(&s, KIM, 'k', day("2026-03-12")), LEDGER_OK);
	assert_true(s.entry.program == 0 && s.entry.member == 0 && s.entry.business_date == DAY_NONE && s.entry.n_touched == 0);
	assert_int_equal(s.live.state.approver(&s.live, KIM, &kim), ST_OK);
	assert_int_equal(kim.public_key[0], 'k');
	assert_int_equal(kim.until, day("2026-03-12"));
	assert_int_equal(register_key(&s, KIM, 'l', DAY_NEVER), LEDGER_OK);			/* in its place */
	assert_int_equal(s.live.state.approver(&s.replay, KIM, &kim), ST_OK);
	assert_int_equal(kim.public_key[0], 'l');
	assert_int_equal(s.live.n_approvers, 1);
	stage_release(&s);
}

static void
a_key_lasts_through_its_last_day(void **state)
{
	static const struct { const char *at; enum ledger_result want; } rows[] = {
		{ "2026-05-31T23:59:59", LEDGER_OK }, { "2026-06-01T00:00:00", LEDGER_NOT_ELIGIBLE },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct scene c;
		c.member = begin(&c.s, "100");
		assert_int_equal(register_key(&c.s, KIM, 'k', day("2026-05-31")), LEDGER_OK);
		scene_adjust(&c, "300", NULL, false);
		struct cmd cmd = approve(&c);
		stage_at(&c.s, rows[i].at);
		assert_int_equal(stage_play(&c.s, &cmd), rows[i].want);
		stage_release(&c.s);
	}
}

/* ---- what an approval brings about: decided as things are then ---- */

static void
credits(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	stage_at(&c.s, "2026-04-02T09:00:00");
	struct cmd cmd = approve(&c);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_int_equal(c.s.entry.member, c.member);
	assert_int_equal(c.s.entry.business_date, day("2026-04-02"));
	assert_int_equal(c.s.entry.n_postings, 2);
	assert_int_equal(c.s.entry.postings[1].points, 30000);
	assert_int_equal(c.s.entry.postings[1].last_day, day("2026-05-31"));
	assert_int_equal(c.s.entry.postings[1].class, LOT_ADJUSTMENT);
	assert_int_equal(c.s.entry.u.approve.command.seq, c.id.seq);
	assert_int_equal(stage_member(&c.s, c.member)->available, 80000);
	assert_true(c.s.live.waiting[0].waiting.approved && c.s.live.waiting[0].waiting.by.seq == c.s.id.seq);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_ALREADY_EXISTS);
	assert_int_equal(stage_member(&c.s, c.member)->available, 80000);
	stage_release(&c.s);
}

static void
debits(void **state)
{
	struct scene c;
	struct cmd freeze, cmd;

	(void)state;
	scene_set(&c);
	scene_adjust(&c, "-450", NULL, false);
	assert_int_equal(stage_adjust(&c.s, c.member, "-100", NULL), LEDGER_OK);	/* 400.00 are left */
	cmd = approve(&c);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_INSUFFICIENT_POINTS);
	assert_string_equal(c.s.refusal.field, "command");
	assert_false(c.s.live.waiting[1].waiting.approved);				/* it waits on */
	assert_int_equal(stage_adjust(&c.s, c.member, "50", NULL), LEDGER_OK);
	freeze = stage_cmd(OP_FREEZE, c.member);
	freeze.u.standing.reason = "test";
	assert_int_equal(stage_play(&c.s, &freeze), LEDGER_OK);			/* an adjust is no spending */
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_int_equal(stage_member(&c.s, c.member)->available, 0);
	stage_release(&c.s);
}

static void
its_points_must_not_be_over(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	struct cmd cmd = approve(&c);
	stage_at(&c.s, "2026-06-01T00:00:00");
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_NOT_ELIGIBLE);
	assert_string_equal(c.s.refusal.field, "command");
	stage_release(&c.s);
}

static void
tier_points_count_on_the_day_of_the_approval(void **state)
{
	struct scene c;

	(void)state;
	c.member = begin(&c.s, "100");
	assert_int_equal(register_key(&c.s, KIM, 'k', DAY_NEVER), LEDGER_OK);
	scene_adjust(&c, "1000000", NULL, true);
	assert_string_equal(stage_balance(&c.s, c.member).tier, "green");
	stage_at(&c.s, "2026-04-02T09:00:00");
	struct cmd cmd = approve(&c);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_true(c.s.entry.has_metrics && c.s.entry.metrics.day == day("2026-04-02"));
	assert_string_equal(stage_balance(&c.s, c.member).tier, "gold");
	assert_int_equal(stage_member(&c.s, c.member)->tier.since, day("2026-04-02"));
	stage_release(&c.s);
}

static void
a_merge_takes_what_waits_along(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	uint64_t other = stage_enrol(&c.s);
	struct cmd merge = stage_cmd(OP_MERGE, c.member), cmd = approve(&c);
	merge.u.other.member = other;
	assert_int_equal(stage_play(&c.s, &merge), LEDGER_OK);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_MEMBER_CLOSED);		/* whoever looks names up follows the merge */
	cmd.member = other;
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_int_equal(stage_member(&c.s, other)->available, 80000);
	stage_release(&c.s);
}

/* An adjust that is named in refresh_on moves dates when it happens, and not before. */
static void
terms_move_with_the_approval(void **state)
{
	static const char *const ops[] = { "adjust" };
	struct scene c;
	struct program_def def = limited("100");

	(void)state;
	def.expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 10, .n_refresh = 1, .refresh = ops };
	stage_init(&c.s);
	stage_at(&c.s, "2026-03-12T12:00:00");
	stage_publish(&c.s, &def);
	c.member = stage_enrol(&c.s);
	assert_int_equal(register_key(&c.s, KIM, 'k', DAY_NEVER), LEDGER_OK);
	assert_int_equal(stage_adjust(&c.s, c.member, "50", NULL), LEDGER_OK);
	stage_at(&c.s, "2026-03-14T12:00:00");
	scene_adjust(&c, "300", NULL, false);
	assert_int_equal(stage_member(&c.s, c.member)->lots[0].last_day, day("2026-03-22"));
	stage_at(&c.s, "2026-03-16T12:00:00");
	struct cmd cmd = approve(&c);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	assert_int_equal(stage_member(&c.s, c.member)->n_lots, 1);
	assert_int_equal(stage_member(&c.s, c.member)->lots[0].last_day, day("2026-03-26"));
	stage_release(&c.s);
}

/* ---- forged ---- */

static enum evolve_fault
fault_of(struct stage *s, const struct entry *e)
{
	struct entry copy = *e;
	enum evolve_fault fault;

	assert_int_equal(evolve(&s->live.state, &copy, (struct entry_id){ 900, 0 }, s->now_us, EVOLVE_REPLAY, &fault), ST_OK);
	return fault;
}

/* As it would be after the member's newest entry. */
static struct entry
honest_approval(struct scene *c)
{
	struct cmd cmd = approve(c);
	struct entry e;

	assert_int_equal(decide(&c->s.live.state, &cmd, c->s.now_us, &c->s.arena, &e, &c->s.refusal), ST_OK);
	assert_int_equal(c->s.refusal.result, LEDGER_OK);
	return e;
}

static void not_there(struct entry *e) { e->u.approve.command.seq += 1; }
static void of_another_key(struct entry *e) { e->u.approve.key_id = key_id('x'); }
static void of_nobody(struct entry *e) { e->principal = "approver/lee"; }
static void without_principal(struct entry *e) { e->principal = NULL; }
static void without_key(struct entry *e) { e->u.approve.key_id = bytes_of(NULL, 0); }

static void
forged_approvals_are_faults(void **state)
{
	static void (*const forgeries[])(struct entry *e) = { not_there, of_another_key, of_nobody, without_principal, without_key };

	(void)state;
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		struct scene c;
		scene_set(&c);
		struct entry e = honest_approval(&c);
		e.touched[0].has_prev = true;
		e.touched[0].prev = stage_member(&c.s, c.member)->head;
		forgeries[i](&e);
		assert_int_equal(fault_of(&c.s, &e), EVOLVE_APPROVAL);
		stage_release(&c.s);
	}
	struct scene c;
	scene_set(&c);
	struct cmd cmd = approve(&c);
	assert_int_equal(stage_play(&c.s, &cmd), LEDGER_OK);
	struct entry again = c.s.entry;
	again.touched[0].has_prev = true;
	again.touched[0].prev = stage_member(&c.s, c.member)->head;
	assert_int_equal(fault_of(&c.s, &again), EVOLVE_APPROVAL);		/* once only */
	stage_release(&c.s);
	scene_set(&c);
	again = honest_approval(&c);
	again.touched[0].has_prev = true;
	again.touched[0].prev = stage_member(&c.s, c.member)->head;
	assert_int_equal(register_key(&c.s, KIM, 'k', day("2026-03-11")), LEDGER_OK);
	assert_int_equal(fault_of(&c.s, &again), EVOLVE_APPROVAL);		/* by a key that ended */
	stage_release(&c.s);
}

static void
what_waits_must_change_nothing(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	struct entry honest = c.adjust, e = honest;
	const struct posting postings[2] = { { .account = ACCOUNT_ADJUSTED, .points = -1, .last_day = DAY_NEVER, .class = LOT_ADJUSTMENT },
		{ .account = ACCOUNT_MEMBER, .member = c.member, .points = 1, .last_day = DAY_NEVER, .class = LOT_ADJUSTMENT } };
	e.n_postings = 2;
	e.postings = postings;
	assert_int_equal(fault_of(&c.s, &e), EVOLVE_MALFORMED);
	e = honest;
	e.has_metrics = true;
	e.metrics.day = e.business_date;
	assert_int_equal(fault_of(&c.s, &e), EVOLVE_MALFORMED);
	e = honest;
	e.op = OP_PROFILE;
	assert_int_equal(fault_of(&c.s, &e), EVOLVE_MALFORMED);
	e = (struct entry){ .op = OP_CLOCK_ACCEPT, .birthday = DAY_NONE, .business_date = DAY_NONE, .waiting = true };
	assert_int_equal(fault_of(&c.s, &e), EVOLVE_MALFORMED);
	e = (struct entry){ .op = OP_APPROVER_KEY, .birthday = DAY_NONE, .business_date = DAY_NONE };
	e.u.approver_key.principal = KIM;
	e.u.approver_key.public_key = key('k');
	e.u.approver_key.until = DAY_NEVER;
	struct entry good = e;
	e.u.approver_key.principal = "operator/kim";
	assert_int_equal(fault_of(&c.s, &e), EVOLVE_MALFORMED);
	e = good;
	e.u.approver_key.public_key = bytes_of(key('k').data, 31);
	assert_int_equal(fault_of(&c.s, &e), EVOLVE_MALFORMED);
	e = good;
	e.program = 1;
	assert_int_equal(fault_of(&c.s, &e), EVOLVE_MALFORMED);
	assert_int_equal(fault_of(&c.s, &good), EVOLVE_OK);
	stage_release(&c.s);
}

static enum redecide_result
again(struct scene *c, const struct entry *e, const struct entry *past, struct redecide_difference *ret_difference)
{
	struct redecide_given given = { .looked = true, .past = past };
	enum redecide_result result;

	assert_int_equal(redecide(&c->s.live.state, e, &given, c->s.now_us, &c->s.arena, &result, ret_difference), ST_OK);
	return result;
}

static void
an_audit_decides_them_again(void **state)
{
	struct scene c;
	struct redecide_difference difference;
	struct entry_id named;
	bool may;

	(void)state;
	scene_set(&c);
	struct entry honest = honest_approval(&c), e = honest;
	assert_true(entry_names(&honest, &named));
	assert_int_equal(named.seq, c.id.seq);
	assert_int_equal(entry_may_name(&c.s.live.state, &honest, &c.adjust, &may), ST_OK);
	assert_true(may);
	struct entry purchase = { .op = OP_PURCHASE, .program = 1, .member = c.member };
	assert_int_equal(entry_may_name(&c.s.live.state, &honest, &purchase, &may), ST_OK);
	assert_false(may);

	assert_int_equal(again(&c, &honest, &c.adjust, &difference), REDECIDE_EQUAL);
	assert_int_equal(again(&c, &honest, NULL, &difference), REDECIDE_DIFFERS);
	assert_non_null(strstr(difference.sentence, "NOT_FOUND"));
	struct entry mine = c.adjust;
	mine.principal = KIM;
	assert_int_equal(again(&c, &honest, &mine, &difference), REDECIDE_DIFFERS);
	assert_non_null(strstr(difference.sentence, "PERMISSION_DENIED"));
	struct posting more[2] = { honest.postings[0], honest.postings[1] };
	more[0].points *= 2;
	more[1].points *= 2;
	e.postings = more;
	assert_int_equal(again(&c, &e, &c.adjust, &difference), REDECIDE_DIFFERS);
	assert_string_equal(difference.field, "postings[0].points");

	e = c.adjust;						/* above the limit, and it says that it does not wait */
	e.waiting = false;
	assert_int_equal(again(&c, &e, NULL, &difference), REDECIDE_DIFFERS);
	assert_string_equal(difference.field, "facts.waiting");
	assert_int_equal(again(&c, &c.adjust, NULL, &difference), REDECIDE_EQUAL);
	stage_release(&c.s);
}

/* ---- in a ledger ---- */

static uint8_t kims_key[PUBLIC_KEY_LEN];
static char kims_file[128];

static enum status
verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes body, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_APPROVAL_TYPE, body, signature);
}

static int
setup(void **state)
{
	static struct ledger_world w;
	static char yaml[4096];

	ledger_world_init(&w, false);
	world_open(&w);
	snprintf(yaml, sizeof(yaml), "%slimits: {adjust_without_approval: \"100\"}\n", club_yaml);
	world_publish(&w, yaml, "p");
	world_commit(&w);
	snprintf(kims_file, sizeof(kims_file), "%s/kim.key", w.root);
	if (key_file_create(kims_file, kims_key) != ST_OK)
		return -1;
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct ledger_world *w = *state;

	if (w->store != NULL)
		world_close(w, true);
	ledger_world_release(w);
	return 0;
}

static struct entry_id
play_adjust(struct ledger_world *w, uint64_t member, const char *request_id, struct entry *ret_entry)
{
	struct cmd cmd = world_cmd(OP_ADJUST, member, "operator/ann", request_id);
	struct entry_id id;

	cmd.u.adjust.points = dec("101");
	cmd.u.adjust.reason = "test";
	cmd.u.adjust.last_day = DAY_NONE;
	assert_int_equal(world_play(w, &cmd, &id), LEDGER_OK);
	*ret_entry = w->entries[id.index];
	assert_true(ret_entry->waiting);
	return id;
}

static void
play_key(struct ledger_world *w)
{
	struct cmd cmd = world_cmd(OP_APPROVER_KEY, 0, "operator/local", "kim");

	cmd.program = 0;
	cmd.u.approver_key.principal = KIM;
	cmd.u.approver_key.public_key = bytes_of(kims_key, PUBLIC_KEY_LEN);
	cmd.u.approver_key.until = DAY_NEVER;
	world_seal(w);
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	world_seal(w);
}

/* What kim signs of an entry in a stored or sealed transaction. */
static struct bytes
sign_leaf(struct ledger_world *w, struct bytes leaf, uint32_t index)
{
	uint8_t hash[SHA256_BYTES], body[APPROVAL_BODY_BYTES], public_key[PUBLIC_KEY_BYTES];
	uint8_t *signature = arena_alloc(&w->arena, SIGNATURE_BYTES);
	struct signed_transaction s;

	assert_int_equal(codec_signed_decode(leaf, &s), ST_OK);
	hash_sha256(hash, &s.transaction, 1);
	approval_body(hash, index, body);
	assert_int_equal(key_file_sign(kims_file, SIGNER_APPROVAL_TYPE, bytes_of(body, sizeof(body)), public_key, signature), ST_OK);
	assert_memory_equal(public_key, kims_key, PUBLIC_KEY_BYTES);
	return bytes_of(signature, SIGNATURE_BYTES);
}

static void
play_approval(struct ledger_world *w, struct entry_id id, const struct entry *adjust, struct bytes signature)
{
	static uint8_t kims_id[KEY_ID_BYTES];
	struct cmd cmd = world_cmd(OP_APPROVE, adjust->member, KIM, "ok");

	key_id_of(kims_key, kims_id);
	cmd.u.approve.entry = adjust;
	cmd.u.approve.id = id;
	cmd.u.approve.key_id = bytes_of(kims_id, KEY_ID_BYTES);
	cmd.u.approve.signature = signature;
	cmd.u.approve.verified = true;
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
}

static void
a_body_is_the_hash_and_the_index(void **state)
{
	uint8_t hash[SHA256_BYTES], body[APPROVAL_BODY_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(hash); i++)
		hash[i] = (uint8_t)(i + 1);
	approval_body(hash, 0x01020304, body);
	assert_memory_equal(body, hash, sizeof(hash));
	assert_memory_equal(body + 32, "\x01\x02\x03\x04", 4);
	assert_int_equal(sizeof(body), 36);
}

static bool
holds(struct ledger_world *w, const char *principal, struct entry_id id, struct bytes signature)
{
	bool ok;

	assert_int_equal(apply_check_approval(w->apply, principal, id, signature, verify, &ok), ST_OK);
	return ok;
}

static void
a_signature_is_of_one_adjust_by_one_key(void **state)
{
	struct ledger_world *w = *state;
	struct entry adjust, other;
	uint8_t changed[SIGNATURE_BYTES];

	play_key(w);
	uint64_t member = world_enrol(w, "e1");
	struct entry_id id = play_adjust(w, member, "a1", &adjust), second = play_adjust(w, member, "a2", &other);
	const uint8_t nothing[SHA256_BYTES] = { 0 };
	struct waiting_adjust row;
	assert_int_equal(apply_state(w->apply)->waiting(w->apply, id, &row), ST_OK);
	assert_memory_equal(row.transaction_hash, nothing, SHA256_BYTES);		/* nobody can have signed it yet */
	world_seal(w);
	struct bytes leaf = w->leaves[w->n_leaves - 1], signature = sign_leaf(w, leaf, id.index);
	assert_int_equal(apply_state(w->apply)->waiting(w->apply, id, &row), ST_OK);
	assert_memory_equal(row.transaction_hash, apply_head(w->apply)->prev, SHA256_BYTES);
	assert_true(holds(w, KIM, id, signature));
	assert_false(holds(w, KIM, second, signature));				/* the same transaction, another index */
	assert_false(holds(w, "approver/lee", id, signature));
	assert_false(holds(w, KIM, (struct entry_id){ id.seq + 1, id.index }, signature));
	assert_false(holds(w, KIM, id, bytes_of(signature.data, SIGNATURE_BYTES - 1)));
	memcpy(changed, signature.data, sizeof(changed));
	changed[5] ^= 1;
	assert_false(holds(w, KIM, id, bytes_of(changed, sizeof(changed))));
}

/* State is lost between the adjust and its approval, and after it. */
static void
what_waits_outlives_its_state(void **state)
{
	struct ledger_world *w = *state;
	struct waiting_adjust before, after;
	struct replay_error error;
	struct entry adjust;

	play_key(w);
	uint64_t member = world_enrol(w, "e1");
	struct entry_id id = play_adjust(w, member, "a1", &adjust);
	world_commit_ledger(w);
	assert_int_equal(apply_state(w->apply)->waiting(w->apply, id, &before), ST_OK);
	world_close(w, false);
	world_open(w);					/* replayed: no approval yet, so nobody has to verify one */
	assert_int_equal(apply_state(w->apply)->waiting(w->apply, id, &after), ST_OK);
	assert_memory_equal(before.transaction_hash, after.transaction_hash, SHA256_BYTES);
	assert_false(after.approved);

	play_approval(w, id, &adjust, sign_leaf(w, world_leaf(w, id.seq), id.index));
	assert_int_equal(world_member(w, member)->available, 101);
	world_commit_ledger(w);
	apply_free(w->apply);
	assert_int_equal(store_state_discard(w->store), ST_OK);
	assert_int_equal(apply_new(w->store, &w->apply), ST_OK);
	apply_set_approvals(w->apply, verify);
	assert_int_equal(apply_replay(w->apply, w->store, UINT64_MAX, NULL, NULL, &error), ST_OK);
	assert_int_equal(world_member(w, member)->available, 101);
	assert_int_equal(apply_state(w->apply)->waiting(w->apply, id, &after), ST_OK);
	assert_true(after.approved && after.by.seq == id.seq + 1);
}

static void
a_replay_finds_a_forged_signature(void **state)
{
	struct ledger_world *w = *state;
	struct replay_error error;
	struct entry adjust;

	play_key(w);
	uint64_t member = world_enrol(w, "e1");
	struct entry_id id = play_adjust(w, member, "a1", &adjust);
	world_commit(w);
	for (size_t i = 0; i < 3; i++) {
		struct bytes signature = sign_leaf(w, world_leaf(w, id.seq), i == 1 ? id.index + 1 : id.index);
		play_approval(w, id, &adjust, signature);
		world_seal(w);
		struct bytes leaf = w->leaves[w->n_leaves - 1];
		uint64_t seq = apply_head(w->apply)->size - 1;
		apply_discard(w->apply);
		w->n_leaves = 0;
		apply_set_approvals(w->apply, i == 2 ? NULL : verify);
		assert_int_equal(apply_transaction(w->apply, seq, leaf, &error), i == 0 ? ST_OK : ST_INVALID);
		assert_int_equal(error.what, i == 0 ? REPLAY_OK : REPLAY_APPROVAL);
		if (i > 0)
			assert_int_equal(error.seq, seq);
		apply_discard(w->apply);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_above_the_limit_waits),
		cmocka_unit_test(what_could_not_be_made_does_not_wait),
		cmocka_unit_test(the_ladder),
		cmocka_unit_test(keys_are_registered),
		cmocka_unit_test(a_key_lasts_through_its_last_day),
		cmocka_unit_test(credits),
		cmocka_unit_test(debits),
		cmocka_unit_test(its_points_must_not_be_over),
		cmocka_unit_test(tier_points_count_on_the_day_of_the_approval),
		cmocka_unit_test(a_merge_takes_what_waits_along),
		cmocka_unit_test(terms_move_with_the_approval),
		cmocka_unit_test(forged_approvals_are_faults),
		cmocka_unit_test(what_waits_must_change_nothing),
		cmocka_unit_test(an_audit_decides_them_again),
		cmocka_unit_test(a_body_is_the_hash_and_the_index),
		TEST(a_signature_is_of_one_adjust_by_one_key),
		TEST(what_waits_outlives_its_state),
		TEST(a_replay_finds_a_forged_signature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
