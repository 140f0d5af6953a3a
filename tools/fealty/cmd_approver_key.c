/* fealty approver-key: a key for somebody who approves, and the registration of its public half. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "commands.h"
#include "key_text.h"
#include "signer/signer.h"

enum { KEY_UNTIL = KEY_COMMAND };

/* ---- new ---- */

static enum exit_code
tell_new(const struct plain_input *in, const uint8_t public_key[static PUBLIC_KEY_LEN])
{
	char hex[2 * PUBLIC_KEY_LEN + 1], id[KEY_ID_TEXT_BYTES];

	(void)hex_format(bytes_of(public_key, PUBLIC_KEY_LEN), hex);
	if (!in->json) {
		(void)printf("Made %s.\n  public key  %s\n  key id      %s\n", in->args.v[0], hex, key_id_format(public_key, id));
		(void)printf("Keep the file to yourself. An operator registers the public key for you:\n  fealty approver-key set approver/NAME %s\n", hex);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "public_key", hex);
	json_put_text(object, "key_id", key_id_format(public_key, id));
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
approver_key_new(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, plain_parse, "FILE",
		"Make a key for approving, in FILE, and print its public half.\v"
		"Run it as the person who approves, on their machine: FILE has mode 0400, and nobody else needs it. A FILE that is there already is left "
		"alone.",
		NULL, NULL, NULL };
	struct plain_input in = { .json = false };
	uint8_t public_key[PUBLIC_KEY_LEN];

	cli_parse(&argp, argc, argv, &in);
	switch (key_file_create(in.args.v[0], public_key)) {
	case ST_OK:
		return tell_new(&in, public_key);
	case ST_BUSY:
		return cli_fail(in.json, EXIT_USAGE, "%s is there already; give another name, or remove it if nobody needs it", in.args.v[0]);
	case ST_NOMEM:
		return cli_fail(in.json, EXIT_INTERNAL, "memory for a key could not be locked, raise RLIMIT_MEMLOCK");
	default:
		return cli_fail(in.json, EXIT_INTERNAL, "%s could not be made: %s", in.args.v[0], strerror(errno));
	}
}

/* ---- set ---- */

struct set_input {
	struct call_input base;
	bool has_until;
	int32_t until;
	uint8_t public_key[PUBLIC_KEY_LEN];
};

static error_t
parse_set(int key, char *arg, struct argp_state *state)
{
	struct set_input *in = state->input;

	switch (key) {
	case KEY_UNTIL:
		in->has_until = true;
		return option_day(state, "--until", arg, &in->until);
	case ARGP_KEY_ARG:
		if (in->base.args.n == 1 && !hex_parse(arg, in->public_key, PUBLIC_KEY_LEN))
			return cli_usage(state, "PUBLIC_KEY: \"%s\" is not %d hex digits, as \"fealty approver-key new\" prints them", arg, 2 * PUBLIC_KEY_LEN);
		return call_input_parse(key, arg, state, &in->base);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_set(const Fealty__V1__Response *r)
{
	(void)printf("Registered (%s): approvals of that principal are checked with this key, and no other.\n", r->id != NULL ? r->id : "-");
}

static enum exit_code
approver_key_set(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "until", KEY_UNTIL, "DATE", 0, "The last day on which it approves (default: until it is replaced); a day that is over ends it at once", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse_set, "PRINCIPAL PUBLIC_KEY",
		"Register the key that approvals by PRINCIPAL, approver/NAME, are checked with.\v"
		"It takes the place of the key before. For operators; it is an entry of the ledger, so audits know who could approve what, and when.",
		call_children, NULL, NULL };
	static struct set_input in;
	Fealty__V1__Request request;
	Fealty__V1__ApproverKey body = FEALTY__V1__APPROVER_KEY__INIT;

	call_input_init(&in.base, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_APPROVER_KEY, &request);
	body.principal = in.base.args.v[0];
	body.has_public_key = true;
	body.public_key = (ProtobufCBinaryData){ .data = in.public_key, .len = PUBLIC_KEY_LEN };
	body.has_until = in.has_until;
	body.until = in.until;
	request.approver_key = &body;
	return call_run(&in.base.call, &request, show_set);
}

enum exit_code
cmd_approver_key(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "new", "FILE", "make a key for approving", approver_key_new },
		{ "set", "PRINCIPAL PUBLIC_KEY", "register, replace or end an approver's key", approver_key_set },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("approver-key", commands, argc, argv);
}
