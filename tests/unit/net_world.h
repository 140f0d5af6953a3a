/**
 * net_world.h: for the tests of net: a net with a small handler, and peers on blocking sockets.  Every wait has an end; whatever goes
 * wrong fails the test that runs.
 *
 * The handler accepts every HELLO, answers PING, and does with a REQUEST or BATCH what the first byte of its body says:
 *   p  pauses the connection            q  pauses, resumes and answers
 *   f  sends so many pushes of 1 KiB, numbered for resume_after    w  pushes so many bytes: ROOM_BYTES, then a chunk each time that there is room
 *   c  answers and closes               x  fails with MALFORMED
 *   s  keeps its loop busy until let_go_on()   n  answers with the number of frames so far, its own among them   r  rests the connection
 *   d  takes DEAR_US, and answers
 * and otherwise answers with the same body.
 */
#ifndef FEALTY_TESTS_NET_WORLD_H
#define FEALTY_TESTS_NET_WORLD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"

#define DEAR_US 3000u
#define ROOM_BYTES 10000u	/* the mark of 'w' */
#define ROOM_CHUNK 4096u

struct world {
	struct net *net;
	uint16_t port;
	char dir[32], path[64];

	pthread_mutex_t mutex;	/* of the rest */
	pthread_cond_t changed;
	unsigned opened, frames, closed, rooms, rests;
	unsigned opened_on[4];
	uint64_t last_id;
	struct net_loop *last_loop;
	char last_reason[32];
	char last_why[256];
	unsigned aged, rejected;
	size_t room_left;
	size_t room_output_max;	/* unsent when on_room() came */
	unsigned visited;
	bool goes_on;
};

/* Time limits of 30 s, so that none of them runs out by chance. */
struct net_limits test_limits(void);

/* world_new() has two loops, no listener and no thread; world_start() listens on w->path and on w->port, and runs. */
struct world *world_new(const struct net_limits *limits);
struct world *world_start(const struct net_limits *limits);
void world_release(struct world *w);	/* after net_stop(), or of one that never ran; no socket file may be left */
void world_end(struct world *w);	/* stops and releases; every connection must have been closed once */

void wait_for(struct world *w, const unsigned *counter, unsigned want);		/* until it is at least ${want} */
void let_go_on(struct world *w);
unsigned read_counter(struct world *w, const unsigned *counter);
uint64_t last_conn_id(struct world *w);
void expect_closed(struct world *w, unsigned n, const char *reason);		/* the n-th, for this reason */

/* Sockets; try_unix() and connect_tcp() give -1 when they are refused. */
int try_unix(const char *path);
int connect_unix(const struct world *w);
int connect_tcp(uint16_t port);
void set_timeouts(int fd);		/* for a socket made by the test itself */

void send_all(int fd, const void *data, size_t len);
void send_frame(int fd, enum frame_type type, uint64_t tag, const void *body, size_t len);
void send_header(int fd, struct frame_header h);
void send_number(int fd, char what, uint32_t n);	/* a request, for 'f' and 'w' */

/* All ${len} bytes, or false at the end of the stream; a reset or a time-out fails the test. */
bool receive(int fd, void *ret, size_t len);

struct frame { struct frame_header h; uint8_t *body; };
bool receive_frame(int fd, struct frame *ret);		/* the caller frees ret->body */
void expect_frame(int fd, enum frame_type type, uint64_t tag, const void *body, size_t len);

/* An ERROR with this reason and a sentence, then the end of the stream; closes ${fd}. */
void expect_error(int fd, enum frame_error reason, uint64_t tag);

void greet(int fd);
void expect_echo(int fd, uint64_t tag);
bool readable(int fd, int ms);		/* waits up to ${ms} for something to read */

#endif
