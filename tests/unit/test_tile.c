/**
 * Tiles and bundles: the examples of C2SP tlog-tiles, every path that is refused, the hashes of every tile of a log against the definition,
 * and inclusion proven from tiles alone; paths and bundles broken at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "merkle/tile.h"
#include "note_world.h"

#define ROUNDS 60000

/* ---- paths ---- */

static void
paths(void **state)
{
	static const struct { const char *path; struct tile tile; } cases[] = {
		{ "tile/0/000", { false, 0, 0, 256 } },
		{ "tile/0/000.p/1", { false, 0, 0, 1 } },
		{ "tile/4/x001/x234/067", { false, 4, 1234067, 256 } },		/* the specification's index */
		{ "tile/4/x001/x234/067.p/1", { false, 4, 1234067, 1 } },
		{ "tile/entries/x001/x234/067.p/255", { true, 0, 1234067, 255 } },
		{ "tile/entries/999", { true, 0, 999, 256 } },
		{ "tile/0/x001/000", { false, 0, 1000, 256 } },
		{ "tile/0/x999/999.p/10", { false, 0, 999999, 10 } },
		{ "tile/1/x001/x000/000", { false, 1, 1000000, 256 } },
		{ "tile/63/000", { false, 63, 0, 256 } },
		{ "tile/10/001.p/99", { false, 10, 1, 99 } },
		{ "tile/0/x018/x446/x744/x073/x709/x551/615", { false, 0, UINT64_MAX, 256 } },
		{ "tile/entries/x018/x446/x744/x073/x709/x551/615.p/255", { true, 0, UINT64_MAX, 255 } },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tile tile;
		char out[TILE_PATH_BYTES];
		struct writer w = writer_of(out, sizeof(out));
		tile_print(&w, &cases[i].tile);
		assert_text(writer_bytes(&w), cases[i].path);
		assert_int_equal(tile_parse(text_bytes(cases[i].path), &tile), TILE_OK);
		assert_int_equal(tile.entries, cases[i].tile.entries);
		assert_int_equal(tile.level, cases[i].tile.level);
		assert_int_equal(tile.index, cases[i].tile.index);
		assert_int_equal(tile.width, cases[i].tile.width);
	}
}

static void
no_paths(void **state)
{
	static const struct { const char *path; enum tile_result want; } cases[] = {
		{ "", TILE_BAD_LEVEL }, { "tile", TILE_BAD_LEVEL }, { "tile/", TILE_BAD_LEVEL },
		{ "/tile/0/000", TILE_BAD_LEVEL }, { "Tile/0/000", TILE_BAD_LEVEL }, { "tile//000", TILE_BAD_LEVEL },
		{ "tile/00/000", TILE_BAD_LEVEL }, { "tile/01/000", TILE_BAD_LEVEL }, { "tile/-1/000", TILE_BAD_LEVEL },
		{ "tile/64/000", TILE_BAD_LEVEL }, { "tile/100/000", TILE_BAD_LEVEL }, { "tile/x/000", TILE_BAD_LEVEL },
		{ "tile/data/000", TILE_BAD_LEVEL }, { "tile/entry/000", TILE_BAD_LEVEL }, { "tile/ 0/000", TILE_BAD_LEVEL },
		{ "tile/18446744073709551616/000", TILE_BAD_LEVEL },
		{ "tile/8/0/000", TILE_BAD_INDEX },		/* as sumdb/tlog has them */
		{ "tile/0", TILE_BAD_INDEX }, { "tile/0/", TILE_BAD_INDEX }, { "tile/0/0", TILE_BAD_INDEX },
		{ "tile/0/00", TILE_BAD_INDEX }, { "tile/0/0000", TILE_BAD_INDEX }, { "tile/0/1234067", TILE_BAD_INDEX },
		{ "tile/0/000/", TILE_BAD_INDEX }, { "tile/0/000/000", TILE_BAD_INDEX }, { "tile/0/x000", TILE_BAD_INDEX },
		{ "tile/0/x000/067", TILE_BAD_INDEX }, { "tile/0/x000/x001/067", TILE_BAD_INDEX },
		{ "tile/0/001/x234/067", TILE_BAD_INDEX }, { "tile/0/x001/234/067", TILE_BAD_INDEX },
		{ "tile/0/X001/067", TILE_BAD_INDEX }, { "tile/0/x001//067", TILE_BAD_INDEX },
		{ "tile/0/x1/067", TILE_BAD_INDEX }, { "tile/0/xx01/067", TILE_BAD_INDEX }, { "tile/0/-01", TILE_BAD_INDEX },
		{ "tile/0/+01", TILE_BAD_INDEX }, { "tile/0/ 01", TILE_BAD_INDEX }, { "tile/0/0a0", TILE_BAD_INDEX },
		{ "tile/0/x001/067\n", TILE_BAD_INDEX }, { "tile/0/x018/x446/x744/x073/x709/x551/616", TILE_BAD_INDEX },
		{ "tile/0/x999/x999/x999/x999/x999/x999/999", TILE_BAD_INDEX },
		{ "tile/0/x001/x001/x001/x001/x001/x001/x001/000", TILE_BAD_INDEX }, { "tile/0/../000", TILE_BAD_INDEX },
		{ "tile/0/000.q/1", TILE_BAD_INDEX }, { "tile/0/x001.p/067", TILE_BAD_INDEX },
		{ "tile/0/000.p", TILE_BAD_WIDTH }, { "tile/0/000.p/", TILE_BAD_WIDTH }, { "tile/0/000.p/0", TILE_BAD_WIDTH },
		{ "tile/0/000.p/00", TILE_BAD_WIDTH }, { "tile/0/000.p/01", TILE_BAD_WIDTH },
		{ "tile/0/000.p/256", TILE_BAD_WIDTH }, { "tile/0/000.p/-1", TILE_BAD_WIDTH },
		{ "tile/0/000.p/1/", TILE_BAD_WIDTH }, { "tile/0/000.p/1 ", TILE_BAD_WIDTH },
		{ "tile/0/000.p/x", TILE_BAD_WIDTH }, { "tile/entries/000.p/999999999999999999999", TILE_BAD_WIDTH },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tile tile = { .width = 4711 };
		enum tile_result result = tile_parse(text_bytes(cases[i].path), &tile);
		if (result != cases[i].want)
			fail_msg("%s: %s", cases[i].path, tile_result_str(result));
		assert_int_equal(tile.width, 4711);
	}
	for (enum tile_result r = TILE_OK; r <= TILE_BAD_WIDTH; r++)
		assert_true(strlen(tile_result_str(r)) > 5);
}

static void
random_paths(void **state)
{
	uint64_t random = 77;
	unsigned read = 0;
	(void)state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct tile tile = { .index = next_random(&random) >> next_random(&random) % 64, .width = 1 + (unsigned)(next_random(&random) % 256) };
		struct tile back;
		uint8_t path[96];
		char again[TILE_PATH_BYTES];
		tile.entries = next_random(&random) % 3 == 0;
		tile.level = tile.entries ? 0 : (unsigned)(next_random(&random) % 64);
		struct writer w = writer_of(path, sizeof(path));
		tile_print(&w, &tile);
		assert_int_equal(tile_parse(writer_bytes(&w), &back), TILE_OK);
		assert_int_equal(back.entries, tile.entries);
		assert_int_equal(back.level, tile.level);
		assert_int_equal(back.index, tile.index);
		assert_int_equal(back.width, tile.width);

		size_t len = break_text(path, w.len, sizeof(path), &random);
		uint8_t *broken = malloc(len == 0 ? 1 : len);
		memcpy(broken, path, len);
		if (tile_parse(bytes_of(broken, len), &back) == TILE_OK) {
			w = writer_of(again, sizeof(again));
			tile_print(&w, &back);
			assert_true(bytes_equal(writer_bytes(&w), bytes_of(broken, len)));
			read++;
		}
		free(broken);
	}
	assert_true(read > ROUNDS / 100 && read < ROUNDS / 2);
}

/* ---- which tiles there are ---- */

static void
tiles_of_a_size(void **state)
{
	/* The specification: 273 full and one of 112; one full and one of 17; one of 1. */
	static const struct { unsigned level; uint64_t size, count; unsigned last_width; } cases[] = {
		{ 0, 70000, 274, 112 }, { 1, 70000, 2, 17 }, { 2, 70000, 1, 1 }, { 3, 70000, 0, 0 }, { 7, 70000, 0, 0 },
		{ 0, 256, 1, 256 }, { 1, 256, 1, 1 }, { 2, 256, 0, 0 },
		{ 0, 0, 0, 0 }, { 0, 1, 1, 1 }, { 0, 255, 1, 255 }, { 0, 257, 2, 1 }, { 1, 65535, 1, 255 }, { 1, 65536, 1, 256 }, { 2, 65536, 1, 1 },
		{ 0, UINT64_MAX, UINT64_C(1) << 56, 255 }, { 6, UINT64_MAX, 256, 255 }, { 7, UINT64_MAX, 1, 255 }, { 8, UINT64_MAX, 0, 0 },
		{ 63, UINT64_MAX, 0, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned level = cases[i].level;
		uint64_t size = cases[i].size, count = cases[i].count;
		assert_int_equal(tile_count(level, size), count);
		assert_int_equal(tile_width(level, count, size), 0);
		assert_int_equal(tile_width(level, UINT64_MAX, size), 0);
		if (count > 0)
			assert_int_equal(tile_width(level, count - 1, size), cases[i].last_width);
		if (count > 1)
			assert_int_equal(tile_width(level, count - 2, size), 256);
	}
}

/* A partial tile of level l has floor(size / 256^l) mod 256 hashes, by the letter. */
static void
widths(void **state)
{
	(void)state;
	for (uint64_t size = 0; size < 200000; size += 1 + size % 61)
		for (unsigned level = 0; level < 4; level++) {
			uint64_t hashes = size;
			for (unsigned i = 0; i < level; i++)
				hashes /= 256;
			uint64_t n = tile_count(level, size), sum = 0;
			for (uint64_t index = 0; index < n; index++)
				sum += tile_width(level, index, size);
			assert_int_equal(sum, hashes);
			if (hashes % 256 != 0)
				assert_int_equal(tile_width(level, n - 1, size), hashes % 256);
		}
}

/* ---- hashes ---- */

#define LEAVES UINT64_C(66000)

struct store {
	uint8_t (*level[3])[SHA256_BYTES];
	struct merkle_tree tree;
};

static void
store_put(void *ctx, unsigned level, uint64_t index, const uint8_t hash[static SHA256_BYTES])
{
	struct store *s = ctx;

	memcpy(s->level[level][index], hash, SHA256_BYTES);
}

static enum status
store_fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	struct store *s = ctx;

	if (level > 2 || index >= LEAVES >> 8 * level)
		return ST_NOTFOUND;
	memcpy(ret_hash, s->level[level][index], SHA256_BYTES);
	return ST_OK;
}

static size_t
entry_of(uint64_t index, uint8_t ret_entry[static 300])
{
	size_t len = index % 300;

	for (size_t i = 0; i < len; i++)
		ret_entry[i] = (uint8_t)(index >> i % 3 * 8);
	return len;
}

static int
store_setup(void **state)
{
	struct store *s = calloc(1, sizeof(*s));

	for (unsigned i = 0; i < 3; i++)
		s->level[i] = calloc((LEAVES >> 8 * i) + 1, SHA256_BYTES);
	merkle_tree_init(&s->tree);
	for (uint64_t i = 0; i < LEAVES; i++) {
		uint8_t entry[300], hash[SHA256_BYTES];
		merkle_leaf_hash(bytes_of(entry, entry_of(i, entry)), hash);
		merkle_tree_append(&s->tree, hash, store_put, s);
	}
	*state = s;
	return 0;
}

static int
store_teardown(void **state)
{
	struct store *s = *state;

	for (unsigned i = 0; i < 3; i++)
		free(s->level[i]);
	free(s);
	return 0;
}

/* Each hash of a tile is the root of the full tile below it; those of level 0 are the leaves. */
static void
hashes_of_all_tiles(void **state)
{
	struct store *s = *state;
	static uint8_t hashes[256 * SHA256_BYTES], below[256 * SHA256_BYTES];
	unsigned seen = 0;

	for (unsigned level = 0; level < 3; level++)
		for (uint64_t index = 0; index < tile_count(level, LEAVES); index++) {
			struct tile tile = { .level = level, .index = index, .width = tile_width(level, index, LEAVES) };
			assert_int_equal(tile_hashes(&tile, store_fetch, s, hashes), ST_OK);
			for (unsigned i = 0; i < tile.width; i++, seen++) {
				uint8_t want[SHA256_BYTES], entry[300];
				uint64_t place = index * 256 + i;
				struct tile part = { .level = level - 1, .index = place, .width = 256 };
				struct merkle_tree tree;
				if (level == 0) {
					merkle_leaf_hash(bytes_of(entry, entry_of(place, entry)), want);
				} else {
					assert_int_equal(tile_hashes(&part, store_fetch, s, below), ST_OK);
					merkle_tree_init(&tree);
					for (unsigned j = 0; j < 256; j++)
						merkle_tree_append(&tree, below + j * SHA256_BYTES, NULL, NULL);
					merkle_tree_root(&tree, want);
				}
				assert_memory_equal(hashes + i * SHA256_BYTES, want, SHA256_BYTES);
			}
		}
	assert_int_equal(seen, 66000 + 257 + 1);
}

/* A client of a published log has only tiles, each fetched by its path. */
static enum status
fetch_from_tiles(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	static uint8_t hashes[256 * SHA256_BYTES];
	struct tile tile = { .level = level, .index = index / 256, .width = tile_width(level, index / 256, LEAVES) }, asked;
	char path[TILE_PATH_BYTES];
	struct writer w = writer_of(path, sizeof(path));

	assert_true(index % 256 < tile.width);
	tile_print(&w, &tile);
	assert_int_equal(tile_parse(writer_bytes(&w), &asked), TILE_OK);
	assert_int_equal(tile_hashes(&asked, store_fetch, ctx, hashes), ST_OK);
	memcpy(ret_hash, hashes + index % 256 * SHA256_BYTES, SHA256_BYTES);
	return ST_OK;
}

static void
proofs_from_tiles(void **state)
{
	struct store *s = *state;
	uint8_t root[SHA256_BYTES];
	struct proof proof;

	merkle_tree_root(&s->tree, root);
	for (uint64_t index = 0; index < LEAVES; index += 6543) {
		assert_int_equal(proof_inclusion(index, LEAVES, fetch_from_tiles, s, &proof), ST_OK);
		assert_int_equal(proof_check_inclusion(&proof, index, LEAVES, s->level[0][index], root), PROOF_OK);
	}
}

static void
tiles_that_cannot_be(void **state)
{
	static uint8_t hashes[256 * SHA256_BYTES];
	static const struct tile cases[] = {
		{ .level = 8, .index = 0, .width = 1 }, { .level = 63, .index = 0, .width = 256 }, { .level = 7, .index = 0, .width = 256 },
		{ .level = 7, .index = 1, .width = 1 }, { .level = 0, .index = UINT64_MAX, .width = 1 },
		{ .level = 0, .index = UINT64_C(1) << 56, .width = 1 },
		{ .level = 0, .index = (UINT64_C(1) << 56) - 1, .width = 256 },
		{ .level = 0, .index = 257, .width = 256 },		/* the store's own answer */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(tile_hashes(&cases[i], store_fetch, *state, hashes), ST_NOTFOUND);
}

/* ---- bundles ---- */

static void
lengths_of_entries(void **state)
{
	static uint8_t entry[TILE_ENTRY_BYTES_MAX], out[TILE_ENTRY_BYTES_MAX + 16];
	static const size_t lens[] = { 0, 1, 255, 256, 257, 60000, 65535 };
	(void)state;

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		struct writer w = writer_of(out, sizeof(out));
		struct bytes rest, got;
		bundle_put(&w, bytes_of(entry, lens[i]));
		bundle_put(&w, text_bytes("end"));
		assert_int_equal(w.len, lens[i] + 7);
		assert_int_equal(out[0] << 8 | out[1], lens[i]);
		rest = writer_bytes(&w);
		assert_int_equal(bundle_take(&rest, &got), BUNDLE_OK);
		assert_int_equal(got.len, lens[i]);
		assert_int_equal(bundle_take(&rest, &got), BUNDLE_OK);
		assert_text(got, "end");
		assert_int_equal(bundle_take(&rest, &got), BUNDLE_END);
	}
}

static void
bundles_and_their_tiles(void **state)
{
	struct store *s = *state;
	static uint8_t bundle[256 * 302], hashes[256 * SHA256_BYTES], entry[300];
	struct tile tile = { .index = 257, .width = tile_width(0, 257, LEAVES) };
	struct writer w = writer_of(bundle, sizeof(bundle));
	unsigned place;

	assert_int_equal(tile.width, 208);
	assert_int_equal(tile_hashes(&tile, store_fetch, s, hashes), ST_OK);
	for (unsigned i = 0; i < tile.width; i++)
		bundle_put(&w, bytes_of(entry, entry_of(257 * 256 + i, entry)));
	struct bytes whole = writer_bytes(&w);
	assert_int_equal(bundle_check(whole, hashes, 208, &place), BUNDLE_OK);
	assert_int_equal(place, 208);
	assert_int_equal(bundle_check(whole, hashes, 207, &place), BUNDLE_TOO_LONG);
	assert_int_equal(place, 207);
	memset(hashes + 208 * SHA256_BYTES, 0, SHA256_BYTES);
	assert_int_equal(bundle_check(whole, hashes, 209, &place), BUNDLE_TOO_SHORT);
	assert_int_equal(place, 208);
	assert_int_equal(bundle_check(bytes_of(NULL, 0), hashes, 1, &place), BUNDLE_TOO_SHORT);
	assert_int_equal(place, 0);

	/* Every way to cut it, and every byte of it. */
	for (size_t len = 0; len < whole.len; len += 1 + len % 7) {
		enum bundle_result result = bundle_check(bytes_of(bundle, len), hashes, 208, &place);
		assert_true(result == BUNDLE_CUT || result == BUNDLE_TOO_SHORT);
		assert_true(place < 208);
	}
	for (size_t i = 0; i < whole.len; i += 1 + i % 97) {
		bundle[i] ^= (uint8_t)(1u << i % 8);
		assert_int_not_equal(bundle_check(whole, hashes, 208, &place), BUNDLE_OK);
		bundle[i] ^= (uint8_t)(1u << i % 8);
	}
	hashes[100 * SHA256_BYTES + 7] ^= 1;
	assert_int_equal(bundle_check(whole, hashes, 208, &place), BUNDLE_WRONG);
	assert_int_equal(place, 100);
	for (enum bundle_result r = BUNDLE_OK; r <= BUNDLE_WRONG; r++)
		assert_true(strlen(bundle_result_str(r)) > 5);
}

static void
random_bundles(void **state)
{
	uint64_t random = 99;
	(void)state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t len = next_random(&random) % 40, seen = 0;
		uint8_t *bundle = malloc(len == 0 ? 1 : len);
		for (size_t i = 0; i < len; i++)
			bundle[i] = next_random(&random) % 3 == 0 ? (uint8_t)(next_random(&random) % 12) : 0;
		struct bytes rest = bytes_of(bundle, len), entry;
		enum bundle_result result;
		while ((result = bundle_take(&rest, &entry)) == BUNDLE_OK)
			seen += 2 + entry.len;
		assert_true(result == BUNDLE_END ? seen == len : result == BUNDLE_CUT && seen < len);
		free(bundle);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths), cmocka_unit_test(no_paths), cmocka_unit_test(random_paths),
		cmocka_unit_test(tiles_of_a_size), cmocka_unit_test(widths),
		cmocka_unit_test(hashes_of_all_tiles), cmocka_unit_test(proofs_from_tiles), cmocka_unit_test(tiles_that_cannot_be),
		cmocka_unit_test(lengths_of_entries), cmocka_unit_test(bundles_and_their_tiles), cmocka_unit_test(random_bundles),
	};

	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
