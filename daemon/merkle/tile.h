/**
 * tile.h: tiles and entry bundles of a log, by C2SP tlog-tiles: their paths, the hashes that they hold, the entries in a bundle.  Pure, no
 * allocation.
 *
 * A tile of level L and index N holds up to 256 hashes: the i-th is the root of the complete subtree of 256^L leaves that begins with leaf
 * (256 × N + i) × 256^L.  The bundle of index N holds the entries whose leaf hashes are in the tile of level 0 and index N, each behind its
 * length as a big-endian u16.
 */
#ifndef FEALTY_MERKLE_TILE_H
#define FEALTY_MERKLE_TILE_H

#include "merkle/lines.h"
#include "merkle/proof.h"

#define TILE_WIDTH 256			/* of a full tile */
#define TILE_LEVEL_MAX 63		/* in a path; above 7 no tile can have a hash */
#define TILE_PATH_BYTES 56		/* the longest path, without NUL, fits */
#define TILE_ENTRY_BYTES_MAX 65535

struct tile {
	bool entries;		/* a bundle of entries, of level 0 */
	unsigned level;
	uint64_t index;		/* within the level */
	unsigned width;		/* 1 to 256; below 256: a partial tile */
};

enum tile_result {
	TILE_OK,
	TILE_BAD_LEVEL,		/* the path is not "tile/" and "entries" or a decimal of at most 63 */
	TILE_BAD_INDEX,		/* not groups of three digits, the shortest way, all but the last behind an "x"; or 2^64 and above */
	TILE_BAD_WIDTH,		/* behind ".p/": not a decimal of 1 to 255 */
};
const char *tile_result_str(enum tile_result result);

/**
 * "tile/<L>/<N>[.p/<W>]" or "tile/entries/<N>[.p/<W>]", without a slash before it; N 1234067 is "x001/x234/067".  Each tile has one
 * path.  *${ret_tile} is untouched on failure.  Printing asserts the limits above.
 */
enum tile_result tile_parse(struct bytes path, struct tile *ret_tile) MUST_CHECK;
void tile_print(struct writer *w, const struct tile *tile);

/**
 * tile_width(level, index, size): the hashes that this tile has in a log of ${size} leaves: 256, fewer in the last of a level, 0 beyond it
 * (an empty tile is not served).
 * tile_count(level, size): the tiles of the level that are not empty, the last of which may be partial.
 */
unsigned tile_width(unsigned level, uint64_t index, uint64_t size);
uint64_t tile_count(unsigned level, uint64_t size);

/**
 * tile_hashes(tile, fetch, ctx, ret_hashes):
 * The hashes of a tile that is not of entries (asserted): ${width} × 32 bytes.  ST_NOTFOUND: its level or index is beyond any log;
 * otherwise what fetch() said.
 */
enum status tile_hashes(const struct tile *tile, merkle_fetch_fn *fetch, void *ctx, uint8_t *ret_hashes) MUST_CHECK;

enum bundle_result {
	BUNDLE_OK,
	BUNDLE_END,		/* bundle_take(): no entry is left */
	BUNDLE_CUT,		/* it ends within an entry */
	BUNDLE_TOO_SHORT,	/* bundle_check(): fewer entries than hashes */
	BUNDLE_TOO_LONG,
	BUNDLE_WRONG,		/* an entry is not that of its hash */
};
const char *bundle_result_str(enum bundle_result result);

/* An entry behind its length; at most TILE_ENTRY_BYTES_MAX is asserted. */
void bundle_put(struct writer *w, struct bytes entry);

/* The first entry of *${rest}, borrowed from it and taken off: BUNDLE_OK, BUNDLE_END or BUNDLE_CUT. */
enum bundle_result bundle_take(struct bytes *rest, struct bytes *ret_entry) MUST_CHECK;

/**
 * bundle_check(bundle, hashes, width, ret_index):
 * Whether ${bundle} holds exactly the entries of a tile of level 0 with these hashes.  When not, *${ret_index} is the place in the bundle
 * of the first entry that is wrong, cut, missing or too much; otherwise ${width}.
 */
enum bundle_result bundle_check(struct bytes bundle, const uint8_t *hashes, unsigned width, unsigned *ret_index) MUST_CHECK;

#endif
