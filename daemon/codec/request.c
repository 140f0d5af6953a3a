/**
 * A command goes through three gates: scan (the bytes hold nothing that the descriptors do not name, and every text is text), the envelope
 * here, and its operation in request_op.c.  What needs a program or a member is decide's.
 * The canonical bytes are the message packed again: protobuf-c writes fields in the order of their numbers and every varint as short as
 * it is, so what a client wrote in another order has the same fingerprint.
 */
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "codec/field.h"
#include "codec/request_op.h"
#include "codec/scan.h"
#include "codec/words.h"
#include "frame.h"
#include "ledger/decide.h"
#include "ledger/terminal.h"

#define PLAIN_BYTES_MAX 64
#define REQUEST_KEY 1		/* its field number */

void
judge_refuse(struct judge *j, enum ledger_result result, const char *field, const char *why)
{
	if (j->refusal->result != LEDGER_OK && j->refusal->result <= result)
		return;
	j->refusal->result = result;
	j->refusal->field = field;
	(void)snprintf(j->refusal->sentence, sizeof(j->refusal->sentence), "`%s` %s.", field, why);
}

static void
invalid(struct judge *j, const char *field, const char *why)
{
	judge_refuse(j, LEDGER_INVALID_ARGUMENT, field, why);
}

void
judge_instant(struct judge *j, const char *field, int64_t at_us)
{
	int64_t first = day_of_date((struct date){ 2, 1, 1 }) * US_PER_DAY, end = day_of_date((struct date){ 9999, 1, 1 }) * US_PER_DAY;

	if (at_us < first || at_us >= end)
		invalid(j, field, "is not in the years 2 to 9998");
}

void
judge_plain(struct judge *j, const char *field, const char *text)
{
	if (text != NULL && !words_plain(text, PLAIN_BYTES_MAX))
		invalid(j, field, "is not 1 to 64 bytes of text without control characters");
}

/* ---- the envelope ---- */

static void
judge_key(struct judge *j, const char *key, bool writes)
{
	if (key != NULL && !request_id_valid(key))
		invalid(j, "key", "is not 1 to 64 of A-Z a-z 0-9 . _ : -");
	else if (key == NULL && writes)
		invalid(j, "key", "is missing: a command that writes needs a request id");
	else if (key != NULL && !writes)
		invalid(j, "key", "is not for a read");
	else
		j->ret->key = key;
}

/* Numbers that the terminal knows to be refused. */
static void
judge_refused(struct judge *j, const Fealty__V1__Request *in)
{
	size_t n = in->n_terminal_refused;

	if (n == 0)
		return;
	if (n > LEDGER_REFUSED_MAX) {
		invalid(j, "terminal_refused", "has more than 64 ranges: give the highest");
		return;
	}
	struct seq_range *ranges = arena_alloc(j->arena, n * sizeof(*ranges));
	if (ranges == NULL) {
		j->status = ST_NOMEM;
		return;
	}
	for (size_t i = 0; i < n; ++i)
		ranges[i] = (struct seq_range){ in->terminal_refused[i]->first, in->terminal_refused[i]->last };
	if (!seq_ranges_valid(ranges, n, in->terminal_seq)) {
		invalid(j, "terminal_refused", "is not rising ranges of numbers from 1 to below `terminal_seq`, each with `first` and `last`");
		return;		/* a refused command hands on what it says */
	}
	j->ret->cmd.refused = ranges;
	j->ret->cmd.n_refused = n;
}

static void
judge_origin(struct judge *j, const Fealty__V1__Request *in)
{
	const char *why = "is not for a read";

	if (request_op_writes(j->ret->op) || j->ret->op == REQUEST_QUOTE) {
		if (in->has_occurred_at)
			judge_instant(j, "occurred_at", in->occurred_at);
		judge_plain(j, "store", in->store);
		judge_plain(j, "terminal", in->terminal);
		judge_refused(j, in);
		return;
	}
	if (in->has_occurred_at)
		invalid(j, "occurred_at", why);
	if (in->store != NULL)
		invalid(j, "store", why);
	if (in->terminal != NULL)
		invalid(j, "terminal", why);
	if (in->has_terminal_seq)
		invalid(j, "terminal_seq", why);
	if (in->n_terminal_refused > 0)
		invalid(j, "terminal_refused", why);
}

static void
judge_envelope(struct judge *j, const Fealty__V1__Request *in, const char *default_key)
{
	struct request *r = j->ret;

	judge_key(j, in->key != NULL ? in->key : default_key, request_op_writes(r->op));
	if (in->has_at)
		judge_instant(j, "at", in->at);
	if (in->program != NULL && !words_program(in->program))
		invalid(j, "program", "is not 1 to 32 of a-z 0-9 -");
	judge_origin(j, in);
	r->want_receipt = in->has_want_receipt && in->want_receipt;
	if (r->want_receipt && !request_op_writes(r->op))
		invalid(j, "want_receipt", "is for commands that write: `proof` has the receipt of a transaction that is there already");

	r->has_at = in->has_at;
	r->at_us = in->at;
	r->deadline_ms = in->deadline_ms;
	r->program = in->program;
	r->cmd.request_id = r->key;
	r->cmd.store = in->store;
	r->cmd.terminal = in->terminal;
	r->cmd.terminal_seq = in->terminal_seq;
	r->cmd.has_occurred_at = in->has_occurred_at;
	r->cmd.occurred_at_us = in->occurred_at;
}

/* ---- decoding ---- */

static void
refuse_no_op(struct judge *j)
{
	invalid(j, "op", "names no operation that this server knows");
}

/* Key and operation of a command that scan refused, as far as they are good. */
static enum status
peek(struct bytes body, struct arena *arena, struct request *ret)
{
	struct field f;
	bool malformed;

	while (field_next(&body, &f, &malformed)) {
		if (f.number == REQUEST_KEY && f.type == WIRE_BYTES && words_request_id(f.bytes)) {
			ret->key = arena_memdup(arena, f.bytes.data, f.bytes.len);
			if (ret->key == NULL)
				return ST_NOMEM;
		}
		if (f.type == WIRE_BYTES && ret->op == REQUEST_NONE)
			ret->op = request_op_of((Fealty__V1__Request__OpCase)f.number);
	}
	return ST_OK;
}

static enum status
refused_by_scan(struct judge *j, struct bytes body, const struct scan_fault *fault)
{
	const char *path = arena_strdup(j->arena, fault->path);
	enum status st = peek(body, j->arena, j->ret);

	if (path == NULL || st != ST_OK)
		return ST_NOMEM;
	if (j->ret->op == REQUEST_NONE) {		/* an operation of a later version is a field that we do not know */
		refuse_no_op(j);
		return ST_OK;
	}
	*j->refusal = (struct refusal){ .result = LEDGER_INVALID_ARGUMENT, .field = path };
	(void)snprintf(j->refusal->sentence, sizeof(j->refusal->sentence), "%s", fault->sentence);
	return ST_OK;
}

static enum status
make_canonical(struct judge *j, Fealty__V1__Request *in)
{
	in->key = NULL;
	in->has_at = in->has_deadline_ms = in->has_want_receipt = 0;
	in->n_terminal_refused = 0;
	return arena_pb_pack_in(&in->base, j->arena, &j->ret->canonical);
}

/* A command of a batch may do without a key of its own, and may do less. */
static void
judge_in_batch(struct judge *j)
{
	if (!request_op_writes(j->ret->op))
		invalid(j, "op", "is a read, which a batch does not take");
	else if (j->ret->op == REQUEST_PUBLISH || j->ret->op == REQUEST_ROTATE_KEY || j->ret->op == REQUEST_APPROVER_KEY)
		invalid(j, "op", "is not for a batch");
}

/* All of it is one transaction, which is about more than the command. */
static void
judge_in_atomic(struct judge *j)
{
	if (j->ret->want_receipt)
		invalid(j, "want_receipt", "is not for an atomic batch, whose commands share a transaction: leave one of the two out");
}

/* What the lines and the points paid come to, when each of them is in order. */
static void
judge_excess(struct judge *j)
{
	const char *sentence;

	if (j->status != ST_OK || j->refusal->result != LEDGER_OK || (j->ret->op != REQUEST_PURCHASE && j->ret->op != REQUEST_QUOTE))
		return;
	const char *field = purchase_excess(&j->ret->cmd, &sentence);
	if (field == NULL)
		return;
	*j->refusal = (struct refusal){ .result = LEDGER_INVALID_ARGUMENT, .field = field };
	(void)snprintf(j->refusal->sentence, sizeof(j->refusal->sentence), "%s", sentence);
}

static enum status
decode(struct bytes body, struct arena *arena, const struct batch *in_batch, const char *default_key, struct request *ret,
    struct refusal *ret_refusal)
{
	struct judge j = { .arena = arena, .ret = ret, .refusal = ret_refusal };
	struct scan_fault fault;
	ProtobufCMessage *m;

	*ret = (struct request){ 0 };
	*ret_refusal = (struct refusal){ 0 };
	switch (scan_message(&fealty__v1__request__descriptor, body, &fault)) {
	case SCAN_OK: break;
	case SCAN_REFUSED: return refused_by_scan(&j, body, &fault);
	case SCAN_MALFORMED: return ST_INVALID;
	}
	enum status st = arena_pb_unpack(&fealty__v1__request__descriptor, body, arena, &m);
	if (st != ST_OK)
		return st;

	Fealty__V1__Request *in = (Fealty__V1__Request *)m;
	ret->op = request_op_of(in->op_case);
	if (ret->op == REQUEST_NONE) {
		refuse_no_op(&j);
		return ST_OK;
	}
	if (in_batch != NULL)
		judge_in_batch(&j);
	judge_envelope(&j, in, default_key);
	if (in_batch != NULL && in_batch->atomic)
		judge_in_atomic(&j);
	request_op_judge(&j, in);
	judge_excess(&j);
	if (j.status == ST_OK && ret_refusal->result == LEDGER_OK && request_op_writes(ret->op))
		j.status = make_canonical(&j, in);
	return j.status;
}

enum status
codec_request_decode(struct bytes body, struct arena *arena, struct request *ret, struct refusal *ret_refusal)
{
	return decode(body, arena, NULL, NULL, ret, ret_refusal);
}

/* ---- batches ---- */

enum { BATCH_KEY = 1, BATCH_ATOMIC, BATCH_COMMANDS, BATCH_DEADLINE_MS };

/* The Batch's own fields; its commands stay bytes, so that each can be refused by itself. */
struct batch_in {
	struct bytes key;
	uint32_t seen;
	size_t n;
	struct bytes commands[FRAME_BATCH_COMMANDS_MAX];
};

static void
refuse_batch(struct batch *b, enum ledger_result result, const char *field, const char *sentence)
{
	if (b->refusal.result != LEDGER_OK)
		return;
	b->refusal.result = result;
	b->refusal.field = field;
	(void)snprintf(b->refusal.sentence, sizeof(b->refusal.sentence), "%s", sentence);
}

static void
take_batch_field(const struct field *f, struct batch_in *in, struct batch *b)
{
	static const struct { const char *name; enum wire_type type; uint64_t max; } rows[] = {
		[BATCH_KEY] = { "key", WIRE_BYTES, 0 },
		[BATCH_ATOMIC] = { "atomic", WIRE_VARINT, 1 },
		[BATCH_COMMANDS] = { "commands", WIRE_BYTES, 0 },
		[BATCH_DEADLINE_MS] = { "deadline_ms", WIRE_VARINT, UINT32_MAX },
	};

	if (f->number >= sizeof(rows) / sizeof(rows[0])) {
		refuse_batch(b, LEDGER_INVALID_ARGUMENT, NULL, "The batch has a field that this server does not know.");
		return;
	}
	bool again = f->number != BATCH_COMMANDS && (in->seen >> f->number & 1) != 0;
	if (again || f->type != rows[f->number].type || f->value > rows[f->number].max)
		refuse_batch(b, LEDGER_INVALID_ARGUMENT, rows[f->number].name,
		    "A field of the batch stands twice, is of another type or is too large.");
	in->seen |= 1u << f->number;

	switch (f->number) {
	case BATCH_KEY: in->key = f->bytes; break;
	case BATCH_ATOMIC: b->atomic = f->value != 0; break;
	case BATCH_DEADLINE_MS: b->deadline_ms = (uint32_t)f->value; break;
	case BATCH_COMMANDS:
		if (in->n < FRAME_BATCH_COMMANDS_MAX)
			in->commands[in->n] = f->bytes;
		++in->n;
		break;
	}
}

static enum status
take_batch(struct bytes body, struct batch_in *in, struct batch *b)
{
	struct field f;
	bool malformed;

	while (field_next(&body, &f, &malformed))
		take_batch_field(&f, in, b);
	if (malformed)
		return ST_INVALID;
	if (in->n > FRAME_BATCH_COMMANDS_MAX)
		refuse_batch(b, LEDGER_TOO_LARGE, "commands", "A batch holds at most 1000 commands; send several.");
	if (in->n == 0)
		refuse_batch(b, LEDGER_INVALID_ARGUMENT, "commands", "The batch has no commands.");
	if ((in->seen >> BATCH_KEY & 1) != 0 && !words_request_id(in->key))
		refuse_batch(b, LEDGER_INVALID_ARGUMENT, "key", "`key` is not 1 to 64 of A-Z a-z 0-9 . _ : -.");
	return ST_OK;
}

/* "<batch key>.<place>"; may turn out too long for a request id, which is that command's refusal. */
static enum status
derive_key(struct bytes batch_key, size_t place, struct arena *arena, const char **ret)
{
	char number[32];

	if (batch_key.len == 0) {
		*ret = NULL;
		return ST_OK;
	}
	int len = snprintf(number, sizeof(number), ".%zu", place);
	char *key = arena_alloc(arena, batch_key.len + (size_t)len + 1);
	if (key == NULL)
		return ST_NOMEM;
	memcpy(key, batch_key.data, batch_key.len);
	memcpy(key + batch_key.len, number, (size_t)len + 1);
	*ret = key;
	return ST_OK;
}

static enum status
decode_commands(const struct batch_in *in, struct arena *arena, struct batch *b)
{
	b->n = in->n;
	b->commands = arena_alloc(arena, in->n * sizeof(*b->commands));
	b->refusals = arena_alloc(arena, in->n * sizeof(*b->refusals));
	if (b->commands == NULL || b->refusals == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < in->n; ++i) {
		const char *key;
		enum status st = derive_key(in->key, i + 1, arena, &key);
		if (st == ST_OK)
			st = decode(in->commands[i], arena, b, key, &b->commands[i], &b->refusals[i]);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status
codec_batch_decode(struct bytes body, struct arena *arena, struct batch *ret)
{
	struct batch_in *in = arena_alloc(arena, sizeof(*in));
	struct batch b = { 0 };

	if (in == NULL)
		return ST_NOMEM;
	enum status st = take_batch(body, in, &b);
	if (st == ST_OK && b.refusal.result == LEDGER_OK)
		st = decode_commands(in, arena, &b);
	if (st == ST_OK)
		*ret = b;
	return st;
}
