/*
 * What became of the points that were issued in the period.  The ledger keeps lots by their last day and not by the day on which they were earned,
 * so points are taken here first in, first out: those from before the period, those of the period, those after it.  What a return claws back is
 * taken from the newest, which are likely its purchase's.
 */
#include <string.h>

#include "report.h"

static bool
is_members(enum account a)
{
	return a >= ACCOUNT_MEMBER && a <= ACCOUNT_DEBT;
}

/* What the program's accounts gained, in one entry. */
struct flow { int64_t issued, back, other, redeemed, expired, clawed; };

static struct flow
flow_of(const struct entry *e)
{
	int64_t account[ACCOUNT_COUNT] = { 0 };

	for (size_t i = 0; i < e->n_postings; i++)
		if (e->postings[i].account < ACCOUNT_COUNT)
			account[e->postings[i].account] += e->postings[i].points;
	return (struct flow){
		.issued = -account[ACCOUNT_ISSUED] - account[ACCOUNT_PARTNER_ISSUED],
		.back = -account[ACCOUNT_REINSTATED],
		.other = -account[ACCOUNT_ADJUSTED] - account[ACCOUNT_ADVANCED] - account[ACCOUNT_OPENING] - account[ACCOUNT_TRANSFERRED],
		.redeemed = account[ACCOUNT_REDEEMED] + account[ACCOUNT_PARTNER_REDEEMED],
		.expired = account[ACCOUNT_EXPIRED],
		.clawed = account[ACCOUNT_CLAWED],
	};
}

/* ---- one member's points ---- */

static void
put_points(struct report_points *p, enum report_age age, int64_t points)
{
	int64_t paid = p->short_points < points ? p->short_points : points;

	p->short_points -= paid;
	p->open[age] += points - paid;
}

/* What of ${points} there is, of each age, first in, first out, or the other way round; how many of the period's. */
static int64_t
take_points(struct report_points *p, int64_t points, bool newest_first, int64_t *ret_taken)
{
	for (unsigned i = 0; i < AGE_COUNT; i++) {
		enum report_age age = newest_first ? AGE_COUNT - 1 - i : i;
		ret_taken[age] = p->open[age] < points ? p->open[age] : points;
		p->open[age] -= ret_taken[age];
		points -= ret_taken[age];
	}
	p->short_points += points;
	return ret_taken[AGE_COHORT];
}

static void
redeem(struct report_book *book, struct report_points *p, int64_t points)
{
	int64_t taken[AGE_COUNT];

	book->cohort_redeemed += take_points(p, points, false, taken);
	for (enum report_age age = 0; age < AGE_COUNT; age++)
		p->redeemed[age] += taken[age];
}

/* A reversal gives back what was taken last. */
static void
give_back(struct report_book *book, struct report_points *p, int64_t points)
{
	for (enum report_age age = AGE_COUNT; age-- > 0;) {
		int64_t part = p->redeemed[age] < points ? p->redeemed[age] : points;
		p->redeemed[age] -= part;
		points -= part;
		put_points(p, age, part);
		if (age == AGE_COHORT)
			book->cohort_redeemed -= part;
	}
	put_points(p, AGE_BEFORE, points);
}

static enum report_age
age_of(const struct report_book *book, int32_t day)
{
	const struct report_params *p = &book->params;

	if (p->from != DAY_NONE && day < p->from)
		return AGE_BEFORE;
	return p->until != DAY_NONE && day > p->until ? AGE_AFTER : AGE_COHORT;
}

/* Points that were not issued, but given by hand, lent or brought along, are of no cohort. */
static void
take_flow(struct report_book *book, struct report_points *p, const struct flow *f, enum report_age age)
{
	int64_t taken[AGE_COUNT];

	if (f->back > 0)
		give_back(book, p, f->back);
	if (f->other > 0)
		put_points(p, age == AGE_COHORT ? AGE_BEFORE : age, f->other);
	if (f->issued > 0)
		put_points(p, age, f->issued);
	if (f->issued > 0 && age == AGE_COHORT)
		book->cohort_issued += f->issued;
	if (f->redeemed > 0)
		redeem(book, p, f->redeemed);
	if (f->clawed > 0)
		book->cohort_issued -= take_points(p, f->clawed, true, taken);
	if (f->issued < 0)
		book->cohort_issued -= take_points(p, -f->issued, true, taken);
	if (f->other < 0)
		(void)take_points(p, -f->other, false, taken);
	if (f->expired > 0)
		book->cohort_expired += take_points(p, f->expired, false, taken);
}

/* ---- entries of several members ---- */

void
report_member_merge(struct report_member *into, struct report_member *from)
{
	for (enum report_age age = 0; age < AGE_COUNT; age++) {
		into->points.open[age] += from->points.open[age];
		into->points.redeemed[age] += from->points.redeemed[age];
	}
	into->points.short_points += from->points.short_points;
	from->points = (struct report_points){ 0 };
}

static int64_t
gain_of(const struct entry *e, uint64_t member)
{
	int64_t gain = 0;

	for (size_t i = 0; i < e->n_postings; i++)
		if (is_members(e->postings[i].account) && e->postings[i].member == member)
			gain += e->postings[i].points;
	return gain;
}

/* Points that one member sends keep their age. */
static void
take_transfer(struct report_book *book, const struct entry *e)
{
	struct report_points *from = &book->members[e->member - 1].points, *to = &book->members[e->u.other.member - 1].points;
	int64_t taken[AGE_COUNT], points = -gain_of(e, e->member), left = points;

	if (points <= 0)
		return;
	(void)take_points(from, points, false, taken);
	for (enum report_age age = 0; age < AGE_COUNT; age++) {
		put_points(to, age, taken[age]);
		left -= taken[age];
	}
	put_points(to, AGE_BEFORE, left);
}

/* What each of them gained or lost, all by the same cause. */
static void
take_each(struct report_book *book, const struct entry *e, const struct flow *f, enum report_age age)
{
	for (size_t i = 0; i < e->n_touched; i++) {
		struct report_points *p = &book->members[e->touched[i].member - 1].points;
		int64_t gain = gain_of(e, e->touched[i].member);
		struct flow part = { 0 };
		if (gain > 0)
			*(f->back > 0 ? &part.back : f->issued > 0 ? &part.issued : &part.other) = gain;
		else if (gain < 0)
			*(f->redeemed > 0 ? &part.redeemed : f->expired > 0 ? &part.expired : &part.clawed) = -gain;
		take_flow(book, p, &part, age);
	}
}

enum status
report_take_cohort(struct report_book *book, const struct entry *e, int32_t day)
{
	struct flow f = flow_of(e);
	struct report_member *m;
	enum status st = ST_OK;

	if (report_in_period(book, day)) {
		book->issued += f.issued - f.clawed;
		book->redeemed += f.redeemed - f.back;
		book->expired += f.expired;
	}
	if (e->member == 0 || e->op == OP_MERGE)
		return ST_OK;
	for (size_t i = 0; i < e->n_touched && st == ST_OK; i++)
		st = report_member_of(book, e->touched[i].member, &m);
	if (st == ST_OK && e->op == OP_TRANSFER)
		st = report_member_of(book, e->u.other.member, &m);
	if (st != ST_OK)
		return st;
	if (e->op == OP_TRANSFER)
		take_transfer(book, e);
	else if (e->n_touched > 1)
		take_each(book, e, &f, age_of(book, day));
	else if (e->n_touched == 1)
		take_flow(book, &book->members[e->member - 1].points, &f, age_of(book, day));
	return ST_OK;
}
