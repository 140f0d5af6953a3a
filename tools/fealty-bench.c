/* fealty-bench: enrols members, loads a daemon, and says what was measured. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench_core.h"
#include "bench_daemon.h"
#include "bench_disk.h"
#include "bench_encode.h"
#include "bench_enrol.h"
#include "bench_figures.h"
#include "bench_load.h"
#include "bench_options.h"
#include "bench_report.h"

struct bench {
	struct settings settings;
	struct encoder encoder;
	struct figures figures;
	struct marks marks;
	unsigned n_marks;
	const char *admin_why;			/* of the mark that the daemon did not answer; NULL: both */
};

static void
on_mark(void *ctx, unsigned long answered)
{
	struct bench *b = ctx;
	unsigned n = b->n_marks++;

	b->marks.tool[n].cpu_seconds = own_cpu_seconds();
	b->marks.tool[n].answered = answered;
	if (b->settings.admin != NULL && !daemon_read(b->settings.admin, &b->marks.daemon[n], &b->admin_why))
		b->marks.has_daemon = false;
}

/* What would be known only after the load otherwise. */
static void
look_around(struct bench *b)
{
	struct settings *s = &b->settings;
	struct daemon_reading reading;

	if (s->disk != NULL)
		s->flush_seconds = disk_flush_seconds(s->disk);
	if (s->flush_seconds < 0)
		err(2, "--disk: %s", s->disk);
	if (s->admin != NULL && !daemon_read(s->admin, &reading, &b->admin_why))
		errx(1, "--admin: %s: %s", s->admin, b->admin_why);
	b->marks.has_daemon = s->admin != NULL;
}

/* Milliseconds since 1970. */
static uint64_t
run_id(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int
bench_load(struct bench *b)
{
	struct settings *s = &b->settings;

	look_around(b);
	if (!encoder_init(&b->encoder, s, run_id()))
		errx(2, "--program: too long");
	if (s->enrol)
		enrol_all(s);
	double seconds = load_run(s, &b->encoder, on_mark, b, &b->figures);

	if (s->json)
		report_json(s, &b->figures, &b->marks, seconds);
	else
		report_text(s, &b->figures, &b->marks, seconds);
	if (s->admin != NULL && !b->marks.has_daemon)
		warnx("--admin: %s: %s", s->admin, b->admin_why);
	return report_is_good(&b->figures) && (s->admin == NULL || b->marks.has_daemon) ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof *b);
	int code;

	if (b == NULL)
		err(1, "memory");
	options_parse(argc, argv, &b->settings);
	code = b->settings.core ? bench_core(&b->settings) : bench_load(b);
	free(b);
	return code;
}
