/**
 * Opening, ticking, draining, closing.
 *
 * Order of the end: no new connections -> draining (new writes are refused) -> the commit thread empties its queue and stops -> net_stop()
 * sends what is
 * unsent -> state is synced and marked clean.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/access.h"
#include "service/commit.h"
#include "service/keeper.h"
#include "service/scrub.h"
#include "service/session.h"
#include "service/witness.h"

static void
say_damage(const char *data_path, char *ret_message)
{
	char text[STORE_DAMAGE_TEXT_BYTES];
	struct store_damage damage;

	if (store_damage_find(data_path, &damage) != ST_OK || damage.part == STORE_PART_NONE)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "A file of %s is damaged. Restore the data directory from a backup.", data_path);
	else
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "In %s, %s. Restore the data directory from a backup.", data_path,
		    store_damage_format(&damage, text));
}

static enum status
open_store(struct service *s, char *ret_message)
{
	const struct service_params *p = &s->params;
	struct store_params store = { .data_path = p->data_path, .head_lock_path = p->head_lock_path, .low_space_bytes = p->low_space_bytes };

	enum status st = store_open(&store, &s->store);
	if (st == ST_BUSY)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "Another process writes to %s. Only one fealtyd may run on a data directory.", p->data_path);
	else if (st == ST_NOTFOUND)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "%s is not a data directory of fealty. Make one with `fealty init`.", p->data_path);
	else if (st == ST_FORMAT)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "%s was written in another format; this version reads `fealty 2`. One of `fealty 1` has a vault without epochs, in which nobody can be "
		    "erased for good: make a new ledger with `fealty init`.", p->data_path);
	else if (st == ST_CORRUPT)
		say_damage(p->data_path, ret_message);
	else if (st != ST_OK)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "The data directory %s cannot be opened (%s).", p->data_path, status_str(st));
	return st;
}

static enum status
open_keys(struct service *s, char *ret_message)
{
	struct keys_fault fault;

	enum status st = keys_load_with(s->params.keys_path, s->params.credentials_path, &s->keys, &fault);
	const char *where = fault.in_credentials ? s->params.credentials_path : s->params.keys_path;
	if (st == ST_INVALID && fault.in_credentials)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "The credential %s/%s is open to others than root and the daemon's user, or is not a key. LoadCredential= makes it as it must be; the "
		    "file it comes from holds 64 hex digits and a newline.", where, fault.file == NULL ? "" : fault.file);
	else if (st == ST_INVALID)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "The key file %s/%s is readable by others than its owner, or is not a key. Set its mode to 0400 and the "
		    "directory's to 0700.", where, fault.file == NULL ? "" : fault.file);
	else if (st == ST_NOMEM)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "Memory for the keys cannot be locked. Raise the limit on locked memory (ulimit -l, LimitMEMLOCK=).");
	else if (st != ST_OK)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "The keys in %s cannot be read (%s%s%s). `fealty init` makes them; --keys says where they are.",
		    where, fault.file == NULL ? "" : fault.file, fault.file == NULL ? "" : ": ", status_str(st));
	return st;
}

static enum status
open_parties(struct service *s, char *ret_message)
{
	struct limits limits = s->params.limits == NULL ? limits_default() : *s->params.limits;
	struct access *access = NULL;
	char why[ACCESS_WHY_BYTES] = "";

	enum status st = s->params.access_path == NULL ? ST_OK : access_load(s->params.access_path, &access, why);
	if (st == ST_OK)
		st = parties_new(&limits, access, &s->parties);
	if (st == ST_OK)
		return ST_OK;
	if (s->parties == NULL && why[0] == '\0')
		access_free(access);
	snprintf(ret_message, SERVICE_MESSAGE_BYTES, "%.*s", SERVICE_MESSAGE_BYTES - 1, why[0] == '\0' ? "The service could not be started." : why);
	return st;
}

static enum status
open_vault(struct service *s, char *ret_message)
{
	enum status st = vault_new(s->store, s->keys, s->params.keys_path, &s->vault);
	unsigned long long epoch = store_vault_epoch(s->store);

	if (st == ST_NOTFOUND)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "The vault is of epoch %llu, and its key %s/vault.%llu.key is not there: restore the key directory that belongs to this data, or newer data.",
		    epoch, s->params.keys_path, epoch);
	else if (st == ST_INVALID)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "The key file %s/vault.%llu.key is readable by others than its owner, or is not a key. Set its mode to 0400.", s->params.keys_path, epoch);
	else if (st != ST_OK)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "The key of the vault's epoch, %s/vault.%llu.key, cannot be read (%s).", s->params.keys_path,
		    epoch, status_str(st));
	return st;
}

static enum status
open_all(struct service *s, char *ret_message)
{
	enum status st = open_parties(s, ret_message);
	if (st == ST_OK)
		st = open_keys(s, ret_message);
	if (st == ST_OK)
		st = open_store(s, ret_message);
	if (st != ST_OK)
		return st;
	st = open_vault(s, ret_message);
	if (st == ST_OK)
		st = start_recover(s, ret_message);
	if (st != ST_OK)
		return st;
	snprintf(ret_message, SERVICE_MESSAGE_BYTES, "The service could not be started.");
	s->programs = apply_programs(s->apply);
	if (s->params.witnesses_path != NULL) {
		st = witnesses_new(s, &s->witnesses, ret_message);
		if (st != ST_OK)
			return st;
	}
	st = signer_new(s->keys, s->params.sign_threads, &s->signer);
	if (st == ST_OK)
		st = commit_new(s, &s->commit);
	if (st == ST_OK)
		st = loss_record(s->commit, ret_message);
	if (st == ST_OK)
		st = rotate_recover(s->commit, ret_message);
	if (st == ST_OK)
		st = keeper_new(s, &s->keeper);
	return st == ST_OK ? scrub_new(s, &s->scrub) : st;
}

enum status
service_open(const struct service_params *params, struct service **ret_service, char *ret_message)
{
	struct service *s = calloc(1, sizeof(*s));
	int64_t begun_us = clock_monotonic_us();

	ret_message[0] = '\0';
	if (s == NULL)
		return ST_NOMEM;
	s->params = *params;
	s->log = params->log;
	pthread_mutex_init(&s->head_lock, NULL);
	enum status st = open_all(s, ret_message);
	if (st != ST_OK) {
		atomic_store(&s->failed, true);		/* state may be half rebuilt: do not call it clean */
		service_close(s);
		return st;
	}
	s->snapshot_at_us = clock_monotonic_us() + (int64_t)params->snapshot_seconds * US_PER_SECOND;
	s->snapshot_size = service_size(s);
	s->metrics.start_us = (uint64_t)(clock_monotonic_us() - begun_us);
	*ret_service = s;
	return ST_OK;
}

/* ---- loops ---- */

static void
on_wake(struct net_message *message, struct net_loop *loop, struct net_conn *conn)
{
	struct loop_context *context = (struct loop_context *)((char *)message - offsetof(struct loop_context, wake));

	(void)conn;
	atomic_store(&context->wake_posted, false);
	if (context->vault != NULL && store_txn_outdated(context->vault)) {
		store_abort(context->vault);		/* it rests, and would keep the old vault */
		context->vault = NULL;
	}
	subscriptions_pump_all(context, loop);
}

void
loops_wake(struct service *s, bool all)
{
	unsigned n = s->net == NULL ? 0 : net_loop_count(s->net);	/* none yet when a key is recovered */

	for (unsigned i = 0; i < n; i++) {
		struct loop_context *loop = &s->loops[i];
		if ((!all && atomic_load(&loop->subscriptions) == 0) || atomic_exchange(&loop->wake_posted, true))
			continue;
		loop->wake.next = NULL;
		net_post(net_loop_at(s->net, i), &loop->wake, &loop->wake);
	}
}

enum status
service_attach(struct service *s, struct net *net)
{
	unsigned n = net_loop_count(net);

	s->net = net;
	s->loops = calloc(n, sizeof(*s->loops));
	if (s->loops == NULL)
		return ST_NOMEM;
	parties_set_loops(s->parties, n);
	for (unsigned i = 0; i < n; i++) {
		s->loops[i].service = s;
		s->loops[i].wake.run = on_wake;
		arena_init(&s->loops[i].arena, READ_ARENA_BYTES);
		buf_init(&s->loops[i].out);
	}
	enum status st = commit_start(s->commit);
	if (st == ST_OK && s->witnesses != NULL)
		st = witnesses_start(s->witnesses);
	return st == ST_OK ? scrub_start(s->scrub) : st;
}

static void
free_loops(struct service *s)
{
	unsigned n = s->loops == NULL ? 0 : net_loop_count(s->net);

	for (unsigned i = 0; i < n; i++) {
		store_abort(s->loops[i].ledger);
		store_abort(s->loops[i].vault);
		store_abort(s->loops[i].state);
		arena_release(&s->loops[i].arena);
		buf_release(&s->loops[i].out);
	}
	free(s->loops);
}

/* ---- the tick ---- */

/* With witnesses it is for them to say which one is served. */
static void
serve_head(struct service *s)
{
	if (s->witnesses != NULL) {
		witnesses_wake(s->witnesses);
		return;
	}
	enum status st = log_note_serve_public(s);
	if (st != ST_OK)
		log_event(s->log, LOG_LEVEL_ERROR, "checkpoint.not_served", "why", status_str(st), NULL);
}

static void
publish_head(struct service *s)
{
	struct signed_head newest;

	pthread_mutex_lock(&s->head_lock);
	newest = s->checkpoint;
	pthread_mutex_unlock(&s->head_lock);
	if (newest.head.size == 0 || newest.head.size == s->public_checkpoint.head.size)
		return;
	enum status st = newest.head.size <= s->published.size ? ST_OK : store_head_write(s->store, &newest.head);
	if (st != ST_OK) {
		log_event(s->log, LOG_LEVEL_ERROR, "head_lock.failed", "why", status_str(st), NULL);
		return;
	}
	if (newest.head.size > s->published.size) {
		s->published = newest.head;
		loss_published(s);
	}
	pthread_mutex_lock(&s->head_lock);
	s->public_checkpoint = newest;
	pthread_mutex_unlock(&s->head_lock);
	serve_head(s);
}

static void *
snapshot(void *arg)
{
	struct service *s = arg;
	struct store_txn *state;
	uint64_t size = 0;

	(void)pthread_setname_np(pthread_self(), "snapshot");
	enum status st = store_read(s->store, STORE_STATE, &state);
	if (st == ST_OK) {
		st = apply_read_size(state, &size);
		store_abort(state);
	}
	if (st == ST_OK)
		st = store_snapshot_write(s->store, size);
	if (st == ST_OK)
		log_event(s->log, LOG_LEVEL_INFO, "snapshot.written", "size", LOG_N(size), NULL);
	else
		log_event(s->log, LOG_LEVEL_ERROR, "snapshot.failed", "why", status_str(st), NULL);
	atomic_store(&s->snapshot_done, true);
	return NULL;
}

static void
snapshot_join(struct service *s)
{
	if (s->snapshot_running)
		pthread_join(s->snapshot_thread, NULL);
	s->snapshot_running = false;
}

static void
snapshot_maybe(struct service *s)
{
	if (s->snapshot_running && atomic_load(&s->snapshot_done))
		snapshot_join(s);
	if (s->params.snapshot_seconds == 0 || s->snapshot_running || clock_monotonic_us() < s->snapshot_at_us
	    || service_size(s) == s->snapshot_size)
		return;
	s->snapshot_at_us = clock_monotonic_us() + (int64_t)s->params.snapshot_seconds * US_PER_SECOND;
	s->snapshot_size = service_size(s);
	atomic_store(&s->snapshot_done, false);
	if (pthread_create(&s->snapshot_thread, NULL, snapshot, s) == 0)
		s->snapshot_running = true;
}

void
service_tick(struct service *s)
{
	publish_head(s);
	snapshot_maybe(s);
	keeper_tick(s->keeper);
	store_reader_check(s->store);
	parties_sweep(s->parties, clock_monotonic_us());
}

void
service_reload_access(struct service *s)
{
	char why[ACCESS_WHY_BYTES];
	struct access *access;

	if (s->params.access_path == NULL)
		return;
	if (access_load(s->params.access_path, &access, why) != ST_OK) {
		log_event(s->log, LOG_LEVEL_ERROR, "access.not_reloaded", "why", why, "rules", "those of before hold", NULL);
		return;
	}
	parties_set_access(s->parties, access);
	loops_wake(s, false);		/* those that are not allowed any more end now */
	log_event(s->log, LOG_LEVEL_INFO, "access.reloaded", "path", s->params.access_path, NULL);
}

/* ---- the end ---- */

struct goaway { struct net_message message; };

static void
say_goaway(void *ctx, struct net_conn *conn)
{
	struct session *session = net_conn_user(conn);

	(void)ctx;
	if (session != NULL && session->ready)
		session_say_goaway(session, "The server is shutting down.");
}

static void
on_goaway(struct net_message *message, struct net_loop *loop, struct net_conn *conn)
{
	(void)conn;
	net_loop_each(loop, say_goaway, NULL);
	free(message);
}

void
service_drain(struct service *s)
{
	atomic_store(&s->draining, true);
	witnesses_stop(s->witnesses);
	scrub_stop(s->scrub);
	for (unsigned i = 0; s->net != NULL && i < net_loop_count(s->net); i++) {
		struct goaway *g = calloc(1, sizeof(*g));
		if (g == NULL)
			continue;
		g->message.run = on_goaway;
		net_post(net_loop_at(s->net, i), &g->message, &g->message);
	}
	commit_drain(s->commit);
}

void
service_close(struct service *s)
{
	if (s == NULL)
		return;
	witnesses_stop(s->witnesses);
	if (s->commit != NULL)
		commit_drain(s->commit);
	snapshot_join(s);
	scrub_free(s->scrub);
	keeper_free(s->keeper);
	bool clean = !atomic_load(&s->failed);
	if (clean)
		publish_head(s);
	signer_free(s->signer);		/* first: after a failure it may still sign what is in the commit thread's memory */
	commit_free(s->commit);
	witnesses_free(s->witnesses);
	free_loops(s);
	parties_free(s->parties);
	apply_free(s->apply);
	vault_free(s->vault);
	store_close(s->store, clean);
	keys_free(s->keys);
	pthread_mutex_destroy(&s->head_lock);
	free(s);
}

const char *
service_origin(const struct service *s)
{
	return s->origin;
}

uint64_t
service_size(const struct service *s)
{
	return atomic_load(&s->size);
}

int64_t
service_now_us(const struct service *s)
{
	int64_t newest = atomic_load(&s->now_us);

	if (s->manual_clock)
		return newest;
	int64_t now = s->params.clock.now_us(s->params.clock.ctx);
	return now > newest ? now : newest;
}
