/* fealty redeem, hold, capture, release: ways to spend points. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "show.h"

enum { KEY_ORDER_AMOUNT = KEY_COMMAND, KEY_ROUND_DOWN, KEY_TTL };

struct spend_input {
	struct call_options call;
	struct args args;
	unsigned n_min, n_max;
	char *order_amount, *ttl;
	bool round_down;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct spend_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_ORDER_AMOUNT:
		in->order_amount = arg;
		return 0;
	case KEY_ROUND_DOWN:
		in->round_down = true;
		return 0;
	case KEY_TTL:
		in->ttl = arg;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, in->n_max);
	case ARGP_KEY_END:
		return args_need(state, &in->args, in->n_min);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

#define ORDER_AMOUNT_OPTION { "order-amount", KEY_ORDER_AMOUNT, "AMOUNT", 0, "The order that it is for: the program may limit the share that points pay", 0 }

static void
spend_input_init(struct spend_input *in, unsigned n_min, unsigned n_max)
{
	*in = (struct spend_input){ .n_min = n_min, .n_max = n_max };
	call_options_init(&in->call, 10000);
}

static void
show_worth(const Fealty__V1__Response *r)
{
	char day[DAY_TEXT_BYTES];

	if (r->value != NULL)
		(void)printf("Worth %s.\n", r->value);
	for (size_t i = 0; i < r->n_lots; i++)
		if (r->lots[i]->has_last_day && r->lots[i]->last_day != DAY_NEVER)
			(void)printf("  %s of those through %s\n", r->lots[i]->points, day_format(r->lots[i]->last_day, day));
}

static void
show_redeemed(const Fealty__V1__Response *r)
{
	(void)printf("Redeemed (%s). ", r->id != NULL ? r->id : "-");
	show_standing(r);
	show_worth(r);
	show_replayed(r);
}

static void
show_held(const Fealty__V1__Response *r)
{
	char instant[INSTANT_TEXT_BYTES];

	(void)printf("Hold %s has %s set aside", r->id != NULL ? r->id : "-", POINTS(r->left != NULL ? r->left : r->held));
	if (r->has_ends_at)
		(void)printf(" until %s", instant_format(r->ends_at, instant));
	(void)printf(". ");
	show_standing(r);
	show_worth(r);
	show_replayed(r);
}

static void
show_captured(const Fealty__V1__Response *r)
{
	(void)printf("Captured; the hold has %s left. ", POINTS(r->left));
	show_standing(r);
	show_worth(r);
	show_replayed(r);
}

static void
show_released(const Fealty__V1__Response *r)
{
	(void)printf("Released. ");
	show_standing(r);
	show_replayed(r);
}

enum exit_code
cmd_redeem(int argc, char **argv)
{
	static const struct argp_option options[] = {
		ORDER_AMOUNT_OPTION,
		{ "round-down", KEY_ROUND_DOWN, NULL, 0, "Take the points down to a whole step of the program", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER POINTS", "Spend points at once.", call_children, NULL, NULL };
	struct spend_input in;
	Fealty__V1__Request request;
	Fealty__V1__Redeem body = FEALTY__V1__REDEEM__INIT;

	spend_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_REDEEM, &request);
	body.member = in.args.v[0];
	body.points = in.args.v[1];
	body.order_amount = in.order_amount;
	body.has_round_down = in.round_down;
	body.round_down = in.round_down;
	request.redeem = &body;
	return call_run(&in.call, &request, show_redeemed);
}

enum exit_code
cmd_hold(int argc, char **argv)
{
	static const struct argp_option options[] = {
		ORDER_AMOUNT_OPTION,
		{ "ttl", KEY_TTL, "DURATION", 0, "How long, such as 15m; then the points return by themselves (default: the program's)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER POINTS", "Set points aside for a redemption that is under way.\v"
		"Afterwards capture the hold, or release it; both take its id, or the --key that it was made under.", call_children, NULL, NULL };
	struct spend_input in;
	Fealty__V1__Request request;
	Fealty__V1__Hold body = FEALTY__V1__HOLD__INIT;

	spend_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_HOLD, &request);
	body.member = in.args.v[0];
	body.points = in.args.v[1];
	body.ttl = in.ttl;
	body.order_amount = in.order_amount;
	request.hold = &body;
	return call_run(&in.call, &request, show_held);
}

enum exit_code
cmd_capture(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "MEMBER HOLD [POINTS]", "Spend points of a hold: all that is left, or POINTS of them.\v"
		"HOLD is the hold's id or its request id.", call_children, NULL, NULL };
	struct spend_input in;
	Fealty__V1__Request request;
	Fealty__V1__Capture body = FEALTY__V1__CAPTURE__INIT;

	spend_input_init(&in, 2, 3);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_CAPTURE, &request);
	body.member = in.args.v[0];
	body.hold = in.args.v[1];
	body.points = in.args.v[2];
	request.capture = &body;
	return call_run(&in.call, &request, show_captured);
}

enum exit_code
cmd_release(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "MEMBER HOLD", "Give the points of a hold back.\vHOLD is the hold's id or its request id.",
		call_children, NULL, NULL };
	struct spend_input in;
	Fealty__V1__Request request;
	Fealty__V1__Release body = FEALTY__V1__RELEASE__INIT;

	spend_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_RELEASE, &request);
	body.member = in.args.v[0];
	body.hold = in.args.v[1];
	request.release = &body;
	return call_run(&in.call, &request, show_released);
}
