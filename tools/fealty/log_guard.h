/* log_guard.h: the last checkpoint that was seen, in a file, and whether the daemon's log still goes on from it. */
#ifndef FEALTY_TOOLS_LOG_GUARD_H
#define FEALTY_TOOLS_LOG_GUARD_H

#include "call.h"

/**
 * With --checkpoint FILE: compares, and keeps the daemon's newest checkpoint in FILE.  EXIT_DONE: it goes on, or nothing was seen before;
 * EXIT_REFUSED when it was rolled back or forked, with the daemon's contradicting note in FILE.conflict; otherwise why nothing is known.
 * All but EXIT_DONE was told.
 */
enum exit_code log_guard(const struct call_options *options, struct fealty_client *client);

#endif
