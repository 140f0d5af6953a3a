/*
 * Everything lives until the simulation ends, so that rows may point into each other.
 *
 * Most files never refer to a command, so the table of references is made when first asked for, out of the chain of all commands, and kept
 * up from then on.  Taking a step back may take back that it was made; the next that asks makes it again.
 */
#include "sim_book.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"

#define TRANSACTIONS_MIN 4096

void
sim_book_init(struct sim_book *book, struct arena *arena, struct sim_undo *undo)
{
	*book = (struct sim_book){ .arena = arena, .undo = undo };
	sim_table_init(&book->aliases, arena, undo);
	sim_table_init(&book->profiles, arena, undo);
	sim_table_init(&book->requests, arena, undo);
	sim_table_init(&book->references, arena, undo);
	sim_table_init(&book->receipts, arena, undo);
	sim_table_init(&book->terminals, arena, undo);
	buf_init(&book->scratch);
}

void
sim_book_release(struct sim_book *book)
{
	sim_table_release(&book->aliases);
	sim_table_release(&book->profiles);
	sim_table_release(&book->requests);
	sim_table_release(&book->references);
	sim_table_release(&book->receipts);
	sim_table_release(&book->terminals);
	free(book->transactions);
	buf_release(&book->scratch);
}

/* ---- aliases and profiles ---- */

static struct sim_key
alias_key(uint32_t program, const char *alias)
{
	struct sim_key key;

	key.len = 0;
	sim_key_number(&key, program);
	sim_key_text(&key, alias);
	return key;
}

uint64_t
sim_book_member(const struct sim_book *book, uint32_t program, const char *alias)
{
	struct sim_key key = alias_key(program, alias);

	return (uintptr_t)sim_table_get(&book->aliases, sim_key_bytes(&key));		/* the number itself stands for a pointer */
}

enum status
sim_book_link(struct sim_book *book, uint32_t program, const char *alias, uint64_t member)
{
	struct sim_key key = alias_key(program, alias);

	return sim_table_put(&book->aliases, sim_key_bytes(&key), (void *)(uintptr_t)member);
}

static struct sim_key
member_key(uint32_t program, uint64_t member)
{
	struct sim_key key;

	key.len = 0;
	sim_key_number(&key, program);
	sim_key_number(&key, member);
	return key;
}

const struct sim_profile *
sim_book_profile(const struct sim_book *book, uint32_t program, uint64_t member)
{
	struct sim_key key = member_key(program, member);

	return sim_table_get(&book->profiles, sim_key_bytes(&key));
}

static bool
copy_texts(struct arena *arena, const char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		texts[i] = arena_strdup(arena, texts[i]);
		if (texts[i] == NULL)
			return false;
	}
	return true;
}

enum status
sim_book_put_profile(struct sim_book *book, uint32_t program, uint64_t member, const struct sim_profile *profile)
{
	struct sim_key key = member_key(program, member);
	struct sim_profile *copy = (struct sim_profile *)arena_memdup(book->arena, profile, sizeof(*profile));

	if (copy == NULL || !copy_texts(book->arena, copy->aliases, copy->n_aliases) || !copy_texts(book->arena, copy->segments, copy->n_segments))
		return ST_NOMEM;
	return sim_table_put(&book->profiles, sim_key_bytes(&key), copy);
}

enum status
sim_book_forget(struct sim_book *book, uint32_t program, uint64_t member)
{
	struct sim_key key = member_key(program, member);

	return sim_table_put(&book->profiles, sim_key_bytes(&key), NULL);
}

/* ---- request ids and receipts ---- */

static struct sim_key
request_key(const char *principal, const char *key_text)
{
	struct sim_key key;

	key.len = 0;
	sim_key_text(&key, key_text);
	sim_key_text(&key, principal);
	return key;
}

static struct sim_key
reference_key(uint32_t program, const char *key_text)
{
	struct sim_key key = { 0 };

	sim_key_number(&key, program);
	sim_key_text(&key, key_text);
	return key;
}

static struct sim_key
receipt_key(uint32_t program, const char *store, const char *receipt_no, int32_t business_date)
{
	struct sim_key key;

	key.len = 0;
	sim_key_number(&key, program);
	sim_key_number(&key, (uint64_t)business_date);
	sim_key_text(&key, store);
	sim_key_text(&key, receipt_no);
	return key;
}

const struct sim_request *
sim_book_request(const struct sim_book *book, const char *principal, const char *key_text)
{
	struct sim_key key = request_key(principal, key_text);

	return sim_table_get(&book->requests, sim_key_bytes(&key));
}

static enum status
put_reference(struct sim_book *book, struct sim_request *request)
{
	struct sim_key key = reference_key(request->program, request->key);
	void *before = NULL;

	if (request->member == 0)
		return ST_OK;
	enum status st = sim_table_swap(&book->references, sim_key_bytes(&key), request, &before);
	request->same = before;
	return st;
}

/* Of two commands with one key the table then has the older, and the newer in its `same`: they are equally good. */
enum status
sim_book_make_references(struct sim_book *book)
{
	enum status st = book->has_references ? ST_OK : sim_undo_save(book->undo, &book->has_references, sizeof(book->has_references), NULL);

	for (struct sim_request *r = book->has_references ? NULL : book->newest; r != NULL && st == ST_OK; r = r->older)
		st = put_reference(book, r);
	book->has_references = st == ST_OK;
	return st;
}

const struct sim_request *
sim_book_reference(const struct sim_book *book, uint32_t program, const char *key_text)
{
	struct sim_key key = reference_key(program, key_text);

	assert(book->has_references);
	return sim_table_get(&book->references, sim_key_bytes(&key));
}

static enum status
put_request(struct sim_book *book, const struct entry *e, struct entry_id id)
{
	size_t len = strlen(e->request_id);
	struct sim_request *request = arena_alloc(book->arena, sizeof(*request) + len + 1);
	struct sim_key key = request_key(e->principal, e->request_id);

	if (request == NULL)
		return ST_NOMEM;
	request->id = id;
	request->program = e->program;
	request->member = e->member;
	request->older = book->newest;
	memcpy(request->fingerprint, e->fingerprint, sizeof(request->fingerprint));
	memcpy(request->key, e->request_id, len);
	enum status st = sim_undo_save(book->undo, &book->newest, sizeof(book->newest), NULL);
	if (st == ST_OK)
		st = sim_table_put(&book->requests, sim_key_bytes(&key), request);
	book->newest = request;
	return st == ST_OK && book->has_references ? put_reference(book, request) : st;
}

const struct sim_receipt *
sim_book_receipt(const struct sim_book *book, uint32_t program, const char *store, const char *receipt_no, int32_t business_date)
{
	struct sim_key key = receipt_key(program, store, receipt_no, business_date);

	return sim_table_get(&book->receipts, sim_key_bytes(&key));
}

static enum status
put_receipt(struct sim_book *book, const struct entry *e, struct entry_id id)
{
	struct sim_key key = receipt_key(e->program, e->store, e->u.purchase.receipt_no, e->business_date);
	struct sim_receipt *receipt = arena_alloc(book->arena, sizeof(*receipt));

	if (receipt == NULL)
		return ST_NOMEM;
	receipt->id = id;
	receipt->member = e->member;
	enum status st = receipt_digest(e->u.purchase.amount, e->u.purchase.lines, e->u.purchase.n_lines, receipt->digest);
	return st != ST_OK ? st : sim_table_put(&book->receipts, sim_key_bytes(&key), receipt);
}

static enum status
put_terminal(struct sim_book *book, const struct entry *e, struct entry_id id, struct terminal_note *ret_note)
{
	struct sim_key key = { .len = 0 };
	enum status st;

	sim_key_text(&key, e->store == NULL ? "" : e->store);
	sim_key_text(&key, e->terminal == NULL ? "" : e->terminal);
	sim_key_text(&key, e->principal);
	struct terminal_state *t = sim_table_get(&book->terminals, sim_key_bytes(&key));
	if (t != NULL) {
		st = sim_undo_save(book->undo, t, sizeof(*t), NULL);
	} else {
		t = arena_alloc(book->arena, sizeof(*t));
		if (t == NULL)
			return ST_NOMEM;
		*t = (struct terminal_state){ .last = 0 };
		st = sim_table_put(&book->terminals, sim_key_bytes(&key), t);
	}
	if (st == ST_OK)
		terminal_take(t, e, id, ret_note);
	return st;
}

enum status
sim_book_put_entry(struct sim_book *book, const struct entry *e, struct entry_id id, struct terminal_note *ret_note)
{
	if (e->request_id == NULL)
		return ST_OK;
	enum status st = put_request(book, e, id);
	if (st == ST_OK && e->terminal_seq != 0)
		st = put_terminal(book, e, id, ret_note);
	if (st == ST_OK && e->op == OP_PURCHASE && e->u.purchase.receipt_no != NULL && e->store != NULL)
		st = put_receipt(book, e, id);
	return st;
}

/* ---- transactions ---- */

static enum status
reserve(struct sim_book *book, uint64_t n)
{
	uint64_t cap = book->cap_transactions == 0 ? TRANSACTIONS_MIN : book->cap_transactions;

	while (cap < n)
		cap *= 2;
	if (cap == book->cap_transactions)
		return ST_OK;
	struct bytes *grown = realloc(book->transactions, cap * sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	book->transactions = grown;
	book->cap_transactions = cap;
	return ST_OK;
}

enum status
sim_book_put_transaction(struct sim_book *book, const struct transaction *t, struct arena *scratch)
{
	assert(t->seq >= book->n_transactions);
	buf_clear(&book->scratch);
	enum status st = codec_transaction_encode(t, scratch, &book->scratch);
	if (st == ST_OK)
		st = buf_status(&book->scratch);
	if (st == ST_OK)
		st = reserve(book, t->seq + 1);
	char *copy = st == ST_OK ? arena_memdup(book->arena, book->scratch.data, book->scratch.len) : NULL;
	if (copy == NULL)
		return st == ST_OK ? ST_NOMEM : st;
	while (book->n_transactions < t->seq)
		book->transactions[book->n_transactions++] = bytes_of(NULL, 0);
	book->transactions[book->n_transactions++] = bytes_of(copy, book->scratch.len);
	return ST_OK;
}

struct bytes
sim_book_transaction(const struct sim_book *book, uint64_t seq)
{
	return seq < book->n_transactions ? book->transactions[seq] : bytes_of(NULL, 0);
}

enum status
sim_book_entry(const struct sim_book *book, struct entry_id id, struct arena *arena, struct transaction *ret_t, struct entry **ret_entry)
{
	struct bytes bytes = sim_book_transaction(book, id.seq);

	if (bytes.len == 0)
		return ST_NOTFOUND;
	enum status st = codec_transaction_decode_one(bytes, id.index, arena, ret_t);
	if (st == ST_OK)
		*ret_entry = &ret_t->entries[0];
	return st;
}
