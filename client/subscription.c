/*
 * Invariants.
 * - SUB_SENT and SUB_CANCELLING with a tag: the server knows of it.  SUB_IDLE: it does not, and a timer runs that ends the subscription.
 * - last_seq moves only forward, and only over what the callback has seen or the server has looked at for us; a new connection goes
 * on after it.
 * - Credits granted and not consumed are never more than the window.
 * - A server that answers with what is no protocol, connection after connection, is asked ever more rarely, and given up after deadline_ms: only
 * what moves last_seq or place clears that.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "internal.h"
#include "scan.h"

#define WINDOW_DEFAULT 256u
#define CANCEL_MS 5000u		/* for the answer to CANCEL */
#define RETRY_MS 100u
#define FIELD_SUBSCRIBE (36u << 3 | 2)	/* Request.subscribe */

static void
sub_set_state(struct fealty_subscription *s, enum sub_state to)
{
	static const unsigned allowed[] = {
		[SUB_IDLE] = 1u << SUB_SENT | 1u << SUB_CANCELLING,
		[SUB_SENT] = 1u << SUB_IDLE | 1u << SUB_CANCELLING,
		[SUB_CANCELLING] = 0,
	};

	assert(allowed[s->state] & 1u << to);
	s->state = to;
}

static void
sub_free(struct fealty_subscription *s)
{
	event_del(&s->deadline);
	event_del(&s->retry);
	buf_release(&s->body);
	free(s->member);
	free(s);
}

/* ${response} is given away. */
static void
sub_end(struct fealty_subscription *s, enum fealty_outcome outcome, enum fealty_error error, Fealty__V1__Response *response,
    const char *why)
{
	struct fealty_subscriber to = s->to;
	struct fealty_result result;

	result_fill(&result, outcome, error, (struct answer){ .response = response }, why);
	TAILQ_REMOVE(&s->client->subs, s, entry);
	sub_free(s);
	to.on_end(to.ctx, &result);
	fealty_result_release(&result);
}

static uint64_t
next_seq(const struct fealty_subscription *s)
{
	return s->has_last ? s->last_seq + 1 : 0;
}

/* ---- sending ---- */

static void
sub_put(const struct fealty_subscription *s, struct buf *out)
{
	struct buf op;

	buf_init(&op);
	if (s->place.text[0] != '\0') {
		buf_put_u8(&op, 0x2a);			/* after_event */
		buf_put_string(&op, s->place.text);
	} else if (s->has_last) {
		buf_put_u8(&op, 0x08);			/* after */
		buf_put_varint(&op, s->last_seq);
	}
	if (s->events) {
		buf_put_u8(&op, 0x20);			/* events */
		buf_put_u8(&op, 1);
	}
	buf_put_u8(&op, 0x10);				/* credits */
	buf_put_varint(&op, s->window);
	if (s->member != NULL) {
		buf_put_u8(&op, 0x1a);			/* member */
		buf_put_string(&op, s->member);
	}
	buf_put_varint(out, FIELD_SUBSCRIBE);
	buf_put_varint(out, op.len);
	buf_put(out, op.data, op.len);
	if (buf_status(&op) != ST_OK)
		out->failed = true;
	buf_release(&op);
}

static void
sub_send(struct fealty_subscription *s)
{
	struct fealty_client *c = s->client;
	struct buf more;

	if (c->n_in_flight + c->n_abandoned + subs_in_flight(c) >= in_flight_max(c)) {
		timer_in(&s->retry, RETRY_MS);
		return;
	}
	buf_init(&more);
	sub_put(s, &more);
	if (buf_status(&more) != ST_OK) {
		buf_release(&more);
		sub_end(s, FEALTY_FAILED, FEALTY_ERROR_NOMEM, NULL, NULL);
		return;
	}
	s->tag = client_new_tag(c);
	s->used = 0;
	s->sent_us = clock_monotonic_us();
	sub_set_state(s, SUB_SENT);
	event_del(&s->deadline);
	link_send(c, FRAME_REQUEST, s->tag, buf_bytes(&s->body), buf_bytes(&more));
	buf_release(&more);
}

/* The link is ready and the server does not know of us. */
static void
sub_begin(struct fealty_subscription *s)
{
	struct fealty_client *c = s->client;

	assert(s->state == SUB_IDLE);
	if (s->to.stop_at_head && next_seq(s) >= c->hello.size_seen) {
		sub_end(s, FEALTY_OK, FEALTY_ERROR_NONE, NULL, NULL);
		return;
	}
	sub_send(s);
}

static void
on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct fealty_subscription *s = ctx;

	(void)fd, (void)what;
	if (s->state == SUB_IDLE && s->client->link.state == LINK_READY)
		sub_begin(s);
}

static void
on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct fealty_subscription *s = ctx;
	struct fealty_client *c = s->client;
	char text[TEXT_BYTES];

	(void)fd, (void)what;
	if (s->state == SUB_CANCELLING) {
		if (s->tag != 0)
			c->n_abandoned++;
		sub_end(s, FEALTY_OK, FEALTY_ERROR_NONE, NULL, NULL);
		return;
	}
	assert(s->state == SUB_IDLE);
	bool nonsense = c->link.lost_error == FEALTY_ERROR_PROTOCOL;
	say(text, nonsense ? "%s" : "no connection before the deadline; %s", c->trouble);
	sub_end(s, FEALTY_FAILED, nonsense ? FEALTY_ERROR_PROTOCOL : FEALTY_ERROR_DEADLINE, NULL, text);
}

void
fealty_subscription_cancel(struct fealty_subscription *s)
{
	bool known = s->state == SUB_SENT;

	if (s->state == SUB_CANCELLING)
		return;
	sub_set_state(s, SUB_CANCELLING);
	if (known)
		link_send(s->client, FRAME_CANCEL, s->tag, bytes_of(NULL, 0), bytes_of(NULL, 0));
	else
		s->tag = 0;
	event_del(&s->deadline);
	timer_in(&s->deadline, known ? CANCEL_MS : 0);
}

/* ---- events of the link ---- */

static void
sub_idle(struct fealty_subscription *s)
{
	sub_set_state(s, SUB_IDLE);
	timer_in(&s->deadline, s->deadline_ms);
}

/* Only right after a HELLO_OK: later its size is old. */
static bool
sub_rolled_back(const struct fealty_subscription *s)
{
	const Fealty__V1__HelloOk *ok = s->client->hello_ok;

	return ok->has_size && ((s->has_last && ok->size <= s->last_seq) || (s->place.text[0] != '\0' && ok->size <= s->place.seq));
}

static void
sub_end_rolled_back(struct fealty_subscription *s)
{
	char text[TEXT_BYTES];

	say(text, "the ledger has %" PRIu64 " transactions, and transaction %" PRIu64 " was seen before: an old copy was restored",
	    s->client->hello_ok->size, s->place.text[0] != '\0' ? s->place.seq : s->last_seq);
	sub_end(s, FEALTY_FAILED, FEALTY_ERROR_ROLLED_BACK, NULL, text);
}

void
subs_on_ready(struct fealty_client *c)
{
	struct fealty_subscription *s, *next;

	for (s = TAILQ_FIRST(&c->subs); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);	/* callbacks only add, at the tail */
		if (s->state != SUB_IDLE)
			continue;
		if (sub_rolled_back(s))
			sub_end_rolled_back(s);
		else
			sub_begin(s);
	}
}

/* One that broke the protocol only after as long as the deadline was good until then. */
static void
sub_astray(struct fealty_subscription *s)
{
	int64_t now_us = clock_monotonic_us();

	if (s->astray_us == 0 || now_us - s->sent_us >= (int64_t)s->deadline_ms * 1000)
		s->astray_us = now_us;
}

static bool
sub_lost_for_good(const struct fealty_subscription *s)
{
	return s->astray_us != 0 && clock_monotonic_us() - s->astray_us >= (int64_t)s->deadline_ms * 1000;
}

void
subs_on_lost(struct fealty_client *c, enum fealty_error error, const char *why)
{
	struct fealty_subscription *s, *next;

	TAILQ_FOREACH(s, &c->subs, entry) {	/* all, before any callback can cancel one */
		if (s->state != SUB_SENT)
			continue;
		if (error == FEALTY_ERROR_PROTOCOL)
			sub_astray(s);
		sub_idle(s);
	}
	for (s = TAILQ_FIRST(&c->subs); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->state == SUB_CANCELLING && s->tag != 0)
			sub_end(s, FEALTY_OK, FEALTY_ERROR_NONE, NULL, NULL);
		else if (s->state == SUB_IDLE && error == FEALTY_ERROR_PROTOCOL && sub_lost_for_good(s))
			sub_end(s, FEALTY_FAILED, error, NULL, why);
	}
}

void
subs_give_up(struct fealty_client *c, enum fealty_error error, const char *why)
{
	struct fealty_subscription *s, *next;

	for (s = TAILQ_FIRST(&c->subs); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->state == SUB_CANCELLING)
			sub_end(s, FEALTY_OK, FEALTY_ERROR_NONE, NULL, NULL);
		else
			sub_end(s, FEALTY_FAILED, error, NULL, why);
	}
}

static struct fealty_subscription *
sub_of_tag(struct fealty_client *c, uint64_t tag)
{
	struct fealty_subscription *s;

	TAILQ_FOREACH(s, &c->subs, entry)
		if (s->state != SUB_IDLE && s->tag == tag)
			return s;
	return NULL;
}

bool
subs_fail_tag(struct fealty_client *c, uint64_t tag, enum fealty_error error, const char *why)
{
	struct fealty_subscription *s = sub_of_tag(c, tag);

	if (s == NULL)
		return false;
	sub_end(s, FEALTY_FAILED, error, NULL, why);
	return true;
}

uint32_t
subs_in_flight(const struct fealty_client *c)
{
	const struct fealty_subscription *s;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &c->subs, entry)
		n += s->state != SUB_IDLE && s->tag != 0;
	return n;
}

/* ---- what the server sends ---- */

/* Something new came. */
static void
sub_moved(struct fealty_subscription *s)
{
	s->astray_us = 0;
	s->client->link.failures = 0;
	s->client->link.lost_error = FEALTY_ERROR_NONE;
}

static void
sub_grant(struct fealty_subscription *s, uint32_t n)
{
	struct buf body;

	s->used += n;
	if (s->used < (s->window + 1) / 2)
		return;
	buf_init(&body);
	buf_put_u8(&body, 0x08);		/* Credit.credits */
	buf_put_varint(&body, s->used);
	if (buf_status(&body) == ST_OK) {	/* else the next transactions bring another chance */
		link_send(s->client, FRAME_CREDIT, s->tag, buf_bytes(&body), bytes_of(NULL, 0));
		s->used = 0;
	}
	buf_release(&body);
}

/* Without a filter a transaction's seq is its place, whatever its bytes say: a damaged one is the caller's to find, not ours to ask for again. */
static bool
push_seq(const struct fealty_subscription *s, const Fealty__V1__Push *push, size_t index, uint64_t *ret_seq)
{
	if (s->filtered) {
		struct bytes data = bytes_of(push->transactions[index].data, push->transactions[index].len);
		return scan_transaction_seq(data, ret_seq) && *ret_seq >= next_seq(s);
	}
	*ret_seq = next_seq(s);
	if (push->has_last_seq && push->last_seq - *ret_seq != push->n_transactions - 1 - index)
		return false;		/* it left some out */
	return !push->has_first_seq || push->first_seq + index == *ret_seq;
}

/* False when the server sent something else than the next transactions. */
static bool
sub_deliver(struct fealty_subscription *s, const Fealty__V1__Push *push)
{
	for (size_t i = 0; i < push->n_transactions && s->state == SUB_SENT; i++) {
		struct fealty_transaction t = { .data = push->transactions[i].data, .data_bytes = push->transactions[i].len, .head = push->head };

		if (!push_seq(s, push, i, &t.seq))
			return false;
		client_saw_size(s->client, t.seq + 1);
		bool go_on = s->to.on_transaction(s->to.ctx, &t);
		s->has_last = true;
		s->last_seq = t.seq;
		sub_moved(s);
		if (!go_on)
			fealty_subscription_cancel(s);
	}
	return true;
}

/* ---- events ---- */

static bool
place_number(const char **text, char end, uint64_t *ret)
{
	char *rest;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	unsigned long long n = strtoull(*text, &rest, 10);
	if (errno != 0 || *rest != end)
		return false;
	*ret = n;
	*text = rest + (end != '\0');
	return true;
}

/* False: it is none; its text, as far as there is room, is kept for the server to refuse. */
static bool
place_parse(const char *text, struct event_place *ret)
{
	*ret = (struct event_place){ .text = "" };
	if (text == NULL)
		return false;
	(void)snprintf(ret->text, sizeof(ret->text), "%s", text);
	return place_number(&text, '.', &ret->seq) && place_number(&text, '.', &ret->index) && place_number(&text, '\0', &ret->n);
}

/* Behind what was there before. */
static bool
place_follows(const struct fealty_subscription *s, const struct event_place *place)
{
	const struct event_place *last = &s->place;

	if (place->seq < next_seq(s))
		return false;
	if (last->text[0] == '\0' || place->seq != last->seq)
		return last->text[0] == '\0' || place->seq > last->seq;
	return place->index > last->index || (place->index == last->index && place->n > last->n);
}

/* False when the server sent something else than the next events. */
static bool
sub_deliver_events(struct fealty_subscription *s, const Fealty__V1__Push *push)
{
	for (size_t i = 0; i < push->n_events && s->state == SUB_SENT; i++) {
		struct fealty_event e = { .event = push->events[i], .head = push->head };
		struct event_place place;

		if (!place_parse(e.event->id, &place) || !place_follows(s, &place))
			return false;
		e.seq = place.seq;
		client_saw_size(s->client, place.seq + 1);
		bool go_on = s->to.on_event(s->to.ctx, &e);
		s->place = place;
		sub_moved(s);
		if (!go_on)
			fealty_subscription_cancel(s);
	}
	return true;
}

/* All up to there has been looked at. */
static void
sub_progress(struct fealty_subscription *s, uint64_t last_seq)
{
	if (s->has_last && last_seq <= s->last_seq)
		return;
	s->has_last = true;
	s->last_seq = last_seq;
	sub_moved(s);
	if (s->place.text[0] != '\0' && s->place.seq <= last_seq)
		s->place.text[0] = '\0';
	if (s->events && s->to.on_progress != NULL && !s->to.on_progress(s->to.ctx, last_seq))
		fealty_subscription_cancel(s);
}

enum verdict
subs_on_push(struct fealty_client *c, uint64_t tag, struct bytes body)
{
	struct fealty_subscription *s = sub_of_tag(c, tag);

	if (s == NULL)
		return DROP;
	if (s->state == SUB_CANCELLING)
		return GO_ON;
	Fealty__V1__Push *push = fealty__v1__push__unpack(NULL, body.len, body.data);
	if (push == NULL)
		return DROP;
	bool good = s->events ? push->n_transactions == 0 && sub_deliver_events(s, push) : sub_deliver(s, push);
	if (good && s->state == SUB_SENT && push->has_last_seq)
		sub_progress(s, push->last_seq);
	if (good && s->state == SUB_SENT) {
		size_t n = s->events ? push->n_events : push->n_transactions;

		client_saw_size(c, push->head);
		if (s->to.stop_at_head && push->has_head && next_seq(s) >= push->head)
			fealty_subscription_cancel(s);
		else if (n > 0)
			sub_grant(s, (uint32_t)n);
	}
	fealty__v1__push__free_unpacked(push, NULL);
	return good ? GO_ON : DROP;
}

bool
subs_on_response(struct fealty_client *c, uint64_t tag, struct bytes body, enum verdict *ret_verdict)
{
	struct fealty_subscription *s = sub_of_tag(c, tag);

	if (s == NULL)
		return false;
	Fealty__V1__Response *response = fealty__v1__response__unpack(NULL, body.len, body.data);
	*ret_verdict = response != NULL ? GO_ON : DROP;
	if (response == NULL)
		return true;
	if (s->state == SUB_CANCELLING) {
		fealty__v1__response__free_unpacked(response, NULL);
		sub_end(s, FEALTY_OK, FEALTY_ERROR_NONE, NULL, NULL);
	} else if (response->retryable) {
		sub_idle(s);
		timer_in(&s->retry, response->has_retry_after_ms && response->retry_after_ms > 0 ? response->retry_after_ms : RETRY_MS);
		fealty__v1__response__free_unpacked(response, NULL);
	} else {
		sub_end(s, FEALTY_REFUSED, FEALTY_ERROR_NONE, response, NULL);
	}
	return true;
}

/* ---- starting ---- */

static bool
sub_copy(struct fealty_subscription *s, const Fealty__V1__Request *request)
{
	const Fealty__V1__Subscribe *op = request->subscribe;
	Fealty__V1__Request rest = *request;

	rest.op_case = FEALTY__V1__REQUEST__OP__NOT_SET;
	rest.has_deadline_ms = false;
	size_t len = fealty__v1__request__get_packed_size(&rest);
	s->body.data = malloc(len > 0 ? len : 1);
	if (s->body.data == NULL)
		return false;
	s->body.len = s->body.cap = len;
	fealty__v1__request__pack(&rest, s->body.data);
	s->has_last = op->has_after;
	s->last_seq = op->has_after ? op->after : 0;
	s->window = op->has_credits && op->credits > 0 ? op->credits : WINDOW_DEFAULT;
	s->events = op->events;
	if (op->after_event != NULL)
		(void)place_parse(op->after_event, &s->place);
	bool of_member = op->member != NULL && *op->member != '\0';
	s->filtered = of_member || (request->program != NULL && *request->program != '\0');
	if (of_member)
		s->member = strdup(op->member);
	return !of_member || s->member != NULL;
}

enum fealty_error
fealty_subscribe_async(struct fealty_client *c, const Fealty__V1__Request *request, const struct fealty_subscriber *subscriber,
    struct fealty_subscription **ret_subscription)
{
	enum fealty_error error = call_admit(c);

	assert(request->op_case == FEALTY__V1__REQUEST__OP_SUBSCRIBE && subscriber->on_end != NULL);
	assert(request->subscribe->events ? subscriber->on_event != NULL : subscriber->on_transaction != NULL);
	if (error != FEALTY_ERROR_NONE)
		return error;
	struct fealty_subscription *s = calloc(1, sizeof *s);
	if (s == NULL)
		return FEALTY_ERROR_NOMEM;
	s->client = c;
	s->to = *subscriber;
	s->deadline_ms = request->has_deadline_ms && request->deadline_ms > 0 ? request->deadline_ms : c->options.deadline_ms;
	buf_init(&s->body);
	evtimer_assign(&s->deadline, c->base, on_deadline, s);
	evtimer_assign(&s->retry, c->base, on_retry, s);
	if (!sub_copy(s, request)) {
		sub_free(s);
		return FEALTY_ERROR_NOMEM;
	}
	TAILQ_INSERT_TAIL(&c->subs, s, entry);
	timer_in(&s->deadline, s->deadline_ms);
	if (c->link.state == LINK_READY)
		timer_in(&s->retry, 0);
	link_want(c);
	*ret_subscription = s;
	return FEALTY_ERROR_NONE;
}
