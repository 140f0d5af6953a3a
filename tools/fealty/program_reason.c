/*
 * Bounds are sums over rules, each bounded by its tightest cap; a group's cap is counted for each of its rules, so a bound may be too
 * high but is never too low.  Points that are given by hand (adjustments) are not in them.
 */
#include "program_reason.h"

#include <string.h>

#define DAYS_OF_CYCLE 1461		/* four years: every day of the year, and 29 February */
#define DAY_2000 10957			/* a leap year's first day */

static int64_t
times(int64_t a, int64_t b)
{
	int64_t product;

	if (a == 0 || b == 0)
		return 0;
	return a == AMOUNT_ENDLESS || b == AMOUNT_ENDLESS || __builtin_mul_overflow(a, b, &product) ? AMOUNT_ENDLESS : product;
}

static int64_t
plus(int64_t a, int64_t b)
{
	int64_t sum;

	return a == AMOUNT_ENDLESS || b == AMOUNT_ENDLESS || __builtin_add_overflow(a, b, &sum) ? AMOUNT_ENDLESS : sum;
}

/* ---- stretches ---- */

/* The last ${months} months and the day itself, wherever in the calendar they lie. */
struct stretch
stretch_of_months(uint32_t months)
{
	return (struct stretch){
		.days = (int64_t)(months / 12) * 366 + (int64_t)(months % 12) * 31,
		.months = (int64_t)months + 1,
		.years = ((int64_t)months + 11) / 12 + 1,
	};
}

struct stretch
stretch_of_window(const struct tier *tier)
{
	switch (tier->window) {
	case WINDOW_CALENDAR_YEAR: return (struct stretch){ .days = 366, .months = 12, .years = 1 };
	case WINDOW_ROLLING_MONTHS: return stretch_of_months(tier->rolling_months);
	case WINDOW_LIFETIME: case WINDOW_SINCE_TIER_START: break;
	}
	return (struct stretch){ .endless = true };
}

static uint32_t
months_of_rounding(enum round_up round_up)
{
	switch (round_up) {
	case ROUND_UP_NONE: return 0;
	case ROUND_UP_MONTH: return 1;
	case ROUND_UP_QUARTER: return 3;
	case ROUND_UP_HALF_YEAR: return 6;
	case ROUND_UP_YEAR: return 12;
	}
	return 12;
}

struct stretch
stretch_of_keep(const struct tier *tier)
{
	if (tier->window == WINDOW_LIFETIME)
		return (struct stretch){ .endless = true };
	if (tier->window == WINDOW_CALENDAR_YEAR)
		return stretch_of_window(tier);
	switch (tier->valid) {
	case VALID_FOREVER: break;
	case VALID_MONTHS: return stretch_of_months(tier->valid_months + months_of_rounding(tier->valid_round_up));
	case VALID_END_OF_YEAR: return stretch_of_months(12);
	case VALID_END_OF_NEXT_YEAR: return stretch_of_months(24);
	}
	return (struct stretch){ .endless = true };
}

/* How often a period's limit is there anew within a stretch. */
static int64_t
periods_in(enum period per, const struct stretch *stretch)
{
	switch (per) {
	case PERIOD_DAY: return stretch->endless ? AMOUNT_ENDLESS : stretch->days;
	case PERIOD_MONTH: return stretch->endless ? AMOUNT_ENDLESS : stretch->months;
	case PERIOD_YEAR: return stretch->endless ? AMOUNT_ENDLESS : stretch->years;
	case PERIOD_LIFETIME: case PERIOD_PROGRAM: return 1;
	case PERIOD_TRANSACTION: case PERIOD_COUNT: break;
	}
	return AMOUNT_ENDLESS;
}

/* ---- how much ---- */

/* What one event brings at most. */
static int64_t
rule_once(const struct rule *rule)
{
	switch (rule->measure) {
	case MEASURE_FIXED: return rule->points;
	case MEASURE_COUNTER:
		return rule->counter_per_item || rule->on == ON_ACTIVITY ? AMOUNT_ENDLESS : rule->counter_add;
	case MEASURE_MULTIPLY: return rule->multiplier > MULTIPLIER_UNIT ? AMOUNT_ENDLESS : 0;
	case MEASURE_VOUCHER: return 0;
	case MEASURE_PER_AMOUNT: case MEASURE_PER_ITEM: break;
	}
	return rule->points > 0 ? AMOUNT_ENDLESS : 0;
}

static int64_t
rule_at_most(const struct rule *rule, const struct stretch *stretch)
{
	int64_t once = rule_once(rule), most = rule->on == ON_ENROL || rule->when.first_purchase ? once : times(once, AMOUNT_ENDLESS);

	for (size_t i = 0; i < rule->n_caps; i++) {
		const struct cap *cap = &rule->caps[i];
		int64_t bound = times(periods_in(cap->per, stretch), cap->counts ? times(cap->limit, once) : cap->limit);

		if (bound < most)
			most = bound;
	}
	return most;
}

static int64_t
points_at_most(const struct program *p, const struct stretch *stretch)
{
	int64_t most = 0;
	bool base = false;

	for (size_t i = 0; i < p->n_rules; i++)
		base |= p->rules[i].kind == RULE_BASE && rule_once(&p->rules[i]) > 0;
	for (size_t i = 0; i < p->n_rules; i++) {
		if (p->rules[i].kind != RULE_COUNTER && (base || p->rules[i].kind != RULE_MULTIPLIER))
			most = plus(most, rule_at_most(&p->rules[i], stretch));
	}
	for (size_t i = 0; i < p->n_tiers; i++) {
		if (base && p->tiers[i].multiplier > MULTIPLIER_UNIT)
			most = AMOUNT_ENDLESS;		/* shares are taken from the base before its caps */
	}
	if (p->has_earn_per_day && times(periods_in(PERIOD_DAY, stretch), p->earn_per_day) < most)
		most = times(periods_in(PERIOD_DAY, stretch), p->earn_per_day);
	return most;
}

int64_t
metric_at_most(const struct program *p, enum metric metric, const struct stretch *stretch)
{
	static const struct stretch ever = { .endless = true };
	int64_t most = 0;

	if (metric == METRIC_POINTS_EARNED)
		return points_at_most(p, stretch);
	if (metric == METRIC_SPEND || metric == METRIC_VISITS)
		return AMOUNT_ENDLESS;
	if (metric == METRIC_BALANCE)
		return p->has_birthday || p->has_anniversary ? AMOUNT_ENDLESS : points_at_most(p, &ever);
	for (size_t i = 0; i < p->n_rules; i++) {
		if (p->rules[i].kind == RULE_COUNTER && p->rules[i].counter == (size_t)metric - METRIC_COUNTER)
			most = plus(most, rule_at_most(&p->rules[i], stretch));
	}
	return most;
}

bool
all_attainable(const struct program *p, const struct all_of *all, const struct stretch *stretch)
{
	for (size_t i = 0; i < all->n; i++) {
		if (metric_at_most(p, all->all[i].metric, stretch) < all->all[i].at_least)
			return false;
	}
	return true;
}

bool
tier_attainable(const struct program *p, const struct tier *tier)
{
	struct stretch stretch = stretch_of_window(tier);

	for (size_t i = 0; i < tier->n_any; i++) {
		if (all_attainable(p, &tier->any[i], &stretch))
			return true;
	}
	return tier->n_any == 0;
}

/* ---- one rule and another ---- */

static bool
words_have(const struct word_list *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->v[i], word) == 0)
			return true;
	}
	return false;
}

static bool
words_within(const struct word_list *part, const struct word_list *whole)
{
	for (size_t i = 0; i < part->n; i++) {
		if (!words_have(whole, part->v[i]))
			return false;
	}
	return true;
}

/* A list asks for any of its words, and an empty one for nothing. */
static bool
list_covers(const struct word_list *a, const struct word_list *b)
{
	return a->n == 0 || (b->n > 0 && words_within(b, a));
}

static bool
same_words(const struct word_list *a, const struct word_list *b)
{
	return words_within(a, b) && words_within(b, a);
}

static bool
selects_nothing(const struct when *w)
{
	return w->categories.n + w->skus.n + w->exclude_categories.n == 0;
}

static bool
same_selection(const struct when *a, const struct when *b)
{
	return same_words(&a->categories, &b->categories) && same_words(&a->skus, &b->skus) &&
	    same_words(&a->exclude_categories, &b->exclude_categories);
}

static bool
amounts_cover(const struct when *a, const struct when *b)
{
	bool same = same_selection(a, b);

	if (!same && !selects_nothing(a))
		return false;
	if (a->has_min_amount && !(b->has_min_amount && a->min_amount <= b->min_amount))
		return false;
	return !a->has_max_amount || (same && b->has_max_amount && a->max_amount >= b->max_amount);
}

static bool
times_cover(const struct when *a, const struct when *b)
{
	if (a->weekdays != 0 && (b->weekdays == 0 || (b->weekdays & ~a->weekdays) != 0))
		return false;
	if (a->has_hours && !(b->has_hours && a->hours_from_s == b->hours_from_s && a->hours_to_s == b->hours_to_s))
		return false;
	return a->from <= b->from && a->until >= b->until;
}

static bool
members_cover(const struct when *a, const struct when *b)
{
	if (a->min_gap_us > 0 || (a->first_purchase && !b->first_purchase) || a->member_days_min > b->member_days_min)
		return false;
	return !a->has_previous_month_spend ||
	    (b->has_previous_month_spend && a->previous_min <= b->previous_min && a->waive_months >= b->waive_months);
}

bool
rule_covers(const struct rule *a, const struct rule *b)
{
	const struct when *wa = &a->when, *wb = &b->when;

	return a->on == b->on && amounts_cover(wa, wb) && times_cover(wa, wb) && members_cover(wa, wb) &&
	    list_covers(&wa->stores, &wb->stores) && list_covers(&wa->partners, &wb->partners) && list_covers(&wa->tiers, &wb->tiers) &&
	    list_covers(&wa->segments, &wb->segments) && (wa->activity[0] == '\0' || strcmp(wa->activity, wb->activity) == 0) &&
	    (wa->membership[0] == '\0' || strcmp(wa->membership, wb->membership) == 0);
}

static int
rule_stage(const struct rule *rule)
{
	switch (rule->kind) {
	case RULE_BASE: return rule->replaces != RULE_NONE ? 0 : 1;
	case RULE_MULTIPLIER: return 2;
	case RULE_BONUS: return 3;
	case RULE_COUNTER: case RULE_VOUCHER: break;
	}
	return 4;
}

bool
rule_precedes(const struct rule *a, const struct rule *b)
{
	int sa = rule_stage(a), sb = rule_stage(b);

	return sa < sb || (sa == sb && a->priority < b->priority);
}

int64_t
rule_gives_at_least(const struct rule *a, const struct rule *b)
{
	int64_t product, amount = b->when.has_min_amount ? b->when.min_amount : 0;

	if (a->measure == MEASURE_FIXED)
		return a->points;
	if (a->measure != MEASURE_PER_AMOUNT)
		return 0;
	if (a->whole_steps)
		return times(amount / a->amount, a->points);
	return __builtin_mul_overflow(amount, a->points, &product) ? 0 : product / a->amount;
}

/* ---- how long ---- */

int32_t
expiry_life_days(const struct expiry *e)
{
	int32_t least = LIFE_ENDLESS;

	for (int32_t day = DAY_2000; day < DAY_2000 + DAYS_OF_CYCLE; day++) {
		int32_t last_day = expiry_last_day(e, day);

		if (last_day < DAY_CLOCK && last_day - day < least)		/* DAY_NEVER is above it */
			least = last_day - day;
	}
	return least;
}

int32_t
rule_life_days(const struct program *p, const struct rule *rule)
{
	if (rule != NULL && rule->has_expiry)
		return expiry_life_days(&rule->expiry);
	int32_t least = p->n_tiers == 0 ? expiry_life_days(&p->expiry) : LIFE_ENDLESS;
	for (size_t i = 0; i < p->n_tiers; i++) {
		int32_t life = expiry_life_days(p->tiers[i].has_expiry ? &p->tiers[i].expiry : &p->expiry);

		if (life < least)
			least = life;
	}
	return least;
}

/* ---- redemption ---- */

int64_t
redemption_least(const struct program *p)
{
	int64_t steps = p->redeem_min / p->redeem_step + (p->redeem_min % p->redeem_step != 0);

	return times(steps > 0 ? steps : 1, p->redeem_step);
}
