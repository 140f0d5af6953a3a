/*
 * A ledger that goes on from a backup older than what was published.  `fealty restore` refuses to make one unless an operator accepts the loss, and then
 * leaves that acceptance in the data directory, for the ledger itself to record: the first start makes it an entry, right behind the newest transaction of
 * the backup, before anything else is written.  head.lock keeps the head that is lost until the entry is durable and a checkpoint with it was published,
 * so a crash at any moment leaves a ledger that either has the entry or still refuses to start without its order.
 */
#include <stdio.h>
#include <string.h>

#include "service/commit.h"

static bool
same_head(const struct store_head *a, const struct store_head *b)
{
	return a->size == b->size && memcmp(a->root, b->root, sizeof(a->root)) == 0;
}

/* The transaction right behind what was kept is the record of this very loss. */
static enum status
is_recorded(struct service *s, const struct store_loss *loss, bool *ret_recorded)
{
	struct store_txn *ledger;
	struct transaction t;
	struct arena arena;
	struct entry *e;

	*ret_recorded = false;
	enum status st = store_read(s->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	arena_init(&arena, READ_ARENA_BYTES);
	st = read_entry(ledger, NULL, (struct entry_id){ loss->kept.size, 0 }, &arena, &t, &e);
	if (st == ST_OK)
		*ret_recorded = e->op == OP_RESTORE && e->u.restore.lost_size == loss->lost.size &&
		    bytes_equal(e->u.restore.lost_root, bytes_of(loss->lost.root, SHA256_BYTES));
	arena_release(&arena);
	store_abort(ledger);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum status
loss_judge(struct service *s, uint64_t size, bool *ret_accepted)
{
	struct store_loss loss;
	uint8_t root[SHA256_BYTES];
	bool recorded = false;

	*ret_accepted = false;
	enum status st = store_loss_read(s->store, &loss);
	if (st != ST_OK)
		return st == ST_NOTFOUND || st == ST_CORRUPT ? ST_OK : st;
	if ((s->published.size > 0 && !same_head(&loss.lost, &s->published)) || loss.kept.size > size)
		return ST_OK;
	st = apply_root_at(s->apply, loss.kept.size, root);
	if (st == ST_OK && memcmp(root, loss.kept.root, sizeof(root)) == 0) {
		if (loss.kept.size < size)
			st = is_recorded(s, &loss, &recorded);
		*ret_accepted = st == ST_OK && (loss.kept.size == size || recorded);
	}
	if (!*ret_accepted)
		return st;
	s->loss = loss;
	s->loss_open = true;
	s->loss_recorded = recorded;
	s->published = loss.kept;
	return ST_OK;
}

enum status
loss_record(struct commit *c, char *ret_message)
{
	struct service *s = c->service;
	struct entry entry = { .op = OP_RESTORE, .principal = s->loss.principal, .engine = LEDGER_ENGINE, .business_date = DAY_NONE, .birthday = DAY_NONE };
	struct entry_id id;
	struct entry *stored;

	if (!s->loss_open || s->loss_recorded)
		return ST_OK;
	entry.u.restore.lost_size = s->loss.lost.size;
	entry.u.restore.lost_root = bytes_of(s->loss.lost.root, SHA256_BYTES);
	entry.u.restore.reason = s->loss.reason;
	enum status st = tx_begin_unvouched(c);
	if (st == ST_OK)
		st = tx_add(c, &entry, 0, &id, &stored);
	if (st == ST_OK)
		st = commit_flush(c);
	if (st == ST_FULL)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "The restore is not recorded, and nothing was changed: the ledger's disk is full.");
	if (st != ST_OK)
		return st;
	s->loss_recorded = true;
	log_event(s->log, LOG_LEVEL_WARNING, "ledger.loss_recorded", "seq", LOG_N(id.seq), "lost_size", LOG_N(s->loss.lost.size), "by", s->loss.principal,
	    "reason", s->loss.reason, NULL);
	return ST_OK;
}

void
loss_published(struct service *s)
{
	if (!s->loss_open)
		return;
	s->loss_open = false;
	enum status st = store_loss_remove(s->store);
	if (st != ST_OK)
		log_event(s->log, LOG_LEVEL_WARNING, "ledger.loss_file_stays", "why", status_str(st), NULL);
}
