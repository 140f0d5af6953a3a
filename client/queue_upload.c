/*
 * Of each batch the answers go to disk in one record, then to the caller, then the record that they were given.  A crash between any two
 * sends again what has no answer, or gives again what has one.
 */
#include "queue_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define TOTAL_MS 60000
#define BATCH_MS 30000
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 10000
#define COMMANDS_MAX 1000		/* of a server that does not say */
#define BATCH_AROUND_BYTES 128		/* its key and deadline */
#define COMMAND_AROUND_BYTES 8		/* tag and length */
#define RANGE_BYTES 26			/* of terminal_refused, at most */
#define LINES_MAX 100000		/* of one batch: short ones unpack into many times their bytes, and a server limits that as well */

struct upload {
	struct fealty_queue *q;
	struct fealty_client *client;
	const struct fealty_queue_upload *how;
	struct fealty_queue_report *report;
	int64_t until_us;
	uint32_t pause_ms;
	size_t commands_max, bytes_max;
	size_t n;				/* of the batch under way: */
	struct queue_item **items;
	Fealty__V1__Request **requests;
	Fealty__V1__SeqRange ranges[QUEUE_RANGES_MAX], *range_pointers[QUEUE_RANGES_MAX];
};

static bool
packs(const Fealty__V1__Response *response, struct buf *out)
{
	size_t len = fealty__v1__response__get_packed_size(response);
	uint8_t *bytes = malloc(len > 0 ? len : 1);

	if (bytes == NULL)
		return false;
	fealty__v1__response__pack(response, bytes);
	buf_put_varint(out, len);
	buf_put(out, bytes, len);
	free(bytes);
	return buf_status(out) == ST_OK;
}

/* ---- giving ---- */

static void
count_answer(struct fealty_queue_report *report, const struct fealty_queue_item *item)
{
	if (item->refused)
		report->refused++;
	else
		report->applied++;
	report->gaps += item->response->terminal_gap > 0 ? 1 : 0;
	report->repeats += item->response->terminal_repeat ? 1 : 0;
}

static bool
is_given(const struct queue_item *item)
{
	return item->state == ITEM_ANSWERED && !item->refused;
}

/* Everything that is answered, to the caller; then down that it was. */
static enum fealty_queue_error
give(struct upload *u)
{
	struct fealty_queue *q = u->q;
	enum fealty_queue_error error = FEALTY_QUEUE_OK;
	struct buf given;

	buf_init(&given);
	for (size_t i = 0; i < q->n && error == FEALTY_QUEUE_OK; i++) {
		struct fealty_queue_item item;
		if (q->items[i].state != ITEM_ANSWERED)
			continue;
		error = queue_show(q, &q->items[i], &item);
		if (error != FEALTY_QUEUE_OK)
			break;
		count_answer(u->report, &item);
		q->giving = true;
		if (u->how->on_answer != NULL)
			u->how->on_answer(u->how->ctx, &item);
		q->giving = false;
		buf_put_varint(&given, q->items[i].seq);
	}
	if (error == FEALTY_QUEUE_OK && given.len > 0)
		error = queue_append(q, QUEUE_GIVEN, &given);
	buf_release(&given);
	if (error != FEALTY_QUEUE_OK)
		return error;
	queue_drop(q, is_given);
	for (size_t i = 0; i < q->n; i++) {
		if (q->items[i].state == ITEM_ANSWERED)
			q->items[i].state = ITEM_REFUSED;
	}
	return FEALTY_QUEUE_OK;
}

/* ---- one batch ---- */

/* Whether an answer is the last word about its command. */
static bool
settles(const Fealty__V1__Response *response)
{
	return !response->retryable && response->status != FEALTY__V1__CODE__DEADLINE_EXCEEDED &&
	    fealty_response_outcome(response) != FEALTY_UNKNOWN;
}

static enum queue_how
how_it_went(const Fealty__V1__Response *response)
{
	return fealty_response_outcome(response) != FEALTY_OK ? HOW_REFUSED : response->replayed ? HOW_REPLAYED : HOW_APPLIED;
}

/* The answers go to disk, all in one record.  *${ret_n}: how many there are. */
static enum fealty_queue_error
keep_answers(struct upload *u, const Fealty__V1__BatchResponse *answer, size_t *ret_n)
{
	struct fealty_queue *q = u->q;
	struct buf body;
	bool ok = true;

	*ret_n = 0;
	buf_init(&body);
	for (size_t i = 0; i < u->n && ok; i++) {
		const Fealty__V1__Response *response = answer->results[i];
		if (!settles(response))
			continue;
		buf_put_varint(&body, u->items[i]->seq);
		buf_put_varint(&body, how_it_went(response));
		ok = packs(response, &body);
		++*ret_n;
	}
	enum fealty_queue_error error = ok ? FEALTY_QUEUE_OK : queue_fail(q, FEALTY_QUEUE_NOMEM, "no memory for the answers");
	if (error == FEALTY_QUEUE_OK && *ret_n > 0)
		error = queue_append(q, QUEUE_ANSWERS, &body);
	if (error == FEALTY_QUEUE_OK) {
		struct cursor c = cursor_of(buf_bytes(&body));
		if (!queue_read_answers(q, &c))
			error = queue_fail(q, FEALTY_QUEUE_NOMEM, "no memory for the answers");
	}
	buf_release(&body);
	return error;
}

static size_t
lines_of(const Fealty__V1__Request *request)
{
	switch ((int)request->op_case) {
	case FEALTY__V1__REQUEST__OP_PURCHASE: return request->purchase->n_lines;
	case FEALTY__V1__REQUEST__OP_RETURN: return request->return_->n_lines;
	}
	return 0;
}

/* The oldest that wait, as many as fit; each says what was refused before it only while the server may not know it. */
static bool
choose(struct upload *u)
{
	struct fealty_queue *q = u->q;
	size_t bytes = BATCH_AROUND_BYTES + q->n_ranges * RANGE_BYTES, lines = 0;

	u->n = 0;
	for (size_t i = 0; i < q->n && u->n < u->commands_max && lines < LINES_MAX; i++) {
		struct queue_item *item = &q->items[i];
		if (item->state != ITEM_WAITS)
			continue;
		bytes += item->request.len + COMMAND_AROUND_BYTES;
		if (bytes > u->bytes_max && u->n > 0)
			break;
		u->requests[u->n] = fealty__v1__request__unpack(NULL, item->request.len, item->request.data);
		if (u->requests[u->n] == NULL)
			return false;
		lines += lines_of(u->requests[u->n]);
		u->items[u->n++] = item;
	}
	return true;
}

/* What was refused since a command was applied, in the first of the batch. */
static void
say_refused(struct upload *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->q->n_ranges && u->q->ranges[i].last < u->items[0]->seq; i++) {
		u->ranges[n] = (Fealty__V1__SeqRange)FEALTY__V1__SEQ_RANGE__INIT;
		u->ranges[n].has_first = u->ranges[n].has_last = true;
		u->ranges[n].first = u->q->ranges[i].first;
		u->ranges[n].last = u->q->ranges[i].last;
		u->range_pointers[n] = &u->ranges[n];
		n++;
	}
	u->requests[0]->n_terminal_refused = n;
	u->requests[0]->terminal_refused = n > 0 ? u->range_pointers : NULL;
}

static uint32_t
left_ms(const struct upload *u)
{
	int64_t left_us = u->until_us - clock_monotonic_us();

	return left_us <= 0 ? 0 : left_us >= (int64_t)BATCH_MS * 1000 ? BATCH_MS : (uint32_t)(left_us / 1000) + 1;
}

/* Whether the client will never reach this server again. */
static bool
is_final(const struct fealty_result *result)
{
	return result->error == FEALTY_ERROR_REJECTED || result->error == FEALTY_ERROR_IDENTITY || result->error == FEALTY_ERROR_PROTOCOL;
}

/* Sends the batch; what came back is kept and given.  *${ret_n}: commands that it settled. */
static enum fealty_queue_error
exchange(struct upload *u, size_t *ret_n)
{
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;
	struct fealty_result result;
	enum fealty_queue_error error = FEALTY_QUEUE_OK;

	batch.n_commands = u->n;
	batch.commands = u->requests;
	batch.has_deadline_ms = true;
	batch.deadline_ms = left_ms(u);
	enum fealty_outcome outcome = fealty_batch(u->client, &batch, &result);
	u->report->batches++;
	if (outcome == FEALTY_OK && result.batch != NULL && result.batch->n_results == u->n)
		error = keep_answers(u, result.batch, ret_n);
	else if (is_final(&result))
		error = queue_fail(u->q, FEALTY_QUEUE_ENDED, "%.200s", result.message);
	else
		error = queue_fail(u->q, FEALTY_QUEUE_OK, "%.200s", result.message);
	fealty_result_release(&result);
	return error;
}

static enum fealty_queue_error
one_batch(struct upload *u, size_t *ret_n)
{
	enum fealty_queue_error error = FEALTY_QUEUE_OK;

	*ret_n = 0;
	if (!choose(u))
		error = queue_fail(u->q, FEALTY_QUEUE_DAMAGED, "a command of the queue cannot be read");
	if (error == FEALTY_QUEUE_OK && u->n > 0) {
		say_refused(u);
		error = exchange(u, ret_n);
		u->requests[0]->n_terminal_refused = 0;		/* they are ours */
		u->requests[0]->terminal_refused = NULL;
	}
	for (size_t i = 0; i < u->n; i++)
		fealty__v1__request__free_unpacked(u->requests[i], NULL);
	return error == FEALTY_QUEUE_OK ? give(u) : error;
}

/* ---- all of it ---- */

static uint32_t
waiting(const struct fealty_queue *q)
{
	uint32_t n = 0;

	for (size_t i = 0; i < q->n; i++)
		n += q->items[i].state == ITEM_WAITS;
	return n;
}

/* Half to whole of a time that doubles, so that not all tills come back at once; false: there is no time left. */
static bool
pause_a_while(struct upload *u)
{
	uint32_t ms = u->pause_ms / 2 + (uint32_t)random_below(u->pause_ms / 2 + 1), left = left_ms(u);

	if (left == 0)
		return false;
	ms = ms < left ? ms : left;
	(void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
	u->pause_ms = u->pause_ms > PAUSE_MAX_MS / 2 ? PAUSE_MAX_MS : u->pause_ms * 2;
	return left_ms(u) > 0;
}

/* Whose connection this is, and to which ledger: request ids belong to both. */
static enum fealty_queue_error
check_server(struct upload *u)
{
	struct fealty_queue *q = u->q;
	const Fealty__V1__HelloOk *ok = fealty_hello(u->client)->ok;
	const char *principal = ok->principal != NULL ? ok->principal : "", *origin = ok->origin != NULL ? ok->origin : "";
	struct buf body;

	if (strcmp(principal, q->principal) != 0)
		return queue_fail(q, FEALTY_QUEUE_OTHER, "the queue belongs to %.100s, and the server takes this client for %.100s", q->principal, principal);
	if (q->origin[0] != '\0' && strcmp(origin, q->origin) != 0)
		return queue_fail(q, FEALTY_QUEUE_OTHER, "the queue was uploaded to the ledger %.100s, and this server has %.100s", q->origin, origin);
	u->commands_max = ok->has_batch_commands_max && ok->batch_commands_max > 0 ? ok->batch_commands_max : COMMANDS_MAX;
	if (u->how->commands_max > 0 && u->how->commands_max < u->commands_max)
		u->commands_max = u->how->commands_max;
	u->bytes_max = ok->has_batch_bytes_max && ok->batch_bytes_max > 0 ? ok->batch_bytes_max : 1024 * 1024;
	if (q->origin[0] != '\0' || origin[0] == '\0' || strlen(origin) >= sizeof q->origin)
		return FEALTY_QUEUE_OK;
	buf_init(&body);
	buf_put_string(&body, origin);
	enum fealty_queue_error error = queue_append(q, QUEUE_ORIGIN, &body);
	buf_release(&body);
	if (error == FEALTY_QUEUE_OK)
		(void)snprintf(q->origin, sizeof q->origin, "%s", origin);
	return error;
}

static enum fealty_queue_error
meet(struct upload *u)
{
	enum fealty_queue_error error;

	do {
		struct fealty_result result;
		bool met = fealty_ping(u->client, left_ms(u), &result) == FEALTY_OK;
		error = met ? FEALTY_QUEUE_OK : queue_fail(u->q, is_final(&result) ? FEALTY_QUEUE_ENDED : FEALTY_QUEUE_UNREACHED, "%.200s", result.message);
		fealty_result_release(&result);
	} while (error == FEALTY_QUEUE_UNREACHED && pause_a_while(u));
	return error == FEALTY_QUEUE_OK ? check_server(u) : error;
}

static enum fealty_queue_error
run(struct upload *u)
{
	enum fealty_queue_error error = give(u);		/* what a crash left */

	if (error != FEALTY_QUEUE_OK || waiting(u->q) == 0)
		return error;
	error = meet(u);
	if (error != FEALTY_QUEUE_OK)
		return error;
	u->items = calloc(u->commands_max, sizeof *u->items);
	u->requests = calloc(u->commands_max, sizeof *u->requests);
	if (u->items == NULL || u->requests == NULL)
		return queue_fail(u->q, FEALTY_QUEUE_NOMEM, "no memory for a batch");
	while (error == FEALTY_QUEUE_OK && waiting(u->q) > 0) {
		size_t n;
		error = one_batch(u, &n);
		if (n > 0)
			u->pause_ms = PAUSE_MIN_MS;
		else if (error == FEALTY_QUEUE_OK && !pause_a_while(u))
			error = FEALTY_QUEUE_UNREACHED;
		if (n > 0 && error == FEALTY_QUEUE_OK && waiting(u->q) > 0 && left_ms(u) == 0)
			error = queue_fail(u->q, FEALTY_QUEUE_UNREACHED, "the time for the upload is over");
	}
	return error;
}

enum fealty_queue_error
fealty_queue_upload(struct fealty_queue *q, struct fealty_client *client, const struct fealty_queue_upload *upload, struct fealty_queue_report *ret_report)
{
	const struct fealty_queue_upload defaults = { 0 };
	struct upload u = {
		.q = q, .client = client, .how = upload != NULL ? upload : &defaults, .report = ret_report, .pause_ms = PAUSE_MIN_MS,
	};

	assert(!q->giving);
	*ret_report = (struct fealty_queue_report){ 0 };
	u.until_us = clock_monotonic_us() + (int64_t)(u.how->total_ms > 0 ? u.how->total_ms : TOTAL_MS) * 1000;
	enum fealty_queue_error error = run(&u);
	free(u.items);
	free(u.requests);
	ret_report->waiting = waiting(q);
	if (error == FEALTY_QUEUE_OK)
		error = queue_tidy(q);
	return error;
}
