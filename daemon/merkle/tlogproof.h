/**
 * tlogproof.h: proofs that an entry is in a log, which verify offline, by C2SP tlog-proof: extra data, index, inclusion proof, checkpoint.
 * A receipt is one of these, with the SignedTransaction as its extra data.  Pure, no allocation: what is parsed borrows from the text.
 */
#ifndef FEALTY_MERKLE_TLOGPROOF_H
#define FEALTY_MERKLE_TLOGPROOF_H

#include "merkle/checkpoint.h"
#include "merkle/policy.h"
#include "merkle/proof.h"

struct tlogproof {
	bool has_extra;
	struct bytes extra_base64;	/* not authenticated by anything in the proof */
	uint64_t index;			/* of the entry, from 0 */
	struct proof proof;		/* of inclusion */
	struct bytes checkpoint;	/* a signed note (note.h) whose text is a checkpoint; not looked at when parsing */
	size_t line;			/* from 1: where the checkpoint begins; of a text that is no proof, where it is wrong */
};

enum tlogproof_result {
	TLOGPROOF_OK,
	TLOGPROOF_BAD_HEADER,		/* the first line is not "c2sp.org/tlog-proof@v1" */
	TLOGPROOF_BAD_EXTRA,		/* not base64 */
	TLOGPROOF_BAD_INDEX,		/* no "index <decimal>" where it must be */
	TLOGPROOF_BAD_HASH,		/* a line of the proof is not the base64 of 32 bytes */
	TLOGPROOF_TOO_LONG,		/* more than 64 hashes */
	TLOGPROOF_UNFINISHED,		/* it ends before the empty line and a checkpoint */
};
const char *tlogproof_result_str(enum tlogproof_result result);

/* On failure *${ret_proof} is undefined but for `line`. */
enum tlogproof_result tlogproof_parse(struct bytes text, struct tlogproof *ret_proof) MUST_CHECK;

/* The extra data, decoded; false: there is none, or there are more than ${cap} bytes. */
bool tlogproof_extra(const struct tlogproof *proof, uint8_t *ret_data, size_t cap, size_t *ret_len) MUST_CHECK;

/* Room that is enough for the text of a proof with so many bytes of extra data, hashes, and bytes of note. */
#define TLOGPROOF_BYTES(extra_bytes, n_hashes, note_bytes) (80 + ((extra_bytes) + 2) / 3 * 4 + (n_hashes) * 45 + (note_bytes))

/**
 * tlogproof_print(w, extra, index, proof, checkpoint):
 * ${extra} may be NULL: no extra data.  ${checkpoint} is a signed note and put in as it is.  At most PROOF_INCLUSION_MAX hashes are
 * asserted.
 */
void tlogproof_print(struct writer *w, const struct bytes *extra, uint64_t index, const struct proof *proof, struct bytes checkpoint);

enum tlogproof_answer {
	TLOGPROOF_ACCEPTED,
	TLOGPROOF_BAD_NOTE,
	TLOGPROOF_BAD_CHECKPOINT,
	TLOGPROOF_UNTRUSTED,		/* the policy does not accept the checkpoint */
	TLOGPROOF_NOT_INCLUDED,
};

struct tlogproof_verdict {
	enum tlogproof_answer answer;
	enum note_result note;			/* why, of TLOGPROOF_BAD_NOTE */
	enum checkpoint_result malformed;	/* of TLOGPROOF_BAD_CHECKPOINT */
	struct policy_verdict policy;		/* of TLOGPROOF_UNTRUSTED; who has witnessed, when it was accepted */
	enum proof_result inclusion;		/* of TLOGPROOF_NOT_INCLUDED */
	struct checkpoint checkpoint;		/* unless it or the note is malformed; borrowed from the proof's text */
};

/* The sentence of whatever it was that led to the answer. */
const char *tlogproof_verdict_str(const struct tlogproof_verdict *verdict);

/**
 * tlogproof_verify(proof, leaf_hash, policy, verify, ctx, ret_verdict):
 * The steps that the specification names: the checkpoint's origin and signatures by ${policy}, then that the entry with this leaf hash
 * (merkle_leaf_hash(), of bytes that the caller knows to be the entry's) is in its tree.  Fails only as verify() does, with *${ret_verdict}
 * undefined.
 */
enum status tlogproof_verify(const struct tlogproof *proof, const uint8_t leaf_hash[static SHA256_BYTES], const struct policy *policy,
    note_verify_fn *verify, void *ctx, struct tlogproof_verdict *ret_verdict) MUST_CHECK;

#endif
