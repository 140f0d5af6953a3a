/* Whom an entry may touch; and what it does to a person's record that is no posting: what they agreed to, and that they are forgotten. */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

/* Who the entry may touch besides the member that it is about. */
static bool
sides_ok(const struct entry *entry)
{
	enum op op = entry->op;
	bool is_pair = op == OP_TRANSFER || op == OP_MERGE || op == OP_POOL_JOIN, has_referrer = entry->has_referral && entry->referral.referrer != 0;

	if (is_pair)
		return (entry->n_sides == 1 || (op == OP_MERGE && entry->n_sides > 1)) && entry->sides[0].member == entry->u.other.member;
	if (op == OP_POOL_LEAVE || op == OP_CLOSE || op == OP_ERASE || op == OP_CAPTURE || op == OP_RELEASE || op == OP_REVERSE_REDEEM ||
	    (op == OP_HOLD && entry->u.hold.pool) || (op == OP_REDEEM && entry->u.redeem.pool))
		return true;		/* pool_apply() looks at them */
	if (entry->op == OP_PURCHASE)
		return entry->n_sides == (has_referrer ? 1 : 0) && (!has_referrer || entry->sides[0].member == entry->referral.referrer);
	if (entry->op == OP_RETURN)
		return entry->n_sides <= 1;
	for (size_t i = 0; i < entry->n_merged && i < entry->n_sides; i++) {
		if (entry->sides[i].member != entry->merged[i])
			return false;
	}
	return entry->n_sides == entry->n_merged;
}

bool
entry_touched_ok(const struct entry *entry)
{
	bool may_merge = entry->op == OP_ENROL || entry->op == OP_OPENING || entry->op == OP_PROFILE;

	if (entry->member == 0 || entry->n_touched != 1 + entry->n_sides || entry->n_touched > LEDGER_TOUCHED_MAX || !sides_ok(entry) ||
	    (entry->n_merged > 0 && !may_merge))
		return false;
	for (size_t i = 0; i < entry->n_touched; i++) {
		if (entry->touched[i].member != (i == 0 ? entry->member : entry->sides[i - 1].member))
			return false;
		for (size_t k = 0; k < i; k++) {
			if (entry->touched[k].member == entry->touched[i].member)
				return false;
		}
	}
	return true;
}

enum status
consents_put(struct member *m, struct arena *arena, const struct consent *consent, bool *ret_ok)
{
	size_t at = 0;

	*ret_ok = true;
	while (at < m->n_consents && strcmp(m->consents[at].purpose, consent->purpose) < 0)
		at++;
	if (at < m->n_consents && strcmp(m->consents[at].purpose, consent->purpose) == 0) {
		m->consents[at] = *consent;
		return ST_OK;
	}
	*ret_ok = m->n_consents < LEDGER_CONSENTS_MAX;
	if (!*ret_ok)
		return ST_OK;
	struct consent *grown = arena_grow(arena, m->consents, &m->cap_consents, m->n_consents + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	memmove(grown + at + 1, grown + at, (m->n_consents - at) * sizeof(*grown));
	grown[at] = *consent;
	m->consents = grown;
	m->n_consents++;
	return ST_OK;
}

bool
member_people_check(const struct member *m)
{
	if (m->n_consents > LEDGER_CONSENTS_MAX || (m->referral_done && m->referred_by == 0))
		return false;
	if (m->provisional && (m->referred_by != 0 || m->n_consents > 0))
		return false;
	for (size_t i = 0; i < m->n_consents; i++) {
		const struct consent *c = &m->consents[i];

		if (c->purpose[0] == 0 || memchr(c->purpose, 0, sizeof(c->purpose)) == NULL || !day_ok(c->day) ||
		    (i > 0 && strcmp(c[-1].purpose, c->purpose) >= 0))
			return false;
	}
	return true;
}

/* Those from pools, or all; a part is of a hold that another has, and has on. */
static enum status
close_holds(struct member *m, const struct ledger_state *state, bool all)
{
	struct closed_hold closed = { .program = m->program, .member = m->number, .end = HOLD_END_RELEASED };
	enum status st = ST_OK;
	size_t n = 0;

	for (size_t i = 0; i < m->n_holds && st == ST_OK; i++) {
		if (!all && m->holds[i].pooled == 0)
			m->holds[n++] = m->holds[i];
		else if (!m->holds[i].part)
			st = state->close_hold(state->ctx, m->holds[i].id, &closed);
	}
	m->n_holds = n;
	return st;
}

enum status
member_close(struct member *const *touched, size_t n_touched, const struct ledger_state *state, bool *ret_ok)
{
	enum status st = holds_given_back(touched, n_touched, state, ret_ok);

	return st == ST_OK && *ret_ok ? close_holds(touched[0], state, false) : st;
}

enum status
member_erase(struct member *const *touched, size_t n_touched, const struct ledger_state *state, bool *ret_ok)
{
	struct member *m = touched[0];
	struct member gone = {
		.program = m->program, .number = m->number, .enrolled_day = m->enrolled_day, .standing = STANDING_CLOSED,
		.tier = { .since = m->enrolled_day, .until = DAY_NEVER, .gift_until = DAY_NEVER, .from = m->enrolled_day, .start = m->enrolled_day },
		.birthday_paid = DAY_NONE, .has_head = m->has_head, .head = m->head, .merged_into = m->merged_into, .due_at_us = INSTANT_NEVER,
	};

	enum status st = holds_given_back(touched, n_touched, state, ret_ok);
	*ret_ok = *ret_ok && m->available == 0 && m->held == 0 && m->pending == 0 && m->debt == 0 && m->n_pendings == 0 && m->n_lots == 0;
	if (st == ST_OK && *ret_ok)
		st = close_holds(m, state, true);
	if (st == ST_OK && *ret_ok)
		*m = gone;
	return st;
}

static enum status
consent_apply(struct member *m, const struct entry *entry, struct arena *arena, bool *ret_ok)
{
	const char *purpose = entry->u.consent.purpose;
	struct consent consent = { .given = entry->u.consent.given, .day = entry->business_date };

	*ret_ok = purpose != NULL && purpose[0] != 0 && strlen(purpose) <= LEDGER_ID_MAX;
	if (!*ret_ok)
		return ST_OK;
	tier_id_copy(consent.purpose, purpose);
	return consents_put(m, arena, &consent, ret_ok);
}

enum status
people_apply(struct member *m, const struct entry *entry, struct arena *arena, bool *ret_ok)
{
	if (entry->op == OP_ENROL && entry->u.enrol.referrer != 0) {
		m->referred_by = entry->u.enrol.referrer;
		m->referral_done = false;
	}
	*ret_ok = !entry->has_referral || m->referred_by != 0;
	m->referral_done |= entry->has_referral;
	return *ret_ok && entry->op == OP_CONSENT ? consent_apply(m, entry, arena, ret_ok) : ST_OK;
}
