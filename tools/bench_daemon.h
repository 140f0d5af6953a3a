/* bench_daemon.h: what the daemon, and this process, have used so far. */
#ifndef FEALTY_BENCH_DAEMON_H
#define FEALTY_BENCH_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* Since the daemon began, by its counters. */
struct daemon_reading {
	int64_t at_us;				/* CLOCK_MONOTONIC */
	double commands, commits, transactions;
	double entries;				/* that commands wrote: without those that fell due */
	double cpu_seconds, memory_bytes;	/* memory: resident, now; NaN: it does not say */
};

/**
 * daemon_read(address, ret_reading, ret_why): asks /metrics of fealtyd's --admin at ${address}, "127.0.0.1:7451" or "[::1]:7451", for 5 s at most.
 * False: *${ret_why} says why in words; static.
 */
bool daemon_read(const char *address, struct daemon_reading *ret_reading, const char **ret_why);

/* The sum of all samples of ${name}, whatever their labels; NaN: there are none. */
double metrics_sum(struct bytes text, const char *name);

/* CPU seconds of this process so far, all threads. */
double own_cpu_seconds(void);

#endif
