/* text_node.h: what JSON and YAML have in common: a tree of texts, lists and maps, and how its errors are told.  Internal to codec/. */
#ifndef FEALTY_CODEC_TEXT_NODE_H
#define FEALTY_CODEC_TEXT_NODE_H

#include "codec/codec.h"

#define TEXT_DEPTH_MAX 32		/* of JSON; no message nests as deep */
#define TEXT_YAML_DEPTH_MAX 16
#define TEXT_NUMBER_MAX ((uint64_t)1 << 53)	/* JSON numbers are exact below it (RFC 8259 section 6) */

enum text_kind {
	TEXT_STRING,		/* JSON "…"; every YAML scalar */
	TEXT_BARE,		/* JSON number, true or false, with its digits as written */
	TEXT_NULL,		/* JSON null, a YAML value that is left empty */
	TEXT_LIST,
	TEXT_MAP,
};

/* Lives in an arena, as do its texts. */
struct text_node {
	enum text_kind kind;
	unsigned line, column;		/* of the key in a map, else of the value; 0: not known */
	const char *key;		/* of a map's member; may occur twice */
	const char *text;		/* TEXT_STRING, TEXT_BARE */
	size_t n_children;
	struct text_node *children, *last_child, *next;
};

/* NULL beyond the budget.  ${text} is borrowed. */
struct text_node *text_node_new(struct arena *arena, enum text_kind kind, const char *text) MUST_CHECK;
/* At the end of a list, or of a map under ${key} (borrowed). */
void text_node_add(struct text_node *parent, const char *key, struct text_node *child);
/* The first member of that name; NULL. */
const struct text_node *text_node_find(const struct text_node *map, const char *key);

/* yaml.c: a YAML document.  ST_INVALID with *${ret_error}; ST_NOMEM. */
enum status text_yaml_tree(struct bytes text, struct arena *arena, const struct text_node **ret_root, struct text_error *ret_error) MUST_CHECK;

/* Where a converter is: keys and places in lists, innermost first.  ${key} NULL: the place ${index} of a list. */
struct text_place {
	const struct text_place *up;
	const char *key;
	size_t index;
};
/* `earn[0].when`, cut off at the end when it does not fit; returns ret_path. */
const char *text_path(const struct text_place *place, char *ret_path, size_t size);

/* Fills *${ret_error}; ${node} gives line and column (NULL: not known).  Returns ST_INVALID. */
enum status text_fail(struct text_error *ret_error, const struct text_node *node, const struct text_place *place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Somebody's text between back-quotes, made safe to show: control characters replaced, cut after some 55 bytes. */
#define TEXT_QUOTED_BYTES 64
const char *text_quoted(const char *text, char ret_quoted[static TEXT_QUOTED_BYTES]);

/**
 * text_word_list(given, words, n, ret_list, size):
 * "allowed: a, b, c" if that fits, else the beginning of it; in front of it, when one of them is near to ${given}, "did you mean b?".
 */
const char *text_word_list(const char *given, const char *const *words, size_t n, char *ret_list, size_t size);

/* The bytes of a UTF-8 character at the start of ${len} bytes (> 0); 0 when there is none (RFC 3629: no surrogates, no long forms). */
size_t text_utf8_bytes(const char *text, size_t len);

#endif
