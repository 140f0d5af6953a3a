/* earn.h: what earn.c, earn_when.c and earn_grant.c share.  Nobody else includes it. */
#ifndef FEALTY_LEDGER_EARN_H
#define FEALTY_LEDGER_EARN_H

#include "ledger/internal.h"

/* whole + part / den of exact points: 0 ≤ part < den. */
struct exact { wide whole, part; };

/* What one rule, or the tier, brings.  terms: whose expiry its points take; NULL: the tier's or the program's. */
struct component {
	const struct rule *rule;	/* NULL: the share of the tier, or of a membership */
	const char *name;
	struct exact wanted, granted;
	const char *cap;
	const struct rule *pending, *terms;
	int64_t last_granted;		/* rounded, in the end */
	int64_t remainder;		/* money that is left over of a rule that carries it */
	wide steps;			/* of an event that is evaluated once more: points of steps, which only a fallback looks at */
};

/* A purchase that is evaluated once more on what is left of it: everything but amounts and lines is as it was. */
struct earning {
	struct decision *d;
	const struct program *p;
	const struct entry *past;	/* the purchase as it was stored; NULL: the event is new */
	const struct earn_event *event;
	const struct tier *tier;	/* held before the event; NULL: none */
	wide den;			/* of exact points: 1 when every component is rounded */

	bool applies[PROGRAM_RULES_MAX];
	uint64_t conditions;		/* bit i: rule i met those but amounts and lines */
	int64_t eligible[PROGRAM_RULES_MAX];
	int64_t amount[PROGRAM_RULES_MAX];	/* of base rules and bonuses: what of it was left to them */
	struct component share;		/* the tier's */
	bool held[PROGRAM_MEMBERSHIPS_MAX];	/* memberships; of an event that is evaluated once more those that multiplied */
	struct component *memberships;	/* their shares; without a name: none */

	/* looked up once, when a rule asks */
	int32_t second;			/* of the local day; -1: not yet */
	bool has_previous;
	wide previous_spend;

	struct component rules[];	/* of each rule of the program, and behind them the memberships': most programs have few */
};

/* num / den by the program's rounding; sums with their parts carried over. */
wide exact_round(wide num, wide den, enum rounding_mode mode);
struct exact exact_add(struct exact a, struct exact b, wide den);

/* The kinds of component in the order of RULINGS, before the day's limit. */
struct granting {
	struct earning *e;
	struct exact wanted, granted;		/* running sums */
	wide wanted_rounded, granted_rounded;
	size_t n;
	struct component *order[PROGRAM_COMPONENTS_MAX];	/* those with a grant */
	struct grant *grants;
};
/* False: the points are beyond what a ledger holds. */
bool grant_all(struct granting *g) MUST_CHECK;
/* limits.earn_per_day, from the last component back. */
void clip_day(struct granting *g);
/* The business date of the event, also of one that is evaluated once more. */
int32_t earn_day(const struct earning *e);
/* What a rule remembers of the period that holds that day, before the event: of the member, or of the whole program; NULL: nothing. */
enum status earn_used(const struct earning *e, enum tally_kind kind, const char *id, enum period per, const struct tally **ret) MUST_CHECK;
/* The same of a cap. */
enum status cap_used(const struct earning *e, const struct rule *rule, const struct cap *cap, const struct tally **ret) MUST_CHECK;
const char *cap_tally_id(const struct rule *rule, const struct cap *cap);
/* Of two caps of a rule that are one tally, points and count, the first is it. */
bool cap_is_again(const struct rule *rule, size_t index);
/* The shares that ${base} points of base rules bring, in e->share and e->rules. */
void earn_shares(struct earning *e, int64_t base);
/* An evaluation under ${p}; of ${past} once more, or NULL.  NULL: no memory. */
struct earning *earn_begin(struct decision *d, const struct program *p, const struct entry *past, const struct earn_event *event);
/* Room for a grant of every component. */
struct grant *earn_grants(struct decision *d, const struct program *p);


/* What every rule and the tier bring, before the day's limit; amounts beyond what a ledger holds are left for the caller to refuse. */
enum status earn_evaluate(struct earning *e) MUST_CHECK;

enum tally_kind cap_tally_kind(const struct cap *cap);
/* Whether spend below a step is kept, and what is kept of it now. */
bool rule_carries(const struct earning *e, const struct rule *rule);
int64_t rule_remainder(const struct earning *e, const struct rule *rule);

bool word_among(const struct word_list *words, const char *word);		/* NULL is never */

/* Whether the conditions take lines only, or leave lines out. */
bool when_selects(const struct when *w);

/* The amount that they see, and the items; ${also} (NULL: none) selects as well. */
int64_t when_amount(const struct earn_event *event, const struct when *w, const struct when *also);
int64_t when_items(const struct earn_event *event, const struct when *w, const struct when *also);

/**
 * Whether all conditions of the rule or card ${id} hold; fills *${ret_eligible}, and bit ${bit} of *${conditions} when those but amounts and
 * lines do.  Of an event that is evaluated once more ${then} is what *${conditions} was.
 */
bool when_holds(struct earning *e, const struct when *w, const char *id, uint64_t then, size_t bit, uint64_t *conditions,
    int64_t *ret_eligible);

/* The stamps of a purchase, and the vouchers that they bring. */
enum status earn_stamps(struct earning *e) MUST_CHECK;

/* Whether the rule is for this event and all its conditions hold; fills e->eligible[index] and its bit of e->conditions. */
bool rule_applies(struct earning *e, size_t index);

#endif
