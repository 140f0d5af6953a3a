/*
 * The heap may hold rows that are out of date; a row counts only while it is what was put in last for its member, and it is taken out
 * before what it stands for runs.  Whoever runs it calls sim_due_member() afterwards, so a member with something due always has a row.
 */
#include "sim_due.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DAYS 372			/* 12 months of 31 days */

struct day_list { uint64_t *members; size_t n, cap; bool sorted; };
struct queued { int64_t at_us; enum sim_due_class class; };
struct sim_due_program {
	bool started;
	int32_t day;			/* birthdays: everything before (day, from) has been looked at */
	uint64_t from;
	uint64_t cap_queued;
	struct queued *queued;		/* [number - 1]; at_us 0: nothing */
	struct day_list days[DAYS];
};

void
sim_due_init(struct sim_due *due, const struct sim_state *state, const struct sim_book *book)
{
	*due = (struct sim_due){ .state = state, .book = book };
}

void
sim_due_release(struct sim_due *due)
{
	for (uint32_t i = 0; i < due->n_programs; i++) {
		free(due->programs[i].queued);
		for (size_t d = 0; d < DAYS; d++)
			free(due->programs[i].days[d].members);
	}
	free(due->programs);
	free(due->heap);
}

static enum status
program_of(struct sim_due *due, uint32_t program, struct sim_due_program **ret)
{
	if (program > due->n_programs) {
		struct sim_due_program *grown = realloc(due->programs, program * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		memset(grown + due->n_programs, 0, (program - due->n_programs) * sizeof(*grown));
		due->programs = grown;
		due->n_programs = program;
	}
	*ret = &due->programs[program - 1];
	return ST_OK;
}

/* ---- the heap ---- */

static bool
before(const struct sim_due_row *a, const struct sim_due_row *b)
{
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us;
	if (a->class != b->class)
		return a->class < b->class;
	if (a->program != b->program)
		return a->program < b->program;
	return a->member < b->member;
}

static enum status
heap_push(struct sim_due *due, struct sim_due_row row)
{
	if (due->n == due->cap) {
		size_t cap = due->cap == 0 ? 1024 : due->cap * 2;
		struct sim_due_row *grown = realloc(due->heap, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		due->heap = grown;
		due->cap = cap;
	}
	size_t at = due->n++;
	for (; at > 0 && before(&row, &due->heap[(at - 1) / 2]); at = (at - 1) / 2)
		due->heap[at] = due->heap[(at - 1) / 2];
	due->heap[at] = row;
	return ST_OK;
}

static void
heap_pop(struct sim_due *due)
{
	struct sim_due_row last = due->heap[--due->n];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < due->n) {
		if (child + 1 < due->n && before(&due->heap[child + 1], &due->heap[child]))
			child++;
		if (!before(&due->heap[child], &last))
			break;
		due->heap[at] = due->heap[child];
		at = child;
	}
	due->heap[at] = last;
}

static enum status
queued_of(struct sim_due *due, const struct member *m, struct queued **ret)
{
	struct sim_due_program *p;

	enum status st = program_of(due, m->program, &p);
	if (st != ST_OK)
		return st;
	if (m->number > p->cap_queued) {
		uint64_t cap = p->cap_queued == 0 ? 1024 : p->cap_queued;
		while (cap < m->number)
			cap *= 2;
		struct queued *grown = realloc(p->queued, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		memset(grown + p->cap_queued, 0, (cap - p->cap_queued) * sizeof(*grown));
		p->queued = grown;
		p->cap_queued = cap;
	}
	*ret = &p->queued[m->number - 1];
	return ST_OK;
}

enum status
sim_due_member(struct sim_due *due, const struct member *m)
{
	const struct program *program = sim_state_program(due->state, m->program);
	struct queued *queued;
	struct due next;

	enum status st = queued_of(due, m, &queued);
	if (st != ST_OK)
		return st;
	if (m->due_at_us == INSTANT_NEVER) {
		queued->at_us = 0;
		return ST_OK;
	}
	if (m->due_at_us == queued->at_us && m->n_holds == 0 && queued->class == SIM_DUE_NIGHT)
		return ST_OK;
	if (!due_next(m, program, INT64_MAX - 1, &next))
		return ST_OK;
	enum sim_due_class class = next.kind == DUE_HOLD_TIMEOUT ? SIM_DUE_HOLDS : SIM_DUE_NIGHT;
	if (queued->at_us == next.at_us && queued->class == class)
		return ST_OK;
	*queued = (struct queued){ next.at_us, class };
	return heap_push(due, (struct sim_due_row){ .at_us = next.at_us, .class = class, .program = m->program, .member = m->number });
}

/* The heap's first row that counts; NULL when there is none. */
static const struct sim_due_row *
heap_first(struct sim_due *due)
{
	for (; due->n > 0; heap_pop(due)) {
		const struct sim_due_row *row = &due->heap[0];
		struct queued *queued = &due->programs[row->program - 1].queued[row->member - 1];

		if (queued->at_us != row->at_us || queued->class != row->class)
			continue;
		if (sim_state_member(due->state, row->program, row->member) != NULL)
			return row;
		queued->at_us = 0;		/* its enrolment was taken back */
	}
	return NULL;
}

/* ---- birthdays ---- */

static struct day_list *
list_of(struct sim_due_program *p, int month, int day)
{
	return &p->days[(month - 1) * 31 + day - 1];
}

enum status
sim_due_birthday(struct sim_due *due, uint32_t program, uint64_t member, int month, int day)
{
	struct sim_due_program *p;

	enum status st = program_of(due, program, &p);
	if (st != ST_OK)
		return st;
	struct day_list *list = list_of(p, month, day);
	if (list->n == list->cap) {
		size_t cap = list->cap == 0 ? 8 : list->cap * 2;
		uint64_t *grown = realloc(list->members, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		list->members = grown;
		list->cap = cap;
	}
	list->members[list->n++] = member;
	list->sorted = false;
	return ST_OK;
}

static int
order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The first of a list that is at least ${from}; UINT64_MAX: none. */
static uint64_t
least_from(struct day_list *list, uint64_t from)
{
	size_t low = 0, high = list->n;

	if (!list->sorted && list->n > 0)
		qsort(list->members, list->n, sizeof(*list->members), order);
	list->sorted = true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (list->members[middle] < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->n ? list->members[low] : UINT64_MAX;
}

/* In years without it, 29 February is kept on 28 February or 1 March; the profile decides which. */
static uint64_t
listed_on(struct sim_due_program *p, int32_t day, uint64_t from)
{
	struct date d = date_of_day(day);
	uint64_t member = least_from(list_of(p, d.month, d.day), from);

	if (days_in_month(d.year, 2) == 28 && ((d.month == 2 && d.day == 28) || (d.month == 3 && d.day == 1))) {
		uint64_t other = least_from(list_of(p, 2, 29), from);
		if (other < member)
			member = other;
	}
	return member;
}

/* Of those whose birthday is at most ${range} days ahead. */
static uint64_t
listed_from(struct sim_due_program *p, int32_t day, int32_t range, uint64_t from)
{
	uint64_t least = UINT64_MAX;

	for (int32_t ahead = 0; ahead <= range; ahead++) {
		uint64_t member = listed_on(p, day + ahead, from);
		if (member < least)
			least = member;
	}
	return least;
}

/* What is in force at the beginning of a day; before the first version began, that one. */
static const struct program *
version_on(const struct sim_due *due, uint32_t program, int32_t day)
{
	const struct ledger_state *ledger = &due->state->ledger;
	const struct program *newest = sim_state_program(due->state, program);
	const struct program *at = ledger->program_at(ledger->ctx, program, zone_midnight_us(&newest->zone, day));

	return at != NULL ? at : ledger->program_version(ledger->ctx, program, 1);
}

int32_t
sim_due_birthday_of(const struct sim_due *due, uint32_t program, uint64_t member, int32_t day)
{
	const struct program *p = version_on(due, program, day);
	const struct member *m = sim_state_member(due->state, program, member);
	const struct sim_profile *profile = sim_book_profile(due->book, program, member);

	if (p == NULL || m == NULL || profile == NULL)
		return DAY_NONE;
	return birthday_comes(p, m, profile->dates, profile->n_dates, day);
}

/* A program's next birthday that is due up to ${until_us}. */
static bool
birthday_next(struct sim_due *due, uint32_t program, int64_t now_us, int64_t until_us, struct sim_due_row *ret)
{
	struct sim_due_program *p = &due->programs[program - 1];
	const struct program *rules = sim_state_program(due->state, program);

	if (!p->started) {
		p->started = true;
		p->day = zone_day(&rules->zone, now_us) + 1;		/* today's are granted as they are entered */
	}
	if (!rules->has_birthday) {
		p->day = zone_day(&rules->zone, until_us) + 1;
		p->from = 0;
		return false;
	}
	for (;; p->day++, p->from = 0) {
		int64_t at_us = zone_midnight_us(&rules->zone, p->day);
		if (at_us > until_us)
			return false;
		const struct program *then = version_on(due, program, p->day);
		int32_t range = then == NULL ? 0 : birthday_range(then);
		for (uint64_t member; (member = listed_from(p, p->day, range, p->from)) != UINT64_MAX; p->from = member + 1) {
			if (sim_due_birthday_of(due, program, member, p->day) == DAY_NONE)
				continue;
			*ret = (struct sim_due_row){ .at_us = at_us, .class = SIM_DUE_NIGHT, .program = program, .member = member, .is_birthday = true };
			return true;
		}
	}
}

enum status
sim_due_next(struct sim_due *due, int64_t now_us, int64_t until_us, struct sim_due_row *ret_row)
{
	const struct sim_due_row *first = heap_first(due);
	struct sim_due_row row, best = { .at_us = INT64_MAX };

	if (first != NULL && first->at_us <= until_us)
		best = *first;
	/* no further than what comes first: it may end the tier whose window a later birthday would have */
	int64_t look_us = best.at_us < until_us ? best.at_us : until_us;
	for (uint32_t i = 0; i < due->n_programs; i++) {
		if (birthday_next(due, i + 1, now_us, look_us, &row) && !before(&best, &row))
			best = row;
	}
	if (best.at_us == INT64_MAX)
		return ST_NOTFOUND;
	struct sim_due_program *p = &due->programs[best.program - 1];
	if (best.is_birthday)
		p->from = best.member + 1;
	struct queued *queued = best.member <= p->cap_queued ? &p->queued[best.member - 1] : NULL;
	if (queued != NULL && queued->at_us == best.at_us && queued->class == best.class)
		queued->at_us = 0;		/* its row in the heap does not count any more */
	*ret_row = best;
	return ST_OK;
}
