/* The store against every error of store.h, against kills and against disks that refuse. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_world.h"

/* ---- tables ---- */

static void
test_tables(void **state)
{
	enum store_table got;

	(void)state;
	for (enum store_table t = 0; t < TABLE_COUNT; t++) {
		assert_int_equal(store_table_parse(store_table_str(t), &got), ST_OK);
		assert_int_equal(got, t);
	}
	assert_int_equal(store_table_parse("", &got), ST_NOTFOUND);
	assert_int_equal(store_table_parse("members", &got), ST_NOTFOUND);
	assert_string_equal(store_table_str(TABLE_TRANSACTION), "transaction");
	assert_int_equal(store_table_env(TABLE_COSIGNATURE), STORE_LEDGER);
	assert_int_equal(store_table_env(TABLE_PERSON), STORE_VAULT);
	assert_int_equal(store_table_env(TABLE_TILE), STORE_STATE);
	assert_int_equal(store_table_env(TABLE_KEY), STORE_STATE);
}

/* ---- create and open ---- */

static void
test_create(void **state)
{
	char path[PATH_BYTES];

	(void)state;
	assert_file_is("FORMAT", "fealty 2\n");
	static const char *const dirs[] = { ".", "ledger", "vault", "vault/1", "state", "snapshot" };
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		assert_int_equal(mode_of(dirs[i]), 0700);
	static const char *const files[] = { "FORMAT", "lock", "ledger/data.mdb", "vault/1/data.mdb", "state/data.mdb" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(mode_of(files[i]), 0600);

	assert_int_equal(store_create(world.data), ST_BUSY);
	path_in(path, "FORMAT");
	assert_int_equal(store_create(path), ST_IO);		/* a file */
	path_in(path, "no/such/parent");
	assert_int_equal(store_create(path), ST_IO);
	path_in(path, "empty");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(store_create(path), ST_OK);
}

static void
test_create_that_fails_leaves_nothing(void **state)
{
	char path[PATH_BYTES];

	(void)state;
	path_in(path, "other");
	limit_files(8192);
	enum status st = store_create(path);
	limit_files(RLIM_INFINITY);
	assert_true(st == ST_FULL || st == ST_IO);
	assert_false(exists("other"));
	assert_int_equal(store_create(path), ST_OK);
}

static void
test_open_refusals(void **state)
{
	char whole[sizeof(world.data)];

	(void)state;
	memcpy(whole, world.data, sizeof(world.data));
	snprintf(world.data, sizeof(world.data), "%s/nowhere", world.root);
	assert_int_equal(try_open(false), ST_NOTFOUND);
	assert_int_equal(try_open(true), ST_NOTFOUND);
	memcpy(world.data, world.root, sizeof(world.root));
	assert_int_equal(try_open(false), ST_NOTFOUND);		/* a directory, but not ours */
	snprintf(world.data, sizeof(world.data), "%s/data/FORMAT", world.root);
	assert_int_equal(try_open(false), ST_NOTFOUND);		/* a file */
	memcpy(world.data, whole, sizeof(world.data));

	static const char *const formats[] = { "", "fealty 2", "fealty 1\n", "fealty 2\n\n", "fealty 2\nx", "something else altogether\n" };
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		write_file("FORMAT", formats[i], strlen(formats[i]));
		assert_int_equal(try_open(false), ST_FORMAT);
		assert_int_equal(try_open(true), ST_FORMAT);
	}
	remove_file("FORMAT");
	assert_int_equal(try_open(false), ST_NOTFOUND);
	write_file("FORMAT", "fealty 2\n", 9);
	assert_int_equal(try_open(false), ST_OK);

	remove_file("vault/1/data.mdb");
	assert_int_equal(try_open(false), ST_NOTFOUND);
	assert_int_equal(try_open(true), ST_OK);
	assert_false(exists("vault/1/data.mdb"));			/* not made behind our back */
	remove_file("ledger/data.mdb");
	assert_int_equal(try_open(false), ST_NOTFOUND);
	assert_int_equal(try_open(true), ST_NOTFOUND);
}

static int
child_tries_to_write(void)
{
	struct store_params params = params_of(false);
	struct store *store;

	return store_open(&params, &store) == ST_BUSY ? 0 : 1;
}

static int
peer_writes_until_killed(const struct peer *parent)
{
	struct store_params params = params_of(false);
	struct store *store;

	if (store_open(&params, &store) != ST_OK || append_rows(store, 0, 10, 100) != ST_OK ||
	    put_rows(store, TABLE_MEMBER, 0, 10, "m") != ST_OK || put_rows(store, TABLE_ALIAS, 0, 10, "a") != ST_OK)
		return 1;
	/* Begun but never committed. */
	struct store_txn *txn;
	if (store_write(store, STORE_LEDGER, &txn) != ST_OK)
		return 2;
	append_row(txn, 10, text("lost"));
	peer_send(parent);
	peer_wait(parent);
	return 3;
}

static void
test_one_writer(void **state)
{
	(void)state;
	struct store *store = open_writer();
	assert_int_equal(try_open(false), ST_BUSY);
	assert_int_equal(in_child(child_tries_to_write), 0);
	store_close(store, true);
	store_close(NULL, true);

	struct peer peer = peer_start(peer_writes_until_killed);
	assert_true(peer_wait(&peer));
	assert_int_equal(try_open(false), ST_BUSY);
	kill(peer.pid, SIGKILL);
	assert_int_equal(peer_end(&peer), -SIGKILL);
	assert_int_equal(try_open(false), ST_OK);
}

static void
test_reopen_after_kill(void **state)
{
	struct store_txn *txn;
	struct bytes key, value;

	(void)state;
	struct peer peer = peer_start(peer_writes_until_killed);
	assert_true(peer_wait(&peer));
	kill(peer.pid, SIGKILL);
	peer_end(&peer);

	struct store *store = open_writer();
	assert_true(store_state_trusted(store));	/* the page cache outlived the process */
	assert_int_equal(rows_of(store, TABLE_TRANSACTION), 10);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 10);
	assert_int_equal(rows_of(store, TABLE_ALIAS), 10);
	assert_int_equal(store_read(store, STORE_LEDGER, &txn), ST_OK);
	assert_int_equal(store_last(txn, TABLE_TRANSACTION, &key, &value), ST_OK);
	assert_int_equal(key.len, 8);
	assert_int_equal(get_be64(key.data), 9);
	assert_int_equal(value.len, 100);
	store_abort(txn);
	assert_int_equal(append_rows(store, 10, 11, 100), ST_OK);
	store_close(store, false);
}

/* ---- transactions ---- */

static void
test_get_put_delete(void **state)
{
	struct store_txn *txn;
	struct bytes value;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
	store_put(txn, TABLE_ALIAS, text("a"), text("one"));
	store_put(txn, TABLE_ALIAS, text("a"), text("two"));
	store_put(txn, TABLE_ALIAS, text("empty"), bytes_of(NULL, 0));
	store_delete(txn, TABLE_ALIAS, text("not there"));
	assert_int_equal(store_get(txn, TABLE_ALIAS, text("a"), &value), ST_OK);	/* sees its own writes */
	assert_true(bytes_equal(value, text("two")));
	assert_int_equal(store_rows(txn, TABLE_ALIAS), 2);
	assert_int_equal(store_commit(txn), ST_OK);

	assert_int_equal(store_read(store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(store_get(txn, TABLE_ALIAS, text("a"), &value), ST_OK);
	assert_true(bytes_equal(value, text("two")));
	assert_int_equal(store_get(txn, TABLE_ALIAS, text("empty"), &value), ST_OK);
	assert_int_equal(value.len, 0);
	assert_int_equal(store_get(txn, TABLE_ALIAS, text("b"), &value), ST_NOTFOUND);
	assert_int_equal(store_get(txn, TABLE_ALIAS, bytes_of(NULL, 0), &value), ST_NOTFOUND);
	assert_int_equal(store_get(txn, TABLE_PERSON, text("a"), &value), ST_NOTFOUND);	/* tables are apart */
	store_abort(txn);
	store_abort(NULL);

	assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
	store_delete(txn, TABLE_ALIAS, text("a"));
	store_abort(txn);
	assert_int_equal(rows_of(store, TABLE_ALIAS), 2);
	assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
	store_delete(txn, TABLE_ALIAS, text("a"));
	assert_int_equal(store_commit(txn), ST_OK);
	assert_int_equal(rows_of(store, TABLE_ALIAS), 1);
	store_close(store, true);
}

#define MODEL_KEYS 4096

static void
assert_row_is(struct store_txn *txn, enum store_table table, uint32_t k, uint32_t written)
{
	uint8_t key[8];
	struct bytes value;

	put_be64(key, k);
	enum status st = store_get(txn, table, bytes_of(key, sizeof(key)), &value);
	assert_int_equal(st, written == 0 ? ST_NOTFOUND : ST_OK);
	assert_true(st != ST_OK || (value.len == written % 700 + 4 && get_be32(value.data) == written));
}

/* One table in order and one in no order, by turns, rows that grow, shrink and go among them: pages split under where the next row belongs. */
static void
test_writes_are_those_of_a_model(void **state)
{
	static uint32_t model[2][MODEL_KEYS];		/* what is in the row; 0: there is none */
	static const enum store_table tables[] = { TABLE_ALIAS, TABLE_PERSON };
	struct store_txn *txn;
	uint8_t key[8], value[704] = { 0 };
	uint32_t written = 0, x = 1;

	(void)state;
	struct store *store = open_writer();
	for (unsigned round = 0; round < 4; round++) {
		assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
		for (uint32_t i = 0; i < 3000; i++) {
			x = x * UINT32_C(1664525) + UINT32_C(1013904223);
			size_t t = i % 2;
			uint32_t k = t == 0 ? (round * 7 + i / 2 * 2 + (x >> 31)) % MODEL_KEYS : (x >> 8) % MODEL_KEYS;
			put_be64(key, k);
			put_be32(value, ++written);
			if ((x >> 5) % 8 == 0)
				store_delete(txn, tables[t], bytes_of(key, sizeof(key)));
			else
				store_put(txn, tables[t], bytes_of(key, sizeof(key)), bytes_of(value, written % 700 + 4));
			model[t][k] = (x >> 5) % 8 == 0 ? 0 : written;
			assert_row_is(txn, tables[t], k, model[t][k]);
		}
		assert_int_equal(store_commit(txn), ST_OK);
		assert_int_equal(store_read(store, STORE_VAULT, &txn), ST_OK);
		for (size_t t = 0; t < 2; t++)
			for (uint32_t k = 0; k < MODEL_KEYS; k++)
				assert_row_is(txn, tables[t], k, model[t][k]);
		store_abort(txn);
	}
	store_close(store, true);
}

/* Of ${n} keys, some twice and some not there: together as one by one.  Returns how many there are. */
static size_t
assert_many_as_one_by_one(struct store_txn *txn, enum store_table table, uint64_t (*pick)(uint32_t x), uint32_t *x, size_t n)
{
	uint8_t keys[STORE_MANY][8];
	struct bytes key[STORE_MANY] = { { 0 } }, many[STORE_MANY], one;
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		*x = *x * UINT32_C(1664525) + UINT32_C(1013904223);
		put_be64(keys[i], pick(*x));
		key[i] = bytes_of(keys[i], *x % 61 == 0 ? 0 : sizeof(keys[i]));
	}
	assert_int_equal(store_get_many(txn, table, key, n, many), ST_OK);
	for (size_t i = 0; i < n; i++) {
		enum status st = store_get(txn, table, key[i], &one);
		assert_int_equal(st, many[i].data == NULL ? ST_NOTFOUND : ST_OK);
		assert_true(st != ST_OK || (many[i].len == one.len && memcmp(many[i].data, one.data, one.len) == 0));
		found += st == ST_OK;
	}
	return found;
}

static uint64_t
near(uint32_t x)
{
	return x >> 4;
}

static uint64_t
far(uint32_t x)
{
	return (x >> 8) % 12000 * 3;		/* a third of the keys of the table below */
}

/* A tree of several levels, with values that lie in pages of their own, an empty one, and tables with one row and with none. */
static void
test_many_are_what_each_is(void **state)
{
	static uint8_t value[3000];
	struct store_txn *txn;
	uint8_t key[8];
	uint32_t x = 7;
	size_t found = 0;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
	for (uint32_t i = 0; i < 12000; i++) {
		put_be64(key, i * 9);
		put_be32(value, i);
		store_put(txn, TABLE_PERSON, bytes_of(key, sizeof(key)), bytes_of(value, i % 50 == 0 ? 2900 : i % 51 == 0 ? 0 : 4 + i % 300));
	}
	put_be64(key, 12);
	store_put(txn, TABLE_ALIAS, bytes_of(key, sizeof(key)), text("alone"));
	assert_int_equal(store_commit(txn), ST_OK);

	assert_int_equal(store_read(store, STORE_VAULT, &txn), ST_OK);
	for (size_t round = 0; round < 2000; round++)
		found += assert_many_as_one_by_one(txn, TABLE_PERSON, far, &x, round % (STORE_MANY + 1));
	assert_in_range(found, 15000, 30000);
	assert_int_equal(assert_many_as_one_by_one(txn, TABLE_PERSON, near, &x, STORE_MANY), 0);
	for (size_t round = 0; round < 100; round++)
		(void)assert_many_as_one_by_one(txn, TABLE_ALIAS, far, &x, STORE_MANY);
	assert_int_equal(assert_many_as_one_by_one(txn, TABLE_VAULT_META, far, &x, STORE_MANY), 0);
	put_be64(key, 12);
	struct bytes keys[] = { bytes_of(key, sizeof(key)), text("not there") }, values[2];
	assert_int_equal(store_get_many(txn, TABLE_ALIAS, keys, 2, values), ST_OK);
	assert_true(bytes_equal(values[0], text("alone")));
	assert_null(values[1].data);

	/* the snapshot's, whatever is written meanwhile; and the next one's */
	struct store_txn *writer;
	assert_int_equal(store_write(store, STORE_VAULT, &writer), ST_OK);
	store_put(writer, TABLE_ALIAS, bytes_of(key, sizeof(key)), text("another"));
	store_put(writer, TABLE_ALIAS, text("not there"), text("now it is"));
	assert_int_equal(store_commit(writer), ST_OK);
	assert_int_equal(store_get_many(txn, TABLE_ALIAS, keys, 2, values), ST_OK);
	assert_true(bytes_equal(values[0], text("alone")));
	assert_null(values[1].data);
	assert_int_equal(store_renew(txn), ST_OK);
	assert_int_equal(store_get_many(txn, TABLE_ALIAS, keys, 2, values), ST_OK);
	assert_true(bytes_equal(values[0], text("another")) && bytes_equal(values[1], text("now it is")));
	store_abort(txn);
	store_close(store, true);
}

static void
test_append_sticks(void **state)
{
	static const struct { const char *name; uint64_t seqs[4]; size_t n; enum status want; } cases[] = {
		{ "next", { 5, 6 }, 2, ST_OK },
		{ "with a gap", { 9, 100 }, 2, ST_OK },
		{ "the same again", { 101, 101 }, 2, ST_INVALID },
		{ "below the last", { 101, 99 }, 2, ST_INVALID },
		{ "a row that is there", { 5 }, 1, ST_INVALID },
		{ "good ones after a bad one", { 101, 1, 102, 103 }, 4, ST_INVALID },
		{ "across a byte", { 255, 256, 65536 }, 3, ST_OK },
	};
	struct store_txn *txn;
	struct bytes value;
	uint64_t rows = 0;

	(void)state;
	struct store *store = open_writer();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("  %s\n", cases[i].name);
		assert_int_equal(store_write(store, STORE_LEDGER, &txn), ST_OK);
		for (size_t j = 0; j < cases[i].n; j++)
			append_row(txn, cases[i].seqs[j], text("v"));
		if (cases[i].want != ST_OK)	/* a spoilt transaction gives nothing back */
			assert_int_equal(store_get(txn, TABLE_TRANSACTION, text("x"), &value), cases[i].want);
		assert_int_equal(store_commit(txn), cases[i].want);
		rows += cases[i].want == ST_OK ? cases[i].n : 0;
		assert_int_equal(rows_of(store, TABLE_TRANSACTION), rows);
	}
	store_close(store, true);
}

static void
test_add_is_anywhere_and_never_again(void **state)
{
	static const struct { const char *name; const char *keys[4]; enum status want; uint64_t rows; } cases[] = {
		{ "in any order", { "m", "b", "x", NULL }, ST_OK, 3 },
		{ "in front and between", { "a", "c", NULL }, ST_OK, 5 },
		{ "one that is there", { "m", NULL }, ST_INVALID, 5 },
		{ "twice", { "y", "y", NULL }, ST_INVALID, 5 },
		{ "good ones after a bad one", { "b", "z", NULL }, ST_INVALID, 5 },
		{ "a longer key", { "mm", NULL }, ST_OK, 6 },
	};
	struct store_txn *txn;
	struct bytes value;

	(void)state;
	struct store *store = open_writer();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("  %s\n", cases[i].name);
		assert_int_equal(store_write(store, STORE_LEDGER, &txn), ST_OK);
		for (size_t j = 0; cases[i].keys[j] != NULL; j++)
			store_add(txn, TABLE_COSIGNATURE, text(cases[i].keys[j]), text(cases[i].name));
		assert_int_equal(store_commit(txn), cases[i].want);
		assert_int_equal(rows_of(store, TABLE_COSIGNATURE), cases[i].rows);
	}
	assert_int_equal(store_read(store, STORE_LEDGER, &txn), ST_OK);
	assert_int_equal(store_get(txn, TABLE_COSIGNATURE, text("m"), &value), ST_OK);
	assert_true(bytes_equal(value, text("in any order")));
	store_abort(txn);
	store_close(store, true);
}

static void
test_key_limits(void **state)
{
	uint8_t key[STORE_KEY_MAX + 1];
	struct store_txn *txn;
	struct bytes value;

	(void)state;
	memset(key, 'k', sizeof(key));
	struct store *store = open_writer();
	assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
	store_put(txn, TABLE_ALIAS, bytes_of(key, STORE_KEY_MAX), text("v"));
	assert_int_equal(store_commit(txn), ST_OK);
	assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
	store_put(txn, TABLE_ALIAS, bytes_of(key, sizeof(key)), text("v"));
	assert_int_equal(store_commit(txn), ST_INVALID);
	assert_int_equal(store_write(store, STORE_VAULT, &txn), ST_OK);
	store_put(txn, TABLE_ALIAS, bytes_of(NULL, 0), text("v"));
	assert_int_equal(store_commit(txn), ST_INVALID);
	assert_int_equal(store_read(store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(store_get(txn, TABLE_ALIAS, bytes_of(key, STORE_KEY_MAX), &value), ST_OK);
	assert_int_equal(store_get(txn, TABLE_ALIAS, bytes_of(key, sizeof(key)), &value), ST_NOTFOUND);
	store_abort(txn);
	store_close(store, true);
}

static int
child_puts_into_ledger(void)
{
	struct store_params params = params_of(false);
	struct store *store;
	struct store_txn *txn;

	if (freopen("/dev/null", "w", stderr) == NULL || store_open(&params, &store) != ST_OK ||
	    store_write(store, STORE_LEDGER, &txn) != ST_OK)
		return 1;
	store_put(txn, TABLE_TRANSACTION, text("k"), text("v"));
	return 0;
}

static int
child_deletes_from_ledger(void)
{
	struct store_params params = params_of(false);
	struct store *store;
	struct store_txn *txn;

	if (freopen("/dev/null", "w", stderr) == NULL || store_open(&params, &store) != ST_OK ||
	    store_write(store, STORE_LEDGER, &txn) != ST_OK)
		return 1;
	store_delete(txn, TABLE_CHECKPOINT, text("k"));
	return 0;
}

static int
child_uses_another_env(void)
{
	struct store_params params = params_of(false);
	struct store *store;
	struct store_txn *txn;
	struct bytes value;

	if (freopen("/dev/null", "w", stderr) == NULL || store_open(&params, &store) != ST_OK ||
	    store_read(store, STORE_VAULT, &txn) != ST_OK)
		return 1;
	return store_get(txn, TABLE_MEMBER, text("k"), &value) == ST_OK ? 2 : 3;
}

static void
test_broken_contracts_abort(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_puts_into_ledger), -SIGABRT);
	assert_int_equal(in_child(child_deletes_from_ledger), -SIGABRT);
	assert_int_equal(in_child(child_uses_another_env), -SIGABRT);
}

static void
test_floor_and_ceil(void **state)
{
	/* rows: b, d, dd */
	static const struct { const char *key, *floor, *ceil; } cases[] = {
		{ "", NULL, "b" }, { "a", NULL, "b" }, { "b", "b", "b" }, { "c", "b", "d" }, { "d", "d", "d" }, { "da", "d", "dd" },
		{ "dd", "dd", "dd" }, { "de", "dd", NULL }, { "z", "dd", NULL },
	};
	struct store_txn *txn;
	struct bytes key, value;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_read(store, STORE_STATE, &txn), ST_OK);
	assert_int_equal(store_floor(txn, TABLE_META, text("a"), &key, &value), ST_NOTFOUND);
	assert_int_equal(store_ceil(txn, TABLE_META, text("a"), &key, &value), ST_NOTFOUND);
	assert_int_equal(store_last(txn, TABLE_META, &key, &value), ST_NOTFOUND);
	store_abort(txn);

	assert_int_equal(store_write(store, STORE_STATE, &txn), ST_OK);
	store_put(txn, TABLE_META, text("dd"), text("3"));
	store_put(txn, TABLE_META, text("b"), text("1"));
	store_put(txn, TABLE_META, text("d"), text("2"));
	assert_int_equal(store_commit(txn), ST_OK);

	assert_int_equal(store_read(store, STORE_STATE, &txn), ST_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("  \"%s\"\n", cases[i].key);
		enum status st = store_floor(txn, TABLE_META, text(cases[i].key), &key, &value);
		assert_int_equal(st, cases[i].floor == NULL ? ST_NOTFOUND : ST_OK);
		assert_true(st != ST_OK || bytes_equal(key, text(cases[i].floor)));
		st = store_ceil(txn, TABLE_META, text(cases[i].key), &key, &value);
		assert_int_equal(st, cases[i].ceil == NULL ? ST_NOTFOUND : ST_OK);
		assert_true(st != ST_OK || bytes_equal(key, text(cases[i].ceil)));
	}
	assert_int_equal(store_last(txn, TABLE_META, &key, &value), ST_OK);
	assert_true(bytes_equal(key, text("dd")) && bytes_equal(value, text("3")));
	store_abort(txn);
	store_close(store, true);
}

static void
test_cursor(void **state)
{
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value;
	uint8_t from[4];

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_read(store, STORE_STATE, &txn), ST_OK);
	assert_int_equal(store_cursor_open(txn, TABLE_DUE, bytes_of(NULL, 0), &cursor), ST_OK);
	assert_int_equal(store_cursor_next(cursor, &key, &value), ST_NOTFOUND);
	store_cursor_close(cursor);
	store_cursor_close(NULL);
	store_abort(txn);

	assert_int_equal(put_rows(store, TABLE_DUE, 10, 1000, "row"), ST_OK);
	assert_int_equal(store_read(store, STORE_STATE, &txn), ST_OK);
	static const struct { uint32_t from, first; uint64_t n; } cases[] = {
		{ 0, 10, 990 }, { 10, 10, 990 }, { 500, 500, 500 }, { 999, 999, 1 }, { 1000, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t want = cases[i].first;
		uint64_t n = 0;
		put_be32(from, cases[i].from);
		assert_int_equal(store_cursor_open(txn, TABLE_DUE, bytes_of(from, sizeof(from)), &cursor), ST_OK);
		while (store_cursor_next(cursor, &key, &value) == ST_OK) {
			assert_int_equal(get_be32(key.data), want++);
			assert_true(bytes_equal(value, text("row")));
			n++;
		}
		assert_int_equal(n, cases[i].n);
		assert_int_equal(store_cursor_next(cursor, &key, &value), ST_NOTFOUND);	/* stays at the end */
		store_cursor_close(cursor);
	}
	store_abort(txn);
	store_close(store, true);
}

static void
test_renew_and_rest(void **state)
{
	struct store_txn *reader;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_read(store, STORE_LEDGER, &reader), ST_OK);
	assert_int_equal(append_rows(store, 0, 5, 10), ST_OK);
	assert_int_equal(store_rows(reader, TABLE_TRANSACTION), 0);	/* the snapshot it began with */
	assert_int_equal(store_renew(reader), ST_OK);
	assert_int_equal(store_rows(reader, TABLE_TRANSACTION), 5);
	store_rest(reader);
	store_rest(reader);
	assert_int_equal(append_rows(store, 5, 6, 10), ST_OK);
	assert_int_equal(store_renew(reader), ST_OK);
	assert_int_equal(store_rows(reader, TABLE_TRANSACTION), 6);
	store_rest(reader);
	store_abort(reader);
	store_close(store, true);
}

static void
test_too_many_readers(void **state)
{
	static struct store_txn *readers[512];
	struct store_txn *one_more;

	(void)state;
	struct store *store = open_writer();
	for (size_t i = 0; i < 512; i++)
		assert_int_equal(store_read(store, STORE_LEDGER, &readers[i]), ST_OK);
	assert_int_equal(store_read(store, STORE_LEDGER, &one_more), ST_BUSY);
	store_abort(readers[0]);
	assert_int_equal(store_read(store, STORE_LEDGER, &readers[0]), ST_OK);
	for (size_t i = 0; i < 512; i++)
		store_abort(readers[i]);
	store_close(store, true);
}

/* ---- space ---- */

static void
test_full_map(void **state)
{
	struct store_params params = params_of(false);
	struct store *store;
	struct store_txn *txn;
	struct bytes key, value;
	uint64_t seq = 0;
	enum status st;

	(void)state;
	params.map_bytes = 200000;	/* rounded up to pages */
	assert_int_equal(store_open(&params, &store), ST_OK);
	while ((st = append_rows(store, seq, seq + 10, 1000)) == ST_OK)
		seq += 10;
	assert_int_equal(st, ST_FULL);
	assert_true(seq >= 50 && seq < 250);
	assert_int_equal(append_rows(store, seq, seq + 10, 1000), ST_FULL);	/* again, and not a failed disk */
	assert_int_equal(rows_of(store, TABLE_TRANSACTION), seq);
	assert_int_equal(store_read(store, STORE_LEDGER, &txn), ST_OK);
	assert_int_equal(store_last(txn, TABLE_TRANSACTION, &key, &value), ST_OK);
	assert_int_equal(get_be64(key.data), seq - 1);
	assert_int_equal(value.data[999], (seq - 1) % 251);
	store_abort(txn);
	store_close(store, true);

	store = open_writer();		/* with space it goes on */
	assert_int_equal(append_rows(store, seq, seq + 10, 1000), ST_OK);
	store_close(store, true);
}

/* A limit in the middle of a page not far behind the file's end, so that a long write comes up short. */
static rlim_t
short_of(const char *name)
{
	char path[PATH_BYTES];
	struct stat info;

	path_in(path, name);
	assert_int_equal(stat(path, &info), 0);
	return (rlim_t)info.st_size + 3 * 4096 + 100;
}

/* Every descriptor of the file becomes one that refuses writes. */
static void
break_writes(const char *name)
{
	char path[PATH_BYTES], link[32], target[PATH_BYTES];
	int broken = 0;

	path_in(path, name);
	for (int fd = 3; fd < 256; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t len = readlink(link, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (strcmp(target, path) != 0)
			continue;
		int reader = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(reader >= 0);
		assert_int_equal(dup2(reader, fd), fd);
		close(reader);
		broken++;
	}
	assert_true(broken > 0);
}

static void
test_disk_refuses(void **state)
{
	struct store_params params = params_of(false);
	struct store *store;

	(void)state;
	/* The disk counts as full before LMDB finds it so. */
	params.low_space_bytes = UINT64_MAX;
	assert_int_equal(store_open(&params, &store), ST_OK);
	assert_int_equal(store_writable(store), ST_FULL);
	store_close(store, true);

	/* A file may not grow, and a write comes up short: ST_FULL, and it recovers. */
	store = open_writer();
	assert_int_equal(append_rows(store, 0, 10, 1000), ST_OK);
	assert_int_equal(store_writable(store), ST_OK);
	limit_files(short_of("ledger/data.mdb"));
	enum status writable = store_writable(store), st = append_rows(store, 10, 100, 1000);
	limit_files(RLIM_INFINITY);
	assert_int_equal(writable, ST_FULL);
	assert_int_equal(st, ST_FULL);
	assert_int_equal(store_writable(store), ST_OK);
	assert_int_equal(rows_of(store, TABLE_TRANSACTION), 10);
	assert_int_equal(append_rows(store, 10, 20, 1000), ST_OK);
	store_close(store, true);

	/* The disk refuses for another reason: it is broken, and no write is tried again until the next start. */
	store = open_writer();
	break_writes("ledger/data.mdb");
	assert_int_equal(store_writable(store), ST_OK);
	assert_int_equal(append_rows(store, 20, 200, 1000), ST_IO);
	assert_int_equal(append_rows(store, 20, 21, 1000), ST_IO);
	assert_int_equal(errno, EIO);
	assert_int_equal(rows_of(store, TABLE_TRANSACTION), 20);	/* reads go on */
	assert_int_equal(put_rows(store, TABLE_ALIAS, 0, 1, "x"), ST_OK);	/* the vault is another file */
	store_close(store, false);
	store = open_writer();
	assert_int_equal(append_rows(store, 20, 21, 1000), ST_OK);
	store_close(store, true);
}

#define NOT_ALLOWED 77

/* Fills a file system of 2 MiB that nobody else sees. */
static int
child_fills_the_disk(void)
{
	struct store_params params = params_of(false);
	char command[2 * PATH_BYTES];
	struct store *store;
	struct store_txn *txn;
	uint64_t seq = 0;
	enum status st;

	if (unshare(CLONE_NEWNS) != 0)
		return NOT_ALLOWED;
	/* Detached from what others see, whatever the propagation of mounts is here. */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", world.data, "tmpfs", 0, "size=2m") != 0)
		return NOT_ALLOWED;
	snprintf(command, sizeof(command), "head -c 1000000 /dev/zero >'%s/ballast'", world.data);
	if (store_create(world.data) != ST_OK || system(command) != 0 || store_open(&params, &store) != ST_OK)
		return 1;
	while ((st = append_rows(store, seq, seq + 50, 1000)) == ST_OK)
		seq += 50;
	if (st != ST_FULL || seq == 0 || store_writable(store) != ST_FULL)
		return 2;
	if (append_rows(store, seq, seq + 50, 1000) != ST_FULL || store_snapshot_write(store, seq) != ST_FULL)
		return 3;
	if (store_read(store, STORE_LEDGER, &txn) != ST_OK || store_rows(txn, TABLE_TRANSACTION) != seq)
		return 4;
	store_abort(txn);
	snprintf(command, sizeof(command), "%s/ballast", world.data);
	if (unlink(command) != 0 || append_rows(store, seq, seq + 50, 1000) != ST_OK)
		return 5;
	store_close(store, true);
	if (store_open(&params, &store) != ST_OK || store_read(store, STORE_LEDGER, &txn) != ST_OK)
		return 6;
	if (store_rows(txn, TABLE_TRANSACTION) != seq + 50)
		return 7;
	return 0;
}

static void
test_full_disk(void **state)
{
	(void)state;
	int got = in_child(child_fills_the_disk);
	if (got == NOT_ALLOWED) {
		print_message("  needs the right to mount\n");
		skip();
	}
	assert_int_equal(got, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		STORE_TEST(test_create),
		STORE_TEST(test_create_that_fails_leaves_nothing),
		STORE_TEST(test_open_refusals),
		STORE_TEST(test_one_writer),
		STORE_TEST(test_reopen_after_kill),
		STORE_TEST(test_get_put_delete),
		STORE_TEST(test_writes_are_those_of_a_model),
		STORE_TEST(test_many_are_what_each_is),
		STORE_TEST(test_append_sticks),
		STORE_TEST(test_add_is_anywhere_and_never_again),
		STORE_TEST(test_key_limits),
		STORE_TEST(test_broken_contracts_abort),
		STORE_TEST(test_floor_and_ceil),
		STORE_TEST(test_cursor),
		STORE_TEST(test_renew_and_rest),
		STORE_TEST(test_too_many_readers),
		STORE_TEST(test_full_map),
		STORE_TEST(test_disk_refuses),
		STORE_TEST(test_full_disk),
	};
	return cmocka_run_group_tests_name("store", tests, world_init, world_release);
}
