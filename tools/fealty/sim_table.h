/* sim_table.h: what a simulation keeps by key, in memory, and how a step is taken back. */
#ifndef FEALTY_TOOLS_SIM_TABLE_H
#define FEALTY_TOOLS_SIM_TABLE_H

#include "base/arena.h"
#include "base/bytes.h"

/**
 * What to put back when an atomic batch is refused, or after a look into the future: images of memory, newest last.  While it is off,
 * saving does nothing.  The images live in the arena.
 */
struct sim_undo {
	struct arena *arena;
	bool on;
	size_t n, cap;
	struct sim_image { void *at; void *bytes; size_t len; } *images;
};

/* ${len} bytes at ${at} will be as they are now; ${bytes} NULL: they are copied, else these stand for them (and live as long as the
 * arena). */
enum status sim_undo_save(struct sim_undo *undo, void *at, size_t len, void *bytes) MUST_CHECK;
void sim_undo_begin(struct sim_undo *undo);
void sim_undo_keep(struct sim_undo *undo);		/* ends: what was done stays */
void sim_undo_back(struct sim_undo *undo);		/* ends: memory is as it was at the beginning */

/* Keys to pointers; rows live in the arena and never move. */
struct sim_table {
	struct arena *arena;
	struct sim_undo *undo;
	struct sim_place { uint64_t hash; struct sim_row *row; } *places;	/* row NULL: free */
	size_t n_places, n;
};
void sim_table_init(struct sim_table *table, struct arena *arena, struct sim_undo *undo);
void sim_table_release(struct sim_table *table);

/* NULL when there is none. */
void *sim_table_get(const struct sim_table *table, struct bytes key);
/* A value of NULL takes the key away.  *${ret_before}, unless that is NULL, is what stood there. */
enum status sim_table_swap(struct sim_table *table, struct bytes key, void *value, void **ret_before) MUST_CHECK;
enum status sim_table_put(struct sim_table *table, struct bytes key, void *value) MUST_CHECK;

/* A key of several parts; texts end with a NUL, which no part holds. */
#define SIM_KEY_BYTES_MAX 512
struct sim_key { size_t len; uint8_t data[SIM_KEY_BYTES_MAX]; };
void sim_key_number(struct sim_key *key, uint64_t number);
void sim_key_text(struct sim_key *key, const char *text);	/* what does not fit is a broken contract: the codec bounds all texts */
static inline struct bytes
sim_key_bytes(const struct sim_key *key)
{
	return bytes_of(key->data, key->len);
}

#endif
