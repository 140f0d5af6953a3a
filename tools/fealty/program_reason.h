/**
 * program_reason.h: what follows from a program's rules alone, without any event: how much they can give, for how long points live, which
 * rule is there whenever another is.  Where it cannot be said exactly, the answer is on the side that raises no false alarm.
 */
#ifndef FEALTY_TOOLS_PROGRAM_REASON_H
#define FEALTY_TOOLS_PROGRAM_REASON_H

#include "ledger/program.h"

#define AMOUNT_ENDLESS INT64_MAX	/* no bound is known */
#define LIFE_ENDLESS INT32_MAX
#define MULTIPLIER_UNIT INT64_C(1000000)	/* a multiplier of 1 */

/* The most local days, calendar months and calendar years that a stretch of time can touch. */
struct stretch { bool endless; int64_t days, months, years; };
struct stretch stretch_of_months(uint32_t months);
/* What a tier's reach looks back over, and what its keep is asked over. */
struct stretch stretch_of_window(const struct tier *tier);
struct stretch stretch_of_keep(const struct tier *tier);

/* The most of a metric that the rules can bring one member within a stretch. */
int64_t metric_at_most(const struct program *p, enum metric metric, const struct stretch *stretch);

/* Whether every threshold of an `all` list can be met within a stretch; whether any list of a tier's reach can. */
bool all_attainable(const struct program *p, const struct all_of *all, const struct stretch *stretch);
bool tier_attainable(const struct program *p, const struct tier *tier);

/* Whether ${a} applies to every event that ${b} applies to, and sees at least what that sees. */
bool rule_covers(const struct rule *a, const struct rule *b);
/* Whether ${a} is evaluated before ${b} when both apply. */
bool rule_precedes(const struct rule *a, const struct rule *b);
/* The least that ${a} wants when ${b} applies as well; 0 when that depends on the event. */
int64_t rule_gives_at_least(const struct rule *a, const struct rule *b);

/* The fewest days that points of a term can be used after the day on which they come: 0, that day only. */
int32_t expiry_life_days(const struct expiry *e);
/* The same of a rule's points (NULL: all that is not a rule's), under whatever tier. */
int32_t rule_life_days(const struct program *p, const struct rule *rule);

/* The least that anybody can redeem. */
int64_t redemption_least(const struct program *p);

#endif
