/* Both states were made from the same transactions by the same function, so their rows are the same bytes, table by table. */
#include "audit.h"
#include "table_text.h"

#include <string.h>

/* All that state holds but `meta`, which has the head itself, and `look`, of which the ledger does not tell. */
static const enum store_table compared[] = { TABLE_PROGRAM, TABLE_VERSION, TABLE_MEMBER, TABLE_HOLD, TABLE_FOLLOWUP, TABLE_REQUEST,
	TABLE_RECEIPT, TABLE_DUE, TABLE_TILE, TABLE_KEY, TABLE_APPROVER, TABLE_WAITING, TABLE_TERMINAL };

struct rows {
	struct store_cursor *cursor;
	struct bytes key, value;
	bool ended;
};

static enum status
side_next(struct rows *side)
{
	enum status st = store_cursor_next(side->cursor, &side->key, &side->value);

	side->ended = st == ST_NOTFOUND;
	return side->ended ? ST_OK : st;
}

/* Below zero: theirs is first. */
static int
order(const struct rows *theirs, const struct rows *ours)
{
	if (theirs->ended || ours->ended)
		return theirs->ended ? 1 : -1;
	size_t common = theirs->key.len < ours->key.len ? theirs->key.len : ours->key.len;
	int c = memcmp(theirs->key.data, ours->key.data, common);
	return c != 0 ? c : (theirs->key.len > ours->key.len) - (theirs->key.len < ours->key.len);
}

static enum status
differs(struct audit *audit, enum store_table table, struct bytes key, const char *how)
{
	char text[TABLE_KEY_TEXT_BYTES];

	finding_set(&audit->finding, "STATE_DIFFERS",
	    "state/ is not what the ledger brings about at %llu transactions: the row %.200s of the table %s %s",
	    (unsigned long long)audit->state_size, table_key_format(table, key, text), store_table_str(table), how);
	return ST_INVALID;
}

static enum status
compare_rows(struct audit *audit, enum store_table table, struct rows *theirs, struct rows *ours)
{
	enum status st = side_next(theirs);

	if (st == ST_OK)
		st = side_next(ours);
	while (st == ST_OK && !(theirs->ended && ours->ended)) {
		int c = order(theirs, ours);
		if (c < 0)
			return differs(audit, table, theirs->key, "should not be there");
		if (c > 0)
			return differs(audit, table, ours->key, "is missing");
		if (!bytes_equal(theirs->value, ours->value))
			return differs(audit, table, theirs->key, "has other contents");
		audit->state_rows++;
		st = side_next(theirs);
		if (st == ST_OK)
			st = side_next(ours);
	}
	return st;
}

static enum status
compare_table(struct audit *audit, enum store_table table, struct store_txn *theirs_txn, struct store_txn *ours_txn)
{
	struct rows theirs = { .cursor = NULL }, ours = { .cursor = NULL };
	struct bytes from = bytes_of("", 0);

	enum status st = store_cursor_open(theirs_txn, table, from, &theirs.cursor);
	if (st != ST_OK)
		return st;
	st = store_cursor_open(ours_txn, table, from, &ours.cursor);
	if (st == ST_OK) {
		st = compare_rows(audit, table, &theirs, &ours);
		store_cursor_close(ours.cursor);
	}
	store_cursor_close(theirs.cursor);
	return st;
}

enum status
audit_state(struct audit *audit, struct store_txn *theirs)
{
	struct store_txn *ours;

	enum status st = store_read(audit->store, STORE_STATE, &ours);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < sizeof(compared) / sizeof(compared[0]) && st == ST_OK; i++)
		st = compare_table(audit, compared[i], theirs, ours);
	store_abort(ours);
	return st;
}

enum status
audit_state_unreadable(struct audit *audit)
{
	finding_set(&audit->finding, "STATE_DIFFERS", "state/ cannot be read: its file is damaged. Stop the daemon, empty state/, and it is rebuilt");
	return ST_INVALID;
}
