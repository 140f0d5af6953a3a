/* fealty reverse-redeem: points that were spent, given back. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_reverse_redeem(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER REDEMPTION [POINTS]",
		"Give back points of a redemption: all that is not given back yet, or POINTS of them.\v"
		"REDEMPTION is the id or the request id of a redeem or a capture. The points come back as they were, the last taken first; "
		"what has ended since follows the program's `returns`.",
		receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__ReverseRedeem body = FEALTY__V1__REVERSE_REDEEM__INIT;

	call_input_init(&in, 2, 3);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_REVERSE_REDEEM, &request);
	body.member = in.args.v[0];
	body.redeem = in.args.v[1];
	body.points = in.args.v[2];
	request.reverse_redeem = &body;
	return call_run(&in.call, &request, show_done);
}
