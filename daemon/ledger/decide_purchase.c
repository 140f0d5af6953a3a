/* A purchase, and a quote, which is one that is not kept: the command at scale; what it earns is earn()'s. */
#include <assert.h>

#include "ledger/internal.h"

const char *
purchase_excess(const struct cmd *cmd, const char **ret_sentence)
{
	decimal_rest left = decimal_rest_of(cmd->u.purchase.amount), unpaid = left;

	*ret_sentence = "more was paid with points than the amount of the purchase";
	if (cmd->u.purchase.has_paid_with_points && !decimal_rest_take(&unpaid, cmd->u.purchase.paid_with_points))
		return "paid_with_points";
	*ret_sentence = "the lines are worth more than the amount; they may be a part of it";
	for (size_t i = 0; i < cmd->u.purchase.n_lines; i++)
		if (!decimal_rest_take(&left, cmd->u.purchase.lines[i].amount))
			return "lines";
	return NULL;
}

static enum status
scale_lines(struct decision *d, bool *ret_ok)
{
	size_t n = d->cmd->u.purchase.n_lines;
	struct entry_line *lines = arena_alloc(d->arena, n * sizeof(*lines));

	*ret_ok = false;
	if (lines == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct line *line = &d->cmd->u.purchase.lines[i];

		lines[i] = (struct entry_line){ .sku = line->sku, .category = line->category, .qty = line->qty };
		if (!decision_money(d, "lines", line->amount, &lines[i].amount))
			return ST_OK;
	}
	d->entry->u.purchase.lines = n > 0 ? lines : NULL;
	d->entry->u.purchase.n_lines = n;
	*ret_ok = true;
	return ST_OK;
}

/* Scales the command into the entry; false in *${ret_ok}: refused. */
static enum status
purchase_inputs(struct decision *d, bool *ret_ok)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;

	*ret_ok = false;
	e->u.purchase.partner = cmd->u.purchase.partner;
	e->u.purchase.receipt_no = cmd->u.purchase.receipt_no;
	e->u.purchase.has_paid_with_points = cmd->u.purchase.has_paid_with_points;
	if (!decision_money(d, "amount", cmd->u.purchase.amount, &e->u.purchase.amount))
		return ST_OK;
	if (cmd->u.purchase.has_paid_with_points &&
	    !decision_money(d, "paid_with_points", cmd->u.purchase.paid_with_points, &e->u.purchase.paid_with_points))
		return ST_OK;
	return scale_lines(d, ret_ok);
}

enum status
decide_purchase(struct decision *d)
{
	struct entry *e = d->entry;
	bool ok;

	if (!decision_partner(d, d->cmd->u.purchase.partner))
		return ST_OK;
	enum status st = purchase_inputs(d, &ok);

	if (st != ST_OK || !ok || !decision_member_open(d, false))
		return st;
	struct earn_event event = {
		.on = ON_PURCHASE, .store = e->store, .partner = e->u.purchase.partner,
		.amount = e->u.purchase.amount, .paid_with_points = e->u.purchase.paid_with_points,
		.segments = d->cmd->segments, .n_segments = d->cmd->n_segments,
		.lines = e->u.purchase.lines, .n_lines = e->u.purchase.n_lines,
	};
	e->has_metrics = true;
	e->metrics = (struct metric_day){ .day = d->business_date, .spend = e->u.purchase.amount, .visits = 1 };
	st = earn(d, &event);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	st = decision_referral(d);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	decision_upgrade(d, &e->metrics);
	return ST_OK;
}
