/*
 * From components to an entry: grants in the order of RULINGS, the day's limit, what members' rules remember of it, and lots, at once or
 * when they are due.  With rounding `once` a component is granted the growth of the rounded running sum.
 */
#include <assert.h>
#include <string.h>

#include "ledger/earn.h"

/* ---- grants, in the order of RULINGS ---- */

/* False: the points are beyond what a ledger holds. */
static bool
grant_component(struct granting *g, struct component *c)
{
	const struct earning *e = g->e;

	if (c->wanted.whole > POINTS_MAX || c->granted.whole > POINTS_MAX)
		return false;
	g->wanted = exact_add(g->wanted, c->wanted, e->den);
	g->granted = exact_add(g->granted, c->granted, e->den);
	wide wanted = g->wanted.whole + exact_round(g->wanted.part, e->den, e->p->rounding);
	wide granted = g->granted.whole + exact_round(g->granted.part, e->den, e->p->rounding);
	if (wanted > POINTS_MAX || granted > POINTS_MAX)
		return false;
	int64_t want = (int64_t)(wanted - g->wanted_rounded), give = (int64_t)(granted - g->granted_rounded);
	g->wanted_rounded = wanted;
	g->granted_rounded = granted;
	if (want == 0 && give == 0)
		return true;
	c->last_granted = give;
	g->order[g->n] = c;
	g->grants[g->n++] = (struct grant){ .rule = c->name, .wanted = want, .granted = give, .cap = c->cap };
	return true;
}

static bool
grant_kind(struct granting *g, enum rule_kind kind)
{
	struct earning *e = g->e;

	for (size_t i = 0; i < e->p->n_rules; i++) {
		if (e->applies[i] && e->p->rules[i].kind == kind && !grant_component(g, &e->rules[i]))
			return false;
	}
	return true;
}

/* From the last component back. */
void
clip_day(struct granting *g)
{
	const struct earning *e = g->e;

	if (!e->p->has_earn_per_day)
		return;
	const struct tally *t;
	enum status st = earn_used(e, TALLY_EARNED, "", PERIOD_DAY, &t);
	assert(st == ST_OK);		/* it is the member's: nothing is read */
	wide room = (wide)e->p->earn_per_day - (t == NULL ? 0 : t->points), over = g->granted_rounded - (room > 0 ? room : 0);
	for (size_t i = g->n; i > 0 && over > 0; i--) {
		struct component *c = g->order[i - 1];
		int64_t cut = c->last_granted < over ? c->last_granted : (int64_t)over;

		if (cut == 0)
			continue;
		over -= cut;
		c->last_granted -= cut;
		g->granted_rounded -= cut;
		g->grants[i - 1].granted -= cut;
		g->grants[i - 1].cap = "earn_per_day";
	}
}

/* ---- what it leaves behind ---- */

struct tally_list {
	struct decision *d;
	struct tally *tallies;
	size_t n, cap;
};

/* Equal ones become one, so that a group of rules counts one event. */
static enum status
tally_note(struct tally_list *list, const struct tally *add)
{
	for (size_t i = 0; i < list->n; i++) {
		struct tally *t = &list->tallies[i];
		if (t->kind == add->kind && t->per == add->per && t->at == add->at && strcmp(t->id, add->id) == 0) {
			t->points += add->points;
			return ST_OK;
		}
	}
	struct tally *grown = arena_grow(list->d->arena, list->tallies, &list->cap, list->n + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	list->tallies = grown;
	grown[list->n++] = *add;
	return ST_OK;
}

static struct tally
tally_of(enum tally_kind kind, enum period per, const char *id, int64_t at)
{
	struct tally t = { .kind = kind, .per = per, .at = at, .count = 1 };

	tier_id_copy(t.id, id);
	return t;
}

bool
cap_is_again(const struct rule *rule, size_t index)
{
	const struct cap *cap = &rule->caps[index];

	for (size_t i = 0; i < index; i++) {
		if (rule->caps[i].per == cap->per && strcmp(rule->caps[i].group, cap->group) == 0)
			return true;
	}
	return false;
}

static enum status
note_caps(struct tally_list *list, const struct rule *rule, int64_t points)
{
	for (size_t i = 0; i < rule->n_caps; i++) {
		const struct cap *cap = &rule->caps[i];

		if (cap_is_again(rule, i) || cap->per == PERIOD_TRANSACTION)
			continue;
		struct tally t = tally_of(cap_tally_kind(cap), cap->per, cap_tally_id(rule, cap), period_start(cap->per, list->d->business_date));
		t.points = points;
		enum status st = tally_note(list, &t);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status
note_rule(struct earning *e, struct tally_list *list, size_t index)
{
	const struct rule *rule = &e->p->rules[index];
	const struct component *c = &e->rules[index];
	bool gives_points = rule->kind != RULE_COUNTER && rule->kind != RULE_VOUCHER;
	int64_t carried = rule_remainder(e, rule), granted = gives_points ? c->last_granted : (int64_t)c->granted.whole;

	if (c->remainder != carried && rule_carries(e, rule)) {
		struct tally t = tally_of(TALLY_REMAINDER, PERIOD_LIFETIME, rule->id, 0);
		t.count = 0;
		t.points = c->remainder - carried;
		enum status st = tally_note(list, &t);
		if (st != ST_OK)
			return st;
	}
	if (granted == 0)
		return ST_OK;
	if (rule->when.min_gap_us > 0) {
		struct tally t = tally_of(TALLY_GAP, PERIOD_LIFETIME, rule->id, e->d->event_us);
		enum status st = tally_note(list, &t);
		if (st != ST_OK)
			return st;
	}
	return note_caps(list, rule, gives_points ? granted : 0);
}

static enum status
note_all(struct earning *e, int64_t granted)
{
	struct tally_list list = { .d = e->d };

	for (size_t i = 0; i < e->p->n_rules; i++) {
		enum status st = e->applies[i] ? note_rule(e, &list, i) : ST_OK;
		if (st != ST_OK)
			return st;
	}
	if (e->p->has_earn_per_day && granted > 0) {
		struct tally t = tally_of(TALLY_EARNED, PERIOD_DAY, "", e->d->business_date);
		t.points = granted;
		t.count = 0;
		enum status st = tally_note(&list, &t);
		if (st != ST_OK)
			return st;
	}
	e->d->entry->tallies = list.tallies;
	e->d->entry->n_tallies = list.n;
	return ST_OK;
}

static bool
count_counters(const struct earning *e, struct metric_day *metrics)
{
	for (size_t i = 0; i < e->p->n_rules; i++) {
		if (!e->applies[i] || e->p->rules[i].kind != RULE_COUNTER)
			continue;
		wide sum = metrics->counters[e->p->rules[i].counter] + e->rules[i].granted.whole;
		if (sum > POINTS_MAX)
			return false;
		metrics->counters[e->p->rules[i].counter] = (int64_t)sum;
	}
	return true;
}

static enum status
issue_vouchers(struct earning *e)
{
	struct decision *d = e->d;
	bool fits = true;
	enum status st = ST_OK;

	for (size_t i = 0; i < e->p->n_rules && st == ST_OK && fits; i++) {
		const struct rule *rule = &e->p->rules[i];

		if (!e->applies[i] || rule->kind != RULE_VOUCHER || e->rules[i].granted.whole == 0)
			continue;
		const struct voucher_kind *kind = &e->p->vouchers[rule->voucher];
		st = decision_issue(d, kind, VOUCHER_BY_RULE, rule->id, 0, voucher_last_day(kind, d->business_date), &fits);
	}
	if (st == ST_OK && !fits)
		return refuse(d, LEDGER_CAP_REACHED, NULL, "the member has %d vouchers that are not over; no more can be issued", LEDGER_VOUCHERS_MAX);
	return st;
}

/* The day that a component's points wait for; they do not wait when its kind is PENDING_NONE. */
static int32_t
pending_day(const struct pending_term *term, int32_t day)
{
	switch (term->kind) {
	case PENDING_NONE: return day;
	case PENDING_DAYS: return day + (int32_t)term->days;
	case PENDING_NEXT_MONTH: return day_add_months(day_month_start(day), 1);
	case PENDING_ACTIVITY: return day + (int32_t)term->days + 1;
	}
	assert(false);
	return day;
}

static bool
waits(const struct component *c)
{
	return c->pending != NULL && c->pending->has_pending && c->pending->pending.kind != PENDING_NONE;
}

/* Points that wait under equal terms are one row. */
static enum status
note_pending(struct earning *e, const struct component *c)
{
	struct decision *d = e->d;
	const struct pending_term *term = &c->pending->pending;
	struct pending_change change = { .p = { .due_day = pending_day(term, d->business_date), .version = e->p->version, .class = LOT_EARNED,
	    .points = c->last_granted } };

	tier_id_copy(change.p.activity, term->activity);
	pending_term_of(c->terms, e->tier, change.p.term);
	for (size_t i = 0; i < d->entry->n_pendings; i++) {
		struct pending *p = &d->pendings[i].p;
		if (p->due_day == change.p.due_day && strcmp(p->activity, change.p.activity) == 0 && strcmp(p->term, change.p.term) == 0) {
			p->points += c->last_granted;
			return ST_OK;
		}
	}
	if (d->member->n_pendings + d->entry->n_pendings >= LEDGER_PENDINGS_MAX)
		return refuse(d, LEDGER_CAP_REACHED, NULL, "the member has %d rows of pending points; no more can wait", LEDGER_PENDINGS_MAX);
	return decision_pending(d, &change);
}

static enum status
move_pending(struct earning *e)
{
	struct lot lot = { .last_day = DAY_NEVER, .class = LOT_EARNED };

	for (size_t i = 0; i < e->d->entry->n_pendings; i++)
		lot.points += e->d->entry->pendings[i].p.points;
	return lot.points == 0 ? ST_OK : decision_move(e->d, decision_issued(e->d), ACCOUNT_PENDING, &lot, lot.points);
}

/* One lot for each last day, in the order of the components: debt is paid by the first. */
static enum status
credit_lots(const struct granting *g)
{
	struct earning *e = g->e;
	struct lot lots[PROGRAM_COMPONENTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct component *c = g->order[i];
		size_t k = 0;

		if (c->last_granted == 0)
			continue;
		if (waits(c)) {
			enum status st = note_pending(e, c);
			if (st != ST_OK || e->d->refusal->result != LEDGER_OK)
				return st;
			continue;
		}
		int32_t last_day = rule_last_day(e->p, c->terms, e->tier, e->d->business_date);
		while (k < n && lots[k].last_day != last_day)
			k++;
		if (k == n)
			lots[n++] = (struct lot){ .last_day = last_day, .class = LOT_EARNED };
		lots[k].points += c->last_granted;
	}
	enum status st = decision_credit_lots(e->d, decision_issued(e->d), lots, n);
	return st == ST_OK ? move_pending(e) : st;
}

/* What waits counts when it activates. */
static int64_t
earned_now(const struct granting *g)
{
	int64_t now = 0;

	for (size_t i = 0; i < g->n; i++)
		now += waits(g->order[i]) ? 0 : g->order[i]->last_granted;
	return now;
}

/* Of the member's segments those that a rule for this event names, so that the decision can be made again. */
static enum status
note_segments(struct earning *e)
{
	const struct earn_event *ev = e->event;
	const char **named = arena_alloc(e->d->arena, ev->n_segments * sizeof(*named));
	size_t n = 0;

	if (named == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < ev->n_segments; i++) {
		bool asked = false;

		for (size_t k = 0; k < e->p->n_rules && !asked; k++)
			asked = e->p->rules[k].on == ev->on && word_among(&e->p->rules[k].when.segments, ev->segments[i]);
		for (size_t k = 0; k < e->p->n_cards && !asked && ev->on == ON_PURCHASE; k++)
			asked = word_among(&e->p->cards[k].when.segments, ev->segments[i]);
		if (asked)
			named[n++] = ev->segments[i];
	}
	e->d->entry->segments = named;
	e->d->entry->n_segments = n;
	return ST_OK;
}

static bool
grant_memberships(struct granting *g)
{
	for (size_t i = 0; i < g->e->p->n_memberships; i++) {
		if (!grant_component(g, &g->e->memberships[i]))
			return false;
	}
	return true;
}

bool
grant_all(struct granting *g)
{
	return grant_kind(g, RULE_BASE) && grant_component(g, &g->e->share) && grant_memberships(g) && grant_kind(g, RULE_MULTIPLIER) &&
	    grant_kind(g, RULE_BONUS);
}

/* Benefits of this event: a share, or a rule that asked for the membership. */
static enum status
note_memberships_used(const struct earning *e)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < e->p->n_memberships && st == ST_OK; i++) {
		const char *id = e->p->memberships[i].id;
		bool used = e->memberships[i].wanted.whole > 0 || e->memberships[i].wanted.part > 0;

		for (size_t k = 0; k < e->p->n_rules && !used; k++)
			used = e->applies[k] && strcmp(e->p->rules[k].when.membership, id) == 0;
		if (used)
			st = decision_membership_used(e->d, id);
	}
	return st;
}

/* ---- for a return: what it evaluates once more is as it was ---- */

static enum status
note_used(struct tally_list *list, const struct tally *used)
{
	if (used == NULL)
		return ST_OK;
	for (size_t i = 0; i < list->n; i++) {
		const struct tally *t = &list->tallies[i];
		if (t->kind == used->kind && t->per == used->per && strcmp(t->id, used->id) == 0)
			return ST_OK;
	}
	return tally_note(list, used);
}

static enum status
note_multiplied_by(struct earning *e)
{
	const char **ids = arena_alloc(e->d->arena, (e->p->n_memberships + 1) * sizeof(*ids));
	size_t n = 0;

	if (ids == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < e->p->n_memberships; i++) {
		if (e->held[i] && e->p->memberships[i].multiplier > MULTIPLIER_ONE)
			ids[n++] = e->p->memberships[i].id;
	}
	e->d->entry->multiplied_by = ids;
	e->d->entry->n_multiplied_by = n;
	return ST_OK;
}

static enum status
note_conditions(struct earning *e)
{
	struct tally_list list = { .d = e->d };
	const struct tally *used;
	enum status st = ST_OK;

	e->d->entry->conditions = e->conditions;
	e->d->entry->multiplied = e->tier != NULL && e->tier->multiplier > MULTIPLIER_ONE ? e->tier->id : NULL;
	st = note_multiplied_by(e);
	for (size_t i = 0; i < e->p->n_rules; i++) {
		const struct rule *rule = &e->p->rules[i];

		for (size_t k = 0; (e->conditions >> i & 1) != 0 && k < rule->n_caps && st == ST_OK; k++) {
			st = cap_used(e, rule, &rule->caps[k], &used);
			if (st == ST_OK)
				st = note_used(&list, used);
		}
	}
	if (st == ST_OK && e->p->has_earn_per_day) {
		st = earn_used(e, TALLY_EARNED, "", PERIOD_DAY, &used);
		if (st == ST_OK)
			st = note_used(&list, used);
	}
	e->d->entry->used = list.tallies;
	e->d->entry->n_used = list.n;
	return st;
}

static enum status
too_large(struct decision *d)
{
	return refuse(d, LEDGER_INVALID_ARGUMENT, "amount", "amount is so large that its points, or the ledger's sums, cannot be counted");
}

enum status
earn(struct decision *d, const struct earn_event *event)
{
	const struct program *p = d->program;
	struct earning *e = earn_begin(d, p, NULL, event);
	struct granting g = { .e = e, .grants = earn_grants(d, p) };
	struct metric_day *metrics = &d->entry->metrics;
	bool fits;

	if (e == NULL || g.grants == NULL)
		return ST_NOMEM;
	enum status st = earn_evaluate(e);
	if (st == ST_OK && p->names_segments)
		st = note_segments(e);
	if (st == ST_OK && event->on == ON_PURCHASE)
		st = note_conditions(e);
	if (st == ST_OK)
		st = note_memberships_used(e);
	if (st != ST_OK)
		return st;
	if (!grant_all(&g) || !count_counters(e, metrics))
		return too_large(d);
	clip_day(&g);
	d->entry->grants = g.grants;
	d->entry->n_grants = g.n;
	metrics->points_earned = earned_now(&g);
	st = decision_account_fits(d, ACCOUNT_ISSUED, -(int64_t)g.granted_rounded, &fits);
	if (st != ST_OK)
		return st;
	if (!fits || !metrics_fit(d->member, metrics))
		return too_large(d);
	st = note_all(e, (int64_t)g.granted_rounded);
	if (st == ST_OK)
		st = credit_lots(&g);
	if (st == ST_OK && d->refusal->result == LEDGER_OK && event->on == ON_PURCHASE)
		st = earn_stamps(e);
	return st == ST_OK && d->refusal->result == LEDGER_OK ? issue_vouchers(e) : st;
}
