/* internal.h: what the .c files of ledger/ share.  Nobody else includes it but their unit tests. */
#ifndef FEALTY_LEDGER_INTERNAL_H
#define FEALTY_LEDGER_INTERNAL_H

#include "ledger/decide.h"
#include "ledger/ledger.h"
#include "ledger/program.h"

/* Products of two int64 before they are divided: always exact. */
__extension__ typedef __int128 wide;

#define DAY_MIN INT32_C(-719162)	/* 0001-01-01 */
#define DAY_MAX INT32_C(2932896)	/* 9999-12-31 */
static inline bool
day_ok(int32_t day)
{
	return day >= DAY_MIN && day <= DAY_MAX;
}
static inline bool
last_day_ok(int32_t day)
{
	return day == DAY_NEVER || day_ok(day);
}

/**
 * The bound of ISSUED and ADJUSTED, either way, and of a member's metrics.  Points come from these two accounts alone, so that all
 * others stay below 2 × POINTS_MAX and no sum in a ledger overflows: only commands that touch the two need a check.
 */
#define POINTS_MAX (INT64_C(1) << 61)
#define MULTIPLIER_ONE INT64_C(1000000)
#define COMMON_STEP_MAX INT64_C(1000000000000)
#define LATE_DAYS_DEFAULT 45

/* ---- decide ---- */

struct decision {
	const struct ledger_state *state;
	const struct cmd *cmd;			/* NULL for what falls due */
	int64_t now_us;				/* or the due instant */
	struct arena *arena;
	struct entry *entry;
	struct refusal *refusal;		/* NULL for what falls due: it is never refused */

	const struct program *program;		/* in force at now_us; NULL when ledger-wide */
	const struct member *member;		/* NULL: none */
	int32_t today, business_date;		/* of now_us, and of min(occurred_at, now_us) */

	size_t cap_postings;
	struct posting *postings;
};

/* Writes the refusal; always ST_OK, so that `return refuse(…)` ends a decision. */
enum status refuse(struct decision *d, enum ledger_result result, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same inside a check: always false. */
#define refuse_false(d, ...) ((void)refuse((d), __VA_ARGS__), false)

/* Points, or money, at the program's scale; false: refused, with ${field}. */
bool decision_points(struct decision *d, const char *field, struct decimal value, int64_t *ret) MUST_CHECK;
bool decision_money(struct decision *d, const char *field, struct decimal value, int64_t *ret) MUST_CHECK;

/* Appends ${points} > 0 moved from one account to another. */
enum status decision_move(struct decision *d, enum account from, enum account to, const struct lot *lot, int64_t points) MUST_CHECK;

/* Takes ${points} out of lots in their order, at most what they hold; those that ended before ${today} go to ${to_ended}. */
enum status decision_take(struct decision *d, const struct lot *lots, size_t n_lots, int64_t points, enum account from, enum account to,
    enum account to_ended, int32_t today) MUST_CHECK;

/* Gives ${points} > 0 to the member: debt first, the rest into the lot. */
enum status decision_credit(struct decision *d, enum account from, const struct lot *lot) MUST_CHECK;

/* Whether ISSUED or ADJUSTED may move by ${points} (signed), and the member's metrics by ${add}. */
enum status decision_account_fits(struct decision *d, enum account account, int64_t points, bool *ret_fits) MUST_CHECK;
bool metrics_fit(const struct member *m, const struct metric_day *add) MUST_CHECK;

/* The facts of an upgrade, when the member's metrics with ${add} (NULL: none) reach a tier above the earned one. */
void decision_upgrade(struct decision *d, const struct metric_day *add);

/* Points as text with the program's digits. */
#define POINTS_TEXT(d, points) decimal_format((points), (d)->program->scale, (char [DECIMAL_TEXT_BYTES]){ 0 })

enum status decide_publish(struct decision *d) MUST_CHECK;
enum status decide_purchase(struct decision *d) MUST_CHECK;
enum status decide_hold(struct decision *d) MUST_CHECK;
enum status decide_capture(struct decision *d) MUST_CHECK;
enum status decide_release(struct decision *d) MUST_CHECK;
enum status decide_redeem(struct decision *d) MUST_CHECK;
enum status decide_enrol(struct decision *d) MUST_CHECK;
enum status decide_profile(struct decision *d) MUST_CHECK;
enum status decide_adjust(struct decision *d) MUST_CHECK;
enum status decide_tier(struct decision *d) MUST_CHECK;
enum status decide_birthday(struct decision *d) MUST_CHECK;

/* The body of release and hold_timeout: all that is left goes back to its lots, or expires. */
enum status decision_release(struct decision *d, const struct hold *hold) MUST_CHECK;
/* The grant for birthday ${day}; *${ret_fits} is false, and nothing is posted, when the program's points are used up. */
enum status decision_birthday(struct decision *d, int32_t day, bool *ret_fits) MUST_CHECK;

/* Allocates touched[] and puts the collected postings into the entry. */
enum status decision_finish(struct decision *d) MUST_CHECK;

/* ---- members ---- */

/* NULL when there is none. */
const struct hold *member_hold(const struct member *m, struct entry_id id);
int64_t hold_left(const struct hold *h);

/**
 * lots_add(): ${lot} joins its equal, or stands behind the last of its day.  *${ret_ok} is false when the points overflow.
 * lots_take(): false when there is no equal lot with that many points; a lot that is used up goes.
 * lots_merge(): the two nearest last days become one, the later, until at most ${max} are left; of equal distances the first.
 */
enum status lots_add(struct lot **lots, size_t *n, size_t *cap, struct arena *arena, const struct lot *lot, bool *ret_ok) MUST_CHECK;
bool lots_take(struct lot *lots, size_t *n, const struct lot *lot) MUST_CHECK;
void lots_merge(struct lot *lots, size_t *n, size_t max);

/**
 * metric_sum(): a metric over a window as seen on ${day}, with ${add} (NULL: none) on top.
 * tier_reached(): index of the highest tier whose reach holds on ${day}; 0 when none does.
 */
wide metric_sum(const struct member *m, const struct metric_day *add, enum metric metric, const struct tier *tier, int32_t day);
size_t tier_reached(const struct program *p, const struct member *m, const struct metric_day *add, int32_t day);
/* Adds to the lifetime sums and the day's row, and drops rows before ${oldest_day}.  *${ret_ok} is false on overflow. */
enum status metrics_add(struct member *m, struct arena *arena, const struct metric_day *add, int32_t oldest_day, bool *ret_ok) MUST_CHECK;

/* Index of the tier earned: 0 when it is none of the program's. */
size_t tier_earned(const struct program *p, const struct member *m);
void tier_id_copy(char to[static LEDGER_ID_MAX + 1], const char *id);
bool tier_state_equal(const struct tier_state *a, const struct tier_state *b);

/* The least common denominator of a program's rules before rounding; 0 above COMMON_STEP_MAX. */
int64_t program_common_step(const struct program *p);
int64_t gcd(int64_t a, int64_t b);

#endif
