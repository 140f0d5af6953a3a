/* fealty voucher-use: a voucher, used. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_ORDER_AMOUNT = KEY_COMMAND, KEY_OFFLINE };

struct use_input {
	struct call_input base;
	char *order_amount;
	bool offline;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct use_input *in = state->input;

	switch (key) {
	case KEY_ORDER_AMOUNT:
		in->order_amount = arg;
		return 0;
	case KEY_OFFLINE:
		in->offline = true;
		return 0;
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_used(const Fealty__V1__Response *r)
{
	if (r->has_conflict && r->conflict)
		(void)printf("The voucher was used before, at another till; this use is recorded for settlement. ");
	else
		(void)printf("Used. ");
	show_standing(r);
	show_worth(r);
	show_end(r);
}

enum exit_code
cmd_voucher_use(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "order-amount", KEY_ORDER_AMOUNT, "AMOUNT", 0, "The order that it is for: the program may limit the share that a voucher pays", 0 },
		{ "offline", KEY_OFFLINE, NULL, 0,
		    "It was used already, at a till without a connection; if another till was first, that is recorded and not refused", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER VOUCHER",
		"Use a voucher of a member.\v"
		"VOUCHER is a voucher's code, or its id in the program: then the one that ends first is used.",
		receipt_children, NULL, NULL };
	struct use_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__VoucherUse body = FEALTY__V1__VOUCHER_USE__INIT;

	call_input_init(&in.base, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_VOUCHER_USE, &request);
	body.member = in.base.args.v[0];
	body.voucher = in.base.args.v[1];
	body.order_amount = in.order_amount;
	body.has_offline = body.offline = in.offline;
	request.voucher_use = &body;
	return call_run(&in.base.call, &request, show_used);
}
