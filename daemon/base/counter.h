/**
 * counter.h: a number that one thread raises and any thread may read.  The writer uses neither a lock nor a locked instruction, so
 * counting costs nothing where it matters; threads that count the same thing each have a counter of their own, and a reader adds them up.
 */
#ifndef FEALTY_BASE_COUNTER_H
#define FEALTY_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

struct counter {
	_Atomic uint64_t n;		/* zeroed memory is a counter at 0 */
};

static inline void
counter_add(struct counter *c, uint64_t n)
{
	atomic_store_explicit(&c->n, atomic_load_explicit(&c->n, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t
counter_read(const struct counter *c)
{
	return atomic_load_explicit(&c->n, memory_order_relaxed);
}

#endif
