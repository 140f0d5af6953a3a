/* The forms of ids, principals, aliases and request ids, as a client may write them. */
#include "codec_world.h"

static void
forms_of_ids(void **state)
{
	static const struct { const char *text; bool entry_id; uint64_t seq; uint32_t index; } ids[] = {
		{ "0.0", true, 0, 0 }, { "12.3", true, 12, 3 }, { "18446744073709551615.4294967295", true, UINT64_MAX, UINT32_MAX },
		{ "18446744073709551616.0", false, 0, 0 }, { "1.4294967296", false, 0, 0 },
		{ "01.0", false, 0, 0 }, { "1.00", false, 0, 0 },
		{ "1", false, 0, 0 }, { "1.", false, 0, 0 }, { ".1", false, 0, 0 }, { "1.1.1", false, 0, 0 }, { "+1.1", false, 0, 0 },
		{ "1.-1", false, 0, 0 }, { " 1.1", false, 0, 0 }, { "1.1 ", false, 0, 0 }, { "", false, 0, 0 },
	};
	static const struct { const char *text; bool ok; } principals[] = {
		{ "pos/0042/07", true }, { "operator/local", true }, { "operator", true }, { "backend/app", true },
		{ "auditor/k.p-m_g", true },
		{ "approver/x", true }, { "system", false }, { "simulate", false }, { "pos/", false }, { "/pos", false },
		{ "pos//1", false },
		{ "pos/a b", false }, { "POS/1", false }, { "", false }, { "poss/1", false }, { "pos/\xc3\xa9", false },
	};
#define PART_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const struct { const char *text; bool ok; const char *store, *terminal; } doors[] = {
		{ "pos/0042/07", true, "0042", "07" }, { "operator/local", true, "", "" }, { "backend/a/b", true, "", "" }, { "operator", false, "", "" },
		{ "pos/1", false, "", "" }, { "pos/1/2/3", false, "", "" }, { "pos//1", false, "", "" }, { "pos", false, "", "" }, { "server/a", false, "", "" },
		{ "pos/" PART_64 "/" "1", true, PART_64, "1" }, { "pos/1/" PART_64 "x", false, "", "" }, { "pos/x" PART_64 "/1", false, "", "" },
	};
	char text[160];

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); ++i) {
		struct entry_id id = { 77, 77 };
		if (entry_id_parse(ids[i].text, &id) != ids[i].entry_id)
			fail_msg("entry id %s", ids[i].text);
		assert_int_equal(id.seq, ids[i].entry_id ? ids[i].seq : 77);
		assert_int_equal(id.index, ids[i].entry_id ? ids[i].index : 77);
	}
	for (size_t i = 0; i < sizeof(principals) / sizeof(principals[0]); ++i)
		if (principal_valid(principals[i].text) != principals[i].ok)
			fail_msg("principal %s", principals[i].text);
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); ++i) {
		char store[TILL_PART_BYTES], terminal[TILL_PART_BYTES];

		if (principal_may_enter(doors[i].text, store, terminal) != doors[i].ok)
			fail_msg("principal %s", doors[i].text);
		if (doors[i].ok) {
			assert_string_equal(store, doors[i].store);
			assert_string_equal(terminal, doors[i].terminal);
		}
	}
	memset(text, 'a', sizeof(text));
	memcpy(text, "pos/", 4);
	text[128] = '\0';
	assert_true(principal_valid(text));
	text[128] = 'a';
	text[129] = '\0';
	assert_false(principal_valid(text));
	assert_true(alias_valid("card:8801 \xc3\xa9"));
	assert_false(alias_valid("a\x7f"));
	assert_true(request_id_valid("A.z_0:-"));
	assert_false(request_id_valid("a/b"));
	for (enum request_op op = REQUEST_NONE; op < REQUEST_OP_COUNT; ++op)
		assert_true(strlen(request_op_str(op)) > 0);
	assert_string_equal(request_op_str(REQUEST_PROGRAM), "program");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
