/* session.h: a connection's conversation: HELLO, then requests, batches, subscriptions.  On the connection's thread only. */
#ifndef FEALTY_SERVICE_SESSION_H
#define FEALTY_SERVICE_SESSION_H

#include "service/internal.h"

#define SUBSCRIPTIONS_MAX 16		/* of one connection */

struct subscription {
	bool used;
	uint64_t tag, next_seq;
	uint64_t credits;
	bool events;				/* instead of transactions */
	bool has_done;				/* events: those of next_seq are sent up to done */
	struct crm_place done;
	uint32_t program;			/* 0: of all; else only what concerns this one */
	uint64_t member;			/* 0: of all; else only what concerns this one, of the program */
};

struct session {
	struct service *service;
	struct net_conn *conn;
	struct loop_context *loop;
	bool ready;				/* HELLO was accepted */
	struct identity who;			/* with its party */
	struct party *address;		/* of the peer; NULL: by the UNIX socket */
	bool local;				/* by the UNIX socket */
	unsigned in_flight_max;
	unsigned refused_in_a_row;		/* frames, for a limit */
	unsigned n_in_flight;
	uint64_t in_flight[FRAME_IN_FLIGHT_MAX];
	unsigned n_subscriptions;
	struct subscription subscriptions[SUBSCRIPTIONS_MAX];
};

/* A limit was reached: counts it, and says so. */
void session_reached(struct session *session, enum limit limit);

/* Nothing new is to be sent here; what is in flight is answered. */
void session_say_goaway(struct session *s, const char *message);

/* A frame that somebody waits for; when there was no memory to make it, or it is too long for one, the connection ends with INTERNAL instead. */
void session_send(struct session *session, enum frame_type type, uint64_t tag, const struct buf *body);

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
/* Notes how far the connection's subscriptions are, for a client that does not read. */
void subscription_sent(struct session *session);

/**
 * subscription_looks(sub): whether transactions have to be decoded for it: it is to events, or about one member or program.
 * subscription_scan(session, sub, head, ret_more): one PUSH of such a one, after a look at a bounded number of transactions; it says how far
 * these went, also when there was nothing to send.  *${ret_more}: there is more to look at.  The ledger transaction is fresh.
 */
bool subscription_looks(const struct subscription *sub) MUST_CHECK;
enum status subscription_scan(struct session *session, struct subscription *sub, uint64_t head, bool *ret_more) MUST_CHECK;

#endif
