/**
 * Policies: the example of C2SP tlog-policy under every set of witnesses, each fault with its line, and verdicts on a checkpoint of the
 * public witness network and on ones signed here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "merkle/checkpoint.h"
#include "merkle/policy.h"
#include "note_world.h"

#define ROUNDS 20000

/* Witness keys that nobody holds: "<name>+<id>+<base64>", in a ring of buffers that outlive the policy of a test. */
static const char *
vkey_of(const char *name, enum note_type type, uint8_t seed)
{
	static char ring[256][128];
	static size_t next;
	char *out = ring[next++ % 256];
	struct note_signer signer = signer_of(name, type, seed);
	struct writer w = writer_of(out, sizeof(ring[0]) - 1);

	note_key_print(&w, &signer.key);
	out[writer_bytes(&w).len] = '\0';
	return out;
}

#define LOG_1 vkey_of("example.com/log", NOTE_ED25519, 1)
#define W(seed) vkey_of("witness.example/w", NOTE_COSIGNATURE, (seed))

static struct policy
policy_of(const char *text)
{
	struct policy policy;
	struct policy_fault fault;

	if (policy_parse(text_bytes(text), &policy, &fault) != POLICY_OK)
		fail_msg("line %zu: %s", fault.line, policy_result_str(fault.result));
	assert_int_equal(fault.result, POLICY_OK);
	return policy;
}

/* ---- the specification's example ---- */

static void
every_set_of_witnesses(void **state)
{
	char text[2048];
	(void)state;

	snprintf(text, sizeof(text), "log %s\n\nwitness X1 %s\nwitness X2 %s\nwitness X3 %s\ngroup X-witnesses 2 X1 X2 X3\n\n"
	    "witness Y1 %s\nwitness Y2 %s\nwitness Y3 %s\ngroup Y-witnesses any Y1 Y2 Y3\n\n"
	    "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n", LOG_1, W(11), W(12), W(13), W(14), W(15), W(16));
	struct policy policy = policy_of(text);
	assert_int_equal(policy.n_logs, 1);
	assert_text(policy.log[0].key.name, "example.com/log");
	assert_int_equal(policy.log[0].url.len, 0);
	assert_int_equal(policy.n_members, 9);
	assert_text(policy.member[3].name, "X-witnesses");
	assert_int_equal(policy.member[3].threshold, 2);
	assert_int_equal(policy.member[3].n_members, 3);
	assert_int_equal(policy.member[7].threshold, 1);
	assert_int_equal(policy.member[8].threshold, 2);
	assert_int_equal(policy.quorum, 8);
	assert_int_equal(policy.member[3].group, 8);
	assert_int_equal(policy.member[8].group, POLICY_NOBODY);

	for (unsigned set = 0; set < 64; set++) {
		bool witnessed[POLICY_MEMBERS_MAX] = { 0 };
		static const size_t place[] = { 0, 1, 2, 4, 5, 6 };
		unsigned x = 0, y = 0;
		for (unsigned i = 0; i < 6; i++) {
			witnessed[place[i]] = (set >> i & 1) != 0;
			*(i < 3 ? &x : &y) += set >> i & 1;
		}
		/* What is said of groups is not looked at. */
		witnessed[3] = witnessed[7] = witnessed[8] = true;
		assert_int_equal(policy_quorum_met(&policy, witnessed), x >= 2 && y >= 1);
	}
}

/* k of n, for every k, n and set. */
static void
every_threshold(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 6; n++)
		for (unsigned k = 1; k <= n + 2; k++) {		/* n + 1: "any", n + 2: "all" */
			char text[2048];
			struct writer w = writer_of(text, sizeof(text) - 1);
			for (unsigned i = 0; i < n; i++) {
				char line[256];
				snprintf(line, sizeof(line), "witness w%u %s\n", i, W((uint8_t)(20 + i)));
				writer_put(&w, text_bytes(line));
			}
			char head[32];
			snprintf(head, sizeof(head), k <= n ? "group g %u" : k == n + 1 ? "group g any" : "group g all", k);
			writer_put(&w, text_bytes(head));
			for (unsigned i = 0; i < n; i++) {
				snprintf(head, sizeof(head), "\tw%u", i);
				writer_put(&w, text_bytes(head));
			}
			writer_put(&w, text_bytes("\nquorum g\n"));
			text[writer_bytes(&w).len] = '\0';
			struct policy policy = policy_of(text);
			unsigned need = k <= n ? k : k == n + 1 ? 1 : n;
			for (unsigned set = 0; set < 1u << n; set++) {
				bool witnessed[POLICY_MEMBERS_MAX] = { 0 };
				for (unsigned i = 0; i < n; i++)
					witnessed[i] = (set >> i & 1) != 0;
				assert_int_equal(policy_quorum_met(&policy, witnessed), (unsigned)__builtin_popcount(set) >= need);
			}
		}
}

/* ---- forms ---- */

static void
forms(void **state)
{
	char text[2048];
	(void)state;

	struct policy policy = policy_of("quorum none\n");
	assert_int_equal(policy.quorum, POLICY_NOBODY);
	assert_true(policy_quorum_met(&policy, (bool [POLICY_MEMBERS_MAX]){ 0 }));

	snprintf(text, sizeof(text), "\n# comment\n\t # another # one\n \t\n\twitness \t w1  %s   https://w1.example.com/  \n\n  quorum\tw1\t\n"
	    "log %s https://log.example.com/\t\n#\xC3\xA8\xFF\n", W(1), LOG_1);
	policy = policy_of(text);
	assert_text(policy.member[0].name, "w1");
	assert_text(policy.member[0].url, "https://w1.example.com/");
	assert_text(policy.log[0].url, "https://log.example.com/");
	assert_int_equal(policy.quorum, 0);
	assert_int_equal(policy.member[0].threshold, 0);

	/* Words of the format are names too; octets above 0x7F are opaque: K and the Kelvin sign differ, and need not be UTF-8. */
	snprintf(text, sizeof(text), "witness all %s\nwitness any %s\ngroup group 002 all any\nquorum group\n", W(1), W(2));
	policy = policy_of(text);
	assert_int_equal(policy.member[2].threshold, 2);
	snprintf(text, sizeof(text), "witness K %s\nwitness \xE2\x84\xAA %s\nwitness K\x80 %s\nquorum K\x80\n", W(1), W(2), W(3));
	policy = policy_of(text);
	assert_int_equal(policy.quorum, 2);

	/* A log and a witness of one key; two logs of one name, as while a key is exchanged; the quorum is a member of a group too. */
	snprintf(text, sizeof(text), "log %s\nlog %s\nwitness w %s\ngroup g all w\nquorum w\nwitness later %s\n", LOG_1,
	    vkey_of("example.com/log", NOTE_ED25519, 2), W(1), W(9));
	policy = policy_of(text);
	assert_int_equal(policy.n_logs, 2);
	assert_true(policy_quorum_met(&policy, (bool [POLICY_MEMBERS_MAX]){ true }));
	assert_false(policy_quorum_met(&policy, (bool [POLICY_MEMBERS_MAX]){ false, true, true }));
}

/* In a fault's text, %1 to %5 are witness keys, %L and %M log keys, %E the ECDSA key of a log that exists. */
static void
expand(const char *text, char *out, size_t cap)
{
	struct writer w = writer_of(out, cap - 1);

	for (; *text != '\0'; text++) {
		if (*text != '%')
			writer_put(&w, bytes_of(text, 1));
		else if (*++text == 'L')
			writer_put(&w, text_bytes(LOG_1));
		else if (*text == 'M')
			writer_put(&w, text_bytes(vkey_of("example.com/log2", NOTE_ED25519, 2)));
		else if (*text == 'E')
			writer_put(&w, text_bytes("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
		else
			writer_put(&w, text_bytes(W((uint8_t)(*text - '0'))));
	}
	out[writer_bytes(&w).len] = '\0';
}

static void
faults(void **state)
{
	static const struct { const char *text; enum policy_result want; size_t line; enum note_key_result key; } cases[] = {
		{ "", POLICY_NO_QUORUM, 1, 0 },
		{ "log %L\n", POLICY_NO_QUORUM, 2, 0 },
		{ "witness w %1\n# quorum w\n", POLICY_NO_QUORUM, 3, 0 },
		{ "quorum none", POLICY_UNFINISHED, 1, 0 },
		{ "quorum none\n ", POLICY_UNFINISHED, 2, 0 },
		{ "quorum none\n\x01", POLICY_UNFINISHED, 2, 0 },
		{ "quorum none\n\x01\n", POLICY_BAD_OCTET, 2, 0 },
		{ "quorum none\r\n", POLICY_BAD_OCTET, 1, 0 },
		{ "# \x0C\nquorum none\n", POLICY_BAD_OCTET, 1, 0 },
		{ "# \x7F\nquorum none\n", POLICY_BAD_OCTET, 1, 0 },
		{ "quibble w\nquorum none\n", POLICY_UNKNOWN_KEYWORD, 1, 0 },
		{ "Quorum none\n", POLICY_UNKNOWN_KEYWORD, 1, 0 },
		{ "quorumnone\n", POLICY_UNKNOWN_KEYWORD, 1, 0 },
		{ "log\n", POLICY_BAD_FORM, 1, 0 },
		{ "log %L https://a https://b\n", POLICY_BAD_FORM, 1, 0 },
		{ "log %L https://a #comment\n", POLICY_BAD_FORM, 1, 0 },
		{ "witness\n", POLICY_BAD_FORM, 1, 0 },
		{ "witness w\n", POLICY_BAD_FORM, 1, 0 },
		{ "witness w %1 https://a b\n", POLICY_BAD_FORM, 1, 0 },
		{ "witness w %1\ngroup g\n", POLICY_BAD_FORM, 2, 0 },
		{ "witness w %1\ngroup g any\n", POLICY_BAD_FORM, 2, 0 },
		{ "witness w %1\ngroup g 1 \t\n", POLICY_BAD_FORM, 2, 0 },
		{ "quorum\n", POLICY_BAD_FORM, 1, 0 },
		{ "quorum none none\n", POLICY_BAD_FORM, 1, 0 },
		{ "log garbage\n", POLICY_BAD_KEY, 1, NOTE_KEY_BAD_FORM },
		{ "\nlog %E\n", POLICY_BAD_KEY, 2, NOTE_KEY_UNKNOWN_TYPE },
		{ "witness w %E\n", POLICY_BAD_KEY, 1, NOTE_KEY_UNKNOWN_TYPE },
		{ "log x%L\n", POLICY_BAD_KEY, 1, NOTE_KEY_WRONG_ID },
		{ "log %L=\n", POLICY_BAD_KEY, 1, NOTE_KEY_BAD_BASE64 },
		{ "log %1\n", POLICY_WRONG_KEY_TYPE, 1, 0 },
		{ "witness w %L\n", POLICY_WRONG_KEY_TYPE, 1, 0 },
		{ "log %L\nlog %M\nlog %L http://again\n", POLICY_KEY_TWICE, 3, 0 },
		{ "witness w %1\nwitness v %1\n", POLICY_KEY_TWICE, 2, 0 },
		{ "witness none %1\n", POLICY_NAME_RESERVED, 1, 0 },
		{ "witness w %1\ngroup none any w\n", POLICY_NAME_RESERVED, 2, 0 },
		{ "witness w %1\nwitness w %2\n", POLICY_NAME_TWICE, 2, 0 },
		{ "witness w %1\ngroup w any w\n", POLICY_NAME_TWICE, 2, 0 },
		{ "witness w %1\ngroup g any w\nwitness g %2\n", POLICY_NAME_TWICE, 3, 0 },
		{ "witness w %1\ngroup g any v\n", POLICY_NAME_UNKNOWN, 2, 0 },
		{ "group g any w\nwitness w %1\n", POLICY_NAME_UNKNOWN, 1, 0 },
		{ "witness w %1\ngroup g any g\n", POLICY_NAME_UNKNOWN, 2, 0 },
		{ "witness w %1\ngroup g any w none\n", POLICY_NAME_UNKNOWN, 2, 0 },
		{ "quorum unknown\n", POLICY_NAME_UNKNOWN, 1, 0 },
		{ "quorum w\nwitness w %1\n", POLICY_NAME_UNKNOWN, 1, 0 },
		{ "witness w %1\nquorum W\n", POLICY_NAME_UNKNOWN, 2, 0 },
		{ "witness w %1\ngroup g 0 w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g 00 w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g 2 w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g -1 w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g +1 w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g 1x w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g All w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g 18446744073709551617 w\n", POLICY_BAD_THRESHOLD, 2, 0 },
		{ "witness w %1\ngroup g all w w\n", POLICY_MEMBER_TWICE, 2, 0 },
		{ "witness w %1\nwitness v %2\ngroup g all w v\ngroup h all w\n", POLICY_MEMBER_TWICE, 4, 0 },
		{ "witness w %1\ngroup g all w\ngroup h all g\ngroup i any g\n", POLICY_MEMBER_TWICE, 4, 0 },
		{ "quorum none\nquorum none\n", POLICY_QUORUM_TWICE, 2, 0 },
		{ "witness w %1\nquorum w\nquorum none\n", POLICY_QUORUM_TWICE, 3, 0 },
	};
	struct policy policy;
	struct policy_fault fault;
	char text[2048];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		expand(cases[i].text, text, sizeof(text));
		enum policy_result result = policy_parse(text_bytes(text), &policy, &fault);
		if (result != cases[i].want || fault.result != result || fault.line != cases[i].line)
			fail_msg("%s: line %zu: %s", text, fault.line, policy_result_str(result));
		assert_int_equal(fault.key, cases[i].key);
	}
	assert_int_equal(policy_parse(bytes_of("quorum\0none\n", 12), &policy, &fault), POLICY_BAD_OCTET);
	for (enum policy_result r = POLICY_OK; r <= POLICY_TOO_MANY; r++)
		assert_true(strlen(policy_result_str(r)) > 7);
}

static void
put_line(struct writer *w, const char *format, unsigned i, const char *vkey)
{
	char line[256];

	snprintf(line, sizeof(line), format, i, vkey);
	writer_put(w, text_bytes(line));
}

static void
limits(void **state)
{
	static char text[65536];
	struct policy policy;
	struct policy_fault fault;
	(void)state;

	for (unsigned n = 0; n < 2; n++) {
		struct writer w = writer_of(text, sizeof(text));
		for (unsigned i = 0; i < POLICY_LOGS_MAX + n; i++) {
			char name[32];
			snprintf(name, sizeof(name), "log%u", i);
			char line[256];
			snprintf(line, sizeof(line), "log %s\n", vkey_of(name, NOTE_ED25519, (uint8_t)i));
			writer_put(&w, text_bytes(line));
		}
		writer_put(&w, text_bytes("quorum none\n"));
		assert_int_equal(policy_parse(writer_bytes(&w), &policy, &fault), n == 0 ? POLICY_OK : POLICY_TOO_MANY);
	}
	for (unsigned n = 0; n < 2; n++) {
		struct writer w = writer_of(text, sizeof(text));
		for (unsigned i = 0; i < POLICY_MEMBERS_MAX / 2 + n; i++)
			put_line(&w, "witness w%u %s\n", i, W((uint8_t)i));
		for (unsigned i = 0; i < POLICY_MEMBERS_MAX / 2; i++)
			put_line(&w, "group g%1$u any w%1$u\n", i, "");
		writer_put(&w, text_bytes("quorum none\n"));
		assert_int_equal(policy_parse(writer_bytes(&w), &policy, &fault), n == 0 ? POLICY_OK : POLICY_TOO_MANY);
	}
}

/* ---- verdicts ---- */

static enum policy_answer
judged(const char *policy_text, const char *note_text, const char *origin, struct policy_verdict *verdict)
{
	struct policy policy = policy_of(policy_text);
	struct note note;

	assert_int_equal(note_parse(text_bytes(note_text), &note), NOTE_OK);
	assert_int_equal(policy_check(&policy, &note, text_bytes(origin), ed25519_verify, NULL, verdict), ST_OK);
	return verdict->answer;
}

static void
a_checkpoint_of_the_public_network(void **state)
{
	static const struct { const char *rule; enum policy_answer want; size_t n_witnessed; } cases[] = {
		{ "quorum none\n", POLICY_ACCEPTED, 0 },
		{ "witness g " GARDEN_VKEY "\nquorum g\n", POLICY_ACCEPTED, 1 },
		{ "witness g " GARDEN_VKEY "\nwitness s " SMARTIT_VKEY "\nwitness r " REMORA_VKEY "\nwitness m " STAGEMOLE_VKEY "\n"
		    "group q all g s r m\nquorum q\n", POLICY_ACCEPTED, 4 },
		{ "witness g " GARDEN_VKEY "\nwitness absent %1\nwitness r " REMORA_VKEY "\ngroup q all g absent r\nquorum q\n",
		    POLICY_QUORUM_MISSED, 2 },
		{ "witness g " GARDEN_VKEY "\nwitness absent %1\nwitness r " REMORA_VKEY "\ngroup q 2 g absent r\nquorum q\n", POLICY_ACCEPTED, 2 },
		{ "witness absent %1\nquorum absent\n", POLICY_QUORUM_MISSED, 0 },
	};
	struct policy_verdict verdict;
	char text[4096], rule[2048];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		expand(cases[i].rule, rule, sizeof(rule));
		snprintf(text, sizeof(text), "log %s\nlog " ARCHE_VKEY "\n%s", LOG_1, rule);
		assert_int_equal(judged(text, ARCHE_NOTE, ARCHE_ORIGIN, &verdict), cases[i].want);
		assert_int_equal(verdict.n_witnessed, cases[i].n_witnessed);
		assert_int_equal(verdict.log, 1);
	}
	/* A bit of the text, of the root say, and every signature is of something else. */
	char *note = strdup(ARCHE_NOTE);
	strstr(note, "U7WM")[0] = 'V';
	snprintf(text, sizeof(text), "log " ARCHE_VKEY "\nquorum none\n");
	assert_int_equal(judged(text, note, ARCHE_ORIGIN, &verdict), POLICY_FORGED);
	assert_text(verdict.forged_name, ARCHE_ORIGIN);
	free(note);
}

/* Logs 1 and 2 of example.com/log, log 3 of another origin, witnesses 11 and 12; which sign, and what comes of it. */
static void
who_signs(void **state)
{
	static const struct { const char *name; const char *signers; const char *origin; enum policy_answer want; } cases[] = {
		{ "a log and both witnesses", "1ab", "example.com/log", POLICY_ACCEPTED },
		{ "the other key of the log", "2ab", "example.com/log", POLICY_ACCEPTED },
		{ "both keys, while one replaces the other", "12ab", "example.com/log", POLICY_ACCEPTED },
		{ "witnesses before the log", "ba1", "example.com/log", POLICY_ACCEPTED },
		{ "one witness is missing", "1a", "example.com/log", POLICY_QUORUM_MISSED },
		{ "one witness twice is one", "1aa", "example.com/log", POLICY_QUORUM_MISSED },
		{ "the log is missing", "ab", "example.com/log", POLICY_LOG_UNSIGNED },
		{ "a log of another origin signs", "3ab", "example.com/log", POLICY_LOG_UNSIGNED },
		{ "a key that is unknown, of the log's name", "4ab", "example.com/log", POLICY_LOG_UNSIGNED },
		{ "unknown keys beside all that it takes", "41abz", "example.com/log", POLICY_ACCEPTED },
		{ "an origin that no log has", "123ab", "example.com/lo", POLICY_ORIGIN_UNKNOWN },
		{ "a second signature of a known log is bad", "1abB", "example.com/log", POLICY_FORGED },
		{ "a second signature of a known witness is bad", "1abA", "example.com/log", POLICY_FORGED },
		{ "another log's signature is bad", "1abC", "example.com/log", POLICY_FORGED },
		{ "a bad signature of a key unknown", "1abD", "example.com/log", POLICY_ACCEPTED },
	};
	struct note_signer logs[] = { signer_of("example.com/log", NOTE_ED25519, 1), signer_of("example.com/log", NOTE_ED25519, 2),
		signer_of("example.org/other", NOTE_ED25519, 3), signer_of("example.com/log", NOTE_ED25519, 4) };
	struct note_signer witnesses[] = { signer_of("witness.example/w", NOTE_COSIGNATURE, 11),
		signer_of("witness.example/w", NOTE_COSIGNATURE, 12) };
	struct note_signer unknown = signer_of("witness.example/w", NOTE_COSIGNATURE, 13);
	char policy_text[2048];
	(void)state;

	snprintf(policy_text, sizeof(policy_text), "log %s\nlog %s\nlog %s\nwitness a %s\nwitness b %s\ngroup q all a b\nquorum q\n",
	    LOG_1, vkey_of("example.com/log", NOTE_ED25519, 2), vkey_of("example.org/other", NOTE_ED25519, 3), W(11), W(12));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		static const char other[] = "another text\n";
		char text[256], note[4096];
		struct policy_verdict verdict;
		snprintf(text, sizeof(text), "%s\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", cases[i].origin);
		struct writer w = writer_of(note, sizeof(note) - 1);
		writer_put(&w, text_bytes(text));
		writer_put(&w, text_bytes("\n"));
		for (const char *s = cases[i].signers; *s != '\0'; s++) {
			bool good = *s >= '1' && *s <= '4';
			if (good)
				sign_line(&w, &logs[*s - '1'], text_bytes(text), 0);
			else if (*s == 'a' || *s == 'b')
				sign_line(&w, &witnesses[*s - 'a'], text_bytes(text), 1700000000);
			else if (*s == 'A')
				sign_line(&w, &witnesses[0], text_bytes(other), 1700000000);
			else if (*s == 'z')
				sign_line(&w, &unknown, text_bytes(text), 1700000000);
			else
				sign_line(&w, *s == 'B' ? &logs[1] : *s == 'C' ? &logs[2] : &logs[3], text_bytes(other), 0);
		}
		note[writer_bytes(&w).len] = '\0';
		enum policy_answer answer = judged(policy_text, note, cases[i].origin, &verdict);
		if (answer != cases[i].want)
			fail_msg("%s: %s", cases[i].name, policy_answer_str(answer));
	}
	for (enum policy_answer a = POLICY_ACCEPTED; a <= POLICY_QUORUM_MISSED; a++)
		assert_true(strlen(policy_answer_str(a)) > 10);
}

static void
witnesses_alone(void **state)
{
	struct policy policy = policy_of("witness r " REMORA_VKEY "\nwitness s " SMARTIT_VKEY "\ngroup q all r s\nquorum q\n");
	struct policy_verdict verdict;
	struct note note;
	unsigned calls = 0;
	(void)state;

	assert_int_equal(note_parse(text_bytes(ARCHE_NOTE), &note), NOTE_OK);
	assert_int_equal(policy_check_witnesses(&policy, &note, ed25519_verify, &calls, &verdict), ST_OK);
	assert_int_equal(verdict.answer, POLICY_ACCEPTED);
	assert_int_equal(verdict.n_witnessed, 2);
	assert_true(verdict.witnessed[0] && verdict.witnessed[1] && !verdict.witnessed[2]);
	assert_int_equal(calls, 2);
	/* A policy without logs knows no origin. */
	assert_int_equal(policy_check(&policy, &note, text_bytes(ARCHE_ORIGIN), ed25519_verify, NULL, &verdict), ST_OK);
	assert_int_equal(verdict.answer, POLICY_ORIGIN_UNKNOWN);
}

static enum status
no_memory(void *ctx, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    const uint8_t signature[static NOTE_ED25519_BYTES])
{
	(void)ctx, (void)public_key, (void)parts, (void)n_parts, (void)signature;
	return ST_NOMEM;
}

static void
machinery_that_fails_is_passed_up(void **state)
{
	struct policy policy = policy_of("log " ARCHE_VKEY "\nwitness r " REMORA_VKEY "\nquorum r\n");
	struct policy_verdict verdict;
	struct note note;
	(void)state;

	assert_int_equal(note_parse(text_bytes(ARCHE_NOTE), &note), NOTE_OK);
	assert_int_equal(policy_check(&policy, &note, text_bytes(ARCHE_ORIGIN), no_memory, NULL, &verdict), ST_NOMEM);
	assert_int_equal(policy_check_witnesses(&policy, &note, no_memory, NULL, &verdict), ST_NOMEM);
}

static void
broken_policies(void **state)
{
	static uint8_t text[4096];
	static struct policy policy;
	uint64_t random = 4711;
	unsigned read = 0;
	char good[2048];
	(void)state;

	expand("# a policy\nlog %L https://log.example/\nlog %M\n\nwitness a %1\nwitness b %2 https://b.example/\nwitness c %3\ngroup g 2 a b c\n"
	    "witness d %4\ngroup h any g d\nquorum h\n", good, sizeof(good));
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct policy_fault fault;
		size_t len = strlen(good);
		memcpy(text, good, len);
		len = break_text(text, len, sizeof(text), &random);
		uint8_t *broken = malloc(len == 0 ? 1 : len);
		memcpy(broken, text, len);
		if (policy_parse(bytes_of(broken, len), &policy, &fault) == POLICY_OK) {
			bool all[POLICY_MEMBERS_MAX], none[POLICY_MEMBERS_MAX] = { 0 };
			memset(all, true, sizeof(all));
			assert_true(policy_quorum_met(&policy, all));
			assert_true(policy.quorum == POLICY_NOBODY || !policy_quorum_met(&policy, none));
			read++;
		} else
			assert_true(fault.line >= 1);
		free(broken);
	}
	assert_true(read > ROUNDS / 100 && read < ROUNDS / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_of_witnesses), cmocka_unit_test(every_threshold), cmocka_unit_test(forms), cmocka_unit_test(faults),
		cmocka_unit_test(limits), cmocka_unit_test(a_checkpoint_of_the_public_network), cmocka_unit_test(who_signs),
		cmocka_unit_test(witnesses_alone), cmocka_unit_test(machinery_that_fails_is_passed_up), cmocka_unit_test(broken_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
