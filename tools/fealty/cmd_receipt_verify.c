/* fealty receipt verify: offline, against keys that the caller trusts, and in words. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "ledger_text.h"
#include "receipt.h"
#include "signer/signer.h"

enum { KEY_POLICY = KEY_COMMAND, KEY_PUBLIC_KEY };

#define POLICY_BYTES_MAX ((size_t)1024 * 1024)
#define KEY_HEX_BYTES (2 * KEY_ID_BYTES + 1)

struct verify_input {
	struct args args;
	char *policy_path;
	struct list keys;		/* of transactions, in hex */
	bool json;
};

/* What is trusted, and what was found. */
struct verification {
	const struct verify_input *in;
	struct buf policy_text, text;
	struct policy policy;
	struct receipt receipt;
	bool has_receipt;
	struct tlogproof_verdict verdict;
	bool signature_checked;
};

static error_t
take_key(struct argp_state *state, struct verify_input *in, char *text)
{
	uint8_t key[PUBLIC_KEY_BYTES];

	if (!hex_parse(text, key, sizeof(key)))
		return cli_usage(state, "--public-key: \"%s\" is not a key of 64 hex digits", text);
	return list_add(state, &in->keys, text);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct verify_input *in = state->input;

	switch (key) {
	case KEY_JSON:
		in->json = true;
		return 0;
	case KEY_POLICY:
		in->policy_path = arg;
		return 0;
	case KEY_PUBLIC_KEY:
		return take_key(state, in, arg);
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		if (in->args.n == 1 && in->policy_path == NULL)
			return cli_usage(state, "give --policy FILE: whom to trust; `fealty log policy` makes one");
		return args_need(state, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- reading ---- */

static enum exit_code
read_file(const struct verify_input *in, const char *path, size_t bytes_max, struct buf *ret_data)
{
	enum status st = file_read_all(path, bytes_max, ret_data);

	if (st == ST_OK)
		return EXIT_DONE;
	if (st == ST_TOO_LARGE)
		return cli_fail(in->json, EXIT_USAGE, "%s is longer than %zu bytes, so it is not what it should be", path, bytes_max);
	return cli_fail(in->json, st == ST_IO ? EXIT_USAGE : EXIT_INTERNAL, "%s could not be read: %s", path, cli_status_words(st));
}

static enum exit_code
read_policy(struct verification *v)
{
	struct policy_fault fault;
	const char *path = v->in->policy_path;

	enum exit_code code = read_file(v->in, path, POLICY_BYTES_MAX, &v->policy_text);
	if (code != EXIT_DONE || policy_parse(buf_bytes(&v->policy_text), &v->policy, &fault) == POLICY_OK)
		return code;
	return cli_fail(v->in->json, EXIT_USAGE, "%s, line %zu: %s", path, fault.line,
	    fault.result == POLICY_BAD_KEY ? note_key_result_str(fault.key) : policy_result_str(fault.result));
}

static enum exit_code
read_receipt(struct verification *v)
{
	struct receipt_fault fault;
	const char *path = v->in->args.v[0];

	enum exit_code code = read_file(v->in, path, RECEIPT_BYTES_MAX, &v->text);
	if (code != EXIT_DONE)
		return code;
	v->has_receipt = receipt_read(buf_bytes(&v->text), &v->receipt, &fault);
	if (v->has_receipt)
		return EXIT_DONE;
	if (!fault.malformed)
		return cli_fail(v->in->json, EXIT_REFUSED, "%s proves nothing: %s", path, fault.why);
	if (fault.line == 0)
		return cli_fail(v->in->json, EXIT_USAGE, "%s is no receipt: %s", path, fault.why);
	return cli_fail(v->in->json, EXIT_USAGE, "%s, line %zu: %s", path, fault.line, fault.why);
}

/* ---- judging ---- */

static enum exit_code
judge_policy(struct verification *v)
{
	const struct receipt *r = &v->receipt;
	uint8_t hash[SHA256_BYTES];

	merkle_leaf_hash(r->leaf, hash);
	if (tlogproof_verify(&r->proof, hash, &v->policy, verify_parts, NULL, &v->verdict) != ST_OK)
		return cli_fail(v->in->json, EXIT_INTERNAL, "out of memory");
	if (v->verdict.answer == TLOGPROOF_ACCEPTED)
		return EXIT_DONE;
	struct bytes forged = v->verdict.policy.forged_name;
	if (v->verdict.answer == TLOGPROOF_UNTRUSTED && v->verdict.policy.answer == POLICY_FORGED)
		return cli_fail(v->in->json, EXIT_REFUSED, "%s is not to be trusted: %s (%.*s)", v->in->args.v[0],
		    tlogproof_verdict_str(&v->verdict), (int)forged.len, (const char *)forged.data);
	bool other_key = v->verdict.answer == TLOGPROOF_UNTRUSTED && v->verdict.policy.answer == POLICY_LOG_UNSIGNED;
	return cli_fail(v->in->json, EXIT_REFUSED, "%s is not to be trusted under %s: %s (checkpoint of %.*s)%s", v->in->args.v[0],
	    v->in->policy_path, tlogproof_verdict_str(&v->verdict), (int)r->checkpoint.origin.len, (const char *)r->checkpoint.origin.data,
	    other_key ? "; if the log's key was rotated, a policy needs the key of when the receipt was given" : "");
}

/* The transaction's own signature, by the one of the given keys that it names. */
static enum exit_code
judge_signature(struct verification *v)
{
	const struct signed_transaction *s = &v->receipt.sign;
	const struct verify_input *in = v->in;
	char text[KEY_HEX_BYTES];

	for (size_t i = 0; i < in->keys.n; i++) {
		uint8_t key[PUBLIC_KEY_BYTES], id[KEY_ID_BYTES];
		if (!hex_parse(in->keys.v[i], key, sizeof(key)))
			continue;
		key_id_of(key, id);
		if (!bytes_equal(s->key_id, bytes_of(id, sizeof(id))))
			continue;
		enum status st = sign_verify(key, SIGNER_TRANSACTION_TYPE, s->transaction, s->signature);
		v->signature_checked = st == ST_OK;
		if (st == ST_OK)
			return EXIT_DONE;
		return st == ST_INVALID
		    ? cli_fail(in->json, EXIT_REFUSED, "the signature of the transaction itself does not hold by the key %s", in->keys.v[i])
		    : cli_fail(in->json, EXIT_INTERNAL, "out of memory");
	}
	if (in->keys.n == 0)
		return EXIT_DONE;
	return cli_fail(in->json, EXIT_REFUSED, "the transaction is signed by the key with the id %s, which is none of those given by --public-key",
	    s->key_id.len == KEY_ID_BYTES ? hex_format(s->key_id, text) : "(none)");
}

/* ---- telling ---- */

/* When the witness signed; its signature has been verified. */
static uint64_t
time_of(const struct note *note, const struct note_key *key)
{
	uint64_t time_s = 0;

	for (size_t i = 0; i < note->n_signatures; i++) {
		const struct note_signature *s = &note->signature[i];
		if (s->key_id == key->id && bytes_equal(s->name, key->name) && cosignature_time(s, &time_s))
			return time_s;
	}
	return 0;
}

typedef void witness_fn(void *ctx, struct bytes name, uint64_t time_s);

static void
each_witness(const struct verification *v, witness_fn *on_witness, void *ctx)
{
	struct note note;

	if (note_parse(v->receipt.proof.checkpoint, &note) != NOTE_OK)
		return;
	for (size_t i = 0; i < v->policy.n_members; i++) {
		if (v->verdict.policy.witnessed[i])
			on_witness(ctx, v->policy.member[i].name, time_of(&note, &v->policy.member[i].key));
	}
}

static void
print_witness(void *ctx, struct bytes name, uint64_t time_s)
{
	char at[INSTANT_TEXT_BYTES];
	bool known = time_s != 0 && time_s < (uint64_t)INT64_MAX / US_PER_SECOND;

	(void)ctx;
	(void)printf("Witnessed by %.*s%s%s.\n", (int)name.len, (const char *)name.data, known ? " at " : "",
	    known ? instant_format((int64_t)time_s * US_PER_SECOND, at) : "");
}

static enum exit_code
tell_people(const struct verification *v)
{
	const struct receipt *r = &v->receipt;
	const struct note_key *log = &v->policy.log[v->verdict.policy.log].key;
	struct ledger_text text;

	(void)printf("Proved: transaction %" PRIu64 " of %s", r->transaction.seq, r->transaction.origin);
	if (r->transaction.program != 0)
		(void)printf(", of program %" PRIu32, r->transaction.program);
	(void)printf(", is in its log.\n");
	ledger_text_init(&text);
	enum status st = ledger_text_print(&text, r->leaf, true, stdout);
	ledger_text_release(&text);
	(void)printf("The log of %" PRIu64 " transactions is signed by %.*s+%08" PRIx32 ".\n", r->checkpoint.size, (int)log->name.len,
	    (const char *)log->name.data, log->id);
	if (v->verdict.policy.n_witnessed == 0)
		(void)printf("No witness of the policy has signed it, and the policy asks for none.\n");
	each_witness(v, print_witness, NULL);
	(void)printf("%s\n", v->signature_checked ? "The signature of the transaction itself holds."
	    : "The signature of the transaction itself was not checked: give --public-key for that.");
	return st == ST_OK ? EXIT_DONE : EXIT_INTERNAL;
}

static void
add_witness(void *ctx, struct bytes name, uint64_t time_s)
{
	json_t *object = json_new();
	json_t *text = json_stringn((const char *)name.data, name.len);

	json_put(object, "name", text != NULL ? text : json_null());
	json_put_number(object, "time", time_s);
	(void)json_array_append_new(ctx, object);
}

static enum exit_code
tell_json(const struct verification *v)
{
	const struct receipt *r = &v->receipt;
	const struct note_key *log = &v->policy.log[v->verdict.policy.log].key;
	json_t *object = json_new(), *witnesses = json_array(), *decoded = ledger_text_json(r->leaf);
	char name[32];

	each_witness(v, add_witness, witnesses);
	(void)snprintf(name, sizeof(name), "%08" PRIx32, log->id);
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", r->transaction.origin);
	json_put_number(object, "seq", r->transaction.seq);
	json_put_number(object, "size", r->checkpoint.size);
	json_put_hex(object, "root", bytes_of(r->checkpoint.root, SHA256_BYTES));
	json_put_text(object, "log_key_id", name);
	json_put(object, "witnesses", witnesses);
	json_put_text(object, "signature", v->signature_checked ? "valid" : "not_checked");
	json_put(object, "transaction", decoded != NULL ? decoded : json_null());
	json_put_hex(object, "leaf", r->leaf);
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
verify(struct verification *v)
{
	enum exit_code code = read_policy(v);

	if (code == EXIT_DONE)
		code = read_receipt(v);
	if (code == EXIT_DONE)
		code = judge_policy(v);
	if (code == EXIT_DONE)
		code = judge_signature(v);
	if (code != EXIT_DONE)
		return code;
	return v->in->json ? tell_json(v) : tell_people(v);
}

enum exit_code
cmd_receipt_verify(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "policy", KEY_POLICY, "FILE", 0, "Whom to trust: a C2SP tlog-policy, from somebody whom you trust, and not with the receipt", 0 },
		{ "public-key", KEY_PUBLIC_KEY, "HEX", 0, "The ledger's transaction key: check the transaction's own signature too. May be given again", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "FILE",
		"Verify a receipt, without a daemon or a network, and tell which transaction it proves to be in the log. FILE may be \"-\".\v"
		"Exit code 0 says that it holds, 1 that it does not, 2 that it, or the policy, cannot be read.",
		NULL, NULL, NULL };
	static struct verification v;
	struct verify_input in = { 0 };

	cli_parse(&argp, argc, argv, &in);
	v.in = &in;
	buf_init(&v.policy_text);
	buf_init(&v.text);
	enum exit_code code = verify(&v);
	if (v.has_receipt)
		receipt_release(&v.receipt);
	buf_release(&v.policy_text);
	buf_release(&v.text);
	return code;
}
