/*
 * A parcel is on its way to one end of a connection; it arrives when its time has come and what was sent before it has.  At the server's end it is an item
 * in the queue of the connection's loop.  A connection is remembered until links_free(): either end may outlive the other.
 */
#include "link.h"
#include "world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fiber.h"


enum item_kind { ITEM_OPEN, ITEM_FRAME, ITEM_ROOM, ITEM_LOST, ITEM_MESSAGE };
struct item {
	struct item *next;
	enum item_kind kind;
	struct net_conn *conn;
	struct net_message *message;
	struct frame_header header;
	size_t len;
	uint8_t body[];
};
struct items { struct item *first, *last; };

struct parcel {
	struct parcel *next;
	int64_t at_us;
	bool to_client, is_end;
	struct item *item;
};

struct net_loop {
	struct net *net;
	unsigned index;
	struct items queue;
	struct fiber *fiber;
};

struct net {
	struct net_handler handler;
	struct net_loop loops[LINK_LOOPS];
	bool accepts, stopping;
	uint64_t received_bytes, sent_bytes;
};

struct net_conn {
	struct net_conn *next;
	uint64_t id;
	enum net_door door;
	struct net_loop *loop;
	void *user, *client;			/* client NULL: that end is gone */
	bool is_open, closing, paused, resting;
	bool excused;				/* it was ended for an error while the disk gave the process a reason to */
	const char *reason;
	int64_t client_us, server_us;		/* when the newest parcel arrives there */
	size_t unsent_bytes, room_bytes;
	struct items held;			/* frames that came while it was paused */
};

static struct {
	struct dice *dice;
	link_receive_fn *receive;
	int64_t delay_us;
	struct parcel *parcels;			/* by their time */
	struct net_conn *conns;
	uint64_t n_conns;
} all = { .delay_us = 1000 };

/* ---- queues ---- */

static void
put(struct items *q, struct item *item)
{
	item->next = NULL;
	if (q->first == NULL)
		q->first = item;
	else
		q->last->next = item;
	q->last = item;
}

static struct item *
take(struct items *q)
{
	struct item *item = q->first;

	if (item != NULL)
		q->first = item->next;
	return item;
}

static void
drop_all(struct items *q)
{
	for (struct item *item; (item = take(q)) != NULL;)
		free(item);
}

static struct item *
item_new(enum item_kind kind, struct net_conn *conn, struct bytes body)
{
	struct item *item = calloc(1, sizeof(*item) + body.len);

	assert(item != NULL);
	item->kind = kind;
	item->conn = conn;
	item->len = body.len;
	if (body.len > 0)
		memcpy(item->body, body.data, body.len);
	return item;
}

static void
give_loop(struct net_loop *loop, struct item *item)
{
	put(&loop->queue, item);
	fiber_notify(loop, false);
}

static void
tell(struct net_conn *conn, enum item_kind kind)
{
	give_loop(conn->loop, item_new(kind, conn, bytes_of(NULL, 0)));
}

/* ---- what is on its way ---- */

static void
parcel_send(struct net_conn *conn, bool to_client, bool is_end, struct item *item)
{
	int64_t *newest = to_client ? &conn->client_us : &conn->server_us;
	struct parcel *p = calloc(1, sizeof(*p)), **place = &all.parcels;

	assert(p != NULL);
	int64_t at_us = time_us() + dice_between(all.dice, 1, all.delay_us);
	*newest = p->at_us = at_us > *newest ? at_us : *newest;
	p->to_client = to_client;
	p->is_end = is_end;
	p->item = item;
	while (*place != NULL && (*place)->at_us <= p->at_us)
		place = &(*place)->next;
	p->next = *place;
	*place = p;
}

/* What is on its way in the connection is lost. */
static void
parcels_lose(struct net_conn *conn, bool to_client)
{
	for (struct parcel **place = &all.parcels; *place != NULL;) {
		struct parcel *p = *place;
		if (p->item->conn != conn || p->to_client != to_client) {
			place = &p->next;
			continue;
		}
		*place = p->next;
		free(p->item);
		free(p);
	}
}

static void
end_client(struct net_conn *conn)
{
	void *client = conn->client;

	conn->client = NULL;
	if (client != NULL)
		all.receive(client, NULL, bytes_of(NULL, 0));
}

static void
arrive_client(struct net_conn *conn, const struct parcel *p)
{
	const struct item *item = p->item;

	conn->unsent_bytes -= item->len;
	if (conn->is_open && conn->room_bytes > 0 && conn->unsent_bytes <= conn->room_bytes / 2) {
		conn->room_bytes = 0;
		tell(conn, ITEM_ROOM);
	}
	if (p->is_end)
		end_client(conn);
	else if (conn->client != NULL)
		all.receive(conn->client, &item->header, bytes_of(item->body, item->len));
}

int64_t
links_due_us(void)
{
	return all.parcels == NULL ? INT64_MAX : all.parcels->at_us;
}

void
links_deliver(void)
{
	while (all.parcels != NULL && all.parcels->at_us <= time_us()) {
		struct parcel *p = all.parcels;
		struct net_conn *conn = p->item->conn;
		all.parcels = p->next;
		if (p->to_client)
			arrive_client(conn, p);
		else if (conn->is_open)
			give_loop(conn->loop, p->item);
		if (p->to_client || !conn->is_open)
			free(p->item);
		free(p);
	}
}

/* ---- the client's end ---- */

void
links_begin(struct dice *dice, link_receive_fn *receive)
{
	all.dice = dice;
	all.receive = receive;
}

void
links_set_delay_us(int64_t us)
{
	all.delay_us = us;
}

struct net_conn *
link_open(struct net *net, enum net_door door, void *client)
{
	if (net == NULL || !net->accepts)
		return NULL;
	struct net_conn *conn = calloc(1, sizeof(*conn));
	assert(conn != NULL);
	conn->id = ++all.n_conns;
	conn->door = door;
	conn->loop = &net->loops[conn->id % LINK_LOOPS];
	conn->client = client;
	conn->is_open = true;
	conn->next = all.conns;
	all.conns = conn;
	tell(conn, ITEM_OPEN);
	return conn;
}

void
link_send(struct net_conn *conn, enum frame_type type, uint64_t tag, struct bytes body)
{
	struct item *item = item_new(ITEM_FRAME, conn, body);

	item->header = (struct frame_header){ .body_bytes = (uint32_t)body.len, .version = FRAME_VERSION, .type = (uint8_t)type, .tag = tag };
	parcel_send(conn, false, false, item);
}

void
link_cut(struct net_conn *conn)
{
	parcels_lose(conn, true);
	parcels_lose(conn, false);
	if (conn->is_open)
		parcel_send(conn, false, false, item_new(ITEM_LOST, conn, bytes_of(NULL, 0)));
	end_client(conn);
}

void
links_orphan(void)
{
	for (struct net_conn *c = all.conns; c != NULL; c = c->next) {
		parcels_lose(c, false);
		drop_all(&c->held);
		if (c->is_open && c->client != NULL)
			parcel_send(c, true, true, item_new(ITEM_FRAME, c, bytes_of(NULL, 0)));
		c->is_open = false;
	}
}

void
links_free(void)
{
	for (struct net_conn *c; (c = all.conns) != NULL;) {
		all.conns = c->next;
		parcels_lose(c, true);
		parcels_lose(c, false);
		drop_all(&c->held);
		free(c);
	}
}

/* ---- a loop ---- */

static void
close_now(struct net_conn *conn)
{
	conn->is_open = false;
	conn->loop->net->handler.on_closed(conn->loop->net->handler.ctx, conn, conn->reason);
	drop_all(&conn->held);
	if (conn->client != NULL)
		parcel_send(conn, true, true, item_new(ITEM_FRAME, conn, bytes_of(NULL, 0)));
}

static struct net_conn *
find(struct net_loop *loop, uint64_t id)
{
	for (struct net_conn *c = all.conns; id != 0 && c != NULL; c = c->next) {
		if (c->id == id && c->is_open && c->loop == loop)
			return c;
	}
	return NULL;
}

static void
do_frame(struct net_loop *loop, struct item *item)
{
	struct net_conn *conn = item->conn;

	if (conn->closing)
		return;
	loop->net->received_bytes += item->len;
	loop->net->handler.on_frame(loop->net->handler.ctx, conn, &item->header, bytes_of(item->body, item->len));
	loop->net->handler.on_turn_end(loop->net->handler.ctx, conn);
}

static void
do_item(struct net_loop *loop, struct item *item)
{
	const struct net_handler *h = &loop->net->handler;
	struct net_conn *conn = item->conn;

	if (item->kind == ITEM_MESSAGE) {
		struct net_message *m = item->message;
		m->run(m, loop, find(loop, m->conn_id));
		return;
	}
	if (!conn->is_open)
		return;
	switch (item->kind) {
	case ITEM_OPEN: h->on_open(h->ctx, conn); break;
	case ITEM_FRAME: do_frame(loop, item); break;
	case ITEM_ROOM:
		conn->resting = false;
		if (!conn->closing)
			h->on_room(h->ctx, conn);
		break;
	case ITEM_LOST:
		conn->closing = true;
		if (conn->reason == NULL)
			conn->reason = "RESET";
		break;
	case ITEM_MESSAGE: break;
	}
	if (conn->closing)
		close_now(conn);
}

static void *
run_loop(void *arg)
{
	struct net_loop *loop = arg;

	for (;;) {
		struct item *item = take(&loop->queue);
		if (item == NULL && loop->net->stopping)
			return NULL;
		if (item == NULL) {
			(void)fiber_wait(loop, FIBER_FOR_EVER);
			continue;
		}
		if (item->kind == ITEM_FRAME && item->conn->is_open && (item->conn->paused || item->conn->resting)) {
			put(&item->conn->held, item);
			continue;
		}
		do_item(loop, item);
		free(item);
	}
}

/* ---- net.h ---- */

struct net_limits
net_limits_default(void)
{
	return (struct net_limits){ .connections_max = 16384, .hello_ms = 10000, .frame_ms = 10000, .idle_ms = 600000, .linger_ms = 5000,
		.age_ms = 86400000, .leave_ms = 30000, .output_bytes_max = (size_t)8 * 1024 * 1024 };
}

enum status
net_new(unsigned loops, const struct net_limits *limits, const struct net_handler *handler, struct net **ret_net)
{
	struct net *net = calloc(1, sizeof(*net));

	(void)limits;
	if (net == NULL)
		return ST_NOMEM;
	assert(loops == LINK_LOOPS);
	net->handler = *handler;
	for (unsigned i = 0; i < LINK_LOOPS; i++)
		net->loops[i] = (struct net_loop){ .net = net, .index = i };
	*ret_net = net;
	return ST_OK;
}

enum status
net_start(struct net *net)
{
	for (unsigned i = 0; i < LINK_LOOPS; i++)
		net->loops[i].fiber = fiber_new(run_loop, &net->loops[i]);
	net->accepts = true;
	return ST_OK;
}

void
net_stop_accepting(struct net *net)
{
	net->accepts = false;
}

void
net_stop(struct net *net)
{
	net->stopping = true;
	for (struct net_conn *c = all.conns; c != NULL; c = c->next) {
		if (c->is_open && !c->closing)
			net_conn_close(c, "SHUTTING_DOWN");
	}
	for (unsigned i = 0; i < LINK_LOOPS; i++) {
		fiber_notify(&net->loops[i], true);
		fiber_join(net->loops[i].fiber);
	}
}

void
net_free(struct net *net)
{
	if (net == NULL)
		return;
	for (unsigned i = 0; i < LINK_LOOPS; i++)
		drop_all(&net->loops[i].queue);
	free(net);
}

unsigned
net_connections(const struct net *net)
{
	unsigned n = 0;

	for (const struct net_conn *c = all.conns; c != NULL; c = c->next)
		n += c->is_open && c->loop->net == net;
	return n;
}

void
net_figures(const struct net *net, struct net_figures *ret)
{
	*ret = (struct net_figures){ .connections = net_connections(net), .accepted = all.n_conns, .received_bytes = net->received_bytes,
		.sent_bytes = net->sent_bytes };
}

unsigned
net_loop_count(const struct net *net)
{
	(void)net;
	return LINK_LOOPS;
}

struct net_loop *
net_loop_at(struct net *net, unsigned index)
{
	return &net->loops[index];
}

unsigned
net_loop_index(const struct net_loop *loop)
{
	return loop->index;
}

void
net_post(struct net_loop *loop, struct net_message *first, struct net_message *last)
{
	for (struct net_message *m = first, *next; m != NULL; m = next) {
		next = m == last ? NULL : m->next;
		struct item *item = item_new(ITEM_MESSAGE, NULL, bytes_of(NULL, 0));
		item->message = m;
		give_loop(loop, item);
	}
}

void
net_loop_each(struct net_loop *loop, void (*visit)(void *ctx, struct net_conn *conn), void *ctx)
{
	for (struct net_conn *c = all.conns; c != NULL; c = c->next) {
		if (c->is_open && c->loop == loop)
			visit(ctx, c);
	}
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
net_conn_name(const struct net_conn *conn)
{
	(void)conn;
	return NULL;
}

const uint8_t *
net_conn_key_hash(const struct net_conn *conn)
{
	(void)conn;
	return NULL;
}

const char *
net_conn_address(const struct net_conn *conn)
{
	return conn->door == NET_DOOR_UNIX ? "" : "127.0.0.1";
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
	(void)conn;
	(void)limits;
}

void
net_conn_send(struct net_conn *conn, enum frame_type type, uint16_t flags, uint64_t tag, struct bytes body)
{
	if (conn->closing || !conn->is_open || conn->client == NULL)
		return;
	struct item *item = item_new(ITEM_FRAME, conn, body);
	item->header = (struct frame_header){ .body_bytes = (uint32_t)body.len, .version = FRAME_VERSION, .type = (uint8_t)type, .flags = flags, .tag = tag };
	conn->unsent_bytes += body.len;
	conn->loop->net->sent_bytes += body.len;
	parcel_send(conn, true, false, item);
}

size_t
net_conn_output_bytes(const struct net_conn *conn)
{
	return conn->unsent_bytes;
}

void
net_conn_set_resume(struct net_conn *conn, uint64_t resume_after)
{
	(void)conn;
	(void)resume_after;
}

void
net_conn_want_room(struct net_conn *conn, size_t bytes)
{
	if (conn->unsent_bytes > bytes / 2)
		conn->room_bytes = bytes;
	else
		tell(conn, ITEM_ROOM);
}

void
net_conn_set_share(struct net_conn *conn, struct net_share *share)
{
	(void)conn;
	(void)share;
}

void
net_conn_pause(struct net_conn *conn)
{
	conn->paused = true;
}

void
net_conn_resume(struct net_conn *conn)
{
	conn->paused = false;
	for (struct item *item; (item = take(&conn->held)) != NULL;)
		give_loop(conn->loop, item);
}

void
net_conn_rest(struct net_conn *conn)
{
	struct item *item = item_new(ITEM_ROOM, conn, bytes_of(NULL, 0));

	conn->resting = true;
	parcel_send(conn, false, false, item);
}

void
net_conn_fail(struct net_conn *conn, enum frame_error reason, const char *message, uint64_t tag, uint64_t resume_after)
{
	struct buf frame;

	buf_init(&frame);
	frame_put_error(&frame, reason, message, tag, resume_after);
	if (buf_status(&frame) == ST_OK)
		net_conn_send(conn, FRAME_ERROR, 0, 0, bytes_of(frame.data + FRAME_HEADER_BYTES, frame.len - FRAME_HEADER_BYTES));
	buf_release(&frame);
	conn->excused = excused();
	net_conn_close(conn, frame_error_str(reason));
}

bool
link_was_excused(const struct net_conn *conn)
{
	return conn->excused;
}

void
net_conn_close(struct net_conn *conn, const char *reason)
{
	if (conn->closing)
		return;
	conn->closing = true;
	conn->reason = reason;
	tell(conn, ITEM_LOST);
}
