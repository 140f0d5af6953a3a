/*
 * Invariants.
 * - At most one socket, and fd >= 0 exactly in CONNECTING, SECURING, HELLO, READY and DRAINING.
 * - The link changes state only in link_set_state(), from its own events or from link_want(); sending only appends to `out` and wakes the
 *   writer, so that no caller ever sees the connection end under its feet.
 * - A frame is judged on its header; what does not fit the announced limit is not waited for.
 * - An ERROR that a retry would meet again ends the link for good (DEAD) unless it names one frame: then only that call ends.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define PULSE_MS_MAX 15000u	/* the longest silence before a PING */
#define READ_BYTES (64u * 1024)
#define READS_MAX 16u			/* of a TLS session in a turn; each gives up to 16 KiB */
#define BACKOFF_SHIFT_MAX 20u

static void on_readable(evutil_socket_t fd, short what, void *ctx);
static void on_writable(evutil_socket_t fd, short what, void *ctx);
static void on_timer(evutil_socket_t fd, short what, void *ctx);
static void on_pulse(evutil_socket_t fd, short what, void *ctx);

const char *
link_state_str(enum link_state s)
{
	switch (s) {
	case LINK_DOWN: return "down";
	case LINK_WAITING: return "waiting";
	case LINK_RESOLVING: return "resolving";
	case LINK_CONNECTING: return "connecting";
	case LINK_SECURING: return "securing";
	case LINK_HELLO: return "hello";
	case LINK_READY: return "ready";
	case LINK_DRAINING: return "draining";
	case LINK_DEAD: return "dead";
	}
	return "?";
}

static void
link_set_state(struct link *l, enum link_state to)
{
	static const unsigned allowed[] = {
		[LINK_DOWN] = 1u << LINK_WAITING,
		[LINK_WAITING] = 1u << LINK_RESOLVING | 1u << LINK_CONNECTING | 1u << LINK_DOWN,
		[LINK_RESOLVING] = 1u << LINK_CONNECTING | 1u << LINK_DOWN,
		[LINK_CONNECTING] = 1u << LINK_SECURING | 1u << LINK_HELLO | 1u << LINK_DOWN | 1u << LINK_DEAD,
		[LINK_SECURING] = 1u << LINK_HELLO | 1u << LINK_DOWN | 1u << LINK_DEAD,
		[LINK_HELLO] = 1u << LINK_READY | 1u << LINK_DOWN | 1u << LINK_DEAD,
		[LINK_READY] = 1u << LINK_DRAINING | 1u << LINK_DOWN | 1u << LINK_DEAD,
		[LINK_DRAINING] = 1u << LINK_DOWN | 1u << LINK_DEAD,
		[LINK_DEAD] = 0,
	};

	assert(allowed[l->state] & 1u << to);
	l->state = to;
}

void
link_init(struct fealty_client *c)
{
	struct link *l = &c->link;

	*l = (struct link){ .state = LINK_DOWN, .fd = -1 };
	buf_init(&l->in);
	buf_init(&l->out);
	evtimer_assign(&l->timer, c->base, on_timer, c);
	evtimer_assign(&l->pulse, c->base, on_pulse, c);
}

static void
link_close(struct fealty_client *c)
{
	struct link *l = &c->link;

	address_give_up(c);
	if (l->tls != NULL && l->state > LINK_SECURING)
		(void)!tls_session_close(l->tls);	/* a word that the peer may miss */
	tls_session_free(l->tls);
	l->tls = NULL;
	if (l->fd >= 0) {
		event_del(&l->readable);
		event_del(&l->writable);
		close(l->fd);
		l->fd = -1;
	}
	event_del(&l->timer);
	event_del(&l->pulse);
	buf_clear(&l->in);
	buf_clear(&l->out);
	l->in_taken = l->out_sent = 0;
	l->ping_sent = false;
}

void
link_release(struct fealty_client *c)
{
	link_close(c);
	buf_release(&c->link.in);
	buf_release(&c->link.out);
}

/* ---- ending ---- */

void
link_die(struct fealty_client *c, enum fealty_error error, const char *why)
{
	char text[TEXT_BYTES];

	say(text, "%s", why);		/* ${why} may be the trouble itself */
	say(c->trouble, "%s", text);
	c->dead_error = error;
	link_close(c);
	link_set_state(&c->link, LINK_DEAD);
	calls_on_lost(c);
	subs_on_lost(c, error, text);
	calls_give_up(c, error, text);
	subs_give_up(c, error, text);
}

/* Full jitter: anything from at once to the limit, which doubles with each failure. */
static int64_t
backoff_us(const struct fealty_client *c)
{
	unsigned shift = c->link.failures < BACKOFF_SHIFT_MAX ? c->link.failures : BACKOFF_SHIFT_MAX;
	uint64_t limit_ms = (uint64_t)c->options.backoff_min_ms << shift;

	if (limit_ms > c->options.backoff_max_ms)
		limit_ms = c->options.backoff_max_ms;
	return (int64_t)random_below(limit_ms * 1000 + 1);
}

void
link_lost(struct fealty_client *c, enum fealty_error error, const char *why)
{
	struct link *l = &c->link;
	char text[TEXT_BYTES];
	bool never_ready = l->state < LINK_READY;

	assert(l->fd >= 0 || l->state == LINK_CONNECTING || l->state == LINK_RESOLVING);
	say(text, "%s: %s", c->address_text, why);
	say(c->trouble, "%s", text);
	link_close(c);
	link_set_state(l, LINK_DOWN);
	l->next_connect_us = clock_monotonic_us() + backoff_us(c);
	l->failures++;
	l->lost_error = error;
	l->connect_failures = never_ready ? l->connect_failures + 1 : 0;
	calls_on_lost(c);
	subs_on_lost(c, error, text);
	if (c->options.connects_max > 0 && l->connect_failures >= c->options.connects_max) {
		l->connect_failures = 0;
		calls_give_up(c, error, text);
		subs_give_up(c, error, text);
	}
	if (client_has_work(c))
		link_want(c);
}

void
link_check_drained(struct fealty_client *c)
{
	struct link *l = &c->link;

	if (l->state != LINK_DRAINING || c->n_in_flight > 0)
		return;
	link_lost(c, FEALTY_ERROR_CONNECT, "the server is shutting down");
}

/* ---- connecting ---- */

static void
put_hello(struct fealty_client *c)
{
	Fealty__V1__Hello hello = FEALTY__V1__HELLO__INIT;
	uint8_t bytes[4096];

	hello.has_version_min = hello.has_version_max = true;
	hello.version_min = hello.version_max = FRAME_VERSION;
	hello.client_name = c->client_name;
	hello.client_version = c->client_version;
	hello.principal = c->principal;
	if (c->hello.size_seen > 0) {
		hello.has_checkpoint_size = true;
		hello.checkpoint_size = c->hello.size_seen;
		if (c->has_root_seen && c->hello.size_seen == c->options.size_seen) {
			hello.has_checkpoint_root = true;
			hello.checkpoint_root = (ProtobufCBinaryData){ sizeof c->root_seen, c->root_seen };
		}
	}
	assert(fealty__v1__hello__get_packed_size(&hello) <= sizeof bytes);	/* fealty_client_new() bounds its strings */
	size_t len = fealty__v1__hello__pack(&hello, bytes);
	link_send(c, FRAME_HELLO, 0, bytes_of(bytes, len), bytes_of(NULL, 0));
}

static void
begin_hello(struct fealty_client *c)
{
	struct link *l = &c->link;

	link_set_state(l, LINK_HELLO);
	l->limits = frame_limits_client();
	l->heard_us = clock_monotonic_us();
	put_hello(c);
}

/* What is wrong with a certificate is so the next time, too; but files that once were good may be in the middle of being replaced. */
static void
tls_failed(struct fealty_client *c, const char *why)
{
	if (c->hello_ok != NULL)
		link_lost(c, FEALTY_ERROR_TLS, why);
	else
		link_die(c, FEALTY_ERROR_TLS, why);
}

static void
link_secure(struct fealty_client *c)
{
	struct link *l = &c->link;
	char text[TEXT_BYTES];

	enum link_io io = link_handshake(l);
	if (io == LINK_IO_DONE) {
		begin_hello(c);
		return;
	}
	if (io == LINK_IO_WAIT_READ)
		return;
	if (io == LINK_IO_WAIT_WRITE) {
		event_add(&l->writable, NULL);
		return;
	}
	say(text, io == LINK_IO_REFUSED ? "the server %s does not go on with the handshake (%s)" : "no TLS with the server %s: %s", c->address_text, l->why);
	if (io == LINK_IO_REFUSED || tls_session_distrusts(l->tls))
		link_die(c, FEALTY_ERROR_TLS, text);
	else
		link_lost(c, FEALTY_ERROR_CONNECT, text);
}

/* The files are read anew: they may have been renewed. */
static void
begin_tls(struct fealty_client *c)
{
	struct tls_files files = { .cert = c->tls_cert, .key = c->tls_key, .ca = c->tls_ca };
	struct link *l = &c->link;
	char message[TLS_MESSAGE_BYTES];
	struct tls *tls;

	if (tls_open(TLS_CLIENT, &files, &tls, message) != ST_OK) {
		tls_failed(c, message);
		return;
	}
	l->tls = tls_session_new(tls, l->fd, c->tls_server_name != NULL ? c->tls_server_name : c->host);
	tls_unref(tls);
	if (l->tls == NULL) {
		link_lost(c, FEALTY_ERROR_NOMEM, fealty_error_str(FEALTY_ERROR_NOMEM));
		return;
	}
	link_set_state(l, LINK_SECURING);
	event_add(&l->readable, NULL);
	link_secure(c);
}

static void
link_connected(struct fealty_client *c)
{
	struct link *l = &c->link;
	int error = 0, one = 1;
	socklen_t len = sizeof error;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0) {
		link_lost(c, FEALTY_ERROR_CONNECT, strerror(error));
		return;
	}
	if (c->address.ss_family != AF_UNIX)
		setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);	/* slower without it, not wrong */
	if (c->tls_ca != NULL) {
		begin_tls(c);
		return;
	}
	event_add(&l->readable, NULL);
	begin_hello(c);
}

static void
link_dial(struct fealty_client *c)
{
	struct link *l = &c->link;

	link_set_state(l, LINK_CONNECTING);
	l->n_connections++;
	l->fd = socket(c->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0) {
		link_lost(c, FEALTY_ERROR_CONNECT, strerror(errno));
		return;
	}
	event_assign(&l->readable, c->base, l->fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&l->writable, c->base, l->fd, EV_WRITE, on_writable, c);
	if (connect(l->fd, (struct sockaddr *)&c->address, c->address_len) < 0 && errno != EINPROGRESS) {
		link_lost(c, FEALTY_ERROR_CONNECT, strerror(errno));
		return;
	}
	event_add(&l->writable, NULL);
}

void
link_resolved(struct fealty_client *c, const char *why)
{
	char text[TEXT_BYTES];

	assert(c->link.state == LINK_RESOLVING);
	if (why == NULL) {
		link_dial(c);
		return;
	}
	say(text, "the name %s cannot be looked up: %s", c->host, why);
	link_lost(c, FEALTY_ERROR_CONNECT, text);
}

static void
link_connect(struct fealty_client *c)
{
	timer_in(&c->link.timer, c->options.connect_ms);
	if (!c->is_named) {
		link_dial(c);
		return;
	}
	link_set_state(&c->link, LINK_RESOLVING);
	address_resolve(c);
}

void
link_want(struct fealty_client *c)
{
	struct link *l = &c->link;

	if (l->state != LINK_DOWN || c->closing)
		return;
	/* Always by the timer: a connect that fails at once must not end calls inside the function that made them. */
	int64_t wait_us = l->next_connect_us - clock_monotonic_us();
	link_set_state(l, LINK_WAITING);
	timer_in(&l->timer, wait_us > 0 ? (uint64_t)wait_us / 1000 + 1 : 0);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct fealty_client *c = ctx;

	(void)fd, (void)what;
	if (c->link.state == LINK_WAITING) {
		if (client_has_work(c))
			link_connect(c);
		else
			link_set_state(&c->link, LINK_DOWN);
		return;
	}
	assert(c->link.state >= LINK_RESOLVING && c->link.state <= LINK_HELLO);
	link_lost(c, FEALTY_ERROR_CONNECT, c->link.state == LINK_HELLO ? "no answer to HELLO" : c->link.state == LINK_SECURING
	    ? "no end of the TLS handshake in time" : "no connection in time");
}

/* ---- output ---- */

void
link_send(struct fealty_client *c, enum frame_type type, uint64_t tag, struct bytes body, struct bytes more)
{
	struct link *l = &c->link;
	uint8_t header[FRAME_HEADER_BYTES];
	struct frame_header h = { .version = FRAME_VERSION, .type = (uint8_t)type, .tag = tag };

	assert(l->state == LINK_HELLO || l->state == LINK_READY || l->state == LINK_DRAINING);
	assert(body.len + more.len <= UINT32_MAX);
	h.body_bytes = (uint32_t)(body.len + more.len);
	frame_header_encode(&h, header);
	buf_put(&l->out, header, sizeof header);
	buf_put(&l->out, body.data, body.len);
	buf_put(&l->out, more.data, more.len);
	event_active(&l->writable, EV_WRITE, 0);
}

void
link_wake(struct fealty_client *c)
{
	if (c->link.state == LINK_READY)
		event_active(&c->link.writable, EV_WRITE, 0);
}

/* A server that refuses us says why before it closes: that is read first. */
static void
on_broken_output(struct fealty_client *c)
{
	char text[TEXT_BYTES];
	uint32_t connection = c->link.n_connections;

	say(text, "%s", c->link.why);
	on_readable(c->link.fd, EV_READ, c);
	if (c->link.fd >= 0 && c->link.n_connections == connection)
		link_lost(c, FEALTY_ERROR_CONNECT, text);
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct fealty_client *c = ctx;
	struct link *l = &c->link;

	(void)fd, (void)what;
	if (l->state == LINK_CONNECTING) {
		link_connected(c);
		return;
	}
	if (l->state == LINK_SECURING) {
		link_secure(c);
		return;
	}
	calls_pump(c);
	if (buf_status(&l->out) != ST_OK) {
		link_lost(c, FEALTY_ERROR_NOMEM, fealty_error_str(FEALTY_ERROR_NOMEM));
		return;
	}
	while (l->out_sent < l->out.len) {
		size_t n = 0;
		enum link_io io = link_write(l, bytes_of(l->out.data + l->out_sent, l->out.len - l->out_sent), &n);

		if (io == LINK_IO_WAIT_WRITE || io == LINK_IO_WAIT_READ) {
			event_add(&l->writable, NULL);
			return;
		}
		if (io != LINK_IO_DONE) {
			on_broken_output(c);
			return;
		}
		l->out_sent += n;
	}
	buf_clear(&l->out);
	l->out_sent = 0;
	calls_pump(c);			/* what did not fit before */
}

/* ---- input ---- */

static bool
error_is_transient(int reason)
{
	switch (reason) {
	case FRAME_ERROR_TIMEOUT:
	case FRAME_ERROR_SLOW_READER:
	case FRAME_ERROR_TOO_MANY_CONNECTIONS:
	case FRAME_ERROR_SHUTTING_DOWN:
	case FRAME_ERROR_INTERNAL:
		return true;
	default:			/* what a newer server may say is for good */
		return false;
	}
}

static void
on_error_frame(struct fealty_client *c, struct bytes body)
{
	Fealty__V1__Error *e = fealty__v1__error__unpack(NULL, body.len, body.data);
	char text[TEXT_BYTES];

	if (e == NULL) {
		link_lost(c, FEALTY_ERROR_PROTOCOL, "an ERROR frame that cannot be read");
		return;
	}
	int reason = e->has_reason ? (int)e->reason : FRAME_ERROR_NONE;
	uint64_t tag = e->has_tag ? e->tag : 0;
	const char *message = e->message != NULL ? e->message : "";
	say(text, "the server ended the connection: %s%s%s", frame_error_str((enum frame_error)reason), *message != '\0' ? ": " : "",
	    message);
	fealty__v1__error__free_unpacked(e, NULL);

	bool about_a_frame = reason == FRAME_ERROR_MALFORMED || reason == FRAME_ERROR_FRAME_TOO_LARGE || reason == FRAME_ERROR_UNKNOWN_TYPE ||
	    reason == FRAME_ERROR_UNKNOWN_FLAG;
	if (error_is_transient(reason) || (about_a_frame && tag != 0 &&
	    (calls_fail_tag(c, tag, FEALTY_ERROR_REJECTED, text, true) || subs_fail_tag(c, tag, FEALTY_ERROR_REJECTED, text))))
		link_lost(c, FEALTY_ERROR_CONNECT, text);
	else
		link_die(c, FEALTY_ERROR_REJECTED, text);
}

static uint32_t
pulse_ms(const struct fealty_client *c)
{
	uint32_t idle_ms = c->hello_ok->has_idle_ms ? c->hello_ok->idle_ms : 0;

	return idle_ms > 0 && idle_ms / 3 < PULSE_MS_MAX ? idle_ms / 3 + 1 : PULSE_MS_MAX;
}

static void
link_ready(struct fealty_client *c, struct bytes body)
{
	struct link *l = &c->link;

	enum fealty_error error = client_take_hello(c, body);
	if (error != FEALTY_ERROR_NONE) {
		link_die(c, error, c->trouble);
		return;
	}
	event_del(&l->timer);
	link_set_state(l, LINK_READY);
	l->connect_failures = 0;
	uint32_t reply_max = c->hello_ok->has_reply_bytes_max ? c->hello_ok->reply_bytes_max : FRAME_REPLY_BYTES_MAX;
	l->limits.body_bytes_max = reply_max < REPLY_BYTES_CEILING ? reply_max : REPLY_BYTES_CEILING;
	timer_in(&l->pulse, pulse_ms(c));
	subs_on_ready(c);
	calls_pump(c);
}

static enum verdict
on_pong_frame(struct fealty_client *c, struct bytes body)
{
	Fealty__V1__Pong *pong = fealty__v1__pong__unpack(NULL, body.len, body.data);

	if (pong == NULL)
		return DROP;
	c->link.ping_sent = false;
	calls_on_pong(c, pong->has_nonce ? pong->nonce : 0);
	fealty__v1__pong__free_unpacked(pong, NULL);
	return GO_ON;
}

/* False: the link has ended, and nothing of it may be used. */
static bool
on_frame(struct fealty_client *c, const struct frame_header *h, struct bytes body)
{
	struct link *l = &c->link;
	enum verdict verdict = DROP;

	if (h->type == FRAME_ERROR) {
		on_error_frame(c, body);
		return false;
	}
	if (l->state == LINK_HELLO) {
		if (h->type == FRAME_HELLO_OK)
			link_ready(c, body);
		else
			link_lost(c, FEALTY_ERROR_PROTOCOL, "the server did not answer HELLO with HELLO_OK");
		return l->state == LINK_READY;
	}
	switch (h->type) {
	case FRAME_RESPONSE:
		if (!subs_on_response(c, h->tag, body, &verdict))
			verdict = calls_on_response(c, h->tag, body);
		l->failures = verdict == GO_ON ? 0 : l->failures;
		break;
	case FRAME_PUSH:
		verdict = subs_on_push(c, h->tag, body);
		break;
	case FRAME_PONG:
		verdict = on_pong_frame(c, body);
		break;
	case FRAME_GOAWAY:
		if (l->state == LINK_READY)
			link_set_state(l, LINK_DRAINING);
		verdict = GO_ON;
		break;
	default:
		break;
	}
	if (verdict == DROP)
		link_lost(c, FEALTY_ERROR_PROTOCOL, "the server sent a frame that does not fit");
	return verdict == GO_ON;
}

static void
on_bad_header(struct fealty_client *c, enum frame_error bad, const struct frame_header *h)
{
	char text[TEXT_BYTES];

	if (bad == FRAME_ERROR_FRAME_TOO_LARGE)
		say(text, "the server sent a reply of %lu bytes, and %lu are allowed", (unsigned long)h->body_bytes,
		    (unsigned long)c->link.limits.body_bytes_max);
	else
		say(text, "the server sent a bad frame: %s", frame_error_str(bad));
	if (bad == FRAME_ERROR_FRAME_TOO_LARGE && h->tag != 0 && !calls_fail_tag(c, h->tag, FEALTY_ERROR_PROTOCOL, text, false))
		(void)subs_fail_tag(c, h->tag, FEALTY_ERROR_PROTOCOL, text);
	link_lost(c, FEALTY_ERROR_PROTOCOL, text);
}

/* Takes whole frames off the input.  False: the link has ended. */
static bool
take_frames(struct fealty_client *c)
{
	struct link *l = &c->link;

	while (l->in.len - l->in_taken >= FRAME_HEADER_BYTES) {
		struct frame_header h;
		enum frame_error bad = frame_header_decode(l->in.data + l->in_taken, &l->limits, &h);

		if (bad != FRAME_ERROR_NONE) {
			on_bad_header(c, bad, &h);
			return false;
		}
		if (l->in.len - l->in_taken - FRAME_HEADER_BYTES < h.body_bytes)
			break;
		struct bytes body = bytes_of(l->in.data + l->in_taken + FRAME_HEADER_BYTES, h.body_bytes);
		l->in_taken += FRAME_HEADER_BYTES + h.body_bytes;
		if (!on_frame(c, &h, body))
			return false;
	}
	memmove(l->in.data, l->in.data + l->in_taken, l->in.len - l->in_taken);
	l->in.len -= l->in_taken;
	l->in_taken = 0;
	return true;
}

static void
on_lost_input(struct fealty_client *c, enum link_io io)
{
	char text[TEXT_BYTES];

	say(text, io == LINK_IO_REFUSED ? "the server refuses our certificate (%s)" : "%s", c->link.why);
	if (io == LINK_IO_REFUSED)
		link_die(c, FEALTY_ERROR_TLS, text);
	else
		link_lost(c, FEALTY_ERROR_CONNECT, text);
}

/* What one read gives; false: no more for now, or no link. */
static bool
read_some(struct fealty_client *c)
{
	struct link *l = &c->link;
	uint8_t bytes[READ_BYTES];
	size_t n = 0;

	enum link_io io = link_read(l, bytes, sizeof bytes, &n);
	if (io == LINK_IO_WAIT_READ || io == LINK_IO_WAIT_WRITE)
		return false;
	if (io != LINK_IO_DONE) {
		on_lost_input(c, io);
		return false;
	}
	l->heard_us = clock_monotonic_us();
	buf_put(&l->in, bytes, n);
	if (buf_status(&l->in) != ST_OK) {
		link_lost(c, FEALTY_ERROR_NOMEM, fealty_error_str(FEALTY_ERROR_NOMEM));
		return false;
	}
	return take_frames(c);
}

/* With TLS a session may have read more of the socket than it has given: it is asked until it has no more, or has its turn again. */
static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct fealty_client *c = ctx;
	struct link *l = &c->link;

	(void)fd, (void)what;
	if (l->state == LINK_SECURING) {
		link_secure(c);
		if (l->state != LINK_HELLO)
			return;
	}
	for (unsigned i = 0; i < READS_MAX; i++) {
		if (!read_some(c))
			return;
		calls_pump(c);
		link_check_drained(c);
		if (l->tls == NULL)
			return;
	}
	event_active(&l->readable, EV_READ, 0);
}

/* ---- quiet ---- */

/* While somebody waits: a PING after a silence, and the end of the connection when even that is not answered.  An idle one may time out. */
static void
on_pulse(evutil_socket_t fd, short what, void *ctx)
{
	struct fealty_client *c = ctx;
	struct link *l = &c->link;
	int64_t quiet_us = clock_monotonic_us() - l->heard_us;
	bool quiet = quiet_us >= (int64_t)pulse_ms(c) * 1000;

	(void)fd, (void)what;
	assert(l->state == LINK_READY || l->state == LINK_DRAINING);
	if (quiet && l->ping_sent) {
		link_lost(c, FEALTY_ERROR_CONNECT, "the server is silent");
		return;
	}
	if (client_has_work(c)) {
		link_send(c, FRAME_PING, 0, bytes_of(NULL, 0), bytes_of(NULL, 0));
		l->ping_sent = true;
	}
	timer_in(&l->pulse, pulse_ms(c));
}
