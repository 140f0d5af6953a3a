/*
 * What members have done, by day.  Rows are kept as long as a version of the program may look back; lifetime sums have no rows, and
 * sums since a tier began are lifetime sums less those of what is dated through its start, so they need none either.
 *
 * Few programs count and few days then, so counters stand apart: a record without them has nothing of them.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

/* ---- sums ---- */

/* The first row on or after a day. */
static size_t
days_from(const struct member *m, int32_t day)
{
	size_t low = 0, high = m->n_days;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->days[mid].day < day)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The first row on or after (day, counter). */
static size_t
counts_from(const struct member *m, int32_t day, uint32_t counter)
{
	size_t low = 0, high = m->n_counts;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct count_row *row = &m->counts[mid];

		if (row->day < day || (row->day == day && row->counter < counter))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static wide
counts_between(const struct member *m, uint32_t counter, int32_t first, int32_t last)
{
	wide sum = 0;

	for (size_t i = counts_from(m, first, 0); i < m->n_counts && m->counts[i].day <= last; i++)
		sum += m->counts[i].counter == counter ? m->counts[i].count : 0;
	return sum;
}

/* Of the rows of days from ${first} through ${last}. */
static wide
rows_between(const struct member *m, enum metric metric, int32_t first, int32_t last)
{
	size_t i = days_from(m, first), end = last == INT32_MAX ? m->n_days : days_from(m, last + 1);
	wide sum = 0;

	switch (metric) {
	case METRIC_POINTS_EARNED:
		for (; i < end; i++)
			sum += m->days[i].points_earned;
		return sum;
	case METRIC_SPEND:
		for (; i < end; i++)
			sum += m->days[i].spend;
		return sum;
	case METRIC_VISITS:
		for (; i < end; i++)
			sum += m->days[i].visits;
		return sum;
	case METRIC_BALANCE: case METRIC_COUNTER:
		break;
	}
	assert(metric >= METRIC_COUNTER && metric < METRIC_COUNTER + LEDGER_COUNTERS_MAX);
	return counts_between(m, (uint32_t)(metric - METRIC_COUNTER), first, last);
}

static int64_t
metric_of(const struct metric_day *row, enum metric metric)
{
	switch (metric) {
	case METRIC_POINTS_EARNED: return row->points_earned;
	case METRIC_SPEND: return row->spend;
	case METRIC_VISITS: return row->visits;
	case METRIC_BALANCE: break;
	case METRIC_COUNTER: break;
	}
	assert(metric >= METRIC_COUNTER && metric < METRIC_COUNTER + LEDGER_COUNTERS_MAX);
	return row->counters[metric - METRIC_COUNTER];
}

static int64_t
metric_lifetime(const struct member *m, enum metric metric)
{
	const struct metric_day lifetime = { .points_earned = m->points_earned, .spend = m->spend, .visits = m->visits };

	return metric < METRIC_COUNTER ? metric_of(&lifetime, metric) : m->counters[metric - METRIC_COUNTER];
}

wide
metric_between(const struct member *m, const struct metric_day *add, enum metric metric, int32_t first, int32_t last)
{
	return rows_between(m, metric, first, last) + (add != NULL && add->day >= first && add->day <= last ? metric_of(add, metric) : 0);
}

/* What is dated after tier.start, through ${day}: seen from a late event there may be more. */
static wide
metric_since_start(const struct member *m, const struct metric_day *add, enum metric metric, int32_t day)
{
	int32_t last = day > m->tier.start ? day : m->tier.start;
	wide sum = (wide)metric_lifetime(m, metric) - metric_of(&m->start_base, metric) - rows_between(m, metric, last + 1, INT32_MAX);

	if (add != NULL && add->day > m->tier.start && add->day <= day)
		sum += metric_of(add, metric);
	return sum;
}

wide
metric_sum(const struct member *m, const struct metric_day *add, enum metric metric, const struct tier *tier, int32_t day)
{
	if (metric == METRIC_BALANCE)
		return (wide)m->available + m->held;
	switch (tier->window) {
	case WINDOW_LIFETIME: return (wide)metric_lifetime(m, metric) + (add != NULL ? metric_of(add, metric) : 0);
	case WINDOW_CALENDAR_YEAR: return metric_between(m, add, metric, day_year_start(day), day);
	case WINDOW_ROLLING_MONTHS:
		return metric_between(m, add, metric, day_add_months(day, -(int)tier->rolling_months) + 1, day);
	case WINDOW_SINCE_TIER_START: return metric_since_start(m, add, metric, day);
	}
	assert(false);
	return 0;
}

/* ---- adding ---- */

static bool
metric_day_add(struct metric_day *sum, const struct metric_day *add)
{
	bool ok = checked_add(sum->points_earned, add->points_earned, &sum->points_earned) && checked_add(sum->spend, add->spend, &sum->spend) &&
	    checked_add(sum->visits, add->visits, &sum->visits);

	for (size_t i = 0; i < LEDGER_COUNTERS_MAX && ok; i++)
		ok = checked_add(sum->counters[i], add->counters[i], &sum->counters[i]);
	return ok;
}

static bool
lifetime_add(struct member *m, const struct metric_day *add)
{
	bool ok = checked_add(m->points_earned, add->points_earned, &m->points_earned) && checked_add(m->spend, add->spend, &m->spend) &&
	    checked_add(m->visits, add->visits, &m->visits);

	for (size_t i = 0; i < LEDGER_COUNTERS_MAX && ok; i++)
		ok = checked_add(m->counters[i], add->counters[i], &m->counters[i]);
	return ok;
}

static enum status
day_row_add(struct member *m, struct arena *arena, const struct metric_day *add, bool *ret_ok)
{
	size_t at = m->n_days;

	if (add->points_earned == 0 && add->spend == 0 && add->visits == 0)
		return ST_OK;
	while (at > 0 && m->days[at - 1].day >= add->day)		/* hardly ever more than one */
		at--;
	if (at == m->n_days || m->days[at].day != add->day) {
		struct day_row *grown = arena_grow(arena, m->days, &m->cap_days, m->n_days + 1, sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		memmove(grown + at + 1, grown + at, (m->n_days - at) * sizeof(*grown));
		grown[at] = (struct day_row){ .day = add->day };
		m->days = grown;
		m->n_days++;
	}
	struct day_row *row = &m->days[at];
	*ret_ok = checked_add(row->points_earned, add->points_earned, &row->points_earned) && checked_add(row->spend, add->spend, &row->spend) &&
	    checked_add(row->visits, add->visits, &row->visits);
	if (row->points_earned == 0 && row->spend == 0 && row->visits == 0) {
		memmove(row, row + 1, (m->n_days - at - 1) * sizeof(*row));
		m->n_days--;
	}
	return ST_OK;
}

static enum status
count_row_add(struct member *m, struct arena *arena, const struct count_row *add, bool *ret_ok)
{
	size_t at = counts_from(m, add->day, add->counter);

	if (at == m->n_counts || m->counts[at].day != add->day || m->counts[at].counter != add->counter) {
		struct count_row *grown = arena_grow(arena, m->counts, &m->cap_counts, m->n_counts + 1, sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		memmove(grown + at + 1, grown + at, (m->n_counts - at) * sizeof(*grown));
		grown[at] = *add;
		m->counts = grown;
		m->n_counts++;
		return ST_OK;
	}
	struct count_row *row = &m->counts[at];
	*ret_ok = checked_add(row->count, add->count, &row->count);
	if (row->count == 0) {
		memmove(row, row + 1, (m->n_counts - at - 1) * sizeof(*row));
		m->n_counts--;
	}
	return ST_OK;
}

static void
metrics_prune(struct member *m, int32_t oldest_day)
{
	size_t days = m->n_days > 0 && m->days[0].day < oldest_day ? days_from(m, oldest_day) : 0;
	size_t counts = m->n_counts > 0 && m->counts[0].day < oldest_day ? counts_from(m, oldest_day, 0) : 0;

	if (days > 0)
		memmove(m->days, m->days + days, (m->n_days - days) * sizeof(*m->days));
	if (counts > 0)
		memmove(m->counts, m->counts + counts, (m->n_counts - counts) * sizeof(*m->counts));
	m->n_days -= days;
	m->n_counts -= counts;
}

enum status
metrics_add(struct member *m, struct arena *arena, const struct metric_day *add, int32_t oldest_day, bool *ret_ok)
{
	*ret_ok = lifetime_add(m, add) && (add->day > m->tier.start || metric_day_add(&m->start_base, add));
	if (!*ret_ok)
		return ST_OK;
	enum status st = day_row_add(m, arena, add, ret_ok);
	for (uint32_t i = 0; i < LEDGER_COUNTERS_MAX && st == ST_OK && *ret_ok; i++) {
		struct count_row row = { .day = add->day, .counter = i, .count = add->counters[i] };
		if (row.count != 0)
			st = count_row_add(m, arena, &row, ret_ok);
	}
	metrics_prune(m, oldest_day);
	return st;
}

static bool
within_points_max(int64_t have, int64_t add)
{
	int64_t sum;

	return checked_add(have, add, &sum) && sum <= POINTS_MAX && sum >= -POINTS_MAX;
}

bool
metrics_fit(const struct member *m, const struct metric_day *add)
{
	if (!within_points_max(m->points_earned, add->points_earned) || !within_points_max(m->spend, add->spend))
		return false;
	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++) {
		if (!within_points_max(m->counters[i], add->counters[i]))
			return false;
	}
	for (size_t i = m->n_days; i > 0 && m->days[i - 1].day >= add->day; i--) {
		if (m->days[i - 1].day == add->day)
			return within_points_max(m->days[i - 1].points_earned, add->points_earned) &&
			    within_points_max(m->days[i - 1].spend, add->spend);
	}
	return true;
}

/* ---- taking apart ---- */

/* The rows of a record one after the other, as what was added: first those of days, then those of counters. */
static struct metric_day
metrics_row(const struct member *m, size_t i)
{
	struct metric_day row = { 0 };

	if (i < m->n_days) {
		const struct day_row *d = &m->days[i];
		return (struct metric_day){ .day = d->day, .points_earned = d->points_earned, .spend = d->spend, .visits = d->visits };
	}
	const struct count_row *c = &m->counts[i - m->n_days];
	row.day = c->day;
	row.counters[c->counter] = c->count;
	return row;
}

static bool
metric_day_subtract(struct metric_day *sum, const struct metric_day *less)
{
	bool ok = checked_sub(sum->points_earned, less->points_earned, &sum->points_earned) && checked_sub(sum->spend, less->spend, &sum->spend) &&
	    checked_sub(sum->visits, less->visits, &sum->visits);

	for (size_t i = 0; i < LEDGER_COUNTERS_MAX && ok; i++)
		ok = checked_sub(sum->counters[i], less->counters[i], &sum->counters[i]);
	return ok;
}

static struct metric_day
lifetime_of(const struct member *m)
{
	struct metric_day sum = { .points_earned = m->points_earned, .spend = m->spend, .visits = m->visits };

	memcpy(sum.counters, m->counters, sizeof(sum.counters));
	return sum;
}

bool
metrics_start_over(struct member *m, int32_t start)
{
	struct metric_day base = lifetime_of(m);

	for (size_t i = 0; i < m->n_days + m->n_counts; i++) {
		struct metric_day row = metrics_row(m, i);
		if (row.day > start && !metric_day_subtract(&base, &row))
			return false;
	}
	m->start_base = base;
	return true;
}

enum status
metrics_merge(const struct member *from, struct member *into, struct arena *arena, bool *ret_ok)
{
	struct metric_day lifetime = lifetime_of(from);

	*ret_ok = true;
	for (size_t i = 0; i < from->n_days + from->n_counts; i++) {
		struct metric_day row = metrics_row(from, i);
		enum status st = metrics_add(into, arena, &row, DAY_MIN, ret_ok);

		if (st != ST_OK || !*ret_ok)
			return st;
		*ret_ok = metric_day_subtract(&lifetime, &row);
		if (!*ret_ok)
			return ST_OK;
	}
	/* What is left was long ago: no row has it any more, and every tier began later. */
	*ret_ok = lifetime_add(into, &lifetime) && metric_day_add(&into->start_base, &lifetime);
	return ST_OK;
}

/* ---- checking ---- */

bool
metrics_check(const struct member *m)
{
	for (size_t i = 0; i < m->n_days; i++) {
		const struct day_row *row = &m->days[i];

		if ((row->points_earned | row->spend | row->visits) == 0 || (i > 0 && row->day <= row[-1].day))
			return false;
	}
	for (size_t i = 0; i < m->n_counts; i++) {
		const struct count_row *row = &m->counts[i];

		if (row->count == 0 || row->counter >= LEDGER_COUNTERS_MAX)
			return false;
		if (i > 0 && (row->day < row[-1].day || (row->day == row[-1].day && row->counter <= row[-1].counter)))
			return false;
	}
	return true;
}
