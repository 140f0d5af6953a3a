/* fealty program show: a published version, as the file that it could have come from. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "call.h"
#include "codec/codec.h"
#include "commands.h"

enum { KEY_VERSION = KEY_COMMAND };

#define SHOW_ARENA_BYTES (16u << 20)

struct show_input {
	struct call_input base;
	bool has_version;
	uint64_t version;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct show_input *in = state->input;

	switch (key) {
	case KEY_VERSION:
		in->has_version = true;
		return option_number(state, "--version", arg, UINT32_MAX, &in->version);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_program(const Fealty__V1__Response *r)
{
	struct arena arena;
	struct buf text;

	if (r->program == NULL)
		return;
	size_t len = fealty__program__v1__program__get_packed_size(r->program);
	uint8_t *definition = malloc(len + 1);
	assert(definition != NULL);
	fealty__program__v1__program__pack(r->program, definition);
	arena_init(&arena, SHOW_ARENA_BYTES);
	buf_init(&text);
	enum status st = codec_yaml_print(bytes_of(definition, len), &arena, &text);
	assert(st == ST_OK);			/* it was unpacked from the wire, so it can be printed */
	(void)printf("# version %u\n%.*s", r->version, (int)text.len, (const char *)text.data);
	buf_release(&text);
	arena_release(&arena);
	free(definition);
}

enum exit_code
cmd_program_show(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "version", KEY_VERSION, "N", 0, "Which version (default: the newest)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "[ID]", "Print a published program as YAML.", call_children, NULL, NULL };
	struct show_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__ProgramGet body = FEALTY__V1__PROGRAM_GET__INIT;

	call_input_init(&in.base, 0, 1);
	cli_parse(&argp, argc, argv, &in);
	if (in.base.args.n == 1)
		in.base.call.program = in.base.args.v[0];
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_SHOW_PROGRAM, &request);
	body.has_version = in.has_version;
	body.version = (uint32_t)in.version;
	request.show_program = &body;
	return call_run(&in.base.call, &request, show_program);
}
