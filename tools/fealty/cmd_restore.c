/*
 * fealty restore: a data directory from a backup.  It is put together under another name, <DIR>.restoring, and gets its own by one rename when all of it
 * is verified and on disk: a restore that was cut short leaves nothing that a daemon would start on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "codec/codec.h"
#include "commands.h"
#include "guard.h"

#define VAULT_COMMIT_BYTES ((size_t)8 << 20)

enum { KEY_FROM = KEY_COMMAND, KEY_DATA, KEY_HEAD_LOCK, KEY_ACCEPT, KEY_REASON, KEY_THREADS, KEY_PROGRESS };

struct restore_input {
	struct args args;
	bool json, progress;
	char *from, *data, *head_lock, *reason, *principal;
	bool accepts;			/* a loss: transactions of the backup's size and above */
	uint64_t accept_from, threads;
};

struct restoring {
	const struct restore_input *in;
	char work[PATH_MAX], head_lock[PATH_MAX], data[PATH_MAX];	/* data: without a slash at its end */
	struct backup_read read;
	struct audit audit;
	struct progress progress;
	struct store *store;
	struct store_txn *ledger, *vault;	/* NULL: nothing is written just now */
	size_t vault_bytes;			/* in that transaction */
	bool has_head, head_found, lost;	/* the published head; it is one of the backup's; it is not, and that was accepted */
	struct store_head head;
	enum status write_status;
};

static bool
is_code(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static error_t
judge(struct argp_state *state, const struct restore_input *in)
{
	if (in->from == NULL || in->data == NULL)
		return cli_usage(state, "--from and --data are needed: the backup, and the directory to make of it");
	if (!in->accepts)
		return in->reason == NULL && in->principal == NULL ? 0 : cli_usage(state, "--reason and --as go with --accept-loss-from");
	if (in->reason == NULL || !is_code(in->reason))
		return cli_usage(state, "--accept-loss-from needs --reason CODE, of a to z, 0 to 9 and _, at most 32: the ledger records it for good");
	if (in->principal == NULL || strncmp(in->principal, "operator/", 9) != 0 || !principal_valid(in->principal))
		return cli_usage(state, "--accept-loss-from needs --as operator/NAME: the ledger records who accepted the loss");
	return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct restore_input *in = state->input;

	switch (key) {
	case KEY_FROM:
		in->from = arg;
		return 0;
	case KEY_DATA:
		in->data = arg;
		return 0;
	case KEY_HEAD_LOCK:
		in->head_lock = arg;
		return 0;
	case KEY_ACCEPT:
		in->accepts = true;
		return option_number(state, "--accept-loss-from", arg, UINT64_MAX - 1, &in->accept_from);
	case KEY_REASON:
		in->reason = arg;
		return 0;
	case KEY_AS:
		in->principal = arg;
		return 0;
	case KEY_THREADS:
		return option_threads(state, arg, &in->threads);
	case KEY_PROGRESS:
		in->progress = true;
		return 0;
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 0);
	case ARGP_KEY_END:
		return judge(state, in);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static enum exit_code
tell_write(const struct restoring *r, enum status st)
{
	if (st == ST_FULL)
		return cli_fail(r->in->json, EXIT_INTERNAL, "there is no space left for %s: free some and run it again", r->data);
	return cli_fail(r->in->json, EXIT_INTERNAL, "%s cannot be written: %s", r->data, cli_status_words(st));
}

/* ---- rows ---- */

static enum status
put_ledger(struct restoring *r, enum store_table table, struct bytes key, struct bytes value)
{
	if (r->ledger == NULL) {
		enum status st = store_write(r->store, STORE_LEDGER, &r->ledger);
		if (st != ST_OK)
			return st;
	}
	store_append(r->ledger, table, key, value);
	return ST_OK;
}

static enum status
commit(struct store_txn **txn)
{
	enum status st = *txn == NULL ? ST_OK : store_commit(*txn);

	*txn = NULL;
	return st;
}

static enum status
put_vault(struct restoring *r, enum store_table table, struct bytes key, struct bytes value)
{
	if (r->vault_bytes >= VAULT_COMMIT_BYTES) {
		enum status st = commit(&r->vault);
		if (st != ST_OK)
			return st;
		r->vault_bytes = 0;
	}
	if (r->vault == NULL) {
		enum status st = r->read.manifest.epoch == 1 ? store_write(r->store, STORE_VAULT, &r->vault) : store_vault_write(r->store, &r->vault);
		if (st != ST_OK)
			return st;
	}
	store_put(r->vault, table, key, value);
	r->vault_bytes += key.len + value.len;
	return ST_OK;
}

/* What was published is one of the checkpoints that are stored. */
static void
look_for_head(struct restoring *r, struct bytes key, struct bytes note)
{
	static struct log_head head;
	const char *why;

	if (r->has_head && get_be64(key.data) == r->head.size && log_head_read(note, &head, &why))
		r->head_found = memcmp(head.root, r->head.root, sizeof(head.root)) == 0;
}

static enum status
on_row(void *ctx, enum store_table table, struct bytes key, struct bytes value)
{
	struct restoring *r = ctx;

	if (table == TABLE_CHECKPOINT)
		look_for_head(r, key, value);
	r->write_status = store_table_env(table) == STORE_VAULT ? put_vault(r, table, key, value) : put_ledger(r, table, key, value);
	return r->write_status;
}

static enum status
on_flush(void *ctx)
{
	struct restoring *r = ctx;

	r->write_status = commit(&r->ledger);
	if (r->write_status == ST_OK && r->vault != NULL) {
		r->write_status = commit(&r->vault);
		r->vault_bytes = 0;
	}
	return r->write_status;
}

/* ---- the published head ---- */

static enum exit_code
read_head(struct restoring *r)
{
	enum status st = store_head_read(r->store, &r->head);

	r->has_head = st == ST_OK;
	if (st == ST_OK || st == ST_NOTFOUND)
		return EXIT_DONE;
	return cli_fail(r->in->json, EXIT_USAGE, "%s cannot be read (%s): it holds the last head that others have seen. Restore it, do not remove it",
	    r->head_lock, cli_status_words(st));
}

#define HOW "Restore a newer backup. If there is none, `--accept-loss-from %" PRIu64 " --reason CODE --as operator/NAME` goes on all the same: the ledger " \
	"records it, and whoever has a later checkpoint, receipt or cosignature will be told that the log was forked"

/* Before anything is read: whether more was published than the backup has. */
static enum exit_code
judge_size(const struct restoring *r)
{
	uint64_t size = r->read.manifest.head.size;

	if (r->in->accepts && r->in->accept_from != size)
		return cli_fail(r->in->json, EXIT_USAGE, "--accept-loss-from: the backup in %s has %" PRIu64 " transactions, so the loss would be from %" PRIu64 " on",
		    r->in->from, size, size);
	if (r->in->accepts && !r->has_head)
		return cli_fail(r->in->json, EXIT_USAGE, "--accept-loss-from: there is no %s, so nothing says that anything is lost", r->head_lock);
	if (!r->has_head || r->head.size <= size || r->in->accepts)
		return EXIT_DONE;
	return cli_fail(r->in->json, EXIT_REFUSED,
	    "the backup in %s has %" PRIu64 " transactions, and the ledger has published %" PRIu64 " (%s): going on would fork the log, and the %" PRIu64
	    " transactions from %" PRIu64 " on would be lost. " HOW, r->in->from, size, r->head.size, r->head_lock, r->head.size - size, size, size);
}

/* And afterwards, whether what was published is in it. */
static enum exit_code
judge_history(struct restoring *r)
{
	uint64_t size = r->read.manifest.head.size;

	r->lost = r->has_head && (r->head.size > size || !r->head_found);
	if (r->in->accepts && !r->lost)
		return cli_fail(r->in->json, EXIT_USAGE, "--accept-loss-from: nothing is lost, all that was published is in the backup. Run it without");
	if (!r->lost || r->in->accepts)
		return EXIT_DONE;
	return cli_fail(r->in->json, EXIT_REFUSED,
	    "the backup in %s has other transactions than the %" PRIu64 " that were published (%s): it is of another history of this ledger. " HOW, r->in->from,
	    r->head.size, r->head_lock, size);
}

/* For the first start to record. */
static enum status
leave_acceptance(const struct restoring *r)
{
	const struct log_head *head = &r->read.manifest.head;
	struct store_loss loss = { .kept = { .size = head->size }, .lost = r->head };

	if (!r->lost)
		return ST_OK;
	memcpy(loss.kept.root, head->root, sizeof(head->root));
	(void)snprintf(loss.principal, sizeof(loss.principal), "%s", r->in->principal);
	(void)snprintf(loss.reason, sizeof(loss.reason), "%s", r->in->reason);
	return store_loss_write(r->work, &loss);
}

/* ---- the directory ---- */

/* Not there, or an empty directory, of which a rename takes the place. */
static bool
is_free(const char *path)
{
	DIR *names = opendir(path);
	unsigned n = 0;

	if (names == NULL)
		return errno == ENOENT;
	while (readdir(names) != NULL)
		n++;
	(void)closedir(names);
	return n == 2;
}

static enum exit_code
prepare_paths(struct restoring *r)
{
	size_t len = strlen(r->in->data);
	bool fits = true;

	while (len > 1 && r->in->data[len - 1] == '/')
		len--;
	fits &= snprintf(r->data, sizeof(r->data), "%.*s", (int)len, r->in->data) < (int)sizeof(r->data);
	fits &= snprintf(r->work, sizeof(r->work), "%.*s.restoring", (int)len, r->in->data) < (int)sizeof(r->work);
	if (r->in->head_lock != NULL)
		fits &= snprintf(r->head_lock, sizeof(r->head_lock), "%s", r->in->head_lock) < (int)sizeof(r->head_lock);
	else
		fits &= snprintf(r->head_lock, sizeof(r->head_lock), "%.*s.head.lock", (int)len, r->in->data) < (int)sizeof(r->head_lock);
	if (!fits)
		return cli_fail(r->in->json, EXIT_USAGE, "the path %s is too long", r->in->data);
	if (r->in->head_lock != NULL && access(r->head_lock, R_OK) != 0)
		return cli_fail(r->in->json, EXIT_USAGE, "--head-lock: %s cannot be read: %s", r->head_lock, strerror(errno));
	if (!is_free(r->data))
		return cli_fail(r->in->json, EXIT_USAGE, "%s is there, and not an empty directory: a restore writes over nothing. Give another, or move it away",
		    r->data);
	return EXIT_DONE;
}

static enum status
open_work(struct restoring *r)
{
	struct store_params params = { .data_path = r->work, .head_lock_path = r->head_lock };

	directory_remove(r->work);		/* of a restore that was cut short */
	enum status st = store_create(r->work);
	if (st == ST_OK)
		st = store_open(&params, &r->store);
	if (st == ST_OK && r->read.manifest.epoch > 1)
		st = store_vault_begin(r->store, r->read.manifest.epoch);
	return st;
}

static enum status
finish_vault(struct restoring *r)
{
	if (r->read.manifest.epoch <= 1)
		return ST_OK;
	enum status st = store_vault_switch(r->store);
	return st == ST_OK ? store_vault_drop(r->store) : st;
}

static enum status
sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ST_IO;
	enum status st = fsync(fd) == 0 ? ST_OK : ST_IO;
	(void)close(fd);
	return st;
}

static enum status
give_name(struct restoring *r)
{
	char parent[PATH_MAX + 4];

	store_close(r->store, false);
	r->store = NULL;
	enum status st = sync_directory(r->work);
	if (st == ST_OK && rename(r->work, r->data) != 0)
		st = ST_IO;
	(void)snprintf(parent, sizeof(parent), "%s/..", r->data);
	return st == ST_OK ? sync_directory(parent) : st;
}

/* ---- the whole ---- */

static enum exit_code
read_backup(struct restoring *r)
{
	r->read.sink = (struct backup_sink){ on_row, on_flush, r };
	enum status st = backup_read_all(&r->read);
	progress_end(&r->progress);
	if (st == ST_OK)
		return EXIT_DONE;
	if (r->write_status != ST_OK)
		return tell_write(r, st);
	if (st == ST_INVALID)
		return audit_report_finding(&r->audit);
	return cli_fail(r->in->json, EXIT_INTERNAL, "%s cannot be read: %s", r->in->from, cli_status_words(st));
}

static enum exit_code
fill(struct restoring *r)
{
	enum exit_code code = read_head(r);

	if (code == EXIT_DONE)
		code = judge_size(r);
	if (code == EXIT_DONE)
		code = read_backup(r);
	if (code == EXIT_DONE)
		code = judge_history(r);
	if (code != EXIT_DONE)
		return code;
	enum status st = finish_vault(r);
	if (st == ST_OK)
		st = leave_acceptance(r);
	if (st == ST_OK)
		st = give_name(r);
	return st == ST_OK ? EXIT_DONE : tell_write(r, st);
}

static enum exit_code
report(const struct restoring *r, double seconds)
{
	const struct backup_manifest *m = &r->read.manifest;
	char made[INSTANT_TEXT_BYTES];

	(void)instant_format(m->made_at_us, made);
	if (!r->in->json) {
		(void)printf("%s is %s as of %s: %" PRIu64 " transactions, the vault of epoch %" PRIu64 ", in %.1f s.\n", r->data, m->origin, made, m->head.size,
		    m->epoch, seconds);
		if (!r->has_head)
			(void)printf("There was no %s, so nobody could say whether more was published since: compare with a checkpoint that somebody else has.\n",
			    r->head_lock);
		if (r->lost)
			(void)printf("Lost: what was published from transaction %" PRIu64 " on, up to %" PRIu64 ". The daemon records that, by %s, when it starts.\n",
			    m->head.size, r->head.size, r->in->principal);
		(void)printf("The daemon builds state/ again when it starts. It needs the key directory with vault.%" PRIu64 ".key.\n", m->epoch);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", m->origin);
	json_put_text(object, "made", made);
	json_put_number(object, "size", m->head.size);
	json_put_hex(object, "root", bytes_of(m->head.root, SHA256_BYTES));
	json_put_number(object, "epoch", m->epoch);
	json_put(object, "head_compared", json_boolean(r->has_head));
	json_put(object, "lost_size", r->lost ? json_integer((json_int_t)r->head.size) : json_null());
	json_put_number(object, "vault_rows", r->read.rows[BACKUP_VAULT]);
	json_put(object, "seconds", json_real(seconds));
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
restore(struct restoring *r)
{
	enum exit_code code = backup_read_open(r->in->from, r->in->json, &r->read);

	if (code == EXIT_DONE)
		code = prepare_paths(r);
	if (code != EXIT_DONE)
		return code;
	enum status st = open_work(r);
	code = st == ST_OK ? fill(r) : tell_write(r, st);
	store_abort(r->ledger);
	store_abort(r->vault);
	if (r->store != NULL)
		store_vault_abandon(r->store);
	store_close(r->store, false);
	if (code != EXIT_DONE)
		directory_remove(r->work);
	return code == EXIT_DONE ? report(r, progress_seconds(&r->progress)) : code;
}

enum exit_code
cmd_restore(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "from", KEY_FROM, "DIR", 0, "The backup", 0 },
		{ "data", KEY_DATA, "DIR", 0, "The data directory to make: not there yet, or empty", 0 },
		{ "head-lock", KEY_HEAD_LOCK, "FILE", 0,
		    "The daemon's note of the head it published last (default: the data directory's name and .head.lock, if it is there)", 0 },
		{ "accept-loss-from", KEY_ACCEPT, "SIZE", 0,
		    "Go on although more was published than the backup has: SIZE is the number of its transactions, the first that is lost", 0 },
		{ "reason", KEY_REASON, "CODE", 0, "With --accept-loss-from: why, as a code; the ledger records it", 0 },
		{ "as", KEY_AS, "PRINCIPAL", 0, "With --accept-loss-from: operator/NAME, who accepts it; the ledger records it", 0 },
		{ "threads", KEY_THREADS, "N", 0, "How many threads verify signatures (default: one for each core)", 0 },
		{ "progress", KEY_PROGRESS, NULL, 0, "Show how far it is also when standard error is no terminal", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "--from DIR --data DIR",
		"Make a data directory of a backup.\v"
		"Everything is verified once more while it is written. A backup with fewer transactions than head.lock says were published, or with others, is "
		"refused: a daemon that went on from there would fork the log. --accept-loss-from accepts that, and the daemon's first start records it in the ledger "
		"before anything else, for every audit to see. packaging/BACKUP.md says what is lost then, and who notices.\n\n"
		"JSON: status, origin, made, size, root, epoch, head_compared, lost_size (or null), vault_rows, seconds. A damaged backup: status DATA_LOSS, reason, "
		"message, and where they are known file, seq.\n\n"
		"Exit codes: 0 done; 1 refused, or the backup is damaged; 2 wrong usage, or no backup; 3 a backup is written there just now; 5 disk, memory.",
		NULL, NULL, NULL };
	static struct restore_input in;
	static struct restoring r;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	cli_parse(&argp, argc, argv, &in);
	r.in = &in;
	progress_start(&r.progress, "transactions", in.json, in.progress);
	r.audit.depth = AUDIT_HASHES;
	r.audit.check_signatures = true;
	r.audit.json = in.json;
	r.audit.until = UINT64_MAX;
	r.audit.progress = &r.progress;
	r.read.audit = &r.audit;
	enum status st = audit_init(&r.audit, in.threads > 0 ? (unsigned)in.threads : cores < 1 ? 1 : (unsigned)cores);
	enum exit_code code = st == ST_OK ? restore(&r) : cli_fail(in.json, EXIT_INTERNAL, "there is not enough memory");
	progress_end(&r.progress);
	backup_read_close(&r.read);
	audit_release(&r.audit);
	return code;
}
