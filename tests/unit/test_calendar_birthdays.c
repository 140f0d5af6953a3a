/* Which members have a birthday on a day of the year: what the vault knew at start and what was entered since, each member once. */
#include "ledger_world.h"

#include <stdio.h>
#include <string.h>

#include "service/calendar.h"

struct fixture {
	struct ledger_world w;
	struct vault *vault;
	struct calendar *calendar;
};

static int
setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	ledger_world_init(&f->w, true);
	world_open(&f->w);
	assert_int_equal(vault_new(f->w.store, f->w.keys, f->w.keys_path, &f->vault), ST_OK);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	calendar_free(f->calendar);
	vault_free(f->vault);
	ledger_world_release(&f->w);
	test_free(f);
	return 0;
}

/* A profile with dates "MM-DD MM-DD …", in the vault. */
static void
put(struct fixture *f, uint32_t program, uint64_t member, const char *dates)
{
	static uint64_t seq = 1;
	struct profile p;

	vault_profile_init(&p);
	for (const char *d = dates; *d != '\0'; d += d[5] == ' ' ? 6 : 5) {
		char one[6] = { 0 };
		memcpy(one, d, 5);
		assert_true(month_day_parse(one, &p.dates[p.n_dates].month, &p.dates[p.n_dates].day));
		p.n_dates++;
	}
	assert_int_equal(vault_put_profile(f->vault, program, member, seq++, &p), ST_OK);
	assert_int_equal(vault_write_additions(f->vault), ST_OK);
	assert_int_equal(vault_write_removals(f->vault), ST_OK);
}

static void
start(struct fixture *f)
{
	assert_int_equal(calendar_new(f->vault, &f->calendar), ST_OK);
}

/* "1 2 3" */
static void
assert_day(struct fixture *f, uint32_t program, int month, int day, const char *want)
{
	const uint64_t *members;
	char got[256] = "";
	size_t n, len = 0;

	assert_int_equal(calendar_on(f->calendar, program, month, day, &members, &n), ST_OK);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%llu", i == 0 ? "" : " ", (unsigned long long)members[i]);
	assert_string_equal(got, want);
}

static void
an_empty_vault_has_no_birthdays(void **state)
{
	struct fixture *f = *state;

	start(f);
	for (int month = 1; month <= 12; month++)
		for (int day = 1; day <= 31; day++)
			assert_day(f, 1, month, day, "");
	assert_day(f, 0, 1, 1, "");
	assert_day(f, 99, 1, 1, "");
	assert_true(calendar_ready(f->calendar));
}

static void
the_vault_is_read_at_start(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 9, "03-10");
	put(f, 1, 2, "03-10");
	put(f, 2, 5, "03-10");
	put(f, 1, 3, "12-31 01-01"); /* a changed date: both are listed, the profile says which counts */
	put(f, 1, 4, "");
	start(f);
	assert_day(f, 1, 3, 10, "2 9");
	assert_day(f, 2, 3, 10, "5");
	assert_day(f, 1, 12, 31, "3");
	assert_day(f, 1, 1, 1, "3");
	assert_day(f, 1, 3, 11, "");
}

/* 29 February is a day of its own here; who asks for the days beside it asks for it, too. */
static void
leap_days_are_days(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 1, "02-28");
	put(f, 1, 2, "02-29");
	put(f, 1, 3, "03-01");
	start(f);
	assert_day(f, 1, 2, 28, "1");
	assert_day(f, 1, 2, 29, "2");
	assert_day(f, 1, 3, 1, "3");
	assert_int_equal(calendar_add(f->calendar, 1, 4, 2, 29), ST_OK);
	assert_day(f, 1, 2, 29, "2 4");
}

static void
a_member_is_listed_once(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 5, "06-20");
	start(f);
	for (int i = 0; i < 3; i++) { /* while the vault is read perhaps, and after it */
		assert_int_equal(calendar_add(f->calendar, 1, 5, 6, 20), ST_OK);
		assert_int_equal(calendar_add(f->calendar, 1, 3, 6, 20), ST_OK);
		assert_int_equal(calendar_add(f->calendar, 1, 7, 6, 20), ST_OK);
		assert_day(f, 1, 6, 20, "3 5 7");
	}
}

/* Adding does not wait for the reading thread, and what it added is there whichever of them was first. */
static void
what_is_added_while_it_reads_is_kept(void **state)
{
	struct fixture *f = *state;

	for (uint64_t m = 1; m <= 200; m++)
		put(f, 1, m, "07-01");
	start(f);
	for (uint64_t m = 201; m <= 400; m++)
		assert_int_equal(calendar_add(f->calendar, (uint32_t)(m % 3 + 1), m, 7, 1), ST_OK);
	const uint64_t *members;
	size_t n, total = 0;
	for (uint32_t program = 1; program <= 3; program++) {
		assert_int_equal(calendar_on(f->calendar, program, 7, 1, &members, &n), ST_OK);
		for (size_t i = 1; i < n; i++)
			assert_true(members[i - 1] < members[i]);
		total += n;
	}
	assert_int_equal(total, 400);
}

static void
it_ends_while_it_reads(void **state)
{
	struct fixture *f = *state;

	for (uint64_t m = 1; m <= 200; m++)
		put(f, 1, m, "07-01");
	for (int i = 0; i < 20; i++) {
		start(f);
		if (i % 2 == 0)
			assert_int_equal(calendar_add(f->calendar, 1, 1, 1, 1), ST_OK);
		calendar_free(f->calendar);
		f->calendar = NULL;
	}
}

static void
a_damaged_vault_is_told(void **state)
{
	struct fixture *f = *state;
	struct store_txn *txn;
	const uint64_t *members;
	uint8_t key[20] = { 0 };
	size_t n;

	put(f, 1, 1, "07-01");
	put_be32(key, 1);
	put_be64(key + 4, 2);
	assert_int_equal(store_write(f->w.store, STORE_VAULT, &txn), ST_OK);
	store_put(txn, TABLE_PERSON, bytes_of(key, sizeof(key)), bytes_of("no sealed row", 13));
	assert_int_equal(store_commit(txn), ST_OK);
	start(f);
	assert_int_equal(calendar_on(f->calendar, 1, 7, 1, &members, &n), ST_CORRUPT);
	assert_int_equal(calendar_add(f->calendar, 1, 1, 1, 1), ST_CORRUPT);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(an_empty_vault_has_no_birthdays),
		TEST(the_vault_is_read_at_start),
		TEST(leap_days_are_days),
		TEST(a_member_is_listed_once),
		TEST(what_is_added_while_it_reads_is_kept),
		TEST(it_ends_while_it_reads),
		TEST(a_damaged_vault_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
