/* The read `terminals`: sequences as they stand, in the order of stores and terminals.
 * A till sees its own alone, and so does a backend that is bound to programs. */
#include <string.h>

#include "base/bytes.h"
#include "service/query.h"

#define TERMINALS_MAX 100

struct page {
	const char *principal;		/* only its; NULL: everybody's */
	bool with_trouble;
	size_t limit, n;
	struct terminal_row *rows;
	uint8_t after[STORE_KEY_MAX];		/* the key that it begins behind; */
	size_t after_len;			/* 0: from the first */
	uint8_t last_key[STORE_KEY_MAX + 1];	/* of rows[n - 1] */
	size_t last_key_len;
	bool more;
};

static bool
is_shown(const struct page *page, const struct terminal_row *row)
{
	return (page->principal == NULL || strcmp(page->principal, row->principal) == 0) &&
	    (!page->with_trouble || row->state.repeats > 0 || terminal_missing(&row->state) > 0);
}

static enum status
take_row(struct page *page, struct bytes key, struct bytes value)
{
	struct terminal_row row;
	enum status st = terminal_row_decode(key, value, &row);

	if (st != ST_OK || !is_shown(page, &row))
		return st;
	page->more = page->n == page->limit;
	if (page->more)
		return ST_OK;
	page->rows[page->n++] = row;
	memcpy(page->last_key, key.data, key.len);
	page->last_key_len = key.len;
	return ST_OK;
}

/* Rows behind ${after}, which is a key. */
static enum status
walk(struct query *q, struct bytes after, struct page *page)
{
	static const uint8_t nothing[1] = { 0 };
	struct store_cursor *cursor;
	struct bytes key, value;
	enum status st = store_cursor_open(q->loop->state, TABLE_TERMINAL, after.len > 0 ? after : bytes_of(nothing, 1), &cursor);

	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	while (!page->more && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		if (after.len > 0 && bytes_equal(key, after))
			continue;
		st = take_row(page, key, value);
		if (st != ST_OK)
			break;
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

static unsigned
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* The place that a former answer named by `next_after`; false: it is none. */
static bool
take_after(const char *text, uint8_t ret_key[static STORE_KEY_MAX], size_t *ret_len)
{
	size_t len = strlen(text) / 2;

	*ret_len = len;
	if (strlen(text) % 2 != 0 || len == 0 || len > STORE_KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high > 15 || low > 15)
			return false;
		ret_key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool
choose(struct query *q, struct page *page)
{
	const struct request *r = q->request;
	bool own_only = q->who->role == ROLE_POS || party_is_bound(q->who->party);	/* a sequence may be of any program */

	if (own_only && r->terminals.principal != NULL && strcmp(r->terminals.principal, q->who->principal) != 0) {
		refusal_set(&q->refusal, LEDGER_PERMISSION_DENIED, "principal", "%s sees only its own sequences.", q->who->principal);
		return false;
	}
	*page = (struct page){
		.principal = own_only ? q->who->principal : r->terminals.principal, .with_trouble = r->terminals.with_trouble,
		.limit = r->limit == 0 ? TERMINALS_MAX : r->limit,
	};
	if (r->terminals.after != NULL && !take_after(r->terminals.after, page->after, &page->after_len)) {
		refusal_set(&q->refusal, LEDGER_INVALID_ARGUMENT, "after", "`after` is not what `next_after` of a former answer was.");
		return false;
	}
	return true;
}

enum status
query_terminals(struct query *q, struct buf *out)
{
	struct page page;

	if (!choose(q, &page))
		return query_refusal(q, out);
	page.rows = arena_alloc(&q->loop->arena, page.limit * sizeof(*page.rows));
	if (page.rows == NULL)
		return ST_NOMEM;
	enum status st = walk(q, bytes_of(page.after, page.after_len), &page);
	if (st != ST_OK)
		return st;
	struct reply_terminal *shown = arena_alloc(&q->loop->arena, (page.n + 1) * sizeof(*shown));
	if (shown == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < page.n; i++)
		shown[i] = (struct reply_terminal){ page.rows[i].principal, &page.rows[i].name, &page.rows[i].state };
	struct reply reply = { .seq = q->size == 0 ? 0 : q->size - 1, .n_terminals = page.n, .terminals = shown };
	if (page.more)
		reply.next_after = bytes_of(page.last_key, page.last_key_len);
	return codec_reply_encode(&reply, &q->loop->arena, out);
}
