/**
 * libyaml gives events; the tree is built with a stack of the open lists and maps, so that depth costs no recursion.  What would make one
 * text mean another elsewhere in the file, or more than it says (anchors, aliases, tags, further documents), is refused.  Every scalar is
 * a text: `on`, `no` and 3m need no quotes, and the field that it is for decides what it means.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "codec/arena_pb.h"
#include "codec/scan.h"
#include "codec/text_message.h"

#define SETTINGS_MAX 16
#define FLOW_TEXT_BYTES_MAX 72		/* of a map that is printed on one line */

struct yaml_lines { const struct text_node *root; };

/* ---- reading ---- */

struct builder {
	struct arena *arena;
	struct text_error *error;
	struct text_node *root;
	struct open {
		struct text_node *node;
		const char *key;		/* a map's key that was read, and its value not yet; where it stood */
		unsigned line, column;
	} open[TEXT_YAML_DEPTH_MAX];
	size_t depth;
};

/* The path of what is being built. */
static enum status
build_fail(struct builder *b, const yaml_mark_t *mark, const char *sentence)
{
	const struct text_node here = { .line = (unsigned)mark->line + 1, .column = (unsigned)mark->column + 1 };
	struct text_place places[TEXT_YAML_DEPTH_MAX];
	const struct text_place *place = NULL;

	for (size_t i = 0; i < b->depth; i++) {
		bool list = b->open[i].node->kind == TEXT_LIST;

		if (!list && b->open[i].key == NULL)
			break;
		places[i] = (struct text_place){ .up = place, .key = list ? NULL : b->open[i].key, .index = b->open[i].node->n_children };
		if (list && i + 1 < b->depth)
			places[i].index--;		/* what is open inside is counted already */
		place = &places[i];
	}
	return text_fail(b->error, &here, place, "%s", sentence);
}

/* Puts a node where the file is: at the top, at the end of a list, or as the value of the key just read. */
static void
build_place(struct builder *b, struct text_node *node, const yaml_mark_t *mark)
{
	node->line = (unsigned)mark->line + 1;
	node->column = (unsigned)mark->column + 1;
	if (b->depth == 0) {
		assert(b->root == NULL);
		b->root = node;
		return;
	}
	size_t top = b->depth - 1;
	struct text_node *parent = b->open[top].node;
	if (parent->kind == TEXT_MAP) {
		node->line = b->open[top].line;
		node->column = b->open[top].column;
	}
	text_node_add(parent, b->open[top].key, node);
}

static bool
build_wants_key(const struct builder *b)
{
	return b->depth > 0 && b->open[b->depth - 1].node->kind == TEXT_MAP && b->open[b->depth - 1].key == NULL;
}

static void
build_value_done(struct builder *b)
{
	if (b->depth > 0)
		b->open[b->depth - 1].key = NULL;
}

static enum status
build_open(struct builder *b, enum text_kind kind, const yaml_mark_t *mark)
{
	if (build_wants_key(b))
		return build_fail(b, mark, "a key must be a word, not a list or a map");
	if (b->depth == TEXT_YAML_DEPTH_MAX)
		return build_fail(b, mark, "nested deeper than 16 levels");
	struct text_node *node = text_node_new(b->arena, kind, NULL);
	if (node == NULL)
		return ST_NOMEM;
	build_place(b, node, mark);
	b->open[b->depth].node = node;
	b->open[b->depth++].key = NULL;
	return ST_OK;
}

static enum status
build_close(struct builder *b, const yaml_mark_t *mark)
{
	assert(b->depth > 0);
	const struct text_node *node = b->open[b->depth - 1].node;
	b->depth--;
	if (node->kind == TEXT_LIST && node->n_children == 0)
		return build_fail(b, mark, "an empty list says nothing; leave the key out instead");
	build_value_done(b);
	return ST_OK;
}

static enum status
build_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;

	if (strlen(value) != len)
		return build_fail(b, &event->start_mark, "a text holds a NUL character");
	const char *text = arena_memdup(b->arena, value, len);
	if (text == NULL)
		return ST_NOMEM;
	if (build_wants_key(b)) {
		b->open[b->depth - 1].key = text;
		b->open[b->depth - 1].line = (unsigned)event->start_mark.line + 1;
		b->open[b->depth - 1].column = (unsigned)event->start_mark.column + 1;
		return ST_OK;
	}
	bool empty = len == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct text_node *node = text_node_new(b->arena, empty ? TEXT_NULL : TEXT_STRING, text);
	if (node == NULL)
		return ST_NOMEM;
	build_place(b, node, &event->start_mark);
	build_value_done(b);
	return ST_OK;
}

static enum status
build_refuse_marks(struct builder *b, const yaml_mark_t *mark, const void *anchor, const void *tag)
{
	if (anchor != NULL)
		return build_fail(b, mark, "anchors (&) are not read here; write the value where it belongs");
	if (tag != NULL)
		return build_fail(b, mark, "tags (!) are not read here; every value is read as its key wants it");
	return ST_OK;
}

static enum status
build_event(struct builder *b, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;
	enum status st = ST_OK;

	switch (event->type) {
	case YAML_NO_EVENT: case YAML_STREAM_START_EVENT: case YAML_STREAM_END_EVENT: case YAML_DOCUMENT_END_EVENT:
		return ST_OK;
	case YAML_DOCUMENT_START_EVENT:
		return b->root == NULL ? ST_OK : build_fail(b, mark, "a second document begins here; a file holds one");
	case YAML_ALIAS_EVENT:
		return build_fail(b, mark, "aliases (*) are not read here; write the value where it belongs");
	case YAML_SCALAR_EVENT:
		st = build_refuse_marks(b, mark, event->data.scalar.anchor, event->data.scalar.tag);
		return st != ST_OK ? st : build_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		st = build_refuse_marks(b, mark, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return st != ST_OK ? st : build_open(b, TEXT_LIST, mark);
	case YAML_MAPPING_START_EVENT:
		st = build_refuse_marks(b, mark, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return st != ST_OK ? st : build_open(b, TEXT_MAP, mark);
	case YAML_SEQUENCE_END_EVENT: case YAML_MAPPING_END_EVENT:
		return build_close(b, mark);
	}
	assert(false);
	return ST_INVALID;
}

/* libyaml reads ahead of its marks: of a byte that is no character it knows the offset only. */
static yaml_mark_t
mark_of_offset(struct bytes text, size_t offset)
{
	yaml_mark_t mark = { .index = offset };

	for (size_t i = 0; i < offset && i < text.len; i++) {
		mark.column++;
		if (text.data[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

/* A quote or a key without an end: what helps is where it begins, not where libyaml gave up. */
static bool
is_unended(const char *context)
{
	return context != NULL && (strcmp(context, "while scanning a quoted scalar") == 0 || strcmp(context, "while scanning a simple key") == 0);
}

static enum status
yaml_fail(struct builder *b, const yaml_parser_t *parser, struct bytes text)
{
	yaml_mark_t mark = parser->problem_mark;
	char sentence[160];

	if (parser->error == YAML_MEMORY_ERROR)
		return ST_NOMEM;
	if (parser->error == YAML_READER_ERROR)
		mark = mark_of_offset(text, parser->problem_offset);
	else if (parser->error == YAML_SCANNER_ERROR && is_unended(parser->context))
		mark = parser->context_mark;
	snprintf(sentence, sizeof(sentence), "this is not YAML: %s", parser->problem == NULL ? "it cannot be read" : parser->problem);
	return build_fail(b, &mark, sentence);
}

static enum status
yaml_tree(struct bytes text, struct builder *b)
{
	static const uint8_t utf8_mark[] = { 0xef, 0xbb, 0xbf };
	enum status st = ST_OK;
	yaml_parser_t parser;
	bool more = true;

	if (!yaml_parser_initialize(&parser))
		return ST_NOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	if (text.len >= sizeof(utf8_mark) && memcmp(text.data, utf8_mark, sizeof(utf8_mark)) == 0)
		text = bytes_of(text.data + sizeof(utf8_mark), text.len - sizeof(utf8_mark));		/* some editors write it */
	yaml_parser_set_input_string(&parser, text.len == 0 ? (const unsigned char *)"" : text.data, text.len);
	while (more && st == ST_OK) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			st = yaml_fail(b, &parser, text);
			break;
		}
		more = event.type != YAML_STREAM_END_EVENT;
		st = build_event(b, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (st == ST_OK && (b->root == NULL || b->root->kind == TEXT_NULL))
		return text_fail(b->error, NULL, NULL, "the file is empty");
	return st;
}

enum status
text_yaml_tree(struct bytes text, struct arena *arena, const struct text_node **ret_root, struct text_error *ret_error)
{
	struct builder b = { .arena = arena, .error = ret_error };

	if (text.len > arena->budget_bytes)
		return ST_NOMEM;
	enum status st = yaml_tree(text, &b);
	if (st == ST_OK)
		*ret_root = b.root;
	return st;
}

enum status
codec_yaml_parse_all(struct bytes text, struct arena *arena, struct buf *out, struct yaml_lines **ret_lines, struct text_error *errors, size_t max,
    size_t *ret_n)
{
	struct builder b = { .arena = arena, .error = errors };
	ProtobufCMessage *program = NULL;

	assert(max > 0);
	*ret_n = 1;
	if (text.len > arena->budget_bytes)
		return ST_NOMEM;
	struct yaml_lines *lines = arena_alloc(arena, sizeof(*lines));
	if (lines == NULL)
		return ST_NOMEM;
	enum status st = yaml_tree(text, &b);
	if (st == ST_OK)
		st = text_read_all(b.root, text_descriptor(CODEC_PROGRAM), arena, &program, errors, max, ret_n);
	if (st != ST_OK)
		return st;
	lines->root = b.root;
	arena_pb_pack(program, out);
	if (buf_status(out) == ST_OK)
		*ret_lines = lines;
	return buf_status(out);
}

enum status
codec_yaml_parse(struct bytes text, struct arena *arena, struct buf *out, struct yaml_lines **ret_lines, struct text_error *ret_error)
{
	size_t n;

	return codec_yaml_parse_all(text, arena, out, ret_lines, ret_error, 1, &n);
}

/* ---- settings ---- */

static enum status
settings_unknown(const struct yaml_setting *settings, size_t n, const struct text_node *node, struct text_error *ret_error)
{
	const char *names[SETTINGS_MAX];
	char shown[TEXT_QUOTED_BYTES], list[160];

	for (size_t i = 0; i < n; i++)
		names[i] = settings[i].key;
	return text_fail(ret_error, node, NULL, "unknown key %s; %s", text_quoted(node->key, shown), text_word_list(node->key, names, n, list, sizeof(list)));
}

static enum status
settings_take(struct yaml_setting *settings, size_t n, const struct text_node *node, struct text_error *ret_error)
{
	const struct text_place place = { .key = node->key };

	for (size_t i = 0; i < n; i++) {
		if (strcmp(settings[i].key, node->key) != 0)
			continue;
		if (settings[i].text != NULL)
			return text_fail(ret_error, node, &place, "this key is given twice");
		if (node->kind != TEXT_STRING || node->text[0] == '\0')
			return text_fail(ret_error, node, &place, "a word is needed here");
		settings[i].text = node->text;
		settings[i].line = node->line;
		return ST_OK;
	}
	return settings_unknown(settings, n, node, ret_error);
}

enum status
codec_yaml_settings(struct bytes text, struct arena *arena, struct yaml_setting *settings, size_t n, struct text_error *ret_error)
{
	struct builder b = { .arena = arena, .error = ret_error };

	assert(n <= SETTINGS_MAX);
	enum status st = text.len > arena->budget_bytes ? ST_NOMEM : yaml_tree(text, &b);
	if (st == ST_OK && b.root->kind != TEXT_MAP)
		st = text_fail(ret_error, b.root, NULL, "a map is needed, of keys and their values");
	for (const struct text_node *node = st == ST_OK ? b.root->children : NULL; node != NULL && st == ST_OK; node = node->next)
		st = settings_take(settings, n, node, ret_error);
	return st;
}

/* ---- lines ---- */

/* Takes a step, `key` or `[index]`, off the path; NULL when the tree does not have it. */
static const struct text_node *
line_step(const struct text_node *node, const char **path)
{
	const char *p = *path;

	if (*p == '[') {
		size_t index = 0;

		for (p++; isdigit((unsigned char)*p) && index < SIZE_MAX / 16; p++)
			index = index * 10 + (size_t)(*p - '0');
		if (*p != ']' || node->kind != TEXT_LIST)
			return NULL;
		*path = p + 1;
		node = node->children;
		while (node != NULL && index-- > 0)
			node = node->next;
		return node;
	}
	p += *p == '.';
	size_t len = strcspn(p, ".[");
	if (len == 0 || node->kind != TEXT_MAP)
		return NULL;
	*path = p + len;
	for (node = node->children; node != NULL; node = node->next) {
		if (strlen(node->key) == len && memcmp(node->key, p, len) == 0)
			return node;
	}
	return NULL;
}

unsigned
yaml_line_of(const struct yaml_lines *lines, const char *path)
{
	const struct text_node *node = lines->root;
	unsigned line = 0;

	while (*path != '\0') {
		node = line_step(node, &path);
		if (node == NULL)
			break;
		line = node->line;
	}
	return line;
}

/* ---- printing ---- */

struct printer {
	yaml_emitter_t emitter;
	bool failed;
};

static int
on_write(void *data, unsigned char *text, size_t len)
{
	buf_put(data, text, len);
	return 1;
}

/* Takes the event, whether it was made or not. */
static void
emit(struct printer *p, yaml_event_t *event, int made)
{
	if (!made || p->failed || !yaml_emitter_emit(&p->emitter, event)) {
		if (made && p->failed)
			yaml_event_delete(event);
		p->failed = true;
	}
}

/* Words stand without quotes; what other readers of YAML could take for a number, a date or a truth value has them. */
static bool
text_is_plain(const char *text)
{
	static const char *const reserved[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null" };

	if (!isalpha((unsigned char)text[0]))
		return false;
	for (const char *c = text; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && (strchr("_-/ ", *c) == NULL || (*c == ' ' && c[1] == '\0')))
			return false;
	}
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcasecmp(text, reserved[i]) == 0)
			return false;
	}
	return true;
}

static void
emit_scalar(struct printer *p, const char *text, bool plain)
{
	yaml_event_t event;

	emit(p, &event, yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
	    plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE));
}

/* Whether a map or a list is short and flat enough for one line. */
static bool
node_fits_line(const struct text_node *node)
{
	size_t len = 0;

	for (const struct text_node *child = node->children; child != NULL; child = child->next) {
		if (child->kind == TEXT_MAP || child->kind == TEXT_LIST)
			return false;
		len += strlen(child->text) + 4 + (child->key == NULL ? 0 : strlen(child->key));
	}
	return len <= FLOW_TEXT_BYTES_MAX;
}

/* As deep as the message: its types do not recur. */
static void
emit_node(struct printer *p, const struct text_node *node, bool top)
{
	bool map = node->kind == TEXT_MAP, flow = !top && node_fits_line(node);
	yaml_event_t event;

	assert(node->kind != TEXT_NULL);
	if (node->kind == TEXT_STRING || node->kind == TEXT_BARE) {
		emit_scalar(p, node->text, node->kind == TEXT_BARE || text_is_plain(node->text));
		return;
	}
	if (map)
		emit(p, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
		    flow ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE));
	else
		emit(p, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
		    flow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE));
	for (const struct text_node *child = node->children; child != NULL; child = child->next) {
		if (map)
			emit_scalar(p, child->key, true);
		emit_node(p, child, false);
	}
	emit(p, &event, map ? yaml_mapping_end_event_initialize(&event) : yaml_sequence_end_event_initialize(&event));
}

static enum status
emit_tree(const struct text_node *root, struct buf *out)
{
	struct printer p = { .failed = false };
	yaml_event_t event;

	if (!yaml_emitter_initialize(&p.emitter))
		return ST_NOMEM;
	yaml_emitter_set_output(&p.emitter, on_write, out);
	yaml_emitter_set_unicode(&p.emitter, 1);
	yaml_emitter_set_width(&p.emitter, -1);
	emit(&p, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(&p, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	emit_node(&p, root, true);
	emit(&p, &event, yaml_document_end_event_initialize(&event, 1));
	emit(&p, &event, yaml_stream_end_event_initialize(&event));
	yaml_emitter_delete(&p.emitter);
	return p.failed ? ST_NOMEM : buf_status(out);
}

enum status
codec_yaml_print(struct bytes definition, struct arena *arena, struct buf *out)
{
	ProtobufCMessage *program = NULL;
	struct text_node *root = NULL;
	struct scan_fault fault;

	/* what a text could not say again must not be lost in silence */
	if (scan_message(text_descriptor(CODEC_PROGRAM), definition, &fault) != SCAN_OK)
		return ST_INVALID;
	enum status st = arena_pb_unpack(text_descriptor(CODEC_PROGRAM), definition, arena, &program);
	if (st == ST_OK)
		st = text_write(program, arena, &root);
	return st != ST_OK ? st : emit_tree(root, out);
}
