/**
 * access.h: the text of an access file: for which programs a principal may act, and limits of its own.
 *
 *	principals:
 *	  backend/shop:                    # this one; or, with a star behind its last slash, all that begin so
 *	    programs: [acme, beta]         # ids; or the word `all`
 *	    limits: {principal_commands_per_second: 500}
 */
#ifndef FEALTY_CODEC_ACCESS_H
#define FEALTY_CODEC_ACCESS_H

#include "codec/codec.h"

#define ACCESS_PROGRAMS_MAX 256		/* of a row */

struct access_limit { const char *name; uint32_t value; unsigned line, column; };
struct access_row {
	const char *pattern;		/* without the star of a prefix: "pos/0042/" */
	bool is_prefix;
	unsigned line, column;
	bool has_programs, all_programs;
	size_t n_programs, n_limits;
	const char **programs;
	struct access_limit *limits;
};
struct access_file { size_t n; struct access_row *rows; };

/**
 * codec_access_parse(text, arena, ret_file, ret_error):
 * ST_INVALID: *${ret_error} has line and sentence: a key that is not known, or stands twice; a pattern that no principal has; programs of a role that is
 * of no program (only tills and backends are), or a backend's row without any.  The names of limits are the caller's to judge.  ST_NOMEM.
 */
enum status codec_access_parse(struct bytes text, struct arena *arena, struct access_file *ret_file, struct text_error *ret_error) MUST_CHECK;

#endif
