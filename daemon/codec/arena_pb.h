/* arena_pb.h: protobuf-c over an arena and a buf.  Internal to codec/. */
#ifndef FEALTY_CODEC_ARENA_PB_H
#define FEALTY_CODEC_ARENA_PB_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/bytes.h"

/**
 * An allocator that takes from an arena and gives nothing back: whoever resets the arena frees all.  `failed` sticks, so that after a
 * NULL from protobuf-c one can tell a message beyond the budget from a malformed one.  It must not move while it is in use.
 */
struct arena_pb {
	ProtobufCAllocator allocator;
	struct arena *arena;
	bool failed;
};
void arena_pb_init(struct arena_pb *a, struct arena *arena);

/**
 * arena_pb_unpack(descriptor, bytes, arena, ret_message):
 * The message lives in ${arena}; never free it.  Neither texts, enums nor unknown fields are checked (scan.h does that).
 * Errors: ST_INVALID, not such a message; ST_NOMEM, beyond the budget.
 */
enum status arena_pb_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena,
    ProtobufCMessage **ret_message) MUST_CHECK;

/* Appends the message's bytes; failure sticks in ${out}. */
void arena_pb_pack(const ProtobufCMessage *message, struct buf *out);

/* The message's bytes in ${arena}. ST_NOMEM. */
enum status arena_pb_pack_in(const ProtobufCMessage *message, struct arena *arena, struct bytes *ret_bytes) MUST_CHECK;

#endif
