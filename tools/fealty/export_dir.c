/*
 * A file is written under one temporary name, synced, and renamed: whoever reads the directory meanwhile, or after a crash, sees whole files
 * only.  The names themselves are synced once, by export_dir_sync(), before the caller puts the checkpoint that needs them.
 *
 * The lock is on the directory itself, so it leaves no file behind; and it guards the one temporary name.
 */
#include "export_dir.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define TEMPORARY ".tmp"
#define PIECE_BYTES 65536
#define PATH_BYTES (TILE_PATH_BYTES + 1)

static enum status
failed(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ST_FULL : ST_IO;
}

/* ---- open ---- */

/* Only what an export leaves, or nothing: an interrupted one has tiles and no checkpoint. */
static enum status
judge_names(int fd)
{
	bool ours = false, others = false;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (names == NULL) {
		if (copy >= 0)
			(void)close(copy);
		return ST_IO;
	}
	while ((entry = readdir(names)) != NULL) {
		const char *name = entry->d_name;
		if (strcmp(name, "checkpoint") == 0 || strcmp(name, "tile") == 0 || strcmp(name, TEMPORARY) == 0)
			ours = true;
		else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			others = true;
	}
	(void)closedir(names);
	return others && !ours ? ST_INVALID : ST_OK;
}

enum status
export_dir_open(const char *path, struct export_dir *ret_dir)
{
	if (mkdir(path, 0777) != 0 && errno != EEXIST)
		return failed();
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ST_IO;
	enum status st = flock(fd, LOCK_EX | LOCK_NB) == 0 ? judge_names(fd) : errno == EWOULDBLOCK ? ST_BUSY : ST_IO;
	if (st == ST_OK) {
		*ret_dir = (struct export_dir){ .fd = fd };
		return ST_OK;
	}
	int error = errno;
	(void)close(fd);
	errno = error;
	return st;
}

void
export_dir_close(struct export_dir *dir)
{
	int error = errno;

	(void)unlinkat(dir->fd, TEMPORARY, 0);
	(void)close(dir->fd);
	dir->fd = -1;
	errno = error;
}

/* ---- one file ---- */

/* Whether the open file's bytes are these. */
static enum status
compare(int fd, struct bytes content, bool *ret_equal)
{
	static uint8_t piece[PIECE_BYTES];
	struct stat about;
	size_t at = 0;

	*ret_equal = false;
	if (fstat(fd, &about) != 0)
		return ST_IO;
	if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size != content.len)
		return ST_OK;
	while (at < content.len) {
		ssize_t n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ST_IO;
		if (n == 0 || (size_t)n > content.len - at || memcmp(piece, content.data + at, (size_t)n) != 0)
			return ST_OK;
		at += (size_t)n;
	}
	*ret_equal = true;
	return ST_OK;
}

/* ST_NOTFOUND: there is no such file. */
static enum status
look(const struct export_dir *dir, const char *path, struct bytes content, bool *ret_equal)
{
	int fd = openat(dir->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	enum status st = compare(fd, content, ret_equal);
	int error = errno;
	(void)close(fd);
	errno = error;
	return st;
}

static enum status
make_parents(const struct export_dir *dir, const char *path)
{
	char parent[PATH_BYTES];

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (mkdirat(dir->fd, parent, 0777) != 0 && errno != EEXIST)
			return failed();
	}
	return ST_OK;
}

static enum status
replace(const struct export_dir *dir, const char *path, struct bytes content)
{
	enum status st = make_parents(dir, path);

	if (st != ST_OK)
		return st;
	int fd = openat(dir->fd, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return failed();
	st = file_put(fd, content);
	int error = errno;
	if (close(fd) != 0 && st == ST_OK)
		st = failed();
	else
		errno = error;
	if (st == ST_OK && renameat(dir->fd, TEMPORARY, dir->fd, path) != 0)
		st = failed();
	return st;
}

enum status
export_dir_put(struct export_dir *dir, const char *path, struct bytes content, bool *ret_in_place)
{
	bool equal = false;

	assert(strlen(path) < PATH_BYTES);
	enum status st = look(dir, path, content, &equal);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	bool there = st == ST_OK;
	dir->looked++;
	*ret_in_place = equal;
	if (equal)
		return ST_OK;
	if (there && !dir->overwrite) {
		dir->differing++;
		return ST_OK;
	}
	st = replace(dir, path, content);
	if (st != ST_OK)
		return st;
	dir->written++;
	*ret_in_place = true;
	return ST_OK;
}

/* ---- tiles ---- */

static void
print_path(const struct tile *tile, char ret_path[static PATH_BYTES])
{
	struct writer w = writer_of(ret_path, TILE_PATH_BYTES);

	tile_print(&w, tile);
	ret_path[writer_bytes(&w).len] = '\0';
}

/* A narrower partial tile of the same index. */
static enum status
settle_one(struct export_dir *dir, const struct tile *partial, bool full, struct bytes content, const size_t ends[static TILE_WIDTH])
{
	char path[PATH_BYTES];
	bool in_place;

	print_path(partial, path);
	if (full)
		return unlinkat(dir->fd, path, 0) == 0 || errno == ENOENT ? ST_OK : failed();
	return export_dir_put(dir, path, bytes_of(content.data, ends[partial->width - 1]), &in_place);
}

static enum status
settle_all(struct export_dir *dir, DIR *names, const struct tile *tile, struct bytes content, const size_t ends[static TILE_WIDTH])
{
	enum status st = ST_OK;
	struct dirent *entry;
	uint64_t width;

	while (st == ST_OK && (entry = readdir(names)) != NULL) {
		if (!lines_number(bytes_of(entry->d_name, strlen(entry->d_name)), &width) || width == 0 || width >= tile->width)
			continue;
		struct tile partial = *tile;
		partial.width = (unsigned)width;
		st = settle_one(dir, &partial, tile->width == TILE_WIDTH, content, ends);
	}
	return st;
}

static enum status
settle_partials(struct export_dir *dir, const struct tile *tile, struct bytes content, const size_t ends[static TILE_WIDTH])
{
	struct tile narrow = *tile;
	char path[PATH_BYTES];

	narrow.width = 1;
	print_path(&narrow, path);
	*strrchr(path, '/') = '\0';
	int fd = openat(dir->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ST_OK : ST_IO;
	DIR *names = fdopendir(fd);
	if (names == NULL) {
		(void)close(fd);
		return ST_IO;
	}
	enum status st = settle_all(dir, names, tile, content, ends);
	int error = errno;
	(void)closedir(names);
	if (st == ST_OK && tile->width == TILE_WIDTH)
		(void)unlinkat(dir->fd, path, AT_REMOVEDIR);	/* stays when somebody else put something there */
	errno = error;
	return st;
}

enum status
export_dir_put_tile(struct export_dir *dir, const struct tile *tile, struct bytes content, const size_t ends[static TILE_WIDTH])
{
	char path[PATH_BYTES];
	bool in_place;

	print_path(tile, path);
	enum status st = export_dir_put(dir, path, content, &in_place);
	return st == ST_OK && in_place ? settle_partials(dir, tile, content, ends) : st;
}

enum status
export_dir_sync(struct export_dir *dir)
{
	return syncfs(dir->fd) == 0 ? ST_OK : failed();
}
