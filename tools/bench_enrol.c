/* By libfealty: what is limited or lost on the way is sent again under its key.  Nothing is kept of a member but its number. */
#include "bench_enrol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_encode.h"
#include "bench_hello.h"
#include "base/clock.h"
#include "fealty.h"
#include "frame.h"

#define ENROL_OUTSTANDING 12u			/* the more, the fewer commits; a principal may have 16 384 commands in flight */
#define PROGRESS_US US_PER_SECOND

struct enrolment {
	const struct settings *settings;
	struct fealty_client *client;
	unsigned long enrolled;
	int64_t begun_us, shown_us;
	struct { Fealty__V1__Request request; Fealty__V1__Enrol op; char key[FEALTY_KEY_BYTES_MAX + 1], member[ALIAS_BYTES]; } commands[FRAME_BATCH_COMMANDS_MAX];
	Fealty__V1__Request *list[FRAME_BATCH_COMMANDS_MAX];
};

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "fealty-bench: %s: %s\n", what, why);
	exit(1);
}

/* Under another key, or by another principal; but a key that said something else says that the member is another one. */
static bool
is_there_already(const Fealty__V1__Response *r)
{
	return r->status == FEALTY__V1__CODE__ALREADY_EXISTS && (r->reason == NULL || strcmp(r->reason, "REQUEST_ID_REUSED") != 0);
}

static void
on_enrolled(void *ctx, struct fealty_result *r)
{
	struct enrolment *e = ctx;

	if (r->outcome != FEALTY_OK)
		die("enrolment", r->message);
	for (size_t i = 0; i < r->batch->n_results; i++) {
		const Fealty__V1__Response *one = r->batch->results[i];

		if (fealty_response_outcome(one) != FEALTY_OK && !is_there_already(one))
			die("enrolment", one->message != NULL ? one->message : one->reason != NULL ? one->reason : "refused");
	}
	e->enrolled += r->batch->n_results;
}

static void
enrol_batch(struct enrolment *e, unsigned long first, unsigned n)
{
	const struct settings *s = e->settings;
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;

	for (unsigned i = 0; i < n; i++) {
		snprintf(e->commands[i].key, sizeof e->commands[i].key, "%s-e-%010lu", s->prefix, first + i);
		encoder_alias(s, first + i, e->commands[i].member);
		e->commands[i].op = (Fealty__V1__Enrol)FEALTY__V1__ENROL__INIT;
		e->commands[i].op.member = e->commands[i].member;
		e->commands[i].request = (Fealty__V1__Request)FEALTY__V1__REQUEST__INIT;
		e->commands[i].request.key = e->commands[i].key;
		e->commands[i].request.program = (char *)s->program;
		e->commands[i].request.op_case = FEALTY__V1__REQUEST__OP_ENROL;
		e->commands[i].request.enrol = &e->commands[i].op;
		e->list[i] = &e->commands[i].request;
	}
	batch.n_commands = n;
	batch.commands = e->list;
	batch.has_deadline_ms = true;
	batch.deadline_ms = 60000;
	enum fealty_error error = fealty_batch_async(e->client, &batch, on_enrolled, e, NULL);
	if (error != FEALTY_ERROR_NONE)
		die("enrolment", fealty_error_str(error));
}

static void
show_progress(struct enrolment *e)
{
	int64_t now_us = clock_monotonic_us();

	if (now_us - e->shown_us < PROGRESS_US || !isatty(STDERR_FILENO))
		return;
	double rate = (double)e->enrolled * 1e6 / (double)(now_us - e->begun_us);

	fprintf(stderr, "\r%lu of %lu members enrolled, %.0f/s", e->enrolled, e->settings->members, rate);
	if (rate > 0)
		fprintf(stderr, ", %.0f s to go", (double)(e->settings->members - e->enrolled) / rate);
	fprintf(stderr, "\033[K");
	e->shown_us = now_us;
}

static struct fealty_client *
client_open(const struct settings *s)
{
	struct fealty_options options;
	struct fealty_client *client;
	char principal[PRINCIPAL_BYTES];

	hello_principal(s, 0, principal);
	fealty_options_init(&options);
	options.principal = principal;
	options.client_name = "fealty-bench";
	options.connects_max = 1;
	options.tls_ca = s->tls.ca;
	options.tls_cert = s->tls.cert;
	options.tls_key = s->tls.key;
	options.tls_server_name = s->tls_server_name;
	enum fealty_error error = fealty_client_new(s->address, &options, NULL, &client);
	if (error != FEALTY_ERROR_NONE)
		die(s->address, fealty_error_str(error));
	return client;
}

void
enrol_all(const struct settings *s)
{
	struct enrolment *e = calloc(1, sizeof *e);

	if (e == NULL)
		die("memory", "there is none");
	e->settings = s;
	e->client = client_open(s);
	e->begun_us = e->shown_us = clock_monotonic_us();
	for (unsigned long first = 0; first < s->members; first += FRAME_BATCH_COMMANDS_MAX) {
		unsigned long left = s->members - first;

		enrol_batch(e, first, left < FRAME_BATCH_COMMANDS_MAX ? (unsigned)left : FRAME_BATCH_COMMANDS_MAX);
		fealty_wait(e->client, ENROL_OUTSTANDING - 1);
		show_progress(e);
	}
	fealty_wait(e->client, 0);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	fealty_client_free(e->client);
	free(e);
}
