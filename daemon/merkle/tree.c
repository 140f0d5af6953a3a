/**
 * The frontier is the binary form of the size: bit k of size is set exactly when frontier[k] is the root of a complete subtree of 2^k
 * leaves, and these subtrees, the largest first, are the log from left to right.  Adding a leaf is adding one: each carry is a node hash.
 * The split at the largest power of two below n makes the root the fold of the frontier from its smallest subtree upwards.
 */
#include "merkle/tree.h"

#include <assert.h>
#include <string.h>

#define LEVEL_BITS 8		/* 256 = 2^8 */

static bool
bit_set(uint64_t size, unsigned k)
{
	return (size >> k & 1) != 0;
}

void
merkle_leaf_hash(struct bytes leaf, uint8_t ret_hash[static SHA256_BYTES])
{
	const struct bytes parts[] = { bytes_of("\0", 1), leaf };

	hash_sha256(ret_hash, parts, 2);
}

void
merkle_node_hash(const uint8_t left[static SHA256_BYTES], const uint8_t right[static SHA256_BYTES],
    uint8_t ret_hash[static SHA256_BYTES])
{
	const struct bytes parts[] = { bytes_of("\1", 1), bytes_of(left, SHA256_BYTES), bytes_of(right, SHA256_BYTES) };

	hash_sha256(ret_hash, parts, 3);
}

void
merkle_tree_init(struct merkle_tree *tree)
{
	memset(tree, 0, sizeof(*tree));
}

void
merkle_tree_append(struct merkle_tree *tree, const uint8_t leaf_hash[static SHA256_BYTES],
    void (*on_complete)(void *ctx, unsigned level, uint64_t index, const uint8_t hash[static SHA256_BYTES]), void *ctx)
{
	uint8_t hash[SHA256_BYTES];
	uint64_t index = tree->size;

	assert(tree->size < UINT64_MAX);
	memcpy(hash, leaf_hash, sizeof(hash));
	for (unsigned k = 0;; k++) {
		if (on_complete != NULL && k % LEVEL_BITS == 0)
			on_complete(ctx, k / LEVEL_BITS, index >> k, hash);
		if (!bit_set(tree->size, k)) {
			memcpy(tree->frontier[k], hash, sizeof(hash));
			break;
		}
		merkle_node_hash(tree->frontier[k], hash, hash);
	}
	tree->size++;
}

void
merkle_tree_root(const struct merkle_tree *tree, uint8_t ret_root[static SHA256_BYTES])
{
	bool started = false;

	for (unsigned k = 0; k < 64; k++) {
		if (!bit_set(tree->size, k))
			continue;
		if (started)
			merkle_node_hash(tree->frontier[k], ret_root, ret_root);
		else
			memcpy(ret_root, tree->frontier[k], SHA256_BYTES);
		started = true;
	}
	if (!started)
		hash_sha256(ret_root, NULL, 0);
}

/**
 * The subtrees of a level that no subtree of the level above holds: as leaves of a small tree they give the level's part of the frontier.
 */
static enum status
load_level(struct merkle_tree *tree, unsigned level,
    enum status (*fetch)(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES]), void *ctx)
{
	uint64_t end = tree->size >> (level * LEVEL_BITS);
	struct merkle_tree part;

	merkle_tree_init(&part);
	for (uint64_t index = end >> LEVEL_BITS << LEVEL_BITS; index < end; index++) {
		uint8_t hash[SHA256_BYTES];
		enum status st = fetch(ctx, level, index, hash);
		if (st != ST_OK)
			return st;
		merkle_tree_append(&part, hash, NULL, NULL);
	}
	memcpy(tree->frontier[level * LEVEL_BITS], part.frontier, (size_t)LEVEL_BITS * SHA256_BYTES);
	return ST_OK;
}

enum status
merkle_tree_load(struct merkle_tree *tree, uint64_t size,
    enum status (*fetch)(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES]), void *ctx)
{
	struct merkle_tree loaded;

	merkle_tree_init(&loaded);
	loaded.size = size;
	for (unsigned level = 0; level < 64 / LEVEL_BITS; level++) {
		enum status st = load_level(&loaded, level, fetch, ctx);
		if (st != ST_OK)
			return st;
	}
	*tree = loaded;
	return ST_OK;
}
