/* Earning: kinds, stacking and conditions.  What is asked of rounding is in test_outcome. */
#include "earn_world.h"

/* ---- stacking ---- */

static void
x1_stacks(void **state)
{
	static const struct { enum stacking stacking; bool once; int64_t tier, campaign, total; } rows[] = {
		{ STACKING_ADD, false, 61, 123, 407 },
		{ STACKING_MULTIPLY, false, 61, 185, 469 },
		{ STACKING_BEST, false, 0, 123, 346 },
		{ STACKING_ADD, true, 61, 123, 407 },			/* 184.5, 307.5, 407.5 */
		{ STACKING_MULTIPLY, true, 61, 185, 469 },
		{ STACKING_BEST, true, 0, 123, 346 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = x1(rows[i].stacking);
		struct stage s;

		def.round_once = rows[i].once;
		uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
		assert_int_equal(buy(&s, m, "123400"), rows[i].total);
		assert_int_equal(granted_by(&s, "base"), 123);
		assert_int_equal(granted_by(&s, "tier:gold"), rows[i].tier);
		assert_int_equal(granted_by(&s, "campaign"), rows[i].campaign);
		assert_int_equal(granted_by(&s, "gift"), 100);
		stage_release(&s);
	}
}

/* Shares round by their place: tier, then rules by priority. 10 × 1.25 = 12.5, × 1.5 = 18.75, × 1.1 = 20.625 */
static void
multiply_rounds_each_step(void **state)
{
	static const struct { enum rounding_mode mode; bool once; int64_t tier, first, second; } rows[] = {
		{ ROUNDING_FLOOR, false, 2, 6, 2 }, { ROUNDING_NEAREST, false, 3, 6, 2 }, { ROUNDING_CEIL, false, 3, 6, 2 },
		{ ROUNDING_FLOOR, true, 2, 6, 2 }, { ROUNDING_CEIL, true, 3, 6, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = program("KRW");
		struct stage s;

		def.stacking = STACKING_MULTIPLY;
		def.rounding = rows[i].mode;
		def.round_once = rows[i].once;
		add(&def, multiplier("second", 30, "1.1"));
		add(&def, multiplier("first", 20, "1.5"));
		add(&def, per_amount("base", 10, "1", "1", false));
		def.n_tiers = 1;
		def.tiers[0] = tier_of("gold", 0, NULL, NULL, "1.25");
		uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
		(void)buy(&s, m, "10");
		assert_int_equal(granted_by(&s, "tier:gold"), rows[i].tier);
		assert_int_equal(granted_by(&s, "first"), rows[i].first);
		assert_int_equal(granted_by(&s, "second"), rows[i].second);
		stage_release(&s);
	}
}

static void
the_first_of_equals_is_best(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	def.stacking = STACKING_BEST;
	add(&def, per_amount("base", 10, "1", "1", false));
	add(&def, multiplier("late", 30, "2"));
	add(&def, multiplier("early", 20, "2"));
	add(&def, multiplier("small", 15, "1.9"));
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "100"), 200);
	assert_int_equal(granted_by(&s, "early"), 100);
	assert_int_equal(s.entry.n_grants, 2);
	stage_release(&s);
}

/* Drinks double, what is not food gains half: each takes what the base gives for its own lines. */
static void
a_multiplier_of_lines_has_its_own_base(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;
	const struct line lines[] = {
		{ .sku = "latte", .category = "drink", .qty = 1, .amount = dec("1500") },
		{ .sku = "tea", .category = "drink", .qty = 1, .amount = dec("1700") },
		{ .sku = "cake", .category = "food", .qty = 1, .amount = dec("2900") },
	};

	(void)state;
	add(&def, per_amount("base", 10, "1000", "1", true));
	add(&def, multiplier("drinks", 20, "2"))->when.categories = one(drink);
	add(&def, multiplier("lattes", 30, "3"))->when.skus = one(latte);
	add(&def, multiplier("no-food", 40, "2"))->when.exclude_categories = one(food);
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	(void)buy_lines(&s, m, "9000", NULL, lines, 3);
	assert_int_equal(granted_by(&s, "base"), 9);
	assert_int_equal(granted_by(&s, "drinks"), 3);		/* 3 200 */
	assert_int_equal(granted_by(&s, "lattes"), 2);		/* 1 500 */
	assert_int_equal(granted_by(&s, "no-food"), 6);		/* 6 100 */
	(void)buy_lines(&s, m, "9000", "4500", lines, 3);	/* half is paid with points */
	assert_int_equal(granted_by(&s, "base"), 4);
	assert_int_equal(granted_by(&s, "drinks"), 1);
	assert_int_equal(granted_by(&s, "lattes"), 0);
	assert_int_equal(granted_by(&s, "no-food"), 1);		/* 6 100 less all that was paid */
	(void)buy_lines(&s, m, "9000", NULL, NULL, 0);		/* nothing has a category */
	assert_int_equal(s.entry.n_grants, 2);
	assert_int_equal(granted_by(&s, "no-food"), 9);
	stage_release(&s);
}

/* Lines of the same choice compound; others do not reach each other. */
static void
multiply_compounds_where_lines_are_shared(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;
	const struct line lines[] = {
		{ .category = "drink", .qty = 1, .amount = dec("100") }, { .category = "food", .qty = 1, .amount = dec("10") },
	};

	(void)state;
	def.stacking = STACKING_MULTIPLY;
	add(&def, per_amount("base", 10, "1", "1", false));
	add(&def, multiplier("drinks", 20, "2"))->when.categories = one(drink);
	add(&def, multiplier("all", 30, "3"));
	add(&def, multiplier("drinks-too", 40, "2"))->when.categories = one(drink);
	add(&def, multiplier("food", 50, "2"))->when.categories = one(food);
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	(void)buy_lines(&s, m, "110", NULL, lines, 2);
	assert_int_equal(granted_by(&s, "drinks"), 100);
	assert_int_equal(granted_by(&s, "all"), 220);
	assert_int_equal(granted_by(&s, "drinks-too"), 100 * 2 * 3);
	assert_int_equal(granted_by(&s, "food"), 10 * 3);
	stage_release(&s);
}

/* ---- conditions: each with the last event that is in and the first that is out ---- */

#define WHEN(name, ...) static void when_##name(struct rule_def *r) { __VA_ARGS__; }
static const char *const weekend[] = { "sat", "sun" }, *const allies[] = { "air" }, *const golden[] = { "gold" };
WHEN(min_amount, r->when.min_amount = "1000")
WHEN(max_amount, r->when.max_amount = "1000")
WHEN(weekdays, r->when.weekdays = (struct word_list){ 2, weekend })
WHEN(hours, r->when.hours = "07:00-09:30")
WHEN(night, r->when.hours = "22:00-02:00")
WHEN(evening, r->when.hours = "22:00-24:00")
WHEN(from, r->when.from = "2026-03-14")
WHEN(until, r->when.until = "2026-03-14")
WHEN(one_day, r->when.from = r->when.until = "2026-03-14")
WHEN(member_days, r->when.has_member_days_min = true; r->when.member_days_min = 2)

static const struct {
	const char *name;
	void (*set)(struct rule_def *r);
	const char *at, *amount;
	bool in;
} conditions[] = {
	{ "just enough", when_min_amount, "2026-03-12T10:00:00", "1000", true },
	{ "one less", when_min_amount, "2026-03-12T10:00:00", "999", false },
	{ "just not too much", when_max_amount, "2026-03-12T10:00:00", "1000", true },
	{ "one more", when_max_amount, "2026-03-12T10:00:00", "1001", false },
	{ "Friday's last second", when_weekdays, "2026-03-13T23:59:59", "10", false },
	{ "Saturday's first", when_weekdays, "2026-03-14T00:00:00", "10", true },
	{ "Sunday's last", when_weekdays, "2026-03-15T23:59:59", "10", true },
	{ "Monday's first", when_weekdays, "2026-03-16T00:00:00", "10", false },
	{ "before seven", when_hours, "2026-03-12T06:59:59", "10", false },
	{ "seven", when_hours, "2026-03-12T07:00:00", "10", true },
	{ "before half past nine", when_hours, "2026-03-12T09:29:59", "10", true },
	{ "half past nine", when_hours, "2026-03-12T09:30:00", "10", false },
	{ "before ten at night", when_night, "2026-03-12T21:59:59", "10", false },
	{ "ten at night", when_night, "2026-03-12T22:00:00", "10", true },
	{ "midnight within", when_night, "2026-03-13T00:00:00", "10", true },
	{ "before two", when_night, "2026-03-13T01:59:59", "10", true },
	{ "two", when_night, "2026-03-13T02:00:00", "10", false },
	{ "before midnight", when_evening, "2026-03-12T23:59:59", "10", true },
	{ "after midnight", when_evening, "2026-03-13T00:00:00", "10", false },
	{ "the day before from", when_from, "2026-03-13T23:59:59", "10", false },
	{ "from", when_from, "2026-03-14T00:00:00", "10", true },
	{ "until", when_until, "2026-03-14T23:59:59", "10", true },
	{ "the day after until", when_until, "2026-03-15T00:00:00", "10", false },
	{ "one day", when_one_day, "2026-03-14T12:00:00", "10", true },
	{ "a member of one day", when_member_days, "2026-03-13T12:00:00", "10", false },
	{ "a member of two days", when_member_days, "2026-03-14T00:00:00", "10", true },
};

static void
conditions_hold_at_their_edges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		struct program_def def = program("KRW");
		struct stage s;

		conditions[i].set(add(&def, fixed("it", 10, RULE_BASE, "7")));
		uint64_t m = begin(&s, &def, "2026-03-12T00:00:00");
		go(&s, conditions[i].at);
		if (buy(&s, m, conditions[i].amount) != (conditions[i].in ? 7 : 0))
			fail_msg("%s", conditions[i].name);
		stage_release(&s);
	}
}

static void
stores_partners_and_tiers(void **state)
{
	static const struct { const char *store, *partner, *gift; int64_t want; } rows[] = {
		{ NULL, NULL, "", 0 }, { "s1", NULL, "", 1 }, { "s2", NULL, "", 1 }, { "s3", NULL, "", 0 },
		{ "s3", "air", "", 10 }, { "s1", "air", "", 11 }, { NULL, "sea", "", 0 }, { "s2", "air", "gold", 111 },
	};
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	add(&def, fixed("shops", 10, RULE_BASE, "1"))->when.stores = (struct word_list){ 2, shops };
	add(&def, fixed("allies", 20, RULE_BASE, "10"))->when.partners = one(allies);
	add(&def, fixed("golden", 30, RULE_BASE, "100"))->when.tiers = one(golden);
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "spend", "1000000", NULL);
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cmd gift = stage_cmd(OP_TIER, m), c = stage_cmd(OP_PURCHASE, m);

		gift.u.tier.tier = rows[i].gift;
		assert_int_equal(stage_play(&s, &gift), LEDGER_OK);
		c.store = rows[i].store;
		c.u.purchase.partner = rows[i].partner;
		c.u.purchase.amount = dec("100");
		assert_int_equal(stage_play(&s, &c), LEDGER_OK);
		assert_int_equal(stage_granted(&s), rows[i].want);
	}
	stage_release(&s);
}

/* A zone with summer time: New York, 8 March 2026, 02:00 → 03:00 local. */
static void
hours_are_local_in_summer_time(void **state)
{
	static const struct { const char *utc; int64_t want; } rows[] = {
		{ "2026-03-08T06:59:59Z", 0 },			/* 01:59:59 -05:00 */
		{ "2026-03-08T07:00:00Z", 5 },			/* 03:00:00 -04:00: two o'clock never was */
		{ "2026-03-08T07:59:59Z", 5 },
		{ "2026-03-08T08:00:00Z", 0 },			/* 04:00 */
	};
	struct program_def def = program("USD");
	struct stage s;

	(void)state;
	add(&def, fixed("night", 10, RULE_BASE, "5"))->when.hours = "02:00-04:00";
	uint64_t m = begin(&s, &def, "2026-03-01T00:00:00");
	struct program *p = (struct program *)(uintptr_t)s.live.programs[0].versions[0];
	p->zone = (struct zone){
		.n_transitions = 1, .at_s = { 1772953200 }, .offset_s = { -4 * 3600 }, .first_offset_s = -5 * 3600,
	};
	*(struct program *)(uintptr_t)s.replay.programs[0].versions[0] = *p;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(instant_parse(rows[i].utc, &s.now_us));
		assert_int_equal(buy(&s, m, "10.00"), rows[i].want);
	}
	stage_release(&s);
}

static void
the_first_purchase_is_the_first_accepted(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	struct rule_def *r = add(&def, fixed("welcome", 10, RULE_BASE, "50"));
	r->when.has_first_purchase = r->when.first_purchase = true;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "0"), 0);			/* accepted, and nothing eligible */
	assert_int_equal(buy(&s, m, "100"), 0);
	uint64_t other = stage_enrol(&s);
	assert_int_equal(buy(&s, other, "100"), 50);
	assert_int_equal(buy_at(&s, other, "100", "2026-03-11T10:00:00"), 0);	/* earlier, but accepted later */
	stage_release(&s);
}

static void
gaps_look_both_ways(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	add(&def, fixed("visit", 10, RULE_BASE, "1"))->when.min_gap = "3m";
	uint64_t m = begin(&s, &def, "2026-03-12T09:00:00");
	stage_at(&s, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "100"), 1);
	stage_at(&s, "2026-03-12T10:02:59");
	assert_int_equal(buy(&s, m, "100"), 0);
	stage_at(&s, "2026-03-12T10:03:00");
	assert_int_equal(buy(&s, m, "100"), 1);			/* exactly the gap */
	stage_at(&s, "2026-03-12T12:00:00");
	assert_int_equal(buy_at(&s, m, "100", "2026-03-12T09:57:01"), 0);
	assert_int_equal(buy_at(&s, m, "100", "2026-03-12T09:57:00"), 1);
	assert_int_equal(buy_at(&s, m, "100", "2026-03-12T10:01:30"), 0);
	assert_int_equal(stage_member(&s, m)->n_tallies, 3);
	stage_at(&s, "2026-05-12T12:00:00");			/* beyond late_days they are forgotten */
	assert_int_equal(buy(&s, m, "100"), 1);
	assert_int_equal(stage_member(&s, m)->n_tallies, 1);
	stage_release(&s);
}

static void
the_month_before(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	struct rule_def *r = add(&def, per_amount("base", 10, "100", "1", false));
	r->when.has_previous_month_spend = true;
	r->when.previous_min = "1000";
	r->when.waive_months = 2;
	uint64_t m = begin(&s, &def, "2026-01-31T10:00:00");
	assert_int_equal(buy(&s, m, "100"), 1);			/* the month of enrolment */
	stage_at(&s, "2026-02-28T23:59:59");
	assert_int_equal(buy(&s, m, "999"), 9);			/* and the next */
	stage_at(&s, "2026-03-01T00:00:00");
	assert_int_equal(buy(&s, m, "1000"), 0);		/* 999 in February */
	assert_int_equal(buy_at(&s, m, "1", "2026-02-28T23:59:59"), 0);
	assert_int_equal(buy(&s, m, "1000"), 10);		/* 1 000 now */
	stage_at(&s, "2026-04-30T10:00:00");
	assert_int_equal(buy(&s, m, "100"), 1);
	stage_at(&s, "2026-05-01T00:00:00");
	assert_int_equal(buy(&s, m, "100"), 0);			/* April had 100 */
	stage_release(&s);
}

/* HC8: half past three in the afternoon of 31 March UTC is 1 April in Seoul. */
static void
hc8_belongs_to_april(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	struct rule_def *r = add(&def, per_amount("base", 10, "1", "1", false));
	r->n_caps = 1;
	r->caps[0] = cap(PERIOD_MONTH, "100", 0, CAP_CLIP, NULL);
	uint64_t m = begin(&s, &def, "2026-03-31T10:00:00");
	assert_int_equal(buy(&s, m, "100"), 100);
	assert_true(instant_parse("2026-03-31T15:30:00Z", &s.now_us));
	assert_int_equal(buy(&s, m, "70"), 70);
	assert_int_equal(s.entry.business_date, day("2026-04-01"));
	assert_int_equal(buy_at(&s, m, "70", "2026-03-31T23:59:59"), 0);
	assert_int_equal(buy(&s, m, "70"), 30);
	stage_release(&s);
}

/* KR1 */
static void
kr1(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;
	const struct line cups[] = { { .sku = "cup", .category = "drink", .qty = 1, .amount = dec("4500") } };

	(void)state;
	struct rule_def *r = add(&def, fixed("receipt", 10, RULE_BASE, "1"));
	r->when.min_amount = "1000";
	r->when.min_gap = "3m";
	add(&def, per_amount("spend", 20, "10000", "1", true))->when.min_gap = "3m";
	add(&def, per_item("own-cup", 30, RULE_BONUS, "1"))->when.skus = one(cup);
	def.n_tiers = 2;
	def.tiers[0] = tier_of("welcome", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("green", 1, "points_earned", "5", NULL);
	uint64_t m = begin(&s, &def, "2026-03-12T09:00:00");
	stage_at(&s, "2026-03-12T10:00:00");
	assert_int_equal(buy_lines(&s, m, "23500", NULL, cups, 1), 4);
	stage_at(&s, "2026-03-12T10:02:00");
	assert_int_equal(buy(&s, m, "5000"), 0);
	stage_at(&s, "2026-03-13T10:00:00");
	assert_int_equal(buy(&s, m, "1000"), 1);
	assert_string_equal(stage_balance(&s, m).tier, "green");
	assert_int_equal(stage_member(&s, m)->available, 5);
	stage_at(&s, "2026-03-14T10:00:00");
	assert_int_equal(buy(&s, m, "999"), 0);
	stage_release(&s);
}

static void
items_are_counted(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;
	const struct line lines[] = {
		{ .sku = "latte", .category = "drink", .qty = 3, .amount = dec("300") },
		{ .sku = "latte", .category = "gift", .qty = 5, .amount = dec("500") },
		{ .sku = "cake", .category = "food", .qty = 2, .amount = dec("200") },
		{ .sku = "tea", .category = "drink", .qty = 7, .amount = dec("0") },
	};

	(void)state;
	add(&def, per_item("all", 10, RULE_BASE, "1"));
	add(&def, per_item("not-food", 20, RULE_BASE, "1"))->when.exclude_categories = one(food);
	struct rule_def *r = add(&def, per_item("latte-drinks", 30, RULE_BASE, "10"));
	r->when.skus = one(latte);
	r->when.categories = one(drink);
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	(void)buy_lines(&s, m, "2000", NULL, lines, 4);
	assert_int_equal(granted_by(&s, "all"), 17);
	assert_int_equal(granted_by(&s, "not-food"), 15);
	assert_int_equal(granted_by(&s, "latte-drinks"), 30);
	assert_int_equal(buy_lines(&s, m, "2000", NULL, &lines[3], 1), 14);
	assert_int_equal(buy(&s, m, "2000"), 0);		/* no lines, no items */
	stage_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x1_stacks),
		cmocka_unit_test(multiply_rounds_each_step),
		cmocka_unit_test(the_first_of_equals_is_best),
		cmocka_unit_test(a_multiplier_of_lines_has_its_own_base),
		cmocka_unit_test(multiply_compounds_where_lines_are_shared),
		cmocka_unit_test(conditions_hold_at_their_edges),
		cmocka_unit_test(stores_partners_and_tiers),
		cmocka_unit_test(hours_are_local_in_summer_time),
		cmocka_unit_test(the_first_purchase_is_the_first_accepted),
		cmocka_unit_test(gaps_look_both_ways),
		cmocka_unit_test(the_month_before),
		cmocka_unit_test(hc8_belongs_to_april),
		cmocka_unit_test(kr1),
		cmocka_unit_test(items_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
