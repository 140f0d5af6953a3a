/**
 * ledger_reader.h: reading messages of ledger.proto by hand, for transaction_decode.c and facts_decode.c.  Nobody else includes it.
 * The first failure sticks to the reader; a message is read to its end whatever it holds.
 */
#ifndef FEALTY_CODEC_LEDGER_READER_H
#define FEALTY_CODEC_LEDGER_READER_H

#include <string.h>

#include "codec/codec.h"
#include "codec/field.h"
#include "codec/ledger_fields.h"

struct reader {
	struct arena *arena;
	enum status status;		/* the first failure sticks */
};

static inline void
fail(struct reader *r, enum status st)
{
	if (r->status == ST_OK)
		r->status = st;
}

/* One message while it is read: ${singular} has bit n for each field n that may stand once; seen() knows of these only. */
struct message {
	struct reader *r;
	struct bytes rest;
	uint64_t singular, seen;
	struct field f;
};
#define FIELDS(first, last) ((UINT64_C(2) << (last)) - (UINT64_C(1) << (first)))

static inline struct message
message_of(struct reader *r, struct bytes body, uint64_t singular)
{
	return (struct message){ .r = r, .rest = body, .singular = singular };
}

/* The number of the next field, 0 at the end. */
static inline uint32_t
next(struct message *m)
{
	bool malformed;

	if (m->r->status != ST_OK)
		return 0;
	if (!field_next(&m->rest, &m->f, &malformed)) {
		if (malformed)
			fail(m->r, ST_CORRUPT);
		return 0;
	}
	uint64_t bit = m->f.number < 64 ? UINT64_C(1) << m->f.number & m->singular : 0;
	if ((bit & m->seen) != 0)
		fail(m->r, ST_CORRUPT);
	m->seen |= bit;
	return m->r->status == ST_OK ? m->f.number : 0;
}

static inline bool
seen(const struct message *m, uint32_t number)
{
	return (m->seen >> number & 1) != 0;
}

/* ---- values: each fails when the field is of another type or out of range ---- */

static inline bool
is(struct message *m, enum wire_type type)
{
	if (m->f.type == type)
		return true;
	fail(m->r, ST_CORRUPT);
	return false;
}

static inline uint64_t
get_uint(struct message *m, uint64_t max)
{
	if (!is(m, WIRE_VARINT))
		return 0;
	if (m->f.value > max)
		fail(m->r, ST_CORRUPT);
	return m->f.value <= max ? m->f.value : 0;
}

static inline uint32_t
get_u32(struct message *m)
{
	return (uint32_t)get_uint(m, UINT32_MAX);
}

static inline bool
get_bool(struct message *m)
{
	return get_uint(m, 1) != 0;
}

static inline int64_t
get_sint(struct message *m)
{
	return is(m, WIRE_VARINT) ? field_unzigzag(m->f.value) : 0;
}

/* ${absent} is what a day is when the field is not there, so it is never written. */
static inline int32_t
get_day(struct message *m, int32_t absent)
{
	int64_t v = field_unzigzag(get_uint(m, UINT32_MAX));

	if (v == absent)
		fail(m->r, ST_CORRUPT);
	return (int32_t)v;
}

static inline int64_t
get_fixed(struct message *m)
{
	return is(m, WIRE_FIXED64) ? (int64_t)m->f.value : 0;
}

static inline struct bytes
get_bytes(struct message *m)
{
	return is(m, WIRE_BYTES) ? m->f.bytes : bytes_of(NULL, 0);
}

static inline void
get_exactly(struct message *m, uint8_t *ret, size_t len)
{
	struct bytes b = get_bytes(m);

	if (b.len == len)
		memcpy(ret, b.data, len);
	else
		fail(m->r, ST_CORRUPT);
}

static inline const char *
get_text(struct message *m)
{
	struct bytes b = get_bytes(m);

	if (!field_text_valid(b)) {
		fail(m->r, ST_CORRUPT);
		return "";
	}
	char *text = arena_memdup(m->r->arena, b.data, b.len);
	if (text == NULL) {
		fail(m->r, ST_NOMEM);
		return "";
	}
	return text;
}

static inline void
get_word_of(struct message *m, char *ret, size_t size)
{
	struct bytes b = get_bytes(m);

	if (b.len >= size || !field_text_valid(b)) {
		fail(m->r, ST_CORRUPT);
		return;
	}
	if (b.len > 0)
		memcpy(ret, b.data, b.len);
	ret[b.len] = '\0';
}

static inline void
get_word(struct message *m, char ret[static LEDGER_ID_MAX + 1])
{
	get_word_of(m, ret, LEDGER_ID_MAX + 1);
}

static inline struct entry_id
get_entry_id(struct message *parent)
{
	struct entry_id id = { 0 };
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(ENTRY_ID_SEQ, ENTRY_ID_INDEX));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case ENTRY_ID_SEQ: id.seq = get_uint(&m, UINT64_MAX); break;
		case ENTRY_ID_INDEX: id.index = get_u32(&m); break;
		}
	}
	return id;
}

/* One more zeroed element at the end of an array in the arena; NULL when that failed. */
static inline void *
append(struct reader *r, void **array, size_t *n, size_t *cap, size_t size)
{
	void *grown = arena_grow(r->arena, *array, cap, *n + 1, size);

	if (grown == NULL) {
		fail(r, ST_NOMEM);
		return NULL;
	}
	*array = grown;
	return (char *)grown + (*n)++ * size;		/* arena_grow() has zeroed it */
}

/* Entry.facts. */
void get_facts(struct message *parent, struct entry *e);

#endif
