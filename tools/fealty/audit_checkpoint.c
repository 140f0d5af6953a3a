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

#include "merkle/checkpoint.h"
#include "merkle/note.h"

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

/* ST_INVALID; ${what} goes on from "the checkpoint of N transactions". */
static enum status
bad(struct audit *audit, uint64_t size, const char *reason, const char *what)
{
	finding_set(&audit->finding, reason, "the checkpoint of %llu %s %s", (unsigned long long)size,
	    size == 1 ? "transaction" : "transactions", what);
	audit->finding.has_size = true;
	audit->finding.size = size;
	audit->finding.seq = size == 0 ? 0 : size - 1;
	return ST_INVALID;
}

/* ---- reading ---- */

static enum status
take(struct audit *audit, struct bytes key, struct bytes value)
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

static void
forget(struct audit_checkpoints *c)
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
	forget(&audit->checkpoints);
	enum status st = store_cursor_open(ledger, TABLE_CHECKPOINT, rows_from(audit, from), &cursor);
	if (st != ST_OK)
		return st;
	while (st == ST_OK && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		if (key.len == 8 && get_be64(key.data) > audit->first + audit->n)
			break;
		st = take(audit, key, value);
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum status
audit_checkpoints_end(struct audit *audit, struct store_txn *ledger, uint64_t size)
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

/* ---- judging ---- */

static enum status
verify(void *ctx, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    const uint8_t signature[static NOTE_ED25519_BYTES])
{
	(void)ctx;
	assert(n_parts == 1);			/* a cosignature has two, and a log's own signature is none */
	return verify_bytes(public_key, parts[0], bytes_of(signature, NOTE_ED25519_BYTES));
}

static enum status
judge_one(struct audit *audit, const struct note *note, const struct note_key *key, bool must, uint64_t size)
{
	enum note_signed is_signed;

	enum status st = note_verify(note, key, verify, NULL, &is_signed);
	if (st != ST_OK || is_signed == NOTE_SIGNED)
		return st;
	if (is_signed == NOTE_FORGED)
		return bad(audit, size, "CHECKPOINT_FORGED", "has a signature that does not verify");
	return must ? bad(audit, size, "CHECKPOINT_FOREIGN", "is not signed by the key that the ledger had then") : ST_OK;
}

/* By the key that has to, in an overlap perhaps by the one before, and in the log's name by nobody else. */
static enum status
judge_signature(struct audit *audit, const struct note *note, uint64_t size)
{
	const struct apply_head *head = apply_head(audit->apply);
	const struct key_history *keys = apply_keys(audit->apply);
	const struct ledger_key *signers[2] = { key_history_checkpoint(keys, size), key_history_beside(keys, size, head->committed_at_us) };
	struct bytes origin = bytes_of(head->origin, strlen(head->origin));
	uint32_t ids[2] = { 0 };
	enum status st = ST_OK;

	for (size_t i = 0; i < 2 && signers[i] != NULL && st == ST_OK; i++) {
		struct note_key key = note_key_of(origin, NOTE_ED25519, signers[i]->public_key);
		ids[i] = key.id;
		st = judge_one(audit, note, &key, i == 0, size);
	}
	for (size_t i = 0; i < note->n_signatures && st == ST_OK; i++) {
		uint32_t id = note->signature[i].key_id;
		if (bytes_equal(note->signature[i].name, origin) && id != ids[0] && (signers[1] == NULL || id != ids[1]))
			st = bad(audit, size, "CHECKPOINT_FOREIGN", "is also signed by a key that is unknown, or was the ledger's at another time");
	}
	return st;
}

static enum status
malformed(struct audit *audit, uint64_t size, const char *why)
{
	char what[160];

	(void)snprintf(what, sizeof(what), "cannot be read: %s", why);
	return bad(audit, size, "CHECKPOINT_DAMAGED", what);
}

static enum status
judge(struct audit *audit, const struct audit_checkpoint *row)
{
	const struct apply_head *head = apply_head(audit->apply);
	uint8_t root[SHA256_BYTES];
	struct checkpoint c;
	struct note note;

	enum note_result parsed = note_parse(row->text, &note);
	if (parsed != NOTE_OK)
		return malformed(audit, row->size, note_result_str(parsed));
	enum checkpoint_result read = checkpoint_parse(note.text, &c);
	if (read != CHECKPOINT_OK)
		return malformed(audit, row->size, checkpoint_result_str(read));
	if (!bytes_equal(c.origin, bytes_of(head->origin, strlen(head->origin))))
		return bad(audit, row->size, "CHECKPOINT_FOREIGN", "is of another log: its origin is not the ledger's");
	enum status st = judge_signature(audit, &note, row->size);
	if (st != ST_OK)
		return st;
	merkle_tree_root(apply_tree(audit->apply), root);
	if (c.size != row->size)
		return bad(audit, row->size, "CHECKPOINT_DIFFERS", "says another size than it is stored under");
	if (memcmp(root, c.root, sizeof(root)) != 0)
		return bad(audit, row->size, "CHECKPOINT_DIFFERS", "has another root than these transactions have");
	audit->checkpoints.verified++;
	return ST_OK;
}

enum status
audit_checkpoints_reached(struct audit *audit)
{
	struct audit_checkpoints *c = &audit->checkpoints;
	uint64_t size = apply_tree(audit->apply)->size;

	if (c->next == c->n || c->rows[c->next].size != size)
		return ST_OK;
	return judge(audit, &c->rows[c->next++]);
}
