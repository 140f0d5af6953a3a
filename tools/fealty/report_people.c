/*
 * What members do: for KPIs by the day of the entry, for segments and churn by the business date of what they bought.
 *
 * Days of purchases are a row each, since a return takes from the day of its purchase, and a merge puts two lives together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define NPS_PROMOTER 9
#define NPS_PASSIVE 7
#define NPS_MAX 10

/* ---- days of purchases ---- */

static size_t
day_at(const struct report_member *m, int32_t day)
{
	size_t i = m->n_days;

	while (i > 0 && m->days[i - 1].day >= day)
		i--;
	return i;
}

static bool
add_day(struct report_member *m, int32_t day, int64_t visits, int64_t spend)
{
	size_t i = day_at(m, day);

	if (i == m->n_days || m->days[i].day != day) {
		if (m->n_days == m->cap_days) {
			size_t cap = m->cap_days == 0 ? 4 : 2 * m->cap_days;
			struct report_day *grown = realloc(m->days, cap * sizeof(*grown));
			if (grown == NULL)
				return false;
			m->days = grown;
			m->cap_days = cap;
		}
		memmove(&m->days[i + 1], &m->days[i], (m->n_days - i) * sizeof(*m->days));
		m->days[i] = (struct report_day){ .day = day };
		m->n_days++;
	}
	m->days[i].visits += (int32_t)visits;
	m->days[i].spend += spend;
	if (m->days[i].visits == 0 && m->days[i].spend == 0) {
		memmove(&m->days[i], &m->days[i + 1], (m->n_days - i - 1) * sizeof(*m->days));
		m->n_days--;
	}
	return true;
}

static enum status
take_days(const struct report_book *book, const struct entry *e, struct report_member *m)
{
	const struct metric_day *metrics = &e->metrics;

	if (e->op == OP_PURCHASE && e->has_metrics && report_in_period(book, metrics->day) &&
	    !add_day(m, metrics->day, metrics->visits, metrics->spend))
		return ST_NOMEM;
	for (size_t i = 0; e->op == OP_RETURN && i < e->n_falls; i++) {
		const struct metric_day *fall = &e->falls[i];
		if (report_in_period(book, fall->day) && (fall->visits != 0 || fall->spend != 0) && !add_day(m, fall->day, fall->visits, fall->spend))
			return ST_NOMEM;
	}
	return ST_OK;
}

/* ---- who there is ---- */

static enum status
merge_one(struct report_book *book, uint64_t member, const struct entry *e, int32_t day)
{
	struct report_member *from, *into;

	enum status st = report_member_of(book, member, &from);
	if (st != ST_OK)
		return st;
	into = &book->members[e->member - 1];
	for (size_t i = 0; i < from->n_days; i++)
		if (!add_day(into, from->days[i].day, from->days[i].visits, from->days[i].spend))
			return ST_NOMEM;
	from->n_days = 0;
	into->purchases += from->purchases;
	into->active = into->active || from->active;
	from->purchases = 0;
	from->active = false;
	from->gone = true;
	from->gone_day = day;
	into->referred = into->referred || from->referred;
	into->converted = into->converted || from->converted;
	from->referred = false;
	report_member_merge(into, from);
	return ST_OK;
}

/* A merge, or whoever was provisional and goes into the member that the entry is about. */
static enum status
take_merges(struct report_book *book, const struct entry *e, int32_t day)
{
	enum status st = e->op == OP_MERGE ? merge_one(book, e->u.other.member, e, day) : ST_OK;

	for (size_t i = 0; i < e->n_merged && st == ST_OK; i++)
		st = merge_one(book, e->merged[i], e, day);
	return st;
}

static void
take_standing(struct report_book *book, const struct entry *e, struct report_member *m, int32_t day)
{
	if ((e->op == OP_ENROL || e->op == OP_OPENING) && !m->enrolled) {
		m->enrolled = true;
		m->enrolled_day = day;
		book->enrolled += report_in_period(book, day);
	}
	if (e->op == OP_ENROL && e->u.enrol.referrer != 0 && report_in_period(book, day))
		m->referred = true;
	if (e->op == OP_CLOSE || e->op == OP_ERASE) {
		m->gone = true;
		m->gone_day = day;
	}
}

/* Whether the friend's purchase was rewarded, and is still. */
static void
take_referral(const struct entry *e, struct report_member *m)
{
	if (e->op == OP_PURCHASE && e->has_referral)
		m->converted = true;
	for (size_t i = 0; e->op == OP_RETURN && i < e->n_followups; i++)
		if (e->followups[i].referee_clawed > 0 || e->followups[i].referrer_clawed > 0)
			m->converted = false;
}

static uint8_t
tier_index(const struct report_book *book, const char *id, uint8_t guess)
{
	const struct program *p = book->rules;

	if (guess < p->n_tiers && strcmp(p->tiers[guess].id, id) == 0)
		return guess;
	for (size_t i = 0; i < p->n_tiers; i++)
		if (strcmp(p->tiers[i].id, id) == 0)
			return (uint8_t)i;
	return TIER_UNKNOWN;
}

/* The tier that counts, of each member that the entry touches. */
static enum status
take_tiers(struct report_book *book, const struct entry *e, int32_t day)
{
	if (book->params.until != DAY_NONE && day > book->params.until)
		return ST_OK;
	for (size_t i = 0; i < e->n_touched; i++) {
		struct report_member *m;
		enum status st = report_member_of(book, e->touched[i].member, &m);
		if (st != ST_OK)
			return st;
		uint8_t tier = e->touched[i].tier == NULL ? TIER_UNKNOWN : tier_index(book, e->touched[i].tier, m->tier);
		if (tier != m->tier && tier != TIER_UNKNOWN && m->tier != TIER_UNKNOWN && !m->gone && report_in_period(book, day))
			book->moves[m->tier][tier]++;
		m->tier = tier == TIER_UNKNOWN ? m->tier : tier;
	}
	return ST_OK;
}

/* ---- what they did in the period ---- */

/* Things that a member does, and not others to it. */
static bool
is_doing(const struct entry *e)
{
	switch (e->op) {
	case OP_PURCHASE: case OP_ACTIVITY: case OP_REDEEM: case OP_HOLD: case OP_CAPTURE: case OP_TRANSFER: case OP_ADVANCE: case OP_BIRTHDAY:
	case OP_VOUCHER_USE: case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW:
		return !e->has_due_at;
	default:
		return false;
	}
}

static struct report_scores *
scores_of(struct report_book *book, const char *activity)
{
	for (size_t i = 0; i < book->n_activities; i++)
		if (strcmp(book->scores[i].activity, activity) == 0)
			return &book->scores[i];
	if (book->n_activities == REPORT_ACTIVITIES_MAX)
		return NULL;
	struct report_scores *s = &book->scores[book->n_activities++];
	(void)snprintf(s->activity, sizeof(s->activity), "%s", activity);
	return s;
}

static void
take_score(struct report_book *book, const struct entry *e)
{
	struct report_scores *s = NULL;

	if (e->u.activity.has_score && e->u.activity.score <= NPS_MAX && e->u.activity.activity != NULL)
		s = scores_of(book, e->u.activity.activity);
	if (s == NULL)
		return;
	if (e->u.activity.score >= NPS_PROMOTER)
		s->promoters++;
	else if (e->u.activity.score >= NPS_PASSIVE)
		s->passives++;
	else
		s->detractors++;
}

static void
take_return(struct report_book *book, const struct entry *e, struct report_member *m)
{
	struct report_purchase *p = report_purchase_of(book, e->u.past.entry);
	int64_t spend = 0, visits = 0;

	for (size_t i = 0; i < e->n_falls; i++) {
		spend += e->falls[i].spend;
		visits += e->falls[i].visits;
	}
	book->returned -= spend;
	if (p != NULL && p->counted && visits < 0) {		/* wholly returned: it was none */
		p->counted = false;
		book->purchases_made--;
		m->purchases -= m->purchases > 0;
	}
}

static void
take_kpi(struct report_book *book, const struct entry *e, struct entry_id id, struct report_member *m)
{
	m->active = m->active || is_doing(e);
	if (e->op == OP_PURCHASE) {
		struct report_purchase *p = report_purchase_of(book, id);
		if (p != NULL)
			p->counted = true;
		m->purchases++;
		book->purchases_made++;
		book->spend += e->u.purchase.amount;
	} else if (e->op == OP_RETURN) {
		take_return(book, e, m);
	} else if (e->op == OP_ACTIVITY) {
		take_score(book, e);
	}
}

enum status
report_take_people(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day)
{
	enum report_kind kind = book->params.kind;
	struct report_member *m;

	if (e->member == 0 || (kind != REPORT_KPI && kind != REPORT_RFM && kind != REPORT_CHURN))
		return ST_OK;
	enum status st = report_member_of(book, e->member, &m);
	if (st != ST_OK)
		return st;
	take_standing(book, e, m, day);
	take_referral(e, m);
	st = take_merges(book, e, day);
	if (st == ST_OK && kind != REPORT_KPI)
		return take_days(book, e, &book->members[e->member - 1]);
	if (st == ST_OK)
		st = take_tiers(book, e, day);
	if (st == ST_OK && report_in_period(book, day))
		take_kpi(book, e, id, &book->members[e->member - 1]);
	return st;
}
