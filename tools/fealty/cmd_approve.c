/*
 * fealty approve: signs an adjust that waits.  What is signed is the hash of the bytes that the daemon sent, and what is shown comes out of the same bytes:
 * a daemon that shows one thing and lets sign another does not exist.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apply/apply.h"
#include "call.h"
#include "commands.h"
#include "key_text.h"
#include "ledger_text.h"
#include "show.h"
#include "signer/signer.h"

enum { KEY_FILE = KEY_COMMAND };

#define ARENA_BYTES ((size_t)8 << 20)

struct approve_input {
	struct call_input base;
	char *key_file;
	struct entry_id id;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct approve_input *in = state->input;

	switch (key) {
	case KEY_FILE:
		in->key_file = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!entry_id_parse(arg, &in->id))
			return cli_usage(state, "ADJUST: \"%s\" is not the id of an entry, such as 12.0; the adjust's reply and \"fealty history\" show it", arg);
		return call_input_parse(key, arg, state, &in->base);
	case ARGP_KEY_END:
		if (in->key_file == NULL)
			return cli_usage(state, "--key-file is missing: the file of the approver's key, as \"fealty approver-key new\" makes it");
		return call_input_parse(key, arg, state, &in->base);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

/* ---- what is approved ---- */

struct approval {
	uint8_t body[APPROVAL_BODY_BYTES], public_key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES], key_id[KEY_ID_BYTES];
};

/* Of the transaction's bytes what an approver signs; told when there is nothing to approve in it. */
static enum exit_code
read_adjust(const struct approve_input *in, struct bytes leaf, struct arena *arena, struct approval *ret)
{
	struct signed_transaction s;
	struct transaction t = { .n_entries = 0 };
	uint8_t hash[SHA256_BYTES];

	enum status st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode(s.transaction, arena, &t);
	if (st != ST_OK || t.seq != in->id.seq)
		return cli_fail(in->base.call.json, EXIT_INTERNAL, "the daemon sent a transaction that this program cannot read: it may be a newer one");
	if (in->id.index >= t.n_entries || !t.entries[in->id.index].waiting)
		return cli_fail(in->base.call.json, EXIT_REFUSED, "%s is no adjust that waits for approval; nothing was signed", in->base.args.v[0]);
	hash_sha256(hash, &s.transaction, 1);
	approval_body(hash, in->id.index, ret->body);
	return EXIT_DONE;
}

static enum exit_code
sign(const struct approve_input *in, struct approval *a)
{
	bool json = in->base.call.json;

	switch (key_file_sign(in->key_file, SIGNER_APPROVAL_TYPE, bytes_of(a->body, sizeof(a->body)), a->public_key, a->signature)) {
	case ST_OK:
		key_id_of(a->public_key, a->key_id);
		return EXIT_DONE;
	case ST_NOTFOUND:
		return cli_fail(json, EXIT_USAGE, "there is no %s; \"fealty approver-key new\" makes a key", in->key_file);
	case ST_INVALID:
		return cli_fail(json, EXIT_USAGE, "%s is readable by others than its owner, or is no key; its mode must be 0400", in->key_file);
	case ST_NOMEM:
		return cli_fail(json, EXIT_INTERNAL, "memory for a key could not be locked, raise RLIMIT_MEMLOCK");
	default:
		return cli_fail(json, EXIT_INTERNAL, "%s cannot be read: %s", in->key_file, strerror(errno));
	}
}

/* Before it is sent, so that a person who sees something else than expected knows what the answer is about. */
static void
show_adjust(const struct approve_input *in, struct fealty_client *client, struct bytes leaf)
{
	struct ledger_text text;

	ledger_text_init(&text);
	uint32_t program = ledger_text_program_of(&text, leaf);
	if (in->base.call.program != NULL || program == 1)
		call_learn_program(&in->base.call, client, program, &text);
	(void)printf("Approving %s in this transaction:\n", in->base.args.v[0]);
	if (ledger_text_print(&text, leaf, true, stdout) != ST_OK)
		(void)printf("  (unreadable)\n");
	ledger_text_release(&text);
}

/* ---- the two calls ---- */

static enum exit_code
fetch(const struct approve_input *in, struct fealty_client *client, struct arena *arena, struct approval *ret)
{
	struct call_options read = in->base.call;
	struct fealty_result result;
	Fealty__V1__Request request;
	Fealty__V1__TransactionGet body = FEALTY__V1__TRANSACTION_GET__INIT;

	read.key = read.store = read.terminal = read.receipt = NULL;
	read.has_occurred_at = false;
	call_request_init(&read, FEALTY__V1__REQUEST__OP_TRANSACTION, &request);
	body.has_seq = true;
	body.seq = in->id.seq;
	request.transaction = &body;
	if (fealty_call(client, &request, &result) != FEALTY_OK) {
		enum exit_code code = call_tell(&in->base.call, &result);
		fealty_result_release(&result);
		return code;
	}
	struct bytes leaf = bytes_of(result.response->transaction.data, result.response->transaction.len);
	enum exit_code code = read_adjust(in, leaf, arena, ret);
	if (code == EXIT_DONE)
		code = sign(in, ret);
	if (code == EXIT_DONE && !in->base.call.json)
		show_adjust(in, client, leaf);
	fealty_result_release(&result);
	return code;
}

static enum exit_code
send(const struct approve_input *in, struct approval *a)
{
	Fealty__V1__Request request;
	Fealty__V1__Approve body = FEALTY__V1__APPROVE__INIT;

	call_request_init(&in->base.call, FEALTY__V1__REQUEST__OP_APPROVE, &request);
	body.command = in->base.args.v[0];
	body.has_signature = body.has_key_id = true;
	body.signature = (ProtobufCBinaryData){ .data = a->signature, .len = SIGNATURE_BYTES };
	body.key_id = (ProtobufCBinaryData){ .data = a->key_id, .len = KEY_ID_BYTES };
	request.approve = &body;
	return call_run(&in->base.call, &request, show_done);
}

enum exit_code
cmd_approve(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "key-file", KEY_FILE, "FILE", 0, "The file of your key, of mode 0400", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "ADJUST",
		"Approve ADJUST, the id of an adjust that waits because it is above the program's limit.\v"
		"It takes another principal than the one that sent the adjust: an approver/NAME, whose key an operator registered by \"fealty approver-key "
		"set\". The adjust is decided again now, with the balance and the program as they are. The key never leaves FILE; what is sent is a "
		"signature over the transaction that holds the adjust.",
		receipt_children, NULL, NULL };
	static struct approve_input in;
	struct approval approval = { 0 };
	struct fealty_client *client;
	struct arena arena;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = call_client(&in.base.call, &client);
	if (code != EXIT_DONE)
		return code;
	arena_init(&arena, ARENA_BYTES);
	code = fetch(&in, client, &arena, &approval);
	arena_release(&arena);
	fealty_client_free(client);
	return code == EXIT_DONE ? send(&in, &approval) : code;
}
