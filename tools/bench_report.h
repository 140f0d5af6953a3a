/* bench_report.h: what was measured, for people or as one JSON object. */
#ifndef FEALTY_BENCH_REPORT_H
#define FEALTY_BENCH_REPORT_H

#include "bench_daemon.h"
#include "bench_figures.h"
#include "bench_options.h"

/* What was read at the beginning and at the end of the measured time. */
struct marks {
	struct { double cpu_seconds; unsigned long answered; } tool[2];
	struct daemon_reading daemon[2];
	bool has_daemon;			/* --admin answered at both */
};

void report_json(const struct settings *s, const struct figures *f, const struct marks *marks, double seconds);
void report_text(const struct settings *s, const struct figures *f, const struct marks *marks, double seconds);

/* Every command was answered, with what it should be, and there were some. */
bool report_is_good(const struct figures *f);

#endif
