/* Earning: replacements, fallback, caps of every period, terms and remainders. */
#include "earn_world.h"

/* ---- replacing, falling back, caps ---- */

static struct program_def
hc1(void)
{
	struct program_def def = program("KRW");
	const struct { const char *id; const char *const *category; } specials[] = { { "online", online }, { "restaurant", restaurant } };

	struct rule_def *base = add(&def, per_amount("base", 30, "1000", "15", false));
	base->when.has_previous_month_spend = true;
	base->when.previous_min = "500000";
	for (size_t i = 0; i < 2; i++) {
		struct rule_def *r = add(&def, per_amount(specials[i].id, 10 + (uint32_t)i, "100", "5", false));
		r->when.categories = one(specials[i].category);
		r->when.has_previous_month_spend = true;
		r->when.previous_min = "1000000";
		r->replaces = "base";
		r->n_caps = 1;
		r->caps[0] = cap(PERIOD_MONTH, "10000", 0, CAP_FALLBACK, "specials");
	}
	return def;
}

static int64_t
buy_in(struct stage *s, uint64_t m, const char *category, const char *amount)
{
	const struct line line = { .category = category, .qty = 1, .amount = dec(amount) };

	return buy_lines(s, m, amount, NULL, &line, 1);
}

static void
hc1_shares_a_cap_and_falls_back(void **state)
{
	struct program_def def = hc1();
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-02-12T10:00:00");
	assert_int_equal(buy_in(&s, m, "grocery", "1200000"), 0);	/* nothing was spent in January */
	stage_at(&s, "2026-03-12T10:00:00");
	assert_int_equal(buy_in(&s, m, "grocery", "100000"), 1500);
	assert_int_equal(buy_in(&s, m, "online", "200000"), 10000);
	assert_int_equal(granted_by(&s, "online"), 10000);
	assert_int_equal(wanted(&s), 10000);
	assert_int_equal(s.entry.n_grants, 1);
	assert_int_equal(buy_in(&s, m, "restaurant", "30000"), 450);
	assert_int_equal(granted_by(&s, "base"), 450);
	assert_int_equal(wanted(&s), 450);
	assert_int_equal(s.entry.n_grants, 1);			/* all of the amount fell to the base rule */
	assert_null(grant_of(&s, "base")->cap);
	stage_at(&s, "2026-04-01T00:00:00");			/* March had 330 000: neither 5 % nor 1.5 % */
	assert_int_equal(buy_in(&s, m, "online", "1000000"), 0);
	stage_release(&s);
}

/* The last 7 points of room take 140 won; 60 go to the base rule. Odd steps and rounding: the smallest amount that reaches the room. */
static void
fallback_keeps_the_smallest_amount(void **state)
{
	static const struct {
		const char *name, *amount, *points, *room, *bought;
		bool whole;
		enum rounding_mode mode;
		int64_t special, base, clipped;	/* what the amount that is kept gives beyond the room */
	} rows[] = {
		{ "evenly", "100", "5", "7", "200", false, ROUNDING_FLOOR, 7, 60, 0 },
		{ "exactly the room", "100", "5", "10", "200", false, ROUNDING_FLOOR, 10, 0, 0 },
		{ "one point of room less", "100", "5", "9", "200", false, ROUNDING_FLOOR, 9, 20, 0 },
		{ "floor", "3", "1", "2", "10", false, ROUNDING_FLOOR, 2, 4, 0 },
		{ "nearest", "3", "1", "2", "10", false, ROUNDING_NEAREST, 2, 5, 0 },	/* 5 / 3 = 1.67 */
		{ "ceil", "3", "1", "2", "10", false, ROUNDING_CEIL, 2, 6, 0 },		/* 4 / 3 */
		{ "no room", "3", "1", "0", "10", false, ROUNDING_CEIL, 0, 10, 0 },
		{ "whole steps that fit", "3", "2", "5", "10", true, ROUNDING_FLOOR, 4, 4, 0 },
		{ "many points a minor unit", "1", "4", "6", "10", false, ROUNDING_FLOOR, 6, 8, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = program("KRW");
		struct stage s;

		def.rounding = rows[i].mode;
		add(&def, per_amount("base", 20, "1", "1", false));
		struct rule_def *r = add(&def, per_amount("special", 10, rows[i].amount, rows[i].points, rows[i].whole));
		r->replaces = "base";
		r->n_caps = 1;
		r->caps[0] = cap(PERIOD_DAY, rows[i].room, 0, CAP_FALLBACK, NULL);
		uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
		(void)buy(&s, m, rows[i].bought);
		if (granted_by(&s, "special") != rows[i].special || granted_by(&s, "base") != rows[i].base)
			fail_msg("%s: %lld, %lld", rows[i].name, (long long)granted_by(&s, "special"), (long long)granted_by(&s, "base"));
		if (wanted(&s) != rows[i].special + rows[i].base + rows[i].clipped)
			fail_msg("%s: wanted %lld", rows[i].name, (long long)wanted(&s));
		stage_release(&s);
	}
}

/* Unfinished steps and clipped points are covered as well, and the rest never falls below zero. */
static void
a_replaced_rule_gets_what_is_not_covered(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;
	const struct line lines[] = { { .category = "drink", .qty = 1, .amount = dec("1999") } };

	(void)state;
	add(&def, per_amount("base", 30, "1", "1", false));
	struct rule_def *r = add(&def, per_amount("steps", 10, "1000", "10", true));
	r->when.categories = one(drink);
	r->replaces = "base";
	r->n_caps = 1;
	r->caps[0] = cap(PERIOD_TRANSACTION, "7", 0, CAP_CLIP, NULL);
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy_lines(&s, m, "2500", NULL, lines, 1), 7 + 501);
	assert_int_equal(wanted(&s), 10 + 501);
	def.rules[1].when.categories.n = 0;
	struct rule_def *twice = add(&def, per_amount("more", 20, "1000", "1", true));
	twice->replaces = "base";
	stage_publish(&s, &def);
	assert_int_equal(buy(&s, m, "2500"), 7 + 2);		/* both cover all */
	stage_release(&s);
}

static const struct {
	const char *name;
	enum period per;
	const char *points;
	uint32_t count;
	enum cap_over over;
	struct { const char *at; int64_t want; } events[4];	/* each would be 60 */
} caps[] = {
	{ "transaction, clipped", PERIOD_TRANSACTION, "50", 0, CAP_CLIP, { { "2026-03-12T10:00:00", 50 }, { "2026-03-12T10:00:00", 50 } } },
	{ "transaction, enough", PERIOD_TRANSACTION, "60", 0, CAP_REJECT, { { "2026-03-12T10:00:00", 60 }, { "2026-03-12T10:00:00", 60 } } },
	{ "transaction, rejected", PERIOD_TRANSACTION, "59", 0, CAP_REJECT, { { "2026-03-12T10:00:00", 0 }, { "2026-03-12T10:00:00", 0 } } },
	{ "day", PERIOD_DAY, "100", 0, CAP_CLIP,
	  { { "2026-03-12T10:00:00", 60 }, { "2026-03-12T23:59:59", 40 }, { "2026-03-12T23:59:59", 0 }, { "2026-03-13T00:00:00", 60 } } },
	{ "day, rejected", PERIOD_DAY, "100", 0, CAP_REJECT,
	  { { "2026-03-12T10:00:00", 60 }, { "2026-03-12T23:59:59", 0 }, { "2026-03-13T00:00:00", 60 } } },
	{ "month", PERIOD_MONTH, "100", 0, CAP_CLIP,
	  { { "2026-03-01T00:00:00", 60 }, { "2026-03-31T23:59:59", 40 }, { "2026-04-01T00:00:00", 60 } } },
	{ "year", PERIOD_YEAR, "100", 0, CAP_CLIP,
	  { { "2026-01-01T00:00:00", 60 }, { "2026-12-31T23:59:59", 40 }, { "2027-01-01T00:00:00", 60 } } },
	{ "lifetime", PERIOD_LIFETIME, "100", 0, CAP_CLIP,
	  { { "2026-01-01T00:00:00", 60 }, { "2027-12-31T23:59:59", 40 }, { "2036-01-01T00:00:00", 0 } } },
	{ "program", PERIOD_PROGRAM, "100", 0, CAP_CLIP,
	  { { "2026-01-01T00:00:00", 60 }, { "2027-12-31T23:59:59", 40 }, { "2036-01-01T00:00:00", 0 } } },
	{ "count of a day", PERIOD_DAY, NULL, 2, CAP_CLIP,
	  { { "2026-03-12T10:00:00", 60 }, { "2026-03-12T11:00:00", 60 }, { "2026-03-12T12:00:00", 0 }, { "2026-03-13T00:00:00", 60 } } },
	{ "count of a month, rejected", PERIOD_MONTH, NULL, 1, CAP_REJECT,
	  { { "2026-03-12T10:00:00", 60 }, { "2026-03-31T23:59:59", 0 }, { "2026-04-01T00:00:00", 60 } } },
	{ "count of a transaction", PERIOD_TRANSACTION, NULL, 1, CAP_REJECT, { { "2026-03-12T10:00:00", 60 }, { "2026-03-12T10:00:00", 60 } } },
	{ "a cap of nothing", PERIOD_LIFETIME, "0", 0, CAP_CLIP, { { "2026-03-12T10:00:00", 0 } } },
};

static void
caps_limit_their_periods(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct program_def def = program("KRW");
		struct stage s;

		struct rule_def *r = add(&def, per_amount("it", 10, "1", "1", false));
		r->n_caps = 1;
		r->caps[0] = cap(caps[i].per, caps[i].points, caps[i].count, caps[i].over, NULL);
		uint64_t m = begin(&s, &def, "2026-01-01T00:00:00");
		for (size_t k = 0; k < 4 && caps[i].events[k].at != NULL; k++) {
			go(&s, caps[i].events[k].at);
			if (buy(&s, m, "60") != caps[i].events[k].want)
				fail_msg("%s, event %zu: %lld", caps[i].name, k + 1, (long long)stage_granted(&s));
			assert_int_equal(wanted(&s), 60);
		}
		stage_release(&s);
	}
}

/* What fell to the replaced rule is what a share is taken from, too. */
static void
fallback_comes_before_shares(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	add(&def, per_amount("base", 20, "1000", "15", false));
	struct rule_def *r = add(&def, per_amount("special", 10, "100", "5", false));
	r->replaces = "base";
	r->n_caps = 1;
	r->caps[0] = cap(PERIOD_MONTH, "1000", 0, CAP_FALLBACK, NULL);
	add(&def, multiplier("double", 30, "2"));
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "30000"), 2 * (1000 + 150));	/* 20 000 at 5 %, 10 000 at 1.5 % */
	assert_int_equal(wanted(&s), 2 * (1000 + 150));
	assert_int_equal(buy(&s, m, "30000"), 2 * 450);
	assert_int_equal(wanted(&s), 2 * 450);
	stage_release(&s);
}

/* Two members share a program's cap, and nothing else. */
static void
a_programs_cap_is_of_all_members(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	struct rule_def *r = add(&def, per_amount("it", 10, "1", "1", false));
	r->n_caps = 2;
	r->caps[0] = cap(PERIOD_PROGRAM, "100", 0, CAP_CLIP, NULL);
	r->caps[1] = cap(PERIOD_DAY, "70", 0, CAP_CLIP, NULL);
	uint64_t a = begin(&s, &def, "2026-03-12T10:00:00"), b = stage_enrol(&s);
	assert_int_equal(buy(&s, a, "90"), 70);
	assert_string_equal(s.entry.grants[0].cap, "day");
	assert_int_equal(buy(&s, b, "90"), 30);
	assert_string_equal(s.entry.grants[0].cap, "program");
	assert_int_equal(s.live.programs[0].totals.n_tallies, 1);
	assert_int_equal(s.live.programs[0].totals.tallies[0].points, 100);
	struct buf bytes;
	struct totals back;
	buf_init(&bytes);
	totals_encode(&s.live.programs[0].totals, &bytes);
	assert_int_equal(totals_decode(buf_bytes(&bytes), &back), ST_OK);
	assert_memory_equal(&back, &s.live.programs[0].totals, sizeof(back));
	buf_release(&bytes);
	stage_release(&s);
}

/* Every version brings caps that are used: at last there is no room for another. */
static void
a_programs_caps_are_not_endless(void **state)
{
	struct stage s;
	uint64_t m = 0;

	(void)state;
	for (unsigned v = 0; v < 9; v++) {
		struct program_def def = program("KRW");
		static char ids[9][8][4];

		for (unsigned i = 0; i < 8; i++) {
			snprintf(ids[v][i], sizeof(ids[v][i]), "%c%u", (char)('a' + v), i);
			struct rule_def *r = add(&def, fixed(ids[v][i], 10 + i, RULE_BASE, "1"));
			r->n_caps = 1;
			r->caps[0] = cap(PERIOD_PROGRAM, "100", 0, CAP_CLIP, NULL);
		}
		if (v == 0)
			m = begin(&s, &def, "2026-03-12T10:00:00");
		else if (v < 8)
			stage_publish(&s, &def);
		if (v < 8) {
			assert_int_equal(buy(&s, m, "1"), 8);
			continue;
		}
		const struct program *p = stage_compile(&s, &def);
		struct cmd c = stage_cmd(OP_PUBLISH, 0);
		c.u.publish.id = def.id;
		c.u.publish.definition = memory_definition(&p);
		c.u.publish.compiled = p;
		assert_int_equal(stage_play(&s, &c), LEDGER_INVALID_ARGUMENT);
		assert_string_equal(s.refusal.field, "earn");
	}
	assert_int_equal(s.live.programs[0].totals.n_tallies, LEDGER_PROGRAM_CAPS_MAX);
	stage_release(&s);
}

/* A group counts an event once, and shares points within it. */
static void
a_group_is_shared_within_an_event(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rule_def *r = add(&def, fixed(i == 0 ? "first" : "second", 10 + (uint32_t)i, i == 0 ? RULE_BASE : RULE_BONUS, "60"));
		r->n_caps = 2;
		r->caps[0] = cap(PERIOD_DAY, "100", 0, CAP_CLIP, "points");
		r->caps[1] = cap(PERIOD_MONTH, NULL, 1, CAP_CLIP, "visits");
	}
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "1"), 100);
	assert_int_equal(granted_by(&s, "second"), 40);
	assert_string_equal(grant_of(&s, "second")->cap, "points");
	stage_at(&s, "2026-03-13T10:00:00");
	assert_int_equal(buy(&s, m, "1"), 0);
	assert_string_equal(grant_of(&s, "first")->cap, "visits");
	stage_at(&s, "2026-04-01T00:00:00");
	assert_int_equal(buy(&s, m, "1"), 100);
	stage_release(&s);
}

/* Shares come from the base that no cap touched, and have caps of their own. */
static void
caps_leave_shares_alone(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	struct rule_def *r = add(&def, per_amount("base", 10, "1", "1", false));
	r->n_caps = 1;
	r->caps[0] = cap(PERIOD_DAY, "10", 0, CAP_CLIP, NULL);
	r = add(&def, multiplier("double", 20, "2"));
	r->n_caps = 1;
	r->caps[0] = cap(PERIOD_DAY, "75", 0, CAP_CLIP, NULL);
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "50"), 10 + 50);
	assert_int_equal(wanted(&s), 100);
	assert_int_equal(buy(&s, m, "50"), 25);
	stage_release(&s);
}

static void
a_day_is_limited_from_the_last_component(void **state)
{
	struct program_def def = x1(STACKING_ADD);
	struct stage s;

	(void)state;
	def.earn_per_day = "400";
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "123400"), 400);
	assert_int_equal(wanted(&s), 407);
	assert_int_equal(granted_by(&s, "gift"), 93);
	assert_string_equal(grant_of(&s, "gift")->cap, "earn_per_day");
	assert_null(grant_of(&s, "base")->cap);
	assert_int_equal(buy(&s, m, "123400"), 0);
	assert_int_equal(s.entry.n_postings, 0);
	stage_at(&s, "2026-03-13T00:00:00");
	assert_int_equal(buy_at(&s, m, "1000", "2026-03-12T12:00:00"), 0);
	assert_int_equal(buy(&s, m, "1000"), 1 + 0 + 1 + 100);
	assert_int_equal(buy(&s, m, "123400"), 298);
	assert_int_equal(granted_by(&s, "campaign"), 298 - 123 - 61);
	assert_int_equal(granted_by(&s, "gift"), 0);
	stage_release(&s);
}

/* Rules have terms of their own; a share goes with the first base rule that gave something. */
static void
terms_are_the_rules(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	struct rule_def *r = add(&def, per_amount("base", 10, "1", "1", false));
	r->expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 10 };
	add(&def, multiplier("with-base", 20, "2"));
	r = add(&def, multiplier("own", 30, "2"));
	r->expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 20 };
	add(&def, fixed("gift", 40, RULE_BONUS, "5"));
	def.expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 30 };
	uint64_t m = begin(&s, &def, "2026-03-01T10:00:00");
	assert_int_equal(buy(&s, m, "100"), 305);
	const struct member *member = stage_member(&s, m);
	assert_int_equal(member->n_lots, 3);
	assert_int_equal(member->lots[0].last_day, day("2026-03-11"));
	assert_int_equal(member->lots[0].points, 200);
	assert_int_equal(member->lots[1].last_day, day("2026-03-21"));
	assert_int_equal(member->lots[1].points, 100);
	assert_int_equal(member->lots[2].last_day, day("2026-03-31"));
	assert_int_equal(member->lots[2].points, 5);
	stage_release(&s);
}

/* 30 + 20 of steps of 50: the remainder counts next time, and a quote keeps nothing. */
static void
remainders_are_carried(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	def.carry_remainder = true;
	add(&def, per_amount("base", 10, "50", "1", true));
	add(&def, multiplier("double", 20, "2"));
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "30"), 0);
	assert_int_equal(stage_member(&s, m)->tallies[0].points, 30);
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	c.u.purchase.amount = dec("20");
	c.is_quote = true;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 2);
	assert_int_equal(buy(&s, m, "19"), 0);
	assert_int_equal(stage_member(&s, m)->tallies[0].points, 49);
	assert_int_equal(buy(&s, m, "1"), 2);
	assert_int_equal(stage_member(&s, m)->n_tallies, 0);
	assert_int_equal(buy(&s, m, "120"), 4);
	assert_int_equal(stage_member(&s, m)->tallies[0].points, 20);
	assert_int_equal(buy(&s, m, "0"), 0);
	assert_int_equal(stage_member(&s, m)->tallies[0].points, 20);
	struct balance b = stage_balance(&s, m);
	assert_int_equal(b.n_remainders, 1);
	assert_string_equal(b.remainders[0].id, "base");
	assert_int_equal(b.remainders[0].value, 20);
	stage_release(&s);
}

/* What a record remembers survives its bytes. */
static void
tallies_survive_the_record(void **state)
{
	struct program_def def = hc1();
	struct stage s;
	struct buf a, b;
	struct member back;

	(void)state;
	def.earn_per_day = "50000";
	def.rules[0].when.min_gap = "1s";
	uint64_t m = begin(&s, &def, "2026-02-12T10:00:00");
	(void)buy_in(&s, m, "grocery", "1200000");
	stage_at(&s, "2026-03-12T10:00:00");
	(void)buy_in(&s, m, "online", "100000");
	(void)buy_in(&s, m, "grocery", "100000");
	buf_init(&a);
	buf_init(&b);
	member_encode(stage_member(&s, m), &a);
	assert_int_equal(member_decode(buf_bytes(&a), &s.arena, &back), ST_OK);
	assert_int_equal(back.n_tallies, 3);
	assert_int_equal(back.tallies[0].kind, TALLY_GROUP);
	assert_int_equal(back.tallies[1].kind, TALLY_EARNED);
	assert_int_equal(back.tallies[2].kind, TALLY_GAP);
	assert_int_equal(back.purchases, 3);
	member_encode(&back, &b);
	assert_true(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
	buf_release(&a);
	buf_release(&b);
	stage_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hc1_shares_a_cap_and_falls_back),
		cmocka_unit_test(fallback_keeps_the_smallest_amount),
		cmocka_unit_test(fallback_comes_before_shares),
		cmocka_unit_test(a_replaced_rule_gets_what_is_not_covered),
		cmocka_unit_test(caps_limit_their_periods),
		cmocka_unit_test(a_programs_cap_is_of_all_members),
		cmocka_unit_test(a_programs_caps_are_not_endless),
		cmocka_unit_test(a_group_is_shared_within_an_event),
		cmocka_unit_test(caps_leave_shares_alone),
		cmocka_unit_test(a_day_is_limited_from_the_last_component),
		cmocka_unit_test(terms_are_the_rules),
		cmocka_unit_test(remainders_are_carried),
		cmocka_unit_test(tallies_survive_the_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
