/* Pausing, messages from other threads, and stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net_world.h"

/* ---- pausing and posting ---- */

struct note {
	struct net_message m;
	struct world *w;
	unsigned *done;
	void (*act)(struct net_conn *conn);	/* or NULL */
	struct note *then;	/* to be posted to loop 0 by this one, or NULL */
	bool had_conn;
	unsigned number;	/* *done before it */
};

static void
run_note(struct net_message *m, struct net_loop *loop, struct net_conn *conn)
{
	struct note *n = (struct note *)(void *)((char *)m - offsetof(struct note, m));

	n->had_conn = conn != NULL;
	if (conn != NULL && n->act != NULL)
		n->act(conn);
	if (conn != NULL)
		assert_ptr_equal(net_conn_loop(conn), loop);
	if (n->then != NULL)
		net_post(net_loop_at(n->w->net, 0), &n->then->m, &n->then->m);
	pthread_mutex_lock(&n->w->mutex);
	n->number = (*n->done)++;
	pthread_cond_broadcast(&n->w->changed);
	pthread_mutex_unlock(&n->w->mutex);
}

static void
post_and_wait(struct world *w, uint64_t id, void (*act)(struct net_conn *conn), bool want_conn)
{
	unsigned done = 0;
	struct note n = { .m = { .conn_id = id, .run = run_note }, .w = w, .done = &done, .act = act };

	net_post(w->last_loop, &n.m, &n.m);
	wait_for(w, &done, 1);
	assert_int_equal(n.had_conn, want_conn);
}

static void
a_paused_connection_keeps_what_was_read(void **state)
{
	struct net_limits limits = test_limits();
	struct buf out;

	(void)state;
	limits.idle_ms = limits.frame_ms = 300;		/* neither runs while it is paused */
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	buf_init(&out);
	frame_put(&out, FRAME_REQUEST, 0, 1, bytes_of("p", 1));
	for (uint64_t tag = 2; tag <= 20; tag++)
		frame_put(&out, FRAME_REQUEST, 0, tag, tag == 10 ? bytes_of("p", 1) : bytes_of("echo", 4));
	frame_put(&out, FRAME_REQUEST, 0, 21, bytes_of("echo", 4));
	send_all(fd, out.data, out.len - 3);		/* and the last frame in part */
	wait_for(w, &w->frames, 2);
	assert_false(readable(fd, 500));
	assert_int_equal(read_counter(w, &w->frames), 2);

	post_and_wait(w, last_conn_id(w), net_conn_resume, true);
	for (uint64_t tag = 2; tag < 10; tag++)
		expect_frame(fd, FRAME_RESPONSE, tag, "echo", 4);
	assert_false(readable(fd, 100));
	assert_int_equal(read_counter(w, &w->frames), 11);

	post_and_wait(w, last_conn_id(w), net_conn_resume, true);
	for (uint64_t tag = 11; tag <= 20; tag++)
		expect_frame(fd, FRAME_RESPONSE, tag, "echo", 4);
	send_all(fd, out.data + out.len - 3, 3);
	expect_frame(fd, FRAME_RESPONSE, 21, "echo", 4);
	send_frame(fd, FRAME_REQUEST, 22, "q", 1);
	expect_frame(fd, FRAME_RESPONSE, 22, "q", 1);
	expect_echo(fd, 23);
	buf_release(&out);
	close(fd);
	world_end(w);
}

static void
a_frame_has_its_time_without_the_pause(void **state)
{
	struct net_limits limits = test_limits();
	struct buf out;

	(void)state;
	limits.frame_ms = 300;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	buf_init(&out);
	frame_put(&out, FRAME_PING, 0, 0, bytes_of(NULL, 0));
	frame_put(&out, FRAME_REQUEST, 0, 1, bytes_of("echo", 4));
	send_all(fd, out.data, out.len - 1);
	expect_frame(fd, FRAME_PONG, 0, NULL, 0);	/* so the beginning of the request is there, too */
	post_and_wait(w, last_conn_id(w), net_conn_pause, true);
	assert_false(readable(fd, 500));
	post_and_wait(w, last_conn_id(w), net_conn_resume, true);
	send_all(fd, out.data + out.len - 1, 1);
	expect_frame(fd, FRAME_RESPONSE, 1, "echo", 4);

	send_all(fd, out.data + FRAME_HEADER_BYTES, 5);	/* after the pause it runs again */
	post_and_wait(w, last_conn_id(w), net_conn_pause, true);
	post_and_wait(w, last_conn_id(w), net_conn_resume, true);
	expect_error(fd, FRAME_ERROR_TIMEOUT, 0);
	buf_release(&out);
	world_end(w);
}

/* What it sends stays in the kernel and blocks the peer at last. */
static void
a_paused_connection_is_not_read(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	uint8_t frame[FRAME_HEADER_BYTES + 1000] = { 0, 0, 3, 0xe8, 1, FRAME_REQUEST, [15] = 7 };
	size_t sent = 0;
	ssize_t n;

	(void)state;
	greet(fd);
	send_frame(fd, FRAME_REQUEST, 1, "p", 1);
	wait_for(w, &w->frames, 2);
	while ((n = send(fd, frame + sent % sizeof(frame), sizeof(frame) - sent % sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	assert_in_range(sent, 1, 4 * 1024 * 1024);
	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 200), 0);
	assert_int_equal(read_counter(w, &w->frames), 2);
	post_and_wait(w, last_conn_id(w), net_conn_resume, true);
	wait_for(w, &w->frames, 2 + (unsigned)(sent / sizeof(frame)));
	close(fd);
	world_end(w);
}

static void
messages_find_their_connection_or_none(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);

	(void)state;
	greet(fd);
	uint64_t id = last_conn_id(w);
	assert_true(id != 0);
	post_and_wait(w, id, NULL, true);
	post_and_wait(w, 0, NULL, false);
	post_and_wait(w, id + 1000, NULL, false);
	close(fd);
	expect_closed(w, 1, "PEER_CLOSED");
	post_and_wait(w, id, NULL, false);
	fd = connect_unix(w);
	greet(fd);
	assert_true(last_conn_id(w) > id);	/* never used again */
	close(fd);
	world_end(w);
}

enum { POSTERS = 3, POSTS = 2000 };

struct poster { struct world *w; struct note notes[POSTS]; unsigned done; };

static void *
post_many(void *ctx)
{
	struct poster *p = ctx;

	for (unsigned i = 0; i < POSTS; i += 2) {	/* two at a time */
		p->notes[i] = (struct note){ .m = { .next = &p->notes[i + 1].m, .run = run_note }, .w = p->w, .done = &p->done };
		p->notes[i + 1] = (struct note){ .m = { .run = run_note }, .w = p->w, .done = &p->done };
		net_post(net_loop_at(p->w->net, 1), &p->notes[i].m, &p->notes[i + 1].m);
	}
	return NULL;
}

static void
messages_run_in_order(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	struct poster *posters = calloc(POSTERS, sizeof(*posters));
	pthread_t threads[POSTERS];

	(void)state;
	assert_non_null(posters);
	assert_int_equal(net_loop_count(w->net), 2);
	for (unsigned i = 0; i < POSTERS; i++) {
		posters[i].w = w;
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	world_end(w);	/* all have run when it returns */
	for (unsigned i = 0; i < POSTERS; i++) {
		assert_int_equal(posters[i].done, POSTS);
		for (unsigned k = 0; k < POSTS; k++)
			assert_int_equal(posters[i].notes[k].number, k);
	}
	free(posters);
}

static void
messages_run_without_threads(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_new(&limits);
	unsigned done = 0;
	struct note last = { .m = { .run = run_note }, .w = w, .done = &done };
	struct note n = { .m = { .run = run_note }, .w = w, .done = &done, .then = &last };

	(void)state;
	net_post(net_loop_at(w->net, 1), &n.m, &n.m);
	net_free(w->net);
	assert_int_equal(done, 2);
	assert_int_equal(last.number, 1);
	w->net = NULL;
	world_release(w);
}

static void
count_visit(void *ctx, struct net_conn *conn)
{
	struct world *w = ctx;

	w->visited++;
	net_conn_close(conn, "VISITED");
}

static void
run_each(struct net_message *m, struct net_loop *loop, struct net_conn *conn)
{
	struct note *n = (struct note *)(void *)((char *)m - offsetof(struct note, m));

	pthread_mutex_lock(&n->w->mutex);
	net_loop_each(loop, count_visit, n->w);
	pthread_mutex_unlock(&n->w->mutex);
	run_note(m, loop, conn);
}

static void
each_visits_the_open_ones(void **state)
{
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fds[6];
	unsigned done = 0;
	uint8_t byte;

	(void)state;
	for (int i = 0; i < 6; i++) {
		fds[i] = connect_unix(w);
		greet(fds[i]);
	}
	for (int again = 0; again < 2; again++) {	/* those that are closing are not open */
		struct note notes[2];
		for (unsigned i = 0; i < 2; i++) {
			notes[i] = (struct note){ .m = { .run = run_each }, .w = w, .done = &done };
			net_post(net_loop_at(w->net, i), &notes[i].m, &notes[i].m);
		}
		wait_for(w, &done, 2 * (unsigned)again + 2);
	}
	assert_int_equal(read_counter(w, &w->visited), 6);
	for (int i = 0; i < 6; i++) {
		assert_false(receive(fds[i], &byte, 1));
		close(fds[i]);
	}
	expect_closed(w, 6, "VISITED");
	world_end(w);
}

/* ---- the end ---- */

static void *
read_to_end(void *ctx)
{
	int fd = *(int *)ctx;
	static uint8_t chunk[65536];
	size_t *total = malloc(sizeof(*total));
	ssize_t n;

	*total = 0;
	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		*total += (size_t)n;
	if (n < 0)
		*total = 0;
	return total;
}

static void
stop_sends_what_is_left(void **state)
{
	enum { PUSHES = 4096 };
	struct net_limits limits = test_limits();
	struct world *w = world_start(&limits);
	int fd = connect_unix(w), lazy = connect_tcp(w->port), half = connect_unix(w);
	pthread_t reader;
	void *total;
	uint8_t byte;

	(void)state;
	greet(lazy);			/* neither reads nor closes: must not hold up the stop */
	greet(half);
	send_all(half, "\0", 1);	/* in the middle of a frame */
	greet(fd);
	unsigned frames = read_counter(w, &w->frames);
	send_number(fd, 'f', PUSHES);
	wait_for(w, &w->frames, frames + 1);
	int64_t begin_us = clock_monotonic_us();
	assert_int_equal(pthread_create(&reader, NULL, read_to_end, &fd), 0);
	net_stop(w->net);
	assert_in_range(clock_monotonic_us() - begin_us, 0, 10 * US_PER_SECOND);
	pthread_join(reader, &total);
	assert_int_equal(*(size_t *)total, PUSHES * (1024 + FRAME_HEADER_BYTES));
	free(total);
	assert_false(receive(lazy, &byte, 1));
	assert_false(receive(half, &byte, 1));
	assert_string_equal(w->last_reason, "SHUTTING_DOWN");
	assert_int_equal(w->closed, 3);
	close(fd);
	close(lazy);
	close(half);
	world_release(w);
}

static void
stop_does_not_wait_for_ever(void **state)
{
	struct net_limits limits = test_limits();

	(void)state;
	limits.linger_ms = 300;
	struct world *w = world_start(&limits);
	int fd = connect_unix(w);
	greet(fd);
	send_number(fd, 'f', 4096);	/* more than the kernel takes, and nobody reads it */
	wait_for(w, &w->frames, 2);
	int64_t begin_us = clock_monotonic_us();
	net_stop(w->net);
	assert_in_range(clock_monotonic_us() - begin_us, 200 * 1000, 5 * US_PER_SECOND);
	assert_int_equal(w->closed, 1);
	close(fd);
	world_release(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_paused_connection_keeps_what_was_read),
		cmocka_unit_test(a_frame_has_its_time_without_the_pause),
		cmocka_unit_test(a_paused_connection_is_not_read),
		cmocka_unit_test(messages_find_their_connection_or_none),
		cmocka_unit_test(messages_run_in_order),
		cmocka_unit_test(messages_run_without_threads),
		cmocka_unit_test(each_visits_the_open_ones),
		cmocka_unit_test(stop_sends_what_is_left),
		cmocka_unit_test(stop_does_not_wait_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
