/* metrics_text.h: figures as Prometheus reads them, text format 0.0.4.  Pure.  Names and labels are stable: README.md lists them. */
#ifndef FEALTY_ADMIN_METRICS_TEXT_H
#define FEALTY_ADMIN_METRICS_TEXT_H

#include "base/bytes.h"
#include "service/figures.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_process {
	const char *version;
	uint64_t uptime_us;
	uint64_t cpu_us;		/* of all threads, in user code and in the kernel */
	uint64_t memory_bytes;		/* resident; 0: not known, and left out */
};

/* Requests to the door itself that were answered: by path ("other": none of ours) and status code. */
struct metrics_request {
	const char *path;
	int code;
	uint64_t count;
};

/* ${figures} NULL: the service is not open, and the process is all there is. */
void metrics_text(const struct metrics_process *process, const struct figures *figures, struct buf *out);
void metrics_requests_text(const struct metrics_request *requests, size_t n, struct buf *out);

#endif
