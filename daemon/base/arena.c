/* Chunks are linked newest first; only the newest one is filled.  A reset keeps the largest chunk and frees the rest. */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES_MIN ((size_t)4 * 1024)
#define ALIGN alignof(max_align_t)

struct arena_chunk {
	struct arena_chunk *next;
	size_t cap, used;
	alignas(max_align_t) uint8_t data[];
};

void
arena_init(struct arena *a, size_t budget_bytes)
{
	*a = (struct arena){ .budget_bytes = budget_bytes };
}

void
arena_release(struct arena *a)
{
	for (struct arena_chunk *c = a->chunks, *next; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	a->chunks = NULL;
	a->used_bytes = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *keep = NULL;

	for (struct arena_chunk *c = a->chunks, *next; c != NULL; c = next) {
		next = c->next;
		if (keep == NULL || c->cap > keep->cap) {
			free(keep);
			keep = c;
		} else {
			free(c);
		}
	}
	if (keep != NULL) {
		keep->next = NULL;
		keep->used = 0;
	}
	a->chunks = keep;
	a->used_bytes = 0;
	a->starved = false;
}

static struct arena_chunk *
chunk_add(struct arena *a, size_t len)
{
	size_t cap = a->chunks == NULL ? CHUNK_BYTES_MIN : a->chunks->cap * 2;

	if (cap > a->budget_bytes)
		cap = a->budget_bytes;
	if (cap < len)
		cap = len;
	struct arena_chunk *c = malloc(sizeof(*c) + cap);
	if (c == NULL) {
		a->starved = true;
		return NULL;
	}
	c->next = a->chunks;
	c->cap = cap;
	c->used = 0;
	a->chunks = c;
	return c;
}

void *
arena_take(struct arena *a, size_t len)
{
	if (len > SIZE_MAX / 2)
		return NULL;
	len = (len + ALIGN - 1) / ALIGN * ALIGN;
	if (len == 0)
		len = ALIGN;
	assert(a->used_bytes <= a->budget_bytes);
	if (len > a->budget_bytes - a->used_bytes)
		return NULL;

	struct arena_chunk *c = a->chunks;
	if (c == NULL || len > c->cap - c->used) {
		c = chunk_add(a, len);
		if (c == NULL)
			return NULL;
	}
	void *p = c->data + c->used;
	c->used += len;
	a->used_bytes += len;
	return p;
}

void *
arena_alloc(struct arena *a, size_t len)
{
	void *p = arena_take(a, len);

	return p == NULL ? NULL : memset(p, 0, len);
}

void *
arena_grow(struct arena *a, void *array, size_t *ret_cap, size_t need, size_t size)
{
	if (need <= *ret_cap && array != NULL)
		return array;

	size_t cap = *ret_cap * 2 < 4 ? 4 : *ret_cap * 2;
	if (cap < need)
		cap = need;
	if (cap > SIZE_MAX / 2 / size)
		return NULL;
	uint8_t *grown = arena_take(a, cap * size);
	if (grown == NULL)
		return NULL;
	size_t kept = array == NULL ? 0 : *ret_cap * size;
	if (kept > 0)
		memcpy(grown, array, kept);
	memset(grown + kept, 0, cap * size - kept);
	*ret_cap = cap;
	return grown;
}

char *
arena_memdup(struct arena *a, const void *data, size_t len)
{
	char *copy = len == SIZE_MAX ? NULL : arena_take(a, len + 1);

	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s));
}
