/* Pools and memberships, as requests name them. */
#include "codec/request_op.h"
#include "codec/words.h"

void
judge_pool_join(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->pool_join->member);
	judge_other(j, "head", in->pool_join->head);
}

void
judge_pool_leave(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->pool_leave->member);
}

static void
take_membership(struct judge *j, const char *member, const char *membership)
{
	judge_alias(j, member);
	if (membership == NULL)
		judge_refuse(j, LEDGER_INVALID_ARGUMENT, "membership", "is missing");
	else if (!words_id(membership))
		judge_refuse(j, LEDGER_INVALID_ARGUMENT, "membership", "is not 1 to 32 of a-z 0-9 _ -");
	j->ret->cmd.u.membership.membership = membership;
}

void
judge_membership_start(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__MembershipStart *m = in->membership_start;

	take_membership(j, m->member, m->membership);
	j->ret->cmd.u.membership.trial = m->has_trial && m->trial;
}

void
judge_membership_renew(struct judge *j, const Fealty__V1__Request *in)
{
	take_membership(j, in->membership_renew->member, in->membership_renew->membership);
}

void
judge_membership_cancel(struct judge *j, const Fealty__V1__Request *in)
{
	take_membership(j, in->membership_cancel->member, in->membership_cancel->membership);
}
