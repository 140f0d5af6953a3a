/* fealty birthday: the claim of a birthday reward. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

static void
show_birthday(const Fealty__V1__Response *r)
{
	(void)printf("Happy birthday: granted %s. ", POINTS(r->granted));
	show_standing(r);
	show_end(r);
}

enum exit_code
cmd_birthday(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER",
		"Claim the points for a birthday, if they are due and were not granted yet.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Birthday body = FEALTY__V1__BIRTHDAY__INIT;

	call_input_init(&in, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_BIRTHDAY, &request);
	body.member = in.args.v[0];
	request.birthday = &body;
	return call_run(&in.call, &request, show_birthday);
}
