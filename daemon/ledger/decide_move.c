/*
 * Points that move between members: transfers and merges; and points that are lent.
 *
 * An entry is about one member; what it does to the other is decided by a decision of its own about that one, whose postings and facts
 * become part of the entry (side_begin, side_end).  A transfer is about its sender, a merge about the member that stays.
 */
#include <assert.h>

#include "ledger/internal.h"

/* ---- sides ---- */

void
side_begin(struct decision *d, const struct member *m, struct entry *scratch, struct decision *ret)
{
	*scratch = (struct entry){ .op = d->entry->op, .program = d->entry->program, .program_version = d->entry->program_version,
	    .member = m->number, .business_date = d->business_date, .birthday = DAY_NONE };
	*ret = *d;
	ret->cmd = NULL;		/* the member did nothing: no clock of its restarts */
	ret->entry = scratch;
	ret->member = m;
	ret->postings = NULL;
	ret->pendings = NULL;
	ret->followups = NULL;
	ret->sides = NULL;
	ret->vouchers = NULL;
	ret->stamps = NULL;
	ret->cap_vouchers = ret->cap_stamps = 0;
	ret->cap_postings = ret->cap_pendings = ret->cap_followups = ret->cap_sides = 0;
	ret->debt_paid = 0;
}

enum status
side_end(struct decision *d, struct decision *side)
{
	const struct entry *e = side->entry;
	struct side row = { .member = e->member, .has_tier = e->has_tier, .tier = e->tier, .n_tallies = e->n_tallies, .tallies = e->tallies,
	    .n_pendings = e->n_pendings, .pendings = e->pendings };

	assert(e->n_followups == 0 && e->n_sides == 0 && e->n_stamps == 0 && !e->has_metrics && !e->has_hold);
	enum status st = decision_auto_credit(side);
	if (st == ST_OK)
		st = decision_terms(side);
	row.clock = e->clock;
	row.n_vouchers = e->n_vouchers;
	row.vouchers = side->vouchers;
	for (size_t i = 0; i < e->n_postings && st == ST_OK; i++)
		st = decision_post(d, &side->postings[i]);
	if (st != ST_OK)
		return st;
	struct side *grown = arena_grow(d->arena, d->sides, &d->cap_sides, d->entry->n_sides + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	grown[d->entry->n_sides++] = row;
	d->entry->sides = d->sides = grown;
	return ST_OK;
}

enum status
other_member(struct decision *d, const char *field, const struct member **ret)
{
	uint64_t number = d->cmd->u.other.member;
	enum status st = ST_OK;

	*ret = NULL;
	if (number != 0)
		st = d->state->member(d->state->ctx, d->cmd->program, number, ret);
	if (st != ST_OK)
		return st;
	if (*ret == NULL)
		return refuse(d, LEDGER_NOT_FOUND, field, "there is no such member in this program; enrol it first");
	if (number == d->cmd->member) {
		*ret = NULL;
		return refuse(d, LEDGER_INVALID_ARGUMENT, field, "both names are of one member");
	}
	return ST_OK;
}

static bool
other_open(struct decision *d, const struct member *other)
{
	if (other->standing != STANDING_CLOSED)
		return true;
	return refuse_false(d, LEDGER_MEMBER_CLOSED, d->cmd->op == OP_MERGE ? "into" : "to", "that member is closed");
}

static bool
other_enrolled(struct decision *d, const struct member *other)
{
	if (!other->provisional)
		return true;
	return refuse_false(d, LEDGER_MEMBER_PROVISIONAL, d->cmd->op == OP_MERGE ? "into" : "to", "that member is not enrolled yet; enrol it first");
}

/* ---- transfer ---- */

static struct tally
year_tally(const struct decision *d, enum tally_kind kind, int64_t points)
{
	return (struct tally){ .kind = kind, .per = PERIOD_YEAR, .at = period_start(PERIOD_YEAR, d->business_date), .points = points, .count = 1 };
}

static struct tally
year_used(const struct decision *d, const struct member *m, enum tally_kind kind)
{
	struct tally none = { 0 };
	const struct tally *t = tally_find(m->tallies, m->n_tallies, kind, "", PERIOD_YEAR, period_start(PERIOD_YEAR, d->business_date));

	return t == NULL ? none : *t;
}

/* False: refused. */
static bool
transfer_terms(struct decision *d, const struct member *to, int64_t points)
{
	const struct program *p = d->program;
	struct tally sent = year_used(d, d->member, TALLY_SENT), received = year_used(d, to, TALLY_RECEIVED);

	if (points < p->transfer_min)
		return refuse_false(d, LEDGER_BELOW_MINIMUM, "points", "at least %s points are transferred at a time", POINTS_TEXT(d,
		    p->transfer_min));
	if ((int64_t)d->business_date - d->member->enrolled_day < (int64_t)p->transfer_days_min)
		return refuse_false(d, LEDGER_MEMBER_TOO_NEW, "member", "a member transfers points from its day %u on", p->transfer_days_min);
	if (p->has_times_per_year && sent.count >= (int64_t)p->times_per_year)
		return refuse_false(d, LEDGER_CAP_REACHED, "member", "a member transfers points at most %u times a year", p->times_per_year);
	if (p->has_out_per_year && points > p->out_per_year - sent.points)
		return refuse_false(d, LEDGER_CAP_REACHED, "points", "a member transfers at most %s points a year", POINTS_TEXT(d, p->out_per_year));
	if (p->has_in_per_year && points > p->in_per_year - received.points)
		return refuse_false(d, LEDGER_CAP_REACHED, "to", "a member is sent at most %s points a year", POINTS_TEXT(d, p->in_per_year));
	if (points > d->member->available)
		return refuse_false(d, LEDGER_INSUFFICIENT_POINTS, "points", "%s points are available, %s were asked for",
		    POINTS_TEXT(d, d->member->available), POINTS_TEXT(d, points));
	return true;
}

/* What left the sender arrives in the same order; debt is paid by the first. */
static enum status
receive(struct decision *d, struct decision *side)
{
	struct lot *lots = arena_alloc(d->arena, (d->entry->n_postings + 1) * sizeof(*lots));
	size_t n = 0;

	if (lots == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < d->entry->n_postings; i++) {
		const struct posting *p = &d->postings[i];

		if (p->account != ACCOUNT_MEMBER)
			continue;
		lots[n] = (struct lot){ .last_day = p->last_day, .class = p->class, .points = -p->points };
		if (d->program->transfer_restarts)
			lots[n].last_day = program_last_day(d->program, member_tier(side->member, d->program, d->today), d->business_date);
		n++;
	}
	return decision_credit_lots(side, ACCOUNT_TRANSFERRED, lots, n);
}

enum status
decide_transfer(struct decision *d)
{
	const struct member *to;
	struct decision side;
	struct entry scratch;
	int64_t points;
	enum status st = other_member(d, "to", &to);

	if (st != ST_OK || to == NULL || !decision_points(d, "points", d->cmd->u.other.points, &points))
		return st;
	d->entry->u.other.member = to->number;
	d->entry->u.other.points = points;
	if (!d->program->has_transfers)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no transfers");
	/* Whichever of the two is closed, that comes before the sender's being frozen. */
	if (!decision_member_open(d, false) || !other_open(d, to) || !decision_member_open(d, true) || !decision_member_enrolled(d) ||
	    !other_enrolled(d, to) || !transfer_terms(d, to, points))
		return ST_OK;
	st = decision_take(d, d->member->lots, d->member->n_lots, points, ACCOUNT_MEMBER, ACCOUNT_TRANSFERRED, ACCOUNT_TRANSFERRED, d->today);
	side_begin(d, to, &scratch, &side);
	if (st == ST_OK)
		st = receive(d, &side);
	struct tally sent = year_tally(d, TALLY_SENT, points), received = year_tally(d, TALLY_RECEIVED, points);
	if (st == ST_OK)
		st = decision_tally(d, &sent);
	if (st == ST_OK)
		st = decision_tally(&side, &received);
	if (st != ST_OK)
		return st;
	decision_look(&side);
	return side_end(d, &side);
}

/* ---- merge ---- */

static enum status
move_lot(struct decision *d, struct decision *side, const struct lot *lot, const struct hold *hold)
{
	enum status st = decision_relot(side, lot, -lot->points, hold);

	return st == ST_OK ? decision_relot(d, lot, lot->points, hold) : st;
}

enum status
move_points(struct decision *d, struct decision *side)
{
	const struct member *from = side->member;
	enum status st = ST_OK;

	for (size_t i = 0; i < from->n_lots && st == ST_OK; i++)
		st = move_lot(d, side, &from->lots[i], NULL);
	for (size_t h = 0; h < from->n_holds; h++) {
		for (size_t i = 0; i < from->holds[h].n_lots && st == ST_OK; i++)
			st = move_lot(d, side, &from->holds[h].lots[i], &from->holds[h]);
	}
	if (st == ST_OK && from->pending > 0)
		st = decision_number(side, ACCOUNT_PENDING, -from->pending);
	if (st == ST_OK && from->pending > 0)
		st = decision_number(d, ACCOUNT_PENDING, from->pending);
	if (st == ST_OK && from->debt > 0)
		st = decision_number(side, ACCOUNT_DEBT, from->debt);
	if (st == ST_OK && from->debt > 0)
		st = decision_number(d, ACCOUNT_DEBT, -from->debt);
	return st;
}

/* Of equal tiers the one that lasts longer; of equal gifts as well. */
bool
merge_tier(struct decision *d, const struct tier_state *mine, const struct member *from)
{
	const struct program *p = d->program;
	const struct tier_state a = *mine, *b = &from->tier;
	const struct tier *have = program_tier(p, a.earned);
	struct tier_state *t = &d->entry->tier;
	size_t its = tier_earned(p, from), at = have == NULL ? 0 : (size_t)(have - p->tiers);

	*t = a;
	if (p->n_tiers == 0)
		return false;
	if (its > at || (its == at && its > 0 && b->until > a.until))
		*t = *b;
	const struct tier *gift = program_tier(p, a.gift), *its_gift = program_tier(p, b->gift);
	const struct tier_state *given = its_gift != NULL && (gift == NULL || its_gift->rank > gift->rank ||
	    (its_gift == gift && b->gift_until > a.gift_until)) ? b : &a;
	tier_id_copy(t->gift, given->gift);
	t->gift_until = given->gift_until;
	return !tier_state_equal(t, &a);
}

bool
merge_fits(struct decision *d, const struct member *from, const struct member *into)
{
	struct metric_day sums = { .points_earned = from->points_earned, .spend = from->spend, .visits = from->visits };

	if (from->n_holds + into->n_holds > LEDGER_HOLDS_MAX)
		return refuse_false(d, LEDGER_CAP_REACHED, NULL, "the two have more than %d open holds; capture or release some first",
		    LEDGER_HOLDS_MAX);
	if (from->n_pendings + into->n_pendings > LEDGER_PENDINGS_MAX)
		return refuse_false(d, LEDGER_CAP_REACHED, NULL, "the two have more than %d rows of pending points", LEDGER_PENDINGS_MAX);
	if (vouchers_open(from) + vouchers_open(into) > LEDGER_VOUCHERS_MAX)
		return refuse_false(d, LEDGER_CAP_REACHED, NULL, "the two have more than %d vouchers that are not over", LEDGER_VOUCHERS_MAX);
	if (from->n_consents + into->n_consents > LEDGER_CONSENTS_MAX)
		return refuse_false(d, LEDGER_CAP_REACHED, NULL, "the two have spoken about more than %d purposes", LEDGER_CONSENTS_MAX);
	if (from->n_tallies + into->n_tallies > LEDGER_TALLIES_MAX || !metrics_fit(into, &sums))
		return refuse_false(d, LEDGER_CAP_REACHED, NULL, "the two have more history than one member holds");
	return true;
}

enum status
decide_merge(struct decision *d)
{
	const struct member *from = d->member, *into;
	struct decision side;
	struct entry scratch;
	enum status st = other_member(d, "into", &into);

	if (st != ST_OK || into == NULL)
		return st;
	if (!decision_member_open(d, false) || !other_open(d, into) || !decision_member_enrolled(d) || !other_enrolled(d, into) ||
	    !merge_fits(d, from, into))
		return ST_OK;
	d->member = into;
	d->entry->member = into->number;
	d->entry->u.other.member = from->number;
	side_begin(d, from, &scratch, &side);
	st = move_points(d, &side);
	if (st != ST_OK)
		return st;
	d->entry->postings = d->postings;
	d->entry->has_tier = merge_tier(d, &into->tier, from);
	st = decision_stamps_merge(d, from);
	st = st == ST_OK && d->refusal->result == LEDGER_OK ? side_end(d, &side) : st;
	return st == ST_OK ? decision_leave_pool(d, from) : st;
}

/* ---- advance ---- */

/* What is lent is available at once and owed at once; it is no issue until it is earned, and no event that looks for tiers. */
enum status
decide_advance(struct decision *d)
{
	const struct program *p = d->program;
	struct lot lot = { .class = LOT_LENT };
	int64_t points;

	if (!decision_points(d, "points", d->cmd->u.advance.points, &points))
		return ST_OK;
	d->entry->u.advance.points = points;
	if (!p->has_advance)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program lends no points");
	if (!decision_member_open(d, true))
		return ST_OK;
	if (points > p->advance_max - d->member->advanced)
		return refuse(d, LEDGER_CAP_REACHED, "points", "a member owes at most %s lent points, and %s are not repaid",
		    POINTS_TEXT(d, p->advance_max), POINTS_TEXT(d, d->member->advanced));
	lot.last_day = program_last_day(p, member_tier(d->member, p, d->today), d->business_date);
	return decision_move(d, ACCOUNT_DEBT, ACCOUNT_MEMBER, &lot, points);
}
