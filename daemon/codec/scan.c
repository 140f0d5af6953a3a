/**
 * protobuf-c keeps unknown fields, cuts texts at a NUL, lets the last of several values win and passes any enum value on.  A command that
 * says something we would not do must be refused, so the bytes are walked before they are unpacked.
 * A fault sticks while the walk goes on: only a walk to the end tells a message that is malformed from one that is refused.
 */
#include "codec/scan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/field.h"
#include "fealty.pb-c.h"

#define FIELDS_MAX 128		/* of a message type; asserted */

struct scan {
	bool malformed, refused;
	struct scan_fault *fault;
};

/* A message that is being walked, and the field of its parent that it came in. */
struct place {
	const struct place *parent;
	const ProtobufCFieldDescriptor *via;
	const ProtobufCMessageDescriptor *type;
	bool seen[FIELDS_MAX];		/* by index of the field in its descriptor */
	uint32_t count[FIELDS_MAX];	/* of repeated fields, the one at hand included */
};

static bool
transparent(const struct place *parent, const ProtobufCFieldDescriptor *d)
{
	return (parent->type == &fealty__v1__request__descriptor && (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) ||
	    (parent->type == &fealty__v1__publish__descriptor && d->type == PROTOBUF_C_TYPE_MESSAGE);
}

/* Paths are made for a fault only: most commands have none. */
static void
put_name(struct scan_fault *fault, const struct place *at, const ProtobufCFieldDescriptor *d)
{
	size_t len = strlen(fault->path);
	const char *dot = len == 0 ? "" : ".";

	if (d->label == PROTOBUF_C_LABEL_REPEATED)
		(void)snprintf(fault->path + len, sizeof(fault->path) - len, "%s%s[%u]", dot, d->name, at->count[d - at->type->fields] - 1);
	else
		(void)snprintf(fault->path + len, sizeof(fault->path) - len, "%s%s", dot, d->name);
}

static void
put_path(struct scan_fault *fault, const struct place *at)
{
	if (at->parent == NULL)
		return;
	put_path(fault, at->parent);
	if (!transparent(at->parent, at->via))
		put_name(fault, at->parent, at->via);
}

/* ${d} NULL: a field without descriptor. */
static void
refuse(struct scan *s, const struct place *at, const ProtobufCFieldDescriptor *d, uint32_t number, const char *why)
{
	struct scan_fault *fault = s->fault;

	if (s->refused)
		return;
	s->refused = true;
	fault->path[0] = '\0';
	put_path(fault, at);
	if (d != NULL) {
		put_name(fault, at, d);
	} else {
		size_t len = strlen(fault->path);
		(void)snprintf(fault->path + len, sizeof(fault->path) - len, "%s%u", len == 0 ? "" : ".", number);
	}
	(void)snprintf(fault->sentence, sizeof(fault->sentence), "`%s` %s.", fault->path, why);
}

static enum wire_type
wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_FIXED32: case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_FIXED32;
	case PROTOBUF_C_TYPE_SFIXED64: case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_FIXED64;
	case PROTOBUF_C_TYPE_STRING: case PROTOBUF_C_TYPE_BYTES: case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_SINT32: case PROTOBUF_C_TYPE_UINT32: case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64: case PROTOBUF_C_TYPE_UINT64: case PROTOBUF_C_TYPE_BOOL: case PROTOBUF_C_TYPE_ENUM:
		return WIRE_VARINT;
	}
	return WIRE_VARINT;
}

static void
scan_integer(struct scan *s, const struct place *at, const ProtobufCFieldDescriptor *d, uint64_t v)
{
	const char *why = NULL;

	if (d->type == PROTOBUF_C_TYPE_BOOL && v > 1)
		why = "is neither true nor false";
	else if ((d->type == PROTOBUF_C_TYPE_UINT32 || d->type == PROTOBUF_C_TYPE_SINT32) && v > UINT32_MAX)
		why = "is too large";
	else if (d->type == PROTOBUF_C_TYPE_INT32 && (int64_t)v != (int32_t)v)
		why = "is too large";
	else if (d->type == PROTOBUF_C_TYPE_ENUM && (v > INT32_MAX || protobuf_c_enum_descriptor_get_value(d->descriptor, (int)v) == NULL))
		why = "is none of the words that are allowed";
	if (why != NULL)
		refuse(s, at, d, 0, why);
}

/* Repeated integers may come packed into one field. */
static void
scan_packed(struct scan *s, const struct place *at, const ProtobufCFieldDescriptor *d, struct bytes rest)
{
	uint64_t v;

	while (rest.len > 0 && !s->malformed) {
		if (field_take_varint(&rest, &v))
			scan_integer(s, at, d, v);
		else
			s->malformed = true;
	}
}

/* Whether a member of the same oneof as ${d} was there already. */
static bool
oneof_taken(const struct place *at, const ProtobufCFieldDescriptor *d)
{
	for (unsigned i = 0; i < at->type->n_fields; ++i) {
		const ProtobufCFieldDescriptor *other = &at->type->fields[i];
		bool in_oneof = (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
		if (at->seen[i] && in_oneof && other->quantifier_offset == d->quantifier_offset)
			return true;
	}
	return false;
}

static void scan_place(struct scan *s, struct place *at, struct bytes rest);

static void
scan_value(struct scan *s, struct place *at, const ProtobufCFieldDescriptor *d, const struct field *f)
{
	if (d->label == PROTOBUF_C_LABEL_REPEATED && wire_type_of(d->type) == WIRE_VARINT && f->type == WIRE_BYTES) {
		scan_packed(s, at, d, f->bytes);
	} else if (f->type != wire_type_of(d->type)) {
		refuse(s, at, d, 0, "is of another type");
	} else if (d->type == PROTOBUF_C_TYPE_STRING) {
		if (!field_text_valid(f->bytes))
			refuse(s, at, d, 0, "is not valid UTF-8, or has a NUL in it");
	} else if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
		struct place below = { .parent = at, .via = d, .type = d->descriptor };
		scan_place(s, &below, f->bytes);
	} else if (f->type == WIRE_VARINT) {
		scan_integer(s, at, d, f->value);
	}
}

static void
scan_known(struct scan *s, struct place *at, const ProtobufCFieldDescriptor *d, const struct field *f)
{
	unsigned index = (unsigned)(d - at->type->fields);
	bool again = d->label != PROTOBUF_C_LABEL_REPEATED && at->seen[index];

	++at->count[index];
	if (again)
		refuse(s, at, d, 0, "stands twice");
	else if ((d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && oneof_taken(at, d))
		refuse(s, at, d, 0, "stands beside another of which only one may be given");
	at->seen[index] = true;
	if (d->label == PROTOBUF_C_LABEL_REPEATED && d->type == PROTOBUF_C_TYPE_MESSAGE && at->count[index] > SCAN_MESSAGES_MAX)
		refuse(s, at, d, 0, "is one too many");
	else
		scan_value(s, at, d, f);
}

static void
scan_place(struct scan *s, struct place *at, struct bytes rest)
{
	struct field f;

	assert(at->type->n_fields <= FIELDS_MAX);
	while (!s->malformed && field_next(&rest, &f, &s->malformed)) {
		const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(at->type, f.number);
		if (d != NULL)
			scan_known(s, at, d, &f);
		else
			refuse(s, at, NULL, f.number, "is a field that this server does not know");
	}
}

enum scan_result
scan_message(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct scan_fault *ret_fault)
{
	struct scan s = { .fault = ret_fault };
	struct place top = { .type = descriptor };

	scan_place(&s, &top, bytes);
	if (s.malformed)
		return SCAN_MALFORMED;
	return s.refused ? SCAN_REFUSED : SCAN_OK;
}
