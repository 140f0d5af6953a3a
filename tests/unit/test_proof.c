/**
 * Inclusion and consistency proofs: the known proofs of RFC 6962's reference implementation, and for all sizes below 300 the recursive
 * definition of RFC 6962, with every proof broken in every way that it can be.  Trees of up to 2^64 - 1 leaves are made of equal leaves,
 * whose subtrees are known without them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "merkle/proof.h"

#define SIZES 300

/* table[begin][n]: the root of leaves [begin, begin + n). */
struct forest {
	uint8_t table[SIZES][SIZES + 1][SHA256_BYTES];
	uint64_t fail_after;		/* fetches that succeed */
	uint64_t fetches;
};

static uint64_t
split(uint64_t n)
{
	uint64_t k = 1;

	while (k * 2 < n)
		k *= 2;
	return k;
}

static int
forest_setup(void **state)
{
	struct forest *f = calloc(1, sizeof(*f));

	for (uint64_t begin = SIZES; begin-- > 0;) {
		uint8_t leaf[8];
		put_be64(leaf, begin);
		merkle_leaf_hash(bytes_of(leaf, sizeof(leaf)), f->table[begin][1]);
	}
	for (uint64_t n = 2; n <= SIZES; n++)
		for (uint64_t begin = 0; begin + n <= SIZES; begin++)
			merkle_node_hash(f->table[begin][split(n)], f->table[begin + split(n)][n - split(n)], f->table[begin][n]);
	hash_sha256(f->table[0][0], NULL, 0);
	f->fail_after = UINT64_MAX;
	*state = f;
	return 0;
}

static int
forest_teardown(void **state)
{
	free(*state);
	return 0;
}

static enum status
forest_fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	struct forest *f = ctx;
	uint64_t leaves = UINT64_C(1) << 8 * level;

	if (f->fail_after == 0)
		return ST_CORRUPT;
	f->fail_after--;
	f->fetches++;
	assert_true((index + 1) * leaves <= SIZES);
	memcpy(ret_hash, f->table[index * leaves][leaves], SHA256_BYTES);
	return ST_OK;
}

static void
assert_hash(const uint8_t have[static SHA256_BYTES], const uint8_t want[static SHA256_BYTES])
{
	assert_memory_equal(have, want, SHA256_BYTES);
}

static void
assert_proof(const struct proof *have, const struct proof *want)
{
	assert_int_equal(have->n_hashes, want->n_hashes);
	for (size_t i = 0; i < want->n_hashes; i++)
		assert_hash(have->hash[i], want->hash[i]);
}

static void
append(struct proof *proof, const uint8_t hash[static SHA256_BYTES])
{
	memcpy(proof->hash[proof->n_hashes++], hash, SHA256_BYTES);
}

/* PATH(m, D[n]) as RFC 6962, section 2.1.1, writes it. */
static void
path(struct forest *f, uint64_t m, uint64_t begin, uint64_t n, struct proof *proof)
{
	uint64_t k = split(n);

	if (n == 1)
		return;
	if (m < k) {
		path(f, m, begin, k, proof);
		append(proof, f->table[begin + k][n - k]);
	} else {
		path(f, m - k, begin + k, n - k, proof);
		append(proof, f->table[begin][k]);
	}
}

/* SUBPROOF(m, D[n], b) as RFC 6962, section 2.1.2, writes it. */
static void
subproof(struct forest *f, uint64_t m, uint64_t begin, uint64_t n, bool b, struct proof *proof)
{
	uint64_t k = split(n);

	if (m == n) {
		if (!b)
			append(proof, f->table[begin][m]);
	} else if (m <= k) {
		subproof(f, m, begin, k, b, proof);
		append(proof, f->table[begin + k][n - k]);
	} else {
		subproof(f, m - k, begin + k, n - k, false, proof);
		append(proof, f->table[begin][k]);
	}
}

/* ---- a proof that somebody breaks ---- */

/* What a broken proof is checked for; both kinds of proof, so that they are broken alike. */
struct claim {
	bool consistency;
	uint64_t at, size;		/* index, or old size */
	const uint8_t *start, *root;	/* leaf hash, or old root */
};

static enum proof_result
check(const struct claim *c, const struct proof *proof)
{
	return c->consistency ? proof_check_consistency(proof, c->at, c->start, c->size, c->root)
	    : proof_check_inclusion(proof, c->at, c->size, c->start, c->root);
}

static void
remove_hash(struct proof *proof, size_t i)
{
	memmove(proof->hash[i], proof->hash[i + 1], (proof->n_hashes - 1 - i) * SHA256_BYTES);
	proof->n_hashes--;
}

static void
repeat_hash(struct proof *proof, size_t i)
{
	memmove(proof->hash[i + 1], proof->hash[i], (proof->n_hashes - i) * SHA256_BYTES);
	proof->n_hashes++;
}

static void
flip(uint8_t hash[static SHA256_BYTES], unsigned bit)
{
	hash[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void
exchange(struct proof *proof, size_t i, size_t j)
{
	uint8_t hash[SHA256_BYTES];

	memcpy(hash, proof->hash[i], sizeof(hash));
	memcpy(proof->hash[i], proof->hash[j], sizeof(hash));
	memcpy(proof->hash[j], hash, sizeof(hash));
}

/* A bit of hash ${i}; this hash missing, there twice, and exchanged with the one before. */
static void
assert_hash_break_found(const struct claim *c, struct proof *proof, size_t i, unsigned bit)
{
	uint8_t hash[SHA256_BYTES];

	flip(proof->hash[i], bit);
	assert_int_equal(check(c, proof), PROOF_WRONG);
	flip(proof->hash[i], bit);

	memcpy(hash, proof->hash[i], sizeof(hash));
	remove_hash(proof, i);
	assert_int_equal(check(c, proof), PROOF_TOO_SHORT);
	repeat_hash(proof, i);
	memcpy(proof->hash[i], hash, sizeof(hash));

	repeat_hash(proof, i);
	assert_int_equal(check(c, proof), PROOF_TOO_LONG);
	remove_hash(proof, i);

	if (i > 0) {
		exchange(proof, i, i - 1);
		assert_int_equal(check(c, proof), PROOF_WRONG);
		exchange(proof, i, i - 1);
	}
}

/**
 * Every hash is broken in the proofs of small trees and in one of sixteen others, one hash in the rest, the hashes and the 256 bits taking
 * turns; and the roots.  With FEALTY_EVERY_BREAK in the environment every hash of every proof is.
 */
static void
assert_every_break_found(const struct claim *c, struct proof *proof, unsigned bit)
{
	uint8_t hash[SHA256_BYTES];
	struct claim other = *c;
	bool every = c->size <= 48 || getenv("FEALTY_EVERY_BREAK") != NULL;

	for (size_t i = 0; i < proof->n_hashes; i++)
		if (every || (c->size + c->at) % 16 == 0 || (c->size + c->at) % proof->n_hashes == i)
			assert_hash_break_found(c, proof, i, (bit + (unsigned)i * 31) % 256);
	other.root = hash;
	memcpy(hash, c->root, sizeof(hash));
	flip(hash, bit);
	assert_int_equal(check(&other, proof), PROOF_WRONG);
	other = *c;
	other.start = hash;
	memcpy(hash, c->start, sizeof(hash));
	flip(hash, bit);
	assert_int_equal(check(&other, proof), PROOF_WRONG);
	assert_int_equal(check(c, proof), PROOF_OK);
}

/* Making a proof costs more than checking it: all of small trees, one of nine others. */
static bool
worth_making(uint64_t size, uint64_t at)
{
	return size <= 64 || at < 2 || at + 2 >= size || (size + at) % 9 == 0;
}

static void
all_inclusions(void **state)
{
	struct forest *f = *state;

	for (uint64_t size = 1; size < SIZES; size++)
		for (uint64_t index = 0; index < size; index++) {
			struct proof proof = { .n_hashes = 0 };
			path(f, index, 0, size, &proof);
			if (worth_making(size, index)) {
				struct proof made;
				assert_int_equal(proof_inclusion(index, size, forest_fetch, f, &made), ST_OK);
				assert_proof(&made, &proof);
			}
			struct claim claim = { .at = index, .size = size, .start = f->table[index][1], .root = f->table[0][size] };
			assert_every_break_found(&claim, &proof, (unsigned)(size * 7 + index) % 256);
			/* Elsewhere, or of another tree, it proves nothing. */
			claim.at = index + 1;
			assert_int_not_equal(check(&claim, &proof), PROOF_OK);
			claim.at = index == 0 ? size : index - 1;
			assert_int_not_equal(check(&claim, &proof), PROOF_OK);
			for (uint64_t other = size - 1; other <= size + 1; other += 2) {
				claim = (struct claim){ .at = index, .size = other, .start = f->table[index][1], .root = f->table[0][other] };
				assert_int_not_equal(check(&claim, &proof), PROOF_OK);
			}
		}
}

static void
all_consistencies(void **state)
{
	struct forest *f = *state;

	for (uint64_t size = 2; size < SIZES; size++)
		for (uint64_t old_size = 1; old_size < size; old_size++) {
			struct proof proof = { .n_hashes = 0 };
			subproof(f, old_size, 0, size, true, &proof);
			if (worth_making(size, old_size)) {
				struct proof made;
				assert_int_equal(proof_consistency(old_size, size, forest_fetch, f, &made), ST_OK);
				assert_proof(&made, &proof);
			}
			struct claim claim = { .consistency = true, .at = old_size, .size = size, .start = f->table[0][old_size],
				.root = f->table[0][size] };
			assert_every_break_found(&claim, &proof, (unsigned)(size * 7 + old_size) % 256);
			/* Of other trees it proves nothing. */
			for (uint64_t other = old_size - 1; other <= old_size + 1; other += 2) {
				claim.at = other;
				claim.start = f->table[0][other];
				assert_int_not_equal(check(&claim, &proof), PROOF_OK);
			}
			for (uint64_t other = size - 1; other <= size + 1; other += 2) {
				claim = (struct claim){ .consistency = true, .at = old_size, .size = other, .start = f->table[0][old_size],
					.root = f->table[0][other] };
				assert_int_not_equal(check(&claim, &proof), PROOF_OK);
			}
		}
}

static void
trivial_consistencies(void **state)
{
	struct forest *f = *state;
	const struct proof none = { .n_hashes = 0 };
	struct proof proof, one = { .n_hashes = 1 };

	for (uint64_t size = 0; size < SIZES; size++) {
		const uint8_t *root = f->table[0][size], *empty = f->table[0][0], *other = f->table[1][1];
		memset(&proof, 0xAA, sizeof(proof));
		assert_int_equal(proof_consistency(0, size, forest_fetch, f, &proof), ST_OK);
		assert_int_equal(proof.n_hashes, 0);
		proof.n_hashes = 9;
		assert_int_equal(proof_consistency(size, size, forest_fetch, f, &proof), ST_OK);
		assert_int_equal(proof.n_hashes, 0);

		assert_int_equal(proof_check_consistency(&none, 0, empty, size, root), PROOF_OK);
		assert_int_equal(proof_check_consistency(&none, size, root, size, root), PROOF_OK);
		assert_int_equal(proof_check_consistency(&none, 0, other, size, root), PROOF_WRONG);
		assert_int_equal(proof_check_consistency(&none, size, root, size, other), PROOF_WRONG);
		memcpy(one.hash[0], root, SHA256_BYTES);
		assert_int_equal(proof_check_consistency(&one, 0, empty, size, root), PROOF_TOO_LONG);
		assert_int_equal(proof_check_consistency(&one, size, root, size, root), PROOF_TOO_LONG);
		if (size > 1)
			assert_int_equal(proof_check_consistency(&none, size - 1, f->table[0][size - 1], size, root), PROOF_TOO_SHORT);
	}
	assert_int_equal(f->fetches, 0);
	/* A root that is not that of the empty tree, on both sides. */
	assert_int_equal(proof_check_consistency(&none, 0, f->table[1][1], 0, f->table[1][1]), PROOF_WRONG);
}

static void
out_of_range(void **state)
{
	struct forest *f = *state;
	const struct proof none = { .n_hashes = 0 };
	static const struct { uint64_t index, size; } indexes[] = { { 0, 0 }, { 1, 1 }, { 8, 8 }, { 9, 8 }, { UINT64_MAX, 8 },
		{ UINT64_MAX, UINT64_MAX }, { UINT64_MAX, 0 } };

	for (size_t i = 0; i < sizeof(indexes) / sizeof(*indexes); i++) {
		struct proof proof = { .n_hashes = 77 };
		uint64_t index = indexes[i].index, size = indexes[i].size;
		assert_int_equal(proof_inclusion(index, size, forest_fetch, f, &proof), ST_INVALID);
		assert_int_equal(proof_check_inclusion(&none, index, size, f->table[0][1], f->table[0][1]), PROOF_OUT_OF_RANGE);
		if (index != size) {
			assert_int_equal(proof_consistency(index, size, forest_fetch, f, &proof), ST_INVALID);
			assert_int_equal(proof_check_consistency(&none, index, f->table[0][1], size, f->table[0][1]), PROOF_OUT_OF_RANGE);
		}
		assert_int_equal(proof.n_hashes, 77);
	}
	assert_int_equal(f->fetches, 0);
}

static void
a_failed_fetch_is_passed_up(void **state)
{
	struct forest *f = *state;
	struct proof proof = { .n_hashes = 77 };

	for (uint64_t i = 0;; i++) {
		f->fail_after = i;
		enum status st = proof_inclusion(200, 299, forest_fetch, f, &proof);
		if (st == ST_OK)
			break;
		assert_int_equal(st, ST_CORRUPT);
		assert_int_equal(proof.n_hashes, 77);
		assert_true(i < 600);
	}
	proof.n_hashes = 77;
	for (uint64_t i = 0;; i++) {
		f->fail_after = i;
		enum status st = proof_consistency(201, 299, forest_fetch, f, &proof);
		if (st == ST_OK)
			break;
		assert_int_equal(st, ST_CORRUPT);
		assert_int_equal(proof.n_hashes, 77);
		assert_true(i < 600);
	}
}

/* ---- known answers ---- */

/* Of the reference implementation of RFC 6962: its eight leaves, leaf numbers from 0. */
static const struct { bool consistency; uint64_t at, size; const char *hash[3]; } known[] = {
	{ false, 0, 1, { NULL } },
	{ false, 0, 8, { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
	{ false, 5, 8, { "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
	    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
	    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
	{ false, 2, 3, { "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" } },
	{ false, 1, 5, { "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
	{ true, 1, 1, { NULL } },
	{ true, 1, 8, { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
	{ true, 6, 8, { "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
	    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
	    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
	{ true, 2, 5, { "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
};

static enum status
known_fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	static const struct { const char *leaf; size_t len; } leaves[] = {
		{ "", 0 }, { "\x00", 1 }, { "\x10", 1 }, { "\x20\x21", 2 }, { "\x30\x31", 2 }, { "\x40\x41\x42\x43", 4 },
		{ "\x50\x51\x52\x53\x54\x55\x56\x57", 8 }, { "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16 },
	};
	(void)ctx;

	assert_true(level == 0 && index < 8);
	merkle_leaf_hash(bytes_of(leaves[index].leaf, leaves[index].len), ret_hash);
	return ST_OK;
}

static void
known_root(uint64_t size, uint8_t ret_root[static SHA256_BYTES])
{
	struct merkle_tree tree;

	assert_int_equal(merkle_tree_load(&tree, size, known_fetch, NULL), ST_OK);
	merkle_tree_root(&tree, ret_root);
}

static void
known_proofs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct proof proof, want = { .n_hashes = 0 };
		uint8_t root[SHA256_BYTES], start[SHA256_BYTES];
		uint64_t at = known[i].at, size = known[i].size;
		for (; want.n_hashes < 3 && known[i].hash[want.n_hashes] != NULL; want.n_hashes++)
			assert_int_equal(sodium_hex2bin(want.hash[want.n_hashes], SHA256_BYTES, known[i].hash[want.n_hashes], 64, NULL,
			    NULL, NULL), 0);
		known_root(size, root);
		if (known[i].consistency) {
			assert_int_equal(proof_consistency(at, size, known_fetch, NULL, &proof), ST_OK);
			known_root(at, start);
			assert_int_equal(proof_check_consistency(&want, at, start, size, root), PROOF_OK);
		} else {
			assert_int_equal(proof_inclusion(at, size, known_fetch, NULL, &proof), ST_OK);
			assert_int_equal(known_fetch(NULL, 0, at, start), ST_OK);
			assert_int_equal(proof_check_inclusion(&want, at, size, start, root), PROOF_OK);
		}
		assert_proof(&proof, &want);
	}
}

/* ---- very large trees ---- */

/* hash[k]: the root of 2^k equal leaves. */
struct uniform {
	uint8_t hash[64][SHA256_BYTES];
	uint64_t size;			/* of the largest tree that is asked about */
	unsigned fetches[8];
};

static enum status
uniform_fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	struct uniform *u = ctx;

	assert_true(level < 8);
	assert_true(index < u->size >> 8 * level);
	u->fetches[level]++;
	memcpy(ret_hash, u->hash[8 * level], SHA256_BYTES);
	return ST_OK;
}

static void
uniform_root(struct uniform *u, uint64_t size, uint8_t ret_root[static SHA256_BYTES])
{
	struct merkle_tree tree;

	assert_int_equal(merkle_tree_load(&tree, size, uniform_fetch, u), ST_OK);
	merkle_tree_root(&tree, ret_root);
}

static void
assert_large(struct uniform *u, uint64_t at, uint64_t size, size_t *longest)
{
	uint8_t root[SHA256_BYTES], old_root[SHA256_BYTES];
	struct proof proof;

	u->size = size;
	uniform_root(u, size, root);
	uniform_root(u, at, old_root);
	memset(u->fetches, 0, sizeof(u->fetches));
	assert_int_equal(proof_inclusion(at, size, uniform_fetch, u, &proof), ST_OK);
	for (unsigned i = 0; i < 8; i++)
		assert_true(u->fetches[i] <= 640);
	assert_true(proof.n_hashes <= PROOF_INCLUSION_MAX);
	assert_int_equal(proof_check_inclusion(&proof, at, size, u->hash[0], root), PROOF_OK);
	flip(proof.hash[proof.n_hashes / 2], 99);
	assert_int_equal(proof_check_inclusion(&proof, at, size, u->hash[0], root), PROOF_WRONG);
	longest[0] = proof.n_hashes > longest[0] ? proof.n_hashes : longest[0];

	memset(u->fetches, 0, sizeof(u->fetches));
	assert_int_equal(proof_consistency(at, size, uniform_fetch, u, &proof), ST_OK);
	for (unsigned i = 0; i < 8; i++)
		assert_true(u->fetches[i] <= 640);
	assert_int_equal(proof_check_consistency(&proof, at, old_root, size, root), PROOF_OK);
	if (proof.n_hashes != 0) {
		flip(proof.hash[proof.n_hashes - 1], 99);
		assert_int_equal(proof_check_consistency(&proof, at, old_root, size, root), PROOF_WRONG);
	}
	longest[1] = proof.n_hashes > longest[1] ? proof.n_hashes : longest[1];
}

static void
large_trees(void **state)
{
	static const uint64_t sizes[] = { 256, 257, 65535, 65536, 65537, 16777215, 16777217, UINT64_C(10000000), UINT64_C(1) << 40,
		(UINT64_C(1) << 56) - 1, UINT64_C(1) << 56, (UINT64_C(1) << 63) - 1, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1,
		UINT64_MAX - 1, UINT64_MAX };
	struct uniform u = { 0 };
	size_t longest[2] = { 0 };
	(void)state;

	merkle_leaf_hash(bytes_of("x", 1), u.hash[0]);
	for (unsigned k = 1; k < 64; k++)
		merkle_node_hash(u.hash[k - 1], u.hash[k - 1], u.hash[k]);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		const uint64_t n = sizes[i];
		const uint64_t places[] = { 0, 1, 2, 3, 255, n / 3, n / 2, n - n / 7, n - 2, n - 1, n >> 1 ^ (n >> 3) };
		for (size_t j = 0; j < sizeof(places) / sizeof(*places); j++)
			assert_large(&u, places[j], n, longest);
	}
	assert_int_equal(longest[0], PROOF_INCLUSION_MAX);
	assert_int_equal(longest[1], PROOF_HASHES_MAX);
}

static void
results_have_sentences(void **state)
{
	(void)state;
	for (enum proof_result r = PROOF_OK; r <= PROOF_WRONG; r++)
		assert_true(strlen(proof_result_str(r)) > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_proofs),
		cmocka_unit_test_setup_teardown(all_inclusions, forest_setup, forest_teardown),
		cmocka_unit_test_setup_teardown(all_consistencies, forest_setup, forest_teardown),
		cmocka_unit_test_setup_teardown(trivial_consistencies, forest_setup, forest_teardown),
		cmocka_unit_test_setup_teardown(out_of_range, forest_setup, forest_teardown),
		cmocka_unit_test_setup_teardown(a_failed_fetch_is_passed_up, forest_setup, forest_teardown),
		cmocka_unit_test(large_trees),
		cmocka_unit_test(results_have_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
