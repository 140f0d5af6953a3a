#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct fealty_queue_options queue_till = { .principal = "pos/0042/07" };

/* ---- a directory ---- */

void
place_init(struct place *p)
{
	/* Thousands of files are made durable here, and no test looks at the disk itself. */
	(void)snprintf(p->dir, sizeof p->dir, "%s/fealty-queue-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->queue, sizeof p->queue, "%s/q", p->dir);
	(void)snprintf(p->file, sizeof p->file, "%s/queue", p->queue);
}

void
place_release(struct place *p)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
	assert_int_equal(system(command), 0);
}

void
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

void
file_put(const struct place *p, const uint8_t *data, size_t len)
{
	FILE *f = fopen(p->file, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

struct fealty_queue *
queue_open_ok(const struct place *p)
{
	struct fealty_queue *q;
	char message[FEALTY_MESSAGE_BYTES] = "";
	enum fealty_queue_error error = fealty_queue_open(p->queue, &queue_till, &q, message);

	if (error != FEALTY_QUEUE_OK)
		fail_msg("%s: %s", fealty_queue_error_str(error), message);
	return q;
}

enum fealty_queue_error
queue_add(struct fealty_queue *q, const char *key, struct fealty_queue_item *ret)
{
	struct purchase purchase;

	purchase_init(&purchase, key);
	return fealty_queue_add(q, &purchase.request, ret);
}

void
queue_add_ok(struct fealty_queue *q, const char *key, uint64_t seq)
{
	struct fealty_queue_item item;

	assert_int_equal(queue_add(q, key, &item), FEALTY_QUEUE_OK);
	assert_int_equal(item.seq, seq);
}

/* ---- what it holds ---- */

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

struct seen
queue_look(struct fealty_queue *q)
{
	struct seen s = { 0 };

	assert_int_equal(fealty_queue_each(q, see, &s), FEALTY_QUEUE_OK);
	return s;
}
