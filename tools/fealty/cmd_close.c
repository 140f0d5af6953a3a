/* fealty close: the end of a membership. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_close(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER REASON", "Close a member's account, for good.\v"
		"REASON is a code of a-z, 0-9 and _, such as left. Nothing may be left on it: no points, none that wait or are "
		"held, no debt.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Close body = FEALTY__V1__CLOSE__INIT;

	call_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_CLOSE, &request);
	body.member = in.args.v[0];
	body.reason = in.args.v[1];
	request.close = &body;
	return call_run(&in.call, &request, show_done);
}
