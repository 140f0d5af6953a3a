/**
 * log_source.h: a data directory as the log that it holds: whose it is, by which key, and its newest published checkpoint.  Beside a
 * stopped or a running daemon.  Whatever fails is told to the user here.
 */
#ifndef FEALTY_TOOLS_LOG_SOURCE_H
#define FEALTY_TOOLS_LOG_SOURCE_H

#include "cli.h"
#include "ledger/keys.h"
#include "log_head.h"
#include "store/store.h"


struct log_source {
	const char *data_path;			/* borrowed */
	bool json;
	struct store *store;
	char origin[LOG_ORIGIN_BYTES_MAX + 1];
	struct key_history keys;		/* of the ledger as it was when it was opened */
	uint64_t size;				/* its transactions then, above 0 */
	int64_t committed_at_us;		/* of the newest of them */
};

/**
 * log_source_open(data_path, head_lock, json, ret_source):
 * ${head_lock} NULL: <data_path>.head.lock, if it is there.  On success the caller ends *${ret_source}, which must not move, with
 * log_source_close().
 */
enum exit_code log_source_open(const char *data_path, const char *head_lock, bool json, struct log_source *ret_source) MUST_CHECK;
void log_source_close(struct log_source *source);

/* A whole command, of a data directory and --json, that prints something of it: parsed by plain_parse(), opened, printed, closed. */
typedef enum exit_code log_source_print_fn(const struct log_source *source, bool json);
enum exit_code log_source_command(const struct argp *argp, int argc, char **argv, log_source_print_fn *print);

/* The key that must have signed a checkpoint of ${size} transactions, and the one that may have as well: false when there is none. */
struct note_key log_key(const struct log_source *source, uint64_t size);
bool log_key_beside(const struct log_source *source, uint64_t size, int64_t committed_at_us, struct note_key *ret_key) MUST_CHECK;

/* Whether ${note} is a checkpoint of this log, of one transaction or more, signed by the key that the log had at that size. */
enum log_head_result log_source_head(const struct log_source *source, struct bytes note, struct log_head *ret_head) MUST_CHECK;

/**
 * log_head_newest(source, ret_head): the newest checkpoint that is stored and, when there is a head.lock, not above it: only such a one may
 * be shown to others.
 * log_head_near(source, size, ret_below, ret_above): the sizes of the stored ones at or below ${size}, and above it; 0: there is none.
 * log_head_of(source, size, ret_head): the stored one of exactly this size; ST_NOTFOUND: there was none; ST_CORRUPT; as store_read().
 */
enum exit_code log_head_newest(const struct log_source *source, struct log_head *ret_head) MUST_CHECK;
enum status log_head_near(const struct log_source *source, uint64_t size, uint64_t *ret_below, uint64_t *ret_above) MUST_CHECK;
enum status log_head_of(const struct log_source *source, uint64_t size, struct log_head *ret_head) MUST_CHECK;

#endif
