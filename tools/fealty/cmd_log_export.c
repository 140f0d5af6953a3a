/*
 * fealty log export: the log as static files, from the transactions themselves; state/, which has hashes too, is not asked.
 *
 * Every leaf is hashed, so what is written is known to give the checkpoint's root before the checkpoint is put there.  A first pass writes
 * what is missing and leaves alone what is there and differs: either that file is damaged or the ledger is.  Only when the root has shown
 * that the ledger is not, a second pass replaces it.  So a good export never becomes a bad one.
 *
 * Between two bundles the read transaction rests: a long export does not make a running daemon's files grow.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "export_dir.h"
#include "export_tree.h"
#include "guard.h"
#include "ledger/ledger.h"
#include "log_source.h"
#include "progress.h"

enum { KEY_HEAD_LOCK = KEY_COMMAND };

struct export_input {
	struct args args;
	bool json;
	char *head_lock;
};

struct export {
	const char *path;
	bool json;
	struct log_source source;
	struct export_dir dir;
	struct store_txn *ledger;
	struct log_head head, old;		/* what is exported; what the directory had, size 0: nothing */
	struct progress progress;
	struct export_tree tree;		/* of one pass */
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct export_input *in = state->input;

	switch (key) {
	case KEY_JSON:
		in->json = true;
		return 0;
	case KEY_HEAD_LOCK:
		in->head_lock = arg;
		return access(arg, R_OK) == 0 ? 0 : cli_usage(state, "--head-lock: %s cannot be read: %s", arg, strerror(errno));
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 2);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 2);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static enum exit_code
tell_write(const struct export *e, enum status st)
{
	if (st == ST_FULL)
		return cli_fail(e->json, EXIT_INTERNAL,
		    "there is no space left for %s: free some and run it again; the %" PRIu64 " files that were written are kept", e->path,
		    e->dir.written);
	return cli_fail(e->json, EXIT_INTERNAL, "%s cannot be written: %s", e->path, cli_status_words(st));
}

/* ---- what the directory has ---- */

static enum exit_code
judge_old(struct export *e)
{
	struct log_head stored;

	if (e->old.size > e->head.size)
		return cli_fail(e->json, EXIT_REFUSED,
		    "%s has a checkpoint of %" PRIu64 " transactions, and the newest of the ledger in %s is of %" PRIu64
		    ": the ledger is an old copy, or another one. Nothing was written",
		    e->path, e->old.size, e->source.data_path, e->head.size);
	enum status st = log_head_of(&e->source, e->old.size, &stored);
	if (st != ST_OK && st != ST_NOTFOUND && st != ST_CORRUPT)
		return cli_fail(e->json, EXIT_INTERNAL, "%s cannot be read: %s", e->source.data_path, cli_status_words(st));
	if (st != ST_OK || memcmp(stored.root, e->old.root, sizeof(stored.root)) != 0)
		return cli_fail(e->json, EXIT_REFUSED,
		    "the checkpoint of %" PRIu64 " transactions in %s is not one of the ledger in %s, though its key signed it: the two logs have "
		    "parted. Keep both and find out why. Nothing was written",
		    e->old.size, e->path, e->source.data_path);
	return EXIT_DONE;
}

static enum exit_code
read_old(struct export *e)
{
	char path[4096];
	struct buf text;

	if (snprintf(path, sizeof(path), "%s/checkpoint", e->path) >= (int)sizeof(path))
		return cli_fail(e->json, EXIT_USAGE, "the path %s is too long", e->path);
	enum status st = file_read_all(path, LOG_NOTE_BYTES_MAX, &text);
	if (st == ST_IO && errno == ENOENT)
		return EXIT_DONE;
	if (st == ST_IO || st == ST_NOMEM)
		return cli_fail(e->json, EXIT_INTERNAL, "%s cannot be read: %s", path, cli_status_words(st));
	enum log_head_result result = st == ST_OK ? log_source_head(&e->source, buf_bytes(&text), &e->old) : LOG_HEAD_NOT_A_CHECKPOINT;
	if (st == ST_OK)
		buf_release(&text);
	switch (result) {
	case LOG_HEAD_OK:
		return judge_old(e);
	case LOG_HEAD_NOT_A_CHECKPOINT:
		return cli_fail(e->json, EXIT_REFUSED,
		    "%s is no checkpoint: it is damaged, or the directory is something else. Give another directory", path);
	case LOG_HEAD_OTHER_ORIGIN:
		return cli_fail(e->json, EXIT_REFUSED, "%s is of another log than %s. Give another directory", path, e->source.origin);
	case LOG_HEAD_NOT_SIGNED:
	case LOG_HEAD_FORGED:
		return cli_fail(e->json, EXIT_REFUSED,
		    "%s is not signed by the key of %s: it is damaged, or of another log of that name. Give another directory", path,
		    e->source.origin);
	}
	return EXIT_INTERNAL;
}

/* ---- one pass over the log ---- */

static enum exit_code
tell_missing(const struct export *e, uint64_t seq)
{
	return cli_fail(e->json, EXIT_REFUSED,
	    "transaction %" PRIu64 " of the ledger in %s is missing or cannot be read; \"fealty audit %s\" looks further", seq,
	    e->source.data_path, e->source.data_path);
}

/* The entries of a bundle, copied; *${ret_seq} is the one at which it failed. */
static enum status
read_bundle(struct export *e, uint64_t first, unsigned width, uint64_t *ret_seq)
{
	struct store_cursor *cursor;
	struct bytes key, leaf;
	uint8_t from[8];

	*ret_seq = first;
	put_be64(from, first);
	guard_at(GUARD_LEDGER, first);
	enum status st = store_renew(e->ledger);
	if (st != ST_OK)
		return st;
	st = store_cursor_open(e->ledger, TABLE_TRANSACTION, bytes_of(from, sizeof(from)), &cursor);
	if (st != ST_OK)
		return st;
	for (unsigned i = 0; i < width && st == ST_OK; i++) {
		*ret_seq = first + i;
		guard_at(GUARD_LEDGER, first + i);
		st = store_cursor_next(cursor, &key, &leaf);
		if (st == ST_OK && (key.len != 8 || get_be64(key.data) != first + i || leaf.len > LEDGER_LEAF_BYTES_MAX))
			st = ST_CORRUPT;
		if (st == ST_OK)
			export_tree_take(&e->tree, leaf);
	}
	store_cursor_close(cursor);
	store_rest(e->ledger);
	return st;
}

static bool
root_is(const struct export *e, const uint8_t root[static SHA256_BYTES])
{
	uint8_t now[SHA256_BYTES];

	merkle_tree_root(&e->tree.tree, now);
	return memcmp(now, root, sizeof(now)) == 0;
}

static enum exit_code
pass(struct export *e)
{
	uint64_t bundles = tile_count(0, e->head.size), seq = 0;

	export_tree_restart(&e->tree);
	e->dir.looked = 0;
	for (uint64_t i = 0; i < bundles; i++) {
		unsigned width = tile_width(0, i, e->head.size);
		enum status st = read_bundle(e, i * TILE_WIDTH, width, &seq);
		if (st == ST_NOTFOUND || st == ST_CORRUPT)
			return tell_missing(e, seq);
		if (st != ST_OK)
			return cli_fail(e->json, EXIT_INTERNAL, "%s cannot be read: %s", e->source.data_path, cli_status_words(st));
		guard_at(GUARD_FILE, 0);
		st = export_tree_put(&e->tree);
		if (st != ST_OK)
			return tell_write(e, st);
		progress_show(&e->progress, e->tree.tree.size, e->head.size);
	}
	enum status st = export_tree_end(&e->tree);
	if (st != ST_OK)
		return tell_write(e, st);
	if (root_is(e, e->head.root))
		return EXIT_DONE;
	return cli_fail(e->json, EXIT_REFUSED,
	    "the %" PRIu64 " transactions in %s do not give the root of their checkpoint: the ledger is damaged or was changed. The checkpoint was "
	    "not exported; \"fealty audit %s\" says which transaction it is",
	    e->head.size, e->source.data_path, e->source.data_path);
}

/* ---- the whole ---- */

static enum exit_code
put_checkpoint(struct export *e)
{
	bool in_place;

	e->dir.overwrite = true;
	enum status st = export_dir_sync(&e->dir);
	if (st == ST_OK)
		st = export_dir_put(&e->dir, "checkpoint", bytes_of(e->head.note, e->head.note_bytes), &in_place);
	if (st == ST_OK)
		st = export_dir_sync(&e->dir);
	return st == ST_OK ? EXIT_DONE : tell_write(e, st);
}

static enum exit_code
report(const struct export *e)
{
	uint64_t tiles = tile_count(0, e->head.size), kept = e->dir.looked - e->dir.written;
	char root[2 * SHA256_BYTES + 1];

	for (unsigned level = 0; level < EXPORT_TREE_LEVELS; level++)
		tiles += tile_count(level, e->head.size);
	(void)hex_format(bytes_of(e->head.root, SHA256_BYTES), root);
	if (!e->json) {
		(void)printf("The log %s is in %s, as of %" PRIu64 " %s: %" PRIu64 " tiles and bundles, %" PRIu64
			     " bytes of entries.\nFiles written: %" PRIu64 ", kept: %" PRIu64 ".\nRoot %s.\n",
		    e->source.origin, e->path, e->head.size, e->head.size == 1 ? "transaction" : "transactions", tiles, e->tree.entries_bytes,
		    e->dir.written, kept, root);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", e->source.origin);
	json_put_number(object, "size", e->head.size);
	json_put_text(object, "root", root);
	json_put_number(object, "tiles", tiles);
	json_put_number(object, "entries_bytes", e->tree.entries_bytes);
	json_put_number(object, "written", e->dir.written);
	json_put_number(object, "kept", kept);
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
export(struct export *e)
{
	enum status st = store_read(e->source.store, STORE_LEDGER, &e->ledger);

	if (st != ST_OK)
		return cli_fail(e->json, EXIT_INTERNAL, "%s cannot be read: %s", e->source.data_path, cli_status_words(st));
	store_rest(e->ledger);
	progress_start(&e->progress, "transactions", e->json, false);
	enum exit_code code = pass(e);
	if (code == EXIT_DONE && e->dir.differing > 0) {
		e->dir.overwrite = true;
		code = pass(e);
	}
	store_abort(e->ledger);
	if (code == EXIT_DONE)
		code = put_checkpoint(e);
	progress_end(&e->progress);
	return code == EXIT_DONE ? report(e) : code;
}

static enum exit_code
open_directory(struct export *e)
{
	enum status st = export_dir_open(e->path, &e->dir);

	switch (st) {
	case ST_OK:
		return EXIT_DONE;
	case ST_BUSY:
		return cli_fail(e->json, EXIT_UNAVAILABLE, "another export writes to %s just now", e->path);
	case ST_INVALID:
		return cli_fail(e->json, EXIT_USAGE, "%s is not empty, and what is in it is no export. Give a directory of its own", e->path);
	default:
		return tell_write(e, st);
	}
}

static enum exit_code
run(struct export *e)
{
	enum exit_code code = log_head_newest(&e->source, &e->head);

	if (code == EXIT_DONE)
		code = open_directory(e);
	if (code != EXIT_DONE)
		return code;
	code = export_tree_init(&e->tree, &e->dir) == ST_OK
	    ? read_old(e)
	    : cli_fail(e->json, EXIT_INTERNAL, "there is not enough memory for a bundle of entries");
	if (code == EXIT_DONE)
		code = export(e);
	export_tree_release(&e->tree);
	export_dir_close(&e->dir);
	return code;
}

enum exit_code
cmd_log_export(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "head-lock", KEY_HEAD_LOCK, "FILE", 0,
		    "The daemon's note of the head it published last (default: DATA.head.lock, if it is there)", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DATA DIR",
		"Write the log of the data directory DATA to DIR as static files, by C2SP tlog-tiles: \"checkpoint\", \"tile/L/N\" and "
		"\"tile/entries/N\"; also beside a running daemon.\v"
		"What is written is the log of the newest published checkpoint. Run again, it adds what is new; files that are there and right "
		"are kept, so one that was interrupted goes on. The checkpoint comes last: until then DIR is the log that it was. A partial tile "
		"of an earlier export stays until the full tile is there. Any web server can serve DIR. "
		"Whoever verifies it needs the key that \"fealty log key DATA\" prints.",
		NULL, NULL, NULL };
	static struct export e;
	struct export_input in = { 0 };

	cli_parse(&argp, argc, argv, &in);
	e.path = in.args.v[1];
	e.json = in.json;
	guard_begin(in.json);
	enum exit_code code = log_source_open(in.args.v[0], in.head_lock, in.json, &e.source);
	if (code != EXIT_DONE)
		return code;
	code = run(&e);
	log_source_close(&e.source);
	guard_end();
	return code;
}
