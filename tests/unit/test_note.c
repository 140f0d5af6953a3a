/**
 * Signed notes, verifier keys, cosignatures and checkpoints: the examples of C2SP signed-note, tlog-checkpoint and tlog-cosignature, those
 * of golang.org/x/mod/sumdb/note, a checkpoint of the public witness network; every form that is refused; texts broken at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "merkle/checkpoint.h"
#include "note_world.h"

#define ROUNDS 30000

static struct note
note_of(const char *text)
{
	struct note note;

	assert_int_equal(note_parse(text_bytes(text), &note), NOTE_OK);
	return note;
}

static enum note_signed
signed_by(const char *text, const char *vkey)
{
	struct note note = note_of(text);
	struct note_key key = key_of(vkey);
	enum note_signed answer;

	assert_int_equal(note_verify(&note, &key, ed25519_verify, NULL, &answer), ST_OK);
	return answer;
}

static void
assert_printed(const struct note *note, const char *want)
{
	char out[8192];
	struct writer w = writer_of(out, sizeof(out));

	note_print(&w, note);
	assert_text(writer_bytes(&w), want);
}

/* ---- known answers ---- */

static void
notes_of_others(void **state)
{
	static const struct { const char *note, *vkey; } cases[] = {
		{ SPEC_NOTE, SPEC_VKEY },
		{ PETER_TEXT "\n" PETER_LINE, PETER_VKEY },
		{ PETER_TEXT "\n" PETER_LINE ENOCH_LINE, PETER_VKEY },
		{ PETER_TEXT "\n" PETER_LINE ENOCH_LINE, ENOCH_VKEY },
		{ PETER_TEXT "\n" ENOCH_LINE PETER_LINE, PETER_VKEY },
		{ SUMDB_NOTE, SUMDB_VKEY },
		{ ARCHE_NOTE, ARCHE_VKEY },
		{ ARCHE_NOTE, GARDEN_VKEY },
		{ ARCHE_NOTE, SMARTIT_VKEY },
		{ ARCHE_NOTE, REMORA_VKEY },
		{ ARCHE_NOTE, STAGEMOLE_VKEY },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct note note = note_of(cases[i].note);
		assert_int_equal(signed_by(cases[i].note, cases[i].vkey), NOTE_SIGNED);
		assert_printed(&note, cases[i].note);
	}
	assert_int_equal(signed_by(SPEC_NOTE, PETER_VKEY), NOTE_UNSIGNED);
	assert_int_equal(signed_by(PETER_TEXT "\n" PETER_LINE, ENOCH_VKEY), NOTE_UNSIGNED);
}

static void
parts_of_a_note(void **state)
{
	struct note note = note_of(PETER_TEXT "\n" PETER_LINE ENOCH_LINE);
	(void)state;

	assert_text(note.text, PETER_TEXT);
	assert_int_equal(note.n_signatures, 2);
	assert_text(note.signature[0].name, "PeterNeumann");
	assert_int_equal(note.signature[0].key_id, 0xc74f20a3);
	assert_text(note.signature[0].base64, PETER_SIGNATURE);
	assert_text(note.signature[1].name, "EnochRoot");
	assert_int_equal(note.signature[1].key_id, 0xaf0cfe78);

	/* The poem of the specification: a text with an empty line of its own. */
	note = note_of("Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
	    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n");
	assert_text(note.text, "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n");
	assert_int_equal(note.signature[0].key_id, 0x367ba04b);
}

static void
signing_gives_the_known_note(void **state)
{
	/* "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz" */
	uint8_t seed[33], public_key[32], secret[64], signature[64];
	char out[512];
	struct writer w = writer_of(out, sizeof(out));
	size_t len;
	(void)state;

	assert_true(lines_base64(text_bytes("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"), seed, sizeof(seed), &len));
	crypto_sign_seed_keypair(public_key, secret, seed + 1);
	crypto_sign_detached(signature, NULL, (const uint8_t *)PETER_TEXT, strlen(PETER_TEXT), secret);
	struct note_key key = note_key_of(text_bytes("PeterNeumann"), NOTE_ED25519, public_key);
	writer_put(&w, text_bytes(PETER_TEXT "\n"));
	note_line_print(&w, key.name, key.id, bytes_of(signature, sizeof(signature)));
	assert_text(writer_bytes(&w), PETER_TEXT "\n" PETER_LINE);

	w = writer_of(out, sizeof(out));
	note_key_print(&w, &key);
	assert_text(writer_bytes(&w), PETER_VKEY);
}

static void
the_answer_of_a_witness(void **state)
{
	static struct note lines, note;
	struct note_key key = key_of(REMORA_VKEY);
	enum note_signed answer;
	(void)state;

	assert_int_equal(note_parse_lines(text_bytes(ARCHE_LINES), &lines), NOTE_OK);
	assert_int_equal(lines.n_signatures, 6);
	assert_int_equal(lines.text.len, 0);
	assert_int_equal(note_verify(&lines, &key, ed25519_verify, NULL, &answer), ST_OK);
	assert_int_equal(answer, NOTE_FORGED);		/* of no text */
	note = lines;
	note.text = text_bytes(ARCHE_TEXT);
	assert_int_equal(note_verify(&note, &key, ed25519_verify, NULL, &answer), ST_OK);
	assert_int_equal(answer, NOTE_SIGNED);
	assert_printed(&note, ARCHE_NOTE);

	assert_int_equal(note_parse_lines(text_bytes(""), &lines), NOTE_NO_SIGNATURES);
	assert_int_equal(note_parse_lines(text_bytes("\n" PETER_LINE), &lines), NOTE_BAD_LINE);
	assert_int_equal(note_parse_lines(text_bytes("\x01"), &lines), NOTE_CONTROL_CHARACTER);

	key = key_of(PETER_VKEY);
	assert_true(note_is_line(text_bytes(PETER_LINE), key.id));
	assert_false(note_is_line(text_bytes(PETER_LINE), key.id + 1));
	assert_false(note_is_line(text_bytes(PETER_LINE PETER_LINE), key.id));
	assert_false(note_is_line(bytes_of(PETER_LINE, strlen(PETER_LINE) - 1), key.id));
	assert_false(note_is_line(text_bytes("x" PETER_LINE), key.id));
	assert_false(note_is_line(text_bytes(""), key.id));
}

/* ---- cosignatures ---- */

static void
times_of_cosignatures(void **state)
{
	uint64_t time_s = 0;
	(void)state;

	struct note note = note_of(ARCHE_NOTE);
	assert_false(cosignature_time(&note.signature[0], &time_s));
	assert_false(cosignature_time(&note.signature[1], &time_s));
	for (size_t i = 2; i < 6; i++) {
		assert_true(cosignature_time(&note.signature[i], &time_s));
		assert_int_equal(time_s, ARCHE_TIME_S);
	}
	/* The example of tlog-cosignature, whose key is not known. */
	note = note_of("example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
	    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n");
	assert_true(cosignature_time(&note.signature[0], &time_s));
	assert_int_equal(time_s, 1679315147);
	assert_int_equal(note.signature[0].key_id, 0x8d66cf3f);

	char head[COSIGNATURE_HEAD_MAX];
	struct writer w = writer_of(head, sizeof(head));
	cosignature_head_print(&w, 1679315147);
	assert_text(writer_bytes(&w), "cosignature/v1\ntime 1679315147\n");
	w = writer_of(head, sizeof(head));
	cosignature_head_print(&w, INT64_MAX);
	assert_text(writer_bytes(&w), "cosignature/v1\ntime 9223372036854775807\n");
}

/* A cosignature is over its time, and a time of 2^63 is no time, whatever was signed. */
static void
the_time_is_signed(void **state)
{
	static const struct { uint64_t time_s, shown; enum note_signed want; } cases[] = {
		{ 0, 0, NOTE_SIGNED }, { 1, 1, NOTE_SIGNED }, { 1, 2, NOTE_FORGED }, { INT64_MAX, INT64_MAX, NOTE_SIGNED },
		{ 0, (uint64_t)INT64_MAX + 1, NOTE_FORGED }, { INT64_MAX, UINT64_MAX, NOTE_FORGED },
	};
	struct note_signer witness = signer_of("witness.example/w1", NOTE_COSIGNATURE, 7);
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		uint8_t data[NOTE_COSIGNATURE_BYTES];
		struct note note;
		enum note_signed answer;
		struct writer w = writer_of(text, sizeof(text));
		sign_line(&w, &witness, text_bytes(ARCHE_TEXT), cases[i].time_s);
		assert_int_equal(note_parse_lines(writer_bytes(&w), &note), NOTE_OK);
		assert_true(note_signature_bytes(&note.signature[0], data, sizeof(data)));
		put_be64(data, cases[i].shown);

		w = writer_of(text, sizeof(text));
		writer_put(&w, text_bytes(ARCHE_TEXT "\n"));
		note_line_print(&w, witness.key.name, witness.key.id, bytes_of(data, sizeof(data)));
		assert_int_equal(note_parse(writer_bytes(&w), &note), NOTE_OK);
		assert_int_equal(note_verify(&note, &witness.key, ed25519_verify, NULL, &answer), ST_OK);
		assert_int_equal(answer, cases[i].want);
	}
}

/* The same secret under both types: neither signature passes for the other. */
static void
types_are_apart(void **state)
{
	struct note_signer log = signer_of("example.com/k", NOTE_ED25519, 3), witness = signer_of("example.com/k", NOTE_COSIGNATURE, 3);
	char text[1024];
	struct writer w = writer_of(text, sizeof(text));
	struct note note;
	enum note_signed answer;
	(void)state;

	assert_memory_equal(log.key.public_key, witness.key.public_key, NOTE_PUBLIC_KEY_BYTES);
	assert_int_not_equal(log.key.id, witness.key.id);
	writer_put(&w, text_bytes(ARCHE_TEXT "\n"));
	sign_line(&w, &log, text_bytes(ARCHE_TEXT), 0);
	assert_int_equal(note_parse(writer_bytes(&w), &note), NOTE_OK);
	assert_int_equal(note_verify(&note, &witness.key, ed25519_verify, NULL, &answer), ST_OK);
	assert_int_equal(answer, NOTE_UNSIGNED);
	struct note_key lying = witness.key;
	lying.id = log.key.id;
	assert_int_equal(note_verify(&note, &lying, ed25519_verify, NULL, &answer), ST_OK);
	assert_int_equal(answer, NOTE_FORGED);
}

/* ---- verifying ---- */

static void
answers(void **state)
{
	static const struct { const char *name, *lines; enum note_signed want; unsigned calls; } cases[] = {
		{ "signed twice, and both hold", PETER_LINE PETER_LINE, NOTE_SIGNED, 2 },
		{ "a bit of the signature",
		    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAI=\n",
		    NOTE_FORGED, 1 },
		{ "a good line before a bad one", PETER_LINE
		    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAI=\n", NOTE_FORGED, 2 },
		{ "a bad line before a good one",
		    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAI=\n" PETER_LINE,
		    NOTE_FORGED, 1 },
		{ "three bytes more", "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGABCDUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
		    NOTE_FORGED, 0 },
		{ "one byte", "— PeterNeumann x08gowA=\n", NOTE_FORGED, 0 },
		{ "the name of another", "— CarmenSandiego " PETER_SIGNATURE "\n", NOTE_UNSIGNED, 0 },
		{ "the id of another", "— PeterNeumann xxxxo/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
		    NOTE_UNSIGNED, 0 },
		{ "unknown ones between", ENOCH_LINE PETER_LINE "— who.example AAAAAAAAAAAA\n", NOTE_SIGNED, 1 },
	};
	struct note_key key = key_of(PETER_VKEY);
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[2048];
		enum note_signed answer;
		unsigned calls = 0;
		snprintf(text, sizeof(text), "%s\n%s", PETER_TEXT, cases[i].lines);
		struct note note = note_of(text);
		assert_int_equal(note_verify(&note, &key, ed25519_verify, &calls, &answer), ST_OK);
		if (answer != cases[i].want || calls != cases[i].calls)
			fail_msg("%s: answer %d after %u calls", cases[i].name, (int)answer, calls);
	}
	assert_int_equal(signed_by("I" PETER_TEXT "\n" PETER_LINE, PETER_VKEY), NOTE_FORGED);
	assert_int_equal(signed_by(PETER_TEXT "\n\n" PETER_LINE, PETER_VKEY), NOTE_FORGED);
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
	struct note note = note_of(PETER_TEXT "\n" PETER_LINE);
	struct note_key key = key_of(PETER_VKEY);
	enum note_signed answer = NOTE_UNSIGNED;
	(void)state;

	assert_int_equal(note_verify(&note, &key, no_memory, NULL, &answer), ST_NOMEM);
	assert_int_equal(answer, NOTE_UNSIGNED);
}

/* ---- forms ---- */

static void
malformed_notes(void **state)
{
	static const struct { const char *text; enum note_result want; } cases[] = {
		{ PETER_TEXT, NOTE_NO_SIGNATURES },
		{ "", NOTE_NO_SIGNATURES },
		{ "\n", NOTE_NO_SIGNATURES },
		{ "\n\n", NOTE_NO_SIGNATURES },
		{ PETER_TEXT "\n", NOTE_NO_SIGNATURES },
		{ PETER_TEXT PETER_LINE, NOTE_NO_SIGNATURES },
		{ PETER_LINE, NOTE_NO_SIGNATURES },
		{ "\n" PETER_LINE, NOTE_NO_SIGNATURES },
		{ "\n\n" PETER_LINE, NOTE_OK },
		{ "no newline" "\n\n" PETER_LINE, NOTE_OK },
		{ PETER_TEXT "\n— PeterNeumann " PETER_SIGNATURE, NOTE_UNFINISHED },
		{ PETER_TEXT "\n" PETER_LINE "x", NOTE_UNFINISHED },
		{ PETER_TEXT "\n" PETER_LINE "\n", NOTE_NO_SIGNATURES },
		{ "\x01" PETER_TEXT "\n" PETER_LINE, NOTE_CONTROL_CHARACTER },
		{ "\t" PETER_TEXT "\n" PETER_LINE, NOTE_CONTROL_CHARACTER },
		{ PETER_TEXT "\n— PeterNeumann " PETER_SIGNATURE "\r\n", NOTE_CONTROL_CHARACTER },
		{ "\x7F" PETER_TEXT "\n" PETER_LINE, NOTE_OK },
		{ "\xff" PETER_TEXT "\n" PETER_LINE, NOTE_BAD_UTF8 },
		{ PETER_TEXT "\n— Bad Name " PETER_SIGNATURE "\n", NOTE_BAD_SIGNATURE },
		{ PETER_TEXT "\n— a+b " PETER_SIGNATURE "\n", NOTE_BAD_NAME },
		{ PETER_TEXT "\n—  " PETER_SIGNATURE "\n", NOTE_BAD_NAME },
		{ PETER_TEXT "\n— a\xC2\xA0" "b " PETER_SIGNATURE "\n", NOTE_BAD_NAME },
		{ PETER_TEXT "\n" PETER_LINE "Unexpected line.\n", NOTE_BAD_LINE },
		{ PETER_TEXT "\n-- PeterNeumann " PETER_SIGNATURE "\n", NOTE_BAD_LINE },
		{ PETER_TEXT "\n—PeterNeumann " PETER_SIGNATURE "\n", NOTE_BAD_LINE },
		{ PETER_TEXT "\n— PeterNeumann\n", NOTE_BAD_LINE },
		{ PETER_TEXT "\n— \n", NOTE_BAD_LINE },
		{ PETER_TEXT "\n— PeterNeumann \n", NOTE_BAD_SIGNATURE },
		{ PETER_TEXT "\n— PeterNeumann " PETER_SIGNATURE " \n", NOTE_BAD_SIGNATURE },
		{ PETER_TEXT "\n— PeterNeumann x08gow==\n", NOTE_BAD_SIGNATURE },
		{ PETER_TEXT "\n— PeterNeumann x08gowA=\n", NOTE_OK },
		{ PETER_TEXT "\n— PeterNeumann x08gowA\n", NOTE_BAD_SIGNATURE },
		{ PETER_TEXT "\n— PeterNeumann x08gowB=\n", NOTE_BAD_SIGNATURE },	/* a bit behind the last byte */
		{ PETER_TEXT "\n— PeterNeumann x08g-wA=\n", NOTE_BAD_SIGNATURE },
	};
	struct note note;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum note_result result = note_parse(text_bytes(cases[i].text), &note);
		if (result != cases[i].want)
			fail_msg("%s: %s", cases[i].text, note_result_str(result));
		if (result == NOTE_OK)
			assert_printed(&note, cases[i].text);
	}
	assert_int_equal(note_parse(bytes_of("a\0b\n\n" PETER_LINE, 5 + strlen(PETER_LINE)), &note), NOTE_CONTROL_CHARACTER);
	for (enum note_result r = NOTE_OK; r <= NOTE_TOO_MANY_SIGNATURES; r++)
		assert_true(strlen(note_result_str(r)) > 10);
}

static void
how_many_signatures(void **state)
{
	static char text[32768];
	struct note note;
	(void)state;

	for (size_t n = 1; n <= 102; n++) {
		struct writer w = writer_of(text, sizeof(text));
		writer_put(&w, text_bytes(PETER_TEXT "\n"));
		for (size_t i = 0; i < n; i++)
			writer_put(&w, text_bytes(ENOCH_LINE));
		assert_int_equal(note_parse(writer_bytes(&w), &note), n <= NOTE_SIGNATURES_MAX ? NOTE_OK : NOTE_TOO_MANY_SIGNATURES);
		if (n <= NOTE_SIGNATURES_MAX)
			assert_int_equal(note.n_signatures, n);
	}
}

static void
names(void **state)
{
	static const struct { const char *name; bool valid; } cases[] = {
		{ "a", true }, { "example.com/log", true }, { "\xC3\xA8", true }, { "\xEF\xBF\xBD", true }, { "\xF0\x9F\x8C\xB3", true },
		{ "\x7F", true }, { "\xF4\x8F\xBF\xBF", true }, { "\xED\x9F\xBF", true }, { "\xEE\x80\x80", true },
		{ "", false }, { " ", false }, { "a b", false }, { "a\tb", false }, { "a\nb", false }, { "a\x01", false }, { "a+b", false },
		{ "+", false },
		{ "a\xC2\x85", false }, { "a\xC2\xA0", false }, { "\xE1\x9A\x80", false }, { "\xE2\x80\x80", false }, { "\xE2\x80\x8A", false },
		{ "\xE2\x80\x8B", true },	/* zero width space: no White_Space */
		{ "\xE2\x80\xA8", false }, { "\xE2\x80\xA9", false }, { "\xE2\x80\xAF", false }, { "\xE2\x81\x9F", false }, { "\xE3\x80\x80", false },
		{ "\x80", false }, { "\xBF", false }, { "\xC3", false }, { "\xC0\x80", false }, { "\xC1\xBF", false }, { "\xE0\x9F\xBF", false },
		{ "\xE2\x82", false }, { "\xE2\x28\xA1", false }, { "\xED\xA0\x80", false }, { "\xED\xBF\xBF", false }, { "\xF0\x8F\xBF\xBF", false },
		{ "\xF4\x90\x80\x80", false }, { "\xF5\x80\x80\x80", false }, { "\xF8\x88\x80\x80\x80", false }, { "\xFE", false }, { "a\xFF", false },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (note_name_valid(text_bytes(cases[i].name)) != cases[i].valid)
			fail_msg("case %zu: %s", i, cases[i].name);
}

/* ---- keys ---- */

static void
known_keys(void **state)
{
	static const char *const vkeys[] = { SPEC_VKEY, PETER_VKEY, ENOCH_VKEY, SUMDB_VKEY, ARCHE_VKEY, GARDEN_VKEY, SMARTIT_VKEY, REMORA_VKEY,
		STAGEMOLE_VKEY, "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6" };
	char out[256];
	(void)state;

	for (size_t i = 0; i < sizeof(vkeys) / sizeof(*vkeys); i++) {
		struct note_key key = key_of(vkeys[i]);
		struct writer w = writer_of(out, sizeof(out));
		note_key_print(&w, &key);
		assert_text(writer_bytes(&w), vkeys[i]);
	}
	struct note_key key = key_of(REMORA_VKEY);
	assert_text(key.name, "remora.n621.de");
	assert_int_equal(key.type, NOTE_COSIGNATURE);
	assert_int_equal(key.id, 0xda77ade7);
	assert_int_equal(key_of(SPEC_VKEY).type, NOTE_ED25519);
	assert_int_equal(key_of("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").id, 0xc74f20a3);
}

static void
malformed_keys(void **state)
{
	static const struct { const char *vkey; enum note_key_result want; } cases[] = {
		{ "", NOTE_KEY_BAD_FORM },
		{ "PeterNeumann", NOTE_KEY_BAD_FORM },
		{ "PeterNeumann+c74f20a3", NOTE_KEY_BAD_FORM },
		{ "PeterNeumann+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_BAD_FORM },
		{ "PeterNeumann+c74f20a30+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_BAD_FORM },
		{ "PeterNeumann+c74f20g3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_BAD_FORM },
		{ "PeterNeumann+ 74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_BAD_FORM },
		{ "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_BAD_NAME },
		{ "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_BAD_NAME },
		{ "PeterNeumann+c74f20a3+", NOTE_KEY_BAD_BASE64 },
		{ "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", NOTE_KEY_BAD_BASE64 },
		{ "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n", NOTE_KEY_BAD_BASE64 },
		{ "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy", NOTE_KEY_BAD_LENGTH },
		{ "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", NOTE_KEY_BAD_BASE64 },
		{ "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEQ==", NOTE_KEY_BAD_LENGTH },
		{ "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_UNKNOWN_TYPE },
		{ "PeterNeumann+c74f20a3+AQ==", NOTE_KEY_BAD_LENGTH },
		{ "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_WRONG_ID },
		{ "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_WRONG_ID },
		{ "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NOTE_KEY_WRONG_ID },
	};
	struct note_key key;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum note_key_result result = note_key_parse(text_bytes(cases[i].vkey), &key);
		if (result != cases[i].want)
			fail_msg("%s: %s", cases[i].vkey, note_key_result_str(result));
	}
	for (enum note_key_result r = NOTE_KEY_OK; r <= NOTE_KEY_WRONG_ID; r++)
		assert_true(strlen(note_key_result_str(r)) > 10);
}

/* As sumdb/note tests it: every piece of a key, and every key with a byte more. */
static void
mangled_keys(void **state)
{
	char vkey[] = PETER_VKEY;
	size_t len = strlen(vkey);
	struct note_key key = { .id = 42 };
	(void)state;

	for (size_t i = 0; i <= len; i++)
		for (size_t j = i; j <= len; j++)
			if (i != 0 || j != len)
				assert_int_not_equal(note_key_parse(bytes_of(vkey + i, j - i), &key), NOTE_KEY_OK);
	for (size_t i = 0; i < len; i++) {
		vkey[i]++;
		assert_int_not_equal(note_key_parse(bytes_of(vkey, len), &key), NOTE_KEY_OK);
		vkey[i]--;
	}
	assert_int_equal(key.id, 42);
}

/* ---- checkpoints ---- */

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

static void
checkpoints(void **state)
{
	static const struct { const char *text; enum checkpoint_result want; uint64_t size; } cases[] = {
		{ "example.com/behind-the-sofa\n20852163\n" ROOT "\n", CHECKPOINT_OK, 20852163 },
		{ ARCHE_TEXT, CHECKPOINT_OK, ARCHE_SIZE },
		{ "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n", CHECKPOINT_OK, 123456789012 },
		{ "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", CHECKPOINT_OK, 0 },
		{ "o\n18446744073709551615\n" ROOT "\n", CHECKPOINT_OK, UINT64_MAX },
		{ "o\n1\n" ROOT "\nextension\n another\n", CHECKPOINT_OK, 1 },
		{ " \n1\n" ROOT "\n", CHECKPOINT_OK, 1 },
		{ "", CHECKPOINT_UNFINISHED, 0 },
		{ "o\n1\n" ROOT, CHECKPOINT_UNFINISHED, 0 },
		{ "o\n1\n" ROOT "\nextension", CHECKPOINT_UNFINISHED, 0 },
		{ "o\n1", CHECKPOINT_UNFINISHED, 0 },
		{ "\n", CHECKPOINT_BAD_ORIGIN, 0 },
		{ "\n1\n" ROOT "\n", CHECKPOINT_BAD_ORIGIN, 0 },
		{ "o\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n01\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n00\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n+1\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n-34\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n1 \n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n0x1f\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n18446744073709551616\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n3438945738945739845734895735\n" ROOT "\n", CHECKPOINT_BAD_SIZE, 0 },
		{ "o\n1\n", CHECKPOINT_BAD_ROOT, 0 },
		{ "o\n1\n\n", CHECKPOINT_BAD_ROOT, 0 },
		{ "o\n1\nYmFuYW5hcw==\n", CHECKPOINT_BAD_ROOT, 0 },
		{ "o\n1\nThisIsn'tBase64\n", CHECKPOINT_BAD_ROOT, 0 },
		{ "o\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBTOOBIG=\n", CHECKPOINT_BAD_ROOT, 0 },
		{ "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", CHECKPOINT_BAD_ROOT, 0 },
		{ "o\n1\n" ROOT " \n", CHECKPOINT_BAD_ROOT, 0 },
		{ "o\n1\n" ROOT "\n\n", CHECKPOINT_EMPTY_EXTENSION, 0 },
		{ "o\n1\n" ROOT "\na\n\nb\n", CHECKPOINT_EMPTY_EXTENSION, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char out[512];
		struct writer w = writer_of(out, sizeof(out));
		struct checkpoint checkpoint = { .size = 4711 };
		enum checkpoint_result result = checkpoint_parse(text_bytes(cases[i].text), &checkpoint);
		if (result != cases[i].want)
			fail_msg("%s: %s", cases[i].text, checkpoint_result_str(result));
		assert_int_equal(checkpoint.size, result == CHECKPOINT_OK ? cases[i].size : 4711);
		if (result == CHECKPOINT_OK) {
			checkpoint_print(&w, &checkpoint);
			assert_text(writer_bytes(&w), cases[i].text);
		}
	}
	for (enum checkpoint_result r = CHECKPOINT_OK; r <= CHECKPOINT_UNFINISHED; r++)
		assert_true(strlen(checkpoint_result_str(r)) > 10);
}

static void
parts_of_a_checkpoint(void **state)
{
	struct checkpoint checkpoint;
	uint8_t hash[SHA256_BYTES];
	(void)state;

	assert_int_equal(checkpoint_parse(text_bytes("go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\nx\ny\n"),
	    &checkpoint), CHECKPOINT_OK);
	assert_text(checkpoint.origin, "go.sum database tree");
	assert_text(checkpoint.extensions, "x\ny\n");
	const struct bytes leaf[] = { bytes_of("\0", 1), text_bytes("hello world") };	/* tlog.RecordHash of Go's test */
	hash_sha256(hash, leaf, 2);
	assert_memory_equal(checkpoint.root, hash, sizeof(hash));
}

/* ---- base64 and buffers ---- */

static void
base64(void **state)
{
	static const struct { const char *text; int len; } cases[] = {		/* RFC 4648, section 10, and what is none */
		{ "", 0 }, { "Zg==", 1 }, { "Zm8=", 2 }, { "Zm9v", 3 }, { "Zm9vYg==", 4 }, { "Zm9vYmE=", 5 }, { "Zm9vYmFy", 6 },
		{ "Z", -1 }, { "Zg", -1 }, { "Zg=", -1 }, { "Zh==", -1 }, { "Zm9=", -1 }, { "Z===", -1 }, { "====", -1 }, { "=", -1 },
		{ "Zg==Zg==", -1 }, { "Zm8=Zm8=", -1 }, { "Zm9v\n", -1 }, { "Zm9-", -1 }, { "Zm9_", -1 }, { "Zm 9", -1 }, { "Zm9\xC3", -1 },
		{ "Zg==\n\n\n\n", -1 }, { "Z=g=", -1 },
	};
	static const uint8_t foobar[] = "foobar";
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t data[8];
		char out[16];
		size_t len;
		bool good = lines_base64(text_bytes(cases[i].text), data, sizeof(data), &len);
		assert_int_equal(good, cases[i].len >= 0);
		assert_int_equal(lines_base64(text_bytes(cases[i].text), NULL, 0, &len), good);
		if (!good)
			continue;
		assert_int_equal(len, cases[i].len);
		assert_memory_equal(data, foobar, len);
		assert_true(len == 0 || !lines_base64(text_bytes(cases[i].text), data, len - 1, &len));
		struct writer w = writer_of(out, sizeof(out));
		writer_put_base64(&w, bytes_of(foobar, len));
		assert_text(writer_bytes(&w), cases[i].text);
	}
}

static void
base64_of_random_bytes(void **state)
{
	uint64_t random = 5;
	(void)state;

	for (unsigned round = 0; round < 2000; round++) {
		uint8_t data[64], back[64];
		char ours[100], sodium[100];
		size_t n = next_random(&random) % sizeof(data), len;
		for (size_t i = 0; i < n; i++)
			data[i] = (uint8_t)next_random(&random);
		struct writer w = writer_of(ours, sizeof(ours));
		writer_put_base64(&w, bytes_of(data, n));
		sodium_bin2base64(sodium, sizeof(sodium), data, n, sodium_base64_VARIANT_ORIGINAL);
		assert_text(writer_bytes(&w), sodium);
		assert_true(lines_base64(writer_bytes(&w), back, sizeof(back), &len));
		assert_int_equal(len, n);
		assert_memory_equal(back, data, n);
	}
}

/* A buffer that is too small is never written beyond, and says so once and for all. */
static void
every_buffer_too_small(void **state)
{
	struct note note = note_of(PETER_TEXT "\n" PETER_LINE ENOCH_LINE);
	size_t need = strlen(PETER_TEXT "\n" PETER_LINE ENOCH_LINE);
	(void)state;

	for (size_t cap = 0; cap <= need; cap++) {
		uint8_t *out = malloc(cap + 1);
		struct writer w = writer_of(out, cap);
		out[cap] = 0xA5;
		note_print(&w, &note);
		assert_int_equal(writer_status(&w), cap < need ? ST_TOO_LARGE : ST_OK);
		writer_put(&w, text_bytes("x"));
		assert_int_equal(writer_status(&w), ST_TOO_LARGE);
		assert_int_equal(out[cap], 0xA5);
		free(out);
	}
}

/* ---- broken texts ---- */

/* Whatever is read is printed as it was; under a sanitizer nothing beyond the text is read: it is on the heap, to the byte. */
static void
try_note(const uint8_t *broken, size_t len, unsigned *read)
{
	static char out[8192];
	static struct note note;
	struct note_key key = key_of(REMORA_VKEY);
	uint8_t *text = malloc(len == 0 ? 1 : len);
	enum note_signed answer;

	memcpy(text, broken, len);
	if (note_parse(bytes_of(text, len), &note) == NOTE_OK) {
		struct checkpoint checkpoint;
		struct writer w = writer_of(out, sizeof(out));
		note_print(&w, &note);
		assert_true(bytes_equal(writer_bytes(&w), bytes_of(text, len)));
		assert_int_equal(note_verify(&note, &key, ed25519_verify, NULL, &answer), ST_OK);
		if (checkpoint_parse(note.text, &checkpoint) == CHECKPOINT_OK) {
			w = writer_of(out, sizeof(out));
			checkpoint_print(&w, &checkpoint);
			assert_true(bytes_equal(writer_bytes(&w), note.text));
		}
		if (answer == NOTE_SIGNED)
			assert_text(note.text, ARCHE_TEXT);		/* nothing else was ever signed */
		++*read;
	}
	if (note_parse_lines(bytes_of(text, len), &note) == NOTE_OK)
		assert_true(note.n_signatures != 0);
	free(text);
}

static void
broken_notes(void **state)
{
	uint8_t text[4096];
	uint64_t random = 20260302;
	unsigned read = 0;
	(void)state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t len = strlen(ARCHE_NOTE);
		if (round % 8 == 0) {
			len = next_random(&random) % 64;
			for (size_t i = 0; i < len; i++)
				text[i] = (uint8_t)next_random(&random);
		} else
			memcpy(text, ARCHE_NOTE, len);
		try_note(text, break_text(text, len, sizeof(text), &random), &read);
	}
	assert_true(read > ROUNDS / 50 && read < ROUNDS / 2);
}

static void
broken_keys(void **state)
{
	uint8_t text[256];
	uint64_t random = 20260303;
	(void)state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct note_key key;
		memcpy(text, GARDEN_VKEY, strlen(GARDEN_VKEY));
		size_t len = break_text(text, strlen(GARDEN_VKEY), sizeof(text), &random);
		uint8_t *vkey = malloc(len == 0 ? 1 : len);
		memcpy(vkey, text, len);
		if (note_key_parse(bytes_of(vkey, len), &key) == NOTE_KEY_OK)
			assert_int_equal(key.id, 0xd8042a87);	/* unbroken after all, or only the case of the id */
		free(vkey);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes_of_others), cmocka_unit_test(parts_of_a_note), cmocka_unit_test(signing_gives_the_known_note),
		cmocka_unit_test(the_answer_of_a_witness), cmocka_unit_test(times_of_cosignatures), cmocka_unit_test(the_time_is_signed),
		cmocka_unit_test(types_are_apart), cmocka_unit_test(answers), cmocka_unit_test(machinery_that_fails_is_passed_up),
		cmocka_unit_test(malformed_notes), cmocka_unit_test(how_many_signatures), cmocka_unit_test(names),
		cmocka_unit_test(known_keys), cmocka_unit_test(malformed_keys), cmocka_unit_test(mangled_keys),
		cmocka_unit_test(checkpoints), cmocka_unit_test(parts_of_a_checkpoint),
		cmocka_unit_test(base64), cmocka_unit_test(base64_of_random_bytes), cmocka_unit_test(every_buffer_too_small),
		cmocka_unit_test(broken_notes), cmocka_unit_test(broken_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
