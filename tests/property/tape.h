/**
 * tape.h: where random choices come from.  A tape is an array of numbers from a seed, in blocks: a generator reads each thing that it makes
 * from a block of its own, so that a thing can be taken out of the tape without changing what the others read.  A case is its tape: the same
 * tape makes the same case, a tape with smaller numbers and fewer blocks a simpler one.
 */
#ifndef FEALTY_TESTS_PROPERTY_TAPE_H
#define FEALTY_TESTS_PROPERTY_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_BLOCK 48			/* numbers */
#define TAPE_BLOCKS_MAX 160

struct tape {
	size_t n_blocks;
	size_t block, at;		/* what is read next */
	uint32_t v[TAPE_BLOCKS_MAX][TAPE_BLOCK];
	size_t read[TAPE_BLOCKS_MAX];	/* numbers that were read of each */
};

/* Random numbers in ${n_blocks} blocks. */
void tape_fill(struct tape *t, uint64_t seed, size_t n_blocks);

/* Draws come from the beginning of this block from now on.  Behind its end, and behind the tape's, there are zeros. */
void tape_seek(struct tape *t, size_t block);

/* 0 to ${n} − 1, rising with the number on the tape: 0 should be the simplest choice. */
uint32_t tape_draw(struct tape *t, uint32_t n);
/* True in ${percent} of cases; false on a tape of zeros. */
bool tape_chance(struct tape *t, uint32_t percent);

/**
 * tape_shrink(t, n_fixed, fails, ctx): makes a tape on which fails() is true smaller, while it stays true: takes out blocks behind the first
 * ${n_fixed}, writes zeros, lowers numbers.  Returns how often it tried.
 */
typedef bool tape_fails_fn(void *ctx, struct tape *t);
unsigned tape_shrink(struct tape *t, size_t n_fixed, tape_fails_fn *fails, void *ctx);

#endif
