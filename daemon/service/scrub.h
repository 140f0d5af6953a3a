/**
 * scrub.h: reads ledger and vault from the disk, over and over, at a small rate, and tells what is not what was written: scrub_pass.h says what is compared.
 *
 * One thread.  It takes no lock that a command waits for, holds a snapshot for a chunk of CHUNK_BYTES at most, and below a rate of 64 MiB/s uses at most a
 * tenth of a processor.  A pass begins with the daemon, PAUSE_US after the end of the one before, and when asked.  The place of a pass is not kept over a
 * restart: the first pass after it begins at the beginning.
 *
 * A fault is known from when it is found until a whole pass has not found it again.
 */
#ifndef FEALTY_SERVICE_SCRUB_H
#define FEALTY_SERVICE_SCRUB_H

#include "service/scrub_pass.h"

struct scrub;

/* After recovery, before the commit thread begins.  ${service} is borrowed; its params say the rate.  ST_NOMEM. */
enum status scrub_new(struct service *service, struct scrub **ret_scrub) MUST_CHECK;
/* Begins the thread, unless the rate is 0.  ST_NOMEM. */
enum status scrub_start(struct scrub *scrub) MUST_CHECK;
/* Ends it, within the time of one read.  scrub_free() takes NULL. */
void scrub_stop(struct scrub *scrub);
void scrub_free(struct scrub *scrub);

/* Any thread: a pass begins now, unless one is running or the rate is 0. */
void scrub_ask(struct scrub *scrub);

#define SCRUB_SHOWN_MAX 64
struct scrub_state {
	struct figure_scrubs figures;
	const char *stage;		/* static; of the pass that runs, or "" */
	uint64_t bytes_per_second;
	bool waits;			/* a pass was asked for and has not begun */
	size_t n_faults;		/* the first of them: */
	struct scrub_fault faults[SCRUB_SHOWN_MAX];
};
/* Any thread. */
void scrub_state(struct scrub *scrub, struct scrub_state *ret);
void scrub_figures(struct scrub *scrub, struct figure_scrubs *ret);
/* What an operator is to do about it; static. */
const char *scrub_remedy(const struct scrub_fault *fault);

#endif
