/*
 * A checkpoint as it is shown: the note as the log signed it, and behind it the lines of the witnesses, in the order of their keys' hashes.
 * So whoever puts it together from one ledger gets the same bytes.  A row that the disk made into something else than a line is left out: it
 * would make the whole note unreadable.
 */
#include <assert.h>
#include <string.h>

#include "merkle/note.h"
#include "service/witness.h"

/* Appends what is stored for ${note->size}, as far as there is room. */
static enum status
put_cosignatures(struct store_txn *ledger, struct log_note *note)
{
	unsigned lines = LOG_NOTE_LINES_MAX;
	struct store_cursor *cursor;
	struct bytes key, line;
	uint8_t from[8];

	put_be64(from, note->size);
	enum status st = store_cursor_open(ledger, TABLE_COSIGNATURE, bytes_of(from, sizeof(from)), &cursor);
	if (st != ST_OK)
		return st;
	while ((st = store_cursor_next(cursor, &key, &line)) == ST_OK) {
		if (key.len < 8 || get_be64(key.data) != note->size || lines-- == 0 || line.len > sizeof(note->text) - note->len)
			break;
		if (key.len != COSIGNATURE_KEY_BYTES || !note_is_line(line, get_be32(key.data + 8)))
			continue;
		memcpy(note->text + note->len, line.data, line.len);
		note->len += line.len;
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum status
log_note_make(struct store_txn *ledger, uint64_t size, struct bytes signed_note, struct log_note *ret)
{
	if (signed_note.len > sizeof(ret->text))
		return ST_CORRUPT;
	ret->size = size;
	ret->len = signed_note.len;
	memcpy(ret->text, signed_note.data, signed_note.len);
	return put_cosignatures(ledger, ret);
}

enum status
log_note_read(struct store_txn *ledger, uint64_t size, struct log_note *ret)
{
	struct bytes note;
	uint8_t key[8];

	put_be64(key, size);
	enum status st = store_get(ledger, TABLE_CHECKPOINT, bytes_of(key, sizeof(key)), &note);
	return st == ST_OK ? log_note_make(ledger, size, note, ret) : st;
}

void
log_note_serve(struct service *s, const struct log_note *note)
{
	pthread_mutex_lock(&s->head_lock);
	assert(note->size >= s->served.size && note->size <= s->public_checkpoint.head.size);
	s->served = *note;
	pthread_mutex_unlock(&s->head_lock);
}

enum status
log_note_serve_public(struct service *s)
{
	struct signed_head newest;
	struct store_txn *ledger;
	struct log_note note;

	pthread_mutex_lock(&s->head_lock);
	newest = s->public_checkpoint;
	pthread_mutex_unlock(&s->head_lock);
	enum status st = store_read(s->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	st = log_note_make(ledger, newest.head.size, bytes_of(newest.note, newest.note_bytes), &note);
	store_abort(ledger);
	if (st == ST_OK)
		log_note_serve(s, &note);
	return st;
}
