/**
 * What falls due: hold time-outs, gifts and lots that end (TABLE_DUE knows when), and birthdays (the calendar knows the day).
 *
 * Everything is decided at its due instant.  At one instant all holds come first; then programs and members in their order, and a
 * member's birthday before its lots.  Whatever was done leaves a mark in the member's record, so going over an instant again does nothing
 * twice.  But what was not granted leaves none, and a purchase that comes late may change what was earned by then: so how far birthdays
 * have been looked at is kept with state.  Only when state was rebuilt, more than a year before the newest transaction is looked at once
 * more, because that transaction may belong to a night of catching up that was cut short.  A member that is touched before the sweep
 * comes to it is rolled forward alone, birthdays included.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "service/commit.h"

#define LOOK_BACK_DAYS 400
#define POSITION_BYTES 24
#define LOOK_DONE UINT64_MAX

static const struct program *
program_now(struct commit *c, uint32_t number)
{
	return apply_state(c->apply)->program_at(c->apply, number, INT64_MAX);
}

void
sched_free(struct commit *c)
{
	calendar_free(c->calendar);
	free(c->sched);
	free(c->sched_flushed);
	free(c->looks.changes);
	c->calendar = NULL;
	c->sched = c->sched_flushed = NULL;
	c->looks.changes = NULL;
}

bool
sched_ready(const struct commit *c)
{
	return calendar_ready(c->calendar);
}

/* Readers look at the birthdays of midnights that are not before it themselves. */
static void
show_positions(struct commit *c)
{
	int64_t until_us = INSTANT_NEVER;

	for (uint32_t i = 0; i < c->n_sched; i++) {
		const struct program *p = program_now(c, i + 1);
		if (p != NULL && c->sched_flushed[i].known && zone_midnight_us(&p->zone, c->sched_flushed[i].day) < until_us)
			until_us = zone_midnight_us(&p->zone, c->sched_flushed[i].day);
	}
	atomic_store(&c->service->birthdays_us, until_us);
}

/* The next is looked for from the beginning: those that were gone through are no longer there, or there again. */
static void
looks_forget(struct sched_looks *looks)
{
	looks->n = 0;
	looks->any_new = false;
	looks->done = (struct due_row){ .member = UINT64_MAX };
}

void
sched_flushed(struct commit *c)
{
	if (c->n_sched > 0)
		memcpy(c->sched_flushed, c->sched, c->n_sched * sizeof(*c->sched));
	looks_forget(&c->looks);
	show_positions(c);
}

void
sched_discarded(struct commit *c)
{
	if (c->n_sched > 0)
		memcpy(c->sched, c->sched_flushed, c->n_sched * sizeof(*c->sched));
	looks_forget(&c->looks);
	c->looks.bound_us = 0;
}

static bool
positions_grow(struct sched_position **positions, size_t from, size_t to)
{
	struct sched_position *grown = realloc(*positions, to * sizeof(*grown));

	if (grown == NULL)
		return false;
	memset(grown + from, 0, (to - from) * sizeof(*grown));
	*positions = grown;
	return true;
}

/* A program that is new begins with the day of its publication.  One whose publication was undone is no longer there. */
static enum status
positions_update(struct commit *c)
{
	uint32_t n = apply_state(c->apply)->program_count(c->apply);

	if (n > c->n_sched && (!positions_grow(&c->sched, c->n_sched, n) || !positions_grow(&c->sched_flushed, c->n_sched, n)))
		return ST_NOMEM;
	c->n_sched = n;
	for (uint32_t i = 0; i < n; i++) {
		if (c->sched[i].known)
			continue;
		c->sched[i].known = true;
		c->sched[i].look_version = 1;		/* those of a first version have what it makes due */
		c->sched[i].look_from = LOOK_DONE;
		c->sched[i].day = zone_day(&program_now(c, i + 1)->zone, apply_head(c->apply)->clock_us);
	}
	return ST_OK;
}

bool
sched_moved(const struct commit *c)
{
	for (size_t i = 0; i < c->n_sched; i++) {
		const struct sched_position *now = &c->sched[i], *then = &c->sched_flushed[i];
		if (now->known != then->known || now->day != then->day || now->from != then->from || now->look_version != then->look_version ||
		    now->look_from != then->look_from)
			return true;
	}
	return c->looks.n > 0;
}

enum status
sched_keep(struct commit *c)
{
	buf_clear(&c->scratch);
	for (size_t i = 0; i < c->n_sched; i++) {
		buf_put_be32(&c->scratch, (uint32_t)c->sched[i].day);
		buf_put_be64(&c->scratch, c->sched[i].from);
		buf_put_be32(&c->scratch, c->sched[i].look_version);
		buf_put_be64(&c->scratch, c->sched[i].look_from);
	}
	enum status st = buf_status(&c->scratch);
	for (size_t i = 0; i < c->looks.n && st == ST_OK; i++)
		st = apply_put_look(c->apply, &c->looks.changes[i].row, c->looks.changes[i].gone);
	return st == ST_OK ? apply_set_schedule(c->apply, buf_bytes(&c->scratch)) : st;
}

/**
 * No further than the day after the newest transaction's: of later midnights it is known that nobody had a birthday then, and who enrols now may
 * have one, when the clock starts before them again, as a manual one does.
 */
static void
positions_load(struct commit *c)
{
	struct bytes kept = apply_schedule(c->apply);

	for (size_t i = 0; i < c->n_sched; i++) {
		if ((i + 1) * POSITION_BYTES > kept.len) {
			c->sched[i].day -= LOOK_BACK_DAYS;
			continue;
		}
		const uint8_t *p = kept.data + i * POSITION_BYTES;
		int32_t day = (int32_t)get_be32(p), next = c->sched[i].day + 1;
		c->sched[i].day = day < next ? day : next;
		c->sched[i].from = day <= next ? get_be64(p + 4) : 0;
		c->sched[i].look_version = get_be32(p + 12);
		c->sched[i].look_from = get_be64(p + 16);
	}
}

enum status
sched_new(struct commit *c)
{
	enum status st = positions_update(c);

	if (st != ST_OK)
		return st;
	positions_load(c);
	sched_flushed(c);
	return calendar_new(c->service->vault, &c->calendar);
}

/* ---- birthdays ---- */

static uint64_t
least_from(const uint64_t *list, size_t n, uint64_t from)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (list[middle] < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n ? list[low] : UINT64_MAX;
}

/* The first member, from ${from} on, that the calendar lists for a birthday on a day; at most ${least}. */
static enum status
listed_from(struct commit *c, uint32_t program, int32_t day, uint64_t from, uint64_t *least)
{
	struct date d = date_of_day(day);
	bool leap = days_in_month(d.year, 2) == 29;
	const uint64_t *list;
	size_t n;

	enum status st = calendar_on(c->calendar, program, d.month, d.day, &list, &n);
	if (st != ST_OK)
		return st;
	uint64_t member = least_from(list, n, from);
	*least = member < *least ? member : *least;
	if (leap || !((d.month == 2 && d.day == 28) || (d.month == 3 && d.day == 1)))
		return ST_OK;
	st = calendar_on(c->calendar, program, 2, 29, &list, &n);
	if (st != ST_OK)
		return st;
	member = least_from(list, n, from);
	*least = member < *least ? member : *least;
	return ST_OK;
}

/* The same of all birthdays whose reward may come on a day; UINT64_MAX: none. */
static enum status
birthday_from(struct commit *c, uint32_t program, int32_t day, uint64_t from, uint64_t *ret_member)
{
	const struct ledger_state *state = apply_state(c->apply);
	const struct program *p = state->program_at(state->ctx, program, zone_midnight_us(&program_now(c, program)->zone, day));
	int32_t range = p == NULL ? 0 : birthday_range(p);
	enum status st = ST_OK;

	*ret_member = UINT64_MAX;
	for (int32_t ahead = 0; ahead <= range && st == ST_OK; ahead++)
		st = listed_from(c, program, day + ahead, from, ret_member);
	return st;
}

struct birthday_row { int64_t at_us; uint32_t program; int32_t day; uint64_t member; };

/* A program's next listed birthday at or before ${until_us}; at_us INSTANT_NEVER: none. */
static enum status
birthday_next(struct commit *c, uint32_t program, int64_t until_us, struct birthday_row *ret)
{
	const struct program *p = program_now(c, program);
	struct sched_position *position = &c->sched[program - 1];

	ret->at_us = INSTANT_NEVER;
	for (;; position->day++, position->from = 0) {
		int64_t at_us = zone_midnight_us(&p->zone, position->day);
		if (at_us > until_us)
			return ST_OK;
		uint64_t member;
		enum status st = birthday_from(c, program, position->day, position->from, &member);
		if (st != ST_OK)
			return st;
		if (member != UINT64_MAX) {
			*ret = (struct birthday_row){ at_us, program, position->day, member };
			return ST_OK;
		}
	}
}

/* *${ret_birthday}: the one whose reward comes with the row's day; DAY_NONE. */
static enum status
birthday_of(struct commit *c, const struct birthday_row *row, int32_t *ret_birthday)
{
	const struct ledger_state *state = apply_state(c->apply);
	const struct program *p = state->program_at(state->ctx, row->program, row->at_us);
	struct profile profile;
	struct arena arena;
	const struct member *m;

	*ret_birthday = DAY_NONE;
	if (p == NULL)			/* the midnight of the day on which the program began: decide_due() judges it by the first version too */
		p = state->program_version(state->ctx, row->program, 1);
	if (p == NULL || !p->has_birthday || p->birthday_on_claim)
		return ST_OK;
	enum status st = state->member(state->ctx, row->program, row->member, &m);
	/* Nearly all whose window is open have their reward: one of that year, or a later one. */
	if (st != ST_OK || m == NULL || (m->birthday_paid != DAY_NONE &&
	    date_of_day(m->birthday_paid).year >= date_of_day(row->day + birthday_range(p)).year))
		return st;
	arena_init(&arena, 65536);
	st = vault_profile(c->service->vault, row->program, row->member, &arena, &profile);
	if (st == ST_OK)
		*ret_birthday = birthday_comes(p, m, profile.dates, profile.n_dates, row->day);
	else if (st == ST_NOTFOUND)
		st = ST_OK;
	arena_release(&arena);
	return st;
}

/* ---- one due thing.  ST_NOTFOUND: there is nothing to write after all ---- */

static enum status
add_due(struct commit *c, uint32_t program, uint64_t member, const struct due *due)
{
	struct entry entry, *applied;
	struct entry_id id;

	enum status st = decide_due(apply_state(c->apply), program, member, due, &c->arena, &entry);
	if (st == ST_OK)
		st = tx_begin(c, program);
	if (st == ST_OK)
		st = tx_add(c, &entry, 0, &id, &applied);
	return st;
}

/* What has its place before birthdays at the same instant. */
static enum status
roll_before_birthday(struct commit *c, const struct birthday_row *row)
{
	const struct ledger_state *state = apply_state(c->apply);
	const struct member *m;
	struct due due;

	enum status st = state->member(state->ctx, row->program, row->member, &m);
	while (st == ST_OK && m != NULL && due_next(m, program_now(c, row->program), row->at_us, &due) && due.kind < DUE_BIRTHDAY) {
		st = add_due(c, row->program, row->member, &due);
		if (st == ST_OK)
			st = state->member(state->ctx, row->program, row->member, &m);
	}
	return st;
}

static enum status
run_birthday(struct commit *c, const struct birthday_row *row)
{
	int32_t birthday = DAY_NONE;
	enum status st = roll_before_birthday(c, row);

	if (st == ST_OK)
		st = birthday_of(c, row, &birthday);
	if (st != ST_OK || birthday == DAY_NONE)
		return st;
	st = add_due(c, row->program, row->member, &(struct due){ .kind = DUE_BIRTHDAY, .at_us = row->at_us, .birthday = birthday });
	return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status roll_due(struct commit *c, uint32_t program, uint64_t number, int64_t until_us, bool holds_only);

/* Birthdays of a member that is touched before the sweep has come to them, each in its place among what else is due. */
static enum status
roll_birthdays(struct commit *c, uint32_t program, uint64_t number, int64_t until_us)
{
	const struct ledger_state *state = apply_state(c->apply);
	const struct zone *zone = &program_now(c, program)->zone;
	struct profile profile;
	struct arena arena;

	arena_init(&arena, 65536);
	enum status st = vault_profile(c->service->vault, program, number, &arena, &profile);
	for (int32_t day = c->sched[program - 1].day; st == ST_OK && zone_midnight_us(zone, day) <= until_us; day++) {
		struct birthday_row row = { zone_midnight_us(zone, day), program, day, number };
		const struct program *p = state->program_at(state->ctx, program, row.at_us);
		if (p == NULL || !birthday_may_come(p, profile.dates, profile.n_dates, day))
			continue;
		st = roll_due(c, program, number, row.at_us - 1, false);
		if (st == ST_OK)
			st = run_birthday(c, &row);
	}
	arena_release(&arena);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum status
sched_birthday(struct commit *c, uint32_t program, uint64_t member, int64_t now_us)
{
	const struct zone *zone = &program_now(c, program)->zone;
	int32_t day = zone_day(zone, now_us);

	return run_birthday(c, &(struct birthday_row){ .at_us = zone_midnight_us(zone, day), .program = program, .day = day, .member = member });
}

enum status
sched_roll(struct commit *c, uint32_t program, uint64_t number, int64_t until_us)
{
	enum status st = positions_update(c);

	if (st != ST_OK)
		return st;
	const struct program *p = program_now(c, program);
	if (p != NULL && view_has_birthdays(apply_state(c->apply), program) && zone_midnight_us(&p->zone, c->sched[program - 1].day) <= until_us)
		st = roll_birthdays(c, program, number, until_us);
	return st == ST_OK ? roll_due(c, program, number, until_us, false) : st;
}

static enum status
roll_due(struct commit *c, uint32_t program, uint64_t number, int64_t until_us, bool holds_only)
{
	const struct ledger_state *state = apply_state(c->apply);
	const struct member *m;
	struct due due;

	enum status st = state->member(state->ctx, program, number, &m);
	if (st != ST_OK || m == NULL || m->due_at_us > until_us)
		return st;
	while (st == ST_OK && due_next(m, program_now(c, program), until_us, &due) && (!holds_only || due.kind == DUE_HOLD_TIMEOUT)) {
		st = add_due(c, program, number, &due);
		assert(st != ST_NOTFOUND);		/* due_next() and decide_due() disagree, and this would never end */
		if (st == ST_OK)
			st = state->member(state->ctx, program, number, &m);
	}
	return st;
}

/* ---- what a version makes due ---- */

static enum status
looks_add(struct sched_looks *looks, const struct due_row *row, bool gone)
{
	if (looks->n == looks->cap) {
		size_t cap = looks->cap == 0 ? SCHED_CHUNK : looks->cap * 2;
		struct look_change *grown = realloc(looks->changes, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		looks->changes = grown;
		looks->cap = cap;
	}
	looks->changes[looks->n++] = (struct look_change){ *row, gone };
	if (gone) {
		looks->done = *row;
		return ST_OK;
	}
	looks->any_new = true;
	if (row->at_us < looks->bound_us)
		looks->bound_us = row->at_us;
	return ST_OK;
}

static bool
look_is_over(struct commit *c, uint32_t program)
{
	const struct sched_position *position = &c->sched[program - 1];

	return position->look_from == LOOK_DONE && position->look_version == program_now(c, program)->version;
}

/* From when the first version is in force by which members are still to be looked at; INSTANT_NEVER. */
static int64_t
look_due_us(struct commit *c)
{
	int64_t due_us = INSTANT_NEVER;

	for (uint32_t i = 1; i <= c->n_sched; i++) {
		if (!look_is_over(c, i) && program_now(c, i)->in_force_us < due_us)
			due_us = program_now(c, i)->in_force_us;
	}
	return due_us;
}

/* One member of a program whose look is not over. */
static enum status
look_at_next(struct commit *c, uint32_t program)
{
	const struct ledger_state *state = apply_state(c->apply);
	struct sched_position *position = &c->sched[program - 1];
	uint32_t newest = program_now(c, program)->version;
	struct due_row row = { .program = program };
	const struct totals *totals;

	if (position->look_version != newest)
		position->look_from = 1;
	position->look_version = newest;
	enum status st = state->totals(state->ctx, program, &totals);
	if (st != ST_OK)
		return st;
	row.member = position->look_from++;
	if (row.member > totals->members) {
		position->look_from = LOOK_DONE;
		return ST_OK;
	}
	st = apply_look(c->apply, program, row.member, &row.at_us);
	return st == ST_OK && row.at_us != INSTANT_NEVER ? looks_add(&c->looks, &row, false) : st;
}

static enum status
look_step(struct commit *c)
{
	for (uint32_t i = 1; i <= c->n_sched; i++) {
		if (!look_is_over(c, i))
			return look_at_next(c, i);
	}
	return ST_OK;
}

/* The first of those that look_step() found; at_us INSTANT_NEVER: none. */
static enum status
look_first(struct commit *c, int64_t until_us, struct due_row *ret)
{
	ret->at_us = INSTANT_NEVER;
	if (c->looks.bound_us > until_us)
		return ST_OK;
	enum status st = apply_look_first(c->apply, &c->looks.done, ret);
	if (st == ST_NOTFOUND)
		ret->at_us = INSTANT_NEVER;
	c->looks.bound_us = ret->at_us;
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* All that is due for the member by then: its row is not needed any more. */
static enum status
run_look(struct commit *c, const struct due_row *row)
{
	enum status st = roll_due(c, row->program, row->member, row->at_us, false);

	return st == ST_OK ? looks_add(&c->looks, row, true) : st;
}

/* Before what else is due for its member at that instant, holds apart. */
static bool
birthday_first(const struct birthday_row *b, const struct due_row *d)
{
	return !due_before(d, &(struct due_row){ .at_us = b->at_us, .program = b->program, .member = b->member });
}

/* ${nexts}[i] is what birthday_next() said of program i + 1; at_us 0: not asked yet. */
static enum status
earliest_birthday(struct commit *c, struct birthday_row *nexts, int64_t until_us, struct birthday_row *ret)
{
	ret->at_us = INSTANT_NEVER;
	for (uint32_t i = 0; i < c->n_sched; i++) {
		if (nexts[i].at_us == 0) {
			enum status st = birthday_next(c, i + 1, until_us, &nexts[i]);
			if (st != ST_OK)
				return st;
		}
		if (nexts[i].at_us < ret->at_us)
			*ret = nexts[i];
	}
	return ST_OK;
}

static enum status
flush_chunk(struct commit *c)
{
	enum status st = commit_flush(c);

	return st == ST_OK && c->unflushed ? ST_FULL : st;
}

/* What comes first of all that is due. */
enum first { FIRST_NONE, FIRST_BIRTHDAY, FIRST_DUE, FIRST_LOOK };
struct firsts { struct birthday_row birthday; struct due_row due, look; };

static enum status
find_first(struct commit *c, struct birthday_row *nexts, int64_t until_us, struct firsts *f, enum first *ret_what)
{
	enum status st = earliest_birthday(c, nexts, until_us, &f->birthday);

	*ret_what = f->birthday.at_us == INSTANT_NEVER ? FIRST_NONE : FIRST_BIRTHDAY;
	f->due.at_us = INSTANT_NEVER;
	if (st == ST_OK)
		st = look_first(c, until_us, &f->look);
	if (st == ST_OK)
		st = apply_due_first(c->apply, until_us, &f->due);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	bool is_look = f->look.at_us <= until_us && (st == ST_NOTFOUND || due_before(&f->look, &f->due));
	if (!is_look && st == ST_NOTFOUND)
		return ST_OK;
	const struct due_row *row = is_look ? &f->look : &f->due;
	if (*ret_what == FIRST_NONE || !birthday_first(&f->birthday, row))
		*ret_what = is_look ? FIRST_LOOK : FIRST_DUE;
	return ST_OK;
}

static enum status
run_first(struct commit *c, struct birthday_row *nexts, const struct firsts *f, enum first what)
{
	switch (what) {
	case FIRST_NONE: break;
	case FIRST_DUE: return roll_due(c, f->due.program, f->due.member, f->due.at_us, f->due.hold);
	case FIRST_LOOK: return run_look(c, &f->look);
	case FIRST_BIRTHDAY:
		nexts[f->birthday.program - 1].at_us = 0;
		c->sched[f->birthday.program - 1].from = f->birthday.member + 1;
		return run_birthday(c, &f->birthday);
	}
	return ST_OK;
}

/* A version's look at the members has its place among what is due, at the instant from which it is in force. */
static enum status
step(struct commit *c, struct birthday_row *nexts, int64_t until_us, bool *ret_any)
{
	int64_t look_us = look_due_us(c), limit_us = look_us <= until_us ? look_us - 1 : until_us;
	enum first what = FIRST_NONE;
	enum status st = ST_OK;
	struct firsts f;

	if (c->looks.any_new && c->looks.bound_us <= limit_us)
		st = flush_chunk(c);
	if (st == ST_OK)
		st = find_first(c, nexts, limit_us, &f, &what);
	if (st != ST_OK)
		return st;
	*ret_any = what != FIRST_NONE || limit_us < until_us;
	if (what != FIRST_NONE || !*ret_any)
		return run_first(c, nexts, &f, what);
	st = look_step(c);
	if (look_due_us(c) != look_us)		/* birthdays were asked for up to that instant only */
		memset(nexts, 0, (c->n_sched + 1) * sizeof(*nexts));
	return st;
}

enum status
sched_run(struct commit *c, int64_t until_us, size_t budget, bool *ret_more)
{
	bool any = true;

	*ret_more = false;
	enum status st = positions_update(c);
	if (st != ST_OK)
		return st;
	struct birthday_row *nexts = calloc(c->n_sched + 1, sizeof(*nexts));
	if (nexts == NULL)
		return ST_NOMEM;
	for (size_t n = 1; st == ST_OK; n++) {
		st = step(c, nexts, until_us, &any);
		if (st != ST_OK || !any)
			break;
		if (n >= budget) {
			*ret_more = true;
			break;
		}
		if (commit_is_large(c) || n % SCHED_CHUNK == 0)
			st = flush_chunk(c);
		if (st == ST_OK && c->unflushed)
			st = ST_FULL;
	}
	free(nexts);
	return st;
}

enum status
sched_next_us(struct commit *c, int64_t *ret_at_us)
{
	struct due_row row;
	int64_t next = INSTANT_NEVER;

	enum status st = positions_update(c);
	if (st != ST_OK)
		return st;
	st = apply_due_first(c->apply, commit_now_us(c) + US_PER_SECOND, &row);
	if (st == ST_OK)
		next = row.at_us;
	else if (st != ST_NOTFOUND)
		return st;
	for (uint32_t i = 0; i < c->n_sched; i++) {
		const struct program *p = program_now(c, i + 1);
		if (zone_midnight_us(&p->zone, c->sched[i].day) < next)
			next = zone_midnight_us(&p->zone, c->sched[i].day);
		if (!look_is_over(c, i + 1))
			next = 0;
	}
	st = look_first(c, commit_now_us(c) + US_PER_SECOND, &row);
	*ret_at_us = st == ST_OK && row.at_us < next ? row.at_us : next;
	return st;
}
