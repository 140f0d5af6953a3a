/* program_sample.h: what some purchases would earn under a program, by the engine that decides in a daemon. */
#ifndef FEALTY_TOOLS_PROGRAM_SAMPLE_H
#define FEALTY_TOOLS_PROGRAM_SAMPLE_H

#include "program_file.h"

#define SAMPLE_AMOUNTS 3		/* 1, 10 and 100 times the smallest step */
#define SAMPLE_POINTS_BYTES 32

/* points: per tier of ${tiers}; "" where the program has no such tier, or the purchase is refused. */
struct sample { char points[SAMPLE_AMOUNTS][SAMPLE_POINTS_BYTES]; };

/* The smallest step of money that either program has a rule for, in minor units; of one currency. */
int64_t sample_step(const struct program *a, const struct program *b);

/**
 * program_sample(file, tiers, n_tiers, step, now_us, ret):
 * Quotes the amounts at ${now_us} for members of a year without purchases of late, one in each tier; ${tiers} NULL and ${n_tiers} 1: of a
 * program without tiers.  Without lines, store, partner and segments.  Fills ${n_tiers} samples. ST_NOMEM, ST_CORRUPT: the engine disagrees
 * with itself.
 */
enum status program_sample(const struct program_file *file, const char *const *tiers, size_t n_tiers, int64_t step, int64_t now_us,
    struct sample *ret) MUST_CHECK;

/**
 * program_publish_verdict(before, next, now_us, ret_refusal): what the engine says when ${next} is published after ${before}.
 * LEDGER_OK in ret_refusal->result when it takes it.  Caps of all members together that a ledger has used are not known here.
 */
enum status program_publish_verdict(const struct program_file *before, const struct program_file *next, int64_t now_us,
    struct refusal *ret_refusal) MUST_CHECK;

#endif
