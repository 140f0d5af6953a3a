/* Which keys exist: those of a Response, and those of RULINGS section 3 and PROGRAMS section 4, which later answers will have. */
#include "sim_expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "fealty.pb-c.h"

/* Keys that are followed by a dot and an id, and the list of the program that has the ids. */
static const struct { const char *key, *list; bool alone; } dotted[] = {
	{ "counters", "counters", false }, { "remainder", "earn", true },
	{ "stamps", "stamps", false }, { "stamp_debt", "stamps", false }, { "stamps_wanted", "stamps", false }, { "stamps_granted", "stamps", false },
	{ "membership", "memberships", false }, { "membership_until", "memberships", false },
};
static const char *const plain[] = {
	"status", "reason", "replayed", "granted", "wanted", "clawed", "available", "pending", "held", "debt", "expiring", "tier", "tier_until",
	"vouchers", "issued", "revoked", "voucher_rows", "codes", "refund", "value", "lots", "grants", "effects", "id", "member_no", "tier_earned", "tier_since",
	"points_to_next", "points_to_keep", "conflict", "waiting", "notices", "rows", "results",
};

#define PART_BYTES 64

/* ---- which keys exist ---- */

static void
add_ids(json_t *ids, const char *list, json_t *elements)
{
	size_t i;
	json_t *element;

	json_array_foreach(elements, i, element) {
		const char *id = json_string_value(json_is_string(element) ? element : json_object_get(element, "id"));
		char name[160];
		if (id == NULL)
			continue;
		(void)snprintf(name, sizeof(name), "%s.%s", list, id);
		(void)json_object_set_new(ids, name, json_true());
	}
}

enum status
sim_expect_ids(json_t *ids, struct bytes definition, struct arena *scratch)
{
	static const char *const lists[] = { "counters", "earn", "stamps", "memberships" };
	struct buf text;

	buf_init(&text);
	enum status st = codec_json_print(CODEC_PROGRAM, definition, false, scratch, &text);
	json_t *program = st == ST_OK ? json_loadb((const char *)text.data, text.len, 0, NULL) : NULL;
	buf_release(&text);
	if (program == NULL)
		return st == ST_OK ? ST_NOMEM : st;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		add_ids(ids, lists[i], json_object_get(program, lists[i]));
	json_decref(program);
	return ST_OK;
}

/* The path's first part in ${ret_part}, what follows it in *${ret_rest}, NULL after the last; false: longer than any key. */
static bool
path_part(const char *path, char ret_part[static PART_BYTES], const char **ret_rest)
{
	size_t len = strcspn(path, ".");

	if (len >= PART_BYTES)
		return false;
	memcpy(ret_part, path, len);
	ret_part[len] = '\0';
	*ret_rest = path[len] == '.' ? path + len + 1 : NULL;
	return true;
}

static bool
is_place(const char *part)
{
	return part[0] != '\0' && strspn(part, "0123456789") == strlen(part) && strlen(part) < 7;
}

/* `pool.available`, `lots.0.points`: fields of messages, and places in lists. */
static bool
path_exists(const ProtobufCMessageDescriptor *of, const char *path)
{
	char part[PART_BYTES];

	while (path != NULL) {
		const ProtobufCFieldDescriptor *field;

		if (of == NULL || !path_part(path, part, &path))
			return false;
		field = protobuf_c_message_descriptor_get_field_by_name(of, part);
		if (field == NULL)
			return false;
		if (field->label == PROTOBUF_C_LABEL_REPEATED && path != NULL && (!path_part(path, part, &path) || !is_place(part)))
			return false;
		of = field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
	}
	return true;
}

/* Of a report, whose columns are its own. */
static bool
is_of_row(const char *key)
{
	char part[PART_BYTES];

	return strncmp(key, "rows.", 5) == 0 && path_part(key + 5, part, &key) && is_place(part);
}

static bool
dotted_exists(const char *key, const char *dot, json_t *ids)
{
	size_t len = (size_t)(dot - key);
	char name[160];

	for (size_t i = 0; i < sizeof(dotted) / sizeof(*dotted); i++) {
		if (strlen(dotted[i].key) != len || memcmp(dotted[i].key, key, len) != 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s.%s", dotted[i].list, dot + 1);
		return json_object_get(ids, name) != NULL;
	}
	return path_exists(&fealty__v1__response__descriptor, key) || path_exists(&fealty__v1__batch_response__descriptor, key) || is_of_row(key);
}

static bool
key_exists(const char *key, json_t *ids)
{
	const char *dot = strchr(key, '.');

	if (dot != NULL)
		return dotted_exists(key, dot, ids);
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		if (strcmp(plain[i], key) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(dotted) / sizeof(*dotted); i++) {
		if (strcmp(dotted[i].key, key) == 0)
			return true;
	}
	return protobuf_c_message_descriptor_get_field_by_name(&fealty__v1__response__descriptor, key) != NULL;
}

const char *
sim_expect_unknown(json_t *expect, json_t *ids)
{
	const char *key;
	json_t *value;

	json_object_foreach(expect, key, value) {
		if (!key_exists(key, ids))
			return key;
	}
	return NULL;
}

/* ---- decimals by value ---- */

#define NUMBER_BYTES 64
struct number { bool negative; size_t len, point; char digits[NUMBER_BYTES]; };	/* point: digits before it; no zeros at either end */

static bool
number_parse(const char *text, struct number *ret)
{
	struct number n = { .negative = text[0] == '-' };
	const char *at = text + n.negative;
	bool seen = false, after = false;

	for (; *at != '\0'; at++) {
		if (*at == '.' && seen && !after) {
			after = true;
			continue;
		}
		if (*at < '0' || *at > '9' || n.len == sizeof(n.digits))
			return false;
		seen = true;
		if (n.len > 0 || *at != '0' || after)
			n.digits[n.len++] = *at;
		n.point += !after && n.len > 0;
	}
	if (!seen || at[-1] == '.')
		return false;
	while (n.len > n.point && n.digits[n.len - 1] == '0')
		n.len--;
	if (n.len == 0)
		n.negative = false;
	*ret = n;
	return true;
}

static bool
number_of(const json_t *value, struct number *ret)
{
	char text[NUMBER_BYTES];

	if (json_is_string(value))
		return number_parse(json_string_value(value), ret);
	if (json_is_integer(value))
		(void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		(void)snprintf(text, sizeof(text), "%.15g", json_real_value(value));
	else
		return false;
	return number_parse(text, ret);
}

static bool
numbers_equal(const struct number *a, const struct number *b)
{
	return a->negative == b->negative && a->len == b->len && a->point == b->point && memcmp(a->digits, b->digits, a->len) == 0;
}

/* ---- values ---- */

static bool
is_nothing(const json_t *value)
{
	struct number n;

	if (json_is_null(value) || json_is_false(value))
		return true;
	if (json_is_array(value))
		return json_array_size(value) == 0;
	return number_of(value, &n) && n.len == 0;
}

static bool equal(const json_t *expected, const json_t *got);

static bool
lists_equal(const json_t *expected, const json_t *got)
{
	if (json_array_size(expected) != json_array_size(got))
		return false;
	for (size_t i = 0; i < json_array_size(expected); i++) {
		if (!equal(json_array_get(expected, i), json_array_get(got, i)))
			return false;
	}
	return true;
}

/* The keys that are named. */
static bool
rows_equal(json_t *expected, const json_t *got)
{
	const char *key;
	json_t *value;

	json_object_foreach(expected, key, value) {
		if (!equal(value, json_object_get(got, key)))
			return false;
	}
	return true;
}

static bool
equal(const json_t *expected, const json_t *got)
{
	struct number a, b;

	if (got == NULL || json_is_null(got))
		return is_nothing(expected);
	if (number_of(expected, &a) && number_of(got, &b))
		return numbers_equal(&a, &b);
	if (json_is_array(expected) && json_is_array(got))
		return lists_equal(expected, got);
	if (json_is_object(expected) && json_is_object(got))
		return rows_equal((json_t *)expected, got);
	return json_equal(expected, got) != 0;
}

/* The only value of a map; else the map itself. */
static json_t *
only_value(json_t *map)
{
	return json_object_size(map) == 1 ? json_object_iter_value(json_object_iter(map)) : map;
}

/* A dotted key is a path; `remainder` alone is that of the only rule that carries one. */
static json_t *
find(json_t *reply, const char *key, const json_t *expected)
{
	char part[PART_BYTES];
	json_t *at = reply;

	if (strcmp(key, "remainder") == 0 && !json_is_object(expected))
		return only_value(json_object_get(reply, key));
	for (const char *rest = key; rest != NULL && at != NULL;) {
		if (!path_part(rest, part, &rest))
			return NULL;
		at = json_is_array(at) ? json_array_get(at, (size_t)strtoul(part, NULL, 10)) : json_object_get(at, part);
	}
	return at;
}

bool
sim_expect_compare(json_t *expect, json_t *reply, void (*on_difference)(void *ctx, const char *key, json_t *expected, json_t *got), void *ctx)
{
	const char *key;
	json_t *expected;
	bool same = true;

	json_object_foreach(expect, key, expected) {
		json_t *got = find(reply, key, expected);
		if (equal(expected, got))
			continue;
		same = false;
		on_difference(ctx, key, expected, got);
	}
	return same;
}
