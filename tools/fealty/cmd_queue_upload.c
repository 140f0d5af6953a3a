/* fealty queue upload: sends what waits, prints what came of each, and says at the end how many are left. */
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "commands.h"
#include "queue_call.h"

enum { KEY_SIZE = KEY_COMMAND };

#define UPLOAD_MS 60000

struct upload_input {
	struct call_options call;
	struct args args;
	uint64_t size;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct upload_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &in->call; return 0;
	case KEY_SIZE: return option_number(state, "--size", arg, 100000, &in->size);
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END: return args_need(state, &in->args, 1);
	default: return ARGP_ERR_UNKNOWN;
	}
}

static void
print_answer(void *ctx, const struct fealty_queue_item *item)
{
	const struct call_options *call = ctx;
	const Fealty__V1__Response *r = item->response;

	if (call->json) {
		json_t *object = response_json(r, item->key);
		json_put_number(object, "terminal_seq", item->seq);
		(void)json_print_line(object, EXIT_DONE);
		(void)fflush(stdout);
		return;
	}
	if (item->refused)
		(void)printf("%llu: refused: %s (%s)\n", (unsigned long long)item->seq, r->message != NULL ? r->message : "",
		    r->reason != NULL ? r->reason : fealty_code_str(r->status));
	else
		(void)printf("%llu: %s%s\n", (unsigned long long)item->seq, r->id != NULL ? r->id : "done", r->replayed ? " (was there already)" : "");
	if (r->terminal_gap > 0)
		(void)printf("%llu: %llu numbers right before it are missing in the ledger\n", (unsigned long long)item->seq,
		    (unsigned long long)r->terminal_gap);
	if (r->terminal_repeat)
		(void)printf("%llu: another command of this terminal had this number\n", (unsigned long long)item->seq);
	(void)fflush(stdout);
}

static enum exit_code
report(const struct upload_input *in, const struct fealty_queue *queue, const struct fealty_queue_report *r, enum fealty_queue_error error)
{
	enum exit_code code = error == FEALTY_QUEUE_OK ? (r->refused > 0 ? EXIT_REFUSED : EXIT_DONE) : queue_exit_code(error);

	if (!in->call.json) {
		(void)printf("%u applied, %u refused, %u wait.\n", r->applied, r->refused, r->waiting);
		return error == FEALTY_QUEUE_OK ? code : queue_tell(queue, error, false);
	}
	json_t *object = json_new();
	json_put_text(object, "status", error == FEALTY_QUEUE_OK ? "OK" : error == FEALTY_QUEUE_UNREACHED ? "UNAVAILABLE" : "INTERNAL");
	if (error != FEALTY_QUEUE_OK) {
		json_put_text(object, "reason", exit_code_reason(code));
		json_put_text(object, "message", fealty_queue_trouble(queue));
	}
	json_put_number(object, "applied", r->applied);
	json_put_number(object, "refused", r->refused);
	json_put_number(object, "gaps", r->gaps);
	json_put_number(object, "repeats", r->repeats);
	json_put_number(object, "waiting", r->waiting);
	json_put_number(object, "batches", r->batches);
	return json_print_line(object, code);
}

enum exit_code
cmd_queue_upload(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "size", KEY_SIZE, "N", 0, "Commands in one batch (default: as many as the daemon takes)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DIR",
		"Send what waits in the queue DIR, as batches, and print an answer for each command.\v"
		"What could not be answered within --timeout (default: 60s) stays, and is sent by the next upload under the same request ids. Refused "
		"commands are kept for `fealty queue show` until `fealty queue forget`; the exit code is 1 when there were any.",
		connect_children, NULL, NULL };
	struct upload_input in = { .size = 0 };
	struct fealty_queue_report r;
	struct fealty_queue *queue;
	struct fealty_client *client;

	call_options_init(&in.call, UPLOAD_MS);
	cli_parse(&argp, argc, argv, &in);
	struct fealty_queue_options whose = { .principal = in.call.principal };
	enum exit_code code = queue_open(in.args.v[0], &whose, false, in.call.json, &queue);
	if (code != EXIT_DONE)
		return code;
	queue_warn(queue);
	char principal[256];
	(void)snprintf(principal, sizeof(principal), "%s", fealty_queue_principal(queue));
	in.call.principal = principal;
	code = call_client(&in.call, &client);
	if (code == EXIT_DONE) {
		struct fealty_queue_upload upload = {
			.total_ms = in.call.timeout_ms, .commands_max = (uint32_t)in.size, .on_answer = print_answer, .ctx = &in.call,
		};
		enum fealty_queue_error error = fealty_queue_upload(queue, client, &upload, &r);
		code = report(&in, queue, &r, error);
		fealty_client_free(client);
	}
	fealty_queue_close(queue);
	return code;
}
