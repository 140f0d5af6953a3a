/* What the descriptors do not say by themselves: the exceptions of text_message.h, and where a message keeps its fields. */
#include "codec/text_message.h"

#include <assert.h>
#include <string.h>

#include "fealty.pb-c.h"
#include "ledger.pb-c.h"
#include "program.pb-c.h"

const ProtobufCMessageDescriptor *
text_descriptor(enum codec_message message)
{
	switch (message) {
	case CODEC_REQUEST: return &fealty__v1__request__descriptor;
	case CODEC_BATCH: return &fealty__v1__batch__descriptor;
	case CODEC_BATCH_RESPONSE: return &fealty__v1__batch_response__descriptor;
	case CODEC_RESPONSE: return &fealty__v1__response__descriptor;
	case CODEC_PROGRAM: return &fealty__program__v1__program__descriptor;
	case CODEC_TRANSACTION: return &fealty__ledger__v1__transaction__descriptor;
	case CODEC_SIGNED_TRANSACTION: return &fealty__ledger__v1__signed_transaction__descriptor;
	case CODEC_EVENT: return &fealty__v1__event__descriptor;
	}
	assert(false);
	return NULL;
}

bool
text_is_request(const ProtobufCMessageDescriptor *descriptor)
{
	return descriptor == &fealty__v1__request__descriptor;
}

bool
text_is_word(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field)
{
	if (!text_in_oneof(field) || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	const ProtobufCMessageDescriptor *member = field->descriptor;
	return member->n_fields == 0 && strcmp(descriptor->package_name, fealty__program__v1__program__descriptor.package_name) == 0;
}

const ProtobufCMessageDescriptor *
text_nested(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field)
{
	if (descriptor == &fealty__ledger__v1__publish__descriptor && strcmp(field->name, "definition") == 0)
		return &fealty__program__v1__program__descriptor;
	if (descriptor == &fealty__ledger__v1__signed_transaction__descriptor && strcmp(field->name, "transaction") == 0)
		return &fealty__ledger__v1__transaction__descriptor;
	return NULL;
}

bool
text_is_map(const ProtobufCFieldDescriptor *field)
{
	return field->descriptor == &fealty__v1__counter_row__descriptor || field->descriptor == &fealty__v1__remainder_row__descriptor ||
	    field->descriptor == &fealty__v1__membership_row__descriptor || field->descriptor == &fealty__v1__membership_until_row__descriptor;
}

const char *
text_op_name(const ProtobufCFieldDescriptor *field)
{
	if (!text_in_oneof(field))
		return NULL;
	return strcmp(field->name, "show_program") == 0 ? "program" : field->name;
}

/* ---- fields in memory ---- */

size_t
text_value_bytes(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	}
	assert(false);
	return 0;
}

size_t
text_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const void *quantifier = text_quantifier(message, field);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier;
	if (text_in_oneof(field))
		return *(const uint32_t *)quantifier == field->id;
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)text_slot(message, field) != NULL;
	return *(const protobuf_c_boolean *)quantifier != 0;
}

const void *
text_value(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t i)
{
	assert(i < text_count(message, field));
	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return text_slot(message, field);
	return *(char *const *)text_slot(message, field) + i * text_value_bytes(field);
}
