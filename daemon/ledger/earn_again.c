/*
 * A purchase evaluated once more on what is left of it, with everything else as it was: its version, tier and conditions and the use of
 * its caps are facts of its entry, so the answer does not depend on when it is asked for, nor on what else the member did.
 *
 * It never brings more than was granted: what it would is clipped from the last component back.  Rules that carry a remainder bring
 * nothing here, and no shares of multipliers; a return takes their points back by steps.
 */
#include <assert.h>
#include <string.h>

#include "ledger/earn.h"

static void
list_components(const struct granting *g, struct worth *ret)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct component *c = g->order[i];
		struct worth_row *row = &ret->rows[ret->n++];

		*row = (struct worth_row){ .rule = c->rule, .name = c->name, .wanted = g->grants[i].wanted, .points = c->last_granted };
		row->waits = c->pending != NULL && c->pending->has_pending && c->pending->pending.kind == PENDING_ACTIVITY;
		ret->points += c->last_granted;
	}
}

const struct worth_row *
worth_find(const struct worth *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++) {
		if (strcmp(w->rows[i].name, name) == 0)
			return &w->rows[i];
	}
	return NULL;
}

static void
clip_to_granted(struct worth *s, int64_t granted)
{
	for (size_t i = s->n; i > 0 && s->points > granted; i--) {
		int64_t over = s->points - granted, cut = over < s->rows[i - 1].points ? over : s->rows[i - 1].points;

		s->rows[i - 1].points -= cut;
		s->points -= cut;
	}
}

void
worth_clip_lapsed(struct worth *w, int64_t points, int64_t all)
{
	int64_t over = -points;

	for (size_t i = 0; i < w->n; i++)
		over += w->rows[i].waits ? w->rows[i].points : 0;
	for (size_t i = w->n; i > 0 && over > 0; i--) {
		struct worth_row *row = &w->rows[i - 1];
		int64_t cut = over < row->points ? over : row->points;

		if (!row->waits)
			continue;
		row->points -= cut;
		w->points -= cut;
		over -= cut;
	}
	clip_to_granted(w, all);
}

static void
list_counters(const struct earning *e, struct worth *ret)
{
	for (size_t i = 0; i < e->p->n_rules; i++) {
		const struct rule *rule = &e->p->rules[i];

		ret->issues[i] = e->applies[i] && rule->kind == RULE_VOUCHER && e->rules[i].granted.whole > 0;

		if (!e->applies[i] || rule->kind != RULE_COUNTER)
			continue;
		ret->counted[i] = (int64_t)e->rules[i].granted.whole;
		ret->counters[rule->counter] += ret->counted[i];
	}
}

enum status
earn_again(struct decision *d, const struct program *version, const struct entry *past, const struct earn_event *event, int64_t granted,
    struct worth **ret)
{
	struct earning *e = earn_begin(d, version, past, event);
	struct worth *s = arena_alloc(d->arena, sizeof(*s));
	struct granting g = { .e = e, .grants = earn_grants(d, version) };

	if (e == NULL || s == NULL || g.grants == NULL)
		return ST_NOMEM;
	enum status st = earn_evaluate(e);
	if (st != ST_OK)
		return st;
	if (!grant_all(&g))
		return ST_CORRUPT;		/* the whole purchase was counted once */
	clip_day(&g);
	list_components(&g, s);
	clip_to_granted(s, granted);
	list_counters(e, s);
	memcpy(s->amount, e->amount, sizeof(s->amount));
	for (size_t i = 0; i < version->n_rules; i++)
		s->carries[i] = e->applies[i] && (version->rules[i].kind == RULE_BASE || version->rules[i].kind == RULE_BONUS) &&
		    rule_carries(e, &version->rules[i]);
	*ret = s;
	return ST_OK;
}

/* ---- rules that carry a remainder: points of steps that were given back ---- */

struct carried {
	struct earning *e;
	const struct worth *whole;
	const int64_t *stepped;		/* of each rule */
	int64_t lapsed;			/* pending points, of components that are not looked at yet */
	int64_t base, base_wanted;	/* of base rules that carry: given back; wanted by the purchase */
	struct worth_back *back;
	struct exact sum;		/* of shares, so that only their sum is rounded */
	wide rounded;
};

static bool
is_carried(const struct earning *e, const struct rule *rule, enum rule_kind kind)
{
	return rule->on == ON_PURCHASE && rule->kind == kind && rule_carries(e, rule);
}

static bool
waits_for_activity(const struct rule *rule)
{
	return rule->has_pending && rule->pending.kind == PENDING_ACTIVITY;
}

/* What a component was granted that is of steps; false: it was granted nothing. */
static bool
of_steps(const struct carried *c, const char *name, int64_t *ret_wanted, int64_t *ret_granted)
{
	const struct grant *g = past_grant(c->e->past, name);
	const struct worth_row *row = worth_find(c->whole, name);

	*ret_wanted = g == NULL ? 0 : g->wanted - (row == NULL ? 0 : row->wanted);
	*ret_granted = g == NULL ? 0 : g->granted - (row == NULL ? 0 : row->points);
	return g != NULL;
}

/* What a cap refused cannot be taken, nor what lapsed. */
static void
take_back(struct carried *c, size_t index, const char *name, int64_t points, bool waits)
{
	int64_t wanted, granted;

	if (of_steps(c, name, &wanted, &granted)) {
		points -= wanted - granted;
		if (waits) {
			int64_t lost = c->lapsed < granted ? c->lapsed : granted;
			c->lapsed -= lost;
			points = points < granted - lost ? points : granted - lost;
		}
	}
	c->back->of[index] = points > 0 ? points : 0;
	c->back->points += c->back->of[index];
}

static void
take_rules(struct carried *c, enum rule_kind kind)
{
	const struct program *p = c->e->p;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		const struct grant *g = past_grant(c->e->past, rule->id);

		if (!is_carried(c->e, rule, kind))
			continue;
		if (kind == RULE_BASE) {
			c->base_wanted += g == NULL ? 0 : g->wanted;
			c->base += c->stepped[i];
		}
		take_back(c, i, rule->id, c->stepped[i], waits_for_activity(rule));
	}
}

/* A multiplier of chosen lines gives back in the proportion of the base: which lines a step was of, nobody knows. */
static void
take_share(struct carried *c, size_t index, const struct component *share)
{
	int64_t points, wanted, granted;

	if (share->name == NULL)
		return;
	bool there = of_steps(c, share->name, &wanted, &granted);
	if (c->e->p->stacking == STACKING_BEST && !there)
		return;
	if (share->rule != NULL && when_selects(&share->rule->when)) {
		int64_t base = c->base < c->base_wanted ? c->base : c->base_wanted;
		points = base == 0 ? 0 : (int64_t)((wide)wanted * base / c->base_wanted);
	} else {
		c->sum = exact_add(c->sum, share->wanted, c->e->den);
		wide rounded = c->sum.whole + exact_round(c->sum.part, c->e->den, c->e->p->rounding);
		points = (int64_t)(rounded - c->rounded);
		c->rounded = rounded;
	}
	if (share->rule == NULL)
		c->back->shares[index - c->e->p->n_rules] = share->name;
	take_back(c, index, share->name, points, share->pending != NULL && waits_for_activity(share->pending));
}

enum status
earn_carried(struct decision *d, const struct program *version, const struct entry *past, const struct earn_event *event,
    const struct worth *whole, const int64_t stepped[static PROGRAM_RULES_MAX], int64_t lapsed, struct worth_back *ret_back)
{
	struct earning *e = earn_begin(d, version, past, event);
	struct carried c = { .e = e, .whole = whole, .stepped = stepped, .lapsed = lapsed, .back = ret_back };

	*ret_back = (struct worth_back){ .points = 0 };
	if (e == NULL)
		return ST_NOMEM;
	enum status st = earn_evaluate(e);
	if (st != ST_OK)
		return st;
	take_rules(&c, RULE_BASE);
	earn_shares(e, c.base);
	if (c.base > 0)
		take_share(&c, version->n_rules, &e->share);
	for (size_t i = 0; i < version->n_memberships && c.base > 0; i++)
		take_share(&c, version->n_rules + 1 + i, &e->memberships[i]);
	for (size_t i = 0; i < version->n_rules && c.base > 0; i++) {
		if (e->applies[i] && version->rules[i].kind == RULE_MULTIPLIER)
			take_share(&c, i, &e->rules[i]);
	}
	take_rules(&c, RULE_BONUS);
	return ST_OK;
}
