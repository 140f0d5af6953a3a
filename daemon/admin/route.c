/* Handlers run on the door's thread, under its lock: the service that they see stays until they return. */
#include "admin/route.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/internal.h"
#include "base/clock.h"
#include "service/log_read.h"

#define PLAIN "text/plain; charset=utf-8"
#define NO_STORE "no-store"		/* of now, and only now */

const struct route *
route_find(const struct route *routes, size_t n, const char *path, const char **ret_rest)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(routes[i].path);
		if (strncmp(path, routes[i].path, len) != 0 || (path[len] != '\0') != routes[i].is_prefix)
			continue;
		*ret_rest = path + len;
		return &routes[i];
	}
	return NULL;
}

void
page_text(struct page *page, int code, const char *sentence)
{
	assert(sentence != NULL);
	page->code = code;
	page->content_type = PLAIN;
	page->cache_control = NO_STORE;
	buf_clear(&page->body);
	buf_put(&page->body, sentence, strlen(sentence));
	buf_put(&page->body, "\n", 1);
}

/* ---- handlers ---- */

static void
healthz(struct admin *admin, const char *rest, struct page *page)
{
	(void)admin; (void)rest;
	page_text(page, 200, "ok");
}

/* NULL: ready. */
static const char *
why_not_ready(struct admin *admin)
{
	if (admin->stopping)
		return "stopping";
	if (admin->service == NULL)
		return "starting";
	switch (service_readiness(admin->service)) {
	case SERVICE_READY: return NULL;
	case SERVICE_STOPPING: return "stopping";
	case SERVICE_WAITS_FOR_CLOCK: return "clock";
	case SERVICE_WAITS_FOR_DISK: return "disk";
	}
	return "stopping";
}

static void
readyz(struct admin *admin, const char *rest, struct page *page)
{
	const char *reason = why_not_ready(admin);

	(void)rest;
	page_text(page, reason == NULL ? 200 : 503, reason == NULL ? "ready" : reason);
}

static uint64_t
cpu_us(void)
{
	struct rusage used = { 0 };

	(void)getrusage(RUSAGE_SELF, &used);		/* of ourselves: cannot fail */
	return (uint64_t)((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_SECOND + used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* The second number of proc(5)'s statm, in pages.  0: there is no /proc. */
static uint64_t
memory_bytes(void)
{
	char text[128] = "", *second;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	(void)strtoull(text, &second, 10);
	return strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void route_requests(const struct admin *admin, struct metrics_request *ret);

static void
metrics(struct admin *admin, const char *rest, struct page *page)
{
	struct metrics_process process = { .version = admin->version, .uptime_us = (uint64_t)(clock_monotonic_us() - admin->begun_us), .cpu_us = cpu_us(),
		.memory_bytes = memory_bytes() };
	struct metrics_request requests[ROUTE_COUNT * CODE_COUNT];
	struct figures figures;

	(void)rest;
	route_requests(admin, requests);
	if (admin->service != NULL)
		service_figures(admin->service, &figures);
	metrics_text(&process, admin->service == NULL ? NULL : &figures, &page->body);
	metrics_requests_text(requests, ROUTE_COUNT * CODE_COUNT, &page->body);
	page->content_type = METRICS_CONTENT_TYPE;
}

/* ---- the public log ---- */

#define SHORT_LIVED "public, max-age=1"		/* a new checkpoint comes once a second */
#define IMMUTABLE "public, max-age=31536000, immutable"
#define RETRY_SECONDS "1"

static void
page_later(struct page *page, const char *sentence)
{
	page_text(page, 503, sentence);
	page->retry_after = RETRY_SECONDS;
}

static void
page_log(struct page *page, enum log_read result, const char *type, const char *cache_control, const char *nothing)
{
	switch (result) {
	case LOG_READ_OK:
		page->content_type = type;
		page->cache_control = cache_control;
		return;
	case LOG_READ_NOTHING:
		page_text(page, 404, nothing);
		return;
	case LOG_READ_NOT_NOW:
		page_later(page, "There is no room for this answer just now; ask again in a second.");
		return;
	case LOG_READ_FAILED:
		page_text(page, 500, "The log cannot be read; the daemon's operator should look at its disk.");
		return;
	}
}

static void
checkpoint(struct admin *admin, const char *rest, struct page *page)
{
	(void)rest;
	if (admin->service == NULL)
		page_later(page, why_not_ready(admin));
	else
		page_log(page, service_log_checkpoint(admin->service, &page->body), PLAIN, SHORT_LIVED,
		    "No checkpoint is public yet; the first one comes within a second or two.");
}

static void
tile(struct admin *admin, const char *rest, struct page *page)
{
	if (admin->service == NULL)
		page_later(page, why_not_ready(admin));
	else
		page_log(page, service_log_tile(admin->service, rest, page->body_max, &page->body), "application/octet-stream", IMMUTABLE,
		    "The public log has no such tile, or not yet: paths are /tile/<L>/<N>[.p/<W>] and /tile/entries/<N>[.p/<W>], and /checkpoint "
		    "says how far it goes.");
}

/* ---- the table ---- */

static const struct route routes[] = {
	{ "/healthz", false, healthz },
	{ "/readyz", false, readyz },
	{ "/metrics", false, metrics },
	{ "/checkpoint", false, checkpoint },
	{ "/tile/", true, tile },
};

_Static_assert(sizeof(routes) / sizeof(*routes) + 1 == ROUTE_COUNT, "each has its counters, and so have all other paths");

static size_t
route_index(const char *path)
{
	size_t i = 0;

	while (i < ROUTE_COUNT - 1 && routes[i].path != path)
		i++;
	return i;
}

static const int codes[CODE_COUNT] = { 200, 400, 404, 405, 500, 503 };

void
route_count(struct admin *admin, const struct page *page)
{
	size_t code = 0;

	while (codes[code] != page->code)
		code++;
	assert(code < CODE_COUNT);
	admin->requests[route_index(page->path)][code]++;
}

static void
route_requests(const struct admin *admin, struct metrics_request *ret)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		for (size_t code = 0; code < CODE_COUNT; code++)
			*ret++ = (struct metrics_request){ i < ROUTE_COUNT - 1 ? routes[i].path : "other", codes[code], admin->requests[i][code] };
	}
}

void
route_answer(struct admin *admin, const char *path, struct page *page)
{
	const char *rest;
	const struct route *route = route_find(routes, sizeof(routes) / sizeof(*routes), path, &rest);

	if (route == NULL) {
		page_text(page, 404, "There is nothing at this path; there are /healthz, /readyz, /metrics, /checkpoint and /tile/.");
		return;
	}
	page->path = route->path;
	page->code = 200;
	page->cache_control = NO_STORE;
	pthread_mutex_lock(&admin->lock);
	route->answer(admin, rest, page);
	pthread_mutex_unlock(&admin->lock);
}
