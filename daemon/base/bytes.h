/* bytes.h: borrowed byte strings, a growing buffer, and big-endian and varint integers.  Pure. */
#ifndef FEALTY_BASE_BYTES_H
#define FEALTY_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

/* Borrowed: whoever hands it out says how long it lives.  data may be NULL when len is 0. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

static inline struct bytes
bytes_of(const void *data, size_t len)
{
	return (struct bytes){ .data = data, .len = len };
}

bool bytes_equal(struct bytes a, struct bytes b);

static inline void
put_be32(uint8_t p[static 4], uint32_t v)
{
	p[0] = (uint8_t)(v >> 24); p[1] = (uint8_t)(v >> 16); p[2] = (uint8_t)(v >> 8); p[3] = (uint8_t)v;
}
static inline void
put_be64(uint8_t p[static 8], uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}
static inline uint32_t
get_be32(const uint8_t p[static 4])
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t
get_be64(const uint8_t p[static 8])
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

/* Small numbers of either sign as small ones without. */
static inline uint64_t
zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}
static inline int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}
/* Bytes that a number needs: 0 to 8. */
static inline unsigned
uint_bytes(uint64_t v)
{
	return v == 0 ? 0 : 8u - (unsigned)__builtin_clzll(v) / 8;
}

/**
 * A buffer on the heap that grows.  The first allocation that fails sticks: later writes do nothing and buf_status() says
 * ST_NOMEM, so that a writer checks once at its end.  data is owned by the buffer and moves when it grows.  One that failed has no room
 * left, so that a write asks for nothing but room.
 */
struct buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};
void buf_init(struct buf *b);
void buf_release(struct buf *b);
void buf_clear(struct buf *b);		/* keeps the memory */
enum status buf_status(const struct buf *b) MUST_CHECK;
struct bytes buf_bytes(const struct buf *b);
bool buf_reserve(struct buf *b, size_t len);		/* room for ${len} more bytes; false: failed */
/* Where the next ${len} bytes may be written, before b->len is moved on; NULL: failed. */
static inline uint8_t *
buf_room(struct buf *b, size_t len)
{
	if (len > b->cap - b->len && !buf_reserve(b, len))
		return NULL;
	return b->data + b->len;
}
static inline void
buf_put(struct buf *b, const void *data, size_t len)
{
	uint8_t *p = len == 0 ? NULL : buf_room(b, len);

	if (p != NULL) {
		memcpy(p, data, len);
		b->len += len;
	}
}
static inline void
buf_put_u8(struct buf *b, uint8_t v)
{
	uint8_t *p = buf_room(b, 1);

	if (p != NULL) {
		*p = v;
		b->len++;
	}
}
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);
void buf_put_varint_long(struct buf *b, uint64_t v);	/* buf_put_varint() of more than one byte */
static inline void
buf_put_varint(struct buf *b, uint64_t v)
{
	if (v < 0x80)
		buf_put_u8(b, (uint8_t)v);
	else
		buf_put_varint_long(b, v);
}
static inline void
buf_put_svarint(struct buf *b, int64_t v)		/* zigzag */
{
	buf_put_varint(b, zigzag(v));
}
/* The low ${len} bytes, at most 8, in little-endian order; whoever reads them must know how many. */
static inline void
buf_put_uint(struct buf *b, uint64_t v, unsigned len)
{
	uint8_t *p = buf_room(b, sizeof(v));

	if (p != NULL) {
		v = htole64(v);
		memcpy(p, &v, sizeof(v));
		b->len += len;
	}
}
void buf_put_string(struct buf *b, const char *s);	/* varint length, then bytes without NUL; NULL as "" */

/**
 * A cursor over borrowed bytes.  Reading past the end sticks: later reads give zeros and cursor_ok() is false, so that a reader
 * checks once at its end.  One that failed stands at its end, so that a read asks for nothing but bytes.
 */
struct cursor {
	const uint8_t *p, *end;
	bool failed;
};
struct cursor cursor_of(struct bytes b);
bool cursor_ok(const struct cursor *c);			/* nothing failed */
bool cursor_done(const struct cursor *c);		/* nothing failed and nothing left */
static inline uint8_t
cursor_u8(struct cursor *c)
{
	if (c->p == c->end) {
		c->failed = true;
		return 0;
	}
	return *c->p++;
}
uint32_t cursor_be32(struct cursor *c);
uint64_t cursor_be64(struct cursor *c);
uint64_t cursor_varint_long(struct cursor *c);		/* cursor_varint() of more than one byte */
static inline uint64_t
cursor_varint(struct cursor *c)
{
	if (c->p != c->end && *c->p < 0x80)
		return *c->p++;
	return cursor_varint_long(c);
}
static inline int64_t
cursor_svarint(struct cursor *c)
{
	return unzigzag(cursor_varint(c));
}
uint64_t cursor_uint_end(struct cursor *c, unsigned len);	/* cursor_uint() near the end */
/* A number as buf_put_uint() wrote it. */
static inline uint64_t
cursor_uint(struct cursor *c, unsigned len)
{
	uint64_t v;

	if ((size_t)(c->end - c->p) < sizeof(v))
		return cursor_uint_end(c, len);
	memcpy(&v, c->p, sizeof(v));
	c->p += len;
	return len < sizeof(v) ? le64toh(v) & ((UINT64_C(1) << 8 * len) - 1) : le64toh(v);
}
struct bytes cursor_bytes(struct cursor *c, size_t len);
struct bytes cursor_string(struct cursor *c);		/* as buf_put_string wrote it; no NUL at its end */

#endif
