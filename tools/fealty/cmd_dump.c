/*
 * fealty dump: any row of any table, beside a stopped or a running daemon.  It reads in chunks and lets go of its snapshot between them, so
 * a long dump does not make a running daemon's files grow; what is printed is therefore of slightly different moments.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "guard.h"
#include "ledger_text.h"
#include "store/store.h"
#include "table_text.h"

#define CHUNK_ROWS 1000

struct dump_input {
	struct args args;
	bool json;
};

struct dump {
	bool json;
	enum store_table table;
	struct store *store;
	struct store_txn *txn;
	struct ledger_text text;
	struct buf prefix, last;	/* keys begin with it; the last one printed */
	uint64_t rows;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct dump_input *in = state->input;

	switch (key) {
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 3);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the overview ---- */

static const char *
env_name(enum store_env env)
{
	switch (env) {
	case STORE_LEDGER:
		return "ledger";
	case STORE_VAULT:
		return "vault";
	case STORE_STATE:
		return "state";
	}
	return "";
}

static enum exit_code
count_rows(struct store *store, enum store_table table, bool json, json_t *tables)
{
	struct store_txn *txn;

	if (store_read(store, store_table_env(table), &txn) != ST_OK)
		return EXIT_DONE;		/* an environment that is not there has no tables */
	uint64_t rows = store_rows(txn, table);
	store_abort(txn);
	if (json) {
		json_t *row = json_new();
		json_put_text(row, "table", store_table_str(table));
		json_put_text(row, "environment", env_name(store_table_env(table)));
		json_put_number(row, "rows", rows);
		json_put_text(row, "key", table_key_form(table));
		(void)json_array_append_new(tables, row);
		return EXIT_DONE;
	}
	return printf("%-8s %-12s %12" PRIu64 "   %s\n", env_name(store_table_env(table)), store_table_str(table), rows,
		   table_key_form(table)) < 0
	    ? EXIT_INTERNAL
	    : EXIT_DONE;
}

static enum exit_code
overview(struct store *store, bool json)
{
	json_t *tables = json_array();
	enum exit_code code = EXIT_DONE;

	if (!json)
		(void)printf("%-8s %-12s %12s   %s\n", "where", "table", "rows", "key");
	for (enum store_table t = 0; t < TABLE_COUNT && code == EXIT_DONE; t++)
		code = count_rows(store, t, json, tables);
	if (!json) {
		json_decref(tables);
		return code;
	}
	json_t *object = json_new();
	json_put(object, "tables", tables);
	return json_print_line(object, code);
}

/* ---- the rows of one table ---- */

static enum exit_code
print_row(struct dump *d, struct bytes key, struct bytes value)
{
	char text[TABLE_KEY_TEXT_BYTES];

	d->rows++;
	if (d->table == TABLE_TRANSACTION && key.len == 8)
		guard_at(GUARD_LEDGER, get_be64(key.data));
	if (!d->json && d->table == TABLE_TRANSACTION && ledger_text_print(&d->text, value, true, stdout) == ST_OK)
		return EXIT_DONE;
	json_t *object = table_value_json(d->table, key, value);
	(void)table_key_format(d->table, key, text);
	if (!d->json) {
		(void)printf("%s  ", text);
		return json_print_line(object, EXIT_DONE);
	}
	json_t *row = json_new();
	json_put_text(row, "table", store_table_str(d->table));
	json_put_text(row, "key", text);
	json_put(row, "value", object);
	return json_print_line(row, EXIT_DONE);
}

static bool
starts_with(struct bytes key, struct bytes prefix)
{
	return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

/* ST_NOTFOUND when all is printed. */
static enum status
print_chunk(struct dump *d, enum exit_code *ret_code)
{
	struct store_cursor *cursor;
	struct bytes key, value, last = buf_bytes(&d->last);
	unsigned n = 0;

	enum status st = store_cursor_open(d->txn, d->table, d->rows > 0 ? last : buf_bytes(&d->prefix), &cursor);
	if (st != ST_OK)
		return st;
	bool first = d->rows > 0;
	while (n < CHUNK_ROWS && *ret_code == EXIT_DONE && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		if (first && bytes_equal(key, last)) {
			first = false;
			continue;
		}
		if (!starts_with(key, buf_bytes(&d->prefix))) {
			st = ST_NOTFOUND;
			break;
		}
		*ret_code = print_row(d, key, value);
		if (++n == CHUNK_ROWS) {
			buf_clear(&d->last);
			buf_put(&d->last, key.data, key.len);
			st = buf_status(&d->last);
		}
	}
	store_cursor_close(cursor);
	return st;
}

static enum exit_code
print_rows(struct dump *d)
{
	enum exit_code code = EXIT_DONE;

	guard_at(store_table_env(d->table) == STORE_STATE ? GUARD_STATE : GUARD_FILE, 0);
	enum status st = store_read(d->store, store_table_env(d->table), &d->txn);
	if (st != ST_OK)
		return cli_fail(
		    d->json, EXIT_INTERNAL, "%s/ cannot be read: %s", env_name(store_table_env(d->table)), cli_status_words(st));
	while (st == ST_OK && code == EXIT_DONE) {
		st = print_chunk(d, &code);
		if (st == ST_OK)
			st = store_renew(d->txn);
	}
	store_abort(d->txn);
	if (st != ST_OK && st != ST_NOTFOUND)
		return cli_fail(
		    d->json, EXIT_INTERNAL, "the table %s cannot be read further: %s", store_table_str(d->table), cli_status_words(st));
	return code;
}

static enum exit_code
dump_table(struct store *store, const struct dump_input *in)
{
	struct dump d = { .json = in->json, .store = store };
	enum exit_code code = EXIT_DONE;

	if (store_table_parse(in->args.v[1], &d.table) != ST_OK)
		return cli_fail(in->json, EXIT_USAGE, "there is no table \"%s\"; \"fealty dump DIR\" lists them", in->args.v[1]);
	buf_init(&d.prefix);
	buf_init(&d.last);
	ledger_text_init(&d.text);
	if (in->args.n == 3 && !table_key_parse(d.table, in->args.v[2], &d.prefix))
		code = cli_fail(in->json, EXIT_USAGE, "\"%s\" is no key of the table %s: those are %s", in->args.v[2],
		    store_table_str(d.table), table_key_form(d.table));
	if (code == EXIT_DONE)
		code = print_rows(&d);
	if (code == EXIT_DONE && d.rows == 0 && in->args.n == 3)
		code = cli_fail(in->json, EXIT_REFUSED, "the table %s has no row with the key %s", store_table_str(d.table), in->args.v[2]);
	ledger_text_release(&d.text);
	buf_release(&d.last);
	buf_release(&d.prefix);
	return code;
}

enum exit_code
cmd_dump(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, parse, "DIR [TABLE [KEY]]",
		"Print what is stored in a data directory, readably; also beside a running daemon.\v"
		"Without TABLE: the tables, and what their keys look like. KEY may be the first parts of a key: \"dump DIR member 1\" "
		"prints all members of program 1. "
		"Rows of the vault are personal and sealed: only their sizes are shown. Points and money are integers here, as they are "
		"stored.",
		NULL, NULL, NULL };
	struct dump_input in = { 0 };
	struct store_params params = { .read_only = true };
	struct store *store;

	cli_parse(&argp, argc, argv, &in);
	params.data_path = in.args.v[0];
	guard_begin(in.json);
	enum status st = store_open(&params, &store);
	if (st != ST_OK)
		return cli_fail(in.json, st == ST_NOTFOUND || st == ST_FORMAT ? EXIT_USAGE : EXIT_INTERNAL, "%s cannot be opened: %s",
		    in.args.v[0], st == ST_NOTFOUND ? "it is no data directory of fealty" : cli_status_words(st));
	enum exit_code code = in.args.n == 1 ? overview(store, in.json) : dump_table(store, &in);
	store_close(store, false);
	guard_end();
	return code;
}
