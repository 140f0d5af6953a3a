/* fealty tier: a tier by hand. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_UNTIL = KEY_COMMAND, KEY_REMOVE };

struct tier_input {
	struct call_input base;
	bool has_until, remove;
	int32_t until;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct tier_input *in = state->input;

	switch (key) {
	case KEY_UNTIL:
		in->has_until = true;
		return option_day(state, "--until", arg, &in->until);
	case KEY_REMOVE:
		in->remove = true;
		return 0;
	case ARGP_KEY_END:
		if (in->remove && in->base.args.n == 3)
			return cli_usage(state, "--remove takes the given tier away, so no TIER is named: MEMBER REASON --remove");
		return args_need(state, &in->base.args, in->remove ? 2 : 3);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

enum exit_code
cmd_tier(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "until", KEY_UNTIL, "DATE", 0, "Last day of the tier (default: until it is removed)", 0 },
		{ "remove", KEY_REMOVE, NULL, 0, "Take the given tier away: MEMBER REASON --remove", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER TIER REASON\nMEMBER REASON --remove",
		"Give a member a tier beside the earned one.\v"
		"The member has the higher of the two. One tier can be given at a time; another one replaces it. REASON is a code of a-z, "
		"0-9 and _.",
		receipt_children, NULL, NULL };
	static char none[] = "";
	struct tier_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Tier body = FEALTY__V1__TIER__INIT;

	call_input_init(&in.base, 2, 3);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_TIER, &request);
	body.member = in.base.args.v[0];
	body.tier = in.remove ? none : in.base.args.v[1];
	body.reason = in.base.args.v[in.remove ? 1 : 2];
	body.has_until = in.has_until;
	body.until = in.until;
	request.tier = &body;
	return call_run(&in.base.call, &request, show_done);
}
