/*
 * What an auditor keeps, and what another one can begin from: the log as it was verified, by C2SP tlog-tiles; a C2SP tlog-policy that trusts
 * its key; the history of its keys; the report; and the SHA-256 of each file, in the form of sha256sum.  Nothing in it depends on when or
 * where it was made, so two of one size are equal byte for byte.  The manifest comes last: without it the evidence is not whole.
 */
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export_tree.h"
#include "key_text.h"

#define MANIFEST "SHA256SUMS"
#define PATH_BYTES 4096
#define FILE_BYTES_MAX ((size_t)TILE_WIDTH * (2 + LEDGER_LEAF_BYTES_MAX))
#define VKEY_BYTES (LOG_ORIGIN_BYTES_MAX + 64)

/* In the order of the manifest; then the tiles. */
static const char *const names[] = { "checkpoint", "keys.json", "policy", "report.json" };
#define NAMES (sizeof(names) / sizeof(names[0]))

struct audit_evidence {
	const char *path;
	bool json;
	struct bytes policy;
	struct log_head head;
	struct export_dir dir;
	struct export_tree tree;
	struct buf manifest;
};

static enum exit_code
tell(const struct audit_evidence *e, enum status st)
{
	if (st == ST_FULL)
		return cli_fail(e->json, EXIT_INTERNAL, "there is no space left for the evidence in %s: free some and run it again", e->path);
	return cli_fail(e->json, EXIT_INTERNAL, "the evidence in %s cannot be written: %s", e->path, cli_status_words(st));
}

/* ---- begin ---- */

static enum exit_code
open_directory(struct audit_evidence *e)
{
	enum status st = export_dir_open(e->path, &e->dir);

	switch (st) {
	case ST_OK:
		e->dir.overwrite = true;
		return EXIT_DONE;
	case ST_BUSY:
		return cli_fail(e->json, EXIT_UNAVAILABLE, "another process writes to %s just now", e->path);
	case ST_INVALID:
		return cli_fail(e->json, EXIT_USAGE, "--evidence: %s is not empty, and what is in it is no evidence. Give a directory of its own",
		    e->path);
	default:
		return tell(e, st);
	}
}

enum exit_code
audit_evidence_new(const char *path, struct bytes policy, bool json, struct audit_evidence **ret_evidence)
{
	struct audit_evidence *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return cli_fail(json, EXIT_INTERNAL, "there is not enough memory for the evidence");
	*e = (struct audit_evidence){ .path = path, .json = json, .policy = policy, .dir = { .fd = -1 } };
	buf_init(&e->manifest);
	enum exit_code code = open_directory(e);
	if (code == EXIT_DONE && export_tree_init(&e->tree, &e->dir) != ST_OK)
		code = cli_fail(json, EXIT_INTERNAL, "there is not enough memory for the evidence");
	if (code == EXIT_DONE)
		*ret_evidence = e;
	else
		audit_evidence_free(e);
	return code;
}

void
audit_evidence_free(struct audit_evidence *e)
{
	if (e == NULL)
		return;
	export_tree_release(&e->tree);
	if (e->dir.fd >= 0)
		export_dir_close(&e->dir);
	buf_release(&e->manifest);
	free(e);
}

static bool
is_expected(const struct audit_evidence *e, const char *name)
{
	struct tile tile;

	for (size_t i = 0; i < NAMES; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	if (strcmp(name, MANIFEST) == 0 || strcmp(name, ".tmp") == 0)
		return true;
	return tile_parse(bytes_of(name, strlen(name)), &tile) == TILE_OK &&
	    tile.width == tile_width(tile.level, tile.index, e->head.size);
}

/* NULL, or the first name that an evidence of this size does not have; ${ret_name} keeps it. */
static const char *
find_other(const struct audit_evidence *e, char ret_name[static PATH_BYTES])
{
	char *roots[] = { (char *)e->path, NULL };	/* fts does not write to it */
	size_t skip = strlen(e->path);
	const char *other = NULL;
	FTSENT *entry;

	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (walk != NULL && other == NULL && (entry = fts_read(walk)) != NULL) {
		const char *name = entry->fts_path + skip;
		while (*name == '/')
			name++;
		if (entry->fts_info == FTS_D || entry->fts_info == FTS_DP)
			continue;
		(void)snprintf(ret_name, PATH_BYTES, "%s", name);
		if (entry->fts_info != FTS_F || !is_expected(e, name))
			other = ret_name;
	}
	if (walk != NULL)
		(void)fts_close(walk);
	return other;
}

/* Of another log, or of another head of that size; the lines of witnesses may have become more. */
static bool
has_other_checkpoint(const struct audit_evidence *e)
{
	static struct log_head old;
	char path[PATH_BYTES];
	struct buf text;
	const char *why;

	(void)snprintf(path, sizeof(path), "%s/checkpoint", e->path);
	enum status st = file_read_all(path, LOG_NOTE_BYTES_MAX, &text);
	if (st != ST_OK)
		return st == ST_TOO_LARGE;
	bool other = !log_head_read(buf_bytes(&text), &old, &why) || old.size != e->head.size ||
	    memcmp(old.root, e->head.root, sizeof(old.root)) != 0;
	buf_release(&text);
	return other;
}

enum exit_code
audit_evidence_begin(struct audit_evidence *e, const struct log_head *head)
{
	char name[PATH_BYTES];

	e->head = *head;
	const char *other = find_other(e, name);
	if (other != NULL)
		return cli_fail(e->json, EXIT_USAGE,
		    "--evidence: %s has %s, which is no part of the evidence of %" PRIu64 " transactions. Give a directory of its own", e->path, other,
		    head->size);
	if (has_other_checkpoint(e))
		return cli_fail(e->json, EXIT_USAGE, "--evidence: %s has the evidence of another checkpoint. Give a directory of its own", e->path);
	return EXIT_DONE;
}

enum status
audit_evidence_take(struct audit_evidence *e, struct bytes leaf)
{
	export_tree_take(&e->tree, leaf);
	return export_tree_full(&e->tree) ? export_tree_put(&e->tree) : ST_OK;
}

/* ---- end ---- */

static enum status
put(struct audit_evidence *e, const char *name, struct bytes content)
{
	bool in_place;

	return export_dir_put(&e->dir, name, content, &in_place);
}

static enum status
put_json(struct audit_evidence *e, const char *name, json_t *object)
{
	char *text = json_dumps(object, JSON_INDENT(2));
	struct buf all;

	json_decref(object);
	if (text == NULL)
		return ST_NOMEM;
	buf_init(&all);
	buf_put(&all, text, strlen(text));
	buf_put_u8(&all, '\n');
	free(text);
	enum status st = buf_status(&all);
	if (st == ST_OK)
		st = put(e, name, buf_bytes(&all));
	buf_release(&all);
	return st;
}

static const char *
vkey_text(const struct note_key *key, char ret_text[static VKEY_BYTES + 1])
{
	struct writer w = writer_of(ret_text, VKEY_BYTES);

	note_key_print(&w, key);
	ret_text[writer_bytes(&w).len] = '\0';
	return ret_text;
}

static enum status
put_policy(struct audit_evidence *e, const struct audit *audit)
{
	struct note_key key = audit->has_vkey ? audit->vkey : audit_checkpoint_key(audit, e->head.size);
	char vkey[VKEY_BYTES + 1], text[VKEY_BYTES + 256];

	if (e->policy.len > 0)
		return put(e, "policy", e->policy);
	int n = snprintf(text, sizeof(text), "# C2SP tlog-policy: the log of this evidence, by the key that %s.\nlog %s\nquorum none\n",
	    audit->has_vkey ? "its auditor was given" : "it names itself", vkey_text(&key, vkey));
	return put(e, "policy", bytes_of(text, (size_t)n));
}

/* Which keys sign from where on; those of checkpoints also in the words of C2SP signed-note. */
static json_t *
key_history(const struct audit *audit)
{
	const struct key_history *history = audit_keys(audit);
	struct bytes origin = bytes_of(audit->genesis.origin, strlen(audit->genesis.origin));
	json_t *object = json_new(), *keys = json_array();
	char vkey[VKEY_BYTES + 1];

	for (size_t i = 0; i < history->n; i++) {
		json_t *row = key_json(&history->keys[i]);
		struct note_key key = note_key_of(origin, NOTE_ED25519, history->keys[i].public_key);
		if (history->keys[i].kind == KEY_OF_CHECKPOINTS)
			json_put_text(row, "vkey", vkey_text(&key, vkey));
		(void)json_array_append_new(keys, row);
	}
	json_put_text(object, "origin", audit->genesis.origin);
	json_put(object, "keys", keys);
	return object;
}

/* What is on disk, read back. */
static enum status
list_file(struct audit_evidence *e, const char *name)
{
	char path[PATH_BYTES], hex[2 * SHA256_BYTES + 1];
	uint8_t hash[SHA256_BYTES];
	struct buf data;

	if (snprintf(path, sizeof(path), "%s/%s", e->path, name) >= (int)sizeof(path))
		return ST_TOO_LARGE;
	enum status st = file_read_all(path, FILE_BYTES_MAX, &data);
	if (st != ST_OK)
		return st;
	struct bytes all = buf_bytes(&data);
	hash_sha256(hash, &all, 1);
	buf_release(&data);
	buf_put(&e->manifest, hex_format(bytes_of(hash, sizeof(hash)), hex), 2 * sizeof(hash));
	buf_put(&e->manifest, "  ", 2);
	buf_put(&e->manifest, name, strlen(name));
	buf_put_u8(&e->manifest, '\n');
	return buf_status(&e->manifest);
}

static enum status
list_tiles(struct audit_evidence *e, bool entries, unsigned level)
{
	uint64_t count = tile_count(level, e->head.size);
	char path[TILE_PATH_BYTES + 1];
	enum status st = ST_OK;

	for (uint64_t i = 0; i < count && st == ST_OK; i++) {
		struct tile tile = { .entries = entries, .level = level, .index = i, .width = tile_width(level, i, e->head.size) };
		struct writer w = writer_of(path, TILE_PATH_BYTES);
		tile_print(&w, &tile);
		path[writer_bytes(&w).len] = '\0';
		st = list_file(e, path);
	}
	return st;
}

static enum status
put_manifest(struct audit_evidence *e)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < NAMES && st == ST_OK; i++)
		st = list_file(e, names[i]);
	for (unsigned level = 0; level < EXPORT_TREE_LEVELS && st == ST_OK; level++)
		st = list_tiles(e, false, level);
	if (st == ST_OK)
		st = list_tiles(e, true, 0);
	if (st == ST_OK)
		st = put(e, MANIFEST, buf_bytes(&e->manifest));
	return st == ST_OK ? export_dir_sync(&e->dir) : st;
}

enum exit_code
audit_evidence_end(struct audit_evidence *e, const struct audit *audit, const struct audit_books *books)
{
	enum status st = export_tree_end(&e->tree);

	if (st == ST_OK)
		st = put_policy(e, audit);
	if (st == ST_OK)
		st = put_json(e, "keys.json", key_history(audit));
	if (st == ST_OK)
		st = put_json(e, "report.json", audit_report_json(audit, books));
	if (st == ST_OK)
		st = put(e, "checkpoint", log_head_note(&e->head));
	if (st == ST_OK)
		st = export_dir_sync(&e->dir);
	if (st == ST_OK)
		st = put_manifest(e);
	return st == ST_OK ? EXIT_DONE : tell(e, st);
}
