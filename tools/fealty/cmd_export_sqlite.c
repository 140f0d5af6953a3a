/*
 * fealty export sqlite: the ledger as a database, for analysts and dashboards.  It is replayed, so that members and their lots are what they are
 * by the rules, and read entry by entry on the way.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "export_sqlite.h"
#include "report_source.h"

#define ENTRIES_ARENA_BYTES ((size_t)64 << 20)

struct export_input {
	struct report_source source;
	struct args args;
	struct arena arena;		/* of a transaction */
	struct export_sqlite *export;
	enum status failed;		/* of the database */
	uint64_t size;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct export_input *in = state->input;
	error_t failed;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &in->source.call; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, 2);
	case ARGP_KEY_END:
		failed = args_need(state, &in->args, 1);
		in->source.data_path = in->args.v[1];
		return failed != 0 ? failed : report_source_judge(state, &in->source);
	default: return report_source_parse(key, arg, &in->source);
	}
}

static enum status
on_link(void *ctx, const struct audit_link *link, struct bytes leaf)
{
	struct export_input *in = ctx;
	struct transaction t;

	arena_reset(&in->arena);
	enum status st = codec_leaf_decode(leaf, &in->arena, &t);
	in->failed = st == ST_OK ? export_sqlite_take(in->export, &t) : st;
	in->size = link->head.seq + 1;
	return in->failed == ST_OK ? ST_OK : ST_INTERRUPTED;
}

static enum exit_code
tell(const struct export_input *in, enum status st)
{
	if (st == ST_TOO_LARGE)
		return cli_fail(in->source.call.json, EXIT_REFUSED, "a sum of this ledger does not fit 64 bits, or it has too many programs");
	if (st == ST_CORRUPT)
		return cli_fail(in->source.call.json, EXIT_REFUSED, "transaction %llu says what cannot be: \"fealty audit\" tells more",
		    (unsigned long long)(in->size - 1));
	return cli_fail(in->source.call.json, EXIT_INTERNAL, "%s cannot be written: %s", in->args.v[0], st == ST_NOMEM ? cli_status_words(st) :
	    export_sqlite_error(in->export));
}

static enum exit_code
finish(struct export_input *in)
{
	struct store_txn *state;

	enum status st = store_read(in->source.audit.store, STORE_STATE, &state);
	if (st == ST_OK) {
		st = export_sqlite_state(in->export, state);
		store_abort(state);
	}
	if (st == ST_OK)
		st = export_sqlite_end(in->export, in->source.audit.genesis.origin, in->size);
	return st == ST_OK ? EXIT_DONE : tell(in, st);
}

static enum exit_code
print(const struct export_input *in)
{
	const struct export_sqlite_count *counts = export_sqlite_counts(in->export);
	json_t *object = json_new(), *rows = json_new();

	json_put_text(object, "status", "OK");
	json_put_text(object, "file", in->args.v[0]);
	json_put_text(object, "origin", in->source.audit.genesis.origin);
	json_put_number(object, "size", in->size);
	for (size_t i = 0; i < EXPORT_SQLITE_COUNTS; i++)
		if (counts[i].table != NULL)
			json_put_number(rows, counts[i].table, counts[i].rows);
	json_put(object, "rows", rows);
	if (in->source.call.json)
		return json_print_line(object, EXIT_DONE);
	(void)printf("%s has the first %llu transactions of %s:\n", in->args.v[0], (unsigned long long)in->size, in->source.audit.genesis.origin);
	for (size_t i = 0; i < EXPORT_SQLITE_COUNTS; i++)
		if (counts[i].table != NULL)
			(void)printf("  %-12s%12llu\n", counts[i].table, (unsigned long long)counts[i].rows);
	json_decref(object);
	return EXIT_DONE;
}

static enum exit_code
run(struct export_input *in)
{
	char sentence[200];

	enum status st = export_sqlite_begin(in->args.v[0], &in->export, sentence);
	if (st != ST_OK)
		return cli_fail(in->source.call.json, st == ST_INVALID ? EXIT_USAGE : EXIT_INTERNAL, "%s", sentence);
	arena_init(&in->arena, ENTRIES_ARENA_BYTES);
	enum exit_code code = report_source_read(&in->source, AUDIT_REPLAY, on_link, in);
	if (in->failed != ST_OK)
		code = tell(in, in->failed);
	if (code == EXIT_DONE)
		code = finish(in);
	if (code == EXIT_DONE)
		code = print(in);
	report_source_close(&in->source);
	export_sqlite_free(in->export);
	arena_release(&in->arena);
	return code;
}

static const struct argp_option export_options[] = { REPORT_SOURCE_OPTIONS, { 0 } };

static const char help_text[] =
    "Write the ledger to the SQLite database FILE: members, lots, entries, postings, purchases and returns as tables, and views with the figures of "
    "\"fealty report\". The ledger is read from the data directory DIR, from an exported log, or, without both, from the daemon.\v"
    "FILE is written whole or not at all, readable by its owner only; an earlier export is replaced, any other file is left alone. Points are integers "
    "in units of the program's scale, money integers in minor units; members have the numbers that the ledger has. REPORTS.md describes tables and "
    "views.\n\n"
    "JSON: status, file, origin, size, rows (of each table).\n\n"
    "Exit codes: 0 done; 1 the ledger does not hold; 2 wrong usage, or FILE is no export; 3 daemon or server not reached; 5 disk, memory.";

enum exit_code
cmd_export_sqlite(int argc, char **argv)
{
	static const struct argp argp = { export_options, parse, "FILE [DIR]", help_text, connect_children, NULL, NULL };
	static struct export_input in;

	report_source_init(&in.source);
	cli_parse(&argp, argc, argv, &in);
	return run(&in);
}
