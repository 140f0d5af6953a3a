/**
 * log_fetch.h: the resources of a log (C2SP tlog-tiles) by their paths: files of a directory, or what a server has under an http or https
 * address.  Nothing is believed of what comes; sizes and times are bounded.
 */
#ifndef FEALTY_TOOLS_LOG_FETCH_H
#define FEALTY_TOOLS_LOG_FETCH_H

#include "base/bytes.h"

struct log_fetch;

enum log_fetch_result {
	LOG_FETCH_OK,
	LOG_FETCH_MISSING,		/* there is none */
	LOG_FETCH_TOO_LARGE,		/* it is longer than asked for */
	LOG_FETCH_FAILED,		/* disk or net; log_fetch_error() says what */
};

/**
 * log_fetch_open(place, timeout_ms, ret_fetch, ret_error):
 * ${place} is borrowed: "http://…", "https://…", or a directory.  ${timeout_ms} is for each resource of a server.
 * ST_INVALID, with a sentence in *${ret_error}: it is neither; ST_NOMEM.
 * A server is not asked yet.
 */
enum status log_fetch_open(const char *place, uint32_t timeout_ms, struct log_fetch **ret_fetch, const char **ret_error) MUST_CHECK;
void log_fetch_close(struct log_fetch *fetch);		/* accepts NULL */

/* Begins with what will be asked for soon, if there is room for it; LOG_FETCH_AHEAD at a time.  Of a directory nothing. */
#define LOG_FETCH_AHEAD 16
void log_fetch_ahead(struct log_fetch *fetch, const char *path, size_t bytes_max);

/**
 * log_fetch(fetch, path, bytes_max, ret_data):
 * Waits for it; three times, when the net or the server fails for a while, but once when time runs out.  The caller releases *${ret_data}, which is
 * untouched unless the result is LOG_FETCH_OK.
 */
enum log_fetch_result log_fetch(struct log_fetch *fetch, const char *path, size_t bytes_max, struct buf *ret_data) MUST_CHECK;

/* Of the newest LOG_FETCH_FAILED; borrowed. */
const char *log_fetch_error(const struct log_fetch *fetch);

#endif
