/**
 * fealty-bench's parts that can be wrong without a daemon: what a percentile is, which member is drawn how often, what a frame says, what is
 * read off /metrics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "../../tools/bench_daemon.h"
#include "../../tools/bench_encode.h"
#include "../../tools/bench_figures.h"
#include "../../tools/bench_mix.h"
#include "../../tools/bench_zipf.h"
#include "fealty.h"
#include "frame.h"

#define DRAWS 200000

/* ---- Zipf ---- */

/* Chi-square of the draws against k^-s / H(n, s), ranks with few expected taken together; how many classes there were. */
static double
chi_square(const unsigned *seen, unsigned n, double s, unsigned *ret_classes)
{
	double norm = 0, sum = 0, expected = 0, had = 0;
	unsigned classes = 0;

	for (unsigned k = 1; k <= n; k++)
		norm += pow(k, -s);
	for (unsigned k = 1; k <= n; k++) {
		expected += DRAWS * pow(k, -s) / norm;
		had += seen[k];
		if (expected < 20 && k < n)
			continue;
		sum += (had - expected) * (had - expected) / fmax(expected, 1);
		classes++;
		expected = had = 0;
	}
	*ret_classes = classes;
	return sum;
}

static void
ranks_follow_the_law(void **state)
{
	static const double exponents[] = { 0, 0.2, 0.5, 0.99, 1, 1.000000001, 1.5, 3, 10 };
	static const unsigned sizes[] = { 1, 2, 3, 10, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++) {
		for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
			struct bench_random random = { 4711 + i * 100 + j };
			unsigned *seen = test_calloc(sizes[j] + 1, sizeof *seen), classes;
			struct zipf z;

			zipf_init(&z, sizes[j], exponents[i]);
			for (unsigned n = 0; n < DRAWS; n++) {
				uint64_t rank = zipf_rank(&z, &random);
				assert_in_range(rank, 1, sizes[j]);
				seen[rank]++;
			}
			double chi = chi_square(seen, sizes[j], exponents[i], &classes);
			if (chi > classes + 5 * sqrt(2.0 * classes) + 5)	/* five deviations: the seeds are fixed */
				fail_msg("s = %g, n = %u: chi-square %.1f of %u classes", exponents[i], sizes[j], chi, classes);
			test_free(seen);
		}
	}
}

/* Ten million and more: the head of the law, which is all that can be counted. */
static void
many_members_take_no_longer(void **state)
{
	static const uint64_t members = UINT64_C(1) << 31;
	struct bench_random random = { 42 };
	double norm = 0;
	unsigned first = 0;
	struct zipf z;

	(void)state;
	zipf_init(&z, members, 1);
	norm = log((double)members) + 0.5772156649;		/* H(n) */
	for (unsigned i = 0; i < DRAWS; i++) {
		uint64_t rank = zipf_rank(&z, &random);
		assert_in_range(rank, 1, members);
		first += rank == 1;
	}
	assert_true(fabs(first - DRAWS / norm) < 5 * sqrt(DRAWS / norm));
}

static void
each_member_has_one_rank(void **state)
{
	static const unsigned sizes[] = { 1, 2, 3, 7, 8, 100, 9999, 10000, 65536 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		uint8_t *seen = test_calloc(sizes[i], 1);
		struct zipf z;

		zipf_init(&z, sizes[i], 0.99);
		for (unsigned rank = 1; rank <= sizes[i]; rank++) {
			uint64_t member = zipf_member(&z, rank);
			assert_in_range(member, 0, sizes[i] - 1);
			assert_int_equal(seen[member]++, 0);
		}
		test_free(seen);
	}
}

/* ---- latencies ---- */

static void
percentiles_are_at_most_a_sixtyfourth_too_high(void **state)
{
	static const double parts[] = { 0.001, 0.5, 0.9, 0.99, 0.999, 1 };
	struct histogram *h = test_calloc(1, sizeof *h);

	(void)state;
	assert_int_equal(histogram_percentile_us(h, 0.5), 0);
	for (uint64_t us = 1; us <= 100000; us++)
		histogram_note(h, us);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		double exact = 100000 * parts[i], got = (double)histogram_percentile_us(h, parts[i]);
		assert_true(got >= exact && got <= exact * 65 / 64);
	}
	assert_int_equal(h->max_us, 100000);
	assert_true(fabs(histogram_mean_us(h) - 50000.5) < 0.001);
	histogram_note(h, UINT64_MAX / 2);			/* beyond the last bucket */
	assert_int_equal(histogram_percentile_us(h, 1), UINT64_MAX / 2);
	test_free(h);
}

static void
sums_are_those_of_all_threads(void **state)
{
	struct figures *a = test_calloc(1, sizeof *a), *b = test_calloc(1, sizeof *b);

	(void)state;
	histogram_note(&a->latency[BENCH_REDEEM], 10);
	histogram_note(&b->latency[BENCH_REDEEM], 1000);
	a->commands[BENCH_REDEEM] = b->commands[BENCH_REDEEM] = 1;
	b->not_sent = 3;
	reasons_note(&a->errors, "A", 1, 2);
	reasons_note(&b->errors, "A", 1, 3);
	reasons_note(&b->errors, "B", 1, 1);
	reasons_note(&b->refusals, "C", 1, 7);
	figures_add(a, b);
	assert_int_equal(a->latency[BENCH_REDEEM].n, 2);
	assert_int_equal(a->latency[BENCH_REDEEM].max_us, 1000);
	assert_int_equal(figures_commands(a), 2);
	assert_int_equal(a->not_sent, 3);
	assert_int_equal(a->errors.n_rows, 2);
	assert_int_equal(reasons_sum(&a->errors), 6);
	assert_int_equal(reasons_sum(&a->refusals), 7);
	for (unsigned i = 0; i < REASONS_MAX + 5; i++) {
		char text[8];
		snprintf(text, sizeof text, "r%u", i);
		reasons_note(&b->errors, text, strlen(text), 1);
	}
	assert_int_equal(b->errors.n_rows, REASONS_MAX);
	assert_int_equal(reasons_sum(&b->errors), 4 + REASONS_MAX + 5);
	test_free(b);
	test_free(a);
}

/* ---- mixes ---- */

static const struct { const char *name, *text, *again, *wrong; unsigned sum; } mixes[] = {
	{ "one alone", "balance", "balance", NULL, 1 },
	{ "one with a weight is alone", "balance=7", "balance", NULL, 7 },
	{ "all four", "purchase=70,redeem=5,balance=20,history=5", "purchase=70,redeem=5,balance=20,history=5", NULL, 100 },
	{ "in any order, a weight left out is 1", "history,purchase=3", "purchase=3,history=1", NULL, 4 },
	{ "the largest weights", "purchase=1000000,history=1000000", "purchase=1000000,history=1000000", NULL, 2000000 },
	{ "nothing", "", NULL, "none of", 0 },
	{ "another operation", "purchase,refund=3", NULL, "none of", 0 },
	{ "the beginning of a name", "pur", NULL, "none of", 0 },
	{ "a comma at the end", "purchase=1,", NULL, "none of", 0 },
	{ "twice", "purchase=1,purchase=2", NULL, "twice", 0 },
	{ "no number", "purchase=", NULL, "weight", 0 },
	{ "a sign", "purchase=-1", NULL, "weight", 0 },
	{ "a word behind it", "purchase=1x", NULL, "weight", 0 },
	{ "zero", "purchase=0", NULL, "weight", 0 },
	{ "too large", "purchase=1000001", NULL, "weight", 0 },
};

static void
mixes_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
		struct mix mix;
		const char *wrong = mix_parse(mixes[i].text, &mix);
		char again[MIX_TEXT_BYTES];

		if ((wrong == NULL) != (mixes[i].wrong == NULL) || (wrong != NULL && strstr(wrong, mixes[i].wrong) == NULL))
			fail_msg("%s: %s", mixes[i].name, wrong == NULL ? "was taken" : wrong);
		if (wrong != NULL)
			continue;
		mix_text(&mix, again);
		assert_string_equal(again, mixes[i].again);
		assert_int_equal(mix_sum(&mix), mixes[i].sum);
	}
}

static void
shares_are_the_weights(void **state)
{
	struct mix mix = { .weight = { [BENCH_PURCHASE] = 3, [BENCH_BALANCE] = 2, [BENCH_HISTORY] = 1 } };
	unsigned seen[BENCH_OP_COUNT] = { 0 };

	(void)state;
	for (unsigned at = 0; at < mix_sum(&mix); at++)
		seen[mix_at(&mix, at)]++;
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++)
		assert_int_equal(seen[op], mix.weight[op]);
}

/* ---- frames ---- */

static struct bytes
one_frame(const struct buf *out, enum frame_type type, uint64_t tag)
{
	struct frame_limits limits = frame_limits_server();
	struct frame_header h;

	assert_true(out->len >= FRAME_HEADER_BYTES);
	assert_int_equal(frame_header_decode(out->data, &limits, &h), FRAME_ERROR_NONE);
	assert_int_equal(h.type, type);
	assert_int_equal(h.tag, tag);
	assert_int_equal(out->len, FRAME_HEADER_BYTES + h.body_bytes);
	return bytes_of(out->data + FRAME_HEADER_BYTES, h.body_bytes);
}

static void
assert_request(const Fealty__V1__Request *r, enum bench_op op, const char *key)
{
	const char *member = op == BENCH_PURCHASE ? r->purchase->member : op == BENCH_REDEEM ? r->redeem->member :
	    op == BENCH_BALANCE ? r->balance->member : r->history->member;

	assert_string_equal(r->program, "prog");
	assert_int_equal(strlen(member), strlen("bench:p:0000000000"));
	assert_memory_equal(member, "bench:p:", 8);
	assert_in_range(strtoul(member + 8, NULL, 10), 0, 499);
	if (key == NULL)
		assert_null(r->key);
	else
		assert_string_equal(r->key, key);
	if (op == BENCH_PURCHASE)
		assert_in_range(strtoul(r->purchase->amount, NULL, 10), 10, 99);
	assert_int_equal(r->want_receipt, op == BENCH_PURCHASE);
	if (op == BENCH_REDEEM)
		assert_string_equal(r->redeem->points, "2.50");
}

static struct encoder *
encoder_new(unsigned batch)
{
	struct settings s = { .prefix = "p", .program = "prog", .redeem_points = "2.50", .members = 500, .batch = batch, .receipt = true };
	struct encoder *e = test_calloc(1, sizeof *e);

	assert_true(encoder_init(e, &s, 0x1234));
	return e;
}

static void
a_frame_says_what_was_asked_for(void **state)
{
	static const int cases[BENCH_OP_COUNT] = {
		[BENCH_PURCHASE] = FEALTY__V1__REQUEST__OP_PURCHASE, [BENCH_REDEEM] = FEALTY__V1__REQUEST__OP_REDEEM,
		[BENCH_BALANCE] = FEALTY__V1__REQUEST__OP_BALANCE, [BENCH_HISTORY] = FEALTY__V1__REQUEST__OP_HISTORY,
	};
	struct encoder *e = encoder_new(1);
	struct bench_random random = { 1 };
	struct buf out;

	(void)state;
	buf_init(&out);
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++) {
		buf_clear(&out);
		encoder_put(e, &out, 9, op, 1, 0xabcdef012345, &random);
		struct bytes body = one_frame(&out, FRAME_REQUEST, 9);
		Fealty__V1__Request *r = fealty__v1__request__unpack(NULL, body.len, body.data);
		assert_non_null(r);
		assert_int_equal(r->op_case, cases[op]);
		assert_request(r, op, bench_op_writes(op) ? "p-00000001234-abcdef012345" : NULL);
		assert_true(body.len <= encoder_bytes_max(e, 1));
		fealty__v1__request__free_unpacked(r, NULL);
	}
	buf_release(&out);
	test_free(e);
}

static void
a_batch_has_all_its_commands(void **state)
{
	struct encoder *e = encoder_new(1000);
	struct bench_random random = { 1 };
	struct buf out;

	(void)state;
	buf_init(&out);
	for (unsigned n = 1; n <= 1000; n += 999) {
		buf_clear(&out);
		encoder_put(e, &out, 64, BENCH_PURCHASE, n, 7, &random);
		struct bytes body = one_frame(&out, FRAME_BATCH, 64);
		Fealty__V1__Batch *batch = fealty__v1__batch__unpack(NULL, body.len, body.data);
		assert_non_null(batch);
		assert_string_equal(batch->key, "p-00000001234-000000000007");
		assert_int_equal(batch->n_commands, n);
		for (size_t i = 0; i < batch->n_commands; i++)
			assert_request(batch->commands[i], BENCH_PURCHASE, NULL);
		assert_true(body.len <= encoder_bytes_max(e, n));
		fealty__v1__batch__free_unpacked(batch, NULL);
	}
	buf_release(&out);
	test_free(e);
}

static void
aliases_are_those_of_the_frames(void **state)
{
	struct settings s = { .prefix = "p" };
	char alias[ALIAS_BYTES];

	(void)state;
	encoder_alias(&s, 499, alias);
	assert_string_equal(alias, "bench:p:0000000499");
}

/* ---- metrics ---- */

static void
samples_are_added_up_by_name(void **state)
{
	static const char text[] =
		"# HELP fealty_commands_total fealty_commands_total 9\n"
		"fealty_commands_total{op=\"a b 7\"} 3\n"
		"fealty_commands_total{op=\"c\"} 4\n"
		"fealty_commands_total_more 100\n"
		"process_cpu_seconds_total 1.25\n"
		"fealty_commits_total 8";			/* a line that is not whole counts for nothing */
	struct bytes b = bytes_of(text, sizeof text - 1);

	(void)state;
	assert_true(metrics_sum(b, "fealty_commands_total") == 7);
	assert_true(metrics_sum(b, "process_cpu_seconds_total") == 1.25);
	assert_true(isnan(metrics_sum(b, "fealty_commits_total")));
	assert_true(isnan(metrics_sum(b, "fealty_commands")));
	assert_true(isnan(metrics_sum(bytes_of(NULL, 0), "x")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_follow_the_law),
		cmocka_unit_test(many_members_take_no_longer),
		cmocka_unit_test(each_member_has_one_rank),
		cmocka_unit_test(percentiles_are_at_most_a_sixtyfourth_too_high),
		cmocka_unit_test(sums_are_those_of_all_threads),
		cmocka_unit_test(mixes_are_read),
		cmocka_unit_test(shares_are_the_weights),
		cmocka_unit_test(a_frame_says_what_was_asked_for),
		cmocka_unit_test(a_batch_has_all_its_commands),
		cmocka_unit_test(aliases_are_those_of_the_frames),
		cmocka_unit_test(samples_are_added_up_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
