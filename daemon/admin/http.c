/**
 * evhttp reads and writes HTTP; what it lacks is a limit on connections and on the whole time of one, so that is here.
 *
 * evhttp owns a connection, and tells nobody when it ends.  But it asks for the bufferevent of each, and a reference of our own keeps that
 * alive, socket and all: a bufferevent whose callbacks are gone is one that evhttp has freed.  So each connection has a slot with such a
 * reference and an absolute timer, and at the end of each turn of the loop the slots of those that ended are cleared, which closes their
 * sockets; not later, for a socket that nobody looks after may still be read from.  When all slots are taken the listener rests, and
 * further peers wait in the kernel's queue.
 *
 * One request a connection: what a peer sends beyond its request is never taken for another one.
 */
#include "admin/internal.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define CONNECTION_SECONDS 10
#define HEADERS_BYTES_MAX 8192
#define BODY_BYTES_MAX 8192	/* of a method that we refuse: read, so that it learns its 405, and thrown away */
#define ANSWERS_BYTES_MAX ((size_t)64 * 1024 * 1024)	/* bodies whose readers have not taken all of them yet */
#define METHODS_ALL 0xffff	/* evhttp would answer 501 */

struct slot {
	struct http *http;
	struct bufferevent *bev;	/* NULL: free */
	struct event *timer;
};

struct http {
	struct admin *admin;
	struct evhttp *evhttp;
	struct evconnlistener *listener;	/* evhttp's, once it is bound */
	bool rests;
	unsigned n_used;
	struct slot slots[CONNECTIONS_MAX];
};

/* ---- connections ---- */

static bool
has_ended(struct bufferevent *bev)
{
	bufferevent_event_cb on_event;

	bufferevent_getcb(bev, NULL, NULL, &on_event, NULL);
	return on_event == NULL;
}

static void
slot_clear(struct slot *slot)
{
	event_del(slot->timer);
	bufferevent_decref(slot->bev);
	slot->bev = NULL;
	slot->http->n_used--;
}

void
http_end_turn(struct http *http)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (http->slots[i].bev != NULL && has_ended(http->slots[i].bev))
			slot_clear(&http->slots[i]);
	}
	if (http->rests && http->n_used < CONNECTIONS_MAX)
		http->rests = evconnlistener_enable(http->listener) != 0;
}

/* evhttp sees the end of the connection then, and frees it. */
static void
on_time_over(evutil_socket_t fd, short what, void *arg)
{
	struct slot *slot = arg;

	(void)fd; (void)what;
	(void)shutdown(bufferevent_getfd(slot->bev), SHUT_RDWR);
}

static void
slot_take(struct http *http, struct bufferevent *bev)
{
	const struct timeval limit = { .tv_sec = CONNECTION_SECONDS };
	size_t i = 0;

	while (i < CONNECTIONS_MAX && http->slots[i].bev != NULL)
		i++;
	if (i == CONNECTIONS_MAX || event_add(http->slots[i].timer, &limit) != 0)
		return;
	bufferevent_incref(bev);
	http->slots[i].bev = bev;
	http->n_used++;
}

/* evhttp has accepted one.  Without memory it is on its own, and under evhttp's time limits. */
static struct bufferevent *
on_accepted(struct event_base *base, void *arg)
{
	struct http *http = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	if (bev != NULL)
		slot_take(http, bev);
	if (http->n_used == CONNECTIONS_MAX)
		http->rests = evconnlistener_disable(http->listener) == 0;
	return bev;
}

/* ---- requests ---- */

/* A body on its way.  libevent lets go of the last of them when the base is freed, so they are counted where that outlives this door. */
struct answer {
	struct admin *admin;
	size_t bytes;
};

static void
free_body(const void *data, size_t len, void *arg)
{
	struct answer *answer = arg;

	(void)len;
	answer->admin->answers_bytes -= answer->bytes;
	free(answer);
	free((void *)(uintptr_t)data);
}

/* Hands the body's memory over, so that it is not copied. */
static enum status
give_body(struct admin *admin, struct evhttp_request *request, struct buf *body)
{
	if (body->len == 0)
		return ST_OK;
	struct answer *answer = malloc(sizeof(*answer));
	if (answer == NULL)
		return ST_NOMEM;
	*answer = (struct answer){ admin, body->len };
	if (evbuffer_add_reference(evhttp_request_get_output_buffer(request), body->data, body->len, free_body, answer) != 0) {
		free(answer);
		return ST_NOMEM;
	}
	admin->answers_bytes += answer->bytes;
	buf_init(body);
	return ST_OK;
}

static void
send_page(struct admin *admin, struct evhttp_request *request, struct page *page)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	char length[24];

	if (buf_status(&page->body) != ST_OK) {
		buf_release(&page->body);
		buf_init(&page->body);
		page_text(page, 500, "The server has no memory for the answer.");
	}
	snprintf(length, sizeof(length), "%zu", page->body.len);
	evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection");	/* a keep-alive of HTTP/1.0 would be echoed */
	evhttp_add_header(headers, "Connection", "close");
	evhttp_add_header(headers, "Content-Type", page->content_type);
	evhttp_add_header(headers, "Content-Length", length);
	evhttp_add_header(headers, "Cache-Control", page->cache_control);
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	if (page->allow != NULL)
		evhttp_add_header(headers, "Allow", page->allow);
	if (page->retry_after != NULL)
		evhttp_add_header(headers, "Retry-After", page->retry_after);
	route_count(admin, page);
	bool has_body = evhttp_request_get_command(request) != EVHTTP_REQ_HEAD;
	if (has_body && give_body(admin, request, &page->body) != ST_OK)
		evhttp_send_error(request, 500, NULL);
	else
		evhttp_send_reply(request, page->code, NULL, NULL);
}

/* It means nothing to GET and HEAD, and where it ends is what attacks on proxies are made of. */
static bool
announces_body(struct evhttp_request *request)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	const char *length = evhttp_find_header(headers, "Content-Length");

	return (length != NULL && strcmp(length, "0") != 0) || evhttp_find_header(headers, "Transfer-Encoding") != NULL;
}

static void
on_request(struct evhttp_request *request, void *arg)
{
	struct admin *admin = ((struct http *)arg)->admin;
	struct page page = { .code = 0 };
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));

	buf_init(&page.body);
	page.body_max = admin->answers_bytes < ANSWERS_BYTES_MAX ? ANSWERS_BYTES_MAX - admin->answers_bytes : 0;
	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		page_text(&page, 405, "Only GET and HEAD are answered here.");
		page.allow = "GET, HEAD";
	} else if (announces_body(request)) {
		page_text(&page, 400, "A request here has no body.");
	} else {
		route_answer(admin, path == NULL ? "" : path, &page);
	}
	send_page(admin, request, &page);
	buf_release(&page.body);
}

/* ---- life ---- */

static enum status
make_slots(struct http *http, struct event_base *base)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		http->slots[i].http = http;
		http->slots[i].timer = event_new(base, -1, 0, on_time_over, &http->slots[i]);
		if (http->slots[i].timer == NULL)
			return ST_NOMEM;
	}
	return ST_OK;
}

/* Owns ${fd}. */
static enum status
make_listener(struct http *http, struct event_base *base, int fd)
{
	http->listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (http->listener == NULL) {
		close(fd);
		return ST_NOMEM;
	}
	if (evhttp_bind_listener(http->evhttp, http->listener) != NULL)
		return ST_OK;
	evconnlistener_free(http->listener);
	return ST_NOMEM;
}

enum status
http_new(struct event_base *base, int fd, struct admin *admin, struct http **ret_http)
{
	struct http *http = calloc(1, sizeof(*http));
	enum status st = http == NULL ? ST_NOMEM : make_slots(http, base);

	if (st == ST_OK)
		http->evhttp = evhttp_new(base);
	if (st != ST_OK || http->evhttp == NULL) {
		close(fd);
		http_free(http);
		return ST_NOMEM;
	}
	http->admin = admin;
	evhttp_set_allowed_methods(http->evhttp, METHODS_ALL);
	evhttp_set_max_headers_size(http->evhttp, HEADERS_BYTES_MAX);
	evhttp_set_max_body_size(http->evhttp, BODY_BYTES_MAX);
	(void)evhttp_set_flags(http->evhttp, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_timeout(http->evhttp, CONNECTION_SECONDS);
	evhttp_set_bevcb(http->evhttp, on_accepted, http);
	evhttp_set_gencb(http->evhttp, on_request, http);
	st = make_listener(http, base, fd);
	if (st != ST_OK) {
		http_free(http);
		return st;
	}
	*ret_http = http;
	return ST_OK;
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	if (http->evhttp != NULL)
		evhttp_free(http->evhttp);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (http->slots[i].bev != NULL)
			slot_clear(&http->slots[i]);
		if (http->slots[i].timer != NULL)
			event_free(http->slots[i].timer);
	}
	free(http);
}
