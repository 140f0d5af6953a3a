/* fealty erase: a member is forgotten. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_erase(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER", "Forget a member, for good.\v"
		"All points end, names and profile are removed and the member's key is destroyed. The entries stay in the ledger under a number that "
		"nothing names any more; the names are free for somebody new.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Erase body = FEALTY__V1__ERASE__INIT;

	call_input_init(&in, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_ERASE, &request);
	body.member = in.args.v[0];
	request.erase = &body;
	return call_run(&in.call, &request, show_done);
}
