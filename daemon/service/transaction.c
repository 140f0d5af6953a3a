/**
 * The transactions of a batch: one is open at a time, entries are applied as they are added, and a sealed one has its bytes, its place in
 * the
 * chain, and a signature on its way.
 */
#include "service/commit.h"

#include <assert.h>
#include <string.h>

#define VAULT_BYTES_MAX ((size_t)32 * 1024 * 1024)	/* an atomic batch of the largest profiles comes on top, within the vault's budget */

int64_t
commit_now_us(const struct commit *c)
{
	int64_t last = apply_head(c->apply)->committed_at_us;

	if (c->service->manual_clock)
		return c->clock_us;
	int64_t now = c->service->params.clock.now_us(c->service->params.clock.ctx);
	return now > last ? now : last + 1;
}

int64_t
tx_now_us(const struct commit *c)
{
	assert(c->is_open);
	return c->service->manual_clock ? c->clock_us : c->open.committed_at_us;
}

enum status
tx_begin(struct commit *c, uint32_t program)
{
	const struct apply_head *head = apply_head(c->apply);

	if (c->is_open && (c->open.program != program || (c->service->manual_clock && c->open.committed_at_us < c->clock_us))) {
		enum status st = tx_seal(c);
		if (st != ST_OK)
			return st;
	}
	if (c->is_open)
		return ST_OK;
	int64_t now = commit_now_us(c);
	c->open = (struct transaction){
		.origin = c->service->origin,
		.seq = head->size,
		.committed_at_us = now > head->committed_at_us ? now : head->committed_at_us + 1,
		.program = program,
	};
	memcpy(c->open.prev, head->prev, sizeof(head->prev));
	c->open_cap = 0;
	c->open_bytes = 0;
	c->is_open = true;
	return ST_OK;
}

enum status
tx_begin_unvouched(struct commit *c)
{
	enum status st = tx_begin(c, 0);

	if (st == ST_OK && c->clock_suspect)
		c->open.committed_at_us = apply_head(c->apply)->committed_at_us + 1;
	return st;
}

static enum status
tx_measure(struct commit *c, const struct entry *entry, size_t *ret_bytes)
{
	enum status st = codec_entry_bytes(entry, &c->scratch, ret_bytes);

	*ret_bytes += entry->n_touched * CODEC_AFTER_MARGIN;
	return st;
}

static enum status
tx_room(struct commit *c, size_t bytes, bool *ret_moved)
{
	enum status st = ST_OK;

	*ret_moved = false;
	if (bytes + CODEC_TRANSACTION_OVERHEAD > LEDGER_LEAF_BYTES_MAX)
		return ST_TOO_LARGE;
	if (c->open_bytes + bytes + CODEC_TRANSACTION_OVERHEAD > LEDGER_LEAF_BYTES_MAX) {
		if (c->exclusive)
			return ST_TOO_LARGE;
		uint32_t program = c->open.program;
		st = tx_seal(c);
		if (st == ST_OK)
			st = tx_begin(c, program);
		*ret_moved = true;
	}
	return st;
}

enum status
tx_make_room(struct commit *c, const struct entry *entry, size_t *ret_bytes)
{
	bool moved;

	enum status st = tx_measure(c, entry, ret_bytes);
	if (st == ST_OK)
		st = tx_room(c, *ret_bytes, &moved);
	if (st == ST_OK && moved)
		*ret_bytes = 0;
	return st;
}

enum status
tx_add(struct commit *c, const struct entry *entry, size_t bytes, struct entry_id *ret_id, struct entry **ret_entry)
{
	enum evolve_fault fault;
	enum status st = ST_OK;
	bool moved;

	assert(c->is_open);
	if (bytes == 0)
		st = tx_measure(c, entry, &bytes);
	if (st == ST_OK)
		st = tx_room(c, bytes, &moved);
	if (st != ST_OK)
		return st;
	struct entry *grown = arena_grow(&c->arena, c->open.entries, &c->open_cap, c->open.n_entries + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	c->open.entries = grown;
	struct entry *slot = &c->open.entries[c->open.n_entries];
	*slot = *entry;
	slot->program = c->open.program;
	slot->has_at = c->service->manual_clock;
	slot->at_us = c->clock_us;
	struct entry_id id = { c->open.seq, (uint32_t)c->open.n_entries };
	st = apply_entry(c->apply, slot, id, c->open.committed_at_us, EVOLVE_LIVE, &fault);
	if (st != ST_OK)
		return st;
	assert(fault == EVOLVE_OK);		/* decide() and evolve() disagree: better to stop than to write it */
	if (slot->terminal_seq != 0)
		terminal_added(c, slot, id);
	c->open.n_entries++;
	c->open_bytes += bytes;
	*ret_id = id;
	*ret_entry = slot;
	return ST_OK;
}

enum status
tx_seal(struct commit *c)
{
	if (!c->is_open)
		return ST_OK;
	c->is_open = false;
	if (c->open.n_entries == 0)
		return ST_OK;

	struct sealed *s = arena_alloc(&c->arena, sizeof(*s));
	buf_clear(&c->scratch);
	enum status st = codec_transaction_encode(&c->open, &c->arena, &c->scratch);
	if (st == ST_OK)
		st = buf_status(&c->scratch);
	char *copy = st == ST_OK ? arena_memdup(&c->arena, c->scratch.data, c->scratch.len) : NULL;
	if (s == NULL || copy == NULL)
		return st == ST_OK ? ST_NOMEM : st;
	s->t = c->open;
	s->bytes = bytes_of(copy, c->scratch.len);
	s->job.body = s->bytes;
	s->rotation = NULL;
	if (!rotate_is(&s->t))
		signer_submit(c->service->signer, &s->job);
	else if ((s->rotation = arena_alloc(&c->arena, sizeof(*s->rotation))) == NULL)
		return ST_NOMEM;
	c->rotation = s->rotation == NULL ? NULL : s;
	apply_seal(c->apply, &s->t, s->bytes);
	if (c->sealed_last == NULL)
		c->sealed_first = s;
	else
		c->sealed_last->next = s;
	c->sealed_last = s;
	c->n_sealed++;
	return ST_OK;
}

enum status
tx_leaf(struct commit *c, struct sealed *s, struct signed_transaction *ret_leaf)
{
	if (s->rotation != NULL)
		return rotate_leaf(c, s, ret_leaf);
	*ret_leaf = (struct signed_transaction){
		.transaction = s->bytes,
		.signature = bytes_of(s->job.signature, SIGNATURE_BYTES),
		.key_id = bytes_of(c->service->key_id, KEY_ID_BYTES),
	};
	return ST_OK;
}

const struct entry *
tx_find(const struct commit *c, struct entry_id id)
{
	if (c->is_open && c->open.seq == id.seq)
		return id.index < c->open.n_entries ? &c->open.entries[id.index] : NULL;
	for (const struct sealed *s = c->sealed_first; s != NULL; s = s->next) {
		if (s->t.seq == id.seq)
			return id.index < s->t.n_entries ? &s->t.entries[id.index] : NULL;
	}
	return NULL;
}

bool
commit_is_large(const struct commit *c)
{
	return c->rotation != NULL || c->n_sealed >= BATCH_TRANSACTIONS_MAX || c->arena.used_bytes >= BATCH_BYTES_MAX
	    || apply_overlay_bytes(c->apply) >= BATCH_BYTES_MAX || vault_bytes(c->service->vault) >= VAULT_BYTES_MAX;
}
