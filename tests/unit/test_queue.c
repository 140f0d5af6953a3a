/* The queue of commands on disk: what survives of its file whatever is cut off or changed, numbers, locks, and what may come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue_world.h"

/* ---- numbers ---- */

static void
test_numbers_go_on_over_reopening(void **state)
{
	struct place p;
	uint64_t seq = 0;

	(void)state;
	place_init(&p);
	for (int round = 0; round < 4; round++) {
		struct fealty_queue *q = queue_open_ok(&p);
		for (int i = 0; i < 3; i++)
			queue_add_ok(q, NULL, ++seq);
		assert_int_equal(queue_look(q).n, seq);
		fealty_queue_close(q);
	}
	struct fealty_queue *q = queue_open_ok(&p);
	struct seen s = queue_look(q);
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(s.seq[i], i + 1);
	assert_string_not_equal(s.key[0], s.key[1]);
	fealty_queue_close(q);
	place_release(&p);
}

static void
test_what_the_queue_fills_in(void **state)
{
	struct place p;
	struct purchase purchase;
	struct fealty_queue_item item;

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	purchase_init(&purchase, "k");
	purchase.request.has_deadline_ms = true;
	purchase.request.deadline_ms = 5;
	purchase.request.has_terminal_seq = true;
	purchase.request.terminal_seq = 99;
	assert_int_equal(fealty_queue_add(q, &purchase.request, &item), FEALTY_QUEUE_OK);
	assert_true(item.request->has_occurred_at && item.request->occurred_at > INT64_C(1700000000000000));
	assert_int_equal(item.request->terminal_seq, 1);
	assert_string_equal(item.request->store, "0042");
	assert_string_equal(item.request->terminal, "07");
	assert_false(item.request->has_deadline_ms);
	assert_string_equal(item.key, "k");
	assert_null(item.response);
	purchase_init(&purchase, NULL);
	purchase.request.has_occurred_at = true;
	purchase.request.occurred_at = 17;
	assert_int_equal(fealty_queue_add(q, &purchase.request, &item), FEALTY_QUEUE_OK);
	assert_int_equal(item.request->occurred_at, 17);
	fealty_queue_close(q);
	place_release(&p);
}

/* ---- a power loss: the file ends anywhere ---- */

#define COMMANDS 4

/* Records of COMMANDS commands, and where each ends. */
static void
make_queue(const struct place *p, struct buf *ret_whole, size_t ret_ends[COMMANDS + 1])
{
	struct fealty_queue *q = queue_open_ok(p);
	char key[8];
	struct stat info;

	assert_int_equal(stat(p->file, &info), 0);
	ret_ends[0] = (size_t)info.st_size;
	for (int i = 0; i < COMMANDS; i++) {
		(void)snprintf(key, sizeof key, "k%d", i + 1);
		queue_add_ok(q, key, (uint64_t)i + 1);
		assert_int_equal(stat(p->file, &info), 0);
		ret_ends[i + 1] = (size_t)info.st_size;
	}
	fealty_queue_close(q);
	file_read(p, ret_whole);
	assert_int_equal(ret_whole->len, ret_ends[COMMANDS]);
}

static size_t
whole_commands(const size_t ends[COMMANDS + 1], size_t len)
{
	size_t n = 0;

	while (n < COMMANDS && ends[n + 1] <= len)
		n++;
	return n;
}

static void
test_every_length_of_the_file(void **state)
{
	struct place p;
	struct buf whole;
	size_t ends[COMMANDS + 1];

	(void)state;
	place_init(&p);
	make_queue(&p, &whole, ends);
	for (size_t len = ends[0]; len <= whole.len; len++) {
		struct fealty_queue_state s;
		size_t n = whole_commands(ends, len);
		file_put(&p, whole.data, len);
		struct fealty_queue *q = queue_open_ok(&p);
		fealty_queue_state(q, &s);
		assert_int_equal(s.waiting, n);
		assert_int_equal(s.cut_bytes, len - ends[n]);
		queue_add_ok(q, "next", n + 1);	/* the number of what was cut is free: it was never acknowledged */
		fealty_queue_close(q);
		q = queue_open_ok(&p);
		assert_int_equal(queue_look(q).n, n + 1);
		fealty_queue_close(q);
	}
	buf_release(&whole);
	place_release(&p);
}

/* Before the first command nothing is ever torn: the file is there whole or not at all. */
static void
test_a_file_that_is_no_queue(void **state)
{
	struct place p;
	struct buf whole;
	size_t ends[COMMANDS + 1];
	struct fealty_queue *q;
	char message[FEALTY_MESSAGE_BYTES];

	(void)state;
	place_init(&p);
	make_queue(&p, &whole, ends);
	for (size_t len = 0; len < ends[0]; len++) {
		struct stat info;
		file_put(&p, whole.data, len);
		assert_int_equal(fealty_queue_open(p.queue, &queue_till, &q, message), FEALTY_QUEUE_DAMAGED);
		assert_int_equal(stat(p.file, &info), 0);
		assert_true(len < 96 ? (size_t)info.st_size == len : info.st_size >= 96);
	}
	buf_release(&whole);
	place_release(&p);
}

static void
test_what_a_crash_leaves_beside_it(void **state)
{
	struct place p;
	char path[96];

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	queue_add_ok(q, "a", 1);
	fealty_queue_close(q);
	(void)snprintf(path, sizeof path, "%s.new", p.file);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	(void)fputs("half of a file that was to replace it", f);
	(void)fclose(f);
	q = queue_open_ok(&p);
	assert_int_equal(queue_look(q).n, 1);
	fealty_queue_close(q);
	place_release(&p);
}

/* ---- damage ---- */

static void
check_flip(const struct place *p, const struct buf *whole, const size_t ends[COMMANDS + 1], size_t at, unsigned bit)
{
	struct fealty_queue *q;
	char message[FEALTY_MESSAGE_BYTES];
	struct fealty_queue_state s;
	struct stat info;
	size_t n = whole_commands(ends, at);

	whole->data[at] ^= (uint8_t)(1u << bit);
	file_put(p, whole->data, whole->len);
	whole->data[at] ^= (uint8_t)(1u << bit);
	enum fealty_queue_error error = fealty_queue_open(p->queue, &queue_till, &q, message);
	if (n == COMMANDS - 1) {		/* nothing behind it: it may as well have been torn */
		assert_int_equal(error, FEALTY_QUEUE_OK);
		fealty_queue_state(q, &s);
		assert_int_equal(s.waiting, n);
		assert_int_equal(s.cut_bytes, whole->len - ends[n]);
		fealty_queue_close(q);
		return;
	}
	assert_int_equal(error, FEALTY_QUEUE_DAMAGED);
	assert_non_null(strstr(message, "damaged"));
	assert_int_equal(stat(p->file, &info), 0);
	assert_int_equal(info.st_size, whole->len);	/* a damaged file stays as it is */
}

static void
test_each_byte_changed(void **state)
{
	struct place p;
	struct buf whole;
	size_t ends[COMMANDS + 1];

	(void)state;
	place_init(&p);
	make_queue(&p, &whole, ends);
	for (size_t at = 0; at < whole.len; at++) {
		check_flip(&p, &whole, ends, at, 0);
		check_flip(&p, &whole, ends, at, at % 8);
		check_flip(&p, &whole, ends, at, 7);
	}
	buf_release(&whole);
	place_release(&p);
}

static void
test_salvage_keeps_all_but_what_is_damaged(void **state)
{
	struct place p;
	struct buf whole;
	size_t ends[COMMANDS + 1];
	struct fealty_queue_options salvage = { .principal = "pos/0042/07", .salvage = true };

	(void)state;
	place_init(&p);
	make_queue(&p, &whole, ends);
	for (size_t at = 0; at < ends[COMMANDS - 1]; at += 5) {
		struct fealty_queue *q;
		struct fealty_queue_state s;
		char message[FEALTY_MESSAGE_BYTES] = "", damaged[128];
		bool in_command = at >= ends[0];
		whole.data[at] ^= 0x10;
		file_put(&p, whole.data, whole.len);
		whole.data[at] ^= 0x10;
		assert_int_equal(fealty_queue_open(p.queue, &salvage, &q, message), FEALTY_QUEUE_OK);
		fealty_queue_state(q, &s);
		assert_int_equal(s.waiting, in_command ? COMMANDS - 1 : COMMANDS);
		assert_int_equal(s.next_seq, COMMANDS + 1);
		assert_true(s.lost_bytes > 0);
		struct seen seen = queue_look(q);
		for (size_t i = 0, seq = 1; i < seen.n; i++, seq++) {
			seq += in_command && seq == whole_commands(ends, at) + 1;
			assert_int_equal(seen.seq[i], seq);
		}
		fealty_queue_close(q);
		q = queue_open_ok(&p);			/* the new file is well */
		queue_add_ok(q, NULL, COMMANDS + 1);
		fealty_queue_close(q);
		(void)snprintf(damaged, sizeof damaged, "%s.damaged", p.file);
		assert_int_equal(unlink(damaged), 0);
	}
	buf_release(&whole);
	place_release(&p);
}

/* ---- the disk is full ---- */

/* In a process of its own, since the limit stays: as much fits as fits, and no more is said to be there. */
static void
fill_up(const struct place *p)
{
	struct fealty_queue *q = queue_open_ok(p);
	struct rlimit limit = { 600, 600 };
	uint32_t n = 0;
	enum fealty_queue_error error;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while ((error = queue_add(q, NULL, NULL)) == FEALTY_QUEUE_OK)
		n++;
	bool ok = error == FEALTY_QUEUE_IO && strstr(fealty_queue_trouble(q), "large") != NULL;
	ok = ok && queue_add(q, NULL, NULL) == FEALTY_QUEUE_IO && queue_look(q).n == n && n > 1 && n < 20;
	fealty_queue_close(q);
	_exit(ok ? (int)n : 100);
}

static void
test_a_write_that_fails_adds_nothing(void **state)
{
	struct place p;
	int status;

	(void)state;
	place_init(&p);
	fealty_queue_close(queue_open_ok(&p));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		fill_up(&p);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 100);
	struct fealty_queue *q = queue_open_ok(&p);
	struct fealty_queue_state s;
	fealty_queue_state(q, &s);
	assert_int_equal(s.waiting, WEXITSTATUS(status));
	assert_int_equal(s.cut_bytes, 0);
	queue_add_ok(q, NULL, s.waiting + 1);
	fealty_queue_close(q);
	place_release(&p);
}

/* ---- whose it is ---- */

static void
test_one_at_a_time(void **state)
{
	struct place p;
	struct fealty_queue *q, *again;
	char message[FEALTY_MESSAGE_BYTES];
	int status;

	(void)state;
	place_init(&p);
	q = queue_open_ok(&p);
	assert_int_equal(fealty_queue_open(p.queue, &queue_till, &again, message), FEALTY_QUEUE_LOCKED);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(fealty_queue_open(p.queue, &queue_till, &again, message) == FEALTY_QUEUE_LOCKED ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fealty_queue_close(q);
	fealty_queue_close(queue_open_ok(&p));
	place_release(&p);
}

static void
test_whose_it_is(void **state)
{
	static const struct { struct fealty_queue_options options; enum fealty_queue_error want; } cases[] = {
		{ { .principal = NULL }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "" }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "pos/0042" }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "pos//07" }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "pos/0042/" }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "pos/0042/07/1" }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "backend/gate" }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "backend/gate", .store = "s" }, FEALTY_QUEUE_OPTIONS },
		{ { .principal = "backend/gate", .store = "s", .terminal = "1" }, FEALTY_QUEUE_OK },
		{ { .principal = NULL }, FEALTY_QUEUE_OK },
		{ { .principal = "backend/gate" }, FEALTY_QUEUE_OK },
		{ { .principal = "backend/gate", .store = "s", .terminal = "2" }, FEALTY_QUEUE_OTHER },
		{ { .principal = "pos/s/1" }, FEALTY_QUEUE_OTHER },
	};
	struct place p;

	(void)state;
	place_init(&p);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fealty_queue *q = NULL;
		char message[FEALTY_MESSAGE_BYTES] = "";
		enum fealty_queue_error got = fealty_queue_open(p.queue, &cases[i].options, &q, message);
		if (got != cases[i].want)
			fail_msg("case %zu: %s", i, message);
		assert_true((got == FEALTY_QUEUE_OK) == (message[0] == '\0'));
		fealty_queue_close(q);
	}
	place_release(&p);
}

/* ---- what may come in ---- */

static void
test_what_may_be_queued(void **state)
{
	static const struct { Fealty__V1__Request__OpCase op; enum fealty_queue_error want; } cases[] = {
		{ FEALTY__V1__REQUEST__OP__NOT_SET, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_REDEEM, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_HOLD, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_TRANSFER, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_ADVANCE, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_ADJUST, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_BALANCE, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_QUOTE, FEALTY_QUEUE_NOT_OFFLINE },
		{ FEALTY__V1__REQUEST__OP_PUBLISH, FEALTY_QUEUE_NOT_OFFLINE },
	};
	struct place p;

	(void)state;
	place_init(&p);
	struct fealty_queue *q = queue_open_ok(&p);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
		Fealty__V1__Redeem body = FEALTY__V1__REDEEM__INIT;	/* it is not looked at */
		request.op_case = cases[i].op;
		request.redeem = &body;
		assert_int_equal(fealty_queue_add(q, &request, NULL), cases[i].want);
		assert_non_null(strstr(fealty_queue_trouble(q), "cannot be queued"));
	}
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Capture capture = FEALTY__V1__CAPTURE__INIT;
	capture.member = (char *)"m";
	capture.hold = (char *)"h";
	request.op_case = FEALTY__V1__REQUEST__OP_CAPTURE;
	request.capture = &capture;
	assert_int_equal(fealty_queue_add(q, &request, NULL), FEALTY_QUEUE_OK);
	assert_int_equal(queue_add(q, "not a key", NULL), FEALTY_QUEUE_KEY);
	assert_int_equal(queue_add(q, "k", NULL), FEALTY_QUEUE_OK);
	assert_int_equal(queue_add(q, "k", NULL), FEALTY_QUEUE_KEY_WAITS);
	struct purchase purchase;
	purchase_init(&purchase, NULL);
	purchase.request.terminal = (char *)"08";
	assert_int_equal(fealty_queue_add(q, &purchase.request, NULL), FEALTY_QUEUE_OTHER);
	purchase_init(&purchase, NULL);
	char *long_text = calloc(1, 70000);
	assert_non_null(long_text);
	memset(long_text, 'x', 69999);
	purchase.op.receipt_no = long_text;
	assert_int_equal(fealty_queue_add(q, &purchase.request, NULL), FEALTY_QUEUE_TOO_LARGE);
	free(long_text);
	assert_int_equal(queue_look(q).n, 2);
	queue_add_ok(q, NULL, 3);		/* what was refused took no number */
	fealty_queue_close(q);
	place_release(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_go_on_over_reopening),
		cmocka_unit_test(test_what_the_queue_fills_in),
		cmocka_unit_test(test_every_length_of_the_file),
		cmocka_unit_test(test_a_file_that_is_no_queue),
		cmocka_unit_test(test_what_a_crash_leaves_beside_it),
		cmocka_unit_test(test_each_byte_changed),
		cmocka_unit_test(test_salvage_keeps_all_but_what_is_damaged),
		cmocka_unit_test(test_a_write_that_fails_adds_nothing),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_what_may_be_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
