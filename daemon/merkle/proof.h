/**
 * proof.h: inclusion and consistency proofs of the RFC 6962 tree (tree.h): made from complete subtrees of 256^level leaves, and checked
 * against roots.  Pure, no allocation.
 */
#ifndef FEALTY_MERKLE_PROOF_H
#define FEALTY_MERKLE_PROOF_H

#include "merkle/tree.h"

/* A tree of fewer than 2^64 leaves is at most 64 nodes high; a consistency proof may begin with one hash more. */
#define PROOF_INCLUSION_MAX 64
#define PROOF_HASHES_MAX 65

/* In the order of RFC 6962, section 2.1.1 and 2.1.2: from the leaves upwards. */
struct proof {
	size_t n_hashes;
	uint8_t hash[PROOF_HASHES_MAX][SHA256_BYTES];
};

/* Writes the root of the complete subtree of 256^level leaves that begins with leaf index × 256^level, or says why not. */
typedef enum status merkle_fetch_fn(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES]);

/**
 * proof_inclusion(index, size, fetch, ctx, ret_proof):
 * PATH(index, D[size]) of RFC 6962, section 2.1.1: that leaf ${index}, from 0, is in the tree of ${size} leaves.
 *
 * proof_consistency(old_size, size, fetch, ctx, ret_proof):
 * PROOF(old_size, D[size]) of RFC 6962, section 2.1.2: that the tree of ${old_size} leaves is the beginning of that of ${size}.  The proof
 * is empty between equal sizes, and, as tlog-witness has it, from the empty tree.
 *
 * At most 640 fetches for each level that the tree has.
 *
 * ST_INVALID: ${index} is not below ${size}, or ${old_size} is above it; otherwise what fetch() said.  On failure *${ret_proof} is
 * untouched.
 */
enum status proof_inclusion(uint64_t index, uint64_t size, merkle_fetch_fn *fetch, void *ctx, struct proof *ret_proof) MUST_CHECK;
enum status proof_consistency(uint64_t old_size, uint64_t size, merkle_fetch_fn *fetch, void *ctx, struct proof *ret_proof) MUST_CHECK;

enum proof_result {
	PROOF_OK,
	PROOF_OUT_OF_RANGE,	/* the index is not below the size, or the old size is above the new one */
	PROOF_TOO_SHORT,	/* fewer hashes than these sizes need */
	PROOF_TOO_LONG,
	PROOF_WRONG,		/* the hashes do not lead to the roots */
};
const char *proof_result_str(enum proof_result result);

/**
 * proof_check_inclusion(proof, index, size, leaf_hash, root):
 * Whether ${proof} shows the leaf (merkle_leaf_hash()) at ${index} of the tree of ${size} leaves with this ${root}: the procedure of
 * RFC 9162, section 2.1.3.2, whose trees are those of RFC 6962.
 *
 * proof_check_consistency(proof, old_size, old_root, size, root):
 * Whether the one tree is the beginning of the other: RFC 9162, section 2.1.4.2, and beyond what it defines: between equal sizes the
 * proof is empty and the roots are equal; from the empty tree the proof is empty, and ${old_root} is the hash of nothing.
 */
enum proof_result proof_check_inclusion(const struct proof *proof, uint64_t index, uint64_t size,
    const uint8_t leaf_hash[static SHA256_BYTES], const uint8_t root[static SHA256_BYTES]) MUST_CHECK;
enum proof_result proof_check_consistency(const struct proof *proof, uint64_t old_size, const uint8_t old_root[static SHA256_BYTES],
    uint64_t size, const uint8_t root[static SHA256_BYTES]) MUST_CHECK;

#endif
