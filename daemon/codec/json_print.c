/**
 * JSON from a message's bytes.  Replies leave by the million, so bytes that are as our own writer makes them, fields in the order of their
 * numbers and none twice, are printed as they are read.  Whatever is not like that (a oneof, a message in `bytes`, another order, a group)
 * is left to the tree, which prints what protobuf-c understands of it; both give the same text.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "codec/field.h"
#include "codec/text_message.h"
#include "ledger/calendar.h"

/* ---- texts ---- */

static void
put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

static bool
is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* RFC 8259: quotes, backslashes and controls escaped, DEL too; what is not UTF-8 becomes U+FFFD. */
static void
put_string(struct buf *out, const char *text, size_t len)
{
	char escape[8];
	size_t k;

	buf_put_u8(out, '"');
	for (size_t i = 0; i < len; i += k) {
		unsigned char c = (unsigned char)text[i];

		for (k = 0; i + k < len && is_plain(text[i + k]); k++)
			;
		if (k > 0) {
			buf_put(out, text + i, k);
			continue;
		}
		k = text_utf8_bytes(text + i, len - i);
		if (k == 0) {
			put(out, "\ufffd");
			k = 1;
		} else if (c == '"' || c == '\\') {
			buf_put_u8(out, '\\');
			buf_put_u8(out, c);
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", c);
			put(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : escape);
		} else {
			buf_put(out, text + i, k);
		}
	}
	buf_put_u8(out, '"');
}

static void
put_quoted(struct buf *out, const char *text)
{
	put_string(out, text, strlen(text));
}

/* ---- from a tree ---- */

static void
put_break(struct buf *out, bool indent, unsigned depth)
{
	if (!indent)
		return;
	buf_put_u8(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		buf_put_u8(out, '\t');
}

/* As deep as the message: its types do not recur. */
static void
put_node(struct buf *out, const struct text_node *node, bool indent, unsigned depth)
{
	bool map = node->kind == TEXT_MAP;

	assert(node->kind != TEXT_NULL);
	if (node->kind == TEXT_STRING) {
		put_quoted(out, node->text);
		return;
	}
	if (node->kind == TEXT_BARE) {
		put(out, node->text);
		return;
	}
	put(out, map ? "{" : "[");
	for (const struct text_node *child = node->children; child != NULL; child = child->next) {
		put_break(out, indent, depth + 1);
		if (map) {
			put_quoted(out, child->key);
			put(out, indent ? ": " : ":");
		}
		put_node(out, child, indent, depth + 1);
		if (child->next != NULL)
			put(out, ",");
	}
	if (node->children != NULL)
		put_break(out, indent, depth);
	put(out, map ? "}" : "]");
}

static enum status
print_tree(const ProtobufCMessageDescriptor *type, struct bytes bytes, bool indent, struct arena *arena, struct buf *out)
{
	ProtobufCMessage *m = NULL;
	struct text_node *root = NULL;

	enum status st = arena_pb_unpack(type, bytes, arena, &m);
	if (st == ST_OK)
		st = text_write(m, arena, &root);
	if (st != ST_OK)
		return st;
	put_node(out, root, indent, 0);
	return buf_status(out);
}

/* ---- from the bytes: false, when they are for the tree ---- */

static bool stream_message(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes rest);

/* The field of that number that does not come before ${*at}, which moves there; NULL: it would, or is unknown. */
static const ProtobufCFieldDescriptor *
field_from(const ProtobufCMessageDescriptor *type, unsigned *at, uint32_t number)
{
	while (*at < type->n_fields && type->fields[*at].id < number)
		++*at;
	return *at < type->n_fields && type->fields[*at].id == number ? &type->fields[*at] : NULL;
}

static bool
stream_text(struct buf *out, struct bytes text)
{
	if (text.len > 0 && memchr(text.data, 0, text.len) != NULL)
		return false;
	put_string(out, (const char *)text.data, text.len);
	return true;
}

static bool
stream_bytes(struct buf *out, struct bytes v)
{
	static const char digits[] = "0123456789abcdef";

	buf_put_u8(out, '"');
	for (size_t i = 0; i < v.len; i++) {
		buf_put_u8(out, (uint8_t)digits[v.data[i] >> 4]);
		buf_put_u8(out, (uint8_t)digits[v.data[i] & 15]);
	}
	buf_put_u8(out, '"');
	return true;
}

static bool
stream_uint(struct buf *out, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);
	bool exact = v < TEXT_NUMBER_MAX;

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (!exact)
		buf_put_u8(out, '"');
	buf_put(out, digits + at, sizeof(digits) - at);
	if (!exact)
		buf_put_u8(out, '"');
	return true;
}

static bool
stream_enum(struct buf *out, const ProtobufCEnumDescriptor *type, uint64_t v)
{
	const ProtobufCEnumValue *value = v > INT32_MAX ? NULL : protobuf_c_enum_descriptor_get_value(type, (int)v);

	if (value != NULL)
		put_quoted(out, value->name);
	return value != NULL;
}

static bool
stream_day(struct buf *out, uint64_t v)
{
	char text[DAY_TEXT_BYTES];

	if (v > UINT32_MAX)
		return false;
	put_quoted(out, day_format((int32_t)field_unzigzag(v), text));
	return true;
}

static bool
stream_instant(struct buf *out, uint64_t v)
{
	char text[INSTANT_TEXT_BYTES];

	put_quoted(out, instant_format((int64_t)v, text));
	return true;
}

static bool
stream_int(struct buf *out, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)field_unzigzag(v));
	put_quoted(out, text);
	return true;
}

static bool
stream_value(struct buf *out, const ProtobufCFieldDescriptor *d, const struct field *f)
{
	switch (d->type) {
	case PROTOBUF_C_TYPE_MESSAGE: return f->type == WIRE_BYTES && stream_message(out, d->descriptor, f->bytes);
	case PROTOBUF_C_TYPE_STRING: return f->type == WIRE_BYTES && stream_text(out, f->bytes);
	case PROTOBUF_C_TYPE_BYTES: return f->type == WIRE_BYTES && stream_bytes(out, f->bytes);
	case PROTOBUF_C_TYPE_BOOL:
		put(out, f->value != 0 ? "true" : "false");
		return f->type == WIRE_VARINT;
	case PROTOBUF_C_TYPE_ENUM: return f->type == WIRE_VARINT && stream_enum(out, d->descriptor, f->value);
	case PROTOBUF_C_TYPE_SINT32: return f->type == WIRE_VARINT && stream_day(out, f->value);
	case PROTOBUF_C_TYPE_SFIXED64: return f->type == WIRE_FIXED64 && stream_instant(out, f->value);
	case PROTOBUF_C_TYPE_SINT64: return f->type == WIRE_VARINT && stream_int(out, f->value);
	case PROTOBUF_C_TYPE_UINT64: return f->type == WIRE_VARINT && stream_uint(out, f->value);
	case PROTOBUF_C_TYPE_UINT32: return f->type == WIRE_VARINT && f->value <= UINT32_MAX && stream_uint(out, f->value);
	case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_INT64: case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_FLOAT: case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	return false;
}

/* A row of a map: its two fields, in order. */
static bool
stream_row(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes row)
{
	struct field name, value;
	bool malformed;

	if (!field_next(&row, &name, &malformed) || name.number != type->fields[0].id || !field_next(&row, &value, &malformed) ||
	    value.number != type->fields[1].id || row.len > 0)
		return false;
	if (!stream_value(out, &type->fields[0], &name))
		return false;
	buf_put_u8(out, ':');
	return stream_value(out, &type->fields[1], &value);
}

static void
put_key(struct buf *out, const char *name, bool first)
{
	if (!first)
		buf_put_u8(out, ',');
	buf_put_u8(out, '"');
	put(out, name);
	buf_put(out, "\":", 2);
}

static bool
stream_message(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes rest)
{
	const ProtobufCFieldDescriptor *before = NULL;
	struct field f;
	unsigned at = 0;
	bool malformed;
	char close = 0;			/* of the list or map that is open */

	buf_put_u8(out, '{');
	while (field_next(&rest, &f, &malformed)) {
		const ProtobufCFieldDescriptor *d = field_from(type, &at, f.number);
		bool repeated = d != NULL && d->label == PROTOBUF_C_LABEL_REPEATED, map = repeated && text_is_map(d);

		if (d == NULL || text_in_oneof(d) || d->label == PROTOBUF_C_LABEL_REQUIRED || text_nested(type, d) != NULL ||
		    (d == before && !repeated))
			return false;
		if (d == before) {
			buf_put_u8(out, ',');
		} else {
			if (close != 0)
				buf_put_u8(out, (uint8_t)close);
			put_key(out, d->name, before == NULL);
			if (repeated)
				buf_put_u8(out, map ? '{' : '[');
			close = (char)(map ? '}' : repeated ? ']' : 0);
		}
		if (map ? f.type != WIRE_BYTES || !stream_row(out, d->descriptor, f.bytes) : !stream_value(out, d, &f))
			return false;
		before = d;
	}
	if (close != 0)
		buf_put_u8(out, (uint8_t)close);
	buf_put_u8(out, '}');
	return !malformed;
}

enum status
codec_json_print(enum codec_message message, struct bytes bytes, bool indent, struct arena *arena, struct buf *out)
{
	const ProtobufCMessageDescriptor *type = text_descriptor(message);
	size_t begun = out->len;

	if (!indent && stream_message(out, type, bytes))
		return buf_status(out);
	out->len = begun;
	return print_tree(type, bytes, indent, arena, out);
}
