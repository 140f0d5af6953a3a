/**
 * A zone is a table of transitions and, from the last one on, at most two yearly rules.  Everything asked of it comes from one question:
 * which offset is in force at an instant, and until when (span_at()); so no two answers can contradict each other.
 * A TZif file is read strictly: what is not exactly RFC 8536 (RFC 9636 for version 4) is refused.  Files with leap seconds are refused as
 * well: their instants are not POSIX time.  Offsets are held to ±26 h, which the search for a midnight relies on.
 */
#include "ledger/calendar.h"

#include <assert.h>
#include <string.h>

#include "base/checked.h"

#define DAY_S 86400
#define OFFSET_S_MIN (-89999)	/* RFC 8536, section 3.2: utoff */
#define OFFSET_S_MAX 93599
#define TYPES_MAX 256

/* ---- reading TZif ---- */

struct tzif_header {
	uint8_t version;	/* 0, '2', '3' or '4' */
	uint32_t n_isut, n_isstd, n_leap, n_times, n_types, n_chars;
};

static bool
read_header(struct cursor *c, struct tzif_header *ret)
{
	struct bytes magic = cursor_bytes(c, 4);

	ret->version = cursor_u8(c);
	cursor_bytes(c, 15);
	ret->n_isut = cursor_be32(c);
	ret->n_isstd = cursor_be32(c);
	ret->n_leap = cursor_be32(c);
	ret->n_times = cursor_be32(c);
	ret->n_types = cursor_be32(c);
	ret->n_chars = cursor_be32(c);
	return cursor_ok(c) && memcmp(magic.data, "TZif", 4) == 0 && (ret->version == 0 || (ret->version >= '2' && ret->version <= '4'));
}

/* Leaves out the data block of 32-bit times, which says nothing that the 64-bit one does not say better. */
static bool
skip_block(struct cursor *c, const struct tzif_header *h)
{
	uint64_t len = (uint64_t)h->n_times * 5 + (uint64_t)h->n_types * 6 + h->n_chars + (uint64_t)h->n_leap * 8 + h->n_isstd + h->n_isut;

	cursor_bytes(c, (size_t)len);
	return cursor_ok(c);
}

static bool
read_flags(struct cursor *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (cursor_u8(c) > 1)
			return false;
	return cursor_ok(c);
}

static bool
read_types(struct cursor *c, const struct tzif_header *h, int32_t ret_offsets_s[static TYPES_MAX])
{
	for (uint32_t i = 0; i < h->n_types; i++) {
		int32_t offset_s = (int32_t)cursor_be32(c);
		uint8_t is_dst = cursor_u8(c), name_at = cursor_u8(c);
		if (offset_s < OFFSET_S_MIN || offset_s > OFFSET_S_MAX || is_dst > 1 || name_at >= h->n_chars)
			return false;
		ret_offsets_s[i] = offset_s;
	}
	return cursor_ok(c);
}

static bool
read_block(struct cursor *c, const struct tzif_header *h, struct zone *zone)
{
	int32_t offsets_s[TYPES_MAX];

	if (h->n_types == 0 || h->n_types > TYPES_MAX || h->n_chars == 0 || h->n_times > CALENDAR_TRANSITIONS_MAX || h->n_leap != 0 ||
	    (h->n_isut != 0 && h->n_isut != h->n_types) || (h->n_isstd != 0 && h->n_isstd != h->n_types))
		return false;
	zone->n_transitions = h->n_times;
	for (uint32_t i = 0; i < h->n_times; i++) {
		zone->at_s[i] = h->version == 0 ? (int32_t)cursor_be32(c) : (int64_t)cursor_be64(c);
		if (i > 0 && zone->at_s[i] <= zone->at_s[i - 1])
			return false;
	}
	struct bytes types = cursor_bytes(c, h->n_times);
	if (!cursor_ok(c) || !read_types(c, h, offsets_s))
		return false;
	for (uint32_t i = 0; i < h->n_times; i++) {
		if (types.data[i] >= h->n_types)
			return false;
		zone->offset_s[i] = offsets_s[types.data[i]];
	}
	zone->first_offset_s = offsets_s[0];
	struct bytes names = cursor_bytes(c, h->n_chars);
	return cursor_ok(c) && names.data[names.len - 1] == '\0' && read_flags(c, h->n_isstd) && read_flags(c, h->n_isut);
}

/* ---- reading the POSIX TZ string ---- */

static int
peek(const struct cursor *c)
{
	return c->p == c->end ? -1 : *c->p;
}

static bool
accept(struct cursor *c, char ch)
{
	if (peek(c) != ch)
		return false;
	c->p++;
	return true;
}

static bool
is_digit(int ch)
{
	return ch >= '0' && ch <= '9';
}

static bool
is_letter(int ch)
{
	return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z');
}

/* At most three digits, from ${min} to ${max}. */
static bool
tz_number(struct cursor *c, int min, int max, int *ret)
{
	int v = 0, n = 0;

	for (; n < 3 && is_digit(peek(c)); n++)
		v = v * 10 + (cursor_u8(c) - '0');
	*ret = v;
	return n > 0 && v >= min && v <= max;
}

static bool
tz_name(struct cursor *c)
{
	bool quoted = accept(c, '<');
	unsigned n = 0;

	while (is_letter(peek(c)) || (quoted && (is_digit(peek(c)) || peek(c) == '+' || peek(c) == '-'))) {
		c->p++;
		n++;
	}
	return n >= 3 && (!quoted || accept(c, '>'));
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool
tz_time(struct cursor *c, int hours_max, int32_t *ret_s)
{
	bool negative = accept(c, '-');
	int hours, minutes = 0, seconds = 0;

	if (!negative)
		(void)accept(c, '+');
	if (!tz_number(c, 0, hours_max, &hours))
		return false;
	if (accept(c, ':') && (!tz_number(c, 0, 59, &minutes) || (accept(c, ':') && !tz_number(c, 0, 59, &seconds))))
		return false;
	int32_t s = hours * 3600 + minutes * 60 + seconds;
	*ret_s = negative ? -s : s;
	return true;
}

static bool
tz_rule(struct cursor *c, struct zone_rule *ret)
{
	*ret = (struct zone_rule){ .kind = '0', .time_s = 2 * 3600 };
	if (accept(c, 'M')) {
		ret->kind = 'M';
		if (!tz_number(c, 1, 12, &ret->month) || !accept(c, '.') || !tz_number(c, 1, 5, &ret->week) || !accept(c, '.') ||
		    !tz_number(c, 0, 6, &ret->weekday))
			return false;
	} else if (accept(c, 'J')) {
		ret->kind = 'J';
		if (!tz_number(c, 1, 365, &ret->day))
			return false;
	} else if (!tz_number(c, 0, 365, &ret->day)) {
		return false;
	}
	return !accept(c, '/') || tz_time(c, 167, &ret->time_s);
}

/* POSIX counts offsets west of Greenwich. */
static bool
tz_string(struct cursor *c, struct zone *zone)
{
	int32_t west_s;

	if (!tz_name(c) || !tz_time(c, 24, &west_s))
		return false;
	zone->has_rules = true;
	zone->standard_s = -west_s;
	if (peek(c) < 0)
		return true;
	if (!tz_name(c))
		return false;
	zone->has_dst = true;
	zone->dst_s = zone->standard_s + 3600;
	if (peek(c) != ',') {
		if (!tz_time(c, 24, &west_s))
			return false;
		zone->dst_s = -west_s;
	}
	return accept(c, ',') && tz_rule(c, &zone->dst_begin) && accept(c, ',') && tz_rule(c, &zone->dst_end) && cursor_done(c);
}

static bool
read_footer(struct cursor *c, struct zone *zone)
{
	size_t len = (size_t)(c->end - c->p);

	if (len < 2 || c->p[0] != '\n' || c->p[len - 1] != '\n')
		return false;
	struct cursor text = cursor_of(bytes_of(c->p + 1, len - 2));
	return len == 2 || tz_string(&text, zone);	/* empty: the last offset holds for ever */
}

enum status
zone_parse(struct bytes tzif, struct zone *ret_zone)
{
	struct cursor c = cursor_of(tzif);
	struct tzif_header first, second;
	struct zone zone = { 0 };

	if (tzif.len > CALENDAR_ZONE_DATA_BYTES_MAX || !read_header(&c, &first))
		return ST_INVALID;
	if (first.version == 0) {
		if (!read_block(&c, &first, &zone) || !cursor_done(&c))
			return ST_INVALID;
	} else {
		if (!skip_block(&c, &first) || !read_header(&c, &second) || second.version != first.version ||
		    !read_block(&c, &second, &zone) || !read_footer(&c, &zone))
			return ST_INVALID;
	}
	*ret_zone = zone;
	return ST_OK;
}

/* ---- asking ---- */

/* An offset and the instant at which it ends; INT64_MAX: never. */
struct span {
	int32_t offset_s;
	int64_t end_s;
};

static int64_t
year_start(int64_t year)
{
	int64_t before = year - 1;

	return 365 * before + floor_div(before, 4) - floor_div(before, 100) + floor_div(before, 400) - 719162;
}

static int64_t
rule_day(const struct zone_rule *rule, int year)
{
	int64_t day = year_start(year);

	switch (rule->kind) {
	case '0':
		return day + rule->day;
	case 'J':	/* 29 February is never counted: 1 March is always day 60 */
		return day + rule->day - 1 + (rule->day >= 60 && days_in_month(year, 2) == 29 ? 1 : 0);
	case 'M':
		break;
	}
	for (int month = 1; month < rule->month; month++)
		day += days_in_month(year, month);
	int wanted = (rule->weekday + 6) % 7;			/* POSIX weeks begin with Sunday */
	int64_t of_month = floor_mod(wanted - weekday_of_day((int32_t)day), 7) + 7 * (rule->week - 1);
	if (of_month >= days_in_month(year, rule->month))	/* week 5 is the last one */
		of_month -= 7;
	return day + of_month;
}

/**
 * The latest rule that has come by ${at_s} is in force, and the next one ends it.  A rule's time may reach a week beyond its year, hence
 * two years back and ahead.  Where DST ends at the instant at which the next year's begins (DST all year), the later year wins.
 */
static struct span
span_by_rules(const struct zone *zone, int64_t at_s)
{
	struct span span = { .offset_s = zone->standard_s, .end_s = INT64_MAX };
	int64_t latest_s = INT64_MIN;

	if (!zone->has_dst)
		return span;
	int this_year = date_of_day((int32_t)floor_div(at_s + zone->standard_s, DAY_S)).year;
	for (int year = this_year - 2; year <= this_year + 2; year++) {
		const struct { int64_t at_s; int32_t offset_s; } events[] = {
			{ rule_day(&zone->dst_begin, year) * DAY_S + zone->dst_begin.time_s - zone->standard_s, zone->dst_s },
			{ rule_day(&zone->dst_end, year) * DAY_S + zone->dst_end.time_s - zone->dst_s, zone->standard_s },
		};
		for (unsigned i = 0; i < 2; i++) {
			if (events[i].at_s <= at_s && events[i].at_s >= latest_s) {
				latest_s = events[i].at_s;
				span.offset_s = events[i].offset_s;
			} else if (events[i].at_s > at_s && events[i].at_s < span.end_s) {
				span.end_s = events[i].at_s;
			}
		}
	}
	assert(latest_s > INT64_MIN && span.end_s < INT64_MAX);
	return span;
}

static struct span
span_at(const struct zone *zone, int64_t at_s)
{
	unsigned low = 0, high = zone->n_transitions;	/* low: how many transitions have come */

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (zone->at_s[middle] <= at_s)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == zone->n_transitions && zone->has_rules)
		return span_by_rules(zone, at_s);
	return (struct span){
		.offset_s = low == 0 ? zone->first_offset_s : zone->offset_s[low - 1],
		.end_s = low == zone->n_transitions ? INT64_MAX : zone->at_s[low],
	};
}

int32_t
zone_offset_s(const struct zone *zone, int64_t at_us)
{
	return span_at(zone, floor_div(at_us, US_PER_SECOND)).offset_s;
}

static int64_t
local_s(const struct zone *zone, int64_t at_us)
{
	int64_t at_s = floor_div(at_us, US_PER_SECOND);

	return at_s + span_at(zone, at_s).offset_s;
}

int32_t
zone_day(const struct zone *zone, int64_t at_us)
{
	return (int32_t)floor_div(local_s(zone, at_us), DAY_S);
}

int32_t
zone_second_of_day(const struct zone *zone, int64_t at_us)
{
	return (int32_t)floor_mod(local_s(zone, at_us), DAY_S);
}

int64_t
zone_midnight_us(const struct zone *zone, int32_t day)
{
	if (day == DAY_NEVER)
		return INT64_MAX;
	assert(day > -100000000 && day < 100000000);	/* what int64 microseconds can tell */

	/* From an instant that is before the day in any zone: the first at which a clock there shows midnight or later. */
	int64_t midnight_s = (int64_t)day * DAY_S;
	for (int64_t at_s = midnight_s - OFFSET_S_MAX - 1;;) {
		struct span span = span_at(zone, at_s);
		int64_t candidate_s = midnight_s - span.offset_s;
		if (candidate_s < at_s)
			candidate_s = at_s;
		if (candidate_s < span.end_s)
			return candidate_s * US_PER_SECOND;
		at_s = span.end_s;
	}
}
