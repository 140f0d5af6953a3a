/*
 * One member rolled forward to a later instant, as the nights to come would: on a copy, or to be taken back.  Birthdays are known to the
 * vault alone, so their dates are an argument.
 */
#include "ledger/internal.h"

#define AHEAD_SEQ UINT64_MAX		/* of entries that are never written; their indexes keep what they issue apart */
#define AHEAD_DAYS_MAX 3660

struct ahead {
	const struct ledger_state *state;
	const struct member *m;
	const struct program *newest;
	struct arena *arena;
	uint32_t applied;
};

static enum status
apply_due(struct ahead *a, const struct due *due)
{
	struct entry entry;
	enum evolve_fault fault = EVOLVE_OK;

	enum status st = decide_due(a->state, a->m->program, a->m->number, due, a->arena, &entry);
	if (st == ST_OK)
		st = evolve(a->state, &entry, (struct entry_id){ AHEAD_SEQ, a->applied++ }, due->at_us, EVOLVE_LIVE, &fault);
	return st == ST_OK && fault != EVOLVE_OK ? ST_CORRUPT : st;
}

static enum status
roll_due(struct ahead *a, int64_t until_us)
{
	enum status st = ST_OK;
	struct due due;

	while (st == ST_OK && due_next(a->m, a->newest, until_us, &due))
		st = apply_due(a, &due);
	return st;
}

/* A birthday is granted by a version that has one, on a day that is one: decide_due() says whether it is. */
static enum status
roll_birthday(struct ahead *a, const struct birthday_date *dates, size_t n_dates, int32_t day)
{
	struct due next, due = { .kind = DUE_BIRTHDAY, .at_us = zone_midnight_us(&a->newest->zone, day) };
	const struct program *then = a->state->program_at(a->state->ctx, a->m->program, due.at_us);

	if (then == NULL || !birthday_may_come(then, dates, n_dates, day))
		return ST_OK;
	enum status st = roll_due(a, due.at_us - 1);
	while (st == ST_OK && due_next(a->m, a->newest, due.at_us, &next) && next.kind < DUE_BIRTHDAY)
		st = apply_due(a, &next);
	due.birthday = st == ST_OK ? birthday_comes(then, a->m, dates, n_dates, day) : DAY_NONE;
	if (due.birthday != DAY_NONE)
		st = apply_due(a, &due);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum status
roll_ahead(const struct ledger_state *state, const struct member *m, const struct birthday_date *dates, size_t n_dates, int32_t from,
    int64_t until_us, struct arena *arena)
{
	struct ahead a = { .state = state, .m = m, .newest = state->program_at(state->ctx, m->program, INT64_MAX), .arena = arena };
	enum status st = a.newest == NULL ? ST_CORRUPT : ST_OK;

	for (int32_t day = from; st == ST_OK && n_dates > 0 && day - from < AHEAD_DAYS_MAX && zone_midnight_us(&a.newest->zone, day) <= until_us; day++)
		st = roll_birthday(&a, dates, n_dates, day);
	return st == ST_OK ? roll_due(&a, until_us) : st;
}
