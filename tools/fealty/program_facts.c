/*
 * Texts are made from the compiled program, so that two ways to write one thing are one text.  Every entity states every aspect, defaults
 * as well: what one version leaves out and the other says is then a difference between two texts.
 */
#include "program_facts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "program_reason.h"

#define FACTS_TEXT_BYTES 1200

/* What the statements that follow are about. */
struct speaker {
	struct facts *facts;
	const struct program *p;
	enum topic topic;
	const char *entity, *who;
};

const char *
topic_str(enum topic topic)
{
	static const char *const names[] = { "earning", "tiers", "expiry", "redemption", "yearly", "corrections", "limits", "notices", "other" };

	return names[topic];
}

const char *
arena_printf(struct arena *arena, const char *format, ...)
{
	char text[FACTS_TEXT_BYTES];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	const char *copy = arena_strdup(arena, text);
	assert(copy != NULL);		/* some kilobytes of a budget of megabytes */
	return copy;
}

#define SAY(s, ...) arena_printf((s)->facts->arena, __VA_ARGS__)

/* Adds a statement; valid until the next one. */
static struct fact *
state(struct speaker *s, const char *aspect, const char *label, bool is_default, const char *text)
{
	struct fact *grown = arena_grow(s->facts->arena, s->facts->v, &s->facts->cap, s->facts->n + 1, sizeof(*grown));

	assert(grown != NULL && text != NULL);
	s->facts->v = grown;
	grown[s->facts->n] = (struct fact){
		.topic = s->topic, .entity = s->entity, .who = s->who, .aspect = aspect, .label = label, .text = text, .shape = "",
		    .is_default = is_default,
		.den = 1,
	};
	return &grown[s->facts->n++];
}

static void
compare_by(struct fact *fact, int better, int64_t num, int64_t den, const char *shape)
{
	fact->better = better;
	fact->num = num;
	fact->den = den;
	fact->shape = shape;
}

/* ---- words ---- */

/* Without zeros at the end of the fraction. */
static const char *
short_decimal(struct speaker *s, int64_t value, unsigned scale)
{
	char text[DECIMAL_TEXT_BYTES];
	size_t len = strlen(decimal_format(value, scale, text));

	if (scale > 0) {
		while (text[len - 1] == '0')
			len--;
		len -= text[len - 1] == '.';
		text[len] = '\0';
	}
	return SAY(s, "%s", text);
}

static const char *
points_words(struct speaker *s, int64_t points)
{
	const char *number = short_decimal(s, points, s->p->scale);

	return SAY(s, "%s %s", number, strcmp(number, "1") == 0 ? "point" : "points");
}

static const char *
money_words(struct speaker *s, int64_t amount)
{
	return SAY(s, "%s %s", decimal_format(amount, s->p->currency_digits, (char [DECIMAL_TEXT_BYTES]){ 0 }), s->p->currency);
}

static const char *
day_words(struct speaker *s, int32_t day)
{
	return SAY(s, "%s", day_format(day, (char [DAY_TEXT_BYTES]){ 0 }));
}

static const char *
duration_words(struct speaker *s, int64_t us)
{
	static const struct { int64_t seconds; const char *name; } units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1,
	    "second" } };
	int64_t seconds = us / US_PER_SECOND;
	size_t i = 0;

	while (seconds % units[i].seconds != 0)
		i++;
	return SAY(s, "%lld %s%s", (long long)(seconds / units[i].seconds), units[i].name, seconds / units[i].seconds == 1 ? "" : "s");
}

static const char *
count_words(struct speaker *s, uint32_t n, const char *what)
{
	return SAY(s, "%u %s%s", n, what, n == 1 ? "" : "s");
}

static const char *
list_words(struct speaker *s, const struct word_list *list)
{
	const char *text = "";

	for (size_t i = 0; i < list->n; i++)
		text = SAY(s, "%s%s%s", text, i == 0 ? "" : ", ", list->v[i]);
	return text;
}

static const char *
names_words(struct speaker *s, const struct names *names)
{
	const char *text = "";

	for (size_t i = 0; i < names->n; i++)
		text = SAY(s, "%s%s%s", text, i == 0 ? "" : ", ", names->name[i]);
	return text;
}

static const char *
round_up_words(enum round_up round_up)
{
	static const char *const names[] = {
		[ROUND_UP_NONE] = "", [ROUND_UP_MONTH] = ", to the end of that month", [ROUND_UP_QUARTER] = ", to the end of that quarter",
		[ROUND_UP_HALF_YEAR] = ", to the end of that half year", [ROUND_UP_YEAR] = ", to the end of that year",
	};

	return names[round_up];
}

static const char *
expiry_words(struct speaker *s, const struct expiry *e)
{
	const struct inactivity *in = &s->p->inactivity;
	const char *refresh = e->refresh_on.n == 0 ? "" : SAY(s, ", counted anew from each %s", names_words(s, &e->refresh_on));

	if (e->never)
		return "never expire";
	if (e->inactivity)
		return SAY(s, "%u %% of them expire after %s without %s", in->percent, count_words(s, in->months, "month"), names_words(s,
		    &in->activities));
	if (e->on_month != 0)
		return SAY(s, "expire on the first %02d-%02d %s later%s", e->on_month, e->on_day, count_words(s, e->months / 12, "year"), refresh);
	if (e->days > 0)
		return SAY(s, "expire after %s%s%s", count_words(s, e->days, "day"), round_up_words(e->round_up), refresh);
	return SAY(s, "expire after %s%s%s", count_words(s, e->months, "month"), round_up_words(e->round_up), refresh);
}

/* Longer is better, as far as dates go. */
static void
state_expiry(struct speaker *s, const char *label, bool is_default, const struct expiry *e)
{
	struct fact *fact = state(s, "expiry", label, is_default, expiry_words(s, e));

	if (!e->inactivity && e->refresh_on.n == 0)
		compare_by(fact, 1, expiry_life_days(e), 1, "dated");
}

/* ---- rules ---- */

static const char *
event_words(enum rule_on on)
{
	static const char *const names[] = { [ON_PURCHASE] = "purchase", [ON_ACTIVITY] = "activity", [ON_ENROL] = "enrolment" };

	return names[on];
}

static void
state_gives(struct speaker *s, const struct rule *rule)
{
	const char *event = event_words(rule->on), *label = "gives";

	switch (rule->measure) {
	case MEASURE_PER_AMOUNT:
		compare_by(state(s, "gives", label, false, SAY(s, "%s for every %s%s", points_words(s, rule->points), rule->whole_steps ? "full " : "",
		    money_words(s, rule->amount))), 1, rule->points, rule->amount, rule->whole_steps ? "steps" : "rate");
		return;
	case MEASURE_FIXED:
		compare_by(state(s, "gives", label, false, SAY(s, "%s for each %s", points_words(s, rule->points), event)), 1, rule->points, 1, "fixed");
		return;
	case MEASURE_PER_ITEM:
		compare_by(state(s, "gives", label, false, SAY(s, "%s for each piece", points_words(s, rule->points))), 1, rule->points, 1, "item");
		return;
	case MEASURE_MULTIPLY:
		compare_by(state(s, "gives", label, false, SAY(s, "%s times the base points of each %s", short_decimal(s, rule->multiplier,
		    MULTIPLIER_DIGITS),
		    event)), 1, rule->multiplier, 1, "times");
		return;
	case MEASURE_VOUCHER:
		(void)state(s, "gives", label, false, SAY(s, "a voucher %s for each %s", s->p->vouchers[rule->voucher].id, event));
		return;
	case MEASURE_COUNTER:
		compare_by(state(s, "gives", label, false, SAY(s, "%lld to %s for each %s", (long long)rule->counter_add, s->p->counters[rule->counter],
		    rule->counter_per_item ? "piece" : event)), 1, rule->counter_add, 1, s->p->counters[rule->counter]);
		return;
	}
	assert(false);
}

static void
state_list(struct speaker *s, const char *aspect, const char *label, const struct word_list *list, const char *all)
{
	(void)state(s, aspect, label, list->n == 0, list->n == 0 ? all : list_words(s, list));
}

static void
state_amounts(struct speaker *s, const struct when *w)
{
	compare_by(state(s, "min_amount", "applies from", !w->has_min_amount, w->has_min_amount ? money_words(s, w->min_amount) : "any amount"),
	    -1,
	    w->min_amount, 1, "");
	compare_by(state(s, "max_amount", "applies up to", !w->has_max_amount, w->has_max_amount ? money_words(s, w->max_amount) : "any amount"),
	    1,
	    w->has_max_amount ? w->max_amount : INT64_MAX, 1, "");
	state_list(s, "categories", "is for the categories", &w->categories, "of all goods");
	state_list(s, "skus", "is for the articles", &w->skus, "of all goods");
	state_list(s, "exclude_categories", "leaves out the categories", &w->exclude_categories, "of nothing");
	state_list(s, "stores", "is for the stores", &w->stores, "all");
	state_list(s, "partners", "is for the partners", &w->partners, "all, and without one");
	state_list(s, "tiers", "is for the tiers", &w->tiers, "all");
	state_list(s, "segments", "is for the segments", &w->segments, "all, and without one");
}

static const char *
weekday_words(struct speaker *s, unsigned weekdays)
{
	static const char *const names[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" };
	const char *text = "";

	for (size_t i = 0; i < 7; i++) {
		if ((weekdays >> i & 1) != 0)
			text = SAY(s, "%s%s%s", text, text[0] == '\0' ? "" : ", ", names[i]);
	}
	return text;
}

static void
state_times(struct speaker *s, const struct when *w)
{
	bool from = w->from != INT32_MIN, until = w->until != DAY_NEVER;
	int hf = w->hours_from_s / 60, ht = w->hours_to_s / 60;

	(void)state(s, "from", "begins", !from, from ? SAY(s, "on %s", day_words(s, w->from)) : "at once");
	compare_by(state(s, "until", "ends", !until, until ? SAY(s, "after %s", day_words(s, w->until)) : "never"), 1, w->until, 1, "");
	(void)state(s, "weekdays", "applies on", w->weekdays == 0, w->weekdays == 0 ? "every day" : weekday_words(s, w->weekdays));
	(void)state(s, "hours", "applies", !w->has_hours,
	    w->has_hours ? SAY(s, "from %02d:%02d until before %02d:%02d", hf / 60, hf % 60, ht / 60, ht % 60) : "at any hour");
	compare_by(state(s, "min_gap", "comes again", w->min_gap_us == 0,
	    w->min_gap_us == 0 ? "at once" : SAY(s, "after %s at the soonest", duration_words(s, w->min_gap_us))), -1, w->min_gap_us, 1, "");
}

static void
state_who(struct speaker *s, const struct when *w)
{
	const char *spend = "whatever was spent in the month before";

	(void)state(s, "first_purchase", "counts for", !w->first_purchase, w->first_purchase ? "a member's first purchase only" : "every "
	    "purchase");
	(void)state(s, "activity", "is for", w->activity[0] == '\0', w->activity[0] == '\0' ? "whatever activity" : SAY(s, "the activity %s",
	    w->activity));
	(void)state(s, "membership", "is for", w->membership[0] == '\0', w->membership[0] == '\0' ? "members with and without a membership" :
	    SAY(s, "who holds the membership %s", w->membership));
	compare_by(state(s, "member_days_min", "is for members of", w->member_days_min == 0,
	    w->member_days_min == 0 ? "any age" : SAY(s, "at least %s", count_words(s, w->member_days_min, "day"))), -1, w->member_days_min, 1,
	    "");
	if (w->has_previous_month_spend && w->waive_months > 0)
		spend = SAY(s, "after %s in the month before, waived for the first %s", money_words(s, w->previous_min), count_words(s, w->waive_months,
		    "month"));
	else if (w->has_previous_month_spend)
		spend = SAY(s, "after %s in the month before", money_words(s, w->previous_min));
	compare_by(state(s, "previous_month_spend", "applies", !w->has_previous_month_spend, spend), -1, w->previous_min, 1,
	    w->waive_months > 0 ? "waived" : "");
}

static const char *
cap_words(struct speaker *s, const struct cap *cap)
{
	static const char *const periods[PERIOD_COUNT] = {
		"in one go", "a day", "a month", "a year", "in a member's lifetime", "for all members together",
	};
	static const char *const overs[] = {
		[CAP_CLIP] = "", [CAP_REJECT] = ", and what would go beyond gives nothing", [CAP_FALLBACK] = ", and the rest earns by the replaced rule",
	};
	const char *limit = cap->counts ? SAY(s, "%lld time%s", (long long)cap->limit, cap->limit == 1 ? "" : "s") : points_words(s, cap->limit);

	return SAY(s, "at most %s %s%s%s%s", limit, periods[cap->per], overs[cap->over], cap->group[0] == '\0' ? "" : ", shared as ", cap->group);
}

static void
state_caps(struct speaker *s, const struct rule *rule)
{
	const char *text = rule->n_caps == 0 ? "no limit" : "";
	struct fact *fact;

	for (size_t i = 0; i < rule->n_caps; i++)
		text = SAY(s, "%s%s%s", text, i == 0 ? "" : "; ", cap_words(s, &rule->caps[i]));
	fact = state(s, "caps", "has", rule->n_caps == 0, text);
	if (rule->n_caps == 0) {
		compare_by(fact, 1, INT64_MAX, 1, "caps");
	} else if (rule->n_caps == 1) {
		const struct cap *cap = &rule->caps[0];
		compare_by(fact, 1, cap->limit, 1, SAY(s, "caps %d %d %d %s", (int)cap->per, (int)cap->counts, (int)cap->over, cap->group));
	}
}

static void
state_pending(struct speaker *s, const struct rule *rule)
{
	const struct pending_term *t = &rule->pending;

	switch (t->kind) {
	case PENDING_NONE:
		compare_by(state(s, "pending", "points can be used", true, "at once"), -1, 0, 1, "days");
		return;
	case PENDING_DAYS:
		compare_by(state(s, "pending", "points can be used", false, SAY(s, "%s later", count_words(s, t->days, "day"))), -1, t->days, 1, "days");
		return;
	case PENDING_NEXT_MONTH:
		(void)state(s, "pending", "points can be used", false, "from the first of the next month");
		return;
	case PENDING_ACTIVITY:
		compare_by(state(s, "pending", "points can be used", false, SAY(s, "after the activity %s, and lapse without it after %s", t->activity,
		    count_words(s, t->days, "day"))), 1, t->days, 1, t->activity);
		return;
	}
	assert(false);
}

static void
state_rule(struct speaker *s, const struct rule *rule)
{
	static const char *const kinds[] = {
		[RULE_BASE] = "base rule", [RULE_BONUS] = "bonus", [RULE_MULTIPLIER] = "multiplier", [RULE_COUNTER] = "counting rule",
		[RULE_VOUCHER] = "voucher rule",
	};
	bool replaces = rule->replaces != RULE_NONE;

	s->topic = TOPIC_EARNING;
	s->entity = SAY(s, "earn.%s", rule->id);
	s->who = SAY(s, "rule %s", rule->id);
	(void)state(s, "kind", "is", true, SAY(s, "a %s for each %s", kinds[rule->kind], event_words(rule->on)));
	state_gives(s, rule);
	(void)state(s, "replaces", "takes", !replaces, replaces ? SAY(s, "the place of rule %s", s->p->rules[rule->replaces].id) : "no other "
	    "rule's place");
	state_amounts(s, &rule->when);
	state_times(s, &rule->when);
	state_who(s, &rule->when);
	state_caps(s, rule);
	state_pending(s, rule);
	if (rule->has_expiry)
		state_expiry(s, "points", false, &rule->expiry);
	else
		(void)state(s, "expiry", "points", true, "live as long as the tier or the program says");
}

/* ---- tiers ---- */

static const char *
threshold_words(struct speaker *s, const struct threshold *t)
{
	switch (t->metric) {
	case METRIC_POINTS_EARNED: return SAY(s, "%s earned", points_words(s, t->at_least));
	case METRIC_SPEND: return SAY(s, "%s spent", money_words(s, t->at_least));
	case METRIC_VISITS: return SAY(s, "%lld visits", (long long)t->at_least);
	case METRIC_BALANCE: return SAY(s, "a balance of %s", points_words(s, t->at_least));
	case METRIC_COUNTER: break;
	}
	return SAY(s, "%lld %s", (long long)t->at_least, s->p->counters[t->metric - METRIC_COUNTER]);
}

static const char *
reach_words(struct speaker *s, size_t n, const struct all_of *any)
{
	const char *text = "";

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < any[i].n; k++)
			text = SAY(s, "%s%s%s", text, k > 0 ? " and " : i > 0 ? ", or " : "", threshold_words(s, &any[i].all[k]));
	}
	return text;
}

static const char *
window_words(struct speaker *s, const struct tier *tier)
{
	switch (tier->window) {
	case WINDOW_LIFETIME: return "ever";
	case WINDOW_CALENDAR_YEAR: return "in the calendar year";
	case WINDOW_ROLLING_MONTHS: return SAY(s, "in the last %s", count_words(s, tier->rolling_months, "month"));
	case WINDOW_SINCE_TIER_START: return "since the tier that is held began";
	}
	return NULL;
}

/* Keep is asked over the days that the tier lasted, or a calendar year of them. */
static const char *
keep_window_words(const struct tier *tier)
{
	return tier->window == WINDOW_LIFETIME ? "ever" : tier->window == WINDOW_CALENDAR_YEAR ? "in its last calendar year" : "while it lasts";
}

/* ${when}: the time that the thresholds are of. */
static void
state_thresholds(struct speaker *s, const char *aspect, const char *label, const char *when, size_t n, const struct all_of *any)
{
	struct fact *fact = state(s, aspect, label, false, SAY(s, "%s %s", reach_words(s, n, any), when));

	if (n == 1 && any[0].n == 1)
		compare_by(fact, -1, any[0].all[0].at_least, 1, SAY(s, "%d %s", (int)any[0].all[0].metric, when));
}

static const char *
valid_words(struct speaker *s, const struct tier *tier)
{
	switch (tier->valid) {
	case VALID_FOREVER: return "for ever";
	case VALID_MONTHS: return SAY(s, "%s%s", count_words(s, tier->valid_months, "month"), round_up_words(tier->valid_round_up));
	case VALID_END_OF_YEAR: return "through the end of the year";
	case VALID_END_OF_NEXT_YEAR: return "through the end of the next year";
	}
	return NULL;
}

static bool
keep_is_reach(const struct tier *tier)
{
	bool same = tier->n_keep == tier->n_any;

	for (size_t i = 0; i < tier->n_any && same; i++) {
		same = tier->any[i].n == tier->keep[i].n;
		for (size_t k = 0; k < tier->any[i].n && same; k++)
			same = tier->any[i].all[k].metric == tier->keep[i].all[k].metric && tier->any[i].all[k].at_least == tier->keep[i].all[k].at_least;
	}
	return same;
}

static void
state_validity(struct speaker *s, const struct tier *tier)
{
	static const char *const falls[] = {
		[DOWNGRADE_NONE] = "nowhere: it is renewed", [DOWNGRADE_ONE] = "one tier", [DOWNGRADE_FULL] = "to whatever tier is reached then",
	};
	bool ends = tier->valid != VALID_FOREVER;
	int64_t months = !ends ? INT32_MAX : tier->valid == VALID_MONTHS ? tier->valid_months : 0;
	struct fact *fact = state(s, "valid", "lasts", !ends, valid_words(s, tier));

	if (!ends || (tier->valid == VALID_MONTHS && tier->valid_round_up == ROUND_UP_NONE))
		compare_by(fact, 1, months, 1, "months");
	if (ends && !keep_is_reach(tier))
		state_thresholds(s, "keep", "is kept by", keep_window_words(tier), tier->n_keep, tier->keep);
	else
		(void)state(s, "keep", "is kept by", true, ends ? SAY(s, "as much as reaches it, %s", keep_window_words(tier)) : "doing nothing");
	(void)state(s, "downgrade", "falls", tier->downgrade == DOWNGRADE_FULL || !ends, ends ? falls[tier->downgrade] : "never");
	compare_by(state(s, "grace", "has", tier->grace_months == 0, tier->grace_months == 0 ? "no grace at its end" : SAY(s, "%s of grace%s",
	    count_words(s, tier->grace_months, "month"), round_up_words(tier->grace_round_up))), 1, tier->grace_months, 1,
	    round_up_words(tier->grace_round_up));
}

static void
state_tier(struct speaker *s, const struct tier *tier)
{
	bool more = tier->multiplier > MULTIPLIER_UNIT;

	s->topic = TOPIC_TIERS;
	s->entity = SAY(s, "tiers.%s", tier->id);
	s->who = SAY(s, "tier %s", tier->id);
	if (tier->n_any > 0)
		state_thresholds(s, "reach", "is reached by", window_words(s, tier), tier->n_any, tier->any);
	else
		(void)state(s, "reach", "is reached by", false, "everybody");
	compare_by(state(s, "earn_multiplier", "earns", !more, more ? SAY(s, "%s times the base points", short_decimal(s, tier->multiplier,
	    MULTIPLIER_DIGITS)) :
	    "the plain base points"), 1, tier->multiplier, 1, "");
	if (tier->n_any > 0)
		state_validity(s, tier);
	if (tier->has_expiry)
		state_expiry(s, "points", false, &tier->expiry);
	else
		(void)state(s, "expiry", "points", true, "live as long as the program says");
	(void)state(s, "expiry_applies", "gives its expiry to", !tier->all_open, tier->all_open ? "all open points while it is held" : "new "
	    "points only");
	if (s->p->n_cards > 0)
		(void)state(s, "forfeit_stamps_on_downgrade", "lets who falls from it", !tier->forfeits_stamps, tier->forfeits_stamps ? "lose all "
		    "stamps" : "keep their stamps");
	if (s->p->has_birthday)
		(void)state(s, "birthday", "its birthday window is", !tier->has_birthday_window, tier->has_birthday_window ? SAY(s, "%u days before and "
		    "%u after",
		    tier->birthday_days_before, tier->birthday_days_after) : "the program's");
}

/* ---- sections ---- */

static void
about(struct speaker *s, enum topic topic, const char *entity, const char *who)
{
	s->topic = topic;
	s->entity = entity;
	s->who = who;
}

static void
state_redemption(struct speaker *s)
{
	const struct program *p = s->p;

	if (!p->has_redemption)
		return;
	about(s, TOPIC_REDEMPTION, "redemption", "redemption");
	if (p->has_value)
		compare_by(state(s, "value", "pays", false, SAY(s, "%s for %s", money_words(s, p->value_amount), points_words(s, p->value_points))), 1,
		    p->value_amount, p->value_points, "value");
	else
		(void)state(s, "value", "pays", true, "what the till says");
	compare_by(state(s, "min", "begins at", p->redeem_min == 0, points_words(s, p->redeem_min)), -1, p->redeem_min, 1, "");
	compare_by(state(s, "step", "goes in steps of", p->redeem_step == 1, points_words(s, p->redeem_step)), -1, p->redeem_step, 1, "");
	compare_by(state(s, "max_percent_of_order", "pays at most", p->max_percent_of_order == 100, SAY(s, "%u %% of an order",
	    p->max_percent_of_order)), 1,
	    p->max_percent_of_order, 1, "");
	(void)state(s, "hold.default_ttl", "sets points aside for", true, duration_words(s, p->default_ttl_us));
	(void)state(s, "hold.max_ttl", "sets points aside for at most", true, duration_words(s, p->max_ttl_us));
	(void)state(s, "hold.expired_lot", "set aside, points that expire", !p->expire_at_once, p->expire_at_once ? "are gone at once" : "can "
	    "still be captured");
}

/* ---- what brings vouchers ---- */

static void
state_auto_redeem(struct speaker *s)
{
	const struct program *p = s->p;

	if (!p->has_auto_redeem)
		return;
	about(s, TOPIC_REDEMPTION, "auto_redeem", "points by themselves");
	compare_by(state(s, "at", "become a voucher", false, SAY(s, "%s for each %s", p->vouchers[p->auto_voucher].id, points_words(s, p->auto_at))), -1,
	    p->auto_at, 1, p->vouchers[p->auto_voucher].id);
	state_list(s, "tiers", "do so for the tiers", &p->auto_tiers, "all");
}

static const char *
count_per_words(struct speaker *s, uint32_t count, enum period per, const char *what)
{
	static const char *const periods[PERIOD_COUNT] = {
		"in one go", "a day", "a month", "a year", "in a member's lifetime", "for all members together",
	};

	return SAY(s, "at most %s %s", count_words(s, count, what), periods[per]);
}

static void
state_reward(struct speaker *s, const struct reward *r)
{
	bool from = r->from != INT32_MIN, until = r->until != DAY_NEVER;

	about(s, TOPIC_REDEMPTION, SAY(s, "rewards.%s", r->id), SAY(s, "reward %s", r->id));
	compare_by(state(s, "cost", "costs", false, points_words(s, r->cost)), -1, r->cost, 1, "");
	(void)state(s, "voucher", "is the voucher", false, s->p->vouchers[r->voucher].id);
	compare_by(state(s, "stock", "can be had", !r->has_stock, r->has_stock ? SAY(s, "%s in all", count_words(s, r->stock, "time")) : "without end"),
	    1, r->has_stock ? r->stock : INT64_MAX, 1, "");
	compare_by(state(s, "per_member", "is for each member", r->per_member == 0, r->per_member == 0 ? "as often as it can be paid" :
	    count_per_words(s, r->per_member, r->per, "time")), 1, r->per_member == 0 ? INT64_MAX : r->per_member, 1, r->per_member == 0 ? "" :
	    SAY(s, "per %d", (int)r->per));
	state_list(s, "tiers", "is for the tiers", &r->tiers, "all");
	(void)state(s, "from", "begins", !from, from ? SAY(s, "on %s", day_words(s, r->from)) : "at once");
	compare_by(state(s, "until", "ends", !until, until ? SAY(s, "after %s", day_words(s, r->until)) : "never"), 1, r->until, 1, "");
}

static const char *
span_words(struct speaker *s, const struct term *t)
{
	return t->days > 0 ? SAY(s, "for %s", count_words(s, t->days, "day")) : t->months > 0 ? SAY(s, "for %s", count_words(s, t->months, "month")) :
	    "for ever";
}

static void
state_card(struct speaker *s, const struct card *card)
{
	const char *milestones = card->n_milestones == 0 ? "nothing" : "";

	about(s, TOPIC_EARNING, SAY(s, "stamps.%s", card->id), SAY(s, "card %s", card->id));
	compare_by(state(s, "per_item", "gives", false, SAY(s, "%s for each piece", count_words(s, card->per_item, "stamp"))), 1, card->per_item, 1, "");
	compare_by(state(s, "size", "is full with", false, count_words(s, card->size, "stamp")), -1, card->size, 1, "");
	(void)state(s, "voucher", "becomes the voucher", false, s->p->vouchers[card->voucher].id);
	for (size_t i = 0; i < card->n_milestones; i++)
		milestones = SAY(s, "%s%s%s at %u", milestones, i == 0 ? "" : ", ", s->p->vouchers[card->milestones[i].voucher].id, card->milestones[i].at);
	(void)state(s, "milestones", "brings on the way", card->n_milestones == 0, milestones);
	compare_by(state(s, "cap", "gives", card->cap == 0, card->cap == 0 ? "any number of stamps" : count_per_words(s, card->cap, card->cap_per,
	    "stamp")), 1, card->cap == 0 ? INT64_MAX : card->cap, 1, card->cap == 0 ? "" : SAY(s, "per %d", (int)card->cap_per));
	compare_by(state(s, "overflow", "when it is full", !card->drop, card->drop ? "drops what is beyond it" : "carries what is beyond it to the next"),
	    1, !card->drop, 1, "");
	(void)state(s, "valid", "can be filled", card->valid.days + card->valid.months == 0, span_words(s, &card->valid));
	state_amounts(s, &card->when);
	state_times(s, &card->when);
	state_who(s, &card->when);
}

static void
state_reward_of_day(struct speaker *s, int64_t points, size_t voucher)
{
	if (voucher != VOUCHER_INDEX_NONE)
		(void)state(s, "reward", "gives", false, SAY(s, "the voucher %s", s->p->vouchers[voucher].id));
	else
		compare_by(state(s, "reward", "gives", false, points_words(s, points)), 1, points, 1, "");
}

static void
state_yearly(struct speaker *s)
{
	const struct program *p = s->p;

	about(s, TOPIC_YEARLY, "birthday", "the birthday");
	if (p->has_birthday) {
		state_reward_of_day(s, p->birthday_points, p->birthday_voucher);
		(void)state(s, "window", p->birthday_voucher != VOUCHER_INDEX_NONE ? "can be used" : "can be claimed",
		    p->birthday_days_before + p->birthday_days_after == 0, SAY(s, "from %u days before to %u days "
		    "after",
		    p->birthday_days_before, p->birthday_days_after));
		(void)state(s, "issue", "comes", !p->birthday_on_claim, p->birthday_on_claim ? "when it is claimed" : "by itself");
		(void)state(s, "leap_day", "of 29 February is", true, p->leap_to_march ? "1 March in other years" : "28 February in other years");
		compare_by(state(s, "guard_days", "counts, once entered or changed,", p->guard_days == 0, SAY(s, "after %s", count_words(s,
		    p->guard_days, "day"))), -1,
		    p->guard_days, 1, "");
		compare_by(state(s, "requires", "asks for", !p->has_requires, p->has_requires ? SAY(s, "%s earned within %s", points_words(s,
		    p->requires_points),
		    count_words(s, p->within_months, "month")) : "nothing before"), -1, p->has_requires ? p->requires_points : 0, 1, "");
	}
	about(s, TOPIC_YEARLY, "anniversary", "the anniversary of the enrolment");
	if (p->has_anniversary)
		state_reward_of_day(s, p->anniversary_points, p->anniversary_voucher);
}

static const char *
year_words(struct speaker *s, bool has, int64_t points)
{
	return has ? SAY(s, "at most %s a year", points_words(s, points)) : "without a yearly limit";
}

static void
state_transfers(struct speaker *s)
{
	const struct program *p = s->p;

	about(s, TOPIC_CORRECTIONS, "transfers", "transfers");
	compare_by(state(s, "min", "begin at", false, points_words(s, p->transfer_min > 0 ? p->transfer_min : 1)), -1, p->transfer_min, 1, "");
	compare_by(state(s, "out_per_year", "let a member send", !p->has_out_per_year, year_words(s, p->has_out_per_year, p->out_per_year)), 1,
	    p->has_out_per_year ? p->out_per_year : INT64_MAX, 1, "");
	compare_by(state(s, "in_per_year", "let a member receive", !p->has_in_per_year, year_words(s, p->has_in_per_year, p->in_per_year)), 1,
	    p->has_in_per_year ? p->in_per_year : INT64_MAX, 1, "");
	compare_by(state(s, "times_per_year", "can be made", !p->has_times_per_year, p->has_times_per_year ? SAY(s, "%s a year",
	    count_words(s, p->times_per_year, "time")) : "any number of times"), 1, p->has_times_per_year ? p->times_per_year : INT64_MAX, 1, "");
	compare_by(state(s, "member_days_min", "are for members of", p->transfer_days_min == 0, p->transfer_days_min == 0 ? "any age" :
	    SAY(s, "at least %s", count_words(s, p->transfer_days_min, "day"))), -1, p->transfer_days_min, 1, "");
	(void)state(s, "expiry", "give points", !p->transfer_restarts, p->transfer_restarts ? "the terms of that day" : "the day that they had");
}

static void
state_membership(struct speaker *s, const struct program_membership *m)
{
	about(s, TOPIC_OTHER, SAY(s, "memberships.%s", m->id), SAY(s, "the membership %s", m->id));
	compare_by(state(s, "fee", "costs", false, SAY(s, "%s %s", money_words(s, m->fee), m->months == 1 ? "a month" : "a year")), -1, m->fee, 1, "");
	compare_by(state(s, "trial_days", "has", m->trial_days == 0, m->trial_days == 0 ? "no trial" : SAY(s, "a trial of %s",
	    count_words(s, m->trial_days, "day"))), 1, m->trial_days, 1, "");
	compare_by(state(s, "grace_days", "that is not paid in time lasts", m->grace_days == 0, m->grace_days == 0 ? "no longer" : SAY(s, "%s longer",
	    count_words(s, m->grace_days, "day"))), 1, m->grace_days, 1, "");
	compare_by(state(s, "refund_if_unused", "that was not used", !m->refund_if_unused, m->refund_if_unused ? "is refunded" : "is not refunded"), 1,
	    m->refund_if_unused, 1, "");
	compare_by(state(s, "earn_multiplier", "earns", m->multiplier == MULTIPLIER_UNIT, SAY(s, "%s times the base points",
	    short_decimal(s, m->multiplier, MULTIPLIER_DIGITS))), 1, m->multiplier, 1, "");
}

static const char *
price_words(struct speaker *s, struct price price)
{
	if (price.den == 1)
		return SAY(s, "%s a point", money_words(s, price.num));
	return SAY(s, "%lld/%lld of %s a point", (long long)price.num, (long long)price.den, money_words(s, 1));
}

static void
state_partner(struct speaker *s, const struct partner *partner)
{
	about(s, TOPIC_OTHER, SAY(s, "partners.%s", partner->id), SAY(s, "the partner %s", partner->id));
	(void)state(s, "issue_price", "is billed", false, SAY(s, "%s that it issues", price_words(s, partner->issue)));
	(void)state(s, "redeem_price", "is paid", false, SAY(s, "%s that it redeems", price_words(s, partner->redeem)));
	(void)state(s, "settlement", "settles", false, partner->prepaid ? "in advance" : "afterwards");
}

static void
state_households(struct speaker *s)
{
	const struct program *p = s->p;

	for (size_t i = 0; i < p->n_memberships; i++)
		state_membership(s, &p->memberships[i]);
	for (size_t i = 0; i < p->n_partners; i++)
		state_partner(s, &p->partners[i]);
	about(s, TOPIC_REDEMPTION, "pools", "a pool");
	if (p->pool_max > 0)
		compare_by(state(s, "max_members", "has", false, SAY(s, "at most %s", count_words(s, p->pool_max, "member"))), 1, p->pool_max, 1, "");
}

static void
state_corrections(struct speaker *s)
{
	static const char *const claws[] = {
		[CLAW_UNLIMITED] = "what the purchase gave, as debt if need be", [CLAW_ONLY_PENDING] = "only points that are pending still",
		[CLAW_WITHIN_BALANCE] = "what the member has left of it, and no debt",
	};
	static const int leniency[] = { [CLAW_UNLIMITED] = 0, [CLAW_WITHIN_BALANCE] = 1, [CLAW_ONLY_PENDING] = 2 };
	const struct program *p = s->p;

	about(s, TOPIC_CORRECTIONS, "returns", "a return");
	compare_by(state(s, "claw_back", "takes back", true, claws[p->claw_back]), 1, leniency[p->claw_back], 1, "");
	(void)state(s, "restore", "or reversal gives points that are over by then", true, p->restore == RESTORE_GRACE ?
	    SAY(s, "for %s more", count_words(s, p->restore_days, "day")) : p->restore == RESTORE_NEW_LOT ? "the terms of that day" : "the day "
	    "that they had");
	compare_by(state(s, "used_voucher", "leaves a voucher that was used", !p->used_voucher_debt, p->used_voucher_debt ? "as debt of its value" :
	    "as it is"), 1, !p->used_voucher_debt, 1, "");
	if (p->has_transfers)
		state_transfers(s);
	about(s, TOPIC_CORRECTIONS, "advance", "an advance");
	if (p->has_advance)
		compare_by(state(s, "max", "lends", false, SAY(s, "at most %s", points_words(s, p->advance_max))), 1, p->advance_max, 1, "");
}

static void
state_limits(struct speaker *s)
{
	const struct program *p = s->p;

	about(s, TOPIC_LIMITS, "limits", "the program");
	compare_by(state(s, "earn_per_day", "lets a member earn", !p->has_earn_per_day, p->has_earn_per_day ? SAY(s, "at most %s a day",
	    points_words(s, p->earn_per_day)) : "without a daily limit"), 1, p->has_earn_per_day ? p->earn_per_day : INT64_MAX, 1, "");
	compare_by(state(s, "redeem_per_day", "lets a member redeem", !p->has_redeem_per_day, p->has_redeem_per_day ? SAY(s, "at most %s a day",
	    points_words(s, p->redeem_per_day)) : "without a daily limit"), 1, p->has_redeem_per_day ? p->redeem_per_day : INT64_MAX, 1, "");
	(void)state(s, "adjust_without_approval", "lets an operator adjust, without an approver,", !p->has_adjust_limit, p->has_adjust_limit ?
	    SAY(s, "at most %s", points_words(s, p->adjust_without_approval)) : "any number of points");
	compare_by(state(s, "late_days", "takes what a till sends late for", true, count_words(s, p->late_days, "day")), 1, p->late_days, 1, "");
}

/* Who may be a member, and how they come. */
static void
state_people(struct speaker *s)
{
	const struct program *p = s->p;

	about(s, TOPIC_EARNING, "unknown_alias", "an alias that nobody has");
	compare_by(state(s, "unknown_alias", "", true, p->unknown_refuse ? "is refused" : "earns, and can be enrolled later"), 1,
	    !p->unknown_refuse, 1, "");
	if (!p->has_referral)
		return;
	about(s, TOPIC_OTHER, "referral", "a referral");
	compare_by(state(s, "referrer", "gives who referred", false, points_words(s, p->referrer_points)), 1, p->referrer_points, 1, "");
	compare_by(state(s, "referee", "gives the friend", false, points_words(s, p->referee_points)), 1, p->referee_points, 1, "");
	compare_by(state(s, "min_amount", "is for a first purchase of", false, SAY(s, "at least %s", money_words(s, p->referral_min_amount))), -1,
	    p->referral_min_amount, 1, "");
	compare_by(state(s, "pending_days", "stays pending for", false, count_words(s, p->referral_days, "day")), -1, p->referral_days, 1, "");
	compare_by(state(s, "per_year", "is rewarded to a referrer", !p->has_referral_per_year, p->has_referral_per_year ? SAY(s, "%s a year",
	    count_words(s, p->referral_per_year, "time")) : "any number of times"), 1, p->has_referral_per_year ? p->referral_per_year : INT64_MAX,
	    1, "");
}

static const char *
days_words(struct speaker *s, size_t n, const uint32_t *days)
{
	const char *text = n == 0 ? "never" : "";

	for (size_t i = 0; i < n; i++)
		text = SAY(s, "%s%s%u", text, i == 0 ? "" : ", ", days[i]);
	return n == 0 ? text : SAY(s, "%s days before", text);
}

static void
state_head(struct speaker *s)
{
	static const char *const modes[] = { [ROUNDING_FLOOR] = "down", [ROUNDING_NEAREST] = "to the nearest", [ROUNDING_CEIL] = "up" };
	static const char *const stackings[] = {
		[STACKING_ADD] = "are added up", [STACKING_MULTIPLY] = "multiply each other", [STACKING_BEST] = "do not add up: the best one counts",
	};
	const struct program *p = s->p;

	about(s, TOPIC_EARNING, "rounding", "the program");
	(void)state(s, "rounding", "rounds points", true, SAY(s, "%s%s", modes[p->rounding], p->round_once ? ", once at the end" : ", each rule "
	    "by itself"));
	about(s, TOPIC_EARNING, "stacking", "multipliers");
	(void)state(s, "stacking", "together", true, stackings[p->stacking]);
	about(s, TOPIC_EARNING, "carry_remainder", "spend below a full step");
	compare_by(state(s, "carry_remainder", "", true, p->carry_remainder ? "is kept and counts next time" : "is not kept"), 1,
	    p->carry_remainder, 1, "");
	about(s, TOPIC_EXPIRY, "expiry", "points");
	state_expiry(s, "", false, &p->expiry);
	about(s, TOPIC_NOTICES, "notices", "notices");
	(void)state(s, "expiring_days", "of points that end come", true, days_words(s, p->n_expiring_days, p->expiring_days));
	(void)state(s, "downgrade_days", "of downgrades come", true, days_words(s, p->n_downgrade_days, p->downgrade_days));
	about(s, TOPIC_OTHER, "name", "the program");
	(void)state(s, "name", "is called", true, p->name);
	about(s, TOPIC_OTHER, "points", "a point");
	(void)state(s, "unit", "is called", true, p->unit);
}

void
program_facts(const struct program_file *file, struct arena *arena, struct facts *ret)
{
	const struct program *p = file->program;
	struct speaker s = { .facts = ret, .p = p };

	*ret = (struct facts){ .file = file, .arena = arena };
	for (size_t i = 0; i < p->n_rules; i++)
		state_rule(&s, &p->rules[i]);
	for (size_t i = 0; i < p->n_tiers; i++)
		state_tier(&s, &p->tiers[i]);
	state_head(&s);
	state_redemption(&s);
	state_auto_redeem(&s);
	for (size_t i = 0; i < p->n_rewards; i++)
		state_reward(&s, &p->rewards[i]);
	for (size_t i = 0; i < p->n_cards; i++)
		state_card(&s, &p->cards[i]);
	state_yearly(&s);
	state_corrections(&s);
	state_households(&s);
	state_limits(&s);
	state_people(&s);
}

const struct fact *
facts_find(const struct facts *facts, const char *entity, const char *aspect)
{
	for (size_t i = 0; i < facts->n; i++) {
		if (strcmp(facts->v[i].entity, entity) == 0 && strcmp(facts->v[i].aspect, aspect) == 0)
			return &facts->v[i];
	}
	return NULL;
}

bool
facts_have(const struct facts *facts, const char *entity)
{
	for (size_t i = 0; i < facts->n; i++) {
		if (strcmp(facts->v[i].entity, entity) == 0)
			return true;
	}
	return false;
}
