/**
 * A tree comes with bounded depth (whoever makes it sees to that), so descending it may recurse.  The tree's order is the order of errors:
 * the first wrong thing in the text is the one that is told.  What a key's value was set to is kept per message in a bit set of fields, so
 * a key that comes twice is found without comparing keys with each other.
 */
#include "codec/text_message.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "ledger/calendar.h"

#define FIELDS_MAX 128			/* of a message of ours; asserted */
#define WORDS_MAX (2 * FIELDS_MAX)

struct reader {
	struct arena *arena;
	struct text_error *error;		/* of what is being read */
	struct text_error *kept;		/* of keys that were passed over, and how many there may be: then it ends */
	size_t *n_kept, max;
};

/* Whether the next key is read although this one was wrong: it says nothing about the others. */
static bool
keep_error(const struct reader *r)
{
	if (r->kept == NULL || *r->n_kept == r->max)
		return false;
	r->kept[(*r->n_kept)++] = *r->error;
	return *r->n_kept < r->max;
}

/* A message that is being filled. */
struct target {
	ProtobufCMessage *message;
	const ProtobufCMessageDescriptor *descriptor;
	bool seen[FIELDS_MAX];		/* by the field's place in the descriptor */
};

static enum status read_message(const struct reader *r, const struct text_place *place, const struct text_node *node,
    const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret_message);

static enum status
target_new(const struct reader *r, const ProtobufCMessageDescriptor *descriptor, struct target *ret)
{
	assert(descriptor->n_fields <= FIELDS_MAX);
	*ret = (struct target){ .message = arena_alloc(r->arena, descriptor->sizeof_message), .descriptor = descriptor };
	if (ret->message == NULL)
		return ST_NOMEM;
	protobuf_c_message_init(descriptor, ret->message);
	return ST_OK;
}

/* ---- errors that name words ---- */

struct words { const char *list[WORDS_MAX]; size_t n; };

static void
words_of_fields(struct words *words, const ProtobufCMessageDescriptor *descriptor)
{
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		if (text_is_request(descriptor) && text_in_oneof(field))
			continue;
		assert(words->n < WORDS_MAX);
		words->list[words->n++] = field->name;
	}
}

static enum status
fail_words(const struct reader *r, const struct text_place *place, const struct text_node *node, const char *what, const char *given,
    const struct words *words)
{
	char quoted[TEXT_QUOTED_BYTES], list[160];

	return text_fail(r->error, node, place, "%s %s; %s", what, text_quoted(given, quoted),
	    text_word_list(given, words->list, words->n, list, sizeof(list)));
}

static enum status
fail_unknown_key(const struct reader *r, const struct text_place *place, const struct text_node *member, const struct words *words)
{
	char shown[TEXT_QUOTED_BYTES];

	text_quoted(member->key, shown);
	shown[strlen(shown) - 1] = '\0';		/* a path has no quotes */
	struct text_place here = { .up = place, .key = shown + 1 };
	return words->n == 0 ? text_fail(r->error, member, &here, "unknown key; nothing may stand in here")
	    : fail_words(r, &here, member, "unknown key", member->key, words);
}

static enum status
fail_twice(const struct reader *r, const struct text_place *place, const struct text_node *member)
{
	return text_fail(r->error, member, place, "this key is given twice");
}

/* ---- scalars ---- */

static bool
parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return false;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

static bool
parse_i64(const char *text, int64_t *ret)
{
	bool minus = text[0] == '-';
	uint64_t v;

	if (!parse_u64(minus ? text + 1 : text, minus ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, &v))
		return false;
	*ret = (int64_t)(minus ? ~v + 1 : v);
	return true;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_hex(const char *text, uint8_t *ret_data)
{
	for (size_t i = 0; text[i] != '\0'; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		ret_data[i / 2] = (uint8_t)(ret_data[i / 2] << 4 | digit);
	}
	return true;
}

static enum status
read_bytes(const struct reader *r, const struct text_place *place, const struct text_node *node, ProtobufCBinaryData *ret)
{
	size_t len = strlen(node->text);

	ret->data = arena_alloc(r->arena, len / 2);
	if (ret->data == NULL)
		return ST_NOMEM;
	ret->len = len / 2;
	if (len % 2 != 0 || !parse_hex(node->text, ret->data))
		return text_fail(r->error, node, place, "wants bytes in lower-case hexadecimal");
	return ST_OK;
}

static enum status
read_enum(const struct reader *r, const struct text_place *place, const struct text_node *node,
    const ProtobufCEnumDescriptor *descriptor, int *ret)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(descriptor, node->text);
	struct words words = { .n = 0 };

	if (value != NULL) {
		*ret = value->value;
		return ST_OK;
	}
	for (unsigned i = 0; i < descriptor->n_values && i < WORDS_MAX; i++)
		words.list[words.n++] = descriptor->values[i].name;
	return fail_words(r, place, node, "unknown word", node->text, &words);
}

static enum status
read_uint(const struct reader *r, const struct text_place *place, const struct text_node *node, uint64_t max, uint64_t *ret)
{
	char quoted[TEXT_QUOTED_BYTES];

	if (parse_u64(node->text, max, ret))
		return ST_OK;
	return text_fail(r->error, node, place, "%s is not a whole number from 0 to %" PRIu64, text_quoted(node->text, quoted), max);
}

static enum status
read_int(const struct reader *r, const struct text_place *place, const struct text_node *node, int64_t *ret)
{
	char quoted[TEXT_QUOTED_BYTES];

	if (parse_i64(node->text, ret))
		return ST_OK;
	return text_fail(r->error, node, place, "%s is not a whole number of 64 bits", text_quoted(node->text, quoted));
}

static enum status
read_bool(const struct reader *r, const struct text_place *place, const struct text_node *node, protobuf_c_boolean *ret)
{
	static const struct words words = { .list = { "true", "false" }, .n = 2 };

	if (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0)
		return fail_words(r, place, node, "unknown word", node->text, &words);
	*ret = node->text[0] == 't';
	return ST_OK;
}

static enum status
read_date(const struct reader *r, const struct text_place *place, const struct text_node *node, int32_t *ret)
{
	char quoted[TEXT_QUOTED_BYTES];

	if (day_parse(node->text, ret))
		return ST_OK;
	return text_fail(r->error, node, place, "%s is not a date as 2026-03-31", text_quoted(node->text, quoted));
}

static enum status
read_instant(const struct reader *r, const struct text_place *place, const struct text_node *node, int64_t *ret)
{
	char quoted[TEXT_QUOTED_BYTES];

	if (instant_parse(node->text, ret))
		return ST_OK;
	return text_fail(r->error, node, place, "%s is not an instant as 2026-03-31T09:00:00+09:00", text_quoted(node->text, quoted));
}

static enum status
read_string(const struct reader *r, const struct text_place *place, const struct text_node *node, const char **ret)
{
	if (node->kind == TEXT_BARE && (node->text[0] == 't' || node->text[0] == 'f'))
		return text_fail(r->error, node, place, "wants a text, not %s", node->text);
	*ret = node->text;
	return ST_OK;
}

static enum status
read_scalar(const struct reader *r, const struct text_place *place, const struct text_node *node,
    const ProtobufCFieldDescriptor *field, void *slot)
{
	uint64_t v = 0;
	enum status st;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING: return read_string(r, place, node, slot);
	case PROTOBUF_C_TYPE_BYTES: return read_bytes(r, place, node, slot);
	case PROTOBUF_C_TYPE_BOOL: return read_bool(r, place, node, slot);
	case PROTOBUF_C_TYPE_ENUM: return read_enum(r, place, node, field->descriptor, slot);
	case PROTOBUF_C_TYPE_SINT32: return read_date(r, place, node, slot);
	case PROTOBUF_C_TYPE_SFIXED64: return read_instant(r, place, node, slot);
	case PROTOBUF_C_TYPE_SINT64: return read_int(r, place, node, slot);
	case PROTOBUF_C_TYPE_UINT64: return read_uint(r, place, node, UINT64_MAX, slot);
	case PROTOBUF_C_TYPE_UINT32:
		st = read_uint(r, place, node, UINT32_MAX, &v);
		*(uint32_t *)slot = (uint32_t)v;
		return st;
	case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_INT64: case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_FLOAT: case PROTOBUF_C_TYPE_DOUBLE: case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	assert(false);		/* a type that the conventions of ledger.proto do not have */
	return ST_INVALID;
}

/* ---- fields ---- */

static enum status
read_nested(const struct reader *r, const struct text_place *place, const struct text_node *node, const ProtobufCMessageDescriptor *nested,
    ProtobufCBinaryData *ret)
{
	ProtobufCMessage *message = NULL;
	struct bytes packed = { 0 };

	enum status st = read_message(r, place, node, nested, &message);
	if (st == ST_OK)
		st = arena_pb_pack_in(message, r->arena, &packed);
	if (st == ST_OK)
		*ret = (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)packed.data, .len = packed.len };
	return st;
}

static enum status
read_value(const struct reader *r, const struct text_place *place, const struct text_node *node,
    const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field, void *slot)
{
	const ProtobufCMessageDescriptor *nested = text_nested(descriptor, field);

	if (node->kind == TEXT_NULL)
		return text_fail(r->error, node, place, "has no value; leave the key out instead");
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return read_message(r, place, node, field->descriptor, slot);
	if (nested != NULL && node->kind == TEXT_MAP)
		return read_nested(r, place, node, nested, slot);
	if (node->kind == TEXT_MAP || node->kind == TEXT_LIST)
		return text_fail(r->error, node, place, "wants a single value, not a %s", node->kind == TEXT_MAP ? "map" : "list");
	return read_scalar(r, place, node, field, slot);
}

static enum status
read_list(const struct reader *r, const struct text_place *place, const struct text_node *node, struct target *to,
    const ProtobufCFieldDescriptor *field)
{
	size_t size = text_value_bytes(field);

	if (node->kind == TEXT_NULL)
		return text_fail(r->error, node, place, "has no value; leave the key out instead");
	if (node->kind != TEXT_LIST)
		return text_fail(r->error, node, place, "wants a list: [ … ]");
	if (node->n_children > SIZE_MAX / size)
		return ST_NOMEM;
	char *elements = arena_alloc(r->arena, node->n_children * size);
	if (elements == NULL)
		return ST_NOMEM;

	struct text_place here = { .up = place };
	for (const struct text_node *child = node->children; child != NULL; child = child->next, here.index++) {
		enum status st = read_value(r, &here, child, to->descriptor, field, elements + here.index * size);
		if (st != ST_OK)
			return st;
	}
	*(void **)text_slot(to->message, field) = elements;
	*(size_t *)text_quantifier(to->message, field) = node->n_children;
	return ST_OK;
}

static void
mark_set(struct target *to, const ProtobufCFieldDescriptor *field)
{
	void *quantifier = text_quantifier(to->message, field);

	if (text_in_oneof(field))
		*(uint32_t *)quantifier = field->id;
	else if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
		*(protobuf_c_boolean *)quantifier = 1;
}

/* A row of a map: its key and its value are the row's two fields. */
static enum status
read_row(const struct reader *r, const struct text_place *place, const struct text_node *node, const ProtobufCMessageDescriptor *descriptor,
    ProtobufCMessage **ret_row)
{
	const ProtobufCFieldDescriptor *name = &descriptor->fields[0], *value = &descriptor->fields[1];
	struct target row;

	enum status st = target_new(r, descriptor, &row);
	if (st != ST_OK)
		return st;
	*(const char **)text_slot(row.message, name) = node->key;
	mark_set(&row, name);
	st = read_value(r, place, node, descriptor, value, text_slot(row.message, value));
	if (st == ST_OK)
		mark_set(&row, value);
	*ret_row = row.message;
	return st;
}

static enum status
read_rows(const struct reader *r, const struct text_place *place, const struct text_node *node, struct target *to,
    const ProtobufCFieldDescriptor *field)
{
	ProtobufCMessage **rows = arena_alloc(r->arena, node->n_children * sizeof(ProtobufCMessage *));
	size_t n = 0;

	if (node->kind != TEXT_MAP)
		return text_fail(r->error, node, place, "wants a map of names");
	if (rows == NULL)
		return ST_NOMEM;
	for (const struct text_node *child = node->children; child != NULL; child = child->next) {
		struct text_place here = { .up = place, .key = child->key };
		enum status st = read_row(r, &here, child, field->descriptor, &rows[n++]);
		if (st != ST_OK)
			return st;
	}
	*(void **)text_slot(to->message, field) = rows;
	*(size_t *)text_quantifier(to->message, field) = n;
	return ST_OK;
}

/* Another member of the field's oneof that is set already. */
static const ProtobufCFieldDescriptor *
oneof_other(const struct target *to, const ProtobufCFieldDescriptor *field)
{
	uint32_t set = text_in_oneof(field) ? *(uint32_t *)text_quantifier(to->message, field) : 0;

	return set == 0 ? NULL : protobuf_c_message_descriptor_get_field(to->descriptor, set);
}

/* A list that is there but empty is told from one that is not by a field `no_<list>`, where the message has it. */
static void
mark_empty(struct target *to, const ProtobufCFieldDescriptor *list, const struct text_node *node)
{
	char name[64];

	if (node->kind != TEXT_LIST || node->n_children > 0)
		return;
	snprintf(name, sizeof(name), "no_%s", list->name);
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(to->descriptor, name);
	if (field == NULL)
		return;
	*(protobuf_c_boolean *)text_slot(to->message, field) = 1;
	mark_set(to, field);
}

static enum status
read_field(const struct reader *r, const struct text_place *place, const struct text_node *node, struct target *to,
    const ProtobufCFieldDescriptor *field)
{
	bool *seen = &to->seen[field - to->descriptor->fields];

	if (*seen)
		return fail_twice(r, place, node);
	*seen = true;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		mark_empty(to, field, node);
		return text_is_map(field) ? read_rows(r, place, node, to, field) : read_list(r, place, node, to, field);
	}

	const ProtobufCFieldDescriptor *other = oneof_other(to, field);
	if (other != NULL)
		return text_fail(r->error, node, place, "cannot stand beside `%s`: only one of them", other->name);
	enum status st = read_value(r, place, node, to->descriptor, field, text_slot(to->message, field));
	if (st == ST_OK)
		mark_set(to, field);
	return st;
}

/* ---- requests: flat ---- */

static enum status
read_op(const struct reader *r, const struct text_place *place, const struct text_node *node, const struct text_node *op,
    const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor **ret_field)
{
	struct words words = { .n = 0 };
	struct text_place here = { .up = place, .key = "op" };

	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const char *name = text_op_name(&descriptor->fields[i]);

		if (name == NULL)
			continue;
		if (op != NULL && op->kind == TEXT_STRING && strcmp(op->text, name) == 0) {
			*ret_field = &descriptor->fields[i];
			return ST_OK;
		}
		words.list[words.n++] = name;
	}
	if (op == NULL || op->kind != TEXT_STRING)
		return fail_words(r, &here, op == NULL ? node : op, "a command needs its", "op", &words);
	return fail_words(r, &here, op, "unknown word", op->text, &words);
}

static const ProtobufCFieldDescriptor *
field_by_name(const ProtobufCMessageDescriptor *descriptor, const char *name)
{
	return protobuf_c_message_descriptor_get_field_by_name(descriptor, name);
}

/* A key of a flat command belongs to the operation, or else to the Request. */
static enum status
read_request_member(const struct reader *r, const struct text_place *place, const struct text_node *member, struct target *request,
    struct target *sub)
{
	struct text_place here = { .up = place, .key = member->key };
	const ProtobufCFieldDescriptor *field = field_by_name(sub->descriptor, member->key);
	struct words words = { .n = 0 };

	if (field == NULL && strcmp(member->key, "program") == 0 && member->kind == TEXT_MAP)
		field = field_by_name(sub->descriptor, "definition");
	if (field != NULL)
		return read_field(r, &here, member, sub, field);
	field = field_by_name(request->descriptor, member->key);
	if (field != NULL && !text_in_oneof(field))
		return read_field(r, &here, member, request, field);

	words_of_fields(&words, sub->descriptor);
	words_of_fields(&words, request->descriptor);
	return fail_unknown_key(r, place, member, &words);
}

static enum status
read_request(const struct reader *r, const struct text_place *place, const struct text_node *node, struct target *request)
{
	const struct text_node *op = text_node_find(node, "op");
	const ProtobufCFieldDescriptor *field = NULL;
	struct target sub;

	enum status st = read_op(r, place, node, op, request->descriptor, &field);
	assert(st != ST_OK || field != NULL);
	if (st == ST_OK)
		st = target_new(r, field->descriptor, &sub);
	if (st != ST_OK)
		return st;
	*(ProtobufCMessage **)text_slot(request->message, field) = sub.message;
	mark_set(request, field);

	for (const struct text_node *child = node->children; child != NULL && st == ST_OK; child = child->next) {
		if (child == op)
			continue;
		if (strcmp(child->key, "op") == 0) {
			struct text_place here = { .up = place, .key = "op" };
			return fail_twice(r, &here, child);
		}
		st = read_request_member(r, place, child, request, &sub);
	}
	return st;
}

/* ---- messages ---- */

/* `expiry: never` */
static enum status
read_word(const struct reader *r, const struct text_place *place, const struct text_node *node, struct target *to)
{
	const ProtobufCFieldDescriptor *field = field_by_name(to->descriptor, node->text);
	struct words words = { .n = 0 };
	struct target member;

	if (field != NULL && text_is_word(to->descriptor, field)) {
		enum status st = target_new(r, field->descriptor, &member);
		if (st != ST_OK)
			return st;
		*(ProtobufCMessage **)text_slot(to->message, field) = member.message;
		mark_set(to, field);
		return ST_OK;
	}
	for (unsigned i = 0; i < to->descriptor->n_fields; i++) {
		if (text_is_word(to->descriptor, &to->descriptor->fields[i]))
			words.list[words.n++] = to->descriptor->fields[i].name;
	}
	if (words.n > 0)
		return fail_words(r, place, node, "wants a map, or a word other than", node->text, &words);
	words_of_fields(&words, to->descriptor);
	return fail_words(r, place, node, "wants a map of keys, not", node->text, &words);
}

static enum status
read_map(const struct reader *r, const struct text_place *place, const struct text_node *node, struct target *to)
{
	for (const struct text_node *child = node->children; child != NULL; child = child->next) {
		const ProtobufCFieldDescriptor *field = field_by_name(to->descriptor, child->key);
		struct text_place here = { .up = place, .key = child->key };
		struct words words = { .n = 0 };
		enum status st;

		if (field == NULL && to->descriptor == text_descriptor(CODEC_BATCH) && strcmp(child->key, "op") == 0 &&
		    child->kind == TEXT_STRING && strcmp(child->text, "batch") == 0)
			continue;
		if (field == NULL) {
			words_of_fields(&words, to->descriptor);
			st = fail_unknown_key(r, place, child, &words);
		} else {
			st = read_field(r, &here, child, to, field);
		}
		if (st != ST_OK && (st != ST_INVALID || !keep_error(r)))
			return st;
	}
	return ST_OK;
}

static enum status
read_message(const struct reader *r, const struct text_place *place, const struct text_node *node,
    const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret_message)
{
	struct target to;

	if (node->kind == TEXT_NULL)
		return text_fail(r->error, node, place, "wants a map of keys; it is empty");
	if (node->kind == TEXT_LIST)
		return text_fail(r->error, node, place, "wants a map of keys, not a list");
	enum status st = target_new(r, descriptor, &to);
	if (st != ST_OK)
		return st;
	if (node->kind != TEXT_MAP)
		st = read_word(r, place, node, &to);
	else
		st = text_is_request(descriptor) ? read_request(r, place, node, &to) : read_map(r, place, node, &to);
	if (st == ST_OK)
		*ret_message = to.message;
	return st;
}

enum status
text_read(const struct text_node *root, const ProtobufCMessageDescriptor *descriptor, struct arena *arena, ProtobufCMessage **ret_message,
    struct text_error *ret_error)
{
	const struct reader r = { .arena = arena, .error = ret_error };

	return read_message(&r, NULL, root, descriptor, ret_message);
}

enum status
text_read_all(const struct text_node *root, const ProtobufCMessageDescriptor *descriptor, struct arena *arena, ProtobufCMessage **ret_message,
    struct text_error *errors, size_t max, size_t *ret_n)
{
	struct text_error error;
	size_t n = 0;
	const struct reader r = { .arena = arena, .error = &error, .kept = errors, .n_kept = &n, .max = max };
	enum status st = read_message(&r, NULL, root, descriptor, ret_message);

	if (st == ST_INVALID && n == 0)		/* there are no keys */
		errors[n++] = error;
	*ret_n = n;
	return st == ST_OK && n > 0 ? ST_INVALID : st;
}
