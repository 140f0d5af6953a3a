/* fealty advance: points before they are earned. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_advance(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER POINTS",
		"Lend points, as far as the program does that.\v"
		"They can be spent at once and are owed until the member has earned as many.",
		receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Advance body = FEALTY__V1__ADVANCE__INIT;

	call_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_ADVANCE, &request);
	body.member = in.args.v[0];
	body.points = in.args.v[1];
	request.advance = &body;
	return call_run(&in.call, &request, show_done);
}
