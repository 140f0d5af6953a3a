/* sim_state.h: a ledger's state in memory: what decide() and evolve() see in a simulation.  Nothing is written anywhere. */
#ifndef FEALTY_TOOLS_SIM_STATE_H
#define FEALTY_TOOLS_SIM_STATE_H

#include "ledger/decide.h"
#include "sim_table.h"

struct sim_program {
	struct totals totals;
	uint32_t n_versions, cap_versions;
	struct sim_version { struct program *program; struct bytes definition; } *versions;	/* [version - 1] */
	uint64_t n_members, cap_members;
	struct member **members;		/* [number - 1] */
};

struct sim_state {
	struct ledger_state ledger;		/* for decide() and evolve(); its arena is ${arena} */
	struct arena *arena;			/* lives as long as the simulation */
	struct sim_undo *undo;
	uint32_t n_programs, cap_programs;
	struct sim_program *programs;		/* [number - 1] */
	struct sim_table closed_holds, followups, approvers, waiting;
};

void sim_state_init(struct sim_state *state, struct arena *arena, struct sim_undo *undo);
void sim_state_release(struct sim_state *state);

/* NULL when there is none. */
struct member *sim_state_member(const struct sim_state *state, uint32_t program, uint64_t number);
/* The version in force; NULL when there is no such program. */
const struct program *sim_state_program(const struct sim_state *state, uint32_t program);

#endif
