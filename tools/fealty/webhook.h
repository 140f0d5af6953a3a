/**
 * webhook.h: events on their way to a receiver: a window of them, in the order of the log, POSTed one by one as Standard Webhooks has it.
 *
 * At least once, and in order for each member: an event is sent when all before it of its member were accepted, again and again until it is
 * accepted itself, and only then is the place noted that all up to it were.  Events of different members may be under way at the same time.
 * One thread puts events in, another makes turns.
 */
#ifndef FEALTY_TOOLS_WEBHOOK_H
#define FEALTY_TOOLS_WEBHOOK_H

#include "event_text.h"
#include "webhook_secret.h"

struct webhook;

struct webhook_options {
	const char *url, *place_file;		/* borrowed; the URL is one that fetch_url_check_but() takes */
	const char *origin;			/* of the ledger */
	const struct webhook_secrets *secrets;
	unsigned parallel;			/* requests under way at most */
	bool json;				/* what it tells: on standard output, not in words on standard error */
};

/* ST_NOMEM; ST_IO: libcurl cannot be initialised. */
enum status webhook_new(const struct webhook_options *options, struct webhook **ret_webhook) MUST_CHECK;
void webhook_free(struct webhook *webhook);	/* accepts NULL; what is under way ends */

/**
 * From the thread that follows the ledger; both wait while the window is full, and are false once webhook_stop() was called.
 * webhook_put(webhook, event): to be sent.  webhook_pass(webhook, after): nothing is to be sent up to there: "41", or "41.0.2".
 */
bool webhook_put(struct webhook *webhook, const Fealty__V1__Event *event) MUST_CHECK;
bool webhook_pass(struct webhook *webhook, const char *after) MUST_CHECK;
void webhook_stop(struct webhook *webhook);	/* any thread */

/**
 * webhook_turn(webhook): sends, waits for a moment, takes answers, notes the place.  EXIT_DONE; else it was told and there is no going on: the
 * receiver is gone for good (410), or the place cannot be noted.
 * webhook_settle(webhook): after webhook_stop(): waits for the answers that are under way, and notes the place.
 */
enum exit_code webhook_turn(struct webhook *webhook) MUST_CHECK;
enum exit_code webhook_settle(struct webhook *webhook) MUST_CHECK;

struct webhook_figures { uint64_t delivered, failed; size_t waiting; char after[PLACE_TEXT_BYTES]; };
void webhook_figures(struct webhook *webhook, struct webhook_figures *ret);

/* Tells something: in words, or as an object with `event`, what ${more} has (taken over; NULL: nothing), and `message`. */
void webhook_tell(bool json, const char *event, json_t *more, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- the place, in a file ---- */

/**
 * webhook_place_read(json, path, origin, ret_after): where to go on; neither a seq nor an event when there is no such file yet.  Told: a file that is
 * not one of these, or is of another ledger.
 * webhook_place_write(path, origin, after): whole or not at all, and on disk.
 */
enum exit_code webhook_place_read(bool json, const char *path, const char *origin, struct event_after *ret_after);
enum status webhook_place_write(const char *path, const char *origin, const char *after) MUST_CHECK;

#endif
