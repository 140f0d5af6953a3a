/* fealty opening: a member who comes from an old system. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "commands.h"
#include "opening.h"
#include "show.h"

enum { KEY_ALIAS = KEY_COMMAND, KEY_LOT, KEY_TIER, KEY_TIER_UNTIL, KEY_COUNTER };

struct opening_input {
	struct call_input base;
	struct list aliases, lots, counters;
	char *tier, *tier_until;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct opening_input *in = state->input;

	switch (key) {
	case KEY_ALIAS:
		return list_add(state, &in->aliases, arg);
	case KEY_LOT:
		return list_add(state, &in->lots, arg);
	case KEY_TIER:
		in->tier = arg;
		return 0;
	case KEY_TIER_UNTIL:
		in->tier_until = arg;
		return 0;
	case KEY_COUNTER:
		return list_add(state, &in->counters, arg);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

/* POINTS or POINTS@DAY, and ID=COUNT, are cut in place. */
static enum exit_code
fill(struct opening_input *in, struct opening *o)
{
	for (size_t i = 0; i < in->lots.n; i++) {
		char *day = strchr(in->lots.v[i], '@');

		if (day != NULL)
			*day++ = '\0';
		if (!opening_add_lot(o, in->lots.v[i], day))
			return cli_fail(in->base.call.json, EXIT_USAGE, "--lot: \"%s\" is no day, YYYY-MM-DD", day);
	}
	for (size_t i = 0; i < in->counters.n; i++) {
		char *count = strchr(in->counters.v[i], '=');

		if (count == NULL)
			return cli_fail(in->base.call.json, EXIT_USAGE, "--counter: \"%s\" is not ID=COUNT", in->counters.v[i]);
		*count++ = '\0';
		if (!opening_add_counter(o, in->counters.v[i], count))
			return cli_fail(in->base.call.json, EXIT_USAGE, "--counter: \"%s\" is no count of %s", count, in->counters.v[i]);
	}
	if (!opening_set_tier(o, in->tier, in->tier_until))
		return cli_fail(in->base.call.json, EXIT_USAGE, "--tier-until: \"%s\" is no day, YYYY-MM-DD", in->tier_until);
	return EXIT_DONE;
}

enum exit_code
cmd_opening(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "alias", KEY_ALIAS, "ALIAS", 0, "Another name of the member; may be given again", 0 },
		{ "lot", KEY_LOT, "POINTS[@DAY]", 0, "Points and their last day, YYYY-MM-DD; without one they never expire; may be given again", 0 },
		{ "tier", KEY_TIER, "TIER", 0, "The tier that the member has reached", 0 },
		{ "tier-until", KEY_TIER_UNTIL, "DAY", 0, "Its last day (default: as if it were reached today)", 0 },
		{ "counter", KEY_COUNTER, "ID=COUNT", 0, "What a counter of the program stands at, dated today; may be given again", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Move a member in from an old system, with points, tier and counters.\v"
		"Rules on enrolment do not run: what they gave is among the points already. Many members come with \"fealty import --opening\".",
		receipt_children, NULL, NULL };
	struct opening_input in = { 0 };
	struct opening o = { 0 };
	Fealty__V1__Request request;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	opening_init(&o, in.base.args.v[0]);
	o.body.n_aliases = in.aliases.n;
	o.body.aliases = in.aliases.v;
	enum exit_code code = fill(&in, &o);
	if (code == EXIT_DONE) {
		call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_OPENING, &request);
		request.opening = &o.body;
		code = call_run(&in.base.call, &request, show_done);
	}
	opening_release(&o);
	return code;
}
