/* Pools: what a program may say of them, whom a command may touch, and entries about them that are forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/* `head` has 10 points, `second` 20, `third` 30, in one pool; `alone` has 40. */
struct scene {
	struct stage s;
	uint64_t head, second, third, alone;
};

static struct program_def
family(void)
{
	struct program_def def = plain("KRW");

	def.has_redemption = true;
	def.has_pools = def.has_max_members = true;
	def.max_members = 4;
	return def;
}

static enum ledger_result
join(struct stage *s, uint64_t member, uint64_t head)
{
	struct cmd c = stage_cmd(OP_POOL_JOIN, member);

	c.u.other.member = head;
	return stage_play(s, &c);
}

static enum ledger_result
spend(struct stage *s, enum op op, uint64_t member, const char *points)
{
	struct cmd c = stage_cmd(op, member);

	if (op == OP_HOLD) {
		c.u.hold.points = dec(points);
		c.u.hold.pool = true;
	} else {
		c.u.redeem.points = dec(points);
		c.u.redeem.pool = true;
	}
	return stage_play(s, &c);
}

static void
scene_set(struct scene *c)
{
	struct program_def def = family();
	uint64_t *members[] = { &c->head, &c->second, &c->third, &c->alone };
	static const char *const points[] = { "10", "20", "30", "40" };

	stage_init(&c->s);
	stage_at(&c->s, "2026-03-01T00:00:00");
	stage_publish(&c->s, &def);
	for (size_t i = 0; i < 4; i++) {
		*members[i] = stage_enrol(&c->s);
		assert_int_equal(stage_adjust(&c->s, *members[i], points[i], NULL), LEDGER_OK);
	}
	assert_int_equal(join(&c->s, c->second, c->head), LEDGER_OK);
	assert_int_equal(join(&c->s, c->third, c->head), LEDGER_OK);
}

/* ---- forged entries: each is one that happened but for a detail ---- */

struct forged {
	struct entry entry;
	struct posting postings[16];
	struct touched touched[LEDGER_TOUCHED_MAX + 2];
};

static void
forge(struct scene *c, struct forged *f, enum ledger_result done)
{
	assert_int_equal(done, LEDGER_OK);
	f->entry = c->s.entry;
	assert_true(f->entry.n_postings <= 16 && f->entry.n_touched <= LEDGER_TOUCHED_MAX);
	if (f->entry.n_postings > 0)
		memcpy(f->postings, f->entry.postings, f->entry.n_postings * sizeof(*f->postings));
	if (f->entry.n_touched > 0)
		memcpy(f->touched, f->entry.touched, f->entry.n_touched * sizeof(*f->touched));
	f->entry.postings = f->postings;
	f->entry.touched = f->touched;
}

static void
touch_too(struct forged *f, uint64_t member)
{
	f->touched[f->entry.n_touched++] = (struct touched){ .member = member, .tier = "" };
}

static void stranger_joins(struct scene *c, struct forged *f) { f->entry.u.other.member = c->alone; }
static void nobody_joins(struct scene *c, struct forged *f) { (void)c; f->entry.n_touched = 1; }
static void joins_itself(struct scene *c, struct forged *f) { f->touched[1].member = c->alone; f->entry.u.other.member = c->alone; }
static void joins_with_a_witness(struct scene *c, struct forged *f) { touch_too(f, c->second); }
static void spends_with_a_witness(struct scene *c, struct forged *f) { touch_too(f, c->alone); }
static void spends_without_a_pool(struct scene *c, struct forged *f) { (void)c; f->entry.u.redeem.pool = false; }
static void touches_one_twice(struct scene *c, struct forged *f) { touch_too(f, c->second); }
static void spends_untouched(struct scene *c, struct forged *f) { (void)c; f->entry.n_touched--; }
static void holds_without_a_pool(struct scene *c, struct forged *f) { (void)c; f->entry.u.hold.pool = false; }
static void holds_more(struct scene *c, struct forged *f) { (void)c; f->entry.u.hold.points++; }
static void leaves_more(struct scene *c, struct forged *f) { (void)c; f->entry.hold.left++; }
static void holds_nothing_of_one(struct scene *c, struct forged *f) { touch_too(f, c->alone); }
static void leaves_a_stranger(struct scene *c, struct forged *f) { touch_too(f, c->alone); }
static void leaves_unknown(struct scene *c, struct forged *f) { (void)c; f->entry.n_touched--; }
static void touches_too_many(struct scene *c, struct forged *f) { (void)c; f->entry.n_touched = LEDGER_TOUCHED_MAX + 1; }

enum base { BASE_JOIN, BASE_REDEEM, BASE_HOLD, BASE_LEAVE };
static const struct { const char *name; enum base base; void (*spoil)(struct scene *c, struct forged *f); } forgeries[] = {
	{ "the head is not who is touched", BASE_JOIN, stranger_joins },
	{ "no head is touched", BASE_JOIN, nobody_joins },
	{ "a member joins itself", BASE_JOIN, joins_itself },
	{ "somebody else is touched as well", BASE_JOIN, joins_with_a_witness },
	{ "who pays nothing is touched", BASE_REDEEM, spends_with_a_witness },
	{ "it is no pool's redemption", BASE_REDEEM, spends_without_a_pool },
	{ "one is touched twice", BASE_REDEEM, touches_one_twice },
	{ "who pays is not touched", BASE_REDEEM, spends_untouched },
	{ "more are touched than a pool has", BASE_REDEEM, touches_too_many },
	{ "it is no pool's hold", BASE_HOLD, holds_without_a_pool },
	{ "it holds less than it says", BASE_HOLD, holds_more },
	{ "less is left than it says", BASE_HOLD, leaves_more },
	{ "there is a part with nothing in it", BASE_HOLD, holds_nothing_of_one },
	{ "a stranger is touched when a member leaves", BASE_LEAVE, leaves_a_stranger },
	{ "a member of the pool that dissolves is not touched", BASE_LEAVE, leaves_unknown },
};

/* The entry is applied to one of the two states only, and its forgery to what the other one was before. */
static void
forged_entries_are_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		struct scene c, twin;
		struct forged f = { .entry = { .op = OP_NONE } };
		enum evolve_fault fault;
		struct cmd leave;

		scene_set(&c);
		scene_set(&twin);
		switch (forgeries[i].base) {
		case BASE_JOIN: forge(&twin, &f, join(&twin.s, twin.alone, twin.head)); break;
		case BASE_REDEEM: forge(&twin, &f, spend(&twin.s, OP_REDEEM, twin.second, "45")); break;
		case BASE_HOLD: forge(&twin, &f, spend(&twin.s, OP_HOLD, twin.second, "45")); break;
		case BASE_LEAVE:
			leave = stage_cmd(OP_POOL_LEAVE, twin.head);
			forge(&twin, &f, stage_play(&twin.s, &leave));
			break;
		}
		forgeries[i].spoil(&c, &f);
		assert_int_equal(evolve(&c.s.live.state, &f.entry, twin.s.id, c.s.now_us, EVOLVE_LIVE, &fault), ST_OK);
		if (fault == EVOLVE_OK)
			fail_msg("%s: nothing is wrong", forgeries[i].name);
		stage_release(&twin.s);
		stage_release(&c.s);
	}
}

/* ---- whom a command may touch ---- */

static size_t
others_of(struct scene *c, const struct cmd *cmd)
{
	uint64_t others[LEDGER_OTHERS_MAX];
	size_t n;

	assert_int_equal(command_others(&c->s.live.state, cmd, others, &n), ST_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_not_equal(others[i], cmd->member);
	return n;
}

static void
everybody_that_it_may_touch_is_named(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	struct cmd redeem = stage_cmd(OP_REDEEM, c.third), leave = stage_cmd(OP_POOL_LEAVE, c.head), merge = stage_cmd(OP_MERGE, c.head);
	assert_int_equal(others_of(&c, &redeem), 0);
	redeem.u.redeem.pool = true;
	assert_int_equal(others_of(&c, &redeem), 2);
	redeem.member = c.alone;
	assert_int_equal(others_of(&c, &redeem), 0);
	assert_int_equal(others_of(&c, &leave), 2);
	merge.u.other.member = c.alone;
	assert_int_equal(others_of(&c, &merge), 3);
	assert_int_equal(spend(&c.s, OP_HOLD, c.third, "25"), LEDGER_OK);
	struct cmd capture = stage_cmd(OP_CAPTURE, c.third);
	capture.u.capture.found = true;
	capture.u.capture.hold = c.s.id;
	assert_int_equal(others_of(&c, &capture), 2);		/* it has none of the third's, who has the hold */
	assert_int_equal(stage_capture(&c.s, c.third, c.s.id, "25"), LEDGER_OK);
	struct cmd reverse = stage_cmd(OP_REVERSE_REDEEM, c.third);
	reverse.u.past.entry = &c.s.entry;
	assert_int_equal(others_of(&c, &reverse), 2);
	stage_release(&c.s);
}

/* A record with parts, owners and joined members is read as it was written. */
static void
records_survive(void **state)
{
	struct member read;
	struct scene c;
	struct buf bytes[2];

	(void)state;
	scene_set(&c);
	assert_int_equal(spend(&c.s, OP_HOLD, c.second, "45"), LEDGER_OK);
	const uint64_t members[] = { c.head, c.second, c.third };
	for (size_t i = 0; i < 3; i++) {
		const struct member *m = stage_member(&c.s, members[i]);

		assert_int_equal(m->holds[0].part, i != 1);
		assert_int_equal(m->holds[0].pooled, i == 1 ? 45 : 0);
		assert_int_equal(m->n_joined, i == 0 ? 2 : 0);
		buf_init(&bytes[0]);
		buf_init(&bytes[1]);
		member_encode(m, &bytes[0]);
		assert_int_equal(member_decode(buf_bytes(&bytes[0]), &c.s.arena, &read), ST_OK);
		member_encode(&read, &bytes[1]);
		assert_true(bytes_equal(buf_bytes(&bytes[0]), buf_bytes(&bytes[1])));
		buf_release(&bytes[0]);
		buf_release(&bytes[1]);
	}
	stage_release(&c.s);
}

/* ---- programs ---- */

static void
sizes_of_a_pool(void **state)
{
	static const struct { bool has; uint32_t members; enum status want; } rows[] = {
		{ false, 0, ST_INVALID }, { true, 0, ST_INVALID }, { true, 1, ST_INVALID }, { true, 2, ST_OK }, { true, LEDGER_POOL_MAX, ST_OK },
		{ true, LEDGER_POOL_MAX + 1, ST_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = family();
		struct zone zone = stage_zone(9);
		struct program_error error;
		struct program *p;
		struct arena arena;

		arena_init(&arena, 1u << 22);
		def.has_max_members = rows[i].has;
		def.max_members = rows[i].members;
		assert_int_equal(program_compile(&def, &zone, &arena, &p, &error), rows[i].want);
		if (rows[i].want != ST_OK)
			assert_string_equal(error.path, "pools.max_members");
		arena_release(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forged_entries_are_faults),
		cmocka_unit_test(everybody_that_it_may_touch_is_named),
		cmocka_unit_test(records_survive),
		cmocka_unit_test(sizes_of_a_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
