/* A zone's name is a path below the system's zone data and nowhere else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "service/commit.h"

enum status
zone_load(const char *name, struct arena *arena, struct bytes *ret_data)
{
	char path[128];

	for (const char *p = name; *p != '\0'; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == '+' || *p == '-';
		if (!plain && !(*p == '/' && p != name && p[1] != '\0' && p[1] != '/'))
			return ST_NOTFOUND;
	}
	int len = snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
	if (name[0] == '\0' || len < 0 || (size_t)len >= sizeof(path))
		return ST_NOTFOUND;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? ST_NOTFOUND : ST_IO;
	uint8_t *data = arena_alloc(arena, CALENDAR_ZONE_DATA_BYTES_MAX + 1);
	ssize_t n = data == NULL ? -1 : read(fd, data, CALENDAR_ZONE_DATA_BYTES_MAX + 1);
	bool directory = n < 0 && errno == EISDIR;
	close(fd);
	if (data == NULL)
		return ST_NOMEM;
	if (n < 0)
		return directory ? ST_NOTFOUND : ST_IO;
	*ret_data = bytes_of(data, (size_t)n);
	return (size_t)n > CALENDAR_ZONE_DATA_BYTES_MAX ? ST_TOO_LARGE : ST_OK;
}
