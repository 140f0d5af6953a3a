/* fealty audit: options, where the leaves come from, and what is said at the end. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "call.h"
#include "commands.h"
#include "guard.h"
#include "key_text.h"

enum { KEY_THREADS = KEY_COMMAND, KEY_NO_STATE, KEY_PUBLIC_KEY, KEY_KEY_ID, KEY_HEAD_LOCK, KEY_PROGRESS, KEY_NO_REDECIDE };

#define THREADS_MAX 256
#define WIRE_TIMEOUT_MS 60000

struct audit_input {
	struct call_options call;
	struct args args;
	bool no_state, progress, wire;
	uint64_t threads;
	char *head_lock;
	char head_lock_default[4096];
	struct audit audit;
};

static error_t
judge(struct argp_state *state, const struct audit_input *in)
{
	if (in->args.n == 1 && in->call.has_address)
		return cli_usage(state, "give either DIR or --connect: a ledger is audited in its directory, or as a daemon sends it");
	if (in->args.n == 0 && (in->no_state || in->head_lock != NULL))
		return cli_usage(state, "--no-state and --head-lock are about a directory, and no DIR is given");
	if (in->head_lock != NULL && access(in->head_lock, R_OK) != 0)
		return cli_usage(state, "--head-lock: %s cannot be read: %s", in->head_lock, strerror(errno));
	return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct audit_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_THREADS:
		if (option_number(state, "--threads", arg, THREADS_MAX, &in->threads) == 0 && in->threads > 0)
			return 0;
		return cli_usage(state, "--threads: 1 to %d", THREADS_MAX);
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
	case KEY_HEAD_LOCK:
		in->head_lock = arg;
		return 0;
	case KEY_PROGRESS:
		in->progress = true;
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

struct listener { struct audit *audit; enum status status; };

static bool
on_transaction(void *ctx, const struct fealty_transaction *t)
{
	struct listener *l = ctx;
	struct audit *audit = l->audit;
	struct bytes leaf = bytes_of(t->data, t->data_bytes);

	if (t->seq != audit->first + audit->n) {
		finding_set_at(&audit->finding, audit->first + audit->n, "transaction %" PRIu64 ": it is missing", audit->first + audit->n);
		l->status = ST_INVALID;
	} else if (leaf.len == 0 || leaf.len > LEDGER_LEAF_BYTES_MAX) {
		finding_set_at(&audit->finding, t->seq, "transaction %" PRIu64 ": it has %zu bytes, and 1 to %d are allowed", t->seq,
		    leaf.len, LEDGER_LEAF_BYTES_MAX);
		l->status = ST_INVALID;
	}
	if (l->status == ST_OK && !audit_fits(audit, leaf.len)) {
		audit->total = t->head;
		l->status = audit_chunk(audit);
	}
	if (l->status == ST_OK)
		audit_take(audit, leaf);
	return l->status == ST_OK;
}

/* *${ret_code} is not EXIT_DONE when there was no answer, and that was told. */
static enum status
audit_wire(struct audit_input *in, enum exit_code *ret_code)
{
	struct listener listener = { .audit = &in->audit, .status = ST_OK };
	struct fealty_subscriber subscriber = { .ctx = &listener, .on_transaction = on_transaction, .stop_at_head = true };
	Fealty__V1__Request request;
	Fealty__V1__Subscribe body = FEALTY__V1__SUBSCRIBE__INIT;
	struct fealty_client *client;
	struct fealty_result result;

	in->audit.state_note = "only the ledger comes over the wire";
	*ret_code = call_client(&in->call, &client);
	if (*ret_code != EXIT_DONE)
		return ST_OK;
	call_request_init(&in->call, FEALTY__V1__REQUEST__OP_SUBSCRIBE, &request);
	request.subscribe = &body;
	enum fealty_outcome outcome = fealty_subscribe(client, &request, &subscriber, &result);
	if (listener.status == ST_OK && outcome == FEALTY_OK)
		listener.status = audit_chunk(&in->audit);
	else if (listener.status == ST_OK)
		*ret_code = call_tell(&in->call, &result);
	fealty_result_release(&result);
	fealty_client_free(client);
	return listener.status;
}

/* ---- the report ---- */

static json_t *
program_json(const struct audit_program *p)
{
	char text[DECIMAL_TEXT_BYTES];
	json_t *object = json_new(), *accounts = json_new();

	json_put_text(object, "program", p->id);
	json_put_number(object, "number", p->number);
	json_put_number(object, "versions", p->versions);
	json_put_number(object, "members", p->totals.members);
	for (enum account a = ACCOUNT_MEMBER; a < ACCOUNT_COUNT; a++)
		if (a <= ACCOUNT_DEBT || p->totals.account[a] != 0)
			json_put_text(accounts, account_str(a), decimal_format(p->totals.account[a], p->scale, text));
	json_put(object, "accounts", accounts);
	return object;
}

static enum exit_code
report_json(const struct audit *audit, const struct audit_books *books, const char *root, double seconds)
{
	json_t *object = json_new(), *programs = json_array(), *state = json_new();

	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", apply_head(audit->apply)->origin);
	json_put_number(object, "transactions", audit->first);
	json_put_number(object, "entries", audit->entries);
	json_put_number(object, "redecided", audit->redecide.equal);
	json_put_number(object, "not_redecided", audit->entries - audit->redecide.equal);
	json_put_number(object, "signatures", audit->first);
	json_put_number(object, "members", books->members);
	json_put_number(object, "head_seq", audit->first - 1);
	json_put_text(object, "root", root);
	json_put_hex(object, "transaction_key", bytes_of(apply_head(audit->apply)->transaction_key, PUBLIC_KEY_BYTES));
	json_put(object, "keys", key_history_json(apply_keys(audit->apply)));
	for (size_t i = 0; i < books->n; i++)
		(void)json_array_append_new(programs, program_json(&books->programs[i]));
	json_put(object, "programs", programs);
	json_put(state, "compared", json_boolean(audit->state_compared));
	json_put_number(state, "size", audit->state_size);
	json_put_number(state, "rows", audit->state_rows);
	if (audit->state_note != NULL)
		json_put_text(state, "note", audit->state_note);
	json_put(object, "state", state);
	json_put(object, "checkpoints", audit->checkpoints.compared ? json_integer((json_int_t)audit->checkpoints.verified) : json_null());
	json_put(object, "published", audit->head_compared ? json_integer((json_int_t)audit->published.size) : json_null());
	json_put(object, "seconds", json_real(seconds));
	json_put(object, "rate", json_real(seconds > 0 ? (double)audit->first / seconds : 0));
	return json_print_line(object, EXIT_DONE);
}

static void
report_program(const struct audit_program *p)
{
	char text[DECIMAL_TEXT_BYTES];

	(void)printf("Program %s (%" PRIu32 " %s, %" PRIu64 " %s): ", p->id, p->versions, p->versions == 1 ? "version" : "versions",
	    p->totals.members, p->totals.members == 1 ? "member" : "members");
	for (enum account a = ACCOUNT_MEMBER; a < ACCOUNT_COUNT; a++)
		if (a == ACCOUNT_MEMBER || p->totals.account[a] != 0)
			(void)printf("%s%s %s", a == ACCOUNT_MEMBER ? "" : ", ", account_str(a),
			    decimal_format(p->totals.account[a], p->scale, text));
	(void)printf("; sum 0.\n");
}

static void
report_redecided(const struct audit *audit)
{
	const struct audit_redecide *r = &audit->redecide;

	if (audit->no_redecide) {
		(void)printf("No entry was decided again, as asked.\n");
		return;
	}
	(void)printf("%" PRIu64 " entries decided again, each with the same outcome", r->equal);
	if (r->not_decided + r->other_engine > 0)
		(void)printf("; %" PRIu64 " not", r->not_decided + r->other_engine);
	if (r->other_engine > 0)
		(void)printf(", %" PRIu64 " of them by another engine than %d", r->other_engine, LEDGER_ENGINE);
	(void)printf(".\n");
}

static enum exit_code
report(const struct audit *audit, const struct audit_books *books, double seconds)
{
	uint8_t root[SHA256_BYTES];
	char root_text[2 * SHA256_BYTES + 1];

	merkle_tree_root(apply_tree(audit->apply), root);
	(void)hex_format(bytes_of(root, sizeof(root)), root_text);
	if (audit->json)
		return report_json(audit, books, root_text, seconds);
	(void)printf("The ledger %s holds.\n", apply_head(audit->apply)->origin);
	(void)printf("%" PRIu64 " transactions with %" PRIu64 " entries: ", audit->first, audit->entries);
	(void)printf("every signature, the chain, the sequence, the times, and each entry replayed.\n");
	report_redecided(audit);
	key_history_print(apply_keys(audit->apply), stdout);
	(void)printf("%" PRIu64 " signatures verified in %.1f s, %.0f transactions/s.\n", audit->first, seconds,
	    seconds > 0 ? (double)audit->first / seconds : 0);
	for (size_t i = 0; i < books->n; i++)
		report_program(&books->programs[i]);
	if (audit->state_compared)
		(void)printf("State: %" PRIu64 " rows at %" PRIu64 " transactions are what the ledger brings about.\n", audit->state_rows,
		    audit->state_size);
	else
		(void)printf("State: not compared: %s.\n", audit->state_note);
	if (!audit->checkpoints.compared)
		(void)printf("Checkpoints: none verified: they do not come over the wire.\n");
	else
		(void)printf("Checkpoints: %" PRIu64 " verified, each signed and with the root that the ledger had.\n",
		    audit->checkpoints.verified);
	if (audit->head_compared)
		(void)printf("The head that was published last, of %" PRIu64 " transactions, is in it.\n", audit->published.size);
	(void)printf("Head: transaction %" PRIu64 ", root %s.\n", audit->first - 1, root_text);
	return EXIT_DONE;
}

static enum exit_code
tell_finding(const struct audit *audit)
{
	const struct finding *f = &audit->finding;

	if (!audit->json) {
		(void)fflush(stdout);
		(void)fprintf(stderr, "%s: %s.\n", program_invocation_name, f->sentence);
		if (f->has_seq && f->seq > 0)
			(void)fprintf(stderr, "The %" PRIu64 " %s before it %s.\n", f->seq, f->seq == 1 ? "transaction" : "transactions",
			    f->seq == 1 ? "holds" : "hold");
		return EXIT_REFUSED;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "DATA_LOSS");
	json_put_text(object, "reason", f->reason);
	json_put_text(object, "message", f->sentence);
	if (f->has_seq)
		json_put_number(object, "seq", f->seq);
	if (f->has_size)
		json_put_number(object, "size", f->size);
	if (strcmp(f->reason, "DECISION_DIFFERS") == 0) {
		char id[48];
		(void)snprintf(id, sizeof(id), "%" PRIu64 ".%" PRIu32, audit->redecide.id.seq, audit->redecide.id.index);
		json_put_text(object, "entry", id);
		json_put_text(object, "field", audit->redecide.difference.field);
	}
	json_put_number(object, "transactions", f->has_seq ? f->seq : audit->first);
	return json_print_line(object, EXIT_REFUSED);
}

/* ---- the steps ---- */

static enum exit_code
tell_status(const struct audit_input *in, enum status st)
{
	const char *what = in->wire ? in->call.address : in->args.v[0];

	switch (st) {
	case ST_INVALID:
		return tell_finding(&in->audit);
	case ST_NOTFOUND:
		return cli_fail(in->call.json, EXIT_USAGE, "%s is no data directory of fealty", what);
	case ST_FORMAT:
		return cli_fail(in->call.json, EXIT_USAGE, "%s has another format than this program knows", what);
	default:
		return cli_fail(in->call.json, EXIT_INTERNAL, "%s could not be audited to its end: %s", what, cli_status_words(st));
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

static enum status
run_source(struct audit_input *in, enum exit_code *ret_code)
{
	struct store_params params = { .data_path = in->args.v[0], .read_only = true };
	struct store *source;

	*ret_code = EXIT_DONE;
	if (in->wire)
		return audit_wire(in, ret_code);
	params.head_lock_path = head_lock_path(in);
	guard_at(GUARD_FILE, 0);
	enum status st = store_open(&params, &source);
	if (st != ST_OK)
		return audit_damage(&in->audit, params.data_path, st);
	st = audit_directory(&in->audit, source, in->no_state);
	store_close(source, false);
	return st == ST_CORRUPT ? audit_damage(&in->audit, params.data_path, st) : st;
}

static enum exit_code
run(struct audit_input *in)
{
	struct audit_books books = { 0 };
	struct progress progress;
	enum exit_code code = EXIT_DONE;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (in->threads == 0)
		in->threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (uint64_t)cores;
	enum status st = audit_init(&in->audit, (unsigned)in->threads);
	if (st != ST_OK)
		return cli_fail(in->call.json, EXIT_INTERNAL, "a place for the replay could not be made under $TMPDIR or /tmp: %s",
		    cli_status_words(st));
	in->audit.json = in->call.json;
	in->audit.progress = &progress;
	progress_start(&progress, "transactions", in->call.json, in->progress);
	guard_begin(in->call.json);
	st = run_source(in, &code);
	guard_end();
	if (st == ST_OK && code == EXIT_DONE && in->audit.first > 0)
		st = audit_books(&in->audit, &books);
	progress_end(&progress);
	double seconds = progress_seconds(&progress);
	if (st != ST_OK)
		code = tell_status(in, st);
	else if (code == EXIT_DONE)
		code = report(&in->audit, &books, seconds);
	audit_books_release(&books);
	audit_release(&in->audit);
	return code;
}

enum exit_code
cmd_audit(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "threads", KEY_THREADS, "N", 0, "How many threads verify signatures (default: one for each core)", 0 },
		{ "no-state", KEY_NO_STATE, NULL, 0, "Do not compare the daemon's state with the replay", 0 },
		{ "public-key", KEY_PUBLIC_KEY, "HEX", 0,
		    "The key that must have signed the genesis, from which later keys follow; without it, the one that the genesis names", 0 },
		{ "key-id", KEY_KEY_ID, "HEX", 0, "The same by the key's id", 0 },
		{ "head-lock", KEY_HEAD_LOCK, "FILE", 0,
		    "The daemon's note of the head it published last (default: DIR.head.lock, if it is there)", 0 },
		{ "no-redecide", KEY_NO_REDECIDE, NULL, 0, "Do not decide the entries again", 0 },
		{ "progress", KEY_PROGRESS, NULL, 0, "Show how far it is also when standard error is no terminal", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "[DIR]",
		"Verify a ledger, whole: in the data directory DIR, beside a stopped or a running daemon; without DIR, as the daemon sends "
		"it.\v"
		"Checks every signature, the chain of hashes, that nothing is missing, that times rise, that each entry's postings sum to "
		"zero and can be applied, that the rules decide it once more as it stands there, the trial balance of "
		"each program, that every stored checkpoint is signed and has the root of just so many transactions, that the published "
		"head is in it, and in a directory that every row of state/ is what the ledger brings "
		"about. The first transaction that is "
		"wrong is named, with what is wrong with it. "
		"The replay needs room under $TMPDIR, about as much as state/ has.",
		connect_children, NULL, NULL };
	static struct audit_input in;

	call_options_init(&in.call, WIRE_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	in.wire = in.args.n == 0;
	return run(&in);
}
