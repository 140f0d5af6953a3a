/*
 * The checkpoints that a ledger has stored, each judged at the moment when the replay's tree has just as many leaves: no tree is built for
 * them, and a root costs as many hashes as the tree is high.
 *
 * They are copied together with the chunk that reaches them, so that the source can rest while they are judged.  Rows are looked at in the
 * order of their keys and none is passed over, also those whose key is no size.
 */
#include "audit.h"
#include "guard.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ROW_BYTES_MAX 4096
#define ROWS_ARENA_BYTES ((size_t)CHUNK_LEAVES_MAX * (ROW_BYTES_MAX + 64))

struct audit_checkpoint { uint64_t size; struct bytes text; };

void
audit_checkpoints_begin(struct audit_checkpoints *c)
{
	arena_init(&c->arena, ROWS_ARENA_BYTES);
	c->begun = true;
}

void
audit_checkpoints_release(struct audit_checkpoints *c)
{
	if (c->begun)
		arena_release(&c->arena);
	c->begun = false;
}

static enum status
bad(struct audit *audit, uint64_t size, const char *reason, const char *what)
{
	finding_set_checkpoint(&audit->finding, size, reason, what);
	return ST_INVALID;
}

/* ---- reading ---- */

enum status
audit_checkpoints_take(struct audit *audit, struct bytes key, struct bytes value)
{
	struct audit_checkpoints *c = &audit->checkpoints;

	if (key.len != 8) {
		finding_set(&audit->finding, "CHECKPOINT_DAMAGED", "a checkpoint is stored under %zu bytes that are no size", key.len);
		audit->finding.seq = audit->first;
		return ST_INVALID;
	}
	uint64_t size = get_be64(key.data);
	if (size == 0)
		return bad(audit, size, "CHECKPOINT_DAMAGED", "cannot be: a ledger begins with one");
	if (value.len > ROW_BYTES_MAX)
		return bad(audit, size, "CHECKPOINT_DAMAGED", "is longer than a checkpoint can be");
	struct audit_checkpoint *rows = arena_grow(&c->arena, c->rows, &c->cap, c->n + 1, sizeof(*rows));
	char *copy = rows == NULL ? NULL : arena_memdup(&c->arena, value.data, value.len);
	if (copy == NULL)
		return ST_NOMEM;
	rows[c->n++] = (struct audit_checkpoint){ size, bytes_of(copy, value.len) };
	c->rows = rows;
	return ST_OK;
}

uint64_t
audit_checkpoints_last(const struct audit_checkpoints *c)
{
	assert(c->n > 0);
	return c->rows[c->n - 1].size;
}

void
audit_checkpoints_forget(struct audit_checkpoints *c)
{
	arena_reset(&c->arena);
	c->rows = NULL;
	c->n = 0;
	c->cap = 0;
	c->next = 0;
}

/* From behind those of the chunk before; the first time from the very first row. */
static struct bytes
rows_from(const struct audit *audit, uint8_t key[static 8])
{
	put_be64(key, audit->first + 1);
	return bytes_of(key, audit->first == 0 ? 0 : 8);
}

enum status
audit_checkpoints_fill(struct audit *audit, struct store_txn *ledger)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	uint8_t from[8];

	guard_at(GUARD_LEDGER, audit->first);
	audit->checkpoints.compared = true;
	audit_checkpoints_forget(&audit->checkpoints);
	enum status st = store_cursor_open(ledger, TABLE_CHECKPOINT, rows_from(audit, from), &cursor);
	if (st != ST_OK)
		return st;
	while (st == ST_OK && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		if (key.len == 8 && get_be64(key.data) > audit->first + audit->n)
			break;
		st = audit_checkpoints_take(audit, key, value);
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status
judge_last(struct audit *audit, struct store_txn *ledger, uint64_t size)
{
	struct bytes key, value;

	guard_at(GUARD_LEDGER, audit->first);
	enum status st = store_last(ledger, TABLE_CHECKPOINT, &key, &value);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	if (key.len == 8 && get_be64(key.data) <= size)
		return ST_OK;
	if (key.len == 8)
		return bad(audit, get_be64(key.data), "CHECKPOINT_DIFFERS", "is of more than the ledger has");
	finding_set(&audit->finding, "CHECKPOINT_DAMAGED", "a checkpoint is stored under %zu bytes that are no size", key.len);
	return ST_INVALID;
}

/* One is stored before anybody sees it, so one that was seen must be there. */
enum status
audit_checkpoints_end(struct audit *audit, struct store_txn *ledger, uint64_t size)
{
	const struct audit_checkpoints *c = &audit->checkpoints;

	enum status st = judge_last(audit, ledger, size);
	if (st != ST_OK)
		return st;
	if (audit->has_vkey && c->newest.size == 0)
		return bad(audit, audit->first, "CHECKPOINT_MISSING", "or of fewer is not there, and so none that the given key has signed");
	st = audit->has_vkey ? audit_checkpoint_trusted(audit, &c->newest) : ST_OK;
	if (st != ST_OK)
		return st;
	if (audit->from.size > 0 && audit->from.size <= audit->first && !c->from_stored)
		return bad(audit, audit->from.size, "CHECKPOINT_MISSING",
		    "that the last audit had is not stored any more, though its transactions are there: its row was removed");
	if (audit->head_compared && audit->published.size <= audit->first && !c->published_stored)
		return bad(audit, audit->published.size, "CHECKPOINT_MISSING",
		    "that was published is not stored any more, though its transactions are there: its row was removed");
	return ST_OK;
}

/* ---- judging ---- */

static enum status
judge_line(struct audit *audit, const struct log_head *head, const struct note_key *key, bool must, const char *unsigned_words)
{
	switch (log_head_verify(head, key)) {
	case LOG_HEAD_OK:
		return ST_OK;
	case LOG_HEAD_FORGED:
		return bad(audit, head->size, "CHECKPOINT_FORGED", "has a signature that does not verify");
	case LOG_HEAD_OTHER_ORIGIN:
		return bad(audit, head->size, "CHECKPOINT_FOREIGN", "is of another log: its origin is not the ledger's");
	case LOG_HEAD_NOT_SIGNED:
	case LOG_HEAD_NOT_A_CHECKPOINT:
		break;
	}
	return must ? bad(audit, head->size, "CHECKPOINT_FOREIGN", unsigned_words) : ST_OK;
}

/* In the log's name nobody else may sign. */
static enum status
judge_others(struct audit *audit, const struct log_head *head, const uint32_t ids[static 2])
{
	struct bytes origin = bytes_of(audit->genesis.origin, strlen(audit->genesis.origin));
	struct note note;

	if (note_parse(log_head_note(head), &note) != NOTE_OK)
		return ST_CORRUPT;		/* it was read before */
	for (size_t i = 0; i < note.n_signatures; i++) {
		uint32_t id = note.signature[i].key_id;
		if (bytes_equal(note.signature[i].name, origin) && id != ids[0] && id != ids[1])
			return bad(audit, head->size, "CHECKPOINT_FOREIGN",
			    "is also signed by a key that is unknown, or was the ledger's at another time");
	}
	return ST_OK;
}

enum status
audit_checkpoint_signed(struct audit *audit, const struct log_head *head)
{
	struct bytes origin = bytes_of(audit->genesis.origin, strlen(audit->genesis.origin));
	const struct ledger_key *beside = key_history_beside(audit_keys(audit), head->size, audit_committed_at_us(audit));
	struct note_key key = audit_checkpoint_key(audit, head->size);
	uint32_t ids[2] = { key.id, key.id };

	assert(audit_tree(audit)->size == head->size);
	enum status st = judge_line(audit, head, &key, true, "is not signed by the key that the ledger had then");
	if (st == ST_OK && beside != NULL) {
		key = note_key_of(origin, NOTE_ED25519, beside->public_key);
		ids[1] = key.id;
		st = judge_line(audit, head, &key, false, NULL);
	}
	return st == ST_OK ? judge_others(audit, head, ids) : st;
}

enum status
audit_checkpoint_trusted(struct audit *audit, const struct log_head *head)
{
	static const char unsigned_by_it[] = "is not signed by the key that was given; if the log's key was rotated, give the new one";

	return audit->has_vkey ? judge_line(audit, head, &audit->vkey, true, unsigned_by_it) : ST_OK;
}

static enum status
malformed(struct audit *audit, uint64_t size, const char *why)
{
	char what[160];

	(void)snprintf(what, sizeof(what), "cannot be read: %s", why);
	return bad(audit, size, "CHECKPOINT_DAMAGED", what);
}

void
audit_checkpoint_count(struct audit *audit, const struct log_head *head)
{
	struct audit_checkpoints *c = &audit->checkpoints;

	c->compared = true;
	c->verified++;
	c->from_stored |= head->size == audit->from.size;
	c->published_stored |= audit->head_compared && head->size == audit->published.size;
	if (!audit->head_compared || head->size <= audit->published.size)
		c->newest = *head;
}

enum status
audit_checkpoint_judge(struct audit *audit, const struct log_head *head)
{
	uint8_t root[SHA256_BYTES];

	enum status st = audit_checkpoint_signed(audit, head);
	if (st != ST_OK)
		return st;
	merkle_tree_root(audit_tree(audit), root);
	if (memcmp(root, head->root, sizeof(root)) != 0)
		return bad(audit, head->size, "CHECKPOINT_DIFFERS", "has another root than these transactions have");
	return audit->on_checkpoint == NULL ? ST_OK : audit->on_checkpoint(audit->on_ctx, audit, head);
}

static enum status
judge(struct audit *audit, const struct audit_checkpoint *row)
{
	static struct log_head head;
	const char *why;

	if (!log_head_read(row->text, &head, &why))
		return malformed(audit, row->size, why);
	if (head.size != row->size)
		return bad(audit, row->size, "CHECKPOINT_DIFFERS", "says another size than it is stored under");
	enum status st = audit_checkpoint_judge(audit, &head);
	if (st == ST_OK)
		audit_checkpoint_count(audit, &head);
	return st;
}

enum status
audit_checkpoints_reached(struct audit *audit)
{
	struct audit_checkpoints *c = &audit->checkpoints;

	if (c->next == c->n || c->rows[c->next].size != audit_tree(audit)->size)
		return ST_OK;
	return judge(audit, &c->rows[c->next++]);
}
