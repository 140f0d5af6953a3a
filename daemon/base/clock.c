#include "base/clock.h"

#include <time.h>

static int64_t
read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000;
}

static int64_t
system_now_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_REALTIME);
}

static int64_t
system_boot_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_BOOTTIME);
}

struct clock
clock_system(void)
{
	return (struct clock){ .now_us = system_now_us, .boot_us = system_boot_us };
}

int64_t
clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}
