/*
 * Applying an entry.  It is taken at its word, but nothing in it is trusted: it may come from a forged ledger, so whatever
 * does not hold is a fault and never an assertion.
 *
 * touched[0] is the member that the entry is about; those behind it have a row of sides each.  The order is fixed:
 *   1. the links to the members' previous entries   2. a new hold, the holds that a merge moves   3. postings, one after the other
 *   4. the hold's end, tier, birthday, metrics, followups, facts of the other members, what else a merge moves
 *   5. settling of each: lots beyond LEDGER_LOTS_MAX merge, head, next due instant   6. balances after
 *
 * A posting on MEMBER or HELD names one lot: plus adds to it or makes it, minus takes from it.  HELD means the lots of the
 * hold in facts.hold, a new hold being named by the entry itself.  Merging is no posting: it follows from the record alone, so
 * every replay does the same.
 *
 * Genesis and rotate_key change the keys and nothing else, approver_key an approver's; clock_accept and zone_data change nothing: an engine
 * that follows a zone's new data will say so in its own number.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/evolution.h"
#include "ledger/internal.h"
#include "ledger/terminal.h"
#include "ledger/keys.h"

static bool
op_is_members(enum op op)
{
	switch (op) {
	case OP_ACTIVITY: case OP_LAPSE: case OP_ACTIVATE:
	case OP_ENROL: case OP_PROFILE: case OP_PURCHASE: case OP_HOLD: case OP_CAPTURE: case OP_RELEASE: case OP_REDEEM: case OP_ADJUST:
	case OP_TIER: case OP_BIRTHDAY: case OP_HOLD_TIMEOUT: case OP_TIER_END: case OP_EXPIRE: case OP_TIER_REVIEW: case OP_TIER_LOOK:
	case OP_INACTIVITY: case OP_HOLD_EXPIRE: case OP_ANNIVERSARY: case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE:
	case OP_RETURN: case OP_REVERSE_REDEEM: case OP_TRANSFER: case OP_MERGE: case OP_ADVANCE: case OP_APPROVE: case OP_VOUCHER_EXPIRE:
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL: case OP_MEMBERSHIP_END: case OP_NOTICE:
	case OP_VOUCHER_USE: case OP_VOUCHER_VOID:
	case OP_POOL_JOIN: case OP_POOL_LEAVE:
	case OP_AUTO_REDEEM: case OP_STAMP_EXPIRE:
	case OP_OPENING: case OP_CONSENT: case OP_ERASE:
		return true;
	case OP_NONE: case OP_GENESIS: case OP_PUBLISH: case OP_CLOCK_ACCEPT: case OP_ZONE_DATA: case OP_ROTATE_KEY: case OP_RESTORE:
	case OP_APPROVER_KEY: case OP_COUNT:
		break;
	}
	return false;
}

/* ---- entries of a whole program, or of the ledger ---- */

static bool
entry_is_bare(const struct entry *entry)
{
	return entry->member == 0 && entry->n_postings == 0 && entry->n_touched == 0 && entry->n_grants == 0 && entry->n_tallies == 0 &&
	    entry->n_pendings == 0 && entry->n_falls == 0 && entry->n_followups == 0 && entry->n_sides == 0 && entry->n_vouchers == 0 && entry->n_told == 0 &&
	    entry->n_stamps == 0 &&
	    !entry->has_metrics &&
	    entry->n_memberships == 0 && !entry->has_refund && !entry->has_tier && !entry->has_hold && entry->birthday == DAY_NONE &&
	    !entry->waiting && !entry->conflict && !entry->provisional &&
	    !entry->has_referral && entry->n_merged == 0 && entry->has_key_change == (entry->op == OP_ROTATE_KEY);
}

/* A genesis and a rotation say who signs. */
static enum status
evolve_keys(struct evolution *e)
{
	struct key_history *keys = e->state->keys;

	if (e->entry->program != 0)
		return evolution_fault(e, EVOLVE_MALFORMED);
	if (keys == NULL)
		return e->entry->op == OP_GENESIS ? ST_OK : evolution_fault(e, EVOLVE_KEYS);
	return key_history_follow(keys, e->entry, e->id.seq) ? ST_OK : evolution_fault(e, EVOLVE_KEYS);
}

/* Changes nothing; but it must say what was lost, and who accepted it. */
static enum status
evolve_restore(struct evolution *e)
{
	const struct entry *entry = e->entry;

	if (entry->program != 0 || entry->u.restore.lost_size == 0 || entry->u.restore.lost_root.len != 32 || entry->u.restore.reason == NULL ||
	    entry->u.restore.reason[0] == '\0' || entry->principal == NULL || strncmp(entry->principal, "operator/", strlen("operator/")) != 0)
		return evolution_fault(e, EVOLVE_MALFORMED);
	return ST_OK;
}

static enum status
evolve_approver(struct evolution *e)
{
	const struct entry *entry = e->entry;
	struct approver approver = { .until = entry->u.approver_key.until };

	if (entry->program != 0 || entry->u.approver_key.principal == NULL || entry->u.approver_key.public_key.len != PUBLIC_KEY_LEN ||
	    !approver_named(entry->u.approver_key.principal) || !last_day_ok(approver.until))
		return evolution_fault(e, EVOLVE_MALFORMED);
	memcpy(approver.public_key, entry->u.approver_key.public_key.data, PUBLIC_KEY_LEN);
	return e->state->put_approver(e->state->ctx, entry->u.approver_key.principal, &approver);
}

static enum status
evolve_publish(struct evolution *e, int64_t committed_at_us)
{
	const struct entry *entry = e->entry;
	const struct ledger_state *state = e->state;
	const struct totals *before = NULL;

	if (entry->u.publish.id == NULL || entry->program == 0)
		return evolution_fault(e, EVOLVE_MALFORMED);
	uint32_t number = state->program_number(state->ctx, entry->u.publish.id), count = state->program_count(state->ctx);
	if (number != entry->program && !(number == 0 && entry->program == count + 1))
		return evolution_fault(e, EVOLVE_NO_PROGRAM);
	enum status st = state->totals(state->ctx, entry->program, &before);
	if (st != ST_OK)
		return st;
	if (entry->u.publish.version != (before == NULL ? 0 : before->versions) + 1)
		return evolution_fault(e, EVOLVE_NO_PROGRAM);
	st = state->publish(state->ctx, entry->program, entry->u.publish.version, entry->u.publish.definition, entry->u.publish.zone_data,
	    committed_at_us);
	if (st == ST_INVALID)
		return evolution_fault(e, EVOLVE_MALFORMED);
	if (st != ST_OK)
		return st;
	st = state->totals_edit(state->ctx, entry->program, &e->totals);
	if (st != ST_OK)
		return st;
	e->totals->versions = entry->u.publish.version;
	return ST_OK;
}

/* ---- 1. the member ---- */

static bool
entry_days_ok(const struct entry *entry)
{
	if (!day_ok(entry->business_date) || (entry->birthday != DAY_NONE && !day_ok(entry->birthday)))
		return false;
	return !entry->has_metrics || entry->metrics.day == entry->business_date;
}

/* What waits, and a conflict, change nothing. */
static bool
changes_nothing(const struct entry *e)
{
	return e->n_postings == 0 && e->n_grants == 0 && !e->has_metrics && !e->has_tier && !e->clock.on && e->n_tallies == 0 &&
	    e->n_pendings == 0 && e->n_falls == 0 && e->n_followups == 0 && e->n_sides == 0 && e->n_vouchers == 0 && e->n_memberships == 0 &&
	    e->n_stamps == 0 && e->birthday == DAY_NONE;
}

static bool
entry_shape_ok(const struct entry *entry)
{
	bool is_due = entry->op == OP_HOLD_TIMEOUT || entry->op == OP_TIER_END || entry->op == OP_EXPIRE || entry->op == OP_TIER_REVIEW ||
	    entry->op == OP_TIER_LOOK || entry->op == OP_LAPSE || entry->op == OP_ACTIVATE || entry->op == OP_INACTIVITY ||
	    entry->op == OP_HOLD_EXPIRE || entry->op == OP_ANNIVERSARY || entry->op == OP_VOUCHER_EXPIRE || entry->op == OP_MEMBERSHIP_END ||
	    entry->op == OP_NOTICE ||
	    entry->op == OP_AUTO_REDEEM || entry->op == OP_STAMP_EXPIRE;
	bool has_hold = entry->op == OP_HOLD || entry->op == OP_CAPTURE || entry->op == OP_RELEASE || entry->op == OP_HOLD_TIMEOUT ||
	    entry->op == OP_HOLD_EXPIRE;

	if (entry->has_refund != (entry->op == OP_MEMBERSHIP_CANCEL) || entry->refund < 0)
		return false;
	if ((entry->waiting && (entry->op != OP_ADJUST || !changes_nothing(entry))) ||
	    (entry->conflict && (entry->op != OP_VOUCHER_USE || !changes_nothing(entry))))
		return false;
	if ((entry->provisional && entry->op != OP_PURCHASE && entry->op != OP_ACTIVITY) || (entry->has_referral && entry->op != OP_PURCHASE))
		return false;
	if ((is_due && !entry->has_due_at) || entry->has_key_change || (entry->n_told > 0 && entry->op != OP_NOTICE))
		return false;
	if (entry->has_hold != has_hold || (has_hold && entry->hold.has_id != (entry->op != OP_HOLD)) ||
	    ((entry->hold.expire_at_once || entry->hold.for_store != NULL || entry->hold.for_terminal != NULL) && entry->op != OP_HOLD))
		return false;
	return entry_days_ok(entry);
}

static bool
op_enrols(enum op op)
{
	return op == OP_ENROL || op == OP_OPENING;
}

/* Under the next number. */
static enum status
make_member(struct evolution *e)
{
	struct entry *entry = e->entry;
	const struct member *there = NULL;
	enum status st = e->state->member(e->state->ctx, entry->program, entry->member, &there);

	if (st != ST_OK)
		return st;
	if (there != NULL || entry->member != e->totals->members + 1)
		return evolution_fault(e, EVOLVE_NO_MEMBER);
	st = e->state->member_edit(e->state->ctx, entry->program, entry->member, true, &e->touched[0]);
	if (st != ST_OK)
		return st;
	member_begin(e->touched[0], e->program, entry->member, entry->business_date, entry->provisional);
	e->touched[0]->program = entry->program;
	e->totals->members = entry->member;
	return ST_OK;
}

/* Enrolled members are enrolled once, and go into no other by an enrolment. */
static bool
provisional_ok(const struct evolution *e)
{
	if (op_enrols(e->entry->op) && !e->made && (!e->m->provisional || e->m->standing == STANDING_CLOSED))
		return false;
	for (size_t i = 1; i <= e->entry->n_merged; i++) {
		if (!e->touched[i]->provisional || e->touched[i]->standing == STANDING_CLOSED)
			return false;
	}
	return true;
}

static enum status
find_member(struct evolution *e)
{
	struct entry *entry = e->entry;
	enum status st = e->state->totals_edit(e->state->ctx, entry->program, &e->totals);

	if (st != ST_OK)
		return st;
	e->made = entry->provisional || (op_enrols(entry->op) && entry->member == e->totals->members + 1);
	if (e->made)
		st = make_member(e);
	for (size_t i = e->made ? 1 : 0; i < entry->n_touched && st == ST_OK && e->fault == EVOLVE_OK; i++) {
		st = e->state->member_edit(e->state->ctx, entry->program, entry->touched[i].member, false, &e->touched[i]);
		if (st == ST_OK && e->touched[i] == NULL)
			return evolution_fault(e, EVOLVE_NO_MEMBER);
	}
	if (st != ST_OK || e->fault != EVOLVE_OK)
		return st;
	e->m = e->touched[0];
	if (!provisional_ok(e))
		return evolution_fault(e, EVOLVE_NO_MEMBER);
	if (op_enrols(entry->op)) {
		e->m->provisional = false;
		e->m->enrolled_day = entry->business_date;
	}
	return ST_OK;
}

static enum status
link_previous(struct evolution *e)
{
	for (size_t i = 0; i < e->entry->n_touched; i++) {
		struct touched *t = &e->entry->touched[i];
		const struct member *m = e->touched[i];

		e->held[i] = member_tier_held(m, e->program);
		if (e->mode == EVOLVE_LIVE) {
			t->has_prev = m->has_head;
			t->prev = m->head;
			continue;
		}
		if (t->has_prev != m->has_head)
			return evolution_fault(e, EVOLVE_PREV_DIFFERS);
		if (t->has_prev && (t->prev.seq != m->head.seq || t->prev.index != m->head.index))
			return evolution_fault(e, EVOLVE_PREV_DIFFERS);
	}
	return ST_OK;
}

/* ---- 2. the hold ---- */

/* Holds stand in the order of their ids, and a new one is the newest entry of all; where a forged one is not, member_check_books() says so. */
static enum status
hold_append(struct evolution *e, struct member *m)
{
	const char *named = e->entry->u.hold.partner;
	struct hold hold = { .id = e->id, .ends_at_us = e->entry->hold.ends_at_us, .day = e->entry->business_date,
	    .expire_at_once = e->entry->hold.expire_at_once, .of_voucher = e->entry->u.hold.of_voucher, .part = m != e->m,
	    .pooled = m == e->m && e->entry->u.hold.pool ? e->entry->u.hold.points : 0 };
	if (!terminal_name_set(&hold.till, e->entry->hold.for_store, e->entry->hold.for_terminal))
		return evolution_fault(e, EVOLVE_MALFORMED);

	if (m->n_holds >= LEDGER_HOLDS_MAX || member_hold(m, e->id) != NULL)
		return evolution_fault(e, EVOLVE_MALFORMED);
	tier_id_copy(hold.partner, named != NULL && program_partner(e->program, named) != NULL ? named : "");
	struct hold *grown = arena_grow(e->state->arena, m->holds, &m->cap_holds, m->n_holds + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	m->holds = grown;
	m->holds[m->n_holds++] = hold;
	return ST_OK;
}

static enum status
hold_new(struct evolution *e)
{
	if ((e->entry->u.hold.points <= 0) != e->entry->u.hold.of_voucher)
		return evolution_fault(e, EVOLVE_MALFORMED);
	for (size_t i = 0; i < e->entry->n_touched; i++) {
		enum status st = hold_append(e, e->touched[i]);
		if (st != ST_OK || e->fault != EVOLVE_OK)
			return st;
	}
	e->hold = &e->m->holds[e->m->n_holds - 1];
	return ST_OK;
}

static enum status
find_hold(struct evolution *e)
{
	const struct entry *entry = e->entry;

	for (size_t i = 1; i <= evolution_going(entry); i++) {
		bool ok;
		enum status st = merge_holds(e->touched[i], e->m, e->state->arena, &ok);
		if (st != ST_OK || !ok)
			return st == ST_OK ? evolution_fault(e, EVOLVE_MALFORMED) : st;
	}
	if (!entry->has_hold)
		return ST_OK;
	if (entry->op == OP_HOLD)
		return hold_new(e);
	const struct hold *hold = member_hold(e->m, entry->hold.id);
	if (hold == NULL)
		return evolution_fault(e, EVOLVE_NO_LOT);
	if (hold->ends_at_us != entry->hold.ends_at_us || (hold->part && entry->op != OP_HOLD_TIMEOUT && entry->op != OP_HOLD_EXPIRE))
		return evolution_fault(e, EVOLVE_MALFORMED);
	e->hold = &e->m->holds[hold - e->m->holds];
	return ST_OK;
}

/* ---- 3. postings ---- */

static enum status
post_lot(struct evolution *e, struct lot **lots, size_t *n, size_t *cap, const struct posting *p)
{
	struct lot lot = { .last_day = p->last_day, .class = p->class, .points = p->points };
	bool ok = true;

	if (p->class == LOT_NONE || p->class >= LOT_CLASS_COUNT || !lot_day_ok(p->last_day) || p->points == INT64_MIN)
		return evolution_fault(e, EVOLVE_MALFORMED);
	if (p->points < 0) {
		lot.points = -p->points;
		return lots_take(*lots, n, &lot) ? ST_OK : evolution_fault(e, EVOLVE_NO_LOT);
	}
	enum status st = lots_add(lots, n, cap, e->state->arena, &lot, &ok);
	if (st == ST_OK && !ok)
		return evolution_fault(e, EVOLVE_UNBALANCED);
	return st;
}

static enum status
post_member(struct evolution *e, struct member *m, const struct posting *p)
{
	if (!checked_add(m->available, p->points, &m->available))
		return evolution_fault(e, EVOLVE_UNBALANCED);
	return post_lot(e, &m->lots, &m->n_lots, &m->cap_lots, p);
}

static enum status
post_held(struct evolution *e, struct member *m, const struct posting *p)
{
	const struct hold *named = p->has_hold ? member_hold(m, p->hold) : m == e->m ? e->hold : e->entry->op == OP_HOLD ? member_hold(m, e->id) : NULL;
	struct hold *hold = named == NULL ? NULL : &m->holds[named - m->holds];

	if (hold == NULL)
		return evolution_fault(e, EVOLVE_NO_LOT);
	if (!checked_add(m->held, p->points, &m->held))
		return evolution_fault(e, EVOLVE_UNBALANCED);
	return post_lot(e, &hold->lots, &hold->n_lots, &hold->cap_lots, p);
}

/* What pays debt pays back first what was lent. */
static void
post_lent(const struct evolution *e, struct member *m, int64_t points)
{
	if (e->entry->op == OP_MERGE || e->entry->n_merged > 0)
		return;			/* merge_rest() moves it */
	if (points < 0 && e->entry->op == OP_ADVANCE)
		m->advanced -= points;
	else if (points > 0)
		m->advanced -= points < m->advanced ? points : m->advanced;
}

/* Balances that are numbers only.  Debt is shown positive and posted negative. */
static enum status
post_number(struct evolution *e, struct member *m, const struct posting *p)
{
	bool ok = p->account == ACCOUNT_PENDING ? checked_add(m->pending, p->points, &m->pending) :
	    checked_sub(m->debt, p->points, &m->debt);

	if (!ok)
		return evolution_fault(e, EVOLVE_UNBALANCED);
	if (p->account == ACCOUNT_DEBT)
		post_lent(e, m, p->points);
	return m->pending < 0 || m->debt < 0 ? evolution_fault(e, EVOLVE_NEGATIVE) : ST_OK;
}

static bool
partner_ok(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= LEDGER_ID_MAX;
}

static enum status
post(struct evolution *e, const struct posting *p)
{
	struct member *m;

	if (p->account == ACCOUNT_NONE || p->account >= ACCOUNT_COUNT || p->points == 0 || (p->has_hold && p->account != ACCOUNT_HELD))
		return evolution_fault(e, EVOLVE_MALFORMED);
	if (account_is_partners(p->account) != (p->partner != NULL) || (p->partner != NULL && !partner_ok(p->partner)))
		return evolution_fault(e, EVOLVE_MALFORMED);
	if (!checked_add(e->totals->account[p->account], p->points, &e->totals->account[p->account]))
		return evolution_fault(e, EVOLVE_UNBALANCED);
	switch (p->account) {
	case ACCOUNT_MEMBER: case ACCOUNT_HELD: case ACCOUNT_PENDING: case ACCOUNT_DEBT:
		m = evolution_member(e, p->member);
		if (m == NULL)
			return evolution_fault(e, EVOLVE_NO_MEMBER);
		if (p->account == ACCOUNT_MEMBER)
			return post_member(e, m, p);
		return p->account == ACCOUNT_HELD ? post_held(e, m, p) : post_number(e, m, p);
	case ACCOUNT_NONE: case ACCOUNT_ISSUED: case ACCOUNT_REDEEMED: case ACCOUNT_EXPIRED: case ACCOUNT_ADJUSTED:
	case ACCOUNT_TRANSFERRED: case ACCOUNT_CLAWED: case ACCOUNT_REINSTATED: case ACCOUNT_ADVANCED: case ACCOUNT_OPENING:
	case ACCOUNT_PARTNER_ISSUED: case ACCOUNT_PARTNER_REDEEMED: case ACCOUNT_COUNT:
		break;
	}
	return p->member == 0 ? ST_OK : evolution_fault(e, EVOLVE_MALFORMED);
}

static enum status
post_all(struct evolution *e)
{
	wide sum = 0;

	for (size_t i = 0; i < e->entry->n_postings; i++)
		sum += e->entry->postings[i].points;
	if (sum != 0)
		return evolution_fault(e, EVOLVE_UNBALANCED);
	for (size_t i = 0; i < e->entry->n_postings; i++) {
		enum status st = post(e, &e->entry->postings[i]);
		if (st != ST_OK || e->fault != EVOLVE_OK)
			return st;
	}
	return ST_OK;
}

/* ---- 5 and 6. settling, balances after ---- */

/* The next one after the entry's day; one that is set stays until it has come. */
static void
set_anniversary(const struct evolution *e, struct member *m)
{
	int32_t today = zone_day(&e->program->zone, e->at_us);

	if (!e->program->has_anniversary || m->standing == STANDING_CLOSED || m->provisional) {
		m->has_anniversary = false;
		m->anniversary = 0;
		return;
	}
	if (m->has_anniversary && e->entry->op != OP_ANNIVERSARY)
		return;
	anniversary_look(m, today);
}

static void
set_noticed(const struct evolution *e, struct member *m)
{
	if (e->entry->has_due_at || !e->program->has_notices || e->entry->op == OP_ERASE)
		return;
	m->noticed_before = e->made ? zone_day(&e->program->zone, e->at_us) : m->noticed;
	m->noticed = zone_day(&e->program->zone, e->at_us);
}

/* False: closed with something left. */
static bool
apply_standing(struct evolution *e)
{
	struct member *m = e->m;

	if (e->entry->op == OP_FREEZE)
		m->standing = STANDING_FROZEN;
	if (e->entry->op == OP_UNFREEZE)
		m->standing = STANDING_ACTIVE;
	if (e->entry->op == OP_CLOSE)
		m->standing = STANDING_CLOSED;
	return m->standing != STANDING_CLOSED || (m->available == 0 && m->pending == 0 && m->held == 0 && m->debt == 0);
}

static void
settle(struct evolution *e, struct member *m)
{
	lots_merge(m->lots, &m->n_lots, LEDGER_LOTS_MAX);
	m->has_head = true;
	m->head = e->id;
	tier_look(m, e->program, e->at_us, e->entry->has_due_at);
	auto_look(m, e->program, e->at_us, e->entry);
	set_anniversary(e, m);
	if (m == e->m)
		set_noticed(e, m);
	notice_look(m, e->program, e->at_us, e->entry->has_due_at && e->entry->op != OP_NOTICE);
	m->due_at_us = due_at_us(m, e->program);
	m->looked = e->program->version;
	member_look(e->state, m);		/* done late: versions came since */
	e->fault = member_check_books(m);
}

static bool
same_or_none(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static enum status
tier_moved(struct evolution *e, const struct member *m, const struct tier *held, struct touched *t)
{
	const struct tier *now = member_tier_held(m, e->program);
	const char *from = now == held ? NULL : held->id, *to = now == held ? NULL : now->id;

	if (e->mode == EVOLVE_LIVE) {
		t->tier_from = from;
		t->tier_to = to;
		return ST_OK;
	}
	return same_or_none(t->tier_from, from) && same_or_none(t->tier_to, to) ? ST_OK : evolution_fault(e, EVOLVE_AFTER_DIFFERS);
}

static enum status
balances_after(struct evolution *e, const struct member *m, struct touched *t)
{
	const struct tier *counts = member_tier(m, e->program, zone_day(&e->program->zone, e->at_us));
	const char *tier = counts == NULL ? "" : counts->id;

	if (e->mode == EVOLVE_LIVE) {
		t->available = m->available;
		t->pending = m->pending;
		t->held = m->held;
		t->debt = m->debt;
		t->tier = tier;
		return ST_OK;
	}
	if (t->available != m->available || t->pending != m->pending || t->held != m->held || t->debt != m->debt)
		return evolution_fault(e, EVOLVE_AFTER_DIFFERS);
	return strcmp(t->tier == NULL ? "" : t->tier, tier) == 0 ? ST_OK : evolution_fault(e, EVOLVE_AFTER_DIFFERS);
}

static enum status
evolve_member(struct evolution *e)
{
	static enum status (*const steps[])(struct evolution *e) = { find_member, link_previous, find_hold, post_all, evolution_facts };
	struct entry *entry = e->entry;

	e->program = e->state->program_version(e->state->ctx, entry->program, entry->program_version);
	if (e->program == NULL)
		return evolution_fault(e, EVOLVE_NO_PROGRAM);
	if (!entry_touched_ok(entry))
		return evolution_fault(e, EVOLVE_NO_MEMBER);
	if (!entry_shape_ok(entry) || !day_ok(zone_day(&e->program->zone, e->at_us)))
		return evolution_fault(e, EVOLVE_MALFORMED);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		enum status st = steps[i](e);
		if (st != ST_OK || e->fault != EVOLVE_OK)
			return st;
	}
	bool gone = true;
	enum status st = entry->op == OP_ERASE ? member_erase(e->touched, entry->n_touched, e->state, &gone) :
	    entry->op == OP_CLOSE ? member_close(e->touched, entry->n_touched, e->state, &gone) : ST_OK;
	if (st != ST_OK)
		return st;
	if (!gone || !apply_standing(e))
		return evolution_fault(e, EVOLVE_MALFORMED);
	for (size_t i = 0; i < entry->n_touched && e->fault == EVOLVE_OK; i++)
		settle(e, e->touched[i]);
	for (size_t i = 0; i < entry->n_touched && st == ST_OK && e->fault == EVOLVE_OK; i++)
		st = balances_after(e, e->touched[i], &entry->touched[i]);
	for (size_t i = 0; i < entry->n_touched && st == ST_OK && e->fault == EVOLVE_OK; i++)
		st = tier_moved(e, e->touched[i], e->held[i], &entry->touched[i]);
	return st;
}

enum status
evolve(const struct ledger_state *state, struct entry *entry, struct entry_id id, int64_t committed_at_us, enum evolve_mode mode,
    enum evolve_fault *ret_fault)
{
	struct evolution e = {
		.state = state, .entry = entry, .id = id, .mode = mode,
		.at_us = entry->has_due_at ? entry->due_at_us : entry->has_at ? entry->at_us : committed_at_us,
	};
	enum status st = ST_OK;

	if (op_is_members(entry->op))
		st = evolve_member(&e);
	else if (!op_known(entry->op) || !entry_is_bare(entry))
		e.fault = EVOLVE_MALFORMED;
	else if (entry->op == OP_PUBLISH)
		st = evolve_publish(&e, committed_at_us);
	else if (entry->op == OP_GENESIS || entry->op == OP_ROTATE_KEY)
		st = evolve_keys(&e);
	else if (entry->op == OP_APPROVER_KEY)
		st = evolve_approver(&e);
	else if (entry->op == OP_RESTORE)
		st = evolve_restore(&e);
	*ret_fault = e.fault;
	return st;
}
