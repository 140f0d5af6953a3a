/**
 * Dates are counted from a year that begins in March, so that the leap day is the last of its year.  Turning a day into a date is total
 * over int32, so that whatever a damaged record holds can be printed; turning a date into a day asks for years 1 to 9999.
 */
#include "ledger/calendar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"

#define YEAR_MIN 1
#define YEAR_MAX 9999
#define DAY_MIN (-719162)	/* 0001-01-01 */
#define DAY_MAX 2932896		/* 9999-12-31 */
#define DAYS_TO_MARCH_OF_0 719468
#define DAYS_IN_400_YEARS 146097

static bool
is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	assert(month >= 1 && month <= 12);
	return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

bool
date_valid(struct date d)
{
	return d.year >= YEAR_MIN && d.year <= YEAR_MAX && d.month >= 1 && d.month <= 12 && d.day >= 1 &&
	    d.day <= days_in_month(d.year, d.month);
}

/*
 * Days from a March of long ago, so that nothing is below zero.  Multiplying by 4 and adding 3 takes a quarter day of each year into
 * account; what the divisions leave is four times the day of the century, then of the year.
 */
struct date
date_of_day(int32_t day)
{
	const uint64_t eras = 14704;			/* of 400 years, so many that every int32 is above zero */
	uint64_t of_all = 4 * (uint64_t)((int64_t)day + DAYS_TO_MARCH_OF_0 + (int64_t)eras * DAYS_IN_400_YEARS) + 3;
	uint64_t century = of_all / DAYS_IN_400_YEARS;
	uint32_t of_century = (uint32_t)(of_all % DAYS_IN_400_YEARS) | 3;
	uint32_t year_of_century = of_century / 1461, of_year = of_century % 1461 / 4;
	uint32_t month_from_march = (5 * of_year + 2) / 153;		/* five months from March have 153 days */
	uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

	return (struct date){
		.year = (int)((int64_t)(100 * century + year_of_century) - 400 * (int64_t)eras) + (month <= 2 ? 1 : 0),
		.month = (int)month,
		.day = (int)(of_year - (153 * month_from_march + 2) / 5 + 1),
	};
}

int32_t
day_of_date(struct date d)
{
	assert(date_valid(d));
	int year = d.month <= 2 ? d.year - 1 : d.year;
	int month_from_march = d.month <= 2 ? d.month + 9 : d.month - 3;
	int of_year = (153 * month_from_march + 2) / 5 + d.day - 1;

	return 365 * year + year / 4 - year / 100 + year / 400 + of_year - DAYS_TO_MARCH_OF_0;
}

int
weekday_of_day(int32_t day)
{
	return (int)floor_mod((int64_t)day + 3, 7);	/* 1970-01-01 was a Thursday */
}

static int32_t
day_clamped(int year, int month, int day)
{
	int last = days_in_month(year, month);

	return day_of_date((struct date){ year, month, day < last ? day : last });
}

int32_t
day_add_months(int32_t day, int months)
{
	if (day == DAY_NEVER)
		return DAY_NEVER;

	struct date d = date_of_day(day);
	int64_t month = (int64_t)d.year * 12 + (d.month - 1) + months;
	int64_t year = floor_div(month, 12);

	if (year > YEAR_MAX)
		return DAY_NEVER;
	if (year < YEAR_MIN)
		return DAY_MIN;
	return day_clamped((int)year, (int)floor_mod(month, 12) + 1, d.day);
}

int32_t
day_round_up(int32_t day, enum round_up to)
{
	if (day == DAY_NEVER || to == ROUND_UP_NONE)
		return day;

	static const int months_in[] = { [ROUND_UP_MONTH] = 1, [ROUND_UP_QUARTER] = 3, [ROUND_UP_HALF_YEAR] = 6, [ROUND_UP_YEAR] = 12 };
	struct date d = date_of_day(day);
	int months = months_in[to];

	return day_clamped(d.year, (d.month + months - 1) / months * months, 31);
}

int32_t
day_year_start(int32_t day)
{
	return day_of_date((struct date){ date_of_day(day).year, 1, 1 });
}

int32_t
day_month_start(int32_t day)
{
	struct date d = date_of_day(day);

	d.day = 1;
	return day_of_date(d);
}

int32_t
day_of_birthday(int year, int month, int day, bool leap_to_march)
{
	if (month == 2 && day == 29 && !is_leap(year))
		return day_of_date(leap_to_march ? (struct date){ year, 3, 1 } : (struct date){ year, 2, 28 });
	return day_of_date((struct date){ year, month, day });
}

/* ---- text ---- */

/* Exactly ${n} digits; moves *${text} behind them. */
static bool
take_number(const char **text, unsigned n, int *ret)
{
	int v = 0;

	for (unsigned i = 0; i < n; i++) {
		char c = (*text)[i];
		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (c - '0');
	}
	*text += n;
	*ret = v;
	return true;
}

static bool
take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool
take_date(const char **text, int32_t *ret_day)
{
	struct date d;

	if (!take_number(text, 4, &d.year) || !take_char(text, '-') || !take_number(text, 2, &d.month) || !take_char(text, '-') ||
	    !take_number(text, 2, &d.day) || !date_valid(d))
		return false;
	*ret_day = day_of_date(d);
	return true;
}

bool
day_parse(const char *text, int32_t *ret_day)
{
	int32_t day;

	if (!take_date(&text, &day) || *text != '\0')
		return false;
	*ret_day = day;
	return true;
}

bool
month_day_parse(const char *text, int *ret_month, int *ret_day)
{
	struct date d = { .year = 2000 };	/* a leap year: 29 February is a birthday */

	if (!take_number(&text, 2, &d.month) || !take_char(&text, '-') || !take_number(&text, 2, &d.day) || *text != '\0' || !date_valid(d))
		return false;
	*ret_month = d.month;
	*ret_day = d.day;
	return true;
}

/* Replies are full of dates, and printf takes longer than all the rest of one. */
static char *
put_number(char *to, unsigned digits, int v)
{
	for (unsigned i = digits; i > 0; i--, v /= 10)
		to[i - 1] = (char)('0' + v % 10);
	return to + digits;
}

static char *
put_date(char *to, struct date d)
{
	if (d.year >= 0 && d.year <= YEAR_MAX) {
		to = put_number(to, 4, d.year);
	} else {
		int n = snprintf(to, DAY_TEXT_BYTES, "%04d", d.year);
		assert(n > 0 && n + (int)sizeof("-12-31") <= DAY_TEXT_BYTES);
		to += n;
	}
	*to++ = '-';
	to = put_number(to, 2, d.month);
	*to++ = '-';
	return put_number(to, 2, d.day);
}

const char *
day_format(int32_t day, char ret_text[static DAY_TEXT_BYTES])
{
	struct date d = date_of_day(day);

	if (day == DAY_NEVER)
		return strcpy(ret_text, "never");
	*put_date(ret_text, d) = '\0';
	return ret_text;
}

static bool
take_time(const char **text, int64_t *ret_us)
{
	int hour, minute, second, digit, unit = 100000;
	int64_t us = 0;

	if (!take_number(text, 2, &hour) || !take_char(text, ':') || !take_number(text, 2, &minute) || !take_char(text, ':') ||
	    !take_number(text, 2, &second) || hour > 23 || minute > 59 || second > 59)
		return false;
	if (take_char(text, '.')) {
		if (!take_number(text, 1, &digit))
			return false;
		do {
			if (unit == 0)
				return false;
			us += (int64_t)digit * unit;
			unit /= 10;
		} while (take_number(text, 1, &digit));
	}
	*ret_us = us + ((int64_t)hour * 3600 + minute * 60 + second) * US_PER_SECOND;
	return true;
}

static bool
take_offset(const char **text, int64_t *ret_s)
{
	int hour, minute;

	if (take_char(text, 'Z') || take_char(text, 'z')) {
		*ret_s = 0;
		return true;
	}
	bool west = **text == '-';
	if (!take_char(text, west ? '-' : '+') || !take_number(text, 2, &hour) || !take_char(text, ':') || !take_number(text, 2, &minute) ||
	    hour > 23 || minute > 59)
		return false;
	int64_t s = hour * 3600 + minute * 60;
	*ret_s = west ? -s : s;
	return true;
}

bool
instant_parse(const char *text, int64_t *ret_us)
{
	int32_t day;
	int64_t time_us, offset_s;

	if (!take_date(&text, &day) || !(take_char(&text, 'T') || take_char(&text, 't')) || !take_time(&text, &time_us) ||
	    !take_offset(&text, &offset_s) || *text != '\0')
		return false;
	int64_t us = day * US_PER_DAY + time_us - offset_s * US_PER_SECOND;
	if (us < DAY_MIN * US_PER_DAY || us >= (DAY_MAX + 1) * US_PER_DAY)
		return false;
	*ret_us = us;
	return true;
}

const char *
instant_format(int64_t at_us, char ret_text[static INSTANT_TEXT_BYTES])
{
	struct date d = date_of_day((int32_t)floor_div(at_us, US_PER_DAY));
	int64_t us = floor_mod(at_us, US_PER_DAY);
	int second = (int)(us / US_PER_SECOND), fraction = (int)(us % US_PER_SECOND);
	char *to = put_date(ret_text, d);

	assert(to - ret_text + (ptrdiff_t)sizeof("T00:00:00.123456Z") <= INSTANT_TEXT_BYTES);
	*to++ = 'T';
	to = put_number(to, 2, second / 3600);
	*to++ = ':';
	to = put_number(to, 2, second / 60 % 60);
	*to++ = ':';
	to = put_number(to, 2, second % 60);
	if (fraction != 0) {
		*to++ = '.';
		to = put_number(to, 6, fraction);
	}
	memcpy(to, "Z", sizeof("Z"));
	return ret_text;
}

static int64_t
duration_unit_s(char unit)
{
	switch (unit) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return 86400;
	}
	return 0;
}

bool
duration_parse(const char *text, int64_t *ret_us)
{
	int64_t n = 0, us;
	int digit;

	while (take_number(&text, 1, &digit))
		if (!checked_mul(n, 10, &n) || !checked_add(n, digit, &n))
			return false;
	int64_t unit_s = duration_unit_s(*text);
	if (n == 0 || unit_s == 0 || text[1] != '\0' || !checked_mul(n, unit_s * US_PER_SECOND, &us))
		return false;
	*ret_us = us;
	return true;
}
