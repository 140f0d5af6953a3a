/*
 * Invariants.
 * - items[first …] are in the order of the log; what is done leaves at the front alone, and `after` is the place of the last that left.  So all
 *   up to it is accepted, or was not to be sent, and nothing behind it is forgotten.
 * - An item that is not done is under way only when no item before it of its member is not done.
 * - Items move in and out under the lock; what is in one changes only on the thread that makes turns.
 *
 * What fails is tried again for ever, with pauses that grow: an event is never dropped.  When the receiver as a whole seems to fail (no answer, 429,
 * 5xx), nothing else is sent in that pause; another refusal holds up its own member, until the window is full.
 */
#include "webhook.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "fetch/fetch.h"
#include "ledger/ledger.h"

#define WINDOW 256
#define TURN_MS 200
#define NOTE_US (US_PER_SECOND / 5)		/* the place is noted so often at most: what a crash makes us send again */
#define PAUSE_US (US_PER_SECOND / 2)		/* after the first failure; then twice as long each time */
#define PAUSE_MAX_US (300 * US_PER_SECOND)
#define RETRY_AFTER_MAX_S 3600
#define ID_BYTES 80

enum item_state { ITEM_WAITING, ITEM_SENDING, ITEM_DONE };

struct item {
	struct webhook *webhook;
	enum item_state state;
	bool is_pass;				/* nothing is sent */
	char after[PLACE_TEXT_BYTES], id[ID_BYTES];
	char program[LEDGER_ID_MAX + 1];
	uint64_t member;
	char *body;
	size_t body_len;
	unsigned attempts;
	int64_t next_us;			/* monotonic: not before it */
};

struct webhook {
	struct webhook_options options;
	char ledger_id[9];			/* of the origin: ids of several ledgers must differ */
	struct fetcher *fetcher;
	pthread_mutex_t lock;
	pthread_cond_t room;
	size_t first, n;
	struct item items[WINDOW];
	bool stopping, gone;
	unsigned sending;
	int64_t hold_us, noted_us;
	bool dirty;
	char after[PLACE_TEXT_BYTES];
	uint64_t delivered, failed;
};

/* ---- telling ---- */

void
webhook_tell(bool json, const char *event, json_t *more, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	text_clean(message, strlen(message));
	if (!json) {
		(void)fprintf(stderr, "fealty webhook: %s\n", message);
		json_decref(more);
		return;
	}
	json_t *object = json_new();
	json_put_text(object, "event", event);
	if (more != NULL)
		(void)json_object_update(object, more);
	json_decref(more);
	json_put_text(object, "message", message);
	(void)json_print_line(object, EXIT_DONE);
	(void)fflush(stdout);
}

static void
tell_failure(const struct item *item, const struct fetch_answer *answer, int64_t pause_us)
{
	const struct webhook *w = item->webhook;
	json_t *more = json_new();
	char why[160];

	if (answer->code == 0)
		(void)snprintf(why, sizeof(why), "got no answer: %s", answer->why);
	else if (answer->code >= 300 && answer->code < 400)
		(void)snprintf(why, sizeof(why), "was sent on elsewhere (status %d), which is not followed; give --url the address that it leads to", answer->code);
	else
		(void)snprintf(why, sizeof(why), "was answered with status %d", answer->code);
	json_put_text(more, "id", item->after);
	json_put_number(more, "attempts", item->attempts);
	json_put_number(more, "status", (uint64_t)answer->code);
	json_put_number(more, "pause_ms", (uint64_t)(pause_us / 1000));
	webhook_tell(w->options.json, "webhook.failed", more, "event %s %s (try %u); the next try is in %.1f s%s", item->after, why, item->attempts,
	    (double)pause_us / (double)US_PER_SECOND, answer->code >= 400 && answer->code < 500 && answer->code != 429 ?
	    ". It is sent until the receiver takes it, or you pass over it by --skip" : "");
}

/* ---- the window ---- */

static struct item *
item_at(struct webhook *w, size_t i)
{
	return &w->items[(w->first + i) % WINDOW];
}

/* A place at the end for one more, zeroed but for its webhook; NULL when stopping.  The lock is held. */
static struct item *
item_add(struct webhook *w)
{
	while (w->n == WINDOW && !w->stopping)
		(void)pthread_cond_wait(&w->room, &w->lock);
	if (w->stopping)
		return NULL;
	struct item *item = item_at(w, w->n++);
	*item = (struct item){ .webhook = w };
	return item;
}

static void
copy_text(char *to, size_t cap, const char *text)
{
	(void)snprintf(to, cap, "%s", text == NULL ? "" : text);
}

/* As Standard Webhooks wants it: type, timestamp, data. */
static char *
make_body(const struct webhook *w, const Fealty__V1__Event *event)
{
	json_t *body = json_new(), *data = event_json(event);
	char at[INSTANT_TEXT_BYTES];

	json_put_text(body, "type", event->type);
	json_put_text(body, "timestamp", instant_format(event->at, at));
	json_put_text(data, "origin", w->options.origin);
	json_put(body, "data", data);
	char *text = json_dumps(body, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(body);
	assert(text != NULL);
	return text;
}

/* A full stop parts the id from what is signed behind it. */
static void
make_id(const struct webhook *w, struct item *item)
{
	(void)snprintf(item->id, sizeof(item->id), "%s_%s", w->ledger_id, item->after);
	for (char *at = item->id; *at != '\0'; at++)
		*at = (char)(*at == '.' ? '-' : *at);
}

bool
webhook_put(struct webhook *w, const Fealty__V1__Event *event)
{
	char *body = make_body(w, event);

	(void)pthread_mutex_lock(&w->lock);
	struct item *item = item_add(w);
	if (item != NULL) {
		copy_text(item->after, sizeof(item->after), event->id);
		copy_text(item->program, sizeof(item->program), event->program);
		item->member = event->member_no;
		item->body = body;
		item->body_len = strlen(body);
		make_id(w, item);
	}
	(void)pthread_mutex_unlock(&w->lock);
	if (item == NULL)
		free(body);
	else
		fetcher_wake(w->fetcher);
	return item != NULL;
}

bool
webhook_pass(struct webhook *w, const char *after)
{
	(void)pthread_mutex_lock(&w->lock);
	struct item *last = w->n > 0 ? item_at(w, w->n - 1) : NULL;
	if (last == NULL || !last->is_pass) {
		last = item_add(w);
		if (last != NULL) {
			last->state = ITEM_DONE;
			last->is_pass = true;
		}
	}
	if (last != NULL)
		copy_text(last->after, sizeof(last->after), after);
	(void)pthread_mutex_unlock(&w->lock);
	return last != NULL;
}

void
webhook_stop(struct webhook *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->stopping = true;
	(void)pthread_cond_broadcast(&w->room);
	(void)pthread_mutex_unlock(&w->lock);
}

/* What is done at the front leaves. */
static void
take_done(struct webhook *w)
{
	(void)pthread_mutex_lock(&w->lock);
	while (w->n > 0 && item_at(w, 0)->state == ITEM_DONE) {
		struct item *item = item_at(w, 0);

		copy_text(w->after, sizeof(w->after), item->after);
		free(item->body);
		w->first = (w->first + 1) % WINDOW;
		w->n--;
		w->dirty = true;
	}
	(void)pthread_cond_broadcast(&w->room);
	(void)pthread_mutex_unlock(&w->lock);
}

/* ---- sending ---- */

static int64_t
pause_us(unsigned attempts, unsigned retry_after_s)
{
	int64_t asked = (int64_t)(retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * US_PER_SECOND;
	int64_t pause = attempts > 10 ? PAUSE_MAX_US : PAUSE_US << (attempts - 1);

	if (pause > PAUSE_MAX_US)
		pause = PAUSE_MAX_US;
	pause = pause / 2 + (int64_t)arc4random_uniform((uint32_t)(pause / 2) + 1);	/* not all senders at once */
	return pause > asked ? pause : asked;
}

static void
on_answer(void *ctx, const struct fetch_answer *answer)
{
	struct item *item = ctx;
	struct webhook *w = item->webhook;

	w->sending--;
	if (answer->code >= 200 && answer->code < 300) {
		item->state = ITEM_DONE;
		w->delivered++;
		if (item->attempts > 1)
			webhook_tell(w->options.json, "webhook.recovered", NULL, "event %s was taken at try %u", item->after, item->attempts);
		return;
	}
	item->state = ITEM_WAITING;
	w->failed++;
	w->gone |= answer->code == 410;
	int64_t pause = pause_us(item->attempts, answer->retry_after_s);
	item->next_us = clock_monotonic_us() + pause;
	if ((answer->code == 0 || answer->code == 429 || answer->code >= 500) && item->next_us > w->hold_us)
		w->hold_us = item->next_us;
	tell_failure(item, answer, pause);
}

static enum status
send_item(struct webhook *w, struct item *item)
{
	char id[ID_BYTES + 16], timestamp[48], signature[WEBHOOK_SIGNATURE_BYTES + 24], text[WEBHOOK_SIGNATURE_BYTES];
	int64_t now_s = (int64_t)time(NULL);
	const char *const headers[] = { "Content-Type: application/json", id, timestamp, signature };
	struct bytes body = bytes_of(item->body, item->body_len);

	(void)snprintf(id, sizeof(id), "webhook-id: %s", item->id);
	(void)snprintf(timestamp, sizeof(timestamp), "webhook-timestamp: %" PRId64, now_s);
	webhook_sign(w->options.secrets, item->id, now_s, body, text);
	(void)snprintf(signature, sizeof(signature), "webhook-signature: %s", text);
	enum status st = fetch_post_with(w->fetcher, w->options.url, headers, 4, body, on_answer, item);
	if (st != ST_OK)
		return st;
	item->state = ITEM_SENDING;
	item->attempts++;
	w->sending++;
	return ST_OK;
}

static bool
waits_for_its_member(struct webhook *w, size_t index)
{
	const struct item *item = item_at(w, index);

	for (size_t i = 0; i < index; i++) {
		const struct item *before = item_at(w, i);
		if (before->state != ITEM_DONE && before->member == item->member && strcmp(before->program, item->program) == 0)
			return true;
	}
	return false;
}

/* Sends what may be; how long it may be until there is more, at most a turn. */
static unsigned
send_due(struct webhook *w)
{
	int64_t now_us = clock_monotonic_us(), next_us = now_us + TURN_MS * 1000;

	(void)pthread_mutex_lock(&w->lock);
	size_t n = w->n;
	(void)pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < n && w->sending < w->options.parallel && !w->gone; i++) {
		struct item *item = item_at(w, i);
		int64_t at_us = item->next_us > w->hold_us ? item->next_us : w->hold_us;

		if (item->state != ITEM_WAITING || waits_for_its_member(w, i))
			continue;
		if (at_us <= now_us && send_item(w, item) != ST_OK)
			item->next_us = at_us = now_us + PAUSE_US;		/* memory */
		if (item->state == ITEM_WAITING && at_us < next_us)
			next_us = at_us;
	}
	return next_us <= now_us ? 1 : (unsigned)((next_us - now_us + 999) / 1000);
}

/* ---- turns ---- */

static enum exit_code
note_place(struct webhook *w)
{
	if (!w->dirty)
		return EXIT_DONE;
	enum status st = webhook_place_write(w->options.place_file, w->options.origin, w->after);
	if (st != ST_OK)
		return cli_fail(w->options.json, EXIT_INTERNAL, "the place cannot be noted in %s: %s; what was sent since is sent again the next time",
		    w->options.place_file, cli_status_words(st));
	w->dirty = false;
	w->noted_us = clock_monotonic_us();
	return EXIT_DONE;
}

enum exit_code
webhook_turn(struct webhook *w)
{
	fetcher_run(w->fetcher, send_due(w));
	take_done(w);
	if (w->gone) {
		(void)note_place(w);
		return cli_fail(w->options.json, EXIT_REFUSED, "the receiver says that it is gone for good (status 410); events wait behind %s",
		    w->after[0] != '\0' ? w->after : "the beginning");
	}
	return clock_monotonic_us() - w->noted_us >= NOTE_US ? note_place(w) : EXIT_DONE;
}

enum exit_code
webhook_settle(struct webhook *w)
{
	while (w->sending > 0)			/* each request has an end */
		fetcher_run(w->fetcher, TURN_MS);
	take_done(w);
	return note_place(w);
}

void
webhook_figures(struct webhook *w, struct webhook_figures *ret)
{
	(void)pthread_mutex_lock(&w->lock);
	*ret = (struct webhook_figures){ .delivered = w->delivered, .failed = w->failed, .waiting = w->n };
	copy_text(ret->after, sizeof(ret->after), w->after);
	(void)pthread_mutex_unlock(&w->lock);
}

/* ---- life ---- */

enum status
webhook_new(const struct webhook_options *options, struct webhook **ret_webhook)
{
	struct webhook *w = calloc(1, sizeof(*w));
	struct bytes origin = bytes_of(options->origin, strlen(options->origin));
	uint8_t hash[SHA256_BYTES];

	if (w == NULL)
		return ST_NOMEM;
	w->options = *options;
	hash_sha256(hash, &origin, 1);
	(void)hex_format(bytes_of(hash, 4), w->ledger_id);
	enum status st = fetcher_new("fealty-webhook/" FEALTY_VERSION, &w->fetcher);
	if (st != ST_OK) {
		free(w);
		return st;
	}
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->room, NULL);
	*ret_webhook = w;
	return ST_OK;
}

void
webhook_free(struct webhook *w)
{
	if (w == NULL)
		return;
	fetcher_free(w->fetcher);
	while (w->n > 0) {
		free(item_at(w, 0)->body);
		w->first = (w->first + 1) % WINDOW;
		w->n--;
	}
	(void)pthread_cond_destroy(&w->room);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}
