/* bench_random.h: the random numbers of a load; each thread has its own. */
#ifndef FEALTY_BENCH_RANDOM_H
#define FEALTY_BENCH_RANDOM_H

#include <stdint.h>

struct bench_random { uint64_t state; };		/* not 0 */

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", ACM TOMS 42(4), 2016. */
static inline uint64_t
random_u64(struct bench_random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Below ${n}, which is at most 2^32: each as often, but for one part in 2^32 / n. */
static inline uint64_t
random_below(struct bench_random *r, uint64_t n)
{
	return (random_u64(r) >> 32) * n >> 32;
}

/* Above 0 and at most 1. */
static inline double
random_unit(struct bench_random *r)
{
	return (double)((random_u64(r) >> 11) + 1) * 0x1p-53;
}

#endif
