/*
 * fake_server.h: a server that plays a script, and what tests of the client need on the other side.  The script runs in a thread
 * and speaks frames over a UNIX socket; each step that waits has a time limit, so a client that does not do what the script expects
 * ends the test (by assert) instead of hanging it.
 */
#ifndef FEALTY_TEST_FAKE_SERVER_H
#define FEALTY_TEST_FAKE_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fealty.h"
#include "frame.h"

struct server {
	char dir[32], path[64], address[80];
	int listener, fd;
	pthread_t thread;
	void (*script)(struct server *s);
	Fealty__V1__HelloOk hello;
	char principal[128];		/* of the last HELLO */
	uint64_t checkpoint_size;
	struct frame_header header;	/* of the last frame */
	uint8_t body[2 * 1024 * 1024];
	void *arg;
};

/* poll() for input. */
bool readable_within(int fd, int ms);
/* Reads a frame of that type into header and body. */
void server_read(struct server *s, enum frame_type want);
Fealty__V1__Request *server_read_request(struct server *s);
/* Reads a request that must carry ${key} (NULL: any) and a deadline; returns its tag. */
uint64_t server_expect(struct server *s, const char *key);
void server_send(struct server *s, enum frame_type type, uint64_t tag, const ProtobufCMessage *message);
/* Closes the connection there is, takes the next, reads its HELLO; server_accept() answers it as well. */
void server_accept_only(struct server *s);
void server_accept(struct server *s);
void server_answer(struct server *s, uint64_t tag, Fealty__V1__Code code, const char *reason, bool retryable, uint32_t after_ms);
void server_ok(struct server *s, uint64_t tag);
void server_error(struct server *s, Fealty__V1__Error__Reason reason, const char *message, uint64_t tag);
/* The client has closed, or closes within the step's time. */
void server_expect_close(struct server *s);
/* Listens in a new directory; server_go() starts the script, server_join() waits for its end, server_end() removes all. */
struct server *server_start(void (*script)(struct server *s));
void server_go(struct server *s);
void server_join(struct server *s);
void server_end(struct server *s);
/* Appends a SignedTransaction { transaction: { seq } }. */
void put_transaction(uint64_t seq, struct buf *out);

/* ---- the client's side ---- */

struct purchase { Fealty__V1__Request request; Fealty__V1__Purchase op; };

struct tally { int n, ok, refused, failed, unknown; enum fealty_error last_error; char last_key[65]; };

/* A client of that server, on a base of its own; ${options} may be NULL. */
struct fealty_client *client_of(struct server *s, const struct fealty_options *options);
struct fealty_options options_with_deadline(uint32_t ms);
void purchase_init(struct purchase *p, const char *key);
enum fealty_outcome do_purchase(struct fealty_client *c, const char *key, struct fealty_result *ret);
enum fealty_outcome do_balance(struct fealty_client *c, struct fealty_result *ret);
void on_tally(void *ctx, struct fealty_result *r);
void start_purchase(struct fealty_client *c, const char *key, struct tally *t);

#endif
