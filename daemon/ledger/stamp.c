/*
 * Cards of stamps.  Of each kind a member fills one card: what its record has is stamps − size × vouchers, so a full card has left it and become a
 * voucher.  Below zero they are owed, and new stamps pay them first.  A milestone brings its voucher once for a card.
 *
 * A return goes the same way back, stamp by stamp: below a milestone, or below the beginning of the card, a voucher that the purchase issued for it
 * is revoked unless it was used; then the card before is the one that is being filled.
 *
 * An entry has each card that it changes whole, as it is afterwards, so that evolve needs no rule.
 */
#include <assert.h>
#include <string.h>

#include "ledger/earn.h"

/* ---- the record ---- */

static bool
card_ok(const struct stamp_card *c)
{
	if (memchr(c->id, 0, sizeof(c->id)) == NULL || c->id[0] == 0 || c->n_fired > LEDGER_MILESTONES_MAX || !last_day_ok(c->last_day))
		return false;
	for (size_t i = 0; i < c->n_fired; i++) {
		if (c->fired[i] == 0 || (i > 0 && c->fired[i - 1] >= c->fired[i]))
			return false;
	}
	return c->stamps <= LEDGER_STAMPS_MAX && c->stamps >= -LEDGER_STAMPS_MAX && (c->stamps > 0 || c->last_day == DAY_NEVER);
}

static bool
card_is_empty(const struct stamp_card *c)
{
	return c->stamps == 0 && c->n_fired == 0;
}

bool
stamps_check(const struct member *m)
{
	for (size_t i = 0; i < m->n_cards; i++) {
		if (!card_ok(&m->cards[i]) || card_is_empty(&m->cards[i]) || (i > 0 && strcmp(m->cards[i - 1].id, m->cards[i].id) >= 0))
			return false;
	}
	return m->n_cards <= LEDGER_CARDS_MAX;
}

void
stamps_encode(const struct member *m, struct buf *out)
{
	buf_put_varint(out, m->n_cards);
	for (size_t i = 0; i < m->n_cards; i++) {
		const struct stamp_card *c = &m->cards[i];

		buf_put_string(out, c->id);
		buf_put_svarint(out, c->stamps);
		buf_put_svarint(out, c->last_day);
		buf_put_varint(out, c->n_fired);
		for (size_t k = 0; k < c->n_fired; k++)
			buf_put_varint(out, c->fired[k]);
	}
}

bool
stamp_card_decode(struct cursor *c, struct stamp_card *ret)
{
	struct bytes id = cursor_string(c);

	if (id.len > LEDGER_ID_MAX || (id.len > 0 && memchr(id.data, 0, id.len) != NULL))
		return false;
	memset(ret, 0, sizeof(*ret));
	if (id.len > 0)
		memcpy(ret->id, id.data, id.len);
	ret->stamps = cursor_svarint(c);
	int64_t last_day = cursor_svarint(c);
	uint64_t n = cursor_varint(c);
	if (last_day < INT32_MIN || last_day > INT32_MAX || n > LEDGER_MILESTONES_MAX)
		return false;
	ret->last_day = (int32_t)last_day;
	ret->n_fired = (size_t)n;
	for (size_t i = 0; i < ret->n_fired; i++) {
		uint64_t at = cursor_varint(c);

		if (at > UINT32_MAX)
			return false;
		ret->fired[i] = (uint32_t)at;
	}
	return true;
}

const struct stamp_card *
member_card(const struct member *m, const char *id)
{
	for (size_t i = 0; i < m->n_cards; i++) {
		if (strcmp(m->cards[i].id, id) == 0)
			return &m->cards[i];
	}
	return NULL;
}

/* ---- what an entry does ---- */

static bool
change_ok(const struct entry *entry, size_t i)
{
	const struct stamp_change *c = &entry->stamps[i];

	if (!card_ok(&c->card) || (i > 0 && strcmp(entry->stamps[i - 1].card.id, c->card.id) >= 0))
		return false;
	if (c->wanted < c->granted || c->granted < c->dropped || c->dropped < 0 || c->wanted > LEDGER_STAMPS_MAX)
		return false;
	return c->wanted == 0 || entry->op == OP_PURCHASE;
}

static enum status
card_set(struct member *m, struct arena *arena, const struct stamp_card *card)
{
	size_t at = 0;

	while (at < m->n_cards && strcmp(m->cards[at].id, card->id) < 0)
		at++;
	bool there = at < m->n_cards && strcmp(m->cards[at].id, card->id) == 0;
	if (card_is_empty(card)) {
		if (there)
			memmove(m->cards + at, m->cards + at + 1, (--m->n_cards - at) * sizeof(*m->cards));
		return ST_OK;
	}
	if (!there) {
		struct stamp_card *grown = arena_grow(arena, m->cards, &m->cap_cards, m->n_cards + 1, sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		m->cards = grown;
		memmove(grown + at + 1, grown + at, (m->n_cards++ - at) * sizeof(*grown));
	}
	m->cards[at] = *card;
	return ST_OK;
}

enum status
stamps_apply(struct member *m, struct arena *arena, const struct entry *entry, bool *ret_ok)
{
	enum status st = ST_OK;

	*ret_ok = true;
	for (size_t i = 0; i < entry->n_stamps && st == ST_OK && *ret_ok; i++) {
		*ret_ok = change_ok(entry, i);
		if (*ret_ok)
			st = card_set(m, arena, &entry->stamps[i].card);
	}
	return st;
}

bool
stamps_merged(const struct member *from, const struct entry *entry)
{
	for (size_t i = 0; i < from->n_cards; i++) {
		size_t at = 0;

		while (at < entry->n_stamps && strcmp(entry->stamps[at].card.id, from->cards[i].id) != 0)
			at++;
		if (at == entry->n_stamps)
			return false;
	}
	return true;
}

/* ---- deciding ---- */

static struct stamp_card
card_now(const struct decision *d, const char *id)
{
	const struct stamp_card *there = member_card(d->member, id);
	struct stamp_card none = { .last_day = DAY_NEVER };

	if (there != NULL)
		return *there;
	tier_id_copy(none.id, id);
	return none;
}

/* Into the entry's facts, in its place; a later word on a card, of several merged members, takes the earlier one's. */
static enum status
note(struct decision *d, const struct stamp_change *change)
{
	size_t at = d->entry->n_stamps;

	for (size_t i = 0; i < d->entry->n_stamps; i++) {
		if (strcmp(d->stamps[i].card.id, change->card.id) == 0) {
			assert(d->entry->n_merged > 1);
			d->stamps[i] = *change;
			return ST_OK;
		}
	}
	struct stamp_change *grown = arena_grow(d->arena, d->stamps, &d->cap_stamps, d->entry->n_stamps + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	while (at > 0 && strcmp(grown[at - 1].card.id, change->card.id) > 0)
		at--;
	memmove(grown + at + 1, grown + at, (d->entry->n_stamps++ - at) * sizeof(*grown));
	grown[at] = *change;
	d->entry->stamps = d->stamps = grown;
	return ST_OK;
}

static bool
has_fired(const struct stamp_card *s, uint32_t at)
{
	for (size_t i = 0; i < s->n_fired; i++) {
		if (s->fired[i] == at)
			return true;
	}
	return false;
}

static void
fire(struct stamp_card *s, uint32_t at)
{
	size_t place = s->n_fired;

	if (has_fired(s, at) || s->n_fired == LEDGER_MILESTONES_MAX)
		return;
	for (; place > 0 && s->fired[place - 1] > at; place--)
		s->fired[place] = s->fired[place - 1];
	s->fired[place] = at;
	s->n_fired++;
}

static void
unfire(struct stamp_card *s, uint32_t at)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_fired; i++) {
		if (s->fired[i] != at)
			s->fired[kept++] = s->fired[i];
	}
	memset(s->fired + kept, 0, (s->n_fired - kept) * sizeof(*s->fired));
	s->n_fired = kept;
}

/* The card is full: what had fired beyond it, when a return had gone back to it, has fired on the next one. */
static void
fire_next(struct stamp_card *s, uint32_t size)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_fired; i++) {
		if (s->fired[i] > size)
			s->fired[kept++] = s->fired[i] - size;
	}
	memset(s->fired + kept, 0, (s->n_fired - kept) * sizeof(*s->fired));
	s->n_fired = kept;
}

/* Back to the card before, all of whose milestones had fired; what has fired since, and stays, is beyond it, as far as there is room to note it. */
static void
fire_before(struct stamp_card *s, const struct card *card)
{
	struct stamp_card left = *s;

	memset(s->fired, 0, sizeof(s->fired));
	s->n_fired = 0;
	for (size_t i = 0; i < card->n_milestones; i++)
		fire(s, card->milestones[i].at);
	for (size_t i = 0; i < left.n_fired; i++)
		fire(s, left.fired[i] + (uint32_t)card->size);
}

static enum status
issue(struct decision *d, const struct card *card, enum voucher_source source, uint32_t at, size_t voucher, bool *ret_fits)
{
	const struct voucher_kind *kind = &d->program->vouchers[voucher];

	return decision_issue(d, kind, source, card->id, at, voucher_last_day(kind, d->business_date), ret_fits);
}

/* The milestones above ${from} that the card has reached. */
static enum status
reach(struct decision *d, const struct card *card, struct stamp_card *s, int64_t from, bool *ret_fits)
{
	for (size_t i = 0; i < card->n_milestones && *ret_fits; i++) {
		const struct milestone *m = &card->milestones[i];

		if ((int64_t)m->at <= from || (int64_t)m->at > s->stamps || has_fired(s, m->at))
			continue;
		enum status st = issue(d, card, VOUCHER_BY_MILESTONE, m->at, m->voucher, ret_fits);
		if (st != ST_OK)
			return st;
		fire(s, m->at);
	}
	return ST_OK;
}

/* A card that is full becomes a voucher, and what is beyond it begins the next one. */
static enum status
fill(struct decision *d, const struct card *card, struct stamp_card *s, bool *ret_fits)
{
	while (s->stamps >= card->size && *ret_fits) {
		enum status st = issue(d, card, VOUCHER_BY_CARD, 0, card->voucher, ret_fits);

		if (st != ST_OK || !*ret_fits)
			return st;
		s->stamps = card->drop ? 0 : s->stamps - card->size;
		s->last_day = s->stamps > 0 ? term_last_day(&card->valid, d->business_date) : DAY_NEVER;
		fire_next(s, (uint32_t)card->size);
		st = reach(d, card, s, 0, ret_fits);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* Stamps on a card, and on those after it; *${ret_dropped}: for which a full card had no room. */
static enum status
punch(struct decision *d, const struct card *card, struct stamp_card *s, int64_t stamps, int64_t *ret_dropped, bool *ret_fits)
{
	int64_t owed = s->stamps < 0 ? -s->stamps : 0, paid = stamps < owed ? stamps : owed;
	enum status st = fill(d, card, s, ret_fits);		/* another version may have made cards smaller */

	s->stamps += paid;
	for (stamps -= paid; stamps > 0 && st == ST_OK && *ret_fits;) {
		int64_t from = s->stamps, room = card->size - from, part = stamps < room ? stamps : room;

		if (from == 0)
			s->last_day = term_last_day(&card->valid, d->business_date);
		s->stamps += part;
		stamps -= part;
		st = reach(d, card, s, from, ret_fits);
		bool full = s->stamps >= card->size;
		if (st == ST_OK && *ret_fits)
			st = fill(d, card, s, ret_fits);
		if (full && card->drop) {
			*ret_dropped = stamps;
			stamps = 0;
		}
	}
	return st;
}

/* ---- a purchase ---- */

/* How many more the card's cap allows; all when there is none. */
static enum status
cap_left(struct earning *e, const struct card *card, int64_t wanted, int64_t *ret_left)
{
	const struct tally *used = NULL;

	*ret_left = wanted;
	if (card->cap == 0)
		return ST_OK;
	enum status st = card->cap_per == PERIOD_TRANSACTION ? ST_OK : earn_used(e, TALLY_STAMP_CAP, card->id, card->cap_per, &used);
	int64_t left = (int64_t)card->cap - (used == NULL ? 0 : used->count);
	if (left < wanted)
		*ret_left = left > 0 ? left : 0;
	return st;
}

/* The stamps of the event: by its items, and after the cap. */
static enum status
stamps_of(struct earning *e, size_t at, uint64_t *conditions, int64_t *ret_wanted, int64_t *ret_granted)
{
	const struct card *card = &e->p->cards[at];
	uint64_t then = e->past == NULL ? 0 : e->past->stamp_conditions;
	int64_t eligible;

	*ret_wanted = *ret_granted = 0;
	if (!when_holds(e, &card->when, card->id, then, at, conditions, &eligible))
		return ST_OK;
	*ret_wanted = when_items(e->event, &card->when, NULL) * card->per_item;
	return cap_left(e, card, *ret_wanted, ret_granted);
}

/* Use of the cap before the purchase, which a return goes by. */
static enum status
note_used(struct earning *e, const struct card *card)
{
	struct entry *entry = e->d->entry;
	const struct tally *used;

	if (card->cap == 0 || card->cap_per == PERIOD_TRANSACTION)
		return ST_OK;
	enum status st = earn_used(e, TALLY_STAMP_CAP, card->id, card->cap_per, &used);
	if (st != ST_OK || used == NULL)
		return st;
	struct tally *rows = arena_alloc(e->d->arena, (entry->n_used + 1) * sizeof(*rows));
	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < entry->n_used; i++)
		rows[i] = entry->used[i];
	rows[entry->n_used++] = *used;
	entry->used = rows;
	return ST_OK;
}

static enum status
note_tallies(struct earning *e, const struct card *card, int64_t granted)
{
	struct tally cap = { .kind = TALLY_STAMP_CAP, .per = card->cap_per, .at = period_start(card->cap_per, e->d->business_date), .count = granted };
	struct tally gap = { .kind = TALLY_GAP, .per = PERIOD_LIFETIME, .at = e->d->event_us, .count = 1 };
	enum status st = ST_OK;

	tier_id_copy(cap.id, card->id);
	tier_id_copy(gap.id, card->id);
	if (granted > 0 && card->cap > 0 && card->cap_per != PERIOD_TRANSACTION)
		st = decision_tally(e->d, &cap);
	if (st == ST_OK && granted > 0 && card->when.min_gap_us > 0)
		st = decision_tally(e->d, &gap);
	return st;
}

static enum status
refuse_full(struct decision *d)
{
	return refuse(d, LEDGER_CAP_REACHED, NULL, "the member has %d vouchers that are not over; no more can be issued", LEDGER_VOUCHERS_MAX);
}

static enum status
stamp_one(struct earning *e, size_t at)
{
	const struct card *card = &e->p->cards[at];
	struct stamp_change change = { .card = card_now(e->d, card->id) };
	bool fits = true;
	enum status st = stamps_of(e, at, &e->d->entry->stamp_conditions, &change.wanted, &change.granted);

	if (st != ST_OK || change.wanted == 0)
		return st;
	if (change.wanted > LEDGER_STAMPS_MAX || change.granted > LEDGER_STAMPS_MAX - change.card.stamps)
		return refuse(e->d, LEDGER_INVALID_ARGUMENT, "lines", "lines have so many items that their stamps cannot be counted");
	if (member_card(e->d->member, card->id) == NULL && e->d->member->n_cards + e->d->entry->n_stamps >= LEDGER_CARDS_MAX)
		return refuse(e->d, LEDGER_CAP_REACHED, NULL, "the member has stamps on %d cards; no more can be begun", LEDGER_CARDS_MAX);
	st = note_used(e, card);
	if (st == ST_OK)
		st = note_tallies(e, card, change.granted);
	if (st == ST_OK)
		st = punch(e->d, card, &change.card, change.granted, &change.dropped, &fits);
	if (st == ST_OK && change.granted > 0 && card->when.membership[0] != 0)
		st = decision_membership_used(e->d, card->when.membership);
	if (st != ST_OK)
		return st;
	return fits ? note(e->d, &change) : refuse_full(e->d);
}

enum status
earn_stamps(struct earning *e)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < e->p->n_cards && st == ST_OK && e->d->refusal->result == LEDGER_OK; i++)
		st = stamp_one(e, i);
	return st;
}

/* ---- a return ---- */

struct unstamping {
	struct decision *d;
	const struct card *card;
	struct entry_id purchase;
	struct stamp_card s;
};

static bool
revoked_here(const struct decision *d, const struct voucher *v)
{
	for (size_t i = 0; i < d->entry->n_vouchers; i++) {
		if (d->vouchers[i].has_from && voucher_compare(&d->vouchers[i].v, v) == 0)
			return d->vouchers[i].v.state == VOUCHER_REVOKED;
	}
	return false;
}

/* The newest that the purchase issued for it and that was not used; NULL: none is left. */
static const struct voucher *
unused(const struct unstamping *u, enum voucher_source source, uint32_t at)
{
	const struct member *m = u->d->member;

	for (size_t i = m->n_vouchers; i > 0; i--) {
		const struct voucher *v = &m->vouchers[i - 1];

		if (entry_id_compare(v->from, u->purchase) == 0 && v->source == source && v->at == at && strcmp(v->of, u->card->id) == 0 &&
		    v->state != VOUCHER_USED && v->state != VOUCHER_REVOKED && !revoked_here(u->d, v))
			return v;
	}
	return NULL;
}

/* Milestones above what is on the card now: those whose voucher goes may fire again. */
static enum status
uncover(struct unstamping *u)
{
	for (size_t i = u->card->n_milestones; i > 0; i--) {
		uint32_t at = u->card->milestones[i - 1].at;
		const struct voucher *v = unused(u, VOUCHER_BY_MILESTONE, at);

		if ((int64_t)at <= u->s.stamps || !has_fired(&u->s, at) || v == NULL)
			continue;
		enum status st = decision_voucher(u->d, v, VOUCHER_REVOKED);
		if (st != ST_OK)
			return st;
		unfire(&u->s, at);
	}
	return ST_OK;
}

/*
 * Below the beginning of the card are those that became vouchers which stay: of their milestones as many vouchers go as are no longer covered
 * since ${from}.  Those cards are over, so nothing fires again.
 */
static enum status
uncover_owed(struct unstamping *u, int64_t from)
{
	int64_t size = u->card->size, most = size - 1;

	for (size_t i = u->card->n_milestones; i > 0; i--) {
		uint32_t at = u->card->milestones[i - 1].at;
		int64_t gone = (at - u->s.stamps + most) / size - (at - from + most) / size;
		const struct voucher *v;

		for (; gone > 0 && (v = unused(u, VOUCHER_BY_MILESTONE, at)) != NULL; gone--) {
			enum status st = decision_voucher(u->d, v, VOUCHER_REVOKED);
			if (st != ST_OK)
				return st;
		}
	}
	return ST_OK;
}

/* Back to the card before, which had been full; its first stamp is as old as the purchase that filled it, as far as anybody knows. */
static enum status
reopen(struct unstamping *u, const struct voucher *v, int32_t day)
{
	enum status st = decision_voucher(u->d, v, VOUCHER_REVOKED);

	u->s.stamps += u->card->size;
	fire_before(&u->s, u->card);
	u->s.last_day = term_last_day(&u->card->valid, day);
	return st == ST_OK && u->s.stamps < u->card->size ? uncover(u) : st;
}

static enum status
unpunch(struct unstamping *u, int64_t stamps, int32_t day)
{
	enum status st = ST_OK;

	while (stamps > 0 && st == ST_OK) {
		const struct voucher *v = u->s.stamps > 0 ? NULL : unused(u, VOUCHER_BY_CARD, 0);
		int64_t from = u->s.stamps, part = from > 0 && stamps > from ? from : stamps;

		if (v != NULL) {
			st = reopen(u, v, day);
			continue;
		}
		u->s.stamps -= part;
		stamps -= part;
		st = from > 0 ? uncover(u) : uncover_owed(u, from);
	}
	if (u->s.stamps <= 0)
		u->s.last_day = DAY_NEVER;
	return st;
}

static enum status
give_back_cap(struct decision *d, const struct card *card, const struct entry *past, int64_t stamps)
{
	struct tally t = { .kind = TALLY_STAMP_CAP, .per = card->cap_per, .at = period_start(card->cap_per, past->business_date) };
	const struct tally *used = NULL;
	const struct totals *totals = NULL;

	if (card->cap == 0 || card->cap_per == PERIOD_TRANSACTION || stamps == 0)
		return ST_OK;
	enum status st = d->state->totals(d->state->ctx, d->entry->program, &totals);
	if (st != ST_OK)
		return st;
	if (card->cap_per != PERIOD_PROGRAM)
		used = tally_find(d->member->tallies, d->member->n_tallies, t.kind, card->id, t.per, t.at);
	else if (totals != NULL)
		used = tally_find(totals->tallies, totals->n_tallies, t.kind, card->id, t.per, 0);
	if (used == NULL)
		return ST_OK;
	tier_id_copy(t.id, card->id);
	t.count = used->count < stamps ? -used->count : -stamps;
	return decision_tally(d, &t);
}

/* What the purchase has lost by ${lost} of its stamps: those that found no room are the first. */
static int64_t
beyond_dropped(const struct stamp_change *then, int64_t lost)
{
	return lost > then->dropped ? lost - then->dropped : 0;
}

/* How many of the purchase's stamps are gone with ${event} left of it. */
static enum status
stamps_lost(struct decision *d, const struct program *version, const struct entry *past, const struct earn_event *event, size_t at,
    int64_t granted, int64_t *ret_lost)
{
	struct earning *e = earn_begin(d, version, past, event);
	uint64_t conditions = 0;
	int64_t wanted, rest;

	if (e == NULL)
		return ST_NOMEM;
	enum status st = stamps_of(e, at, &conditions, &wanted, &rest);
	*ret_lost = rest < granted ? granted - rest : 0;
	return st;
}

static enum status
unstamp_one(struct unstamping *u, const struct program *version, const struct entry *past, const struct stamp_change *then,
    const struct earn_event *before, const struct earn_event *after)
{
	size_t at = (size_t)(u->card - version->cards);
	int64_t was = 0, now = 0;
	enum status st = stamps_lost(u->d, version, past, before, at, then->granted, &was);

	if (st == ST_OK)
		st = stamps_lost(u->d, version, past, after, at, then->granted, &now);
	int64_t stamps = beyond_dropped(then, now) - beyond_dropped(then, was);
	if (st != ST_OK || now <= was)
		return st;
	u->s = card_now(u->d, u->card->id);
	if (stamps > 0 && u->s.stamps < stamps - LEDGER_STAMPS_MAX)
		return ST_CORRUPT;
	st = unpunch(u, stamps, past->business_date);
	if (st == ST_OK)
		st = give_back_cap(u->d, u->card, past, now - was);
	return st == ST_OK && stamps > 0 ? note(u->d, &(struct stamp_change){ .card = u->s }) : st;
}

enum status
decision_unstamp(struct decision *d, const struct program *version, const struct entry *past, struct entry_id id,
    const struct earn_event *before, const struct earn_event *after)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < past->n_stamps && st == ST_OK; i++) {
		struct unstamping u = { .d = d, .card = program_card(version, past->stamps[i].card.id), .purchase = id };

		if (u.card == NULL || past->stamps[i].granted == 0)
			continue;
		st = unstamp_one(&u, version, past, &past->stamps[i], before, after);
	}
	return st;
}

/* ---- cards that end, and cards that meet ---- */

enum status
decision_stamps_end(struct decision *d, bool *ret_any)
{
	const struct member *m = d->member;
	enum status st = ST_OK;

	*ret_any = false;
	for (size_t i = 0; i < m->n_cards && st == ST_OK; i++) {
		struct stamp_change change = { .card = { .last_day = DAY_NEVER } };

		if (m->cards[i].stamps <= 0 || m->cards[i].last_day >= d->today)
			continue;
		tier_id_copy(change.card.id, m->cards[i].id);
		*ret_any = true;
		st = note(d, &change);
	}
	return st;
}

enum status
decision_stamps_forfeit(struct decision *d)
{
	const struct member *m = d->member;
	enum status st = ST_OK;

	for (size_t i = 0; i < m->n_cards && st == ST_OK; i++) {
		struct stamp_change change = { .card = { .last_day = DAY_NEVER } };

		if (m->cards[i].stamps <= 0)
			continue;
		tier_id_copy(change.card.id, m->cards[i].id);
		st = note(d, &change);
	}
	return st;
}

/* The later end; a milestone that fired for either card has fired. */
static enum status
merge_one(struct decision *d, const struct stamp_card *from, bool *ret_fits)
{
	const struct card *card = program_card(d->program, from->id);
	struct stamp_change change = { .card = card_now(d, from->id) };
	struct stamp_card *s = &change.card;
	int64_t more = s->stamps > from->stamps ? s->stamps : from->stamps;
	int32_t last_day = s->stamps <= 0 || (from->stamps > 0 && from->last_day > s->last_day) ? from->last_day : s->last_day;
	enum status st = ST_OK;

	s->stamps += from->stamps;
	s->last_day = s->stamps > 0 ? last_day : DAY_NEVER;
	for (size_t i = 0; i < from->n_fired; i++)
		fire(s, from->fired[i]);
	if (card != NULL)
		st = reach(d, card, s, more > 0 ? more : 0, ret_fits);
	if (card != NULL && st == ST_OK && *ret_fits)
		st = fill(d, card, s, ret_fits);
	return st == ST_OK ? note(d, &change) : st;
}

enum status
decision_stamps_merge(struct decision *d, const struct member *from)
{
	bool fits = true;
	enum status st = ST_OK;

	if (from->n_cards + d->member->n_cards > LEDGER_CARDS_MAX)
		return refuse(d, LEDGER_CAP_REACHED, NULL, "the two have stamps on more than %d cards", LEDGER_CARDS_MAX);
	for (size_t i = 0; i < from->n_cards && st == ST_OK && fits; i++) {
		if (from->cards[i].stamps > LEDGER_STAMPS_MAX / 2 || from->cards[i].stamps < -LEDGER_STAMPS_MAX / 2 ||
		    card_now(d, from->cards[i].id).stamps > LEDGER_STAMPS_MAX / 2 || card_now(d, from->cards[i].id).stamps < -LEDGER_STAMPS_MAX / 2)
			return refuse(d, LEDGER_CAP_REACHED, NULL, "the two have more stamps than a card can count");
		st = merge_one(d, &from->cards[i], &fits);
	}
	if (st != ST_OK)
		return st;
	if (!fits || vouchers_open(from) + vouchers_open(d->member) + d->entry->n_vouchers > LEDGER_VOUCHERS_MAX)
		return refuse(d, LEDGER_CAP_REACHED, NULL, "the two have more than %d vouchers that are not over", LEDGER_VOUCHERS_MAX);
	return ST_OK;
}
