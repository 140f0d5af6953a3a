/**
 * scrub_tiles.h: the hashes of the tree that state keeps, as the disk has them, read in order with one piece in memory for each level.
 */
#ifndef FEALTY_SERVICE_SCRUB_TILES_H
#define FEALTY_SERVICE_SCRUB_TILES_H

#include "merkle/tree.h"
#include "store/store.h"

#define SCRUB_LEVELS 8			/* of 256^level leaves; no ledger has more */

struct scrub_tiles;

/* ${damaged} is told of each page of the table that is not what was written.  Errors: those of store_disk_open() of state. */
enum status scrub_tiles_new(struct store *store, void (*damaged)(void *ctx, const struct store_disk_fault *fault), void *ctx,
    struct scrub_tiles **ret_tiles) MUST_CHECK;
void scrub_tiles_free(struct scrub_tiles *tiles);

/**
 * scrub_tiles_get(tiles, level, index, ret_hash): ${index} rises from call to call of a level, mostly.  ST_NOTFOUND: it is not there, and no page that should
 * have it is known to be damaged; ST_CORRUPT: one is.  Errors: store_disk_read()'s.
 */
enum status scrub_tiles_get(struct scrub_tiles *tiles, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES]) MUST_CHECK;
/* Bytes that were read since the last call. */
uint64_t scrub_tiles_bytes(struct scrub_tiles *tiles);

#endif
