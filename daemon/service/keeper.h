/**
 * keeper.h: turns the vault's epochs, and destroys the keys of those that are long over.
 *
 * A turn is due `epoch_hours` after the epoch began, in the local night of the first program (01:00 to 05:00) and when no command waits; a day later in
 * any case; and when an operator asks.  A ledger on a manual clock turns only when asked.  A thread copies (vault_copy.h), the commit thread finishes
 * between two batches.  What fails is tried again after ten minutes; nothing is lost but time.
 *
 * The key of an epoch is destroyed `erasure_days` after another took its place, by the ledger's clock.
 */
#ifndef FEALTY_SERVICE_KEEPER_H
#define FEALTY_SERVICE_KEEPER_H

#include "service/commit.h"
#include "service/vault_copy.h"

struct keeper;

/* After recovery, with the vault writable.  ${service} is borrowed. */
enum status keeper_new(struct service *service, struct keeper **ret_keeper) MUST_CHECK;
/* Ends a copy that is on its way, the commit thread having ended; NULL too. */
void keeper_free(struct keeper *keeper);

/* Main thread, once a second. */
void keeper_tick(struct keeper *keeper);
/* Any thread: a turn as soon as may be, that is at the next tick. */
void keeper_ask(struct keeper *keeper);

/* The commit thread: a copy waits, and can be finished now: nothing is owed to the vault or to state; and finishes it.  A failure ends the process. */
bool keeper_waits(const struct commit *commit);
enum status keeper_finish(struct commit *commit) MUST_CHECK;

/* Any thread. */
struct keeper_state {
	bool turning;			/* a turn is on its way, or asked for */
	bool failed;			/* the newest did not succeed; why: */
	enum status why;
	uint64_t turns;			/* that succeeded since the start */
	struct vault_copied newest;
};
void keeper_state(struct keeper *keeper, struct keeper_state *ret);

#endif
