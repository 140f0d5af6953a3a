/*
 * What a new version makes due for members that nobody touches.  No entry says it: a record is what its newest entry left, and the copy that
 * decisions go by follows from it and from the versions alone.  So live, replay and audit see the same, and a publish writes to no member.
 */
#include "ledger/internal.h"

void
anniversary_look(struct member *m, int32_t today)
{
	int years = date_of_day(today).year - date_of_day(m->enrolled_day).year;
	int32_t next = day_add_months(m->enrolled_day, 12 * (years < 1 ? 1 : years));

	if (next <= today)
		next = day_add_months(m->enrolled_day, 12 * (years + 1));
	m->has_anniversary = day_ok(next);
	m->anniversary = m->has_anniversary ? next : 0;
}

static void
look_by(struct member *m, const struct program *p)
{
	int32_t today = zone_day(&p->zone, p->in_force_us);

	if (p->has_anniversary && !m->has_anniversary && !m->provisional)
		anniversary_look(m, today);
	if (!m->has_look)
		tier_look(m, p, p->in_force_us, false);
	if (!m->has_auto)
		auto_look(m, p, p->in_force_us, NULL);
	notice_look_new(m, p, today);
	m->due_at_us = due_at_us(m, p);
}

/* A record that was just begun goes by the first. */
static uint32_t
version_looked(const struct member *m)
{
	return m->looked == 0 ? 1 : m->looked;
}

bool
member_is_looked(const struct ledger_state *state, const struct member *m)
{
	const struct program *newest = state->program_at(state->ctx, m->program, INT64_MAX);

	return newest == NULL || newest->version <= version_looked(m) || m->standing == STANDING_CLOSED;
}

void
member_look(const struct ledger_state *state, struct member *m)
{
	const struct program *p;

	while (!member_is_looked(state, m)) {
		uint32_t next = version_looked(m) + 1;

		p = state->program_version(state->ctx, m->program, next);
		if (p == NULL || m->due_at_us < p->in_force_us)
			return;
		look_by(m, p);
		m->looked = next;
	}
}
