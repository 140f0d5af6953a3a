/* The store beside other processes, and against files that lie: whatever they hold, the answer is a status. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_world.h"

/* ---- damage at open ---- */

static void
test_open_damaged(void **state)
{
	size_t len, vault_len;
	uint8_t garbage[12288];

	(void)state;
	uint8_t *good = load_file("ledger/data.mdb", &len);
	uint8_t *vault = load_file("vault/1/data.mdb", &vault_len);
	memset(garbage, 0xa5, sizeof(garbage));
	for (size_t cut = 0; cut < len; cut += 1000) {
		write_file("ledger/data.mdb", good, cut);
		assert_int_equal(try_open(false), ST_CORRUPT);
		assert_int_equal(try_open(true), ST_CORRUPT);
	}
	write_file("ledger/data.mdb", garbage, sizeof(garbage));
	assert_int_equal(try_open(false), ST_CORRUPT);
	write_file("ledger/data.mdb", vault, vault_len);	/* a sound environment without our tables */
	assert_int_equal(try_open(false), ST_CORRUPT);
	good[20]++;						/* another version of LMDB's format */
	write_file("ledger/data.mdb", good, len);
	assert_int_equal(try_open(false), ST_CORRUPT);
	good[20]--;
	write_file("ledger/data.mdb", good, len);
	assert_int_equal(try_open(false), ST_OK);

	write_file("vault/1/data.mdb", garbage, sizeof(garbage));
	assert_int_equal(try_open(false), ST_CORRUPT);
	assert_int_equal(try_open(true), ST_CORRUPT);
	free(good);
	free(vault);
}

/* Reads every row; what LMDB does with a page that was found sound must not end the process. */
static void
read_all(struct store *store)
{
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value;
	uint64_t sum = 0, n = 0;

	assert_int_equal(store_read(store, STORE_LEDGER, &txn), ST_OK);
	assert_int_equal(store_cursor_open(txn, TABLE_TRANSACTION, bytes_of(NULL, 0), &cursor), ST_OK);
	while (store_cursor_next(cursor, &key, &value) == ST_OK) {
		n++;
		for (size_t i = 0; i < value.len; i++)
			sum += value.data[i];
	}
	assert_int_equal(n, store_rows(txn, TABLE_TRANSACTION));
	assert_true(sum > 0);
	store_cursor_close(cursor);
	store_abort(txn);
}

static void
test_open_cut_short(void **state)
{
	unsigned refused = 0;
	size_t len;

	(void)state;
	struct store *store = open_writer();
	for (uint64_t seq = 0; seq < 500; seq += 20)
		assert_int_equal(append_rows(store, seq, seq + 20, seq % 100 == 0 ? 5000 : 150), ST_OK);
	store_close(store, true);
	uint8_t *good = load_file("ledger/data.mdb", &len);
	for (size_t cut = len; cut > 0; cut = cut > 4096 ? cut - 4096 : 0) {
		struct store_params params = params_of(true);
		write_file("ledger/data.mdb", good, cut - 1);
		enum status st = store_open(&params, &store);
		if (st == ST_OK) {	/* only old pages are missing */
			read_all(store);
			store_close(store, true);
			continue;
		}
		assert_int_equal(st, ST_CORRUPT);
		assert_int_equal(try_open(false), ST_CORRUPT);
		refused++;
	}
	assert_true(refused > len / 4096 / 2);
	free(good);
}

/* A transaction may take pages at the end and give them back unwritten: then the file is shorter than it says, and sound. */
static void
test_open_with_unwritten_pages(void **state)
{
	static const struct { uint64_t more; enum status want; } cases[] = {
		{ 1, ST_OK }, { 1000, ST_OK }, { 140000, ST_CORRUPT }, { UINT64_C(1) << 40, ST_CORRUPT }, { UINT64_MAX / 2, ST_CORRUPT },
	};
	size_t len;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(append_rows(store, 0, 100, 150), ST_OK);
	store_close(store, true);
	uint8_t *good = load_file("ledger/data.mdb", &len);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t meta = 0; meta < 2; meta++) {
			uint64_t last;
			memcpy(&last, good + meta * 4096 + 136, sizeof(last));
			last += cases[i].more;
			memcpy(good + meta * 4096 + 136, &last, sizeof(last));
		}
		write_file("ledger/data.mdb", good, len);
		assert_int_equal(try_open(true), cases[i].want);
		assert_int_equal(try_open(false), cases[i].want);
		if (i == 0) {
			store = open_writer();
			assert_int_equal(append_rows(store, 100, 120, 150), ST_OK);
			read_all(store);
			store_close(store, true);
		}
	}
	free(good);
}

/* ---- reading beside ---- */

static int
peer_writes_in_steps(const struct peer *parent)
{
	struct store_params params = params_of(false);
	struct store *store;

	if (store_open(&params, &store) != ST_OK || append_rows(store, 0, 100, 100) != ST_OK ||
	    put_rows(store, TABLE_MEMBER, 0, 5, "m") != ST_OK)
		return 1;
	peer_send(parent);
	if (!peer_wait(parent))
		return 2;
	for (uint64_t seq = 100; seq < 200; seq++)
		if (append_rows(store, seq, seq + 1, 3000) != ST_OK)
			return 3;
	peer_send(parent);
	if (!peer_wait(parent))
		return 4;
	store_close(store, true);
	return 0;
}

static void
test_read_beside_a_writer(void **state)
{
	struct store_txn *txn;
	struct store_key near;

	(void)state;
	struct peer peer = peer_start(peer_writes_in_steps);
	assert_true(peer_wait(&peer));
	struct store *store = open_as(BOOT_A, true);
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 5);
	assert_int_equal(store_read(store, STORE_LEDGER, &txn), ST_OK);
	assert_int_equal(store_rows(txn, TABLE_TRANSACTION), 100);
	peer_send(&peer);
	for (int i = 0; i < 20; i++)	/* while it writes */
		assert_int_equal(store_inspect(store, TABLE_TRANSACTION, &near), ST_OK);
	assert_true(peer_wait(&peer));
	assert_int_equal(store_rows(txn, TABLE_TRANSACTION), 100);
	assert_int_equal(store_renew(txn), ST_OK);
	assert_int_equal(store_rows(txn, TABLE_TRANSACTION), 200);
	store_abort(txn);
	store_close(store, true);
	peer_send(&peer);
	assert_int_equal(peer_end(&peer), 0);
	assert_file_is("state.mark", "clean\n");

	store = open_as(BOOT_B, true);		/* and when it has stopped */
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_TRANSACTION), 200);
	store_close(store, true);
}

static int
peer_reads_until_killed(const struct peer *parent)
{
	struct store_params params = params_of(true);
	struct store *store;
	struct store_txn *txn;

	if (!peer_wait(parent) || store_open(&params, &store) != ST_OK || store_read(store, STORE_LEDGER, &txn) != ST_OK)
		return 1;
	peer_send(parent);
	peer_wait(parent);
	return 2;
}

static void
test_dead_reader(void **state)
{
	(void)state;
	struct peer peer = peer_start(peer_reads_until_killed);
	struct store *store = open_writer();
	assert_int_equal(store_reader_check(store), 0);
	peer_send(&peer);
	assert_true(peer_wait(&peer));
	assert_int_equal(store_reader_check(store), 0);		/* alive */
	kill(peer.pid, SIGKILL);
	peer_end(&peer);
	assert_int_equal(store_reader_check(store), 1);
	assert_int_equal(store_reader_check(store), 0);
	store_close(store, true);
}

static bool
become_nobody(void)
{
	return geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);
}

static int
child_reads_without_lock(void)
{
	struct store_params params = params_of(true);
	struct store *store;
	struct store_txn *txn;

	if (!become_nobody() || store_open(&params, &store) != ST_OK || store_read(store, STORE_LEDGER, &txn) != ST_OK)
		return 1;
	if (store_rows(txn, TABLE_TRANSACTION) != 10)
		return 2;
	store_abort(txn);
	/* Nobody may begin to write meanwhile. */
	params.read_only = false;
	struct store *other;
	if (store_open(&params, &other) == ST_OK)
		return 3;
	store_close(store, true);
	return 0;
}

static int
child_is_refused_beside_writer(void)
{
	struct store_params params = params_of(true);
	struct store *store;

	return become_nobody() && store_open(&params, &store) == ST_BUSY ? 0 : 1;
}

static void
set_writable(bool writable)
{
	char command[PATH_BYTES];

	snprintf(command, sizeof(command), "chmod -R %s '%s'", writable ? "u+w,go-rwx" : "a-w,a+rX", world.data);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "chmod 0%s '%s'", writable ? "700" : "755", world.root);
	assert_int_equal(system(command), 0);
}

static void
test_read_what_cannot_be_written(void **state)
{
	(void)state;
	struct store *store = open_writer();
	assert_int_equal(append_rows(store, 0, 10, 100), ST_OK);
	store_close(store, true);
	set_writable(false);
	int got = in_child(child_reads_without_lock);
	set_writable(true);
	assert_int_equal(got, 0);

	store = open_writer();
	set_writable(false);
	got = in_child(child_is_refused_beside_writer);
	set_writable(true);
	assert_int_equal(got, 0);
	store_close(store, true);
}

/* ---- inspect ---- */

static void
test_inspect_sound(void **state)
{
	struct store_key near;
	struct store_txn *txn;

	(void)state;
	struct store *store = open_writer();
	for (enum store_table t = 0; t < TABLE_COUNT; t++)
		assert_int_equal(store_inspect(store, t, &near), ST_OK);
	for (uint64_t seq = 0; seq < 3000; seq += 100)
		assert_int_equal(append_rows(store, seq, seq + 100, seq % 300 == 0 ? 9000 : 200), ST_OK);
	/* Rows of all lengths that come and go: pages split, merge and are used again. */
	for (uint32_t round = 0; round < 60; round++) {
		assert_int_equal(store_write(store, STORE_STATE, &txn), ST_OK);
		for (uint32_t i = 0; i < 300; i++) {
			uint8_t key[8], value[3000];
			uint32_t x = (round * 300 + i) * UINT32_C(2654435761);
			put_be64(key, x % 4096);
			memset(value, (int)(x & 255), sizeof(value));
			if (x >> 30 == 3)
				store_delete(txn, TABLE_HOLD, bytes_of(key, sizeof(key)));
			else
				store_put(txn, TABLE_HOLD, bytes_of(key, sizeof(key)), bytes_of(value, x % sizeof(value)));
		}
		assert_int_equal(store_commit(txn), ST_OK);
		assert_int_equal(store_inspect(store, TABLE_HOLD, &near), ST_OK);
	}
	for (enum store_table t = 0; t < TABLE_COUNT; t++)
		assert_int_equal(store_inspect(store, t, &near), ST_OK);
	store_close(store, true);
	assert_int_equal(try_open(false), ST_OK);
}

static void
test_inspect_names_the_place(void **state)
{
	struct store_key near;
	size_t len;

	(void)state;
	struct store *store = open_writer();
	for (uint64_t seq = 0; seq < 1000; seq += 10)
		assert_int_equal(append_rows(store, seq, seq + 10, 200), ST_OK);
	store_close(store, true);
	uint8_t *content = load_file("ledger/data.mdb", &len);
	/* The leaf that holds row 500 is the page with its key and value. */
	uint8_t row[16];
	put_be64(row, 500);
	memset(row + 8, 500 % 251, 8);
	uint8_t *at = NULL;		/* the last copy is the newest or as good: an append does not come back to it */
	for (uint8_t *p = content; p + sizeof(row) <= content + len; p++)
		if (memcmp(p, row, sizeof(row)) == 0)
			at = p;
	assert_non_null(at);
	memset(content + (size_t)(at - content) / 4096 * 4096, 0xee, 4096);
	write_file("ledger/data.mdb", content, len);
	free(content);
	store = open_as(BOOT_A, true);
	assert_int_equal(store_inspect(store, TABLE_TRANSACTION, &near), ST_CORRUPT);
	assert_int_equal(near.len, 8);
	uint64_t seq = get_be64(near.data);
	assert_true(seq < 500 && seq >= 470);
	assert_int_equal(store_inspect(store, TABLE_CHECKPOINT, &near), ST_OK);
	store_close(store, true);
}

/* What cannot be opened is found again without LMDB, and never with more transactions than there are. */
static void
assert_explained(void)
{
	char text[STORE_DAMAGE_TEXT_BYTES];
	struct store_params params = params_of(true);
	struct store_damage damage;

	assert_int_equal(store_damage_find(params.data_path, &damage), ST_OK);
	assert_int_equal(damage.env, STORE_LEDGER);
	assert_int_not_equal(damage.part, STORE_PART_NONE);
	assert_true(damage.transactions <= 400);
	assert_non_null(strstr(store_damage_format(&damage, text), "ledger/data.mdb is damaged: "));
}

static void
test_damage_never_crashes(void **state)
{
	struct store_params params = params_of(true);
	unsigned found = 0, refused = 0, unseen = 0;
	struct store *store;
	struct store_key near;
	uint32_t x = 1;
	size_t len;

	(void)state;
	store = open_writer();
	for (uint64_t seq = 0; seq < 400; seq += 20)
		assert_int_equal(append_rows(store, seq, seq + 20, seq % 100 == 0 ? 5000 : 150), ST_OK);
	store_close(store, true);
	uint8_t *content = load_file("ledger/data.mdb", &len);
	for (int round = 0; round < 1500; round++) {
		uint32_t where[3];
		uint8_t was[3];
		for (size_t i = 0; i < 3; i++) {
			x = x * 1664525 + 1013904223;
			/* Most of the numbers that matter are in a page's first bytes. */
			where[i] = round % 2 == 0 ? x % (uint32_t)len : (x / 64 % (uint32_t)(len / 4096)) * 4096 + x % 64;
			was[i] = content[where[i]];
			content[where[i]] = (uint8_t)(x >> 24);
		}
		write_file("ledger/data.mdb", content, len);
		enum status st = store_open(&params, &store);
		if (st == ST_OK) {
			st = store_inspect(store, TABLE_TRANSACTION, &near);
			assert_true(st == ST_OK || st == ST_CORRUPT);
			if (st == ST_OK)
				read_all(store);
			st == ST_OK ? unseen++ : found++;
			store_close(store, true);
		} else {
			assert_int_equal(st, ST_CORRUPT);
			assert_explained();
			refused++;
		}
		for (size_t i = 3; i-- > 0;)
			content[where[i]] = was[i];
	}
	free(content);
	print_message("  %u refused at open, %u found, %u in values or unused pages\n", refused, found, unseen);
	assert_true(found > 100 && refused > 10 && unseen > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_open_damaged),
		STORE_TEST(test_open_cut_short),
		STORE_TEST(test_open_with_unwritten_pages),
		STORE_TEST(test_read_beside_a_writer),
		STORE_TEST(test_dead_reader),
		STORE_TEST(test_read_what_cannot_be_written),
		STORE_TEST(test_inspect_sound),
		STORE_TEST(test_inspect_names_the_place),
		STORE_TEST(test_damage_never_crashes),
	};
	return cmocka_run_group_tests_name("store_damage", tests, world_init, world_release);
}
