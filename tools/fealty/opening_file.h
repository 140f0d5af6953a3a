/**
 * opening_file.h: members of an old system, from a CSV file with a header:
 *
 *   member,aliases,points,last_day,tier,tier_until,counter:nights
 *   old:1,card:8801;app:u-77,200,2026-12-31,gold,2026-08-31,12
 *   old:1,,300,,,,
 *
 * A row for each lot; the rows of a member stand together, and what is no lot stands in the first of them.  A row without points is of a member
 * without lots, a lot without last_day never expires.  All columns but member may be missing.  Knows nothing of a daemon.
 */
#ifndef FEALTY_TOOLS_OPENING_FILE_H
#define FEALTY_TOOLS_OPENING_FILE_H

#include "import_file.h"
#include "opening.h"
#include "sum.h"

struct opening_member {
	uint32_t line;			/* its first row */
	bool bad;			/* a row of it is: it is not sent */
	struct opening o;
	char *aliases[16];		/* o.body.aliases */
	struct sum points;
};

struct opening_file {
	struct import_file lines;	/* data, key_prefix, bad; no rows */
	size_t n, cap;
	struct opening_member *members;
};

/* As import_file_read(): bad rows are noted in lines.bad, by line. */
enum status opening_file_read(const char *path, struct opening_file *ret_file, char ret_sentence[static 256]) MUST_CHECK;
void opening_file_release(struct opening_file *file);
/* Adds to lines.bad. */
void opening_file_bad(struct opening_file *file, struct opening_member *m, uint32_t line, const char *what, const char *detail);

/* What there is, summed by name: a tier, a counter, or a last day. */
struct opening_row { char name[40]; uint64_t count; struct sum points; };
struct opening_totals {
	uint64_t members, lots;
	struct sum points;
	size_t n_days, n_tiers, n_counters;
	struct opening_row *days, *tiers, *counters;	/* by name; a day of "" never comes */
};
void opening_totals_add(struct opening_totals *t, const struct opening_member *m);
void opening_totals_release(struct opening_totals *t);

#endif
