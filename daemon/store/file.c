/*
 * A file is replaced by writing another beside it, fsync, rename, and fsync of the directory: after a power loss it is the old one or the
 * new one, never half of either.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status
file_status(int err)
{
	errno = err;
	switch (err) {
	case 0: return ST_OK;
	case ENOENT: return ST_NOTFOUND;
	case ENOMEM: return ST_NOMEM;
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return ST_FULL;
	default: return ST_IO;
	}
}

char *
file_path(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

enum status
file_read(const char *path, uint8_t *ret_data, size_t cap, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return file_status(errno);

	enum status st = ST_OK;
	size_t len = 0;
	while (len < cap) {
		ssize_t n = read(fd, ret_data + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			st = file_status(errno);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (st == ST_OK)
		*ret_len = len;
	return st;
}

enum status
file_write_all(int fd, struct bytes data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.data, data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_status(errno);
		data.data += n;
		data.len -= (size_t)n;
	}
	return ST_OK;
}

enum status
file_sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return file_status(errno);
	enum status st = fsync(fd) == 0 ? ST_OK : file_status(errno);
	close(fd);
	return st;
}

static enum status
sync_parent(const char *path)
{
	char *copy = strdup(path);
	if (copy == NULL)
		return ST_NOMEM;
	enum status st = file_sync_dir(dirname(copy));
	free(copy);
	return st;
}

enum status
file_publish(int fd, const char *temp_path, const char *path)
{
	enum status st = fsync(fd) == 0 ? ST_OK : file_status(errno);

	if (close(fd) != 0 && st == ST_OK)
		st = file_status(errno);
	if (st == ST_OK && rename(temp_path, path) != 0)
		st = file_status(errno);
	if (st != ST_OK) {
		unlink(temp_path);
		return st;
	}
	return sync_parent(path);
}

enum status
file_replace(const char *path, struct bytes content)
{
	char *temp_path;
	if (asprintf(&temp_path, "%s.tmp", path) < 0)
		return ST_NOMEM;

	enum status st = ST_OK;
	int fd = open(temp_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		st = file_status(errno);
		goto out;
	}
	st = file_write_all(fd, content);
	if (st == ST_OK) {
		st = file_publish(fd, temp_path, path);
		goto out;
	}
	close(fd);
	unlink(temp_path);
out:
	free(temp_path);
	return st;
}

enum status
file_make_dir(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ? ST_OK : file_status(errno);
}

void
hex_put(char *ret_hex, struct bytes data)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < data.len; i++) {
		*ret_hex++ = digits[data.data[i] >> 4];
		*ret_hex++ = digits[data.data[i] & 15];
	}
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
hex_get(uint8_t *ret_data, size_t len, const char *hex)
{
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
		if (low < 0)
			return false;
		ret_data[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
