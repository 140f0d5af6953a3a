/* dice.h: the one source of chance in a simulation: splitmix64, so that a seed says everything. */
#ifndef FEALTY_TESTS_SIMULATION_DICE_H
#define FEALTY_TESTS_SIMULATION_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice { uint64_t state; };

static inline uint64_t
dice_next(struct dice *d)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to ${n} - 1; ${n} is above 0. */
static inline uint32_t
dice_below(struct dice *d, uint32_t n)
{
	return (uint32_t)((dice_next(d) >> 32) * n >> 32);
}

static inline int64_t
dice_between(struct dice *d, int64_t least, int64_t most)
{
	return least + (int64_t)(dice_next(d) % (uint64_t)(most - least + 1));
}

/* True once in ${n} times. */
static inline bool
dice_once_in(struct dice *d, uint32_t n)
{
	return dice_below(d, n) == 0;
}

#endif
