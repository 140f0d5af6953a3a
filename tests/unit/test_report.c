/* The formulas of reports: exact prices, IFRS 15, quintiles, BG/NBD. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/fealty/report_math.h"

#define N(a) (sizeof(a) / sizeof(*(a)))

static void
ratios_are_exact(void **state)
{
	static const struct { const char *text; bool ok; int64_t num, den; } cases[] = {
		{ "1", true, 1, 1 }, { "0", true, 0, 1 }, { "2/3", true, 2, 3 }, { "4/6", true, 2, 3 }, { "0.66", true, 33, 50 },
		{ "1/1.5", true, 2, 3 }, { "0.5/0.25", true, 2, 1 }, { "9223372036854775807", true, INT64_MAX, 1 },
		{ "2/0", false, 0, 0 }, { "2/-3", false, 0, 0 }, { "2/", false, 0, 0 }, { "/3", false, 0, 0 }, { "", false, 0, 0 },
		{ "1/2/3", false, 0, 0 }, { "2 / 3", false, 0, 0 }, { "a", false, 0, 0 }, { "9223372036854775807/0.1", false, 0, 0 },
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		struct ratio r = { 7, 7 };
		if (ratio_parse(cases[i].text, &r) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		assert_int_equal(r.num, cases[i].ok ? cases[i].num : 7);
		assert_int_equal(r.den, cases[i].ok ? cases[i].den : 7);
	}
}

static void
sums_are_rounded_once_and_down(void **state)
{
	static const struct ratio two_thirds = { 2, 3 }, third = { 1, 3 }, half = { 1, 2 };
	struct money_sum sum = MONEY_ZERO;
	int64_t money;
	(void)state;

	assert_true(money_add(&sum, 1, two_thirds));		/* each alone would be 0 */
	assert_true(money_add(&sum, 1, two_thirds));
	assert_true(money_floor(&sum, &money));
	assert_int_equal(money, 1);
	assert_true(money_add(&sum, 5, half));			/* 4/3 + 5/2 = 23/6 */
	assert_true(money_floor(&sum, &money));
	assert_int_equal(money, 3);
	assert_true(money_add(&sum, -12, third));		/* -1/6 */
	assert_true(money_floor(&sum, &money));
	assert_int_equal(money, -1);
	assert_true(money_of_points(100, two_thirds, &money));
	assert_int_equal(money, 66);
	assert_true(money_of_points(-100, two_thirds, &money));
	assert_int_equal(money, -67);
	money = 5;
	assert_false(money_of_points(INT64_MAX, (struct ratio){ 2, 1 }, &money));
	assert_int_equal(money, 5);
}

static void
percents_round_a_half_up(void **state)
{
	static const struct { int64_t part, whole, want; bool ok; } cases[] = {
		{ 1, 3, 3333, true }, { 2, 3, 6667, true }, { 1, 1, 10000, true }, { 0, 9, 0, true }, { 1, 20000, 1, true }, { 1, 20001, 0, true },
		{ -1, 3, -3333, true }, { 5, 2, 25000, true }, { 1, 0, 0, false }, { 1, -2, 0, false },
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		int64_t got = 0;
		assert_int_equal(percent_hundredths(cases[i].part, cases[i].whole, &got), cases[i].ok);
		assert_int_equal(got, cases[i].want);
	}
}

/* Illustrative example 52 of the standard. */
static void
ifrs_example(void **state)
{
	static const struct ratio first = { 95, 100 }, second = { 97, 100 };
	int64_t part, recognised, later;
	(void)state;

	assert_true(ifrs_allocate(100000, 10000, first, &part));
	assert_int_equal(part, 8676);
	assert_int_equal(100000 - part, 91324);
	assert_true(ifrs_expected(4500, 5500, 10000, first, &later));
	assert_int_equal(later, 9500);
	assert_true(ifrs_recognised(part, 4500, 5500, 10000, first, &recognised));
	assert_int_equal(recognised, 4110);
	assert_true(ifrs_recognised(part, 8500, 1500, 10000, second, &later));
	assert_int_equal(later - recognised, 3493);
}

static void
ifrs_ends(void **state)
{
	static const struct ratio e = { 95, 100 }, none = { 0, 1 };
	static const struct { int64_t redeemed, open, kept, want; } cases[] = {
		{ 0, 10000, 10000, 0 },
		{ 9000, 0, 10000, 8676 },		/* 1 000 have expired, and nothing is open: all is revenue */
		{ 9800, 200, 10000, 8676 },		/* more than was expected */
		{ 9400, 50, 10000, 8630 },		/* at most 9 450 can be redeemed: 8 676 × 9 400 / 9 450 */
		{ 0, 0, 10000, 8676 },			/* all expired */
		{ 0, 0, 0, 8676 },
	};
	int64_t got;
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		assert_true(ifrs_recognised(8676, cases[i].redeemed, cases[i].open, cases[i].kept, e, &got));
		assert_int_equal(got, cases[i].want);
	}
	assert_true(ifrs_recognised(8676, 0, 100, 100, none, &got));
	assert_int_equal(got, 0);
	assert_true(ifrs_allocate(0, 0, e, &got));
	assert_int_equal(got, 0);
	assert_true(ifrs_allocate(0, 50, e, &got));		/* given away: there is no price to allocate */
	assert_int_equal(got, 0);
	assert_true(ifrs_allocate(1000, 0, e, &got));
	assert_int_equal(got, 0);
	assert_true(ifrs_allocate(1000, 50, none, &got));
	assert_int_equal(got, 0);
	assert_true(ifrs_allocate(1000000000000, 1000000000000, (struct ratio){ 999999999, 1000000007 }, &got));
	assert_int_equal(got, 499999998000);
}

static void
quintiles(void **state)
{
	static const struct { size_t n; int64_t values[12]; uint8_t want[12]; } cases[] = {
		{ 10, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, { 1, 1, 2, 2, 3, 3, 4, 4, 5, 5 } },
		{ 10, { 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 }, { 5, 5, 4, 4, 3, 3, 2, 2, 1, 1 } },
		{ 5, { 7, 7, 7, 7, 7 }, { 1, 1, 1, 1, 1 } },
		{ 5, { 1, 9, 9, 9, 9 }, { 1, 2, 2, 2, 2 } },			/* ties have the lowest of their ranks */
		{ 1, { 3 }, { 1 } },
		{ 3, { -5, 0, 5 }, { 1, 2, 4 } },
		{ 12, { 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3 }, { 1, 1, 1, 1, 1, 1, 3, 3, 3, 4, 5, 5 } },
		{ 0, { 0 }, { 0 } },
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		size_t order[12];
		uint8_t got[12] = { 0 };
		rfm_scores(cases[i].values, cases[i].n, order, got);
		assert_memory_equal(got, cases[i].want, sizeof(got));
	}
}

static void
segments_cover_the_grid(void **state)
{
	static const struct { unsigned r, f; const char *name; } cases[] = {
		{ 5, 5, "champions" }, { 5, 4, "champions" }, { 4, 5, "loyal" }, { 3, 4, "loyal" }, { 5, 1, "new" }, { 4, 1, "promising" },
		{ 5, 3, "potential_loyal" }, { 3, 3, "need_attention" }, { 3, 1, "about_to_sleep" }, { 2, 4, "at_risk" }, { 1, 5, "cannot_lose" },
		{ 1, 1, "hibernating" },
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++)
		assert_string_equal(rfm_segment(cases[i].r, cases[i].f), cases[i].name);
	for (size_t i = 0; i < RFM_SEGMENTS; i++) {
		bool found = false;
		for (unsigned k = 0; k < RFM_SCORES * RFM_SCORES; k++)
			found = found || strcmp(rfm_segment(1 + k / RFM_SCORES, 1 + k % RFM_SCORES), rfm_segment_name(i)) == 0;
		assert_true(found);
	}
}

static void
alive(void **state)
{
	static const struct bgnbd cdnow = { 0.243, 4.414, 0.793, 2.426 };
	static const struct { uint64_t x; double t_x, t, want; } cases[] = {
		{ 2, 30.43, 38.86, 0.7266 },
		{ 0, 0, 38.86, 1 },
		{ 1, 1.71, 38.86, 0.2121 },		/* bought once more, at once, and never again */
		{ 26, 30.86, 31.00, 0.9689 },
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		double got = bgnbd_p_alive(&cdnow, cases[i].x, cases[i].t_x, cases[i].t);
		if (got < cases[i].want - 0.00005 || got > cases[i].want + 0.00005)
			fail_msg("case %zu: %.6f", i, got);
	}
}

static void
parameters(void **state)
{
	static const char *const bad[] = {
		"", "1", "1,2,3", "1,2,3,", "1,2,3,4,5", "0,1,1,1", "1,1,1,-1", "1,1,1,x", "1, 1,1,1", "nan,1,1,1", "1.2.3,1,1,1", ".,1,1,1",
	};
	struct bgnbd p = { 9, 9, 9, 9 };
	(void)state;

	for (size_t i = 0; i < N(bad); i++)
		if (bgnbd_parse(bad[i], &p))
			fail_msg("took \"%s\"", bad[i]);
	assert_true(p.r > 8.9);
	assert_true(bgnbd_parse("0.243,4.414,0.793,2.426", &p));
	assert_true(p.r > 0.2429 && p.r < 0.2431 && p.b > 2.4259 && p.b < 2.4261);
}

static void
own_gaps(void **state)
{
	static const struct { uint64_t x; int64_t span, away; bool want; } cases[] = {
		{ 0, 0, 1000, false },			/* one purchase has no gap */
		{ 1, 30, 60, false }, { 1, 30, 61, true },
		{ 3, 30, 20, false }, { 3, 30, 21, true },
		{ 3, 31, 20, false },
		{ 3, 31, 21, true },			/* 31/3 × 2 = 20.67 */
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++)
		assert_int_equal(own_gap_over(cases[i].x, cases[i].span, cases[i].away), cases[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ratios_are_exact), cmocka_unit_test(sums_are_rounded_once_and_down), cmocka_unit_test(percents_round_a_half_up),
		cmocka_unit_test(ifrs_example), cmocka_unit_test(ifrs_ends), cmocka_unit_test(quintiles), cmocka_unit_test(segments_cover_the_grid),
		cmocka_unit_test(alive), cmocka_unit_test(parameters), cmocka_unit_test(own_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
