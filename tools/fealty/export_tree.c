#include "export_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/ledger.h"

#define BUNDLE_BYTES_MAX (TILE_WIDTH * (2 + (size_t)LEDGER_LEAF_BYTES_MAX))

enum status
export_tree_init(struct export_tree *t, struct export_dir *dir)
{
	t->dir = dir;
	t->bundle = malloc(BUNDLE_BYTES_MAX);
	for (size_t i = 0; i < TILE_WIDTH; i++)
		t->hash_ends[i] = (i + 1) * SHA256_BYTES;
	export_tree_restart(t);
	return t->bundle == NULL ? ST_NOMEM : ST_OK;
}

void
export_tree_release(struct export_tree *t)
{
	free(t->bundle);
	t->bundle = NULL;
}

void
export_tree_restart(struct export_tree *t)
{
	merkle_tree_init(&t->tree);
	t->tile_status = ST_OK;
	t->entries_bytes = 0;
	t->width = 0;
}

void
export_tree_take(struct export_tree *t, struct bytes leaf)
{
	size_t at = t->width == 0 ? 0 : t->bundle_ends[t->width - 1];
	struct writer w = writer_of(t->bundle + at, BUNDLE_BYTES_MAX - at);

	assert(t->width < TILE_WIDTH && leaf.len <= LEDGER_LEAF_BYTES_MAX);
	bundle_put(&w, leaf);
	t->bundle_ends[t->width++] = at + writer_bytes(&w).len;
}

bool
export_tree_full(const struct export_tree *t)
{
	return t->width == TILE_WIDTH;
}

static void
on_complete(void *ctx, unsigned level, uint64_t index, const uint8_t hash[static SHA256_BYTES])
{
	struct export_tree *t = ctx;
	unsigned place = (unsigned)(index % TILE_WIDTH);
	struct tile tile = { .level = level, .index = index / TILE_WIDTH, .width = TILE_WIDTH };

	memcpy(t->hashes[level] + (size_t)place * SHA256_BYTES, hash, SHA256_BYTES);
	if (place == TILE_WIDTH - 1 && t->tile_status == ST_OK)
		t->tile_status = export_dir_put_tile(t->dir, &tile, bytes_of(t->hashes[level], sizeof(t->hashes[level])), t->hash_ends);
}

enum status
export_tree_put(struct export_tree *t)
{
	struct tile tile = { .entries = true, .index = t->tree.size / TILE_WIDTH, .width = t->width };
	uint8_t hash[SHA256_BYTES];
	size_t at = 0;

	if (t->width == 0)
		return t->tile_status;
	for (unsigned i = 0; i < t->width; i++) {
		merkle_leaf_hash(bytes_of(t->bundle + at + 2, t->bundle_ends[i] - at - 2), hash);
		merkle_tree_append(&t->tree, hash, on_complete, t);
		at = t->bundle_ends[i];
	}
	t->width = 0;
	t->entries_bytes += at;
	return t->tile_status == ST_OK ? export_dir_put_tile(t->dir, &tile, bytes_of(t->bundle, at), t->bundle_ends) : t->tile_status;
}

enum status
export_tree_end(struct export_tree *t)
{
	enum status st = export_tree_put(t);

	for (unsigned level = 0; level < EXPORT_TREE_LEVELS && st == ST_OK; level++) {
		uint64_t last = tile_count(level, t->tree.size);
		if (last == 0)
			break;
		struct tile tile = { .level = level, .index = last - 1, .width = tile_width(level, last - 1, t->tree.size) };
		if (tile.width < TILE_WIDTH)
			st = export_dir_put_tile(
			    t->dir, &tile, bytes_of(t->hashes[level], (size_t)tile.width * SHA256_BYTES), t->hash_ends);
	}
	return st;
}
