/* The steps of the daemon's publish, on a file: YAML, what is built, the zone, the rules. What fails of the first that does is told with its line. */
#include "program_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM_FILE_BYTES_MAX (1u << 20)
#define PROGRAM_ARENA_BYTES (64u << 20)
#define ZONE_DIRECTORY "/usr/share/zoneinfo"

static enum status
wrong(struct program_file_error *error, const char *path, unsigned line, const char *sentence)
{
	*error = (struct program_file_error){ .line = line };
	(void)snprintf(error->path, sizeof(error->path), "%s", path);
	(void)snprintf(error->sentence, sizeof(error->sentence), "%s", sentence);
	return ST_INVALID;
}

/* Names such as Asia/Seoul only: nothing that could leave the directory. */
static bool
zone_name_valid(const char *name)
{
	return name[0] != '\0' && name[0] != '/' && strlen(name) < 65 && strstr(name, "..") == NULL &&
	    name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/")] == '\0';
}

static enum status
read_zone(const char *name, struct buf *tzif, struct zone *ret_zone)
{
	char path[128];

	if (!zone_name_valid(name))
		return ST_INVALID;
	(void)snprintf(path, sizeof(path), ZONE_DIRECTORY "/%s", name);
	if (file_read_all(path, CALENDAR_ZONE_DATA_BYTES_MAX, tzif) != ST_OK)
		return ST_INVALID;
	return zone_parse(buf_bytes(tzif), ret_zone);
}

unsigned
program_file_line(const struct program_file *file, const char *path)
{
	return file->lines == NULL ? 0 : yaml_line_of(file->lines, path);
}

/* What a step says, with the lines of the keys. */
static enum status
compile(struct program_file *file, const struct program_def *def, const struct zone *zone, struct program **ret_program,
    struct program_file_error *errors, size_t max, size_t *ret_n)
{
	struct program_error *found = arena_take(&file->arena, max * sizeof(*found));

	if (found == NULL)
		return ST_NOMEM;
	enum status st = program_compile_all(def, zone, &file->arena, ret_program, found, max, ret_n);
	for (size_t i = 0; st == ST_INVALID && i < *ret_n; i++)
		(void)wrong(&errors[i], found[i].path, program_file_line(file, found[i].path), found[i].sentence);
	return st;
}

static enum status
judge(struct program_file *file, struct program_file_error *ret_error, size_t max, size_t *ret_n)
{
	struct program_def *def;
	struct program_error error;
	struct program *program;
	struct zone zone;

	*ret_n = 1;
	if (file->definition.len > LEDGER_PROGRAM_BYTES_MAX)
		return wrong(ret_error, "", 0, "the program takes more than 40 000 bytes; a program must fit one transaction");
	enum status st = codec_program_def(buf_bytes(&file->definition), &file->arena, &def, &error);
	if (st == ST_INVALID)
		return wrong(ret_error, error.path, program_file_line(file, error.path), error.sentence);
	if (st != ST_OK)
		return st;
	if (def->timezone == NULL)
		return wrong(ret_error, "timezone", 0, "timezone is required, as Asia/Seoul");
	if (read_zone(def->timezone, &file->zone, &zone) != ST_OK)
		return wrong(ret_error, "timezone", program_file_line(file, "timezone"),
		    "this machine has no such time zone; give one such as Asia/Seoul, of the package tzdata");
	st = compile(file, def, &zone, &program, ret_error, max, ret_n);
	if (st != ST_OK)
		return st;
	file->def = def;
	file->program = program;
	return st;
}

static void
file_init(const char *path, struct program_file *file)
{
	*file = (struct program_file){ .path = path };
	arena_init(&file->arena, PROGRAM_ARENA_BYTES);
	buf_init(&file->text);
	buf_init(&file->definition);
	buf_init(&file->zone);
}

enum status
program_file_take(const char *name, struct bytes definition, struct program_file *ret_file, struct program_file_error *ret_error)
{
	file_init(name, ret_file);
	buf_put(&ret_file->definition, definition.data, definition.len);
	enum status st = buf_status(&ret_file->definition);
	size_t n;

	return st == ST_OK ? judge(ret_file, ret_error, 1, &n) : st;
}

/* The file's YAML, as a serialised program. */
static enum status
parse(struct program_file *file, struct program_file_error *errors, size_t max, size_t *ret_n)
{
	struct text_error *found = arena_take(&file->arena, max * sizeof(*found));

	if (found == NULL)
		return ST_NOMEM;
	enum status st = codec_yaml_parse_all(buf_bytes(&file->text), &file->arena, &file->definition, &file->lines, found, max, ret_n);
	for (size_t i = 0; st == ST_INVALID && i < *ret_n; i++) {
		(void)wrong(&errors[i], found[i].path, found[i].line, found[i].sentence);
		errors[i].column = found[i].column;
	}
	return st;
}

enum status
program_file_read(const char *path, struct program_file *ret_file, struct program_file_error *ret_error)
{
	size_t n;

	return program_file_read_all(path, ret_file, ret_error, 1, &n);
}

enum status
program_file_read_all(const char *path, struct program_file *ret_file, struct program_file_error *errors, size_t max, size_t *ret_n)
{
	char sentence[320];

	*ret_n = 1;
	file_init(path, ret_file);
	enum status st = file_read_all(path, PROGRAM_FILE_BYTES_MAX, &ret_file->text);
	if (st == ST_IO || st == ST_TOO_LARGE) {
		(void)snprintf(sentence, sizeof(sentence), "the file cannot be read: %s",
		    st == ST_TOO_LARGE ? "it has more than 1 MiB, and a program is at most 40 000 bytes" : cli_status_words(st));
		return wrong(errors, "", 0, sentence);
	}
	if (st == ST_OK)
		st = parse(ret_file, errors, max, ret_n);
	return st == ST_OK ? judge(ret_file, errors, max, ret_n) : st;
}

void
program_file_release(struct program_file *file)
{
	buf_release(&file->text);
	buf_release(&file->definition);
	buf_release(&file->zone);
	arena_release(&file->arena);
}

static void
tell_people(const char *path, const struct program_file_error *error)
{
	(void)fprintf(stderr, "%s", path);
	if (error->line > 0)
		(void)fprintf(stderr, ":%u", error->line);
	(void)fprintf(stderr, ": %s%s%s\n", error->path, error->path[0] != '\0' ? ": " : "", error->sentence);
}

static void
put_place(json_t *object, const struct program_file_error *error)
{
	json_put_number(object, "line", error->line);
	json_put_number(object, "column", error->column);
	json_put_text(object, "field", error->path);
}

static json_t *
refused_json(const char *path, const struct program_file_error *error)
{
	json_t *object = json_new();

	json_put_text(object, "status", "INVALID_ARGUMENT");
	json_put_text(object, "reason", "PROGRAM_REFUSED");
	json_put_text(object, "message", error->sentence);
	json_put_text(object, "file", path);
	put_place(object, error);
	return object;
}

enum exit_code
program_file_tell(bool json, const char *path, const struct program_file_error *error, enum exit_code code)
{
	if (json)
		return json_print_line(refused_json(path, error), code);
	tell_people(path, error);
	return code;
}

enum exit_code
program_file_tell_all(bool json, const char *path, const struct program_file_error *errors, size_t n, enum exit_code code)
{
	for (size_t i = 0; i < n && !json; i++)
		tell_people(path, &errors[i]);
	if (!json)
		return code;
	json_t *object = refused_json(path, &errors[0]), *list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_new();
		put_place(one, &errors[i]);
		json_put_text(one, "message", errors[i].sentence);
		(void)json_array_append_new(list, one);
	}
	json_put(object, "errors", list);
	return json_print_line(object, code);
}
