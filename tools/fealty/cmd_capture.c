/* fealty capture: points of a hold, or its voucher, spent. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

static void
show_captured(const Fealty__V1__Response *r)
{
	if (r->left != NULL)
		(void)printf("Captured; the hold has %s left. ", POINTS(r->left));
	else
		(void)printf("Captured; the voucher is used. ");
	show_standing(r);
	show_worth(r);
	show_end(r);
}

enum exit_code
cmd_capture(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER HOLD [POINTS]",
		"Spend points of a hold: all that is left, or POINTS of them.\v"
		"HOLD is the hold's id or its request id.",
		receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Capture body = FEALTY__V1__CAPTURE__INIT;

	call_input_init(&in, 2, 3);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_CAPTURE, &request);
	body.member = in.args.v[0];
	body.hold = in.args.v[1];
	body.points = in.args.v[2];
	request.capture = &body;
	return call_run(&in.call, &request, show_captured);
}
