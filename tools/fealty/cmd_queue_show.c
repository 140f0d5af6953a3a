/* fealty queue show, forget, repair: what people do with a queue. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "queue_call.h"

enum { KEY_REFUSED_ONLY = KEY_COMMAND };

struct show_input {
	struct args args;
	bool json, refused_only;
};

static error_t
parse_one(int key, char *arg, struct argp_state *state, unsigned n_max)
{
	struct show_input *in = state->input;

	switch (key) {
	case KEY_REFUSED_ONLY: in->refused_only = true; return 0;
	case KEY_JSON: in->json = true; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, n_max);
	case ARGP_KEY_END: return args_need(state, &in->args, 1);
	default: return ARGP_ERR_UNKNOWN;
	}
}

static error_t
parse_show(int key, char *arg, struct argp_state *state)
{
	return parse_one(key, arg, state, 1);
}

static error_t
parse_forget(int key, char *arg, struct argp_state *state)
{
	return parse_one(key, arg, state, 2);
}

static bool
show_item(void *ctx, const struct fealty_queue_item *item)
{
	const struct show_input *in = ctx;

	if (in->refused_only && !item->refused)
		return true;
	if (in->json)
		return json_print_line(queue_item_json(item), EXIT_DONE) == EXIT_DONE;
	json_t *object = queue_item_json(item);
	char *command = json_dumps(json_object_get(object, "command"), JSON_COMPACT);
	(void)printf("%llu %s: %s\n", (unsigned long long)item->seq, json_string_value(json_object_get(object, "state")), command != NULL ? command : "");
	if (item->refused)
		(void)printf("    %s (%s)\n", item->response->message != NULL ? item->response->message : "",
		    item->response->reason != NULL ? item->response->reason : fealty_code_str(item->response->status));
	free(command);
	json_decref(object);
	return true;
}

static void
show_state(const struct fealty_queue *queue, bool json)
{
	struct fealty_queue_state state;

	if (json) {
		json_t *object = json_new();
		queue_state_json(queue, object);
		(void)json_print_line(object, EXIT_DONE);
		return;
	}
	fealty_queue_state(queue, &state);
	(void)printf("%s: %u wait, %u answered and not told, %u refused; the next number is %llu.\n", fealty_queue_principal(queue), state.waiting,
	    state.answered, state.refused, (unsigned long long)state.next_seq);
}

static const struct argp_option show_options[] = {
	{ "refused", KEY_REFUSED_ONLY, NULL, 0, "Only what was refused", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print JSON, a line for each command and one for the whole", 0 },
	{ 0 },
};
static const struct argp_option json_options[] = {
	{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
	{ 0 },
};

enum exit_code
cmd_queue_show(int argc, char **argv)
{
	static const struct argp argp = { show_options, parse_show, "DIR", "Print what waits in the queue DIR, and what was refused.", NULL, NULL, NULL };
	struct show_input in = { .json = false };
	struct fealty_queue *queue;

	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = queue_open(in.args.v[0], NULL, false, in.json, &queue);
	if (code != EXIT_DONE)
		return code;
	queue_warn(queue);
	enum fealty_queue_error error = fealty_queue_each(queue, show_item, &in);
	if (error != FEALTY_QUEUE_OK)
		code = queue_tell(queue, error, in.json);
	else
		show_state(queue, in.json);
	fealty_queue_close(queue);
	return code;
}

enum exit_code
cmd_queue_forget(int argc, char **argv)
{
	static const struct argp argp = { json_options, parse_forget, "DIR [SEQ]",
		"Let refused commands go that a person has looked at: number SEQ, or all of them.", NULL, NULL, NULL };
	struct show_input in = { .json = false };
	struct fealty_queue *queue;
	char *end = NULL;
	uint32_t n;

	cli_parse(&argp, argc, argv, &in);
	uint64_t seq = in.args.n == 2 ? strtoull(in.args.v[1], &end, 10) : 0;
	if (in.args.n == 2 && (seq == 0 || *end != '\0'))
		return cli_fail(in.json, EXIT_USAGE, "%s is no number of a command", in.args.v[1]);
	enum exit_code code = queue_open(in.args.v[0], NULL, false, in.json, &queue);
	if (code != EXIT_DONE)
		return code;
	enum fealty_queue_error error = fealty_queue_forget(queue, seq, &n);
	if (error != FEALTY_QUEUE_OK) {
		code = queue_tell(queue, error, in.json);
	} else if (n == 0 && seq > 0) {
		code = cli_fail(in.json, EXIT_USAGE, "number %llu is no refused command of this queue", (unsigned long long)seq);
	} else if (in.json) {
		json_t *object = json_new();
		json_put_text(object, "status", "OK");
		json_put_number(object, "forgotten", n);
		code = json_print_line(object, EXIT_DONE);
	} else {
		(void)printf("%u left the queue.\n", n);
	}
	fealty_queue_close(queue);
	return code;
}

enum exit_code
cmd_queue_repair(int argc, char **argv)
{
	static const struct argp argp = { json_options, parse_show, "DIR",
		"Read what is left of a damaged queue. The damaged file is kept beside it as queue.damaged; numbers that were lost are reported by the "
		"daemon as a gap. A queue that is well is left as it is.", NULL, NULL, NULL };
	struct show_input in = { .json = false };
	struct fealty_queue_options options = { .salvage = true };
	struct fealty_queue *queue;

	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = queue_open(in.args.v[0], &options, false, in.json, &queue);
	if (code != EXIT_DONE)
		return code;
	queue_warn(queue);
	show_state(queue, in.json);
	fealty_queue_close(queue);
	return code;
}
