/*
 * The ladder, in the order of RULINGS section 2: syntax that needs nothing, CLOCK_SKEW, EVENT_TOO_OLD, NOT_FOUND of program
 * and member; then the operation's own function goes on from there, scales first.  Each rung ends the decision, so that of
 * several refusals the first is the answer.
 *
 * A decision only reads.  What it brings about is collected in the entry; points move in pairs of postings, so they sum to
 * zero by construction.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

#define NOW_MAX_US ((DAY_MAX - 366) * US_PER_DAY)

/* ---- refusing ---- */

enum status
refuse(struct decision *d, enum ledger_result result, const char *field, const char *format, ...)
{
	va_list ap;

	assert(result != LEDGER_OK && d->refusal->result == LEDGER_OK);
	d->refusal->result = result;
	d->refusal->field = field;
	va_start(ap, format);
	(void)vsnprintf(d->refusal->sentence, sizeof(d->refusal->sentence), format, ap);
	va_end(ap);
	return ST_OK;
}

#define invalid(d, ...) refuse_false((d), LEDGER_INVALID_ARGUMENT, __VA_ARGS__)

static bool
decision_scale(struct decision *d, const char *field, struct decimal value, unsigned scale, const char *what, int64_t *ret)
{
	int64_t scaled = 0;

	switch (decimal_scale(value, scale, &scaled)) {
	case DECIMAL_OK:
		break;
	case DECIMAL_SURPLUS_DIGITS:
		return invalid(d, field, "%s has more digits after the point than the %u of %s; leave them out, zeros too", field,
		    scale, what);
	case DECIMAL_OVERFLOW:
		return invalid(d, field, "%s is too large", field);
	}
	if (scaled > POINTS_MAX || scaled < -POINTS_MAX)
		return invalid(d, field, "%s is too large", field);
	*ret = scaled;
	return true;
}

bool
decision_points(struct decision *d, const char *field, struct decimal value, int64_t *ret)
{
	return decision_scale(d, field, value, d->program->scale, "this program's points", ret);
}

bool
decision_money(struct decision *d, const char *field, struct decimal value, int64_t *ret)
{
	return decision_scale(d, field, value, d->program->currency_digits, d->program->currency, ret);
}

/* ---- collecting ---- */

enum status
decision_post(struct decision *d, const struct posting *posting)
{
	struct posting *grown = arena_grow(d->arena, d->postings, &d->cap_postings, d->entry->n_postings + 1, sizeof(*grown));

	if (grown == NULL)
		return ST_NOMEM;
	grown[d->entry->n_postings++] = *posting;
	d->postings = grown;
	return ST_OK;
}

bool
account_is_partners(enum account account)
{
	return account == ACCOUNT_PARTNER_ISSUED || account == ACCOUNT_PARTNER_REDEEMED;
}

bool
decision_partner(struct decision *d, const char *partner)
{
	if (partner == NULL || d->program->n_partners == 0)
		return true;
	if (program_partner(d->program, partner) == NULL)
		return refuse_false(d, LEDGER_NOT_FOUND, "partner", "this program has no such partner");
	d->partner = partner;
	return true;
}

enum account
decision_issued(const struct decision *d)
{
	return d->partner != NULL ? ACCOUNT_PARTNER_ISSUED : ACCOUNT_ISSUED;
}

enum account
decision_redeemed(const struct decision *d)
{
	return d->partner != NULL ? ACCOUNT_PARTNER_REDEEMED : ACCOUNT_REDEEMED;
}

static bool
account_is_members(enum account account)
{
	return account == ACCOUNT_MEMBER || account == ACCOUNT_PENDING || account == ACCOUNT_HELD || account == ACCOUNT_DEBT;
}

static struct posting
posting_of(const struct decision *d, enum account account, const struct lot *lot, int64_t points)
{
	return (struct posting){
		.account = account,
		.member = account_is_members(account) ? d->entry->member : 0,
		.points = points,
		.last_day = account == ACCOUNT_DEBT ? DAY_NEVER : lot->last_day,
		.class = account == ACCOUNT_DEBT ? LOT_NONE : lot->class,
		.partner = account_is_partners(account) ? d->partner : NULL,
	};
}

enum status
decision_move(struct decision *d, enum account from, enum account to, const struct lot *lot, int64_t points)
{
	struct posting out = posting_of(d, from, lot, -points), in = posting_of(d, to, lot, points);

	assert(points > 0);
	enum status st = decision_post(d, &out);
	return st == ST_OK ? decision_post(d, &in) : st;
}

/* Lots stand by their last days but those under the clock, which end with it: 0 before, 1 the clock's, 2 after, 3 never. */
static int
lot_pass(const struct member *m, const struct lot *lot)
{
	if (lot->last_day >= DAY_CLOCK)
		return lot->last_day == DAY_CLOCK ? 1 : 3;
	return m->clock.on && lot->last_day > m->clock.last_day ? 2 : 0;
}

enum status
decision_take(struct decision *d, const struct lot *lots, size_t n_lots, int64_t points, enum account from, enum account to,
    enum account to_ended, int32_t today)
{
	for (int pass = 0; pass < 4 && points > 0; pass++) {
		for (size_t i = 0; i < n_lots && points > 0; i++) {
			int64_t part = points < lots[i].points ? points : lots[i].points;

			if (lot_pass(d->member, &lots[i]) != pass)
				continue;
			enum status st = decision_move(d, from, lots[i].last_day < today ? to_ended : to, &lots[i], part);
			if (st != ST_OK)
				return st;
			points -= part;
		}
	}
	return ST_OK;
}

/* Points move in pairs of postings, out and in; a change of terms is not made of such pairs. */
bool
posting_is_debit(const struct entry *entry, size_t index)
{
	const struct posting *out = &entry->postings[index], *in = out + 1;

	return out->points < 0 && index + 1 < entry->n_postings && in->points == -out->points && in->account != out->account;
}

enum status
decision_relot(struct decision *d, const struct lot *lot, int64_t points, const struct hold *hold)
{
	struct posting p = posting_of(d, hold != NULL ? ACCOUNT_HELD : ACCOUNT_MEMBER, lot, points);

	if (hold != NULL) {
		p.has_hold = true;
		p.hold = hold->id;
	}
	return decision_post(d, &p);
}

enum status
decision_number(struct decision *d, enum account account, int64_t points)
{
	struct lot none = { .last_day = DAY_NEVER, .class = account == ACCOUNT_PENDING ? LOT_EARNED : LOT_NONE };
	struct posting p = posting_of(d, account, &none, points);

	return decision_post(d, &p);
}

enum status
decision_credit_lots(struct decision *d, enum account from, const struct lot *lots, size_t n_lots)
{
	int64_t owed = d->member->debt - d->debt_paid;

	for (size_t i = 0; i < n_lots; i++) {
		int64_t debt = owed < lots[i].points ? owed : lots[i].points;
		enum status st = ST_OK;

		assert(lots[i].points > 0);
		if (debt > 0)
			st = decision_move(d, from, ACCOUNT_DEBT, &lots[i], debt);
		if (st == ST_OK && lots[i].points > debt)
			st = decision_move(d, from, ACCOUNT_MEMBER, &lots[i], lots[i].points - debt);
		if (st != ST_OK)
			return st;
		owed -= debt;
		d->debt_paid += debt;
	}
	return ST_OK;
}

enum status
decision_credit(struct decision *d, enum account from, const struct lot *lot)
{
	return decision_credit_lots(d, from, lot, 1);
}

enum status
decision_account_fits(struct decision *d, enum account account, int64_t points, bool *ret_fits)
{
	const struct totals *totals = NULL;
	enum status st = d->state->totals(d->state->ctx, d->entry->program, &totals);

	if (st != ST_OK)
		return st;
	assert(account == ACCOUNT_ISSUED || account == ACCOUNT_ADJUSTED || account == ACCOUNT_OPENING);
	wide sum = totals == NULL ? 0 : totals->account[account];
	if (totals != NULL && account == ACCOUNT_ISSUED)
		sum += (wide)totals->account[ACCOUNT_PARTNER_ISSUED] + totals->account[ACCOUNT_DEBT];
	*ret_fits = sum + points <= POINTS_MAX && sum + points >= -POINTS_MAX;
	return ST_OK;
}

/* A voucher's name has its place among all that the entry issues. */
static void
number_vouchers(struct decision *d)
{
	uint32_t n = 0;

	for (size_t i = 0; i < d->entry->n_vouchers; i++)
		n += !d->vouchers[i].has_from;
	for (size_t s = 0; s < d->entry->n_sides; s++) {
		for (size_t i = 0; i < d->sides[s].n_vouchers; i++) {
			if (!d->sides[s].vouchers[i].has_from)
				d->sides[s].vouchers[i].v.n = n++;
		}
	}
}

enum status
decision_finish(struct decision *d)
{
	bool settles = d->entry->member != 0 && !d->entry->waiting && !d->entry->conflict && (d->cmd == NULL || !d->cmd->is_quote);
	enum status st = d->entry->member != 0 && !d->entry->waiting ? decision_auto_credit(d) : ST_OK;

	if (st == ST_OK && settles)
		st = decision_terms(d);
	if (st != ST_OK)
		return st;
	number_vouchers(d);
	d->entry->postings = d->postings;
	if (d->entry->member == 0)
		return ST_OK;
	size_t n = 1 + d->entry->n_sides;
	d->entry->touched = arena_alloc(d->arena, n * sizeof(*d->entry->touched));
	if (d->entry->touched == NULL)
		return ST_NOMEM;
	assert(n <= LEDGER_TOUCHED_MAX);
	d->entry->n_touched = n;
	for (size_t i = 0; i < n; i++)
		d->entry->touched[i] = (struct touched){ .member = i == 0 ? d->entry->member : d->entry->sides[i - 1].member, .tier = "" };
	return ST_OK;
}

/* ---- the rungs before the operation ---- */

static bool
purchase_syntax(struct decision *d)
{
	const struct cmd *cmd = d->cmd;

	if (cmd->u.purchase.amount.mantissa < 0)
		return invalid(d, "amount", "amount is below zero; a purchase is zero or more");
	if (cmd->u.purchase.n_lines > LEDGER_LINES_MAX)
		return invalid(d, "lines", "a purchase has at most %d lines", LEDGER_LINES_MAX);
	for (size_t i = 0; i < cmd->u.purchase.n_lines; i++) {
		if (cmd->u.purchase.lines[i].amount.mantissa < 0)
			return invalid(d, "lines", "the amount of line %zu is below zero", i + 1);
		if (cmd->u.purchase.lines[i].qty == 0)
			return invalid(d, "lines", "the quantity of line %zu is zero", i + 1);
	}
	if (cmd->u.purchase.has_paid_with_points && cmd->u.purchase.paid_with_points.mantissa < 0)
		return invalid(d, "paid_with_points", "paid_with_points is below zero");
	const char *sentence, *field = purchase_excess(cmd, &sentence);
	return field == NULL || invalid(d, field, "%s", sentence);
}

static bool
return_syntax(struct decision *d)
{
	const struct cmd *cmd = d->cmd;

	if (cmd->u.past.has_amount && cmd->u.past.n_lines > 0)
		return invalid(d, "amount", "amount and lines are two ways to say what is returned; give one of them");
	if (cmd->u.past.has_amount && cmd->u.past.amount.mantissa < 0)
		return invalid(d, "amount", "amount is below zero");
	if (cmd->u.past.n_lines > LEDGER_LINES_MAX)
		return invalid(d, "lines", "a return has at most %d lines", LEDGER_LINES_MAX);
	for (size_t i = 0; i < cmd->u.past.n_lines; i++) {
		const struct line *line = &cmd->u.past.lines[i];
		if (line->has_amount && line->amount.mantissa < 0)
			return invalid(d, "lines", "the amount of line %zu is below zero", i + 1);
		if (line->qty == 0)
			return invalid(d, "lines", "the quantity of line %zu is zero", i + 1);
	}
	return true;
}

static bool
opening_syntax(struct decision *d)
{
	const struct cmd *cmd = d->cmd;

	if (cmd->u.opening.n_lots > LEDGER_OPENING_LOTS_MAX)
		return invalid(d, "lots", "an opening has at most %d lots; give lots that end together as one", LEDGER_OPENING_LOTS_MAX);
	if (cmd->u.opening.n_counters > LEDGER_COUNTERS_MAX)
		return invalid(d, "counters", "a program has at most %d counters", LEDGER_COUNTERS_MAX);
	if (cmd->u.opening.tier == NULL && cmd->u.opening.tier_until != DAY_NEVER)
		return invalid(d, "tier_until", "tier_until goes with a tier");
	for (size_t i = 0; i < cmd->u.opening.n_lots; i++) {
		if (cmd->u.opening.lots[i].points.mantissa < 0)
			return invalid(d, "lots", "the points of lot %zu are below zero", i + 1);
	}
	for (size_t i = 0; i < cmd->u.opening.n_lots; i++) {
		if (cmd->u.opening.lots[i].points.mantissa == 0)
			return refuse_false(d, LEDGER_POINTS_NOT_POSITIVE, "lots", "the points of lot %zu are zero; leave it out", i + 1);
	}
	return true;
}

/* Of commands that move points: their points, NULL when they carry none. */
static const struct decimal *
points_given(const struct cmd *cmd)
{
	switch (cmd->op) {
	case OP_HOLD: return cmd->u.hold.of_voucher ? NULL : &cmd->u.hold.points;
	case OP_CAPTURE: return cmd->u.capture.has_points ? &cmd->u.capture.points : NULL;
	case OP_REDEEM: return cmd->u.redeem.reward == NULL ? &cmd->u.redeem.points : NULL;
	case OP_ADJUST: return &cmd->u.adjust.points;
	case OP_REVERSE_REDEEM: return cmd->u.past.has_points ? &cmd->u.past.points : NULL;
	case OP_TRANSFER: return &cmd->u.other.points;
	case OP_ADVANCE: return &cmd->u.advance.points;
	case OP_NONE: case OP_GENESIS: case OP_PUBLISH: case OP_ENROL: case OP_PROFILE: case OP_PURCHASE: case OP_RELEASE: case OP_TIER:
	case OP_BIRTHDAY: case OP_HOLD_TIMEOUT: case OP_TIER_END: case OP_EXPIRE: case OP_CLOCK_ACCEPT: case OP_ZONE_DATA: case OP_RESTORE:
	case OP_TIER_REVIEW: case OP_TIER_LOOK:
	case OP_ACTIVITY: case OP_LAPSE: case OP_ACTIVATE: case OP_INACTIVITY: case OP_HOLD_EXPIRE: case OP_ANNIVERSARY:
	case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE: case OP_RETURN: case OP_MERGE: case OP_ROTATE_KEY:
	case OP_APPROVE: case OP_APPROVER_KEY: case OP_VOUCHER_USE: case OP_VOUCHER_VOID: case OP_VOUCHER_EXPIRE:
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL:
	case OP_MEMBERSHIP_END: case OP_NOTICE: case OP_POOL_JOIN: case OP_POOL_LEAVE: case OP_AUTO_REDEEM: case OP_STAMP_EXPIRE:
	case OP_OPENING: case OP_CONSENT: case OP_ERASE: case OP_COUNT:
		break;
	}
	return NULL;
}

/* RULINGS' rows 1 and 2 as far as they need neither program nor state. */
static bool
syntax_ok(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	const struct decimal *points = points_given(cmd);

	if (cmd->op == OP_PURCHASE && !purchase_syntax(d))
		return false;
	if (cmd->op == OP_RETURN && !return_syntax(d))
		return false;
	if (cmd->op == OP_ACTIVITY && cmd->u.activity.has_amount && cmd->u.activity.amount.mantissa < 0)
		return invalid(d, "amount", "amount is below zero");
	if (points != NULL && points->mantissa < 0 && cmd->op != OP_ADJUST)
		return invalid(d, "points", "points are below zero");
	if (cmd->op == OP_HOLD && cmd->u.hold.has_ttl && cmd->u.hold.ttl_us < US_PER_SECOND)
		return invalid(d, "ttl", "a hold lasts at least 1s");
	if ((cmd->op == OP_HOLD && cmd->u.hold.has_order_amount && cmd->u.hold.order_amount.mantissa < 0) ||
	    (cmd->op == OP_VOUCHER_USE && cmd->u.voucher.has_order_amount && cmd->u.voucher.order_amount.mantissa < 0) ||
	    (cmd->op == OP_REDEEM && cmd->u.redeem.has_order_amount && cmd->u.redeem.order_amount.mantissa < 0))
		return invalid(d, "order_amount", "order_amount is below zero");
	if (cmd->op == OP_ADJUST && cmd->u.adjust.points.mantissa < 0 && cmd->u.adjust.last_day != DAY_NONE)
		return invalid(d, "last_day", "last_day goes with points that are given, not with points that are taken");
	if (cmd->op == OP_OPENING && !opening_syntax(d))
		return false;
	if (cmd->op == OP_TIER && cmd->u.tier.tier[0] == 0 && cmd->u.tier.until != DAY_NEVER)
		return invalid(d, "until", "until goes with a tier that is given, not with one that is removed");
	if (points != NULL && points->mantissa == 0)
		return refuse_false(d, LEDGER_POINTS_NOT_POSITIVE, "points", "points are zero; say how many");
	return true;
}

static bool
time_ok(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	uint32_t late_days = d->program != NULL ? d->program->late_days : LATE_DAYS_DEFAULT;
	int64_t age_us = 0;
	char text[INSTANT_TEXT_BYTES];

	if (d->now_us < 0 || d->now_us > NOW_MAX_US)
		return refuse_false(d, LEDGER_CLOCK_SKEW, NULL, "the ledger's clock is outside the years 1970 to 9998");
	if (!cmd->has_occurred_at)
		return true;
	if (cmd->occurred_at_us > d->now_us + LEDGER_SKEW_US)
		return refuse_false(d, LEDGER_CLOCK_SKEW, "occurred_at",
		    "occurred_at is more than 300 s ahead of %s; set the terminal's clock",
		    instant_format(d->now_us, text));
	if (!checked_sub(d->now_us, cmd->occurred_at_us, &age_us) || age_us > (int64_t)late_days * US_PER_DAY)
		return refuse_false(d, LEDGER_EVENT_TOO_OLD, "occurred_at", "it happened more than %u days ago, which is too late to count",
		    late_days);
	return true;
}

/* Looks up whom the command names: d->member, NULL when it is not there. */
static enum status
find_member(struct decision *d)
{
	if (d->cmd->member == 0 || d->cmd->op == OP_ENROL || d->cmd->op == OP_OPENING)
		return ST_OK;
	return d->state->member(d->state->ctx, d->cmd->program, d->cmd->member, &d->member);
}

static void
entry_begin(struct decision *d)
{
	const struct cmd *cmd = d->cmd;

	*d->entry = (struct entry){
		.op = cmd->op,
		.principal = cmd->principal,
		.request_id = cmd->request_id,
		.store = cmd->store,
		.terminal = cmd->terminal,
		.terminal_seq = cmd->terminal_seq,
		.n_refused = cmd->n_refused,
		.refused = cmd->refused,
		.engine = LEDGER_ENGINE,
		.program_version = d->program != NULL ? d->program->version : 0,
		.has_occurred_at = cmd->has_occurred_at,
		.has_fingerprint = true,
		.occurred_at_us = cmd->occurred_at_us,
		.business_date = d->program != NULL ? d->business_date : DAY_NONE,
		.member = d->member != NULL ? cmd->member : 0,
		.program = d->program != NULL ? cmd->program : 0,
		.birthday = DAY_NONE,
	};
	memcpy(d->entry->fingerprint, cmd->fingerprint, sizeof(cmd->fingerprint));
}

/* ---- operations ---- */

static enum status
decide_clock_accept(struct decision *d)
{
	d->program = NULL;
	return ST_OK;
}

/* A provisional one, of an alias that nobody has. */
static bool
makes_member(enum op op)
{
	return op == OP_PURCHASE || op == OP_ACTIVITY;
}

static const struct decide_row {
	bool is_command, needs_program, needs_member;
	enum status (*run)(struct decision *d);
} decide_table[OP_COUNT] = {
	[OP_PUBLISH] = { true, false, false, decide_publish },
	[OP_ENROL] = { true, true, false, decide_enrol },
	[OP_PROFILE] = { true, true, true, decide_profile },
	[OP_PURCHASE] = { true, true, true, decide_purchase },
	[OP_ACTIVITY] = { true, true, true, decide_activity },
	[OP_HOLD] = { true, true, true, decide_hold },
	[OP_CAPTURE] = { true, true, true, decide_capture },
	[OP_RELEASE] = { true, true, true, decide_release },
	[OP_REDEEM] = { true, true, true, decide_redeem },
	[OP_ADJUST] = { true, true, true, decide_adjust },
	[OP_TIER] = { true, true, true, decide_tier },
	[OP_BIRTHDAY] = { true, true, true, decide_birthday },
	[OP_CLOCK_ACCEPT] = { true, false, false, decide_clock_accept },
	[OP_FREEZE] = { true, true, true, decide_standing },
	[OP_UNFREEZE] = { true, true, true, decide_standing },
	[OP_CLOSE] = { true, true, true, decide_standing },
	[OP_RETURN] = { true, true, true, decide_return },
	[OP_REVERSE_REDEEM] = { true, true, true, decide_reverse_redeem },
	[OP_TRANSFER] = { true, true, true, decide_transfer },
	[OP_MERGE] = { true, true, true, decide_merge },
	[OP_ADVANCE] = { true, true, true, decide_advance },
	[OP_VOUCHER_USE] = { true, true, true, decide_voucher_use },
	[OP_VOUCHER_VOID] = { true, true, true, decide_voucher_void },
	[OP_ROTATE_KEY] = { true, false, false, decide_rotate_key },
	[OP_APPROVE] = { true, true, false, decide_approve },
	[OP_APPROVER_KEY] = { true, false, false, decide_approver_key },
	[OP_POOL_JOIN] = { true, true, true, decide_pool_join },
	[OP_POOL_LEAVE] = { true, true, true, decide_pool_leave },
	[OP_MEMBERSHIP_START] = { true, true, true, decide_membership_start },
	[OP_MEMBERSHIP_RENEW] = { true, true, true, decide_membership_renew },
	[OP_MEMBERSHIP_CANCEL] = { true, true, true, decide_membership_cancel },
	[OP_OPENING] = { true, true, false, decide_opening },
	[OP_CONSENT] = { true, true, true, decide_consent },
	[OP_ERASE] = { true, true, true, decide_erase },
};

/* A refusal of the operation's makes nobody. */
static enum status
decide_for_newcomer(struct decision *d, const struct decide_row *row)
{
	entry_begin(d);
	enum status st = decision_newcomer(d, true);

	return st == ST_OK ? row->run(d) : st;
}

static enum status
climb(struct decision *d)
{
	const struct decide_row *row = &decide_table[d->cmd->op];
	const struct program *program = NULL;

	if (d->cmd->program != 0)
		program = d->state->program_at(d->state->ctx, d->cmd->program, d->now_us);
	d->program = program;
	if (!syntax_ok(d) || !time_ok(d))
		return ST_OK;
	if (row->needs_program && program == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "program", "there is no such program here, or none is published yet");
	if (!row->needs_program)
		d->program = NULL;		/* late_days apart, it has no say */
	if (d->program != NULL) {
		int64_t at_us = d->cmd->has_occurred_at && d->cmd->occurred_at_us < d->now_us ? d->cmd->occurred_at_us : d->now_us;

		d->today = zone_day(&program->zone, d->now_us);
		d->event_us = at_us;
		d->business_date = zone_day(&program->zone, at_us);
		enum status st = find_member(d);
		if (st != ST_OK)
			return st;
	}
	if (makes_member(d->cmd->op) && d->member == NULL && d->cmd->member == 0 && !d->program->unknown_refuse)
		return decide_for_newcomer(d, row);
	if (row->needs_member && d->member == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "member", "there is no such member in this program; enrol it first");
	entry_begin(d);
	return row->run(d);
}

enum status
decide(const struct ledger_state *state, const struct cmd *cmd, int64_t now_us, struct arena *arena, struct entry *ret_entry,
    struct refusal *ret_refusal)
{
	struct decision d = {
		.state = state, .cmd = cmd, .now_us = now_us, .arena = arena, .entry = ret_entry, .refusal = ret_refusal,
	};

	assert(cmd->op < OP_COUNT && decide_table[cmd->op].is_command);
	*ret_refusal = (struct refusal){ .result = LEDGER_OK };
	enum status st = climb(&d);
	if (st != ST_OK || ret_refusal->result != LEDGER_OK)
		return st;
	return decision_finish(&d);
}

/* ---- publish ---- */

/* What every version keeps: the currency and scale of the numbers that are stored, the zone of their dates, and tiers that members have. */
static bool
version_compatible(struct decision *d, const struct program *before, const struct program *next)
{
	if (strcmp(before->timezone, next->timezone) != 0)
		return invalid(d, "timezone", "a further version keeps the timezone, %s", before->timezone);
	if (strcmp(before->currency, next->currency) != 0)
		return invalid(d, "currency", "a further version keeps the currency, %s", before->currency);
	if (before->scale != next->scale)
		return invalid(d, "points.scale", "a further version keeps points.scale, %u", before->scale);
	for (size_t i = 0; i < before->n_counters; i++) {
		if (i >= next->n_counters || strcmp(before->counters[i], next->counters[i]) != 0)
			return invalid(d, "counters", "a further version keeps every counter in its place; %s is not there", before->counters[i]);
	}
	for (size_t i = 0; i < before->n_tiers; i++) {
		if (program_tier(next, before->tiers[i].id) == NULL)
			return invalid(d, "tiers", "a further version keeps every tier; %s is missing", before->tiers[i].id);
	}
	for (size_t i = 0; i < before->n_memberships; i++) {
		const struct program_membership *kept = program_membership(next, before->memberships[i].id);
		if (kept == NULL || kept->months != before->memberships[i].months)
			return invalid(d, "memberships", "a further version keeps every membership and its term; %s is missing, or another",
			    before->memberships[i].id);
	}
	return true;
}

/* Counts what the program's totals will have a row for, if they have none yet. */
struct stores {
	const struct totals *totals;
	size_t n;
	struct tally seen[PROGRAM_RULES_MAX * PROGRAM_CAPS_MAX + PROGRAM_REWARDS_MAX + PROGRAM_CARDS_MAX];
};

static void
stores_add(struct stores *s, enum tally_kind kind, const char *id)
{
	bool known = tally_find(s->totals->tallies, s->totals->n_tallies, kind, id, PERIOD_PROGRAM, 0) != NULL;

	for (size_t i = 0; i < s->n && !known; i++)
		known = s->seen[i].kind == kind && strcmp(s->seen[i].id, id) == 0;
	if (known)
		return;
	s->seen[s->n] = (struct tally){ .kind = kind };
	tier_id_copy(s->seen[s->n++].id, id);
}

/* The program's totals have room for the use of every cap `per: program`, and every stock, that there ever was; those of a group are one. */
static enum status
stores_fit(struct decision *d, const struct totals *totals, const struct program *next, bool *ret_fit)
{
	struct stores *s = arena_alloc(d->arena, sizeof(*s));

	*ret_fit = false;
	if (s == NULL)
		return ST_NOMEM;
	s->totals = totals;
	for (size_t i = 0; i < next->n_rules; i++) {
		for (size_t k = 0; k < next->rules[i].n_caps; k++) {
			const struct cap *cap = &next->rules[i].caps[k];

			if (cap->per == PERIOD_PROGRAM)
				stores_add(s, cap->group[0] != 0 ? TALLY_GROUP : TALLY_RULE, cap->group[0] != 0 ? cap->group : next->rules[i].id);
		}
	}
	for (size_t i = 0; i < next->n_rewards; i++) {
		if (next->rewards[i].has_stock)
			stores_add(s, TALLY_REWARD, next->rewards[i].id);
	}
	for (size_t i = 0; i < next->n_cards; i++) {
		if (next->cards[i].cap > 0 && next->cards[i].cap_per == PERIOD_PROGRAM)
			stores_add(s, TALLY_STAMP_CAP, next->cards[i].id);
	}
	*ret_fit = totals->n_tallies + s->n <= LEDGER_PROGRAM_CAPS_MAX || invalid(d, "earn",
	    "all versions of a program together have at most %d caps of the period program and stocks that were used", LEDGER_PROGRAM_CAPS_MAX);
	return ST_OK;
}

enum status
decide_publish(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	const struct ledger_state *state = d->state;
	uint32_t number = state->program_number(state->ctx, cmd->u.publish.id), versions = 0;

	if (cmd->u.publish.definition.len > LEDGER_PROGRAM_BYTES_MAX)
		return refuse(d, LEDGER_TOO_LARGE, "definition", "a program is at most %d bytes", LEDGER_PROGRAM_BYTES_MAX);
	if (number != 0) {
		const struct totals *totals = NULL;
		enum status st = state->totals(state->ctx, number, &totals);
		if (st != ST_OK)
			return st;
		versions = totals == NULL ? 0 : totals->versions;
		bool fit = true;
		if (totals != NULL)
			st = stores_fit(d, totals, cmd->u.publish.compiled, &fit);
		if (st != ST_OK || !fit)
			return st;
	}
	if (cmd->u.publish.version != 0 && cmd->u.publish.version != versions + 1)
		return refuse(d, LEDGER_INVALID_ARGUMENT, "version", "the next version of %s is %u", cmd->u.publish.id, versions + 1);
	if (versions > 0) {
		const struct program *before = state->program_version(state->ctx, number, versions);
		if (before != NULL && !version_compatible(d, before, cmd->u.publish.compiled))
			return ST_OK;
	}
	d->entry->program = number != 0 ? number : state->program_count(state->ctx) + 1;
	d->entry->u.publish.id = cmd->u.publish.id;
	d->entry->u.publish.version = versions + 1;
	d->entry->u.publish.definition = cmd->u.publish.definition;
	d->entry->u.publish.zone_data = cmd->u.publish.zone_data;
	return ST_OK;
}
