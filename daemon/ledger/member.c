/*
 * A member's record and its parts.
 *
 * Lots are in consumption order: by last day, never-ending ones last, and within a day in the order in which they were first
 * earned; a hold's lots likewise.  So taking from the front is taking in consumption order, ended lots first.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

/* ---- a new one ---- */

void
member_begin(struct member *m, const struct program *p, uint64_t number, int32_t day, bool provisional)
{
	*m = (struct member){
		.number = number,
		.provisional = provisional,
		.enrolled_day = day,
		.tier = { .since = day, .until = DAY_NEVER, .gift_until = DAY_NEVER, .from = day - 1, .start = day - 1 },
		.birthday_paid = DAY_NONE,
		.due_at_us = INSTANT_NEVER,
	};
	if (p->n_tiers > 0)
		tier_id_copy(m->tier.earned, p->tiers[0].id);
}

void
member_newcomer(const struct program *program, uint64_t number, int32_t day, struct member *ret)
{
	member_begin(ret, program, number, day, true);
	ret->program = program->number;
}

/* ---- copying and checking ---- */

/* NULL for n 0, and on failure. */
static void *
rows_copy(struct arena *arena, const void *rows, size_t n, size_t size)
{
	void *copy = n == 0 ? NULL : arena_alloc(arena, n * size);

	if (copy != NULL)
		memcpy(copy, rows, n * size);
	return copy;
}

enum status
member_copy(const struct member *from, struct arena *arena, struct member *ret_member)
{
	struct member m = *from;

	m.cap_consents = m.n_consents;
	m.consents = rows_copy(arena, from->consents, from->n_consents, sizeof(*m.consents));
	m.cap_lots = m.n_lots;
	m.cap_holds = m.n_holds;
	m.cap_days = m.n_days;
	m.cap_counts = m.n_counts;
	m.cap_tallies = m.n_tallies;
	m.tallies = rows_copy(arena, from->tallies, from->n_tallies, sizeof(*m.tallies));
	m.cap_pendings = m.n_pendings;
	m.pendings = rows_copy(arena, from->pendings, from->n_pendings, sizeof(*m.pendings));
	m.cap_cards = m.n_cards;
	m.cards = rows_copy(arena, from->cards, from->n_cards, sizeof(*m.cards));
	if (m.cards == NULL && m.n_cards > 0)
		return ST_NOMEM;
	m.cap_vouchers = m.n_vouchers;
	m.vouchers = rows_copy(arena, from->vouchers, from->n_vouchers, sizeof(*m.vouchers));
	if (m.vouchers == NULL && m.n_vouchers > 0)
		return ST_NOMEM;
	m.cap_memberships = m.n_memberships;
	m.memberships = rows_copy(arena, from->memberships, from->n_memberships, sizeof(*m.memberships));
	m.cap_joined = m.n_joined;
	m.joined = rows_copy(arena, from->joined, from->n_joined, sizeof(*m.joined));
	if ((m.memberships == NULL && m.n_memberships > 0) || (m.joined == NULL && m.n_joined > 0))
		return ST_NOMEM;
	if ((m.tallies == NULL && m.n_tallies > 0) || (m.pendings == NULL && m.n_pendings > 0) ||
	    (m.consents == NULL && m.n_consents > 0))
		return ST_NOMEM;
	m.lots = rows_copy(arena, from->lots, from->n_lots, sizeof(*m.lots));
	m.holds = rows_copy(arena, from->holds, from->n_holds, sizeof(*m.holds));
	m.days = rows_copy(arena, from->days, from->n_days, sizeof(*m.days));
	m.counts = rows_copy(arena, from->counts, from->n_counts, sizeof(*m.counts));
	if ((m.lots == NULL && m.n_lots > 0) || (m.holds == NULL && m.n_holds > 0) || (m.days == NULL && m.n_days > 0) ||
	    (m.counts == NULL && m.n_counts > 0))
		return ST_NOMEM;
	for (size_t i = 0; i < m.n_holds; i++) {
		struct hold *h = &m.holds[i];

		h->lots = rows_copy(arena, h->lots, h->n_lots, sizeof(*h->lots));
		h->cap_lots = h->n_lots;
		h->owners = rows_copy(arena, h->owners, h->n_owners, sizeof(*h->owners));
		if ((h->lots == NULL && h->n_lots > 0) || (h->owners == NULL && h->n_owners > 0))
			return ST_NOMEM;
	}
	*ret_member = m;
	return ST_OK;
}

/* A lot's equal can only stand among those of its day, and a day has at most one lot of each class. */
static enum evolve_fault
lots_check(const struct lot *lots, size_t n, wide *ret_sum)
{
	unsigned classes = 0;
	wide sum = 0;

	if (n > LEDGER_LOTS_MAX)
		return EVOLVE_MALFORMED;
	for (size_t i = 0; i < n; i++) {
		if (lots[i].points <= 0)
			return EVOLVE_NEGATIVE;
		if (!lot_day_ok(lots[i].last_day))
			return EVOLVE_MALFORMED;
		if (i > 0 && lots[i].last_day < lots[i - 1].last_day)
			return EVOLVE_MALFORMED;
		if (i > 0 && lots[i].last_day > lots[i - 1].last_day)
			classes = 0;
		if (lots[i].class == LOT_NONE || lots[i].class >= LOT_CLASS_COUNT || (classes & 1u << lots[i].class) != 0)
			return EVOLVE_MALFORMED;
		classes |= 1u << lots[i].class;
		sum += lots[i].points;
	}
	*ret_sum = sum;
	return EVOLVE_OK;
}

int
entry_id_compare(struct entry_id a, struct entry_id b)
{
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return (a.index > b.index) - (a.index < b.index);
}

static bool
hold_pool_ok(const struct hold *h)
{
	if (h->pooled == 0)
		return h->n_owners == 0;
	return h->pooled > 0 && !h->part && h->n_owners > 0 && h->n_owners <= LEDGER_POOL_MAX;
}

static enum evolve_fault
holds_check(const struct member *m)
{
	wide held = 0;

	if (m->n_holds > LEDGER_HOLDS_MAX)
		return EVOLVE_MALFORMED;
	for (size_t i = 0; i < m->n_holds; i++) {
		wide sum = 0;
		enum evolve_fault f = lots_check(m->holds[i].lots, m->holds[i].n_lots, &sum);

		if (f != EVOLVE_OK)
			return f;
		if (!hold_pool_ok(&m->holds[i]) || ((sum == 0) != m->holds[i].of_voucher && m->holds[i].pooled == 0))
			return EVOLVE_MALFORMED;
		if (i > 0 && entry_id_compare(m->holds[i - 1].id, m->holds[i].id) >= 0)
			return EVOLVE_MALFORMED;
		held += sum;
	}
	return held == m->held ? EVOLVE_OK : EVOLVE_MALFORMED;
}

enum evolve_fault
member_check_books(const struct member *m)
{
	wide sum = 0;

	if (m->available < 0 || m->pending < 0 || m->held < 0 || m->debt < 0)
		return EVOLVE_NEGATIVE;
	enum evolve_fault f = lots_check(m->lots, m->n_lots, &sum);
	if (f == EVOLVE_OK)
		f = holds_check(m);
	if (f != EVOLVE_OK)
		return f;
	if (sum != m->available || !day_ok(m->enrolled_day))
		return EVOLVE_MALFORMED;
	if (m->advanced < 0 || m->advanced > m->debt || (m->merged_into != 0 && m->standing != STANDING_CLOSED))
		return EVOLVE_MALFORMED;
	if (m->n_joined >= LEDGER_POOL_MAX || (m->n_joined > 0 && m->pool == 0))
		return EVOLVE_MALFORMED;
	if (m->birthday_paid != DAY_NONE && !day_ok(m->birthday_paid))
		return EVOLVE_MALFORMED;
	if (!day_ok(m->tier.since) || !last_day_ok(m->tier.until) || !last_day_ok(m->tier.gift_until))
		return EVOLVE_MALFORMED;
	if ((m->has_anniversary && !day_ok(m->anniversary)) || !day_ok(m->noticed) || !day_ok(m->noticed_before) ||
	    !day_ok(m->told_day) || !day_ok(m->notice_day))
		return EVOLVE_MALFORMED;
	if (m->clock.on && (!day_ok(m->clock.last_day) || m->clock.months == 0 || m->clock.percent == 0 || m->clock.percent > 100))
		return EVOLVE_MALFORMED;
	if (!m->clock.on && member_has_clock_lots(m))
		return EVOLVE_MALFORMED;
	if (!day_ok(m->tier.from) || !day_ok(m->tier.start) || (m->has_look && !day_ok(m->look_day)) || (m->has_auto && !day_ok(m->auto_day)))
		return EVOLVE_MALFORMED;
	if (!vouchers_check(m) || !memberships_check(m) || !member_people_check(m))
		return EVOLVE_MALFORMED;
	return m->n_tallies <= LEDGER_TALLIES_MAX && pendings_check(m) && stamps_check(m) ? EVOLVE_OK : EVOLVE_MALFORMED;
}

enum evolve_fault
member_check(const struct member *m)
{
	enum evolve_fault f = member_check_books(m);

	if (f != EVOLVE_OK)
		return f;
	return metrics_check(m) && tallies_check(m->tallies, m->n_tallies) ? EVOLVE_OK : EVOLVE_MALFORMED;
}

/* ---- lots and holds ---- */

enum status
lots_add(struct lot **lots, size_t *n, size_t *cap, struct arena *arena, const struct lot *lot, bool *ret_ok)
{
	size_t at = *n;

	assert(lot->points > 0);
	*ret_ok = true;
	while (at > 0 && (*lots)[at - 1].last_day > lot->last_day)
		at--;
	for (size_t i = at; i > 0 && (*lots)[i - 1].last_day == lot->last_day; i--) {
		if ((*lots)[i - 1].class == lot->class) {
			*ret_ok = checked_add((*lots)[i - 1].points, lot->points, &(*lots)[i - 1].points);
			return ST_OK;
		}
	}

	struct lot *grown = arena_grow(arena, *lots, cap, *n + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	memmove(grown + at + 1, grown + at, (*n - at) * sizeof(*grown));
	grown[at] = *lot;
	*lots = grown;
	(*n)++;
	return ST_OK;
}

static void
lots_remove(struct lot *lots, size_t *n, size_t at)
{
	memmove(lots + at, lots + at + 1, (*n - at - 1) * sizeof(*lots));
	(*n)--;
}

bool
lots_take(struct lot *lots, size_t *n, const struct lot *lot)
{
	assert(lot->points > 0);
	for (size_t i = 0; i < *n; i++) {
		if (lots[i].last_day != lot->last_day || lots[i].class != lot->class)
			continue;
		if (lots[i].points < lot->points)
			return false;
		lots[i].points -= lot->points;
		if (lots[i].points == 0)
			lots_remove(lots, n, i);
		return true;
	}
	return false;
}

/* How near two neighbours end: those under the clock are near nobody else. */
static int64_t
lots_gap(const struct lot *lots, size_t i)
{
	int64_t gap = (int64_t)lots[i + 1].last_day - lots[i].last_day;

	return gap > 0 && lots[i + 1].last_day >= DAY_CLOCK ? INT64_MAX : gap;
}

int64_t
lots_clock_points(const struct lot *lots, size_t n)
{
	int64_t points = 0;

	for (size_t i = n; i > 0 && lots[i - 1].last_day >= DAY_CLOCK; i--)
		points += lots[i - 1].last_day == DAY_CLOCK ? lots[i - 1].points : 0;
	return points;
}

bool
member_has_clock_lots(const struct member *m)
{
	if (lots_clock_points(m->lots, m->n_lots) > 0)
		return true;
	for (size_t i = 0; i < m->n_holds; i++) {
		if (lots_clock_points(m->holds[i].lots, m->holds[i].n_lots) > 0)
			return true;
	}
	return false;
}

void
lots_merge(struct lot *lots, size_t *n, size_t max)
{
	while (*n > max) {
		size_t first = 0;

		for (size_t i = 1; i + 1 < *n; i++) {
			if (lots_gap(lots, i) < lots_gap(lots, first))
				first = i;
		}
		lots[first + 1].points += lots[first].points;	/* cannot overflow: available is their sum */
		lots_remove(lots, n, first);
	}
}

const struct hold *
member_hold(const struct member *m, struct entry_id id)
{
	for (size_t i = 0; i < m->n_holds; i++) {
		if (entry_id_compare(m->holds[i].id, id) == 0)
			return &m->holds[i];
	}
	return NULL;
}

int64_t
hold_left(const struct hold *h)
{
	int64_t left = 0;

	for (size_t i = 0; i < h->n_lots; i++)
		left += h->lots[i].points;
	return left;
}

/* ---- tiers ---- */

size_t
tier_earned(const struct program *p, const struct member *m)
{
	const struct tier *t = program_tier(p, m->tier.earned);

	return t == NULL ? 0 : (size_t)(t - p->tiers);
}

const struct tier *
member_tier_held(const struct member *m, const struct program *program)
{
	return member_tier(m, program, DAY_MIN);
}

const struct tier *
member_tier(const struct member *m, const struct program *program, int32_t today)
{
	if (program->n_tiers == 0)
		return NULL;

	const struct tier *earned = &program->tiers[tier_earned(program, m)];
	if (m->tier.gift[0] == 0 || m->tier.gift_until < today)
		return earned;
	const struct tier *gift = program_tier(program, m->tier.gift);
	return gift != NULL && gift->rank > earned->rank ? gift : earned;
}

void
tier_id_copy(char to[static LEDGER_ID_MAX + 1], const char *id)
{
	size_t len = strlen(id);

	assert(len <= LEDGER_ID_MAX);
	memcpy(to, id, len + 1);
}

bool
tier_state_equal(const struct tier_state *a, const struct tier_state *b)
{
	return strcmp(a->earned, b->earned) == 0 && a->since == b->since && a->until == b->until && strcmp(a->gift, b->gift) == 0 &&
	    a->gift_until == b->gift_until && a->from == b->from && a->start == b->start && a->grace == b->grace;
}
