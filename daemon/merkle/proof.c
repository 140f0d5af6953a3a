/**
 * Making a proof walks down from the root, keeping the part [begin, end) of the leaves that holds the leaf, or the old tree's edge; each
 * step leaves one half aside, whose root is a hash of the proof, and the proof is those hashes from the last to the first.  A part's begin
 * is always a multiple of the smallest power of two that is not below its length: so its left half is a complete subtree, and the part
 * itself is made of complete subtrees, one for each bit of its length, the largest first (as the frontier of tree.c is).
 *
 * Checking goes the other way, from the bits of the last index alone, and shares no code with making: each is a test of the other.
 */
#include "merkle/proof.h"

#include <assert.h>

#define LEVEL_BITS 8		/* 256 = 2^8 */

/* The largest power of two below ${n} (RFC 6962's k); ${n} > 1. */
static uint64_t
half(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* The root of the complete subtree of 2^k leaves that begins with leaf index × 2^k. */
static enum status
complete_root(unsigned k, uint64_t index, merkle_fetch_fn *fetch, void *ctx, uint8_t ret_root[static SHA256_BYTES])
{
	unsigned level = k / LEVEL_BITS, above = k % LEVEL_BITS;
	struct merkle_tree part;

	merkle_tree_init(&part);
	for (uint64_t i = index << above; i < (index + 1) << above; i++) {
		uint8_t hash[SHA256_BYTES];
		enum status st = fetch(ctx, level, i, hash);
		if (st != ST_OK)
			return st;
		merkle_tree_append(&part, hash, NULL, NULL);
	}
	memcpy(ret_root, part.frontier[above], SHA256_BYTES);
	return ST_OK;
}

/* The root of the leaves [begin, end): of its complete subtrees, from the smallest, which is the last, upwards. */
static enum status
part_root(uint64_t begin, uint64_t end, merkle_fetch_fn *fetch, void *ctx, uint8_t ret_root[static SHA256_BYTES])
{
	uint64_t n = end - begin;
	bool started = false;

	assert(n != 0);
	for (unsigned k = 0; k < 64; k++) {
		uint8_t hash[SHA256_BYTES];
		if ((n >> k & 1) == 0)
			continue;
		uint64_t before = k == 63 ? 0 : n >> (k + 1) << (k + 1);
		enum status st = complete_root(k, (begin + before) >> k, fetch, ctx, hash);
		if (st != ST_OK)
			return st;
		if (started)
			merkle_node_hash(hash, ret_root, ret_root);
		else
			memcpy(ret_root, hash, SHA256_BYTES);
		started = true;
	}
	return ST_OK;
}

static enum status
push(struct proof *proof, uint64_t begin, uint64_t end, merkle_fetch_fn *fetch, void *ctx)
{
	assert(proof->n_hashes < PROOF_HASHES_MAX);
	enum status st = part_root(begin, end, fetch, ctx, proof->hash[proof->n_hashes]);
	if (st == ST_OK)
		proof->n_hashes++;
	return st;
}

static void
reversed(const struct proof *proof, struct proof *ret_proof)
{
	ret_proof->n_hashes = proof->n_hashes;
	for (size_t i = 0; i < proof->n_hashes; i++)
		memcpy(ret_proof->hash[i], proof->hash[proof->n_hashes - 1 - i], SHA256_BYTES);
}

enum status
proof_inclusion(uint64_t index, uint64_t size, merkle_fetch_fn *fetch, void *ctx, struct proof *ret_proof)
{
	struct proof down = { .n_hashes = 0 };
	uint64_t begin = 0, end = size;

	if (index >= size)
		return ST_INVALID;
	while (end - begin > 1) {
		uint64_t middle = begin + half(end - begin);
		bool left = index < middle;
		enum status st = left ? push(&down, middle, end, fetch, ctx) : push(&down, begin, middle, fetch, ctx);
		if (st != ST_OK)
			return st;
		if (left)
			end = middle;
		else
			begin = middle;
	}
	reversed(&down, ret_proof);
	return ST_OK;
}

enum status
proof_consistency(uint64_t old_size, uint64_t size, merkle_fetch_fn *fetch, void *ctx, struct proof *ret_proof)
{
	struct proof down = { .n_hashes = 0 };
	uint64_t begin = 0, end = size;
	enum status st = ST_OK;

	if (old_size > size)
		return ST_INVALID;
	while (old_size != 0 && end != old_size) {
		uint64_t middle = begin + half(end - begin);
		bool left = old_size <= middle;
		st = left ? push(&down, middle, end, fetch, ctx) : push(&down, begin, middle, fetch, ctx);
		if (st != ST_OK)
			return st;
		if (left)
			end = middle;
		else
			begin = middle;
	}
	if (begin != 0)		/* the last part is not the old tree itself, whose root the checker has */
		st = push(&down, begin, end, fetch, ctx);
	if (st == ST_OK)
		reversed(&down, ret_proof);
	return st;
}

static const char *const result_text[] = {
	[PROOF_OK] = "the proof holds",
	[PROOF_OUT_OF_RANGE] = "the index or old size lies outside the tree",
	[PROOF_TOO_SHORT] = "the proof has too few hashes for these sizes",
	[PROOF_TOO_LONG] = "the proof has too many hashes for these sizes",
	[PROOF_WRONG] = "the proof does not lead to the root",
};

const char *
proof_result_str(enum proof_result result)
{
	return result_text[result];
}

static bool
same(const uint8_t a[static SHA256_BYTES], const uint8_t b[static SHA256_BYTES])
{
	return memcmp(a, b, SHA256_BYTES) == 0;
}

enum proof_result
proof_check_inclusion(const struct proof *proof, uint64_t index, uint64_t size, const uint8_t leaf_hash[static SHA256_BYTES],
    const uint8_t root[static SHA256_BYTES])
{
	uint8_t r[SHA256_BYTES];

	assert(proof->n_hashes <= PROOF_HASHES_MAX);
	if (index >= size)
		return PROOF_OUT_OF_RANGE;
	uint64_t node = index, last = size - 1;		/* their places on the row that r is of */
	memcpy(r, leaf_hash, sizeof(r));
	for (size_t i = 0; i < proof->n_hashes; i++) {
		if (last == 0)
			return PROOF_TOO_LONG;
		if ((node & 1) != 0 || node == last) {
			merkle_node_hash(proof->hash[i], r, r);
			for (; (node & 1) == 0 && node != 0; node >>= 1)
				last >>= 1;		/* the only node of its pair: it rises as it is */
		} else
			merkle_node_hash(r, proof->hash[i], r);
		node >>= 1;
		last >>= 1;
	}
	if (last != 0)
		return PROOF_TOO_SHORT;
	return same(r, root) ? PROOF_OK : PROOF_WRONG;
}

/* From the old tree's last complete subtree ${start}, ${node} on its row, with the hashes of the proof from ${i} on. */
static enum proof_result
check_growth(const struct proof *proof, size_t i, const uint8_t start[static SHA256_BYTES], uint64_t node, uint64_t last,
    const uint8_t old_root[static SHA256_BYTES], const uint8_t root[static SHA256_BYTES])
{
	uint8_t old_r[SHA256_BYTES], r[SHA256_BYTES];

	memcpy(old_r, start, sizeof(old_r));
	memcpy(r, start, sizeof(r));
	for (; i < proof->n_hashes; i++) {
		if (last == 0)
			return PROOF_TOO_LONG;
		if ((node & 1) != 0 || node == last) {
			merkle_node_hash(proof->hash[i], old_r, old_r);
			merkle_node_hash(proof->hash[i], r, r);
			for (; (node & 1) == 0 && node != 0; node >>= 1)
				last >>= 1;
		} else
			merkle_node_hash(r, proof->hash[i], r);
		node >>= 1;
		last >>= 1;
	}
	if (last != 0)
		return PROOF_TOO_SHORT;
	return same(old_r, old_root) && same(r, root) ? PROOF_OK : PROOF_WRONG;
}

/* Where there is nothing to prove: equal trees, or the empty one. */
static enum proof_result
check_trivial(const struct proof *proof, uint64_t old_size, const uint8_t old_root[static SHA256_BYTES], uint64_t size,
    const uint8_t root[static SHA256_BYTES])
{
	struct merkle_tree none;
	uint8_t empty_root[SHA256_BYTES];

	if (proof->n_hashes != 0)
		return PROOF_TOO_LONG;
	if (old_size == size && !same(old_root, root))
		return PROOF_WRONG;
	merkle_tree_init(&none);
	merkle_tree_root(&none, empty_root);
	return old_size != 0 || same(old_root, empty_root) ? PROOF_OK : PROOF_WRONG;
}

enum proof_result
proof_check_consistency(const struct proof *proof, uint64_t old_size, const uint8_t old_root[static SHA256_BYTES], uint64_t size,
    const uint8_t root[static SHA256_BYTES])
{
	assert(proof->n_hashes <= PROOF_HASHES_MAX);
	if (old_size > size)
		return PROOF_OUT_OF_RANGE;
	if (old_size == size || old_size == 0)
		return check_trivial(proof, old_size, old_root, size, root);
	if (proof->n_hashes == 0)
		return PROOF_TOO_SHORT;

	unsigned k = (unsigned)__builtin_ctzll(old_size);	/* the old tree ends with a complete subtree of 2^k leaves */
	uint64_t node = (old_size - 1) >> k, last = (size - 1) >> k;
	if (node == 0)						/* which is the whole old tree: its root is known */
		return check_growth(proof, 0, old_root, node, last, old_root, root);
	return check_growth(proof, 1, proof->hash[0], node, last, old_root, root);
}
