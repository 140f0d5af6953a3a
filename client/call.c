/*
 * Invariants.
 * - A call is in exactly one list: queued (to be sent), in_flight (its tag is on the link), waiting (for the end of retry_after).
 * - Each ends once, in call_end(), at its deadline at the latest.
 * - A write says FAILED or REFUSED only when no sending of it can have been applied: `in_doubt` is set when a connection ends under it,
 *   and then only an answer that the server gives after its check for a replay clears the doubt.
 * - Bodies are packed once, without deadline_ms: every sending carries the same bytes and the time that is left.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "internal.h"

#define OUT_BYTES_MAX (4u * 1024 * 1024)	/* unsent bytes beyond which calls stay in the queue */
#define RETRY_MS_DEFAULT 100u			/* when the server names no time */
#define FIELD_REQUEST_DEADLINE 0x18		/* tag and wire type of Request.deadline_ms and Batch.deadline_ms */
#define FIELD_BATCH_DEADLINE 0x20

static void on_deadline(evutil_socket_t fd, short what, void *ctx);
static void on_retry(evutil_socket_t fd, short what, void *ctx);

static void
call_move(struct call *call, struct call_list *to, bool at_head)
{
	struct fealty_client *c = call->client;

	if (call->list != NULL) {
		TAILQ_REMOVE(call->list, call, entry);
		c->n_queued -= call->list == &c->queued;
	}
	if (call->state == CALL_IN_FLIGHT && call->type != FRAME_PING)
		c->n_in_flight--;
	call->list = to;
	if (to == NULL)
		return;
	if (at_head)
		TAILQ_INSERT_HEAD(to, call, entry);
	else
		TAILQ_INSERT_TAIL(to, call, entry);
	c->n_queued += to == &c->queued;
	call->state = to == &c->queued ? CALL_QUEUED : to == &c->waiting ? CALL_WAITING : CALL_IN_FLIGHT;
	if (call->state == CALL_IN_FLIGHT && call->type != FRAME_PING)
		c->n_in_flight++;
}

static void
call_free(struct call *call)
{
	event_del(&call->deadline);
	event_del(&call->retry);
	buf_release(&call->body);
	answer_free(&call->refusal);
	free(call);
}

void
answer_free(struct answer *a)
{
	if (a->batch != NULL)
		fealty__v1__batch_response__free_unpacked(a->batch, NULL);
	else if (a->response != NULL)
		fealty__v1__response__free_unpacked(a->response, NULL);
	*a = (struct answer){ 0 };
}

/* Fills all but key and attempts.  ${answer} is given away. */
void
result_fill(struct fealty_result *r, enum fealty_outcome outcome, enum fealty_error error, struct answer answer, const char *why)
{
	const Fealty__V1__Response *response = answer.response;

	*r = (struct fealty_result){ .outcome = outcome, .error = error, .response = answer.response, .batch = answer.batch };
	if (outcome == FEALTY_OK)
		return;
	if (why != NULL) {
		say(r->message, "%s", why);
	} else if (response != NULL) {
		const char *reason = response->reason != NULL ? response->reason : fealty_code_str(response->status);
		bool sentence = response->message != NULL && *response->message != '\0';
		bool field = response->field != NULL && *response->field != '\0';

		say(r->message, "%s%s%s%s%s%s", reason, field ? " (" : "", field ? response->field : "", field ? ")" : "",
		    sentence ? ": " : "", sentence ? response->message : "");
	} else {
		say(r->message, "%s", fealty_error_str(error));
	}
}

/* ${answer} is given away. */
static void
call_end(struct call *call, enum fealty_outcome outcome, enum fealty_error error, struct answer answer, const char *why)
{
	struct fealty_client *c = call->client;
	struct fealty_result result;

	result_fill(&result, outcome, error, answer, why);
	memcpy(result.key, call->key, sizeof result.key);
	result.attempts = call->attempts;
	fealty_result_fn *on_result = call->on_result;
	void *ctx = call->ctx;
	call_move(call, NULL, false);
	c->n_calls--;
	call_free(call);
	on_result(ctx, &result);
	fealty_result_release(&result);
}

/* The end without an answer: only what was never sent, or changes nothing, has failed. */
static void
call_end_unanswered(struct call *call, enum fealty_error error, const char *why)
{
	char text[TEXT_BYTES];

	if (call->writes && (call->in_doubt || call->state == CALL_IN_FLIGHT)) {
		say(text, "the outcome is not known (%s); ask again under the same key", why);
		call_end(call, FEALTY_UNKNOWN, error, (struct answer){ 0 }, text);
		return;
	}
	if (call->refusal.response != NULL) {
		struct answer refusal = call->refusal;

		call->refusal = (struct answer){ 0 };
		call_end(call, FEALTY_REFUSED, FEALTY_ERROR_NONE, refusal, NULL);
		return;
	}
	call_end(call, FEALTY_FAILED, error, (struct answer){ 0 }, why);
}

uint32_t
in_flight_max(const struct fealty_client *c)
{
	uint32_t max = c->hello_ok->has_in_flight_max ? c->hello_ok->in_flight_max : FRAME_IN_FLIGHT_MAX;

	return max > 0 ? max : 1;
}

static void
on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct call *call = ctx;
	struct fealty_client *c = call->client;
	char text[TEXT_BYTES];

	(void)fd, (void)what;
	if (call->state == CALL_IN_FLIGHT && call->type != FRAME_PING)
		c->n_abandoned++;	/* the tag stays taken until its answer comes */
	if (call->state == CALL_QUEUED && *c->trouble != '\0' && c->link.state != LINK_READY)
		say(text, "no connection before the deadline; %s", c->trouble);
	else
		say(text, "no answer before the deadline");
	call_end_unanswered(call, FEALTY_ERROR_DEADLINE, text);
	link_check_drained(c);
	if (c->link.state == LINK_READY && c->n_in_flight == 0 && c->n_abandoned >= in_flight_max(c))
		link_lost(c, FEALTY_ERROR_DEADLINE, "the server answers nothing");
	calls_pump(c);
}

static void
on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct call *call = ctx;
	struct fealty_client *c = call->client;

	(void)fd, (void)what;
	assert(call->state == CALL_WAITING);
	call_move(call, &c->queued, false);
	link_want(c);
	calls_pump(c);
}

/* ---- sending ---- */

static const char *
too_large(const struct fealty_client *c, const struct call *call, size_t bytes)
{
	const Fealty__V1__HelloOk *ok = c->hello_ok;

	if (call->type == FRAME_BATCH && call->n_commands > (ok->has_batch_commands_max ? ok->batch_commands_max : FRAME_BATCH_COMMANDS_MAX))
		return "the batch has more commands than the server allows";
	if (call->type == FRAME_BATCH && bytes > (ok->has_batch_bytes_max ? ok->batch_bytes_max : FRAME_BATCH_BYTES_MAX))
		return "the batch has more bytes than the server allows";
	if (call->type == FRAME_REQUEST && bytes > (ok->has_frame_bytes_max ? ok->frame_bytes_max : FRAME_BODY_BYTES_MAX))
		return "the command has more bytes than the server allows";
	return NULL;
}

static void
call_send(struct call *call)
{
	struct fealty_client *c = call->client;
	int64_t left_us = call->deadline_us - clock_monotonic_us();
	struct buf more;

	buf_init(&more);
	if (call->type == FRAME_PING) {
		buf_put_u8(&more, 0x08);			/* Ping.nonce */
		buf_put_varint(&more, call->tag);
	} else {
		buf_put_u8(&more, call->type == FRAME_BATCH ? FIELD_BATCH_DEADLINE : FIELD_REQUEST_DEADLINE);
		buf_put_varint(&more, left_us > 1000 ? (uint64_t)left_us / 1000 : 1);
	}
	if (buf_status(&more) != ST_OK) {
		buf_release(&more);
		call_end_unanswered(call, FEALTY_ERROR_NOMEM, fealty_error_str(FEALTY_ERROR_NOMEM));
		return;
	}
	const char *why = too_large(c, call, call->body.len + more.len);
	if (why != NULL) {
		call_end_unanswered(call, FEALTY_ERROR_TOO_LARGE, why);
	} else {
		call_move(call, &c->in_flight, false);
		call->attempts++;
		link_send(c, call->type, call->type == FRAME_PING ? 0 : call->tag, buf_bytes(&call->body), buf_bytes(&more));
	}
	buf_release(&more);
}

void
calls_pump(struct fealty_client *c)
{
	struct call *call;

	while (c->link.state == LINK_READY && c->link.out.len - c->link.out_sent < OUT_BYTES_MAX && (call = TAILQ_FIRST(&c->queued)) != NULL) {
		uint32_t taken = c->n_in_flight + c->n_abandoned + subs_in_flight(c);

		if (call->type != FRAME_PING && taken >= in_flight_max(c))
			break;
		call->tag = client_new_tag(c);
		call_send(call);
	}
}

/* ---- answers ---- */

static struct call *
call_of_tag(struct fealty_client *c, uint64_t tag, bool ping)
{
	struct call *call;

	TAILQ_FOREACH(call, &c->in_flight, entry)
		if (call->tag == tag && (call->type == FRAME_PING) == ping)
			return call;
	return NULL;
}

enum fealty_outcome
fealty_response_outcome(const Fealty__V1__Response *response)
{
	switch (response->has_status ? response->status : FEALTY__V1__CODE__OK) {
	case FEALTY__V1__CODE__OK:
		return FEALTY_OK;
	case FEALTY__V1__CODE__UNKNOWN:
	case FEALTY__V1__CODE__INTERNAL:
	case FEALTY__V1__CODE__DATA_LOSS:
		return FEALTY_UNKNOWN;
	default:
		return FEALTY_REFUSED;
	}
}

/*
 * Whether a refusal says that no earlier sending was applied either: the server checks for a replay before all that depends on
 * state, but what it refuses without looking says nothing.
 */
static bool
refusal_settles(const Fealty__V1__Response *response)
{
	if (response->retryable)
		return false;		/* whatever is to come again was not looked at: UNAVAILABLE, RATE_LIMITED */
	switch (response->status) {
	case FEALTY__V1__CODE__CANCELLED:
	case FEALTY__V1__CODE__DEADLINE_EXCEEDED:
	case FEALTY__V1__CODE__PERMISSION_DENIED:
	case FEALTY__V1__CODE__ABORTED:
	case FEALTY__V1__CODE__UNIMPLEMENTED:
	case FEALTY__V1__CODE__UNAVAILABLE:
	case FEALTY__V1__CODE__UNAUTHENTICATED:
		return false;
	default:
		return true;
	}
}

/* Takes ${answer} when it returns true: the call waits and is sent again. */
static bool
call_retries(struct call *call, struct answer answer)
{
	struct fealty_client *c = call->client;
	const Fealty__V1__Response *response = answer.response;
	uint64_t wait_ms = response->has_retry_after_ms && response->retry_after_ms > 0 ? response->retry_after_ms : RETRY_MS_DEFAULT;

	if (!response->retryable)
		return false;
	wait_ms += random_below(wait_ms / 4 + 1);		/* so that not all come back at once */
	if (clock_monotonic_us() + (int64_t)wait_ms * 1000 >= call->deadline_us)
		return false;
	answer_free(&call->refusal);
	call->refusal = answer;
	call_move(call, &c->waiting, false);
	timer_in(&call->retry, wait_ms);
	return true;
}

static void
call_answered(struct call *call, struct answer answer)
{
	enum fealty_outcome outcome = fealty_response_outcome(answer.response);

	if (outcome != FEALTY_OK && call_retries(call, answer))
		return;
	if (outcome == FEALTY_UNKNOWN && !call->writes)
		outcome = FEALTY_REFUSED;			/* a read: it has changed nothing, whatever broke */
	if (outcome == FEALTY_REFUSED && call->writes && call->in_doubt && !refusal_settles(answer.response))
		outcome = FEALTY_UNKNOWN;
	call_end(call, outcome, FEALTY_ERROR_NONE, answer, NULL);
}

/* False when the bytes are no such message. */
static bool
answer_unpack(enum frame_type type, struct bytes body, struct answer *ret)
{
	*ret = (struct answer){ 0 };
	if (type != FRAME_BATCH) {
		ret->response = fealty__v1__response__unpack(NULL, body.len, body.data);
		return ret->response != NULL;
	}
	ret->batch = fealty__v1__batch_response__unpack(NULL, body.len, body.data);
	if (ret->batch == NULL)
		return false;
	ret->response = ret->batch->outcome;
	if (ret->response == NULL)
		answer_free(ret);
	return ret->response != NULL;
}

enum verdict
calls_on_response(struct fealty_client *c, uint64_t tag, struct bytes body)
{
	struct call *call = call_of_tag(c, tag, false);

	if (call == NULL) {
		if (c->n_abandoned == 0)
			return DROP;
		c->n_abandoned--;
		return GO_ON;
	}
	struct answer answer;
	if (!answer_unpack(call->type, body, &answer)) {
		call_end_unanswered(call, FEALTY_ERROR_PROTOCOL, "the server sent an answer that cannot be read");
		return DROP;
	}
	if (answer.response->has_seq)
		client_saw_size(c, answer.response->seq + 1);
	call_answered(call, answer);
	return GO_ON;
}

void
calls_on_pong(struct fealty_client *c, uint64_t nonce)
{
	struct call *call = call_of_tag(c, nonce, true);

	if (call != NULL)		/* or it was the link's own, or its call has ended */
		call_end(call, FEALTY_OK, FEALTY_ERROR_NONE, (struct answer){ 0 }, NULL);
}

bool
calls_fail_tag(struct fealty_client *c, uint64_t tag, enum fealty_error error, const char *why, bool applied_never)
{
	struct call *call = call_of_tag(c, tag, false);

	if (call == NULL)
		return false;
	if (applied_never)
		call_move(call, &c->waiting, false);	/* this sending leaves no doubt; an earlier one may */
	call_end_unanswered(call, error, why);
	return true;
}

void
calls_on_lost(struct fealty_client *c)
{
	struct call *call;

	while ((call = TAILQ_LAST(&c->in_flight, call_list)) != NULL) {
		call->in_doubt = call->in_doubt || call->writes;
		call_move(call, &c->queued, true);	/* backwards to the head: the order stays */
	}
	c->n_abandoned = 0;
}

void
calls_give_up(struct fealty_client *c, enum fealty_error error, const char *why)
{
	struct call_list *lists[] = { &c->in_flight, &c->waiting, &c->queued };
	uint32_t n = c->n_calls;		/* callbacks may queue others, behind these: those stay */
	struct call *call;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		for (; n > 0 && (call = TAILQ_FIRST(lists[i])) != NULL; n--)
			call_end_unanswered(call, error, why);
}

bool
calls_waiting(const struct fealty_client *c)
{
	return !TAILQ_EMPTY(&c->queued) || !TAILQ_EMPTY(&c->in_flight);
}

/* ---- starting ---- */

enum fealty_error
call_admit(struct fealty_client *c)
{
	if (c->closing)
		return FEALTY_ERROR_CLOSED;
	if (c->link.state == LINK_DEAD)
		return c->dead_error;
	return FEALTY_ERROR_NONE;
}

static struct call *
call_new(struct fealty_client *c, enum frame_type type, const ProtobufCMessage *message, fealty_result_fn *on_result, void *ctx)
{
	struct call *call = calloc(1, sizeof *call);

	if (call == NULL)
		return NULL;
	call->client = c;
	call->type = type;
	call->on_result = on_result;
	call->ctx = ctx;
	buf_init(&call->body);
	evtimer_assign(&call->deadline, c->base, on_deadline, call);
	evtimer_assign(&call->retry, c->base, on_retry, call);
	if (message == NULL)
		return call;
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(len > 0 ? len : 1);
	if (bytes == NULL) {
		call_free(call);
		return NULL;
	}
	protobuf_c_message_pack(message, bytes);
	call->body.data = bytes;
	call->body.len = call->body.cap = len;
	return call;
}

static enum fealty_error
call_start(struct fealty_client *c, struct call *call, uint32_t deadline_ms, char *ret_key)
{
	uint32_t ms = deadline_ms > 0 ? deadline_ms : c->options.deadline_ms;

	if (ret_key != NULL)
		memcpy(ret_key, call->key, sizeof call->key);
	call->deadline_us = clock_monotonic_us() + (int64_t)ms * 1000;
	timer_in(&call->deadline, ms);
	c->n_calls++;
	call_move(call, &c->queued, false);
	link_want(c);
	link_wake(c);			/* not calls_pump(): it may end calls, and the caller must have returned before */
	return FEALTY_ERROR_NONE;
}

static bool
op_writes(Fealty__V1__Request__OpCase op)
{
	switch (op) {
	case FEALTY__V1__REQUEST__OP_QUOTE:
	case FEALTY__V1__REQUEST__OP_BALANCE:
	case FEALTY__V1__REQUEST__OP_HISTORY:
	case FEALTY__V1__REQUEST__OP_VOUCHERS:
	case FEALTY__V1__REQUEST__OP_TRANSACTION:
	case FEALTY__V1__REQUEST__OP_SHOW_PROGRAM:
	case FEALTY__V1__REQUEST__OP_CHECKPOINT:
	case FEALTY__V1__REQUEST__OP_PROOF:
	case FEALTY__V1__REQUEST__OP_TERMINALS:
	case FEALTY__V1__REQUEST__OP_VAULT:
	case FEALTY__V1__REQUEST__OP_SCRUB:
	case FEALTY__V1__REQUEST__OP_PERSON:
	case FEALTY__V1__REQUEST__OP_SUBSCRIBE:
	case FEALTY__V1__REQUEST__OP__NOT_SET:
		return false;
	default:
		return true;
	}
}

/* The given key, or a new one in ${ret_key}. */
static enum fealty_error
choose_key(struct fealty_client *c, const char *given, bool make, char ret_key[FEALTY_KEY_BYTES_MAX + 1])
{
	ret_key[0] = '\0';
	if (given != NULL && !key_valid(given))
		return FEALTY_ERROR_KEY;
	if (given != NULL)
		snprintf(ret_key, FEALTY_KEY_BYTES_MAX + 1, "%s", given);
	else if (make)
		fealty_key(c, ret_key);
	return FEALTY_ERROR_NONE;
}

enum fealty_error
fealty_call_async(struct fealty_client *c, const Fealty__V1__Request *request, fealty_result_fn *on_result, void *ctx, char *ret_key)
{
	Fealty__V1__Request copy = *request;
	char key[FEALTY_KEY_BYTES_MAX + 1];
	enum fealty_error error = call_admit(c);

	assert(request->op_case != FEALTY__V1__REQUEST__OP_SUBSCRIBE);
	if (error == FEALTY_ERROR_NONE && c->n_queued >= c->options.queue_max)
		error = FEALTY_ERROR_QUEUE_FULL;
	if (error == FEALTY_ERROR_NONE)
		error = choose_key(c, request->key, op_writes(request->op_case), key);
	if (error != FEALTY_ERROR_NONE)
		return error;
	copy.key = *key != '\0' ? key : NULL;
	copy.has_deadline_ms = false;
	struct call *call = call_new(c, FRAME_REQUEST, &copy.base, on_result, ctx);
	if (call == NULL)
		return FEALTY_ERROR_NOMEM;
	call->writes = op_writes(request->op_case);
	memcpy(call->key, key, sizeof call->key);
	return call_start(c, call, request->has_deadline_ms ? request->deadline_ms : 0, ret_key);
}

/* A key made from the batch's must be a key as well: "<key>.<place>". */
static enum fealty_error
check_batch_keys(const Fealty__V1__Batch *batch, const char *key)
{
	size_t place_bytes = (size_t)snprintf(NULL, 0, ".%zu", batch->n_commands);

	for (size_t i = 0; i < batch->n_commands; i++) {
		const char *own = batch->commands[i]->key;

		if (own != NULL ? !key_valid(own) : strlen(key) + place_bytes > FEALTY_KEY_BYTES_MAX)
			return FEALTY_ERROR_KEY;
	}
	return FEALTY_ERROR_NONE;
}

enum fealty_error
fealty_batch_async(struct fealty_client *c, const Fealty__V1__Batch *batch, fealty_result_fn *on_result, void *ctx, char *ret_key)
{
	Fealty__V1__Batch copy = *batch;
	char key[FEALTY_KEY_BYTES_MAX + 1];
	enum fealty_error error = call_admit(c);

	if (error == FEALTY_ERROR_NONE && c->n_queued >= c->options.queue_max)
		error = FEALTY_ERROR_QUEUE_FULL;
	if (error == FEALTY_ERROR_NONE)
		error = choose_key(c, batch->key, true, key);
	if (error == FEALTY_ERROR_NONE)
		error = check_batch_keys(batch, key);
	if (error != FEALTY_ERROR_NONE)
		return error;
	copy.key = key;
	copy.has_deadline_ms = false;
	struct call *call = call_new(c, FRAME_BATCH, &copy.base, on_result, ctx);
	if (call == NULL)
		return FEALTY_ERROR_NOMEM;
	call->writes = true;
	call->n_commands = batch->n_commands < UINT32_MAX ? (uint32_t)batch->n_commands : UINT32_MAX;
	memcpy(call->key, key, sizeof call->key);
	return call_start(c, call, batch->has_deadline_ms ? batch->deadline_ms : 0, ret_key);
}

enum fealty_error
fealty_ping_async(struct fealty_client *c, uint32_t deadline_ms, fealty_result_fn *on_result, void *ctx)
{
	enum fealty_error error = call_admit(c);

	if (error == FEALTY_ERROR_NONE && c->n_queued >= c->options.queue_max)
		error = FEALTY_ERROR_QUEUE_FULL;
	if (error != FEALTY_ERROR_NONE)
		return error;
	struct call *call = call_new(c, FRAME_PING, NULL, on_result, ctx);
	if (call == NULL)
		return FEALTY_ERROR_NOMEM;
	return call_start(c, call, deadline_ms, NULL);
}
