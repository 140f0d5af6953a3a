/*
 * The log's signed heads (C2SP tlog-checkpoint in a signed-note).  One is made at most once a second, in the ledger's own commit, so that
 * what it covers and the checkpoint itself become durable together; when commits pause, the newest transactions get one by themselves a
 * second later, and at the end there is always one.  Those of receipts (receipt.c) are signed at any commit, and never stored.
 *
 * The key's name is the origin, also of the two keys of an overlap.  Nobody sees a checkpoint before head.lock has its size and root:
 * publishing is the main thread's.
 */
#include <assert.h>
#include <string.h>

#include "merkle/checkpoint.h"
#include "merkle/note.h"
#include "service/commit.h"

#define CHECKPOINT_INTERVAL_US US_PER_SECOND

static struct bytes
origin_of(const struct service *s)
{
	return bytes_of(s->origin, strlen(s->origin));
}

/* By the key that has to and, in an overlap, by the one before it, whose file may have been taken away. */
static enum status
sign_text(const struct commit *c, uint64_t size, struct bytes text, struct writer *w)
{
	const struct key_history *keys = apply_keys(c->apply);
	const struct ledger_key *must = key_history_checkpoint(keys, size);
	const struct ledger_key *signers[2] = { must, key_history_beside(keys, size, apply_head(c->apply)->committed_at_us) };
	enum status st = ST_OK;

	writer_put(w, LITERAL("\n"));
	for (size_t i = 0; i < 2 && signers[i] != NULL && st == ST_OK; i++) {
		struct note_key key = note_key_of(origin_of(c->service), NOTE_ED25519, signers[i]->public_key);
		uint8_t signature[SIGNATURE_BYTES];

		st = sign_bytes_as(c->service->keys, signers[i]->public_key, text, signature);
		if (st == ST_OK)
			note_line_print(w, key.name, key.id, bytes_of(signature, sizeof(signature)));
		else if (st == ST_NOTFOUND && signers[i] != must)
			st = ST_OK;
	}
	return st;
}

enum status
checkpoint_sign(const struct commit *c, struct signed_head *ret)
{
	const struct service *s = c->service;
	struct checkpoint head = { .origin = origin_of(s), .size = apply_tree(c->apply)->size };
	struct writer w = writer_of(ret->note, sizeof(ret->note));

	merkle_tree_root(apply_tree(c->apply), head.root);
	checkpoint_print(&w, &head);
	enum status st = writer_status(&w);
	if (st == ST_OK)
		st = sign_text(c, head.size, writer_bytes(&w), &w);
	if (st != ST_OK)
		return st;
	ret->head.size = head.size;
	memcpy(ret->head.root, head.root, sizeof(head.root));
	ret->note_bytes = w.len;
	return writer_status(&w);
}

bool
checkpoint_due(const struct commit *c)
{
	return apply_tree(c->apply)->size > c->checkpoint.head.size && clock_monotonic_us() >= c->checkpoint_at_us;
}

enum status
checkpoint_append(struct commit *c, struct store_txn *ledger)
{
	uint8_t key[8];
	enum status st = checkpoint_sign(c, &c->checkpoint_next);

	if (st != ST_OK)
		return st;
	put_be64(key, c->checkpoint_next.head.size);
	store_append(ledger, TABLE_CHECKPOINT, bytes_of(key, sizeof(key)), bytes_of(c->checkpoint_next.note, c->checkpoint_next.note_bytes));
	return ST_OK;
}

/* It is durable: whoever publishes may have it. */
void
checkpoint_show(struct commit *c)
{
	struct service *s = c->service;

	if (c->checkpoint_next.head.size == c->checkpoint.head.size)
		return;
	c->checkpoint = c->checkpoint_next;
	c->checkpoint_at_us = clock_monotonic_us() + CHECKPOINT_INTERVAL_US;
	pthread_mutex_lock(&s->head_lock);
	s->checkpoint = c->checkpoint;
	pthread_mutex_unlock(&s->head_lock);
}

enum status
checkpoint_alone(struct commit *c)
{
	struct store_txn *ledger;

	assert(c->sealed_first == NULL && !c->is_open);
	enum status st = store_write(c->service->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st == ST_FULL ? ST_OK : st;
	st = checkpoint_append(c, ledger);
	if (st == ST_OK)
		st = store_commit(ledger);
	else
		store_abort(ledger);
	if (st == ST_OK)
		checkpoint_show(c);
	else
		c->checkpoint_next = c->checkpoint;
	return st == ST_FULL ? ST_OK : st;
}

/* ---- start ---- */

static enum status
read_stored(const struct service *s, struct bytes text, struct signed_head *ret)
{
	enum note_signed is_signed;
	struct checkpoint c;
	struct note note;

	if (text.len > sizeof(ret->note) || note_parse(text, &note) != NOTE_OK || checkpoint_parse(note.text, &c) != CHECKPOINT_OK ||
	    !bytes_equal(c.origin, origin_of(s)))
		return ST_CORRUPT;
	const struct ledger_key *must = key_history_checkpoint(apply_keys(s->apply), c.size);
	struct note_key key = note_key_of(c.origin, NOTE_ED25519, must->public_key);
	enum status st = note_verify(&note, &key, verify_parts, NULL, &is_signed);
	if (st != ST_OK || is_signed != NOTE_SIGNED)
		return st == ST_OK ? ST_CORRUPT : st;
	ret->head.size = c.size;
	memcpy(ret->head.root, c.root, sizeof(c.root));
	memcpy(ret->note, text.data, text.len);
	ret->note_bytes = text.len;
	return ST_OK;
}

enum status
checkpoint_load(struct service *s, uint64_t size)
{
	struct bytes key, value;
	struct store_txn *ledger;
	uint8_t root[SHA256_BYTES];

	enum status st = store_read(s->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	st = store_last(ledger, TABLE_CHECKPOINT, &key, &value);
	if (st == ST_OK)
		st = read_stored(s, value, &s->checkpoint);
	if (st == ST_OK && (key.len != 8 || get_be64(key.data) != s->checkpoint.head.size || s->checkpoint.head.size > size))
		st = ST_CORRUPT;
	store_abort(ledger);
	if (st == ST_NOTFOUND)
		return ST_OK;
	if (st == ST_OK)
		st = apply_root_at(s->apply, s->checkpoint.head.size, root);
	if (st == ST_OK && memcmp(root, s->checkpoint.head.root, sizeof(root)) != 0)
		st = ST_FORK;
	return st;
}
