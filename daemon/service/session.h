/* session.h: a connection's conversation: HELLO, then requests, batches, subscriptions.  On the connection's thread only. */
#ifndef FEALTY_SERVICE_SESSION_H
#define FEALTY_SERVICE_SESSION_H

#include "service/internal.h"

#define SUBSCRIPTIONS_MAX 16		/* of one connection */

struct subscription {
	bool used;
	uint64_t tag, next_seq;
	uint64_t credits;
};

struct session {
	struct service *service;
	struct net_conn *conn;
	struct loop_context *loop;
	bool ready;				/* HELLO was accepted */
	struct identity who;
	unsigned n_in_flight;
	uint64_t in_flight[FRAME_IN_FLIGHT_MAX];
	unsigned n_subscriptions;
	struct subscription subscriptions[SUBSCRIPTIONS_MAX];
};

/* The response to a tag in flight. */
void session_reply(struct session *session, uint64_t tag, struct buf *response);
bool session_tag_used(const struct session *session, uint64_t tag);

/* query_log.c: whether the log is shorter than a head that somebody saw, or has a stored checkpoint of its size with another root. */
bool query_contradicts(struct loop_context *loop, uint64_t seen_size, struct bytes seen_root) MUST_CHECK;

/* ---- subscribe.c ---- */

void subscription_open(struct session *session, uint64_t tag, const struct request *request);
void subscription_credit(struct session *session, uint64_t tag, uint32_t credits);
/* True when the tag was a subscription's; it is answered with CANCELLED. */
bool subscription_cancel(struct session *session, uint64_t tag) MUST_CHECK;
void subscriptions_pump(struct session *session);
void subscriptions_end(struct session *session);

#endif
