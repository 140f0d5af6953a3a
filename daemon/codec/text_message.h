/**
 * text_message.h: trees to protobuf messages and back, driven by the messages' descriptors.  Internal to codec/.
 *
 * One rule for each type, whatever the message: enum by its value's name; sfixed64 an instant (RFC 3339); sint32 a date; other integers in
 * decimal; bool true or false; bytes in lower-case hex; string as it is, in JSON a number too, by its digits.  And five exceptions:
 * - In program.proto a oneof's member without fields may be written as a word: `expiry: never`.
 * - A Request is flat: `op` names the oneof's member, and the member's fields stand beside the Request's own.  In `publish` the definition
 *   may also be a map under `program`.
 * - A Batch may say `op: batch`.
 * - bytes that hold a message (text_nested()) are a map, or hex when they do not hold one.
 * - A list of rows that are a name and a value (text_is_map()) is a map: `counters: {nights: 3}`.
 */
#ifndef FEALTY_CODEC_TEXT_MESSAGE_H
#define FEALTY_CODEC_TEXT_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "codec/text_node.h"

/* The message, in ${arena}, borrowing the tree's texts.  ST_INVALID with *${ret_error}; ST_NOMEM. */
enum status text_read(const struct text_node *root, const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
    ProtobufCMessage **ret_message, struct text_error *ret_error) MUST_CHECK;

/* The same, with what is wrong with other keys as well, up to ${max}, in the order of the text; *${ret_n} of ${errors} are written with ST_INVALID. */
enum status text_read_all(const struct text_node *root, const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
    ProtobufCMessage **ret_message, struct text_error *errors, size_t max, size_t *ret_n) MUST_CHECK;

/* The tree, in ${arena}, borrowing the message's texts: what is set, in the order of field numbers.  ST_NOMEM. */
enum status text_write(const ProtobufCMessage *message, struct arena *arena, struct text_node **ret_root) MUST_CHECK;

/* ---- what both directions and program_def.c ask ---- */

const ProtobufCMessageDescriptor *text_descriptor(enum codec_message message);
bool text_is_request(const ProtobufCMessageDescriptor *descriptor);
/* Whether the member may be written as a word. */
bool text_is_word(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field);
/* The message that a bytes field holds; NULL: none. */
const ProtobufCMessageDescriptor *text_nested(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field);
/* Whether the field's rows are a map: their first field names their second. */
bool text_is_map(const ProtobufCFieldDescriptor *field);
/* A Request's oneof member as `op` calls it; NULL: no member of the oneof. */
const char *text_op_name(const ProtobufCFieldDescriptor *field);

static inline bool
text_in_oneof(const ProtobufCFieldDescriptor *field)
{
	return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* Where a message keeps a field: its value (for a list: the pointer to its elements), and has_, n_ or the oneof's case. */
static inline void *
text_slot(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (char *)(uintptr_t)message + field->offset;
}
static inline void *
text_quantifier(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (char *)(uintptr_t)message + field->quantifier_offset;
}

/* Elements of a list; 1 or 0 otherwise. */
size_t text_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
/* The bytes of one value of a field in memory. */
size_t text_value_bytes(const ProtobufCFieldDescriptor *field);
/* The value, or the ${i}th of a list. */
const void *text_value(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t i);

#endif
