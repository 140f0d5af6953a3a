/* What a member's nights and days bring besides earning: birthdays with conditions, anniversaries, holds whose lots end, notices, standing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static enum status
birthday_night(struct stage *s, uint64_t member, const char *date)
{
	struct due due = { .kind = DUE_BIRTHDAY, .birthday = day(date) };

	due.at_us = s->now_us;
	enum status st = decide_due(&s->live.state, 1, member, &due, &s->arena, &s->entry);
	if (st == ST_OK)
		stage_apply(s);
	return st;
}

/* ---- birthdays ---- */

/* Gold opens ten days before and closes twenty after; everybody else has three and five. */
static void
the_window_is_the_tiers(void **state)
{
	static const struct { const char *name; bool gold; int month, day; enum ledger_result want; } rows[] = {
		{ "green, on its first day", false, 3, 15, LEDGER_OK },
		{ "green, too early", false, 3, 16, LEDGER_NOT_ELIGIBLE },
		{ "green, on its last day", false, 3, 7, LEDGER_OK },
		{ "green, too late", false, 3, 6, LEDGER_NOT_ELIGIBLE },
		{ "gold, on its first day", true, 3, 22, LEDGER_OK },
		{ "gold, too early", true, 3, 23, LEDGER_NOT_ELIGIBLE },
		{ "gold, on its last day", true, 2, 20, LEDGER_OK },
		{ "gold, too late", true, 2, 19, LEDGER_NOT_ELIGIBLE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program_def def = full();
		struct stage s;

		def.tiers[1].has_birthday_window = true;
		def.tiers[1].birthday_days_before = 10;
		def.tiers[1].birthday_days_after = 20;
		uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
		struct cmd gift = stage_cmd(OP_TIER, m), c = stage_cmd(OP_BIRTHDAY, m);
		gift.u.tier.tier = "gold";
		if (rows[i].gold)
			assert_int_equal(stage_play(&s, &gift), LEDGER_OK);
		birthday_date(&c, rows[i].month, rows[i].day);
		if (stage_play(&s, &c) != rows[i].want)
			fail_msg("%s: %s", rows[i].name, s.refusal.sentence);
		stage_release(&s);
	}
}

/* 10 points within two months before 12 March: from 13 January on. */
static void
a_birthday_may_require_points(void **state)
{
	static const struct { const char *name, *at, *amount; bool granted; } rows[] = {
		{ "nothing", NULL, NULL, false },
		{ "a day too early", "2026-01-12T12:00:00", "10", false },
		{ "on the first day", "2026-01-13T00:00:00", "10", true },
		{ "one too few", "2026-03-11T23:59:59", "9", false },
		{ "just enough", "2026-03-11T23:59:59", "10", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int claims = 0; claims < 2; claims++) {
			struct program_def def = plain("KRW");
			struct stage s;

			def.has_birthday = true;
			def.birthday_points = "7";
			def.has_requires = def.has_within_months = true;
			def.requires_points = "10";
			def.within_months = 2;
			uint64_t m = begin(&s, &def, "2026-01-01T10:00:00");
			if (rows[i].at != NULL) {
				stage_at(&s, rows[i].at);
				assert_int_equal(stage_purchase(&s, m, rows[i].amount), LEDGER_OK);
			}
			stage_at(&s, "2026-03-12T00:00:00");
			struct cmd c = stage_cmd(OP_BIRTHDAY, m);
			birthday_date(&c, 3, 12);
			bool granted = claims ? stage_play(&s, &c) == LEDGER_OK : birthday_night(&s, m, "2026-03-12") == ST_OK;
			if (granted != rows[i].granted)
				fail_msg("%s, %d", rows[i].name, claims);
			if (claims && !granted)
				assert_int_equal(s.refusal.result, LEDGER_NOT_ELIGIBLE);
			stage_release(&s);
		}
	}
}

/* ---- anniversaries ---- */

static struct program_def
with_anniversary(void)
{
	struct program_def def = plain("KRW");

	def.has_anniversary = def.has_anniversary_of = true;
	def.anniversary_points = "100";
	def.expiry = (struct expiry_def){ .given = true, .has_months = true, .months = 1 };
	return def;
}

static void
anniversaries_of_a_leap_day(void **state)
{
	static const char *const days[] = { "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28" };
	struct program_def def = with_anniversary();
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2024-02-29T10:00:00");
	assert_int_equal(stage_member(&s, m)->anniversary, day(days[0]));
	for (size_t i = 0; i < 5; i++) {
		char at[40];

		snprintf(at, sizeof(at), "%sT00:00:00", days[i]);
		int64_t before = s.now_us;
		stage_at(&s, at);
		assert_true(s.now_us > before);
		assert_int_equal(stage_member(&s, m)->available, 100);
		assert_int_equal(stage_member(&s, m)->lots[0].class, LOT_ANNIVERSARY);
		assert_int_equal(stage_member(&s, m)->lots[0].last_day, day_add_months(day(days[i]), 1));
		assert_int_equal(stage_member(&s, m)->points_earned, 0);
		assert_int_equal(stage_member(&s, m)->anniversary, i < 4 ? day(days[i + 1]) : day("2030-02-28"));
	}
	assert_int_equal(s.n_due, 5 + 4);				/* and what they gave has ended */
	stage_release(&s);
}

static void
anniversaries_of_other_versions(void **state)
{
	struct program_def def = with_anniversary(), bare = plain("KRW");
	struct stage s;

	(void)state;
	def.expiry = bare.expiry;
	uint64_t m = begin(&s, &bare, "2024-05-10T10:00:00");
	assert_false(stage_member(&s, m)->has_anniversary);
	stage_at(&s, "2027-05-09T10:00:00");
	stage_publish(&s, &def);
	assert_int_equal(stage_purchase(&s, m, "0"), LEDGER_OK);		/* from its next entry on; nothing is made up for */
	assert_int_equal(stage_member(&s, m)->anniversary, day("2027-05-10"));
	stage_at(&s, "2027-05-10T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 100);
	stage_publish(&s, &bare);
	stage_at(&s, "2028-05-10T00:00:00");					/* looked at, and nothing to give */
	assert_int_equal(stage_member(&s, m)->available, 100);
	assert_false(stage_member(&s, m)->has_anniversary);
	stage_at(&s, "2038-05-10T00:00:00");
	assert_int_equal(s.n_due, 2);
	stage_release(&s);
}

/* Nobody touches the member, whose record says nothing of it. */
static void
a_version_gives_what_it_adds(void **state)
{
	struct program_def def = with_anniversary(), bare = plain("KRW"), more = with_anniversary();
	struct stage s;

	(void)state;
	bare.expiry = more.expiry = def.expiry;
	more.anniversary_points = "7";
	uint64_t m = begin(&s, &bare, "2024-05-10T10:00:00");
	stage_at(&s, "2027-05-10T00:00:00");
	stage_publish(&s, &def);						/* that midnight is over */
	assert_false(stage_member(&s, m)->has_anniversary);
	assert_int_equal(stage_member(&s, m)->looked, 1);
	stage_at(&s, "2028-05-09T23:59:59");
	assert_int_equal(s.n_due, 0);
	stage_at(&s, "2028-05-10T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 100);
	assert_int_equal(stage_member(&s, m)->looked, 2);
	stage_at(&s, "2028-06-01T00:00:00");
	stage_publish(&s, &bare);
	stage_publish(&s, &more);
	stage_at(&s, "2029-05-10T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 7);			/* the others have ended */
	assert_int_equal(stage_member(&s, m)->looked, 4);
	stage_release(&s);
}

/* What was due before a version came is done first, however late, and then goes by the version as if it had been there in time. */
static void
a_version_comes_after_what_was_due_before(void **state)
{
	struct program_def def = full(), bare = full();
	struct stage s;
	const struct member *m;

	(void)state;
	bare.has_anniversary = bare.has_notices = false;
	def.has_anniversary = def.has_anniversary_of = true;
	def.anniversary_points = "100";
	uint64_t number = begin(&s, &bare, "2026-01-15T10:00:00");
	assert_int_equal(stage_adjust(&s, number, "10", "2026-03-01"), LEDGER_OK);
	s.now_us = stage_member(&s, number)->due_at_us + 10 * US_PER_DAY;		/* nobody has come to it yet */
	stage_publish(&s, &def);
	assert_int_equal(s.live.state.member(&s.live, 1, number, &m), ST_OK);
	assert_int_equal(m->looked, 1);
	assert_int_equal(m->due_at_us, stage_member(&s, number)->due_at_us);
	stage_roll(&s, 1, number);
	assert_true(s.n_due > 0);
	assert_int_equal(stage_member(&s, number)->looked, 2);
	assert_int_equal(stage_member(&s, number)->anniversary, day("2027-01-15"));
	stage_release(&s);
}

static void
sleeping_through_anniversaries(void **state)
{
	struct program_def def = with_anniversary();
	struct buf records[2];

	(void)state;
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "balance", "150", NULL);
	def.tiers[1].has_valid = true;
	def.tiers[1].valid = VALID_MONTHS;
	def.tiers[1].valid_months = 5;
	def.expiry.months = 13;
	for (int sleeps = 0; sleeps < 2; sleeps++) {
		struct stage s;
		uint64_t m = begin(&s, &def, "2024-05-31T10:00:00");

		for (int32_t d = day("2024-06-01"); d < day("2030-07-01") && !sleeps; d++) {
			char text[DAY_TEXT_BYTES], at[40];

			snprintf(at, sizeof(at), "%sT00:00:00", day_format(d, text));
			stage_at(&s, at);
		}
		stage_at(&s, "2030-07-01T12:00:00");
		assert_true(s.n_due > 15);		/* rewards, their ends, gold each year and its end */
		buf_init(&records[sleeps]);
		member_encode(stage_member(&s, m), &records[sleeps]);
		stage_release(&s);
	}
	assert_true(bytes_equal(buf_bytes(&records[0]), buf_bytes(&records[1])));
	buf_release(&records[0]);
	buf_release(&records[1]);
}

/* ---- holds whose lots end ---- */

static void
lots_leave_a_hold_at_their_midnight(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.has_redemption = def.expire_at_once = true;
	uint64_t m = begin(&s, &def, "2026-01-15T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "10", "2026-01-20"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "20", "2026-01-25"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "5", "2026-01-25"), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "15", 20 * US_PER_DAY), LEDGER_OK);
	struct entry_id both = s.id;
	assert_int_equal(stage_hold(&s, m, "10", 20 * US_PER_DAY), LEDGER_OK);
	struct entry_id late = s.id;
	stage_at(&s, "2026-01-20T23:59:59");
	assert_int_equal(stage_member(&s, m)->held, 25);
	stage_at(&s, "2026-01-21T00:00:00");
	assert_int_equal(stage_member(&s, m)->held, 15);
	assert_int_equal(stage_capture(&s, m, both, "6"), LEDGER_HOLD_TOO_SMALL);
	assert_int_equal(stage_capture(&s, m, both, "1"), LEDGER_OK);
	stage_at(&s, "2026-01-26T00:00:00");					/* both fall to nothing */
	assert_int_equal(stage_member(&s, m)->held, 0);
	assert_int_equal(stage_member(&s, m)->n_holds, 0);
	assert_int_equal(s.n_due, 1 + 1 + 2);
	assert_int_equal(stage_capture(&s, m, both, NULL), LEDGER_HOLD_EXPIRED);
	assert_int_equal(stage_release_hold(&s, m, late), LEDGER_HOLD_EXPIRED);
	stage_release(&s);
}

/* The terms are those of the day on which the hold was made. */
static void
a_hold_keeps_its_terms(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.has_redemption = true;
	uint64_t m = begin(&s, &def, "2026-01-15T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "10", "2026-01-20"), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "10", 20 * US_PER_DAY), LEDGER_OK);
	struct entry_id hold = s.id;
	def.expire_at_once = true;
	stage_publish(&s, &def);
	stage_at(&s, "2026-01-25T00:00:00");
	assert_int_equal(stage_capture(&s, m, hold, NULL), LEDGER_OK);
	stage_release(&s);
}

static void
the_clock_empties_holds_at_once(void **state)
{
	static const char *const on[] = { "purchase" };
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.has_redemption = def.expire_at_once = true;
	def.expiry = (struct expiry_def){ .given = true, .inactivity = true, .has_inactivity_months = true, .inactivity_months = 1,
	    .has_percent = true, .percent = 50, .n_activities = 1, .activities = on };
	uint64_t m = begin(&s, &def, "2026-01-15T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "20"), LEDGER_OK);
	stage_at(&s, "2026-02-10T10:00:00");
	assert_int_equal(stage_hold(&s, m, "8", 20 * US_PER_DAY), LEDGER_OK);
	stage_at(&s, "2026-02-16T00:00:00");
	assert_int_equal(stage_member(&s, m)->held, 4);
	assert_int_equal(stage_member(&s, m)->available, 6);
	assert_int_equal(s.n_due, 2);
	stage_release(&s);
}

/* ---- limits.redeem_per_day ---- */

static void
a_day_has_a_limit(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.has_redemption = true;
	def.redeem_per_day = "100";
	uint64_t m = begin(&s, &def, "2026-01-15T10:00:00"), poor = stage_enrol(&s);
	assert_int_equal(stage_adjust(&s, m, "1000", NULL), LEDGER_OK);
	assert_int_equal(stage_redeem(&s, m, "60"), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "41", 0), LEDGER_CAP_REACHED);
	assert_int_equal(stage_hold(&s, m, "40", 0), LEDGER_OK);
	struct entry_id hold = s.id;
	assert_int_equal(stage_redeem(&s, m, "1"), LEDGER_CAP_REACHED);
	assert_int_equal(stage_capture(&s, m, hold, "15"), LEDGER_OK);		/* counted when it was held */
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);		/* 25 come back to the day */
	assert_int_equal(stage_redeem(&s, m, "26"), LEDGER_CAP_REACHED);
	assert_int_equal(stage_hold(&s, m, "25", 20 * 3600 * US_PER_SECOND), LEDGER_OK);
	assert_int_equal(stage_redeem(&s, poor, "101"), LEDGER_CAP_REACHED);	/* a limit shows whatever the balance */
	assert_int_equal(stage_redeem(&s, poor, "100"), LEDGER_INSUFFICIENT_POINTS);
	stage_at(&s, "2026-01-15T23:59:59");
	assert_int_equal(stage_redeem(&s, m, "1"), LEDGER_CAP_REACHED);
	stage_at(&s, "2026-01-16T00:00:00");
	assert_int_equal(stage_redeem(&s, m, "100"), LEDGER_OK);
	stage_at(&s, "2026-01-16T12:00:00");					/* yesterday's hold timed out: no room for today */
	assert_int_equal(stage_redeem(&s, m, "1"), LEDGER_CAP_REACHED);
	struct cmd c = stage_cmd(OP_REDEEM, m);
	c.u.redeem.points = dec("1");
	c.has_occurred_at = true;
	c.occurred_at_us = s.now_us - US_PER_DAY;				/* of yesterday, where 75 + 25 were held */
	assert_int_equal(stage_play(&s, &c), LEDGER_CAP_REACHED);
	stage_release(&s);
}

/* ---- notices ---- */

static void
assert_notices(struct stage *s, uint64_t member, bool after_command, const char *want)
{
	const struct program *p = s->live.state.program_at(&s->live, 1, s->now_us);
	struct balance b = stage_balance(s, member);
	char text[512] = "", day1[DAY_TEXT_BYTES], day2[DAY_TEXT_BYTES];

	assert_int_equal(notices_of(stage_member(s, member), p, after_command ? &s->entry : NULL, zone_day(&p->zone, s->now_us), &s->arena, &b), ST_OK);
	for (size_t i = 0; i < b.n_notices; i++) {
		const struct notice *n = &b.notices[i];

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %lld of %s on %s", i > 0 ? ", " : "",
		    n->kind == NOTICE_EXPIRING ? "expiring" : "downgrade", (long long)n->points, day_format(n->last_day, day1), day_format(n->due, day2));
	}
	if (strcmp(text, want) != 0)
		fail_msg("\"%s\", not \"%s\"", text, want);
}

static void
notices_come_once(void **state)
{
	static const uint32_t expiring[] = { 60, 30 }, downgrade[] = { 30 };
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.has_notices = true;
	def.n_expiring_days = 2;
	def.expiring_days = expiring;
	def.n_downgrade_days = 1;
	def.downgrade_days = downgrade;
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "points_earned", "100", NULL);
	def.tiers[1].has_valid = true;
	def.tiers[1].valid = VALID_MONTHS;
	def.tiers[1].valid_months = 4;
	def.tiers[1].window = WINDOW_CALENDAR_YEAR;
	def.expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 100 };
	uint64_t m = begin(&s, &def, "2026-01-01T10:00:00");
	assert_notices(&s, m, true, "");
	assert_int_equal(stage_purchase(&s, m, "40"), LEDGER_OK);		/* through 2026-04-11 */
	stage_at(&s, "2026-02-09T10:00:00");
	assert_notices(&s, m, false, "");
	stage_at(&s, "2026-02-10T10:00:00");					/* 60 days before */
	assert_notices(&s, m, false, "expiring 40 of 2026-04-11 on 2026-02-10");
	stage_at(&s, "2026-02-20T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "5", "2026-03-01"), LEDGER_OK);	/* its own lot is no news, so near as it ends */
	assert_notices(&s, m, true, "expiring 40 of 2026-04-11 on 2026-02-10");
	assert_int_equal(stage_purchase(&s, m, "0"), LEDGER_OK);
	assert_notices(&s, m, true, "");
	assert_notices(&s, m, false, "");
	stage_at(&s, "2026-03-12T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "60"), LEDGER_OK);		/* gold through 2026-07-12 */
	assert_notices(&s, m, true, "expiring 40 of 2026-04-11 on 2026-03-12");
	stage_at(&s, "2026-06-12T10:00:00");
	assert_notices(&s, m, false, "expiring 60 of 2026-06-20 on 2026-04-21, expiring 60 of 2026-06-20 on 2026-05-21");
	stage_at(&s, "2026-06-13T10:00:00");
	assert_notices(&s, m, false, "expiring 60 of 2026-06-20 on 2026-04-21, expiring 60 of 2026-06-20 on 2026-05-21");
	stage_release(&s);
}

static void
a_downgrade_is_announced_while_it_is_ahead(void **state)
{
	static const uint32_t days[] = { 30 };
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	def.has_notices = true;
	def.n_downgrade_days = 1;
	def.downgrade_days = days;
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "points_earned", "100", NULL);
	def.tiers[1].has_valid = true;
	def.tiers[1].valid = VALID_MONTHS;
	def.tiers[1].valid_months = 4;
	def.tiers[1].window = WINDOW_ROLLING_MONTHS;
	def.tiers[1].rolling_months = 12;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
	stage_at(&s, "2026-05-01T10:00:00");
	assert_int_equal(stage_purchase(&s, m, "99"), LEDGER_OK);
	stage_at(&s, "2026-06-11T10:00:00");
	assert_notices(&s, m, false, "");
	stage_at(&s, "2026-06-12T10:00:00");
	assert_notices(&s, m, false, "downgrade 1 of 2026-07-12 on 2026-06-12");
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_OK);		/* kept */
	assert_notices(&s, m, true, "");
	stage_release(&s);
}

/* ---- standing ---- */

static enum ledger_result
stand(struct stage *s, enum op op, uint64_t m)
{
	struct cmd c = stage_cmd(op, m);

	c.u.standing.reason = "test";
	return stage_play(s, &c);
}

static void
a_frozen_member_earns_and_does_not_spend(void **state)
{
	struct program_def def = full();
	struct stage s;

	(void)state;
	def.expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 10 };
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "100", NULL), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "10", 0), LEDGER_OK);
	struct entry_id hold = s.id;
	assert_int_equal(stand(&s, OP_FREEZE, m), LEDGER_OK);
	assert_int_equal(stand(&s, OP_FREEZE, m), LEDGER_OK);
	assert_int_equal(stage_redeem(&s, m, "10"), LEDGER_MEMBER_FROZEN);
	assert_int_equal(stage_redeem(&s, m, "7"), LEDGER_MEMBER_FROZEN);	/* before BELOW_MINIMUM */
	assert_int_equal(stage_hold(&s, m, "10", 0), LEDGER_MEMBER_FROZEN);
	assert_int_equal(stage_capture(&s, m, hold, NULL), LEDGER_MEMBER_FROZEN);
	assert_int_equal(stage_release_hold(&s, m, hold), LEDGER_OK);
	assert_int_equal(stage_purchase(&s, m, "100"), LEDGER_OK);
	assert_int_equal(stage_adjust(&s, m, "-1", NULL), LEDGER_OK);
	struct cmd c = stage_cmd(OP_BIRTHDAY, m);
	birthday_date(&c, 3, 12);
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	stage_at(&s, "2026-03-23T00:00:00");
	assert_int_equal(stage_member(&s, m)->available, 0);			/* expires like anybody's */
	assert_int_equal(stand(&s, OP_UNFREEZE, m), LEDGER_OK);
	assert_int_equal(stage_redeem(&s, m, "10"), LEDGER_INSUFFICIENT_POINTS);
	stage_release(&s);
}

static void
a_closed_member_is_left_alone(void **state)
{
	struct program_def def = full();
	struct stage s;

	(void)state;
	def.has_anniversary = def.has_anniversary_of = true;
	def.anniversary_points = "1";
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(stage_adjust(&s, m, "100", NULL), LEDGER_OK);
	assert_int_equal(stage_hold(&s, m, "100", 0), LEDGER_OK);
	assert_int_equal(stand(&s, OP_CLOSE, m), LEDGER_NOT_ELIGIBLE);
	assert_int_equal(stage_capture(&s, m, s.id, NULL), LEDGER_OK);
	struct entry_id taken = s.entry.hold.id;
	struct cmd c = stage_cmd(OP_TIER, m);
	c.u.tier.tier = "gold";
	c.u.tier.until = day("2026-04-01");
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stand(&s, OP_CLOSE, m), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->standing, STANDING_CLOSED);
	assert_true(stage_member(&s, m)->due_at_us == INSTANT_NEVER);
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_MEMBER_CLOSED);
	assert_int_equal(stage_redeem(&s, m, "10"), LEDGER_MEMBER_CLOSED);
	assert_int_equal(stage_capture(&s, m, taken, NULL), LEDGER_MEMBER_CLOSED);
	assert_int_equal(stage_adjust(&s, m, "1", NULL), LEDGER_MEMBER_CLOSED);
	assert_int_equal(stand(&s, OP_FREEZE, m), LEDGER_MEMBER_CLOSED);
	assert_int_equal(stand(&s, OP_UNFREEZE, m), LEDGER_MEMBER_CLOSED);
	assert_int_equal(stand(&s, OP_CLOSE, m), LEDGER_MEMBER_CLOSED);
	c.u.tier.until = DAY_NEVER;
	assert_int_equal(stage_play(&s, &c), LEDGER_MEMBER_CLOSED);
	c = stage_cmd(OP_PROFILE, m);
	assert_int_equal(stage_play(&s, &c), LEDGER_MEMBER_CLOSED);
	c = stage_cmd(OP_BIRTHDAY, m);
	birthday_date(&c, 3, 12);
	assert_int_equal(stage_play(&s, &c), LEDGER_MEMBER_CLOSED);
	assert_int_equal(birthday_night(&s, m, "2026-03-12"), ST_NOTFOUND);
	stage_at(&s, "2030-03-12T10:00:00");
	assert_int_equal(s.n_due, 0);
	stage_release(&s);
}

/* ---- one midnight, and all of them ---- */

static void
a_night_has_its_order(void **state)
{
	static const enum due_kind order[] = { DUE_HOLD_TIMEOUT, DUE_ANNIVERSARY, DUE_TIER_END, DUE_TIER_REVIEW, DUE_EXPIRE, DUE_INACTIVITY,
	    DUE_HOLD_EXPIRE, DUE_TIER_LOOK, DUE_NOTICE };
	struct program p = { .zone = stage_zone(-8) };
	struct lot lots[] = { { 20000, LOT_EARNED, 5 }, { DAY_CLOCK, LOT_EARNED, 6 } }, held[] = { { 20000, LOT_EARNED, 7 } };
	int64_t midnight = zone_midnight_us(&p.zone, 20001);
	struct hold holds[] = { { .id = { 1, 0 }, .ends_at_us = midnight + 1, .n_lots = 1, .lots = held, .expire_at_once = true },
	    { .id = { 2, 0 }, .ends_at_us = midnight, .n_lots = 1, .lots = held, .expire_at_once = true } };
	struct member m = { .available = 11, .held = 14, .n_lots = 2, .lots = lots, .n_holds = 2, .holds = holds,
	    .tier = { .earned = "gold", .until = 20000, .gift = "ruby", .gift_until = 20000 }, .clock = { true, 20000, 1, 100 },
	    .has_anniversary = true, .anniversary = 20001, .has_look = true, .look_day = 20001, .told_day = 20000, .notice_day = 20001 };
	struct due due;

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_false(due_next(&m, &p, midnight - 1, &due));
		assert_true(due_next(&m, &p, midnight, &due));
		assert_int_equal(due.kind, order[i]);
		assert_true(due.at_us == midnight && due_at_us(&m, &p) == midnight);
		switch (i) {
		case 0: m.n_holds = 1; break;
		case 1: m.has_anniversary = false; break;
		case 2: m.tier.gift[0] = 0; break;
		case 3: m.tier.until = DAY_NEVER; break;
		case 4: lots[0].last_day = 20002; break;
		case 5: m.clock.last_day = 20002; break;
		case 6: assert_int_equal(due.hold.seq, 1); m.n_holds = 0; break;
		case 7: m.has_look = false; break;
		case 8: m.notice_day = 0; break;
		}
	}
	assert_false(due_next(&m, &p, midnight, &due));
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static unsigned
below(uint64_t *seed, unsigned n)
{
	return (unsigned)(next_random(seed) % n);
}

static struct expiry_def
any_expiry(uint64_t *seed)
{
	static const char *const on[] = { "purchase", "redeem" };
	struct expiry_def e = { .given = true };

	switch (below(seed, 6)) {
	case 0: e.never = true; break;
	case 1: e.has_days = true; e.days = 1 + below(seed, 60); break;
	case 2: e.has_months = true; e.months = 1 + below(seed, 9); e.round_up = (enum round_up)below(seed, 5); break;
	case 3: e.on = below(seed, 2) == 0 ? "02-29" : "06-30"; e.has_on_years = true; e.years = below(seed, 2); break;
	default:
		e.inactivity = e.has_inactivity_months = e.has_percent = true;
		e.inactivity_months = 3;
		e.percent = 60;
		e.n_activities = 2;
		e.activities = on;
		return e;
	}
	if (!e.never && below(seed, 2) == 0) {
		e.n_refresh = 1;
		e.refresh = on;
	}
	return e;
}

static struct tier_def
any_tier(uint64_t *seed, const char *id, uint32_t rank, const char *at_least)
{
	static const char *const metrics[] = { "points_earned", "spend", "balance" };
	struct tier_def t = tier_of(id, rank, metrics[below(seed, 3)], at_least, NULL);

	t.window = (enum window_kind)below(seed, 4);
	t.rolling_months = t.window == WINDOW_ROLLING_MONTHS ? 1 + below(seed, 12) : 0;
	t.has_valid = true;
	t.valid = (enum valid_kind)below(seed, 4);
	t.valid_months = 1 + below(seed, 6);
	t.valid_round_up = t.valid == VALID_MONTHS ? (enum round_up)below(seed, 5) : ROUND_UP_NONE;
	t.has_downgrade = true;
	t.downgrade = (enum downgrade)below(seed, 3);
	t.has_grace = below(seed, 2) == 0;
	t.grace_months = 1 + below(seed, 2);
	if (below(seed, 2) == 0)
		t.expiry = any_expiry(seed);
	t.all_open = below(seed, 2) == 0;
	return t;
}

static struct program_def
any_program(uint64_t *seed)
{
	struct program_def def = plain("KRW");

	def.rounding = (enum rounding_mode)below(seed, 3);
	def.expiry = any_expiry(seed);
	def.n_tiers = 3;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = any_tier(seed, "gold", 1, "150");
	def.tiers[2] = any_tier(seed, "ruby", 2, "500");
	def.has_redemption = true;
	def.max_ttl = "90d";
	def.expire_at_once = below(seed, 2) == 0;
	def.redeem_per_day = below(seed, 2) == 0 ? "200" : NULL;
	def.has_anniversary = def.has_anniversary_of = below(seed, 2) == 0;
	def.anniversary_points = "60";
	def.has_notices = below(seed, 2) == 0;
	return def;
}

/* Whatever comes of it: a refusal is as good. */
static void
any_command(struct stage *s, uint64_t m, uint64_t *seed)
{
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	char amount[16], until[DAY_TEXT_BYTES];
	int32_t today = zone_day(&(struct zone){ .first_offset_s = 9 * 3600 }, s->now_us);
	const struct member *r = stage_member(s, m);

	snprintf(amount, sizeof(amount), "%u", 1 + below(seed, 200));
	switch (below(seed, 10)) {
	case 0: case 1: case 2:
		c.u.purchase.amount = dec(amount);
		c.has_occurred_at = below(seed, 3) == 0;
		c.occurred_at_us = s->now_us - (int64_t)below(seed, 44) * US_PER_DAY;
		(void)stage_play(s, &c);
		break;
	case 3: (void)stage_redeem(s, m, amount); break;
	case 4: case 5: (void)stage_hold(s, m, amount, (int64_t)(1 + below(seed, 80)) * US_PER_DAY); break;
	case 6: (void)stage_capture(s, m, r->n_holds > 0 ? r->holds[0].id : s->id, below(seed, 2) == 0 ? "3" : NULL); break;
	case 7: (void)stage_release_hold(s, m, r->n_holds > 0 ? r->holds[r->n_holds - 1].id : s->id); break;
	case 8: (void)stage_adjust(s, m, amount, below(seed, 2) == 0 ? NULL : day_format(today + (int32_t)below(seed, 90), until)); break;
	case 9:
		c = stage_cmd(OP_TIER, m);
		c.u.tier.tier = below(seed, 3) == 0 ? "" : "gold";
		c.u.tier.until = c.u.tier.tier[0] == 0 ? DAY_NEVER : today + (int32_t)below(seed, 200);
		(void)stage_play(s, &c);
		break;
	}
}

/* A year and a half of anything: with every midnight kept, and with the member looked at only when it is touched. */
static void
live_a_life(uint64_t seed, bool sleeps, struct buf *ret_record, size_t *ret_due)
{
	struct program_def def = any_program(&seed);
	struct stage s;
	uint64_t m = begin(&s, &def, "2027-08-10T10:00:00");

	for (int step = 0; step < 25; step++) {
		int64_t at_us = s.now_us + (int64_t)below(&seed, 40 * 86400) * US_PER_SECOND;

		while (!sleeps) {
			int64_t midnight = zone_midnight_us(&(struct zone){ .first_offset_s = 9 * 3600 },
			    zone_day(&(struct zone){ .first_offset_s = 9 * 3600 }, s.now_us) + 1);
			if (midnight > at_us)
				break;
			s.now_us = midnight;
			stage_roll(&s, 1, m);
		}
		s.now_us = at_us;
		stage_roll(&s, 1, m);		/* so that the command is made up from the same record */
		any_command(&s, m, &seed);
	}
	s.now_us += 400 * US_PER_DAY;
	stage_roll(&s, 1, m);
	member_encode(stage_member(&s, m), ret_record);
	*ret_due = s.n_due;
	stage_release(&s);
}

static void
any_life_may_be_slept_through(void **state)
{
	unsigned lives = getenv("FEALTY_TEST_LONG") != NULL ? 10000 : 300;
	size_t due[2], all = 0;

	(void)state;
	for (unsigned i = 0; i < lives; i++) {
		struct buf records[2];

		for (int sleeps = 0; sleeps < 2; sleeps++) {
			buf_init(&records[sleeps]);
			live_a_life(i, sleeps, &records[sleeps], &due[sleeps]);
		}
		if (due[0] != due[1] || !bytes_equal(buf_bytes(&records[0]), buf_bytes(&records[1])))
			fail_msg("life %u: %zu and %zu entries fell due", i, due[0], due[1]);
		all += due[0];
		buf_release(&records[0]);
		buf_release(&records[1]);
	}
	assert_true(all > lives * 5);
}

/* ---- what is refused ---- */

#define SPOIL(name, ...) static void spoil_##name(struct program_def *d) { __VA_ARGS__; }
static const uint32_t twice[] = { 30, 30 }, far[] = { 3661 };
SPOIL(window, d->tiers[1].has_birthday_window = true; d->tiers[1].birthday_days_after = 181)
SPOIL(window_alone, d->tiers[1].has_birthday_window = true; d->has_birthday = false)
SPOIL(requires, d->has_requires = d->has_within_months = true; d->within_months = 3)
SPOIL(requires_months, d->has_requires = true; d->requires_points = "1")
SPOIL(requires_many, d->has_requires = d->has_within_months = true; d->requires_points = "1"; d->within_months = 121)
SPOIL(anniversary, d->has_anniversary = true; d->anniversary_points = "1")
SPOIL(anniversary_points, d->has_anniversary = d->has_anniversary_of = true)
SPOIL(per_day, d->redeem_per_day = "-1")
SPOIL(notice_twice, d->has_notices = true; d->n_expiring_days = 2; d->expiring_days = twice)
SPOIL(notice_far, d->has_notices = true; d->n_downgrade_days = 1; d->downgrade_days = far)
SPOIL(keep, d->tiers[1].has_keep = true)
SPOIL(valid, d->tiers[1].has_valid = true; d->tiers[1].valid = VALID_MONTHS; d->tiers[1].valid_months = 121)
SPOIL(valid_rounded, d->tiers[1].has_valid = true; d->tiers[1].valid = VALID_END_OF_YEAR; d->tiers[1].valid_round_up = ROUND_UP_YEAR)
SPOIL(grace, d->tiers[1].has_grace = true)
SPOIL(lowest_valid, d->tiers[0].has_valid = true)
SPOIL(lowest_keep, d->tiers[0].has_keep = true)
SPOIL(lowest_grace, d->tiers[0].has_grace = true)

static const struct { const char *path; void (*spoil)(struct program_def *d); } spoils[] = {
	{ "tiers[1].birthday.days_after", spoil_window },
	{ "tiers[1].birthday", spoil_window_alone },
	{ "birthday.requires.points_earned", spoil_requires },
	{ "birthday.requires.within_months", spoil_requires_months },
	{ "birthday.requires.within_months", spoil_requires_many },
	{ "anniversary.of", spoil_anniversary },
	{ "anniversary.reward.points", spoil_anniversary_points },
	{ "limits.redeem_per_day", spoil_per_day },
	{ "notices.expiring_days[1]", spoil_notice_twice },
	{ "notices.downgrade_days[0]", spoil_notice_far },
	{ "tiers[1].keep.any", spoil_keep },
	{ "tiers[1].valid.months", spoil_valid },
	{ "tiers[1].valid.round_up_to", spoil_valid_rounded },
	{ "tiers[1].grace.months", spoil_grace },
	{ "tiers[0].valid", spoil_lowest_valid },
	{ "tiers[0].keep", spoil_lowest_keep },
	{ "tiers[0].grace", spoil_lowest_grace },
};

static void
programs_that_are_refused(void **state)
{
	struct zone zone = stage_zone(9);
	struct program_error error;
	struct program *p;
	struct arena arena;

	(void)state;
	arena_init(&arena, (size_t)1 << 27);
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		struct program_def def = full();

		spoils[i].spoil(&def);
		if (program_compile(&def, &zone, &arena, &p, &error) != ST_INVALID || strcmp(error.path, spoils[i].path) != 0)
			fail_msg("%s: %s: %s", spoils[i].path, error.path, error.sentence);
	}
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_is_the_tiers),
		cmocka_unit_test(a_birthday_may_require_points),
		cmocka_unit_test(anniversaries_of_a_leap_day),
		cmocka_unit_test(anniversaries_of_other_versions),
		cmocka_unit_test(a_version_gives_what_it_adds),
		cmocka_unit_test(a_version_comes_after_what_was_due_before),
		cmocka_unit_test(sleeping_through_anniversaries),
		cmocka_unit_test(lots_leave_a_hold_at_their_midnight),
		cmocka_unit_test(a_hold_keeps_its_terms),
		cmocka_unit_test(the_clock_empties_holds_at_once),
		cmocka_unit_test(a_day_has_a_limit),
		cmocka_unit_test(notices_come_once),
		cmocka_unit_test(a_downgrade_is_announced_while_it_is_ahead),
		cmocka_unit_test(a_frozen_member_earns_and_does_not_spend),
		cmocka_unit_test(a_closed_member_is_left_alone),
		cmocka_unit_test(a_night_has_its_order),
		cmocka_unit_test(any_life_may_be_slept_through),
		cmocka_unit_test(programs_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
