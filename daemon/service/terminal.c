/*
 * Commands that a terminal has numbered.  What became of a number is in the ledger or it was refused, and a refusal leaves no trace there; so
 * an entry says which numbers before it were: those that its command names, which the terminal has been told, and those that were refused
 * before it in its own batch, whose answers are still on their way.
 */
#include <string.h>

#include "ledger/terminal.h"
#include "service/commit.h"

static bool
is_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_terminal(const struct cmd *a, const struct cmd *b)
{
	return is_same(a->store, b->store) && is_same(a->terminal, b->terminal);
}

/* Numbers of the batch that were refused since its last command of this terminal that was applied. */
static size_t
refused_in_batch(const struct work *work, size_t index, struct seq_range ret_ranges[static LEDGER_REFUSED_MAX])
{
	const struct cmd *cmd = &work->batch.commands[index].cmd;
	size_t from = index, n = 0;
	uint64_t last = 0;

	while (from > 0 && !(work->results[from - 1] == LEDGER_OK && same_terminal(&work->batch.commands[from - 1].cmd, cmd)))
		from--;
	for (size_t i = from; i < index; i++) {
		const struct cmd *earlier = &work->batch.commands[i].cmd;
		bool is_final = work->results[i] != LEDGER_OK && work->results[i] < LEDGER_UNAVAILABLE;

		if (is_final && same_terminal(earlier, cmd) && earlier->terminal_seq > last && earlier->terminal_seq < cmd->terminal_seq)
			seq_ranges_add(ret_ranges, &n, last = earlier->terminal_seq);
	}
	return n;
}

enum status
terminal_prepare(struct commit *c, struct work *work, size_t index)
{
	struct cmd *cmd = &work->batch.commands[index].cmd;
	struct seq_range found[LEDGER_REFUSED_MAX];

	c->terminal_note = (struct terminal_note){ .gap = 0 };
	size_t n = cmd->terminal_seq == 0 || index == 0 ? 0 : refused_in_batch(work, index, found);
	if (n == 0)
		return ST_OK;
	struct seq_range *all = arena_alloc(&work->arena, LEDGER_REFUSED_MAX * sizeof(*all));
	if (all == NULL)
		return ST_NOMEM;
	cmd->n_refused = seq_ranges_join(cmd->refused, cmd->n_refused, found, n, all);
	cmd->refused = all;
	return ST_OK;
}

void
terminal_added(struct commit *c, const struct entry *e, struct entry_id id)
{
	struct terminal_note note = apply_terminal_note(c->apply);
	const char *store = e->store == NULL ? "" : e->store, *terminal = e->terminal == NULL ? "" : e->terminal;

	c->terminal_note = note;
	if (note.gap > 0) {
		counter_add(&c->service->metrics.terminal_gaps, 1);
		log_event(c->service->log, LOG_LEVEL_WARNING, "terminal.gap", "principal", e->principal, "store", store, "terminal", terminal,
		    "terminal_seq", LOG_N(e->terminal_seq), "missing", LOG_N(note.gap), "seq", LOG_N(id.seq), "index", LOG_N(id.index), NULL);
	}
	if (note.repeat) {
		counter_add(&c->service->metrics.terminal_repeats, 1);
		log_event(c->service->log, LOG_LEVEL_WARNING, "terminal.repeat", "principal", e->principal, "store", store, "terminal", terminal,
		    "terminal_seq", LOG_N(e->terminal_seq), "seq", LOG_N(id.seq), "index", LOG_N(id.index), NULL);
	}
}
