/* bench_enrol.h: the members of a load. */
#ifndef FEALTY_BENCH_ENROL_H
#define FEALTY_BENCH_ENROL_H

#include "bench_options.h"

/**
 * enrol_all(settings): enrols members 0 to settings->members - 1, by batches, and tells on a terminal how far it is.  The same prefix enrols the
 * same members under the same keys: a second run finds them there.  Ends the process when one is refused.
 */
void enrol_all(const struct settings *s);

#endif
