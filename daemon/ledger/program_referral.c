/* The section `referral` of a program. */
#include "ledger/compile.h"

/* Either of the two may get nothing. */
bool
compile_referral(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	p->has_referral = def->has_referral;
	p->has_referral_per_year = def->has_per_year;
	p->referral_per_year = def->referral_per_year;
	if (!def->has_referral)
		return true;
	if (!compile_points(c, "referral.referrer", def->referrer_points, 0, &p->referrer_points) ||
	    !compile_points(c, "referral.referee", def->referee_points, 0, &p->referee_points) ||
	    !compile_money(c, "referral.min_amount", def->referral_min_amount, 0, &p->referral_min_amount))
		return false;
	if (p->referrer_points == 0 && p->referee_points == 0)
		return wrong(c, "referral.referrer", "referral.referrer and referral.referee are both zero: leave the section out");
	if (!def->has_pending_days)
		return wrong(c, "referral.pending_days", "referral.pending_days is required; 0 is at once");
	return compile_at_most(c, "referral.pending_days", def->referral_days, SPAN_DAYS_MAX, &p->referral_days);
}
