/* Vouchers: which one a word means, the ladders of refusals, holds of them, what a return makes of them, and entries that are forged. */
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

/* One voucher for each purchase, which lasts ten days; `member` has used the first and has two more, `other` has none. */
struct scene {
	struct stage s;
	uint64_t member, other;
	struct entry_id used, first, second, hold;
	struct entry purchase;			/* of the second */
};

static struct program_def
program_of_scene(void)
{
	struct program_def def = full();

	def.n_rules = 1;
	def.rules[0] = (struct rule_def){ .id = "gift", .has_priority = true, .priority = 1, .has_kind = true, .on = ON_PURCHASE,
	    .kind = RULE_VOUCHER, .voucher = "drink" };
	def.rules[0].when.min_amount = "100";
	def.n_vouchers = 1;
	def.vouchers[0] = (struct voucher_def){ .id = "drink", .name = "Free drink", .value = "4501", .valid = { true, true, false, false, 10, 0, 0 } };
	def.used_voucher_debt = true;
	return def;
}

static struct cmd
use_of(const struct scene *c, struct entry_id from)
{
	struct cmd cmd = stage_cmd(OP_VOUCHER_USE, c->member);

	cmd.u.voucher.found = true;
	cmd.u.voucher.voucher = (struct voucher_ref){ .from = from };
	return cmd;
}

static struct cmd
use_by_id(const struct scene *c, const char *id)
{
	struct cmd cmd = use_of(c, (struct entry_id){ 0 });

	cmd.u.voucher.voucher = (struct voucher_ref){ .id = id };
	return cmd;
}

static struct cmd
hold_of(const struct scene *c, struct entry_id from)
{
	struct cmd cmd = stage_cmd(OP_HOLD, c->member);

	cmd.u.hold.of_voucher = cmd.u.hold.found = true;
	cmd.u.hold.voucher = (struct voucher_ref){ .from = from };
	return cmd;
}

static void
play(struct scene *c, const struct cmd *cmd)
{
	enum ledger_result got = stage_play(&c->s, cmd);

	if (got != LEDGER_OK)
		fail_msg("%s: %s", ledger_result_str(got), c->s.refusal.sentence);
}

static void
scene_set(struct scene *c)
{
	struct program_def def = program_of_scene();

	stage_init(&c->s);
	stage_at(&c->s, "2026-03-01T12:00:00");
	stage_publish(&c->s, &def);
	c->member = stage_enrol(&c->s);
	c->other = stage_enrol(&c->s);
	assert_int_equal(stage_purchase(&c->s, c->member, "100"), LEDGER_OK);
	c->used = c->s.id;
	struct cmd use = use_of(c, c->used);
	play(c, &use);
	assert_int_equal(stage_purchase(&c->s, c->member, "100"), LEDGER_OK);
	c->first = c->s.id;
	stage_at(&c->s, "2026-03-02T12:00:00");
	assert_int_equal(stage_purchase(&c->s, c->member, "200"), LEDGER_OK);
	c->second = c->s.id;
	c->purchase = c->s.entry;
}

static enum voucher_state
state_of(struct scene *c, struct entry_id from)
{
	const struct member *m = stage_member(&c->s, c->member);

	for (size_t i = 0; i < m->n_vouchers; i++) {
		if (entry_id_compare(m->vouchers[i].from, from) == 0)
			return m->vouchers[i].state;
	}
	return VOUCHER_NONE;
}

/* ---- the ladders ---- */

static void
stand(struct scene *c, enum op op)
{
	struct cmd cmd = stage_cmd(op, c->member);

	cmd.u.standing.reason = "test";
	if (stage_member(&c->s, c->member)->standing != STANDING_CLOSED)
		play(c, &cmd);
}

static void
leave_out(struct scene *c)
{
	struct program_def def = program_of_scene();

	def.n_rules = def.n_vouchers = 0;
	def.used_voucher_debt = false;
	stage_publish(&c->s, &def);
}

static void
take_away(struct scene *c, struct voucher_ref *ref)
{
	if (state_of(c, c->first) == VOUCHER_ISSUED) {
		struct cmd use = use_of(c, c->first);
		play(c, &use);
	}
	ref->from = c->first;
}

#define BREAK(name, ...) static void break_##name(void *scene, struct cmd *cmd) { struct scene *c = scene; (void)c; (void)cmd; __VA_ARGS__; }
BREAK(late, cmd->has_occurred_at = true; cmd->occurred_at_us = c->s.now_us - 46 * US_PER_DAY)
BREAK(nobody, cmd->member = 99)
BREAK(other, cmd->member = c->other)
BREAK(unknown, cmd->u.voucher.found = false)
BREAK(digits, cmd->u.voucher.has_order_amount = true; cmd->u.voucher.order_amount = dec("9002.5"))
BREAK(section, leave_out(c))
BREAK(closed, stand(c, OP_CLOSE))
BREAK(frozen, stand(c, OP_FREEZE))
BREAK(used, take_away(c, &cmd->u.voucher.voucher))
BREAK(order, cmd->u.voucher.has_order_amount = true; cmd->u.voucher.order_amount = dec("9001"))
BREAK(hold_unknown, cmd->u.hold.found = false)
BREAK(hold_ttl, cmd->u.hold.has_ttl = true; cmd->u.hold.ttl_us = 3601 * US_PER_SECOND)
BREAK(hold_digits, cmd->u.hold.has_order_amount = true; cmd->u.hold.order_amount = dec("9002.5"))
BREAK(hold_used, take_away(c, &cmd->u.hold.voucher))
BREAK(hold_order, cmd->u.hold.has_order_amount = true; cmd->u.hold.order_amount = dec("9001"))

static const struct rung use_rungs[] = {
	{ "too late", break_late, LEDGER_EVENT_TOO_OLD, "occurred_at" },
	{ "no such member", break_nobody, LEDGER_NOT_FOUND, "member" },
	{ "a member without it", break_other, LEDGER_NOT_FOUND, "voucher" },
	{ "no such voucher", break_unknown, LEDGER_NOT_FOUND, "voucher" },
	{ "digits of the order", break_digits, LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "no vouchers any more", break_section, LEDGER_NOT_OFFERED, NULL },
	{ "closed", break_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "frozen", break_frozen, LEDGER_MEMBER_FROZEN, "member" },
	{ "used", break_used, LEDGER_ALREADY_USED, "voucher" },
	{ "worth more than its share", break_order, LEDGER_OVER_ORDER_TOTAL, "voucher" },
};
static const struct rung hold_rungs[] = {
	{ "no such member", break_nobody, LEDGER_NOT_FOUND, "member" },
	{ "a member without it", break_other, LEDGER_NOT_FOUND, "voucher" },
	{ "no such voucher", break_hold_unknown, LEDGER_NOT_FOUND, "voucher" },
	{ "digits of the order", break_hold_digits, LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "longer than max_ttl", break_hold_ttl, LEDGER_INVALID_ARGUMENT, "ttl" },
	{ "no vouchers any more", break_section, LEDGER_NOT_OFFERED, NULL },
	{ "closed", break_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "frozen", break_frozen, LEDGER_MEMBER_FROZEN, "member" },
	{ "used", break_hold_used, LEDGER_ALREADY_USED, "voucher" },
	{ "worth more than its share", break_hold_order, LEDGER_OVER_ORDER_TOTAL, "voucher" },
};
static const struct rung void_rungs[] = {
	{ "no such member", break_nobody, LEDGER_NOT_FOUND, "member" },
	{ "a member without it", break_other, LEDGER_NOT_FOUND, "voucher" },
	{ "no such voucher", break_unknown, LEDGER_NOT_FOUND, "voucher" },
	{ "no vouchers any more", break_section, LEDGER_NOT_OFFERED, NULL },
	{ "closed", break_closed, LEDGER_MEMBER_CLOSED, "member" },
	{ "used", break_used, LEDGER_ALREADY_USED, "voucher" },
};

static void
set_use(void *scene, struct cmd *ret)
{
	scene_set(scene);
	*ret = use_of(scene, ((struct scene *)scene)->first);
}

static void
set_hold(void *scene, struct cmd *ret)
{
	scene_set(scene);
	*ret = hold_of(scene, ((struct scene *)scene)->first);
}

static void
set_void(void *scene, struct cmd *ret)
{
	set_use(scene, ret);
	ret->op = OP_VOUCHER_VOID;
	ret->u.voucher.reason = "test";
}

static void
refusals_in_their_order(void **state)
{
	struct scene c;
	(void)state;

	ladder_climb(&(struct ladder_scene){ &c, &c.s, set_use }, use_rungs, sizeof(use_rungs) / sizeof(*use_rungs));
	ladder_climb(&(struct ladder_scene){ &c, &c.s, set_hold }, hold_rungs, sizeof(hold_rungs) / sizeof(*hold_rungs));
	ladder_climb(&(struct ladder_scene){ &c, &c.s, set_void }, void_rungs, sizeof(void_rungs) / sizeof(*void_rungs));
}

/* ---- which one is meant ---- */

static void
the_first_to_end_is_used_whatever_became_of_the_others(void **state)
{
	struct scene c;
	(void)state;

	scene_set(&c);
	struct cmd use = use_by_id(&c, "drink"), again = use_of(&c, c.used);
	play(&c, &use);
	assert_int_equal(state_of(&c, c.first), VOUCHER_USED);
	assert_true(c.s.entry.has_value && c.s.entry.value == 4501 && !c.s.entry.conflict);
	assert_int_equal(stage_play(&c.s, &again), LEDGER_ALREADY_USED);
	again.u.voucher.offline = true;
	play(&c, &again);
	assert_true(c.s.entry.conflict && c.s.entry.has_value && c.s.entry.n_vouchers == 0 && c.s.entry.n_postings == 0);
	again = use_by_id(&c, "drink");
	again.u.voucher.offline = true;
	play(&c, &again);
	assert_false(c.s.entry.conflict);		/* one can be used still */
	assert_int_equal(state_of(&c, c.second), VOUCHER_USED);
	again = use_by_id(&c, "drink");
	again.u.voucher.offline = true;
	play(&c, &again);
	assert_true(c.s.entry.conflict);
	assert_int_equal(entry_id_compare(c.s.entry.u.voucher.voucher.from, c.second), 0);		/* the one that was used last */
	stage_release(&c.s);
}

static void
one_that_ended_could_be_used_on_its_last_day(void **state)
{
	struct scene c;
	(void)state;

	scene_set(&c);
	stage_at(&c.s, "2026-03-12T00:00:00");
	assert_int_equal(state_of(&c, c.first), VOUCHER_EXPIRED);
	assert_int_equal(state_of(&c, c.second), VOUCHER_ISSUED);
	struct cmd use = use_of(&c, c.first);
	assert_int_equal(stage_play(&c.s, &use), LEDGER_VOUCHER_EXPIRED);
	use.has_occurred_at = true;
	use.occurred_at_us = c.s.now_us - 1;
	play(&c, &use);
	assert_int_equal(state_of(&c, c.first), VOUCHER_USED);
	struct cmd hold = hold_of(&c, c.second);
	hold.has_occurred_at = true;
	hold.occurred_at_us = c.s.now_us - US_PER_DAY;
	play(&c, &hold);
	stage_release(&c.s);
}

/* ---- what may become what ---- */

/* `to` of an entry whose operation asks for no state: what the record takes. */
static bool
takes(enum voucher_state from, enum voucher_state to)
{
	struct voucher rows[1] = { { .from = { 5, 0 }, .state = from, .source = VOUCHER_BY_RULE, .id = "drink", .of = "gift", .last_day = DAY_NEVER } };
	struct voucher_change change = { .has_from = true, .v = rows[0] };
	struct member m = { .n_vouchers = 1, .cap_vouchers = 1, .vouchers = rows };
	uint32_t issued = 0;
	bool ok;

	change.v.state = to;
	assert_int_equal(vouchers_apply(&m, NULL, &change, 1, (struct entry_id){ 9, 0 }, &issued, &ok), ST_OK);
	assert_int_equal(rows[0].state, ok ? to : from);
	return ok;
}

static void
states_change_as_the_table_says(void **state)
{
	/* to:                   none issued held used expired revoked settled */
	static const char *const want[VOUCHER_STATE_COUNT] = {
		[VOUCHER_NONE] = "0000000", [VOUCHER_ISSUED] = "0011110", [VOUCHER_HELD] = "0101110", [VOUCHER_USED] = "0000001",
		[VOUCHER_EXPIRED] = "0001010", [VOUCHER_REVOKED] = "0000000", [VOUCHER_SETTLED] = "0000000",
	};
	(void)state;

	for (enum voucher_state from = VOUCHER_ISSUED; from < VOUCHER_STATE_COUNT; from++) {
		for (enum voucher_state to = VOUCHER_NONE; to < VOUCHER_STATE_COUNT; to++) {
			if (takes(from, to) != (want[from][to] == '1'))
				fail_msg("%s to %s", voucher_state_str(from), voucher_state_str(to));
		}
	}
}

/* ---- holds ---- */

static void
hold_first(struct scene *c)
{
	struct cmd hold = hold_of(c, c->first);

	scene_set(c);
	hold = hold_of(c, c->first);
	play(c, &hold);
	c->hold = c->s.id;
	assert_int_equal(state_of(c, c->first), VOUCHER_HELD);
	assert_int_equal(stage_member(&c->s, c->member)->n_holds, 1);
}

static void
a_hold_of_a_voucher_ends_in_each_way(void **state)
{
	struct scene c = { 0 };
	(void)state;

	hold_first(&c);
	assert_int_equal(stage_capture(&c.s, c.member, c.hold, "1"), LEDGER_INVALID_ARGUMENT);
	assert_int_equal(stage_capture(&c.s, c.member, c.hold, NULL), LEDGER_OK);
	assert_int_equal(state_of(&c, c.first), VOUCHER_USED);
	assert_true(c.s.entry.has_value && c.s.entry.n_postings == 0);
	assert_int_equal(stage_capture(&c.s, c.member, c.hold, NULL), LEDGER_HOLD_NOT_OPEN);
	stage_release(&c.s);

	hold_first(&c);
	assert_int_equal(stage_release_hold(&c.s, c.member, c.hold), LEDGER_OK);
	assert_int_equal(state_of(&c, c.first), VOUCHER_ISSUED);
	stage_release(&c.s);

	hold_first(&c);
	stage_at(&c.s, "2026-03-02T12:20:00");
	assert_int_equal(state_of(&c, c.first), VOUCHER_ISSUED);
	assert_int_equal(stage_capture(&c.s, c.member, c.hold, NULL), LEDGER_HOLD_EXPIRED);
	stage_release(&c.s);
}

static void
a_merge_with_too_many_vouchers_is_refused(void **state)
{
	struct scene c;
	(void)state;

	scene_set(&c);
	struct memory_state *both[] = { &c.s.live, &c.s.replay };
	for (size_t k = 0; k < 2; k++) {
		struct member *m = memory_member(both[k], 1, c.other);
		m->vouchers = arena_alloc(&both[k]->arena, LEDGER_VOUCHERS_MAX * sizeof(*m->vouchers));
		for (size_t i = 0; i < LEDGER_VOUCHERS_MAX - 1; i++)
			m->vouchers[i] = (struct voucher){ .from = { 1, 0 }, .n = (uint32_t)i, .state = VOUCHER_ISSUED, .source = VOUCHER_BY_RULE,
			    .id = "drink", .of = "gift", .last_day = DAY_NEVER };
		m->n_vouchers = m->cap_vouchers = LEDGER_VOUCHERS_MAX - 1;
	}
	struct cmd merge = stage_cmd(OP_MERGE, c.member);
	merge.u.other.member = c.other;
	assert_int_equal(stage_play(&c.s, &merge), LEDGER_CAP_REACHED);
	struct cmd use = use_of(&c, c.first);
	play(&c, &use);
	play(&c, &merge);				/* the two that were used make room */
	assert_int_equal(stage_member(&c.s, c.other)->n_vouchers, LEDGER_VOUCHERS_MAX);
	stage_release(&c.s);
}

/* ---- returns ---- */

static void
a_used_one_becomes_debt_of_its_value_rounded_up_once(void **state)
{
	struct scene c;
	(void)state;

	scene_set(&c);
	struct cmd use = use_of(&c, c.second), back = stage_cmd(OP_RETURN, c.member);
	play(&c, &use);
	assert_int_equal(stage_adjust(&c.s, c.member, "400", NULL), LEDGER_OK);
	back.u.past.entry = &c.purchase;
	back.u.past.id = c.second;
	back.u.past.has_amount = true;
	back.u.past.amount = dec("100");
	play(&c, &back);
	assert_int_equal(state_of(&c, c.second), VOUCHER_USED);		/* the rest earns it */
	back.u.past.amount = dec("1");
	play(&c, &back);
	assert_int_equal(state_of(&c, c.second), VOUCHER_SETTLED);
	assert_int_equal(stage_member(&c.s, c.member)->available, 0);
	assert_int_equal(stage_member(&c.s, c.member)->debt, 5010);	/* 450.10 of which 400.00 were there */
	play(&c, &back);
	assert_int_equal(stage_member(&c.s, c.member)->debt, 5010);
	stage_release(&c.s);
}

static void
a_held_one_is_revoked_and_its_hold_is_over(void **state)
{
	struct scene c = { 0 };
	(void)state;

	scene_set(&c);
	struct cmd hold = hold_of(&c, c.second), back = stage_cmd(OP_RETURN, c.member);
	play(&c, &hold);
	c.hold = c.s.id;
	back.u.past.entry = &c.purchase;
	back.u.past.id = c.second;
	play(&c, &back);
	assert_int_equal(state_of(&c, c.second), VOUCHER_REVOKED);
	assert_int_equal(stage_member(&c.s, c.member)->n_holds, 0);
	assert_int_equal(stage_capture(&c.s, c.member, c.hold, NULL), LEDGER_HOLD_NOT_OPEN);
	stage_release(&c.s);
}

/* ---- entries that are forged ---- */

struct forged {
	struct entry entry;
	struct touched touched[1];
	struct voucher_change changes[2];
};

static const struct voucher *
voucher_of(struct scene *c, struct entry_id from)
{
	const struct member *m = stage_member(&c->s, c->member);

	for (size_t i = 0; i < m->n_vouchers; i++) {
		if (entry_id_compare(m->vouchers[i].from, from) == 0)
			return &m->vouchers[i];
	}
	return NULL;
}

static void
change(struct scene *c, struct forged *f, struct entry_id from, enum voucher_state to)
{
	f->changes[0] = (struct voucher_change){ .has_from = true, .v = *voucher_of(c, from) };
	f->changes[0].v.state = to;
	f->entry.n_vouchers = 1;
	f->entry.vouchers = f->changes;
}

/* A use of the first. */
static void
forge(struct scene *c, struct forged *f)
{
	const struct member *m = stage_member(&c->s, c->member);

	*f = (struct forged){ 0 };
	f->touched[0] = (struct touched){ .member = c->member, .has_prev = true, .prev = m->head, .available = m->available, .tier = "green" };
	f->entry = (struct entry){ .op = OP_VOUCHER_USE, .principal = "pos/1", .engine = 1, .program_version = 1, .business_date = day("2026-03-02"),
	    .member = c->member, .program = 1, .birthday = DAY_NONE, .n_touched = 1, .touched = f->touched };
	f->entry.u.voucher.voucher = (struct voucher_ref){ .id = "drink", .from = c->first };
	change(c, f, c->first, VOUCHER_USED);
}

/* A hold of the first. */
static void
forge_hold(struct scene *c, struct forged *f)
{
	forge(c, f);
	f->entry.op = OP_HOLD;
	memset(&f->entry.u, 0, sizeof(f->entry.u));
	f->entry.u.hold.of_voucher = true;
	f->entry.u.hold.voucher = (struct voucher_ref){ .from = c->first };
	f->entry.has_hold = true;
	f->entry.hold.ends_at_us = c->s.now_us + US_PER_DAY;
	change(c, f, c->first, VOUCHER_HELD);
}

/* A capture of a hold that has the first. */
static void
forge_capture(struct scene *c, struct forged *f)
{
	struct cmd hold = hold_of(c, c->first);

	play(c, &hold);
	forge(c, f);
	f->entry.op = OP_CAPTURE;
	f->entry.has_hold = f->entry.hold.has_id = true;
	f->entry.hold.id = f->entry.u.capture.hold = c->s.id;
	f->entry.hold.ends_at_us = stage_member(&c->s, c->member)->holds[0].ends_at_us;
	change(c, f, c->first, VOUCHER_USED);
}

static void
forge_conflict(struct scene *c, struct forged *f)
{
	forge(c, f);
	f->entry.u.voucher.voucher.from = c->used;
	f->entry.u.voucher.offline = f->entry.conflict = true;
	f->entry.n_vouchers = 0;
}

#define FORGE(name, base, ...) static void forge_##name(struct scene *c, struct forged *f) { base(c, f); (void)c; __VA_ARGS__; }
FORGE(void, forge, f->entry.op = OP_VOUCHER_VOID; f->changes[0].v.state = VOUCHER_REVOKED)
FORGE(used_again, forge, f->entry.u.voucher.voucher.from = c->used; change(c, f, c->used, VOUCHER_USED))
FORGE(use_nothing, forge, f->entry.n_vouchers = 0)
FORGE(use_another, forge, f->entry.u.voucher.voucher.from = c->second)
FORGE(use_other_id, forge, f->entry.u.voucher.voucher.id = "cookie")
FORGE(use_unknown, forge, f->entry.u.voucher.voucher.from.seq += 100; f->changes[0].v.from.seq += 100)
FORGE(use_place, forge, f->entry.u.voucher.voucher.n = f->changes[0].v.n = 1)
FORGE(use_two, forge, f->changes[1] = f->changes[0]; f->changes[1].v = *voucher_of(c, c->second); f->changes[1].v.state = VOUCHER_USED;
    f->entry.n_vouchers = 2)
FORGE(use_revokes, forge, f->changes[0].v.state = VOUCHER_REVOKED)
FORGE(use_prolongs, forge, f->changes[0].v.last_day++)
FORGE(use_renames, forge, f->changes[0].v.id[0] = 'x'; f->entry.u.voucher.voucher.id = NULL)
FORGE(void_uses, forge, f->entry.op = OP_VOUCHER_VOID)
FORGE(hold_nothing, forge_hold, f->entry.n_vouchers = 0)
FORGE(hold_another, forge_hold, change(c, f, c->second, VOUCHER_HELD))
FORGE(hold_used, forge_hold, f->entry.u.hold.voucher.from = c->used; change(c, f, c->used, VOUCHER_HELD))
FORGE(hold_points, forge_hold, f->entry.u.hold.of_voucher = false)
FORGE(hold_left, forge_hold, f->entry.hold.left = 5)
FORGE(held_by_none, forge, change(c, f, c->first, VOUCHER_HELD); f->entry.op = OP_PURCHASE)
FORGE(capture_nothing, forge_capture, f->entry.n_vouchers = 0)
FORGE(capture_another, forge_capture, change(c, f, c->second, VOUCHER_USED))
FORGE(capture_left, forge_capture, f->entry.hold.left = 1)
FORGE(revoke_held, forge_capture, f->entry.op = OP_RETURN; f->entry.has_hold = f->entry.hold.has_id = false; f->entry.hold.id = (struct entry_id){ 0 };
    f->entry.hold.ends_at_us = 0; f->changes[0].v.state = VOUCHER_REVOKED)
FORGE(conflict_online, forge_conflict, f->entry.u.voucher.offline = false)
FORGE(conflict_usable, forge_conflict, f->entry.u.voucher.voucher.from = c->first)
FORGE(conflict_unknown, forge_conflict, f->entry.u.voucher.voucher.from.seq += 100)
FORGE(conflict_changes, forge_conflict, f->entry.n_vouchers = 1)
FORGE(conflict_void, forge_conflict, f->entry.op = OP_VOUCHER_VOID)
FORGE(conflict_clock, forge_conflict, f->entry.clock = (struct inactivity_clock){ true, day("2026-12-31"), 12, 100 })
FORGE(issued_used, forge, f->entry.op = OP_PURCHASE; f->changes[0].has_from = false; f->changes[0].v.n = 0)
FORGE(issued_place, forge, f->entry.op = OP_PURCHASE; f->changes[0].has_from = false; f->changes[0].v.n = 1; f->changes[0].v.state = VOUCHER_ISSUED)

static const struct { const char *name; void (*forge)(struct scene *c, struct forged *f); enum evolve_fault want; } faults[] = {
	{ "a right use", forge, EVOLVE_OK },
	{ "a right void", forge_void, EVOLVE_OK },
	{ "a right hold", forge_hold, EVOLVE_OK },
	{ "a right capture", forge_capture, EVOLVE_OK },
	{ "a right conflict", forge_conflict, EVOLVE_OK },
	{ "a return of a voucher in a hold", forge_revoke_held, EVOLVE_OK },
	{ "a voucher used twice", forge_used_again, EVOLVE_VOUCHER },
	{ "a use that changes nothing", forge_use_nothing, EVOLVE_VOUCHER },
	{ "a use of another than it names", forge_use_another, EVOLVE_VOUCHER },
	{ "a use of another id than it was asked for", forge_use_other_id, EVOLVE_VOUCHER },
	{ "a use of what is not there", forge_use_unknown, EVOLVE_VOUCHER },
	{ "a use of a place that is not there", forge_use_place, EVOLVE_VOUCHER },
	{ "a use of two", forge_use_two, EVOLVE_VOUCHER },
	{ "a use that revokes", forge_use_revokes, EVOLVE_VOUCHER },
	{ "a use that prolongs", forge_use_prolongs, EVOLVE_VOUCHER },
	{ "a use that renames", forge_use_renames, EVOLVE_VOUCHER },
	{ "a void that uses", forge_void_uses, EVOLVE_VOUCHER },
	{ "a hold without its voucher", forge_hold_nothing, EVOLVE_VOUCHER },
	{ "a hold of another than it names", forge_hold_another, EVOLVE_VOUCHER },
	{ "a hold of one that was used", forge_hold_used, EVOLVE_VOUCHER },
	{ "a hold of points that holds a voucher", forge_hold_points, EVOLVE_MALFORMED },
	{ "a hold of a voucher with points", forge_hold_left, EVOLVE_MALFORMED },
	{ "a voucher held by no hold", forge_held_by_none, EVOLVE_MALFORMED },
	{ "a capture that leaves its voucher", forge_capture_nothing, EVOLVE_MALFORMED },
	{ "a capture of another voucher", forge_capture_another, EVOLVE_MALFORMED },
	{ "a capture that leaves points", forge_capture_left, EVOLVE_MALFORMED },
	{ "a conflict with a connection", forge_conflict_online, EVOLVE_VOUCHER },
	{ "a conflict about one that can be used", forge_conflict_usable, EVOLVE_VOUCHER },
	{ "a conflict about nothing", forge_conflict_unknown, EVOLVE_VOUCHER },
	{ "a conflict that changes something", forge_conflict_changes, EVOLVE_MALFORMED },
	{ "a conflict of another operation", forge_conflict_void, EVOLVE_MALFORMED },
	{ "a conflict that sets the clock", forge_conflict_clock, EVOLVE_MALFORMED },
	{ "one that is issued used", forge_issued_used, EVOLVE_VOUCHER },
	{ "one that is issued in the second place", forge_issued_place, EVOLVE_VOUCHER },
};

static void
faults_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct scene c;
		struct forged f;
		enum evolve_fault got;

		scene_set(&c);
		faults[i].forge(&c, &f);
		enum status st = evolve(&c.s.live.state, &f.entry, (struct entry_id){ c.s.seq, 0 }, c.s.now_us, EVOLVE_REPLAY, &got);
		assert_int_equal(st, ST_OK);
		if (got != faults[i].want)
			fail_msg("%s: %s", faults[i].name, evolve_fault_str(got));
		stage_release(&c.s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_in_their_order),
		cmocka_unit_test(the_first_to_end_is_used_whatever_became_of_the_others),
		cmocka_unit_test(one_that_ended_could_be_used_on_its_last_day),
		cmocka_unit_test(states_change_as_the_table_says),
		cmocka_unit_test(a_hold_of_a_voucher_ends_in_each_way),
		cmocka_unit_test(a_merge_with_too_many_vouchers_is_refused),
		cmocka_unit_test(a_used_one_becomes_debt_of_its_value_rounded_up_once),
		cmocka_unit_test(a_held_one_is_revoked_and_its_hold_is_over),
		cmocka_unit_test(faults_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
