/*
 * Vouchers of a member.  The record has them in the order of their names, those that are over too, so that who uses one twice is told so
 * and a return finds what its purchase issued; beyond LEDGER_VOUCHERS_MAX the oldest that is over is forgotten, and none that is not.
 *
 * An entry has a voucher whole, as it is afterwards.  What may become what is the table below; nothing but the state ever changes.
 */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

bool
voucher_is_over(enum voucher_state state)
{
	return state >= VOUCHER_USED;
}

/* One that has ended may turn out to have been used before, at a till that says so later; one that expired when it no longer counts for a card of stamps. */
static bool
may_become(enum voucher_state from, enum voucher_state to)
{
	static const unsigned next[VOUCHER_STATE_COUNT] = {
		[VOUCHER_ISSUED] = 1u << VOUCHER_HELD | 1u << VOUCHER_USED | 1u << VOUCHER_EXPIRED | 1u << VOUCHER_REVOKED,
		[VOUCHER_HELD] = 1u << VOUCHER_ISSUED | 1u << VOUCHER_USED | 1u << VOUCHER_EXPIRED | 1u << VOUCHER_REVOKED,
		[VOUCHER_EXPIRED] = 1u << VOUCHER_USED | 1u << VOUCHER_REVOKED,
		[VOUCHER_USED] = 1u << VOUCHER_SETTLED,
	};

	return (next[from] >> to & 1) != 0;
}

int
voucher_compare(const struct voucher *a, const struct voucher *b)
{
	int order = entry_id_compare(a->from, b->from);

	return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

/* ---- the record ---- */

static bool
voucher_ok(const struct voucher *v)
{
	return v->state > VOUCHER_NONE && v->state < VOUCHER_STATE_COUNT && v->source > VOUCHER_BY_NOTHING && v->source < VOUCHER_SOURCE_COUNT &&
	    memchr(v->id, 0, sizeof(v->id)) != NULL && memchr(v->of, 0, sizeof(v->of)) != NULL && v->id[0] != 0 && last_day_ok(v->last_day);
}

const struct voucher *
hold_voucher(const struct member *m, const struct hold *h)
{
	for (size_t i = 0; i < m->n_vouchers; i++) {
		if (m->vouchers[i].state == VOUCHER_HELD && entry_id_compare(m->vouchers[i].by, h->id) == 0)
			return &m->vouchers[i];
	}
	return NULL;
}

int32_t
hold_first_day(const struct member *m, const struct hold *h)
{
	const struct voucher *v;

	if (!h->of_voucher)		/* a pool's may have nothing of its own */
		return h->n_lots == 0 ? DAY_NEVER : h->lots[0].last_day;
	v = hold_voucher(m, h);
	return v == NULL ? DAY_NEVER : v->last_day;		/* member_check_books() finds one without */
}

/* Each hold of a voucher has one, and each voucher that is held has its hold: an entry holds one voucher at most, so numbers tell the rest. */
static bool
holds_fit(const struct member *m)
{
	size_t n_held = 0, n_holds = 0;

	for (size_t i = 0; i < m->n_vouchers; i++)
		n_held += m->vouchers[i].state == VOUCHER_HELD;
	for (size_t i = 0; i < m->n_holds; i++) {
		if (!m->holds[i].of_voucher)
			continue;
		n_holds++;
		if (hold_voucher(m, &m->holds[i]) == NULL)
			return false;
	}
	return n_held == n_holds;
}

bool
vouchers_check(const struct member *m)
{
	for (size_t i = 0; i < m->n_vouchers; i++) {
		if (!voucher_ok(&m->vouchers[i]) || (i > 0 && voucher_compare(&m->vouchers[i - 1], &m->vouchers[i]) >= 0))
			return false;
	}
	return m->n_vouchers <= LEDGER_VOUCHERS_MAX && holds_fit(m);
}

void
vouchers_encode(const struct member *m, struct buf *out)
{
	buf_put_varint(out, m->n_vouchers);
	for (size_t i = 0; i < m->n_vouchers; i++) {
		const struct voucher *v = &m->vouchers[i];

		buf_put_varint(out, v->from.seq);
		buf_put_varint(out, v->from.index);
		buf_put_varint(out, v->n);
		buf_put_u8(out, (uint8_t)((unsigned)v->state << 4 | (unsigned)v->source));
		buf_put_string(out, v->id);
		buf_put_string(out, v->of);
		buf_put_varint(out, v->at);
		buf_put_svarint(out, v->last_day);
		buf_put_varint(out, v->by.seq);
		buf_put_varint(out, v->by.index);
	}
}

bool
voucher_decode(struct cursor *c, struct voucher *ret)
{
	uint64_t seq = cursor_varint(c), index = cursor_varint(c), n = cursor_varint(c);
	unsigned kinds = cursor_u8(c);
	bool words = text_decode(c, ret->id, sizeof(ret->id)) && text_decode(c, ret->of, sizeof(ret->of));
	uint64_t at = cursor_varint(c);
	int64_t last_day = cursor_svarint(c);
	uint64_t by_seq = cursor_varint(c), by_index = cursor_varint(c);

	if (!words || index > UINT32_MAX || n > UINT32_MAX || at > UINT32_MAX || by_index > UINT32_MAX || last_day < INT32_MIN ||
	    last_day > INT32_MAX)
		return false;
	ret->from = (struct entry_id){ seq, (uint32_t)index };
	ret->n = (uint32_t)n;
	ret->state = (enum voucher_state)(kinds >> 4);
	ret->source = (enum voucher_source)(kinds & 15);
	ret->at = (uint32_t)at;
	ret->last_day = (int32_t)last_day;
	ret->by = (struct entry_id){ by_seq, (uint32_t)by_index };
	return true;
}

/* ---- what an entry does ---- */

static const struct voucher *
find(const struct member *m, const struct voucher *named)
{
	size_t at = 0;

	while (at < m->n_vouchers && voucher_compare(&m->vouchers[at], named) != 0)
		at++;
	return at < m->n_vouchers ? &m->vouchers[at] : NULL;
}

/* What was chosen is what was asked for. */
static const struct voucher *
find_named(const struct member *m, const struct voucher_ref *ref)
{
	const struct voucher *v = find(m, &(struct voucher){ .from = ref->from, .n = ref->n });

	return v != NULL && voucher_is_meant(v, ref) ? v : NULL;
}

/* The entry changes the one voucher that it names, and no other. */
static bool
changes_named(const struct member *m, const struct entry *entry, const struct voucher_ref *ref, enum voucher_state state)
{
	const struct voucher *v = find_named(m, ref);
	bool found = false;

	for (size_t i = 0; i < entry->n_vouchers; i++) {
		const struct voucher_change *c = &entry->vouchers[i];

		if (!c->has_from)
			continue;
		if (found || v == NULL || voucher_compare(&c->v, v) != 0 || c->v.state != state)
			return false;
		found = true;
	}
	return found;
}

static bool
conflict_ok(const struct member *m, const struct entry *entry)
{
	const struct voucher *v = find_named(m, &entry->u.voucher.voucher);

	return entry->u.voucher.offline && entry->n_vouchers == 0 && v != NULL &&
	    (v->state == VOUCHER_USED || v->state == VOUCHER_HELD || v->state == VOUCHER_SETTLED);
}

bool
vouchers_entry_ok(const struct member *m, const struct entry *entry)
{
	if (entry->op == OP_VOUCHER_USE)
		return entry->conflict ? conflict_ok(m, entry) : changes_named(m, entry, &entry->u.voucher.voucher, VOUCHER_USED);
	if (entry->op == OP_VOUCHER_VOID)
		return changes_named(m, entry, &entry->u.voucher.voucher, VOUCHER_REVOKED);
	return entry->op != OP_HOLD || !entry->u.hold.of_voucher || changes_named(m, entry, &entry->u.hold.voucher, VOUCHER_HELD);
}

const struct hold *
vouchers_ended_hold(const struct member *m, const struct entry *entry, size_t *at)
{
	while (*at < entry->n_vouchers) {
		const struct voucher_change *c = &entry->vouchers[(*at)++];
		const struct voucher *v = c->has_from ? find(m, &c->v) : NULL;

		if (v != NULL && v->state == VOUCHER_HELD && member_hold(m, v->by) != NULL)
			return member_hold(m, v->by);
	}
	return NULL;
}

static size_t
place_of(const struct member *m, const struct voucher *v)
{
	size_t at = m->n_vouchers;

	while (at > 0 && voucher_compare(&m->vouchers[at - 1], v) >= 0)
		at--;
	return at;
}

static bool
is_there(const struct member *m, size_t at, const struct voucher *v)
{
	return at < m->n_vouchers && voucher_compare(&m->vouchers[at], v) == 0;
}

/* Forgets the oldest that is over; false when none is. */
static bool
make_room(struct member *m)
{
	size_t at = 0;

	if (m->n_vouchers < LEDGER_VOUCHERS_MAX)
		return true;
	while (at < m->n_vouchers && !voucher_is_over(m->vouchers[at].state))
		at++;
	if (at == m->n_vouchers)
		return false;
	memmove(m->vouchers + at, m->vouchers + at + 1, (m->n_vouchers - at - 1) * sizeof(*m->vouchers));
	m->n_vouchers--;
	return true;
}

static enum status
voucher_add(struct member *m, struct arena *arena, const struct voucher *v, bool *ret_ok)
{
	*ret_ok = voucher_ok(v) && make_room(m) && !is_there(m, place_of(m, v), v);
	if (!*ret_ok)
		return ST_OK;
	struct voucher *grown = arena_grow(arena, m->vouchers, &m->cap_vouchers, m->n_vouchers + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	m->vouchers = grown;
	size_t at = place_of(m, v);
	memmove(grown + at + 1, grown + at, (m->n_vouchers - at) * sizeof(*grown));
	grown[at] = *v;
	m->n_vouchers++;
	return ST_OK;
}

static bool
voucher_set(struct member *m, const struct voucher *v, struct entry_id by)
{
	size_t at = place_of(m, v);

	if (!is_there(m, at, v) || v->state >= VOUCHER_STATE_COUNT)
		return false;
	struct voucher *there = &m->vouchers[at];
	if (!may_become(there->state, v->state) || there->source != v->source || there->at != v->at || there->last_day != v->last_day ||
	    strcmp(there->id, v->id) != 0 || strcmp(there->of, v->of) != 0)
		return false;
	there->state = v->state;
	there->by = by;
	return true;
}

enum status
vouchers_apply(struct member *m, struct arena *arena, const struct voucher_change *changes, size_t n, struct entry_id id, uint32_t *issued,
    bool *ret_ok)
{
	enum status st = ST_OK;

	*ret_ok = true;
	for (size_t i = 0; i < n && st == ST_OK && *ret_ok; i++) {
		struct voucher v = changes[i].v;

		if (changes[i].has_from) {
			*ret_ok = voucher_set(m, &v, id);
			continue;
		}
		v.from = v.by = id;
		*ret_ok = v.state == VOUCHER_ISSUED && v.n == (*issued)++;
		if (*ret_ok)
			st = voucher_add(m, arena, &v, ret_ok);
	}
	return st;
}

enum status
vouchers_merge(struct member *from, struct member *into, struct arena *arena, bool *ret_ok)
{
	enum status st = ST_OK;

	*ret_ok = true;
	for (size_t i = 0; i < from->n_vouchers && st == ST_OK && *ret_ok; i++)
		st = voucher_add(into, arena, &from->vouchers[i], ret_ok);
	from->n_vouchers = 0;
	return st;
}

/* ---- deciding ---- */

int32_t
term_last_day(const struct term *term, int32_t day)
{
	if (term->days == 0 && term->months == 0)
		return DAY_NEVER;
	if (day > DAY_MAX - SPAN_DAYS_MAX - 366)
		return DAY_MAX;
	return term->days > 0 ? day + (int32_t)term->days : day_add_months(day, (int)term->months);
}

int32_t
voucher_last_day(const struct voucher_kind *kind, int32_t day)
{
	return term_last_day(&kind->valid, day);
}

static enum status
note(struct decision *d, const struct voucher_change *change)
{
	struct voucher_change *grown = arena_grow(d->arena, d->vouchers, &d->cap_vouchers, d->entry->n_vouchers + 1, sizeof(*grown));

	if (grown == NULL)
		return ST_NOMEM;
	grown[d->entry->n_vouchers++] = *change;
	d->vouchers = grown;
	d->entry->vouchers = grown;
	return ST_OK;
}

size_t
vouchers_open(const struct member *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_vouchers; i++)
		n += !voucher_is_over(m->vouchers[i].state);
	return n;
}

enum status
decision_issue(struct decision *d, const struct voucher_kind *kind, enum voucher_source source, const char *of, uint32_t at, int32_t last_day,
    bool *ret_fits)
{
	struct voucher_change change = { .v = { .state = VOUCHER_ISSUED, .source = source, .at = at, .last_day = last_day } };

	for (size_t i = 0; i < d->entry->n_vouchers; i++)
		change.v.n += !d->vouchers[i].has_from;
	*ret_fits = vouchers_open(d->member) + change.v.n < LEDGER_VOUCHERS_MAX;
	if (!*ret_fits)
		return ST_OK;
	tier_id_copy(change.v.id, kind->id);
	tier_id_copy(change.v.of, of);
	return note(d, &change);
}

enum status
decision_voucher(struct decision *d, const struct voucher *v, enum voucher_state state)
{
	struct voucher_change change = { .has_from = true, .v = *v };

	assert(may_become(v->state, state));
	change.v.state = state;
	change.v.by = (struct entry_id){ 0 };
	for (size_t i = 0; i < d->entry->n_vouchers; i++) {
		if (d->vouchers[i].has_from && voucher_compare(&d->vouchers[i].v, v) == 0) {
			d->vouchers[i] = change;
			return ST_OK;
		}
	}
	return note(d, &change);
}

enum status
decision_vouchers_end(struct decision *d, bool *ret_any)
{
	enum status st = ST_OK;

	*ret_any = false;
	for (size_t i = 0; i < d->member->n_vouchers && d->entry->n_vouchers < ENTRY_VOUCHERS_MAX && st == ST_OK; i++) {
		const struct voucher *v = &d->member->vouchers[i];

		if (v->state != VOUCHER_ISSUED || v->last_day >= d->today)
			continue;
		*ret_any = true;
		st = decision_voucher(d, v, VOUCHER_EXPIRED);
	}
	return st;
}
