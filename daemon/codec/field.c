/**
 * What is written is canonical: fields in the caller's order, shortest varints, so equal structures give equal bytes.
 * A nested message's length is not known when it begins: one byte is kept for it, and the message moves up when it needs more.
 */
#include "codec/field.h"

#include <assert.h>
#include <string.h>

#define VARINT_BYTES_MAX 10
#define FIELD_NUMBER_MAX ((1u << 29) - 1)

/* Reads a varint at ${p} and returns what is behind it; NULL when it is cut off or has more than 64 bits. */
static const uint8_t *
varint_at(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;

	if (p < end && *p < 0x80) {		/* most are one byte, or two */
		*ret = *p;
		return p + 1;
	}
	if (end - p >= 2 && p[1] < 0x80) {
		*ret = (uint64_t)p[1] << 7 | (p[0] & 0x7f);
		return p + 2;
	}
	for (unsigned i = 0; p < end && i < VARINT_BYTES_MAX; ++i, ++p) {
		if (i == VARINT_BYTES_MAX - 1 && *p > 1)
			return NULL;
		v |= (uint64_t)(*p & 0x7f) << (7 * i);
		if (*p < 0x80) {
			*ret = v;
			return p + 1;
		}
	}
	return NULL;
}

static const uint8_t *
fixed_at(const uint8_t *p, const uint8_t *end, unsigned len, uint64_t *ret)
{
	uint64_t v = 0;

	if ((size_t)(end - p) < len)
		return NULL;
	for (unsigned i = len; i > 0; --i)
		v = v << 8 | p[i - 1];
	*ret = v;
	return p + len;
}

static const uint8_t *
bytes_at(const uint8_t *p, const uint8_t *end, struct bytes *ret)
{
	uint64_t len;

	p = varint_at(p, end, &len);
	if (p == NULL || len > (size_t)(end - p))
		return NULL;
	*ret = bytes_of(p, (size_t)len);
	return p + len;
}

bool
field_take_varint(struct bytes *rest, uint64_t *ret)
{
	if (rest->len == 0)
		return false;
	const uint8_t *end = rest->data + rest->len, *p = varint_at(rest->data, end, ret);
	if (p == NULL)
		return false;
	*rest = bytes_of(p, (size_t)(end - p));
	return true;
}

bool
field_next_any(struct bytes *rest, struct field *ret, bool *ret_malformed)
{
	uint64_t tag;

	*ret_malformed = rest->len > 0;
	if (rest->len == 0)
		return false;
	const uint8_t *end = rest->data + rest->len, *p = varint_at(rest->data, end, &tag);
	if (p == NULL || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
		return false;

	ret->value = 0;
	ret->bytes = bytes_of(NULL, 0);
	switch (tag & 7) {
	case WIRE_VARINT: p = varint_at(p, end, &ret->value); break;
	case WIRE_FIXED64: p = fixed_at(p, end, 8, &ret->value); break;
	case WIRE_FIXED32: p = fixed_at(p, end, 4, &ret->value); break;
	case WIRE_BYTES: p = bytes_at(p, end, &ret->bytes); break;
	default: p = NULL; break;		/* groups, and types that do not exist */
	}
	if (p == NULL)
		return false;
	ret->number = (uint32_t)(tag >> 3);
	ret->type = (enum wire_type)(tag & 7);
	*rest = bytes_of(p, (size_t)(end - p));
	*ret_malformed = false;
	return true;
}

/* The bytes of the UTF-8 character at p, or 0; a table of RFC 3629 section 4. */
static size_t
utf8_character(const uint8_t *p, size_t len)
{
	static const struct { uint8_t first_min, first_max, second_min, second_max, len; } rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
		if (p[0] < rows[i].first_min || p[0] > rows[i].first_max)
			continue;
		if (len < rows[i].len || p[1] < rows[i].second_min || p[1] > rows[i].second_max)
			return 0;
		for (size_t k = 2; k < rows[i].len; ++k)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

/* The leading bytes that are ASCII and no NUL, by eights: the first of any others is looked at by itself. */
static size_t
ascii_bytes(struct bytes text)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t eight;
	size_t i = 0;

	for (; i + sizeof(eight) <= text.len; i += sizeof(eight)) {
		memcpy(&eight, text.data + i, sizeof(eight));
		if (((eight | (eight - ones)) & tops) != 0)		/* a top bit, or one that a byte of zero has borrowed */
			break;
	}
	return i;
}

bool
field_text_valid(struct bytes text)
{
	for (size_t i = ascii_bytes(text); i < text.len;) {
		if (text.data[i] < 0x80) {
			if (text.data[i] == 0)
				return false;
			++i;
			continue;
		}
		size_t n = utf8_character(text.data + i, text.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static size_t
make_varint(uint8_t p[static VARINT_BYTES_MAX], uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

static size_t
make_tag(uint8_t p[static VARINT_BYTES_MAX], uint32_t number, enum wire_type type)
{
	return make_varint(p, (uint64_t)number << 3 | (uint64_t)type);
}

void
field_put_uint(struct buf *out, uint32_t number, uint64_t v)
{
	uint8_t *p = buf_room(out, 2 * VARINT_BYTES_MAX);

	if (p == NULL)
		return;
	size_t n = make_tag(p, number, WIRE_VARINT);
	out->len += n + make_varint(p + n, v);
}

void
field_put_sint(struct buf *out, uint32_t number, int64_t v)
{
	field_put_uint(out, number, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

void
field_put_fixed(struct buf *out, uint32_t number, int64_t v)
{
	uint8_t *p = buf_room(out, VARINT_BYTES_MAX + 8);

	if (p == NULL)
		return;
	size_t n = make_tag(p, number, WIRE_FIXED64);
	for (unsigned i = 0; i < 8; ++i)
		p[n++] = (uint8_t)((uint64_t)v >> (8 * i));
	out->len += n;
}

void
field_put_bytes(struct buf *out, uint32_t number, struct bytes v)
{
	uint8_t *p = buf_room(out, 2 * VARINT_BYTES_MAX);

	if (p == NULL)
		return;
	size_t n = make_tag(p, number, WIRE_BYTES);
	out->len += n + make_varint(p + n, v.len);
	buf_put(out, v.data, v.len);
}

void
field_put_text(struct buf *out, uint32_t number, const char *v)
{
	field_put_bytes(out, number, bytes_of(v, strlen(v)));
}

size_t
field_begin(struct buf *out, uint32_t number)
{
	uint8_t *p = buf_room(out, VARINT_BYTES_MAX + 1);

	if (p == NULL)
		return 0;
	size_t n = make_tag(p, number, WIRE_BYTES);
	p[n++] = 0;
	out->len += n;
	return out->len;
}

void
field_end(struct buf *out, size_t begun)
{
	uint8_t p[VARINT_BYTES_MAX];

	if (out->failed)
		return;
	assert(begun > 0 && begun <= out->len);
	size_t len = out->len - begun, n = make_varint(p, len);
	if (n > 1) {
		buf_put(out, p, n - 1);		/* room; what is in it is overwritten */
		if (out->failed)
			return;
		memmove(out->data + begun + n - 1, out->data + begun, len);
	}
	memcpy(out->data + begun - 1, p, n);
}
