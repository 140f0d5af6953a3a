/* fealty subscribe: follows the ledger; what is printed is flushed line by line, so that a pipe sees each transaction at once. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger_text.h"

enum { KEY_AFTER = KEY_COMMAND, KEY_COUNT, KEY_TO_HEAD };

struct subscribe_input {
	struct call_options call;
	bool has_after, has_count, to_head;
	uint64_t after, count;
};

struct follower {
	bool json, has_count;
	uint64_t left;
	enum exit_code code;
	struct ledger_text text;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct subscribe_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_AFTER:
		in->has_after = true;
		return option_number(state, "--after", arg, UINT64_MAX, &in->after);
	case KEY_COUNT:
		in->has_count = true;
		return option_number(state, "--count", arg, UINT64_MAX, &in->count);
	case KEY_TO_HEAD:
		in->to_head = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool
on_transaction(void *ctx, const struct fealty_transaction *t)
{
	struct follower *f = ctx;
	struct bytes leaf = bytes_of(t->data, t->data_bytes);

	if (f->json) {
		json_t *object = ledger_text_json(leaf);
		f->code = object != NULL ? json_print_line(object, EXIT_DONE) : EXIT_INTERNAL;
	} else if (ledger_text_print(&f->text, leaf, false, stdout) != ST_OK) {
		f->code = EXIT_INTERNAL;
	}
	if (f->code != EXIT_DONE)
		(void)cli_fail(f->json, f->code, "transaction %llu cannot be read or printed", (unsigned long long)t->seq);
	if (f->code != EXIT_DONE || fflush(stdout) != 0)
		return false;
	return !f->has_count || --f->left > 0;
}

static enum exit_code
follow(const struct subscribe_input *in, struct fealty_client *client, const Fealty__V1__Request *request)
{
	struct follower follower = { .json = in->call.json, .has_count = in->has_count, .left = in->count };
	struct fealty_subscriber subscriber = { .ctx = &follower, .on_transaction = on_transaction, .stop_at_head = in->to_head };
	struct fealty_result result;

	ledger_text_init(&follower.text);
	if (!in->call.json && in->has_after)
		call_learn_program(&in->call, client, 1, &follower.text);
	if (fealty_subscribe(client, request, &subscriber, &result) != FEALTY_OK)
		follower.code = call_tell(&in->call, &result);
	fealty_result_release(&result);
	ledger_text_release(&follower.text);
	return follower.code;
}

enum exit_code
cmd_subscribe(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "after", KEY_AFTER, "SEQ", 0, "Those behind this transaction (default: from the first)", 0 },
		{ "count", KEY_COUNT, "N", 0, "End after so many", 0 },
		{ "to-head", KEY_TO_HEAD, NULL, 0, "End when nothing newer is there", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, NULL,
		"Follow the ledger: one transaction a line, as they are written.\v"
		"Goes on by itself when the connection is lost; --timeout limits how long it tries. Ends with --count, --to-head, or when "
		"it is interrupted.",
		call_children, NULL, NULL };
	struct subscribe_input in = { 0 };
	struct fealty_client *client;
	Fealty__V1__Request request;
	Fealty__V1__Subscribe body = FEALTY__V1__SUBSCRIBE__INIT;

	call_options_init(&in.call, 60000);
	cli_parse(&argp, argc, argv, &in);
	if (in.has_count && in.count == 0)
		return EXIT_DONE;
	enum exit_code code = call_client(&in.call, &client);
	if (code != EXIT_DONE)
		return code;
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_SUBSCRIBE, &request);
	request.key = NULL;
	body.has_after = in.has_after;
	body.after = in.after;
	request.subscribe = &body;
	code = follow(&in, client, &request);
	fealty_client_free(client);
	return code;
}
