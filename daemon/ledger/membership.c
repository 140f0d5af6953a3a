/*
 * Memberships.  A row of the record is one membership that the member has, or had: what is paid, and until when its benefits hold.  An
 * entry that changes a row carries it whole, so a replay needs no program.
 *
 * Periods begin on anchor + k terms, clamped; `next` is the first day that is not paid.  `ends` is fixed when the fee is paid, so a version
 * that changes the grace days changes no period that is running.  Nothing happens when a period begins unpaid: from then on the row says
 * grace, until it is renewed or ends.
 *
 * What was begun or paid offline counts from the day on which it was; whether a membership runs is judged now, as for every event, and one
 * that is over already when it becomes known is made and ended at once.
 *
 * Rows stand by their ids.  A version keeps every membership and its term, so a row is always one of the program's.
 */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

#define RENEW_DAYS_BEFORE 30
#define MEMBERSHIP_CANCELLED 1
#define MEMBERSHIP_ENDED 2
#define MEMBERSHIP_TRIAL 4
#define MEMBERSHIP_PAID 8
#define MEMBERSHIP_USED 16
#define MEMBERSHIP_FLAGS 31

/* ---- rows ---- */

const struct membership *
member_membership(const struct member *m, const char *id)
{
	for (size_t i = 0; i < m->n_memberships; i++) {
		if (strcmp(m->memberships[i].id, id) == 0)
			return &m->memberships[i];
	}
	return NULL;
}

enum membership_state
membership_state(const struct membership *s, int32_t today)
{
	if (s->ended || today >= s->ends)
		return MEMBERSHIP_IS_ENDED;
	if (s->anchor == DAY_NONE || today < s->anchor)
		return MEMBERSHIP_IS_TRIAL;
	return today < s->next ? MEMBERSHIP_IS_ACTIVE : MEMBERSHIP_IS_GRACE;
}

int32_t
membership_until(const struct membership *s, int32_t today)
{
	enum membership_state state = membership_state(s, today);

	return (state == MEMBERSHIP_IS_TRIAL || state == MEMBERSHIP_IS_ACTIVE ? s->next : s->ends) - 1;
}

bool
member_holds_membership(const struct member *m, const char *id, int32_t today)
{
	const struct membership *s = member_membership(m, id);

	return s != NULL && membership_state(s, today) != MEMBERSHIP_IS_ENDED;
}

bool
membership_ok(const struct membership *s)
{
	bool days = day_ok(s->next) && day_ok(s->ends) && (s->trial == DAY_NONE || day_ok(s->trial)) && (s->used == DAY_NONE || day_ok(s->used));

	return memchr(s->id, 0, sizeof(s->id)) != NULL && s->id[0] != 0 && days && (s->anchor == DAY_NONE || day_ok(s->anchor)) &&
	    (s->anchor == DAY_NONE) == (s->periods == 0) && (s->trial != DAY_NONE || s->anchor != DAY_NONE);
}

bool
memberships_check(const struct member *m)
{
	for (size_t i = 0; i < m->n_memberships; i++) {
		if (!membership_ok(&m->memberships[i]) || (i > 0 && strcmp(m->memberships[i - 1].id, m->memberships[i].id) >= 0))
			return false;
	}
	return m->n_memberships <= LEDGER_MEMBERSHIPS_MAX;
}

enum status
memberships_put(struct member *m, struct arena *arena, const struct membership *row)
{
	size_t at = 0;

	while (at < m->n_memberships && strcmp(m->memberships[at].id, row->id) < 0)
		at++;
	if (at < m->n_memberships && strcmp(m->memberships[at].id, row->id) == 0) {
		m->memberships[at] = *row;
		return ST_OK;
	}
	struct membership *grown = arena_grow(arena, m->memberships, &m->cap_memberships, m->n_memberships + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	memmove(grown + at + 1, grown + at, (m->n_memberships - at) * sizeof(*grown));
	grown[at] = *row;
	m->memberships = grown;
	m->n_memberships++;
	return ST_OK;
}

/* Of two rows of one membership the running one stays, of two the one that runs longer; a trial was had if either had one. */
enum status
memberships_merge(const struct member *from, struct member *into, struct arena *arena)
{
	for (size_t i = 0; i < from->n_memberships; i++) {
		const struct membership *its = &from->memberships[i], *mine = member_membership(into, its->id);
		bool takes = mine == NULL || (its->ended != mine->ended ? mine->ended : its->ends > mine->ends);
		struct membership row = takes ? *its : *mine;

		if (mine != NULL)
			row.trial = its->trial > mine->trial ? its->trial : mine->trial;
		enum status st = memberships_put(into, arena, &row);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* ---- as bytes ---- */

void
memberships_encode(const struct member *m, struct buf *out)
{
	buf_put_varint(out, m->n_memberships);
	for (size_t i = 0; i < m->n_memberships; i++) {
		const struct membership *s = &m->memberships[i];

		buf_put_string(out, s->id);
		buf_put_u8(out, (uint8_t)((s->cancelled ? MEMBERSHIP_CANCELLED : 0) | (s->ended ? MEMBERSHIP_ENDED : 0) |
		    (s->trial != DAY_NONE ? MEMBERSHIP_TRIAL : 0) | (s->anchor != DAY_NONE ? MEMBERSHIP_PAID : 0) |
		    (s->used != DAY_NONE ? MEMBERSHIP_USED : 0)));
		if (s->trial != DAY_NONE)
			buf_put_svarint(out, s->trial);
		if (s->anchor != DAY_NONE) {
			buf_put_svarint(out, s->anchor);
			buf_put_varint(out, s->periods);
		}
		buf_put_svarint(out, s->next);
		buf_put_svarint(out, s->ends);
		if (s->used != DAY_NONE)
			buf_put_svarint(out, s->used);
	}
}

static int32_t
day_decode(struct cursor *c)
{
	int64_t day = cursor_svarint(c);

	return day >= DAY_MIN && day <= DAY_MAX ? (int32_t)day : DAY_NONE;
}

bool
membership_decode(struct cursor *c, struct membership *ret)
{
	struct bytes id = cursor_string(c);
	uint8_t flags = cursor_u8(c);

	if (id.len == 0 || id.len > LEDGER_ID_MAX || memchr(id.data, 0, id.len) != NULL || flags > MEMBERSHIP_FLAGS)
		return false;
	*ret = (struct membership){ .cancelled = (flags & MEMBERSHIP_CANCELLED) != 0, .ended = (flags & MEMBERSHIP_ENDED) != 0, .trial = DAY_NONE,
	    .anchor = DAY_NONE, .used = DAY_NONE };
	memcpy(ret->id, id.data, id.len);
	if ((flags & MEMBERSHIP_TRIAL) != 0)
		ret->trial = day_decode(c);
	if ((flags & MEMBERSHIP_PAID) != 0) {
		uint64_t periods;

		ret->anchor = day_decode(c);
		periods = cursor_varint(c);
		if (periods > UINT32_MAX)
			return false;
		ret->periods = (uint32_t)periods;
	}
	ret->next = day_decode(c);
	ret->ends = day_decode(c);
	if ((flags & MEMBERSHIP_USED) != 0)
		ret->used = day_decode(c);
	return true;
}

/* ---- what entries do with them ---- */

static enum status
decision_membership(struct decision *d, const struct membership *row)
{
	struct membership *rows = arena_alloc(d->arena, (d->entry->n_memberships + 1) * sizeof(*rows));

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < d->entry->n_memberships; i++)
		rows[i] = d->entry->memberships[i];
	rows[d->entry->n_memberships++] = *row;
	d->entry->memberships = rows;
	return ST_OK;
}

/* The first day of the period that holds today: of a trial its own; before the first that is paid that one's. */
static int32_t
period_first_day(const struct membership *s, unsigned months, int32_t today)
{
	uint32_t k = s->periods;

	if (s->anchor == DAY_NONE)
		return s->trial;
	while (k > 0 && day_add_months(s->anchor, (int)(months * k)) > today)
		k--;
	return day_add_months(s->anchor, (int)(months * k));
}

/* Once a period is enough: what is asked is whether there was any. */
enum status
decision_membership_used(struct decision *d, const char *id)
{
	const struct membership *s = member_membership(d->member, id);
	const struct program_membership *of = program_membership(d->program, id);

	if (s == NULL || of == NULL)
		return ST_OK;
	int32_t first = period_first_day(s, of->months, d->today);
	if (first > d->today)
		first = s->trial;		/* the trial goes before what is paid */
	if (s->used != DAY_NONE && s->used >= first)
		return ST_OK;
	for (size_t i = 0; i < d->entry->n_memberships; i++) {
		if (strcmp(d->entry->memberships[i].id, id) == 0)
			return ST_OK;
	}
	struct membership row = *s;
	row.used = d->today;
	return decision_membership(d, &row);
}

/* The program's membership that the command names; NULL: refused. */
static const struct program_membership *
named_membership(struct decision *d)
{
	const char *id = d->cmd->u.membership.membership;
	const struct program_membership *of = program_membership(d->program, id);

	d->entry->u.membership.membership = id;
	d->entry->u.membership.trial = d->cmd->u.membership.trial;
	if (d->program->n_memberships == 0)
		(void)refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no memberships");
	else if (of == NULL)
		(void)refuse(d, LEDGER_NOT_FOUND, "membership", "this program has no such membership");
	return of;
}

/* Benefits last through the grace days after what is paid. */
static enum status
put_paid(struct decision *d, const struct program_membership *of, struct membership *row)
{
	row->next = day_add_months(row->anchor, (int)(of->months * row->periods));
	row->ends = row->next + (int32_t)of->grace_days;
	row->cancelled = row->ended = false;
	if (!day_ok(row->next) || !day_ok(row->ends))
		return refuse(d, LEDGER_NOT_ELIGIBLE, "membership", "the calendar of the ledger ends before the membership would");
	return decision_membership(d, row);
}

static bool
had_trial(const struct member *m)
{
	for (size_t i = 0; i < m->n_memberships; i++) {
		if (m->memberships[i].trial != DAY_NONE)
			return true;
	}
	return false;
}

enum status
decide_membership_start(struct decision *d)
{
	const struct program_membership *of = named_membership(d);
	bool trial = d->cmd->u.membership.trial;
	struct membership row = { .trial = DAY_NONE, .anchor = DAY_NONE, .used = DAY_NONE };

	if (of == NULL)
		return ST_OK;
	if (member_holds_membership(d->member, of->id, d->today))
		return refuse(d, LEDGER_ALREADY_EXISTS, "membership", "the member has this membership already; renew it instead");
	if (trial && of->trial_days == 0)
		return refuse(d, LEDGER_NOT_OFFERED, "trial", "this membership has no trial");
	if (!decision_member_open(d, false))
		return ST_OK;
	if (trial && had_trial(d->member))
		return refuse(d, LEDGER_ALREADY_USED, "trial", "the member has had a trial already");
	const struct membership *before = member_membership(d->member, of->id);
	if (before != NULL)
		row.trial = before->trial;
	tier_id_copy(row.id, of->id);
	if (!trial) {
		row.anchor = d->business_date;
		row.periods = 1;
		return put_paid(d, of, &row);
	}
	row.trial = d->business_date;
	row.next = row.ends = d->business_date + (int32_t)of->trial_days;
	if (!day_ok(row.ends))
		return refuse(d, LEDGER_NOT_ELIGIBLE, "membership", "the calendar of the ledger ends before the membership would");
	return decision_membership(d, &row);
}

/* The row that renew and cancel are about, while it runs; NULL: refused. */
static const struct membership *
running_membership(struct decision *d, const struct program_membership *of)
{
	const struct membership *s = member_membership(d->member, of->id);

	if (s == NULL) {
		(void)refuse(d, LEDGER_NOT_FOUND, "membership", "the member never had this membership; start it first");
		return NULL;
	}
	if (!decision_member_open(d, false))
		return NULL;
	if (membership_state(s, d->today) == MEMBERSHIP_IS_ENDED) {
		(void)refuse(d, LEDGER_MEMBERSHIP_ENDED, "membership", "the membership has ended; start it anew");
		return NULL;
	}
	return s;
}

enum status
decide_membership_renew(struct decision *d)
{
	const struct program_membership *of = named_membership(d);
	const struct membership *s = of == NULL ? NULL : running_membership(d, of);
	char text[DAY_TEXT_BYTES];

	if (s == NULL)
		return ST_OK;
	if (d->business_date < s->next - RENEW_DAYS_BEFORE)
		return refuse(d, LEDGER_NOT_ELIGIBLE, "membership", "the next period is paid from %s on, %d days before it begins",
		    day_format(s->next - RENEW_DAYS_BEFORE, text), RENEW_DAYS_BEFORE);
	struct membership row = *s;
	if (row.anchor == DAY_NONE)
		row.anchor = row.next;
	row.periods++;
	return put_paid(d, of, &row);
}

enum status
decide_membership_cancel(struct decision *d)
{
	const struct program_membership *of = named_membership(d);
	const struct membership *s = of == NULL ? NULL : running_membership(d, of);

	if (s == NULL)
		return ST_OK;
	enum membership_state state = membership_state(s, d->today);
	struct membership row = *s;
	bool unused = s->anchor != DAY_NONE && (s->used == DAY_NONE || s->used < period_first_day(s, of->months, d->today));
	bool refunds = of->refund_if_unused && unused && state != MEMBERSHIP_IS_GRACE;

	d->entry->has_refund = true;
	d->entry->refund = refunds ? of->fee : 0;
	row.cancelled = true;
	row.ended = refunds || state == MEMBERSHIP_IS_GRACE;
	row.ends = row.ended ? d->today + 1 : row.next;		/* through today; without grace */
	return decision_membership(d, &row);
}

enum status
decision_memberships_end(struct decision *d, bool *ret_any)
{
	*ret_any = false;
	for (size_t i = 0; i < d->member->n_memberships; i++) {
		struct membership row = d->member->memberships[i];

		if (row.ended || row.ends > d->today)
			continue;
		row.ended = true;
		*ret_any = true;
		enum status st = decision_membership(d, &row);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}
