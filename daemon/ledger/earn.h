/* earn.h: what earn.c, earn_when.c and earn_grant.c share.  Nobody else includes it. */
#ifndef FEALTY_LEDGER_EARN_H
#define FEALTY_LEDGER_EARN_H

#include "ledger/internal.h"

/* whole + part / den of exact points: 0 ≤ part < den. */
struct exact { wide whole, part; };

/* What one rule, or the tier, brings.  terms: whose expiry its points take; NULL: the tier's or the program's. */
struct component {
	const struct rule *rule;	/* NULL: the tier's share */
	const char *name;
	struct exact wanted, granted;
	const char *cap;
	const struct rule *pending, *terms;
	int64_t last_granted;		/* rounded, in the end */
	int64_t remainder;		/* money that is left over of a rule that carries it */
};

struct earning {
	struct decision *d;
	const struct program *p;
	const struct earn_event *event;
	const struct tier *tier;	/* held before the event; NULL: none */
	wide den;			/* of exact points: 1 when every component is rounded */

	bool applies[PROGRAM_RULES_MAX];
	int64_t eligible[PROGRAM_RULES_MAX];
	struct component rules[PROGRAM_RULES_MAX];
	struct component share;		/* the tier's */

	/* looked up once, when a rule asks */
	int32_t second;			/* of the local day; -1: not yet */
	bool has_previous;
	wide previous_spend;
};

/* num / den by the program's rounding; sums with their parts carried over. */
wide exact_round(wide num, wide den, enum rounding_mode mode);
struct exact exact_add(struct exact a, struct exact b, wide den);

/* What every rule and the tier bring, before the day's limit; amounts beyond what a ledger holds are left for the caller to refuse. */
enum status earn_evaluate(struct earning *e) MUST_CHECK;

enum tally_kind cap_tally_kind(const struct cap *cap);
/* Whether spend below a step is kept, and what is kept of it now. */
bool rule_carries(const struct earning *e, const struct rule *rule);
int64_t rule_remainder(const struct earning *e, const struct rule *rule);

bool word_among(const struct word_list *words, const char *word);		/* NULL is never */

/* Whether the rule takes lines only, or leaves lines out. */
bool rule_selects(const struct rule *rule);

/* The amount that a rule sees, and the items; ${also} (NULL: none) selects as well. */
int64_t rule_amount(const struct earning *e, const struct rule *rule, const struct rule *also);
int64_t rule_items(const struct earning *e, const struct rule *rule, const struct rule *also);

/* Whether the rule is for this event and all its conditions hold; fills e->eligible[index]. */
bool rule_applies(struct earning *e, size_t index);

#endif
