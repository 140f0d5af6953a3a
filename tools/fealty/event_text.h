/* event_text.h: events for a CRM, for people and programs. */
#ifndef FEALTY_TOOLS_EVENT_TEXT_H
#define FEALTY_TOOLS_EVENT_TEXT_H

#include <stdio.h>

#include "cli.h"
#include "fealty.h"

/* With the keys of fealty.proto. */
json_t *event_json(const Fealty__V1__Event *event);

/* One line. */
void event_print(const Fealty__V1__Event *event, FILE *out);

#define PLACE_TEXT_BYTES 48
/* A place to go on behind: a transaction, or an event. */
struct event_after {
	bool is_event, is_seq;		/* neither: from the beginning */
	uint64_t seq;
	char event[PLACE_TEXT_BYTES];
};
/* "41" or "41.0.2"; false: it is neither. */
bool event_after_parse(const char *text, struct event_after *ret_after) MUST_CHECK;
/* Into a request; ${body} borrows from ${after}. */
void event_after_put(struct event_after *after, Fealty__V1__Subscribe *body);

#endif
