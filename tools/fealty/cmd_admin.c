/* fealty admin: operating a daemon. */
#include <stdio.h>

#include "call.h"
#include "commands.h"

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = state->input;
	return 0;
}

static void
show_accepted(const Fealty__V1__Response *r)
{
	(void)printf("The clock is accepted (%s); writes go on.\n", r->id != NULL ? r->id : "-");
}

static enum exit_code
clock_accept(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, NULL,
		"Vouch for a clock that jumped ahead.\v"
		"When the clock is further ahead than the daemon believes, writes wait, so that points do not expire by mistake. If the "
		"clock is right, accept it; "
		"that is recorded in the ledger. If it is wrong, set it right instead.",
		call_children, NULL, NULL };
	struct call_options options;
	Fealty__V1__Request request;
	Fealty__V1__ClockAccept body = FEALTY__V1__CLOCK_ACCEPT__INIT;

	call_options_init(&options, 10000);
	cli_parse(&argp, argc, argv, &options);
	call_request_init(&options, FEALTY__V1__REQUEST__OP_CLOCK_ACCEPT, &request);
	request.clock_accept = &body;
	return call_run(&options, &request, show_accepted);
}

static enum exit_code
admin_clock(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "accept", "", "vouch for a clock that jumped ahead", clock_accept },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("admin clock", commands, argc, argv);
}

enum exit_code
cmd_admin(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "clock", "accept", "vouch for a clock that jumped ahead", admin_clock },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("admin", commands, argc, argv);
}
