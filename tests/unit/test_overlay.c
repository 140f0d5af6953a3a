/* The records of a batch over those of state: found, marked once, and written in the order of their keys, as often as it takes. */
#include "ledger_world.h"

#include <stdio.h>
#include <string.h>

#include "apply/overlay.h"

#define BUDGET_BYTES ((size_t)256 * 1024 * 1024)

struct fixture {
	struct ledger_world w;
	struct overlay o;
};

static int
setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	ledger_world_init(&f->w, true);
	world_open(&f->w);
	overlay_init(&f->o, BUDGET_BYTES);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	overlay_release(&f->o);
	ledger_world_release(&f->w);
	test_free(f);
	return 0;
}

static struct bytes
text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void
write_out(struct fixture *f)
{
	struct store_txn *txn;

	assert_int_equal(store_write(f->w.store, STORE_STATE, &txn), ST_OK);
	assert_int_equal(overlay_write(&f->o, txn), ST_OK);
	assert_int_equal(store_commit(txn), ST_OK);
}

/* "instant/program/member[h]" of each row of TABLE_DUE. */
static void
assert_due(struct fixture *f, const char *want)
{
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value;
	uint8_t first[1] = { 0 };
	char got[512] = "";
	size_t len = 0;

	assert_int_equal(store_read(f->w.store, STORE_STATE, &txn), ST_OK);
	assert_int_equal(store_cursor_open(txn, TABLE_DUE, bytes_of(first, 1), &cursor), ST_OK);
	while (store_cursor_next(cursor, &key, &value) == ST_OK) {
		assert_int_equal(key.len, DUE_KEY_BYTES);
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%llu/%u/%llu%s", len == 0 ? "" : " ",
		    (unsigned long long)get_be64(key.data), get_be32(key.data + 8), (unsigned long long)get_be64(key.data + 12),
		    value.len > 0 ? "h" : "");
	}
	store_cursor_close(cursor);
	store_abort(txn);
	assert_string_equal(got, want);
}

static struct overlay_member *
add(struct fixture *f, uint32_t program, uint64_t number, int64_t due_at_us)
{
	struct overlay_member *m = overlay_add_member(&f->o, program, number);

	assert_non_null(m);
	m->m.due_at_us = due_at_us;
	overlay_mark_dirty(&f->o, m);
	return m;
}

static void
members_are_found_by_program_and_number(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 20000; n++)
		assert_non_null(overlay_add_member(&f->o, (uint32_t)(n % 3 + 1), n));
	for (uint64_t n = 1; n <= 20000; n++) {
		for (uint32_t program = 1; program <= 3; program++) {
			struct overlay_member *m = overlay_find_member(&f->o, program, n);
			assert_true((m != NULL) == (program == n % 3 + 1));
			assert_true(
			    m == NULL || (m->m.number == n && m->m.program == program && !m->dirty && m->m.due_at_us == INSTANT_NEVER));
		}
	}
	overlay_reset(&f->o);
	assert_null(overlay_find_member(&f->o, 2, 1));
}

static void
a_stored_member_is_loaded_clean_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct overlay_member *m;
	struct buf record;

	struct overlay_member *stored = add(f, 2, 5, 1234);
	struct lot lot = { 20000, LOT_EARNED, 70 };
	stored->m.available = 70;
	stored->m.lots = &lot;
	stored->m.n_lots = 1;
	stored->m.birthday_paid = DAY_NONE;
	buf_init(&record);
	member_encode(&stored->m, &record);
	assert_int_equal(overlay_load_member(&f->o, 1, 9, buf_bytes(&record), &m), ST_OK);
	assert_ptr_equal(overlay_find_member(&f->o, 1, 9), m);
	assert_true(!m->dirty && m->m.program == 1 && m->m.number == 9 && m->m.available == 70 && m->stored_due_us == 1234);
	assert_int_equal(f->o.n_members, 2);
	for (size_t len = 0; len < record.len; len++)
		assert_int_equal(overlay_load_member(&f->o, 1, 10, bytes_of(record.data, len), &m), ST_CORRUPT);
	assert_null(overlay_find_member(&f->o, 1, 10));		/* else the next command would take half a record for one */
	assert_int_equal(f->o.n_members, 2);
	buf_release(&record);
}

static void
a_member_is_dirty_once(void **state)
{
	struct fixture *f = *state;
	struct overlay_member *m = add(f, 1, 7, INSTANT_NEVER);

	overlay_mark_dirty(&f->o, m);
	overlay_mark_dirty(&f->o, add(f, 1, 8, INSTANT_NEVER));
	assert_int_equal(f->o.n_dirty, 2);
	assert_ptr_equal(f->o.dirty->next_dirty, m);
	assert_null(m->next_dirty);
}

static void
a_row_is_replaced_not_doubled(void **state)
{
	struct fixture *f = *state;
	char changing[] = "one";

	assert_int_equal(overlay_put_row(&f->o, TABLE_META, text("a"), text(changing)), ST_OK);
	changing[0] = 'X'; /* it was copied */
	assert_int_equal(overlay_put_row(&f->o, TABLE_TILE, text("a"), text("tile")), ST_OK);
	assert_true(bytes_equal(overlay_find_row(&f->o, TABLE_META, text("a"))->value, text("one")));
	assert_int_equal(overlay_put_row(&f->o, TABLE_META, text("a"), text("two")), ST_OK);
	assert_int_equal(f->o.n_rows, 2);
	assert_true(bytes_equal(overlay_find_row(&f->o, TABLE_META, text("a"))->value, text("two")));
	assert_true(bytes_equal(overlay_find_row(&f->o, TABLE_TILE, text("a"))->value, text("tile")));
	assert_null(overlay_find_row(&f->o, TABLE_META, text("b")));
	assert_null(overlay_find_row(&f->o, TABLE_REQUEST, text("a")));
}

/* apply_reference() relies on it. */
static void
equal_request_ids_share_a_bucket(void **state)
{
	static const char one[] = "key\0pos/1/1", other[] = "key\0backend/app", prefix[] = "key";
	struct fixture *f = *state;
	unsigned n = 0;

	assert_int_equal(overlay_put_row(&f->o, TABLE_REQUEST, bytes_of(one, sizeof(one) - 1), text("1")), ST_OK);
	assert_int_equal(overlay_put_row(&f->o, TABLE_REQUEST, bytes_of(other, sizeof(other) - 1), text("2")), ST_OK);
	for (struct overlay_row *r = overlay_bucket(&f->o, TABLE_REQUEST, bytes_of(prefix, sizeof(prefix))); r != NULL; r = r->next)
		n++;
	assert_int_equal(n, 2);
}

static void
writes_are_sorted_and_can_be_repeated(void **state)
{
	struct fixture *f = *state;
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value;
	uint64_t last = 0, n = 0;

	for (uint64_t i = 0; i < 500; i++)
		add(f, 1, i * 7919 % 503 + 1, INSTANT_NEVER);
	size_t used = f->o.arena.used_bytes;
	for (int i = 0; i < 100; i++)
		write_out(f);
	assert_int_equal(f->o.arena.used_bytes, used); /* a full disk makes it try again and again */

	assert_int_equal(store_read(f->w.store, STORE_STATE, &txn), ST_OK);
	assert_int_equal(store_cursor_open(txn, TABLE_MEMBER, bytes_of("", 1), &cursor), ST_OK);
	for (; store_cursor_next(cursor, &key, &value) == ST_OK; n++) {
		assert_int_equal(get_be32(key.data), 1);
		assert_true(get_be64(key.data + 4) > last);
		last = get_be64(key.data + 4);
	}
	store_cursor_close(cursor);
	store_abort(txn);
	assert_int_equal(n, 500);
}

static void
due_rows_follow_the_record(void **state)
{
	struct fixture *f = *state;

	add(f, 2, 1, 300);
	add(f, 1, 9, 300);
	add(f, 1, 2, INSTANT_NEVER);
	add(f, 1, 1, 100);
	write_out(f);
	assert_due(f, "100/1/1 300/1/9 300/2/1");

	overlay_reset(&f->o);
	struct overlay_member *moved = add(f, 1, 9, 400), *ended = add(f, 1, 1, INSTANT_NEVER), *same = add(f, 2, 1, 300);
	moved->stored_due_us = same->stored_due_us = 300;
	ended->stored_due_us = 100;
	write_out(f);
	assert_due(f, "300/2/1 400/1/9");
}

static void
a_due_row_says_whether_a_hold_ends(void **state)
{
	struct fixture *f = *state;
	struct lot lot = { DAY_NEVER, LOT_EARNED, 5 };
	struct hold hold = { .id = { 3, 0 }, .ends_at_us = 300, .n_lots = 1, .cap_lots = 1, .lots = &lot };

	struct overlay_member *m = add(f, 1, 1, 300);
	m->m.holds = &hold;
	m->m.n_holds = m->m.cap_holds = 1;
	m->m.held = 5;
	add(f, 1, 2, 300);
	write_out(f);
	assert_due(f, "300/1/1h 300/1/2");

	overlay_reset(&f->o); /* the hold is captured, and what ends at that instant is something else */
	m = add(f, 1, 1, 300);
	m->stored_due_us = 300;
	m->stored_hold = true;
	write_out(f);
	assert_due(f, "300/1/1 300/1/2");
}

static void
beyond_the_budget_is_no_memory(void **state)
{
	struct overlay small;
	char value[1024] = { 0 };
	enum status st = ST_OK;

	(void)state;
	overlay_init(&small, 64 * 1024);
	for (uint32_t i = 0; i < 100 && st == ST_OK; i++)
		st = overlay_put_row(&small, TABLE_META, bytes_of(&i, sizeof(i)), bytes_of(value, sizeof(value)));
	assert_int_equal(st, ST_NOMEM);
	for (struct overlay_member *m = NULL; (m = overlay_add_member(&small, 1, 1)) != NULL;)
		continue;
	overlay_release(&small);
}

#define MANY 40000

/* More than the first tables were made for, several times over; and again after a reset, which makes them small. */
static void
tables_grow_with_the_batch(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < MANY; i++) {
			uint32_t key = i * 7;
			assert_non_null(overlay_add_member(&f->o, 1 + i % 3, i));
			assert_int_equal(overlay_put_row(&f->o, i % 2 == 0 ? TABLE_HOLD : TABLE_FOLLOWUP, bytes_of(&key, sizeof(key)), bytes_of(&i, sizeof(i))), ST_OK);
		}
		assert_true(f->o.n_member_buckets >= MANY && f->o.n_row_buckets >= MANY);
		assert_int_equal(f->o.n_rows, MANY);
		for (uint32_t i = 0; i < MANY; i++) {
			uint32_t key = i * 7;
			const struct overlay_member *m = overlay_find_member(&f->o, 1 + i % 3, i);
			assert_non_null(m);
			assert_int_equal(m->m.number, i);
			assert_null(overlay_find_member(&f->o, 1 + (i + 1) % 3, i));
			const struct overlay_row *r = overlay_find_row(&f->o, i % 2 == 0 ? TABLE_HOLD : TABLE_FOLLOWUP, bytes_of(&key, sizeof(key)));
			assert_non_null(r);
			assert_memory_equal(r->value.data, &i, sizeof(i));
			assert_null(overlay_find_row(&f->o, i % 2 == 0 ? TABLE_FOLLOWUP : TABLE_HOLD, bytes_of(&key, sizeof(key))));
		}
		overlay_reset(&f->o);
		assert_int_equal(f->o.n_member_buckets, OVERLAY_BUCKETS);
		assert_null(overlay_find_member(&f->o, 1, 0));
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(members_are_found_by_program_and_number),
		TEST(a_stored_member_is_loaded_clean_or_not_at_all),
		TEST(a_member_is_dirty_once),
		TEST(a_row_is_replaced_not_doubled),
		TEST(equal_request_ids_share_a_bucket),
		TEST(writes_are_sorted_and_can_be_repeated),
		TEST(due_rows_follow_the_record),
		TEST(a_due_row_says_whether_a_hold_ends),
		TEST(beyond_the_budget_is_no_memory),
		TEST(tables_grow_with_the_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
