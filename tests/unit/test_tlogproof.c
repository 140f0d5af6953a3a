/**
 * Log proofs: texts as transparency-dev/formats and C2SP tlog-proof have them, every fault of form, and receipts of a small log signed and
 * cosigned here, whose every part is broken in turn.
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

#include "merkle/tlogproof.h"
#include "note_world.h"

#define ROUNDS 30000
#define HEADER "c2sp.org/tlog-proof@v1\n"
#define HASH_1 "ZjwIH6KlBodGVVwE9xL6hGfjMzWi5EzFdSF0AhXx1lE="		/* any 32 bytes */
#define HASH_2 "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

/* ---- forms ---- */

static void
texts(void **state)
{
	static const struct { const char *text, *extra; uint64_t index; size_t n_hashes; const char *checkpoint; } cases[] = {
		{ HEADER "index 5\n" HASH_1 "\n" HASH_2 "\n\ntest checkpoint\n", NULL, 5, 2, "test checkpoint\n" },
		{ HEADER "extra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 10\n" HASH_1 "\n\ncheckpoint data\n", "extra information", 10, 1, "checkpoint data\n" },
		{ HEADER "index 0\n\ncheckpoint\n", NULL, 0, 0, "checkpoint\n" },
		{ HEADER "extra \nindex 0\n\nc", "", 0, 0, "c" },
		{ HEADER "index 18446744073709551615\n\nx\n\ny\n", NULL, UINT64_MAX, 0, "x\n\ny\n" },
		{ HEADER "index 73894\n" HASH_1 "\n\n" SUMDB_NOTE, NULL, 73894, 1, SUMDB_NOTE },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tlogproof proof;
		uint8_t extra[64];
		char out[1024];
		size_t len = 0;
		struct writer w = writer_of(out, sizeof(out));
		assert_int_equal(tlogproof_parse(text_bytes(cases[i].text), &proof), TLOGPROOF_OK);
		assert_int_equal(proof.index, cases[i].index);
		assert_int_equal(proof.proof.n_hashes, cases[i].n_hashes);
		assert_text(proof.checkpoint, cases[i].checkpoint);
		assert_int_equal(proof.has_extra, cases[i].extra != NULL);
		assert_int_equal(tlogproof_extra(&proof, extra, sizeof(extra), &len), cases[i].extra != NULL);
		if (cases[i].extra != NULL)
			assert_text(bytes_of(extra, len), cases[i].extra);
		assert_true(len == 0 || !tlogproof_extra(&proof, extra, len - 1, &len));
		const struct bytes raw = bytes_of(extra, len);
		tlogproof_print(&w, proof.has_extra ? &raw : NULL, proof.index, &proof.proof, proof.checkpoint);
		assert_text(writer_bytes(&w), cases[i].text);
	}
}

/* As the specification shows it, with signatures and most of the hashes left out: it reads, and its checkpoint does not. */
static void
the_specification_s_example(void **state)
{
	static const char example[] = "c2sp.org/tlog-proof@v1\n"
	    "extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ\n"
	    "index 73894\n"
	    "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
	    "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
	    "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n"
	    "RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n"
	    "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n"
	    "\n"
	    "example.com/fancylog\n"
	    "109482\n"
	    "sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n"
	    "\n"
	    "— example.com/fancylog hI2DJw[...]1roloI=\n"
	    "— witness1.example mJirIklj[...]qY9v2B/5bg==\n";
	struct tlogproof proof;
	struct note note;
	uint8_t extra[64];
	size_t len;
	(void)state;

	assert_int_equal(tlogproof_parse(text_bytes(example), &proof), TLOGPROOF_OK);
	assert_int_equal(proof.index, 73894);
	assert_int_equal(proof.proof.n_hashes, 5);
	assert_true(tlogproof_extra(&proof, extra, sizeof(extra), &len));
	assert_memory_equal(extra, "age-v1.2.1-darwin-arm64.tar.gz", 30);
	assert_int_equal(note_parse(proof.checkpoint, &note), NOTE_BAD_SIGNATURE);
}

static void
no_proofs(void **state)
{
	static const struct { const char *text; enum tlogproof_result want; } cases[] = {
		{ "", TLOGPROOF_BAD_HEADER },
		{ "c2sp.org/tlog-proof@v1", TLOGPROOF_BAD_HEADER },
		{ "wrong-header\nindex 0\n\ncheckpoint\n", TLOGPROOF_BAD_HEADER },
		{ "c2sp.org/tlog-proof@v2\nindex 0\n\nc\n", TLOGPROOF_BAD_HEADER },
		{ " " HEADER "index 0\n\nc\n", TLOGPROOF_BAD_HEADER },
		{ "c2sp.org/tlog-proof@v1\r\nindex 0\n\nc\n", TLOGPROOF_BAD_HEADER },
		{ HEADER, TLOGPROOF_UNFINISHED },
		{ HEADER "index 0", TLOGPROOF_UNFINISHED },
		{ HEADER "extra AAAA", TLOGPROOF_UNFINISHED },
		{ HEADER "extra AAAA\n", TLOGPROOF_UNFINISHED },
		{ HEADER "index 0\n", TLOGPROOF_UNFINISHED },
		{ HEADER "index 0\n" HASH_1 "\n", TLOGPROOF_UNFINISHED },
		{ HEADER "index 0\n" HASH_1, TLOGPROOF_UNFINISHED },
		{ HEADER "index 0\n\n", TLOGPROOF_UNFINISHED },
		{ HEADER "extra !!notbase64!!\nindex 0\n\ncheckpoint\n", TLOGPROOF_BAD_EXTRA },
		{ HEADER "extra  AAAA\nindex 0\n\nc\n", TLOGPROOF_BAD_EXTRA },
		{ HEADER "extra AAAA \nindex 0\n\nc\n", TLOGPROOF_BAD_EXTRA },
		{ HEADER "extra AAB=\nindex 0\n\nc\n", TLOGPROOF_BAD_EXTRA },
		{ HEADER "\nindex 0\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "extra\nindex 0\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "Extra AAAA\nindex 0\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "extra AAAA\nextra AAAA\nindex 0\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index \n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index 00\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index 07\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index -5\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index +5\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index notanumber\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index 18446744073709551616\n\nc\n", TLOGPROOF_BAD_INDEX },
		{ HEADER "index 5\nindex 5\n\nc\n", TLOGPROOF_BAD_HASH },
		{ HEADER "index 5\nextra AAAA\n\nc\n", TLOGPROOF_BAD_HASH },
		{ HEADER "index 0\n!!notbase64!!\n\ncheckpoint\n", TLOGPROOF_BAD_HASH },
		{ HEADER "index 0\nAAAA\n\nc\n", TLOGPROOF_BAD_HASH },
		{ HEADER "index 0\n" HASH_1 "AAAA\n\nc\n", TLOGPROOF_BAD_HASH },
		{ HEADER "index 0\n" HASH_1 " \n\nc\n", TLOGPROOF_BAD_HASH },
		{ HEADER "index 0\n" "ZjwIH6KlBodGVVwE9xL6hGfjMzWi5EzFdSF0AhXx1lF=" "\n\nc\n", TLOGPROOF_BAD_HASH },
	};
	struct tlogproof proof;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum tlogproof_result result = tlogproof_parse(text_bytes(cases[i].text), &proof);
		if (result != cases[i].want)
			fail_msg("%s: %s", cases[i].text, tlogproof_result_str(result));
	}
	for (enum tlogproof_result r = TLOGPROOF_OK; r <= TLOGPROOF_UNFINISHED; r++)
		assert_true(strlen(tlogproof_result_str(r)) > 10);
}

static void
where_it_is_wrong(void **state)
{
	static const struct { const char *text; size_t line; } cases[] = {
		{ "", 1 }, { "wrong\nindex 0\n\nc\n", 1 }, { HEADER, 2 }, { HEADER "extra ?\n", 2 }, { HEADER "index x\n", 2 },
		{ HEADER "extra AAAA\n", 3 }, { HEADER "extra AAAA\nindex x\n", 3 }, { HEADER "index 0\nx\n", 3 },
		{ HEADER "index 0\n" HASH_1 "\nx\n", 4 }, { HEADER "index 0\n" HASH_1, 3 }, { HEADER "index 0\n" HASH_1 "\n\n", 5 },
		{ HEADER "index 0\n" HASH_1 "\n\nthe checkpoint\n", 5 }, { HEADER "extra AAAA\nindex 0\n\nc\n", 5 },
	};
	struct tlogproof proof;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum tlogproof_result result = tlogproof_parse(text_bytes(cases[i].text), &proof);
		if (proof.line != cases[i].line)
			fail_msg("%s: %s in line %zu", cases[i].text, tlogproof_result_str(result), proof.line);
	}
}

static void
how_many_hashes(void **state)
{
	char text[8192];
	struct tlogproof proof;
	(void)state;

	for (size_t n = 0; n <= 66; n++) {
		struct writer w = writer_of(text, sizeof(text));
		writer_put(&w, text_bytes(HEADER "index 1\n"));
		for (size_t i = 0; i < n; i++)
			writer_put(&w, text_bytes(HASH_1 "\n"));
		writer_put(&w, text_bytes("\nc\n"));
		assert_int_equal(tlogproof_parse(writer_bytes(&w), &proof), n <= PROOF_INCLUSION_MAX ? TLOGPROOF_OK : TLOGPROOF_TOO_LONG);
	}
}

/* ---- receipts ---- */

#define ORIGIN "shop.example/points"
#define LEAVES 100

struct log {
	uint8_t hash[LEAVES][SHA256_BYTES];
	struct note_signer signer, witness[2];
	char policy_text[1024];
	struct policy policy;
};

static enum status
log_fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	struct log *log = ctx;

	assert_true(level == 0 && index < LEAVES);
	memcpy(ret_hash, log->hash[index], SHA256_BYTES);
	return ST_OK;
}

static int
log_setup(void **state)
{
	struct log *log = calloc(1, sizeof(*log));
	struct policy_fault fault;

	for (uint64_t i = 0; i < LEAVES; i++) {
		char entry[32];
		snprintf(entry, sizeof(entry), "entry %u", (unsigned)i);
		merkle_leaf_hash(text_bytes(entry), log->hash[i]);
	}
	log->signer = signer_of(ORIGIN, NOTE_ED25519, 1);
	log->witness[0] = signer_of("witness.example/a", NOTE_COSIGNATURE, 2);
	log->witness[1] = signer_of("witness.example/b", NOTE_COSIGNATURE, 3);
	struct writer w = writer_of(log->policy_text, sizeof(log->policy_text));
	writer_put(&w, text_bytes("log "));
	note_key_print(&w, &log->signer.key);
	writer_put(&w, text_bytes("\nwitness a "));
	note_key_print(&w, &log->witness[0].key);
	writer_put(&w, text_bytes("\nwitness b "));
	note_key_print(&w, &log->witness[1].key);
	writer_put(&w, text_bytes("\ngroup q any a b\nquorum q\n"));
	assert_int_equal(policy_parse(writer_bytes(&w), &log->policy, &fault), POLICY_OK);
	*state = log;
	return 0;
}

static int
log_teardown(void **state)
{
	free(*state);
	return 0;
}

static void
put_checkpoint(struct log *log, struct writer *w, uint64_t size, unsigned witnesses)
{
	struct checkpoint checkpoint = { .origin = text_bytes(ORIGIN), .size = size };
	struct merkle_tree tree;
	size_t begin = w->len;

	assert_int_equal(merkle_tree_load(&tree, size, log_fetch, log), ST_OK);
	merkle_tree_root(&tree, checkpoint.root);
	checkpoint_print(w, &checkpoint);
	struct bytes text = bytes_of(w->data + begin, w->len - begin);
	writer_put(w, LITERAL("\n"));
	sign_line(w, &log->signer, text, 0);
	for (unsigned i = 0; i < witnesses; i++)
		sign_line(w, &log->witness[i], text, 1700000000 + i);
}

static struct bytes
receipt_of(struct log *log, uint64_t index, uint64_t size, unsigned witnesses, char *buffer, size_t cap)
{
	char note[2048];
	struct writer checkpoint = writer_of(note, sizeof(note)), w = writer_of(buffer, cap);
	struct bytes extra = text_bytes("what the shop sent");
	struct proof proof;

	put_checkpoint(log, &checkpoint, size, witnesses);
	assert_int_equal(proof_inclusion(index, size, log_fetch, log, &proof), ST_OK);
	tlogproof_print(&w, &extra, index, &proof, writer_bytes(&checkpoint));
	return writer_bytes(&w);
}

static struct tlogproof_verdict
judge(struct log *log, struct bytes text, uint64_t entry)
{
	struct tlogproof proof;
	struct tlogproof_verdict verdict;

	assert_int_equal(tlogproof_parse(text, &proof), TLOGPROOF_OK);
	assert_int_equal(tlogproof_verify(&proof, log->hash[entry], &log->policy, ed25519_verify, NULL, &verdict), ST_OK);
	assert_true(strlen(tlogproof_verdict_str(&verdict)) > 10);
	return verdict;
}

static void
every_receipt_of_a_log(void **state)
{
	struct log *log = *state;
	char buffer[4096];

	for (uint64_t size = 1; size <= LEAVES; size += 1 + size / 10)
		for (uint64_t index = 0; index < size; index += 1 + index / 8) {
			struct bytes text = receipt_of(log, index, size, 2, buffer, sizeof(buffer));
			struct tlogproof_verdict verdict = judge(log, text, index);
			assert_int_equal(verdict.answer, TLOGPROOF_ACCEPTED);
			assert_int_equal(verdict.checkpoint.size, size);
			assert_text(verdict.checkpoint.origin, ORIGIN);
			assert_int_equal(verdict.policy.n_witnessed, 2);
			verdict = judge(log, text, (index + 1) % LEAVES);
			assert_int_equal(verdict.answer, TLOGPROOF_NOT_INCLUDED);
			assert_int_equal(verdict.inclusion, PROOF_WRONG);
		}
}

/* In the receipt of entry 41 of 90, ${from} becomes ${to}; what is then said of it. */
static void
receipts_that_are_refused(void **state)
{
	static const struct { const char *name, *from, *to; unsigned witnesses; enum tlogproof_answer want; } cases[] = {
		{ "as it is", "", "", 1, TLOGPROOF_ACCEPTED },
		{ "with other extra data, which nothing authenticates", "extra d2hh", "extra eGhh", 1, TLOGPROOF_ACCEPTED },
		{ "without a witness", "", "", 0, TLOGPROOF_UNTRUSTED },
		{ "of another place", "index 41\n", "index 40\n", 1, TLOGPROOF_NOT_INCLUDED },
		{ "of a place beyond the tree", "index 41\n", "index 90\n", 1, TLOGPROOF_NOT_INCLUDED },
		{ "of another log", ORIGIN "\n90", "shop.example/pointz\n90", 1, TLOGPROOF_UNTRUSTED },
		{ "of another size", "\n90\n", "\n91\n", 1, TLOGPROOF_UNTRUSTED },
		{ "of no size", "\n90\n", "\n090\n", 1, TLOGPROOF_BAD_CHECKPOINT },
		{ "without its signature", "— " ORIGIN, "— shop.example/joints", 1, TLOGPROOF_UNTRUSTED },
		{ "with a line of no form", "— witness", "- witness", 1, TLOGPROOF_BAD_NOTE },
	};
	struct log *log = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char buffer[4096], changed[4096];
		struct bytes text = receipt_of(log, 41, 90, cases[i].witnesses, buffer, sizeof(buffer) - 1);
		buffer[text.len] = '\0';
		char *at = strstr(buffer, cases[i].from);
		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - buffer), buffer, cases[i].to, at + strlen(cases[i].from));
		struct tlogproof_verdict verdict = judge(log, text_bytes(changed), 41);
		if (verdict.answer != cases[i].want)
			fail_msg("%s: %s", cases[i].name, tlogproof_verdict_str(&verdict));
	}
}

/* Each byte of a receipt changed: refused, unless it is in the extra data. */
static void
every_byte_of_a_receipt(void **state)
{
	struct log *log = *state;
	char buffer[4096];
	struct bytes text = receipt_of(log, 41, 90, 1, buffer, sizeof(buffer) - 1);
	struct tlogproof_verdict verdict;
	size_t extra_begin = strlen(HEADER "extra "), extra_end = extra_begin + 24;
	unsigned accepted = 0;

	buffer[text.len] = '\0';
	assert_true(buffer[extra_end] == '\n');
	for (size_t i = 0; i < text.len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct tlogproof proof;
			buffer[i] = (char)(buffer[i] ^ 1 << bit);
			bool read = tlogproof_parse(text, &proof) == TLOGPROOF_OK;
			if (read)
				assert_int_equal(tlogproof_verify(&proof, log->hash[41], &log->policy, ed25519_verify, NULL, &verdict), ST_OK);
			if (read && verdict.answer == TLOGPROOF_ACCEPTED) {
				assert_true(i >= extra_begin && i < extra_end);
				accepted++;
			}
			buffer[i] = (char)(buffer[i] ^ 1 << bit);
		}
	assert_true(accepted > 0);
	/* And each end cut off. */
	for (size_t len = 0; len < text.len; len++) {
		struct tlogproof proof;
		if (tlogproof_parse(bytes_of(buffer, len), &proof) != TLOGPROOF_OK)
			continue;
		assert_int_equal(tlogproof_verify(&proof, log->hash[41], &log->policy, ed25519_verify, NULL, &verdict), ST_OK);
		assert_int_not_equal(verdict.answer, TLOGPROOF_ACCEPTED);
	}
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
	struct log *log = *state;
	char buffer[4096];
	struct tlogproof proof;
	struct tlogproof_verdict verdict;

	assert_int_equal(tlogproof_parse(receipt_of(log, 1, 2, 1, buffer, sizeof(buffer)), &proof), TLOGPROOF_OK);
	assert_int_equal(tlogproof_verify(&proof, log->hash[1], &log->policy, no_memory, NULL, &verdict), ST_NOMEM);
}

static void
broken_receipts(void **state)
{
	struct log *log = *state;
	char good[4096];
	static char out[8192];
	static uint8_t text[8192], extra[8192];
	struct bytes whole = receipt_of(log, 41, 90, 2, good, sizeof(good));
	uint64_t random = 8;
	unsigned read = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct tlogproof proof;
		struct tlogproof_verdict verdict;
		memcpy(text, whole.data, whole.len);
		size_t len = break_text(text, whole.len, sizeof(text), &random), extra_len = 0;
		uint8_t *broken = malloc(len == 0 ? 1 : len);
		memcpy(broken, text, len);
		if (tlogproof_parse(bytes_of(broken, len), &proof) == TLOGPROOF_OK) {
			struct writer w = writer_of(out, sizeof(out));
			assert_int_equal(tlogproof_extra(&proof, extra, sizeof(extra), &extra_len), proof.has_extra);
			const struct bytes raw = bytes_of(extra, extra_len);
			tlogproof_print(&w, proof.has_extra ? &raw : NULL, proof.index, &proof.proof, proof.checkpoint);
			assert_true(bytes_equal(writer_bytes(&w), bytes_of(broken, len)));
			assert_int_equal(tlogproof_verify(&proof, log->hash[41], &log->policy, ed25519_verify, NULL, &verdict), ST_OK);
			if (verdict.answer == TLOGPROOF_ACCEPTED)
				assert_int_equal(verdict.checkpoint.size, 90);
			read++;
		}
		free(broken);
	}
	assert_true(read > ROUNDS / 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts), cmocka_unit_test(the_specification_s_example), cmocka_unit_test(no_proofs), cmocka_unit_test(where_it_is_wrong),
		cmocka_unit_test(how_many_hashes),
		cmocka_unit_test(every_receipt_of_a_log), cmocka_unit_test(receipts_that_are_refused), cmocka_unit_test(every_byte_of_a_receipt),
		cmocka_unit_test(machinery_that_fails_is_passed_up), cmocka_unit_test(broken_receipts),
	};

	return cmocka_run_group_tests(tests, log_setup, log_teardown);
}
