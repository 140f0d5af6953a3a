/*
 * Listening sockets are made before net_start() and belong to loop 0's thread from then on; listeners_end() is the only thing that
 * other threads do to them, and it leaves the descriptors to loop 0.  A socket file appears at its path before anybody can connect,
 * and gets its mode before listen(), so the umask does not matter.
 * A socket file is replaced only when it is a socket and a connect() to it is refused, and removed only when it is still ours.
 */
#include "net/internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BIND_TRIES 3	/* others may remove and make socket files at the same time */

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

static void
close_keeping_errno(int fd)
{
	int e = errno;

	close(fd);
	errno = e;
}

/* ---- accepting ---- */

static void
set_accepting(struct net *net, bool on)
{
	for (unsigned i = 0; i < net->n_listeners; i++) {
		struct listener *l = &net->listeners[i];
		if (l->fd != -1)
			(void)(on ? event_add(l->event, NULL) : event_del(l->event));
	}
}

static void
on_accept_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	set_accepting(ctx, true);
}

static const char too_many[] = "the server has as many connections as it takes (limit connections)",
    no_memory[] = "the server has no memory for another connection",
    address_too_many[] = "your address has as many connections here as one may have (limit address_connections)";

/* For peers beyond those that we wait for: the error may be lost when they have sent something already. */
static void
refuse_at_once(int fd, enum net_door door, const char *why)
{
	struct buf out;

	buf_init(&out);
	if (door != NET_DOOR_TLS)	/* where nothing can be said without a handshake */
		frame_put_error(&out, FRAME_ERROR_TOO_MANY_CONNECTIONS, why, 0, 0);
	if (buf_status(&out) == ST_OK && out.len > 0)
		(void)send(fd, out.data, out.len, MSG_NOSIGNAL);
	buf_release(&out);
	close(fd);
}

/* Why there is no room for the peer; NULL: there is, and its connection counts among those of its address. */
static const char *
find_room(struct net *net, const struct sockaddr_storage *peer, struct net_address **ret_address)
{
	*ret_address = NULL;
	if (atomic_load(&net->connections) >= net->limits.connections_max) {
		counter_add(&net->refused_total, 1);
		return too_many;
	}
	enum status st = addresses_take(&net->addresses, peer, net->limits.address_connections_max, ret_address);
	if (st == ST_NOMEM) {
		counter_add(&net->refused_total, 1);
		return no_memory;
	}
	if (st != ST_OK) {
		counter_add(&net->refused_address_total, 1);
		return address_too_many;
	}
	counter_add(&net->accepted_total, 1);
	return NULL;
}

static void
welcome(struct net *net, int fd, enum net_door door, const struct sockaddr_storage *peer)
{
	struct net_loop *loop = &net->loops[net->next_loop];
	struct net_address *address;
	const char *why = find_room(net, peer, &address);

	if (door != NET_DOOR_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (why != NULL && atomic_load(&net->refused) >= NET_REFUSED_MAX) {
		refuse_at_once(fd, door, why);
		return;
	}
	struct net_conn *conn = conn_new(loop, fd, door, net->next_id, why != NULL);
	if (conn == NULL) {
		addresses_give(&net->addresses, address);
		return;
	}
	conn->why_refused = why;
	conn->address = address;
	net->next_id++;
	net->next_loop = (net->next_loop + 1) % net->n_loops;
	net_post(loop, &conn->arrival, &conn->arrival);
}

static void
on_connection(evutil_socket_t fd, short what, void *ctx)
{
	struct listener *l = ctx;

	(void)what;
	for (unsigned i = 0; i < NET_ACCEPTS_PER_EVENT; i++) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		int peer = accept4(fd, (struct sockaddr *)&from, &(socklen_t){ sizeof(from) }, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (peer != -1) {
			welcome(l->net, peer, l->door, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* The peer stays in the queue and would wake us again at once. */
			struct timeval tv = { .tv_usec = NET_ACCEPT_AGAIN_MS * 1000 };
			if (event_add(l->net->accept_again, &tv) == 0)
				set_accepting(l->net, false);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/* ---- life ---- */

/* Takes over ${fd}, and ${path}, which may be NULL. */
static void
keep(struct net *net, int fd, enum net_door door, char *path, const struct stat *made)
{
	struct listener *l = &net->listeners[net->n_listeners++];

	*l = (struct listener){ .net = net, .fd = fd, .door = door, .path = path };
	if (made != NULL)
		l->made = *made;
}

enum status
listeners_start(struct net *net)
{
	struct event_base *base = net->loops[0].base;

	net->accept_again = event_new(base, -1, 0, on_accept_again, net);
	if (net->accept_again == NULL)
		return ST_NOMEM;
	for (unsigned i = 0; i < net->n_listeners; i++) {
		struct listener *l = &net->listeners[i];
		l->event = event_new(base, l->fd, EV_READ | EV_PERSIST, on_connection, l);
		if (l->event == NULL || event_add(l->event, NULL) != 0)
			return ST_NOMEM;
	}
	return ST_OK;
}

/* Both kinds of socket refuse connections after shutdown(), whoever calls it. */
void
listeners_end(struct net *net)
{
	for (unsigned i = 0; i < net->n_listeners; i++) {
		struct listener *l = &net->listeners[i];
		struct stat now;

		if (l->path != NULL && lstat(l->path, &now) == 0 && now.st_dev == l->made.st_dev && now.st_ino == l->made.st_ino)
			unlink(l->path);
		shutdown(l->fd, SHUT_RDWR);
	}
}

void
listeners_close(struct net *net)
{
	for (unsigned i = 0; i < net->n_listeners; i++) {
		struct listener *l = &net->listeners[i];

		if (l->event != NULL)
			event_free(l->event);
		l->event = NULL;
		if (l->fd != -1)
			close(l->fd);
		l->fd = -1;
		free(l->path);
		l->path = NULL;
	}
	if (net->accept_again != NULL)
		event_free(net->accept_again);
	net->accept_again = NULL;
}

/* ---- UNIX ---- */

/* ST_OK: it was stale and is gone; ST_BUSY; ST_IO. */
static enum status
remove_stale(const union address *a)
{
	struct stat st;

	if (lstat(a->un.sun_path, &st) == -1)
		return errno == ENOENT ? ST_OK : ST_IO;
	if (!S_ISSOCK(st.st_mode)) {
		errno = ENOTSOCK;
		return ST_IO;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return ST_IO;
	int rc = connect(fd, &a->any, sizeof(a->un));
	close_keeping_errno(fd);
	if (rc == 0 || errno == EAGAIN)		/* EAGAIN: its queue is full */
		return ST_BUSY;
	if (errno != ECONNREFUSED)
		return errno == ENOENT ? ST_OK : ST_IO;
	return unlink(a->un.sun_path) == 0 || errno == ENOENT ? ST_OK : ST_IO;
}

static enum status
bind_unix(int fd, const union address *a)
{
	for (unsigned i = 0; i < BIND_TRIES; i++) {
		if (bind(fd, &a->any, sizeof(a->un)) == 0)
			return ST_OK;
		if (errno != EADDRINUSE)
			return ST_IO;
		enum status st = remove_stale(a);
		if (st != ST_OK)
			return st;
	}
	return ST_BUSY;
}

enum status
net_listen_unix(struct net *net, const char *path)
{
	union address a = { .un = { .sun_family = AF_UNIX } };
	struct stat made;

	assert(!net->started && net->n_listeners < NET_LISTENERS_MAX);
	if (path[0] == '\0' || strlen(path) >= sizeof(a.un.sun_path))
		return ST_INVALID;
	strcpy(a.un.sun_path, path);
	char *copy = strdup(path);
	if (copy == NULL)
		return ST_NOMEM;

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	enum status st = fd == -1 ? ST_IO : bind_unix(fd, &a);
	if (st != ST_OK)
		goto fail;
	if (chmod(path, 0600) == -1 || lstat(path, &made) == -1 || listen(fd, SOMAXCONN) == -1) {
		st = ST_IO;
		int e = errno;
		unlink(path);
		errno = e;
		goto fail;
	}
	keep(net, fd, NET_DOOR_UNIX, copy, &made);
	return ST_OK;
fail:
	if (fd != -1)
		close_keeping_errno(fd);
	free(copy);
	return st;
}

/* ---- TCP ---- */

static bool
parse_port(const char *text, uint16_t *ret_port)
{
	unsigned long port = 0;

	if (text[0] == '\0' || strlen(text) > 5)
		return false;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return false;
		port = port * 10 + (unsigned long)(*p - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

/* "127.0.0.1:7450" or "[::1]:7450"; numbers only, because a name may point anywhere. */
static bool
parse_address(const char *text, union address *ret_address, socklen_t *ret_len)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	uint16_t port;

	if (colon == NULL || !parse_port(colon + 1, &port))
		return false;
	size_t len = (size_t)(colon - text);
	bool v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	if (v6) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';

	union address a = { 0 };
	if (v6) {
		a.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		*ret_len = sizeof(a.in6);
		if (inet_pton(AF_INET6, host, &a.in6.sin6_addr) != 1)
			return false;
	} else {
		a.in4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		*ret_len = sizeof(a.in4);
		if (inet_pton(AF_INET, host, &a.in4.sin_addr) != 1)
			return false;
	}
	*ret_address = a;
	return true;
}

static bool
is_loopback(const union address *a)
{
	return a->any.sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr) : ntohl(a->in4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static enum status
bind_tcp(const char *address, bool anywhere, int *ret_fd, uint16_t *ret_port)
{
	union address a;
	socklen_t len;

	if (!parse_address(address, &a, &len) || (!anywhere && !is_loopback(&a)))
		return ST_INVALID;
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return ST_IO;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == -1 || bind(fd, &a.any, len) == -1 ||
	    listen(fd, SOMAXCONN) == -1 || getsockname(fd, &a.any, &len) == -1) {
		close_keeping_errno(fd);
		return errno == EADDRINUSE ? ST_BUSY : ST_IO;
	}
	*ret_fd = fd;
	*ret_port = ntohs(a.any.sa_family == AF_INET6 ? a.in6.sin6_port : a.in4.sin_port);
	return ST_OK;
}

enum status
net_bind_loopback(const char *address, int *ret_fd, uint16_t *ret_port)
{
	return bind_tcp(address, false, ret_fd, ret_port);
}

static enum status
listen_tcp(struct net *net, const char *address, enum net_door door, uint16_t *ret_port)
{
	uint16_t port;
	int fd;

	assert(!net->started && net->n_listeners < NET_LISTENERS_MAX);
	enum status st = bind_tcp(address, door == NET_DOOR_TLS, &fd, &port);
	if (st != ST_OK)
		return st;
	keep(net, fd, door, NULL, NULL);
	if (ret_port != NULL)
		*ret_port = port;
	return ST_OK;
}

enum status
net_listen_loopback(struct net *net, const char *address, uint16_t *ret_port)
{
	return listen_tcp(net, address, NET_DOOR_LOOPBACK, ret_port);
}

enum status
net_listen_tls(struct net *net, const char *address, uint16_t *ret_port)
{
	return listen_tcp(net, address, NET_DOOR_TLS, ret_port);
}
