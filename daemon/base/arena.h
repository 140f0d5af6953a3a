/* arena.h: memory that is given out piece by piece and taken back all at once, within a budget. */
#ifndef FEALTY_BASE_ARENA_H
#define FEALTY_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;	/* newest first */
	size_t used_bytes;		/* given out since the last reset, padding included */
	size_t budget_bytes;		/* used_bytes never exceeds it */
	bool starved;			/* since the last reset the system had no memory: what failed was not the budget */
};

/**
 * arena_init(a, budget_bytes):
 * An empty arena; allocates nothing yet.  The owner ends it with arena_release().
 */
void arena_init(struct arena *a, size_t budget_bytes);
void arena_release(struct arena *a);

/**
 * arena_alloc(a, len):
 * ${len} zeroed bytes, aligned for any type, valid until arena_reset() or arena_release(); NULL beyond the budget or when the
 * system has no memory.  A length of 0 gives a valid pointer.
 */
void *arena_alloc(struct arena *a, size_t len) MUST_CHECK;

/* The same, but that nothing is said of what is in them: for rows that are all written at once. */
void *arena_take(struct arena *a, size_t len) MUST_CHECK;

/**
 * arena_grow(a, array, ret_cap, need, size):
 * An array of at least ${need} elements of ${size} bytes that begins with the *${ret_cap} elements of ${array} (copied when it has
 * to move; the old one stays valid).  NULL on failure, with *${ret_cap} unchanged.
 */
void *arena_grow(struct arena *a, void *array, size_t *ret_cap, size_t need, size_t size) MUST_CHECK;

/* Copies of ${len} bytes with a NUL behind, or of a string. NULL on failure. */
char *arena_memdup(struct arena *a, const void *data, size_t len) MUST_CHECK;
char *arena_strdup(struct arena *a, const char *s) MUST_CHECK;

/* Takes everything back; keeps one chunk, so that a steady load allocates nothing. */
void arena_reset(struct arena *a);

#endif
