/*
 * fealty queue add: all lines are read and tried before the first is queued, so that a mistake in the file adds nothing; then each is on disk
 * before its line is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "codec/codec.h"
#include "commands.h"
#include "queue_call.h"

enum { KEY_FIRST = KEY_COMMAND };

#define ADD_FILE_BYTES_MAX ((size_t)1 << 28)
#define LINE_ARENA_BYTES ((size_t)16 << 20)

struct add_input {
	struct args args;
	bool json;
	struct fealty_queue_options options;
	struct fealty_queue *queue;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct add_input *in = state->input;

	switch (key) {
	case KEY_AS: in->options.principal = arg; return 0;
	case KEY_STORE: in->options.store = arg; return 0;
	case KEY_TERMINAL: in->options.terminal = arg; return 0;
	case KEY_FIRST: return option_number(state, "--first-seq", arg, INT64_MAX, &in->options.first_seq);
	case KEY_JSON: in->json = true; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, 2);
	case ARGP_KEY_END: return args_need(state, &in->args, 1);
	default: return ARGP_ERR_UNKNOWN;
	}
}

typedef enum exit_code line_fn(struct add_input *in, const Fealty__V1__Request *request, unsigned line);

static enum exit_code
check_line(struct add_input *in, const Fealty__V1__Request *request, unsigned line)
{
	if (request->op_case == FEALTY__V1__REQUEST__OP__NOT_SET)
		return cli_fail(in->json, EXIT_USAGE, "line %u: op: it has none; nothing was added", line);
	return EXIT_DONE;
}

static enum exit_code
add_line(struct add_input *in, const Fealty__V1__Request *request, unsigned line)
{
	struct fealty_queue_item item;
	enum fealty_queue_error error = fealty_queue_add(in->queue, request, &item);

	if (error != FEALTY_QUEUE_OK)
		return cli_fail(in->json, queue_exit_code(error), "line %u: %s; the lines before it were added", line, fealty_queue_trouble(in->queue));
	if (in->json)
		return json_print_line(queue_item_json(&item), EXIT_DONE);
	(void)printf("line %u: number %llu, request id %s\n", line, (unsigned long long)item.seq, item.key);
	return EXIT_DONE;
}

static enum exit_code
one_line(struct add_input *in, struct arena *arena, const char *text, unsigned line, line_fn *then)
{
	Fealty__V1__Request *request;
	enum exit_code code = call_request_read(in->json, text, line, "nothing was added", arena, &request);

	if (code != EXIT_DONE)
		return code;
	code = then(in, request, line);
	fealty__v1__request__free_unpacked(request, NULL);
	return code;
}

static enum exit_code
each_line(struct add_input *in, const char *text, line_fn *then)
{
	struct arena arena;
	enum exit_code code = EXIT_DONE;
	unsigned line = 0;

	arena_init(&arena, LINE_ARENA_BYTES);
	while (*text != '\0' && code == EXIT_DONE) {
		size_t len = strcspn(text, "\n");
		char *copy = arena_memdup(&arena, text, len);
		line++;
		if (copy == NULL)
			code = cli_fail(in->json, EXIT_INTERNAL, "line %u: %s", line, cli_status_words(ST_NOMEM));
		else if (copy[strspn(copy, " \t\r")] != '\0')
			code = one_line(in, &arena, copy, line, then);
		text += len + (text[len] == '\n');
		arena_reset(&arena);
	}
	arena_release(&arena);
	return code;
}

enum exit_code
cmd_queue_add(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "as", KEY_AS, "PRINCIPAL", 0, "Who uploads the queue, as in pos/0042/07: needed when the queue is made", 0 },
		{ "store", KEY_STORE, "STORE", 0, "The store, when a backend queues for a terminal", 0 },
		{ "terminal", KEY_TERMINAL, "TERMINAL", 0, "The terminal, when a backend queues for it", 0 },
		{ "first-seq", KEY_FIRST, "N", 0, "A new queue's first number, when the terminal had another before: one more than its last, see `fealty terminals`", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DIR [FILE]",
		"Queue a till's commands in DIR: one JSON event a line, as `fealty batch` reads them, from FILE or from standard input.\v"
		"Each is on disk, with its number, its time and its request id, before its line is printed; `fealty queue upload` sends them. What spends "
		"is not queued, but for the capture of a hold that was made with --for-terminal, and voucher_use.", NULL, NULL, NULL };
	struct add_input in = { .json = false };
	struct buf data;

	cli_parse(&argp, argc, argv, &in);
	const char *path = in.args.n == 2 ? in.args.v[1] : "-";
	enum status st = file_read_all(path, ADD_FILE_BYTES_MAX, &data);
	if (st != ST_OK)
		return cli_fail(in.json, EXIT_USAGE, "%s cannot be read: %s", path, cli_status_words(st));
	enum exit_code code = strlen((char *)data.data) == data.len ? each_line(&in, (char *)data.data, check_line) :
	    cli_fail(in.json, EXIT_USAGE, "%s has a zero byte, so it is no text", path);
	if (code == EXIT_DONE)
		code = queue_open(in.args.v[0], &in.options, true, in.json, &in.queue);
	if (in.queue != NULL) {
		queue_warn(in.queue);
		code = each_line(&in, (char *)data.data, add_line);
	}
	fealty_queue_close(in.queue);
	buf_release(&data);
	return code;
}
