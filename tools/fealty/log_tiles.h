/**
 * log_tiles.h: the tiles and entries of a log, verified against a root from the top down: each tile by the hash that the tile above has of it,
 * those on the right edge, which no tile is above, by the root itself, and each entry by its leaf hash.
 */
#ifndef FEALTY_TOOLS_LOG_TILES_H
#define FEALTY_TOOLS_LOG_TILES_H

#include "log_fetch.h"
#include "merkle/tile.h"

#define LOG_TILES_LEVELS 8		/* a log has fewer than 256^8 leaves */

struct log_tiles_level {
	bool has_full;			/* full_index is verified */
	uint64_t full_index;
	uint8_t full[TILE_WIDTH * SHA256_BYTES];	/* of one full tile */
	uint8_t edge[TILE_WIDTH * SHA256_BYTES];	/* of the partial tile, when the level has one */
};

/* What is wrong with a resource of the log. */
struct log_tiles_fault { char file[TILE_PATH_BYTES + 1]; char sentence[320]; };

struct log_tiles {
	struct log_fetch *fetch;	/* borrowed */
	uint64_t size;
	uint8_t root[SHA256_BYTES];
	struct log_tiles_level level[LOG_TILES_LEVELS];
	struct buf bundle;
	struct log_tiles_fault fault;
};

/**
 * log_tiles_open(t, fetch, size, root): fetches the right edge, which must give ${root}.
 * log_tiles_bundle(t, index, ret_entries, ret_width): the entries of tile ${index} of level 0, as a bundle of exactly so many, verified;
 * borrowed until the next call.
 * Errors: ST_INVALID, and t->fault says what is missing or wrong; ST_IO, and log_fetch_error() says why it could not be read; ST_NOMEM.
 * The caller ends it with log_tiles_close(), also after a failure.
 */
enum status log_tiles_open(struct log_tiles *t, struct log_fetch *fetch, uint64_t size, const uint8_t root[static SHA256_BYTES]) MUST_CHECK;
void log_tiles_close(struct log_tiles *t);
enum status log_tiles_bundle(struct log_tiles *t, uint64_t index, struct bytes *ret_entries, unsigned *ret_width) MUST_CHECK;

#endif
