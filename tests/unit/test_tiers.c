/* Tiers over the years: how long they last, what keeps them, where they fall to, and that sleeping through nights changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/* green, and gold at 500 of spend; scale 0, KRW. */
static struct program_def
two_tiers(void)
{
	struct program_def def = plain("KRW");

	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "spend", "500", NULL);
	def.tiers[1].window = WINDOW_ROLLING_MONTHS;
	def.tiers[1].rolling_months = 12;
	def.tiers[1].has_valid = true;
	def.tiers[1].valid = VALID_MONTHS;
	def.tiers[1].valid_months = 12;
	return def;
}

static uint64_t
begin(struct stage *s, const struct program_def *def, const char *at)
{
	stage_init(s);
	stage_at(s, at);
	stage_publish(s, def);
	return stage_enrol(s);
}

static void
assert_tier(struct stage *s, uint64_t m, const char *tier, const char *until)
{
	struct balance b = stage_balance(s, m);
	char text[DAY_TEXT_BYTES];

	if (strcmp(b.tier, tier) != 0 || strcmp(day_format(b.tier_until, text), until) != 0)
		fail_msg("%s until %s, not %s until %s", b.tier, day_format(b.tier_until, text), tier, until);
}

static void
sb1(void **state)
{
	struct program_def def = plain("USD");
	struct stage s;

	(void)state;
	def.scale = 2;
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "points_earned", "500", "1.2");
	def.tiers[1].window = WINDOW_ROLLING_MONTHS;
	def.tiers[1].rolling_months = 12;
	def.tiers[1].has_valid = true;
	def.tiers[1].valid = VALID_MONTHS;
	def.tiers[1].valid_months = 12;
	def.has_redemption = true;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "100.00"), LEDGER_OK);
	assert_tier(&s, m, "green", "never");
	stage_at(&s, "2026-04-01T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "399.00"), LEDGER_OK);
	assert_tier(&s, m, "green", "never");
	assert_int_equal(stage_member(&s, m)->available, 49900);
	stage_at(&s, "2026-04-02T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "2.00"), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 200);
	assert_int_equal(stage_member(&s, m)->available, 50100);
	assert_tier(&s, m, "gold", "2027-04-02");
	assert_int_equal(stage_balance(&s, m).points_to_keep, 50000);
	stage_at(&s, "2026-04-03T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "10.00"), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 1200);
	assert_int_equal(stage_member(&s, m)->available, 51300);
	stage_at(&s, "2026-04-04T10:00:00");
	assert_int_equal(stage_redeem(&s, m, "100"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->available, 41300);
	assert_int_equal(stage_member(&s, m)->points_earned, 51300);
	assert_true(stage_balance(&s, m).has_keep);
	assert_int_equal(stage_balance(&s, m).points_to_keep, 48800);
	stage_at(&s, "2027-04-02T23:59:59");
	assert_tier(&s, m, "gold", "2027-04-02");
	stage_at(&s, "2027-04-03T00:00:00");
	assert_tier(&s, m, "green", "never");
	assert_int_equal(stage_balance(&s, m).tier_since, day("2027-04-03"));
	assert_false(stage_balance(&s, m).has_keep);
	assert_int_equal(s.n_due, 1);
	stage_release(&s);
}

/* ---- how long ---- */

static const struct { const char *name; enum valid_kind valid; uint32_t months; enum round_up round_up; const char *reached, *until, *next; }
validities[] = {
	{ "AL3: two years to the month's end", VALID_MONTHS, 24, ROUND_UP_MONTH, "2026-05-10", "2028-05-31", "2030-05-31" },
	{ "a month from the 31st", VALID_MONTHS, 1, ROUND_UP_NONE, "2026-01-31", "2026-02-28", "2026-03-28" },
	{ "a month from the 31st, leap year", VALID_MONTHS, 1, ROUND_UP_NONE, "2028-01-31", "2028-02-29", "2028-03-29" },
	{ "a year from a leap day", VALID_MONTHS, 12, ROUND_UP_NONE, "2028-02-29", "2029-02-28", "2030-02-28" },
	{ "to the quarter", VALID_MONTHS, 12, ROUND_UP_QUARTER, "2026-04-02", "2027-06-30", "2028-06-30" },
	{ "to the half year", VALID_MONTHS, 6, ROUND_UP_HALF_YEAR, "2026-04-02", "2026-12-31", "2027-06-30" },
	{ "to the year", VALID_MONTHS, 1, ROUND_UP_YEAR, "2026-04-02", "2026-12-31", "2027-12-31" },
	{ "this year", VALID_END_OF_YEAR, 0, ROUND_UP_NONE, "2026-04-02", "2026-12-31", "2027-12-31" },
	{ "this year, on its last day", VALID_END_OF_YEAR, 0, ROUND_UP_NONE, "2026-12-31", "2026-12-31", "2027-12-31" },
	{ "next year", VALID_END_OF_NEXT_YEAR, 0, ROUND_UP_NONE, "2026-04-02", "2027-12-31", "2028-12-31" },
	{ "for ever", VALID_FOREVER, 0, ROUND_UP_NONE, "2026-04-02", "never", NULL },
};

static void
validity(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(validities) / sizeof(validities[0]); i++) {
		struct tier t = { .valid = validities[i].valid, .valid_months = validities[i].months, .valid_round_up = validities[i].round_up };
		char text[DAY_TEXT_BYTES];
		int32_t until = tier_valid_until(&t, day(validities[i].reached), false);

		if (strcmp(day_format(until, text), validities[i].until) != 0)
			fail_msg("%s: until %s", validities[i].name, text);
		if (validities[i].next != NULL && strcmp(day_format(tier_valid_until(&t, until, true), text), validities[i].next) != 0)
			fail_msg("%s: then until %s", validities[i].name, text);
	}
	struct tier end = { .valid = VALID_END_OF_NEXT_YEAR };
	assert_int_equal(tier_valid_until(&end, day("9999-05-01"), false), DAY_NEVER);
}

/* ---- keeping ---- */

/* Gold is reached on 2026-04-02 through 2027-04-02; what is spent on a day decides what it is on 2027-04-03. */
static void
keep_counts_the_days_of_the_validity(void **state)
{
	static const struct { const char *at, *amount; enum window_kind window; const char *keep, *tier, *until; } rows[] = {
		{ "2026-04-02T11:00:00", "500", WINDOW_SINCE_TIER_START, NULL, "green", "never" },	/* the day it was reached is not in it */
		{ "2026-04-03T00:00:00", "499", WINDOW_ROLLING_MONTHS, NULL, "green", "never" },
		{ "2026-04-03T00:00:00", "500", WINDOW_ROLLING_MONTHS, NULL, "gold", "2028-04-02" },
		{ "2027-04-02T23:59:59", "501", WINDOW_ROLLING_MONTHS, NULL, "gold", "2028-04-02" },
		{ "2027-04-02T23:59:59", "500", WINDOW_SINCE_TIER_START, NULL, "gold", "2028-04-02" },
		{ "2026-12-31T12:00:00", "500", WINDOW_CALENDAR_YEAR, NULL, "green", "never" },	/* 2027 is the last year in them */
		{ "2027-01-01T12:00:00", "500", WINDOW_CALENDAR_YEAR, NULL, "gold", "2028-04-02" },
		{ "2026-06-01T12:00:00", "1", WINDOW_LIFETIME, NULL, "gold", "2028-04-02" },
		{ "2026-06-01T12:00:00", "99", WINDOW_ROLLING_MONTHS, "100", "green", "never" },
		{ "2026-06-01T12:00:00", "100", WINDOW_ROLLING_MONTHS, "100", "gold", "2028-04-02" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = two_tiers();
		struct stage s;

		def.tiers[1].window = rows[i].window;
		if (rows[i].keep != NULL) {
			def.tiers[1].has_keep = true;
			def.tiers[1].n_keep = 1;
			def.tiers[1].keep[0] = (struct all_def){ 1, { { "spend", rows[i].keep } } };
		}
		uint64_t m = begin(&s, &def, "2026-04-02T10:00:00");
		assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
		assert_tier(&s, m, "gold", "2027-04-02");
		stage_at(&s, rows[i].at);
		assert_int_equal(stage_purchase(&s, m, rows[i].amount), LEDGER_OK);
		assert_tier(&s, m, "gold", "2027-04-02");		/* reaching it again changes nothing */
		stage_at(&s, "2027-04-03T00:00:00");
		assert_tier(&s, m, rows[i].tier, rows[i].until);
		if (strcmp(rows[i].tier, "gold") == 0)
			assert_int_equal(stage_balance(&s, m).tier_since, day("2026-04-02"));
		stage_release(&s);
	}
}

static void
a_whole_calendar_year_decides(void **state)
{
	struct program_def def = two_tiers();
	struct stage s;

	(void)state;
	def.tiers[1].window = WINDOW_CALENDAR_YEAR;
	def.tiers[1].valid_months = 24;
	def.tiers[1].valid_round_up = ROUND_UP_MONTH;
	uint64_t m = begin(&s, &def, "2026-05-10T10:00:00"), other = stage_enrol(&s);
	assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
	assert_int_equal(stage_purchase(&s, other, "500"), LEDGER_OK);
	stage_at(&s, "2027-12-31T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
	stage_at(&s, "2028-01-01T10:00:00");
	assert_int_equal(stage_purchase(&s, other, "499"), LEDGER_OK);
	stage_at(&s, "2028-06-01T00:00:00");
	assert_tier(&s, m, "gold", "2030-05-31");
	assert_tier(&s, other, "green", "never");
	stage_release(&s);
}

/* ---- falling ---- */

static struct program_def
four_tiers(enum downgrade downgrade)
{
	struct program_def def = two_tiers();

	def.n_tiers = 4;
	def.tiers[2] = def.tiers[3] = def.tiers[1];
	def.tiers[1].id = "silver";
	def.tiers[1].any[0].thresholds[0].at_least = "100";
	def.tiers[2].rank = 2;
	def.tiers[3].id = "ruby";
	def.tiers[3].rank = 3;
	def.tiers[3].any[0].thresholds[0].at_least = "1000";
	def.tiers[3].has_downgrade = true;
	def.tiers[3].downgrade = downgrade;
	return def;
}

static void
downgrades(void **state)
{
	static const struct { enum downgrade downgrade; const char *spent, *tier, *until, *since; } rows[] = {
		{ DOWNGRADE_NONE, "1", "ruby", "2028-04-02", "2026-04-02" },
		{ DOWNGRADE_ONE, "1", "gold", "2028-04-02", "2027-04-03" },
		{ DOWNGRADE_ONE, "999", "gold", "2028-04-02", "2027-04-03" },
		{ DOWNGRADE_FULL, "1", "green", "never", "2027-04-03" },
		{ DOWNGRADE_FULL, "100", "silver", "2028-04-02", "2027-04-03" },
		{ DOWNGRADE_FULL, "499", "silver", "2028-04-02", "2027-04-03" },
		{ DOWNGRADE_FULL, "500", "gold", "2028-04-02", "2027-04-03" },
		{ DOWNGRADE_FULL, "1000", "ruby", "2028-04-02", "2026-04-02" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = four_tiers(rows[i].downgrade);
		struct stage s;
		uint64_t m = begin(&s, &def, "2026-04-02T10:00:00");

		assert_int_equal(stage_purchase(&s, m, "1000"), LEDGER_OK);
		assert_tier(&s, m, "ruby", "2027-04-02");
		stage_at(&s, "2026-05-02T10:00:00");
		assert_int_equal(stage_purchase(&s, m, rows[i].spent), LEDGER_OK);
		stage_at(&s, "2027-04-03T00:00:00");
		assert_tier(&s, m, rows[i].tier, rows[i].until);
		assert_int_equal(stage_balance(&s, m).tier_since, day(rows[i].since));
		stage_release(&s);
	}
}

/* Gold through 2027-04-02, its grace through the end of the month after: spending in grace wins it back at the end, by `full`. */
static void
grace(void **state)
{
	static const struct { const char *at, *amount, *tier, *until; } rows[] = {
		{ NULL, NULL, "green", "never" },
		{ "2027-05-31T23:59:59", "499", "green", "never" },
		{ "2027-05-31T23:59:59", "500", "gold", "2028-05-31" },
		{ "2027-04-03T00:00:01", "500", "gold", "2028-05-31" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = two_tiers();
		struct stage s;

		def.tiers[1].has_grace = true;
		def.tiers[1].grace_months = 1;
		def.tiers[1].grace_round_up = ROUND_UP_MONTH;
		uint64_t m = begin(&s, &def, "2026-04-02T10:00:00");
		assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
		stage_at(&s, "2027-04-03T00:00:00");
		assert_tier(&s, m, "gold", "2027-05-31");
		assert_true(stage_member(&s, m)->tier.grace);
		assert_int_equal(s.n_due, 1);
		if (rows[i].at != NULL) {
			stage_at(&s, rows[i].at);
			assert_int_equal(stage_purchase(&s, m, rows[i].amount), LEDGER_OK);
			assert_tier(&s, m, "gold", "2027-05-31");
		}
		stage_at(&s, "2027-06-01T00:00:00");
		assert_tier(&s, m, rows[i].tier, rows[i].until);
		assert_false(stage_member(&s, m)->tier.grace);
		stage_release(&s);
	}
}

/* ---- since the tier began ---- */

static void
sums_since_the_tier_began(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.n_tiers = 3;
	def.tiers[0] = tier_of("welcome", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("green", 1, "visits", "2", NULL);
	def.tiers[2] = tier_of("gold", 2, "points_earned", "25", NULL);
	def.tiers[1].window = def.tiers[2].window = WINDOW_SINCE_TIER_START;
	uint64_t m = begin(&s, &def, "2026-03-10T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);		/* the day of enrolment counts */
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);
	assert_tier(&s, m, "green", "never");
	assert_int_equal(stage_balance(&s, m).points_to_next, 25);
	assert_int_equal(stage_purchase(&s, m, "20"), LEDGER_OK);		/* still the day on which green was reached */
	stage_at(&s, "2028-03-11T10:00:00");					/* rows of metrics are long gone */
	assert_int_equal(stage_purchase(&s, m, "24"), LEDGER_OK);
	assert_tier(&s, m, "green", "never");
	assert_int_equal(stage_balance(&s, m).points_to_next, 1);
	struct cmd late = stage_cmd(OP_PURCHASE, m);
	late.u.purchase.amount = dec("1");
	late.has_occurred_at = true;
	late.occurred_at_us = s.now_us - US_PER_DAY;
	assert_int_equal(stage_play(&s, &late), LEDGER_OK);			/* complete as of today */
	assert_tier(&s, m, "gold", "never");
	assert_int_equal(stage_member(&s, m)->tier.start, day("2028-03-11"));
	stage_release(&s);
}

static void
a_late_event_before_the_tier_began(void **state)
{
	struct program_def def = two_tiers();
	struct stage s;

	(void)state;
	def.n_tiers = 3;
	def.tiers[1].valid = VALID_FOREVER;
	def.tiers[2] = tier_of("ruby", 2, "spend", "100", NULL);
	def.tiers[2].window = WINDOW_SINCE_TIER_START;
	def.tiers[1].any[0].thresholds[0].at_least = "50";
	uint64_t m = begin(&s, &def, "2026-03-10T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "50"), LEDGER_OK);
	assert_tier(&s, m, "gold", "never");
	stage_at(&s, "2026-03-12T10:00:00");
	struct cmd late = stage_cmd(OP_PURCHASE, m);
	late.u.purchase.amount = dec("100");
	late.has_occurred_at = true;
	late.occurred_at_us = s.now_us - 2 * US_PER_DAY;
	assert_int_equal(stage_play(&s, &late), LEDGER_OK);
	assert_tier(&s, m, "gold", "never");
	assert_int_equal(stage_member(&s, m)->start_base.spend, 150);
	late.occurred_at_us = s.now_us - US_PER_DAY;
	assert_int_equal(stage_play(&s, &late), LEDGER_OK);
	assert_tier(&s, m, "ruby", "never");
	stage_release(&s);
}

/* ---- counters ---- */

static struct rule_def
counts(const char *id, uint32_t priority, const char *counter, const char *activity)
{
	return (struct rule_def){ .id = id, .has_priority = true, .priority = priority, .on = ON_ACTIVITY, .has_kind = true, .kind = RULE_COUNTER,
	    .has_counter = true, .counter = counter, .has_counter_add = true, .counter_add = 1, .when = { .activity = activity } };
}

static void
fly(struct stage *s, uint64_t member, const char *activity, uint32_t qty)
{
	struct cmd c = stage_cmd(OP_ACTIVITY, member);

	c.u.activity.activity = activity;
	c.u.activity.qty = qty;
	assert_int_equal(stage_play(s, &c), LEDGER_OK);
}

/* own ≥ 30 000 and own + partner ≥ 50 000, or flight points ≥ 80; two years to the end of the month. */
static void
al3(void **state)
{
	static const char *const counters[] = { "own", "all", "flights" };
	static const struct { uint32_t own, partner, flights; const char *tier, *until; } rows[] = {
		{ 29999, 30000, 0, "green", "never" },
		{ 30000, 30000, 0, "elite", "2028-05-31" },
		{ 30000, 20000, 0, "elite", "2028-05-31" },
		{ 30000, 19999, 0, "green", "never" },
		{ 50000, 0, 0, "elite", "2028-05-31" },
		{ 1, 0, 79, "green", "never" },
		{ 1, 0, 80, "elite", "2028-05-31" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = plain("KRW");
		struct stage s;

		def.counters.n = 3;
		def.counters.v = counters;
		def.n_rules = 4;
		def.rules[0] = counts("own", 1, "own", "own_flight");
		def.rules[1] = counts("own-all", 2, "all", "own_flight");
		def.rules[2] = counts("partner", 3, "all", "partner_flight");
		def.rules[3] = counts("flights", 4, "flights", "flight");
		def.n_tiers = 2;
		def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
		def.tiers[1] = tier_of("elite", 1, "flights", "80", NULL);
		def.tiers[1].n_any = 2;
		def.tiers[1].any[1] = (struct all_def){ 2, { { "own", "30000" }, { "all", "50000" } } };
		def.tiers[1].window = WINDOW_ROLLING_MONTHS;
		def.tiers[1].rolling_months = 24;
		def.tiers[1].has_valid = true;
		def.tiers[1].valid = VALID_MONTHS;
		def.tiers[1].valid_months = 24;
		def.tiers[1].valid_round_up = ROUND_UP_MONTH;
		uint64_t m = begin(&s, &def, "2026-05-01T10:00:00");
		if (rows[i].flights > 0)
			fly(&s, m, "flight", rows[i].flights);
		fly(&s, m, "own_flight", rows[i].own);
		stage_at(&s, "2026-05-10T10:00:00");
		if (rows[i].partner > 0)
			fly(&s, m, "partner_flight", rows[i].partner);
		assert_tier(&s, m, rows[i].tier, rows[i].flights == 80 || rows[i].own == 50000 ? "2028-05-31" : rows[i].until);
		stage_at(&s, "2028-06-01T00:00:00");
		assert_tier(&s, m, "green", "never");
		stage_release(&s);
	}
}

static void
counters_since_the_tier_began(void **state)
{
	static const char *const counters[] = { "nights" };
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.counters.n = 1;
	def.counters.v = counters;
	def.rules[def.n_rules++] = counts("night", 1000, "nights", "stay");
	def.n_tiers = 3;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "nights", "5", NULL);
	def.tiers[2] = tier_of("ruby", 2, "nights", "10", NULL);
	def.tiers[1].window = def.tiers[2].window = WINDOW_SINCE_TIER_START;
	uint64_t m = begin(&s, &def, "2026-05-01T10:00:00");
	fly(&s, m, "stay", 5);
	assert_tier(&s, m, "gold", "never");
	stage_at(&s, "2028-05-02T10:00:00");
	fly(&s, m, "stay", 9);
	assert_tier(&s, m, "gold", "never");
	fly(&s, m, "stay", 1);
	assert_tier(&s, m, "ruby", "never");
	stage_release(&s);
}

/* ---- balances ---- */

static struct program_def
by_balance(void)
{
	struct program_def def = two_tiers();

	def.tiers[1].any[0].thresholds[0] = (struct threshold_def){ "balance", "500" };
	def.has_redemption = true;
	return def;
}

static void
balances_are_looked_for_at_once(void **state)
{
	struct program_def def = by_balance();
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-04-02T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "499", NULL), LEDGER_OK);
	assert_tier(&s, m, "green", "never");
	assert_int_equal(stage_hold(&s, m, "400", 0), LEDGER_OK);
	struct entry_id hold = s.id;
	assert_int_equal(stage_adjust(&s, m, "1", NULL), LEDGER_OK);		/* 100 available, 400 held */
	assert_tier(&s, m, "gold", "2027-04-02");
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);
	assert_false(s.entry.has_tier);
	assert_int_equal(stage_redeem(&s, m, "500"), LEDGER_OK);
	assert_tier(&s, m, "gold", "2027-04-02");				/* never taken before its last day */
	stage_at(&s, "2027-04-02T12:00:00");
	assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);		/* a balance has no window */
	stage_at(&s, "2027-04-03T00:00:00");
	assert_tier(&s, m, "gold", "2028-04-02");
	assert_int_equal(stage_redeem(&s, m, "1"), LEDGER_OK);
	stage_at(&s, "2028-04-03T00:00:00");
	assert_tier(&s, m, "green", "never");
	stage_release(&s);
}

static enum status
grant_birthday(struct stage *s, uint64_t member, const char *date)
{
	struct due due = { .kind = DUE_BIRTHDAY, .birthday = day(date) };

	due.at_us = s->now_us;
	enum status st = decide_due(&s->live.state, 1, member, &due, &s->arena, &s->entry);
	if (st == ST_OK)
		stage_apply(s);
	return st;
}

static void
balances_are_looked_for_at_night(void **state)
{
	struct program_def def = by_balance();
	struct stage s;

	(void)state;
	def.has_birthday = true;
	def.birthday_points = "1";
	uint64_t m = begin(&s, &def, "2026-04-02T10:00:00"), other = stage_enrol(&s), third = stage_enrol(&s);
	assert_int_equal(stage_adjust(&s, m, "499", NULL), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, other, "499", NULL), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, third, "499", "2026-04-04"), LEDGER_OK);
	stage_at(&s, "2026-04-05T00:00:00");
	assert_int_equal(grant_birthday(&s, m, "2026-04-05"), ST_OK);
	assert_tier(&s, m, "green", "never");
	stage_roll(&s, 1, m);							/* the last step of the same night */
	assert_tier(&s, m, "gold", "2027-04-05");
	assert_int_equal(grant_birthday(&s, third, "2026-04-05"), ST_OK);
	stage_roll(&s, 1, third);						/* its lots ended first */
	assert_tier(&s, third, "green", "never");
	stage_at(&s, "2026-04-05T10:00:00");
	struct cmd c = stage_cmd(OP_BIRTHDAY, other);
	birthday_date(&c, 4, 5);
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);			/* by day: the next night sees it */
	assert_tier(&s, other, "green", "never");
	stage_at(&s, "2026-04-05T23:59:59");
	assert_tier(&s, other, "green", "never");
	stage_at(&s, "2026-04-06T00:00:00");
	assert_tier(&s, other, "gold", "2027-04-06");
	stage_release(&s);
}

/* ---- gifts ---- */

static void
gifts_stand_beside(void **state)
{
	struct program_def def = four_tiers(DOWNGRADE_FULL);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-04-02T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
	struct cmd c = stage_cmd(OP_TIER, m);
	c.u.tier.tier = "ruby";
	c.u.tier.until = day("2027-08-31");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_tier(&s, m, "ruby", "2027-08-31");
	stage_at(&s, "2027-04-03T00:00:00");					/* the earned one falls below it, unseen */
	assert_tier(&s, m, "ruby", "2027-08-31");
	assert_string_equal(stage_balance(&s, m).tier_earned, "green");
	stage_at(&s, "2027-08-31T23:00:00");
	assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
	assert_string_equal(stage_balance(&s, m).tier_earned, "silver");	/* a gift is nothing reached */
	stage_at(&s, "2027-09-01T00:00:00");
	assert_tier(&s, m, "silver", "2028-08-31");
	c.u.tier.tier = "green";
	c.u.tier.until = DAY_NEVER;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_tier(&s, m, "silver", "2028-08-31");				/* the higher of both */
	stage_release(&s);
}

/* ---- sleeping ---- */

/* Years in which nobody looks give the same record as one in which every night is kept. */
static void
catching_up_is_like_never_having_slept(void **state)
{
	struct program_def def = four_tiers(DOWNGRADE_ONE);
	struct buf records[2];

	(void)state;
	for (size_t t = 1; t < 4; t++) {
		def.tiers[t].has_downgrade = true;
		def.tiers[t].downgrade = DOWNGRADE_ONE;
		def.tiers[t].has_grace = true;
		def.tiers[t].grace_months = 2;
	}
	def.expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 8, .round_up = ROUND_UP_MONTH };
	for (int sleeps = 0; sleeps < 2; sleeps++) {
		struct stage s;
		uint64_t m = begin(&s, &def, "2026-04-02T10:00:00");

		assert_int_equal(stage_purchase(&s, m, "1000"), LEDGER_OK);
		struct cmd c = stage_cmd(OP_TIER, m);
		c.u.tier.tier = "gold";
		c.u.tier.until = day("2029-08-31");
		assert_int_equal(stage_play(&s, &c), LEDGER_OK);
		for (int year = 2026; year < 2034 && !sleeps; year++) {
			for (int month = 1; month <= 12; month++) {
				char text[40];

				if (year == 2026 && month < 5)
					continue;
				snprintf(text, sizeof(text), "%d-%02d-01T00:00:00", year, month);
				stage_at(&s, text);
			}
		}
		stage_at(&s, "2034-01-01T00:00:00");
		assert_tier(&s, m, "green", "never");
		assert_int_equal(s.n_due, 8);		/* lots, gift, 3 × (grace, fall) */
		buf_init(&records[sleeps]);
		member_encode(stage_member(&s, m), &records[sleeps]);
		stage_release(&s);
	}
	assert_true(bytes_equal(buf_bytes(&records[0]), buf_bytes(&records[1])));
	buf_release(&records[0]);
	buf_release(&records[1]);
}

/* A further version's validity counts from the day on which the old one ended; its thresholds take nothing away before. */
static void
a_new_version_waits_for_the_last_day(void **state)
{
	struct program_def def = two_tiers();
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-04-02T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
	def.tiers[1].any[0].thresholds[0].at_least = "100";
	def.tiers[1].valid_months = 6;
	stage_at(&s, "2026-06-01T10:00:00");
	stage_publish(&s, &def);
	assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
	assert_tier(&s, m, "gold", "2027-04-02");
	stage_at(&s, "2027-04-03T00:00:00");
	assert_tier(&s, m, "gold", "2027-10-02");
	def.tiers[1].valid = VALID_FOREVER;
	def.tiers[1].has_downgrade = true;
	def.tiers[1].downgrade = DOWNGRADE_NONE;
	stage_publish(&s, &def);
	stage_at(&s, "2027-10-03T00:00:00");
	assert_tier(&s, m, "gold", "never");
	stage_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sb1),
		cmocka_unit_test(validity),
		cmocka_unit_test(keep_counts_the_days_of_the_validity),
		cmocka_unit_test(a_whole_calendar_year_decides),
		cmocka_unit_test(downgrades),
		cmocka_unit_test(grace),
		cmocka_unit_test(sums_since_the_tier_began),
		cmocka_unit_test(a_late_event_before_the_tier_began),
		cmocka_unit_test(al3),
		cmocka_unit_test(counters_since_the_tier_began),
		cmocka_unit_test(balances_are_looked_for_at_once),
		cmocka_unit_test(balances_are_looked_for_at_night),
		cmocka_unit_test(gifts_stand_beside),
		cmocka_unit_test(catching_up_is_like_never_having_slept),
		cmocka_unit_test(a_new_version_waits_for_the_last_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
