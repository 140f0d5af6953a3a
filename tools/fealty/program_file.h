/* program_file.h: program files, read and judged as the daemon judges them. */
#ifndef FEALTY_TOOLS_PROGRAM_FILE_H
#define FEALTY_TOOLS_PROGRAM_FILE_H

#include "cli.h"
#include "codec/codec.h"

struct program_file {
	const char *path;		/* borrowed */
	struct arena arena;
	struct buf text, definition;	/* the file, and the serialised Program */
	struct yaml_lines *lines;
	const struct program *program;	/* compiled with this machine's zone data */
};

/* What is wrong: path "" and line 0 when no key or line is. */
struct program_file_error { unsigned line, column; char path[160]; char sentence[320]; };

/**
 * program_file_read(path, ret_file, ret_error):
 * ST_OK; ST_INVALID: the file is there and wrong, or cannot be read: *${ret_error} says how; ST_NOMEM.  End it with program_file_release()
 * whatever the outcome.
 */
enum status program_file_read(const char *path, struct program_file *ret_file, struct program_file_error *ret_error) MUST_CHECK;
void program_file_release(struct program_file *file);

/* Tells an error as FILE:LINE: KEY: SENTENCE. */
enum exit_code program_file_tell(bool json, const char *path, const struct program_file_error *error, enum exit_code code);

#endif
