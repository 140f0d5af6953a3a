/* fealty proof: that a transaction is in the log, or that one checkpoint's log goes on from another's. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "merkle/lines.h"

enum { KEY_FROM = KEY_COMMAND, KEY_TO };

#define HASH_TEXT_BYTES 64		/* base64 of a hash has 44 */

struct proof_input {
	struct named_input base;
	bool has_from, has_to;
	uint64_t from, to;
};

static error_t
judge(struct argp_state *state, struct proof_input *in)
{
	if (in->has_from != (in->base.args.n == 0))
		return cli_usage(state, "give either a transaction, SEQ or COMMAND, or --from SIZE for a proof between two sizes");
	if (in->has_to && !in->has_from)
		return cli_usage(state, "--to is for a proof between two sizes: give --from as well");
	return in->has_from ? 0 : option_transaction(state, in->base.args.v[0], &in->base.is_command, &in->base.seq);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct proof_input *in = state->input;

	switch (key) {
	case KEY_FROM:
		in->has_from = true;
		return option_number(state, "--from", arg, UINT64_MAX, &in->from);
	case KEY_TO:
		in->has_to = true;
		return option_number(state, "--to", arg, UINT64_MAX, &in->to);
	case ARGP_KEY_END:
		return judge(state, in);
	default:
		return named_parse(key, arg, state);
	}
}

static void
show_proof(const Fealty__V1__Response *r)
{
	if (r->has_index)
		(void)printf("Transaction %" PRIu64 " is in the log of %" PRIu64 " transactions", r->index, r->size);
	else
		(void)printf("The log of %" PRIu64 " transactions goes on from the smaller one", r->size);
	(void)printf("; %zu %s of proof (RFC 6962):\n", r->n_hashes, r->n_hashes == 1 ? "hash" : "hashes");
	for (size_t i = 0; i < r->n_hashes; i++) {
		char text[HASH_TEXT_BYTES];
		struct writer w = writer_of(text, sizeof(text));
		if (r->hashes[i].len == SHA256_BYTES)
			writer_put_base64(&w, bytes_of(r->hashes[i].data, r->hashes[i].len));
		(void)printf("  %.*s\n", (int)w.len, text);
	}
	if (r->note != NULL)
		(void)printf("Its checkpoint:\n%s", r->note);
}

enum exit_code
cmd_proof(int argc, char **argv)
{
	static const struct argp_option options[] = {
		NAMED_OPTION,
		{ "from", KEY_FROM, "SIZE", 0, "That the log of so many transactions is the beginning of the one of --to", 0 },
		{ "to", KEY_TO, "SIZE", 0, "Of this size (default: the newest public checkpoint's)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "SEQ|COMMAND\n--from SIZE [--to SIZE]",
		"Print the proof that a transaction is in the newest public checkpoint, or that the log of one size goes on from that of another.\v"
		"A transaction that is newer than the newest public checkpoint has a proof a second or two later (exit code 3 until then).",
		connect_children, NULL, NULL };
	struct proof_input in = { .base = { .n_words = 1 } };
	Fealty__V1__Request request;
	Fealty__V1__ProofGet body = FEALTY__V1__PROOF_GET__INIT;

	call_options_init(&in.base.call, CALL_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_PROOF, &request);
	body.has_seq = !in.has_from && !in.base.is_command;
	body.seq = in.base.seq;
	body.command = !in.has_from && in.base.is_command ? in.base.args.v[0] : NULL;
	body.has_from = in.has_from;
	body.from = in.from;
	body.has_to = in.has_to;
	body.to = in.to;
	request.proof = &body;
	return call_run(&in.base.call, &request, show_proof);
}
