/* The bytes of a connection: by the socket itself, or by a TLS session over it.  Nothing here changes the link's state. */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static enum link_io
io_of(struct link *l, enum tls_result result)
{
	switch (result) {
	case TLS_OK:
		return LINK_IO_DONE;
	case TLS_WANT_READ:
		return LINK_IO_WAIT_READ;
	case TLS_WANT_WRITE:
		return LINK_IO_WAIT_WRITE;
	case TLS_ENDED:
		l->why = "the server closed the connection";
		return LINK_IO_END;
	case TLS_TRUNCATED:
		l->why = "the connection broke off: its end does not come from the server";
		return LINK_IO_END;
	case TLS_FAILED:
		break;
	}
	l->why = tls_session_why(l->tls);
	return tls_session_was_refused(l->tls) ? LINK_IO_REFUSED : LINK_IO_END;
}

enum link_io
link_handshake(struct link *l)
{
	return io_of(l, tls_session_handshake(l->tls));
}

enum link_io
link_read(struct link *l, void *data, size_t max, size_t *ret_n)
{
	ssize_t n;

	if (l->tls != NULL)
		return io_of(l, tls_session_read(l->tls, data, max, ret_n));
	do
		n = recv(l->fd, data, max, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return LINK_IO_WAIT_READ;
	l->why = n < 0 ? strerror(errno) : "the server closed the connection";
	*ret_n = n < 0 ? 0 : (size_t)n;
	return n <= 0 ? LINK_IO_END : LINK_IO_DONE;
}

enum link_io
link_write(struct link *l, struct bytes data, size_t *ret_n)
{
	ssize_t n;

	if (l->tls != NULL)
		return io_of(l, tls_session_write(l->tls, data, ret_n));
	do
		n = send(l->fd, data.data, data.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return LINK_IO_WAIT_WRITE;
	l->why = n < 0 ? strerror(errno) : "";
	*ret_n = n < 0 ? 0 : (size_t)n;
	return n < 0 ? LINK_IO_END : LINK_IO_DONE;
}
