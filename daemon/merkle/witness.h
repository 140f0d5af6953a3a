/**
 * witness.h: what a log says to a witness and hears from it, by C2SP tlog-witness: the body of add-checkpoint, and the size that a 409 tells.
 * The lines that a 200 brings are note.h's.  Pure, no allocation.
 */
#ifndef FEALTY_MERKLE_WITNESS_H
#define FEALTY_MERKLE_WITNESS_H

#include "merkle/lines.h"
#include "merkle/proof.h"

#define WITNESS_PROOF_MAX 63			/* hashes that a request may have */
#define WITNESS_SIZE_TYPE "text/x.tlog.size"	/* Content-Type of a 409 */

/**
 * "old <size>", a line for each hash of the proof, an empty line, the checkpoint's signed note.  More than WITNESS_PROOF_MAX hashes cannot be
 * (asserted): a tree of 2^62 leaves has none so long.
 */
void witness_request_print(struct writer *w, uint64_t old_size, const struct proof *proof, struct bytes note);

/**
 * Whether ${body}, of ${content_type} (parameters behind a ";" are passed over; letters in either case), is a size and nothing else: a decimal
 * and a newline.  *${ret_size} is untouched when not.
 */
bool witness_size_parse(struct bytes content_type, struct bytes body, uint64_t *ret_size) MUST_CHECK;

#endif
