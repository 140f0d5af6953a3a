/*
 * Invariants.
 * - A worker thread owns its connections, its event base and its figures; what others read of it meanwhile are two counters (atomics), which it
 *   alone writes.
 * - A tag is the number of its slot + 1: a slot holds one request in flight, and since when it counts: a closed loop's since it was sent, an
 *   open one's since it was due.
 * - Closed loop: what was answered in the measured time is counted.  Open loop: what was due in it, whenever it is answered; after its end
 *   DRAIN_SECONDS are waited for that.
 * - A connection is in `ready` when it has a free slot (open loop), and in `dirty` when it has something to send that no event will send.
 */
#include "bench_load.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "bench_answer.h"
#include "bench_hello.h"
#include "bench_socket.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "fealty.h"
#include "frame.h"

#define READ_BYTES (256u * 1024)
#define DRAIN_SECONDS 10
#define PROGRESS_US US_PER_SECOND
#define LOOK_US 10000			/* how often the main thread looks whether all is done */
#define TICK_US 50			/* an open loop looks no more often what is due: above 20 000 frames a second a few are due together */

struct worker;

struct slot {
	int64_t since_us;			/* 0: free */
	uint32_t commands;
	enum bench_op op;
};

struct conn {
	struct worker *worker;
	struct bench_socket socket;
	struct event readable, writable;
	struct buf in, out;			/* in: the beginning of a frame */
	size_t out_sent;
	struct slot *slots;			/* [depth] */
	uint32_t *free_slots;			/* [n_free]: their numbers */
	unsigned n_free;
	bool waits_to_write, is_dirty, is_ready;
	struct conn *next_dirty, *next_ready;
};

struct run {
	const struct settings *settings;
	const struct encoder *encoder;
	int64_t start_us, begin_us, end_us;	/* measured is from begin to end; end 0: until all is answered */
	atomic_uint running;			/* threads */
	pthread_barrier_t start;
};

struct worker {
	struct run *run;
	pthread_t thread;
	unsigned number;
	struct event_base *base;
	struct event ends, due;
	struct conn *conns;
	unsigned n_conns, live;
	struct conn *dirty, *ready, **ready_tail;
	struct bench_random random;
	unsigned mix_sum;
	unsigned long left_due, left;		/* commands that may still become due, and be sent; closed loops have the latter only */
	uint64_t frames;			/* sent: part of their keys */
	unsigned long outstanding;		/* frames */
	bool stopped;				/* nothing more comes */
	bool refused;				/* the server takes nothing more */
	bool early;				/* not by the clock or the budget */
	int64_t last_us;			/* of the last answer that was counted */
	double next_due_us, gap_us;		/* open loop: of the next frame; mean between two */
	int64_t *waiting;			/* ring: since when */
	size_t waiting_first, waiting_n, waiting_max;
	struct figures figures;
	uint8_t *bytes;				/* READ_BYTES */
	atomic_ulong answered, backlog;		/* commands; frames: for the progress line */
};

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "fealty-bench: %s: %s\n", what, why);
	exit(1);
}

static void *
must_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		die("memory", strerror(ENOMEM));
	return p;
}

static bool
is_open_loop(const struct worker *w)
{
	return w->run->settings->rate > 0;
}

static void
add_timer(struct event *timer, int64_t us)
{
	struct timeval tv = { .tv_sec = us / US_PER_SECOND, .tv_usec = us % US_PER_SECOND };

	evtimer_add(timer, &tv);
}

/* ---- sending ---- */

static void conn_lost(struct conn *c, const char *why);

static void
conn_flush(struct conn *c)
{
	while (c->out_sent < c->out.len) {
		ssize_t n = bench_socket_write(&c->socket, bytes_of(c->out.data + c->out_sent, c->out.len - c->out_sent));

		if (n == 0) {
			c->waits_to_write = true;
			event_add(&c->writable, NULL);
			return;
		}
		if (n < 0) {
			conn_lost(c, "(connection lost)");
			return;
		}
		c->out_sent += (size_t)n;
	}
	buf_clear(&c->out);
	c->out_sent = 0;
}

static void
worker_flush(struct worker *w)
{
	while (w->dirty != NULL) {
		struct conn *c = w->dirty;

		w->dirty = c->next_dirty;
		c->is_dirty = false;
		if (c->socket.fd >= 0)
			conn_flush(c);
	}
}

static unsigned
commands_of_next(const struct worker *w)
{
	unsigned batch = w->run->settings->batch;

	return w->left < batch ? (unsigned)w->left : batch;
}

static void
conn_send(struct conn *c, int64_t since_us)
{
	struct worker *w = c->worker;
	const struct settings *s = w->run->settings;
	uint32_t at = c->free_slots[--c->n_free];
	struct slot *slot = &c->slots[at];

	*slot = (struct slot){ .since_us = since_us, .commands = commands_of_next(w), .op = mix_at(&s->mix, random_below(&w->random, w->mix_sum)) };
	w->left -= slot->commands;
	encoder_put(w->run->encoder, &c->out, at + 1, slot->op, slot->commands, (uint64_t)w->number << 40 | w->frames++, &w->random);
	if (buf_status(&c->out) != ST_OK)
		die("memory", strerror(ENOMEM));
	w->outstanding++;
	if (!c->is_dirty && !c->waits_to_write) {
		c->is_dirty = true;
		c->next_dirty = w->dirty;
		w->dirty = c;
	}
}

/* Closed loop. */
static void
conn_fill(struct conn *c)
{
	struct worker *w = c->worker;
	int64_t now_us = clock_monotonic_us();

	while (!w->stopped && w->left > 0 && c->n_free > 0)
		conn_send(c, now_us);
}

/* Open loop: behind all others that are ready, so that connections take turns. */
static void
conn_ready(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->is_ready || c->n_free == 0)
		return;
	c->is_ready = true;
	c->next_ready = NULL;
	*w->ready_tail = c;
	w->ready_tail = &c->next_ready;
}

static struct conn *
worker_take_ready(struct worker *w)
{
	struct conn *c = w->ready;

	w->ready = c->next_ready;
	if (w->ready == NULL)
		w->ready_tail = &w->ready;
	c->is_ready = false;
	return c;
}

/* ---- an open loop: what is due, and what waits ---- */

static bool
was_due_in_time(const struct worker *w, int64_t since_us)
{
	return since_us >= w->run->begin_us;
}

static void
worker_not_sent(struct worker *w, int64_t since_us)
{
	unsigned commands = commands_of_next(w);

	if (was_due_in_time(w, since_us))
		w->figures.not_sent += commands;
	w->left -= commands;
}

static void
worker_becomes_due(struct worker *w, int64_t now_us)
{
	const struct run *run = w->run;
	unsigned batch = run->settings->batch;

	if (run->end_us != 0 && now_us > run->end_us)
		now_us = run->end_us;
	while (!w->stopped && w->left_due > 0 && w->next_due_us <= (double)now_us) {
		int64_t due_us = (int64_t)w->next_due_us;
		unsigned commands = w->left_due < batch ? (unsigned)w->left_due : batch;

		w->left_due -= commands;
		w->next_due_us -= w->gap_us * log(random_unit(&w->random));		/* Poisson: gaps are exponential */
		if (was_due_in_time(w, due_us))
			w->figures.offered += commands;
		if (w->waiting_n == w->waiting_max)
			worker_not_sent(w, due_us);
		else
			w->waiting[(w->waiting_first + w->waiting_n++) % w->waiting_max] = due_us;
	}
}

static void
worker_send_waiting(struct worker *w)
{
	while (w->waiting_n > 0 && w->ready != NULL && !w->refused) {
		struct conn *c = worker_take_ready(w);

		if (c->socket.fd < 0)
			continue;
		conn_send(c, w->waiting[w->waiting_first]);
		w->waiting_first = (w->waiting_first + 1) % w->waiting_max;
		w->waiting_n--;
		conn_ready(c);
	}
	atomic_store_explicit(&w->backlog, w->waiting_n, memory_order_relaxed);
}

/* ---- the end ---- */

static void
worker_end_if_done(struct worker *w)
{
	bool more = !w->stopped && (is_open_loop(w) ? w->left_due : w->left) > 0;

	if (w->live == 0 || (!more && w->outstanding == 0 && (w->waiting_n == 0 || w->refused)))
		event_base_loopbreak(w->base);
}

static void
conn_lost(struct conn *c, const char *why)
{
	struct worker *w = c->worker;

	if (c->socket.fd < 0)
		return;
	event_del(&c->readable);
	event_del(&c->writable);
	bench_socket_close(&c->socket);
	for (unsigned i = 0; i < w->run->settings->depth; i++) {
		if (c->slots[i].since_us == 0)
			continue;
		w->outstanding--;
		if (!is_open_loop(w) || was_due_in_time(w, c->slots[i].since_us))
			w->figures.unanswered += c->slots[i].commands;
	}
	if (why != NULL) {
		w->figures.lost++;
		reasons_note(&w->figures.errors, why, strlen(why), 1);
	}
	w->live--;
	if (why != NULL && !w->stopped)
		w->early = w->live == 0;
}

/* First when the time is up, then when what is in flight has taken too long. */
static void
on_end(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *w = ctx;

	(void)fd, (void)what;
	if (w->stopped) {
		for (unsigned i = 0; i < w->n_conns; i++)
			if (w->conns[i].n_free < w->run->settings->depth)
				conn_lost(&w->conns[i], "(no answer)");
		event_base_loopbreak(w->base);
		return;
	}
	if (is_open_loop(w)) {
		worker_becomes_due(w, w->run->end_us);
		worker_send_waiting(w);
		worker_flush(w);
	}
	w->stopped = true;
	add_timer(&w->ends, DRAIN_SECONDS * US_PER_SECOND);
	worker_end_if_done(w);
}

static void
on_due(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *w = ctx;
	int64_t now_us = clock_monotonic_us();

	(void)fd, (void)what;
	worker_becomes_due(w, now_us);
	worker_send_waiting(w);
	worker_flush(w);
	if (!w->stopped && w->left_due > 0) {
		int64_t wait_us = (int64_t)w->next_due_us + 1 - now_us;

		add_timer(&w->due, wait_us < TICK_US ? TICK_US : wait_us);
	}
	worker_end_if_done(w);
}

/* ---- answers ---- */

static void
count_answer(struct worker *w, const struct slot *slot, int64_t now_us, struct bytes body)
{
	const struct settings *s = w->run->settings;
	int64_t end_us = w->run->end_us;
	bool in_time = end_us == 0 || now_us <= end_us;

	atomic_store_explicit(&w->answered, atomic_load_explicit(&w->answered, memory_order_relaxed) + slot->commands, memory_order_relaxed);
	if (is_open_loop(w) ? !was_due_in_time(w, slot->since_us) : !in_time || now_us < w->run->begin_us)
		return;
	if (in_time) {
		w->figures.commands[slot->op] += slot->commands;
		w->last_us = now_us;
	} else {
		w->figures.late += slot->commands;
	}
	histogram_note(&w->figures.latency[slot->op], (uint64_t)(now_us > slot->since_us ? now_us - slot->since_us : 0));
	answer_count(&w->figures, body, s->batch > 1, s->receipt && slot->op == BENCH_PURCHASE);
}

static void
conn_goes_away(struct conn *c)
{
	static const char why[] = "(the server shuts down)";
	struct worker *w = c->worker;

	if (!w->stopped)
		reasons_note(&w->figures.errors, why, strlen(why), 1);
	w->early = w->early || !w->stopped;
	w->stopped = w->refused = true;
}

/* False: the connection has ended. */
static bool
conn_frame(struct conn *c, const struct frame_header *h, struct bytes body, int64_t now_us)
{
	if (h->type == FRAME_ERROR) {
		Fealty__V1__Error *e = fealty__v1__error__unpack(NULL, body.len, body.data);
		conn_lost(c, e != NULL ? frame_error_str((enum frame_error)e->reason) : "(ERROR)");
		if (e != NULL)
			fealty__v1__error__free_unpacked(e, NULL);
		return false;
	}
	if (h->type == FRAME_GOAWAY) {
		conn_goes_away(c);
		return true;
	}
	if (h->type != FRAME_RESPONSE || h->tag > c->worker->run->settings->depth || c->slots[h->tag - 1].since_us == 0) {
		conn_lost(c, "(a frame that does not fit)");
		return false;
	}
	uint32_t at = (uint32_t)h->tag - 1;
	count_answer(c->worker, &c->slots[at], now_us, body);
	c->slots[at].since_us = 0;
	c->free_slots[c->n_free++] = at;
	c->worker->outstanding--;
	return true;
}

/* All whole frames.  Returns the bytes of them; SIZE_MAX: the connection has ended. */
static size_t
conn_frames(struct conn *c, struct bytes in)
{
	struct frame_limits limits = frame_limits_client();
	int64_t now_us = clock_monotonic_us();
	size_t at = 0;

	while (in.len - at >= FRAME_HEADER_BYTES) {
		struct frame_header h;

		if (frame_header_decode(in.data + at, &limits, &h) != FRAME_ERROR_NONE) {
			conn_lost(c, "(a bad frame)");
			return SIZE_MAX;
		}
		if (in.len - at - FRAME_HEADER_BYTES < h.body_bytes)
			break;
		if (!conn_frame(c, &h, bytes_of(in.data + at + FRAME_HEADER_BYTES, h.body_bytes), now_us))
			return SIZE_MAX;
		at += FRAME_HEADER_BYTES + h.body_bytes;
	}
	return at;
}

/* Frames are looked at where they were read, but for those that came in pieces. */
static bool
conn_take(struct conn *c, struct bytes got)
{
	bool in_pieces = c->in.len > 0;

	if (in_pieces)
		buf_put(&c->in, got.data, got.len);
	if (buf_status(&c->in) != ST_OK)
		die("memory", strerror(ENOMEM));
	size_t used = conn_frames(c, in_pieces ? buf_bytes(&c->in) : got);

	if (used == SIZE_MAX)
		return false;
	if (in_pieces) {
		memmove(c->in.data, c->in.data + used, c->in.len - used);
		c->in.len -= used;
	} else {
		buf_put(&c->in, got.data + used, got.len - used);
	}
	return true;
}

/* What one read gives; false: nothing more for now, or the end. */
static bool
conn_read(struct conn *c)
{
	ssize_t n = bench_socket_read(&c->socket, c->worker->bytes, READ_BYTES);

	if (n < 0)
		conn_lost(c, "(connection lost)");
	if (n <= 0)
		return false;
	return conn_take(c, bytes_of(c->worker->bytes, (size_t)n)) && c->socket.tls != NULL;
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;
	struct worker *w = c->worker;

	(void)fd, (void)what;
	while (conn_read(c))
		;
	if (is_open_loop(w)) {
		if (c->socket.fd >= 0)
			conn_ready(c);
		worker_send_waiting(w);
	} else if (c->socket.fd >= 0) {
		conn_fill(c);
	}
	worker_flush(w);
	worker_end_if_done(w);
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd, (void)what;
	c->waits_to_write = false;
	conn_flush(c);
	worker_end_if_done(c->worker);
}

/* ---- threads ---- */

static void
conn_open(struct conn *c, struct worker *w, unsigned number)
{
	const struct settings *s = w->run->settings;

	c->worker = w;
	bench_socket_open(&c->socket, s);
	hello_say(s, &c->socket, number, encoder_bytes_max(w->run->encoder, s->batch));
	bench_socket_unblock(&c->socket);
	c->slots = must_calloc(s->depth, sizeof *c->slots);
	c->free_slots = must_calloc(s->depth, sizeof *c->free_slots);
	while (c->n_free < s->depth) {
		c->free_slots[c->n_free] = s->depth - 1 - c->n_free;
		c->n_free++;
	}
	buf_init(&c->in);
	buf_init(&c->out);
	event_assign(&c->readable, w->base, c->socket.fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, w->base, c->socket.fd, EV_WRITE, on_writable, c);
	event_add(&c->readable, NULL);
}

static struct event_base *
base_new(bool precise)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		die("libevent", "cannot start");
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	if (precise)
		event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		die("libevent", "cannot start");
	return base;
}

/* ${first}: the number of its first connection among all. */
static void
worker_open(struct worker *w, struct run *run, unsigned number, unsigned first)
{
	const struct settings *s = run->settings;
	unsigned long share = s->requests / s->threads + (number < s->requests % s->threads);

	w->run = run;
	w->number = number;
	w->random.state = UINT64_C(0x9e3779b97f4a7c15) * (number + 1) ^ (uint64_t)clock_monotonic_us();
	w->n_conns = w->live = s->connections / s->threads + (number < s->connections % s->threads);
	w->conns = must_calloc(w->n_conns, sizeof *w->conns);
	w->ready_tail = &w->ready;
	w->mix_sum = mix_sum(&s->mix);
	w->left = w->left_due = s->requests > 0 ? share : ULONG_MAX;
	w->bytes = must_calloc(1, READ_BYTES);
	w->base = base_new(s->rate > 0);
	if (s->rate > 0) {
		w->gap_us = 1e6 * s->batch * s->threads / s->rate;
		w->waiting_max = (s->backlog + s->threads - 1) / s->threads;
		w->waiting = must_calloc(w->waiting_max, sizeof *w->waiting);
	}
	for (unsigned i = 0; i < w->n_conns; i++)
		conn_open(&w->conns[i], w, first + i);
}

static void
worker_close(struct worker *w)
{
	event_del(&w->ends);
	event_del(&w->due);
	for (unsigned i = 0; i < w->n_conns; i++) {
		struct conn *c = &w->conns[i];

		conn_lost(c, NULL);
		buf_release(&c->in);
		buf_release(&c->out);
		free(c->slots);
		free(c->free_slots);
	}
	event_base_free(w->base);
	free(w->waiting);
	free(w->bytes);
	free(w->conns);
}

static void
worker_begin(struct worker *w)
{
	const struct run *run = w->run;

	evtimer_assign(&w->ends, w->base, on_end, w);
	evtimer_assign(&w->due, w->base, on_due, w);
	if (run->end_us != 0) {
		int64_t left_us = run->end_us - clock_monotonic_us();

		add_timer(&w->ends, left_us < 0 ? 0 : left_us);
	}
	if (is_open_loop(w)) {
		w->next_due_us = (double)run->start_us - w->gap_us * log(random_unit(&w->random));
		for (unsigned i = 0; i < w->n_conns; i++)
			conn_ready(&w->conns[i]);
		on_due(-1, 0, w);
		return;
	}
	for (unsigned i = 0; i < w->n_conns; i++)
		conn_fill(&w->conns[i]);
	worker_flush(w);
	worker_end_if_done(w);
}

static void *
worker_main(void *ctx)
{
	struct worker *w = ctx;

	pthread_barrier_wait(&w->run->start);		/* load_run() sets the times */
	pthread_barrier_wait(&w->run->start);
	worker_begin(w);
	if (w->live > 0 && (w->outstanding > 0 || is_open_loop(w)))
		event_base_dispatch(w->base);
	for (; w->waiting_n > 0; w->waiting_n--) {
		worker_not_sent(w, w->waiting[w->waiting_first]);
		w->waiting_first = (w->waiting_first + 1) % w->waiting_max;
	}
	atomic_fetch_sub(&w->run->running, 1);
	return NULL;
}

/* ---- the main thread ---- */

struct seen { unsigned long answered, backlog; };

static struct seen
look(const struct worker *workers, unsigned n)
{
	struct seen seen = { 0 };

	for (unsigned i = 0; i < n; i++) {
		seen.answered += atomic_load_explicit(&workers[i].answered, memory_order_relaxed);
		seen.backlog += atomic_load_explicit(&workers[i].backlog, memory_order_relaxed);
	}
	return seen;
}

static void
show_progress(const struct run *run, struct seen seen, unsigned long before, int64_t now_us, int64_t since_us)
{
	fprintf(stderr, "\r%6.1f s  %lu commands  %.0f/s", (double)(now_us - run->start_us) / 1e6, seen.answered,
	    (double)(seen.answered - before) * 1e6 / (double)(now_us - since_us));
	if (run->settings->rate > 0)
		fprintf(stderr, "  %lu wait", seen.backlog);
	fprintf(stderr, "%s\033[K", now_us < run->begin_us ? "  (warming up)" : run->end_us != 0 && now_us > run->end_us ? "  (last answers)" : "");
}

/* Marks the beginning and the end of the measured time, and waits for the workers. */
static void
watch(struct run *run, const struct worker *workers, load_mark_fn *mark, void *ctx)
{
	bool terminal = isatty(STDERR_FILENO) != 0;
	int64_t marks_us[] = { run->begin_us, run->end_us != 0 ? run->end_us : INT64_MAX }, shown_us = run->start_us;
	unsigned marked = 0, threads = run->settings->threads;
	unsigned long before = 0;

	for (;;) {
		int64_t now_us = clock_monotonic_us();
		bool done = atomic_load(&run->running) == 0;
		struct seen seen = look(workers, threads);

		while (marked < 2 && (now_us >= marks_us[marked] || done)) {
			mark(ctx, seen.answered);
			marked++;
		}
		if (done)
			break;
		if (terminal && now_us - shown_us >= PROGRESS_US) {
			show_progress(run, seen, before, now_us, shown_us);
			before = seen.answered;
			shown_us = now_us;
		}
		int64_t wait_us = marked < 2 && marks_us[marked] - now_us < LOOK_US ? marks_us[marked] - now_us : LOOK_US;
		usleep((useconds_t)(wait_us > 0 ? wait_us : 1));
	}
	if (terminal)
		fprintf(stderr, "\r\033[K");
}

static void
run_begin(struct run *run)
{
	const struct settings *s = run->settings;

	pthread_barrier_wait(&run->start);
	run->start_us = clock_monotonic_us();
	run->begin_us = run->start_us + (int64_t)(s->warmup_seconds * 1e6);
	run->end_us = s->requests > 0 ? 0 : run->begin_us + (int64_t)(s->seconds * 1e6);
	pthread_barrier_wait(&run->start);
}

double
load_run(const struct settings *s, const struct encoder *encoder, load_mark_fn *mark, void *ctx, struct figures *ret_figures)
{
	struct run run = { .settings = s, .encoder = encoder };
	struct worker *workers = must_calloc(s->threads, sizeof *workers);
	int64_t last_us = 0;
	bool early = false;

	atomic_store(&run.running, s->threads);
	pthread_barrier_init(&run.start, NULL, s->threads + 1);
	for (unsigned i = 0, first = 0; i < s->threads; first += workers[i++].n_conns)
		worker_open(&workers[i], &run, i, first);
	for (unsigned i = 0; i < s->threads; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0)
			die("threads", strerror(errno));
	run_begin(&run);
	watch(&run, workers, mark, ctx);
	for (unsigned i = 0; i < s->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		figures_add(ret_figures, &workers[i].figures);
		last_us = workers[i].last_us > last_us ? workers[i].last_us : last_us;
		early = early || workers[i].early;
		worker_close(&workers[i]);
	}
	pthread_barrier_destroy(&run.start);
	free(workers);
	if (run.end_us == 0 || early)
		return last_us > run.begin_us ? (double)(last_us - run.begin_us) / 1e6 : 0;
	return s->seconds;
}
