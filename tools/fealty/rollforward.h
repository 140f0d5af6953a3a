/**
 * rollforward.h: what `fealty rollforward` is made of.  From one checkpoint of a ledger to a later one: what each program owed its members, what
 * changed it, account by account, and what it owes them then.
 */
#ifndef FEALTY_TOOLS_ROLLFORWARD_H
#define FEALTY_TOOLS_ROLLFORWARD_H

#include "audit.h"
#include "merkle/proof.h"

#define ROLLFORWARD_PROGRAMS_MAX 1024
#define ROLLFORWARD_EXTRA_MAX 3		/* of --from, of --to, and the newest that a daemon shows */

/* An end of it: a checkpoint, or the beginning of the ledger. */
struct rollforward_point {
	const char *option;		/* "--from" */
	const char *path;		/* of the checkpoint; NULL: it was not given as a file */
	bool given, is_day;
	int32_t day;			/* what was committed before its local midnight */
	uint64_t size;			/* once it is known; 0: the empty ledger */
	bool reached;			/* in the replay: */
	struct log_head head;
	int64_t committed_at_us;	/* of its last transaction */
	int64_t missed_at_us;		/* of the next, when that is before the day too: no checkpoint was between; or 0 */
	size_t n_programs;
	int64_t (*account)[ACCOUNT_COUNT];	/* [ROLLFORWARD_PROGRAMS_MAX], zeros behind n_programs */
};

/* Checkpoints that a pass came by: when their last transaction was committed, and the one behind it, or 0 when there was none yet. */
struct rollforward_seen { uint64_t size; int64_t committed_at_us, next_at_us; };

struct rollforward {
	bool json, csv;
	const char *program;		/* id; NULL: all */
	const char *place;
	struct rollforward_point from, to;
	size_t n_extra;			/* checkpoints that do not come with the ledger, by rising size */
	struct log_head *extra;		/* [ROLLFORWARD_EXTRA_MAX] */
	size_t n_seen, cap_seen;
	struct rollforward_seen *seen;
	uint64_t newest;		/* size of the newest checkpoint */
};

enum status rollforward_seen_add(struct rollforward *r, uint64_t size, int64_t committed_at_us) MUST_CHECK;

/* ---- rollforward_days.c ---- */

struct rollforward_days;

/**
 * A pass over the hashes of a ledger that looks for the checkpoints of two days; ${r} is borrowed.  _begin() sets the hooks of ${audit}.
 * _end(): sets the sizes of the points that are days; EXIT_DONE, or it was told why not.  _free() accepts NULL.
 */
enum status rollforward_days_new(struct rollforward *r, struct audit *audit, struct rollforward_days **ret_days) MUST_CHECK;
enum exit_code rollforward_days_end(struct rollforward_days *days) MUST_CHECK;
void rollforward_days_free(struct rollforward_days *days);

/* ---- rollforward_report.c ---- */

/* ST_INVALID: there is no such program. */
enum exit_code rollforward_report(const struct rollforward *r, const struct audit *audit, const struct audit_books *books,
    const struct proof *proof);

#endif
