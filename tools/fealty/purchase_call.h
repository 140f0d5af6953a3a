/* purchase_call.h: what `purchase` and `quote` share: they are the same command, kept or only looked at. */
#ifndef FEALTY_TOOLS_PURCHASE_CALL_H
#define FEALTY_TOOLS_PURCHASE_CALL_H

#include "call.h"

extern const struct argp_option purchase_options[];
error_t purchase_parse(int key, char *arg, struct argp_state *state);

/* ${argp} is of purchase_options and purchase_parse(). */
enum exit_code purchase_call(const struct argp *argp, int argc, char **argv, Fealty__V1__Request__OpCase op, call_show_fn *show);

/* What each rule gave, when it was more than one, and what a limit took. */
void purchase_show_grants(const Fealty__V1__Response *response);

#endif
