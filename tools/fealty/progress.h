/* progress.h: how far a long run is, on standard error: a bar that is redrawn on a terminal, or a line now and then. */
#ifndef FEALTY_TOOLS_PROGRESS_H
#define FEALTY_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool bar, lines;		/* at most one; neither: nothing is shown */
	const char *what;		/* "purchases" */
	int64_t started_us, shown_us;
	uint64_t done_before;		/* done when it started: does not count for the rate */
};

/* A bar when standard error is a terminal and ${json} is not set; lines every 5 seconds when ${lines}. */
void progress_start(struct progress *p, const char *what, bool json, bool lines);
/* ${total} 0: not known.  Cheap when it is called often. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* Removes the bar. */
void progress_end(struct progress *p);

/* Seconds since the start, and things a second. */
double progress_seconds(const struct progress *p);

#endif
