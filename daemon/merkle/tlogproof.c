/* The checkpoint stays the bytes that the log and its witnesses signed: it is only looked at to verify them. */
#include "merkle/tlogproof.h"

#include <assert.h>

static const char *const result_text[] = {
	[TLOGPROOF_OK] = "a log proof",
	[TLOGPROOF_BAD_HEADER] = "the first line is not \"c2sp.org/tlog-proof@v1\"",
	[TLOGPROOF_BAD_EXTRA] = "the extra data is not base64",
	[TLOGPROOF_BAD_INDEX] = "there is no line \"index <number>\" where it must be",
	[TLOGPROOF_BAD_HASH] = "a line of the inclusion proof is not a hash in base64",
	[TLOGPROOF_TOO_LONG] = "the inclusion proof has more hashes than any log can need",
	[TLOGPROOF_UNFINISHED] = "the proof ends before its checkpoint: it was cut off",
};

const char *
tlogproof_result_str(enum tlogproof_result result)
{
	return result_text[result];
}

/* Counts the lines, that which was not there too. */
static bool
take(struct bytes *rest, struct bytes *ret_line, struct tlogproof *proof)
{
	proof->line++;
	return lines_take(rest, ret_line);
}

/* The hashes and the empty line behind them. */
static enum tlogproof_result
parse_hashes(struct bytes *rest, struct tlogproof *whole)
{
	struct proof *proof = &whole->proof;
	struct bytes line;

	proof->n_hashes = 0;
	for (;;) {
		if (!take(rest, &line, whole))
			return TLOGPROOF_UNFINISHED;
		if (line.len == 0)
			return TLOGPROOF_OK;
		if (proof->n_hashes == PROOF_INCLUSION_MAX)
			return TLOGPROOF_TOO_LONG;
		if (!lines_hash(line, proof->hash[proof->n_hashes]))
			return TLOGPROOF_BAD_HASH;
		proof->n_hashes++;
	}
}

enum tlogproof_result
tlogproof_parse(struct bytes text, struct tlogproof *ret_proof)
{
	struct bytes line;
	size_t len;

	ret_proof->line = 0;
	if (!take(&text, &line, ret_proof) || !bytes_equal(line, LITERAL("c2sp.org/tlog-proof@v1")))
		return TLOGPROOF_BAD_HEADER;
	if (!take(&text, &line, ret_proof))
		return TLOGPROOF_UNFINISHED;
	ret_proof->has_extra = lines_take_prefix(&line, LITERAL("extra "));
	ret_proof->extra_base64 = bytes_of(NULL, 0);
	if (ret_proof->has_extra) {
		ret_proof->extra_base64 = line;
		if (!lines_base64(line, NULL, 0, &len))
			return TLOGPROOF_BAD_EXTRA;
		if (!take(&text, &line, ret_proof))
			return TLOGPROOF_UNFINISHED;
	}
	if (!lines_take_prefix(&line, LITERAL("index ")) || !lines_number(line, &ret_proof->index))
		return TLOGPROOF_BAD_INDEX;
	enum tlogproof_result result = parse_hashes(&text, ret_proof);
	if (result != TLOGPROOF_OK)
		return result;
	ret_proof->line++;
	ret_proof->checkpoint = text;
	return text.len == 0 ? TLOGPROOF_UNFINISHED : TLOGPROOF_OK;
}

bool
tlogproof_extra(const struct tlogproof *proof, uint8_t *ret_data, size_t cap, size_t *ret_len)
{
	return proof->has_extra && lines_base64(proof->extra_base64, ret_data, cap, ret_len);
}

void
tlogproof_print(struct writer *w, const struct bytes *extra, uint64_t index, const struct proof *proof, struct bytes checkpoint)
{
	assert(proof->n_hashes <= PROOF_INCLUSION_MAX);
	writer_put(w, LITERAL("c2sp.org/tlog-proof@v1\n"));
	if (extra != NULL) {
		writer_put(w, LITERAL("extra "));
		writer_put_base64(w, *extra);
		writer_put(w, LITERAL("\n"));
	}
	writer_put(w, LITERAL("index "));
	writer_put_number(w, index);
	writer_put(w, LITERAL("\n"));
	for (size_t i = 0; i < proof->n_hashes; i++) {
		writer_put_base64(w, bytes_of(proof->hash[i], SHA256_BYTES));
		writer_put(w, LITERAL("\n"));
	}
	writer_put(w, LITERAL("\n"));
	writer_put(w, checkpoint);
}

const char *
tlogproof_verdict_str(const struct tlogproof_verdict *verdict)
{
	switch (verdict->answer) {
	case TLOGPROOF_ACCEPTED:
		return "the entry is in the log, by a checkpoint that the policy accepts";
	case TLOGPROOF_BAD_NOTE:
		return note_result_str(verdict->note);
	case TLOGPROOF_BAD_CHECKPOINT:
		return checkpoint_result_str(verdict->malformed);
	case TLOGPROOF_UNTRUSTED:
		return policy_answer_str(verdict->policy.answer);
	case TLOGPROOF_NOT_INCLUDED:
		return proof_result_str(verdict->inclusion);
	}
	return NULL;
}

enum status
tlogproof_verify(const struct tlogproof *proof, const uint8_t leaf_hash[static SHA256_BYTES], const struct policy *policy,
    note_verify_fn *verify, void *ctx, struct tlogproof_verdict *ret_verdict)
{
	struct tlogproof_verdict verdict = { .answer = TLOGPROOF_BAD_NOTE };
	struct note note;

	verdict.note = note_parse(proof->checkpoint, &note);
	if (verdict.note != NOTE_OK)
		goto answered;
	verdict.answer = TLOGPROOF_BAD_CHECKPOINT;
	verdict.malformed = checkpoint_parse(note.text, &verdict.checkpoint);
	if (verdict.malformed != CHECKPOINT_OK)
		goto answered;
	verdict.answer = TLOGPROOF_UNTRUSTED;
	enum status st = policy_check(policy, &note, verdict.checkpoint.origin, verify, ctx, &verdict.policy);
	if (st != ST_OK)
		return st;
	if (verdict.policy.answer != POLICY_ACCEPTED)
		goto answered;
	verdict.inclusion = proof_check_inclusion(&proof->proof, proof->index, verdict.checkpoint.size, leaf_hash, verdict.checkpoint.root);
	verdict.answer = verdict.inclusion == PROOF_OK ? TLOGPROOF_ACCEPTED : TLOGPROOF_NOT_INCLUDED;
answered:
	*ret_verdict = verdict;
	return ST_OK;
}
