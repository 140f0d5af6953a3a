/* fealty activity: something a member did that is no purchase: a flight, a night, a delivery. */
#include <stdio.h>

#include "commands.h"
#include "purchase_call.h"
#include "show.h"

enum { KEY_AMOUNT = KEY_COMMAND, KEY_QTY, KEY_SCORE, KEY_PURCHASE };

struct activity_input {
	struct call_input base;
	char *amount, *purchase;
	bool has_qty, has_score;
	uint32_t qty, score;
};

/* A number of 32 bits. */
static error_t
take_number(struct argp_state *state, const char *option, const char *text, bool *ret_given, uint32_t *ret_number)
{
	uint64_t number = 0;
	error_t error = option_number(state, option, text, UINT32_MAX, &number);

	*ret_given = true;
	*ret_number = (uint32_t)number;
	return error;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct activity_input *in = state->input;

	switch (key) {
	case KEY_AMOUNT:
		in->amount = arg;
		return 0;
	case KEY_PURCHASE:
		in->purchase = arg;
		return 0;
	case KEY_QTY:
		return take_number(state, "--qty", arg, &in->has_qty, &in->qty);
	case KEY_SCORE:
		return take_number(state, "--score", arg, &in->has_score, &in->score);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_activity(const Fealty__V1__Response *r)
{
	(void)printf("Granted %s. ", POINTS(r->granted));
	show_standing(r);
	purchase_show_grants(r);
	show_end(r);
}

enum exit_code
cmd_activity(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "amount", KEY_AMOUNT, "AMOUNT", 0, "Money in the program's currency", 0 },
		{ "qty", KEY_QTY, "N", 0, "How many times (default: 1)", 0 },
		{ "score", KEY_SCORE, "N", 0, "Kept with the entry", 0 },
		{ "purchase", KEY_PURCHASE, "ID", 0, "The purchase that it completes, by its id or request id", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER ACTIVITY", "Record an activity of the program and grant what it earns.\v"
		"ACTIVITY is the id that the program's rules name, such as stay. With --purchase the points of that purchase that wait for "
		"this activity become usable.", receipt_children, NULL, NULL };
	struct activity_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Activity body = FEALTY__V1__ACTIVITY__INIT;

	call_input_init(&in.base, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_ACTIVITY, &request);
	body.member = in.base.args.v[0];
	body.activity = in.base.args.v[1];
	body.amount = in.amount;
	body.has_qty = in.has_qty;
	body.qty = in.qty;
	body.has_score = in.has_score;
	body.score = in.score;
	body.purchase = in.purchase;
	request.activity = &body;
	return call_run(&in.base.call, &request, show_activity);
}
