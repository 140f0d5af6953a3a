/*
 * A turn: wait, run the events that are due, then in this order: timers, certificates to be judged again, connections to be looked after,
 * output, the dead.  So all that was queued for a connection in a turn leaves with one send(), and nothing that a callback may still hold is
 * freed within the turn.
 * Other threads touch the queue of messages and nothing else.  wake_fd is written only by whoever finds `signalled` false, so a burst
 * of posts costs one system call.
 */
#include "net/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define BUCKETS_MAX 65536u

/* ---- messages ---- */

static struct net_conn *
find(const struct net_loop *loop, uint64_t id)
{
	struct net_conn *conn = loop->buckets[id & (loop->n_buckets - 1)];

	while (conn != NULL && conn->id != id)
		conn = conn->bucket_next;
	return conn;
}

void
net_post(struct net_loop *loop, struct net_message *first, struct net_message *last)
{
	bool wake;

	assert(first != NULL && last != NULL);
	last->next = NULL;

	pthread_mutex_lock(&loop->mutex);
	assert(!loop->ended);
	if (loop->first == NULL)
		loop->first = first;
	else
		loop->last->next = first;
	loop->last = last;
	wake = !loop->signalled;
	loop->signalled = true;
	pthread_mutex_unlock(&loop->mutex);

	/* Cannot fail: the counter is 0 when nobody has signalled. */
	if (wake) {
		ssize_t n = write(loop->wake_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
		assert(n == (ssize_t)sizeof(uint64_t));
	}
}

static void
run_messages(struct net_loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	struct net_message *m = loop->first;
	loop->first = loop->last = NULL;
	loop->signalled = false;
	pthread_mutex_unlock(&loop->mutex);

	while (m != NULL) {
		struct net_message *next = m->next;	/* run() may free it */
		m->run(m, loop, find(loop, m->conn_id));
		m = next;
	}
}

/* The counter is read before the list is taken: a post in between is taken with it, and one after it signals again. */
static void
on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct net_loop *loop = ctx;
	uint64_t count;

	(void)what;
	loop_touch_clock(loop);
	ssize_t n = read(fd, &count, sizeof(count));
	assert(n == (ssize_t)sizeof(count) || errno == EAGAIN || errno == EINTR);
	run_messages(loop);
}

void
loop_run_leftovers(struct net_loop *loop)
{
	loop->owner = pthread_self();
	atomic_store(&loop->thread_ran, true);
	loop_touch_clock(loop);
	run_messages(loop);
}

/* ---- timers ---- */

static int64_t
duration_us(const struct net_limits *limits, enum net_timer kind)
{
	switch (kind) {
	case NET_TIMER_HELLO:
		return (int64_t)limits->hello_ms * 1000;
	case NET_TIMER_FRAME:
		return (int64_t)limits->frame_ms * 1000;
	case NET_TIMER_IDLE:
		return (int64_t)limits->idle_ms * 1000;
	case NET_TIMER_LINGER:
		return (int64_t)limits->linger_ms * 1000;
	case NET_TIMER_DRAIN:
		return (int64_t)NET_STOP_DRAIN_MS * 1000;
	case NET_TIMER_REST:
		return (int64_t)NET_REST_MS * 1000;
	case NET_TIMER_AGE:
		return (int64_t)limits->age_ms * 1000;
	case NET_TIMER_LEAVE:
		return (int64_t)limits->leave_ms * 1000;
	case NET_TIMERS:
		break;
	}
	assert(false && "a kind of timer");
	return 0;
}

void
loop_timer_start(struct net_conn *conn, enum net_timer kind)
{
	struct net_loop *loop = conn->loop;

	if ((kind == NET_TIMER_IDLE && loop->net->limits.idle_ms == 0) || (kind == NET_TIMER_AGE && loop->net->limits.age_ms == 0))
		return;
	loop_timer_stop(conn, kind);
	conn->timer[kind].due_us = loop->now_us + duration_us(&loop->net->limits, kind);
	TAILQ_INSERT_TAIL(&loop->timers[kind], conn, timer[kind].link);
}

void
loop_timer_stop(struct net_conn *conn, enum net_timer kind)
{
	if (conn->timer[kind].due_us == 0)
		return;
	TAILQ_REMOVE(&conn->loop->timers[kind], conn, timer[kind].link);
	conn->timer[kind].due_us = 0;
}

bool
loop_timer_runs(const struct net_conn *conn, enum net_timer kind)
{
	return conn->timer[kind].due_us != 0;
}

static void
run_timers(struct net_loop *loop)
{
	for (unsigned k = 0; k < NET_TIMERS; k++) {
		struct net_conn *conn;
		while ((conn = TAILQ_FIRST(&loop->timers[k])) != NULL && conn->timer[k].due_us <= loop->now_us) {
			loop_timer_stop(conn, (enum net_timer)k);
			conn_timer_due(conn, (enum net_timer)k);
		}
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct net_loop *loop = ctx;

	(void)fd, (void)what;
	loop->armed_us = 0;	/* the end of the turn does the work */
}

/* Too early is harmless, and saves a call to libevent for each byte that moves an idle timer. */
static void
arm_timer(struct net_loop *loop)
{
	int64_t due_us = 0;

	for (unsigned k = 0; k < NET_TIMERS; k++) {
		const struct net_conn *conn = TAILQ_FIRST(&loop->timers[k]);
		if (conn != NULL && (due_us == 0 || conn->timer[k].due_us < due_us))
			due_us = conn->timer[k].due_us;
	}
	if (due_us == 0 || (loop->armed_us != 0 && loop->armed_us <= due_us))
		return;

	int64_t wait_us = due_us > loop->now_us ? due_us - loop->now_us : 0;
	struct timeval tv = { .tv_sec = wait_us / US_PER_SECOND, .tv_usec = wait_us % US_PER_SECOND };
	if (event_add(loop->timer_event, &tv) == 0)	/* without memory: the next turn tries again */
		loop->armed_us = due_us;
}

/* ---- connections ---- */

void
loop_add(struct net_loop *loop, struct net_conn *conn)
{
	struct net_conn **bucket = &loop->buckets[conn->id & (loop->n_buckets - 1)];

	assert(conn->id != 0);
	conn->bucket_next = *bucket;
	*bucket = conn;
	TAILQ_INSERT_TAIL(&loop->all, conn, all);
}

void
loop_remove(struct net_loop *loop, struct net_conn *conn)
{
	struct net_conn **p = &loop->buckets[conn->id & (loop->n_buckets - 1)];

	while (*p != conn)
		p = &(*p)->bucket_next;
	*p = conn->bucket_next;
	for (unsigned k = 0; k < NET_TIMERS; k++)
		loop_timer_stop(conn, (enum net_timer)k);
	TAILQ_REMOVE(&loop->all, conn, all);
	TAILQ_INSERT_TAIL(&loop->dead, conn, dead);
}

void
loop_mark_ready(struct net_conn *conn)
{
	if (conn->is_ready)
		return;
	conn->is_ready = true;
	TAILQ_INSERT_TAIL(&conn->loop->ready, conn, ready);
}

void
loop_mark_dirty(struct net_conn *conn)
{
	if (conn->is_dirty)
		return;
	conn->is_dirty = true;
	TAILQ_INSERT_TAIL(&conn->loop->dirty, conn, dirty);
}

void
net_loop_each(struct net_loop *loop, void (*visit)(void *ctx, struct net_conn *conn), void *ctx)
{
	struct net_conn *conn, *next;

	assert(loop_is_mine(loop));
	for (conn = TAILQ_FIRST(&loop->all); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, all);	/* visit() may end its own connection */
		if (conn->state == CONN_OPEN && !conn->refused)
			visit(ctx, conn);
	}
}

/* ---- the turn ---- */

/* One pass: what becomes ready meanwhile has its turn after the sockets had theirs. */
static void
look_after_ready(struct net_loop *loop)
{
	struct conn_list now = TAILQ_HEAD_INITIALIZER(now);
	struct net_conn *conn;

	TAILQ_CONCAT(&now, &loop->ready, ready);
	while ((conn = TAILQ_FIRST(&now)) != NULL) {
		TAILQ_REMOVE(&now, conn, ready);
		conn->is_ready = false;
		conn_look_after(conn);
	}
}

static void
flush_dirty(struct net_loop *loop)
{
	struct net_conn *conn;

	while ((conn = TAILQ_FIRST(&loop->dirty)) != NULL) {
		TAILQ_REMOVE(&loop->dirty, conn, dirty);
		conn->is_dirty = false;
		conn_flush(conn);
	}
}

static void
free_dead(struct net_loop *loop)
{
	struct net_conn *conn;

	while ((conn = TAILQ_FIRST(&loop->dead)) != NULL) {
		TAILQ_REMOVE(&loop->dead, conn, dead);
		if (conn->opened)
			loop->net->handler.on_closed(loop->net->handler.ctx, conn, conn->reason);
		else if (!conn->refused)
			conn_tell_rejected(conn);
		if (conn->is_ready)
			TAILQ_REMOVE(&loop->ready, conn, ready);
		if (conn->is_dirty)
			TAILQ_REMOVE(&loop->dirty, conn, dirty);
		conn_free(conn);
	}
}

static void
end_turn(struct net_loop *loop)
{
	loop_touch_clock(loop);
	run_timers(loop);
	if (loop->judging)
		loop_judge_some(loop);
	look_after_ready(loop);
	flush_dirty(loop);
	free_dead(loop);
	arm_timer(loop);
}

/* Something was left for the next turn, which then does not wait. */
static bool
is_busy(const struct net_loop *loop)
{
	return loop->judging || !TAILQ_EMPTY(&loop->ready) || !TAILQ_EMPTY(&loop->dirty) || !TAILQ_EMPTY(&loop->dead);
}

void *
loop_run(void *ctx)
{
	struct net_loop *loop = ctx;

	loop->owner = pthread_self();
	(void)pthread_setname_np(pthread_self(), "net");
	atomic_store(&loop->thread_ran, true);
	while (!loop->stopping || !TAILQ_EMPTY(&loop->all) || is_busy(loop)) {
		int rc = event_base_loop(loop->base, EVLOOP_ONCE | (is_busy(loop) ? EVLOOP_NONBLOCK : 0));
		assert(rc == 0);	/* -1: epoll itself is broken; 1: no event, but wake_event always is */
		end_turn(loop);
	}
	return NULL;
}

/* ---- life ---- */

enum status
loop_init(struct net_loop *loop, struct net *net, unsigned index)
{
	*loop = (struct net_loop){ .net = net, .index = index, .wake_fd = -1, .n_buckets = 64 };
	while (loop->n_buckets < net->limits.connections_max && loop->n_buckets < BUCKETS_MAX)
		loop->n_buckets *= 2;
	for (unsigned k = 0; k < NET_TIMERS; k++)
		TAILQ_INIT(&loop->timers[k]);
	TAILQ_INIT(&loop->all);
	TAILQ_INIT(&loop->ready);
	TAILQ_INIT(&loop->dirty);
	TAILQ_INIT(&loop->dead);
	pthread_mutex_init(&loop->mutex, NULL);
	loop_touch_clock(loop);

	loop->buckets = calloc(loop->n_buckets, sizeof(struct net_conn *));
	loop->scratch = malloc(NET_READ_BYTES);
	struct event_config *config = event_config_new();
	if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		loop->base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (loop->buckets == NULL || loop->scratch == NULL || loop->base == NULL)
		return ST_NOMEM;

	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd == -1)
		return ST_IO;
	loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	loop->timer_event = event_new(loop->base, -1, 0, on_timer, loop);
	if (loop->wake_event == NULL || loop->timer_event == NULL || event_add(loop->wake_event, NULL) != 0)
		return ST_NOMEM;
	return ST_OK;
}

void
loop_release(struct net_loop *loop)
{
	if (loop->net == NULL)
		return;
	assert(TAILQ_EMPTY(&loop->all) && loop->first == NULL);
	if (loop->wake_event != NULL)
		event_free(loop->wake_event);
	if (loop->timer_event != NULL)
		event_free(loop->timer_event);
	if (loop->base != NULL)
		event_base_free(loop->base);
	if (loop->wake_fd != -1)
		close(loop->wake_fd);
	tls_unref(loop->tls);
	free(loop->buckets);
	free(loop->scratch);
	pthread_mutex_destroy(&loop->mutex);
}

bool
loop_is_mine(const struct net_loop *loop)
{
	return !atomic_load(&loop->thread_ran) || pthread_equal(loop->owner, pthread_self());
}

void
loop_touch_clock(struct net_loop *loop)
{
	loop->now_us = clock_monotonic_us();
}
