/**
 * log.h: one line for each event: `<RFC 3339 time> <level> <event> key=value …`.  The event name is stable; values are quoted when
 * they need it, control characters escaped.  Nothing below service/ logs.  Never log an alias, a birthday or a key.
 */
#ifndef FEALTY_BASE_LOG_H
#define FEALTY_BASE_LOG_H

#include "base/status.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

struct log;

/**
 * log_open(path, level, ret_log):
 * Logs to ${path} (created with mode 0640, appended), or to standard error when ${path} is NULL; lines below ${level} are dropped.
 * Safe to use from any thread.  The caller ends it with log_close().
 * Errors: ST_NOMEM; ST_IO, with errno.
 */
enum status log_open(const char *path, enum log_level level, struct log **ret_log) MUST_CHECK;
void log_close(struct log *log);

/* Opens the path anew, after a rotation; keeps the old file when that fails (ST_IO). */
enum status log_reopen(struct log *log) MUST_CHECK;

/**
 * log_event(log, level, event, ...):
 * The arguments are pairs: a key, then printf format and its value as one string made by the caller, both `const char *`, ended by
 * NULL: log_event(l, LOG_LEVEL_INFO, "conn.closed", "conn", id, "reason", why, NULL).  ${log} may be NULL: nothing happens.
 */
void log_event(struct log *log, enum log_level level, const char *event, ...) __attribute__((sentinel));

/* A decimal number for a value of log_event(), valid until the end of the enclosing block. */
struct log_number { char text[24]; };
const char *log_number(struct log_number *n, long long v);
#define LOG_N(v) log_number(&(struct log_number){ { 0 } }, (long long)(v))

/* "debug", "info", "warning", "error" to a level; ST_INVALID otherwise. */
enum status log_level_parse(const char *text, enum log_level *ret_level) MUST_CHECK;

#endif
