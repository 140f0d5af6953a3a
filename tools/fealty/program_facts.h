/**
 * program_facts.h: a program taken apart into statements that a reader of the rules would make, so that two versions can be held against
 * each other one by one.
 */
#ifndef FEALTY_TOOLS_PROGRAM_FACTS_H
#define FEALTY_TOOLS_PROGRAM_FACTS_H

#include "program_file.h"

/* In the order in which they matter to members.  Corrections are what moves points without earning or spending them. */
enum topic { TOPIC_EARNING, TOPIC_TIERS, TOPIC_EXPIRY, TOPIC_REDEMPTION, TOPIC_YEARLY, TOPIC_CORRECTIONS, TOPIC_LIMITS, TOPIC_NOTICES,
	TOPIC_OTHER };
const char *topic_str(enum topic topic);		/* "earning", "tiers", … */

/**
 * entity: what the statement is about, as `earn.base`, `tiers.gold`, `redemption`;
     who: the same for people.  aspect: which statement of it,
 * as `gives`; label: what stands before ${text} in a sentence.  is_default: nothing that a description would mention.
 * better: 1 when more of num/den is better for members, -1 when less is, 0 when that cannot be said; compared only where ${shape} is equal.
 */
struct fact {
	enum topic topic;
	const char *entity, *who, *aspect, *label, *text, *shape;
	bool is_default;
	int better;
	int64_t num, den;
};

struct facts {
	const struct program_file *file;
	struct arena *arena;		/* where texts live */
	size_t n, cap;
	struct fact *v;
};

/* The facts live in ${arena}, and need some kilobytes of it (asserted). */
void program_facts(const struct program_file *file, struct arena *arena, struct facts *ret);

/* NULL when there is none. */
const struct fact *facts_find(const struct facts *facts, const char *entity, const char *aspect);
bool facts_have(const struct facts *facts, const char *entity);

/* A text in an arena, as printf() has it; never NULL (asserted). */
const char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
