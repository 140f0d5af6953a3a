/* fealty merge: two members that are one person. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "show.h"

static void
show_merged(const Fealty__V1__Response *r)
{
	(void)printf("Merged into member %llu (%s). ", (unsigned long long)r->member_no, r->id != NULL ? r->id : "-");
	show_standing(r);
	show_end(r);
}

enum exit_code
cmd_merge(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER INTO", "Make one member of two, for good: MEMBER goes away, INTO stays.\v"
		"Points, holds, debt, tier, purchases and aliases of MEMBER become those of INTO, and so do its birthday and segments "
		"if INTO has none. Afterwards either name means INTO.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__Merge body = FEALTY__V1__MERGE__INIT;

	call_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_MERGE, &request);
	body.member = in.args.v[0];
	body.into = in.args.v[1];
	request.merge = &body;
	return call_run(&in.call, &request, show_merged);
}
