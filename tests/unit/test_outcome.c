/* What commands and time bring about, with the vectors of the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/* ---- earning ---- */

static struct rule_def
per_amount(const char *id, uint32_t priority, enum rule_kind kind, const char *amount, const char *points, bool whole_steps)
{
	return (struct rule_def){ .id = id, .has_priority = true, .priority = priority, .has_kind = true, .kind = kind,
	    .has_per_amount = true,
	    .amount = amount, .points = points, .whole_steps = whole_steps };
}

static struct rule_def
fixed(const char *id, uint32_t priority, enum rule_kind kind, const char *points)
{
	return (struct rule_def){ .id = id, .has_priority = true, .priority = priority, .has_kind = true, .kind = kind,
	    .has_fixed = true, .points = points };
}

static const struct {
	const char *name, *currency, *amount, *step, *points, *multiplier, *bonus;
	uint32_t scale;
	bool whole, once;
	enum rounding_mode mode;
	int64_t base, share, total;
} earnings[] = {
	{ "X1 without its campaign", "KRW", "123400", "1000", "1", "1.5", "100", 0, true, false, ROUNDING_FLOOR, 123, 61, 284 },
	{ "X2", "KRW", "21900", "10000", "1", NULL, NULL, 0, true, false, ROUNDING_FLOOR, 2, 0, 2 },
	{ "X2 without whole steps", "KRW", "21900", "10000", "1", NULL, NULL, 0, false, false, ROUNDING_FLOOR, 2, 0, 2 },
	{ "X2 by halves", "KRW", "15000", "10000", "1", NULL, NULL, 0, false, false, ROUNDING_NEAREST, 2, 0, 2 },
	{ "below a half", "KRW", "14999", "10000", "1", NULL, NULL, 0, false, false, ROUNDING_NEAREST, 1, 0, 1 },
	{ "a bit is one", "KRW", "10001", "10000", "1", NULL, NULL, 0, false, false, ROUNDING_CEIL, 2, 0, 2 },
	{ "whole steps before ceil", "KRW", "19999", "10000", "1", NULL, NULL, 0, true, false, ROUNDING_CEIL, 1, 0, 1 },
	{ "HT1 even", "USD", "412.60", "1", "10", "1.25", NULL, 0, false, false, ROUNDING_FLOOR, 4126, 1031, 5157 },
	{ "HT1 each", "USD", "12.39", "1", "10", "1.25", NULL, 0, false, false, ROUNDING_FLOOR, 123, 30, 153 },
	{ "HT1 once", "USD", "12.39", "1", "10", "1.25", NULL, 0, false, true, ROUNDING_FLOOR, 123, 31, 154 },
	{ "once, up", "USD", "12.39", "1", "10", "1.25", NULL, 0, false, true, ROUNDING_CEIL, 124, 31, 155 },
	{ "once, a third of a cent at a time", "USD", "0.01", "0.03", "1", "2", "1", 0, false, true, ROUNDING_NEAREST, 0, 1, 2 },
	{ "SB1 in hundredths", "USD", "10.00", "1", "1", "1.2", NULL, 2, false, false, ROUNDING_FLOOR, 1000, 200, 1200 },
	{ "a millionth more", "USD", "10000.00", "1", "1", "1.000001", NULL, 2, false, false, ROUNDING_FLOOR, 1000000, 1, 1000001 },
	{ "1.5 % at scale 0", "KRW", "1200000", "1000", "15", NULL, NULL, 0, false, false, ROUNDING_FLOOR, 18000, 0, 18000 },
	{ "as large as it goes", "KRW", "1000000000000000000", "1", "1", "2", NULL, 0, false, false, ROUNDING_FLOOR,
	  INT64_C(1000000000000000000), INT64_C(1000000000000000000), INT64_C(2000000000000000000) },
	{ "as large as it goes, once", "KRW", "1000000000000000000", "3", "3", "2", "7", 0, false, true, ROUNDING_NEAREST,
	  INT64_C(1000000000000000000), INT64_C(1000000000000000000), INT64_C(2000000000000000007) },
	{ "nothing bought", "KRW", "0", "1", "1", "2", "100", 0, false, false, ROUNDING_CEIL, 0, 0, 0 },
};

static int64_t
granted_by(const struct stage *s, const char *rule)
{
	for (size_t i = 0; i < s->entry.n_grants; i++) {
		if (strcmp(s->entry.grants[i].rule, rule) == 0) {
			assert_int_equal(s->entry.grants[i].wanted, s->entry.grants[i].granted);
			return s->entry.grants[i].granted;
		}
	}
	return 0;
}

static void
purchases_earn(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(earnings) / sizeof(earnings[0]); i++) {
		struct program_def def = plain(earnings[i].currency);
		struct stage s;

		def.scale = earnings[i].scale;
		def.rounding = earnings[i].mode;
		def.round_once = earnings[i].once;
		def.rules[0] = per_amount("base", 10, RULE_BASE, earnings[i].step, earnings[i].points, earnings[i].whole);
		if (earnings[i].bonus != NULL)
			def.rules[def.n_rules++] = fixed("bonus", 20, RULE_BONUS, earnings[i].bonus);
		def.n_tiers = 1;
		def.tiers[0] = tier_of("only", 0, NULL, NULL, earnings[i].multiplier);
		stage_init(&s);
		stage_at(&s, "2026-03-12T10:00:00");
		stage_publish(&s, &def);
		uint64_t m = stage_enrol(&s);
		if (stage_purchase(&s, m, earnings[i].amount) != LEDGER_OK)
			fail_msg("%s: %s", earnings[i].name, s.refusal.sentence);
		if (granted_by(&s, "base") != earnings[i].base || granted_by(&s, "tier:only") != earnings[i].share ||
		    stage_granted(&s) != earnings[i].total)
			fail_msg("%s: %lld + %lld = %lld", earnings[i].name, (long long)granted_by(&s, "base"),
			    (long long)granted_by(&s, "tier:only"), (long long)stage_granted(&s));
		assert_int_equal(stage_member(&s, m)->available, earnings[i].total);
		assert_int_equal(stage_member(&s, m)->points_earned, earnings[i].total);
		assert_int_equal(stage_member(&s, m)->visits, 1);
		stage_release(&s);
	}
}

/* Shares come from the base rules alone; components stand in the order of RULINGS, whatever their priorities. */
static void
components_in_their_order(void **state)
{
	static const char *const order[] = { "cheap", "dear", "tier:only", "gift", "extra" };
	static const int64_t each[] = { 10, 3, 6, 5, 1 };
	static const int64_t once[] = { 10, 4, 7, 5, 1 };		/* the running sum is 10.5, 14, 21, 26, 27.5 */

	(void)state;
	for (int mode = 0; mode < 2; mode++) {
		struct program_def def = plain("KRW");
		struct stage s;

		def.round_once = mode == 1;
		def.n_rules = 4;
		def.rules[0] = fixed("gift", 1, RULE_BONUS, "5");
		def.rules[1] = per_amount("extra", 2, RULE_BONUS, "70", "1", false);	/* 1.5 */
		def.rules[2] = per_amount("dear", 30, RULE_BASE, "30", "1", false);	/* 3.5 */
		def.rules[3] = per_amount("cheap", 20, RULE_BASE, "10", "1", false);	/* 10.5 */
		def.n_tiers = 1;
		def.tiers[0] = tier_of("only", 0, NULL, NULL, "1.5");			/* each 6.5, once 7 */
		stage_init(&s);
		stage_at(&s, "2026-03-12T10:00:00");
		stage_publish(&s, &def);
		uint64_t m = stage_enrol(&s);
		assert_int_equal(stage_purchase(&s, m, "105"), LEDGER_OK);
		assert_int_equal(s.entry.n_grants, 5);
		for (size_t i = 0; i < 5; i++) {
			assert_string_equal(s.entry.grants[i].rule, order[i]);
			assert_int_equal(s.entry.grants[i].granted, mode == 0 ? each[i] : once[i]);
		}
		stage_release(&s);
	}
}

static void
the_part_paid_with_points_earns_nothing(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.rules[def.n_rules++] = fixed("bonus", 20, RULE_BONUS, "100");
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	struct line lines[] = { { .sku = "latte", .category = "drink", .qty = 2, .amount = dec("300") } };
	c.u.purchase.amount = dec("1000");
	c.u.purchase.has_paid_with_points = true;
	c.u.purchase.paid_with_points = dec("400");
	c.u.purchase.n_lines = 1;
	c.u.purchase.lines = lines;
	c.u.purchase.receipt_no = "17";
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 700);
	assert_int_equal(stage_member(&s, m)->spend, 1000);
	assert_int_equal(s.entry.u.purchase.lines[0].amount, 300);
	assert_string_equal(s.entry.u.purchase.receipt_no, "17");
	c.u.purchase.paid_with_points = dec("1000");		/* nothing is eligible: nothing, whatever the kind */
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 0);
	assert_int_equal(s.entry.n_postings, 0);
	assert_int_equal(stage_member(&s, m)->visits, 2);
	stage_release(&s);
}

static void
a_quote_writes_nothing(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	c.u.purchase.amount = dec("77");
	c.is_quote = true;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 77);
	assert_int_equal(stage_member(&s, m)->available, 0);
	stage_release(&s);
}

/* No version earns debt yet, so the record is given one. */
static void
debt_is_paid_first(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct memory_state *both[] = { &s.live, &s.replay };
	for (size_t i = 0; i < 2; i++) {
		memory_member(both[i], 1, m)->debt = 30;
		both[i]->programs[0].totals.account[ACCOUNT_DEBT] = -30;
		both[i]->programs[0].totals.account[ACCOUNT_ADVANCED] = 30;
	}
	assert_int_equal(stage_purchase(&s, m, "20"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->debt, 10);
	assert_int_equal(stage_member(&s, m)->available, 0);
	assert_int_equal(s.entry.n_postings, 2);
	assert_int_equal(s.entry.postings[1].account, ACCOUNT_DEBT);
	assert_int_equal(s.entry.postings[1].class, LOT_NONE);
	assert_int_equal(stage_purchase(&s, m, "25"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->debt, 0);
	assert_int_equal(stage_member(&s, m)->available, 15);
	assert_int_equal(stage_member(&s, m)->points_earned, 45);
	stage_release(&s);
}

/* ---- tiers ---- */

static void
sb1_upgrades_from_the_next_event(void **state)
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
	def.has_redemption = true;
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	assert_int_equal(stage_purchase(&s, m, "100.00"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->available, 10000);
	stage_at(&s, "2026-04-01T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "399.00"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->available, 49900);
	assert_string_equal(stage_balance(&s, m).tier, "green");
	assert_int_equal(stage_balance(&s, m).points_to_next, 100);
	stage_at(&s, "2026-04-02T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "2.00"), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 200);
	assert_true(s.entry.has_tier);
	assert_string_equal(s.entry.touched[0].tier, "gold");
	assert_int_equal(stage_balance(&s, m).tier_since, day("2026-04-02"));
	stage_at(&s, "2026-04-03T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "10.00"), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 1200);
	assert_false(s.entry.has_tier);
	assert_int_equal(stage_redeem(&s, m, "100"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->available, 41300);
	assert_int_equal(stage_member(&s, m)->points_earned, 51300);
	stage_at(&s, "2028-04-03T10:00:00");			/* validity is for ever here */
	assert_string_equal(stage_balance(&s, m).tier, "gold");
	stage_release(&s);
}

/* 100 a year ago to the day is out of the window; a day later it is in. */
static void
the_window_rolls(void **state)
{
	static const struct { const char *second; const char *tier; } rows[] = {
		{ "2027-03-11T10:00:00", "gold" },
		{ "2027-03-12T10:00:00", "green" },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct program_def def = plain("KRW");
		struct stage s;

		def.n_tiers = 2;
		def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
		def.tiers[1] = tier_of("gold", 1, "spend", "200", NULL);
		def.tiers[1].window = WINDOW_ROLLING_MONTHS;
		def.tiers[1].rolling_months = 12;
		stage_init(&s);
		stage_at(&s, "2026-03-12T10:00:00");
		stage_publish(&s, &def);
		uint64_t m = stage_enrol(&s);
		assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
		stage_at(&s, rows[i].second);
		assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
		assert_string_equal(stage_balance(&s, m).tier, rows[i].tier);
		stage_release(&s);
	}
}

static void
straight_to_the_highest_tier_reached(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.n_tiers = 4;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("silver", 1, "points_earned", "100", NULL);
	def.tiers[2] = tier_of("gold", 2, "visits", "50", NULL);
	def.tiers[2].n_any = 2;
	def.tiers[2].any[1] = (struct all_def){ 2, { { "points_earned", "500" }, { "spend", "500" } } };
	def.tiers[3] = tier_of("ruby", 3, "spend", "10000", NULL);
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct balance b = stage_balance(&s, m);
	assert_true(b.has_next && b.points_to_next == 100);
	assert_int_equal(stage_adjust(&s, m, "500", NULL), LEDGER_OK);		/* no tier points */
	assert_string_equal(stage_balance(&s, m).tier, "green");
	assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
	b = stage_balance(&s, m);
	assert_string_equal(b.tier, "gold");
	assert_false(b.has_next);						/* ruby asks for spend */
	stage_release(&s);
}

static void
tier_points_of_adjustments_count(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "points_earned", "100", NULL);
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct cmd c = stage_cmd(OP_ADJUST, m);
	c.u.adjust.tier_points = true;
	c.u.adjust.points = dec("99");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_string_equal(stage_balance(&s, m).tier, "green");
	c.u.adjust.points = dec("1");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_string_equal(stage_balance(&s, m).tier, "gold");
	c.u.adjust.points = dec("-100");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->points_earned, 0);
	assert_int_equal(stage_member(&s, m)->n_days, 0);
	assert_string_equal(stage_balance(&s, m).tier, "gold");			/* never taken here */
	stage_release(&s);
}

static void
gifts_end_at_midnight(void **state)
{
	struct program_def def = full();
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct cmd c = stage_cmd(OP_TIER, m);
	c.u.tier.tier = "gold";
	c.u.tier.until = day("2026-03-14");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_string_equal(s.entry.touched[0].tier, "gold");
	struct balance b = stage_balance(&s, m);
	assert_string_equal(b.tier, "gold");
	assert_string_equal(b.tier_earned, "green");
	assert_int_equal(b.tier_until, day("2026-03-14"));
	stage_at(&s, "2026-03-14T23:59:59");
	assert_string_equal(stage_balance(&s, m).tier, "gold");
	stage_at(&s, "2026-03-15T00:00:00");
	assert_int_equal(s.n_due, 1);
	assert_string_equal(stage_balance(&s, m).tier, "green");
	assert_string_equal(stage_member(&s, m)->tier.gift, "");
	c.u.tier.until = DAY_NEVER;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	stage_at(&s, "2036-03-15T00:00:00");
	assert_string_equal(stage_balance(&s, m).tier, "gold");
	c.u.tier.tier = "";
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_string_equal(stage_balance(&s, m).tier, "green");
	stage_release(&s);
}

/* ---- lots and time ---- */

static void
sb2_expires_at_the_month_end(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 6, .round_up = ROUND_UP_MONTH };
	stage_init(&s);
	stage_at(&s, "2020-12-15T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);
	stage_at(&s, "2021-01-02T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "5"), LEDGER_OK);
	stage_at(&s, "2021-06-30T23:59:59");
	struct balance b = stage_balance(&s, m);
	assert_int_equal(b.available, 15);
	assert_int_equal(b.n_expiring, 2);
	assert_int_equal(b.expiring[0].last_day, day("2021-06-30"));
	assert_int_equal(b.expiring[0].points, 10);
	stage_at(&s, "2021-07-01T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 5);
	stage_at(&s, "2021-08-01T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 0);
	assert_int_equal(s.live.programs[0].totals.account[ACCOUNT_EXPIRED], 15);
	assert_int_equal(s.n_due, 2);
	stage_release(&s);
}

static int64_t
lot_points(struct stage *s, uint64_t member, const char *last_day)
{
	const struct member *m = stage_member(s, member);
	int64_t points = 0;

	for (size_t i = 0; i < m->n_lots; i++) {
		if (m->lots[i].last_day == (last_day == NULL ? DAY_NEVER : day(last_day)))
			points += m->lots[i].points;
	}
	return points;
}

static uint64_t
with_redemption(struct stage *s, const char *at)
{
	struct program_def def = plain("KRW");

	def.has_redemption = true;
	stage_init(s);
	stage_at(s, at);
	stage_publish(s, &def);
	return stage_enrol(s);
}

static void
al1_earliest_lots_first(void **state)
{
	struct stage s;

	(void)state;
	uint64_t m = with_redemption(&s, "2020-01-01T00:00:00");
	assert_int_equal(stage_adjust(&s, m, "300", "never"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "500", "2020-12-31"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "200", "2021-12-31"), LEDGER_OK);
	stage_at(&s, "2020-06-01T12:00:00");
	assert_int_equal(stage_redeem(&s, m, "600"), LEDGER_OK);
	assert_int_equal(s.entry.n_postings, 4);
	assert_int_equal(s.entry.postings[0].points, -500);
	assert_int_equal(s.entry.postings[2].points, -100);
	stage_at(&s, "2021-01-01T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 400);
	stage_at(&s, "2022-01-01T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 300);
	stage_release(&s);
}

static void
x12_what_was_spent_does_not_expire(void **state)
{
	struct stage s;

	(void)state;
	uint64_t m = with_redemption(&s, "2026-01-01T00:00:00");
	assert_int_equal(stage_adjust(&s, m, "100", "2026-03-31"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "200", "2026-06-30"), LEDGER_OK);
	assert_int_equal(stage_redeem(&s, m, "180"), LEDGER_OK);
	stage_at(&s, "2026-04-01T00:00:00");
	assert_int_equal(s.n_due, 0);
	stage_at(&s, "2026-07-01T00:00:00");
	assert_int_equal(s.live.programs[0].totals.account[ACCOUNT_EXPIRED], 120);
	assert_int_equal(stage_member(&s, m)->available, 0);
	stage_release(&s);
}

/* ---- holds ---- */

static uint64_t
x4_set(struct stage *s)
{
	uint64_t m = with_redemption(s, "2026-01-15T10:00:00");

	assert_int_equal(stage_adjust(s, m, "100", "2026-03-31"), LEDGER_OK);
	assert_int_equal(stage_adjust(s, m, "50", "2026-01-31"), LEDGER_OK);
	assert_int_equal(stage_adjust(s, m, "70", "never"), LEDGER_OK);
	assert_int_equal(stage_hold(s, m, "120", 300 * US_PER_SECOND), LEDGER_OK);
	assert_int_equal(s->entry.postings[0].points, -50);
	assert_int_equal(s->entry.postings[0].last_day, day("2026-01-31"));
	assert_int_equal(s->entry.postings[2].points, -70);
	assert_int_equal(s->entry.postings[2].last_day, day("2026-03-31"));
	assert_int_equal(stage_member(s, m)->held, 120);
	return m;
}

static void
x4_capture_and_release(void **state)
{
	struct stage s;

	(void)state;
	uint64_t m = x4_set(&s);
	struct entry_id hold = s.id;
	assert_int_equal(stage_capture(&s, m, hold, "60"), LEDGER_OK);
	assert_int_equal(s.entry.postings[0].points, -50);
	assert_int_equal(s.entry.postings[2].points, -10);
	assert_int_equal(s.entry.hold.left, 60);
	assert_int_equal(stage_capture(&s, m, hold, "61"), LEDGER_HOLD_TOO_SMALL);
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);
	assert_int_equal(lot_points(&s, m, "2026-03-31"), 90);
	assert_int_equal(lot_points(&s, m, "2026-01-31"), 0);
	assert_int_equal(lot_points(&s, m, NULL), 70);
	assert_int_equal(stage_member(&s, m)->held, 0);
	assert_int_equal(s.live.programs[0].totals.account[ACCOUNT_REDEEMED], 60);
	assert_int_equal(stage_capture(&s, m, hold, NULL), LEDGER_HOLD_NOT_OPEN);
	stage_release(&s);
}

static void
x4_time_out(void **state)
{
	struct stage s;

	(void)state;
	uint64_t m = x4_set(&s);
	struct entry_id hold = s.id;
	int64_t ends_at_us = s.entry.hold.ends_at_us;
	s.now_us = ends_at_us - 1;
	stage_roll(&s, 1, m);
	assert_int_equal(s.n_due, 0);
	s.now_us = ends_at_us;					/* that instant is excluded */
	stage_roll(&s, 1, m);
	assert_int_equal(s.n_due, 1);
	assert_int_equal(lot_points(&s, m, "2026-03-31"), 100);
	assert_int_equal(lot_points(&s, m, "2026-01-31"), 50);
	assert_int_equal(lot_points(&s, m, NULL), 70);
	assert_int_equal(stage_capture(&s, m, hold, NULL), LEDGER_HOLD_EXPIRED);
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_HOLD_EXPIRED);
	stage_release(&s);
}

/* A held lot stays capturable after its last day, and expires when it comes back. */
static void
held_lots_expire_on_release(void **state)
{
	struct stage s;

	(void)state;
	uint64_t m = with_redemption(&s, "2026-01-15T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "50", "2026-01-31"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "100", "2026-03-31"), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "120", 29 * US_PER_DAY), LEDGER_OK);
	struct entry_id hold = s.id;
	stage_at(&s, "2026-02-02T10:00:00");
	assert_int_equal(stage_member(&s, m)->held, 120);
	assert_int_equal(stage_capture(&s, m, hold, "20"), LEDGER_OK);
	assert_int_equal(s.entry.postings[0].last_day, day("2026-01-31"));
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);
	assert_int_equal(s.live.programs[0].totals.account[ACCOUNT_EXPIRED], 30);
	assert_int_equal(stage_member(&s, m)->available, 100);
	assert_int_equal(s.n_due, 0);
	stage_release(&s);
}

/* A last day is the last usable one: on it a release gives back, and the day before's expiry leaves it alone. */
static void
the_last_day_is_usable(void **state)
{
	struct stage s;

	(void)state;
	uint64_t m = with_redemption(&s, "2026-01-15T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "30", "2026-01-30"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "50", "2026-01-31"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "70", "never"), LEDGER_OK);
	stage_at(&s, "2026-01-30T23:50:00");
	assert_int_equal(stage_hold(&s, m, "40", 900 * US_PER_SECOND), LEDGER_OK);
	struct entry_id hold = s.id;
	stage_at(&s, "2026-01-31T00:00:00");
	assert_int_equal(s.n_due, 0);
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);
	assert_int_equal(lot_points(&s, m, "2026-01-30"), 0);
	assert_int_equal(lot_points(&s, m, "2026-01-31"), 50);
	assert_int_equal(s.live.programs[0].totals.account[ACCOUNT_EXPIRED], 30);
	struct balance b = stage_balance(&s, m);
	assert_int_equal(b.n_expiring, 1);			/* not what never expires */
	assert_int_equal(b.expiring[0].points, 50);
	assert_int_equal(stage_adjust(&s, m, "5", "2026-02-01"), LEDGER_OK);
	stage_at(&s, "2026-02-01T00:00:00");
	assert_int_equal(s.n_due, 1);
	assert_int_equal(lot_points(&s, m, "2026-02-01"), 5);
	assert_int_equal(stage_member(&s, m)->available, 75);
	stage_release(&s);
}

static void
points_have_a_value(void **state)
{
	struct program_def def = full();
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-12T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	assert_int_equal(stage_adjust(&s, m, "1000", NULL), LEDGER_OK);
	assert_int_equal(stage_redeem(&s, m, "15"), LEDGER_OK);
	assert_true(s.entry.has_value);
	assert_int_equal(s.entry.value, 150);
	assert_int_equal(stage_hold(&s, m, "100", 0), LEDGER_OK);
	assert_int_equal(s.entry.value, 1000);
	struct entry_id hold = s.id;
	assert_int_equal(stage_capture(&s, m, hold, "0.19"), LEDGER_OK);		/* 1.9 won */
	assert_int_equal(s.entry.value, 1);
	struct cmd c = stage_cmd(OP_REDEEM, m);
	c.u.redeem.points = dec("19.99");
	c.u.redeem.round_down = true;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(s.entry.value, 150);
	assert_int_equal(s.entry.u.redeem.points, 1999);
	assert_int_equal(s.entry.postings[0].points, -1500);
	stage_release(&s);
}

/* ---- late events ---- */

static void
late_events_use_their_own_date(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 10 };
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "spend", "100", NULL);
	def.tiers[1].window = WINDOW_CALENDAR_YEAR;
	stage_init(&s);
	stage_at(&s, "2026-01-05T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	c.u.purchase.amount = dec("100");
	c.has_occurred_at = true;
	c.occurred_at_us = s.now_us - 6 * US_PER_DAY;				/* 30 December */
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(s.entry.business_date, day("2025-12-30"));
	assert_int_equal(lot_points(&s, m, "2026-01-09"), 100);
	assert_string_equal(stage_balance(&s, m).tier, "gold");			/* reached as of its own year … */
	assert_int_equal(stage_balance(&s, m).tier_since, day("2026-01-05"));	/* … and begins today */
	c.occurred_at_us = s.now_us - 20 * US_PER_DAY;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);			/* made, and expired at once */
	assert_int_equal(s.n_due, 1);
	assert_int_equal(stage_member(&s, m)->available, 100);
	c.occurred_at_us = s.now_us + 200 * US_PER_SECOND;			/* min(occurred_at, now) */
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(s.entry.business_date, day("2026-01-05"));
	stage_release(&s);
}

/* 60 now and 60 of three days ago make 120 in the window of today, though not in that of three days ago. */
static void
a_late_event_completes_a_window(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "spend", "100", NULL);
	def.tiers[1].window = WINDOW_ROLLING_MONTHS;
	def.tiers[1].rolling_months = 12;
	stage_init(&s);
	stage_at(&s, "2026-01-05T10:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	assert_int_equal(stage_purchase(&s, m, "60"), LEDGER_OK);
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	c.u.purchase.amount = dec("60");
	c.has_occurred_at = true;
	c.occurred_at_us = s.now_us - 3 * US_PER_DAY;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_string_equal(stage_balance(&s, m).tier, "gold");
	stage_release(&s);
}

/* ---- birthdays ---- */

static enum status
due_birthday(struct stage *s, uint64_t member, const char *birthday)
{
	struct due due = { .kind = DUE_BIRTHDAY, .birthday = day(birthday) };

	due.at_us = s->now_us;
	enum status st = decide_due(&s->live.state, 1, member, &due, &s->arena, &s->entry);
	if (st == ST_OK)
		stage_apply(s);
	return st;
}

static void
birthdays_come_once(void **state)
{
	struct program_def def = full();
	struct stage s;

	(void)state;
	def.expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 1 };
	stage_init(&s);
	stage_at(&s, "2026-03-01T00:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	stage_at(&s, "2026-03-10T00:00:00");
	assert_int_equal(due_birthday(&s, m, "2026-03-10"), ST_OK);
	assert_int_equal(s.entry.op, OP_BIRTHDAY);
	assert_string_equal(s.entry.principal, "system");
	assert_string_equal(s.entry.grants[0].rule, "birthday");
	assert_int_equal(s.entry.birthday, day("2026-03-10"));
	assert_int_equal(stage_member(&s, m)->available, 5000);
	assert_int_equal(stage_member(&s, m)->lots[0].class, LOT_BIRTHDAY);
	assert_int_equal(stage_member(&s, m)->lots[0].last_day, day("2026-04-10"));
	assert_int_equal(stage_member(&s, m)->points_earned, 0);
	assert_int_equal(due_birthday(&s, m, "2026-03-10"), ST_NOTFOUND);
	struct cmd c = stage_cmd(OP_BIRTHDAY, m);
	birthday_date(&c, 3, 10);
	assert_int_equal(stage_play(&s, &c), LEDGER_ALREADY_EXISTS);
	stage_at(&s, "2027-03-08T00:00:00");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(s.entry.birthday, day("2027-03-10"));
	stage_at(&s, "2027-03-10T00:00:00");
	assert_int_equal(due_birthday(&s, m, "2027-03-10"), ST_NOTFOUND);
	stage_release(&s);
}

/* Re-deciding has no vault: the day it recorded stands for the dates. */
static void
a_recorded_birthday_is_taken_as_given(void **state)
{
	struct program_def def = full();
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-01T00:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	struct cmd c = stage_cmd(OP_BIRTHDAY, m);
	c.u.birthday.given = day("2026-03-03");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(s.entry.birthday, day("2026-03-03"));
	stage_release(&s);
}

static void
on_claim_means_nobody_else_grants(void **state)
{
	struct program_def def = full();
	struct stage s;

	(void)state;
	def.birthday_on_claim = true;
	stage_init(&s);
	stage_at(&s, "2026-03-10T00:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	assert_int_equal(due_birthday(&s, m, "2026-03-10"), ST_NOTFOUND);
	struct cmd c = stage_cmd(OP_BIRTHDAY, m);
	birthday_date(&c, 3, 10);
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	stage_release(&s);
}

/* ---- what is due, in its order ---- */

static void
due_in_order(void **state)
{
	struct program p = { .zone = stage_zone(9) };
	struct lot lots[] = { { 20000, LOT_EARNED, 5 } }, held[] = { { 20000, LOT_EARNED, 5 } };
	int64_t midnight = zone_midnight_us(&p.zone, 20001);
	struct hold holds[] = { { .id = { 1, 0 }, .ends_at_us = midnight + 1, .n_lots = 1, .lots = held },
				{ .id = { 2, 0 }, .ends_at_us = midnight, .n_lots = 1, .lots = held } };
	struct member m = { .available = 5, .held = 10, .n_lots = 1, .lots = lots, .n_holds = 2, .holds = holds,
			    .tier = { .gift = "gold", .gift_until = 20000 } };
	struct due due;

	(void)state;
	assert_false(due_next(&m, &p, midnight - 1, &due));
	assert_true(due_next(&m, &p, midnight, &due));
	assert_int_equal(due.kind, DUE_HOLD_TIMEOUT);
	assert_int_equal(due.hold.seq, 2);
	m.n_holds = 1;
	assert_true(due_next(&m, &p, midnight, &due));
	assert_int_equal(due.kind, DUE_TIER_END);
	m.tier.gift[0] = 0;
	assert_true(due_next(&m, &p, midnight, &due));
	assert_int_equal(due.kind, DUE_EXPIRE);
	m.n_lots = 0;
	assert_int_equal(due_at_us(&m, &p), midnight + 1);
	m.n_holds = 0;
	assert_true(due_at_us(&m, &p) == INSTANT_NEVER);
	lots[0].last_day = DAY_NEVER;
	m.n_lots = 1;
	assert_false(due_next(&m, &p, INSTANT_NEVER, &due));
}

/* A sum that would not fit is refused before it is made; moving points around never runs into it. */
static void
sums_never_overflow(void **state)
{
	struct stage s;

	(void)state;
	uint64_t a = with_redemption(&s, "2026-01-01T00:00:00"), b = stage_enrol(&s);
	assert_int_equal(stage_adjust(&s, a, "2305843009213693952", NULL), LEDGER_OK);	/* 2^61 */
	assert_int_equal(stage_adjust(&s, b, "1", NULL), LEDGER_INVALID_ARGUMENT);
	assert_int_equal(stage_purchase(&s, a, "2305843009213693952"), LEDGER_OK);
	assert_int_equal(stage_purchase(&s, b, "1"), LEDGER_INVALID_ARGUMENT);
	assert_int_equal(stage_redeem(&s, a, "2305843009213693952"), LEDGER_OK);
	assert_int_equal(stage_redeem(&s, a, "2305843009213693952"), LEDGER_OK);
	assert_int_equal(stage_purchase(&s, b, "0"), LEDGER_OK);
	stage_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(purchases_earn),
		cmocka_unit_test(components_in_their_order),
		cmocka_unit_test(the_part_paid_with_points_earns_nothing),
		cmocka_unit_test(a_quote_writes_nothing),
		cmocka_unit_test(debt_is_paid_first),
		cmocka_unit_test(sb1_upgrades_from_the_next_event),
		cmocka_unit_test(the_window_rolls),
		cmocka_unit_test(straight_to_the_highest_tier_reached),
		cmocka_unit_test(tier_points_of_adjustments_count),
		cmocka_unit_test(gifts_end_at_midnight),
		cmocka_unit_test(sb2_expires_at_the_month_end),
		cmocka_unit_test(al1_earliest_lots_first),
		cmocka_unit_test(x12_what_was_spent_does_not_expire),
		cmocka_unit_test(x4_capture_and_release),
		cmocka_unit_test(x4_time_out),
		cmocka_unit_test(held_lots_expire_on_release),
		cmocka_unit_test(the_last_day_is_usable),
		cmocka_unit_test(points_have_a_value),
		cmocka_unit_test(late_events_use_their_own_date),
		cmocka_unit_test(a_late_event_completes_a_window),
		cmocka_unit_test(birthdays_come_once),
		cmocka_unit_test(a_recorded_birthday_is_taken_as_given),
		cmocka_unit_test(on_claim_means_nobody_else_grants),
		cmocka_unit_test(due_in_order),
		cmocka_unit_test(sums_never_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
