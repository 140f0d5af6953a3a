/**
 * program_diff.h: what a new version of a program changes for members, as sentences; and what some purchases earn under both.
 */
#ifndef FEALTY_TOOLS_PROGRAM_DIFF_H
#define FEALTY_TOOLS_PROGRAM_DIFF_H

#include "program_facts.h"
#include "program_sample.h"

enum effect { EFFECT_REFUSED, EFFECT_WORSE, EFFECT_BETTER, EFFECT_OTHER };	/* refused: publishing it will be */
#define EFFECT_COUNT 4
const char *effect_str(enum effect effect);		/* "refused", "worse", "better", "other" */

/* key: of the statement, as `earn.base.gives`; old_text, new_text: "" where a version does not have it. */
struct change { enum effect effect; enum topic topic; const char *key, *message, *old_text, *new_text; };

struct diff {
	struct arena *arena;
	size_t n, cap, n_kept, n_tiers;
	struct change *changes;		/* by effect, then topic, then as the programs have them */
	const char *kept[4];		/* sentences: what stays as it is for members */
	bool same;
	bool publishable;
	bool has_samples;		/* not across currencies or programs */
	const char **tiers;		/* of either, the new ones' order; one NULL when neither has tiers */
	struct sample *samples_old, *samples_new;
	int64_t amounts[SAMPLE_AMOUNTS];
};

/**
 * program_diff(old_program, new_program, now_us, arena, ret):
 * Everything lives in ${arena}. ST_NOMEM; ST_CORRUPT: the engine disagrees with itself.
 */
enum status program_diff(const struct program_file *old_program, const struct program_file *new_program, int64_t now_us,
    struct arena *arena,
    struct diff *ret) MUST_CHECK;

#endif
