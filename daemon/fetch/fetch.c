/*
 * One multi handle, which keeps connections open between requests; an easy handle for each request, with its answer beside it.  Requests
 * under way are in a list, so that freeing the fetcher frees them.
 */
#include "fetch/fetch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 5000L
#define TOTAL_MS 10000L
#define HEADERS_BYTES_MAX 16384

struct request {
	struct request *next;
	CURL *easy;
	struct curl_slist *headers;
	fetch_done_fn *done;
	void *ctx;
	size_t headers_bytes, body_bytes;
	bool too_large;
	uint8_t body[FETCH_BODY_BYTES_MAX];
};

struct fetcher {
	const char *user_agent;
	CURLM *multi;
	struct request *first;
};

/* ---- URLs ---- */

const char *
fetch_url_result_str(enum fetch_url_result result)
{
	static const char *const words[] = {
		[FETCH_URL_OK] = "is right",
		[FETCH_URL_BAD] = "is not one with a scheme and a host, in printable ASCII and of fewer than 512 characters",
		[FETCH_URL_BAD_SCHEME] = "does not begin with https://",
		[FETCH_URL_NOT_LOOPBACK] = "is of http, which is for loopback addresses only; use https",
		[FETCH_URL_EXTRA] = "has a user, a query or a fragment; give the prefix alone",
	};

	assert(result < sizeof(words) / sizeof(*words));
	return words[result];
}

static bool
is_loopback(const char *host)
{
	uint8_t address[4];

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || (inet_pton(AF_INET, host, address) == 1 && address[0] == 127);
}

static bool
has_part(CURLU *url, CURLUPart what)
{
	char *part = NULL;
	bool has = curl_url_get(url, what, &part, 0) == CURLUE_OK;

	curl_free(part);
	return has;
}

static bool
has_extra(CURLU *url, const char *text, bool query)
{
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD) || has_part(url, CURLUPART_FRAGMENT) || strpbrk(text, "#@") != NULL)
		return true;
	return !query && (has_part(url, CURLUPART_QUERY) || strchr(text, '?') != NULL);
}

static enum fetch_url_result
judge_parts(CURLU *url, const char *text, unsigned allow)
{
	char *scheme = NULL, *host = NULL;
	enum fetch_url_result result = FETCH_URL_OK;

	if (strstr(text, ":///") != NULL || curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK || curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		result = FETCH_URL_BAD;
	else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		result = FETCH_URL_BAD_SCHEME;
	else if (has_extra(url, text, (allow & FETCH_ALLOW_QUERY) != 0))
		result = FETCH_URL_EXTRA;
	else if (strcmp(scheme, "http") == 0 && !is_loopback(host) && (allow & FETCH_ALLOW_PLAIN) == 0)
		result = FETCH_URL_NOT_LOOPBACK;
	curl_free(scheme);
	curl_free(host);
	return result;
}

enum fetch_url_result
fetch_url_check(struct bytes url)
{
	return fetch_url_check_but(url, 0);
}

enum fetch_url_result
fetch_url_check_but(struct bytes url, unsigned allow)
{
	char text[FETCH_URL_BYTES];

	if (url.len == 0 || url.len >= sizeof(text))
		return FETCH_URL_BAD;
	for (size_t i = 0; i < url.len; i++) {
		if (url.data[i] <= 0x20 || url.data[i] >= 0x7f)
			return FETCH_URL_BAD;
	}
	memcpy(text, url.data, url.len);
	text[url.len] = '\0';
	CURLU *parts = curl_url();
	if (parts == NULL)
		return FETCH_URL_BAD;
	enum fetch_url_result result = judge_parts(parts, text, allow);
	curl_url_cleanup(parts);
	return result;
}

/* ---- one request ---- */

static size_t
on_header(char *data, size_t size, size_t n, void *arg)
{
	struct request *request = arg;

	(void)data;
	request->headers_bytes += size * n;
	request->too_large |= request->headers_bytes > HEADERS_BYTES_MAX;
	return request->too_large ? 0 : size * n;
}

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	struct request *request = arg;
	size_t len = size * n;

	if (len > sizeof(request->body) - request->body_bytes) {
		request->too_large = true;
		return 0;
	}
	memcpy(request->body + request->body_bytes, data, len);
	request->body_bytes += len;
	return len;
}

static struct curl_slist *
make_headers(const char *const *headers, size_t n)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");		/* curl would ask before it sends */

	for (size_t i = 0; i < n && list != NULL; i++) {
		struct curl_slist *longer = curl_slist_append(list, headers[i]);
		if (longer == NULL)
			curl_slist_free_all(list);
		list = longer;
	}
	return list;
}

static bool
set_request(CURL *easy, const struct fetcher *fetcher, const char *url, const struct curl_slist *headers, struct bytes body)
{
	bool plain = strncmp(url, "https:", 6) != 0;

	return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https") == CURLE_OK &&
	    (!plain || curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK) &&
	    curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body.len) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body.data) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_USERAGENT, fetcher->user_agent) == CURLE_OK;
}

static bool
set_limits(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TOTAL_MS) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;		/* a name that is still looked up delays no end */
}

static bool
set_callbacks(CURL *easy, struct request *request)
{
	return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK;
}

static void
request_free(struct request *request)
{
	if (request->easy != NULL)
		curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	free(request);
}

enum status
fetch_post(struct fetcher *fetcher, const char *url, struct bytes body, fetch_done_fn *done, void *ctx)
{
	static const char *const headers[] = { "Content-Type: text/plain; charset=utf-8" };

	return fetch_post_with(fetcher, url, headers, 1, body, done, ctx);
}

enum status
fetch_post_with(struct fetcher *fetcher, const char *url, const char *const *headers, size_t n_headers, struct bytes body,
    fetch_done_fn *done, void *ctx)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return ST_NOMEM;
	request->done = done;
	request->ctx = ctx;
	request->easy = curl_easy_init();
	request->headers = make_headers(headers, n_headers);
	if (request->easy == NULL || request->headers == NULL || !set_request(request->easy, fetcher, url, request->headers, body) || !set_limits(request->easy) ||
	    !set_callbacks(request->easy, request) || curl_multi_add_handle(fetcher->multi, request->easy) != CURLM_OK) {
		request_free(request);
		return ST_NOMEM;
	}
	request->next = fetcher->first;
	fetcher->first = request;
	return ST_OK;
}

static void
take_out(struct fetcher *fetcher, struct request *request)
{
	struct request **at = &fetcher->first;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	(void)curl_multi_remove_handle(fetcher->multi, request->easy);
}

static void
fill_answer(const struct request *request, struct fetch_answer *answer)
{
	curl_off_t retry_after = 0;
	char *type = NULL;
	long code = 0;

	(void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &code);
	(void)curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
	(void)curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
	answer->code = code > 0 && code < 1000 ? (int)code : 0;
	answer->why = "an answer without a status";
	answer->retry_after_s = retry_after < 0 ? 0 : retry_after > 86400 ? 86400 : (unsigned)retry_after;
	if (type != NULL && strlen(type) < sizeof(answer->content_type))
		strcpy(answer->content_type, type);
	answer->body = bytes_of(request->body, request->body_bytes);
}

static void
finish(struct fetcher *fetcher, struct request *request, CURLcode result)
{
	struct fetch_answer answer = { .code = 0 };

	take_out(fetcher, request);
	if (request->too_large)
		answer.why = "the answer is larger than 16 KiB";
	else if (result != CURLE_OK)
		answer.why = curl_easy_strerror(result);
	else
		fill_answer(request, &answer);
	request->done(request->ctx, &answer);
	request_free(request);
}

/* ---- life ---- */

void
fetcher_run(struct fetcher *fetcher, unsigned wait_ms)
{
	CURLMsg *message;
	int n;

	(void)curl_multi_perform(fetcher->multi, &n);
	(void)curl_multi_poll(fetcher->multi, NULL, 0, (int)wait_ms, NULL);
	(void)curl_multi_perform(fetcher->multi, &n);
	while ((message = curl_multi_info_read(fetcher->multi, &n)) != NULL) {
		struct request *request = NULL;
		CURLcode result = message->data.result;
		assert(message->msg == CURLMSG_DONE);
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		finish(fetcher, request, result);
	}
}

void
fetcher_wake(struct fetcher *fetcher)
{
	(void)curl_multi_wakeup(fetcher->multi);
}

enum status
fetcher_new(const char *user_agent, struct fetcher **ret_fetcher)
{
	struct fetcher *fetcher = calloc(1, sizeof(*fetcher));

	if (fetcher == NULL)
		return ST_NOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(fetcher);
		return ST_IO;
	}
	fetcher->user_agent = user_agent;
	fetcher->multi = curl_multi_init();
	if (fetcher->multi == NULL) {
		fetcher_free(fetcher);
		return ST_NOMEM;
	}
	*ret_fetcher = fetcher;
	return ST_OK;
}

void
fetcher_free(struct fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	while (fetcher->first != NULL) {
		struct request *request = fetcher->first;
		take_out(fetcher, request);
		request_free(request);
	}
	if (fetcher->multi != NULL)
		(void)curl_multi_cleanup(fetcher->multi);
	curl_global_cleanup();
	free(fetcher);
}
