/* Codes of vouchers: known answers, which were computed apart from the header's description; and what a check symbol must notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apply/vouchers.h"

static const char symbols[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const uint8_t key[HASH_KEY_BYTES] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31 };

static const struct { const char *origin; uint32_t program; struct entry_id from; uint32_t n; const char *want; } known[] = {
	{ "points.example/1", 1, { 1, 0 }, 0, "T26E5-EF2T1A" },
	{ "points.example/1", 1, { 1, 0 }, 1, "MDET4-MCN5KX" },
	{ "points.example/1", 2, { 1, 0 }, 0, "SYP3T-7N445W" },
	{ "o", 7, { UINT64_C(1) << 40, 300 }, 2, "9FH1A-T5ZC25" },
	{ "o", 1, { 4, 0 }, 0, "TGXF5-8N3F42" },		/* of round 2 */
};

static void
known_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct voucher_coder coder = { key, known[i].origin, known[i].program };
		char code[VOUCHER_CODE_BYTES], read[VOUCHER_CODE_BYTES];

		voucher_code(&coder, known[i].from, known[i].n, code);
		assert_string_equal(code, known[i].want);
		assert_int_equal(voucher_code_read(code, read), CODE_READ);
		assert_string_equal(read, code);
	}
}

static void
another_key_or_place_gives_another_code(void **state)
{
	static const uint8_t other_key[HASH_KEY_BYTES] = { 1 };
	const struct voucher_coder coders[] = { { key, "o", 1 }, { other_key, "o", 1 }, { key, "p", 1 }, { key, "o", 2 } };
	const struct { struct entry_id from; uint32_t n; } places[] = { { { 1, 0 }, 0 }, { { 2, 0 }, 0 }, { { 1, 1 }, 0 }, { { 1, 0 }, 1 } };
	char codes[16][VOUCHER_CODE_BYTES];
	size_t n = 0;
	(void)state;

	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 4; k++, n++) {
			voucher_code(&coders[i], places[k].from, places[k].n, codes[n]);
			for (size_t j = 0; j < n; j++)
				assert_string_not_equal(codes[j], codes[n]);
		}
	}
}

/* In every code of some, every character as every other, and every two neighbours in each other's place. */
static void
any_single_mistake_is_noticed(void **state)
{
	struct voucher_coder coder = { key, "o", 1 };
	char code[VOUCHER_CODE_BYTES], wrong[VOUCHER_CODE_BYTES], read[VOUCHER_CODE_BYTES];
	(void)state;

	for (uint32_t n = 0; n < 500; n++) {
		voucher_code(&coder, (struct entry_id){ n, 0 }, n, code);
		for (size_t i = 0; i + 1 < VOUCHER_CODE_BYTES; i++) {
			if (code[i] == '-')
				continue;
			memcpy(wrong, code, sizeof(wrong));
			for (const char *s = symbols; *s != '\0'; s++) {
				wrong[i] = *s;
				assert_int_equal(voucher_code_read(wrong, read), *s == code[i] ? CODE_READ : CODE_MISTYPED);
			}
			size_t next = code[i + 1] == '-' ? i + 2 : i + 1;
			if (code[next] == '\0' || code[next] == code[i])
				continue;
			memcpy(wrong, code, sizeof(wrong));
			wrong[i] = code[next];
			wrong[next] = code[i];
			assert_int_equal(voucher_code_read(wrong, read), CODE_MISTYPED);
		}
	}
}

static void
words_as_people_type_them(void **state)
{
	static const struct { const char *word; enum voucher_word want; } words[] = {
		{ "7N2ND-WQA08J", CODE_READ }, { "7n2nd-wqa08j", CODE_READ }, { "7N2NDWQA08J", CODE_READ }, { "-7N-2ND--WQA08J-", CODE_READ },
		{ "7n2nd-wqao8j", CODE_READ }, { "7N2ND-WQAO8J", CODE_READ }, { "", CODE_NONE }, { "-", CODE_NONE }, { "7N2ND-WQA08", CODE_NONE },
		{ "7N2ND-WQA08JJ", CODE_NONE }, { "7N2ND-WQA08U", CODE_NONE }, { "7N2ND WQA08J", CODE_NONE }, { "7N2ND-WQA08*", CODE_NONE },
		{ "drink", CODE_NONE }, { "7N2ND-WQA08K", CODE_MISTYPED },
	};
	char read[VOUCHER_CODE_BYTES];
	(void)state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (voucher_code_read(words[i].word, read) != words[i].want)
			fail_msg("%s", words[i].word);
		if (words[i].want == CODE_READ)
			assert_string_equal(read, "7N2ND-WQA08J");
	}
	assert_int_equal(voucher_code_read("OIL1L-OOIIL1", read), voucher_code_read("01111-001111", read));
}

static void
a_word_finds_an_id_then_a_name_then_a_code(void **state)
{
	struct voucher rows[] = {
		{ .from = { 3, 0 }, .state = VOUCHER_ISSUED, .id = "drink" }, { .from = { 4, 0 }, .n = 2, .state = VOUCHER_USED, .id = "7-7-7" },
	};
	struct member m = { .n_vouchers = 2, .vouchers = rows };
	struct voucher_coder coder = { key, "o", 1 };
	struct voucher_ref ref;
	char code[VOUCHER_CODE_BYTES];
	(void)state;

	assert_true(voucher_find(&m, &coder, "drink", &ref) && strcmp(ref.id, "drink") == 0);
	assert_true(voucher_find(&m, &coder, "4.0.2", &ref) && ref.id == NULL && ref.from.seq == 4 && ref.n == 2);
	voucher_code(&coder, rows[1].from, 2, code);
	assert_true(voucher_find(&m, &coder, code, &ref) && ref.id == NULL && ref.from.seq == 4 && ref.n == 2);
	voucher_code(&coder, rows[1].from, 3, code);
	assert_false(voucher_find(&m, &coder, code, &ref));
	assert_false(voucher_find(&m, &coder, "cookie", &ref));
	assert_false(voucher_find(&m, &coder, "4.0", &ref));
	assert_false(voucher_find(&m, &coder, "4.0.02", &ref));
	m.n_vouchers = 0;
	assert_false(voucher_find(&m, &coder, "drink", &ref));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(another_key_or_place_gives_another_code),
		cmocka_unit_test(any_single_mistake_is_noticed),
		cmocka_unit_test(words_as_people_type_them),
		cmocka_unit_test(a_word_finds_an_id_then_a_name_then_a_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
