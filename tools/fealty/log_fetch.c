#include "log_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_fetch_url.h"

struct log_fetch {
	int directory;			/* -1: it is a server */
	struct log_url *url;
	char error[LOG_FETCH_ERROR_BYTES];
};

static bool
is_url(const char *place)
{
	return strncasecmp(place, "http://", 7) == 0 || strncasecmp(place, "https://", 8) == 0;
}

static enum status
open_directory(const char *place, struct log_fetch *fetch, const char **ret_error)
{
	fetch->directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fetch->directory >= 0)
		return ST_OK;
	*ret_error = strstr(place, "://") != NULL ? "only http:// and https:// addresses are known" : strerror(errno);
	return ST_INVALID;
}

enum status
log_fetch_open(const char *place, uint32_t timeout_ms, struct log_fetch **ret_fetch, const char **ret_error)
{
	struct log_fetch *fetch = calloc(1, sizeof(*fetch));

	if (fetch == NULL)
		return ST_NOMEM;
	fetch->directory = -1;
	enum status st = is_url(place) ? log_url_open(place, timeout_ms, &fetch->url, ret_error) : open_directory(place, fetch, ret_error);
	if (st != ST_OK)
		log_fetch_close(fetch);
	else
		*ret_fetch = fetch;
	return st;
}

void
log_fetch_close(struct log_fetch *fetch)
{
	if (fetch == NULL)
		return;
	if (fetch->directory >= 0)
		(void)close(fetch->directory);
	log_url_close(fetch->url);
	free(fetch);
}

static enum log_fetch_result
failed(struct log_fetch *fetch, const char *path, const char *why)
{
	(void)snprintf(fetch->error, sizeof(fetch->error), "%s cannot be read: %s", path, why);
	return LOG_FETCH_FAILED;
}

static enum log_fetch_result
read_all(struct log_fetch *fetch, const char *path, int fd, size_t bytes_max, struct buf *ret_data)
{
	struct stat about;
	struct buf data;

	if (fstat(fd, &about) != 0)
		return failed(fetch, path, strerror(errno));
	if (!S_ISREG(about.st_mode))
		return failed(fetch, path, "it is no file");
	if ((uint64_t)about.st_size > bytes_max)
		return LOG_FETCH_TOO_LARGE;
	buf_init(&data);
	size_t wanted = (size_t)about.st_size;
	uint8_t *room = buf_room(&data, wanted + 1);
	while (room != NULL && data.len < wanted) {
		ssize_t n = read(fd, room + data.len, wanted - data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		data.len += (size_t)n;
	}
	if (room == NULL || data.len < wanted) {
		buf_release(&data);
		return failed(fetch, path, room == NULL ? "there is not enough memory" : "it became shorter meanwhile, or the disk failed");
	}
	*ret_data = data;
	return LOG_FETCH_OK;
}

static enum log_fetch_result
fetch_file(struct log_fetch *fetch, const char *path, size_t bytes_max, struct buf *ret_data)
{
	int fd = openat(fetch->directory, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? LOG_FETCH_MISSING : failed(fetch, path, strerror(errno));
	enum log_fetch_result result = read_all(fetch, path, fd, bytes_max, ret_data);
	(void)close(fd);
	return result;
}

void
log_fetch_ahead(struct log_fetch *fetch, const char *path, size_t bytes_max)
{
	if (fetch->url != NULL)
		log_url_ahead(fetch->url, path, bytes_max);
}

enum log_fetch_result
log_fetch(struct log_fetch *fetch, const char *path, size_t bytes_max, struct buf *ret_data)
{
	if (fetch->url != NULL)
		return log_url_fetch(fetch->url, path, bytes_max, ret_data, fetch->error);
	return fetch_file(fetch, path, bytes_max, ret_data);
}

const char *
log_fetch_error(const struct log_fetch *fetch)
{
	return fetch->error;
}
