/**
 * tree.h: the RFC 6962 Merkle tree over the log's leaves, by frontier.  Pure, no allocation.
 * Leaf hash: SHA-256(0x00 ‖ leaf); node: SHA-256(0x01 ‖ left ‖ right); the root of n leaves splits at the largest power of two below n;
 * the root of none is SHA-256 of nothing (RFC 6962, section 2.1).
 */
#ifndef FEALTY_MERKLE_TREE_H
#define FEALTY_MERKLE_TREE_H

#include "base/hash.h"

struct merkle_tree {
	uint64_t size;					/* leaves */
	uint8_t frontier[64][SHA256_BYTES];		/* [k]: root of the complete subtree of 2^k leaves, when bit k of size is set */
};

/* ret_hash of a node may be left or right itself. */
void merkle_leaf_hash(struct bytes leaf, uint8_t ret_hash[static SHA256_BYTES]);
void merkle_node_hash(const uint8_t left[static SHA256_BYTES], const uint8_t right[static SHA256_BYTES],
    uint8_t ret_hash[static SHA256_BYTES]);

void merkle_tree_init(struct merkle_tree *tree);

/**
 * merkle_tree_append(tree, leaf_hash, on_complete, ctx):
 * Adds a leaf.  For each subtree of 256^level leaves that it completes (level 0 is the leaf itself), on_complete(ctx, level, index,
 * hash), in rising order; NULL: nobody wants to know.
 */
void merkle_tree_append(struct merkle_tree *tree, const uint8_t leaf_hash[static SHA256_BYTES],
    void (*on_complete)(void *ctx, unsigned level, uint64_t index, const uint8_t hash[static SHA256_BYTES]), void *ctx);

void merkle_tree_root(const struct merkle_tree *tree, uint8_t ret_root[static SHA256_BYTES]);

/**
 * merkle_tree_load(tree, size, fetch, ctx):
 * The tree as it was at ${size}, from complete subtrees of 256^level leaves; fetch() writes one and says ST_OK or why not, which is then
 * passed up with *${tree} untouched.  At most 255 fetches a level.
 */
enum status merkle_tree_load(struct merkle_tree *tree, uint64_t size,
    enum status (*fetch)(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES]), void *ctx) MUST_CHECK;

#endif
