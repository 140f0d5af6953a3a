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
#define PROGRAM_COUNTERS_MAX LEDGER_COUNTERS_MAX
#define PROGRAM_PARTNERS_MAX 64
#define PROGRAM_MEMBERSHIPS_MAX LEDGER_MEMBERSHIPS_MAX
#define PROGRAM_COMPONENTS_MAX (PROGRAM_RULES_MAX + 1 + PROGRAM_MEMBERSHIPS_MAX)	/* of an event: rules, and shares of the tier and memberships */
#define PROGRAM_CAPS_MAX 8		/* of a rule */
#define PROGRAM_REACH_MAX 16		/* `any` lists of a tier, and thresholds of an `all` list */
#define PROGRAM_SCALE_MAX 6
#define PROGRAM_VOUCHERS_MAX 64
#define VOUCHER_NAME_BYTES 101
#define PROGRAM_REWARDS_MAX 64
#define PROGRAM_CARDS_MAX 16
#define PROGRAM_MILESTONES_MAX LEDGER_MILESTONES_MAX
#define MULTIPLIER_DIGITS 6		/* multipliers are stored × 10^6 */
#define METRIC_DAYS_KEPT 400		/* days of metrics a record keeps at least, so that a later version may look back a year */

enum rounding_mode { ROUNDING_FLOOR, ROUNDING_NEAREST, ROUNDING_CEIL };
enum rule_on { ON_PURCHASE, ON_ACTIVITY, ON_ENROL };
enum rule_kind { RULE_BASE, RULE_BONUS, RULE_MULTIPLIER, RULE_COUNTER, RULE_VOUCHER };
enum rule_measure { MEASURE_PER_AMOUNT, MEASURE_FIXED, MEASURE_PER_ITEM, MEASURE_MULTIPLY, MEASURE_COUNTER, MEASURE_VOUCHER };
enum stacking { STACKING_ADD, STACKING_MULTIPLY, STACKING_BEST };
enum cap_over { CAP_CLIP, CAP_REJECT, CAP_FALLBACK };
enum pending_kind { PENDING_NONE, PENDING_DAYS, PENDING_NEXT_MONTH, PENDING_ACTIVITY };
enum metric { METRIC_POINTS_EARNED, METRIC_SPEND, METRIC_VISITS, METRIC_BALANCE, METRIC_COUNTER /* and the rest: of counters[0], … */ };
enum window_kind { WINDOW_LIFETIME, WINDOW_CALENDAR_YEAR, WINDOW_ROLLING_MONTHS, WINDOW_SINCE_TIER_START };
enum valid_kind { VALID_FOREVER, VALID_MONTHS, VALID_END_OF_YEAR, VALID_END_OF_NEXT_YEAR };
enum downgrade { DOWNGRADE_NONE, DOWNGRADE_ONE, DOWNGRADE_FULL };
enum claw_back { CLAW_UNLIMITED, CLAW_ONLY_PENDING, CLAW_WITHIN_BALANCE };
enum restore { RESTORE_ORIGINAL, RESTORE_GRACE, RESTORE_NEW_LOT };

/* ---- as written; NULL and has_ false: left out ---- */

struct expiry_def {
	bool given, never;
	bool has_days, has_months, has_years;
	uint32_t days, months, years;		/* years: of after, or of on */
	enum round_up round_up;
	const char *on;
	bool has_on_years;
	bool inactivity, has_inactivity_months, has_percent;
	uint32_t inactivity_months, percent;
	size_t n_activities, n_refresh;
	const char *const *activities, *const *refresh;
};
struct word_list { size_t n; const char *const *v; };
struct when_def {
	const char *min_amount, *max_amount;
	struct word_list categories, skus, exclude_categories, stores, partners, tiers, segments, weekdays;
	const char *min_gap, *hours, *from, *until, *activity, *membership;
	bool has_first_purchase, first_purchase;
	bool has_member_days_min;
	uint32_t member_days_min;
	bool has_previous_month_spend;
	const char *previous_min;
	uint32_t waive_months;
};
struct cap_def {
	bool has_per, has_count;
	enum period per;
	const char *points, *group;
	uint32_t count;
	enum cap_over over;
};
struct pending_def {
	bool given, has_days, next_month_start, has_within_days;
	uint32_t days, within_days;
	const char *on_activity;
};
struct rule_def {
	const char *id;
	bool has_priority, has_kind;
	uint32_t priority;
	enum rule_on on;
	enum rule_kind kind;
	bool has_per_amount, has_fixed, has_per_item, has_counter;
	const char *amount, *points;		/* per_amount.amount; points of per_amount, fixed or per_item */
	bool whole_steps;
	const char *multiply;
	const char *voucher;
	const char *counter;
	bool has_counter_add, counter_per_item;
	uint32_t counter_add;
	struct when_def when;
	const char *replaces;
	size_t n_caps;				/* beyond the maximum program_compile() refuses without reading */
	struct cap_def caps[PROGRAM_CAPS_MAX];
	struct pending_def pending;
	struct expiry_def expiry;
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
	bool has_keep, has_valid, has_downgrade, has_grace;
	size_t n_keep;
	struct all_def keep[PROGRAM_REACH_MAX];
	enum valid_kind valid;
	uint32_t valid_months;
	enum round_up valid_round_up, grace_round_up;
	enum downgrade downgrade;
	uint32_t grace_months;
	const char *earn_multiplier;
	struct expiry_def expiry;
	bool all_open;
	bool has_birthday_window, forfeits_stamps;
	uint32_t birthday_days_before, birthday_days_after;
};
struct term_def { bool given, has_days, has_months, has_years; uint32_t days, months, years; };
struct voucher_def {
	const char *id, *name, *value;
	struct term_def valid;
};
struct partner_def {
	const char *id, *issue_price, *redeem_price;
	bool has_settlement, prepaid;
};
struct membership_def {
	const char *id, *fee, *earn_multiplier;
	bool has_term, annual, refund_if_unused;
	uint32_t trial_days, grace_days;
};
struct count_per_def { bool given, has_count, has_per; uint32_t count; enum period per; };
struct reward_def {
	const char *id, *cost, *voucher, *from, *until;
	bool has_stock;
	uint32_t stock;
	struct count_per_def per_member;
	struct word_list tiers;
};
struct milestone_def { bool has_at; uint32_t at; const char *voucher; };
struct card_def {
	const char *id, *voucher;
	bool has_per_item, has_size, drop;
	uint32_t per_item, size;
	struct when_def when;
	struct count_per_def cap;
	size_t n_milestones;
	struct milestone_def milestones[PROGRAM_MILESTONES_MAX];
	struct term_def valid;
};
struct program_def {
	const char *id, *name, *timezone, *currency;
	bool has_points, has_scale;
	const char *unit;
	uint32_t scale;
	enum rounding_mode rounding;
	bool round_once;
	enum stacking stacking;
	bool carry_remainder;
	struct word_list counters;
	size_t n_rules, n_tiers;		/* beyond the maxima program_compile() refuses without reading */
	struct rule_def rules[PROGRAM_RULES_MAX];
	struct tier_def tiers[PROGRAM_TIERS_MAX];
	size_t n_vouchers;			/* likewise */
	struct voucher_def vouchers[PROGRAM_VOUCHERS_MAX];
	size_t n_rewards, n_cards;		/* likewise */
	struct reward_def rewards[PROGRAM_REWARDS_MAX];
	struct card_def cards[PROGRAM_CARDS_MAX];	/* `stamps` */
	bool has_auto_redeem;
	const char *auto_at, *auto_voucher;
	struct word_list auto_tiers;
	struct expiry_def expiry;
	bool has_requires, has_within_months;
	const char *requires_points;
	uint32_t within_months;
	bool has_anniversary, has_anniversary_of;
	const char *anniversary_points, *anniversary_voucher;
	bool expire_at_once;
	const char *redeem_per_day, *adjust_without_approval;
	bool has_notices;
	size_t n_expiring_days, n_downgrade_days;
	const uint32_t *expiring_days, *downgrade_days;
	bool has_birthday;
	const char *birthday_points, *birthday_voucher;
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
	const char *earn_per_day;
	enum claw_back claw_back;
	enum restore restore;
	uint32_t restore_days;
	bool used_voucher_debt;
	bool has_transfers, has_times_per_year, transfer_restarts;
	const char *transfer_min, *out_per_year, *in_per_year;
	uint32_t times_per_year, transfer_days_min;
	bool has_advance;
	const char *advance_max;
	bool has_pools, has_max_members;
	uint32_t max_members;
	bool unknown_refuse;			/* unknown_alias: refuse */
	bool has_referral, has_pending_days, has_per_year;
	const char *referrer_points, *referee_points, *referral_min_amount;
	uint32_t referral_days, referral_per_year;
	bool has_accounting;
	const char *cost_per_point, *expected_redemption;
	size_t n_partners;			/* beyond the maximum program_compile() refuses without reading */
	struct partner_def partners[PROGRAM_PARTNERS_MAX];
	size_t n_memberships;			/* likewise */
	struct membership_def memberships[PROGRAM_MEMBERSHIPS_MAX];
};

/* ---- compiled ---- */

#define PROGRAM_NOTICES_MAX 16
#define PROGRAM_NAMES_MAX 16			/* of a list of operations and activities */
struct names { size_t n; char name[PROGRAM_NAMES_MAX][LEDGER_ID_MAX + 1]; };
struct expiry {
	bool never, inactivity;			/* inactivity: the program's */
	uint32_t days, months;			/* years are 12 months each */
	enum round_up round_up;
	int on_month, on_day;			/* 0: not on a date; else that date, months after */
	struct names refresh_on;
};
struct inactivity { uint32_t months, percent; struct names activities; };
struct when {				/* all must hold; lists that are empty, and zeros, ask for nothing */
	bool has_min_amount, has_max_amount;
	int64_t min_amount, max_amount;
	struct word_list categories, skus, exclude_categories, stores, partners, tiers, segments;
	unsigned weekdays;		/* bit 0 Monday … bit 6 Sunday */
	bool has_hours;
	int32_t hours_from_s, hours_to_s;	/* seconds of the day; to below from: past midnight */
	int32_t from, until;		/* dates, inclusive; INT32_MIN and DAY_NEVER */
	bool first_purchase;
	char activity[LEDGER_ID_MAX + 1], membership[LEDGER_ID_MAX + 1];
	uint32_t member_days_min;
	int64_t min_gap_us;
	bool has_previous_month_spend;
	int64_t previous_min;
	uint32_t waive_months;
};
struct cap {
	enum period per;
	bool counts;			/* limit is of events, else of points */
	int64_t limit;
	enum cap_over over;
	char group[LEDGER_ID_MAX + 1];	/* "": of the rule alone */
};
struct pending_term {
	enum pending_kind kind;
	uint32_t days;			/* or within_days */
	char activity[LEDGER_ID_MAX + 1];
};
#define RULE_NONE SIZE_MAX
struct rule {
	char id[LEDGER_ID_MAX + 1];
	uint32_t priority;
	enum rule_on on;
	enum rule_kind kind;
	enum rule_measure measure;
	int64_t amount;			/* minor units, > 0 */
	int64_t points;
	bool whole_steps;
	int64_t multiplier;		/* × 10^6, at least 10^6 */
	size_t voucher;			/* index in the program's */
	size_t counter;			/* likewise */
	int64_t counter_add;
	bool counter_per_item;
	struct when when;
	size_t replaces;		/* index of the base rule; RULE_NONE */
	size_t n_caps;
	struct cap caps[PROGRAM_CAPS_MAX];	/* by period */
	bool has_pending, has_expiry;
	struct pending_term pending;
	struct expiry expiry;
};
struct threshold { enum metric metric; int64_t at_least; };
struct all_of { size_t n; struct threshold all[PROGRAM_REACH_MAX]; };
struct tier {
	char id[LEDGER_ID_MAX + 1];
	char share_rule[LEDGER_ID_MAX + 6];		/* "tier:<id>" */
	uint32_t rank;
	size_t n_any;
	struct all_of any[PROGRAM_REACH_MAX];
	size_t n_keep;
	struct all_of keep[PROGRAM_REACH_MAX];
	bool asks_balance;		/* reach has a balance threshold */
	enum window_kind window;
	uint32_t rolling_months;
	enum valid_kind valid;
	uint32_t valid_months, grace_months;	/* grace_months 0: no grace */
	enum round_up valid_round_up, grace_round_up;
	enum downgrade downgrade;
	int64_t multiplier;		/* × 10^6, at least 10^6 */
	bool has_birthday_window;		/* else the program's */
	uint32_t birthday_days_before, birthday_days_after;
	bool has_expiry, all_open;		/* all_open: expiry_applies all_open_while_held */
	bool forfeits_stamps;			/* when one falls from it */
	struct expiry expiry;
};
struct term { uint32_t days, months; };		/* years are 12 months each; neither: for ever */
struct voucher_kind {
	char id[LEDGER_ID_MAX + 1];
	char name[VOUCHER_NAME_BYTES];
	struct term valid;		/* through the day of issue + it */
	bool has_value;
	int64_t value;			/* money */
};
/* Money for one whole point, exactly: num / den minor units, in lowest terms, both above zero. */
struct price { int64_t num, den; };
struct partner {
	char id[LEDGER_ID_MAX + 1];
	struct price issue, redeem;	/* for reports; no decision looks at them */
	bool prepaid;			/* likewise: the points are paid for before they are issued */
};
struct program_membership {
	char id[LEDGER_ID_MAX + 1];
	char share_rule[LEDGER_ID_MAX + 12];	/* "membership:<id>" */
	unsigned months;			/* of a period */
	int64_t fee;
	uint32_t trial_days, grace_days;	/* trial_days 0: no trial */
	bool refund_if_unused;
	int64_t multiplier;			/* × 10^6, at least 10^6 */
};
#define VOUCHER_INDEX_NONE SIZE_MAX
struct reward {
	char id[LEDGER_ID_MAX + 1];
	int64_t cost;
	size_t voucher;			/* index in the program's, here and below */
	bool has_stock;
	uint32_t stock;			/* of the program, for ever */
	uint32_t per_member;		/* 0: no limit */
	enum period per;
	struct word_list tiers;		/* empty: all */
	int32_t from, until;		/* dates, inclusive; INT32_MIN and DAY_NEVER */
};
struct milestone { uint32_t at; size_t voucher; };
struct card {				/* of stamps */
	char id[LEDGER_ID_MAX + 1];
	uint32_t per_item, size;
	struct when when;
	uint32_t cap;			/* 0: none */
	enum period cap_per;
	size_t voucher;
	size_t n_milestones;
	struct milestone milestones[PROGRAM_MILESTONES_MAX];	/* rising */
	bool drop;			/* what a full card has no room for; else it is carried to the next */
	struct term valid;		/* from its first stamp */
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
	enum stacking stacking;
	bool carry_remainder;
	int64_t common_step, share_den;	/* denominators of exact points before, and of multipliers' shares; see earn.c */
	size_t n_counters;
	char counters[PROGRAM_COUNTERS_MAX][LEDGER_ID_MAX + 1];
	bool has_earn_per_day;
	int64_t earn_per_day;
	int64_t gap_max_us;		/* the longest min_gap */
	bool names_segments;		/* a rule asks for them */
	size_t n_rules, n_tiers;
	struct rule rules[PROGRAM_RULES_MAX];		/* by priority */
	struct tier tiers[PROGRAM_TIERS_MAX];		/* by rank; [0] is what everybody has */
	size_t n_vouchers;
	struct voucher_kind vouchers[PROGRAM_VOUCHERS_MAX];	/* in the order of the file */
	size_t n_rewards, n_cards;
	struct reward rewards[PROGRAM_REWARDS_MAX];
	struct card cards[PROGRAM_CARDS_MAX];
	bool has_auto_redeem;
	int64_t auto_at;			/* points that become a voucher */
	size_t auto_voucher;
	struct word_list auto_tiers;		/* empty: all */
	struct expiry expiry;
	bool has_inactivity;			/* one and the same wherever the program names it */
	struct inactivity inactivity;
	bool has_requires;			/* of a birthday: points earned within months */
	int64_t requires_points;
	uint32_t within_months;
	bool has_anniversary;
	int64_t anniversary_points;
	size_t anniversary_voucher;		/* instead of points; VOUCHER_INDEX_NONE */
	bool expire_at_once, has_redeem_per_day, has_adjust_limit;
	int64_t redeem_per_day;
	int64_t adjust_without_approval;	/* a larger adjust waits, either way */
	bool has_notices;
	size_t n_expiring_days, n_downgrade_days;
	uint32_t expiring_days[PROGRAM_NOTICES_MAX], downgrade_days[PROGRAM_NOTICES_MAX];
	bool has_birthday;
	int64_t birthday_points;
	size_t birthday_voucher;		/* instead of points; VOUCHER_INDEX_NONE */
	uint32_t birthday_days_before, birthday_days_after, guard_days;
	bool birthday_on_claim, leap_to_march;
	bool has_redemption, has_value;
	int64_t value_points, value_amount;	/* value_points points are worth value_amount */
	int64_t redeem_min, redeem_step;
	uint32_t max_percent_of_order;
	int64_t default_ttl_us, max_ttl_us;
	uint32_t late_days;
	enum claw_back claw_back;		/* of returns */
	enum restore restore;			/* of reversals: what becomes of points that are over by then */
	uint32_t restore_days;
	bool used_voucher_debt;			/* a used voucher that a return takes away is owed at redemption.value; else it stays used */
	bool has_transfers, transfer_restarts;	/* restarts: terms of today; else lots keep theirs */
	bool has_out_per_year, has_in_per_year, has_times_per_year;
	int64_t transfer_min, out_per_year, in_per_year;
	uint32_t times_per_year, transfer_days_min;
	bool has_advance;
	int64_t advance_max;
	bool unknown_refuse;			/* an unknown alias is NOT_FOUND; else it earns into a provisional member */
	bool has_referral, has_referral_per_year;
	int64_t referrer_points, referee_points, referral_min_amount;
	uint32_t referral_days, referral_per_year;
	bool has_accounting;			/* for reports; no decision looks at it */
	struct decimal cost_per_point;		/* money for one whole point */
	struct decimal expected_redemption;	/* of all points, 0 to 1 */
	size_t n_partners;			/* 0: partners are names that conditions may ask for, and have no accounts */
	struct partner *partners;		/* in the order of the file */
	uint32_t pool_max;			/* members of a pool; 0: there are none */
	size_t n_memberships;
	struct program_membership memberships[PROGRAM_MEMBERSHIPS_MAX];	/* likewise */
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

/**
 * program_compile_all(def, zone, arena, ret_program, errors, max, ret_n):
 * The same, with as much of what is wrong as can be said at once, up to ${max}, in the same order: what was wrong first is not read by what is
 * judged after it, so that each of them is true of the file as it is.  *${ret_n} of ${errors} are written with ST_INVALID.
 */
enum status program_compile_all(const struct program_def *def, const struct zone *zone, struct arena *arena, struct program **ret_program,
    struct program_error *errors, size_t max, size_t *ret_n) MUST_CHECK;

/* Digits after the point of an ISO 4217 currency code; false when the code is unknown. */
bool currency_digits(const char *code, unsigned *ret_digits) MUST_CHECK;

/* NULL when the program has no such tier, partner or membership. */
const struct tier *program_tier(const struct program *p, const char *id);
const struct partner *program_partner(const struct program *p, const char *id);
const struct program_membership *program_membership(const struct program *p, const char *id);

/* NULL when the program has no such voucher. */
const struct voucher_kind *program_voucher(const struct program *p, const char *id);

/* NULL when the program has none of that id. */
const struct reward *program_reward(const struct program *p, const char *id);
const struct card *program_card(const struct program *p, const char *id);

/* The last day of points earned on ${day} under ${tier} (NULL: no tiers): the tier's term, or else the program's. */
int32_t program_last_day(const struct program *p, const struct tier *tier, int32_t day);

/* The last day of points under ${e} from ${day}; DAY_NEVER, DAY_CLOCK. */
int32_t expiry_last_day(const struct expiry *e, int32_t day);
/* The term of the tier (NULL: no tiers), or else the program's. */
const struct expiry *program_expiry(const struct program *p, const struct tier *tier);
bool names_have(const struct names *names, const char *name) MUST_CHECK;
/* The same of points that ${rule} gave (NULL: none), whose own term comes before the tier's. */
int32_t rule_last_day(const struct program *p, const struct rule *rule, const struct tier *tier, int32_t day);

#endif
