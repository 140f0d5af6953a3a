/*
 * The life of a net, on the main thread.  A stop is a message to each loop like any other, so what was posted before it has run before.
 * When all threads are joined the main thread runs what was posted meanwhile; only then is posting over.
 */
#include "net/internal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

struct net_limits
net_limits_default(void)
{
	return (struct net_limits){
		.connections_max = 16384,
		.hello_ms = 10 * 1000,
		.frame_ms = 10 * 1000,
		.idle_ms = 10 * 60 * 1000,
		.linger_ms = 5 * 1000,
		.age_ms = 24 * 60 * 60 * 1000,
		.leave_ms = 30 * 1000,
		.output_bytes_max = 8 * 1024 * 1024,
	};
}

static void
destroy(struct net *net)
{
	for (unsigned i = 0; i < net->n_loops; i++)
		loop_release(&net->loops[i]);
	free(net->loops);
	addresses_release(&net->addresses);
	pthread_mutex_destroy(&net->accept_mutex);
	free(net);
}

enum status
net_new(unsigned loops, const struct net_limits *limits, const struct net_handler *handler, struct net **ret_net)
{
	assert(loops > 0 && limits->connections_max > 0 && limits->hello_ms > 0 && limits->frame_ms > 0 && limits->linger_ms > 0);
	assert(handler->on_open != NULL && handler->on_frame != NULL && handler->on_room != NULL && handler->on_closed != NULL &&
	    handler->on_aged != NULL && handler->on_rejected != NULL);

	struct net *net = calloc(1, sizeof(*net));
	if (net == NULL)
		return ST_NOMEM;
	net->limits = *limits;
	net->handler = *handler;
	net->next_id = 1;
	pthread_mutex_init(&net->accept_mutex, NULL);
	addresses_init(&net->addresses);
	net->loops = calloc(loops, sizeof(*net->loops));
	enum status st = net->loops == NULL ? ST_NOMEM : ST_OK;
	for (; st == ST_OK && net->n_loops < loops; net->n_loops++)
		st = loop_init(&net->loops[net->n_loops], net, net->n_loops);
	if (st != ST_OK) {
		destroy(net);
		return st;
	}
	*ret_net = net;
	return ST_OK;
}

/* ---- stopping ---- */

static void
end_accepting(struct net_message *m, struct net_loop *loop, struct net_conn *none)
{
	(void)m, (void)none;
	listeners_close(loop->net);
}

void
net_stop_accepting(struct net *net)
{
	pthread_mutex_lock(&net->accept_mutex);
	bool first = !net->accept_ended;
	net->accept_ended = true;
	if (first) {
		listeners_end(net);
		net->accept_end.run = end_accepting;
		net_post(&net->loops[0], &net->accept_end, &net->accept_end);
	}
	pthread_mutex_unlock(&net->accept_mutex);
}

static void
stop_loop(struct net_message *m, struct net_loop *loop, struct net_conn *none)
{
	struct net_conn *conn, *next;

	(void)m, (void)none;
	loop->stopping = true;
	for (conn = TAILQ_FIRST(&loop->all); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, all);
		conn_stop(conn);
	}
}

/* All at once, because a message may post to any loop; false when one of them has messages. */
static bool
end_posting(struct net *net)
{
	bool any = false;

	for (unsigned i = 0; i < net->n_loops; i++) {
		pthread_mutex_lock(&net->loops[i].mutex);
		any |= net->loops[i].first != NULL;
	}
	for (unsigned i = 0; i < net->n_loops; i++) {
		net->loops[i].ended = !any;
		pthread_mutex_unlock(&net->loops[i].mutex);
	}
	return !any;
}

static void
run_leftovers(struct net *net)
{
	do {
		for (unsigned i = 0; i < net->n_loops; i++)
			loop_run_leftovers(&net->loops[i]);
	} while (!end_posting(net));
}

static void
join_loops(struct net *net)
{
	for (unsigned i = 0; i < net->n_loops; i++) {
		struct net_loop *loop = &net->loops[i];
		if (!loop->has_thread)
			continue;
		loop->stop_message.run = stop_loop;
		net_post(loop, &loop->stop_message, &loop->stop_message);
	}
	for (unsigned i = 0; i < net->n_loops; i++) {
		struct net_loop *loop = &net->loops[i];
		if (!loop->has_thread)
			continue;
		int rc = pthread_join(loop->thread, NULL);
		assert(rc == 0);
		loop->has_thread = false;
	}
}

void
net_stop(struct net *net)
{
	assert(net->started && !net->stopped);
	net_stop_accepting(net);
	join_loops(net);
	for (unsigned i = 0; i < net->n_loops; i++)
		net->loops[i].stopping = true;	/* one whose thread never started closes what arrives, too */
	run_leftovers(net);
	net->stopped = true;
}

/* ---- starting ---- */

/* Signals are the main thread's. */
static enum status
start_thread(struct net_loop *loop)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&loop->thread, NULL, loop_run, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		errno = rc;
		return ST_IO;
	}
	loop->has_thread = true;
	return ST_OK;
}

enum status
net_start(struct net *net)
{
	assert(!net->started);
	enum status st = listeners_start(net);

	if (st != ST_OK)
		return st;
	net->started = true;
	/* The accepting loop starts last: a connection never waits for a thread that could not be started. */
	for (unsigned i = net->n_loops; st == ST_OK && i-- > 0; )
		st = start_thread(&net->loops[i]);
	if (st != ST_OK) {
		int e = errno;
		net_stop(net);
		errno = e;
	}
	return st;
}

void
net_free(struct net *net)
{
	if (net == NULL)
		return;
	assert(!net->started || net->stopped);
	if (!net->stopped) {
		net_stop_accepting(net);
		run_leftovers(net);
	}
	destroy(net);
}

/* ---- asking ---- */

unsigned
net_connections(const struct net *net)
{
	return atomic_load(&net->connections);
}

void
net_figures(const struct net *net, struct net_figures *ret)
{
	*ret = (struct net_figures){
		.connections = net_connections(net),
		.cert_ends_at = atomic_load(&net->cert_ends_at),
		.crl_ends_at = atomic_load(&net->crl_ends_at),
		.accepted = counter_read(&net->accepted_total),
		.refused = counter_read(&net->refused_total),
		.refused_address = counter_read(&net->refused_address_total),
	};
	for (unsigned i = 0; i < net->n_loops; i++) {
		ret->rejected += counter_read(&net->loops[i].rejected_total);
		ret->received_bytes += counter_read(&net->loops[i].received_bytes);
		ret->sent_bytes += counter_read(&net->loops[i].sent_bytes);
	}
}

unsigned
net_loop_count(const struct net *net)
{
	return net->n_loops;
}

struct net_loop *
net_loop_at(struct net *net, unsigned index)
{
	assert(index < net->n_loops);
	return &net->loops[index];
}

unsigned
net_loop_index(const struct net_loop *loop)
{
	return loop->index;
}
