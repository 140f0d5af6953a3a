/* fealty enrol: a new member. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

enum { KEY_BIRTHDAY = KEY_COMMAND, KEY_ALIAS, KEY_SEGMENT, KEY_REFERRER };

struct enrol_input {
	struct call_input base;
	char *birthday, *referrer;
	struct list aliases, segments;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct enrol_input *in = state->input;

	switch (key) {
	case KEY_BIRTHDAY:
		in->birthday = arg;
		return 0;
	case KEY_ALIAS:
		return list_add(state, &in->aliases, arg);
	case KEY_REFERRER:
		in->referrer = arg;
		return 0;
	case KEY_SEGMENT:
		return list_add(state, &in->segments, arg);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_enrolled(const Fealty__V1__Response *r)
{
	(void)printf("Enrolled as member %llu.\n", (unsigned long long)r->member_no);
	show_standing(r);
	show_end(r);
}

enum exit_code
cmd_enrol(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "birthday", KEY_BIRTHDAY, "MM-DD", 0, "Day of birth, without the year", 0 },
		{ "alias", KEY_ALIAS, "ALIAS", 0, "Another name of the member, such as app:u-77; may be given again", 0 },
		{ "segment", KEY_SEGMENT, "SEGMENT", 0, "A segment that the member is in; may be given again", 0 },
		{ "referrer", KEY_REFERRER, "MEMBER", 0, "Who referred the member: a name of that one", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Enrol a member under a name such as card:8801.\v"
		"The names, the birthday and the segments go to the vault and never to the ledger.", receipt_children, NULL, NULL };
	struct enrol_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Enrol body = FEALTY__V1__ENROL__INIT;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_ENROL, &request);
	body.member = in.base.args.v[0];
	body.birthday = in.birthday;
	body.referrer = in.referrer;
	body.n_aliases = in.aliases.n;
	body.aliases = in.aliases.v;
	body.n_segments = in.segments.n;
	body.segments = in.segments.v;
	request.enrol = &body;
	return call_run(&in.base.call, &request, show_enrolled);
}
