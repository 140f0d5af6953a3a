/**
 * calendar.h: dates of a time zone, from its TZif data alone.  Pure; allocates nothing.
 * Days are counted from 1970-01-01 (negative before).  The proleptic Gregorian calendar; years 1 to 9999.
 * Format: RFC 8536 (TZif versions 1 to 4 and the POSIX TZ string at its end for instants after the last transition).
 */
#ifndef FEALTY_LEDGER_CALENDAR_H
#define FEALTY_LEDGER_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"

#define CALENDAR_ZONE_DATA_BYTES_MAX 4096
#define DAY_NEVER INT32_MAX		/* last day of what never ends; later than every date */

struct date { int year, month, day; };		/* month 1..12, day 1..31 */

/* A parsed zone; plain data, may be copied.  zone_parse() fills it. */
#define CALENDAR_TRANSITIONS_MAX 512
struct zone_rule {				/* when, in a year, DST begins or ends: POSIX Mm.w.d, Jn or n, with its time */
	char kind;				/* 'M', 'J' or '0' */
	int month, week, weekday, day;
	int32_t time_s;				/* local seconds after midnight, -167 h to +167 h */
};
struct zone {
	unsigned n_transitions;
	int64_t at_s[CALENDAR_TRANSITIONS_MAX];		/* UTC seconds, rising */
	int32_t offset_s[CALENDAR_TRANSITIONS_MAX];	/* seconds east of UTC from then on */
	int32_t first_offset_s;				/* before the first transition */
	bool has_rules;					/* after the last transition: standard and DST alternate by rule … */
	int32_t standard_s, dst_s;
	bool has_dst;					/* … or standard only */
	struct zone_rule dst_begin, dst_end;
};

/**
 * zone_parse(tzif, ret_zone): ST_INVALID when it is not TZif, larger than CALENDAR_ZONE_DATA_BYTES_MAX, has more transitions than fit, or
 * counts leap seconds (its instants would not be POSIX time).
 */
enum status zone_parse(struct bytes tzif, struct zone *ret_zone) MUST_CHECK;

/* Seconds east of UTC at an instant. */
int32_t zone_offset_s(const struct zone *zone, int64_t at_us);

/* The local date, and the local second of the day, of an instant. */
int32_t zone_day(const struct zone *zone, int64_t at_us);
int32_t zone_second_of_day(const struct zone *zone, int64_t at_us);

/**
 * The first instant of a local date: 00:00, or the moment after the gap when a transition skips midnight (or the whole date); the earlier
 * when midnight occurs twice.  DAY_NEVER gives INT64_MAX.
 */
int64_t zone_midnight_us(const struct zone *zone, int32_t day);

struct date date_of_day(int32_t day);			/* any day, also beyond the years 1 to 9999 */
int32_t day_of_date(struct date d);			/* the date must be valid (asserted) */
bool date_valid(struct date d);
int days_in_month(int year, int month);
int weekday_of_day(int32_t day);			/* 0 Monday … 6 Sunday */

/**
 * Clamps to the month's last day: 31 January + 1 month = 28 or 29 February. ${months} may be negative.  DAY_NEVER stays; beyond year 9999
 * it is DAY_NEVER, before year 1 it is 0001-01-01.
 */
int32_t day_add_months(int32_t day, int months);

enum round_up { ROUND_UP_NONE, ROUND_UP_MONTH, ROUND_UP_QUARTER, ROUND_UP_HALF_YEAR, ROUND_UP_YEAR };
/* The last day of the period that holds ${day}; DAY_NEVER stays. Here and below a day must be in the years 1 to 9999 (asserted). */
int32_t day_round_up(int32_t day, enum round_up to);
int32_t day_year_start(int32_t day);
int32_t day_month_start(int32_t day);

/**
 * The day of (month, day) in ${year}; 29 February in a common year is 28 February, or 1 March when ${leap_to_march}.  A valid date
 * otherwise (asserted).
 */
int32_t day_of_birthday(int year, int month, int day, bool leap_to_march);

/* "YYYY-MM-DD" exactly (years 0001 to 9999), "MM-DD" (02-29 allowed).  False and nothing written otherwise. */
bool day_parse(const char *text, int32_t *ret_day) MUST_CHECK;
bool month_day_parse(const char *text, int *ret_month, int *ret_day) MUST_CHECK;
#define DAY_TEXT_BYTES 16
const char *day_format(int32_t day, char ret_text[static DAY_TEXT_BYTES]);	/* returns ret_text; DAY_NEVER is "never" */

/**
 * RFC 3339 with seconds (00 to 59: POSIX time has no leap second), optional fraction to 6 digits, and Z or an offset; years 1 to 9999 in
 * UTC too. Formatting takes any instant and gives UTC with Z, and a fraction, of 6 digits, only when there is one.
 */
bool instant_parse(const char *text, int64_t *ret_us) MUST_CHECK;
#define INSTANT_TEXT_BYTES 40
const char *instant_format(int64_t at_us, char ret_text[static INSTANT_TEXT_BYTES]);

/* "<n>s|m|h|d" with n a positive integer; microseconds. */
bool duration_parse(const char *text, int64_t *ret_us) MUST_CHECK;

#endif
