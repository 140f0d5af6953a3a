/*
 * fealty batch: many commands from a file.  All lines are read before the first is sent, so that a mistake in the file changes nothing, and
 * each command has a request id of its own before it goes out, so that a second run never applies one twice.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "codec/codec.h"
#include "commands.h"
#include "show.h"

enum { KEY_ATOMIC = KEY_COMMAND, KEY_SIZE };

#define BATCH_FILE_BYTES_MAX ((size_t)1 << 30)
#define LINE_ARENA_BYTES (16u << 20)
#define COMMAND_OVERHEAD_BYTES 8	/* tag and length of one command in a Batch */

struct item {
	unsigned line;
	Fealty__V1__Request *request;
	char key[FEALTY_KEY_BYTES_MAX + 32];
};

struct batch_input {
	struct call_options call;
	struct args args;
	bool atomic;
	uint64_t size;
	size_t n, cap;
	struct item *items;
	size_t bytes_max;		/* of one frame */
	uint64_t applied, refused;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct batch_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_ATOMIC:
		in->atomic = true;
		return 0;
	case KEY_SIZE:
		return option_number(state, "--size", arg, 100000, &in->size);
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- reading ---- */

static enum exit_code
add_line(struct batch_input *in, struct arena *arena, const char *text, unsigned line)
{
	Fealty__V1__Request *request;
	enum exit_code code = call_request_read(in->call.json, text, line, "nothing was sent", arena, &request);

	if (code != EXIT_DONE)
		return code;
	if (in->n == in->cap) {
		in->cap = in->cap == 0 ? 1024 : 2 * in->cap;
		in->items = realloc(in->items, in->cap * sizeof(*in->items));
		assert(in->items != NULL);
	}
	in->items[in->n++] = (struct item){ .line = line, .request = request };
	return EXIT_DONE;
}

static enum exit_code
read_lines(struct batch_input *in, char *text)
{
	struct arena arena;
	enum exit_code code = EXIT_DONE;
	unsigned line = 0;

	arena_init(&arena, LINE_ARENA_BYTES);
	for (char *next, *at = text; at != NULL && code == EXIT_DONE; at = next) {
		next = strchr(at, '\n');
		if (next != NULL)
			*next++ = '\0';
		line++;
		if (at[strspn(at, " \t\r")] != '\0')
			code = add_line(in, &arena, at, line);
		arena_reset(&arena);
	}
	arena_release(&arena);
	return code;
}

static enum exit_code
read_file(struct batch_input *in)
{
	const char *path = in->args.n == 1 ? in->args.v[0] : "-";
	struct buf data;

	enum status st = file_read_all(path, BATCH_FILE_BYTES_MAX, &data);
	if (st != ST_OK)
		return cli_fail(in->call.json, EXIT_USAGE, "%s cannot be read: %s", path, cli_status_words(st));
	enum exit_code code = strlen((char *)data.data) == data.len ? read_lines(in, (char *)data.data) :
	    cli_fail(in->call.json, EXIT_USAGE, "%s has a zero byte, so it is no text", path);
	buf_release(&data);
	return code;
}

/* What the options say for commands that do not say it themselves.  Strings of a request that was unpacked are freed with it, so copies. */
static void
fill_text(char **field, const char *text)
{
	if (text == NULL || (*field != NULL && *field != protobuf_c_empty_string))
		return;
	*field = strdup(text);
	assert(*field != NULL);
}

static enum exit_code
fill_in(struct batch_input *in, const char *base)
{
	for (size_t i = 0; i < in->n; i++) {
		Fealty__V1__Request *r = in->items[i].request;
		(void)snprintf(in->items[i].key, sizeof(in->items[i].key), "%s.%u", base, in->items[i].line);
		if (r->key == NULL && strlen(in->items[i].key) > FEALTY_KEY_BYTES_MAX)
			return cli_fail(in->call.json, EXIT_USAGE,
			    "--key is too long: the number of a line must fit behind it, and %d bytes are allowed", FEALTY_KEY_BYTES_MAX);
		fill_text(&r->key, in->items[i].key);
		fill_text(&r->program, in->call.program);
		fill_text(&r->store, in->call.store);
		fill_text(&r->terminal, in->call.terminal);
		if (!r->has_at && in->call.has_at) {
			r->has_at = true;
			r->at = in->call.at_us;
		}
		if (!r->has_occurred_at && in->call.has_occurred_at) {
			r->has_occurred_at = true;
			r->occurred_at = in->call.occurred_at_us;
		}
	}
	return EXIT_DONE;
}

/* ---- sending ---- */

static enum exit_code
worse(enum exit_code a, enum exit_code b)
{
	return a > b ? a : b;
}

static void
show_line(const struct item *item, const Fealty__V1__Response *r)
{
	(void)printf("line %u: ", item->line);
	if (fealty_response_outcome(r) != FEALTY_OK) {
		(void)printf(
		    "refused: %s (%s)\n", r->message != NULL ? r->message : "", r->reason != NULL ? r->reason : fealty_code_str(r->status));
		return;
	}
	(void)printf("%s ", r->id != NULL ? r->id : "done");
	if (r->granted != NULL)
		(void)printf("granted %s. ", POINTS(r->granted));
	if (r->clawed != NULL)
		(void)printf("clawed back %s. ", POINTS(r->clawed));
	show_standing(r);
	if (r->available == NULL)
		(void)putchar('\n');
	show_effects(r);
}

static enum exit_code
take_results(struct batch_input *in, size_t from, size_t n, const struct fealty_result *result)
{
	enum exit_code code = EXIT_DONE;
	Fealty__V1__Response **responses;

	if (call_batch_results(result, &responses) != n)
		return cli_fail(in->call.json, EXIT_INTERNAL, "the daemon did not answer each command of the batch");
	for (size_t i = 0; i < n; i++) {
		const struct item *item = &in->items[from + i];
		struct fealty_result one = { .outcome = fealty_response_outcome(responses[i]), .response = responses[i] };
		if (one.outcome == FEALTY_OK)
			in->applied++;
		else
			in->refused++;
		code = worse(code, call_exit_code(&one));
		if (in->call.json)
			code = worse(code, json_print_line(response_json(responses[i], item->request->key), EXIT_DONE));
		else
			show_line(item, responses[i]);
	}
	return code;
}

static enum exit_code
send_some(struct batch_input *in, struct fealty_client *client, size_t from, size_t n)
{
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;
	struct fealty_result result;

	batch.has_atomic = in->atomic;
	batch.atomic = in->atomic;
	batch.has_deadline_ms = true;
	batch.deadline_ms = in->call.timeout_ms;
	batch.n_commands = n;
	batch.commands = calloc(n, sizeof(*batch.commands));
	assert(batch.commands != NULL);
	for (size_t i = 0; i < n; i++)
		batch.commands[i] = in->items[from + i].request;
	enum fealty_outcome outcome = fealty_batch(client, &batch, &result);
	enum exit_code code = outcome == FEALTY_OK ? take_results(in, from, n, &result) : call_tell(&in->call, &result);
	if (outcome != FEALTY_OK && !in->call.json && !in->atomic)
		(void)fprintf(stderr, "Lines %u to %u were concerned, and later ones were not sent.\n", in->items[from].line,
		    in->items[from + n - 1].line);
	fealty_result_release(&result);
	free(batch.commands);
	return code;
}

/* How many of the next commands fit one frame. */
static size_t
fitting(const struct batch_input *in, size_t from)
{
	size_t n = 0, bytes = 128;

	while (from + n < in->n && n < in->size) {
		bytes += fealty__v1__request__get_packed_size(in->items[from + n].request) + COMMAND_OVERHEAD_BYTES;
		if (bytes > in->bytes_max && n > 0)
			break;
		n++;
	}
	return n;
}

static enum exit_code
send_all(struct batch_input *in, struct fealty_client *client)
{
	enum exit_code code = EXIT_DONE;

	for (size_t from = 0, n; from < in->n && code < EXIT_UNAVAILABLE; from += n) {
		n = in->atomic ? in->n : fitting(in, from);
		code = worse(code, send_some(in, client, from, n));
	}
	if (!in->call.json)
		(void)printf(
		    "%llu applied, %llu refused, of %zu.\n", (unsigned long long)in->applied, (unsigned long long)in->refused, in->n);
	return code;
}

static enum exit_code
run(struct batch_input *in)
{
	char base[FEALTY_KEY_BYTES_MAX + 1];
	struct fealty_client *client;
	struct fealty_result result;

	enum exit_code code = call_client(&in->call, &client);
	if (code != EXIT_DONE)
		return code;
	fealty_key(client, base);
	code = fill_in(in, in->call.key != NULL ? in->call.key : base);
	if (code == EXIT_DONE && fealty_ping(client, in->call.timeout_ms, &result) != FEALTY_OK)
		code = call_tell(&in->call, &result);
	if (code == EXIT_DONE) {
		fealty_result_release(&result);
		const Fealty__V1__HelloOk *ok = fealty_hello(client)->ok;
		if (in->size == 0 || in->size > ok->batch_commands_max)
			in->size = ok->batch_commands_max;
		in->bytes_max = ok->batch_bytes_max;
		code = send_all(in, client);
	}
	fealty_client_free(client);
	return code;
}

enum exit_code
cmd_batch(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "atomic", KEY_ATOMIC, NULL, 0, "All or nothing; everything must fit one transaction", 0 },
		{ "size", KEY_SIZE, "N", 0, "Commands in one frame (default: as many as the daemon takes)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "[FILE]",
		"Send many commands: one JSON event a line, from FILE or from standard input.\v"
		"An event is {\"op\":\"purchase\",\"key\":\"r1\",\"member\":\"m1\",\"amount\":\"12.50\"}. One without `key` gets the --key "
		"of the batch, a dot and the number of its "
		"line, so run the same file again under the same --key to go on after an interruption. Prints an answer for each line.",
		call_children, NULL, NULL };
	struct batch_input in = { 0 };

	call_options_init(&in.call, 30000);
	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = read_file(&in);
	if (code == EXIT_DONE && in.n > 0)
		code = run(&in);
	for (size_t i = 0; i < in.n; i++)
		fealty__v1__request__free_unpacked(in.items[i].request, NULL);
	free(in.items);
	return code;
}
