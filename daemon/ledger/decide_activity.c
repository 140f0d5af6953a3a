/* What a member did besides buying: it may earn, and it may complete a purchase whose points wait for it. */
#include <assert.h>

#include "ledger/internal.h"

static bool
activity_inputs(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;

	e->u.activity.activity = cmd->u.activity.activity;
	e->u.activity.partner = cmd->u.activity.partner;
	e->u.activity.qty = cmd->u.activity.qty;
	e->u.activity.has_score = cmd->u.activity.has_score;
	e->u.activity.score = cmd->u.activity.score;
	e->u.activity.has_amount = cmd->u.activity.has_amount;
	if (cmd->u.activity.has_amount && !decision_money(d, "amount", cmd->u.activity.amount, &e->u.activity.amount))
		return false;
	e->u.activity.has_purchase = cmd->u.activity.names_purchase;
	e->u.activity.purchase = cmd->u.activity.purchase;
	if (cmd->u.activity.names_purchase && !cmd->u.activity.found)
		return refuse_false(d, LEDGER_NOT_FOUND, "purchase", "the member has no such purchase");
	return true;
}

enum status
decide_activity(struct decision *d)
{
	struct entry *e = d->entry;
	bool any;

	if (!decision_partner(d, d->cmd->u.activity.partner) || !activity_inputs(d) || !decision_member_open(d, false))
		return ST_OK;
	struct earn_event event = {
		.on = ON_ACTIVITY, .activity = e->u.activity.activity, .store = e->store, .partner = e->u.activity.partner,
		.amount = e->u.activity.amount, .qty = e->u.activity.qty,
		.segments = d->cmd->segments, .n_segments = d->cmd->n_segments,
	};
	e->has_metrics = true;
	e->metrics = (struct metric_day){ .day = d->business_date };
	enum status st = earn(d, &event);
	if (st == ST_OK && d->refusal->result == LEDGER_OK && e->u.activity.has_purchase)
		st = decision_activate(d, e->u.activity.activity, &e->u.activity.purchase, &any);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	decision_upgrade(d, &e->metrics);
	return ST_OK;
}
