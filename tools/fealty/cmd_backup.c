/* fealty backup: ledger and vault of a data directory, beside its daemon, into a directory of files; or whether such a directory is whole. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "backup.h"
#include "commands.h"
#include "guard.h"
#include "log_source.h"


enum { KEY_DATA = KEY_COMMAND, KEY_TO, KEY_HEAD_LOCK, KEY_VERIFY, KEY_THREADS, KEY_PROGRESS };

struct backup_input {
	struct args args;
	bool json, progress;
	char *data, *to, *head_lock, *verify;
	uint64_t threads;
};

static error_t
judge(struct argp_state *state, const struct backup_input *in)
{
	if (in->verify != NULL)
		return in->data == NULL && in->to == NULL && in->head_lock == NULL ? 0 : cli_usage(state, "--verify looks at a backup and at nothing else");
	if (in->data == NULL || in->to == NULL)
		return cli_usage(state, "--data and --to are needed: the data directory, and where its backup is to be; or --verify with a backup");
	return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct backup_input *in = state->input;

	switch (key) {
	case KEY_DATA:
		in->data = arg;
		return 0;
	case KEY_TO:
		in->to = arg;
		return 0;
	case KEY_HEAD_LOCK:
		in->head_lock = arg;
		return access(arg, R_OK) == 0 ? 0 : cli_usage(state, "--head-lock: %s cannot be read", arg);
	case KEY_VERIFY:
		in->verify = arg;
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

/* ---- a run ---- */

static enum exit_code
report_taken(const struct backup_take *t, double seconds)
{
	const struct backup_manifest *m = &t->next;
	uint64_t added = m->head.size - t->old.head.size, ledger = backup_manifest_bytes(m, BACKUP_LEDGER), vault = backup_manifest_bytes(m, BACKUP_VAULT);
	uint64_t all = ledger + vault + backup_manifest_bytes(m, BACKUP_COSIGNATURES);

	if (!t->json) {
		(void)printf("The backup of %s in %s has %" PRIu64 " transactions, %" PRIu64 " of them new, and the vault of epoch %" PRIu64 ".\n"
			     "Written: %" PRIu64 " files, %" PRIu64 " bytes, in %.1f s. The whole: %zu files, %" PRIu64 " bytes.\n",
		    m->origin, t->dir.path, m->head.size, added, m->epoch, t->dir.written, t->dir.written_bytes, seconds, m->n, all);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", m->origin);
	json_put_number(object, "size", m->head.size);
	json_put_hex(object, "root", bytes_of(m->head.root, SHA256_BYTES));
	json_put_number(object, "epoch", m->epoch);
	json_put_number(object, "added", added);
	json_put_number(object, "vault_rows", t->rows[BACKUP_VAULT]);
	json_put_number(object, "files", m->n);
	json_put_number(object, "bytes", all);
	json_put_number(object, "ledger_bytes", ledger);
	json_put_number(object, "vault_bytes", vault);
	json_put_number(object, "written", t->dir.written);
	json_put_number(object, "written_bytes", t->dir.written_bytes);
	json_put(object, "seconds", json_real(seconds));
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
take(const struct backup_input *in)
{
	static struct backup_take t;

	t.data_path = in->data;
	t.head_lock = in->head_lock;
	t.json = in->json;
	t.threads = in->threads == 0 ? 1 : (unsigned)in->threads;
	progress_start(&t.progress, "transactions", in->json, in->progress);
	guard_begin(in->json);
	enum exit_code code = backup_take(&t, in->to);
	guard_end();
	progress_end(&t.progress);
	if (code == EXIT_DONE)
		code = report_taken(&t, progress_seconds(&t.progress));
	backup_take_release(&t);
	return code;
}

/* ---- verifying one ---- */

static enum exit_code
report_verified(const struct backup_read *r, const struct backup_input *in, double seconds)
{
	const struct backup_manifest *m = &r->manifest;
	char made[INSTANT_TEXT_BYTES];

	(void)instant_format(m->made_at_us, made);
	if (!in->json) {
		(void)printf("The backup in %s is whole: %s as of %s, %" PRIu64 " transactions, the vault of epoch %" PRIu64 ", %zu files.\n"
			     "Every transaction's signature and place, and every checkpoint, was verified, in %.1f s.\n",
		    in->verify, m->origin, made, m->head.size, m->epoch, m->n, seconds);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", m->origin);
	json_put_text(object, "made", made);
	json_put_number(object, "size", m->head.size);
	json_put_hex(object, "root", bytes_of(m->head.root, SHA256_BYTES));
	json_put_number(object, "epoch", m->epoch);
	json_put_number(object, "checkpoints", r->audit->checkpoints.verified);
	json_put_number(object, "vault_rows", r->rows[BACKUP_VAULT]);
	json_put_number(object, "files", m->n);
	json_put(object, "seconds", json_real(seconds));
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
verify_open(const struct backup_input *in, struct backup_read *r, struct progress *progress)
{
	enum exit_code code = backup_read_open(in->verify, in->json, r);

	if (code != EXIT_DONE)
		return code;
	enum status st = backup_read_all(r);
	progress_end(progress);
	if (st == ST_INVALID)
		return audit_report_finding(r->audit);
	if (st != ST_OK)
		return cli_fail(in->json, EXIT_INTERNAL, "%s cannot be read: %s", in->verify, cli_status_words(st));
	return report_verified(r, in, progress_seconds(progress));
}

static enum exit_code
verify(const struct backup_input *in)
{
	static struct backup_read r;
	static struct audit audit;
	struct progress progress;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	progress_start(&progress, "transactions", in->json, in->progress);
	audit.depth = AUDIT_HASHES;
	audit.check_signatures = true;
	audit.json = in->json;
	audit.until = UINT64_MAX;
	audit.progress = &progress;
	r.audit = &audit;
	enum status st = audit_init(&audit, in->threads > 0 ? (unsigned)in->threads : cores < 1 ? 1 : (unsigned)cores);
	if (st != ST_OK)
		return cli_fail(in->json, EXIT_INTERNAL, "there is not enough memory");
	enum exit_code code = verify_open(in, &r, &progress);
	progress_end(&progress);
	backup_read_close(&r);
	audit_release(&audit);
	return code;
}

enum exit_code
cmd_backup(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "data", KEY_DATA, "DIR", 0, "The data directory; its daemon may run, and write", 0 },
		{ "to", KEY_TO, "DIR", 0, "Where the backup is, or is to be made", 0 },
		{ "head-lock", KEY_HEAD_LOCK, "FILE", 0,
		    "The daemon's note of the head it published last (default: the data directory's name and .head.lock, if it is there)", 0 },
		{ "verify", KEY_VERIFY, "DIR", 0, "Read a backup again, and say whether it is whole", 0 },
		{ "threads", KEY_THREADS, "N", 0, "How many threads verify signatures (default: 1 for a run, one for each core with --verify)", 0 },
		{ "progress", KEY_PROGRESS, NULL, 0, "Show how far it is also when standard error is no terminal", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "--data DIR --to DIR\n--verify DIR",
		"Back up a ledger and its vault beside a running daemon; run again, add what is new.\v"
		"The backup is as of one moment: ledger, checkpoints, cosignatures and vault belong to each other. Each transaction's signature and place in the "
		"chain is verified in front of its write, and at the end the root against the ledger's signed checkpoint; what does not verify is not written. "
		"A run that is cut short leaves the former backup whole, and the next one goes on where it was.\n\n"
		"Not in it, and to be kept apart: the key directory, of which the keys of epochs no longer than --erasure-days, and head.lock. "
		"packaging/BACKUP.md has the format, what to keep where and for how long, and how to restore.\n\n"
		"JSON: status, origin, size, root, epoch, added (transactions), vault_rows, files, bytes, ledger_bytes, vault_bytes, written (files), "
		"written_bytes, seconds; with --verify status, origin, made, size, root, epoch, checkpoints, vault_rows, files, seconds. A finding: status "
		"DATA_LOSS, reason, message, and where they are known file, seq.\n\n"
		"Exit codes: 0 done, or whole; 1 the ledger does not verify, the backup is damaged or of another ledger; 2 wrong usage; 3 the newest "
		"transactions have no checkpoint yet, or another run is under way; 5 disk, memory.",
		NULL, NULL, NULL };
	static struct backup_input in;

	cli_parse(&argp, argc, argv, &in);
	return in.verify != NULL ? verify(&in) : take(&in);
}
