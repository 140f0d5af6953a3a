/* fealty profile: what is known of a member. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_BIRTHDAY = KEY_COMMAND, KEY_ADD_ALIAS, KEY_REMOVE_ALIAS, KEY_SEGMENT };

struct profile_input {
	struct call_input base;
	char *birthday;
	struct list aliases, remove, segments;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct profile_input *in = state->input;

	switch (key) {
	case KEY_BIRTHDAY:
		in->birthday = arg;
		return 0;
	case KEY_ADD_ALIAS:
		return list_add(state, &in->aliases, arg);
	case KEY_REMOVE_ALIAS:
		return list_add(state, &in->remove, arg);
	case KEY_SEGMENT:
		return list_add(state, &in->segments, arg);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

enum exit_code
cmd_profile(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "birthday", KEY_BIRTHDAY, "MM-DD", 0, "Day of birth, without the year", 0 },
		{ "segment", KEY_SEGMENT, "SEGMENT", 0, "A segment; those given replace all before", 0 },
		{ "add-alias", KEY_ADD_ALIAS, "ALIAS", 0, "One more name of the member; may be given again", 0 },
		{ "remove-alias", KEY_REMOVE_ALIAS, "ALIAS", 0, "A name that is no longer the member's; may be given again", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Change a member's profile.\v"
		"A birthday that is changed too shortly before it counts from next year, as the program says.", receipt_children, NULL, NULL };
	struct profile_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Profile body = FEALTY__V1__PROFILE__INIT;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_PROFILE, &request);
	body.member = in.base.args.v[0];
	body.birthday = in.birthday;
	body.n_segments = in.segments.n;
	body.segments = in.segments.v;
	body.n_add_aliases = in.aliases.n;
	body.add_aliases = in.aliases.v;
	body.n_remove_aliases = in.remove.n;
	body.remove_aliases = in.remove.v;
	request.profile = &body;
	return call_run(&in.base.call, &request, show_done);
}
