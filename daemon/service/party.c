/**
 * Two kinds of locks, taken in this order: the table's, for opening, closing, new rules and the sweep; and one of each party, for its tokens and
 * rules.  What a command costs is that of its party, for as long as it takes to compare some numbers; by the UNIX socket, without a row of limits,
 * none at all.
 *
 * Invariant: a party is freed only by a thread that holds the table's lock and sees no connection and nothing in flight.  New works come from
 * connections alone, and the last thing that happens to a work's party is party_answered(), so nobody has such a party in hand.
 */
#include "service/party.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/access.h"
#include "service/bucket.h"

#define BUCKETS 4096u

struct party {
	struct party *next;
	enum party_kind kind;
	unsigned connections;			/* the table's lock guards it */
	atomic_uint_fast32_t in_flight, subscriptions;
	atomic_bool is_bound;
	atomic_bool free_locally;		/* by the UNIX socket nothing is counted */
	struct fair_flow flow;			/* the commit thread's lock guards it */
	pthread_mutex_t mutex;			/* of the rest */
	struct bucket commands, bytes;
	struct limits limits[2];		/* by TCP; and by the UNIX socket */
	const struct access_row *row;		/* NULL: none */
	struct net_share *shares;		/* of each loop, whose thread alone looks at it */
	char name[];
};

struct parties {
	struct limits limits;
	unsigned n_loops;
	pthread_mutex_t mutex;			/* of the rest */
	struct access *access;			/* NULL: there is no file */
	size_t n;
	struct party *buckets[BUCKETS];
};

/* ---- rules ---- */

/* A limit of a party's kind, by that of principals. */
static enum limit
its(const struct party *a, enum limit limit)
{
	int offset = a->kind == PARTY_ADDRESS ? (int)LIMIT_ADDRESS_CONNECTIONS - (int)LIMIT_PRINCIPAL_CONNECTIONS : 0;

	return (enum limit)((int)limit + offset);
}

static uint32_t
value(const struct party *a, bool local, enum limit limit)
{
	return a->limits[local].of[its(a, limit)];
}

/* Both locks are held, or nobody else knows the party yet. */
static void
set_rules(struct parties *parties, struct party *a)
{
	bool is_backend = a->kind == PARTY_PRINCIPAL && strncmp(a->name, "backend/", 8) == 0;

	a->row = parties->access == NULL || a->kind == PARTY_ADDRESS ? NULL : access_find(parties->access, a->name);
	a->limits[0] = parties->limits;
	a->limits[1] = limits_local(&parties->limits);
	if (a->row != NULL) {
		access_apply(a->row, &a->limits[0]);
		access_apply(a->row, &a->limits[1]);
	}
	bool named = a->row != NULL && a->row->has_programs && !a->row->all_programs;
	atomic_store(&a->is_bound, named || (parties->access != NULL && is_backend && a->row == NULL));
	bool is_free = true;
	for (enum limit l = LIMIT_PRINCIPAL_IN_FLIGHT; l <= LIMIT_PRINCIPAL_BYTES_BURST; l++)
		is_free &= value(a, true, l) == LIMIT_NONE;
	atomic_store(&a->free_locally, is_free);
}

static void
rate_of(const struct party *a, bool local, enum limit limit, uint32_t *ret_rate, uint32_t *ret_burst)
{
	*ret_rate = value(a, local, limit);
	*ret_burst = value(a, local, limit + 1);
}

static bool
is_rested(struct party *a, int64_t now_us)
{
	bool rested = true;
	uint32_t rate, burst;

	for (int local = 0; local < 2; local++) {
		rate_of(a, local == 1, LIMIT_PRINCIPAL_COMMANDS_PER_SECOND, &rate, &burst);
		rested &= rate == LIMIT_NONE || bucket_is_full(&a->commands, rate, burst, now_us);
		rate_of(a, local == 1, LIMIT_PRINCIPAL_BYTES_PER_SECOND, &rate, &burst);
		rested &= rate == LIMIT_NONE || bucket_is_full(&a->bytes, rate, burst, now_us);
	}
	return rested;
}

/* ---- the table ---- */

static struct party **
bucket_of(struct parties *parties, enum party_kind kind, const char *name)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind;	/* FNV-1a */

	for (const char *p = name; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &parties->buckets[h % BUCKETS];
}

static void
remove_if_idle(struct parties *parties, struct party **place, int64_t now_us)
{
	struct party *a = *place;

	if (a->connections > 0 || atomic_load(&a->in_flight) > 0 || !is_rested(a, now_us))
		return;
	assert(atomic_load(&a->subscriptions) == 0);
	*place = a->next;
	parties->n--;
	pthread_mutex_destroy(&a->mutex);
	free(a->shares);
	free(a);
}

void
parties_set_loops(struct parties *parties, unsigned n_loops)
{
	parties->n_loops = n_loops;
}

enum status
parties_new(const struct limits *limits, struct access *access, struct parties **ret_parties)
{
	struct parties *parties = calloc(1, sizeof(*parties));

	if (parties == NULL)
		return ST_NOMEM;
	parties->limits = *limits;
	parties->access = access;
	parties->n_loops = 1;
	pthread_mutex_init(&parties->mutex, NULL);
	*ret_parties = parties;
	return ST_OK;
}

void
parties_set_access(struct parties *parties, struct access *access)
{
	pthread_mutex_lock(&parties->mutex);
	struct access *old = parties->access;
	parties->access = access;
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct party *a = parties->buckets[i]; a != NULL; a = a->next) {
			pthread_mutex_lock(&a->mutex);
			set_rules(parties, a);
			pthread_mutex_unlock(&a->mutex);
		}
	}
	pthread_mutex_unlock(&parties->mutex);
	access_free(old);
}

void
parties_sweep(struct parties *parties, int64_t now_us)
{
	pthread_mutex_lock(&parties->mutex);
	for (unsigned i = 0; i < BUCKETS && parties->n > 0; i++) {
		struct party **p = &parties->buckets[i];
		while (*p != NULL) {
			struct party *a = *p;
			remove_if_idle(parties, p, now_us);
			if (*p == a)
				p = &a->next;
		}
	}
	pthread_mutex_unlock(&parties->mutex);
}

void
parties_free(struct parties *parties)
{
	if (parties == NULL)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct party *a = parties->buckets[i], *next; a != NULL; a = next) {
			next = a->next;
			assert(a->connections == 0 && atomic_load(&a->in_flight) == 0);
			pthread_mutex_destroy(&a->mutex);
			free(a->shares);
			free(a);
		}
	}
	access_free(parties->access);
	pthread_mutex_destroy(&parties->mutex);
	free(parties);
}

size_t
parties_count(struct parties *parties)
{
	pthread_mutex_lock(&parties->mutex);
	size_t n = parties->n;
	pthread_mutex_unlock(&parties->mutex);
	return n;
}

static struct party *
add(struct parties *parties, struct party **bucket, enum party_kind kind, const char *name, int64_t now_us)
{
	size_t len = strlen(name) + 1;
	struct party *a = calloc(1, sizeof(*a) + len);

	if (a != NULL)
		a->shares = calloc(parties->n_loops, sizeof(*a->shares));
	if (a == NULL || a->shares == NULL) {
		free(a);
		return NULL;
	}
	a->kind = kind;
	memcpy(a->name, name, len);
	pthread_mutex_init(&a->mutex, NULL);
	set_rules(parties, a);
	a->commands = bucket_full_of(value(a, false, LIMIT_PRINCIPAL_COMMANDS_BURST), now_us);
	a->bytes = bucket_full_of(value(a, false, LIMIT_PRINCIPAL_BYTES_BURST), now_us);
	a->next = *bucket;
	*bucket = a;
	parties->n++;
	return a;
}

static enum status
open_locked(struct parties *parties, enum party_kind kind, const char *name, bool local, int64_t now_us, struct party **ret_party)
{
	struct party **bucket = bucket_of(parties, kind, name), *a = *bucket;

	while (a != NULL && (a->kind != kind || strcmp(a->name, name) != 0))
		a = a->next;
	if (a == NULL)
		a = add(parties, bucket, kind, name, now_us);
	if (a == NULL)
		return ST_NOMEM;
	if (kind == PARTY_PRINCIPAL && a->connections >= value(a, local, LIMIT_PRINCIPAL_CONNECTIONS))
		return ST_FULL;
	a->connections++;
	*ret_party = a;
	return ST_OK;
}

enum status
parties_open(struct parties *parties, enum party_kind kind, const char *name, bool local, int64_t now_us, struct party **ret_party)
{
	pthread_mutex_lock(&parties->mutex);
	enum status st = open_locked(parties, kind, name, local, now_us, ret_party);
	pthread_mutex_unlock(&parties->mutex);
	return st;
}

void
parties_close(struct parties *parties, struct party *a, int64_t now_us)
{
	pthread_mutex_lock(&parties->mutex);
	struct party **p = bucket_of(parties, a->kind, a->name);
	while (*p != a)
		p = &(*p)->next;
	assert(a->connections > 0);
	a->connections--;
	remove_if_idle(parties, p, now_us);
	pthread_mutex_unlock(&parties->mutex);
}

/* ---- counting ---- */

struct net_share *
party_share(struct party *a, unsigned loop)
{
	return &a->shares[loop];
}

uint32_t
party_limit(struct party *a, bool local, enum limit limit)
{
	pthread_mutex_lock(&a->mutex);
	uint32_t v = a->limits[local].of[limit];
	pthread_mutex_unlock(&a->mutex);
	return v;
}

/* Whether there is a token; the lock is held. */
static bool
has_token(struct party *a, bool local, struct bucket *bucket, enum limit limit, int64_t now_us, struct charge *ret)
{
	uint32_t rate, burst;

	rate_of(a, local, limit, &rate, &burst);
	if (rate == LIMIT_NONE)
		return true;
	int64_t wait_us = bucket_wait_us(bucket, rate, burst, now_us);
	if (wait_us > 0)
		*ret = (struct charge){ its(a, limit), wait_us };
	return wait_us == 0;
}

bool
party_is_free_locally(struct party *a)
{
	return atomic_load_explicit(&a->free_locally, memory_order_relaxed);
}

bool
party_charge(struct party *a, bool local, uint32_t bytes, int64_t now_us, struct charge *ret_charge)
{
	if (a == NULL || (local && party_is_free_locally(a)))
		return true;
	pthread_mutex_lock(&a->mutex);
	bool has = has_token(a, local, &a->commands, LIMIT_PRINCIPAL_COMMANDS_PER_SECOND, now_us, ret_charge) &&
	    has_token(a, local, &a->bytes, LIMIT_PRINCIPAL_BYTES_PER_SECOND, now_us, ret_charge);
	if (has) {
		bucket_take(&a->commands, 1);
		bucket_take(&a->bytes, bytes);
	}
	pthread_mutex_unlock(&a->mutex);
	return has;
}

void
party_charge_more(struct party *a, bool local, uint32_t commands)
{
	if (a == NULL || commands == 0 || (local && party_is_free_locally(a)))
		return;
	pthread_mutex_lock(&a->mutex);
	bucket_take(&a->commands, commands);
	pthread_mutex_unlock(&a->mutex);
}

/* Counts ${n} more in ${count}, unless that is more than the limit. */
static bool
count_more(struct party *a, bool local, atomic_uint_fast32_t *count, uint32_t n, bool any_first, enum limit limit, enum limit *ret_limit)
{
	uint_fast32_t before = atomic_fetch_add(count, n);

	if (local && party_is_free_locally(a))
		return true;
	if (before + n <= party_limit(a, local, its(a, limit)) || (any_first && before == 0))
		return true;
	atomic_fetch_sub(count, n);
	*ret_limit = its(a, limit);
	return false;
}

bool
party_send(struct party *a, bool local, uint32_t n, enum limit *ret_limit)
{
	return a == NULL || count_more(a, local, &a->in_flight, n, true, LIMIT_PRINCIPAL_IN_FLIGHT, ret_limit);
}

void
party_answered(struct party *a, uint32_t n)
{
	if (a != NULL)
		atomic_fetch_sub(&a->in_flight, n);
}

bool
party_subscribe(struct party *a, bool local, enum limit *ret_limit)
{
	return a == NULL || count_more(a, local, &a->subscriptions, 1, false, LIMIT_PRINCIPAL_SUBSCRIPTIONS, ret_limit);
}

void
party_unsubscribe(struct party *a)
{
	if (a != NULL)
		atomic_fetch_sub(&a->subscriptions, 1);
}

/* ---- programs ---- */

bool
party_is_bound(struct party *a)
{
	return atomic_load_explicit(&a->is_bound, memory_order_relaxed);
}

bool
party_may(struct party *a, const char *program)
{
	if (!party_is_bound(a))
		return true;
	pthread_mutex_lock(&a->mutex);
	bool may = !party_is_bound(a) || (a->row != NULL && access_has_program(a->row, program));
	pthread_mutex_unlock(&a->mutex);
	return may;
}

struct fair_flow *
party_flow(struct party *a)
{
	return &a->flow;
}
