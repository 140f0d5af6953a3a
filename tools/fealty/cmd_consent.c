/* fealty consent: what a member agrees to. */
#include <string.h>

#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_consent(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER PURPOSE yes|no", "Record that a member agrees to something, or does not any more.\v"
		"PURPOSE is a code of a-z, 0-9 and _, such as mail. \"fealty balance\" shows the newest word on each.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Consent body = FEALTY__V1__CONSENT__INIT;

	call_input_init(&in, 3, 3);
	cli_parse(&argp, argc, argv, &in);
	bool yes = strcmp(in.args.v[2], "yes") == 0;
	if (!yes && strcmp(in.args.v[2], "no") != 0)
		return cli_fail(in.call.json, EXIT_USAGE, "\"%s\" is neither yes nor no", in.args.v[2]);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_CONSENT, &request);
	body.member = in.args.v[0];
	body.purpose = in.args.v[1];
	body.has_given = true;
	body.given = yes;
	request.consent = &body;
	return call_run(&in.call, &request, show_done);
}
