/*
 * Commands that a terminal has numbered.  What became of a number is in the ledger or it was refused, and a refusal leaves no trace there; so
 * an entry says which numbers before it were: those that its command names, which the terminal has been told, and those that were refused
 * before it in its own batch, whose answers are still on their way.  A command that is refused hands what it would have said to the next.  So
 * does one that is answered with the entry of its receipt: it has left none of its own.
 */
#include <assert.h>
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

/* The command of the same terminal before it in the batch, when its entry has not said all that there was to say; NULL: there is none. */
static const struct cmd *
before_in_batch(const struct work *work, size_t index, enum ledger_result *ret_result)
{
	const struct cmd *cmd = &work->batch.commands[index].cmd;

	for (size_t i = index; i > 0; i--) {
		const struct cmd *earlier = &work->batch.commands[i - 1].cmd;

		if (earlier->terminal_seq == 0 || !same_terminal(earlier, cmd))
			continue;
		*ret_result = work->results[i - 1];
		return *ret_result != LEDGER_OK || work->unrecorded[i - 1] ? earlier : NULL;
	}
	return NULL;
}

enum status
terminal_prepare(struct commit *c, struct work *work, size_t index)
{
	struct cmd *cmd = &work->batch.commands[index].cmd;
	enum ledger_result result = LEDGER_OK;

	c->terminal_note = (struct terminal_note){ .gap = 0 };
	const struct cmd *before = cmd->terminal_seq == 0 ? NULL : before_in_batch(work, index, &result);
	if (before == NULL)
		return ST_OK;
	struct seq_range own = { before->terminal_seq, before->terminal_seq };
	size_t n_own = result < LEDGER_UNAVAILABLE ? 1 : 0;	/* otherwise it comes again */
	struct seq_range *said = arena_alloc(&work->arena, 2 * LEDGER_REFUSED_MAX * sizeof(*said));
	if (said == NULL)
		return ST_NOMEM;
	struct seq_range *all = said + LEDGER_REFUSED_MAX;
	size_t n = seq_ranges_join(before->refused, before->n_refused, &own, n_own, said);
	n = seq_ranges_join(cmd->refused, cmd->n_refused, said, n, all);
	cmd->n_refused = seq_ranges_below(all, n, cmd->terminal_seq);
	cmd->refused = all;
	assert(seq_ranges_valid(all, cmd->n_refused, cmd->terminal_seq));
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
