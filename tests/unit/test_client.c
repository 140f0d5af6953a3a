/* Calls of the client: outcomes, keys, pipelining, retries, doubts; and its small parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "fake_server.h"
#include "key.h"
#include "scan.h"

/* ---- calls ---- */

static void
script_one_call(struct server *s)
{
	server_accept(s);
	assert(strcmp(s->principal, "pos/0042/07") == 0);
	Fealty__V1__Request *r = server_read_request(s);
	assert(r->op_case == FEALTY__V1__REQUEST__OP_PURCHASE && strcmp(r->purchase->amount, "12.50") == 0);
	assert(r->has_deadline_ms && r->deadline_ms <= 10000 && r->deadline_ms > 5000);
	snprintf(s->arg, 65, "%s", r->key);
	fealty__v1__request__free_unpacked(r, NULL);
	server_ok(s, s->header.tag);
	uint64_t tag = server_expect(s, "till-7");
	server_answer(s, tag, FEALTY__V1__CODE__FAILED_PRECONDITION, "INSUFFICIENT_POINTS", false, 0);
	r = server_read_request(s);
	assert(r->key == NULL && r->op_case == FEALTY__V1__REQUEST__OP_BALANCE);
	fealty__v1__request__free_unpacked(r, NULL);
	server_answer(s, s->header.tag, FEALTY__V1__CODE__INTERNAL, "INTERNAL", false, 0);
	tag = server_expect(s, "till-8");
	server_answer(s, tag, FEALTY__V1__CODE__INTERNAL, "INTERNAL", false, 0);
	server_expect_close(s);
}

static void
test_call(void **state)
{
	struct server *s = server_start(script_one_call);
	struct fealty_options o = options_with_deadline(10000);
	struct fealty_result r;
	char seen[65];

	(void)state;
	o.principal = "pos/0042/07";
	s->hello.principal = (char *)"pos/0042/07";
	s->arg = seen;
	struct fealty_client *c = client_of(s, &o);
	assert_null(fealty_hello(c));
	server_go(s);

	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_OK);
	assert_int_equal(strlen(r.key), KEY_ULID_BYTES);
	assert_string_equal(r.key, seen);
	assert_string_equal(r.response->id, "7.0");
	assert_string_equal(r.message, "");
	assert_int_equal(r.attempts, 1);
	fealty_result_release(&r);
	assert_string_equal(fealty_hello(c)->ok->origin, "test.example/log");
	assert_int_equal(fealty_hello(c)->connections, 1);

	assert_int_equal(do_purchase(c, "till-7", &r), FEALTY_REFUSED);
	assert_string_equal(r.key, "till-7");
	assert_string_equal(r.message, "INSUFFICIENT_POINTS");
	fealty_result_release(&r);
	assert_int_equal(do_balance(c, &r), FEALTY_REFUSED);	/* a read: INTERNAL leaves no doubt */
	assert_string_equal(r.key, "");
	fealty_result_release(&r);
	assert_int_equal(do_purchase(c, "till-8", &r), FEALTY_UNKNOWN);	/* a write: it does */
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_pipeline(struct server *s)
{
	uint64_t tags[4];

	server_accept(s);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			tags[i] = server_expect(s, NULL);
		assert(!readable_within(s->fd, 30));	/* the fifth waits for an answer */
		for (int i = 3; i >= 0; i--)
			server_ok(s, tags[i]);
	}
	server_expect_close(s);
}

static void
test_pipeline_out_of_order(void **state)
{
	struct server *s = server_start(script_pipeline);
	struct tally t = { 0 };
	char key[16];

	(void)state;
	s->hello.in_flight_max = 4;
	struct fealty_client *c = client_of(s, NULL);
	server_go(s);
	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof key, "k%d", i);
		start_purchase(c, key, &t);
	}
	assert_int_equal(t.n, 0);
	fealty_wait(c, 11);
	assert_true(t.n >= 1);
	assert_string_equal(t.last_key[0] == 'k' ? "k" : "", "k");
	fealty_wait(c, 0);
	assert_int_equal(t.ok, 12);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_lost_then_replayed(struct server *s)
{
	server_accept(s);
	server_expect(s, "once-1");
	server_accept(s);		/* closes the first: the answer is lost */
	uint64_t tag = server_expect(s, "once-1");
	Fealty__V1__Response r = FEALTY__V1__RESPONSE__INIT;
	r.has_replayed = r.replayed = true;
	server_send(s, FRAME_RESPONSE, tag, &r.base);
	server_expect_close(s);
}

static void
test_lost_connection_retries_same_key(void **state)
{
	struct server *s = server_start(script_lost_then_replayed);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	server_go(s);
	assert_int_equal(do_purchase(c, "once-1", &r), FEALTY_OK);
	assert_true(r.response->replayed);
	assert_int_equal(r.attempts, 2);
	assert_int_equal(fealty_hello(c)->connections, 2);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_never_answers(struct server *s)
{
	server_accept(s);
	server_expect(s, NULL);
	server_expect(s, NULL);
	uint64_t late = s->header.tag;
	uint64_t tag = server_expect(s, "after");
	server_ok(s, late);		/* of a call that has ended: dropped */
	server_ok(s, tag);
	server_expect_close(s);
}

static void
test_deadline_says_unknown(void **state)
{
	struct server *s = server_start(script_never_answers);
	struct fealty_options o = options_with_deadline(80);
	struct fealty_client *c = client_of(s, &o);
	struct fealty_result r;
	struct purchase p;

	(void)state;
	server_go(s);
	int64_t begin = clock_monotonic_us();
	assert_int_equal(do_purchase(c, NULL, &r), FEALTY_UNKNOWN);
	assert_int_equal(r.error, FEALTY_ERROR_DEADLINE);
	assert_true(r.key[0] != '\0' && r.response == NULL);
	assert_non_null(strstr(r.message, "not known"));
	assert_true(clock_monotonic_us() - begin >= 75000);
	fealty_result_release(&r);
	assert_int_equal(do_balance(c, &r), FEALTY_FAILED);	/* a read changes nothing: no doubt */
	assert_int_equal(r.error, FEALTY_ERROR_DEADLINE);
	fealty_result_release(&r);
	purchase_init(&p, "after");
	p.request.has_deadline_ms = true;
	p.request.deadline_ms = 5000;
	assert_int_equal(fealty_call(c, &p.request, &r), FEALTY_OK);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

static void
script_retryable(struct server *s)
{
	server_accept(s);
	for (int i = 0; i < 2; i++)
		server_answer(s, server_expect(s, "r-1"), FEALTY__V1__CODE__UNAVAILABLE, "UNAVAILABLE", true, 20);
	server_ok(s, server_expect(s, "r-1"));
	server_answer(s, server_expect(s, "r-2"), FEALTY__V1__CODE__UNAVAILABLE, "UNAVAILABLE", true, 60000);
	server_answer(s, server_expect(s, "r-3"), FEALTY__V1__CODE__UNAVAILABLE, "UNAVAILABLE", false, 0);
	server_expect_close(s);
}

static void
test_retryable_refusals(void **state)
{
	struct server *s = server_start(script_retryable);
	struct fealty_client *c = client_of(s, NULL);
	struct fealty_result r;

	(void)state;
	server_go(s);
	assert_int_equal(do_purchase(c, "r-1", &r), FEALTY_OK);
	assert_int_equal(r.attempts, 3);
	fealty_result_release(&r);
	int64_t begin = clock_monotonic_us();
	assert_int_equal(do_purchase(c, "r-2", &r), FEALTY_REFUSED);	/* beyond the deadline: says so at once */
	assert_string_equal(r.response->reason, "UNAVAILABLE");
	assert_true(clock_monotonic_us() - begin < 5000000);
	fealty_result_release(&r);
	assert_int_equal(do_purchase(c, "r-3", &r), FEALTY_REFUSED);
	assert_int_equal(r.attempts, 1);
	fealty_result_release(&r);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

/* An answer that does not look for a replay cannot clear the doubt about an earlier sending. */
static const struct { const char *name; Fealty__V1__Code code; const char *reason; enum fealty_outcome want; bool retryable; } doubts[] = {
	{ "overload says nothing",        FEALTY__V1__CODE__UNAVAILABLE,         "UNAVAILABLE",         FEALTY_UNKNOWN, false },
	{ "a deadline says nothing",      FEALTY__V1__CODE__DEADLINE_EXCEEDED,   "DEADLINE_EXCEEDED",   FEALTY_UNKNOWN, false },
	{ "a limit says nothing",         FEALTY__V1__CODE__RESOURCE_EXHAUSTED,  "RATE_LIMITED",        FEALTY_UNKNOWN, true },
	{ "a cap is a rule",              FEALTY__V1__CODE__RESOURCE_EXHAUSTED,  "CAP_REACHED",         FEALTY_REFUSED, false },
	{ "a rule is asked after replay", FEALTY__V1__CODE__FAILED_PRECONDITION, "INSUFFICIENT_POINTS", FEALTY_REFUSED, false },
	{ "another body had the key",     FEALTY__V1__CODE__ALREADY_EXISTS,      "REQUEST_ID_REUSED",   FEALTY_REFUSED, false },
};

static void
script_doubt(struct server *s)
{
	const int *row = s->arg;

	server_accept(s);
	server_expect(s, "d");
	server_accept(s);
	server_answer(s, server_expect(s, "d"), doubts[*row].code, doubts[*row].reason, doubts[*row].retryable, doubts[*row].retryable ? 600000 : 0);
	server_expect_close(s);
}

static void
test_doubt(void **state)
{
	(void)state;
	for (int i = 0; i < (int)(sizeof doubts / sizeof *doubts); i++) {
		struct server *s = server_start(script_doubt);
		struct fealty_client *c = client_of(s, NULL);
		struct fealty_result r;

		s->arg = &i;
		server_go(s);
		enum fealty_outcome got = do_purchase(c, "d", &r);
		if (got != doubts[i].want)
			fail_msg("%s: %s", doubts[i].name, fealty_outcome_str(got));
		fealty_result_release(&r);
		fealty_client_free(c);
		server_join(s);
		server_end(s);
	}
}

static void
script_batch(struct server *s)
{
	Fealty__V1__Response outcome = FEALTY__V1__RESPONSE__INIT, results[2] = { FEALTY__V1__RESPONSE__INIT, FEALTY__V1__RESPONSE__INIT };
	Fealty__V1__Response *list[2] = { &results[0], &results[1] };
	Fealty__V1__BatchResponse r = FEALTY__V1__BATCH_RESPONSE__INIT;

	server_accept(s);
	server_read(s, FRAME_BATCH);
	Fealty__V1__Batch *b = fealty__v1__batch__unpack(NULL, s->header.body_bytes, s->body);
	assert(b != NULL && b->n_commands == 2 && b->has_deadline_ms && strcmp(b->key, "day-1") == 0);
	fealty__v1__batch__free_unpacked(b, NULL);
	results[1].has_status = true;
	results[1].status = FEALTY__V1__CODE__NOT_FOUND;
	r.outcome = &outcome;
	r.n_results = 2;
	r.results = list;
	server_send(s, FRAME_RESPONSE, s->header.tag, &r.base);

	outcome.has_status = outcome.has_retryable = outcome.retryable = true;
	outcome.status = FEALTY__V1__CODE__UNAVAILABLE;
	r.n_results = 0;
	server_read(s, FRAME_BATCH);
	server_send(s, FRAME_RESPONSE, s->header.tag, &r.base);		/* and once more, for good */
	outcome.retryable = false;
	outcome.status = FEALTY__V1__CODE__FAILED_PRECONDITION;
	outcome.reason = (char *)"INSUFFICIENT_POINTS";
	server_read(s, FRAME_BATCH);
	server_send(s, FRAME_RESPONSE, s->header.tag, &r.base);
	r.outcome = NULL;			/* no answer to a batch */
	server_read(s, FRAME_BATCH);
	server_send(s, FRAME_RESPONSE, s->header.tag, &r.base);
	server_accept(s);
	server_expect_close(s);
}

static void
test_batch(void **state)
{
	struct server *s = server_start(script_batch);
	struct fealty_client *c = client_of(s, NULL);
	Fealty__V1__Batch b = FEALTY__V1__BATCH__INIT;
	struct purchase p[2];
	Fealty__V1__Request *list[2] = { &p[0].request, &p[1].request };
	struct fealty_result r;
	char long_key[65];

	(void)state;
	s->hello.has_batch_commands_max = true;
	s->hello.batch_commands_max = 2;
	server_go(s);
	purchase_init(&p[0], NULL);
	purchase_init(&p[1], "own");
	b.key = (char *)"day-1";
	b.n_commands = 2;
	b.commands = list;
	assert_int_equal(fealty_batch(c, &b, &r), FEALTY_OK);
	assert_int_equal(r.batch->n_results, 2);
	assert_ptr_equal(r.response, r.batch->outcome);
	assert_int_equal(fealty_response_outcome(r.batch->results[0]), FEALTY_OK);
	assert_int_equal(fealty_response_outcome(r.batch->results[1]), FEALTY_REFUSED);
	fealty_result_release(&r);
	fealty_result_release(&r);		/* twice does no harm */
	assert_int_equal(fealty_batch(c, &b, &r), FEALTY_REFUSED);
	assert_int_equal(r.attempts, 2);
	assert_string_equal(r.message, "INSUFFICIENT_POINTS");
	assert_int_equal(r.batch->n_results, 0);
	fealty_result_release(&r);
	assert_int_equal(fealty_batch(c, &b, &r), FEALTY_UNKNOWN);
	assert_int_equal(r.error, FEALTY_ERROR_PROTOCOL);

	Fealty__V1__Request *three[3] = { &p[0].request, &p[1].request, &p[1].request };
	b.n_commands = 3;
	b.commands = three;
	assert_int_equal(fealty_batch(c, &b, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_TOO_LARGE);
	assert_int_equal(r.attempts, 0);
	memset(long_key, 'k', 64);
	long_key[64] = '\0';
	b.key = long_key;		/* no room for ".1" */
	assert_int_equal(fealty_batch(c, &b, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_KEY);
	fealty_client_free(c);
	server_join(s);
	server_end(s);
}

/* ---- the small parts ---- */

static void
test_keys(void **state)
{
	struct key_source source = { 0 };
	char key[KEY_ULID_BYTES + 1], before[KEY_ULID_BYTES + 1] = "";

	(void)state;
	for (uint64_t i = 0; i < 2000; i++) {
		key_next(&source, 1700000000000u + i / 500 - (i == 1999 ? 100 : 0), key);	/* also when the clock goes back */
		assert_true(key_valid(key) && strlen(key) == KEY_ULID_BYTES);
		assert_true(strcmp(before, key) < 0);
		memcpy(before, key, sizeof before);
	}
	source = (struct key_source){ 0 };
	key_next(&source, 1469918176385u, key);		/* the time of the ULID specification's example */
	key[10] = '\0';
	assert_string_equal(key, "01ARYZ6S41");

	assert_true(key_valid("A.b_c:d-9"));
	assert_false(key_valid(""));
	assert_false(key_valid("a b"));
	assert_false(key_valid("k\xc3\xa9"));
	assert_false(key_valid("01234567890123456789012345678901234567890123456789012345678901234"));
}

static void
test_scan(void **state)
{
	struct buf t;
	uint64_t seq = 0;

	(void)state;
	buf_init(&t);
	put_transaction(123456789, &t);
	assert_true(scan_transaction_seq(buf_bytes(&t), &seq));
	assert_int_equal(seq, 123456789);
	assert_false(scan_transaction_seq(bytes_of(t.data, t.len - 1), &seq));
	assert_false(scan_transaction_seq(bytes_of(NULL, 0), &seq));
	buf_release(&t);
}

static void
test_words(void **state)
{
	(void)state;
	for (int e = FEALTY_ERROR_NONE; e <= FEALTY_ERROR_CLOSED; e++)
		assert_string_not_equal(fealty_error_str((enum fealty_error)e), "?");
	assert_string_equal(fealty_outcome_str(FEALTY_UNKNOWN), "UNKNOWN");
	assert_string_equal(fealty_code_str(FEALTY__V1__CODE__FAILED_PRECONDITION), "FAILED_PRECONDITION");
	assert_string_equal(fealty_code_str((Fealty__V1__Code)99), "?");
}

/* Each connection brings a frame that does not fit; *arg counts them, and before that of the fifth something new comes. */
static void
script_nonsense(struct server *s)
{
	Fealty__V1__Push push = FEALTY__V1__PUSH__INIT;
	unsigned *n = s->arg;

	push.has_last_seq = push.has_head = true;
	push.last_seq = 3;
	push.head = 9;
	while (readable_within(s->listener, 1000)) {
		server_accept(s);
		fealty__v1__request__free_unpacked(server_read_request(s), NULL);
		if (++*n == 5)
			server_send(s, FRAME_PUSH, s->header.tag, &push.base);
		server_send(s, FRAME_HELLO_OK, 0, &s->hello.base);
		server_expect_close(s);
	}
}

static bool
no_transaction(void *ctx, const struct fealty_transaction *t)
{
	(void)ctx, (void)t;
	fail();
	return false;
}

/* Given up when the deadline has gone by with nothing but that: not sooner, and never silently for ever. */
static void
test_subscription_gives_up_nonsense(void **state)
{
	struct server *s = server_start(script_nonsense);
	struct fealty_options options = options_with_deadline(1000);
	struct fealty_subscriber to = { .on_transaction = no_transaction };
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Subscribe op = FEALTY__V1__SUBSCRIBE__INIT;
	struct fealty_result r;
	unsigned n = 0;

	(void)state;
	options.backoff_max_ms = 200;
	struct fealty_client *c = client_of(s, &options);
	s->arg = &n;
	s->hello.size = 9;
	request.op_case = FEALTY__V1__REQUEST__OP_SUBSCRIBE;
	request.subscribe = &op;
	server_go(s);
	assert_int_equal(fealty_subscribe(c, &request, &to, &r), FEALTY_FAILED);
	assert_int_equal(r.error, FEALTY_ERROR_PROTOCOL);
	assert_non_null(strstr(r.message, "a frame that does not fit"));
	fealty_result_release(&r);
	server_join(s);
	assert_in_range(n, 6, 30);		/* asked ever more rarely */
	fealty_client_free(c);
	server_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_pipeline_out_of_order),
		cmocka_unit_test(test_lost_connection_retries_same_key),
		cmocka_unit_test(test_deadline_says_unknown),
		cmocka_unit_test(test_retryable_refusals),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_subscription_gives_up_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
