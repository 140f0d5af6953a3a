/*
 * Files have their content's hash in their name, so none that a manifest names is ever written over by another; the manifest itself is replaced by
 * rename, after all that it names is on disk.  What no manifest names goes last.
 */
#include "backup.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY ".writing"

static enum status
failed(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ST_FULL : ST_IO;
}

static bool
begins_with(const char *name, const char *word)
{
	return strncmp(name, word, strlen(word)) == 0;
}

static bool
is_file_of_ours(const char *name)
{
	return begins_with(name, "ledger-") || begins_with(name, "vault-") || begins_with(name, "cosignatures-") || strcmp(name, TEMPORARY) == 0;
}

/* ST_NOTFOUND at the end. */
static DIR *
list(const struct backup_dir *dir)
{
	int copy = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = copy < 0 ? NULL : fdopendir(copy);

	if (names == NULL && copy >= 0)
		(void)close(copy);
	return names;
}

/* Empty, or what a run leaves that was cut short, or a backup. */
static enum status
judge_names(const struct backup_dir *dir)
{
	bool ours = false, others = false;
	DIR *names = list(dir);

	if (names == NULL)
		return ST_IO;
	for (struct dirent *entry; (entry = readdir(names)) != NULL;) {
		const char *name = entry->d_name;
		if (strcmp(name, BACKUP_MANIFEST) == 0 || strcmp(name, BACKUP_PARTIAL) == 0)
			ours = true;
		else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !is_file_of_ours(name))
			others = true;
	}
	(void)closedir(names);
	return others && !ours ? ST_INVALID : ST_OK;
}

enum status
backup_dir_open(const char *path, bool make, struct backup_dir *ret_dir)
{
	struct backup_dir dir = { .path = path };

	if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
		return failed();
	dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir.fd < 0)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	enum status st = flock(dir.fd, LOCK_EX | LOCK_NB) == 0 ? judge_names(&dir) : errno == EWOULDBLOCK ? ST_BUSY : ST_IO;
	if (st == ST_OK) {
		*ret_dir = dir;
		return ST_OK;
	}
	int error = errno;
	(void)close(dir.fd);
	errno = error;
	return st;
}

void
backup_dir_close(struct backup_dir *dir)
{
	if (dir->path == NULL)
		return;
	(void)close(dir->fd);
	dir->path = NULL;
}

/* ---- one file ---- */

static enum status
read_file(int fd, struct buf *ret_data)
{
	struct stat about;

	if (fstat(fd, &about) != 0)
		return ST_IO;
	if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size > BACKUP_FILE_BYTES_MAX)
		return ST_TOO_LARGE;
	buf_init(ret_data);
	uint8_t *data = buf_room(ret_data, (size_t)about.st_size + 1);
	enum status st = data == NULL ? ST_NOMEM : ST_OK;
	while (st == ST_OK) {
		size_t room = (size_t)about.st_size + 1 - ret_data->len;
		ssize_t n = room == 0 ? 0 : read(fd, data + ret_data->len, room);
		if (n == 0)
			return ST_OK;
		if (n > 0)
			ret_data->len += (size_t)n;
		else if (errno != EINTR)
			st = ST_IO;
	}
	buf_release(ret_data);
	return st;
}

enum status
backup_dir_read(const struct backup_dir *dir, const char *name, struct buf *ret_data)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	enum status st = read_file(fd, ret_data);
	int error = errno;
	(void)close(fd);
	errno = error;
	return st;
}

enum status
backup_dir_size(const struct backup_dir *dir, const char *name, uint64_t *ret_bytes)
{
	struct stat about;

	if (fstatat(dir->fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	*ret_bytes = (uint64_t)about.st_size;
	return ST_OK;
}

static bool
is_there(const struct backup_dir *dir, const char *name, struct bytes data)
{
	struct buf now;

	if (backup_dir_read(dir, name, &now) != ST_OK)
		return false;
	bool equal = bytes_equal(buf_bytes(&now), data);
	buf_release(&now);
	return equal;
}

enum status
backup_dir_put(struct backup_dir *dir, const char *name, struct bytes data)
{
	if (is_there(dir, name, data)) {
		dir->kept++;
		return ST_OK;
	}
	int fd = openat(dir->fd, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed();
	enum status st = file_put(fd, data);
	int error = errno;
	if (close(fd) != 0 && st == ST_OK)
		st = failed();
	else
		errno = error;
	if (st == ST_OK && renameat(dir->fd, TEMPORARY, dir->fd, name) != 0)
		st = failed();
	if (st != ST_OK) {
		error = errno;
		(void)unlinkat(dir->fd, TEMPORARY, 0);
		errno = error;
		return st;
	}
	dir->written++;
	dir->written_bytes += data.len;
	return ST_OK;
}

enum status
backup_dir_sync(struct backup_dir *dir)
{
	return fsync(dir->fd) == 0 ? ST_OK : failed();
}

/* ---- what no manifest names ---- */

static bool
names_it(const struct backup_manifest *m, const char *name)
{
	char other[BACKUP_NAME_BYTES];
	size_t len = strlen(name);
	uint8_t hash[8];

	if (len < 2 * sizeof(hash) || !hex_parse(name + len - 2 * sizeof(hash), hash, sizeof(hash)))
		return false;
	for (size_t i = 0; i < m->n; i++)
		if (memcmp(m->files[i].sha256, hash, sizeof(hash)) == 0 && strcmp(backup_file_name(&m->files[i], other), name) == 0)
			return true;
	return false;
}

void
backup_dir_clean(struct backup_dir *dir, const struct backup_manifest *one, const struct backup_manifest *other)
{
	DIR *names = list(dir);

	if (names == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(names)) != NULL;)
		if (is_file_of_ours(entry->d_name) && !names_it(one, entry->d_name) && !names_it(other, entry->d_name))
			(void)unlinkat(dir->fd, entry->d_name, 0);
	(void)closedir(names);
}
