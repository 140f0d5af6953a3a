/* fealty enrol, fealty profile: who a member is. */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_BIRTHDAY = KEY_COMMAND, KEY_ALIAS, KEY_REMOVE_ALIAS, KEY_SEGMENT };

#define LIST_MAX 64
struct list { size_t n; char *v[LIST_MAX]; };

struct person_input {
	struct call_options call;
	struct args args;
	char *birthday;
	struct list aliases, remove, segments;
};

static error_t
list_add(struct argp_state *state, struct list *list, char *text)
{
	if (list->n == LIST_MAX)
		return cli_usage(state, "an option may be given at most %d times", LIST_MAX);
	list->v[list->n++] = text;
	return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct person_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_BIRTHDAY:
		in->birthday = arg;
		return 0;
	case KEY_ALIAS:
		return list_add(state, &in->aliases, arg);
	case KEY_REMOVE_ALIAS:
		return list_add(state, &in->remove, arg);
	case KEY_SEGMENT:
		return list_add(state, &in->segments, arg);
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
show_enrolled(const Fealty__V1__Response *r)
{
	(void)printf("Enrolled as member %llu.\n", (unsigned long long)r->member_no);
	show_standing(r);
	show_replayed(r);
}

enum exit_code
cmd_enrol(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "birthday", KEY_BIRTHDAY, "MM-DD", 0, "Day of birth, without the year", 0 },
		{ "alias", KEY_ALIAS, "ALIAS", 0, "Another name of the member, such as app:u-77; may be given again", 0 },
		{ "segment", KEY_SEGMENT, "SEGMENT", 0, "A segment that the member is in; may be given again", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Enrol a member under a name such as card:8801.\v"
		"The names, the birthday and the segments go to the vault and never to the ledger.", call_children, NULL, NULL };
	struct person_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Enrol body = FEALTY__V1__ENROL__INIT;

	call_options_init(&in.call, 10000);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_ENROL, &request);
	body.member = in.args.v[0];
	body.birthday = in.birthday;
	body.n_aliases = in.aliases.n;
	body.aliases = in.aliases.v;
	body.n_segments = in.segments.n;
	body.segments = in.segments.v;
	request.enrol = &body;
	return call_run(&in.call, &request, show_enrolled);
}

enum exit_code
cmd_profile(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "birthday", KEY_BIRTHDAY, "MM-DD", 0, "Day of birth, without the year", 0 },
		{ "segment", KEY_SEGMENT, "SEGMENT", 0, "A segment; those given replace all before", 0 },
		{ "add-alias", KEY_ALIAS, "ALIAS", 0, "One more name of the member; may be given again", 0 },
		{ "remove-alias", KEY_REMOVE_ALIAS, "ALIAS", 0, "A name that is no longer the member's; may be given again", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Change a member's profile.\v"
		"A birthday that is changed too shortly before it counts from next year, as the program says.", call_children, NULL, NULL };
	struct person_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Profile body = FEALTY__V1__PROFILE__INIT;

	call_options_init(&in.call, 10000);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_PROFILE, &request);
	body.member = in.args.v[0];
	body.birthday = in.birthday;
	body.n_segments = in.segments.n;
	body.segments = in.segments.v;
	body.n_add_aliases = in.aliases.n;
	body.add_aliases = in.aliases.v;
	body.n_remove_aliases = in.remove.n;
	body.remove_aliases = in.remove.v;
	request.profile = &body;
	return call_run(&in.call, &request, show_done);
}
