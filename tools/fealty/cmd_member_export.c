/*
 * fealty member export: everything that is kept about one person, for whoever asks for their data.
 *
 * The person is what the vault knows, how they stand, their vouchers, and each entry that touched them or a member that went into them.  An
 * entry may touch somebody else, and a transaction of a batch have entries of others: of these only what is theirs is shown (member_entry.h), and
 * their receipts, which would show all of the transaction, are left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "commands.h"
#include "ledger_text.h"
#include "member_entry.h"
#include "receipt_file.h"

#define PAGE 100

enum { KEY_OUT = KEY_COMMAND, KEY_NUMBER };

struct export {
	struct call_input base;
	char *out;
	bool is_number;
	uint64_t number;		/* the word, with --number; then the person's */
	struct fealty_client *client;
	char *alias;			/* by which to ask; NULL: none is left */
	struct member_set own;		/* the person's number, and those that went into it */
	json_t *document, *entries;
	uint64_t *seqs;			/* of the transactions, rising */
	size_t n_seqs, cap_seqs, n_receipts, n_shared;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct export *x = state->input;

	switch (key) {
	case KEY_OUT: x->out = arg; return 0;
	case KEY_NUMBER: x->is_number = true; return 0;
	case ARGP_KEY_SUCCESS:
		return x->is_number ? option_number(state, "--number", x->base.args.v[0], UINT64_MAX, &x->number) : 0;
	default: return call_input_parse(key, arg, state, &x->base);
	}
}

/* EXIT_DONE: the answer is the caller's to release. */
static enum exit_code
ask(struct export *x, const Fealty__V1__Request *request, struct fealty_result *ret_result)
{
	if (fealty_call(x->client, request, ret_result) == FEALTY_OK)
		return EXIT_DONE;
	enum exit_code code = call_tell(&x->base.call, ret_result);
	fealty_result_release(ret_result);
	return code;
}

/* What an answer says, but that it is one. */
static json_t *
content(const Fealty__V1__Response *r)
{
	json_t *object = response_json(r, NULL);

	json_object_del(object, "status");
	return object;
}

/* ---- who it is ---- */

static enum exit_code
find_person(struct export *x)
{
	Fealty__V1__Person body = FEALTY__V1__PERSON__INIT;
	Fealty__V1__Request request;
	struct fealty_result result;

	call_request_init(&x->base.call, FEALTY__V1__REQUEST__OP_PERSON, &request);
	body.member = x->is_number ? NULL : x->base.args.v[0];
	body.has_member_no = x->is_number;
	body.member_no = x->number;
	request.person = &body;
	enum exit_code code = ask(x, &request, &result);
	if (code != EXIT_DONE)
		return code;
	const Fealty__V1__Response *r = result.response;
	const Fealty__V1__PersonRow *p = r->person;
	json_put_number(x->document, "member_no", r->member_no);
	json_put_number(x->document, "as_of_seq", r->seq);
	json_t *all = content(r), *person = json_object_get(all, "person");
	json_put(x->document, "profile", person != NULL ? json_incref(person) : json_new());
	json_decref(all);
	member_set_add(&x->own, r->member_no);
	for (size_t i = 0; p != NULL && i < p->n_absorbed; i++)
		member_set_add(&x->own, p->absorbed[i]);
	if (p != NULL && p->n_aliases > 0)
		x->alias = strdup(p->aliases[0]);
	x->number = r->member_no;
	fealty_result_release(&result);
	return EXIT_DONE;
}

/* ---- how they stand ---- */

static enum exit_code
add_balance(struct export *x)
{
	Fealty__V1__Balance body = FEALTY__V1__BALANCE__INIT;
	Fealty__V1__Request request;
	struct fealty_result result;

	call_request_init(&x->base.call, FEALTY__V1__REQUEST__OP_BALANCE, &request);
	body.member = x->alias;
	request.balance = &body;
	enum exit_code code = ask(x, &request, &result);
	if (code != EXIT_DONE)
		return code;
	json_put(x->document, "balance", content(result.response));
	fealty_result_release(&result);
	return EXIT_DONE;
}

static enum exit_code
add_vouchers(struct export *x)
{
	static const char *const states[] = { "issued", "held", "used", "expired", "revoked" };
	json_t *list = json_array();
	enum exit_code code = EXIT_DONE;

	for (size_t i = 0; i < sizeof(states) / sizeof(*states) && code == EXIT_DONE; i++) {
		Fealty__V1__Vouchers body = FEALTY__V1__VOUCHERS__INIT;
		Fealty__V1__Request request;
		struct fealty_result result;

		call_request_init(&x->base.call, FEALTY__V1__REQUEST__OP_VOUCHERS, &request);
		body.member = x->alias;
		body.state = (char *)(uintptr_t)states[i];
		request.vouchers = &body;
		code = ask(x, &request, &result);
		if (code != EXIT_DONE)
			break;
		json_t *all = content(result.response), *rows = json_object_get(all, "voucher_rows");
		if (rows != NULL)
			json_array_extend(list, rows);
		json_decref(all);
		fealty_result_release(&result);
	}
	json_put(x->document, "vouchers", list);
	return code;
}

/* ---- their entries ---- */

static void
add_seq(struct export *x, uint64_t seq)
{
	if (x->n_seqs == x->cap_seqs) {
		x->cap_seqs = x->cap_seqs == 0 ? 64 : x->cap_seqs * 2;
		x->seqs = realloc(x->seqs, x->cap_seqs * sizeof(*x->seqs));
		if (x->seqs == NULL)
			abort();		/* as json_put() */
	}
	x->seqs[x->n_seqs++] = seq;
}

static enum exit_code
add_pages(struct export *x, uint64_t number)
{
	bool more = true, has_before = false;
	uint64_t before = 0;

	while (more) {
		Fealty__V1__History body = FEALTY__V1__HISTORY__INIT;
		Fealty__V1__Request request;
		struct fealty_result result;

		call_request_init(&x->base.call, FEALTY__V1__REQUEST__OP_HISTORY, &request);
		body.has_member_no = body.has_limit = true;
		body.member_no = number;
		body.limit = PAGE;
		body.has_before = has_before;
		body.before = before;
		request.history = &body;
		enum exit_code code = ask(x, &request, &result);
		if (code != EXIT_DONE)
			return code;
		for (size_t i = 0; i < result.response->n_history; i++)
			add_seq(x, strtoull(result.response->history[i]->id, NULL, 10));
		more = has_before = result.response->has_next_before;
		before = result.response->next_before;
		fealty_result_release(&result);
	}
	return EXIT_DONE;
}

static int
rising(const void *a, const void *b)
{
	uint64_t m = *(const uint64_t *)a, n = *(const uint64_t *)b;

	return m < n ? -1 : m > n;
}

static enum exit_code
find_transactions(struct export *x)
{
	enum exit_code code = EXIT_DONE;
	size_t kept = 0;

	for (size_t i = 0; i < x->own.n && code == EXIT_DONE; i++)
		code = add_pages(x, x->own.members[i]);
	qsort(x->seqs, x->n_seqs, sizeof(*x->seqs), rising);
	for (size_t i = 0; i < x->n_seqs; i++)
		if (kept == 0 || x->seqs[kept - 1] != x->seqs[i])
			x->seqs[kept++] = x->seqs[i];
	x->n_seqs = kept;
	return code;
}

/* ---- one transaction ---- */

static enum exit_code
save_receipt(struct export *x, uint64_t seq)
{
	Fealty__V1__ProofGet body = FEALTY__V1__PROOF_GET__INIT;
	Fealty__V1__Request request;
	struct fealty_result result;
	struct receipt_file file;
	const char *why = NULL;
	char *path;

	if (asprintf(&path, "%s/%" PRIu64 ".receipt", x->out, seq) < 0)
		return cli_fail(x->base.call.json, EXIT_INTERNAL, "%s", cli_status_words(ST_NOMEM));
	call_request_init(&x->base.call, FEALTY__V1__REQUEST__OP_PROOF, &request);
	body.has_seq = body.has_receipt = body.receipt = true;
	body.seq = seq;
	request.proof = &body;
	enum exit_code code = receipt_file_begin(path, x->base.call.json, &file);
	if (code == EXIT_DONE)
		code = ask(x, &request, &result);
	if (code == EXIT_DONE) {
		code = receipt_file_keep(&file, result.response->receipt, NULL, &why);
		if (why != NULL)
			code = cli_fail(x->base.call.json, EXIT_INTERNAL, "%s was not written: %s", path, why);
		fealty_result_release(&result);
	}
	receipt_file_end(&file);
	x->n_receipts += code == EXIT_DONE;
	free(path);
	return code;
}

static enum exit_code
add_transaction(struct export *x, uint64_t seq)
{
	Fealty__V1__TransactionGet body = FEALTY__V1__TRANSACTION_GET__INIT;
	Fealty__V1__Request request;
	struct fealty_result result;

	call_request_init(&x->base.call, FEALTY__V1__REQUEST__OP_TRANSACTION, &request);
	body.has_seq = true;
	body.seq = seq;
	request.transaction = &body;
	enum exit_code code = ask(x, &request, &result);
	if (code != EXIT_DONE)
		return code;
	json_t *leaf = ledger_text_json(bytes_of(result.response->transaction.data, result.response->transaction.len));
	fealty_result_release(&result);
	if (leaf == NULL)
		return cli_fail(x->base.call.json, EXIT_INTERNAL, "transaction %" PRIu64 " cannot be read by this program: it may be a newer one", seq);
	bool shared = member_entries_add(x->entries, json_object_get(leaf, "transaction"), &x->own);
	json_decref(leaf);
	x->n_shared += shared;
	return x->out == NULL || shared ? EXIT_DONE : save_receipt(x, seq);
}

/* ---- all of it ---- */

static enum exit_code
make_directory(struct export *x)
{
	if (x->out == NULL || mkdir(x->out, 0700) == 0)
		return EXIT_DONE;
	return cli_fail(x->base.call.json, EXIT_USAGE, errno == EEXIST ? "%s is there already: give --out a directory that is not"
	    : "the directory %s cannot be made: %s", x->out, strerror(errno));
}

static enum exit_code
gather(struct export *x)
{
	enum exit_code code = find_person(x);

	if (code == EXIT_DONE)
		code = make_directory(x);
	if (code == EXIT_DONE && x->alias != NULL)
		code = add_balance(x);
	if (code == EXIT_DONE && x->alias != NULL)
		code = add_vouchers(x);
	if (code == EXIT_DONE)
		code = find_transactions(x);
	for (size_t i = 0; i < x->n_seqs && code == EXIT_DONE; i++)
		code = add_transaction(x, x->seqs[i]);
	json_put(x->document, "entries", json_incref(x->entries));
	json_put_number(x->document, "shared", x->n_shared);
	json_put_text(x->document, "left_out", "Of transactions that concern others as well (`shared`) only what is this person's is here, and no receipt, "
	    "which would show the others.");
	return code;
}

static enum exit_code
write_document(struct export *x)
{
	char *path, *text = json_dumps(x->document, JSON_INDENT(2));

	if (text == NULL || asprintf(&path, "%s/person.json", x->out) < 0)
		return cli_fail(x->base.call.json, EXIT_INTERNAL, "%s", cli_status_words(ST_NOMEM));
	enum status st = file_write_private(path, bytes_of(text, strlen(text)));
	enum exit_code code = st == ST_OK ? EXIT_DONE : cli_fail(x->base.call.json, EXIT_INTERNAL, "%s was not written: %s", path, cli_status_words(st));
	free(path);
	free(text);
	return code;
}

static enum exit_code
tell(struct export *x)
{
	json_t *object = x->base.call.json ? json_new() : NULL;

	if (object == NULL) {
		(void)printf("Member %" PRIu64 ": %zu entries of %zu transactions, of which %zu concern others as well.\n", x->number,
		    json_array_size(x->entries), x->n_seqs, x->n_shared);
		if (x->alias == NULL)
			(void)printf("The vault has nothing of them: they were erased.\n");
		if (x->out != NULL)
			(void)printf("%s/person.json has all of it, and beside it are %zu receipts. Both are personal data: hand them over, and remove them.\n", x->out,
			    x->n_receipts);
		else
			(void)printf("Give --out DIR for the data and the receipts, or --json for the data.\n");
		return EXIT_DONE;
	}
	if (x->out == NULL) {
		json_put_text(x->document, "status", "OK");
		json_decref(object);
		return json_print_line(json_incref(x->document), EXIT_DONE);
	}
	json_put_text(object, "status", "OK");
	json_put_number(object, "member_no", x->number);
	json_put_text(object, "out", x->out);
	json_put_number(object, "transactions", x->n_seqs);
	json_put_number(object, "receipts", x->n_receipts);
	json_put_number(object, "shared", x->n_shared);
	return json_print_line(object, EXIT_DONE);
}

enum exit_code
cmd_member_export(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "out", KEY_OUT, "DIR", 0, "A directory to make: person.json, and SEQ.receipt for each transaction", 0 },
		{ "number", KEY_NUMBER, NULL, 0, "The word is a member's number, not an alias", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER",
		"Everything that is kept about one person: aliases, birthdays and segments from the vault, balance, tier, consents and vouchers, and all their "
		"entries in the ledger, with receipts that verify offline.\v"
		"For operators. A transaction that concerns somebody else as well (a transfer, a batch) is shown in part, and its receipt, which would show "
		"the other, is left out. By number an erased member can be asked for: the ledger has their entries still, and the vault nothing.",
		connect_children, NULL, NULL };
	struct export x = { .out = NULL };

	call_input_init(&x.base, 1, 1);
	cli_parse(&argp, argc, argv, &x);
	enum exit_code code = call_client(&x.base.call, &x.client);
	if (code != EXIT_DONE)
		return code;
	umask(077);
	x.document = json_new();
	x.entries = json_array();
	code = gather(&x);
	if (code == EXIT_DONE && x.out != NULL)
		code = write_document(&x);
	if (code == EXIT_DONE)
		code = tell(&x);
	json_decref(x.document);
	json_decref(x.entries);
	free(x.seqs);
	free(x.alias);
	fealty_client_free(x.client);
	return code;
}
