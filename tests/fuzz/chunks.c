/**
 * What a connection makes of a stream, whatever pieces it comes in: a net with a UNIX socket and one loop, and a peer that sends the frames of the
 * input in pieces, each only when the one before has been read.  The frames that are delivered, and why the connection ends, are those of a reader
 * that has the whole stream before it; a handler that pauses in the middle changes nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frame.h"
#include "fuzz.h"
#include "net/net.h"

#define PIECES_MAX 48
#define STREAM_BYTES_MAX 8192

/* ---- what is seen: header and body of each frame, and at last the reason ---- */

struct seen {
	struct buf frames;
	unsigned n_frames;
	const char *reason;		/* NULL: not ended */
};

static struct seen seen;		/* the loop's, until `reason` is there */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static struct net *net;
static char path[64];

static void
see(struct seen *s, const struct frame_header *header, struct bytes body)
{
	uint8_t bytes[FRAME_HEADER_BYTES];

	frame_header_encode(header, bytes);
	buf_put(&s->frames, bytes, sizeof(bytes));
	buf_put(&s->frames, body.data, body.len);
	s->n_frames++;
}

/* ---- the connection ---- */

static void
on_open(void *ctx, struct net_conn *conn)
{
	(void)ctx; (void)conn;
}

/* A frame with an odd tag holds the next one up for a turn. */
static void
on_frame(void *ctx, struct net_conn *conn, const struct frame_header *header, struct bytes body)
{
	const struct frame_limits limits = frame_limits_server();

	(void)ctx;
	see(&seen, header, body);
	if (header->type == FRAME_HELLO)
		net_conn_set_limits(conn, &limits);
	if (header->tag % 2 == 1) {
		net_conn_pause(conn);
		net_conn_resume(conn);
	}
}

static void
on_closed(void *ctx, struct net_conn *conn, const char *reason)
{
	(void)ctx; (void)conn;
	pthread_mutex_lock(&mutex);
	seen.reason = reason;
	pthread_cond_signal(&ended);
	pthread_mutex_unlock(&mutex);
}

/* Nobody comes with TLS. */
static void
on_rejected(void *ctx, const char *address, const char *reason, const char *why)
{
	(void)ctx; (void)address; (void)reason; (void)why;
	assert(false);
}

static void
end(void)
{
	net_stop_accepting(net);
	net_stop(net);
	net_free(net);
	buf_release(&seen.frames);
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
}

static void
begin(void)
{
	const struct net_handler handler = { .on_open = on_open, .on_frame = on_frame, .on_room = on_open, .on_closed = on_closed,
		.on_aged = on_open, .on_rejected = on_rejected };
	struct net_limits limits = net_limits_default();
	char *directory = strcpy(path, "/tmp/fuzz-chunks.XXXXXX");

	limits.hello_ms = limits.frame_ms = limits.idle_ms = limits.linger_ms = 3600 * 1000;
	directory = mkdtemp(directory);
	assert(directory != NULL);
	strcat(path, "/s");
	enum status st = net_new(1, &limits, &handler, &net);
	if (st == ST_OK)
		st = net_listen_unix(net, path);
	if (st == ST_OK)
		st = net_start(net);
	assert(st == ST_OK);
	buf_init(&seen.frames);
	(void)atexit(end);
}

/* ---- the peer ---- */

static bool
has_ended(void)
{
	pthread_mutex_lock(&mutex);
	bool is = seen.reason != NULL;
	pthread_mutex_unlock(&mutex);
	return is;
}

static void
wait_until_read(uint64_t bytes)
{
	struct net_figures figures;

	do {
		(void)sched_yield();
		net_figures(net, &figures);
	} while (figures.received_bytes < bytes && !has_ended());
}

static uint64_t
received_before(void)
{
	struct net_figures figures;

	net_figures(net, &figures);
	return figures.received_bytes;
}

static void
send_in_pieces(struct bytes stream, struct tape *t)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint64_t before = received_before();
	char rest[4096];

	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;
	do
		rc = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (rc != 0 && errno == EINTR);	/* libFuzzer has a clock that rings */
	assert(rc == 0);
	size_t at = 0;
	for (unsigned pieces = 0; at < stream.len; pieces++) {
		size_t left = stream.len - at, n = pieces == PIECES_MAX ? left : 1 + tape_below(t, tape_u8(t) % 2 == 0 ? 20 : left);
		ssize_t sent = send(fd, stream.data + at, n < left ? n : left, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			break;
		at += (size_t)sent;
		wait_until_read(before + at);
	}
	(void)shutdown(fd, SHUT_WR);
	ssize_t n;
	do
		n = recv(fd, rest, sizeof(rest), 0);
	while (n > 0 || (n < 0 && errno == EINTR));
	(void)close(fd);
	pthread_mutex_lock(&mutex);
	while (seen.reason == NULL)
		pthread_cond_wait(&ended, &mutex);
	pthread_mutex_unlock(&mutex);
}

/* ---- the reader that has it all ---- */

static void
read_whole(struct bytes stream, struct seen *ret)
{
	struct frame_limits limits = frame_limits_before_hello();
	struct frame_header header;

	ret->reason = "PEER_CLOSED";
	while (stream.len >= FRAME_HEADER_BYTES) {
		enum frame_error error = frame_header_decode(stream.data, &limits, &header);
		if (error != FRAME_ERROR_NONE) {
			ret->reason = frame_error_str(error);
			return;
		}
		if (stream.len - FRAME_HEADER_BYTES < header.body_bytes)
			return;
		see(ret, &header, bytes_of(stream.data + FRAME_HEADER_BYTES, header.body_bytes));
		if (header.type == FRAME_HELLO)
			limits = frame_limits_server();
		size_t frame_bytes = FRAME_HEADER_BYTES + header.body_bytes;
		stream = bytes_of(stream.data + frame_bytes, stream.len - frame_bytes);
	}
}

/* ---- streams: mostly of frames that are right, and whatever else ---- */

static void
put_stream(struct buf *out, struct tape *t)
{
	static const uint8_t types[] = { FRAME_REQUEST, FRAME_BATCH, FRAME_PING, FRAME_CREDIT, FRAME_CANCEL, FRAME_HELLO };

	if (tape_u8(t) % 16 != 15)
		frame_put(out, FRAME_HELLO, 0, 0, bytes_of("hello", tape_below(t, 5)));
	for (unsigned left = tape_u8(t) % 24; left > 0 && out->len < STREAM_BYTES_MAX / 2; left--) {
		uint8_t wish = tape_u8(t), body[300];
		size_t len = tape_below(t, sizeof(body));
		memset(body, wish, sizeof(body));
		frame_put(out, (enum frame_type)types[wish % sizeof(types)], wish / 64 == 3 ? tape_u8(t) : 0, 1 + tape_below(t, 9), bytes_of(body, len));
	}
	size_t more = tape_u8(t) % 4 == 0 ? tape_below(t, 64) : 0;
	buf_put(out, t->rest.data, more < t->rest.len ? more : t->rest.len);
	for (unsigned changes = tape_u8(t) % 4 == 3 ? tape_u8(t) % 4 : 0; changes > 0 && out->len > 0; changes--)
		out->data[tape_below(t, out->len)] ^= (uint8_t)(1 << tape_u8(t) % 8);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { bytes_of(data, size) };
	struct seen want = { .n_frames = 0 };
	struct buf stream;

	if (net == NULL)
		begin();
	buf_clear(&seen.frames);
	seen.n_frames = 0;
	seen.reason = NULL;
	buf_init(&stream);
	buf_init(&want.frames);
	put_stream(&stream, &t);
	read_whole(buf_bytes(&stream), &want);
	send_in_pieces(buf_bytes(&stream), &t);
	assert(buf_status(&stream) == ST_OK && buf_status(&want.frames) == ST_OK && buf_status(&seen.frames) == ST_OK);
	assert(seen.n_frames == want.n_frames && bytes_equal(buf_bytes(&seen.frames), buf_bytes(&want.frames)));
	assert(strcmp(seen.reason, want.reason) == 0);
	buf_release(&want.frames);
	buf_release(&stream);
	return 0;
}
