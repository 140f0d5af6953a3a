/*
 * Lines travel in blocks, so that the threads meet rarely.  A block belongs to the reader while it is empty and to the player while it is
 * full; the two take turns around a ring.  A block ends early at the file's end and at the first line that is not what it should be.
 */
#include "sim_reader.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 4
#define BLOCK_LINES 256
#define BLOCK_BYTES_MAX ((size_t)1 << 30)

struct block {
	bool full, last;
	size_t n;
	struct arena arena;
	struct sim_line lines[BLOCK_LINES];
};

struct sim_reader {
	FILE *in;
	pthread_t thread;
	pthread_mutex_t lock;			/* guards full and stop */
	pthread_cond_t turn;
	bool stop;
	struct block blocks[BLOCKS];
	size_t at, next;			/* the player's: block and line */
	bool has_block;
	/* the thread's own */
	unsigned number;
	char *text;
	size_t cap;
};

/* ---- the thread ---- */

/* False: nothing follows. */
static bool
read_line(struct sim_reader *r, struct block *b)
{
	ssize_t len = getline(&r->text, &r->cap, r->in);
	struct sim_line *line = &b->lines[b->n];

	if (len < 0 && ferror(r->in) == 0)
		return false;
	r->number++;
	*line = (struct sim_line){ .number = r->number };
	if (len < 0) {
		line->status = ST_IO;
		line->error_number = errno;
	} else {
		if (len > 0 && r->text[len - 1] == '\n')
			r->text[--len] = '\0';
		bool text = strlen(r->text) == (size_t)len;
		if (text && r->text[strspn(r->text, " \t\r")] == '\0')
			return true;
		line->status = text ? sim_event_read(r->text, &b->arena, &line->event, &line->error) : ST_INVALID;
		if (!text)
			(void)snprintf(line->error.sentence, sizeof(line->error.sentence), "there is a zero byte in it, so it is no text");
	}
	b->n++;
	return line->status == ST_OK;
}

static void
fill(struct sim_reader *r, struct block *b)
{
	b->n = 0;
	b->last = false;
	while (b->n < BLOCK_LINES && !b->last)
		b->last = !read_line(r, b);
}

static void *
run(void *arg)
{
	struct sim_reader *r = arg;
	bool last = false;

	for (size_t i = 0; !last; i = (i + 1) % BLOCKS) {
		struct block *b = &r->blocks[i];

		pthread_mutex_lock(&r->lock);
		while (b->full && !r->stop)
			pthread_cond_wait(&r->turn, &r->lock);
		bool stop = r->stop;
		pthread_mutex_unlock(&r->lock);
		if (stop)
			break;
		fill(r, b);
		last = b->last;
		pthread_mutex_lock(&r->lock);
		b->full = true;
		pthread_cond_signal(&r->turn);
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

/* ---- the player ---- */

static void
empty(struct block *b)
{
	for (size_t i = 0; i < b->n; i++)
		sim_event_release(&b->lines[i].event);
	b->n = 0;
	arena_reset(&b->arena);
}

static void
give_back(struct sim_reader *r)
{
	struct block *b = &r->blocks[r->at];

	empty(b);
	pthread_mutex_lock(&r->lock);
	b->full = false;
	pthread_cond_signal(&r->turn);
	pthread_mutex_unlock(&r->lock);
	r->at = (r->at + 1) % BLOCKS;
	r->next = 0;
	r->has_block = false;
}

struct sim_line *
sim_reader_next(struct sim_reader *r)
{
	for (;;) {
		struct block *b = &r->blocks[r->at];

		if (!r->has_block) {
			pthread_mutex_lock(&r->lock);
			while (!b->full)
				pthread_cond_wait(&r->turn, &r->lock);
			pthread_mutex_unlock(&r->lock);
			r->has_block = true;
		}
		if (r->next < b->n)
			return &b->lines[r->next++];
		if (b->last)
			return NULL;
		give_back(r);
	}
}

enum status
sim_reader_new(FILE *in, struct sim_reader **ret_reader)
{
	struct sim_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ST_NOMEM;
	r->in = in;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->turn, NULL);
	for (size_t i = 0; i < BLOCKS; i++)
		arena_init(&r->blocks[i].arena, BLOCK_BYTES_MAX);
	if (pthread_create(&r->thread, NULL, run, r) != 0) {
		free(r);
		return ST_NOMEM;
	}
	*ret_reader = r;
	return ST_OK;
}

void
sim_reader_free(struct sim_reader *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->turn);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	for (size_t i = 0; i < BLOCKS; i++) {
		empty(&r->blocks[i]);
		arena_release(&r->blocks[i].arena);
	}
	pthread_cond_destroy(&r->turn);
	pthread_mutex_destroy(&r->lock);
	free(r->text);
	free(r);
}
