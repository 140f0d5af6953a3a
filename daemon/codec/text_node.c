/* A tree's children are linked, not indexed: it is read once, front to back.  Nothing in here recurses. */
#include "codec/text_node.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD_NEAR_BYTES_MAX 32		/* longer texts are not near to any word of ours */

struct text_node *
text_node_new(struct arena *arena, enum text_kind kind, const char *text)
{
	struct text_node *node = arena_alloc(arena, sizeof(*node));

	if (node != NULL) {
		node->kind = kind;
		node->text = text;
	}
	return node;
}

void
text_node_add(struct text_node *parent, const char *key, struct text_node *child)
{
	assert(parent->kind == TEXT_LIST || parent->kind == TEXT_MAP);
	assert((key != NULL) == (parent->kind == TEXT_MAP));
	assert(child->next == NULL);

	child->key = key;
	if (parent->last_child == NULL)
		parent->children = child;
	else
		parent->last_child->next = child;
	parent->last_child = child;
	parent->n_children++;
}

const struct text_node *
text_node_find(const struct text_node *map, const char *key)
{
	if (map->kind != TEXT_MAP)
		return NULL;
	for (const struct text_node *child = map->children; child != NULL; child = child->next) {
		if (strcmp(child->key, key) == 0)
			return child;
	}
	return NULL;
}

/* ---- errors ---- */

const char *
text_path(const struct text_place *place, char *ret_path, size_t size)
{
	const struct text_place *steps[2 * TEXT_DEPTH_MAX];
	size_t n = 0, len = 0;

	for (; place != NULL; place = place->up) {
		assert(n < sizeof(steps) / sizeof(steps[0]));
		steps[n++] = place;
	}
	ret_path[0] = '\0';
	while (n > 0 && len < size) {
		const struct text_place *step = steps[--n];
		int k = step->key == NULL ? snprintf(ret_path + len, size - len, "[%zu]", step->index)
		    : snprintf(ret_path + len, size - len, "%s%s", len == 0 ? "" : ".", step->key);

		assert(k >= 0);
		len += (size_t)k;
	}
	return ret_path;
}

enum status
text_fail(struct text_error *ret_error, const struct text_node *node, const struct text_place *place, const char *format, ...)
{
	va_list args;

	*ret_error = (struct text_error){ .line = node == NULL ? 0 : node->line, .column = node == NULL ? 0 : node->column };
	text_path(place, ret_error->path, sizeof(ret_error->path));
	va_start(args, format);
	int n = vsnprintf(ret_error->sentence, sizeof(ret_error->sentence), format, args);
	va_end(args);
	assert(n > 0);
	return ST_INVALID;
}

const char *
text_quoted(const char *text, char ret_quoted[static TEXT_QUOTED_BYTES])
{
	static const char more[] = "…";
	const size_t room = TEXT_QUOTED_BYTES - sizeof(more) - 2;
	size_t len = strlen(text), i = 0, out = 0;

	ret_quoted[out++] = '`';
	while (i < len) {
		size_t k = text_utf8_bytes(text + i, len - i);
		bool shown = k > 0 && (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;

		if (k == 0)
			k = 1;
		if (out + k > room)
			break;
		if (shown)
			memcpy(ret_quoted + out, text + i, k);
		else
			ret_quoted[out] = '?';
		out += shown ? k : 1;
		i += k;
	}
	if (i < len) {
		memcpy(ret_quoted + out, more, sizeof(more) - 1);
		out += sizeof(more) - 1;
	}
	ret_quoted[out++] = '`';
	ret_quoted[out] = '\0';
	return ret_quoted;
}

/* Levenshtein's distance, row by row. */
static size_t
word_distance(const char *a, const char *b)
{
	size_t row[WORD_NEAR_BYTES_MAX + 1], a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_NEAR_BYTES_MAX || b_len > WORD_NEAR_BYTES_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

static const char *
word_nearest(const char *given, const char *const *words, size_t n)
{
	size_t best = 1 + strlen(given) / 3;		/* further away it is another word, not a slip */
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t distance = word_distance(given, words[i]);

		if (distance <= best && (nearest == NULL || distance < best)) {
			best = distance;
			nearest = words[i];
		}
	}
	return nearest;
}

const char *
text_word_list(const char *given, const char *const *words, size_t n, char *ret_list, size_t size)
{
	static const char more[] = ", …";
	const char *nearest = word_nearest(given, words, n);
	int k = nearest == NULL ? snprintf(ret_list, size, "allowed: ")
	    : snprintf(ret_list, size, "did you mean %s? allowed: ", nearest);

	assert(k > 0 && (size_t)k + sizeof(more) < size);
	size_t len = (size_t)k;
	for (size_t i = 0; i < n; i++) {
		size_t need = strlen(words[i]) + (i == 0 ? 0 : 2) + (i + 1 < n ? sizeof(more) : 1);

		if (need > size - len) {
			memcpy(ret_list + len, more, sizeof(more));
			break;
		}
		len += (size_t)snprintf(ret_list + len, size - len, "%s%s", i == 0 ? "" : ", ", words[i]);
	}
	return ret_list;
}

/* ---- UTF-8 ---- */

size_t
text_utf8_bytes(const char *text, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n <= 1)
		return n;
	if (n > len)
		return 0;
	uint32_t c = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}
