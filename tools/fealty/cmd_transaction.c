/* fealty transaction: one transaction of the ledger, as it is stored. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger_text.h"

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
		NAMED_OPTION,
		{ 0 },
	};
	static const struct argp argp = { options, named_parse, "SEQ|COMMAND",
		"Print one transaction: by its number, or by an entry's id or request id.", call_children, NULL, NULL };
	struct named_input in = { .n_words = 1 };
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
