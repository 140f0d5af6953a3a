/* fealty adjust: points by hand. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_LAST_DAY = KEY_COMMAND, KEY_TIER_POINTS };

struct adjust_input {
	struct call_input base;
	bool has_last_day, tier_points;
	int32_t last_day;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct adjust_input *in = state->input;

	switch (key) {
	case KEY_LAST_DAY:
		in->has_last_day = true;
		return option_day(state, "--last-day", arg, &in->last_day);
	case KEY_TIER_POINTS:
		in->tier_points = true;
		return 0;
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_adjusted(const Fealty__V1__Response *r)
{
	if (!r->has_waiting || !r->waiting) {
		show_done(r);
		return;
	}
	const char *id = r->id != NULL ? r->id : "ADJUST";
	(void)printf("It is above the program's limit, so it waits for approval (%s): nothing has changed yet.\n", id);
	(void)printf("An approver lets it happen: fealty approve %s --as approver/NAME --key-file FILE\n", id);
	show_standing(r);
	show_end(r);
}

enum exit_code
cmd_adjust(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "last-day", KEY_LAST_DAY, "DATE", 0, "Last usable day of points that are added (default: as for points earned today)",
		    0 },
		{ "tier-points", KEY_TIER_POINTS, NULL, 0, "The points count for tiers", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER POINTS REASON", "Add points, or take them when POINTS is below zero.\v"
		"REASON is a code of a-z, 0-9 and _, such as goodwill. No more is taken than is available. "
		"What is above the program's adjust_without_approval waits until \"fealty approve\".", receipt_children, NULL, NULL };
	struct adjust_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Adjust body = FEALTY__V1__ADJUST__INIT;

	call_input_init(&in.base, 3, 3);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_ADJUST, &request);
	body.member = in.base.args.v[0];
	body.points = in.base.args.v[1] + (in.base.args.v[1][0] == '+');
	body.reason = in.base.args.v[2];
	body.has_last_day = in.has_last_day;
	body.last_day = in.last_day;
	body.has_tier_points = in.tier_points;
	body.tier_points = in.tier_points;
	request.adjust = &body;
	return call_run(&in.base.call, &request, show_adjusted);
}
