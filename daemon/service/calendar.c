/*
 * Lists by (program, day of the year).  Adding appends; a list is sorted when it is asked for after a change.  The lists are the reading
 * thread's until it
 * is joined; what is added meanwhile waits aside, so that adding never waits for the disk.
 */
#include "service/calendar.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define DAYS 372			/* 12 months of 31 days */

struct list { uint64_t *members; size_t n, cap; bool sorted; };
struct added { uint32_t program; uint64_t member; int month, day; };
struct calendar {
	const struct vault *vault;
	pthread_t thread;
	bool reading;			/* the thread has not been joined */
	atomic_bool stop, ready;
	struct added *added;		/* while it is reading */
	size_t n_added, cap_added;
	enum status status;		/* of the thread; then of every call */
	struct list *lists;		/* [(size_t)(program - 1) * DAYS + day] */
	size_t n_programs;
};

static enum status
list_add(struct calendar *c, uint32_t program, uint64_t member, int month, int day)
{
	assert(program >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31);
	if (program > c->n_programs) {
		struct list *grown = realloc(c->lists, (size_t)program * DAYS * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		memset(grown + c->n_programs * DAYS, 0, (program - c->n_programs) * DAYS * sizeof(*grown));
		c->lists = grown;
		c->n_programs = program;
	}
	struct list *l = &c->lists[(size_t)(program - 1) * DAYS + (size_t)((month - 1) * 31 + day - 1)];
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 8 : l->cap * 2;
		uint64_t *grown = realloc(l->members, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		l->members = grown;
		l->cap = cap;
	}
	l->members[l->n++] = member;
	l->sorted = false;
	return ST_OK;
}

static bool
visit(void *ctx, uint32_t program, uint64_t member, const struct birthday_date *date)
{
	struct calendar *c = ctx;

	if (program == 0 || date->month < 1 || date->month > 12 || date->day < 1 || date->day > 31) {
		c->status = ST_CORRUPT;
		return false;
	}
	c->status = list_add(c, program, member, date->month, date->day);
	return c->status == ST_OK && !atomic_load(&c->stop);
}

static void *
run(void *arg)
{
	struct calendar *c = arg;

	(void)pthread_setname_np(pthread_self(), "calendar");
	enum status st = vault_each_birthday(c->vault, visit, c);
	if (c->status == ST_OK)
		c->status = st;
	atomic_store(&c->ready, true);
	return NULL;
}

enum status
calendar_new(const struct vault *vault, struct calendar **ret_calendar)
{
	struct calendar *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ST_NOMEM;
	c->vault = vault;
	if (pthread_create(&c->thread, NULL, run, c) != 0) {
		free(c);
		return ST_NOMEM;
	}
	c->reading = true;
	*ret_calendar = c;
	return ST_OK;
}

static enum status
wait(struct calendar *c)
{
	if (!c->reading)
		return c->status;
	pthread_join(c->thread, NULL);
	c->reading = false;
	for (size_t i = 0; i < c->n_added && c->status == ST_OK; i++)
		c->status = list_add(c, c->added[i].program, c->added[i].member, c->added[i].month, c->added[i].day);
	free(c->added);
	c->added = NULL;
	return c->status;
}

bool
calendar_ready(const struct calendar *c)
{
	return atomic_load(&c->ready);
}

void
calendar_free(struct calendar *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->stop, true);
	(void)wait(c);
	for (size_t i = 0; i < c->n_programs * DAYS; i++)
		free(c->lists[i].members);
	free(c->lists);
	free(c);
}

enum status
calendar_add(struct calendar *c, uint32_t program, uint64_t member, int month, int day)
{
	if (!c->reading)
		return c->status != ST_OK ? c->status : list_add(c, program, member, month, day);
	if (c->n_added == c->cap_added) {
		size_t cap = c->cap_added == 0 ? 64 : c->cap_added * 2;
		struct added *grown = realloc(c->added, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		c->added = grown;
		c->cap_added = cap;
	}
	c->added[c->n_added++] = (struct added){ program, member, month, day };
	return ST_OK;
}

static int
order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

enum status
calendar_on(struct calendar *c, uint32_t program, int month, int day, const uint64_t **ret_members, size_t *ret_n)
{
	enum status st = wait(c);

	*ret_n = 0;
	if (st != ST_OK || program == 0 || program > c->n_programs)
		return st;
	struct list *l = &c->lists[(size_t)(program - 1) * DAYS + (size_t)((month - 1) * 31 + day - 1)];
	if (!l->sorted && l->n > 0) {
		qsort(l->members, l->n, sizeof(*l->members), order);
		size_t kept = 1;
		for (size_t i = 1; i < l->n; i++) {
			if (l->members[i] != l->members[kept - 1])
				l->members[kept++] = l->members[i];
		}
		l->n = kept;
		l->sorted = true;
	}
	*ret_members = l->members;
	*ret_n = l->n;
	return ST_OK;
}
