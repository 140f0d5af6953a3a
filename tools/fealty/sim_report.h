/* sim_report.h: the op `report` of a simulation: the same reports as `fealty report`, over the entries so far. */
#ifndef FEALTY_TOOLS_SIM_REPORT_H
#define FEALTY_TOOLS_SIM_REPORT_H

#include "sim_event.h"

/* What of the event's object is left beside op and at: into event->report, or its first refusal.  ST_NOMEM. */
enum status sim_report_read(json_t *object, struct arena *arena, struct sim_event *event) MUST_CHECK;

/**
 * sim_report(sim, params, refusal, ret_rows): the report; ${refusal} says why there is none, and *${ret_rows} is NULL then.  The caller ends
 * *${ret_rows}.  ST_NOMEM; ST_CORRUPT.
 */
enum status sim_report(struct sim *sim, const struct report_params *params, struct refusal *refusal, json_t **ret_rows) MUST_CHECK;

#endif
