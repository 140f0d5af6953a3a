/*
 * The public size is taken before the transactions are opened, and a checkpoint is made public only after ledger and state have all that it
 * covers: so what is public is there to be read.  The exception is a state that found no space while the ledger did; then its tiles come
 * when there is space again, and until then the answer is to ask again.
 *
 * A bundle is measured before it is copied: its memory is taken once, and never more than the caller allows.
 */
#include "service/log_read.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "merkle/tile.h"
#include "service/internal.h"

static enum log_read
answer_of(enum status st)
{
	return st == ST_OK ? LOG_READ_OK : st == ST_BUSY || st == ST_TOO_LARGE ? LOG_READ_NOT_NOW : LOG_READ_FAILED;
}

/* ---- the checkpoint ---- */

enum log_read
service_log_checkpoint(struct service *s, struct buf *out)
{
	struct log_note note;

	pthread_mutex_lock(&s->head_lock);
	note = s->served;
	pthread_mutex_unlock(&s->head_lock);
	if (note.size == 0)
		return LOG_READ_NOTHING;
	buf_put(out, note.text, note.len);
	return LOG_READ_OK;
}

/* ---- tiles ---- */

static enum status
fetch_hash(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	return apply_read_tile(ctx, level, index, ret_hash);
}

static enum status
read_hashes(struct service *s, const struct tile *tile, size_t bytes_max, struct buf *out)
{
	uint8_t hashes[TILE_WIDTH * SHA256_BYTES];
	size_t len = (size_t)tile->width * SHA256_BYTES;
	struct store_txn *state;

	if (len > bytes_max)
		return ST_TOO_LARGE;
	enum status st = store_read(s->store, STORE_STATE, &state);
	if (st != ST_OK)
		return st;
	st = tile_hashes(tile, fetch_hash, state, hashes);
	store_abort(state);
	if (st == ST_OK)
		buf_put(out, hashes, len);
	return st == ST_NOTFOUND ? ST_BUSY : st;
}

/* ---- bundles ---- */

/* Calls take() for each entry of the bundle.  With ${state} its hash is compared: caches keep for a year what is told once. */
static enum status
each_entry(struct store_txn *ledger, struct store_txn *state, const struct tile *tile, void (*take)(void *ctx, struct bytes leaf), void *ctx)
{
	uint64_t first = tile->index * TILE_WIDTH;
	struct store_cursor *cursor;
	struct bytes key, leaf;
	uint8_t from[8];

	put_be64(from, first);
	enum status st = store_cursor_open(ledger, TABLE_TRANSACTION, bytes_of(from, sizeof(from)), &cursor);
	if (st != ST_OK)
		return st;
	for (unsigned i = 0; i < tile->width && st == ST_OK; i++) {
		st = store_cursor_next(cursor, &key, &leaf);
		if (st == ST_OK && (key.len != 8 || get_be64(key.data) != first + i || leaf.len > TILE_ENTRY_BYTES_MAX))
			st = ST_CORRUPT;
		if (st == ST_OK && state != NULL)
			st = leaf_is_good(state, first + i, leaf);
		if (st == ST_OK)
			take(ctx, leaf);
	}
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_CORRUPT : st;
}

static void
add_length(void *ctx, struct bytes leaf)
{
	*(size_t *)ctx += 2 + leaf.len;
}

static void
put_entry(void *ctx, struct bytes leaf)
{
	bundle_put(ctx, leaf);
}

static enum status
read_bundle(struct service *s, const struct tile *tile, size_t bytes_max, struct buf *out)
{
	struct store_txn *state = NULL, *ledger = NULL;
	size_t len = 0;

	enum status st = store_read(s->store, STORE_STATE, &state);
	if (st == ST_OK)
		st = store_read(s->store, STORE_LEDGER, &ledger);
	if (st == ST_OK)
		st = each_entry(ledger, state, tile, add_length, &len);
	if (st == ST_OK && len > bytes_max)
		st = ST_TOO_LARGE;
	uint8_t *room = st == ST_OK ? buf_room(out, len) : NULL;
	if (room != NULL) {
		struct writer w = writer_of(room, len);
		st = each_entry(ledger, NULL, tile, put_entry, &w);
		if (st == ST_OK)
			st = writer_status(&w);
		if (st == ST_OK)
			out->len += len;
	}
	store_abort(ledger);
	store_abort(state);
	return st;
}

enum log_read
service_log_tile(struct service *s, const char *path, size_t bytes_max, struct buf *out)
{
	char whole[TILE_PATH_BYTES + 1];
	struct tile tile;

	int len = snprintf(whole, sizeof(whole), "tile/%s", path);
	if (len >= (int)sizeof(whole) || tile_parse(bytes_of(whole, (size_t)len), &tile) != TILE_OK)
		return LOG_READ_NOTHING;
	pthread_mutex_lock(&s->head_lock);
	uint64_t size = s->public_checkpoint.head.size;
	pthread_mutex_unlock(&s->head_lock);
	if (tile.width > tile_width(tile.level, tile.index, size))
		return LOG_READ_NOTHING;
	return answer_of(tile.entries ? read_bundle(s, &tile, bytes_max, out) : read_hashes(s, &tile, bytes_max, out));
}
