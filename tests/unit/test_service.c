/* The service as a whole: what a client is told, what time does to it, and how it ends. */
#include "service_world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_US US_PER_DAY

static int
setup_clock(void **state, bool manual_clock)
{
	struct server *s = test_calloc(1, sizeof(*s));

	server_init(s, manual_clock);
	server_start(s);
	*state = s;
	return 0;
}

static int
setup(void **state)
{
	return setup_clock(state, false);
}
static int
setup_manual(void **state)
{
	return setup_clock(state, true);
}

static int
teardown(void **state)
{
	struct server *s = *state;

	server_release(s);
	test_free(s);
	return 0;
}

static void
ok(struct fealty_client *c, const char *json)
{
	struct fealty_result result = call_ok(c, json);

	fealty_result_release(&result);
}

static struct fealty_client *
operator_of(struct server *s)
{
	struct fealty_client *c = client_of(s, "operator/local");

	call_publish(c, club_yaml, "p1", s->w.manual_clock ? kst("2026-03-02T10:00:00") : 0);
	return c;
}

/* ---- what a client is told ---- */

static void
a_day_at_the_till(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s), *till = client_of(s, "pos/1/1");

	ok(till, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	struct fealty_result first = call_ok(till, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"12500\", \"key\": \"b1\"}");
	assert_string_equal(first.response->granted, "12");
	struct fealty_result again = call_ok(till, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"12500\", \"key\": \"b1\"}");
	assert_true(again.response->replayed);
	assert_string_equal(again.response->id, first.response->id);
	call_refused(
	    till, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"12501\", \"key\": \"b1\"}", "REQUEST_ID_REUSED", "key");
	call_refused(
	    till, "{\"op\": \"redeem\", \"member\": \"m1\", \"points\": \"13\", \"key\": \"r1\"}", "INSUFFICIENT_POINTS", "points");
	call_refused(till, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e2\"}", "ALREADY_EXISTS", "member");
	call_refused(till, "{\"op\": \"adjust\", \"member\": \"m1\", \"points\": \"5\", \"reason\": \"x\", \"key\": \"a1\"}",
	    "PERMISSION_DENIED", NULL);
	call_refused(till, "{\"op\": \"purchase\", \"member\": \"nobody\", \"amount\": \"1\", \"key\": \"b2\"}", "NOT_FOUND", "member");
	assert_available(op, "m1", "12");
	fealty_result_release(&first);
	fealty_result_release(&again);
	fealty_client_free(till);
	fealty_client_free(op);
}

/* A client takes seq + 1 for the size of the ledger, and a smaller one later for a roll-back. */
static void
no_reply_is_ahead_of_the_ledger(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s), *till = client_of(s, "pos/1/1");
	static const struct {
		const char *json;
		bool writes;
	} calls[] = {
		{ "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}", true },
		{ "{\"op\": \"redeem\", \"member\": \"m1\", \"points\": \"13\", \"key\": \"r1\"}", false },
		{ "{\"op\": \"purchase\", \"member\": \"nobody\", \"amount\": \"1\", \"key\": \"b2\"}", false },
		{ "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}", false },
		{ "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}", true },
		{ "{\"op\": \"balance\", \"member\": \"m1\"}", false },
	};
	uint64_t size = service_size(s->service);

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct fealty_result r = call(till, calls[i].json);
		size += calls[i].writes;
		assert_int_equal(service_size(s->service), size);
		assert_true(r.response->has_seq);
		assert_int_equal(r.response->seq, size - 1);
		fealty_result_release(&r);
	}
	server_stop(s);
	server_start(s);
	assert_available(till, "m1", "1");
	assert_false(fealty_hello(till)->rolled_back);
	fealty_client_free(till);
	fealty_client_free(op);
}

static void
two_principals_may_choose_one_request_id(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s), *one = client_of(s, "pos/1/1"), *two = client_of(s, "pos/1/2");

	ok(one, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"k\"}");
	ok(two, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"9000\", \"key\": \"k\"}");
	ok(one, "{\"op\": \"hold\", \"member\": \"m1\", \"points\": \"2\", \"key\": \"h\"}");
	ok(one, "{\"op\": \"capture\", \"member\": \"m1\", \"hold\": \"h\", \"points\": \"1\", \"key\": \"c1\"}");
	ok(two, "{\"op\": \"hold\", \"member\": \"m1\", \"points\": \"3\", \"key\": \"h\"}");
	call_refused(one, "{\"op\": \"capture\", \"member\": \"m1\", \"hold\": \"h\", \"key\": \"c2\"}", "INVALID_ARGUMENT", "hold");
	assert_available(op, "m1", "4");
	fealty_client_free(two);
	fealty_client_free(one);
	fealty_client_free(op);
}

/* ---- many at a time ---- */

struct shopper {
	const struct server *s;
	const char *principal, *prefix;
	unsigned n, n_sent, n_ok, n_refused, n_unknown, n_replayed;
	pthread_t thread;
};

static void
count_result(void *ctx, struct fealty_result *result)
{
	struct shopper *p = ctx;

	if (result->outcome == FEALTY_OK) {
		p->n_ok++;
		p->n_replayed += result->response->has_replayed && result->response->replayed;
	} else if (result->outcome == FEALTY_UNKNOWN) {
		p->n_unknown++;
	} else {
		p->n_refused++;
	}
}

/* Purchases of 1 000 won by m1, sixteen at a time, until one is not done. */
static void *
shop(void *arg)
{
	struct shopper *p = arg;
	struct fealty_client *c = client_of(p->s, p->principal);
	char key[64];

	for (unsigned i = 0; i < p->n && p->n_refused + p->n_unknown == 0; i++) {
		Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
		Fealty__V1__Purchase purchase = FEALTY__V1__PURCHASE__INIT;
		snprintf(key, sizeof(key), "%s%u", p->prefix, i);
		request.key = key;
		request.op_case = FEALTY__V1__REQUEST__OP_PURCHASE;
		request.purchase = &purchase;
		request.has_deadline_ms = true;
		request.deadline_ms = 3000;
		purchase.member = (char *)(uintptr_t) "m1";
		purchase.amount = (char *)(uintptr_t) "1000";
		if (fealty_call_async(c, &request, count_result, p, NULL) != FEALTY_ERROR_NONE)
			break;
		p->n_sent++;
		fealty_wait(c, 15);
	}
	fealty_wait(c, 0);
	fealty_client_free(c);
	return NULL;
}

static void
start_shopping(struct shopper *p, const struct server *s, const char *principal, const char *prefix, unsigned n)
{
	*p = (struct shopper){ .s = s, .principal = principal, .prefix = prefix, .n = n };
	assert_int_equal(pthread_create(&p->thread, NULL, shop, p), 0);
}

/* Two clients of one till, the same request ids at the same time: each is applied once. */
static void
a_request_id_is_applied_once(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);
	struct shopper a, b;

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	start_shopping(&a, s, "pos/1/1", "b", 200);
	start_shopping(&b, s, "pos/1/1", "b", 200);
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	assert_int_equal(a.n_ok + b.n_ok, 400);
	assert_int_equal(a.n_replayed + b.n_replayed, 200);
	assert_available(op, "m1", "200");
	fealty_client_free(op);
}

/* Nothing is shared: the same names, keys and times in two ledgers of one process. */
static void
two_services_in_one_process(void **state)
{
	struct server *s = *state, other;
	struct shopper a, b;

	server_init(&other, false);
	server_start(&other);
	struct fealty_client *op = operator_of(s), *op2 = operator_of(&other);
	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"12-24\", \"key\": \"e1\"}");
	ok(op2, "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"12-24\", \"key\": \"e1\"}");
	server_jump(&other, 2 * DAY_US);
	start_shopping(&a, s, "pos/1/1", "b", 300);
	call_refused(op2, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"x\", \"deadline_ms\": 500}",
	    "UNAVAILABLE", "clock");
	server_jump(&other, -2 * DAY_US);
	start_shopping(&b, &other, "pos/1/1", "b", 100);
	pthread_join(b.thread, NULL);
	server_stop(&other);
	pthread_join(a.thread, NULL);
	assert_int_equal(a.n_ok, 300);
	assert_int_equal(b.n_ok, 100);
	assert_available(op, "m1", "300");
	server_start(&other);
	assert_available(op2, "m1", "100");
	fealty_client_free(op2);
	fealty_client_free(op);
	server_release(&other);
}

/* ---- batches ---- */

static void
an_atomic_batch_leaves_nothing_behind(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);
	uint64_t size = service_size(s->service);

	struct fealty_result r = call_batch(op,
	    "{\"atomic\": true, \"commands\": ["
	    "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"03-02\", \"key\": \"e1\"},"
	    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"5000\", \"key\": \"b1\"},"
	    "{\"op\": \"redeem\", \"member\": \"m1\", \"points\": \"999\", \"key\": \"r1\"}]}");
	assert_int_equal(r.outcome, FEALTY_REFUSED);
	assert_string_equal(r.response->reason, "INSUFFICIENT_POINTS");
	assert_string_equal(r.response->field, "commands[2].points");
	assert_int_equal(r.batch->n_results, 0);
	fealty_result_release(&r);
	assert_int_equal(service_size(s->service), size);
	call_refused(op, "{\"op\": \"balance\", \"member\": \"m1\"}", "NOT_FOUND", "member");

	r = call_batch(op,
	    "{\"atomic\": true, \"commands\": ["
	    "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"},"
	    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"5000\", \"key\": \"b1\"},"
	    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"5000\", \"key\": \"b1\"}," /* a replay inside the batch */
	    "{\"op\": \"redeem\", \"member\": \"m1\", \"points\": \"4\", \"key\": \"r1\"}]}");
	assert_int_equal(r.outcome, FEALTY_OK);
	assert_int_equal(r.batch->n_results, 4);
	assert_true(r.batch->results[2]->replayed);
	assert_string_equal(r.batch->results[1]->id, r.batch->results[2]->id);
	fealty_result_release(&r);
	assert_int_equal(service_size(s->service), size + 1);
	assert_available(op, "m1", "1");
	fealty_client_free(op);
}

static void
commands_of_a_batch_fail_one_by_one(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	struct fealty_result r = call_batch(op,
	    "{\"key\": \"day\", \"commands\": ["
	    "{\"op\": \"enrol\", \"member\": \"m1\"},"
	    "{\"op\": \"redeem\", \"member\": \"m1\", \"points\": \"5\"},"
	    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"7000\"}]}");
	assert_int_equal(r.outcome, FEALTY_OK);
	assert_int_equal(fealty_response_outcome(r.batch->results[0]), FEALTY_OK);
	assert_int_equal(fealty_response_outcome(r.batch->results[1]), FEALTY_REFUSED);
	assert_string_equal(r.batch->results[1]->reason, "INSUFFICIENT_POINTS");
	assert_int_equal(fealty_response_outcome(r.batch->results[2]), FEALTY_OK);
	fealty_result_release(&r);
	assert_available(op, "m1", "7");
	fealty_client_free(op);
}

/* Unlinked and linked to another member within one transaction. */
static void
an_alias_moves_within_a_batch(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"aliases\": [\"card:1\"], \"key\": \"e1\"}");
	ok(op, "{\"op\": \"enrol\", \"member\": \"m2\", \"key\": \"e2\"}");
	ok(op, "{\"op\": \"purchase\", \"member\": \"m2\", \"amount\": \"2000\", \"key\": \"b2\"}");
	struct fealty_result r = call_batch(op,
	    "{\"atomic\": true, \"commands\": ["
	    "{\"op\": \"profile\", \"member\": \"m1\", \"remove_aliases\": [\"card:1\"], \"key\": \"p1a\"},"
	    "{\"op\": \"profile\", \"member\": \"m2\", \"add_aliases\": [\"card:1\"], \"key\": \"p2a\"}]}");
	assert_int_equal(r.outcome, FEALTY_OK);
	fealty_result_release(&r);
	assert_available(op, "card:1", "2");
	server_stop(s);
	server_start(s);
	assert_available(op, "card:1", "2");
	assert_available(op, "m1", "0");
	/* the body is compared under a key that stays the member's */
	r = call_ok(op, "{\"op\": \"profile\", \"member\": \"m2\", \"add_aliases\": [\"card:1\"], \"key\": \"p2a\"}");
	assert_true(r.response->replayed);
	fealty_result_release(&r);
	fealty_client_free(op);
}

/* ---- the clock ---- */

static const char purchase_x[] = "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"x\", \"deadline_ms\": 400}";

static void
a_jump_of_the_clock_stops_writes(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	server_pass(s, 30 * DAY_US); /* time that really went by is no jump */
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}");
	server_jump(s, DAY_US + US_PER_SECOND);
	call_refused(op, purchase_x, "UNAVAILABLE", "clock");
	assert_available(op, "m1", "1");
	struct fealty_result r = call_ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}");
	assert_true(r.response->replayed);
	fealty_result_release(&r);
	call_refused(op, purchase_x, "UNAVAILABLE", "clock");

	server_jump(s, -DAY_US - US_PER_SECOND); /* set right again */
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b2\"}");
	server_jump(s, DAY_US - US_PER_SECOND); /* below a day it is believed */
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b3\"}");
	server_jump(s, DAY_US);
	call_refused(op, purchase_x, "UNAVAILABLE", "clock");
	ok(op, "{\"op\": \"clock_accept\", \"key\": \"a1\"}");
	ok(op, purchase_x);
	server_jump(s, DAY_US - US_PER_SECOND);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b4\"}");
	fealty_client_free(op);
}

static void
a_ledger_long_asleep_asks_before_it_writes(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	server_stop(s);
	server_pass(s, 7 * DAY_US);
	server_start(s);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}");
	server_stop(s);
	server_pass(s, 7 * DAY_US + US_PER_SECOND);
	server_start(s);
	call_refused(op, purchase_x, "UNAVAILABLE", "clock");
	server_jump(s, -3 * US_PER_SECOND); /* it was a little fast */
	ok(op, purchase_x);
	server_stop(s);
	server_pass(s, 8 * DAY_US);
	server_start(s);
	call_refused(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"y\", \"deadline_ms\": 400}",
	    "UNAVAILABLE", "clock");
	ok(op, "{\"op\": \"clock_accept\", \"key\": \"a1\"}");
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"y\"}");
	fealty_client_free(op);
}

static void
at_is_for_manual_clocks(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	call_refused(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1\", \"key\": \"b1\", \"at\": \"2030-01-01T00:00:00Z\"}",
	    "INVALID_ARGUMENT", "at");
	call_refused(op, "{\"op\": \"balance\", \"member\": \"m1\", \"at\": \"2030-01-01T00:00:00Z\"}", "INVALID_ARGUMENT", "at");
	fealty_client_free(op);
}

static void
a_manual_clock_moves_with_commands(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\", \"at\": \"2026-03-03T10:00:00+09:00\"}");
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"5000\", \"key\": \"b1\"}");
	call_refused(op,
	    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1\", \"key\": \"b2\", \"at\": \"2026-03-03T09:59:59+09:00\"}",
	    "INVALID_ARGUMENT", "at");
	struct fealty_result r = call_ok(
	    op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\", \"at\": \"2026-03-02T10:00:00+09:00\"}");
	assert_true(r.response->replayed); /* before anything that depends on state, the clock included */
	fealty_result_release(&r);
	call_refused(op,
	    "{\"op\": \"redeem\", \"member\": \"m1\", \"points\": \"5\", \"key\": \"r1\", \"at\": \"2026-03-14T00:00:00+09:00\"}",
	    "INSUFFICIENT_POINTS", "points");
	server_stop(s);
	assert_ops(s, 1, "publish enrol purchase expire");
	server_start(s);
	fealty_client_free(op);
}

/* Atomic batches move the clock as their first command says, and can be retried after it has moved on. */
static void
an_atomic_batch_is_replayed_after_the_clock_has_moved(void **state)
{
	static const char batch[] =
	    "{\"atomic\": true, \"commands\": ["
	    "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\", \"at\": \"2026-03-03T10:00:00+09:00\"},"
	    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"5000\", \"key\": \"b1\", \"at\": \"2026-03-03T10:00:00+09:00\"}]}";
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	struct fealty_result r = call_batch(op, batch);
	assert_int_equal(r.outcome, FEALTY_OK);
	fealty_result_release(&r);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b2\", \"at\": \"2026-03-04T10:00:00+09:00\"}");
	r = call_batch(op, batch);
	assert_int_equal(r.outcome, FEALTY_OK);
	assert_true(r.batch->results[0]->replayed && r.batch->results[1]->replayed);
	fealty_result_release(&r);
	assert_available(op, "m1", "6");
	fealty_client_free(op);
}

/* Two programs published at one instant are both in force at it. */
static void
a_program_is_in_force_at_its_instant(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);
	char other[2048];

	snprintf(other, sizeof(other), "%s", club_yaml);
	memcpy(strstr(other, "id: club"), "id: tree", 8);
	call_publish(op, other, "p2", kst("2026-03-02T10:00:00"));
	ok(op, "{\"op\": \"enrol\", \"program\": \"tree\", \"member\": \"m1\", \"key\": \"e1\", \"at\": \"2026-03-02T10:00:00+09:00\"}");
	call_refused(op, "{\"op\": \"balance\", \"member\": \"m1\"}", "INVALID_ARGUMENT", "program");
	fealty_client_free(op);
}

/* ---- what falls due ---- */

/* At one instant: all holds, then member by member the birthday before the lots. */
static void
a_night_has_its_order(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"03-13\", \"key\": \"e1\"}");
	ok(op, "{\"op\": \"enrol\", \"member\": \"m2\", \"birthday\": \"03-13\", \"key\": \"e2\"}");
	ok(op, "{\"op\": \"purchase\", \"member\": \"m2\", \"amount\": \"1000\", \"key\": \"b1\"}");
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b2\"}");
	ok(op, "{\"op\": \"purchase\", \"member\": \"m2\", \"amount\": \"1000\", \"key\": \"b3\", \"at\": \"2026-03-12T23:45:00+09:00\"}");
	ok(op, "{\"op\": \"hold\", \"member\": \"m2\", \"points\": \"1\", \"ttl\": \"15m\", \"key\": \"h1\"}");
	uint64_t size = service_size(s->service);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"0\", \"key\": \"b4\", \"at\": \"2026-03-13T00:00:00+09:00\"}");
	server_stop(s);
	assert_ops(s, size, "hold_timeout birthday expire birthday purchase");
	server_start(s);
	fealty_client_free(op);
}

static void
who_enrols_on_a_birthday_has_it(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	struct fealty_result r = call_ok(
	    op, "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"03-03\", \"key\": \"e1\", \"at\": \"2026-03-03T10:00:00+09:00\"}");
	assert_string_equal(r.response->available, "50");
	fealty_result_release(&r);
	ok(op, "{\"op\": \"enrol\", \"member\": \"m2\", \"birthday\": \"03-02\", \"key\": \"e2\"}");
	assert_available(op, "m2", "0"); /* yesterday's is over */
	server_stop(s);
	server_start(s);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\", \"at\": \"2026-03-05T10:00:00+09:00\"}");
	assert_available(op, "m1", "51");
	assert_available(op, "m2", "0");
	server_stop(s);
	assert_ops(s, 1, "publish enrol birthday enrol purchase");
	server_start(s);
	fealty_client_free(op);
}

struct waiting {
	struct server *s;
	uint64_t size;
};

static bool
has_grown(void *ctx)
{
	struct waiting *w = ctx;

	return service_size(w->s->service) >= w->size;
}

/* A crash in the middle of catching up: the newest transaction is of today, and birthdays of days before it were not come to. */
static void
a_cut_off_night_is_made_good(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"03-04\", \"key\": \"e1\"}");
	ok(op, "{\"op\": \"enrol\", \"member\": \"m2\", \"birthday\": \"02-29\", \"key\": \"e2\"}");
	server_stop(s);
	world_open(&s->w);
	s->w.now_us = kst("2026-03-30T12:00:00");
	world_purchase(&s->w, 1, "b1", 1000);
	/* signed as the daemon would have */
	world_seal(&s->w);
	struct signed_transaction leaf;
	uint8_t signature[SIGNATURE_BYTES], key_id[KEY_ID_BYTES];
	struct buf out;
	assert_int_equal(codec_signed_decode(s->w.leaves[0], &leaf), ST_OK);
	assert_int_equal(sign_once(s->w.keys, KEY_TRANSACTION, SIGNER_TRANSACTION_TYPE, leaf.transaction, signature), ST_OK);
	key_id_of(keys_public(s->w.keys, KEY_TRANSACTION), key_id);
	leaf.signature = bytes_of(signature, sizeof(signature));
	leaf.key_id = bytes_of(key_id, sizeof(key_id));
	buf_init(&out);
	codec_signed_encode(&leaf, &out);
	s->w.leaves[0] = buf_bytes(&out);
	world_commit_ledger(&s->w);
	buf_release(&out);
	world_close(&s->w, false);

	server_pass(s, kst("2026-03-31T12:00:00") - atomic_load(&s->now_us));
	uint64_t size = 5; /* genesis, publish, two enrolments, a purchase */
	server_start(s);
	struct waiting grown = { s, size + 1 };
	eventually(has_grown, &grown, "the birthday of 4 March");
	assert_available(op, "m1", "1");
	server_stop(s);
	assert_ops(s, size, "birthday expire"); /* due ten days later */
	server_start(s);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m2\", \"amount\": \"1000\", \"key\": \"b2\"}");
	server_stop(s);
	assert_ops(s, size, "birthday expire purchase"); /* and never twice */
	server_start(s);
	fealty_client_free(op);
}

static void
the_scheduler_runs_by_itself(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"03-03\", \"key\": \"e1\"}");
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"3000\", \"key\": \"b1\"}");
	ok(op, "{\"op\": \"hold\", \"member\": \"m1\", \"points\": \"1\", \"key\": \"h1\"}");
	struct waiting grown = { s, service_size(s->service) + 1 }; /* a transaction for both */
	server_pass(s, 20 * INT64_C(3600) * US_PER_SECOND);
	eventually(has_grown, &grown, "the hold's end and the birthday");
	call_refused(op, "{\"op\": \"capture\", \"member\": \"m1\", \"hold\": \"h1\", \"key\": \"c1\"}", "HOLD_EXPIRED", NULL);
	assert_available(op, "m1", "53");
	fealty_client_free(op);
}

/* ---- the log ---- */

struct reader {
	uint64_t next, until;
};

static bool
read_one(void *ctx, const struct fealty_transaction *t)
{
	struct reader *r = ctx;

	assert_int_equal(t->seq, r->next);
	assert_true(t->head > t->seq);
	return ++r->next < r->until;
}

static void
a_subscriber_sees_all_that_is_written(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s), *auditor = client_of(s, "auditor/a");
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Subscribe subscribe = FEALTY__V1__SUBSCRIBE__INIT;
	struct shopper a, b;

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	struct reader reader = { 0, service_size(s->service) + 400 };
	start_shopping(&a, s, "pos/1/1", "b", 200);
	start_shopping(&b, s, "pos/1/2", "b", 200);
	request.op_case = FEALTY__V1__REQUEST__OP_SUBSCRIBE;
	request.subscribe = &subscribe;
	subscribe.has_credits = true;
	subscribe.credits = 7;
	struct fealty_result r;
	struct fealty_subscriber subscriber = { .ctx = &reader, .on_transaction = read_one };
	assert_int_equal(fealty_subscribe(auditor, &request, &subscriber, &r), FEALTY_OK);
	fealty_result_release(&r);
	assert_int_equal(reader.next, reader.until);
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	fealty_client_free(auditor);
	fealty_client_free(op);
}

/* ---- the end ---- */

static void
a_drain_answers_what_it_took(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);
	struct shopper p[3];
	static const char *const principals[] = { "pos/1/1", "pos/1/2", "pos/1/3" };

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	fealty_client_free(op);
	struct waiting grown = { s, service_size(s->service) + 100 };
	for (int i = 0; i < 3; i++)
		start_shopping(&p[i], s, principals[i], "b", 2000);
	eventually(has_grown, &grown, "some purchases");
	server_stop(s);
	unsigned n_ok = 0, n_unknown = 0;
	for (int i = 0; i < 3; i++) {
		pthread_join(p[i].thread, NULL);
		assert_int_equal(p[i].n_ok + p[i].n_refused + p[i].n_unknown, p[i].n_sent);
		n_ok += p[i].n_ok;
		n_unknown += p[i].n_unknown;
	}
	assert_true(n_ok >= 50 && n_ok < 6000);
	world_open(&s->w);
	int64_t visits = world_member(&s->w, 1)->visits;
	world_close(&s->w, true);
	/* what was answered is there; what is there was answered, or its client knows that it does not know */
	assert_true(visits >= n_ok && visits <= n_ok + n_unknown);
	server_start(s);
}

static bool
has_failed(void *ctx)
{
	return atomic_load(&((struct server *)ctx)->fatal);
}

/* The disk fails for good: nothing more is answered, and the next start has all that was. */
static void
a_failing_disk_ends_it(void **state)
{
	static const char *const environments[] = { "ledger", "vault", "state" };
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);
	unsigned long before = 0;
	char json[160];

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	for (int i = 0; i < 3; i++) {
		struct shopper p;
		start_shopping(&p, s, "pos/1/1", environments[i], 3000);
		struct waiting grown = { s, service_size(s->service) + 30 };
		eventually(has_grown, &grown, "some purchases");
		world_break(&s->w, environments[i], true);
		snprintf(json, sizeof(json),
		    "{\"op\": \"profile\", \"member\": \"m1\", \"segments\": [\"s\"], \"key\": \"q%d\", \"deadline_ms\": 1000}", i);
		struct fealty_result r = call(op, json); /* for the vault has nothing to do with purchases */
		if (r.outcome != FEALTY_UNKNOWN && !(r.outcome == FEALTY_REFUSED && r.response->retryable))
			fail_msg("%s: %s: %s", environments[i], fealty_outcome_str(r.outcome), r.message);
		fealty_result_release(&r);
		eventually(has_failed, s, "the failure");
		server_stop(s);
		for (size_t k = 0; k < s->w.n_broken; k++)
			close(s->w.broken[k].kept);
		s->w.n_broken = 0; /* the store has closed what was broken */
		pthread_join(p.thread, NULL);
		assert_true(p.n_ok >= 20 && p.n_ok < 3000);
		assert_int_equal(p.n_ok + p.n_refused + p.n_unknown, p.n_sent);
		atomic_store(&s->fatal, false);
		server_start(s);
		r = call_ok(op, "{\"op\": \"balance\", \"member\": \"m1\"}");
		unsigned long available = strtoul(r.response->available, NULL, 10);
		assert_true(available >= before + p.n_ok && available <= before + p.n_ok + p.n_unknown);
		before = available;
		fealty_result_release(&r);
	}
	fealty_client_free(op);
}

/* ---- a full disk ---- */

static const char enrol_m2[] = "{\"op\": \"enrol\", \"member\": \"m2\", \"key\": \"e2\", \"deadline_ms\": 900}";

static void
assert_open(struct server *s, struct fealty_client *op, const char *available)
{
	world_mend(&s->w);
	ok(op,
	    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"after\"}"); /* the client tries again until it is done */
	ok(op, "{\"op\": \"enrol\", \"member\": \"m2\", \"key\": \"e2\"}");
	for (int again = 0; again < 2; again++) {
		assert_available(op, "m1", available);
		assert_available(op, "m2", "0");
		server_stop(s);
		server_start(s);
	}
	assert_false(atomic_load(&s->fatal));
}

static void
a_full_ledger_writes_nothing(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"birthday\": \"03-03\", \"key\": \"e1\"}");
	world_break(&s->w, "ledger", false);
	server_pass(s, 15 * INT64_C(3600) * US_PER_SECOND); /* the birthday, undone and looked at again */
	call_refused(op, purchase_x, "UNAVAILABLE", "disk");
	call_refused(op, enrol_m2, "UNAVAILABLE", "disk");
	call_refused(op, "{\"op\": \"balance\", \"member\": \"m2\"}", "NOT_FOUND", "member");
	assert_available(op, "m1", "50"); /* due, if not written: a balance shows it */
	assert_open(s, op, "51");
	fealty_client_free(op);
}

static void
a_full_vault_writes_nothing(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	world_break(&s->w, "vault", false);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}");
	uint64_t size = service_size(s->service);
	call_refused(op, enrol_m2, "UNAVAILABLE", "disk");
	assert_int_equal(service_size(s->service), size);
	assert_open(s, op, "2");
	fealty_client_free(op);
}

/* The ledger has it, so it is answered; state has to follow before anything else is decided. */
static void
a_full_state_is_made_good(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	world_break(&s->w, "state", false);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}");
	uint64_t size = service_size(s->service);
	for (int i = 0; i < 3; i++) {
		call_refused(op, purchase_x, "UNAVAILABLE", "disk");
		call_refused(op, enrol_m2, "UNAVAILABLE", "disk");
		struct fealty_result r = call_batch(op,
		    "{\"atomic\": true, \"deadline_ms\": 300, \"commands\": ["
		    "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"y\"}]}");
		assert_int_equal(r.outcome, FEALTY_REFUSED);
		assert_string_equal(r.response->reason, "UNAVAILABLE");
		fealty_result_release(&r);
	}
	assert_int_equal(service_size(s->service), size);
	assert_available(op, "m1", "0"); /* readers see state as it is */
	assert_open(s, op, "2");
	fealty_client_free(op);
}

/* Stopped before it was made good: the next start replays it. */
static void
a_full_state_is_replayed_after_a_stop(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = operator_of(s);

	ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	world_break(&s->w, "state", false);
	ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}");
	world_mend(&s->w);
	server_stop(s);
	server_start(s);
	assert_available(op, "m1", "1");
	fealty_client_free(op);
}

int
main(void)
{
#define REAL(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define MANUAL(f) cmocka_unit_test_setup_teardown(f, setup_manual, teardown)
	static const struct CMUnitTest tests[] = {
		REAL(a_day_at_the_till),
		REAL(no_reply_is_ahead_of_the_ledger),
		REAL(two_principals_may_choose_one_request_id),
		REAL(a_request_id_is_applied_once),
		REAL(two_services_in_one_process),
		REAL(an_atomic_batch_leaves_nothing_behind),
		REAL(commands_of_a_batch_fail_one_by_one),
		REAL(an_alias_moves_within_a_batch),
		REAL(a_jump_of_the_clock_stops_writes),
		REAL(a_ledger_long_asleep_asks_before_it_writes),
		REAL(at_is_for_manual_clocks),
		MANUAL(a_manual_clock_moves_with_commands),
		MANUAL(an_atomic_batch_is_replayed_after_the_clock_has_moved),
		MANUAL(a_program_is_in_force_at_its_instant),
		MANUAL(a_night_has_its_order),
		MANUAL(who_enrols_on_a_birthday_has_it),
		REAL(a_cut_off_night_is_made_good),
		REAL(the_scheduler_runs_by_itself),
		REAL(a_subscriber_sees_all_that_is_written),
		REAL(a_drain_answers_what_it_took),
		REAL(a_failing_disk_ends_it),
		REAL(a_full_ledger_writes_nothing),
		REAL(a_full_vault_writes_nothing),
		REAL(a_full_state_is_made_good),
		REAL(a_full_state_is_replayed_after_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
