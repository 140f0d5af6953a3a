/**
 * field.h: protobuf's wire format field by field, for what is read and written by hand because it is hot: transactions and replies.
 * Internal to codec/.  Format: protobuf.dev, "Encoding".
 */
#ifndef FEALTY_CODEC_FIELD_H
#define FEALTY_CODEC_FIELD_H

#include "base/arena.h"
#include "base/bytes.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;			/* of the three integer types, as it is on the wire */
	struct bytes bytes;		/* WIRE_BYTES; borrowed */
};

/**
 * field_next(rest, ret, ret_malformed):
 * Reads the next field and moves *${rest} behind it.  False at the end, where *${ret} is undefined and *${ret_malformed} says whether
 * it ended badly: cut off, a group, a type that does not exist, or a number of 0.
 * field_next_any() is the same; the other one is here to be inlined, and reads by itself what most fields are: a number below 16, and a value or a
 * length of one byte.
 */
bool field_next_any(struct bytes *rest, struct field *ret, bool *ret_malformed) MUST_CHECK;

static inline bool MUST_CHECK
field_next(struct bytes *rest, struct field *ret, bool *ret_malformed)
{
	const uint8_t *p = rest->data;
	size_t len = rest->len;

	if (len < 2 || p[0] < 1 << 3 || p[0] > 0x7f || p[1] > 0x7f)
		return field_next_any(rest, ret, ret_malformed);
	enum wire_type type = (enum wire_type)(p[0] & 7);
	if (type == WIRE_VARINT) {
		ret->value = p[1];
		ret->bytes = bytes_of(NULL, 0);
		*rest = bytes_of(p + 2, len - 2);
	} else if (type == WIRE_BYTES && p[1] <= len - 2) {
		ret->value = 0;
		ret->bytes = bytes_of(p + 2, p[1]);
		*rest = bytes_of(p + 2 + p[1], len - 2 - p[1]);
	} else {
		return field_next_any(rest, ret, ret_malformed);
	}
	ret->number = p[0] >> 3;
	ret->type = type;
	*ret_malformed = false;
	return true;
}

/* Reads a varint of at most 64 bits. */
bool field_take_varint(struct bytes *rest, uint64_t *ret) MUST_CHECK;

static inline int64_t
field_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}

/* UTF-8 (RFC 3629: no surrogates, nothing over-long) without a NUL in it. */
bool field_text_valid(struct bytes text) MUST_CHECK;

/**
 * Writers append; failure sticks in the buf.  None leaves out a zero: the caller knows where absence means it.
 * A nested message is what is written between field_begin() and field_end(), which are paired.
 */
void field_put_uint(struct buf *out, uint32_t number, uint64_t v);	/* uint32, uint64, bool, and enums that are not negative */
void field_put_sint(struct buf *out, uint32_t number, int64_t v);	/* sint32, sint64 */
void field_put_fixed(struct buf *out, uint32_t number, int64_t v);	/* sfixed64 */
void field_put_bytes(struct buf *out, uint32_t number, struct bytes v);
void field_put_text(struct buf *out, uint32_t number, const char *v);	/* not NULL */
size_t field_begin(struct buf *out, uint32_t number) MUST_CHECK;
void field_end(struct buf *out, size_t begun);

#endif
