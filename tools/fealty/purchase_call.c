/* A purchase, and lines of one, from the words of a command line. */
#include <stdio.h>
#include <string.h>

#include "purchase_call.h"
#include "show.h"

enum { KEY_LINE = KEY_COMMAND, KEY_RECEIPT_NO, KEY_PAID_WITH_POINTS };

struct purchase_input {
	struct call_input base;
	char *receipt_no, *paid_with_points;
	struct line_list lines;
};

/* Cuts at ${where}, a ':' of ${text}; an empty part is absent. */
static char *
cut(char *text, char *where)
{
	*where = '\0';
	return text[0] != '\0' ? text : NULL;
}

/* The first part is the sku and the last ones are numbers, so a category may have colons of its own. */
error_t
line_list_add(struct argp_state *state, struct line_list *list, char *text, bool amount_is_optional)
{
	const char *form = amount_is_optional ? "SKU:CATEGORY:QTY or SKU:CATEGORY:QTY:AMOUNT" : "SKU:CATEGORY:QTY:AMOUNT";
	uint64_t qty = 0;
	char *first = strchr(text, ':');
	char *last = strrchr(text, ':');
	char *middle = first != NULL && last > first ? memrchr(text, ':', (size_t)(last - text)) : NULL;
	bool has_amount = middle != NULL && middle != first;

	if (middle == NULL || (!has_amount && !amount_is_optional))
		return cli_usage(state, "--line: \"%s\" is not %s", text, form);
	if (list->n == LINES_MAX)
		return cli_usage(state, "--line: at most %d lines", LINES_MAX);
	Fealty__V1__Line *line = &list->rows[list->n];
	fealty__v1__line__init(line);
	line->sku = cut(text, first);
	line->category = cut(first + 1, has_amount ? middle : last);
	*last = '\0';
	line->amount = has_amount ? last + 1 : NULL;
	error_t failed = option_number(state, "--line", has_amount ? middle + 1 : last + 1, UINT32_MAX, &qty);
	line->has_qty = true;
	line->qty = (uint32_t)qty;
	list->pointers[list->n++] = line;
	return failed;
}

error_t
purchase_parse(int key, char *arg, struct argp_state *state)
{
	struct purchase_input *in = state->input;

	switch (key) {
	case KEY_LINE:
		return line_list_add(state, &in->lines, arg, false);
	case KEY_RECEIPT_NO:
		in->receipt_no = arg;
		return 0;
	case KEY_PAID_WITH_POINTS:
		in->paid_with_points = arg;
		return 0;
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

const struct argp_option purchase_options[] = {
	{ "line", KEY_LINE, "SKU:CATEGORY:QTY:AMOUNT", 0, "A line of the receipt; SKU and CATEGORY may be empty; may be given again", 0 },
	{ "receipt-no", KEY_RECEIPT_NO, "NUMBER", 0, "The receipt's number: the same receipt of a store never counts twice on a day", 0 },
	{ "paid-with-points", KEY_PAID_WITH_POINTS, "AMOUNT", 0, "What part of the amount was paid by redeeming points", 0 },
	{ 0 },
};

void
purchase_show_grants(const Fealty__V1__Response *r)
{
	for (size_t i = 0; r->n_grants > 1 && i < r->n_grants; i++)
		(void)printf("  %s from %s\n", POINTS(r->grants[i]->granted), r->grants[i]->rule);
	if (r->wanted != NULL && r->granted != NULL && strcmp(r->wanted, r->granted) != 0)
		(void)printf("  Without limits it would have been %s.\n", r->wanted);
}

enum exit_code
purchase_call(const struct argp *argp, int argc, char **argv, Fealty__V1__Request__OpCase op, call_show_fn *show)
{
	static struct purchase_input in;
	Fealty__V1__Request request;
	Fealty__V1__Purchase body = FEALTY__V1__PURCHASE__INIT;

	call_input_init(&in.base, 2, 2);
	cli_parse(argp, argc, argv, &in);
	call_request_init(&in.base.call, op, &request);
	body.member = in.base.args.v[0];
	body.amount = in.base.args.v[1];
	body.receipt_no = in.receipt_no;
	body.paid_with_points = in.paid_with_points;
	body.n_lines = in.lines.n;
	body.lines = in.lines.pointers;
	request.purchase = &body;		/* quote is a member of the same union, of the same type */
	return call_run(&in.base.call, &request, show);
}
