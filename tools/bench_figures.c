/*
 * A bucket's number is the position of the highest bit and the six bits behind it, so that neighbours differ by 1/64 whatever the size.
 */
#include "bench_figures.h"

#include <string.h>

static unsigned
bucket_of(uint64_t us)
{
	if (us < 1u << SUB_BITS)
		return (unsigned)us;
	unsigned shift = 63u - (unsigned)__builtin_clzll(us) - SUB_BITS;
	unsigned at = ((shift + 1) << SUB_BITS) + (unsigned)(us >> shift) - (1u << SUB_BITS);
	return at < BUCKETS ? at : BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t
bucket_us(unsigned at)
{
	if (at < 1u << SUB_BITS)
		return at;
	unsigned shift = (at >> SUB_BITS) - 1;
	return (((uint64_t)(at & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS) + 1) << shift) - 1;
}

uint64_t
figures_percentile_us(const struct figures *f, double part)
{
	uint64_t seen = 0, want = (uint64_t)((double)f->frames * part + 0.5);

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += f->buckets[i];
		if (seen >= want && seen > 0)
			return bucket_us(i) < f->max_us ? bucket_us(i) : f->max_us;
	}
	return f->max_us;
}

void
figures_reason(struct figures *f, const char *text, size_t len, unsigned long n)
{
	unsigned i;

	if (len >= REASON_BYTES)
		len = REASON_BYTES - 1;
	for (i = 0; i < f->n_reasons; i++)
		if (strlen(f->reasons[i].text) == len && memcmp(f->reasons[i].text, text, len) == 0)
			break;
	if (i == REASONS_MAX)
		i--;				/* the last row takes what has no row of its own */
	if (i == f->n_reasons) {
		memcpy(f->reasons[i].text, text, len);
		f->n_reasons++;
	}
	f->reasons[i].n += n;
}

void
figures_add(struct figures *sum, const struct figures *f)
{
	sum->commands += f->commands;
	sum->frames += f->frames;
	sum->lost += f->lost;
	if (f->max_us > sum->max_us)
		sum->max_us = f->max_us;
	for (unsigned i = 0; i < BUCKETS; i++)
		sum->buckets[i] += f->buckets[i];
	for (unsigned i = 0; i < f->n_reasons; i++)
		figures_reason(sum, f->reasons[i].text, strlen(f->reasons[i].text), f->reasons[i].n);
}

void
figures_answer(struct figures *f, unsigned commands, uint64_t us)
{
	f->frames++;
	f->commands += commands;
	f->buckets[bucket_of(us)]++;
	if (us > f->max_us)
		f->max_us = us;
}
