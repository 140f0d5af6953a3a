/**
 * fealty_queue.h: store and forward: a till's commands on disk until the server has answered them.
 *
 * A till that cannot reach the server adds its commands to a queue, a directory of its own, and uploads them as batches when it can.  Each
 * gets the terminal's next number (terminal_seq), the time at which it happened (occurred_at) and a request id, and when fealty_queue_add() has
 * returned it is on disk: it survives the process and a power loss.  It is sent until it is answered; the request id makes sure that it is
 * applied once.  Every command has one answer, which is on disk before the caller is given it.
 *
 * What may be queued.  Earning, returns, enrolments, profiles, activities, releases.  Of what spends, only what cannot be spent twice: the
 * `capture` of a hold that the server granted to this terminal beforehand (`hold` with for_terminal, and a ttl that covers the outage: by the
 * server's clock it ends then, and the capture is HOLD_EXPIRED however early it happened), and `voucher_use`, which the queue marks
 * `offline`: the second till to use a voucher becomes a conflict for settlement.  Anything else is FEALTY_QUEUE_NOT_OFFLINE.
 *
 * What the server refuses is an answer too.  It leaves the queue as little as a person can do without it: the command and the refusal stay
 * in the queue's file, listed by fealty_queue_each() and `fealty queue show --refused`, until somebody has looked at them and says so by
 * fealty_queue_forget().  They are kept there, and not in a file of their own, so that a power loss never parts a command from its answer.
 *
 * Numbers begin with 1 and have no gaps.  The server reports a gap (commands were lost) and a repeat (a queue was lost or copied, and its
 * numbers are used again) in its answer, as terminal_gap and terminal_repeat, and to its operators.  A till whose queue is gone goes on behind its
 * last number: first_seq, from `fealty terminals`.
 *
 * A queue belongs to one process at a time and, within it, to one thread.  The functions block on disk, fealty_queue_upload() also on the
 * network.  Nothing here logs.
 */
#ifndef FEALTY_QUEUE_H
#define FEALTY_QUEUE_H

#include "fealty.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fealty_queue;

/* fealty_queue_error_str() has a sentence for each, fealty_queue_trouble() one about the very case. */
enum fealty_queue_error {
	FEALTY_QUEUE_OK = 0,
	FEALTY_QUEUE_NOMEM = 1,
	FEALTY_QUEUE_IO = 2,		/* the disk, or its permissions */
	FEALTY_QUEUE_LOCKED = 3,	/* another process has it open */
	FEALTY_QUEUE_DAMAGED = 4,	/* something before its end does not verify; see fealty_queue_options.salvage */
	FEALTY_QUEUE_OTHER = 5,		/* it belongs to another principal, terminal or ledger */
	FEALTY_QUEUE_BROKEN = 6,	/* a write failed and left the end unclear: close it and open it again */
	FEALTY_QUEUE_NOT_OFFLINE = 7,	/* a command that needs the server's answer at once, or that no till sends */
	FEALTY_QUEUE_KEY = 8,		/* not a request id */
	FEALTY_QUEUE_KEY_WAITS = 9,	/* a command with this request id waits already */
	FEALTY_QUEUE_TOO_LARGE = 10,	/* a command above 60 000 bytes */
	FEALTY_QUEUE_OPTIONS = 11,	/* fealty_queue_options: no principal, no terminal, or a first_seq beyond its limit */
	FEALTY_QUEUE_UNREACHED = 12,	/* upload: not everything was answered in time; the rest waits */
	FEALTY_QUEUE_ENDED = 13,	/* upload: the connection ended for good, see fealty_trouble() */
};

struct fealty_queue_options {
	const char *principal;		/* who uploads it: "pos/0042/07".  Request ids belong to it.  NULL: whose it is already */
	const char *store, *terminal;	/* of a backend that forwards for a terminal; a till's own follow from its principal, NULL */
	uint64_t first_seq;		/* a new queue's first number, at most 2^63 - 1; 0: 1 */
	bool salvage;			/* read a damaged file past its damage, and keep it as `queue.damaged`; what is lost shows as a gap */
};

struct fealty_queue_state {
	uint64_t next_seq;		/* of the next command */
	uint32_t waiting;		/* without an answer */
	uint32_t answered;		/* answered, and not given to a caller yet: the next upload does */
	uint32_t refused;		/* given, and kept for people */
	uint64_t cut_bytes;		/* at the opening: of a record that a power loss cut off; its command was not acknowledged */
	uint64_t lost_bytes;		/* at the opening: damage that salvage went past */
};

/**
 * fealty_queue_open(path, options, ret_queue, ret_message):
 * Opens the queue in the directory ${path}, or makes one (mode 0700).  The caller owns *${ret_queue} and ends it with fealty_queue_close().
 * ${ret_message}, unless NULL, has room for FEALTY_MESSAGE_BYTES and gets a sentence on an error.
 * Errors: OPTIONS, LOCKED, DAMAGED, OTHER, IO, NOMEM.
 */
enum fealty_queue_error fealty_queue_open(const char *path, const struct fealty_queue_options *options, struct fealty_queue **ret_queue,
    char *ret_message) FEALTY_MUST_CHECK;
void fealty_queue_close(struct fealty_queue *queue);	/* accepts NULL; nothing is lost by it */

/* A command in the queue.  Borrowed, until the next call with the queue. */
struct fealty_queue_item {
	uint64_t seq;				/* terminal_seq */
	const char *key;
	const Fealty__V1__Request *request;	/* as it is sent */
	const Fealty__V1__Response *response;	/* NULL: it waits */
	bool refused;
};

/**
 * fealty_queue_add(queue, request, ret_item):
 * Puts a command at the end and returns when it is on disk.  The queue gives it terminal_seq; occurred_at, now, unless the request has it; and a
 * request id unless it has a key.  ${ret_item}, unless NULL, tells them.  On an error nothing was added, but for BROKEN, and for IO after
 * which the next call says BROKEN: then the next opening tells.
 * Errors: NOT_OFFLINE, OTHER (it names another store or terminal), KEY, KEY_WAITS, TOO_LARGE, IO, BROKEN, NOMEM.
 */
enum fealty_queue_error fealty_queue_add(struct fealty_queue *queue, const Fealty__V1__Request *request,
    struct fealty_queue_item *ret_item) FEALTY_MUST_CHECK;

/* Gets each command once at least, in the order of their numbers, after its answer is on disk.  A crash may give the last ones again.  It
 * may not call into the queue, nor the client. */
typedef void fealty_queue_answer_fn(void *ctx, const struct fealty_queue_item *item);

struct fealty_queue_upload {
	uint32_t total_ms;			/* how long to go on, tries and pauses included; 0: 60 000 */
	uint32_t commands_max;			/* of one batch; 0: as many as the server takes */
	fealty_queue_answer_fn *on_answer;	/* NULL: nobody is told */
	void *ctx;
};
struct fealty_queue_report {
	uint32_t applied, refused;		/* answers that were given */
	uint32_t gaps, repeats;			/* of them, with terminal_gap; with terminal_repeat */
	uint32_t waiting;			/* left */
	uint32_t batches;
};

/**
 * fealty_queue_upload(queue, client, upload, ret_report):
 * Sends what waits in batches as large as the server allows, the oldest first, and gives each answer to on_answer().  ${client} must have its
 * own event base, and the queue's principal.  What the server could not look at (UNAVAILABLE, a lost connection) is sent again after
 * a pause that grows up to 10 s, until total_ms are over: then UNREACHED, and the rest stays.  ${ret_report} is always written.
 * Errors: UNREACHED, ENDED; OTHER: the server takes the client for another principal, or has another ledger than the one that this queue
 * was first uploaded to; IO, BROKEN: the answers could not be kept, and are fetched again by the next upload; NOMEM.
 */
enum fealty_queue_error fealty_queue_upload(struct fealty_queue *queue, struct fealty_client *client, const struct fealty_queue_upload *upload,
    struct fealty_queue_report *ret_report) FEALTY_MUST_CHECK;

void fealty_queue_state(const struct fealty_queue *queue, struct fealty_queue_state *ret_state);
const char *fealty_queue_principal(const struct fealty_queue *queue);

/* Shows what waits, what is answered and what was refused, in the order of their numbers, until ${show} returns false.  NOMEM, DAMAGED. */
enum fealty_queue_error fealty_queue_each(struct fealty_queue *queue, bool (*show)(void *ctx, const struct fealty_queue_item *item),
    void *ctx) FEALTY_MUST_CHECK;

/**
 * fealty_queue_forget(queue, seq, ret_n):
 * A person has looked at the refused command ${seq}, or at all of them (0): they leave the queue.  *${ret_n} says how many.
 * Errors: IO, BROKEN, NOMEM.
 */
enum fealty_queue_error fealty_queue_forget(struct fealty_queue *queue, uint64_t seq, uint32_t *ret_n) FEALTY_MUST_CHECK;

/* The last trouble, as a sentence; "" when there was none. */
const char *fealty_queue_trouble(const struct fealty_queue *queue);
const char *fealty_queue_error_str(enum fealty_queue_error error);

#ifdef __cplusplus
}
#endif

#endif
