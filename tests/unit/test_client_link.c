/* The client's connection: loss, refusal, draining, silence, oversized replies, roll-back; and subscriptions across all that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/bytes.h"
#include "fake_server.h"

/* ---- the connection ---- */

static void
script_goaway(struct server *s)
{
	Fealty__V1__Goaway g = FEALTY__V1__GOAWAY__INIT;

	server_accept(s);
	uint64_t tag = server_expect(s, "first");
	server_send(s, FRAME_GOAWAY, 0, &g.base);
	assert(!readable_within(s->fd, 50));	/* `second` is not sent here */
	server_ok(s, tag);
	server_expect_close(s);
	server_accept(s);
	server_ok(s, server_expect(s, "second"));
	server_expect_close(s);
}

static void
test_goaway(void **state)
{
	struct server *s = server_start(script_goaway);
	struct fealty_client *c = client_of(s, NULL);
	struct tally t = { 0 };

	(void)state;
	s->hello.in_flight_max = 1;
	server_go(s);
	start_purchase(c, "first", &t);
	start_purchase(c, "second", &t);
	fealty_wait(c, 0);
	assert_int_equal(t.ok, 2);
	assert_int_equal(fealty_hello(c)->connections, 2);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_refused_principal(struct server *s)
{
	server_accept_only(s);
	server_error(s, FEALTY__V1__ERROR__REASON__PRINCIPAL_REFUSED, "operator is not for this door", 0);
	server_expect_close(s);
	assert(!readable_within(s->listener, 200));	/* and it does not come again */
}

static void
test_principal_refused_is_final(void **state)
{
	struct server *s = server_start(script_refused_principal);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;
	struct purchase p;

	(void)state;
	server_go(s);
	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_REJECTED);
	assert_non_null(strstr(r.message, "PRINCIPAL_REFUSED: operator is not for this door"));
	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_FAILED);
	assert_non_null(strstr(r.message, "PRINCIPAL_REFUSED"));
	purchase_init(&p, NULL);
	assert_int_equal(fealty_call_async(c, &p.request, on_tally, NULL, NULL), FEALTY_ERROR_REJECTED);
	server_join(s);
	fealty_client_free(c);
	server_end(s);
}

static void
script_busy_then_fine(struct server *s)
{
	server_accept_only(s);
	server_error(s, FEALTY__V1__ERROR__REASON__TOO_MANY_CONNECTIONS, "16384 connections", 0);
	server_accept(s);
	server_ok(s, server_expect(s, NULL));
	server_expect_close(s);
}

static void
test_transient_error_reconnects(void **state)
{
	struct server *s = server_start(script_busy_then_fine);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	server_go(s);
	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_OK);
	assert_int_equal(r.attempts, 1);
	assert_non_null(strstr(fealty_trouble(c), "TOO_MANY_CONNECTIONS: 16384 connections"));
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_malformed(struct server *s)
{
	server_accept(s);
	server_expect(s, "good");
	uint64_t bad = server_expect(s, "bad");
	server_error(s, FEALTY__V1__ERROR__REASON__MALFORMED, "not a Request", bad);
	server_accept(s);
	server_ok(s, server_expect(s, "good"));
	server_expect_close(s);
}

static void
test_error_about_one_frame(void **state)
{
	struct server *s = server_start(script_malformed);
	struct fealty_client *c = client_of(s, NULL);
	struct tally good = { 0 }, bad = { 0 };

	(void)state;
	server_go(s);
	start_purchase(c, "good", &good);
	start_purchase(c, "bad", &bad);
	fealty_wait(c, 0);
	assert_int_equal(good.ok, 1);
	assert_int_equal(bad.failed, 1);	/* its one sending was not understood: it was not applied */
	assert_int_equal(bad.last_error, FEALTY_ERROR_REJECTED);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_oversized(struct server *s)
{
	struct frame_header h = { .version = FRAME_VERSION, .type = FRAME_RESPONSE };
	uint8_t bytes[FRAME_HEADER_BYTES];
	Fealty__V1__Response big = FEALTY__V1__RESPONSE__INIT;

	server_accept(s);
	big.has_transaction = true;
	big.transaction = (ProtobufCBinaryData){ 499000, s->body };
	server_send(s, FRAME_RESPONSE, server_expect(s, "fits"), &big.base);
	for (int i = 0; i < 2; i++) {
		server_expect(s, NULL);
		h.tag = s->header.tag;
		h.body_bytes = s->hello.reply_bytes_max + 1;
		frame_header_encode(&h, bytes);
		assert(send(s->fd, bytes, sizeof bytes, MSG_NOSIGNAL) == sizeof bytes);
		server_expect_close(s);		/* without waiting for the body */
		server_accept(s);
	}
	server_ok(s, server_expect(s, "next"));
	server_expect_close(s);
}

static void
test_oversized_reply(void **state)
{
	struct server *s = server_start(script_oversized);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	s->hello.has_reply_bytes_max = true;
	s->hello.reply_bytes_max = 500000;
	server_go(s);
	assert_int_equal(do_purchase(c, "fits", &r), FEALTY_OK);
	assert_int_equal(r.response->transaction.len, 499000);
	fealty_result_release(&r);
	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_UNKNOWN);
	assert_int_equal(r.error, FEALTY_ERROR_PROTOCOL);
	assert_non_null(strstr(r.message, "500001 bytes"));
	assert_int_equal(do_balance(c, &r), FEALTY_FAILED);
	assert_int_equal(do_purchase(c, "next", &r), FEALTY_OK);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_rolled_back(struct server *s)
{
	server_accept(s);
	assert(s->checkpoint_size == 90);
	server_ok(s, server_expect(s, NULL));
	s->hello.size = 70;
	server_accept(s);
	assert(s->checkpoint_size == 100);
	server_ok(s, server_expect(s, NULL));
	server_expect_close(s);
}

static void
test_roll_back_is_noticed(void **state)
{
	struct server *s = server_start(script_rolled_back);
	struct fealty_options o = options_with_deadline(5000);
	struct fealty_result r;

	(void)state;
	o.size_seen = 90;
	s->hello.size = 100;
	struct fealty_client *c = client_of(s, &o);
	server_go(s);
	assert_int_equal(do_balance(c, &r), FEALTY_OK);
	fealty_result_release(&r);
	assert_false(fealty_hello(c)->rolled_back);
	assert_int_equal(fealty_hello(c)->size_seen, 100);
	assert_int_equal(do_balance(c, &r), FEALTY_OK);
	fealty_result_release(&r);
	assert_true(fealty_hello(c)->rolled_back);
	assert_int_equal(fealty_hello(c)->size_seen, 100);
	assert_int_equal(fealty_hello(c)->ok->size, 70);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_other_ledger(struct server *s)
{
	server_accept(s);
	server_expect(s, "w");
	s->hello.origin = (char *)"other.example/log";
	server_accept(s);
	server_expect_close(s);		/* the doubtful command never goes to another ledger */
}

static void
test_other_ledger_after_reconnect(void **state)
{
	struct server *s = server_start(script_other_ledger);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	server_go(s);
	assert_int_equal(do_purchase(c, "w", &r), FEALTY_UNKNOWN);
	assert_int_equal(r.error, FEALTY_ERROR_IDENTITY);
	assert_non_null(strstr(r.message, "other.example/log"));
	server_join(s);
	fealty_client_free(c);
	server_end(s);
}

static void
script_garbage(struct server *s)
{
	server_accept(s);
	server_expect(s, "g");
	assert(send(s->fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL) == 28);
	server_accept(s);
	uint64_t tag = server_expect(s, "g");
	server_ok(s, tag + 1000);	/* an answer to nothing */
	server_accept(s);
	server_ok(s, server_expect(s, "g"));
	server_expect_close(s);
}

static void
test_garbage_is_survived(void **state)
{
	struct server *s = server_start(script_garbage);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	server_go(s);
	assert_int_equal(do_purchase(c, "g", &r), FEALTY_OK);
	assert_int_equal(r.attempts, 3);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
test_no_server(void **state)
{
	struct fealty_options o = options_with_deadline(300);
	struct fealty_client *c = NULL;
	struct fealty_result r;

	(void)state;
	assert_int_equal(fealty_client_new("unix:/nonexistent/fealty", &o, NULL, &c), FEALTY_ERROR_NONE);
	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_FAILED);	/* never sent: no doubt */
	assert_int_equal(r.error, FEALTY_ERROR_DEADLINE);
	assert_non_null(strstr(r.message, "No such file"));
	fealty_client_free(c);

	o.connects_max = 1;
	o.deadline_ms = 60000;
	assert_int_equal(fealty_client_new("/nonexistent/fealty", &o, NULL, &c), FEALTY_ERROR_NONE);
	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_CONNECT);
	assert_int_equal(fealty_ping(c, 0, &r), FEALTY_FAILED);
	fealty_client_free(c);
}

static void
test_addresses(void **state)
{
	static const struct { const char *text; enum fealty_error want; } cases[] = {
		{ "unix:/run/x", FEALTY_ERROR_NONE },	{ "/run/x", FEALTY_ERROR_NONE },
		{ "127.0.0.1:7450", FEALTY_ERROR_NONE },	{ "[::1]:7450", FEALTY_ERROR_NONE },
		{ "192.0.2.1:7450", FEALTY_ERROR_NO_TLS },	{ "[2001:db8::1]:7450", FEALTY_ERROR_NO_TLS },	{ "no name:7450", FEALTY_ERROR_ADDRESS },
		{ "localhost:7450", FEALTY_ERROR_NO_TLS },	{ "unix:", FEALTY_ERROR_ADDRESS },	{ "", FEALTY_ERROR_ADDRESS },	{ ":7450", FEALTY_ERROR_ADDRESS },
		{ "127.0.0.1", FEALTY_ERROR_ADDRESS },	{ "127.0.0.1:0", FEALTY_ERROR_ADDRESS },	{ "127.0.0.1:70000", FEALTY_ERROR_ADDRESS },
		{ "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234",
		  FEALTY_ERROR_ADDRESS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fealty_client *c = NULL;

		if (fealty_client_new(cases[i].text, NULL, NULL, &c) != cases[i].want)
			fail_msg("'%s'", cases[i].text);
		fealty_client_free(c);
	}
}

static void
test_local_refusals_and_free(void **state)
{
	struct fealty_options o = options_with_deadline(5000);
	struct fealty_client *c = NULL;
	struct tally t = { 0 };
	struct purchase p;

	(void)state;
	o.queue_max = 2;
	assert_int_equal(fealty_client_new("/nonexistent/fealty", &o, NULL, &c), FEALTY_ERROR_NONE);
	purchase_init(&p, "not a key");
	assert_int_equal(fealty_call_async(c, &p.request, on_tally, &t, NULL), FEALTY_ERROR_KEY);
	start_purchase(c, "a", &t);
	start_purchase(c, "b", &t);
	purchase_init(&p, "c");
	assert_int_equal(fealty_call_async(c, &p.request, on_tally, &t, NULL), FEALTY_ERROR_QUEUE_FULL);
	assert_int_equal(t.n, 0);
	fealty_client_free(c);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.failed, 2);
	assert_int_equal(t.last_error, FEALTY_ERROR_CLOSED);
	fealty_client_free(NULL);
}

static void
script_ping(struct server *s)
{
	server_accept(s);
	server_read(s, FRAME_PING);
	Fealty__V1__Ping *ping = fealty__v1__ping__unpack(NULL, s->header.body_bytes, s->body);
	assert(ping != NULL && ping->has_nonce);
	Fealty__V1__Pong pong = FEALTY__V1__PONG__INIT;
	pong.has_nonce = true;
	pong.nonce = ping->nonce;
	fealty__v1__ping__free_unpacked(ping, NULL);
	server_send(s, FRAME_PONG, 0, &pong.base);
	server_expect_close(s);
}

static void
test_ping(void **state)
{
	struct server *s = server_start(script_ping);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	server_go(s);
	assert_int_equal(fealty_ping(c, 0, &r), FEALTY_OK);
	assert_null(r.response);
	assert_non_null(fealty_hello(c));
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_silent(struct server *s)
{
	server_accept(s);
	server_expect(s, "q");
	server_read(s, FRAME_PING);	/* after a third of idle_ms; never answered */
	server_expect_close(s);
	server_accept(s);
	server_ok(s, server_expect(s, "q"));
	server_expect_close(s);
}

static void
test_silent_server_is_left(void **state)
{
	struct server *s = server_start(script_silent);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	s->hello.has_idle_ms = true;
	s->hello.idle_ms = 150;
	server_go(s);
	assert_int_equal(do_purchase(c, "q", &r), FEALTY_OK);
	assert_int_equal(r.attempts, 2);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

struct chain { struct fealty_client *client; struct event_base *base; int left; };

static void
on_chain(void *ctx, struct fealty_result *r)
{
	struct chain *chain = ctx;
	struct purchase p;

	assert_int_equal(r->outcome, FEALTY_OK);
	purchase_init(&p, NULL);
	if (--chain->left > 0)
		assert_int_equal(fealty_call_async(chain->client, &p.request, on_chain, chain, NULL), FEALTY_ERROR_NONE);
	else
		event_base_loopbreak(chain->base);
}

static void
script_five(struct server *s)
{
	server_accept(s);
	for (int i = 0; i < 5; i++)
		server_ok(s, server_expect(s, NULL));
	server_expect_close(s);
}

static void
test_callers_base(void **state)
{
	struct server *s = server_start(script_five);
	struct chain chain = { .base = event_base_new(), .left = 5 };
	struct purchase p;

	(void)state;
	assert_int_equal(fealty_client_new(s->address, NULL, chain.base, &chain.client), FEALTY_ERROR_NONE);
	server_go(s);
	purchase_init(&p, NULL);
	assert_int_equal(fealty_call_async(chain.client, &p.request, on_chain, &chain, NULL), FEALTY_ERROR_NONE);
	event_base_dispatch(chain.base);
	assert_int_equal(chain.left, 0);
	fealty_client_free(chain.client);
	event_base_free(chain.base);
	server_join(s);
	server_end(s);
}

/* ---- subscriptions ---- */

static void
server_push(struct server *s, uint64_t tag, const uint64_t *seqs, size_t n, uint64_t head)
{
	Fealty__V1__Push push = FEALTY__V1__PUSH__INIT;
	ProtobufCBinaryData list[16];
	struct buf bytes[16];

	assert(n <= 16);
	for (size_t i = 0; i < n; i++) {
		buf_init(&bytes[i]);
		put_transaction(seqs[i], &bytes[i]);
		list[i] = (ProtobufCBinaryData){ bytes[i].len, bytes[i].data };
	}
	push.n_transactions = n;
	push.transactions = list;
	push.has_first_seq = push.has_head = push.has_last_seq = true;
	push.first_seq = n > 0 ? seqs[0] : 0;
	push.last_seq = n > 0 ? seqs[n - 1] : head - 1;
	push.head = head;
	server_send(s, FRAME_PUSH, tag, &push.base);
	for (size_t i = 0; i < n; i++)
		buf_release(&bytes[i]);
}

static uint64_t
server_expect_subscribe(struct server *s, bool has_after, uint64_t after, uint32_t credits, const char *member)
{
	Fealty__V1__Request *r = server_read_request(s);

	assert(r->op_case == FEALTY__V1__REQUEST__OP_SUBSCRIBE && !r->has_deadline_ms);
	assert(r->subscribe->has_after == has_after && r->subscribe->after == after && r->subscribe->credits == credits);
	assert((member == NULL || *member == '\0') == (r->subscribe->member == NULL));
	assert(r->subscribe->member == NULL || strcmp(r->subscribe->member, member) == 0);
	assert((member == NULL) == (r->program == NULL) && (member == NULL || strcmp(r->program, "acme") == 0));
	fealty__v1__request__free_unpacked(r, NULL);
	return s->header.tag;
}

static void
server_expect_credit(struct server *s, uint64_t tag, uint32_t credits)
{
	server_read(s, FRAME_CREDIT);
	Fealty__V1__Credit *c = fealty__v1__credit__unpack(NULL, s->header.body_bytes, s->body);
	assert(c != NULL && c->credits == credits && s->header.tag == tag);
	fealty__v1__credit__free_unpacked(c, NULL);
}

static void
server_expect_cancel(struct server *s, uint64_t tag)
{
	server_read(s, FRAME_CANCEL);
	assert(s->header.tag == tag && s->header.body_bytes == 0);
	server_answer(s, tag, FEALTY__V1__CODE__CANCELLED, "CANCELLED", false, 0);
}

struct follower { uint64_t seqs[64]; size_t n, stop_after; };

static bool
on_transaction(void *ctx, const struct fealty_transaction *t)
{
	struct follower *f = ctx;

	assert_true(f->n < 64);
	f->seqs[f->n++] = t->seq;
	return f->n != f->stop_after;
}

static enum fealty_outcome
follow(struct fealty_client *c, struct follower *f, bool has_after, uint64_t after, uint32_t credits, const char *member, bool stop_at_head,
    struct fealty_result *ret)
{
	Fealty__V1__Request r = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Subscribe op = FEALTY__V1__SUBSCRIBE__INIT;
	struct fealty_subscriber to = { .ctx = f, .on_transaction = on_transaction, .stop_at_head = stop_at_head };

	r.program = member == NULL ? NULL : (char *)"acme";
	r.op_case = FEALTY__V1__REQUEST__OP_SUBSCRIBE;
	r.subscribe = &op;
	op.has_after = has_after;
	op.after = after;
	op.has_credits = credits > 0;
	op.credits = credits;
	op.member = (char *)member;
	return fealty_subscribe(c, &r, &to, ret);
}

static void
script_subscription(struct server *s)
{
	server_accept(s);
	uint64_t tag = server_expect_subscribe(s, false, 0, 4, NULL);
	server_push(s, tag, (uint64_t[]){ 0, 1, 2 }, 3, 9);
	server_expect_credit(s, tag, 3);
	server_push(s, tag, (uint64_t[]){ 3 }, 1, 9);
	server_error(s, FEALTY__V1__ERROR__REASON__SLOW_READER, "too slow", 0);
	server_accept(s);
	tag = server_expect_subscribe(s, true, 3, 4, NULL);
	server_push(s, tag, (uint64_t[]){ 4, 5, 6, 7 }, 4, 9);
	server_expect_cancel(s, tag);
	server_expect_close(s);
}

static void
test_subscription_resumes(void **state)
{
	struct server *s = server_start(script_subscription);
	struct fealty_client *c = client_of(s, NULL);
	struct follower f = { .stop_after = 7 };
	struct fealty_result r;

	(void)state;
	s->hello.size = 9;
	server_go(s);
	assert_int_equal(follow(c, &f, false, 0, 4, NULL, false, &r), FEALTY_OK);
	assert_int_equal(f.n, 7);		/* not the eighth of that frame */
	for (size_t i = 0; i < f.n; i++)
		assert_int_equal(f.seqs[i], i);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

/* ---- subscriptions to events ---- */

#define NO_SEQ UINT64_MAX

static void
server_push_events(struct server *s, uint64_t tag, const char *const *ids, size_t n, uint64_t last_seq, uint64_t head)
{
	Fealty__V1__Push push = FEALTY__V1__PUSH__INIT;
	Fealty__V1__Event events[8], *list[8];

	assert(n <= 8);
	for (size_t i = 0; i < n; i++) {
		fealty__v1__event__init(&events[i]);
		events[i].id = (char *)ids[i];
		list[i] = &events[i];
	}
	push.n_events = n;
	push.events = list;
	push.has_head = true;
	push.head = head;
	push.has_last_seq = last_seq != NO_SEQ;
	push.last_seq = last_seq;
	server_send(s, FRAME_PUSH, tag, &push.base);
}

static uint64_t
server_expect_events(struct server *s, bool has_after, uint64_t after, const char *after_event)
{
	Fealty__V1__Request *r = server_read_request(s);

	assert(r->op_case == FEALTY__V1__REQUEST__OP_SUBSCRIBE && r->subscribe->events);
	assert(r->subscribe->has_after == has_after && r->subscribe->after == after);
	assert((after_event == NULL) == (r->subscribe->after_event == NULL));
	assert(after_event == NULL || strcmp(r->subscribe->after_event, after_event) == 0);
	fealty__v1__request__free_unpacked(r, NULL);
	return s->header.tag;
}

struct event_follower { char ids[16][32]; size_t n, stop_after, n_marks; uint64_t mark; };

static bool
on_event(void *ctx, const struct fealty_event *e)
{
	struct event_follower *f = ctx;

	assert_true(f->n < 16);
	(void)snprintf(f->ids[f->n], sizeof(f->ids[0]), "%s", e->event->id);
	assert_int_equal(e->seq, strtoull(e->event->id, NULL, 10));
	return ++f->n != f->stop_after;
}

static bool
on_progress(void *ctx, uint64_t last_seq)
{
	struct event_follower *f = ctx;

	f->mark = last_seq;
	f->n_marks++;
	return true;
}

static enum fealty_outcome
follow_events(struct fealty_client *c, struct event_follower *f, const char *after_event, bool stop_at_head, struct fealty_result *ret)
{
	Fealty__V1__Request r = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Subscribe op = FEALTY__V1__SUBSCRIBE__INIT;
	struct fealty_subscriber to = { .ctx = f, .on_event = on_event, .on_progress = on_progress, .stop_at_head = stop_at_head };

	r.op_case = FEALTY__V1__REQUEST__OP_SUBSCRIBE;
	r.subscribe = &op;
	op.has_events = op.events = true;
	op.after_event = (char *)after_event;
	op.has_credits = true;
	op.credits = 4;
	return fealty_subscribe(c, &r, &to, ret);
}

/* In the middle of a transaction, behind a mark, and from where the caller said. */
static void
script_events(struct server *s)
{
	server_accept(s);
	uint64_t tag = server_expect_events(s, false, 0, "3.0.1");
	server_push_events(s, tag, (const char *[]){ "3.0.2", "3.10.0" }, 2, NO_SEQ, 20);
	server_expect_credit(s, tag, 2);
	server_error(s, FEALTY__V1__ERROR__REASON__SLOW_READER, "too slow", 0);
	server_accept(s);
	tag = server_expect_events(s, false, 0, "3.10.0");
	server_push_events(s, tag, NULL, 0, 12, 20);
	server_error(s, FEALTY__V1__ERROR__REASON__SLOW_READER, "too slow", 0);
	server_accept(s);
	tag = server_expect_events(s, true, 12, NULL);
	server_push_events(s, tag, (const char *[]){ "15.0.0" }, 1, 19, 20);
	server_expect_cancel(s, tag);
	server_expect_close(s);
}

static void
test_events_resume(void **state)
{
	struct server *s = server_start(script_events);
	struct fealty_client *c = client_of(s, NULL);
	struct event_follower f = { 0 };
	struct fealty_result r;

	(void)state;
	s->hello.size = 20;
	server_go(s);
	assert_int_equal(follow_events(c, &f, "3.0.1", true, &r), FEALTY_OK);
	assert_int_equal(f.n, 3);
	assert_string_equal(f.ids[0], "3.0.2");
	assert_string_equal(f.ids[1], "3.10.0");
	assert_string_equal(f.ids[2], "15.0.0");
	assert_int_equal(f.n_marks, 2);
	assert_int_equal(f.mark, 19);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

/* What was there before, backwards, without a place: the connection is not believed, and the subscription goes on elsewhere. */
static void
script_bad_events(struct server *s)
{
	static const struct { const char *after; const char *const ids[2]; size_t n; } bad[] = {
		{ "3.0.1", { "3.0.0" }, 1 }, { "3.0.1", { "3.0.1" }, 1 }, { "3.0.1", { "9.0.0", "8.9.9" }, 2 }, { "9.0.0", { "9.0.0" }, 1 }, { "9.0.0", { "9.0" }, 1 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		server_accept(s);
		uint64_t tag = server_expect_events(s, false, 0, bad[i].after);
		server_push_events(s, tag, bad[i].ids, bad[i].n, NO_SEQ, 20);
		server_expect_close(s);
	}
	s->hello.size = 9;
	server_accept(s);
	server_expect_close(s);
}

static void
test_events_out_of_turn(void **state)
{
	struct server *s = server_start(script_bad_events);
	struct fealty_client *c = client_of(s, NULL);
	struct event_follower f = { 0 };
	struct fealty_result r;

	(void)state;
	s->hello.size = 20;
	server_go(s);
	assert_int_equal(follow_events(c, &f, "3.0.1", false, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_ROLLED_BACK);		/* shorter than the last event */
	assert_int_equal(f.n, 1);
	assert_string_equal(f.ids[0], "9.0.0");
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_filtered(struct server *s)
{
	server_accept(s);
	uint64_t tag = server_expect_subscribe(s, true, 4, 256, "card:1");
	server_push(s, tag, (uint64_t[]){ 7, 11 }, 2, 30);
	server_push(s, tag, NULL, 0, 30);	/* nothing for us up to the head */
	server_expect_cancel(s, tag);
	tag = server_expect_subscribe(s, false, 0, 256, "");	/* of a program alone */
	server_push(s, tag, (uint64_t[]){ 1, 3, 29 }, 3, 30);
	server_expect_cancel(s, tag);
	server_expect_close(s);
}

static void
test_filtered_subscription_stops_at_head(void **state)
{
	struct server *s = server_start(script_filtered);
	struct fealty_client *c = client_of(s, NULL);
	struct follower f = { 0 };
	struct fealty_result r;

	(void)state;
	s->hello.size = 30;
	server_go(s);
	assert_int_equal(follow(c, &f, true, 4, 0, "card:1", true, &r), FEALTY_OK);
	assert_true(f.n == 2 && f.seqs[1] == 11);
	assert_int_equal(follow(c, &f, true, 29, 0, NULL, true, &r), FEALTY_OK);	/* there already */
	assert_int_equal(follow(c, &f, false, 0, 0, "", true, &r), FEALTY_OK);
	assert_true(f.n == 5 && f.seqs[4] == 29);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_gap(struct server *s)
{
	server_accept(s);
	uint64_t tag = server_expect_subscribe(s, false, 0, 256, NULL);
	server_push(s, tag, (uint64_t[]){ 0, 1, 3 }, 3, 9);
	server_accept(s);
	tag = server_expect_subscribe(s, false, 0, 256, NULL);	/* nothing of it was taken */
	server_answer(s, tag, FEALTY__V1__CODE__PERMISSION_DENIED, "PERMISSION_DENIED", false, 0);
	server_expect_close(s);
}

static void
test_subscription_refuses_gaps(void **state)
{
	struct server *s = server_start(script_gap);
	struct fealty_client *c = client_of(s, NULL);
	struct follower f = { 0 };
	struct fealty_result r;

	(void)state;
	s->hello.size = 9;
	server_go(s);
	assert_int_equal(follow(c, &f, false, 0, 0, NULL, false, &r), FEALTY_REFUSED);
	assert_int_equal(f.n, 0);
	assert_string_equal(r.response->reason, "PERMISSION_DENIED");
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_shorter(struct server *s)
{
	server_accept(s);
	uint64_t tag = server_expect_subscribe(s, false, 0, 256, NULL);
	server_push(s, tag, (uint64_t[]){ 0, 1, 2 }, 3, 3);
	s->hello.size = 2;
	server_accept(s);
	server_expect_close(s);
}

static void
test_subscription_ends_on_roll_back(void **state)
{
	struct server *s = server_start(script_shorter);
	struct fealty_client *c = client_of(s, NULL);
	struct follower f = { 0 };
	struct fealty_result r;

	(void)state;
	server_go(s);
	assert_int_equal(follow(c, &f, false, 0, 0, NULL, false, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_ROLLED_BACK);
	assert_true(fealty_hello(c)->rolled_back);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
test_subscription_deadline_without_server(void **state)
{
	struct fealty_options o = options_with_deadline(100);
	struct fealty_client *c = NULL;
	struct follower f = { 0 };
	struct fealty_result r;

	(void)state;
	assert_int_equal(fealty_client_new("/nonexistent/fealty", &o, NULL, &c), FEALTY_ERROR_NONE);
	assert_int_equal(follow(c, &f, false, 0, 0, NULL, false, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_DEADLINE);
	fealty_client_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goaway),
		cmocka_unit_test(test_principal_refused_is_final),
		cmocka_unit_test(test_transient_error_reconnects),
		cmocka_unit_test(test_error_about_one_frame),
		cmocka_unit_test(test_oversized_reply),
		cmocka_unit_test(test_roll_back_is_noticed),
		cmocka_unit_test(test_other_ledger_after_reconnect),
		cmocka_unit_test(test_garbage_is_survived),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_local_refusals_and_free),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_silent_server_is_left),
		cmocka_unit_test(test_callers_base),
		cmocka_unit_test(test_subscription_resumes),
		cmocka_unit_test(test_events_resume),
		cmocka_unit_test(test_events_out_of_turn),
		cmocka_unit_test(test_filtered_subscription_stops_at_head),
		cmocka_unit_test(test_subscription_refuses_gaps),
		cmocka_unit_test(test_subscription_ends_on_roll_back),
		cmocka_unit_test(test_subscription_deadline_without_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
