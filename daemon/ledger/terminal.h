/**
 * terminal.h: tills: which one a command comes from, and the sequence of its numbers.  Pure.
 *
 * A terminal that works offline numbers its commands from 1 on, without gaps (Entry.terminal_seq).  What is kept of it follows from the
 * ledger alone: the highest number there is, the numbers below it that are missing, and how often a number came a second time.
 */
#ifndef FEALTY_LEDGER_TERMINAL_H
#define FEALTY_LEDGER_TERMINAL_H

#include "ledger/ledger.h"

/* ---- which one ---- */

/**
 * terminal_name_parse(text, ret_name):
 * "07", "0042/07" or "pos/0042/07"; each part 1 to 64 bytes.  False: none of them.  Without a store ret_name->store is "".
 */
bool terminal_name_parse(const char *text, struct terminal_name *ret_name) MUST_CHECK;

/* The terminal that a command says it comes from: store and terminal, or else those of a principal pos/<store>/<terminal>.  "" where it says nothing. */
void terminal_of_command(const struct cmd *cmd, struct terminal_name *ret_name);

/* Whether ${is} is the one that ${wanted} means, in any store when that names none. */
bool terminal_is(const struct terminal_name *wanted, const struct terminal_name *is) MUST_CHECK;

/* Copies; NULL is "".  False: a part is too long. */
bool terminal_name_set(struct terminal_name *name, const char *store, const char *terminal) MUST_CHECK;

/* ---- its sequence ---- */

#define TERMINAL_GAPS_MAX 64

struct terminal_state {
	uint64_t last;			/* the highest number in the ledger */
	struct entry_id id;		/* of the entry that has it */
	uint64_t repeats;		/* entries whose number had been used, or had been refused */
	uint64_t repeat_seq;		/* the number of the newest of them; 0: there is none */
	struct entry_id repeat_id;
	size_t n_gaps;
	struct seq_range gaps[TERMINAL_GAPS_MAX];	/* what is missing below `last`: rising, disjoint */
	uint64_t forgotten;		/* numbers of older gaps, for which there was no room; they are missing for ever */
};

/* What an entry's number says. */
struct terminal_note {
	uint64_t gap;			/* numbers missing between the highest before it and it */
	bool repeat;			/* its number is none that was missing */
};

/**
 * terminal_take(t, entry, id, ret_note):
 * Takes up an entry with a terminal_seq (asserted), which says as well which numbers were refused: those are not missing.  A number below
 * the highest fills its place in a gap, or is a repeat.
 */
void terminal_take(struct terminal_state *t, const struct entry *entry, struct entry_id id, struct terminal_note *ret_note);

/* Numbers that are missing, those forgotten too. */
uint64_t terminal_missing(const struct terminal_state *t);

/* Rising, disjoint, each at least one number, all from 1 on and below ${seq}. */
bool seq_ranges_valid(const struct seq_range *ranges, size_t n, uint64_t seq) MUST_CHECK;

/* Cuts off what is not below ${seq}; returns how many ranges are left. */
size_t seq_ranges_below(struct seq_range *ranges, size_t n, uint64_t seq);

/* The rows of both, put into one list: at most LEDGER_REFUSED_MAX, the highest; returns how many. */
size_t seq_ranges_join(const struct seq_range *a, size_t n_a, const struct seq_range *b, size_t n_b,
    struct seq_range ret_ranges[static LEDGER_REFUSED_MAX]);

void terminal_encode(const struct terminal_state *t, struct buf *out);
enum status terminal_decode(struct bytes value, struct terminal_state *ret) MUST_CHECK;	/* ST_CORRUPT */

#endif
