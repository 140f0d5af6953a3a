/*
 * Spending: holds, their ends, and redemptions.  A redemption outside a hold takes its lots straight away.  Lots leave in
 * consumption order, both the member's and a hold's, so ended lots of a hold go first.
 */
#include <assert.h>

#include "base/checked.h"
#include "ledger/internal.h"
#include "ledger/terminal.h"

/* What points are worth, rounded down; false: beyond an int64. */
static bool
value_of(const struct program *p, int64_t points, int64_t *ret_value)
{
	wide value = (wide)points * p->value_amount / p->value_points;

	if (value > INT64_MAX)
		return false;
	*ret_value = (int64_t)value;
	return true;
}

static bool
set_value(struct decision *d, int64_t points)
{
	if (!d->program->has_value)
		return true;
	d->entry->has_value = true;
	return value_of(d->program, points, &d->entry->value);
}

/* The limits of `redemption` on *${points}, which ${round_down} brings down to a step first; refused, or not. */
static enum status
check_terms(struct decision *d, int64_t *points, bool pool, bool round_down, const int64_t *order_amount)
{
	const struct program *p = d->program;

	if (!p->has_redemption)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no redemption");
	if (pool && p->pool_max == 0)
		return refuse(d, LEDGER_NOT_OFFERED, "pool", "this program has no pools");
	if (!decision_member_open(d, true))
		return ST_OK;
	if (!set_value(d, *points))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "points", "points are worth more than can be counted");
	if (round_down)
		*points -= *points % p->redeem_step;
	if (*points == 0)
		return refuse(d, LEDGER_NOT_A_STEP, "points", "points are fewer than one step of %s", POINTS_TEXT(d, p->redeem_step));
	if (*points < p->redeem_min)
		return refuse(d, LEDGER_BELOW_MINIMUM, "points", "at least %s points are redeemed at a time", POINTS_TEXT(d,
		    p->redeem_min));
	if (*points % p->redeem_step != 0)
		return refuse(d, LEDGER_NOT_A_STEP, "points", "points are redeemed in steps of %s", POINTS_TEXT(d, p->redeem_step));
	if (!set_value(d, *points))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "points", "points are worth more than can be counted");
	if (order_amount != NULL && p->has_value && (wide)d->entry->value * 100 > (wide)*order_amount * p->max_percent_of_order)
		return refuse(d, LEDGER_OVER_ORDER_TOTAL, "points",
		    "the points are worth more than the %u %% of the order that they may pay",
		    p->max_percent_of_order);
	return ST_OK;
}

/* In a program without pools it is the section that is missing: see check_terms(). */
static bool
pool_there(struct decision *d, bool asked)
{
	if (!asked || d->program->pool_max == 0 || d->member->pool != 0)
		return true;
	return refuse_false(d, LEDGER_NOT_FOUND, "pool", "the member is in no pool");
}

static enum status
refuse_insufficient(struct decision *d, int64_t points)
{
	return refuse(d, LEDGER_INSUFFICIENT_POINTS, "points", "%s points are available, %s were asked for", POINTS_TEXT(d,
	    d->member->available),
	    POINTS_TEXT(d, points));
}

static enum status
take_available(struct decision *d, int64_t points, enum account to)
{
	return decision_take(d, d->member->lots, d->member->n_lots, points, ACCOUNT_MEMBER, to, to, d->today);
}

/* ---- limits.redeem_per_day: what was redeemed on a day, or put on hold on it and is held still ---- */

static enum status
tally_redeemed(struct decision *d, int64_t points, int64_t count)
{
	return decision_tally(d, &(struct tally){ .kind = TALLY_REDEEMED, .per = PERIOD_DAY, .at = d->business_date, .points = points,
	    .count = count });
}

static const struct tally *
redeemed_today(const struct decision *d)
{
	return tally_find(d->member->tallies, d->member->n_tallies, TALLY_REDEEMED, "", PERIOD_DAY, d->business_date);
}

enum status
decision_count_redeemed(struct decision *d, int64_t points)
{
	const struct tally *used = redeemed_today(d);

	if (!d->program->has_redeem_per_day)
		return ST_OK;
	if (points > d->program->redeem_per_day - (used == NULL ? 0 : used->points))
		return refuse(d, LEDGER_CAP_REACHED, "points", "at most %s points are redeemed in a day", POINTS_TEXT(d, d->program->redeem_per_day));
	return tally_redeemed(d, points, 1);
}

/* On the hold's own day. */
static enum status
uncount_redeemed(struct decision *d, const struct hold *hold, int64_t points)
{
	const struct tally *used = redeemed_today(d);

	if (points == 0 || hold->day != d->business_date || used == NULL || used->points < points)
		return ST_OK;
	return tally_redeemed(d, -points, used->points == points ? -used->count : 0);
}

/* All that was not captured: what an erasure took out of a pool's hold was not redeemed either.  A part was counted for the holder. */
static enum status
uncount_hold(struct decision *d, const struct hold *hold)
{
	return hold->part ? ST_OK : uncount_redeemed(d, hold, hold->pooled > 0 ? hold->pooled : hold_left(hold));
}

/* ---- hold ---- */

bool
decision_hold_inputs(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	const struct program *p = d->program;
	struct entry *e = d->entry;

	e->u.hold.partner = cmd->u.hold.partner;
	if (!decision_partner(d, cmd->u.hold.partner) || !pool_there(d, cmd->u.hold.pool))
		return false;
	e->u.hold.pool = cmd->u.hold.pool;
	e->u.hold.ttl_us = cmd->u.hold.has_ttl ? cmd->u.hold.ttl_us : p->default_ttl_us;
	e->u.hold.has_order_amount = cmd->u.hold.has_order_amount;
	e->u.hold.for_terminal = cmd->u.hold.for_terminal;
	if (!cmd->u.hold.of_voucher && !decision_points(d, "points", cmd->u.hold.points, &e->u.hold.points))
		return false;
	if (cmd->u.hold.has_order_amount && !decision_money(d, "order_amount", cmd->u.hold.order_amount, &e->u.hold.order_amount))
		return false;
	if ((p->has_redemption || cmd->u.hold.of_voucher) && e->u.hold.ttl_us > p->max_ttl_us)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "ttl", "a hold of this program lasts at most %lld s",
		    (long long)(p->max_ttl_us / US_PER_SECOND));
	return true;
}

/* Whose the hold is to be: without a store of its own, the name is of one in the store that the hold is made in. */
static enum status
grant_to_till(struct decision *d)
{
	const char *text = d->cmd->u.hold.for_terminal;
	struct terminal_name till, maker;

	if (text == NULL)
		return ST_OK;
	if (!terminal_name_parse(text, &till))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "for_terminal", "for_terminal names no terminal: say 07, 0042/07 or pos/0042/07");
	terminal_of_command(d->cmd, &maker);
	const char *store = till.store[0] != 0 ? till.store : maker.store;
	d->entry->hold.for_terminal = arena_strdup(d->arena, till.terminal);
	d->entry->hold.for_store = store[0] != 0 ? arena_strdup(d->arena, store) : NULL;
	return d->entry->hold.for_terminal == NULL || (store[0] != 0 && d->entry->hold.for_store == NULL) ? ST_NOMEM : ST_OK;
}

bool
decision_hold_room(struct decision *d)
{
	if (d->member->n_holds < LEDGER_HOLDS_MAX)
		return true;
	return refuse_false(d, LEDGER_CAP_REACHED, NULL, "the member has %d open holds; capture or release one first", LEDGER_HOLDS_MAX);
}

enum status
decision_hold_made(struct decision *d, int64_t left)
{
	struct entry *e = d->entry;

	e->has_hold = true;
	e->hold.expire_at_once = d->program->expire_at_once;
	e->hold.ends_at_us = d->now_us + e->u.hold.ttl_us;
	e->hold.left = left;
	return grant_to_till(d);
}

enum status
decide_hold(struct decision *d)
{
	struct entry *e = d->entry;

	if (d->cmd->u.hold.of_voucher)
		return decide_hold_voucher(d);
	if (!decision_hold_inputs(d))
		return ST_OK;
	int64_t points = e->u.hold.points;
	enum status st = check_terms(d, &points, e->u.hold.pool, false, e->u.hold.has_order_amount ? &e->u.hold.order_amount : NULL);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	if (!decision_hold_room(d))
		return ST_OK;
	st = decision_count_redeemed(d, points);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	if (!e->u.hold.pool && points > d->member->available)
		return refuse_insufficient(d, points);
	st = decision_hold_made(d, points);
	return st != ST_OK ? st : e->u.hold.pool ? decision_spend_pool(d, points, ACCOUNT_HELD) : take_available(d, points, ACCOUNT_HELD);
}

/* ---- capture and release ---- */

/* The hold that the command names, while it is open; NULL: refused. */
static enum status
find_hold(struct decision *d, const struct hold **ret_hold)
{
	const struct hold *hold = d->cmd->u.capture.found ? member_hold(d->member, d->cmd->u.capture.hold) : NULL;

	if (hold != NULL && hold->part)
		hold = NULL;			/* it is another's, who has it still */
	*ret_hold = hold;
	if (hold != NULL)
		return ST_OK;
	if (d->cmd->u.capture.found) {
		struct closed_hold closed;
		enum status st = d->state->closed_hold(d->state->ctx, d->cmd->u.capture.hold, &closed);

		if (st != ST_OK && st != ST_NOTFOUND)
			return st;
		bool is_its = false;
		if (st == ST_OK && closed.program == d->cmd->program)
			st = member_became(d->state, closed.program, closed.member, d->cmd->member, &is_its);
		if ((st != ST_OK && st != ST_NOTFOUND) || is_its)
			return st;		/* judged by refuse_closed(), after the points */
	}
	return refuse(d, LEDGER_NOT_FOUND, "hold", "the member has no such hold");
}

static enum status
refuse_closed(struct decision *d)
{
	struct closed_hold closed;
	enum status st = d->state->closed_hold(d->state->ctx, d->cmd->u.capture.hold, &closed);

	if (st != ST_OK)
		return st;
	switch (closed.end) {
	case HOLD_END_TIMED_OUT: return refuse(d, LEDGER_HOLD_EXPIRED, "hold", "the hold timed out and its points went back");
	case HOLD_END_REVOKED: return refuse(d, LEDGER_HOLD_NOT_OPEN, "hold", "the hold ended: the voucher that it had was revoked");
	case HOLD_END_TAKEN: return refuse(d, LEDGER_HOLD_NOT_OPEN, "hold", "the hold was captured to the last point");
	case HOLD_END_RELEASED: return refuse(d, LEDGER_HOLD_NOT_OPEN, "hold", "the hold was released");
	}
	assert(false);
	return ST_CORRUPT;
}

/*
 * Whether the command comes from the terminal that the hold is for, over or not.  A release may also come from who is no terminal at all, an
 * operator or a backend: somebody has to be able to give points back when a till does not return.
 */
static enum status
check_till(struct decision *d, const struct hold *hold)
{
	struct closed_hold closed;
	struct terminal_name asking;
	const struct terminal_name *till = &closed.till;

	if (hold != NULL) {
		till = &hold->till;
	} else {
		enum status st = d->state->closed_hold(d->state->ctx, d->cmd->u.capture.hold, &closed);
		if (st != ST_OK)
			return st;
	}
	terminal_of_command(d->cmd, &asking);
	if (till->terminal[0] == 0 || terminal_is(till, &asking) || (d->cmd->op == OP_RELEASE && asking.terminal[0] == 0))
		return ST_OK;
	return refuse(d, LEDGER_PERMISSION_DENIED, "hold", "the hold is for terminal %s%s%s: only that one may %s it", till->terminal,
	    till->store[0] != 0 ? " of store " : "", till->store, d->cmd->op == OP_CAPTURE ? "capture" : "release");
}

/* Common to both: finds the hold, scales the points, and sees that the hold is open; NULL: refused. */
static enum status
open_hold(struct decision *d, const struct hold **ret_hold)
{
	const struct cmd *cmd = d->cmd;
	const struct hold *hold;
	enum status st = find_hold(d, &hold);

	*ret_hold = NULL;
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	d->entry->u.capture.hold = cmd->u.capture.hold;
	d->entry->u.capture.has_points = cmd->op == OP_CAPTURE && cmd->u.capture.has_points;
	if (d->entry->u.capture.has_points && !decision_points(d, "points", cmd->u.capture.points, &d->entry->u.capture.points))
		return ST_OK;
	st = check_till(d, hold);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	if (hold != NULL && hold->of_voucher && d->entry->u.capture.has_points)
		return refuse(d, LEDGER_INVALID_ARGUMENT, "points", "the hold is of a voucher, which is captured whole; leave points out");
	if (!decision_member_open(d, cmd->op == OP_CAPTURE))
		return ST_OK;
	if (hold == NULL)
		return refuse_closed(d);
	if (d->now_us >= hold->ends_at_us)
		return refuse(d, LEDGER_HOLD_EXPIRED, "hold", "the hold timed out and its points went back");
	*ret_hold = hold;
	return ST_OK;
}

static void
hold_facts(struct decision *d, const struct hold *hold, int64_t left)
{
	d->entry->has_hold = true;
	d->entry->hold.has_id = true;
	d->entry->hold.id = hold->id;
	d->entry->hold.ends_at_us = hold->ends_at_us;
	d->entry->hold.left = left;
}

/* A hold from a pool whose parts have gone one by one stays in its record until its time is over. */
static enum status
refuse_ended(struct decision *d)
{
	return refuse(d, LEDGER_HOLD_EXPIRED, "hold", "all points of the hold have ended");
}

enum status
decide_capture(struct decision *d)
{
	const struct hold *hold;
	enum status st = open_hold(d, &hold);

	if (st != ST_OK || hold == NULL)
		return st;
	int64_t left;

	st = hold_total(d->state, d->member, hold, &left);
	if (st != ST_OK)
		return st;
	int64_t points = d->entry->u.capture.has_points ? d->entry->u.capture.points : left;
	if (hold->of_voucher) {
		hold_facts(d, hold, 0);
		return decision_capture_voucher(d, hold);
	}
	if (left == 0)
		return refuse_ended(d);
	if (points > left)
		return refuse(d, LEDGER_HOLD_TOO_SMALL, "points", "%s points are left in the hold, %s were asked for", POINTS_TEXT(d, left),
		    POINTS_TEXT(d, points));
	if (!set_value(d, points))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "points", "points are worth more than can be counted");
	hold_facts(d, hold, left - points);
	if (hold->partner[0] != 0 && (d->partner = arena_strdup(d->arena, hold->partner)) == NULL)
		return ST_NOMEM;		/* a copy: the record may be gone before the entry is written */
	if (points == left && hold->pooled > 0)
		st = uncount_redeemed(d, hold, hold->pooled - points);
	return st != ST_OK ? st : decision_take_hold(d, hold, points, decision_redeemed(d), decision_redeemed(d));
}

enum status
decision_release(struct decision *d, const struct hold *hold)
{
	hold_facts(d, hold, 0);
	if (hold->of_voucher)
		return decision_release_voucher(d, hold);
	enum status st = uncount_hold(d, hold);
	if (st != ST_OK)
		return st;
	return decision_take(d, hold->lots, hold->n_lots, hold_left(hold), ACCOUNT_HELD, ACCOUNT_MEMBER, ACCOUNT_EXPIRED, d->today);
}

enum status
decision_hold_expire(struct decision *d, const struct hold *hold)
{
	size_t n = 0;
	int64_t points = 0;

	if (hold->of_voucher) {
		hold_facts(d, hold, 0);
		return decision_release_voucher(d, hold);
	}
	for (; n < hold->n_lots && hold->lots[n].last_day < d->today; n++)
		points += hold->lots[n].points;
	hold_facts(d, hold, hold_left(hold) - points);
	return decision_take(d, hold->lots, n, points, ACCOUNT_HELD, ACCOUNT_EXPIRED, ACCOUNT_EXPIRED, d->today);
}

/* Others' parts as well. */
static enum status
release_all(struct decision *d, const struct hold *hold)
{
	int64_t left;
	enum status st = hold_total(d->state, d->member, hold, &left);

	if (st == ST_OK && left == 0)
		return refuse_ended(d);
	if (st == ST_OK)
		st = uncount_hold(d, hold);
	if (st != ST_OK)
		return st;
	hold_facts(d, hold, 0);
	return decision_take_hold(d, hold, left, ACCOUNT_MEMBER, ACCOUNT_EXPIRED);
}

enum status
decide_release(struct decision *d)
{
	const struct hold *hold;
	enum status st = open_hold(d, &hold);

	if (st != ST_OK || hold == NULL)
		return st;
	st = hold->pooled > 0 ? release_all(d, hold) : decision_release(d, hold);
	if (st == ST_OK)
		decision_look(d);
	return st;
}

/* ---- reverse_redeem ---- */

/* The account that a redemption took its lots from. */
static enum account
redeemed_from(const struct entry *e)
{
	return e->op == OP_CAPTURE ? ACCOUNT_HELD : ACCOUNT_MEMBER;
}

static int64_t
redeemed_points(const struct entry *e)
{
	int64_t points = 0;

	for (size_t i = 0; i < e->n_postings; i++)
		points -= e->postings[i].account == redeemed_from(e) && posting_is_debit(e, i) ? e->postings[i].points : 0;
	return points;
}

/* The partner that was to be paid for it; NULL: none. */
static const char *
redeemed_at(const struct entry *e)
{
	for (size_t i = 0; i < e->n_postings; i++) {
		if (e->postings[i].account == ACCOUNT_PARTNER_REDEEMED)
			return e->postings[i].partner;
	}
	return NULL;
}

/* What is over by today follows `restore`; under original it comes back as it was, and expires at once. */
static int32_t
restored_day(const struct decision *d, int32_t last_day)
{
	if (last_day >= d->today)
		return last_day;
	switch (d->program->restore) {
	case RESTORE_ORIGINAL: return last_day;
	case RESTORE_GRACE: return d->today + (int32_t)d->program->restore_days;
	case RESTORE_NEW_LOT: return program_last_day(d->program, member_tier(d->member, d->program, d->today), d->business_date);
	}
	assert(false);
	return last_day;
}

/* The last taken come back first, as if they had never been redeemed, each to its owner: ${skip} came back already. */
static enum status
restore_lots(struct decision *d, const struct entry *past, int64_t skip, int64_t points)
{
	struct sides sides = { .d = d };
	enum status st = ST_OK;

	for (size_t i = past->n_postings; i > 0 && points > 0 && st == ST_OK; i--) {
		const struct posting *p = &past->postings[i - 1];

		if (p->account != redeemed_from(past) || !posting_is_debit(past, i - 1))
			continue;
		int64_t there = -p->points, gone = skip < there ? skip : there, part = there - gone < points ? there - gone : points;
		struct decision *owner;
		skip -= gone;
		points -= part;
		if (part == 0)
			continue;
		st = sides_get(&sides, p->member, &owner);
		if (st != ST_OK)
			return st;
		struct lot lot = { .last_day = restored_day(owner, p->last_day), .class = p->class };
		st = decision_move(owner, d->partner != NULL ? ACCOUNT_PARTNER_REDEEMED : ACCOUNT_REINSTATED, ACCOUNT_MEMBER, &lot, part);
	}
	return st == ST_OK ? sides_end(&sides) : st;
}

/* A redemption of today no longer counts for today's limit. */
static enum status
uncount_reversed(struct decision *d, const struct entry *past, int64_t points)
{
	const struct tally *used = redeemed_today(d);

	/* A capture was counted when its hold was made, whenever that was. */
	if (past->op != OP_REDEEM || past->business_date != d->business_date || used == NULL || used->points < points)
		return ST_OK;
	return tally_redeemed(d, -points, used->points == points ? -used->count : 0);
}

enum status
decide_reverse_redeem(struct decision *d)
{
	const struct entry *past = d->cmd->u.past.entry;
	struct entry *e = d->entry;
	struct followup f;

	if (past == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "redeem", "the member has no such redemption");
	assert(past->op == OP_REDEEM || past->op == OP_CAPTURE);
	e->u.past.entry = d->cmd->u.past.id;
	e->u.past.has_points = d->cmd->u.past.has_points;
	if (e->u.past.has_points && !decision_points(d, "points", d->cmd->u.past.points, &e->u.past.points))
		return ST_OK;
	bool is_reward = past->op == OP_REDEEM && past->u.redeem.reward != NULL;
	if (is_reward && e->u.past.has_points && e->u.past.points != redeemed_points(past))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "points", "a reward is reversed whole: leave points out");
	if (!decision_member_open(d, false))
		return ST_OK;
	enum status st = followup_load(d, d->cmd->u.past.id, &f);
	if (st != ST_OK)
		return st;
	int64_t left = redeemed_points(past) - f.reversed, points = e->u.past.has_points ? e->u.past.points : left;
	if (points > left || left <= 0)
		return refuse(d, LEDGER_ALREADY_REVERSED, "points", "%s points of the redemption are left to reverse", POINTS_TEXT(d, left));
	d->partner = redeemed_at(past);
	if (is_reward)
		st = decision_reverse_reward(d, past, d->cmd->u.past.id);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	st = restore_lots(d, past, f.reversed, points);
	if (st == ST_OK)
		st = uncount_reversed(d, past, points);
	f.reversed += points;
	if (st == ST_OK)
		st = decision_followup(d, &f);
	if (st == ST_OK)
		decision_look(d);
	return st;
}

/* ---- redeem ---- */

enum status
decide_redeem(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;

	e->u.redeem.partner = cmd->u.redeem.partner;
	if (!decision_partner(d, cmd->u.redeem.partner) || !pool_there(d, cmd->u.redeem.pool))
		return ST_OK;
	if (cmd->u.redeem.reward != NULL)
		return decide_reward(d);
	e->u.redeem.has_order_amount = cmd->u.redeem.has_order_amount;
	e->u.redeem.round_down = cmd->u.redeem.round_down;
	if (!decision_points(d, "points", cmd->u.redeem.points, &e->u.redeem.points))
		return ST_OK;
	if (cmd->u.redeem.has_order_amount && !decision_money(d, "order_amount", cmd->u.redeem.order_amount, &e->u.redeem.order_amount))
		return ST_OK;
	int64_t points = e->u.redeem.points;
	e->u.redeem.pool = cmd->u.redeem.pool;
	enum status st = check_terms(d, &points, cmd->u.redeem.pool, cmd->u.redeem.round_down, e->u.redeem.has_order_amount ? &e->u.redeem.order_amount : NULL);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	st = decision_count_redeemed(d, points);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	if (cmd->u.redeem.pool)
		return decision_spend_pool(d, points, decision_redeemed(d));
	if (points > d->member->available)
		return refuse_insufficient(d, points);
	return take_available(d, points, decision_redeemed(d));
}
