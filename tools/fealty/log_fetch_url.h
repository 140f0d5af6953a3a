/** log_fetch_url.h: log_fetch.h over HTTP.  Only log_fetch.c includes it. */
#ifndef FEALTY_TOOLS_LOG_FETCH_URL_H
#define FEALTY_TOOLS_LOG_FETCH_URL_H

#include "log_fetch.h"

#define LOG_FETCH_ERROR_BYTES 512

struct log_url;

/* As those of log_fetch.h; ${ret_error} has LOG_FETCH_ERROR_BYTES. */
enum status log_url_open(const char *place, uint32_t timeout_ms, struct log_url **ret_url, const char **ret_error) MUST_CHECK;
void log_url_close(struct log_url *url);
void log_url_ahead(struct log_url *url, const char *path, size_t bytes_max);
enum log_fetch_result log_url_fetch(struct log_url *url, const char *path, size_t bytes_max, struct buf *ret_data, char *ret_error) MUST_CHECK;

#endif
