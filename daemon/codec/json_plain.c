/**
 * JSON without escapes, exponents and mistakes, straight into a tree: nearly every line of an events file is like that, and jansson with its
 * own tree costs several times as much.  The first thing that is unusual or wrong ends it; jansson then judges the text from its beginning, so
 * nothing here has to explain itself.
 * The tree's texts are pieces of one copy of the whole: a string's closing quote becomes its NUL.
 */
#include <string.h>

#include "codec/json_plain.h"

#define NUMBER_BYTES_MAX 40
#define MEMBERS_MAX 64		/* of a map; each is compared with those before it */

struct plain {
	char *p;
	const char *line_begin;
	unsigned line;
	struct arena *arena;
	bool no_memory;
};

static struct text_node *plain_value(struct plain *t, unsigned depth);

static void
skip_space(struct plain *t)
{
	for (;; t->p++) {
		if (*t->p == '\n') {
			t->line++;
			t->line_begin = t->p + 1;
		} else if (*t->p != ' ' && *t->p != '\t' && *t->p != '\r') {
			return;
		}
	}
}

static bool
skip(struct plain *t, char c)
{
	skip_space(t);
	if (*t->p != c)
		return false;
	t->p++;
	return true;
}

static struct text_node *
node_here(struct plain *t, enum text_kind kind)
{
	struct text_node *node = text_node_new(t->arena, kind, NULL);

	if (node == NULL) {
		t->no_memory = true;
		return NULL;
	}
	node->line = t->line;
	node->column = (unsigned)(t->p - t->line_begin) + 1;
	return node;
}

/* Behind the opening quote; NULL: not plain. */
static const char *
take_string(struct plain *t)
{
	char *begin = ++t->p;

	while (*t->p != '"') {
		unsigned char c = (unsigned char)*t->p;
		if (c < 0x20 || c == '\\')		/* the text's end as well */
			return NULL;
		size_t k = c < 0x80 ? 1 : text_utf8_bytes(t->p, strnlen(t->p, 4));
		if (k == 0)
			return NULL;
		t->p += k;
	}
	*t->p++ = '\0';
	return begin;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_digits(struct plain *t)
{
	while (is_digit(*t->p))
		t->p++;
}

static bool
skip_number(struct plain *t)
{
	if (*t->p == '-')
		t->p++;
	if (!is_digit(*t->p) || (*t->p == '0' && is_digit(t->p[1])))
		return false;
	skip_digits(t);
	if (*t->p != '.')
		return *t->p != 'e' && *t->p != 'E';
	if (!is_digit(*++t->p))
		return false;
	skip_digits(t);
	return *t->p != 'e' && *t->p != 'E';
}

static bool
skip_word(struct plain *t, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(t->p, word, len) != 0)
		return false;
	t->p += len;
	return true;
}

static const char *
take_bare(struct plain *t)
{
	const char *begin = t->p;

	if (!skip_word(t, "true") && !skip_word(t, "false") && !skip_number(t))
		return NULL;
	if (t->p - begin > NUMBER_BYTES_MAX)
		return NULL;
	const char *text = arena_memdup(t->arena, begin, (size_t)(t->p - begin));
	t->no_memory |= text == NULL;
	return text;
}

static struct text_node *
plain_list(struct plain *t, struct text_node *list, unsigned depth)
{
	t->p++;
	if (skip(t, ']'))
		return list;
	do {
		struct text_node *child = plain_value(t, depth + 1);
		if (child == NULL)
			return NULL;
		text_node_add(list, NULL, child);
	} while (skip(t, ','));
	return skip(t, ']') ? list : NULL;
}

static struct text_node *
plain_map(struct plain *t, struct text_node *map, unsigned depth)
{
	t->p++;
	if (skip(t, '}'))
		return map;
	do {
		skip_space(t);
		unsigned line = t->line, column = (unsigned)(t->p - t->line_begin) + 1;
		const char *key = *t->p == '"' ? take_string(t) : NULL;
		if (key == NULL || map->n_children == MEMBERS_MAX || text_node_find(map, key) != NULL || !skip(t, ':'))
			return NULL;
		struct text_node *child = plain_value(t, depth + 1);
		if (child == NULL)
			return NULL;
		child->line = line;
		child->column = column;
		text_node_add(map, key, child);
	} while (skip(t, ','));
	return skip(t, '}') ? map : NULL;
}

static struct text_node *
plain_value(struct plain *t, unsigned depth)
{
	skip_space(t);
	bool list = *t->p == '[', map = *t->p == '{', string = *t->p == '"';
	struct text_node *node = node_here(t, list ? TEXT_LIST : map ? TEXT_MAP : string ? TEXT_STRING : TEXT_BARE);

	if (node == NULL || depth > TEXT_DEPTH_MAX)
		return NULL;
	if (list)
		return plain_list(t, node, depth);
	if (map)
		return plain_map(t, node, depth);
	node->text = string ? take_string(t) : take_bare(t);
	return node->text == NULL ? NULL : node;
}

enum status
json_plain_tree(const char *text, size_t len, struct arena *arena, const struct text_node **ret_root)
{
	struct plain t = { .p = arena_memdup(arena, text, len), .line = 1, .arena = arena };

	*ret_root = NULL;
	if (t.p == NULL)
		return ST_NOMEM;
	t.line_begin = t.p;
	skip_space(&t);
	const struct text_node *root = *t.p == '{' ? plain_value(&t, 1) : NULL;
	skip_space(&t);
	if (root != NULL && *t.p == '\0')
		*ret_root = root;
	return t.no_memory ? ST_NOMEM : ST_OK;
}
