/**
 * fealty.h: the client library of the loyalty-points ledger fealtyd.
 *
 * A client talks to one server over one connection, which it opens when it is needed and opens again when it is lost.  Calls are
 * pipelined up to what the server allows; further ones wait in a bounded queue.  The messages are those of fealty.proto, as
 * protobuf-c generates them: a caller fills a Fealty__V1__Request and reads a Fealty__V1__Response.
 *
 * The promise about writes: a command goes out under one request id (its key) however often it is sent, so it can never be applied
 * twice, and the outcome of a call says only what is known:
 *
 *   FEALTY_OK       it was applied (now or by an earlier try), and it is durable
 *   FEALTY_REFUSED  the server refused it; nothing has changed
 *   FEALTY_FAILED   it never reached the server; nothing has changed.  A read: there is no answer
 *   FEALTY_UNKNOWN  it was sent and no answer came before the deadline, or before the connection was lost for good.  It may have been
 *                   applied or not.  Call again with the same key (result.key) to learn which: that never applies it twice
 *
 * Addresses: "unix:/run/fealty/fealtyd.sock", "/run/fealty/fealtyd.sock", "127.0.0.1:7450", "[::1]:7450"; with TLS (fealty_options.tls_ca)
 * any machine's, "ledger.example.com:7450" or "192.0.2.7:7450".  Without TLS nothing is sent to another machine.
 *
 * TLS: 1.3, with certificates on both sides.  The files are read for each connection, so renewed ones need no new client.  The server must have a
 * certificate of the given authority, for its name; it takes us for what our certificate says.  FEALTY_ERROR_TLS is final when a certificate is
 * the reason, and its message says which.
 *
 * Threads: a client belongs to one thread at a time.  It uses no signals, does not log, and never ends the process but for a broken
 * contract (assert).  Times are milliseconds.  Strings are UTF-8 and end with NUL; the server checks them.
 *
 * Two ways to use it:
 *   - without an event base (base NULL): fealty_call() and its kin block until the call has ended.  The asynchronous functions work
 *     as well; fealty_wait() then runs their callbacks, which gives pipelining without an event loop of one's own.
 *   - on the caller's event_base: only the asynchronous functions; callbacks run from the caller's loop.  The base must outlive the client.
 */
#ifndef FEALTY_H
#define FEALTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fealty.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FEALTY_MUST_CHECK __attribute__((warn_unused_result))

#define FEALTY_KEY_BYTES_MAX 64		/* a request id: 1 to 64 of [A-Za-z0-9._:-] */
#define FEALTY_MESSAGE_BYTES 256	/* a sentence with its NUL; longer ones are cut */

struct event_base;
struct fealty_client;
struct fealty_subscription;

enum fealty_outcome {
	FEALTY_OK = 0,
	FEALTY_REFUSED = 1,
	FEALTY_FAILED = 2,
	FEALTY_UNKNOWN = 3,
};

/* Why there is no answer.  fealty_error_str() has a sentence for each. */
enum fealty_error {
	FEALTY_ERROR_NONE = 0,
	FEALTY_ERROR_NOMEM = 1,		/* an allocation failed */
	FEALTY_ERROR_ADDRESS = 2,	/* not an address */
	FEALTY_ERROR_KEY = 3,		/* not a request id */
	FEALTY_ERROR_TOO_LARGE = 4,	/* the message is above the server's limit, or a batch has too many commands */
	FEALTY_ERROR_QUEUE_FULL = 5,	/* queue_max calls are waiting already */
	FEALTY_ERROR_CONNECT = 6,	/* no connection could be made */
	FEALTY_ERROR_DEADLINE = 7,	/* the deadline came first */
	FEALTY_ERROR_PROTOCOL = 8,	/* the server sent what the protocol does not allow */
	FEALTY_ERROR_REJECTED = 9,	/* the server ended the connection with an ERROR frame that a retry would meet again */
	FEALTY_ERROR_IDENTITY = 10,	/* after a reconnect the server has another ledger, or takes us for another principal */
	FEALTY_ERROR_ROLLED_BACK = 11,	/* the ledger is shorter than what a subscription has already seen */
	FEALTY_ERROR_CLOSED = 12,	/* the client is being freed */
	FEALTY_ERROR_NO_TLS = 13,	/* another machine's address, or a name, without tls_ca; or tls_ca without tls_cert and tls_key */
	FEALTY_ERROR_TLS = 14,		/* a certificate cannot be used, or the server is not who it should be, or it refuses who we are */
};

/**
 * Start with fealty_options_init(); strings and bytes are copied by fealty_client_new().
 */
struct fealty_options {
	const char *principal;		/* "pos/0042/07"; NULL: what the door gives */
	const char *client_name;	/* for the server's log; NULL: "libfealty" */
	const char *client_version;
	uint32_t deadline_ms;		/* of calls that do not set their own; 10 000 */
	uint32_t connect_ms;		/* for one connection, HELLO included; 5 000 */
	uint32_t backoff_min_ms;	/* reconnects wait a random time below min × 2^failures, at most max; 50 */
	uint32_t backoff_max_ms;	/* 10 000 */
	uint32_t connects_max;		/* failures to connect in a row after which waiting calls are given up; 0: only their deadlines end them */
	uint32_t queue_max;		/* calls that wait to be sent; 1 024 */
	uint64_t size_seen;		/* the largest ledger an earlier run saw (fealty_hello.size_seen): finds a roll-back in between; 0: none */
	const uint8_t *root_seen;	/* 32 bytes, root of the tree of that size; NULL: not known */
	const char *tls_ca;		/* PEM file: TLS, and the server's certificate must be of this authority; NULL: no TLS */
	const char *tls_cert;		/* PEM file: one's own certificate, with what is between it and the authority */
	const char *tls_key;		/* PEM file: its private key, readable by its owner only */
	const char *tls_server_name;	/* DNS name or IP address that the server's certificate must have; NULL: the host of the address */
};

/**
 * What is known of the server.  All is borrowed from the client and good until its next connection.
 */
struct fealty_hello {
	const Fealty__V1__HelloOk *ok;	/* of the newest connection */
	uint64_t size_seen;		/* the largest size of this ledger ever seen, by any message */
	bool rolled_back;		/* a server once had fewer transactions than seen before: an old copy was restored.  Stays true */
	uint32_t connections;		/* how often a HELLO_OK came */
};

/**
 * The end of a call.  From a synchronous function the caller owns it: end it with fealty_result_release().  In a callback it is
 * borrowed until the return, but a callback may keep the answer: copy the struct and set response and batch to NULL in the original.
 */
struct fealty_result {
	enum fealty_outcome outcome;
	enum fealty_error error;			/* NONE when there is an answer */
	Fealty__V1__Response *response;			/* NULL when there is no answer, and on pings; of a batch: its outcome as a whole */
	Fealty__V1__BatchResponse *batch;		/* the answer to a batch; response is a part of it then.  NULL otherwise */
	char key[FEALTY_KEY_BYTES_MAX + 1];		/* the request id it was sent under; "" on a read without one */
	char message[FEALTY_MESSAGE_BYTES];		/* what to tell people; "" on FEALTY_OK */
	uint32_t attempts;				/* times it was sent */
};
typedef void fealty_result_fn(void *ctx, struct fealty_result *result);

void fealty_options_init(struct fealty_options *options);

/**
 * fealty_client_new(address, options, base, ret_client):
 * Makes a client; nothing is sent until the first call.  ${options} may be NULL for the defaults; ${base} NULL gives the client a base of
 * its own.  The caller owns *${ret_client} and ends it with fealty_client_free(); on an error it is untouched.
 * Errors: FEALTY_ERROR_ADDRESS (also a path with tls_ca), FEALTY_ERROR_NO_TLS, FEALTY_ERROR_NOMEM.
 */
enum fealty_error fealty_client_new(const char *address, const struct fealty_options *options, struct event_base *base,
    struct fealty_client **ret_client) FEALTY_MUST_CHECK;

/**
 * fealty_client_free(client):
 * Closes the connection.  Calls that have not ended do so now, with FEALTY_ERROR_CLOSED (writes that were sent: FEALTY_UNKNOWN); their
 * callbacks run inside.  Not from a callback.  Accepts NULL.
 */
void fealty_client_free(struct fealty_client *client);

/* NULL until the first HELLO_OK.  After a fealty_ping() that was FEALTY_OK it is there. */
const struct fealty_hello *fealty_hello(const struct fealty_client *client);

/* The last trouble of the connection, as a sentence; "" when there was none.  Borrowed until the next call into the library. */
const char *fealty_trouble(const struct fealty_client *client);

/**
 * fealty_key(client, ret_key):
 * A new request id: 26 characters that sort by time, as of a ULID; never the same twice.  Calls make their own when a write has none; use
 * this to note a key before the command is sent.
 */
void fealty_key(struct fealty_client *client, char ret_key[FEALTY_KEY_BYTES_MAX + 1]);

/* ---- blocking; only on a client with its own base, and not from a callback ---- */

/**
 * fealty_call(client, request, ret_result):
 * Sends one command and waits for its end; returns ret_result->outcome.  ${request} is borrowed until the return.  A write
 * without a key gets one.  The deadline of the whole call, retries included, is request->deadline_ms, or the client's default when
 * that is absent or 0.  A refusal that the server marks as retryable is tried again, under the same key, until the deadline.
 * ${ret_result} is always written; end it with fealty_result_release().  `subscribe` is not for this function.
 */
enum fealty_outcome fealty_call(struct fealty_client *client, const Fealty__V1__Request *request, struct fealty_result *ret_result);

/**
 * fealty_batch(client, batch, ret_result):
 * The same for many commands at once.  The batch's key gives a key to each command that has none.  FEALTY_OK says that the server
 * went through the batch: batch->results has one answer for each command, in order, and fealty_response_outcome() judges each.
 * When the whole was refused (an atomic batch, for one) it is FEALTY_REFUSED and there are no results.  Commands that were refused
 * as retryable inside the batch are left to the caller.
 */
enum fealty_outcome fealty_batch(struct fealty_client *client, const Fealty__V1__Batch *batch, struct fealty_result *ret_result);

/* Asks the server for a sign of life.  ${deadline_ms} 0: the default. */
enum fealty_outcome fealty_ping(struct fealty_client *client, uint32_t deadline_ms, struct fealty_result *ret_result);

/**
 * fealty_wait(client, outstanding_max):
 * Runs callbacks until at most ${outstanding_max} calls have not ended (subscriptions are not counted).
 */
void fealty_wait(struct fealty_client *client, uint32_t outstanding_max);

/* Frees what ${result} owns.  Accepts a released one. */
void fealty_result_release(struct fealty_result *result);

/* ---- asynchronous ---- */

/**
 * fealty_call_async(client, request, on_result, ctx, ret_key):
 * fealty_batch_async(client, batch, on_result, ctx, ret_key):
 * fealty_ping_async(client, deadline_ms, on_result, ctx):
 * As above, but return at once; the message is copied.  ${on_result} runs once, later, from the loop, never inside this function;
 * it may start further calls.  ${ret_key}, unless NULL, has room for FEALTY_KEY_BYTES_MAX + 1 and receives the request id.  On an
 * error nothing was queued and ${on_result} will not run.
 * Errors: NOMEM, KEY, QUEUE_FULL, CLOSED; REJECTED, IDENTITY and PROTOCOL when the connection has ended for good (see fealty_trouble()).
 */
enum fealty_error fealty_call_async(struct fealty_client *client, const Fealty__V1__Request *request, fealty_result_fn *on_result,
    void *ctx, char *ret_key) FEALTY_MUST_CHECK;
enum fealty_error fealty_batch_async(struct fealty_client *client, const Fealty__V1__Batch *batch, fealty_result_fn *on_result,
    void *ctx, char *ret_key) FEALTY_MUST_CHECK;
enum fealty_error fealty_ping_async(struct fealty_client *client, uint32_t deadline_ms, fealty_result_fn *on_result,
    void *ctx) FEALTY_MUST_CHECK;

/* ---- subscriptions ---- */

struct fealty_transaction {
	uint64_t seq;
	const uint8_t *data;		/* a SignedTransaction of ledger.proto, byte for byte as it is stored and not yet judged; borrowed */
	size_t data_bytes;
	uint64_t head;			/* transactions in the ledger when the server sent this */
};

/* An event for a CRM: what an entry of the ledger means for a member. */
struct fealty_event {
	const Fealty__V1__Event *event;	/* borrowed; its id is there */
	uint64_t seq;			/* of the transaction */
	uint64_t head;
};

/**
 * Where transactions go.  on_transaction() gets each once, in order, also across reconnects; returning false ends the subscription.
 * on_event() gets events in its place when the request asks for `events`: each once, in order, and on_progress() (may be NULL) afterwards
 * how far the log has been looked at, events or not: who notes it resumes with `after` there, or with `after_event` behind the last event.
 * on_end() (asynchronous only, NULL otherwise) runs once, later; the subscription is gone after it.
 */
struct fealty_subscriber {
	void *ctx;
	bool (*on_transaction)(void *ctx, const struct fealty_transaction *transaction);
	bool (*on_event)(void *ctx, const struct fealty_event *event);
	bool (*on_progress)(void *ctx, uint64_t last_seq);
	fealty_result_fn *on_end;
	bool stop_at_head;		/* end when nothing newer is known to be in the ledger */
};

/**
 * fealty_subscribe(client, request, subscriber, ret_result):
 * Follows the ledger; blocks until the end.  ${request} has the op `subscribe`: `after`, `member` and `program` choose what is sent, `events` and
 * `after_event` make it events, `credits` how many may be under way (absent or 0: 256); the client grants more as they are consumed, and resumes behind the
 * last one after a lost connection.  deadline_ms limits the time without a connection, and the time in which each connection ends by what is no
 * protocol (FEALTY_ERROR_PROTOCOL then); not the whole.  Ends as FEALTY_OK when
 * on_transaction() returned false, at fealty_subscription_cancel() and at the head; FEALTY_REFUSED when the server would not;
 * FEALTY_FAILED otherwise.
 */
enum fealty_outcome fealty_subscribe(struct fealty_client *client, const Fealty__V1__Request *request,
    const struct fealty_subscriber *subscriber, struct fealty_result *ret_result);

/* The same without blocking.  *${ret_subscription} is the client's, and valid until on_end() returns.  Errors as fealty_call_async(). */
enum fealty_error fealty_subscribe_async(struct fealty_client *client, const Fealty__V1__Request *request,
    const struct fealty_subscriber *subscriber, struct fealty_subscription **ret_subscription) FEALTY_MUST_CHECK;

/* No transaction is delivered any more; on_end() follows, from the loop.  May be called from callbacks. */
void fealty_subscription_cancel(struct fealty_subscription *subscription);

/* ---- the log: a client that keeps the last checkpoint it saw notices a ledger that was rolled back or rewritten ---- */

enum fealty_log_answer {
	FEALTY_LOG_HOLDS = 0,		/* the server's log goes on from what was seen; without anything seen: it has a checkpoint */
	FEALTY_LOG_ROLLED_BACK = 1,	/* it has fewer transactions than were seen: an old copy was restored */
	FEALTY_LOG_FORKED = 2,		/* what was seen is not the beginning of it: the past was rewritten */
	FEALTY_LOG_NOT_SIGNED = 3,	/* it is another log, or its checkpoint is malformed or not signed by the key */
	FEALTY_LOG_NO_ANSWER = 4,	/* the server did not answer, or would not prove it: nothing is known */
	FEALTY_LOG_BAD_TRUST = 5,	/* fealty_log_trust is malformed; nothing was sent */
};

struct fealty_log_trust {
	const char *seen;		/* the last checkpoint, a signed note as fealty_log_check.note was; NULL: this is the first time */
	const char *key;		/* the log's verifier key ("fealty log key"); NULL: signatures are not verified */
};

struct fealty_log_check {
	enum fealty_log_answer answer;
	uint64_t size_seen, size;	/* transactions; 0: none seen, none heard of */
	char *note;			/* the server's newest checkpoint: C2SP tlog-checkpoint.  NULL: there is none */
	char message[FEALTY_MESSAGE_BYTES];	/* what to tell people; "" on FEALTY_LOG_HOLDS */
};

/**
 * fealty_log_check(client, trust, deadline_ms, ret_check):
 * Asks for the newest public checkpoint and for the proof (RFC 6962) that the log goes on from the one seen.  Keep ret_check->note for the
 * next time when the answer is HOLDS.  When it is ROLLED_BACK or FORKED, both notes together are evidence against who signed them: keep
 * both.  Blocks, as fealty_call() does, ${deadline_ms} for each of its two questions (0: the default).  ${ret_check} is always written; end
 * it with fealty_log_check_release().
 */
enum fealty_log_answer fealty_log_check(struct fealty_client *client, const struct fealty_log_trust *trust, uint32_t deadline_ms,
    struct fealty_log_check *ret_check);
void fealty_log_check_release(struct fealty_log_check *check);

/* ---- words ---- */

/* What one answer says: OK, REFUSED, or UNKNOWN when the server itself does not know (INTERNAL and its like on a write). */
enum fealty_outcome fealty_response_outcome(const Fealty__V1__Response *response);

const char *fealty_outcome_str(enum fealty_outcome outcome);	/* "OK", "REFUSED", "FAILED", "UNKNOWN" */
const char *fealty_log_answer_str(enum fealty_log_answer answer);	/* "HOLDS", "ROLLED_BACK", … */
const char *fealty_error_str(enum fealty_error error);		/* a sentence */
const char *fealty_code_str(Fealty__V1__Code code);		/* "FAILED_PRECONDITION" */

#ifdef __cplusplus
}
#endif

#endif
