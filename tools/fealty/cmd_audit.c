/* fealty audit: options, and where the leaves come from. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit_trust.h"
#include "audit_wire.h"
#include "commands.h"
#include "guard.h"
#include "log_source.h"

enum { KEY_THREADS = KEY_COMMAND, KEY_NO_STATE, KEY_PUBLIC_KEY, KEY_KEY_ID, KEY_HEAD_LOCK, KEY_PROGRESS, KEY_NO_REDECIDE,
	KEY_FROM, KEY_SAVE, KEY_HASHES_ONLY, KEY_LOG, KEY_VKEY, KEY_POLICY, KEY_EVIDENCE, KEY_MEASURE };

#define WIRE_TIMEOUT_MS 60000

struct audit_input {
	struct call_options call;
	struct args args;
	bool no_state, progress, wire;
	uint64_t threads;
	char *head_lock, *from, *save, *log, *evidence;
	char head_lock_default[4096];
	struct audit_trust trust;
	struct audit audit;
};

static error_t
judge_source(struct argp_state *state, const struct audit_input *in)
{
	error_t failed = call_source(state, &in->call, in->args.n == 1, in->log);

	if (failed != 0)
		return failed;
	if (in->args.n == 0 && (in->no_state || in->head_lock != NULL))
		return cli_usage(state, "--no-state and --head-lock are about a directory, and no DIR is given");
	return 0;
}

static error_t
judge(struct argp_state *state, const struct audit_input *in)
{
	error_t failed = judge_source(state, in);

	if (failed != 0)
		return failed;
	if (in->trust.policy_path != NULL && in->log == NULL)
		return cli_usage(state, "--policy is about --log. Give --vkey");
	if (in->trust.policy_path != NULL && in->trust.vkey != NULL)
		return cli_usage(state, "give --vkey or --policy, which has the log's key itself");
	if (in->audit.depth == AUDIT_HASHES && (in->evidence != NULL || in->audit.no_redecide || in->audit.measure))
		return cli_usage(state, "--hashes-only looks at no entry and no signature: it goes neither with --evidence, --no-redecide nor --measure");
	if (in->evidence != NULL && (in->from != NULL || in->audit.no_redecide))
		return cli_usage(state, "--evidence is of an audit of all: without --from-checkpoint and --no-redecide");
	if (in->head_lock != NULL && access(in->head_lock, R_OK) != 0)
		return cli_usage(state, "--head-lock: %s cannot be read: %s", in->head_lock, strerror(errno));
	return 0;
}

/* NULL: ${key} is no option that takes a word as it is. */
static char **
word_of(struct audit_input *in, int key)
{
	switch (key) {
	case KEY_HEAD_LOCK: return &in->head_lock;
	case KEY_FROM: return &in->from;
	case KEY_SAVE: return &in->save;
	case KEY_LOG: return &in->log;
	case KEY_VKEY: return &in->trust.vkey;
	case KEY_POLICY: return &in->trust.policy_path;
	case KEY_EVIDENCE: return &in->evidence;
	default: return NULL;
	}
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct audit_input *in = state->input;
	char **word = word_of(in, key);

	if (word != NULL) {
		*word = arg;
		return 0;
	}
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_THREADS:
		return option_threads(state, arg, &in->threads);
	case KEY_NO_STATE:
		in->no_state = true;
		return 0;
	case KEY_NO_REDECIDE:
		in->audit.no_redecide = true;
		return 0;
	case KEY_PUBLIC_KEY:
		in->audit.has_key = true;
		return hex_parse(arg, in->audit.key, PUBLIC_KEY_BYTES)
		    ? 0
		    : cli_usage(state, "--public-key: \"%s\" is not %d hex digits", arg, 2 * PUBLIC_KEY_BYTES);
	case KEY_KEY_ID:
		in->audit.has_key_id = true;
		return hex_parse(arg, in->audit.key_id, KEY_ID_BYTES)
		    ? 0
		    : cli_usage(state, "--key-id: \"%s\" is not %d hex digits", arg, 2 * KEY_ID_BYTES);
	case KEY_PROGRESS:
		in->progress = true;
		return 0;
	case KEY_HASHES_ONLY:
		in->audit.depth = AUDIT_HASHES;
		return 0;
	case KEY_MEASURE:
		in->audit.measure = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		return judge(state, in);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- over the wire ---- */

/* The newest checkpoint first, which evidence ends with. */
static enum exit_code
prepare_wire(struct audit_input *in, struct fealty_client *client)
{
	static struct log_head head;
	struct audit *audit = &in->audit;
	bool found;

	enum exit_code code = audit_wire_head(&in->call, client, 0, &head, &found);
	if (code != EXIT_DONE)
		return code;
	if (!found && (audit->has_vkey || in->evidence != NULL))
		return cli_fail(in->call.json, EXIT_UNAVAILABLE, "%s has no public checkpoint yet: ask again in a second", in->call.address);
	audit->extra = &head;
	audit->n_extra = found ? 1 : 0;
	if (in->evidence == NULL)
		return EXIT_DONE;
	audit->until = head.size;
	return audit_evidence_begin(audit->evidence, &head);
}

static enum status
run_wire(struct audit_input *in, enum exit_code *ret_code)
{
	struct fealty_client *client;
	enum status st = ST_OK;

	in->audit.state_note = "only the ledger comes over the wire";
	*ret_code = call_client(&in->call, &client);
	if (*ret_code != EXIT_DONE)
		return ST_OK;
	*ret_code = prepare_wire(in, client);
	if (*ret_code == EXIT_DONE)
		st = audit_wire(&in->audit, &in->call, client, ret_code);
	fealty_client_free(client);
	return st;
}

/* ---- the steps ---- */

static const char *
place(const struct audit_input *in)
{
	return in->wire ? in->call.address : in->log != NULL ? in->log : in->args.v[0];
}

static enum exit_code
tell_status(const struct audit_input *in, enum status st)
{
	switch (st) {
	case ST_INVALID:
		return audit_report_finding(&in->audit);
	case ST_NOTFOUND:
		return cli_fail(in->call.json, EXIT_USAGE, "%s is no data directory of fealty", place(in));
	case ST_FORMAT:
		return cli_fail(in->call.json, EXIT_USAGE, "%s has another format than this program knows", place(in));
	default:
		return cli_fail(in->call.json, EXIT_INTERNAL, "%s could not be audited to its end: %s", place(in), cli_status_words(st));
	}
}

/* As the daemon names it. */
static const char *
head_lock_path(struct audit_input *in)
{
	size_t len = strlen(in->args.v[0]);

	while (len > 1 && in->args.v[0][len - 1] == '/')
		len--;
	if (in->head_lock != NULL)
		return in->head_lock;
	(void)snprintf(in->head_lock_default, sizeof(in->head_lock_default), "%.*s.head.lock", (int)len, in->args.v[0]);
	return in->head_lock_default;
}

/* Evidence ends with a checkpoint, so the audit does. */
static enum status
run_for_evidence(struct audit_input *in, enum exit_code *ret_code)
{
	static struct log_source source;
	static struct log_head head;

	in->audit.state_note = "evidence is of the ledger alone";
	*ret_code = log_source_open(in->args.v[0], in->head_lock, in->call.json, &source);
	if (*ret_code != EXIT_DONE)
		return ST_OK;
	*ret_code = log_head_newest(&source, &head);
	if (*ret_code == EXIT_DONE)
		*ret_code = audit_evidence_begin(in->audit.evidence, &head);
	in->audit.until = head.size;
	enum status st = *ret_code == EXIT_DONE ? audit_directory(&in->audit, source.store, true) : ST_OK;
	log_source_close(&source);
	return st;
}

static enum status
run_directory(struct audit_input *in)
{
	struct store_params params = { .data_path = in->args.v[0], .read_only = true };
	struct store *source;

	params.head_lock_path = head_lock_path(in);
	guard_at(GUARD_FILE, 0);
	enum status st = store_open(&params, &source);
	if (st == ST_OK) {
		if (in->audit.depth == AUDIT_HASHES)
			in->audit.state_note = "hashes only";
		st = audit_directory(&in->audit, source, in->no_state || in->audit.depth == AUDIT_HASHES);
		store_close(source, false);
		if (st != ST_CORRUPT)
			return st;
	}
	return audit_damage(&in->audit, params.data_path, st);
}

static enum status
run_source(struct audit_input *in, enum exit_code *ret_code)
{
	*ret_code = EXIT_DONE;
	if (in->log != NULL) {
		in->audit.state_note = "an export has none";
		return audit_log(&in->audit, in->log, ret_code);
	}
	if (!in->wire)
		return in->evidence != NULL ? run_for_evidence(in, ret_code) : run_directory(in);
	return run_wire(in, ret_code);
}

static enum exit_code
save_checkpoint(const struct audit_input *in)
{
	const struct log_head *newest = &in->audit.checkpoints.newest;

	if (newest->size == 0)
		return cli_fail(in->call.json, EXIT_UNAVAILABLE,
		    "--save-checkpoint: the ledger has no published checkpoint yet: its daemon makes the first one within a second when it runs");
	enum status st = file_write(in->save, log_head_note(newest));
	return st == ST_OK ? EXIT_DONE : cli_fail(in->call.json, EXIT_INTERNAL, "--save-checkpoint: %s cannot be written: %s", in->save,
					     cli_status_words(st));
}

/* All of it holds. */
static enum exit_code
finish(struct audit_input *in, const struct audit_books *books, double seconds)
{
	enum exit_code code = in->evidence == NULL ? EXIT_DONE : audit_evidence_end(in->audit.evidence, &in->audit, books);

	if (code == EXIT_DONE && in->save != NULL)
		code = save_checkpoint(in);
	return code == EXIT_DONE ? audit_report(&in->audit, books, seconds) : code;
}

static enum exit_code
audit_it(struct audit_input *in)
{
	struct audit_books books = { 0 };
	struct progress progress;
	enum exit_code code = EXIT_DONE;

	in->audit.progress = &progress;
	progress_start(&progress, "transactions", in->call.json, in->progress);
	guard_begin(in->call.json);
	enum status st = run_source(in, &code);
	guard_end();
	if (st == ST_OK && code == EXIT_DONE && in->audit.first == 0) {		/* whoever sent it: of nothing nothing can hold */
		finding_set_at(&in->audit.finding, 0, "transaction 0: the ledger is empty, it has not even a genesis");
		st = ST_INVALID;
	}
	if (st == ST_OK && code == EXIT_DONE && in->audit.depth != AUDIT_HASHES)
		st = audit_books(&in->audit, &books);
	progress_end(&progress);
	double seconds = progress_seconds(&progress) - in->audit.measured_seconds;
	if (st != ST_OK)
		code = tell_status(in, st);
	else if (code == EXIT_DONE)
		code = finish(in, &books, seconds);
	audit_books_release(&books);
	return code;
}

static enum exit_code
prepare(struct audit_input *in)
{
	enum exit_code code = audit_trust_apply(&in->trust, &in->audit);

	if (code == EXIT_DONE && in->from != NULL)
		code = audit_from_read(&in->audit, in->from);
	if (code == EXIT_DONE && in->evidence != NULL)
		code = audit_evidence_new(in->evidence, buf_bytes(&in->trust.policy_text), in->call.json, &in->audit.evidence);
	return code;
}

static enum exit_code
run(struct audit_input *in)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	in->audit.json = in->call.json;
	in->audit.until = UINT64_MAX;
	in->audit.timeout_ms = in->call.timeout_ms;
	if (in->threads == 0)
		in->threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (uint64_t)cores;
	enum exit_code code = prepare(in);
	if (code == EXIT_DONE) {
		enum status st = audit_init(&in->audit, (unsigned)in->threads);
		code = st == ST_OK ? audit_it(in) : cli_fail(in->call.json, EXIT_INTERNAL,
							"a place for the replay could not be made under $TMPDIR or /tmp: %s", cli_status_words(st));
		audit_release(&in->audit);
	}
	audit_evidence_free(in->audit.evidence);
	audit_trust_release(&in->trust);
	return code;
}

static const struct argp_option audit_options[] = {
	{ "threads", KEY_THREADS, "N", 0, "How many threads verify signatures (default: one for each core)", 0 },
	{ "log", KEY_LOG, "PLACE", 0, "Audit an exported log instead: a directory, or an http(s) address under which it is served", 0 },
	{ "vkey", KEY_VKEY, "KEY", 0,
	    "The key that must have signed the newest checkpoint, as \"fealty log key\" prints it; without it, the one that the ledger names", 0 },
	{ "policy", KEY_POLICY, "FILE", 0, "With --log: a C2SP tlog-policy that must accept the checkpoint", 0 },
	{ "from-checkpoint", KEY_FROM, "FILE", 0,
	    "The checkpoint of your last audit: the ledger must contain it, and only what is newer is verified by signature and decided again", 0 },
	{ "save-checkpoint", KEY_SAVE, "FILE", 0, "When all holds, write the newest published checkpoint there, for the next audit", 0 },
	{ "evidence", KEY_EVIDENCE, "DIR", 0, "When all holds, leave in DIR what shows it: log, policy, keys, report, and SHA256SUMS", 0 },
	{ "hashes-only", KEY_HASHES_ONLY, NULL, 0, "Only the chain, the tree and the checkpoints: no signature, no entry", 0 },
	{ "no-state", KEY_NO_STATE, NULL, 0, "Do not compare the daemon's state with the replay", 0 },
	{ "public-key", KEY_PUBLIC_KEY, "HEX", 0,
	    "The key that must have signed the genesis, from which later keys follow; without it, the one that the genesis names", 0 },
	{ "key-id", KEY_KEY_ID, "HEX", 0, "The same by the key's id", 0 },
	{ "head-lock", KEY_HEAD_LOCK, "FILE", 0,
	    "The daemon's note of the head it published last (default: DIR.head.lock, if it is there)", 0 },
	{ "no-redecide", KEY_NO_REDECIDE, NULL, 0, "Do not decide the entries again", 0 },
	{ "measure", KEY_MEASURE, NULL, 0, "Verify now and then a chunk of signatures alone, and report how many a second (verify_rate)", 0 },
	{ "progress", KEY_PROGRESS, NULL, 0, "Show how far it is also when standard error is no terminal", 0 },
	{ 0 },
};

static const char audit_text[] =
    "Verify a ledger, whole: in the data directory DIR, beside a stopped or a running daemon; as an exported log; or, without DIR and --log, as "
    "the daemon sends it, with its newest checkpoint.\v"
    "Checks every signature, the chain of hashes, that nothing is missing, that times rise, that each entry's postings sum to zero and can be "
    "applied, that the rules decide it once more as it stands there, the trial balance of each program, that every stored checkpoint is signed "
    "and has the root of just so many transactions, that the published head is in it, and in a directory that every row of state/ is what the "
    "ledger brings about. Keys that were rotated are followed: what was signed before and after is verified by whoever had to sign it then. Of an "
    "exported log every tile is verified against the checkpoint, and every entry against its tile; nothing that a server sends is believed, and "
    "--timeout is for each of its files. The first transaction that is wrong is named, with what is wrong with it. The replay needs room under "
    "$TMPDIR, about as much as state/ has.\n\n"
    "With --from-checkpoint a ledger that was rolled back, or that parted from the one that you audited, is found, and so is a checkpoint that was "
    "published and is no longer stored. It relies on that audit for the transactions that its checkpoint has: they are hashed to its root, and "
    "replayed for the state that the newer ones need. What nobody kept cannot be missed: transactions, or rows of checkpoints, behind the newest "
    "of your checkpoint and the published head.\n\n"
    "With --evidence the audit ends with a published checkpoint, and DIR gets the log (C2SP tlog-tiles), policy (a C2SP tlog-policy), keys.json "
    "(each key, and the first that it signs), report.json, and SHA256SUMS, which \"sha256sum -c\" accepts. Two of one checkpoint are equal byte for "
    "byte, and \"fealty audit --log DIR --policy DIR/policy\" audits it.\n\n"
    "JSON: status, origin, depth (whole, hashes), transactions, head_seq, root, transaction_key, checkpoint_key, checkpoint_key_by (auditor, "
    "genesis), keys (kind, key, key_id, named_at, from, until, overlap_until, recovery), from (size, root, entries of the last audit, or null), "
    "entries, redecided, not_redecided, signatures, members, programs (program, number, versions, members, accounts), losses (seq, lost_size, "
    "lost_root, principal, reason: what restores have lost), state (compared, size, rows, note), checkpoints, published, seconds, threads, rate, "
    "and with --measure verify_rate (signatures a second, by as many threads and nothing beside), cpu_us and verify_cpu_us (processor time of a "
    "transaction, and of a signature alone). A finding: status DATA_LOSS, reason, "
    "message, transactions (that hold), and where they are known seq, size (of a checkpoint), file (of an export), entry, field.\n\n"
    "Exit codes: 0 all holds; 1 a finding; 2 wrong usage, or a file given here is not what it should be; 3 daemon or server not reached; 5 disk, "
    "memory.";

enum exit_code
cmd_audit(int argc, char **argv)
{
	static const struct argp argp = { audit_options, parse, "[DIR]", audit_text, connect_children, NULL, NULL };
	static struct audit_input in;

	call_options_init(&in.call, WIRE_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	in.wire = in.args.n == 0 && in.log == NULL;
	return run(&in);
}
