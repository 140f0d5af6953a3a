/**
 * Asking witnesses, without one: the request of C2SP tlog-witness's example, what is a size and what is not, which URLs are taken, which keys
 * rows have, and the fetcher against a socket that answers what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fetch/fetch.h"
#include "merkle/witness.h"
#include "note_world.h"
#include "service/witness.h"

/* ---- texts ---- */

static void
the_request_of_the_example(void **state)
{
	static const char *const hashes[] = { "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
		"5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=", "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=" };
	static const char want[] = "old 20852014\n"
		"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
		"5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n" SUMDB_NOTE;
	struct proof proof = { .n_hashes = 4 };
	char text[4096];
	(void)state;

	for (size_t i = 0; i < 4; i++)
		assert_true(lines_hash(text_bytes(hashes[i]), proof.hash[i]));
	struct writer w = writer_of(text, sizeof(text));
	witness_request_print(&w, 20852014, &proof, text_bytes(SUMDB_NOTE));
	assert_true(bytes_equal(writer_bytes(&w), text_bytes(want)));
	for (size_t cap = 0; cap < sizeof(want) - 1; cap++) {
		w = writer_of(text, cap);
		witness_request_print(&w, 20852014, &proof, text_bytes(SUMDB_NOTE));
		assert_int_equal(writer_status(&w), ST_TOO_LARGE);
	}
	w = writer_of(text, sizeof(text));
	proof.n_hashes = 0;
	witness_request_print(&w, 0, &proof, text_bytes("x\n"));
	assert_true(bytes_equal(writer_bytes(&w), text_bytes("old 0\n\nx\n")));
}

static void
what_is_a_size(void **state)
{
	static const struct { const char *type, *body; bool is; uint64_t size; } cases[] = {
		{ "text/x.tlog.size", "0\n", true, 0 },
		{ "text/x.tlog.size", "20852163\n", true, 20852163 },
		{ "text/x.tlog.size", "18446744073709551615\n", true, UINT64_MAX },
		{ "Text/X.TLOG.size; charset=utf-8", "7\n", true, 7 },
		{ "text/x.tlog.size ;q=1", "7\n", true, 7 },
		{ "text/x.tlog.size", "18446744073709551616\n", false, 0 },
		{ "text/x.tlog.size", "7", false, 0 },
		{ "text/x.tlog.size", "", false, 0 },
		{ "text/x.tlog.size", "\n", false, 0 },
		{ "text/x.tlog.size", "07\n", false, 0 },
		{ "text/x.tlog.size", "+7\n", false, 0 },
		{ "text/x.tlog.size", "-7\n", false, 0 },
		{ "text/x.tlog.size", " 7\n", false, 0 },
		{ "text/x.tlog.size", "7\r\n", false, 0 },
		{ "text/x.tlog.size", "7\n\n", false, 0 },
		{ "text/x.tlog.size", "7\n8\n", false, 0 },
		{ "text/x.tlog.size", "0x7\n", false, 0 },
		{ "text/x.tlog.sizes", "7\n", false, 0 },
		{ "text/x.tlog.siz", "7\n", false, 0 },
		{ "text/plain", "7\n", false, 0 },
		{ "", "7\n", false, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t size = 4711;
		bool is = witness_size_parse(text_bytes(cases[i].type), text_bytes(cases[i].body), &size);
		if (is != cases[i].is || size != (is ? cases[i].size : 4711))
			fail_msg("%s: %s", cases[i].type, cases[i].body);
	}
}

static void
which_urls_are_taken(void **state)
{
	static const struct { const char *url; enum fetch_url_result want; } cases[] = {
		{ "https://witness.example", FETCH_URL_OK },
		{ "https://witness.example/", FETCH_URL_OK },
		{ "https://witness.example:8443/a/b/", FETCH_URL_OK },
		{ "https://[2001:db8::1]/w", FETCH_URL_OK },
		{ "HTTPS://witness.example", FETCH_URL_OK },
		{ "http://127.0.0.1:8080/w", FETCH_URL_OK },
		{ "http://127.255.1.2", FETCH_URL_OK },
		{ "http://localhost:1", FETCH_URL_OK },
		{ "http://[::1]:8080/", FETCH_URL_OK },
		{ "http://witness.example", FETCH_URL_NOT_LOOPBACK },
		{ "http://127.0.0.1.example/", FETCH_URL_NOT_LOOPBACK },
		{ "http://127.example/", FETCH_URL_NOT_LOOPBACK },
		{ "http://localhost.example/", FETCH_URL_NOT_LOOPBACK },
		{ "http://10.0.0.1/", FETCH_URL_NOT_LOOPBACK },
		{ "http://[::2]/", FETCH_URL_NOT_LOOPBACK },
		{ "http://0.0.0.0/", FETCH_URL_NOT_LOOPBACK },
		{ "ftp://127.0.0.1/", FETCH_URL_BAD_SCHEME },
		{ "file:///etc/passwd", FETCH_URL_BAD },
		{ "gopher://127.0.0.1/", FETCH_URL_BAD_SCHEME },
		{ "https://user@witness.example/", FETCH_URL_EXTRA },
		{ "https://user:word@witness.example/", FETCH_URL_EXTRA },
		{ "https://witness.example/?x", FETCH_URL_EXTRA },
		{ "https://witness.example/?", FETCH_URL_EXTRA },
		{ "https://witness.example/#x", FETCH_URL_EXTRA },
		{ "witness.example", FETCH_URL_BAD },
		{ "//witness.example", FETCH_URL_BAD },
		{ "https://", FETCH_URL_BAD },
		{ "https:///w", FETCH_URL_BAD },
		{ "https://witness.example:99999/", FETCH_URL_BAD },
		{ "https://witness example/", FETCH_URL_BAD },
		{ "https://witness.example/\t", FETCH_URL_BAD },
		{ "https://witn\303\251ss.example/", FETCH_URL_BAD },
		{ "", FETCH_URL_BAD },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum fetch_url_result got = fetch_url_check(text_bytes(cases[i].url));
		if (got != cases[i].want)
			fail_msg("%s: %s", cases[i].url, fetch_url_result_str(got));
	}
	char url[FETCH_URL_BYTES] = "https://witness.example/";
	memset(url + strlen(url), 'x', sizeof(url) - 1 - strlen(url));
	assert_int_equal(fetch_url_check(bytes_of(url, sizeof(url) - 1)), FETCH_URL_OK);
	assert_int_equal(fetch_url_check(bytes_of(url, sizeof(url))), FETCH_URL_BAD);
}

static void
a_row_is_under_the_hash_that_the_key_id_begins(void **state)
{
	uint8_t hash[SHA256_BYTES], other[SHA256_BYTES];
	struct note_key key;
	(void)state;

	assert_int_equal(note_key_parse(text_bytes(GARDEN_VKEY), &key), NOTE_KEY_OK);
	witness_key_hash(&key, hash);
	assert_int_equal(get_be32(hash), 0xd8042a87);
	assert_int_equal(note_key_parse(text_bytes(REMORA_VKEY), &key), NOTE_KEY_OK);
	witness_key_hash(&key, other);
	assert_int_equal(get_be32(other), 0xda77ade7);
	assert_memory_not_equal(hash, other, sizeof(hash));
}

static void
cosignatures_of_the_public_network_verify(void **state)
{
	static const char *const vkeys[] = { GARDEN_VKEY, SMARTIT_VKEY, REMORA_VKEY, STAGEMOLE_VKEY };
	struct note note;
	(void)state;

	for (size_t i = 0; i < 4; i++) {
		enum note_signed is_signed;
		struct note_key key;
		assert_int_equal(note_key_parse(text_bytes(vkeys[i]), &key), NOTE_KEY_OK);
		assert_int_equal(note_parse(text_bytes(ARCHE_NOTE), &note), NOTE_OK);
		assert_int_equal(note_verify(&note, &key, verify_parts, NULL, &is_signed), ST_OK);
		assert_int_equal(is_signed, NOTE_SIGNED);
		note.text = text_bytes(ARCHE_ORIGIN "\n1432088533\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n");
		assert_int_equal(note_verify(&note, &key, verify_parts, NULL, &is_signed), ST_OK);
		assert_int_equal(is_signed, NOTE_FORGED);
	}
}

static void
urls_may_be_allowed_more(void **state)
{
	static const struct { const char *url; unsigned allow; enum fetch_url_result want; } more[] = {
		{ "https://a.example/hook?x=1", 0, FETCH_URL_EXTRA },
		{ "https://a.example/hook?x=1", FETCH_ALLOW_QUERY, FETCH_URL_OK },
		{ "https://a.example/hook?x=1#y", FETCH_ALLOW_QUERY, FETCH_URL_EXTRA },
		{ "https://u:p@a.example/hook?x=1", FETCH_ALLOW_QUERY, FETCH_URL_EXTRA },
		{ "https://a.example/?u=b@c.example", FETCH_ALLOW_QUERY, FETCH_URL_EXTRA },
		{ "http://a.example/hook", FETCH_ALLOW_QUERY, FETCH_URL_NOT_LOOPBACK },
		{ "http://a.example/hook", FETCH_ALLOW_PLAIN, FETCH_URL_OK },
		{ "http://127.0.0.1:8080/hook", 0, FETCH_URL_OK },
		{ "ftp://a.example/hook", FETCH_ALLOW_QUERY | FETCH_ALLOW_PLAIN, FETCH_URL_BAD_SCHEME },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		enum fetch_url_result got = fetch_url_check_but(text_bytes(more[i].url), more[i].allow);
		if (got != more[i].want)
			fail_msg("%s with %u: %s", more[i].url, more[i].allow, fetch_url_result_str(got));
	}
}

/* ---- the fetcher ---- */

struct server {
	int fd;
	char url[64];
	const char *answer;		/* sent when the request's body has come; then the connection ends */
	size_t answer_len;
	char request[8192];
	size_t request_len;
	pthread_t thread;
};

static void *
serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	ssize_t n;

	while (fd != -1 && memmem(s->request, s->request_len, "\r\n\r\nold 1\n", 10) == NULL &&
	    (n = read(fd, s->request + s->request_len, sizeof(s->request) - 1 - s->request_len)) > 0)
		s->request_len += (size_t)n;
	for (size_t sent = 0; fd != -1 && sent < s->answer_len; sent += (size_t)n) {
		n = send(fd, s->answer + sent, s->answer_len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break;
	}
	if (fd != -1)
		close(fd);
	return NULL;
}

static void
server_start(struct server *s, const char *answer, size_t len)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t address_len = sizeof(address);

	*s = (struct server){ .answer = answer, .answer_len = len, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &address_len), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/w/add-checkpoint", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

struct got {
	bool done;
	int code;
	unsigned retry_after_s;
	char type[FETCH_TYPE_BYTES], why[128];
	size_t body_len;
	uint8_t first;
};

static void
on_done(void *ctx, const struct fetch_answer *answer)
{
	struct got *got = ctx;

	assert_false(got->done);
	*got = (struct got){ true, answer->code, answer->retry_after_s, "", "", answer->body.len, answer->body.len > 0 ? answer->body.data[0] : 0 };
	strcpy(got->type, answer->content_type);
	snprintf(got->why, sizeof(got->why), "%s", answer->why);
}

static struct got
fetch_from(const char *answer, size_t len, char *ret_request)
{
	struct got got = { .done = false };
	struct fetcher *fetcher;
	struct server s;

	server_start(&s, answer, len);
	assert_int_equal(fetcher_new("fealtyd/test", &fetcher), ST_OK);
	assert_int_equal(fetch_post(fetcher, s.url, text_bytes("old 1\n"), on_done, &got), ST_OK);
	for (int64_t end_us = clock_monotonic_us() + 30 * 1000000; !got.done && clock_monotonic_us() < end_us;)
		fetcher_run(fetcher, 100);
	assert_true(got.done);
	fetcher_free(fetcher);
	shutdown(s.fd, SHUT_RDWR);
	pthread_join(s.thread, NULL);
	close(s.fd);
	if (ret_request != NULL)
		strcpy(ret_request, s.request);
	return got;
}

static void
answers_are_bounded(void **state)
{
	static char big[1 << 20];
	static const struct { const char *name, *head; char fill; size_t n_fill; int code; size_t body; unsigned retry; const char *why; } cases[] = {
		{ "an answer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 'x', 5, 200, 5, 0, NULL },
		{ "until the end", "HTTP/1.0 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n\r\n", '1', 7, 409, 7, 0, NULL },
		{ "just fits", "HTTP/1.1 200 OK\r\n\r\n", 'x', FETCH_BODY_BYTES_MAX, 200, FETCH_BODY_BYTES_MAX, 0, NULL },
		{ "a byte too many", "HTTP/1.1 200 OK\r\n\r\n", 'x', FETCH_BODY_BYTES_MAX + 1, 0, 0, 0, "larger than 16 KiB" },
		{ "a megabyte", "HTTP/1.1 200 OK\r\n\r\n", 'x', 1 << 19, 0, 0, 0, "larger than 16 KiB" },
		{ "endless headers", "HTTP/1.1 200 OK\r\nX: ", 'x', 1 << 19, 0, 0, 0, "" },
		{ "many headers", "HTTP/1.1 200 OK\r\n", '\1', 1 << 19, 0, 0, 0, "larger than 16 KiB" },
		{ "cut off", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", 'x', 5, 0, 0, 0, "" },
		{ "no HTTP", "hello, world\r\n\r\n", 'x', 5, 0, 0, 0, "" },
		{ "nothing", "", 'x', 0, 0, 0, 0, "" },
		{ "a redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 'x', 0, 302, 0, 0, NULL },
		{ "busy", "HTTP/1.1 429 X\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", 'x', 0, 429, 0, 17, NULL },
		{ "busy for long", "HTTP/1.1 503 X\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", 'x', 0, 503, 0, 86400, NULL },
		{ "busy in words", "HTTP/1.1 503 X\r\nRetry-After: never\r\nContent-Length: 0\r\n\r\n", 'x', 0, 503, 0, 0, NULL },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len = strlen(cases[i].head);
		memcpy(big, cases[i].head, len);
		for (size_t n = 0; n < cases[i].n_fill; n++)
			big[len++] = cases[i].fill == '\1' ? "X: y\r\n"[n % 6] : cases[i].fill;
		struct got got = fetch_from(big, len, NULL);
		if (got.code != cases[i].code || got.body_len != cases[i].body || got.retry_after_s != cases[i].retry)
			fail_msg("%s: %d, %zu bytes, retry after %u, %s", cases[i].name, got.code, got.body_len, got.retry_after_s, got.why);
		if (cases[i].why != NULL && (got.why[0] == '\0' || strstr(got.why, cases[i].why) == NULL))
			fail_msg("%s: %s", cases[i].name, got.why);
	}
}

static void
what_is_sent(void **state)
{
	static const char answer[] = "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 2\r\n\r\n7\n";
	char request[8192];
	(void)state;

	struct got got = fetch_from(answer, sizeof(answer) - 1, request);
	assert_int_equal(got.code, 409);
	assert_string_equal(got.type, "text/x.tlog.size");
	assert_int_equal(got.first, '7');
	assert_memory_equal(request, "POST /w/add-checkpoint HTTP/1.1\r\n", 33);
	assert_non_null(strstr(request, "\r\nUser-Agent: fealtyd/test\r\n"));
	assert_non_null(strstr(request, "\r\nContent-Length: 6\r\n"));
	assert_non_null(strstr(request, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_null(strstr(request, "Expect"));
}

static void *
wake_later(void *fetcher)
{
	usleep(50000);
	fetcher_wake(fetcher);
	return NULL;
}

static void
waiting_can_be_ended(void **state)
{
	struct fetcher *fetcher;
	pthread_t thread;
	(void)state;

	assert_int_equal(fetcher_new("x", &fetcher), ST_OK);
	assert_int_equal(pthread_create(&thread, NULL, wake_later, fetcher), 0);
	int64_t begun_us = clock_monotonic_us();
	fetcher_run(fetcher, 20000);
	assert_true(clock_monotonic_us() - begun_us < 10 * 1000000);
	pthread_join(thread, NULL);
	/* what is under way ends with it, without a call */
	struct got got = { .done = false };
	struct server s;
	server_start(&s, "", 0);
	assert_int_equal(fetch_post(fetcher, s.url, text_bytes("old"), on_done, &got), ST_OK);
	fetcher_run(fetcher, 10);
	fetcher_free(fetcher);
	assert_false(got.done);
	shutdown(s.fd, SHUT_RDWR);
	pthread_join(s.thread, NULL);
	close(s.fd);
	fetcher_free(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_may_be_allowed_more),
		cmocka_unit_test(the_request_of_the_example),
		cmocka_unit_test(what_is_a_size),
		cmocka_unit_test(which_urls_are_taken),
		cmocka_unit_test(a_row_is_under_the_hash_that_the_key_id_begins),
		cmocka_unit_test(cosignatures_of_the_public_network_verify),
		cmocka_unit_test(answers_are_bounded),
		cmocka_unit_test(what_is_sent),
		cmocka_unit_test(waiting_can_be_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
