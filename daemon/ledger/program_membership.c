/* The memberships section.  Shares stand in the order of the file, so that order is kept. */
#include <stdio.h>
#include <string.h>

#include "ledger/compile.h"

#define TRIAL_DAYS_MAX 3660
#define GRACE_DAYS_MAX 366

static bool
compile_one(struct compiler *c, size_t at)
{
	const struct membership_def *def = &c->def->memberships[at];
	struct program *p = c->p;
	struct program_membership *m = &p->memberships[at];

	if (!compile_id(c, PATH("memberships[%zu].id", at), def->id, m->id))
		return false;
	if (program_membership(p, m->id) != NULL)
		return wrong(c, PATH("memberships[%zu].id", at), "two memberships have the id %s", m->id);
	if (!def->has_term)
		return wrong(c, PATH("memberships[%zu].term", at), "term is required: monthly or annual");
	m->months = def->annual ? 12 : 1;
	m->refund_if_unused = def->refund_if_unused;
	char id[LEDGER_ID_MAX + 1];
	tier_id_copy(id, m->id);
	snprintf(m->share_rule, sizeof(m->share_rule), "membership:%s", id);
	if (!compile_money(c, PATH("memberships[%zu].fee", at), def->fee, 0, &m->fee) ||
	    !compile_at_most(c, PATH("memberships[%zu].trial_days", at), def->trial_days, TRIAL_DAYS_MAX, &m->trial_days) ||
	    !compile_at_most(c, PATH("memberships[%zu].grace_days", at), def->grace_days, GRACE_DAYS_MAX, &m->grace_days) ||
	    !compile_multiplier(c, PATH("memberships[%zu].earn_multiplier", at), def->earn_multiplier, &m->multiplier))
		return false;
	p->n_memberships++;
	return true;
}

static bool
check_references(struct compiler *c)
{
	const struct program_def *def = c->def;

	for (size_t at = 0; at < def->n_rules; at++) {
		const char *named = def->rules[at].when.membership;

		if (named != NULL && program_membership(c->p, named) == NULL)
			return wrong(c, PATH("earn[%zu].when.membership", at), "this program has no membership %.40s", named);
	}
	for (size_t at = 0; at < c->p->n_cards; at++) {
		const char *named = c->p->cards[at].when.membership;

		if (named[0] != 0 && program_membership(c->p, named) == NULL)
			return wrong(c, PATH("stamps[%zu].when.membership", at), "this program has no membership %.40s", named);
	}
	return true;
}

bool
compile_memberships(struct compiler *c)
{
	size_t n = c->def->n_memberships;

	if (n > PROGRAM_MEMBERSHIPS_MAX)
		return wrong(c, "memberships", "a program has at most %d memberships", PROGRAM_MEMBERSHIPS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!compile_one(c, i))
			return false;
	}
	return check_references(c);
}

const struct program_membership *
program_membership(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_memberships; i++) {
		if (strcmp(p->memberships[i].id, id) == 0)
			return &p->memberships[i];
	}
	return NULL;
}
