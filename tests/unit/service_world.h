/**
 * service_world.h: for the tests of service: a whole daemon but for main(), in this process: service and net on a UNIX socket, a clock that the test
 * moves, and clients of the client library.  What fails in a helper fails the test that runs.
 */
#ifndef FEALTY_TESTS_SERVICE_WORLD_H
#define FEALTY_TESTS_SERVICE_WORLD_H

#include "ledger_world.h"

#include <stdatomic.h>

#include "fealty.h"
#include "service/service.h"

struct server {
	struct ledger_world w; /* its files; its store is open only while the service is not */
	_Atomic int64_t now_us, boot_us; /* what its clock says */
	atomic_bool fatal;
	struct log *log; /* to the file that FEALTY_TEST_LOG names; NULL: none */
	struct service *service; /* NULL: not running */
	struct net *net;
};

void server_init(struct server *s, bool manual_clock);
void server_start(struct server *s);
void server_stop(struct server *s); /* as SIGTERM does; accepts one that is not running */
void server_release(struct server *s);
/* What time has passed, for both clocks; what jumps is the real one only. */
void server_pass(struct server *s, int64_t us);
void server_jump(struct server *s, int64_t us);

/* A client with a deadline of 20 s. */
struct fealty_client *client_of(const struct server *s, const char *principal);

/**
 * Sends what ${json} says, as `fealty` reads it: {"op": "purchase", …}.  The result is the caller's to release; the second asserts FEALTY_OK.
 * A deadline keeps the client from trying a retryable refusal again.
 */
struct fealty_result call(struct fealty_client *c, const char *json);
struct fealty_result call_ok(struct fealty_client *c, const char *json);
/* Expects a refusal with this reason, and the field unless NULL. */
void call_refused(struct fealty_client *c, const char *json, const char *reason, const char *field);
struct fealty_result call_batch(struct fealty_client *c, const char *json);
void call_publish(struct fealty_client *c, const char *yaml, const char *key, int64_t at_us); /* 0: no `at` */

/* The balance block's available points. */
void assert_available(struct fealty_client *c, const char *alias, const char *want);
/* "op op op": of the entries from ${seq} on, read off the ledger of a server that is stopped. */
void assert_ops(struct server *s, uint64_t seq, const char *want);

/* Looks again until ${done} says so, or fails after 30 s. */
void eventually(bool (*done)(void *ctx), void *ctx, const char *what);

#endif
