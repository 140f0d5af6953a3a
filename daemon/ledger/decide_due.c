/*
 * What falls due without being asked for.  An entry of `system` is decided at its due instant, under the version in force
 * then: catching up after a pause gives the entries that no pause would have given.
 */
#include <assert.h>

#include "ledger/internal.h"

/* The first instant after a last day; INSTANT_NEVER for what never ends, and at the end of the calendar. */
static int64_t
ended_at_us(const struct program *program, int32_t last_day)
{
	return last_day >= DAY_MAX ? INSTANT_NEVER : zone_midnight_us(&program->zone, last_day + 1);
}

/* ${later} comes behind what is equal, so candidates are offered in the order of enum due_kind. */
static void
due_consider(struct due *due, const struct due *later)
{
	if (later->at_us < due->at_us)
		*due = *later;
}

static struct due
due_first(const struct member *m, const struct program *program)
{
	struct due due = { .at_us = INSTANT_NEVER };

	if (m->standing == STANDING_CLOSED)
		return due;
	for (size_t i = 0; i < m->n_holds; i++) {
		struct due hold = { .kind = DUE_HOLD_TIMEOUT, .at_us = m->holds[i].ends_at_us, .hold = m->holds[i].id };
		due_consider(&due, &hold);
	}
	/* Rows stand by their days: the first of each kind is the next. */
	for (size_t i = 0; i < m->n_pendings; i++) {
		if (m->pendings[i].activity[0] == 0)
			continue;
		struct due lapse = { .kind = DUE_LAPSE, .at_us = zone_midnight_us(&program->zone, m->pendings[i].due_day) };
		due_consider(&due, &lapse);
		break;
	}
	for (size_t i = 0; i < m->n_pendings; i++) {
		if (m->pendings[i].activity[0] != 0)
			continue;
		struct due activate = { .kind = DUE_ACTIVATE, .at_us = zone_midnight_us(&program->zone, m->pendings[i].due_day) };
		due_consider(&due, &activate);
		break;
	}
	if (m->has_anniversary) {
		struct due anniversary = { .kind = DUE_ANNIVERSARY, .at_us = zone_midnight_us(&program->zone, m->anniversary) };
		due_consider(&due, &anniversary);
	}
	if (m->has_auto) {
		struct due automatic = { .kind = DUE_AUTO_REDEEM, .at_us = zone_midnight_us(&program->zone, m->auto_day) };
		due_consider(&due, &automatic);
	}
	if (m->tier.gift[0] != 0) {
		struct due gift = { .kind = DUE_TIER_END, .at_us = ended_at_us(program, m->tier.gift_until) };
		due_consider(&due, &gift);
	}
	for (size_t i = 0; i < m->n_memberships; i++) {
		struct due membership = { .kind = DUE_MEMBERSHIP_END };
		if (m->memberships[i].ended)
			continue;
		membership.at_us = ended_at_us(program, m->memberships[i].ends - 1);
		due_consider(&due, &membership);
	}
	if (m->tier.earned[0] != 0 && m->tier.until != DAY_NEVER) {
		struct due review = { .kind = DUE_TIER_REVIEW, .at_us = ended_at_us(program, m->tier.until) };
		due_consider(&due, &review);
	}
	if (m->n_lots > 0) {
		struct due lots = { .kind = DUE_EXPIRE, .at_us = ended_at_us(program, m->lots[0].last_day) };
		due_consider(&due, &lots);
	}
	if (m->clock.on && member_has_clock_lots(m)) {
		struct due clock = { .kind = DUE_INACTIVITY, .at_us = ended_at_us(program, m->clock.last_day) };
		due_consider(&due, &clock);
	}
	for (size_t i = 0; i < m->n_holds; i++) {
		struct due lot = { .kind = DUE_HOLD_EXPIRE, .hold = m->holds[i].id };
		if (!m->holds[i].expire_at_once)
			continue;
		lot.at_us = ended_at_us(program, hold_first_day(m, &m->holds[i]));
		due_consider(&due, &lot);
	}
	for (size_t i = 0; i < m->n_vouchers; i++) {
		struct due voucher = { .kind = DUE_VOUCHER_EXPIRE };
		if (m->vouchers[i].state != VOUCHER_ISSUED)
			continue;
		voucher.at_us = ended_at_us(program, m->vouchers[i].last_day);
		due_consider(&due, &voucher);
	}
	for (size_t i = 0; i < m->n_cards; i++) {
		struct due card = { .kind = DUE_STAMP_EXPIRE, .at_us = ended_at_us(program, m->cards[i].last_day) };
		due_consider(&due, &card);
	}
	if (m->has_look) {
		struct due look = { .kind = DUE_TIER_LOOK, .at_us = zone_midnight_us(&program->zone, m->look_day) };
		due_consider(&due, &look);
	}
	if (m->notice_day != 0) {
		struct due notice = { .kind = DUE_NOTICE, .at_us = zone_midnight_us(&program->zone, m->notice_day) };
		due_consider(&due, &notice);
	}
	return due;
}

bool
due_next(const struct member *m, const struct program *program, int64_t until_us, struct due *ret_due)
{
	struct due due = due_first(m, program);

	if (due.at_us == INSTANT_NEVER || due.at_us > until_us)
		return false;
	*ret_due = due;
	return true;
}

int64_t
due_at_us(const struct member *m, const struct program *program)
{
	return due_first(m, program).at_us;
}

/* ---- deciding it; ST_NOTFOUND: nothing to write ---- */

static enum status
due_hold_timeout(struct decision *d, const struct due *due)
{
	const struct hold *hold = member_hold(d->member, due->hold);

	if (hold == NULL || hold->ends_at_us > d->now_us)
		return ST_NOTFOUND;
	d->entry->op = OP_HOLD_TIMEOUT;
	d->entry->u.capture.hold = hold->id;
	return decision_release(d, hold);
}

static enum status
due_lapse(struct decision *d)
{
	bool any;

	d->entry->op = OP_LAPSE;
	enum status st = decision_lapse(d, &any);
	return st == ST_OK && !any ? ST_NOTFOUND : st;
}

static enum status
due_activate(struct decision *d)
{
	bool any;

	d->entry->op = OP_ACTIVATE;
	enum status st = decision_activate(d, NULL, NULL, &any);
	if (st != ST_OK || !any)
		return st == ST_OK ? ST_NOTFOUND : st;
	decision_upgrade(d, &d->entry->metrics);
	return ST_OK;
}

static enum status
due_birthday(struct decision *d, const struct due *due)
{
	bool fits;
	int32_t before, after;

	birthday_window(d->program, d->member, &before, &after);
	if (d->program->birthday_voucher != VOUCHER_INDEX_NONE && (due->birthday < d->today || due->birthday - before > d->today))
		return ST_NOTFOUND;
	if (!day_ok(due->birthday) || d->program->birthday_on_claim || !birthday_payable(d->program, d->member, due->birthday) ||
	    !birthday_earned(d->program, d->member, d->today))
		return ST_NOTFOUND;
	d->entry->op = OP_BIRTHDAY;
	enum status st = decision_birthday(d, due->birthday, &fits);
	return st == ST_OK && !fits ? ST_NOTFOUND : st;
}

static enum status
due_tier_end(struct decision *d)
{
	if (d->member->tier.gift[0] == 0 || d->member->tier.gift_until >= d->today)
		return ST_NOTFOUND;
	d->entry->op = OP_TIER_END;
	d->entry->has_tier = true;
	d->entry->tier = d->member->tier;
	d->entry->tier.gift[0] = 0;
	d->entry->tier.gift_until = DAY_NEVER;
	return ST_OK;
}

static enum status
due_membership_end(struct decision *d)
{
	bool any;

	d->entry->op = OP_MEMBERSHIP_END;
	enum status st = decision_memberships_end(d, &any);
	return st == ST_OK && !any ? ST_NOTFOUND : st;
}

static enum status
due_tier_review(struct decision *d)
{
	if (d->member->tier.until >= d->today)
		return ST_NOTFOUND;
	d->entry->op = OP_TIER_REVIEW;
	decision_tier_review(d);
	return ST_OK;
}

/* Under another version there may be nothing to reach: the entry says that it was looked for. */
static enum status
due_tier_look(struct decision *d)
{
	if (!d->member->has_look || d->member->look_day > d->today)
		return ST_NOTFOUND;
	d->entry->op = OP_TIER_LOOK;
	decision_look(d);
	return ST_OK;
}

static enum status
due_expire(struct decision *d)
{
	const struct member *m = d->member;
	size_t ended = 0;

	while (ended < m->n_lots && m->lots[ended].last_day < d->today)
		ended++;
	if (ended == 0)
		return ST_NOTFOUND;
	d->entry->op = OP_EXPIRE;
	return decision_take(d, m->lots, ended, m->available, ACCOUNT_MEMBER, ACCOUNT_EXPIRED, ACCOUNT_EXPIRED, d->today);
}

static enum status
due_inactivity(struct decision *d)
{
	if (!d->member->clock.on || d->member->clock.last_day >= d->today || !member_has_clock_lots(d->member))
		return ST_NOTFOUND;
	d->entry->op = OP_INACTIVITY;
	return decision_inactivity(d);
}

static enum status
due_hold_expire(struct decision *d, const struct due *due)
{
	const struct hold *hold = member_hold(d->member, due->hold);

	if (hold == NULL || !hold->expire_at_once || hold_first_day(d->member, hold) >= d->today)
		return ST_NOTFOUND;
	d->entry->op = OP_HOLD_EXPIRE;
	d->entry->u.capture.hold = hold->id;
	return decision_hold_expire(d, hold);
}

static enum status
due_voucher_expire(struct decision *d)
{
	bool any;

	d->entry->op = OP_VOUCHER_EXPIRE;
	enum status st = decision_vouchers_end(d, &any);
	return st == ST_OK && !any ? ST_NOTFOUND : st;
}

/* Under another version there may be nothing to redeem: the entry says that it was looked for. */
static enum status
due_auto_redeem(struct decision *d)
{
	bool any;

	if (!d->member->has_auto || d->member->auto_day > d->today)
		return ST_NOTFOUND;
	d->entry->op = OP_AUTO_REDEEM;
	return decision_auto_redeem(d, &any);
}

static enum status
due_stamp_expire(struct decision *d)
{
	bool any;

	d->entry->op = OP_STAMP_EXPIRE;
	enum status st = decision_stamps_end(d, &any);
	return st == ST_OK && !any ? ST_NOTFOUND : st;
}

/* Under a version without a reward the entry says that the day has passed. */
static enum status
due_anniversary(struct decision *d)
{
	if (!d->member->has_anniversary || d->member->anniversary > d->today)
		return ST_NOTFOUND;
	d->entry->op = OP_ANNIVERSARY;
	return d->program->has_anniversary ? decision_anniversary(d) : ST_OK;
}

/* Under another version there may be nothing to tell: the entry says that the day has passed. */
static enum status
due_notice(struct decision *d)
{
	if (d->member->notice_day == 0 || d->member->notice_day > d->today)
		return ST_NOTFOUND;
	d->entry->op = OP_NOTICE;
	return decision_notice(d);
}

static enum status
due_run(struct decision *d, const struct due *due)
{
	switch (due->kind) {
	case DUE_HOLD_TIMEOUT: return due_hold_timeout(d, due);
	case DUE_LAPSE: return due_lapse(d);
	case DUE_ACTIVATE: return due_activate(d);
	case DUE_BIRTHDAY: return due_birthday(d, due);
	case DUE_TIER_END: return due_tier_end(d);
	case DUE_MEMBERSHIP_END: return due_membership_end(d);
	case DUE_TIER_REVIEW: return due_tier_review(d);
	case DUE_EXPIRE: return due_expire(d);
	case DUE_INACTIVITY: return due_inactivity(d);
	case DUE_HOLD_EXPIRE: return due_hold_expire(d, due);
	case DUE_ANNIVERSARY: return due_anniversary(d);
	case DUE_VOUCHER_EXPIRE: return due_voucher_expire(d);
	case DUE_TIER_LOOK: return due_tier_look(d);
	case DUE_NOTICE: return due_notice(d);
	case DUE_AUTO_REDEEM: return due_auto_redeem(d);
	case DUE_STAMP_EXPIRE: return due_stamp_expire(d);
	}
	assert(false);
	return ST_NOTFOUND;
}

/* A late event can make lots that ended before the program began: its first version judges them. */
static const struct program *
version_at(const struct ledger_state *state, uint32_t program, int64_t at_us)
{
	const struct program *p = state->program_at(state->ctx, program, at_us);

	return p != NULL ? p : state->program_version(state->ctx, program, 1);
}

enum status
decide_due(const struct ledger_state *state, uint32_t program, uint64_t member, const struct due *due, struct arena *arena,
    struct entry *ret_entry)
{
	struct decision d = {
		.state = state, .now_us = due->at_us, .arena = arena, .entry = ret_entry, .program = version_at(state, program, due->at_us),
	};
	enum status st = state->member(state->ctx, program, member, &d.member);

	if (st != ST_OK)
		return st;
	if (d.program == NULL || d.member == NULL)
		return ST_NOTFOUND;
	d.event_us = due->at_us;
	d.today = d.business_date = zone_day(&d.program->zone, due->at_us);
	if (!day_ok(d.today))
		return ST_NOTFOUND;
	*ret_entry = (struct entry){
		.principal = "system",
		.engine = LEDGER_ENGINE,
		.program_version = d.program->version,
		.has_due_at = true,
		.due_at_us = due->at_us,
		.business_date = d.today,
		.member = member,
		.program = program,
		.birthday = DAY_NONE,
	};
	st = due_run(&d, due);
	return st == ST_OK ? decision_finish(&d) : st;
}
