/*
 * Referrals.  The friend's first purchase of at least min_amount rewards both: the friend by the entry itself, the referrer by what the entry
 * does to that member.  The purchase's facts say what both got and under which terms, its followup what of it was taken back; so a return needs
 * no look at who the two were then.
 *
 * The referrer is the one of the enrolment, or whoever that one went into.  One that is closed, or has become the friend, gets nothing.
 */
#include "ledger/internal.h"

/* ---- who ---- */

/* Who ${number} is by now; NULL: not there. */
static enum status
find_now(const struct ledger_state *state, uint32_t program, uint64_t number, const struct member **ret)
{
	enum status st = ST_OK;

	*ret = NULL;
	while (st == ST_OK && number != 0) {
		st = state->member(state->ctx, program, number, ret);
		number = *ret == NULL ? 0 : (*ret)->merged_into;
	}
	return st;
}

enum status
referral_other(const struct ledger_state *state, const struct cmd *cmd, uint64_t *ret_number)
{
	const struct member *m = NULL;
	uint64_t number = 0;
	enum status st = ST_OK;

	*ret_number = 0;
	if (cmd->op == OP_RETURN && cmd->u.past.entry != NULL && cmd->u.past.entry->has_referral)
		number = cmd->u.past.entry->referral.referrer;
	if (cmd->op == OP_PURCHASE) {
		st = state->member(state->ctx, cmd->program, cmd->member, &m);
		number = st == ST_OK && m != NULL && !m->referral_done ? m->referred_by : 0;
	}
	if (st == ST_OK)
		st = find_now(state, cmd->program, number, &m);
	if (st == ST_OK && number != 0 && m != NULL)
		*ret_number = m->number;
	return st;
}

/* ---- granting ---- */

static int64_t
issued(const struct decision *d)
{
	int64_t points = 0;

	for (size_t i = 0; i < d->entry->n_postings; i++)
		points -= d->postings[i].account == ACCOUNT_ISSUED || d->postings[i].account == ACCOUNT_PARTNER_ISSUED ? d->postings[i].points : 0;
	return points;
}

/* ${points} to d's member: a lot, or after pending_days. */
static enum status
give(struct decision *d, int64_t points, int32_t *ret_last_day)
{
	const struct program *p = d->program;
	const struct tier *tier = member_tier(d->member, p, d->today);
	int32_t day = d->business_date + (int32_t)p->referral_days;
	struct lot lot = { .last_day = rule_last_day(p, NULL, tier, day), .class = LOT_REFERRAL, .points = points };
	struct pending_change change = { .p = { .due_day = day, .version = p->version, .class = LOT_REFERRAL, .points = points } };

	*ret_last_day = lot.last_day;
	if (p->referral_days == 0)
		return decision_credit(d, ACCOUNT_ISSUED, &lot);
	pending_term_of(NULL, tier, change.p.term);
	enum status st = decision_pending(d, &change);
	lot.last_day = DAY_NEVER;
	return st == ST_OK ? decision_move(d, ACCOUNT_ISSUED, ACCOUNT_PENDING, &lot, points) : st;
}

static struct tally
year_tally(int32_t day, int64_t points, int64_t count)
{
	return (struct tally){ .kind = TALLY_YEAR_REFERRED, .per = PERIOD_YEAR, .at = period_start(PERIOD_YEAR, day), .points = points, .count = count };
}

/* NULL: nobody is rewarded besides the friend. */
static enum status
find_referrer(const struct decision *d, const struct member **ret)
{
	const struct program *p = d->program;
	const struct member *m = NULL;
	enum status st = d->cmd->is_quote ? ST_OK : find_now(d->state, d->entry->program, d->member->referred_by, &m);

	*ret = NULL;
	if (st != ST_OK || m == NULL || m->number == d->entry->member || m->standing == STANDING_CLOSED || p->referrer_points == 0)
		return st;
	const struct tally *year = tally_find(m->tallies, m->n_tallies, TALLY_YEAR_REFERRED, "", PERIOD_YEAR,
	    period_start(PERIOD_YEAR, d->business_date));
	if (p->has_referral_per_year && (year == NULL ? 0 : year->count) >= (int64_t)p->referral_per_year)
		return ST_OK;
	*ret = p->referral_days > 0 && m->n_pendings >= LEDGER_PENDINGS_MAX ? NULL : m;
	return ST_OK;
}

static enum status
reward_referrer(struct decision *d, const struct member *referrer)
{
	int64_t points = d->program->referrer_points;
	struct tally year = year_tally(d->business_date, points, 1);
	struct decision side;
	struct entry scratch;

	side_begin(d, referrer, &scratch, &side);
	d->entry->referral.referrer = referrer->number;
	d->entry->referral.referrer_points = points;
	enum status st = give(&side, points, &d->entry->referral.referrer_last_day);
	if (st == ST_OK)
		st = decision_tally(&side, &year);
	if (st != ST_OK)
		return st;
	if (d->program->referral_days == 0)
		decision_look(&side);
	return side_end(d, &side);
}

enum status
decision_referral(struct decision *d)
{
	const struct program *p = d->program;
	const struct member *m = d->member, *referrer;
	bool fits;

	if (!p->has_referral || m->referred_by == 0 || m->referral_done || d->entry->u.purchase.amount < p->referral_min_amount)
		return ST_OK;
	if (p->referral_days > 0 && m->n_pendings + d->entry->n_pendings >= LEDGER_PENDINGS_MAX)
		return refuse(d, LEDGER_CAP_REACHED, NULL, "the member has %d rows of pending points; no more can wait", LEDGER_PENDINGS_MAX);
	enum status st = decision_account_fits(d, ACCOUNT_ISSUED, -(issued(d) + p->referrer_points + p->referee_points), &fits);
	if (st != ST_OK || !fits)
		return st;
	st = find_referrer(d, &referrer);
	if (st != ST_OK)
		return st;
	d->entry->has_referral = true;
	d->entry->referral.referrer_last_day = d->entry->referral.referee_last_day = DAY_NEVER;
	d->entry->referral.referee_points = p->referee_points;
	if (p->referee_points > 0)
		st = give(d, p->referee_points, &d->entry->referral.referee_last_day);
	return st == ST_OK && referrer != NULL ? reward_referrer(d, referrer) : st;
}

/* ---- taking it back ---- */

/* Of ${d}'s member: first what waits, then lots with the reward's terms, then others, then debt, as far as the policy goes. */
struct taking { struct decision *d; struct entry_id from; int32_t last_day; int64_t target, taken; };

static enum status
take_pending(struct taking *t)
{
	const struct member *m = t->d->member;
	const struct lot lot = { .last_day = DAY_NEVER, .class = LOT_REFERRAL };

	for (size_t i = 0; i < m->n_pendings && t->taken < t->target; i++) {
		struct pending_change change = { .has_from = true, .p = m->pendings[i] };
		int64_t left = t->target - t->taken, there = decision_pending_left(t->d, &change.p), part = left < there ? left : there;

		if (part <= 0 || change.p.class != LOT_REFERRAL || entry_id_compare(change.p.from, t->from) != 0)
			continue;
		change.p.points = -part;
		enum status st = decision_pending(t->d, &change);
		if (st != ST_OK)
			return st;
		t->taken += part;
	}
	return t->taken == 0 ? ST_OK : decision_move(t->d, ACCOUNT_PENDING, ACCOUNT_CLAWED, &lot, t->taken);
}

static enum status
take_lots(struct taking *t, bool its)
{
	int64_t there = 0, left = t->target - t->taken;
	size_t n = 0;
	struct lots l;
	enum status st = lots_after(t->d, &l);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < l.n; i++) {
		if ((l.lots[i].class == LOT_REFERRAL && l.lots[i].last_day == t->last_day) != its)
			continue;
		there += l.lots[i].points;
		l.lots[n++] = l.lots[i];
	}
	int64_t part = left < there ? left : there;
	t->taken += part;
	return decision_take(t->d, l.lots, n, part, ACCOUNT_MEMBER, ACCOUNT_CLAWED, ACCOUNT_CLAWED, t->d->today);
}

static enum status
take(struct taking *t)
{
	const struct lot none = { .last_day = DAY_NEVER, .class = LOT_NONE };
	enum claw_back policy = t->d->program->claw_back;
	enum status st = t->target > 0 ? take_pending(t) : ST_OK;

	if (st == ST_OK && policy != CLAW_ONLY_PENDING)
		st = take_lots(t, true);
	if (st == ST_OK && policy != CLAW_ONLY_PENDING)
		st = take_lots(t, false);
	int64_t rest = t->target - t->taken;
	if (st != ST_OK || policy != CLAW_UNLIMITED || rest <= 0)
		return st;
	t->taken += rest;
	return decision_move(t->d, ACCOUNT_DEBT, ACCOUNT_CLAWED, &none, rest);
}

/* A reward that is not one any more has its place among those of the year again. */
static enum status
free_place(struct decision *side, const struct entry *past)
{
	const struct member *m = side->member;
	struct tally year = year_tally(past->business_date, 0, -1);
	const struct tally *used = tally_find(m->tallies, m->n_tallies, TALLY_YEAR_REFERRED, "", PERIOD_YEAR, year.at);

	if (used == NULL || used->count == 0)
		return ST_OK;			/* long ago: nothing asks for it any more */
	year.points = used->points < past->referral.referrer_points ? -used->points : -past->referral.referrer_points;
	return decision_tally(side, &year);
}

static enum status
take_referrers(struct decision *d, const struct entry *past, bool first, struct followup *f)
{
	struct taking t = { .from = f->entry, .last_day = past->referral.referrer_last_day,
	    .target = past->referral.referrer_points - f->referrer_clawed };
	const struct member *m = NULL;
	struct decision side;
	struct entry scratch;
	enum status st = find_now(d->state, d->entry->program, past->referral.referrer, &m);

	if (st != ST_OK || m == NULL || m->standing == STANDING_CLOSED || (t.target <= 0 && !first))
		return st;
	bool is_friend = m->number == d->entry->member;
	side_begin(d, m, &scratch, &side);
	t.d = is_friend ? d : &side;
	st = take(&t);
	if (st == ST_OK && first)
		st = free_place(t.d, past);
	f->referrer_clawed += t.taken;
	return st == ST_OK && !is_friend ? side_end(d, &side) : st;
}

enum status
referral_return(struct decision *d, const struct program *version, const struct entry *past, int64_t left_before, struct followup *f)
{
	if (!past->has_referral || f->left >= version->referral_min_amount)
		return ST_OK;
	struct taking own = { .d = d, .from = f->entry, .last_day = past->referral.referee_last_day,
	    .target = past->referral.referee_points - f->referee_clawed };
	enum status st = take(&own);
	f->referee_clawed += own.taken;
	if (st != ST_OK || past->referral.referrer == 0)
		return st;
	return take_referrers(d, past, left_before >= version->referral_min_amount, f);
}
