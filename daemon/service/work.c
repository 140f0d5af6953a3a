#include <stdlib.h>
#include <string.h>

#include "service/internal.h"
#include "service/session.h"

struct work *
work_new(struct service *service, struct net_conn *conn, uint64_t tag, size_t arena_bytes)
{
	struct work *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->service = service;
	w->loop = net_conn_loop(conn);
	w->conn_id = w->message.conn_id = net_conn_id(conn);
	w->message.run = work_deliver;
	w->tag = tag;
	w->arrived_us = clock_monotonic_us();
	arena_init(&w->arena, arena_bytes);
	buf_init(&w->reply);
	return w;
}

void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	party_answered(w->party, w->charged);
	party_answered(w->address, w->charged);
	arena_release(&w->arena);
	buf_release(&w->reply);
	free(w);
}

void
work_deliver(struct net_message *message, struct net_loop *loop, struct net_conn *conn)
{
	struct work *w = (struct work *)message;

	(void)loop;
	if (conn != NULL)
		session_reply(net_conn_user(conn), w->tag, &w->reply);
	work_free(w);
}
