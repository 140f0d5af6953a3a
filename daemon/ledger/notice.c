/*
 * Notices: what a program's `notices` announce so many days before it comes.  They are told twice, each time once: in the first reply of
 * the member after the day, and by an entry of `system` at the midnight of the day, which those who follow the ledger see.
 *
 * Of the entries the record has two days: through which they were made (told_day), and the next on which there is something to tell
 * (notice_day), as far as that can be known while nobody touches the member.  What comes into being on its own day, or behind it, is told
 * by nothing but a reply: that midnight is over.
 */
#include <assert.h>

#include "ledger/internal.h"

/* ---- in replies ---- */

struct noticing {
	int32_t from, today;		/* those due after from, through today */
	size_t n;
	struct notice *rows;
};

static void
notice_add(struct noticing *g, enum notice_kind kind, int64_t points, int32_t last_day, const uint32_t *days, size_t n_days)
{
	for (size_t i = 0; i < n_days; i++) {
		struct notice notice = { .kind = kind, .points = points, .last_day = last_day, .due = last_day - (int32_t)days[i] };
		size_t at = g->n;

		if (notice.due <= g->from || notice.due > g->today)
			continue;
		while (at > 0 && g->rows[at - 1].due > notice.due) {
			g->rows[at] = g->rows[at - 1];
			at--;
		}
		g->rows[at] = notice;
		g->n++;
	}
}

/* What the entry itself gave that day, beyond what it took. */
static int64_t
brought(const struct member *m, const struct entry *entry, int32_t last_day)
{
	int64_t points = 0;

	for (size_t i = 0; entry != NULL && i < entry->n_postings; i++) {
		const struct posting *p = &entry->postings[i];
		int32_t day = p->last_day == DAY_CLOCK ? entry->clock.last_day : p->last_day;

		if (p->account == ACCOUNT_MEMBER && p->member == m->number && day == last_day)
			points += p->points;
	}
	return points > 0 ? points : 0;
}

/* What an entry of the system tells: nothing, but for a notice. */
static enum status
notices_told(const struct entry *entry, struct arena *arena, struct balance *ret)
{
	struct notice *rows = arena_alloc(arena, entry->n_told * sizeof(*rows));

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < entry->n_told; i++)
		rows[i] = (struct notice){ entry->told[i].kind, entry->told[i].points, entry->told[i].last_day, entry->business_date,
		    entry->told[i].voucher };
	ret->notices = rows;
	ret->n_notices = entry->n_told;
	return ST_OK;
}

enum status
notices_of(const struct member *m, const struct program *program, const struct entry *entry, int32_t today, struct arena *arena,
    struct balance *ret)
{
	struct noticing g = { .from = entry != NULL ? m->noticed_before : m->noticed, .today = today };

	ret->n_notices = 0;
	if (entry != NULL && entry->has_due_at)
		return notices_told(entry, arena, ret);
	if (!program->has_notices || m->standing == STANDING_CLOSED)
		return ST_OK;
	g.rows = arena_alloc(arena, (ret->n_expiring * program->n_expiring_days + program->n_downgrade_days) * sizeof(*g.rows));
	if (g.rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < ret->n_expiring; i++) {
		int64_t points = ret->expiring[i].points - brought(m, entry, ret->expiring[i].last_day);

		if (points > 0)
			notice_add(&g, NOTICE_EXPIRING, points, ret->expiring[i].last_day, program->expiring_days, program->n_expiring_days);
	}
	if (!tier_is_kept(m, program, today))
		notice_add(&g, NOTICE_DOWNGRADE, ret->points_to_keep, m->tier.until, program->downgrade_days, program->n_downgrade_days);
	ret->notices = g.rows;
	ret->n_notices = g.n;
	return ST_OK;
}

/* ---- as entries ---- */

/* The earliest day behind ${after} that is ${days} before ${last_day}, or ${best} when that comes first; 0: none. */
static int32_t
notice_earlier(int32_t best, int32_t after, int32_t last_day, uint32_t days)
{
	int32_t due = last_day - (int32_t)days;

	return due > after && due >= DAY_MIN && (best == 0 || due < best) ? due : best;
}

static int32_t
expiring_next(const struct member *m, const struct program *p, int32_t after, int32_t best)
{
	int64_t taken = m->clock.on ? percent_of(lots_clock_points(m->lots, m->n_lots), m->clock.percent, p->rounding) : 0;

	for (size_t k = 0; k < p->n_expiring_days; k++) {
		for (size_t i = 0; i < m->n_lots && m->lots[i].last_day < DAY_CLOCK; i++)
			best = notice_earlier(best, after, m->lots[i].last_day, p->expiring_days[k]);
		if (taken > 0)
			best = notice_earlier(best, after, m->clock.last_day, p->expiring_days[k]);
	}
	for (size_t i = 0; i < m->n_vouchers; i++) {
		for (size_t k = 0; k < p->n_expiring_days && m->vouchers[i].state == VOUCHER_ISSUED && m->vouchers[i].last_day != DAY_NEVER; k++)
			best = notice_earlier(best, after, m->vouchers[i].last_day, p->expiring_days[k]);
	}
	return best;
}

/* Whether the tier is kept may change by the days that pass, so it is asked of the day itself. */
static int32_t
downgrade_next(const struct member *m, const struct program *p, int32_t after, int32_t best)
{
	for (size_t k = 0; k < p->n_downgrade_days && m->tier.until != DAY_NEVER; k++) {
		int32_t due = notice_earlier(0, after, m->tier.until, p->downgrade_days[k]);

		if (due != 0 && !tier_is_kept(m, p, due))
			best = notice_earlier(best, after, m->tier.until, p->downgrade_days[k]);
	}
	return best;
}

void
notice_look(struct member *m, const struct program *p, int64_t at_us, bool is_before)
{
	int32_t today = zone_day(&p->zone, at_us);

	m->notice_day = 0;
	if (!p->has_notices)
		return;
	if (is_before && zone_midnight_us(&p->zone, today) == at_us)
		today--;
	if (today > m->told_day)
		m->told_day = today;
	if (m->standing != STANDING_CLOSED)
		m->notice_day = downgrade_next(m, p, m->told_day, expiring_next(m, p, m->told_day, 0));
}

void
notice_look_new(struct member *m, const struct program *p, int32_t today)
{
	if (!p->has_notices || m->standing == STANDING_CLOSED)
		return;
	if (today > m->told_day)
		m->told_day = today;
	int32_t next = downgrade_next(m, p, m->told_day, expiring_next(m, p, m->told_day, 0));
	if (next != 0 && (m->notice_day == 0 || next < m->notice_day))
		m->notice_day = next;
}

static bool
falls_due(int32_t last_day, int32_t today, const uint32_t *days, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (last_day - (int32_t)days[i] == today)
			return true;
	}
	return false;
}

/* Those that can be used, as many as an entry has room for; one that a hold has is like points that it has. */
static enum status
vouchers_told(struct decision *d, struct told *rows, size_t *n)
{
	const struct program *p = d->program;
	size_t max = *n + ENTRY_VOUCHERS_MAX;

	for (size_t i = 0; i < d->member->n_vouchers && *n < max; i++) {
		const struct voucher *v = &d->member->vouchers[i];

		if (v->state != VOUCHER_ISSUED || v->last_day == DAY_NEVER || !falls_due(v->last_day, d->today, p->expiring_days, p->n_expiring_days))
			continue;
		const char *id = arena_strdup(d->arena, v->id);		/* the record moves on */
		if (id == NULL)
			return ST_NOMEM;
		rows[(*n)++] = (struct told){ .kind = NOTICE_VOUCHER, .last_day = v->last_day, .voucher = id, .from = v->from, .n = v->n };
	}
	return ST_OK;
}

enum status
decision_notice(struct decision *d)
{
	const struct program *p = d->program;
	const struct member *m = d->member;
	struct balance b;
	size_t n = 0;
	enum status st = balance_of(m, p, d->today, d->arena, &b);

	if (st != ST_OK)
		return st;
	struct told *rows = arena_alloc(d->arena, (b.n_expiring + 1 + m->n_vouchers) * sizeof(*rows));
	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < b.n_expiring; i++) {
		if (falls_due(b.expiring[i].last_day, d->today, p->expiring_days, p->n_expiring_days))
			rows[n++] = (struct told){ .kind = NOTICE_EXPIRING, .points = b.expiring[i].points, .last_day = b.expiring[i].last_day };
	}
	if (!tier_is_kept(m, p, d->today) && falls_due(m->tier.until, d->today, p->downgrade_days, p->n_downgrade_days))
		rows[n++] = (struct told){ .kind = NOTICE_DOWNGRADE, .points = b.points_to_keep, .last_day = m->tier.until };
	st = vouchers_told(d, rows, &n);
	d->entry->told = rows;
	d->entry->n_told = n;
	return st;
}
