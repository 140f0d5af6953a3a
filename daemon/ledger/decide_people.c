/*
 * Who is a member: enrolment, the provisional member that an unknown alias earns into, provisional members that go into an enrolled one, members
 * who come from an old system, consents, and erasure.
 *
 * An enrolment is of somebody new, or of a provisional member under its own number.  Other provisional members whose aliases it names go into it:
 * their points by postings, the rest of their records by evolve_merge.c; what the rules look at meanwhile is a copy that has it all already.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

bool
command_merges(const struct cmd *cmd, uint64_t number)
{
	for (size_t i = 0; i < cmd->n_merged; i++) {
		if (cmd->merged[i] == number)
			return true;
	}
	return false;
}

void
command_merge(struct cmd *cmd, uint64_t number)
{
	if (number != cmd->member && !command_merges(cmd, number) && cmd->n_merged < LEDGER_TOUCHED_MAX)
		cmd->merged[cmd->n_merged++] = number;
}

/* ---- somebody new ---- */

enum status
decision_newcomer(struct decision *d, bool provisional)
{
	const struct totals *totals = NULL;
	struct member *newcomer = arena_alloc(d->arena, sizeof(*newcomer));
	enum status st = d->state->totals(d->state->ctx, d->cmd->program, &totals);

	if (st != ST_OK || newcomer == NULL)
		return st != ST_OK ? st : ST_NOMEM;
	member_begin(newcomer, d->program, totals == NULL ? 1 : totals->members + 1, d->business_date, provisional);
	newcomer->program = d->cmd->program;
	d->entry->program = d->cmd->program;
	d->entry->member = newcomer->number;
	d->entry->provisional = provisional;
	if (d->program->n_tiers > 0) {
		d->entry->has_tier = true;
		d->entry->tier = newcomer->tier;
	}
	d->member = newcomer;
	return ST_OK;
}

/* ---- provisional members go into another ---- */

/* What rules look at of a member that comes: all but its points, which postings move. */
static enum status
take_in(struct decision *d, const struct member *from, struct member *into)
{
	struct member rest = *from;
	bool ok;

	rest.available = rest.held = rest.pending = rest.debt = 0;
	rest.n_lots = rest.n_holds = rest.n_pendings = 0;
	enum status st = merge_rest(&rest, into, d->arena, &ok);
	if (st == ST_OK && !ok)
		return ST_CORRUPT;		/* merge_fits() said otherwise */
	into->debt += from->debt;
	return st;
}

/* ${into} is d->member's copy; its tier becomes the higher one. */
static enum status
absorb_one(struct decision *d, uint64_t number, struct member *into, bool *ret_ok)
{
	const struct member *from = NULL;
	struct decision side;
	struct entry scratch;
	enum status st = d->state->member(d->state->ctx, d->cmd->program, number, &from);

	*ret_ok = false;
	if (st != ST_OK)
		return st;
	if (from == NULL || !from->provisional || from->standing == STANDING_CLOSED || number == d->entry->member)
		return refuse(d, LEDGER_NOT_FOUND, "aliases", "a member that should go into this one is not there, or is enrolled");
	if (!merge_fits(d, from, into))
		return ST_OK;
	side_begin(d, from, &scratch, &side);
	st = move_points(d, &side);
	if (st == ST_OK)
		st = side_end(d, &side);
	if (st == ST_OK)
		st = decision_stamps_merge(d, from);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	st = stamps_apply(into, d->arena, d->entry, ret_ok);
	if (st == ST_OK && !*ret_ok)
		return ST_CORRUPT;
	*ret_ok = false;
	if (st == ST_OK && merge_tier(d, &into->tier, from)) {
		d->entry->has_tier = true;
		into->tier = d->entry->tier;
	}
	*ret_ok = st == ST_OK;
	return st == ST_OK ? take_in(d, from, into) : st;
}

/* d->member becomes a copy that has everything but the points that come. */
static enum status
absorb(struct decision *d, bool *ret_ok)
{
	const struct cmd *cmd = d->cmd;
	struct member *into = arena_alloc(d->arena, sizeof(*into));
	enum status st = into == NULL ? ST_NOMEM : member_copy(d->member, d->arena, into);

	*ret_ok = cmd->n_merged < LEDGER_TOUCHED_MAX;
	if (st == ST_OK && !*ret_ok)
		return refuse(d, LEDGER_CAP_REACHED, "aliases", "the aliases are of more than %d provisional members; name fewer at a time",
		    LEDGER_TOUCHED_MAX - 1);
	d->entry->n_merged = cmd->n_merged;
	d->entry->merged = cmd->merged;
	if (st == ST_OK)
		d->member = into;
	for (size_t i = 0; i < cmd->n_merged && st == ST_OK && *ret_ok; i++)
		st = absorb_one(d, cmd->merged[i], into, ret_ok);
	return st;
}

/* ---- enrol ---- */

/* Rules `on: enrol`; an entry of a program without them has no metrics. */
static enum status
enrol_earn(struct decision *d)
{
	struct earn_event event = { .on = ON_ENROL, .store = d->entry->store, .segments = d->cmd->segments, .n_segments = d->cmd->n_segments };
	bool any = false;

	for (size_t i = 0; i < d->program->n_rules; i++)
		any |= d->program->rules[i].on == ON_ENROL;
	if (!any)
		return ST_OK;
	d->entry->has_metrics = true;
	d->entry->metrics = (struct metric_day){ .day = d->business_date };
	return earn(d, &event);
}

/* Who the alias is: somebody provisional, or NULL for nobody; *${ret_ok} is false when an enrolled member has it. */
static enum status
find_provisional(struct decision *d, const struct member **ret, bool *ret_ok)
{
	enum status st = ST_OK;

	*ret = NULL;
	*ret_ok = true;
	if (d->cmd->member != 0)
		st = d->state->member(d->state->ctx, d->cmd->program, d->cmd->member, ret);
	if (st != ST_OK || *ret == NULL)
		return st;
	*ret_ok = (*ret)->provisional && (*ret)->standing != STANDING_CLOSED;
	return *ret_ok ? ST_OK : refuse(d, LEDGER_ALREADY_EXISTS, "member", "that alias belongs to a member already");
}

/* d->member as it is enrolled: new, or the provisional one; with those that go into it. */
static enum status
enrol_member(struct decision *d, const struct member *provisional, bool *ret_ok)
{
	enum status st = ST_OK;

	*ret_ok = false;
	d->entry->enrolled = true;
	if (provisional == NULL) {
		st = decision_newcomer(d, false);
	} else {
		d->member = provisional;
		d->entry->program = d->cmd->program;
		d->entry->member = provisional->number;
		d->entry->tier = provisional->tier;
	}
	if (st == ST_OK)
		st = absorb(d, ret_ok);
	if (st != ST_OK || !*ret_ok)
		return st;
	struct member *m = (struct member *)(uintptr_t)d->member;	/* absorb() made the copy */
	m->provisional = false;
	m->enrolled_day = d->business_date;
	if (d->program->n_tiers > 0 && tier_earned(d->program, m) == 0 && m->tier.since != d->business_date) {
		m->tier.since = d->business_date;
		d->entry->tier = m->tier;
		d->entry->has_tier = true;
	}
	return ST_OK;
}

/* Terms follow the tier that was held before. */
static void
hold_tier_of(struct decision *d, const struct member *before)
{
	struct member *m = (struct member *)(uintptr_t)d->member;

	if (before != NULL)
		m->tier = before->tier;
}

static enum status
find_referrer(struct decision *d, const struct member **ret)
{
	uint64_t number = d->cmd->u.enrol.referrer;
	bool is_own = d->cmd->u.enrol.names_self || (number != 0 && number == d->cmd->member);
	enum status st = ST_OK;

	*ret = NULL;
	if (!d->cmd->u.enrol.names_referrer)
		return ST_OK;
	if (number != 0)
		st = d->state->member(d->state->ctx, d->cmd->program, number, ret);
	if (st != ST_OK)
		return st;
	if (*ret == NULL && !is_own)
		return refuse(d, LEDGER_NOT_FOUND, "referrer", "there is no such member in this program; leave referrer out, or look at the alias");
	for (size_t i = 0; i < d->cmd->n_merged; i++)
		is_own |= d->cmd->merged[i] == number;
	return is_own ? refuse(d, LEDGER_SELF_REFERRAL, "referrer", "nobody refers themselves: referrer and member are one") : ST_OK;
}

static enum status
check_referrer(struct decision *d, const struct member *referrer)
{
	if (!d->cmd->u.enrol.names_referrer)
		return ST_OK;
	if (!d->program->has_referral)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no referrals");
	assert(referrer != NULL);		/* find_referrer() has refused one that there is not */
	if (referrer->standing == STANDING_CLOSED)
		return refuse(d, LEDGER_MEMBER_CLOSED, "referrer", "that member is closed");
	d->entry->u.enrol.referrer = referrer->number;
	return ST_OK;
}

enum status
decide_enrol(struct decision *d)
{
	const struct member *referrer, *provisional;
	bool ok;
	enum status st = find_referrer(d, &referrer);

	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	st = find_provisional(d, &provisional, &ok);
	if (st == ST_OK && ok)
		st = check_referrer(d, referrer);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	st = enrol_member(d, provisional, &ok);
	if (st == ST_OK && ok)
		st = enrol_earn(d);
	if (st != ST_OK || d->refusal->result != LEDGER_OK)
		return st;
	decision_upgrade(d, d->entry->has_metrics ? &d->entry->metrics : NULL);
	hold_tier_of(d, provisional);
	return ST_OK;
}

/* The vault has it all, but for provisional members whose aliases it adds. */
enum status
decide_profile(struct decision *d)
{
	const struct member *before = d->member;
	bool ok;

	assert(d->member != NULL);
	if (!decision_member_open(d, false) || d->cmd->n_merged == 0)
		return ST_OK;
	d->entry->tier = d->member->tier;
	enum status st = absorb(d, &ok);
	if (st == ST_OK && ok)
		hold_tier_of(d, before);
	return st;
}

/* ---- opening ---- */

static enum status
opening_lots(struct decision *d, bool *ret_ok)
{
	const struct cmd *cmd = d->cmd;
	struct moved_lot *lots = arena_alloc(d->arena, (cmd->u.opening.n_lots + 1) * sizeof(*lots));
	int64_t sum = 0;

	*ret_ok = false;
	if (lots == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < cmd->u.opening.n_lots; i++) {
		const struct opening_lot *lot = &cmd->u.opening.lots[i];

		lots[i].last_day = lot->last_day;
		if (!decision_points(d, "lots", lot->points, &lots[i].points))
			return ST_OK;
		if (!last_day_ok(lot->last_day) || lot->last_day < d->today)
			return refuse(d, LEDGER_INVALID_ARGUMENT, "lots", "the last day of lot %zu is over already; leave the lot out", i + 1);
		if (!checked_add(sum, lots[i].points, &sum) || sum > POINTS_MAX)
			return refuse(d, LEDGER_INVALID_ARGUMENT, "lots", "the lots have more points than a ledger can count");
	}
	d->entry->u.opening.lots = lots;
	d->entry->u.opening.n_lots = cmd->u.opening.n_lots;
	*ret_ok = true;
	return ST_OK;
}

/* False: refused. */
static bool
opening_counters(struct decision *d)
{
	const struct program *p = d->program;

	d->entry->u.opening.counters = d->cmd->u.opening.counters;
	d->entry->u.opening.n_counters = d->cmd->u.opening.n_counters;
	for (size_t i = 0; i < d->cmd->u.opening.n_counters; i++) {
		const struct opening_counter *c = &d->cmd->u.opening.counters[i];
		size_t k = 0;

		while (k < p->n_counters && strcmp(p->counters[k], c->id) != 0)
			k++;
		if (k == p->n_counters)
			return refuse_false(d, LEDGER_INVALID_ARGUMENT, "counters", "this program has no counter %.32s", c->id);
		if (c->count < 0 || c->count > POINTS_MAX)
			return refuse_false(d, LEDGER_INVALID_ARGUMENT, "counters", "the count of %.32s is more than a ledger can count", c->id);
		d->entry->metrics.counters[k] = c->count;
	}
	d->entry->has_metrics = d->cmd->u.opening.n_counters > 0;
	d->entry->metrics.day = d->business_date;
	return true;
}

/* False: refused. */
static bool
opening_tier(struct decision *d, const struct tier **ret)
{
	const struct cmd *cmd = d->cmd;

	*ret = NULL;
	d->entry->u.opening.tier = cmd->u.opening.tier;
	d->entry->u.opening.tier_until = cmd->u.opening.tier_until;
	if (cmd->u.opening.tier == NULL)
		return true;
	*ret = program_tier(d->program, cmd->u.opening.tier);
	if (*ret == NULL && d->program->n_tiers > 0)
		return refuse_false(d, LEDGER_NOT_FOUND, "tier", "this program has no such tier");
	if (!last_day_ok(cmd->u.opening.tier_until) || cmd->u.opening.tier_until < d->today)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "tier_until", "tier_until is over already");
	if (*ret == d->program->tiers && *ret != NULL && cmd->u.opening.tier_until != DAY_NEVER)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "tier_until", "the lowest tier has no end; leave tier_until out");
	return true;
}

/* As if it were reached today, but for its end when that is given. */
static void
give_tier(struct decision *d, const struct tier *tier)
{
	struct member *m = (struct member *)(uintptr_t)d->member;
	struct tier_state *t = &d->entry->tier;

	if (tier == NULL || tier == d->program->tiers)
		return;
	d->entry->has_tier = true;
	*t = m->tier;
	tier_id_copy(t->earned, tier->id);
	t->since = t->from = t->start = d->today;
	t->until = d->cmd->u.opening.tier_until != DAY_NEVER ? d->cmd->u.opening.tier_until : tier_valid_until(tier, d->today, false);
	t->grace = false;
	m->tier = *t;
}

static enum status
credit_opening(struct decision *d)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < d->entry->u.opening.n_lots && st == ST_OK; i++) {
		const struct moved_lot *moved = &d->entry->u.opening.lots[i];
		struct lot lot = { .last_day = moved->last_day, .class = LOT_MOVED_IN };

		st = decision_move(d, ACCOUNT_OPENING, ACCOUNT_MEMBER, &lot, moved->points);
	}
	return st;
}

enum status
decide_opening(struct decision *d)
{
	const struct member *provisional;
	const struct tier *tier;
	bool ok, fits;
	enum status st;

	if (!opening_tier(d, &tier) || !opening_counters(d))
		return ST_OK;
	st = opening_lots(d, &ok);
	if (st != ST_OK || !ok)
		return st;
	st = find_provisional(d, &provisional, &ok);
	if (st != ST_OK || !ok)
		return st;
	if (d->cmd->u.opening.tier != NULL && d->program->n_tiers == 0)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no tiers");
	st = enrol_member(d, provisional, &ok);
	if (st != ST_OK || !ok)
		return st;
	st = credit_opening(d);
	int64_t points = 0;
	for (size_t i = 0; i < d->entry->u.opening.n_lots; i++)
		points += d->entry->u.opening.lots[i].points;
	if (st == ST_OK)
		st = decision_account_fits(d, ACCOUNT_OPENING, -points, &fits);
	if (st != ST_OK)
		return st;
	if (!fits || !metrics_fit(d->member, &d->entry->metrics))
		return refuse(d, LEDGER_CAP_REACHED, "lots", "all openings together have more points than a ledger can count");
	give_tier(d, tier);
	decision_upgrade(d, d->entry->has_metrics ? &d->entry->metrics : NULL);
	hold_tier_of(d, provisional);
	return ST_OK;
}

/* ---- consent ---- */

static bool
has_purpose(const struct member *m, const char *purpose)
{
	for (size_t i = 0; i < m->n_consents; i++) {
		if (strcmp(m->consents[i].purpose, purpose) == 0)
			return true;
	}
	return false;
}

enum status
decide_consent(struct decision *d)
{
	d->entry->u.consent.purpose = d->cmd->u.consent.purpose;
	d->entry->u.consent.given = d->cmd->u.consent.given;
	if (d->cmd->u.consent.purpose == NULL || d->cmd->u.consent.purpose[0] == 0 || strlen(d->cmd->u.consent.purpose) > LEDGER_ID_MAX)
		return refuse(d, LEDGER_INVALID_ARGUMENT, "purpose", "purpose is not a code: 1 to 32 of a-z 0-9 _");
	if (!decision_member_open(d, false))
		return ST_OK;
	if (d->member->n_consents >= LEDGER_CONSENTS_MAX && !has_purpose(d->member, d->cmd->u.consent.purpose))
		return refuse(d, LEDGER_CAP_REACHED, "purpose", "a member speaks about at most %d purposes", LEDGER_CONSENTS_MAX);
	return ST_OK;
}

/* ---- erase ---- */

static enum status
expire_lots(struct decision *d, const struct lot *lots, size_t n, const struct hold *hold)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		st = decision_move(d, hold == NULL ? ACCOUNT_MEMBER : ACCOUNT_HELD, ACCOUNT_EXPIRED, &lots[i], lots[i].points);
		if (st == ST_OK && hold != NULL) {
			struct posting *out = &d->postings[d->entry->n_postings - 2];
			out->has_hold = true;
			out->hold = hold->id;
		}
	}
	return st;
}

/* The rows go with the record: what is posted is the sum of each class. */
static enum status
cancel_pendings(struct decision *d)
{
	const struct member *m = d->member;
	int64_t points[LOT_CLASS_COUNT] = { 0 };
	enum status st = ST_OK;

	for (size_t i = 0; i < m->n_pendings; i++)
		points[m->pendings[i].class] += m->pendings[i].points;
	for (size_t class = 0; class < LOT_CLASS_COUNT && st == ST_OK; class++) {
		struct lot lot = { .last_day = DAY_NEVER, .class = (enum lot_class)class };

		if (points[class] > 0)
			st = decision_move(d, ACCOUNT_PENDING, ACCOUNT_CLAWED, &lot, points[class]);
	}
	return st;
}

/* As many as the entry has room for beside a thousand lots; all go with the record. */
static enum status
revoke_vouchers(struct decision *d)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < d->member->n_vouchers && d->entry->n_vouchers < ENTRY_VOUCHERS_MAX / 2 && st == ST_OK; i++) {
		if (!voucher_is_over(d->member->vouchers[i].state))
			st = decision_voucher(d, &d->member->vouchers[i], VOUCHER_REVOKED);
	}
	return st;
}

/* A closed member is erased too: what is left of it is a person's still.  All that is not by postings is evolve's: member_erase(). */
enum status
decide_erase(struct decision *d)
{
	const struct lot none = { .last_day = DAY_NEVER, .class = LOT_NONE };
	const struct member *m = d->member;

	if (!decision_member_enrolled(d))
		return ST_OK;
	enum status st = expire_lots(d, m->lots, m->n_lots, NULL);
	for (size_t i = 0; i < m->n_holds && st == ST_OK; i++)
		st = expire_lots(d, m->holds[i].lots, m->holds[i].n_lots, &m->holds[i]);
	if (st == ST_OK)
		st = cancel_pendings(d);
	if (st == ST_OK)
		st = revoke_vouchers(d);
	bool fits = true;
	if (st == ST_OK && m->debt > 0)
		st = decision_account_fits(d, ACCOUNT_ADJUSTED, -m->debt, &fits);
	if (st == ST_OK && !fits)
		return refuse(d, LEDGER_CAP_REACHED, "member", "the ledger has adjusted all the points that it can count; adjust the debt away first");
	if (st == ST_OK && m->debt > 0)
		st = decision_move(d, ACCOUNT_ADJUSTED, ACCOUNT_DEBT, &none, m->debt);
	if (st == ST_OK)
		st = decision_give_back(d);
	return st == ST_OK && d->refusal->result == LEDGER_OK ? decision_leave_pool(d, m) : st;
}
