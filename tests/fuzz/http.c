/**
 * The HTTP door, by a real connection to a door with a service behind it: a request of a method and a path and some headers, or the input as it is.
 * Whatever comes, the answer is one of HTTP with a code that the door has, the connection ends, and the body has as many bytes as is said; a path is
 * answered as the table of paths says, and nothing is ever a fault of the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin.h"
#include "fuzz.h"
#include "service_world.h"

#define REQUEST_BYTES_MAX 12000

static struct server server;
static struct admin *admin;
static uint16_t port;

static void
end(void)
{
	admin_detach(admin);
	server_stop(&server);
	admin_close(admin);
	server_release(&server);
}

static void
begin(void)
{
	struct fealty_client *client;

	server_init(&server, false);
	server_start(&server);
	client = client_of(&server, "operator/fuzz");
	call_publish(client, club_yaml, "publish", 0);
	fealty_client_free(client);
	enum status st = admin_open("127.0.0.1:0", "test", &admin, &port);
	assert(st == ST_OK);
	service_tick(server.service);
	admin_attach(admin, server.service);
	(void)atexit(end);
}

/* ---- a request ---- */

static const char *const methods[] = { "GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "" };
static const char *const paths[] = { "/healthz", "/readyz", "/metrics", "/checkpoint", "/tile/0/000", "/tile/0/000.p/2", "/tile/entries/000.p/2",
	"/tile/", "/tile/63/x000/000", "/", "//", "/%74ile/0/000", "/../etc/passwd", "http://x/healthz", "*" };
static const char *const headers[] = { "Host: x\r\n", "Connection: keep-alive\r\n", "Content-Length: 0\r\n", "Content-Length: 5\r\n",
	"Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "Range: bytes=0-1\r\n", "X:\r\n y\r\n", ": x\r\n", "x\r\n" };
#define PICK(table) table[tape_below(t, sizeof(table) / sizeof((table)[0]))]

static void
put_text(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

/* Bytes of the input that leave a line a line. */
static void
put_bytes(struct buf *out, struct tape *t, size_t n)
{
	while (n-- > 0 && t->rest.len > 0) {
		uint8_t byte = tape_u8(t);
		buf_put_u8(out, byte == '\n' || byte == '\r' ? '/' : byte);
	}
}

struct question {
	const char *method, *path;		/* NULL: nothing is known of it */
	bool plain;				/* the path and the headers are as they are above */
};

static struct question
put_request(struct buf *out, struct tape *t)
{
	struct question q = { .plain = true };

	if (tape_u8(t) % 8 == 7) {
		buf_put(out, t->rest.data, t->rest.len < REQUEST_BYTES_MAX ? t->rest.len : REQUEST_BYTES_MAX);
		return (struct question){ NULL, NULL, false };
	}
	q.method = PICK(methods);
	q.path = PICK(paths);
	put_text(out, q.method);
	put_text(out, " ");
	put_text(out, q.path);
	size_t more = tape_u8(t) % 2 == 0 ? 0 : tape_below(t, 60), before = out->len;
	if (tape_u8(t) % 4 == 3)
		put_text(out, "?");
	put_bytes(out, t, more);
	q.plain = out->len == before;
	put_text(out, tape_u8(t) % 8 == 7 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
	for (unsigned n = tape_u8(t) % 4; n > 0; n--) {
		put_text(out, PICK(headers));
		q.plain = false;
	}
	if (tape_u8(t) % 8 == 7) {
		put_bytes(out, t, tape_below(t, 200));
		put_text(out, "\r\n");
		q.plain = false;
	}
	put_text(out, "\r\n");
	return q;
}

/* ---- the answer ---- */

/* Each from an address of its own, so that those which wait for their end do not use up the ports. */
static int
connected(void)
{
	static uint32_t number;
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F010001 + number++ % 0xF00000) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	int rc = bind(fd, (const struct sockaddr *)&from, sizeof(from));
	assert(rc == 0);
	rc = connect(fd, (const struct sockaddr *)&to, sizeof(to));
	if (rc != 0 && errno == EINTR) {		/* libFuzzer has a clock that rings; it is connecting all the same */
		struct pollfd until = { .fd = fd, .events = POLLOUT };
		do
			rc = poll(&until, 1, -1);
		while (rc < 0 && errno == EINTR);
		rc = rc == 1 && (until.revents & (POLLERR | POLLHUP)) == 0 ? 0 : -1;
	}
	assert(rc == 0);
	return fd;
}

/**
 * Unless the request is known to be a whole one, its end is shown, which evhttp takes for the end of the connection: a long answer
 * may be cut then, and a 400 of its own may follow a short one.
 */
static void
ask(struct bytes request, bool is_whole, struct buf *answer)
{
	uint8_t part[4096];
	ssize_t n;
	int fd = connected();

	for (size_t at = 0; at < request.len; at += (size_t)n) {
		n = send(fd, request.data + at, request.len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			break;		/* it has seen enough */
	}
	if (!is_whole)
		(void)shutdown(fd, SHUT_WR);
	while ((n = recv(fd, part, sizeof(part), 0)) > 0 || (n < 0 && errno == EINTR))
		buf_put(answer, part, n < 0 ? 0 : (size_t)n);
	assert(n == 0 || errno == ECONNRESET);
	(void)close(fd);
	buf_put_u8(answer, '\0');
	assert(buf_status(answer) == ST_OK);
}

static bool
is_of(int code, const int *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (codes[i] == code)
			return true;
	return false;
}

static int
model_code(const struct question *q)
{
	if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0)
		return 0;
	if (strcmp(q->path, "/healthz") == 0 || strcmp(q->path, "/readyz") == 0 || strcmp(q->path, "/metrics") == 0)
		return 200;
	return q->path[0] == '/' && (q->path[1] == '\0' || q->path[1] == '/' || q->path[1] == '%' || q->path[1] == '.') ? 404 : 0;
}

static void
check(const struct question *q, const char *text, size_t len)
{
	static const int ours[] = { 200, 400, 404, 405, 503 }, of_evhttp[] = { 100, 400, 405, 411, 413, 414, 417, 501, 505 };
	int code = 0, want = q->plain ? model_code(q) : 0;
	unsigned major, minor;

	assert(len > 0 || want == 0);
	if (len == 0)
		return;
	int n = sscanf(text, "HTTP/%u.%u %d ", &major, &minor, &code);		/* the version is the asker's */
	assert(n == 3);
	assert(want == 0 || code == want);
	const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
	assert(body != NULL);
	if (code == 100 || strstr(text, "X-Content-Type-Options: nosniff\r\n") == NULL) {
		assert(is_of(code, of_evhttp, sizeof(of_evhttp) / sizeof(of_evhttp[0])));
		return;
	}
	assert(is_of(code, ours, sizeof(ours) / sizeof(ours[0])));
	/* evhttp leaves it out where a proxy is asked; it closes all the same, or ask() would wait for ever. */
	assert(q->path == NULL || q->path[0] != '/' || strstr(text, "Connection: close\r\n") != NULL);
	assert(length != NULL && length < body);
	size_t bytes = len - (size_t)(body + 4 - text), said = strtoul(length + strlen("Content-Length: "), NULL, 10);
	assert(want == 0 || bytes == (strcmp(q->method, "HEAD") == 0 ? 0 : said));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { bytes_of(data, size) };
	struct buf request, answer;

	if (admin == NULL)
		begin();
	buf_init(&request);
	buf_init(&answer);
	struct question q = put_request(&request, &t);
	ask(buf_bytes(&request), q.plain && model_code(&q) != 0, &answer);
	check(&q, (const char *)answer.data, answer.len - 1);
	buf_release(&request);
	buf_release(&answer);
	return 0;
}
