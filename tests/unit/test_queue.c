/* The queue of commands on disk: what survives of its file whatever is cut off or changed, numbers, locks, answers, and what may come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fake_server.h"
#include "fealty_queue.h"

static const struct fealty_queue_options till = { .principal = "pos/0042/07" };

/* ---- a directory ---- */

struct place { char dir[40], queue[64], file[80]; };

static void
place_init(struct place *p)
{
	/* Thousands of files are made durable here, and no test looks at the disk itself. */
	(void)snprintf(p->dir, sizeof p->dir, "%s/fealty-queue-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->queue, sizeof p->queue, "%s/q", p->dir);
	(void)snprintf(p->file, sizeof p->file, "%s/queue", p->queue);
}

static void
place_release(struct place *p)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
	assert_int_equal(system(command), 0);
}

static void
file_read(const struct place *p, struct buf *ret)
{
	uint8_t chunk[4096];
	size_t n;
	FILE *f = fopen(p->file, "rb");

	assert_non_null(f);
	buf_init(ret);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(ret, chunk, n);
	(void)fclose(f);
}

static void
file_put(const struct place *p, const uint8_t *data, size_t len)
{
	FILE *f = fopen(p->file, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static struct fealty_queue *
open_ok(const struct place *p)
{
	struct fealty_queue *q;
	char message[FEALTY_MESSAGE_BYTES] = "";
	enum fealty_queue_error error = fealty_queue_open(p->queue, &till, &q, message);

	if (error != FEALTY_QUEUE_OK)
		fail_msg("%s: %s", fealty_queue_error_str(error), message);
	return q;
}

static enum fealty_queue_error
add(struct fealty_queue *q, const char *key, struct fealty_queue_item *ret)
{
	struct purchase purchase;

	purchase_init(&purchase, key);
	return fealty_queue_add(q, &purchase.request, ret);
}

static void
add_ok(struct fealty_queue *q, const char *key, uint64_t seq)
{
	struct fealty_queue_item item;

	assert_int_equal(add(q, key, &item), FEALTY_QUEUE_OK);
	assert_int_equal(item.seq, seq);
}

/* ---- what it holds ---- */

struct seen { size_t n; uint64_t seq[64]; char key[64][65]; };

static bool
see(void *ctx, const struct fealty_queue_item *item)
{
	struct seen *s = ctx;

	assert_true(s->n < 64);
	assert_true(item->request->has_terminal_seq && item->request->terminal_seq == item->seq);
	assert_string_equal(item->request->key, item->key);
	(void)snprintf(s->key[s->n], sizeof s->key[0], "%s", item->key);
	s->seq[s->n++] = item->seq;
	return true;
}

static struct seen
look(struct fealty_queue *q)
{
	struct seen s = { 0 };

	assert_int_equal(fealty_queue_each(q, see, &s), FEALTY_QUEUE_OK);
	return s;
}

/* ---- numbers ---- */

static void
test_numbers_go_on_over_reopening(void **state)
{
	struct place p;
	uint64_t seq = 0;

	(void)state;
	place_init(&p);
	for (int round = 0; round < 4; round++) {
		struct fealty_queue *q = open_ok(&p);
		for (int i = 0; i < 3; i++)
			add_ok(q, NULL, ++seq);
		assert_int_equal(look(q).n, seq);
		fealty_queue_close(q);
	}
	struct fealty_queue *q = open_ok(&p);
	struct seen s = look(q);
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
	struct fealty_queue *q = open_ok(&p);
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
	struct fealty_queue *q = open_ok(p);
	char key[8];
	struct stat info;

	assert_int_equal(stat(p->file, &info), 0);
	ret_ends[0] = (size_t)info.st_size;
	for (int i = 0; i < COMMANDS; i++) {
		(void)snprintf(key, sizeof key, "k%d", i + 1);
		add_ok(q, key, (uint64_t)i + 1);
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
		struct fealty_queue *q = open_ok(&p);
		fealty_queue_state(q, &s);
		assert_int_equal(s.waiting, n);
		assert_int_equal(s.cut_bytes, len - ends[n]);
		add_ok(q, "next", n + 1);	/* the number of what was cut is free: it was never acknowledged */
		fealty_queue_close(q);
		q = open_ok(&p);
		assert_int_equal(look(q).n, n + 1);
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
		assert_int_equal(fealty_queue_open(p.queue, &till, &q, message), FEALTY_QUEUE_DAMAGED);
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
	struct fealty_queue *q = open_ok(&p);
	add_ok(q, "a", 1);
	fealty_queue_close(q);
	(void)snprintf(path, sizeof path, "%s.new", p.file);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	(void)fputs("half of a file that was to replace it", f);
	(void)fclose(f);
	q = open_ok(&p);
	assert_int_equal(look(q).n, 1);
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
	enum fealty_queue_error error = fealty_queue_open(p->queue, &till, &q, message);
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
		struct seen seen = look(q);
		for (size_t i = 0, seq = 1; i < seen.n; i++, seq++) {
			seq += in_command && seq == whole_commands(ends, at) + 1;
			assert_int_equal(seen.seq[i], seq);
		}
		fealty_queue_close(q);
		q = open_ok(&p);			/* the new file is well */
		add_ok(q, NULL, COMMANDS + 1);
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
	struct fealty_queue *q = open_ok(p);
	struct rlimit limit = { 600, 600 };
	uint32_t n = 0;
	enum fealty_queue_error error;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while ((error = add(q, NULL, NULL)) == FEALTY_QUEUE_OK)
		n++;
	bool ok = error == FEALTY_QUEUE_IO && strstr(fealty_queue_trouble(q), "large") != NULL;
	ok = ok && add(q, NULL, NULL) == FEALTY_QUEUE_IO && look(q).n == n && n > 1 && n < 20;
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
	fealty_queue_close(open_ok(&p));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		fill_up(&p);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 100);
	struct fealty_queue *q = open_ok(&p);
	struct fealty_queue_state s;
	fealty_queue_state(q, &s);
	assert_int_equal(s.waiting, WEXITSTATUS(status));
	assert_int_equal(s.cut_bytes, 0);
	add_ok(q, NULL, s.waiting + 1);
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
	q = open_ok(&p);
	assert_int_equal(fealty_queue_open(p.queue, &till, &again, message), FEALTY_QUEUE_LOCKED);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(fealty_queue_open(p.queue, &till, &again, message) == FEALTY_QUEUE_LOCKED ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fealty_queue_close(q);
	fealty_queue_close(open_ok(&p));
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
	struct fealty_queue *q = open_ok(&p);
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
	assert_int_equal(add(q, "not a key", NULL), FEALTY_QUEUE_KEY);
	assert_int_equal(add(q, "k", NULL), FEALTY_QUEUE_OK);
	assert_int_equal(add(q, "k", NULL), FEALTY_QUEUE_KEY_WAITS);
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
	assert_int_equal(look(q).n, 2);
	add_ok(q, NULL, 3);		/* what was refused took no number */
	fealty_queue_close(q);
	place_release(&p);
}

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
	struct fealty_queue *q = open_ok(&p);
	for (uint64_t i = 1; i <= 7; i++)
		add_ok(q, NULL, i);
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
	q = open_ok(&p);
	fealty_queue_state(q, &s);
	assert_int_equal(s.waiting, 0);
	assert_int_equal(s.refused, 4);
	assert_int_equal(look(q).seq[3], 6);
	assert_int_equal(fealty_queue_forget(q, 4, &n), FEALTY_QUEUE_OK);
	assert_int_equal(n, 1);
	fealty_queue_close(q);
	q = open_ok(&p);
	assert_int_equal(look(q).n, 3);
	assert_int_equal(fealty_queue_forget(q, 0, &n), FEALTY_QUEUE_OK);
	assert_int_equal(n, 3);
	add_ok(q, NULL, 8);
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
		struct fealty_queue *q = open_ok(&p);
		add_ok(q, NULL, 1);
		add_ok(q, NULL, 2);
		play(q, script_refusals, 0, 2);
		fealty_queue_close(q);
		q = open_ok(&p);
		if (forgets)
			assert_int_equal(fealty_queue_forget(q, 0, &n), FEALTY_QUEUE_OK);
		for (uint64_t i = 3; i <= 5; i++)
			add_ok(q, NULL, i);
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
	struct fealty_queue *q = open_ok(p);
	fealty_queue_state(q, &s);
	assert_int_equal(s.next_seq, 4);
	struct seen seen = look(q);
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
	struct fealty_queue *q = open_ok(&p);
	for (uint64_t i = 1; i <= 3; i++)
		add_ok(q, NULL, i);
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
	struct fealty_queue *q = open_ok(&p);
	add_ok(q, NULL, 1);
	add_ok(q, NULL, 2);
	file_read(&p, &before);
	play(q, script_refusals, 0, 2);
	fealty_queue_close(q);
	file_read(&p, &whole);
	size_t len = whole.len;
	for (; s.answered != 2; len--) {		/* up to the record of the answers, without that of the giving */
		assert_true(len > before.len);
		file_put(&p, whole.data, len);
		q = open_ok(&p);
		fealty_queue_state(q, &s);
		fealty_queue_close(q);
	}
	q = open_ok(&p);
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
	struct fealty_queue *q = open_ok(&p);
	add_ok(q, "k1", 1);
	add_ok(q, "k2", 2);
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
	struct fealty_queue *q = open_ok(&p);
	add_ok(q, NULL, 1);
	add_ok(q, NULL, 2);
	play(q, script_refusals, 0, 2);
	add_ok(q, NULL, 3);
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
	struct fealty_queue *q = open_ok(&p);
	add_ok(q, NULL, 1);
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
	struct fealty_queue *q = open_ok(&p);
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
	add_ok(q, NULL, 21);
	fealty_queue_close(q);
	q = open_ok(&p);
	add_ok(q, NULL, 22);
	assert_int_equal(look(q).n, 2);
	fealty_queue_close(q);
	free(receipt);
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
