/*
 * State is written page by page for all its life, here and there.  But when it grows, LMDB writes up to 64 new pages with one call, and a kernel that has
 * large folios (ext4 since Linux 6.16) then keeps these 256 KiB as one piece, in which it goes through the blocks from the first one for every page that
 * is written later: 8.4 µs instead of 1.4 were measured, and 26 in pieces of 1 MiB.  A page that is in memory is not joined with others, so the pages at
 * the end of the file are read, each alone, before they are written: they are a hole, which takes no space on the disk and nothing to read.
 *
 * Nothing depends on it but time, so whatever fails is let be.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROWTH_MAX_PAGES 16384	/* of a commit, that is reckoned with */
#define PIECE_BYTES 4096	/* a page of the machine's, or a part of one */

/* A descriptor of its own, so that only its reads are told to bring a page at a time. */
static bool
open_by_page(struct env *e)
{
	if (e->page_fd < 0) {
		char *path = file_path(e->path, "data.mdb");
		if (path == NULL)
			return false;
		e->page_fd = open(path, O_RDONLY | O_CLOEXEC);
		free(path);
	}
	return e->page_fd >= 0 && posix_fadvise(e->page_fd, 0, 0, POSIX_FADV_RANDOM) == 0;
}

static bool
lengthen(const struct env *e, off_t end)
{
	mdb_filehandle_t fd;
	struct stat st;

	if (mdb_env_get_fd(e->mdb, &fd) != 0 || fstat(fd, &st) != 0)
		return false;
	return st.st_size >= end || ftruncate(fd, end) == 0;
}

static void
read_pages(const struct env *e, off_t begin, off_t end)
{
	char byte;

	for (off_t at = begin; at < end; at += PIECE_BYTES) {
		if (pread(e->page_fd, &byte, 1, at) != 1)
			return;
	}
}

void
env_grow(struct env *e)
{
	MDB_envinfo info;
	MDB_stat stat;

	if (mdb_env_info(e->mdb, &info) != 0 || mdb_env_stat(e->mdb, &stat) != 0)
		return;
	uint64_t pages = info.me_last_pgno + 1, room = info.me_mapsize / stat.ms_psize;
	uint64_t growth = e->pages == 0 || pages < e->pages ? 0 : pages - e->pages;
	e->pages = pages;
	if (growth > e->growth)
		e->growth = growth < GROWTH_MAX_PAGES ? growth : GROWTH_MAX_PAGES;
	if (e->growth == 0 || pages + e->growth <= e->pages_ready)
		return;
	uint64_t begin = e->pages_ready > pages ? e->pages_ready : pages, end = pages + 2 * e->growth;
	e->pages_ready = end < room ? end : room;
	if (open_by_page(e) && lengthen(e, (off_t)(e->pages_ready * stat.ms_psize)))
		read_pages(e, (off_t)(begin * stat.ms_psize), (off_t)(e->pages_ready * stat.ms_psize));
}

enum status
file_write_pages(int fd, struct bytes data)
{
	enum status st = ST_OK;

	while (data.len > 0 && st == ST_OK) {
		struct bytes piece = bytes_of(data.data, data.len < PIECE_BYTES ? data.len : PIECE_BYTES);
		st = file_write_all(fd, piece);
		data = bytes_of(data.data + piece.len, data.len - piece.len);
	}
	return st;
}
