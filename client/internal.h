/*
 * internal.h: what the client's files share.  link.c is the connection, link_io.c its bytes, address.c where it leads, call.c the calls,
 * subscription.c the subscriptions; client.c holds them together.
 */
#ifndef FEALTY_CLIENT_INTERNAL_H
#define FEALTY_CLIENT_INTERNAL_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/bytes.h"
#include "fealty.h"
#include "frame.h"
#include "key.h"
#include "tls/tls.h"

#define TEXT_BYTES FEALTY_MESSAGE_BYTES

/* The most that a server may announce for itself; more is cut to this. */
#define REPLY_BYTES_CEILING (16u * 1024 * 1024)

/* ---- link: one connection at a time ---- */

enum link_state {
	LINK_DOWN,		/* none, and none wanted */
	LINK_WAITING,		/* for the end of the back-off */
	LINK_RESOLVING,		/* the name is looked up */
	LINK_CONNECTING,
	LINK_SECURING,		/* the handshake of TLS */
	LINK_HELLO,		/* HELLO is sent */
	LINK_READY,
	LINK_DRAINING,		/* GOAWAY came: nothing new is sent */
	LINK_DEAD,		/* ended for good; client->dead_error says why */
};

struct link {
	enum link_state state;
	int fd;
	struct event readable, writable, timer, pulse;	/* timer: back-off or time to connect; pulse: PING when it is quiet */
	struct buf in, out;
	size_t in_taken, out_sent;
	struct frame_limits limits;
	int64_t heard_us;		/* something came from the server */
	int64_t next_connect_us;
	uint32_t n_connections;		/* begun */
	uint32_t failures;		/* connections in a row on which no call was answered, and nothing new came of a subscription */
	uint32_t connect_failures;	/* connections in a row that never came to HELLO_OK */
	enum fealty_error lost_error;	/* by which the last connection ended; NONE: there was none, or it came to something */
	bool ping_sent;
	struct tls_session *tls;	/* NULL: none */
	const char *why;		/* of the last LINK_IO_END or LINK_IO_REFUSED, for people; borrowed */
};

void link_init(struct fealty_client *c);
void link_release(struct fealty_client *c);
/* There is work: connects, now or after the back-off, unless it is under way. */
void link_want(struct fealty_client *c);
void link_send(struct fealty_client *c, enum frame_type type, uint64_t tag, struct bytes body, struct bytes more);
/* Sends what waits, soon. */
void link_wake(struct fealty_client *c);
/* Ends the connection; work that is left causes another. */
void link_lost(struct fealty_client *c, enum fealty_error error, const char *why);
/* Ends it for good. */
void link_die(struct fealty_client *c, enum fealty_error error, const char *why);
/* A draining link whose work is done is replaced. */
void link_check_drained(struct fealty_client *c);
const char *link_state_str(enum link_state s);
/* The address is in client->address, or why it is not. */
void link_resolved(struct fealty_client *c, const char *why);

/* ---- link_io.c ---- */

enum link_io {
	LINK_IO_DONE,
	LINK_IO_WAIT_READ, LINK_IO_WAIT_WRITE,
	LINK_IO_END,			/* the connection is over */
	LINK_IO_REFUSED,		/* and another would end the same way */
};
enum link_io link_handshake(struct link *l) MUST_CHECK;
enum link_io link_read(struct link *l, void *data, size_t max, size_t *ret_n) MUST_CHECK;
enum link_io link_write(struct link *l, struct bytes data, size_t *ret_n) MUST_CHECK;

/* ---- address.c ---- */

/* To client->address, or client->host and port when it is a name.  FEALTY_ERROR_ADDRESS, FEALTY_ERROR_NO_TLS, FEALTY_ERROR_NOMEM. */
enum fealty_error address_parse(struct fealty_client *c, const char *text) MUST_CHECK;
/* Looks client->host up; ends with link_resolved(), perhaps inside, unless it is given up. */
void address_resolve(struct fealty_client *c);
void address_give_up(struct fealty_client *c);
void address_release(struct fealty_client *c);

/* ---- calls ---- */

/* What a RESPONSE frame holds.  With a batch, response is its part and not freed by itself. */
struct answer {
	Fealty__V1__Response *response;
	Fealty__V1__BatchResponse *batch;
};
void answer_free(struct answer *a);

enum call_state { CALL_QUEUED, CALL_IN_FLIGHT, CALL_WAITING };

struct call {
	TAILQ_ENTRY(call) entry;
	struct call_list *list;		/* the one it is in */
	struct fealty_client *client;
	enum call_state state;
	enum frame_type type;		/* REQUEST, BATCH, PING */
	bool writes;
	bool in_doubt;			/* a write was sent on a connection that ended before it was answered */
	uint32_t attempts;
	uint32_t n_commands;
	uint64_t tag;			/* in flight */
	int64_t deadline_us;
	struct event deadline, retry;
	struct buf body;		/* without deadline_ms, which is added each time */
	struct answer refusal;		/* the last retryable one; response NULL: none */
	char key[FEALTY_KEY_BYTES_MAX + 1];
	fealty_result_fn *on_result;
	void *ctx;
};
TAILQ_HEAD(call_list, call);

/* What a handler of a frame says about the connection. */
enum verdict { GO_ON, DROP };

void calls_pump(struct fealty_client *c);
enum verdict calls_on_response(struct fealty_client *c, uint64_t tag, struct bytes body);
void calls_on_pong(struct fealty_client *c, uint64_t nonce);
void calls_on_lost(struct fealty_client *c);
/* Ends all of them. */
void calls_give_up(struct fealty_client *c, enum fealty_error error, const char *why);
/* A reply to ${tag} cannot be used, or the server refused its frame: ends that call, if there is one. */
bool calls_fail_tag(struct fealty_client *c, uint64_t tag, enum fealty_error error, const char *why, bool applied_never);
uint32_t in_flight_max(const struct fealty_client *c);
bool calls_waiting(const struct fealty_client *c);
void result_fill(struct fealty_result *r, enum fealty_outcome outcome, enum fealty_error error, struct answer answer, const char *why);
enum fealty_error call_admit(struct fealty_client *c);

/* ---- subscriptions ---- */

enum sub_state { SUB_IDLE, SUB_SENT, SUB_CANCELLING };

/* A place among events: "<seq>.<index>.<n>". */
#define EVENT_PLACE_BYTES 48
struct event_place {
	char text[EVENT_PLACE_BYTES];	/* "": none */
	uint64_t seq, index, n;
};

struct fealty_subscription {
	TAILQ_ENTRY(fealty_subscription) entry;
	struct fealty_client *client;
	enum sub_state state;
	uint64_t tag;
	bool has_last;			/* last_seq has been dealt with: go on after it */
	bool filtered;			/* by member or program: seqs have gaps */
	bool events;			/* instead of transactions */
	struct event_place place;	/* of the last event, when it is behind last_seq: go on after it */
	uint64_t last_seq;
	uint32_t window, used;		/* credits granted at first; consumed and not granted again */
	uint32_t deadline_ms;
	int64_t sent_us;		/* SUBSCRIBE, the last time */
	int64_t astray_us;		/* since when its connections have ended by a breach of the protocol, with nothing new; 0: the last one did not */
	struct event deadline;		/* without a connection, or for the answer to CANCEL */
	struct event retry;		/* sends SUBSCRIBE, on a link that is ready */
	struct buf body;		/* a Request without op */
	char *member;
	struct fealty_subscriber to;
};
TAILQ_HEAD(sub_list, fealty_subscription);

void subs_on_ready(struct fealty_client *c);
enum verdict subs_on_push(struct fealty_client *c, uint64_t tag, struct bytes body);
/* False when the tag is not a subscription's. */
bool subs_on_response(struct fealty_client *c, uint64_t tag, struct bytes body, enum verdict *ret_verdict);
/* The connection ended by ${error}, as ${why} says: one that goes on breaking the protocol ends a subscription at last. */
void subs_on_lost(struct fealty_client *c, enum fealty_error error, const char *why);
void subs_give_up(struct fealty_client *c, enum fealty_error error, const char *why);
bool subs_fail_tag(struct fealty_client *c, uint64_t tag, enum fealty_error error, const char *why);
uint32_t subs_in_flight(const struct fealty_client *c);

/* ---- the client ---- */

struct fealty_client {
	struct event_base *base;
	bool own_base, running, closing;
	struct sockaddr_storage address;
	socklen_t address_len;
	char *address_text, *principal, *client_name, *client_version;
	char *host, port[6];			/* of a TCP address */
	bool is_named;				/* host is a name, which gives the address */
	struct evdns_base *dns;			/* NULL: nothing was looked up yet */
	struct resolution *resolution;		/* under way */
	char *tls_ca, *tls_cert, *tls_key, *tls_server_name;	/* tls_ca NULL: no TLS */
	struct fealty_options options;		/* its pointers are not used */
	uint8_t root_seen[32];
	bool has_root_seen;

	struct link link;
	struct fealty_hello hello;
	Fealty__V1__HelloOk *hello_ok;
	enum fealty_error dead_error;
	char trouble[TEXT_BYTES];

	struct call_list queued, in_flight, waiting;
	uint32_t n_queued, n_in_flight, n_calls;
	uint32_t n_abandoned;			/* tags whose call ended at its deadline; their answers are dropped */
	struct sub_list subs;
	uint64_t next_tag;
	struct key_source keys;
};

bool client_has_work(const struct fealty_client *c);
/* A sentence, cut to what fits. */
void say(char ret_text[static TEXT_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Judges a HELLO_OK and takes it over.  On an error the link is to die, and client->trouble says why. */
enum fealty_error client_take_hello(struct fealty_client *c, struct bytes body);
void client_saw_size(struct fealty_client *c, uint64_t size);
uint64_t client_new_tag(struct fealty_client *c);
void client_run_until(struct fealty_client *c, const bool *done);
void timer_in(struct event *timer, uint64_t ms);

#endif
