/* bench_disk.h: how long the disk takes for one flush, so that a figure can be set beside what the disk allows. */
#ifndef FEALTY_BENCH_DISK_H
#define FEALTY_BENCH_DISK_H

#include <stdbool.h>

/* Of single flushes, in seconds. */
struct disk_flushes {
	unsigned n;
	double mean_seconds, p50_seconds, p99_seconds;
};

/**
 * disk_flushes_measure(directory, appended, seconds, ret):
 * Times fdatasync(2), each after a write of 4 KiB, for ${seconds} and at least ten times, in a file that is made in ${directory} and vanishes.
 * ${appended}: each write makes the file longer; else all but the first 64 overwrite what is there.  False when that cannot be done; errno
 * says why, and *${ret} is untouched.
 */
bool disk_flushes_measure(const char *directory, bool appended, double seconds, struct disk_flushes *ret);

/* The mean of those of a second, not appended.  Below zero when that cannot be done; errno says why. */
double disk_flush_seconds(const char *directory);

/* Commands a second when every round of ${in_flight} commands waits for one commit, and a commit for two flushes. */
double disk_limit(double flush_seconds, double in_flight);

#endif
