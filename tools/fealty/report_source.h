/**
 * report_source.h: where a report's ledger is: the data directory of a stopped or running daemon, an exported log, or the daemon itself; and one
 * pass over it.  Chain, tree and checkpoints are verified on the way, signatures of single transactions are not: the roots bind every byte.
 */
#ifndef FEALTY_TOOLS_REPORT_SOURCE_H
#define FEALTY_TOOLS_REPORT_SOURCE_H

#include "audit.h"
#include "audit_trust.h"
#include "call.h"
#include "log_source.h"

struct report_source {
	struct call_options call;
	const char *data_path;		/* DIR; NULL: not given */
	char *log, *head_lock;
	struct audit_trust trust;

	const char *place;		/* as people name it */
	struct log_source directory;
	struct fealty_client *client;
	struct audit audit;
};

/* The options that say where, for a command's argp; KEY_SOURCE … are kept free of its own. */
enum { KEY_SOURCE_LOG = KEY_COMMAND + 0x100, KEY_SOURCE_VKEY, KEY_SOURCE_POLICY, KEY_SOURCE_HEAD_LOCK };
#define REPORT_SOURCE_OPTIONS \
	{ "log", KEY_SOURCE_LOG, "PLACE", 0, "Read an exported log instead: a directory, or an http(s) address under which it is served", 0 }, \
	{ "vkey", KEY_SOURCE_VKEY, "KEY", 0, "The key that must have signed its newest checkpoint, as \"fealty log key\" prints it", 0 }, \
	{ "policy", KEY_SOURCE_POLICY, "FILE", 0, "With --log: a C2SP tlog-policy that must accept its checkpoint", 0 }, \
	{ "head-lock", KEY_SOURCE_HEAD_LOCK, "FILE", 0, "The daemon's note of the head it published last (default: DIR.head.lock)", 0 }

void report_source_init(struct report_source *source);
/* ARGP_ERR_UNKNOWN: none of these options.  _judge(): at the end, with data_path set. */
error_t report_source_parse(int key, char *arg, struct report_source *source);
error_t report_source_judge(struct argp_state *state, const struct report_source *source);

/**
 * report_source_read(source, depth, on_link, ctx):
 * Opens it and passes every transaction, in order, to ${on_link}.  What is not EXIT_DONE was told.  After it source->audit has what the pass
 * left: with AUDIT_REPLAY a state.  ${on_link} ends it with ST_INTERRUPTED, which is EXIT_INTERNAL and the caller's to tell.  End it with
 * report_source_close() whatever came of it.
 */
typedef enum status report_link_fn(void *ctx, const struct audit_link *link, struct bytes leaf);
enum exit_code report_source_read(struct report_source *source, enum audit_depth depth, report_link_fn *on_link, void *ctx) MUST_CHECK;
void report_source_close(struct report_source *source);

#endif
