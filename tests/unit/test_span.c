/**
 * Proofs of a batch's leaves without stored tiles: the same as those made from tiles, for every split of every size below 300; and in
 * trees far larger than can be built, checked against the root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "merkle/span.h"

#define SIZES 300
#define NEW_MAX 600

static uint8_t leaves[SIZES][SHA256_BYTES];

static void
leaf_of(uint64_t i, uint8_t ret_hash[static SHA256_BYTES])
{
	uint8_t text[8];

	put_be64(text, i);
	merkle_leaf_hash(bytes_of(text, sizeof(text)), ret_hash);
}

static enum status
fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	struct merkle_tree part;

	(void)ctx;
	merkle_tree_init(&part);
	for (uint64_t i = index << 8 * level; i < (index + 1) << 8 * level; i++)
		merkle_tree_append(&part, leaves[i], NULL, NULL);
	merkle_tree_root(&part, ret_hash);
	return ST_OK;
}

static void
same_as_from_tiles(void **state)
{
	static uint8_t hashes[2 * SIZES + 64][SHA256_BYTES];
	struct merkle_tree before;
	struct proof want, have;
	struct span span;

	(void)state;
	for (uint64_t i = 0; i < SIZES; i++)
		leaf_of(i, leaves[i]);
	merkle_tree_init(&before);
	for (uint64_t old = 0; old < SIZES; old++) {
		for (uint64_t size = old + 1; size <= SIZES; size += size < 40 ? 1 : 41) {
			size_t n = (size_t)(size - old);
			assert_true(span_hashes_max(n) <= sizeof(hashes) / sizeof(*hashes));
			memcpy(hashes, leaves[old], n * SHA256_BYTES);
			span_init(&span, &before, hashes, n);
			for (uint64_t index = old; index < size; index += index < 40 ? 1 : 13) {
				span_inclusion(&span, index, &have);
				assert_int_equal(proof_inclusion(index, size, fetch, NULL, &want), ST_OK);
				assert_int_equal(have.n_hashes, want.n_hashes);
				assert_memory_equal(have.hash, want.hash, want.n_hashes * SHA256_BYTES);
			}
		}
		merkle_tree_append(&before, leaves[old], NULL, NULL);
	}
}

/* Nobody knows the leaves of these: a frontier may be any hashes. */
static void
large_trees(void **state)
{
	static const struct { uint64_t before; size_t n; } cases[] = {
		{ UINT64_C(1) << 40, 1 }, { (UINT64_C(1) << 40) - 1, 2 }, { UINT64_C(10000019), 500 }, { (UINT64_C(1) << 62) - 300, 600 },
		{ UINT64_C(0x5555555555555), 77 }, { (UINT64_C(1) << 32) + 255, 3 },
	};
	static uint8_t hashes[2 * NEW_MAX + 65][SHA256_BYTES];
	uint8_t root[SHA256_BYTES], leaf[SHA256_BYTES];
	struct span span;
	struct proof proof;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct merkle_tree before = { .size = cases[i].before }, after;
		for (unsigned k = 0; k < 64; k++)
			leaf_of(k * 1000 + i, before.frontier[k]);
		after = before;
		for (size_t k = 0; k < cases[i].n; k++) {
			leaf_of(k, hashes[k]);
			merkle_tree_append(&after, hashes[k], NULL, NULL);
		}
		merkle_tree_root(&after, root);
		/* as many as span_hashes_max() says, and what is behind them stays */
		size_t room = span_hashes_max(cases[i].n);
		memset(hashes[room], 0xab, SHA256_BYTES);
		span_init(&span, &before, hashes, cases[i].n);
		assert_int_equal(hashes[room][0], 0xab);
		for (size_t k = 0; k < cases[i].n; k++) {
			span_inclusion(&span, cases[i].before + k, &proof);
			leaf_of(k, leaf);
			assert_int_equal(proof_check_inclusion(&proof, cases[i].before + k, after.size, leaf, root), PROOF_OK);
			leaf[0] ^= 1;
			assert_int_equal(proof_check_inclusion(&proof, cases[i].before + k, after.size, leaf, root), PROOF_WRONG);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_from_tiles),
		cmocka_unit_test(large_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
