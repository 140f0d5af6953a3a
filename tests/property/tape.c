/* The generator is splitmix64: any seed is a good one, and neighbours have nothing in common. */
#include "tape.h"

#include <assert.h>
#include <string.h>

#define TRIES_MAX 20000

static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void
tape_fill(struct tape *t, uint64_t seed, size_t n_blocks)
{
	assert(n_blocks <= TAPE_BLOCKS_MAX);
	memset(t, 0, sizeof(*t));
	t->n_blocks = n_blocks;
	for (size_t b = 0; b < n_blocks; b++) {
		for (size_t i = 0; i < TAPE_BLOCK; i++)
			t->v[b][i] = (uint32_t)(next_random(&seed) >> 32);
	}
}

void
tape_seek(struct tape *t, size_t block)
{
	t->block = block;
	t->at = 0;
}

static uint32_t
next_number(struct tape *t)
{
	if (t->block >= t->n_blocks || t->at >= TAPE_BLOCK)
		return 0;
	uint32_t v = t->v[t->block][t->at++];
	if (t->read[t->block] < t->at)
		t->read[t->block] = t->at;
	return v;
}

uint32_t
tape_draw(struct tape *t, uint32_t n)
{
	return (uint32_t)((uint64_t)next_number(t) * n >> 32);
}

bool
tape_chance(struct tape *t, uint32_t percent)
{
	return tape_draw(t, 100) >= 100 - percent;
}

/* ---- shrinking ---- */

struct shrinking {
	struct tape best;
	tape_fails_fn *fails;
	void *ctx;
	unsigned tries;
};

/* Whether ${candidate} fails as well; then it is the best so far. */
static bool
better(struct shrinking *s, struct tape *candidate)
{
	if (s->tries >= TRIES_MAX)
		return false;
	s->tries++;
	memset(candidate->read, 0, sizeof(candidate->read));
	if (!s->fails(s->ctx, candidate))
		return false;
	s->best = *candidate;
	return true;
}

static bool
without_blocks(struct shrinking *s, size_t n_fixed)
{
	bool any = false;

	for (size_t n = s->best.n_blocks > n_fixed ? s->best.n_blocks - n_fixed : 0; n > 0; n /= 2) {
		for (size_t at = s->best.n_blocks; at >= n_fixed + n; at--) {
			struct tape candidate = s->best;

			if (at > s->best.n_blocks)
				continue;
			memmove(candidate.v[at - n], candidate.v[at], (candidate.n_blocks - at) * sizeof(candidate.v[0]));
			candidate.n_blocks -= n;
			any |= better(s, &candidate);
		}
	}
	return any;
}

static bool
zero_blocks(struct shrinking *s)
{
	static const uint32_t zeros[TAPE_BLOCK];
	bool any = false;

	for (size_t b = 0; b < s->best.n_blocks; b++) {
		struct tape candidate = s->best;

		if (memcmp(candidate.v[b], zeros, sizeof(zeros)) == 0)
			continue;
		memset(candidate.v[b], 0, sizeof(candidate.v[b]));
		any |= better(s, &candidate);
	}
	return any;
}

/* What was not read says nothing. */
static void
forget_unread(struct tape *t)
{
	for (size_t b = 0; b < t->n_blocks; b++) {
		for (size_t i = t->read[b]; i < TAPE_BLOCK; i++)
			t->v[b][i] = 0;
	}
}

static bool
try_number(struct shrinking *s, size_t b, size_t i, uint32_t value)
{
	struct tape candidate = s->best;

	candidate.v[b][i] = value;
	return better(s, &candidate);
}

/* 0, or the least that still fails, found by halving; to 1 in 4096 of the range, below which hardly a choice changes. */
static bool
lower_numbers(struct shrinking *s)
{
	bool any = false;

	for (size_t b = 0; b < s->best.n_blocks; b++) {
		for (size_t i = 0; i < TAPE_BLOCK; i++) {
			uint32_t low = 0;

			if (s->best.v[b][i] == 0)
				continue;
			if (try_number(s, b, i, 0)) {
				any = true;
				continue;
			}
			while (s->best.v[b][i] - low > UINT32_C(1) << 20) {
				uint32_t middle = low + (s->best.v[b][i] - low) / 2;
				if (try_number(s, b, i, middle))
					any = true;
				else
					low = middle;
			}
		}
	}
	return any;
}

unsigned
tape_shrink(struct tape *t, size_t n_fixed, tape_fails_fn *fails, void *ctx)
{
	struct shrinking s = { .best = *t, .fails = fails, .ctx = ctx };
	bool any = true;

	while (any && s.tries < TRIES_MAX) {
		any = without_blocks(&s, n_fixed);
		any |= zero_blocks(&s);
		forget_unread(&s.best);
		any |= lower_numbers(&s);
	}
	*t = s.best;
	return s.tries;
}
