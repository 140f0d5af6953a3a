/*
 * Rows become commands whose request ids come from the file alone, so sending one again is always safe.  What keeps their order: on a
 * manual clock `at` must not fall, so one batch is under way at a time; on a real one a few are, but none beside a batch that enrols, since
 * its members' purchases may be in the next one.
 */
#include "import_send.h"

#include <assert.h>
#include <inttypes.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ledger/calendar.h"

#define FLIGHTS_MAX 4
#define RETRY_MS_MIN 200
#define RETRY_MS_MAX 5000
#define NOON_US (US_PER_DAY / 2)
#define FRAME_SPARE_BYTES 1024

struct step { const struct import_row *row; bool enrols; };

enum flight_state { FLIGHT_FREE, FLIGHT_OUT, FLIGHT_AGAIN };

struct flight {
	struct sender *sender;
	enum flight_state state;
	bool enrols;
	size_t n, n_rows;		/* commands; purchases among them */
	struct step *steps;
};

struct sender {
	const struct call_options *call;
	const struct import_options *options;
	const struct import_file *file;
	struct progress *progress;
	struct import_totals *totals;
	struct fealty_client *client;
	bool manual_clock;
	size_t commands_max, bytes_max;
	size_t next;			/* row */
	uint64_t rows_done;
	int64_t heard_us;
	uint32_t retry_ms;
	enum exit_code code;		/* EXIT_DONE: go on */
	struct flight flights[FLIGHTS_MAX];
};

/* ---- one command as a message; texts are in the batch's scratch ---- */

struct scratch {
	Fealty__V1__Request request;
	Fealty__V1__Enrol enrol;
	Fealty__V1__Purchase purchase;
	char key[FEALTY_KEY_BYTES_MAX + 1];
	char member[256];
};

/* The first moment of a date where the program is, so that a line of today is not ahead of the clock and every line keeps its date. */
static int64_t
day_begins_us(int32_t day)
{
	struct date d = date_of_day(day);
	struct tm local = { .tm_year = d.year - 1900, .tm_mon = d.month - 1, .tm_mday = d.day, .tm_isdst = -1 };

	return (int64_t)mktime(&local) * US_PER_SECOND;		/* TZ is the program's: see use_zone() */
}

static void
fill_command(const struct sender *s, const struct step *step, struct scratch *scratch)
{
	const struct import_row *row = step->row;

	call_request_init(s->call, step->enrols ? FEALTY__V1__REQUEST__OP_ENROL : FEALTY__V1__REQUEST__OP_PURCHASE, &scratch->request);
	scratch->request.has_deadline_ms = false;
	(void)snprintf(scratch->key, sizeof(scratch->key), "%s-%s%u", s->file->key_prefix, step->enrols ? "e" : "", row->line);
	(void)snprintf(scratch->member, sizeof(scratch->member), "%s%s", s->options->alias_prefix, row->field[IMPORT_MEMBER]);
	scratch->request.key = scratch->key;
	scratch->request.has_at = s->manual_clock;
	scratch->request.at = row->day * US_PER_DAY + NOON_US;
	scratch->request.has_occurred_at = !s->manual_clock && !step->enrols;	/* who is enrolled is enrolled now */
	if (scratch->request.has_occurred_at)
		scratch->request.occurred_at = day_begins_us(row->day);
	if (row->field[IMPORT_STORE] != NULL)
		scratch->request.store = row->field[IMPORT_STORE];
	if (row->field[IMPORT_TERMINAL] != NULL)
		scratch->request.terminal = row->field[IMPORT_TERMINAL];
	if (step->enrols) {
		fealty__v1__enrol__init(&scratch->enrol);
		scratch->enrol.member = scratch->member;
		scratch->request.enrol = &scratch->enrol;
		return;
	}
	fealty__v1__purchase__init(&scratch->purchase);
	scratch->purchase.member = scratch->member;
	scratch->purchase.amount = row->field[IMPORT_AMOUNT];
	scratch->purchase.receipt_no = row->field[IMPORT_RECEIPT_NO];
	scratch->request.purchase = &scratch->purchase;
}

/* An upper bound, cheap to know. */
static size_t
command_bytes(const struct sender *s, const struct import_row *row)
{
	size_t bytes = 128 + FEALTY_KEY_BYTES_MAX + strlen(s->options->alias_prefix);

	for (unsigned f = 0; f < IMPORT_FIELD_COUNT; f++)
		bytes += row->field[f] != NULL ? strlen(row->field[f]) : 0;
	return bytes + (s->call->program != NULL ? strlen(s->call->program) : 0) + (s->call->store != NULL ? strlen(s->call->store) : 0) +
	    (s->call->terminal != NULL ? strlen(s->call->terminal) : 0);
}

/* ---- what became of it ---- */

void
import_refused(struct import_totals *totals, uint32_t line, const char *reason, const char *sentence)
{
	if (totals->n_refusals == totals->cap_refusals) {
		totals->cap_refusals = totals->cap_refusals == 0 ? 64 : 2 * totals->cap_refusals;
		totals->refusals = realloc(totals->refusals, totals->cap_refusals * sizeof(*totals->refusals));
		assert(totals->refusals != NULL);
	}
	struct import_refusal *refusal = &totals->refusals[totals->n_refusals++];
	refusal->line = line;
	(void)snprintf(refusal->reason, sizeof(refusal->reason), "%s", reason);
	refusal->sentence = strdup(sentence);
	assert(refusal->sentence != NULL);
}

static void
take_enrolment(struct sender *s, const struct import_row *row, const Fealty__V1__Response *r)
{
	char sentence[512];

	if (fealty_response_outcome(r) == FEALTY_OK && r->has_replayed && r->replayed) {
		s->totals->enrolled_before++;
	} else if (fealty_response_outcome(r) == FEALTY_OK) {
		s->totals->enrolled++;
	} else if (r->reason != NULL && strcmp(r->reason, "ALREADY_EXISTS") == 0) {
		s->totals->known++;
	} else {
		(void)snprintf(sentence, sizeof(sentence), "enrolment: %s", r->message != NULL ? r->message : "");
		import_refused(s->totals, row->line, r->reason != NULL ? r->reason : fealty_code_str(r->status), sentence);
	}
}

static void
take_purchase(struct sender *s, const struct import_row *row, const Fealty__V1__Response *r)
{
	struct import_totals *t = s->totals;

	if (fealty_response_outcome(r) != FEALTY_OK) {
		t->refused++;
		import_refused(
		    t, row->line, r->reason != NULL ? r->reason : fealty_code_str(r->status), r->message != NULL ? r->message : "");
		return;
	}
	sum_add(&t->granted, r->granted);
	sum_add(&t->spend, row->field[IMPORT_AMOUNT]);
	if (r->has_replayed && r->replayed) {
		t->replayed++;
		return;
	}
	t->applied++;
	sum_add(&t->granted_now, r->granted);
	sum_add(&t->spend_now, row->field[IMPORT_AMOUNT]);
}

static bool
put_off(const Fealty__V1__Response *r)
{
	return r->has_retryable && r->retryable;
}

static void
again(struct flight *flight, const Fealty__V1__Response *r)
{
	uint32_t wanted_ms = r != NULL && r->has_retry_after_ms ? r->retry_after_ms : 0;
	struct sender *s = flight->sender;

	flight->state = FLIGHT_AGAIN;
	s->retry_ms = s->retry_ms < RETRY_MS_MAX / 2 ? 2 * s->retry_ms : RETRY_MS_MAX;
	if (wanted_ms > s->retry_ms)
		s->retry_ms = wanted_ms < RETRY_MS_MAX ? wanted_ms : RETRY_MS_MAX;
}

static void
take_answers(struct flight *flight, Fealty__V1__Response **responses)
{
	struct sender *s = flight->sender;

	for (size_t i = 0; i < flight->n; i++) {
		if (flight->steps[i].enrols)
			take_enrolment(s, flight->steps[i].row, responses[i]);
		else
			take_purchase(s, flight->steps[i].row, responses[i]);
	}
	flight->state = FLIGHT_FREE;
	s->rows_done += flight->n_rows;
	s->heard_us = clock_monotonic_us();
	s->retry_ms = RETRY_MS_MIN / 2;
	progress_show(s->progress, s->rows_done, s->file->n_rows);
}

/* What no further try can mend. */
static bool
is_final(const struct fealty_result *result)
{
	if (result->response != NULL)
		return !put_off(result->response);
	return result->error != FEALTY_ERROR_CONNECT && result->error != FEALTY_ERROR_DEADLINE && result->error != FEALTY_ERROR_PROTOCOL;
}

static void
on_result(void *ctx, struct fealty_result *result)
{
	struct flight *flight = ctx;
	struct sender *s = flight->sender;
	Fealty__V1__Response **responses;

	if (result->outcome != FEALTY_OK) {
		bool late = clock_monotonic_us() - s->heard_us > INT64_C(1000) * s->call->timeout_ms;
		again(flight, result->response);
		if ((is_final(result) || late) && s->code == EXIT_DONE) {
			progress_end(s->progress);
			s->code = call_tell(s->call, result);
		}
		return;
	}
	if (call_batch_results(result, &responses) != flight->n) {
		s->code = cli_fail(s->call->json, EXIT_INTERNAL, "the daemon did not answer each command of a batch");
		return;
	}
	for (size_t i = 0; i < flight->n; i++) {
		if (put_off(responses[i])) {
			again(flight, responses[i]);
			return;
		}
	}
	take_answers(flight, responses);
}

/* ---- sending ---- */

static void
launch(struct flight *flight)
{
	struct sender *s = flight->sender;
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;
	struct scratch *scratch = calloc(flight->n, sizeof(*scratch));
	Fealty__V1__Request **requests = calloc(flight->n, sizeof(*requests));

	assert(scratch != NULL && requests != NULL);
	for (size_t i = 0; i < flight->n; i++) {
		fill_command(s, &flight->steps[i], &scratch[i]);
		requests[i] = &scratch[i].request;
	}
	batch.n_commands = flight->n;
	batch.commands = requests;
	flight->state = FLIGHT_OUT;
	enum fealty_error error = fealty_batch_async(s->client, &batch, on_result, flight, NULL);
	if (error != FEALTY_ERROR_NONE) {
		flight->state = FLIGHT_AGAIN;
		s->code = cli_fail(s->call->json, EXIT_UNAVAILABLE, "a batch could not be sent: %s", fealty_error_str(error));
	}
	free(requests);
	free(scratch);
}

/* The next rows; an enrolment stands right before the first purchase of its member. */
static void
load(struct flight *flight)
{
	struct sender *s = flight->sender;
	size_t bytes = FRAME_SPARE_BYTES;

	flight->n = 0;
	flight->n_rows = 0;
	flight->enrols = false;
	while (s->next < s->file->n_rows) {
		const struct import_row *row = &s->file->rows[s->next];
		bool enrols = row->first_of_member && !s->options->no_enrol;
		size_t more = command_bytes(s, row) * (enrols ? 2 : 1);
		if (flight->n + (enrols ? 2 : 1) > s->commands_max || (flight->n > 0 && bytes + more > s->bytes_max))
			break;
		if (enrols)
			flight->steps[flight->n++] = (struct step){ row, true };
		flight->steps[flight->n++] = (struct step){ row, false };
		flight->enrols |= enrols;
		flight->n_rows++;
		bytes += more;
		s->next++;
	}
}

static void
nap(uint32_t ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&pause, NULL);
}

/* Until at most ${n} batches are under way, and none needs another try. */
static void
settle(struct sender *s, unsigned n)
{
	bool tried;

	do {
		fealty_wait(s->client, n);
		tried = false;
		for (unsigned i = 0; i < FLIGHTS_MAX && s->code == EXIT_DONE; i++) {
			if (s->flights[i].state != FLIGHT_AGAIN)
				continue;
			nap(s->retry_ms);
			launch(&s->flights[i]);
			tried = true;
		}
	} while (tried && s->code == EXIT_DONE);
}

static struct flight *
free_flight(struct sender *s)
{
	for (unsigned i = 0; i < FLIGHTS_MAX; i++)
		if (s->flights[i].state == FLIGHT_FREE)
			return &s->flights[i];
	return NULL;
}

static void
send_all(struct sender *s)
{
	while (s->next < s->file->n_rows && s->code == EXIT_DONE) {
		struct flight *flight = free_flight(s);
		assert(flight != NULL);
		load(flight);
		if (flight->enrols || s->manual_clock)
			settle(s, 0);
		if (s->code == EXIT_DONE)
			launch(flight);
		settle(s, flight->enrols || s->manual_clock ? 0 : FLIGHTS_MAX - 1);
	}
	settle(s, 0);
}

/* Local times of this process become those of the program. */
static enum exit_code
use_zone(struct sender *s)
{
	struct fealty_result result;
	enum exit_code code = EXIT_DONE;

	if (call_program(s->call, s->client, &result) != FEALTY_OK) {
		code = call_tell(s->call, &result);
	} else if (result.response->program != NULL && result.response->program->timezone != NULL) {
		setenv("TZ", result.response->program->timezone, 1);
		tzset();
	}
	fealty_result_release(&result);
	return code;
}

static enum exit_code
connect_and_send(struct sender *s)
{
	struct fealty_result result;

	if (fealty_ping(s->client, s->call->timeout_ms, &result) != FEALTY_OK) {
		enum exit_code code = call_tell(s->call, &result);
		fealty_result_release(&result);
		return code;
	}
	fealty_result_release(&result);
	const Fealty__V1__HelloOk *ok = fealty_hello(s->client)->ok;
	s->manual_clock = ok->manual_clock;
	if (!s->manual_clock) {
		enum exit_code code = use_zone(s);
		if (code != EXIT_DONE)
			return code;
	}
	ok = fealty_hello(s->client)->ok;
	s->bytes_max = ok->batch_bytes_max;
	s->commands_max = s->options->batch < ok->batch_commands_max ? (size_t)s->options->batch : ok->batch_commands_max;
	for (unsigned i = 0; i < FLIGHTS_MAX; i++) {
		s->flights[i].sender = s;
		s->flights[i].steps = calloc(s->commands_max, sizeof(struct step));
		assert(s->flights[i].steps != NULL);
	}
	send_all(s);
	return s->code;
}

static int
by_line(const void *a, const void *b)
{
	const struct import_refusal *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

void
import_refusals_sort(struct import_totals *totals)
{
	if (totals->n_refusals > 0)
		qsort(totals->refusals, totals->n_refusals, sizeof(*totals->refusals), by_line);
}

enum exit_code
import_refusals_write(const struct import_totals *t, const char *path)
{
	int fd = file_open_private(path);		/* what an importer could not read may be a name */
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	for (size_t i = 0; out != NULL && i < t->n_refusals; i++)
		(void)fprintf(out, "%" PRIu32 "\t%s\t%s\n", t->refusals[i].line, t->refusals[i].reason, t->refusals[i].sentence);
	if (out != NULL && fclose(out) == 0)
		return EXIT_DONE;
	(void)fprintf(stderr, "%s: the refused lines could not be written to %s: %s\n", program_invocation_name, path, strerror(errno));
	return EXIT_INTERNAL;
}

enum exit_code
import_send(const struct call_options *call, const struct import_options *options, const struct import_file *file,
    struct progress *progress, struct import_totals *ret_totals)
{
	struct sender s = {
		.call = call, .options = options, .file = file, .progress = progress, .totals = ret_totals, .retry_ms = RETRY_MS_MIN / 2,
		.heard_us = clock_monotonic_us(),
	};

	*ret_totals = (struct import_totals){ .refused = file->n_bad };
	for (size_t i = 0; i < file->n_bad; i++)
		import_refused(ret_totals, file->bad[i].line, "INVALID_ARGUMENT", file->bad[i].sentence);
	enum exit_code code = call_client(call, &s.client);
	if (code != EXIT_DONE)
		return code;
	code = connect_and_send(&s);
	fealty_client_free(s.client);		/* ends what is still under way, so the flights live until here */
	for (unsigned i = 0; i < FLIGHTS_MAX; i++)
		free(s.flights[i].steps);
	import_refusals_sort(ret_totals);
	return code == EXIT_DONE && ret_totals->n_refusals > 0 ? EXIT_REFUSED : code;
}

void
import_totals_release(struct import_totals *totals)
{
	for (size_t i = 0; i < totals->n_refusals; i++)
		free(totals->refusals[i].sentence);
	free(totals->refusals);
}
