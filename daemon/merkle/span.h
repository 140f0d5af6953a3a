/**
 * span.h: proofs for the newest leaves of a tree from the tree as it was before them and their hashes alone, without a look at what is
 * stored: what a group commit needs for its receipts.  Pure, no allocation.
 */
#ifndef FEALTY_MERKLE_SPAN_H
#define FEALTY_MERKLE_SPAN_H

#include "merkle/proof.h"

/* How many hashes span_init() wants room for. */
size_t span_hashes_max(size_t n_leaves);

struct span {
	const struct merkle_tree *before;	/* borrowed */
	uint64_t size;				/* with the span's leaves */
	uint8_t (*hashes)[SHA256_BYTES];	/* borrowed: complete subtrees that have a leaf of the span, from the leaves upwards */
	size_t level[65];			/* [h]: where those of 2^h leaves begin */
	uint8_t edge[65][SHA256_BYTES];		/* [h]: root of the leaves behind the last complete subtree of 2^h, when there are any */
};

/**
 * span_init(span, before, hashes, n_leaves):
 * The leaves that came after ${before}, whose leaf hashes are the first ${n_leaves} of ${hashes}; the room behind them is written to, and
 * both are borrowed as long as ${span} is used.  At least one leaf is asserted.  About as many hashes as leaves.
 */
void span_init(struct span *span, const struct merkle_tree *before, uint8_t (*hashes)[SHA256_BYTES], size_t n_leaves);

/* proof_inclusion() in the tree with all of the span's leaves; that leaf ${index} is one of them is asserted. */
void span_inclusion(const struct span *span, uint64_t index, struct proof *ret_proof);

#endif
