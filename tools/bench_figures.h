/* bench_figures.h: what fealty-bench measures: latencies in buckets, and what was not OK by its reason. */
#ifndef FEALTY_BENCH_FIGURES_H
#define FEALTY_BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#define REASONS_MAX 32u
#define REASON_BYTES 40u

/* Latency in microseconds: 64 buckets for each power of two, so a percentile is at most 1.6 % too high. */
#define SUB_BITS 6u
#define BUCKETS ((40u - SUB_BITS) << SUB_BITS)

struct reason { char text[REASON_BYTES]; unsigned long n; };

/* All zero at first. */
struct figures {
	unsigned long commands, frames, lost;
	uint64_t max_us;
	uint64_t buckets[BUCKETS];
	struct reason reasons[REASONS_MAX];
	unsigned n_reasons;
};

/* One frame with ${commands} was answered after ${us}. */
void figures_answer(struct figures *f, unsigned commands, uint64_t us);

/* ${n} answers were not OK.  Beyond REASONS_MAX different ones the last row takes the rest; a text is cut to REASON_BYTES - 1. */
void figures_reason(struct figures *f, const char *text, size_t len, unsigned long n);

void figures_add(struct figures *sum, const struct figures *f);

/* Of the frames; ${part} from 0 to 1.  0 when there were none. */
uint64_t figures_percentile_us(const struct figures *f, double part);

#endif
