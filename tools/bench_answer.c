/*
 * Not unpacked, since that would take longer than all else.  The server begins with status and reason, as far as there are any: what comes
 * behind them is only looked at for a receipt, which is anywhere.
 */
#include "bench_answer.h"

#include <string.h>

#include "fealty.h"

#define STATUS 1
#define REASON 2
#define RECEIPT 65
#define FIELD_VARINT(n) ((n) << 3)
#define FIELD_BYTES(n) ((n) << 3 | 2)

struct field { uint64_t tag, value; struct bytes bytes; };

/* https://protobuf.dev/programming-guides/encoding/ */
static struct field
field_next(struct cursor *c)
{
	struct field f = { .tag = cursor_varint(c) };

	switch (f.tag & 7) {
	case 0: f.value = cursor_varint(c); break;
	case 1: (void)cursor_be64(c); break;
	case 2: f.bytes = cursor_bytes(c, (size_t)cursor_varint(c)); break;
	case 5: (void)cursor_be32(c); break;
	default: c->failed = true; c->p = c->end;
	}
	return f;
}

/* The member has not enough: no fault of anybody. */
static bool
is_true_answer(struct bytes reason)
{
	static const char word[] = "INSUFFICIENT_POINTS";

	return bytes_equal(reason, bytes_of(word, sizeof word - 1));
}

static void
count_word(struct reasons *r, const char *word)
{
	reasons_note(r, word, strlen(word), 1);
}

static void
count_one(struct figures *f, struct bytes body, bool wants_receipt)
{
	struct cursor c = cursor_of(body);
	struct bytes reason = { 0 };
	uint64_t status = 0;
	bool has_receipt = false;

	while (cursor_ok(&c) && c.p != c.end) {
		struct field field = field_next(&c);

		if (field.tag == FIELD_VARINT(STATUS))
			status = field.value;
		else if (field.tag == FIELD_BYTES(REASON))
			reason = field.bytes;
		else if (field.tag == FIELD_BYTES(RECEIPT))
			has_receipt = true;
		if (!wants_receipt && field.tag >> 3 >= REASON)
			break;
	}
	if (!cursor_ok(&c))
		count_word(&f->errors, "(unreadable)");
	else if (status != 0 && reason.len > 0)
		reasons_note(is_true_answer(reason) ? &f->refusals : &f->errors, (const char *)reason.data, reason.len, 1);
	else if (status != 0)
		count_word(&f->errors, fealty_code_str((Fealty__V1__Code)status));
	else if (wants_receipt && !has_receipt)
		count_word(&f->errors, "(no receipt)");
}

void
answer_count(struct figures *f, struct bytes body, bool is_batch, bool wants_receipt)
{
	struct cursor c = cursor_of(body);

	if (!is_batch) {
		count_one(f, body, wants_receipt);
		return;
	}
	while (cursor_ok(&c) && c.p != c.end) {
		struct field field = field_next(&c);

		if (field.tag == FIELD_BYTES(1))
			count_one(f, field.bytes, false);	/* outcome: a refused batch has no results */
		else if (field.tag == FIELD_BYTES(2))
			count_one(f, field.bytes, wants_receipt);
	}
	if (!cursor_ok(&c))
		count_word(&f->errors, "(unreadable)");
}
