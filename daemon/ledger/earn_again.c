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

		*row = (struct worth_row){ .rule = c->rule, .name = c->name, .points = c->last_granted };
		row->waits = c->pending != NULL && c->pending->has_pending && c->pending->pending.kind == PENDING_ACTIVITY;
		ret->points += c->last_granted;
	}
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
worth_clip_waiting(struct worth *w, int64_t points)
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
}

static void
list_counters(const struct earning *e, struct worth *ret)
{
	for (size_t i = 0; i < e->p->n_rules; i++) {
		const struct rule *rule = &e->p->rules[i];

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
	struct earning *e = arena_alloc(d->arena, sizeof(*e));
	struct worth *s = arena_alloc(d->arena, sizeof(*s));
	struct granting g = { .e = e, .grants = arena_alloc(d->arena, (version->n_rules + 1) * sizeof(*g.grants)) };

	if (e == NULL || s == NULL || g.grants == NULL)
		return ST_NOMEM;
	earn_begin(e, d, version, past, event);
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

enum status
earn_stepped(struct decision *d, const struct program *version, const struct entry *past, const struct earn_event *event, int64_t base,
    int64_t *ret_points)
{
	struct earning *e = arena_alloc(d->arena, sizeof(*e));

	if (e == NULL)
		return ST_NOMEM;
	earn_begin(e, d, version, past, event);
	enum status st = earn_evaluate(e);
	if (st == ST_OK)
		*ret_points = base == 0 ? 0 : earn_with_shares(e, base);
	return st;
}
