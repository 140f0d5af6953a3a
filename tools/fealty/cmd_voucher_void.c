/* fealty voucher-void: a voucher that nobody can use any more. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_voucher_void(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER VOUCHER REASON", "Take a voucher that was not used away from a member.\v"
		"VOUCHER is its code, its name as `fealty vouchers` shows it, or its id in the program: then the one that ends first. REASON is a code "
		"of a-z, 0-9 and _, such as misprint.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__VoucherVoid body = FEALTY__V1__VOUCHER_VOID__INIT;

	call_input_init(&in, 3, 3);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_VOUCHER_VOID, &request);
	body.member = in.args.v[0];
	body.voucher = in.args.v[1];
	body.reason = in.args.v[2];
	request.voucher_void = &body;
	return call_run(&in.call, &request, show_done);
}
