/* State: when it is trusted, its snapshots; and the published head. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include "store_world.h"

/* ---- state: how its file grows ---- */

static struct stat
stat_of(const char *name)
{
	char path[PATH_BYTES];
	struct stat st;

	path_in(path, name);
	assert_int_equal(stat(path, &st), 0);
	return st;
}

/* Whether the page at ${offset} is in memory; always, where files are memory. */
static bool
is_in_memory(const char *name, off_t offset)
{
	char path[PATH_BYTES];
	unsigned char in_memory;

	path_in(path, name);
	int fd = open(path, O_RDONLY);
	struct statfs fs;
	assert_true(fd >= 0);
	assert_int_equal(fstatfs(fd, &fs), 0);
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, offset);
	assert_true(page != MAP_FAILED);
	assert_int_equal(mincore(page, 4096, &in_memory), 0);
	assert_int_equal(munmap(page, 4096), 0);
	assert_int_equal(close(fd), 0);
	return fs.f_type == TMPFS_MAGIC || (in_memory & 1) != 0;
}

static void
test_grows_page_by_page(void **state)
{
	char value[201];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	struct store *store = open_writer();
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(put_rows(store, TABLE_MEMBER, i * 2000, (i + 1) * 2000, value), ST_OK);
	store_close(store, true);
	/* What the next commits are expected to need lies behind what is used: in memory, and not on the disk. */
	struct stat file = stat_of("state/data.mdb");
	assert_true(file.st_size > INT64_C(512) * file.st_blocks);
	assert_true(file.st_size < 3 * INT64_C(512) * file.st_blocks);
	assert_true(is_in_memory("state/data.mdb", (file.st_size - 1) / 4096 * 4096));
	store = open_writer();
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 12000);
	assert_int_equal(store_snapshot_write(store, 12000), ST_OK);
	assert_true(stat_of("snapshot/12000.mdb").st_size <= INT64_C(512) * file.st_blocks);
	/* A commit that changes little needs nothing more. */
	assert_int_equal(put_rows(store, TABLE_MEMBER, 5, 6, "m"), ST_OK);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 5, 6, "n"), ST_OK);
	assert_int_equal(stat_of("state/data.mdb").st_size, file.st_size);
	/* The ledger's file ends where its pages end. */
	assert_int_equal(append_rows(store, 0, 20, 20000), ST_OK);
	file = stat_of("ledger/data.mdb");
	assert_true(file.st_size <= INT64_C(512) * file.st_blocks);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 12000, 14000, value), ST_OK);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 14000);
	assert_int_equal(store_state_restore(store, 12000), ST_OK);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 12000);
	store_close(store, true);
}

/* A full map is full as it was, and the file no longer than the map. */
static void
test_grows_up_to_its_map(void **state)
{
	char value[201];
	enum status st = ST_OK;
	uint32_t n = 0;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	struct store_params params = params_of(false);
	params.map_bytes = (size_t)1 << 20;
	struct store *store;
	assert_int_equal(store_open(&params, &store), ST_OK);
	while (st == ST_OK && n < 200) {
		st = put_rows(store, TABLE_MEMBER, n * 100, (n + 1) * 100, value);
		n += st == ST_OK;
	}
	assert_int_equal(st, ST_FULL);
	assert_int_equal(rows_of(store, TABLE_MEMBER), n * 100);
	assert_true(stat_of("state/data.mdb").st_size <= 1 << 20);
	store_close(store, true);
}

/* ---- state: trust and mark ---- */

static void
test_mark(void **state)
{
	(void)state;
	struct store *store = open_writer();
	assert_true(store_state_trusted(store));		/* fresh */
	assert_false(exists("state.mark"));
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 5, "m"), ST_OK);
	assert_file_is("state.mark", "running " BOOT_A "\n");	/* by the first write */
	store_close(store, true);
	assert_file_is("state.mark", "clean\n");

	store = open_as(BOOT_B, false);				/* a clean one outlives the boot */
	assert_true(store_state_trusted(store));
	assert_int_equal(store_state_mark_running(store), ST_OK);
	assert_int_equal(store_state_mark_running(store), ST_OK);
	assert_file_is("state.mark", "running " BOOT_B "\n");
	store_close(store, false);
	assert_file_is("state.mark", "running " BOOT_B "\n");

	store = open_as(BOOT_B, false);				/* the same boot */
	assert_true(store_state_trusted(store));
	store_close(store, false);
	store = open_as(BOOT_B, true);
	assert_true(store_state_trusted(store));
	store_close(store, true);
	assert_file_is("state.mark", "running " BOOT_B "\n");	/* who only reads marks nothing */
}

static void
test_power_loss(void **state)
{
	(void)state;
	struct store *store = open_writer();
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 5, "m"), ST_OK);
	assert_int_equal(append_rows(store, 0, 3, 10), ST_OK);
	store_close(store, false);

	store = open_as(BOOT_B, false);
	assert_false(store_state_trusted(store));
	assert_int_equal(store_state_mark_running(store), ST_INVALID);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 5, 6, "m"), ST_INVALID);
	store_close(store, true);				/* closing must not bless it */
	assert_file_is("state.mark", "running " BOOT_A "\n");

	store = open_as(BOOT_B, false);
	assert_int_equal(store_state_discard(store), ST_OK);
	assert_true(store_state_trusted(store));
	assert_file_is("state.mark", "running " BOOT_B "\n");
	assert_int_equal(rows_of(store, TABLE_MEMBER), 0);
	assert_int_equal(rows_of(store, TABLE_TRANSACTION), 3);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 7, "m"), ST_OK);
	store_close(store, true);
	store = open_writer();
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 7);
	store_close(store, true);
}

static void
test_mark_that_is_no_mark(void **state)
{
	static const char *const marks[] = {
		"", "clean", "clean\nx", "Clean\n", "running\n", "running \n", "running " BOOT_A, "running " BOOT_A "x\n", "running 1111\n",
		"running aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	};
	struct store *store = open_writer();

	(void)state;
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 5, "m"), ST_OK);
	store_close(store, true);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		write_file("state.mark", marks[i], strlen(marks[i]));
		store = open_writer();
		assert_false(store_state_trusted(store));
		store_close(store, true);
	}
	remove_file("state.mark");	/* rows without a mark */
	store = open_writer();
	assert_false(store_state_trusted(store));
	store_close(store, true);
	assert_false(exists("state.mark"));
}

static void
assert_state_is_rebuilt(void)
{
	struct store_txn *txn;
	struct store *store = open_writer();

	assert_false(store_state_trusted(store));
	enum status st = store_read(store, STORE_STATE, &txn);
	assert_true(st == ST_NOTFOUND || st == ST_OK);
	if (st == ST_OK)
		store_abort(txn);
	assert_int_equal(store_state_discard(store), ST_OK);
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 0);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 3, "new"), ST_OK);
	store_close(store, true);
	store = open_writer();
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 3);
	store_close(store, true);
}

static void
test_state_unusable(void **state)
{
	size_t len, vault_len;
	uint8_t garbage[20000];
	char path[PATH_BYTES];

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 2000, "some value of a member"), ST_OK);
	store_close(store, true);
	uint8_t *good = load_file("state/data.mdb", &len);
	uint8_t *vault = load_file("vault/1/data.mdb", &vault_len);
	memset(garbage, 0x5a, sizeof(garbage));

	write_file("state/data.mdb", garbage, sizeof(garbage));
	assert_state_is_rebuilt();
	write_file("state/data.mdb", vault, vault_len);
	assert_state_is_rebuilt();
	remove_file("state/data.mdb");
	store = open_as(BOOT_A, true);		/* who only reads does without */
	assert_false(store_state_trusted(store));
	store_close(store, true);
	assert_state_is_rebuilt();
	path_in(path, "state");
	remove_tree(path);
	assert_state_is_rebuilt();
	for (size_t cut = 0; cut < len; cut += len / 16) {
		write_file("state/data.mdb", good, cut);
		assert_state_is_rebuilt();
	}
	write_file("state/data.mdb", good, len);
	store = open_writer();
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 2000);
	store_close(store, true);
	free(good);
	free(vault);
}

/* ---- snapshots ---- */

static void
test_snapshots(void **state)
{
	uint64_t size;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_snapshot_find(store, UINT64_MAX, &size), ST_NOTFOUND);
	assert_int_equal(store_state_restore(store, 1), ST_NOTFOUND);
	write_file("snapshot/77.mdb.tmp", "left", 4);
	write_file("snapshot/notes.mdb", "not ours", 8);
	write_file("snapshot/007.mdb", "not ours", 8);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(put_rows(store, TABLE_MEMBER, i * 100, i * 100 + 100, "m"), ST_OK);
		assert_int_equal(store_snapshot_write(store, i * 100 + 100), ST_OK);
	}
	assert_false(exists("snapshot/77.mdb.tmp"));
	assert_false(exists("snapshot/100.mdb") || exists("snapshot/100.sum"));
	assert_false(exists("snapshot/200.mdb") || exists("snapshot/200.sum"));
	assert_true(exists("snapshot/300.mdb") && exists("snapshot/300.sum"));
	assert_true(exists("snapshot/400.mdb") && exists("snapshot/400.sum"));
	assert_int_equal(mode_of("snapshot/400.mdb"), 0600);

	static const struct { uint64_t at; enum status want; uint64_t size; } cases[] = {
		{ UINT64_MAX, ST_OK, 400 }, { 400, ST_OK, 400 }, { 399, ST_OK, 300 }, { 300, ST_OK, 300 }, { 299, ST_NOTFOUND, 0 },
		{ 0, ST_NOTFOUND, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size = 0;
		assert_int_equal(store_snapshot_find(store, cases[i].at, &size), cases[i].want);
		assert_int_equal(size, cases[i].size);
	}
	assert_int_equal(store_state_restore(store, 300), ST_OK);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 300);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 300, 310, "m"), ST_OK);
	store_close(store, true);

	store = open_as(BOOT_B, false);
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 310);
	/* Below one that is there already: both stay, and the same size again replaces. */
	assert_int_equal(store_snapshot_write(store, 310), ST_OK);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 310, 320, "m"), ST_OK);
	assert_int_equal(store_snapshot_write(store, 310), ST_OK);
	assert_true(exists("snapshot/300.mdb") && exists("snapshot/310.mdb") && exists("snapshot/400.mdb"));
	assert_int_equal(store_state_restore(store, 310), ST_OK);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 320);
	/* One that is restored at the place of a state that cannot be opened. */
	store_close(store, true);
	write_file("state/data.mdb", "garbage", 7);
	store = open_writer();
	assert_false(store_state_trusted(store));
	assert_int_equal(store_state_restore(store, 400), ST_OK);
	assert_true(store_state_trusted(store));
	assert_file_is("state.mark", "running " BOOT_A "\n");
	assert_int_equal(rows_of(store, TABLE_MEMBER), 400);
	store_close(store, true);
}

static void
test_snapshot_of_nothing(void **state)
{
	uint64_t size = 9;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_snapshot_write(store, 0), ST_OK);
	assert_int_equal(store_snapshot_find(store, 0, &size), ST_OK);
	assert_int_equal(size, 0);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 3, "m"), ST_OK);
	assert_int_equal(store_state_restore(store, 0), ST_OK);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 0);
	store_close(store, true);
}

static void
assert_restore_refused(enum status want)
{
	struct store *store = open_writer();

	assert_int_equal(store_state_restore(store, 50), want);
	assert_true(store_state_trusted(store));
	assert_int_equal(rows_of(store, TABLE_MEMBER), 60);	/* as it was */
	assert_false(exists("state/restore.tmp"));
	store_close(store, true);
}

static void
test_snapshot_damaged(void **state)
{
	size_t len, sum_len;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 50, "m"), ST_OK);
	assert_int_equal(store_snapshot_write(store, 50), ST_OK);
	assert_int_equal(put_rows(store, TABLE_MEMBER, 50, 60, "m"), ST_OK);
	store_close(store, true);

	uint8_t *good = load_file("snapshot/50.mdb", &len);
	uint8_t *sum = load_file("snapshot/50.sum", &sum_len);
	assert_int_equal(sum_len, 65);
	for (size_t at = 0; at < len; at += len / 10) {
		good[at] ^= 1;
		write_file("snapshot/50.mdb", good, len);
		assert_restore_refused(ST_CORRUPT);
		good[at] ^= 1;
	}
	write_file("snapshot/50.mdb", good, len - 1);
	assert_restore_refused(ST_CORRUPT);
	write_file("snapshot/50.mdb", good, len + 1);	/* load_file() put a NUL there */
	assert_restore_refused(ST_CORRUPT);
	write_file("snapshot/50.mdb", good, len);
	write_file("snapshot/50.sum", sum, sum_len - 1);
	assert_restore_refused(ST_CORRUPT);
	sum[3] = 'g';
	write_file("snapshot/50.sum", sum, sum_len);
	assert_restore_refused(ST_CORRUPT);
	remove_file("snapshot/50.sum");
	assert_restore_refused(ST_CORRUPT);
	remove_file("snapshot/50.mdb");
	assert_restore_refused(ST_NOTFOUND);
	free(good);
	free(sum);
}

/* The sum is over chunks: a copy of more than one of them. */
static void
test_snapshot_large(void **state)
{
	static char value[1500];
	size_t len;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	struct store *store = open_writer();
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 1600, value), ST_OK);
	assert_int_equal(store_snapshot_write(store, 1600), ST_OK);
	uint8_t *good = load_file("snapshot/1600.mdb", &len);
	assert_true(len > (2u << 20));
	assert_int_equal(store_state_restore(store, 1600), ST_OK);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 1600);
	good[100] ^= 1;		/* in the first chunk: it must reach the last sum */
	write_file("snapshot/1600.mdb", good, len);
	assert_int_equal(store_state_restore(store, 1600), ST_CORRUPT);
	free(good);
	store_close(store, true);
}

static void
test_snapshot_without_space(void **state)
{
	struct store_params params = params_of(false);
	struct store *store;
	uint64_t size;

	(void)state;
	params.low_space_bytes = UINT64_MAX;
	assert_int_equal(store_open(&params, &store), ST_OK);
	assert_int_equal(store_snapshot_write(store, 1), ST_FULL);
	store_close(store, true);

	store = open_writer();
	assert_int_equal(put_rows(store, TABLE_MEMBER, 0, 2000, "some value of a member"), ST_OK);
	limit_files(20000);
	enum status st = store_snapshot_write(store, 2000);
	limit_files(RLIM_INFINITY);
	assert_true(st == ST_FULL || st == ST_IO);
	assert_false(exists("snapshot/2000.mdb.tmp"));
	assert_int_equal(store_snapshot_find(store, UINT64_MAX, &size), ST_NOTFOUND);
	store_close(store, true);
}

struct beside { struct store *store; enum status st; uint32_t until; };

static void *
write_beside(void *arg)
{
	struct beside *b = arg;

	b->st = ST_OK;
	for (uint32_t i = 0; i < b->until && b->st == ST_OK; i += 10)
		b->st = put_rows(b->store, TABLE_MEMBER, i, i + 10, "m");
	return NULL;
}

static void
test_snapshot_beside_the_writer(void **state)
{
	pthread_t thread;

	(void)state;
	struct store *store = open_writer();
	struct beside b = { .store = store, .until = 5000 };
	assert_int_equal(pthread_create(&thread, NULL, write_beside, &b), 0);
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(store_snapshot_write(store, i), ST_OK);
	pthread_join(thread, NULL);
	assert_int_equal(b.st, ST_OK);
	assert_int_equal(rows_of(store, TABLE_MEMBER), 5000);
	for (uint64_t i = 4; i <= 5; i++) {
		assert_int_equal(store_state_restore(store, i), ST_OK);
		assert_int_equal(rows_of(store, TABLE_MEMBER) % 10, 0);	/* whole commits only */
	}
	store_close(store, true);
}

/* ---- head ---- */

static void
test_head(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 10, UINT64_C(12345678901234), UINT64_MAX };
	struct store_head head, got;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_head_read(store, &got), ST_NOTFOUND);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		head.size = sizes[i];
		for (size_t j = 0; j < SHA256_BYTES; j++)
			head.root[j] = (uint8_t)(j * 8 + i);
		assert_int_equal(store_head_write(store, &head), ST_OK);
		assert_int_equal(store_head_read(store, &got), ST_OK);
		assert_int_equal(got.size, head.size);
		assert_memory_equal(got.root, head.root, SHA256_BYTES);
	}
	limit_files(10);
	assert_int_equal(store_head_write(store, &(struct store_head){ .size = 5 }), ST_FULL);
	limit_files(RLIM_INFINITY);
	assert_int_equal(store_head_read(store, &got), ST_OK);		/* the old one, whole */
	assert_int_equal(got.size, UINT64_MAX);
	store_close(store, true);
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void
test_head_strict(void **state)
{
	static const struct { const char *text; enum status want; } cases[] = {
		{ "7 " HEX "\n", ST_OK }, { "0 " HEX "\n", ST_OK }, { "18446744073709551615 " HEX "\n", ST_OK },
		{ "", ST_CORRUPT }, { "\n", ST_CORRUPT }, { "7", ST_CORRUPT }, { "7 ", ST_CORRUPT }, { "7 " HEX, ST_CORRUPT },
		{ "7 " HEX "\n\n", ST_CORRUPT }, { "7 " HEX "0\n", ST_CORRUPT }, { "7  " HEX "\n", ST_CORRUPT },
		{ " 7 " HEX "\n", ST_CORRUPT }, { "+7 " HEX "\n", ST_CORRUPT }, { "-7 " HEX "\n", ST_CORRUPT }, { "07 " HEX "\n", ST_CORRUPT },
		{ "18446744073709551616 " HEX "\n", ST_CORRUPT }, { "0x7 " HEX "\n", ST_CORRUPT },
		{ "7 " "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" "\n", ST_CORRUPT },
		{ "7 " "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff" "\n", ST_CORRUPT },
		{ "18446744073709551615 " HEX "\nand more than fits", ST_CORRUPT },
	};
	struct store_head got;

	(void)state;
	struct store *store = open_writer();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file("../head.lock", cases[i].text, strlen(cases[i].text));
		assert_int_equal(store_head_read(store, &got), cases[i].want);
	}
	assert_int_equal(got.size, UINT64_MAX);		/* of the last good one */
	assert_int_equal(got.root[1], 0x11);
	write_file("../head.lock", "7 \0garbage", 10);
	assert_int_equal(store_head_read(store, &got), ST_CORRUPT);
	store_close(store, true);
	store = open_as(BOOT_A, true);
	assert_int_equal(store_head_read(store, &got), ST_NOTFOUND);	/* it was told no path */
	store_close(store, true);
}

#define LOSS "kept 7 " HEX "\nlost 9 " HEX "\nby operator/kim\nreason disk_lost\n"

static void
test_loss_strict(void **state)
{
	static const struct { const char *text; enum status want; } cases[] = {
		{ LOSS, ST_OK }, { "", ST_CORRUPT }, { LOSS " ", ST_CORRUPT }, { LOSS LOSS, ST_CORRUPT }, { " " LOSS, ST_CORRUPT },
		{ "kept +7 " HEX "\nlost 9 " HEX "\nby operator/kim\nreason disk_lost\n", ST_CORRUPT },
		{ "kept 7 " HEX " lost 9 " HEX "\nby operator/kim\nreason disk_lost\n", ST_CORRUPT },
		{ "kept 7 " HEX "00\nlost 9 " HEX "\nby operator/kim\nreason disk_lost\n", ST_CORRUPT },
		{ "kept 7 " HEX "\nlost 9 001122\nby operator/kim\nreason disk_lost\n", ST_CORRUPT },
		{ "kept 7 " HEX "\nlost 9 " HEX "\nby operator/kim\nreason \n", ST_CORRUPT },
		{ "kept 7 " HEX "\nlost 9 " HEX "\nby operator/kim\nreason disk_lost", ST_CORRUPT },
	};
	struct store_loss got;

	(void)state;
	struct store *store = open_writer();
	assert_int_equal(store_loss_read(store, &got), ST_NOTFOUND);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file("loss.accepted", cases[i].text, strlen(cases[i].text));
		assert_int_equal(store_loss_read(store, &got), cases[i].want);
	}
	assert_int_equal(got.kept.size, 7);		/* of the good one */
	assert_int_equal(got.lost.size, 9);
	assert_string_equal(got.principal, "operator/kim");
	assert_string_equal(got.reason, "disk_lost");
	assert_int_equal(store_loss_remove(store), ST_OK);
	assert_int_equal(store_loss_remove(store), ST_OK);
	assert_int_equal(store_loss_read(store, &got), ST_NOTFOUND);
	store_close(store, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_grows_page_by_page),
		STORE_TEST(test_grows_up_to_its_map),
		STORE_TEST(test_mark),
		STORE_TEST(test_power_loss),
		STORE_TEST(test_mark_that_is_no_mark),
		STORE_TEST(test_state_unusable),
		STORE_TEST(test_snapshots),
		STORE_TEST(test_snapshot_of_nothing),
		STORE_TEST(test_snapshot_damaged),
		STORE_TEST(test_snapshot_large),
		STORE_TEST(test_snapshot_without_space),
		STORE_TEST(test_snapshot_beside_the_writer),
		STORE_TEST(test_head),
		STORE_TEST(test_head_strict),
		STORE_TEST(test_loss_strict),
	};
	return cmocka_run_group_tests_name("store_state", tests, world_init, world_release);
}
