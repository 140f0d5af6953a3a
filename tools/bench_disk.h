/* bench_disk.h: how long the disk takes for one flush, so that a figure can be set beside what the disk allows. */
#ifndef FEALTY_BENCH_DISK_H
#define FEALTY_BENCH_DISK_H

/**
 * disk_flush_seconds(directory): the mean of some hundred fdatasync(2), each after a 4 KiB write, in a file that is made in ${directory} and
 * removed.  Below zero when that cannot be done; errno says why.
 */
double disk_flush_seconds(const char *directory);

/* Commands a second when every round of ${in_flight} commands waits for one commit, and a commit for two flushes. */
double disk_limit(double flush_seconds, double in_flight);

#endif
