/**
 * guard.h: a damaged page of an LMDB file shows as SIGSEGV, SIGBUS or SIGABRT of whoever reads it, since LMDB has no checksums.  Between
 * guard_begin() and guard_end() such a signal ends the process with exit code 1 and a sentence that says near what.  One user at a time in
 * a process.
 */
#ifndef FEALTY_TOOLS_GUARD_H
#define FEALTY_TOOLS_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum guard_place { GUARD_LEDGER, GUARD_STATE, GUARD_FILE };

/* In JSON one object on standard output; else a line on standard error. */
void guard_begin(bool json);
/* What is being read: the ledger at a seq, the state, or a file that is being opened. */
void guard_at(enum guard_place place, uint64_t seq);
void guard_end(void);

#endif
