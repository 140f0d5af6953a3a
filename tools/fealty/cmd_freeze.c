/* fealty freeze: a member who may not spend. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_freeze(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER REASON", "Let a member spend no points until they are unfrozen.\v"
		"REASON is a code of a-z, 0-9 and _, such as fraud. A frozen member goes on earning, points expire, and open "
		"holds can be released.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Freeze body = FEALTY__V1__FREEZE__INIT;

	call_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_FREEZE, &request);
	body.member = in.args.v[0];
	body.reason = in.args.v[1];
	request.freeze = &body;
	return call_run(&in.call, &request, show_done);
}
