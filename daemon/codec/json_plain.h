/* json_plain.h: a quick reader of plain JSON.  Internal to codec/. */
#ifndef FEALTY_CODEC_JSON_PLAIN_H
#define FEALTY_CODEC_JSON_PLAIN_H

#include "codec/text_node.h"

/**
 * json_plain_tree(text, len, arena, ret_root):
 * The tree of an object of ${len} bytes that has no escapes, no exponents, no null, no key twice and no maps of more than 64 members; NULL in
 * *${ret_root} for every other text, whether it is JSON or not.  The text needs its NUL at ${len}.  ST_NOMEM.
 */
enum status json_plain_tree(const char *text, size_t len, struct arena *arena, const struct text_node **ret_root) MUST_CHECK;

#endif
