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

/* Of a lot. */
static inline bool
lot_day_ok(int32_t day)
{
	return last_day_ok(day) || day == DAY_CLOCK;
}

/**
 * The bound of what was issued, by the program and by its partners, of ADJUSTED and of OPENING, either way, and of a member's metrics.  Points
 * come from these accounts alone, so that all others stay below 3 × POINTS_MAX and no sum in a ledger overflows: only commands that touch them
 * need a check.  What a return gives back to a partner's account and the member owes stays counted, until it is earned.
 */
#define POINTS_MAX (INT64_C(1) << 61)
#define MULTIPLIER_ONE INT64_C(1000000)
#define COMMON_STEP_MAX INT64_C(1000000000000)
#define LATE_DAYS_DEFAULT 45
#define SPAN_DAYS_MAX 36500

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
	int64_t event_us;			/* min(occurred_at, now_us) */
	int32_t today, business_date;		/* of now_us, and of event_us */

	size_t cap_postings, cap_pendings, cap_followups, cap_sides, cap_vouchers, cap_stamps;
	struct posting *postings;
	struct pending_change *pendings;
	struct voucher_change *vouchers;
	struct stamp_change *stamps;
	struct followup *followups;
	struct side *sides;
	int64_t debt_paid;			/* by credits so far */
	const char *partner;			/* whose accounts PARTNER_ISSUED and PARTNER_REDEEMED are; NULL: the program's own serve */
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

/* One posting; and one of a number that has no lot, PENDING or DEBT. */
enum status decision_post(struct decision *d, const struct posting *posting) MUST_CHECK;
enum status decision_number(struct decision *d, enum account account, int64_t points) MUST_CHECK;

/* Half of a change of terms: adds ${points} (signed) to a lot of the member; to one of ${hold}'s when it is not NULL. */
enum status decision_relot(struct decision *d, const struct lot *lot, int64_t points, const struct hold *hold) MUST_CHECK;

/**
 * decision_terms(): what an entry does to the terms of open lots: refresh_on, a tier that they follow, the inactivity clock.
 * decision_inactivity(): the clock ran out.
 */
enum status decision_terms(struct decision *d) MUST_CHECK;
/* The member's lots after what is collected so far, in ${arena}. */
enum status decision_lots(const struct decision *d, struct lot **ret_lots, size_t *ret_n) MUST_CHECK;
/* The member's lots after what is collected so far. */
struct lots { struct lot *lots; size_t n, cap; };
enum status lots_after(const struct decision *d, struct lots *ret) MUST_CHECK;
enum status decision_inactivity(struct decision *d) MUST_CHECK;

/* ${percent} of points, rounded. */
int64_t percent_of(int64_t points, uint32_t percent, enum rounding_mode mode);

/* Gives ${points} > 0 to the member: debt first, the rest into the lot. */
enum status decision_credit(struct decision *d, enum account from, const struct lot *lot) MUST_CHECK;

/* The same of several lots, none empty; the first pay the debt. */
enum status decision_credit_lots(struct decision *d, enum account from, const struct lot *lots, size_t n_lots) MUST_CHECK;

/**
 * decision_partner(): the partner that a command names: refused as NOT_FOUND when the program has partners, and not this one.
 * decision_issued(), decision_redeemed(): the accounts that points come from and go to: those of d->partner, or the program's.
 */
bool decision_partner(struct decision *d, const char *partner) MUST_CHECK;
enum account decision_issued(const struct decision *d);
enum account decision_redeemed(const struct decision *d);
bool account_is_partners(enum account account) MUST_CHECK;

/* Whether ISSUED (a partner's is counted with it), ADJUSTED or OPENING may move by ${points} (signed), and the member's metrics by ${add}. */
enum status decision_account_fits(struct decision *d, enum account account, int64_t points, bool *ret_fits) MUST_CHECK;
bool metrics_fit(const struct member *m, const struct metric_day *add) MUST_CHECK;

/* The facts of an upgrade, when the member's metrics with ${add} (NULL: none) reach a tier above the earned one. */
void decision_upgrade(struct decision *d, const struct metric_day *add);

/* The same for balance tiers alone: after what moves points without earning them. */
void decision_look(struct decision *d);

/* Validity or grace that ended on the last day of the tier: keep, grace, or a lower tier. */
void decision_tier_review(struct decision *d);

/* Points as text with the program's digits. */
#define POINTS_TEXT(d, points) decimal_format((points), (d)->program->scale, (char [DECIMAL_TEXT_BYTES]){ 0 })

/* An event that may earn, with everything that rules can ask of it. */
struct earn_event {
	enum rule_on on;
	const char *activity, *store, *partner;		/* NULL: none */
	int64_t amount, paid_with_points;
	uint32_t qty;					/* of an activity */
	size_t n_lines, n_segments;
	const struct entry_line *lines;
	const char *const *segments;
};

/**
 * earn(d, event): evaluates the program's rules and puts what they bring about into the entry: grants, tallies, postings, points and counters of
 * metrics, whose other numbers the caller has set.  May refuse: amounts beyond what a ledger can count.
 */
enum status earn(struct decision *d, const struct earn_event *event) MUST_CHECK;

const struct grant *past_grant(const struct entry *past, const char *rule);	/* NULL when there is none */

/**
 * return_vouchers(): what a return does to the vouchers that ${purchase}, decided under ${version}, issued by its rules; ${issues}: the rules that
 * the rest earns one by.  *${ret_loss}: by rule, whether one stood before the return and after it.  May refuse: debt that cannot be counted.
 */
struct voucher_loss { bool before[PROGRAM_RULES_MAX], after[PROGRAM_RULES_MAX]; };
enum status return_vouchers(struct decision *d, const struct program *version, struct entry_id purchase, const bool issues[static PROGRAM_RULES_MAX],
    struct voucher_loss *ret_loss) MUST_CHECK;

/* What a purchase brings with some of it returned: components in their order. */
struct worth_row {
	const struct rule *rule;	/* NULL: the share of the tier, or of a membership */
	const char *name;
	int64_t wanted, points;
	bool waits;			/* for an activity, or waited */
};
struct worth {
	size_t n;
	struct worth_row rows[PROGRAM_COMPONENTS_MAX];
	int64_t points;					/* their sum */
	int64_t counted[PROGRAM_RULES_MAX];		/* by counter rules */
	bool issues[PROGRAM_RULES_MAX];			/* voucher rules that issue one */
	int64_t counters[LEDGER_COUNTERS_MAX];
	bool carries[PROGRAM_RULES_MAX];		/* rules that keep spend below a step: they have no row */
	int64_t amount[PROGRAM_RULES_MAX];		/* what each rule was left */
};
const struct worth_row *worth_find(const struct worth *w, const char *name);	/* NULL: it has no such row */

/* What is to be taken of each rule for the points of steps that were given back, and behind them of each share; and the sum. */
struct worth_back {
	const char *shares[1 + PROGRAM_MEMBERSHIPS_MAX];	/* names of those of the tier and of memberships; NULL: it has none */
	int64_t of[PROGRAM_COMPONENTS_MAX];	/* the n_rules rules, then the shares */
	int64_t points;
};

/**
 * earn_again(): ${past}, a purchase decided under ${version}, with ${event} left of it; at most ${granted}.
 * worth_clip_lapsed(): its rows that wait for an activity to ${points}, and all of them to ${all}, from the last back.
 * earn_carried(): what is to be taken when ${stepped} points of steps were given back, of each rule, with the shares of multipliers;
 *   ${whole} is what all that was bought brings by earn_again(), which is not looked at here, and ${lapsed} of the other pending points are
 *   gone already.
 */
enum status earn_again(struct decision *d, const struct program *version, const struct entry *past, const struct earn_event *event,
    int64_t granted, struct worth **ret) MUST_CHECK;
void worth_clip_lapsed(struct worth *w, int64_t points, int64_t all);
enum status earn_carried(struct decision *d, const struct program *version, const struct entry *past, const struct earn_event *event,
    const struct worth *whole, const int64_t stepped[static PROGRAM_RULES_MAX], int64_t lapsed, struct worth_back *ret_back) MUST_CHECK;

enum status decide_publish(struct decision *d) MUST_CHECK;
enum status decide_rotate_key(struct decision *d) MUST_CHECK;
enum status decide_purchase(struct decision *d) MUST_CHECK;
enum status decide_activity(struct decision *d) MUST_CHECK;
enum status decide_hold(struct decision *d) MUST_CHECK;
enum status decide_hold_voucher(struct decision *d) MUST_CHECK;
enum status decide_voucher_use(struct decision *d) MUST_CHECK;
enum status decide_voucher_void(struct decision *d) MUST_CHECK;
enum status decide_capture(struct decision *d) MUST_CHECK;
enum status decide_release(struct decision *d) MUST_CHECK;
enum status decide_redeem(struct decision *d) MUST_CHECK;
enum status decide_reward(struct decision *d) MUST_CHECK;
enum status decide_enrol(struct decision *d) MUST_CHECK;
enum status decide_profile(struct decision *d) MUST_CHECK;
enum status decide_adjust(struct decision *d) MUST_CHECK;
enum status decide_approve(struct decision *d) MUST_CHECK;
enum status decide_approver_key(struct decision *d) MUST_CHECK;
enum status decide_tier(struct decision *d) MUST_CHECK;
enum status decide_birthday(struct decision *d) MUST_CHECK;

enum status decide_opening(struct decision *d) MUST_CHECK;
enum status decide_consent(struct decision *d) MUST_CHECK;
enum status decide_erase(struct decision *d) MUST_CHECK;

/* A record of somebody new; its program is left 0. */
void member_begin(struct member *m, const struct program *p, uint64_t number, int32_t day, bool provisional);
/* d->member becomes one that the entry makes, under the next number. */
enum status decision_newcomer(struct decision *d, bool provisional) MUST_CHECK;
/* Row 13 for a command that is not for provisional members. */
bool decision_member_enrolled(struct decision *d) MUST_CHECK;

/**
 * decision_referral(): after earn(): the rewards of the referral that this purchase completes, if it does.
 * referral_return(): what is left of ${past} fell from ${left_before} to f->left: takes the rewards that it brought, as far as the policy lets it.
 */
enum status decision_referral(struct decision *d) MUST_CHECK;
/* Who the command may reward besides the member, or take a reward from; 0: nobody. */
enum status referral_other(const struct ledger_state *state, const struct cmd *cmd, uint64_t *ret_number) MUST_CHECK;
enum status referral_return(struct decision *d, const struct program *version, const struct entry *past, int64_t left_before,
    struct followup *f) MUST_CHECK;

enum status decide_standing(struct decision *d) MUST_CHECK;
enum status decide_return(struct decision *d) MUST_CHECK;
enum status decide_reverse_redeem(struct decision *d) MUST_CHECK;
enum status decide_transfer(struct decision *d) MUST_CHECK;
enum status decide_merge(struct decision *d) MUST_CHECK;
enum status decide_advance(struct decision *d) MUST_CHECK;

/* Whether a principal is an approver's; whether the key that it has is the one of that id. */
bool approver_named(const char *principal) MUST_CHECK;
bool approver_has_key(const struct approver *approver, struct bytes key_id) MUST_CHECK;
/* Rows 11 to 13: refused when the member is closed, frozen and the command spends, or provisional and the command is not for such. */
bool decision_member_open(struct decision *d, bool spends) MUST_CHECK;
/* The reward of an anniversary that is today. */
enum status decision_anniversary(struct decision *d) MUST_CHECK;
/* Whether what birthday.requires asks for was earned by ${today}. */
bool birthday_earned(const struct program *p, const struct member *m, int32_t today) MUST_CHECK;
/* Whether keep holds as things are: no downgrade is ahead. */
bool tier_is_kept(const struct member *m, const struct program *p, int32_t today) MUST_CHECK;
/* The lots of an expire_at_once hold that ended. */
enum status decision_hold_expire(struct decision *d, const struct hold *hold) MUST_CHECK;

/* Counts points for limits.redeem_per_day.  May refuse. */
enum status decision_count_redeemed(struct decision *d, int64_t points) MUST_CHECK;
/* Takes back the voucher of a reward that ${past}, entry ${id}, redeemed, and its use.  May refuse. */
enum status decision_reverse_reward(struct decision *d, const struct entry *past, struct entry_id id) MUST_CHECK;

/* The body of release and hold_timeout: all that is left goes back to its lots, or expires. */
enum status decision_release(struct decision *d, const struct hold *hold) MUST_CHECK;
/* The grant for birthday ${day}; *${ret_fits} is false, and nothing is posted, when the program's points are used up. */
enum status decision_birthday(struct decision *d, int32_t day, bool *ret_fits) MUST_CHECK;

/* Allocates touched[] and puts the collected postings into the entry. */
enum status decision_finish(struct decision *d) MUST_CHECK;

/* ---- records ---- */

/* A string that buf_put_string() wrote, with a NUL behind it; false: it has NULs, or more than ${size} - 1 bytes. */
bool text_decode(struct cursor *c, char *ret, size_t size) MUST_CHECK;

/* ---- pending points ---- */

bool pending_ok(const struct pending *p) MUST_CHECK;
/* *${ret_ok} is false when it takes what is not there, or there is no room. */
enum status pendings_add(struct member *m, struct arena *arena, const struct pending *add, bool *ret_ok) MUST_CHECK;
bool pendings_check(const struct member *m) MUST_CHECK;
void pendings_encode(const struct member *m, struct buf *out);
bool pending_decode(struct cursor *c, struct pending *ret) MUST_CHECK;
void pending_term_of(const struct rule *rule, const struct tier *tier, char ret[static PENDING_TERM_BYTES]);
/* Whether what the entry makes pending is over waiting already, and will be under the inactivity clock. */
bool decision_pends_to_clock(const struct decision *d) MUST_CHECK;
/* What the entry has left so far of a row of its member's. */
int64_t decision_pending_left(const struct decision *d, const struct pending *row) MUST_CHECK;
/* Adds to the entry's facts. */
enum status decision_pending(struct decision *d, const struct pending_change *change) MUST_CHECK;
/* Activates what ${from} made to wait for ${activity}, or (NULL) what is due by today, on the business date. */
enum status decision_activate(struct decision *d, const char *activity, const struct entry_id *from, bool *ret_any) MUST_CHECK;
/* Cancels what has waited too long for an activity. */
enum status decision_lapse(struct decision *d, bool *ret_any) MUST_CHECK;

/* ---- vouchers ---- */

bool voucher_is_over(enum voucher_state state) MUST_CHECK;
bool voucher_is_meant(const struct voucher *v, const struct voucher_ref *ref) MUST_CHECK;
/* What a voucher hold of the member's record has; and the last day of what leaves a hold first. */
const struct voucher *hold_voucher(const struct member *m, const struct hold *h);
int32_t hold_first_day(const struct member *m, const struct hold *h);
/* Whether ${entry} says of the member's vouchers what its operation must, before it is applied. */
bool vouchers_entry_ok(const struct member *m, const struct entry *entry) MUST_CHECK;
/* The holds that an entry ends by what it does to their vouchers: the next from *${at} on; NULL. */
const struct hold *vouchers_ended_hold(const struct member *m, const struct entry *entry, size_t *at);
int voucher_compare(const struct voucher *a, const struct voucher *b);		/* by name */
/* Rows rise by name and every field is in range. */
bool vouchers_check(const struct member *m) MUST_CHECK;
void vouchers_encode(const struct member *m, struct buf *out);
bool voucher_decode(struct cursor *c, struct voucher *ret) MUST_CHECK;
/**
 * What entry ${id} does to them; *${ret_ok} is false when it may not be.  *${issued}: how many the entry has issued, here counted on.
 */
enum status vouchers_apply(struct member *m, struct arena *arena, const struct voucher_change *changes, size_t n, struct entry_id id,
    uint32_t *issued, bool *ret_ok) MUST_CHECK;
/* How many are not over. */
size_t vouchers_open(const struct member *m) MUST_CHECK;
/* Those of the one that goes, beside those of the one that stays. */
enum status vouchers_merge(struct member *from, struct member *into, struct arena *arena, bool *ret_ok) MUST_CHECK;
/* The last day of one that is issued on ${day}. */
int32_t voucher_last_day(const struct voucher_kind *kind, int32_t day);
/* The last day of a span that begins on ${day}; DAY_NEVER. */
int32_t term_last_day(const struct term *term, int32_t day);
/**
 * decision_issue(): adds a voucher of ${kind} to what the entry issues, through ${last_day}; *${ret_fits} is false, and nothing is added,
 * when the member's record has no room.
 * decision_voucher(): ${v}, one of the member's, gets ${state}; twice in one entry is the later one.
 */
enum status decision_issue(struct decision *d, const struct voucher_kind *kind, enum voucher_source source, const char *of, uint32_t at,
    int32_t last_day, bool *ret_fits) MUST_CHECK;
enum status decision_voucher(struct decision *d, const struct voucher *v, enum voucher_state state) MUST_CHECK;
/* What an entry of `system` has of them at most, so that it fits a transaction; the rest follows in another of the same instant. */
#define ENTRY_VOUCHERS_MAX 400
/* What becomes of a hold's voucher. */
enum status decision_capture_voucher(struct decision *d, const struct hold *hold) MUST_CHECK;
enum status decision_release_voucher(struct decision *d, const struct hold *hold) MUST_CHECK;
/* Parts of decide_hold(): its inputs at scale, room for one more, the facts of the new one with ${left} points; false: refused. */
bool decision_hold_inputs(struct decision *d) MUST_CHECK;
bool decision_hold_room(struct decision *d) MUST_CHECK;
enum status decision_hold_made(struct decision *d, int64_t left) MUST_CHECK;
/* The vouchers that ended yesterday, ENTRY_VOUCHERS_MAX at most. */
enum status decision_vouchers_end(struct decision *d, bool *ret_any) MUST_CHECK;

/* ---- memberships ---- */

/**
 * member_membership(): NULL when the member never had it.
 * membership_state(), membership_until(): as of a day; until is the last day of what is paid, of the trial, or of grace.
 * member_holds_membership(): its benefits hold on that day.
 * memberships_put(): takes the place of its row, or makes one.
 */
const struct membership *member_membership(const struct member *m, const char *id);
enum membership_state membership_state(const struct membership *s, int32_t today);
int32_t membership_until(const struct membership *s, int32_t today);
bool member_holds_membership(const struct member *m, const char *id, int32_t today) MUST_CHECK;
bool membership_ok(const struct membership *s) MUST_CHECK;
bool memberships_check(const struct member *m) MUST_CHECK;
enum status memberships_put(struct member *m, struct arena *arena, const struct membership *row) MUST_CHECK;
enum status memberships_merge(const struct member *from, struct member *into, struct arena *arena) MUST_CHECK;
void memberships_encode(const struct member *m, struct buf *out);
bool membership_decode(struct cursor *c, struct membership *ret) MUST_CHECK;
/* Notes that the event gave the member a benefit of it; whatever has a `when` that asked for it says so. */
enum status decision_membership_used(struct decision *d, const char *id) MUST_CHECK;
/* Ends those whose day has come. */
enum status decision_memberships_end(struct decision *d, bool *ret_any) MUST_CHECK;
enum status decide_membership_start(struct decision *d) MUST_CHECK;
enum status decide_membership_renew(struct decision *d) MUST_CHECK;
enum status decide_membership_cancel(struct decision *d) MUST_CHECK;

/* ---- points that become vouchers by themselves ---- */

/* What an entry does when it gives points to the member, and what falls due at night. */
enum status decision_auto_redeem(struct decision *d, bool *ret_any) MUST_CHECK;
/* The same when the entry gave any. */
enum status decision_auto_credit(struct decision *d) MUST_CHECK;
/* Sets has_auto and auto_day of a record that an entry changed at ${at_us}; NULL: a version came. */
void auto_look(struct member *m, const struct program *p, int64_t at_us, const struct entry *entry);

/* ---- cards of stamps ---- */

/* Rows rise by id, none is empty, every field is in range. */
bool stamps_check(const struct member *m) MUST_CHECK;
void stamps_encode(const struct member *m, struct buf *out);
bool stamp_card_decode(struct cursor *c, struct stamp_card *ret) MUST_CHECK;
/* NULL when the member has nothing of it. */
const struct stamp_card *member_card(const struct member *m, const char *id);
/* What an entry does to them; *${ret_ok} is false when it may not be. */
enum status stamps_apply(struct member *m, struct arena *arena, const struct entry *entry, bool *ret_ok) MUST_CHECK;
/* Whether the entry of a merge has a row for every card of the one that goes. */
bool stamps_merged(const struct member *from, const struct entry *entry) MUST_CHECK;
/**
 * decision_unstamp(): what a return takes of the stamps of ${past}, entry ${id}, of which ${before} was left and ${after} is; with the vouchers
 *   that it issued for them and that are not covered any more.
 * decision_stamps_end(): cards that ended yesterday.
 * decision_stamps_forfeit(): all that is on the member's cards.
 * decision_stamps_merge(): the cards of ${from} come to the decision's member.  May refuse.
 */
enum status decision_unstamp(struct decision *d, const struct program *version, const struct entry *past, struct entry_id id,
    const struct earn_event *before, const struct earn_event *after) MUST_CHECK;
enum status decision_stamps_end(struct decision *d, bool *ret_any) MUST_CHECK;
enum status decision_stamps_forfeit(struct decision *d) MUST_CHECK;
enum status decision_stamps_merge(struct decision *d, const struct member *from) MUST_CHECK;

/* ---- what later entries did to an entry ---- */

bool followup_ok(const struct followup *f) MUST_CHECK;
/* As it is now, and if nothing was done to the entry, an empty one. */
enum status followup_load(const struct decision *d, struct entry_id id, struct followup *ret) MUST_CHECK;
/* Adds it to the entry's facts, in place of what is there. */
enum status decision_followup(struct decision *d, const struct followup *f) MUST_CHECK;

/* ---- other members ---- */

/**
 * side_begin(): a decision about another member within ${d}: what it collects, in ${scratch}, becomes part of d's entry by side_end().
 */
void side_begin(struct decision *d, const struct member *m, struct entry *scratch, struct decision *ret);
enum status side_end(struct decision *d, struct decision *side) MUST_CHECK;

/* Several of them, each begun when it is first met; whoever is closed or is d's own member is d itself. */
struct side_row { struct decision decision; struct entry scratch; };
struct sides { struct decision *d; size_t n; struct side_row *rows[LEDGER_POOL_MAX]; };
enum status sides_get(struct sides *sides, uint64_t number, struct decision **ret) MUST_CHECK;
enum status sides_end(struct sides *sides) MUST_CHECK;
/* The member that the command names besides its own; NULL: refused. */
enum status other_member(struct decision *d, const char *field, const struct member **ret) MUST_CHECK;

/* ---- pools ---- */

/**
 * member_followed(): who a member is by now, through merges; NULL when there is none.
 * hold_owners(): of those whose lots a hold from a pool has the ones that have a part of it still, in spending order; ${holder} itself as it is given.
 * hold_total(): what it has left with others' parts.
 * decision_spend_pool(): ${points} of the pool, head first; refused when they are not there.
 * decision_take_hold(): ${points} of a hold, from a pool or not, in spending order.
 * decision_leave_pool(): touches those whose records name ${m}, as a side, but for who is touched already.
 * decision_give_back(): of all the member's holds from pools others' parts go back to them.  May refuse.
 */
enum status member_followed(const struct ledger_state *state, uint32_t program, uint64_t number, const struct member **ret) MUST_CHECK;
enum status hold_owners(const struct ledger_state *state, const struct member *holder, const struct hold *hold,
    const struct member *ret[static LEDGER_POOL_MAX], size_t *ret_n) MUST_CHECK;
enum status hold_total(const struct ledger_state *state, const struct member *holder, const struct hold *hold, int64_t *ret_points) MUST_CHECK;
enum status decision_spend_pool(struct decision *d, int64_t points, enum account to) MUST_CHECK;
enum status decision_take_hold(struct decision *d, const struct hold *hold, int64_t points, enum account to, enum account to_ended) MUST_CHECK;
enum status decision_leave_pool(struct decision *d, const struct member *m) MUST_CHECK;
enum status decision_give_back(struct decision *d) MUST_CHECK;
enum status decide_pool_join(struct decision *d) MUST_CHECK;
enum status decide_pool_leave(struct decision *d) MUST_CHECK;

/**
 * pool_apply(): who joins and who leaves by the entry; false: the records do not allow it, or others are touched than it takes.
 * hold_remove(): takes it out of the record.
 * hold_settle(): after an entry's postings on it: its owners if it is new, others' parts that are over.  *${ret_ok} is false when it does not have
 * what the entry says; *${ret_over}: it is over.
 * holds_given_back(): after the postings of an erasure, or of a closing: others' parts of its holds are over.  *${ret_ok} is false when one has anything left.
 */
enum status pool_apply(const struct entry *entry, struct member *const *touched, struct arena *arena, bool *ret_ok) MUST_CHECK;
void hold_remove(struct member *m, const struct hold *hold);
enum status hold_settle(const struct ledger_state *state, struct hold *hold, const struct entry *entry, struct member *const *touched,
    size_t n_touched, bool *ret_ok, bool *ret_over) MUST_CHECK;
enum status holds_given_back(struct member *const *touched, size_t n_touched, const struct ledger_state *state, bool *ret_ok) MUST_CHECK;

/**
 * move_points(): everything that ${side}'s member has becomes ${d}'s, by postings.
 * merge_tier(): into d->entry->tier the higher of ${mine} and ${from}'s, with its dates; gifts likewise.  True: it is not ${mine}.
 * merge_fits(): false: refused, the two do not fit one record.
 */
enum status move_points(struct decision *d, struct decision *side) MUST_CHECK;
bool merge_tier(struct decision *d, const struct tier_state *mine, const struct member *from) MUST_CHECK;
bool merge_fits(struct decision *d, const struct member *from, const struct member *into) MUST_CHECK;

/* ---- tallies ---- */

/* NULL when there is none. */
const struct tally *tally_find(const struct tally *tallies, size_t n, enum tally_kind kind, const char *id, enum period per, int64_t at);
/* Adds to its equal or stands in its place; a tally that becomes empty goes.  *${ret_ok} is false when it overflows or falls below zero. */
enum status tallies_add(struct tally **tallies, size_t *n, size_t *cap, struct arena *arena, const struct tally *add, bool *ret_ok) MUST_CHECK;
/* Drops what no event can ask for any more: periods that ended before ${oldest_day}, instants before ${oldest_us}. */
void tallies_prune(struct tally *tallies, size_t *n, int32_t oldest_day, int64_t oldest_us);
/* Whether an entry may bring it: everything in range, and something in it. */
bool tally_change_ok(const struct tally *t) MUST_CHECK;
/* Adds one to the entry's facts. */
enum status decision_tally(struct decision *d, const struct tally *t) MUST_CHECK;
/* Sorted, none empty, nothing below zero, names that end. */
bool tallies_check(const struct tally *tallies, size_t n);
void tallies_encode(const struct tally *tallies, size_t n, struct buf *out);
/* One tally as tallies_encode() wrote it; ${before} is the one before it, NULL at the first.  False: out of range. */
bool tally_decode(struct cursor *c, const struct tally *before, struct tally *ret) MUST_CHECK;
/* The first day of the period that holds ${day}; 0 for LIFETIME and PROGRAM. */
int64_t period_start(enum period per, int32_t day);

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
/* Points of the lots under the inactivity clock. */
int64_t lots_clock_points(const struct lot *lots, size_t n);
bool member_has_clock_lots(const struct member *m);
bool lots_take(struct lot *lots, size_t *n, const struct lot *lot) MUST_CHECK;
void lots_merge(struct lot *lots, size_t *n, size_t max);

/**
 * metric_sum(): a metric over a window as seen on ${day}, with ${add} (NULL: none) on top.
 * tier_reached(): index of the highest tier whose reach holds on ${day}, with ${balance} as available + held; 0 when none does.
 *   ${balance_only}: of those that ask for a balance.
 * tier_look(): sets has_look and look_day of a record that was changed at ${at_us}, at night when ${is_due}.
 */
wide metric_sum(const struct member *m, const struct metric_day *add, enum metric metric, const struct tier *tier, int32_t day);
size_t tier_reached(const struct program *p, const struct member *m, const struct metric_day *add, wide balance, int32_t day,
    bool balance_only);
void tier_look(struct member *m, const struct program *p, int64_t at_us, bool is_due);

/**
 * notice_look(): sets told_day and notice_day of a record that was changed at ${at_us}; ${is_before}: at night, before its notices.
 * notice_look_new(): adds what a version that came on ${today} tells later.
 * decision_notice(): the facts of a notice, as of today; none under a version that has nothing to tell.
 */
void notice_look(struct member *m, const struct program *p, int64_t at_us, bool is_before);
void notice_look_new(struct member *m, const struct program *p, int32_t today);
enum status decision_notice(struct decision *d) MUST_CHECK;

/* The anniversary of an enrolment that comes next after ${today}: sets has_anniversary and anniversary. */
void anniversary_look(struct member *m, int32_t today);

/* The last day of a tier whose validity counts from ${from}; when it is kept, later than ${from}. */
int32_t tier_valid_until(const struct tier *tier, int32_t from, bool is_kept);

/* A metric between two days, both counted. */
wide metric_between(const struct member *m, const struct metric_day *add, enum metric metric, int32_t first, int32_t last);
/* The same over the time that keep is asked for, as far as it has passed by ${today}. */
wide metric_to_keep(const struct member *m, enum metric metric, const struct tier *tier, int32_t today);

/**
 * merge_holds(): before a merge's postings; merge_rest(): after them.  *${ret_ok} is false when the two do not fit one record.
 */
enum status merge_holds(const struct member *from, struct member *into, struct arena *arena, bool *ret_ok) MUST_CHECK;
enum status merge_rest(struct member *from, struct member *into, struct arena *arena, bool *ret_ok) MUST_CHECK;
/* Whether touched[] is the member that the entry is about, and one for each row of sides, as far as its operation touches others. */
bool entry_touched_ok(const struct entry *entry) MUST_CHECK;
/**
 * member_erase(): after an erasure's postings: nothing stays of touched[0] but the number and the links.
 * member_close(): after those of a closing: its holds from pools are over.  *${ret_ok} is false when something was left.
 */
enum status member_close(struct member *const *touched, size_t n_touched, const struct ledger_state *state, bool *ret_ok) MUST_CHECK;
enum status member_erase(struct member *const *touched, size_t n_touched, const struct ledger_state *state, bool *ret_ok) MUST_CHECK;
/* A consent, who referred whom, and that the reward for it was granted.  *${ret_ok}: whether the entry may say so. */
enum status people_apply(struct member *m, const struct entry *entry, struct arena *arena, bool *ret_ok) MUST_CHECK;
/* *${ret_ok} is false when there is no room for one more. */
enum status consents_put(struct member *m, struct arena *arena, const struct consent *consent, bool *ret_ok) MUST_CHECK;
bool member_people_check(const struct member *m) MUST_CHECK;
int entry_id_compare(struct entry_id a, struct entry_id b);

/* Facts that change the tier begin its sums anew; false: they overflow. */
bool tier_state_apply(struct member *m, const struct tier_state *t) MUST_CHECK;
/* Adds to the lifetime sums and the day's row, and drops rows before ${oldest_day}.  *${ret_ok} is false on overflow. */
enum status metrics_add(struct member *m, struct arena *arena, const struct metric_day *add, int32_t oldest_day, bool *ret_ok) MUST_CHECK;
/* Sums since the tier began begin after ${start}; false: they overflow. */
bool metrics_start_over(struct member *m, int32_t start) MUST_CHECK;
/* Lifetime sums, those through the start of ${into}'s tier, and rows by day.  *${ret_ok} is false on overflow. */
enum status metrics_merge(const struct member *from, struct member *into, struct arena *arena, bool *ret_ok) MUST_CHECK;
/* Rows rise and none is empty. */
bool metrics_check(const struct member *m) MUST_CHECK;

/* The higher of earned and gift as they stand: a gift whose day is over counts until an entry ends it.  So it changes by entries alone. */
const struct tier *member_tier_held(const struct member *m, const struct program *program);
/* Index of the tier earned: 0 when it is none of the program's. */
size_t tier_earned(const struct program *p, const struct member *m);
void tier_id_copy(char to[static LEDGER_ID_MAX + 1], const char *id);
bool tier_state_equal(const struct tier_state *a, const struct tier_state *b);

/* The least common denominator of a program's rules before rounding; 0 above COMMON_STEP_MAX. */
int64_t program_common_step(const struct program *p);
int64_t gcd(int64_t a, int64_t b);

#endif
