/* What becomes of queued commands: batches, answers, crashes between any two writes, connections that end, whose server it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "queue_world.h"

/* ---- uploading ---- */

static Fealty__V1__Batch *
read_batch(struct server *s)
{
	server_read(s, FRAME_BATCH);
	Fealty__V1__Batch *batch = fealty__v1__batch__unpack(NULL, s->header.body_bytes, s->body);
	assert(batch != NULL);
	return batch;
}

/* Answers every command of a batch: ${how} has a letter for each: o applied, r refused, u unavailable, i internal error. */
static void
answer_batch(struct server *s, const Fealty__V1__Batch *batch, const char *how)
{
	Fealty__V1__BatchResponse answer = FEALTY__V1__BATCH_RESPONSE__INIT;
	Fealty__V1__Response whole = FEALTY__V1__RESPONSE__INIT, *results[16], each[16];

	assert(strlen(how) == batch->n_commands && batch->n_commands <= 16);
	whole.has_status = true;
	answer.outcome = &whole;
	answer.n_results = batch->n_commands;
	answer.results = results;
	for (size_t i = 0; i < batch->n_commands; i++) {
		each[i] = (Fealty__V1__Response)FEALTY__V1__RESPONSE__INIT;
		each[i].has_status = true;
		each[i].status = how[i] == 'o' ? FEALTY__V1__CODE__OK : how[i] == 'r' ? FEALTY__V1__CODE__NOT_FOUND :
		    how[i] == 'u' ? FEALTY__V1__CODE__UNAVAILABLE : FEALTY__V1__CODE__INTERNAL;
		each[i].has_retryable = true;
		each[i].retryable = how[i] == 'u';
		each[i].reason = how[i] == 'o' ? NULL : (char *)"REASON";
		results[i] = &each[i];
	}
	server_send(s, FRAME_RESPONSE, s->header.tag, &answer.base);
}

/* One batch must have these numbers, and say that these ranges were refused: "5-6,8". */
static void
expect_batch(struct server *s, const uint64_t *seqs, size_t n, const char *refused, const char *how)
{
	Fealty__V1__Batch *batch = read_batch(s);
	char said[128] = "";

	assert(batch->n_commands == n);
	for (size_t i = 0; i < n; i++) {
		assert(batch->commands[i]->terminal_seq == seqs[i] && batch->commands[i]->key != NULL);
		assert(i == 0 || batch->commands[i]->n_terminal_refused == 0);
	}
	for (size_t i = 0; i < batch->commands[0]->n_terminal_refused; i++) {
		const Fealty__V1__SeqRange *r = batch->commands[0]->terminal_refused[i];
		(void)snprintf(said + strlen(said), sizeof said - strlen(said), "%s%llu-%llu", i > 0 ? "," : "", (unsigned long long)r->first,
		    (unsigned long long)r->last);
	}
	if (strcmp(said, refused) != 0) {
		(void)fprintf(stderr, "refused: %s, and should be %s\n", said, refused);
		abort();
	}
	if (how != NULL)
		answer_batch(s, batch, how);
	fealty__v1__batch__free_unpacked(batch, NULL);
}

#define SEQS(...) (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)

static void
read_ping(struct server *s)
{
	server_read(s, FRAME_PING);
	Fealty__V1__Ping *ping = fealty__v1__ping__unpack(NULL, s->header.body_bytes, s->body);
	Fealty__V1__Pong pong = FEALTY__V1__PONG__INIT;

	assert(ping != NULL);
	pong.has_nonce = true;
	pong.nonce = ping->nonce;
	fealty__v1__ping__free_unpacked(ping, NULL);
	server_send(s, FRAME_PONG, s->header.tag, &pong.base);
}

struct told { int n, refused; uint64_t seqs[32]; };

static void
tell(void *ctx, const struct fealty_queue_item *item)
{
	struct told *t = ctx;

	assert_non_null(item->response);
	t->seqs[t->n++] = item->seq;
	t->refused += item->refused;
}

static enum fealty_queue_error
upload(struct fealty_queue *q, struct fealty_client *c, uint32_t commands_max, struct told *told, struct fealty_queue_report *report)
{
	struct fealty_queue_upload how = { .total_ms = 20000, .commands_max = commands_max, .on_answer = tell, .ctx = told };

	return fealty_queue_upload(q, c, &how, report);
}

static struct server *
server_of_till(void (*script)(struct server *s))
{
	struct server *s = server_start(script);

	s->hello.principal = (char *)"pos/0042/07";
	s->hello.origin = (char *)"test.example/l";
	return s;
}

static struct fealty_client *
till_client(struct server *s)
{
	struct fealty_options o = options_with_deadline(10000);

	o.principal = "pos/0042/07";
	return client_of(s, &o);
}

static void
script_upload(struct server *s)
{
	server_accept(s);
	read_ping(s);
	expect_batch(s, SEQS(1, 2, 3), "", "oro");
	expect_batch(s, SEQS(4, 5, 6), "", "rru");
	expect_batch(s, SEQS(6, 7), "4-5", "io");
	expect_batch(s, SEQS(6), "", "r");
	server_expect_close(s);
}

static void
test_each_command_has_one_answer(void **state)
{
	struct place p;
	struct told told = { 0 };
	struct fealty_queue_report report;
	struct fealty_queue_state s;
	uint32_t n;

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	for (uint64_t i = 1; i <= 7; i++)
		queue_add_ok(q, NULL, i);
	struct server *server = server_of_till(script_upload);
	struct fealty_client *c = till_client(server);
	server_go(server);
	assert_int_equal(upload(q, c, 3, &told, &report), FEALTY_QUEUE_OK);
	fealty_client_free(c);
	server_join(server);
	server_end(server);
	assert_int_equal(told.n, 7);
	assert_memory_equal(told.seqs, ((const uint64_t[]){ 1, 2, 3, 4, 5, 7, 6 }), 7 * sizeof(uint64_t));
	assert_int_equal(report.applied, 3);
	assert_int_equal(report.refused, 4);
	assert_int_equal(report.batches, 4);
	fealty_queue_close(q);
	q = queue_open_ok(&p);
	fealty_queue_state(q, &s);
	assert_int_equal(s.waiting, 0);
	assert_int_equal(s.refused, 4);
	assert_int_equal(queue_look(q).seq[3], 6);
	assert_int_equal(fealty_queue_forget(q, 4, &n), FEALTY_QUEUE_OK);
	assert_int_equal(n, 1);
	fealty_queue_close(q);
	q = queue_open_ok(&p);
	assert_int_equal(queue_look(q).n, 3);
	assert_int_equal(fealty_queue_forget(q, 0, &n), FEALTY_QUEUE_OK);
	assert_int_equal(n, 3);
	queue_add_ok(q, NULL, 8);
	fealty_queue_close(q);
	place_release(&p);
}

static void
script_refusals(struct server *s)
{
	server_accept(s);
	read_ping(s);
	expect_batch(s, SEQS(1, 2), "", "or");
	server_expect_close(s);
}

static void
script_said_once(struct server *s)
{
	server_accept(s);
	read_ping(s);
	expect_batch(s, SEQS(3), "2-2", "r");
	expect_batch(s, SEQS(4), "2-3", "o");
	expect_batch(s, SEQS(5), "", "o");
	server_expect_close(s);
}

static void
play(struct fealty_queue *q, void (*script)(struct server *s), uint32_t commands_max, int answers)
{
	struct told told = { 0 };
	struct fealty_queue_report report;
	struct server *server = server_of_till(script);
	struct fealty_client *c = till_client(server);

	server_go(server);
	assert_int_equal(upload(q, c, commands_max, &told, &report), FEALTY_QUEUE_OK);
	fealty_client_free(c);
	server_join(server);
	server_end(server);
	assert_int_equal(told.n, answers);
}

/* What was refused is said until a command was applied, also by a process that comes later, and with a file made anew in between. */
static void
test_refused_numbers_are_said_until_one_is_applied(void **state)
{
	struct place p;

	(void)state;
	for (int forgets = 0; forgets < 2; forgets++) {
		uint32_t n;
		place_init(&p);
		struct fealty_queue *q = queue_open_ok(&p);
		queue_add_ok(q, NULL, 1);
		queue_add_ok(q, NULL, 2);
		play(q, script_refusals, 0, 2);
		fealty_queue_close(q);
		q = queue_open_ok(&p);
		if (forgets)
			assert_int_equal(fealty_queue_forget(q, 0, &n), FEALTY_QUEUE_OK);
		for (uint64_t i = 3; i <= 5; i++)
			queue_add_ok(q, NULL, i);
		play(q, script_said_once, 1, 3);
		fealty_queue_close(q);
		place_release(&p);
	}
}

/* ---- a crash of the till at each byte that an upload writes ---- */

static int crash_answers;

static void
script_three(struct server *s)
{
	server_accept(s);
	read_ping(s);
	expect_batch(s, SEQS(1, 2), "", "or");
	expect_batch(s, SEQS(3), "2-2", "o");
	server_expect_close(s);
}

/* Whatever is left of the file, each command waits, or has an answer that will be given, or was given it. */
static void
check_crash(const struct place *p, const struct buf *whole, size_t len)
{
	struct fealty_queue_state s;

	file_put(p, whole->data, len);
	struct fealty_queue *q = queue_open_ok(p);
	fealty_queue_state(q, &s);
	assert_int_equal(s.next_seq, 4);
	struct seen seen = queue_look(q);
	for (size_t i = 1; i < seen.n; i++)
		assert_true(seen.seq[i - 1] < seen.seq[i]);
	if (s.waiting == 0)
		crash_answers++;
	fealty_queue_close(q);
}

static void
test_a_crash_at_each_byte_of_an_upload(void **state)
{
	struct place p;
	struct buf before, whole;

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	for (uint64_t i = 1; i <= 3; i++)
		queue_add_ok(q, NULL, i);
	file_read(&p, &before);
	play(q, script_three, 2, 3);
	fealty_queue_close(q);
	file_read(&p, &whole);
	assert_memory_equal(before.data, whole.data, before.len);
	for (size_t len = before.len; len <= whole.len; len++)
		check_crash(&p, &whole, len);
	assert_true(crash_answers > 1);
	buf_release(&whole);
	buf_release(&before);
	place_release(&p);
}

/* Answered and not told when the process ended: told by the next, and not sent again. */
static void
test_answers_that_were_not_told(void **state)
{
	struct place p;
	struct buf before, whole;
	struct told told = { 0 };
	struct fealty_queue_report report;
	struct fealty_queue_state s = { 0 };

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	queue_add_ok(q, NULL, 1);
	queue_add_ok(q, NULL, 2);
	file_read(&p, &before);
	play(q, script_refusals, 0, 2);
	fealty_queue_close(q);
	file_read(&p, &whole);
	size_t len = whole.len;
	for (; s.answered != 2; len--) {		/* up to the record of the answers, without that of the giving */
		assert_true(len > before.len);
		file_put(&p, whole.data, len);
		q = queue_open_ok(&p);
		fealty_queue_state(q, &s);
		fealty_queue_close(q);
	}
	q = queue_open_ok(&p);
	struct fealty_options o = options_with_deadline(1000);
	struct fealty_client *c;
	assert_int_equal(fealty_client_new("unix:/nowhere", &o, NULL, &c), FEALTY_ERROR_NONE);
	assert_int_equal(upload(q, c, 0, &told, &report), FEALTY_QUEUE_OK);	/* nobody has to be reached for it */
	fealty_client_free(c);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.refused, 1);
	fealty_queue_close(q);
	buf_release(&whole);
	buf_release(&before);
	place_release(&p);
}

/* ---- connections ---- */

static void
script_lost(struct server *s)
{
	server_accept(s);
	read_ping(s);
	expect_batch(s, SEQS(1, 2), "", NULL);
	server_accept(s);			/* closes the connection before the answer */
	expect_batch(s, SEQS(1, 2), "", "oo");
	server_expect_close(s);
}

static void
test_a_lost_connection_and_the_same_keys(void **state)
{
	struct place p;

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	queue_add_ok(q, "k1", 1);
	queue_add_ok(q, "k2", 2);
	play(q, script_lost, 0, 2);
	fealty_queue_close(q);
	place_release(&p);
}

static void
script_greets(struct server *s)
{
	server_accept(s);
	read_ping(s);
	server_expect_close(s);
}

static void
test_another_principal_or_ledger(void **state)
{
	static const struct { const char *principal, *origin; } cases[] = {
		{ "pos/0042/08", "test.example/l" }, { "pos/0042/07", "test.example/other" },
	};
	struct place p;

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	queue_add_ok(q, NULL, 1);
	queue_add_ok(q, NULL, 2);
	play(q, script_refusals, 0, 2);
	queue_add_ok(q, NULL, 3);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct told told = { 0 };
		struct fealty_queue_report report;
		struct server *server = server_of_till(script_greets);
		server->hello.principal = (char *)cases[i].principal;
		server->hello.origin = (char *)cases[i].origin;
		struct fealty_options o = options_with_deadline(10000);
		struct fealty_client *c = client_of(server, &o);
		server_go(server);
		assert_int_equal(upload(q, c, 0, &told, &report), FEALTY_QUEUE_OTHER);
		assert_int_equal(report.waiting, 1);
		fealty_client_free(c);
		server_join(server);
		server_end(server);
	}
	fealty_queue_close(q);
	place_release(&p);
}

static void
test_nobody_there(void **state)
{
	struct place p;
	struct fealty_queue_report report;
	struct fealty_queue_upload how = { .total_ms = 150 };
	struct fealty_options o = options_with_deadline(1000);
	struct fealty_client *c;

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	queue_add_ok(q, NULL, 1);
	assert_int_equal(fealty_client_new("unix:/nowhere", &o, NULL, &c), FEALTY_ERROR_NONE);
	assert_int_equal(fealty_queue_upload(q, c, &how, &report), FEALTY_QUEUE_UNREACHED);
	assert_int_equal(report.waiting, 1);
	fealty_client_free(c);
	fealty_queue_close(q);
	place_release(&p);
}

/* ---- the file does not grow for ever ---- */

static void
script_many(struct server *s)
{
	server_accept(s);
	read_ping(s);
	for (uint64_t i = 1; i <= 20; i++)
		expect_batch(s, SEQS(i), "", "o");
	server_expect_close(s);
}

static void
test_the_file_is_made_new_when_all_is_answered(void **state)
{
	struct place p;
	struct stat info;
	struct purchase purchase;
	char *receipt = calloc(1, 9000);

	(void)state;
	assert_non_null(receipt);
	memset(receipt, 'x', 8999);
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	for (uint64_t i = 1; i <= 20; i++) {
		purchase_init(&purchase, NULL);
		purchase.op.receipt_no = receipt;
		assert_int_equal(fealty_queue_add(q, &purchase.request, NULL), FEALTY_QUEUE_OK);
	}
	assert_int_equal(stat(p.file, &info), 0);
	assert_true(info.st_size > 20 * 9000);
	play(q, script_many, 1, 20);
	assert_int_equal(stat(p.file, &info), 0);
	assert_true(info.st_size < 1000);
	queue_add_ok(q, NULL, 21);
	fealty_queue_close(q);
	q = queue_open_ok(&p);
	queue_add_ok(q, NULL, 22);
	assert_int_equal(queue_look(q).n, 2);
	fealty_queue_close(q);
	free(receipt);
	place_release(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_command_has_one_answer),
		cmocka_unit_test(test_refused_numbers_are_said_until_one_is_applied),
		cmocka_unit_test(test_a_crash_at_each_byte_of_an_upload),
		cmocka_unit_test(test_answers_that_were_not_told),
		cmocka_unit_test(test_a_lost_connection_and_the_same_keys),
		cmocka_unit_test(test_another_principal_or_ledger),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_the_file_is_made_new_when_all_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
