#include "bench_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FLUSHES_MIN 10u
#define FLUSHES_MAX 100000u		/* so fast a disk needs no more */
#define BLOCK_BYTES 4096
#define BLOCKS_REUSED 64

static double
now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
seconds_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many were done; fewer than FLUSHES_MIN: one failed. */
static unsigned
flush_often(int fd, bool appended, double seconds, double *took)
{
	static const char block[BLOCK_BYTES];
	double begin = now_seconds(), before = begin;
	unsigned n = 0;

	while (n < FLUSHES_MAX && (n < FLUSHES_MIN || before - begin < seconds)) {
		off_t at = (off_t)(appended ? n : n % BLOCKS_REUSED) * BLOCK_BYTES;

		errno = EIO;			/* of a short write, which sets none */
		if (pwrite(fd, block, sizeof(block), at) != BLOCK_BYTES || fdatasync(fd) != 0)
			return 0;
		double now = now_seconds();
		took[n++] = now - before;
		before = now;
	}
	return n;
}

bool
disk_flushes_measure(const char *directory, bool appended, double seconds, struct disk_flushes *ret)
{
	double *took = calloc(FLUSHES_MAX, sizeof(*took)), sum = 0;
	int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	unsigned n = took != NULL && fd >= 0 ? flush_often(fd, appended, seconds, took) : 0;
	int error = took != NULL ? errno : ENOMEM;

	for (unsigned i = 0; i < n; i++)
		sum += took[i];
	if (n > 0) {
		qsort(took, n, sizeof(*took), seconds_order);
		*ret = (struct disk_flushes){ .n = n, .mean_seconds = sum / n, .p50_seconds = took[(n - 1) / 2], .p99_seconds = took[(n - 1) * 99 / 100] };
	}
	if (fd >= 0)
		close(fd);
	free(took);
	errno = error;
	return n > 0;
}

double
disk_flush_seconds(const char *directory)
{
	struct disk_flushes flushes;

	return disk_flushes_measure(directory, false, 1, &flushes) ? flushes.mean_seconds : -1;
}

double
disk_limit(double flush_seconds, double in_flight)
{
	return in_flight / (2 * flush_seconds);
}
