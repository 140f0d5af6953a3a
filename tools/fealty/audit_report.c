/*
 * audit_report_json() is the same for every audit of the same transactions with the same question: it is part of the evidence.  What depends
 * on the place and the time comes after it, in audit_report().
 */
#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "key_text.h"

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

static const char *
root_text(const struct audit *audit, char ret_text[static 2 * SHA256_BYTES + 1])
{
	uint8_t root[SHA256_BYTES];

	merkle_tree_root(audit_tree(audit), root);
	return hex_format(bytes_of(root, sizeof(root)), ret_text);
}

/* What only a replay tells. */
static void
put_replay(json_t *object, const struct audit *audit, const struct audit_books *books)
{
	json_t *programs = json_array();

	json_put_number(object, "entries", audit->redecide.seen);
	json_put_number(object, "redecided", audit->redecide.equal);
	json_put_number(object, "not_redecided", audit->redecide.seen - audit->redecide.equal);
	json_put_number(object, "other_engine", audit->redecide.other_engine);
	json_put_number(object, "signatures", audit->signatures);
	json_put_number(object, "members", books->members);
	for (size_t i = 0; i < books->n; i++)
		(void)json_array_append_new(programs, program_json(&books->programs[i]));
	json_put(object, "programs", programs);
	json_put(object, "losses", json_incref(audit->redecide.losses));
}

static json_t *
from_json(const struct audit *audit)
{
	json_t *object = json_new();

	if (audit->from.size == 0) {
		json_decref(object);
		return json_null();
	}
	json_put_number(object, "size", audit->from.size);
	json_put_hex(object, "root", bytes_of(audit->from.root, SHA256_BYTES));
	json_put_number(object, "entries", audit->from_entries);
	return object;
}

json_t *
audit_report_json(const struct audit *audit, const struct audit_books *books)
{
	char root[2 * SHA256_BYTES + 1];
	json_t *object = json_new();

	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", audit->genesis.origin);
	json_put_text(object, "depth", audit->depth == AUDIT_HASHES ? "hashes" : "whole");
	json_put_number(object, "transactions", audit->first);
	json_put_number(object, "head_seq", audit->first - 1);
	json_put_text(object, "root", root_text(audit, root));
	json_put_hex(object, "transaction_key", bytes_of(audit->genesis.transaction_key, PUBLIC_KEY_BYTES));
	json_put_hex(object, "checkpoint_key", bytes_of(audit_checkpoint_key(audit, audit->first).public_key, PUBLIC_KEY_BYTES));
	json_put_text(object, "checkpoint_key_by", audit->has_vkey ? "auditor" : "genesis");
	json_put(object, "keys", key_history_json(audit_keys(audit)));
	json_put(object, "from", from_json(audit));
	if (audit->depth != AUDIT_HASHES)
		put_replay(object, audit, books);
	return object;
}

static double
per_second(uint64_t n, double seconds)
{
	return seconds > 0 ? (double)n / seconds : 0;
}

/* Time on processors, in microseconds for each transaction, is much the same whatever else the machine does. */
static void
put_measured(json_t *object, const struct audit *audit)
{
	double cpu_seconds = audit_cpu_seconds() - audit->measured_cpu_seconds;

	json_put(object, "verify_rate", json_real(per_second(audit->measured, audit->measured_seconds)));
	json_put(object, "cpu_us", json_real(audit->signatures > 0 ? cpu_seconds * 1e6 / (double)audit->signatures : 0));
	json_put(object, "verify_cpu_us", json_real(audit->measured > 0 ? audit->measured_cpu_seconds * 1e6 / (double)audit->measured : 0));
}

static enum exit_code
report_json(const struct audit *audit, const struct audit_books *books, double seconds)
{
	json_t *object = audit_report_json(audit, books), *state = json_new();

	json_put(state, "compared", json_boolean(audit->state_compared));
	json_put_number(state, "size", audit->state_size);
	json_put_number(state, "rows", audit->state_rows);
	if (audit->state_note != NULL)
		json_put_text(state, "note", audit->state_note);
	json_put(object, "state", state);
	json_put(object, "checkpoints", audit->checkpoints.compared ? json_integer((json_int_t)audit->checkpoints.verified) : json_null());
	json_put(object, "published", audit->head_compared ? json_integer((json_int_t)audit->published.size) : json_null());
	json_put(object, "seconds", json_real(seconds));
	json_put_number(object, "threads", audit->threads);
	json_put(object, "rate", json_real(per_second(audit->first, seconds)));
	if (audit->measure)
		put_measured(object, audit);
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
	(void)printf(".\n");
	if (r->other_engine > 0)
		(void)printf("ATTENTION: %" PRIu64 " of them name another engine than %d, and this audit has the rules of that one alone: what they brought "
			     "about was taken as it is. Audit with the fealty that wrote them.\n",
		    r->other_engine, LEDGER_ENGINE);
}

static void
report_losses(json_t *losses)
{
	const json_t *loss;
	size_t i;

	json_array_foreach(losses, i, loss) {
		json_int_t seq = json_integer_value(json_object_get(loss, "seq")), lost = json_integer_value(json_object_get(loss, "lost_size"));
		(void)printf("ATTENTION: transaction %" JSON_INTEGER_FORMAT " says that a backup of %" JSON_INTEGER_FORMAT " transactions was restored when %"
			     JSON_INTEGER_FORMAT " had been published; %s accepted that (%s). What was published behind it is lost.\n", seq, seq, lost,
		    json_string_value(json_object_get(loss, "principal")), json_string_value(json_object_get(loss, "reason")));
	}
}

static void
report_replay(const struct audit *audit, const struct audit_books *books, double seconds)
{
	(void)printf("%" PRIu64 " transactions with %" PRIu64 " entries: ", audit->first, audit->redecide.seen);
	(void)printf("every signature, the chain, the sequence, the times, and each entry replayed.\n");
	if (audit->from.size > 0)
		(void)printf("The first %" PRIu64 " of them, with %" PRIu64
			     " entries, are those of the last audit, by the root of its checkpoint: replayed for their state, and verified by hash "
			     "alone.\n",
		    audit->from.size, audit->from_entries);
	report_redecided(audit);
	key_history_print(audit_keys(audit), stdout);
	(void)printf("%" PRIu64 " signatures verified in %.1f s, %.0f transactions/s.\n", audit->signatures, seconds,
	    per_second(audit->first, seconds));
	if (audit->measure)
		(void)printf("Alone, this machine verified %.0f signatures/s meanwhile.\n", per_second(audit->measured, audit->measured_seconds));
	report_losses(audit->redecide.losses);
	for (size_t i = 0; i < books->n; i++)
		report_program(&books->programs[i]);
	if (audit->state_compared)
		(void)printf("State: %" PRIu64 " rows at %" PRIu64 " transactions are what the ledger brings about.\n", audit->state_rows,
		    audit->state_size);
	else
		(void)printf("State: not compared: %s.\n", audit->state_note);
}

enum exit_code
audit_report(const struct audit *audit, const struct audit_books *books, double seconds)
{
	char root[2 * SHA256_BYTES + 1];

	if (audit->json)
		return report_json(audit, books, seconds);
	(void)printf("The ledger %s holds.\n", audit->genesis.origin);
	if (audit->depth == AUDIT_HASHES)
		(void)printf("%" PRIu64 " transactions by their hashes: the chain, the sequence, the times and the tree; no signature and no entry was looked "
			     "at. %.1f s, %.0f transactions/s.\n",
		    audit->first, seconds, per_second(audit->first, seconds));
	else
		report_replay(audit, books, seconds);
	if (!audit->checkpoints.compared)
		(void)printf("Checkpoints: none verified: the daemon has shown none yet.\n");
	else
		(void)printf("Checkpoints: %" PRIu64 " verified, each signed and with the root that the ledger had.\n",
		    audit->checkpoints.verified);
	if (audit->checkpoints.compared && !audit->has_vkey)
		(void)printf("Their key is the genesis's own: that finds damage, and not a forger; --vkey says one that you trust.\n");
	if (audit->head_compared && audit->head_reached)
		(void)printf("The head that was published last, of %" PRIu64 " transactions, is in it.\n", audit->published.size);
	(void)printf("Head: transaction %" PRIu64 ", root %s.\n", audit->first - 1, root_text(audit, root));
	return EXIT_DONE;
}

static void
tell_finding(const struct finding *f)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: %s.\n", program_invocation_name, f->sentence);
	if (f->has_seq && f->seq > 0)
		(void)fprintf(stderr, "The %" PRIu64 " %s before it %s.\n", f->seq, f->seq == 1 ? "transaction" : "transactions",
		    f->seq == 1 ? "holds" : "hold");
}

enum exit_code
audit_report_finding(const struct audit *audit)
{
	const struct finding *f = &audit->finding;

	if (!audit->json) {
		tell_finding(f);
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
	if (f->file[0] != '\0')
		json_put_text(object, "file", f->file);
	if (strcmp(f->reason, "DECISION_DIFFERS") == 0) {
		char id[48];
		(void)snprintf(id, sizeof(id), "%" PRIu64 ".%" PRIu32, audit->redecide.id.seq, audit->redecide.id.index);
		json_put_text(object, "entry", id);
		json_put_text(object, "field", audit->redecide.difference.field);
	}
	json_put_number(object, "transactions", f->has_seq ? f->seq : audit->first);
	return json_print_line(object, EXIT_REFUSED);
}
