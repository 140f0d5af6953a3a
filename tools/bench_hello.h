/* bench_hello.h: the beginning of a connection. */
#ifndef FEALTY_BENCH_HELLO_H
#define FEALTY_BENCH_HELLO_H

#include <stddef.h>

#include "bench_options.h"
#include "bench_socket.h"

/* Who connection ${number}, from 0, is. */
#define PRINCIPAL_BYTES 160
void hello_principal(const struct settings *s, unsigned number, char ret_principal[static PRINCIPAL_BYTES]);

/**
 * hello_say(settings, socket, number, frame_bytes):
 * Says HELLO on a connection that blocks, and waits for the answer.  Ends the process when the server refuses it, or allows less than
 * ${settings} ask for; ${frame_bytes} is the longest body that will be sent.
 */
void hello_say(const struct settings *s, struct bench_socket *socket, unsigned number, size_t frame_bytes);

#endif
