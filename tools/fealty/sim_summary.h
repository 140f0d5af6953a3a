/* sim_summary.h: what a simulation came to, in numbers for people who decide about programs. */
#ifndef FEALTY_TOOLS_SIM_SUMMARY_H
#define FEALTY_TOOLS_SIM_SUMMARY_H

#include "cli.h"
#include "sim.h"

struct sim_tally {
	uint64_t events, applied, replayed, refused;
	uint64_t by_reason[LEDGER_RESULT_COUNT];
	uint64_t system_entries, purchases, redemptions, upgrades;
	int64_t began_us;			/* CLOCK_MONOTONIC */
};

/* An entry that was applied. */
void sim_tally_entry(struct sim_tally *tally, const struct entry *entry);

/* As text, or as one JSON object. */
enum exit_code sim_summary_print(struct sim *sim, const struct sim_tally *tally, bool json);

#endif
