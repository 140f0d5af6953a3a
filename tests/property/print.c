/* For people who look at a case that failed: what is left out of a program is not printed, and a command is a line. */
#include "life.h"

#include <inttypes.h>

/* ---- a program ---- */

static void
words(FILE *out, const char *key, size_t n, const char *const *v)
{
	if (n == 0)
		return;
	(void)fprintf(out, "%s: [", key);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(out, "%s%s", i == 0 ? "" : ", ", v[i]);
	(void)fprintf(out, "], ");
}

static void
text(FILE *out, const char *key, const char *value)
{
	if (value != NULL)
		(void)fprintf(out, "%s: \"%s\", ", key, value);
}

static const char *
round_up_text(enum round_up r)
{
	static const char *const names[] = { "none", "month", "quarter", "half_year", "year" };

	return names[r];
}

static void
print_expiry(FILE *out, const struct expiry_def *e)
{
	if (!e->given)
		return;
	(void)fprintf(out, "expiry: {");
	if (e->never)
		(void)fprintf(out, "never: true, ");
	if (e->has_days)
		(void)fprintf(out, "after: {days: %u}, ", e->days);
	if (e->has_months)
		(void)fprintf(out, "after: {months: %u}, ", e->months);
	if (e->has_years)
		(void)fprintf(out, "after: {years: %u}, ", e->years);
	if (e->round_up != ROUND_UP_NONE)
		(void)fprintf(out, "round_up_to: %s, ", round_up_text(e->round_up));
	if (e->on != NULL)
		(void)fprintf(out, "on: \"%s\", years: %u, ", e->on, e->years);
	if (e->inactivity) {
		(void)fprintf(out, "inactivity: {months: %u, percent: %u, ", e->inactivity_months, e->percent);
		words(out, "activities", e->n_activities, e->activities);
		(void)fprintf(out, "}, ");
	}
	words(out, "refresh_on", e->n_refresh, e->refresh);
	(void)fprintf(out, "}, ");
}

static void
print_any(FILE *out, const char *key, const struct all_def *any, size_t n)
{
	(void)fprintf(out, "%s: {any: [", key);
	for (size_t i = 0; i < n; i++) {
		(void)fprintf(out, "{all: [");
		for (size_t k = 0; k < any[i].n; k++)
			(void)fprintf(out, "{metric: %s, at_least: \"%s\"}, ", any[i].thresholds[k].metric, any[i].thresholds[k].at_least);
		(void)fprintf(out, "]}, ");
	}
	(void)fprintf(out, "]}, ");
}

static void
print_tier(FILE *out, const struct tier_def *t)
{
	static const char *const windows[] = { "lifetime", "calendar_year", "rolling_months", "since_tier_start" };
	static const char *const valids[] = { "forever", "months", "through: end_of_year", "through: end_of_next_year" };
	static const char *const downgrades[] = { "none", "one", "full" };

	(void)fprintf(out, "  - {id: %s, rank: %u, ", t->id, t->rank);
	if (t->has_reach)
		print_any(out, "reach", t->any, t->n_any);
	if (t->has_keep)
		print_any(out, "keep", t->keep, t->n_keep);
	(void)fprintf(out, "window: %s", windows[t->window]);
	if (t->window == WINDOW_ROLLING_MONTHS)
		(void)fprintf(out, " %u", t->rolling_months);
	(void)fprintf(out, ", ");
	if (t->has_valid) {
		(void)fprintf(out, "valid: %s", valids[t->valid]);
		if (t->valid == VALID_MONTHS)
			(void)fprintf(out, " %u round_up_to %s", t->valid_months, round_up_text(t->valid_round_up));
		(void)fprintf(out, ", ");
	}
	if (t->has_downgrade)
		(void)fprintf(out, "downgrade: %s, ", downgrades[t->downgrade]);
	if (t->has_grace)
		(void)fprintf(out, "grace: {months: %u, round_up_to: %s}, ", t->grace_months, round_up_text(t->grace_round_up));
	text(out, "earn_multiplier", t->earn_multiplier);
	print_expiry(out, &t->expiry);
	if (t->all_open)
		(void)fprintf(out, "expiry_applies: all_open_while_held, ");
	if (t->has_birthday_window)
		(void)fprintf(out, "birthday: {days_before: %u, days_after: %u}, ", t->birthday_days_before, t->birthday_days_after);
	(void)fprintf(out, "}\n");
}

static void
print_when(FILE *out, const struct when_def *w)
{
	(void)fprintf(out, "when: {");
	text(out, "min_amount", w->min_amount);
	text(out, "max_amount", w->max_amount);
	words(out, "categories", w->categories.n, w->categories.v);
	words(out, "skus", w->skus.n, w->skus.v);
	words(out, "exclude_categories", w->exclude_categories.n, w->exclude_categories.v);
	words(out, "stores", w->stores.n, w->stores.v);
	words(out, "partners", w->partners.n, w->partners.v);
	words(out, "tiers", w->tiers.n, w->tiers.v);
	words(out, "segments", w->segments.n, w->segments.v);
	words(out, "weekdays", w->weekdays.n, w->weekdays.v);
	text(out, "min_gap", w->min_gap);
	text(out, "hours", w->hours);
	text(out, "from", w->from);
	text(out, "until", w->until);
	text(out, "activity", w->activity);
	text(out, "membership", w->membership);
	if (w->first_purchase)
		(void)fprintf(out, "first_purchase: true, ");
	if (w->has_member_days_min)
		(void)fprintf(out, "member_days_min: %u, ", w->member_days_min);
	if (w->has_previous_month_spend)
		(void)fprintf(out, "previous_month_spend: {min: \"%s\", waive_months: %u}, ", w->previous_min, w->waive_months);
	(void)fprintf(out, "}, ");
}

static void
print_caps(FILE *out, const struct rule_def *r)
{
	static const char *const periods[] = { "transaction", "day", "month", "year", "lifetime", "program" };
	static const char *const overs[] = { "clip", "reject", "fallback" };

	if (r->n_caps == 0)
		return;
	(void)fprintf(out, "caps: [");
	for (size_t i = 0; i < r->n_caps; i++) {
		const struct cap_def *cap = &r->caps[i];

		(void)fprintf(out, "{per: %s, ", periods[cap->per]);
		if (cap->has_count)
			(void)fprintf(out, "count: %u, ", cap->count);
		text(out, "points", cap->points);
		text(out, "group", cap->group);
		(void)fprintf(out, "over: %s}, ", overs[cap->over]);
	}
	(void)fprintf(out, "], ");
}

static void
print_measure(FILE *out, const struct rule_def *r)
{
	if (r->has_per_amount)
		(void)fprintf(out, "per_amount: {amount: \"%s\", points: \"%s\"%s}, ", r->amount, r->points, r->whole_steps ? ", whole_steps: true" : "");
	if (r->has_fixed)
		(void)fprintf(out, "fixed: {points: \"%s\"}, ", r->points);
	if (r->has_per_item)
		(void)fprintf(out, "per_item: {points: \"%s\"}, ", r->points);
	text(out, "multiply", r->multiply);
	text(out, "voucher", r->voucher);
	if (r->has_counter)
		(void)fprintf(out, "counter: {id: %s, add: %u%s}, ", r->counter, r->counter_add, r->counter_per_item ? ", per: item" : "");
}

static void
print_rule(FILE *out, const struct rule_def *r)
{
	static const char *const events[] = { "purchase", "activity", "enrol" }, *const kinds[] = { "base", "bonus", "multiplier", "counter",
	    "voucher" };

	(void)fprintf(out, "  - {id: %s, priority: %u, on: %s, kind: %s, ", r->id, r->priority, events[r->on], kinds[r->kind]);
	print_measure(out, r);
	text(out, "replaces", r->replaces);
	print_caps(out, r);
	if (r->pending.given) {
		(void)fprintf(out, "pending: {");
		if (r->pending.has_days)
			(void)fprintf(out, "days: %u, ", r->pending.days);
		if (r->pending.next_month_start)
			(void)fprintf(out, "until: next_month_start, ");
		if (r->pending.on_activity != NULL)
			(void)fprintf(out, "on_activity: %s, within_days: %u, ", r->pending.on_activity, r->pending.within_days);
		(void)fprintf(out, "}, ");
	}
	print_expiry(out, &r->expiry);
	print_when(out, &r->when);
	(void)fprintf(out, "}\n");
}

static void
print_vouchers(FILE *out, const struct program_def *def)
{
	for (size_t i = 0; i < def->n_vouchers; i++) {
		const struct voucher_def *v = &def->vouchers[i];

		(void)fprintf(out, "voucher: {id: %s, ", v->id);
		if (v->valid.given)
			(void)fprintf(out, "valid: {%s: %u}, ", v->valid.has_days ? "days" : v->valid.has_months ? "months" : "years",
			    v->valid.has_days ? v->valid.days : v->valid.months);
		if (v->value != NULL)
			(void)fprintf(out, "value: {amount: \"%s\"}", v->value);
		(void)fprintf(out, "}\n");
	}
}

static void
print_rewards(FILE *out, const struct program_def *def)
{
	if (def->has_auto_redeem)
		(void)fprintf(out, "auto_redeem: {at: \"%s\", voucher: %s}\n", def->auto_at, def->auto_voucher);
	for (size_t i = 0; i < def->n_rewards; i++) {
		const struct reward_def *r = &def->rewards[i];

		(void)fprintf(out, "reward: {id: %s, cost: \"%s\", voucher: %s", r->id, r->cost, r->voucher);
		if (r->has_stock)
			(void)fprintf(out, ", stock: %u", r->stock);
		if (r->per_member.given)
			(void)fprintf(out, ", per_member: {count: %u, per: %d}", r->per_member.count, (int)r->per_member.per);
		(void)fprintf(out, "}\n");
	}
}

static void
print_cards(FILE *out, const struct program_def *def)
{
	for (size_t i = 0; i < def->n_cards; i++) {
		const struct card_def *c = &def->cards[i];

		(void)fprintf(out, "stamps: {id: %s, per_item: %u, size: %u, voucher: %s, overflow: %s", c->id, c->per_item, c->size, c->voucher,
		    c->drop ? "drop" : "carry");
		if (c->cap.given)
			(void)fprintf(out, ", cap: {per: %d, count: %u}", (int)c->cap.per, c->cap.count);
		for (size_t k = 0; k < c->n_milestones; k++)
			(void)fprintf(out, ", milestone: {at: %u, voucher: %s}", c->milestones[k].at, c->milestones[k].voucher);
		if (c->valid.given)
			(void)fprintf(out, ", valid: {days: %u}", c->valid.days);
		print_when(out, &c->when);
		(void)fprintf(out, "}\n");
	}
}

static void
print_sections(FILE *out, const struct program_def *def)
{
	if (def->has_redemption) {
		(void)fprintf(out, "redemption: {");
		if (def->value_points != NULL)
			(void)fprintf(out, "value: {points: \"%s\", amount: \"%s\"}, ", def->value_points, def->value_amount);
		text(out, "min", def->redeem_min);
		text(out, "step", def->redeem_step);
		if (def->has_max_percent)
			(void)fprintf(out, "max_percent_of_order: %u, ", def->max_percent_of_order);
		(void)fprintf(out, "hold: {default_ttl: %s, max_ttl: %s, expired_lot: %s}}\n", def->default_ttl == NULL ? "15m" : def->default_ttl,
		    def->max_ttl, def->expire_at_once ? "expire_at_once" : "capturable");
	}
	if (def->has_birthday) {
		(void)fprintf(out, "birthday: {reward: {%s: \"%s\"}, window: {days_before: %u, days_after: %u}, issue: %s, leap_day: %s, guard_days: %u, ",
		    def->birthday_voucher != NULL ? "voucher" : "points", def->birthday_voucher != NULL ? def->birthday_voucher : def->birthday_points,
		    def->birthday_days_before, def->birthday_days_after, def->birthday_on_claim ? "on_claim" : "automatic",
		    def->leap_to_march ? "mar_1" : "feb_28", def->guard_days);
		if (def->has_requires)
			(void)fprintf(out, "requires: {points_earned: \"%s\", within_months: %u}, ", def->requires_points, def->within_months);
		(void)fprintf(out, "}\n");
	}
	static const char *const claws[] = { "unlimited", "only_pending", "within_balance" }, *const restores[] = { "original", "grace_days", "new_lot" };
	(void)fprintf(out, "returns: {claw_back: %s, restore: %s %u}\n", claws[def->claw_back], restores[def->restore], def->restore_days);
	if (def->has_transfers) {
		(void)fprintf(out, "transfers: {expiry: %s, member_days_min: %u, ", def->transfer_restarts ? "restart" : "keep", def->transfer_days_min);
		text(out, "min", def->transfer_min);
		text(out, "out_per_year", def->out_per_year);
		text(out, "in_per_year", def->in_per_year);
		if (def->has_times_per_year)
			(void)fprintf(out, "times_per_year: %u, ", def->times_per_year);
		(void)fprintf(out, "}\n");
	}
	if (def->has_pools)
		(void)fprintf(out, "pools: {max_members: %u}\n", def->max_members);
	for (size_t i = 0; i < def->n_partners; i++)
		(void)fprintf(out, "partners: %s\n", def->partners[i].id);
	for (size_t i = 0; i < def->n_memberships; i++) {
		const struct membership_def *m = &def->memberships[i];

		(void)fprintf(out, "memberships: {id: %s, term: %s, fee: %s, trial_days: %u, grace_days: %u, refund_if_unused: %d, earn_multiplier: %s}\n",
		    m->id, m->annual ? "annual" : "monthly", m->fee, m->trial_days, m->grace_days, m->refund_if_unused,
		    m->earn_multiplier == NULL ? "-" : m->earn_multiplier);
	}
	if (def->has_advance)
		(void)fprintf(out, "advance: {max: \"%s\"}\n", def->advance_max);
	if (def->has_anniversary)
		(void)fprintf(out, "anniversary: {of: enrolment, reward: {%s: \"%s\"}}\n", def->anniversary_voucher != NULL ? "voucher" : "points",
		    def->anniversary_voucher != NULL ? def->anniversary_voucher : def->anniversary_points);
}

void
print_program(const struct program_def *def, FILE *out)
{
	static const char *const roundings[] = { "floor", "nearest", "ceil" }, *const stackings[] = { "add", "multiply", "best" };

	(void)fprintf(out, "timezone: %s\ncurrency: %s\npoints: {scale: %u}\nrounding: {mode: %s, at: %s}\nstacking: %s\n", def->timezone, def->currency,
	    def->scale, roundings[def->rounding], def->round_once ? "once" : "each", stackings[def->stacking]);
	if (def->carry_remainder)
		(void)fprintf(out, "carry_remainder: true\n");
	words(out, "counters", def->counters.n, def->counters.v);
	(void)fprintf(out, "earn:\n");
	for (size_t i = 0; i < def->n_rules; i++)
		print_rule(out, &def->rules[i]);
	print_expiry(out, &def->expiry);
	(void)fprintf(out, "\ntiers:\n");
	for (size_t i = 0; i < def->n_tiers; i++)
		print_tier(out, &def->tiers[i]);
	print_vouchers(out, def);
	print_rewards(out, def);
	print_cards(out, def);
	print_sections(out, def);
	(void)fprintf(out, "limits: {");
	text(out, "earn_per_day", def->earn_per_day);
	text(out, "redeem_per_day", def->redeem_per_day);
	text(out, "adjust_without_approval", def->adjust_without_approval);
	if (def->has_late_days)
		(void)fprintf(out, "late_days: %u", def->late_days);
	(void)fprintf(out, "}\n");
	if (def->has_notices)
		(void)fprintf(out, "notices: {%zu of expiring_days, %zu of downgrade_days}\n", def->n_expiring_days, def->n_downgrade_days);
}

/* ---- a command ---- */

static void
print_decimal(FILE *out, const char *key, struct decimal d)
{
	char digits[DECIMAL_TEXT_BYTES];

	(void)fprintf(out, " %s %s", key, decimal_format(d.mantissa, d.digits, digits));
}

static void
print_purchase(FILE *out, const struct cmd *cmd)
{
	print_decimal(out, "amount", cmd->u.purchase.amount);
	for (size_t i = 0; i < cmd->u.purchase.n_lines; i++) {
		const struct line *line = &cmd->u.purchase.lines[i];

		(void)fprintf(out, ", line %u x %s of %s", line->qty, line->sku == NULL ? "-" : line->sku, line->category == NULL ? "-" : line->category);
		print_decimal(out, "for", line->amount);
	}
	if (cmd->u.purchase.partner != NULL)
		(void)fprintf(out, ", partner %s", cmd->u.purchase.partner);
	if (cmd->u.purchase.has_paid_with_points)
		print_decimal(out, ", paid with points", cmd->u.purchase.paid_with_points);
}

static void
print_activity(FILE *out, const struct cmd *cmd)
{
	(void)fprintf(out, " %s x %u", cmd->u.activity.activity, cmd->u.activity.qty);
	if (cmd->u.activity.has_amount)
		print_decimal(out, "amount", cmd->u.activity.amount);
	if (cmd->u.activity.found)
		(void)fprintf(out, " for purchase %" PRIu64 ".%" PRIu32, cmd->u.activity.purchase.seq, cmd->u.activity.purchase.index);
	if (cmd->u.activity.partner != NULL)
		(void)fprintf(out, " at %s", cmd->u.activity.partner);
}

static void
print_spending(FILE *out, const struct cmd *cmd)
{
	if (cmd->op == OP_REDEEM) {
		print_decimal(out, "points", cmd->u.redeem.points);
		if (cmd->u.redeem.round_down)
			(void)fprintf(out, " rounded down");
		if (cmd->u.redeem.has_order_amount)
			print_decimal(out, "of an order of", cmd->u.redeem.order_amount);
	} else if (cmd->op == OP_HOLD) {
		print_decimal(out, "points", cmd->u.hold.points);
		if (cmd->u.hold.has_ttl)
			(void)fprintf(out, " for %" PRId64 " s", cmd->u.hold.ttl_us / US_PER_SECOND);
		if (cmd->u.hold.has_order_amount)
			print_decimal(out, "of an order of", cmd->u.hold.order_amount);
	} else {
		(void)fprintf(out, " hold %" PRIu64 ".%" PRIu32, cmd->u.capture.hold.seq, cmd->u.capture.hold.index);
		if (cmd->u.capture.has_points)
			print_decimal(out, "points", cmd->u.capture.points);
	}
}

static void
print_operator(FILE *out, const struct cmd *cmd)
{
	char day[DAY_TEXT_BYTES];

	if (cmd->op == OP_ADJUST) {
		print_decimal(out, "points", cmd->u.adjust.points);
		if (cmd->u.adjust.last_day != DAY_NONE)
			(void)fprintf(out, " last day %s", day_format(cmd->u.adjust.last_day, day));
		if (cmd->u.adjust.tier_points)
			(void)fprintf(out, " that count for tiers");
	} else {
		(void)fprintf(out, " %s until %s", cmd->u.tier.tier[0] == 0 ? "none" : cmd->u.tier.tier, day_format(cmd->u.tier.until, day));
	}
}

static void
print_past(FILE *out, const struct cmd *cmd)
{
	(void)fprintf(out, " of %" PRIu64 ".%" PRIu32, cmd->u.past.id.seq, cmd->u.past.id.index);
	if (cmd->u.past.has_amount)
		print_decimal(out, "amount", cmd->u.past.amount);
	if (cmd->u.past.has_points)
		print_decimal(out, "points", cmd->u.past.points);
	for (size_t i = 0; i < cmd->u.past.n_lines; i++) {
		const struct line *line = &cmd->u.past.lines[i];

		(void)fprintf(out, ", line %u x %s of %s", line->qty, line->sku == NULL ? "-" : line->sku, line->category == NULL ? "-" : line->category);
		if (line->has_amount)
			print_decimal(out, "for", line->amount);
	}
}

static void
print_moving(FILE *out, const struct cmd *cmd)
{
	if (cmd->op == OP_ADVANCE) {
		print_decimal(out, "points", cmd->u.advance.points);
		return;
	}
	(void)fprintf(out, " to member %" PRIu64, cmd->u.other.member);
	if (cmd->op == OP_TRANSFER)
		print_decimal(out, "points", cmd->u.other.points);
}

void
print_command(struct life *l, const struct cmd *cmd)
{
	char at[INSTANT_TEXT_BYTES];
	FILE *out = l->log;

	(void)fprintf(out, "  %s %s", instant_format(l->now_us, at), op_str(cmd->op));
	if (cmd->member != 0)
		(void)fprintf(out, " member %" PRIu64, cmd->member);
	if (cmd->op == OP_PURCHASE)
		print_purchase(out, cmd);
	else if (cmd->op == OP_ACTIVITY)
		print_activity(out, cmd);
	else if (cmd->op == OP_REDEEM || cmd->op == OP_HOLD || cmd->op == OP_CAPTURE || cmd->op == OP_RELEASE)
		print_spending(out, cmd);
	else if (cmd->op == OP_ADJUST || cmd->op == OP_TIER)
		print_operator(out, cmd);
	else if (cmd->op == OP_RETURN || cmd->op == OP_REVERSE_REDEEM)
		print_past(out, cmd);
	else if (cmd->op == OP_MEMBERSHIP_START || cmd->op == OP_MEMBERSHIP_RENEW || cmd->op == OP_MEMBERSHIP_CANCEL)
		(void)fprintf(out, " %s%s", cmd->u.membership.membership, cmd->u.membership.trial ? " for a trial" : "");
	else if (cmd->op == OP_POOL_JOIN)
		(void)fprintf(out, " of member %" PRIu64, cmd->u.other.member);
	else if (cmd->op == OP_TRANSFER || cmd->op == OP_MERGE || cmd->op == OP_ADVANCE)
		print_moving(out, cmd);
	else if (cmd->op == OP_APPROVE)
		(void)fprintf(out, " of %" PRIu64 ".%" PRIu32, cmd->u.approve.id.seq, cmd->u.approve.id.index);
	if (cmd->store != NULL)
		(void)fprintf(out, " in store %s", cmd->store);
	if (cmd->has_occurred_at)
		(void)fprintf(out, ", occurred at %s", instant_format(cmd->occurred_at_us, at));
	(void)fputc('\n', out);
}

/* ---- an entry ---- */

void
print_entry(struct life *l, const struct entry *entry)
{
	unsigned scale = l->defs[0]->scale;
	char texts[5][DECIMAL_TEXT_BYTES], at[INSTANT_TEXT_BYTES];
	struct entry_id id = life_id(l, l->n_stored - 1);

	(void)fprintf(l->log, "    %" PRIu64 ".%" PRIu32 " %s", id.seq, id.index, op_str(entry->op));
	if (entry->has_due_at)
		(void)fprintf(l->log, " due at %s", instant_format(entry->due_at_us, at));
	for (size_t i = 0; i < entry->n_grants; i++) {
		const struct grant *g = &entry->grants[i];
		(void)fprintf(l->log, ", %s %s of %s", g->rule, decimal_format(g->granted, scale, texts[0]), decimal_format(g->wanted, scale, texts[1]));
		if (g->cap != NULL)
			(void)fprintf(l->log, " (%s)", g->cap);
	}
	for (size_t i = 0; i < entry->n_followups; i++) {
		const struct followup *f = &entry->followups[i];
		(void)fprintf(l->log, ", of %" PRIu64 ".%" PRIu32 " clawed %s in all", f->entry.seq, f->entry.index, decimal_format(f->clawed, scale, texts[0]));
	}
	for (size_t i = 0; i < entry->n_touched; i++) {
		const struct touched *t = &entry->touched[i];
		(void)fprintf(l->log, "; available %s, pending %s, held %s, debt %s, %s", decimal_format(t->available, scale, texts[0]),
		    decimal_format(t->pending, scale, texts[1]), decimal_format(t->held, scale, texts[2]), decimal_format(t->debt, scale, texts[3]),
		    t->tier == NULL || t->tier[0] == 0 ? "no tier" : t->tier);
	}
	(void)fputc('\n', l->log);
}
