/**
 * decide.h: what a command brings about, and applying it.  Pure.
 *
 *   decide(state, command, now) -> entry        a refusal changes nothing
 *   evolve(state, entry)                        the only function that changes state
 */
#ifndef FEALTY_LEDGER_DECIDE_H
#define FEALTY_LEDGER_DECIDE_H

#include "ledger/ledger.h"
#include "ledger/program.h"

/**
 * decide(state, cmd, now_us, arena, ret_entry, ret_refusal):
 * LEDGER_OK in ret_refusal->result: *${ret_entry} holds everything but touched[].prev and the balances after, which evolve fills in; its memory is
 * ${arena}'s and ${cmd}'s.  Otherwise *${ret_refusal} names the first refusal that applies, from CLOCK_SKEW on in the order of enum ledger_result, and
 * *${ret_entry} is undefined.  The caller has rolled the member forward to ${now_us} first.  Errors: ST_NOMEM, and those of ${state}.
 */
enum status decide(const struct ledger_state *state, const struct cmd *cmd, int64_t now_us, struct arena *arena,
    struct entry *ret_entry, struct refusal *ret_refusal) MUST_CHECK;

/**
 * purchase_excess(cmd, ret_sentence):
 * The field of a purchase, or of a quote, that is worth more than its amount, and a sentence on it; NULL when none is.  It needs no program, only
 * that no amount is below zero.
 */
const char *purchase_excess(const struct cmd *cmd, const char **ret_sentence) MUST_CHECK;

/**
 * member_newcomer(program, number, day, ret): the record of somebody new, as a quote shows whom nobody knows.
 */
void member_newcomer(const struct program *program, uint64_t number, int32_t day, struct member *ret);

/* ---- what falls due ---- */

/* In the order within one instant. */
enum due_kind {
	DUE_HOLD_TIMEOUT, DUE_LAPSE, DUE_ACTIVATE, DUE_BIRTHDAY, DUE_ANNIVERSARY, DUE_AUTO_REDEEM, DUE_TIER_END,
	DUE_MEMBERSHIP_END, DUE_TIER_REVIEW, DUE_EXPIRE, DUE_INACTIVITY, DUE_HOLD_EXPIRE, DUE_VOUCHER_EXPIRE, DUE_STAMP_EXPIRE, DUE_TIER_LOOK, DUE_NOTICE,
};
struct due {
	enum due_kind kind;
	int64_t at_us;
	struct entry_id hold;		/* DUE_HOLD_TIMEOUT, DUE_HOLD_EXPIRE */
	int32_t birthday;		/* DUE_BIRTHDAY: its day */
};

/**
 * due_next(m, program, until_us, ret_due):
 * The first thing due for a member at or before ${until_us}, birthdays apart (the vault knows them); false when there is none.  Any version of the
 * program serves: the zone is the same in all.
 */
bool due_next(const struct member *m, const struct program *program, int64_t until_us, struct due *ret_due) MUST_CHECK;

/* When the next one is; INSTANT_NEVER. What evolve keeps in member.due_at_us. */
int64_t due_at_us(const struct member *m, const struct program *program);

/**
 * member_look(state, m):
 * Brings what is due for a member, whose record is as its newest entry left it, up to the versions that were published since, each as of the instant
 * from which it is in force; *${m} is a copy that nobody stores, or what evolve() is about to store.  A version adds what it gives without an
 * entry of the member (an anniversary, points that become vouchers, a tier by balance, notices) and takes nothing away: what an older one had set
 * comes, and is decided under the version of its instant.  What is due before a version comes first: as long as it is not done, the look ends there.
 * member_is_looked(): whether it would change nothing.
 */
void member_look(const struct ledger_state *state, struct member *m);
bool member_is_looked(const struct ledger_state *state, const struct member *m) MUST_CHECK;

/**
 * birthday_enter(dates, n_dates, month, day, today):
 * Adds a date that a member gave on ${today}, newest last: one given on the same day replaces the one before, the newest given again changes
 * nothing, and the oldest goes when there are more than LEDGER_BIRTHDAYS_MAX.
 */
void birthday_enter(struct birthday_date dates[static LEDGER_BIRTHDAYS_MAX], size_t *n_dates, int month, int day, int32_t today);

/**
 * birthday_on(program, dates, n_dates, day):
 * Whether ${day} is a birthday by the date that is in force for it: of the dates entered at least guard_days before, the newest.
 */
bool birthday_on(const struct program *program, const struct birthday_date *dates, size_t n_dates, int32_t day) MUST_CHECK;

/**
 * birthday_range(): the most days that a birthday is ahead when its reward comes, whatever the tier: points come on the day, vouchers when the
 *   window opens.
 * birthday_may_come(): whether any birthday is so near to ${day}.
 * birthday_comes(): the birthday whose reward the system grants to the member at the beginning of ${day}; DAY_NONE.  A date opens its window on
 *   the day on which it becomes effective, when that is inside.  What the reward requires is asked once, when the window opens.
 */
int32_t birthday_range(const struct program *program);
bool birthday_may_come(const struct program *program, const struct birthday_date *dates, size_t n_dates, int32_t day) MUST_CHECK;
int32_t birthday_comes(const struct program *program, const struct member *m, const struct birthday_date *dates, size_t n_dates, int32_t day);

/* The days before and after a birthday that its window has for a member.  Birthdays come before gifts end, so at midnight the tier is yesterday's. */
void birthday_window(const struct program *program, const struct member *m, int32_t *ret_before, int32_t *ret_after);

/* Whether the member gets a reward for the birthday ${day}: the program has one, and none was paid for its year nor too shortly before. */
bool birthday_payable(const struct program *program, const struct member *m, int32_t day) MUST_CHECK;

/**
 * decide_due(state, program, member, due, arena, ret_entry):
 * The entry of principal `system` for what is due, decided at due->at_us under the version in force then.  ST_NOTFOUND: nothing to write after all
 * (a birthday that is already paid or that the version does not reward).  Other errors as in decide().
 */
enum status decide_due(const struct ledger_state *state, uint32_t program, uint64_t member, const struct due *due, struct arena *arena,
    struct entry *ret_entry) MUST_CHECK;

/**
 * roll_ahead(state, m, dates, n_dates, from, until_us, arena):
 * Applies what falls due for ${m}, a record of ${state} that evolve() changes, up to ${until_us}, with the birthdays of the days from ${from}
 * on, ten years at most.  For looking only: the entries get ids that no entry has.  Errors: ST_CORRUPT, ST_NOMEM, and those of ${state}.
 */
enum status roll_ahead(const struct ledger_state *state, const struct member *m, const struct birthday_date *dates, size_t n_dates,
    int32_t from, int64_t until_us, struct arena *arena) MUST_CHECK;

/**
 * command_others(state, cmd, ret, ret_n):
 * Besides cmd->member the members that the command names or may touch, as far as it is looked up: who decides it rolls them forward first.
 */
#define LEDGER_OTHERS_MAX (LEDGER_TOUCHED_MAX + 1)
enum status command_others(const struct ledger_state *state, const struct cmd *cmd, uint64_t ret[static LEDGER_OTHERS_MAX],
    size_t *ret_n) MUST_CHECK;

/* Who else holds one of the aliases of an enrol, opening or profile: cmd->merged.  More than an entry can touch are refused by decide(). */
bool command_merges(const struct cmd *cmd, uint64_t number);
void command_merge(struct cmd *cmd, uint64_t number);

/* The members of a pool in spending order, the head first; ${m} alone when it is in none.  ST_CORRUPT: the records contradict each other. */
enum status pool_of(const struct ledger_state *state, const struct member *m, const struct member *ret[static LEDGER_POOL_MAX],
    size_t *ret_n) MUST_CHECK;

/* ---- evolve ---- */

enum evolve_mode {
	EVOLVE_LIVE,		/* fills entry->touched[]: prev, balances, tier (all but .member) */
	EVOLVE_REPLAY,		/* compares them */
};
enum evolve_fault {
	EVOLVE_OK,
	EVOLVE_UNBALANCED,	/* postings do not sum to zero, or overflow */
	EVOLVE_NEGATIVE,	/* a balance or a lot below zero, or debt above zero in postings */
	EVOLVE_NO_LOT,		/* a posting takes from a lot or a hold that is not there */
	EVOLVE_VOUCHER,		/* a voucher that is not there, or not in a state that can become the new one */
	EVOLVE_NO_MEMBER,	/* a member that is not there, or enrolled twice, or not in touched[] */
	EVOLVE_NO_PROGRAM,
	EVOLVE_PREV_DIFFERS,	/* replay: touched[].prev is not the member's head */
	EVOLVE_AFTER_DIFFERS,	/* replay: a balance after is not what the entry brings about */
	EVOLVE_KEYS,		/* a rotation that does not go on from the keys in force */
	EVOLVE_APPROVAL,	/* an approval of what does not wait, or not by the approver's key */
	EVOLVE_MALFORMED,	/* fields that this operation needs are missing or out of range */
};
const char *evolve_fault_str(enum evolve_fault f);	/* a sentence's end: "its postings do not sum to zero" */

/**
 * evolve(state, entry, id, committed_at_us, mode, ret_fault):
 * Applies an entry that is, or will be, ${id}.  On a fault the state is undefined: live callers assert EVOLVE_OK, an audit stops there.
 * Errors: ST_NOMEM, and those of ${state}.
 */
enum status evolve(const struct ledger_state *state, struct entry *entry, struct entry_id id, int64_t committed_at_us,
    enum evolve_mode mode, enum evolve_fault *ret_fault) MUST_CHECK;

/**
 * member_check_books(): what must hold after every change: lots sorted and positive, available, held and pending equal to their sums, nothing
 * below zero, every date one.
 * member_check(): as well the rows of metrics and tallies: sorted, none empty.  What adds to them keeps them so, one by one.
 */
enum evolve_fault member_check_books(const struct member *m) MUST_CHECK;
enum evolve_fault member_check(const struct member *m) MUST_CHECK;

/**
 * member_became(state, program, was, now, ret):
 * Whether member ${was} is ${now}, or went into it by merges: then what it did is what ${now} did.
 */
enum status member_became(const struct ledger_state *state, uint32_t program, uint64_t was, uint64_t now, bool *ret) MUST_CHECK;

/**
 * member_made_hold(): whether the id is of a hold, open or over, that the member made.
 * entry_named_twice(): whether a reference means two entries: by a key and by an id.  A request id may look like an id, and be that entry's.
 */
bool member_made_hold(const struct ledger_state *state, const struct member *m, struct entry_id id) MUST_CHECK;
bool entry_named_twice(unsigned n_by_key, struct entry_id by_key, bool has_id, struct entry_id by_id) MUST_CHECK;

/* Whether a posting takes points out of a lot for another account; a lot whose terms change loses points to its own account. */
bool posting_is_debit(const struct entry *entry, size_t index) MUST_CHECK;

/* ---- the balance block ---- */

struct expiring { int32_t last_day; int64_t points; };
struct notice;
struct balance_row { const char *id; int64_t value; };
struct pool_sums { int64_t available, pending, held, debt; };
enum status pool_sums_of(const struct ledger_state *state, const struct member *m, struct pool_sums *ret) MUST_CHECK;
enum membership_state { MEMBERSHIP_IS_TRIAL, MEMBERSHIP_IS_ACTIVE, MEMBERSHIP_IS_GRACE, MEMBERSHIP_IS_ENDED };
const char *membership_state_str(enum membership_state state);	/* "trial", "active", … */
struct membership_row { const char *id; enum membership_state state; int32_t until; };
struct balance {
	int64_t available, pending, held, debt;
	size_t n_expiring;
	const struct expiring *expiring;	/* by last day, one row a day, without never-expiring and held points */
	const char *tier, *tier_earned;		/* "" without tiers */
	int32_t tier_since;			/* of the tier that counts; for a gift, of the earned one; DAY_NONE without tiers */
	int32_t tier_until;			/* last day of the tier that counts; DAY_NEVER */
	bool has_next;				/* a higher tier asks for points_earned */
	int64_t points_to_next;			/* the least of points_earned that is missing for the next higher tier, 0 when only other metrics miss */
	bool has_keep;				/* keep asks for points_earned, and has still to be asked */
	int64_t points_to_keep;			/* like points_to_next */
	size_t n_notices;
	const struct notice *notices;
	int64_t points_earned, spend, visits;	/* lifetime */
	bool provisional;			/* not enrolled */
	size_t n_consents;
	const struct consent *consents;		/* the member's own */
	size_t n_counters, n_remainders;
	const struct balance_row *counters;	/* all of the program's, lifetime */
	const struct balance_row *remainders;	/* of rules that carry one, in money */
	size_t n_vouchers;
	const char *const *vouchers;		/* ids of those that can be used, sorted, an id as often as it occurs */
	size_t n_memberships;
	const struct membership_row *memberships;	/* all that the member ever had, by id */
	size_t n_stamps, n_stamp_debts;
	const struct balance_row *stamps;	/* on all of the program's cards */
	const struct balance_row *stamp_debts;	/* of cards on which stamps are owed */
};
/* What is told in a reply.  last_day: of the points or of the tier; due: the day on which it fell due. */
struct notice { enum notice_kind kind; int64_t points; int32_t last_day, due; const char *voucher; };	/* voucher: by an entry of `system` */
/**
 * notices_of(): into ${ret}, which balance_of() has filled: those that fell due since the last command before ${entry}, about what was
 * there before it; without an entry (a read) those since the last command.  By due day, then as the program lists them.  With an entry of
 * `system`, what it tells.
 */
enum status notices_of(const struct member *m, const struct program *program, const struct entry *entry, int32_t today, struct arena *arena,
    struct balance *ret) MUST_CHECK;

/* As of local date ${today}; memory from ${arena}. */
enum status balance_of(const struct member *m, const struct program *program, int32_t today, struct arena *arena, struct balance *ret) MUST_CHECK;

/* The tier that counts on ${today}: the higher of earned and gift; NULL when the program has no tiers. */
const struct tier *member_tier(const struct member *m, const struct program *program, int32_t today);

#endif
