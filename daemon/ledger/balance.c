/* What a reply shows of a member, as of a local date that the caller has rolled the member forward to. */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

static void
expiring_add(struct balance *b, struct expiring *rows, int32_t last_day, int64_t points)
{
	if (b->n_expiring == 0 || rows[b->n_expiring - 1].last_day != last_day)
		rows[b->n_expiring++] = (struct expiring){ .last_day = last_day };
	rows[b->n_expiring - 1].points += points;
}

/* What the clock will take has its place among the days. */
static enum status
expiring_of(const struct member *m, const struct program *program, struct arena *arena, struct balance *ret)
{
	struct expiring *rows = arena_alloc(arena, (m->n_lots + 1) * sizeof(*rows));
	int64_t taken = m->clock.on ? percent_of(lots_clock_points(m->lots, m->n_lots), m->clock.percent, program->rounding) : 0;

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->n_lots && m->lots[i].last_day < DAY_CLOCK; i++) {
		if (taken > 0 && m->lots[i].last_day > m->clock.last_day) {
			expiring_add(ret, rows, m->clock.last_day, taken);
			taken = 0;
		}
		expiring_add(ret, rows, m->lots[i].last_day, m->lots[i].points);
	}
	if (taken > 0)
		expiring_add(ret, rows, m->clock.last_day, taken);
	ret->expiring = rows;
	return ST_OK;
}

typedef wide metric_fn(const struct member *m, enum metric metric, const struct tier *tier, int32_t today);

static wide
metric_now(const struct member *m, enum metric metric, const struct tier *tier, int32_t today)
{
	return metric_sum(m, NULL, metric, tier, today);
}

/* What is missing of points_earned by one `all` list; false when it does not ask for them. */
static bool
missing_of(const struct member *m, const struct tier *tier, const struct all_of *all, metric_fn *have, int32_t today, int64_t *ret_missing)
{
	bool asks = false;
	int64_t most = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct threshold *t = &all->all[i];

		if (t->metric != METRIC_POINTS_EARNED)
			continue;
		asks = true;
		wide missing = t->at_least - have(m, t->metric, tier, today);
		if (missing > INT64_MAX)
			missing = INT64_MAX;
		if (missing > most)
			most = (int64_t)missing;
	}
	*ret_missing = most;
	return asks;
}

/* The least that is missing of one of the lists; false when none asks for points_earned. */
static bool
least_missing(const struct member *m, const struct tier *tier, const struct all_of *any, size_t n, metric_fn *have, int32_t today,
    int64_t *ret_missing)
{
	bool asks = false;

	for (size_t i = 0; i < n; i++) {
		int64_t missing;

		if (!missing_of(m, tier, &any[i], have, today, &missing))
			continue;
		if (!asks || missing < *ret_missing)
			*ret_missing = missing;
		asks = true;
	}
	return asks;
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
		ret->has_next = least_missing(m, counts + 1, counts[1].any, counts[1].n_any, metric_now, today, &ret->points_to_next);
	if (m->tier.until != DAY_NEVER && !m->tier.grace)
		ret->has_keep = least_missing(m, earned, earned->keep, earned->n_keep, metric_to_keep, today, &ret->points_to_keep);
}

static enum status
counters_of(const struct member *m, const struct program *program, struct arena *arena, struct balance *ret)
{
	struct balance_row *counters = arena_alloc(arena, program->n_counters * sizeof(*counters));
	struct balance_row *remainders = arena_alloc(arena, program->n_rules * sizeof(*remainders));

	if (counters == NULL || remainders == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < program->n_counters; i++)
		counters[i] = (struct balance_row){ .id = program->counters[i], .value = m->counters[i] };
	for (size_t i = 0; program->carry_remainder && i < program->n_rules; i++) {
		const struct tally *t = tally_find(m->tallies, m->n_tallies, TALLY_REMAINDER, program->rules[i].id, PERIOD_LIFETIME, 0);
		if (t != NULL)
			remainders[ret->n_remainders++] = (struct balance_row){ .id = program->rules[i].id, .value = t->points };
	}
	ret->n_counters = program->n_counters;
	ret->counters = counters;
	ret->remainders = remainders;
	return ST_OK;
}

/* Ids in order, as they come from few rows. */
static enum status
vouchers_of(const struct member *m, struct arena *arena, struct balance *ret)
{
	const char **ids = arena_alloc(arena, m->n_vouchers * sizeof(*ids));
	size_t n = 0;

	if (ids == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->n_vouchers; i++) {
		size_t at = n;

		if (m->vouchers[i].state != VOUCHER_ISSUED)
			continue;
		for (; at > 0 && strcmp(ids[at - 1], m->vouchers[i].id) > 0; at--)
			ids[at] = ids[at - 1];
		ids[at] = m->vouchers[i].id;
		n++;
	}
	ret->vouchers = ids;
	ret->n_vouchers = n;
	return ST_OK;
}

static enum status
memberships_of(const struct member *m, int32_t today, struct arena *arena, struct balance *ret)
{
	struct membership_row *rows = arena_alloc(arena, (m->n_memberships + 1) * sizeof(*rows));

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->n_memberships; i++) {
		const struct membership *s = &m->memberships[i];
		rows[i] = (struct membership_row){ .id = s->id, .state = membership_state(s, today), .until = membership_until(s, today) };
	}
	ret->n_memberships = m->n_memberships;
	ret->memberships = rows;
	return ST_OK;
}

static enum status
stamps_of(const struct member *m, const struct program *program, struct arena *arena, struct balance *ret)
{
	struct balance_row *stamps = arena_alloc(arena, program->n_cards * sizeof(*stamps));
	struct balance_row *debts = arena_alloc(arena, program->n_cards * sizeof(*debts));

	if (stamps == NULL || debts == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < program->n_cards; i++) {
		const struct stamp_card *c = member_card(m, program->cards[i].id);

		stamps[i] = (struct balance_row){ .id = program->cards[i].id, .value = c == NULL || c->stamps < 0 ? 0 : c->stamps };
		if (c != NULL && c->stamps < 0)
			debts[ret->n_stamp_debts++] = (struct balance_row){ .id = program->cards[i].id, .value = -c->stamps };
	}
	ret->n_stamps = program->n_cards;
	ret->stamps = stamps;
	ret->stamp_debts = debts;
	return ST_OK;
}

enum status
balance_of(const struct member *m, const struct program *program, int32_t today, struct arena *arena, struct balance *ret)
{
	struct balance b = {
		.available = m->available, .pending = m->pending, .held = m->held, .debt = m->debt,
		.points_earned = m->points_earned, .spend = m->spend, .visits = m->visits,
		.provisional = m->provisional, .n_consents = m->n_consents, .consents = m->consents,
	};
	enum status st = expiring_of(m, program, arena, &b);

	if (st == ST_OK)
		st = counters_of(m, program, arena, &b);
	if (st == ST_OK)
		st = vouchers_of(m, arena, &b);
	if (st == ST_OK)
		st = memberships_of(m, today, arena, &b);
	if (st == ST_OK)
		st = stamps_of(m, program, arena, &b);
	if (st != ST_OK)
		return st;
	tier_of(m, program, today, &b);
	*ret = b;
	return ST_OK;
}
