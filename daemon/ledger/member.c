/*
 * A member's record and its parts.
 *
 * Lots are in consumption order: by last day, never-ending ones last, and within a day in the order in which they were first
 * earned; a hold's lots likewise.  So taking from the front is taking in consumption order, ended lots first.
 *
 * A record's bytes: format, then every field as a varint in the order of struct member.  They are rebuilt from the ledger
 * whenever the format changes, so there is one format and no migration.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

#define RECORD_FORMAT 1
#define FLAG_HEAD 1
#define FLAG_DUE 2
#define FLAG_BIRTHDAY 4
#define FLAG_LOOK 8
#define FLAG_CLOCK 16
#define FLAG_ANNIVERSARY 32
#define FLAG_NOTICED 64
#define FLAG_MOVED 128			/* lent points, or merged into another */

/* ---- writing ---- */

static void
lots_encode(const struct lot *lots, size_t n, struct buf *out)
{
	buf_put_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		buf_put_svarint(out, lots[i].last_day);
		buf_put_u8(out, (uint8_t)lots[i].class);
		buf_put_svarint(out, lots[i].points);
	}
}

/* Of the program's counters those up to the last that this record has used. */
static size_t
counters_used(const struct member *m)
{
	int64_t any[LEDGER_COUNTERS_MAX];
	size_t n = LEDGER_COUNTERS_MAX;

	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++)
		any[i] = m->counters[i] | m->start_base.counters[i];
	for (size_t k = 0; k < m->n_days; k++) {
		for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++)
			any[i] |= m->days[k].counters[i];
	}
	while (n > 0 && any[n - 1] == 0)
		n--;
	return n;
}

static void
counters_encode(const int64_t *counters, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_put_svarint(out, counters[i]);
}

static void
days_encode(const struct member *m, size_t n_counters, struct buf *out)
{
	int32_t before = 0;

	buf_put_varint(out, m->n_days);
	for (size_t i = 0; i < m->n_days; i++) {
		buf_put_svarint(out, (int64_t)m->days[i].day - before);
		buf_put_svarint(out, m->days[i].points_earned);
		buf_put_svarint(out, m->days[i].spend);
		buf_put_svarint(out, m->days[i].visits);
		counters_encode(m->days[i].counters, n_counters, out);
		before = m->days[i].day;
	}
}

static void
tier_encode(const struct tier_state *t, struct buf *out)
{
	buf_put_string(out, t->earned);
	buf_put_svarint(out, t->since);
	buf_put_svarint(out, t->until);
	buf_put_string(out, t->gift);
	buf_put_svarint(out, t->gift_until);
	buf_put_svarint(out, t->from);
	buf_put_svarint(out, t->start);
	buf_put_u8(out, t->grace);
}

void
member_encode(const struct member *m, struct buf *out)
{
	unsigned flags = (m->has_head ? FLAG_HEAD : 0) | (m->due_at_us != INSTANT_NEVER ? FLAG_DUE : 0) |
	    (m->birthday_paid != DAY_NONE ? FLAG_BIRTHDAY : 0) | (m->has_look ? FLAG_LOOK : 0) |
	    (m->clock.on ? FLAG_CLOCK : 0) | (m->has_anniversary ? FLAG_ANNIVERSARY : 0) |
	    (m->noticed != 0 || m->noticed_before != 0 ? FLAG_NOTICED : 0) | (m->advanced != 0 || m->merged_into != 0 ? FLAG_MOVED : 0);

	size_t n_counters = counters_used(m);

	buf_put_u8(out, RECORD_FORMAT);
	buf_put_u8(out, (uint8_t)flags);
	buf_put_svarint(out, m->enrolled_day);
	buf_put_svarint(out, m->available);
	buf_put_svarint(out, m->pending);
	buf_put_svarint(out, m->held);
	buf_put_svarint(out, m->debt);
	buf_put_svarint(out, m->points_earned);
	buf_put_svarint(out, m->spend);
	buf_put_svarint(out, m->visits);
	buf_put_varint(out, m->purchases);
	buf_put_u8(out, (uint8_t)n_counters);
	counters_encode(m->counters, n_counters, out);
	tier_encode(&m->tier, out);
	buf_put_svarint(out, m->start_base.points_earned);
	buf_put_svarint(out, m->start_base.spend);
	buf_put_svarint(out, m->start_base.visits);
	counters_encode(m->start_base.counters, n_counters, out);
	if (m->has_look)
		buf_put_svarint(out, m->look_day);
	buf_put_u8(out, (uint8_t)m->standing);
	if (m->has_anniversary)
		buf_put_svarint(out, m->anniversary);
	if (m->noticed != 0 || m->noticed_before != 0) {
		buf_put_svarint(out, m->noticed);
		buf_put_svarint(out, m->noticed_before);
	}
	if (m->advanced != 0 || m->merged_into != 0) {
		buf_put_svarint(out, m->advanced);
		buf_put_varint(out, m->merged_into);
	}
	if (m->clock.on) {
		buf_put_svarint(out, m->clock.last_day);
		buf_put_varint(out, m->clock.months);
		buf_put_varint(out, m->clock.percent);
	}
	if (m->birthday_paid != DAY_NONE)
		buf_put_svarint(out, m->birthday_paid);
	if (m->has_head) {
		buf_put_varint(out, m->head.seq);
		buf_put_varint(out, m->head.index);
	}
	if (m->due_at_us != INSTANT_NEVER)
		buf_put_svarint(out, m->due_at_us);
	lots_encode(m->lots, m->n_lots, out);
	buf_put_varint(out, m->n_holds);
	for (size_t i = 0; i < m->n_holds; i++) {
		buf_put_varint(out, m->holds[i].id.seq);
		buf_put_varint(out, m->holds[i].id.index);
		buf_put_svarint(out, m->holds[i].ends_at_us);
		buf_put_svarint(out, m->holds[i].day);
		buf_put_u8(out, m->holds[i].expire_at_once);
		lots_encode(m->holds[i].lots, m->holds[i].n_lots, out);
	}
	days_encode(m, n_counters, out);
	tallies_encode(m->tallies, m->n_tallies, out);
	pendings_encode(m, out);
}

/* ---- reading: the first thing that is out of range sticks, as in struct cursor ---- */

struct reader {
	struct cursor c;
	struct arena *arena;
	bool corrupt, no_memory;
};

static bool
read_bool(struct reader *r)
{
	uint8_t v = cursor_u8(&r->c);

	if (v > 1)
		r->corrupt = true;
	return v == 1;
}

static int32_t
read_day(struct reader *r)
{
	int64_t v = cursor_svarint(&r->c);

	if (v < INT32_MIN || v > INT32_MAX) {
		r->corrupt = true;
		return 0;
	}
	return (int32_t)v;
}

static uint32_t
read_u32(struct reader *r)
{
	uint64_t v = cursor_varint(&r->c);

	if (v > UINT32_MAX) {
		r->corrupt = true;
		return 0;
	}
	return (uint32_t)v;
}

/* A count of rows that take at least ${least} bytes each, and memory for them. */
static void *
read_rows(struct reader *r, size_t least, size_t size, size_t *ret_n)
{
	uint64_t n = cursor_varint(&r->c);

	*ret_n = 0;
	if (r->corrupt || r->no_memory || !cursor_ok(&r->c) || n == 0)
		return NULL;
	if (n > (uint64_t)(r->c.end - r->c.p) / least) {
		r->corrupt = true;
		return NULL;
	}
	void *rows = arena_alloc(r->arena, (size_t)n * size);
	if (rows == NULL) {
		r->no_memory = true;
		return NULL;
	}
	*ret_n = (size_t)n;
	return rows;
}

static struct lot *
read_lots(struct reader *r, size_t *ret_n)
{
	struct lot *lots = read_rows(r, 3, sizeof(*lots), ret_n);

	for (size_t i = 0; i < *ret_n; i++) {
		lots[i].last_day = read_day(r);
		uint8_t class = cursor_u8(&r->c);
		if (class >= LOT_CLASS_COUNT)
			r->corrupt = true;
		else
			lots[i].class = (enum lot_class)class;
		lots[i].points = cursor_svarint(&r->c);
	}
	return lots;
}

static void
read_id(struct reader *r, char ret_id[static LEDGER_ID_MAX + 1])
{
	struct bytes s = cursor_string(&r->c);

	if (s.len > LEDGER_ID_MAX || (s.len > 0 && memchr(s.data, 0, s.len) != NULL)) {
		r->corrupt = true;
		return;
	}
	if (s.len > 0)
		memcpy(ret_id, s.data, s.len);
	ret_id[s.len] = 0;
}

static void
read_tier(struct reader *r, struct tier_state *ret)
{
	read_id(r, ret->earned);
	ret->since = read_day(r);
	ret->until = read_day(r);
	read_id(r, ret->gift);
	ret->gift_until = read_day(r);
	ret->from = read_day(r);
	ret->start = read_day(r);
	ret->grace = read_bool(r);
}

static void
read_holds(struct reader *r, struct member *m)
{
	m->holds = read_rows(r, 4, sizeof(*m->holds), &m->n_holds);
	for (size_t i = 0; i < m->n_holds; i++) {
		struct hold *h = &m->holds[i];

		h->id.seq = cursor_varint(&r->c);
		h->id.index = read_u32(r);
		h->ends_at_us = cursor_svarint(&r->c);
		h->day = read_day(r);
		h->expire_at_once = read_bool(r);
		h->lots = read_lots(r, &h->n_lots);
		h->cap_lots = h->n_lots;
	}
	m->cap_holds = m->n_holds;
}

static void
read_counters(struct reader *r, int64_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = cursor_svarint(&r->c);
}

static size_t
read_counter_count(struct reader *r)
{
	uint8_t n = cursor_u8(&r->c);

	if (n <= LEDGER_COUNTERS_MAX)
		return n;
	r->corrupt = true;
	return 0;
}

static struct tally *
read_tallies(struct reader *r, size_t *ret_n)
{
	struct tally *tallies = read_rows(r, 4, sizeof(*tallies), ret_n);

	for (size_t i = 0; i < *ret_n; i++)
		r->corrupt |= !tally_decode(&r->c, i == 0 ? NULL : &tallies[i - 1], &tallies[i]);
	return tallies;
}

static struct pending *
read_pendings(struct reader *r, size_t *ret_n)
{
	struct pending *pendings = read_rows(r, 7, sizeof(*pendings), ret_n);

	for (size_t i = 0; i < *ret_n; i++)
		r->corrupt |= !pending_decode(&r->c, &pendings[i]);
	return pendings;
}

static void
read_days(struct reader *r, struct member *m, size_t n_counters)
{
	int64_t day = 0;

	m->days = read_rows(r, 4, sizeof(*m->days), &m->n_days);
	for (size_t i = 0; i < m->n_days; i++) {
		int64_t step = cursor_svarint(&r->c);
		if (!checked_add(day, step, &day) || day < DAY_MIN || day > DAY_MAX) {
			r->corrupt = true;
			day = 0;
		}
		m->days[i].day = (int32_t)day;
		m->days[i].points_earned = cursor_svarint(&r->c);
		m->days[i].spend = cursor_svarint(&r->c);
		m->days[i].visits = cursor_svarint(&r->c);
		read_counters(r, m->days[i].counters, n_counters);
	}
	m->cap_days = m->n_days;
}

enum status
member_decode(struct bytes bytes, struct arena *arena, struct member *ret_member)
{
	struct reader r = { .c = cursor_of(bytes), .arena = arena };
	struct member m = { .birthday_paid = DAY_NONE, .due_at_us = INSTANT_NEVER };

	if (cursor_u8(&r.c) != RECORD_FORMAT)
		return ST_CORRUPT;
	unsigned flags = cursor_u8(&r.c);
	m.enrolled_day = read_day(&r);
	m.available = cursor_svarint(&r.c);
	m.pending = cursor_svarint(&r.c);
	m.held = cursor_svarint(&r.c);
	m.debt = cursor_svarint(&r.c);
	m.points_earned = cursor_svarint(&r.c);
	m.spend = cursor_svarint(&r.c);
	m.visits = cursor_svarint(&r.c);
	m.purchases = cursor_varint(&r.c);
	size_t n_counters = read_counter_count(&r);
	read_counters(&r, m.counters, n_counters);
	read_tier(&r, &m.tier);
	m.start_base.points_earned = cursor_svarint(&r.c);
	m.start_base.spend = cursor_svarint(&r.c);
	m.start_base.visits = cursor_svarint(&r.c);
	read_counters(&r, m.start_base.counters, n_counters);
	m.has_look = (flags & FLAG_LOOK) != 0;
	if (m.has_look)
		m.look_day = read_day(&r);
	uint8_t standing = cursor_u8(&r.c);
	if (standing > STANDING_CLOSED)
		r.corrupt = true;
	else
		m.standing = (enum standing)standing;
	m.has_anniversary = (flags & FLAG_ANNIVERSARY) != 0;
	if (m.has_anniversary)
		m.anniversary = read_day(&r);
	if (flags & FLAG_NOTICED) {
		m.noticed = read_day(&r);
		m.noticed_before = read_day(&r);
		r.corrupt |= m.noticed == 0 && m.noticed_before == 0;
	}
	if (flags & FLAG_MOVED) {
		m.advanced = cursor_svarint(&r.c);
		m.merged_into = cursor_varint(&r.c);
		r.corrupt |= m.advanced == 0 && m.merged_into == 0;
	}
	m.clock.on = (flags & FLAG_CLOCK) != 0;
	if (m.clock.on) {
		m.clock.last_day = read_day(&r);
		m.clock.months = read_u32(&r);
		m.clock.percent = read_u32(&r);
	}
	if (flags & FLAG_BIRTHDAY)
		m.birthday_paid = read_day(&r);
	if (flags & FLAG_HEAD) {
		m.has_head = true;
		m.head.seq = cursor_varint(&r.c);
		m.head.index = read_u32(&r);
	}
	if (flags & FLAG_DUE)
		m.due_at_us = cursor_svarint(&r.c);
	m.lots = read_lots(&r, &m.n_lots);
	m.cap_lots = m.n_lots;
	read_holds(&r, &m);
	read_days(&r, &m, n_counters);
	m.tallies = read_tallies(&r, &m.n_tallies);
	m.cap_tallies = m.n_tallies;
	m.pendings = read_pendings(&r, &m.n_pendings);
	m.cap_pendings = m.n_pendings;
	if (r.no_memory)
		return ST_NOMEM;
	if (r.corrupt || !cursor_done(&r.c) || member_check(&m) != EVOLVE_OK)
		return ST_CORRUPT;
	*ret_member = m;
	return ST_OK;
}

void
totals_encode(const struct totals *t, struct buf *out)
{
	buf_put_u8(out, RECORD_FORMAT);
	buf_put_varint(out, t->members);
	buf_put_varint(out, t->versions);
	buf_put_u8(out, ACCOUNT_COUNT);
	for (size_t i = 0; i < ACCOUNT_COUNT; i++)
		buf_put_svarint(out, t->account[i]);
	tallies_encode(t->tallies, t->n_tallies, out);
}

enum status
totals_decode(struct bytes bytes, struct totals *ret_totals)
{
	struct reader r = { .c = cursor_of(bytes) };
	struct totals t = { 0 };

	if (cursor_u8(&r.c) != RECORD_FORMAT)
		return ST_CORRUPT;
	t.members = cursor_varint(&r.c);
	t.versions = read_u32(&r);
	if (cursor_u8(&r.c) != ACCOUNT_COUNT)
		return ST_CORRUPT;
	for (size_t i = 0; i < ACCOUNT_COUNT; i++)
		t.account[i] = cursor_svarint(&r.c);
	t.n_tallies = cursor_varint(&r.c);
	if (t.n_tallies > LEDGER_PROGRAM_CAPS_MAX)
		return ST_CORRUPT;
	for (size_t i = 0; i < t.n_tallies; i++)
		r.corrupt |= !tally_decode(&r.c, i == 0 ? NULL : &t.tallies[i - 1], &t.tallies[i]);
	r.corrupt |= !tallies_check(t.tallies, t.n_tallies);
	if (r.corrupt || !cursor_done(&r.c))
		return ST_CORRUPT;
	*ret_totals = t;
	return ST_OK;
}

/* ---- copying and checking ---- */

static bool metric_row_empty(const struct metric_day *row);

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

	m.cap_lots = m.n_lots;
	m.cap_holds = m.n_holds;
	m.cap_days = m.n_days;
	m.cap_tallies = m.n_tallies;
	m.tallies = rows_copy(arena, from->tallies, from->n_tallies, sizeof(*m.tallies));
	m.cap_pendings = m.n_pendings;
	m.pendings = rows_copy(arena, from->pendings, from->n_pendings, sizeof(*m.pendings));
	if ((m.tallies == NULL && m.n_tallies > 0) || (m.pendings == NULL && m.n_pendings > 0))
		return ST_NOMEM;
	m.lots = rows_copy(arena, from->lots, from->n_lots, sizeof(*m.lots));
	m.holds = rows_copy(arena, from->holds, from->n_holds, sizeof(*m.holds));
	m.days = rows_copy(arena, from->days, from->n_days, sizeof(*m.days));
	if ((m.lots == NULL && m.n_lots > 0) || (m.holds == NULL && m.n_holds > 0) || (m.days == NULL && m.n_days > 0))
		return ST_NOMEM;
	for (size_t i = 0; i < m.n_holds; i++) {
		struct hold *h = &m.holds[i];

		h->lots = rows_copy(arena, h->lots, h->n_lots, sizeof(*h->lots));
		h->cap_lots = h->n_lots;
		if (h->lots == NULL && h->n_lots > 0)
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
		if (sum == 0 || (i > 0 && entry_id_compare(m->holds[i - 1].id, m->holds[i].id) >= 0))
			return EVOLVE_MALFORMED;
		held += sum;
	}
	return held == m->held ? EVOLVE_OK : EVOLVE_MALFORMED;
}

enum evolve_fault
member_check(const struct member *m)
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
	if (m->birthday_paid != DAY_NONE && !day_ok(m->birthday_paid))
		return EVOLVE_MALFORMED;
	if (!day_ok(m->tier.since) || !last_day_ok(m->tier.until) || !last_day_ok(m->tier.gift_until))
		return EVOLVE_MALFORMED;
	if ((m->has_anniversary && !day_ok(m->anniversary)) || !day_ok(m->noticed) || !day_ok(m->noticed_before))
		return EVOLVE_MALFORMED;
	if (m->clock.on && (!day_ok(m->clock.last_day) || m->clock.months == 0 || m->clock.percent == 0 || m->clock.percent > 100))
		return EVOLVE_MALFORMED;
	if (!m->clock.on && member_has_clock_lots(m))
		return EVOLVE_MALFORMED;
	if (!day_ok(m->tier.from) || !day_ok(m->tier.start) || (m->has_look && !day_ok(m->look_day)))
		return EVOLVE_MALFORMED;
	for (size_t i = 0; i < m->n_days; i++) {
		const struct metric_day *row = &m->days[i];

		if (i > 0 && row->day <= m->days[i - 1].day)
			return EVOLVE_MALFORMED;
		if (metric_row_empty(row))
			return EVOLVE_MALFORMED;
	}
	return tallies_check(m->tallies, m->n_tallies) && pendings_check(m) ? EVOLVE_OK : EVOLVE_MALFORMED;
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

/* ---- metrics and tiers ---- */

static bool
metric_row_add(struct metric_day *row, const struct metric_day *add)
{
	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++) {
		if (!checked_add(row->counters[i], add->counters[i], &row->counters[i]))
			return false;
	}
	return checked_add(row->points_earned, add->points_earned, &row->points_earned) &&
	    checked_add(row->spend, add->spend, &row->spend) && checked_add(row->visits, add->visits, &row->visits);
}

bool
metric_row_subtract(struct metric_day *row, const struct metric_day *less)
{
	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++) {
		if (!checked_sub(row->counters[i], less->counters[i], &row->counters[i]))
			return false;
	}
	return checked_sub(row->points_earned, less->points_earned, &row->points_earned) &&
	    checked_sub(row->spend, less->spend, &row->spend) && checked_sub(row->visits, less->visits, &row->visits);
}

/* The lifetime sums, and if it is dated through the start of the tier those that begin there. */
static bool
lifetime_add(struct member *m, const struct metric_day *add)
{
	if (!checked_add(m->points_earned, add->points_earned, &m->points_earned) || !checked_add(m->spend, add->spend, &m->spend) ||
	    !checked_add(m->visits, add->visits, &m->visits))
		return false;
	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++) {
		if (!checked_add(m->counters[i], add->counters[i], &m->counters[i]))
			return false;
	}
	return true;
}

/* Of days that have no row any more, which are before the start of every tier. */
bool
metric_sums_add(struct member *m, const struct metric_day *add)
{
	return lifetime_add(m, add) && metric_row_add(&m->start_base, add);
}

static bool
metric_row_empty(const struct metric_day *row)
{
	if (row->points_earned != 0 || row->spend != 0 || row->visits != 0)		/* nearly all: no look at the counters */
		return false;
	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++) {
		if (row->counters[i] != 0)
			return false;
	}
	return true;
}

static void
metrics_prune(struct member *m, int32_t oldest_day)
{
	size_t gone = 0;

	while (gone < m->n_days && m->days[gone].day < oldest_day)
		gone++;
	if (gone > 0)
		memmove(m->days, m->days + gone, (m->n_days - gone) * sizeof(*m->days));
	m->n_days -= gone;
}

enum status
metrics_add(struct member *m, struct arena *arena, const struct metric_day *add, int32_t oldest_day, bool *ret_ok)
{
	size_t at = m->n_days;

	*ret_ok = lifetime_add(m, add);
	if (*ret_ok && add->day <= m->tier.start)
		*ret_ok = metric_row_add(&m->start_base, add);
	if (!*ret_ok)
		return ST_OK;
	while (at > 0 && m->days[at - 1].day > add->day)
		at--;
	if (at > 0 && m->days[at - 1].day == add->day) {
		at--;
		*ret_ok = metric_row_add(&m->days[at], add);
	} else {
		struct metric_day *grown = arena_grow(arena, m->days, &m->cap_days, m->n_days + 1, sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		memmove(grown + at + 1, grown + at, (m->n_days - at) * sizeof(*grown));
		grown[at] = *add;
		m->days = grown;
		m->n_days++;
	}
	if (metric_row_empty(&m->days[at])) {
		memmove(m->days + at, m->days + at + 1, (m->n_days - at - 1) * sizeof(*m->days));
		m->n_days--;
	}
	metrics_prune(m, oldest_day);
	return ST_OK;
}

static bool
within_points_max(int64_t have, int64_t add)
{
	int64_t sum;

	return checked_add(have, add, &sum) && sum <= POINTS_MAX && sum >= -POINTS_MAX;
}

bool
metrics_fit(const struct member *m, const struct metric_day *add)
{
	if (!within_points_max(m->points_earned, add->points_earned) || !within_points_max(m->spend, add->spend))
		return false;
	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++) {
		if (!within_points_max(m->counters[i], add->counters[i]))
			return false;
	}
	for (size_t i = m->n_days; i > 0 && m->days[i - 1].day >= add->day; i--) {
		if (m->days[i - 1].day == add->day)
			return within_points_max(m->days[i - 1].points_earned, add->points_earned) &&
			    within_points_max(m->days[i - 1].spend, add->spend);
	}
	return true;
}

size_t
tier_earned(const struct program *p, const struct member *m)
{
	const struct tier *t = program_tier(p, m->tier.earned);

	return t == NULL ? 0 : (size_t)(t - p->tiers);
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
