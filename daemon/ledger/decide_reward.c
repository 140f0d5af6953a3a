/*
 * Rewards: a redemption whose points and voucher the program says.  What limits redemptions by their points (min, step, the order's share) is not
 * for them, the day's limit is.
 *
 * A reward is reversed whole and only while its voucher is there to be revoked; then it is as if it had not been redeemed, so stock and the
 * member's limit have it again.
 */
#include <string.h>

#include "ledger/earn.h"

static struct tally
use_of(const struct reward *r, enum period per, int32_t day, int64_t count)
{
	struct tally t = { .kind = TALLY_REWARD, .per = per, .at = period_start(per, day), .count = count };

	tier_id_copy(t.id, r->id);
	return t;
}

static int64_t
member_used(const struct member *m, const struct reward *r, int32_t day)
{
	const struct tally *t = tally_find(m->tallies, m->n_tallies, TALLY_REWARD, r->id, r->per, period_start(r->per, day));

	return t == NULL ? 0 : t->count;
}

static enum status
stock_used(const struct decision *d, const struct reward *r, int64_t *ret_used)
{
	const struct totals *totals = NULL;
	enum status st = d->state->totals(d->state->ctx, d->entry->program, &totals);
	const struct tally *t = st != ST_OK || totals == NULL ? NULL :
	    tally_find(totals->tallies, totals->n_tallies, TALLY_REWARD, r->id, PERIOD_PROGRAM, 0);

	*ret_used = t == NULL ? 0 : t->count;
	return st;
}

/* False: refused. */
static bool
eligible(struct decision *d, const struct reward *r)
{
	const struct tier *tier = member_tier(d->member, d->program, d->today);
	char text[DAY_TEXT_BYTES];

	if (r->tiers.n > 0 && (tier == NULL || !word_among(&r->tiers, tier->id)))
		return refuse_false(d, LEDGER_NOT_ELIGIBLE, "reward", "the reward %s is for other tiers than the member's", r->id);
	if (d->business_date < r->from)
		return refuse_false(d, LEDGER_NOT_ELIGIBLE, "reward", "the reward %s begins on %s", r->id, day_format(r->from, text));
	if (d->business_date > r->until)
		return refuse_false(d, LEDGER_NOT_ELIGIBLE, "reward", "the reward %s ended on %s", r->id, day_format(r->until, text));
	return true;
}

/* What limits the member, and then all of them. */
static enum status
count_use(struct decision *d, const struct reward *r)
{
	struct tally mine = use_of(r, r->per, d->business_date, 1), all = use_of(r, PERIOD_PROGRAM, 0, 1);
	int64_t used = 0;

	if (r->per_member > 0 && member_used(d->member, r, d->business_date) >= (int64_t)r->per_member)
		return refuse(d, LEDGER_CAP_REACHED, "reward", "the member has redeemed the reward %s as often as its limit of %u allows", r->id,
		    r->per_member);
	enum status st = decision_count_redeemed(d, r->cost);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	if (r->has_stock)
		st = stock_used(d, r, &used);
	if (st == ST_OK && r->has_stock && used >= (int64_t)r->stock)
		return refuse(d, LEDGER_OUT_OF_STOCK, "reward", "all %u of the reward %s are gone", r->stock, r->id);
	if (st == ST_OK && r->per_member > 0)
		st = decision_tally(d, &mine);
	return st == ST_OK && r->has_stock ? decision_tally(d, &all) : st;
}

enum status
decide_reward(struct decision *d)
{
	const struct program *p = d->program;
	const struct reward *r = program_reward(p, d->cmd->u.redeem.reward);
	bool fits = true;

	if (p->n_rewards == 0)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no rewards");
	if (r == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "reward", "this program has no such reward");
	if (d->cmd->u.redeem.pool && p->pool_max == 0)
		return refuse(d, LEDGER_NOT_OFFERED, "pool", "this program has no pools");
	d->entry->u.redeem.reward = d->cmd->u.redeem.reward;
	d->entry->u.redeem.pool = d->cmd->u.redeem.pool;
	if (!decision_member_open(d, true) || !eligible(d, r))
		return ST_OK;
	enum status st = decision_issue(d, &p->vouchers[r->voucher], VOUCHER_BY_REWARD, r->id, 0,
	    voucher_last_day(&p->vouchers[r->voucher], d->business_date), &fits);
	if (st == ST_OK && !fits)
		return refuse(d, LEDGER_CAP_REACHED, NULL, "the member has %d vouchers that are not over; no more can be issued", LEDGER_VOUCHERS_MAX);
	if (st == ST_OK)
		st = count_use(d, r);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	if (d->cmd->u.redeem.pool)
		return decision_spend_pool(d, r->cost, decision_redeemed(d));
	if (r->cost > d->member->available)
		return refuse(d, LEDGER_INSUFFICIENT_POINTS, "reward", "%s points are available, the reward %s costs %s",
		    POINTS_TEXT(d, d->member->available), r->id, POINTS_TEXT(d, r->cost));
	return decision_take(d, d->member->lots, d->member->n_lots, r->cost, ACCOUNT_MEMBER, decision_redeemed(d), decision_redeemed(d),
	    d->today);
}

/* ---- reversing it ---- */

/* NULL when the record has forgotten it, which it does only with one that is over. */
static const struct voucher *
voucher_of(const struct member *m, struct entry_id from)
{
	for (size_t i = 0; i < m->n_vouchers; i++) {
		if (entry_id_compare(m->vouchers[i].from, from) == 0 && m->vouchers[i].source == VOUCHER_BY_REWARD)
			return &m->vouchers[i];
	}
	return NULL;
}

/* By the version that it was redeemed under; what is not counted any more cannot come back. */
static enum status
uncount_use(struct decision *d, const struct entry *past)
{
	const struct program *version = d->state->program_version(d->state->ctx, d->entry->program, past->program_version);
	const struct reward *r = version == NULL ? NULL : program_reward(version, past->u.redeem.reward);
	int64_t used = 0;
	enum status st = ST_OK;

	if (r == NULL)
		return ST_OK;
	struct tally mine = use_of(r, r->per, past->business_date, -1), all = use_of(r, PERIOD_PROGRAM, 0, -1);
	if (r->per_member > 0 && member_used(d->member, r, past->business_date) > 0)
		st = decision_tally(d, &mine);
	if (st == ST_OK && r->has_stock)
		st = stock_used(d, r, &used);
	return st == ST_OK && used > 0 ? decision_tally(d, &all) : st;
}

enum status
decision_reverse_reward(struct decision *d, const struct entry *past, struct entry_id id)
{
	const struct voucher *v = voucher_of(d->member, id);

	if (v == NULL || v->state == VOUCHER_USED || v->state == VOUCHER_REVOKED)
		return refuse(d, LEDGER_ALREADY_USED, "redeem", "the reward's voucher is used; its points stay spent");
	if (v->state == VOUCHER_HELD)
		return refuse(d, LEDGER_ALREADY_USED, "redeem", "the reward's voucher is held at a till; release the hold first");
	if (v->state == VOUCHER_EXPIRED)
		return refuse(d, LEDGER_VOUCHER_EXPIRED, "redeem", "the reward's voucher has expired; its points stay spent");
	enum status st = decision_voucher(d, v, VOUCHER_REVOKED);
	return st == ST_OK ? uncount_use(d, past) : st;
}
