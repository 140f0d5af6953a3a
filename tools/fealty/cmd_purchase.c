/* fealty purchase, fealty quote: the same command, kept or only looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_LINE = KEY_COMMAND, KEY_RECEIPT_NO, KEY_PAID_WITH_POINTS };

#define LINES_MAX 200
struct purchase_input {
	struct call_options call;
	struct args args;
	char *receipt_no, *paid_with_points;
	size_t n_lines;
	Fealty__V1__Line lines[LINES_MAX], *line_pointers[LINES_MAX];
};

/* Cuts at ${where}, a ':' of ${text}; an empty part is absent. */
static char *
cut(char *text, char *where)
{
	*where = '\0';
	return text[0] != '\0' ? text : NULL;
}

/* sku:category:quantity:amount */
static error_t
parse_line(struct argp_state *state, struct purchase_input *in, char *text)
{
	uint64_t qty = 0;
	char *first = strchr(text, ':');
	char *last = strrchr(text, ':');
	char *middle = first != NULL && last > first ? memrchr(text, ':', (size_t)(last - text)) : NULL;

	if (middle == NULL || middle == first)
		return cli_usage(state, "--line: \"%s\" is not SKU:CATEGORY:QUANTITY:AMOUNT", text);
	if (in->n_lines == LINES_MAX)
		return cli_usage(state, "--line: a purchase has at most %d lines", LINES_MAX);
	Fealty__V1__Line *line = &in->lines[in->n_lines];
	fealty__v1__line__init(line);
	line->sku = cut(text, first);
	line->category = cut(first + 1, middle);
	*last = '\0';
	line->amount = last + 1;
	error_t failed = option_number(state, "--line", middle + 1, UINT32_MAX, &qty);
	line->has_qty = true;
	line->qty = (uint32_t)qty;
	in->line_pointers[in->n_lines++] = line;
	return failed;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct purchase_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_LINE:
		return parse_line(state, in, arg);
	case KEY_RECEIPT_NO:
		in->receipt_no = arg;
		return 0;
	case KEY_PAID_WITH_POINTS:
		in->paid_with_points = arg;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 2);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 2);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
show_grants(const Fealty__V1__Response *r)
{
	for (size_t i = 0; r->n_grants > 1 && i < r->n_grants; i++)
		(void)printf("  %s from %s\n", POINTS(r->grants[i]->granted), r->grants[i]->rule);
	if (r->wanted != NULL && r->granted != NULL && strcmp(r->wanted, r->granted) != 0)
		(void)printf("  Without limits it would have been %s.\n", r->wanted);
}

static void
show_next_tier(const Fealty__V1__Response *r)
{
	if (!points_are_zero(r->points_to_next))
		(void)printf("%s to the next tier.\n", POINTS(r->points_to_next));
}

static void
show_purchase(const Fealty__V1__Response *r)
{
	(void)printf("Granted %s. ", POINTS(r->granted));
	show_standing(r);
	show_grants(r);
	show_next_tier(r);
	show_replayed(r);
}

static void
show_quote(const Fealty__V1__Response *r)
{
	(void)printf("Would grant %s; nothing was recorded.\n", POINTS(r->granted));
	show_grants(r);
}

static const struct argp_option purchase_options[] = {
	{ "line", KEY_LINE, "SKU:CATEGORY:QTY:AMOUNT", 0, "A line of the receipt; SKU and CATEGORY may be empty; may be given again", 0 },
	{ "receipt-no", KEY_RECEIPT_NO, "NUMBER", 0, "The receipt's number: the same receipt of a store never counts twice on a day", 0 },
	{ "paid-with-points", KEY_PAID_WITH_POINTS, "AMOUNT", 0, "What part of the amount was paid by redeeming points", 0 },
	{ 0 },
};

static enum exit_code
run(const struct argp *argp, int argc, char **argv, Fealty__V1__Request__OpCase op, call_show_fn *show)
{
	static struct purchase_input in;
	Fealty__V1__Request request;
	Fealty__V1__Purchase body = FEALTY__V1__PURCHASE__INIT;

	call_options_init(&in.call, 10000);
	cli_parse(argp, argc, argv, &in);
	call_request_init(&in.call, op, &request);
	body.member = in.args.v[0];
	body.amount = in.args.v[1];
	body.receipt_no = in.receipt_no;
	body.paid_with_points = in.paid_with_points;
	body.n_lines = in.n_lines;
	body.lines = in.line_pointers;
	request.purchase = &body;		/* quote is a member of the same union, of the same type */
	return call_run(&in.call, &request, show);
}

enum exit_code
cmd_purchase(int argc, char **argv)
{
	static const struct argp argp = { purchase_options, parse, "MEMBER AMOUNT", "Record a purchase and grant its points.\v"
		"AMOUNT is the whole receipt in the program's currency, such as 412.60. Give --key when the command comes from a till, so that it can be run again.",
		call_children, NULL, NULL };

	return run(&argp, argc, argv, FEALTY__V1__REQUEST__OP_PURCHASE, show_purchase);
}

enum exit_code
cmd_quote(int argc, char **argv)
{
	static const struct argp argp = { purchase_options, parse, "MEMBER AMOUNT", "Tell what a purchase would grant; records nothing.",
		call_children, NULL, NULL };

	return run(&argp, argc, argv, FEALTY__V1__REQUEST__OP_QUOTE, show_quote);
}
