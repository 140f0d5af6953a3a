/**
 * import_send.h: sends the rows of a file as commands, in order, a batch at a time, and counts what became of them.
 */
#ifndef FEALTY_TOOLS_IMPORT_SEND_H
#define FEALTY_TOOLS_IMPORT_SEND_H

#include "call.h"
#include "import_file.h"
#include "progress.h"
#include "sum.h"

struct import_refusal {
	uint32_t line;
	char reason[40];
	char *sentence;			/* owned */
};

struct import_totals {
	uint64_t applied, replayed, refused;		/* of the purchases */
	uint64_t enrolled, enrolled_before, known;	/* known: the name was a member's already */
	struct sum granted, granted_now, spend, spend_now;	/* _now: without what was replayed */
	size_t n_refusals, cap_refusals;
	struct import_refusal *refusals;
};

struct import_options {
	char *alias_prefix;		/* borrowed, never NULL */
	bool no_enrol;
	uint64_t batch;			/* commands in a frame at most */
};

/**
 * import_send(call, options, file, progress, ret_totals):
 * Sends everything.  A batch that gets no answer, or is put off by the daemon, is sent again under the same request ids, until nothing has
 * been answered for call->timeout_ms.  EXIT_DONE; EXIT_REFUSED when rows were refused; otherwise it stopped early and the failure was told.
 * End ${ret_totals} with import_totals_release() whatever the outcome.
 */
enum exit_code import_send(const struct call_options *call, const struct import_options *options, const struct import_file *file,
    struct progress *progress, struct import_totals *ret_totals) MUST_CHECK;

/* In the order of their lines. */
void import_refused(struct import_totals *totals, uint32_t line, const char *reason, const char *sentence);
enum exit_code import_refusals_write(const struct import_totals *totals, const char *path) MUST_CHECK;
void import_refusals_sort(struct import_totals *totals);
void import_totals_release(struct import_totals *totals);

#endif
