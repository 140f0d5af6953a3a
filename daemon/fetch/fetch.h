/**
 * fetch.h: HTTP requests that we make ourselves: POSTs to a few servers at the same time, on one thread.  The daemon's only user of libcurl.
 *
 * Every request is bounded: 5 s to connect and 10 s in all, whatever the server does; 16 KiB of headers and 16 KiB of body, beyond which
 * it ends.  A redirect is an answer like any other and is not followed.  https is verified by the system's certificate authorities, from
 * TLS 1.2 on; plain http is for loopback addresses only, unless who asks allows more.  https goes through a proxy when the environment names one (https_proxy).
 */
#ifndef FEALTY_FETCH_FETCH_H
#define FEALTY_FETCH_FETCH_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

#define FETCH_URL_BYTES 512		/* with its NUL */
#define FETCH_BODY_BYTES_MAX 16384
#define FETCH_TYPE_BYTES 64

struct fetcher;

enum fetch_url_result {
	FETCH_URL_OK,
	FETCH_URL_BAD,			/* no URL with a scheme and a host, or too long, or with bytes other than printable ASCII */
	FETCH_URL_BAD_SCHEME,		/* neither https nor http */
	FETCH_URL_NOT_LOOPBACK,		/* http, to anything but localhost, 127.0.0.0/8 or ::1 */
	FETCH_URL_EXTRA,		/* with a user, a query or a fragment */
};
const char *fetch_url_result_str(enum fetch_url_result result);	/* a sentence that goes on from "the URL" */
enum fetch_url_result fetch_url_check(struct bytes url) MUST_CHECK;

/* The same with more allowed. */
enum fetch_allow { FETCH_ALLOW_QUERY = 1, FETCH_ALLOW_PLAIN = 2 };	/* http to anything */
enum fetch_url_result fetch_url_check_but(struct bytes url, unsigned allow) MUST_CHECK;

/* Borrowed for the call of fetch_done_fn. */
struct fetch_answer {
	int code;			/* HTTP's status; 0: there was no answer, or not a whole one */
	const char *why;		/* of 0: words */
	char content_type[FETCH_TYPE_BYTES];	/* "": none, or one that is longer */
	unsigned retry_after_s;		/* 0: it said none */
	struct bytes body;
};
typedef void fetch_done_fn(void *ctx, const struct fetch_answer *answer);

/**
 * fetcher_new(user_agent, ret_fetcher): ${user_agent} is borrowed.  Errors: ST_NOMEM; ST_IO: libcurl cannot be initialised.
 * fetcher_free(): accepts NULL; what is under way ends at once, without a call.
 */
enum status fetcher_new(const char *user_agent, struct fetcher **ret_fetcher) MUST_CHECK;
void fetcher_free(struct fetcher *fetcher);

/**
 * fetch_post(fetcher, url, body, done, ctx):
 * Begins a request; ${url} passed fetch_url_check(), ${body} is copied.  done() is called once, from fetcher_run(), and may begin another.
 * Errors: ST_NOMEM.
 */
enum status fetch_post(struct fetcher *fetcher, const char *url, struct bytes body, fetch_done_fn *done, void *ctx) MUST_CHECK;

/* The same with headers of its own ("name: value"), instead of a Content-Type of plain text; they are copied. */
enum status fetch_post_with(struct fetcher *fetcher, const char *url, const char *const *headers, size_t n_headers, struct bytes body,
    fetch_done_fn *done, void *ctx) MUST_CHECK;

/* Waits until something is to be done, at most ${wait_ms}, and does it.  One thread alone begins and runs requests. */
void fetcher_run(struct fetcher *fetcher, unsigned wait_ms);

/* Any thread: fetcher_run() returns at once, or does not wait the next time. */
void fetcher_wake(struct fetcher *fetcher);

#endif
