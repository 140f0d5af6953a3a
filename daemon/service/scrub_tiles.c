/* What is missing is remembered as well as what is there: behind a damaged page there may be thousands of rows, each of which would be looked for again. */
#include "service/scrub_tiles.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_HASHES 1024
#define PIECE_BYTES ((size_t)48 << 10)
#define TILE_KEY 9			/* level u8, index be64 */

struct piece {
	uint64_t first;
	size_t n;
	uint64_t bad_first, bad_end;	/* on a page that is damaged */
	uint8_t hash[PIECE_HASHES][SHA256_BYTES];
};

struct scrub_tiles {
	struct store_disk *disk;
	void (*damaged)(void *ctx, const struct store_disk_fault *fault);
	void *ctx;
	unsigned level;			/* that is being read */
	uint64_t bytes;
	struct piece pieces[SCRUB_LEVELS];
};

static void
on_row(void *ctx, struct bytes key, struct bytes value)
{
	struct scrub_tiles *t = ctx;
	struct piece *p = &t->pieces[t->level];

	if (p->n == PIECE_HASHES || key.len != TILE_KEY || key.data[0] != t->level || value.len != SHA256_BYTES)
		return;
	if (get_be64(key.data + 1) == p->first + p->n)
		memcpy(p->hash[p->n++], value.data, SHA256_BYTES);
}

/* Of a bound of the page: the index in this level. */
static uint64_t
bound(const struct scrub_tiles *t, const struct store_key *key, uint64_t otherwise)
{
	if (key->len < TILE_KEY || key->data[0] != t->level)
		return otherwise;
	return get_be64(key->data + 1);
}

static void
on_fault(void *ctx, const struct store_disk_fault *fault)
{
	struct scrub_tiles *t = ctx;
	struct piece *p = &t->pieces[t->level];

	uint64_t first = bound(t, &fault->from, p->first);
	if (p->bad_end == 0 || first < p->bad_first)
		p->bad_first = first;
	uint64_t end = bound(t, &fault->before, UINT64_MAX);
	if (end > p->bad_end)
		p->bad_end = end;
	t->damaged(t->ctx, fault);
}

static enum status
fill(struct scrub_tiles *t, unsigned level, uint64_t index)
{
	const struct store_disk_visit visit = { t, on_row, on_fault };
	struct piece *p = &t->pieces[level];
	struct store_key from = { .len = TILE_KEY };
	struct store_disk_read read;

	t->level = level;
	p->first = index;
	p->n = 0;
	p->bad_first = p->bad_end = 0;
	from.data[0] = (uint8_t)level;
	put_be64(from.data + 1, index);
	enum status st = store_disk_read(t->disk, TABLE_TILE, &from, PIECE_BYTES, &visit, &read);
	t->bytes += read.bytes;
	return st;
}

static bool
has(const struct piece *p, uint64_t index)
{
	return index - p->first < p->n;
}

static bool
is_bad(const struct piece *p, uint64_t index)
{
	return index >= p->bad_first && index < p->bad_end;
}

enum status
scrub_tiles_get(struct scrub_tiles *t, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	assert(level < SCRUB_LEVELS);
	struct piece *p = &t->pieces[level];
	enum status st = has(p, index) || is_bad(p, index) ? ST_OK : fill(t, level, index);

	if (st != ST_OK)
		return st;
	if (!has(p, index))
		return is_bad(p, index) ? ST_CORRUPT : ST_NOTFOUND;
	memcpy(ret_hash, p->hash[index - p->first], SHA256_BYTES);
	return ST_OK;
}

uint64_t
scrub_tiles_bytes(struct scrub_tiles *t)
{
	uint64_t bytes = t->bytes;

	t->bytes = 0;
	return bytes;
}

enum status
scrub_tiles_new(struct store *store, void (*damaged)(void *ctx, const struct store_disk_fault *fault), void *ctx, struct scrub_tiles **ret_tiles)
{
	struct scrub_tiles *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return ST_NOMEM;
	t->damaged = damaged;
	t->ctx = ctx;
	enum status st = store_disk_open(store, STORE_STATE, &t->disk);
	if (st != ST_OK) {
		free(t);
		return st;
	}
	*ret_tiles = t;
	return ST_OK;
}

void
scrub_tiles_free(struct scrub_tiles *t)
{
	if (t == NULL)
		return;
	store_disk_close(t->disk);
	free(t);
}
