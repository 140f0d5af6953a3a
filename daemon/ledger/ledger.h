/**
 * ledger.h: the words of the core: accounts, lots, members, commands, entries, answers.  Pure: no clock, no I/O, no randomness.
 *
 * Points are int64 in units of 10^-scale of their program, money int64 in minor units of its currency, instants int64 UTC
 * microseconds, days int32 since 1970-01-01 in the program's time zone (calendar.h).  Strings are NUL-terminated and borrowed: from the
 * arena or the transaction they were read from, unless a field says otherwise.
 */
#ifndef FEALTY_LEDGER_LEDGER_H
#define FEALTY_LEDGER_LEDGER_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "ledger/calendar.h"
#include "ledger/decimal.h"

#define LEDGER_ENGINE 1			/* raised by every change that alters a decision; ARCHITECTURE.md lists them */
#define LEDGER_ID_MAX 32
#define LEDGER_REQUEST_ID_MAX 64
#define LEDGER_LEAF_BYTES_MAX 60000
#define LEDGER_PROGRAM_BYTES_MAX 40000
#define LEDGER_LOTS_MAX 1000		/* of a member; beyond it the two nearest last days merge into the later */
#define LEDGER_HOLDS_MAX 64		/* open holds of a member; one more is CAP_REACHED */
#define LEDGER_PENDINGS_MAX 1000	/* rows of pending points of a member; one more purchase with pending points is CAP_REACHED */
#define LEDGER_GAPS_MAX 256		/* instants kept for min_gap, over all rules; the oldest go first */
#define LEDGER_TALLIES_MAX 65536	/* beyond what periods and late_days allow */
#define LEDGER_VOUCHERS_MAX 1000	/* a member's record keeps; the oldest that is over goes first, and when none is, one more is CAP_REACHED */
#define LEDGER_CARDS_MAX 256		/* of stamps, in a member's record: those of all versions of its program */
#define LEDGER_MILESTONES_MAX 16	/* of a card */
#define LEDGER_STAMPS_MAX (INT64_C(1) << 53)	/* of a card, either way */
#define LEDGER_PROGRAM_CAPS_MAX 64	/* caps `per: program` and stocks of rewards in all versions of a program */
#define LEDGER_LINES_MAX 200		/* of a purchase */
#define LEDGER_POOL_MAX 32		/* members of a pool, its head among them */
#define LEDGER_TOUCHED_MAX (LEDGER_POOL_MAX + 1)	/* members that one entry changes: a merge, and the pool that one leaves */
#define LEDGER_MEMBERSHIPS_MAX 8	/* of a program in all its versions, and so of a member */
#define LEDGER_TERMINAL_MAX 64	/* bytes of a store, of a terminal */
#define LEDGER_REFUSED_MAX 64	/* ranges of numbers that an entry says were refused */
#define LEDGER_TILL "pos/"	/* how the principal of one begins */
#define LEDGER_BIRTHDAYS_MAX 4		/* dates that a member's profile remembers */
#define LEDGER_CONSENTS_MAX 32		/* purposes that a member has said something about */
#define LEDGER_OPENING_LOTS_MAX 500	/* of one opening */
#define LEDGER_SKEW_US (300 * US_PER_SECOND)

/**
 * Answers: LEDGER_OK or a refusal.  Their order is the order of RULINGS: of several that apply, the first is the answer.
 */
enum ledger_result {
	LEDGER_OK,
	LEDGER_INVALID_ARGUMENT,
	LEDGER_POINTS_NOT_POSITIVE,
	LEDGER_SELF_REFERRAL,
	LEDGER_PERMISSION_DENIED,
	LEDGER_REQUEST_ID_REUSED,
	LEDGER_RECEIPT_REUSED,
	LEDGER_TOO_LARGE,
	LEDGER_CLOCK_SKEW,
	LEDGER_EVENT_TOO_OLD,
	LEDGER_NOT_FOUND,
	LEDGER_ALREADY_EXISTS,
	LEDGER_NOT_OFFERED,
	LEDGER_MEMBER_CLOSED,
	LEDGER_MEMBER_FROZEN,
	LEDGER_MEMBER_PROVISIONAL,
	LEDGER_HOLD_EXPIRED,
	LEDGER_HOLD_NOT_OPEN,
	LEDGER_ALREADY_REVERSED,
	LEDGER_ALREADY_USED,
	LEDGER_VOUCHER_EXPIRED,
	LEDGER_MEMBERSHIP_ENDED,
	LEDGER_BELOW_MINIMUM,
	LEDGER_NOT_A_STEP,
	LEDGER_OVER_ORDER_TOTAL,
	LEDGER_MEMBER_TOO_NEW,
	LEDGER_NOT_ELIGIBLE,
	LEDGER_CAP_REACHED,
	LEDGER_OUT_OF_STOCK,
	LEDGER_INSUFFICIENT_POINTS,
	LEDGER_HOLD_TOO_SMALL,
	LEDGER_RETURN_EXCEEDS_PURCHASE,
	LEDGER_UNAVAILABLE,		/* retryable; the service's, never a decision */
	LEDGER_DEADLINE_EXCEEDED,	/* the service's */
	LEDGER_RATE_LIMITED,		/* retryable; the service's */
	LEDGER_RECORD_DAMAGED,		/* the service's: what was stored of it is not what was written */
	LEDGER_RESULT_COUNT
};
const char *ledger_result_str(enum ledger_result r);	/* the stable reason: "INSUFFICIENT_POINTS" */

/* A refusal, for people and programs.  field is static or borrowed like strings. */
struct refusal {
	enum ledger_result result;
	const char *field;		/* NULL: no single one */
	uint32_t retry_after_ms;	/* of LEDGER_RATE_LIMITED */
	char sentence[200];		/* what happened, to what, what to do next; names no alias */
};

/* Values of fealty.ledger.v1.Account and LotClass. */
enum account {
	ACCOUNT_NONE, ACCOUNT_MEMBER, ACCOUNT_PENDING, ACCOUNT_HELD, ACCOUNT_DEBT, ACCOUNT_ISSUED, ACCOUNT_REDEEMED, ACCOUNT_EXPIRED,
	ACCOUNT_ADJUSTED, ACCOUNT_TRANSFERRED, ACCOUNT_CLAWED, ACCOUNT_REINSTATED, ACCOUNT_ADVANCED, ACCOUNT_OPENING,
	ACCOUNT_PARTNER_ISSUED, ACCOUNT_PARTNER_REDEEMED, ACCOUNT_COUNT
};
const char *account_str(enum account a);		/* "member", "issued", … */

enum lot_class { LOT_NONE, LOT_EARNED, LOT_BIRTHDAY, LOT_ADJUSTMENT, LOT_ANNIVERSARY, LOT_LENT, LOT_REFERRAL, LOT_MOVED_IN, LOT_CLASS_COUNT };
const char *lot_class_str(enum lot_class c);

/* Values of the field numbers in fealty.ledger.v1.Inputs. */
enum op {
	OP_NONE = 0, OP_GENESIS = 1, OP_PUBLISH = 2, OP_ENROL = 3, OP_PROFILE = 4, OP_PURCHASE = 5, OP_HOLD = 6, OP_CAPTURE = 7,
	OP_RELEASE = 8, OP_REDEEM = 9, OP_ADJUST = 10, OP_TIER = 11, OP_BIRTHDAY = 12, OP_HOLD_TIMEOUT = 13, OP_TIER_END = 14,
	OP_EXPIRE = 15, OP_CLOCK_ACCEPT = 16, OP_ZONE_DATA = 17,
	OP_ACTIVITY = 18, OP_LAPSE = 19, OP_ACTIVATE = 20,
	OP_TIER_REVIEW = 30, OP_TIER_LOOK = 31, OP_INACTIVITY = 32, OP_HOLD_EXPIRE = 33, OP_ANNIVERSARY = 34, OP_FREEZE = 35, OP_UNFREEZE = 36,
	OP_CLOSE = 37, OP_RETURN = 38, OP_REVERSE_REDEEM = 39, OP_TRANSFER = 40, OP_MERGE = 41, OP_ADVANCE = 42,
	OP_ROTATE_KEY = 43, OP_APPROVE = 44, OP_APPROVER_KEY = 45, OP_VOUCHER_USE = 46, OP_VOUCHER_VOID = 47, OP_VOUCHER_EXPIRE = 48,
	OP_AUTO_REDEEM = 49, OP_STAMP_EXPIRE = 50, OP_POOL_JOIN = 53, OP_POOL_LEAVE = 54, OP_MEMBERSHIP_START = 55, OP_MEMBERSHIP_RENEW = 56,
	OP_MEMBERSHIP_CANCEL = 57, OP_MEMBERSHIP_END = 58, OP_OPENING = 51, OP_CONSENT = 52, OP_ERASE = 59, OP_NOTICE = 60, OP_RESTORE = 61,
	OP_COUNT = 64				/* above them all */
};
bool op_known(enum op op);			/* the numbers have gaps */
const char *op_str(enum op op);				/* "purchase", "hold_timeout", … */

struct entry_id { uint64_t seq; uint32_t index; };

/* A till; see terminal.h. */
struct terminal_name { char store[LEDGER_TERMINAL_MAX + 1], terminal[LEDGER_TERMINAL_MAX + 1]; };
struct seq_range { uint64_t first, last; };		/* numbers of a terminal's sequence, both included */

/* ---- keys ---- */

#define PUBLIC_KEY_LEN 32

/* Values of fealty.ledger.v1.KeyKind. */
enum key_kind { KEY_OF_NOTHING, KEY_OF_TRANSACTIONS, KEY_OF_CHECKPOINTS, KEY_KIND_COUNT };
const char *key_kind_str(enum key_kind kind);		/* "transaction", "checkpoint" */
enum key_kind key_kind_of(const char *word);		/* KEY_OF_NOTHING: none of them */

/* Why a key is replaced out of turn. */
enum key_recovery { RECOVERY_NONE, RECOVERY_LOST, RECOVERY_COMPROMISED, RECOVERY_COUNT };
const char *key_recovery_str(enum key_recovery recovery);	/* "lost", "compromised"; "" */
enum key_recovery key_recovery_of(const char *word);		/* RECOVERY_NONE: none of them */

/* ---- approvals ---- */

#define LEDGER_APPROVER "approver/"	/* how the principal of one begins */
#define LEDGER_PRINCIPAL_MAX 128
#define LEDGER_KEY_ID_LEN 8		/* of SHA-256 of the public key, the first bytes */

/* What approvals by a principal are checked with. */
struct approver {
	uint8_t public_key[PUBLIC_KEY_LEN];
	int32_t until;			/* its last day, in the zone of the approval's program; DAY_NEVER */
};

/* An adjust that waits for an approval, or waited. */
struct waiting_adjust {
	uint32_t program;
	uint64_t member;		/* it may have gone into another since */
	uint8_t transaction_hash[SHA256_BYTES];	/* of the bytes that hold it; zeros until they are final */
	bool approved;
	struct entry_id by;		/* the approve */
};

/* ---- a member's record ---- */

#define DAY_CLOCK (INT32_MAX - 1)	/* last day of lots that end with their member's inactivity clock */

/* Sorted by last_day (DAY_CLOCK, then DAY_NEVER, last), then by earning order; equal (last_day, class) are one; points > 0. */
struct lot {
	int32_t last_day;
	enum lot_class class;
	int64_t points;
};

struct hold {
	struct entry_id id;
	int64_t ends_at_us;		/* that instant excluded */
	int32_t day;			/* business date on which it was made */
	bool expire_at_once;		/* a lot, or its voucher, leaves it at its own midnight */
	char partner[LEDGER_ID_MAX + 1];	/* whose account captures go to; "": none's */
	struct terminal_name till;	/* that alone may capture it; terminal "": anyone */
	bool of_voucher;		/* it has no lots: it holds the one voucher that is HELD by it */
	bool part;			/* of a hold of this id that another member has */
	int64_t pooled;			/* from a pool: points that are not captured yet, others' parts included; else 0 */
	size_t n_owners;
	uint64_t *owners;		/* from a pool: whose lots it has, in spending order */
	size_t n_lots, cap_lots;
	struct lot *lots;		/* what is left, in consumption order; sum > 0, but of one from a pool */
};

/* What an entry adds to the metrics of a day. */
#define LEDGER_COUNTERS_MAX 8		/* of a program; a further version keeps them in their places */
struct metric_day {
	int32_t day;
	int64_t points_earned, spend, visits;
	int64_t counters[LEDGER_COUNTERS_MAX];
};

/* What is kept of it: days rise, rows of zeros are left out.  Counters, which few days have, stand by day and then by counter. */
struct day_row { int32_t day; int64_t points_earned, spend, visits; };
struct count_row { int32_t day; uint32_t counter; int64_t count; };

struct tier_state {
	char earned[LEDGER_ID_MAX + 1];		/* "": the lowest, never reached anything */
	int32_t since;				/* day it was reached; for the lowest, of enrolment */
	int32_t until;				/* last day; DAY_NEVER */
	char gift[LEDGER_ID_MAX + 1];		/* "": none */
	int32_t gift_until;			/* last day; DAY_NEVER: until removed */
	int32_t from;				/* validity is the days after it, through until */
	int32_t start;				/* since_tier_start is the days after it */
	bool grace;				/* until is the last day of grace */
};

/* What a member's rules remember, for caps, min_gap, earn_per_day and carried remainders.  Sorted by kind, id, per, at; none is empty. */
enum tally_kind {
	TALLY_NONE, TALLY_RULE, TALLY_GROUP, TALLY_EARNED, TALLY_GAP, TALLY_REMAINDER, TALLY_REDEEMED, TALLY_SENT, TALLY_RECEIVED,
	TALLY_REWARD, TALLY_STAMP_CAP,
	TALLY_YEAR_REFERRED = 11,
	TALLY_KIND_COUNT
};
enum period { PERIOD_TRANSACTION, PERIOD_DAY, PERIOD_MONTH, PERIOD_YEAR, PERIOD_LIFETIME, PERIOD_PROGRAM, PERIOD_COUNT };
struct tally {
	enum tally_kind kind;
	enum period per;		/* GAP, REMAINDER: LIFETIME */
	char id[LEDGER_ID_MAX + 1];	/* of the rule, group, reward or card of stamps; else "" */
	int64_t at;			/* first day of the period, 0 for LIFETIME and PROGRAM; GAP: the instant of the grant */
	int64_t points;			/* granted; REMAINDER: money */
	int64_t count;			/* events that granted; GAP: 1 */
};

/* One clock for all lots of the member under inactivity; on as soon as there was one, or named activity under a program that has it. */
struct inactivity_clock {
	bool on;
	int32_t last_day;
	uint32_t months, percent;		/* what restarts it and what it takes, as it was set */
};

/* A membership that a member has, or had; membership.c says how its days hang together. */
struct membership {
	char id[LEDGER_ID_MAX + 1];
	bool ended, cancelled;			/* cancelled: it ends with what is paid */
	int32_t trial;				/* first day of its trial; DAY_NONE: it never had one */
	int32_t anchor;				/* first day of the first period that is paid; DAY_NONE: none is */
	uint32_t periods;			/* paid, from the anchor on */
	int32_t next;				/* first day that is not paid, or the day on which the trial ends */
	int32_t ends;				/* at whose 00:00 benefits end, if it is not renewed */
	int32_t used;				/* newest day that is known to have used a benefit; DAY_NONE */
};

/* Points that wait, of one entry and under equal terms.  Sorted by due_day, from, version, activity, term, class. */
#define PENDING_TERM_BYTES (LEDGER_ID_MAX + 6)
struct pending {
	int32_t due_day;		/* on which they activate, at 00:00; with an activity: on which they are cancelled */
	struct entry_id from;		/* that earned them */
	uint32_t version;		/* of the program then */
	char activity[LEDGER_ID_MAX + 1];	/* that they wait for; "": for the day alone */
	char term[PENDING_TERM_BYTES];	/* whose expiry they get: "rule:<id>", "tier:<id>", "": the program's */
	enum lot_class class;		/* of the lot that they become: EARNED, REFERRAL */
	int64_t points;
};
struct pending_change { bool has_from; struct pending p; };	/* points are added, below zero taken; from absent: this entry */

/* The newest word on a purpose.  Sorted by purpose. */
struct consent {
	char purpose[LEDGER_ID_MAX + 1];
	bool given;
	int32_t day;			/* business date of it */
};

enum standing { STANDING_ACTIVE, STANDING_FROZEN, STANDING_CLOSED };

#define DAY_NONE INT32_MIN
#define INSTANT_NEVER INT64_MAX

/* Values of fealty.ledger.v1.VoucherState; from USED on they are over. */
enum voucher_state {
	VOUCHER_NONE, VOUCHER_ISSUED, VOUCHER_HELD, VOUCHER_USED, VOUCHER_EXPIRED, VOUCHER_REVOKED,
	VOUCHER_SETTLED,		/* used, and a return has made its value debt */
	VOUCHER_STATE_COUNT
};
const char *voucher_state_str(enum voucher_state s);	/* "issued", "held", … */

/* Values of fealty.ledger.v1.VoucherSource: what issued it. */
enum voucher_source {
	VOUCHER_BY_NOTHING, VOUCHER_BY_RULE, VOUCHER_BY_REWARD, VOUCHER_BY_BIRTHDAY, VOUCHER_BY_ANNIVERSARY, VOUCHER_BY_CARD, VOUCHER_BY_MILESTONE,
	VOUCHER_BY_AUTO_REDEEM, VOUCHER_SOURCE_COUNT
};
const char *voucher_source_str(enum voucher_source s);	/* "rule", "reward", … */

/* One voucher, single use.  Its name is "<seq>.<index>.<n>"; what a person types is a code that the daemon derives from it. */
struct voucher {
	struct entry_id from;		/* the entry that issued it */
	uint32_t n;			/* its place among those that the entry issued, from 0 */
	enum voucher_state state;
	enum voucher_source source;
	char id[LEDGER_ID_MAX + 1];	/* in the program's vouchers */
	char of[LEDGER_ID_MAX + 1];	/* the rule, reward or stamp card; "" */
	uint32_t at;			/* BY_MILESTONE: its number of stamps */
	int32_t last_day;		/* DAY_NEVER */
	struct entry_id by;		/* that changed it last: HELD: the hold */
};
/* Whole as it is after the entry, without by. */
struct voucher_change { bool has_from; struct voucher v; };	/* from absent: this entry issues it */

/* The card of one kind that the member is filling; a full one has become a voucher.  Sorted by id; none is empty. */
struct stamp_card {
	char id[LEDGER_ID_MAX + 1];	/* in the program's stamps */
	int64_t stamps;			/* on it; below zero: owed, and paid by the next ones */
	int32_t last_day;		/* of the card; DAY_NEVER: none, or nothing is on it */
	size_t n_fired;
	uint32_t fired[LEDGER_MILESTONES_MAX];	/* milestones whose voucher was issued for this card; beyond its size: for the next; rising */
};
/* Whole as it is after the entry; the numbers are a purchase's. */
struct stamp_change { struct stamp_card card; int64_t wanted, granted, dropped; };	/* dropped: of those granted, that a full card had no room for */

struct member {
	uint32_t program;
	uint64_t number;			/* from 1, in its program */
	bool provisional;			/* not enrolled: earns, is returned and read, nothing else */
	int32_t enrolled_day;			/* provisional: the day of its first entry */
	uint64_t referred_by;			/* a member, as it was at enrolment; 0: nobody */
	bool referral_done;			/* the reward for it was granted */
	int64_t available, pending, held, debt;	/* available = sum of lots, held = sum over holds; debt shown positive */
	int64_t advanced;			/* points lent that debt still has, at most debt */
	uint64_t merged_into;			/* 0, or the member that this one went into; it is closed then */
	int64_t points_earned, spend, visits;	/* lifetime */
	int64_t counters[LEDGER_COUNTERS_MAX];
	uint64_t purchases;			/* accepted, returned or not */
	struct tier_state tier;
	struct metric_day start_base;		/* lifetime sums of what is dated through tier.start; its day is not used */
	struct inactivity_clock clock;
	enum standing standing;
	bool has_anniversary;			/* the next is on: */
	int32_t anniversary;
	int32_t noticed, noticed_before;	/* days through which notices were shown: by now, and before the newest command */
	int32_t told_day, notice_day;		/* days through which they became entries, and at whose midnight the next one is due; 0: none */
	bool has_look;				/* a balance tier is reached that nobody has looked for: at the midnight of look_day */
	int32_t look_day;
	bool has_auto;				/* points are there that become a voucher by themselves: at the midnight of auto_day */
	int32_t auto_day;
	int32_t birthday_paid;			/* the newest birthday a grant was for; DAY_NONE */
	bool has_head;
	struct entry_id head;			/* its newest entry */
	int64_t due_at_us;			/* next instant at which something is due without a birthday; INSTANT_NEVER */
	uint32_t looked;			/* the newest version that it goes by; 0: the first */
	size_t n_lots, cap_lots, n_holds, cap_holds, n_days, cap_days, n_counts, cap_counts;
	struct lot *lots;
	struct hold *holds;			/* in order of their ids */
	struct day_row *days;
	struct count_row *counts;
	size_t n_tallies, cap_tallies, n_pendings, cap_pendings;
	struct tally *tallies;
	struct pending *pendings;		/* their sum is pending */
	size_t n_vouchers, cap_vouchers;
	struct voucher *vouchers;		/* in order of their names */
	size_t n_memberships, cap_memberships;
	struct membership *memberships;		/* by id */
	uint64_t pool;				/* the head of its pool, which may be itself; 0: none */
	size_t n_joined, cap_joined;
	uint64_t *joined;			/* of a head: the other members of its pool, in the order in which they joined */
	size_t n_cards, cap_cards;
	struct stamp_card *cards;
	size_t n_consents, cap_consents;
	struct consent *consents;
};

/**
 * member_encode(m, out): appends the record's bytes, the same for equal members (head and due_at_us included; program and number are the key).
 * member_decode(bytes, arena, ret_member): ST_CORRUPT, ST_NOMEM; program and number are left 0.
 */
void member_encode(const struct member *m, struct buf *out);
enum status member_decode(struct bytes bytes, struct arena *arena, struct member *ret_member) MUST_CHECK;

/* A deep copy into ${arena}. */
enum status member_copy(const struct member *from, struct arena *arena, struct member *ret_member) MUST_CHECK;

/* Holds that are over are kept under their id, so that capture and release answer for ever. */
enum hold_end { HOLD_END_TAKEN, HOLD_END_RELEASED, HOLD_END_TIMED_OUT, HOLD_END_REVOKED };	/* REVOKED: its voucher was */
struct closed_hold {
	uint32_t program;
	uint64_t member;
	enum hold_end end;
	struct terminal_name till;	/* as struct hold's */
};
void closed_hold_encode(const struct closed_hold *hold, struct buf *out);
enum status closed_hold_decode(struct bytes value, struct closed_hold *ret_hold) MUST_CHECK;	/* ST_CORRUPT */

/* ---- what later entries did to an entry ---- */

struct line_left { uint32_t qty; int64_t amount; };
struct activation { int32_t day, last_day; int64_t points; };	/* pending points that became a lot, and count from day */
struct owed { char rule[LEDGER_ID_MAX + 12]; int64_t points; };	/* rule: as in struct grant */

/* To a purchase returns and activations, to a redemption reversals. */
struct followup {
	struct entry_id entry;
	bool returned;				/* a return has named it: left and lines hold */
	int64_t left;				/* money that is not returned */
	size_t n_lines;
	const struct line_left *lines;		/* of the purchase's lines, in their order */
	int64_t clawed;				/* points really taken */
	int64_t fallen;				/* points_earned that fell: first those of the purchase's own day, then activations in their order */
	size_t n_activations, n_owed, n_stepped;
	const struct activation *activations;
	const struct owed *stepped;		/* points of the steps that remainders below zero gave back */
	const struct owed *owed;		/* points that its returns could not take yet */
	int64_t reversed;			/* points, of a redemption */
	int64_t lapsed;				/* of its pending points */
	int64_t referee_clawed, referrer_clawed;	/* of the rewards for a referral that it brought; referee: who made the purchase */
};

/* followup_encode() leaves out entry, which is the key.  followup_decode(): ST_CORRUPT, ST_NOMEM. */
void followup_encode(const struct followup *f, struct buf *out);
enum status followup_decode(struct bytes bytes, struct arena *arena, struct followup *ret) MUST_CHECK;

/* What a program's number stands for besides its versions. */
struct totals {
	uint64_t members;			/* enrolled or provisional, and the greatest number given */
	uint32_t versions;			/* published, and the newest version */
	int64_t account[ACCOUNT_COUNT];		/* MEMBER, PENDING, HELD, DEBT: sums over the members; all sum to zero */
	size_t n_tallies;
	struct tally tallies[LEDGER_PROGRAM_CAPS_MAX];	/* use of caps `per: program` and of stocks, in their order */
};
void totals_encode(const struct totals *t, struct buf *out);
enum status totals_decode(struct bytes bytes, struct totals *ret_totals) MUST_CHECK;

/* ---- commands ---- */

struct line {
	const char *sku, *category;		/* NULL: none */
	uint32_t qty;				/* at least 1 */
	bool has_amount;			/* always, but in a return */
	struct decimal amount;
};

struct birthday_date { int month, day; int32_t entered_day; };

/* A voucher as a command or an entry names it: by an id of the program's, or (id NULL) by the name of the one. */
struct voucher_ref {
	const char *id;
	struct entry_id from;
	uint32_t n;
};

struct opening_lot { struct decimal points; int32_t last_day; };	/* last_day DAY_NEVER: not given */
struct opening_counter { const char *id; int64_t count; };

/* A command that went through the codec: its syntax is right, its decimals are not yet at a scale. */
struct cmd {
	enum op op;				/* OP_PUBLISH … OP_BIRTHDAY, OP_CLOCK_ACCEPT */
	bool is_quote;				/* OP_PURCHASE: nothing will be written */
	const char *principal, *request_id, *store, *terminal;	/* NULL: not given */
	uint64_t terminal_seq;			/* 0: none */
	size_t n_refused;
	const struct seq_range *refused;	/* numbers of its terminal that were refused */
	bool has_occurred_at;
	int64_t occurred_at_us;
	uint8_t fingerprint[FINGERPRINT_BYTES];

	size_t n_segments;		/* of the member, from the vault; re-deciding: the recorded fact */
	const char *const *segments;

	/* Looked up by the caller; 0: what the command named was not found (decide refuses in its turn). */
	uint32_t program;			/* OP_PUBLISH: 0 is a new one */
	uint64_t member;			/* OP_ENROL, OP_OPENING: 0, or whoever holds the alias already; OP_PURCHASE, OP_ACTIVITY: 0 makes a provisional member */
	size_t n_merged;			/* enrol, opening, profile: who else holds one of the aliases, all of them provisional */
	uint64_t merged[LEDGER_TOUCHED_MAX];

	union {
		struct {
			const char *id;
			uint32_t version;	/* 0: not given */
			struct bytes definition, zone_data;
			const struct program *compiled;	/* of definition and zone_data */
		} publish;
		struct {
			struct decimal amount;
			size_t n_lines;
			const struct line *lines;
			const char *partner, *receipt_no;	/* NULL: none */
			bool has_paid_with_points;
			struct decimal paid_with_points;
		} purchase;
		struct {
			bool of_voucher, found;	/* as u.voucher; then without points */
			struct voucher_ref voucher;
			struct decimal points;
			bool has_ttl, has_order_amount;
			int64_t ttl_us;
			struct decimal order_amount;
			const char *partner;	/* NULL: none */
			const char *for_terminal;	/* NULL: not given */
			bool pool;
		} hold;
		struct {
			bool found;		/* the reference named exactly one entry of the member, and it made a hold */
			struct entry_id hold;
			bool has_points;
			struct decimal points;
		} capture;			/* release: without points */
		struct {
			const char *reward;	/* instead of points; NULL */
			struct decimal points;
			bool has_order_amount, round_down;
			struct decimal order_amount;
			const char *partner;	/* NULL: none */
			bool pool;
		} redeem;
		struct {
			struct decimal points;
			const char *reason;
			int32_t last_day;	/* DAY_NONE: not given */
			bool tier_points;
		} adjust;
		struct {
			const char *tier, *reason;	/* tier "": remove the gift */
			int32_t until;		/* DAY_NEVER: not given */
		} tier;
		struct { const char *reason; } standing;	/* freeze, unfreeze, close; NULL: not given */
		struct {
			size_t n_dates;		/* from the vault, oldest first */
			struct birthday_date dates[LEDGER_BIRTHDAYS_MAX];
			int32_t given;		/* re-deciding: the recorded fact; else DAY_NONE */
		} birthday;
		struct {
			const char *activity, *partner;
			bool has_amount, has_score;
			struct decimal amount;
			uint32_t qty;		/* 1 when not given */
			uint32_t score;
			bool names_purchase, found;	/* found: the reference named exactly one purchase of the member */
			struct entry_id purchase;
		} activity;
		struct {
			const struct entry *entry;	/* the purchase, or the redeem or capture, as it was stored; NULL: not found */
			struct entry_id id;		/* its */
			bool has_amount, has_points;
			struct decimal amount, points;	/* of a return; of a reversal */
			size_t n_lines;
			const struct line *lines;
		} past;				/* return, reverse_redeem */
		struct {
			uint64_t member;	/* transfer: who gets them; merge: who stays; pool_join: the head; 0: not found */
			struct decimal points;
		} other;
		struct { struct decimal points; } advance;
		struct { const char *membership; bool trial; } membership;	/* start; renew, cancel: without trial */
		struct {
			bool found;		/* the word is the id, the code or the name of a voucher that the member had */
			struct voucher_ref voucher;
			bool has_order_amount, offline;		/* voucher_use */
			struct decimal order_amount;
			const char *reason;	/* voucher_void */
		} voucher;
		struct { enum key_kind kind; struct bytes new_key; uint32_t overlap_days; enum key_recovery recovery; } rotate_key;
		struct {
			const struct entry *entry;	/* the entry that it names, as it was stored; NULL: not found */
			struct entry_id id;		/* its */
			struct bytes signature, key_id;
			bool verified;		/* the caller has found the signature to be by the key registered for the principal */
		} approve;
		struct { const char *principal; struct bytes public_key; int32_t until; } approver_key;	/* until DAY_NEVER: not given */
		struct { bool names_referrer, names_self; uint64_t referrer; } enrol;	/* referrer 0: not found; self: by one of its own aliases */
		struct {
			size_t n_lots, n_counters;
			const struct opening_lot *lots;
			const char *tier;	/* NULL: none */
			int32_t tier_until;	/* DAY_NEVER: not given */
			const struct opening_counter *counters;
		} opening;
		struct { const char *purpose; bool given; } consent;
	} u;
};

/* ---- entries ---- */

struct posting {
	enum account account;
	uint64_t member;		/* 0 for accounts of the program */
	int64_t points;
	int32_t last_day;		/* of the lot; DAY_NEVER, DAY_CLOCK */
	enum lot_class class;		/* LOT_NONE on DEBT and when no lot is meant */
	bool has_hold;			/* HELD: of this hold, and not of the one that the entry is about */
	struct entry_id hold;
	const char *partner;		/* on PARTNER_ISSUED and PARTNER_REDEEMED; else NULL */
};

struct grant {
	const char *rule;		/* rule id; "tier:<id>" and "membership:<id>" for their shares; "birthday" */
	int64_t wanted, granted;
	const char *cap;		/* what made granted differ: a period, a group's id or "earn_per_day"; NULL: nothing */
};

struct touched {
	uint64_t member;
	bool has_prev;
	struct entry_id prev;
	int64_t available, pending, held, debt;		/* after the entry */
	const char *tier;				/* effective tier after it; "" when the program has none */
	const char *tier_from, *tier_to;		/* the entry moved the member from the one to the other; NULL: it did not */
};

/* What a notice tells. */
enum notice_kind { NOTICE_EXPIRING, NOTICE_DOWNGRADE, NOTICE_VOUCHER, NOTICE_KIND_COUNT };
struct told {
	enum notice_kind kind;
	int64_t points;			/* that will end, or that are missing to keep the tier */
	int32_t last_day;		/* of the points, the tier or the voucher */
	const char *voucher;		/* NOTICE_VOUCHER: its id in the program's; else NULL */
	struct entry_id from;		/* and its name */
	uint32_t n;
};

struct entry_line { const char *sku, *category; uint32_t qty; int64_t amount; };

/* Facts of a member that the entry changes without being about it. */
struct side {
	uint64_t member;
	bool has_tier;
	struct tier_state tier;
	struct inactivity_clock clock;
	size_t n_tallies, n_pendings;
	const struct tally *tallies;
	size_t n_vouchers;
	struct voucher_change *vouchers;
	const struct pending_change *pendings;
};

struct moved_lot { int64_t points; int32_t last_day; };		/* last_day DAY_NEVER: absent */

/* Everything of a fealty.ledger.v1.Entry. */
struct entry {
	enum op op;
	const char *principal, *request_id, *store, *terminal;	/* NULL: absent */
	uint64_t terminal_seq;
	size_t n_refused;
	const struct seq_range *refused;		/* rising, below terminal_seq: numbers before it that were refused */
	uint32_t engine, program_version;
	bool has_occurred_at, has_due_at, has_at, has_fingerprint;
	int64_t occurred_at_us, due_at_us;
	int64_t at_us;					/* manual ledgers: the clock's instant; the caller of decide() sets it */
	int32_t business_date;				/* DAY_NONE: ledger-wide */
	uint64_t member;				/* 0: none */
	uint8_t fingerprint[FINGERPRINT_BYTES];

	uint32_t program;				/* Transaction.program; not part of the entry's bytes */

	union {
		struct { uint32_t format; const char *origin; struct bytes transaction_key, checkpoint_key; bool manual_clock; } genesis;
		struct { uint64_t lost_size; struct bytes lost_root; const char *reason; } restore;
		struct { const char *id; uint32_t version; struct bytes definition, zone_data; } publish;
		struct {
			int64_t amount, paid_with_points;
			bool has_paid_with_points;
			size_t n_lines;
			const struct entry_line *lines;
			const char *partner, *receipt_no;
		} purchase;
		struct {
			int64_t points, ttl_us, order_amount;
			bool has_order_amount, of_voucher, pool;	/* of_voucher: without points */
			struct voucher_ref voucher;
			const char *partner, *for_terminal;
		} hold;
		struct { struct entry_id hold; bool has_points; int64_t points; } capture;	/* release, hold_timeout: hold only */
		struct {
			int64_t points, order_amount;
			bool has_order_amount, round_down, pool;
			const char *partner, *reward;		/* reward: instead of points; NULL */
		} redeem;
		struct { int64_t points; const char *reason; int32_t last_day; bool tier_points; } adjust;	/* last_day DAY_NONE: absent */
		struct { const char *tier, *reason; int32_t until; } tier;			/* until DAY_NEVER: absent */
		struct {
			const char *activity, *partner;
			bool has_amount, has_score, has_purchase;
			int64_t amount;
			uint32_t qty, score;
			struct entry_id purchase;
		} activity;
		struct { struct bytes zone_data; } zone_data;
		struct { const char *reason; } standing;	/* freeze, unfreeze, close; NULL: absent */
		struct {
			struct entry_id entry;			/* the purchase, or the redeem or capture */
			bool has_amount, has_points;
			int64_t amount, points;
			size_t n_lines;
			const struct entry_line *lines;
		} past;
		struct { uint64_t member; int64_t points; } other;	/* transfer: to; merge: from, pool_join: head, without points */
		struct { int64_t points; } advance;
		struct { const char *membership; bool trial; } membership;	/* start; renew, cancel: without trial */
		struct {				/* from and n: which it was, also when it was asked for by its id */
			struct voucher_ref voucher;
			bool has_order_amount, offline;
			int64_t order_amount;
			const char *reason;
		} voucher;
		struct { enum key_kind kind; struct bytes new_key; uint32_t overlap_days; enum key_recovery recovery; } rotate_key;
		struct { struct entry_id command; struct bytes signature, key_id; } approve;
		struct { const char *principal; struct bytes public_key; int32_t until; } approver_key;	/* until DAY_NEVER: absent */
		struct { uint64_t referrer; } enrol;			/* 0: none */
		struct {
			size_t n_lots, n_counters;
			const struct moved_lot *lots;
			const char *tier;				/* NULL: none */
			int32_t tier_until;				/* DAY_NEVER: absent */
			const struct opening_counter *counters;
		} opening;
		struct { const char *purpose; bool given; } consent;
	} u;

	/* facts */
	size_t n_grants;
	const struct grant *grants;
	bool has_metrics;
	struct metric_day metrics;			/* day is business_date */
	bool has_tier;
	struct tier_state tier;				/* whole state after the entry, when it changed */
	bool has_hold;
	struct {
		bool has_id;
		struct entry_id id;
		int64_t ends_at_us, left;
		bool expire_at_once;			/* of a new one, as the next */
		const char *for_store, *for_terminal;	/* who alone may capture it; NULL: any store; anyone */
	} hold;
	struct inactivity_clock clock;			/* after the entry, when it is set or a posting names it; else not on */
	int32_t birthday;				/* DAY_NONE: no grant for a birthday */
	bool has_value;
	int64_t value;					/* money a redemption, or a voucher, is worth */
	bool enrolled, provisional;			/* provisional: it makes the member, who is not enrolled */
	bool has_referral;
	struct {
		uint64_t referrer;			/* 0: none is rewarded */
		int64_t referrer_points, referee_points;
		int32_t referrer_last_day, referee_last_day;	/* of the lots that they are, or become */
	} referral;
	size_t n_merged;
	const uint64_t *merged;				/* provisional members that go into this one */
	size_t n_tallies;
	size_t n_pendings;
	const struct pending_change *pendings;
	size_t n_vouchers;
	const struct voucher_change *vouchers;		/* those of touched[0]; what sides issue is numbered behind them */
	size_t n_stamps;
	const struct stamp_change *stamps;		/* rising by id */
	size_t n_segments;
	const char *const *segments;			/* those of the member's that the program's rules name */
	const struct tally *tallies;			/* what is added to the member's, PROGRAM: to the program's */
	uint64_t conditions;				/* purchase: bit i: rules[i] met every condition but those on amounts and lines */
	uint64_t stamp_conditions;			/* the same of cards[i] */
	const char *multiplied;				/* purchase: id of the tier held, when it multiplies; NULL */
	size_t n_multiplied_by, n_memberships;
	const char *const *multiplied_by;		/* purchase: ids of the memberships held that multiply, in the program's order */
	const struct membership *memberships;		/* those that change, whole as they are after the entry */
	bool has_refund;				/* membership_cancel */
	int64_t refund;					/* money */
	size_t n_used, n_falls, n_followups, n_sides;
	const struct tally *used;			/* purchase: use of its rules' caps before it, where there was any */
	const struct metric_day *falls;			/* return: added to the metrics of their days; zero or below, but for counters */
	const struct followup *followups;
	const struct side *sides;			/* of touched[1], … */
	size_t n_told;
	const struct told *told;			/* notice */
	bool waiting;					/* adjust: nothing moves until it is approved */
	bool conflict;					/* voucher_use: offline, of one that another till had: nothing changes */
	bool has_key_change;
	struct { struct bytes old_key; bool has_until; int64_t until_us; } key_change;	/* until_us: the old checkpoint key signs as well */

	size_t n_postings;
	const struct posting *postings;
	size_t n_touched;
	struct touched *touched;			/* evolve fills all but member (live) or compares (replay) */
};

/* ---- state, as decide and evolve see it ---- */

struct program;
struct key_history;

/**
 * Whoever applies entries implements this: in memory, over LMDB, for one member only.  Errors are machinery's and passed up.
 * Pointers stay valid until the caller's batch ends; member() and member_edit() of one member give the same record.
 */
struct ledger_state {
	void *ctx;
	struct arena *arena;		/* what evolve may allocate for records; lives as long as the batch */
	struct key_history *keys;	/* keys.h; NULL where nobody signs: then a rotation is a fault */

	/* *ret = NULL when there is none. */
	enum status (*member)(void *ctx, uint32_t program, uint64_t number, const struct member **ret);
	/* The version in force at an instant, or a version by its number; NULL when there is none. */
	const struct program *(*program_at)(void *ctx, uint32_t program, int64_t at_us);
	const struct program *(*program_version)(void *ctx, uint32_t program, uint32_t version);
	/* A program's number by its id, 0 when there is none; how many programs there are. */
	uint32_t (*program_number)(void *ctx, const char *id);
	uint32_t (*program_count)(void *ctx);
	/* ST_NOTFOUND when the id names no closed hold. */
	enum status (*closed_hold)(void *ctx, struct entry_id id, struct closed_hold *ret);
	enum status (*totals)(void *ctx, uint32_t program, const struct totals **ret);
	/* ST_NOTFOUND when nothing was done to the entry yet. */
	enum status (*followup)(void *ctx, struct entry_id id, const struct followup **ret);
	/* ST_NOTFOUND when the principal never had a key; when the id is of no adjust that waits or waited. */
	enum status (*approver)(void *ctx, const char *principal, struct approver *ret);
	enum status (*waiting)(void *ctx, struct entry_id id, struct waiting_adjust *ret);

	/* evolve only.  member_edit() makes a new, zeroed record when ${create}, and else gives NULL when there is none. */
	enum status (*member_edit)(void *ctx, uint32_t program, uint64_t number, bool create, struct member **ret);
	enum status (*close_hold)(void *ctx, struct entry_id id, const struct closed_hold *hold);
	enum status (*put_followup)(void *ctx, const struct followup *followup);	/* copies it */
	enum status (*put_approver)(void *ctx, const char *principal, const struct approver *approver);
	enum status (*put_waiting)(void *ctx, struct entry_id id, const struct waiting_adjust *waiting);
	enum status (*totals_edit)(void *ctx, uint32_t program, struct totals **ret);	/* made when new */
	/* A published version, in force from ${at_us} (committed_at). ST_INVALID: the definition does not compile. */
	enum status (*publish)(void *ctx, uint32_t program, uint32_t version, struct bytes definition, struct bytes zone_data, int64_t at_us);
};

#endif
