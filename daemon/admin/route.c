/* Handlers run on the door's thread, under its lock: the service that they see stays until they return. */
#include "admin/route.h"

#include <string.h>

#include "admin/internal.h"
#include "base/clock.h"

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

static void
metrics(struct admin *admin, const char *rest, struct page *page)
{
	struct metrics_process process = { admin->version, (uint64_t)(clock_monotonic_us() - admin->begun_us) };
	struct figures figures;

	(void)rest;
	if (admin->service != NULL)
		service_figures(admin->service, &figures);
	metrics_text(&process, admin->service == NULL ? NULL : &figures, &page->body);
	page->content_type = METRICS_CONTENT_TYPE;
}

/* ---- the table ---- */

static const struct route routes[] = {
	{ "/healthz", false, healthz },
	{ "/readyz", false, readyz },
	{ "/metrics", false, metrics },
};

void
route_answer(struct admin *admin, const char *path, struct page *page)
{
	const char *rest;
	const struct route *route = route_find(routes, sizeof(routes) / sizeof(*routes), path, &rest);

	if (route == NULL) {
		page_text(page, 404, "There is nothing at this path; there are /healthz, /readyz and /metrics.");
		return;
	}
	page->code = 200;
	page->cache_control = NO_STORE;
	pthread_mutex_lock(&admin->lock);
	route->answer(admin, rest, page);
	pthread_mutex_unlock(&admin->lock);
}
