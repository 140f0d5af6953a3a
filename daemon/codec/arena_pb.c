/* Freeing is a no-op: protobuf-c frees what it has built when it fails half-way, and the arena's reset takes all of it back. */
#include "codec/arena_pb.h"

#include <assert.h>

static void *
pb_alloc(void *data, size_t len)
{
	struct arena_pb *a = data;
	void *p = arena_alloc(a->arena, len);

	if (p == NULL)
		a->failed = true;
	return p;
}

static void
pb_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

void
arena_pb_init(struct arena_pb *a, struct arena *arena)
{
	*a = (struct arena_pb){ .allocator = { .alloc = pb_alloc, .free = pb_free, .allocator_data = a }, .arena = arena };
}

enum status
arena_pb_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena, ProtobufCMessage **ret_message)
{
	struct arena_pb a;

	arena_pb_init(&a, arena);
	ProtobufCMessage *m = protobuf_c_message_unpack(descriptor, &a.allocator, bytes.len, bytes.data);
	if (m == NULL)
		return a.failed ? ST_NOMEM : ST_INVALID;
	assert(!a.failed);
	*ret_message = m;
	return ST_OK;
}

struct buf_sink {
	ProtobufCBuffer base;
	struct buf *out;
};

static void
sink_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
	buf_put(((struct buf_sink *)base)->out, data, len);
}

void
arena_pb_pack(const ProtobufCMessage *message, struct buf *out)
{
	struct buf_sink sink = { .base = { .append = sink_append }, .out = out };

	(void)protobuf_c_message_pack_to_buffer(message, &sink.base);
}

enum status
arena_pb_pack_in(const ProtobufCMessage *message, struct arena *arena, struct bytes *ret_bytes)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *data = arena_alloc(arena, len);

	if (data == NULL)
		return ST_NOMEM;
	size_t packed = protobuf_c_message_pack(message, data);
	assert(packed == len);
	*ret_bytes = bytes_of(data, packed);
	return ST_OK;
}
