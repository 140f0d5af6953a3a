/* fealty import --opening: what is said at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "import_opening.h"
#include "opening_send.h"

#define REFUSALS_SHOWN 20

/* ---- JSON ---- */

static json_t *
counts_json(const struct opening_row *rows, size_t n)
{
	json_t *object = json_new();

	for (size_t i = 0; i < n; i++)
		json_put_number(object, rows[i].name, rows[i].count);
	return object;
}

static json_t *
totals_json(const struct opening_totals *t, bool with_lots)
{
	json_t *object = json_new(), *days = json_array();
	char text[DECIMAL_TEXT_BYTES];

	json_put_number(object, "members", t->members);
	json_put_text(object, "points", sum_format(&t->points, text));
	json_put(object, "tiers", counts_json(t->tiers, t->n_tiers));
	for (size_t i = 0; i < t->n_days; i++) {
		json_t *row = json_new();

		if (t->days[i].name[0] != '\0')
			json_put_text(row, "last_day", t->days[i].name);
		json_put_number(row, "lots", t->days[i].count);
		json_put_text(row, "points", sum_format(&t->days[i].points, text));
		(void)json_array_append_new(days, row);
	}
	if (!with_lots) {
		json_decref(days);
		return object;
	}
	json_put_number(object, "lots", t->lots);
	json_put(object, "last_days", days);
	json_put(object, "counters", counts_json(t->counters, t->n_counters));
	return object;
}

static enum exit_code
report_json(const struct opening_report *r, bool dry_run, enum exit_code code)
{
	json_t *object = json_new(), *refusals = json_array();

	json_put_text(object, "status", "OK");
	json_put(object, "dry_run", json_boolean(dry_run));
	json_put(object, "file", totals_json(&r->file, true));
	if (!dry_run) {
		json_put_number(object, "opened", r->opened);
		json_put_number(object, "opened_before", r->opened_before);
		json_put_number(object, "known", r->known);
		json_put(object, "sent", totals_json(&r->sent, true));
		json_put(object, "ledger", totals_json(&r->ledger, false));
	}
	json_put_number(object, "bad_rows", r->refusals.n_refusals - r->n_refused - r->n_differ);
	json_put_number(object, "refused", r->n_refused);
	json_put_number(object, "differ", r->n_differ);
	for (size_t i = 0; i < r->refusals.n_refusals && i < REFUSALS_SHOWN; i++) {
		json_t *refusal = json_new();

		json_put_number(refusal, "line", r->refusals.refusals[i].line);
		json_put_text(refusal, "reason", r->refusals.refusals[i].reason);
		json_put_text(refusal, "message", r->refusals.refusals[i].sentence);
		(void)json_array_append_new(refusals, refusal);
	}
	json_put(object, "refusals", refusals);
	return json_print_line(object, code);
}

/* ---- for people ---- */

static void
print_totals(const char *whose, const struct opening_totals *t)
{
	char text[DECIMAL_TEXT_BYTES];

	(void)printf("%s: %" PRIu64 " members, %" PRIu64 " lots, %s points.\n", whose, t->members, t->lots, sum_format(&t->points, text));
	for (size_t i = 0; i < t->n_days; i++)
		(void)printf("  %16s points through %s\n", sum_format(&t->days[i].points, text), t->days[i].name[0] == '\0' ? "no day: they never expire"
		    : t->days[i].name);
	for (size_t i = 0; i < t->n_tiers; i++)
		(void)printf("  %16" PRIu64 " members of tier %s\n", t->tiers[i].count, t->tiers[i].name);
	for (size_t i = 0; i < t->n_counters; i++)
		(void)printf("  %16" PRIu64 " in counter %s\n", t->counters[i].count, t->counters[i].name);
}

static void
print_ledger(const struct opening_report *r)
{
	char text[DECIMAL_TEXT_BYTES], wanted[DECIMAL_TEXT_BYTES];

	(void)printf("%" PRIu64 " members opened, %" PRIu64 " opened before by this file, %" PRIu64 " known already, %" PRIu64 " refused.\n", r->opened,
	    r->opened_before, r->known, r->n_refused);
	(void)printf("The ledger has %" PRIu64 " of them with %s points, the file says %s", r->ledger.members, sum_format(&r->ledger.points, text),
	    sum_format(&r->sent.points, wanted));
	for (size_t i = 0; i < r->ledger.n_tiers; i++)
		(void)printf("; %" PRIu64 " of tier %s", r->ledger.tiers[i].count, r->ledger.tiers[i].name);
	(void)printf(".%s\n", r->n_differ == 0 ? " They agree." : " They do not agree.");
}

static void
report_people(const struct opening_report *r, bool dry_run)
{
	size_t n = r->refusals.n_refusals;

	print_totals("The file has", &r->file);
	if (!dry_run)
		print_ledger(r);
	else
		(void)printf("Nothing was sent.%s\n", n == 0 ? " All rows are good." : "");
	for (size_t i = 0; i < n && i < REFUSALS_SHOWN; i++)
		(void)printf("  line %" PRIu32 ": %s (%s)\n", r->refusals.refusals[i].line, r->refusals.refusals[i].sentence, r->refusals.refusals[i].reason);
	if (n > REFUSALS_SHOWN)
		(void)printf("  and %zu more; --refused FILE writes them all\n", n - REFUSALS_SHOWN);
}

enum exit_code
import_opening(const struct call_options *call, const char *path, bool dry_run, uint64_t batch, const char *refused_path, bool lines)
{
	struct opening_file file;
	struct opening_report report;
	struct progress progress;
	char sentence[256];

	enum status st = opening_file_read(path, &file, sentence);
	if (st != ST_OK) {
		enum exit_code code = cli_fail(call->json, st == ST_INVALID ? EXIT_USAGE : EXIT_INTERNAL, "%s: %s", path,
		    st == ST_INVALID ? sentence : cli_status_words(st));
		opening_file_release(&file);
		return code;
	}
	progress_start(&progress, "members", call->json, lines);
	enum exit_code code = opening_send(call, &file, dry_run, batch, &progress, &report);
	progress_end(&progress);
	bool whole = code == EXIT_DONE || code == EXIT_REFUSED;
	if (refused_path != NULL && import_refusals_write(&report.refusals, refused_path) != EXIT_DONE)
		code = EXIT_INTERNAL;
	if (whole && call->json)
		code = report_json(&report, dry_run, code);
	else if (whole)
		report_people(&report, dry_run);
	else if (!call->json && !dry_run)
		(void)fprintf(stderr, "The import stopped early. Run the same command again to go on: nothing is applied twice.\n");
	opening_report_release(&report);
	opening_file_release(&file);
	return code;
}
