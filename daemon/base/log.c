/* A line is built in memory and written with one write(2), so lines of threads never mix; the lock guards the descriptor only. */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 2048

struct log {
	pthread_mutex_t lock;
	char *path;		/* NULL: standard error */
	int fd;
	enum log_level level;
};

struct line {
	char text[LINE_BYTES_MAX];
	size_t len;
};

static const char *const level_names[] = { "debug", "info", "warning", "error" };

static int
log_open_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

enum status
log_open(const char *path, enum log_level level, struct log **ret_log)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return ST_NOMEM;
	log->level = level;
	log->fd = STDERR_FILENO;
	pthread_mutex_init(&log->lock, NULL);
	if (path != NULL) {
		log->path = strdup(path);
		log->fd = log->path == NULL ? -1 : log_open_file(path);
		if (log->fd < 0) {
			enum status st = log->path == NULL ? ST_NOMEM : ST_IO;
			log_close(log);
			return st;
		}
	}
	*ret_log = log;
	return ST_OK;
}

void
log_close(struct log *log)
{
	if (log == NULL)
		return;
	if (log->path != NULL && log->fd >= 0)
		close(log->fd);
	pthread_mutex_destroy(&log->lock);
	free(log->path);
	free(log);
}

enum status
log_reopen(struct log *log)
{
	if (log->path == NULL)
		return ST_OK;
	int fd = log_open_file(log->path);
	if (fd < 0)
		return ST_IO;
	pthread_mutex_lock(&log->lock);
	int old = log->fd;
	log->fd = fd;
	pthread_mutex_unlock(&log->lock);
	close(old);
	return ST_OK;
}

static void
line_put(struct line *line, const char *text, size_t len)
{
	size_t room = sizeof(line->text) - 1 - line->len;	/* one byte stays for the newline */

	if (len > room)
		len = room;
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void
line_puts(struct line *line, const char *text)
{
	line_put(line, text, strlen(text));
}

static void
line_put_value(struct line *line, const char *value)
{
	bool plain = value[0] != '\0';

	for (const char *p = value; *p != '\0' && plain; p++)
		plain = (unsigned char)*p > ' ' && *p != '"' && *p != '\\' && *p != 0x7f && *p != '=';
	if (plain) {
		line_puts(line, value);
		return;
	}
	line_puts(line, "\"");
	for (const char *p = value; *p != '\0'; p++) {
		char escaped[8];
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned char)*p);
		else
			snprintf(escaped, sizeof(escaped), *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
		line_puts(line, escaped);
	}
	line_puts(line, "\"");
}

static void
line_put_time(struct line *line)
{
	struct timespec now;
	struct tm tm;
	char text[48];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03ldZ ", now.tv_nsec / 1000000);
	line_puts(line, text);
}

void
log_event(struct log *log, enum log_level level, const char *event, ...)
{
	struct line line = { .len = 0 };
	va_list ap;

	if (log == NULL || level < log->level)
		return;
	line_put_time(&line);
	line_puts(&line, level_names[level]);
	line_puts(&line, " ");
	line_puts(&line, event);
	va_start(ap, event);
	for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
		const char *value = va_arg(ap, const char *);
		line_puts(&line, " ");
		line_puts(&line, key);
		line_puts(&line, "=");
		line_put_value(&line, value == NULL ? "" : value);
	}
	va_end(ap);
	line.text[line.len++] = '\n';

	pthread_mutex_lock(&log->lock);
	ssize_t n = write(log->fd, line.text, line.len);
	(void)n;		/* there is nobody to tell that the log is full */
	pthread_mutex_unlock(&log->lock);
}

const char *
log_number(struct log_number *n, long long v)
{
	snprintf(n->text, sizeof(n->text), "%lld", v);
	return n->text;
}

enum status
log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return ST_OK;
		}
	}
	return ST_INVALID;
}
