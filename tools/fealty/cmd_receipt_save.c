/* fealty receipt save: transaction, inclusion proof and checkpoint as one file. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "receipt_file.h"

static enum exit_code
keep(const struct named_input *in, const struct fealty_result *result, struct receipt_file *file)
{
	const char *why;

	enum exit_code code = receipt_file_keep(file, result->response->receipt, NULL, &why);
	if (why != NULL)
		return cli_fail(in->call.json, EXIT_INTERNAL, "%s was not written: %s", in->args.v[1], why);
	if (!in->call.json) {
		(void)printf("The receipt is in %s.\n", in->args.v[1]);
		return code;
	}
	json_t *object = response_json(result->response, NULL);
	json_put_text(object, "receipt_file", in->args.v[1]);
	return json_print_line(object, code);
}

static enum exit_code
save(const struct named_input *in, const Fealty__V1__Request *request)
{
	struct fealty_client *client;
	struct fealty_result result;
	struct receipt_file file;

	enum exit_code code = receipt_file_begin(in->args.v[1], in->call.json, &file);
	if (code == EXIT_DONE)
		code = call_client(&in->call, &client);
	if (code == EXIT_DONE) {
		code = fealty_call(client, request, &result) == FEALTY_OK ? keep(in, &result, &file) : call_tell(&in->call, &result);
		fealty_result_release(&result);
		fealty_client_free(client);
	}
	receipt_file_end(&file);
	return code;
}

enum exit_code
cmd_receipt_save(int argc, char **argv)
{
	static const struct argp_option options[] = {
		NAMED_OPTION,
		{ 0 },
	};
	static const struct argp argp = { options, named_parse, "SEQ|COMMAND FILE",
		"Write the receipt of a transaction to FILE, which must not be there yet: a log proof (C2SP tlog-proof) with the signed "
		"transaction, the proof that it is in the log, and the newest public checkpoint, with the signatures of its witnesses.\v"
		"A transaction is named by its number, or by an entry's id or request id. One that is newer than the newest public checkpoint is "
		"waited for. The receipt shows all of the transaction: those of a batch may be about several members.",
		connect_children, NULL, NULL };
	struct named_input in = { .n_words = 2 };
	Fealty__V1__Request request;
	Fealty__V1__ProofGet body = FEALTY__V1__PROOF_GET__INIT;

	call_options_init(&in.call, CALL_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_PROOF, &request);
	body.has_seq = !in.is_command;
	body.seq = in.seq;
	body.command = in.is_command ? in.args.v[0] : NULL;
	body.has_receipt = body.receipt = true;
	request.proof = &body;
	return save(&in, &request);
}
