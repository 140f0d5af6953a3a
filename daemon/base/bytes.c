/* Sticky failures: a run of puts or gets is checked once, at its end, so that no check is forgotten in between. */
#include "base/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

void
buf_init(struct buf *b)
{
	*b = (struct buf){ 0 };
}

void
buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

enum status
buf_status(const struct buf *b)
{
	return b->failed ? ST_NOMEM : ST_OK;
}

struct bytes
buf_bytes(const struct buf *b)
{
	assert(!b->failed);
	return bytes_of(b->data, b->len);
}

static bool
buf_fail(struct buf *b)
{
	b->failed = true;
	b->cap = b->len;
	return false;
}

bool
buf_reserve(struct buf *b, size_t len)
{
	if (b->failed)
		return buf_fail(b);
	if (len <= b->cap - b->len)
		return true;

	size_t cap = b->cap == 0 ? 256 : b->cap;
	while (cap - b->len < len) {
		if (cap > SIZE_MAX / 2)
			return buf_fail(b);
		cap *= 2;
	}
	uint8_t *data = realloc(b->data, cap);
	if (data == NULL)
		return buf_fail(b);
	b->data = data;
	b->cap = cap;
	return true;
}

void
buf_put_be32(struct buf *b, uint32_t v)
{
	uint8_t p[4];

	put_be32(p, v);
	buf_put(b, p, sizeof(p));
}

void
buf_put_be64(struct buf *b, uint64_t v)
{
	uint8_t p[8];

	put_be64(p, v);
	buf_put(b, p, sizeof(p));
}

void
buf_put_varint_long(struct buf *b, uint64_t v)
{
	uint8_t *p = buf_room(b, 10);
	size_t n = 0;

	if (p == NULL)
		return;
	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	b->len += n;
}

void
buf_put_string(struct buf *b, const char *s)
{
	size_t len = s == NULL ? 0 : strlen(s);

	buf_put_varint(b, len);
	buf_put(b, s, len);
}

struct cursor
cursor_of(struct bytes b)
{
	return (struct cursor){ .p = b.data, .end = b.len == 0 ? b.data : b.data + b.len };
}

bool
cursor_ok(const struct cursor *c)
{
	return !c->failed;
}

bool
cursor_done(const struct cursor *c)
{
	return !c->failed && c->p == c->end;
}

static void
cursor_fail(struct cursor *c)
{
	c->failed = true;
	c->p = c->end;
}

struct bytes
cursor_bytes(struct cursor *c, size_t len)
{
	if ((size_t)(c->end - c->p) < len) {
		cursor_fail(c);
		return bytes_of(NULL, 0);
	}
	struct bytes b = bytes_of(c->p, len);
	if (len > 0)
		c->p += len;
	return b;
}

uint32_t
cursor_be32(struct cursor *c)
{
	struct bytes b = cursor_bytes(c, 4);

	return b.len == 4 ? get_be32(b.data) : 0;
}

uint64_t
cursor_be64(struct cursor *c)
{
	struct bytes b = cursor_bytes(c, 8);

	return b.len == 8 ? get_be64(b.data) : 0;
}

uint64_t
cursor_varint_long(struct cursor *c)
{
	const uint8_t *p = c->p, *end = c->end - p > 10 ? p + 10 : c->end;
	uint64_t v = 0;

	for (unsigned shift = 0; p != end; shift += 7) {
		uint8_t byte = *p++;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte >= 0x80)
			continue;
		if (shift == 63 && byte > 1)
			break;
		c->p = p;
		return v;
	}
	cursor_fail(c);
	return 0;
}

uint64_t
cursor_uint_end(struct cursor *c, unsigned len)
{
	struct bytes b = cursor_bytes(c, len);
	uint64_t v = 0;

	for (size_t i = b.len; i > 0; i--)
		v = v << 8 | b.data[i - 1];
	return v;
}

struct bytes
cursor_string(struct cursor *c)
{
	uint64_t len = cursor_varint(c);

	if (len > SIZE_MAX)
		cursor_fail(c);
	return cursor_bytes(c, (size_t)len);
}
