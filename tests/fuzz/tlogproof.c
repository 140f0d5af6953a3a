/**
 * Log proofs, which receipts are, and their verdicts.  An input that begins as a proof does is a proof.  Any other makes a true one, of a log
 * of the model, and then changes its text.  In both what is read is printed byte for byte, and the verdict is that of the model.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "merkle/tlogproof.h"

#define TEXT_BYTES_MAX 8192
#define EDITS_MAX 8

static struct policy policy;
static struct tlogproof proof;
static struct note note;
static struct note_key log_key, witness_keys[3];

/* A log, and two of three witnesses. */
static void
policy_make(void)
{
	static char text[2048];
	struct writer w = writer_of(text, sizeof(text));
	struct policy_fault fault;

	log_key = fake_key("fuzz.example/log", NOTE_ED25519, 1);
	writer_put(&w, LITERAL("log "));
	note_key_print(&w, &log_key);
	for (uint8_t i = 0; i < 3; i++) {
		witness_keys[i] = fake_key("fuzz.example/witness", NOTE_COSIGNATURE, (uint8_t)(2 + i));
		writer_put(&w, LITERAL("\nwitness w"));
		writer_put_number(&w, i);
		writer_put(&w, LITERAL(" "));
		note_key_print(&w, &witness_keys[i]);
	}
	writer_put(&w, LITERAL("\ngroup g 2 w0 w1 w2\nquorum g\n"));
	enum policy_result result = policy_parse(writer_bytes(&w), &policy, &fault);
	assert(result == POLICY_OK);
}

/* ---- the model's verdict ---- */

static bool
trusted(const struct checkpoint *checkpoint)
{
	struct bytes lines = bytes_of(note.text.data + note.text.len + 1, proof.checkpoint.len - note.text.len - 1);
	unsigned n = 0;

	for (size_t i = 0; i < 3; i++) {
		enum note_signed witness = model_signed(lines, &witness_keys[i], note.text);
		if (witness == NOTE_FORGED)
			return false;
		n += witness == NOTE_SIGNED ? 1 : 0;
	}
	return n >= 2 && bytes_equal(checkpoint->origin, log_key.name) && model_signed(lines, &log_key, note.text) == NOTE_SIGNED;
}

static enum tlogproof_answer
expected(const uint8_t *leaf_hash)
{
	struct checkpoint checkpoint;
	uint8_t root[SHA256_BYTES];

	if (note_parse(proof.checkpoint, &note) != NOTE_OK)
		return TLOGPROOF_BAD_NOTE;
	if (checkpoint_parse(note.text, &checkpoint) != CHECKPOINT_OK)
		return TLOGPROOF_BAD_CHECKPOINT;
	if (!trusted(&checkpoint))
		return TLOGPROOF_UNTRUSTED;
	if (model_climb(&proof.proof, proof.index, checkpoint.size, leaf_hash, root) != PROOF_OK || memcmp(root, checkpoint.root, sizeof(root)) != 0)
		return TLOGPROOF_NOT_INCLUDED;
	return TLOGPROOF_ACCEPTED;
}

/* TLOGPROOF_BAD_NOTE: it cannot even be read. */
static enum tlogproof_answer
judged(struct bytes text, const uint8_t *leaf_hash)
{
	struct tlogproof_verdict verdict;
	uint8_t own_leaf[SHA256_BYTES], *extra = malloc(text.len + 1), *printed = malloc(text.len + 1);
	size_t extra_len = 0;

	assert(extra != NULL && printed != NULL);
	enum tlogproof_result result = tlogproof_parse(text, &proof);
	enum tlogproof_answer answer = TLOGPROOF_BAD_NOTE;
	assert(strlen(tlogproof_result_str(result)) > 0);
	if (result == TLOGPROOF_OK) {
		struct writer w = writer_of(printed, text.len);
		bool has_extra = tlogproof_extra(&proof, extra, text.len, &extra_len);
		assert(has_extra == proof.has_extra);
		const struct bytes raw = bytes_of(extra, extra_len);
		tlogproof_print(&w, has_extra ? &raw : NULL, proof.index, &proof.proof, proof.checkpoint);
		assert(bytes_equal(writer_bytes(&w), text));
		if (leaf_hash == NULL)
			merkle_leaf_hash(raw, own_leaf);
		leaf_hash = leaf_hash == NULL ? own_leaf : leaf_hash;
		enum status st = tlogproof_verify(&proof, leaf_hash, &policy, fake_verify, NULL, &verdict);
		answer = verdict.answer;
		assert(st == ST_OK && answer == expected(leaf_hash) && strlen(tlogproof_verdict_str(&verdict)) > 0);
	}
	free(extra);
	free(printed);
	return answer;
}

/* ---- a true proof ---- */

static void
sign(struct writer *w, struct bytes text, unsigned who)
{
	writer_put(w, LITERAL("\n"));
	if ((who & 8) == 0)
		fake_line(w, &log_key, text, 0);
	for (unsigned i = 0; i < 3; i++)
		if ((who >> i & 1) == 0)
			fake_line(w, &witness_keys[i], text, 1700000000 + who);
}

static void
edit(uint8_t *text, size_t *len, struct tape *t)
{
	size_t at = (size_t)tape_below(t, *len);
	uint8_t what = tape_u8(t), with = tape_u8(t);

	switch (what % 4) {
	case 0:
		text[at] ^= (uint8_t)(1u << with % 8);
		break;
	case 1:
		text[at] = with;
		break;
	case 2:
		memmove(text + at, text + at + 1, *len - at - 1);
		--*len;
		break;
	default:
		if (*len == TEXT_BYTES_MAX)
			return;
		memmove(text + at + 1, text + at, *len - at);
		text[at] = with;
		++*len;
		break;
	}
}

static void
built(struct tape *t)
{
	static uint8_t note_text[4096], text[TEXT_BYTES_MAX];
	struct writer n = writer_of(note_text, sizeof(note_text)), w = writer_of(text, sizeof(text));
	struct checkpoint checkpoint = { .origin = log_key.name, .size = 1 + tape_below(t, MODEL_LEAVES) };
	struct proof path;
	uint64_t index = tape_below(t, checkpoint.size);
	unsigned who = tape_u8(t);

	memcpy(checkpoint.root, model_root(0, checkpoint.size), SHA256_BYTES);
	checkpoint_print(&n, &checkpoint);
	sign(&n, writer_bytes(&n), who);
	model_path(index, checkpoint.size, &path);
	const struct bytes extra = bytes_of(note_text, who);		/* what it is does not matter */
	tlogproof_print(&w, (who & 16) != 0 ? &extra : NULL, index, &path, writer_bytes(&n));
	if (writer_status(&n) != ST_OK || writer_status(&w) != ST_OK || (who & 15) == 15)
		return;
	bool quorum = (who & 8) == 0 && __builtin_popcount(who & 7) <= 1;
	assert(judged(writer_bytes(&w), model_root(index, 1)) == (quorum ? TLOGPROOF_ACCEPTED : TLOGPROOF_UNTRUSTED));
	size_t len = w.len;
	for (unsigned i = 0; i < EDITS_MAX && t->rest.len > 0 && len > 1; i++) {
		edit(text, &len, t);
		if (judged(bytes_of(text, len), model_root(index, 1)) == TLOGPROOF_ACCEPTED)	/* then only a line of nobody's key has changed, or extra data */
			assert(proof.index == index && proof.proof.n_hashes == path.n_hashes &&
			    memcmp(proof.proof.hash, path.hash, path.n_hashes * SHA256_BYTES) == 0 && bytes_equal(note.text, bytes_of(note_text, note.text.len)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { bytes_of(data, size) };

	if (policy.n_logs == 0)
		policy_make();
	if (size == 0 || data[0] == 'c') {
		(void)judged(t.rest, NULL);
		return 0;
	}
	(void)tape_u8(&t);
	built(&t);
	return 0;
}
