/* The handler runs on two threads: what it counts has a mutex, and the tests read it through read_counter() and wait_for(). */
#include "net_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_SECONDS 20

/* ---- the server's side ---- */

static void
on_open(void *ctx, struct net_conn *conn)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->mutex);
	w->opened++;
	w->opened_on[net_loop_index(net_conn_loop(conn))]++;
	w->last_id = net_conn_id(conn);
	w->last_loop = net_conn_loop(conn);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	net_conn_set_user(conn, w);
}

static void
flood(struct net_conn *conn, struct bytes body)
{
	uint8_t chunk[1024] = { 0 };

	for (uint32_t i = 0, n = get_be32(body.data + 1); i < n; i++) {
		net_conn_send(conn, FRAME_PUSH, 0, 1, bytes_of(chunk, sizeof(chunk)));
		net_conn_set_resume(conn, i + 1);
	}
}

/* Asks first and fills the output then: the asking must not be answered before that has gone. */
static void
push_with_room(struct world *w, struct net_conn *conn, struct bytes body)
{
	uint8_t much[ROOM_BYTES] = { 0 };

	w->room_left = get_be32(body.data + 1) - sizeof(much);
	net_conn_want_room(conn, ROOM_BYTES);
	net_conn_send(conn, FRAME_PUSH, 0, 1, bytes_of(much, sizeof(much)));
}

static void
on_request(struct world *w, struct net_conn *conn, const struct frame_header *header, struct bytes body)
{
	switch (body.len == 0 ? 'e' : body.data[0]) {
	case 'p':	/* pause */
		net_conn_pause(conn);
		break;
	case 'q':	/* pause and resume at once, then echo */
		net_conn_pause(conn);
		net_conn_resume(conn);
		net_conn_send(conn, FRAME_RESPONSE, 0, header->tag, body);
		break;
	case 'd':	/* dear: takes a while, then echo */
		usleep(DEAR_US);
		net_conn_send(conn, FRAME_RESPONSE, 0, header->tag, body);
		break;
	case 'f':	/* so many pushes of 1 KiB */
		flood(conn, body);
		break;
	case 'w':	/* so many bytes, a chunk each time that there is room */
		push_with_room(w, conn, body);
		break;
	case 'c':	/* close, behind an answer */
		net_conn_send(conn, FRAME_RESPONSE, 0, header->tag, body);
		net_conn_close(conn, "BY_HANDLER");
		net_conn_send(conn, FRAME_RESPONSE, 0, header->tag, body);
		break;
	case 's':	/* keep the loop busy until the test goes on */
		pthread_cond_broadcast(&w->changed);
		while (!w->goes_on)
			pthread_cond_wait(&w->changed, &w->mutex);
		break;
	case 'n':	/* tell how many frames came before */
		net_conn_send(conn, FRAME_RESPONSE, 0, header->tag, bytes_of(&w->frames, sizeof(w->frames)));
		break;
	case 'r':	/* rest, then echo what comes */
		w->rests++;
		net_conn_rest(conn);
		break;
	case 'x':	/* fail */
		net_conn_fail(conn, FRAME_ERROR_MALFORMED, "bad", header->tag, 0);
		break;
	default:
		net_conn_send(conn, FRAME_RESPONSE, 0, header->tag, body);
		break;
	}
}

static void
on_frame(void *ctx, struct net_conn *conn, const struct frame_header *header, struct bytes body)
{
	struct world *w = ctx;
	struct frame_limits limits = frame_limits_server();

	assert_ptr_equal(net_conn_user(conn), w);
	pthread_mutex_lock(&w->mutex);
	w->frames++;
	if (header->type == FRAME_HELLO) {
		net_conn_set_limits(conn, &limits);
		net_conn_send(conn, FRAME_HELLO_OK, 0, 0, bytes_of(NULL, 0));
	} else if (header->type == FRAME_PING) {
		net_conn_send(conn, FRAME_PONG, 0, 0, body);
	} else {
		on_request(w, conn, header, body);
	}
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

static void
on_room(void *ctx, struct net_conn *conn)
{
	struct world *w = ctx;
	uint8_t chunk[ROOM_CHUNK] = { 0 };

	pthread_mutex_lock(&w->mutex);
	w->rooms++;
	if (w->rests > 0) {
		w->rests--;
		net_conn_resume(conn);
		pthread_mutex_unlock(&w->mutex);
		return;
	}
	if (net_conn_output_bytes(conn) > w->room_output_max)
		w->room_output_max = net_conn_output_bytes(conn);
	size_t n = w->room_left < sizeof(chunk) ? w->room_left : sizeof(chunk);
	w->room_left -= n;
	net_conn_send(conn, FRAME_PUSH, 0, 1, bytes_of(chunk, n));
	if (w->room_left > 0)
		net_conn_want_room(conn, ROOM_BYTES);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

static void
on_closed(void *ctx, struct net_conn *conn, const char *reason)
{
	struct world *w = ctx;

	(void)conn;
	pthread_mutex_lock(&w->mutex);
	w->closed++;
	snprintf(w->last_reason, sizeof(w->last_reason), "%s", reason);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

static void
on_aged(void *ctx, struct net_conn *conn)
{
	struct world *w = ctx;

	(void)conn;
	pthread_mutex_lock(&w->mutex);
	w->aged++;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

static void
on_rejected(void *ctx, const char *address, const char *reason, const char *why)
{
	struct world *w = ctx;

	(void)address;
	pthread_mutex_lock(&w->mutex);
	w->rejected++;
	snprintf(w->last_reason, sizeof(w->last_reason), "%s", reason);
	snprintf(w->last_why, sizeof(w->last_why), "%s", why);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

struct net_limits
test_limits(void)
{
	struct net_limits l = net_limits_default();

	l.hello_ms = l.frame_ms = l.idle_ms = l.linger_ms = 30 * 1000;
	return l;
}

struct world *
world_new(const struct net_limits *limits)
{
	struct world *w = calloc(1, sizeof(*w));
	struct net_handler handler = { w, on_open, on_frame, NULL, on_room, on_closed, on_aged, on_rejected };

	assert_non_null(w);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->changed, NULL);
	strcpy(w->dir, "/tmp/test_net.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/s", w->dir);
	assert_int_equal(net_new(2, limits, &handler, &w->net), ST_OK);
	return w;
}

struct world *
world_start(const struct net_limits *limits)
{
	struct world *w = world_new(limits);

	assert_int_equal(net_listen_unix(w->net, w->path), ST_OK);
	assert_int_equal(net_listen_loopback(w->net, "127.0.0.1:0", &w->port), ST_OK);
	assert_int_equal(net_start(w->net), ST_OK);
	return w;
}

void
world_release(struct world *w)
{
	net_free(w->net);
	assert_int_equal(rmdir(w->dir), 0);	/* the socket file is gone */
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->changed);
	free(w);
}

void
world_end(struct world *w)
{
	net_stop(w->net);
	assert_int_equal(w->closed, w->opened);
	assert_int_equal(net_connections(w->net), 0);
	world_release(w);
}

void
wait_for(struct world *w, const unsigned *counter, unsigned want)
{
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_SECONDS;
	pthread_mutex_lock(&w->mutex);
	while (*counter < want && rc == 0)
		rc = pthread_cond_timedwait(&w->changed, &w->mutex, &end);
	unsigned got = *counter;
	pthread_mutex_unlock(&w->mutex);
	if (got < want)
		fail_msg("waited for %u, is %u", want, got);
}

void
let_go_on(struct world *w)
{
	pthread_mutex_lock(&w->mutex);
	w->goes_on = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

unsigned
read_counter(struct world *w, const unsigned *counter)
{
	pthread_mutex_lock(&w->mutex);
	unsigned got = *counter;
	pthread_mutex_unlock(&w->mutex);
	return got;
}

uint64_t
last_conn_id(struct world *w)
{
	pthread_mutex_lock(&w->mutex);
	uint64_t id = w->last_id;
	pthread_mutex_unlock(&w->mutex);
	return id;
}

void
expect_closed(struct world *w, unsigned n, const char *reason)
{
	wait_for(w, &w->closed, n);
	pthread_mutex_lock(&w->mutex);
	assert_string_equal(w->last_reason, reason);
	pthread_mutex_unlock(&w->mutex);
}

/* ---- the peer's side ---- */

void
set_timeouts(int fd)
{
	struct timeval tv = { .tv_sec = WAIT_SECONDS };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
}

int
try_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	set_timeouts(fd);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

int
connect_unix(const struct world *w)
{
	int fd = try_unix(w->path);

	assert_true(fd >= 0);
	return fd;
}

int
connect_tcp(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	set_timeouts(fd);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

void
send_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

void
send_frame(int fd, enum frame_type type, uint64_t tag, const void *body, size_t len)
{
	struct buf out;

	buf_init(&out);
	frame_put(&out, type, 0, tag, bytes_of(body, len));
	send_all(fd, out.data, out.len);
	buf_release(&out);
}

void
send_header(int fd, struct frame_header h)
{
	uint8_t bytes[FRAME_HEADER_BYTES];

	frame_header_encode(&h, bytes);
	send_all(fd, bytes, sizeof(bytes));
}

bool
receive(int fd, void *ret, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(fd, (uint8_t *)ret + got, len - got, 0);
		if (n == 0 && got == 0)
			return false;
		if (n <= 0)
			fail_msg("recv: %s", n == 0 ? "end within a frame" : strerror(errno));
		got += (size_t)n;
	}
	return true;
}

bool
receive_frame(int fd, struct frame *ret)
{
	struct frame_limits limits = frame_limits_client();
	uint8_t bytes[FRAME_HEADER_BYTES];

	if (!receive(fd, bytes, sizeof(bytes)))
		return false;
	assert_int_equal(frame_header_decode(bytes, &limits, &ret->h), FRAME_ERROR_NONE);
	ret->body = malloc(ret->h.body_bytes + 1);
	assert_non_null(ret->body);
	if (ret->h.body_bytes > 0)
		assert_true(receive(fd, ret->body, ret->h.body_bytes));
	return true;
}

void
expect_frame(int fd, enum frame_type type, uint64_t tag, const void *body, size_t len)
{
	struct frame f;

	assert_true(receive_frame(fd, &f));
	if (f.h.type != type)
		fail_msg("%s, not %s", frame_type_str(f.h.type), frame_type_str((uint8_t)type));
	assert_true(f.h.tag == tag);
	assert_int_equal(f.h.body_bytes, len);
	if (len > 0)
		assert_memory_equal(f.body, body, len);
	free(f.body);
}

void
expect_error(int fd, enum frame_error reason, uint64_t tag)
{
	struct frame f;
	uint8_t byte;

	assert_true(receive_frame(fd, &f));
	if (f.h.type != FRAME_ERROR)
		fail_msg("%s, not ERROR", frame_type_str(f.h.type));
	assert_true(f.h.body_bytes > 2 && f.body[0] == 0x08);
	if (f.body[1] != (uint8_t)reason)
		fail_msg("%s, not %s", frame_error_str(f.body[1]), frame_error_str(reason));
	assert_int_equal(f.body[2], 0x12);	/* a sentence */
	assert_true(f.h.tag == tag);
	free(f.body);
	assert_false(receive(fd, &byte, 1));
	close(fd);
}

void
greet(int fd)
{
	send_frame(fd, FRAME_HELLO, 0, "hi", 2);
	expect_frame(fd, FRAME_HELLO_OK, 0, NULL, 0);
}

void
expect_echo(int fd, uint64_t tag)
{
	send_frame(fd, FRAME_REQUEST, tag, "echo", 4);
	expect_frame(fd, FRAME_RESPONSE, tag, "echo", 4);
}

void
send_number(int fd, char what, uint32_t n)
{
	uint8_t body[5] = { (uint8_t)what };

	put_be32(body + 1, n);
	send_frame(fd, FRAME_REQUEST, 1, body, sizeof(body));
}

bool
readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}
