/* https://protobuf.dev/programming-guides/encoding/ : a message is a run of (field number << 3 | wire type) and value. */
#include "scan.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { FIELD_SIGNED_BODY = 1, FIELD_SEQ = 2 };

struct field {
	uint64_t number;
	unsigned wire;
	uint64_t value;			/* WIRE_VARINT */
	struct bytes bytes;		/* WIRE_BYTES */
};

/* False at the end, and when the bytes are no message: cursor_done() tells which. */
static bool
next_field(struct cursor *c, struct field *ret)
{
	if (!cursor_ok(c) || c->p == c->end)
		return false;
	uint64_t tag = cursor_varint(c);
	*ret = (struct field){ .number = tag >> 3, .wire = (unsigned)(tag & 7) };
	switch (ret->wire) {
	case WIRE_VARINT:
		ret->value = cursor_varint(c);
		break;
	case WIRE_64:
		ret->value = cursor_be64(c);
		break;
	case WIRE_32:
		ret->value = cursor_be32(c);
		break;
	case WIRE_BYTES:
		ret->bytes = cursor_bytes(c, (size_t)cursor_varint(c));
		break;
	default:
		c->failed = true;
	}
	return cursor_ok(c);
}

bool
scan_transaction_seq(struct bytes signed_transaction, uint64_t *ret_seq)
{
	struct cursor outer = cursor_of(signed_transaction);
	struct field f, g;

	while (next_field(&outer, &f)) {
		if (f.number != FIELD_SIGNED_BODY || f.wire != WIRE_BYTES)
			continue;
		struct cursor inner = cursor_of(f.bytes);
		*ret_seq = 0;			/* proto2 writes a zero seq, others may not */
		while (next_field(&inner, &g))
			if (g.number == FIELD_SEQ && g.wire == WIRE_VARINT) {
				*ret_seq = g.value;
				return true;
			}
		return cursor_done(&inner);
	}
	return false;
}
