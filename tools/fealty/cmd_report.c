/*
 * fealty report: figures from the ledger alone.  One pass over its transactions, each of which is bound by a signed root; nothing of the daemon's
 * state is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "report_print.h"
#include "report_source.h"

enum { KEY_FROM = KEY_COMMAND, KEY_UNTIL, KEY_MONTH, KEY_PARTNER, KEY_BGNBD, KEY_CSV };

#define ENTRIES_ARENA_BYTES ((size_t)64 << 20)

struct report_input {
	struct report_source source;
	struct args args;
	struct report_params params;
	bool csv, has_month, ranged;

	struct arena arena;		/* of a transaction */
	struct report_book *book;
	uint64_t size;			/* transactions */
	bool corrupt;			/* the newest of them says what cannot be */
};

/* ---- options ---- */

static error_t
parse_month(struct argp_state *state, struct report_input *in, const char *text)
{
	char first[DAY_TEXT_BYTES];
	int32_t day;

	if (strlen(text) != strlen("2026-03") || snprintf(first, sizeof(first), "%s-01", text) < 0 || !day_parse(first, &day))
		return cli_usage(state, "--month: \"%s\" is no month; it looks like 2026-03", text);
	in->has_month = true;
	in->params.from = day;
	in->params.until = day_add_months(day, 1) - 1;
	return 0;
}

static error_t
parse_kind(struct argp_state *state, struct report_input *in)
{
	in->params.kind = report_kind_of(in->args.v[0]);
	if (in->params.kind == REPORT_KIND_COUNT)
		return cli_usage(state, "there is no report \"%s\"; there are liability, rollforward, settlement, kpi, rfm and churn", in->args.v[0]);
	in->source.data_path = in->args.v[1];
	return 0;
}

static error_t
judge(struct argp_state *state, struct report_input *in)
{
	error_t failed = args_need(state, &in->args, 1);

	if (failed == 0)
		failed = parse_kind(state, in);
	if (failed == 0)
		failed = report_source_judge(state, &in->source);
	if (failed != 0)
		return failed;
	if (in->source.call.json && in->csv)
		return cli_usage(state, "give --json or --csv");
	if (in->has_month && in->ranged)
		return cli_usage(state, "--month is --from and --until already");
	if (in->params.partner != NULL && in->params.kind != REPORT_SETTLEMENT)
		return cli_usage(state, "--partner is about the settlement");
	if (in->params.has_bgnbd && in->params.kind != REPORT_CHURN)
		return cli_usage(state, "--bgnbd is about churn");
	if (in->params.from != DAY_NONE && in->params.until != DAY_NONE && in->params.from > in->params.until)
		return cli_usage(state, "--from is after --until");
	return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct report_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &in->source.call; return 0;
	case KEY_FROM: in->ranged = true; return option_day(state, "--from", arg, &in->params.from);
	case KEY_UNTIL: in->ranged = true; return option_day(state, "--until", arg, &in->params.until);
	case KEY_MONTH: return parse_month(state, in, arg);
	case KEY_PARTNER: in->params.partner = arg; return 0;
	case KEY_PROGRAM: in->params.program = arg; return 0;
	case KEY_BGNBD:
		in->params.has_bgnbd = true;
		if (bgnbd_parse(arg, &in->params.bgnbd))
			return 0;
		return cli_usage(state, "--bgnbd: \"%s\" is not the four parameters r,alpha,a,b, each above 0, as in 0.243,4.414,0.793,2.426", arg);
	case KEY_CSV: in->csv = true; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, 2);
	case ARGP_KEY_END: return judge(state, in);
	default: return report_source_parse(key, arg, &in->source);
	}
}

/* ---- the pass ---- */

static enum status
on_link(void *ctx, const struct audit_link *link, struct bytes leaf)
{
	struct report_input *in = ctx;
	struct transaction t;

	arena_reset(&in->arena);
	enum status st = codec_leaf_decode(leaf, &in->arena, &t);
	if (st == ST_OK)
		st = report_book_take(in->book, &t);
	in->size = link->head.seq + 1;
	in->corrupt = st == ST_CORRUPT;
	return in->corrupt ? ST_INTERRUPTED : st;
}

/* ---- what it came to ---- */

static enum exit_code
tell_result(const struct report_input *in, enum report_result result, const char *sentence)
{
	bool usage = result == REPORT_WHICH_PROGRAM || result == REPORT_BACKWARDS;

	return cli_fail(in->source.call.json, usage ? EXIT_USAGE : EXIT_REFUSED, "%s%s", sentence,
	    result == REPORT_WHICH_PROGRAM ? " Give --program." : "");
}

/* Whether all of the period is over, so that nothing can change it. */
static bool
is_closed(const struct report_input *in)
{
	return report_day_of(in->book, in->book->now_us) > in->params.until;
}

static void
print_head(const struct report_input *in)
{
	char text[DAY_TEXT_BYTES], other[INSTANT_TEXT_BYTES];
	const struct report_params *p = &in->params;

	(void)printf("%s of program %s in %s, %llu transactions, the newest of %s\n", report_kind_str(p->kind), in->book->id, in->source.audit.genesis.origin,
	    (unsigned long long)in->size, instant_format(in->book->now_us, other));
	(void)printf("from %s ", p->from == DAY_NONE ? "the beginning" : day_format(p->from, text));
	(void)printf("until %s%s\n\n", day_format(p->until, text), is_closed(in) ? "" : "; that is not over yet, and more may come");
}

static void
print_people(const struct report_input *in, const struct report_table *rows, const struct report_table *summary)
{
	print_head(in);
	if (summary->n_columns == 0) {
		report_print_text(rows);
		return;
	}
	report_print_text(summary);
	(void)printf("\n%zu members; --csv and --json have a row for each\n", rows->n_rows);
}

/* Row by row: there may be one for each member. */
static enum exit_code
print_json(const struct report_input *in, const struct report_table *rows, const struct report_table *summary)
{
	json_t *object = json_new();
	char text[DAY_TEXT_BYTES], at[INSTANT_TEXT_BYTES];

	json_put_text(object, "status", "OK");
	json_put_text(object, "report", report_kind_str(in->params.kind));
	json_put_text(object, "origin", in->source.audit.genesis.origin);
	json_put_text(object, "program", in->book->id);
	json_put_text(object, "currency", in->book->rules->currency);
	json_put_number(object, "size", in->size);
	json_put_text(object, "as_of", instant_format(in->book->now_us, at));
	json_put_text(object, "from", in->params.from == DAY_NONE ? NULL : day_format(in->params.from, text));
	json_put_text(object, "until", day_format(in->params.until, text));
	json_put(object, "closed", json_boolean(is_closed(in)));
	if (summary->n_columns > 0)
		json_put(object, "summary", report_rows_json(summary));
	char *head = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (head == NULL)
		return EXIT_INTERNAL;
	(void)printf("%.*s,\"rows\":[", (int)strlen(head) - 1, head);
	free(head);
	for (size_t i = 0; i < rows->n_rows; i++) {
		json_t *row = report_row_json(rows, i);
		(void)fputs(i == 0 ? "" : ",", stdout);
		(void)json_dumpf(row, stdout, JSON_COMPACT);
		json_decref(row);
	}
	return puts("]}") < 0 || fflush(stdout) != 0 ? EXIT_INTERNAL : EXIT_DONE;
}

static enum exit_code
print(struct report_input *in)
{
	struct report_table rows, summary;
	enum exit_code code = EXIT_DONE;

	enum status st = report_tables(in->book, &rows, &summary);
	if (st == ST_TOO_LARGE)
		return cli_fail(in->source.call.json, EXIT_REFUSED, "a sum of this ledger does not fit 64 bits");
	if (st != ST_OK)
		return cli_fail(in->source.call.json, EXIT_INTERNAL, "%s", cli_status_words(st));
	if (in->source.call.json)
		code = print_json(in, &rows, &summary);
	else if (in->csv)
		report_print_csv(&rows);
	else
		print_people(in, &rows, &summary);
	report_table_release(&rows);
	report_table_release(&summary);
	return code;
}

static enum exit_code
run(struct report_input *in)
{
	char sentence[200];

	enum status st = report_book_new(&in->params, &in->book);
	if (st != ST_OK)
		return cli_fail(in->source.call.json, EXIT_INTERNAL, "%s", cli_status_words(st));
	arena_init(&in->arena, ENTRIES_ARENA_BYTES);
	enum exit_code code = report_source_read(&in->source, AUDIT_HASHES, on_link, in);
	if (in->corrupt)
		code = cli_fail(in->source.call.json, EXIT_REFUSED, "transaction %llu says what cannot be: \"fealty audit\" tells more",
		    (unsigned long long)(in->size - 1));
	if (code == EXIT_DONE) {
		enum report_result result = report_book_end(in->book, INT64_MIN, sentence);
		in->params = in->book->params;
		code = result == REPORT_OK ? print(in) : tell_result(in, result, sentence);
	}
	report_source_close(&in->source);
	report_book_free(in->book);
	arena_release(&in->arena);
	return code;
}

static const struct argp_option report_options[] = {
	{ "from", KEY_FROM, "DAY", 0, "The first day of the period, in the program's time zone (default: the ledger's first)", 0 },
	{ "until", KEY_UNTIL, "DAY", 0, "Its last day, inclusive (default: that of the newest entry)", 0 },
	{ "month", KEY_MONTH, "YYYY-MM", 0, "That month, from its first day until its last", 0 },
	{ "program", KEY_PROGRAM, "ID", 0, "The program, where there are several", 0 },
	{ "partner", KEY_PARTNER, "ID", 0, "settlement: only with this partner", 0 },
	{ "bgnbd", KEY_BGNBD, "R,ALPHA,A,B", 0, "churn: the parameters of the BG/NBD model, in weeks, that p_alive is computed by", 0 },
	{ "csv", KEY_CSV, NULL, 0, "Print CSV by RFC 4180", 0 },
	REPORT_SOURCE_OPTIONS,
	{ 0 },
};

static const char help_text[] =
    "Print figures of a program, from its ledger alone: liability, rollforward, settlement, kpi, rfm or churn. The ledger is read from the data "
    "directory DIR, from an exported log, or, without both, from the daemon; members have the numbers that the ledger has.\v"
    "The day of an entry is the local date on which it was decided, so a period that is over does not change any more: what comes late is of the day "
    "on which it came. rfm and churn go by the business dates of purchases instead. REPORTS.md says what each figure means and where its formula is "
    "from.\n\n"
    "JSON: status, report, origin, program, currency, size, as_of (of the newest entry), from, until, closed (the period is over), rows, and for rfm "
    "and churn a summary; rows have the keys that --csv has as columns, points and money as text.\n\n"
    "\"fealty rollforward\" is the auditor's: from one signed checkpoint to another, with the proof between them.\n\n"
    "Exit codes: 0 done; 1 there is no such program or partner, or the ledger does not hold; 2 wrong usage; 3 daemon or server not reached; 5 disk, "
    "memory.";

enum exit_code
cmd_report(int argc, char **argv)
{
	static const struct argp argp = { report_options, parse, "REPORT [DIR]", help_text, connect_children, NULL, NULL };
	static struct report_input in;

	report_source_init(&in.source);
	in.params.from = in.params.until = DAY_NONE;
	cli_parse(&argp, argc, argv, &in);
	return run(&in);
}
