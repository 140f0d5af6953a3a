/*
 * From a program as written to one of integers.  Keys are judged in the order of program.proto and the first mistake is the
 * answer, so that the same file always gives the same sentence.  Nothing that is compiled can overflow or leave the calendar
 * later: terms, windows and scales are bounded here.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ledger/internal.h"

#define NAME_BYTES_MAX 100
#define TIMEZONE_BYTES_MAX 64
#define SPAN_DAYS_MAX 36500
#define SPAN_MONTHS_MAX 1200
#define SPAN_YEARS_MAX 100
#define ROLLING_MONTHS_MAX 120
#define BIRTHDAY_WINDOW_MAX 180
#define GUARD_DAYS_MAX 366
#define LATE_DAYS_MAX 3650
#define MULTIPLIER_MAX (1000 * MULTIPLIER_ONE)
#define TTL_DEFAULT_US (15 * 60 * US_PER_SECOND)
#define TTL_MAX_DEFAULT_US (30 * US_PER_DAY)
#define TTL_MAX_US (3650 * US_PER_DAY)

struct compiler {
	const struct program_def *def;
	struct program *p;
	struct program_error *error;
};

/* Always false, so that `return wrong(…)` ends the compilation. */
static bool __attribute__((format(printf, 3, 4)))
wrong(struct compiler *c, const char *path, const char *format, ...)
{
	va_list ap;

	snprintf(c->error->path, sizeof(c->error->path), "%s", path);
	va_start(ap, format);
	vsnprintf(c->error->sentence, sizeof(c->error->sentence), format, ap);
	va_end(ap);
	return false;
}

/* A path such as "earn[3].id", in a buffer of the caller's block. */
#define PATH_BYTES 96
#define PATH(...) path_of((char [PATH_BYTES]){ 0 }, __VA_ARGS__)
static const char * __attribute__((format(printf, 2, 3)))
path_of(char buffer[static PATH_BYTES], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(buffer, PATH_BYTES, format, ap);
	va_end(ap);
	return buffer;
}

/* ---- scalars ---- */

static bool
id_ok(const char *id, bool underscore)
{
	size_t len = strlen(id);

	if (len == 0 || len > LEDGER_ID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '0' && id[i] <= '9') || id[i] == '-' || (underscore && id[i] == '_')))
			return false;
	}
	return true;
}

static bool
compile_id(struct compiler *c, const char *path, const char *id, char ret_id[static LEDGER_ID_MAX + 1])
{
	if (id == NULL)
		return wrong(c, path, "an id is required");
	if (!id_ok(id, true))
		return wrong(c, path, "an id is 1 to %d characters of a-z, 0-9, - and _", LEDGER_ID_MAX);
	tier_id_copy(ret_id, id);
	return true;
}

/* Text of 1 to max bytes. */
static bool
compile_text(struct compiler *c, const char *path, const char *text, size_t max, char *ret_text)
{
	if (text == NULL)
		return wrong(c, path, "%s is required", path);
	size_t len = strlen(text);
	if (len == 0 || len > max)
		return wrong(c, path, "%s is 1 to %zu bytes long", path, max);
	memcpy(ret_text, text, len + 1);
	return true;
}

/* A decimal at a scale, from ${least} on; ${what} the scale belongs to. */
static bool
compile_decimal(struct compiler *c, const char *path, const char *text, unsigned scale, const char *what, int64_t least, int64_t *ret)
{
	char least_text[DECIMAL_TEXT_BYTES];
	struct decimal d;
	int64_t value = 0;

	if (text == NULL)
		return wrong(c, path, "%s is required", path);
	if (!decimal_parse(text, &d))
		return wrong(c, path, "%s is not a decimal number, such as \"1\" or \"0.5\"", path);
	switch (decimal_scale(d, scale, &value)) {
	case DECIMAL_OK:
		break;
	case DECIMAL_SURPLUS_DIGITS:
		return wrong(c, path, "%s has more digits after the point than the %u of %s", path, scale, what);
	case DECIMAL_OVERFLOW:
		return wrong(c, path, "%s is too large", path);
	}
	if (value < least)
		return wrong(c, path, "%s must be at least %s", path, decimal_format(least, scale, least_text));
	if (value > POINTS_MAX)
		return wrong(c, path, "%s is too large", path);
	*ret = value;
	return true;
}

static bool
compile_points(struct compiler *c, const char *path, const char *text, int64_t least, int64_t *ret)
{
	return compile_decimal(c, path, text, c->p->scale, "points.scale", least, ret);
}

static bool
compile_money(struct compiler *c, const char *path, const char *text, int64_t least, int64_t *ret)
{
	return compile_decimal(c, path, text, c->p->currency_digits, c->p->currency, least, ret);
}

static bool
compile_at_most(struct compiler *c, const char *path, uint32_t value, uint32_t max, uint32_t *ret)
{
	if (value > max)
		return wrong(c, path, "%s is at most %u", path, max);
	*ret = value;
	return true;
}

bool
currency_digits(const char *code, unsigned *ret_digits)
{
	static const struct { const char *codes; unsigned digits; } table[] = {
		{ "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 0 },
		{ "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
		  "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
		  "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN "
		  "NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
		  "SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG", 2 },
		{ "BHD IQD JOD KWD LYD OMR TND", 3 },
		{ "CLF UYW", 4 },
	};

	if (strlen(code) != 3)
		return false;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (const char *at = table[i].codes; *at != 0; at += at[3] == 0 ? 3 : 4) {
			if (memcmp(at, code, 3) == 0) {
				*ret_digits = table[i].digits;
				return true;
			}
		}
	}
	return false;
}

/* ---- sections, in the order of program.proto ---- */

static bool
compile_head(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	if (def->id == NULL)
		return wrong(c, "id", "id is required");
	if (!id_ok(def->id, false))
		return wrong(c, "id", "a program's id is 1 to %d characters of a-z, 0-9 and -", LEDGER_ID_MAX);
	tier_id_copy(p->id, def->id);
	if (!compile_text(c, "name", def->name, NAME_BYTES_MAX, p->name))
		return false;
	if (!compile_text(c, "timezone", def->timezone, TIMEZONE_BYTES_MAX, p->timezone))
		return false;
	if (def->currency == NULL)
		return wrong(c, "currency", "currency is required");
	if (!currency_digits(def->currency, &p->currency_digits))
		return wrong(c, "currency", "currency is an ISO 4217 code in capitals, such as \"USD\"");
	memcpy(p->currency, def->currency, sizeof(p->currency));
	if (!def->has_points)
		return wrong(c, "points", "points is required, as {unit: star, scale: 0}");
	if (!compile_text(c, "points.unit", def->unit, LEDGER_ID_MAX, p->unit))
		return false;
	if (!def->has_scale)
		return wrong(c, "points.scale", "points.scale is required");
	if (!compile_at_most(c, "points.scale", def->scale, PROGRAM_SCALE_MAX, &p->scale))
		return false;
	p->rounding = def->rounding;
	p->round_once = def->round_once;
	return true;
}

static bool
compile_measure(struct compiler *c, size_t at, const struct rule_def *def, struct rule *rule)
{
	if (def->has_per_amount == def->has_fixed)
		return wrong(c, PATH("earn[%zu]", at), "a rule needs one of per_amount and fixed");
	if (def->has_fixed) {
		rule->measure = MEASURE_FIXED;
		return compile_points(c, PATH("earn[%zu].fixed.points", at), def->points, 0, &rule->points);
	}
	rule->measure = MEASURE_PER_AMOUNT;
	rule->whole_steps = def->whole_steps;
	return compile_money(c, PATH("earn[%zu].per_amount.amount", at), def->amount, 1, &rule->amount) &&
	    compile_points(c, PATH("earn[%zu].per_amount.points", at), def->points, 0, &rule->points);
}

/* Rules stand by priority, so each one is put in its place. */
static bool
compile_rule(struct compiler *c, size_t at)
{
	const struct rule_def *def = &c->def->rules[at];
	struct program *p = c->p;
	struct rule rule = { 0 };
	size_t place = p->n_rules;

	if (!compile_id(c, PATH("earn[%zu].id", at), def->id, rule.id))
		return false;
	if (!def->has_priority)
		return wrong(c, PATH("earn[%zu].priority", at), "priority is required; rules with lower ones come first");
	rule.priority = def->priority;
	if (!def->has_kind)
		return wrong(c, PATH("earn[%zu].kind", at), "kind is required: base or bonus");
	rule.kind = def->kind;
	for (size_t i = 0; i < p->n_rules; i++) {
		if (strcmp(p->rules[i].id, rule.id) == 0)
			return wrong(c, PATH("earn[%zu].id", at), "two rules have the id %s", rule.id);
		if (p->rules[i].priority == rule.priority)
			return wrong(c, PATH("earn[%zu].priority", at), "%s and %s have the same priority", p->rules[i].id, rule.id);
	}
	if (!compile_measure(c, at, def, &rule))
		return false;
	while (place > 0 && p->rules[place - 1].priority > rule.priority)
		place--;
	memmove(&p->rules[place + 1], &p->rules[place], (p->n_rules - place) * sizeof(rule));
	p->rules[place] = rule;
	p->n_rules++;
	return true;
}

static bool
compile_earn(struct compiler *c)
{
	if (c->def->n_rules > PROGRAM_RULES_MAX)
		return wrong(c, "earn", "a program has at most %d rules", PROGRAM_RULES_MAX);
	for (size_t i = 0; i < c->def->n_rules; i++) {
		if (!compile_rule(c, i))
			return false;
	}
	if (c->p->round_once && program_common_step(c->p) == 0)
		return wrong(c, "rounding.at", "once needs per_amount amounts with a common multiple that is not so large");
	return true;
}

static bool
compile_expiry(struct compiler *c, const char *path, const struct expiry_def *def, struct expiry *ret)
{
	int terms = (int)def->has_days + (int)def->has_months + (int)def->has_years;

	*ret = (struct expiry){ .never = true };
	if (!def->given)
		return true;
	if (def->never) {
		if (terms != 0 || def->round_up != ROUND_UP_NONE)
			return wrong(c, path, "what never expires has no term and nothing to round up");
		return true;
	}
	if (terms != 1)
		return wrong(c, path, "expiry needs never, or after with one of days, months and years");
	if (def->has_days && (def->days == 0 || def->days > SPAN_DAYS_MAX))
		return wrong(c, PATH("%s.after.days", path), "days is 1 to %d", SPAN_DAYS_MAX);
	if (def->has_months && (def->months == 0 || def->months > SPAN_MONTHS_MAX))
		return wrong(c, PATH("%s.after.months", path), "months is 1 to %d", SPAN_MONTHS_MAX);
	if (def->has_years && (def->years == 0 || def->years > SPAN_YEARS_MAX))
		return wrong(c, PATH("%s.after.years", path), "years is 1 to %d", SPAN_YEARS_MAX);
	ret->never = false;
	ret->days = def->has_days ? def->days : 0;
	ret->months = def->has_months ? def->months : def->has_years ? def->years * 12 : 0;
	ret->round_up = def->round_up;
	return true;
}

/* ---- tiers ---- */

static bool
compile_threshold(struct compiler *c, const char *path, const struct threshold_def *def, struct threshold *ret)
{
	static const char *const names[] = { "points_earned", "spend", "visits" };
	unsigned metric = 0;

	if (def->metric == NULL)
		return wrong(c, PATH("%.64s.metric", path), "metric is required: points_earned, spend or visits");
	while (metric < 3 && strcmp(names[metric], def->metric) != 0)
		metric++;
	if (metric == 3)
		return wrong(c, PATH("%.64s.metric", path), "unknown metric \"%.40s\": use points_earned, spend or visits", def->metric);
	ret->metric = (enum metric)metric;
	switch (ret->metric) {
	case METRIC_POINTS_EARNED: return compile_points(c, PATH("%.64s.at_least", path), def->at_least, 0, &ret->at_least);
	case METRIC_SPEND: return compile_money(c, PATH("%.64s.at_least", path), def->at_least, 0, &ret->at_least);
	case METRIC_VISITS: return compile_decimal(c, PATH("%.64s.at_least", path), def->at_least, 0, "visits", 0, &ret->at_least);
	}
	assert(false);
	return false;
}

static bool
compile_reach(struct compiler *c, size_t at, const struct tier_def *def, struct tier *tier)
{
	if (def->n_any == 0 || def->n_any > PROGRAM_REACH_MAX)
		return wrong(c, PATH("tiers[%zu].reach.any", at), "reach needs an `any` list of 1 to %d entries", PROGRAM_REACH_MAX);
	for (size_t i = 0; i < def->n_any; i++) {
		if (def->any[i].n == 0 || def->any[i].n > PROGRAM_REACH_MAX)
			return wrong(c, PATH("tiers[%zu].reach.any[%zu].all", at, i), "`all` is a list of 1 to %d thresholds",
			    PROGRAM_REACH_MAX);
		for (size_t k = 0; k < def->any[i].n; k++) {
			if (!compile_threshold(c, PATH("tiers[%zu].reach.any[%zu].all[%zu]", at, i, k), &def->any[i].thresholds[k],
			    &tier->any[i].all[k]))
				return false;
		}
		tier->any[i].n = def->any[i].n;
	}
	tier->n_any = def->n_any;
	return true;
}

static bool
compile_multiplier(struct compiler *c, size_t at, const char *text, int64_t *ret)
{
	*ret = MULTIPLIER_ONE;
	if (text == NULL)
		return true;
	if (!compile_decimal(c, PATH("tiers[%zu].earn_multiplier", at), text, MULTIPLIER_DIGITS, "a multiplier", MULTIPLIER_ONE, ret))
		return false;
	if (*ret > MULTIPLIER_MAX)
		return wrong(c, PATH("tiers[%zu].earn_multiplier", at), "a multiplier is at most 1000");
	return true;
}

/* Whether no other tier's rank is below: only that one goes without reach. */
static bool
is_lowest(const struct program_def *def, size_t at)
{
	for (size_t i = 0; i < def->n_tiers; i++) {
		if (def->tiers[i].rank < def->tiers[at].rank)
			return false;
	}
	return true;
}

static bool
compile_tier_head(struct compiler *c, size_t at, struct tier *tier)
{
	const struct tier_def *def = &c->def->tiers[at];
	const struct program *p = c->p;

	if (!compile_id(c, PATH("tiers[%zu].id", at), def->id, tier->id))
		return false;
	if (!def->has_rank)
		return wrong(c, PATH("tiers[%zu].rank", at), "rank is required; a higher number is a higher tier");
	tier->rank = def->rank;
	for (size_t i = 0; i < p->n_tiers; i++) {
		if (strcmp(p->tiers[i].id, tier->id) == 0)
			return wrong(c, PATH("tiers[%zu].id", at), "two tiers have the id %s", tier->id);
	}
	snprintf(tier->share_rule, sizeof(tier->share_rule), "tier:%s", tier->id);
	return true;
}

static bool
compile_tier_reach(struct compiler *c, size_t at, struct tier *tier)
{
	const struct tier_def *def = &c->def->tiers[at];

	if (is_lowest(c->def, at)) {
		if (def->has_reach)
			return wrong(c, PATH("tiers[%zu].reach", at), "%s is the lowest tier, which everybody has: it takes no reach",
			    tier->id);
	} else {
		if (!def->has_reach)
			return wrong(c, PATH("tiers[%zu].reach", at), "%s is not the lowest tier, so reach is required", tier->id);
		if (!compile_reach(c, at, def, tier))
			return false;
	}
	tier->window = def->window;
	if (def->window != WINDOW_ROLLING_MONTHS)
		return true;
	if (def->rolling_months == 0 || def->rolling_months > ROLLING_MONTHS_MAX)
		return wrong(c, PATH("tiers[%zu].window.rolling_months", at), "rolling_months is 1 to %d", ROLLING_MONTHS_MAX);
	tier->rolling_months = def->rolling_months;
	return true;
}

static bool
compile_tier(struct compiler *c, size_t at)
{
	const struct tier_def *def = &c->def->tiers[at];
	struct program *p = c->p;
	struct tier tier = { 0 };
	size_t place = p->n_tiers;

	if (!compile_tier_head(c, at, &tier) || !compile_tier_reach(c, at, &tier) ||
	    !compile_multiplier(c, at, def->earn_multiplier, &tier.multiplier) ||
	    !compile_expiry(c, PATH("tiers[%zu].expiry", at), &def->expiry, &tier.expiry))
		return false;
	tier.has_expiry = def->expiry.given;
	while (place > 0 && p->tiers[place - 1].rank > tier.rank)
		place--;
	memmove(&p->tiers[place + 1], &p->tiers[place], (p->n_tiers - place) * sizeof(tier));
	p->tiers[place] = tier;
	p->n_tiers++;
	return true;
}

/* Before anything that depends on which tier is the lowest. */
static bool
check_ranks(struct compiler *c)
{
	for (size_t at = 1; at < c->def->n_tiers; at++) {
		for (size_t i = 0; i < at; i++) {
			const struct tier_def *a = &c->def->tiers[i], *b = &c->def->tiers[at];

			if (a->has_rank && b->has_rank && a->rank == b->rank)
				return wrong(c, PATH("tiers[%zu].rank", at), "tiers %zu and %zu have the same rank", i + 1, at + 1);
		}
	}
	return true;
}

static bool
compile_tiers(struct compiler *c)
{
	if (c->def->n_tiers > PROGRAM_TIERS_MAX)
		return wrong(c, "tiers", "a program has at most %d tiers", PROGRAM_TIERS_MAX);
	if (!check_ranks(c))
		return false;
	for (size_t i = 0; i < c->def->n_tiers; i++) {
		if (!compile_tier(c, i))
			return false;
	}
	return true;
}

/* ---- the rest ---- */

static bool
compile_birthday(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	if (!def->has_birthday)
		return true;
	p->has_birthday = true;
	p->birthday_on_claim = def->birthday_on_claim;
	p->leap_to_march = def->leap_to_march;
	return compile_points(c, "birthday.reward.points", def->birthday_points, 1, &p->birthday_points) &&
	    compile_at_most(c, "birthday.window.days_before", def->birthday_days_before, BIRTHDAY_WINDOW_MAX, &p->birthday_days_before) &&
	    compile_at_most(c, "birthday.window.days_after", def->birthday_days_after, BIRTHDAY_WINDOW_MAX, &p->birthday_days_after) &&
	    compile_at_most(c, "birthday.guard_days", def->guard_days, GUARD_DAYS_MAX, &p->guard_days);
}

static bool
compile_ttl(struct compiler *c, const char *path, const char *text, int64_t left_out_us, int64_t *ret_us)
{
	*ret_us = left_out_us;
	if (text == NULL)
		return true;
	if (!duration_parse(text, ret_us))
		return wrong(c, path, "%s is a duration such as \"300s\", \"15m\", \"2h\" or \"30d\"", path);
	if (*ret_us < US_PER_SECOND || *ret_us > TTL_MAX_US)
		return wrong(c, path, "%s is 1s to %dd", path, (int)(TTL_MAX_US / US_PER_DAY));
	return true;
}

static bool
compile_redemption(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	p->max_percent_of_order = 100;
	p->redeem_step = 1;
	p->default_ttl_us = TTL_DEFAULT_US;
	p->max_ttl_us = TTL_MAX_DEFAULT_US;
	p->has_redemption = def->has_redemption;
	if (!def->has_redemption)
		return true;
	p->has_value = def->value_points != NULL || def->value_amount != NULL;
	if (p->has_value && (!compile_points(c, "redemption.value.points", def->value_points, 1, &p->value_points) ||
	    !compile_money(c, "redemption.value.amount", def->value_amount, 1, &p->value_amount)))
		return false;
	if (def->redeem_min != NULL && !compile_points(c, "redemption.min", def->redeem_min, 0, &p->redeem_min))
		return false;
	if (def->redeem_step != NULL && !compile_points(c, "redemption.step", def->redeem_step, 1, &p->redeem_step))
		return false;
	if (def->has_max_percent && !compile_at_most(c, "redemption.max_percent_of_order", def->max_percent_of_order, 100,
	    &p->max_percent_of_order))
		return false;
	if (!compile_ttl(c, "redemption.hold.default_ttl", def->default_ttl, TTL_DEFAULT_US, &p->default_ttl_us) ||
	    !compile_ttl(c, "redemption.hold.max_ttl", def->max_ttl, TTL_MAX_DEFAULT_US, &p->max_ttl_us))
		return false;
	if (p->max_ttl_us < p->default_ttl_us)
		return wrong(c, "redemption.hold.max_ttl", "max_ttl (30d when left out) is below default_ttl (15m when left out)");
	return true;
}

/* Windows are looked at from an event that may be late_days old. */
static void
set_metric_days(struct program *p)
{
	uint32_t days = 0;

	for (size_t i = 0; i < p->n_tiers; i++) {
		uint32_t window = p->tiers[i].window == WINDOW_CALENDAR_YEAR ? 366 : p->tiers[i].rolling_months * 31;
		if (window > days)
			days = window;
	}
	days += p->late_days;
	p->metric_days = days > METRIC_DAYS_KEPT ? days : METRIC_DAYS_KEPT;
}

enum status
program_compile(const struct program_def *def, const struct zone *zone, struct arena *arena, struct program **ret_program,
    struct program_error *ret_error)
{
	struct program *p = arena_alloc(arena, sizeof(*p));
	struct compiler c = { .def = def, .p = p, .error = ret_error };

	if (p == NULL)
		return ST_NOMEM;
	p->zone = *zone;
	if (!compile_head(&c) || !compile_earn(&c) || !compile_expiry(&c, "expiry", &def->expiry, &p->expiry) || !compile_tiers(&c) ||
	    !compile_birthday(&c) || !compile_redemption(&c) ||
	    !compile_at_most(&c, "limits.late_days", def->has_late_days ? def->late_days : LATE_DAYS_DEFAULT, LATE_DAYS_MAX, &p->late_days))
		return ST_INVALID;
	set_metric_days(p);
	*ret_program = p;
	return ST_OK;
}

/* ---- asking a program ---- */

const struct tier *
program_tier(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_tiers; i++) {
		if (strcmp(p->tiers[i].id, id) == 0)
			return &p->tiers[i];
	}
	return NULL;
}

int32_t
program_last_day(const struct program *p, const struct tier *tier, int32_t day)
{
	const struct expiry *e = tier != NULL && tier->has_expiry ? &tier->expiry : &p->expiry;

	assert(day_ok(day));
	if (e->never)
		return DAY_NEVER;
	/* The calendar ends with the year 9999, and so does every term. */
	if (day > DAY_MAX - (SPAN_YEARS_MAX + 1) * 366)
		return DAY_MAX;
	int32_t last = e->days > 0 ? day + (int32_t)e->days : day_add_months(day, (int)e->months);
	return day_round_up(last, e->round_up);
}

int64_t
gcd(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

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
