/* clock.h: the system's clocks, as a parameter so that tests bring their own. */
#ifndef FEALTY_BASE_CLOCK_H
#define FEALTY_BASE_CLOCK_H

#include <stdint.h>

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_SECOND)

/* UTC microseconds since 1970-01-01, and microseconds since boot, suspended time included. */
struct clock {
	int64_t (*now_us)(void *ctx);
	int64_t (*boot_us)(void *ctx);
	void *ctx;
};

/* CLOCK_REALTIME and CLOCK_BOOTTIME. */
struct clock clock_system(void);

/* CLOCK_MONOTONIC in microseconds, for durations. */
int64_t clock_monotonic_us(void);

#endif
