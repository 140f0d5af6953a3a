/*
 * fealty-bench: a closed-loop load generator.  Each connection keeps `depth` requests (or batches) in flight and sends the next when one is
 * answered, so the figures are what that many patient clients would see.
 *
 * Invariants.
 * - A worker thread owns its connections, its event base and its figures; threads share only the budget of requests and the counters of the
 *   progress line (atomics).
 * - A tag is the number of its slot + 1: a slot holds one request in flight and the time it was sent.
 * - Only what was answered while the clock ran is counted; what is still in flight at the end is waited for and not counted.
 */
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "bench_core.h"
#include "bench_disk.h"
#include "bench_figures.h"
#include "bench_options.h"
#include "bench_socket.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "fealty.h"
#include "frame.h"

#define ENROL_BATCH 500u
#define ENROL_OUTSTANDING 4u
#define READ_BYTES (256u * 1024)
#define DRAIN_SECONDS 10
#define PROGRESS_US 250000

struct run {
	const struct settings *settings;
	uint64_t run_id;			/* in the keys: milliseconds of the start */
	int64_t begin_us, end_us;		/* end_us 0: by requests */
	atomic_ulong taken;			/* commands handed out, and the last part of their keys */
	atomic_ulong answered;			/* for the progress line */
	atomic_uint running;			/* threads */
	pthread_barrier_t start;
};

struct worker;
struct conn {
	struct worker *worker;
	struct bench_socket socket;
	struct event readable, writable;
	struct buf in, out;
	size_t out_sent;
	int64_t *sent_us;			/* [depth]; 0: the slot is free */
	unsigned outstanding;
};

struct worker {
	struct run *run;
	pthread_t thread;
	struct event_base *base;
	struct event timer;
	struct conn *conns;
	unsigned n_conns, live;
	uint64_t random;
	bool stopped;				/* sends no more */
	bool early;				/* not by the clock or the budget */
	int64_t last_us;			/* of the last answer that was counted */
	struct figures figures;
	uint8_t *bytes;				/* READ_BYTES */
};

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "fealty-bench: %s: %s\n", what, why);
	exit(1);
}

static void *
must_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		die("memory", strerror(ENOMEM));
	return p;
}

/* ---- HELLO ---- */

static void
read_all(struct bench_socket *from, uint8_t *data, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = bench_socket_read(from, data + got, len - got);

		if (n < 0)
			die("HELLO", from->tls != NULL ? tls_session_why(from->tls) : "the server closed the connection");
		got += (size_t)n;
	}
}

static void
write_all(struct bench_socket *to, struct bytes data)
{
	for (size_t sent = 0; sent < data.len;) {
		ssize_t n = bench_socket_write(to, bytes_of(data.data + sent, data.len - sent));

		if (n < 0)
			die("HELLO", "the connection is lost");
		sent += (size_t)n;
	}
}

static void
check_hello_ok(const struct settings *s, const Fealty__V1__HelloOk *ok)
{
	if (ok->has_in_flight_max && s->depth > ok->in_flight_max)
		die("--depth", "more than the server allows in flight on a connection");
	if (ok->has_batch_commands_max && s->batch > ok->batch_commands_max)
		die("--batch", "more commands than the server allows in a batch");
}

static void
say_hello(const struct settings *s, struct bench_socket *socket)
{
	Fealty__V1__Hello hello = FEALTY__V1__HELLO__INIT;
	uint8_t body[4096], header[FRAME_HEADER_BYTES];
	struct frame_limits limits = frame_limits_client();
	struct frame_header h;
	struct buf out;

	hello.has_version_min = hello.has_version_max = true;
	hello.version_min = hello.version_max = FRAME_VERSION;
	hello.client_name = (char *)"fealty-bench";
	hello.principal = (char *)s->principal;
	if (fealty__v1__hello__get_packed_size(&hello) > sizeof body)
		die("--principal", "too long");
	size_t len = fealty__v1__hello__pack(&hello, body);
	buf_init(&out);
	frame_put(&out, FRAME_HELLO, 0, 0, bytes_of(body, len));
	if (buf_status(&out) != ST_OK)
		die("memory", strerror(ENOMEM));
	write_all(socket, buf_bytes(&out));
	buf_release(&out);

	read_all(socket, header, sizeof header);
	enum frame_error bad = frame_header_decode(header, &limits, &h);
	if (bad != FRAME_ERROR_NONE || h.body_bytes > sizeof body)
		die("HELLO", frame_error_str(bad));
	read_all(socket, body, h.body_bytes);
	Fealty__V1__Error *e = h.type == FRAME_ERROR ? fealty__v1__error__unpack(NULL, h.body_bytes, body) : NULL;
	if (e != NULL)
		die("HELLO", e->message != NULL ? e->message : frame_error_str((enum frame_error)e->reason));
	Fealty__V1__HelloOk *ok = h.type == FRAME_HELLO_OK ? fealty__v1__hello_ok__unpack(NULL, h.body_bytes, body) : NULL;
	if (ok == NULL)
		die("HELLO", "the server did not answer with HELLO_OK");
	check_hello_ok(s, ok);
	fealty__v1__hello_ok__free_unpacked(ok, NULL);
}

/* ---- commands ---- */

static uint64_t
next_random(struct worker *w)			/* xorshift64* */
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(0x2545f4914f6cdd1d);
}

struct command {
	Fealty__V1__Request request;
	union { Fealty__V1__Purchase purchase; Fealty__V1__Balance balance; } op;
	char key[FEALTY_KEY_BYTES_MAX + 1], member[80], amount[8];
};

static void
member_alias(const struct settings *s, unsigned long n, char ret[static 80])
{
	snprintf(ret, 80, "bench:%s:%lu", s->prefix, n);
}

static void
command_fill(struct worker *w, struct command *c, unsigned long n)
{
	const struct settings *s = w->run->settings;
	uint64_t r = next_random(w);

	c->request = (Fealty__V1__Request)FEALTY__V1__REQUEST__INIT;
	c->request.program = (char *)s->program;
	member_alias(s, (unsigned long)(r % s->members), c->member);
	if (s->mix == MIX_BALANCE) {
		c->op.balance = (Fealty__V1__Balance)FEALTY__V1__BALANCE__INIT;
		c->op.balance.member = c->member;
		c->request.op_case = FEALTY__V1__REQUEST__OP_BALANCE;
		c->request.balance = &c->op.balance;
		return;
	}
	snprintf(c->key, sizeof c->key, "%s-%011llx-%010lx", s->prefix, (unsigned long long)w->run->run_id, n);
	snprintf(c->amount, sizeof c->amount, "%u", (unsigned)(r >> 40) % 99 + 1);
	c->request.key = c->key;
	c->request.has_want_receipt = c->request.want_receipt = s->receipt;
	c->op.purchase = (Fealty__V1__Purchase)FEALTY__V1__PURCHASE__INIT;
	c->op.purchase.member = c->member;
	c->op.purchase.amount = c->amount;
	c->request.op_case = FEALTY__V1__REQUEST__OP_PURCHASE;
	c->request.purchase = &c->op.purchase;
}

static void
put_message(struct buf *out, enum frame_type type, uint64_t tag, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t small[1024], *body = len <= sizeof small ? small : malloc(len);

	if (body == NULL)
		die("memory", strerror(ENOMEM));
	protobuf_c_message_pack(m, body);
	frame_put(out, type, 0, tag, bytes_of(body, len));
	if (body != small)
		free(body);
	if (buf_status(out) != ST_OK)
		die("memory", strerror(ENOMEM));
}

static void
put_batch(struct worker *w, struct conn *c, uint64_t tag, unsigned long first)
{
	unsigned n = w->run->settings->batch;
	struct command *commands = must_calloc(n, sizeof *commands);
	Fealty__V1__Request **list = must_calloc(n, sizeof *list);
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;

	for (unsigned i = 0; i < n; i++) {
		command_fill(w, &commands[i], first + i);
		list[i] = &commands[i].request;
	}
	batch.n_commands = n;
	batch.commands = list;
	put_message(&c->out, FRAME_BATCH, tag, &batch.base);
	free(list);
	free(commands);
}

/* Hands out the next commands; false: no more are to be sent. */
static bool
take(struct worker *w, unsigned long *ret_first)
{
	const struct settings *s = w->run->settings;
	unsigned long first;

	if (w->stopped)
		return false;
	first = atomic_fetch_add_explicit(&w->run->taken, s->batch, memory_order_relaxed);
	if (s->requests > 0 && first >= s->requests)
		return false;
	*ret_first = first;
	return true;
}

static void
conn_fill(struct conn *c)
{
	struct worker *w = c->worker;
	const struct settings *s = w->run->settings;
	unsigned long first;
	struct command one;
	int64_t now_us = clock_monotonic_us();

	for (unsigned slot = 0; slot < s->depth && c->outstanding < s->depth; slot++) {
		if (c->sent_us[slot] != 0)
			continue;
		if (!take(w, &first))
			return;
		if (s->batch > 1) {
			put_batch(w, c, slot + 1, first);
		} else {
			command_fill(w, &one, first);
			put_message(&c->out, FRAME_REQUEST, slot + 1, &one.request.base);
		}
		c->sent_us[slot] = now_us;
		c->outstanding++;
	}
}

/* ---- answers ---- */

static void
count_word(struct figures *f, const char *word)
{
	figures_reason(f, word, strlen(word), 1);
}

/* Looks at a Response without unpacking it; ${is_batch}: at a BatchResponse, whose parts are Responses. */
static void
count_response(struct figures *f, struct bytes body, bool is_batch, bool wants_receipt)
{
	struct cursor c = cursor_of(body);
	struct bytes reason = { 0 };
	uint64_t status = 0;
	bool has_receipt = false;

	while (cursor_ok(&c) && c.p != c.end) {
		uint64_t tag = cursor_varint(&c), value = 0;
		struct bytes bytes = { 0 };

		switch (tag & 7) {		/* https://protobuf.dev/programming-guides/encoding/ */
		case 0: value = cursor_varint(&c); break;
		case 1: (void)cursor_be64(&c); break;
		case 2: bytes = cursor_bytes(&c, (size_t)cursor_varint(&c)); break;
		case 5: (void)cursor_be32(&c); break;
		default: c.failed = true;
		}
		if (is_batch && (tag == (1 << 3 | 2) || tag == (2 << 3 | 2)))
			count_response(f, bytes, false, wants_receipt && tag == (2 << 3 | 2));	/* outcome; a result */
		else if (!is_batch && tag == 1 << 3)
			status = value;
		else if (!is_batch && tag == (2 << 3 | 2))
			reason = bytes;
		else if (!is_batch && tag == (65 << 3 | 2))
			has_receipt = true;
	}
	const char *code = fealty_code_str((Fealty__V1__Code)status);
	if (!cursor_ok(&c))
		count_word(f, "(unreadable)");
	else if (status != 0 && reason.len > 0)
		figures_reason(f, (const char *)reason.data, reason.len, 1);
	else if (status != 0)
		count_word(f, code);
	else if (wants_receipt && !is_batch && !has_receipt)
		count_word(f, "(no receipt)");
}

static void
count_answer(struct worker *w, int64_t sent_us, int64_t now_us, struct bytes body)
{
	const struct settings *s = w->run->settings;
	uint64_t us = (uint64_t)(now_us - sent_us);

	if (w->run->end_us != 0 && now_us > w->run->end_us)
		return;
	figures_answer(&w->figures, s->batch, us);
	w->last_us = now_us;
	count_response(&w->figures, body, s->batch > 1, s->receipt);
	atomic_fetch_add_explicit(&w->run->answered, s->batch, memory_order_relaxed);
}

static void
conn_lost(struct conn *c, const char *why)
{
	struct worker *w = c->worker;

	if (c->socket.fd < 0)
		return;
	event_del(&c->readable);
	event_del(&c->writable);
	bench_socket_close(&c->socket);
	if (why != NULL) {
		w->figures.lost++;
		figures_reason(&w->figures, why, strlen(why), 1);
	}
	if (why != NULL && !w->stopped)
		w->early = w->live == 1;
	if (--w->live == 0)
		event_base_loopbreak(w->base);
}

/* False: the connection has ended. */
static bool
conn_frame(struct conn *c, const struct frame_header *h, struct bytes body, int64_t now_us)
{
	unsigned depth = c->worker->run->settings->depth;

	if (h->type == FRAME_ERROR) {
		Fealty__V1__Error *e = fealty__v1__error__unpack(NULL, body.len, body.data);
		conn_lost(c, e != NULL ? frame_error_str((enum frame_error)e->reason) : "(ERROR)");
		if (e != NULL)
			fealty__v1__error__free_unpacked(e, NULL);
		return false;
	}
	if (h->type == FRAME_GOAWAY) {
		if (!c->worker->stopped)
			figures_reason(&c->worker->figures, "(the server shuts down)", strlen("(the server shuts down)"), 1);
		c->worker->stopped = c->worker->early = true;
		return true;
	}
	if (h->type != FRAME_RESPONSE || h->tag > depth || c->sent_us[h->tag - 1] == 0) {
		conn_lost(c, "(a frame that does not fit)");
		return false;
	}
	count_answer(c->worker, c->sent_us[h->tag - 1], now_us, body);
	c->sent_us[h->tag - 1] = 0;
	c->outstanding--;
	return true;
}

static bool
conn_take_frames(struct conn *c)
{
	struct frame_limits limits = frame_limits_client();
	int64_t now_us = clock_monotonic_us();
	size_t at = 0;

	while (c->in.len - at >= FRAME_HEADER_BYTES) {
		struct frame_header h;

		if (frame_header_decode(c->in.data + at, &limits, &h) != FRAME_ERROR_NONE) {
			conn_lost(c, "(a bad frame)");
			return false;
		}
		if (c->in.len - at - FRAME_HEADER_BYTES < h.body_bytes)
			break;
		if (!conn_frame(c, &h, bytes_of(c->in.data + at + FRAME_HEADER_BYTES, h.body_bytes), now_us))
			return false;
		at += FRAME_HEADER_BYTES + h.body_bytes;
	}
	memmove(c->in.data, c->in.data + at, c->in.len - at);
	c->in.len -= at;
	return true;
}

static void
conn_flush(struct conn *c)
{
	while (c->out_sent < c->out.len) {
		ssize_t n = bench_socket_write(&c->socket, bytes_of(c->out.data + c->out_sent, c->out.len - c->out_sent));

		if (n == 0) {
			event_add(&c->writable, NULL);
			return;
		}
		if (n < 0) {
			conn_lost(c, "(connection lost)");
			return;
		}
		c->out_sent += (size_t)n;
	}
	buf_clear(&c->out);
	c->out_sent = 0;
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	conn_flush(ctx);
}

/* What one read gives; false: nothing more for now, or the end. */
static bool
conn_read(struct conn *c)
{
	ssize_t n = bench_socket_read(&c->socket, c->worker->bytes, READ_BYTES);

	if (n < 0)
		conn_lost(c, "(connection lost)");
	if (n <= 0)
		return false;
	buf_put(&c->in, c->worker->bytes, (size_t)n);
	if (buf_status(&c->in) != ST_OK)
		die("memory", strerror(ENOMEM));
	return conn_take_frames(c) && c->socket.tls != NULL;
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd, (void)what;
	while (conn_read(c))
		;
	if (c->socket.fd < 0)
		return;
	conn_fill(c);
	if (c->outstanding == 0)
		conn_lost(c, NULL);		/* nothing more to do */
	else
		conn_flush(c);
}

/* ---- threads ---- */

/* First when the time is up, then when what is in flight has taken too long. */
static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *w = ctx;

	(void)fd, (void)what;
	if (w->stopped) {
		for (unsigned i = 0; i < w->n_conns; i++)
			conn_lost(&w->conns[i], "(no answer)");
		return;
	}
	w->stopped = true;
	evtimer_add(&w->timer, &(struct timeval){ .tv_sec = DRAIN_SECONDS });
}

static void
worker_open(struct worker *w)
{
	const struct settings *s = w->run->settings;
	struct event_config *config = event_config_new();

	if (config == NULL)
		die("libevent", "cannot start");
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	w->base = event_base_new_with_config(config);
	event_config_free(config);
	if (w->base == NULL)
		die("libevent", "cannot start");
	w->bytes = must_calloc(1, READ_BYTES);
	w->live = w->n_conns;
	for (unsigned i = 0; i < w->n_conns; i++) {
		struct conn *c = &w->conns[i];

		c->worker = w;
		bench_socket_open(&c->socket, s);
		say_hello(s, &c->socket);
		bench_socket_unblock(&c->socket);
		c->sent_us = must_calloc(s->depth, sizeof *c->sent_us);
		buf_init(&c->in);
		buf_init(&c->out);
		event_assign(&c->readable, w->base, c->socket.fd, EV_READ | EV_PERSIST, on_readable, c);
		event_assign(&c->writable, w->base, c->socket.fd, EV_WRITE, on_writable, c);
		event_add(&c->readable, NULL);
	}
}

static void
worker_close(struct worker *w)
{
	event_del(&w->timer);
	for (unsigned i = 0; i < w->n_conns; i++) {
		conn_lost(&w->conns[i], NULL);
		buf_release(&w->conns[i].in);
		buf_release(&w->conns[i].out);
		free(w->conns[i].sent_us);
	}
	event_base_free(w->base);
	free(w->bytes);
	free(w->conns);
}

static void *
worker_main(void *ctx)
{
	struct worker *w = ctx;
	struct run *run = w->run;

	pthread_barrier_wait(&run->start);	/* main sets begin_us and end_us */
	pthread_barrier_wait(&run->start);
	evtimer_assign(&w->timer, w->base, on_timer, w);
	if (run->end_us != 0) {
		int64_t left_us = run->end_us - clock_monotonic_us();
		struct timeval tv = { .tv_sec = left_us / US_PER_SECOND, .tv_usec = left_us % US_PER_SECOND };

		evtimer_add(&w->timer, &tv);
	}
	for (unsigned i = 0; i < w->n_conns; i++) {
		conn_fill(&w->conns[i]);
		if (w->conns[i].outstanding == 0)
			conn_lost(&w->conns[i], NULL);
		else
			conn_flush(&w->conns[i]);
	}
	if (w->live > 0)
		event_base_dispatch(w->base);
	atomic_fetch_sub(&run->running, 1);
	return NULL;
}

/* ---- enrolment ---- */

static void
on_enrolled(void *ctx, struct fealty_result *r)
{
	unsigned long *n = ctx;

	if (r->outcome != FEALTY_OK)
		die("enrolment", r->message);
	for (size_t i = 0; i < r->batch->n_results; i++) {
		const Fealty__V1__Response *one = r->batch->results[i];

		if (fealty_response_outcome(one) != FEALTY_OK && one->status != FEALTY__V1__CODE__ALREADY_EXISTS)
			die("enrolment", one->message != NULL ? one->message : one->reason != NULL ? one->reason : "refused");
	}
	*n += r->batch->n_results;
}

static void
enrol_batch(const struct settings *s, struct fealty_client *client, unsigned long first, unsigned n, unsigned long *enrolled)
{
	static struct { Fealty__V1__Request request; Fealty__V1__Enrol op; char key[FEALTY_KEY_BYTES_MAX + 1], member[80]; } commands[ENROL_BATCH];
	Fealty__V1__Request *list[ENROL_BATCH];
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;

	for (unsigned i = 0; i < n; i++) {
		snprintf(commands[i].key, sizeof commands[i].key, "%s-e-%010lu", s->prefix, first + i);
		member_alias(s, first + i, commands[i].member);
		commands[i].op = (Fealty__V1__Enrol)FEALTY__V1__ENROL__INIT;
		commands[i].op.member = commands[i].member;
		commands[i].request = (Fealty__V1__Request)FEALTY__V1__REQUEST__INIT;
		commands[i].request.key = commands[i].key;
		commands[i].request.program = (char *)s->program;
		commands[i].request.op_case = FEALTY__V1__REQUEST__OP_ENROL;
		commands[i].request.enrol = &commands[i].op;
		list[i] = &commands[i].request;
	}
	batch.n_commands = n;
	batch.commands = list;
	batch.has_deadline_ms = true;
	batch.deadline_ms = 60000;
	enum fealty_error error = fealty_batch_async(client, &batch, on_enrolled, enrolled, NULL);
	if (error != FEALTY_ERROR_NONE)
		die("enrolment", fealty_error_str(error));
}

/* The same prefix enrols the same members under the same keys: a second run finds them there. */
static void
enrol_all(const struct settings *s)
{
	struct fealty_options options;
	struct fealty_client *client;
	unsigned long enrolled = 0;

	fealty_options_init(&options);
	options.principal = s->principal;
	options.client_name = "fealty-bench";
	options.connects_max = 1;
	options.tls_ca = s->tls.ca;
	options.tls_cert = s->tls.cert;
	options.tls_key = s->tls.key;
	options.tls_server_name = s->tls_server_name;
	enum fealty_error error = fealty_client_new(s->address, &options, NULL, &client);
	if (error != FEALTY_ERROR_NONE)
		die(s->address, fealty_error_str(error));
	for (unsigned long first = 0; first < s->members; first += ENROL_BATCH) {
		unsigned long left = s->members - first;

		enrol_batch(s, client, first, left < ENROL_BATCH ? (unsigned)left : ENROL_BATCH, &enrolled);
		fealty_wait(client, ENROL_OUTSTANDING - 1);
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%lu of %lu members enrolled\033[K", enrolled, s->members);
	}
	fealty_wait(client, 0);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	fealty_client_free(client);
}

/* ---- the run ---- */

static void
show_progress(struct run *run)
{
	unsigned long before = 0;
	int64_t before_us = run->begin_us;
	bool terminal = isatty(STDERR_FILENO) != 0;

	while (atomic_load(&run->running) > 0) {
		usleep(PROGRESS_US / 5);
		int64_t now_us = clock_monotonic_us();
		if (!terminal || now_us - before_us < PROGRESS_US)
			continue;
		unsigned long n = atomic_load_explicit(&run->answered, memory_order_relaxed);
		fprintf(stderr, "\r%6.1f s  %lu commands  %.0f/s\033[K", (double)(now_us - run->begin_us) / 1e6, n,
		    (double)(n - before) * 1e6 / (double)(now_us - before_us));
		before = n;
		before_us = now_us;
	}
	if (terminal)
		fprintf(stderr, "\r\033[K");
}

/* Returns the seconds that count. */
static double
run_workers(struct run *run, struct figures *sum)
{
	const struct settings *s = run->settings;
	struct worker *workers = must_calloc(s->threads, sizeof *workers);
	int64_t last_us = 0;
	bool early = false;

	atomic_store(&run->running, s->threads);
	pthread_barrier_init(&run->start, NULL, s->threads + 1);
	for (unsigned i = 0; i < s->threads; i++) {
		struct worker *w = &workers[i];

		w->run = run;
		w->random = UINT64_C(0x9e3779b97f4a7c15) * (i + 1) ^ run->run_id;
		w->n_conns = s->connections / s->threads + (i < s->connections % s->threads);
		w->conns = must_calloc(w->n_conns, sizeof *w->conns);
		worker_open(w);
		if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
			die("threads", strerror(errno));
	}
	pthread_barrier_wait(&run->start);
	run->begin_us = clock_monotonic_us();
	run->end_us = s->requests > 0 ? 0 : run->begin_us + (int64_t)(s->seconds * 1e6);
	pthread_barrier_wait(&run->start);
	show_progress(run);
	for (unsigned i = 0; i < s->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		figures_add(sum, &workers[i].figures);
		if (workers[i].last_us > last_us)
			last_us = workers[i].last_us;
		early = early || workers[i].early;
		worker_close(&workers[i]);
	}
	pthread_barrier_destroy(&run->start);
	free(workers);
	if (run->end_us == 0 || early)
		return last_us > run->begin_us ? (double)(last_us - run->begin_us) / 1e6 : 0;
	return s->seconds;
}

static void
print_json(const struct settings *s, const struct figures *f, double seconds)
{
	unsigned long long p50 = figures_percentile_us(f, 0.5), p90 = figures_percentile_us(f, 0.9);
	unsigned long long p99 = figures_percentile_us(f, 0.99), p999 = figures_percentile_us(f, 0.999), max = f->max_us;

	printf("{\"mix\":\"%s\",\"connections\":%u,\"depth\":%u,\"batch\":%u,\"members\":%lu,\"threads\":%u,\"receipts\":%s,",
	    s->mix == MIX_BALANCE ? "balance" : "purchase", s->connections, s->depth, s->batch, s->members, s->threads, s->receipt ? "true" : "false");
	printf("\"commands\":%lu,\"seconds\":%.6f,\"per_second\":%.1f,", f->commands, seconds,
	    seconds > 0 ? (double)f->commands / seconds : 0.0);
	printf("\"latency_us\":{\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu},\"lost\":%lu,\"errors\":{", p50, p90, p99,
	    p999, max, f->lost);
	for (unsigned i = 0; i < f->n_reasons; i++) {
		printf("%s\"", i > 0 ? "," : "");
		for (const char *p = f->reasons[i].text; *p != '\0'; p++)	/* from the server: only what needs no escape */
			putchar((unsigned char)*p < ' ' || (unsigned char)*p > '~' || *p == '"' || *p == '\\' ? '?' : *p);
		printf("\":%lu", f->reasons[i].n);
	}
	putchar('}');
	if (s->flush_seconds > 0)
		printf(",\"fdatasync_ms\":%.4f,\"flush_limit_per_second\":%.0f", s->flush_seconds * 1e3,
		    disk_limit(s->flush_seconds, (double)s->connections * s->depth * s->batch));
	puts("}");
}

static void
print_text(const struct settings *s, const struct figures *f, double seconds)
{
	printf("%s%s: %u connections, %u in flight each", s->mix == MIX_BALANCE ? "balance" : "purchase", s->receipt ? " with a receipt" : "",
	    s->connections, s->depth);
	if (s->batch > 1)
		printf(", batches of %u", s->batch);
	printf(", %lu members, %u thread%s\n", s->members, s->threads, s->threads == 1 ? "" : "s");
	printf("  %lu commands in %.3f s: %.0f/s\n", f->commands, seconds, seconds > 0 ? (double)f->commands / seconds : 0.0);
	printf("  latency%s: p50 %.3f ms  p90 %.3f ms  p99 %.3f ms  p99.9 %.3f ms  max %.3f ms\n", s->batch > 1 ? " of a batch" : "",
	    (double)figures_percentile_us(f, 0.5) / 1e3, (double)figures_percentile_us(f, 0.9) / 1e3, (double)figures_percentile_us(f, 0.99) / 1e3,
	    (double)figures_percentile_us(f, 0.999) / 1e3, (double)f->max_us / 1e3);
	for (unsigned i = 0; i < f->n_reasons; i++)
		printf("  not OK: %lu × %s\n", f->reasons[i].n, f->reasons[i].text);
	if (f->lost > 0)
		printf("  connections lost: %lu\n", f->lost);
	if (s->flush_seconds > 0)
		printf("  the disk: %.3f ms a flush; at two flushes a commit it allows %.0f/s\n", s->flush_seconds * 1e3,
		    disk_limit(s->flush_seconds, (double)s->connections * s->depth * s->batch));
}

int
main(int argc, char **argv)
{
	struct settings s;
	struct run run = { .settings = &s };
	struct timespec now;

	options_parse(argc, argv, &s);
	if (s.core)
		return bench_core(&s);
	struct figures *sum = must_calloc(1, sizeof *sum);
	clock_gettime(CLOCK_REALTIME, &now);
	run.run_id = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (s.disk != NULL)
		s.flush_seconds = disk_flush_seconds(s.disk);
	if (s.flush_seconds < 0)
		err(2, "--disk: %s", s.disk);
	enrol_all(&s);
	double seconds = run_workers(&run, sum);
	if (s.json)
		print_json(&s, sum, seconds);
	else
		print_text(&s, sum, seconds);
	bool good = sum->n_reasons == 0 && sum->lost == 0 && sum->commands > 0;
	free(sum);
	return good ? 0 : 1;
}
