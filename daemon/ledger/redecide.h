/**
 * redecide.h: from a stored entry back to what decided it, so that an audit can decide it again.  Pure.
 *
 * An entry holds its command at scale, and as facts what the daemon looked up elsewhere: that an alias was free, that a birthday was due, a
 * member's segments, which entry a reference named.  Those are taken as given; everything else of the entry must come out again.  When a date of birth
 * was entered is in no entry, and the day on which a birthday's voucher comes depends on it: any of its window is let pass.
 */
#ifndef FEALTY_LEDGER_REDECIDE_H
#define FEALTY_LEDGER_REDECIDE_H

#include "ledger/decide.h"

/* What an entry does not hold and its ledger does; the caller finds it. */
struct redecide_given {
	bool looked;				/* for the earlier entry that this one names; false: nobody can */
	const struct entry *past;		/* found: of that member, and of a kind that may be named (entry_names()); NULL */
	const struct program *published;	/* OP_PUBLISH: the entry's definition, compiled; NULL: it does not compile */
};

enum redecide_result {
	REDECIDE_EQUAL,
	REDECIDE_DIFFERS,
	REDECIDE_OTHER_ENGINE,		/* decided by rules that this program does not have */
	REDECIDE_NOT_DECIDED,		/* nothing decided it: a genesis, a zone's data, a program that does not compile; or it cannot be looked up */
};

/* The first field that differs, in the order of ledger.proto and by its names, as in "facts.grants[1].granted". */
struct redecide_difference {
	char field[64];
	char sentence[280];		/* "facts.grants[1].granted is stored as 12, and decided as 10" */
};

/**
 * entry_names(entry, ret_id): whether an entry names an earlier one, which its decision asks for: a return, a reversal, an activity, an
 * approval.
 * entry_may_name(state, entry, past, ret): whether that one is of a kind that it may name, and of its member or one that was merged into it.
 */
bool entry_names(const struct entry *entry, struct entry_id *ret_id) MUST_CHECK;
enum status entry_may_name(const struct ledger_state *state, const struct entry *entry, const struct entry *past, bool *ret) MUST_CHECK;

/**
 * entry_command(state, entry, given, arena, ret_cmd): the command of an entry that was asked for; borrows from ${entry} and ${given}.
 * entry_due(entry, ret_due): what was due, of an entry of `system`.
 * Both ST_NOTFOUND when the entry is not of that kind, nothing decided it, or ${given} lacks what it needs; ST_NOMEM.
 */
enum status entry_command(const struct ledger_state *state, const struct entry *entry, const struct redecide_given *given, struct arena *arena,
    struct cmd *ret_cmd) MUST_CHECK;
enum status entry_due(const struct entry *entry, struct due *ret_due) MUST_CHECK;

/**
 * redecide(state, entry, given, now_us, arena, ret_result, ret_difference):
 * Decides ${entry} once more on the state before it.  ${now_us}: the instant by which commands were decided: the entry's `at` on a manual
 * ledger, else committed_at.  Not compared: touched[].prev and balances after, which evolve() compares, the fingerprint, whose key no ledger
 * holds, and `at`.  What was due for the member and was not done before, or is done too early, differs as well: birthdays apart, which the
 * vault knows.  *${ret_difference} is written when the result is REDECIDE_DIFFERS.  Errors: ST_NOMEM, and those of ${state}.
 */
enum status redecide(const struct ledger_state *state, const struct entry *entry, const struct redecide_given *given, int64_t now_us,
    struct arena *arena, enum redecide_result *ret_result, struct redecide_difference *ret_difference) MUST_CHECK;

#endif
