/*
 * Lines of words, the last of which is the SHA-256 of all before it: a bit that turned is found here, and what was meant is found by the files'
 * hashes and the checkpoint's signature.
 */
#include "backup.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merkle/lines.h"

#define VERSION "fealty backup 1\n"

static const char *const kinds[BACKUP_KINDS] = { [BACKUP_LEDGER] = "ledger", [BACKUP_COSIGNATURES] = "cosignatures", [BACKUP_VAULT] = "vault" };

const char *
backup_file_name(const struct backup_file *file, char ret_name[static BACKUP_NAME_BYTES])
{
	char hash[2 * 8 + 1];

	int n = snprintf(ret_name, BACKUP_NAME_BYTES, "%s-%012" PRIu64 "-%s", kinds[file->kind], file->first,
	    hex_format(bytes_of(file->sha256, 8), hash));
	assert(n > 0 && n < BACKUP_NAME_BYTES);
	return ret_name;
}

void
backup_manifest_release(struct backup_manifest *m)
{
	free(m->files);
	m->files = NULL;
	m->n = m->cap = 0;
}

enum status
backup_manifest_add(struct backup_manifest *m, const struct backup_file *file)
{
	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 64 : 2 * m->cap;
		struct backup_file *files = reallocarray(m->files, cap, sizeof(*files));
		if (files == NULL)
			return ST_NOMEM;
		m->files = files;
		m->cap = cap;
	}
	m->files[m->n++] = *file;
	return ST_OK;
}

enum status
backup_manifest_copy(const struct backup_manifest *from, struct backup_manifest *ret)
{
	enum status st = ST_OK;

	*ret = *from;
	ret->files = NULL;
	ret->n = ret->cap = 0;
	for (size_t i = 0; i < from->n && st == ST_OK; i++)
		if (from->files[i].kind == BACKUP_LEDGER)
			st = backup_manifest_add(ret, &from->files[i]);
	return st;
}

uint64_t
backup_manifest_bytes(const struct backup_manifest *m, enum backup_kind kind)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < m->n; i++)
		bytes += m->files[i].kind == kind ? m->files[i].bytes : 0;
	return bytes;
}

/* ---- printing ---- */

static void
put_line(struct buf *out, const char *word, const char *text)
{
	buf_put(out, word, strlen(word));
	buf_put(out, " ", 1);
	buf_put(out, text, strlen(text));
	buf_put(out, "\n", 1);
}

static void
put_number(struct buf *out, const char *word, uint64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, number);
	put_line(out, word, text);
}

static void
put_hash(struct buf *out, const char *word, const uint8_t hash[static SHA256_BYTES])
{
	char text[2 * SHA256_BYTES + 1];

	put_line(out, word, hex_format(bytes_of(hash, SHA256_BYTES), text));
}

static void
put_files(const struct backup_manifest *m, enum backup_kind kind, struct buf *out)
{
	char name[BACKUP_NAME_BYTES], hash[2 * SHA256_BYTES + 1], line[BACKUP_NAME_BYTES + sizeof(hash) + 32];

	for (size_t i = 0; i < m->n; i++) {
		const struct backup_file *file = &m->files[i];
		if (file->kind != kind)
			continue;
		(void)snprintf(line, sizeof(line), "%s %" PRIu64 " %s", backup_file_name(file, name), file->bytes,
		    hex_format(bytes_of(file->sha256, SHA256_BYTES), hash));
		put_line(out, "file", line);
	}
}

static void
put_note(const struct backup_manifest *m, struct buf *out)
{
	struct bytes rest = log_head_note(&m->head), line;

	while (lines_take(&rest, &line)) {
		buf_put(out, "checkpoint ", strlen("checkpoint "));
		buf_put(out, line.data, line.len);
		buf_put(out, "\n", 1);
	}
}

void
backup_manifest_print(const struct backup_manifest *m, struct buf *out)
{
	char made[INSTANT_TEXT_BYTES];
	uint8_t sum[SHA256_BYTES];

	buf_put(out, VERSION, strlen(VERSION));
	put_line(out, "origin", m->origin);
	put_line(out, "made", instant_format(m->made_at_us, made));
	put_number(out, "size", m->tree.size);
	put_number(out, "cosignatures", m->cosignatures);
	put_number(out, "epoch", m->epoch);
	for (unsigned i = 0; i < 64; i++)
		if ((m->tree.size >> i & 1) != 0)
			put_hash(out, "subtree", m->tree.frontier[i]);
	put_note(m, out);
	for (enum backup_kind kind = 0; kind < BACKUP_KINDS; kind++)
		put_files(m, kind, out);
	struct bytes all = buf_bytes(out);
	hash_sha256(sum, &all, 1);
	put_hash(out, "sum", sum);
}

/* ---- reading ---- */

static bool
parse_hash(struct bytes text, uint8_t ret_hash[static SHA256_BYTES])
{
	char copy[2 * SHA256_BYTES + 1];

	if (text.len != 2 * SHA256_BYTES)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return hex_parse(copy, ret_hash, SHA256_BYTES);
}

static bool
take_line(struct bytes *rest, const char *word, struct bytes *ret_text)
{
	struct bytes after = *rest;

	return lines_take_prefix(&after, bytes_of(word, strlen(word))) && lines_take_prefix(&after, LITERAL(" ")) && lines_take(&after, ret_text) &&
	    (*rest = after, true);
}

static bool
take_number(struct bytes *rest, const char *word, uint64_t *ret_number)
{
	struct bytes text;

	return take_line(rest, word, &text) && lines_number(text, ret_number);
}

/* Up to the space, which goes too. */
static bool
take_word(struct bytes *line, struct bytes *ret_word)
{
	const uint8_t *space = line->len == 0 ? NULL : memchr(line->data, ' ', line->len);

	if (space == NULL)
		return false;
	*ret_word = bytes_of(line->data, (size_t)(space - line->data));
	*line = bytes_of(space + 1, line->len - ret_word->len - 1);
	return true;
}

/* The kind is what the name begins with; the name is what follows from the rest. */
static bool
parse_file(struct bytes line, struct backup_file *ret)
{
	char name[BACKUP_NAME_BYTES], number[13];
	struct bytes word, size;

	if (!take_word(&line, &word) || !take_word(&line, &size) || !lines_number(size, &ret->bytes) || !parse_hash(line, ret->sha256) ||
	    ret->bytes > BACKUP_FILE_BYTES_MAX)
		return false;
	for (ret->kind = 0; ret->kind < BACKUP_KINDS; ret->kind++) {
		size_t len = strlen(kinds[ret->kind]);
		if (word.len <= len + 14 || memcmp(word.data, kinds[ret->kind], len) != 0 || word.data[len] != '-')
			continue;
		memcpy(number, word.data + len + 1, 12);
		number[12] = '\0';
		ret->first = strtoull(number, NULL, 10);
		(void)backup_file_name(ret, name);
		return bytes_equal(word, bytes_of(name, strlen(name)));
	}
	return false;
}

static const char *
parse_tree(struct bytes *rest, struct backup_manifest *ret)
{
	struct bytes text;

	merkle_tree_init(&ret->tree);
	if (!take_number(rest, "size", &ret->tree.size) || ret->tree.size == 0 || ret->tree.size == UINT64_MAX)
		return "its size cannot be read";
	if (!take_number(rest, "cosignatures", &ret->cosignatures) || !take_number(rest, "epoch", &ret->epoch))
		return "its epoch cannot be read";
	for (unsigned i = 0; i < 64; i++)
		if ((ret->tree.size >> i & 1) != 0 && !(take_line(rest, "subtree", &text) && parse_hash(text, ret->tree.frontier[i])))
			return "its tree cannot be read";
	return NULL;
}

static const char *
parse_note(struct bytes *rest, struct backup_manifest *ret)
{
	uint8_t root[SHA256_BYTES];
	struct bytes line;
	const char *why;
	struct buf note;

	buf_init(&note);
	while (take_line(rest, "checkpoint", &line)) {
		buf_put(&note, line.data, line.len);
		buf_put(&note, "\n", 1);
	}
	bool is_head = buf_status(&note) == ST_OK && log_head_read(buf_bytes(&note), &ret->head, &why);
	buf_release(&note);
	merkle_tree_root(&ret->tree, root);
	if (!is_head || ret->head.size != ret->tree.size || memcmp(ret->head.root, root, sizeof(root)) != 0)
		return "its checkpoint is not of its tree";
	return NULL;
}

static const char *
parse_files(struct bytes *rest, struct backup_manifest *ret)
{
	struct backup_file file;
	struct bytes line;

	while (take_line(rest, "file", &line)) {
		if (!parse_file(line, &file) || (ret->n > 0 && ret->files[ret->n - 1].kind > file.kind))
			return "a line of its files cannot be read";
		if (backup_manifest_add(ret, &file) != ST_OK)
			return "there is not enough memory";
	}
	return NULL;
}

static bool
sum_holds(struct bytes text)
{
	size_t line = strlen("sum ") + 2 * SHA256_BYTES + 1;
	uint8_t sum[SHA256_BYTES], said[SHA256_BYTES];

	if (text.len <= line || memcmp(text.data + text.len - line, "sum ", 4) != 0 || text.data[text.len - 1] != '\n')
		return false;
	struct bytes all = bytes_of(text.data, text.len - line);
	hash_sha256(sum, &all, 1);
	return parse_hash(bytes_of(text.data + text.len - line + 4, 2 * SHA256_BYTES), said) && memcmp(sum, said, sizeof(sum)) == 0;
}

const char *
backup_manifest_parse(struct bytes text, struct backup_manifest *ret)
{
	struct bytes rest = text, line;
	char made[INSTANT_TEXT_BYTES];

	*ret = (struct backup_manifest){ .n = 0 };
	if (!lines_take_prefix(&rest, LITERAL("fealty backup ")))
		return "it is no manifest of a backup";
	rest = text;
	if (!lines_take_prefix(&rest, LITERAL(VERSION)))
		return "it is of another version of the format than this program knows";
	if (!sum_holds(text))
		return "it is damaged: its sum is another";
	if (!take_line(&rest, "origin", &line) || line.len >= sizeof(ret->origin))
		return "its origin cannot be read";
	memcpy(ret->origin, line.data, line.len);
	if (!take_line(&rest, "made", &line) || line.len >= sizeof(made))
		return "its time cannot be read";
	memcpy(made, line.data, line.len);
	made[line.len] = '\0';
	if (!instant_parse(made, &ret->made_at_us))
		return "its time cannot be read";
	const char *why = parse_tree(&rest, ret);
	if (why == NULL)
		why = parse_note(&rest, ret);
	if (why == NULL)
		why = parse_files(&rest, ret);
	return why != NULL || take_line(&rest, "sum", &line) ? why : "it has lines that cannot be read";
}
