/* program_file.h: program files, read and judged as the daemon judges them. */
#ifndef FEALTY_TOOLS_PROGRAM_FILE_H
#define FEALTY_TOOLS_PROGRAM_FILE_H

#include "cli.h"
#include "codec/codec.h"

struct program_file {
	const char *path;		/* borrowed; of a program that is no file: what it is called */
	struct arena arena;
	struct buf text, definition;	/* the file, and the serialised Program */
	struct buf zone;		/* this machine's TZif data */
	struct yaml_lines *lines;	/* NULL when it is no file */
	const struct program_def *def;
	const struct program *program;
};

/* What is wrong: path "" and line 0 when no key or line is. */
struct program_file_error { unsigned line, column; char path[160]; char sentence[320]; };

/**
 * program_file_read(path, ret_file, ret_error):
 * ST_OK; ST_INVALID: the file is there and wrong, or cannot be read: *${ret_error} says how; ST_NOMEM.  End it with program_file_release()
 * whatever the outcome.
 */
enum status program_file_read(const char *path, struct program_file *ret_file, struct program_file_error *ret_error) MUST_CHECK;
/* The same, with as much of what is wrong as can be said at once, up to ${max}, in the order in which it is judged. */
enum status program_file_read_all(const char *path, struct program_file *ret_file, struct program_file_error *errors, size_t max, size_t *ret_n)
    MUST_CHECK;
void program_file_release(struct program_file *file);

/* The same of a serialised Program, as a daemon has it. */
enum status program_file_take(const char *name, struct bytes definition, struct program_file *ret_file,
    struct program_file_error *ret_error)
    MUST_CHECK;

/* The line of a key, or of the nearest one around it; 0: none. */
unsigned program_file_line(const struct program_file *file, const char *path);

/* Tells an error as FILE:LINE: KEY: SENTENCE; several so, a line each, and in JSON the first with all of them in `errors`. */
enum exit_code program_file_tell(bool json, const char *path, const struct program_file_error *error, enum exit_code code);
enum exit_code program_file_tell_all(bool json, const char *path, const struct program_file_error *errors, size_t n, enum exit_code code);

#endif
