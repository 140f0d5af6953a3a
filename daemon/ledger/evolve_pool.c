/*
 * Pools and their holds, as entries change them: see decide_pool.c for what the records mean.  Who is in a pool follows from the records
 * alone, so it is no fact.
 */
#include <string.h>

#include "ledger/internal.h"

/* ---- records ---- */

static struct member *
among(struct member *const *touched, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++) {
		if (touched[i]->number == number)
			return touched[i];
	}
	return NULL;
}

static enum status
pool_join(struct member *m, struct member *head, struct arena *arena, bool *ret_ok)
{
	*ret_ok = m->pool == 0 && (head->pool == 0 || head->pool == head->number) && head->n_joined + 2 <= LEDGER_POOL_MAX;
	if (!*ret_ok)
		return ST_OK;
	uint64_t *grown = arena_grow(arena, head->joined, &head->cap_joined, head->n_joined + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	grown[head->n_joined++] = m->number;
	head->joined = grown;
	head->pool = m->pool = head->number;
	return ST_OK;
}

static bool
pool_leave(struct member *m, struct member *const *touched, size_t n_touched)
{
	if (m->pool == 0)
		return true;
	struct member *head = m->pool == m->number ? m : among(touched, n_touched, m->pool);
	size_t at = 0;

	if (head == NULL)
		return false;
	m->pool = 0;
	if (head == m) {
		for (size_t i = 0; i < m->n_joined; i++) {
			struct member *joined = among(touched, n_touched, m->joined[i]);
			if (joined == NULL)
				return false;
			joined->pool = 0;
		}
		m->n_joined = 0;
		return true;
	}
	while (at < head->n_joined && head->joined[at] != m->number)
		at++;
	if (at == head->n_joined)
		return false;
	memmove(head->joined + at, head->joined + at + 1, (head->n_joined - at - 1) * sizeof(*head->joined));
	if (--head->n_joined == 0)
		head->pool = 0;
	return true;
}

/* ---- entries ---- */

static bool
has_posting(const struct entry *entry, uint64_t member)
{
	for (size_t i = 0; i < entry->n_postings; i++) {
		if (entry->postings[i].member == member)
			return true;
	}
	return false;
}

/* Nobody is touched for nothing: ${leaver} (NULL: nobody) leaves a pool that those are in, or their points move, as those that it held do. */
static bool
others_needed(const struct entry *entry, struct member *const *touched, const struct member *leaver)
{
	bool gives_back = entry->op == OP_ERASE || entry->op == OP_CLOSE;

	for (size_t i = entry->op == OP_MERGE ? 2 : 1; i < entry->n_touched; i++) {
		const struct member *m = touched[i];
		bool named = leaver != NULL && leaver->pool != 0 && m->pool == leaver->pool && (leaver->pool == leaver->number || m->pool == m->number);

		if (!named && ((leaver != NULL && !gives_back) || !has_posting(entry, m->number)))
			return false;
	}
	return true;
}

/* Who leaves says so, or is no member any more. */
enum status
pool_apply(const struct entry *entry, struct member *const *touched, struct arena *arena, bool *ret_ok)
{
	enum op op = entry->op;
	bool leaves = op == OP_POOL_LEAVE || op == OP_CLOSE || op == OP_ERASE || op == OP_MERGE;
	struct member *leaver = leaves ? touched[op == OP_MERGE ? 1 : 0] : NULL;

	*ret_ok = true;
	if (op == OP_POOL_JOIN)
		return pool_join(touched[0], touched[1], arena, ret_ok);
	if (op == OP_TRANSFER || op == OP_PURCHASE || op == OP_RETURN || entry->n_merged > 0)
		return ST_OK;
	*ret_ok = others_needed(entry, touched, leaver) && (leaver == NULL || pool_leave(leaver, touched, entry->n_touched));
	return ST_OK;
}

void
hold_remove(struct member *m, const struct hold *hold)
{
	size_t at = (size_t)(hold - m->holds);

	memmove(m->holds + at, m->holds + at + 1, (m->n_holds - at - 1) * sizeof(*m->holds));
	m->n_holds--;
}

/* ---- holds ---- */

/* The members whose points went into it, in the order of the postings. */
static enum status
hold_set_owners(struct hold *hold, const struct entry *entry, struct arena *arena)
{
	uint64_t *owners = arena_alloc(arena, LEDGER_POOL_MAX * sizeof(*owners));

	if (owners == NULL)
		return ST_NOMEM;
	hold->owners = owners;
	for (size_t i = 0; i < entry->n_postings; i++) {
		const struct posting *p = &entry->postings[i];
		bool there = p->account != ACCOUNT_HELD || p->points < 0;

		for (size_t k = 0; k < hold->n_owners && !there; k++)
			there = owners[k] == p->member;
		if (!there && hold->n_owners < LEDGER_POOL_MAX)
			owners[hold->n_owners++] = p->member;
	}
	return ST_OK;
}

static int64_t
captured(const struct entry *entry)
{
	int64_t points = 0;

	for (size_t i = 0; i < entry->n_postings; i++) {
		enum account a = entry->postings[i].account;
		points += a == ACCOUNT_REDEEMED || a == ACCOUNT_PARTNER_REDEEMED ? entry->postings[i].points : 0;
	}
	return points;
}

/* Parts of others that the entry has emptied are over; false: one of a new hold that never had anything in it. */
static bool
drop_parts(struct member *const *touched, size_t n_touched, struct entry_id id, bool is_new)
{
	for (size_t i = 1; i < n_touched; i++) {
		const struct hold *part = member_hold(touched[i], id);

		if (part == NULL || part->n_lots > 0)
			continue;
		if (is_new)
			return false;
		hold_remove(touched[i], part);
	}
	return true;
}

enum status
holds_given_back(struct member *const *touched, size_t n_touched, const struct ledger_state *state, bool *ret_ok)
{
	const struct member *m = touched[0];
	enum status st = ST_OK;

	*ret_ok = true;
	for (size_t i = 0; i < m->n_holds && st == ST_OK && *ret_ok; i++) {
		const struct hold *hold = &m->holds[i];
		int64_t left;

		if (hold->pooled > 0)
			*ret_ok = drop_parts(touched, n_touched, hold->id, false);
		st = hold_total(state, m, hold, &left);
		*ret_ok = *ret_ok && st == ST_OK && left == 0;
	}
	return st;
}

enum status
hold_settle(const struct ledger_state *state, struct hold *hold, const struct entry *entry, struct member *const *touched, size_t n_touched,
    bool *ret_ok, bool *ret_over)
{
	bool is_new = entry->op == OP_HOLD, alone = entry->op == OP_HOLD_TIMEOUT || entry->op == OP_HOLD_EXPIRE;
	int64_t left = hold_left(hold);
	enum status st = ST_OK;

	if (is_new && hold->pooled > 0)
		st = hold_set_owners(hold, entry, state->arena);
	if (st != ST_OK)
		return st;
	*ret_ok = drop_parts(touched, n_touched, hold->id, is_new);
	if (!alone)
		st = hold_total(state, touched[0], hold, &left);
	if (st != ST_OK)
		return st;
	if (hold->pooled > 0 && entry->op == OP_CAPTURE)
		hold->pooled -= captured(entry);
	*ret_ok = *ret_ok && left == entry->hold.left && hold->pooled >= 0;
	/* Of a pool's hold there may be parts when its own lots have gone. */
	*ret_over = left == 0 && (hold->pooled == 0 || entry->op != OP_HOLD_EXPIRE);
	*ret_ok = *ret_ok && !(is_new && *ret_over) && (*ret_over || hold->pooled > 0 || hold->n_lots > 0) &&
	    (is_new ? left == hold->pooled || hold->pooled == 0 : true);
	return ST_OK;
}
