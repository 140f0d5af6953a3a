/*
 * A file is read whole and compared with its hash before a row of it goes anywhere.  When the hash is another, its rows are looked at all the same: the
 * chain and the signatures say at which transaction the damage is.
 */
#include "backup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "merkle/note.h"

#define COSIGNATURE_KEY_BYTES (8 + SHA256_BYTES)
#define ALIAS_KEY_BYTES 32
#define PERSON_KEY_BYTES 20

static enum status __attribute__((format(printf, 3, 4)))
bad_file(struct backup_read *r, const char *name, const char *format, ...)
{
	char why[240];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(why, sizeof(why), format, values);
	va_end(values);
	finding_set(&r->audit->finding, "BACKUP_DAMAGED", "%s/%s %s", r->dir.path, name, why);
	(void)snprintf(r->audit->finding.file, sizeof(r->audit->finding.file), "%s", name);
	return ST_INVALID;
}

/* ---- the directory ---- */

static enum exit_code
tell_open(const char *path, bool json, enum status st)
{
	switch (st) {
	case ST_NOTFOUND:
		return cli_fail(json, EXIT_USAGE, "%s is not there", path);
	case ST_INVALID:
		return cli_fail(json, EXIT_USAGE, "%s is no backup: it has no manifest", path);
	case ST_BUSY:
		return cli_fail(json, EXIT_UNAVAILABLE, "a backup is written to %s, or read from it, just now", path);
	default:
		return cli_fail(json, EXIT_INTERNAL, "%s cannot be read: %s", path, cli_status_words(st));
	}
}

static enum exit_code
tell_no_manifest(const struct backup_read *r, bool json)
{
	uint64_t bytes;

	if (backup_dir_size(&r->dir, BACKUP_PARTIAL, &bytes) == ST_OK)
		return cli_fail(json, EXIT_USAGE, "the backup in %s was not finished: run `fealty backup` to it once more, it goes on where it was", r->dir.path);
	return cli_fail(json, EXIT_USAGE, "%s is no backup: it has no manifest", r->dir.path);
}

enum exit_code
backup_read_open(const char *path, bool json, struct backup_read *r)
{
	struct buf text;

	enum status st = backup_dir_open(path, false, &r->dir);
	if (st != ST_OK)
		return tell_open(path, json, st);
	st = backup_dir_read(&r->dir, BACKUP_MANIFEST, &text);
	if (st == ST_NOTFOUND)
		return tell_no_manifest(r, json);
	if (st != ST_OK)
		return tell_open(path, json, st);
	const char *why = backup_manifest_parse(buf_bytes(&text), &r->manifest);
	buf_release(&text);
	if (why == NULL)
		return EXIT_DONE;
	(void)bad_file(r, BACKUP_MANIFEST, "cannot be used: %s", why);
	return audit_report_finding(r->audit);
}

void
backup_read_close(struct backup_read *r)
{
	backup_manifest_release(&r->manifest);
	backup_dir_close(&r->dir);
}

/* ---- rows ---- */

static enum status
sink_row(struct backup_read *r, enum store_table table, struct bytes key, struct bytes value)
{
	return r->sink.row == NULL ? ST_OK : r->sink.row(r->sink.ctx, table, key, value);
}

static enum status
on_link(void *ctx, const struct audit_link *link, struct bytes leaf)
{
	uint8_t key[8];

	put_be64(key, link->head.seq);
	return sink_row(ctx, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), leaf);
}

static enum status
on_checkpoint(void *ctx, struct audit *audit, const struct log_head *head)
{
	uint8_t key[8];

	(void)audit;
	put_be64(key, head->size);
	return sink_row(ctx, TABLE_CHECKPOINT, bytes_of(key, sizeof(key)), log_head_note(head));
}

static enum status
flush(struct backup_read *r)
{
	enum status st = audit_chunk(r->audit);

	audit_checkpoints_forget(&r->audit->checkpoints);
	return st == ST_OK && r->sink.flush != NULL ? r->sink.flush(r->sink.ctx) : st;
}

static enum status
out_of_place(struct backup_read *r, const char *what)
{
	uint64_t next = r->audit->first + r->audit->n;

	finding_set_at(&r->audit->finding, next, "transaction %" PRIu64 ": %s", next, what);
	return ST_INVALID;
}

static enum status
take_transaction(struct backup_read *r, const struct backup_row *row)
{
	struct audit *audit = r->audit;

	if (row->key.len != 8 || get_be64(row->key.data) != audit->first + audit->n)
		return out_of_place(r, "it is missing, and another is in its place");
	if (row->value.len == 0 || row->value.len > LEDGER_LEAF_BYTES_MAX)
		return out_of_place(r, "it has more bytes than a transaction may have, or none");
	enum status st = audit_fits(audit, row->value.len) ? ST_OK : flush(r);
	if (st == ST_OK)
		audit_take(audit, row->value);
	return st;
}

static enum status
take_checkpoint(struct backup_read *r, const struct backup_row *row)
{
	struct audit *audit = r->audit;
	const struct audit_checkpoints *c = &audit->checkpoints;
	uint64_t size = audit->first + audit->n, before = c->n == 0 ? c->newest.size : audit_checkpoints_last(c);

	if (row->key.len != 8 || get_be64(row->key.data) != size || size <= before)
		return out_of_place(r, "a checkpoint in front of it is not of just so many transactions as are there");
	return audit_checkpoints_take(audit, row->key, row->value);
}

static enum status
take_cosignature(struct backup_read *r, const struct backup_row *row)
{
	if (row->key.len != COSIGNATURE_KEY_BYTES || get_be64(row->key.data) > r->audit->first + r->audit->n ||
	    !note_is_line(row->value, get_be32(row->key.data + 8)))
		return out_of_place(r, "a cosignature in front of it is none");
	enum status st = flush(r);
	return st == ST_OK ? sink_row(r, row->table, row->key, row->value) : st;
}

static enum status
take_vault(struct backup_read *r, const struct backup_row *row)
{
	size_t want = row->table == TABLE_ALIAS ? ALIAS_KEY_BYTES : row->table == TABLE_PERSON ? PERSON_KEY_BYTES : row->key.len;

	if (row->key.len != want || want == 0 || row->value.len == 0)
		return ST_CORRUPT;
	return sink_row(r, row->table, row->key, row->value);
}

static bool
belongs(enum backup_kind kind, enum store_table table)
{
	if (kind == BACKUP_LEDGER)
		return store_table_env(table) == STORE_LEDGER;
	return kind == BACKUP_VAULT ? store_table_env(table) == STORE_VAULT : table == TABLE_COSIGNATURE;
}

static enum status
take_row(struct backup_read *r, const struct backup_row *row)
{
	if (row->table == TABLE_TRANSACTION)
		return take_transaction(r, row);
	if (row->table == TABLE_CHECKPOINT)
		return take_checkpoint(r, row);
	return row->table == TABLE_COSIGNATURE ? take_cosignature(r, row) : take_vault(r, row);
}

/* ST_CORRUPT: what is left of it is no row that may be there. */
static enum status
take_rows(struct backup_read *r, const struct backup_file *file, struct bytes rest)
{
	struct backup_row row;
	enum status st = ST_OK;

	while (st == ST_OK && rest.len > 0) {
		if (!backup_row_take(&rest, &row) || !belongs(file->kind, row.table))
			return ST_CORRUPT;
		r->rows[file->kind]++;
		st = take_row(r, &row);
	}
	return st == ST_OK ? flush(r) : st;
}

/* ---- files ---- */

/* What the audit found at a transaction is in the file that has it. */
static enum status
name_file(struct backup_read *r, const struct backup_file *file)
{
	struct finding found = r->audit->finding;
	char name[BACKUP_NAME_BYTES];

	if (found.reason[0] == '\0' || found.file[0] != '\0')
		return ST_INVALID;
	(void)backup_file_name(file, name);
	(void)bad_file(r, name, "is damaged: %s", found.sentence);
	r->audit->finding.has_seq = found.has_seq;
	r->audit->finding.seq = found.seq;
	r->audit->finding.has_size = found.has_size;
	r->audit->finding.size = found.size;
	return ST_INVALID;
}

/* The file is not what the manifest says: where, if its rows tell. */
static enum status
find_damage(struct backup_read *r, const struct backup_file *file, struct bytes data, const char *why)
{
	struct backup_sink sink = r->sink;
	char name[BACKUP_NAME_BYTES];

	r->sink = (struct backup_sink){ .row = NULL };
	enum status st = take_rows(r, file, data);
	r->sink = sink;
	if (st == ST_INVALID)
		return name_file(r, file);
	(void)bad_file(r, backup_file_name(file, name), "%s", why);
	if (file->kind == BACKUP_LEDGER) {
		r->audit->finding.has_seq = true;
		r->audit->finding.seq = st == ST_CORRUPT ? r->audit->first + r->audit->n : file->first;
	}
	return ST_INVALID;
}

static enum status
judge_file(struct backup_read *r, const struct backup_file *file, struct bytes data)
{
	uint8_t sha256[SHA256_BYTES];
	char name[BACKUP_NAME_BYTES];

	if (data.len != file->bytes) {
		char why[120];
		(void)snprintf(why, sizeof(why), "is damaged: it has %zu bytes, and %" PRIu64 " belong there", data.len, file->bytes);
		return find_damage(r, file, data, why);
	}
	hash_sha256(sha256, &data, 1);
	if (memcmp(sha256, file->sha256, sizeof(sha256)) != 0)
		return find_damage(r, file, data, "is damaged: its SHA-256 is another than the manifest's");
	enum status st = take_rows(r, file, data);
	if (st == ST_CORRUPT)
		return bad_file(r, backup_file_name(file, name), "has rows that cannot be read, though its SHA-256 is the manifest's");
	return st == ST_INVALID ? name_file(r, file) : st;
}

static enum status
read_one(struct backup_read *r, const struct backup_file *file)
{
	char name[BACKUP_NAME_BYTES];
	struct buf data;

	enum status st = backup_dir_read(&r->dir, backup_file_name(file, name), &data);
	if (st == ST_NOTFOUND)
		return bad_file(r, name, "is missing");
	if (st == ST_TOO_LARGE)
		return bad_file(r, name, "is damaged: it is far longer than it was, or no file");
	if (st != ST_OK)
		return st;
	st = judge_file(r, file, buf_bytes(&data));
	buf_release(&data);
	return st;
}

/* After the last file of the ledger. */
static enum status
judge_end(struct backup_read *r)
{
	struct audit *audit = r->audit;
	uint8_t root[SHA256_BYTES];

	if (audit->first != r->manifest.tree.size)
		return bad_file(r, BACKUP_MANIFEST, "names files with %" PRIu64 " transactions, and says %" PRIu64, audit->first, r->manifest.tree.size);
	merkle_tree_root(audit_tree(audit), root);
	if (strcmp(audit->genesis.origin, r->manifest.origin) != 0 || memcmp(root, r->manifest.head.root, sizeof(root)) != 0 ||
	    audit->checkpoints.newest.size != audit->first || memcmp(audit->checkpoints.newest.root, root, sizeof(root)) != 0)
		return bad_file(r, BACKUP_MANIFEST, "is of another ledger than the files that it names");
	return audit_checkpoint_trusted(audit, &audit->checkpoints.newest);
}

enum status
backup_read_all(struct backup_read *r)
{
	bool vault = false, judged = false;
	enum status st = ST_OK;

	r->audit->on_link = on_link;
	r->audit->on_checkpoint = on_checkpoint;
	r->audit->on_ctx = r;
	r->audit->total = r->manifest.tree.size;
	for (size_t i = 0; i < r->manifest.n && st == ST_OK; i++) {
		const struct backup_file *file = &r->manifest.files[i];
		if (file->kind != BACKUP_LEDGER && !judged) {
			judged = true;
			st = judge_end(r);
		}
		vault |= file->kind == BACKUP_VAULT;
		if (st == ST_OK)
			st = read_one(r, file);
	}
	if (st == ST_OK && !judged)
		st = judge_end(r);
	if (st == ST_OK && (!vault || r->manifest.epoch == 0))
		st = bad_file(r, BACKUP_MANIFEST, "names no file of the vault");
	return st;
}
