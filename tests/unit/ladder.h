/* ladder.h: a command against the ladder of refusals.  Each rung breaks one thing; the rung that answers is the first that is broken. */
#ifndef FEALTY_TESTS_UNIT_LADDER_H
#define FEALTY_TESTS_UNIT_LADDER_H

#include "memory_state.h"

struct rung {
	const char *name;
	void (*break_it)(void *scene, struct cmd *c);
	enum ledger_result want;
	const char *field;		/* NULL: no single one */
};

/* How a scene is made anew for each try: the command would be accepted as it is. */
struct ladder_scene {
	void *scene;
	struct stage *stage;
	void (*set)(void *scene, struct cmd *ret_accepted);
};

static inline void
ladder_expect(const struct ladder_scene *l, struct cmd *c, const struct rung *want, const char *how)
{
	uint64_t seq = l->stage->seq - l->stage->n_due;
	enum ledger_result got = stage_play(l->stage, c);

	if (got != want->want)
		fail_msg("%s%s: %s: %s", want->name, how, ledger_result_str(got), l->stage->refusal.sentence);
	assert_int_equal(l->stage->seq - l->stage->n_due, seq);		/* a refusal writes nothing */
	if (want->field == NULL)
		assert_null(l->stage->refusal.field);
	else
		assert_string_equal(l->stage->refusal.field, want->field);
	assert_true(l->stage->refusal.sentence[0] != 0);
}

/* Accepted as it is; refused by each rung alone; and with everything from a rung on broken, by that rung. */
static inline void
ladder_climb(const struct ladder_scene *l, const struct rung *rungs, size_t n)
{
	struct cmd c;

	l->set(l->scene, &c);
	assert_int_equal(stage_play(l->stage, &c), LEDGER_OK);
	stage_release(l->stage);
	for (size_t i = 0; i < n; i++) {
		l->set(l->scene, &c);
		rungs[i].break_it(l->scene, &c);
		ladder_expect(l, &c, &rungs[i], "");
		stage_release(l->stage);

		l->set(l->scene, &c);
		for (size_t k = n; k > i; k--)		/* where two break the same field, the first has the last word */
			rungs[k - 1].break_it(l->scene, &c);
		ladder_expect(l, &c, &rungs[i], ", and all after it");
		stage_release(l->stage);
	}
}

#endif
