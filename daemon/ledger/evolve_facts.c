/*
 * What an entry says besides postings, in a fixed order: the hold's end, tier, metrics, counts, pending points, and what few entries have.
 * Each fact is looked at by itself; that they fit each other is for an audit, which decides again.
 */
#include <string.h>

#include "ledger/evolution.h"
#include "ledger/internal.h"
#include "ledger/terminal.h"

enum status
evolution_fault(struct evolution *e, enum evolve_fault f)
{
	e->fault = f;
	return ST_OK;
}

struct member *
evolution_member(const struct evolution *e, uint64_t number)
{
	for (size_t i = 0; i < e->entry->n_touched; i++) {
		if (e->touched[i]->number == number)
			return e->touched[i];
	}
	return NULL;
}

size_t
evolution_going(const struct entry *entry)
{
	return entry->op == OP_MERGE ? 1 : entry->n_merged;
}

static enum hold_end
hold_end_of(enum op op)
{
	return op == OP_CAPTURE ? HOLD_END_TAKEN : op == OP_RELEASE ? HOLD_END_RELEASED : HOLD_END_TIMED_OUT;
}

static enum status
drop_hold(struct evolution *e, const struct hold *hold, enum hold_end end)
{
	struct closed_hold closed = { .program = e->entry->program, .member = e->m->number, .end = end, .till = hold->till };
	struct entry_id id = hold->id;
	bool part = hold->part;

	hold_remove(e->m, hold);
	return part ? ST_OK : e->state->close_hold(e->state->ctx, id, &closed);
}

/* A hold that is empty is over, and is remembered under its id; one of a voucher has no points, and is over with the next entry about it. */
static enum status
close_hold(struct evolution *e)
{
	const struct hold *hold = e->hold;
	enum op op = e->entry->op;
	bool ok = true, over = true;
	enum status st = ST_OK;

	if (hold == NULL)
		return ST_OK;
	if (hold->of_voucher && op == OP_HOLD)
		return hold->n_lots == 0 && e->entry->hold.left == 0 ? ST_OK : evolution_fault(e, EVOLVE_MALFORMED);
	if (hold->of_voucher)
		ok = hold->n_lots == 0 && e->entry->hold.left == 0;
	else
		st = hold_settle(e->state, e->hold, e->entry, e->touched, e->entry->n_touched, &ok, &over);
	if (st != ST_OK || !ok)
		return st == ST_OK ? evolution_fault(e, EVOLVE_MALFORMED) : st;
	if (!over)
		return op == OP_HOLD || op == OP_CAPTURE || op == OP_HOLD_EXPIRE ? ST_OK : evolution_fault(e, EVOLVE_MALFORMED);
	e->hold = NULL;
	return drop_hold(e, hold, hold_end_of(op));
}

static enum status
apply_tier(struct evolution *e, struct member *m, const struct tier_state *t)
{
	if (memchr(t->earned, 0, sizeof(t->earned)) == NULL || memchr(t->gift, 0, sizeof(t->gift)) == NULL)
		return evolution_fault(e, EVOLVE_MALFORMED);
	if (!day_ok(t->since) || !last_day_ok(t->until) || !last_day_ok(t->gift_until) || !day_ok(t->from) || !day_ok(t->start))
		return evolution_fault(e, EVOLVE_MALFORMED);
	return tier_state_apply(m, t) ? ST_OK : evolution_fault(e, EVOLVE_UNBALANCED);
}

static enum status
apply_metrics(struct evolution *e)
{
	const struct entry *entry = e->entry;
	int32_t oldest = entry->business_date - (int32_t)e->program->metric_days;
	bool ok = true;
	enum status st = ST_OK;

	if (entry->has_metrics)
		st = metrics_add(e->m, e->state->arena, &entry->metrics, oldest, &ok);
	for (size_t i = 0; i < entry->n_falls && st == ST_OK && ok; i++) {
		if (!day_ok(entry->falls[i].day))
			return evolution_fault(e, EVOLVE_MALFORMED);
		st = metrics_add(e->m, e->state->arena, &entry->falls[i], oldest, &ok);
	}
	if (st == ST_OK && !ok)
		return evolution_fault(e, EVOLVE_UNBALANCED);
	return st;
}

/* Caps of the whole program are its totals'; the rest is the member's. */
static enum status
apply_tally(struct evolution *e, struct member *m, const struct tally *t)
{
	struct totals *totals = e->totals;
	struct tally *fixed = totals->tallies;
	size_t max = LEDGER_PROGRAM_CAPS_MAX;
	bool ok = true;
	enum status st;

	if (!tally_change_ok(t))
		return evolution_fault(e, EVOLVE_MALFORMED);
	if (t->per == PERIOD_PROGRAM)
		st = tallies_add(&fixed, &totals->n_tallies, &max, NULL, t, &ok);
	else
		st = tallies_add(&m->tallies, &m->n_tallies, &m->cap_tallies, e->state->arena, t, &ok);
	return st == ST_OK && !ok ? evolution_fault(e, EVOLVE_NEGATIVE) : st;
}

static enum status
apply_pendings(struct evolution *e, struct member *m, const struct pending_change *pendings, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pending change = pendings[i].p;
		bool ok = true;

		if (!pendings[i].has_from)
			change.from = e->id;
		if (!pending_ok(&change))
			return evolution_fault(e, EVOLVE_MALFORMED);
		enum status st = pendings_add(m, e->state->arena, &change, &ok);
		if (st != ST_OK)
			return st;
		if (!ok)
			return evolution_fault(e, EVOLVE_NO_LOT);
	}
	return ST_OK;
}

/* No event is older than late_days, so what no such event can ask for is dropped. */
static enum status
apply_tallies(struct evolution *e, struct member *m, const struct tally *tallies, size_t n)
{
	const struct program *p = e->program;
	int64_t oldest_us = e->at_us - (int64_t)p->late_days * US_PER_DAY;

	for (size_t i = 0; i < n; i++) {
		enum status st = apply_tally(e, m, &tallies[i]);
		if (st != ST_OK || e->fault != EVOLVE_OK)
			return st;
	}
	if (n > 0)
		tallies_prune(m->tallies, &m->n_tallies, zone_day(&p->zone, oldest_us), oldest_us - p->gap_max_us);
	return ST_OK;
}

static enum status
apply_clock(struct evolution *e, struct member *m, const struct inactivity_clock *clock)
{
	if (!day_ok(clock->last_day) || clock->months == 0 || clock->percent == 0 || clock->percent > 100)
		return evolution_fault(e, EVOLVE_MALFORMED);
	m->clock = *clock;
	return ST_OK;
}

static enum status
apply_followups(struct evolution *e)
{
	for (size_t i = 0; i < e->entry->n_followups; i++) {
		if (!followup_ok(&e->entry->followups[i]))
			return evolution_fault(e, EVOLVE_MALFORMED);
		enum status st = e->state->put_followup(e->state->ctx, &e->entry->followups[i]);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status
apply_vouchers(struct evolution *e, struct member *m, const struct voucher_change *changes, size_t n)
{
	bool ok = true;
	enum status st = vouchers_apply(m, e->state->arena, changes, n, e->id, &e->issued, &ok);

	return st == ST_OK && !ok ? evolution_fault(e, EVOLVE_VOUCHER) : st;
}

/* A hold whose voucher goes without it is over as well. */
static enum status
apply_own_vouchers(struct evolution *e)
{
	const struct entry *entry = e->entry;
	const struct hold *ended;
	size_t at = 0;
	enum status st = ST_OK;

	if (!vouchers_entry_ok(e->m, entry))
		return evolution_fault(e, EVOLVE_VOUCHER);
	while (entry->op != OP_HOLD && st == ST_OK && (ended = vouchers_ended_hold(e->m, entry, &at)) != NULL)
		st = drop_hold(e, ended, HOLD_END_REVOKED);
	return st == ST_OK ? apply_vouchers(e, e->m, entry->vouchers, entry->n_vouchers) : st;
}

static enum status
apply_stamps(struct evolution *e)
{
	bool ok = true;
	enum status st = stamps_apply(e->m, e->state->arena, e->entry, &ok);

	for (size_t i = 1; i <= evolution_going(e->entry); i++)
		ok = ok && stamps_merged(e->touched[i], e->entry);
	return st == ST_OK && !ok ? evolution_fault(e, EVOLVE_MALFORMED) : st;
}

static enum status
apply_side(struct evolution *e, const struct side *s)
{
	struct member *m = evolution_member(e, s->member);
	enum status st = ST_OK;

	if (m == NULL || m == e->m)
		return evolution_fault(e, EVOLVE_NO_MEMBER);
	if (s->has_tier)
		st = apply_tier(e, m, &s->tier);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_tallies(e, m, s->tallies, s->n_tallies);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_pendings(e, m, s->pendings, s->n_pendings);
	if (st == ST_OK && e->fault == EVOLVE_OK && s->clock.on)
		st = apply_clock(e, m, &s->clock);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_vouchers(e, m, s->vouchers, s->n_vouchers);
	return st;
}

static enum status
apply_memberships(struct evolution *e)
{
	for (size_t i = 0; i < e->entry->n_memberships; i++) {
		if (!membership_ok(&e->entry->memberships[i]))
			return evolution_fault(e, EVOLVE_MALFORMED);
		enum status st = memberships_put(e->m, e->state->arena, &e->entry->memberships[i]);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* An adjust begins to wait. */
static enum status
apply_waiting(struct evolution *e)
{
	return e->state->put_waiting(e->state->ctx, e->id, &(struct waiting_adjust){ .program = e->entry->program, .member = e->m->number });
}

/* It waited for this approval.  That the signature is by the approver's key is for the caller to see. */
static enum status
apply_approval(struct evolution *e)
{
	const struct ledger_state *state = e->state;
	struct entry *entry = e->entry;
	struct waiting_adjust waiting;
	struct approver approver;
	bool is_its = false;

	if (entry->principal == NULL)
		return evolution_fault(e, EVOLVE_APPROVAL);
	enum status st = state->approver(state->ctx, entry->principal, &approver);
	if (st == ST_OK)
		st = state->waiting(state->ctx, entry->u.approve.command, &waiting);
	if (st == ST_OK)
		st = member_became(state, entry->program, waiting.member, entry->member, &is_its);
	if (st == ST_NOTFOUND)
		return evolution_fault(e, EVOLVE_APPROVAL);
	if (st != ST_OK)
		return st;
	if (!is_its || waiting.approved || waiting.program != entry->program || !approver_has_key(&approver, entry->u.approve.key_id) ||
	    approver.until < zone_day(&e->program->zone, e->at_us))
		return evolution_fault(e, EVOLVE_APPROVAL);
	waiting.approved = true;
	waiting.by = e->id;
	return state->put_waiting(state->ctx, entry->u.approve.command, &waiting);
}

/* Facts that few entries have. */
static enum status
apply_rest(struct evolution *e)
{
	bool ok = true;
	enum status st = apply_followups(e);

	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_own_vouchers(e);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_stamps(e);

	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_memberships(e);
	if (st == ST_OK && e->fault == EVOLVE_OK && e->entry->waiting)
		st = apply_waiting(e);
	if (st == ST_OK && e->fault == EVOLVE_OK && e->entry->op == OP_APPROVE)
		st = apply_approval(e);

	for (size_t i = 0; i < e->entry->n_sides && st == ST_OK && e->fault == EVOLVE_OK; i++)
		st = apply_side(e, &e->entry->sides[i]);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = pool_apply(e->entry, e->touched, e->state->arena, &ok);
	if (st == ST_OK && !ok)
		return evolution_fault(e, EVOLVE_NO_MEMBER);
	for (size_t i = 1; i <= evolution_going(e->entry) && st == ST_OK && e->fault == EVOLVE_OK && ok; i++)
		st = merge_rest(e->touched[i], e->m, e->state->arena, &ok);
	if (st == ST_OK && ok && e->fault == EVOLVE_OK)
		st = people_apply(e->m, e->entry, e->state->arena, &ok);
	return st == ST_OK && !ok ? evolution_fault(e, EVOLVE_UNBALANCED) : st;
}

enum status
evolution_facts(struct evolution *e)
{
	int32_t birthday = e->entry->birthday;
	enum status st = close_hold(e);

	if (st == ST_OK && e->fault == EVOLVE_OK && e->entry->has_tier)
		st = apply_tier(e, e->m, &e->entry->tier);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_metrics(e);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_tallies(e, e->m, e->entry->tallies, e->entry->n_tallies);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_pendings(e, e->m, e->entry->pendings, e->entry->n_pendings);
	e->m->purchases += e->entry->op == OP_PURCHASE;
	if (st == ST_OK && e->fault == EVOLVE_OK && e->entry->clock.on)
		st = apply_clock(e, e->m, &e->entry->clock);
	if (st == ST_OK && e->fault == EVOLVE_OK)
		st = apply_rest(e);
	if (birthday != DAY_NONE && birthday > e->m->birthday_paid)		/* DAY_NONE is below every day */
		e->m->birthday_paid = birthday;
	return st;
}
