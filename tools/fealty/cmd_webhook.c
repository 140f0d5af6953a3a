/*
 * fealty webhook: a thread follows the ledger and puts its events into a window; this one sends them.  It ends by a signal: what is under way is
 * waited for, the place is noted, and the process ends with the other thread where it is, which may be waiting for the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "call.h"
#include "commands.h"
#include "fetch/fetch.h"
#include "ledger/crm.h"
#include "webhook.h"

enum { KEY_URL = KEY_COMMAND, KEY_SECRET_FILE, KEY_STATE, KEY_MEMBER, KEY_TYPE, KEY_AFTER, KEY_PARALLEL, KEY_SKIP, KEY_INSECURE, KEY_NEW_SECRET, KEY_TO_HEAD };

#define PARALLEL_DEFAULT 8
#define PARALLEL_MAX 32
#define AGAIN_SECONDS 2u
#define AGAIN_SECONDS_MAX 300u
#define FIGURES_US (60 * US_PER_SECOND)

struct webhook_input {
	struct call_options call;
	const char *url, *secret_file, *state, *new_secret;
	char *member;
	struct list types, skip;
	bool has_after, from_now, insecure, to_head;
	struct event_after after;
	uint64_t parallel;
};

struct following {
	const struct webhook_input *in;
	struct webhook *webhook;
	struct fealty_client *client;
	struct event_after after;
	bool lost;				/* the ledger cannot be reached, as was told */
	unsigned nonsense;			/* times in a row that the server was given up because it breaks the protocol */
	bool odd;				/* the server sent what is no event, as was told */
	atomic_bool ended;
	enum exit_code code;			/* once it has ended */
};

static volatile sig_atomic_t stop_asked;

static void
on_signal(int signal)
{
	(void)signal;
	stop_asked = 1;
}

/* ---- options ---- */

static bool
type_known(const char *text)
{
	for (unsigned type = 0; type < CRM_TYPE_COUNT; type++) {
		if (strcmp(crm_type_str((enum crm_type)type), text) == 0)
			return true;
	}
	return false;
}

static error_t
check_url(struct argp_state *state, const struct webhook_input *in)
{
	enum fetch_url_result result = fetch_url_check_but(bytes_of(in->url, strlen(in->url)),
	    FETCH_ALLOW_QUERY | (in->insecure ? (unsigned)FETCH_ALLOW_PLAIN : 0));

	if (result == FETCH_URL_EXTRA)
		return cli_usage(state, "--url has a user, a password or a fragment (#…) in it: others can read the command line");
	if (result == FETCH_URL_NOT_LOOPBACK)
		return cli_usage(state, "--url is of http, and everybody on the way could read the events; use https, or say --insecure");
	return result == FETCH_URL_OK ? 0 : cli_usage(state, "--url %s", fetch_url_result_str(result));
}

static error_t
check(struct argp_state *state, const struct webhook_input *in)
{
	struct crm_place place;

	if (in->new_secret != NULL)
		return in->url == NULL && in->state == NULL && in->secret_file == NULL ? 0 : cli_usage(state, "--new-secret stands alone");
	if (in->url == NULL || in->secret_file == NULL || in->state == NULL)
		return cli_usage(state, "--url, --secret-file and --state must be given");
	for (size_t i = 0; i < in->types.n; i++) {
		if (!type_known(in->types.v[i]))
			return cli_usage(state, "--type %s is no type of events; they are points.earned, tier.upgraded, … as WIRE.md lists them", in->types.v[i]);
	}
	for (size_t i = 0; i < in->skip.n; i++) {
		if (!crm_place_parse(in->skip.v[i], &place))
			return cli_usage(state, "--skip %s is not the id of an event, such as 41.0.2", in->skip.v[i]);
	}
	return check_url(state, in);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct webhook_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_URL: in->url = arg; return 0;
	case KEY_SECRET_FILE: in->secret_file = arg; return 0;
	case KEY_STATE: in->state = arg; return 0;
	case KEY_MEMBER: in->member = arg; return 0;
	case KEY_TYPE: return list_add(state, &in->types, arg);
	case KEY_SKIP: return list_add(state, &in->skip, arg);
	case KEY_INSECURE: in->insecure = true; return 0;
	case KEY_TO_HEAD: in->to_head = true; return 0;
	case KEY_NEW_SECRET: in->new_secret = arg; return 0;
	case KEY_PARALLEL:
		if (option_number(state, "--parallel", arg, PARALLEL_MAX, &in->parallel) != 0)
			return EINVAL;
		return in->parallel > 0 ? 0 : cli_usage(state, "--parallel is at least 1");
	case KEY_AFTER:
		in->has_after = true;
		in->from_now = strcmp(arg, "now") == 0;
		return in->from_now || event_after_parse(arg, &in->after) ? 0 :
		    cli_usage(state, "--after is neither the number of a transaction, nor the id of an event, nor `now`: %s", arg);
	case ARGP_KEY_ARG: return cli_usage(state, "there are no arguments, and this is one: %s", arg);
	case ARGP_KEY_END: return check(state, in);
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the thread that follows the ledger ---- */

static bool
listed(const struct list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->v[i], text) == 0)
			return true;
	}
	return false;
}

static bool
on_event(void *ctx, const struct fealty_event *e)
{
	struct following *f = ctx;
	const char *id = e->event->id;

	f->odd = !event_after_parse(id, &f->after);
	if (f->odd) {
		f->code = cli_fail(f->in->call.json, EXIT_INTERNAL, "the server sent an event behind transaction %" PRIu64 " whose id is none; update "
		    "`fealty`, or ask the server's operator", e->seq);
		return false;
	}
	f->lost = false;
	f->nonsense = 0;
	if (listed(&f->in->skip, id))
		webhook_tell(f->in->call.json, "webhook.skipped", NULL, "event %s is passed over, as --skip says", id);
	else if (f->in->types.n == 0 || (e->event->type != NULL && listed(&f->in->types, e->event->type)))
		return webhook_put(f->webhook, e->event);
	return webhook_pass(f->webhook, id);
}

static bool
on_progress(void *ctx, uint64_t last_seq)
{
	struct following *f = ctx;
	char text[PLACE_TEXT_BYTES];

	f->after = (struct event_after){ .is_seq = true, .seq = last_seq };
	f->lost = false;
	f->nonsense = 0;
	(void)snprintf(text, sizeof(text), "%" PRIu64, last_seq);
	return webhook_pass(f->webhook, text);
}

static unsigned
pause_seconds(const struct following *f)
{
	unsigned shift = f->nonsense > 0 ? f->nonsense - 1 : 0;

	return shift < 8 && AGAIN_SECONDS << shift < AGAIN_SECONDS_MAX ? AGAIN_SECONDS << shift : AGAIN_SECONDS_MAX;
}

/* Told each time: the pauses grow, and somebody has to look. */
static void
tell_nonsense(struct following *f, const char *why)
{
	json_t *more = json_new();

	f->nonsense++;
	json_put_number(more, "pause_ms", (uint64_t)pause_seconds(f) * 1000);
	webhook_tell(f->in->call.json, "webhook.bad_ledger", more, "what answers is no server of a ledger, or a damaged one: %s. Nothing can be sent meanwhile; "
	    "it is asked again in %u s", why, pause_seconds(f));
}

/* Whether it is worth another try; else it was told.  A server that is given up long before its time is up would be so again. */
static bool
judge_end(struct following *f, const struct fealty_result *result, int64_t asked_us)
{
	bool its_time = clock_monotonic_us() - asked_us >= (int64_t)f->in->call.timeout_ms * 1000 / 2;

	if (!f->odd && result->outcome == FEALTY_FAILED && result->error == FEALTY_ERROR_PROTOCOL && its_time) {
		tell_nonsense(f, result->message);
		return true;
	}
	if (!f->odd && result->outcome == FEALTY_FAILED && (result->error == FEALTY_ERROR_CONNECT || result->error == FEALTY_ERROR_DEADLINE)) {
		if (!f->lost)
			webhook_tell(f->in->call.json, "webhook.no_ledger", NULL, "the ledger cannot be reached: %s; it is tried again", result->message);
		f->lost = true;
		return true;
	}
	if (!f->odd)
		f->code = result->outcome == FEALTY_OK ? EXIT_DONE : call_tell(&f->in->call, result);
	return false;
}

static void *
follow(void *ctx)
{
	struct following *f = ctx;
	struct fealty_subscriber subscriber = { .ctx = f, .on_event = on_event, .on_progress = on_progress, .stop_at_head = f->in->to_head };
	struct fealty_result result;
	bool again = true;

	while (again) {
		Fealty__V1__Request request;
		Fealty__V1__Subscribe body = FEALTY__V1__SUBSCRIBE__INIT;
		struct event_after after = f->after;

		call_request_init(&f->in->call, FEALTY__V1__REQUEST__OP_SUBSCRIBE, &request);
		request.key = NULL;
		event_after_put(&after, &body);
		body.member = f->in->member;
		body.has_events = body.events = true;
		request.subscribe = &body;
		int64_t asked_us = clock_monotonic_us();
		(void)fealty_subscribe(f->client, &request, &subscriber, &result);
		again = judge_end(f, &result, asked_us);
		fealty_result_release(&result);
		if (again)
			(void)sleep(pause_seconds(f));
	}
	atomic_store(&f->ended, true);
	return NULL;
}

/* ---- beginning ---- */

/* Two that note their places in one file would spoil it. */
static enum exit_code
lock_state(const struct webhook_input *in)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s.lock", in->state) >= (int)sizeof(path))
		return cli_fail(in->call.json, EXIT_USAGE, "--state is too long a path");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);		/* held until the process ends */
	if (fd < 0)
		return cli_fail(in->call.json, EXIT_USAGE, "%s cannot be made: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return EXIT_DONE;
	(void)close(fd);
	return cli_fail(in->call.json, EXIT_REFUSED, "another `fealty webhook` has %s; give each receiver a --state of its own", in->state);
}

/* Where to begin, and that the ledger has come so far. */
static enum exit_code
find_place(const struct webhook_input *in, const Fealty__V1__HelloOk *hello, struct event_after *ret_after)
{
	enum exit_code code = webhook_place_read(in->call.json, in->state, hello->origin, ret_after);
	char text[PLACE_TEXT_BYTES];

	if (code != EXIT_DONE)
		return code;
	bool is_new = !ret_after->is_seq && !ret_after->is_event;
	if (is_new && in->from_now)
		*ret_after = (struct event_after){ .is_seq = hello->size > 0, .seq = hello->size - 1 };
	else if (is_new)
		*ret_after = in->after;
	if ((ret_after->is_seq || ret_after->is_event) && ret_after->seq >= hello->size)
		return cli_fail(in->call.json, EXIT_REFUSED, "the ledger has %" PRIu64 " transactions, and events up to transaction %" PRIu64 " were sent "
		    "before: an older copy of it was restored. Nothing was sent; ask its operator which one is true", hello->size, ret_after->seq);
	if (!is_new)
		return EXIT_DONE;
	(void)snprintf(text, sizeof(text), "%" PRIu64, ret_after->seq);
	enum status st = webhook_place_write(in->state, hello->origin, ret_after->is_event ? ret_after->event : ret_after->is_seq ? text : "");
	return st == ST_OK ? EXIT_DONE : cli_fail(in->call.json, EXIT_USAGE, "%s cannot be written: %s", in->state, cli_status_words(st));
}

static enum exit_code
greet(const struct webhook_input *in, struct fealty_client *client, char *ret_origin, size_t cap, struct event_after *ret_after)
{
	struct fealty_result result;
	enum exit_code code = EXIT_DONE;

	if (fealty_ping(client, in->call.timeout_ms, &result) != FEALTY_OK)
		code = call_tell(&in->call, &result);
	fealty_result_release(&result);
	if (code != EXIT_DONE)
		return code;
	const Fealty__V1__HelloOk *hello = fealty_hello(client)->ok;
	if (hello->origin == NULL || strlen(hello->origin) >= cap)
		return cli_fail(in->call.json, EXIT_INTERNAL, "the server does not say which ledger it has, or says it in too many words. Nothing was sent");
	(void)snprintf(ret_origin, cap, "%s", hello->origin);
	return find_place(in, hello, ret_after);
}

/* ---- sending, until the end ---- */

static void
tell_figures(const struct webhook_input *in, struct webhook *w, const char *event)
{
	struct webhook_figures figures;
	json_t *more = json_new();

	webhook_figures(w, &figures);
	json_put_number(more, "delivered", figures.delivered);
	json_put_number(more, "failed", figures.failed);
	json_put_number(more, "waiting", figures.waiting);
	json_put_text(more, "after", figures.after);
	webhook_tell(in->call.json, event, more, "%" PRIu64 " delivered, %" PRIu64 " failed tries, %zu waiting; all up to %s is done", figures.delivered,
	    figures.failed, figures.waiting, figures.after[0] != '\0' ? figures.after : "where it began");
}

static bool
all_sent(struct webhook *w)
{
	struct webhook_figures figures;

	webhook_figures(w, &figures);
	return figures.waiting == 0;
}

static enum exit_code
send_all(struct following *f)
{
	int64_t told_us = clock_monotonic_us();
	enum exit_code code = EXIT_DONE;

	while (code == EXIT_DONE && !stop_asked && !(atomic_load(&f->ended) && (f->code != EXIT_DONE || all_sent(f->webhook)))) {
		code = webhook_turn(f->webhook);
		if (clock_monotonic_us() - told_us >= FIGURES_US) {
			tell_figures(f->in, f->webhook, "webhook.progress");
			told_us = clock_monotonic_us();
		}
	}
	webhook_stop(f->webhook);
	enum exit_code settled = webhook_settle(f->webhook);
	tell_figures(f->in, f->webhook, "webhook.stopped");
	if (code == EXIT_DONE)
		code = atomic_load(&f->ended) ? f->code : EXIT_DONE;
	return code == EXIT_DONE ? settled : code;
}

static enum exit_code
run(struct following *f)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;

	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	int failed = pthread_create(&thread, NULL, follow, f);
	if (failed != 0)
		return cli_fail(f->in->call.json, EXIT_INTERNAL, "no thread could be made: %s", strerror(failed));
	webhook_tell(f->in->call.json, "webhook.started", NULL, "events go to %s", f->in->url);
	enum exit_code code = send_all(f);
	if (!atomic_load(&f->ended))
		(void)fflush(NULL), _exit((int)code);	/* the other thread waits for the daemon, for as long as it likes */
	(void)pthread_join(thread, NULL);
	return code;
}

static enum exit_code
deliver(const struct webhook_input *in, const struct webhook_secrets *secrets, struct fealty_client *client)
{
	struct following f = { .in = in, .client = client };
	char origin[160];
	enum exit_code code = greet(in, client, origin, sizeof(origin), &f.after);

	if (code != EXIT_DONE)
		return code;
	struct webhook_options options = { .url = in->url, .place_file = in->state, .origin = origin, .secrets = secrets,
	    .parallel = (unsigned)in->parallel, .json = in->call.json };
	enum status st = webhook_new(&options, &f.webhook);
	if (st != ST_OK)
		return cli_fail(in->call.json, EXIT_INTERNAL, "nothing can be sent: %s", cli_status_words(st));
	code = run(&f);
	webhook_free(f.webhook);
	return code;
}

enum exit_code
cmd_webhook(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "url", KEY_URL, "URL", 0, "Where events are POSTed to", 0 },
		{ "secret-file", KEY_SECRET_FILE, "FILE", 0, "The secret that they are signed with; several lines while one replaces another", 0 },
		{ "state", KEY_STATE, "FILE", 0, "Where the place is kept up to which all were delivered", 0 },
		{ "after", KEY_AFTER, "PLACE", 0, "Where to begin while there is no such file yet: behind a transaction, an event, or `now` (default: from the first)", 0 },
		{ "member", KEY_MEMBER, "MEMBER", 0, "Only what concerns this member", 0 },
		{ "type", KEY_TYPE, "TYPE", 0, "Only events of this type; again for more", 0 },
		{ "parallel", KEY_PARALLEL, "N", 0, "At most so many requests at the same time (8), each of another member", 0 },
		{ "skip", KEY_SKIP, "EVENT", 0, "Pass over this event, which the receiver never takes; again for more", 0 },
		{ "to-head", KEY_TO_HEAD, NULL, 0, "End when nothing newer is there and all is delivered", 0 },
		{ "insecure", KEY_INSECURE, NULL, 0, "Let --url be of http beyond this machine: everybody on the way reads the events", 0 },
		{ "new-secret", KEY_NEW_SECRET, "FILE", 0, "Make a file with a new secret, and do nothing else", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, NULL,
		"Post events for a CRM to a receiver, as they happen: signed as Standard Webhooks has it, at least once, in order for each member.\v"
		"What the receiver does not take with a status of 2xx within 10 s is sent again, after pauses that grow to 5 minutes, until it takes it; "
		"410 ends the command. SIGTERM ends it when the answers under way are there. An event's webhook-id is the same each time.",
		call_children, NULL, NULL };
	struct webhook_input in = { .parallel = PARALLEL_DEFAULT };
	struct webhook_secrets secrets = { .n = 0 };
	struct fealty_client *client;

	call_options_init(&in.call, 60000);
	cli_parse(&argp, argc, argv, &in);
	if (in.new_secret != NULL)
		return webhook_secret_make(in.call.json, in.new_secret);
	enum exit_code code = webhook_secrets_read(in.call.json, in.secret_file, &secrets);
	if (code == EXIT_DONE)
		code = lock_state(&in);
	if (code == EXIT_DONE)
		code = call_client(&in.call, &client);
	if (code == EXIT_DONE) {
		code = deliver(&in, &secrets, client);
		fealty_client_free(client);
	}
	explicit_bzero(&secrets, sizeof(secrets));
	return code;
}
