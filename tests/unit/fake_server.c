/* Assertions here are assert(): cmocka's own may only fail on the thread that runs the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_server.h"

#define STEP_MS 5000

/* ---- the server ---- */


bool
readable_within(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void
read_all(int fd, uint8_t *data, size_t len)
{
	for (size_t got = 0; got < len;) {
		assert(readable_within(fd, STEP_MS));
		ssize_t n = recv(fd, data + got, len - got, 0);
		assert(n > 0);
		got += (size_t)n;
	}
}

void
server_read(struct server *s, enum frame_type want)
{
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame_limits limits = frame_limits_server();

	read_all(s->fd, bytes, sizeof bytes);
	enum frame_error bad = frame_header_decode(bytes, &limits, &s->header);
	assert(bad == FRAME_ERROR_NONE && s->header.type == want);
	read_all(s->fd, s->body, s->header.body_bytes);
}

Fealty__V1__Request *
server_read_request(struct server *s)
{
	server_read(s, FRAME_REQUEST);
	Fealty__V1__Request *r = fealty__v1__request__unpack(NULL, s->header.body_bytes, s->body);
	assert(r != NULL && r->base.n_unknown_fields == 0);
	return r;
}

uint64_t
server_expect(struct server *s, const char *key)
{
	Fealty__V1__Request *r = server_read_request(s);

	assert(r->has_deadline_ms && r->deadline_ms > 0);
	assert(key == NULL || (r->key != NULL && strcmp(r->key, key) == 0));
	fealty__v1__request__free_unpacked(r, NULL);
	return s->header.tag;
}

void
server_send(struct server *s, enum frame_type type, uint64_t tag, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message), sent = 0;
	struct frame_header h = { .body_bytes = (uint32_t)len, .version = FRAME_VERSION, .type = (uint8_t)type, .tag = tag };
	uint8_t *bytes = malloc(FRAME_HEADER_BYTES + len);

	assert(bytes != NULL);
	frame_header_encode(&h, bytes);
	protobuf_c_message_pack(message, bytes + FRAME_HEADER_BYTES);
	while (sent < FRAME_HEADER_BYTES + len) {
		ssize_t n = send(s->fd, bytes + sent, FRAME_HEADER_BYTES + len - sent, MSG_NOSIGNAL);
		assert(n > 0);
		sent += (size_t)n;
	}
	free(bytes);
}

void
server_accept_only(struct server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	assert(readable_within(s->listener, STEP_MS));
	s->fd = accept(s->listener, NULL, NULL);
	assert(s->fd >= 0);
	server_read(s, FRAME_HELLO);
	Fealty__V1__Hello *h = fealty__v1__hello__unpack(NULL, s->header.body_bytes, s->body);
	assert(h != NULL && h->version_min == 1 && h->version_max == 1);
	snprintf(s->principal, sizeof s->principal, "%s", h->principal != NULL ? h->principal : "");
	s->checkpoint_size = h->checkpoint_size;
	fealty__v1__hello__free_unpacked(h, NULL);
}

void
server_accept(struct server *s)
{
	server_accept_only(s);
	server_send(s, FRAME_HELLO_OK, 0, &s->hello.base);
}

void
server_answer(struct server *s, uint64_t tag, Fealty__V1__Code code, const char *reason, bool retryable, uint32_t after_ms)
{
	Fealty__V1__Response r = FEALTY__V1__RESPONSE__INIT;
	char id[] = "7.0";

	r.has_status = true;
	r.status = code;
	r.reason = (char *)reason;
	r.has_retryable = r.retryable = retryable;
	r.has_retry_after_ms = after_ms > 0;
	r.retry_after_ms = after_ms;
	if (code == FEALTY__V1__CODE__OK)
		r.id = id;
	server_send(s, FRAME_RESPONSE, tag, &r.base);
}

void
server_ok(struct server *s, uint64_t tag)
{
	server_answer(s, tag, FEALTY__V1__CODE__OK, NULL, false, 0);
}

void
server_error(struct server *s, Fealty__V1__Error__Reason reason, const char *message, uint64_t tag)
{
	Fealty__V1__Error e = FEALTY__V1__ERROR__INIT;

	e.has_reason = e.has_tag = true;
	e.reason = reason;
	e.message = (char *)message;
	e.tag = tag;
	server_send(s, FRAME_ERROR, 0, &e.base);
}

void
server_expect_close(struct server *s)
{
	uint8_t byte;

	assert(readable_within(s->fd, STEP_MS));
	assert(recv(s->fd, &byte, 1, 0) <= 0);
}

static void *
server_main(void *ctx)
{
	struct server *s = ctx;

	s->script(s);
	return NULL;
}

struct server *
server_start(void (*script)(struct server *s))
{
	struct server *s = calloc(1, sizeof *s);
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	assert_non_null(s);
	strcpy(s->dir, "/tmp/fealty-client-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof s->path, "%s/s", s->dir);
	snprintf(s->address, sizeof s->address, "unix:%s", s->path);
	strcpy(un.sun_path, s->path);
	s->fd = -1;
	s->script = script;
	s->hello = (Fealty__V1__HelloOk)FEALTY__V1__HELLO_OK__INIT;
	s->hello.has_version = true;
	s->hello.version = 1;
	s->hello.origin = (char *)"test.example/log";
	s->hello.principal = (char *)"operator/local";
	s->hello.has_size = true;
	s->hello.size = 1;
	s->hello.has_in_flight_max = true;
	s->hello.in_flight_max = 64;
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(s->listener, 16), 0);
	return s;
}

void
server_go(struct server *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

void
server_join(struct server *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
}

/* Also when the script never ran. */
void
server_end(struct server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	close(s->listener);
	unlink(s->path);
	rmdir(s->dir);
	free(s);
}

void
put_transaction(uint64_t seq, struct buf *out)
{
	struct buf inner;

	buf_init(&inner);
	buf_put_u8(&inner, 0x10);
	buf_put_varint(&inner, seq);
	buf_put_u8(out, 0x0a);
	buf_put_varint(out, inner.len);
	buf_put(out, inner.data, inner.len);
	buf_release(&inner);
}

/* ---- the client's side ---- */

struct fealty_client *
client_of(struct server *s, const struct fealty_options *options)
{
	struct fealty_client *c = NULL;

	assert_int_equal(fealty_client_new(s->address, options, NULL, &c), FEALTY_ERROR_NONE);
	return c;
}

struct fealty_options
options_with_deadline(uint32_t ms)
{
	struct fealty_options o;

	fealty_options_init(&o);
	o.deadline_ms = ms;
	return o;
}


void
purchase_init(struct purchase *p, const char *key)
{
	p->request = (Fealty__V1__Request)FEALTY__V1__REQUEST__INIT;
	p->op = (Fealty__V1__Purchase)FEALTY__V1__PURCHASE__INIT;
	p->request.key = (char *)key;
	p->request.op_case = FEALTY__V1__REQUEST__OP_PURCHASE;
	p->request.purchase = &p->op;
	p->op.member = (char *)"card:1";
	p->op.amount = (char *)"12.50";
}

enum fealty_outcome
do_purchase(struct fealty_client *c, const char *key, struct fealty_result *ret)
{
	struct purchase p;

	purchase_init(&p, key);
	return fealty_call(c, &p.request, ret);
}

enum fealty_outcome
do_balance(struct fealty_client *c, struct fealty_result *ret)
{
	Fealty__V1__Request r = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Balance op = FEALTY__V1__BALANCE__INIT;

	op.member = (char *)"card:1";
	r.op_case = FEALTY__V1__REQUEST__OP_BALANCE;
	r.balance = &op;
	return fealty_call(c, &r, ret);
}


void
on_tally(void *ctx, struct fealty_result *r)
{
	struct tally *t = ctx;

	t->n++;
	t->ok += r->outcome == FEALTY_OK;
	t->refused += r->outcome == FEALTY_REFUSED;
	t->failed += r->outcome == FEALTY_FAILED;
	t->unknown += r->outcome == FEALTY_UNKNOWN;
	t->last_error = r->error;
	memcpy(t->last_key, r->key, sizeof t->last_key);
}

void
start_purchase(struct fealty_client *c, const char *key, struct tally *t)
{
	struct purchase p;

	purchase_init(&p, key);
	assert_int_equal(fealty_call_async(c, &p.request, on_tally, t, NULL), FEALTY_ERROR_NONE);
}
