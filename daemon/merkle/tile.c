/**
 * A path is accepted when it is the path that printing its numbers gives: then there is one path for each tile, and no rule about leading
 * groups, slashes at the end or too large numbers can be forgotten in the reader.
 */
#include "merkle/tile.h"

#include <assert.h>

#define LEVEL_BITS 8
#define LEVEL_LAST 7		/* 256^8 leaves are more than a log can have */

static const char *const result_text[] = {
	[TILE_OK] = "a tile",
	[TILE_BAD_LEVEL] = "the path is not tile/<level>/… with a level of 0 to 63, or tile/entries/…",
	[TILE_BAD_INDEX] = "the tile's index is not in groups of three digits, such as x001/x234/067",
	[TILE_BAD_WIDTH] = "the width of a partial tile is not a number from 1 to 255",
};

static const char *const bundle_text[] = {
	[BUNDLE_OK] = "a bundle of entries",
	[BUNDLE_END] = "the bundle has no more entries",
	[BUNDLE_CUT] = "the bundle ends within an entry: it was cut off",
	[BUNDLE_TOO_SHORT] = "the bundle has fewer entries than its tile has hashes",
	[BUNDLE_TOO_LONG] = "the bundle has more entries than its tile has hashes",
	[BUNDLE_WRONG] = "an entry of the bundle is not the one whose hash the tile holds",
};

const char *
tile_result_str(enum tile_result result)
{
	return result_text[result];
}

const char *
bundle_result_str(enum bundle_result result)
{
	return bundle_text[result];
}

/* ---- paths ---- */

static void
print_group(struct writer *w, uint64_t group)
{
	const char digits[] = { (char)('0' + group / 100), (char)('0' + group / 10 % 10), (char)('0' + group % 10) };

	writer_put(w, bytes_of(digits, sizeof(digits)));
}

void
tile_print(struct writer *w, const struct tile *tile)
{
	assert(tile->level <= TILE_LEVEL_MAX && (!tile->entries || tile->level == 0));
	assert(tile->width >= 1 && tile->width <= TILE_WIDTH);
	writer_put(w, LITERAL("tile/"));
	if (tile->entries)
		writer_put(w, LITERAL("entries"));
	else
		writer_put_number(w, tile->level);
	writer_put(w, LITERAL("/"));
	uint64_t unit = 1;		/* of the first group */
	while (tile->index / unit >= 1000)
		unit *= 1000;
	for (; unit > 1; unit /= 1000) {
		writer_put(w, LITERAL("x"));
		print_group(w, tile->index / unit % 1000);
		writer_put(w, LITERAL("/"));
	}
	print_group(w, tile->index % 1000);
	if (tile->width < TILE_WIDTH) {
		writer_put(w, LITERAL(".p/"));
		writer_put_number(w, tile->width);
	}
}

/* What is before the next slash, taken off with it; all of it when there is none. */
static struct bytes
take_element(struct bytes *rest)
{
	const uint8_t *slash = rest->len == 0 ? NULL : memchr(rest->data, '/', rest->len);
	size_t len = slash == NULL ? rest->len : (size_t)(slash - rest->data);
	struct bytes element = bytes_of(rest->data, len);
	size_t taken = slash == NULL ? len : len + 1;

	*rest = bytes_of(taken == 0 ? rest->data : rest->data + taken, rest->len - taken);
	return element;
}

static bool
parse_level(struct bytes element, struct tile *tile)
{
	uint64_t level;

	tile->entries = bytes_equal(element, LITERAL("entries"));
	tile->level = 0;
	if (tile->entries)
		return true;
	if (!lines_number(element, &level) || level > TILE_LEVEL_MAX)
		return false;
	tile->level = (unsigned)level;
	return true;
}

/* Three digits onto *${index}. */
static bool
add_group(struct bytes digits, uint64_t *index)
{
	uint64_t group = 0;

	if (digits.len != 3)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return false;
		group = group * 10 + (uint64_t)(digits.data[i] - '0');
	}
	*index = *index * 1000 + group;		/* past 2^64 it is another number, whose path is another */
	return true;
}

/* *${ret_partial}: the last group ends in ".p". */
static bool
parse_index(struct bytes *rest, struct tile *tile, bool *ret_partial)
{
	struct bytes element = take_element(rest);

	tile->index = 0;
	while (lines_take_prefix(&element, LITERAL("x"))) {
		if (!add_group(element, &tile->index))
			return false;
		element = take_element(rest);
	}
	*ret_partial = element.len == 5 && bytes_equal(bytes_of(element.data + 3, 2), LITERAL(".p"));
	if (*ret_partial)
		element.len = 3;
	return add_group(element, &tile->index);
}

enum tile_result
tile_parse(struct bytes path, struct tile *ret_tile)
{
	struct tile tile = { .width = TILE_WIDTH };
	struct bytes rest = path;
	char printed[TILE_PATH_BYTES];
	bool partial;

	if (!lines_take_prefix(&rest, LITERAL("tile/")) || !parse_level(take_element(&rest), &tile))
		return TILE_BAD_LEVEL;
	if (!parse_index(&rest, &tile, &partial))
		return TILE_BAD_INDEX;
	if (partial) {
		uint64_t width;
		if (!lines_number(rest, &width) || width == 0 || width >= TILE_WIDTH)
			return TILE_BAD_WIDTH;
		tile.width = (unsigned)width;
	}
	struct writer w = writer_of(printed, sizeof(printed));
	tile_print(&w, &tile);
	if (!bytes_equal(writer_bytes(&w), path))
		return TILE_BAD_INDEX;
	*ret_tile = tile;
	return TILE_OK;
}

/* ---- what a tile holds ---- */

/* Complete subtrees of the level. */
static uint64_t
subtrees(unsigned level, uint64_t size)
{
	return level > LEVEL_LAST ? 0 : size >> (level * LEVEL_BITS);
}

unsigned
tile_width(unsigned level, uint64_t index, uint64_t size)
{
	uint64_t n = subtrees(level, size);

	if (index > n / TILE_WIDTH)
		return 0;
	return index < n / TILE_WIDTH ? TILE_WIDTH : (unsigned)(n % TILE_WIDTH);
}

uint64_t
tile_count(unsigned level, uint64_t size)
{
	uint64_t n = subtrees(level, size);

	return n / TILE_WIDTH + (n % TILE_WIDTH != 0 ? 1 : 0);
}

enum status
tile_hashes(const struct tile *tile, merkle_fetch_fn *fetch, void *ctx, uint8_t *ret_hashes)
{
	assert(!tile->entries && tile->width >= 1 && tile->width <= TILE_WIDTH);
	if (tile_width(tile->level, tile->index, UINT64_MAX) < tile->width)
		return ST_NOTFOUND;
	for (unsigned i = 0; i < tile->width; i++) {
		enum status st = fetch(ctx, tile->level, tile->index * TILE_WIDTH + i, ret_hashes + (size_t)i * SHA256_BYTES);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* ---- bundles ---- */

void
bundle_put(struct writer *w, struct bytes entry)
{
	assert(entry.len <= TILE_ENTRY_BYTES_MAX);
	const uint8_t head[] = { (uint8_t)(entry.len >> 8), (uint8_t)entry.len };
	writer_put(w, bytes_of(head, sizeof(head)));
	writer_put(w, entry);
}

enum bundle_result
bundle_take(struct bytes *rest, struct bytes *ret_entry)
{
	if (rest->len == 0)
		return BUNDLE_END;
	if (rest->len < 2)
		return BUNDLE_CUT;
	size_t len = (size_t)rest->data[0] << 8 | rest->data[1];
	if (rest->len - 2 < len)
		return BUNDLE_CUT;
	*ret_entry = bytes_of(rest->data + 2, len);
	*rest = bytes_of(rest->data + 2 + len, rest->len - 2 - len);
	return BUNDLE_OK;
}

enum bundle_result
bundle_check(struct bytes bundle, const uint8_t *hashes, unsigned width, unsigned *ret_index)
{
	struct bytes entry;
	uint8_t hash[SHA256_BYTES];

	for (unsigned i = 0;; i++) {
		enum bundle_result taken = bundle_take(&bundle, &entry);
		*ret_index = i;
		if (taken == BUNDLE_CUT)
			return BUNDLE_CUT;
		if (taken == BUNDLE_END)
			return i == width ? BUNDLE_OK : BUNDLE_TOO_SHORT;
		if (i == width)
			return BUNDLE_TOO_LONG;
		merkle_leaf_hash(entry, hash);
		if (memcmp(hash, hashes + (size_t)i * SHA256_BYTES, sizeof(hash)) != 0)
			return BUNDLE_WRONG;
	}
}
