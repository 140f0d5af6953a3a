/**
 * bench_load.h: a load on a daemon, and what became of it.
 *
 * In a closed loop each connection keeps `depth` requests (or batches) in flight and sends the next when one is answered: what that many
 * patient clients would see.  In an open loop commands are due at random moments, whatever is answered; one for which no connection is free
 * waits, and its latency begins when it was due, so that a server which stalls is not asked less, and does not look better, than it is.
 */
#ifndef FEALTY_BENCH_LOAD_H
#define FEALTY_BENCH_LOAD_H

#include "bench_encode.h"
#include "bench_figures.h"
#include "bench_options.h"

/* Called in the thread of load_run(), at the beginning and at the end of the measured time.  ${answered}: commands so far, of any time. */
typedef void load_mark_fn(void *ctx, unsigned long answered);

/**
 * load_run(settings, encoder, mark, ctx, ret_figures):
 * Connects, loads, and waits for the answers.  Returns the seconds that were measured.  Ends the process when it cannot begin.
 */
double load_run(const struct settings *s, const struct encoder *encoder, load_mark_fn *mark, void *ctx, struct figures *ret_figures);

#endif
