/*
 * What a purchase earns.  Every product is exact (128 bits) until it is rounded, and everything is zero or more, so rounding
 * has one direction.
 *
 * rounding `each`: every base rule is rounded, their sum is B, the tier's share is round(B × (m − 1)), every bonus is rounded.
 * rounding `once`: the exact components are added up in the same order, and a component is granted the growth of the rounded
 * running sum; so the grants sum to the rounded total, and none is below zero.
 */
#include <assert.h>

#include "ledger/internal.h"

/* whole + part / den of exact points: 0 ≤ part < den, den = common step × 10^6. */
struct exact { wide whole, part; };

struct earning {
	struct decision *d;
	const struct tier *tier;		/* held before the purchase; NULL: none */
	int64_t eligible;
	wide den;
	struct exact sum;			/* running, for `once` */
	wide rounded;				/* of sum, or the sum of what was rounded */
	size_t n_grants;
	struct grant *grants;
};

static wide
round_ratio(wide num, wide den, enum rounding_mode mode)
{
	wide whole = num / den, rest = num % den;

	switch (mode) {
	case ROUNDING_FLOOR: return whole;
	case ROUNDING_NEAREST: return whole + (rest >= den - rest ? 1 : 0);
	case ROUNDING_CEIL: return whole + (rest > 0 ? 1 : 0);
	}
	assert(false);
	return 0;
}

static struct exact
exact_add(struct exact a, struct exact b, wide den)
{
	struct exact sum = { .whole = a.whole + b.whole, .part = a.part + b.part };

	sum.whole += sum.part / den;
	sum.part %= den;
	return sum;
}

/* A rule's points as num / step; the eligible amount is above zero. */
static void
rule_ratio(const struct rule *rule, int64_t eligible, wide *ret_num, int64_t *ret_step)
{
	switch (rule->measure) {
	case MEASURE_FIXED:
		*ret_num = rule->points;
		*ret_step = 1;
		return;
	case MEASURE_PER_AMOUNT:
		*ret_num = rule->whole_steps ? (wide)(eligible / rule->amount) * rule->points : (wide)eligible * rule->points;
		*ret_step = rule->whole_steps ? 1 : rule->amount;
		return;
	}
	assert(false);
}

static struct exact
rule_exact(const struct earning *e, const struct rule *rule)
{
	wide num;
	int64_t step;

	rule_ratio(rule, e->eligible, &num, &step);
	/* In lowest terms the step divides the common one, as program_common_step() made it. */
	int64_t shared = gcd(step, rule->points);
	if (shared > 1) {
		num = num / shared;
		step /= shared;
	}
	return (struct exact){ .whole = num / step, .part = num % step * (e->den / step) };
}

/* Base × (m − 1). The base has no millionths of its own, so nothing is lost. */
static struct exact
share_exact(const struct earning *e, struct exact base)
{
	wide more = e->tier->multiplier - MULTIPLIER_ONE;
	struct exact share = { .whole = base.whole * more / MULTIPLIER_ONE };

	share.part = base.whole * more % MULTIPLIER_ONE * (e->den / MULTIPLIER_ONE) + base.part / MULTIPLIER_ONE * more;
	return exact_add(share, (struct exact){ 0 }, e->den);
}

/* False: the points are beyond what a ledger holds. */
static bool
grant(struct earning *e, const char *rule, wide points)
{
	if (points > POINTS_MAX || e->rounded + points > POINTS_MAX)
		return false;
	e->rounded += points;
	if (points > 0)
		e->grants[e->n_grants++] = (struct grant){ .rule = rule, .wanted = (int64_t)points, .granted = (int64_t)points };
	return true;
}

static bool
grant_exact(struct earning *e, const char *rule, struct exact points)
{
	if (points.whole > POINTS_MAX)
		return false;
	e->sum = exact_add(e->sum, points, e->den);
	wide total = e->sum.whole + round_ratio(e->sum.part, e->den, e->d->program->rounding);
	return grant(e, rule, total - e->rounded);
}

static bool
grant_rules(struct earning *e, enum rule_kind kind)
{
	const struct program *p = e->d->program;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		wide num;
		int64_t step;

		if (rule->kind != kind)
			continue;
		rule_ratio(rule, e->eligible, &num, &step);
		bool ok = p->round_once ? grant_exact(e, rule->id, rule_exact(e, rule)) :
		    grant(e, rule->id, round_ratio(num, step, p->rounding));
		if (!ok)
			return false;
	}
	return true;
}

static bool
grant_share(struct earning *e)
{
	const struct program *p = e->d->program;

	if (e->tier == NULL || e->tier->multiplier == MULTIPLIER_ONE)
		return true;
	if (p->round_once)
		return grant_exact(e, e->tier->share_rule, share_exact(e, e->sum));
	wide share = round_ratio(e->rounded * (e->tier->multiplier - MULTIPLIER_ONE), MULTIPLIER_ONE, p->rounding);
	return grant(e, e->tier->share_rule, share);
}

/* Components in the order of RULINGS: base rules, the tier's share, bonuses. */
static enum status
earn(struct decision *d, int64_t eligible, int64_t *ret_points)
{
	const struct program *p = d->program;
	struct earning e = {
		.d = d,
		.tier = member_tier(d->member, p, d->today),
		.eligible = eligible,
		.den = p->round_once ? (wide)program_common_step(p) * MULTIPLIER_ONE : 1,
		.grants = arena_alloc(d->arena, (p->n_rules + 1) * sizeof(*e.grants)),
	};

	if (e.grants == NULL)
		return ST_NOMEM;
	if (eligible > 0 && !(grant_rules(&e, RULE_BASE) && grant_share(&e) && grant_rules(&e, RULE_BONUS)))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "amount", "amount is so large that its points cannot be counted");
	d->entry->grants = e.grants;
	d->entry->n_grants = e.n_grants;
	*ret_points = (int64_t)e.rounded;
	return ST_OK;
}

/* ---- the command ---- */

static enum status
scale_lines(struct decision *d, int64_t amount, bool *ret_ok)
{
	size_t n = d->cmd->u.purchase.n_lines;
	struct entry_line *lines = arena_alloc(d->arena, n * sizeof(*lines));
	int64_t left = amount;

	*ret_ok = false;
	if (lines == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct line *line = &d->cmd->u.purchase.lines[i];

		lines[i] = (struct entry_line){ .sku = line->sku, .category = line->category, .qty = line->qty };
		if (!decision_money(d, "lines", line->amount, &lines[i].amount))
			return ST_OK;
		if (lines[i].amount > left)
			return refuse(d, LEDGER_INVALID_ARGUMENT, "lines",
			    "the lines are worth more than the amount; they may be a part of it");
		left -= lines[i].amount;
	}
	d->entry->u.purchase.lines = n > 0 ? lines : NULL;
	d->entry->u.purchase.n_lines = n;
	*ret_ok = true;
	return ST_OK;
}

/* Scales the command into the entry; false in *${ret_ok}: refused. */
static enum status
purchase_inputs(struct decision *d, bool *ret_ok)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;

	*ret_ok = false;
	e->u.purchase.partner = cmd->u.purchase.partner;
	e->u.purchase.receipt_no = cmd->u.purchase.receipt_no;
	e->u.purchase.has_paid_with_points = cmd->u.purchase.has_paid_with_points;
	if (!decision_money(d, "amount", cmd->u.purchase.amount, &e->u.purchase.amount))
		return ST_OK;
	if (cmd->u.purchase.has_paid_with_points &&
	    !decision_money(d, "paid_with_points", cmd->u.purchase.paid_with_points, &e->u.purchase.paid_with_points))
		return ST_OK;
	if (e->u.purchase.paid_with_points > e->u.purchase.amount)
		return refuse(d, LEDGER_INVALID_ARGUMENT, "paid_with_points", "more was paid with points than the amount of the purchase");
	return scale_lines(d, e->u.purchase.amount, ret_ok);
}

static enum status
purchase_credit(struct decision *d, int64_t points)
{
	struct lot lot = {
		.last_day = program_last_day(d->program, member_tier(d->member, d->program, d->today), d->business_date),
		.class = LOT_EARNED,
		.points = points,
	};

	return points == 0 ? ST_OK : decision_credit(d, ACCOUNT_ISSUED, &lot);
}

enum status
decide_purchase(struct decision *d)
{
	struct entry *e = d->entry;
	bool ok;
	int64_t points = 0;
	enum status st = purchase_inputs(d, &ok);

	if (st != ST_OK || !ok)
		return st;
	st = earn(d, e->u.purchase.amount - e->u.purchase.paid_with_points, &points);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	e->has_metrics = true;
	e->metrics = (struct metric_day){ .day = d->business_date, .points_earned = points, .spend = e->u.purchase.amount, .visits = 1 };
	st = decision_account_fits(d, ACCOUNT_ISSUED, -points, &ok);
	if (st != ST_OK)
		return st;
	if (!ok || !metrics_fit(d->member, &e->metrics))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "amount", "amount is so large that the ledger's sums cannot hold it");
	st = purchase_credit(d, points);
	if (st != ST_OK)
		return st;
	decision_upgrade(d, &e->metrics);
	return ST_OK;
}
