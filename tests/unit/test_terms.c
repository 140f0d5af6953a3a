/* The terms of lots: dates, refreshing, tiers that lots follow, the inactivity clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

static uint64_t
begin(struct stage *s, const struct program_def *def, const char *at)
{
	stage_init(s);
	stage_at(s, at);
	stage_publish(s, def);
	return stage_enrol(s);
}

/* "2026-12-31:5 never:7": what the balance and its expiring rows say; what never expires last. */
static void
assert_lots(struct stage *s, uint64_t member, const char *want)
{
	struct balance b = stage_balance(s, member);
	char text[256] = "", one[DAY_TEXT_BYTES];
	int64_t rest = b.available;

	for (size_t i = 0; i < b.n_expiring; i++) {
		rest -= b.expiring[i].points;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s:%lld ", day_format(b.expiring[i].last_day, one),
		    (long long)b.expiring[i].points);
	}
	if (rest > 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "never:%lld ", (long long)rest);
	if (strlen(text) > 0)
		text[strlen(text) - 1] = 0;
	if (strcmp(text, want) != 0)
		fail_msg("%s, not %s", text, want);
}

/* ---- dates ---- */

static const struct { const char *name; struct expiry e; const char *from, *last; } terms[] = {
	{ "never", { .never = true }, "2026-01-31", "never" },
	{ "days", { .days = 10 }, "2026-02-20", "2026-03-02" },
	{ "X6", { .months = 1 }, "2026-01-31", "2026-02-28" },
	{ "X6 in the month", { .months = 1 }, "2026-01-25", "2026-02-25" },
	{ "X6 to the month", { .months = 1, .round_up = ROUND_UP_MONTH }, "2026-01-25", "2026-02-28" },
	{ "to the quarter", { .months = 1, .round_up = ROUND_UP_QUARTER }, "2026-01-25", "2026-03-31" },
	{ "to the half year", { .months = 6, .round_up = ROUND_UP_HALF_YEAR }, "2026-01-25", "2026-12-31" },
	{ "to the year", { .days = 1, .round_up = ROUND_UP_YEAR }, "2026-12-31", "2027-12-31" },
	{ "a leap day and a year", { .months = 12 }, "2028-02-29", "2029-02-28" },
	{ "on the day before it", { .on_month = 12, .on_day = 31, .months = 12 }, "2026-12-30", "2027-12-31" },
	{ "on the day itself", { .on_month = 12, .on_day = 31, .months = 12 }, "2026-12-31", "2027-12-31" },
	{ "on the day after it", { .on_month = 6, .on_day = 30, .months = 24 }, "2026-07-01", "2029-06-30" },
	{ "on the first of them", { .on_month = 3, .on_day = 31 }, "2026-03-31", "2026-03-31" },
	{ "on a leap day, in a common year", { .on_month = 2, .on_day = 29 }, "2026-03-01", "2027-02-28" },
	{ "on a leap day, after it in a common year", { .on_month = 2, .on_day = 29 }, "2027-02-28", "2027-02-28" },
	{ "on a leap day, a year later", { .on_month = 2, .on_day = 29, .months = 12 }, "2027-02-01", "2028-02-29" },
	{ "at the end of the calendar", { .on_month = 12, .on_day = 31, .months = 1200 }, "9999-01-01", "9999-12-31" },
};

static void
terms_have_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		char text[DAY_TEXT_BYTES];

		if (strcmp(day_format(expiry_last_day(&terms[i].e, day(terms[i].from)), text), terms[i].last) != 0)
			fail_msg("%s: %s", terms[i].name, text);
	}
	assert_int_equal(expiry_last_day(&(struct expiry){ .inactivity = true }, 20000), DAY_CLOCK);
}

/* A night in which the clock jumps has a midnight like others. */
static void
lots_end_at_local_midnight(void **state)
{
	struct zone los_angeles = { .n_transitions = 2, .first_offset_s = -8 * 3600, .offset_s = { -7 * 3600, -8 * 3600 } };
	struct program p = { .zone = stage_zone(9) };
	struct lot lots[] = { { 0, LOT_EARNED, 5 } };
	struct member m = { .available = 5, .n_lots = 1, .lots = lots };
	int64_t at_us;

	(void)state;
	assert_true(instant_parse("2026-03-08T10:00:00Z", &at_us));
	los_angeles.at_s[0] = at_us / US_PER_SECOND;
	assert_true(instant_parse("2026-11-01T09:00:00Z", &at_us));
	los_angeles.at_s[1] = at_us / US_PER_SECOND;
	lots[0].last_day = day("2026-03-08");
	assert_true(instant_parse("2026-03-08T15:00:00Z", &at_us));		/* Seoul */
	assert_int_equal(due_at_us(&m, &p), at_us);
	p.zone = los_angeles;
	assert_true(instant_parse("2026-03-09T07:00:00Z", &at_us));		/* a day of 23 hours */
	assert_int_equal(due_at_us(&m, &p), at_us);
	lots[0].last_day = day("2026-11-01");
	assert_true(instant_parse("2026-11-02T08:00:00Z", &at_us));		/* a day of 25 */
	assert_int_equal(due_at_us(&m, &p), at_us);
	m.n_lots = 0;
	m.available = 0;
	tier_id_copy(m.tier.earned, "gold");
	m.tier.until = day("2026-03-08");
	assert_true(instant_parse("2026-03-09T07:00:00Z", &at_us));
	assert_int_equal(due_at_us(&m, &p), at_us);
}

/* ---- refresh_on ---- */

static void
a_purchase_refreshes_dated_lots(void **state)
{
	static const char *const on[] = { "purchase" };
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 12, .n_refresh = 1, .refresh = on };
	def.has_redemption = true;
	uint64_t m = begin(&s, &def, "2026-01-31T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "20", "2026-06-30"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "30", "2030-06-30"), LEDGER_OK);	/* never to an earlier date */
	assert_int_equal(stage_adjust(&s, m, "40", "never"), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "5", 90 * US_PER_DAY / 4), LEDGER_OK);
	struct entry_id hold = s.id;
	assert_lots(&s, m, "2026-06-30:15 2027-01-31:10 2030-06-30:30 never:40");
	stage_at(&s, "2026-02-20T10:00:00");
	assert_int_equal(stage_redeem(&s, m, "1"), LEDGER_OK);			/* is not named */
	assert_lots(&s, m, "2026-06-30:14 2027-01-31:10 2030-06-30:30 never:40");
	assert_int_equal(stage_purchase(&s, m, "0"), LEDGER_OK);		/* earns nothing, and counts */
	assert_lots(&s, m, "2027-02-20:24 2030-06-30:30 never:40");
	assert_int_equal(s.entry.n_postings, 4);
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);		/* held ones stayed */
	assert_lots(&s, m, "2026-06-30:5 2027-02-20:24 2030-06-30:30 never:40");
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	c.u.purchase.amount = dec("1");
	c.is_quote = true;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(s.entry.n_postings, 2);
	stage_release(&s);
}

/* ---- tiers that lots follow ---- */

static struct program_def
followed(void)
{
	struct program_def def = plain("KRW");

	def.expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 6, .round_up = ROUND_UP_MONTH };
	def.n_tiers = 3;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "spend", "500", NULL);
	def.tiers[1].window = WINDOW_ROLLING_MONTHS;
	def.tiers[1].rolling_months = 12;
	def.tiers[1].has_valid = true;
	def.tiers[1].valid = VALID_MONTHS;
	def.tiers[1].valid_months = 12;
	def.tiers[1].expiry = (struct expiry_def){ .given = true, .never = true };
	def.tiers[1].all_open = true;
	def.tiers[2] = tier_of("ruby", 2, "spend", "90000", NULL);
	def.tiers[2].expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 24 };
	def.has_redemption = true;
	return def;
}

static void
lots_follow_the_tier(void **state)
{
	struct program_def def = followed();
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-03-10T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "30", 20 * US_PER_DAY), LEDGER_OK);
	assert_lots(&s, m, "2026-09-30:70");
	stage_at(&s, "2026-03-20T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "400"), LEDGER_OK);		/* gold: what it earns itself as well */
	assert_lots(&s, m, "never:470");
	assert_int_equal(s.entry.n_postings, 2 + 2 + 2);
	assert_true(s.entry.postings[5].has_hold);
	stage_at(&s, "2026-03-31T10:00:00");					/* the hold timed out */
	assert_lots(&s, m, "never:500");
	assert_int_equal(stage_purchase(&s, m, "7"), LEDGER_OK);
	stage_at(&s, "2027-03-20T23:59:59");
	assert_lots(&s, m, "never:507");
	stage_at(&s, "2027-03-21T00:00:00");					/* green: its term from its first day */
	assert_lots(&s, m, "2027-09-30:507");
	stage_at(&s, "2027-10-01T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 0);
	stage_release(&s);
}

static void
lots_follow_a_gift(void **state)
{
	struct program_def def = followed();
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-03-10T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
	struct cmd c = stage_cmd(OP_TIER, m);
	c.u.tier.tier = "gold";
	c.u.tier.until = day("2026-04-30");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_lots(&s, m, "never:100");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);			/* the same again */
	assert_int_equal(s.entry.n_postings, 0);
	c.u.tier.tier = "ruby";							/* follows nothing: lots stay as they are */
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_lots(&s, m, "never:100");
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_OK);
	assert_lots(&s, m, "2028-03-10:1 never:100");
	c.u.tier.tier = "gold";							/* down to gold, which all lots follow */
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	stage_at(&s, "2026-05-01T00:00:00");
	assert_lots(&s, m, "2026-11-30:101");
	c.u.tier.until = DAY_NEVER;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	c.u.tier.tier = "";
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);			/* taken back by hand */
	assert_lots(&s, m, "2026-11-30:101");
	stage_release(&s);
}

/* As many lots as a member may have, of as many points as there may be, change their terms in one entry that fits a transaction. */
static void
a_thousand_lots_fit_an_entry(void **state)
{
	struct program_def def = followed();
	struct stage s;
	struct buf written;
	size_t bytes;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-03-10T10:00:00");
	for (int32_t i = 0; i < LEDGER_LOTS_MAX; i++) {
		char text[DAY_TEXT_BYTES];
		assert_int_equal(stage_adjust(&s, m, "1000000000000000", day_format(day("2027-01-01") + i, text)), LEDGER_OK);
	}
	assert_int_equal(stage_member(&s, m)->n_lots, LEDGER_LOTS_MAX);
	assert_int_equal(stage_purchase(&s, m, "500"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->n_lots, 2);
	buf_init(&written);
	assert_int_equal(codec_entry_bytes(&s.entry, &written, &bytes), ST_OK);
	buf_release(&written);
	assert_true(bytes > 10000 && bytes < 40000);
	stage_release(&s);
}

/* ---- inactivity ---- */

static const char *const shopping[] = { "purchase", "redeem" };

static struct program_def
clocked(uint32_t percent)
{
	struct program_def def = plain("KRW");

	def.expiry = (struct expiry_def){ .given = true, .inactivity = true, .has_inactivity_months = true, .inactivity_months = 6,
	    .has_percent = true, .percent = percent, .n_activities = 2, .activities = shopping };
	def.has_redemption = true;
	return def;
}

static void
the_clock_restarts_and_ends(void **state)
{
	struct program_def def = clocked(100);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-01-31T10:00:00");
	assert_int_equal(stage_member(&s, m)->clock.last_day, day("2026-07-31"));
	stage_at(&s, "2026-02-28T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "50", NULL), LEDGER_OK);		/* under it, but no activity */
	assert_lots(&s, m, "2026-07-31:50");
	assert_int_equal(stage_purchase(&s, m, "0"), LEDGER_OK);		/* grants nothing, and restarts it */
	assert_lots(&s, m, "2026-08-28:50");
	assert_int_equal(s.entry.n_postings, 0);
	stage_at(&s, "2026-03-31T10:00:00");
	assert_int_equal(stage_redeem(&s, m, "10"), LEDGER_OK);
	assert_lots(&s, m, "2026-09-30:40");
	struct cmd late = stage_cmd(OP_PURCHASE, m);
	late.u.purchase.amount = dec("1");
	late.has_occurred_at = true;
	late.occurred_at_us = s.now_us - 20 * US_PER_DAY;
	assert_int_equal(stage_play(&s, &late), LEDGER_OK);			/* never turns it back */
	assert_lots(&s, m, "2026-09-30:41");
	stage_at(&s, "2026-09-30T23:59:59");
	assert_lots(&s, m, "2026-09-30:41");
	stage_at(&s, "2026-10-01T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 0);
	assert_int_equal(stage_member(&s, m)->clock.last_day, day("2027-04-01"));
	stage_at(&s, "2028-01-15T10:00:00");					/* it went round while there was nothing under it */
	assert_int_equal(s.n_due, 1);
	assert_int_equal(stage_adjust(&s, m, "5", NULL), LEDGER_OK);
	assert_lots(&s, m, "2028-04-03:5");
	stage_release(&s);
}

static void
the_clock_takes_a_part(void **state)
{
	static const struct { enum rounding_mode mode; const char *first, *second; int64_t left; } rows[] = {
		{ ROUNDING_FLOOR, "2026-07-31:3", "2027-02-01:3", 8 },
		{ ROUNDING_NEAREST, "2026-07-31:3", "2027-02-01:3", 8 },
		{ ROUNDING_CEIL, "2026-07-31:4", "2027-02-01:3", 7 },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct program_def def = clocked(24);
		struct stage s;
		char want[64];

		def.rounding = rows[i].mode;
		uint64_t m = begin(&s, &def, "2026-01-31T10:00:00");
		assert_int_equal(stage_adjust(&s, m, "14", NULL), LEDGER_OK);		/* 24 %: 3.36, then 2.64 of 11 or 2.4 of 10 */
		snprintf(want, sizeof(want), "%s never:%d", rows[i].first, rows[i].mode == ROUNDING_CEIL ? 10 : 11);
		assert_lots(&s, m, want);
		stage_at(&s, "2026-08-01T00:00:00");
		assert_int_equal(stage_member(&s, m)->available, rows[i].mode == ROUNDING_CEIL ? 10 : 11);
		snprintf(want, sizeof(want), "%s never:%d", rows[i].mode == ROUNDING_FLOOR ? "2027-02-01:2" : rows[i].second,
		    rows[i].mode == ROUNDING_FLOOR ? 9 : (int)rows[i].left);
		assert_lots(&s, m, want);
		stage_release(&s);
	}
}

/* Dated lots before the clock's day go first, later ones after it; held points end with it and can still be captured. */
static void
the_clock_among_dates_and_holds(void **state)
{
	struct program_def def = clocked(100);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-01-31T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "10", NULL), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "20", "2026-07-30"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "30", "2027-12-31"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "40", "never"), LEDGER_OK);
	assert_lots(&s, m, "2026-07-30:20 2026-07-31:10 2027-12-31:30 never:40");
	assert_int_equal(stage_hold(&s, m, "26", 29 * US_PER_DAY), LEDGER_OK);	/* 20 dated, 6 of the clock's */
	assert_int_equal(s.entry.postings[2].last_day, DAY_CLOCK);
	assert_int_equal(s.entry.clock.last_day, day("2026-07-31"));
	assert_lots(&s, m, "2026-07-31:4 2027-12-31:30 never:40");
	struct entry_id hold = s.id;
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);
	stage_at(&s, "2026-07-15T10:00:00");
	assert_int_equal(stage_hold(&s, m, "26", 29 * US_PER_DAY), LEDGER_OK);
	hold = s.id;
	stage_at(&s, "2026-08-01T00:00:00");
	assert_lots(&s, m, "2027-12-31:30 never:40");
	assert_int_equal(stage_member(&s, m)->held, 26);
	assert_int_equal(stage_capture(&s, m, hold, "21"), LEDGER_OK);
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);		/* the rest ended with the clock */
	assert_lots(&s, m, "2027-12-31:30 never:40");
	assert_int_equal(stage_member(&s, m)->held, 0);
	stage_release(&s);
}

static void
lots_stay_under_the_clock_of_their_version(void **state)
{
	struct program_def def = clocked(100);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-01-31T10:00:00"), other = stage_enrol(&s);
	assert_int_equal(stage_purchase(&s, m, "10"), LEDGER_OK);
	assert_int_equal(stage_purchase(&s, other, "10"), LEDGER_OK);
	def.expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 5 };
	stage_publish(&s, &def);
	stage_at(&s, "2026-03-01T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_OK);
	assert_lots(&s, m, "2026-03-06:1 2026-09-01:10");
	stage_at(&s, "2026-09-02T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 0);
	assert_int_equal(stage_member(&s, other)->available, 0);
	stage_release(&s);
}

static void
sleeping_through_clocks_changes_nothing(void **state)
{
	struct program_def def = clocked(30);
	struct buf records[2];

	(void)state;
	for (int sleeps = 0; sleeps < 2; sleeps++) {
		struct stage s;
		uint64_t m = begin(&s, &def, "2026-01-31T10:00:00");

		assert_int_equal(stage_purchase(&s, m, "1000"), LEDGER_OK);
		assert_int_equal(stage_adjust(&s, m, "77", "2027-03-15"), LEDGER_OK);
		assert_int_equal(stage_hold(&s, m, "500", 30 * US_PER_DAY), LEDGER_OK);
		for (int32_t d = day("2026-02-01"); d < day("2029-06-01") && !sleeps; d++) {
			char text[DAY_TEXT_BYTES], at[40];

			snprintf(at, sizeof(at), "%sT00:00:00", day_format(d, text));
			stage_at(&s, at);
		}
		stage_at(&s, "2029-06-01T12:00:00");
		assert_true(s.n_due > 6);
		buf_init(&records[sleeps]);
		member_encode(stage_member(&s, m), &records[sleeps]);
		stage_release(&s);
	}
	assert_true(bytes_equal(buf_bytes(&records[0]), buf_bytes(&records[1])));
	buf_release(&records[0]);
	buf_release(&records[1]);
}

/* ---- what is refused ---- */

static const char *const bad_name[] = { "two words" };
static const struct { const char *name; struct expiry_def e; const char *path; } refusals[] = {
	{ "two kinds", { .given = true, .never = true, .on = "12-31", .has_on_years = true }, "expiry" },
	{ "on and after", { .given = true, .has_days = true, .days = 1, .on = "12-31", .has_on_years = true }, "expiry" },
	{ "on a day that is none", { .given = true, .on = "02-30", .has_on_years = true }, "expiry.on" },
	{ "on without years", { .given = true, .on = "12-31" }, "expiry.years" },
	{ "on in too many years", { .given = true, .on = "12-31", .has_on_years = true, .years = 101 }, "expiry.years" },
	{ "years without on", { .given = true, .has_days = true, .days = 1, .has_on_years = true }, "expiry.years" },
	{ "on, rounded", { .given = true, .on = "12-31", .has_on_years = true, .round_up = ROUND_UP_YEAR }, "expiry" },
	{ "refreshing what never ends", { .given = true, .never = true, .n_refresh = 1, .refresh = shopping }, "expiry.refresh_on" },
	{ "refreshing on no name", { .given = true, .has_days = true, .days = 1, .n_refresh = 1, .refresh = bad_name }, "expiry.refresh_on[0]" },
	{ "inactivity without months", { .given = true, .inactivity = true, .has_percent = true, .percent = 1, .n_activities = 2,
	  .activities = shopping }, "expiry.inactivity.months" },
	{ "inactivity of nothing", { .given = true, .inactivity = true, .has_inactivity_months = true, .inactivity_months = 1, .has_percent = true,
	  .percent = 1 }, "expiry.inactivity.activities" },
	{ "inactivity that takes nothing", { .given = true, .inactivity = true, .has_inactivity_months = true, .inactivity_months = 1,
	  .has_percent = true, .n_activities = 2, .activities = shopping }, "expiry.inactivity.percent" },
	{ "inactivity that takes too much", { .given = true, .inactivity = true, .has_inactivity_months = true, .inactivity_months = 1,
	  .has_percent = true, .percent = 101, .n_activities = 2, .activities = shopping }, "expiry.inactivity.percent" },
};

static void
terms_that_are_refused(void **state)
{
	struct zone zone = stage_zone(9);
	struct program_error error;
	struct program *p;
	struct arena arena;

	(void)state;
	arena_init(&arena, (size_t)1 << 26);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct program_def def = plain("KRW");

		def.expiry = refusals[i].e;
		if (program_compile(&def, &zone, &arena, &p, &error) != ST_INVALID || strcmp(error.path, refusals[i].path) != 0)
			fail_msg("%s: %s: %s", refusals[i].name, error.path, error.sentence);
	}
	struct program_def two = clocked(100);
	two.n_tiers = 1;
	two.tiers[0] = tier_of("only", 0, NULL, NULL, NULL);
	two.tiers[0].expiry = two.expiry;
	assert_int_equal(program_compile(&two, &zone, &arena, &p, &error), ST_OK);
	two.tiers[0].expiry.percent = 99;
	assert_int_equal(program_compile(&two, &zone, &arena, &p, &error), ST_INVALID);
	assert_string_equal(error.path, "tiers[0].expiry.inactivity");
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_have_dates),
		cmocka_unit_test(lots_end_at_local_midnight),
		cmocka_unit_test(a_purchase_refreshes_dated_lots),
		cmocka_unit_test(lots_follow_the_tier),
		cmocka_unit_test(lots_follow_a_gift),
		cmocka_unit_test(a_thousand_lots_fit_an_entry),
		cmocka_unit_test(the_clock_restarts_and_ends),
		cmocka_unit_test(the_clock_takes_a_part),
		cmocka_unit_test(the_clock_among_dates_and_holds),
		cmocka_unit_test(lots_stay_under_the_clock_of_their_version),
		cmocka_unit_test(sleeping_through_clocks_changes_nothing),
		cmocka_unit_test(terms_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
