/*
 * The cosignatures that a ledger has stored.  Whose keys to trust is for a policy to say, so none is verified here; but each must be what can
 * stand in a note, under the key that it is stored for, and of a checkpoint that is there.
 */
#include "audit.h"
#include "guard.h"

#include "merkle/note.h"

#define KEY_BYTES (8 + SHA256_BYTES)		/* size, SHA-256 of the witness's key, of which the key id is the beginning */

static enum status
bad(struct audit *audit, uint64_t size, const char *what)
{
	finding_set(&audit->finding, "COSIGNATURE_DAMAGED", "a cosignature of the checkpoint of %llu transactions %s", (unsigned long long)size, what);
	audit->finding.has_size = true;
	audit->finding.size = size;
	return ST_INVALID;
}

/* Rows of one size follow each other, so its checkpoint is looked for once. */
static enum status
judge(struct audit *audit, struct store_txn *ledger, struct bytes key, struct bytes line, uint64_t *at_size)
{
	struct bytes note;

	if (key.len != KEY_BYTES) {
		finding_set(&audit->finding, "COSIGNATURE_DAMAGED", "a cosignature is stored under %zu bytes that are no size and key", key.len);
		return ST_INVALID;
	}
	uint64_t size = get_be64(key.data);
	enum status st = size == *at_size ? ST_OK : store_get(ledger, TABLE_CHECKPOINT, bytes_of(key.data, 8), &note);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? bad(audit, size, "is there without it") : st;
	*at_size = size;
	return note_is_line(line, get_be32(key.data + 8)) ? ST_OK : bad(audit, size, "is not a signature line of the key that it is stored under");
}

enum status
audit_cosignatures(struct audit *audit, struct store_txn *ledger)
{
	struct store_cursor *cursor;
	struct bytes key, line;
	uint64_t at_size = 0;

	guard_at(GUARD_LEDGER, audit->first);
	enum status st = store_cursor_open(ledger, TABLE_COSIGNATURE, bytes_of("", 0), &cursor);
	if (st != ST_OK)
		return st;
	while (st == ST_OK && (st = store_cursor_next(cursor, &key, &line)) == ST_OK)
		st = judge(audit, ledger, key, line, &at_size);
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}
