/* fealty return: what was bought and came back, and the points that go with it. */
#include <stdio.h>

#include "commands.h"
#include "purchase_call.h"
#include "show.h"

enum { KEY_AMOUNT = KEY_COMMAND, KEY_LINE };

struct return_input {
	struct call_input base;
	char *amount;
	struct line_list lines;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct return_input *in = state->input;

	switch (key) {
	case KEY_AMOUNT:
		in->amount = arg;
		return 0;
	case KEY_LINE:
		return line_list_add(state, &in->lines, arg, true);
	case ARGP_KEY_END:
		if (in->amount != NULL && in->lines.n > 0)
			return cli_usage(state, "--amount and --line say the same in two ways: give one of them");
		return call_input_parse(key, arg, state, &in->base);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_returned(const Fealty__V1__Response *r)
{
	(void)printf("Clawed back %s (%s). ", POINTS(r->clawed), r->id != NULL ? r->id : "-");
	show_standing(r);
	show_worth(r);
	show_end(r);
}

enum exit_code
cmd_return(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "amount", KEY_AMOUNT, "AMOUNT", 0, "What part of the purchase comes back, in the program's currency", 0 },
		{ "line", KEY_LINE, "SKU:CATEGORY:QTY[:AMOUNT]", 0,
		    "Items of the purchase that come back, with their share of its line or AMOUNT; may be given again", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER PURCHASE",
		"Return a purchase, or a part of it, and take back the points for it.\v"
		"PURCHASE is the purchase's id or its request id. Without --amount and --line all that is left of it is returned. By --amount "
		"items leave with their whole line: first the part without a line, then the lines from the last to the first. What the "
		"program may take and the member no longer has is owed.",
		receipt_children, NULL, NULL };
	static struct return_input in;
	Fealty__V1__Request request;
	Fealty__V1__Return body = FEALTY__V1__RETURN__INIT;

	call_input_init(&in.base, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_RETURN, &request);
	body.member = in.base.args.v[0];
	body.purchase = in.base.args.v[1];
	body.amount = in.amount;
	body.n_lines = in.lines.n;
	body.lines = in.lines.pointers;
	request.return_ = &body;
	return call_run(&in.base.call, &request, show_returned);
}
