/*
 * Points that become vouchers by themselves.  Whatever gives points to a member does it in the same entry; what is left then, because the member
 * was frozen or held another tier, or because an entry has room for so many only, becomes vouchers at night.
 *
 * It is no event of its own: the tier that counts is the one held before the entry, and at night the one of the day that has ended.
 */
#include <string.h>

#include "ledger/earn.h"

/* An entry fits a transaction with so many postings, or with a voucher for each four of them. */
#define POSTINGS_MAX 2400
#define POSTINGS_OF_VOUCHER 4

static bool
is_for(const struct member *m, const struct program *p, int32_t day)
{
	const struct tier *tier = member_tier(m, p, day);

	if (!p->has_auto_redeem || m->standing != STANDING_ACTIVE || m->provisional)
		return false;
	return p->auto_tiers.n == 0 || (tier != NULL && word_among(&p->auto_tiers, tier->id));
}

static int32_t
tier_day(const struct entry *entry, int32_t today)
{
	return entry->op == OP_AUTO_REDEEM ? today - 1 : today;
}

/* How many the entry has room for beside what it has, when they take ${n_lots} lots. */
static int64_t
vouchers_max(const struct entry *e, size_t n_lots)
{
	size_t used = e->n_postings + 2 * n_lots + 3 * e->n_pendings;

	for (size_t i = 0; i < e->n_followups; i++)
		used += 2 + e->followups[i].n_lines;
	size_t room = used < POSTINGS_MAX ? (POSTINGS_MAX - used) / POSTINGS_OF_VOUCHER : 0;
	return (int64_t)(room < ENTRY_VOUCHERS_MAX ? room : ENTRY_VOUCHERS_MAX);
}

/* Lots that ended yesterday count: at night it comes before they expire. */
enum status
decision_auto_redeem(struct decision *d, bool *ret_any)
{
	const struct program *p = d->program;
	const struct voucher_kind *kind = &p->vouchers[p->auto_voucher];
	struct lot *lots;
	size_t n_lots;
	int64_t points = 0, vouchers = 0;
	bool fits = true;

	*ret_any = false;
	if (!is_for(d->member, p, tier_day(d->entry, d->today)))
		return ST_OK;
	enum status st = decision_lots(d, &lots, &n_lots);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < n_lots; i++)
		points += lots[i].points;
	int64_t max = vouchers_max(d->entry, n_lots);
	for (; vouchers < max && points - vouchers * p->auto_at >= p->auto_at && fits && st == ST_OK; vouchers += fits)
		st = decision_issue(d, kind, VOUCHER_BY_AUTO_REDEEM, "", 0, voucher_last_day(kind, d->business_date), &fits);
	*ret_any = vouchers > 0;
	if (st != ST_OK || vouchers == 0)
		return st;
	return decision_take(d, lots, n_lots, vouchers * p->auto_at, ACCOUNT_MEMBER, ACCOUNT_REDEEMED, ACCOUNT_REDEEMED, d->today);
}

/* A merge only moves what there is; a provisional member only earns; a change of terms gives nothing either, and comes later. */
enum status
decision_auto_credit(struct decision *d)
{
	bool any = false;

	if (!d->program->has_auto_redeem || d->entry->op == OP_MERGE || d->entry->n_merged > 0)
		return ST_OK;
	for (size_t i = 0; i < d->entry->n_postings && !any; i++) {
		const struct posting *p = &d->postings[i];
		any = p->account == ACCOUNT_MEMBER && p->member == d->entry->member && p->points > 0;
	}
	return any ? decision_auto_redeem(d, &any) : ST_OK;
}

/* Whether the entry has, or had its place, before auto-redeem in the order of a night. */
static bool
is_before(enum op op)
{
	return op == OP_HOLD_TIMEOUT || op == OP_LAPSE || op == OP_ACTIVATE || op == OP_BIRTHDAY || op == OP_ANNIVERSARY || op == OP_AUTO_REDEEM;
}

void
auto_look(struct member *m, const struct program *p, int64_t at_us, const struct entry *entry)
{
	int32_t today = zone_day(&p->zone, at_us);
	bool this_night = entry != NULL && entry->has_due_at && is_before(entry->op) && zone_midnight_us(&p->zone, today) == at_us;

	m->has_auto = m->available >= p->auto_at && is_for(m, p, this_night ? today - 1 : today) && vouchers_open(m) < LEDGER_VOUCHERS_MAX;
	m->auto_day = !m->has_auto ? 0 : this_night ? today : today + 1;
}
