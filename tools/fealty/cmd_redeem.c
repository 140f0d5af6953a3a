/* fealty redeem: points spent at once, as many as are said or what a reward costs. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_ORDER_AMOUNT = KEY_COMMAND, KEY_ROUND_DOWN, KEY_PARTNER, KEY_POOL, KEY_REWARD };

struct redeem_input {
	struct call_input base;
	char *order_amount, *partner, *reward;
	bool round_down, pool;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct redeem_input *in = state->input;

	switch (key) {
	case KEY_ORDER_AMOUNT:
		in->order_amount = arg;
		return 0;
	case KEY_REWARD:
		in->reward = arg;
		return 0;
	case KEY_ROUND_DOWN:
		in->round_down = true;
		return 0;
	case KEY_POOL:
		in->pool = true;
		return 0;
	case KEY_PARTNER:
		in->partner = arg;
		return 0;
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_redeemed(const Fealty__V1__Response *r)
{
	(void)printf("Redeemed (%s). ", r->id != NULL ? r->id : "-");
	show_standing(r);
	show_worth(r);
	show_end(r);
}

enum exit_code
cmd_redeem(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "order-amount", KEY_ORDER_AMOUNT, "AMOUNT", 0,
		    "The order that it is for: the program may limit the share that points pay", 0 },
		{ "reward", KEY_REWARD, "REWARD", 0, "One of the program's rewards instead of POINTS: what it costs is spent, and its voucher issued", 0 },
		{ "round-down", KEY_ROUND_DOWN, NULL, 0, "Take the points down to a whole step of the program", 0 },
		{ "pool", KEY_POOL, NULL, 0, "Of the member's pool: the head's points first, then the others'", 0 },
		{ "partner", KEY_PARTNER, "ID", 0, "The partner where they are spent: its account is settled for them", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER [POINTS]", "Spend points at once: POINTS of them, or those that a reward costs.",
	    receipt_children, NULL, NULL };
	struct redeem_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Redeem body = FEALTY__V1__REDEEM__INIT;

	call_input_init(&in.base, 1, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_REDEEM, &request);
	body.member = in.base.args.v[0];
	body.points = in.base.args.n > 1 ? in.base.args.v[1] : NULL;
	body.reward = in.reward;
	body.order_amount = in.order_amount;
	body.partner = in.partner;
	body.has_pool = body.pool = in.pool;
	body.has_round_down = in.round_down;
	body.round_down = in.round_down;
	request.redeem = &body;
	return call_run(&in.base.call, &request, show_redeemed);
}
