/**
 * metrics.h: what the service counts, at the places where it happens.  Each part has one thread that writes it, named here; see
 * base/counter.h.
 */
#ifndef FEALTY_SERVICE_METRICS_H
#define FEALTY_SERVICE_METRICS_H

#include "base/counter.h"
#include "codec/codec.h"
#include "service/figures.h"

/* Commands that were answered. */
struct command_counts {
	struct counter n[REQUEST_OP_COUNT][LEDGER_RESULT_COUNT];
};
static inline void
command_count(struct command_counts *counts, enum request_op op, enum ledger_result result)
{
	counter_add(&counts->n[op][result], 1);
}

enum histogram_kind { HISTOGRAM_US, HISTOGRAM_SIZE };		/* 100 us to 10 s; 1 to 4096 */
struct histogram {
	struct counter counts[FIGURE_BOUNDS_MAX + 1], sum;
};
void histogram_add(struct histogram *h, enum histogram_kind kind, uint64_t value);
void histogram_read(const struct histogram *h, enum histogram_kind kind, struct figure_histogram *ret);

struct metrics {
	/* the commit thread's; each loop has command_counts of its own */
	struct command_counts commands;
	struct counter terminal_gaps, terminal_repeats;
	struct counter replays, commits, commits_undone, system_entries, entries[OP_COUNT];
	struct histogram commit_transactions, steps[FIGURE_STEP_COUNT], answer;
	/* written by service_open() */
	enum figure_state start_state;
	uint64_t start_us, start_replayed;
};

#endif
