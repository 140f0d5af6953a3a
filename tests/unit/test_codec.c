/* Transactions: what is encoded is decoded, and is what the generated code reads; what is not a transaction is corrupt. */
#include "random_transaction.h"
#include "same_entry.h"

#include <stdio.h>

#include "codec/field.h"
#include "ledger.pb-c.h"

/* ---- round trips ---- */

/* Encodes, reads with the generated code, decodes, compares, encodes again. */
static void
round_trip(struct world *w, const struct transaction *t)
{
	struct transaction u;
	size_t sum = 0, whole;

	assert_int_equal(codec_transaction_encode(t, &w->arena, &w->out), ST_OK);
	struct bytes b = heap_copy(buf_bytes(&w->out));
	protobuf_c_message_free_unpacked(assert_as_generated(&fealty__ledger__v1__transaction__descriptor, b), NULL);

	assert_int_equal(codec_transaction_decode(b, &w->arena, &u), ST_OK);
	assert_string_equal(t->origin, u.origin);
	assert_int_equal(t->seq, u.seq);
	assert_memory_equal(t->prev, u.prev, sizeof(t->prev));
	assert_int_equal(t->committed_at_us, u.committed_at_us);
	assert_int_equal(t->program, u.program);
	assert_int_equal(t->n_entries, u.n_entries);
	for (size_t i = 0; i < t->n_entries; ++i) {
		size_t bytes;
		same_entry(&t->entries[i], &u.entries[i]);
		assert_int_equal(codec_entry_bytes(&t->entries[i], &w->out, &bytes), ST_OK);
		sum += bytes;
	}

	buf_clear(&w->out);
	assert_int_equal(codec_transaction_encode(&u, &w->arena, &w->out), ST_OK);
	assert_true(bytes_equal(b, buf_bytes(&w->out)));
	whole = b.len;
	heap_free(b);

	/* what entries take is what a transaction without them lacks */
	u.n_entries = 0;
	buf_clear(&w->out);
	assert_int_equal(codec_transaction_encode(&u, &w->arena, &w->out), ST_OK);
	assert_int_equal(w->out.len + sum, whole);
	world_clear(w);
}

static void
every_operation_round_trips(void **state)
{
	struct world *w = *state;

	for (enum op op = OP_GENESIS; op < OP_COUNT; ++op) {
		if (!op_known(op))
			continue;
		for (int i = 0; i < 100; ++i) {
			struct transaction t = any_transaction(w, 1, op);
			round_trip(w, &t);
		}
	}
}

static void
random_transactions_round_trip(void **state)
{
	struct world *w = *state;

	for (size_t entries = 0, n; entries < 20000; entries += n) {
		n = 1 + (size_t)below(w, 5);
		struct transaction t = any_transaction(w, n, OP_NONE);
		round_trip(w, &t);
	}
}

/* One entry alone is what it is among the others. */
static void
entries_are_decoded_one_by_one(void **state)
{
	struct world *w = *state;

	for (size_t n = 1; n <= 6; ++n) {
		struct transaction one;
		world_clear(w);
		struct transaction t = any_transaction(w, n, OP_NONE);
		assert_int_equal(codec_transaction_encode(&t, &w->arena, &w->out), ST_OK);
		for (uint32_t i = 0; i < n; ++i) {
			assert_int_equal(codec_transaction_decode_one(buf_bytes(&w->out), i, &w->arena, &one), ST_OK);
			assert_int_equal(one.seq, t.seq);
			assert_int_equal(one.n_entries, 1);
			same_entry(&one.entries[0], &t.entries[i]);
		}
		assert_int_equal(codec_transaction_decode_one(buf_bytes(&w->out), (uint32_t)n, &w->arena, &one), ST_NOTFOUND);
		assert_int_equal(codec_transaction_decode_one(buf_bytes(&w->out), UINT32_MAX, &w->arena, &one), ST_NOTFOUND);
		assert_int_equal(codec_transaction_decode_one(bytes_of(w->out.data, w->out.len - 1), 0, &w->arena, &one), ST_CORRUPT);
	}
}

/* Its place in the log is the same without reading the entries. */
static void
a_transactions_head_is_that_of_the_whole(void **state)
{
	struct world *w = *state;

	for (size_t n = 1; n <= 40; ++n) {
		struct transaction_head head;
		struct transaction whole;
		world_clear(w);
		struct transaction t = any_transaction(w, 1 + n % 5, OP_NONE);
		assert_int_equal(codec_transaction_encode(&t, &w->arena, &w->out), ST_OK);
		struct bytes all = buf_bytes(&w->out);
		assert_int_equal(codec_transaction_decode(all, &w->arena, &whole), ST_OK);
		assert_int_equal(codec_transaction_head(all, &head), ST_OK);
		assert_true(bytes_equal(head.origin, bytes_of(whole.origin, strlen(whole.origin))));
		assert_true(bytes_equal(head.prev, bytes_of(whole.prev, SHA256_BYTES)));
		assert_true(head.seq == whole.seq && head.committed_at_us == whole.committed_at_us && head.n_entries == whole.n_entries);
		for (size_t cut = 0; cut < all.len; cut += 1 + all.len / 50)
			assert_int_equal(codec_transaction_head(bytes_of(all.data, cut), &head),
			    codec_transaction_decode(bytes_of(all.data, cut), &w->arena, &whole));
	}
}

/* The smallest entry is 4 bytes more than nothing: tag, length, and inputs with an empty message in them. */
static void
zeros_take_no_bytes(void **state)
{
	struct world *w = *state;
	struct entry e = { .op = OP_EXPIRE, .business_date = DAY_NONE, .birthday = DAY_NONE };
	static const uint8_t want[] = { 0x32, 0x04, 0x6a, 0x02, 0x7a, 0x00 };
	struct transaction t = { .origin = "o", .n_entries = 1, .entries = &e };
	size_t bytes;

	assert_int_equal(codec_entry_bytes(&e, &w->out, &bytes), ST_OK);
	assert_int_equal(bytes, sizeof(want));
	buf_clear(&w->out);
	assert_int_equal(codec_transaction_encode(&t, &w->arena, &w->out), ST_OK);
	assert_memory_equal(w->out.data + w->out.len - sizeof(want), want, sizeof(want));
	/* and the head is there although it is all zeros */
	assert_int_equal(w->out.len, sizeof(want) + 3 + 2 + 34 + 9);
}

/* Lengths around the places where a varint grows, in a nested message. */
static void
lengths_grow_with_their_messages(void **state)
{
	struct world *w = *state;
	static const size_t around[] = { 100, 128, 16384 };

	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); ++i) {
		for (size_t len = around[i] - 40; len < around[i] + 10; ++len) {
			struct entry e = { .op = OP_PUBLISH, .business_date = DAY_NONE, .birthday = DAY_NONE };
			struct transaction t = { .origin = "o", .n_entries = 1, .entries = &e };
			uint8_t *data = any_array(w, len, 1);
			memset(data, 0x5a, len);
			e.u.publish.id = "";
			e.u.publish.definition = bytes_of(data, len);
			round_trip(w, &t);
		}
	}
}

/* ---- corrupt transactions ---- */

/* A transaction whose pieces can be left out or put in twice. */
struct pieces {
	int origin, seq, prev, committed_at, entries, inputs, accounts;
	uint64_t op, account, class;
	const char *principal;
	size_t principal_len, fingerprint_len, prev_len, after, touched, ats;
	bool prev_seq_only, unknown;
	struct bytes facts;
};
static const struct pieces good = { .origin = 1, .seq = 1, .prev = 1, .committed_at = 1, .entries = 1, .inputs = 1, .accounts = 1,
    .op = OP_EXPIRE, .account = 5, .principal = "system", .principal_len = 6, .fingerprint_len = 32, .prev_len = 32, .after = 1,
    .touched = 1 };

static void
put_nested_entry(struct buf *b, const struct pieces *p)
{
	static const uint8_t zeros[64];
	size_t entry = field_begin(b, 6), nested;

	field_put_bytes(b, 1, bytes_of(p->principal, p->principal_len));
	field_put_bytes(b, 12, bytes_of(zeros, p->fingerprint_len));
	for (int i = 0; i < p->inputs; ++i) {
		nested = field_begin(b, 13);
		field_put_bytes(b, (uint32_t)p->op, bytes_of(NULL, 0));
		field_end(b, nested);
	}
	if (p->facts.len > 0)
		field_put_bytes(b, 14, p->facts);
	nested = field_begin(b, 15);
	for (int i = 0; i < p->accounts; ++i)
		field_put_uint(b, 1, p->account);
	field_put_uint(b, 5, p->class);
	field_end(b, nested);
	for (size_t i = 0; i < p->after; ++i)
		field_put_bytes(b, 16, bytes_of(NULL, 0));
	for (size_t i = 0; i < p->touched; ++i) {
		nested = field_begin(b, 17);
		if (p->prev_seq_only)
			field_put_uint(b, 2, 7);
		field_end(b, nested);
	}
	for (size_t i = 0; i < p->ats; ++i)
		field_put_fixed(b, 18, 1);
	if (p->unknown) {
		field_put_uint(b, 99, 1);
		field_put_uint(b, 99, 1);
		field_put_text(b, 500, "later");
	}
	field_end(b, entry);
}

static void
put_pieces(struct buf *b, const struct pieces *p)
{
	static const uint8_t zeros[64];

	for (int i = 0; i < p->origin; ++i)
		field_put_text(b, 1, "o");
	for (int i = 0; i < p->seq; ++i)
		field_put_uint(b, 2, 1);
	for (int i = 0; i < p->prev; ++i)
		field_put_bytes(b, 3, bytes_of(zeros, p->prev_len));
	for (int i = 0; i < p->committed_at; ++i)
		field_put_fixed(b, 4, 1);
	for (int i = 0; i < p->entries; ++i)
		put_nested_entry(b, p);
	if (p->unknown)
		field_put_uint(b, 7, 1);
}

#define FACTS_BYTES(s) bytes_of(s, sizeof(s) - 1)
#define WITH(field, v) ({ struct pieces p_ = good; p_.field = (v); p_; })

static void
what_is_no_transaction_is_corrupt(void **state)
{
	struct world *w = *state;
	struct pieces nul = good, utf8 = good;

	nul.principal = "sys\0tem";
	nul.principal_len = 7;
	utf8.principal = "\xff\xfe";
	utf8.principal_len = 2;
	const struct { const char *name; struct pieces p; enum status want; } cases[] = {
		{ "as it should be", good, ST_OK },
		{ "fields of a later version", WITH(unknown, true), ST_OK },
		{ "no origin", WITH(origin, 0), ST_CORRUPT },
		{ "no seq", WITH(seq, 0), ST_CORRUPT },
		{ "two seqs", WITH(seq, 2), ST_CORRUPT },
		{ "no prev", WITH(prev, 0), ST_CORRUPT },
		{ "short prev", WITH(prev_len, 31), ST_CORRUPT },
		{ "no committed_at", WITH(committed_at, 0), ST_CORRUPT },
		{ "no entry", WITH(entries, 0), ST_CORRUPT },
		{ "two entries", WITH(entries, 2), ST_OK },
		{ "no inputs", WITH(inputs, 0), ST_CORRUPT },
		{ "inputs twice", WITH(inputs, 2), ST_CORRUPT },
		{ "operation of a later version", WITH(op, OP_COUNT), ST_CORRUPT },
		{ "no account", WITH(accounts, 0), ST_CORRUPT },
		{ "account none", WITH(account, 0), ST_CORRUPT },
		{ "account of a later version", WITH(account, ACCOUNT_COUNT), ST_CORRUPT },
		{ "account as a negative number", WITH(account, UINT64_MAX), ST_CORRUPT },
		{ "class of a later version", WITH(class, LOT_CLASS_COUNT), ST_CORRUPT },
		{ "NUL in a text", nul, ST_CORRUPT },
		{ "no UTF-8", utf8, ST_CORRUPT },
		{ "short fingerprint", WITH(fingerprint_len, 31), ST_CORRUPT },
		{ "long fingerprint", WITH(fingerprint_len, 33), ST_CORRUPT },
		{ "balances of nobody", WITH(after, 2), ST_CORRUPT },
		{ "nobody's balances", WITH(touched, 2), ST_CORRUPT },
		{ "one instant", WITH(ats, 1), ST_OK },
		{ "two instants", WITH(ats, 2), ST_CORRUPT },
		/* facts: metrics (2) with counters (4), tallies (8), pendings (9) */
		{ "eight counters", WITH(facts, FACTS_BYTES("\x12\x10\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02")), ST_OK },
		{ "nine counters", WITH(facts, FACTS_BYTES("\x12\x12\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02\x20\x02")), ST_CORRUPT },
		{ "a last counter of zero", WITH(facts, FACTS_BYTES("\x12\x04\x20\x02\x20\x00")), ST_CORRUPT },
		{ "a tally", WITH(facts, FACTS_BYTES("\x42\x06\x08\x01\x18\x01\x28\x02")), ST_OK },
		{ "a tally of no kind", WITH(facts, FACTS_BYTES("\x42\x04\x18\x01\x28\x02")), ST_CORRUPT },
		{ "a tally of a later kind", WITH(facts, FACTS_BYTES("\x42\x04\x08\x7f\x28\x02")), ST_CORRUPT },
		{ "a tally of a later period", WITH(facts, FACTS_BYTES("\x42\x04\x08\x01\x18\x06")), ST_CORRUPT },
		{ "a tally with two kinds", WITH(facts, FACTS_BYTES("\x42\x04\x08\x01\x08\x01")), ST_CORRUPT },
		{ "a row that waits", WITH(facts, FACTS_BYTES("\x4a\x06\x10\x02\x28\x01\x30\x02")), ST_OK },
		{ "a row with two days", WITH(facts, FACTS_BYTES("\x4a\x04\x10\x02\x10\x02")), ST_CORRUPT },
		{ "a segment that is no text", WITH(facts, FACTS_BYTES("\x52\x01\xff")), ST_CORRUPT },
		{ "half a back-pointer", WITH(prev_seq_only, true), ST_CORRUPT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		struct transaction t;
		world_clear(w);
		put_pieces(&w->out, &cases[i].p);
		struct bytes b = heap_copy(buf_bytes(&w->out));
		enum status st = codec_transaction_decode(b, &w->arena, &t);
		if (st != cases[i].want)
			fail_msg("%s: %s", cases[i].name, status_str(st));
		heap_free(b);
	}
}

static void
decoding_keeps_its_budget(void **state)
{
	struct world *w = *state;
	struct arena small;
	struct transaction t;

	for (int i = 0; i < 16000; ++i)
		field_put_bytes(&w->out, 6, bytes_of(NULL, 0));
	arena_init(&small, (size_t)64 * 1024);
	assert_int_equal(codec_transaction_decode(buf_bytes(&w->out), &small, &t), ST_NOMEM);
	arena_reset(&small);
	buf_clear(&w->out);
	put_pieces(&w->out, &good);
	assert_int_equal(codec_transaction_decode(buf_bytes(&w->out), &small, &t), ST_OK);
	arena_release(&small);
}

/* Whatever is in the bytes: an answer, no read beyond them, and what was accepted can be encoded and read again. */
static void
damaged_transactions_are_survived(void **state)
{
	struct world *w = *state;
	size_t accepted = 0, rounds = 100000;

	for (size_t i = 0; i < rounds; ++i) {
		struct transaction t;
		world_clear(w);
		struct transaction whole = any_transaction(w, 1 + (size_t)below(w, 2), below(w, 10) == 0 ? OP_NONE : OP_PURCHASE);
		assert_int_equal(codec_transaction_encode(&whole, &w->arena, &w->out), ST_OK);
		struct bytes b = mutated(w, buf_bytes(&w->out));
		enum status st = codec_transaction_decode(b, &w->arena, &t);
		assert_true(st == ST_OK || st == ST_CORRUPT);
		if (st == ST_OK) {
			++accepted;
			buf_clear(&w->out);
			assert_int_equal(codec_transaction_encode(&t, &w->arena, &w->out), ST_OK);
			struct transaction again;
			assert_int_equal(codec_transaction_decode(buf_bytes(&w->out), &w->arena, &again), ST_OK);
			assert_int_equal(again.n_entries, t.n_entries);
		}
		heap_free(b);
	}
	assert_in_range(accepted, rounds / 20, rounds - rounds / 20);		/* the damage does reach both sides */
}

/* ---- leaves ---- */

static void
signed_transactions_round_trip(void **state)
{
	struct world *w = *state;
	uint8_t signature[64], key_id[8];
	struct signed_transaction s = { .transaction = bytes_of("body", 4), .signature = bytes_of(signature, 64), .key_id = bytes_of(key_id, 8) }, t;

	memset(signature, 1, sizeof(signature));
	memset(key_id, 2, sizeof(key_id));
	codec_signed_encode(&s, &w->out);
	ProtobufCMessage *m = assert_as_generated(&fealty__ledger__v1__signed_transaction__descriptor, buf_bytes(&w->out));
	protobuf_c_message_free_unpacked(m, NULL);
	assert_int_equal(codec_signed_decode(buf_bytes(&w->out), &t), ST_OK);
	assert_true(bytes_equal(s.transaction, t.transaction));
	assert_true(bytes_equal(s.signature, t.signature));
	assert_true(bytes_equal(s.key_id, t.key_id));
	assert_true(t.transaction.data >= w->out.data && t.transaction.data < w->out.data + w->out.len);	/* borrowed */

	for (size_t cut = 0; cut < w->out.len; ++cut)
		assert_int_equal(codec_signed_decode(bytes_of(w->out.data, cut), &t), ST_CORRUPT);
	codec_signed_encode(&s, &w->out);
	assert_int_equal(codec_signed_decode(buf_bytes(&w->out), &t), ST_CORRUPT);		/* everything twice */
}

/* Two, or one: never a signature without its key id, nor one of another length. */
static void
the_second_signature_is_whole_or_absent(void **state)
{
	struct world *w = *state;
	uint8_t signature[65] = { 3 }, key_id[9] = { 4 };
	static const struct { size_t signature, key_id; enum status want; } rows[] = {
		{ 64, 8, ST_OK }, { 0, 0, ST_OK }, { 64, 0, ST_CORRUPT }, { 0, 8, ST_CORRUPT }, { 63, 8, ST_CORRUPT }, { 65, 8, ST_CORRUPT },
		{ 64, 7, ST_CORRUPT }, { 64, 9, ST_CORRUPT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct signed_transaction s = { .transaction = bytes_of("body", 4), .signature = bytes_of(signature, 64),
			.key_id = bytes_of(key_id, 8), .second_signature = bytes_of(signature, rows[i].signature),
			.second_key_id = bytes_of(key_id, rows[i].key_id) }, t;
		buf_clear(&w->out);
		codec_signed_encode(&s, &w->out);
		ProtobufCMessage *m = assert_as_generated(&fealty__ledger__v1__signed_transaction__descriptor, buf_bytes(&w->out));
		protobuf_c_message_free_unpacked(m, NULL);
		assert_int_equal(codec_signed_decode(buf_bytes(&w->out), &t), rows[i].want);
		if (rows[i].want == ST_OK) {
			assert_true(bytes_equal(s.second_signature, t.second_signature));
			assert_true(bytes_equal(s.second_key_id, t.second_key_id));
		}
	}
}

/* What is inlined is what the whole of it says, of any two bytes with up to 130 behind them. */
static void
fields_are_read_alike(void **state)
{
	static const size_t lens[] = { 0, 1, 2, 3, 4, 11, 12, 66, 132 };
	uint8_t bytes[132];
	uint64_t read = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 % 251);
	for (uint32_t first = 0; first < 65536; first++) {
		bytes[0] = (uint8_t)(first >> 8);
		bytes[1] = (uint8_t)first;
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			struct bytes a = bytes_of(bytes, lens[i]), b = a;
			struct field x = { 0 }, y = { 0 };
			bool bad_x, bad_y;
			bool got = field_next(&a, &x, &bad_x);
			assert_int_equal(got, field_next_any(&b, &y, &bad_y));
			assert_int_equal(bad_x, bad_y);
			if (!got)
				continue;
			assert_true(a.data == b.data && a.len == b.len && x.bytes.data == y.bytes.data && x.bytes.len == y.bytes.len);
			assert_true(x.number == y.number && x.type == y.type && x.value == y.value);
			read++;
		}
	}
	assert_true(read > 100000);
}

/* Each sequence at each place of a text of each length: nothing is passed over because it is one of eight. */
static void
text_is_judged_at_each_place(void **state)
{
	static const struct { const char *bytes; size_t len; bool valid; } cases[] = {
		{ "a", 1, true }, { "\x7f", 1, true }, { "\x01", 1, true }, { "\0", 1, false }, { "\x80", 1, false }, { "\xff", 1, false },
		{ "\xc3\xa9", 2, true }, { "\xc3", 1, false }, { "\xc0\x80", 2, false }, { "\xed\xa0\x80", 3, false },
		{ "\xf0\x9f\x8d\xb5", 4, true }, { "\0\x80", 2, false }, { "\x01\0", 2, false },
	};
	uint8_t text[40];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t len = cases[i].len; len <= sizeof(text); len++)
			for (size_t at = 0; at + cases[i].len <= len; at++) {
				memset(text, 'x', sizeof(text));
				memcpy(text + at, cases[i].bytes, cases[i].len);
				assert_int_equal(field_text_valid(bytes_of(text, len)), cases[i].valid);
			}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_operation_round_trips),
		TEST(random_transactions_round_trip),
		TEST(entries_are_decoded_one_by_one),
		TEST(a_transactions_head_is_that_of_the_whole),
		TEST(zeros_take_no_bytes),
		TEST(fields_are_read_alike),
		TEST(text_is_judged_at_each_place),
		TEST(lengths_grow_with_their_messages),
		TEST(what_is_no_transaction_is_corrupt),
		TEST(decoding_keeps_its_budget),
		TEST(damaged_transactions_are_survived),
		TEST(signed_transactions_round_trip),
		TEST(the_second_signature_is_whole_or_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
