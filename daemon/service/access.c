#include "service/access.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct access {
	struct arena arena;
	struct access_file file;
};

static enum status
read_file(const char *path, struct buf *out, char *why)
{
	uint8_t chunk[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		snprintf(why, ACCESS_WHY_BYTES, "The access file %s cannot be opened: %s.", path, strerror(errno));
		return ST_IO;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0 && out->len <= FILE_BYTES_MAX)
		buf_put(out, chunk, n);
	bool failed = ferror(f) != 0;
	(void)fclose(f);
	if (!failed && out->len <= FILE_BYTES_MAX)
		return buf_status(out);
	snprintf(why, ACCESS_WHY_BYTES, "The access file %s cannot be read, or is longer than 4 MiB.", path);
	return ST_INVALID;
}

/* False: its name or number is none. */
static bool
judge_limit(const struct access_limit *l, char *ret_sentence, size_t size)
{
	enum limit limit;

	if (!limit_find(l->name, &limit)) {
		snprintf(ret_sentence, size, "there is no limit `%.60s'; `fealtyd --help` has the list", l->name);
		return false;
	}
	if (!limit_table[limit].is_principals) {
		snprintf(ret_sentence, size, "%s is not a principal's; say it with --limit", l->name);
		return false;
	}
	if (l->value >= limit_table[limit].least && l->value <= limit_table[limit].most)
		return true;
	snprintf(ret_sentence, size, "%s is a number from %u to %u", l->name, limit_table[limit].least, limit_table[limit].most);
	return false;
}

static enum status
check_limits(const char *path, const struct access_file *file, char *why)
{
	char sentence[200];

	for (size_t i = 0; i < file->n; i++) {
		for (size_t k = 0; k < file->rows[i].n_limits; k++) {
			const struct access_limit *l = &file->rows[i].limits[k];
			if (judge_limit(l, sentence, sizeof(sentence)))
				continue;
			snprintf(why, ACCESS_WHY_BYTES, "%s:%u: principals.%s%s.limits: %s.", path, l->line, file->rows[i].pattern,
			    file->rows[i].is_prefix ? "*" : "", sentence);
			return ST_INVALID;
		}
	}
	return ST_OK;
}

static enum status
parse(const char *path, struct bytes text, struct access *access, char *why)
{
	struct text_error error;

	char *copy = arena_memdup(&access->arena, text.data, text.len);		/* what is read borrows from it */
	enum status st = copy == NULL ? ST_NOMEM : codec_access_parse(bytes_of(copy, text.len), &access->arena, &access->file, &error);
	if (st == ST_INVALID)
		snprintf(why, ACCESS_WHY_BYTES, "%s:%u: %s%s%s.", path, error.line, error.path, error.path[0] == '\0' ? "" : ": ", error.sentence);
	return st == ST_OK ? check_limits(path, &access->file, why) : st;
}

enum status
access_load(const char *path, struct access **ret_access, char *ret_why)
{
	struct access *access = calloc(1, sizeof(*access));
	struct buf text;

	snprintf(ret_why, ACCESS_WHY_BYTES, "There is no memory for the access file %s.", path);
	if (access == NULL)
		return ST_NOMEM;
	arena_init(&access->arena, ARENA_BYTES_MAX);
	buf_init(&text);
	enum status st = read_file(path, &text, ret_why);
	if (st == ST_OK)
		st = parse(path, buf_bytes(&text), access, ret_why);
	buf_release(&text);
	if (st == ST_OK)
		*ret_access = access;
	else
		access_free(access);
	return st;
}

void
access_free(struct access *access)
{
	if (access == NULL)
		return;
	arena_release(&access->arena);
	free(access);
}

const struct access_row *
access_find(const struct access *access, const char *principal)
{
	const struct access_row *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < access->file.n; i++) {
		const struct access_row *row = &access->file.rows[i];
		size_t len = strlen(row->pattern);
		if (!row->is_prefix && strcmp(row->pattern, principal) == 0)
			return row;
		if (row->is_prefix && len > best_len && strncmp(row->pattern, principal, len) == 0) {
			best = row;
			best_len = len;
		}
	}
	return best;
}

void
access_apply(const struct access_row *row, struct limits *limits)
{
	bool said[LIMIT_COUNT] = { false };
	enum limit limit;

	for (size_t i = 0; i < row->n_limits; i++) {
		bool known = limit_find(row->limits[i].name, &limit);
		assert(known);		/* judged when it was loaded */
		limits->of[limit] = row->limits[i].value;
		said[limit] = true;
	}
	for (enum limit i = 0; i < LIMIT_COUNT; i++) {
		if (said[i] && limit_is_rate(i) && !said[i + 1])
			limits->of[i + 1] = limits->of[i];
	}
}

bool
access_has_program(const struct access_row *row, const char *program)
{
	for (size_t i = 0; i < row->n_programs; i++) {
		if (strcmp(row->programs[i], program) == 0)
			return true;
	}
	return row->all_programs;
}
