/**
 * import_file.h: a file of purchases, one a line, in columns: read, judged line by line, sorted by date.  Knows nothing of a daemon.
 */
#ifndef FEALTY_TOOLS_IMPORT_FILE_H
#define FEALTY_TOOLS_IMPORT_FILE_H

#include "cli.h"
#include "ledger/calendar.h"

#define IMPORT_KEY_PREFIX_DIGITS 16		/* of the file's SHA-256, in hex */

enum import_field { IMPORT_MEMBER, IMPORT_DATE, IMPORT_AMOUNT, IMPORT_STORE, IMPORT_TERMINAL, IMPORT_RECEIPT_NO, IMPORT_FIELD_COUNT };

struct import_format {
	const char *columns;		/* "member=1,date=2,amount=4" or names of the header */
	const char *date_format;	/* NULL: YYYY-MM-DD or YYYYMMDD; else YYYY, MM, DD and what stands between */
	char separator;			/* ' ': white space; 0: a comma if the first line has one, else white space */
	uint64_t skip_lines;
};

/* One line; strings point into the file. field[] of what is not mapped, or empty, is NULL. */
struct import_row {
	uint32_t line;			/* from 1 */
	int32_t day;
	bool first_of_member;		/* by date: the enrolment goes before it */
	char *field[IMPORT_FIELD_COUNT];
};

/* A line that cannot be used. */
struct import_bad { uint32_t line; char sentence[160]; };

struct import_file {
	struct buf data;
	char key_prefix[IMPORT_KEY_PREFIX_DIGITS + 1];
	uint64_t lines;			/* that held something, header and skipped ones apart */
	size_t n_rows, cap_rows, n_bad, cap_bad, n_members;
	struct import_row *rows;	/* by date, then line */
	struct import_bad *bad;
};

/**
 * import_file_read(path, format, ret_file, ret_sentence):
 * ST_OK, also when lines are bad; ST_INVALID: the file or the format is unusable: *${ret_sentence} says how; ST_NOMEM.
 * End it with import_file_release() whatever the outcome.
 */
enum status import_file_read(
    const char *path, const struct import_format *format, struct import_file *ret_file, char ret_sentence[static 256]) MUST_CHECK;
/* Its first step alone: data and key_prefix. */
enum status import_data_read(const char *path, struct import_file *ret_file, char ret_sentence[static 256]) MUST_CHECK;
enum status import_bad_add(struct import_file *file, uint32_t line, const char *what, const char *detail) MUST_CHECK;
/* Cuts a line in place at ${separator}, quotes respected; how many cells there are, ${max} at most. */
unsigned import_cut(char *line, char separator, char **cells, unsigned max);
void import_file_release(struct import_file *file);

#endif
