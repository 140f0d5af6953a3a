/* bench_figures.h: what fealty-bench measures: latencies in buckets, by operation, and what was not OK by its reason. */
#ifndef FEALTY_BENCH_FIGURES_H
#define FEALTY_BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#include "bench_mix.h"

#define REASONS_MAX 32u
#define REASON_BYTES 40u

/* Latency in microseconds: 64 buckets for each power of two, so a percentile is at most 1.6 % too high. */
#define SUB_BITS 6u
#define BUCKETS ((40u - SUB_BITS) << SUB_BITS)

/* All zero at first. */
struct histogram {
	uint64_t n, max_us, sum_us;
	uint64_t buckets[BUCKETS];
};
void histogram_note(struct histogram *h, uint64_t us);
void histogram_add(struct histogram *sum, const struct histogram *h);

/* ${part} from 0 to 1.  0 when there are none. */
uint64_t histogram_percentile_us(const struct histogram *h, double part);
double histogram_mean_us(const struct histogram *h);

/* All zero at first.  Beyond REASONS_MAX different ones the last row takes the rest; a text is cut to REASON_BYTES - 1. */
struct reasons {
	struct { char text[REASON_BYTES]; unsigned long n; } rows[REASONS_MAX];
	unsigned n_rows;
};
void reasons_note(struct reasons *r, const char *text, size_t len, unsigned long n);
unsigned long reasons_sum(const struct reasons *r);

/**
 * Of the measured period.  In an open loop what was due in it is told apart without a rest:
 * offered = the sum of commands[] + late + not_sent + unanswered.
 */
struct figures {
	unsigned long commands[BENCH_OP_COUNT];		/* answered in it */
	unsigned long offered, late, not_sent;		/* open loop: due; answered after it; never sent */
	unsigned long unanswered;			/* sent, and the connection ended before an answer, or none came */
	unsigned long lost;				/* connections */
	struct histogram latency[BENCH_OP_COUNT];	/* of frames, the late ones too */
	struct reasons errors, refusals;		/* refusals: true answers, such as that there are not enough points */
};
void figures_add(struct figures *sum, const struct figures *f);
unsigned long figures_commands(const struct figures *f);

#endif
