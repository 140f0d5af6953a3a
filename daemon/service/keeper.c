/**
 * IDLE -> COPYING (the thread) -> READY (the commit thread is waited for) -> SETTLING (readers leave the old vault) -> IDLE.
 *
 * The number of the next epoch is above that of every key file, so that a turn that was cut short, by a crash or on another copy of the data, never meets
 * a key of its own number.  No key at or above the vault's epoch is ever destroyed: beside an older copy of the data directory it may be the key of the
 * newer one.  A key file below it that the vault does not know, of a turn that was cut short or out of a backup, ages from the next turn on.
 */
#include "service/keeper.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "service/vault_row.h"

#define RETRY_US (INT64_C(600) * US_PER_SECOND)
#define HOUR_US (INT64_C(3600) * US_PER_SECOND)
#define SETTLE_POLL_US (INT64_C(5) * 1000)
#define NIGHT_BEGINS_S 3600
#define NIGHT_ENDS_S (5 * 3600)

enum state { STATE_IDLE, STATE_COPYING, STATE_READY, STATE_SETTLING };

struct keeper {
	struct service *service;
	pthread_t thread;
	bool running;				/* the main thread's: there is one to join */
	atomic_bool stop, asked, ended;
	atomic_bool lost;			/* which vault is in use is not known: the process is about to end, and no other turn begins */
	_Atomic enum state state;		/* set under the lock */
	pthread_mutex_t lock;			/* guards what follows but the last lines */
	pthread_cond_t changed;
	struct vault_copy *copy;
	struct keeper_state shown;
	/* main thread's */
	struct epochs epochs;			/* what the vault in use knows; old ones whose files are gone are left out */
	struct epochs next;
	int64_t retry_at_us;			/* monotonic */
};

static void
set_state(struct keeper *k, enum state state)
{
	pthread_mutex_lock(&k->lock);
	assert(state == (atomic_load(&k->state) + 1) % (STATE_SETTLING + 1) || state == STATE_IDLE);
	atomic_store(&k->state, state);
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

/* ---- what is known of epochs ---- */

static enum status
load_epochs(struct keeper *k)
{
	struct store_txn *txn;

	enum status st = store_read(k->service->store, STORE_VAULT, &txn);
	if (st != ST_OK)
		return st;
	st = vault_epochs_read(txn, &k->epochs);
	store_abort(txn);
	return st;
}

static int64_t
replaced_us(const struct epochs *e, uint64_t epoch, int64_t now_us)
{
	for (size_t i = 0; i < e->n_old; i++)
		if (e->old[i].epoch == epoch)
			return e->old[i].replaced_us;
	return now_us;
}

/* What the next vault is to know, and its number. */
static enum status
plan(struct keeper *k, uint64_t *ret_epoch)
{
	struct service *s = k->service;
	uint64_t *files = calloc(EPOCH_KEYS_MAX, sizeof(*files)), current = store_vault_epoch(s->store);
	int64_t now_us = service_now_us(s);
	size_t n;

	if (files == NULL)
		return ST_NOMEM;
	enum status st = epoch_key_list(s->params.keys_path, files, &n);
	k->next.begun_us = now_us;
	k->next.n_old = 0;
	for (size_t i = 0; st == ST_OK && i < n; i++)
		k->next.old[k->next.n_old++] = (struct epoch_old){ files[i], replaced_us(&k->epochs, files[i], now_us) };
	*ret_epoch = (n > 0 && files[n - 1] > current ? files[n - 1] : current) + 1;
	free(files);
	if (st == ST_OK && n == EPOCH_KEYS_MAX)
		st = ST_FULL;
	return st;
}

/* ---- old keys ---- */

static void
destroy_old(struct keeper *k)
{
	struct service *s = k->service;
	int64_t limit_us = service_now_us(s) - (int64_t)s->params.erasure_days * US_PER_DAY;
	uint64_t current = store_vault_epoch(s->store);
	size_t kept = 0;

	for (size_t i = 0; i < k->epochs.n_old; i++) {
		struct epoch_old *old = &k->epochs.old[i];
		if (old->replaced_us > limit_us || old->epoch >= current) {
			k->epochs.old[kept++] = *old;
			continue;
		}
		enum status st = epoch_key_destroy(s->params.keys_path, old->epoch);
		if (st == ST_OK) {
			log_event(s->log, LOG_LEVEL_INFO, "vault.epoch_key_destroyed", "epoch", LOG_N(old->epoch), NULL);
			continue;
		}
		log_event(s->log, LOG_LEVEL_ERROR, "vault.epoch_key_stays", "epoch", LOG_N(old->epoch), "why", status_str(st), NULL);
		k->epochs.old[kept++] = *old;
		k->retry_at_us = clock_monotonic_us() + RETRY_US;
	}
	k->epochs.n_old = kept;
}

/* ---- when ---- */

static bool
is_night(const struct service *s, int64_t now_us)
{
	const struct program *first = programs_count(s->programs) == 0 ? NULL : programs_at(s->programs, 1, INT64_MAX);
	int32_t second = first == NULL ? (int32_t)(now_us / US_PER_SECOND % 86400) : zone_second_of_day(&first->zone, now_us);

	return second >= NIGHT_BEGINS_S && second < NIGHT_ENDS_S;
}

static bool
is_due(struct keeper *k)
{
	const struct service *s = k->service;
	int64_t now_us = service_now_us(s);

	if (atomic_load(&k->asked))
		return true;
	if (s->manual_clock || s->params.epoch_hours == 0 || clock_monotonic_us() < k->retry_at_us)
		return false;
	int64_t late_us = now_us - k->epochs.begun_us - (int64_t)s->params.epoch_hours * HOUR_US;
	if (late_us < 0)
		return false;
	bool night = s->params.epoch_hours < 24 || is_night(s, now_us);
	return late_us >= US_PER_DAY || (night && commit_queue_length(s->commit) == 0);
}

/* ---- the thread ---- */

static void
sleep_us(int64_t us)
{
	struct timespec t = { .tv_sec = us / US_PER_SECOND, .tv_nsec = us % US_PER_SECOND * 1000 };

	nanosleep(&t, NULL);
}

/* Hands the copy to the commit thread; false: it was told to stop before that took it. */
static bool
hand_over(struct keeper *k)
{
	set_state(k, STATE_READY);
	commit_wake(k->service->commit);
	pthread_mutex_lock(&k->lock);
	while (atomic_load(&k->state) == STATE_READY && !atomic_load(&k->stop))
		pthread_cond_wait(&k->changed, &k->lock);
	bool taken = atomic_load(&k->state) == STATE_SETTLING;
	pthread_mutex_unlock(&k->lock);
	return taken;
}

static void
say_turned(struct keeper *k)
{
	struct service *s = k->service;
	struct vault_copied r;

	vault_copy_result(k->copy, &r);
	log_event(s->log, LOG_LEVEL_INFO, "vault.epoch_turned", "epoch", LOG_N(store_vault_epoch(s->store)), "members", LOG_N(r.persons),
	    "aliases", LOG_N(r.aliases), "again", LOG_N(r.again), "rest", LOG_N(r.rest), "copied_ms", LOG_N(r.copied_us / 1000),
	    "stopped_us", LOG_N(r.stopped_us), NULL);
	pthread_mutex_lock(&k->lock);
	k->shown.turns++;
	k->shown.newest = r;
	pthread_mutex_unlock(&k->lock);
}

/* The old vault is gone from the disk when its last reader has left it. */
static void
settle(struct keeper *k)
{
	enum status st;

	say_turned(k);
	while ((st = vault_copy_settle(k->copy)) == ST_BUSY && !atomic_load(&k->stop))
		sleep_us(SETTLE_POLL_US);
	if (st != ST_OK && st != ST_BUSY)
		log_event(k->service->log, LOG_LEVEL_ERROR, "vault.old_file_stays", "why", status_str(st), "remedy", "the next start removes it", NULL);
}

static void *
turn(void *arg)
{
	struct keeper *k = arg;

	(void)pthread_setname_np(pthread_self(), "turn");
	enum status st = vault_copy_run(k->copy, &k->stop);
	if (st == ST_OK && hand_over(k))
		settle(k);
	else if (st == ST_OK)
		st = ST_INTERRUPTED;
	pthread_mutex_lock(&k->lock);
	if (st != ST_OK && !k->shown.failed) {		/* else the commit thread has said why */
		k->shown.failed = true;
		k->shown.why = st;
	}
	pthread_mutex_unlock(&k->lock);
	atomic_store(&k->ended, true);
	return NULL;
}

/* ---- the main thread's ---- */

static void
say_failed(struct keeper *k, enum status why)
{
	if (why != ST_INTERRUPTED)
		log_event(k->service->log, LOG_LEVEL_ERROR, "vault.epoch_failed", "why", status_str(why), "remedy",
		    "the vault is as it was, and what was erased stays under the keys that there are; it is tried again in ten minutes", NULL);
	k->retry_at_us = clock_monotonic_us() + RETRY_US;
}

static void
show(struct keeper *k, bool turning, enum status failed)
{
	pthread_mutex_lock(&k->lock);
	k->shown.turning = turning;
	if (turning || failed != ST_OK) {
		k->shown.failed = failed != ST_OK;
		k->shown.why = failed;
	}
	pthread_mutex_unlock(&k->lock);
}

static void
begin(struct keeper *k)
{
	struct service *s = k->service;
	uint64_t epoch;

	show(k, true, ST_OK);
	atomic_store(&k->asked, false);
	enum status st = plan(k, &epoch);
	if (st == ST_OK)
		st = vault_copy_new(s->vault, s->params.keys_path, epoch, &k->next, &k->copy);
	if (st == ST_OK) {
		set_state(k, STATE_COPYING);
		atomic_store(&k->ended, false);
		k->running = pthread_create(&k->thread, NULL, turn, k) == 0;
		st = k->running ? ST_OK : ST_NOMEM;
	}
	if (st == ST_OK)
		return;
	vault_copy_free(k->copy);
	k->copy = NULL;
	set_state(k, STATE_IDLE);
	show(k, false, st);
	say_failed(k, st);
}

static void
end(struct keeper *k)
{
	pthread_join(k->thread, NULL);
	k->running = false;
	vault_copy_free(k->copy);
	k->copy = NULL;
	set_state(k, STATE_IDLE);
	if (k->shown.failed)
		say_failed(k, k->shown.why);
	enum status st = load_epochs(k);
	if (st != ST_OK)
		say_failed(k, st);
	show(k, false, ST_OK);
}

void
keeper_tick(struct keeper *k)
{
	if (k->running && atomic_load(&k->ended))
		end(k);
	if (k->running || atomic_load(&k->lost))
		return;
	destroy_old(k);
	if (is_due(k))
		begin(k);
}

void
keeper_ask(struct keeper *k)
{
	atomic_store(&k->asked, true);
}

void
keeper_state(struct keeper *k, struct keeper_state *ret)
{
	pthread_mutex_lock(&k->lock);
	*ret = k->shown;
	pthread_mutex_unlock(&k->lock);
	ret->turning |= atomic_load(&k->asked);
}

/* ---- the commit thread's ---- */

bool
keeper_waits(const struct commit *c)
{
	const struct keeper *k = c->service->keeper;

	return k != NULL && atomic_load(&k->state) == STATE_READY && !c->unflushed && vault_idle(c->service->vault);
}

enum status
keeper_finish(struct commit *c)
{
	struct keeper *k = c->service->keeper;
	bool harmless;

	enum status st = vault_copy_finish(k->copy, &harmless);
	if (st == ST_OK) {
		set_state(k, STATE_SETTLING);
		loops_wake(c->service, true);
		return ST_OK;
	}
	pthread_mutex_lock(&k->lock);
	k->shown.failed = true;
	k->shown.why = st;
	pthread_mutex_unlock(&k->lock);
	atomic_store(&k->lost, !harmless);
	set_state(k, STATE_IDLE);
	return harmless ? ST_OK : st;
}

/* ---- life ---- */

enum status
keeper_new(struct service *s, struct keeper **ret_keeper)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ST_NOMEM;
	k->service = s;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, NULL);
	enum status st = vault_epochs_begin(s->vault, service_now_us(s));
	if (st == ST_OK || st == ST_FULL)
		st = load_epochs(k);
	if (st != ST_OK) {
		keeper_free(k);
		return st;
	}
	*ret_keeper = k;
	return ST_OK;
}

void
keeper_free(struct keeper *k)
{
	if (k == NULL)
		return;
	pthread_mutex_lock(&k->lock);
	atomic_store(&k->stop, true);
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	if (k->running)
		pthread_join(k->thread, NULL);
	vault_copy_free(k->copy);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
