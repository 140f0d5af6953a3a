/**
 * internal.h: what the files of admin/ share.
 *   admin.c         the thread, and which service it looks at
 *   http.c          connections and requests, by evhttp
 *   route.c         what is answered to a path
 *   metrics_text.c  the text of /metrics
 */
#ifndef FEALTY_ADMIN_INTERNAL_H
#define FEALTY_ADMIN_INTERNAL_H

#include <pthread.h>

#include "admin/admin.h"
#include "admin/metrics_text.h"
#include "admin/route.h"
#include "base/bytes.h"
#include "service/figures.h"

struct event_base;
struct event;
struct http;

struct admin {
	const char *version;
	int64_t begun_us;		/* monotonic */
	struct event_base *base;
	struct http *http;
	struct event *wake;
	int wake_fd;			/* written to end the thread */
	bool ending;			/* the thread's */
	pthread_t thread;
	bool has_thread;
	size_t answers_bytes;		/* the thread's, and at the end the base's: of bodies whose readers have not taken all of them yet */
	uint64_t requests[ROUTE_COUNT][CODE_COUNT];	/* the thread's: answered, by path and code (route.c) */

	pthread_mutex_t lock;		/* held while an answer is made; guards the rest */
	struct service *service;	/* NULL: not open yet, or not any more */
	bool stopping;
};

/* ---- http.c ---- */

/* Owns ${fd}, a listening socket, also when it fails.  Answers by route_answer(), on the thread that runs ${base}. */
enum status http_new(struct event_base *base, int fd, struct admin *admin, struct http **ret_http) MUST_CHECK;
void http_end_turn(struct http *http);		/* after each turn of ${base}: lets go of connections that ended, accepts others */
void http_free(struct http *http);		/* accepts NULL */

#endif
