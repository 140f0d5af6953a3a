/*
 * What the next commands of the queue will look up, looked up side by side (store_get_many()): who their aliases are, and those members' records.  With
 * millions of members most of a command's time would be spent waiting for these pages, one after the other.
 *
 * It decides nothing: what is not found here, or cannot be read, the command looks up for itself, and says what is wrong.
 */
#include "service/commit.h"

struct ahead {
	struct commit *c;
	uint32_t program;
	size_t n;
	const char *aliases[STORE_MANY];
};

/* All of one program's: where there are several, the others look for themselves. */
static void
note(struct ahead *a, const struct work *w, size_t index)
{
	const struct request *r = &w->batch.commands[index];
	struct refusal refusal;

	if (w->batch.refusals[index].result != LEDGER_OK || r->member == NULL)
		return;
	uint32_t program = command_program(a->c, r, &refusal);
	if (a->n == 0)
		a->program = program;
	if (program != 0 && program == a->program)
		a->aliases[a->n++] = r->member;
}

static void
look_up(struct ahead *a)
{
	uint64_t members[STORE_MANY];

	if (a->n < 2)
		return;
	enum status st = vault_find_many(a->c->service->vault, a->program, a->aliases, a->n, members);
	if (st == ST_OK)
		st = apply_load_members(a->c->apply, a->program, members, a->n);
	(void)st;
}

size_t
readahead_batch(struct commit *c, const struct work *w, size_t begin, size_t end)
{
	struct ahead a = { .c = c };
	size_t i = begin;

	for (; i < end && i < begin + STORE_MANY; i++)
		note(&a, w, i);
	look_up(&a);
	return i;
}

size_t
readahead_works(struct commit *c, const struct work *list)
{
	struct ahead a = { .c = c };
	size_t n = 0;

	for (const struct work *w = list; w != NULL && !w->is_batch && n < STORE_MANY; w = work_next(w), n++)
		note(&a, w, 0);
	look_up(&a);
	return n;
}
