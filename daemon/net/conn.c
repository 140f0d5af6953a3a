/*
 * Input: one read at a time goes into the loop's scratch memory and whole frames are delivered from there; only what is left over, less
 * than a frame, is kept in `in`, which grows with the bytes that came and not with the length that a header claims.  While a
 * connection is paused nothing is read, so `in` never holds more than a frame and what one read brought.
 * Output is appended to `out` and leaves at the end of the loop's turn.
 * A connection ends in steps (enum conn_state).  Between the last output and close() we discard input until the peer closes, because
 * close() on unread input sends a reset that can overtake the ERROR frame.
 * The frame timer runs exactly while the beginning of a frame is kept and the connection is not paused; only a whole frame restarts it.
 * A turn delivers NET_FRAMES_PER_TURN frames of a connection at most, and no other after NET_TURN_US.  One that has more is `behind`: it is not
 * read, and has its next ones delivered in the turns that follow, so that whoever pipelines much, or what is dear, takes no more of the loop than
 * the others.
 */
#include "net/internal.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const char reset[] = "RESET", peer_closed[] = "PEER_CLOSED", shutting_down[] = "SHUTTING_DOWN", truncated[] = "TRUNCATED",
    no_handshake[] = "NO_HANDSHAKE", handshake_timeout[] = "HANDSHAKE_TIMEOUT", aged[] = "AGED";

/* ---- state and events ---- */

static void
set_state(struct net_conn *conn, enum conn_state state)
{
	assert(state > conn->state && (state == CONN_OPEN) == (conn->reason == NULL));
	conn->state = state;
}

static size_t
unsent_bytes(const struct net_conn *conn)
{
	return conn->out.len - conn->out_sent;
}

/* Ends it at once; unsent output is lost. */
static void
die(struct net_conn *conn, const char *reason)
{
	if (conn->state == CONN_DEAD)
		return;
	if (conn->reason == NULL)
		conn->reason = reason;
	set_state(conn, CONN_DEAD);
	event_del(&conn->read_event);
	event_del(&conn->write_event);
	loop_remove(conn->loop, conn);
}

static void
set_reading(struct net_conn *conn, bool reading)
{
	if (conn->reading == reading || conn->state == CONN_DEAD)
		return;
	conn->reading = reading;
	if ((reading ? event_add(&conn->read_event, NULL) : event_del(&conn->read_event)) != 0)
		die(conn, frame_error_str(FRAME_ERROR_INTERNAL));
}

static void
set_writing(struct net_conn *conn, bool writing)
{
	if (conn->writing == writing || conn->state == CONN_DEAD)
		return;
	conn->writing = writing;
	if ((writing ? event_add(&conn->write_event, NULL) : event_del(&conn->write_event)) != 0)
		die(conn, frame_error_str(FRAME_ERROR_INTERNAL));
}

static void
begin_close(struct net_conn *conn, const char *reason)
{
	if (conn->state > CONN_OPEN)
		return;
	conn->reason = reason;
	set_state(conn, CONN_FLUSHING);
	conn->room_wanted = false;
	loop_timer_stop(conn, NET_TIMER_HELLO);
	loop_timer_stop(conn, NET_TIMER_FRAME);
	loop_timer_stop(conn, NET_TIMER_IDLE);
	loop_timer_stop(conn, NET_TIMER_REST);
	loop_timer_stop(conn, NET_TIMER_AGE);
	loop_timer_stop(conn, NET_TIMER_LEAVE);
	loop_timer_start(conn, NET_TIMER_LINGER);
	loop_mark_dirty(conn);
	set_reading(conn, !conn->peer_done);	/* to discard it; a peer that only writes would never get to our last output */
}

/* ---- input ---- */

static const char *
refusal_message(enum frame_error e)
{
	switch (e) {
	case FRAME_ERROR_BAD_VERSION:
		return "this server speaks version 1 of the frame";
	case FRAME_ERROR_UNKNOWN_TYPE:
		return "a client does not send frames of this type";
	case FRAME_ERROR_UNKNOWN_FLAG:
		return "a flag that must be understood is not known here";
	case FRAME_ERROR_FRAME_TOO_LARGE:
		return "the frame is longer than the limit for its type";
	case FRAME_ERROR_HELLO_REQUIRED:
		return "HELLO comes first";
	case FRAME_ERROR_TAG_INVALID:
		return "frames of this type need a tag that is not 0";
	case FRAME_ERROR_NONE: case FRAME_ERROR_MALFORMED: case FRAME_ERROR_HELLO_REPEATED: case FRAME_ERROR_NO_COMMON_VERSION:
	case FRAME_ERROR_PRINCIPAL_REFUSED: case FRAME_ERROR_TAG_IN_USE: case FRAME_ERROR_TOO_MANY_IN_FLIGHT: case FRAME_ERROR_TIMEOUT:
	case FRAME_ERROR_SLOW_READER: case FRAME_ERROR_TOO_MANY_CONNECTIONS: case FRAME_ERROR_SHUTTING_DOWN: case FRAME_ERROR_INTERNAL:
		break;
	}
	assert(false && "a header is not refused for this");
	return NULL;
}

static void
end_turn_of(struct net_conn *conn)
{
	const struct net_handler *handler = &conn->loop->net->handler;

	if (handler->on_turn_end != NULL)
		handler->on_turn_end(handler->ctx, conn);
}

/* Delivers the whole frames at the beginning of ${data}, as long as the handler wants them; how many bytes they were. */
static size_t
deliver(struct net_conn *conn, struct bytes data)
{
	const struct net_handler *handler = &conn->loop->net->handler;
	int64_t begun_us = clock_monotonic_us(), now_us = begun_us;
	size_t used = 0;
	unsigned n = 0;

	conn->behind = false;
	if (conn->tls != NULL && time(NULL) > tls_session_ends_at(conn->tls)) {
		net_conn_fail(conn, FRAME_ERROR_PRINCIPAL_REFUSED, "the certificate that this connection came with has ended", 0, 0);
		return 0;
	}
	if (share_rests(conn->share, begun_us)) {
		net_conn_rest(conn);
		return 0;
	}
	while (conn->state == CONN_OPEN && !conn->paused && data.len - used >= FRAME_HEADER_BYTES) {
		const uint8_t *p = data.data + used;
		struct frame_header header;

		enum frame_error e = frame_header_decode(p, &conn->limits, &header);
		if (e != FRAME_ERROR_NONE) {
			if (n > 0)
				end_turn_of(conn);
			net_conn_fail(conn, e, refusal_message(e), header.tag, 0);
			break;
		}
		if (data.len - used - FRAME_HEADER_BYTES < header.body_bytes)
			break;
		conn->behind = n == NET_FRAMES_PER_TURN || now_us >= begun_us + NET_TURN_US;
		if (conn->behind) {
			loop_mark_ready(conn);
			break;
		}
		n++;
		used += FRAME_HEADER_BYTES + header.body_bytes;
		handler->on_frame(handler->ctx, conn, &header, bytes_of(p + FRAME_HEADER_BYTES, header.body_bytes));
		now_us = clock_monotonic_us();
	}
	if (n > 0) {
		end_turn_of(conn);
		share_charge(conn->loop, conn->share, begun_us, clock_monotonic_us());
	}
	return used;
}

static void
empty_buffer(struct buf *b)
{
	if (b->cap > NET_KEEP_BYTES)
		buf_release(b);
	else
		buf_clear(b);
}

static void
deliver_kept(struct net_conn *conn, size_t *ret_used)
{
	size_t used = deliver(conn, buf_bytes(&conn->in));

	if (used == conn->in.len) {
		empty_buffer(&conn->in);
	} else if (used > 0) {
		memmove(conn->in.data, conn->in.data + used, conn->in.len - used);
		conn->in.len -= used;
	}
	*ret_used = used;
}

/* After a delivery of ${used} bytes. */
static void
watch_frame(struct net_conn *conn, size_t used)
{
	if (conn->state != CONN_OPEN || conn->paused)
		return;
	if (conn->in.len == 0 || conn->behind)
		loop_timer_stop(conn, NET_TIMER_FRAME);
	else if (used > 0 || !loop_timer_runs(conn, NET_TIMER_FRAME))
		loop_timer_start(conn, NET_TIMER_FRAME);
}

static void
take_input(struct net_conn *conn, struct bytes data)
{
	size_t used = 0;

	loop_timer_start(conn, NET_TIMER_IDLE);
	if (conn->in.len == 0) {
		used = deliver(conn, data);
		if (conn->state != CONN_OPEN)
			return;
		buf_put(&conn->in, data.data + used, data.len - used);
	} else {
		buf_put(&conn->in, data.data, data.len);
		if (buf_status(&conn->in) == ST_OK)
			deliver_kept(conn, &used);
	}
	if (buf_status(&conn->in) != ST_OK)
		die(conn, frame_error_str(FRAME_ERROR_INTERNAL));
	else
		watch_frame(conn, used);
	if (conn->behind)
		set_reading(conn, false);
}

static void
take_end(struct net_conn *conn)
{
	conn->peer_done = true;
	set_reading(conn, false);
	if (conn->state == CONN_DRAINING)
		die(conn, reset);
	else
		begin_close(conn, peer_closed);
}

/* Of a session with TLS some records, of a socket what one read gives. */
static void
read_some(struct net_conn *conn)
{
	uint8_t *scratch = conn->loop->scratch;
	size_t n = 0;

	for (unsigned i = 0; conn->state == CONN_OPEN && conn->reading; i++) {
		if (i == NET_RECORDS_PER_TURN) {
			loop_mark_ready(conn);
			return;
		}
		enum conn_io io = conn_read(conn, scratch, NET_READ_BYTES, &n);
		conn->more = io == IO_DONE && conn->tls != NULL;
		if (io == IO_DONE) {
			counter_add(&conn->loop->received_bytes, n);
			take_input(conn, bytes_of(scratch, n));
		} else if (io == IO_END) {
			take_end(conn);
		} else if (io == IO_TRUNCATED || io == IO_FAILED) {
			die(conn, io == IO_FAILED ? reset : truncated);
		}
		if (!conn->more)
			return;
	}
}

/* What comes after the end of a connection is nobody's. */
static void
discard_some(struct net_conn *conn)
{
	size_t n = 0;
	enum conn_io io = conn_discard(conn, conn->loop->scratch, NET_READ_BYTES, &n);

	counter_add(&conn->loop->received_bytes, n);
	if (io == IO_END)
		take_end(conn);
	else if (io == IO_FAILED)
		die(conn, reset);
}

/* The connection begins for the handler. */
static void
open_up(struct net_conn *conn)
{
	const struct net_handler *handler = &conn->loop->net->handler;

	if (conn->refused) {
		net_conn_fail(conn, FRAME_ERROR_TOO_MANY_CONNECTIONS, conn->why_refused, 0, 0);
		return;
	}
	conn->opened = true;
	handler->on_open(handler->ctx, conn);
}

static void
shake_hands(struct net_conn *conn)
{
	enum conn_io io = conn_handshake(conn);

	set_writing(conn, io == IO_WAIT_WRITE);
	if (io == IO_WAIT_READ || io == IO_WAIT_WRITE || conn->state == CONN_DEAD)
		return;
	if (io != IO_DONE) {
		begin_close(conn, no_handshake);	/* an alert says why */
		return;
	}
	conn->secured = true;
	set_state(conn, CONN_OPEN);
	open_up(conn);
	read_some(conn);	/* of the same packet, perhaps */
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct net_conn *conn = ctx;

	(void)fd, (void)what;
	assert(conn->state != CONN_DEAD && conn->reading);
	loop_touch_clock(conn->loop);
	if (conn->state == CONN_HANDSHAKE)
		shake_hands(conn);
	else if (conn->state == CONN_OPEN)
		read_some(conn);
	else
		discard_some(conn);
}

/* ---- output ---- */

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	loop_mark_dirty(ctx);
}

/* Sends what the socket takes.  It may die of it. */
static void
send_some(struct net_conn *conn)
{
	size_t n = 0;

	while (conn->state != CONN_DEAD && unsent_bytes(conn) > 0) {
		enum conn_io io = conn_write(conn, bytes_of(conn->out.data + conn->out_sent, unsent_bytes(conn)), &n);
		if (io == IO_DONE) {
			conn->out_sent += n;
			counter_add(&conn->loop->sent_bytes, n);
		} else if (io == IO_WAIT_WRITE || io == IO_WAIT_READ) {
			break;
		} else if (io != IO_AGAIN) {
			die(conn, reset);
		}
	}
	if (unsent_bytes(conn) == 0) {
		empty_buffer(&conn->out);
		conn->out_sent = 0;
	}
}

/* Room at the end of `out`, taken from its sent beginning; each byte is moved at most once for a byte that was sent. */
static void
compact_output(struct net_conn *conn)
{
	if (conn->out_sent == 0 || conn->out_sent < conn->out.len / 2)
		return;
	memmove(conn->out.data, conn->out.data + conn->out_sent, unsent_bytes(conn));
	conn->out.len -= conn->out_sent;
	conn->out_sent = 0;
}

static void
finish_output(struct net_conn *conn)
{
	enum conn_io io = conn_end(conn);

	if (io == IO_WAIT_WRITE) {
		set_writing(conn, true);
		return;
	}
	buf_release(&conn->in);
	if (conn->peer_done || io != IO_DONE) {
		die(conn, reset);
		return;
	}
	set_state(conn, CONN_DRAINING);
	if (conn->loop->stopping)
		loop_timer_start(conn, NET_TIMER_DRAIN);
}

void
conn_flush(struct net_conn *conn)
{
	if (conn->state == CONN_DEAD || conn->state == CONN_DRAINING)
		return;
	if (conn->state == CONN_HANDSHAKE) {
		shake_hands(conn);
		return;
	}
	send_some(conn);
	set_writing(conn, unsent_bytes(conn) > 0);
	if (conn->state == CONN_FLUSHING && unsent_bytes(conn) == 0)
		finish_output(conn);
	if (conn->room_wanted && unsent_bytes(conn) <= conn->room_bytes / 2)
		loop_mark_ready(conn);
}

static void
output_grew(struct net_conn *conn)
{
	if (buf_status(&conn->out) == ST_OK)
		loop_mark_dirty(conn);
	else
		die(conn, frame_error_str(FRAME_ERROR_INTERNAL));
}

/* ---- what the loop calls ---- */

void
conn_look_after(struct net_conn *conn)
{
	const struct net_handler *handler = &conn->loop->net->handler;
	size_t used;

	if (conn->state == CONN_OPEN && conn->room_wanted && unsent_bytes(conn) <= conn->room_bytes / 2) {
		conn->room_wanted = false;
		handler->on_room(handler->ctx, conn);
	}
	if (conn->state != CONN_OPEN || conn->paused)
		return;
	deliver_kept(conn, &used);
	watch_frame(conn, used);
	if (conn->state == CONN_OPEN)
		set_reading(conn, !conn->paused && !conn->behind);
	if (conn->more)
		read_some(conn);
}

/* Too late, in whatever state. */
static void
time_out(struct net_conn *conn, const char *message)
{
	if (conn->state == CONN_HANDSHAKE)
		begin_close(conn, handshake_timeout);
	else
		net_conn_fail(conn, FRAME_ERROR_TIMEOUT, message, 0, 0);
}

void
conn_timer_due(struct net_conn *conn, enum net_timer kind)
{
	const struct net_handler *handler = &conn->loop->net->handler;

	switch (kind) {
	case NET_TIMER_HELLO:
		time_out(conn, "HELLO was not accepted in time");
		return;
	case NET_TIMER_FRAME:
		time_out(conn, "a frame was not complete in time");
		return;
	case NET_TIMER_IDLE:
		if (unsent_bytes(conn) > 0)
			net_conn_fail(conn, FRAME_ERROR_SLOW_READER, "output is waiting to be read for too long", 0, conn->resume_after);
		else
			time_out(conn, "nothing came for too long");
		return;
	case NET_TIMER_LINGER: case NET_TIMER_DRAIN:
		die(conn, reset);
		return;
	case NET_TIMER_REST:
		handler->on_room(handler->ctx, conn);
		return;
	case NET_TIMER_AGE:
		loop_timer_start(conn, NET_TIMER_LEAVE);
		if (conn->opened)
			handler->on_aged(handler->ctx, conn);
		return;
	case NET_TIMER_LEAVE:
		begin_close(conn, aged);
		return;
	case NET_TIMERS:
		break;
	}
	assert(false && "a kind of timer");
}

void
conn_stop(struct net_conn *conn)
{
	begin_close(conn, shutting_down);
	if (conn->state == CONN_DRAINING)
		loop_timer_start(conn, NET_TIMER_DRAIN);
}

/* ---- life ---- */

static void
arrive(struct net_message *m, struct net_loop *loop, struct net_conn *none)
{
	struct net_conn *conn = (struct net_conn *)(void *)((char *)m - offsetof(struct net_conn, arrival));

	(void)none;
	assert(loop == conn->loop);
	if (loop->stopping) {
		conn_free(conn);
		return;
	}
	loop_add(loop, conn);
	loop_timer_start(conn, NET_TIMER_HELLO);
	loop_timer_start(conn, NET_TIMER_IDLE);
	conn->judgement = loop->judgement;
	if (conn->door == NET_DOOR_TLS) {
		loop_timer_start(conn, NET_TIMER_AGE);
		conn->tls = tls_session_new(loop->tls, conn->fd, NULL);
		if (conn->tls == NULL)
			die(conn, frame_error_str(FRAME_ERROR_INTERNAL));
		set_reading(conn, true);
		return;
	}
	set_state(conn, CONN_OPEN);
	open_up(conn);
	if (conn->state == CONN_OPEN)
		set_reading(conn, !conn->paused);
}

struct net_conn *
conn_new(struct net_loop *loop, int fd, enum net_door door, uint64_t id, bool refused)
{
	struct net_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		close(fd);
		return NULL;
	}
	conn->loop = loop;
	conn->id = id;
	conn->fd = fd;
	conn->door = door;
	conn->refused = refused;
	conn->limits = frame_limits_before_hello();
	conn->arrival.run = arrive;
	buf_init(&conn->in);
	buf_init(&conn->out);
	atomic_fetch_add(refused ? &loop->net->refused : &loop->net->connections, 1);

	int rc = event_assign(&conn->read_event, loop->base, fd, EV_READ | EV_PERSIST, on_readable, conn);
	rc |= event_assign(&conn->write_event, loop->base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
	assert(rc == 0);	/* fails on nonsense only */
	return conn;
}

void
conn_free(struct net_conn *conn)
{
	atomic_fetch_sub(conn->refused ? &conn->loop->net->refused : &conn->loop->net->connections, 1);
	addresses_give(&conn->loop->net->addresses, conn->address);
	tls_session_free(conn->tls);
	close(conn->fd);
	buf_release(&conn->in);
	buf_release(&conn->out);
	free(conn);
}

void
conn_tell_rejected(const struct net_conn *conn)
{
	const struct net_handler *handler = &conn->loop->net->handler;
	const char *why = conn->tls == NULL ? "" : tls_session_why(conn->tls);

	counter_add(&conn->loop->rejected_total, 1);
	handler->on_rejected(handler->ctx, net_conn_address(conn), conn->reason, why);
}

/* ---- for the handler ---- */

const char *
net_conn_name(const struct net_conn *conn)
{
	return conn->tls == NULL ? NULL : tls_session_name(conn->tls);
}

const uint8_t *
net_conn_key_hash(const struct net_conn *conn)
{
	return conn->tls == NULL ? NULL : tls_session_key_hash(conn->tls);
}

uint64_t
net_conn_id(const struct net_conn *conn)
{
	return conn->id;
}

enum net_door
net_conn_door(const struct net_conn *conn)
{
	return conn->door;
}

struct net_loop *
net_conn_loop(const struct net_conn *conn)
{
	return conn->loop;
}

const char *
net_conn_address(const struct net_conn *conn)
{
	return conn->address == NULL ? "" : conn->address->text;
}

void
net_conn_set_user(struct net_conn *conn, void *user)
{
	conn->user = user;
}

void *
net_conn_user(const struct net_conn *conn)
{
	return conn->user;
}

void
net_conn_set_limits(struct net_conn *conn, const struct frame_limits *limits)
{
	assert(loop_is_mine(conn->loop));
	conn->limits = *limits;
	loop_timer_stop(conn, NET_TIMER_HELLO);
}

void
net_conn_send(struct net_conn *conn, enum frame_type type, uint16_t flags, uint64_t tag, struct bytes body)
{
	size_t max = conn->loop->net->limits.output_bytes_max;
	size_t frame_bytes = FRAME_HEADER_BYTES + body.len;

	assert(loop_is_mine(conn->loop));
	if (conn->state != CONN_OPEN)
		return;
	if (unsent_bytes(conn) + frame_bytes > max)
		send_some(conn);	/* much in one turn is not a slow reader yet */
	if (conn->state != CONN_OPEN)
		return;
	if (unsent_bytes(conn) + frame_bytes > max) {
		net_conn_fail(conn, FRAME_ERROR_SLOW_READER, "too much output is waiting to be read", 0, conn->resume_after);
		return;
	}
	compact_output(conn);
	frame_put(&conn->out, type, flags, tag, body);
	output_grew(conn);
}

size_t
net_conn_output_bytes(const struct net_conn *conn)
{
	return unsent_bytes(conn);
}

void
net_conn_set_resume(struct net_conn *conn, uint64_t resume_after)
{
	assert(loop_is_mine(conn->loop));
	conn->resume_after = resume_after;
}

void
net_conn_want_room(struct net_conn *conn, size_t bytes)
{
	assert(loop_is_mine(conn->loop));
	if (conn->state != CONN_OPEN)
		return;
	conn->room_wanted = true;
	conn->room_bytes = bytes;
	if (unsent_bytes(conn) <= bytes / 2)
		loop_mark_ready(conn);
}

void
net_conn_pause(struct net_conn *conn)
{
	assert(loop_is_mine(conn->loop));
	if (conn->state != CONN_OPEN || conn->paused)
		return;
	conn->paused = true;
	loop_timer_stop(conn, NET_TIMER_FRAME);	/* the waiting is ours now */
	loop_timer_stop(conn, NET_TIMER_IDLE);
	set_reading(conn, false);
}

void
net_conn_set_share(struct net_conn *conn, struct net_share *share)
{
	assert(loop_is_mine(conn->loop));
	conn->share = share;
}

void
net_conn_rest(struct net_conn *conn)
{
	net_conn_pause(conn);
	if (conn->state == CONN_OPEN)
		loop_timer_start(conn, NET_TIMER_REST);
}

/* Delivers at the end of the turn and not here: the caller may be in the middle of on_frame(). */
void
net_conn_resume(struct net_conn *conn)
{
	assert(loop_is_mine(conn->loop));
	if (conn->state != CONN_OPEN || !conn->paused)
		return;
	conn->paused = false;
	loop_timer_start(conn, NET_TIMER_IDLE);
	loop_mark_ready(conn);
}

void
net_conn_fail(struct net_conn *conn, enum frame_error reason, const char *message, uint64_t tag, uint64_t resume_after)
{
	assert(loop_is_mine(conn->loop));
	if (conn->state != CONN_OPEN)
		return;
	compact_output(conn);
	frame_put_error(&conn->out, reason, message, tag, resume_after);
	begin_close(conn, frame_error_str(reason));
	output_grew(conn);
}

void
net_conn_close(struct net_conn *conn, const char *reason)
{
	assert(loop_is_mine(conn->loop) && reason != NULL);
	begin_close(conn, reason);
}
