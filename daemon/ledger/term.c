/*
 * The terms of lots that are already there.  Whatever changes them is two postings, minus the old lot and plus the new one, so that
 * applying them needs no rules: refresh_on moves dates forward, a tier with all_open_while_held takes all open lots with it,
 * held ones too.
 *
 * Lots under inactivity have no date of their own but DAY_CLOCK; the member's clock has it.  A restart is a fact and moves no
 * points.  When the clock ends, held points that it takes get its last day, so that they end with it but can still be captured.
 */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

int64_t
percent_of(int64_t points, uint32_t percent, enum rounding_mode mode)
{
	wide num = (wide)points * percent, whole = num / 100, rest = num % 100;

	switch (mode) {
	case ROUNDING_FLOOR: break;
	case ROUNDING_NEAREST: whole += rest >= 50; break;
	case ROUNDING_CEIL: whole += rest > 0; break;
	}
	return (int64_t)whole;
}

/* ---- the member's lots after what is collected so far ---- */

enum status
lots_after(const struct decision *d, struct lots *ret)
{
	const struct member *m = d->member;
	struct lots l = { .n = m->n_lots, .cap = m->n_lots };

	l.lots = arena_alloc(d->arena, (m->n_lots + 1) * sizeof(*l.lots));
	if (l.lots == NULL)
		return ST_NOMEM;
	if (m->n_lots > 0)
		memcpy(l.lots, m->lots, m->n_lots * sizeof(*l.lots));
	for (size_t i = 0; i < d->entry->n_postings; i++) {
		const struct posting *p = &d->postings[i];
		struct lot lot = { .last_day = p->last_day, .class = p->class, .points = p->points < 0 ? -p->points : p->points };
		bool ok = true;

		if (p->account != ACCOUNT_MEMBER || p->member != d->entry->member)
			continue;
		enum status st = ST_OK;
		if (p->points > 0)
			st = lots_add(&l.lots, &l.n, &l.cap, d->arena, &lot, &ok);
		else
			ok = lots_take(l.lots, &l.n, &lot);
		if (st != ST_OK)
			return st;
		assert(ok);
	}
	*ret = l;
	return ST_OK;
}

enum status
decision_lots(const struct decision *d, struct lot **ret_lots, size_t *ret_n)
{
	struct lots l;
	enum status st = lots_after(d, &l);

	if (st != ST_OK)
		return st;
	*ret_lots = l.lots;
	*ret_n = l.n;
	return ST_OK;
}

/* All of them to one last day: each leaves, and what arrives is one lot of each class, so that a thousand lots fit an entry. */
static enum status
move_lots(struct decision *d, const struct lot *lots, size_t n, int32_t last_day, const struct hold *hold)
{
	int64_t arrived[LOT_CLASS_COUNT] = { 0 };
	enum status st = ST_OK;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		if (lots[i].last_day == last_day)
			continue;
		arrived[lots[i].class] += lots[i].points;	/* at most available, or held */
		st = decision_relot(d, &lots[i], -lots[i].points, hold);
	}
	for (size_t class = 0; class < LOT_CLASS_COUNT && st == ST_OK; class++) {
		struct lot lot = { .last_day = last_day, .class = (enum lot_class)class };
		if (arrived[class] > 0)
			st = decision_relot(d, &lot, arrived[class], hold);
	}
	return st;
}

/* ---- refresh_on ---- */

/* Operations and activities have one list of names.  An approved adjust is an adjust still. */
static bool
is_named(const struct decision *d, const struct names *names)
{
	if (d->cmd == NULL)
		return false;
	if (d->cmd->op == OP_APPROVE && names_have(names, op_str(OP_ADJUST)))
		return true;
	return names_have(names, op_str(d->cmd->op)) || (d->cmd->op == OP_ACTIVITY && names_have(names, d->cmd->u.activity.activity));
}

static enum status
refresh(struct decision *d, const struct tier *held)
{
	const struct expiry *e = program_expiry(d->program, held);
	struct lots l;

	if (!is_named(d, &e->refresh_on))
		return ST_OK;
	enum status st = lots_after(d, &l);
	if (st != ST_OK)
		return st;
	int32_t last_day = expiry_last_day(e, d->business_date);
	size_t n = 0;
	while (n < l.n && l.lots[n].last_day < last_day)	/* the clock's and never-ending ones are later than every date */
		n++;
	return move_lots(d, l.lots, n, last_day, NULL);
}

/* ---- tiers that lots follow ---- */

static enum status
relot_all(struct decision *d, int32_t last_day)
{
	const struct member *m = d->member;
	struct lots l;
	enum status st = lots_after(d, &l);

	if (st == ST_OK)
		st = move_lots(d, l.lots, l.n, last_day, NULL);
	for (size_t h = 0; h < m->n_holds && st == ST_OK; h++) {
		const struct hold *hold = &m->holds[h];
		bool is_over = d->entry->has_hold && d->entry->hold.has_id && hold->id.seq == d->entry->hold.id.seq &&
		    hold->id.index == d->entry->hold.id.index;

		if (!is_over)
			st = move_lots(d, hold->lots, hold->n_lots, last_day, hold);
	}
	return st;
}

/* ${held}: before the entry.  A gift is held until the entry that ends it: what a night reaches before that goes on from it. */
static enum status
follow_tier(struct decision *d, const struct tier *held)
{
	struct member after = *d->member;

	after.tier = d->entry->tier;
	const struct tier *now = member_tier_held(&after, d->program);
	if (held == NULL || now == NULL || held == now)
		return ST_OK;
	enum status st = held->forfeits_stamps && now->rank < held->rank ? decision_stamps_forfeit(d) : ST_OK;
	if (st != ST_OK)
		return st;
	if (!(now->all_open || (held->all_open && now->rank < held->rank)))
		return ST_OK;
	return relot_all(d, expiry_last_day(program_expiry(d->program, now), d->today));
}

/* ---- the clock ---- */

static bool
posts_to_clock(const struct decision *d)
{
	for (size_t i = 0; i < d->entry->n_postings; i++) {
		if (d->postings[i].last_day == DAY_CLOCK && d->postings[i].member == d->entry->member)
			return true;
	}
	return false;
}

/* What a late event earned activates on a day in the past, and comes under the clock of today all the same. */
static bool
comes_to_clock(const struct decision *d)
{
	return posts_to_clock(d) || decision_pends_to_clock(d);
}

/*
 * The newest version, up to the one in force, that has it: lots of an earlier one stay under it.  Else the next that has it: what was earned
 * late under it may become a lot before it came into force.
 */
static const struct inactivity *
inactivity_in_force(const struct decision *d)
{
	if (d->program->has_inactivity)
		return &d->program->inactivity;
	for (uint32_t v = d->member->clock.on || comes_to_clock(d) ? d->program->version : 0; v > 1; v--) {
		const struct program *p = d->state->program_version(d->state->ctx, d->entry->program, v - 1);

		if (p != NULL && p->has_inactivity)
			return &p->inactivity;
	}
	for (uint32_t v = d->program->version + 1; comes_to_clock(d); v++) {
		const struct program *p = d->state->program_version(d->state->ctx, d->entry->program, v);

		if (p == NULL || p->has_inactivity)
			return p == NULL ? NULL : &p->inactivity;
	}
	return NULL;
}

static int32_t
clock_from(int32_t day, uint32_t months)
{
	int32_t last = day_add_months(day, (int)months);

	return last > DAY_MAX ? DAY_MAX : last;
}

/* A clock that ran out with nothing under it has gone on from period to period; with something under it, it takes that this very night. */
static void
set_clock(struct decision *d)
{
	const struct inactivity *in = inactivity_in_force(d);
	struct inactivity_clock clock = d->member->clock;

	if (in == NULL || d->entry->clock.on)
		return;
	bool restarts = (d->cmd != NULL && (d->entry->op == OP_ENROL || d->entry->op == OP_OPENING)) || is_named(d, &in->activities);
	if (!restarts && !comes_to_clock(d))
		return;
	if (!clock.on)
		clock.last_day = clock_from(d->member->enrolled_day, in->months);
	int32_t ran_out = clock.last_day;
	while (clock.last_day < d->today && !member_has_clock_lots(d->member))
		clock.last_day = clock_from(clock.last_day + 1, in->months);
	if (!restarts && !posts_to_clock(d) && clock.last_day == ran_out)
		return;		/* it runs on: the activation finds it so */
	if (restarts && clock_from(d->business_date, in->months) > clock.last_day)
		clock.last_day = clock_from(d->business_date, in->months);
	clock.on = true;
	clock.months = in->months;
	clock.percent = in->percent;
	d->entry->clock = clock;
}

enum status
decision_inactivity(struct decision *d)
{
	const struct member *m = d->member;
	const struct inactivity_clock *clock = &m->clock;
	size_t first = 0, end;

	while (first < m->n_lots && m->lots[first].last_day < DAY_CLOCK)
		first++;
	for (end = first; end < m->n_lots && m->lots[end].last_day == DAY_CLOCK; end++)
		continue;
	int64_t taken = percent_of(lots_clock_points(m->lots, m->n_lots), clock->percent, d->program->rounding);
	enum status st = decision_take(d, m->lots + first, end - first, taken, ACCOUNT_MEMBER, ACCOUNT_EXPIRED, ACCOUNT_EXPIRED, d->today);

	for (size_t h = 0; h < m->n_holds && st == ST_OK; h++) {
		const struct hold *hold = &m->holds[h];
		int64_t left = percent_of(lots_clock_points(hold->lots, hold->n_lots), clock->percent, d->program->rounding);

		for (size_t i = 0; i < hold->n_lots && left > 0 && st == ST_OK; i++) {
			struct lot part = hold->lots[i];

			if (part.last_day != DAY_CLOCK)
				continue;
			part.points = left < part.points ? left : part.points;
			st = move_lots(d, &part, 1, clock->last_day, hold);
			left -= part.points;
		}
	}
	d->entry->clock = *clock;
	d->entry->clock.last_day = clock_from(clock->last_day + 1, clock->months);
	return st;
}

enum status
decision_terms(struct decision *d)
{
	const struct tier *held = member_tier_held(d->member, d->program);
	enum status st = refresh(d, held);

	if (st == ST_OK && d->entry->has_tier)
		st = follow_tier(d, held);
	if (st == ST_OK)
		set_clock(d);
	return st;
}
