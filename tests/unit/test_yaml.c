/* Program files: what parses, what is refused and at which line, and printing that parses back to the same bytes. */
#include <time.h>

#include "text_world.h"

/* ---- round trips ---- */

/* Parses, prints, and parses again: the same bytes. Prints twice: the same text. */
static void
round_trip(struct world *w, const char *yaml)
{
	struct buf bytes, text;

	buf_init(&bytes);
	buf_init(&text);
	if (world_yaml(w, yaml) != ST_OK)
		fail_msg("%s", world_error(w));
	assert_int_equal(codec_yaml_print(buf_bytes(&w->bytes), &w->arena, &w->text), ST_OK);
	if (codec_yaml_parse(buf_bytes(&w->text), &w->arena, &bytes, &w->lines, &w->error) != ST_OK)
		fail_msg("%s in\n%.*s", world_error(w), (int)w->text.len, (const char *)w->text.data);
	assert_true(bytes_equal(buf_bytes(&w->bytes), buf_bytes(&bytes)));
	assert_int_equal(codec_yaml_print(buf_bytes(&bytes), &w->arena, &text), ST_OK);
	assert_true(bytes_equal(buf_bytes(&w->text), buf_bytes(&text)));
	buf_release(&bytes);
	buf_release(&text);
}

static void
test_examples_round_trip(void **state)
{
	static const char *const names[] = { "acme.yaml", "cdnow.yaml" };
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *yaml = example_read(names[i]);

		round_trip(&w, yaml);
		free(yaml);
		world_clear(&w);
	}
	world_release(&w);
}

static void
test_whole_language_round_trip(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	round_trip(&w, whole_language);
	world_release(&w);
}

/* Texts that a careless printer would turn into something else. */
static void
test_hard_texts_round_trip(void **state)
{
	static const char *const names[] = {
		"on", "no", "null", "~", "3m", "2026-01-01", "0x1f", "1e3", ".5", "- a", "a: b", "a #b", "# a", "[x]", "{x}", "&a", "*a",
		"!a", "%a", "@a",
		"|", ">", "?", "-", "---", "...", "\\t", "\\\"", "\\\\", " lead", "trail ", "two\\nlines", "\\x01\\x7f\\x85\\u2028",
		"별빛", "café", "\\U0001F31F",
		"\\ufeff", "'", "''", "a'b", "",
	};
	struct world w;
	char yaml[128];

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(yaml, sizeof(yaml), "id: a\nname: \"%s\"\n", names[i]);
		round_trip(&w, yaml);
		world_clear(&w);
	}
	world_release(&w);
}

/* Scalars are texts: the quotes make no difference, and neither does what YAML 1.1 takes a word for. */
static void
test_quotes_make_no_difference(void **state)
{
	static const char *const pairs[][2] = {
		{ "id: no\n", "id: \"no\"\n" },
		{ "name: 4\n", "name: '4'\n" },
		{ "name: 0x10\n", "name: \"0x10\"\n" },
		{ "redemption: {hold: {max_ttl: 3m}}\n", "redemption: {hold: {max_ttl: \"3m\"}}\n" },
		{ "points: {scale: 2}\n", "points: {scale: \"2\"}\n" },
		{ "expiry: never\n", "expiry: {never: {}}\n" },
		{ "carry_remainder: true\n", "carry_remainder: 'true'\n" },
		{ "earn: [{on: purchase}]\n", "earn:\n- \"on\": purchase\n" },
		{ "tiers: [{window: lifetime}]\n", "tiers: [{window: {lifetime: {}}}]\n" },
		{ "returns: {restore: new_lot}\n", "returns: {restore: {new_lot: {}}}\n" },
		{ "name: a\n", "%YAML 1.1\n---\nname: a\n...\n" },
		{ "name: a\n", "\xef\xbb\xbfname: a\n" },
		{ "name: a\r\n", "name: a\n" },
	};
	struct world w;
	struct buf first;

	(void)state;
	world_init(&w);
	buf_init(&first);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		world_clear(&w);
		buf_clear(&first);
		if (world_yaml(&w, pairs[i][0]) != ST_OK)
			fail_msg("%s%s", pairs[i][0], world_error(&w));
		buf_put(&first, w.bytes.data, w.bytes.len);
		buf_clear(&w.bytes);
		if (world_yaml(&w, pairs[i][1]) != ST_OK)
			fail_msg("%s%s", pairs[i][1], world_error(&w));
		if (!bytes_equal(buf_bytes(&first), buf_bytes(&w.bytes)))
			fail_msg("differ: %s%s", pairs[i][0], pairs[i][1]);
	}
	buf_release(&first);
	world_release(&w);
}

static void
test_printed_form(void **state)
{
	static const char yaml[] =
	    "tiers: [{id: gold, window: {lifetime: {}}, expiry: {never: {}}, earn_multiplier: 1.2}]\n"
	    "name: no\nid: acme\ncarry_remainder: false\npoints: {scale: 0, unit: star}\n"
	    "redemption: {hold: {max_ttl: 30d}}\n";
	static const char want[] =
	    "id: acme\n"
	    "name: \"no\"\n"
	    "points: {unit: star, scale: 0}\n"
	    "carry_remainder: false\n"
	    "tiers:\n"
	    "- {id: gold, window: lifetime, earn_multiplier: \"1.2\", expiry: never}\n"
	    "redemption:\n"
	    "  hold: {max_ttl: \"30d\"}\n";
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(world_yaml(&w, yaml), ST_OK);
	assert_int_equal(codec_yaml_print(buf_bytes(&w.bytes), &w.arena, &w.text), ST_OK);
	buf_put_u8(&w.text, 0);
	assert_string_equal((const char *)w.text.data, want);
	world_release(&w);
}

static void
test_print_refuses_what_is_no_program(void **state)
{
	static const struct { const char *name; const char *bytes; size_t len; } cases[] = {
		{ "not protobuf",       "\xff\xff", 2 },
		{ "not UTF-8",          "\x0a\x01\xff", 3 },
		{ "a NUL in a text",    "\x0a\x02" "a\0", 4 },
		{ "an unknown field",   "\x98\x06\x01", 3 },
		{ "an unknown word",    "\x38\x09", 2 },
	};
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (codec_yaml_print(bytes_of(cases[i].bytes, cases[i].len), &w.arena, &w.text) != ST_INVALID)
			fail_msg("printed: %s", cases[i].name);
	}
	world_release(&w);
}

/* ---- refusals ---- */

static const struct { const char *yaml; unsigned line, column; const char *path, *says; } refusals[] = {
	/* keys */
	{ "id: a\nnam: b\n",                            2, 1, "nam", "unknown key `nam`; did you mean name? allowed: id, name, timezone" },
	{ "earn:\n  - id: a\n    wen: {}\n",            3, 5, "earn[0].wen", "unknown key `wen`; did you mean when?" },
	{ "points: {unit: a, digits: 2}\n",             1, 19, "points.digits", "unknown key `digits`; allowed: unit, scale" },
	{ "id: a\npoints:\n  scale: 0\nid: b\n",        4, 1, "id", "given twice" },
	{ "points: {unit: a, unit: a}\n",               1, 19, "points.unit", "given twice" },
	{ "expiry: {never: {x: 1}}\n",                  1, 18, "expiry.never.x", "nothing may stand in here" },
	{ "? [a]\n: b\n",                               1, 3, "", "a key must be a word" },
	{ "\"a\\nb\": c\n",                             1, 1, "a?b", "unknown key `a?b`" },
	/* words */
	{ "rounding: {mode: flor}\n",                   1, 12, "rounding.mode",
	    "unknown word `flor`; did you mean floor? allowed: floor, nearest, ceil" },
	{ "stacking: sum\n",                            1, 1, "stacking", "unknown word `sum`; allowed: add, multiply, best" },
	{ "expiry: forever\n",                          1, 1, "expiry", "a word other than `forever`" },
	{ "expiry: after\n",                            1, 1, "expiry", "allowed: never" },
	{ "tiers:\n- id: a\n  window: lifetme\n",       3, 3, "tiers[0].window",
	    "did you mean lifetime? allowed: lifetime, calendar_year, since_tier_start" },
	{ "tiers:\n- {valid: always}\n",                2, 4, "tiers[0].valid", "allowed: forever" },
	{ "carry_remainder: no\n",                      1, 1, "carry_remainder", "unknown word `no`; allowed: true, false" },
	/* types */
	{ "points: 0\n",                                1, 1, "points", "wants a map of keys, not `0`; allowed: unit, scale" },
	{ "points: [a]\n",                              1, 1, "points", "wants a map of keys, not a list" },
	{ "name: {a: b}\n",                             1, 1, "name", "wants a single value, not a map" },
	{ "name: [a]\n",                                1, 1, "name", "wants a single value, not a list" },
	{ "counters: nights\n",                         1, 1, "counters", "wants a list" },
	{ "earn: {id: a}\n",                            1, 1, "earn", "wants a list" },
	{ "earn: [a]\n",                                1, 8, "earn[0]", "wants a map of keys" },
	{ "counters:\n- a\n- [b]\n",                    3, 3, "counters[1]", "wants a single value, not a list" },
	{ "points: {scale: -1}\n",                      1, 10, "points.scale", "`-1` is not a whole number from 0 to 4294967295" },
	{ "points: {scale: 4294967296}\n",              1, 10, "points.scale", "is not a whole number" },
	{ "points: {scale: 99999999999999999999}\n",    1, 10, "points.scale", "is not a whole number" },
	{ "points: {scale: 010}\n",                     1, 10, "points.scale", "is not a whole number" },
	{ "points: {scale: 2.0}\n",                     1, 10, "points.scale", "is not a whole number" },
	{ "points: {scale: \"\"}\n",                    1, 10, "points.scale", "is not a whole number" },
	/* oneofs */
	{ "expiry: {never: {}, after: {days: 1}}\n",    1, 21, "expiry.after", "cannot stand beside `never`" },
	{ "tiers:\n- window:\n    rolling_months: 3\n    lifetime: {}\n", 4, 5, "tiers[0].window.lifetime",
	    "cannot stand beside `rolling_months`" },
	/* nothing there */
	{ "id: a\nname:\n",                             2, 1, "name", "has no value; leave the key out instead" },
	{ "points:\nid: a\n",                           1, 1, "points", "has no value" },
	{ "earn:\n-\n",                                 2, 2, "earn[0]", "has no value" },
	{ "counters:\n",                                1, 1, "counters", "has no value" },
	{ "",                                           0, 0, "", "the file is empty" },
	{ "# nothing\n",                                0, 0, "", "the file is empty" },
	{ "---\n",                                      0, 0, "", "the file is empty" },
	{ "just words\n",                               1, 1, "", "wants a map of keys" },
	{ "- id: a\n",                                  1, 1, "", "wants a map of keys, not a list" },
	/* what YAML has and a program has not */
	{ "id: &x a\n",                                 1, 5, "id", "anchors (&)" },
	{ "points: &x {scale: 0}\n",                    1, 9, "points", "anchors (&)" },
	{ "counters: &x [a]\n",                         1, 11, "counters", "anchors (&)" },
	{ "id: a\nname: *x\n",                          2, 7, "name", "aliases (*)" },
	{ "earn:\n- id: a\n- *x\n",                     3, 3, "earn[1]", "aliases (*)" },
	{ "id: !!str a\n",                              1, 5, "id", "tags (!)" },
	{ "id: ! a\n",                                  1, 5, "id", "tags (!)" },
	{ "earn: !x []\n",                              1, 7, "earn", "tags (!)" },
	{ "points: !x {}\n",                            1, 9, "points", "tags (!)" },
	{ "id: a\n---\nid: b\n",                        2, 1, "", "a second document begins here" },
	/* not YAML */
	{ "id: [a\n",                                   2, 1, "id[1]", "this is not YAML" },
	{ "id: a\n\tname: b\n",                         2, 1, "id", "this is not YAML" },
	{ "id: \"a\n",                                  1, 5, "id", "this is not YAML" },
	{ "id: a\nname\n",                              2, 1, "", "this is not YAML" },
	{ "id: a\nearn: []\n",                          2, 8, "earn", "an empty list" },
	{ "id: a\nname: b: c\n",                        2, 8, "", "this is not YAML" },
	{ "id: a\nname: \xff\n",                        2, 7, "", "this is not YAML" },
	{ "id: \"a\\0b\"\n",                            1, 5, "id", "a NUL character" },
};

static void
test_refusals(void **state)
{
	struct world w;
	unsigned wrong = 0;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		world_clear(&w);
		enum status st = world_yaml(&w, refusals[i].yaml);

		if (st != ST_INVALID || w.error.line != refusals[i].line || w.error.column != refusals[i].column ||
		    strcmp(w.error.path, refusals[i].path) != 0 || strstr(w.error.sentence, refusals[i].says) == NULL) {
			print_error("%sgives (%s) %u:%s\n", refusals[i].yaml, status_str(st), w.error.column, world_error(&w));
			wrong++;
		}
		assert_int_equal(w.bytes.len, 0);
	}
	assert_int_equal(wrong, 0);
	world_release(&w);
}

/* ---- depth and size ---- */

static char *
nested(const char *open, size_t n, const char *tail)
{
	size_t len = strlen(open);
	char *text = calloc(1, len * n + strlen(tail) + 1);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * len, open, len);
	strcat(text, tail);
	return text;
}

static void
test_depth(void **state)
{
	static const char *const opens[] = { "[", "{a: ", "- ", "? " };
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		char *yaml = nested(opens[i], 10000, "x\n");
		clock_t begun = clock();

		world_clear(&w);
		assert_int_equal(world_yaml(&w, yaml), ST_INVALID);
		assert_true((clock() - begun) / CLOCKS_PER_SEC < 2);
		free(yaml);
	}
	world_clear(&w);
	assert_int_equal(world_yaml(&w, "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), ST_INVALID);
	assert_string_equal(w.error.sentence, "nested deeper than 16 levels");
	assert_int_equal(w.error.column, 17);
	world_clear(&w);
	assert_int_equal(world_yaml(&w, "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"), ST_INVALID);
	assert_string_equal(w.error.sentence, "wants a map of keys, not a list");
	world_release(&w);
}

static void
test_budget(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t budget = 0; budget < 65536; budget += 512) {
		world_clear(&w);
		arena_release(&w.arena);
		arena_init(&w.arena, budget);
		enum status st = world_yaml(&w, whole_language);

		assert_true(st == ST_NOMEM || st == ST_OK);
		if (budget < strlen(whole_language))
			assert_int_equal(st, ST_NOMEM);
	}
	world_release(&w);
}

/* ---- lines ---- */

static void
test_lines(void **state)
{
	static const char yaml[] =
	    "id: a\n"
	    "earn:\n"
	    "  - id: base\n"
	    "    per_amount:\n"
	    "      amount: 1\n"
	    "  -\n"
	    "    id: more\n"
	    "tiers: [{id: green},\n"
	    "        {id: gold, expiry: never}]\n";
	static const struct { const char *path; unsigned line; } cases[] = {
		{ "id", 1 }, { "earn", 2 }, { "earn[0]", 3 }, { "earn[0].id", 3 }, { "earn[0].per_amount", 4 },
		{ "earn[0].per_amount.amount", 5 },
		{ "earn[1].id", 7 }, { "tiers[1].expiry", 9 },
		/* the nearest that encloses what is not there */
		{ "earn[0].per_amount.points", 4 }, { "earn[0].kind", 3 }, { "earn[9].kind", 2 }, { "tiers[1].expiry.never", 9 },
		{ "tiers[0].rank", 8 },
		{ "name", 0 }, { "", 0 }, { "limits.late_days", 0 }, { "[0]", 0 }, { "earn[", 2 }, { "earn[x]", 2 }, { "earn.", 2 },
		{ "earn[99999999999999999999]", 2 },
		{ "id.x", 1 }, { "i", 0 }, { "earn[0].i", 3 },
	};
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(world_yaml(&w, yaml), ST_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (yaml_line_of(w.lines, cases[i].path) != cases[i].line)
			fail_msg("%s is at %u", cases[i].path, yaml_line_of(w.lines, cases[i].path));
	}
	world_release(&w);
}

/* ---- mutations ---- */

/* Whatever the text: bytes that print and parse back to themselves, or a sentence, in a line that the text has. */
static void
check_any(struct world *w, const char *text, size_t len)
{
	world_clear(w);
	enum status st = codec_yaml_parse(bytes_of(text, len), &w->arena, &w->bytes, &w->lines, &w->error);

	if (st == ST_OK) {
		struct buf again;

		buf_init(&again);
		assert_int_equal(codec_yaml_print(buf_bytes(&w->bytes), &w->arena, &w->text), ST_OK);
		assert_int_equal(codec_yaml_parse(buf_bytes(&w->text), &w->arena, &again, &w->lines, &w->error), ST_OK);
		assert_true(bytes_equal(buf_bytes(&w->bytes), buf_bytes(&again)));
		buf_release(&again);
		return;
	}
	unsigned lines = 1;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] >= 0x80;
	assert_int_equal(st, ST_INVALID);
	assert_true(strlen(w->error.sentence) > 0);
	assert_true(w->error.line <= lines + 1);		/* the end of the text counts as a line of its own */
}

static void
test_mutations(void **state)
{
	static char text[2 * sizeof(whole_language)];
	uint64_t random = 20260312;
	unsigned rounds = getenv("FEALTY_TEST_LONG") != NULL ? 200000 : 4000;
	struct world w;

	(void)state;
	world_init(&w);
	for (unsigned i = 0; i < rounds; i++) {
		memcpy(text, whole_language, sizeof(whole_language));
		size_t len = mutate(text, sizeof(whole_language) - 1, sizeof(text), &random);

		check_any(&w, text, len);
	}
	world_release(&w);
}

/* A file of settings is a map of known keys to words, and nothing else. */
static void
test_settings(void **state)
{
	static const struct { const char *yaml, *wrong; } cases[] = {
		{ "connect: host:1\n# a remark\nca: 'a b'\n", NULL },
		{ "{}\n", NULL },
		{ "\xef\xbb\xbf" "ca: x\n", NULL },
		{ "ca: x\nkonnect: y\n", "2: : unknown key `konnect`; did you mean connect?" },
		{ "\"a\\tb\": y\n", "1: : unknown key `a?b`" },
		{ "ca: x\nconnect: y\nca: z\n", "3: ca: this key is given twice" },
		{ "ca:\n", "1: ca: a word is needed here" },
		{ "ca: ''\n", "1: ca: a word is needed here" },
		{ "ca: [x]\n", "1: ca: a word is needed here" },
		{ "connect: x\nca: {a: b}\n", "2: ca: a word is needed here" },
		{ "- ca\n", "1: : a map is needed" },
		{ "ca\n", "1: : a map is needed" },
		{ "", "the file is empty" },
		{ "ca: &a x\n", "1: " },
		{ "ca: x\n---\nca: y\n", "2: " },
		{ "ca: \"x\n", "this is not YAML" },
	};
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct yaml_setting settings[] = { { .key = "connect" }, { .key = "ca" } };
		enum status st = codec_yaml_settings(bytes_of(cases[i].yaml, strlen(cases[i].yaml)), &w.arena, settings, 2, &w.error);

		if ((st == ST_OK) != (cases[i].wrong == NULL) || (st != ST_OK && strstr(world_error(&w), cases[i].wrong) == NULL))
			fail_msg("%s: %d, %s", cases[i].yaml, st, world_error(&w));
		if (i == 0) {
			assert_string_equal(settings[0].text, "host:1");
			assert_string_equal(settings[1].text, "a b");
			assert_int_equal(settings[1].line, 3);
		}
		world_clear(&w);
	}
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples_round_trip),
		cmocka_unit_test(test_whole_language_round_trip),
		cmocka_unit_test(test_hard_texts_round_trip),
		cmocka_unit_test(test_quotes_make_no_difference),
		cmocka_unit_test(test_printed_form),
		cmocka_unit_test(test_print_refuses_what_is_no_program),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
