/*
 * What an event earns: base rules, shares of multipliers, bonuses, counters; the same for a purchase, a quote, an activity and an
 * enrolment.  Every product is exact (128 bits) until it is rounded, and everything is zero or more, so rounding has one direction.
 *
 * rounding `each`: every component is rounded, and shares are taken from the rounded base.
 * rounding `once`: components stay exact, in units of 1 / (common step × the shares' denominator), and a component is granted the growth
 * of the rounded running sum; so the grants sum to the rounded total, and none is below zero.
 *
 * `replaces` and `fallback` split the amount; `wanted` is what the parts give before any cap clips or rejects them, `granted` what is left.
 * Shares are taken from the wanted base: the tier's, those of the memberships held in the program's order, those of multiplier rules.
 *
 * A multiplier that selects lines has its own base.  Under `multiply` it compounds with what comes before it and reaches the same lines:
 * the tier, memberships, multipliers for everything, and multipliers of the very same selection.
 */
#include <assert.h>
#include <string.h>

#include "ledger/earn.h"

wide
exact_round(wide num, wide den, enum rounding_mode mode)
{
	wide whole, rest;

	if (den == 1)
		return num;
	if (num <= INT64_MAX && den <= INT64_MAX) {		/* nearly always, and many times faster */
		whole = (int64_t)num / (int64_t)den;
		rest = (int64_t)num % (int64_t)den;
	} else {
		whole = num / den;
		rest = num % den;
	}
	switch (mode) {
	case ROUNDING_FLOOR: return whole;
	case ROUNDING_NEAREST: return whole + (rest >= den - rest ? 1 : 0);
	case ROUNDING_CEIL: return whole + (rest > 0 ? 1 : 0);
	}
	assert(false);
	return 0;
}

/* ---- exact points ---- */

struct exact
exact_add(struct exact a, struct exact b, wide den)
{
	struct exact sum = { .whole = a.whole + b.whole, .part = a.part + b.part };

	if (sum.part >= den) {
		sum.whole += sum.part / den;
		sum.part %= den;
	}
	return sum;
}

/* a − b, which is not below zero. */
static struct exact
exact_subtract(struct exact a, struct exact b, wide den)
{
	struct exact rest = { .whole = a.whole - b.whole, .part = a.part - b.part };

	if (rest.part < 0) {
		rest.whole--;
		rest.part += den;
	}
	return rest;
}

static bool
exact_less(struct exact a, struct exact b)
{
	return a.whole < b.whole || (a.whole == b.whole && a.part < b.part);
}

static bool
exact_is_zero(struct exact a)
{
	return a.whole == 0 && a.part == 0;
}

/* num / step as a component: rounded, or exact when only the sum is rounded. */
static struct exact
exact_of(const struct earning *e, wide num, int64_t step, int64_t points)
{
	if (e->den == 1)
		return (struct exact){ .whole = exact_round(num, step, e->p->rounding) };
	/* In lowest terms the step divides the common one, as program_common_step() made it. */
	int64_t shared = gcd(step, points);
	if (shared > 1) {
		num = num / shared;
		step /= shared;
	}
	return (struct exact){ .whole = num / step, .part = num % step * (e->den / step) };
}

/* base × num / den, rounded or exact; the base has no part of the shares' own denominator, so nothing is lost. */
static struct exact
exact_scale(const struct earning *e, struct exact base, wide num, wide den)
{
	struct exact product;

	if (e->den == 1)
		return (struct exact){ .whole = exact_round(base.whole * num, den, e->p->rounding) };
	product.whole = base.whole * num / den;
	product.part = base.whole * num % den * (e->den / den) + base.part / den * num;
	return exact_add(product, (struct exact){ 0 }, e->den);
}

/* ---- a rule's points ---- */

static struct exact
rule_points(const struct earning *e, const struct rule *rule, int64_t amount, int64_t items)
{
	switch (rule->measure) {
	case MEASURE_FIXED:
		return (struct exact){ .whole = rule->points };
	case MEASURE_PER_ITEM:
		return (struct exact){ .whole = (wide)items * rule->points };
	case MEASURE_PER_AMOUNT:
		if (rule->whole_steps)
			return (struct exact){ .whole = (wide)(amount / rule->amount) * rule->points };
		return exact_of(e, (wide)amount * rule->points, rule->amount, rule->points);
	case MEASURE_MULTIPLY: case MEASURE_COUNTER: case MEASURE_VOUCHER:
		break;
	}
	assert(false);
	return (struct exact){ 0 };
}

/* An amount that other rules have taken over gives nothing, whatever the measure. */
static struct exact
base_points(const struct earning *e, const struct rule *rule, int64_t eligible, int64_t amount, int64_t items)
{
	if (amount <= 0 && eligible > 0)
		return (struct exact){ 0 };
	return rule_points(e, rule, amount, items);
}

/* The smallest amount whose rounded points reach ${room}. */
static int64_t
amount_reaching(const struct earning *e, const struct rule *rule, wide room)
{
	wide step = rule->amount, points = rule->points, amount = 0;

	if (room <= 0)
		return 0;
	if (rule->whole_steps)
		return (int64_t)(room / points * step);		/* as many as fit */
	switch (e->p->rounding) {
	case ROUNDING_FLOOR: amount = (room * step + points - 1) / points; break;
	case ROUNDING_NEAREST: amount = ((2 * room - 1) * step + 2 * points - 1) / (2 * points); break;
	case ROUNDING_CEIL: amount = (room - 1) * step / points + 1; break;
	}
	return (int64_t)amount;
}

/* ---- caps ---- */

static const char *
cap_name(const struct cap *cap)
{
	static const char *const names[PERIOD_COUNT] = { "transaction", "day", "month", "year", "lifetime", "program" };

	return cap->group[0] != 0 ? cap->group : names[cap->per];
}

enum tally_kind
cap_tally_kind(const struct cap *cap)
{
	return cap->group[0] != 0 ? TALLY_GROUP : TALLY_RULE;
}

/* Use of a cap by rules of this event that stand before ${rule} in the order of evaluation: only groups are shared. */
static void
cap_used_here(const struct earning *e, const struct cap *cap, wide *ret_points, bool *ret_counted)
{
	*ret_points = 0;
	*ret_counted = false;
	for (size_t i = 0; cap->group[0] != 0 && i < e->p->n_rules; i++) {
		const struct rule *other = &e->p->rules[i];

		for (size_t k = 0; e->applies[i] && k < other->n_caps; k++) {
			wide steps = cap->over == CAP_FALLBACK ? e->rules[i].steps : 0;
			if (strcmp(other->caps[k].group, cap->group) != 0 || (exact_is_zero(e->rules[i].granted) && steps == 0))
				continue;
			*ret_points += e->rules[i].granted.whole + steps;
			*ret_counted = true;
		}
	}
}

const char *
cap_tally_id(const struct rule *rule, const struct cap *cap)
{
	return cap->group[0] != 0 ? cap->group : rule->id;
}

int32_t
earn_day(const struct earning *e)
{
	return e->past != NULL ? e->past->business_date : e->d->business_date;
}

/* Of an event that is evaluated once more the entry has it. */
static const struct tally *
used_then(const struct entry *past, enum tally_kind kind, const char *id, enum period per)
{
	for (size_t i = 0; i < past->n_used; i++) {
		const struct tally *t = &past->used[i];
		if (t->kind == kind && t->per == per && strcmp(t->id, id) == 0)
			return t;
	}
	return NULL;
}

enum status
earn_used(const struct earning *e, enum tally_kind kind, const char *id, enum period per, const struct tally **ret)
{
	const struct member *m = e->d->member;
	const struct totals *totals = NULL;

	*ret = NULL;
	if (e->past != NULL) {
		*ret = used_then(e->past, kind, id, per);
		return ST_OK;
	}
	if (per != PERIOD_PROGRAM) {
		*ret = tally_find(m->tallies, m->n_tallies, kind, id, per, period_start(per, e->d->business_date));
		return ST_OK;
	}
	enum status st = e->d->state->totals(e->d->state->ctx, e->d->entry->program, &totals);
	if (st == ST_OK && totals != NULL)
		*ret = tally_find(totals->tallies, totals->n_tallies, kind, id, per, 0);
	return st;
}

enum status
cap_used(const struct earning *e, const struct rule *rule, const struct cap *cap, const struct tally **ret)
{
	*ret = NULL;
	if (cap->per == PERIOD_TRANSACTION)
		return ST_OK;
	return earn_used(e, cap_tally_kind(cap), cap_tally_id(rule, cap), cap->per, ret);
}

/* What a cap leaves for ${points} more; all of it, or nothing, when it counts events. */
static enum status
cap_room(const struct earning *e, const struct rule *rule, const struct cap *cap, wide points, wide *ret_room)
{
	const struct tally *before;
	wide here;
	bool counted;
	enum status st = cap_used(e, rule, cap, &before);

	if (st != ST_OK)
		return st;
	cap_used_here(e, cap, &here, &counted);
	if (cap->counts)
		*ret_room = counted || (before == NULL ? 0 : before->count) < cap->limit ? points : 0;
	else
		*ret_room = (wide)cap->limit - (before == NULL ? 0 : before->points) - here;
	if (*ret_room < 0)
		*ret_room = 0;
	return ST_OK;
}

const struct grant *
past_grant(const struct entry *past, const char *rule)
{
	for (size_t i = 0; i < past->n_grants; i++) {
		if (strcmp(past->grants[i].rule, rule) == 0)
			return &past->grants[i];
	}
	return NULL;
}

static bool
rejected_then(const struct entry *past, const char *rule, const char *cap)
{
	const struct grant *g = past_grant(past, rule);

	return g != NULL && g->granted == 0 && g->cap != NULL && strcmp(g->cap, cap) == 0;
}

/*
 * Holds ${component}'s points against the rule's caps, most specific first.  A fallback splits the amount: the component wants only what
 * the part that it keeps gives, and the other part is added to *${ret_rest}.
 */
static enum status
apply_caps(const struct earning *e, const struct rule *rule, int64_t amount, struct component *component, int64_t *ret_rest)
{
	for (size_t i = 0; i < rule->n_caps; i++) {
		const struct cap *cap = &rule->caps[i];
		wide room;
		enum status st = cap_room(e, rule, cap, component->granted.whole, &room);

		if (st != ST_OK)
			return st;
		bool was_rejected = e->past != NULL && cap->over == CAP_REJECT && rejected_then(e->past, rule->id, cap_name(cap));
		if (component->granted.whole <= room && !was_rejected)
			continue;
		component->cap = cap_name(cap);
		component->granted.part = 0;
		switch (cap->over) {
		case CAP_CLIP:
			component->granted.whole = room;
			break;
		case CAP_REJECT:
			component->granted.whole = 0;
			break;
		case CAP_FALLBACK: {
			int64_t keep = amount_reaching(e, rule, room);
			component->wanted = rule_points(e, rule, keep, 0);
			component->granted.whole = component->wanted.whole < room ? component->wanted.whole : room;
			*ret_rest += amount - keep;
			amount = keep;
			break;
		}
		}
	}
	return ST_OK;
}

/* ---- base rules ---- */

int64_t
rule_remainder(const struct earning *e, const struct rule *rule)
{
	const struct member *m = e->d->member;

	if (!e->p->carry_remainder || rule->measure != MEASURE_PER_AMOUNT || !rule->whole_steps)
		return 0;
	const struct tally *t = tally_find(m->tallies, m->n_tallies, TALLY_REMAINDER, rule->id, PERIOD_LIFETIME, 0);
	return t == NULL ? 0 : t->points;
}

bool
rule_carries(const struct earning *e, const struct rule *rule)
{
	return e->p->carry_remainder && rule->measure == MEASURE_PER_AMOUNT && rule->whole_steps;
}

/*
 * A rule that carries its remainder gives back by steps, and not by what is left of one purchase: of one that is evaluated once more only
 * the split of its amount counts.  See decide_return.c.
 */
static enum status
split_carried(struct earning *e, size_t index, int64_t amount, int64_t *ret_rest)
{
	const struct rule *rule = &e->p->rules[index];
	struct component whole = { .rule = rule, .name = rule->id };
	int64_t rest = 0;

	whole.wanted = whole.granted = base_points(e, rule, e->eligible[index], amount, 0);
	enum status st = apply_caps(e, rule, amount, &whole, &rest);
	*ret_rest = rest < amount ? rest : amount;
	e->amount[index] -= *ret_rest;
	e->rules[index].steps = whole.granted.whole;
	return st;
}

/*
 * One rule on ${amount} of what it sees; *${ret_rest}: what of it a fallback hands on.
 * A remainder counts as if it were a part of the amount, but is never handed on.
 */
static enum status
evaluate_rule(struct earning *e, size_t index, int64_t amount, int64_t *ret_rest)
{
	const struct rule *rule = &e->p->rules[index];
	struct component *c = &e->rules[index];
	int64_t carried = rule_remainder(e, rule), items = rule->measure == MEASURE_PER_ITEM ? when_items(e->event, &rule->when, NULL) : 0, rest = 0;

	*c = (struct component){ .rule = rule, .name = rule->id, .pending = rule, .terms = rule };
	e->amount[index] = amount;
	if (e->past != NULL && rule_carries(e, rule))
		return split_carried(e, index, amount, ret_rest);
	if (rule->measure == MEASURE_PER_AMOUNT && carried > POINTS_MAX - amount)
		carried = 0;		/* as good as never: the remainder is below a step */
	struct component capped = *c;		/* what is in its place counts as use of a group's cap */
	bool gives = amount > 0 || e->eligible[index] <= 0;	/* an amount that other rules have taken over gives nothing */
	if (gives)
		capped.wanted = capped.granted = base_points(e, rule, e->eligible[index], amount + carried, items);
	enum status st = apply_caps(e, rule, amount + carried, &capped, &rest);
	*c = capped;
	*ret_rest = rest < amount ? rest : amount;
	e->amount[index] -= *ret_rest;
	if (rule_carries(e, rule) && gives)
		c->remainder = rest > 0 ? rest - *ret_rest : (amount + carried) % rule->amount;
	else
		c->remainder = carried;
	return st;
}

/* Rules that replace others come first; a replaced rule is left what they do not cover. */
static enum status
evaluate_base(struct earning *e)
{
	int64_t covered[PROGRAM_RULES_MAX] = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < e->p->n_rules; i++) {
			const struct rule *rule = &e->p->rules[i];
			int64_t eligible = e->eligible[i], rest = 0;

			if (!e->applies[i] || rule->kind != RULE_BASE || (rule->replaces == RULE_NONE) != (pass == 1))
				continue;
			enum status st = evaluate_rule(e, i, eligible > covered[i] ? eligible - covered[i] : 0, &rest);
			if (st != ST_OK)
				return st;
			if (rule->replaces == RULE_NONE)
				continue;
			int64_t *replaced = &covered[rule->replaces];
			*replaced = *replaced > POINTS_MAX - eligible ? POINTS_MAX : *replaced + eligible - rest;
		}
	}
	return ST_OK;
}

/* What the applying base rules would give for the lines that ${selection} takes, without caps and remainders. */
static struct exact
base_of_selection(const struct earning *e, const struct rule *selection)
{
	int64_t covered[PROGRAM_RULES_MAX] = { 0 };
	struct exact sum = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < e->p->n_rules; i++) {
			const struct rule *rule = &e->p->rules[i];

			if (!e->applies[i] || rule->kind != RULE_BASE || (rule->replaces == RULE_NONE) != (pass == 1))
				continue;
			int64_t amount = when_amount(e->event, &rule->when, &selection->when), left = amount - covered[i];
			if (rule->replaces != RULE_NONE)
				covered[rule->replaces] = covered[rule->replaces] > POINTS_MAX - amount ? POINTS_MAX : covered[rule->replaces] + amount;
			if (left > 0 && !(e->past != NULL && rule_carries(e, rule)))
				sum = exact_add(sum, rule_points(e, rule, left, when_items(e->event, &rule->when, &selection->when)), e->den);
		}
	}
	return sum;
}

static struct exact
base_sum(const struct earning *e)
{
	struct exact sum = { 0 };

	for (size_t i = 0; i < e->p->n_rules; i++) {
		if (e->applies[i] && e->p->rules[i].kind == RULE_BASE)
			sum = exact_add(sum, e->rules[i].wanted, e->den);
	}
	return sum;
}

/* ---- multipliers ---- */

struct ratio { wide num, den; };

static void
ratio_times(struct ratio *r, int64_t multiplier)
{
	int64_t shared = gcd(multiplier, MULTIPLIER_ONE);

	r->num *= multiplier / shared;
	r->den *= MULTIPLIER_ONE / shared;
	shared = gcd((int64_t)r->num, (int64_t)r->den);
	r->num /= shared;
	r->den /= shared;
}

static bool
same_words(const struct word_list *a, const struct word_list *b)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!word_among(b, a->v[i]))
			return false;
	}
	return a->n == b->n;
}

static bool
same_selection(const struct rule *a, const struct rule *b)
{
	return same_words(&a->when.categories, &b->when.categories) && same_words(&a->when.skus, &b->when.skus) &&
	    same_words(&a->when.exclude_categories, &b->when.exclude_categories);
}

/* The product of the multipliers that come before membership ${n_memberships}, or with all of them before rule ${index}, and reach its lines. */
static struct ratio
chain_before(const struct earning *e, size_t n_memberships, size_t index)
{
	struct ratio chain = { 1, 1 };

	if (e->tier != NULL)
		ratio_times(&chain, e->tier->multiplier);
	for (size_t i = 0; i < n_memberships; i++) {
		if (e->held[i])
			ratio_times(&chain, e->p->memberships[i].multiplier);
	}
	for (size_t i = 0; i < index; i++) {
		const struct rule *rule = &e->p->rules[i];

		if (e->applies[i] && rule->kind == RULE_MULTIPLIER && (!when_selects(&rule->when) || same_selection(rule, &e->p->rules[index])))
			ratio_times(&chain, rule->multiplier);
	}
	return chain;
}

static struct exact
share_of(const struct earning *e, struct exact base, int64_t multiplier, struct ratio before)
{
	if (e->p->stacking != STACKING_MULTIPLY)
		return exact_scale(e, base, multiplier - MULTIPLIER_ONE, MULTIPLIER_ONE);
	struct ratio after = before;
	ratio_times(&after, multiplier);
	return exact_subtract(exact_scale(e, base, after.num, after.den), exact_scale(e, base, before.num, before.den), e->den);
}

/* One that carries a remainder brings nothing when the event is evaluated once more, but did at first. */
static bool
gave_something(const struct earning *e, const struct rule *rule, const struct component *c)
{
	const struct grant *g = e->past == NULL || !rule_carries(e, rule) ? NULL : past_grant(e->past, rule->id);

	return !exact_is_zero(c->wanted) || (g != NULL && g->wanted > 0);
}

/* A share takes the terms of the first base rule that gave something, unless its rule names its own. */
static void
set_share_terms(const struct earning *e, struct component *c)
{
	const struct rule *first = NULL;

	for (size_t i = 0; i < e->p->n_rules && first == NULL; i++) {
		if (e->applies[i] && e->p->rules[i].kind == RULE_BASE && gave_something(e, &e->p->rules[i], &e->rules[i]))
			first = &e->p->rules[i];
	}
	c->pending = c->rule != NULL && c->rule->has_pending ? c->rule : first;
	c->terms = c->rule != NULL && c->rule->has_expiry ? c->rule : first;
}

static void
evaluate_memberships(struct earning *e, struct exact base)
{
	for (size_t i = 0; i < e->p->n_memberships; i++) {
		const struct program_membership *m = &e->p->memberships[i];
		struct component *c = &e->memberships[i];

		*c = (struct component){ .name = NULL };
		if (!e->held[i] || m->multiplier == MULTIPLIER_ONE)
			continue;
		c->name = m->share_rule;
		c->wanted = share_of(e, base, m->multiplier, chain_before(e, i, 0));
		set_share_terms(e, c);
	}
}

static void
evaluate_shares(struct earning *e, struct exact base)
{
	bool multiplies = e->p->stacking == STACKING_MULTIPLY;

	if (e->tier != NULL && e->tier->multiplier > MULTIPLIER_ONE) {
		e->share = (struct component){ .name = e->tier->share_rule };
		e->share.wanted = share_of(e, base, e->tier->multiplier, (struct ratio){ 1, 1 });
		set_share_terms(e, &e->share);
	}
	evaluate_memberships(e, base);
	for (size_t i = 0; i < e->p->n_rules; i++) {
		const struct rule *rule = &e->p->rules[i];
		struct component *c = &e->rules[i];

		if (!e->applies[i] || rule->kind != RULE_MULTIPLIER)
			continue;
		*c = (struct component){ .rule = rule, .name = rule->id };
		struct exact own = when_selects(&rule->when) ? base_of_selection(e, rule) : base;
		if (own.whole > POINTS_MAX)
			own.whole = POINTS_MAX;		/* items of few lines: base is not large, but counted otherwise they may be */
		c->wanted = share_of(e, own, rule->multiplier,
		    multiplies ? chain_before(e, e->p->n_memberships, i) : (struct ratio){ 1, 1 });
		set_share_terms(e, c);
	}
}

/* Only the largest share stays, the first of equals. */
static void
keep_best(struct earning *e)
{
	struct component *best = &e->share;

	for (size_t i = 0; i < e->p->n_memberships; i++) {
		if (exact_less(best->wanted, e->memberships[i].wanted))
			best = &e->memberships[i];
	}
	for (size_t i = 0; i < e->p->n_rules; i++) {
		if (e->applies[i] && e->p->rules[i].kind == RULE_MULTIPLIER && exact_less(best->wanted, e->rules[i].wanted))
			best = &e->rules[i];
	}
	if (best != &e->share)
		e->share.wanted = (struct exact){ 0 };
	for (size_t i = 0; i < e->p->n_memberships; i++) {
		if (&e->memberships[i] != best)
			e->memberships[i].wanted = (struct exact){ 0 };
	}
	for (size_t i = 0; i < e->p->n_rules; i++) {
		if (e->applies[i] && e->p->rules[i].kind == RULE_MULTIPLIER && &e->rules[i] != best)
			e->rules[i].wanted = (struct exact){ 0 };
	}
}

static enum status
cap_shares(struct earning *e)
{
	int64_t none = 0;

	e->share.granted = e->share.wanted;
	for (size_t i = 0; i < e->p->n_memberships; i++)
		e->memberships[i].granted = e->memberships[i].wanted;
	for (size_t i = 0; i < e->p->n_rules; i++) {
		if (!e->applies[i] || e->p->rules[i].kind != RULE_MULTIPLIER)
			continue;
		struct component *c = &e->rules[i], capped = *c;
		capped.granted = c->wanted;
		enum status st = apply_caps(e, c->rule, 0, &capped, &none);
		if (st != ST_OK)
			return st;
		*c = capped;
	}
	return ST_OK;
}

/* ---- bonuses and counters ---- */

static enum status
evaluate_bonuses(struct earning *e)
{
	for (size_t i = 0; i < e->p->n_rules; i++) {
		int64_t rest;

		if (!e->applies[i] || e->p->rules[i].kind != RULE_BONUS)
			continue;
		enum status st = evaluate_rule(e, i, e->eligible[i], &rest);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* What a counter rule adds is kept where other rules have their points; a voucher rule has a one there. */
static enum status
evaluate_counters(struct earning *e)
{
	int64_t none = 0;

	for (size_t i = 0; i < e->p->n_rules; i++) {
		const struct rule *rule = &e->p->rules[i];
		struct component *c = &e->rules[i];

		if (!e->applies[i] || (rule->kind != RULE_COUNTER && rule->kind != RULE_VOUCHER))
			continue;
		int64_t times = rule->counter_per_item ? when_items(e->event, &rule->when, NULL) : e->event->on == ON_ACTIVITY ? e->event->qty : 1;
		struct component counted = { .rule = rule, .name = rule->id };
		counted.wanted.whole = counted.granted.whole = rule->kind == RULE_VOUCHER ? 1 : (wide)rule->counter_add * times;
		*c = (struct component){ .rule = rule, .name = rule->id };
		enum status st = apply_caps(e, rule, 0, &counted, &none);
		if (st != ST_OK)
			return st;
		*c = counted;
	}
	return ST_OK;
}

/* ---- the whole ---- */

void
earn_shares(struct earning *e, int64_t base)
{
	evaluate_shares(e, (struct exact){ .whole = base });
}

static bool
multiplied_then(const struct entry *past, const char *membership)
{
	for (size_t i = 0; i < past->n_multiplied_by; i++) {
		if (strcmp(past->multiplied_by[i], membership) == 0)
			return true;
	}
	return false;
}

struct earning *
earn_begin(struct decision *d, const struct program *p, const struct entry *past, const struct earn_event *event)
{
	struct earning *e = arena_alloc(d->arena, sizeof(*e) + (p->n_rules + p->n_memberships) * sizeof(e->rules[0]));

	if (e == NULL)
		return NULL;
	e->memberships = e->rules + p->n_rules;
	e->d = d;
	e->p = p;
	e->past = past;
	e->event = event;
	e->tier = past == NULL ? member_tier(d->member, p, d->today) : past->multiplied == NULL ? NULL : program_tier(p, past->multiplied);
	for (size_t i = 0; i < p->n_memberships; i++)
		e->held[i] = past == NULL ? member_holds_membership(d->member, p->memberships[i].id, d->today) : multiplied_then(past, p->memberships[i].id);
	e->den = p->round_once ? (wide)p->common_step * p->share_den : 1;
	e->second = -1;
	return e;
}

struct grant *
earn_grants(struct decision *d, const struct program *p)
{
	return arena_alloc(d->arena, (p->n_rules + 1 + p->n_memberships) * sizeof(struct grant));
}

enum status
earn_evaluate(struct earning *e)
{
	for (size_t i = 0; i < e->p->n_rules; i++)
		e->applies[i] = rule_applies(e, i);
	enum status st = evaluate_base(e);
	if (st != ST_OK)
		return st;
	struct exact base = base_sum(e);
	if (base.whole > POINTS_MAX)
		return ST_OK;		/* grant_all() refuses it */
	evaluate_shares(e, base);
	if (e->p->stacking == STACKING_BEST)
		keep_best(e);
	st = cap_shares(e);
	if (st == ST_OK)
		st = evaluate_bonuses(e);
	return st == ST_OK ? evaluate_counters(e) : st;
}
