/* A checkpoint as it is shown: the note as the log signed it, and behind it the lines of the witnesses. */
#include <assert.h>
#include <string.h>

#include "service/witness.h"

enum status
log_note_make(struct store_txn *ledger, uint64_t size, struct bytes signed_note, struct log_note *ret)
{
	if (signed_note.len > sizeof(ret->text))
		return ST_CORRUPT;
	ret->size = size;
	ret->len = signed_note.len;
	memcpy(ret->text, signed_note.data, signed_note.len);
	return apply_put_cosignatures(ledger, size, ret->text, &ret->len);
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
