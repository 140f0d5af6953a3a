/**
 * Who may want a receipt, by the form of the command alone, and that wanting one does not make it another command: a retry may ask for what
 * the first sending did not.
 */
#include "request_world.h"

static void
wanting_one_is_no_other_command(void **state)
{
	struct world *w = *state;
	const char *base = "{'op':'purchase','key':'a','member':'m','amount':'1'}";

	assert_true(same_canonical(w, base, "{'op':'purchase','key':'a','want_receipt':true,'member':'m','amount':'1'}"));
	assert_true(same_canonical(w, base, "{'op':'purchase','key':'a','want_receipt':false,'member':'m','amount':'1'}"));
	assert_false(same_canonical(w, base, "{'op':'purchase','key':'a','want_receipt':true,'member':'m','amount':'2'}"));
}

static void
receipts_are_wanted_by_whom_it_says(void **state)
{
	struct world *w = *state;
	static const struct { const char *json; bool want; } cases[] = {
		{ "{'op':'purchase','key':'a','want_receipt':true,'member':'m','amount':'1'}", true },
		{ "{'op':'purchase','key':'a','want_receipt':false,'member':'m','amount':'1'}", false },
		{ "{'op':'purchase','key':'a','member':'m','amount':'1'}", false },
		{ "{'op':'clock_accept','key':'a','want_receipt':true}", true },
		{ "{'op':'proof','seq':1,'receipt':true}", true },
		{ "{'op':'proof','seq':1}", false },
	};
	struct request r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct refusal refusal = decode_json(w, cases[i].json, &r);
		assert_refused(cases[i].json, &refusal, LEDGER_OK, NULL);
		assert_int_equal(r.want_receipt, cases[i].want);
	}
}

static void
who_may_not_is_refused_by_the_field(void **state)
{
	struct world *w = *state;
	static const struct { const char *json, *field; } cases[] = {
		{ "{'op':'quote','member':'m','amount':'1','want_receipt':true}", "want_receipt" },
		{ "{'op':'balance','member':'m','want_receipt':true}", "want_receipt" },
		{ "{'op':'proof','seq':3,'want_receipt':true}", "want_receipt" },
		{ "{'op':'proof','from':3,'receipt':true}", "receipt" },
		{ "{'op':'balance','member':'m','want_receipt':false}", NULL },
		{ "{'op':'proof','from':3,'receipt':false}", NULL },
		{ "{'op':'proof','command':'k','receipt':true}", NULL },
	};
	struct request r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct refusal refusal = decode_json(w, cases[i].json, &r);
		assert_refused(cases[i].json, &refusal, cases[i].field == NULL ? LEDGER_OK : LEDGER_INVALID_ARGUMENT, cases[i].field);
	}
}

static void
an_atomic_batch_has_no_receipts(void **state)
{
	struct world *w = *state;
	static const struct { const char *json; enum ledger_result second; } cases[] = {
		{ "{'key':'b','atomic':true,'commands':[{'op':'purchase','member':'m','amount':'1'},"
		  "{'op':'purchase','member':'m','amount':'1','want_receipt':true}]}", LEDGER_INVALID_ARGUMENT },
		{ "{'key':'b','atomic':false,'commands':[{'op':'purchase','member':'m','amount':'1'},"
		  "{'op':'purchase','member':'m','amount':'1','want_receipt':true}]}", LEDGER_OK },
		{ "{'key':'b','atomic':true,'commands':[{'op':'purchase','member':'m','amount':'1'},"
		  "{'op':'purchase','member':'m','amount':'1','want_receipt':false}]}", LEDGER_OK },
	};
	struct batch batch;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bytes b = of_json(w, CODEC_BATCH, cases[i].json);
		assert_int_equal(codec_batch_decode(b, &w->arena, &batch), ST_OK);
		heap_free(b);
		assert_refused("first", &batch.refusals[0], LEDGER_OK, NULL);
		assert_refused("second", &batch.refusals[1], cases[i].second, cases[i].second == LEDGER_OK ? NULL : "want_receipt");
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(wanting_one_is_no_other_command),
		TEST(receipts_are_wanted_by_whom_it_says),
		TEST(who_may_not_is_refused_by_the_field),
		TEST(an_atomic_batch_has_no_receipts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
