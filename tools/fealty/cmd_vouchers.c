/* fealty vouchers: a member's vouchers, with their codes. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "show.h"

enum { KEY_STATE = KEY_COMMAND };

struct vouchers_input {
	struct call_input base;
	char *state;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct vouchers_input *in = state->input;

	if (key != KEY_STATE)
		return call_input_parse(key, arg, state, &in->base);
	in->state = arg;
	return 0;
}

static void
show_row(const Fealty__V1__VoucherRow *v)
{
	char day[DAY_TEXT_BYTES];

	(void)printf("  %s  %-8s  %s", v->code != NULL ? v->code : "-", v->state != NULL ? v->state : "-", v->id != NULL ? v->id : "-");
	if (v->title != NULL)
		(void)printf(" (%s)", v->title);
	if (v->value != NULL)
		(void)printf(", worth %s", v->value);
	if (v->has_last_day)
		(void)printf(", through %s", day_format(v->last_day, day));
	(void)printf(", %s of %s %s\n", v->name != NULL ? v->name : "-", v->source != NULL ? v->source : "-", v->of != NULL ? v->of : "");
}

static void
show_vouchers(const Fealty__V1__Response *r)
{
	(void)printf("Member %llu has %zu such %s.\n", (unsigned long long)r->member_no, r->n_voucher_rows,
	    r->n_voucher_rows == 1 ? "voucher" : "vouchers");
	for (size_t i = 0; i < r->n_voucher_rows; i++)
		show_row(r->voucher_rows[i]);
}

enum exit_code
cmd_vouchers(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "state", KEY_STATE, "STATE", 0, "Those that are issued, held, used, expired or revoked (default: those that can be used)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Show a member's vouchers with their codes, those that end first first.",
		call_children, NULL, NULL };
	struct vouchers_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Vouchers body = FEALTY__V1__VOUCHERS__INIT;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_VOUCHERS, &request);
	body.member = in.base.args.v[0];
	body.state = in.state;
	request.vouchers = &body;
	return call_run(&in.base.call, &request, show_vouchers);
}
