/*
 * Limits, recounted from the grants of stored entries alone: the engine goes by tallies, which are pruned and added up in another way.
 *
 * Use counts towards a limit from the version on that has it: what a rule gave under a version without that cap is not counted.
 */
#include "checks.h"

#include <assert.h>
#include <string.h>

#define USES_MAX 20000

/* Of one cap, min_gap or limit of a day, by one event. */
struct use {
	uint64_t member;
	char what;				/* r: rule, g: group, d: earn_per_day, m: min_gap, s: spent in a day */
	enum period per;
	char id[LEDGER_ID_MAX + 1];
	int32_t day;
	int64_t at_us;				/* min_gap: of the event */
	struct entry_id hold;			/* s: of what is held; a release gives back */
	int64_t points, count;
};
struct caps { size_t n; struct use uses[USES_MAX]; };

void
caps_begin(struct life *l)
{
	l->own = life_alloc(l, sizeof(struct caps));
}

/* By the calendar, not by period_start(). */
static bool
same_period(enum period per, int32_t a, int32_t b)
{
	struct date x = date_of_day(a), y = date_of_day(b);

	switch (per) {
	case PERIOD_TRANSACTION: return false;
	case PERIOD_DAY: return a == b;
	case PERIOD_MONTH: return x.year == y.year && x.month == y.month;
	case PERIOD_YEAR: return x.year == y.year;
	case PERIOD_LIFETIME: case PERIOD_PROGRAM: case PERIOD_COUNT: break;
	}
	return true;
}

static bool
same_use(const struct use *a, const struct use *b)
{
	return a->what == b->what && a->per == b->per && strcmp(a->id, b->id) == 0 && (a->member == b->member || a->per == PERIOD_PROGRAM) &&
	    same_period(a->per, a->day, b->day);
}

static void
used_before(const struct caps *caps, const struct use *now, int64_t *ret_points, int64_t *ret_count)
{
	*ret_points = *ret_count = 0;
	for (size_t i = 0; i < caps->n; i++) {
		if (same_use(&caps->uses[i], now)) {
			*ret_points += caps->uses[i].points;
			*ret_count += caps->uses[i].count;
		}
	}
}

static void
remember(struct life *l, const struct use *use)
{
	struct caps *caps = l->own;

	assert(caps->n < USES_MAX);
	caps->uses[caps->n++] = *use;
}

static _Noreturn void
exceeded(struct life *l, const struct entry *entry, const char *what, const char *id, int64_t have, int64_t limit)
{
	life_fail(l, "entry %s: %s %s has %lld now, and the limit is %lld", life_entry_text(l, entry), what, id, (long long)have, (long long)limit);
}

/* ---- caps of rules and groups ---- */

/* What a rule gave by this entry; a counter's rule is known by its counter. */
static int64_t
given_by(const struct entry *entry, const struct rule *rule)
{
	if (rule->kind == RULE_COUNTER)
		return entry->has_metrics && ((rule->on == ON_PURCHASE && entry->op == OP_PURCHASE) || (rule->on == ON_ACTIVITY && entry->op == OP_ACTIVITY) ||
		    (rule->on == ON_ENROL && entry->op == OP_ENROL)) ? entry->metrics.counters[rule->counter] : 0;
	for (size_t i = 0; i < entry->n_grants; i++) {
		if (strcmp(entry->grants[i].rule, rule->id) == 0)
			return entry->grants[i].granted;
	}
	return 0;
}

static struct use
use_of(const struct entry *entry, const struct rule *rule, const struct cap *cap)
{
	struct use use = { .member = entry->member, .what = cap->group[0] != 0 ? 'g' : 'r', .per = cap->per, .day = entry->business_date };

	memcpy(use.id, cap->group[0] != 0 ? cap->group : rule->id, sizeof(use.id));
	return use;
}

/* All that this event gave towards the cap, by the rule, or by every rule of its group. */
static void
use_now(const struct program *p, const struct entry *entry, const struct rule *rule, const struct cap *cap, struct use *ret)
{
	*ret = use_of(entry, rule, cap);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *other = &p->rules[i];
		bool counts = other == rule;

		for (size_t k = 0; k < other->n_caps && cap->group[0] != 0; k++)
			counts |= strcmp(other->caps[k].group, cap->group) == 0;
		if (!counts || given_by(entry, other) == 0)
			continue;
		ret->points += other->kind == RULE_COUNTER ? 0 : given_by(entry, other);
		ret->count = 1;
	}
}

static void
check_cap(struct life *l, const struct entry *entry, const struct use *now, const struct cap *cap)
{
	int64_t points, count;

	used_before(l->own, now, &points, &count);
	if (cap->counts && now->count > 0 && count + now->count > cap->limit)
		exceeded(l, entry, "the count of", now->id, count + now->count, cap->limit);
	if (!cap->counts && now->points > 0 && points + now->points > cap->limit)
		exceeded(l, entry, "the points of", now->id, points + now->points, cap->limit);
}

static bool
is_among(const struct use *uses, size_t n, const struct use *use)
{
	for (size_t i = 0; i < n; i++) {
		if (uses[i].what == use->what && uses[i].per == use->per && strcmp(uses[i].id, use->id) == 0)
			return true;
	}
	return false;
}

static void
check_rules(struct life *l, const struct program *p, const struct entry *entry)
{
	struct use uses[PROGRAM_RULES_MAX * PROGRAM_CAPS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		for (size_t k = 0; k < p->rules[i].n_caps; k++) {
			struct use now;

			use_now(p, entry, &p->rules[i], &p->rules[i].caps[k], &now);
			check_cap(l, entry, &now, &p->rules[i].caps[k]);
			/* Points and count of one period are used together; a group's once for all its rules. */
			if (now.count > 0 && !is_among(uses, n, &now))
				uses[n++] = now;
		}
	}
	for (size_t i = 0; i < n; i++)
		remember(l, &uses[i]);
}

/* ---- min_gap ---- */

static void
check_gap(struct life *l, const struct entry *entry, const struct rule *rule)
{
	const struct caps *caps = l->own;
	struct use now = { .member = entry->member, .what = 'm', .per = PERIOD_LIFETIME, .at_us = l->now_us };

	if (entry->has_occurred_at && entry->occurred_at_us < now.at_us)
		now.at_us = entry->occurred_at_us;
	memcpy(now.id, rule->id, sizeof(now.id));
	for (size_t i = 0; i < caps->n; i++) {
		int64_t apart = caps->uses[i].at_us - now.at_us;

		if (same_use(&caps->uses[i], &now) && (apart < 0 ? -apart : apart) < rule->when.min_gap_us)
			exceeded(l, entry, "the distance in µs of", now.id, apart, rule->when.min_gap_us);
	}
	remember(l, &now);
}

/* ---- limits of a day ---- */

static void
check_earned(struct life *l, const struct program *p, const struct entry *entry)
{
	struct use now = { .member = entry->member, .what = 'd', .per = PERIOD_DAY, .day = entry->business_date };
	int64_t points, count;

	for (size_t i = 0; i < entry->n_grants; i++)
		now.points += entry->grants[i].granted;
	used_before(l->own, &now, &points, &count);
	if (now.points > 0 && points + now.points > p->earn_per_day)
		exceeded(l, entry, "earn_per_day", "", points + now.points, p->earn_per_day);
	remember(l, &now);
}

static int64_t
taken_from_member(const struct entry *entry)
{
	int64_t taken = 0;

	for (size_t i = 0; i + 1 < entry->n_postings; i += 2) {
		enum account to = entry->postings[i + 1].account;
		if (entry->postings[i].account == ACCOUNT_MEMBER && (to == ACCOUNT_REDEEMED || to == ACCOUNT_HELD))
			taken += entry->postings[i + 1].points;
	}
	return taken;
}

static void
check_spent(struct life *l, const struct program *p, const struct entry *entry)
{
	struct use now = { .member = entry->member, .what = 's', .per = PERIOD_DAY, .day = entry->business_date, .points = taken_from_member(entry) };
	int64_t points, count;

	used_before(l->own, &now, &points, &count);
	if (points + now.points > p->redeem_per_day)
		exceeded(l, entry, "redeem_per_day", "", points + now.points, p->redeem_per_day);
	if (entry->op == OP_HOLD)
		now.hold = life_id(l, l->n_stored - 1);
	remember(l, &now);
}

/* On the day itself a release gives back what was left. */
static void
give_back(struct life *l, const struct entry *entry)
{
	struct caps *caps = l->own;

	for (size_t i = 0; i < caps->n; i++) {
		struct use *use = &caps->uses[i];
		int64_t released = 0;

		if (use->what != 's' || use->hold.seq != entry->hold.id.seq || use->hold.index != entry->hold.id.index || use->day != entry->business_date)
			continue;
		for (size_t k = 0; k < entry->n_postings; k++)
			released -= entry->postings[k].account == ACCOUNT_HELD && !entry->postings[k].has_hold ? entry->postings[k].points : 0;
		use->points -= released;
	}
}

/* What a return or a reversal gives back to a limit is taken from the entry: of this the grants of purchases know nothing. */
static void
give_back_uses(struct life *l, const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_tallies; i++) {
		const struct tally *t = &entry->tallies[i];
		struct use use = { .member = entry->member, .per = t->per, .day = (int32_t)t->at, .points = t->points, .count = t->count };

		use.what = t->kind == TALLY_RULE ? 'r' : t->kind == TALLY_GROUP ? 'g' : t->kind == TALLY_EARNED ? 'd' : 's';
		memcpy(use.id, t->id, sizeof(use.id));
		if (t->kind == TALLY_RULE || t->kind == TALLY_GROUP || t->kind == TALLY_EARNED || t->kind == TALLY_REDEEMED)
			remember(l, &use);
	}
}

static void
merge_uses(struct life *l, const struct entry *entry)
{
	struct caps *caps = l->own;

	for (size_t i = 0; i < caps->n; i++) {
		if (caps->uses[i].member == entry->u.other.member)
			caps->uses[i].member = entry->member;
	}
}

void
caps_are_kept(struct life *l, const struct entry *entry)
{
	if (entry->member == 0)
		return;
	const struct program *p = l->programs[entry->program_version - 1];
	if (entry->op == OP_PURCHASE || entry->op == OP_ACTIVITY || entry->op == OP_ENROL) {
		check_rules(l, p, entry);
		for (size_t i = 0; i < p->n_rules; i++) {
			if (p->rules[i].when.min_gap_us > 0 && given_by(entry, &p->rules[i]) > 0)
				check_gap(l, entry, &p->rules[i]);
		}
		if (p->has_earn_per_day)
			check_earned(l, p, entry);
	}
	if ((entry->op == OP_REDEEM || entry->op == OP_HOLD) && p->has_redeem_per_day)
		check_spent(l, p, entry);
	if (entry->op == OP_RETURN || entry->op == OP_REVERSE_REDEEM)
		give_back_uses(l, entry);
	if (entry->op == OP_MERGE)
		merge_uses(l, entry);
	if (entry->op == OP_RELEASE || entry->op == OP_HOLD_TIMEOUT)
		give_back(l, entry);
}
