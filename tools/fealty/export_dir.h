/**
 * export_dir.h: a directory that a log is exported to: C2SP tlog-tiles' resources as files.  A file appears whole, by its final name; one
 * that is there with the right bytes is kept.  One process at a time writes to it.
 */
#ifndef FEALTY_TOOLS_EXPORT_DIR_H
#define FEALTY_TOOLS_EXPORT_DIR_H

#include "base/bytes.h"
#include "merkle/tile.h"

struct export_dir {
	int fd;
	bool overwrite;			/* otherwise a file with other bytes stays, and counts as differing */
	uint64_t looked;		/* files that were put; the caller sets it back between two passes */
	uint64_t written, differing;
};

/**
 * export_dir_open(path, ret_dir):
 * Makes the directory when it is not there.  On success the caller ends it with export_dir_close().
 * Errors: ST_BUSY, another process writes to it; ST_INVALID, it has files and neither a checkpoint nor tiles; ST_FULL; ST_IO with errno.
 */
enum status export_dir_open(const char *path, struct export_dir *ret_dir) MUST_CHECK;
void export_dir_close(struct export_dir *dir);

/**
 * export_dir_put(dir, path, content, ret_in_place):
 * A file under the directory, with the directories that it needs.  *${ret_in_place}: it is there with these bytes now; false only without
 * overwrite.  ST_FULL; ST_IO with errno.
 */
enum status export_dir_put(struct export_dir *dir, const char *path, struct bytes content, bool *ret_in_place) MUST_CHECK;

/**
 * export_dir_put_tile(dir, tile, content, ends):
 * A tile or bundle, and what the specification wants of its narrower partial ones: they go once the full one is there, and stay until then,
 * for whoever holds a checkpoint of that size; those that stay are put as well.  ${ends}: how many bytes of ${content} the first 1, 2, …
 * hashes or entries take.
 */
enum status export_dir_put_tile(struct export_dir *dir, const struct tile *tile, struct bytes content, const size_t ends[static TILE_WIDTH])
    MUST_CHECK;

/* All that was put is on disk, under its name. */
enum status export_dir_sync(struct export_dir *dir) MUST_CHECK;

#endif
