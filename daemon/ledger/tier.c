/*
 * Tiers over time: what is reached, how long it lasts, what keeps it, and where it falls to.
 *
 * A tier's validity is the days after tier.from, through tier.until.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

/* ---- reach ---- */

static bool
reach_holds(const struct tier *tier, const struct member *m, const struct metric_day *add, wide balance, int32_t day)
{
	for (size_t i = 0; i < tier->n_any; i++) {
		const struct all_of *all = &tier->any[i];
		size_t held = 0;

		while (held < all->n) {
			const struct threshold *t = &all->all[held];
			wide have = t->metric == METRIC_BALANCE ? balance : metric_sum(m, add, t->metric, tier, day);

			if (have < t->at_least)
				break;
			held++;
		}
		if (held == all->n)
			return true;
	}
	return false;
}

size_t
tier_reached(const struct program *p, const struct member *m, const struct metric_day *add, wide balance, int32_t day, bool balance_only)
{
	for (size_t i = p->n_tiers; i > 1; i--) {
		if (balance_only && !p->tiers[i - 1].asks_balance)
			continue;
		if (reach_holds(&p->tiers[i - 1], m, add, balance, day))
			return i - 1;
	}
	return 0;
}

void
tier_look(struct member *m, const struct program *p, int64_t at_us, bool is_due)
{
	int32_t today = zone_day(&p->zone, at_us);

	m->has_look = tier_reached(p, m, NULL, (wide)m->available + m->held, today, true) > tier_earned(p, m);
	m->look_day = !m->has_look ? 0 : is_due && zone_midnight_us(&p->zone, today) == at_us ? today : today + 1;
}

/* ---- validity ---- */

static int32_t
year_end(int year)
{
	return year > 9999 ? DAY_NEVER : day_of_date((struct date){ year, 12, 31 });
}

int32_t
tier_valid_until(const struct tier *tier, int32_t from, bool is_kept)
{
	int year = date_of_day(from).year;

	switch (tier->valid) {
	case VALID_FOREVER: return DAY_NEVER;
	case VALID_MONTHS: return day_round_up(day_add_months(from, (int)tier->valid_months), tier->valid_round_up);
	case VALID_END_OF_YEAR: return year_end(is_kept && year_end(year) <= from ? year + 1 : year);
	case VALID_END_OF_NEXT_YEAR: return year_end(year + 1);
	}
	assert(false);
	return DAY_NEVER;
}

/* The days that keep is asked over: those of the validity, or the last whole calendar year in them, or else the year that they end in. */
static void
keep_days(const struct member *m, const struct tier *tier, int32_t *ret_first, int32_t *ret_last)
{
	int year = date_of_day(m->tier.until).year;

	*ret_first = m->tier.from + 1;
	*ret_last = m->tier.until;
	if (tier->window != WINDOW_CALENDAR_YEAR)
		return;
	if (year_end(year) > m->tier.until && day_of_date((struct date){ year - 1, 1, 1 }) > m->tier.from)
		year--;
	*ret_first = day_of_date((struct date){ year, 1, 1 });
	if (*ret_last > year_end(year))
		*ret_last = year_end(year);
}

wide
metric_to_keep(const struct member *m, enum metric metric, const struct tier *tier, int32_t today)
{
	int32_t first, last;

	if (metric == METRIC_BALANCE || tier->window == WINDOW_LIFETIME || m->tier.until == DAY_NEVER)
		return metric_sum(m, NULL, metric, tier, today);
	keep_days(m, tier, &first, &last);
	return metric_between(m, NULL, metric, first, last < today ? last : today);
}

static bool
keep_holds(const struct member *m, const struct tier *tier, int32_t today)
{
	for (size_t i = 0; i < tier->n_keep; i++) {
		const struct all_of *all = &tier->keep[i];
		size_t held = 0;

		while (held < all->n && metric_to_keep(m, all->all[held].metric, tier, today) >= all->all[held].at_least)
			held++;
		if (held == all->n)
			return true;
	}
	return false;
}

bool
tier_is_kept(const struct member *m, const struct program *p, int32_t today)
{
	size_t at = tier_earned(p, m);

	return at == 0 || m->tier.until == DAY_NEVER || p->tiers[at].downgrade == DOWNGRADE_NONE ||
	    (!m->tier.grace && keep_holds(m, &p->tiers[at], today));
}

/* ---- deciding ---- */

/* The member's available and held points after what is collected so far. */
static wide
balance_after(const struct decision *d)
{
	wide sum = (wide)d->member->available + d->member->held;

	for (size_t i = 0; i < d->entry->n_postings; i++) {
		const struct posting *p = &d->postings[i];

		if ((p->account == ACCOUNT_MEMBER || p->account == ACCOUNT_HELD) && p->member == d->entry->member)
			sum += p->points;
	}
	return sum;
}

static void
decision_reach(struct decision *d, size_t reached)
{
	const struct program *p = d->program;
	struct tier_state *t = &d->entry->tier;

	if (reached == 0 || reached <= tier_earned(p, d->member))
		return;
	d->entry->has_tier = true;
	*t = d->member->tier;
	tier_id_copy(t->earned, p->tiers[reached].id);
	t->since = t->from = t->start = d->today;
	t->until = tier_valid_until(&p->tiers[reached], d->today, false);
	t->grace = false;
}

/* A late event is looked at as of its own date, where its metrics fall, and as of today, when the tier begins. */
void
decision_upgrade(struct decision *d, const struct metric_day *add)
{
	wide balance = balance_after(d);
	size_t reached = tier_reached(d->program, d->member, add, balance, d->today, false);

	if (d->business_date != d->today) {
		size_t then = tier_reached(d->program, d->member, add, balance, d->business_date, false);
		if (then > reached)
			reached = then;
	}
	decision_reach(d, reached);
}

void
decision_look(struct decision *d)
{
	decision_reach(d, tier_reached(d->program, d->member, NULL, balance_after(d), d->today, true));
}

/* From the day after ${last} on. */
static void
fall(struct tier_state *t, const struct tier *to, int32_t last)
{
	tier_id_copy(t->earned, to->id);
	t->since = last + 1;
	t->from = t->start = last;
	t->until = tier_valid_until(to, last, true);
	t->grace = false;
}

static void
stay(struct tier_state *t, const struct tier *tier, int32_t last)
{
	t->from = last;
	t->until = tier_valid_until(tier, last, true);
	t->grace = false;
}

void
decision_tier_review(struct decision *d)
{
	const struct program *p = d->program;
	const struct member *m = d->member;
	struct tier_state *t = &d->entry->tier;
	int32_t last = m->tier.until;
	size_t at = tier_earned(p, m), to = at;

	assert(last < d->today);
	d->entry->has_tier = true;
	*t = m->tier;
	const struct tier *tier = &p->tiers[at];
	if (p->n_tiers == 0) {
		t->until = DAY_NEVER;
		return;
	}
	if (!t->grace && (at == 0 || keep_holds(m, tier, d->today))) {
		stay(t, tier, last);
		return;
	}
	if (!t->grace && tier->grace_months > 0) {
		t->grace = true;
		t->until = day_round_up(day_add_months(last, (int)tier->grace_months), tier->grace_round_up);
		return;
	}
	switch (tier->downgrade) {
	case DOWNGRADE_NONE: break;
	case DOWNGRADE_ONE: to = at - (at > 0); break;
	case DOWNGRADE_FULL: to = tier_reached(p, m, NULL, (wide)m->available + m->held, last, false); break;
	}
	if (to == at)
		stay(t, tier, last);
	else
		fall(t, &p->tiers[to], last);
}

/* ---- applying ---- */

bool
tier_state_apply(struct member *m, const struct tier_state *t)
{
	if (t->start != m->tier.start && !metrics_start_over(m, t->start))
		return false;
	/* Copied field by field: what lies behind the ids' ends is not ours. */
	tier_id_copy(m->tier.earned, t->earned);
	tier_id_copy(m->tier.gift, t->gift);
	m->tier.since = t->since;
	m->tier.until = t->until;
	m->tier.gift_until = t->gift_until;
	m->tier.from = t->from;
	m->tier.start = t->start;
	m->tier.grace = t->grace;
	return true;
}
