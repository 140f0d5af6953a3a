/* opening.h: the body of an `opening`, put together piece by piece: from options, or from the rows of a file. */
#ifndef FEALTY_TOOLS_OPENING_H
#define FEALTY_TOOLS_OPENING_H

#include "cli.h"
#include "fealty.h"

struct opening {
	Fealty__V1__Opening body;
	size_t cap_lots, cap_counters;
};

/* ${member} and all texts that are added are borrowed. */
void opening_init(struct opening *o, char *member);
void opening_release(struct opening *o);
/* False: ${last_day} (NULL or "": never) is no day.  What points are is for the daemon to say. */
bool opening_add_lot(struct opening *o, char *points, const char *last_day) MUST_CHECK;
/* False: ${count} is no count. */
bool opening_add_counter(struct opening *o, char *id, const char *count) MUST_CHECK;
/* False: ${until} is no day.  NULL and "" are left out. */
bool opening_set_tier(struct opening *o, char *tier, const char *until) MUST_CHECK;

#endif
