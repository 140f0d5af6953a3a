/* Open addressing with linear probing.  A row, once made, stays, so that taking a step back only restores its value. */
#include "sim_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MIN 1024

struct sim_row {
	void *value;		/* NULL: not there (any more) */
	size_t len;
	uint8_t key[];
};

/* ---- undo ---- */

enum status
sim_undo_save(struct sim_undo *undo, void *at, size_t len, void *bytes)
{
	if (!undo->on)
		return ST_OK;
	if (bytes == NULL)
		bytes = arena_memdup(undo->arena, at, len);
	struct sim_image *grown = bytes == NULL ? NULL : arena_grow(undo->arena, undo->images, &undo->cap, undo->n + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	undo->images = grown;
	undo->images[undo->n++] = (struct sim_image){ at, bytes, len };
	return ST_OK;
}

void
sim_undo_begin(struct sim_undo *undo)
{
	assert(!undo->on && undo->n == 0);
	undo->on = true;
}

void
sim_undo_keep(struct sim_undo *undo)
{
	assert(undo->on);
	undo->on = false;
	undo->n = 0;
}

void
sim_undo_back(struct sim_undo *undo)
{
	assert(undo->on);
	while (undo->n > 0) {
		const struct sim_image *image = &undo->images[--undo->n];
		memcpy(image->at, image->bytes, image->len);
	}
	undo->on = false;
}

/* ---- tables ---- */

void
sim_table_init(struct sim_table *table, struct arena *arena, struct sim_undo *undo)
{
	*table = (struct sim_table){ .arena = arena, .undo = undo };
}

void
sim_table_release(struct sim_table *table)
{
	free(table->places);
	table->places = NULL;
	table->n_places = 0;
}

/* FNV-1a, and a multiplication that brings its upper bits down; the keys are the simulating person's own. */
static uint64_t
hash_of(struct bytes key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ key.data[i]) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* The key's place, or the free one where it would be.  There is always a free one: see grow(). */
static struct sim_place *
find(const struct sim_table *table, struct bytes key, uint64_t hash)
{
	size_t at = hash & (table->n_places - 1);

	for (;; at = (at + 1) & (table->n_places - 1)) {
		struct sim_place *place = &table->places[at];
		if (place->row == NULL)
			return place;
		if (place->hash == hash && place->row->len == key.len && memcmp(place->row->key, key.data, key.len) == 0)
			return place;
	}
}

void *
sim_table_get(const struct sim_table *table, struct bytes key)
{
	if (table->n_places == 0)
		return NULL;
	const struct sim_row *row = find(table, key, hash_of(key))->row;
	return row == NULL ? NULL : row->value;
}

/* At most half of the places are taken. */
static enum status
grow(struct sim_table *table)
{
	size_t n = table->n_places == 0 ? PLACES_MIN : table->n_places * 2;
	struct sim_place *places = calloc(n, sizeof(*places));

	if (places == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < table->n_places; i++) {
		if (table->places[i].row == NULL)
			continue;
		size_t at = table->places[i].hash & (n - 1);
		while (places[at].row != NULL)
			at = (at + 1) & (n - 1);
		places[at] = table->places[i];
	}
	free(table->places);
	table->places = places;
	table->n_places = n;
	return ST_OK;
}

static enum status
add(struct sim_table *table, struct bytes key, uint64_t hash, struct sim_place *place)
{
	struct sim_row *row = arena_alloc(table->arena, sizeof(*row) + key.len);

	if (row == NULL)
		return ST_NOMEM;
	row->len = key.len;
	memcpy(row->key, key.data, key.len);
	*place = (struct sim_place){ hash, row };
	table->n++;
	return ST_OK;
}

enum status
sim_table_swap(struct sim_table *table, struct bytes key, void *value, void **ret_before)
{
	uint64_t hash = hash_of(key);
	enum status st = 2 * (table->n + 1) > table->n_places ? grow(table) : ST_OK;

	if (st != ST_OK)
		return st;
	struct sim_place *place = find(table, key, hash);
	if (place->row == NULL)
		st = add(table, key, hash, place);
	if (st == ST_OK)
		st = sim_undo_save(table->undo, &place->row->value, sizeof(place->row->value), NULL);
	if (st != ST_OK)
		return st;
	if (ret_before != NULL)
		*ret_before = place->row->value;
	place->row->value = value;
	return ST_OK;
}

enum status
sim_table_put(struct sim_table *table, struct bytes key, void *value)
{
	return sim_table_swap(table, key, value, NULL);
}

void
sim_key_number(struct sim_key *key, uint64_t number)
{
	assert(key->len + 8 <= sizeof(key->data));
	put_be64(key->data + key->len, number);
	key->len += 8;
}

void
sim_key_text(struct sim_key *key, const char *text)
{
	size_t len = strlen(text) + 1;

	assert(key->len + len <= sizeof(key->data));
	memcpy(key->data + key->len, text, len);
	key->len += len;
}
