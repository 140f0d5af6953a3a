/**
 * Invariants: head, tree, keys and totals describe what is applied, their _flushed copies what is in the state environment; the overlay holds
 * exactly the
 * difference.  apply_discard() makes the first equal the second again.
 */
#include "apply/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAY_BYTES_MAX ((size_t)4 * 1024 * 1024 * 1024)
#define TRANSACTION_ARENA_BYTES ((size_t)8 * 1024 * 1024)

static void
head_encode(const struct apply_head *h, struct buf *out)
{
	buf_put_be64(out, h->size);
	buf_put(out, h->prev, sizeof(h->prev));
	buf_put_be64(out, (uint64_t)h->committed_at_us);
	buf_put_be64(out, (uint64_t)h->clock_us);
	buf_put_u8(out, h->manual_clock);
	buf_put(out, h->transaction_key, sizeof(h->transaction_key));
	buf_put(out, h->checkpoint_key, sizeof(h->checkpoint_key));
	buf_put_string(out, h->origin);
}

enum status
head_decode(struct bytes value, struct apply_head *ret)
{
	struct cursor c = cursor_of(value);
	struct apply_head h = { .size = cursor_be64(&c) };
	struct bytes prev = cursor_bytes(&c, sizeof(h.prev));

	h.committed_at_us = (int64_t)cursor_be64(&c);
	h.clock_us = (int64_t)cursor_be64(&c);
	h.manual_clock = cursor_u8(&c) != 0;
	struct bytes transaction_key = cursor_bytes(&c, sizeof(h.transaction_key));
	struct bytes checkpoint_key = cursor_bytes(&c, sizeof(h.checkpoint_key));
	struct bytes origin = cursor_string(&c);
	if (!cursor_done(&c) || origin.len >= sizeof(h.origin))
		return ST_CORRUPT;
	memcpy(h.prev, prev.data, prev.len);
	memcpy(h.transaction_key, transaction_key.data, transaction_key.len);
	memcpy(h.checkpoint_key, checkpoint_key.data, checkpoint_key.len);
	memcpy(h.origin, origin.data, origin.len);
	*ret = h;
	return ST_OK;
}

void
tile_key(unsigned level, uint64_t index, uint8_t ret_key[static TILE_KEY_BYTES])
{
	ret_key[0] = (uint8_t)level;
	put_be64(ret_key + 1, index);
}

enum status
tile_hash(enum status got, struct bytes value, uint8_t ret_hash[static SHA256_BYTES])
{
	if (got != ST_OK)
		return got == ST_NOTFOUND ? ST_CORRUPT : got;
	if (value.len != SHA256_BYTES)
		return ST_CORRUPT;
	memcpy(ret_hash, value.data, SHA256_BYTES);
	return ST_OK;
}

static enum status
fetch_tile(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	uint8_t key[TILE_KEY_BYTES];
	struct bytes value;

	tile_key(level, index, key);
	enum status st = apply_row(ctx, TABLE_TILE, bytes_of(key, sizeof(key)), &value);
	return tile_hash(st, value, ret_hash);
}

static enum status
load_versions(struct apply *a, struct store_txn *txn)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	uint8_t first[1] = { 0 };
	enum status st = store_cursor_open(txn, TABLE_VERSION, bytes_of(first, sizeof(first)), &cursor);

	if (st != ST_OK)
		return st;
	while ((st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		struct cursor c = cursor_of(value);
		int64_t at_us = (int64_t)cursor_be64(&c);
		uint64_t zone_bytes = cursor_varint(&c);
		struct bytes zone = cursor_bytes(&c, zone_bytes);
		struct bytes definition = cursor_bytes(&c, (size_t)(c.end - c.p));
		if (!cursor_done(&c) || key.len != 8) {
			st = ST_CORRUPT;
			break;
		}
		st = programs_add(a->programs, get_be32(key.data), get_be32(key.data + 4), definition, zone, at_us);
		if (st != ST_OK)
			break;
	}
	store_cursor_close(cursor);
	programs_show(a->programs);
	if (st == ST_NOTFOUND)
		return ST_OK;
	return st == ST_INVALID ? ST_CORRUPT : st;
}

static enum status
load_totals(struct apply *a, struct store_txn *txn)
{
	for (uint32_t number = 1; number <= programs_writer_count(a->programs); number++) {
		uint8_t key[4];
		struct bytes value;
		struct totals *totals;
		put_be32(key, number);
		enum status st = store_get(txn, TABLE_PROGRAM, bytes_of(key, sizeof(key)), &value);
		if (st != ST_OK)
			return st == ST_NOTFOUND ? ST_CORRUPT : st;
		st = apply_state(a)->totals_edit(a, number, &totals);
		if (st == ST_OK)
			st = totals_decode(value, totals);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status
load_schedule(struct apply *a, struct store_txn *txn)
{
	struct bytes value;

	enum status st = store_get(txn, TABLE_META, bytes_of(META_SCHEDULE, strlen(META_SCHEDULE)), &value);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	return apply_set_schedule(a, value);
}

struct bytes
apply_schedule(const struct apply *a)
{
	return buf_bytes(&a->schedule);
}

enum status
apply_set_schedule(struct apply *a, struct bytes schedule)
{
	buf_clear(&a->schedule);
	buf_put(&a->schedule, schedule.data, schedule.len);
	return buf_status(&a->schedule);
}

static enum status
load(struct apply *a)
{
	struct store_txn *txn;
	struct bytes value;

	enum status st = apply_reader(a, &txn);
	if (st != ST_OK)
		return st;
	st = store_get(txn, TABLE_META, bytes_of(META_HEAD, strlen(META_HEAD)), &value);
	if (st == ST_OK)
		st = head_decode(value, &a->head);
	else if (st == ST_NOTFOUND)
		st = ST_OK;
	if (st == ST_OK)
		st = load_schedule(a, txn);
	if (st == ST_OK)
		st = load_versions(a, txn);
	if (st == ST_OK)
		st = load_totals(a, txn);
	if (st == ST_OK)
		st = keys_load_rows(txn, &a->keys);
	if (st == ST_OK && (a->keys.n == 0) != (a->head.size == 0))
		st = ST_CORRUPT;
	if (st == ST_OK)
		st = merkle_tree_load(&a->tree, a->head.size, fetch_tile, a);
	return st;
}

static void
remember_flushed(struct apply *a)
{
	a->head_flushed = a->head;
	a->tree_flushed = a->tree;
	if (a->keys_flushed.n != a->keys.n)
		a->keys_flushed = a->keys;
	if (a->n_totals > 0)
		memcpy(a->totals_flushed, a->totals, a->n_totals * sizeof(*a->totals));
	a->n_totals_flushed = a->n_totals;
}

static void
batch_end(struct apply *a)
{
	overlay_reset(&a->overlay);
	if (a->reader != NULL && !a->reader_rests) {
		store_rest(a->reader);
		a->reader_rests = true;
	}
	a->row_status = ST_OK;
	a->due_bound_us = INT64_MIN;
}

enum status
apply_new(struct store *store, struct apply **ret_apply)
{
	struct apply *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ST_NOMEM;
	a->store = store;
	state_init(a);
	overlay_init(&a->overlay, OVERLAY_BYTES_MAX);
	arena_init(&a->scratch, TRANSACTION_ARENA_BYTES);
	buf_init(&a->schedule);
	merkle_tree_init(&a->tree);
	enum status st = programs_new(&a->programs);
	if (st == ST_OK)
		st = load(a);
	if (st != ST_OK) {
		apply_free(a);
		return st;
	}
	a->no_hold_at_us = INSTANT_NEVER;
	remember_flushed(a);
	batch_end(a);
	*ret_apply = a;
	return ST_OK;
}

void
apply_free(struct apply *a)
{
	if (a == NULL)
		return;
	store_abort(a->reader);
	overlay_release(&a->overlay);
	arena_release(&a->scratch);
	buf_release(&a->schedule);
	programs_free(a->programs);
	free(a->totals);
	free(a->totals_flushed);
	free(a);
}

const struct apply_head *
apply_head(const struct apply *a)
{
	return &a->head;
}

const struct key_history *
apply_keys(const struct apply *a)
{
	return &a->keys;
}

const struct merkle_tree *
apply_tree(const struct apply *a)
{
	return &a->tree;
}

struct programs *
apply_programs(struct apply *a)
{
	return a->programs;
}

size_t
apply_overlay_bytes(const struct apply *a)
{
	return a->overlay.arena.used_bytes;
}

enum status
apply_root_at(struct apply *a, uint64_t size, uint8_t ret_root[static SHA256_BYTES])
{
	struct merkle_tree tree;

	if (size > a->head.size)
		return ST_NOTFOUND;
	enum status st = merkle_tree_load(&tree, size, fetch_tile, a);
	if (st == ST_OK)
		merkle_tree_root(&tree, ret_root);
	return st;
}

enum status
apply_inclusion(struct apply *a, uint64_t index, struct proof *ret_proof)
{
	return proof_inclusion(index, a->tree.size, fetch_tile, a, ret_proof);
}

static enum status
put_request(struct apply *a, const struct entry *e, struct entry_id id)
{
	uint8_t key[REQUEST_KEY_BYTES_MAX], value[24 + FINGERPRINT_BYTES];
	size_t len = request_key(e->principal == NULL ? "" : e->principal, e->request_id, key);

	if (len == 0)
		return ST_INVALID;
	put_be64(value, id.seq);
	put_be32(value + 8, id.index);
	put_be32(value + 12, e->program);
	put_be64(value + 16, e->member);
	memcpy(value + 24, e->fingerprint, FINGERPRINT_BYTES);
	return overlay_put_row(&a->overlay, TABLE_REQUEST, bytes_of(key, len), bytes_of(value, sizeof(value)));
}

size_t
receipt_key(uint32_t program, const char *store, const char *receipt_no, int32_t day, uint8_t ret_key[static RECEIPT_KEY_BYTES_MAX])
{
	size_t store_len = strlen(store) + 1, receipt_len = strlen(receipt_no) + 1, len = 4 + store_len + receipt_len + 4;

	if (len > RECEIPT_KEY_BYTES_MAX)
		return 0;
	put_be32(ret_key, program);
	memcpy(ret_key + 4, store, store_len);
	memcpy(ret_key + 4 + store_len, receipt_no, receipt_len);
	put_be32(ret_key + 4 + store_len + receipt_len, (uint32_t)day);
	return len;
}

enum status
receipt_digest(int64_t amount, const struct entry_line *lines, size_t n_lines, uint8_t ret_digest[static 32])
{
	struct buf b;

	buf_init(&b);
	buf_put_svarint(&b, amount);
	for (size_t i = 0; i < n_lines; i++) {
		buf_put_string(&b, lines[i].sku);
		buf_put_string(&b, lines[i].category);
		buf_put_varint(&b, lines[i].qty);
		buf_put_svarint(&b, lines[i].amount);
	}
	enum status st = buf_status(&b);
	if (st == ST_OK)
		hash_sha256(ret_digest, &(struct bytes){ b.data, b.len }, 1);
	buf_release(&b);
	return st;
}

static enum status
put_receipt(struct apply *a, const struct entry *e, struct entry_id id)
{
	uint8_t key[RECEIPT_KEY_BYTES_MAX], value[20 + 32];
	size_t len = receipt_key(e->program, e->store, e->u.purchase.receipt_no, e->business_date, key);

	if (len == 0)
		return ST_INVALID;
	put_be64(value, id.seq);
	put_be32(value + 8, id.index);
	put_be64(value + 12, e->member);
	enum status st = receipt_digest(e->u.purchase.amount, e->u.purchase.lines, e->u.purchase.n_lines, value + 20);
	return st != ST_OK ? st : overlay_put_row(&a->overlay, TABLE_RECEIPT, bytes_of(key, len), bytes_of(value, sizeof(value)));
}

static void
note_due(struct apply *a, const struct entry *e)
{
	for (size_t i = 0; i < e->n_touched; i++) {
		struct overlay_member *m = overlay_find_member(&a->overlay, e->program, e->touched[i].member);
		if (m == NULL)
			continue;
		if (m->m.due_at_us < a->due_bound_us)
			a->due_bound_us = m->m.due_at_us;
		if (m->m.due_at_us == a->no_hold_at_us && member_due_is_hold(&m->m))
			a->no_hold_at_us = INSTANT_NEVER;
	}
}

enum status
apply_entry(struct apply *a, struct entry *e, struct entry_id id, int64_t committed_at_us, enum evolve_mode mode,
    enum evolve_fault *ret_fault)
{
	*ret_fault = EVOLVE_OK;
	enum status st = evolve(apply_state(a), e, id, e->has_at ? e->at_us : committed_at_us, mode, ret_fault);
	if (st != ST_OK || *ret_fault != EVOLVE_OK)
		return st;
	note_due(a, e);
	if (e->request_id != NULL)
		st = put_request(a, e, id);
	if (st == ST_OK && e->op == OP_PURCHASE && e->u.purchase.receipt_no != NULL && e->store != NULL)
		st = put_receipt(a, e, id);
	if (st == ST_OK && e->terminal_seq != 0)
		st = put_terminal(a, e, id);
	return st;
}

static void
on_complete(void *ctx, unsigned level, uint64_t index, const uint8_t hash[static SHA256_BYTES])
{
	struct apply *a = ctx;
	uint8_t key[TILE_KEY_BYTES];

	tile_key(level, index, key);
	if (a->row_status == ST_OK)
		a->row_status = overlay_put_row(&a->overlay, TABLE_TILE, bytes_of(key, sizeof(key)), bytes_of(hash, SHA256_BYTES));
}

enum status
apply_leaf(struct apply *a, struct bytes leaf)
{
	uint8_t hash[SHA256_BYTES];

	assert(a->tree.size < a->head.size);
	merkle_leaf_hash(leaf, hash);
	merkle_tree_append(&a->tree, hash, on_complete, a);
	return a->row_status;
}

static void
learn_genesis(struct apply_head *head, const struct entry *e)
{
	assert(e->op == OP_GENESIS);
	assert(e->u.genesis.transaction_key.len == 32 && e->u.genesis.checkpoint_key.len == 32);
	assert(strlen(e->u.genesis.origin) < sizeof(head->origin));
	head->manual_clock = e->u.genesis.manual_clock;
	memcpy(head->transaction_key, e->u.genesis.transaction_key.data, 32);
	memcpy(head->checkpoint_key, e->u.genesis.checkpoint_key.data, 32);
	strcpy(head->origin, e->u.genesis.origin);
}

void
apply_seal(struct apply *a, const struct transaction *t, struct bytes transaction)
{
	assert(t->seq == a->head.size);
	hash_sha256(a->head.prev, &transaction, 1);
	a->head.committed_at_us = t->committed_at_us;
	a->head.clock_us = t->n_entries > 0 && t->entries[0].has_at ? t->entries[0].at_us : t->committed_at_us;
	if (t->seq == 0)
		learn_genesis(&a->head, &t->entries[0]);
	if (a->row_status == ST_OK)
		a->row_status = waiting_seal(a, t, a->head.prev);
	a->head.size++;
}

static enum status
write_all(struct apply *a, struct store_txn *txn)
{
	struct buf b;

	buf_init(&b);
	enum status st = overlay_write(&a->overlay, txn);
	for (uint32_t number = 1; number <= a->n_totals && st == ST_OK; number++) {
		uint8_t key[4];
		/* Padding that differs writes a row that is there already.  NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
		if (number <= a->n_totals_flushed && memcmp(&a->totals[number - 1], &a->totals_flushed[number - 1], sizeof(*a->totals)) == 0)
			continue;
		put_be32(key, number);
		buf_clear(&b);
		totals_encode(&a->totals[number - 1], &b);
		st = buf_status(&b);
		if (st == ST_OK)
			store_put(txn, TABLE_PROGRAM, bytes_of(key, sizeof(key)), buf_bytes(&b));
	}
	buf_clear(&b);
	head_encode(&a->head, &b);
	if (st == ST_OK)
		st = buf_status(&b);
	if (st == ST_OK)
		store_put(txn, TABLE_META, bytes_of(META_HEAD, strlen(META_HEAD)), buf_bytes(&b));
	if (st == ST_OK && a->keys.n != a->keys_flushed.n)
		st = keys_store_rows(txn, &a->keys);
	if (st == ST_OK && a->schedule.len > 0)
		store_put(txn, TABLE_META, bytes_of(META_SCHEDULE, strlen(META_SCHEDULE)), buf_bytes(&a->schedule));
	buf_release(&b);
	return st;
}

enum status
apply_flush(struct apply *a)
{
	struct store_txn *txn;

	assert(a->tree.size == a->head.size);
	enum status st = store_write(a->store, STORE_STATE, &txn);
	if (st != ST_OK)
		return st;
	st = write_all(a, txn);
	if (st != ST_OK) {
		store_abort(txn);
		return st;
	}
	st = store_commit(txn);
	if (st != ST_OK)
		return st;
	programs_show(a->programs);
	remember_flushed(a);
	batch_end(a);
	return ST_OK;
}

void
apply_discard(struct apply *a)
{
	programs_forget_hidden(a->programs);
	a->head = a->head_flushed;
	a->tree = a->tree_flushed;
	if (a->keys.n != a->keys_flushed.n)
		a->keys = a->keys_flushed;
	if (a->n_totals_flushed > 0)
		memcpy(a->totals, a->totals_flushed, a->n_totals_flushed * sizeof(*a->totals));
	a->n_totals = a->n_totals_flushed;
	a->no_hold_at_us = INSTANT_NEVER;
	batch_end(a);
}
