/*
 * Records as bytes: format, then every field in the order of struct member, numbers as varints.  They are rebuilt from the ledger whenever
 * the format changes, so there is one format and no migration.
 *
 * Rows of days and lots are most of a record, and it is read and written for each command: a row begins with the lengths of its numbers,
 * which then stand there without any, so that no byte decides about the next one; and with the days since the row before.
 */
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
#define FLAG_VOUCHERS 256
#define HOLD_AT_ONCE 1
#define HOLD_PARTNER 2
#define HOLD_VOUCHER 4
#define HOLD_PART 8
#define HOLD_POOLED 16
#define HOLD_FLAGS (HOLD_AT_ONCE | HOLD_PARTNER | HOLD_VOUCHER | HOLD_PART | HOLD_POOLED)
#define FLAG_MEMBERSHIPS 1024
#define FLAG_POOL 2048
#define FLAG_CARDS 512			/* of stamps; or points that become a voucher at night */
#define FLAG_PROVISIONAL 4096
#define FLAG_LOOKED 16384		/* by another version than the first */
#define FLAG_PEOPLE 8192		/* referred by somebody, or has said something on a purpose */
#define ROOM 8				/* for rows that the command will add */

/* ---- writing ---- */

static void
lots_encode(const struct lot *lots, size_t n, struct buf *out)
{
	int64_t before = 0;

	buf_put_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		unsigned len = uint_bytes((uint64_t)lots[i].points);

		buf_put_u8(out, (uint8_t)((unsigned)lots[i].class << 4 | len));
		buf_put_svarint(out, lots[i].last_day - before);
		buf_put_uint(out, (uint64_t)lots[i].points, len);
		before = lots[i].last_day;
	}
}

/* Of the program's counters those up to the last that this record has used. */
static size_t
counters_used(const struct member *m)
{
	size_t n = LEDGER_COUNTERS_MAX;

	while (n > 0 && (m->counters[n - 1] | m->start_base.counters[n - 1]) == 0)
		n--;
	return n;
}

static void
counters_encode(const int64_t *counters, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_put_svarint(out, counters[i]);
}

/* Nearly every row is of one visit: any other number is written. */
static void
days_encode(const struct member *m, struct buf *out)
{
	int32_t before = DAY_MIN - 1;

	buf_put_varint(out, m->n_days);
	for (size_t i = 0; i < m->n_days; i++) {
		const struct day_row *row = &m->days[i];
		uint64_t points = zigzag(row->points_earned), spend = zigzag(row->spend);
		unsigned points_len = uint_bytes(points), spend_len = uint_bytes(spend);

		buf_put_u8(out, (uint8_t)(points_len << 4 | spend_len));
		buf_put_varint(out, (uint64_t)(row->day - before) << 1 | (row->visits != 1));
		buf_put_uint(out, points, points_len);
		buf_put_uint(out, spend, spend_len);
		if (row->visits != 1)
			buf_put_svarint(out, row->visits);
		before = row->day;
	}
}

/* The place of a row among all: days are not below DAY_MIN. */
static uint64_t
count_place(const struct count_row *row)
{
	return (uint64_t)(row->day - DAY_MIN + 1) * LEDGER_COUNTERS_MAX + row->counter;
}

static void
counts_encode(const struct member *m, struct buf *out)
{
	uint64_t before = 0;

	buf_put_varint(out, m->n_counts);
	for (size_t i = 0; i < m->n_counts; i++) {
		uint64_t place = count_place(&m->counts[i]);

		buf_put_varint(out, place - before);
		buf_put_svarint(out, m->counts[i].count);
		before = place;
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

static void
hold_encode(const struct hold *h, struct buf *out)
{
	buf_put_varint(out, h->id.seq);
	buf_put_varint(out, h->id.index);
	buf_put_svarint(out, h->ends_at_us);
	buf_put_svarint(out, h->day);
	buf_put_varint(out, (h->expire_at_once ? HOLD_AT_ONCE : 0) | (h->partner[0] != 0 ? HOLD_PARTNER : 0) | (h->of_voucher ? HOLD_VOUCHER : 0) |
	    (h->part ? HOLD_PART : 0) | (h->pooled > 0 ? HOLD_POOLED : 0));
	if (h->partner[0] != 0)
		buf_put_string(out, h->partner);
	buf_put_string(out, h->till.store);
	buf_put_string(out, h->till.terminal);
	if (h->pooled > 0) {
		buf_put_svarint(out, h->pooled);
		buf_put_varint(out, h->n_owners);
		for (size_t i = 0; i < h->n_owners; i++)
			buf_put_varint(out, h->owners[i]);
	}
	lots_encode(h->lots, h->n_lots, out);
}

static bool
has_notices(const struct member *m)
{
	return m->noticed != 0 || m->noticed_before != 0 || m->told_day != 0 || m->notice_day != 0;
}

static void
pool_encode(const struct member *m, struct buf *out)
{
	buf_put_varint(out, m->pool);
	buf_put_varint(out, m->n_joined);
	for (size_t i = 0; i < m->n_joined; i++)
		buf_put_varint(out, m->joined[i]);
}

static bool
has_people(const struct member *m)
{
	return m->referred_by != 0 || m->n_consents > 0;
}

static void
people_encode(const struct member *m, struct buf *out)
{
	buf_put_varint(out, m->referred_by);
	buf_put_u8(out, m->referral_done);
	buf_put_varint(out, m->n_consents);
	for (size_t i = 0; i < m->n_consents; i++) {
		buf_put_string(out, m->consents[i].purpose);
		buf_put_u8(out, m->consents[i].given);
		buf_put_svarint(out, m->consents[i].day);
	}
}

void
member_encode(const struct member *m, struct buf *out)
{
	unsigned flags = (m->has_head ? FLAG_HEAD : 0) | (m->due_at_us != INSTANT_NEVER ? FLAG_DUE : 0) |
	    (m->birthday_paid != DAY_NONE ? FLAG_BIRTHDAY : 0) | (m->has_look ? FLAG_LOOK : 0) |
	    (m->clock.on ? FLAG_CLOCK : 0) | (m->has_anniversary ? FLAG_ANNIVERSARY : 0) |
	    (has_notices(m) ? FLAG_NOTICED : 0) | (m->advanced != 0 || m->merged_into != 0 ? FLAG_MOVED : 0) |
	    (m->n_vouchers > 0 ? FLAG_VOUCHERS : 0) |
	    (m->n_memberships > 0 ? FLAG_MEMBERSHIPS : 0) | (m->pool != 0 ? FLAG_POOL : 0) | (m->n_cards > 0 || m->has_auto ? FLAG_CARDS : 0) |
	    (m->provisional ? FLAG_PROVISIONAL : 0) | (has_people(m) ? FLAG_PEOPLE : 0) | (m->looked > 1 ? FLAG_LOOKED : 0);

	size_t n_counters = counters_used(m);

	buf_put_u8(out, RECORD_FORMAT);
	buf_put_varint(out, flags);
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
	if (has_notices(m)) {
		buf_put_svarint(out, m->noticed);
		buf_put_svarint(out, m->noticed_before);
		buf_put_svarint(out, m->told_day);
		buf_put_svarint(out, m->notice_day);
	}
	if (m->advanced != 0 || m->merged_into != 0) {
		buf_put_svarint(out, m->advanced);
		buf_put_varint(out, m->merged_into);
	}
	if (has_people(m))
		people_encode(m, out);
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
	if (m->looked > 1)
		buf_put_varint(out, m->looked);
	lots_encode(m->lots, m->n_lots, out);
	buf_put_varint(out, m->n_holds);
	for (size_t i = 0; i < m->n_holds; i++)
		hold_encode(&m->holds[i], out);
	days_encode(m, out);
	counts_encode(m, out);
	tallies_encode(m->tallies, m->n_tallies, out);
	pendings_encode(m, out);
	if (m->n_vouchers > 0)
		vouchers_encode(m, out);
	if (m->n_memberships > 0)
		memberships_encode(m, out);
	if (m->pool != 0)
		pool_encode(m, out);
	if (m->n_cards > 0 || m->has_auto) {
		buf_put_u8(out, m->has_auto);
		buf_put_svarint(out, m->auto_day);
		stamps_encode(m, out);
	}
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

/* A count of rows that take at least ${least} bytes each, and memory for them and for those that a command adds; all of it is written. */
static void *
read_rows(struct reader *r, size_t least, size_t size, size_t *ret_n, size_t *ret_cap)
{
	uint64_t n = cursor_varint(&r->c);

	*ret_n = *ret_cap = 0;
	if (r->corrupt || r->no_memory || !cursor_ok(&r->c) || n == 0)
		return NULL;
	if (n > (uint64_t)(r->c.end - r->c.p) / least) {
		r->corrupt = true;
		return NULL;
	}
	void *rows = arena_take(r->arena, ((size_t)n + ROOM) * size);
	if (rows == NULL) {
		r->no_memory = true;
		return NULL;
	}
	*ret_n = (size_t)n;
	*ret_cap = (size_t)n + ROOM;
	return rows;
}

static struct lot *
read_lots(struct reader *r, size_t *ret_n, size_t *ret_cap)
{
	struct lot *lots = read_rows(r, 3, sizeof(*lots), ret_n, ret_cap);
	struct cursor c = r->c;
	int64_t day = 0;

	for (size_t i = 0; i < *ret_n; i++) {
		unsigned head = cursor_u8(&c);
		int64_t step = cursor_svarint(&c);

		if (!checked_add(day, step, &day) || day < INT32_MIN || day > INT32_MAX || head >> 4 >= LOT_CLASS_COUNT || (head & 15) > 8) {
			r->corrupt = true;
			break;
		}
		lots[i].last_day = (int32_t)day;
		lots[i].class = (enum lot_class)(head >> 4);
		lots[i].points = (int64_t)cursor_uint(&c, head & 15);
	}
	r->c = c;
	return lots;
}

bool
text_decode(struct cursor *c, char *ret, size_t size)
{
	struct bytes s = cursor_string(c);

	if (s.len >= size || (s.len > 0 && memchr(s.data, 0, s.len) != NULL))
		return false;
	if (s.len > 0)
		memcpy(ret, s.data, s.len);
	ret[s.len] = 0;
	return true;
}

static void
read_id(struct reader *r, char ret_id[static LEDGER_ID_MAX + 1])
{
	if (!text_decode(&r->c, ret_id, LEDGER_ID_MAX + 1))
		r->corrupt = true;
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

/* "" to LEDGER_TERMINAL_MAX bytes, without a NUL; false: something else. */
static bool
take_part(struct cursor *c, char ret[static LEDGER_TERMINAL_MAX + 1])
{
	struct bytes text = cursor_string(c);

	if (text.len > LEDGER_TERMINAL_MAX || (text.len > 0 && memchr(text.data, 0, text.len) != NULL))
		return false;
	if (text.len > 0)
		memcpy(ret, text.data, text.len);
	ret[text.len] = 0;
	return true;
}

static uint64_t *
read_numbers(struct reader *r, size_t *ret_n, size_t *ret_cap)
{
	uint64_t *numbers = read_rows(r, 1, sizeof(*numbers), ret_n, ret_cap);

	for (size_t i = 0; i < *ret_n; i++)
		numbers[i] = cursor_varint(&r->c);
	return numbers;
}

static void
read_people(struct reader *r, struct member *m)
{
	m->referred_by = cursor_varint(&r->c);
	m->referral_done = read_bool(r);
	m->consents = read_rows(r, 3, sizeof(*m->consents), &m->n_consents, &m->cap_consents);
	for (size_t i = 0; i < m->n_consents; i++) {
		read_id(r, m->consents[i].purpose);
		m->consents[i].given = read_bool(r);
		m->consents[i].day = read_day(r);
	}
	r->corrupt |= !has_people(m);
}

static void
read_holds(struct reader *r, struct member *m)
{
	size_t cap;

	m->holds = read_rows(r, 4, sizeof(*m->holds), &m->n_holds, &m->cap_holds);
	for (size_t i = 0; i < m->n_holds; i++) {
		struct hold *h = &m->holds[i];

		*h = (struct hold){ 0 };
		*h = (struct hold){ .pooled = 0 };
		h->id.seq = cursor_varint(&r->c);
		h->id.index = read_u32(r);
		h->ends_at_us = cursor_svarint(&r->c);
		h->day = read_day(r);
		uint64_t flags = cursor_varint(&r->c);
		h->expire_at_once = (flags & HOLD_AT_ONCE) != 0;
		h->of_voucher = (flags & HOLD_VOUCHER) != 0;
		if ((flags & HOLD_PARTNER) != 0)
			read_id(r, h->partner);
		r->corrupt |= flags > HOLD_FLAGS || ((flags & HOLD_PARTNER) != 0 && h->partner[0] == 0);
		if (!take_part(&r->c, h->till.store) || !take_part(&r->c, h->till.terminal))
			r->corrupt = true;
		h->part = (flags & HOLD_PART) != 0;
		if ((flags & HOLD_POOLED) != 0) {
			h->pooled = cursor_svarint(&r->c);
			h->owners = read_numbers(r, &h->n_owners, &cap);
			r->corrupt |= h->pooled == 0;
		}
		h->lots = read_lots(r, &h->n_lots, &h->cap_lots);
	}
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

static void
read_tallies(struct reader *r, struct member *m)
{
	m->tallies = read_rows(r, 4, sizeof(*m->tallies), &m->n_tallies, &m->cap_tallies);
	for (size_t i = 0; i < m->n_tallies; i++)
		r->corrupt |= !tally_decode(&r->c, i == 0 ? NULL : &m->tallies[i - 1], &m->tallies[i]);
}

static void
read_pendings(struct reader *r, struct member *m)
{
	m->pendings = read_rows(r, 7, sizeof(*m->pendings), &m->n_pendings, &m->cap_pendings);
	for (size_t i = 0; i < m->n_pendings; i++)
		r->corrupt |= !pending_decode(&r->c, &m->pendings[i]);
}

static void
read_vouchers(struct reader *r, struct member *m)
{
	m->vouchers = read_rows(r, 10, sizeof(*m->vouchers), &m->n_vouchers, &m->cap_vouchers);
	for (size_t i = 0; i < m->n_vouchers; i++)
		r->corrupt |= !voucher_decode(&r->c, &m->vouchers[i]);
	r->corrupt |= m->n_vouchers == 0;
}

static void
read_memberships(struct reader *r, struct member *m)
{
	m->memberships = read_rows(r, 5, sizeof(*m->memberships), &m->n_memberships, &m->cap_memberships);
	r->corrupt |= m->n_memberships == 0;
	for (size_t i = 0; i < m->n_memberships; i++)
		r->corrupt |= !membership_decode(&r->c, &m->memberships[i]);
}

static void
read_cards(struct reader *r, struct member *m)
{
	m->has_auto = read_bool(r);
	m->auto_day = read_day(r);
	m->cards = read_rows(r, 4, sizeof(*m->cards), &m->n_cards, &m->cap_cards);
	for (size_t i = 0; i < m->n_cards; i++)
		r->corrupt |= !stamp_card_decode(&r->c, &m->cards[i]);
	r->corrupt |= (m->n_cards == 0 && !m->has_auto) || (!m->has_auto && m->auto_day != 0);
}

/* Only rows that metrics_check() takes: each step is forward, and no row is of zeros. */
static void
read_days(struct reader *r, struct member *m)
{
	m->days = read_rows(r, 2, sizeof(*m->days), &m->n_days, &m->cap_days);

	struct cursor c = r->c;
	int32_t day = DAY_MIN - 1;
	for (size_t i = 0; i < m->n_days; i++) {
		struct day_row *row = &m->days[i];
		unsigned head = cursor_u8(&c);
		uint64_t step = cursor_varint(&c);

		if (step < 2 || step >> 1 > (uint64_t)(DAY_MAX - day) || head >> 4 > 8 || (head & 15) > 8) {
			r->corrupt = true;
			break;
		}
		day += (int32_t)(step >> 1);
		row->day = day;
		row->points_earned = unzigzag(cursor_uint(&c, head >> 4));
		row->spend = unzigzag(cursor_uint(&c, head & 15));
		row->visits = (step & 1) == 0 ? 1 : cursor_svarint(&c);
		r->corrupt |= row->visits == 0 && row->spend == 0 && row->points_earned == 0;
	}
	r->c = c;
}

static void
read_counts(struct reader *r, struct member *m)
{
	const uint64_t end = count_place(&(struct count_row){ .day = DAY_MAX + 1 });
	uint64_t place = 0;

	m->counts = read_rows(r, 2, sizeof(*m->counts), &m->n_counts, &m->cap_counts);
	for (size_t i = 0; i < m->n_counts; i++) {
		uint64_t step = cursor_varint(&r->c);

		if (step == 0 || step >= end - place) {
			r->corrupt = true;
			break;
		}
		place += step;
		m->counts[i].day = DAY_MIN - 1 + (int32_t)(place / LEDGER_COUNTERS_MAX);
		m->counts[i].counter = (uint32_t)(place % LEDGER_COUNTERS_MAX);
		m->counts[i].count = cursor_svarint(&r->c);
		r->corrupt |= m->counts[i].count == 0;
	}
}

static void
read_due(struct reader *r, uint64_t flags, struct member *m)
{
	if (flags & FLAG_DUE)
		m->due_at_us = cursor_svarint(&r->c);
	m->looked = flags & FLAG_LOOKED ? read_u32(r) : 1;
	r->corrupt |= (flags & FLAG_LOOKED) && m->looked <= 1;
}

enum status
member_decode(struct bytes bytes, struct arena *arena, struct member *ret_member)
{
	struct reader r = { .c = cursor_of(bytes), .arena = arena };
	struct member m = { .birthday_paid = DAY_NONE, .due_at_us = INSTANT_NEVER };

	if (cursor_u8(&r.c) != RECORD_FORMAT)
		return ST_CORRUPT;
	uint64_t flags = cursor_varint(&r.c);
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
		m.told_day = read_day(&r);
		m.notice_day = read_day(&r);
		r.corrupt |= !has_notices(&m);
	}
	if (flags & FLAG_MOVED) {
		m.advanced = cursor_svarint(&r.c);
		m.merged_into = cursor_varint(&r.c);
		r.corrupt |= m.advanced == 0 && m.merged_into == 0;
	}
	m.provisional = (flags & FLAG_PROVISIONAL) != 0;
	if (flags & FLAG_PEOPLE)
		read_people(&r, &m);
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
	read_due(&r, flags, &m);
	m.lots = read_lots(&r, &m.n_lots, &m.cap_lots);
	read_holds(&r, &m);
	read_days(&r, &m);
	read_counts(&r, &m);
	read_tallies(&r, &m);
	read_pendings(&r, &m);
	if (flags & FLAG_VOUCHERS)
		read_vouchers(&r, &m);
	if (flags & FLAG_MEMBERSHIPS)
		read_memberships(&r, &m);
	if (flags & FLAG_POOL) {
		m.pool = cursor_varint(&r.c);
		m.joined = read_numbers(&r, &m.n_joined, &m.cap_joined);
		r.corrupt |= m.pool == 0;
	}
	if (flags & FLAG_CARDS)
		read_cards(&r, &m);
	if (r.no_memory)
		return ST_NOMEM;
	if (r.corrupt || !cursor_done(&r.c) || member_check_books(&m) != EVOLVE_OK || !tallies_check(m.tallies, m.n_tallies))
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

/* ---- a hold that is over ---- */

void
closed_hold_encode(const struct closed_hold *hold, struct buf *out)
{
	buf_put_be32(out, hold->program);
	buf_put_be64(out, hold->member);
	buf_put_u8(out, (uint8_t)hold->end);
	buf_put_string(out, hold->till.store);
	buf_put_string(out, hold->till.terminal);
}

enum status
closed_hold_decode(struct bytes value, struct closed_hold *ret)
{
	struct cursor c = cursor_of(value);
	struct closed_hold hold = { .program = cursor_be32(&c) };

	hold.member = cursor_be64(&c);
	uint8_t end = cursor_u8(&c);
	bool named = take_part(&c, hold.till.store) && take_part(&c, hold.till.terminal);
	if (!cursor_done(&c) || !named || end > HOLD_END_REVOKED)
		return ST_CORRUPT;
	hold.end = (enum hold_end)end;
	*ret = hold;
	return ST_OK;
}
