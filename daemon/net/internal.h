/**
 * internal.h: what the files of net/ share.  Who runs what:
 *   net.c       the main thread: making, starting and stopping
 *   loop.c      a loop's thread: its turn, its timers, its queue of messages
 *   conn.c      a loop's thread: one connection
 *   listener.c  the main thread before net_start(), then loop 0's thread
 *   conn_io.c   a loop's thread: its bytes
 *   credentials.c  any thread hands them over, a loop's thread judges by them
 *   address.c   any of them: a table with a lock of its own
 */
#ifndef FEALTY_NET_INTERNAL_H
#define FEALTY_NET_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/counter.h"
#include "net/net.h"
#include "tls/tls.h"

#define NET_LISTENERS_MAX 8
#define NET_READ_BYTES (64u * 1024)	/* of one read */
#define NET_KEEP_BYTES 4096u		/* an emptied buffer larger than this is freed */
#define NET_STOP_DRAIN_MS 100u		/* at net_stop(), for input on its way when the last output has gone */
#define NET_REFUSED_MAX 256u		/* connections over the limit that we wait for to read their ERROR */
#define NET_ACCEPT_AGAIN_MS 100u	/* without accept() after EMFILE and its like */
#define NET_ACCEPTS_PER_EVENT 64u
#define NET_FRAMES_PER_TURN 32u		/* of one connection; then it is the others' turn */
#define NET_TURN_US 200		/* after which a connection has no other frame delivered in a turn */
#define NET_RECORDS_PER_TURN 4u		/* of TLS, 16 KiB each, of one connection */
#define NET_JUDGED_PER_TURN 16u		/* connections whose certificates are verified again */
#define NET_REST_MS 50u			/* without reading, after net_conn_rest() */

/* All timers of one kind last equally long, so each loop keeps a kind in a list whose head is due first. */
enum net_timer { NET_TIMER_HELLO, NET_TIMER_FRAME, NET_TIMER_IDLE, NET_TIMER_LINGER, NET_TIMER_DRAIN, NET_TIMER_REST, NET_TIMER_AGE,
	NET_TIMER_LEAVE, NET_TIMERS };

/* Moves downwards only. */
enum conn_state {
	CONN_HANDSHAKE,		/* of TLS */
	CONN_OPEN,
	CONN_FLUSHING,		/* closing: sends what is left, discards what comes */
	CONN_DRAINING,		/* all is sent and our side shut down: discards until the peer closes */
	CONN_DEAD,		/* freed at the end of the turn */
};

TAILQ_HEAD(conn_list, net_conn);

struct net_conn {
	struct net_loop *loop;
	uint64_t id;
	int fd;
	enum net_door door;
	enum conn_state state;
	const char *reason;		/* NULL while open */
	void *user;
	struct frame_limits limits;

	struct event read_event, write_event;
	bool reading, writing;		/* the event is added */
	bool paused;
	bool refused;			/* over the limit: the handler never hears of it */
	const char *why_refused;	/* a sentence; NULL: it is not */
	struct net_address *address;	/* whose connections it counts among; NULL: by the UNIX socket */
	struct net_share *share;	/* whose time it takes; NULL: nobody's */
	bool behind;			/* more whole frames than a turn takes are kept: not read until they are delivered */
	bool peer_done;			/* the peer has shut down its side */

	struct tls_session *tls;	/* NULL: the bytes are the socket's own */
	bool secured;			/* its handshake is done */
	bool more;			/* of what the session has read of the socket not all may have been taken */
	bool opened;			/* the handler has heard of it */
	uint64_t judgement;		/* the loop's by which its certificate was judged */

	struct buf in;			/* what was read and not delivered: a part of a frame, or more when paused */
	struct buf out;
	size_t out_sent;		/* of out, from its beginning */
	uint64_t resume_after;		/* what SLOW_READER says */
	bool room_wanted;
	size_t room_bytes;

	struct { TAILQ_ENTRY(net_conn) link; int64_t due_us; } timer[NET_TIMERS];	/* due_us 0: does not run */
	bool is_ready, is_dirty;	/* in the loop's list */
	TAILQ_ENTRY(net_conn) all, ready, dirty, dead;
	struct net_conn *bucket_next;
	struct net_message arrival;
};

/* Who was served last; only to be compared, since it may be gone. */
struct net_company { uintptr_t share; int64_t at_us; };

struct net_loop {
	struct net *net;
	unsigned index;
	struct event_base *base;
	struct event *wake_event, *timer_event;
	int wake_fd;
	pthread_t thread;
	bool has_thread;		/* the main thread's */
	atomic_bool thread_ran;		/* `owner` is set */
	pthread_t owner;		/* who may touch connections */
	bool stopping;

	int64_t now_us;			/* of this event */
	int64_t armed_us;		/* when timer_event fires; 0: it does not */
	struct conn_list timers[NET_TIMERS];
	struct conn_list all;		/* not CONN_DEAD */
	struct net_company company[2];	/* the newest first, two shares */
	struct conn_list ready;		/* to be looked after: resumed, or waiting for room */
	struct conn_list dirty;		/* to be flushed */
	struct conn_list dead;
	struct net_conn **buckets;	/* by id */
	size_t n_buckets;		/* a power of two */
	uint8_t *scratch;		/* NET_READ_BYTES */
	struct net_message stop_message;
	struct counter received_bytes, sent_bytes, rejected_total;
	struct tls *tls;		/* what connections are judged by; NULL: there is no door with TLS */
	uint64_t judgement;		/* how often that has changed */
	bool judging;			/* some connections are of an older one; they are at the beginning of `all` */

	pthread_mutex_t mutex;		/* of the rest */
	struct net_message *first, *last;
	bool signalled;			/* wake_fd was written and is not read yet */
	bool ended;			/* nobody will run another message: net_post() breaks its contract */
};

struct listener {
	struct net *net;
	int fd;				/* -1: closed */
	enum net_door door;
	struct event *event;
	char *path;			/* of a UNIX socket */
	struct stat made;		/* what we bound at path */
};

/* A peer's address; an IPv6 one is its network of 64 bits, which is what one customer of a provider has. */
struct net_address {
	struct net_address *next;
	char text[NET_ADDRESS_BYTES];
	unsigned connections;		/* above 0 */
};

#define NET_ADDRESS_BUCKETS 1024u
struct address_table {
	pthread_mutex_t mutex;
	struct net_address *buckets[NET_ADDRESS_BUCKETS];
};

struct net {
	struct net_limits limits;
	struct net_handler handler;
	struct net_loop *loops;
	unsigned n_loops;
	bool started, stopped;		/* the main thread's */

	struct listener listeners[NET_LISTENERS_MAX];
	unsigned n_listeners;
	struct event *accept_again;
	unsigned next_loop;		/* these five are the accepting thread's */
	uint64_t next_id;
	struct counter accepted_total, refused_total, refused_address_total;
	struct address_table addresses;
	atomic_uint connections, refused;
	atomic_llong cert_ends_at, crl_ends_at;

	pthread_mutex_t accept_mutex;	/* of accept_ended */
	bool accept_ended;
	struct net_message accept_end;
};

/* ---- loop.c ---- */

enum status loop_init(struct net_loop *loop, struct net *net, unsigned index) MUST_CHECK;
void loop_release(struct net_loop *loop);	/* accepts a zeroed or half-built one */
void *loop_run(void *loop);			/* the thread */

/* Runs what was posted, on the caller's thread: there is no other any more, or yet. */
void loop_run_leftovers(struct net_loop *loop);

bool loop_is_mine(const struct net_loop *loop);
void loop_touch_clock(struct net_loop *loop);
void loop_add(struct net_loop *loop, struct net_conn *conn);
void loop_remove(struct net_loop *loop, struct net_conn *conn);	/* to the dead ones */
void loop_mark_ready(struct net_conn *conn);
void loop_mark_dirty(struct net_conn *conn);
void loop_timer_start(struct net_conn *conn, enum net_timer kind);	/* anew when it runs */
void loop_timer_stop(struct net_conn *conn, enum net_timer kind);
bool loop_timer_runs(const struct net_conn *conn, enum net_timer kind);

/* ---- conn.c ---- */

/* Owns ${fd}, also when it returns NULL.  conn_arrive() is its arrival message. */
struct net_conn *conn_new(struct net_loop *loop, int fd, enum net_door door, uint64_t id, bool refused);
void conn_free(struct net_conn *conn);
void conn_flush(struct net_conn *conn);
void conn_look_after(struct net_conn *conn);	/* delivers what was kept; room */
void conn_timer_due(struct net_conn *conn, enum net_timer kind);
void conn_stop(struct net_conn *conn);		/* net_stop() has begun */

/* One that ends before the handler heard of it. */
void conn_tell_rejected(const struct net_conn *conn);

/* ---- share.c; share NULL: nobody's ---- */

bool share_rests(const struct net_share *share, int64_t now_us) MUST_CHECK;
void share_charge(struct net_loop *loop, struct net_share *share, int64_t begun_us, int64_t now_us);

/* ---- conn_io.c ---- */

enum conn_io {
	IO_DONE,
	IO_WAIT_READ, IO_WAIT_WRITE,	/* for the socket */
	IO_AGAIN,			/* at once */
	IO_END,				/* the peer sends nothing more */
	IO_TRUNCATED,			/* the same, and it has not said so */
	IO_FAILED,
};
enum conn_io conn_handshake(struct net_conn *conn) MUST_CHECK;
enum conn_io conn_read(struct net_conn *conn, void *data, size_t max, size_t *ret_n) MUST_CHECK;
enum conn_io conn_discard(struct net_conn *conn, void *scratch, size_t max, size_t *ret_n) MUST_CHECK;	/* as it comes from the socket */
enum conn_io conn_write(struct net_conn *conn, struct bytes data, size_t *ret_n) MUST_CHECK;
enum conn_io conn_end(struct net_conn *conn) MUST_CHECK;	/* we send nothing more */

/* ---- credentials.c ---- */

void loop_judge_some(struct net_loop *loop);

/* ---- address.c ---- */

void addresses_init(struct address_table *table);
void addresses_release(struct address_table *table);	/* nobody holds one any more */
/**
 * addresses_take(table, peer, max, ret_address): one connection more of the address, to be given back.  ST_FULL: it has ${max} already;
 * ST_NOMEM.  A peer of a UNIX socket has none: NULL.
 */
enum status addresses_take(struct address_table *table, const struct sockaddr_storage *peer, unsigned max, struct net_address **ret_address) MUST_CHECK;
void addresses_give(struct address_table *table, struct net_address *address);	/* accepts NULL */

/* ---- listener.c ---- */

enum status listeners_start(struct net *net) MUST_CHECK;
void listeners_end(struct net *net);		/* removes socket files; the sockets refuse from now on */
void listeners_close(struct net *net);		/* on the accepting thread, or when there is none */

#endif
