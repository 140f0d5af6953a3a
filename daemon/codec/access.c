/* A file that says who may do what is read strictly: what is not understood is no rule that may be passed over. */
#include "codec/access.h"

#include <stdio.h>
#include <string.h>

#include "codec/text_node.h"
#include "codec/words.h"

#define PATTERN_BYTES_MAX 130

struct reader {
	struct arena *arena;
	struct text_error *error;
};

static enum status
fail(struct reader *r, const struct text_node *node, const struct text_place *place, const char *sentence)
{
	return text_fail(r->error, node, place, "%s", sentence);
}

/* Each key once, and of those given. */
static enum status
check_keys(struct reader *r, const struct text_node *map, const struct text_place *place, const char *const *words, size_t n)
{
	char quoted[TEXT_QUOTED_BYTES], list[160];

	if (map->kind != TEXT_MAP)
		return fail(r, map, place, "this is to be a map of keys and values");
	for (const struct text_node *child = map->children; child != NULL; child = child->next) {
		size_t i = 0;
		while (i < n && strcmp(words[i], child->key) != 0)
			i++;
		if (i == n)
			return text_fail(r->error, child, place, "there is no key %s here; %s", text_quoted(child->key, quoted),
			    text_word_list(child->key, words, n, list, sizeof(list)));
		if (text_node_find(map, child->key) != child)
			return text_fail(r->error, child, place, "the key %s stands here twice", text_quoted(child->key, quoted));
	}
	return ST_OK;
}

/* pos/0042/07, pos/0042/(star), pos/(star): a principal, or what some begin with. */
static enum status
read_pattern(struct reader *r, const struct text_node *node, const struct text_place *place, struct access_row *row)
{
	char probe[PATTERN_BYTES_MAX + 2];
	size_t len = strlen(node->key);

	row->line = node->line;
	row->column = node->column;
	row->is_prefix = len >= 2 && strcmp(node->key + len - 2, "/*") == 0;
	row->pattern = arena_memdup(r->arena, node->key, row->is_prefix ? len - 1 : len);
	if (row->pattern == NULL)
		return ST_NOMEM;
	if (len <= PATTERN_BYTES_MAX)
		snprintf(probe, sizeof(probe), "%s%s", row->pattern, row->is_prefix ? "x" : "");
	if (len > PATTERN_BYTES_MAX || strchr(row->pattern, '/') == NULL || !principal_valid(probe))
		return fail(r, node, place, "this is no principal, as pos/0042/07 or backend/app, and no beginning of some, as pos/0042/* or backend/*");
	return ST_OK;
}

static enum status
read_program(struct reader *r, const struct text_node *node, const struct text_place *place, struct access_row *row)
{
	if (node->kind != TEXT_STRING || !words_program(node->text))
		return fail(r, node, place, "this is no id of a program: 1 to 32 of a-z 0-9 -");
	for (size_t i = 0; i < row->n_programs; i++) {
		if (strcmp(row->programs[i], node->text) == 0)
			return fail(r, node, place, "this program stands here twice");
	}
	row->programs[row->n_programs++] = node->text;
	return ST_OK;
}

static enum status
read_programs(struct reader *r, const struct text_node *node, const struct text_place *place, struct access_row *row)
{
	const struct text_place here = { .up = place, .key = "programs" };
	enum status st = ST_OK;

	row->has_programs = true;
	row->all_programs = node->kind == TEXT_STRING && strcmp(node->text, "all") == 0;
	if (row->all_programs)
		return ST_OK;
	if (node->kind != TEXT_LIST || node->n_children > ACCESS_PROGRAMS_MAX)
		return fail(r, node, &here, "programs are a list of at most 256 ids, as [acme, beta], or the word `all`");
	row->programs = arena_alloc(r->arena, node->n_children * sizeof(*row->programs));
	if (row->programs == NULL)
		return ST_NOMEM;
	for (const struct text_node *child = node->children; child != NULL && st == ST_OK; child = child->next)
		st = read_program(r, child, &here, row);
	return st;
}

static bool
read_number(const char *text, uint32_t *ret)
{
	uint64_t v = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 9 || strspn(text, "0123456789") != len)
		return false;
	for (const char *p = text; *p != '\0'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	*ret = (uint32_t)v;
	return true;
}

static enum status
read_limits(struct reader *r, const struct text_node *node, const struct text_place *place, struct access_row *row)
{
	const struct text_place here = { .up = place, .key = "limits" };

	if (node->kind != TEXT_MAP)
		return fail(r, node, &here, "limits are a map of names and numbers, as {principal_commands_per_second: 500}");
	row->limits = arena_alloc(r->arena, node->n_children * sizeof(*row->limits));
	if (row->limits == NULL)
		return ST_NOMEM;
	for (const struct text_node *child = node->children; child != NULL; child = child->next) {
		struct access_limit *limit = &row->limits[row->n_limits++];
		*limit = (struct access_limit){ .name = child->key, .line = child->line, .column = child->column };
		if (text_node_find(node, child->key) != child)
			return fail(r, child, &here, "this limit stands here twice");
		if (child->kind != TEXT_STRING || !read_number(child->text, &limit->value))
			return fail(r, child, &here, "a limit is a number of at most nine digits");
	}
	return ST_OK;
}

static enum status
check_role(struct reader *r, const struct text_node *node, const struct text_place *place, const struct access_row *row)
{
	bool is_backend = strncmp(row->pattern, "backend/", 8) == 0, is_till = strncmp(row->pattern, "pos/", 4) == 0;

	if (is_backend && !row->has_programs)
		return fail(r, node, place, "the programs of the backend are missing: a list of ids, or `all`");
	if (row->has_programs && !is_backend && !is_till)
		return fail(r, node, place, "only tills and backends are bound to programs: auditors, operators and approvers are of the whole ledger");
	return ST_OK;
}

static enum status
read_row(struct reader *r, const struct text_node *node, const struct text_place *up, struct access_row *row)
{
	static const char *const words[] = { "programs", "limits" };
	const struct text_place place = { .up = up, .key = node->key };

	enum status st = read_pattern(r, node, &place, row);
	if (st == ST_OK)
		st = check_keys(r, node, &place, words, sizeof(words) / sizeof(*words));
	for (const struct text_node *child = node->children; child != NULL && st == ST_OK; child = child->next)
		st = (strcmp(child->key, "programs") == 0 ? read_programs : read_limits)(r, child, &place, row);
	return st == ST_OK ? check_role(r, node, &place, row) : st;
}

enum status
codec_access_parse(struct bytes text, struct arena *arena, struct access_file *ret_file, struct text_error *ret_error)
{
	static const char *const words[] = { "principals" };
	struct reader r = { arena, ret_error };
	const struct text_place place = { .key = "principals" };
	struct access_file file = { .n = 0 };
	const struct text_node *root;

	enum status st = text_yaml_tree(text, arena, &root, ret_error);
	if (st == ST_OK)
		st = check_keys(&r, root, NULL, words, 1);
	const struct text_node *rows = st == ST_OK ? text_node_find(root, "principals") : NULL;
	if (st == ST_OK && (rows == NULL || rows->kind != TEXT_MAP))
		st = fail(&r, rows, &place, "principals are a map: for each a name or a beginning, as backend/app or pos/0042/*, and what holds for it");
	if (st != ST_OK)
		return st;
	file.rows = arena_alloc(arena, rows->n_children * sizeof(*file.rows));
	if (file.rows == NULL)
		return ST_NOMEM;
	for (const struct text_node *child = rows->children; child != NULL && st == ST_OK; child = child->next) {
		if (text_node_find(rows, child->key) != child)
			return fail(&r, child, &place, "this principal stands here twice");
		st = read_row(&r, child, &place, &file.rows[file.n++]);
	}
	if (st == ST_OK)
		*ret_file = file;
	return st;
}
