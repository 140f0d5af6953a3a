/* A bar is drawn ten times a second at most, so showing costs one look at the clock. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR_EVERY_US (US_PER_SECOND / 10)
#define LINE_EVERY_US (5 * US_PER_SECOND)
#define BAR_CELLS 32

void
progress_start(struct progress *p, const char *what, bool json, bool lines)
{
	bool terminal = isatty(STDERR_FILENO) == 1;

	*p = (struct progress){ .what = what, .bar = terminal && !json, .started_us = clock_monotonic_us() };
	p->lines = lines && !p->bar;
	p->shown_us = p->started_us;
}

double
progress_seconds(const struct progress *p)
{
	return (double)(clock_monotonic_us() - p->started_us) / 1e6;
}

static void
draw(const struct progress *p, uint64_t done, uint64_t total)
{
	char cells[BAR_CELLS + 1];
	unsigned full = total == 0 ? 0 : (unsigned)((double)done / (double)total * BAR_CELLS);
	double seconds = progress_seconds(p);
	double rate = seconds > 0 ? (double)(done - p->done_before) / seconds : 0;

	for (unsigned i = 0; i < BAR_CELLS; i++)
		cells[i] = i < full ? '#' : '.';
	cells[BAR_CELLS] = '\0';
	if (p->bar)
		(void)fprintf(stderr, "\r[%s] ", cells);
	(void)fprintf(stderr, "%" PRIu64, done);
	if (total > 0)
		(void)fprintf(stderr, " of %" PRIu64, total);
	(void)fprintf(stderr, " %s, %.0f/s", p->what, rate);
	if (p->bar && rate > 0 && total > done)
		(void)fprintf(stderr, ", %.0f s left", (double)(total - done) / rate);
	(void)fputs(p->bar ? "   " : "\n", stderr);
	(void)fflush(stderr);
}

void
progress_show(struct progress *p, uint64_t done, uint64_t total)
{
	int64_t now_us;

	if (!p->bar && !p->lines)
		return;
	now_us = clock_monotonic_us();
	if (now_us - p->shown_us < (p->bar ? BAR_EVERY_US : LINE_EVERY_US))
		return;
	p->shown_us = now_us;
	draw(p, done, total);
}

void
progress_end(struct progress *p)
{
	if (p->bar)
		(void)fputs("\r\033[K", stderr);
	p->bar = false;
	p->lines = false;
}
