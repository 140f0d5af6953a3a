/* The store's files as the disk has them: all rows, in chunks, beside a writer, and around whatever is damaged. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_world.h"

#define ROWS 1000
#define PAGE 4096

struct seen {
	unsigned times[2 * ROWS];		/* each row */
	uint64_t below;				/* the newest seq and one: they must rise */
	size_t n_faults, bytes;
	struct store_disk_fault faults[64];
	bool direct;
};

static void
on_row(void *ctx, struct bytes key, struct bytes value)
{
	struct seen *s = ctx;

	if (key.len != 8 || get_be64(key.data) >= 2 * ROWS)
		return;				/* a key that rotted */
	uint64_t seq = get_be64(key.data);
	assert_true(seq >= s->below);
	assert_true(value.len == 0 || value.data[value.len - 1] <= 0xff);	/* all of it is there to be read */
	s->below = seq + 1;
	s->times[seq]++;
}

static void
on_fault(void *ctx, const struct store_disk_fault *fault)
{
	struct seen *s = ctx;

	assert_true(fault->env == STORE_LEDGER && !fault->unreadable);
	if (s->n_faults < sizeof(s->faults) / sizeof(s->faults[0]))
		s->faults[s->n_faults++] = *fault;
}

/* All of it, ${chunk} bytes at a time; between two chunks ${between}, unless it is NULL. */
static void
read_table(struct store *store, size_t chunk, void (*between)(struct store *store), struct seen *ret)
{
	const struct store_disk_visit visit = { ret, on_row, on_fault };
	struct store_key from = { .len = 0 };
	struct store_disk_read read;
	struct store_disk *disk;
	size_t rounds = 0;

	memset(ret, 0, sizeof(*ret));
	assert_int_equal(store_disk_open(store, STORE_LEDGER, &disk), ST_OK);
	do {
		assert_int_equal(store_disk_read(disk, TABLE_TRANSACTION, &from, chunk, &visit, &read), ST_OK);
		assert_true(read.done || read.next.len > 0);
		from = read.next;
		ret->bytes += read.bytes;
		ret->direct = read.direct;
		if (between != NULL && !read.done)
			between(store);
		assert_true(++rounds < 10000);
	} while (!read.done);
	store_disk_close(disk);
}

static struct store *
open_filled(void)
{
	struct store *store = open_writer();

	for (uint64_t seq = 0; seq < ROWS; seq += 10)
		assert_int_equal(append_rows(store, seq, seq + 10, seq % 100 == 0 ? 9000 : 300), ST_OK);
	return store;
}

static void
test_all_rows_in_chunks(void **state)
{
	static const size_t chunks[] = { 1, 4096, 40000, SIZE_MAX / 4 };
	struct store *store = open_filled();
	static struct seen seen;
	size_t len;

	(void)state;
	free(load_file("ledger/data.mdb", &len));
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		read_table(store, chunks[i], NULL, &seen);
		for (size_t seq = 0; seq < ROWS; seq++)
			assert_int_equal(seen.times[seq], 1);
		assert_int_equal(seen.n_faults, 0);
		if (chunks[i] >= 40000)
			assert_true(seen.bytes < 3 * len);	/* no page twice, but for those above the leaves */
	}
	store_close(store, true);
}

static uint64_t appended;

static void
append_more(struct store *store)
{
	if (appended < 2 * ROWS)
		assert_int_equal(append_rows(store, appended, appended + 2, 300), ST_OK);
	appended += 2;
}

static void
test_beside_a_writer(void **state)
{
	struct store *store = open_filled();
	static struct seen seen;

	(void)state;
	appended = ROWS;
	read_table(store, 4096, append_more, &seen);
	for (size_t seq = 0; seq < ROWS; seq++)
		assert_int_equal(seen.times[seq], 1);
	assert_int_equal(seen.n_faults, 0);
	assert_true(appended > ROWS + 20);
	store_close(store, true);
}

static void
flip(size_t at, uint8_t with)
{
	char path[PATH_BYTES];
	uint8_t byte;

	path_in(path, "ledger/data.mdb");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= with;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static bool
covers(const struct seen *seen, uint64_t seq)
{
	uint8_t key[8];

	put_be64(key, seq);
	for (size_t i = 0; i < seen->n_faults; i++) {
		const struct store_disk_fault *f = &seen->faults[i];
		bool from = f->from.len == 0 || memcmp(f->from.data, key, 8) <= 0;
		bool before = f->before.len == 0 || memcmp(f->before.data, key, f->before.len < 8 ? f->before.len : 8) >= 0;
		if (from && before)
			return true;
	}
	return false;
}

/* Each page by itself loses its number: what was on it is named, and all the rest comes. */
static void
test_around_each_page(void **state)
{
	struct store *store = open_filled();
	static struct seen seen;
	size_t len, found = 0;

	(void)state;
	free(load_file("ledger/data.mdb", &len));
	for (size_t page = 2; page < len / PAGE; page++) {
		flip(page * PAGE + 1, 0x40);
		read_table(store, 65536, NULL, &seen);
		size_t missing = 0;
		for (uint64_t seq = 0; seq < ROWS; seq++) {
			missing += seen.times[seq] == 0;
			assert_true(seen.times[seq] == 1 || covers(&seen, seq) || (seen.n_faults > 0 && seen.faults[0].part == STORE_PART_TABLES));
		}
		assert_true((missing > 0) == (seen.n_faults > 0));
		found += missing > 0;
		flip(page * PAGE + 1, 0x40);
	}
	print_message("  %zu of %zu pages hold rows\n", found, len / PAGE);
	assert_true(found > 50);
	read_table(store, 65536, NULL, &seen);
	assert_int_equal(seen.n_faults, 0);
	store_close(store, true);
}

static void
on_no_row(void *ctx, struct bytes key, struct bytes value)
{
	(void)ctx;
	(void)key;
	(void)value;
	fail();
}

static void
assert_head_is_told(struct store_disk *disk, uint64_t page)
{
	static struct seen seen;
	const struct store_disk_visit visit = { &seen, on_no_row, on_fault };
	struct store_disk_read read;

	seen.n_faults = 0;
	assert_int_equal(store_disk_structure(disk, &visit, &read), ST_OK);
	assert_true(read.done);
	assert_int_equal(seen.n_faults, 1);
	assert_int_equal(seen.faults[0].part, STORE_PART_META);
	assert_int_equal(seen.faults[0].page, page);
}

/* More pages than any file of ours can have: LMDB begins no transaction, and what is damaged is told all the same. */
static void
test_a_head_beyond_the_map(void **state)
{
	struct store *store = open_filled();
	struct store_disk *before, *disk;
	struct store_txn *txn;
	static struct seen seen;
	size_t len;

	(void)state;
	for (int round = 0; round < 2; round++) {		/* each meta page is the newest once */
		uint8_t *file = load_file("ledger/data.mdb", &len);
		uint64_t ids[2], page;
		memcpy(&ids[0], file + 144, 8);
		memcpy(&ids[1], file + PAGE + 144, 8);
		free(file);
		page = ids[1] > ids[0];
		assert_int_equal(store_disk_open(store, STORE_LEDGER, &before), ST_OK);
		flip(page * PAGE + 141, 0x40);
		assert_int_equal(store_read(store, STORE_LEDGER, &txn), ST_CORRUPT);
		assert_head_is_told(before, page);
		assert_int_equal(store_disk_open(store, STORE_LEDGER, &disk), ST_OK);
		assert_head_is_told(disk, page);
		store_disk_close(disk);
		flip(page * PAGE + 141, 0x40);
		store_disk_close(before);
		read_table(store, 65536, NULL, &seen);
		assert_int_equal(seen.n_faults, 0);
		assert_int_equal(append_rows(store, ROWS + (uint64_t)round, ROWS + (uint64_t)round + 1, 10), ST_OK);
	}
	store_close(store, true);
}

/* Any byte: the walk ends, and says something or finds all rows. */
static void
test_any_byte(void **state)
{
	struct store *store = open_filled();
	static struct seen seen;
	uint32_t x = 1;
	size_t len, found = 0;

	(void)state;
	free(load_file("ledger/data.mdb", &len));
	for (int round = 0; round < 2000; round++) {
		const struct store_disk_visit visit = { &seen, on_no_row, on_fault };
		struct store_disk_read read;
		struct store_disk *disk;

		x = x * 1664525 + 1013904223;
		size_t at = round % 2 == 0 ? x % len : (x / 64 % (len / PAGE)) * PAGE + x % 64;
		uint8_t with = (uint8_t)(1 << (x >> 29));
		flip(at, with);
		read_table(store, 65536, NULL, &seen);
		bool rows = seen.n_faults > 0;
		assert_int_equal(store_disk_open(store, STORE_LEDGER, &disk), ST_OK);
		seen.n_faults = 0;
		assert_int_equal(store_disk_structure(disk, &visit, &read), ST_OK);
		found += rows || seen.n_faults > 0;
		store_disk_close(disk);
		flip(at, with);
	}
	print_message("  %zu of 2000 were told\n", found);
	assert_true(found > 100);
	store_close(store, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_all_rows_in_chunks),
		STORE_TEST(test_beside_a_writer),
		STORE_TEST(test_around_each_page),
		STORE_TEST(test_a_head_beyond_the_map),
		STORE_TEST(test_any_byte),
	};
	return cmocka_run_group_tests_name("store_disk", tests, world_init, world_release);
}
