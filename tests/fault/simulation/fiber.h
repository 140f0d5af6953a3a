/**
 * fiber.h: the threads and the clocks of a simulated process.
 *
 * pthread_create(), pthread_join(), condition variables, mutexes and nanosleep() are defined here in the C library's place, for the daemon as for
 * LMDB: a thread is a coroutine that runs until it waits, and dice say who of those that can run is next.  So the daemon's own threads run, unchanged,
 * in an order that a seed repeats.  Time stands still while any of them can run; clock_monotonic_us() and clock_system() of base/clock.h are this time.
 *
 * Whoever drives is the main context, which is no fiber and never waits.
 */
#ifndef FEALTY_TESTS_SIMULATION_FIBER_H
#define FEALTY_TESTS_SIMULATION_FIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"

#define FIBER_FOR_EVER INT64_MAX

struct fiber;

/* ${dice} is borrowed for good. */
void fibers_begin(struct dice *dice);
struct fiber *fiber_new(void *(*run)(void *), void *arg);
bool fiber_done(const struct fiber *fiber);
/* A fiber, or the main context when it is done; then it is gone. */
void fiber_join(struct fiber *fiber);
bool fiber_inside(void);			/* a fiber asks, and not the main context */

/* Main context: one fiber, of those that can, runs until it waits; false: none can. */
bool fibers_step(void);
/* When the first that waits for a time is due; FIBER_FOR_EVER. */
int64_t fibers_due_us(void);
/* kill -9: none of them runs again.  Their stacks are given back, what they had allocated is not. */
void fibers_abandon(void);

/* A fiber: waits until fiber_notify() of ${what}, or (false) until ${until_us}, monotonic. */
bool fiber_wait(const void *what, int64_t until_us);
void fiber_notify(const void *what, bool all);
/* A fiber: does not return; fibers_step() does. */
void fiber_vanish(void) __attribute__((noreturn));

/* ---- time, in microseconds ---- */

int64_t time_us(void);				/* monotonic; begins at an hour */
void time_pass_to(int64_t us);			/* never back */
int64_t time_real_us(void);
void time_set_real(int64_t us);			/* somebody sets the system's clock */

#endif
