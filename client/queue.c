/*
 * Invariants: what is in memory is what a reader of the file would make of it; every change is a record first.  Items rise by seq; the file
 * holds no item twice.  A record of a seq that is not there says nothing: it is of an item that left.
 */
#include "queue_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIDY_BYTES 65536	/* of a file that holds nothing more to send: above it, it is made new */

enum fealty_queue_error
queue_fail(struct fealty_queue *q, enum fealty_queue_error error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(q->trouble, sizeof q->trouble, format, ap);
	va_end(ap);
	return error;
}

static enum fealty_queue_error
no_memory(struct fealty_queue *q)
{
	return queue_fail(q, FEALTY_QUEUE_NOMEM, "no memory for the queue");
}

static enum fealty_queue_error
take_trouble(struct fealty_queue *q, enum fealty_queue_error error)
{
	if (error != FEALTY_QUEUE_OK && q->file.trouble[0] != '\0')
		memcpy(q->trouble, q->file.trouble, sizeof q->trouble);
	return error;
}

enum fealty_queue_error
queue_append(struct fealty_queue *q, enum queue_record type, const struct buf *body)
{
	if (buf_status(body) != ST_OK)
		return no_memory(q);
	return take_trouble(q, queue_file_append(&q->file, (uint8_t)type, buf_bytes(body)));
}

/* ---- items ---- */

struct queue_item *
queue_push(struct fealty_queue *q)
{
	if (q->n == q->cap) {
		size_t cap = q->cap == 0 ? 64 : 2 * q->cap;
		struct queue_item *grown = realloc(q->items, cap * sizeof *grown);
		if (grown == NULL)
			return NULL;
		q->items = grown;
		q->cap = cap;
	}
	struct queue_item *item = &q->items[q->n++];
	*item = (struct queue_item){ .state = ITEM_WAITS };
	buf_init(&item->request);
	buf_init(&item->response);
	return item;
}

void
queue_item_release(struct queue_item *item)
{
	buf_release(&item->request);
	buf_release(&item->response);
}

void
queue_drop(struct fealty_queue *q, bool (*gone)(const struct queue_item *item))
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++) {
		if (gone(&q->items[i]))
			queue_item_release(&q->items[i]);
		else
			q->items[n++] = q->items[i];
	}
	q->n = n;
}

struct queue_item *
queue_find(struct fealty_queue *q, uint64_t seq)
{
	size_t low = 0, high = q->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (q->items[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < q->n && q->items[low].seq == seq ? &q->items[low] : NULL;
}

static void
hide(struct fealty_queue *q)
{
	if (q->shown_request != NULL)
		fealty__v1__request__free_unpacked(q->shown_request, NULL);
	if (q->shown_response != NULL)
		fealty__v1__response__free_unpacked(q->shown_response, NULL);
	q->shown_request = NULL;
	q->shown_response = NULL;
}

enum fealty_queue_error
queue_show(struct fealty_queue *q, const struct queue_item *item, struct fealty_queue_item *ret)
{
	hide(q);
	q->shown_request = fealty__v1__request__unpack(NULL, item->request.len, item->request.data);
	if (item->response.len > 0)
		q->shown_response = fealty__v1__response__unpack(NULL, item->response.len, item->response.data);
	if (q->shown_request == NULL || (item->response.len > 0 && q->shown_response == NULL))
		return queue_fail(q, FEALTY_QUEUE_DAMAGED, "command %llu of the queue cannot be read", (unsigned long long)item->seq);
	*ret = (struct fealty_queue_item){
		.seq = item->seq, .key = item->key, .request = q->shown_request, .response = q->shown_response,
		.refused = item->state == ITEM_REFUSED || item->refused,
	};
	return FEALTY_QUEUE_OK;
}

/* A number that was refused joins those before it; it may be below some of them, when it was tried again. */
static void
add_refused(struct fealty_queue *q, uint64_t seq)
{
	size_t at = q->n_ranges;

	while (at > 0 && q->ranges[at - 1].first > seq)
		at--;
	if (at > 0 && q->ranges[at - 1].last >= seq)
		return;
	bool joins_before = at > 0 && q->ranges[at - 1].last + 1 == seq, joins_next = at < q->n_ranges && seq + 1 == q->ranges[at].first;
	if (joins_before && joins_next) {
		q->ranges[at - 1].last = q->ranges[at].last;
		memmove(q->ranges + at, q->ranges + at + 1, (--q->n_ranges - at) * sizeof *q->ranges);
	} else if (joins_before) {
		q->ranges[at - 1].last = seq;
	} else if (joins_next) {
		q->ranges[at].first = seq;
	} else {
		if (q->n_ranges == QUEUE_RANGES_MAX) {
			if (at == 0)
				return;
			memmove(q->ranges, q->ranges + 1, --q->n_ranges * sizeof *q->ranges);
			at--;
		}
		memmove(q->ranges + at + 1, q->ranges + at, (q->n_ranges++ - at) * sizeof *q->ranges);
		q->ranges[at] = (struct queue_range){ seq, seq };
	}
}

static void
take_answer(struct fealty_queue *q, uint64_t seq, enum queue_how how)
{
	if (how == HOW_APPLIED)
		q->n_ranges = 0;	/* its entry says them */
	else
		add_refused(q, seq);	/* of one that has an entry after all it changes nothing */
}

/* ---- reading records ---- */

static bool
take_text(struct cursor *c, char ret[static QUEUE_TEXT_BYTES])
{
	struct bytes text = cursor_string(c);

	if (text.len >= QUEUE_TEXT_BYTES)
		return false;
	if (text.len > 0)
		memcpy(ret, text.data, text.len);
	ret[text.len] = '\0';
	return true;
}

static bool
read_begin(struct fealty_queue *q, struct cursor *c)
{
	bool ok = take_text(c, q->principal) && take_text(c, q->store) && take_text(c, q->terminal) && take_text(c, q->origin);
	uint64_t next = cursor_varint(c), n = cursor_varint(c);

	if (!ok || n > QUEUE_RANGES_MAX)
		return false;
	for (q->n_ranges = 0; q->n_ranges < n; q->n_ranges++) {
		q->ranges[q->n_ranges].first = cursor_varint(c);
		q->ranges[q->n_ranges].last = cursor_varint(c);
	}
	q->next_seq = next > q->next_seq ? next : q->next_seq;
	q->begun = true;
	return cursor_done(c);
}

/* The key of a packed Request, which is its first field. */
static bool
learn_key(struct queue_item *item)
{
	Fealty__V1__Request *request = fealty__v1__request__unpack(NULL, item->request.len, item->request.data);
	bool ok = request != NULL && request->key != NULL && key_valid(request->key);

	if (ok)
		(void)snprintf(item->key, sizeof item->key, "%s", request->key);
	if (request != NULL)
		fealty__v1__request__free_unpacked(request, NULL);
	return ok;
}

static bool
read_item(struct fealty_queue *q, struct cursor *c, bool refused)
{
	uint64_t seq = cursor_varint(c);
	struct bytes request = refused ? cursor_bytes(c, (size_t)cursor_varint(c)) : cursor_bytes(c, (size_t)(c->end - c->p));
	struct bytes response = cursor_bytes(c, (size_t)(c->end - c->p));

	if (!cursor_done(c) || seq == 0 || (q->n > 0 && q->items[q->n - 1].seq >= seq))
		return false;
	struct queue_item *item = queue_push(q);
	if (item == NULL)
		return false;
	item->seq = seq;
	item->state = refused ? ITEM_REFUSED : ITEM_WAITS;
	buf_put(&item->request, request.data, request.len);
	buf_put(&item->response, response.data, response.len);
	if (seq >= q->next_seq)
		q->next_seq = seq + 1;
	return buf_status(&item->request) == ST_OK && buf_status(&item->response) == ST_OK && learn_key(item);
}

bool
queue_read_answers(struct fealty_queue *q, struct cursor *c)
{
	while (cursor_ok(c) && c->p != c->end) {
		uint64_t seq = cursor_varint(c), how = cursor_varint(c);
		struct bytes response = cursor_bytes(c, (size_t)cursor_varint(c));
		struct queue_item *item = queue_find(q, seq);

		if (!cursor_ok(c) || how > HOW_REPLAYED)
			return false;
		take_answer(q, seq, (enum queue_how)how);
		if (item == NULL || item->state != ITEM_WAITS)
			continue;
		item->state = ITEM_ANSWERED;
		item->refused = how == HOW_REFUSED;
		buf_put(&item->response, response.data, response.len);
		if (buf_status(&item->response) != ST_OK)
			return false;
	}
	return cursor_done(c);
}

static bool
read_seqs(struct fealty_queue *q, struct cursor *c, bool forgotten)
{
	while (cursor_ok(c) && c->p != c->end) {
		struct queue_item *item = queue_find(q, cursor_varint(c));

		if (item == NULL || item->state != (forgotten ? ITEM_REFUSED : ITEM_ANSWERED))
			continue;
		if (!forgotten && item->refused) {
			item->state = ITEM_REFUSED;
			continue;
		}
		size_t at = (size_t)(item - q->items);
		queue_item_release(item);
		memmove(item, item + 1, (--q->n - at) * sizeof *item);
	}
	return cursor_done(c);
}

static enum fealty_queue_error
on_record(void *ctx, uint8_t type, struct bytes body)
{
	struct fealty_queue *q = ctx;
	struct cursor c = cursor_of(body);
	bool ok = false;

	switch (type) {
	case QUEUE_BEGIN: ok = read_begin(q, &c); break;
	case QUEUE_COMMAND: ok = read_item(q, &c, false); break;
	case QUEUE_ANSWERS: ok = queue_read_answers(q, &c); break;
	case QUEUE_GIVEN: ok = read_seqs(q, &c, false); break;
	case QUEUE_ORIGIN: ok = take_text(&c, q->origin) && cursor_done(&c); break;
	case QUEUE_FORGOTTEN: ok = read_seqs(q, &c, true); break;
	case QUEUE_REFUSED: ok = read_item(q, &c, true); break;
	}
	return ok ? FEALTY_QUEUE_OK : queue_fail(q, FEALTY_QUEUE_DAMAGED, "the file `queue` has a record that this version does not understand");
}

/* ---- writing ---- */

static void
put_begin(const struct fealty_queue *q, struct buf *out)
{
	buf_put_string(out, q->principal);
	buf_put_string(out, q->store);
	buf_put_string(out, q->terminal);
	buf_put_string(out, q->origin);
	buf_put_varint(out, q->next_seq);
	buf_put_varint(out, q->n_ranges);
	for (size_t i = 0; i < q->n_ranges; i++) {
		buf_put_varint(out, q->ranges[i].first);
		buf_put_varint(out, q->ranges[i].last);
	}
}

static void
put_item(const struct queue_item *item, const uint8_t *name, struct buf *body, struct buf *out)
{
	buf_clear(body);
	buf_put_varint(body, item->seq);
	if (item->state == ITEM_REFUSED)
		buf_put_varint(body, item->request.len);
	buf_put(body, item->request.data, item->request.len);
	if (item->state == ITEM_REFUSED)
		buf_put(body, item->response.data, item->response.len);
	queue_record_put(out, name, item->state == ITEM_REFUSED ? QUEUE_REFUSED : QUEUE_COMMAND, buf_bytes(body));
	if (item->state != ITEM_ANSWERED)
		return;
	buf_clear(body);
	buf_put_varint(body, item->seq);
	buf_put_varint(body, item->refused ? HOW_REFUSED : HOW_APPLIED);
	buf_put_varint(body, item->response.len);
	buf_put(body, item->response.data, item->response.len);
	queue_record_put(out, name, QUEUE_ANSWERS, buf_bytes(body));
}

/* BEGIN stands again behind answers, which would otherwise say anew what it says already. */
enum fealty_queue_error
queue_rewrite(struct fealty_queue *q)
{
	uint8_t name[QUEUE_NAME_BYTES];
	struct buf out, body;
	enum fealty_queue_error error;
	bool answers = false;

	queue_file_name(name);
	buf_init(&out);
	buf_init(&body);
	put_begin(q, &body);
	queue_record_put(&out, name, QUEUE_BEGIN, buf_bytes(&body));
	for (size_t i = 0; i < q->n; i++)
		put_item(&q->items[i], name, &body, &out);
	for (size_t i = 0; i < q->n; i++)
		answers |= q->items[i].state == ITEM_ANSWERED;
	if (answers) {
		buf_clear(&body);
		put_begin(q, &body);
		queue_record_put(&out, name, QUEUE_BEGIN, buf_bytes(&body));
	}
	if (buf_status(&out) != ST_OK || buf_status(&body) != ST_OK)
		error = no_memory(q);
	else
		error = take_trouble(q, queue_file_replace(&q->file, name, buf_bytes(&out)));
	buf_release(&body);
	buf_release(&out);
	return error;
}

enum fealty_queue_error
queue_tidy(struct fealty_queue *q)
{
	uint64_t needed = 0;

	for (size_t i = 0; i < q->n; i++) {
		if (q->items[i].state != ITEM_REFUSED)
			return FEALTY_QUEUE_OK;
		needed += q->items[i].request.len + q->items[i].response.len;
	}
	return q->file.broken || q->file.end < TIDY_BYTES + 2 * needed ? FEALTY_QUEUE_OK : queue_rewrite(q);
}

/* ---- opening ---- */

/* The terminal whose numbers these are: a till's from its principal. */
static enum fealty_queue_error
name_terminal(struct fealty_queue *q, const struct fealty_queue_options *o)
{
	char own[QUEUE_TEXT_BYTES];
	const char *store = o->store, *terminal = o->terminal;

	if (o->principal == NULL || o->principal[0] == '\0' || strlen(o->principal) >= sizeof q->principal)
		return queue_fail(q, FEALTY_QUEUE_OPTIONS, "a new queue needs the principal that uploads it, as in pos/0042/07");
	memcpy(own, o->principal, strlen(o->principal) + 1);
	if (strncmp(own, "pos/", 4) == 0) {
		char *slash = strchr(own + 4, '/');
		if (slash == NULL || slash == own + 4 || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
			return queue_fail(q, FEALTY_QUEUE_OPTIONS, "%.100s is no till: a till is pos/<store>/<terminal>", o->principal);
		*slash = '\0';
		store = store != NULL ? store : own + 4;
		terminal = terminal != NULL ? terminal : slash + 1;
	}
	if (terminal == NULL || store == NULL || strlen(store) > 64 || strlen(terminal) > 64 || store[0] == '\0' || terminal[0] == '\0')
		return queue_fail(q, FEALTY_QUEUE_OPTIONS, "the queue of %.100s needs the store and the terminal whose commands it holds, each at most 64 bytes",
		    o->principal);
	(void)snprintf(q->principal, sizeof q->principal, "%s", o->principal);
	(void)snprintf(q->store, sizeof q->store, "%s", store);
	(void)snprintf(q->terminal, sizeof q->terminal, "%s", terminal);
	return FEALTY_QUEUE_OK;
}

static bool
contradicts(const char *said, const char *is)
{
	return said != NULL && strcmp(said, is) != 0;
}

static enum fealty_queue_error
check_owner(struct fealty_queue *q, const struct fealty_queue_options *o)
{
	if (contradicts(o->principal, q->principal) || contradicts(o->store, q->store) || contradicts(o->terminal, q->terminal))
		return queue_fail(q, FEALTY_QUEUE_OTHER, "this queue belongs to %s, terminal %.64s of store %.64s", q->principal, q->terminal, q->store);
	return FEALTY_QUEUE_OK;
}

static enum fealty_queue_error
open_queue(struct fealty_queue *q, const char *path, const struct fealty_queue_options *o)
{
	bool is_new;
	enum fealty_queue_error error = take_trouble(q, queue_file_open(&q->file, path, o->salvage, on_record, q, &is_new));

	if (error != FEALTY_QUEUE_OK)
		return error;
	q->cut_bytes = q->file.cut_bytes;
	q->lost_bytes = q->file.lost_bytes;
	if (!is_new && !q->begun && !o->salvage)
		return queue_fail(q, FEALTY_QUEUE_DAMAGED, "the file `queue` does not say whose it is: name its principal, and read it by salvage");
	if (is_new || !q->begun) {
		error = o->first_seq > INT64_MAX ? queue_fail(q, FEALTY_QUEUE_OPTIONS, "a queue's first number is at most 2^63 - 1") : name_terminal(q, o);
		if (is_new && o->first_seq > 0)
			q->next_seq = o->first_seq;
		return error == FEALTY_QUEUE_OK ? queue_rewrite(q) : error;
	}
	error = check_owner(q, o);
	return error == FEALTY_QUEUE_OK && q->lost_bytes > 0 ? queue_rewrite(q) : error;
}

enum fealty_queue_error
fealty_queue_open(const char *path, const struct fealty_queue_options *options, struct fealty_queue **ret_queue, char *ret_message)
{
	const struct fealty_queue_options none = { 0 };
	struct fealty_queue *q = calloc(1, sizeof *q);

	if (q == NULL)
		return FEALTY_QUEUE_NOMEM;
	q->next_seq = 1;
	enum fealty_queue_error error = open_queue(q, path, options != NULL ? options : &none);
	if (error == FEALTY_QUEUE_OK) {
		*ret_queue = q;
		return FEALTY_QUEUE_OK;
	}
	if (ret_message != NULL)
		memcpy(ret_message, q->trouble, sizeof q->trouble);
	fealty_queue_close(q);
	return error;
}

void
fealty_queue_close(struct fealty_queue *q)
{
	if (q == NULL)
		return;
	hide(q);
	queue_file_close(&q->file);
	for (size_t i = 0; i < q->n; i++)
		queue_item_release(&q->items[i]);
	free(q->items);
	free(q);
}

/* ---- looking ---- */

void
fealty_queue_state(const struct fealty_queue *q, struct fealty_queue_state *ret)
{
	*ret = (struct fealty_queue_state){ .next_seq = q->next_seq, .cut_bytes = q->cut_bytes, .lost_bytes = q->lost_bytes };
	for (size_t i = 0; i < q->n; i++) {
		ret->waiting += q->items[i].state == ITEM_WAITS;
		ret->answered += q->items[i].state == ITEM_ANSWERED;
		ret->refused += q->items[i].state == ITEM_REFUSED;
	}
}

const char *
fealty_queue_principal(const struct fealty_queue *q)
{
	return q->principal;
}

enum fealty_queue_error
fealty_queue_each(struct fealty_queue *q, bool (*show)(void *ctx, const struct fealty_queue_item *item), void *ctx)
{
	for (size_t i = 0; i < q->n; i++) {
		struct fealty_queue_item item;
		enum fealty_queue_error error = queue_show(q, &q->items[i], &item);
		if (error != FEALTY_QUEUE_OK)
			return error;
		if (!show(ctx, &item))
			break;
	}
	return FEALTY_QUEUE_OK;
}

enum fealty_queue_error
fealty_queue_forget(struct fealty_queue *q, uint64_t seq, uint32_t *ret_n)
{
	enum fealty_queue_error error = FEALTY_QUEUE_OK;
	struct buf body;

	assert(!q->giving);
	*ret_n = 0;
	buf_init(&body);
	for (size_t i = 0; i < q->n; i++) {
		if (q->items[i].state == ITEM_REFUSED && (seq == 0 || q->items[i].seq == seq)) {
			buf_put_varint(&body, q->items[i].seq);
			++*ret_n;
		}
	}
	if (*ret_n > 0)
		error = queue_append(q, QUEUE_FORGOTTEN, &body);
	if (error == FEALTY_QUEUE_OK && *ret_n > 0) {
		struct cursor c = cursor_of(buf_bytes(&body));
		bool ok = read_seqs(q, &c, true);
		assert(ok);
		error = queue_tidy(q);
	}
	buf_release(&body);
	return error;
}

const char *
fealty_queue_trouble(const struct fealty_queue *q)
{
	return q->trouble;
}

const char *
fealty_queue_error_str(enum fealty_queue_error error)
{
	switch (error) {
	case FEALTY_QUEUE_OK: return "no error";
	case FEALTY_QUEUE_NOMEM: return "out of memory";
	case FEALTY_QUEUE_IO: return "the queue cannot be read or written";
	case FEALTY_QUEUE_LOCKED: return "another process has the queue open";
	case FEALTY_QUEUE_DAMAGED: return "the queue's file is damaged";
	case FEALTY_QUEUE_OTHER: return "the queue belongs to another principal, terminal or ledger";
	case FEALTY_QUEUE_BROKEN: return "an earlier write failed: close the queue and open it again";
	case FEALTY_QUEUE_NOT_OFFLINE: return "the command needs the server's answer at once";
	case FEALTY_QUEUE_KEY: return "not a request id: 1 to 64 of A-Z a-z 0-9 . _ : -";
	case FEALTY_QUEUE_KEY_WAITS: return "a command with this request id waits already";
	case FEALTY_QUEUE_TOO_LARGE: return "the command is too large";
	case FEALTY_QUEUE_OPTIONS: return "a new queue needs a principal, a store and a terminal";
	case FEALTY_QUEUE_UNREACHED: return "not everything was answered in time; the rest waits";
	case FEALTY_QUEUE_ENDED: return "the connection ended for good";
	}
	return "?";
}
