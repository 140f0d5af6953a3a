/*
 * The thread has no low priority.  A read past the page cache holds the file's lock in the kernel, which a commit's write waits for: whoever holds it must
 * get a processor as soon as the disk has answered.  What it may use is bounded by its own rests instead.
 */
#include "service/scrub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK_BYTES ((size_t)256 << 10)
#define PAUSE_US (INT64_C(3600) * US_PER_SECOND)
#define RETRY_US (INT64_C(60) * US_PER_SECOND)		/* after an error that is none of the data */
#define BUSY_US (INT64_C(100) * 1000)
#define REST_LEAST_US 2000
#define REST_OF_CPU 9			/* rests so many times as long as it computed, */
#define FAST_BYTES (UINT64_C(64) << 20)	/* unless the rate says that it is in a hurry */
#define KNOWN_MAX 1024
#define LOGGED_MAX 64			/* of a pass */

struct known {
	struct scrub_fault fault;
	uint64_t pass;			/* that found it, the newest */
};

struct scrub {
	struct service *service;
	struct key_history keys;
	uint64_t bytes_per_second;
	pthread_t thread;
	bool started;
	/* the thread's */
	uint64_t number;		/* of the pass, from 1 on */
	int64_t debt_us, cpu_us;
	unsigned n_logged;
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t wake;
	bool stop, asked;
	const char *stage;
	struct figure_scrubs shown;	/* without faults */
	size_t n_known;
	struct known known[KNOWN_MAX];
};

const char *
scrub_remedy(const struct scrub_fault *fault)
{
	if (strcmp(fault->environment, "state") == 0)
		return "the ledger is not touched: stop fealtyd, move the directories state and snapshot away, and start it; state is rebuilt from the ledger";
	if (strcmp(fault->environment, "vault") == 0)
		return "look at the disk; keep a copy of the data directory as it is, and bring the vault back from a backup: fealty restore";
	return "look at the disk; run fealty audit on the data directory for the whole picture, keep a copy of it as it is, and bring it back from a backup: "
	    "fealty restore";
}

/* ---- time ---- */

static int64_t
thread_cpu_us(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0 ? (int64_t)t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000 : 0;
}

/* Returns early when it is to stop, or is ${wakeable} and asked. */
static void
wait_us(struct scrub *b, int64_t us, bool wakeable)
{
	int64_t until = clock_monotonic_us() + us;
	const struct timespec at = { .tv_sec = until / US_PER_SECOND, .tv_nsec = until % US_PER_SECOND * 1000 };

	pthread_mutex_lock(&b->lock);
	while (!b->stop && !(wakeable && b->asked) && clock_monotonic_us() < until)
		pthread_cond_timedwait(&b->wake, &b->lock, &at);
	pthread_mutex_unlock(&b->lock);
}

static bool
stops(struct scrub *b)
{
	pthread_mutex_lock(&b->lock);
	bool stop = b->stop;
	pthread_mutex_unlock(&b->lock);
	return stop;
}

static bool
rest(void *ctx, uint64_t bytes)
{
	struct scrub *b = ctx;
	int64_t cpu_us = thread_cpu_us(), computed_us = cpu_us - b->cpu_us;

	b->cpu_us = cpu_us;
	int64_t read_us = (int64_t)(bytes * (uint64_t)US_PER_SECOND / b->bytes_per_second);
	int64_t cpu_rest_us = b->bytes_per_second < FAST_BYTES ? computed_us * REST_OF_CPU : 0;
	b->debt_us += read_us > cpu_rest_us ? read_us : cpu_rest_us;
	pthread_mutex_lock(&b->lock);
	b->shown.bytes += bytes;
	pthread_mutex_unlock(&b->lock);
	if (b->debt_us >= REST_LEAST_US) {
		wait_us(b, b->debt_us, false);
		b->debt_us = 0;
	}
	return !stops(b);
}

/* ---- faults ---- */

static bool
is_same(const struct scrub_fault *a, const struct scrub_fault *b)
{
	return a->kind == b->kind && strcmp(a->environment, b->environment) == 0 && strcmp(a->where, b->where) == 0;
}

/* Whether this pass finds it for the first time. */
static bool
take_up(struct scrub *b, const struct scrub_fault *fault)
{
	bool news = true;
	size_t i = 0;

	pthread_mutex_lock(&b->lock);
	while (i < b->n_known && !is_same(&b->known[i].fault, fault))
		i++;
	if (i < KNOWN_MAX) {
		news = i == b->n_known || b->known[i].pass != b->number;
		b->known[i] = (struct known){ *fault, b->number };
		b->n_known += i == b->n_known;
	}
	pthread_mutex_unlock(&b->lock);
	return news;
}

static void
on_found(void *ctx, const struct scrub_fault *fault)
{
	struct scrub *b = ctx;
	struct log *log = b->service->log;

	if (!take_up(b, fault) || b->n_logged > LOGGED_MAX)
		return;
	if (b->n_logged++ == LOGGED_MAX)
		log_event(log, LOG_LEVEL_ERROR, "scrub.more_faults", "remedy", "fealty admin scrub lists them, and fealty audit has the whole picture", NULL);
	else if (fault->has_seq)
		log_event(log, LOG_LEVEL_ERROR, "scrub.fault", "environment", fault->environment, "where", fault->where, "seq", LOG_N(fault->seq), "last_seq",
		    LOG_N(fault->last), "what", fault->what, "remedy", scrub_remedy(fault), NULL);
	else
		log_event(log, LOG_LEVEL_ERROR, "scrub.fault", "environment", fault->environment, "where", fault->where, "what", fault->what, "remedy",
		    scrub_remedy(fault), NULL);
}

/* What a whole pass has not found is not there any more. */
static size_t
forget_others(struct scrub *b)
{
	size_t kept = 0, gone;

	for (size_t i = 0; i < b->n_known; i++)
		if (b->known[i].pass == b->number)
			b->known[kept++] = b->known[i];
	gone = b->n_known - kept;
	b->n_known = kept;
	return gone;
}

/* ---- a pass ---- */

static void
show(struct scrub *b, const struct scrub_pass *pass, uint64_t *transactions)
{
	struct scrub_progress progress;

	scrub_pass_progress(pass, &progress);
	pthread_mutex_lock(&b->lock);
	b->stage = progress.stage;
	b->shown.direct = progress.direct;
	b->shown.position = progress.position;
	b->shown.size = progress.size;
	b->shown.transactions += progress.transactions - *transactions;
	pthread_mutex_unlock(&b->lock);
	*transactions = progress.transactions;
}

static enum status
run_steps(struct scrub *b, struct scrub_pass *pass)
{
	uint64_t transactions = 0;
	bool done = false;
	enum status st = ST_OK;

	while (st == ST_OK && !done) {
		st = scrub_pass_step(pass, CHUNK_BYTES, &done);
		show(b, pass, &transactions);
		if (st == ST_BUSY) {
			wait_us(b, BUSY_US, false);
			st = stops(b) ? ST_INTERRUPTED : ST_OK;
		}
	}
	return st;
}

static void
begin_pass(struct scrub *b)
{
	b->number++;
	b->n_logged = 0;
	b->debt_us = 0;
	b->cpu_us = thread_cpu_us();
	pthread_mutex_lock(&b->lock);
	b->asked = false;
	b->shown.running = true;
	pthread_mutex_unlock(&b->lock);
}

static void
end_pass(struct scrub *b, enum status st, int64_t begun_us)
{
	const struct clock *clock = &b->service->params.clock;
	uint64_t took_us = (uint64_t)(clock_monotonic_us() - begun_us);
	size_t gone = 0;

	pthread_mutex_lock(&b->lock);
	b->stage = "";
	b->shown.running = false;
	if (st == ST_OK) {
		b->shown.passes++;
		b->shown.last_at_us = clock->now_us(clock->ctx);
		b->shown.last_us = took_us;
		gone = forget_others(b);
	}
	size_t known = b->n_known;
	uint64_t size = b->shown.size;
	pthread_mutex_unlock(&b->lock);
	if (st == ST_OK)
		log_event(b->service->log, known > 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "scrub.pass", "size", LOG_N(size), "faults", LOG_N(known), "gone", LOG_N(gone),
		    "ms", LOG_N(took_us / 1000), NULL);
	else if (st != ST_INTERRUPTED)
		log_event(b->service->log, LOG_LEVEL_ERROR, "scrub.failed", "why", status_str(st), "remedy", "it is tried again in a minute", NULL);
}

static enum status
run_pass(struct scrub *b)
{
	const struct scrub_hooks hooks = { b, on_found, rest };
	int64_t begun_us = clock_monotonic_us();
	struct scrub_pass *pass = NULL;

	begin_pass(b);
	enum status st = scrub_pass_new(b->service, &b->keys, b->number, &hooks, &pass);
	if (st == ST_OK)
		st = run_steps(b, pass);
	scrub_pass_free(pass);
	end_pass(b, st, begun_us);
	return st;
}

static void *
run(void *arg)
{
	struct scrub *b = arg;

	(void)pthread_setname_np(pthread_self(), "scrub");
	while (!stops(b)) {
		enum status st = run_pass(b);
		wait_us(b, st == ST_OK ? PAUSE_US : RETRY_US, true);
	}
	return NULL;
}

/* ---- life ---- */

enum status
scrub_new(struct service *s, struct scrub **ret_scrub)
{
	struct scrub *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;

	if (b == NULL)
		return ST_NOMEM;
	b->service = s;
	b->keys = *apply_keys(s->apply);
	b->bytes_per_second = (uint64_t)s->params.scrub_mib_per_second << 20;
	b->shown.on = b->bytes_per_second > 0;
	b->stage = "";
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->wake, &attr);
	pthread_condattr_destroy(&attr);
	*ret_scrub = b;
	return ST_OK;
}

enum status
scrub_start(struct scrub *b)
{
	assert(!b->started);
	if (b->bytes_per_second == 0)
		return ST_OK;
	b->started = pthread_create(&b->thread, NULL, run, b) == 0;
	return b->started ? ST_OK : ST_NOMEM;
}

void
scrub_stop(struct scrub *b)
{
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	if (b->started)
		pthread_join(b->thread, NULL);
	b->started = false;
}

void
scrub_free(struct scrub *b)
{
	if (b == NULL)
		return;
	scrub_stop(b);
	pthread_cond_destroy(&b->wake);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void
scrub_ask(struct scrub *b)
{
	pthread_mutex_lock(&b->lock);
	b->asked = b->shown.on && !b->shown.running;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
}

static void
figures(const struct scrub *b, struct figure_scrubs *ret)
{
	*ret = b->shown;
	for (size_t i = 0; i < b->n_known; i++)
		ret->faults[b->known[i].fault.kind]++;
}

void
scrub_figures(struct scrub *b, struct figure_scrubs *ret)
{
	pthread_mutex_lock(&b->lock);
	figures(b, ret);
	pthread_mutex_unlock(&b->lock);
}

void
scrub_state(struct scrub *b, struct scrub_state *ret)
{
	pthread_mutex_lock(&b->lock);
	figures(b, &ret->figures);
	ret->stage = b->stage;
	ret->bytes_per_second = b->bytes_per_second;
	ret->waits = b->asked;
	ret->n_faults = b->n_known < SCRUB_SHOWN_MAX ? b->n_known : SCRUB_SHOWN_MAX;
	for (size_t i = 0; i < ret->n_faults; i++)
		ret->faults[i] = b->known[i].fault;
	pthread_mutex_unlock(&b->lock);
}
