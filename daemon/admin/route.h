/* route.h: what is answered to a path.  A page is bytes with their type: HTTP begins in http.c. */
#ifndef FEALTY_ADMIN_ROUTE_H
#define FEALTY_ADMIN_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct admin;

/* Strings are static.  The body leaves as fast as its reader takes it, without another copy. */
struct page {
	int code;			/* 200, … */
	const char *content_type;
	const char *cache_control;
	const char *allow;		/* of a 405; NULL: none */
	const char *retry_after;	/* of a 503, in seconds; NULL: none */
	const char *path;		/* of the route that answered; NULL: none did */
	size_t body_max;		/* what the caller has room for now */
	struct buf body;		/* the caller's to release */
};

/**
 * Makes the page for a path of this route; ${rest} is what follows the route's path in the request's ("" when they are equal).  A body
 * that ran out of memory is answered with 500.
 */
typedef void route_fn(struct admin *admin, const char *rest, struct page *page);
struct route {
	const char *path;		/* "/metrics"; of a prefix "/tile/" */
	bool is_prefix;			/* all that begins with it and goes on */
	route_fn *answer;
};

/* NULL: none.  A path is compared as it came: nothing is decoded. */
const struct route *route_find(const struct route *routes, size_t n, const char *path, const char **ret_rest);

/* A sentence as the whole page, not to be cached. */
void page_text(struct page *page, int code, const char *sentence);

/* The page for a GET or HEAD of ${path}; body_max is set already. */
void route_answer(struct admin *admin, const char *path, struct page *page);

/* For metrics: the page leaves as it is now. */
#define ROUTE_COUNT 6		/* ours, and one for all other paths */
#define CODE_COUNT 6
void route_count(struct admin *admin, const struct page *page);

#endif
