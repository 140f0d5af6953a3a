/* fealty program publish: checked here first, so that what is wrong is told with its line. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "call.h"
#include "commands.h"
#include "program_traps.h"
#include "show.h"

enum { KEY_VERSION = KEY_COMMAND };

struct publish_input {
	struct call_input base;
	bool has_version;
	uint64_t version;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct publish_input *in = state->input;

	switch (key) {
	case KEY_VERSION:
		in->has_version = true;
		return option_number(state, "--version", arg, UINT32_MAX, &in->version);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_published(const Fealty__V1__Response *r)
{
	(void)printf("Published");
	if (r->has_version)
		(void)printf(" as version %u", r->version);
	(void)printf(" (%s). It is in force from now on.\n", r->id != NULL ? r->id : "-");
	show_end(r);
}

/* As call_run(), with the warnings in the answer. */
static enum exit_code
send(const struct call_options *options, const Fealty__V1__Request *request, const struct traps *traps)
{
	struct fealty_client *client;
	struct fealty_result result;

	enum exit_code code = call_client(options, &client);
	if (code != EXIT_DONE)
		return code;
	if (fealty_call(client, request, &result) != FEALTY_OK) {
		code = call_tell(options, &result);
	} else if (options->json) {
		json_t *object = response_json(result.response, result.key);
		json_put(object, "warnings", program_traps_json(traps));
		code = json_print_line(object, EXIT_DONE);
	} else {
		show_published(result.response);
	}
	fealty_result_release(&result);
	fealty_client_free(client);
	return code;
}

static enum exit_code
warn_and_send(const struct call_options *options, const Fealty__V1__Request *request, const struct program_file *file)
{
	struct traps *traps = malloc(sizeof(*traps));

	if (traps == NULL)
		return cli_fail(options->json, EXIT_INTERNAL, "%s could not be sent: out of memory", file->path);
	program_traps_find(file, options->has_at ? options->at_us : clock_system().now_us(NULL), traps);
	if (!options->json)
		program_traps_tell(file->path, traps);
	enum exit_code code = send(options, request, traps);
	free(traps);
	return code;
}

static enum exit_code
publish(struct publish_input *in, const struct program_file *file)
{
	Fealty__V1__Request request;
	Fealty__V1__Publish body = FEALTY__V1__PUBLISH__INIT;

	body.definition = fealty__program__v1__program__unpack(NULL, file->definition.len, file->definition.data);
	if (body.definition == NULL)
		return cli_fail(in->base.call.json, EXIT_INTERNAL, "%s could not be sent: out of memory", file->path);
	call_request_init(&in->base.call, FEALTY__V1__REQUEST__OP_PUBLISH, &request);
	body.has_version = in->has_version;
	body.version = (uint32_t)in->version;
	request.publish = &body;
	enum exit_code code = warn_and_send(&in->base.call, &request, file);
	fealty__program__v1__program__free_unpacked(body.definition, NULL);
	return code;
}

enum exit_code
cmd_program_publish(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "version", KEY_VERSION, "N", 0, "Refuse unless this is the version that it becomes", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "FILE",
		"Publish a program file: a new program, or a new version of the one with its id.\v"
		"A published version never changes; every entry names the version it was decided under. What `fealty program check` warns of is "
		"told here as well, and published all the same.",
		call_children, NULL, NULL };
	struct publish_input in = { 0 };
	struct program_file file;
	struct program_file_error error;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	enum status st = program_file_read(in.base.args.v[0], &file, &error);
	enum exit_code code;
	if (st == ST_OK)
		code = publish(&in, &file);
	else if (st == ST_INVALID)
		code = program_file_tell(in.base.call.json, in.base.args.v[0], &error, EXIT_USAGE);
	else
		code = cli_fail(in.base.call.json, EXIT_INTERNAL, "%s could not be read: %s", in.base.args.v[0], cli_status_words(st));
	program_file_release(&file);
	return code;
}
