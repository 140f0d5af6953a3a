/*
 * From a program as written to one of integers.  Keys are judged in the order of program.proto and the first mistake is the
 * answer, so that the same file always gives the same sentence.  Nothing that is compiled can overflow or leave the calendar
 * later: terms, windows and scales are bounded here.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ledger/compile.h"

#define RATIO_DIGITS_MAX 6
#define NAME_BYTES_MAX 100
#define TIMEZONE_BYTES_MAX 64
#define SPAN_MONTHS_MAX 1200
#define SPAN_YEARS_MAX 100
#define ROLLING_MONTHS_MAX 120
#define VALID_MONTHS_MAX 120
#define GRACE_MONTHS_MAX 24
#define ROUND_UP_DAYS_MAX 366
#define BIRTHDAY_WINDOW_MAX 180
#define GUARD_DAYS_MAX 366
#define WITHIN_MONTHS_MAX 120
#define NOTICE_DAYS_MAX 3660
#define LATE_DAYS_MAX 3650
#define TTL_DEFAULT_US (15 * 60 * US_PER_SECOND)
#define TTL_MAX_DEFAULT_US (30 * US_PER_DAY)
#define TTL_MAX_US (3650 * US_PER_DAY)

bool
wrong(struct compiler *c, const char *path, const char *format, ...)
{
	va_list ap;

	if (c->n_errors == c->max_errors)
		return false;
	struct program_error *error = &c->errors[c->n_errors++];
	snprintf(error->path, sizeof(error->path), "%s", path);
	va_start(ap, format);
	(void)vsnprintf(error->sentence, sizeof(error->sentence), format, ap);
	va_end(ap);
	return false;
}

bool
compile_goes_on(const struct compiler *c)
{
	return !c->no_memory && c->n_errors < c->max_errors;
}

const char *
path_of(char buffer[static PATH_BYTES], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(buffer, PATH_BYTES, format, ap);
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

bool
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
bool
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
bool
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

bool
compile_points(struct compiler *c, const char *path, const char *text, int64_t least, int64_t *ret)
{
	return compile_decimal(c, path, text, c->p->scale, "points.scale", least, ret);
}

bool
compile_money(struct compiler *c, const char *path, const char *text, int64_t least, int64_t *ret)
{
	return compile_decimal(c, path, text, c->p->currency_digits, c->p->currency, least, ret);
}

bool
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
	p->stacking = def->stacking;
	p->carry_remainder = def->carry_remainder;
	return true;
}

static bool
compile_names(struct compiler *c, const char *path, size_t n, const char *const *names, struct names *ret)
{
	if (n == 0 || n > PROGRAM_NAMES_MAX)
		return wrong(c, path, "%s is a list of 1 to %d operations or activities", path, PROGRAM_NAMES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!compile_id(c, PATH("%.64s[%zu]", path, i), names[i], ret->name[i]))
			return false;
	}
	ret->n = n;
	return true;
}

static bool
names_equal(const struct names *a, const struct names *b)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!names_have(b, a->name[i]))
			return false;
	}
	for (size_t i = 0; i < b->n; i++) {
		if (!names_have(a, b->name[i]))
			return false;
	}
	return true;
}

/* A member has one clock, so a program has one way to run it. */
static bool
compile_inactivity(struct compiler *c, const char *path, const struct expiry_def *def)
{
	struct inactivity in = { .months = def->inactivity_months, .percent = def->percent };
	struct program *p = c->p;

	if (!def->has_inactivity_months || in.months == 0 || in.months > SPAN_MONTHS_MAX)
		return wrong(c, PATH("%.40s.inactivity.months", path), "months is 1 to %d", SPAN_MONTHS_MAX);
	if (!compile_names(c, PATH("%.40s.inactivity.activities", path), def->n_activities, def->activities, &in.activities))
		return false;
	if (!def->has_percent || in.percent == 0 || in.percent > 100)
		return wrong(c, PATH("%.40s.inactivity.percent", path), "percent is 1 to 100");
	if (p->has_inactivity && (p->inactivity.months != in.months || p->inactivity.percent != in.percent ||
	    !names_equal(&p->inactivity.activities, &in.activities)))
		return wrong(c, PATH("%.40s.inactivity", path), "a member has one inactivity clock: write the same inactivity everywhere");
	p->has_inactivity = true;
	p->inactivity = in;
	return true;
}

static bool
compile_after(struct compiler *c, const char *path, const struct expiry_def *def, struct expiry *ret)
{
	if (def->has_days && (def->days == 0 || def->days > SPAN_DAYS_MAX))
		return wrong(c, PATH("%s.after.days", path), "days is 1 to %d", SPAN_DAYS_MAX);
	if (def->has_months && (def->months == 0 || def->months > SPAN_MONTHS_MAX))
		return wrong(c, PATH("%s.after.months", path), "months is 1 to %d", SPAN_MONTHS_MAX);
	if (def->has_years && (def->years == 0 || def->years > SPAN_YEARS_MAX))
		return wrong(c, PATH("%s.after.years", path), "years is 1 to %d", SPAN_YEARS_MAX);
	ret->days = def->has_days ? def->days : 0;
	ret->months = def->has_months ? def->months : def->has_years ? def->years * 12 : 0;
	ret->round_up = def->round_up;
	return true;
}

static bool
compile_on(struct compiler *c, const char *path, const struct expiry_def *def, struct expiry *ret)
{
	if (!month_day_parse(def->on, &ret->on_month, &ret->on_day))
		return wrong(c, PATH("%s.on", path), "on is a day of the year, such as \"12-31\"");
	if (!def->has_on_years)
		return wrong(c, PATH("%s.years", path), "years is required beside on; 0 is the first such date");
	if (def->years > SPAN_YEARS_MAX)
		return wrong(c, PATH("%s.years", path), "years is at most %d", SPAN_YEARS_MAX);
	ret->months = def->years * 12;
	return true;
}

bool
compile_expiry(struct compiler *c, const char *path, const struct expiry_def *def, struct expiry *ret)
{
	int terms = (int)def->has_days + (int)def->has_months + (int)def->has_years;
	bool after = terms > 0, on = def->on != NULL;

	*ret = (struct expiry){ .never = true };
	if (!def->given)
		return true;
	if (terms > 1)
		return wrong(c, PATH("%s.after", path), "after takes one of days, months and years");
	if ((int)def->never + after + on + def->inactivity != 1)
		return wrong(c, path, "expiry is one of never, after with one of days, months and years, on with years, and inactivity");
	if (def->has_on_years && !on)
		return wrong(c, PATH("%s.years", path), "years goes with on, or into after");
	if (!after && def->round_up != ROUND_UP_NONE)
		return wrong(c, path, "round_up_to goes with after");
	if (!after && !on && def->n_refresh > 0)
		return wrong(c, PATH("%s.refresh_on", path), "refresh_on goes with after and on: nothing else has a date that could move");
	ret->never = def->never;
	ret->inactivity = def->inactivity;
	if (def->n_refresh > 0 && !compile_names(c, PATH("%s.refresh_on", path), def->n_refresh, def->refresh, &ret->refresh_on))
		return false;
	if (on)
		return compile_on(c, path, def, ret);
	if (def->inactivity)
		return compile_inactivity(c, path, def);
	return def->never || compile_after(c, path, def, ret);
}

/* ---- tiers ---- */

static bool
compile_threshold(struct compiler *c, const char *path, const struct threshold_def *def, struct threshold *ret)
{
	static const char *const names[] = { "points_earned", "spend", "visits", "balance" };
	unsigned metric = 0;

	if (def->metric == NULL)
		return wrong(c, PATH("%.64s.metric", path), "metric is required: points_earned, spend, visits or balance");
	while (metric < METRIC_COUNTER && strcmp(names[metric], def->metric) != 0)
		metric++;
	for (size_t i = 0; metric == METRIC_COUNTER + i && i < c->p->n_counters; i++)
		metric += strcmp(c->p->counters[i], def->metric) != 0;
	if (metric == METRIC_COUNTER + c->p->n_counters)
		return wrong(c, PATH("%.64s.metric", path), "unknown metric \"%.40s\": use points_earned, spend, visits, balance or a counter",
		    def->metric);
	ret->metric = (enum metric)metric;
	switch (ret->metric) {
	case METRIC_POINTS_EARNED: case METRIC_BALANCE:
		return compile_points(c, PATH("%.64s.at_least", path), def->at_least, 0, &ret->at_least);
	case METRIC_SPEND: return compile_money(c, PATH("%.64s.at_least", path), def->at_least, 0, &ret->at_least);
	case METRIC_VISITS: return compile_decimal(c, PATH("%.64s.at_least", path), def->at_least, 0, "visits", 0, &ret->at_least);
	case METRIC_COUNTER: break;
	}
	return compile_decimal(c, PATH("%.64s.at_least", path), def->at_least, 0, "a counter", 0, &ret->at_least);
}

static bool
compile_any(struct compiler *c, const char *path, size_t n_any, const struct all_def *any, struct all_of *ret)
{
	if (n_any == 0 || n_any > PROGRAM_REACH_MAX)
		return wrong(c, PATH("%.64s.any", path), "%.64s needs an `any` list of 1 to %d entries", path, PROGRAM_REACH_MAX);
	for (size_t i = 0; i < n_any; i++) {
		if (any[i].n == 0 || any[i].n > PROGRAM_REACH_MAX)
			return wrong(c, PATH("%.40s.any[%zu].all", path, i), "`all` is a list of 1 to %d thresholds", PROGRAM_REACH_MAX);
		for (size_t k = 0; k < any[i].n; k++) {
			if (!compile_threshold(c, PATH("%.40s.any[%zu].all[%zu]", path, i, k), &any[i].thresholds[k], &ret[i].all[k]))
				return false;
		}
		ret[i].n = any[i].n;
	}
	return true;
}

static bool
asks_balance(const struct tier *tier)
{
	for (size_t i = 0; i < tier->n_any; i++) {
		for (size_t k = 0; k < tier->any[i].n; k++) {
			if (tier->any[i].all[k].metric == METRIC_BALANCE)
				return true;
		}
	}
	return false;
}

static bool
compile_reach(struct compiler *c, size_t at, const struct tier_def *def, struct tier *tier)
{
	if (!compile_any(c, PATH("tiers[%zu].reach", at), def->n_any, def->any, tier->any))
		return false;
	tier->n_any = def->n_any;
	tier->asks_balance = asks_balance(tier);
	if (!def->has_keep) {
		tier->n_keep = tier->n_any;
		memcpy(tier->keep, tier->any, sizeof(tier->keep));
		return true;
	}
	tier->n_keep = def->n_keep;
	return compile_any(c, PATH("tiers[%zu].keep", at), def->n_keep, def->keep, tier->keep);
}

static bool
compile_validity(struct compiler *c, size_t at, const struct tier_def *def, struct tier *tier)
{
	tier->valid = def->valid;
	tier->downgrade = def->has_downgrade ? def->downgrade : DOWNGRADE_FULL;
	if (def->valid == VALID_MONTHS && (def->valid_months == 0 || def->valid_months > VALID_MONTHS_MAX))
		return wrong(c, PATH("tiers[%zu].valid.months", at), "months is 1 to %d", VALID_MONTHS_MAX);
	if (def->valid != VALID_MONTHS && def->valid_round_up != ROUND_UP_NONE)
		return wrong(c, PATH("tiers[%zu].valid.round_up_to", at), "round_up_to goes with months");
	tier->valid_months = def->valid_months;
	tier->valid_round_up = def->valid_round_up;
	if (!def->has_grace)
		return true;
	if (def->grace_months == 0 || def->grace_months > GRACE_MONTHS_MAX)
		return wrong(c, PATH("tiers[%zu].grace.months", at), "months is 1 to %d", GRACE_MONTHS_MAX);
	tier->grace_months = def->grace_months;
	tier->grace_round_up = def->grace_round_up;
	return true;
}

/* What the lowest tier, which nobody reaches or loses, cannot have. */
static bool
check_lowest(struct compiler *c, size_t at, const char *id)
{
	const struct tier_def *def = &c->def->tiers[at];
	const struct { const char *key; bool given; } keys[] = {
		{ "reach", def->has_reach }, { "keep", def->has_keep }, { "valid", def->has_valid }, { "grace", def->has_grace },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].given)
			return wrong(c, PATH("tiers[%zu].%s", at, keys[i].key), "%s is the lowest tier, which everybody has: it takes no %s",
			    id, keys[i].key);
	}
	return true;
}

bool
compile_multiplier(struct compiler *c, const char *path, const char *text, int64_t *ret)
{
	*ret = MULTIPLIER_ONE;
	if (text == NULL)
		return true;
	if (!compile_decimal(c, path, text, MULTIPLIER_DIGITS, "a multiplier", MULTIPLIER_ONE, ret))
		return false;
	return *ret <= MULTIPLIER_MAX || wrong(c, path, "a multiplier is at most 1000");
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
		if (!check_lowest(c, at, tier->id))
			return false;
	} else {
		if (!def->has_reach)
			return wrong(c, PATH("tiers[%zu].reach", at), "%s is not the lowest tier, so reach is required", tier->id);
		if (!compile_reach(c, at, def, tier))
			return false;
	}
	if (!compile_validity(c, at, def, tier))
		return false;
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
	    !compile_multiplier(c, PATH("tiers[%zu].earn_multiplier", at), def->earn_multiplier, &tier.multiplier) ||
	    !compile_expiry(c, PATH("tiers[%zu].expiry", at), &def->expiry, &tier.expiry))
		return false;
	tier.has_birthday_window = def->has_birthday_window;
	if (!compile_at_most(c, PATH("tiers[%zu].birthday.days_before", at), def->birthday_days_before, BIRTHDAY_WINDOW_MAX,
	    &tier.birthday_days_before) || !compile_at_most(c, PATH("tiers[%zu].birthday.days_after", at), def->birthday_days_after,
	    BIRTHDAY_WINDOW_MAX, &tier.birthday_days_after))
		return false;
	if (def->has_birthday_window && !c->def->has_birthday)
		return wrong(c, PATH("tiers[%zu].birthday", at), "a tier's window needs a birthday reward in the program");
	tier.has_expiry = def->expiry.given;
	tier.all_open = def->all_open;
	tier.forfeits_stamps = def->forfeits_stamps;
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

/* Without one nobody knows which is the lowest. */
static bool
have_ranks(const struct program_def *def)
{
	for (size_t i = 0; i < def->n_tiers; i++) {
		if (!def->tiers[i].has_rank)
			return false;
	}
	return true;
}

static bool
compile_tiers(struct compiler *c)
{
	bool good = true;

	if (c->def->n_tiers > PROGRAM_TIERS_MAX)
		return wrong(c, "tiers", "a program has at most %d tiers", PROGRAM_TIERS_MAX);
	if (!check_ranks(c))
		return false;
	for (size_t i = 0; i < c->def->n_tiers; i++) {
		good = compile_tier(c, i) && good;
		if (!good && (!compile_goes_on(c) || !have_ranks(c->def)))
			return false;
	}
	return good;
}

/* ---- the rest ---- */

static bool
compile_requires(struct compiler *c)
{
	const struct program_def *def = c->def;

	c->p->has_requires = def->has_requires;
	if (!def->has_requires)
		return true;
	if (!compile_points(c, "birthday.requires.points_earned", def->requires_points, 1, &c->p->requires_points))
		return false;
	if (!def->has_within_months || def->within_months == 0)
		return wrong(c, "birthday.requires.within_months", "within_months is required, 1 to %d", WITHIN_MONTHS_MAX);
	return compile_at_most(c, "birthday.requires.within_months", def->within_months, WITHIN_MONTHS_MAX, &c->p->within_months);
}

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
	return compile_grant(c, "birthday.reward", def->birthday_points, def->birthday_voucher, &p->birthday_points, &p->birthday_voucher) &&
	    compile_at_most(c, "birthday.window.days_before", def->birthday_days_before, BIRTHDAY_WINDOW_MAX, &p->birthday_days_before) &&
	    compile_at_most(c, "birthday.window.days_after", def->birthday_days_after, BIRTHDAY_WINDOW_MAX, &p->birthday_days_after) &&
	    compile_at_most(c, "birthday.guard_days", def->guard_days, GUARD_DAYS_MAX, &p->guard_days) && compile_requires(c);
}

static bool
compile_anniversary(struct compiler *c)
{
	c->p->has_anniversary = c->def->has_anniversary;
	if (!c->def->has_anniversary)
		return true;
	if (!c->def->has_anniversary_of)
		return wrong(c, "anniversary.of", "of is required: enrolment");
	return compile_grant(c, "anniversary.reward", c->def->anniversary_points, c->def->anniversary_voucher, &c->p->anniversary_points,
	    &c->p->anniversary_voucher);
}

static bool
compile_notice_days(struct compiler *c, const char *path, size_t n, const uint32_t *days, size_t *ret_n,
    uint32_t ret[static PROGRAM_NOTICES_MAX])
{
	if (n > PROGRAM_NOTICES_MAX)
		return wrong(c, path, "%s has at most %d numbers", path, PROGRAM_NOTICES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (days[i] > NOTICE_DAYS_MAX)
			return wrong(c, PATH("%s[%zu]", path, i), "a notice comes at most %d days before", NOTICE_DAYS_MAX);
		for (size_t k = 0; k < i; k++) {
			if (days[k] == days[i])
				return wrong(c, PATH("%s[%zu]", path, i), "%u days stand there twice", days[i]);
		}
		ret[i] = days[i];
	}
	*ret_n = n;
	return true;
}

static bool
compile_limits_and_notices(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	p->has_redeem_per_day = def->redeem_per_day != NULL;
	if (p->has_redeem_per_day && !compile_points(c, "limits.redeem_per_day", def->redeem_per_day, 0, &p->redeem_per_day))
		return false;
	p->has_adjust_limit = def->adjust_without_approval != NULL;
	if (p->has_adjust_limit && !compile_points(c, "limits.adjust_without_approval", def->adjust_without_approval, 0, &p->adjust_without_approval))
		return false;
	p->has_notices = def->has_notices;
	return compile_notice_days(c, "notices.expiring_days", def->n_expiring_days, def->expiring_days, &p->n_expiring_days, p->expiring_days) &&
	    compile_notice_days(c, "notices.downgrade_days", def->n_downgrade_days, def->downgrade_days, &p->n_downgrade_days,
	    p->downgrade_days);
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
	p->expire_at_once = def->expire_at_once;
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

static bool
compile_year_limit(struct compiler *c, const char *path, const char *text, bool *ret_has, int64_t *ret)
{
	*ret_has = text != NULL;
	return text == NULL || compile_points(c, path, text, 0, ret);
}

/* returns, transfers, pools, advance, referral, unknown_alias */
static bool
compile_moves(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	p->claw_back = def->claw_back;
	p->restore = def->restore;
	if (!compile_at_most(c, "returns.restore.grace_days", def->restore_days, SPAN_DAYS_MAX, &p->restore_days) || !compile_used_voucher(c))
		return false;
	p->has_transfers = def->has_transfers;
	p->transfer_restarts = def->transfer_restarts;
	p->has_times_per_year = def->has_times_per_year;
	p->times_per_year = def->times_per_year;
	if (def->transfer_min != NULL && !compile_points(c, "transfers.min", def->transfer_min, 0, &p->transfer_min))
		return false;
	if (!compile_year_limit(c, "transfers.out_per_year", def->out_per_year, &p->has_out_per_year, &p->out_per_year) ||
	    !compile_year_limit(c, "transfers.in_per_year", def->in_per_year, &p->has_in_per_year, &p->in_per_year) ||
	    !compile_at_most(c, "transfers.member_days_min", def->transfer_days_min, SPAN_DAYS_MAX, &p->transfer_days_min))
		return false;
	if (def->has_pools && (!def->has_max_members || def->max_members < 2 || def->max_members > LEDGER_POOL_MAX))
		return wrong(c, "pools.max_members", "max_members is required, 2 to %d: the head counts", LEDGER_POOL_MAX);
	p->pool_max = def->has_pools ? def->max_members : 0;
	p->unknown_refuse = def->unknown_refuse;
	if (!compile_referral(c))
		return false;
	p->has_advance = def->has_advance;
	return !def->has_advance || compile_points(c, "advance.max", def->advance_max, 0, &p->advance_max);
}

/* A decimal from 0 to ${max}, kept as it is written: no scale is its own. */
static bool
compile_ratio(struct compiler *c, const char *path, const char *text, int64_t max, struct decimal *ret)
{
	int64_t whole = 0;

	if (text == NULL)
		return wrong(c, path, "%s is required", path);
	if (!decimal_parse(text, ret) || ret->digits > RATIO_DIGITS_MAX)
		return wrong(c, path, "%s is a decimal number of at most %d digits after the point, such as \"0.80\"", path, RATIO_DIGITS_MAX);
	if (ret->mantissa < 0 || decimal_scale(*ret, RATIO_DIGITS_MAX, &whole) != DECIMAL_OK || whole > max * MULTIPLIER_ONE)
		return wrong(c, path, "%s is 0 to %lld", path, (long long)max);
	return true;
}

static bool
compile_accounting(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	p->has_accounting = def->has_accounting;
	return !def->has_accounting || (compile_ratio(c, "accounting.cost_per_point", def->cost_per_point, 1000000, &p->cost_per_point) &&
	    compile_ratio(c, "accounting.expected_redemption", def->expected_redemption, 1, &p->expected_redemption));
}

/* Windows are looked at from an event that may be late_days old. */
static void
set_metric_days(struct program *p)
{
	uint32_t days = 0;

	for (size_t i = 0; i < p->n_tiers; i++) {
		const struct tier *t = &p->tiers[i];
		uint32_t window = t->window == WINDOW_CALENDAR_YEAR ? 366 : t->rolling_months * 31;
		uint32_t valid = t->valid == VALID_FOREVER ? 0 : t->valid == VALID_MONTHS ? t->valid_months * 31 + ROUND_UP_DAYS_MAX : 2 * 366;
		uint32_t grace = t->grace_months * 31 + ROUND_UP_DAYS_MAX;

		if (valid > 0 && valid + 366 > window)		/* 366: keep of a calendar year begins before the validity */
			window = valid + 366;
		if (t->grace_months > 0)
			window += grace;
		if (window > days)
			days = window;
	}
	if (days < 62)
		days = 62;		/* two calendar months, for previous_month_spend */
	if (p->within_months * 31 > days)
		days = p->within_months * 31;
	days += p->late_days;
	p->metric_days = days > METRIC_DAYS_KEPT ? days : METRIC_DAYS_KEPT;
}

static bool
compile_program_expiry(struct compiler *c)
{
	return compile_expiry(c, "expiry", &c->def->expiry, &c->p->expiry);
}

static bool
compile_late_days(struct compiler *c)
{
	return compile_at_most(c, "limits.late_days", c->def->has_late_days ? c->def->late_days : LATE_DAYS_DEFAULT, LATE_DAYS_MAX, &c->p->late_days);
}

/* In the order in which they are judged.  ${reads}: those whose part of the program it reads; of what the others say it looks at the definition. */
enum { HEAD = 1, COUNTERS = 2, EARN = 4, TIERS = 8, REDEMPTION = 16, VOUCHERS = 32, MEMBERSHIPS = 64 };
static const struct { bool (*compile)(struct compiler *c); unsigned is, reads; } sections[] = {
	{ compile_head, HEAD, 0 },
	{ compile_counters, COUNTERS, HEAD },
	{ compile_earn, EARN, HEAD | COUNTERS },
	{ compile_program_expiry, 0, HEAD },
	{ compile_tiers, TIERS, HEAD | COUNTERS },
	{ compile_birthday, 0, HEAD },
	{ compile_anniversary, 0, HEAD },
	{ compile_redemption, REDEMPTION, HEAD },
	{ compile_vouchers, VOUCHERS, HEAD },
	{ compile_rewards, 0, HEAD },
	{ compile_moves, 0, HEAD | REDEMPTION | VOUCHERS },
	{ compile_limits_and_notices, 0, HEAD },
	{ compile_late_days, 0, HEAD },
	{ compile_partners, 0, HEAD },
	{ compile_memberships, MEMBERSHIPS, HEAD },
	{ compile_accounting, 0, HEAD },
	{ compile_stacking, 0, HEAD | EARN | TIERS | MEMBERSHIPS },
};

/* What has too many of these is not all there. */
static bool
is_whole(const struct program_def *def)
{
	return def->n_rules <= PROGRAM_RULES_MAX && def->n_tiers <= PROGRAM_TIERS_MAX;
}

enum status
program_compile_all(const struct program_def *def, const struct zone *zone, struct arena *arena, struct program **ret_program,
    struct program_error *errors, size_t max, size_t *ret_n)
{
	struct program *p = arena_alloc(arena, sizeof(*p));
	struct compiler c = { .def = def, .p = p, .errors = errors, .max_errors = max, .arena = arena };
	unsigned good = 0;
	bool all = true;

	if (p == NULL)
		return ST_NOMEM;
	p->zone = *zone;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && (all || (compile_goes_on(&c) && is_whole(def))); i++) {
		if ((sections[i].reads & good) != sections[i].reads)
			continue;
		if (sections[i].compile(&c))
			good |= sections[i].is;
		else
			all = false;
	}
	*ret_n = c.n_errors;
	if (!all)
		return c.no_memory ? ST_NOMEM : ST_INVALID;
	set_metric_days(p);
	*ret_program = p;
	return ST_OK;
}

enum status
program_compile(const struct program_def *def, const struct zone *zone, struct arena *arena, struct program **ret_program,
    struct program_error *ret_error)
{
	size_t n;

	return program_compile_all(def, zone, arena, ret_program, ret_error, 1, &n);
}

/* ---- terms ---- */

int32_t
expiry_last_day(const struct expiry *e, int32_t day)
{
	assert(day_ok(day));
	if (e->never)
		return DAY_NEVER;
	if (e->inactivity)
		return DAY_CLOCK;
	/* The calendar ends with the year 9999, and so does every term. */
	if (day > DAY_MAX - (SPAN_YEARS_MAX + 2) * 366)
		return DAY_MAX;
	if (e->on_month != 0) {
		int year = date_of_day(day).year;

		year += day_of_birthday(year, e->on_month, e->on_day, false) < day;
		return day_of_birthday(year + (int)e->months / 12, e->on_month, e->on_day, false);
	}
	int32_t last = e->days > 0 ? day + (int32_t)e->days : day_add_months(day, (int)e->months);
	return day_round_up(last, e->round_up);
}
