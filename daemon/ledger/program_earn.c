/*
 * The earn section.  Judged rule by rule in the order of the file and key by key in the order of program.proto; what a rule says of
 * another rule, or of other caps of its group, comes after all of them.
 */
#include <assert.h>
#include <string.h>

#include "ledger/compile.h"

#define WORDS_MAX 200			/* of one list of a condition */
#define WORD_BYTES_MAX 64
#define MEMBER_DAYS_MAX 36500
#define WAIVE_MONTHS_MAX 120
#define PENDING_DAYS_MAX 3650
#define COUNTER_ADD_MAX 1000000
#define GAP_MAX_US (3650 * US_PER_DAY)
#define STACK_MAX INT64_C(1000000000000000000)

/* ---- lists of words ---- */

static bool
plain_word(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)word[i] < 0x20 || word[i] == 0x7f)
			return false;
	}
	return len >= 1 && len <= WORD_BYTES_MAX;
}

/* A copy in the program's arena: the definition ends before the program does. */
static bool
compile_words(struct compiler *c, const char *path, const struct word_list *def, struct word_list *ret)
{
	const char **copy;

	if (def->n > WORDS_MAX)
		return wrong(c, path, "a list has at most %d elements", WORDS_MAX);
	copy = arena_alloc(c->arena, def->n * sizeof(*copy));
	if (copy == NULL) {
		c->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < def->n; i++) {
		if (!plain_word(def->v[i]))
			return wrong(c, PATH("%.80s[%zu]", path, i), "is not 1 to %d bytes of text without control characters", WORD_BYTES_MAX);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(def->v[i], def->v[k]) == 0)
				return wrong(c, PATH("%.80s[%zu]", path, i), "\"%s\" stands twice", def->v[i]);
		}
		copy[i] = arena_strdup(c->arena, def->v[i]);
		if (copy[i] == NULL) {
			c->no_memory = true;
			return false;
		}
	}
	*ret = (struct word_list){ def->n, copy };
	return true;
}

static bool
is_tier(const struct program_def *def, const char *id)
{
	for (size_t i = 0; i < def->n_tiers && i < PROGRAM_TIERS_MAX; i++) {
		if (def->tiers[i].id != NULL && strcmp(def->tiers[i].id, id) == 0)
			return true;
	}
	return false;
}

/* ---- conditions ---- */

static bool
compile_weekdays(struct compiler *c, const char *path, const struct word_list *def, unsigned *ret)
{
	static const char *const names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

	for (size_t i = 0; i < def->n; i++) {
		size_t day = 0;

		while (day < 7 && strcmp(names[day], def->v[i]) != 0)
			day++;
		if (day == 7)
			return wrong(c, PATH("%.80s[%zu]", path, i), "a weekday is mon, tue, wed, thu, fri, sat or sun");
		if ((*ret >> day & 1) != 0)
			return wrong(c, PATH("%.80s[%zu]", path, i), "%s stands twice", def->v[i]);
		*ret |= 1u << day;
	}
	return true;
}

/* "HH:MM"; 24:00 only where a day may end. */
static bool
minute_parse(const char *text, bool may_end, int32_t *ret_s)
{
	for (size_t i = 0; i < 5; i++) {
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
			return false;
	}
	int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
	if (minute > 59 || hour > 24 || (hour == 24 && (minute != 0 || !may_end)))
		return false;
	*ret_s = hour * 3600 + minute * 60;
	return true;
}

static bool
compile_hours(struct compiler *c, const char *path, const char *text, struct when *w)
{
	if (text == NULL)
		return true;
	w->has_hours = true;
	if (strlen(text) != 11 || text[5] != '-' || !minute_parse(text, false, &w->hours_from_s) || !minute_parse(text + 6, true, &w->hours_to_s) ||
	    w->hours_from_s == w->hours_to_s)
		return wrong(c, path, "hours are two different times such as \"07:00-09:30\"; they may pass midnight");
	return true;
}

bool
compile_dates(struct compiler *c, const char *path, const char *from, const char *until, int32_t *ret_from, int32_t *ret_until)
{
	*ret_from = INT32_MIN;
	*ret_until = DAY_NEVER;
	if (from != NULL && !day_parse(from, ret_from))
		return wrong(c, PATH("%.64s.from", path), "from is a date, YYYY-MM-DD");
	if (until != NULL && !day_parse(until, ret_until))
		return wrong(c, PATH("%.64s.until", path), "until is a date, YYYY-MM-DD");
	if (*ret_from > *ret_until)
		return wrong(c, PATH("%.64s.until", path), "until is before from");
	return true;
}

static bool
compile_min_gap(struct compiler *c, const char *path, const char *text, int64_t *ret_us)
{
	if (text == NULL)
		return true;
	if (!duration_parse(text, ret_us) || *ret_us > GAP_MAX_US)
		return wrong(c, path, "min_gap is a duration such as \"300s\", \"3m\", \"2h\" or \"30d\", at most %dd", (int)(GAP_MAX_US / US_PER_DAY));
	if (*ret_us > c->p->gap_max_us)
		c->p->gap_max_us = *ret_us;
	return true;
}

static bool
compile_previous_month(struct compiler *c, const char *path, const struct when_def *def, struct when *w)
{
	if (!def->has_previous_month_spend)
		return true;
	w->has_previous_month_spend = true;
	return compile_money(c, PATH("%.40s.previous_month_spend.min", path), def->previous_min, 0, &w->previous_min) &&
	    compile_at_most(c, PATH("%.40s.previous_month_spend.waive_months", path), def->waive_months, WAIVE_MONTHS_MAX,
	    &w->waive_months);
}

static bool
compile_amounts(struct compiler *c, const char *path, const struct when_def *def, struct when *w)
{
	w->has_min_amount = def->min_amount != NULL;
	w->has_max_amount = def->max_amount != NULL;
	if (w->has_min_amount && !compile_money(c, PATH("%.64s.min_amount", path), def->min_amount, 0, &w->min_amount))
		return false;
	if (w->has_max_amount && !compile_money(c, PATH("%.64s.max_amount", path), def->max_amount, 0, &w->max_amount))
		return false;
	if (w->has_min_amount && w->has_max_amount && w->max_amount < w->min_amount)
		return wrong(c, PATH("%.64s.max_amount", path), "max_amount is below min_amount");
	return true;
}

bool
compile_tier_list(struct compiler *c, const char *path, const struct word_list *def, struct word_list *ret)
{
	if (!compile_words(c, path, def, ret))
		return false;
	for (size_t i = 0; i < ret->n; i++) {
		if (!is_tier(c->def, ret->v[i]))
			return wrong(c, PATH("%.80s[%zu]", path, i), "this program has no tier %.40s", ret->v[i]);
	}
	return true;
}

static bool
compile_lists(struct compiler *c, const char *path, const struct when_def *def, struct when *w)
{
	if (!compile_words(c, PATH("%.64s.categories", path), &def->categories, &w->categories) ||
	    !compile_words(c, PATH("%.64s.skus", path), &def->skus, &w->skus) ||
	    !compile_words(c, PATH("%.64s.exclude_categories", path), &def->exclude_categories, &w->exclude_categories) ||
	    !compile_words(c, PATH("%.64s.stores", path), &def->stores, &w->stores) ||
	    !compile_words(c, PATH("%.64s.partners", path), &def->partners, &w->partners) ||
	    !compile_tier_list(c, PATH("%.64s.tiers", path), &def->tiers, &w->tiers) ||
	    !compile_words(c, PATH("%.64s.segments", path), &def->segments, &w->segments))
		return false;
	c->p->names_segments |= w->segments.n > 0;
	return true;
}

/* What an event of this kind does not have cannot be asked for. */
static bool
check_when_fits(struct compiler *c, const char *path, enum rule_on on, const struct when *w)
{
	if (on != ON_PURCHASE && w->categories.n + w->skus.n + w->exclude_categories.n > 0)
		return wrong(c, path, "categories, skus and exclude_categories go with `on: purchase`: nothing else has lines");
	if (on == ON_ENROL && (w->has_min_amount || w->has_max_amount))
		return wrong(c, path, "an enrolment has no amount to ask for");
	if (on == ON_ENROL && w->partners.n > 0)
		return wrong(c, PATH("%.64s.partners", path), "an enrolment has no partner");
	if (on == ON_ENROL && w->membership[0] != 0)
		return wrong(c, PATH("%.64s.membership", path), "who enrols has no membership yet");
	if (on != ON_ACTIVITY && w->activity[0] != 0)
		return wrong(c, PATH("%.64s.activity", path), "activity goes with `on: activity`");
	return true;
}

bool
compile_when(struct compiler *c, const char *at, const struct when_def *def, enum rule_on on, struct when *w)
{
	const char *path = PATH("%.40s.when", at);

	if (!compile_amounts(c, path, def, w) || !compile_lists(c, path, def, w) ||
	    !compile_min_gap(c, PATH("%.64s.min_gap", path), def->min_gap, &w->min_gap_us) ||
	    !compile_weekdays(c, PATH("%.64s.weekdays", path), &def->weekdays, &w->weekdays) ||
	    !compile_hours(c, PATH("%.64s.hours", path), def->hours, w) || !compile_dates(c, path, def->from, def->until, &w->from, &w->until))
		return false;
	if (def->has_first_purchase && !def->first_purchase)
		return wrong(c, PATH("%.64s.first_purchase", path), "first_purchase is true or left out");
	w->first_purchase = def->has_first_purchase;
	if (def->activity != NULL && !compile_id(c, PATH("%.64s.activity", path), def->activity, w->activity))
		return false;
	if (def->membership != NULL && !compile_id(c, PATH("%.64s.membership", path), def->membership, w->membership))
		return false;
	if (def->has_member_days_min && !compile_at_most(c, PATH("%.64s.member_days_min", path), def->member_days_min, MEMBER_DAYS_MAX,
	    &w->member_days_min))
		return false;
	return compile_previous_month(c, path, def, w) && check_when_fits(c, path, on, w);
}

/* ---- measures ---- */

static bool
compile_counter(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	const struct program *p = c->p;

	if (def->counter == NULL)
		return wrong(c, PATH("earn[%zu].counter.id", at), "id is required: one of the program's counters");
	while (rule->counter < p->n_counters && strcmp(p->counters[rule->counter], def->counter) != 0)
		rule->counter++;
	if (rule->counter == p->n_counters)
		return wrong(c, PATH("earn[%zu].counter.id", at), "%.40s is not in the program's list of counters", def->counter);
	if (!def->has_counter_add || def->counter_add == 0 || def->counter_add > COUNTER_ADD_MAX)
		return wrong(c, PATH("earn[%zu].counter.add", at), "add is 1 to %d", COUNTER_ADD_MAX);
	if (def->counter_per_item && rule->on != ON_PURCHASE)
		return wrong(c, PATH("earn[%zu].counter.per", at), "`per: item` goes with `on: purchase`: nothing else has lines");
	rule->counter_add = def->counter_add;
	rule->counter_per_item = def->counter_per_item;
	return true;
}

static bool
compile_multiply(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	return compile_multiplier(c, PATH("earn[%zu].multiply", at), def->multiply, &rule->multiplier);
}

static bool
compile_per_amount(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	rule->whole_steps = def->whole_steps;
	if (rule->on == ON_ENROL)
		return wrong(c, PATH("earn[%zu].per_amount", at), "an enrolment has no amount; use fixed");
	return compile_money(c, PATH("earn[%zu].per_amount.amount", at), def->amount, 1, &rule->amount) &&
	    compile_points(c, PATH("earn[%zu].per_amount.points", at), def->points, 0, &rule->points);
}

static bool
compile_fixed(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	return compile_points(c, PATH("earn[%zu].fixed.points", at), def->points, 0, &rule->points);
}

static bool
compile_per_item(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	if (rule->on == ON_ENROL)
		return wrong(c, PATH("earn[%zu].per_item", at), "an enrolment has no items; use fixed");
	return compile_points(c, PATH("earn[%zu].per_item.points", at), def->points, 0, &rule->points);
}

static bool
compile_measure(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	int n = (int)def->has_per_amount + (int)def->has_fixed + (int)def->has_per_item + (def->multiply != NULL) + (int)def->has_counter +
	    (def->voucher != NULL);

	if (rule->kind == RULE_MULTIPLIER && (n != 1 || def->multiply == NULL))
		return wrong(c, PATH("earn[%zu]", at), "a multiplier needs `multiply` and no other measure");
	if (rule->kind == RULE_COUNTER && (n != 1 || !def->has_counter))
		return wrong(c, PATH("earn[%zu]", at), "a rule of kind counter needs `counter` and no other measure");
	if (rule->kind == RULE_VOUCHER && (n != 1 || def->voucher == NULL))
		return wrong(c, PATH("earn[%zu]", at), "a rule of kind voucher needs `voucher` and no other measure");
	if (n != 1 || (rule->kind <= RULE_BONUS && (def->multiply != NULL || def->has_counter || def->voucher != NULL)))
		return wrong(c, PATH("earn[%zu]", at), "a rule needs one of per_amount, fixed and per_item");
	rule->measure = def->has_per_amount ? MEASURE_PER_AMOUNT : def->has_fixed ? MEASURE_FIXED : def->has_per_item ? MEASURE_PER_ITEM :
	    def->multiply != NULL ? MEASURE_MULTIPLY : def->has_counter ? MEASURE_COUNTER : MEASURE_VOUCHER;
	switch (rule->measure) {
	case MEASURE_PER_AMOUNT: return compile_per_amount(c, at, def, rule);
	case MEASURE_FIXED: return compile_fixed(c, at, def, rule);
	case MEASURE_PER_ITEM: return compile_per_item(c, at, def, rule);
	case MEASURE_MULTIPLY: return compile_multiply(c, at, def, rule);
	case MEASURE_COUNTER: return compile_counter(c, at, def, rule);
	case MEASURE_VOUCHER: return compile_voucher_ref(c, PATH("earn[%zu].voucher", at), def->voucher, &rule->voucher);
	}
	assert(false);
	return false;
}

/* ---- caps ---- */

static bool
compile_cap(struct compiler *c, size_t at, size_t i, const struct rule_def *def, const struct rule *rule, struct cap *cap)
{
	const struct cap_def *d = &def->caps[i];

	if (!d->has_per)
		return wrong(c, PATH("earn[%zu].caps[%zu].per", at, i), "per is required: transaction, day, month, year, lifetime or program");
	cap->per = d->per;
	cap->counts = d->has_count;
	if ((d->points != NULL) == d->has_count)
		return wrong(c, PATH("earn[%zu].caps[%zu]", at, i), "a cap needs one of points and count");
	if (d->has_count && d->count == 0)
		return wrong(c, PATH("earn[%zu].caps[%zu].count", at, i), "count is at least 1");
	if (d->has_count)
		cap->limit = d->count;
	else if (rule->kind == RULE_COUNTER || rule->kind == RULE_VOUCHER)
		return wrong(c, PATH("earn[%zu].caps[%zu].points", at, i), "a rule of kind counter or voucher gives no points; use count");
	else if (!compile_points(c, PATH("earn[%zu].caps[%zu].points", at, i), d->points, 0, &cap->limit))
		return false;
	cap->over = d->over;
	if (d->over == CAP_FALLBACK && (def->replaces == NULL || rule->measure != MEASURE_PER_AMOUNT))
		return wrong(c, PATH("earn[%zu].caps[%zu].over", at, i), "fallback needs `replaces`, which gets the rest, and per_amount");
	return d->group == NULL || compile_id(c, PATH("earn[%zu].caps[%zu].group", at, i), d->group, cap->group);
}

/* Most specific first; equal periods in the order of the file. */
static bool
compile_caps(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	if (def->n_caps > PROGRAM_CAPS_MAX)
		return wrong(c, PATH("earn[%zu].caps", at), "a rule has at most %d caps", PROGRAM_CAPS_MAX);
	for (size_t i = 0; i < def->n_caps; i++) {
		struct cap cap = { 0 };
		size_t place = rule->n_caps;

		if (!compile_cap(c, at, i, def, rule, &cap))
			return false;
		for (size_t k = 0; k < rule->n_caps; k++) {
			const struct cap *other = &rule->caps[k];
			if (strcmp(other->group, cap.group) == 0 && (cap.group[0] != 0 || (other->per == cap.per && other->counts == cap.counts)))
				return wrong(c, PATH("earn[%zu].caps[%zu]", at, i), "this rule has another cap like it");
		}
		while (place > 0 && rule->caps[place - 1].per > cap.per)
			place--;
		memmove(&rule->caps[place + 1], &rule->caps[place], (rule->n_caps - place) * sizeof(cap));
		rule->caps[place] = cap;
		rule->n_caps++;
	}
	/* With `once` only the sum is rounded, so there is no whole number to hold against a cap. */
	if (c->p->round_once && rule->n_caps > 0 && rule->measure == MEASURE_PER_AMOUNT && !rule->whole_steps && rule->points % rule->amount != 0)
		return wrong(c, PATH("earn[%zu].caps", at), "with `rounding.at: once` a rule with caps gives whole points: use whole_steps");
	if (c->p->round_once && rule->n_caps > 0 && rule->measure == MEASURE_MULTIPLY)
		return wrong(c, PATH("earn[%zu].caps", at), "with `rounding.at: once` a multiplier has no caps, because its share is not whole");
	return true;
}

/* ---- when its points come, and how long they live ---- */

static bool
compile_pending(struct compiler *c, size_t at, const struct pending_def *def, struct rule *rule)
{
	int n = (int)def->has_days + (int)def->next_month_start + (def->on_activity != NULL);
	struct pending_term *t = &rule->pending;

	if (!def->given)
		return true;
	if (rule->kind == RULE_COUNTER || rule->kind == RULE_VOUCHER)
		return wrong(c, PATH("earn[%zu].pending", at), "a rule of kind counter or voucher gives no points that could wait");
	if (n != 1)
		return wrong(c, PATH("earn[%zu].pending", at), "pending needs one of days, until and on_activity");
	if (def->has_within_days != (def->on_activity != NULL))
		return wrong(c, PATH("earn[%zu].pending.within_days", at), "within_days goes with on_activity, and on_activity needs it");
	rule->has_pending = true;
	if (def->next_month_start) {
		t->kind = PENDING_NEXT_MONTH;
		return true;
	}
	if (def->has_days) {
		t->kind = def->days == 0 ? PENDING_NONE : PENDING_DAYS;
		return compile_at_most(c, PATH("earn[%zu].pending.days", at), def->days, PENDING_DAYS_MAX, &t->days);
	}
	t->kind = PENDING_ACTIVITY;
	if (rule->on != ON_PURCHASE)
		return wrong(c, PATH("earn[%zu].pending.on_activity", at), "an activity completes a purchase; on_activity goes with `on: purchase`");
	return compile_id(c, PATH("earn[%zu].pending.on_activity", at), def->on_activity, t->activity) &&
	    compile_at_most(c, PATH("earn[%zu].pending.within_days", at), def->within_days, PENDING_DAYS_MAX, &t->days);
}

static bool
compile_terms(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	if (!compile_pending(c, at, &def->pending, rule))
		return false;
	if (def->expiry.given && (rule->kind == RULE_COUNTER || rule->kind == RULE_VOUCHER))
		return wrong(c, PATH("earn[%zu].expiry", at), "a rule of kind counter or voucher gives no points that could expire");
	if (def->expiry.n_refresh > 0)
		return wrong(c, PATH("earn[%zu].expiry.refresh_on", at), "refresh_on goes with the program's expiry, or a tier's: "
		    "lots do not remember the rule that earned them");
	rule->has_expiry = def->expiry.given;
	return compile_expiry(c, PATH("earn[%zu].expiry", at), &def->expiry, &rule->expiry);
}

/* ---- rules ---- */

static bool
compile_rule_head(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	const struct program *p = c->p;

	if (!compile_id(c, PATH("earn[%zu].id", at), def->id, rule->id))
		return false;
	if (!def->has_priority)
		return wrong(c, PATH("earn[%zu].priority", at), "priority is required; rules with lower ones come first");
	rule->priority = def->priority;
	if (!def->has_kind)
		return wrong(c, PATH("earn[%zu].kind", at), "kind is required: base, multiplier, bonus, voucher or counter");
	rule->on = def->on;
	rule->kind = def->kind;
	rule->replaces = RULE_NONE;
	for (size_t i = 0; i < p->n_rules; i++) {
		if (strcmp(p->rules[i].id, rule->id) == 0)
			return wrong(c, PATH("earn[%zu].id", at), "two rules have the id %s", rule->id);
		if (p->rules[i].priority == rule->priority)
			return wrong(c, PATH("earn[%zu].priority", at), "%s and %s have the same priority", p->rules[i].id, rule->id);
	}
	return true;
}

/* Rules stand by priority, so each one is put in its place. */
static bool
compile_rule(struct compiler *c, size_t at)
{
	const struct rule_def *def = &c->def->rules[at];
	struct program *p = c->p;
	struct rule rule = { 0 };
	size_t place = p->n_rules;

	if (!compile_rule_head(c, at, def, &rule) || !compile_measure(c, at, def, &rule) || !compile_when(c, PATH("earn[%zu]", at), &def->when, rule.on, &rule.when) ||
	    !compile_caps(c, at, def, &rule) || !compile_terms(c, at, def, &rule))
		return false;
	while (place > 0 && p->rules[place - 1].priority > rule.priority)
		place--;
	memmove(&p->rules[place + 1], &p->rules[place], (p->n_rules - place) * sizeof(rule));
	p->rules[place] = rule;
	p->n_rules++;
	return true;
}

/* ---- what rules say of each other ---- */

static size_t
rule_index(const struct program *p, const char *id)
{
	size_t i = 0;

	while (i < p->n_rules && strcmp(p->rules[i].id, id) != 0)
		i++;
	return i;
}

static bool
resolve_replaces(struct compiler *c, size_t at)
{
	const struct rule_def *def = &c->def->rules[at];
	struct program *p = c->p;

	if (def->replaces == NULL)
		return true;
	struct rule *rule = &p->rules[rule_index(p, def->id)];
	rule->replaces = rule_index(p, def->replaces);
	if (rule->kind != RULE_BASE)
		return wrong(c, PATH("earn[%zu].replaces", at), "only a base rule replaces another");
	if (rule->replaces == p->n_rules)
		return wrong(c, PATH("earn[%zu].replaces", at), "there is no rule %.40s", def->replaces);
	const struct rule *other = &p->rules[rule->replaces];
	if (other->kind != RULE_BASE || other->on != rule->on || other == rule)
		return wrong(c, PATH("earn[%zu].replaces", at), "%.40s is not another base rule of the same kind of event", def->replaces);
	return true;
}

static bool
check_replaces(struct compiler *c, size_t at)
{
	const struct program *p = c->p;
	const struct rule *rule = &p->rules[rule_index(p, c->def->rules[at].id)];

	if (rule->replaces != RULE_NONE && p->rules[rule->replaces].replaces != RULE_NONE)
		return wrong(c, PATH("earn[%zu].replaces", at), "%.40s replaces a rule itself", p->rules[rule->replaces].id);
	return true;
}

/* Every cap of a group is the same limit: rules share what it counts. */
static bool
check_groups(struct compiler *c)
{
	const struct program_def *def = c->def;

	for (size_t at = 0; at < def->n_rules; at++) {
		for (size_t i = 0; i < def->rules[at].n_caps; i++) {
			const struct cap_def *cap = &def->rules[at].caps[i];
			for (size_t k = 0; cap->group != NULL && k < at; k++) {
				for (size_t j = 0; j < def->rules[k].n_caps; j++) {
					const struct cap_def *other = &def->rules[k].caps[j];
					if (other->group == NULL || strcmp(other->group, cap->group) != 0)
						continue;
					if (other->per != cap->per || other->has_count != cap->has_count || other->count != cap->count ||
					    (cap->points != NULL && strcmp(cap->points, other->points) != 0))
						return wrong(c, PATH("earn[%zu].caps[%zu].group", at, i), "two caps of the group %.32s have different limits",
						    cap->group);
				}
			}
		}
	}
	return true;
}

size_t
program_stores(const struct program *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		for (size_t k = 0; k < p->rules[i].n_caps; k++)
			n += p->rules[i].caps[k].per == PERIOD_PROGRAM;
	}
	for (size_t i = 0; i < p->n_rewards; i++)
		n += p->rewards[i].has_stock;
	for (size_t i = 0; i < p->n_cards; i++)
		n += p->cards[i].cap > 0 && p->cards[i].cap_per == PERIOD_PROGRAM;
	return n;
}

bool
compile_counters(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	if (def->counters.n > PROGRAM_COUNTERS_MAX)
		return wrong(c, "counters", "a program has at most %d counters", PROGRAM_COUNTERS_MAX);
	for (size_t i = 0; i < def->counters.n; i++) {
		if (!compile_id(c, PATH("counters[%zu]", i), def->counters.v[i], p->counters[i]))
			return false;
		if (strcmp(p->counters[i], "points_earned") == 0 || strcmp(p->counters[i], "spend") == 0 || strcmp(p->counters[i], "visits") == 0 ||
		    strcmp(p->counters[i], "balance") == 0)
			return wrong(c, PATH("counters[%zu]", i), "%s is a metric of every program; call the counter otherwise", p->counters[i]);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(p->counters[k], p->counters[i]) == 0)
				return wrong(c, PATH("counters[%zu]", i), "%s stands twice", p->counters[i]);
		}
	}
	p->n_counters = def->counters.n;
	return true;
}

bool
compile_earn(struct compiler *c)
{
	struct program *p = c->p;
	bool good = true;

	if (c->def->n_rules > PROGRAM_RULES_MAX)
		return wrong(c, "earn", "a program has at most %d rules", PROGRAM_RULES_MAX);
	for (size_t i = 0; i < c->def->n_rules; i++) {
		good = compile_rule(c, i) && good;
		if (!good && !compile_goes_on(c))
			return false;
	}
	if (!good)
		return false;
	for (size_t i = 0; i < c->def->n_rules; i++) {
		if (!resolve_replaces(c, i))
			return false;
	}
	for (size_t i = 0; i < c->def->n_rules; i++) {
		if (!check_replaces(c, i))
			return false;
	}
	if (!check_groups(c))
		return false;
	if (program_stores(p) > LEDGER_PROGRAM_CAPS_MAX)
		return wrong(c, "earn", "a program has at most %d caps of the period program", LEDGER_PROGRAM_CAPS_MAX);
	p->common_step = 1;
	p->share_den = MULTIPLIER_ONE;
	if (p->round_once) {
		p->common_step = program_common_step(p);
		if (p->common_step == 0)
			return wrong(c, "rounding.at", "once needs per_amount amounts with a common multiple that is not so large");
	}
	p->has_earn_per_day = c->def->earn_per_day != NULL;
	return true;
}

/* ---- multipliers together ---- */

static bool
stack_one(int64_t multiplier, wide *num, wide *den)
{
	int64_t shared = gcd(multiplier, MULTIPLIER_ONE);

	*num *= multiplier / shared;
	*den *= MULTIPLIER_ONE / shared;
	return *num <= STACK_MAX && *den <= MULTIPLIER_ONE;
}

/* `multiply` is exact only while the product of all multipliers stays small; the tiers' enter as the one that asks most. */
bool
compile_stacking(struct compiler *c)
{
	struct program *p = c->p;
	wide tier_num = 1, tier_den = 1, num, den;

	if (p->has_earn_per_day && !compile_points(c, "limits.earn_per_day", c->def->earn_per_day, 0, &p->earn_per_day))
		return false;
	if (p->stacking != STACKING_MULTIPLY)
		return true;
	for (size_t i = 0; i < p->n_tiers; i++) {
		int64_t shared = gcd(p->tiers[i].multiplier, MULTIPLIER_ONE), d = MULTIPLIER_ONE / shared;

		if (p->tiers[i].multiplier / shared > tier_num)
			tier_num = p->tiers[i].multiplier / shared;
		tier_den = tier_den / gcd((int64_t)tier_den, d) * d;
	}
	num = tier_num;
	den = tier_den;
	for (size_t i = 0; i < p->n_memberships; i++) {
		if (!stack_one(p->memberships[i].multiplier, &num, &den))
			return wrong(c, PATH("memberships[%zu].earn_multiplier", i), "the product of all multipliers overflows or has too many digits; use "
			    "fewer digits");
	}
	for (size_t i = 0; i < c->def->n_rules; i++) {
		const struct rule *rule = &p->rules[rule_index(p, c->def->rules[i].id)];

		if (rule->kind == RULE_MULTIPLIER && !stack_one(rule->multiplier, &num, &den))
			return wrong(c, PATH("earn[%zu].multiply", i), "the product of all multipliers overflows or has too many digits; use fewer digits");
	}
	p->share_den = (int64_t)den;
	return true;
}

/* ---- denominators ---- */

/* Steps in lowest terms: a rule's points are then exact in units of 1 / their least common multiple. */
int64_t
program_common_step(const struct program *p)
{
	int64_t common = 1;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		if (rule->measure != MEASURE_PER_AMOUNT || rule->whole_steps)
			continue;
		int64_t step = rule->amount / gcd(rule->amount, rule->points);
		wide next = (wide)common / gcd(common, step) * step;
		if (next > COMMON_STEP_MAX)
			return 0;
		common = (int64_t)next;
	}
	return common;
}
