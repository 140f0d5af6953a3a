/* fealty import: options, and what is said at the end. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "import_opening.h"
#include "import_send.h"

enum {
	KEY_COLUMNS = KEY_COMMAND,
	KEY_SKIP_LINES,
	KEY_SEPARATOR,
	KEY_DATE_FORMAT,
	KEY_ALIAS_PREFIX,
	KEY_BATCH,
	KEY_NO_ENROL,
	KEY_REFUSED,
	KEY_PROGRESS,
	KEY_OPENING,
	KEY_DRY_RUN
};

#define REFUSALS_SHOWN 20

struct import_input {
	struct call_options call;
	struct args args;
	struct import_format format;
	struct import_options options;
	char *refused_path;
	bool progress, opening, dry_run;
};

static error_t
parse_separator(struct argp_state *state, struct import_input *in, const char *arg)
{
	if (strcmp(arg, "space") == 0)
		in->format.separator = ' ';
	else if (strcmp(arg, "tab") == 0)
		in->format.separator = '\t';
	else if (strlen(arg) == 1)
		in->format.separator = arg[0];
	else
		return cli_usage(state, "--separator: \"%s\" is neither one character nor space or tab", arg);
	return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct import_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_COLUMNS:
		in->format.columns = arg;
		return 0;
	case KEY_SKIP_LINES:
		return option_number(state, "--skip-lines", arg, UINT32_MAX, &in->format.skip_lines);
	case KEY_SEPARATOR:
		return parse_separator(state, in, arg);
	case KEY_DATE_FORMAT:
		in->format.date_format = strcmp(arg, "auto") == 0 ? NULL : arg;
		return 0;
	case KEY_ALIAS_PREFIX:
		in->options.alias_prefix = arg;
		return strlen(arg) <= 64 ? 0 : cli_usage(state, "--alias-prefix: at most 64 bytes");
	case KEY_BATCH:
		if (option_number(state, "--batch", arg, 100000, &in->options.batch) != 0 || in->options.batch < 2)
			return cli_usage(state, "--batch: an enrolment and its purchase go together, so 2 at least");
		return 0;
	case KEY_NO_ENROL:
		in->options.no_enrol = true;
		return 0;
	case KEY_REFUSED:
		in->refused_path = arg;
		return 0;
	case KEY_PROGRESS:
		in->progress = true;
		return 0;
	case KEY_OPENING:
		in->opening = true;
		return 0;
	case KEY_DRY_RUN:
		in->dry_run = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		if (in->dry_run && !in->opening)
			return cli_usage(state, "--dry-run goes with --opening");
		return args_need(state, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the report ---- */

static enum exit_code
report_json(const struct import_file *file, const struct import_totals *t, double seconds, enum exit_code code)
{
	char text[DECIMAL_TEXT_BYTES];
	json_t *object = json_new(), *refusals = json_array();

	json_put_text(object, "status", code == EXIT_DONE || code == EXIT_REFUSED ? "OK" : "UNAVAILABLE");
	json_put_number(object, "lines", file->lines);
	json_put_number(object, "members", file->n_members);
	json_put_number(object, "enrolled", t->enrolled);
	json_put_number(object, "enrolled_before", t->enrolled_before);
	json_put_number(object, "known", t->known);
	json_put_number(object, "applied", t->applied);
	json_put_number(object, "replayed", t->replayed);
	json_put_number(object, "refused", t->refused);
	json_put_text(object, "granted", sum_format(&t->granted, text));
	json_put_text(object, "granted_now", sum_format(&t->granted_now, text));
	json_put_text(object, "spend", sum_format(&t->spend, text));
	json_put_text(object, "spend_now", sum_format(&t->spend_now, text));
	json_put(object, "seconds", json_real(seconds));
	for (size_t i = 0; i < t->n_refusals && i < REFUSALS_SHOWN; i++) {
		json_t *refusal = json_new();
		json_put_number(refusal, "line", t->refusals[i].line);
		json_put_text(refusal, "reason", t->refusals[i].reason);
		json_put_text(refusal, "message", t->refusals[i].sentence);
		(void)json_array_append_new(refusals, refusal);
	}
	json_put(object, "refusals", refusals);
	return json_print_line(object, code);
}

static void
report_people(const struct import_file *file, const struct import_totals *t, double seconds)
{
	char granted[DECIMAL_TEXT_BYTES], now[DECIMAL_TEXT_BYTES], spend[DECIMAL_TEXT_BYTES], spend_now[DECIMAL_TEXT_BYTES];
	uint64_t answered = t->applied + t->replayed + t->enrolled + t->enrolled_before + t->known;

	(void)printf("%" PRIu64 " lines of %zu members: %" PRIu64 " applied, %" PRIu64 " applied before, %" PRIu64 " refused.\n",
	    file->lines, file->n_members, t->applied, t->replayed, t->refused);
	(void)printf("%" PRIu64 " members enrolled, %" PRIu64 " enrolled before", t->enrolled, t->enrolled_before + t->known);
	(void)printf("; %.1f s, %.0f commands/s.\n", seconds, seconds > 0 ? (double)answered / seconds : 0);
	(void)printf("Points granted %s, %s of them by this run. Spend %s, %s of it by this run.\n", sum_format(&t->granted, granted),
	    sum_format(&t->granted_now, now), sum_format(&t->spend, spend), sum_format(&t->spend_now, spend_now));
	if (t->n_refusals > 0)
		(void)printf("Refused:\n");
	for (size_t i = 0; i < t->n_refusals && i < REFUSALS_SHOWN; i++)
		(void)printf("  line %" PRIu32 ": %s (%s)\n", t->refusals[i].line, t->refusals[i].sentence, t->refusals[i].reason);
	if (t->n_refusals > REFUSALS_SHOWN)
		(void)printf("  and %zu more; --refused FILE writes them all\n", t->n_refusals - REFUSALS_SHOWN);
}

/* A run that stopped early has told why, in JSON as its only object; the totals would be a second one. */
static enum exit_code
report(const struct import_input *in, const struct import_file *file, const struct import_totals *t, const struct progress *p,
    enum exit_code code)
{
	bool whole = code == EXIT_DONE || code == EXIT_REFUSED;
	double seconds = progress_seconds(p);

	if (in->refused_path != NULL && import_refusals_write(t, in->refused_path) != EXIT_DONE)
		code = EXIT_INTERNAL;
	if (in->call.json)
		return whole ? report_json(file, t, seconds, code) : code;
	report_people(file, t, seconds);
	if (!whole)
		(void)fprintf(stderr, "The import stopped early. Run the same command again to go on: nothing is applied twice.\n");
	return code;
}

static enum exit_code
run(struct import_input *in)
{
	struct import_file file;
	struct import_totals totals;
	struct progress progress;
	char sentence[256];
	enum exit_code code;

	if (in->opening)
		return import_opening(&in->call, in->args.v[0], in->dry_run, in->options.batch, in->refused_path, in->progress);
	enum status st = import_file_read(in->args.v[0], &in->format, &file, sentence);
	if (st != ST_OK) {
		code = cli_fail(in->call.json, st == ST_INVALID ? EXIT_USAGE : EXIT_INTERNAL, "%s: %s", in->args.v[0],
		    st == ST_INVALID ? sentence : cli_status_words(st));
		import_file_release(&file);
		return code;
	}
	progress_start(&progress, "purchases", in->call.json, in->progress);
	code = import_send(&in->call, &in->options, &file, &progress, &totals);
	progress_end(&progress);
	code = report(in, &file, &totals, &progress, code);
	import_totals_release(&totals);
	import_file_release(&file);
	return code;
}

enum exit_code
cmd_import(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "columns", KEY_COLUMNS, "MAP", 0,
		    "Where what is: member=1,date=2,amount=4 by numbers from 1, or by the names of the header in the first line; "
		    "also store, terminal and receipt_no (default: member=member,date=date,amount=amount)",
		    0 },
		{ "skip-lines", KEY_SKIP_LINES, "N", 0, "Leave out the first N lines", 0 },
		{ "separator", KEY_SEPARATOR, "CHARACTER", 0,
		    "What stands between columns: a character, space (any white space) or tab (default: a comma if the first line has one, "
		    "else space)",
		    0 },
		{ "date-format", KEY_DATE_FORMAT, "FORMAT", 0,
		    "YYYY, MM and DD and what stands between, such as DD.MM.YYYY (default: YYYY-MM-DD or YYYYMMDD)", 0 },
		{ "alias-prefix", KEY_ALIAS_PREFIX, "PREFIX", 0, "Put before each member's name, such as shop:", 0 },
		{ "batch", KEY_BATCH, "N", 0, "Commands in one frame (default: 500)", 0 },
		{ "no-enrol", KEY_NO_ENROL, NULL, 0, "Do not enrol the customers; lines of unknown ones are refused", 0 },
		{ "refused", KEY_REFUSED, "OUTPUT", 0, "Write all refused lines there: number, reason and sentence, with tabs between", 0 },
		{ "opening", KEY_OPENING, NULL, 0, "The file has members of an old system: see below", 0 },
		{ "dry-run", KEY_DRY_RUN, NULL, 0, "With --opening: judge every row and show the totals, and send nothing", 0 },
		{ "progress", KEY_PROGRESS, NULL, 0, "Show how far it is also when standard error is no terminal", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "FILE",
		"Import purchases from a CSV or white-space file, in the order of their dates.\v"
		"Every line has a request id made from the file's content and its number, so running the same command again goes on where "
		"it stopped and applies nothing twice. "
		"Customers are enrolled right before their first purchase. On a manual ledger the clock is moved to noon UTC of each "
		"line's date; on a real one customers are "
		"enrolled now, and the purchases are dated back to the beginning of their day in the program's time zone, as far as its late_days allow. "
		"With --opening the file is a CSV with the columns member, aliases (with ; between), points, last_day, tier, tier_until and "
		"counter:<id> of its header: a row for each lot, the rows of a member together, all but points and last_day in the first of them. "
		"Only an operator may send it.\n\n"
		"A negative amount is refused, since a return names its purchase: use \"fealty return\", or \"fealty batch\" for many.",
		call_children, NULL, NULL };
	static char no_prefix[] = "";
	struct import_input in = { .format = { .columns = "member=member,date=date,amount=amount" },
		.options = { .batch = 500, .alias_prefix = no_prefix } };

	call_options_init(&in.call, 60000);
	cli_parse(&argp, argc, argv, &in);
	return run(&in);
}
