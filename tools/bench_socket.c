#include "bench_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/util.h>

#include "bench_options.h"
#include "fealty.h"

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "fealty-bench: %s: %s\n", what, why);
	exit(1);
}

static int
connect_to(const char *address)
{
	struct sockaddr_storage any = { 0 };
	struct sockaddr_un *un = (struct sockaddr_un *)&any;
	int len = sizeof any, one = 1;
	const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : *address == '/' ? address : NULL;

	if (path != NULL && strlen(path) >= sizeof un->sun_path)
		die(address, "the path is too long");
	if (path != NULL) {
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, path);
		len = sizeof *un;
	} else if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&any, &len) != 0) {
		die(address, fealty_error_str(FEALTY_ERROR_ADDRESS));
	}
	int fd = socket(any.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&any, (socklen_t)len) < 0)
		die(address, strerror(errno));
	if (path == NULL)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* The host of the address, unless a name was given. */
static void
server_name(const struct settings *settings, char ret_name[static 64])
{
	const char *address = settings->address, *colon = strrchr(address, ':');
	bool v6 = address[0] == '[';
	size_t len = colon == NULL ? 0 : (size_t)(colon - address) - (v6 ? 2 : 0);

	snprintf(ret_name, 64, "%.*s", (int)len, address + v6);
}

static void
shake_hands(struct bench_socket *s, const struct settings *settings)
{
	char message[TLS_MESSAGE_BYTES], name[64];
	struct tls *tls;

	if (tls_open(TLS_CLIENT, &settings->tls, &tls, message) != ST_OK)
		die("TLS", message);
	server_name(settings, name);
	s->tls = tls_session_new(tls, s->fd, settings->tls_server_name != NULL ? settings->tls_server_name : name);
	tls_unref(tls);
	if (s->tls == NULL)
		die("memory", strerror(ENOMEM));
	enum tls_result result;
	do
		result = tls_session_handshake(s->tls);
	while (result == TLS_WANT_READ || result == TLS_WANT_WRITE);
	if (result != TLS_OK)
		die("TLS", tls_session_why(s->tls));
}

void
bench_socket_open(struct bench_socket *s, const struct settings *settings)
{
	*s = (struct bench_socket){ .fd = connect_to(settings->address) };
	if (settings->tls.ca != NULL)
		shake_hands(s, settings);
}

void
bench_socket_unblock(struct bench_socket *s)
{
	evutil_make_socket_nonblocking(s->fd);
}

void
bench_socket_close(struct bench_socket *s)
{
	if (s->tls != NULL)
		(void)!tls_session_close(s->tls);	/* a word that the server may miss */
	tls_session_free(s->tls);
	s->tls = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static ssize_t
answer(enum tls_result result, const size_t *n)
{
	switch (result) {
	case TLS_OK:
		return (ssize_t)*n;
	case TLS_WANT_READ: case TLS_WANT_WRITE:
		return 0;
	case TLS_ENDED: case TLS_TRUNCATED: case TLS_FAILED:
		break;
	}
	return -1;
}

ssize_t
bench_socket_read(struct bench_socket *s, void *data, size_t max)
{
	size_t n = 0;

	if (s->tls != NULL)
		return answer(tls_session_read(s->tls, data, max, &n), &n);
	ssize_t got = recv(s->fd, data, max, 0);
	return got > 0 ? got : got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

ssize_t
bench_socket_write(struct bench_socket *s, struct bytes data)
{
	size_t n = 0;

	if (s->tls != NULL)
		return answer(tls_session_write(s->tls, data, &n), &n);
	ssize_t sent = send(s->fd, data.data, data.len, MSG_NOSIGNAL);
	return sent >= 0 ? sent : errno == EAGAIN || errno == EINTR ? 0 : -1;
}
