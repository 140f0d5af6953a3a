/**
 * export_tree.h: leaves, one after the other, to the tiles and bundles of a log (C2SP tlog-tiles) in a directory.
 */
#ifndef FEALTY_TOOLS_EXPORT_TREE_H
#define FEALTY_TOOLS_EXPORT_TREE_H

#include "export_dir.h"

#define EXPORT_TREE_LEVELS 8		/* a log has fewer than 256^8 leaves */

struct export_tree {
	struct export_dir *dir;			/* borrowed */
	struct merkle_tree tree;		/* of the bundles that were put */
	enum status tile_status;		/* of the full tiles that the tree completed */
	uint64_t entries_bytes;
	uint8_t hashes[EXPORT_TREE_LEVELS][TILE_WIDTH * SHA256_BYTES];
	size_t hash_ends[TILE_WIDTH];
	unsigned width;				/* leaves in the bundle */
	uint8_t *bundle;
	size_t bundle_ends[TILE_WIDTH];
};

/* ST_NOMEM.  _release() accepts one that failed. */
enum status export_tree_init(struct export_tree *t, struct export_dir *dir) MUST_CHECK;
void export_tree_release(struct export_tree *t);
/* From the first leaf once more. */
void export_tree_restart(struct export_tree *t);

/**
 * export_tree_take(t, leaf): into the bundle, which has room for it (asserted: at most TILE_WIDTH leaves, of LEDGER_LEAF_BYTES_MAX each).
 * export_tree_full(t): whether it has TILE_WIDTH.
 * export_tree_put(t): writes the bundle, if it has any leaf, and the full tiles that it completes, and empties it.
 * export_tree_end(t): the rest of the bundle, and the partial tiles of the right edge.
 * Errors: ST_FULL; ST_IO with errno.
 */
void export_tree_take(struct export_tree *t, struct bytes leaf);
bool export_tree_full(const struct export_tree *t);
enum status export_tree_put(struct export_tree *t) MUST_CHECK;
enum status export_tree_end(struct export_tree *t) MUST_CHECK;

#endif
