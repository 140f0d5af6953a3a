/**
 * Invariants: a tag is in flight from its REQUEST or BATCH until its RESPONSE, at most FRAME_IN_FLIGHT_MAX of them; reads are never in flight: balances are
 * answered at the end of the turn that they came in, all others at once; a session ends in on_closed() and nowhere else.
 */
#include "service/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_PAUSE_BYTES ((size_t)1024 * 1024)	/* unsent output above which nothing more is read */
#define REFUSED_IN_A_ROW 16		/* beyond it whoever goes on sending is read more slowly */
#define RETRY_IN_FLIGHT_MS 100
#define DECIDE_ARENA_BYTES ((size_t)1024 * 1024 * 1024)	/* what a work's arena may hold once it is decoded: our own needs, not the peer's */

static const char *const features[] = { "batch", "subscribe" };
#define N_FEATURES (sizeof(features) / sizeof(*features))

static void answer_balances(struct session *s);

/* What was asked before it is answered. */
static void
fail(struct session *s, enum frame_error reason, const char *message, uint64_t tag)
{
	answer_balances(s);
	log_event(s->service->log, LOG_LEVEL_WARNING, "conn.refused", "conn", LOG_N(net_conn_id(s->conn)), "principal", s->who.principal, "reason",
	    frame_error_str(reason), NULL);
	net_conn_fail(s->conn, reason, message, tag, 0);
}

/* A body that could not be decoded into ${arena}, which is NULL when there was not even memory for one: whose fault it is. */
static void
fail_body(struct session *s, enum status st, const struct arena *arena, const char *too_large, const char *malformed, uint64_t tag)
{
	if (st == ST_NOMEM && (arena == NULL || arena->starved))
		fail(s, FRAME_ERROR_INTERNAL, "The server has no memory for this frame; nothing was written. Connect again and send it again.", tag);
	else
		fail(s, FRAME_ERROR_MALFORMED, st == ST_NOMEM ? too_large : malformed, tag);
}

void
session_reached(struct session *s, enum limit limit)
{
	counter_add(&s->loop->limits[limit_table[limit].counts_as], 1);
}

/* ---- HELLO ---- */

static void
send_hello_ok(struct session *s, const struct hello *hello, struct arena *arena)
{
	const char *common[N_FEATURES];
	struct hello_ok ok = {
		.origin = s->service->origin,
		.principal = s->who.principal,
		.server_version = s->service->params.version,
		.features = common,
		.frame_bytes_max = FRAME_BODY_BYTES_MAX,
		.batch_bytes_max = FRAME_BATCH_BYTES_MAX,
		.batch_commands_max = FRAME_BATCH_COMMANDS_MAX,
		.reply_bytes_max = FRAME_REPLY_BYTES_MAX,
		.in_flight_max = s->in_flight_max,
		.idle_ms = net_limits_default().idle_ms,
		.manual_clock = s->service->manual_clock,
		.size = service_size(s->service),
	};
	struct buf body;

	for (size_t i = 0; i < N_FEATURES; i++) {
		for (size_t k = 0; k < hello->n_features; k++) {
			if (strcmp(features[i], hello->features[k]) == 0) {
				common[ok.n_features++] = features[i];
				break;
			}
		}
	}
	buf_init(&body);
	if (codec_hello_ok_encode(&ok, arena, &body) == ST_OK && buf_status(&body) == ST_OK)
		net_conn_send(s->conn, FRAME_HELLO_OK, 0, 0, buf_bytes(&body));
	else
		net_conn_fail(s->conn, FRAME_ERROR_INTERNAL, "The server has no memory for this connection.", 0, 0);
	buf_release(&body);
}

/* A client's word proves nothing, so it is only told to whoever watches the log: perhaps an older copy of the ledger was restored. */
static void
judge_seen(const struct session *s, const struct hello *hello)
{
	if (query_contradicts(s->loop, hello->checkpoint_size, hello->checkpoint_root))
		log_event(s->service->log, LOG_LEVEL_WARNING, "client.saw_another_log", "conn", LOG_N(net_conn_id(s->conn)), "principal",
		    s->who.principal, "size_seen", LOG_N(hello->checkpoint_size), "size", LOG_N(service_size(s->service)), NULL);
}

void
session_say_goaway(struct session *s, const char *message)
{
	struct buf goaway;

	buf_init(&goaway);
	codec_goaway_encode(message, &goaway);
	if (buf_status(&goaway) == ST_OK)
		net_conn_send(s->conn, FRAME_GOAWAY, 0, 0, buf_bytes(&goaway));
	buf_release(&goaway);
}

/* Who it is: with TLS what the certificate says, whatever HELLO says; else what HELLO says.  NULL, or why not. */
static const char *
identify(struct session *s, const char *said)
{
	enum net_door door = net_conn_door(s->conn);
	const char *certified = net_conn_name(s->conn);

	if (certified != NULL && said[0] != '\0' && strcmp(said, certified) != 0)
		return "The principal in HELLO is not the certificate's: say the same, or nothing.";
	if (identity_parse(certified != NULL ? certified : said, door, &s->who))
		return NULL;
	switch (door) {
	case NET_DOOR_UNIX:
		return "The principal must be pos/<store>/<terminal>, backend/<name>, auditor/<name>, operator/<name> or approver/<name>.";
	case NET_DOOR_LOOPBACK:
		return "On TCP without TLS the principal must be pos/<store>/<terminal> or backend/<name>.";
	case NET_DOOR_TLS:
		break;
	}
	return "The certificate is nobody's here: its SPIFFE ID must go on as pos/<store>/<terminal>, backend/<name>, auditor/<name>, operator/<name> "
	    "or approver/<name>.";
}

/* The hash of the certificate's key, as a deny list has it. */
struct key_text { char text[2 * SHA256_BYTES + 1]; };

static const char *
key_text(const struct session *s, struct key_text *t)
{
	const uint8_t *hash = net_conn_key_hash(s->conn);

	for (unsigned i = 0; i < SHA256_BYTES; i++)
		snprintf(t->text + 2 * i, 3, "%02x", hash[i]);
	return t->text;
}

static void
log_hello(const struct session *s)
{
	struct key_text key;

	if (net_conn_door(s->conn) == NET_DOOR_TLS)
		log_event(s->service->log, LOG_LEVEL_INFO, "conn.hello", "conn", LOG_N(net_conn_id(s->conn)), "principal", s->who.principal, "address",
		    net_conn_address(s->conn), "key", key_text(s, &key), NULL);
	else
		log_event(s->service->log, LOG_LEVEL_INFO, "conn.hello", "conn", LOG_N(net_conn_id(s->conn)), "principal", s->who.principal, NULL);
}

/* The principal's party; false: the connection is refused. */
static bool
open_party(struct session *s)
{
	enum status st = parties_open(s->service->parties, PARTY_PRINCIPAL, s->who.principal, s->local, clock_monotonic_us(), &s->who.party);

	if (st == ST_OK) {
		net_conn_set_share(s->conn, party_share(s->who.party, net_loop_index(net_conn_loop(s->conn))));
		s->in_flight_max = party_limit(s->who.party, s->local, LIMIT_CONNECTION_IN_FLIGHT);
		return true;
	}
	if (st == ST_FULL) {
		session_reached(s, LIMIT_PRINCIPAL_CONNECTIONS);
		fail(s, FRAME_ERROR_TOO_MANY_CONNECTIONS, "The principal has as many connections as it may have (limit principal_connections).", 0);
	} else {
		fail(s, FRAME_ERROR_INTERNAL, "The server has no memory for this connection.", 0);
	}
	return false;
}

static void
on_hello(struct session *s, struct bytes body)
{
	struct hello hello;
	struct frame_limits limits = frame_limits_server();

	if (s->ready) {
		fail(s, FRAME_ERROR_HELLO_REPEATED, "HELLO comes once, first.", 0);
		return;
	}
	arena_reset(&s->loop->arena);
	enum status st = codec_hello_decode(body, &s->loop->arena, &hello);
	if (st != ST_OK) {
		fail_body(s, st, &s->loop->arena, "The HELLO unpacks into more memory than it may take.", "The HELLO is no fealty.v1.Hello message.", 0);
		return;
	}
	if (hello.version_min > FRAME_VERSION || hello.version_max < FRAME_VERSION) {
		fail(s, FRAME_ERROR_NO_COMMON_VERSION, "This server speaks version 1 of the protocol.", 0);
		return;
	}
	const char *why = identify(s, hello.principal);
	if (why != NULL) {
		fail(s, FRAME_ERROR_PRINCIPAL_REFUSED, why, 0);
		return;
	}
	if (!open_party(s))
		return;
	s->ready = true;
	net_conn_set_limits(s->conn, &limits);
	log_hello(s);
	judge_seen(s, &hello);
	send_hello_ok(s, &hello, &s->loop->arena);
	if (atomic_load(&s->service->draining))
		session_say_goaway(s, "The server is shutting down.");
}

/* ---- requests ---- */

bool
session_tag_used(const struct session *s, uint64_t tag)
{
	for (unsigned i = 0; i < s->n_in_flight; i++) {
		if (s->in_flight[i] == tag)
			return true;
	}
	for (unsigned i = 0; i < SUBSCRIPTIONS_MAX; i++) {
		if (s->subscriptions[i].used && s->subscriptions[i].tag == tag)
			return true;
	}
	return false;
}

void
session_send(struct session *s, enum frame_type type, uint64_t tag, const struct buf *body)
{
	if (buf_status(body) != ST_OK || body->len > FRAME_REPLY_BYTES_MAX)
		net_conn_fail(s->conn, FRAME_ERROR_INTERNAL, "The reply could not be made.", tag, 0);
	else
		net_conn_send(s->conn, type, 0, tag, buf_bytes(body));
}

static void
send_response(struct session *s, uint64_t tag, const struct buf *response)
{
	session_send(s, FRAME_RESPONSE, tag, response);
	if (net_conn_output_bytes(s->conn) > OUTPUT_PAUSE_BYTES) {
		net_conn_pause(s->conn);
		net_conn_want_room(s->conn, OUTPUT_PAUSE_BYTES);
	}
}

void
session_reply(struct session *s, uint64_t tag, struct buf *response)
{
	for (unsigned i = 0; i < s->n_in_flight; i++) {
		if (s->in_flight[i] == tag) {
			s->in_flight[i] = s->in_flight[--s->n_in_flight];
			break;
		}
	}
	send_response(s, tag, response);
}

static void
reply_refusal(struct session *s, uint64_t tag, const struct refusal *refusal, bool is_batch)
{
	struct buf *out = &s->loop->out;
	struct buf one;

	buf_clear(out);
	buf_init(&one);
	refusal_encode(refusal, &s->loop->arena, &one);
	if (one.failed)
		out->failed = true;
	else if (is_batch)
		codec_batch_reply_encode(buf_bytes(&one), NULL, 0, out);
	else
		buf_put(out, one.data, one.len);
	buf_release(&one);
	send_response(s, tag, out);
}

static void
refuse_request(struct session *s, uint64_t tag, enum request_op op, const struct refusal *refusal)
{
	command_count(&s->loop->commands, op, refusal->result);
	reply_refusal(s, tag, refusal, false);
}

/* A batch that could not be read has no commands to count: it counts as one. */
static void
refuse_batch(struct session *s, uint64_t tag, const struct batch *batch, const struct refusal *refusal)
{
	for (size_t i = 0; i < batch->n; i++)
		command_count(&s->loop->commands, batch->commands[i].op, refusal->result);
	if (batch->n == 0)
		command_count(&s->loop->commands, REQUEST_NONE, refusal->result);
	reply_refusal(s, tag, refusal, true);
}

/* Of ${st}, what the reading came to; the answer is in the loop's buffer. */
static void
send_read(struct session *s, uint64_t tag, const struct request *request, enum status st, enum ledger_result result)
{
	if (st == ST_OK) {
		command_count(&s->loop->commands, request->op, result);
		send_response(s, tag, &s->loop->out);
		return;
	}
	log_event(s->service->log, LOG_LEVEL_ERROR, "query.failed", "op", request_op_str(request->op), "why", status_str(st), NULL);
	struct refusal refusal;
	if (st == ST_CORRUPT)
		refusal_damaged(&refusal);
	else
		refusal_set(&refusal, LEDGER_UNAVAILABLE, "disk", "The answer could not be read: %s. Try again; an operator finds more in the log.",
		    status_str(st));
	refuse_request(s, tag, request->op, &refusal);
}

static void
answer_read(struct session *s, uint64_t tag, const struct request *request)
{
	enum ledger_result result = LEDGER_OK;

	buf_clear(&s->loop->out);
	enum status st = query_run(s->loop, &s->who, request, &s->loop->out, &result);
	send_read(s, tag, request, st, result);
}

/* Those that came together, in one snapshot: what an app asks most, and most of what it costs is the way to the member. */
static void
answer_balances(struct session *s)
{
	struct loop_context *loop = s->loop;
	struct query_ahead ahead[BALANCES_MAX];
	size_t n = loop->n_balances;

	if (n == 0)
		return;
	loop->n_balances = 0;
	enum status begun = query_begin(loop, loop->balances, n, ahead);
	for (size_t i = 0; i < n; i++) {
		struct work *w = loop->balances[i];
		const struct request *request = &w->batch.commands[0];
		enum ledger_result result = LEDGER_OK;

		arena_reset(&loop->arena);
		buf_clear(&loop->out);
		enum status st = begun != ST_OK ? begun : query_run_in(loop, &s->who, request, &ahead[i], &loop->out, &result);
		send_read(s, w->tag, request, st, result);
		work_free(w);
	}
	loop_rest(loop);
}

/* A till's commands carry its store and terminal even when they do not say so.  ${who} lives as long as the request. */
static void
fill_own(const struct identity *who, struct request *request)
{
	if (who->role != ROLE_POS)
		return;
	if (request->cmd.store == NULL)
		request->cmd.store = who->store;
	if (request->cmd.terminal == NULL)
		request->cmd.terminal = who->terminal;
}

static void
limit_refusal(struct session *s, enum limit limit, uint32_t retry_after_ms, struct refusal *ret_refusal)
{
	session_reached(s, limit);
	refusal_set(ret_refusal, LEDGER_RATE_LIMITED, limit_table[limit].name,
	    "This is more than the limit %s allows; nothing was written. Send the same request id again in %u ms.", limit_table[limit].name,
	    retry_after_ms);
	ret_refusal->retry_after_ms = retry_after_ms;
}

/* From here on the work counts among those in flight, until it is freed. */
static bool
charge_flight(struct session *s, struct work *work, struct refusal *ret_refusal)
{
	uint32_t n = (uint32_t)work->batch.n;
	enum limit limit;

	bool has = party_send(s->who.party, s->local, n, &limit);
	if (has && !party_send(s->address, s->local, n, &limit)) {
		party_answered(s->who.party, n);
		has = false;
	}
	if (!has) {
		limit_refusal(s, limit, RETRY_IN_FLIGHT_MS, ret_refusal);
		return false;
	}
	work->party = s->who.party;
	work->address = s->address;
	work->charged = n;
	return true;
}

static void
submit_or_say_why(struct session *s, struct work *work, struct refusal *ret_refusal)
{
	struct identity *who = arena_alloc(&work->arena, sizeof(*who));

	ret_refusal->result = LEDGER_OK;
	work->responses = arena_alloc(&work->arena, work->batch.n * sizeof(*work->responses));
	work->results = arena_alloc(&work->arena, work->batch.n * sizeof(*work->results));
	work->unrecorded = arena_alloc(&work->arena, work->batch.n * sizeof(*work->unrecorded));
	if (who == NULL || work->responses == NULL || work->results == NULL || work->unrecorded == NULL) {
		refusal_set(ret_refusal, LEDGER_UNAVAILABLE, "queue", "The server has no memory for the command; nothing was written.");
		return;
	}
	*who = s->who;
	work->who = who;
	if (!charge_flight(s, work, ret_refusal))
		return;
	for (size_t i = 0; i < work->batch.n; i++)
		fill_own(who, &work->batch.commands[i]);
	if (atomic_load(&s->service->draining))
		refusal_set(ret_refusal, LEDGER_UNAVAILABLE, "shutdown",
		    "The server is shutting down; nothing was written. Connect again and send the same request id.");
	else if (!commit_submit(s->service->commit, work))
		refusal_set(ret_refusal, LEDGER_UNAVAILABLE, "queue",
		    "Too many commands are waiting; nothing was written. Send the same request id again a little later.");
}

static void
submit(struct session *s, struct work *work)
{
	struct refusal refusal;
	uint64_t tag = work->tag;

	work->arena.budget_bytes = DECIDE_ARENA_BYTES;
	submit_or_say_why(s, work, &refusal);
	if (refusal.result == LEDGER_OK) {
		s->in_flight[s->n_in_flight++] = tag;	/* its reply comes by a message to this thread, so not before this */
		return;
	}
	if (work->is_batch)
		refuse_batch(s, tag, &work->batch, &refusal);
	else
		refuse_request(s, tag, work->batch.commands[0].op, &refusal);
	work_free(work);
}

static struct work *
single_work(struct session *s, uint64_t tag, struct bytes body, enum status *ret_status)
{
	struct work *w = work_new(s->service, s->conn, tag, WORK_ARENA_BYTES);

	if (w == NULL) {
		*ret_status = ST_NOMEM;
		return NULL;
	}
	w->batch.n = 1;
	char *copy = arena_memdup(&w->arena, body.data, body.len);	/* what is decoded may borrow from it */
	w->batch.commands = arena_alloc(&w->arena, sizeof(*w->batch.commands));
	w->batch.refusals = arena_alloc(&w->arena, sizeof(*w->batch.refusals));
	*ret_status = copy == NULL || w->batch.commands == NULL || w->batch.refusals == NULL ? ST_NOMEM
	    : codec_request_decode(bytes_of(copy, body.len), &w->arena, w->batch.commands, w->batch.refusals);
	return w;
}

static void
answer_request(struct session *s, uint64_t tag, struct work *w)
{
	struct request *request = &w->batch.commands[0];
	struct refusal *refusal = &w->batch.refusals[0];

	if (refusal->result == LEDGER_OK)
		identity_permit(&s->who, s->service->programs, request, refusal);
	if (refusal->result != LEDGER_OK) {
		refuse_request(s, tag, request->op, refusal);
	} else if (request->op == REQUEST_SUBSCRIBE) {
		subscription_open(s, tag, request);
	} else if (request->op == REQUEST_BALANCE) {
		fill_own(&s->who, request);
		s->loop->balances[s->loop->n_balances++] = w;
		if (s->loop->n_balances == BALANCES_MAX)
			answer_balances(s);
		return;
	} else if (!request_op_writes(request->op)) {
		fill_own(&s->who, request);
		answer_read(s, tag, request);
	} else {
		submit(s, w);
		return;
	}
	work_free(w);
}

static bool
tag_is_free(struct session *s, uint64_t tag)
{
	if (session_tag_used(s, tag)) {
		fail(s, FRAME_ERROR_TAG_IN_USE, "The tag is in flight already; a tag is used again only after its response.", tag);
		return false;
	}
	if (s->n_in_flight >= s->in_flight_max) {
		session_reached(s, LIMIT_CONNECTION_IN_FLIGHT);
		fail(s, FRAME_ERROR_TOO_MANY_IN_FLIGHT, "More requests are in flight than HELLO_OK allows.", tag);
		return false;
	}
	return true;
}

/* The principal before its address: whoever is refused alone takes nothing from the others behind the address. */
static bool
charge_frame(struct session *s, struct bytes body, struct charge *ret_charge)
{
	uint32_t bytes = FRAME_HEADER_BYTES + (uint32_t)body.len;

	if (s->local && party_is_free_locally(s->who.party))
		return true;
	int64_t now_us = clock_monotonic_us();
	return party_charge(s->who.party, s->local, bytes, now_us, ret_charge) && party_charge(s->address, s->local, bytes, now_us, ret_charge);
}

/* False: it is answered already.  Nothing of the body was looked at. */
static bool
admit(struct session *s, uint64_t tag, struct bytes body, bool is_batch)
{
	struct refusal refusal;
	struct charge charge;

	if (charge_frame(s, body, &charge)) {
		s->refused_in_a_row = 0;
		return true;
	}
	limit_refusal(s, charge.limit, (uint32_t)(charge.wait_us / 1000 + 1), &refusal);
	command_count(&s->loop->commands, REQUEST_NONE, refusal.result);
	reply_refusal(s, tag, &refusal, is_batch);
	if (++s->refused_in_a_row > REFUSED_IN_A_ROW)
		net_conn_rest(s->conn);
	return false;
}

/* Frames that have no refusal are charged as well; whoever has no tokens for them is read more slowly. */
static void
admit_small(struct session *s, struct bytes body)
{
	struct charge charge;

	if (charge_frame(s, body, &charge))
		return;
	session_reached(s, charge.limit);
	net_conn_rest(s->conn);
}

static void
on_request(struct session *s, uint64_t tag, struct bytes body)
{
	enum status st;

	arena_reset(&s->loop->arena);
	if (!tag_is_free(s, tag) || !admit(s, tag, body, false))
		return;
	struct work *w = single_work(s, tag, body, &st);
	if (st == ST_OK) {
		answer_request(s, tag, w);
		return;
	}
	fail_body(s, st, w == NULL ? NULL : &w->arena, "The request unpacks into more memory than a request may take.",
	    "The body is no fealty.v1.Request message.", tag);
	work_free(w);
}

static void
on_batch(struct session *s, uint64_t tag, struct bytes body)
{
	arena_reset(&s->loop->arena);
	if (!tag_is_free(s, tag) || !admit(s, tag, body, true))
		return;
	struct work *w = work_new(s->service, s->conn, tag, BATCH_ARENA_BYTES);
	char *copy = w == NULL ? NULL : arena_memdup(&w->arena, body.data, body.len);
	enum status st = copy == NULL ? ST_NOMEM : codec_batch_decode(bytes_of(copy, body.len), &w->arena, &w->batch);
	if (st != ST_OK) {
		fail_body(s, st, w == NULL ? NULL : &w->arena, "The batch unpacks into more memory than a batch may take.",
		    "The body is no fealty.v1.Batch message.", tag);
		work_free(w);
		return;
	}
	w->is_batch = true;
	if (w->batch.refusal.result == LEDGER_OK && w->batch.n == 0)
		refusal_set(&w->batch.refusal, LEDGER_INVALID_ARGUMENT, "commands", "A batch has at least one command.");
	if (w->batch.refusal.result != LEDGER_OK) {
		refuse_batch(s, tag, &w->batch, &w->batch.refusal);
		work_free(w);
		return;
	}
	party_charge_more(s->who.party, s->local, (uint32_t)w->batch.n - 1);
	party_charge_more(s->address, s->local, (uint32_t)w->batch.n - 1);
	for (size_t i = 0; i < w->batch.n; i++) {
		if (w->batch.refusals[i].result == LEDGER_OK)
			identity_permit(&s->who, s->service->programs, &w->batch.commands[i], &w->batch.refusals[i]);
	}
	submit(s, w);
}

static void
on_ping(struct session *s, uint64_t tag, struct bytes body)
{
	struct buf *out = &s->loop->out;
	uint64_t nonce;

	arena_reset(&s->loop->arena);
	enum status st = codec_ping_decode(body, &s->loop->arena, &nonce);
	if (st != ST_OK) {
		fail_body(s, st, &s->loop->arena, "The PING unpacks into more memory than it may take.", "The body is no fealty.v1.Ping message.", tag);
		return;
	}
	buf_clear(out);
	codec_pong_encode(nonce, out);
	session_send(s, FRAME_PONG, tag, out);
}

static void
on_credit(struct session *s, uint64_t tag, struct bytes body)
{
	uint32_t credits;

	arena_reset(&s->loop->arena);
	enum status st = codec_credit_decode(body, &s->loop->arena, &credits);
	if (st != ST_OK)
		fail_body(s, st, &s->loop->arena, "The CREDIT unpacks into more memory than it may take.", "The body is no fealty.v1.Credit message.", tag);
	else
		subscription_credit(s, tag, credits);
}

/* ---- what net/ calls ---- */

static void
on_open(void *ctx, struct net_conn *conn)
{
	struct service *service = ctx;
	struct session *s = calloc(1, sizeof(*s));

	net_conn_set_user(conn, s);
	if (s == NULL) {
		net_conn_fail(conn, FRAME_ERROR_INTERNAL, "The server has no memory for this connection.", 0, 0);
		return;
	}
	s->service = service;
	s->conn = conn;
	s->loop = &service->loops[net_loop_index(net_conn_loop(conn))];
	s->local = net_conn_door(conn) == NET_DOOR_UNIX;
	s->in_flight_max = FRAME_IN_FLIGHT_MAX;
	if (!s->local && parties_open(service->parties, PARTY_ADDRESS, net_conn_address(conn), false, clock_monotonic_us(), &s->address) != ST_OK)
		net_conn_fail(conn, FRAME_ERROR_INTERNAL, "The server has no memory for this connection.", 0, 0);
}

static void
on_frame(void *ctx, struct net_conn *conn, const struct frame_header *header, struct bytes body)
{
	struct session *s = net_conn_user(conn);

	(void)ctx;
	if (s == NULL)
		return;
	if (s->ready && header->type != FRAME_REQUEST && header->type != FRAME_BATCH)
		admit_small(s, body);
	switch (header->type) {
	case FRAME_HELLO: on_hello(s, body); break;
	case FRAME_REQUEST: on_request(s, header->tag, body); break;
	case FRAME_BATCH: on_batch(s, header->tag, body); break;
	case FRAME_PING: on_ping(s, header->tag, body); break;
	case FRAME_PONG: break;
	case FRAME_CREDIT: on_credit(s, header->tag, body); break;
	case FRAME_CANCEL:
		if (!subscription_cancel(s, header->tag))
			break;		/* a command cannot be taken back: it is answered as if nothing had been said */
		break;
	default: fail(s, FRAME_ERROR_UNKNOWN_TYPE, "A client does not send frames of this type.", header->tag); break;
	}
}

static void
on_turn_end(void *ctx, struct net_conn *conn)
{
	struct session *s = net_conn_user(conn);

	(void)ctx;
	if (s != NULL)
		answer_balances(s);
}

static void
on_room(void *ctx, struct net_conn *conn)
{
	struct session *s = net_conn_user(conn);

	(void)ctx;
	if (s == NULL)
		return;
	net_conn_resume(conn);
	subscriptions_pump(s);
}

static void
on_closed(void *ctx, struct net_conn *conn, const char *reason)
{
	struct service *service = ctx;
	struct session *s = net_conn_user(conn);

	if (s == NULL)
		return;
	assert(s->loop->n_balances == 0);
	log_event(service->log, LOG_LEVEL_INFO, "conn.closed", "conn", LOG_N(net_conn_id(conn)), "principal", s->who.principal, "reason", reason,
	    "in_flight", LOG_N(s->n_in_flight), NULL);
	subscriptions_end(s);
	if (s->who.party != NULL)
		parties_close(service->parties, s->who.party, clock_monotonic_us());
	if (s->address != NULL)
		parties_close(service->parties, s->address, clock_monotonic_us());
	net_conn_set_user(conn, NULL);
	free(s);
}

static void
on_aged(void *ctx, struct net_conn *conn)
{
	struct session *s = net_conn_user(conn);

	(void)ctx;
	if (s != NULL && s->ready)
		session_say_goaway(s, "This connection is as old as one may be; connect again.");
}

static void
on_rejected(void *ctx, const char *address, const char *reason, const char *why)
{
	const struct service *service = ctx;

	log_event(service->log, LOG_LEVEL_WARNING, "conn.rejected", "address", address, "reason", reason, "why", why, NULL);
}

struct net_handler
service_handler(struct service *service)
{
	return (struct net_handler){
		.ctx = service,
		.on_open = on_open,
		.on_frame = on_frame,
		.on_turn_end = on_turn_end,
		.on_room = on_room,
		.on_closed = on_closed,
		.on_aged = on_aged,
		.on_rejected = on_rejected,
	};
}
