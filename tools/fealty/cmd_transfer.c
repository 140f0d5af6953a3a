/* fealty transfer: points from one member to another. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_transfer(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER TO POINTS",
		"Send points of a member to another, as far as the program offers transfers.\v"
		"The answer is about MEMBER, who sends them: those that end first leave first.",
		receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Transfer body = FEALTY__V1__TRANSFER__INIT;

	call_input_init(&in, 3, 3);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_TRANSFER, &request);
	body.member = in.args.v[0];
	body.to = in.args.v[1];
	body.points = in.args.v[2];
	request.transfer = &body;
	return call_run(&in.call, &request, show_done);
}
