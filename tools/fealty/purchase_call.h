/* purchase_call.h: what `purchase` and `quote` share: they are the same command, kept or only looked at; and the lines of a `return`. */
#ifndef FEALTY_TOOLS_PURCHASE_CALL_H
#define FEALTY_TOOLS_PURCHASE_CALL_H

#include "call.h"

/* Lines of a receipt, from the words of `--line`. */
#define LINES_MAX 200
struct line_list {
	size_t n;
	Fealty__V1__Line rows[LINES_MAX], *pointers[LINES_MAX];
};

/* SKU:CATEGORY:QTY:AMOUNT, cut in place; SKU and CATEGORY may be empty, and AMOUNT left out when it is a share. */
error_t line_list_add(struct argp_state *state, struct line_list *list, char *text, bool amount_is_optional);

extern const struct argp_option purchase_options[];
error_t purchase_parse(int key, char *arg, struct argp_state *state);

/* ${argp} is of purchase_options and purchase_parse(). */
enum exit_code purchase_call(const struct argp *argp, int argc, char **argv, Fealty__V1__Request__OpCase op, call_show_fn *show);

/* What each rule gave, when it was more than one, and what a limit took. */
void purchase_show_grants(const Fealty__V1__Response *response);

#endif
