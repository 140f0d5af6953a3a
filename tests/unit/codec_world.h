/* codec_world.h: what the codec's tests share: memory, a seeded generator, and the check of bytes against the generated code. */
#ifndef FEALTY_TESTS_CODEC_WORLD_H
#define FEALTY_TESTS_CODEC_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <protobuf-c/protobuf-c.h>

#include "codec/codec.h"

#define BUDGET_BYTES ((size_t)16 * 1024 * 1024)

struct world {
	struct arena arena;
	struct buf out;
	uint64_t seed;
};

static inline int
world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	arena_init(&w->arena, BUDGET_BYTES);
	buf_init(&w->out);
	w->seed = 20260312;
	*state = w;
	return 0;
}

static inline int
world_teardown(void **state)
{
	struct world *w = *state;

	arena_release(&w->arena);
	buf_release(&w->out);
	free(w);
	return 0;
}

static inline void
world_clear(struct world *w)
{
	arena_reset(&w->arena);
	buf_clear(&w->out);
}

/* splitmix64 */
static inline uint64_t
any(struct world *w)
{
	uint64_t z = w->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t
below(struct world *w, uint64_t n)
{
	return any(w) % n;
}

/* A copy on the heap, of exactly its length, so that a sanitizer sees a read beyond it. */
static inline struct bytes
heap_copy(struct bytes b)
{
	uint8_t *p = malloc(b.len == 0 ? 1 : b.len);

	assert_non_null(p);
	if (b.len > 0)
		memcpy(p, b.data, b.len);
	return bytes_of(p, b.len);
}

static inline void
heap_free(struct bytes b)
{
	free((void *)(uintptr_t)b.data);
}

/* Changes a copy in 1 to 4 places: a bit, a byte, the end cut off, or a piece doubled. */
static inline struct bytes
mutated(struct world *w, struct bytes b)
{
	uint8_t *p = malloc(b.len * 2 + 1);
	size_t len = b.len;

	assert_non_null(p);
	if (len > 0)
		memcpy(p, b.data, len);
	for (uint64_t i = 0, n = 1 + below(w, 4); i < n && len > 0; ++i) {
		size_t at = (size_t)below(w, len);
		switch (below(w, 8)) {
		case 0: len = at; break;
		case 1: case 2: p[at] = (uint8_t)any(w); break;
		case 3:
			if (len < b.len) {
				memmove(p + at + 1, p + at, len - at);
				len++;
			}
			break;
		default: p[at] ^= (uint8_t)(1u << below(w, 8)); break;
		}
	}
	struct bytes ret = heap_copy(bytes_of(p, len));
	free(p);
	return ret;
}

static inline void
assert_no_unknown(const ProtobufCMessage *m)
{
	assert_int_equal(m->n_unknown_fields, 0);
	for (unsigned i = 0; i < m->descriptor->n_fields; ++i) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const void *at = (const char *)m + f->offset, *quantifier = (const char *)m + f->quantifier_offset;
		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			for (size_t k = 0; k < *(const size_t *)quantifier; ++k)
				assert_no_unknown((*(ProtobufCMessage *const *const *)at)[k]);
		} else if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
			if (*(const uint32_t *)quantifier == f->id)
				assert_no_unknown(*(const ProtobufCMessage *const *)at);
		} else if (*(const ProtobufCMessage *const *)at != NULL) {
			assert_no_unknown(*(const ProtobufCMessage *const *)at);
		}
	}
}

/* The generated code reads every field by its number and type, and packs the same bytes.  Returns the message, for free_unpacked(). */
static inline ProtobufCMessage *
assert_as_generated(const ProtobufCMessageDescriptor *type, struct bytes b)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, b.len, b.data);

	assert_non_null(m);
	assert_no_unknown(m);
	size_t len = protobuf_c_message_get_packed_size(m);
	assert_int_equal(len, b.len);
	uint8_t *again = malloc(len + 1);
	assert_non_null(again);
	assert_int_equal(protobuf_c_message_pack(m, again), len);
	assert_memory_equal(again, b.data, len);
	free(again);
	return m;
}

#endif
