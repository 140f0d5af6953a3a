/**
 * opening_send.h: the members of an opening file against a daemon: what its program says of them, sending them, and what came of it.
 */
#ifndef FEALTY_TOOLS_OPENING_SEND_H
#define FEALTY_TOOLS_OPENING_SEND_H

#include "call.h"
#include "import_send.h"
#include "opening_file.h"
#include "progress.h"

struct opening_report {
	struct opening_totals file;		/* of the rows that are good */
	struct opening_totals sent;		/* of those that the ledger has by this file: what the file says of them */
	struct opening_totals ledger;		/* and what the ledger says: members, points, tiers */
	uint64_t opened, opened_before, known;	/* known: the name was somebody's already */
	struct import_totals refusals;		/* rows that are bad, openings that were refused, and where ledger and file differ */
	uint64_t n_refused, n_differ;
};

/**
 * opening_send(call, file, dry_run, batch, progress, ret_report):
 * Judges all rows by the daemon's program; unless ${dry_run} sends the good ones, ${batch} at a time.  EXIT_DONE; EXIT_REFUSED when a row is
 * bad, an opening was refused, or the ledger has something else than the file; otherwise it stopped early and the failure was told.
 * End ${ret_report} with opening_report_release() whatever the outcome.
 */
enum exit_code opening_send(const struct call_options *call, struct opening_file *file, bool dry_run, uint64_t batch, struct progress *progress,
    struct opening_report *ret_report) MUST_CHECK;
void opening_report_release(struct opening_report *report);

#endif
