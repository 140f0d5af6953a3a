/*
 * A row of the table for each trap, and for each a function that looks for it in the whole program.  A sentence says what happens to
 * members and which numbers bring it about; what to do about it is the author's to know.  None may fire on a program that means what it
 * says: where a bound is not known, nothing is told.
 */
#include "program_traps.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program_reason.h"

#define DAYS_OF_WEEK 7
#define DAYS_OF_MONTH_MAX 31

struct finder {
	const struct program_file *file;
	const struct program *p;
	const struct program_def *def;
	int32_t today;
	struct traps *traps;
};

/* ---- telling ---- */

#define KEY_BYTES 160
#define KEY(...) key_of((char [KEY_BYTES]){ 0 }, __VA_ARGS__)
static const char *key_of(char buffer[static KEY_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void trap(struct finder *f, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));

static const char *
key_of(char buffer[static KEY_BYTES], const char *format, ...)
{
	va_list values;

	va_start(values, format);
	(void)vsnprintf(buffer, KEY_BYTES, format, values);
	va_end(values);
	return buffer;
}

static void
trap(struct finder *f, const char *key, const char *format, ...)
{
	va_list values;

	if (f->traps->n == TRAPS_MAX)
		return;
	struct trap *t = &f->traps->trap[f->traps->n++];
	t->line = program_file_line(f->file, key);
	(void)snprintf(t->key, sizeof(t->key), "%s", key);
	va_start(values, format);
	(void)vsnprintf(t->message, sizeof(t->message), format, values);
	va_end(values);
}

#define POINTS_TEXT(f, points) decimal_format((points), (f)->p->scale, (char [DECIMAL_TEXT_BYTES]){ 0 })
#define MONEY_TEXT(f, amount) decimal_format((amount), (f)->p->currency_digits, (char [DECIMAL_TEXT_BYTES]){ 0 })
#define DAY_TEXT(day) day_format((day), (char [DAY_TEXT_BYTES]){ 0 })

/* Compiled rules and tiers stand in another order than those of the file. */
static size_t
rule_place(const struct finder *f, const struct rule *rule)
{
	size_t i = 0;

	while (strcmp(f->def->rules[i].id, rule->id) != 0)
		i++;
	return i;
}

static size_t
tier_place(const struct finder *f, const struct tier *tier)
{
	size_t i = 0;

	while (strcmp(f->def->tiers[i].id, tier->id) != 0)
		i++;
	return i;
}

static const char *
metric_name(const struct program *p, enum metric metric)
{
	switch (metric) {
	case METRIC_POINTS_EARNED: return "points_earned";
	case METRIC_SPEND: return "spend";
	case METRIC_VISITS: return "visits";
	case METRIC_BALANCE: return "balance";
	case METRIC_COUNTER: break;
	}
	return p->counters[metric - METRIC_COUNTER];
}

static const char *
metric_text(const struct finder *f, enum metric metric, int64_t value, char ret_text[static DECIMAL_TEXT_BYTES])
{
	unsigned scale = metric == METRIC_POINTS_EARNED || metric == METRIC_BALANCE ? f->p->scale : metric == METRIC_SPEND ?
	    f->p->currency_digits : 0;

	return decimal_format(value, scale, ret_text);
}

/* ---- tiers ---- */

/* One list of thresholds that the rules can never fill; ${only}: the tier has no other. */
static void
look_at_list(struct finder *f, const struct tier *tier, const char *section, size_t any, const struct all_of *all,
    const struct stretch *stretch,
    bool only)
{
	char need[DECIMAL_TEXT_BYTES], have[DECIMAL_TEXT_BYTES];
	bool keep = strcmp(section, "keep") == 0;

	for (size_t k = 0; k < all->n; k++) {
		const struct threshold *t = &all->all[k];
		int64_t most = metric_at_most(f->p, t->metric, stretch);
		const char *key = KEY("tiers[%zu].%s.any[%zu].all[%zu].at_least", tier_place(f, tier), section, any, k);
		const char *who = only ? "nobody" : "by this list nobody", *what = keep ? "keeps" : "reaches";

		if (most >= t->at_least)
			continue;
		if (most == 0)
			trap(f, key, "%s %s %s: it asks for %s of %s, and no rule gives any", who, what, tier->id,
			    metric_text(f, t->metric, t->at_least, need), metric_name(f->p, t->metric));
		else
			trap(f, key, "%s %s %s: it asks for %s of %s, and the limits of the rules let a member have at most %s within %s", who, what, tier->id,
			    metric_text(f, t->metric, t->at_least, need), metric_name(f->p, t->metric), metric_text(f, t->metric, most, have),
			    stretch->endless ? "a lifetime" : keep ? "the time that it is asked over" : "the tier's window");
	}
}

static void
trap_tier_out_of_reach(struct finder *f)
{
	for (size_t i = 1; i < f->p->n_tiers; i++) {
		const struct tier *tier = &f->p->tiers[i];
		struct stretch stretch = stretch_of_window(tier);

		for (size_t k = 0; k < tier->n_any; k++)
			look_at_list(f, tier, "reach", k, &tier->any[k], &stretch, !tier_attainable(f->p, tier));
	}
}

static void
trap_tier_never_kept(struct finder *f)
{
	for (size_t i = 1; i < f->p->n_tiers; i++) {
		const struct tier *tier = &f->p->tiers[i];
		struct stretch stretch = stretch_of_keep(tier);
		bool any = false;

		for (size_t k = 0; k < tier->n_keep; k++)
			any |= all_attainable(f->p, &tier->keep[k], &stretch);
		if (tier->valid == VALID_FOREVER || any || !tier_attainable(f->p, tier))
			continue;
		bool own = f->def->tiers[tier_place(f, tier)].has_keep;
		for (size_t k = 0; own && k < tier->n_keep; k++)
			look_at_list(f, tier, "keep", k, &tier->keep[k], &stretch, true);
		if (!own)
			trap(f, KEY("tiers[%zu].valid", tier_place(f, tier)), "nobody keeps %s: what reaches it is asked again at its end, and "
			    "the limits of the rules do not let a member have so much in the time that it lasts", tier->id);
	}
}

/* Whether a window holds every day that another does. */
static bool
window_within(const struct tier *inner, const struct tier *outer)
{
	if (outer->window == WINDOW_LIFETIME || (inner->window == outer->window && inner->window != WINDOW_ROLLING_MONTHS))
		return true;
	if (outer->window != WINDOW_ROLLING_MONTHS)
		return false;
	return inner->window == WINDOW_ROLLING_MONTHS ? inner->rolling_months <= outer->rolling_months :
	    inner->window == WINDOW_CALENDAR_YEAR && outer->rolling_months >= 12;
}

/* Whether whoever fills list ${a} of tier ${low} has filled list ${b} of tier ${high}. */
static bool
list_implies(const struct tier *low, const struct all_of *a, const struct tier *high, const struct all_of *b)
{
	for (size_t i = 0; i < b->n; i++) {
		bool filled = b->all[i].at_least == 0;

		for (size_t k = 0; k < a->n && !filled; k++)
			filled = a->all[k].metric == b->all[i].metric && a->all[k].at_least >= b->all[i].at_least &&
			    (a->all[k].metric == METRIC_BALANCE || window_within(low, high));
		if (!filled)
			return false;
	}
	return true;
}

static bool
tier_implies(const struct tier *low, const struct tier *high)
{
	static const struct all_of nothing = { 0 };

	for (size_t i = 0; i < low->n_any || (low->n_any == 0 && i == 0); i++) {
		bool implied = false;

		for (size_t k = 0; k < high->n_any && !implied; k++)
			implied = list_implies(low, low->n_any == 0 ? &nothing : &low->any[i], high, &high->any[k]);
		if (!implied)
			return false;
	}
	return true;
}

static void
trap_tier_passed_over(struct finder *f)
{
	for (size_t low = 0; low < f->p->n_tiers; low++) {
		for (size_t high = low + 1; high < f->p->n_tiers; high++) {
			const struct tier *a = &f->p->tiers[low], *b = &f->p->tiers[high];

			if (!tier_implies(a, b))
				continue;
			if (low == 0)
				trap(f, KEY("tiers[%zu].reach", tier_place(f, b)), "everybody reaches %s with the first event: it asks for nothing", b->id);
			else
				trap(f, KEY("tiers[%zu].reach", tier_place(f, a)), "nobody rises to %s: whoever reaches it has reached %s, which is higher",
				    a->id, b->id);
			break;
		}
	}
}

static void
trap_tier_never_asked(struct finder *f)
{
	for (size_t i = 1; i < f->p->n_tiers; i++) {
		const struct tier *tier = &f->p->tiers[i];
		size_t at = tier_place(f, tier);
		const struct tier_def *def = &f->def->tiers[at];
		const char *what = def->has_keep ? "keep" : def->has_grace ? "grace" : def->has_downgrade ? "downgrade" : NULL;

		if (tier->valid == VALID_FOREVER && what != NULL)
			trap(f, KEY("tiers[%zu].%s", at, what), "%s is never asked: %s is valid for ever, so nobody loses it; valid says for how long", what,
			    tier->id);
	}
}

static void
trap_tier_multiplies_nothing(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		if (f->p->rules[i].kind == RULE_BASE)
			return;
	}
	for (size_t i = 0; i < f->p->n_tiers; i++) {
		const struct tier *tier = &f->p->tiers[i];

		if (tier->multiplier > MULTIPLIER_UNIT)
			trap(f, KEY("tiers[%zu].earn_multiplier", tier_place(f, tier)),
			    "%s multiplies nothing: multipliers work on base rules, and there is none", tier->id);
	}
}

/* ---- rules that never apply ---- */

static void
trap_rule_is_over(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];

		if (rule->when.until < f->today)
			trap(f, KEY("earn[%zu].when.until", rule_place(f, rule)), "%s is over: its last day was %s", rule->id, DAY_TEXT(rule->when.until));
	}
}

static void
trap_rule_on_no_day(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];
		const struct when *w = &rule->when;
		bool any = w->weekdays == 0 || (int64_t)w->until - w->from >= DAYS_OF_WEEK - 1;

		for (int32_t day = w->from; !any && day <= w->until; day++)
			any = (w->weekdays >> weekday_of_day(day) & 1) != 0;
		if (!any)
			trap(f, KEY("earn[%zu].when.weekdays", rule_place(f, rule)), "%s never applies: none of its weekdays is between %s and %s", rule->id,
			    DAY_TEXT(w->from), DAY_TEXT(w->until));
	}
}

static void
trap_rule_excludes_itself(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];
		const struct when *w = &rule->when;
		size_t out = 0;

		for (size_t k = 0; k < w->categories.n; k++) {
			for (size_t j = 0; j < w->exclude_categories.n; j++)
				out += strcmp(w->categories.v[k], w->exclude_categories.v[j]) == 0;
		}
		if (out > 0 && out == w->categories.n)
			trap(f, KEY("earn[%zu].when.exclude_categories", rule_place(f, rule)), "%s never applies: it leaves out every category that it asks for",
			    rule->id);
	}
}

/* Conditions of one rule that no member fills together. */
static void
trap_rule_for_nobody(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];
		const struct when *w = &rule->when;
		size_t at = rule_place(f, rule);
		bool spent = w->has_previous_month_spend && w->previous_min > 0 && w->waive_months == 0;

		if (spent && w->first_purchase)
			trap(f, KEY("earn[%zu].when.first_purchase", at), "%s never applies: before the first purchase nobody has spent %s in the month before",
			    rule->id, MONEY_TEXT(f, w->previous_min));
		else if (spent && rule->on == ON_ENROL)
			trap(f, KEY("earn[%zu].when.previous_month_spend", at), "%s never applies: at the enrolment nobody has spent anything yet", rule->id);
		if (rule->on == ON_ENROL && w->member_days_min > 0)
			trap(f, KEY("earn[%zu].when.member_days_min", at), "%s never applies: at the enrolment nobody is a member for %u days", rule->id,
			    w->member_days_min);
	}
}

static bool
names_lowest(const struct program *p, const struct word_list *tiers)
{
	for (size_t i = 0; i < tiers->n; i++) {
		if (strcmp(tiers->v[i], p->tiers[0].id) == 0)
			return true;
	}
	return false;
}

static void
trap_rule_for_no_tier(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];
		const struct word_list *tiers = &rule->when.tiers;
		const char *key = KEY("earn[%zu].when.tiers", rule_place(f, rule));
		bool any = tiers->n == 0;

		for (size_t k = 0; k < tiers->n; k++)
			any |= tier_attainable(f->p, program_tier(f->p, tiers->v[k]));
		if (!any)
			trap(f, key, "%s applies to nobody but by a gifted tier: no rule lets a member reach a tier that it names", rule->id);
		else if (rule->on == ON_ENROL && tiers->n > 0 && !names_lowest(f->p, tiers))
			trap(f, key, "%s never applies: who enrols begins in %s, which it does not name", rule->id, f->p->tiers[0].id);
	}
}

/* ---- rules that apply and give nothing ---- */

static void
trap_rule_below_step(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];

		if (rule->measure != MEASURE_PER_AMOUNT || !rule->whole_steps || f->p->carry_remainder || !rule->when.has_max_amount ||
		    rule->when.max_amount >= rule->amount)
			continue;
		trap(f, KEY("earn[%zu].when.max_amount", rule_place(f, rule)), "%s gives nothing: an amount of at most %s has no full step of %s",
		    rule->id,
		    MONEY_TEXT(f, rule->when.max_amount), MONEY_TEXT(f, rule->amount));
	}
}

static void
trap_rule_gives_nothing(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];
		size_t at = rule_place(f, rule);

		if (rule->kind == RULE_MULTIPLIER && rule->multiplier == MULTIPLIER_UNIT)
			trap(f, KEY("earn[%zu].multiply", at), "%s gives nothing: times 1 is what there was before", rule->id);
		if (rule->kind == RULE_BONUS && rule->points == 0)		/* a base rule of 0 may well stand in the place of another */
			trap(f, KEY("earn[%zu]", at), "%s gives nothing: a bonus of 0 points", rule->id);
		for (size_t k = 0; k < f->def->rules[at].n_caps; k++) {
			const struct cap_def *cap = &f->def->rules[at].caps[k];
			if (cap->points != NULL && cap->points[strspn(cap->points, "0.")] == '\0' && cap->over != CAP_FALLBACK)
				trap(f, KEY("earn[%zu].caps[%zu].points", at, k), "%s gives nothing: its cap is 0 points", rule->id);
		}
	}
	if (f->p->has_earn_per_day && f->p->earn_per_day == 0)
		trap(f, "limits.earn_per_day", "nobody earns anything: the day's limit is 0 points");
}

static void
trap_multiplier_without_base(struct finder *f)
{
	static const char *const events[] = { [ON_PURCHASE] = "purchases", [ON_ACTIVITY] = "activities", [ON_ENROL] = "enrolments" };

	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];
		bool any = rule->kind != RULE_MULTIPLIER;

		for (size_t k = 0; k < f->p->n_rules; k++)
			any |= f->p->rules[k].kind == RULE_BASE && f->p->rules[k].on == rule->on;
		if (!any)
			trap(f, KEY("earn[%zu].multiply", rule_place(f, rule)), "%s multiplies nothing: multipliers work on base rules, and none is for %s",
			    rule->id, events[rule->on]);
	}
}

static bool
falls_back(const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_caps; i++) {
		if (rule->caps[i].over == CAP_FALLBACK)
			return true;
	}
	return false;
}

static void
trap_rule_replaced_always(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];

		if (rule->replaces == RULE_NONE || rule->on != ON_PURCHASE || falls_back(rule))
			continue;
		const struct rule *other = &f->p->rules[rule->replaces];
		if (rule_covers(rule, other))
			trap(f, KEY("earn[%zu].replaces", rule_place(f, rule)), "%s never gives anything: %s replaces it at every purchase that it is for",
			    other->id, rule->id);
	}
}

/* The group's cap in points, when it is the only one that the rule has. */
static const struct cap *
only_cap_of_group(const struct rule *rule, bool alone)
{
	for (size_t i = 0; i < rule->n_caps; i++) {
		if (rule->caps[i].group[0] != '\0' && !rule->caps[i].counts && (!alone || rule->n_caps == 1))
			return &rule->caps[i];
	}
	return NULL;
}

static void
trap_rule_starves(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		for (size_t k = 0; k < f->p->n_rules; k++) {
			const struct rule *first = &f->p->rules[k], *rule = &f->p->rules[i];
			const struct cap *a = only_cap_of_group(first, true), *b = only_cap_of_group(rule, false);

			if (a == NULL || b == NULL || strcmp(a->group, b->group) != 0 || !rule_precedes(first, rule) || !rule_covers(first, rule) ||
			    rule_gives_at_least(first, rule) < a->limit)
				continue;
			trap(f, KEY("earn[%zu].caps", rule_place(f, rule)), "%s never gives anything: %s comes first, is there whenever %s is, and takes all %s "
			    "points of the group %s", rule->id, first->id, rule->id, POINTS_TEXT(f, a->limit), a->group);
			break;
		}
	}
}

/* ---- pending and expiry ---- */

static void
trap_pending_same_day(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];

		if (rule->pending.kind == PENDING_ACTIVITY && rule->pending.days == 0)
			trap(f, KEY("earn[%zu].pending.within_days", rule_place(f, rule)), "points of %s are cancelled at the next midnight: %s must come on "
			    "the day of the purchase", rule->id, rule->pending.activity);
	}
}

static void
trap_pending_outlives(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_rules; i++) {
		const struct rule *rule = &f->p->rules[i];
		int32_t waits = rule->pending.kind == PENDING_NEXT_MONTH ? DAYS_OF_MONTH_MAX : (int32_t)rule->pending.days;
		int32_t lives = rule->has_pending ? rule_life_days(f->p, rule) : LIFE_ENDLESS;

		if (rule->pending.kind != PENDING_NONE && lives < waits)
			trap(f, KEY("earn[%zu].pending", rule_place(f, rule)), "points of %s wait up to %d days, and can then be used for as little as %d: they "
			    "expire sooner than they come", rule->id, (int)waits, (int)lives);
	}
}

static void
look_at_date(struct finder *f, const char *key, const struct expiry *e)
{
	if (!e->never && !e->inactivity && e->on_month != 0 && e->months == 0)
		trap(f, key, "points that come on %02d-%02d can be used on that day only; with years: 1 they last a year longer", e->on_month, e->on_day);
}

static void
trap_expiry_on_its_day(struct finder *f)
{
	look_at_date(f, "expiry.years", &f->p->expiry);
	for (size_t i = 0; i < f->p->n_tiers; i++) {
		if (f->p->tiers[i].has_expiry)
			look_at_date(f, KEY("tiers[%zu].expiry.years", tier_place(f, &f->p->tiers[i])), &f->p->tiers[i].expiry);
	}
	for (size_t i = 0; i < f->p->n_rules; i++) {
		if (f->p->rules[i].has_expiry)
			look_at_date(f, KEY("earn[%zu].expiry.years", rule_place(f, &f->p->rules[i])), &f->p->rules[i].expiry);
	}
}

static bool
name_is_known(const struct program *p, const char *name)
{
	for (int op = 0; op < OP_COUNT; op++) {
		if (op_known((enum op)op) && strcmp(op_str((enum op)op), name) == 0)
			return true;
	}
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		if (strcmp(rule->when.activity, name) == 0 || (rule->pending.kind == PENDING_ACTIVITY && strcmp(rule->pending.activity, name) == 0))
			return true;
	}
	return false;
}

static void
look_at_names(struct finder *f, const char *section, const struct expiry *e)
{
	const struct names *names = e->inactivity ? &f->p->inactivity.activities : &e->refresh_on;
	const char *what = e->inactivity ? "inactivity.activities" : "refresh_on";

	for (size_t i = 0; i < names->n; i++) {
		if (!name_is_known(f->p, names->name[i]))
			trap(f, KEY("%s.%s[%zu]", section, what, i), "there is no command %s, and no rule is for an activity of that name: unless tills or apps "
			    "send one, it does nothing", names->name[i]);
	}
}

static void
trap_expiry_names_nothing(struct finder *f)
{
	look_at_names(f, "expiry", &f->p->expiry);
	for (size_t i = 0; i < f->p->n_tiers; i++) {
		if (f->p->tiers[i].has_expiry)
			look_at_names(f, KEY("tiers[%zu].expiry", tier_place(f, &f->p->tiers[i])), &f->p->tiers[i].expiry);
	}
}

/* ---- birthdays, redemption, notices ---- */

static void
look_at_birthday(struct finder *f, const char *key, uint32_t before, uint32_t after)
{
	if (before + after > f->p->guard_days)
		trap(f, key, "the window is open for %u days, and a changed date counts after %u: who has missed it, or cannot wait, moves the birthday "
		    "into it and is paid; guard_days of at least %u closes that", before + after, f->p->guard_days, before + after);
}

static void
trap_birthday_beyond_guard(struct finder *f)
{
	if (!f->p->has_birthday)
		return;
	look_at_birthday(f, "birthday.window", f->p->birthday_days_before, f->p->birthday_days_after);
	for (size_t i = 0; i < f->p->n_tiers; i++) {
		const struct tier *tier = &f->p->tiers[i];

		if (tier->has_birthday_window)
			look_at_birthday(f, KEY("tiers[%zu].birthday", tier_place(f, tier)), tier->birthday_days_before, tier->birthday_days_after);
	}
}

static void
trap_birthday_for_nobody(struct finder *f)
{
	struct stretch stretch = stretch_of_months(f->p->within_months);

	if (f->p->has_requires && metric_at_most(f->p, METRIC_POINTS_EARNED, &stretch) < f->p->requires_points)
		trap(f, "birthday.requires.points_earned", "nobody is paid for a birthday: the rules cannot give a member %s points within %u months",
		    POINTS_TEXT(f, f->p->requires_points), f->p->within_months);
}

static void
trap_redemption_off_step(struct finder *f)
{
	if (f->p->has_redemption && f->p->redeem_min % f->p->redeem_step != 0)
		trap(f, "redemption.min", "min is no multiple of step: with %s and %s the least that can be redeemed is %s", POINTS_TEXT(f,
		    f->p->redeem_min),
		    POINTS_TEXT(f, f->p->redeem_step), POINTS_TEXT(f, redemption_least(f->p)));
}

static void
trap_redemption_never(struct finder *f)
{
	int64_t least = f->p->has_redemption ? redemption_least(f->p) : 0;

	if (!f->p->has_redemption)
		return;
	if (f->p->has_value && f->p->max_percent_of_order == 0)
		trap(f, "redemption.max_percent_of_order", "no order can be paid with points: %s points are worth more than 0 %% of any",
		    POINTS_TEXT(f, least));
	if (f->p->has_redeem_per_day && f->p->redeem_per_day < least)
		trap(f, "limits.redeem_per_day", "nobody can redeem: the day's limit of %s points is below the least of a redemption, %s",
		    POINTS_TEXT(f, f->p->redeem_per_day), POINTS_TEXT(f, least));
	__extension__ typedef __int128 wide;
	if (f->p->has_value && (wide)least * f->p->value_amount < f->p->value_points)
		trap(f, "redemption.value", "the least that can be redeemed, %s points, is worth nothing: values are rounded down to %s %s; a larger min "
		    "or step avoids that", POINTS_TEXT(f, least), MONEY_TEXT(f, 1), f->p->currency);
}

static void
trap_reward_never(struct finder *f)
{
	const struct program *p = f->p;

	for (size_t i = 0; i < p->n_rewards; i++) {
		const struct reward *r = &p->rewards[i];

		if (p->has_redeem_per_day && p->redeem_per_day < r->cost)
			trap(f, KEY("rewards[%zu].cost", i), "nobody can redeem %s: it costs %s points, and the day's limit is %s (limits.redeem_per_day)", r->id,
			    POINTS_TEXT(f, r->cost), POINTS_TEXT(f, p->redeem_per_day));
		if (r->has_stock && r->stock == 0)
			trap(f, KEY("rewards[%zu].stock", i), "nobody can redeem %s: there are none of it", r->id);
		if (r->until < f->today)
			trap(f, KEY("rewards[%zu].until", i), "nobody can redeem %s: it ended on %s", r->id, DAY_TEXT(r->until));
	}
}

static void
trap_card_is_over(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_cards; i++) {
		const struct card *card = &f->p->cards[i];

		if (card->when.until < f->today)
			trap(f, KEY("stamps[%zu].when.until", i), "the card %s gives no stamps: it ended on %s", card->id, DAY_TEXT(card->when.until));
	}
}

/* Points that become a voucher at once can never be so many. */
static void
trap_auto_redeem_starves(struct finder *f)
{
	const struct program *p = f->p;

	for (size_t i = 0; i < p->n_rewards && p->has_auto_redeem && p->auto_tiers.n == 0; i++) {
		if (p->rewards[i].cost >= p->auto_at)
			trap(f, KEY("rewards[%zu].cost", i), "nobody can redeem %s: it costs %s points, and %s become a voucher by themselves (auto_redeem)",
			    p->rewards[i].id, POINTS_TEXT(f, p->rewards[i].cost), POINTS_TEXT(f, p->auto_at));
	}
}

static void
trap_hold_outlives(struct finder *f)
{
	int32_t least = rule_life_days(f->p, NULL);
	int64_t days = f->p->max_ttl_us / US_PER_DAY;

	for (size_t i = 0; i < f->p->n_rules; i++) {
		int32_t life = rule_life_days(f->p, &f->p->rules[i]);
		if (f->p->rules[i].kind != RULE_COUNTER && f->p->rules[i].kind != RULE_VOUCHER && life < least)
			least = life;
	}
	if (f->p->has_redemption && f->p->expire_at_once && days > least)
		trap(f, "redemption.hold.max_ttl", "a hold may last %lld days, and points that live for %d end inside it (expire_at_once): a capture "
		    "then finds less than was set aside", (long long)days, (int)least);
}

static void
trap_transfer_never(struct finder *f)
{
	const struct program *p = f->p;
	int64_t least = p->transfer_min > 1 ? p->transfer_min : 1;

	if (p->has_out_per_year && p->out_per_year < least)
		trap(f, "transfers.out_per_year", "no transfer is possible: a member may send %s points a year, and the least is %s",
		    POINTS_TEXT(f, p->out_per_year), POINTS_TEXT(f, least));
	if (p->has_in_per_year && p->in_per_year < least)
		trap(f, "transfers.in_per_year", "no transfer is possible: a member may receive %s points a year, and the least is %s",
		    POINTS_TEXT(f, p->in_per_year), POINTS_TEXT(f, least));
	if (p->has_times_per_year && p->times_per_year == 0)
		trap(f, "transfers.times_per_year", "no transfer is possible: a member may make none a year");
}

static void
trap_advance_never(struct finder *f)
{
	if (f->p->has_advance && f->p->advance_max == 0)
		trap(f, "advance.max", "nobody is lent points: the most is 0");
}

static void
trap_notice_never(struct finder *f)
{
	bool ends = !f->p->expiry.never, falls = false;

	for (size_t i = 0; i < f->p->n_tiers; i++) {
		ends |= f->p->tiers[i].has_expiry && !f->p->tiers[i].expiry.never;
		falls |= f->p->tiers[i].valid != VALID_FOREVER;
	}
	for (size_t i = 0; i < f->p->n_rules; i++)
		ends |= f->p->rules[i].has_expiry && !f->p->rules[i].expiry.never;
	for (size_t i = 0; i < f->p->n_vouchers; i++)
		ends |= f->p->vouchers[i].valid.days > 0 || f->p->vouchers[i].valid.months > 0;
	if (f->p->n_expiring_days > 0 && !ends)
		trap(f, "notices.expiring_days", "this notice never comes: no points expire, and no voucher does");
	if (f->p->n_downgrade_days > 0 && !falls)
		trap(f, "notices.downgrade_days", "this notice never comes: every tier is valid for ever");
}

/* ---- all of them ---- */

static void (*const traps_table[])(struct finder *f) = {
	trap_tier_out_of_reach, trap_tier_never_kept, trap_tier_passed_over, trap_tier_never_asked, trap_tier_multiplies_nothing,
	trap_rule_is_over, trap_rule_on_no_day, trap_rule_excludes_itself, trap_rule_for_nobody, trap_rule_for_no_tier,
	trap_rule_below_step, trap_rule_gives_nothing, trap_multiplier_without_base, trap_rule_replaced_always, trap_rule_starves,
	trap_pending_same_day, trap_pending_outlives, trap_expiry_on_its_day, trap_expiry_names_nothing,
	trap_birthday_beyond_guard, trap_birthday_for_nobody,
	trap_redemption_off_step, trap_redemption_never, trap_reward_never, trap_card_is_over, trap_auto_redeem_starves,
	trap_hold_outlives, trap_transfer_never, trap_advance_never, trap_notice_never,
};

/* Of one line in the order of the table. */
static void
sort_by_line(struct traps *traps)
{
	for (size_t i = 1; i < traps->n; i++) {
		struct trap moved = traps->trap[i];
		size_t place = i;

		for (; place > 0 && traps->trap[place - 1].line > moved.line; place--)
			traps->trap[place] = traps->trap[place - 1];
		traps->trap[place] = moved;
	}
}

void
program_traps_find(const struct program_file *file, int64_t now_us, struct traps *ret)
{
	struct finder f = { .file = file, .p = file->program, .def = file->def, .today = zone_day(&file->program->zone, now_us), .traps = ret };

	ret->n = 0;
	for (size_t i = 0; i < sizeof(traps_table) / sizeof(traps_table[0]); i++)
		traps_table[i](&f);
	sort_by_line(ret);
}

void
program_traps_tell(const char *path, const struct traps *traps)
{
	for (size_t i = 0; i < traps->n; i++) {
		const struct trap *t = &traps->trap[i];

		(void)fprintf(stderr, "%s:%u: warning: %s: %s\n", path, t->line, t->key, t->message);
	}
}

json_t *
program_traps_json(const struct traps *traps)
{
	json_t *list = json_array();

	assert(list != NULL);
	for (size_t i = 0; i < traps->n; i++) {
		json_t *object = json_new();

		json_put_number(object, "line", traps->trap[i].line);
		json_put_text(object, "key", traps->trap[i].key);
		json_put_text(object, "message", traps->trap[i].message);
		if (json_array_append_new(list, object) != 0)
			assert(false);
	}
	return list;
}
