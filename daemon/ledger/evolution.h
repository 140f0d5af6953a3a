/* An entry while it is being applied: what evolve.c, which has the order of the steps, and evolve_facts.c share. */
#ifndef FEALTY_LEDGER_EVOLUTION_H
#define FEALTY_LEDGER_EVOLUTION_H

#include "ledger/internal.h"

struct evolution {
	const struct ledger_state *state;
	struct entry *entry;
	struct entry_id id;
	int64_t at_us;			/* due instant, or a manual clock's, or committed_at */
	enum evolve_mode mode;
	enum evolve_fault fault;	/* the first; everything stops there */

	const struct program *program;
	struct totals *totals;
	struct member *m;		/* the one it is about */
	struct member *touched[LEDGER_TOUCHED_MAX];
	const struct tier *held[LEDGER_TOUCHED_MAX];	/* by them, before the entry */
	uint32_t issued;		/* vouchers so far */
	struct hold *hold;		/* one of m's; NULL: the entry is about none */
	bool made;			/* m, by this entry */
};

/* Always ST_OK, so that `return evolution_fault(…)` stops. */
enum status evolution_fault(struct evolution *e, enum evolve_fault f) MUST_CHECK;
/* Of touched[]; NULL. */
struct member *evolution_member(const struct evolution *e, uint64_t number);
/* How many of touched[], from the second on, go into the first. */
size_t evolution_going(const struct entry *entry);
/* Step 4 of evolve.c. */
enum status evolution_facts(struct evolution *e) MUST_CHECK;

#endif
