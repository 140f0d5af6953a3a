/**
 * bench_core.h: fealty-bench --core: what the pure core takes, without a daemon, a socket or a disk.
 *
 * Members with as many days of purchases behind them as the program looks back go on buying.  As in a daemon's batch, each command begins at
 * the member's stored bytes and ends with them; every step in between is timed by itself.  What the log takes on top of that is timed with
 * leaves as long as those of purchases.
 */
#ifndef FEALTY_BENCH_CORE_H
#define FEALTY_BENCH_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "bench_options.h"

#define CORE_LOG_LEAVES UINT64_C(10000000)
#define CORE_LEAF_BYTES 600		/* of a purchase, about */

/* Half of all decisions must be as fast, under ten rules. */
#define CORE_DECIDE_LIMIT_NS 5000

enum core_step {
	CORE_QUOTE,		/* decide(), nothing kept */
	CORE_DECIDE,		/* decide() of a purchase */
	CORE_EVOLVE,		/* evolve() of it */
	CORE_PURCHASE,		/* both */
	CORE_RETURN,		/* decide() and evolve() of a return of a part of it */
	CORE_DECODE, CORE_CHECK, CORE_COPY, CORE_ENCODE,		/* of the member's record */
	CORE_LEAF,		/* a leaf's hash, and putting it onto the tree */
	CORE_ROOT,
	CORE_CHECKPOINT,	/* root, text and signature */
	CORE_INCLUSION, CORE_CONSISTENCY,	/* a proof in a log of CORE_LOG_LEAVES, but for reading its tiles */
	CORE_STEP_COUNT
};

/* Nanoseconds of each time that a step was taken. */
struct core_series { uint32_t *ns; size_t n, cap; };

struct core_figures {
	const char *program;
	size_t rules, members;
	struct core_series step[CORE_STEP_COUNT];
	uint32_t clock_ns;		/* of reading the clock twice, which is taken off every time */
	/* sums over the members, at the end */
	uint64_t record_bytes, lots, days, tallies, pendings;
};

/* Measures and prints.  The exit code: 0; 1: deciding takes longer than CORE_DECIDE_LIMIT_NS; 2: a program that cannot be used. */
int bench_core(const struct settings *settings);

/* The clock that times are taken with, and one time more of ${step}. */
int64_t core_now_ns(void);
void core_note(struct core_figures *figures, enum core_step step, int64_t ns);

/* The steps from CORE_LEAF on.  Makes keys in a directory of its own under $TMPDIR, and removes it; ends the process when that fails. */
void bench_core_log(struct core_figures *figures);

/* Sorts the series.  Whether deciding is within its limit. */
bool core_report(struct core_figures *figures, bool json);

#endif
