/* fealty checkpoint: a signed head of the log, as it is. */
#include <stdio.h>

#include "call.h"
#include "commands.h"

struct checkpoint_input {
	struct call_options call;
	struct args args;
	uint64_t size;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct checkpoint_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case ARGP_KEY_ARG: {
		error_t failed = args_take(state, arg, &in->args, 1);
		return failed != 0 ? failed : option_number(state, "SIZE", arg, UINT64_MAX, &in->size);
	}
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The note alone, byte for byte, so that it can go to a file or to another tool. */
static void
show_note(const Fealty__V1__Response *r)
{
	(void)fputs(r->note != NULL ? r->note : "", stdout);
}

enum exit_code
cmd_checkpoint(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "[SIZE]",
		"Print the newest public checkpoint of the log, or that of SIZE transactions: a signed note (C2SP tlog-checkpoint).",
		connect_children, NULL, NULL };
	struct checkpoint_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__CheckpointGet body = FEALTY__V1__CHECKPOINT_GET__INIT;

	call_options_init(&in.call, CALL_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_CHECKPOINT, &request);
	body.has_size = in.args.n == 1;
	body.size = in.size;
	request.checkpoint = &body;
	return call_run(&in.call, &request, show_note);
}
