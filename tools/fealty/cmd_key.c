/*
 * fealty key: making the next key, and putting it in the place of one in use.  A private half is made where the daemon reads it, and never
 * leaves that directory; what is printed and sent is the public half.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "commands.h"
#include "key_text.h"
#include "signer/signer.h"

enum { KEY_KIND = KEY_COMMAND, KEY_OVERLAP, KEY_REASON };

static_assert(PUBLIC_KEY_BYTES == PUBLIC_KEY_LEN, "one length of keys");

static error_t
take_kind(struct argp_state *state, const char *arg, enum key_kind *ret_kind)
{
	*ret_kind = key_kind_of(arg);
	return *ret_kind != KEY_OF_NOTHING ? 0 : cli_usage(state, "--kind: \"%s\" is neither transaction nor checkpoint", arg);
}

/* ---- new ---- */

struct new_input {
	struct plain_input plain;
	enum key_kind kind;
};

static error_t
parse_new(int key, char *arg, struct argp_state *state)
{
	struct new_input *in = state->input;

	return key == KEY_KIND ? take_kind(state, arg, &in->kind) : plain_parse(key, arg, state);
}

static enum exit_code
tell_new(const struct new_input *in, const uint8_t public_key[static PUBLIC_KEY_LEN])
{
	char hex[2 * PUBLIC_KEY_LEN + 1], id[KEY_ID_TEXT_BYTES];
	const char *kind = key_kind_str(in->kind);

	(void)hex_format(bytes_of(public_key, PUBLIC_KEY_LEN), hex);
	if (!in->plain.json) {
		(void)printf("Made %s/%s.next.key.\n  public key  %s\n  key id      %s\n", in->plain.args.v[0], kind, hex, key_id_format(public_key, id));
		(void)printf("Keep a copy of it where the other keys' copies are, then put it in its place:\n  fealty key rotate --kind %s %s\n",
		    kind, hex);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "kind", kind);
	json_put_text(object, "public_key", hex);
	json_put_text(object, "key_id", key_id_format(public_key, id));
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
key_new(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "kind", KEY_KIND, "KIND", 0, "transaction or checkpoint: what it will sign (default: transaction)", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse_new, "KEYDIR",
		"Make the next key in the daemon's key directory KEYDIR, and print its public half.\v"
		"Run it as the user that fealtyd runs as. The file is KIND.next.key, of mode 0400; the key signs nothing until \"fealty key "
		"rotate\" puts it in the place of the one in use. A next key that is there already is left alone.",
		NULL, NULL, NULL };
	struct new_input in = { .kind = KEY_OF_TRANSACTIONS };
	uint8_t public_key[PUBLIC_KEY_LEN];

	cli_parse(&argp, argc, argv, &in);
	const char *dir = in.plain.args.v[0], *kind = key_kind_str(in.kind);
	enum status st = keys_next_create(dir, in.kind == KEY_OF_TRANSACTIONS ? KEY_TRANSACTION : KEY_CHECKPOINT, public_key);
	switch (st) {
	case ST_OK:
		return tell_new(&in, public_key);
	case ST_BUSY:
		return cli_fail(in.plain.json, EXIT_USAGE, "%s/%s.next.key is there already: rotate to it. Remove it only if the ledger does not name it: after a "
		    "key.files_not_renamed in the daemon's log it is the key in use, and a start of the daemon puts it in its place", dir, kind);
	case ST_NOTFOUND:
		return cli_fail(in.plain.json, EXIT_USAGE, "%s is not a daemon's key directory, as \"fealty init\" makes it beside the ledger", dir);
	case ST_INVALID:
		return cli_fail(in.plain.json, EXIT_USAGE, "%s is open to others than its owner; set its mode to 0700", dir);
	case ST_NOMEM:
		return cli_fail(in.plain.json, EXIT_INTERNAL, "memory for a key could not be locked, raise RLIMIT_MEMLOCK");
	default:
		return cli_fail(in.plain.json, EXIT_INTERNAL, "%s/%s.next.key could not be made: %s; nothing was left behind", dir, kind, strerror(errno));
	}
}

/* ---- rotate ---- */

struct rotate_input {
	struct call_input base;
	char *kind, *reason;
	bool has_overlap;
	uint64_t overlap_days;
	uint8_t new_key[PUBLIC_KEY_LEN];
};

static error_t
parse_rotate(int key, char *arg, struct argp_state *state)
{
	struct rotate_input *in = state->input;
	enum key_kind kind;

	switch (key) {
	case KEY_KIND:
		in->kind = arg;
		return take_kind(state, arg, &kind);
	case KEY_OVERLAP:
		in->has_overlap = true;
		return option_number(state, "--overlap-days", arg, LEDGER_OVERLAP_DAYS_MAX, &in->overlap_days);
	case KEY_REASON:
		in->reason = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!hex_parse(arg, in->new_key, PUBLIC_KEY_LEN))
			return cli_usage(state, "NEW_KEY: \"%s\" is not %d hex digits, as \"fealty key new\" prints them", arg, 2 * PUBLIC_KEY_LEN);
		return call_input_parse(key, arg, state, &in->base);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_rotated(const Fealty__V1__Response *r)
{
	(void)printf("The key is rotated (%s): what follows is signed by the new one.\n", r->id != NULL ? r->id : "-");
	if (r->has_ends_at)
		(void)printf("Checkpoints are signed by the old one as well until %s.\n",
		    instant_format(r->ends_at, (char[INSTANT_TEXT_BYTES]){ 0 }));
	(void)printf("The old key's file is kept as *.old.key in the key directory.\n");
}

static enum exit_code
key_rotate(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "kind", KEY_KIND, "KIND", 0, "transaction or checkpoint: the key that is replaced (default: transaction)", 0 },
		{ "overlap-days", KEY_OVERLAP, "N", 0, "checkpoint: how long the old key signs as well, 0 to 365 (default: 30)", 0 },
		{ "reason", KEY_REASON, "REASON", 0, "checkpoint: lost or compromised; the old key ends at once", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse_rotate, "NEW_KEY",
		"Put the next key, whose public half is NEW_KEY, in the place of the one in use.\v"
		"\"fealty key new\" makes it, in the daemon's key directory. The change is a transaction of the ledger that both keys sign, "
		"so whoever verified the ledger so far goes on with the new one. For a transaction key that is lost or compromised see "
		"packaging/KEYS.md.",
		call_children, NULL, NULL };
	static struct rotate_input in;
	Fealty__V1__Request request;
	Fealty__V1__RotateKey body = FEALTY__V1__ROTATE_KEY__INIT;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_ROTATE_KEY, &request);
	body.has_new_key = true;
	body.new_key = (ProtobufCBinaryData){ .data = in.new_key, .len = PUBLIC_KEY_LEN };
	body.kind = in.kind;
	body.reason = in.reason;
	body.has_overlap_days = in.has_overlap;
	body.overlap_days = (uint32_t)in.overlap_days;
	request.rotate_key = &body;
	return call_run(&in.base.call, &request, show_rotated);
}

enum exit_code
cmd_key(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "new", "KEYDIR", "make the next key, in the daemon's key directory", key_new },
		{ "rotate", "NEW_KEY", "put the next key in the place of the one in use", key_rotate },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("key", commands, argc, argv);
}
