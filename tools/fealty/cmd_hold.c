/* fealty hold: points, or a voucher, set aside. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "show.h"

enum { KEY_ORDER_AMOUNT = KEY_COMMAND, KEY_TTL, KEY_PARTNER, KEY_FOR_TERMINAL, KEY_VOUCHER, KEY_POOL };

struct hold_input {
	struct call_input base;
	char *order_amount, *ttl, *partner, *for_terminal, *voucher;
	bool pool;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct hold_input *in = state->input;

	switch (key) {
	case KEY_ORDER_AMOUNT:
		in->order_amount = arg;
		return 0;
	case KEY_TTL:
		in->ttl = arg;
		return 0;
	case KEY_POOL:
		in->pool = true;
		return 0;
	case KEY_PARTNER:
		in->partner = arg;
		return 0;
	case KEY_FOR_TERMINAL:
		in->for_terminal = arg;
		return 0;
	case KEY_VOUCHER:
		in->voucher = arg;
		return 0;
	case ARGP_KEY_END:
		if ((in->voucher != NULL) + (in->base.args.n == 2) != 1 && in->base.args.n > 0)
			return cli_usage(state, "give the POINTS that are set aside, or --voucher: one of them");
		return call_input_parse(key, arg, state, &in->base);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_held(const Fealty__V1__Response *r)
{
	char instant[INSTANT_TEXT_BYTES];

	(void)printf("Hold %s has %s set aside", r->id != NULL ? r->id : "-", r->left != NULL ? POINTS(r->left) : "the voucher");
	if (r->has_ends_at)
		(void)printf(" until %s", instant_format(r->ends_at, instant));
	(void)printf(". ");
	show_standing(r);
	show_worth(r);
	show_end(r);
}

enum exit_code
cmd_hold(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "order-amount", KEY_ORDER_AMOUNT, "AMOUNT", 0,
		    "The order that it is for: the program may limit the share that points pay", 0 },
		{ "voucher", KEY_VOUCHER, "VOUCHER", 0, "In place of points, a voucher: its code, or its id in the program", 0 },
		{ "ttl", KEY_TTL, "DURATION", 0, "How long, such as 15m; then the points return by themselves (default: the program's)",
		    0 },
		{ "pool", KEY_POOL, NULL, 0, "Of the member's pool: the head's points first, then the others'", 0 },
		{ "partner", KEY_PARTNER, "ID", 0, "The partner where they are spent: its account is settled for them", 0 },
		{ "for-terminal", KEY_FOR_TERMINAL, "TERMINAL", 0,
		    "Only this till may capture it, also one that is offline then: 07 of the same store, 0042/07 or pos/0042/07", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER [POINTS]",
		"Set points, or with --voucher a voucher, aside for a redemption that is under way.\v"
		"Afterwards capture the hold, or release it; both take its id, or the --key that it was made under.",
		receipt_children, NULL, NULL };
	struct hold_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Hold body = FEALTY__V1__HOLD__INIT;

	call_input_init(&in.base, 1, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_HOLD, &request);
	body.member = in.base.args.v[0];
	body.points = in.base.args.v[1];
	body.voucher = in.voucher;
	body.ttl = in.ttl;
	body.order_amount = in.order_amount;
	body.partner = in.partner;
	body.for_terminal = in.for_terminal;
	body.has_pool = body.pool = in.pool;
	request.hold = &body;
	return call_run(&in.base.call, &request, show_held);
}
