/*
 * Clients as a good library would be: each command is sent until it is answered, after a lost connection once more under the same request id.  Beyond
 * that some are sent again although they were answered, which must bring the same answer.
 *
 * Clients 0 to 3 are the operator, an app, an auditor who follows the log, and a CRM that follows its events; the others are tills.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fealty.pb-c.h"
#include "fiber.h"

#define CLIENTS_MAX 12
#define FIRST_TILL 4
#define AUDITOR 2
#define CRM 3
#define WINDOW 6			/* of which the last two are for what whoever drives asks for */
#define OWN 4
#define SUBSCRIPTION_TAG 1
#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

enum stage { STAGE_APART, STAGE_HELLO, STAGE_READY };

struct client {
	unsigned index;
	char principal[24];
	enum net_door door;
	enum stage stage;
	struct net_conn *conn;
	int64_t next_us;
	uint64_t next_tag;
	uint64_t seen;				/* transactions that there were, at the least */
	uint32_t open[WINDOW];			/* commands to be brought to an end; NONE */
	uint64_t tags[WINDOW];			/* 0: not on its way */
	int64_t again_us[WINDOW];		/* not before */
	uint64_t next_seq;			/* the auditor's: expected next */
	uint64_t event[3];			/* the CRM's newest: seq, index, n */
	bool has_event;
	uint32_t credits;
};

static struct {
	struct dice *dice;
	struct client of[CLIENTS_MAX];
	unsigned n;
	bool settling;
	struct arena arena;
	uint64_t events;
} clients;

static int64_t
soon(int64_t most_us)
{
	return time_us() + dice_between(clients.dice, 1, most_us);
}

void
clients_begin(struct dice *dice)
{
	static const char *const names[FIRST_TILL] = { "operator/local", "backend/app", "auditor/log", "backend/crm" };

	clients.dice = dice;
	clients.n = FIRST_TILL + 1 + dice_below(dice, CLIENTS_MAX - FIRST_TILL);
	arena_init(&clients.arena, ARENA_BYTES);
	for (unsigned i = 0; i < clients.n; i++) {
		struct client *c = &clients.of[i];
		*c = (struct client){ .index = i, .door = i > FIRST_TILL && dice_once_in(dice, 2) ? NET_DOOR_LOOPBACK : NET_DOOR_UNIX };
		if (i < FIRST_TILL)
			snprintf(c->principal, sizeof(c->principal), "%s", names[i]);
		else
			snprintf(c->principal, sizeof(c->principal), "pos/1/%u", i);
		for (unsigned k = 0; k < WINDOW; k++)
			c->open[k] = NONE;
		c->next_us = soon(US_PER_SECOND);
	}
}

void
clients_free(void)
{
	arena_release(&clients.arena);
}

/* ---- sending ---- */

static void
say_hello(struct client *c)
{
	Fealty__V1__Hello hello = FEALTY__V1__HELLO__INIT;
	uint8_t body[256];

	hello.has_version_min = hello.has_version_max = 1;
	hello.version_min = hello.version_max = FRAME_VERSION;
	hello.principal = c->principal;
	link_send(c->conn, FRAME_HELLO, 0, bytes_of(body, fealty__v1__hello__pack(&hello, body)));
	c->stage = STAGE_HELLO;
}

static void
send_json(struct client *c, enum frame_type type, uint64_t tag, const char *json)
{
	struct text_error error;
	struct buf body;

	buf_init(&body);
	arena_reset(&clients.arena);
	if (codec_json_parse(CODEC_REQUEST, json, &clients.arena, &body, &error) != ST_OK)
		broken("%s: %s", json, error.sentence);
	link_send(c->conn, type, tag, buf_bytes(&body));
	buf_release(&body);
}

static void
subscribe(struct client *c)
{
	char json[256] = "";

	c->credits = 1 + dice_below(clients.dice, 50);
	if (c->index == AUDITOR && c->next_seq == 0)
		snprintf(json, sizeof(json), "{\"op\": \"subscribe\", \"credits\": %u}", c->credits);
	else if (c->index == AUDITOR)
		snprintf(json, sizeof(json), "{\"op\": \"subscribe\", \"after\": %llu, \"credits\": %u}", (unsigned long long)c->next_seq - 1, c->credits);
	else if (!c->has_event)
		snprintf(json, sizeof(json), "{\"op\": \"subscribe\", \"events\": true, \"credits\": %u}", c->credits);
	else
		snprintf(json, sizeof(json), "{\"op\": \"subscribe\", \"events\": true, \"after_event\": \"%llu.%llu.%llu\", \"credits\": %u}",
		    (unsigned long long)c->event[0], (unsigned long long)c->event[1], (unsigned long long)c->event[2], c->credits);
	send_json(c, FRAME_REQUEST, SUBSCRIPTION_TAG, json);
}

static void
give_credit(struct client *c, uint32_t used)
{
	Fealty__V1__Credit credit = FEALTY__V1__CREDIT__INIT;
	uint8_t body[16];

	c->credits -= used < c->credits ? used : c->credits;
	if (c->credits > 5)
		return;
	credit.has_credits = 1;
	credit.credits = 1 + dice_below(clients.dice, 60);
	c->credits += credit.credits;
	link_send(c->conn, FRAME_CREDIT, SUBSCRIPTION_TAG, bytes_of(body, fealty__v1__credit__pack(&credit, body)));
}

static void
send_command(struct client *c, unsigned slot)
{
	struct command *command = command_at(c->open[slot]);
	struct buf body;

	buf_init(&body);
	arena_reset(&clients.arena);
	command_encode(c->open[slot], &clients.arena, &body);
	if (buf_status(&body) != ST_OK)
		broken("no memory for a command");
	c->tags[slot] = ++c->next_tag;
	figures.repeats += command->n_sent > 0;
	if (command->n_sent++ == 0) {
		command->first_us = time_real_us();
		command->first_size = followed();
	}
	for (uint32_t i = 1; i <= command->n_children; i++)
		command_at(c->open[slot] + i)->n_sent++;
	trace("%s sends %s %s", c->principal, deed_str(command->deed), command->key);
	link_send(c->conn, command->deed == DEED_BATCH ? FRAME_BATCH : FRAME_REQUEST, c->tags[slot], buf_bytes(&body));
	buf_release(&body);
}

/* ---- what to do next ---- */

/* One that was answered long ago, to be asked again; NONE. */
static uint32_t
old_one(const struct client *c)
{
	uint32_t n = commands_count();

	for (unsigned tries = 0; tries < 8 && n > 0; tries++) {
		uint32_t i = dice_below(clients.dice, n);
		const struct command *command = command_at(i);
		if (command->client == c->index && command->over && command->ok && command->parent == NONE && command->deed < DEED_BATCH)
			return i;
	}
	return NONE;
}

static uint32_t
next_command(struct client *c)
{
	if (commands_count() == 0 && c->index == 0) {
		uint32_t first = command_new(DEED_PUBLISH, 0);
		command_at(first)->amount = 1000;
		return first;
	}
	if (commands_count() == 0 || !command_at(0)->ok)
		return NONE;
	uint32_t again = dice_once_in(clients.dice, 15) ? old_one(c) : NONE;
	return again != NONE ? again : command_invent(clients.dice, c->index);
}

/* Asked for by whoever drives: an operator's command. */
static void
take_on(struct client *c, uint32_t index, unsigned slot)
{
	c->open[slot] = index;
	c->tags[slot] = 0;
	c->again_us[slot] = 0;
	command_at(index)->over = false;
}

bool
client_command(uint32_t index)
{
	struct client *c = &clients.of[command_at(index)->client];

	for (unsigned k = OWN; k < WINDOW; k++) {
		if (c->open[k] == NONE) {
			take_on(c, index, k);
			c->next_us = time_us();
			return true;
		}
	}
	command_at(index)->over = true;
	return false;
}

static void
act_ready(struct client *c)
{
	if (c->index == AUDITOR || c->index == CRM)
		return;
	for (unsigned k = 0; k < WINDOW; k++) {
		if (k < OWN && c->open[k] == NONE && !clients.settling && dice_once_in(clients.dice, k + 1)) {
			uint32_t index = next_command(c);
			if (index != NONE)
				take_on(c, index, k);
		}
		if (c->open[k] != NONE && c->tags[k] == 0 && c->again_us[k] <= time_us())
			send_command(c, k);
	}
}

static void
act(struct client *c, struct net *net)
{
	if (c->stage == STAGE_APART) {
		c->conn = link_open(net, c->door, c);
		if (c->conn != NULL)
			say_hello(c);
		c->next_us = soon(c->conn != NULL ? 10 * US_PER_SECOND : 500000);
		return;
	}
	if (c->stage == STAGE_HELLO) {
		link_cut(c->conn);		/* no answer for so long */
		return;
	}
	act_ready(c);
	c->next_us = soon(dice_once_in(clients.dice, 30) ? 120 * US_PER_SECOND : 300000);
}

int64_t
clients_due_us(void)
{
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < clients.n; i++)
		least = clients.of[i].next_us < least ? clients.of[i].next_us : least;
	return least;
}

void
clients_act(struct net *net)
{
	for (unsigned i = 0; i < clients.n; i++) {
		if (clients.of[i].next_us <= time_us())
			act(&clients.of[i], net);
	}
}

void
clients_cut_one(void)
{
	struct client *c = &clients.of[dice_below(clients.dice, clients.n)];

	if (c->conn == NULL)
		return;
	figures.cuts++;
	trace("the connection of %s is cut", c->principal);
	link_cut(c->conn);
}

/* ---- answers ---- */

static void
not_back(struct client *c, uint64_t size, const char *what)
{
	if (size < c->seen)
		broken("%s saw %llu transactions, and now %s has seen %llu", c->principal, (unsigned long long)c->seen, what, (unsigned long long)size);
	c->seen = size;
}

static int64_t
number(const char *text)
{
	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

static void
check_same(const struct command *c, const struct command *now)
{
	if (c->id.seq != now->id.seq || c->id.index != now->id.index || c->available != now->available || c->held != now->held)
		broken("%s %s was answered with %llu.%u, %lld available, %lld held, and asked again with %llu.%u, %lld, %lld", deed_str(c->deed), c->key,
		    (unsigned long long)c->id.seq, c->id.index, (long long)c->available, (long long)c->held, (unsigned long long)now->id.seq, now->id.index,
		    (long long)now->available, (long long)now->held);
}

static void
acknowledge(struct command *c, const Fealty__V1__Response *r)
{
	struct command now = *c;

	if (r->id == NULL || !entry_id_parse(r->id, &now.id))
		broken("%s %s is OK and has no id", deed_str(c->deed), c->key);
	now.available = number(r->available);
	now.held = number(r->held);
	now.ok = now.over = true;
	if (c->ok)
		check_same(c, &now);
	*c = now;
	if (c->recorded && (c->at.seq != c->id.seq || c->at.index != c->id.index))
		broken("%s %s is acknowledged as %s and in the ledger at %llu.%u", deed_str(c->deed), c->key, r->id, (unsigned long long)c->at.seq, c->at.index);
	if (c->recorded && command_is_predicted(c) && (c->want_available != c->available || c->want_held != c->held))
		broken("%s %s is answered with %lld available and %lld held; the model says %lld and %lld", deed_str(c->deed), c->key, (long long)c->available,
		    (long long)c->held, (long long)c->want_available, (long long)c->want_held);
}

/* What the model would have refused as well; the others say nothing about the ledger. */
static bool
is_verdict(const char *reason)
{
	static const char *const verdicts[] = { "INSUFFICIENT_POINTS", "NOT_FOUND", "ALREADY_EXISTS", "HOLD_EXPIRED", "HOLD_NOT_OPEN", "HOLD_TOO_SMALL" };

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		if (strcmp(reason, verdicts[i]) == 0)
			return true;
	}
	return false;
}

static bool
erased_since(const struct command *enrol)
{
	for (uint32_t i = 0; i < commands_count(); i++) {
		const struct command *c = command_at(i);
		if (c->deed == DEED_ERASE && c->member == enrol->member && c->recorded && c->at.seq > enrol->at.seq)
			return true;
	}
	return false;
}

static void
refuse(struct command *c, const Fealty__V1__Response *r)
{
	static const char *const known[] = { "DEADLINE_EXCEEDED", "INSUFFICIENT_POINTS", "NOT_FOUND", "ALREADY_EXISTS" };

	figures.refusals++;
	if (c->ok && strcmp(r->reason, "DEADLINE_EXCEEDED") == 0)
		return;				/* it is judged before the request id */
	if (c->recorded && c->deed == DEED_ENROL && strcmp(r->reason, "REQUEST_ID_REUSED") == 0 && erased_since(c)) {
		c->over = true;
		return;				/* what it said went with the member's key */
	}
	if (c->ok)
		broken("%s %s was acknowledged, and asked again refused: %s", deed_str(c->deed), c->key, r->reason);
	if (c->recorded && c->deadline_ms == 0)
		broken("%s %s is in the ledger, and refused: %s", deed_str(c->deed), c->key, r->reason);
	c->refused = "for another reason";
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		c->refused = strcmp(known[i], r->reason) == 0 ? known[i] : c->refused;
	c->over = true;
	if (is_verdict(r->reason) && up_to_date() && c->n_sent == 1 && c->parent == NONE && model_would_accept(c, time_real_us()))
		broken("%s %s was refused: %s; the model would not", deed_str(c->deed), c->key, r->reason);
}

static void
check_balance(struct client *client, const struct command *c, const Fealty__V1__Response *r)
{
	int64_t available, held;
	bool there;

	/* state that found no space is behind the ledger, and says so by its seq: ARCHITECTURE.md, the order of a commit */
	if (r->seq + 1 >= client->seen || !excused())
		not_back(client, r->seq + 1, "a balance");
	if (!up_to_date() || !model_balance(c->member, r->seq, r->as_of, &there, &available, &held))
		return;
	/* what an erasure removes of the vault is a debt when there is no space: until it is paid the alias leads to what is left of the member, which is nothing */
	if (!there && excused() && number(r->available) == 0 && number(r->held) == 0)
		return;
	if (!there || available != number(r->available) || held != number(r->held))
		broken("the balance of card:%u at %llu is %s available, %s held; the model says %lld and %lld", c->member, (unsigned long long)r->seq, r->available,
		    r->held, (long long)available, (long long)held);
}

/* True: it is at its end. */
static bool
judge(struct client *client, struct command *c, const Fealty__V1__Response *r)
{
	if (r->status == FEALTY__V1__CODE__OK) {
		figures.answers++;
		if (c->deed == DEED_BALANCE)
			check_balance(client, c, r);
		else if (c->deed < DEED_BATCH)
			acknowledge(c, r);
		if (c->deed < DEED_BATCH)
			not_back(client, c->id.seq + 1 > client->seen ? c->id.seq + 1 : client->seen, "an answer");
		return true;
	}
	if (r->reason == NULL)
		broken("%s %s is refused without a reason", deed_str(c->deed), c->key);
	if (r->has_retryable && r->retryable)
		return false;
	if (c->deed < DEED_BATCH)
		refuse(c, r);
	return true;
}

static bool
judge_batch(struct client *client, uint32_t index, struct bytes body)
{
	struct command *c = command_at(index);
	Fealty__V1__BatchResponse *r = fealty__v1__batch_response__unpack(NULL, body.len, body.data);
	bool done = true;

	if (r == NULL || r->outcome == NULL)
		broken("the answer to batch %s is no message", c->key);
	if (r->outcome->status != FEALTY__V1__CODE__OK)
		done = !(r->outcome->has_retryable && r->outcome->retryable);
	else if (r->n_results != c->n_children)
		broken("batch %s has %u commands and %zu answers", c->key, c->n_children, r->n_results);
	for (uint32_t i = 0; i < r->n_results; i++)
		done &= judge(client, command_at(index + 1 + i), r->results[i]);
	fealty__v1__batch_response__free_unpacked(r, NULL);
	return done;
}

static void
on_response(struct client *client, uint64_t tag, struct bytes body)
{
	unsigned k = 0;

	if (tag == SUBSCRIPTION_TAG && (client->index == AUDITOR || client->index == CRM)) {
		client->stage = STAGE_HELLO;		/* it could not be had just now: once more from the beginning */
		client->next_us = soon(US_PER_SECOND);
		return;
	}
	while (k < WINDOW && (client->open[k] == NONE || client->tags[k] != tag))
		k++;
	if (k == WINDOW)
		broken("%s gets an answer to what it did not ask", client->principal);
	uint32_t index = client->open[k];
	struct command *c = command_at(index);
	bool done;
	c->n_answered++;
	trace("%s is answered %s %s, %zu bytes", client->principal, deed_str(c->deed), c->key, body.len);
	if (c->deed == DEED_BATCH) {
		done = judge_batch(client, index, body);
	} else {
		Fealty__V1__Response *r = fealty__v1__response__unpack(NULL, body.len, body.data);
		if (r == NULL)
			broken("the answer to %s %s is no message", deed_str(c->deed), c->key);
		done = judge(client, c, r);
		fealty__v1__response__free_unpacked(r, NULL);
	}
	client->tags[k] = 0;
	client->again_us[k] = soon(2 * US_PER_SECOND);
	if (done) {
		c->over = true;
		client->open[k] = NONE;
	}
}

/* ---- subscriptions ---- */

static void
take_transactions(struct client *c, const Fealty__V1__Push *push)
{
	uint8_t leaf[SHA256_BYTES];

	for (size_t i = 0; i < push->n_transactions; i++) {
		uint64_t seq = push->first_seq + i;
		if (seq != c->next_seq)
			broken("the auditor is given transaction %llu, and expects %llu", (unsigned long long)seq, (unsigned long long)c->next_seq);
		struct bytes bytes = bytes_of(push->transactions[i].data, push->transactions[i].len);
		hash_sha256(leaf, &bytes, 1);
		follow_claim(seq, leaf);
		c->next_seq++;
		figures.pushes++;
	}
}

static void
take_events(struct client *c, const Fealty__V1__Push *push)
{
	for (size_t i = 0; i < push->n_events; i++) {
		unsigned long long id[3];
		bool later = false, same = true;
		if (sscanf(push->events[i]->id, "%llu.%llu.%llu", &id[0], &id[1], &id[2]) != 3)
			broken("an event has the id %s", push->events[i]->id);
		for (unsigned k = 0; k < 3; k++) {
			later |= same && id[k] > c->event[k];
			same &= id[k] == c->event[k];
		}
		if (c->has_event && !later)
			broken("event %s comes after %llu.%llu.%llu", push->events[i]->id, (unsigned long long)c->event[0], (unsigned long long)c->event[1],
			    (unsigned long long)c->event[2]);
		for (unsigned k = 0; k < 3; k++)
			c->event[k] = id[k];
		c->has_event = true;
		clients.events++;
		figures.pushes++;
	}
}

static void
on_push(struct client *c, struct bytes body)
{
	Fealty__V1__Push *push = fealty__v1__push__unpack(NULL, body.len, body.data);

	if (push == NULL)
		broken("a push is no message");
	not_back(c, push->head, "a push");
	take_transactions(c, push);
	take_events(c, push);
	if (c->index == CRM && push->has_last_seq && push->last_seq + 1 > c->next_seq)
		c->next_seq = push->last_seq + 1;
	trace("%s is given %zu transactions and %zu events", c->principal, push->n_transactions, push->n_events);
	give_credit(c, (uint32_t)(push->n_transactions + push->n_events));
	fealty__v1__push__free_unpacked(push, NULL);
}

static void
on_hello_ok(struct client *c, struct bytes body)
{
	Fealty__V1__HelloOk *ok = fealty__v1__hello_ok__unpack(NULL, body.len, body.data);

	if (ok == NULL)
		broken("a HELLO_OK is no message");
	not_back(c, ok->size, "HELLO_OK");
	fealty__v1__hello_ok__free_unpacked(ok, NULL);
	c->stage = STAGE_READY;
	c->next_tag = SUBSCRIPTION_TAG;
	c->next_us = soon(100000);
	if (c->index == AUDITOR || c->index == CRM)
		subscribe(c);
}

static void
on_gone(struct client *c)
{
	trace("%s has lost its connection", c->principal);
	c->conn = NULL;
	c->stage = STAGE_APART;
	memset(c->tags, 0, sizeof(c->tags));
	c->next_us = soon(dice_once_in(clients.dice, 4) ? 30 * US_PER_SECOND : US_PER_SECOND);
}

void
clients_receive(void *client, const struct frame_header *header, struct bytes body)
{
	struct client *c = client;

	if (header == NULL) {
		on_gone(c);
		return;
	}
	switch (header->type) {
	case FRAME_HELLO_OK: on_hello_ok(c, body); break;
	case FRAME_RESPONSE: on_response(c, header->tag, body); break;
	case FRAME_PUSH: on_push(c, body); break;
	case FRAME_GOAWAY: break;
	case FRAME_ERROR:
		if (excused() || link_was_excused(c->conn))
			break;
		broken("%s is told of an error of its own: %.*s", c->principal, (int)body.len, (const char *)body.data);
	default: broken("%s gets a frame %s", c->principal, frame_type_str(header->type));
	}
}

/* ---- the end ---- */

void
clients_settle(void)
{
	clients.settling = true;
	for (unsigned i = 0; i < clients.n; i++)
		clients.of[i].next_us = soon(US_PER_SECOND);
}

bool
clients_settled(uint64_t ledger_size)
{
	for (unsigned i = 0; i < clients.n; i++) {
		const struct client *c = &clients.of[i];
		if (c->stage != STAGE_READY)
			return false;
		if ((c->index == AUDITOR || c->index == CRM) && c->next_seq < ledger_size)
			return false;
		for (unsigned k = 0; k < WINDOW; k++) {
			if (c->open[k] != NONE)
				return false;
		}
	}
	return true;
}
