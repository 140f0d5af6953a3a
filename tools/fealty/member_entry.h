/* member_entry.h: of a transaction what is one person's. */
#ifndef FEALTY_TOOLS_MEMBER_ENTRY_H
#define FEALTY_TOOLS_MEMBER_ENTRY_H

#include "cli.h"

/* The numbers that are one person: theirs, and those of members that went into them. */
#define MEMBER_SET_MAX 65
struct member_set { size_t n; uint64_t members[MEMBER_SET_MAX]; };
void member_set_add(struct member_set *set, uint64_t member);

/**
 * Appends the entries of ${transaction} (JSON of ledger.proto) that touch the person to ${list}, with `id` and `committed_at`.  Of one that touches
 * others too there is when, what and by whom it was done, and the person's own postings and balances; its inputs and facts, which may tell of the
 * others, are left out.  Returns whether anything in the transaction is somebody else's.
 */
bool member_entries_add(json_t *list, const json_t *transaction, const struct member_set *own);

#endif
