/* comparison.h: what redecide.c and comparison.c share.  Nobody else includes it. */
#ifndef FEALTY_LEDGER_COMPARISON_H
#define FEALTY_LEDGER_COMPARISON_H

#include "ledger/internal.h"
#include "ledger/redecide.h"

struct comparison {
	const char *list;			/* "postings", while its rows are looked at; NULL */
	size_t at;
	bool differs;
	struct redecide_difference *difference;	/* of the first */
};

/* Notes a difference of ${field}, unless there is one already. */
void comparison_differ(struct comparison *c, const char *field, const char *stored, const char *decided);

/* Of everything that a decision writes. */
void comparison_entries(struct comparison *c, const struct entry *stored, const struct entry *decided);

#endif
