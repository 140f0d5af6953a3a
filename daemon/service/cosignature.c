/*
 * What witnesses answered, on its way into the ledger.  It rides along with the next commit; only when there is none does it get one of its
 * own.  So under load it costs no flush.
 *
 * A row is never overwritten: a witness that signs one checkpoint twice, because its first answer was lost, gets the first one kept.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "service/commit.h"
#include "service/witness.h"

#define COSIGNATURES_MAX POLICY_MEMBERS_MAX

struct cosigner {
	atomic_size_t n_waiting;			/* written under the queue's lock, which guards the list */
	struct cosignature waiting[COSIGNATURES_MAX];
	size_t n_writing;				/* the commit thread's: in the ledger's transaction */
	struct cosignature writing[COSIGNATURES_MAX];
};

enum status
cosigner_new(struct commit *c)
{
	if (c->service->witnesses == NULL)
		return ST_OK;
	c->cosigner = calloc(1, sizeof(*c->cosigner));
	return c->cosigner == NULL ? ST_NOMEM : ST_OK;
}

void
cosigner_free(struct commit *c)
{
	free(c->cosigner);
	c->cosigner = NULL;
}

bool
commit_cosign(struct commit *c, const struct cosignature *list, size_t n)
{
	struct cosigner *cosigner = c->cosigner;

	pthread_mutex_lock(&c->lock);
	bool room = n <= COSIGNATURES_MAX - cosigner->n_waiting && !c->stopping;
	if (room) {
		memcpy(cosigner->waiting + cosigner->n_waiting, list, n * sizeof(*list));
		cosigner->n_waiting += n;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	return room;
}

bool
cosign_waits(const struct commit *c)
{
	return c->cosigner != NULL && c->cosigner->n_waiting > 0 && !c->unflushed;
}

static enum status
add(struct store_txn *ledger, const struct cosignature *cosignature)
{
	uint8_t data[COSIGNATURE_KEY_BYTES];
	struct bytes key = bytes_of(data, sizeof(data)), there;

	put_be64(data, cosignature->size);
	memcpy(data + 8, cosignature->key_hash, SHA256_BYTES);
	enum status st = store_get(ledger, TABLE_COSIGNATURE, key, &there);
	if (st != ST_NOTFOUND)
		return st;
	store_add(ledger, TABLE_COSIGNATURE, key, bytes_of(cosignature->line, cosignature->len));
	return ST_OK;
}

enum status
cosign_append(struct commit *c, struct store_txn *ledger)
{
	struct cosigner *cosigner = c->cosigner;
	enum status st = ST_OK;

	if (cosigner == NULL)
		return ST_OK;
	assert(cosigner->n_writing == 0);
	pthread_mutex_lock(&c->lock);
	cosigner->n_writing = cosigner->n_waiting;
	cosigner->n_waiting = 0;
	memcpy(cosigner->writing, cosigner->waiting, cosigner->n_writing * sizeof(*cosigner->writing));
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < cosigner->n_writing && st == ST_OK; i++)
		st = add(ledger, &cosigner->writing[i]);
	return st;
}

void
cosign_done(struct commit *c, bool stored)
{
	struct cosigner *cosigner = c->cosigner;

	if (cosigner == NULL || cosigner->n_writing == 0)
		return;
	if (!stored)
		log_event(c->service->log, LOG_LEVEL_WARNING, "cosignature.disk_full", "dropped", LOG_N(cosigner->n_writing), NULL);
	witnesses_settled(c->service->witnesses, cosigner->writing, cosigner->n_writing, stored);
	cosigner->n_writing = 0;
}

enum status
cosign_alone(struct commit *c)
{
	struct store_txn *ledger;

	assert(c->sealed_first == NULL && !c->is_open);
	enum status st = store_write(c->service->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	st = cosign_append(c, ledger);
	if (st == ST_OK)
		st = store_commit(ledger);
	else
		store_abort(ledger);
	if (st == ST_OK || st == ST_FULL)
		cosign_done(c, st == ST_OK);
	return st == ST_FULL ? ST_OK : st;
}
