/**
 * net.h: sockets, loops and frames.  Knows nothing of what is in a body.
 *
 * A net has n loops, each a thread with its own event base; a connection belongs to one loop for all its life, and everything about
 * it happens on that loop's thread.  Other threads reach a connection by posting a message to its loop (net_post()).
 * What a peer can make us hold is limited before it is held: a frame is judged on its header, time is bounded by absolute timers,
 * unsent output by net_limits.output_bytes_max.
 */
#ifndef FEALTY_NET_NET_H
#define FEALTY_NET_NET_H

#include "base/bytes.h"
#include "base/status.h"
#include "frame.h"

struct net;
struct tls;
struct net_loop;
struct net_conn;

enum net_door { NET_DOOR_UNIX, NET_DOOR_LOOPBACK, NET_DOOR_TLS };	/* which listener a connection came in by */

struct net_limits {
	unsigned connections_max;	/* in all loops; one more gets ERROR TOO_MANY_CONNECTIONS and is closed */
	unsigned address_connections_max;	/* the same of one peer's address, on TCP; 0: no limit */
	unsigned hello_ms;		/* from accept until net_conn_set_limits() says that HELLO was accepted */
	unsigned frame_ms;		/* from the first byte of a frame to its last */
	unsigned idle_ms;		/* without any byte from the peer (as SLOW_READER when output waits for it); 0: for ever */
	unsigned linger_ms;		/* for the last output of a connection that is being closed */
	unsigned age_ms;		/* of a connection with TLS, from accept until on_aged(); 0: for ever */
	unsigned leave_ms;		/* from on_aged() until it is closed */
	size_t output_bytes_max;	/* unsent output of one connection; beyond it the connection is closed as SLOW_READER */
};
struct net_limits net_limits_default(void);	/* 16384 connections, any number of an address, 10 s, 10 s, 10 min, 5 s, 24 h, 30 s, 8 MiB */

/**
 * A message to a loop.  The poster allocates it, usually embedded in a larger structure, and owns it until run() is called, once,
 * on the loop's thread; run() owns it then.  ${conn} is NULL when the connection ended before (or conn_id was 0); one that is closing
 * is still given, and ignores what is sent to it.
 */
struct net_message {
	struct net_message *next;
	uint64_t conn_id;
	void (*run)(struct net_message *m, struct net_loop *loop, struct net_conn *conn);
};

/* All called on the loop's thread.  No callback may free the connection; net_conn_close() only marks it. */
struct net_handler {
	void *ctx;
	void (*on_open)(void *ctx, struct net_conn *conn);
	/* A whole frame, already judged by the connection's limits.  ${body} is borrowed until the return. */
	void (*on_frame)(void *ctx, struct net_conn *conn, const struct frame_header *header, struct bytes body);
	/* After one or more on_frame(), which came together: what they left to be done is done here.  NULL: they leave nothing. */
	void (*on_turn_end)(void *ctx, struct net_conn *conn);
	/* The unsent output fell to half of a mark set by net_conn_want_room(), or a net_conn_rest() is over. */
	void (*on_room)(void *ctx, struct net_conn *conn);
	/**
	 * The last callback of a connection.  ${reason}: "PEER_CLOSED" (a peer that has shut down its sending side has closed),
	 * "RESET", "SHUTTING_DOWN", a frame error's name, or that of net_conn_close().
	 */
	void (*on_closed)(void *ctx, struct net_conn *conn, const char *reason);
	/* It is open for age_ms, and will be closed (as "AGED") in leave_ms. */
	void (*on_aged)(void *ctx, struct net_conn *conn);
	/* A peer that never came as far as on_open(): its handshake failed (${reason} "NO_HANDSHAKE", ${why} a sentence), or took too long. */
	void (*on_rejected)(void *ctx, const char *address, const char *reason, const char *why);
};

/**
 * net_new(loops, limits, handler, ret_net):
 * Creates the loops; net_start() starts their threads.  ${handler} is copied.  Errors: ST_NOMEM, ST_IO.
 */
enum status net_new(unsigned loops, const struct net_limits *limits, const struct net_handler *handler, struct net **ret_net) MUST_CHECK;

/**
 * net_listen_unix(net, path): a socket with mode 0600; a socket file that nobody answers on is replaced.
 * net_listen_loopback(net, address, ret_port): "127.0.0.1:7450", "[::1]:7450", port 0 for any; plain TCP with TCP_NODELAY.
 * net_listen_tls(net, address, ret_port): "0.0.0.0:7450", "[::]:7450" or any other address of this machine's, in digits; TCP with mutual TLS,
 * after net_set_tls().
 * Errors: ST_INVALID when the path is too long, or the address is none with a port, or without TLS no loopback one; ST_BUSY when somebody
 * answers there; ST_IO with errno.
 */
enum status net_listen_unix(struct net *net, const char *path) MUST_CHECK;
enum status net_listen_loopback(struct net *net, const char *address, uint16_t *ret_port) MUST_CHECK;
enum status net_listen_tls(struct net *net, const char *address, uint16_t *ret_port) MUST_CHECK;

/**
 * net_set_tls(net, tls):
 * What peers of a door with TLS are judged by from now on, and what we show them; the net takes references of its own.  Open connections that
 * it would not let in are closed as PRINCIPAL_REFUSED: those with a denied key at once, others within a few turns of their loop.  Any thread, before
 * net_stop().  ST_NOMEM: nothing has changed.
 */
enum status net_set_tls(struct net *net, struct tls *tls) MUST_CHECK;

/**
 * net_bind_loopback(address, ret_fd, ret_port):
 * The socket alone, listening and non-blocking, for a server that is not of frames; the caller closes it.  Addresses and errors as above.
 */
enum status net_bind_loopback(const char *address, int *ret_fd, uint16_t *ret_port) MUST_CHECK;

enum status net_start(struct net *net) MUST_CHECK;

/* Connects are refused from its return on, and the socket file is removed.  Any thread, once or more.  Existing connections go on. */
void net_stop_accepting(struct net *net);

/**
 * net_stop(net): closes every connection when its unsent output is gone or after linger_ms, joins the threads.  Main thread, after
 * net_start().
 * net_free(net): after net_stop(), or when net_start() never ran; accepts NULL.
 */
void net_stop(struct net *net);
void net_free(struct net *net);

unsigned net_connections(const struct net *net);	/* open now, about; any thread */

/* Since net_new(), about; any thread. */
struct net_figures {
	unsigned connections;			/* open now */
	uint64_t accepted;
	uint64_t refused, refused_address;	/* beyond connections_max; beyond address_connections_max */
	uint64_t rejected;			/* never came through their TLS handshake */
	int64_t cert_ends_at, crl_ends_at;	/* of the newest credentials, seconds since 1970; 0: there is none */
	uint64_t received_bytes, sent_bytes;
};
void net_figures(const struct net *net, struct net_figures *ret);
unsigned net_loop_count(const struct net *net);
struct net_loop *net_loop_at(struct net *net, unsigned index);
unsigned net_loop_index(const struct net_loop *loop);

/**
 * net_post(loop, first, last):
 * Hands over a list of messages, linked by next, in order, with at most one wake-up.  Any thread.  After net_stop() has begun,
 * messages still run (with conn NULL when theirs is gone; the last of them perhaps on the thread in net_stop()); it returns when all
 * have run, and nobody may post after that.
 */
void net_post(struct net_loop *loop, struct net_message *first, struct net_message *last);

/* Calls ${visit} for every open connection of the loop.  On its thread. */
void net_loop_each(struct net_loop *loop, void (*visit)(void *ctx, struct net_conn *conn), void *ctx);

/* ---- a connection, on its loop's thread ---- */

uint64_t net_conn_id(const struct net_conn *conn);	/* never 0, never used again */
enum net_door net_conn_door(const struct net_conn *conn);
struct net_loop *net_conn_loop(const struct net_conn *conn);
/* Who the peer's certificate says it is, a principal's name by its form; and SHA-256 of its key.  NULL: it came without TLS. */
const char *net_conn_name(const struct net_conn *conn);
const uint8_t *net_conn_key_hash(const struct net_conn *conn);
/* Of the peer, as "192.0.2.7" or "2001:db8:0:1::/64"; "" by a UNIX socket.  As long as the connection. */
#define NET_ADDRESS_BYTES 48
const char *net_conn_address(const struct net_conn *conn);
void net_conn_set_user(struct net_conn *conn, void *user);
void *net_conn_user(const struct net_conn *conn);

/* What is accepted from now on; ends the HELLO timer. */
void net_conn_set_limits(struct net_conn *conn, const struct frame_limits *limits);

/* Queues a frame; the bytes are copied.  On a connection that is closing it does nothing. */
void net_conn_send(struct net_conn *conn, enum frame_type type, uint16_t flags, uint64_t tag, struct bytes body);

size_t net_conn_output_bytes(const struct net_conn *conn);

/* What ERROR SLOW_READER says from now on as its resume_after. */
void net_conn_set_resume(struct net_conn *conn, uint64_t resume_after);

/* Asks for one on_room() when unsent output is at most ${bytes} / 2 (at once on the next turn if it is already). */
void net_conn_want_room(struct net_conn *conn, size_t bytes);

/**
 * What one party takes of a loop's time, over all its connections there.  Zeroed at first; the caller's, one for each loop, and there as long as a
 * connection has it.  While others are served by the loop as well, one that takes more than a quarter of it is read more slowly.
 */
struct net_share {
	int64_t used_us, at_us;		/* at at_us; a quarter of the time since makes it good */
	int64_t rest_until_us;
};
void net_conn_set_share(struct net_conn *conn, struct net_share *share);

/* Back-pressure: stops or resumes reading from the peer; what was already read is kept.  Nested calls do not count. */
void net_conn_pause(struct net_conn *conn);
void net_conn_resume(struct net_conn *conn);

/* Stops reading for a moment (50 ms), for a peer that does not heed refusals.  Its end is an on_room(), which resumes. */
void net_conn_rest(struct net_conn *conn);

/* Sends ERROR and closes when it is sent.  Nothing more is read. */
void net_conn_fail(struct net_conn *conn, enum frame_error reason, const char *message, uint64_t tag, uint64_t resume_after);

/* Closes when the output is sent.  ${reason} is static and reaches on_closed(). */
void net_conn_close(struct net_conn *conn, const char *reason);

#endif
