/* Message types do not recur, so descending a message may recurse.  Keys are the descriptors' names, which outlive everything,
 * or the message's own. */
#include "codec/text_message.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "ledger/calendar.h"

static enum status write_message(struct arena *arena, const ProtobufCMessage *message, struct text_node **ret_node);

/* ---- scalars ---- */

static enum status
write_copy(struct arena *arena, enum text_kind kind, const char *text, struct text_node **ret_node)
{
	const char *copy = arena_strdup(arena, text);

	*ret_node = copy == NULL ? NULL : text_node_new(arena, kind, copy);
	return *ret_node == NULL ? ST_NOMEM : ST_OK;
}

static enum status
write_borrowed(struct arena *arena, enum text_kind kind, const char *text, struct text_node **ret_node)
{
	*ret_node = text_node_new(arena, kind, text);
	return *ret_node == NULL ? ST_NOMEM : ST_OK;
}

static enum status
write_uint(struct arena *arena, uint64_t v, struct text_node **ret_node)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return write_copy(arena, v < TEXT_NUMBER_MAX ? TEXT_BARE : TEXT_STRING, text, ret_node);
}

static enum status
write_int(struct arena *arena, int64_t v, struct text_node **ret_node)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	return write_copy(arena, TEXT_STRING, text, ret_node);
}

static enum status
write_enum(struct arena *arena, const ProtobufCEnumDescriptor *descriptor, int v, struct text_node **ret_node)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(descriptor, v);
	char text[16];

	if (value != NULL)
		return write_borrowed(arena, TEXT_STRING, value->name, ret_node);
	snprintf(text, sizeof(text), "%d", v);		/* a word that a newer program knows */
	return write_copy(arena, TEXT_BARE, text, ret_node);
}

static enum status
write_hex(struct arena *arena, const ProtobufCBinaryData *data, struct text_node **ret_node)
{
	static const char digits[] = "0123456789abcdef";
	char *text = data->len > SIZE_MAX / 4 ? NULL : arena_alloc(arena, data->len * 2 + 1);

	if (text == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < data->len; i++) {
		text[2 * i] = digits[data->data[i] >> 4];
		text[2 * i + 1] = digits[data->data[i] & 15];
	}
	return write_borrowed(arena, TEXT_STRING, text, ret_node);
}

/* The message inside if it is one, else the bytes. */
static enum status
write_bytes(struct arena *arena, const ProtobufCMessageDescriptor *nested, const ProtobufCBinaryData *data, struct text_node **ret_node)
{
	ProtobufCMessage *message = NULL;

	if (nested == NULL)
		return write_hex(arena, data, ret_node);
	enum status st = arena_pb_unpack(nested, bytes_of(data->data, data->len), arena, &message);
	if (st == ST_INVALID)
		return write_hex(arena, data, ret_node);
	return st != ST_OK ? st : write_message(arena, message, ret_node);
}

static enum status
write_value(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field, const void *value,
    struct text_node **ret_node)
{
	char text[INSTANT_TEXT_BYTES > DAY_TEXT_BYTES ? INSTANT_TEXT_BYTES : DAY_TEXT_BYTES];

	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE: return write_message(arena, *(const ProtobufCMessage *const *)value, ret_node);
	case PROTOBUF_C_TYPE_STRING: return write_borrowed(arena, TEXT_STRING, *(const char *const *)value, ret_node);
	case PROTOBUF_C_TYPE_BYTES: return write_bytes(arena, text_nested(descriptor, field), value, ret_node);
	case PROTOBUF_C_TYPE_BOOL: return write_borrowed(arena, TEXT_BARE, *(const protobuf_c_boolean *)value ? "true" : "false", ret_node);
	case PROTOBUF_C_TYPE_ENUM: return write_enum(arena, field->descriptor, *(const int *)value, ret_node);
	case PROTOBUF_C_TYPE_SINT32: return write_copy(arena, TEXT_STRING, day_format(*(const int32_t *)value, text), ret_node);
	case PROTOBUF_C_TYPE_SFIXED64: return write_copy(arena, TEXT_STRING, instant_format(*(const int64_t *)value, text), ret_node);
	case PROTOBUF_C_TYPE_SINT64: return write_int(arena, *(const int64_t *)value, ret_node);
	case PROTOBUF_C_TYPE_UINT64: return write_uint(arena, *(const uint64_t *)value, ret_node);
	case PROTOBUF_C_TYPE_UINT32: return write_uint(arena, *(const uint32_t *)value, ret_node);
	case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_INT64: case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_FLOAT: case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	assert(false);		/* a type that the conventions of ledger.proto do not have */
	return ST_INVALID;
}

/* ---- fields ---- */

/* A row without a value says nothing. */
static enum status
write_rows(struct arena *arena, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, struct text_node *rows)
{
	for (size_t i = 0; i < text_count(message, field); i++) {
		const ProtobufCMessage *row = *(ProtobufCMessage *const *)text_value(message, field, i);
		const ProtobufCFieldDescriptor *name = &row->descriptor->fields[0], *value = &row->descriptor->fields[1];
		struct text_node *node;

		if (text_count(row, value) == 0)
			continue;
		enum status st = write_value(arena, row->descriptor, value, text_value(row, value, 0), &node);
		if (st != ST_OK)
			return st;
		text_node_add(rows, text_count(row, name) == 0 ? "" : *(const char *const *)text_value(row, name, 0), node);
	}
	return ST_OK;
}

static enum status
write_field(struct arena *arena, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, struct text_node *map)
{
	bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
	size_t n = text_count(message, field);
	struct text_node *list = NULL;

	if (n > 0 && repeated) {
		list = text_node_new(arena, text_is_map(field) ? TEXT_MAP : TEXT_LIST, NULL);
		if (list == NULL)
			return ST_NOMEM;
		text_node_add(map, field->name, list);
		if (text_is_map(field))
			return write_rows(arena, message, field, list);
	}
	for (size_t i = 0; i < n; i++) {
		struct text_node *node;
		enum status st = write_value(arena, message->descriptor, field, text_value(message, field, i), &node);

		if (st != ST_OK)
			return st;
		text_node_add(repeated ? list : map, repeated ? NULL : field->name, node);
	}
	return ST_OK;
}

static enum status
write_fields(struct arena *arena, const ProtobufCMessage *message, struct text_node *map)
{
	enum status st = ST_OK;

	for (unsigned i = 0; i < message->descriptor->n_fields && st == ST_OK; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (!text_is_request(message->descriptor) || !text_in_oneof(field))
			st = write_field(arena, message, field, map);
	}
	return st;
}

/* The only thing set in a message, when it may be written as a word. */
static const char *
word_of(const ProtobufCMessage *message)
{
	const char *word = NULL;

	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (text_count(message, field) == 0)
			continue;
		if (word != NULL || !text_is_word(message->descriptor, field))
			return NULL;
		word = field->name;
	}
	return word;
}

static enum status
write_request(struct arena *arena, const ProtobufCMessage *request, struct text_node *map)
{
	for (unsigned i = 0; i < request->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &request->descriptor->fields[i];

		if (!text_in_oneof(field) || text_count(request, field) == 0)
			continue;
		struct text_node *op = text_node_new(arena, TEXT_STRING, text_op_name(field));
		if (op == NULL)
			return ST_NOMEM;
		text_node_add(map, "op", op);
		enum status st = write_fields(arena, request, map);
		return st != ST_OK ? st : write_fields(arena, *(ProtobufCMessage *const *)text_value(request, field, 0), map);
	}
	return write_fields(arena, request, map);
}

static enum status
write_message(struct arena *arena, const ProtobufCMessage *message, struct text_node **ret_node)
{
	const char *word = word_of(message);

	if (word != NULL)
		return write_borrowed(arena, TEXT_STRING, word, ret_node);
	struct text_node *map = text_node_new(arena, TEXT_MAP, NULL);
	if (map == NULL)
		return ST_NOMEM;
	*ret_node = map;
	return text_is_request(message->descriptor) ? write_request(arena, message, map) : write_fields(arena, message, map);
}

enum status
text_write(const ProtobufCMessage *message, struct arena *arena, struct text_node **ret_root)
{
	return write_message(arena, message, ret_root);
}
