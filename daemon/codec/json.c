/**
 * What is not plain enough for json_plain.c: jansson judges the grammar and undoes the escapes.  What it does not keep, where a value stood
 * and how a number was spelled, is noted before it starts, in one pass over the tokens, which also bounds the depth.  A text that jansson has
 * accepted has the tokens of its tree in the same order, so that walking the tree takes them one by one.
 */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "codec/json_plain.h"
#include "codec/text_message.h"

/* ---- reading ---- */

struct token {
	uint32_t at, len;		/* in the text */
	unsigned line, column;
};
struct tokens {
	struct token *list;		/* strings, keys too; numbers and words; opening brackets */
	size_t n, cap, next;
};

static size_t
token_bytes(const char *text)
{
	size_t len = 1;

	if (strchr("[]{},:", text[0]) != NULL)
		return 1;
	if (text[0] != '"') {
		len = strcspn(text, "[]{},:\" \t\r\n");
		return len;
	}
	while (text[len] != '\0' && text[len] != '"')
		len += text[len] == '\\' && text[len + 1] != '\0' ? 2 : 1;
	return text[len] == '"' ? len + 1 : len;
}

/* ST_NOMEM; ST_INVALID: too deep.  A text that is not JSON gives tokens that nobody will ask for. */
static enum status
json_note(const char *text, struct arena *arena, struct tokens *ret, struct text_error *ret_error)
{
	unsigned line = 1, depth = 0;
	size_t line_at = 0, len;

	*ret = (struct tokens){ 0 };
	for (size_t at = 0; text[at] != '\0'; at += len) {
		len = 1;
		if (text[at] == '\n') {
			line++;
			line_at = at + 1;
		}
		if (strchr(" \t\r\n", text[at]) != NULL)
			continue;
		len = token_bytes(text + at);
		struct token token = { .at = (uint32_t)at, .len = (uint32_t)len, .line = line, .column = (unsigned)(at - line_at) + 1 };

		if (strchr("{[", text[at]) != NULL && ++depth > TEXT_DEPTH_MAX) {
			const struct text_node here = { .line = token.line, .column = token.column };
			return text_fail(ret_error, &here, NULL, "nested deeper than %d levels", TEXT_DEPTH_MAX);
		}
		if (strchr("}]", text[at]) != NULL && depth > 0)
			depth--;
		if (strchr("}],:", text[at]) != NULL)
			continue;
		ret->list = arena_grow(arena, ret->list, &ret->cap, ret->n + 1, sizeof(token));
		if (ret->list == NULL)
			return ST_NOMEM;
		ret->list[ret->n++] = token;
	}
	return ST_OK;
}

static const struct token *
token_next(struct tokens *tokens)
{
	assert(tokens->next < tokens->n);
	return &tokens->list[tokens->next++];
}

struct walk {
	const char *text;
	struct tokens tokens;
	struct arena *arena;
};

static struct text_node *walk_value(struct walk *w, json_t *value);

static bool
walk_object(struct walk *w, json_t *object, struct text_node *map)
{
	for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
		const struct token *token = token_next(&w->tokens);
		const char *key = arena_strdup(w->arena, json_object_iter_key(i));
		struct text_node *child = key == NULL ? NULL : walk_value(w, json_object_iter_value(i));

		if (child == NULL)
			return false;
		child->line = token->line;
		child->column = token->column;
		text_node_add(map, key, child);
	}
	return true;
}

static bool
walk_array(struct walk *w, json_t *array, struct text_node *list)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct text_node *child = walk_value(w, json_array_get(array, i));

		if (child == NULL)
			return false;
		text_node_add(list, NULL, child);
	}
	return true;
}

/* NULL beyond the budget.  json_note() has bounded the depth. */
static struct text_node *
walk_value(struct walk *w, json_t *value)
{
	const struct token *token = token_next(&w->tokens);
	enum text_kind kind = json_is_string(value) ? TEXT_STRING : json_is_object(value) ? TEXT_MAP : json_is_array(value) ? TEXT_LIST :
	    json_is_null(value) ? TEXT_NULL : TEXT_BARE;
	const char *text = NULL;

	if (kind == TEXT_STRING || kind == TEXT_BARE) {
		text = kind == TEXT_STRING ? arena_strdup(w->arena, json_string_value(value))
		    : arena_memdup(w->arena, w->text + token->at, token->len);
		if (text == NULL)
			return NULL;
	}
	struct text_node *node = text_node_new(w->arena, kind, text);
	if (node == NULL)
		return NULL;
	node->line = token->line;
	node->column = token->column;
	if ((kind == TEXT_MAP && !walk_object(w, value, node)) || (kind == TEXT_LIST && !walk_array(w, value, node)))
		return NULL;
	return node;
}

static enum status
json_fail(const json_error_t *error, struct text_error *ret_error)
{
	const struct text_node here = {
		.line = error->line < 0 ? 0 : (unsigned)error->line,
		.column = error->column < 0 ? 0 : (unsigned)error->column,
	};
	const char *near = strstr(error->text, " near ");		/* some of the text, which line and column say better */
	int len = (int)(near == NULL ? strlen(error->text) : (size_t)(near - error->text));

	if (json_error_code(error) == json_error_out_of_memory)
		return ST_NOMEM;
	if (json_error_code(error) == json_error_null_character)
		return text_fail(ret_error, &here, NULL, "a text holds a NUL character");
	if (json_error_code(error) == json_error_duplicate_key)
		return text_fail(ret_error, &here, NULL, "a key is given twice in one map");
	return text_fail(ret_error, &here, NULL, "this is not JSON: %.*s", len, error->text);
}

static enum status
json_tree(const char *text, struct arena *arena, const struct text_node **ret_root, struct text_error *ret_error)
{
	struct walk w = { .text = text, .arena = arena };
	size_t len = strlen(text);
	json_error_t error;

	if (len > arena->budget_bytes || len > UINT32_MAX)
		return ST_NOMEM;
	enum status st = json_plain_tree(text, len, arena, ret_root);
	if (st != ST_OK || *ret_root != NULL)
		return st;
	st = json_note(text, arena, &w.tokens, ret_error);
	if (st != ST_OK)
		return st;
	/* as reals: an integer that does not fit 64 bits is for the field to judge, by its digits */
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
	if (root == NULL)
		return json_fail(&error, ret_error);
	*ret_root = walk_value(&w, root);
	assert(*ret_root == NULL || w.tokens.next == w.tokens.n);
	json_decref(root);
	return *ret_root == NULL ? ST_NOMEM : ST_OK;
}

enum status
codec_json_parse(enum codec_message message, const char *text, struct arena *arena, struct buf *out, struct text_error *ret_error)
{
	const struct text_node *root = NULL;
	ProtobufCMessage *m = NULL;

	enum status st = json_tree(text, arena, &root, ret_error);
	if (st == ST_OK)
		st = text_read(root, text_descriptor(message), arena, &m, ret_error);
	if (st != ST_OK)
		return st;
	arena_pb_pack(m, out);
	return buf_status(out);
}
