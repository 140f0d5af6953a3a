/*
 * Most lines go to the codec as they are.  A line with words that only a simulation knows (expect, principal), a batch or a publish is
 * taken apart first, and so is one that the codec refuses, because its `at` moves the clock all the same.
 */
#include "sim_event.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "sim_report.h"

#define PRINCIPAL_BYTES_MAX 128

void
sim_event_release(struct sim_event *event)
{
	json_decref(event->expect);
	event->expect = NULL;
}

static enum status
one_command(struct sim_event *event, struct arena *arena)
{
	event->batch.n = 1;
	event->batch.commands = arena_alloc(arena, sizeof(*event->batch.commands));
	event->batch.refusals = arena_alloc(arena, sizeof(*event->batch.refusals));
	return event->batch.commands == NULL || event->batch.refusals == NULL ? ST_NOMEM : ST_OK;
}

/* The text as a serialised message; ST_INVALID: *${ret_refusal} says what is wrong with it. */
static enum status
encode(enum codec_message message, const char *text, struct arena *arena, struct bytes *ret_bytes, struct refusal *ret_refusal)
{
	struct text_error error;
	struct buf out;

	buf_init(&out);
	enum status st = codec_json_parse(message, text, arena, &out, &error);
	char *copy = st == ST_OK ? arena_memdup(arena, out.data, out.len) : NULL;
	if (st == ST_OK && copy == NULL)
		st = ST_NOMEM;
	if (st == ST_OK)
		*ret_bytes = bytes_of(copy, out.len);
	if (st == ST_INVALID) {
		char *path = arena_strdup(arena, error.path);
		sim_refuse(ret_refusal, LEDGER_INVALID_ARGUMENT, path, "%.199s", error.sentence);
	}
	buf_release(&out);
	return st;
}

static enum status
decode_one(const char *text, struct arena *arena, struct sim_event *event)
{
	struct bytes body;

	enum status st = encode(CODEC_REQUEST, text, arena, &body, &event->batch.refusals[0]);
	if (st == ST_OK)
		st = codec_request_decode(body, arena, &event->batch.commands[0], &event->batch.refusals[0]);
	return st;
}

/* ---- lines that are taken apart ---- */

static const char *
take_text(json_t *object, const char *key, struct arena *arena)
{
	json_t *value = json_object_get(object, key);
	const char *text = json_is_string(value) ? arena_strdup(arena, json_string_value(value)) : NULL;

	if (text != NULL)
		(void)json_object_del(object, key);
	return text;
}

/* Anything that a file likes to tell apart, in the letters of principals; `system` is the engine's own. */
static bool
principal_ok(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
	size_t len = strspn(text, letters);

	return len > 0 && len <= PRINCIPAL_BYTES_MAX && text[len] == '\0' && strcmp(text, "system") != 0;
}

static void
refuse_first(struct refusal *refusal, const char *field, const char *why)
{
	if (refusal->result == LEDGER_OK)
		sim_refuse(refusal, LEDGER_INVALID_ARGUMENT, field, "`%s` %s.", field, why);
}

static bool
is_one_of(const char *key, const char *const *known)
{
	while (*known != NULL && strcmp(*known, key) != 0)
		known++;
	return *known != NULL;
}

static void
refuse_key(struct refusal *refusal, const char *key, struct arena *arena, const char *why)
{
	char *copy = arena_strdup(arena, key);

	refuse_first(refusal, copy == NULL ? "" : copy, why);
}

/* Who sends it; of an approver_key the principal is the approver, and everybody may send one. */
static void
take_principal(json_t *object, struct arena *arena, struct sim_event *event, struct refusal *refusal)
{
	const char *op = json_string_value(json_object_get(object, "op"));

	if (json_object_get(object, "principal") == NULL || (op != NULL && strcmp(op, "approver_key") == 0))
		return;
	const char *principal = take_text(object, "principal", arena);
	if (principal != NULL && principal_ok(principal))
		event->principal = principal;
	else
		refuse_first(refusal, "principal", "is not 1 to 128 of A-Z a-z 0-9 . _ - /, or is `system`");
	(void)json_object_del(object, "principal");
}

static void
take_at(json_t *object, struct sim_event *event, struct refusal *refusal)
{
	json_t *at = json_object_get(object, "at");

	event->has_at = json_is_string(at) && instant_parse(json_string_value(at), &event->at_us);
	if (at == NULL)
		refuse_first(refusal, "at", "is missing: every event has it");
	else if (!event->has_at)
		refuse_first(refusal, "at", "is not an instant such as 2026-03-12T10:05:00+09:00");
}

static enum status
decode_object(json_t *object, struct arena *arena, struct sim_event *event)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (text == NULL)
		return ST_NOMEM;
	enum status st = decode_one(text, arena, event);
	free(text);
	return st;
}

/* ---- publish: the program is the id of a file's ---- */

static enum status
read_publish(json_t *object, struct arena *arena, struct sim_event *event)
{
	static const char *const known[] = { "op", "at", "key", "program", "version", "occurred_at", "store", "terminal", "terminal_seq",
		"want_receipt", NULL };
	struct request *r = &event->batch.commands[0];
	struct refusal *refusal = &event->batch.refusals[0];
	const char *key;
	json_t *value;

	r->op = REQUEST_PUBLISH;
	json_object_foreach(object, key, value) {
		if (!is_one_of(key, known))
			refuse_key(refusal, key, arena, "is not a field of publish");
	}
	json_t *version = json_object_get(object, "version");
	if (version != NULL && (!json_is_integer(version) || json_integer_value(version) < 1 || json_integer_value(version) > UINT32_MAX))
		refuse_first(refusal, "version", "is not a number from 1 on");
	else if (version != NULL)
		r->cmd.u.publish.version = (uint32_t)json_integer_value(version);
	r->key = take_text(object, "key", arena);
	if (r->key == NULL || !request_id_valid(r->key))
		refuse_first(refusal, "key", "is missing, or not 1 to 64 of A-Z a-z 0-9 . _ : -");
	r->cmd.op = OP_PUBLISH;
	r->cmd.u.publish.id = event->publish;
	(void)json_object_del(object, "at");
	char *body = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	char *copy = body == NULL ? NULL : arena_strdup(arena, body);
	r->canonical = bytes_of(copy, copy == NULL ? 0 : strlen(copy));
	free(body);
	return copy == NULL ? ST_NOMEM : ST_OK;
}

/* ---- batches ---- */

static void
put_field(struct buf *out, uint32_t number, const void *data, size_t len)
{
	buf_put_varint(out, (uint64_t)number << 3 | 2);
	buf_put_varint(out, len);
	buf_put(out, data, len);
}

/* Each command by itself, so that one that is malformed is refused by itself; in its place stands an empty one. */
static enum status
put_commands(json_t *commands, struct arena *arena, struct refusal *refusals, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(commands); i++) {
		char *text = json_dumps(json_array_get(commands, i), JSON_COMPACT | JSON_ENCODE_ANY);
		struct bytes body = { .len = 0 };
		if (text == NULL)
			return ST_NOMEM;
		enum status st = encode(CODEC_REQUEST, text, arena, &body, &refusals[i]);
		free(text);
		if (st != ST_OK && st != ST_INVALID)
			return st;
		put_field(out, 3, body.data, body.len);
	}
	return buf_status(out);
}

static enum status
read_commands(json_t *object, json_t *commands, struct arena *arena, struct sim_event *event)
{
	struct refusal *refusals = arena_alloc(arena, (json_array_size(commands) + 1) * sizeof(*refusals));
	const char *key = take_text(object, "key", arena);
	json_t *atomic = json_object_get(object, "atomic");
	struct buf out;

	if (refusals == NULL)
		return ST_NOMEM;
	buf_init(&out);
	if (key != NULL)
		put_field(&out, 1, key, strlen(key));
	enum status st = put_commands(commands, arena, refusals, &out);
	char *body = st == ST_OK ? arena_memdup(arena, out.data, out.len) : NULL;
	if (st == ST_OK)
		st = body == NULL ? ST_NOMEM : codec_batch_decode(bytes_of(body, out.len), arena, &event->batch);
	buf_release(&out);
	for (size_t i = 0; st == ST_OK && i < event->batch.n; i++) {
		if (refusals[i].result != LEDGER_OK)
			event->batch.refusals[i] = refusals[i];
	}
	event->batch.atomic = json_is_true(atomic);
	return st;
}

static enum status
read_batch(json_t *object, struct arena *arena, struct sim_event *event)
{
	static const char *const known[] = { "op", "at", "key", "commands", "atomic", NULL };
	struct refusal whole = event->batch.refusals[0];
	json_t *commands = json_object_get(object, "commands"), *atomic = json_object_get(object, "atomic");
	json_t *key_value = json_object_get(object, "key"), *value;
	const char *key;

	event->is_batch = true;
	json_object_foreach(object, key, value) {
		if (!is_one_of(key, known))
			refuse_key(&whole, key, arena, "is not a field of batch");
	}
	if (!json_is_array(commands) || json_array_size(commands) == 0)
		refuse_first(&whole, "commands", "is not a list of commands");
	if (atomic != NULL && !json_is_boolean(atomic))
		refuse_first(&whole, "atomic", "is neither true nor false");
	if (key_value != NULL && !json_is_string(key_value))
		refuse_first(&whole, "key", "is not a text");
	enum status st = whole.result == LEDGER_OK ? read_commands(object, commands, arena, event) : ST_OK;
	if (whole.result != LEDGER_OK)
		event->batch = (struct batch){ .refusal = whole };
	return st;
}

/* ---- one line ---- */

static enum status
not_json(struct text_error *ret_error, const char *sentence, unsigned column)
{
	*ret_error = (struct text_error){ .line = 1, .column = column };
	(void)snprintf(ret_error->sentence, sizeof(ret_error->sentence), "%s", sentence);
	return ST_INVALID;
}

static enum status
take_apart(json_t *object, struct arena *arena, struct sim_event *event, struct text_error *ret_error)
{
	struct refusal *refusal = &event->batch.refusals[0];
	json_t *expect = json_object_get(object, "expect"), *op = json_object_get(object, "op"), *program = json_object_get(object, "program");
	bool publish = json_is_string(op) && strcmp(json_string_value(op), "publish") == 0;

	if (expect != NULL && !json_is_object(expect))
		return not_json(ret_error, "`expect` is not an object of keys and values", 0);
	event->expect = json_incref(expect);
	(void)json_object_del(object, "expect");
	take_principal(object, arena, event, refusal);
	take_at(object, event, refusal);
	if (json_is_string(op) && strcmp(json_string_value(op), "batch") == 0)
		return read_batch(object, arena, event);
	if (json_is_string(op) && strcmp(json_string_value(op), "report") == 0)
		return sim_report_read(object, arena, event);
	if (publish && !json_is_object(program)) {
		event->publish = json_is_string(program) ? arena_strdup(arena, json_string_value(program)) : "";
		if (!json_is_string(program))
			refuse_first(refusal, "program", "is not the id of a program");
		return event->publish == NULL ? ST_NOMEM : read_publish(object, arena, event);
	}
	if (publish)
		refuse_first(refusal, "program", "is not the id of a program: a simulation takes programs from --program");
	if (refusal->result != LEDGER_OK)
		return ST_OK;
	enum status st = decode_object(object, arena, event);
	return st == ST_INVALID ? ST_OK : st;
}

static enum status
read_slowly(const char *text, struct arena *arena, struct sim_event *event, struct text_error *ret_error)
{
	json_error_t error;
	json_t *object = json_loads(text, 0, &error);
	char sentence[240];

	if (object == NULL) {
		(void)snprintf(sentence, sizeof(sentence), "this is not JSON: %s", error.text);
		return not_json(ret_error, sentence, error.column < 0 ? 0 : (unsigned)error.column);
	}
	enum status st = json_is_object(object) ? take_apart(object, arena, event, ret_error) :
	    not_json(ret_error, "an event is a JSON object", 1);
	json_decref(object);
	return st;
}

static bool
is_plain(const char *text)
{
	return strstr(text, "\"expect\"") == NULL && strstr(text, "\"principal\"") == NULL && strstr(text, "\"batch\"") == NULL &&
	    strstr(text, "\"publish\"") == NULL && strstr(text, "\"report\"") == NULL && strchr(text, '\\') == NULL;
}

static enum status
read_event(const char *text, struct arena *arena, struct sim_event *ret_event, struct text_error *ret_error)
{
	*ret_event = (struct sim_event){ .principal = "simulate" };
	enum status st = one_command(ret_event, arena);
	if (st != ST_OK)
		return st;
	if (is_plain(text)) {
		const struct request *r = &ret_event->batch.commands[0];
		st = decode_one(text, arena, ret_event);
		if (st == ST_OK && ret_event->batch.refusals[0].result == LEDGER_OK && r->has_at) {
			ret_event->has_at = true;
			ret_event->at_us = r->at_us;
			return ST_OK;
		}
		if (st != ST_OK && st != ST_INVALID)
			return st;
		ret_event->batch.commands[0] = (struct request){ 0 };
		ret_event->batch.refusals[0] = (struct refusal){ 0 };
	}
	return read_slowly(text, arena, ret_event, ret_error);
}

enum status
sim_event_read(const char *text, struct arena *arena, struct sim_event *ret_event, struct text_error *ret_error)
{
	enum status st = read_event(text, arena, ret_event, ret_error);

	for (size_t i = 0; st == ST_OK && i < ret_event->batch.n; i++) {
		if (ret_event->batch.refusals[i].result == LEDGER_OK)
			sim_fingerprint(&ret_event->batch.commands[i]);
	}
	return st;
}
