/* A member's record: its bytes, its lots and metrics, its invariants; and the names of the core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"

static struct arena arena;

static int
set_up(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 26);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static struct member
sample(void)
{
	static struct lot lots[] = { { 20000, LOT_EARNED, 500 }, { 20000, LOT_BIRTHDAY, 7 }, { DAY_NEVER, LOT_ADJUSTMENT,
	    INT64_C(1) << 40 } };
	static struct lot held[] = { { 19000, LOT_EARNED, 3 } };
	static struct hold holds[] = { { .id = { 5, 1 }, .ends_at_us = 1700000000000000, .day = 19001, .expire_at_once = true,
	    .till = { "0042", "07" }, .n_lots = 1,
	    .cap_lots = 1, .lots = held } };
	static struct day_row days[] = { { 19990, 10, 1000, 1 }, { 19999, -2, 0, 0 } };
	static struct count_row counts[] = { { 19990, 1, 3 }, { 19999, 0, -1 }, { 19999, 7, 2 } };

	static struct tally tallies[] = { { .kind = TALLY_RULE, .per = PERIOD_DAY, .id = "base", .at = 19999, .points = 5, .count = 1 },
		{ .kind = TALLY_RULE, .per = PERIOD_MONTH, .id = "base", .at = 19997, .count = 2 },
		{ .kind = TALLY_GAP, .per = PERIOD_LIFETIME, .id = "visit", .at = INT64_C(1700000000000000), .count = 1 } };
	static struct pending pendings[] = { { .due_day = 20100, .from = { 7, 2 }, .version = 3, .activity = "delivered", .term = "rule:base",
	    .class = LOT_EARNED, .points = 1 } };
	static struct consent consents[] = { { "ads", false, 20001 }, { "mail", true, 19500 } };

	return (struct member){
		.purchases = 9, .counters = { 4, 5 }, .n_tallies = 3, .cap_tallies = 3, .tallies = tallies,
		.n_pendings = 1, .cap_pendings = 1, .pendings = pendings,
		.referred_by = UINT64_MAX, .referral_done = true, .n_consents = 2, .cap_consents = 2, .consents = consents,
		.enrolled_day = 19000, .available = 507 + (INT64_C(1) << 40), .pending = 1, .held = 3, .debt = 2,
		.points_earned = 9, .spend = 70000, .visits = 12,
		.tier = { .earned = "green", .since = 19000, .until = DAY_NEVER, .gift = "gold", .gift_until = 20100,
		    .from = 19010, .start = 18999, .grace = true },
		.start_base = { .points_earned = 3, .spend = -4, .visits = 5 }, .has_look = true, .look_day = 20001,
		.clock = { true, 20002, 24, 50 }, .standing = STANDING_FROZEN, .has_anniversary = true, .anniversary = 20003, .noticed = 20004,
		.noticed_before = 20000, .told_day = 20005, .notice_day = 20010,
		.birthday_paid = 19500, .has_head = true, .head = { UINT64_MAX, UINT32_MAX }, .due_at_us = 1700000000000000,
		.n_lots = 3, .cap_lots = 3, .lots = lots, .n_holds = 1, .cap_holds = 1, .holds = holds, .n_days = 2, .cap_days = 2,
		    .days = days, .n_counts = 3, .cap_counts = 3, .counts = counts,
	};
}

static void
assert_same_bytes(const struct member *a, const struct member *b)
{
	struct buf x, y;

	buf_init(&x);
	buf_init(&y);
	member_encode(a, &x);
	member_encode(b, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	buf_release(&x);
	buf_release(&y);
}

static void
round_trip(void **state)
{
	struct member m = sample(), back = { .number = 77 };
	struct buf out;

	(void)state;
	assert_int_equal(member_check(&m), EVOLVE_OK);
	buf_init(&out);
	member_encode(&m, &out);
	assert_int_equal(member_decode(buf_bytes(&out), &arena, &back), ST_OK);
	assert_int_equal(back.number, 0);
	assert_same_bytes(&m, &back);
	assert_int_equal(back.lots[1].class, LOT_BIRTHDAY);
	assert_int_equal(back.lots[2].last_day, DAY_NEVER);
	assert_int_equal(back.holds[0].lots[0].points, 3);
	assert_string_equal(back.holds[0].till.store, "0042");
	assert_string_equal(back.holds[0].till.terminal, "07");
	assert_int_equal(back.days[1].points_earned, -2);
	assert_int_equal(back.counts[2].day, 19999);
	assert_int_equal(back.counts[2].counter, 7);
	assert_string_equal(back.tier.gift, "gold");
	assert_true(back.head.seq == UINT64_MAX && back.head.index == UINT32_MAX);
	buf_release(&out);
}

static void
round_trip_of_the_emptiest(void **state)
{
	struct member m = { .birthday_paid = DAY_NONE, .due_at_us = INSTANT_NEVER }, back;
	struct buf out;

	(void)state;
	m.tier.until = m.tier.gift_until = DAY_NEVER;
	buf_init(&out);
	member_encode(&m, &out);
	assert_int_equal(member_decode(buf_bytes(&out), &arena, &back), ST_OK);
	assert_int_equal(back.birthday_paid, DAY_NONE);
	assert_true(back.due_at_us == INSTANT_NEVER);
	assert_false(back.has_head);
	assert_same_bytes(&m, &back);
	buf_release(&out);
}

/* Cut short, or with more behind, a record is corrupt; with a flipped bit it is corrupt or another record that holds together. */
static void
damage_is_found(void **state)
{
	struct member m = sample(), back;
	struct buf out;
	size_t corrupt = 0;

	(void)state;
	buf_init(&out);
	member_encode(&m, &out);
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(member_decode(bytes_of(out.data, len), &arena, &back), ST_CORRUPT);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		enum status st = member_decode(buf_bytes(&out), &arena, &back);
		assert_true(st == ST_OK || st == ST_CORRUPT);
		if (st == ST_OK)
			assert_int_equal(member_check(&back), EVOLVE_OK);
		else
			corrupt++;
		out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(corrupt > out.len);
	buf_put_u8(&out, 0);
	assert_int_equal(member_decode(buf_bytes(&out), &arena, &back), ST_CORRUPT);
	buf_release(&out);
}

static void
decoding_keeps_to_its_budget(void **state)
{
	struct member m = sample(), back;
	struct arena small;
	struct buf out;

	(void)state;
	buf_init(&out);
	member_encode(&m, &out);
	arena_init(&small, 64);
	assert_int_equal(member_decode(buf_bytes(&out), &small, &back), ST_NOMEM);
	assert_int_equal(member_copy(&m, &small, &back), ST_NOMEM);
	arena_release(&small);
	buf_release(&out);
}

static void
copies_are_deep(void **state)
{
	struct member m = sample(), copy;

	(void)state;
	assert_int_equal(member_copy(&m, &arena, &copy), ST_OK);
	assert_same_bytes(&m, &copy);
	copy.lots[0].points++;
	copy.holds[0].lots[0].points++;
	copy.days[0].visits++;
	copy.counts[0].count++;
	assert_int_equal(m.lots[0].points, 500);
	assert_int_equal(m.holds[0].lots[0].points, 3);
	assert_int_equal(m.days[0].visits, 1);
	assert_int_equal(m.counts[0].count, 3);
}

static void
totals_round_trip(void **state)
{
	struct totals t = { .members = UINT64_MAX, .versions = 3 }, back;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < ACCOUNT_COUNT; i++)
		t.account[i] = (int64_t)i * -1000003;
	buf_init(&out);
	totals_encode(&t, &out);
	assert_int_equal(totals_decode(buf_bytes(&out), &back), ST_OK);
	assert_true(back.members == t.members && back.versions == 3);
	assert_memory_equal(back.account, t.account, sizeof(t.account));
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(totals_decode(bytes_of(out.data, len), &back), ST_CORRUPT);
	buf_release(&out);
}

/* ---- invariants: each row breaks one ---- */

#define BREAK(name, ...) static void break_##name(struct member *m) { __VA_ARGS__; }
BREAK(available, m->available++)
BREAK(held, m->held++)
BREAK(pending, m->pending = -1)
BREAK(debt, m->debt = -1)
BREAK(lot_zero, m->available -= m->lots[1].points; m->lots[1].points = 0)
BREAK(lot_order, m->lots[0].last_day = 20001)
BREAK(lot_twice, m->lots[1].class = LOT_EARNED)
BREAK(lot_class, m->lots[1].class = LOT_NONE)
BREAK(lot_day, m->lots[2].last_day = DAY_CLOCK - 1)
BREAK(lot_clock, m->lots[2].last_day = DAY_CLOCK; m->clock.on = false)
BREAK(held_clock, m->holds[0].lots[0].last_day = DAY_CLOCK; m->clock.on = false)
BREAK(clock_day, m->clock.last_day = DAY_NEVER)
BREAK(clock_percent, m->clock.percent = 101)
BREAK(clock_months, m->clock.months = 0)
BREAK(tier_from, m->tier.from = DAY_NONE)
BREAK(tier_start, m->tier.start = DAY_NEVER)
BREAK(look, m->look_day = DAY_NONE)
BREAK(anniversary, m->anniversary = DAY_NEVER)
BREAK(noticed, m->noticed = DAY_NONE)
BREAK(told, m->told_day = DAY_NEVER)
BREAK(notice, m->notice_day = DAY_NONE)
BREAK(hold_empty, m->holds[0].n_lots = 0; m->held = 0)
BREAK(day_order, m->days[1].day = m->days[0].day)
BREAK(day_zero, m->days[1].points_earned = 0)
BREAK(count_order, m->counts[2].counter = 0)
BREAK(count_day, m->counts[2].day = 19989)
BREAK(count_zero, m->counts[1].count = 0)
BREAK(count_counter, m->counts[2].counter = LEDGER_COUNTERS_MAX)
BREAK(tally_order, m->tallies[1].at = 20000; m->tallies[1].per = PERIOD_DAY; m->tallies[0].at = 20001)
BREAK(tally_zero, m->tallies[1].count = 0)
BREAK(gift_until, m->tier.gift_until = DAY_NEVER - 1)
BREAK(birthday, m->birthday_paid = DAY_NEVER)

static const struct { const char *name; void (*spoil)(struct member *m); enum evolve_fault want; } invariants[] = {
	{ "available is the sum of the lots", break_available, EVOLVE_MALFORMED },
	{ "held is the sum of the holds", break_held, EVOLVE_MALFORMED },
	{ "pending", break_pending, EVOLVE_NEGATIVE },
	{ "debt", break_debt, EVOLVE_NEGATIVE },
	{ "a lot has points", break_lot_zero, EVOLVE_NEGATIVE },
	{ "lots stand by last day", break_lot_order, EVOLVE_MALFORMED },
	{ "one lot of a day and class", break_lot_twice, EVOLVE_MALFORMED },
	{ "a lot has a class", break_lot_class, EVOLVE_MALFORMED },
	{ "a last day is a date or never", break_lot_day, EVOLVE_MALFORMED },
	{ "a lot under the clock needs one", break_lot_clock, EVOLVE_MALFORMED },
	{ "a held lot under the clock needs one", break_held_clock, EVOLVE_MALFORMED },
	{ "the clock ends on a day", break_clock_day, EVOLVE_MALFORMED },
	{ "the clock takes at most all", break_clock_percent, EVOLVE_MALFORMED },
	{ "the clock runs for months", break_clock_months, EVOLVE_MALFORMED },
	{ "validity counts from a day", break_tier_from, EVOLVE_MALFORMED },
	{ "a tier begins on a day", break_tier_start, EVOLVE_MALFORMED },
	{ "a look is due on a day", break_look, EVOLVE_MALFORMED },
	{ "an anniversary is a day", break_anniversary, EVOLVE_MALFORMED },
	{ "notices were shown through a day", break_noticed, EVOLVE_MALFORMED },
	{ "notices were entered through a day", break_told, EVOLVE_MALFORMED },
	{ "a notice is due on a day", break_notice, EVOLVE_MALFORMED },
	{ "an open hold has points", break_hold_empty, EVOLVE_MALFORMED },
	{ "days rise", break_day_order, EVOLVE_MALFORMED },
	{ "no empty days", break_day_zero, EVOLVE_MALFORMED },
	{ "counters of a day rise", break_count_order, EVOLVE_MALFORMED },
	{ "days of counters rise", break_count_day, EVOLVE_MALFORMED },
	{ "no empty counters", break_count_zero, EVOLVE_MALFORMED },
	{ "only counters that there are", break_count_counter, EVOLVE_MALFORMED },
	{ "tallies stand in order", break_tally_order, EVOLVE_MALFORMED },
	{ "no empty tallies", break_tally_zero, EVOLVE_MALFORMED },
	{ "a gift ends on a date or never", break_gift_until, EVOLVE_MALFORMED },
	{ "a birthday is a date", break_birthday, EVOLVE_MALFORMED },
};

static void
invariants_are_checked(void **state)
{
	struct member m = sample(), broken;

	(void)state;
	for (size_t i = 0; i < sizeof(invariants) / sizeof(invariants[0]); i++) {
		assert_int_equal(member_copy(&m, &arena, &broken), ST_OK);
		invariants[i].spoil(&broken);
		if (member_check(&broken) != invariants[i].want)
			fail_msg("%s", invariants[i].name);
	}
}

/* ---- lots ---- */

static void
add(struct lot **lots, size_t *n, size_t *cap, int32_t last_day, enum lot_class class, int64_t points)
{
	struct lot lot = { last_day, class, points };
	bool ok;

	assert_int_equal(lots_add(lots, n, cap, &arena, &lot, &ok), ST_OK);
	assert_true(ok);
}

static void
lots_stand_in_consumption_order(void **state)
{
	struct lot *lots = NULL;
	size_t n = 0, cap = 0;

	(void)state;
	add(&lots, &n, &cap, DAY_NEVER, LOT_EARNED, 1);
	add(&lots, &n, &cap, 50, LOT_BIRTHDAY, 2);
	add(&lots, &n, &cap, 100, LOT_EARNED, 3);
	add(&lots, &n, &cap, 50, LOT_EARNED, 4);		/* later than the birthday's of that day */
	add(&lots, &n, &cap, 50, LOT_BIRTHDAY, 5);		/* joins */
	add(&lots, &n, &cap, 10, LOT_EARNED, 6);
	const struct lot want[] = { { 10, LOT_EARNED, 6 }, { 50, LOT_BIRTHDAY, 7 }, { 50, LOT_EARNED, 4 }, { 100, LOT_EARNED, 3 },
				    { DAY_NEVER, LOT_EARNED, 1 } };
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(lots[i].last_day, want[i].last_day);
		assert_int_equal(lots[i].class, want[i].class);
		assert_int_equal(lots[i].points, want[i].points);
	}
	assert_true(lots_take(lots, &n, &(struct lot){ 50, LOT_EARNED, 4 }));
	assert_int_equal(n, 4);
	assert_false(lots_take(lots, &n, &(struct lot){ 50, LOT_EARNED, 1 }));
	assert_false(lots_take(lots, &n, &(struct lot){ 50, LOT_BIRTHDAY, 8 }));
	assert_true(lots_take(lots, &n, &(struct lot){ 50, LOT_BIRTHDAY, 6 }));
	assert_int_equal(lots[1].points, 1);
}

static void
lots_overflow_is_told(void **state)
{
	struct lot *lots = NULL;
	size_t n = 0, cap = 0;
	bool ok = true;

	(void)state;
	add(&lots, &n, &cap, 50, LOT_EARNED, INT64_MAX);
	assert_int_equal(lots_add(&lots, &n, &cap, &arena, &(struct lot){ 50, LOT_EARNED, 1 }, &ok), ST_OK);
	assert_false(ok);
	assert_int_equal(lots[0].points, INT64_MAX);
}

static void
nearest_lots_merge_into_the_later(void **state)
{
	struct lot lots[] = { { 10, LOT_EARNED, 1 }, { 20, LOT_EARNED, 2 }, { 25, LOT_EARNED, 4 }, { 30, LOT_BIRTHDAY, 8 },
	    { DAY_NEVER, LOT_EARNED, 16 } };
	size_t n = 5;

	(void)state;
	lots_merge(lots, &n, 5);
	assert_int_equal(n, 5);
	lots_merge(lots, &n, 4);		/* 20 and 25 stand as near as 25 and 30: the first */
	assert_int_equal(n, 4);
	assert_int_equal(lots[1].last_day, 25);
	assert_int_equal(lots[1].points, 6);
	lots_merge(lots, &n, 2);
	assert_int_equal(n, 2);
	assert_int_equal(lots[0].last_day, 30);
	assert_int_equal(lots[0].class, LOT_BIRTHDAY);
	assert_int_equal(lots[0].points, 15);
	assert_int_equal(lots[1].points, 16);
}

/* ---- metrics ---- */

static void
metrics_keep_days_in_order(void **state)
{
	struct member m = { 0 };
	bool ok;
	const struct metric_day adds[] = { { 100, 1, 10, 1, { 0 } }, { 300, 2, 20, 1, { 0 } }, { 200, 4, 40, 1, { 7 } },
	    { 100, 8, 80, 1, { 5 } }, { 200, -4, -40, -1, { -7 } } };

	(void)state;
	for (size_t i = 0; i < sizeof(adds) / sizeof(adds[0]); i++) {
		assert_int_equal(metrics_add(&m, &arena, &adds[i], 0, &ok), ST_OK);
		assert_true(ok);
	}
	assert_int_equal(m.n_days, 2);			/* day 200 is back at zero */
	assert_int_equal(m.days[0].points_earned, 9);
	assert_int_equal(m.days[1].day, 300);
	assert_int_equal(m.points_earned, 11);
	assert_int_equal(m.visits, 3);
	assert_int_equal(m.counters[0], 5);
	assert_int_equal(m.n_counts, 1);
	assert_int_equal(m.counts[0].day, 100);
	assert_int_equal(m.counts[0].count, 5);
	assert_int_equal(metrics_add(&m, &arena, &(struct metric_day){ .day = 501, .points_earned = 1 }, 101, &ok), ST_OK);
	assert_int_equal(m.n_days, 2);
	assert_int_equal(m.days[0].day, 300);
	assert_int_equal(m.n_counts, 0);
	assert_int_equal(m.points_earned, 12);		/* a lifetime forgets nothing */
	m.spend = INT64_MAX;
	assert_int_equal(metrics_add(&m, &arena, &(struct metric_day){ .day = 501, .spend = 1 }, 0, &ok), ST_OK);
	assert_false(ok);
}

static void
windows_as_seen_on_a_day(void **state)
{
	struct day_row days[] = { { .points_earned = 1 }, { .points_earned = 2 }, { .points_earned = 4 }, { .points_earned = 8 }, { .points_earned = 16 } };
	const char *const texts[] = { "2025-12-31", "2026-01-01", "2026-03-12", "2026-03-13", "2027-03-12" };
	struct member m = { .points_earned = 131, .n_days = 5, .days = days };		/* 100 were earned on days forgotten by now */
	struct tier lifetime = { .window = WINDOW_LIFETIME }, year = { .window = WINDOW_CALENDAR_YEAR };
	struct tier rolling = { .window = WINDOW_ROLLING_MONTHS, .rolling_months = 12 };
	struct metric_day more = { .points_earned = 32 };
	int32_t on;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_true(day_parse(texts[i], &days[i].day));
	assert_true(day_parse("2027-03-12", &on));
	assert_int_equal(metric_sum(&m, NULL, METRIC_POINTS_EARNED, &lifetime, on), 131);
	assert_int_equal(metric_sum(&m, NULL, METRIC_POINTS_EARNED, &year, on), 16);
	assert_int_equal(metric_sum(&m, NULL, METRIC_POINTS_EARNED, &rolling, on), 8 + 16);	/* not 2026-03-12 itself */
	assert_true(day_parse("2026-03-12", &on));
	assert_int_equal(metric_sum(&m, NULL, METRIC_POINTS_EARNED, &year, on), 2 + 4);
	assert_int_equal(metric_sum(&m, NULL, METRIC_POINTS_EARNED, &rolling, on), 1 + 2 + 4);
	more.day = on;
	assert_int_equal(metric_sum(&m, &more, METRIC_POINTS_EARNED, &year, on), 2 + 4 + 32);
	more.day = days[0].day;
	assert_int_equal(metric_sum(&m, &more, METRIC_POINTS_EARNED, &year, on), 2 + 4);
	assert_int_equal(metric_sum(&m, NULL, METRIC_SPEND, &lifetime, on), 0);
}

/* ---- tiers and birthdays ---- */

static void
the_higher_of_earned_and_gift_counts(void **state)
{
	struct program p = { .n_tiers = 3, .tiers = { { .id = "a", .rank = 0 }, { .id = "b", .rank = 1 }, { .id = "c", .rank = 2 } } };
	static const struct { const char *earned, *gift; int32_t until, today; const char *want; } rows[] = {
		{ "a", "", DAY_NEVER, 10, "a" },
		{ "", "", DAY_NEVER, 10, "a" },
		{ "gone", "", DAY_NEVER, 10, "a" },
		{ "a", "c", DAY_NEVER, 10, "c" },
		{ "a", "c", 10, 10, "c" },
		{ "a", "c", 9, 10, "a" },
		{ "c", "b", DAY_NEVER, 10, "c" },
		{ "b", "gone", DAY_NEVER, 10, "b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct member m = { .tier.gift_until = rows[i].until };

		tier_id_copy(m.tier.earned, rows[i].earned);
		tier_id_copy(m.tier.gift, rows[i].gift);
		assert_string_equal(member_tier(&m, &p, rows[i].today)->id, rows[i].want);
	}
	p.n_tiers = 0;
	assert_null(member_tier(&(struct member){ 0 }, &p, 10));
}

static int32_t
parse(const char *text)
{
	int32_t d = 0;

	assert_true(day_parse(text, &d));
	return d;
}

static void
the_date_in_force_is_the_newest_of_those_in_time(void **state)
{
	struct program p = { .has_birthday = true, .guard_days = 30 };
	struct birthday_date dates[] = { { 3, 10, parse("2025-01-01") }, { 4, 1, parse("2026-02-15") } };

	(void)state;
	assert_true(birthday_on(&p, dates, 2, parse("2025-03-10")));
	assert_true(birthday_on(&p, dates, 2, parse("2026-03-10")));		/* the change is not 30 days old */
	assert_true(birthday_on(&p, dates, 2, parse("2026-04-01")));
	assert_false(birthday_on(&p, dates, 2, parse("2027-03-10")));
	assert_true(birthday_on(&p, dates, 2, parse("2027-04-01")));
	assert_false(birthday_on(&p, dates, 0, parse("2027-04-01")));
	assert_false(birthday_on(&p, dates, 1, parse("2025-01-30")));
	dates[0] = (struct birthday_date){ 1, 31, parse("2025-01-01") };
	assert_true(birthday_on(&p, dates, 1, parse("2025-01-31")));		/* exactly guard_days is enough */
	dates[0].entered_day++;
	assert_false(birthday_on(&p, dates, 1, parse("2025-01-31")));
	dates[0] = (struct birthday_date){ 2, 29, parse("2020-01-01") };
	assert_true(birthday_on(&p, dates, 1, parse("2026-02-28")));
	assert_true(birthday_on(&p, dates, 1, parse("2028-02-29")));
	p.leap_to_march = true;
	assert_false(birthday_on(&p, dates, 1, parse("2026-02-28")));
	assert_true(birthday_on(&p, dates, 1, parse("2026-03-01")));
}

static void
one_birthday_a_year(void **state)
{
	struct program p = { .has_birthday = true, .birthday_days_before = 3, .birthday_days_after = 4 };
	static const struct { bool march; const char *paid, *next; bool want; } rows[] = {
		{ false, NULL, "2026-03-10", true },
		{ false, "2026-03-10", "2026-03-10", false },
		{ false, "2026-03-10", "2026-12-31", false },
		{ false, "2026-03-10", "2027-03-10", true },
		{ false, "2026-03-10", "2027-03-03", true },	/* 12 months less the window */
		{ false, "2026-03-10", "2027-03-02", false },
		{ false, "2026-12-30", "2027-01-02", false },	/* a date changed to the next year's beginning */
		{ false, "2026-03-10", "2025-03-10", false },
		{ false, "2028-02-29", "2029-02-28", true },
		{ true, "2027-03-01", "2028-02-29", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct member m = { .birthday_paid = rows[i].paid == NULL ? DAY_NONE : parse(rows[i].paid) };

		p.leap_to_march = rows[i].march;
		assert_int_equal(birthday_payable(&p, &m, parse(rows[i].next)), rows[i].want);
	}
	p.birthday_days_before = p.birthday_days_after = 0;
	p.leap_to_march = true;
	assert_true(birthday_payable(&p, &(struct member){ .birthday_paid = parse("2027-03-01") }, parse("2028-02-29")));
	assert_false(birthday_payable(&p, &(struct member){ .birthday_paid = parse("2027-03-02") }, parse("2028-02-29")));
	p.has_birthday = false;
	assert_false(birthday_payable(&p, &(struct member){ .birthday_paid = DAY_NONE }, parse("2028-02-29")));
}

/* ---- names ---- */

static void
assert_distinct(const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(strlen(names[i]) > 1);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(names[i], names[k]);
	}
}

static void
every_value_has_its_name(void **state)
{
	const char *names[64];

	(void)state;
	for (unsigned i = 0; i < LEDGER_RESULT_COUNT; i++)
		names[i] = ledger_result_str((enum ledger_result)i);
	assert_distinct(names, LEDGER_RESULT_COUNT);
	assert_string_equal(ledger_result_str(LEDGER_INSUFFICIENT_POINTS), "INSUFFICIENT_POINTS");
	for (unsigned i = 0; i < ACCOUNT_COUNT; i++)
		names[i] = account_str((enum account)i);
	assert_distinct(names, ACCOUNT_COUNT);
	for (unsigned i = 0; i < LOT_CLASS_COUNT; i++)
		names[i] = lot_class_str((enum lot_class)i);
	assert_distinct(names, LOT_CLASS_COUNT);
	size_t n_ops = 0;
	for (unsigned i = 0; i < OP_COUNT; i++) {
		if (i == OP_NONE || op_known((enum op)i))
			names[n_ops++] = op_str((enum op)i);
	}
	assert_distinct(names, n_ops);
	for (unsigned i = 0; i <= EVOLVE_MALFORMED; i++)
		names[i] = evolve_fault_str((enum evolve_fault)i);
	assert_distinct(names, EVOLVE_MALFORMED + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(round_trip_of_the_emptiest),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(decoding_keeps_to_its_budget),
		cmocka_unit_test(copies_are_deep),
		cmocka_unit_test(totals_round_trip),
		cmocka_unit_test(invariants_are_checked),
		cmocka_unit_test(lots_stand_in_consumption_order),
		cmocka_unit_test(lots_overflow_is_told),
		cmocka_unit_test(nearest_lots_merge_into_the_later),
		cmocka_unit_test(metrics_keep_days_in_order),
		cmocka_unit_test(windows_as_seen_on_a_day),
		cmocka_unit_test(the_higher_of_earned_and_gift_counts),
		cmocka_unit_test(the_date_in_force_is_the_newest_of_those_in_time),
		cmocka_unit_test(one_birthday_a_year),
		cmocka_unit_test(every_value_has_its_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
