/**
 * Dates, text forms, and zones.  Zones are compared with the C library, which reads the same files by another road: for each zone
 * thousands of instants from 1970 to 2090, the edges of transitions among them.  Malformed files are made from good ones by cutting and
 * flipping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "ledger/calendar.h"

#define ZONEINFO "/usr/share/zoneinfo/"
#define END_2090_S INT64_C(3786912000)

static const char *const zones[] = {
	"Asia/Seoul", "America/Los_Angeles", "UTC", "Europe/Dublin", "America/Sao_Paulo", "Asia/Beirut", "Africa/Casablanca",
	"America/Nuuk", "Asia/Gaza", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu",
	"Pacific/Chatham", "Atlantic/Azores", "America/St_Johns", "Asia/Tehran", "Africa/Cairo", "Antarctica/Troll", "Europe/London",
};
#define N_ZONES (sizeof(zones) / sizeof(*zones))

/* xorshift64*: the same instants in each run. */
static uint64_t
random_next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(2685821657736338717);
}

static size_t
read_zone(const char *name, uint8_t data[static CALENDAR_ZONE_DATA_BYTES_MAX])
{
	char path[256];

	snprintf(path, sizeof(path), ZONEINFO "%s", name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s: not there; these tests need the package tzdata", path);
	size_t len = fread(data, 1, CALENDAR_ZONE_DATA_BYTES_MAX, f);
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
	return len;
}

static void
load_zone(const char *name, struct zone *zone)
{
	uint8_t data[CALENDAR_ZONE_DATA_BYTES_MAX];
	size_t len = read_zone(name, data);

	assert_int_equal(zone_parse(bytes_of(data, len), zone), ST_OK);
	setenv("TZ", name, 1);
	tzset();
}

/* ---- dates ---- */

static void
dates_count_without_a_gap(void **state)
{
	struct date want = { 1, 1, 1 };
	int32_t day = -719162;
	int weekday = 0;		/* 0001-01-01 was a Monday */
	(void)state;

	for (; want.year <= 9999; day++, weekday = (weekday + 1) % 7) {
		struct date got = date_of_day(day);
		assert_true(got.year == want.year && got.month == want.month && got.day == want.day);
		assert_true(day_of_date(got) == day && weekday_of_day(day) == weekday);
		if (++want.day > days_in_month(want.year, want.month)) {
			want.day = 1;
			if (++want.month > 12) {
				want.month = 1;
				want.year++;
			}
		}
	}
	assert_int_equal(day, 2932897);
	assert_int_equal(day_of_date((struct date){ 1970, 1, 1 }), 0);
	assert_int_equal(day_of_date((struct date){ 2000, 2, 29 }), 11016);
}

static int32_t
day(const char *text)
{
	int32_t d;

	if (strcmp(text, "never") == 0)
		return DAY_NEVER;
	if (!day_parse(text, &d))
		fail_msg("no date: %s", text);
	return d;
}

static void
assert_day(int32_t got, const char *want)
{
	char text[DAY_TEXT_BYTES];

	assert_string_equal(day_format(got, text), want);
}

static void
months_clamp(void **state)
{
	static const struct { const char *from; int months; const char *want; } cases[] = {
		{ "2023-01-31", 1, "2023-02-28" },
		{ "2024-01-31", 1, "2024-02-29" },
		{ "2024-02-29", 12, "2025-02-28" },
		{ "2024-02-29", 48, "2028-02-29" },
		{ "2100-01-31", 1, "2100-02-28" },
		{ "2024-03-31", -1, "2024-02-29" },
		{ "2024-01-15", -1, "2023-12-15" },
		{ "2024-01-15", -13, "2022-12-15" },
		{ "2024-10-31", 1, "2024-11-30" },
		{ "2024-12-01", 1, "2025-01-01" },
		{ "2024-05-05", 0, "2024-05-05" },
		{ "9999-12-31", 0, "9999-12-31" },
		{ "9999-12-31", 1, "never" },
		{ "2024-01-01", INT32_MAX, "never" },
		{ "2024-01-01", INT32_MIN, "0001-01-01" },
		{ "0001-01-15", -1, "0001-01-01" },
		{ "never", -12, "never" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_day(day_add_months(day(cases[i].from), cases[i].months), cases[i].want);
}

static void
periods_round_up(void **state)
{
	static const struct { const char *from; enum round_up to; const char *want; } cases[] = {
		{ "2024-02-10", ROUND_UP_NONE, "2024-02-10" },
		{ "2024-02-10", ROUND_UP_MONTH, "2024-02-29" },
		{ "2023-02-28", ROUND_UP_MONTH, "2023-02-28" },
		{ "2024-04-01", ROUND_UP_QUARTER, "2024-06-30" },
		{ "2024-03-31", ROUND_UP_QUARTER, "2024-03-31" },
		{ "2024-12-31", ROUND_UP_QUARTER, "2024-12-31" },
		{ "2024-06-30", ROUND_UP_HALF_YEAR, "2024-06-30" },
		{ "2024-07-01", ROUND_UP_HALF_YEAR, "2024-12-31" },
		{ "2024-01-01", ROUND_UP_YEAR, "2024-12-31" },
		{ "9999-12-31", ROUND_UP_YEAR, "9999-12-31" },
		{ "never", ROUND_UP_YEAR, "never" },
		{ "never", ROUND_UP_NONE, "never" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_day(day_round_up(day(cases[i].from), cases[i].to), cases[i].want);
	assert_day(day_year_start(day("2024-12-31")), "2024-01-01");
	assert_day(day_month_start(day("2024-02-29")), "2024-02-01");
	assert_day(day_month_start(day("1969-12-31")), "1969-12-01");
}

static void
leap_birthdays(void **state)
{
	(void)state;
	assert_day(day_of_birthday(2024, 2, 29, false), "2024-02-29");
	assert_day(day_of_birthday(2024, 2, 29, true), "2024-02-29");
	assert_day(day_of_birthday(2023, 2, 29, false), "2023-02-28");
	assert_day(day_of_birthday(2023, 2, 29, true), "2023-03-01");
	assert_day(day_of_birthday(2100, 2, 29, true), "2100-03-01");
	assert_day(day_of_birthday(2023, 12, 31, true), "2023-12-31");
}

static void
date_text(void **state)
{
	static const char *const bad[] = {
		"", "2024", "2024-1-01", "2024-01-1", "2024-13-01", "2024-00-10", "2024-02-30", "2023-02-29", "2024-04-31", "0000-01-01",
		"2024-01-00", "10000-01-01", "2024/01/01", "2024-01-01 ", " 2024-01-01", "-001-01-01", "2024-01-01T", "20240101", "never",
	};
	static const char *const bad_month_days[] = { "", "2-29", "02-30", "13-01", "00-01", "01-00", "04-31", "02-29x", "0229",
		"2024-02-29" };
	int32_t d = 5;
	int month = 7, of_month = 8;
	char text[DAY_TEXT_BYTES];
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (day_parse(bad[i], &d) || d != 5)
			fail_msg("took \"%s\"", bad[i]);
	for (size_t i = 0; i < sizeof(bad_month_days) / sizeof(*bad_month_days); i++)
		if (month_day_parse(bad_month_days[i], &month, &of_month) || month != 7 || of_month != 8)
			fail_msg("took \"%s\"", bad_month_days[i]);
	assert_true(month_day_parse("02-29", &month, &of_month));
	assert_true(month == 2 && of_month == 29);
	assert_int_equal(day("0001-01-01"), -719162);
	assert_int_equal(day("9999-12-31"), 2932896);
	assert_string_equal(day_format(INT32_MIN, text), "-5877641-06-23");
	assert_string_equal(day_format(DAY_NEVER - 1, text), "5881580-07-10");
}

static void
instant_text(void **state)
{
	static const struct { const char *text; int64_t us; const char *back; } good[] = {
		{ "1970-01-01T00:00:00Z", 0, NULL },
		{ "1969-12-31T23:59:59.999999Z", -1, NULL },
		{ "2026-10-14T12:30:45.5Z", INT64_C(1791981045500000), "2026-10-14T12:30:45.500000Z" },
		{ "2026-10-14t12:30:45z", INT64_C(1791981045000000), "2026-10-14T12:30:45Z" },
		{ "2026-10-14T12:30:45+09:00", INT64_C(1791948645000000), "2026-10-14T03:30:45Z" },
		{ "1970-01-01T00:00:00-00:30", INT64_C(1800000000), "1970-01-01T00:30:00Z" },
		{ "1970-01-01T00:00:00.000001Z", 1, NULL },
		{ "0001-01-01T00:00:00Z", INT64_C(-62135596800000000), NULL },
		{ "9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999), NULL },
	};
	static const char *const bad[] = {
		"", "2026-10-14", "2026-10-14T12:30Z", "2026-10-14T12:30:45", "2026-10-14 12:30:45Z", "2026-10-14T24:00:00Z",
		"2026-10-14T12:60:00Z", "2016-12-31T23:59:60Z", "2026-10-14T12:30:45.Z", "2026-10-14T12:30:45.1234567Z",
		"2026-10-14T12:30:45,5Z",
		"2026-10-14T12:30:45+0900", "2026-10-14T12:30:45+24:00", "2026-10-14T12:30:45+09:60", "2026-10-14T12:30:45Z ",
		"2026-02-29T00:00:00Z",
		"0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
	};
	char text[INSTANT_TEXT_BYTES];
	int64_t us = 5;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (instant_parse(bad[i], &us) || us != 5)
			fail_msg("took \"%s\"", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(instant_parse(good[i].text, &us));
		assert_int_equal(us, good[i].us);
		assert_string_equal(instant_format(us, text), good[i].back == NULL ? good[i].text : good[i].back);
	}
	assert_string_equal(instant_format(INT64_MIN, text), "-290308-12-21T19:59:05.224192Z");
	assert_string_equal(instant_format(INT64_MAX, text), "294247-01-10T04:00:54.775807Z");
}

static void
durations(void **state)
{
	static const struct { const char *text; int64_t us; } good[] = {
		{ "1s", 1000000 }, { "15m", 900000000 }, { "2h", INT64_C(7200000000) }, { "30d", INT64_C(2592000000000) },
		{ "9223372036854s", INT64_C(9223372036854000000) },
	};
	static const char *const bad[] = { "", "s", "0s", "-1s", "1", "1w", "1S", "1 s", "1.5h", "1h30m", "9223372036855s", "106751992d",
		"99999999999999999999s" };
	int64_t us = 5;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (duration_parse(bad[i], &us) || us != 5)
			fail_msg("took \"%s\"", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(duration_parse(good[i].text, &us));
		assert_int_equal(us, good[i].us);
	}
}

/* ---- zones against the C library ---- */

static void
assert_as_libc(const char *name, const struct zone *zone, int64_t at_s)
{
	time_t t = at_s;
	struct tm tm;

	assert_non_null(localtime_r(&t, &tm));
	int64_t at_us = at_s * US_PER_SECOND + (at_s & 1 ? 999999 : 0);
	struct date d = date_of_day(zone_day(zone, at_us));
	if (zone_offset_s(zone, at_us) != tm.tm_gmtoff || d.year != tm.tm_year + 1900 || d.month != tm.tm_mon + 1 || d.day != tm.tm_mday ||
	    zone_second_of_day(zone, at_us) != tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec)
		fail_msg("%s differs from the C library at %lld: %d, not %ld", name, (long long)at_s,
		    zone_offset_s(zone, at_us), tm.tm_gmtoff);
	assert_int_equal(weekday_of_day(zone_day(zone, at_us)), (tm.tm_wday + 6) % 7);
}

static void
instants_are_those_of_libc(void **state)
{
	uint64_t seed = 20260101;
	(void)state;

	for (size_t z = 0; z < N_ZONES; z++) {
		struct zone zone;
		load_zone(zones[z], &zone);
		for (int i = 0; i < 5000; i++)
			assert_as_libc(zones[z], &zone, (int64_t)(random_next(&seed) % (uint64_t)END_2090_S));
		for (unsigned i = 0; i < zone.n_transitions; i++)
			for (int64_t off = -1; off <= 1; off++)
				if (zone.at_s[i] > INT64_C(-4000000000))
					assert_as_libc(zones[z], &zone, zone.at_s[i] + off);
	}
}

/* Hour by hour for two years after the tables end (2037), so that the rules of the footer are met at both their edges. */
static void
rules_are_those_of_libc(void **state)
{
	(void)state;
	for (size_t z = 0; z < N_ZONES; z++) {
		struct zone zone;
		load_zone(zones[z], &zone);
		for (int64_t at_s = INT64_C(3660000000); at_s < INT64_C(3730000000); at_s += 1800) {
			assert_as_libc(zones[z], &zone, at_s);
			assert_as_libc(zones[z], &zone, at_s - 1);
		}
	}
}

/* Negative when before the local date, zero in it. */
static int
libc_compare(int64_t at_s, int32_t of_day)
{
	time_t t = at_s;
	struct tm tm;

	assert_non_null(localtime_r(&t, &tm));
	int32_t got = day_of_date((struct date){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday });
	return got < of_day ? -1 : got > of_day;
}

static void
midnights_are_those_of_libc(void **state)
{
	(void)state;
	for (size_t z = 0; z < N_ZONES; z++) {
		struct zone zone;
		load_zone(zones[z], &zone);
		for (int32_t d = 0; d < 43829; d++) {		/* 1970 to 2089 */
			int64_t at_us = zone_midnight_us(&zone, d);
			assert_int_equal(at_us % US_PER_SECOND, 0);
			int64_t at_s = at_us / US_PER_SECOND;
			bool skipped = strcmp(zones[z], "Pacific/Apia") == 0 && d == day("2011-12-30");
			if (libc_compare(at_s, d) != (skipped ? 1 : 0) || libc_compare(at_s - 1, d) >= 0)
				fail_msg("%s: day %d does not begin at %lld", zones[z], d, (long long)at_s);
			for (int64_t before_s = 900; before_s < 7200; before_s += 900)
				if (libc_compare(at_s - before_s, d) >= 0)
					fail_msg("%s: day %d began before %lld", zones[z], d, (long long)at_s);
		}
	}
}

static void
assert_midnight(const char *name, const char *date, const char *want)
{
	struct zone zone;
	char text[INSTANT_TEXT_BYTES];

	load_zone(name, &zone);
	assert_string_equal(instant_format(zone_midnight_us(&zone, day(date)), text), want);
}

static void
notable_midnights(void **state)
{
	struct zone zone;
	(void)state;

	assert_midnight("Asia/Seoul", "2026-01-01", "2025-12-31T15:00:00Z");
	assert_midnight("America/Sao_Paulo", "2017-10-15", "2017-10-15T03:00:00Z");	/* 00:00 skipped: begins at 01:00 */
	assert_midnight("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z");	/* the hour before midnight twice */
	assert_midnight("Asia/Beirut", "2025-03-30", "2025-03-29T22:00:00Z");		/* skipped */
	assert_midnight("Asia/Beirut", "2080-03-31", "2080-03-30T22:00:00Z");		/* skipped, by rule */
	assert_midnight("America/Havana", "2025-11-02", "2025-11-02T04:00:00Z");	/* midnight twice: the earlier */
	assert_midnight("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z");		/* no such date: the moment after it */
	assert_midnight("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z");
	assert_midnight("Europe/Dublin", "0001-01-01", "0001-01-01T00:25:21Z");		/* local mean time */
	assert_midnight("Europe/Dublin", "9999-12-31", "9999-12-31T00:00:00Z");
	assert_midnight("America/Los_Angeles", "9999-07-01", "9999-07-01T07:00:00Z");
	load_zone("Europe/Dublin", &zone);
	assert_int_equal(zone_midnight_us(&zone, DAY_NEVER), INT64_MAX);
	assert_int_equal(zone_offset_s(&zone, INT64_MIN), -1521);
	assert_true(zone_offset_s(&zone, INT64_MAX) == 0 || zone_offset_s(&zone, INT64_MAX) == 3600);
}

/* ---- zones made by hand ---- */

struct made {
	uint8_t data[CALENDAR_ZONE_DATA_BYTES_MAX + 64];
	size_t len;
};

static void
put(struct made *m, const void *data, size_t len)
{
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static void
put_header(struct made *m, char version, uint32_t n_leap, uint32_t n_times, uint32_t n_types, uint32_t n_chars)
{
	const uint32_t counts[] = { 0, 0, n_leap, n_times, n_types, n_chars };
	const char start[20] = { 'T', 'Z', 'i', 'f', version };

	put(m, start, sizeof(start));
	for (int i = 0; i < 6; i++) {
		put_be32(m->data + m->len, counts[i]);
		m->len += 4;
	}
}

static void
put_type(struct made *m, int32_t offset_s)
{
	put_be32(m->data + m->len, (uint32_t)offset_s);
	m->len += 4;
	put(m, "\0", 2);
}

/**
 * As zic -b slim writes it: an empty block of version 1, then ${n_times} transitions, one a day, to UTC + 1 h, + 2 h and so on, by turns.
 */
static void
make_slim(struct made *m, char version, unsigned n_times, const char *footer)
{
	m->len = 0;
	put_header(m, version, 0, 0, 1, 1);
	put_type(m, 0);
	put(m, "", 1);
	put_header(m, version, 0, n_times, 3, 4);
	for (unsigned i = 0; i < n_times; i++) {
		put_be64(m->data + m->len, i * UINT64_C(86400));
		m->len += 8;
	}
	for (unsigned i = 0; i < n_times; i++)
		put(m, i % 2 == 0 ? "\1" : "\2", 1);
	for (int32_t hour = 0; hour < 3; hour++)
		put_type(m, hour * 3600);
	put(m, "AAA", 4);
	put(m, "\n", 1);
	put(m, footer, strlen(footer));
	put(m, "\n", 1);
}

static void
slim_file(void **state)
{
	static struct made m;
	struct zone zone;
	(void)state;

	for (char version = '2'; version <= '4'; version++) {
		make_slim(&m, version, 3, "CET-1CEST,M3.5.0,M10.5.0/3");
		assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_OK);
		assert_int_equal(zone.n_transitions, 3);
		assert_int_equal(zone_offset_s(&zone, -1), 0);
		assert_int_equal(zone_offset_s(&zone, 0), 3600);
		assert_int_equal(zone_offset_s(&zone, US_PER_DAY), 7200);
		assert_int_equal(zone_offset_s(&zone, 2 * US_PER_DAY - 1), 7200);
		assert_int_equal(zone_offset_s(&zone, 2 * US_PER_DAY), 3600);
		assert_int_equal(zone_offset_s(&zone, 200 * US_PER_DAY), 7200);		/* by rule: July 1970 */
	}
	make_slim(&m, '2', 2, "");
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_OK);
	assert_int_equal(zone_offset_s(&zone, INT64_MAX), 7200);			/* no rules: the last one stays */
	make_slim(&m, '2', 0, "<+09>-9");
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_OK);
	assert_int_equal(zone_offset_s(&zone, INT64_MIN), 9 * 3600);			/* no transitions: the rules are for all time */
}

static void
version_1_file(void **state)
{
	static struct made m;
	struct zone zone;
	(void)state;

	put_header(&m, 0, 0, 2, 2, 4);
	put_be32(m.data + m.len, 0x80000000);
	put_be32(m.data + m.len + 4, 1000);
	m.len += 8;
	put(&m, "\1\0", 2);
	put_type(&m, -3600);
	put_type(&m, 3600);
	put(&m, "AAA", 4);
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_OK);
	assert_int_equal(zone.at_s[0], INT32_MIN);
	assert_int_equal(zone_offset_s(&zone, INT64_MIN), -3600);
	assert_int_equal(zone_offset_s(&zone, 0), 3600);
	assert_int_equal(zone_offset_s(&zone, 1000 * US_PER_SECOND), -3600);
	assert_int_equal(zone_parse(bytes_of(m.data, m.len + 1), &zone), ST_INVALID);	/* something behind it */
}

/* The C library reads the same POSIX strings from TZ itself. */
static void
posix_strings_are_those_of_libc(void **state)
{
	static const char *const strings[] = {
		"UTC0", "<+09>-9", "<-03>3", "EST5EDT,M3.2.0,M11.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1", "NZST-12NZDT,M9.5.0,M4.1.0/3",
		"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "EET-2EEST,M3.4.4/50,M10.4.4/50", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
		"AAA3BBB,J60/0,J300/23:30:15", "AAA3BBB,59,300/1", "AAA3BBB,J59/24,J365/0", "AAA-4:30:20BBB-5:00:01,M2.5.6/1,M8.3.3",
		"AAA+3BBB2,M1.1.1/-10,M7.5.3/30", "EST5EDT,0/0,J365/25", "XXX3EDT4,0/0,J365/23", "AAA0BBB,M12.5.0/167,M6.1.0/-167",
	};
	static struct made m;
	uint64_t seed = 8536;
	(void)state;

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		struct zone zone;
		make_slim(&m, '3', 0, strings[i]);
		assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_OK);
		setenv("TZ", strings[i], 1);
		tzset();
		for (int n = 0; n < 5000; n++) {
			int64_t at_s = (int64_t)(random_next(&seed) % (uint64_t)END_2090_S);
			/* glibc looks at the rules of one year only: the days around new year have a test of their own. */
			time_t t = at_s;
			struct tm tm;
			gmtime_r(&t, &tm);
			if (tm.tm_yday > 8 && tm.tm_yday < 356)
				assert_as_libc(strings[i], &zone, at_s);
		}
	}
}

/* Rules that cross the year, which the C library does not get right. */
static void
rules_around_new_year(void **state)
{
	static const struct { const char *tz, *at; int32_t offset_s; } cases[] = {
		{ "EST5EDT,0/0,J365/25", "2026-01-01T04:59:59Z", -4 * 3600 },		/* DST all year */
		{ "EST5EDT,0/0,J365/25", "2026-01-01T05:00:00Z", -4 * 3600 },
		{ "EST5EDT,0/0,J365/25", "2026-12-31T23:59:59Z", -4 * 3600 },
		{ "XXX3EDT4,0/0,J365/23", "2026-01-01T02:59:59Z", -4 * 3600 },		/* the same, with DST behind standard time */
		{ "XXX3EDT4,0/0,J365/23", "2026-01-01T03:00:00Z", -4 * 3600 },
		{ "AAA0BBB,J365/167,J180", "2026-01-06T22:59:59Z", 0 },			/* DST of 2025 begins on 6 January 2026, 23:00 */
		{ "AAA0BBB,J365/167,J180", "2026-01-06T23:00:00Z", 3600 },
		{ "AAA0BBB,J180,J1/-167", "2025-12-24T23:59:59Z", 3600 },		/* DST of 2026 ends on 25 December 2025 at 01:00 */
		{ "AAA0BBB,J180,J1/-167", "2025-12-25T00:00:00Z", 0 },
		{ "AAA0BBB,J364/167,J365/167", "2026-01-02T00:00:00Z", 0 },		/* 2025's two are still to come */
		{ "AAA0BBB,J60/0,J61/0", "2024-03-01T00:00:00Z", 3600 },		/* J60 is 1 March in a leap year too */
		{ "AAA0BBB,J60/0,J61/0", "2024-02-29T12:00:00Z", 0 },
		{ "AAA0BBB,59/0,60/0", "2024-02-29T12:00:00Z", 3600 },			/* day 59 from 0 is the leap day */
	};
	static struct made m;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct zone zone;
		int64_t at_us;
		make_slim(&m, '3', 0, cases[i].tz);
		assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_OK);
		assert_true(instant_parse(cases[i].at, &at_us));
		if (zone_offset_s(&zone, at_us) != cases[i].offset_s)
			fail_msg("%s at %s: %d", cases[i].tz, cases[i].at, zone_offset_s(&zone, at_us));
	}
}

static void
posix_strings_refused(void **state)
{
	static const char *const strings[] = {
		"A0", "UTC", "UTC0 ", "UTC25", "UTC0:60", "<+9>-9", "<+09-9", "UTC+-1", "EST5EDT", "EST5EDT,", "EST5EDT,M3.2.0",
		"EST5EDT,M3.2.0,", "EST5EDT,M13.2.0,M11.1.0", "EST5EDT,M0.2.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0", "EST5EDT,M3.0.0,M11.1.0",
		"EST5EDT,M3.2.7,M11.1.0", "EST5EDT,J0,J1", "EST5EDT,J366,J1", "EST5EDT,366,1", "EST5EDT,M3.2.0/168,M11.1.0",
		"EST5EDT,M3.2.0,M11.1.0x", "EST5EDT,M3.2.0/,M11.1.0", "5", "\n", "E\tT5", "EST5\nEDT", "EST5EDT;M3.2.0;M11.1.0", "EST0005",
	};
	static struct made m;
	(void)state;

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		struct zone zone = { .n_transitions = 4711 };
		make_slim(&m, '2', 1, strings[i]);
		if (zone_parse(bytes_of(m.data, m.len), &zone) != ST_INVALID || zone.n_transitions != 4711)
			fail_msg("took \"%s\"", strings[i]);
	}
}

static void
limits(void **state)
{
	static struct made m;
	struct zone zone;
	(void)state;

	/* Version 1 at five bytes a transition is the form in which more than fit can come in 4 096 bytes. */
	for (uint32_t n = CALENDAR_TRANSITIONS_MAX; n <= CALENDAR_TRANSITIONS_MAX + 1; n++) {
		m.len = 0;
		put_header(&m, 0, 0, n, 1, 1);
		for (uint32_t i = 0; i < n; i++, m.len += 4)
			put_be32(m.data + m.len, i);
		memset(m.data + m.len, 0, n);
		m.len += n;
		put_type(&m, 0);
		put(&m, "", 1);
		assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), n == CALENDAR_TRANSITIONS_MAX ? ST_OK : ST_INVALID);
	}

	make_slim(&m, '2', 440, "");
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_OK);
	make_slim(&m, '2', 444, "");
	assert_true(m.len > CALENDAR_ZONE_DATA_BYTES_MAX);
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_INVALID);

	assert_int_equal(zone_parse(bytes_of(NULL, 0), &zone), ST_INVALID);
	make_slim(&m, '5', 1, "UTC0");
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_INVALID);
	make_slim(&m, '2', 2, "UTC0");
	m.data[51 + 44 + 15] = 0;			/* the second transition at the instant of the first */
	m.data[51 + 44 + 14] = 0;
	m.data[51 + 44 + 13] = 0;
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_INVALID);

	m.len = 0;
	put_header(&m, 0, 1, 0, 1, 1);			/* a leap second */
	put_type(&m, 0);
	put(&m, "\0\0\0\0\1\0\0\0\1", 9);
	assert_int_equal(zone_parse(bytes_of(m.data, m.len), &zone), ST_INVALID);
}

/* Whatever parses must answer: the assertions inside are part of the test. */
static void
ask(const struct zone *zone)
{
	static const int64_t at_us[] = { INT64_MIN, -1, 0, INT64_C(1790000000000000), INT64_C(4000000000000000), INT64_MAX };

	for (size_t i = 0; i < sizeof(at_us) / sizeof(*at_us); i++) {
		int32_t offset_s = zone_offset_s(zone, at_us[i]);
		assert_true(offset_s >= -26 * 3600 && offset_s <= 26 * 3600);
		assert_in_range(zone_second_of_day(zone, at_us[i]), 0, 86399);
		int32_t d = zone_day(zone, at_us[i]);
		if (d > -1000000 && d < 1000000) {
			int64_t midnight_us = zone_midnight_us(zone, d);
			assert_true(zone_day(zone, midnight_us) >= d && midnight_us <= at_us[i]);
		}
	}
}

static void
malformed_files(void **state)
{
	static const char *const names[] = { "Europe/Dublin", "America/Sao_Paulo", "Asia/Gaza", "UTC" };
	uint64_t seed = 4711;
	unsigned accepted = 0, refused = 0;
	(void)state;

	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
		uint8_t good[CALENDAR_ZONE_DATA_BYTES_MAX];
		size_t len = read_zone(names[n], good);
		struct zone zone;
		for (size_t cut = 0; cut < len; cut++) {		/* on the heap, to the byte: a read beyond it is seen */
			uint8_t *copy = malloc(cut == 0 ? 1 : cut);
			memcpy(copy, good, cut);
			assert_int_equal(zone_parse(bytes_of(copy, cut), &zone), ST_INVALID);
			free(copy);
		}
		for (unsigned i = 0; i < 20000; i++) {
			uint8_t *copy = malloc(len);
			memcpy(copy, good, len);
			for (uint64_t flips = 1 + random_next(&seed) % 3; flips > 0; flips--)
				copy[random_next(&seed) % len] = (uint8_t)random_next(&seed);
			if (zone_parse(bytes_of(copy, len), &zone) == ST_OK) {
				accepted++;
				ask(&zone);
			} else {
				refused++;
			}
			free(copy);
		}
	}
	assert_true(accepted > 1000 && refused > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_count_without_a_gap),
		cmocka_unit_test(months_clamp),
		cmocka_unit_test(periods_round_up),
		cmocka_unit_test(leap_birthdays),
		cmocka_unit_test(date_text),
		cmocka_unit_test(instant_text),
		cmocka_unit_test(durations),
		cmocka_unit_test(instants_are_those_of_libc),
		cmocka_unit_test(rules_are_those_of_libc),
		cmocka_unit_test(midnights_are_those_of_libc),
		cmocka_unit_test(notable_midnights),
		cmocka_unit_test(slim_file),
		cmocka_unit_test(version_1_file),
		cmocka_unit_test(posix_strings_are_those_of_libc),
		cmocka_unit_test(rules_around_new_year),
		cmocka_unit_test(posix_strings_refused),
		cmocka_unit_test(limits),
		cmocka_unit_test(malformed_files),
	};

	return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
