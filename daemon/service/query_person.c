/*
 * The reads `person`, what the vault keeps of one, and `vault`, its epochs.  The latter may ask for a turn, which is no command: the ledger says the same
 * after it.
 */
#include "service/keeper.h"
#include "service/query.h"

enum status
query_person(struct query *q, struct buf *out)
{
	struct loop_context *loop = q->loop;
	struct profile *p = arena_alloc(&loop->arena, sizeof(*p));
	struct reply_person person = { 0 };
	struct reply reply = { .has_member = true, .member_no = q->member, .seq = q->size - 1, .as_of_us = q->now_us, .person = &person };

	if (p == NULL)
		return ST_NOMEM;
	enum status st = vault_read(loop->service->vault, loop->vault, q->program, q->member, &loop->arena, p);
	if (st == ST_OK)
		person = (struct reply_person){
			.n_dates = p->n_dates, .dates = p->dates,
			.n_aliases = p->n_aliases, .aliases = p->aliases,
			.n_segments = p->n_segments, .segments = p->segments,
			.n_absorbed = p->n_absorbed, .absorbed = p->absorbed,
		};
	return st == ST_OK || st == ST_NOTFOUND ? codec_reply_encode(&reply, &loop->arena, out) : st;
}

static size_t
keys_left(const struct epochs *epochs, int64_t days_us, int64_t now_us, struct reply_old_epoch *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < epochs->n_old; i++) {
		const struct epoch_old *old = &epochs->old[i];
		if (old->replaced_us + days_us > now_us)
			ret[n++] = (struct reply_old_epoch){ old->epoch, old->replaced_us, old->replaced_us + days_us };
	}
	return n;
}

enum status
query_vault(struct query *q, struct buf *out)
{
	struct service *s = q->loop->service;
	struct epochs *epochs = arena_alloc(&q->loop->arena, sizeof(*epochs));
	struct reply_old_epoch *old = arena_alloc(&q->loop->arena, EPOCH_KEYS_MAX * sizeof(*old));
	struct keeper_state state;

	if (epochs == NULL || old == NULL)
		return ST_NOMEM;
	if (q->request->turn_epoch)
		keeper_ask(s->keeper);
	enum status st = vault_epochs_read(q->loop->vault, epochs);
	if (st != ST_OK)
		return st;
	keeper_state(s->keeper, &state);
	struct reply_vault vault = {
		.epoch = store_txn_epoch(q->loop->vault), .begun_us = epochs->begun_us, .turns = state.turns, .turning = state.turning,
		.failed = state.failed ? status_str(state.why) : NULL, .old = old,
	};
	vault.n_old = keys_left(epochs, (int64_t)s->params.erasure_days * US_PER_DAY, service_now_us(s), old);
	struct reply reply = { .seq = q->size == 0 ? 0 : q->size - 1, .vault = &vault };
	return codec_reply_encode(&reply, &q->loop->arena, out);
}
