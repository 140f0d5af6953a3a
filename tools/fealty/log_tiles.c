/*
 * One full tile of each level is kept, that on the way to the bundle which was asked for last: read from left to right, each tile is fetched
 * once.  A partial tile may be gone once its full one is there (C2SP tlog-tiles, "Partial Tiles"), which begins with the same hashes; so for
 * a partial one that is missing the full one is asked.
 */
#include "log_tiles.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ledger/ledger.h"

#define PATH_BYTES (TILE_PATH_BYTES + 1)
#define TILE_BYTES ((size_t)TILE_WIDTH * SHA256_BYTES)
#define BUNDLE_BYTES_MAX ((size_t)TILE_WIDTH * (2 + LEDGER_LEAF_BYTES_MAX))
#define AHEAD 6				/* bundles, each with its tile */

static const char *
print_path(const struct tile *tile, char ret_path[static PATH_BYTES])
{
	struct writer w = writer_of(ret_path, TILE_PATH_BYTES);

	tile_print(&w, tile);
	ret_path[writer_bytes(&w).len] = '\0';
	return ret_path;
}

static enum status __attribute__((format(printf, 3, 4)))
wrong(struct log_tiles *t, const struct tile *tile, const char *format, ...)
{
	va_list values;
	char path[PATH_BYTES];

	(void)print_path(tile, path);
	int n = snprintf(t->fault.sentence, sizeof(t->fault.sentence), "%s ", path);
	va_start(values, format);
	(void)vsnprintf(t->fault.sentence + n, sizeof(t->fault.sentence) - (size_t)n, format, values);
	va_end(values);
	(void)strcpy(t->fault.file, path);
	return ST_INVALID;
}

/* ---- fetching ---- */

static size_t
bytes_max(const struct tile *tile)
{
	return tile->entries ? BUNDLE_BYTES_MAX : TILE_BYTES;
}

/* *${ret_full}: the full tile came instead of the partial one, and may have more than was asked for. */
static enum status
fetch(struct log_tiles *t, const struct tile *tile, struct buf *ret_data, bool *ret_full)
{
	struct tile full = *tile;
	char path[PATH_BYTES];

	full.width = TILE_WIDTH;
	*ret_full = false;
	enum log_fetch_result result = log_fetch(t->fetch, print_path(tile, path), bytes_max(tile), ret_data);
	if (result == LOG_FETCH_MISSING && tile->width < TILE_WIDTH) {
		result = log_fetch(t->fetch, print_path(&full, path), bytes_max(&full), ret_data);
		*ret_full = result == LOG_FETCH_OK;
	}
	switch (result) {
	case LOG_FETCH_OK:
		return ST_OK;
	case LOG_FETCH_MISSING:
		return wrong(t, tile, "is missing");
	case LOG_FETCH_TOO_LARGE:
		return wrong(t, tile, "is longer than %s can be: more than %zu bytes", tile->entries ? "a bundle of entries" : "a tile",
		    bytes_max(tile));
	case LOG_FETCH_FAILED:
		break;
	}
	return ST_IO;
}

static enum status
fetch_hashes(struct log_tiles *t, const struct tile *tile, uint8_t *ret_hashes)
{
	size_t wanted = (size_t)tile->width * SHA256_BYTES;
	struct buf data;
	bool full;

	enum status st = fetch(t, tile, &data, &full);
	if (st != ST_OK)
		return st;
	if (data.len != (full ? TILE_BYTES : wanted))
		st = wrong(t, tile, "has %zu bytes, and its %u hashes are %zu", data.len, tile->width, wanted);
	else
		memcpy(ret_hashes, data.data, wanted);
	buf_release(&data);
	return st;
}

static void
look_ahead(struct log_tiles *t, uint64_t index)
{
	uint64_t count = tile_count(0, t->size);
	char path[PATH_BYTES];

	for (uint64_t i = index; i < count && i <= index + AHEAD; i++) {
		struct tile tile = { .index = i, .width = tile_width(0, i, t->size) };
		if (tile.width == TILE_WIDTH && !(t->level[0].has_full && t->level[0].full_index == i))
			log_fetch_ahead(t->fetch, print_path(&tile, path), TILE_BYTES);
		tile.entries = true;
		log_fetch_ahead(t->fetch, print_path(&tile, path), BUNDLE_BYTES_MAX);
	}
}

/* ---- the right edge ---- */

static bool
edge_tile(const struct log_tiles *t, unsigned level, struct tile *ret)
{
	uint64_t count = tile_count(level, t->size);

	*ret = (struct tile){ .level = level, .index = count == 0 ? 0 : count - 1 };
	ret->width = count == 0 ? 0 : tile_width(level, count - 1, t->size);
	return ret->width > 0 && ret->width < TILE_WIDTH;
}

static enum status
edge_hash(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	const struct log_tiles *t = ctx;

	memcpy(ret_hash, t->level[level].edge + (size_t)(index % TILE_WIDTH) * SHA256_BYTES, SHA256_BYTES);
	return ST_OK;
}

static void
tile_root(const uint8_t *hashes, uint8_t ret_root[static SHA256_BYTES])
{
	struct merkle_tree tree;

	merkle_tree_init(&tree);
	for (size_t i = 0; i < TILE_WIDTH; i++)
		merkle_tree_append(&tree, hashes + i * SHA256_BYTES, NULL, NULL);
	merkle_tree_root(&tree, ret_root);
}

/* The first ${width} entries of what may be a full bundle. */
static size_t
cut(struct bytes all, unsigned width)
{
	struct bytes rest = all, entry;

	for (unsigned i = 0; i < width; i++) {
		if (bundle_take(&rest, &entry) != BUNDLE_OK)
			break;
	}
	return all.len - rest.len;
}

/* Not verified. */
static enum status
fetch_bundle(struct log_tiles *t, const struct tile *tile)
{
	struct buf data;
	bool full;

	enum status st = fetch(t, tile, &data, &full);
	if (st != ST_OK)
		return st;
	buf_release(&t->bundle);
	t->bundle = data;
	if (full)
		t->bundle.len = cut(buf_bytes(&t->bundle), tile->width);
	return ST_OK;
}

static enum status
suspect_bundle(struct log_tiles *t, const struct tile *edge)
{
	struct tile entries = *edge;
	char path[PATH_BYTES];
	unsigned at;

	entries.entries = true;
	enum status st = fetch_bundle(t, &entries);
	if (st != ST_OK || bundle_check(buf_bytes(&t->bundle), t->level[0].edge, edge->width, &at) == BUNDLE_OK)
		return st;
	return wrong(t, edge, "has another hash in place %u than %s gives: one of the two is damaged", at, print_path(&entries, path));
}

/* The edge of a level against what is below it: which of the two is damaged nobody can tell, but that one is. */
static enum status
suspect(struct log_tiles *t, const struct tile *edge)
{
	static uint8_t below[TILE_WIDTH * SHA256_BYTES];
	uint8_t root[SHA256_BYTES];
	char path[PATH_BYTES];

	if (edge->level == 0)
		return suspect_bundle(t, edge);
	for (unsigned i = 0; i < edge->width; i++) {
		struct tile tile = { .level = edge->level - 1, .index = edge->index * TILE_WIDTH + i, .width = TILE_WIDTH };
		enum status st = fetch_hashes(t, &tile, below);
		if (st != ST_OK)
			return st;
		tile_root(below, root);
		if (memcmp(root, t->level[edge->level].edge + (size_t)i * SHA256_BYTES, SHA256_BYTES) != 0)
			return wrong(t, edge, "has another hash in place %u than %s gives: one of the two is damaged", i, print_path(&tile, path));
	}
	return ST_OK;
}

static enum status
name_fault(struct log_tiles *t)
{
	struct tile edge;

	for (unsigned level = 0; level < LOG_TILES_LEVELS; level++) {
		enum status st = edge_tile(t, level, &edge) ? suspect(t, &edge) : ST_OK;
		if (st != ST_OK)
			return st;
	}
	(void)strcpy(t->fault.file, "checkpoint");
	(void)snprintf(t->fault.sentence, sizeof(t->fault.sentence),
	    "checkpoint has another root than the tiles of %" PRIu64 " transactions give: it is damaged, or they are of another log", t->size);
	return ST_INVALID;
}

enum status
log_tiles_open(struct log_tiles *t, struct log_fetch *log, uint64_t size, const uint8_t root[static SHA256_BYTES])
{
	struct merkle_tree tree;
	uint8_t got[SHA256_BYTES];
	struct tile edge;
	enum status st = ST_OK;

	memset(t, 0, sizeof(*t));
	t->fetch = log;
	t->size = size;
	memcpy(t->root, root, SHA256_BYTES);
	buf_init(&t->bundle);
	for (unsigned level = 0; level < LOG_TILES_LEVELS && st == ST_OK; level++) {
		if (edge_tile(t, level, &edge))
			st = fetch_hashes(t, &edge, t->level[level].edge);
	}
	if (st == ST_OK)
		st = merkle_tree_load(&tree, size, edge_hash, t);
	if (st != ST_OK)
		return st;
	merkle_tree_root(&tree, got);
	return memcmp(got, root, sizeof(got)) == 0 ? ST_OK : name_fault(t);
}

void
log_tiles_close(struct log_tiles *t)
{
	buf_release(&t->bundle);
}

/* ---- from the edge downwards ---- */

/* The verified hashes of a tile, from the full one or from the edge. */
static enum status
load(struct log_tiles *t, unsigned level, uint64_t index, const uint8_t **ret_hashes)
{
	struct tile tile = { .level = level, .index = index, .width = tile_width(level, index, t->size) };
	struct log_tiles_level *l = &t->level[level];
	const uint8_t *above;
	uint8_t root[SHA256_BYTES];

	*ret_hashes = tile.width < TILE_WIDTH ? l->edge : l->full;
	if (tile.width < TILE_WIDTH || (l->has_full && l->full_index == index))
		return ST_OK;
	l->has_full = false;
	enum status st = load(t, level + 1, index / TILE_WIDTH, &above);
	if (st == ST_OK)
		st = fetch_hashes(t, &tile, l->full);
	if (st != ST_OK)
		return st;
	tile_root(l->full, root);
	if (memcmp(root, above + (size_t)(index % TILE_WIDTH) * SHA256_BYTES, SHA256_BYTES) != 0)
		return wrong(t, &tile, "is damaged: the tile above has the hash of another one");
	l->has_full = true;
	l->full_index = index;
	return ST_OK;
}

static enum status
take_bundle(struct log_tiles *t, const struct tile *tile, const uint8_t *hashes)
{
	unsigned at;

	enum status st = fetch_bundle(t, tile);
	if (st != ST_OK)
		return st;
	enum bundle_result result = bundle_check(buf_bytes(&t->bundle), hashes, tile->width, &at);
	if (result == BUNDLE_OK)
		return ST_OK;
	return wrong(t, tile, "is damaged at its entry %u, transaction %" PRIu64 ": %s", at, tile->index * TILE_WIDTH + at,
	    bundle_result_str(result));
}

enum status
log_tiles_bundle(struct log_tiles *t, uint64_t index, struct bytes *ret_entries, unsigned *ret_width)
{
	struct tile tile = { .entries = true, .index = index, .width = tile_width(0, index, t->size) };
	const uint8_t *hashes;

	look_ahead(t, index);
	enum status st = load(t, 0, index, &hashes);
	if (st == ST_OK)
		st = take_bundle(t, &tile, hashes);
	if (st != ST_OK)
		return st;
	*ret_entries = buf_bytes(&t->bundle);
	*ret_width = tile.width;
	return ST_OK;
}
