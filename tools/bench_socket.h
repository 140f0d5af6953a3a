/* bench_socket.h: a connection's bytes, with TLS or without. */
#ifndef FEALTY_BENCH_SOCKET_H
#define FEALTY_BENCH_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "tls/tls.h"

struct settings;

struct bench_socket {
	int fd;				/* -1: closed */
	struct tls_session *tls;	/* NULL: without */
};

/* Connects, with its handshake, and blocks until then; ends the process when it cannot be.  Blocking until bench_socket_unblock(). */
void bench_socket_open(struct bench_socket *s, const struct settings *settings);
void bench_socket_unblock(struct bench_socket *s);
void bench_socket_close(struct bench_socket *s);

/* How many bytes; 0: none for now; -1: the connection is lost.  After a read with TLS there may be more: read until 0. */
ssize_t bench_socket_read(struct bench_socket *s, void *data, size_t max);
ssize_t bench_socket_write(struct bench_socket *s, struct bytes data);

#endif
