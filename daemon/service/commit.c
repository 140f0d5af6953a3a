/**
 * The one writer.
 *
 *   queue -> decide, evolve on the overlay, build bytes, chain, hand to the signers -> vault additions -> ledger commit (fsync) ->
 *   vault removals -> receipts -> state commit -> replies
 *
 * Group commit without a timer: a batch is what was queued when the last flush returned.  Under light load it is one command, under heavy
 * load thousands, unless somebody with less to do would have to wait for them (queue.c).  Nothing is answered before the flush that covers it: a
 * work's responses wait in it until n_durable says that they may leave.
 *
 * Invariants: between flushes the ledger environment, the state environment and apply's flushed head agree (unless `unflushed`); the sealed
 * list is what the ledger still lacks, in order; only this thread writes to any environment.  While `unflushed`, apply's overlay holds
 * what the ledger has
 * and state lacks, so nothing is decided and nothing is discarded.
 */
#include "service/commit.h"
#include "service/keeper.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARENA_BYTES_MAX ((size_t)2 * 1024 * 1024 * 1024)
#define CLOCK_AHEAD_RUNNING_US (INT64_C(24) * 3600 * US_PER_SECOND)
#define CLOCK_AHEAD_START_US (7 * US_PER_DAY)
#define DISK_RETRY_US (INT64_C(500) * 1000)
#define CALENDAR_WAIT_US (INT64_C(20) * 1000)

/* ---- replies ---- */

/* Its answer leaves, and says the same of all of an atomic batch that failed. */
static void
count_commands(struct commit *c, const struct work *w, int64_t now_us)
{
	struct metrics *m = &c->service->metrics;

	if (w->lost)
		return;
	for (size_t i = 0; i < w->batch.n; i++)
		command_count(&m->commands, w->batch.commands[i].op, w->whole.result != LEDGER_OK ? w->whole.result : w->results[i]);
	histogram_add(&m->answer, HISTOGRAM_US, (uint64_t)(now_us - w->arrived_us));
}

static void
encode_reply(struct work *w)
{
	struct buf outcome;

	buf_clear(&w->reply);
	w->reply.failed = w->lost;
	if (w->lost)
		return;
	if (!w->is_batch) {
		buf_put(&w->reply, w->responses[0].data, w->responses[0].len);
		return;
	}
	buf_init(&outcome);
	refusal_encode(&w->whole, &w->arena, &outcome);
	codec_batch_reply_encode(bytes_of(outcome.data, outcome.len), w->responses, w->whole.result == LEDGER_OK ? w->n_done : 0, &w->reply);
	if (outcome.failed)
		w->reply.failed = true;
	buf_release(&outcome);
}

static void
post_replies(struct commit *c, struct work *list)
{
	unsigned n = list == NULL ? 0 : net_loop_count(c->service->net);

	for (unsigned i = 0; i < n; i++) {
		struct net_loop *loop = net_loop_at(c->service->net, i);
		struct net_message *first = NULL, *last = NULL;
		struct work *rest = NULL;
		for (struct work *w = list, *next; w != NULL; w = next) {
			next = w->next_active;
			if (w->loop != loop) {
				w->next_active = rest;
				rest = w;
				continue;
			}
			w->message.next = NULL;
			if (first == NULL)
				first = &w->message;
			else
				last->next = &w->message;
			last = &w->message;
		}
		list = rest;
		if (first != NULL)
			net_post(loop, first, last);
	}
	assert(list == NULL);
}

static void
replace_responses(struct work *w, const struct refusal *refusal)
{
	struct buf b;

	buf_init(&b);
	refusal_encode(refusal, &w->arena, &b);
	if (w->is_batch && w->batch.atomic)
		w->whole = *refusal;
	char *copy = buf_status(&b) == ST_OK ? arena_memdup(&w->arena, b.data, b.len) : NULL;
	w->lost |= copy == NULL;
	for (size_t i = w->n_durable; i < w->n_done; i++) {
		w->responses[i] = bytes_of(copy, copy == NULL ? 0 : b.len);
		w->results[i] = refusal->result;
	}
	buf_release(&b);
}

/* The works that this batch touched: their responses may leave now, or are replaced by a refusal. */
static void
release_active(struct commit *c, const struct refusal *refusal)
{
	struct work *ready = NULL;
	int64_t now_us = clock_monotonic_us();

	for (struct work *w = c->active, *next; w != NULL; w = next) {
		next = w->next_active;
		w->active = false;
		w->next_active = NULL;
		if (refusal != NULL)
			replace_responses(w, refusal);
		w->n_durable = w->n_done;
		if (!w->finished)
			continue;
		encode_reply(w);
		count_commands(c, w, now_us);
		w->next_active = ready;
		ready = w;
	}
	c->active = NULL;
	post_replies(c, ready);
}

static void
work_activate(struct commit *c, struct work *w)
{
	if (w->active)
		return;
	w->active = true;
	w->next_active = c->active;
	c->active = w;
}

/* ---- the flush ---- */

void
commit_step_done(struct commit *c, enum figure_step step)
{
	int64_t now_us = clock_monotonic_us();

	histogram_add(&c->service->metrics.steps[step], HISTOGRAM_US, (uint64_t)(now_us - c->step_us));
	pace_step(&c->pace, step, now_us - c->step_us);
	c->step_us = now_us;
}

/* The sealed transactions are durable. */
static void
count_batch(struct commit *c)
{
	struct metrics *m = &c->service->metrics;

	counter_add(&m->commits, 1);
	histogram_add(&m->commit_transactions, HISTOGRAM_SIZE, c->n_sealed);
	for (const struct sealed *s = c->sealed_first; s != NULL; s = s->next) {
		for (size_t i = 0; i < s->t.n_entries; i++) {
			counter_add(&m->entries[s->t.entries[i].op], 1);
			counter_add(&m->system_entries, strcmp(s->t.entries[i].principal, "system") == 0);
		}
	}
}

static void
reset_batch(struct commit *c)
{
	c->sealed_first = c->sealed_last = c->rotation = NULL;
	c->n_sealed = 0;
	c->is_open = c->space_seen = false;
	receipts_forget(c);
	arena_reset(&c->arena);
}

void
commit_discard(struct commit *c)
{
	assert(!c->unflushed);
	if (signer_wait(c->service->signer) != ST_OK)
		log_event(c->service->log, LOG_LEVEL_WARNING, "sign.failed", "batch", "discarded", NULL);	/* what was to be signed goes anyway */
	apply_discard(c->apply);
	vault_discard(c->service->vault);
	sched_discarded(c);
	c->due_pending = c->service->manual_clock;
	reset_batch(c);
}

static enum status
append_all(struct commit *c)
{
	struct store_txn *txn;

	enum status st = receipts_begin(c);
	if (st == ST_OK)
		st = store_write(c->service->store, STORE_LEDGER, &txn);
	if (st != ST_OK)
		return st;
	for (struct sealed *s = c->sealed_first; s != NULL; s = s->next) {
		uint8_t key[8];
		struct signed_transaction leaf;
		st = tx_leaf(c, s, &leaf);
		buf_clear(&c->scratch);
		if (st == ST_OK)
			codec_signed_encode(&leaf, &c->scratch);
		if (st == ST_OK)
			st = buf_status(&c->scratch);
		if (st == ST_OK)
			st = apply_leaf(c->apply, buf_bytes(&c->scratch));
		if (st == ST_OK)
			st = receipts_leaf(c, s, buf_bytes(&c->scratch));
		if (st != ST_OK) {
			store_abort(txn);
			return st;
		}
		assert(c->scratch.len <= LEDGER_LEAF_BYTES_MAX);
		put_be64(key, s->t.seq);
		store_append(txn, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), buf_bytes(&c->scratch));
	}
	st = checkpoint_due(c) ? checkpoint_append(c, txn) : ST_OK;
	if (st == ST_OK)
		st = cosign_append(c, txn);
	if (st != ST_OK) {
		store_abort(txn);
		return st;
	}
	return store_commit(txn);
}

/* Before readers see the state of that instant: they look at it first, and then at the clock. */
static void
show_clock(struct commit *c)
{
	atomic_store(&c->service->now_us, apply_head(c->apply)->clock_us);
}

static void
show_head(struct commit *c)
{
	struct service *s = c->service;
	const struct apply_head *head = apply_head(c->apply);

	pthread_mutex_lock(&s->head_lock);
	s->head.size = head->size;
	merkle_tree_root(apply_tree(c->apply), s->head.root);
	pthread_mutex_unlock(&s->head_lock);
	show_clock(c);
	atomic_store(&s->size, head->size);
}

static void
disk_refusal(struct refusal *refusal)
{
	refusal_set(refusal, LEDGER_UNAVAILABLE, "disk",
	    "The ledger's disk is full: nothing was written. Reads go on; send the same request id again when there is space.");
}

/* Before the ledger's commit everything can be undone. */
static enum status
write_ledger(struct commit *c)
{
	struct service *s = c->service;
	bool vault = vault_changed(s->vault);

	enum status st = signer_wait(s->signer);
	commit_step_done(c, FIGURE_STEP_SIGN);
	if (st == ST_OK && vault) {
		st = vault_write_additions(s->vault);
		commit_step_done(c, FIGURE_STEP_VAULT);
	}
	if (st != ST_OK)
		return st;
	st = append_all(c);
	commit_step_done(c, FIGURE_STEP_LEDGER);
	if (st != ST_FULL || !vault)
		return st;
	enum status undone = vault_undo(s->vault);
	if (undone == ST_FULL)
		log_event(s->log, LOG_LEVEL_WARNING, "vault.undo_delayed", NULL);
	return undone == ST_OK ? st : undone == ST_FULL ? st : undone;
}

static enum status
write_state(struct commit *c)
{
	enum status st = apply_flush(c->apply);

	c->unflushed = st == ST_FULL;
	if (st == ST_FULL) {
		log_event(c->service->log, LOG_LEVEL_ERROR, "state.disk_full", NULL);
		return ST_OK;		/* the ledger has it; state follows when there is space */
	}
	return st;
}

/* The ledger has the batch: what follows from it. */
static enum status
write_rest(struct commit *c)
{
	enum status st = vault_changed(c->service->vault) ? vault_write_removals(c->service->vault) : ST_OK;

	if (st == ST_FULL)
		log_event(c->service->log, LOG_LEVEL_WARNING, "vault.removals_delayed", NULL);
	else if (st != ST_OK)
		return st;
	vault_discard(c->service->vault);
	st = receipts_give(c);
	show_clock(c);
	if (st == ST_OK)
		st = write_state(c);
	commit_step_done(c, FIGURE_STEP_STATE);
	return st;
}

/* Records that were only read. */
static enum status
flush_nothing(struct commit *c)
{
	enum status st = receipts_give(c);

	if (st != ST_OK)
		return st;
	if (!c->unflushed && sched_moved(c)) {
		apply_discard(c->apply);
		st = sched_keep(c);
		if (st == ST_OK)
			st = apply_flush(c->apply);
		if (st != ST_OK && st != ST_FULL)
			return st;
		c->undone = st == ST_FULL;
	}
	if (!c->unflushed)
		apply_discard(c->apply);
	vault_discard(c->service->vault);
	if (st == ST_OK)
		sched_flushed(c);
	else
		sched_discarded(c);
	reset_batch(c);
	release_active(c, NULL);
	return st;
}

enum status
commit_flush(struct commit *c)
{
	struct service *s = c->service;
	struct refusal refusal = { .result = LEDGER_OK };

	enum status st = tx_seal(c);
	if (st != ST_OK)
		return st;
	if (c->sealed_first == NULL)
		return flush_nothing(c);
	assert(!c->unflushed);
	commit_step_done(c, FIGURE_STEP_DECIDE);
	st = sched_keep(c);
	if (st == ST_OK)
		st = write_ledger(c);
	if (st == ST_FULL) {
		log_event(s->log, LOG_LEVEL_ERROR, "ledger.disk_full", "transactions_undone", LOG_N(c->n_sealed), NULL);
		commit_discard(c);
		c->checkpoint_next = c->checkpoint;
		cosign_done(c, false);
		c->undone = true;
		counter_add(&s->metrics.commits_undone, 1);
		disk_refusal(&refusal);
		release_active(c, &refusal);
		return ST_FULL;
	}
	if (st == ST_OK && c->rotation != NULL)
		st = rotate_done(c, c->rotation);
	if (st == ST_OK)
		st = write_rest(c);
	if (st != ST_OK)
		return st;
	c->undone = false;
	pace_learn(&c->pace);
	count_batch(c);
	sched_flushed(c);
	reset_batch(c);
	show_head(c);
	checkpoint_show(c);
	cosign_done(c, true);
	release_active(c, NULL);
	loops_wake(s, false);
	return ST_OK;
}

void
commit_writable(struct commit *c, struct refusal *ret_refusal)
{
	struct service *s = c->service;
	enum status st = ST_OK;

	ret_refusal->result = LEDGER_OK;
	if (c->space_seen)
		return;
	if (c->no_space && clock_monotonic_us() < c->retry_at_us) {
		disk_refusal(ret_refusal);
		return;
	}
	if (c->unflushed) {
		st = apply_flush(c->apply);
		c->unflushed = st != ST_OK;
	}
	if (st == ST_OK)
		st = vault_settle(s->vault);
	if (st == ST_OK)
		st = store_writable(s->store);
	c->no_space = st != ST_OK;
	c->space_seen = !c->no_space;
	if (!c->no_space)
		return;
	if (st != ST_FULL)
		c->broken = st;		/* space will not mend it */
	c->retry_at_us = clock_monotonic_us() + DISK_RETRY_US;
	disk_refusal(ret_refusal);
}

/* Without waiting for a write that may never come, because it is not sent where it would be refused. */
static void
look_for_space(struct commit *c)
{
	struct refusal refusal;

	if (c->no_space)
		commit_writable(c, &refusal);
}

enum service_readiness
commit_readiness(const struct commit *c)
{
	return c->clock_suspect ? SERVICE_WAITS_FOR_CLOCK : c->no_space ? SERVICE_WAITS_FOR_DISK : SERVICE_READY;
}

/* ---- works ---- */

static void
set_whole(struct work *w, const struct refusal *refusal, size_t index)
{
	w->whole = *refusal;
	char *field = arena_alloc(&w->arena, 96);
	if (field != NULL) {
		snprintf(field, 96, "commands[%zu].%.60s", index, refusal->field == NULL ? "" : refusal->field);
		if (refusal->field == NULL)
			field[strlen(field) - 1] = '\0';
		w->whole.field = field;
	}
}

static enum status
flush_or_full(struct commit *c)
{
	enum status st = commit_flush(c);

	return st == ST_FULL ? ST_OK : st;
}

/**
 * Moves the clock before an atomic batch begins: what falls due may need many transactions.  An `at` of the past is looked at later: it
 * may be a replay.
 */
static enum status
atomic_clock(struct commit *c, struct work *w, struct refusal *ret_refusal)
{
	const struct request *first = &w->batch.commands[0];

	if (w->batch.refusals[0].result != LEDGER_OK || (first->has_at && first->at_us < c->clock_us))
		return ST_OK;
	enum status st = command_clock(c, first, ret_refusal);
	if (ret_refusal->result != LEDGER_OK)
		set_whole(w, ret_refusal, 0);
	return st == ST_OK ? flush_or_full(c) : st;
}

static enum status
run_commands(struct commit *c, struct work *w, struct refusal *refusal)
{
	enum status st = ST_OK;

	for (size_t i = 0, ahead = 0; i < w->batch.n && st == ST_OK && refusal->result == LEDGER_OK; i++) {
		if (i == ahead)
			ahead = readahead_batch(c, w, i, w->batch.n);
		st = command_run(c, w, i, refusal);
		if (st == ST_OK && refusal->result != LEDGER_OK)
			set_whole(w, refusal, i);
	}
	return st;
}

/* All or nothing: alone in its batch, so that undoing it undoes nobody else's. */
static enum status
run_atomic(struct commit *c, struct work *w)
{
	struct refusal refusal = { .result = LEDGER_OK };

	enum status st = flush_or_full(c);
	if (st == ST_OK)
		st = atomic_clock(c, w, &refusal);
	if (st == ST_OK && refusal.result == LEDGER_OK) {
		commit_writable(c, &refusal);
		w->whole = refusal;
	}
	work_activate(c, w);
	w->finished = true;
	if (st != ST_OK || refusal.result != LEDGER_OK)
		return st;
	c->group = c->exclusive = true;
	st = run_commands(c, w, &refusal);
	c->group = c->exclusive = false;
	if (st == ST_OK && refusal.result != LEDGER_OK)
		commit_discard(c);
	return st;
}

/* The rest of a batch that cannot go on. */
static void
refuse_rest(struct commit *c, struct work *w, const struct refusal *refusal)
{
	w->n_durable = w->n_done;
	w->n_done = w->batch.n;
	work_activate(c, w);
	w->finished = true;
	replace_responses(w, refusal);
}

/* As many of its commands as were granted, from where it was left. */
static enum status
run_each(struct commit *c, struct work *w)
{
	struct refusal refusal;

	for (size_t i = w->n_done, end = i + w->item.granted, ahead = i; i < end; i++) {
		if (w->is_batch && i == ahead)
			ahead = readahead_batch(c, w, i, end);
		work_activate(c, w);
		enum status st = command_run(c, w, i, &refusal);
		work_activate(c, w);		/* what came due before the command may have been flushed; and who fails is somebody's to free */
		if (st != ST_OK)
			return st;
		bool last = w->finished = i + 1 == w->batch.n;
		if (!commit_is_large(c) && !c->unflushed)
			continue;
		st = flush_or_full(c);
		if (st != ST_OK || last || i + 1 == end)
			return st;		/* a finished work has gone, and its memory with it */
		commit_writable(c, &refusal);
		if (refusal.result != LEDGER_OK) {
			refuse_rest(c, w, &refusal);
			return ST_OK;
		}
	}
	return ST_OK;
}

static enum status
run_work(struct commit *c, struct work *w)
{
	if (w->is_batch && w->batch.atomic)
		return run_atomic(c, w);
	c->group = w->is_batch;
	enum status st = run_each(c, w);
	c->group = false;
	return st == ST_OK ? tx_seal(c) : st;
}

static void
clock_rebase(struct commit *c)
{
	const struct clock *clock = &c->service->params.clock;

	c->base_real_us = clock->now_us(clock->ctx);
	c->base_boot_us = clock->boot_us(clock->ctx);
}

/* Far ahead of what CLOCK_BOOTTIME predicts, or at start of the ledger; right again when it is neither. */
static bool
clock_is_suspect(struct commit *c)
{
	const struct clock *clock = &c->service->params.clock;

	if (c->service->manual_clock)
		return false;
	int64_t now = clock->now_us(clock->ctx), predicted = c->base_real_us + (clock->boot_us(clock->ctx) - c->base_boot_us);
	bool jumped = now > predicted + CLOCK_AHEAD_RUNNING_US;
	bool far_ahead = c->clock_far_ahead && now - apply_head(c->apply)->committed_at_us > CLOCK_AHEAD_START_US;
	if (!c->clock_suspect && jumped) {
		c->clock_suspect = true;
		log_event(c->service->log, LOG_LEVEL_ERROR, "clock.jumped", "remedy", "set the clock right, or run `fealty admin clock accept`", NULL);
	} else if (c->clock_suspect && !jumped && !far_ahead) {
		commit_clock_trusted(c);
		log_event(c->service->log, LOG_LEVEL_WARNING, "clock.right_again", NULL);
	}
	return c->clock_suspect;
}

void
commit_clock_trusted(struct commit *c)
{
	c->clock_suspect = c->clock_far_ahead = false;
	clock_rebase(c);
}

static void
refuse_work(struct commit *c, struct work *w, const struct refusal *refusal)
{
	w->n_done = w->batch.n;
	work_activate(c, w);
	w->finished = true;
	replace_responses(w, refusal);
	if (w->is_batch)
		w->whole = *refusal;
}

/* What one principal may have decided in its turn. */
static enum status
run_turn(struct commit *c, struct work *list)
{
	struct refusal refusal;
	enum status st = ST_OK;
	size_t ahead = 0;

	for (struct work *w = list, *next; w != NULL; w = next) {
		next = work_next(w);
		if (st != ST_OK) {
			work_free(w);		/* the process is about to end: the client learns UNKNOWN */
			continue;
		}
		bool is_part = w->item.granted < w->item.cost;
		c->pace.commands += w->item.granted;
		commit_writable(c, &refusal);
		if (!w->is_batch && ahead > 0)
			ahead--;
		else if (!w->is_batch && refusal.result == LEDGER_OK)
			ahead = readahead_works(c, w) - 1;
		if (refusal.result == LEDGER_OK)
			st = run_work(c, w);
		else if (w->n_done > 0)
			refuse_rest(c, w, &refusal);
		else
			refuse_work(c, w, &refusal);
		if (st == ST_OK && is_part && !w->finished)
			queue_put_back(c, w);
		if (st == ST_OK && commit_is_large(c))
			st = flush_or_full(c);
	}
	return st;
}

/* A group commit: all that waits, or, when somebody would have to wait for others, what each of them may have in it. */
static enum status
run_queue(struct commit *c)
{
	enum status st = ST_OK;

	queue_batch(c);
	do {
		struct work *list;
		while (st == ST_OK && (list = queue_turn(c)) != NULL)
			st = run_turn(c, list);
	} while (st == ST_OK && queue_goes_on(c));
	return st == ST_OK ? flush_or_full(c) : st;
}

static enum status
run_due(struct commit *c, bool *ret_more)
{
	struct refusal refusal;

	*ret_more = false;
	if (c->service->manual_clock || clock_is_suspect(c) || !sched_ready(c))
		return ST_OK;
	commit_writable(c, &refusal);
	if (refusal.result != LEDGER_OK)
		return ST_OK;
	enum status st = sched_run(c, commit_now_us(c), SCHED_CHUNK, ret_more);
	return st == ST_FULL ? ST_OK : st;
}

static enum status
wait_time(struct commit *c, bool more, int64_t *ret_us)
{
	int64_t at_us;

	bool full = c->no_space || c->undone;

	*ret_us = 0;
	if (more && !full)
		return ST_OK;
	*ret_us = full ? DISK_RETRY_US : sched_ready(c) ? US_PER_SECOND : CALENDAR_WAIT_US;
	if (c->service->manual_clock || c->clock_suspect || full || !sched_ready(c))
		return ST_OK;
	enum status st = sched_next_us(c, &at_us);
	if (st != ST_OK)
		return st;
	int64_t left = at_us == INSTANT_NEVER ? US_PER_SECOND : at_us - commit_now_us(c);
	if (left < US_PER_SECOND)
		*ret_us = left < 1000 ? 1000 : left;
	return ST_OK;
}

/* Nothing more is taken; what is here and unanswered ends with the process, and its clients learn UNKNOWN. */
static void
give_up(struct commit *c, enum status st)
{
	struct service *s = c->service;

	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_mutex_unlock(&c->lock);
	atomic_store(&s->failed, true);
	log_event(s->log, LOG_LEVEL_ERROR, "commit.failed", "why", status_str(st), "remedy", "restart fealtyd: it verifies the tail and replays",
	    NULL);
	if (s->params.on_fatal != NULL)
		s->params.on_fatal(s->params.fatal_ctx);
}

/* What comes while a chunk of the night is decided shares its flush: a command waits for the flush that it finds running, and its own. */
static void *
run(void *arg)
{
	struct commit *c = arg;
	enum status st = ST_OK;
	bool more = false;

	(void)pthread_setname_np(pthread_self(), "commit");
	for (;;) {
		int64_t wait_us;
		bool stopping;
		st = wait_time(c, more, &wait_us);
		if (st != ST_OK)
			break;
		bool works = queue_wait(c, wait_us, &stopping);
		if (!works && stopping)
			break;
		if (!works && !c->unflushed && checkpoint_due(c))
			st = checkpoint_alone(c);
		if (st == ST_OK && !works && cosign_waits(c))
			st = cosign_alone(c);
		if (st == ST_OK && keeper_waits(c))
			st = keeper_finish(c);
		if (st != ST_OK)
			break;
		c->step_us = clock_monotonic_us();
		look_for_space(c);
		st = run_due(c, &more);
		if (st == ST_OK)
			st = run_queue(c);
		if (st == ST_OK)
			st = c->broken;
		if (st != ST_OK)
			break;
	}
	if (st == ST_OK && !c->unflushed && apply_tree(c->apply)->size > c->checkpoint.head.size)
		st = checkpoint_alone(c);
	if (st != ST_OK)
		give_up(c, st);
	return NULL;
}

/* ---- life ---- */

static void
judge_clock_at_start(struct commit *c)
{
	struct service *s = c->service;

	clock_rebase(c);
	if (s->manual_clock || c->base_real_us - apply_head(c->apply)->committed_at_us <= CLOCK_AHEAD_START_US)
		return;
	c->clock_suspect = c->clock_far_ahead = true;
	log_event(s->log, LOG_LEVEL_ERROR, "clock.far_ahead", "remedy",
	    "the clock is over 7 days after the last transaction; set it right, or run `fealty admin clock accept`", NULL);
}

enum status
commit_new(struct service *s, struct commit **ret_commit)
{
	struct commit *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (c == NULL)
		return ST_NOMEM;
	c->service = s;
	c->apply = s->apply;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	arena_init(&c->arena, ARENA_BYTES_MAX);
	buf_init(&c->scratch);
	buf_init(&c->reply);
	c->clock_us = apply_head(s->apply)->clock_us;
	c->due_pending = s->manual_clock;
	pace_init(&c->pace);
	judge_clock_at_start(c);
	enum status st = cosigner_new(c);
	if (st == ST_OK)
		st = sched_new(c);
	if (st != ST_OK) {
		commit_free(c);
		return st;
	}
	c->checkpoint = c->checkpoint_next = s->checkpoint;
	show_head(c);
	*ret_commit = c;
	return ST_OK;
}

enum status
commit_start(struct commit *c)
{
	if (pthread_create(&c->thread, NULL, run, c) != 0)
		return ST_NOMEM;
	c->started = true;
	return ST_OK;
}

void
commit_drain(struct commit *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (c->started)
		pthread_join(c->thread, NULL);
	c->started = false;
}

void
commit_free(struct commit *c)
{
	if (c == NULL)
		return;
	assert(!c->started);
	queue_free(c);
	for (struct work *w = c->active, *next; w != NULL; w = next) {
		next = w->next_active;
		work_free(w);
	}
	sched_free(c);
	cosigner_free(c);
	buf_release(&c->scratch);
	buf_release(&c->reply);
	sodium_memzero(&c->profile, sizeof(c->profile));
	sodium_memzero(&c->merged, sizeof(c->merged));
	arena_release(&c->arena);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
