/*
 * fealty rollforward: from checkpoint to checkpoint.
 *
 * The ledger is replayed up to the later one and not further, so that the trial balance, summed over the members, is of just that moment.  A
 * day is looked for first, in a pass over the hashes.  Transactions are not verified one by one by signature: both heads are signed, and their
 * roots bind every byte; `fealty audit` does the rest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_trust.h"
#include "audit_wire.h"
#include "commands.h"
#include "guard.h"
#include "log_source.h"
#include "rollforward.h"

enum { KEY_FROM = KEY_COMMAND, KEY_TO, KEY_LOG, KEY_VKEY, KEY_POLICY, KEY_CSV, KEY_HEAD_LOCK };

#define THREADS 2
#define WIRE_TIMEOUT_MS 60000

struct rollforward_input {
	struct call_options call;
	struct args args;
	bool csv, wire;
	char *log, *head_lock;
	struct audit_trust trust;
	struct rollforward r;
	struct log_source source;	/* of a directory */
	struct fealty_client *client;	/* of a daemon */
	struct audit audit;
};

/* ---- options ---- */

static bool
is_day(const char *text)
{
	return strlen(text) == strlen("2026-04-01") && strspn(text, "0123456789-") == strlen(text) && text[4] == '-' && text[7] == '-';
}

static error_t
parse_point(struct argp_state *state, const char *option, const char *text, struct rollforward_point *point)
{
	*point = (struct rollforward_point){ .option = option, .given = true, .account = point->account };
	if (text[0] == '\0')
		return cli_usage(state, "%s: give a day, a size, or the file of a checkpoint", option);
	if (strspn(text, "0123456789") == strlen(text))
		return option_number(state, option, text, UINT64_MAX - 1, &point->size);
	point->is_day = is_day(text);
	if (point->is_day)
		return option_day(state, option, text, &point->day);
	point->path = text;
	return 0;
}

static error_t
judge(struct argp_state *state, const struct rollforward_input *in)
{
	const struct rollforward *r = &in->r;
	error_t failed = call_source(state, &in->call, in->args.n == 1, in->log);

	if (failed != 0)
		return failed;
	if (in->head_lock != NULL && in->args.n == 0)
		return cli_usage(state, "--head-lock is about a directory, and no DIR is given");
	if (in->trust.policy_path != NULL && (in->log == NULL || in->trust.vkey != NULL))
		return cli_usage(state, "--policy goes with --log, and not with --vkey");
	if (in->call.json && in->csv)
		return cli_usage(state, "give --json or --csv");
	if (in->args.n == 0 && (r->from.is_day || r->to.is_day))
		return cli_usage(state,
		    "a day is looked for among all checkpoints of a ledger, and only its directory has them: give DIR, or a checkpoint's file");
	bool backwards = r->from.is_day && r->to.is_day && r->from.day > r->to.day;
	return backwards ? cli_usage(state, "--from is after --to") : 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct rollforward_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &in->call; return 0;
	case KEY_FROM: return parse_point(state, "--from", arg, &in->r.from);
	case KEY_TO: return parse_point(state, "--to", arg, &in->r.to);
	case KEY_LOG: in->log = arg; return 0;
	case KEY_VKEY: in->trust.vkey = arg; return 0;
	case KEY_POLICY: in->trust.policy_path = arg; return 0;
	case KEY_HEAD_LOCK: in->head_lock = arg; return 0;
	case KEY_PROGRAM: in->r.program = arg; return 0;
	case KEY_CSV: in->csv = true; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END: return judge(state, in);
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* ---- checkpoints that do not come with the ledger ---- */

static int
head_order(const void *a, const void *b)
{
	const struct log_head *x = a, *y = b;

	return (x->size > y->size) - (x->size < y->size);
}

static void
add_head(struct rollforward *r, const struct log_head *head)
{
	r->extra[r->n_extra++] = *head;
	qsort(r->extra, r->n_extra, sizeof(*r->extra), head_order);
}

static enum exit_code
read_file(struct rollforward_input *in, struct rollforward_point *point)
{
	static struct log_head head;
	const char *why = "it is longer than a checkpoint can be";
	struct buf text;

	if (point->path == NULL)
		return EXIT_DONE;
	enum status st = file_read_all(point->path, LOG_NOTE_BYTES_MAX, &text);
	if (st != ST_OK && st != ST_TOO_LARGE)
		return cli_fail(in->call.json, EXIT_USAGE, "%s: %s is no day and no size, and as a file it cannot be read: %s", point->option,
		    point->path, cli_status_words(st));
	bool read = st == ST_OK && log_head_read(buf_bytes(&text), &head, &why);
	if (st == ST_OK)
		buf_release(&text);
	if (!read)
		return cli_fail(in->call.json, EXIT_USAGE, "%s: %s is no checkpoint: %s", point->option, point->path, why);
	point->size = head.size;
	add_head(&in->r, &head);
	return EXIT_DONE;
}

enum status
rollforward_seen_add(struct rollforward *r, uint64_t size, int64_t committed_at_us)
{
	if (r->n_seen == r->cap_seen) {
		size_t cap = r->cap_seen == 0 ? 256 : 2 * r->cap_seen;
		struct rollforward_seen *grown = realloc(r->seen, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		r->seen = grown;
		r->cap_seen = cap;
	}
	r->seen[r->n_seen++] = (struct rollforward_seen){ size, committed_at_us, 0 };
	return ST_OK;
}

/* ---- a pass ---- */

static enum exit_code
tell(const struct rollforward_input *in, enum status st)
{
	if (st == ST_INVALID)
		return audit_report_finding(&in->audit);
	return cli_fail(in->call.json, EXIT_INTERNAL, "%s could not be read to its end: %s", in->r.place, cli_status_words(st));
}

static void
prepare_audit(struct rollforward_input *in, enum audit_depth depth, uint64_t until)
{
	struct audit *audit = &in->audit;
	struct audit fresh = { .depth = depth, .json = in->call.json, .no_redecide = true, .until = until,
		.timeout_ms = in->call.timeout_ms };

	fresh.has_vkey = audit->has_vkey;
	fresh.vkey = audit->vkey;
	fresh.policy = audit->policy;
	fresh.extra = in->r.extra;
	fresh.n_extra = in->r.n_extra;
	*audit = fresh;
}

static enum status
read_source(struct rollforward_input *in, enum exit_code *ret_code)
{
	if (in->log != NULL)
		return audit_log(&in->audit, in->log, ret_code);
	if (in->wire)
		return audit_wire(&in->audit, &in->call, in->client, ret_code);
	return audit_directory(&in->audit, in->source.store, true);
}

static enum exit_code
read_all(struct rollforward_input *in)
{
	struct audit *audit = &in->audit;
	struct progress progress;
	enum exit_code code = EXIT_DONE;

	audit->progress = &progress;
	progress_start(&progress, "transactions", in->call.json || in->csv, false);
	guard_begin(in->call.json);
	enum status st = read_source(in, &code);
	guard_end();
	progress_end(&progress);
	return st == ST_OK ? code : tell(in, st);
}

/* ---- where days begin ---- */

static enum exit_code
find_days(struct rollforward_input *in)
{
	struct rollforward_days *days = NULL;

	if (!in->r.from.is_day && !in->r.to.is_day)
		return EXIT_DONE;
	prepare_audit(in, AUDIT_HASHES, in->r.newest);
	enum status st = audit_init(&in->audit, THREADS);
	if (st == ST_OK)
		st = rollforward_days_new(&in->r, &in->audit, &days);
	enum exit_code code = st == ST_OK ? read_all(in) : tell(in, st);
	if (code == EXIT_DONE)
		code = rollforward_days_end(days);
	rollforward_days_free(days);
	audit_release(&in->audit);
	return code;
}

/* ---- sizes that are no checkpoint ---- */

static enum exit_code
no_checkpoint(const struct rollforward *r, const struct rollforward_point *point, uint64_t below, uint64_t above)
{
	char near[96];

	if (below == 0)
		(void)snprintf(near, sizeof(near), "the first is of %" PRIu64, above);
	else if (above == 0)
		(void)snprintf(near, sizeof(near), "the newest is of %" PRIu64, below);
	else
		(void)snprintf(near, sizeof(near), "the nearest are of %" PRIu64 " and %" PRIu64, below, above);
	return cli_fail(r->json, EXIT_REFUSED, "%s: there is no checkpoint of %" PRIu64 " transactions; %s", point->option, point->size, near);
}

static bool
is_extra(const struct rollforward *r, uint64_t size)
{
	for (size_t i = 0; i < r->n_extra; i++)
		if (r->extra[i].size == size)
			return true;
	return false;
}

/* In a directory, before it is read. */
static enum exit_code
judge_stored(const struct rollforward_input *in, const struct rollforward_point *point)
{
	uint64_t below = 0, above = 0;

	if (point->size == 0 || is_extra(&in->r, point->size))
		return EXIT_DONE;
	enum status st = log_head_near(&in->source, point->size, &below, &above);
	if (st != ST_OK)
		return cli_fail(in->call.json, EXIT_INTERNAL, "%s cannot be read: %s", in->r.place, cli_status_words(st));
	if (point->size > in->r.newest)
		return no_checkpoint(&in->r, point, in->r.newest, 0);
	return below == point->size ? EXIT_DONE : no_checkpoint(&in->r, point, below, above <= in->r.newest ? above : 0);
}

/* After all was read that there is. */
static enum exit_code
judge_reached(const struct rollforward_input *in, const struct rollforward_point *point)
{
	const struct rollforward *r = &in->r;
	uint64_t newest = in->audit.log_size;

	if (point->reached || point->size == 0)
		return EXIT_DONE;
	if (point->path != NULL)
		return cli_fail(r->json, EXIT_REFUSED,
		    "%s: %s is of %" PRIu64 " transactions, and %s has only %" PRIu64 ": it is of another log, or this one was rolled back", point->option,
		    point->path, point->size, r->place, in->audit.first);
	return cli_fail(r->json, EXIT_REFUSED,
	    "%s: there is no checkpoint of %" PRIu64 " transactions in %s, which has only its newest, of %" PRIu64 ": give the file of yours", point->option,
	    point->size, r->place, newest);
}

/* ---- the replay ---- */

static enum status
capture(struct rollforward_point *point, struct audit *audit, const struct log_head *head)
{
	const struct ledger_state *state = apply_state(audit->apply);
	enum status st = ST_OK;

	point->reached = true;
	point->head = *head;
	point->committed_at_us = apply_head(audit->apply)->committed_at_us;
	point->n_programs = state->program_count(state->ctx);
	if (point->n_programs > ROLLFORWARD_PROGRAMS_MAX)
		return ST_TOO_LARGE;
	for (uint32_t i = 0; i < point->n_programs && st == ST_OK; i++) {
		const struct totals *totals;
		st = state->totals(state->ctx, i + 1, &totals);
		if (st == ST_OK)
			memcpy(point->account[i], totals->account, sizeof(point->account[i]));
	}
	return st;
}

static enum status
on_checkpoint(void *ctx, struct audit *audit, const struct log_head *head)
{
	struct rollforward *r = ctx;
	enum status st = ST_OK;

	if (head->size == r->from.size)
		st = capture(&r->from, audit, head);
	if (st == ST_OK && (head->size == r->to.size || r->to.size == UINT64_MAX))
		st = capture(&r->to, audit, head);
	return st;
}

static enum status
fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	return apply_read_tile(ctx, level, index, ret_hash);
}

static enum exit_code
prove(struct rollforward_input *in, struct proof *ret_proof)
{
	const struct rollforward *r = &in->r;
	struct store_txn *state;
	uint8_t old_root[SHA256_BYTES];

	if (r->from.size > 0)
		memcpy(old_root, r->from.head.root, sizeof(old_root));
	else
		hash_sha256(old_root, NULL, 0);
	enum status st = store_read(in->audit.store, STORE_STATE, &state);
	if (st != ST_OK)
		return tell(in, st);
	st = proof_consistency(r->from.size, r->to.size, fetch, state, ret_proof);
	store_abort(state);
	if (st != ST_OK)
		return tell(in, st);
	enum proof_result result = proof_check_consistency(ret_proof, r->from.size, old_root, r->to.size, r->to.head.root);
	return result == PROOF_OK ? EXIT_DONE : cli_fail(r->json, EXIT_REFUSED, "the two checkpoints are not of one log: %s", proof_result_str(result));
}

static enum exit_code
judge_order(const struct rollforward *r)
{
	if (r->from.size <= r->to.size)
		return EXIT_DONE;
	return cli_fail(r->json, EXIT_USAGE, "--from is of %" PRIu64 " transactions, and --to of %" PRIu64 ": it must not be after it", r->from.size,
	    r->to.size);
}

static enum exit_code
judge_points(struct rollforward_input *in)
{
	struct rollforward *r = &in->r;

	if (r->to.size == UINT64_MAX)
		r->to.size = r->to.head.size;
	enum exit_code code = judge_order(r);
	if (code == EXIT_DONE)
		code = judge_reached(in, &r->from);
	return code == EXIT_DONE ? judge_reached(in, &r->to) : code;
}

static enum exit_code
replay(struct rollforward_input *in)
{
	struct audit_books books = { 0 };
	static struct proof proof;

	in->audit.on_checkpoint = on_checkpoint;
	in->audit.on_ctx = &in->r;
	enum exit_code code = read_all(in);
	if (code == EXIT_DONE)
		code = judge_points(in);
	enum status st = code == EXIT_DONE ? audit_books(&in->audit, &books) : ST_OK;
	if (st != ST_OK)
		code = tell(in, st);
	if (code == EXIT_DONE)
		code = prove(in, &proof);
	if (code == EXIT_DONE)
		code = rollforward_report(&in->r, &in->audit, &books, &proof);
	audit_books_release(&books);
	return code;
}

static enum exit_code
compute(struct rollforward_input *in)
{
	struct rollforward *r = &in->r;
	enum exit_code code = find_days(in);

	if (code == EXIT_DONE && !r->to.given)
		r->to.size = in->log == NULL ? r->newest : UINT64_MAX;
	if (code == EXIT_DONE)
		code = judge_order(r);
	if (code == EXIT_DONE && in->args.n == 1)
		code = judge_stored(in, &r->from);
	if (code == EXIT_DONE && in->args.n == 1)
		code = judge_stored(in, &r->to);
	if (code != EXIT_DONE)
		return code;
	if (r->to.size == 0)
		return cli_fail(r->json, EXIT_REFUSED, "--to: there is no checkpoint before it: nothing has happened by then");
	prepare_audit(in, AUDIT_REPLAY, r->to.size);
	enum status st = audit_init(&in->audit, THREADS);
	if (st != ST_OK)
		return cli_fail(r->json, EXIT_INTERNAL, "a place for the replay could not be made under $TMPDIR or /tmp: %s", cli_status_words(st));
	code = replay(in);
	audit_release(&in->audit);
	return code;
}

/* ---- where the ledger is ---- */

static enum exit_code
open_directory(struct rollforward_input *in)
{
	static struct log_head newest;

	guard_begin(in->call.json);
	enum exit_code code = log_source_open(in->args.v[0], in->head_lock, in->call.json, &in->source);
	if (code == EXIT_DONE)
		code = log_head_newest(&in->source, &newest);
	guard_end();
	in->r.newest = newest.size;
	return code;
}

/* A daemon is asked for the checkpoints that are needed: none come with its transactions. */
static enum exit_code
fetch_head(struct rollforward_input *in, const struct rollforward_point *point)
{
	static struct log_head head;
	uint64_t size = point == NULL ? 0 : point->size;
	bool found;

	if (point != NULL && (size == 0 || is_extra(&in->r, size)))
		return EXIT_DONE;
	enum exit_code code = audit_wire_head(&in->call, in->client, size, &head, &found);
	if (code != EXIT_DONE)
		return code;
	if (!found && point == NULL)
		return cli_fail(in->call.json, EXIT_UNAVAILABLE, "%s has no public checkpoint yet: ask again in a second", in->r.place);
	if (!found)
		return no_checkpoint(&in->r, point, in->r.newest, 0);
	if (point == NULL)
		in->r.newest = head.size;
	if (!is_extra(&in->r, head.size))
		add_head(&in->r, &head);
	return EXIT_DONE;
}

static enum exit_code
open_daemon(struct rollforward_input *in)
{
	enum exit_code code = call_client(&in->call, &in->client);

	if (code == EXIT_DONE)
		code = fetch_head(in, NULL);
	if (code == EXIT_DONE)
		code = fetch_head(in, &in->r.from);
	return code == EXIT_DONE ? fetch_head(in, &in->r.to) : code;
}

static enum exit_code
open_source(struct rollforward_input *in)
{
	in->wire = in->args.n == 0 && in->log == NULL;
	in->r.place = in->wire ? in->call.address : in->log != NULL ? in->log : in->args.v[0];
	if (in->wire)
		return open_daemon(in);
	return in->log == NULL ? open_directory(in) : EXIT_DONE;
}

static enum exit_code
prepare(struct rollforward_input *in)
{
	struct rollforward *r = &in->r;

	r->json = in->audit.json = in->call.json;
	r->csv = in->csv;
	r->from.option = "--from";
	r->to.option = "--to";
	r->from.account = calloc(ROLLFORWARD_PROGRAMS_MAX, sizeof(*r->from.account));
	r->to.account = calloc(ROLLFORWARD_PROGRAMS_MAX, sizeof(*r->to.account));
	r->extra = calloc(ROLLFORWARD_EXTRA_MAX, sizeof(*r->extra));
	if (r->from.account == NULL || r->to.account == NULL || r->extra == NULL)
		return cli_fail(r->json, EXIT_INTERNAL, "there is not enough memory");
	enum exit_code code = audit_trust_apply(&in->trust, &in->audit);
	if (code == EXIT_DONE)
		code = read_file(in, &r->from);
	if (code == EXIT_DONE)
		code = read_file(in, &r->to);
	return code;
}

static enum exit_code
run(struct rollforward_input *in)
{
	struct rollforward *r = &in->r;
	enum exit_code code = prepare(in);

	if (code == EXIT_DONE)
		code = open_source(in);
	if (code == EXIT_DONE)
		code = compute(in);
	if (in->source.store != NULL)
		log_source_close(&in->source);
	fealty_client_free(in->client);
	audit_trust_release(&in->trust);
	free(r->from.account);
	free(r->to.account);
	free(r->extra);
	free(r->seen);
	return code;
}

static const struct argp_option rollforward_options[] = {
	{ "from", KEY_FROM, "POINT", 0, "Begin there: a day, a size, or the file of a checkpoint (default: 0, the beginning of the ledger)", 0 },
	{ "to", KEY_TO, "POINT", 0, "End there (default: the newest checkpoint)", 0 },
	{ "program", KEY_PROGRAM, "ID", 0, "Only this program", 0 },
	{ "log", KEY_LOG, "PLACE", 0, "Read an exported log instead: a directory, or an http(s) address under which it is served", 0 },
	{ "vkey", KEY_VKEY, "KEY", 0,
	    "The key that must have signed the newest of the checkpoints that are read, as \"fealty log key\" prints it; the others follow from it", 0 },
	{ "policy", KEY_POLICY, "FILE", 0, "With --log: a C2SP tlog-policy that must accept its checkpoint", 0 },
	{ "head-lock", KEY_HEAD_LOCK, "FILE", 0, "The daemon's note of the head it published last (default: DIR.head.lock)", 0 },
	{ "csv", KEY_CSV, NULL, 0, "Print CSV: program,from_size,to_size,line,points", 0 },
	{ 0 },
};

static const char rollforward_text[] =
    "Print, for each program, what it owed its members at one checkpoint of the ledger, what changed that, account by account, and what it owes "
    "them at a later one. The ledger is read from the data directory DIR, from an exported log, or, without both, from the daemon.\v"
    "opening + issued + reinstated + redeemed + expired + clawed + adjusted (+ transferred, advanced, opening_import, partner_issued, "
    "partner_redeemed) = closing: each line has the sign of what it did to the members' points, so they sum; \"fealty audit\" has the accounts of "
    "the program, which have the opposite sign. Opening and closing are available, pending and held points less debts. The sum is checked, and the "
    "closing is compared with the sum over all members.\n\n"
    "A POINT is a checkpoint: by its size in transactions; by its file, as \"fealty checkpoint\" or \"fealty audit --save-checkpoint\" left it; or by a day "
    "such as "
    "2026-04-01, which means the last stored checkpoint whose transactions were all committed before its local midnight: --from 2026-04-01 --to "
    "2026-05-01 is the April. A ledger stores one a second at most while it is written to; when transactions before that midnight come behind it, "
    "that is said. They are in the next period. Days need DIR: an export has its newest checkpoint only, and a daemon tells one by its size.\n\n"
    "Both checkpoints are verified by the keys that the ledger names for their sizes, and by its tree, and so is the proof that the one is the "
    "beginning of the other. Transactions are replayed; their own signatures are not verified one by one: \"fealty audit\" does that.\n\n"
    "JSON: status, origin, from and to (size, committed_at, root, checkpoint, missed_at: of a transaction before the day that comes behind it), "
    "consistency (hashes), programs (program, opening, one key for each line, closing, opening_accounts, closing_accounts).\n\n"
    "Exit codes: 0 it sums; 1 it does not, or the ledger or a checkpoint does not hold; 2 wrong usage; 3 daemon or server not reached; 5 disk, "
    "memory.";

enum exit_code
cmd_rollforward(int argc, char **argv)
{
	static const struct argp argp = { rollforward_options, parse, "[DIR]", rollforward_text, connect_children, NULL, NULL };
	static struct rollforward_input in;

	call_options_init(&in.call, WIRE_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	return run(&in);
}
