/* Who is who, and what a crash between two of a batch's steps leaves: nobody may lose an alias or a profile that was durable before. */
#include "ledger_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/vault.h"

#define ALIAS "card:8801-very-personal"
#define SEGMENT "a-segment-of-people"

struct fixture {
	struct ledger_world w;
	struct vault *vault;
	struct arena arena;
};

static void
open_vault(struct fixture *f)
{
	f->w.store = NULL;
	world_open(&f->w);
	assert_int_equal(vault_new(f->w.store, f->w.keys, f->w.keys_path, &f->vault), ST_OK);
}

static int
setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	ledger_world_init(&f->w, true);
	arena_init(&f->arena, (size_t)64 * 1024 * 1024);
	open_vault(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	vault_free(f->vault);
	arena_release(&f->arena);
	ledger_world_release(&f->w);
	test_free(f);
	return 0;
}

/* What is in memory is gone; the ledger has ${size} transactions. */
static void
crash(struct fixture *f, uint64_t size)
{
	vault_free(f->vault);
	world_close(&f->w, false);
	open_vault(f);
	assert_int_equal(vault_recover(f->vault, size), ST_OK);
}

static void
assert_alias(struct fixture *f, const char *alias, uint64_t want)
{
	struct store_txn *txn;
	uint64_t writer = 0, reader = 0;

	assert_int_equal(vault_find(f->vault, 1, alias, &writer), want == 0 ? ST_NOTFOUND : ST_OK);
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(vault_lookup(f->vault, txn, 1, alias, &reader), want == 0 ? ST_NOTFOUND : ST_OK);
	store_abort(txn);
	if (want != 0) {
		assert_int_equal(writer, want);
		assert_int_equal(reader, want);
	}
}

static struct profile
profile_of(const char *segment, int month, int day)
{
	struct profile p;

	vault_profile_init(&p);
	p.n_segments = 1;
	p.segments[0] = segment;
	p.n_dates = 1;
	p.dates[0] = (struct birthday_date){ month, day, 20000 };
	return p;
}

/* The stored one and the writer's: a segment, or NULL for no profile. */
static void
assert_profile(struct fixture *f, uint64_t member, const char *segment)
{
	struct profile a, b;
	struct store_txn *txn;

	assert_int_equal(vault_profile(f->vault, 1, member, &f->arena, &a), segment == NULL ? ST_NOTFOUND : ST_OK);
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(vault_read(f->vault, txn, 1, member, &f->arena, &b), segment == NULL ? ST_NOTFOUND : ST_OK);
	store_abort(txn);
	if (segment != NULL) {
		assert_string_equal(a.segments[0], segment);
		assert_string_equal(b.segments[0], segment);
		assert_memory_equal(a.key, b.key, sizeof(a.key));
	}
}

static uint64_t
rows(struct fixture *f, enum store_table table)
{
	struct store_txn *txn;

	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	uint64_t n = store_rows(txn, table);
	store_abort(txn);
	return n;
}

static void
commit(struct fixture *f)
{
	assert_int_equal(vault_write_additions(f->vault), ST_OK);
	assert_int_equal(vault_write_removals(f->vault), ST_OK);
	assert_false(vault_changed(f->vault));
}

/* Member 1 has alias "a" and a profile "old", durable since transaction 5. */
static void
one_member(struct fixture *f)
{
	struct profile p = profile_of("old", 3, 1);

	assert_int_equal(vault_link(f->vault, 1, "a", 1, 5), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 1, 5, &p), ST_OK);
	commit(f);
	assert_alias(f, "a", 1);
	assert_profile(f, 1, "old");
}

static void
a_batch_is_seen_by_its_writer_only(void **state)
{
	struct fixture *f = *state;
	struct store_txn *txn;
	uint64_t member;

	assert_false(vault_changed(f->vault));
	assert_int_equal(vault_link(f->vault, 1, "a", 1, 5), ST_OK);
	assert_true(vault_changed(f->vault));
	assert_int_equal(vault_find(f->vault, 1, "a", &member), ST_OK);
	assert_int_equal(vault_find(f->vault, 2, "a", &member), ST_NOTFOUND);
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(vault_lookup(f->vault, txn, 1, "a", &member), ST_NOTFOUND);
	store_abort(txn);
	vault_discard(f->vault);
	assert_false(vault_changed(f->vault));
	assert_int_equal(vault_find(f->vault, 1, "a", &member), ST_NOTFOUND);
}

static void
links_profiles_and_unlinks_last(void **state)
{
	struct fixture *f = *state;
	struct profile p = profile_of("new", 3, 2);

	one_member(f);
	crash(f, 6);
	assert_alias(f, "a", 1);
	assert_profile(f, 1, "old");
	assert_int_equal(vault_unlink(f->vault, 1, "a", 6), ST_OK);
	assert_int_equal(vault_link(f->vault, 1, "b", 1, 6), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 1, 6, &p), ST_OK);
	commit(f);
	crash(f, 7);
	assert_alias(f, "a", 0);
	assert_alias(f, "b", 1);
	assert_profile(f, 1, "new");
	assert_int_equal(rows(f, TABLE_PERSON), 1);
	assert_int_equal(rows(f, TABLE_ALIAS), 1);
}

/* Of ${n} aliases "m1", ..., of which some are linked: the writer's, and what is stored. */
static void
assert_many(struct fixture *f, const uint64_t *writers, const uint64_t *stored, size_t n)
{
	char text[STORE_MANY][16];
	const char *aliases[STORE_MANY];
	uint64_t members[STORE_MANY];
	struct store_txn *txn;

	for (size_t i = 0; i < n; i++) {
		snprintf(text[i], sizeof(text[i]), "m%zu", i);
		aliases[i] = text[i];
	}
	for (int again = 0; again < 2; again++) {		/* what is known the second time is the same */
		assert_int_equal(vault_find_many(f->vault, 1, aliases, n, members), ST_OK);
		assert_memory_equal(members, writers, n * sizeof(*members));
	}
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(vault_find(f->vault, 1, aliases[i], &members[0]), writers[i] == 0 ? ST_NOTFOUND : ST_OK);
		assert_true(writers[i] == 0 || members[0] == writers[i]);
	}
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(vault_lookup_many(f->vault, txn, 1, aliases, n, members), ST_OK);
	assert_memory_equal(members, stored, n * sizeof(*members));
	store_abort(txn);
	assert_int_equal(vault_find_many(f->vault, 2, aliases, n, members), ST_OK);		/* of another program: nobody */
	for (size_t i = 0; i < n; i++)
		assert_int_equal(members[i], 0);
}

static void
many_are_found_as_each_is(void **state)
{
	struct fixture *f = *state;
	uint64_t writers[STORE_MANY] = { 0 }, stored[STORE_MANY] = { 0 };
	char alias[16];

	for (size_t i = 0; i < STORE_MANY; i += 2) {
		snprintf(alias, sizeof(alias), "m%zu", i);
		assert_int_equal(vault_link(f->vault, 1, alias, 100 + i, 5), ST_OK);
		writers[i] = 100 + i;
	}
	assert_many(f, writers, stored, STORE_MANY);
	commit(f);
	memcpy(stored, writers, sizeof(stored));
	assert_many(f, writers, stored, STORE_MANY);
	crash(f, 6);
	assert_many(f, writers, stored, STORE_MANY);

	/* one goes, one comes, one is somebody else's: for the writer at once, whether it knew them or not */
	for (int known = 0; known < 2; known++) {
		if (!known)
			crash(f, 6);
		assert_int_equal(vault_unlink(f->vault, 1, "m2", 6), ST_OK);
		assert_int_equal(vault_link(f->vault, 1, "m3", 7, 6), ST_OK);
		assert_int_equal(vault_unlink(f->vault, 1, "m4", 6), ST_OK);
		assert_int_equal(vault_link(f->vault, 1, "m4", 8, 6), ST_OK);
		writers[2] = 0;
		writers[3] = 7;
		writers[4] = 8;
		assert_many(f, writers, stored, 5);
		vault_discard(f->vault);
		memcpy(writers, stored, sizeof(writers));
		assert_many(f, writers, stored, STORE_MANY);
	}
	assert_many(f, writers, stored, 1);
	assert_many(f, writers, stored, 0);
}

/* Several changes of one member in one batch, some in one transaction. */
static void
the_last_change_of_a_batch_counts(void **state)
{
	struct fixture *f = *state;
	struct profile one = profile_of("one", 1, 1), two = profile_of("two", 1, 2), three = profile_of("three", 1, 3);

	one_member(f);
	assert_int_equal(vault_put_profile(f->vault, 1, 1, 6, &one), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 1, 6, &two), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 1, 7, &three), ST_OK);
	assert_int_equal(vault_link(f->vault, 1, "b", 1, 6), ST_OK);
	assert_int_equal(vault_unlink(f->vault, 1, "b", 7), ST_OK);
	commit(f);
	assert_profile(f, 1, "three");
	assert_alias(f, "b", 0);
	assert_alias(f, "a", 1);
	assert_int_equal(rows(f, TABLE_PERSON), 1);
	assert_int_equal(rows(f, TABLE_ALIAS), 1);
}

/* ---- a crash between two steps, for each kind of change ---- */

enum { BEFORE_ADDITIONS, BEFORE_LEDGER, BEFORE_REMOVALS, AFTER_ALL, STEPS };

/* The batch is transactions 6 and 7; after the ledger's commit its size is 8. */
static uint64_t
go_until(struct fixture *f, int step)
{
	if (step >= BEFORE_LEDGER)
		assert_int_equal(vault_write_additions(f->vault), ST_OK);
	if (step == AFTER_ALL)
		assert_int_equal(vault_write_removals(f->vault), ST_OK);
	return step >= BEFORE_REMOVALS ? 8 : 6;
}

static void
start_again(struct fixture *f)
{
	vault_free(f->vault);
	world_close(&f->w, true);
	remove(f->w.head_lock);
	ledger_world_release(&f->w);
	ledger_world_init(&f->w, true);
	open_vault(f);
}

static void
a_profile_survives_every_crash(void **state)
{
	struct fixture *f = *state;

	for (int step = 0; step < STEPS; step++) {
		struct profile p = profile_of("new", 3, 2);
		one_member(f);
		assert_int_equal(vault_put_profile(f->vault, 1, 1, 6, &p), ST_OK);
		uint64_t size = go_until(f, step);
		crash(f, size);
		assert_profile(f, 1, size == 8 ? "new" : "old");
		assert_int_equal(rows(f, TABLE_PERSON), 1);
		/* The ledger goes on without the vault, and is opened again: the same seqs are others' now. */
		crash(f, 100);
		assert_profile(f, 1, size == 8 ? "new" : "old");
		assert_alias(f, "a", 1);
		start_again(f);
	}
}

static void
an_alias_survives_every_crash(void **state)
{
	struct fixture *f = *state;

	for (int step = 0; step < STEPS; step++) {
		one_member(f);
		assert_int_equal(vault_unlink(f->vault, 1, "a", 6), ST_OK);
		assert_int_equal(vault_link(f->vault, 1, "new", 2, 7), ST_OK);
		uint64_t size = go_until(f, step);
		crash(f, size);
		assert_alias(f, "a", size == 8 ? 0 : 1);
		assert_alias(f, "new", size == 8 ? 2 : 0);
		crash(f, 100);
		assert_alias(f, "a", size == 8 ? 0 : 1);
		start_again(f);
	}
}

/* Unlinked and linked anew within a batch: its one row is replaced before the ledger's commit. */
static void
an_alias_that_moves_survives_every_crash(void **state)
{
	struct fixture *f = *state;

	for (int step = 0; step < STEPS; step++) {
		one_member(f);
		assert_int_equal(vault_unlink(f->vault, 1, "a", 6), ST_OK);
		assert_int_equal(vault_link(f->vault, 1, "a", 2, 7), ST_OK);
		uint64_t size = go_until(f, step);
		crash(f, size);
		assert_alias(f, "a", size == 8 ? 2 : 1);
		crash(f, 100);
		assert_alias(f, "a", size == 8 ? 2 : 1);
		start_again(f);
	}
}

/* Rows of the batch and stored ones, and nobody else's; what a crash leaves is finished or taken back. */
static void
who_is_forgotten_is_gone_whatever_crashes(void **state)
{
	struct fixture *f = *state;
	struct profile one = profile_of("one", 3, 1), two = profile_of("two", 4, 1), other = profile_of("other", 5, 1);

	assert_int_equal(vault_put_profile(f->vault, 1, 7, 1, &one), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 8, 1, &other), ST_OK);
	assert_int_equal(vault_link(f->vault, 1, ALIAS, 7, 1), ST_OK);
	assert_int_equal(vault_write_additions(f->vault), ST_OK);
	assert_int_equal(vault_write_removals(f->vault), ST_OK);

	for (int committed = 0; committed < 2; committed++) {
		struct profile got;

		assert_int_equal(vault_put_profile(f->vault, 1, 7, 2, &two), ST_OK);
		assert_int_equal(vault_unlink(f->vault, 1, ALIAS, 3), ST_OK);
		assert_int_equal(vault_forget(f->vault, 1, 7, 3), ST_OK);
		assert_int_equal(vault_profile(f->vault, 1, 7, &f->arena, &got), ST_NOTFOUND);
		assert_int_equal(vault_write_additions(f->vault), ST_OK);
		crash(f, committed ? 4 : 2);		/* before the ledger's commit all is as it was */
		assert_profile(f, 7, committed ? NULL : "one");
		assert_alias(f, ALIAS, committed ? 0 : 7);
		assert_profile(f, 8, "other");
	}
	assert_int_equal(rows(f, TABLE_PERSON), 1);
	assert_int_equal(vault_forget(f->vault, 1, 7, 5), ST_OK);		/* there is nothing to forget */
	assert_false(vault_changed(f->vault));
	vault_discard(f->vault);
}

static void
an_undone_batch_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	struct profile p = profile_of("new", 3, 2);

	one_member(f);
	assert_int_equal(vault_put_profile(f->vault, 1, 1, 6, &p), ST_OK);
	assert_int_equal(vault_unlink(f->vault, 1, "a", 6), ST_OK);
	assert_int_equal(vault_link(f->vault, 1, "a", 2, 7), ST_OK);
	assert_int_equal(vault_link(f->vault, 1, "c", 3, 7), ST_OK);
	assert_int_equal(vault_write_additions(f->vault), ST_OK);
	assert_int_equal(vault_undo(f->vault), ST_OK);
	assert_false(vault_changed(f->vault));
	for (int i = 0; i < 2; i++) {
		assert_alias(f, "a", 1);
		assert_alias(f, "c", 0);
		assert_profile(f, 1, "old");
		assert_int_equal(rows(f, TABLE_PERSON), 1);
		crash(f, 100); /* other transactions took 6 and 7 */
	}
}

/* Undoing, and removing, need space of their own: what fails is kept, seen as it will be, and finished later or by the next start. */
static void
what_is_owed_is_settled_later(void **state)
{
	struct fixture *f = *state;

	for (int crashed = 0; crashed < 2; crashed++) {
		for (int undo = 0; undo < 2; undo++) {
			one_member(f);
			assert_int_equal(vault_unlink(f->vault, 1, "a", 6), ST_OK);
			assert_int_equal(vault_link(f->vault, 1, "b", 2, 6), ST_OK);
			assert_int_equal(vault_write_additions(f->vault), ST_OK);
			world_break(&f->w, "vault", false);
			assert_int_equal(undo ? vault_undo(f->vault) : vault_write_removals(f->vault), ST_FULL);
			assert_int_equal(vault_settle(f->vault), ST_FULL);
			vault_discard(f->vault); /* the end of a batch that had nothing to write */
			assert_true(vault_changed(f->vault));
			world_mend(&f->w);
			if (crashed)
				crash(f, undo ? 6 : 7);
			else
				assert_int_equal(vault_settle(f->vault), ST_OK);
			assert_false(vault_changed(f->vault));
			assert_alias(f, "a", undo ? 1 : 0);
			assert_alias(f, "b", undo ? 0 : 2);
			assert_int_equal(rows(f, TABLE_VAULT_META), 0);
			start_again(f);
		}
	}
}

static void
recovery_is_done_once(void **state)
{
	struct fixture *f = *state;

	one_member(f);
	assert_int_equal(vault_link(f->vault, 1, "b", 2, 6), ST_OK);
	assert_int_equal(vault_write_additions(f->vault), ST_OK);
	crash(f, 6);
	assert_alias(f, "b", 0);
	assert_int_equal(rows(f, TABLE_VAULT_META), 0);
	crash(f, 6);
	assert_alias(f, "a", 1);
}

/* ---- what the files tell ---- */

static bool
file_has(const char *path, const char *needle)
{
	FILE *in = fopen(path, "rb");
	static char data[4 * 1024 * 1024];

	assert_non_null(in);
	size_t n = fread(data, 1, sizeof(data), in);
	fclose(in);
	assert_true(n > 0 && n < sizeof(data));
	return memmem(data, n, needle, strlen(needle)) != NULL;
}

static void
sealed_rows_tell_nothing(void **state)
{
	struct fixture *f = *state;
	struct profile p = profile_of(SEGMENT, 12, 31);
	char path[160];

	p.n_aliases = 1;
	p.aliases[0] = ALIAS;
	assert_int_equal(vault_link(f->vault, 1, ALIAS, 1, 5), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 1, 5, &p), ST_OK);
	commit(f);
	assert_alias(f, ALIAS, 1);
	snprintf(path, sizeof(path), "%s/vault/1/data.mdb", f->w.data);
	assert_true(file_has(path, "person")); /* the right file: a table's name */
	assert_false(file_has(path, ALIAS));
	assert_false(file_has(path, SEGMENT));
	assert_false(file_has(path, "12-31"));

	vault_free(f->vault);
	assert_int_equal(keys_create(strcat(strcpy(path, f->w.keys_path), "2")), ST_OK);
	struct keys *others;
	const char *bad;
	uint64_t member;
	assert_int_equal(keys_load(path, &others, &bad), ST_OK);
	assert_int_equal(vault_new(f->w.store, others, path, &f->vault), ST_OK);
	assert_int_equal(vault_find(f->vault, 1, ALIAS, &member), ST_NOTFOUND); /* the hash is keyed */
	assert_int_equal(vault_profile(f->vault, 1, 1, &f->arena, &p), ST_CORRUPT);
	vault_free(f->vault);
	keys_free(others);
	assert_int_equal(vault_new(f->w.store, f->w.keys, f->w.keys_path, &f->vault), ST_OK);
}

/* A row moved to another key, or another member's, does not open. */
static void
a_row_is_bound_to_its_key(void **state)
{
	struct fixture *f = *state;
	struct profile p = profile_of("two", 1, 1);
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value;
	uint8_t row[512], other[20];
	uint64_t member;

	one_member(f);
	assert_int_equal(vault_link(f->vault, 1, "b", 2, 6), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 2, 6, &p), ST_OK);
	commit(f);
	assert_int_equal(store_write(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(store_cursor_open(txn, TABLE_ALIAS, bytes_of(NULL, 0), &cursor), ST_OK);
	uint8_t hashes[2][32], values[2][128];
	size_t len = 0;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_cursor_next(cursor, &key, &value), ST_OK);
		memcpy(hashes[i], key.data, 32);
		memcpy(values[i], value.data, value.len);
		len = value.len;
	}
	store_cursor_close(cursor);
	store_put(txn, TABLE_ALIAS, bytes_of(hashes[0], 32), bytes_of(values[1], len));
	put_be32(other, 1);
	put_be64(other + 4, 2);
	put_be64(other + 12, 6);
	assert_int_equal(store_get(txn, TABLE_PERSON, bytes_of(other, 20), &value), ST_OK);
	assert_true(value.len < sizeof(row));
	memcpy(row, value.data, value.len);
	len = value.len;
	put_be64(other + 4, 1);
	store_put(txn, TABLE_PERSON, bytes_of(other, 20), bytes_of(row, len));
	assert_int_equal(store_commit(txn), ST_OK);
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);	/* not the writer, who has opened them before */
	enum status a = vault_lookup(f->vault, txn, 1, "a", &member), b = vault_lookup(f->vault, txn, 1, "b", &member);
	store_abort(txn);
	assert_true((a == ST_CORRUPT) != (b == ST_CORRUPT));
	assert_int_equal(vault_profile(f->vault, 1, 1, &f->arena, &p), ST_CORRUPT);
}

struct birthdays {
	unsigned n;
	uint64_t members;
};

static bool
count(void *ctx, uint32_t program, uint64_t member, const struct birthday_date *date)
{
	struct birthdays *b = ctx;

	assert_true(program == 1 && date->month == (int)member && date->day == 10);
	b->n++;
	b->members += member;
	return b->n < 4;
}

static void
every_birthday_is_visited(void **state)
{
	struct fixture *f = *state;
	struct birthdays b = { 0, 0 };

	for (int i = 1; i <= 3; i++) {
		struct profile p = profile_of("s", i, 10);
		assert_int_equal(vault_put_profile(f->vault, 1, (uint64_t)i, 5, &p), ST_OK);
	}
	commit(f);
	assert_int_equal(vault_each_birthday(f->vault, count, &b), ST_OK);
	assert_true(b.n == 3 && b.members == 6);
	for (int i = 4; i <= 12; i++) {
		struct profile p = profile_of("s", i, 10);
		assert_int_equal(vault_put_profile(f->vault, 1, (uint64_t)i, 6, &p), ST_OK);
	}
	commit(f);
	b.n = 0;
	assert_int_equal(vault_each_birthday(f->vault, count, &b), ST_OK);
	assert_int_equal(b.n, 4); /* stopped */
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_batch_is_seen_by_its_writer_only),
		TEST(links_profiles_and_unlinks_last),
		TEST(many_are_found_as_each_is),
		TEST(the_last_change_of_a_batch_counts),
		TEST(a_profile_survives_every_crash),
		TEST(an_alias_survives_every_crash),
		TEST(an_alias_that_moves_survives_every_crash),
		TEST(who_is_forgotten_is_gone_whatever_crashes),
		TEST(an_undone_batch_leaves_no_trace),
		TEST(what_is_owed_is_settled_later),
		TEST(recovery_is_done_once),
		TEST(sealed_rows_tell_nothing),
		TEST(a_row_is_bound_to_its_key),
		TEST(every_birthday_is_visited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
