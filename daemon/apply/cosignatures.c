/*
 * What witnesses have signed behind a checkpoint: in the order of their keys' hashes, so that whoever puts a note together from one ledger gets
 * the same bytes.  A row that the disk made into something else than a line is left out: it would make the whole note unreadable.
 */
#include "apply/apply.h"

#include <string.h>

#include "merkle/note.h"

#define LINES_MAX 96			/* together with the log's fewer than a note may have */

enum status
apply_put_cosignatures(struct store_txn *ledger, uint64_t size, uint8_t text[static LOG_NOTE_BYTES_MAX], size_t *len)
{
	unsigned lines = LINES_MAX;
	struct store_cursor *cursor;
	struct bytes key, line;
	uint8_t from[8];

	put_be64(from, size);
	enum status st = store_cursor_open(ledger, TABLE_COSIGNATURE, bytes_of(from, sizeof(from)), &cursor);
	if (st != ST_OK)
		return st;
	while ((st = store_cursor_next(cursor, &key, &line)) == ST_OK) {
		if (key.len < 8 || get_be64(key.data) != size || lines-- == 0 || line.len > LOG_NOTE_BYTES_MAX - *len)
			break;
		if (key.len != COSIGNATURE_KEY_BYTES || !note_is_line(line, get_be32(key.data + 8)))
			continue;
		memcpy(text + *len, line.data, line.len);
		*len += line.len;
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}
