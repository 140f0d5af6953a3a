/* fealty transaction: one transaction of the ledger, as it is stored. */
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "commands.h"
#include "ledger_text.h"

enum { KEY_COMMAND_NAME = KEY_COMMAND };

struct transaction_input {
	struct call_options call;
	struct args args;
	bool is_command;
	uint64_t seq;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct transaction_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_COMMAND_NAME:
		in->is_command = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END: {
		error_t failed = args_need(state, &in->args, 1);
		return failed != 0 ? failed : option_transaction(state, in->args.v[0], &in->is_command, &in->seq);
	}
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The daemon's answer with the transaction decoded, and its bytes under `leaf` for who wants to verify them. */
static enum exit_code
print_json(const struct fealty_result *result, struct bytes leaf)
{
	json_t *object = response_json(result->response, NULL);
	json_t *decoded = ledger_text_json(leaf);

	json_put(object, "transaction", decoded != NULL ? decoded : json_null());
	json_put_hex(object, "leaf", leaf);
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
print_people(const struct call_options *options, struct fealty_client *client, struct bytes leaf)
{
	struct ledger_text text;

	ledger_text_init(&text);
	uint32_t program = ledger_text_program_of(&text, leaf);
	if (program != 0 && (options->program != NULL || program == 1))
		call_learn_program(options, client, program, &text);
	enum status st = ledger_text_print(&text, leaf, true, stdout);
	ledger_text_release(&text);
	return st == ST_OK
	    ? EXIT_DONE
	    : cli_fail(false, EXIT_INTERNAL, "the daemon sent a transaction that this program cannot read: it may be a newer one");
}

static enum exit_code
run(const struct call_options *options, const Fealty__V1__Request *request)
{
	struct fealty_client *client;
	struct fealty_result result;

	enum exit_code code = call_client(options, &client);
	if (code != EXIT_DONE)
		return code;
	if (fealty_call(client, request, &result) == FEALTY_OK) {
		struct bytes leaf = bytes_of(result.response->transaction.data, result.response->transaction.len);
		code = options->json ? print_json(&result, leaf) : print_people(options, client, leaf);
	} else {
		code = call_tell(options, &result);
	}
	fealty_result_release(&result);
	fealty_client_free(client);
	return code;
}

enum exit_code
cmd_transaction(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "command", KEY_COMMAND_NAME, NULL, 0, "The word is a request id, even if it has digits only", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "SEQ|COMMAND",
		"Print one transaction: by its number, or by an entry's id or request id.", call_children, NULL, NULL };
	struct transaction_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__TransactionGet body = FEALTY__V1__TRANSACTION_GET__INIT;

	call_options_init(&in.call, 10000);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_TRANSACTION, &request);
	body.has_seq = !in.is_command;
	body.seq = in.seq;
	body.command = in.is_command ? in.args.v[0] : NULL;
	request.transaction = &body;
	return run(&in.call, &request);
}
