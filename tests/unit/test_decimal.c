/* Decimals: what is accepted, what it is worth at a scale, and how it is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "ledger/decimal.h"

static void
parse_takes(void **state)
{
	static const struct { const char *text; int64_t mantissa; unsigned digits; } cases[] = {
		{ "0", 0, 0 },
		{ "4", 4, 0 },
		{ "4.00", 400, 2 },
		{ "-12.5", -125, 1 },
		{ "-0.05", -5, 2 },
		{ "-0", 0, 0 },
		{ "007.10", 710, 2 },
		{ "0000000000000000000000000000001", 1, 0 },
		{ "0.000000000000000001", 1, 18 },
		{ "9223372036854775807", INT64_MAX, 0 },
		{ "-9223372036854775808", INT64_MIN, 0 },
		{ "9.223372036854775807", INT64_MAX, 18 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct decimal d;
		assert_true(decimal_parse(cases[i].text, &d));
		assert_int_equal(d.mantissa, cases[i].mantissa);
		assert_int_equal(d.digits, cases[i].digits);
	}
}

static void
parse_refuses(void **state)
{
	static const char *const cases[] = {
		"", "-", "+1", " 1", "1 ", ".", ".5", "5.", "-.5", "1.2.3", "1,5", "1e3", "0x10", "--1", "1-", "١",
		"9223372036854775808", "-9223372036854775809", "9.223372036854775808", "0.0000000000000000001", "1.0000000000000000000",
		"99999999999999999999999999", "nan", "1\n",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct decimal d = { 42, 7 };
		if (decimal_parse(cases[i], &d))
			fail_msg("took \"%s\"", cases[i]);
		assert_int_equal(d.mantissa, 42);
		assert_int_equal(d.digits, 7);
	}
}

static void
scale_is_exact(void **state)
{
	static const struct { struct decimal d; unsigned scale; enum decimal_result want; int64_t value; } cases[] = {
		{ { 4, 0 }, 2, DECIMAL_OK, 400 },
		{ { 400, 2 }, 2, DECIMAL_OK, 400 },
		{ { -125, 1 }, 3, DECIMAL_OK, -12500 },
		{ { 400, 2 }, 1, DECIMAL_SURPLUS_DIGITS, 0 },		/* "4.00" at scale 1, zeros or not */
		{ { 0, 3 }, 2, DECIMAL_SURPLUS_DIGITS, 0 },
		{ { 0, 0 }, 400, DECIMAL_OK, 0 },
		{ { INT64_MAX, 0 }, 0, DECIMAL_OK, INT64_MAX },
		{ { INT64_MAX, 0 }, 1, DECIMAL_OVERFLOW, 0 },
		{ { INT64_MIN, 0 }, 1, DECIMAL_OVERFLOW, 0 },
		{ { 922337203685477580, 0 }, 1, DECIMAL_OK, 9223372036854775800 },
		{ { 922337203685477581, 0 }, 1, DECIMAL_OVERFLOW, 0 },
		{ { 1, 0 }, 18, DECIMAL_OK, 1000000000000000000 },
		{ { 1, 0 }, 19, DECIMAL_OVERFLOW, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t value = 77;
		assert_int_equal(decimal_scale(cases[i].d, cases[i].scale, &value), cases[i].want);
		assert_int_equal(value, cases[i].want == DECIMAL_OK ? cases[i].value : 77);
	}
}

static void
format_shows_all_digits(void **state)
{
	static const struct { int64_t value; unsigned scale; const char *want; } cases[] = {
		{ 413, 2, "4.13" }, { 0, 2, "0.00" }, { 0, 0, "0" }, { -5, 1, "-0.5" }, { -5, 0, "-5" }, { 7, 3, "0.007" },
		{ -100, 2, "-1.00" },
		{ INT64_MAX, 0, "9223372036854775807" },
		{ INT64_MIN, 0, "-9223372036854775808" },
		{ INT64_MIN, 18, "-9.223372036854775808" },
		{ INT64_MIN, 2, "-92233720368547758.08" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[DECIMAL_TEXT_BYTES];
		assert_ptr_equal(decimal_format(cases[i].value, cases[i].scale, text), text);
		assert_string_equal(text, cases[i].want);
	}
}

static void
format_then_parse_is_identity(void **state)
{
	static const int64_t values[] = { 0, 1, -1, 99, -100, 123456789, INT64_MAX, INT64_MIN, INT64_MIN + 1 };
	(void)state;

	for (unsigned scale = 0; scale <= DECIMAL_DIGITS_MAX; scale++) {
		for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
			char text[DECIMAL_TEXT_BYTES];
			struct decimal d;
			int64_t value;
			assert_true(decimal_parse(decimal_format(values[i], scale, text), &d));
			assert_int_equal(d.digits, scale);
			assert_int_equal(decimal_scale(d, scale, &value), DECIMAL_OK);
			assert_int_equal(value, values[i]);
		}
	}
}

static void
rest_is_exact(void **state)
{
	static const struct { struct decimal whole, parts[3]; bool want[3]; } cases[] = {
		{ { 1000, 0 }, { { 6005, 1 }, { 3995, 1 }, { 0, 18 } }, { true, true, true } },
		{ { 1000, 0 }, { { 6005, 1 }, { 39950000000000001, 14 }, { 3995, 1 } }, { true, false, true } },
		{ { 0, 2 }, { { 1, 18 }, { 0, 0 }, { 1, 0 } }, { false, true, false } },
		{ { 1, 18 }, { { 1, 18 }, { 1, 18 }, { 0, 0 } }, { true, false, true } },
		{ { INT64_MAX, 0 }, { { INT64_MAX, 0 }, { 1, 18 }, { 0, 0 } }, { true, false, true } },
		{ { 1, 0 }, { { INT64_MAX, 0 }, { 1, 0 }, { INT64_MAX, 0 } }, { false, true, false } },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		decimal_rest rest = decimal_rest_of(cases[i].whole);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(decimal_rest_take(&rest, cases[i].parts[k]), cases[i].want[k]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_takes),
		cmocka_unit_test(parse_refuses),
		cmocka_unit_test(scale_is_exact),
		cmocka_unit_test(rest_is_exact),
		cmocka_unit_test(format_shows_all_digits),
		cmocka_unit_test(format_then_parse_is_identity),
	};

	return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
