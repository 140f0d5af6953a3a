/*
 * Whether a rule is for an event: what the event is, then the amount that the rule sees of it, then every condition.  Times are those of
 * the event, tiers those of now.
 */
#include <assert.h>
#include <string.h>

#include "ledger/earn.h"

bool
word_among(const struct word_list *words, const char *word)
{
	for (size_t i = 0; word != NULL && i < words->n; i++) {
		if (strcmp(words->v[i], word) == 0)
			return true;
	}
	return false;
}

/* ---- lines ---- */

static bool
takes_lines(const struct when *w)
{
	return w->categories.n > 0 || w->skus.n > 0;
}

bool
when_selects(const struct when *w)
{
	return takes_lines(w) || w->exclude_categories.n > 0;
}

static bool
line_matches(const struct when *w, const struct entry_line *line)
{
	if (w->categories.n > 0 && !word_among(&w->categories, line->category))
		return false;
	if (w->skus.n > 0 && !word_among(&w->skus, line->sku))
		return false;
	return !word_among(&w->exclude_categories, line->category);
}

/* The lines' sum when lines are taken, else the total without the lines that are left out; then the part paid with points. */
int64_t
when_amount(const struct earn_event *ev, const struct when *w, const struct when *also)
{
	bool takes = takes_lines(w) || (also != NULL && takes_lines(also));
	int64_t sum = takes ? 0 : ev->amount;

	if (!takes && !when_selects(w) && (also == NULL || !when_selects(also)))
		return sum - ev->paid_with_points;
	for (size_t i = 0; i < ev->n_lines; i++) {
		const struct entry_line *line = &ev->lines[i];
		bool in = line_matches(w, line) && (also == NULL || line_matches(also, line));

		if (takes && in)
			sum += line->amount;
		else if (!takes && !in)
			sum -= line->amount;
	}
	int64_t paid = !takes ? ev->paid_with_points : ev->amount == 0 ? 0 : (int64_t)((wide)ev->paid_with_points * sum / ev->amount);
	return sum > paid ? sum - paid : 0;
}

int64_t
when_items(const struct earn_event *ev, const struct when *w, const struct when *also)
{
	int64_t items = 0;

	if (ev->on != ON_PURCHASE)
		return ev->qty;
	for (size_t i = 0; i < ev->n_lines; i++) {
		if (line_matches(w, &ev->lines[i]) && (also == NULL || line_matches(also, &ev->lines[i])))
			items += ev->lines[i].qty;
	}
	return items;
}

/* ---- conditions ---- */

static bool
segments_hold(const struct earning *e, const struct word_list *segments)
{
	for (size_t i = 0; i < e->event->n_segments; i++) {
		if (word_among(segments, e->event->segments[i]))
			return true;
	}
	return segments->n == 0;
}

static bool
lists_hold(const struct earning *e, const struct when *w)
{
	if (w->stores.n > 0 && !word_among(&w->stores, e->event->store))
		return false;
	if (w->partners.n > 0 && !word_among(&w->partners, e->event->partner))
		return false;
	if (w->tiers.n > 0 && (e->tier == NULL || !word_among(&w->tiers, e->tier->id)))
		return false;
	return segments_hold(e, &w->segments);
}

static bool
hours_hold(struct earning *e, const struct when *w)
{
	if (!w->has_hours)
		return true;
	if (e->second < 0)
		e->second = zone_second_of_day(&e->p->zone, e->d->event_us);
	if (w->hours_from_s < w->hours_to_s)
		return e->second >= w->hours_from_s && e->second < w->hours_to_s;
	return e->second >= w->hours_from_s || e->second < w->hours_to_s;
}

static bool
time_holds(struct earning *e, const struct when *w)
{
	int32_t day = e->d->business_date;

	if (day < w->from || day > w->until)
		return false;
	if (w->weekdays != 0 && (w->weekdays >> weekday_of_day(day) & 1) == 0)
		return false;
	return hours_hold(e, w);
}

static bool
membership_holds(const struct earning *e, const struct when *w)
{
	return w->membership[0] == 0 || member_holds_membership(e->d->member, w->membership, e->d->today);
}

/* Purchases of the calendar month before; the days rise, so those that are later are passed over from the end. */
static wide
previous_month_spend(struct earning *e)
{
	const struct member *m = e->d->member;
	int32_t month = day_month_start(e->d->business_date), before = day_add_months(month, -1);

	for (size_t i = e->has_previous ? 0 : m->n_days; i > 0 && m->days[i - 1].day >= before; i--) {
		if (m->days[i - 1].day < month)
			e->previous_spend += m->days[i - 1].spend;
	}
	e->has_previous = true;
	return e->previous_spend;
}

static bool
spend_holds(struct earning *e, const struct when *w)
{
	if (!w->has_previous_month_spend)
		return true;
	struct date now = date_of_day(e->d->business_date), then = date_of_day(e->d->member->enrolled_day);
	int64_t months = (int64_t)(now.year - then.year) * 12 + now.month - then.month;
	if (!e->d->member->provisional && months >= 0 && months < (int64_t)w->waive_months)
		return true;
	return previous_month_spend(e) >= w->previous_min;
}

static bool
gap_holds(const struct earning *e, const struct when *w, const char *id)
{
	const struct member *m = e->d->member;

	for (size_t i = 0; w->min_gap_us > 0 && i < m->n_tallies; i++) {
		const struct tally *t = &m->tallies[i];
		int64_t distance = t->at - e->d->event_us;

		if (t->kind == TALLY_GAP && strcmp(t->id, id) == 0 && distance < w->min_gap_us && -distance < w->min_gap_us)
			return false;
	}
	return true;
}

static bool
member_holds(struct earning *e, const struct when *w, const char *id)
{
	const struct member *m = e->d->member;

	if (w->first_purchase && m->purchases > 0)
		return false;
	if (w->member_days_min > 0 && (m->provisional || (int64_t)e->d->business_date - m->enrolled_day < (int64_t)w->member_days_min))
		return false;
	return spend_holds(e, w) && gap_holds(e, w, id);
}

static bool
conditions_hold(struct earning *e, const struct when *w, const char *id)
{
	if (w->activity[0] != 0 && (e->event->activity == NULL || strcmp(w->activity, e->event->activity) != 0))
		return false;
	return lists_hold(e, w) && membership_holds(e, w) && time_holds(e, w) && member_holds(e, w, id);
}

bool
when_holds(struct earning *e, const struct when *w, const char *id, uint64_t then, size_t bit, uint64_t *conditions, int64_t *ret_eligible)
{
	if (e->past != NULL ? (then >> bit & 1) == 0 : !conditions_hold(e, w, id))
		return false;
	*conditions |= UINT64_C(1) << bit;
	int64_t amount = when_amount(e->event, w, NULL);
	*ret_eligible = amount;
	if (e->event->on == ON_PURCHASE && amount <= 0)
		return false;
	return !(w->has_min_amount && amount < w->min_amount) && !(w->has_max_amount && amount > w->max_amount);
}

bool
rule_applies(struct earning *e, size_t index)
{
	const struct rule *rule = &e->p->rules[index];

	return rule->on == e->event->on && when_holds(e, &rule->when, rule->id, e->past == NULL ? 0 : e->past->conditions, index, &e->conditions,
	    &e->eligible[index]);
}
