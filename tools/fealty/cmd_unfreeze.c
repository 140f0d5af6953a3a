/* fealty unfreeze: a frozen member may spend again. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_unfreeze(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER [REASON]", "Let a frozen member spend points again.\v"
		"REASON is a code of a-z, 0-9 and _, such as cleared; it may be left out.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Unfreeze body = FEALTY__V1__UNFREEZE__INIT;

	call_input_init(&in, 1, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_UNFREEZE, &request);
	body.member = in.args.v[0];
	body.reason = in.args.v[1];
	request.unfreeze = &body;
	return call_run(&in.call, &request, show_done);
}
