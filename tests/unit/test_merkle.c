/**
 * The tree against the known roots of RFC 6962's reference implementation, against the recursive definition, and against itself when
 * loaded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "merkle/tree.h"

static void
hex(const uint8_t hash[static SHA256_BYTES], char ret_text[static 2 * SHA256_BYTES + 1])
{
	sodium_bin2hex(ret_text, 2 * SHA256_BYTES + 1, hash, SHA256_BYTES);
}

static void
assert_root(const struct merkle_tree *tree, const char *want)
{
	uint8_t root[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];

	merkle_tree_root(tree, root);
	hex(root, text);
	assert_string_equal(text, want);
}

static void
known_roots(void **state)
{
	static const struct { const char *leaf; size_t len; const char *root; } leaves[] = {
		{ "", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
		{ "\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
		{ "\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
		{ "\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
		{ "\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
		{ "\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
		{ "\x50\x51\x52\x53\x54\x55\x56\x57", 8, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
		{ "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
		    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
	};
	struct merkle_tree tree;
	(void)state;

	merkle_tree_init(&tree);
	assert_root(&tree, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < sizeof(leaves) / sizeof(*leaves); i++) {
		uint8_t hash[SHA256_BYTES];
		merkle_leaf_hash(bytes_of(leaves[i].leaf, leaves[i].len), hash);
		merkle_tree_append(&tree, hash, NULL, NULL);
		assert_int_equal(tree.size, i + 1);
		assert_root(&tree, leaves[i].root);
	}
}

static void
leaf_of(uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	uint8_t leaf[8];

	put_be64(leaf, index);
	merkle_leaf_hash(bytes_of(leaf, sizeof(leaf)), ret_hash);
}

/* RFC 6962, section 2.1, as it is written. */
static void
root_by_definition(uint64_t begin, uint64_t n, uint8_t ret_root[static SHA256_BYTES])
{
	uint8_t left[SHA256_BYTES], right[SHA256_BYTES];
	uint64_t k = 1;

	if (n == 0) {
		crypto_hash_sha256(ret_root, NULL, 0);
		return;
	}
	if (n == 1) {
		leaf_of(begin, ret_root);
		return;
	}
	while (k * 2 < n)
		k *= 2;
	root_by_definition(begin, k, left);
	root_by_definition(begin + k, n - k, right);
	merkle_node_hash(left, right, ret_root);
}

static void
frontier_root_is_the_definition(void **state)
{
	struct merkle_tree tree;
	(void)state;

	merkle_tree_init(&tree);
	for (uint64_t n = 0; n <= 600; n++) {
		uint8_t want[SHA256_BYTES], got[SHA256_BYTES], leaf[SHA256_BYTES];
		root_by_definition(0, n, want);
		merkle_tree_root(&tree, got);
		assert_memory_equal(got, want, SHA256_BYTES);
		leaf_of(n, leaf);
		merkle_tree_append(&tree, leaf, NULL, NULL);
	}
}

/* ---- loading ---- */

#define LEAVES UINT64_C(70000)
#define STORE_LEVELS 3

struct store {
	uint8_t (*level[STORE_LEVELS])[SHA256_BYTES];
	uint64_t n[STORE_LEVELS];	/* stored so far */
	int last_level;			/* in this append */
	uint64_t fetches[8];
	uint64_t fail_after;		/* fetches that succeed */
};

static void
store_put(void *ctx, unsigned level, uint64_t index, const uint8_t hash[static SHA256_BYTES])
{
	struct store *s = ctx;

	assert_true(level < STORE_LEVELS);
	assert_int_equal(index, s->n[level]);			/* each once, without a gap */
	assert_int_equal((int)level, s->last_level + 1);	/* rising from the leaf */
	s->last_level = (int)level;
	memcpy(s->level[level][index], hash, SHA256_BYTES);
	s->n[level]++;
}

static enum status
store_fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	struct store *s = ctx;

	if (s->fail_after == 0)
		return ST_CORRUPT;
	s->fail_after--;
	assert_true(level < STORE_LEVELS && index < s->n[level]);
	s->fetches[level]++;
	memcpy(ret_hash, s->level[level][index], SHA256_BYTES);
	return ST_OK;
}

static int
store_setup(void **state)
{
	struct store *s = calloc(1, sizeof(*s));

	for (unsigned i = 0; i < STORE_LEVELS; i++)
		s->level[i] = calloc((LEAVES >> 8 * i) + 1, SHA256_BYTES);
	s->fail_after = UINT64_MAX;
	*state = s;
	return 0;
}

static int
store_teardown(void **state)
{
	struct store *s = *state;

	for (unsigned i = 0; i < STORE_LEVELS; i++)
		free(s->level[i]);
	free(s);
	return 0;
}

static bool
worth_loading(uint64_t size)
{
	static const uint64_t sizes[] = { 0, 1, 2, 3, 254, 255, 256, 257, 511, 512, 513, 4095, 4096, 65279, 65280, 65535, 65536, 65537,
		65791, 65792, 65793, 69999, 70000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (sizes[i] == size)
			return true;
	return size % 997 == 0;
}

/* Every bit of the state must be as it was, so that both trees also grow alike. */
static void
assert_same_frontier(const struct merkle_tree *a, const struct merkle_tree *b)
{
	assert_int_equal(a->size, b->size);
	for (unsigned k = 0; k < 64; k++)
		if ((a->size >> k & 1) != 0)
			assert_memory_equal(a->frontier[k], b->frontier[k], SHA256_BYTES);
}

static void
loaded_tree_is_the_grown_one(void **state)
{
	struct store *s = *state;
	static struct merkle_tree kept[256];
	struct merkle_tree tree;
	unsigned n_kept = 0;

	merkle_tree_init(&tree);
	for (uint64_t n = 0; n <= LEAVES; n++) {
		uint8_t leaf[SHA256_BYTES];
		if (worth_loading(n))
			kept[n_kept++] = tree;
		leaf_of(n, leaf);
		s->last_level = -1;
		if (n < LEAVES)
			merkle_tree_append(&tree, leaf, store_put, s);
	}
	assert_int_equal(s->n[0], LEAVES);
	assert_int_equal(s->n[1], LEAVES / 256);
	assert_int_equal(s->n[2], 1);

	for (unsigned i = 0; i < n_kept; i++) {		/* from the nodes of the whole log: the tree as it was at an earlier size */
		struct merkle_tree loaded;
		uint8_t want[SHA256_BYTES], got[SHA256_BYTES];
		memset(s->fetches, 0, sizeof(s->fetches));
		memset(&loaded, 0xee, sizeof(loaded));
		assert_int_equal(merkle_tree_load(&loaded, kept[i].size, store_fetch, s), ST_OK);
		assert_same_frontier(&loaded, &kept[i]);
		merkle_tree_root(&kept[i], want);
		merkle_tree_root(&loaded, got);
		assert_memory_equal(got, want, SHA256_BYTES);
		for (unsigned level = 0; level < 8; level++)
			assert_int_equal(s->fetches[level], kept[i].size >> 8 * level & 0xff);
	}
	assert_true(n_kept > 80);
}

static void
failing_fetch_leaves_the_tree(void **state)
{
	struct store *s = *state;
	struct merkle_tree tree, before;

	merkle_tree_init(&tree);
	for (uint64_t n = 0; n < 600; n++) {
		uint8_t leaf[SHA256_BYTES];
		leaf_of(n, leaf);
		s->last_level = -1;
		merkle_tree_append(&tree, leaf, store_put, s);
	}
	before = tree;
	for (uint64_t after = 0; after < 90; after++) {		/* 600 = 2 × 256 + 88: 90 fetches */
		s->fail_after = after;
		assert_int_equal(merkle_tree_load(&tree, 600, store_fetch, s), ST_CORRUPT);
		assert_memory_equal(&tree, &before, sizeof(tree));
	}
	s->fail_after = 90;
	assert_int_equal(merkle_tree_load(&tree, 600, store_fetch, s), ST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_roots),
		cmocka_unit_test(frontier_root_is_the_definition),
		cmocka_unit_test_setup_teardown(loaded_tree_is_the_grown_one, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(failing_fetch_leaves_the_tree, store_setup, store_teardown),
	};

	return cmocka_run_group_tests_name("merkle", tests, NULL, NULL);
}
