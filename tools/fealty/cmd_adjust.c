/* fealty adjust, tier, birthday: what people grant by hand. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "show.h"

enum { KEY_LAST_DAY = KEY_COMMAND, KEY_TIER_POINTS, KEY_UNTIL, KEY_REMOVE };

struct adjust_input {
	struct call_options call;
	struct args args;
	unsigned n_max;
	bool has_day, tier_points, remove;
	int32_t day;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct adjust_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_LAST_DAY:
		in->has_day = true;
		return option_day(state, "--last-day", arg, &in->day);
	case KEY_UNTIL:
		in->has_day = true;
		return option_day(state, "--until", arg, &in->day);
	case KEY_TIER_POINTS:
		in->tier_points = true;
		return 0;
	case KEY_REMOVE:
		in->remove = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, in->n_max);
	case ARGP_KEY_END:
		if (in->remove && in->args.n == in->n_max)
			return cli_usage(state, "--remove takes the given tier away, so no TIER is named: MEMBER REASON --remove");
		return args_need(state, &in->args, in->n_max - (in->remove ? 1 : 0));
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

enum exit_code
cmd_adjust(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "last-day", KEY_LAST_DAY, "DATE", 0, "Last usable day of points that are added (default: as for points earned today)", 0 },
		{ "tier-points", KEY_TIER_POINTS, NULL, 0, "The points count for tiers", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER POINTS REASON", "Add points, or take them when POINTS is below zero.\v"
		"REASON is a code of a-z, 0-9 and _, such as goodwill. No more is taken than is available.", call_children, NULL, NULL };
	struct adjust_input in = { .n_max = 3 };
	Fealty__V1__Request request;
	Fealty__V1__Adjust body = FEALTY__V1__ADJUST__INIT;

	call_options_init(&in.call, 10000);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_ADJUST, &request);
	body.member = in.args.v[0];
	body.points = in.args.v[1] + (in.args.v[1][0] == '+');
	body.reason = in.args.v[2];
	body.has_last_day = in.has_day;
	body.last_day = in.day;
	body.has_tier_points = in.tier_points;
	body.tier_points = in.tier_points;
	request.adjust = &body;
	return call_run(&in.call, &request, show_done);
}

enum exit_code
cmd_tier(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "until", KEY_UNTIL, "DATE", 0, "Last day of the tier (default: until it is removed)", 0 },
		{ "remove", KEY_REMOVE, NULL, 0, "Take the given tier away: MEMBER REASON --remove", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER TIER REASON\nMEMBER REASON --remove", "Give a member a tier beside the earned one.\v"
		"The member has the higher of the two. One tier can be given at a time; another one replaces it. REASON is a code of a-z, 0-9 and _.",
		call_children, NULL, NULL };
	static char none[] = "";
	struct adjust_input in = { .n_max = 3 };
	Fealty__V1__Request request;
	Fealty__V1__Tier body = FEALTY__V1__TIER__INIT;

	call_options_init(&in.call, 10000);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_TIER, &request);
	body.member = in.args.v[0];
	body.tier = in.remove ? none : in.args.v[1];
	body.reason = in.args.v[in.remove ? 1 : 2];
	body.has_until = in.has_day;
	body.until = in.day;
	request.tier = &body;
	return call_run(&in.call, &request, show_done);
}

static void
show_birthday(const Fealty__V1__Response *r)
{
	(void)printf("Happy birthday: granted %s. ", POINTS(r->granted));
	show_standing(r);
	show_replayed(r);
}

enum exit_code
cmd_birthday(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "MEMBER", "Claim the points for a birthday, if they are due and were not granted yet.",
		call_children, NULL, NULL };
	struct adjust_input in = { .n_max = 1 };
	Fealty__V1__Request request;
	Fealty__V1__Birthday body = FEALTY__V1__BIRTHDAY__INIT;

	call_options_init(&in.call, 10000);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_BIRTHDAY, &request);
	body.member = in.args.v[0];
	request.birthday = &body;
	return call_run(&in.call, &request, show_birthday);
}
