/* Terminals: their names, and what is said of their numbers; against a model that keeps a set of all numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ledger/terminal.h"

/* ---- names ---- */

static void
test_names(void **state)
{
	static const struct { const char *text, *store, *terminal; } cases[] = {	/* store NULL: no name */
		{ "07", "", "07" }, { "0042/07", "0042", "07" }, { "pos/0042/07", "0042", "07" }, { "pos/07", "pos", "07" },
		{ "", NULL, NULL }, { "/", NULL, NULL }, { "a/", NULL, NULL }, { "/a", NULL, NULL }, { "a/b/c", NULL, NULL }, { "pos/", NULL, NULL },
		{ "pos/a/", NULL, NULL }, { "pos//b", NULL, NULL }, { "pos/a/b/c", NULL, NULL },
		{ "1234567890123456789012345678901234567890123456789012345678901234", "", "1234567890123456789012345678901234567890123456789012345678901234" },
		{ "12345678901234567890123456789012345678901234567890123456789012345", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct terminal_name name;
		bool ok = terminal_name_parse(cases[i].text, &name);
		if (ok != (cases[i].store != NULL))
			fail_msg("%s", cases[i].text);
		if (!ok)
			continue;
		assert_string_equal(name.store, cases[i].store);
		assert_string_equal(name.terminal, cases[i].terminal);
	}
}

static void
test_where_a_command_comes_from(void **state)
{
	static const struct { const char *principal, *store, *terminal, *want; bool is; } cases[] = {
		{ "pos/0042/07", NULL, NULL, "0042/07", true }, { "pos/0042/07", "0042", "07", "0042/07", true },
		{ "pos/0042/07", NULL, NULL, "07", true }, { "pos/0042/07", NULL, NULL, "0042/08", false },
		{ "pos/0042/07", NULL, NULL, "0043/07", false }, { "backend/b", NULL, NULL, "07", false },
		{ "backend/b", "0042", "07", "0042/07", true }, { "backend/b", NULL, "07", "0042/07", false },
		{ "simulate", NULL, "07", "07", true }, { NULL, NULL, NULL, "07", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cmd cmd = { .principal = cases[i].principal, .store = cases[i].store, .terminal = cases[i].terminal };
		struct terminal_name from, want;
		terminal_of_command(&cmd, &from);
		assert_true(terminal_name_parse(cases[i].want, &want));
		if (terminal_is(&want, &from) != cases[i].is)
			fail_msg("case %zu", i);
	}
}

/* ---- ranges ---- */

static void
test_ranges(void **state)
{
	struct seq_range all[LEDGER_REFUSED_MAX];
	const struct seq_range a[] = { { 1, 2 }, { 7, 7 } }, b[] = { { 3, 3 }, { 5, 8 }, { 10, 12 } };

	(void)state;
	assert_true(seq_ranges_valid(a, 2, 8) && !seq_ranges_valid(a, 2, 7) && seq_ranges_valid(NULL, 0, 0));
	assert_false(seq_ranges_valid((struct seq_range[]){ { 0, 1 } }, 1, 9));
	assert_false(seq_ranges_valid((struct seq_range[]){ { 3, 2 } }, 1, 9));
	assert_false(seq_ranges_valid((struct seq_range[]){ { 1, 3 }, { 3, 4 } }, 2, 9));
	size_t n = seq_ranges_join(a, 2, b, 3, all);
	assert_int_equal(n, 3);
	assert_memory_equal(all, ((struct seq_range[]){ { 1, 3 }, { 5, 8 }, { 10, 12 } }), sizeof(*all) * 3);
	n = seq_ranges_below(all, n, 11);
	assert_true(n == 3 && all[2].last == 10);
	n = seq_ranges_below(all, n, 5);
	assert_true(n == 1 && all[0].last == 3);
	struct seq_range many[LEDGER_REFUSED_MAX];
	for (size_t i = 0; i < LEDGER_REFUSED_MAX; i++)
		many[i] = (struct seq_range){ 10 * (i + 1), 10 * (i + 1) };
	n = seq_ranges_join(many, LEDGER_REFUSED_MAX, &(struct seq_range){ 5, 5 }, 1, all);
	assert_true(n == LEDGER_REFUSED_MAX && all[0].first == 10);	/* the lowest went */
}

/* ---- the sequence, against a model ---- */

#define NUMBERS 400
enum fate { UNSEEN, THERE, REFUSED };
struct model { enum fate fate[NUMBERS + 1]; uint64_t last, repeats; };

static uint64_t dice = 88172645463325252u;
static uint64_t
roll(uint64_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % n;
}

static uint64_t
model_missing(const struct model *m, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	for (uint64_t i = from; i <= to; i++)
		n += m->fate[i] == UNSEEN;
	return n;
}

static struct terminal_note
model_take(struct model *m, uint64_t seq, const struct seq_range *refused, size_t n)
{
	struct terminal_note note = { 0 };

	for (size_t i = 0; i < n; i++) {
		for (uint64_t s = refused[i].first; s <= refused[i].last; s++)
			m->fate[s] = m->fate[s] == UNSEEN ? REFUSED : m->fate[s];
	}
	if (seq > m->last) {
		note.gap = model_missing(m, m->last + 1, seq - 1);
		m->last = seq;
		m->fate[seq] = THERE;
	} else if (m->fate[seq] == UNSEEN) {
		m->fate[seq] = THERE;
	} else {
		note.repeat = true;
		m->repeats++;
	}
	return note;
}

static void
check_row(const struct terminal_state *t, const struct model *m)
{
	assert_int_equal(t->last, m->last);
	assert_int_equal(t->repeats, m->repeats);
	assert_int_equal(terminal_missing(t), model_missing(m, 1, m->last));
	for (size_t i = 0; i < t->n_gaps; i++) {
		assert_true(t->gaps[i].first <= t->gaps[i].last && t->gaps[i].last < t->last && (i == 0 || t->gaps[i].first > t->gaps[i - 1].last + 1));
		assert_int_equal(model_missing(m, t->gaps[i].first, t->gaps[i].last), t->gaps[i].last - t->gaps[i].first + 1);
	}
	struct terminal_state again;
	struct buf b;
	buf_init(&b);
	terminal_encode(t, &b);
	assert_int_equal(terminal_decode(buf_bytes(&b), &again), ST_OK);
	assert_int_equal(again.n_gaps, t->n_gaps);
	assert_memory_equal(again.gaps, t->gaps, t->n_gaps * sizeof(*t->gaps));
	assert_true(again.last == t->last && again.repeats == t->repeats && again.repeat_seq == t->repeat_seq && again.id.index == t->id.index);
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(terminal_decode(bytes_of(b.data, len), &again), ST_CORRUPT);
	buf_release(&b);
}

static size_t
any_refused(uint64_t seq, struct seq_range ret[static 4])
{
	size_t n = 0;
	uint64_t from = 1;

	for (uint64_t k = roll(4); k > 0 && from < seq; k--) {
		uint64_t first = seq > 12 && from < seq - 12 ? seq - 12 + roll(11) : from + roll(seq - from), last = first + roll(3);
		if (first < from || last >= seq)
			break;
		ret[n++] = (struct seq_range){ first, last };
		from = last + 2;
	}
	return n;
}

static void
test_sequences_against_a_model(void **state)
{
	(void)state;
	for (uint64_t life = 0; life < 300; life++) {
		struct terminal_state t = { 0 };
		struct model m = { .last = 0 };
		uint64_t step = 1 + roll(6);
		for (uint32_t i = 0; i < 80 && m.last < NUMBERS - 10; i++) {
			struct seq_range refused[4];
			uint64_t seq = roll(3) == 0 && m.last > 0 ? 1 + roll(m.last) : m.last + 1 + roll(step);
			struct entry e = { .terminal_seq = seq, .n_refused = any_refused(seq, refused), .refused = refused };
			struct terminal_note got, want = model_take(&m, seq, refused, e.n_refused);
			terminal_take(&t, &e, (struct entry_id){ life, i }, &got);
			assert_int_equal(got.gap, want.gap);
			assert_int_equal(got.repeat, want.repeat);
			if (t.forgotten == 0)
				check_row(&t, &m);
		}
	}
}

static void
test_more_gaps_than_there_is_room_for(void **state)
{
	struct terminal_state t = { 0 };
	struct terminal_note note;

	(void)state;
	for (uint64_t i = 1; i <= 100; i++)
		terminal_take(&t, &(struct entry){ .terminal_seq = 2 * i }, (struct entry_id){ i, 0 }, &note);
	assert_int_equal(t.n_gaps, TERMINAL_GAPS_MAX);
	assert_int_equal(terminal_missing(&t), 100);
	assert_int_equal(t.forgotten, 100 - TERMINAL_GAPS_MAX);
	terminal_take(&t, &(struct entry){ .terminal_seq = 1 }, (struct entry_id){ 101, 0 }, &note);
	assert_true(note.repeat);				/* its gap is forgotten */
	terminal_take(&t, &(struct entry){ .terminal_seq = 199 }, (struct entry_id){ 102, 0 }, &note);
	assert_false(note.repeat);
	assert_int_equal(terminal_missing(&t), 99);
}

static void
test_the_largest_numbers(void **state)
{
	struct terminal_state t = { 0 };
	struct terminal_note note;

	(void)state;
	terminal_take(&t, &(struct entry){ .terminal_seq = UINT64_MAX }, (struct entry_id){ 1, 0 }, &note);
	assert_true(note.gap == UINT64_MAX - 1 && terminal_missing(&t) == UINT64_MAX - 1);
	terminal_take(&t, &(struct entry){ .terminal_seq = UINT64_MAX }, (struct entry_id){ 2, 0 }, &note);
	assert_true(note.repeat && note.gap == 0);
	struct seq_range refused = { 1, UINT64_MAX - 2 };
	terminal_take(&t, &(struct entry){ .terminal_seq = UINT64_MAX - 1, .n_refused = 1, .refused = &refused }, (struct entry_id){ 3, 0 }, &note);
	assert_true(!note.repeat && terminal_missing(&t) == 0);
}

static void
test_rows_that_are_none(void **state)
{
	static const struct { const char *name; uint8_t bytes[24]; size_t len; } cases[] = {
		{ "a gap that reaches the last number", { 5, 1, 0, 0, 0, 1, 2, 5 }, 8 },
		{ "gaps that fall", { 9, 1, 0, 0, 0, 2, 5, 6, 2, 3 }, 10 },
		{ "a gap of zero", { 9, 1, 0, 0, 0, 1, 0, 3 }, 8 },
		{ "too many gaps", { 9, 1, 0, 0, 0, 65 }, 6 },
		{ "a byte too many", { 5, 1, 0, 0, 0, 0, 0 }, 7 },
	};
	struct terminal_state t;

	(void)state;
	assert_int_equal(terminal_decode(bytes_of((const uint8_t[]){ 5, 1, 0, 0, 0, 1, 2, 4 }, 8), &t), ST_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (terminal_decode(bytes_of(cases[i].bytes, cases[i].len), &t) != ST_CORRUPT)
			fail_msg("%s", cases[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_where_a_command_comes_from),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_sequences_against_a_model),
		cmocka_unit_test(test_more_gaps_than_there_is_room_for),
		cmocka_unit_test(test_the_largest_numbers),
		cmocka_unit_test(test_rows_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
