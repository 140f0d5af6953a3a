/**
 * What a server reaches on this machine that decides nothing and stores nothing: the upper bound to set beside fealtyd.
 *
 *     null_server [-s] [-f] DIRECTORY
 *
 * It listens on DIRECTORY/socket until SIGTERM, with fealtyd's network loops, as many of them and of signers, and answers every purchase and every
 * balance with a frame as long as fealtyd's.  -s: each REQUEST or BATCH of writes is signed by fealtyd's pool before it is answered, over as many bytes as
 * its entries would have, a BATCH once.  -f: what was queued meanwhile is appended to a file in DIRECTORY and flushed twice, as LMDB commits, in front of
 * the answers.  With either, writes go to a thread of their own and come back, as fealtyd's do, and with both to two of them, so that the next are signed
 * while the last are flushed; without, they are answered where they are read, as balances always are.  At its end it prints one JSON object: what those
 * threads did.  Exit code 2: it could not begin, or not go on.
 *
 * Nothing limits what a peer makes it hold: its only peer is fealty-bench.
 */
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fealty.pb-c.h"
#include "frame.h"
#include "net/net.h"
#include "signer/signer.h"

/* What fealtyd's are long, for a purchase under a rule of one point for each unit of money; e2e/test_null_server.py holds them to it. */
#define PURCHASE_REPLY_BYTES 144
#define BALANCE_REPLY_BYTES 83
#define ENTRY_BYTES 178
#define AROUND_ENTRIES_BYTES 140

#define LOOPS 2u		/* fealtyd's default */
#define META_BYTES 4096		/* LMDB's page */
#define SIGNERS_MAX 64

struct job {
	struct net_message message;
	struct sign_job sign;
	struct job *next;
	struct net_loop *loop;
	uint64_t tag;
	uint32_t commands;
	bool is_batch;
	size_t leaf_bytes;
	uint8_t leaf[];
};

/* From any thread to the one that takes all of it. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, **last;
	bool ended;			/* nothing more comes */
};

struct server {
	bool signs, flushes;
	struct net *net;
	struct signer *signer;
	struct buf purchase, balance, batch;	/* replies; batch: as many results as a frame may ask for */
	size_t result_bytes;			/* of one in batch */
	int file;
	struct buf leaves;			/* of what is appended */
	off_t end;
	struct queue to_sign, to_flush;
	pthread_t signing, flushing;
	unsigned long commands, signatures, commits;	/* commands: whoever answers them; all when the threads have ended */
};

/* ---- what it says ---- */

/* A Response with nothing but a message, ${len} bytes long. */
static void
put_reply(struct buf *out, size_t len)
{
	static const char filler[256] = "";
	size_t text = len - (len < 2 + 128 ? 2 : 3);

	assert(text < sizeof(filler));
	buf_put_u8(out, 6 << 3 | 2);			/* Response.message */
	buf_put_varint(out, text);
	buf_put(out, filler, text);
}

static void
make_replies(struct server *s)
{
	buf_init(&s->purchase);
	buf_init(&s->balance);
	buf_init(&s->batch);
	put_reply(&s->purchase, PURCHASE_REPLY_BYTES);
	put_reply(&s->balance, BALANCE_REPLY_BYTES);
	for (unsigned i = 0; i < FRAME_BATCH_COMMANDS_MAX; i++) {
		buf_put_u8(&s->batch, 2 << 3 | 2);	/* BatchResponse.results */
		buf_put_varint(&s->batch, s->purchase.len);
		buf_put(&s->batch, s->purchase.data, s->purchase.len);
	}
	s->result_bytes = s->batch.len / FRAME_BATCH_COMMANDS_MAX;
	if (buf_status(&s->purchase) != ST_OK || buf_status(&s->balance) != ST_OK || buf_status(&s->batch) != ST_OK)
		errx(2, "no memory");
}

static void
reply_writes(const struct server *s, struct net_conn *conn, uint64_t tag, bool is_batch, uint32_t commands)
{
	net_conn_send(conn, FRAME_RESPONSE, 0, tag, is_batch ? bytes_of(s->batch.data, commands * s->result_bytes) : buf_bytes(&s->purchase));
}

/* ---- what it is told ---- */

/* How often ${body}, a message, has the field; it is read as far as that needs. */
static uint32_t
count_field(struct bytes body, uint64_t field)
{
	struct cursor c = cursor_of(body);
	uint32_t n = 0;

	while (cursor_ok(&c) && c.p != c.end) {
		uint64_t tag = cursor_varint(&c);

		n += tag >> 3 == field;
		switch (tag & 7) {
		case 0: (void)cursor_varint(&c); break;
		case 1: (void)cursor_be64(&c); break;
		case 2: (void)cursor_bytes(&c, (size_t)cursor_varint(&c)); break;
		case 5: (void)cursor_be32(&c); break;
		default: return 0;
		}
	}
	return cursor_ok(&c) ? n : 0;
}

/* ---- writes: queues, and threads that take all that is in one ---- */

static void
deliver(struct net_message *message, struct net_loop *loop, struct net_conn *conn)
{
	struct job *job = (struct job *)message;
	const struct server *s = conn != NULL ? net_conn_user(conn) : NULL;

	(void)loop;
	if (s != NULL)
		reply_writes(s, conn, job->tag, job->is_batch, job->commands);
	free(job);
}

static void
queue_init(struct queue *q)
{
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->wake, NULL);
	q->last = &q->first;
}

/* ${last} points to the end of the list, which is its NULL. */
static void
queue_put(struct queue *q, struct job *first, struct job **last)
{
	pthread_mutex_lock(&q->lock);
	bool was_empty = q->first == NULL;
	*q->last = first;
	q->last = last;
	pthread_mutex_unlock(&q->lock);
	if (was_empty)
		pthread_cond_signal(&q->wake);
}

static void
queue_end(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	pthread_mutex_unlock(&q->lock);
	pthread_cond_signal(&q->wake);
}

/* All that is queued, when there is something; NULL: nothing comes any more. */
static struct job *
queue_take(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	while (q->first == NULL && !q->ended)
		pthread_cond_wait(&q->wake, &q->lock);
	struct job *all = q->first;
	q->first = NULL;
	q->last = &q->first;
	pthread_mutex_unlock(&q->lock);
	return all;
}

static void
queue_release(struct queue *q)
{
	for (struct job *job = q->first, *next; job != NULL; job = next) {
		next = job->next;
		free(job);
	}
	pthread_cond_destroy(&q->wake);
	pthread_mutex_destroy(&q->lock);
}

static void
queue_writes(struct server *s, struct net_conn *conn, const struct frame_header *h, struct bytes body, uint32_t commands)
{
	size_t leaf_bytes = AROUND_ENTRIES_BYTES + (size_t)commands * ENTRY_BYTES;
	struct job *job = calloc(1, sizeof(*job) + leaf_bytes);

	if (job == NULL)
		errx(2, "no memory");
	job->message.conn_id = net_conn_id(conn);
	job->message.run = deliver;
	job->loop = net_conn_loop(conn);
	job->tag = h->tag;
	job->commands = commands;
	job->is_batch = h->type == FRAME_BATCH;
	job->leaf_bytes = leaf_bytes;
	memcpy(job->leaf, body.data, body.len < leaf_bytes ? body.len : leaf_bytes);
	queue_put(s->signs ? &s->to_sign : &s->to_flush, job, &job->next);
}

/* Returns where the list ends. */
static struct job **
sign_all(struct server *s, struct job *all)
{
	static const uint8_t none[SIGNATURE_BYTES];
	struct job **end = NULL;

	for (struct job *job = all; job != NULL; job = job->next) {
		job->sign.body = bytes_of(job->leaf, job->leaf_bytes);
		signer_submit(s->signer, &job->sign);
		end = &job->next;
	}
	if (signer_wait(s->signer) != ST_OK)
		errx(2, "a signature could not be made");
	for (const struct job *job = all; job != NULL; job = job->next)
		s->signatures += memcmp(job->sign.signature, none, sizeof(none)) != 0;
	return end;
}

/* Data behind what is there, and then a page at the beginning that names it. */
static void
commit_all(struct server *s, const struct job *all)
{
	static const uint8_t meta[META_BYTES];

	buf_clear(&s->leaves);
	for (const struct job *job = all; job != NULL; job = job->next)
		buf_put(&s->leaves, job->leaf, job->leaf_bytes);
	if (buf_status(&s->leaves) != ST_OK)
		errx(2, "no memory");
	errno = EIO;					/* of a short write, which sets none */
	if (pwrite(s->file, s->leaves.data, s->leaves.len, s->end) != (ssize_t)s->leaves.len || fdatasync(s->file) != 0 ||
	    pwrite(s->file, meta, sizeof(meta), 0) != (ssize_t)sizeof(meta) || fdatasync(s->file) != 0)
		err(2, "the file");
	s->end += (off_t)s->leaves.len;
	s->commits++;
}

static void
answer_all(struct server *s, struct job *all)
{
	struct net_message *first[LOOPS] = { 0 }, *last[LOOPS];

	for (struct job *job = all, *next; job != NULL; job = next) {
		unsigned at = net_loop_index(job->loop);

		next = job->next;
		s->commands += job->commands;
		if (first[at] == NULL)
			first[at] = &job->message;
		else
			last[at]->next = &job->message;
		last[at] = &job->message;
	}
	for (unsigned i = 0; i < LOOPS; i++)
		if (first[i] != NULL)
			net_post(net_loop_at(s->net, i), first[i], last[i]);
}

static void *
signing_main(void *arg)
{
	struct server *s = arg;

	(void)pthread_setname_np(pthread_self(), "submit");
	for (struct job *all; (all = queue_take(&s->to_sign)) != NULL;) {
		struct job **end = sign_all(s, all);

		if (s->flushes)
			queue_put(&s->to_flush, all, end);
		else
			answer_all(s, all);
	}
	return NULL;
}

static void *
flushing_main(void *arg)
{
	struct server *s = arg;

	(void)pthread_setname_np(pthread_self(), "commit");
	for (struct job *all; (all = queue_take(&s->to_flush)) != NULL;) {
		commit_all(s, all);
		answer_all(s, all);
	}
	return NULL;
}

/* ---- connections ---- */

static void
on_open(void *ctx, struct net_conn *conn)
{
	net_conn_set_user(conn, ctx);
}

static void
on_frame(void *ctx, struct net_conn *conn, const struct frame_header *h, struct bytes body)
{
	struct server *s = ctx;
	struct frame_limits limits = frame_limits_server();
	bool is_batch = h->type == FRAME_BATCH;

	if (h->type == FRAME_HELLO) {
		net_conn_set_limits(conn, &limits);
		net_conn_send(conn, FRAME_HELLO_OK, 0, 0, bytes_of(NULL, 0));
		return;
	}
	if (h->type == FRAME_REQUEST && count_field(body, FEALTY__V1__REQUEST__OP_BALANCE) > 0) {
		net_conn_send(conn, FRAME_RESPONSE, 0, h->tag, buf_bytes(&s->balance));
		return;
	}
	uint32_t commands = is_batch ? count_field(body, 3) : h->type == FRAME_REQUEST ? count_field(body, FEALTY__V1__REQUEST__OP_PURCHASE) : 0;
	if (commands == 0 || commands > FRAME_BATCH_COMMANDS_MAX)
		net_conn_fail(conn, FRAME_ERROR_MALFORMED, "It answers purchases, batches of them, and balances alone.", h->tag, 0);
	else if (s->signs || s->flushes)
		queue_writes(s, conn, h, body, commands);
	else
		reply_writes(s, conn, h->tag, is_batch, commands);
}

static void
on_nothing(void *ctx, struct net_conn *conn)
{
	(void)ctx, (void)conn;
}

static void
on_closed(void *ctx, struct net_conn *conn, const char *reason)
{
	(void)ctx, (void)conn, (void)reason;
}

static void
on_rejected(void *ctx, const char *address, const char *reason, const char *why)
{
	(void)ctx, (void)address, (void)reason, (void)why;
}

/* ---- its life ---- */

static const char *
path_in(const char *directory, const char *name)
{
	static char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		errx(2, "%s: too long", directory);
	return path;
}

static struct keys *
begin_signing(struct server *s, const char *directory)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	const char *path = path_in(directory, "keys"), *bad;
	struct keys *keys;

	enum status st = keys_create(path);
	if (st == ST_OK)
		st = keys_load(path, &keys, &bad);
	if (st == ST_OK)
		st = signer_new(keys, processors < 1 ? 1 : processors > SIGNERS_MAX ? SIGNERS_MAX : (unsigned)processors, &s->signer);
	if (st != ST_OK)
		errx(2, "%s: %s", path, status_str(st));
	return keys;
}

static void
begin_flushing(struct server *s, const char *directory)
{
	s->file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->file < 0)
		err(2, "%s", directory);
	s->end = META_BYTES;
}

static void
begin_serving(struct server *s, const char *directory)
{
	struct net_limits limits = net_limits_default();
	struct net_handler handler = { .ctx = s, .on_open = on_open, .on_frame = on_frame, .on_room = on_nothing, .on_closed = on_closed,
		.on_aged = on_nothing, .on_rejected = on_rejected };
	const char *path = path_in(directory, "socket");

	enum status st = net_new(LOOPS, &limits, &handler, &s->net);
	if (st == ST_OK)
		st = net_listen_unix(s->net, path);
	if (st == ST_OK && (pthread_create(&s->signing, NULL, signing_main, s) != 0 || pthread_create(&s->flushing, NULL, flushing_main, s) != 0))
		st = ST_NOMEM;
	if (st == ST_OK)
		st = net_start(s->net);
	if (st != ST_OK)
		errx(2, "%s: %s", path, status_str(st));
}

/* Those who answer first: what comes after them is lost with its connections. */
static void
end_serving(struct server *s)
{
	net_stop_accepting(s->net);
	queue_end(&s->to_sign);
	(void)pthread_join(s->signing, NULL);
	queue_end(&s->to_flush);
	(void)pthread_join(s->flushing, NULL);
	net_stop(s->net);
	net_free(s->net);
	queue_release(&s->to_sign);
	queue_release(&s->to_flush);
}

static void
wait_for_the_end(void)
{
	sigset_t ends;
	int got;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	(void)sigwait(&ends, &got);
}

static void
block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
}

int
main(int argc, char **argv)
{
	struct server s = { .file = -1 };
	struct keys *keys = NULL;

	for (int option; (option = getopt(argc, argv, "sf")) != -1;) {
		s.signs = s.signs || option == 's';
		s.flushes = s.flushes || option == 'f';
		if (option == '?')
			return 2;
	}
	if (optind + 1 != argc)
		errx(2, "usage: %s [-s] [-f] DIRECTORY", argv[0]);
	queue_init(&s.to_sign);
	queue_init(&s.to_flush);
	make_replies(&s);
	buf_init(&s.leaves);
	block_signals();
	if (s.signs)
		keys = begin_signing(&s, argv[optind]);
	if (s.flushes)
		begin_flushing(&s, argv[optind]);
	begin_serving(&s, argv[optind]);
	wait_for_the_end();
	end_serving(&s);
	printf("{\"commands\":%lu,\"signatures\":%lu,\"commits\":%lu,\"appended_bytes\":%lld}\n", s.commands, s.signatures, s.commits,
	    s.flushes ? (long long)(s.end - META_BYTES) : 0);
	signer_free(s.signer);
	keys_free(keys);
	if (s.file >= 0)
		close(s.file);
	buf_release(&s.purchase);
	buf_release(&s.balance);
	buf_release(&s.batch);
	buf_release(&s.leaves);
	return 0;
}
