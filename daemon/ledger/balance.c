/* What a reply shows of a member, as of a local date that the caller has rolled the member forward to. */
#include <assert.h>

#include "ledger/internal.h"

static enum status
expiring_of(const struct member *m, struct arena *arena, struct balance *ret)
{
	struct expiring *rows = arena_alloc(arena, m->n_lots * sizeof(*rows));
	size_t n = 0;

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->n_lots && m->lots[i].last_day != DAY_NEVER; i++) {
		if (n == 0 || rows[n - 1].last_day != m->lots[i].last_day)
			rows[n++] = (struct expiring){ .last_day = m->lots[i].last_day };
		rows[n - 1].points += m->lots[i].points;
	}
	ret->expiring = rows;
	ret->n_expiring = n;
	return ST_OK;
}

/* What is missing of points_earned by one `all` list; false when it does not ask for them. */
static bool
missing_of(const struct member *m, const struct tier *tier, size_t any, int32_t today, int64_t *ret_missing)
{
	bool asks = false;
	int64_t most = 0;

	for (size_t i = 0; i < tier->any[any].n; i++) {
		const struct threshold *t = &tier->any[any].all[i];

		if (t->metric != METRIC_POINTS_EARNED)
			continue;
		asks = true;
		wide missing = t->at_least - metric_sum(m, NULL, t->metric, tier, today);
		if (missing > INT64_MAX)
			missing = INT64_MAX;
		if (missing > most)
			most = (int64_t)missing;
	}
	*ret_missing = most;
	return asks;
}

static void
next_of(const struct member *m, const struct tier *next, int32_t today, struct balance *ret)
{
	for (size_t i = 0; i < next->n_any; i++) {
		int64_t missing;

		if (!missing_of(m, next, i, today, &missing))
			continue;
		if (!ret->has_next || missing < ret->points_to_next)
			ret->points_to_next = missing;
		ret->has_next = true;
	}
}

static void
tier_of(const struct member *m, const struct program *program, int32_t today, struct balance *ret)
{
	const struct tier *counts = member_tier(m, program, today);

	ret->tier = ret->tier_earned = "";
	ret->tier_since = DAY_NONE;
	ret->tier_until = DAY_NEVER;
	if (counts == NULL)
		return;

	const struct tier *earned = &program->tiers[tier_earned(program, m)];
	ret->tier = counts->id;
	ret->tier_earned = earned->id;
	ret->tier_since = m->tier.since;
	ret->tier_until = counts == earned ? m->tier.until : m->tier.gift_until;
	if (counts + 1 < program->tiers + program->n_tiers)
		next_of(m, counts + 1, today, ret);
}

enum status
balance_of(const struct member *m, const struct program *program, int32_t today, struct arena *arena, struct balance *ret)
{
	struct balance b = {
		.available = m->available, .pending = m->pending, .held = m->held, .debt = m->debt,
		.points_earned = m->points_earned, .spend = m->spend, .visits = m->visits,
	};
	enum status st = expiring_of(m, arena, &b);

	if (st != ST_OK)
		return st;
	tier_of(m, program, today, &b);
	*ret = b;
	return ST_OK;
}
