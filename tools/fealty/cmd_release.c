/* fealty release: a hold given back. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

static void
show_released(const Fealty__V1__Response *r)
{
	(void)printf("Released. ");
	show_standing(r);
	show_end(r);
}

enum exit_code
cmd_release(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER HOLD",
		"Give the points of a hold back.\vHOLD is the hold's id or its request id.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Release body = FEALTY__V1__RELEASE__INIT;

	call_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_RELEASE, &request);
	body.member = in.args.v[0];
	body.hold = in.args.v[1];
	request.release = &body;
	return call_run(&in.call, &request, show_released);
}
