/**
 * program.h: a program compiled once, when it is published.  Pure.
 *
 * codec/ turns a program file or message into a struct program_def, which keeps the file's texts; program_compile() judges it and makes
 * a struct program, where everything is an integer.  What the language has and this engine does not evaluate yet never gets here: codec/
 * refuses it by name.
 */
#ifndef FEALTY_LEDGER_PROGRAM_H
#define FEALTY_LEDGER_PROGRAM_H

#include "ledger/ledger.h"

#define PROGRAM_RULES_MAX 64
#define PROGRAM_TIERS_MAX 16
#define PROGRAM_REACH_MAX 16		/* `any` lists of a tier, and thresholds of an `all` list */
#define PROGRAM_SCALE_MAX 6
#define MULTIPLIER_DIGITS 6		/* multipliers are stored × 10^6 */
#define METRIC_DAYS_KEPT 400		/* days of metrics a record keeps at least, so that a later version may look back a year */

enum rounding_mode { ROUNDING_FLOOR, ROUNDING_NEAREST, ROUNDING_CEIL };
enum rule_kind { RULE_BASE, RULE_BONUS };
enum rule_measure { MEASURE_PER_AMOUNT, MEASURE_FIXED };
enum metric { METRIC_POINTS_EARNED, METRIC_SPEND, METRIC_VISITS };
enum window_kind { WINDOW_LIFETIME, WINDOW_CALENDAR_YEAR, WINDOW_ROLLING_MONTHS };

/* ---- as written; NULL and has_ false: left out ---- */

struct expiry_def {
	bool given, never;
	bool has_days, has_months, has_years;
	uint32_t days, months, years;
	enum round_up round_up;
};
struct rule_def {
	const char *id;
	bool has_priority, has_kind;
	uint32_t priority;
	enum rule_kind kind;
	bool has_per_amount, has_fixed;
	const char *amount, *points;		/* per_amount.amount; per_amount.points or fixed.points */
	bool whole_steps;
};
struct threshold_def { const char *metric, *at_least; };
struct all_def { size_t n; struct threshold_def thresholds[PROGRAM_REACH_MAX]; };
struct tier_def {
	const char *id;
	bool has_rank, has_reach;
	uint32_t rank;
	size_t n_any;
	struct all_def any[PROGRAM_REACH_MAX];
	enum window_kind window;
	uint32_t rolling_months;
	const char *earn_multiplier;
	struct expiry_def expiry;
};
struct program_def {
	const char *id, *name, *timezone, *currency;
	bool has_points, has_scale;
	const char *unit;
	uint32_t scale;
	enum rounding_mode rounding;
	bool round_once;
	size_t n_rules, n_tiers;		/* beyond the maxima program_compile() refuses without reading */
	struct rule_def rules[PROGRAM_RULES_MAX];
	struct tier_def tiers[PROGRAM_TIERS_MAX];
	struct expiry_def expiry;
	bool has_birthday;
	const char *birthday_points;
	uint32_t birthday_days_before, birthday_days_after, guard_days;
	bool birthday_on_claim, leap_to_march;
	bool has_redemption;
	const char *value_points, *value_amount;	/* both or neither */
	const char *redeem_min, *redeem_step;
	bool has_max_percent;
	uint32_t max_percent_of_order;
	const char *default_ttl, *max_ttl;
	bool has_late_days;
	uint32_t late_days;
};

/* ---- compiled ---- */

struct expiry { bool never; uint32_t days, months; enum round_up round_up; };	/* years are 12 months each */
struct rule {
	char id[LEDGER_ID_MAX + 1];
	uint32_t priority;
	enum rule_kind kind;
	enum rule_measure measure;
	int64_t amount;			/* minor units, > 0 */
	int64_t points;
	bool whole_steps;
};
struct threshold { enum metric metric; int64_t at_least; };
struct tier {
	char id[LEDGER_ID_MAX + 1];
	char share_rule[LEDGER_ID_MAX + 6];		/* "tier:<id>" */
	uint32_t rank;
	size_t n_any;
	struct { size_t n; struct threshold all[PROGRAM_REACH_MAX]; } any[PROGRAM_REACH_MAX];
	enum window_kind window;
	uint32_t rolling_months;
	int64_t multiplier;		/* × 10^6, at least 10^6 */
	bool has_expiry;
	struct expiry expiry;
};
struct program {
	uint32_t number, version;	/* set by who holds it; 0 after program_compile() */
	int64_t in_force_us;		/* likewise: committed_at of its publish */
	char id[LEDGER_ID_MAX + 1];
	char currency[4], unit[LEDGER_ID_MAX + 1];
	char name[101], timezone[65];
	unsigned scale, currency_digits;
	struct zone zone;
	enum rounding_mode rounding;
	bool round_once;
	size_t n_rules, n_tiers;
	struct rule rules[PROGRAM_RULES_MAX];		/* by priority */
	struct tier tiers[PROGRAM_TIERS_MAX];		/* by rank; [0] is what everybody has */
	struct expiry expiry;
	bool has_birthday;
	int64_t birthday_points;
	uint32_t birthday_days_before, birthday_days_after, guard_days;
	bool birthday_on_claim, leap_to_march;
	bool has_redemption, has_value;
	int64_t value_points, value_amount;	/* value_points points are worth value_amount */
	int64_t redeem_min, redeem_step;
	uint32_t max_percent_of_order;
	int64_t default_ttl_us, max_ttl_us;
	uint32_t late_days;
	uint32_t metric_days;		/* days of metrics that members keep under it, at least METRIC_DAYS_KEPT */
};

/* What is wrong with a program: the path of the key, as `earn[0].per_amount.amount`, and a sentence that names what is allowed. */
struct program_error { char path[160]; char sentence[240]; };

/**
 * program_compile(def, zone, arena, ret_program, ret_error):
 * ST_OK: *${ret_program} is a program in ${arena}.  ST_INVALID: *${ret_error} says what is wrong first, in the order of the file's keys in
 * program.proto.  ST_NOMEM.  Refuses what RULINGS section 4 refuses as far as these options reach.
 */
enum status program_compile(const struct program_def *def, const struct zone *zone, struct arena *arena, struct program **ret_program,
    struct program_error *ret_error) MUST_CHECK;

/* Digits after the point of an ISO 4217 currency code; false when the code is unknown. */
bool currency_digits(const char *code, unsigned *ret_digits) MUST_CHECK;

/* NULL when the program has no such tier. */
const struct tier *program_tier(const struct program *p, const char *id);

/* The last day of points earned on ${day} under ${tier} (NULL: no tiers): the tier's term, or else the program's. */
int32_t program_last_day(const struct program *p, const struct tier *tier, int32_t day);

#endif
