/*
 * Transfers by libcurl: a fixed number of slots, each one resource.  A slot is begun ahead of time or when it is asked for, and is free again
 * once its resource was handed over.  They move only while somebody waits for one; meanwhile the sockets hold what has come.
 *
 * What is decompressed counts against the limit, so a small answer cannot become a large one.  Redirects are not followed: where a log is, is
 * the auditor's to say.
 */
#include "log_fetch_url.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 80
#define CONNECT_SECONDS 10L
#define TRIES 3
#define PAUSE_US 200000u			/* before the second try; then twice as long each time */
#define WAIT_MS 1000

enum slot_state { SLOT_FREE, SLOT_RUNNING, SLOT_DONE };

struct slot {
	enum slot_state state;
	unsigned tries;
	char path[PATH_BYTES];
	size_t bytes_max;
	bool too_large;
	struct buf data;
	CURL *easy;
	CURLcode code;
	char why[CURL_ERROR_SIZE];
};

struct log_url {
	const char *place;
	size_t place_len;		/* without slashes at its end */
	CURLM *multi;
	struct slot slots[LOG_FETCH_AHEAD];
};

/* ---- open ---- */

/* NULL: it is an address under which paths can be put. */
static const char *
judge_place(const char *place)
{
	static const struct { CURLUPart part; const char *why; } never[] = {
		{ CURLUPART_QUERY, "an address with a query (?…) has no paths under it" },
		{ CURLUPART_FRAGMENT, "an address with a fragment (#…) has no paths under it" },
		{ CURLUPART_USER, "an address must have no user and password in it: others can read the command line" },
		{ CURLUPART_PASSWORD, "an address must have no user and password in it: others can read the command line" },
	};
	const char *why = NULL;
	CURLU *url = curl_url();

	if (url == NULL)
		return "there is not enough memory";
	if (curl_url_set(url, CURLUPART_URL, place, 0) != CURLUE_OK)
		why = "it is not a valid address";
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]) && why == NULL; i++) {
		char *text = NULL;
		if (curl_url_get(url, never[i].part, &text, 0) == CURLUE_OK)
			why = never[i].why;
		curl_free(text);
	}
	curl_url_cleanup(url);
	return why;
}

static size_t
on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct slot *slot = ctx;
	size_t len = size * n;

	slot->too_large = len > slot->bytes_max - slot->data.len;
	if (slot->too_large)
		return 0;
	buf_put(&slot->data, data, len);
	return buf_status(&slot->data) == ST_OK ? len : 0;
}

static bool
set_up(struct slot *slot, uint32_t timeout_ms)
{
	CURL *easy = slot->easy = curl_easy_init();

	if (easy == NULL)
		return false;
	int failed = 0;
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_PRIVATE, slot) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->why) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, identity") != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "fealty/" FEALTY_VERSION) != CURLE_OK;
	return failed == 0;
}

enum status
log_url_open(const char *place, uint32_t timeout_ms, struct log_url **ret_url, const char **ret_error)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return ST_NOMEM;
	*ret_error = judge_place(place);
	struct log_url *url = *ret_error == NULL ? calloc(1, sizeof(*url)) : NULL;
	if (url == NULL) {
		curl_global_cleanup();
		return *ret_error == NULL ? ST_NOMEM : ST_INVALID;
	}
	url->place = place;
	url->place_len = strlen(place);
	while (url->place_len > 0 && place[url->place_len - 1] == '/')
		url->place_len--;
	url->multi = curl_multi_init();
	bool ready = url->multi != NULL;
	for (size_t i = 0; i < LOG_FETCH_AHEAD && ready; i++) {
		buf_init(&url->slots[i].data);
		ready = set_up(&url->slots[i], timeout_ms);
	}
	if (!ready) {
		log_url_close(url);
		return ST_NOMEM;
	}
	*ret_url = url;
	return ST_OK;
}

static void
empty(struct log_url *url, struct slot *slot)
{
	if (slot->state == SLOT_RUNNING)
		(void)curl_multi_remove_handle(url->multi, slot->easy);
	buf_release(&slot->data);
	buf_init(&slot->data);
	slot->state = SLOT_FREE;
}

void
log_url_close(struct log_url *url)
{
	if (url == NULL)
		return;
	for (size_t i = 0; i < LOG_FETCH_AHEAD; i++) {
		if (url->slots[i].easy == NULL)
			continue;
		empty(url, &url->slots[i]);
		curl_easy_cleanup(url->slots[i].easy);
	}
	if (url->multi != NULL)
		(void)curl_multi_cleanup(url->multi);
	free(url);
	curl_global_cleanup();
}

/* ---- one transfer ---- */

static void
begin(struct log_url *url, struct slot *slot)
{
	char *address;

	slot->too_large = false;
	slot->why[0] = '\0';
	slot->code = CURLE_OUT_OF_MEMORY;
	slot->state = SLOT_DONE;
	buf_clear(&slot->data);
	if (asprintf(&address, "%.*s/%s", (int)url->place_len, url->place, slot->path) < 0)
		return;
	bool begun = curl_easy_setopt(slot->easy, CURLOPT_URL, address) == CURLE_OK;
	free(address);
	if (begun && curl_multi_add_handle(url->multi, slot->easy) == CURLM_OK)
		slot->state = SLOT_RUNNING;
}

static struct slot *
slot_find(struct log_url *url, enum slot_state state, const char *path)
{
	for (size_t i = 0; i < LOG_FETCH_AHEAD; i++) {
		struct slot *slot = &url->slots[i];
		if (path == NULL ? slot->state == state : slot->state != SLOT_FREE && strcmp(slot->path, path) == 0)
			return slot;
	}
	return NULL;
}

static struct slot *
slot_take(struct log_url *url, struct slot *slot, const char *path, size_t bytes_max)
{
	assert(strlen(path) < PATH_BYTES);
	(void)strcpy(slot->path, path);
	slot->bytes_max = bytes_max;
	slot->tries = 1;
	begin(url, slot);
	return slot;
}

void
log_url_ahead(struct log_url *url, const char *path, size_t bytes_max)
{
	struct slot *slot = slot_find(url, SLOT_FREE, NULL);
	int running;

	if (slot == NULL || slot_find(url, SLOT_FREE, path) != NULL)
		return;
	(void)slot_take(url, slot, path, bytes_max);
	(void)curl_multi_perform(url->multi, &running);
}

/* What was asked for ahead and is not wanted any more makes room: the finished ones before those that run. */
static struct slot *
slot_for(struct log_url *url, const char *path, size_t bytes_max)
{
	struct slot *slot = slot_find(url, SLOT_FREE, path);

	if (slot != NULL)
		return slot;
	for (enum slot_state state = SLOT_FREE; slot == NULL; state = state == SLOT_FREE ? SLOT_DONE : SLOT_RUNNING)
		slot = slot_find(url, state, NULL);
	empty(url, slot);
	return slot_take(url, slot, path, bytes_max);
}

static void
collect(struct log_url *url)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(url->multi, &left)) != NULL) {
		struct slot *slot = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
		(void)curl_multi_remove_handle(url->multi, message->easy_handle);
		slot->code = code;
		slot->state = SLOT_DONE;
	}
}

static long
http_status(const struct slot *slot)
{
	long status = 0;

	return slot->code == CURLE_OK && curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? status : 0;
}

/* The net, or a server that may do better soon. */
static bool
may_pass(const struct slot *slot)
{
	long status = http_status(slot);

	if (slot->code == CURLE_OK)
		return status == 429 || status >= 500;
	return !slot->too_large && slot->code != CURLE_OPERATION_TIMEDOUT && slot->code != CURLE_PEER_FAILED_VERIFICATION && slot->code != CURLE_URL_MALFORMAT;
}

static void
wait_for(struct log_url *url, struct slot *slot)
{
	int running;

	for (;;) {
		while (slot->state == SLOT_RUNNING) {
			if (curl_multi_perform(url->multi, &running) != CURLM_OK)
				break;
			collect(url);
			if (slot->state == SLOT_RUNNING && curl_multi_poll(url->multi, NULL, 0, WAIT_MS, NULL) != CURLM_OK)
				break;
		}
		if (slot->state == SLOT_RUNNING || !may_pass(slot) || slot->tries == TRIES)
			return;
		(void)usleep(PAUSE_US << (slot->tries - 1));
		slot->tries++;
		begin(url, slot);
	}
}

static enum log_fetch_result
judge(const struct log_url *url, const struct slot *slot, char *ret_error)
{
	long status = http_status(slot);
	const char *why = slot->why[0] != '\0' ? slot->why : curl_easy_strerror(slot->code);

	if (status == 200)
		return LOG_FETCH_OK;
	if (status == 404 || status == 410)
		return LOG_FETCH_MISSING;
	if (slot->too_large)
		return LOG_FETCH_TOO_LARGE;
	if (status >= 300 && status < 400)
		(void)snprintf(ret_error, LOG_FETCH_ERROR_BYTES,
		    "%.*s/%s: the server sends somewhere else (status %ld), which is not followed: give the address that it leads to",
		    (int)url->place_len, url->place, slot->path, status);
	else if (slot->code == CURLE_OK)
		(void)snprintf(ret_error, LOG_FETCH_ERROR_BYTES, "%.*s/%s: the server answers with status %ld", (int)url->place_len, url->place,
		    slot->path, status);
	else
		(void)snprintf(ret_error, LOG_FETCH_ERROR_BYTES, "%.*s/%s: %s", (int)url->place_len, url->place, slot->path, why);
	return LOG_FETCH_FAILED;
}

enum log_fetch_result
log_url_fetch(struct log_url *url, const char *path, size_t bytes_max, struct buf *ret_data, char *ret_error)
{
	struct slot *slot = slot_for(url, path, bytes_max);

	wait_for(url, slot);
	enum log_fetch_result result = judge(url, slot, ret_error);
	if (result == LOG_FETCH_OK) {
		*ret_data = slot->data;
		buf_init(&slot->data);
	}
	empty(url, slot);
	return result;
}
