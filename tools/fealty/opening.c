/* A day is read as the daemon reads it, so that what is no day is told with its line and not as a refusal. */
#include "opening.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ledger/calendar.h"

void
opening_init(struct opening *o, char *member)
{
	*o = (struct opening){ .cap_lots = 0 };
	fealty__v1__opening__init(&o->body);
	o->body.member = member;
}

void
opening_release(struct opening *o)
{
	for (size_t i = 0; i < o->body.n_lots; i++)
		free(o->body.lots[i]);
	for (size_t i = 0; i < o->body.n_counters; i++)
		free(o->body.counters[i]);
	free(o->body.lots);
	free(o->body.counters);
	*o = (struct opening){ .cap_lots = 0 };
}

/* A place behind the last. */
static void *
grow(void *rows, size_t n, size_t *cap)
{
	if (n < *cap)
		return rows;
	*cap = *cap == 0 ? 8 : 2 * *cap;
	rows = realloc(rows, *cap * sizeof(void *));
	assert(rows != NULL);
	return rows;
}

bool
opening_add_lot(struct opening *o, char *points, const char *last_day)
{
	Fealty__V1__OpeningLot *lot = malloc(sizeof(*lot));

	assert(lot != NULL);
	fealty__v1__opening_lot__init(lot);
	lot->points = points;
	lot->has_last_day = last_day != NULL && last_day[0] != '\0';
	o->body.lots = grow(o->body.lots, o->body.n_lots, &o->cap_lots);
	o->body.lots[o->body.n_lots++] = lot;
	return !lot->has_last_day || day_parse(last_day, &lot->last_day);
}

bool
opening_add_counter(struct opening *o, char *id, const char *count)
{
	Fealty__V1__CounterRow *row = malloc(sizeof(*row));
	char *end;

	assert(row != NULL);
	fealty__v1__counter_row__init(row);
	errno = 0;
	row->id = id;
	row->has_count = true;
	row->count = strtoull(count, &end, 10);
	o->body.counters = grow(o->body.counters, o->body.n_counters, &o->cap_counters);
	o->body.counters[o->body.n_counters++] = row;
	return count[0] >= '0' && count[0] <= '9' && *end == '\0' && errno == 0;
}

bool
opening_set_tier(struct opening *o, char *tier, const char *until)
{
	o->body.tier = tier != NULL && tier[0] != '\0' ? tier : NULL;
	o->body.has_tier_until = until != NULL && until[0] != '\0';
	return !o->body.has_tier_until || day_parse(until, &o->body.tier_until);
}
