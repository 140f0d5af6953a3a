/* Doors, frames, time and quantity: what a peer may do, and what it is told when it does more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net_world.h"

/* ---- addresses and socket files ---- */

static const struct { const char *address; enum status want; } addresses[] = {
	{ "127.0.0.1:0", ST_OK },
	{ "127.3.2.1:0", ST_OK },
	{ "0.0.0.0:7450", ST_INVALID },
	{ "192.168.1.2:7450", ST_INVALID },
	{ "128.0.0.1:7450", ST_INVALID },
	{ "localhost:7450", ST_INVALID },
	{ "example.org:7450", ST_INVALID },
	{ "[::]:7450", ST_INVALID },
	{ "[::2]:7450", ST_INVALID },
	{ "[::ffff:127.0.0.1]:7450", ST_INVALID },
	{ "[127.0.0.1]:7450", ST_INVALID },
	{ "::1:7450", ST_INVALID },
	{ "[::1]", ST_INVALID },
	{ "127.0.0.1", ST_INVALID },
	{ "127.0.0.1:", ST_INVALID },
	{ "127.0.0.1:65536", ST_INVALID },
	{ "127.0.0.1:-1", ST_INVALID },
	{ "127.0.0.1:7450x", ST_INVALID },
	{ "127.0.0.1:000080", ST_INVALID },
	{ "127.0.1:7450", ST_INVALID },
	{ " 127.0.0.1:7450", ST_INVALID },
	{ "7450", ST_INVALID },
	{ ":7450", ST_INVALID },
	{ "", ST_INVALID },
	{ "[0000000000000000000000000000000000000000000000000001]:7450", ST_INVALID },
};

static void
listens_on_loopback_only(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_new(&limits);
	uint16_t port = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		enum status st = net_listen_loopback(w->net, addresses[i].address, &port);
		if (st != addresses[i].want)
			fail_msg("%s: %s", addresses[i].address, status_str(st));
	}
	char taken[32];
	snprintf(taken, sizeof(taken), "127.3.2.1:%u", port);
	assert_true(port != 0);
	assert_int_equal(net_listen_loopback(w->net, taken, NULL), ST_BUSY);
	world_release(w);
}

static void
listens_on_ipv6_loopback(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_new(&limits);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	uint16_t port;

	(void)state;
	enum status st = net_listen_loopback(w->net, "[::1]:0", &port);
	if (st != ST_OK) {	/* a machine without IPv6 */
		assert_int_equal(st, ST_IO);
		world_release(w);
		skip();
	}
	assert_int_equal(net_start(w->net), ST_OK);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	set_timeouts(fd);
	a.sin6_port = htons(port);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	greet(fd);
	close(fd);
	world_end(w);
}

static void
socket_file_is_for_its_owner(void **state)
{
	static const mode_t masks[] = { 0, 022, 0777 };
	struct net_limits limits = test_limits();
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct world *w = world_new(&limits);
		mode_t before = umask(masks[i]);
		enum status got = net_listen_unix(w->net, w->path);
		umask(before);
		assert_int_equal(got, ST_OK);
		assert_int_equal(net_listen_loopback(w->net, "127.0.0.1:0", &w->port), ST_OK);
		assert_int_equal(lstat(w->path, &st), 0);
		assert_true(S_ISSOCK(st.st_mode));
		assert_int_equal(st.st_mode & 07777, 0600);
		net_stop_accepting(w->net);
		assert_int_equal(lstat(w->path, &st), -1);
		assert_int_equal(connect_tcp(w->port), -1);	/* from now on, not some time later */
		world_release(w);
	}
}

static void
replaces_only_a_stale_socket_file(void **state)
{
	struct net_limits limits = test_limits();
	struct world *live = world_start(&limits), *w = world_new(&limits);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char too_long[200];

	(void)state;
	assert_int_equal(net_listen_unix(w->net, live->path), ST_BUSY);
	int fd = connect_unix(live);	/* the live one is unharmed */
	greet(fd);
	close(fd);
	world_end(live);

	FILE *f = fopen(w->path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(net_listen_unix(w->net, w->path), ST_IO);
	assert_int_equal(unlink(w->path), 0);	/* it was left alone */

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", w->path);
	int stale = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(stale, (struct sockaddr *)&a, sizeof(a)), 0);
	close(stale);
	assert_int_equal(net_listen_unix(w->net, w->path), ST_OK);

	memset(too_long, 'x', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(net_listen_unix(w->net, too_long), ST_INVALID);
	assert_int_equal(net_listen_unix(w->net, ""), ST_INVALID);
	assert_int_equal(net_listen_unix(w->net, "/nonexistent/dir/s"), ST_IO);
	world_release(w);
}

static void
leaves_a_socket_file_that_is_not_ours(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);

	(void)state;
	assert_int_equal(unlink(w->path), 0);
	FILE *f = fopen(w->path, "w");
	assert_non_null(f);
	fclose(f);
	net_stop_accepting(w->net);
	assert_int_equal(unlink(w->path), 0);
	world_end(w);
}

static void
stops_accepting_and_keeps_what_it_has(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int a = connect_unix(w), b = connect_tcp(w->port);

	(void)state;
	greet(a);
	greet(b);
	net_stop_accepting(w->net);
	net_stop_accepting(w->net);
	assert_int_equal(try_unix(w->path), -1);
	assert_int_equal(connect_tcp(w->port), -1);
	expect_echo(a, 1);
	expect_echo(b, 1);
	close(a);
	close(b);
	world_end(w);
}

/* ---- frames ---- */

static void
takes_frames_in_any_pieces(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	uint8_t body[3000];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)('0' + i % 10);
	for (int piece = 1; piece < 5000; piece = piece * 7 + 1) {
		int fd = connect_tcp(w->port);
		assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), 0);
		size_t frames = piece == 1 ? 3 : 200;
		buf_init(&out);
		frame_put(&out, FRAME_HELLO, 0, 0, bytes_of("hello", 5));
		for (size_t i = 1; i <= frames; i++)
			frame_put(&out, FRAME_REQUEST, 0, i, bytes_of(body, piece == 1 ? i : i * 37 % sizeof(body)));
		for (size_t at = 0; at < out.len; at += (size_t)piece)
			send_all(fd, out.data + at, out.len - at < (size_t)piece ? out.len - at : (size_t)piece);
		buf_release(&out);
		expect_frame(fd, FRAME_HELLO_OK, 0, NULL, 0);
		for (size_t i = 1; i <= frames; i++)
			expect_frame(fd, FRAME_RESPONSE, i, body, piece == 1 ? i : i * 37 % sizeof(body));
		close(fd);
	}
	world_end(w);
}

static void
takes_frames_up_to_the_limits(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	uint8_t *body = malloc(FRAME_BATCH_BYTES_MAX);

	(void)state;
	assert_non_null(body);
	memset(body, 'e', FRAME_BATCH_BYTES_MAX);
	greet(fd);
	for (int i = 0; i < 3; i++) {
		send_frame(fd, FRAME_REQUEST, 1, body, FRAME_BODY_BYTES_MAX);
		send_frame(fd, FRAME_BATCH, 2, body, FRAME_BATCH_BYTES_MAX);
		send_frame(fd, FRAME_REQUEST, 3, NULL, 0);
		expect_frame(fd, FRAME_RESPONSE, 1, body, FRAME_BODY_BYTES_MAX);
		expect_frame(fd, FRAME_RESPONSE, 2, body, FRAME_BATCH_BYTES_MAX);
		expect_frame(fd, FRAME_RESPONSE, 3, NULL, 0);
	}
	free(body);
	close(fd);
	world_end(w);
}

/* Only the header is sent: the answer must not wait for the body. */
static const struct { const char *name; bool greeted; struct frame_header h; enum frame_error want; } refusals[] = {
	{ "hello too large",      false, { FRAME_BEFORE_HELLO_BYTES_MAX + 1, 1, FRAME_HELLO, 0, 0 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "request before hello", false, { 10, 1, FRAME_REQUEST, 0, 5 }, FRAME_ERROR_HELLO_REQUIRED },
	{ "http",                 false, { 0x47455420, 0x2f, 0x20, 0x4854, 0 }, FRAME_ERROR_BAD_VERSION },
	{ "request too large",    true,  { FRAME_BODY_BYTES_MAX + 1, 1, FRAME_REQUEST, 0, 5 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "batch too large",      true,  { FRAME_BATCH_BYTES_MAX + 1, 1, FRAME_BATCH, 0, 5 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "unknown type",         true,  { 10, 1, 77, 0, 5 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "unknown flag",         true,  { 10, 1, FRAME_REQUEST, 0x100, 5 }, FRAME_ERROR_UNKNOWN_FLAG },
	{ "no tag",               true,  { 10, 1, FRAME_REQUEST, 0, 0 }, FRAME_ERROR_TAG_INVALID },
};

static void
refuses_on_the_header(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);

	(void)state;
	for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		int fd = i % 2 == 0 ? connect_tcp(w->port) : connect_unix(w);
		if (refusals[i].greeted)
			greet(fd);
		unsigned frames = read_counter(w, &w->frames);
		send_header(fd, refusals[i].h);
		expect_error(fd, refusals[i].want, refusals[i].h.tag);
		expect_closed(w, i + 1, frame_error_str(refusals[i].want));
		assert_int_equal(read_counter(w, &w->frames), frames);
	}
	world_end(w);
}

/* The bytes of an ERROR on the wire, each by hand. */
static void
errors_are_protobuf_on_the_wire(void **state)
{
	static const uint8_t want[] = {
		0, 0, 0, 10, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 1, 44,
		0x08, 5, 0x12, 3, 'b', 'a', 'd', 0x18, 0xac, 0x02,
	};
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	uint8_t got[sizeof(want)];

	(void)state;
	greet(fd);
	send_frame(fd, FRAME_REQUEST, 300, "x", 1);
	send_frame(fd, FRAME_REQUEST, 301, "e", 1);	/* nothing behind the failure is looked at */
	assert_true(receive(fd, got, sizeof(got)));
	assert_memory_equal(got, want, sizeof(want));
	assert_false(receive(fd, got, 1));
	close(fd);
	expect_closed(w, 1, "MALFORMED");
	assert_int_equal(read_counter(w, &w->frames), 2);
	world_end(w);
}

/* It must not be lost in a reset because of input that nobody reads. */
static void
an_error_reaches_a_peer_that_goes_on_sending(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	uint8_t *garbage = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(garbage);
	for (int door = 0; door < 2; door++) {
		int fd = door == 0 ? connect_tcp(w->port) : connect_unix(w);
		for (int i = 0; i < 4; i++)
			send_all(fd, garbage, 1 << 20);
		expect_error(fd, FRAME_ERROR_BAD_VERSION, 0);
	}
	free(garbage);
	expect_closed(w, 2, "BAD_VERSION");
	world_end(w);
}

/* Sends ${n} requests in one piece, takes the answers, and gives the pieces in which they came. */
static unsigned
pieces_of_answers(int fd, const char *body, unsigned n)
{
	struct tcp_info before, after;
	struct buf out;

	buf_init(&out);
	for (uint64_t tag = 1; tag <= n; tag++)
		frame_put(&out, FRAME_REQUEST, 0, tag, bytes_of(body, strlen(body)));
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &before, &(socklen_t){ sizeof(before) }), 0);
	send_all(fd, out.data, out.len);
	for (uint64_t tag = 1; tag <= n; tag++)
		expect_frame(fd, FRAME_RESPONSE, tag, body, strlen(body));
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &after, &(socklen_t){ sizeof(after) }), 0);
	buf_release(&out);
	return after.tcpi_data_segs_in - before.tcpi_data_segs_in;
}

static void
answers_of_a_turn_leave_together(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fd = connect_tcp(w->port);

	(void)state;
	greet(fd);
	assert_in_range(pieces_of_answers(fd, "echo", FRAME_IN_FLIGHT_MAX), 1, 8);	/* two turns, and more when the machine is busy */
	close(fd);
	world_end(w);
}

/* Whoever asks for what takes long has one of it in a turn, and the others theirs between. */
static void
what_is_dear_takes_turns(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fd = connect_tcp(w->port);

	(void)state;
	greet(fd);
	assert_in_range(pieces_of_answers(fd, "d", 20), 15, 20);
	close(fd);
	world_end(w);
}

/* ---- time ---- */

/* Sends one byte after another until there is something to read; how long it took. */
static int64_t
drip_us(int fd, const uint8_t *bytes, size_t len)
{
	int64_t begin_us = clock_monotonic_us();

	for (size_t i = 0; !readable(fd, 20); i++) {
		assert_true(i < len);
		send_all(fd, bytes + i, 1);
	}
	return clock_monotonic_us() - begin_us;
}

static void
hello_has_its_time(void **state)
{
	struct net_limits limits = test_limits();
	uint8_t hello[4000] = { 0, 0, 15, 0, 1, FRAME_HELLO };

	(void)state;
	limits.hello_ms = 300;
	struct world *w = world_start(&limits);
	int silent = connect_unix(w), slow = connect_unix(w), good = connect_unix(w);
	greet(good);
	assert_in_range(drip_us(slow, hello, sizeof(hello)), 200 * 1000, 5000 * 1000);
	expect_error(slow, FRAME_ERROR_TIMEOUT, 0);
	expect_error(silent, FRAME_ERROR_TIMEOUT, 0);
	expect_closed(w, 2, "TIMEOUT");
	assert_false(readable(good, 50));
	expect_echo(good, 1);
	close(good);
	world_end(w);
}

static void
a_frame_has_its_time(void **state)
{
	struct net_limits limits = test_limits();
	uint8_t slow[4000] = { 0, 0, 15, 0, 1, FRAME_REQUEST, [15] = 1 };
	struct buf out;

	(void)state;
	limits.frame_ms = 500;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);

	/* many frames that are each in time, none of them ever aligned with a write */
	buf_init(&out);
	for (uint64_t tag = 1; tag <= 8; tag++)
		frame_put(&out, FRAME_REQUEST, 0, tag, bytes_of("echo", 4));
	send_all(fd, out.data, 10);
	for (uint64_t tag = 1; tag <= 8; tag++) {
		assert_false(readable(fd, 100));
		send_all(fd, out.data + 10 + (tag - 1) * 20, tag < 8 ? 20 : 10);
		expect_frame(fd, FRAME_RESPONSE, tag, "echo", 4);
	}
	buf_release(&out);
	assert_false(readable(fd, 700));	/* between frames the time does not run */

	assert_in_range(drip_us(fd, slow, sizeof(slow)), 400 * 1000, 5000 * 1000);
	expect_error(fd, FRAME_ERROR_TIMEOUT, 0);
	expect_closed(w, 1, "TIMEOUT");
	world_end(w);
}

static void
silence_has_its_time(void **state)
{
	struct net_limits limits = test_limits();

	(void)state;
	limits.idle_ms = 500;
	struct world *w = world_start(&limits);
	expect_error(connect_unix(w), FRAME_ERROR_TIMEOUT, 0);	/* not a byte, ever */
	int fd = connect_unix(w);
	greet(fd);
	for (int i = 0; i < 8; i++) {
		assert_false(readable(fd, 100));
		send_frame(fd, FRAME_PING, 0, "x", 1);
		expect_frame(fd, FRAME_PONG, 0, "x", 1);
	}
	int64_t begin_us = clock_monotonic_us();
	expect_error(fd, FRAME_ERROR_TIMEOUT, 0);
	assert_in_range(clock_monotonic_us() - begin_us, 400 * 1000, 5000 * 1000);
	expect_closed(w, 2, "TIMEOUT");
	world_end(w);
}

static void
a_closed_peer_that_stays_is_cut_off(void **state)
{
	struct net_limits limits = test_limits();

	(void)state;
	limits.linger_ms = 200;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	send_frame(fd, FRAME_REQUEST, 9, "c", 1);
	expect_frame(fd, FRAME_RESPONSE, 9, "c", 1);
	expect_closed(w, 1, "BY_HANDLER");	/* though the peer keeps its side open */
	uint8_t byte;
	assert_false(receive(fd, &byte, 1));
	close(fd);
	world_end(w);
}

/* ---- many, and too much ---- */

static void
serves_many_connections(void **state)
{
	enum { N = 400 };
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fds[N];

	(void)state;
	for (int i = 0; i < N; i++)
		fds[i] = i % 2 == 0 ? connect_unix(w) : connect_tcp(w->port);
	for (int i = 0; i < N; i++)
		send_frame(fds[i], FRAME_HELLO, 0, "hi", 2);
	for (int i = 0; i < N; i++)
		expect_frame(fds[i], FRAME_HELLO_OK, 0, NULL, 0);
	assert_int_equal(net_connections(w->net), N);
	assert_int_equal(read_counter(w, &w->opened_on[0]), N / 2);
	assert_int_equal(read_counter(w, &w->opened_on[1]), N / 2);
	for (int i = 0; i < N; i++)
		expect_echo(fds[i], (uint64_t)i + 1);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	expect_closed(w, N, "PEER_CLOSED");
	world_end(w);
}

static void
refuses_one_connection_too_many(void **state)
{
	struct net_limits limits = test_limits();
	int fds[4];

	(void)state;
	limits.connections_max = 4;
	struct world *w = world_start(&limits);
	for (int i = 0; i < 4; i++) {
		fds[i] = connect_unix(w);
		greet(fds[i]);
	}
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? connect_unix(w) : connect_tcp(w->port);
		send_frame(fd, FRAME_HELLO, 0, "hi", 2);
		expect_error(fd, FRAME_ERROR_TOO_MANY_CONNECTIONS, 0);
	}
	assert_int_equal(read_counter(w, &w->opened), 4);
	assert_int_equal(net_connections(w->net), 4);
	close(fds[0]);
	wait_for(w, &w->closed, 1);
	while (net_connections(w->net) == 4)
		sched_yield();		/* freed right behind on_closed() */
	int fd = connect_unix(w);
	greet(fd);
	close(fd);
	for (int i = 1; i < 4; i++)
		close(fds[i]);
	world_end(w);
}

/* More of them than we wait for: those are closed at once, none of them is kept. */
static void
refuses_a_crowd(void **state)
{
	enum { N = 300 };
	struct net_limits limits = test_limits();
	int fds[N];

	(void)state;
	limits.connections_max = 1;
	struct world *w = world_start(&limits);
	int first = connect_unix(w);
	greet(first);
	for (int i = 0; i < N; i++)
		fds[i] = connect_tcp(w->port);
	for (int i = 0; i < N; i++)
		expect_error(fds[i], FRAME_ERROR_TOO_MANY_CONNECTIONS, 0);
	expect_echo(first, 1);
	close(first);
	world_end(w);
}

/* Of one address, whoever it is; others come in, and so does the UNIX socket, which has none. */
static void
refuses_one_too_many_of_an_address(void **state)
{
	struct net_limits limits = test_limits();
	struct net_figures figures;
	int fds[3];

	(void)state;
	limits.address_connections_max = 3;
	struct world *w = world_start(&limits);
	for (int i = 0; i < 3; i++) {
		fds[i] = connect_tcp(w->port);
		greet(fds[i]);
	}
	int fd = connect_tcp(w->port);
	send_frame(fd, FRAME_HELLO, 0, "hi", 2);
	expect_error(fd, FRAME_ERROR_TOO_MANY_CONNECTIONS, 0);
	fd = connect_unix(w);
	greet(fd);
	close(fd);
	close(fds[0]);
	wait_for(w, &w->closed, 2);
	for (fd = -1; fd == -1; ) {		/* freed right behind on_closed() */
		fd = connect_tcp(w->port);
		send_frame(fd, FRAME_HELLO, 0, "hi", 2);
		struct frame f;
		assert_true(receive_frame(fd, &f));
		free(f.body);
		if (f.h.type == FRAME_ERROR) {
			close(fd);
			fd = -1;
		}
	}
	close(fd);
	for (int i = 1; i < 3; i++)
		close(fds[i]);
	net_figures(w->net, &figures);
	assert_true(figures.refused_address >= 1 && figures.refused == 0);
	world_end(w);
}

/* A thousand frames of one are there when another one's comes: it is answered between them. */
static void
a_turn_is_for_all(void **state)
{
	enum { N = 1000 };
	struct net_limits limits = test_limits();
	struct frame f;
	struct buf out;
	unsigned before;

	(void)state;
	struct world *w = world_start(&limits);
	int a = connect_unix(w);
	greet(a);
	int elsewhere = connect_unix(w), b = connect_unix(w);		/* connections go to the two loops in turn */
	greet(elsewhere);
	greet(b);
	buf_init(&out);
	frame_put(&out, FRAME_REQUEST, 0, 1, bytes_of("s", 1));
	for (uint64_t tag = 2; tag <= N; tag++)
		frame_put(&out, FRAME_REQUEST, 0, tag, bytes_of("echo", 4));
	send_all(a, out.data, out.len);
	buf_release(&out);
	wait_for(w, &w->frames, 4);
	send_frame(b, FRAME_REQUEST, 1, "n", 1);
	let_go_on(w);
	assert_true(receive_frame(b, &f) && f.h.body_bytes == sizeof(before));
	memcpy(&before, f.body, sizeof(before));
	free(f.body);
	assert_in_range(before, 5, 4 + 32 * 3);
	for (uint64_t tag = 2; tag <= N; tag++)
		expect_frame(a, FRAME_RESPONSE, tag, "echo", 4);	/* all of them, in their order */
	expect_echo(a, N + 1);
	close(a);
	close(b);
	close(elsewhere);
	world_end(w);
}

static void
rests_for_a_moment(void **state)
{
	struct net_limits limits = test_limits();

	(void)state;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	send_frame(fd, FRAME_REQUEST, 1, "r", 1);
	wait_for(w, &w->frames, 2);
	send_frame(fd, FRAME_REQUEST, 2, "echo", 4);
	assert_false(readable(fd, 25));
	expect_frame(fd, FRAME_RESPONSE, 2, "echo", 4);
	/* one that is resting may go, and the net may stop */
	send_frame(fd, FRAME_REQUEST, 3, "r", 1);
	wait_for(w, &w->frames, 4);
	close(fd);
	expect_closed(w, 1, "PEER_CLOSED");
	fd = connect_unix(w);
	greet(fd);
	send_frame(fd, FRAME_REQUEST, 4, "r", 1);
	wait_for(w, &w->frames, 6);
	world_end(w);
	close(fd);
}

/* resume_after is the last field of an ERROR, and these have one. */
static uint64_t
resume_after(const struct frame *f)
{
	const uint8_t *message = f->body + 2, *at = message + 2 + message[1];
	uint64_t v = 0;

	assert_int_equal(message[0], 0x12);
	assert_int_equal(*at, 0x20);
	for (unsigned shift = 0; ++at < f->body + f->h.body_bytes; shift += 7)
		v |= (uint64_t)(*at & 0x7f) << shift;
	return v;
}

/* What was accepted arrives whole, then the error, which says how far it went; how many pushes came. */
static unsigned
expect_slow_reader(int fd)
{
	struct frame f;
	unsigned pushes = 0;

	for (;;) {
		assert_true(receive_frame(fd, &f));
		if (f.h.type != FRAME_PUSH)
			break;
		pushes++;
		free(f.body);
	}
	assert_int_equal(f.h.type, FRAME_ERROR);
	assert_int_equal(f.body[1], FRAME_ERROR_SLOW_READER);
	assert_int_equal(resume_after(&f), pushes);
	free(f.body);
	return pushes;
}

static void
closes_a_slow_reader(void **state)
{
	struct net_limits limits = test_limits();

	(void)state;
	limits.output_bytes_max = 256 * 1024;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	send_number(fd, 'f', 4096);
	wait_for(w, &w->frames, 2);
	assert_in_range(expect_slow_reader(fd), 200, 2000);
	close(fd);
	expect_closed(w, 1, "SLOW_READER");
	world_end(w);
}

/* Below the limit of output, and without a sign of life. */
static void
closes_a_reader_that_has_stopped(void **state)
{
	struct net_limits limits = test_limits();

	(void)state;
	limits.idle_ms = 300;
	limits.linger_ms = 30000;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	send_number(fd, 'f', 2048);
	wait_for(w, &w->frames, 2);
	(void)poll(NULL, 0, 600);		/* silence is what is tested */
	assert_int_equal(expect_slow_reader(fd), 2048);
	close(fd);
	expect_closed(w, 1, "SLOW_READER");
	world_end(w);
}

/* Much at once is no slow reader as long as the kernel takes it. */
static void
sends_more_in_a_turn_than_the_limit(void **state)
{
	struct net_limits limits = test_limits();
	uint8_t push[1024] = { 0 };

	(void)state;
	limits.output_bytes_max = 16 * 1024;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	send_number(fd, 'f', 64);
	for (int i = 0; i < 64; i++)
		expect_frame(fd, FRAME_PUSH, 1, push, sizeof(push));
	expect_echo(fd, 2);
	close(fd);
	world_end(w);
}

static void
asks_for_more_when_there_is_room(void **state)
{
	struct net_limits limits = test_limits();
	uint32_t total = 3 * 1024 * 1024, got = 0;
	struct frame f;

	(void)state;
	limits.output_bytes_max = 2 * ROOM_BYTES;	/* never needed */
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	send_number(fd, 'w', total);
	while (got < total) {
		assert_true(receive_frame(fd, &f));
		assert_int_equal(f.h.type, FRAME_PUSH);
		got += f.h.body_bytes;
		free(f.body);
	}
	close(fd);
	expect_closed(w, 1, "PEER_CLOSED");
	assert_int_equal(read_counter(w, &w->rooms), (total - ROOM_BYTES + ROOM_CHUNK - 1) / ROOM_CHUNK);
	assert_in_range(w->room_output_max, 0, ROOM_BYTES / 2);
	world_end(w);
}

static int64_t
cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * US_PER_SECOND + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void
waits_for_descriptors(void **state)
{
	enum { LIMIT = 200 };
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	struct rlimit before;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(w->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fds[LIMIT], n = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ LIMIT, before.rlim_max }), 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	set_timeouts(fd);
	while (n < LIMIT && (fds[n] = dup(fd)) != -1)
		n++;
	int rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
	int64_t begin_us = cpu_us();
	readable(fd, 400);
	int64_t spent_us = cpu_us() - begin_us;
	unsigned opened = read_counter(w, &w->opened);
	while (n > 0)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

	assert_int_equal(rc, 0);
	assert_int_equal(opened, 0);
	assert_in_range(spent_us, 0, 200 * 1000);	/* it did not spin */
	greet(fd);
	close(fd);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listens_on_loopback_only),
		cmocka_unit_test(listens_on_ipv6_loopback),
		cmocka_unit_test(socket_file_is_for_its_owner),
		cmocka_unit_test(replaces_only_a_stale_socket_file),
		cmocka_unit_test(leaves_a_socket_file_that_is_not_ours),
		cmocka_unit_test(stops_accepting_and_keeps_what_it_has),
		cmocka_unit_test(takes_frames_in_any_pieces),
		cmocka_unit_test(takes_frames_up_to_the_limits),
		cmocka_unit_test(refuses_on_the_header),
		cmocka_unit_test(errors_are_protobuf_on_the_wire),
		cmocka_unit_test(an_error_reaches_a_peer_that_goes_on_sending),
		cmocka_unit_test(answers_of_a_turn_leave_together),
		cmocka_unit_test(what_is_dear_takes_turns),
		cmocka_unit_test(hello_has_its_time),
		cmocka_unit_test(a_frame_has_its_time),
		cmocka_unit_test(silence_has_its_time),
		cmocka_unit_test(a_closed_peer_that_stays_is_cut_off),
		cmocka_unit_test(serves_many_connections),
		cmocka_unit_test(refuses_one_connection_too_many),
		cmocka_unit_test(refuses_a_crowd),
		cmocka_unit_test(refuses_one_too_many_of_an_address),
		cmocka_unit_test(a_turn_is_for_all),
		cmocka_unit_test(rests_for_a_moment),
		cmocka_unit_test(closes_a_slow_reader),
		cmocka_unit_test(closes_a_reader_that_has_stopped),
		cmocka_unit_test(sends_more_in_a_turn_than_the_limit),
		cmocka_unit_test(asks_for_more_when_there_is_room),
		cmocka_unit_test(waits_for_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
