/*
 * A run reads the data directory beside the daemon, as an audit does, and writes nothing there.
 *
 * Ledger and vault must be of one moment: an alias that belongs to no transaction, or a transaction whose member nobody knows, would be there after a
 * restore.  The daemon commits the vault's additions, then the ledger, then the vault's removals, and a start after a crash puts right what lies
 * between; so a view of the vault is as good as one that a crash leaves when the ledger had the same size before and after it was opened.  And the ledger
 * must end with a checkpoint, which the daemon signs in one commit a second: we look until we meet that moment.  Views are held while the vault is
 * copied, and no longer; the ledger only grows, so it is read afterwards, up to its size of that moment, in chunks.
 *
 * Each transaction is verified in front of its write, and the last thing that is written is the manifest: whatever ends a run, the former backup is whole.
 */
#include "backup.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "guard.h"
#include "log_source.h"

#define WAIT_US (20 * US_PER_SECOND)		/* for a checkpoint of all that there is; the daemon signs one a second */
#define POLL_NS 300000
#define COSIGNATURES_OPEN 4096			/* of so many of the newest checkpoints some may still come: they are copied again */
#define CUT_BYTES (BACKUP_FILE_BYTES_MAX / 2)	/* no file of the ledger gets longer, checkpoint or not */
#define KEYS_ARENA_BYTES (16u << 20)

static enum exit_code
tell_read(const struct backup_take *t, enum status st)
{
	return cli_fail(t->json, EXIT_INTERNAL, "%s cannot be read: %s", t->data_path, cli_status_words(st));
}

static enum exit_code
tell_write(const struct backup_take *t, enum status st)
{
	const char *kept = t->whole.head.size > 0 ? "; the backup that was there before is whole" : "";

	if (st == ST_FULL)
		return cli_fail(t->json, EXIT_INTERNAL, "there is no space left for %s: free some and run it again, it goes on where it was%s", t->dir.path, kept);
	return cli_fail(t->json, EXIT_INTERNAL, "%s cannot be written: %s%s", t->dir.path, cli_status_words(st), kept);
}

/* ---- where it goes ---- */

static bool
is_inside(const char *path, const char *parent)
{
	size_t len = strlen(parent);

	return strncmp(path, parent, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The target's own path, or its parent's while it is not there. */
static bool
resolve(const char *path, char ret_path[static PATH_MAX])
{
	char parent[PATH_MAX];

	if (realpath(path, ret_path) != NULL)
		return true;
	if (errno != ENOENT || snprintf(parent, sizeof(parent), "%s/..", path) >= (int)sizeof(parent))
		return false;
	(void)snprintf(parent, sizeof(parent), "%s", path);
	size_t len = strlen(parent);
	while (len > 1 && parent[len - 1] == '/')
		parent[--len] = '\0';
	char *slash = strrchr(parent, '/');
	if (slash == NULL)
		(void)strcpy(parent, ".");
	else
		slash[slash == parent ? 1 : 0] = '\0';
	return realpath(parent, ret_path) != NULL;
}

static enum exit_code
judge_place(const struct backup_take *t, const char *path)
{
	char data[PATH_MAX], target[PATH_MAX];

	if (realpath(t->data_path, data) == NULL)
		return tell_read(t, ST_IO);
	if (!resolve(path, target))
		return cli_fail(t->json, EXIT_USAGE, "%s cannot be made: %s", path, strerror(errno));
	if (is_inside(target, data))
		return cli_fail(t->json, EXIT_USAGE, "%s is inside the data directory %s, and would be lost with it. Give another place, on another disk", path,
		    t->data_path);
	return EXIT_DONE;
}

static enum exit_code
open_target(struct backup_take *t, const char *path)
{
	enum exit_code code = judge_place(t, path);

	if (code != EXIT_DONE)
		return code;
	enum status st = backup_dir_open(path, true, &t->dir);
	switch (st) {
	case ST_OK:
		return EXIT_DONE;
	case ST_BUSY:
		return cli_fail(t->json, EXIT_UNAVAILABLE, "a backup is written to %s, or read from it, just now", path);
	case ST_INVALID:
		return cli_fail(t->json, EXIT_USAGE, "%s is not empty, and what is in it is no backup. Give a directory of its own", path);
	default:
		return cli_fail(t->json, st == ST_FULL ? EXIT_INTERNAL : EXIT_USAGE, "%s cannot be used: %s", path, cli_status_words(st));
	}
}

/* ---- what is there already ---- */

static enum exit_code
tell_damaged(const struct backup_take *t, const char *name, const char *what)
{
	return cli_fail(t->json, EXIT_REFUSED,
	    "%s/%s %s. Nothing was written; `fealty backup --verify %s` looks further. Keep it, and begin a new backup in another directory", t->dir.path, name,
	    what, t->dir.path);
}

/* size 0 in ${ret}: there is none. */
static enum exit_code
read_manifest(struct backup_take *t, const char *name, struct backup_manifest *ret)
{
	struct buf text;

	enum status st = backup_dir_read(&t->dir, name, &text);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? EXIT_DONE : cli_fail(t->json, EXIT_INTERNAL, "%s/%s cannot be read: %s", t->dir.path, name, cli_status_words(st));
	const char *why = backup_manifest_parse(buf_bytes(&text), ret);
	buf_release(&text);
	if (why == NULL)
		return EXIT_DONE;
	backup_manifest_release(ret);
	*ret = (struct backup_manifest){ .n = 0 };
	if (strcmp(name, BACKUP_PARTIAL) == 0)
		return EXIT_DONE;		/* that run's work is done once more */
	char what[160];
	(void)snprintf(what, sizeof(what), "cannot be used: %s", why);
	return tell_damaged(t, name, what);
}

static enum exit_code
judge_files(const struct backup_take *t)
{
	char name[BACKUP_NAME_BYTES];
	uint64_t bytes = 0;

	for (size_t i = 0; i < t->old.n; i++) {
		const struct backup_file *file = &t->old.files[i];
		enum status st = backup_dir_size(&t->dir, backup_file_name(file, name), &bytes);
		if (st == ST_NOTFOUND)
			return tell_damaged(t, name, "is missing");
		if (st == ST_OK && bytes != file->bytes)
			return tell_damaged(t, name, "is damaged: it has another length than the manifest says");
	}
	return EXIT_DONE;
}

/* Whether it is of this ledger: what the ledger's own checkpoint of that size says of it. */
static enum exit_code
judge_old(const struct backup_take *t)
{
	static struct log_head stored;
	const struct backup_manifest *old = &t->old;

	if (strcmp(old->origin, t->source->origin) != 0)
		return cli_fail(t->json, EXIT_REFUSED, "%s is a backup of %s, and the ledger in %s is %s. Nothing was written; give another directory",
		    t->dir.path, old->origin, t->data_path, t->source->origin);
	if (old->head.size > t->source->size)
		return cli_fail(t->json, EXIT_REFUSED, "%s has %" PRIu64 " transactions, and the ledger in %s only %" PRIu64
		    ": the ledger is an older copy. Nothing was written", t->dir.path, old->head.size, t->data_path, t->source->size);
	enum status st = log_head_of(t->source, old->head.size, &stored);
	if (st != ST_OK && st != ST_NOTFOUND && st != ST_CORRUPT)
		return tell_read(t, st);
	if (st != ST_OK || memcmp(stored.root, old->head.root, sizeof(stored.root)) != 0)
		return cli_fail(t->json, EXIT_REFUSED,
		    "the %" PRIu64 " transactions in %s are not those that the ledger in %s begins with: the two have parted. Keep both; a new backup needs "
		    "another directory. Nothing was written", old->head.size, t->dir.path, t->data_path);
	return EXIT_DONE;
}

static enum exit_code
read_old(struct backup_take *t)
{
	struct backup_manifest partial = { .n = 0 };

	enum exit_code code = read_manifest(t, BACKUP_MANIFEST, &t->whole);
	if (code == EXIT_DONE)
		code = read_manifest(t, BACKUP_PARTIAL, &partial);
	if (code != EXIT_DONE)
		return code;
	bool further = partial.head.size > t->whole.head.size;
	enum status st = backup_manifest_copy(further ? &partial : &t->whole, &t->old);
	backup_manifest_release(&partial);
	if (st != ST_OK)
		return tell_read(t, st);
	if (t->old.head.size == 0)
		return EXIT_DONE;
	code = judge_files(t);
	return code == EXIT_DONE ? judge_old(t) : code;
}

/* ---- the moment ---- */

static enum status
read_size(struct store_txn *ledger, enum store_table table, uint64_t *ret_number)
{
	struct bytes key, value;

	guard_at(GUARD_LEDGER, 0);
	enum status st = store_last(ledger, table, &key, &value);
	if (st == ST_OK && (key.len != 8 || get_be64(key.data) == UINT64_MAX))
		st = ST_CORRUPT;
	*ret_number = st == ST_OK ? get_be64(key.data) : 0;
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* ST_BUSY: it does not end with a checkpoint just now, or with one of fewer than ${least}. */
static enum status
look(struct store_txn *ledger, uint64_t least, uint64_t *ret_size)
{
	uint64_t newest, checkpoint;

	enum status st = store_renew(ledger);
	if (st == ST_OK)
		st = read_size(ledger, TABLE_TRANSACTION, &newest);
	if (st == ST_OK)
		st = read_size(ledger, TABLE_CHECKPOINT, &checkpoint);
	store_rest(ledger);
	if (st != ST_OK)
		return st;
	*ret_size = newest + 1;
	return checkpoint == newest + 1 && checkpoint >= least ? ST_OK : ST_BUSY;
}

/* ST_INTERRUPTED: the vault has turned its epoch since it was opened. */
static enum status
meet(struct backup_take *t, struct store_txn *ledger, uint64_t least, struct store_txn **ret_vault)
{
	uint64_t again, epoch;

	enum status st = look(ledger, least, &t->size);
	if (st != ST_OK)
		return st;
	guard_at(GUARD_FILE, 0);
	st = store_read(t->source->store, STORE_VAULT, ret_vault);
	if (st != ST_OK)
		return st;
	st = look(ledger, least, &again);
	if (st == ST_OK && again != t->size)
		st = ST_BUSY;
	if (st == ST_OK)
		st = store_vault_newest(t->source->store, &epoch);
	if (st == ST_OK && epoch != store_txn_epoch(*ret_vault))
		st = ST_INTERRUPTED;
	if (st != ST_OK)
		store_abort(*ret_vault);
	return st;
}

static enum status
wait_to_meet(struct backup_take *t, uint64_t least, struct store_txn **ret_vault)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int64_t until_us = clock_monotonic_us() + WAIT_US;
	struct store_txn *ledger;

	enum status st = store_read(t->source->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	while ((st = meet(t, ledger, least, ret_vault)) == ST_BUSY && clock_monotonic_us() < until_us)
		(void)nanosleep(&pause, NULL);
	store_abort(ledger);
	return st;
}

/* ---- the vault ---- */

static enum status
copy_table(struct backup_take *t, struct store_txn *vault, enum store_table table)
{
	struct store_cursor *cursor;
	struct bytes key, value;

	guard_at(GUARD_FILE, 0);
	enum status st = store_cursor_open(vault, table, bytes_of("", 0), &cursor);
	if (st != ST_OK)
		return st;
	while (st == ST_OK && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		t->rows[BACKUP_VAULT]++;
		t->pack.status = backup_pack_row(&t->pack, table, key, value);
		st = t->pack.status;
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

static enum exit_code
copy_vault(struct backup_take *t, struct store_txn *vault)
{
	static const enum store_table tables[] = { TABLE_VAULT_META, TABLE_ALIAS, TABLE_PERSON };
	enum status st = ST_OK;

	t->next.epoch = store_txn_epoch(vault);
	backup_pack_begin(&t->pack, &t->dir, &t->next, BACKUP_VAULT, 0, NULL);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && st == ST_OK; i++)
		st = copy_table(t, vault, tables[i]);
	if (st == ST_OK)
		t->pack.status = st = backup_pack_cut(&t->pack, 0);
	backup_pack_release(&t->pack);
	store_abort(vault);
	if (st == ST_OK)
		return EXIT_DONE;
	return t->pack.status != ST_OK ? tell_write(t, st) : tell_read(t, st);
}

/* ---- the ledger ---- */

/* The keys that the first ${size} transactions name, and the genesis and the newest of them. */
static enum status
read_keys(struct backup_take *t, struct store_txn *ledger, struct key_history *ret_keys)
{
	const struct key_history *all = &t->source->keys;
	enum status st = ST_OK;
	struct arena arena;
	struct bytes leaf;
	uint8_t key[8];

	ret_keys->n = 0;
	arena_init(&arena, KEYS_ARENA_BYTES);
	for (size_t i = 0; i < all->n && st == ST_OK; i++) {
		uint64_t seq = all->keys[i].named_at;
		if (seq >= t->old.head.size || (i > 0 && all->keys[i - 1].named_at == seq))
			continue;
		put_be64(key, seq);
		guard_at(GUARD_LEDGER, seq);
		st = store_get(ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &leaf);
		arena_reset(&arena);
		if (st == ST_OK)
			st = apply_follow_keys(ret_keys, seq, leaf, &arena);
	}
	arena_release(&arena);
	return st;
}

static enum status
resume(struct backup_take *t, struct store_txn *ledger)
{
	static struct key_history keys;
	struct bytes genesis = { 0 }, newest = { 0 };
	uint8_t key[8] = { 0 };

	enum status st = store_renew(ledger);
	if (st == ST_OK && t->old.head.size > 0)
		st = read_keys(t, ledger, &keys);
	guard_at(GUARD_LEDGER, 0);
	if (st == ST_OK && t->old.head.size > 0)
		st = store_get(ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &genesis);
	if (st == ST_OK && t->old.head.size > 0) {
		put_be64(key, t->old.head.size - 1);
		st = store_get(ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &newest);
	}
	if (st == ST_OK && t->old.head.size > 0)
		st = audit_chain_resume(&t->audit, &t->old.tree, &keys, genesis, newest);
	store_rest(ledger);
	return st;
}

static enum status
put_manifest(struct backup_take *t, const char *name)
{
	struct buf text;

	buf_init(&text);
	struct clock clock = clock_system();
	t->next.made_at_us = clock.now_us(clock.ctx);
	backup_manifest_print(&t->next, &text);
	enum status st = buf_status(&text);
	if (st == ST_OK)
		st = backup_dir_sync(&t->dir);
	if (st == ST_OK)
		st = backup_dir_put(&t->dir, name, buf_bytes(&text));
	if (st == ST_OK)
		st = backup_dir_sync(&t->dir);
	buf_release(&text);
	return st;
}

static enum status
write_status(struct backup_take *t, enum status st)
{
	t->pack.status = st;
	return st;
}

static enum status
on_link(void *ctx, const struct audit_link *link, struct bytes leaf)
{
	struct backup_take *t = ctx;
	uint8_t key[8];

	if (t->pack.data.len >= CUT_BYTES) {
		enum status st = write_status(t, backup_pack_cut(&t->pack, link->head.seq));
		if (st != ST_OK)
			return st;
	}
	put_be64(key, link->head.seq);
	return write_status(t, backup_pack_row(&t->pack, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), leaf));
}

/* A run that is cut short later goes on from here. */
static enum status
note_progress(struct backup_take *t, const struct log_head *head)
{
	uint64_t epoch = t->next.epoch;

	enum status st = backup_pack_cut(&t->pack, head->size);
	t->next.tree = *audit_tree(&t->audit);
	t->next.head = *head;
	t->next.epoch = 0;
	if (st == ST_OK)
		st = put_manifest(t, BACKUP_PARTIAL);
	t->next.epoch = epoch;
	return st;
}

static enum status
on_checkpoint(void *ctx, struct audit *audit, const struct log_head *head)
{
	struct backup_take *t = ctx;
	uint8_t key[8];

	(void)audit;
	put_be64(key, head->size);
	enum status st = backup_pack_row(&t->pack, TABLE_CHECKPOINT, bytes_of(key, sizeof(key)), log_head_note(head));
	if (st == ST_OK && t->pack.data.len >= BACKUP_FILE_BYTES && head->size < t->size)
		st = note_progress(t, head);
	return write_status(t, st);
}

/* The newest file of the ledger goes on, when it is short: the new one has what it has. */
static enum exit_code
begin_ledger(struct backup_take *t)
{
	const struct backup_file *last = t->next.n == 0 ? NULL : &t->next.files[t->next.n - 1];
	char name[BACKUP_NAME_BYTES];
	uint8_t sha256[SHA256_BYTES];
	struct buf data;

	backup_pack_begin(&t->pack, &t->dir, &t->next, BACKUP_LEDGER, t->old.head.size, NULL);
	if (last == NULL || last->bytes >= BACKUP_FILE_BYTES)
		return EXIT_DONE;
	enum status st = backup_dir_read(&t->dir, backup_file_name(last, name), &data);
	if (st != ST_OK)
		return tell_damaged(t, name, "cannot be read");
	struct bytes all = buf_bytes(&data);
	hash_sha256(sha256, &all, 1);
	if (memcmp(sha256, last->sha256, sizeof(sha256)) != 0) {
		buf_release(&data);
		return tell_damaged(t, name, "is damaged: its SHA-256 is another than the manifest's");
	}
	backup_pack_begin(&t->pack, &t->dir, &t->next, BACKUP_LEDGER, last->first, &data);
	t->next.n--;
	return EXIT_DONE;
}

static enum status
copy_transactions(struct backup_take *t, struct store_txn *ledger)
{
	enum status st = ST_OK;

	t->audit.on_link = on_link;
	t->audit.on_checkpoint = on_checkpoint;
	t->audit.on_ctx = t;
	t->audit.total = t->size;
	t->progress.done_before = t->audit.first;
	while (st == ST_OK && t->audit.first < t->size) {
		st = store_renew(ledger);
		if (st == ST_OK)
			st = audit_fill(&t->audit, ledger, t->size);
		if (st == ST_OK)
			st = audit_chunk(&t->audit);
	}
	if (st == ST_OK && t->audit.checkpoints.newest.size != t->size) {
		finding_set(&t->audit.finding, "CHECKPOINT_MISSING", "the checkpoint of %" PRIu64 " transactions was there, and is no longer", t->size);
		st = ST_INVALID;
	}
	return st;
}

/* ---- cosignatures ---- */

/* The size up to which no more of them will come. */
static enum status
settled_size(struct store_txn *ledger, uint64_t size, uint64_t *ret_size)
{
	struct bytes key, value;
	uint8_t at[8];

	*ret_size = size;
	for (unsigned i = 0; i < COSIGNATURES_OPEN && *ret_size > 0; i++) {
		put_be64(at, *ret_size - 1);
		enum status st = store_floor(ledger, TABLE_CHECKPOINT, bytes_of(at, sizeof(at)), &key, &value);
		*ret_size = st == ST_OK && key.len == 8 ? get_be64(key.data) : 0;
		if (st != ST_OK)
			return st == ST_NOTFOUND ? ST_OK : st;
	}
	return ST_OK;
}

/* Those of checkpoints above ${from}, up to ${until}. */
static enum status
copy_cosignatures(struct backup_take *t, struct store_txn *ledger, uint64_t from, uint64_t until)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	uint8_t at[8];

	put_be64(at, from + 1);
	enum status st = store_cursor_open(ledger, TABLE_COSIGNATURE, bytes_of(at, sizeof(at)), &cursor);
	if (st != ST_OK)
		return st;
	while (st == ST_OK && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		if (key.len < 8 || get_be64(key.data) > until)
			break;
		t->rows[BACKUP_COSIGNATURES]++;
		st = write_status(t, backup_pack_row(&t->pack, TABLE_COSIGNATURE, key, value));
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* Settled ones go behind the transactions that were written just now, the others into files of their own. */
static enum status
finish_ledger(struct backup_take *t, struct store_txn *ledger)
{
	uint64_t settled = t->old.cosignatures;
	enum status st = store_renew(ledger);

	if (st == ST_OK && t->old.head.size < t->size)
		st = settled_size(ledger, t->size, &settled);
	if (settled < t->old.cosignatures)
		settled = t->old.cosignatures;
	if (st == ST_OK && t->old.head.size < t->size)
		st = copy_cosignatures(t, ledger, t->old.cosignatures, settled);
	if (st == ST_OK && t->old.head.size < t->size)
		st = write_status(t, backup_pack_cut(&t->pack, t->size));
	backup_pack_release(&t->pack);
	t->next.cosignatures = settled;
	backup_pack_begin(&t->pack, &t->dir, &t->next, BACKUP_COSIGNATURES, 0, NULL);
	if (st == ST_OK)
		st = copy_cosignatures(t, ledger, settled, t->size);
	if (st == ST_OK)
		st = write_status(t, backup_pack_cut(&t->pack, 0));
	store_rest(ledger);
	return st;
}

static enum status
copy_ledger(struct backup_take *t)
{
	struct store_txn *ledger;

	enum status st = store_read(t->source->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	st = resume(t, ledger);
	if (st == ST_OK && t->old.head.size < t->size)
		st = copy_transactions(t, ledger);
	if (st == ST_OK)
		st = finish_ledger(t, ledger);
	store_abort(ledger);
	return st;
}

/* ---- the whole ---- */

static enum exit_code
finish(struct backup_take *t)
{
	if (t->old.head.size < t->size) {
		t->next.tree = *audit_tree(&t->audit);
		t->next.head = t->audit.checkpoints.newest;
	}
	enum status st = put_manifest(t, BACKUP_MANIFEST);
	if (st != ST_OK)
		return tell_write(t, st);
	(void)unlinkat(t->dir.fd, BACKUP_PARTIAL, 0);
	backup_dir_clean(&t->dir, &t->next, &t->next);
	return EXIT_DONE;
}

static enum exit_code
take_ledger(struct backup_take *t)
{
	/* The vault's files come into the manifest first; the ledger's newest must be its last, to go on. */
	struct backup_manifest vault = t->next;

	enum status st = backup_manifest_copy(&t->old, &t->next);
	if (st != ST_OK)
		return tell_write(t, st);
	(void)strcpy(t->next.origin, t->source->origin);
	t->next.epoch = vault.epoch;
	enum exit_code code = t->old.head.size < t->size ? begin_ledger(t) : EXIT_DONE;
	st = ST_OK;
	for (size_t i = 0; i < vault.n && st == ST_OK; i++)
		st = backup_manifest_add(&t->next, &vault.files[i]);
	backup_manifest_release(&vault);
	if (code == EXIT_DONE && st == ST_OK)
		st = copy_ledger(t);
	backup_pack_release(&t->pack);
	if (code != EXIT_DONE || st == ST_OK)
		return code;
	if (st == ST_INVALID && t->audit.finding.reason[0] != '\0')
		return audit_report_finding(&t->audit);
	return t->pack.status != ST_OK ? tell_write(t, st) : tell_read(t, st);
}

/* A turn of the vault's epoch while we look: its file is another one then. */
static enum exit_code
reopen(struct backup_take *t)
{
	log_source_close(t->source);
	enum exit_code code = log_source_open(t->data_path, t->head_lock, t->json, t->source);
	if (code != EXIT_DONE)
		t->source->store = NULL;
	return code;
}

static enum exit_code
take_vault(struct backup_take *t)
{
	static struct log_head public;
	struct store_txn *vault;
	enum exit_code code = log_head_newest(t->source, &public);
	enum status st = ST_OK;

	if (code != EXIT_DONE)
		return code;
	while ((st = wait_to_meet(t, public.size, &vault)) == ST_INTERRUPTED)
		if ((code = reopen(t)) != EXIT_DONE)
			return code;
	if (st == ST_BUSY)
		return cli_fail(t->json, EXIT_UNAVAILABLE,
		    "the newest transactions in %s have no checkpoint: a running daemon signs one within a second. Start it, and run this again. The backup is as it was",
		    t->data_path);
	return st == ST_OK ? copy_vault(t, vault) : tell_read(t, st);
}

static enum exit_code
take(struct backup_take *t)
{
	enum exit_code code = read_old(t);

	if (code == EXIT_DONE)
		code = take_vault(t);
	if (code == EXIT_DONE)
		code = take_ledger(t);
	return code == EXIT_DONE ? finish(t) : code;
}

enum exit_code
backup_take(struct backup_take *t, const char *target)
{
	static struct log_source source;

	t->audit.depth = AUDIT_HASHES;
	t->audit.check_signatures = true;
	t->audit.json = t->json;
	t->audit.until = UINT64_MAX;
	t->audit.progress = &t->progress;
	enum exit_code code = log_source_open(t->data_path, t->head_lock, t->json, &source);
	if (code != EXIT_DONE)
		return code;
	t->source = &source;
	code = open_target(t, target);
	if (code == EXIT_DONE) {
		enum status st = audit_init(&t->audit, t->threads);
		code = st == ST_OK ? take(t) : tell_read(t, st);
		audit_release(&t->audit);
	}
	log_source_close(&source);
	return code;
}

void
backup_take_release(struct backup_take *t)
{
	backup_manifest_release(&t->old);
	backup_manifest_release(&t->next);
	backup_manifest_release(&t->whole);
	backup_dir_close(&t->dir);
}
