/*
 * queue_internal.h: what queue.c (what is in the queue), queue_add.c (what may come in) and queue_upload.c (how it goes out) share.
 *
 *   record      body                                                                           (varints; texts with their length)
 *   BEGIN       principal, store, terminal, origin, next_seq, ranges since_applied              first in a file
 *   COMMAND     seq, Request
 *   ANSWERS     n × (seq, how, Response with its length)                                         one batch's
 *   GIVEN       n × seq                                                                          told to the caller
 *   ORIGIN      origin                                                                           of the ledger, at the first upload
 *   FORGOTTEN   n × seq                                                                          refused ones that a person has seen
 *   REFUSED     seq, Request with its length, Response                                           what a new file takes over of a refused one
 */
#ifndef FEALTY_CLIENT_QUEUE_INTERNAL_H
#define FEALTY_CLIENT_QUEUE_INTERNAL_H

#include "key.h"
#include "queue_file.h"

enum queue_record { QUEUE_BEGIN = 1, QUEUE_COMMAND, QUEUE_ANSWERS, QUEUE_GIVEN, QUEUE_ORIGIN, QUEUE_FORGOTTEN, QUEUE_REFUSED };
/* REPLAYED: applied, perhaps as a command of another number (a receipt that was there already), which then has left no entry. */
enum queue_how { HOW_APPLIED = 0, HOW_REFUSED = 1, HOW_REPLAYED = 2 };

#define QUEUE_TEXT_BYTES 129		/* a principal, a store, a terminal, an origin, with the NUL */
#define QUEUE_RANGES_MAX 64

struct queue_item {
	uint64_t seq;
	enum { ITEM_WAITS, ITEM_ANSWERED, ITEM_REFUSED } state;
	bool refused;				/* ANSWERED: that is what was answered */
	char key[FEALTY_KEY_BYTES_MAX + 1];
	struct buf request, response;		/* packed */
};

struct queue_range { uint64_t first, last; };

struct fealty_queue {
	struct queue_file file;
	char principal[QUEUE_TEXT_BYTES], store[QUEUE_TEXT_BYTES], terminal[QUEUE_TEXT_BYTES];
	char origin[QUEUE_TEXT_BYTES];		/* of the ledger; "": never uploaded */
	uint64_t next_seq;
	size_t n, cap;
	struct queue_item *items;		/* by seq */
	size_t n_ranges;
	struct queue_range ranges[QUEUE_RANGES_MAX];	/* refused or replayed since one was applied: rising, disjoint */
	struct key_source keys;
	bool begun;				/* BEGIN was read */
	bool giving;				/* on_answer() runs */
	uint64_t cut_bytes, lost_bytes;
	char trouble[FEALTY_MESSAGE_BYTES];
	Fealty__V1__Request *shown_request;	/* what the last item that was handed out borrows */
	Fealty__V1__Response *shown_response;
};

enum fealty_queue_error queue_fail(struct fealty_queue *q, enum fealty_queue_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends, and takes the file's trouble over. */
enum fealty_queue_error queue_append(struct fealty_queue *q, enum queue_record type, const struct buf *body) FEALTY_MUST_CHECK;
/* Room for one more item at the end; NULL: no memory. */
struct queue_item *queue_push(struct fealty_queue *q);
void queue_item_release(struct queue_item *item);
/* Leaves out those for which ${gone}(item) is true. */
void queue_drop(struct fealty_queue *q, bool (*gone)(const struct queue_item *item));
struct queue_item *queue_find(struct fealty_queue *q, uint64_t seq);
/* An item as it is shown; DAMAGED: its bytes are no messages. */
enum fealty_queue_error queue_show(struct fealty_queue *q, const struct queue_item *item, struct fealty_queue_item *ret) FEALTY_MUST_CHECK;
/* The body of an ANSWERS; false: it is none, or there is no memory. */
bool queue_read_answers(struct fealty_queue *q, struct cursor *body);
/* A new file of what is still needed. */
enum fealty_queue_error queue_rewrite(struct fealty_queue *q) FEALTY_MUST_CHECK;
/* The same, when nothing waits and the file is mostly of the past. */
enum fealty_queue_error queue_tidy(struct fealty_queue *q) FEALTY_MUST_CHECK;

#endif
