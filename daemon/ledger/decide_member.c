/* What is about a member rather than about a sale: enrolment, profile, gifted tiers, birthdays. */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

/* ---- tier ---- */

enum status
decide_tier(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;
	bool removes = cmd->u.tier.tier[0] == 0;

	if (d->program->n_tiers == 0)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no tiers");
	if (!removes && program_tier(d->program, cmd->u.tier.tier) == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "tier", "this program has no such tier");
	if (!last_day_ok(cmd->u.tier.until) || cmd->u.tier.until < d->today)
		return refuse(d, LEDGER_INVALID_ARGUMENT, "until", "until is over already");
	if (!decision_member_open(d, false))
		return ST_OK;
	e->u.tier.tier = cmd->u.tier.tier;
	e->u.tier.reason = cmd->u.tier.reason;
	e->u.tier.until = cmd->u.tier.until;
	e->tier = d->member->tier;
	tier_id_copy(e->tier.gift, cmd->u.tier.tier);
	e->tier.gift_until = cmd->u.tier.until;
	e->has_tier = !tier_state_equal(&e->tier, &d->member->tier);
	return ST_OK;
}

/* ---- birthday ---- */

void
birthday_enter(struct birthday_date dates[static LEDGER_BIRTHDAYS_MAX], size_t *n_dates, int month, int day, int32_t today)
{
	size_t n = *n_dates;

	if (n > 0 && dates[n - 1].month == month && dates[n - 1].day == day)
		return;
	if (n > 0 && dates[n - 1].entered_day == today)
		n--;
	if (n == LEDGER_BIRTHDAYS_MAX) {
		memmove(dates, dates + 1, (LEDGER_BIRTHDAYS_MAX - 1) * sizeof(*dates));
		n--;
	}
	dates[n++] = (struct birthday_date){ month, day, today };
	*n_dates = n;
}

/* Of the dates entered at least guard_days before ${day} the newest; NULL: none. */
static const struct birthday_date *
date_in_force(const struct program *program, const struct birthday_date *dates, size_t n_dates, int32_t day)
{
	const struct birthday_date *in_force = NULL;

	for (size_t i = 0; i < n_dates; i++) {
		if ((int64_t)dates[i].entered_day + program->guard_days <= day)
			in_force = &dates[i];
	}
	return in_force;
}

bool
birthday_on(const struct program *program, const struct birthday_date *dates, size_t n_dates, int32_t day)
{
	const struct birthday_date *in_force = date_in_force(program, dates, n_dates, day);

	return in_force != NULL &&
	    day_of_birthday(date_of_day(day).year, in_force->month, in_force->day, program->leap_to_march) == day;
}

int32_t
birthday_range(const struct program *p)
{
	uint32_t most = p->birthday_days_before;

	if (!p->has_birthday || p->birthday_voucher == VOUCHER_INDEX_NONE)
		return 0;
	for (size_t i = 0; i < p->n_tiers; i++) {
		if (p->tiers[i].has_birthday_window && p->tiers[i].birthday_days_before > most)
			most = p->tiers[i].birthday_days_before;
	}
	return (int32_t)most;
}

bool
birthday_may_come(const struct program *p, const struct birthday_date *dates, size_t n_dates, int32_t day)
{
	if (!p->has_birthday || p->birthday_on_claim)
		return false;
	for (int32_t birthday = day; birthday <= day + birthday_range(p); birthday++) {
		if (day_ok(birthday) && birthday_on(p, dates, n_dates, birthday))
			return true;
	}
	return false;
}

/* The first day of the window that ${before} days make, by the date that is in force for the birthday. */
static int32_t
window_opens(const struct program *p, const struct birthday_date *dates, size_t n_dates, int32_t birthday, int32_t before)
{
	const struct birthday_date *in_force = date_in_force(p, dates, n_dates, birthday);

	assert(in_force != NULL);		/* it is a birthday by one of them */
	int32_t effective = in_force->entered_day + (int32_t)p->guard_days;

	return effective > birthday - before ? effective : birthday - before;
}

int32_t
birthday_comes(const struct program *p, const struct member *m, const struct birthday_date *dates, size_t n_dates, int32_t day)
{
	int32_t before = 0, after = 0;

	if (!p->has_birthday || p->birthday_on_claim)
		return DAY_NONE;
	if (p->birthday_voucher != VOUCHER_INDEX_NONE)
		birthday_window(p, m, &before, &after);
	for (int32_t birthday = day; birthday <= day + before && day_ok(birthday); birthday++) {
		if (!birthday_on(p, dates, n_dates, birthday) || !birthday_payable(p, m, birthday))
			continue;
		int32_t opens = window_opens(p, dates, n_dates, birthday, before);
		if (p->birthday_voucher == VOUCHER_INDEX_NONE || opens == day || (opens < day && !p->has_requires))
			return birthday;
	}
	return DAY_NONE;
}

/* 1 March, when it stood for 29 February, and 29 February are one date. */
static bool
same_leap_birthday(const struct program *program, struct date paid, struct date next)
{
	return program->leap_to_march && paid.month == 3 && paid.day == 1 && !date_valid((struct date){ paid.year, 2, 29 }) &&
	    next.month == 2 && next.day == 29;
}

void
birthday_window(const struct program *program, const struct member *m, int32_t *ret_before, int32_t *ret_after)
{
	const struct tier *tier = member_tier_held(m, program);
	bool own = tier != NULL && tier->has_birthday_window;

	*ret_before = (int32_t)(own ? tier->birthday_days_before : program->birthday_days_before);
	*ret_after = (int32_t)(own ? tier->birthday_days_after : program->birthday_days_after);
}

bool
birthday_earned(const struct program *p, const struct member *m, int32_t today)
{
	if (!p->has_requires)
		return true;
	return metric_between(m, NULL, METRIC_POINTS_EARNED, day_add_months(today, -(int)p->within_months) + 1, today) >= p->requires_points;
}

bool
birthday_payable(const struct program *program, const struct member *m, int32_t day)
{
	int32_t before, after;

	if (!program->has_birthday || m->standing == STANDING_CLOSED)
		return false;
	birthday_window(program, m, &before, &after);
	if (m->birthday_paid == DAY_NONE)
		return true;
	struct date paid = date_of_day(m->birthday_paid), next = date_of_day(day);
	if (next.year <= paid.year)
		return false;
	return same_leap_birthday(program, paid, next) || day >= day_add_months(m->birthday_paid, 12) - (before + after);
}

/* It is for the window alone: the voucher's own term is not asked. */
static enum status
birthday_voucher(struct decision *d, int32_t day, bool *ret_fits)
{
	const struct program *p = d->program;
	int32_t before, after;

	birthday_window(p, d->member, &before, &after);
	d->entry->birthday = day;
	return decision_issue(d, &p->vouchers[p->birthday_voucher], VOUCHER_BY_BIRTHDAY, "", 0, day + after, ret_fits);
}

enum status
decision_birthday(struct decision *d, int32_t day, bool *ret_fits)
{
	if (d->program->birthday_voucher != VOUCHER_INDEX_NONE)
		return birthday_voucher(d, day, ret_fits);

	const struct program *p = d->program;
	struct grant *grant = arena_alloc(d->arena, sizeof(*grant));
	struct lot lot = {
		.last_day = program_last_day(p, member_tier_held(d->member, p), d->business_date),
		.class = LOT_BIRTHDAY,
		.points = p->birthday_points,
	};

	if (grant == NULL)
		return ST_NOMEM;
	enum status st = decision_account_fits(d, ACCOUNT_ISSUED, -lot.points, ret_fits);
	if (st != ST_OK || !*ret_fits)
		return st;
	*grant = (struct grant){ .rule = "birthday", .wanted = lot.points, .granted = lot.points };
	d->entry->grants = grant;
	d->entry->n_grants = 1;
	d->entry->birthday = day;
	return decision_credit(d, ACCOUNT_ISSUED, &lot);
}

/* The birthday that the claim is for: the first payable one whose window holds the business date, or else any; DAY_NONE: none is due. */
static int32_t
birthday_due(const struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	int32_t before, after, due = DAY_NONE;

	birthday_window(d->program, d->member, &before, &after);
	int32_t from = d->business_date - after, to = d->business_date + before;

	if (cmd->u.birthday.given != DAY_NONE)
		return day_ok(cmd->u.birthday.given) ? cmd->u.birthday.given : DAY_NONE;
	for (int32_t day = from; day <= to; day++) {
		if (!birthday_on(d->program, cmd->u.birthday.dates, cmd->u.birthday.n_dates, day))
			continue;
		if (d->program->birthday_voucher != VOUCHER_INDEX_NONE &&
		    window_opens(d->program, cmd->u.birthday.dates, cmd->u.birthday.n_dates, day, before) > d->business_date)
			continue;
		if (birthday_payable(d->program, d->member, day))
			return day;
		due = day;
	}
	return due;
}

enum status
decide_birthday(struct decision *d)
{
	bool fits;

	if (!d->program->has_birthday)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no birthday reward");

	int32_t due = birthday_due(d);
	int year = date_of_day(due == DAY_NONE ? d->business_date : due).year;
	if (d->member->birthday_paid != DAY_NONE && date_of_day(d->member->birthday_paid).year == year)
		return refuse(d, LEDGER_ALREADY_EXISTS, NULL, "the birthday reward of %d was granted already", year);
	if (!decision_member_open(d, false))
		return ST_OK;
	if (due == DAY_NONE)
		return refuse(d, LEDGER_NOT_ELIGIBLE, NULL, "no birthday is due now");
	if (!birthday_earned(d->program, d->member, d->business_date))
		return refuse(d, LEDGER_NOT_ELIGIBLE, NULL, "the points that the birthday reward asks for were not earned");
	if (!birthday_payable(d->program, d->member, due))
		return refuse(d, LEDGER_NOT_ELIGIBLE, NULL, "the last birthday reward is less than a year ago");
	enum status st = decision_birthday(d, due, &fits);
	if (st != ST_OK || fits)
		return st;
	if (d->program->birthday_voucher != VOUCHER_INDEX_NONE)
		return refuse(d, LEDGER_CAP_REACHED, NULL, "the member has %d vouchers that are not over; no more can be issued", LEDGER_VOUCHERS_MAX);
	return refuse(d, LEDGER_CAP_REACHED, NULL, "the program has given all the points that a ledger can hold");
}

/* ---- anniversary ---- */

enum status
decision_anniversary(struct decision *d)
{
	const struct program *p = d->program;
	struct grant *grant = arena_alloc(d->arena, sizeof(*grant));
	struct lot lot = {
		.last_day = program_last_day(p, member_tier_held(d->member, p), d->business_date),
		.class = LOT_ANNIVERSARY,
		.points = p->anniversary_points,
	};
	bool fits;

	if (grant == NULL)
		return ST_NOMEM;
	if (p->anniversary_voucher != VOUCHER_INDEX_NONE) {
		const struct voucher_kind *kind = &p->vouchers[p->anniversary_voucher];
		return decision_issue(d, kind, VOUCHER_BY_ANNIVERSARY, "", 0, voucher_last_day(kind, d->business_date), &fits);
	}
	enum status st = decision_account_fits(d, ACCOUNT_ISSUED, -lot.points, &fits);
	if (st != ST_OK || !fits)
		return st;
	*grant = (struct grant){ .rule = "anniversary", .wanted = lot.points, .granted = lot.points };
	d->entry->grants = grant;
	d->entry->n_grants = 1;
	return decision_credit(d, ACCOUNT_ISSUED, &lot);
}

/* ---- standing ---- */

bool
decision_member_enrolled(struct decision *d)
{
	if (!d->member->provisional)
		return true;
	return refuse_false(d, LEDGER_MEMBER_PROVISIONAL, "member", "the member is not enrolled yet: until then it earns, and nothing else; enrol it first");
}

/* What a provisional member may do; the last three ask for it themselves, after they have looked at the other member. */
static bool
is_for_provisional(enum op op)
{
	return op == OP_PURCHASE || op == OP_ACTIVITY || op == OP_RETURN || op == OP_TRANSFER || op == OP_MERGE || op == OP_POOL_JOIN;
}

bool
decision_member_open(struct decision *d, bool spends)
{
	if (d->member->standing == STANDING_CLOSED)
		return refuse_false(d, LEDGER_MEMBER_CLOSED, "member", "the member is closed");
	if (d->member->standing == STANDING_FROZEN && spends)
		return refuse_false(d, LEDGER_MEMBER_FROZEN, "member", "the member is frozen: it earns, but does not spend");
	return is_for_provisional(d->cmd->op) || decision_member_enrolled(d);
}

enum status
decide_standing(struct decision *d)
{
	const struct member *m = d->member;

	d->entry->u.standing.reason = d->cmd->u.standing.reason;
	if (!decision_member_open(d, false))
		return ST_OK;
	if (d->cmd->op == OP_CLOSE && (m->available != 0 || m->pending != 0 || m->held != 0 || m->debt != 0))
		return refuse(d, LEDGER_NOT_ELIGIBLE, "member", "a member is closed when its available, pending and held points and its debt are zero");
	if (d->cmd->op != OP_CLOSE)
		return ST_OK;
	enum status st = decision_give_back(d);
	return st == ST_OK && d->refusal->result == LEDGER_OK ? decision_leave_pool(d, m) : st;
}
