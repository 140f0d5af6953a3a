/*
 * Invariants.
 * - hello.size_seen only grows, and so does the evidence against a server that shows less: rolled_back stays.
 * - A client that once had a HELLO_OK never goes on with another ledger or as another principal: request ids are per principal and ledger,
 *   so sending a doubtful command there could apply it twice.
 * - Blocking calls are the asynchronous ones plus a run of the client's own loop; `running` keeps callbacks from blocking inside it.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

#define HELLO_TEXT_BYTES_MAX 512	/* of each string in HELLO: all of them stay below the 4 KiB that a server takes */

void
fealty_options_init(struct fealty_options *options)
{
	*options = (struct fealty_options){
		.deadline_ms = 10000,
		.connect_ms = 5000,
		.backoff_min_ms = 50,
		.backoff_max_ms = 10000,
		.queue_max = 1024,
	};
}

/* ---- life ---- */

static char *
copy_text(const char *text, const char *otherwise)
{
	return strndup(text != NULL ? text : otherwise, HELLO_TEXT_BYTES_MAX);
}

/* A file's name or a server's; false: no memory. */
static bool
copy_option(char **ret, const char *text)
{
	*ret = text == NULL ? NULL : strdup(text);
	return text == NULL || *ret != NULL;
}

static bool
copy_tls(struct fealty_client *c, const struct fealty_options *o)
{
	return copy_option(&c->tls_ca, o->tls_ca) && copy_option(&c->tls_cert, o->tls_cert) && copy_option(&c->tls_key, o->tls_key) &&
	    copy_option(&c->tls_server_name, o->tls_server_name);
}

static bool
client_fill(struct fealty_client *c, const char *address, const struct fealty_options *options, struct event_base *base)
{
	c->options = *options;
	if (c->options.backoff_min_ms == 0)
		c->options.backoff_min_ms = 1;
	c->hello.size_seen = options->size_seen;
	if (options->root_seen != NULL && options->size_seen > 0) {
		memcpy(c->root_seen, options->root_seen, sizeof c->root_seen);
		c->has_root_seen = true;
	}
	c->address_text = strdup(address);
	c->principal = copy_text(options->principal, "");
	c->client_name = copy_text(options->client_name, "libfealty");
	c->client_version = copy_text(options->client_version, "");
	if (c->address_text == NULL || c->principal == NULL || c->client_name == NULL || c->client_version == NULL || !copy_tls(c, options))
		return false;

	struct event_config *config = base == NULL ? event_config_new() : NULL;
	if (config != NULL) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		base = event_base_new_with_config(config);
		event_config_free(config);
		c->own_base = true;
	}
	c->base = base;
	return base != NULL;
}

static void
client_release(struct fealty_client *c)
{
	address_release(c);
	if (c->own_base && c->base != NULL)
		event_base_free(c->base);
	if (c->hello_ok != NULL)
		fealty__v1__hello_ok__free_unpacked(c->hello_ok, NULL);
	free(c->address_text);
	free(c->principal);
	free(c->client_name);
	free(c->client_version);
	free(c->tls_ca);
	free(c->tls_cert);
	free(c->tls_key);
	free(c->tls_server_name);
	free(c);
}

enum fealty_error
fealty_client_new(const char *address, const struct fealty_options *options, struct event_base *base, struct fealty_client **ret_client)
{
	struct fealty_options defaults;
	struct fealty_client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return FEALTY_ERROR_NOMEM;
	fealty_options_init(&defaults);
	TAILQ_INIT(&c->queued);
	TAILQ_INIT(&c->in_flight);
	TAILQ_INIT(&c->waiting);
	TAILQ_INIT(&c->subs);
	enum fealty_error error = client_fill(c, address, options != NULL ? options : &defaults, base) ? FEALTY_ERROR_NONE : FEALTY_ERROR_NOMEM;
	if (error == FEALTY_ERROR_NONE && c->tls_ca != NULL && (c->tls_cert == NULL || c->tls_key == NULL))
		error = FEALTY_ERROR_NO_TLS;
	if (error == FEALTY_ERROR_NONE)
		error = address_parse(c, address);
	if (error != FEALTY_ERROR_NONE) {
		client_release(c);
		return error;
	}
	link_init(c);
	*ret_client = c;
	return FEALTY_ERROR_NONE;
}

void
fealty_client_free(struct fealty_client *c)
{
	if (c == NULL)
		return;
	assert(!c->running);
	c->closing = true;
	calls_give_up(c, FEALTY_ERROR_CLOSED, fealty_error_str(FEALTY_ERROR_CLOSED));
	subs_give_up(c, FEALTY_ERROR_CLOSED, fealty_error_str(FEALTY_ERROR_CLOSED));
	assert(c->n_calls == 0 && c->n_queued == 0 && c->n_in_flight == 0);
	link_release(c);
	client_release(c);
}

/* ---- what the files share ---- */

bool
client_has_work(const struct fealty_client *c)
{
	return calls_waiting(c) || !TAILQ_EMPTY(&c->subs);
}

uint64_t
client_new_tag(struct fealty_client *c)
{
	return ++c->next_tag;
}

void
client_saw_size(struct fealty_client *c, uint64_t size)
{
	if (size > c->hello.size_seen)
		c->hello.size_seen = size;
}

void
timer_in(struct event *timer, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	event_add(timer, &tv);
}

void
say(char ret_text[static TEXT_BYTES], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_text, TEXT_BYTES, format, args);
	va_end(args);
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool
hello_fits(struct fealty_client *c, const Fealty__V1__HelloOk *ok)
{
	const Fealty__V1__HelloOk *before = c->hello_ok;
	const char *principal = ok->principal != NULL ? ok->principal : "";

	if (ok->has_version && ok->version != FRAME_VERSION)
		say(c->trouble, "the server chose protocol version %u", ok->version);
	else if (*c->principal != '\0' && !same_text(c->principal, principal))
		say(c->trouble, "the server takes us for '%s', not '%s'", principal, c->principal);
	else if (before != NULL && !same_text(before->principal, principal))
		say(c->trouble, "the server takes us for '%s', and for '%s' before", principal, before->principal);
	else if (before != NULL && !same_text(before->origin, ok->origin))
		say(c->trouble, "the server has the ledger '%s', and had '%s' before", ok->origin != NULL ? ok->origin : "",
		    before->origin != NULL ? before->origin : "");
	else
		return true;
	return false;
}

enum fealty_error
client_take_hello(struct fealty_client *c, struct bytes body)
{
	Fealty__V1__HelloOk *ok = fealty__v1__hello_ok__unpack(NULL, body.len, body.data);

	if (ok == NULL) {
		say(c->trouble, "the server sent a HELLO_OK that cannot be read");
		return FEALTY_ERROR_PROTOCOL;
	}
	if (!hello_fits(c, ok)) {
		fealty__v1__hello_ok__free_unpacked(ok, NULL);
		return FEALTY_ERROR_IDENTITY;
	}
	if (c->hello_ok != NULL)
		fealty__v1__hello_ok__free_unpacked(c->hello_ok, NULL);
	c->hello_ok = ok;
	c->hello.ok = ok;
	c->hello.connections++;
	if (ok->has_size && ok->size < c->hello.size_seen)
		c->hello.rolled_back = true;
	if (ok->has_size)
		client_saw_size(c, ok->size);
	return FEALTY_ERROR_NONE;
}

const struct fealty_hello *
fealty_hello(const struct fealty_client *c)
{
	return c->hello.ok != NULL ? &c->hello : NULL;
}

const char *
fealty_trouble(const struct fealty_client *c)
{
	return c->trouble;
}

void
fealty_key(struct fealty_client *c, char ret_key[FEALTY_KEY_BYTES_MAX + 1])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	key_next(&c->keys, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, ret_key);
}

/* ---- blocking ---- */

static void
run_once(struct fealty_client *c, int flags)
{
	assert(c->own_base && !c->running);
	c->running = true;
	event_base_loop(c->base, flags);
	c->running = false;
}

void
client_run_until(struct fealty_client *c, const bool *done)
{
	while (!*done)
		run_once(c, EVLOOP_ONCE);
}

struct waiter {
	struct fealty_result *result;
	bool done;
};

static void
on_waited(void *ctx, struct fealty_result *result)
{
	struct waiter *w = ctx;

	*w->result = *result;
	result->response = NULL;
	result->batch = NULL;
	w->done = true;
}

static enum fealty_outcome
wait_for(struct fealty_client *c, enum fealty_error error, struct waiter *w)
{
	if (error == FEALTY_ERROR_NONE)
		client_run_until(c, &w->done);
	else
		result_fill(w->result, FEALTY_FAILED, error, (struct answer){ 0 },
		    c->link.state == LINK_DEAD && error == c->dead_error ? c->trouble : NULL);
	return w->result->outcome;
}

/* Sees what happened to the connection since the last call, so that nothing is sent into one that the server has closed. */
static void
catch_up(struct fealty_client *c)
{
	if (c->link.fd >= 0)
		run_once(c, EVLOOP_NONBLOCK);
	assert(c->own_base && !c->running);
}

enum fealty_outcome
fealty_call(struct fealty_client *c, const Fealty__V1__Request *request, struct fealty_result *ret_result)
{
	struct waiter w = { .result = ret_result };

	catch_up(c);
	return wait_for(c, fealty_call_async(c, request, on_waited, &w, NULL), &w);
}

enum fealty_outcome
fealty_batch(struct fealty_client *c, const Fealty__V1__Batch *batch, struct fealty_result *ret_result)
{
	struct waiter w = { .result = ret_result };

	catch_up(c);
	return wait_for(c, fealty_batch_async(c, batch, on_waited, &w, NULL), &w);
}

enum fealty_outcome
fealty_ping(struct fealty_client *c, uint32_t deadline_ms, struct fealty_result *ret_result)
{
	struct waiter w = { .result = ret_result };

	catch_up(c);
	return wait_for(c, fealty_ping_async(c, deadline_ms, on_waited, &w), &w);
}

/* The subscriber's callback with the waiter beside it. */
struct sub_waiter {
	struct waiter waiter;
	const struct fealty_subscriber *to;
};

static bool
on_waited_transaction(void *ctx, const struct fealty_transaction *t)
{
	struct sub_waiter *w = ctx;

	return w->to->on_transaction(w->to->ctx, t);
}

static bool
on_waited_event(void *ctx, const struct fealty_event *event)
{
	struct sub_waiter *w = ctx;

	return w->to->on_event(w->to->ctx, event);
}

static bool
on_waited_progress(void *ctx, uint64_t last_seq)
{
	struct sub_waiter *w = ctx;

	return w->to->on_progress == NULL || w->to->on_progress(w->to->ctx, last_seq);
}

static void
on_waited_end(void *ctx, struct fealty_result *result)
{
	struct sub_waiter *w = ctx;

	on_waited(&w->waiter, result);
}

enum fealty_outcome
fealty_subscribe(struct fealty_client *c, const Fealty__V1__Request *request, const struct fealty_subscriber *subscriber,
    struct fealty_result *ret_result)
{
	struct sub_waiter w = { .waiter = { .result = ret_result }, .to = subscriber };
	struct fealty_subscriber to = {
		.ctx = &w, .on_transaction = on_waited_transaction, .on_event = on_waited_event, .on_progress = on_waited_progress,
		.on_end = on_waited_end, .stop_at_head = subscriber->stop_at_head,
	};
	struct fealty_subscription *subscription;

	assert(subscriber->on_end == NULL);
	catch_up(c);
	return wait_for(c, fealty_subscribe_async(c, request, &to, &subscription), &w.waiter);
}

void
fealty_wait(struct fealty_client *c, uint32_t outstanding_max)
{
	while (c->n_calls > outstanding_max)
		run_once(c, EVLOOP_ONCE);
}

void
fealty_result_release(struct fealty_result *r)
{
	struct answer answer = { r->response, r->batch };

	answer_free(&answer);
	r->response = NULL;
	r->batch = NULL;
}
