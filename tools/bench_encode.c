/*
 * Packed by the generated code with marks where digits will be; where they are is looked for once.  What follows from a fixed number of digits:
 * every command of an operation has the same length.  A message may be put together from pieces: a Batch is its key, and then each command as
 * a Batch of its own (https://protobuf.dev/programming-guides/encoding/#last-one-wins).
 */
#include "bench_encode.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "fealty.h"
#include "frame.h"

#define KEY_MARK "@@@@@@@@@@@@"			/* hexadecimal */
#define MEMBER_MARK "##########"		/* decimal */
#define AMOUNT_MARK "%%"			/* 10 to 99 */
#define LENGTH(mark) (sizeof(mark) - 1)

void
encoder_alias(const struct settings *s, unsigned long n, char ret_alias[static ALIAS_BYTES])
{
	snprintf(ret_alias, ALIAS_BYTES, "bench:%s:%010lu", s->prefix, n);
}

/* The last place: what is in front of it may be anything. */
static size_t
place_of(const struct template *t, const char *mark)
{
	size_t len = strlen(mark);

	for (size_t at = t->len; at-- > 0;)
		if (t->len - at >= len && memcmp(t->bytes + at, mark, len) == 0)
			return at;
	return TEMPLATE_ABSENT;
}

static bool
template_pack(struct template *t, const ProtobufCMessage *m)
{
	if (protobuf_c_message_get_packed_size(m) > TEMPLATE_BYTES)
		return false;
	t->len = protobuf_c_message_pack(m, t->bytes);
	t->key_at = place_of(t, KEY_MARK);
	t->member_at = place_of(t, MEMBER_MARK);
	t->amount_at = place_of(t, AMOUNT_MARK);
	return true;
}

union op_message { Fealty__V1__Purchase purchase; Fealty__V1__Redeem redeem; Fealty__V1__Balance balance; Fealty__V1__History history; };

static void
request_set(Fealty__V1__Request *r, union op_message *m, enum bench_op op, char *member, const struct settings *s)
{
	switch (op) {
	case BENCH_PURCHASE:
		m->purchase = (Fealty__V1__Purchase)FEALTY__V1__PURCHASE__INIT;
		m->purchase.member = member;
		m->purchase.amount = (char *)AMOUNT_MARK;
		r->has_want_receipt = r->want_receipt = s->receipt;
		r->op_case = FEALTY__V1__REQUEST__OP_PURCHASE;
		r->purchase = &m->purchase;
		return;
	case BENCH_REDEEM:
		m->redeem = (Fealty__V1__Redeem)FEALTY__V1__REDEEM__INIT;
		m->redeem.member = member;
		m->redeem.points = (char *)s->redeem_points;
		r->op_case = FEALTY__V1__REQUEST__OP_REDEEM;
		r->redeem = &m->redeem;
		return;
	case BENCH_BALANCE:
		m->balance = (Fealty__V1__Balance)FEALTY__V1__BALANCE__INIT;
		m->balance.member = member;
		r->op_case = FEALTY__V1__REQUEST__OP_BALANCE;
		r->balance = &m->balance;
		return;
	case BENCH_HISTORY:
		m->history = (Fealty__V1__History)FEALTY__V1__HISTORY__INIT;
		m->history.member = member;
		r->op_case = FEALTY__V1__REQUEST__OP_HISTORY;
		r->history = &m->history;
		return;
	case BENCH_OP_COUNT:
		break;
	}
	assert(false);			/* no operation */
}

static bool
pack_op(struct encoder *e, enum bench_op op, char *key, const struct settings *s)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT, *one = &request;
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;
	char member[ALIAS_BYTES];
	union op_message message;

	snprintf(member, sizeof member, "bench:%s:%s", s->prefix, MEMBER_MARK);
	request.program = (char *)s->program;
	request.key = !e->batches && bench_op_writes(op) ? key : NULL;		/* a batch's commands have keys by its own */
	request_set(&request, &message, op, member, s);
	batch.n_commands = 1;
	batch.commands = &one;
	return template_pack(&e->ops[op], e->batches ? &batch.base : &request.base);
}

bool
encoder_init(struct encoder *e, const struct settings *s, uint64_t run_id)
{
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;
	char key[FEALTY_KEY_BYTES_MAX + 1];
	bool good = true;

	*e = (struct encoder){ .batches = s->batch > 1 };
	zipf_init(&e->zipf, s->members, s->zipf);
	snprintf(key, sizeof key, "%s-%011llx-%s", s->prefix, (unsigned long long)run_id, KEY_MARK);
	batch.key = key;
	good = template_pack(&e->batch, &batch.base);
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++)
		good = good && pack_op(e, op, key, s);
	return good;
}

size_t
encoder_bytes_max(const struct encoder *e, unsigned commands)
{
	size_t max = 0;

	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++)
		max = e->ops[op].len > max ? e->ops[op].len : max;
	return e->batches ? e->batch.len + commands * max : max;
}

static void
put_decimal(uint8_t *at, size_t digits, uint32_t n)
{
	while (digits-- > 0) {
		at[digits] = (uint8_t)('0' + n % 10);
		n /= 10;
	}
}

static void
put_hexadecimal(uint8_t *at, size_t digits, uint64_t n)
{
	for (; digits-- > 0; n >>= 4)
		at[digits] = (uint8_t)"0123456789abcdef"[n & 15];
}

static uint8_t *
put_template(const struct template *t, uint8_t *at, uint64_t number)
{
	memcpy(at, t->bytes, t->len);
	if (t->key_at != TEMPLATE_ABSENT)
		put_hexadecimal(at + t->key_at, LENGTH(KEY_MARK), number);
	return at + t->len;
}

static uint8_t *
put_command(const struct encoder *e, const struct template *t, uint8_t *at, uint64_t number, struct bench_random *random)
{
	uint8_t *end = put_template(t, at, number);

	put_decimal(at + t->member_at, LENGTH(MEMBER_MARK), (uint32_t)zipf_draw(&e->zipf, random));
	if (t->amount_at != TEMPLATE_ABSENT)
		put_decimal(at + t->amount_at, LENGTH(AMOUNT_MARK), 10 + (uint32_t)random_below(random, 90));
	return end;
}

void
encoder_put(const struct encoder *e, struct buf *out, uint64_t tag, enum bench_op op, unsigned commands, uint64_t number,
    struct bench_random *random)
{
	const struct template *t = &e->ops[op];
	size_t body = e->batches ? e->batch.len + commands * t->len : t->len;
	struct frame_header header = { .body_bytes = (uint32_t)body, .version = FRAME_VERSION, .type = e->batches ? FRAME_BATCH : FRAME_REQUEST, .tag = tag };
	uint8_t *at = buf_room(out, FRAME_HEADER_BYTES + body);

	if (at == NULL)
		return;
	out->len += FRAME_HEADER_BYTES + body;
	frame_header_encode(&header, at);
	at += FRAME_HEADER_BYTES;
	if (e->batches)
		at = put_template(&e->batch, at, number);
	for (unsigned i = 0; i < commands; i++)
		at = put_command(e, t, at, number, random);
	assert(at == out->data + out->len);
}
