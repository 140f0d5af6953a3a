/*
 * The bytes of a connection: by the socket itself, or by a TLS session over it.  Nothing here changes the state of a connection; what
 * happened is an answer, and conn.c decides.
 */
#include "net/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static enum conn_io
io_of(enum tls_result result)
{
	switch (result) {
	case TLS_OK:
		return IO_DONE;
	case TLS_WANT_READ:
		return IO_WAIT_READ;
	case TLS_WANT_WRITE:
		return IO_WAIT_WRITE;
	case TLS_ENDED:
		return IO_END;
	case TLS_TRUNCATED:
		return IO_TRUNCATED;
	case TLS_FAILED:
		break;
	}
	return IO_FAILED;
}

enum conn_io
conn_handshake(struct net_conn *conn)
{
	return io_of(tls_session_handshake(conn->tls));
}

enum conn_io
conn_discard(struct net_conn *conn, void *scratch, size_t max, size_t *ret_n)
{
	ssize_t n = recv(conn->fd, scratch, max, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? IO_WAIT_READ : IO_FAILED;
	*ret_n = (size_t)n;
	return n == 0 ? IO_END : IO_DONE;
}

enum conn_io
conn_read(struct net_conn *conn, void *data, size_t max, size_t *ret_n)
{
	if (conn->tls != NULL)
		return io_of(tls_session_read(conn->tls, data, max, ret_n));
	return conn_discard(conn, data, max, ret_n);
}

enum conn_io
conn_write(struct net_conn *conn, struct bytes data, size_t *ret_n)
{
	if (conn->tls != NULL)
		return io_of(tls_session_write(conn->tls, data, ret_n));
	ssize_t n = send(conn->fd, data.data, data.len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN ? IO_WAIT_WRITE : errno == EINTR ? IO_AGAIN : IO_FAILED;
	*ret_n = (size_t)n;
	return IO_DONE;
}

enum conn_io
conn_end(struct net_conn *conn)
{
	if (conn->secured) {
		enum tls_result result = tls_session_close(conn->tls);
		if (result == TLS_WANT_WRITE)
			return IO_WAIT_WRITE;
		if (result != TLS_OK)
			return IO_FAILED;
	}
	return shutdown(conn->fd, SHUT_WR) == 0 ? IO_DONE : IO_FAILED;
}
