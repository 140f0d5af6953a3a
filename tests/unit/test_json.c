/* JSON of commands, replies, programs and transactions: round trips, refusals and where they point, depth, mutations. */
#include <time.h>

#include "text_world.h"

static enum status
parse(struct world *w, enum codec_message message, const char *json)
{
	return codec_json_parse(message, json, &w->arena, &w->bytes, &w->error);
}

/* The tables below have ' for ": so they can be read. */
#define JSON_BYTES_MAX 2048
static const char *
json_of(const char *text, char ret_json[static JSON_BYTES_MAX])
{
	size_t len = strlen(text);

	assert_true(len < JSON_BYTES_MAX);
	for (size_t i = 0; i <= len; i++)
		ret_json[i] = text[i] == '\'' ? '"' : text[i];
	return ret_json;
}

static const char *
printed(struct world *w, enum codec_message message, struct bytes bytes, bool indent)
{
	buf_clear(&w->text);
	assert_int_equal(codec_json_print(message, bytes, indent, &w->arena, &w->text), ST_OK);
	buf_put_u8(&w->text, 0);
	return (const char *)buf_bytes(&w->text).data;
}

/* ---- round trips ---- */

/* want NULL: printed as it was written. */
static const struct { enum codec_message message; const char *json, *want; } round_trips[] = {
	/* every operation; a command's keys come after `op`, the Request's own first */
	{ CODEC_REQUEST, "{'op':'enrol','key':'e1','member':'m1','birthday':'03-10','aliases':['card:1','app:2'],'segments':['a']}", NULL },
	{ CODEC_REQUEST, "{'op':'profile','key':'e1','member':'m1','add_aliases':['x'],'remove_aliases':['y']}", NULL },
	{ CODEC_REQUEST, "{'at':'2026-03-12T10:05:00+09:00','op':'purchase','member':'m1','amount':'23500','key':'r1','store':'s1',"
	    "'lines':[{'sku':'latte','category':'drink','qty':1,'amount':4500}]}",
	    "{'op':'purchase','key':'r1','at':'2026-03-12T01:05:00Z','store':'s1','member':'m1','amount':'23500',"
	    "'lines':[{'sku':'latte','category':'drink','qty':1,'amount':'4500'}]}" },
	{ CODEC_REQUEST, "{'op':'quote','member':'m1','amount':'1.50'}", NULL },
	{ CODEC_REQUEST, "{'op':'hold','key':'h','member':'m','points':'2','ttl':'300s','pool':true}", NULL },
	{ CODEC_REQUEST, "{'op':'capture','key':'c','member':'m','hold':'h'}", NULL },
	{ CODEC_REQUEST, "{'op':'release','key':'c','member':'m','hold':'12.3'}", NULL },
	{ CODEC_REQUEST, "{'op':'redeem','key':'c','member':'m','points':'100','order_amount':'1000','round_down':false}", NULL },
	{ CODEC_REQUEST, "{'op':'adjust','key':'a','member':'m','points':'-3','reason':'goodwill','last_day':'2026-12-31'}", NULL },
	{ CODEC_REQUEST, "{'op':'tier','key':'t','member':'m','tier':'','reason':'x'}", NULL },
	{ CODEC_REQUEST, "{'op':'birthday','key':'b','member':'m'}", NULL },
	{ CODEC_REQUEST, "{'op':'clock_accept','key':'b'}", NULL },
	{ CODEC_REQUEST, "{'op':'balance','program':'acme','member':'m','as_of':'2026-04-01T00:00:00.250000Z'}", NULL },
	{ CODEC_REQUEST, "{'op':'history','member':'m','before':9007199254740991,'limit':20}", NULL },
	{ CODEC_REQUEST, "{'op':'transaction','seq':'9007199254740992'}", NULL },
	{ CODEC_REQUEST, "{'op':'transaction','command':'5.0'}", NULL },
	{ CODEC_REQUEST, "{'op':'program','program':'acme','version':2}", NULL },
	{ CODEC_REQUEST, "{'op':'subscribe','after':0,'credits':10}", NULL },
	{ CODEC_REQUEST, "{'op':'publish','key':'p','program':'acme','definition':{'id':'acme','expiry':'never'}}", NULL },
	{ CODEC_REQUEST, "{'op':'publish','program':{'id':'acme'},'key':'p'}", "{'op':'publish','key':'p','definition':{'id':'acme'}}" },
	/* digits as they were written, whatever a double makes of them */
	{ CODEC_REQUEST, " { 'op' : 'quote' , 'amount' : 412.60 } ", "{'op':'quote','amount':'412.60'}" },
	{ CODEC_REQUEST, "{'op':'quote','amount':123456789012345678901234567890.10}",
	    "{'op':'quote','amount':'123456789012345678901234567890.10'}" },
	{ CODEC_REQUEST, "{'op':'quote','member':18446744073709551616}", "{'op':'quote','member':'18446744073709551616'}" },
	{ CODEC_REQUEST, "{'op':'history','limit':'20'}", "{'op':'history','limit':20}" },
	{ CODEC_REQUEST, "{'op':'transaction','seq':18446744073709551615}", "{'op':'transaction','seq':'18446744073709551615'}" },
	/* escapes */
	{ CODEC_REQUEST, "{'op':'birthday','member':'\\u2615\\ud83d\\ude00 \\'\\\\\\/\\b\\n\\u007f'}",
	    "{'op':'birthday','member':'\u2615\U0001F600 \\'\\\\/\\u0008\\n\\u007f'}" },
	{ CODEC_REQUEST, "{'op':'birthday','member':'{[\\\\','key':'\\'}]'}", "{'op':'birthday','key':'\\'}]','member':'{[\\\\'}" },
	/* the rest */
	{ CODEC_BATCH, "{'key':'b','atomic':true,'commands':[{'op':'birthday','member':'a'},{'op':'release','hold':'1.0'}]}", NULL },
	{ CODEC_BATCH, "{'op':'batch','commands':[]}", "{}" },
	{ CODEC_RESPONSE, "{'status':'NOT_FOUND','reason':'NOT_FOUND','retryable':false,'field':'member','message':'no such member'}",
	    NULL },
	{ CODEC_RESPONSE, "{'status':'OK','id':'4.0','member_no':7,'lots':[{'last_day':'2027-03-31','points':'4'},{'points':'1'}],"
	    "'ends_at':'2026-03-12T01:05:00Z','expiring':[{'points':'1','last_day':'2027-03-31'}],'visits':2,'seq':4,"
	    "'transaction':'00ff'}", NULL },
	{ CODEC_RESPONSE, "{'counters':{'nights':19,'stays':0},'remainder':{'base':'12.50','a \\'b\\'':'0.00'}}", NULL },
	{ CODEC_RESPONSE, "{'counters':{},'remainder':{}}", "{}" },
	{ CODEC_BATCH_RESPONSE, "{'outcome':{'status':'OK'},'results':[{'status':'OK'},{'status':'ABORTED'}]}", NULL },
	{ CODEC_PROGRAM, "{'id':'a','tiers':[{'id':'b','window':'calendar_year','valid':{'through':'end_of_year'}},"
	    "{'window':{'rolling_months':3}}]}", NULL },
	{ CODEC_PROGRAM, "{'expiry':{'never':{}}}", "{'expiry':'never'}" },
	{ CODEC_PROGRAM, "{'expiry':{'never':{},'round_up_to':'month'}}", NULL },
	{ CODEC_TRANSACTION, "{'origin':'o','seq':3,'prev':'00aa','committed_at':'2026-03-12T01:05:00.000001Z','program':1,'entries':[{"
	    "'principal':'pos/1','business_date':'2026-03-12','inputs':{'purchase':{'amount':'23500'}},"
	    "'postings':[{'account':'MEMBER','member':1,'points':'-9223372036854775808','class':'EARNED'},"
	    "{'points':'9223372036854775807'}]}]}", NULL },
	{ CODEC_TRANSACTION, "{'entries':[{'inputs':{'enrol':{}}}]}", NULL },
	{ CODEC_TRANSACTION, "{'entries':[{'inputs':{'publish':{'program':'acme','version':1,'definition':{'id':'acme','expiry':'never'},"
	    "'zone_data':'545a6966'}}}]}", NULL },
	{ CODEC_TRANSACTION, "{'entries':[{'inputs':{'publish':{'definition':'ffff'}}}]}", NULL },
	{ CODEC_TRANSACTION, "{'entries':[{'inputs':{'publish':{'definition':'0a0161'}}}]}",
	    "{'entries':[{'inputs':{'publish':{'definition':{'id':'a'}}}}]}" },
	{ CODEC_SIGNED_TRANSACTION, "{'transaction':{'seq':3,'entries':[{'inputs':{'publish':{'definition':{'id':'a'}}}}]},"
	    "'signature':'ab','key_id':''}", NULL },
	{ CODEC_SIGNED_TRANSACTION, "{'transaction':'ff'}", NULL },
};

static void
test_round_trips(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
		char json[JSON_BYTES_MAX], want[JSON_BYTES_MAX];
		struct buf again;

		json_of(round_trips[i].json, json);
		json_of(round_trips[i].want != NULL ? round_trips[i].want : round_trips[i].json, want);

		world_clear(&w);
		buf_init(&again);
		if (parse(&w, round_trips[i].message, json) != ST_OK)
			fail_msg("%s: %s", json, world_error(&w));
		assert_string_equal(printed(&w, round_trips[i].message, buf_bytes(&w.bytes), false), want);
		assert_int_equal(codec_json_parse(round_trips[i].message, want, &w.arena, &again, &w.error), ST_OK);
		assert_true(bytes_equal(buf_bytes(&w.bytes), buf_bytes(&again)));
		buf_release(&again);
	}
	world_release(&w);
}

/* A text with an escape in its first key is jansson's, without one our own reader's. */
static void
test_both_readers(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
		char json[JSON_BYTES_MAX], escaped[2 * JSON_BYTES_MAX];
		struct buf other;

		json_of(round_trips[i].json, json);
		const char *key = strchr(json, '"');
		if (key == NULL)
			continue;
		snprintf(escaped, sizeof(escaped), "%.*s\\u%04x%s", (int)(key + 1 - json), json, (unsigned)key[1], key + 2);
		world_clear(&w);
		buf_init(&other);
		assert_int_equal(parse(&w, round_trips[i].message, json), ST_OK);
		assert_int_equal(codec_json_parse(round_trips[i].message, escaped, &w.arena, &other, &w.error), ST_OK);
		assert_true(bytes_equal(buf_bytes(&w.bytes), buf_bytes(&other)));
		buf_release(&other);
	}
	world_release(&w);
}

/* Indented text comes from a tree, text without breaks mostly straight from the bytes. */
static void
test_both_printers(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
		char json[JSON_BYTES_MAX], joined[JSON_BYTES_MAX];
		size_t n = 0;

		world_clear(&w);
		assert_int_equal(parse(&w, round_trips[i].message, json_of(round_trips[i].json, json)), ST_OK);
		for (const char *p = printed(&w, round_trips[i].message, buf_bytes(&w.bytes), true); *p != '\0'; p++) {
			bool spaced = *p == ' ' && p[-1] == ':' && p[-2] == '"';
			if (*p != '\n' && *p != '\t' && !spaced)
				joined[n++] = *p;
		}
		joined[n] = '\0';
		assert_string_equal(printed(&w, round_trips[i].message, buf_bytes(&w.bytes), false), joined);
	}
	world_release(&w);
}

static void
test_whole_language(void **state)
{
	struct world w;
	struct buf again;

	(void)state;
	world_init(&w);
	buf_init(&again);
	for (int indent = 0; indent < 2; indent++) {
		world_clear(&w);
		buf_clear(&again);
		if (world_yaml(&w, whole_language) != ST_OK)
			fail_msg("%s", world_error(&w));
		const char *json = printed(&w, CODEC_PROGRAM, buf_bytes(&w.bytes), indent);
		assert_int_equal(codec_json_parse(CODEC_PROGRAM, json, &w.arena, &again, &w.error), ST_OK);
		assert_true(bytes_equal(buf_bytes(&w.bytes), buf_bytes(&again)));
	}
	buf_release(&again);
	world_release(&w);
}

static void
test_indent(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(parse(&w, CODEC_RESPONSE, "{\"status\":\"OK\",\"lots\":[{\"points\":\"1\"},{}],\"program\":{}}"), ST_OK);
	assert_string_equal(printed(&w, CODEC_RESPONSE, buf_bytes(&w.bytes), true),
	    "{\n\t\"status\": \"OK\",\n\t\"lots\": [\n\t\t{\n\t\t\t\"points\": \"1\"\n\t\t},\n\t\t{}\n\t],\n\t\"program\": {}\n}");
	world_release(&w);
}

/* ---- bytes that somebody else wrote ---- */

static void
test_print_of_odd_bytes(void **state)
{
	static const struct { const char *name; enum codec_message message; const char *bytes; size_t len; const char *want; } cases[] = {
		{ "nothing",                 CODEC_RESPONSE, "", 0, "{}" },
		{ "a word that is newer",    CODEC_RESPONSE, "\x08\x63", 2, "{\"status\":99}" },
		{ "an unknown field",        CODEC_RESPONSE, "\x08\x05\x98\x3f\x01", 5, "{\"status\":\"NOT_FOUND\"}" },
		{ "not UTF-8",               CODEC_RESPONSE, "\x12\x04" "a\xff" "b\xc3", 6, "{\"reason\":\"a\ufffdb\ufffd\"}" },
		{ "a surrogate",             CODEC_RESPONSE, "\x12\x03\xed\xa0\x80", 5, "{\"reason\":\"\ufffd\ufffd\ufffd\"}" },
		{ "over-long",               CODEC_RESPONSE, "\x12\x02\xc0\x80", 4, "{\"reason\":\"\ufffd\ufffd\"}" },
		{ "a request without op",    CODEC_REQUEST, "\x0a\x01k", 3, "{\"key\":\"k\"}" },
		{ "the last day of all",     CODEC_RESPONSE, "\xd8\x01\xfe\xff\xff\xff\x0f", 7, "{\"tier_since\":\"never\"}" },
		{ "in another order",        CODEC_RESPONSE, "\x12\x01" "a\x08\x05", 5, "{\"status\":\"NOT_FOUND\",\"reason\":\"a\"}" },
		{ "twice: the last",         CODEC_RESPONSE, "\x08\x05\x08\x00", 4, "{\"status\":\"OK\"}" },
		{ "a text with a NUL",       CODEC_RESPONSE, "\x12\x03" "a\0b", 5, "{\"reason\":\"a\"}" },
		{ "a list in two pieces",    CODEC_RESPONSE, "\x6a\x03\x12\x01" "1\x52\x01" "2\x6a\x03\x12\x01" "3", 13,
		    "{\"granted\":\"2\",\"lots\":[{\"points\":\"1\"},{\"points\":\"3\"}]}" },
		{ "a row from its end",      CODEC_RESPONSE, "\xa2\x02\x05\x10\x05\x0a\x01n", 8, "{\"counters\":{\"n\":5}}" },
		{ "a row without value",     CODEC_RESPONSE, "\xa2\x02\x03\x0a\x01n", 6, "{\"counters\":{}}" },
		{ "of another type",         CODEC_RESPONSE, "\x0a\x01x", 3, NULL },
		{ "truncated",               CODEC_RESPONSE, "\x12\x04" "a", 3, NULL },
		{ "a group",                 CODEC_RESPONSE, "\x0b\x0c", 2, NULL },
		{ "truncated inside",        CODEC_BATCH_RESPONSE, "\x12\x02\x12\x05", 4, NULL },
	};
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes bytes = bytes_of(cases[i].bytes, cases[i].len);

		world_clear(&w);
		if (cases[i].want != NULL)
			assert_string_equal(printed(&w, cases[i].message, bytes, false), cases[i].want);
		else if (codec_json_print(cases[i].message, bytes, false, &w.arena, &w.text) != ST_INVALID)
			fail_msg("printed: %s", cases[i].name);
	}
	world_release(&w);
}

/* ---- refusals ---- */

static const struct { enum codec_message message; const char *json; unsigned line, column; const char *path, *says; } refusals[] = {
	/* commands */
	{ CODEC_REQUEST, "{}",                                      1, 1, "op", "a command needs its `op`; allowed: publish, enrol" },
	{ CODEC_REQUEST, "{'op':'purchas'}",                    1, 2, "op", "unknown word `purchas`; did you mean purchase?" },
	{ CODEC_REQUEST, "{'op':'show_program'}",               1, 2, "op", "unknown word `show_program`" },
	{ CODEC_REQUEST, "{'op':4}",                              1, 2, "op", "a command needs its `op`" },
	{ CODEC_REQUEST, "{'op':[]}",                             1, 2, "op", "a command needs its `op`" },
	{ CODEC_REQUEST, "{'op':'birthday','mamber':'m'}",  1, 18, "mamber",
	    "unknown key `mamber`; did you mean member? allowed: member, key, at" },
	{ CODEC_REQUEST, "{'op':'birthday','points':'1'}",  1, 18, "points", "unknown key `points`" },
	{ CODEC_REQUEST, "{'op':'birthday','purchase':{}}",   1, 18, "purchase", "unknown key `purchase`" },
	{ CODEC_REQUEST, "{'op':'birthday','expect':{}}",     1, 18, "expect", "unknown key `expect`" },
	{ CODEC_REQUEST, "{'op':'publish','definition':{},'program':{}}", 1, 33, "program", "given twice" },
	{ CODEC_REQUEST, "{'op':'publish','definition':{\n'nam':1}}", 2, 1, "definition.nam", "did you mean name?" },
	{ CODEC_REQUEST, "{'op':'purchase','lines':[{},{'qty':-1}]}", 1, 31, "lines[1].qty",
	    "`-1` is not a whole number from 0 to 4294967295" },
	{ CODEC_BATCH, "{'commands':[{'op':'birthday'},{'op':'x'}]}", 1, 33, "commands[1].op", "unknown word `x`" },
	{ CODEC_BATCH, "{'op':'purchase'}",                     1, 2, "op", "unknown key `op`" },
	/* types */
	{ CODEC_REQUEST, "{'op':'birthday','member':true}",   1, 18, "member", "wants a text, not true" },
	{ CODEC_REQUEST, "{'op':'birthday','member':null}",   1, 18, "member", "has no value; leave the key out instead" },
	{ CODEC_REQUEST, "{'op':'birthday','member':[]}",     1, 18, "member", "wants a single value, not a list" },
	{ CODEC_REQUEST, "{'op':'hold','pool':1}",            1, 14, "pool", "unknown word `1`; allowed: true, false" },
	{ CODEC_REQUEST, "{'op':'adjust','last_day':'2026-02-30'}", 1, 16, "last_day", "is not a date" },
	{ CODEC_REQUEST, "{'op':'adjust','at':'2026-02-03'}", 1, 16, "at", "is not an instant" },
	{ CODEC_REQUEST, "{'op':'adjust','at':1}",            1, 16, "at", "is not an instant" },
	{ CODEC_REQUEST, "{'op':'transaction','seq':18446744073709551616}", 1, 21, "seq", "is not a whole number" },
	{ CODEC_REQUEST, "{'op':'transaction','seq':1.0}",    1, 21, "seq", "is not a whole number" },
	{ CODEC_REQUEST, "{'op':'transaction','seq':''}",   1, 21, "seq", "is not a whole number" },
	{ CODEC_TRANSACTION, "{'entries':[{'postings':[{'points':'9223372036854775808'}]}]}", 1, 27, "entries[0].postings[0].points",
	    "64 bits" },
	{ CODEC_TRANSACTION, "{'entries':[{'postings':[{'points':'-9223372036854775809'}]}]}", 1, 27, "entries[0].postings[0].points",
	    "64 bits" },
	{ CODEC_TRANSACTION, "{'entries':[{'postings':[{'points':'-'}]}]}", 1, 27, "entries[0].postings[0].points", "64 bits" },
	{ CODEC_TRANSACTION, "{'prev':'0'}",                    1, 2, "prev", "lower-case hexadecimal" },
	{ CODEC_TRANSACTION, "{'prev':'0G'}",                   1, 2, "prev", "lower-case hexadecimal" },
	{ CODEC_TRANSACTION, "{'prev':'AB'}",                   1, 2, "prev", "lower-case hexadecimal" },
	{ CODEC_TRANSACTION, "{'prev':{}}",                       1, 2, "prev", "wants a single value, not a map" },
	{ CODEC_TRANSACTION, "{'entries':[{'inputs':'enrol'}]}", 1, 14, "entries[0].inputs", "wants a map of keys, not `enrol`" },
	{ CODEC_TRANSACTION, "{'entries':[{'inputs':{'enrol':{},'profile':{}}}]}", 1, 35, "entries[0].inputs.profile",
	    "cannot stand beside `enrol`" },
	{ CODEC_RESPONSE, "{'status':'Ok'}",                    1, 2, "status", "unknown word `Ok`; did you mean OK?" },
	{ CODEC_RESPONSE, "{'status':0}",                         1, 2, "status", "unknown word `0`" },
	{ CODEC_RESPONSE, "{'counters':[{'id':'a','count':1}]}",  1, 2, "counters", "wants a map of names" },
	{ CODEC_RESPONSE, "{'counters':{'a':[]}}",                1, 14, "counters.a", "wants a single value, not a list" },
	{ CODEC_RESPONSE, "{'remainder':{'a':null}}",             1, 15, "remainder.a", "has no value" },
	/* not JSON */
	{ CODEC_RESPONSE, "",                                       1, 0, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{\n'status':\n}",                      3, 1, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{} {}",                                  1, 4, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{'status':'OK',}",                   1, 16, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{'member_no':01}",                     1, 14, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{'field':'\\ud800'}",                1, 17, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{'field':'\\u0000'}",                1, 17, "", "a text holds a NUL character" },
	{ CODEC_RESPONSE, "{'field':'\xff'}",                   1, 10, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{'field':'a",                         1, 11, "", "this is not JSON" },
	{ CODEC_RESPONSE, "{'a':1,\n'a':2}",                    2, 3, "", "a key is given twice in one map" },
	{ CODEC_RESPONSE, "[]",                                     1, 1, "", "wants a map of keys, not a list" },
	{ CODEC_RESPONSE, "4",                                      1, 1, "", "this is not JSON" },
};

static void
test_refusals(void **state)
{
	char json[JSON_BYTES_MAX];
	struct world w;
	unsigned wrong = 0;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		world_clear(&w);
		enum status st = parse(&w, refusals[i].message, json_of(refusals[i].json, json));

		if (st != ST_INVALID || w.error.line != refusals[i].line || w.error.column != refusals[i].column ||
		    strcmp(w.error.path, refusals[i].path) != 0 || strstr(w.error.sentence, refusals[i].says) == NULL) {
			print_error("%s gives (%s) column %u, %s\n", refusals[i].json, status_str(st), w.error.column, world_error(&w));
			wrong++;
		}
		assert_int_equal(w.bytes.len, 0);
	}
	assert_int_equal(wrong, 0);
	world_release(&w);
}

/* A sentence stays whole, and a path too, whatever is put into them. */
static void
test_long_keys(void **state)
{
	char json[4096];
	struct world w;

	(void)state;
	world_init(&w);
	memset(json, 'x', sizeof(json));
	memcpy(json, "{\"op\":\"birthday\",\"", 18);
	memcpy(json + 4000, "\":1}", 5);
	assert_int_equal(parse(&w, CODEC_REQUEST, json), ST_INVALID);
	assert_non_null(strstr(w.error.sentence, "xxx…`; allowed: member, key"));
	assert_true(strlen(w.error.sentence) < sizeof(w.error.sentence) - 1);
	assert_true(strlen(w.error.path) < 64);
	world_release(&w);
}

/* ---- depth and size ---- */

static void
test_depth(void **state)
{
	static char json[40001];
	clock_t begun = clock();
	struct world w;

	(void)state;
	world_init(&w);
	memset(json, '[', 10000);
	assert_int_equal(parse(&w, CODEC_REQUEST, json), ST_INVALID);
	assert_string_equal(w.error.sentence, "nested deeper than 32 levels");
	assert_int_equal(w.error.column, 33);
	for (size_t i = 0; i < 10000; i++)
		memcpy(json + 4 * i, "{\"\":", 4);
	assert_int_equal(parse(&w, CODEC_REQUEST, json), ST_INVALID);
	assert_string_equal(w.error.sentence, "nested deeper than 32 levels");
	assert_true((clock() - begun) / CLOCKS_PER_SEC < 1);
	memset(json, 0, sizeof(json));
	memset(json, '[', 32);
	memset(json + 32, ']', 32);
	assert_int_equal(parse(&w, CODEC_REQUEST, json), ST_INVALID);
	assert_string_equal(w.error.sentence, "wants a map of keys, not a list");
	world_release(&w);
}

static void
test_budget(void **state)
{
	char json[JSON_BYTES_MAX];
	bool fitted = false;
	struct world w;

	(void)state;
	world_init(&w);
	json_of(round_trips[2].json, json);
	for (size_t budget = 0; budget < 16384; budget += 64) {
		world_clear(&w);
		arena_release(&w.arena);
		arena_init(&w.arena, budget);
		enum status st = parse(&w, CODEC_REQUEST, json);

		assert_true(st == (fitted ? ST_OK : ST_NOMEM) || (st == ST_OK && !fitted));
		fitted = st == ST_OK;
		if (!fitted)
			continue;
		arena_reset(&w.arena);
		st = codec_json_print(CODEC_REQUEST, buf_bytes(&w.bytes), false, &w.arena, &w.text);
		assert_true(st == ST_OK || st == ST_NOMEM);
	}
	assert_true(fitted);
	world_release(&w);
}

/* ---- mutations ---- */

static void
test_mutated_text(void **state)
{
	const size_t n = sizeof(round_trips) / sizeof(round_trips[0]);
	unsigned rounds = getenv("FEALTY_TEST_LONG") != NULL ? 2000000 : 40000;
	uint64_t random = 19970101;
	char text[JSON_BYTES_MAX];
	struct world w;

	(void)state;
	world_init(&w);
	for (unsigned i = 0; i < rounds; i++) {
		size_t len = strlen(round_trips[i % n].json);

		world_clear(&w);
		json_of(round_trips[i % n].json, text);
		mutate(text, len, sizeof(text), &random);
		enum status st = parse(&w, round_trips[i % n].message, text);
		if (st == ST_OK) {
			/* not the bytes: what hex says of a program is printed as the program */
			const char *once = arena_strdup(&w.arena, printed(&w, round_trips[i % n].message, buf_bytes(&w.bytes), false));
			assert_non_null(once);
			buf_clear(&w.bytes);
			assert_int_equal(parse(&w, round_trips[i % n].message, once), ST_OK);
			assert_string_equal(printed(&w, round_trips[i % n].message, buf_bytes(&w.bytes), false), once);
		} else {
			assert_int_equal(st, ST_INVALID);
			assert_true(strlen(w.error.sentence) > 0);
		}
	}
	world_release(&w);
}

/* Whatever the bytes: they print or they are refused, and what is printed is JSON. */
static void
test_mutated_bytes(void **state)
{
	const size_t n = sizeof(round_trips) / sizeof(round_trips[0]);
	unsigned rounds = getenv("FEALTY_TEST_LONG") != NULL ? 2000000 : 40000;
	uint64_t random = 19980630;
	char bytes[JSON_BYTES_MAX], json[JSON_BYTES_MAX];
	struct world w;

	(void)state;
	world_init(&w);
	for (unsigned i = 0; i < rounds; i++) {
		world_clear(&w);
		assert_int_equal(parse(&w, round_trips[i % n].message, json_of(round_trips[i % n].json, json)), ST_OK);
		size_t len = w.bytes.len;
		assert_true(len < sizeof(bytes));
		if (len > 0)
			memcpy(bytes, w.bytes.data, len);
		len = mutate(bytes, len, sizeof(bytes), &random);
		enum status st = codec_json_print(round_trips[i % n].message, bytes_of(bytes, len), false, &w.arena, &w.text);
		assert_true(st == ST_OK || st == ST_INVALID);
		if (st == ST_OK) {
			buf_put_u8(&w.text, 0);
			buf_clear(&w.bytes);
			st = parse(&w, round_trips[i % n].message, (const char *)w.text.data);
			assert_true(st == ST_OK || (st == ST_INVALID && strstr(w.error.sentence, "not JSON") == NULL));
		}
	}
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_both_readers),
		cmocka_unit_test(test_both_printers),
		cmocka_unit_test(test_whole_language),
		cmocka_unit_test(test_indent),
		cmocka_unit_test(test_print_of_odd_bytes),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_long_keys),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_mutated_text),
		cmocka_unit_test(test_mutated_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
