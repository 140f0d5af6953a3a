#include "bench_hello.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fealty.h"
#include "frame.h"

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "fealty-bench: %s: %s\n", what, why);
	exit(1);
}

static void
read_all(struct bench_socket *from, uint8_t *data, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = bench_socket_read(from, data + got, len - got);

		if (n < 0)
			die("HELLO", from->tls != NULL ? tls_session_why(from->tls) : "the server closed the connection");
		got += (size_t)n;
	}
}

static void
write_all(struct bench_socket *to, struct bytes data)
{
	for (size_t sent = 0; sent < data.len;) {
		ssize_t n = bench_socket_write(to, bytes_of(data.data + sent, data.len - sent));

		if (n < 0)
			die("HELLO", "the connection is lost");
		sent += (size_t)n;
	}
}

static void
refuse(const char *option, const char *what, unsigned long asked, unsigned long allowed)
{
	fprintf(stderr, "fealty-bench: %s: %lu %s; the server allows %lu\n", option, asked, what, allowed);
	exit(2);
}

struct allowed { uint32_t in_flight, commands, bytes; };

static void
check(const struct settings *s, struct allowed allowed, size_t frame_bytes)
{
	if (s->depth > allowed.in_flight)
		refuse("--depth", "in flight on a connection", s->depth, allowed.in_flight);
	if (s->batch > allowed.commands)
		refuse("--batch", "commands in a frame", s->batch, allowed.commands);
	if (s->batch > 1 && frame_bytes > allowed.bytes)
		refuse("--batch", "bytes in a frame", frame_bytes, allowed.bytes);
}

/* What is left out is not limited. */
static struct allowed
take_ok(struct bytes body)
{
	Fealty__V1__HelloOk *ok = fealty__v1__hello_ok__unpack(NULL, body.len, body.data);

	if (ok == NULL)
		die("HELLO", "the server did not answer with HELLO_OK");
	struct allowed allowed = {
		.in_flight = ok->has_in_flight_max ? ok->in_flight_max : UINT32_MAX,
		.commands = ok->has_batch_commands_max ? ok->batch_commands_max : UINT32_MAX,
		.bytes = ok->has_batch_bytes_max ? ok->batch_bytes_max : UINT32_MAX,
	};
	fealty__v1__hello_ok__free_unpacked(ok, NULL);
	return allowed;
}

static _Noreturn void
die_of_error(struct bytes body)
{
	Fealty__V1__Error *e = fealty__v1__error__unpack(NULL, body.len, body.data);
	char text[256];

	if (e == NULL)
		die("HELLO", "the server refused it, and nobody can read why");
	snprintf(text, sizeof text, "%s", e->message != NULL ? e->message : frame_error_str((enum frame_error)e->reason));
	fealty__v1__error__free_unpacked(e, NULL);
	die("HELLO", text);
}

void
hello_principal(const struct settings *s, unsigned number, char ret_principal[static PRINCIPAL_BYTES])
{
	int len = s->principals == 0 ? snprintf(ret_principal, PRINCIPAL_BYTES, "%s", s->principal) :
	    snprintf(ret_principal, PRINCIPAL_BYTES, "%s/%u", s->principal, number % s->principals + 1);

	if (len >= PRINCIPAL_BYTES)
		die("--principal", "too long");
}

static void
send_hello(struct bench_socket *socket, char *principal)
{
	Fealty__V1__Hello hello = FEALTY__V1__HELLO__INIT;
	uint8_t body[1024];
	struct buf out;

	hello.has_version_min = hello.has_version_max = true;
	hello.version_min = hello.version_max = FRAME_VERSION;
	hello.client_name = (char *)"fealty-bench";
	hello.principal = principal;
	buf_init(&out);
	frame_put(&out, FRAME_HELLO, 0, 0, bytes_of(body, fealty__v1__hello__pack(&hello, body)));
	if (buf_status(&out) != ST_OK)
		die("memory", strerror(ENOMEM));
	write_all(socket, buf_bytes(&out));
	buf_release(&out);
}

void
hello_say(const struct settings *s, struct bench_socket *socket, unsigned number, size_t frame_bytes)
{
	uint8_t body[4096], header[FRAME_HEADER_BYTES];
	struct frame_limits limits = frame_limits_client();
	char principal[PRINCIPAL_BYTES];
	struct frame_header h;

	hello_principal(s, number, principal);
	send_hello(socket, principal);
	read_all(socket, header, sizeof header);
	enum frame_error bad = frame_header_decode(header, &limits, &h);
	if (bad != FRAME_ERROR_NONE || h.body_bytes > sizeof body)
		die("HELLO", frame_error_str(bad));
	read_all(socket, body, h.body_bytes);
	if (h.type == FRAME_ERROR)
		die_of_error(bytes_of(body, h.body_bytes));
	if (h.type != FRAME_HELLO_OK)
		die("HELLO", "the server did not answer with HELLO_OK");
	check(s, take_ok(bytes_of(body, h.body_bytes)), frame_bytes);
}
