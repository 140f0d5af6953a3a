/*
 * Workers take leaves by small runs from one counter, and so does whoever waits, so all cores are busy to the last run: a signature is a run
 * of its own, since whoever waits for the last one waits for a whole run.  Each keeps the earliest leaf that fails for itself; the earliest of
 * all is the verdict, whatever the order of the threads was.
 */
#include "audit.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define RUN_SIGNATURES 1
#define RUN_HASHES 64
#define ARENA_BYTES ((size_t)64 << 20)

struct worker {
	struct audit_pool *pool;
	pthread_t thread;
	struct arena arena;
	struct audit_verdict verdict;
	bool nomem;
};

struct audit_pool {
	pthread_mutex_t mutex;
	pthread_cond_t work, idle;
	uint64_t round;			/* of chunks; a worker looks for a new one */
	unsigned busy;			/* workers that have not finished the round */
	bool stop;

	struct audit_work now;
	struct key_history keys;
	size_t run_leaves;
	atomic_size_t next;

	unsigned n_workers;		/* workers[0] is the caller of audit_pool_finish() */
	struct worker *workers;
};

enum status
audit_verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_TRANSACTION_TYPE, transaction, signature);
}

enum status
audit_verify_approval(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes body, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_APPROVAL_TYPE, body, signature);
}

/* Entries are the replay's to read; here only those of a transaction that rotates a key are, which shows by its second signature. */
static const char *
verify(struct worker *w, uint64_t seq, const struct signed_transaction *s)
{
	enum replay_fault fault = REPLAY_OK;
	struct transaction t = { .n_entries = 0 };
	enum status st = ST_OK;

	if (s->second_signature.len > 0) {
		arena_reset(&w->arena);
		st = codec_transaction_decode(s->transaction, &w->arena, &t);
	}
	if (st == ST_CORRUPT)
		return replay_fault_str(REPLAY_UNREADABLE);
	if (st == ST_OK)
		st = apply_check_signatures(&w->pool->keys, seq, s, &t, audit_verify, &fault);
	w->nomem |= st != ST_OK;
	return fault == REPLAY_OK ? NULL : replay_fault_str(fault);
}

static const char *
link_up(struct bytes leaf, const struct signed_transaction *s, struct audit_link *ret_link)
{
	if (codec_transaction_head(s->transaction, &ret_link->head) != ST_OK)
		return replay_fault_str(REPLAY_UNREADABLE);
	merkle_leaf_hash(leaf, ret_link->leaf);
	hash_sha256(ret_link->transaction, &s->transaction, 1);
	ret_link->rotates = s->second_signature.len > 0;
	return NULL;
}

static const char *
work(struct worker *w, size_t i)
{
	const struct audit_work *now = &w->pool->now;
	struct signed_transaction s;
	const char *text = NULL;

	if (codec_signed_decode(now->leaves[i], &s) != ST_OK)
		return "it is not a signed transaction";
	if (now->keys != NULL)
		text = verify(w, now->first_seq + i, &s);
	if (text == NULL && now->links != NULL)
		text = link_up(now->leaves[i], &s, &now->links[i]);
	return text;
}

static void
run_all(struct worker *w)
{
	struct audit_pool *pool = w->pool;
	size_t at, run = pool->run_leaves;

	while ((at = atomic_fetch_add(&pool->next, run)) < pool->now.n) {
		size_t end = at + run < pool->now.n ? at + run : pool->now.n;
		for (size_t i = at; i < end; i++) {
			const char *text = work(w, i);
			if (text != NULL && (w->verdict.text == NULL || pool->now.first_seq + i < w->verdict.seq))
				w->verdict = (struct audit_verdict){ pool->now.first_seq + i, text };
		}
	}
}

static void *
worker_main(void *ctx)
{
	struct worker *w = ctx;
	struct audit_pool *pool = w->pool;
	uint64_t seen = 0;

	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		while (!pool->stop && pool->round == seen)
			pthread_cond_wait(&pool->work, &pool->mutex);
		if (pool->stop)
			break;
		seen = pool->round;
		pthread_mutex_unlock(&pool->mutex);
		run_all(w);
		pthread_mutex_lock(&pool->mutex);
		if (--pool->busy == 0)
			pthread_cond_signal(&pool->idle);
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

enum status
audit_pool_new(unsigned threads, struct audit_pool **ret_pool)
{
	assert(threads > 0);
	struct audit_pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return ST_NOMEM;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->idle, NULL);
	pool->workers = calloc(threads, sizeof(*pool->workers));
	for (unsigned i = 0; pool->workers != NULL && i < threads; i++) {
		struct worker *w = &pool->workers[i];
		w->pool = pool;
		arena_init(&w->arena, ARENA_BYTES);
		if (i > 0 && pthread_create(&w->thread, NULL, worker_main, w) != 0)
			break;
		pool->n_workers = i + 1;
	}
	if (pool->n_workers == 0) {
		audit_pool_free(pool);
		return ST_NOMEM;
	}
	*ret_pool = pool;
	return ST_OK;
}

void
audit_pool_free(struct audit_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->mutex);
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (i > 0)
			pthread_join(pool->workers[i].thread, NULL);
		arena_release(&pool->workers[i].arena);
	}
	pthread_cond_destroy(&pool->idle);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->mutex);
	free(pool->workers);
	free(pool);
}

enum status
audit_pool_follow_keys(struct audit_pool *pool, const struct bytes *leaves, size_t n, uint64_t first_seq, struct key_history *keys)
{
	struct arena *arena = &pool->workers[0].arena;
	enum status st = ST_OK;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		arena_reset(arena);
		st = apply_follow_keys(keys, first_seq + i, leaves[i], arena);
	}
	return st;
}

void
audit_pool_start(struct audit_pool *pool, const struct audit_work *todo)
{
	pthread_mutex_lock(&pool->mutex);
	assert(pool->busy == 0);
	pool->now = *todo;
	if (todo->keys != NULL)
		pool->keys = *todo->keys;
	pool->run_leaves = todo->keys != NULL ? RUN_SIGNATURES : RUN_HASHES;
	atomic_store(&pool->next, 0);
	for (unsigned i = 0; i < pool->n_workers; i++)
		pool->workers[i].verdict = (struct audit_verdict){ 0, NULL };
	pool->busy = pool->n_workers - 1;
	pool->round++;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->mutex);
}

enum status
audit_pool_finish(struct audit_pool *pool, struct audit_verdict *ret_verdict)
{
	bool nomem = false;

	run_all(&pool->workers[0]);
	pthread_mutex_lock(&pool->mutex);
	while (pool->busy > 0)
		pthread_cond_wait(&pool->idle, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	*ret_verdict = (struct audit_verdict){ 0, NULL };
	for (unsigned i = 0; i < pool->n_workers; i++) {
		const struct worker *w = &pool->workers[i];
		if (w->verdict.text != NULL && (ret_verdict->text == NULL || w->verdict.seq < ret_verdict->seq))
			*ret_verdict = w->verdict;
		nomem |= w->nomem;
	}
	return nomem ? ST_NOMEM : ST_OK;
}
