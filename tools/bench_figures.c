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

void
histogram_note(struct histogram *h, uint64_t us)
{
	h->n++;
	h->sum_us += us;
	h->buckets[bucket_of(us)]++;
	if (us > h->max_us)
		h->max_us = us;
}

void
histogram_add(struct histogram *sum, const struct histogram *h)
{
	sum->n += h->n;
	sum->sum_us += h->sum_us;
	if (h->max_us > sum->max_us)
		sum->max_us = h->max_us;
	for (unsigned i = 0; i < BUCKETS; i++)
		sum->buckets[i] += h->buckets[i];
}

uint64_t
histogram_percentile_us(const struct histogram *h, double part)
{
	uint64_t seen = 0, want = (uint64_t)((double)h->n * part + 0.5);

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= want && seen > 0)
			return i < BUCKETS - 1 && bucket_us(i) < h->max_us ? bucket_us(i) : h->max_us;
	}
	return h->max_us;
}

double
histogram_mean_us(const struct histogram *h)
{
	return h->n > 0 ? (double)h->sum_us / (double)h->n : 0;
}

void
reasons_note(struct reasons *r, const char *text, size_t len, unsigned long n)
{
	unsigned i;

	if (len >= REASON_BYTES)
		len = REASON_BYTES - 1;
	for (i = 0; i < r->n_rows; i++)
		if (strlen(r->rows[i].text) == len && memcmp(r->rows[i].text, text, len) == 0)
			break;
	if (i == REASONS_MAX)
		i--;				/* the last row takes what has no row of its own */
	if (i == r->n_rows) {
		memcpy(r->rows[i].text, text, len);
		r->n_rows++;
	}
	r->rows[i].n += n;
}

unsigned long
reasons_sum(const struct reasons *r)
{
	unsigned long n = 0;

	for (unsigned i = 0; i < r->n_rows; i++)
		n += r->rows[i].n;
	return n;
}

static void
reasons_add(struct reasons *sum, const struct reasons *r)
{
	for (unsigned i = 0; i < r->n_rows; i++)
		reasons_note(sum, r->rows[i].text, strlen(r->rows[i].text), r->rows[i].n);
}

void
figures_add(struct figures *sum, const struct figures *f)
{
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++) {
		sum->commands[op] += f->commands[op];
		histogram_add(&sum->latency[op], &f->latency[op]);
	}
	sum->offered += f->offered;
	sum->late += f->late;
	sum->not_sent += f->not_sent;
	sum->unanswered += f->unanswered;
	sum->lost += f->lost;
	reasons_add(&sum->errors, &f->errors);
	reasons_add(&sum->refusals, &f->refusals);
}

unsigned long
figures_commands(const struct figures *f)
{
	unsigned long n = 0;

	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++)
		n += f->commands[op];
	return n;
}
