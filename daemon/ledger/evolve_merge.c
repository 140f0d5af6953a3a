/*
 * What a merge moves besides points: they go by postings, lot by lot and hold by hold; everything else of the record follows from the
 * two records alone, so it is no fact.  The member that goes keeps its number, its links and nothing else.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

/* Two parts of one hold from a pool become one; false: ${into} has none of it. */
static bool
merge_parts(struct member *into, const struct hold *hold)
{
	const struct hold *there = member_hold(into, hold->id);
	struct hold *mine = there == NULL ? NULL : &into->holds[there - into->holds];

	if (mine != NULL && mine->part && !hold->part) {
		mine->part = false;
		mine->pooled = hold->pooled;
		mine->n_owners = hold->n_owners;
		mine->owners = hold->owners;
	}
	return mine != NULL;
}

/* Before the postings: whether they may, and room for the holds that come, in the order of their ids. */
enum status
merge_holds(const struct member *from, struct member *into, struct arena *arena, bool *ret_ok)
{
	/* A closed member neither goes nor stays: else two that went into each other would be walked for ever by member_became(). */
	*ret_ok = from->standing != STANDING_CLOSED && into->standing != STANDING_CLOSED && from->n_holds + into->n_holds <= LEDGER_HOLDS_MAX;
	for (size_t i = 0; i < from->n_holds && *ret_ok; i++) {
		struct hold hold = from->holds[i];
		size_t at = into->n_holds;

		if (merge_parts(into, &hold))
			continue;

		struct hold *grown = arena_grow(arena, into->holds, &into->cap_holds, into->n_holds + 1, sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		into->holds = grown;
		while (at > 0 && entry_id_compare(grown[at - 1].id, hold.id) > 0)
			at--;
		memmove(grown + at + 1, grown + at, (into->n_holds - at) * sizeof(*grown));
		hold.lots = NULL;
		hold.n_lots = hold.cap_lots = 0;
		grown[at] = hold;
		into->n_holds++;
	}
	return ST_OK;
}

static bool
drop_holds(struct member *from)
{
	for (size_t i = 0; i < from->n_holds; i++) {
		if (from->holds[i].n_lots > 0)
			return false;
	}
	from->n_holds = 0;
	return true;
}

static enum status
merge_rows(const struct member *from, struct member *into, struct arena *arena, bool *ret_ok)
{
	*ret_ok = into->n_tallies + from->n_tallies <= LEDGER_TALLIES_MAX;
	for (size_t i = 0; i < from->n_tallies && *ret_ok; i++) {
		enum status st = tallies_add(&into->tallies, &into->n_tallies, &into->cap_tallies, arena, &from->tallies[i], ret_ok);
		if (st != ST_OK)
			return st;
	}
	for (size_t i = 0; i < from->n_pendings && *ret_ok; i++) {
		enum status st = pendings_add(into, arena, &from->pendings[i], ret_ok);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* Of two words on a purpose the later; of one day the one that says no.  A referral that is not rewarded yet moves to who has none. */
static enum status
merge_people(const struct member *from, struct member *into, struct arena *arena, bool *ret_ok)
{
	*ret_ok = true;
	if (into->referred_by == 0 && from->referred_by != into->number) {
		into->referred_by = from->referred_by;
		into->referral_done = from->referral_done;
	}
	for (size_t i = 0; i < from->n_consents && *ret_ok; i++) {
		const struct consent *theirs = &from->consents[i], *mine = NULL;

		for (size_t k = 0; k < into->n_consents; k++)
			mine = strcmp(into->consents[k].purpose, theirs->purpose) == 0 ? &into->consents[k] : mine;
		if (mine != NULL && (mine->day > theirs->day || (mine->day == theirs->day && !mine->given)))
			continue;
		enum status st = consents_put(into, arena, theirs, ret_ok);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status
merge_rest(struct member *from, struct member *into, struct arena *arena, bool *ret_ok)
{
	*ret_ok = from->available == 0 && from->held == 0 && from->pending == 0 && from->debt == 0 && drop_holds(from) &&
	    checked_add(into->advanced, from->advanced, &into->advanced);
	enum status st = *ret_ok ? metrics_merge(from, into, arena, ret_ok) : ST_OK;
	if (st == ST_OK && *ret_ok)
		st = merge_rows(from, into, arena, ret_ok);
	if (st == ST_OK && *ret_ok)
		st = vouchers_merge(from, into, arena, ret_ok);
	if (st == ST_OK && *ret_ok)
		st = memberships_merge(from, into, arena);
	if (st != ST_OK || !*ret_ok)
		return st;
	from->n_memberships = 0;
	st = merge_people(from, into, arena, ret_ok);
	if (st != ST_OK || !*ret_ok)
		return st;
	into->purchases += from->purchases;
	if (from->birthday_paid > into->birthday_paid)
		into->birthday_paid = from->birthday_paid;
	if (from->standing == STANDING_FROZEN)
		into->standing = STANDING_FROZEN;
	from->n_cards = 0;		/* the entry has them */
	from->n_pendings = from->n_tallies = from->n_days = from->n_counts = 0;
	from->points_earned = from->spend = from->visits = from->advanced = 0;
	from->purchases = 0;
	memset(from->counters, 0, sizeof(from->counters));
	memset(&from->start_base, 0, sizeof(from->start_base));
	from->clock = (struct inactivity_clock){ 0 };
	from->referred_by = 0;
	from->referral_done = from->provisional = false;
	from->n_consents = 0;
	from->standing = STANDING_CLOSED;
	from->merged_into = into->number;
	return ST_OK;
}

/* ---- who is who afterwards ---- */

/* Another's part of a hold from a pool was not made by who has it. */
bool
member_made_hold(const struct ledger_state *state, const struct member *m, struct entry_id id)
{
	const struct hold *hold = member_hold(m, id);
	struct closed_hold closed;
	bool is_its = false;

	if (hold != NULL)
		return !hold->part;
	return state->closed_hold(state->ctx, id, &closed) == ST_OK && closed.program == m->program &&
	    member_became(state, m->program, closed.member, m->number, &is_its) == ST_OK && is_its;
}

bool
entry_named_twice(unsigned n_by_key, struct entry_id by_key, bool has_id, struct entry_id by_id)
{
	return n_by_key > 1 || (n_by_key == 1 && has_id && entry_id_compare(by_key, by_id) != 0);
}

/* A merge's member is closed and merges no more, so the walk ends. */
enum status
member_became(const struct ledger_state *state, uint32_t program, uint64_t was, uint64_t now, bool *ret)
{
	const struct member *m = NULL;

	while (was != now && was != 0) {
		enum status st = state->member(state->ctx, program, was, &m);
		if (st != ST_OK)
			return st;
		was = m == NULL ? 0 : m->merged_into;
	}
	*ret = was == now && now != 0;
	return ST_OK;
}
