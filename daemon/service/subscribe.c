/**
 * Subscriptions: the log, from a seq on, as fast as the client gives credits and its connection takes the bytes.
 *
 * A pump reads in chunks from a short ledger transaction and stops at the first of: no credit, the head, or OUTPUT_MARK bytes unsent (then
 * on_room() goes
 * on).  A connection that does not read for long is closed by its output limit, and resumes after the last seq it saw.
 *
 * Subscriptions to events, or about one member, look into transactions (subscribe_scan.c): a bounded number in one turn of the loop, since they
 * may find nothing for long.
 */
#include "service/query.h"
#include "service/session.h"

#include <assert.h>
#include <string.h>

#define OUTPUT_MARK ((size_t)512 * 1024)
#define PUSH_TRANSACTIONS 256
#define PUSH_BYTES ((size_t)256 * 1024)

static struct subscription *
find(struct session *s, uint64_t tag)
{
	for (unsigned i = 0; i < SUBSCRIPTIONS_MAX; i++) {
		if (s->subscriptions[i].used && s->subscriptions[i].tag == tag)
			return &s->subscriptions[i];
	}
	return NULL;
}

static void
end(struct session *s, struct subscription *sub)
{
	sub->used = false;
	party_unsubscribe(s->who.party);
	party_unsubscribe(s->address);
	s->n_subscriptions--;
	subscription_sent(s);
	atomic_fetch_sub(&s->loop->subscriptions, 1);
}

static void
respond(struct session *s, uint64_t tag, const struct refusal *refusal)
{
	struct buf *out = &s->loop->out;

	buf_clear(out);
	refusal_encode(refusal, &s->loop->arena, out);
	session_send(s, FRAME_RESPONSE, tag, out);
}

/* Of several subscriptions the one that is furthest behind counts: resumed there, none misses anything. */
void
subscription_sent(struct session *s)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < SUBSCRIPTIONS_MAX; i++) {
		const struct subscription *sub = &s->subscriptions[i];
		if (sub->used && (sub->next_seq == 0 || sub->next_seq - 1 < least))
			least = sub->next_seq == 0 ? 0 : sub->next_seq - 1;
	}
	net_conn_set_resume(s->conn, least == UINT64_MAX ? 0 : least);
}

static void
begin_after(struct subscription *sub, const struct request *request)
{
	if (request->has_after)
		sub->next_seq = request->after_seq == UINT64_MAX ? UINT64_MAX : request->after_seq + 1;
	if (!request->has_after_event)
		return;
	sub->next_seq = request->after_event.entry.seq;
	sub->done = request->after_event;
	sub->has_done = true;
}

/* Whose transactions or events, or of which program; a refusal when there is no such member or program. */
static void
find_member(struct session *s, struct subscription *sub, const struct request *request, struct refusal *ret_refusal)
{
	if (request->member == NULL) {
		sub->program = request->program == NULL ? 0 : programs_number(s->service->programs, request->program);
		if (request->program != NULL && sub->program == 0)
			refusal_set(ret_refusal, LEDGER_NOT_FOUND, "program", "There is no such program in this ledger; look at its id.");
		return;
	}
	if (query_member(s->loop, request, &sub->program, &sub->member, ret_refusal) != ST_OK)
		refusal_set(ret_refusal, LEDGER_UNAVAILABLE, "disk", "The member could not be looked up. Try again; an operator finds more in the log.");
}

/* One more, of the connection, of its principal and of its address. */
static void
count(struct session *s, struct refusal *ret_refusal)
{
	enum limit limit = LIMIT_CONNECTION_SUBSCRIPTIONS;
	bool room = s->n_subscriptions < party_limit(s->who.party, s->local, limit) && party_subscribe(s->who.party, s->local, &limit);

	if (room && !party_subscribe(s->address, s->local, &limit)) {
		party_unsubscribe(s->who.party);
		room = false;
	}
	if (room)
		return;
	session_reached(s, limit);
	refusal_set(ret_refusal, LEDGER_CAP_REACHED, limit_table[limit].name,
	    "There are as many subscriptions as the limit %s allows; cancel one first.", limit_table[limit].name);
}

void
subscription_open(struct session *s, uint64_t tag, const struct request *request)
{
	struct refusal refusal = { .result = LEDGER_OK };
	struct subscription *sub = NULL, begun = { .used = true, .tag = tag, .credits = request->credits, .events = request->events };

	for (unsigned i = 0; i < SUBSCRIPTIONS_MAX && sub == NULL; i++) {
		if (!s->subscriptions[i].used)
			sub = &s->subscriptions[i];
	}
	find_member(s, &begun, request, &refusal);
	if (refusal.result == LEDGER_OK)
		count(s, &refusal);
	if (refusal.result != LEDGER_OK) {
		command_count(&s->loop->commands, REQUEST_SUBSCRIBE, refusal.result);
		respond(s, tag, &refusal);
		return;
	}
	begin_after(&begun, request);
	*sub = begun;
	s->n_subscriptions++;
	subscription_sent(s);
	command_count(&s->loop->commands, REQUEST_SUBSCRIBE, LEDGER_OK);
	atomic_fetch_add(&s->loop->subscriptions, 1);
	subscriptions_pump(s);
}

void
subscription_credit(struct session *s, uint64_t tag, uint32_t credits)
{
	struct subscription *sub = find(s, tag);

	if (sub == NULL)
		return;			/* it has just ended: the credit crossed its end */
	sub->credits += credits;
	subscriptions_pump(s);
}

bool
subscription_cancel(struct session *s, uint64_t tag)
{
	struct subscription *sub = find(s, tag);

	if (sub == NULL)
		return false;
	end(s, sub);
	struct buf *out = &s->loop->out;
	buf_clear(out);
	codec_cancelled_encode(out);
	session_send(s, FRAME_RESPONSE, tag, out);
	return true;
}

/* One PUSH; how many transactions went.  The ledger transaction is fresh. */
static enum status
push_some(struct session *s, struct subscription *sub, uint64_t head, size_t *ret_n)
{
	struct bytes leaves[PUSH_TRANSACTIONS];
	struct push push = { .transactions = leaves, .first_seq = sub->next_seq, .head = head };
	size_t bytes = 0;

	while (push.n < PUSH_TRANSACTIONS && push.n < sub->credits && sub->next_seq + push.n < head && bytes < PUSH_BYTES) {
		enum status st = read_leaf(s->loop->ledger, sub->next_seq + push.n, &leaves[push.n]);
		if (st != ST_OK)
			return st;
		bytes += leaves[push.n++].len;
	}
	*ret_n = push.n;
	if (push.n == 0)
		return ST_OK;
	push.last_seq = sub->next_seq + push.n - 1;
	struct buf *out = &s->loop->out;
	buf_clear(out);
	codec_push_encode(&push, out);
	enum status st = buf_status(out);
	if (st != ST_OK)
		return st;
	net_conn_send(s->conn, FRAME_PUSH, 0, sub->tag, buf_bytes(out));
	sub->next_seq += push.n;
	sub->credits -= push.n;
	subscription_sent(s);
	return ST_OK;
}

static enum status
pump(struct session *s, struct subscription *sub, uint64_t head)
{
	size_t n = 1;
	enum status st = ST_OK;

	while (st == ST_OK && n > 0 && sub->credits > 0 && sub->next_seq < head) {
		if (net_conn_output_bytes(s->conn) > OUTPUT_MARK) {
			net_conn_want_room(s->conn, OUTPUT_MARK);
			return ST_OK;
		}
		st = push_some(s, sub, head, &n);
	}
	return st;
}

/* The rest comes in the next turn of the loop. */
static enum status
pump_scan(struct session *s, struct subscription *sub, uint64_t head)
{
	bool more = true;
	enum status st = ST_OK;

	if (net_conn_output_bytes(s->conn) <= OUTPUT_MARK)
		st = subscription_scan(s, sub, head, &more);
	if (st == ST_OK && more)
		net_conn_want_room(s->conn, OUTPUT_MARK);
	return st;
}

/* New rules may have come since it began. */
static void
end_forbidden(struct session *s)
{
	struct refusal refusal;

	for (unsigned i = 0; i < SUBSCRIPTIONS_MAX; i++) {
		struct subscription *sub = &s->subscriptions[i];
		if (!sub->used || identity_may(&s->who, s->service->programs, sub->program))
			continue;
		refusal_set(&refusal, LEDGER_PERMISSION_DENIED, "program", "The server's access file does not let %s follow this any more.", s->who.principal);
		arena_reset(&s->loop->arena);
		respond(s, sub->tag, &refusal);
		end(s, sub);
	}
}

void
subscriptions_pump(struct session *s)
{
	uint64_t head = service_size(s->service);

	if (s->n_subscriptions == 0)
		return;
	end_forbidden(s);
	enum status st = loop_renew(s->loop);
	for (unsigned i = 0; i < SUBSCRIPTIONS_MAX && st == ST_OK; i++) {
		struct subscription *sub = &s->subscriptions[i];
		if (sub->used)
			st = subscription_looks(sub) ? pump_scan(s, sub, head) : pump(s, sub, head);
	}
	loop_rest(s->loop);
	if (st != ST_OK) {
		log_event(s->service->log, LOG_LEVEL_ERROR, "subscribe.failed", "why", status_str(st), NULL);
		net_conn_fail(s->conn, FRAME_ERROR_INTERNAL, "The ledger could not be read; an operator finds more in the log.", 0, 0);
	}
}

void
subscriptions_end(struct session *s)
{
	for (unsigned i = 0; i < SUBSCRIPTIONS_MAX; i++) {
		if (s->subscriptions[i].used)
			end(s, &s->subscriptions[i]);
	}
}

static void
pump_conn(void *ctx, struct net_conn *conn)
{
	struct session *s = net_conn_user(conn);

	(void)ctx;
	if (s != NULL)
		subscriptions_pump(s);
}

void
subscriptions_pump_all(struct loop_context *loop, struct net_loop *net_loop)
{
	net_loop_each(net_loop, pump_conn, loop);
}
