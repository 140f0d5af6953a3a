/* Batches: each command is judged by itself, has a key, and may not be one too many. */
#include "request_world.h"

#include "codec/field.h"
#include "frame.h"

static void
commands_of_a_batch_are_judged_one_by_one(void **state)
{
	struct world *w = *state;
	struct bytes b = of_json(w, CODEC_BATCH,
	    "{'key':'b','atomic':true,'deadline_ms':9,'commands':["
	    "{'op':'purchase','member':'m','amount':'1'},"
	    "{'op':'purchase','key':'own','member':'m','amount':'x'},"
	    "{'op':'purchase','key':'own','member':'m','amount':'2'},"
	    "{'op':'balance','member':'m'},"
	    "{'op':'publish','definition':{'id':'a'}}]}");
	struct batch batch;

	assert_int_equal(codec_batch_decode(b, &w->arena, &batch), ST_OK);
	heap_free(b);
	assert_int_equal(batch.refusal.result, LEDGER_OK);
	assert_true(batch.atomic);
	assert_int_equal(batch.deadline_ms, 9);
	assert_int_equal(batch.n, 5);
	assert_refused("first", &batch.refusals[0], LEDGER_OK, NULL);
	assert_string_equal(batch.commands[0].key, "b.1");
	assert_string_equal(batch.commands[0].cmd.request_id, "b.1");
	assert_refused("second", &batch.refusals[1], LEDGER_INVALID_ARGUMENT, "amount");
	assert_refused("third", &batch.refusals[2], LEDGER_OK, NULL);
	assert_string_equal(batch.commands[2].key, "own");
	assert_refused("read", &batch.refusals[3], LEDGER_INVALID_ARGUMENT, "op");
	assert_refused("publish", &batch.refusals[4], LEDGER_INVALID_ARGUMENT, "op");

	/* the key is no part of what a fingerprint covers, so a command sent again by itself is the same one */
	struct request r;
	struct refusal refusal = decode_json(w, "{'op':'purchase','key':'b.1','member':'m','amount':'1'}", &r);
	assert_refused("alone", &refusal, LEDGER_OK, NULL);
	assert_true(bytes_equal(r.canonical, batch.commands[0].canonical));
}

static void
keys_of_a_batch(void **state)
{
	struct world *w = *state;
	struct batch batch;
	struct bytes b = of_json(w, CODEC_BATCH, "{'commands':[{'op':'purchase','member':'m','amount':'1'}]}");

	assert_int_equal(codec_batch_decode(b, &w->arena, &batch), ST_OK);
	assert_refused("no key at all", &batch.refusals[0], LEDGER_INVALID_ARGUMENT, "key");
	heap_free(b);

	/* 63 characters and ".1" are 65 */
	b = of_json(w, CODEC_BATCH,
	    "{'key':'123456789012345678901234567890123456789012345678901234567890123','commands':[{'op':'clock_accept'},"
	    "{'op':'clock_accept','key':'k'}]}");
	assert_int_equal(codec_batch_decode(b, &w->arena, &batch), ST_OK);
	assert_refused("too long with its place", &batch.refusals[0], LEDGER_INVALID_ARGUMENT, "key");
	assert_refused("own key", &batch.refusals[1], LEDGER_OK, NULL);
	heap_free(b);
}

static void
whole_batches_are_refused(void **state)
{
	struct world *w = *state;
	static const struct { const char *name; struct bytes body; const char *field; } cases[] = {
		{ "nothing", RAW(""), "commands" },
		{ "bad key", RAW("\x0a\x01 \x1a\x00"), "key" },
		{ "empty key", RAW("\x0a\x00\x1a\x00"), "key" },
		{ "NUL in the key", RAW("\x0a\x03k\0k\x1a\x00"), "key" },
		{ "key twice", RAW("\x0a\x01k\x0a\x01k\x1a\x00"), "key" },
		{ "atomic of 2", RAW("\x10\x02\x1a\x00"), "atomic" },
		{ "deadline beyond uint32", RAW("\x20\x80\x80\x80\x80\x10\x1a\x00"), "deadline_ms" },
		{ "commands as a number", RAW("\x18\x01"), "commands" },
		{ "unknown field", RAW("\x28\x01\x1a\x00"), NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		struct batch batch;
		assert_int_equal(codec_batch_decode(cases[i].body, &w->arena, &batch), ST_OK);
		assert_int_equal(batch.n, 0);
		if (batch.refusal.result != LEDGER_INVALID_ARGUMENT)
			fail_msg("%s: %s", cases[i].name, ledger_result_str(batch.refusal.result));
		if (cases[i].field == NULL)
			assert_null(batch.refusal.field);
		else
			assert_string_equal(batch.refusal.field, cases[i].field);
	}
	struct batch batch;
	assert_int_equal(codec_batch_decode(bytes_of("\x1a\x02\x0a", 3), &w->arena, &batch), ST_INVALID);
	assert_int_equal(codec_batch_decode(bytes_of("\x1a\x01\x80", 3), &w->arena, &batch), ST_INVALID);
}

static void
a_batch_has_at_most_1000_commands(void **state)
{
	struct world *w = *state;

	for (size_t n = FRAME_BATCH_COMMANDS_MAX; n <= FRAME_BATCH_COMMANDS_MAX + 1; ++n) {
		struct batch batch;
		buf_clear(&w->out);
		field_put_text(&w->out, 1, "b");
		for (size_t i = 0; i < n; ++i)
			field_put_bytes(&w->out, 3, (struct bytes)RAW("\xaa\x02\x00"));		/* clock_accept */
		assert_int_equal(codec_batch_decode(buf_bytes(&w->out), &w->arena, &batch), ST_OK);
		if (n > FRAME_BATCH_COMMANDS_MAX) {
			assert_int_equal(batch.refusal.result, LEDGER_TOO_LARGE);
			assert_int_equal(batch.n, 0);
		} else {
			assert_int_equal(batch.n, n);
			assert_int_equal(batch.refusals[n - 1].result, LEDGER_OK);
			assert_string_equal(batch.commands[n - 1].key, "b.1000");
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_of_a_batch_are_judged_one_by_one),
		TEST(keys_of_a_batch),
		TEST(whole_batches_are_refused),
		TEST(a_batch_has_at_most_1000_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
