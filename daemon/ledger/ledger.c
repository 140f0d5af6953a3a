/* Names only.  They are part of the wire, of the command line and of stored texts: a name never changes. */
#include "ledger/ledger.h"

#include <assert.h>
#include <string.h>

#include "ledger/decide.h"

#define NAME(table, i) name_of(table, sizeof(table) / sizeof((table)[0]), (size_t)(i))

static const char *
name_of(const char *const *table, size_t n, size_t i)
{
	assert(i < n && table[i] != NULL);
	return table[i];
}

const char *
ledger_result_str(enum ledger_result r)
{
	static const char *const names[LEDGER_RESULT_COUNT] = {
		[LEDGER_OK] = "OK",
		[LEDGER_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
		[LEDGER_POINTS_NOT_POSITIVE] = "POINTS_NOT_POSITIVE",
		[LEDGER_SELF_REFERRAL] = "SELF_REFERRAL",
		[LEDGER_PERMISSION_DENIED] = "PERMISSION_DENIED",
		[LEDGER_REQUEST_ID_REUSED] = "REQUEST_ID_REUSED",
		[LEDGER_RECEIPT_REUSED] = "RECEIPT_REUSED",
		[LEDGER_TOO_LARGE] = "TOO_LARGE",
		[LEDGER_CLOCK_SKEW] = "CLOCK_SKEW",
		[LEDGER_EVENT_TOO_OLD] = "EVENT_TOO_OLD",
		[LEDGER_NOT_FOUND] = "NOT_FOUND",
		[LEDGER_ALREADY_EXISTS] = "ALREADY_EXISTS",
		[LEDGER_NOT_OFFERED] = "NOT_OFFERED",
		[LEDGER_MEMBER_CLOSED] = "MEMBER_CLOSED",
		[LEDGER_MEMBER_FROZEN] = "MEMBER_FROZEN",
		[LEDGER_MEMBER_PROVISIONAL] = "MEMBER_PROVISIONAL",
		[LEDGER_HOLD_EXPIRED] = "HOLD_EXPIRED",
		[LEDGER_HOLD_NOT_OPEN] = "HOLD_NOT_OPEN",
		[LEDGER_ALREADY_REVERSED] = "ALREADY_REVERSED",
		[LEDGER_ALREADY_USED] = "ALREADY_USED",
		[LEDGER_VOUCHER_EXPIRED] = "VOUCHER_EXPIRED",
		[LEDGER_MEMBERSHIP_ENDED] = "MEMBERSHIP_ENDED",
		[LEDGER_BELOW_MINIMUM] = "BELOW_MINIMUM",
		[LEDGER_NOT_A_STEP] = "NOT_A_STEP",
		[LEDGER_OVER_ORDER_TOTAL] = "OVER_ORDER_TOTAL",
		[LEDGER_MEMBER_TOO_NEW] = "MEMBER_TOO_NEW",
		[LEDGER_NOT_ELIGIBLE] = "NOT_ELIGIBLE",
		[LEDGER_CAP_REACHED] = "CAP_REACHED",
		[LEDGER_OUT_OF_STOCK] = "OUT_OF_STOCK",
		[LEDGER_INSUFFICIENT_POINTS] = "INSUFFICIENT_POINTS",
		[LEDGER_HOLD_TOO_SMALL] = "HOLD_TOO_SMALL",
		[LEDGER_RETURN_EXCEEDS_PURCHASE] = "RETURN_EXCEEDS_PURCHASE",
		[LEDGER_UNAVAILABLE] = "UNAVAILABLE",
		[LEDGER_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
		[LEDGER_RATE_LIMITED] = "RATE_LIMITED",
		[LEDGER_RECORD_DAMAGED] = "RECORD_DAMAGED",
	};

	return NAME(names, r);
}

const char *
account_str(enum account a)
{
	static const char *const names[ACCOUNT_COUNT] = {
		[ACCOUNT_NONE] = "none",
		[ACCOUNT_MEMBER] = "member",
		[ACCOUNT_PENDING] = "pending",
		[ACCOUNT_HELD] = "held",
		[ACCOUNT_DEBT] = "debt",
		[ACCOUNT_ISSUED] = "issued",
		[ACCOUNT_REDEEMED] = "redeemed",
		[ACCOUNT_EXPIRED] = "expired",
		[ACCOUNT_ADJUSTED] = "adjusted",
		[ACCOUNT_TRANSFERRED] = "transferred",
		[ACCOUNT_CLAWED] = "clawed",
		[ACCOUNT_REINSTATED] = "reinstated",
		[ACCOUNT_ADVANCED] = "advanced",
		[ACCOUNT_OPENING] = "opening",
		[ACCOUNT_PARTNER_ISSUED] = "partner_issued",
		[ACCOUNT_PARTNER_REDEEMED] = "partner_redeemed",
	};

	return NAME(names, a);
}

const char *
lot_class_str(enum lot_class c)
{
	static const char *const names[LOT_CLASS_COUNT] = {
		[LOT_NONE] = "none",
		[LOT_EARNED] = "earned",
		[LOT_BIRTHDAY] = "birthday",
		[LOT_ADJUSTMENT] = "adjustment",
		[LOT_ANNIVERSARY] = "anniversary",
		[LOT_LENT] = "lent",
		[LOT_REFERRAL] = "referral",
		[LOT_MOVED_IN] = "moved_in",
	};

	return NAME(names, c);
}

static const char *
op_name(enum op op)
{
	static const char *const names[OP_COUNT] = {
		[OP_NONE] = "none",
		[OP_GENESIS] = "genesis",
		[OP_PUBLISH] = "publish",
		[OP_ENROL] = "enrol",
		[OP_PROFILE] = "profile",
		[OP_PURCHASE] = "purchase",
		[OP_HOLD] = "hold",
		[OP_CAPTURE] = "capture",
		[OP_RELEASE] = "release",
		[OP_REDEEM] = "redeem",
		[OP_ADJUST] = "adjust",
		[OP_TIER] = "tier",
		[OP_BIRTHDAY] = "birthday",
		[OP_HOLD_TIMEOUT] = "hold_timeout",
		[OP_TIER_END] = "tier_end",
		[OP_EXPIRE] = "expire",
		[OP_CLOCK_ACCEPT] = "clock_accept",
		[OP_ZONE_DATA] = "zone_data",
		[OP_ACTIVITY] = "activity",
		[OP_LAPSE] = "lapse",
		[OP_ACTIVATE] = "activate",
		[OP_TIER_REVIEW] = "tier_review",
		[OP_TIER_LOOK] = "tier_look",
		[OP_INACTIVITY] = "inactivity",
		[OP_HOLD_EXPIRE] = "hold_expire",
		[OP_ANNIVERSARY] = "anniversary",
		[OP_FREEZE] = "freeze",
		[OP_UNFREEZE] = "unfreeze",
		[OP_CLOSE] = "close",
		[OP_RETURN] = "return",
		[OP_REVERSE_REDEEM] = "reverse_redeem",
		[OP_TRANSFER] = "transfer",
		[OP_MERGE] = "merge",
		[OP_ADVANCE] = "advance",
		[OP_ROTATE_KEY] = "rotate_key",
		[OP_APPROVE] = "approve",
		[OP_APPROVER_KEY] = "approver_key",
		[OP_VOUCHER_USE] = "voucher_use",
		[OP_VOUCHER_VOID] = "voucher_void",
		[OP_VOUCHER_EXPIRE] = "voucher_expire",
		[OP_POOL_JOIN] = "pool_join",
		[OP_POOL_LEAVE] = "pool_leave",
		[OP_MEMBERSHIP_START] = "membership_start",
		[OP_MEMBERSHIP_RENEW] = "membership_renew",
		[OP_MEMBERSHIP_CANCEL] = "membership_cancel",
		[OP_MEMBERSHIP_END] = "membership_end",
		[OP_NOTICE] = "notice",
		[OP_AUTO_REDEEM] = "auto_redeem",
		[OP_STAMP_EXPIRE] = "stamp_expire",
		[OP_OPENING] = "opening",
		[OP_CONSENT] = "consent",
		[OP_ERASE] = "erase",
		[OP_RESTORE] = "restore",
	};

	return op < OP_COUNT ? names[op] : NULL;
}

bool
op_known(enum op op)
{
	return op != OP_NONE && op_name(op) != NULL;
}

const char *
op_str(enum op op)
{
	const char *name = op_name(op);

	assert(name != NULL);
	return name;
}

const char *
voucher_state_str(enum voucher_state s)
{
	static const char *const names[VOUCHER_STATE_COUNT] = {
		[VOUCHER_NONE] = "none",
		[VOUCHER_ISSUED] = "issued",
		[VOUCHER_HELD] = "held",
		[VOUCHER_USED] = "used",
		[VOUCHER_EXPIRED] = "expired",
		[VOUCHER_REVOKED] = "revoked",
		[VOUCHER_SETTLED] = "settled",
	};

	return NAME(names, s);
}

const char *
voucher_source_str(enum voucher_source s)
{
	static const char *const names[VOUCHER_SOURCE_COUNT] = {
		[VOUCHER_BY_NOTHING] = "none",
		[VOUCHER_BY_RULE] = "rule",
		[VOUCHER_BY_REWARD] = "reward",
		[VOUCHER_BY_BIRTHDAY] = "birthday",
		[VOUCHER_BY_ANNIVERSARY] = "anniversary",
		[VOUCHER_BY_CARD] = "card",
		[VOUCHER_BY_MILESTONE] = "milestone",
		[VOUCHER_BY_AUTO_REDEEM] = "auto_redeem",
	};

	return NAME(names, s);
}

const char *
key_kind_str(enum key_kind kind)
{
	static const char *const names[KEY_KIND_COUNT] = {
		[KEY_OF_NOTHING] = "none",
		[KEY_OF_TRANSACTIONS] = "transaction",
		[KEY_OF_CHECKPOINTS] = "checkpoint",
	};

	return NAME(names, kind);
}

enum key_kind
key_kind_of(const char *word)
{
	for (enum key_kind kind = KEY_OF_TRANSACTIONS; kind < KEY_KIND_COUNT; kind++)
		if (strcmp(word, key_kind_str(kind)) == 0)
			return kind;
	return KEY_OF_NOTHING;
}

const char *
key_recovery_str(enum key_recovery recovery)
{
	static const char *const names[RECOVERY_COUNT] = {
		[RECOVERY_NONE] = "",
		[RECOVERY_LOST] = "lost",
		[RECOVERY_COMPROMISED] = "compromised",
	};

	return NAME(names, recovery);
}

enum key_recovery
key_recovery_of(const char *word)
{
	for (enum key_recovery recovery = RECOVERY_LOST; recovery < RECOVERY_COUNT; recovery++)
		if (strcmp(word, key_recovery_str(recovery)) == 0)
			return recovery;
	return RECOVERY_NONE;
}

const char *
membership_state_str(enum membership_state state)
{
	static const char *const names[] = {
		[MEMBERSHIP_IS_TRIAL] = "trial",
		[MEMBERSHIP_IS_ACTIVE] = "active",
		[MEMBERSHIP_IS_GRACE] = "grace",
		[MEMBERSHIP_IS_ENDED] = "ended",
	};

	return NAME(names, state);
}

const char *
evolve_fault_str(enum evolve_fault f)
{
	static const char *const names[] = {
		[EVOLVE_OK] = "nothing is wrong",
		[EVOLVE_UNBALANCED] = "its postings do not sum to zero, or overflow",
		[EVOLVE_NEGATIVE] = "it leaves a balance or a lot below zero, or debt above zero",
		[EVOLVE_NO_LOT] = "it takes points from a lot or a hold that is not there",
		[EVOLVE_VOUCHER] = "it changes a voucher that is not there, or not in a state that can become the new one",
		[EVOLVE_NO_MEMBER] = "it names a member that is not there, is enrolled already, or is not in its list of members touched",
		[EVOLVE_NO_PROGRAM] = "it names a program or a version that is not there",
		[EVOLVE_PREV_DIFFERS] = "its link to the member's previous entry is wrong",
		[EVOLVE_AFTER_DIFFERS] = "the balance it records is not the balance it brings about",
		[EVOLVE_APPROVAL] = "it approves what does not wait for it, or not by the key that its principal had then",
		[EVOLVE_KEYS] = "it replaces a key that is not the ledger's at that place, or by one that it had already",
		[EVOLVE_MALFORMED] = "fields that its operation needs are missing or out of range",
	};

	return NAME(names, f);
}
