#include "bench_disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FLUSHES 300
#define BLOCK_BYTES 4096

static double
now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double
disk_flush_seconds(const char *directory)
{
	static const char block[BLOCK_BYTES];
	int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	double begin = now_seconds(), seconds = -1;
	int n = 0;
	while (n < FLUSHES && pwrite(fd, block, sizeof(block), (off_t)(n % 64) * BLOCK_BYTES) == BLOCK_BYTES && fdatasync(fd) == 0)
		n++;
	if (n == FLUSHES)
		seconds = (now_seconds() - begin) / FLUSHES;
	close(fd);
	return seconds;
}

double
disk_limit(double flush_seconds, double in_flight)
{
	return in_flight / (2 * flush_seconds);
}
