/* sim_event.h: one line of an events file: what it asks for, who asks, and what the file expects of the answer. */
#ifndef FEALTY_TOOLS_SIM_EVENT_H
#define FEALTY_TOOLS_SIM_EVENT_H

#include <jansson.h>

#include "report.h"
#include "sim.h"

struct sim_event {
	bool has_at;			/* false: absent or malformed, and refused for that if for nothing before */
	int64_t at_us;
	const char *principal;
	json_t *expect;			/* owned; NULL: nothing is expected */
	const char *publish;		/* the program that the event puts in force in its next version; NULL: another op */
	bool is_report, is_batch;
	struct report_params report;	/* when it is one, and batch.refusals[0] is LEDGER_OK */
	struct batch batch;		/* commands and refusals; the first of each is the event itself when it is no batch */
};

/**
 * sim_event_read(text, arena, ret_event, ret_error):
 * Everything but ${expect} lives in ${arena}; end it with sim_event_release() whatever the outcome.  What is JSON and not a command gets
 * its refusal, as on the wire.  ST_INVALID: the line is no JSON object, or `expect` is none: *${ret_error} says so.  ST_NOMEM.
 */
enum status sim_event_read(const char *text, struct arena *arena, struct sim_event *ret_event, struct text_error *ret_error) MUST_CHECK;
void sim_event_release(struct sim_event *event);

#endif
