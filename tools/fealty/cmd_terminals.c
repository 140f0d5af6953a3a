/* fealty terminals: the sequences of those that number their commands, page by page. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "commands.h"

enum { KEY_TROUBLE = KEY_COMMAND, KEY_OF };

struct terminals_input {
	struct call_options call;
	struct args args;
	bool trouble;
	char *of;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct terminals_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &in->call; return 0;
	case KEY_TROUBLE: in->trouble = true; return 0;
	case KEY_OF: in->of = arg; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, 0);
	default: return ARGP_ERR_UNKNOWN;
	}
}

static void
show_row(const Fealty__V1__TerminalRow *t)
{
	(void)printf("%-24s %-12s %-12s %10" PRIu64 " %10" PRIu64 " %8" PRIu64, t->principal, t->store != NULL ? t->store : "",
	    t->terminal != NULL ? t->terminal : "", t->last, t->missing, t->repeats);
	for (size_t i = 0; i < t->n_gaps; i++) {
		const Fealty__V1__SeqRange *gap = t->gaps[i];
		(void)printf("%s%" PRIu64, i == 0 ? "  missing " : ", ", gap->first);
		if (gap->last > gap->first)
			(void)printf("-%" PRIu64, gap->last);
	}
	if (t->repeats > 0)
		(void)printf("  repeated %" PRIu64 " in %s", t->repeat, t->repeat_id != NULL ? t->repeat_id : "?");
	(void)putchar('\n');
}

static enum exit_code
show_page(const struct terminals_input *in, const Fealty__V1__Response *r, bool first)
{
	if (in->call.json)
		return json_print_line(response_json(r, NULL), EXIT_DONE);
	if (first)
		(void)printf("%-24s %-12s %-12s %10s %10s %8s\n", "principal", "store", "terminal", "last", "missing", "repeats");
	for (size_t i = 0; i < r->n_terminals; i++)
		show_row(r->terminals[i]);
	return EXIT_DONE;
}

enum exit_code
cmd_terminals(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "trouble", KEY_TROUBLE, NULL, 0, "Only those with numbers that are missing, or that came twice", 0 },
		{ "of", KEY_OF, "PRINCIPAL", 0, "Only those whose commands this principal sends", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "",
		"Show how far the sequence of each terminal has come, which numbers are missing and how many came twice.\v"
		"A terminal is in the list once a command of its had a number (terminal_seq). With --json an object for each page of 100.",
		connect_children, NULL, NULL };
	struct terminals_input in = { .trouble = false };
	struct fealty_client *client;
	char *after = NULL;
	bool more = true, first = true;

	call_options_init(&in.call, CALL_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = call_client(&in.call, &client);
	if (code != EXIT_DONE)
		return code;
	while (more && code == EXIT_DONE) {
		Fealty__V1__Request request;
		Fealty__V1__Terminals body = FEALTY__V1__TERMINALS__INIT;
		struct fealty_result result;

		call_request_init(&in.call, FEALTY__V1__REQUEST__OP_TERMINALS, &request);
		request.terminals = &body;
		body.principal = in.of;
		body.has_with_trouble = in.trouble;
		body.with_trouble = in.trouble;
		body.after = after;
		code = fealty_call(client, &request, &result) == FEALTY_OK ? show_page(&in, result.response, first) : call_tell(&in.call, &result);
		free(after);
		after = code == EXIT_DONE && result.response->next_after != NULL ? strdup(result.response->next_after) : NULL;
		more = after != NULL;
		first = false;
		fealty_result_release(&result);
	}
	free(after);
	fealty_client_free(client);
	return code;
}
