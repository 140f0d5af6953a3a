/**
 * bench_core.h: fealty-bench --core: what the pure core takes, without a daemon, a socket or a disk.
 *
 * Members with as many days of purchases behind them as the program looks back go on buying.  As in a daemon's batch, each command begins at
 * the member's stored bytes and ends with them; every step in between is timed by itself.
 */
#ifndef FEALTY_BENCH_CORE_H
#define FEALTY_BENCH_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "bench_options.h"

/* Half of all decisions must be as fast, under ten rules. */
#define CORE_DECIDE_LIMIT_NS 5000

enum core_step {
	CORE_QUOTE,		/* decide(), nothing kept */
	CORE_DECIDE,		/* decide() of a purchase */
	CORE_EVOLVE,		/* evolve() of it */
	CORE_PURCHASE,		/* both */
	CORE_RETURN,		/* decide() and evolve() of a return of a part of it */
	CORE_DECODE, CORE_CHECK, CORE_COPY, CORE_ENCODE,		/* of the member's record */
	CORE_STEP_COUNT
};

/* Nanoseconds of each time that a step was taken. */
struct core_series { uint32_t *ns; size_t n, cap; };

struct core_figures {
	const char *program;
	size_t rules, members;
	struct core_series step[CORE_STEP_COUNT];
	/* sums over the members, at the end */
	uint64_t record_bytes, lots, days, tallies, pendings;
};

/* Measures and prints.  The exit code: 0; 1: deciding takes longer than CORE_DECIDE_LIMIT_NS; 2: a program that cannot be used. */
int bench_core(const struct settings *settings);

/* Sorts the series.  Whether deciding is within its limit. */
bool core_report(struct core_figures *figures, bool json);

#endif
