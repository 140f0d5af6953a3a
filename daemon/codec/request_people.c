/* The operations on who is a member: opening, consent, erase, and how it stands.  See request_op.c. */
#include "codec/request_op.h"

#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "codec/words.h"

static void
invalid(struct judge *j, const char *field, const char *why)
{
	judge_refuse(j, LEDGER_INVALID_ARGUMENT, field, why);
}

static void
judge_code(struct judge *j, const char *field, const char *text)
{
	if (text == NULL)
		invalid(j, field, "is missing");
	else if (!words_code(text))
		invalid(j, field, "is not a code: 1 to 32 of a-z 0-9 _");
}

/* "lots[2].points" */
static const char *
place(struct judge *j, const char *list, size_t i, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s[%zu].%s", list, i, name);
	const char *copy = arena_strdup(j->arena, path);
	if (copy == NULL)
		j->status = ST_NOMEM;
	return copy == NULL ? list : copy;
}

static bool
day_named(int32_t day)
{
	int year = date_of_day(day).year;

	return year >= 1 && year <= 9999;
}

static void
take_lot(struct judge *j, const Fealty__V1__OpeningLot *in, size_t i, struct opening_lot *ret)
{
	if (in->points == NULL)
		invalid(j, place(j, "lots", i, "points"), "is missing");
	else if (!decimal_parse(in->points, &ret->points))
		invalid(j, place(j, "lots", i, "points"), "is not a decimal number of at most 18 digits");
	else if (ret->points.mantissa < 0)
		invalid(j, place(j, "lots", i, "points"), "is below zero");
	else if (ret->points.mantissa == 0)
		judge_refuse(j, LEDGER_POINTS_NOT_POSITIVE, place(j, "lots", i, "points"), "is zero");
	ret->last_day = in->has_last_day ? in->last_day : DAY_NEVER;
	if (in->has_last_day && !day_named(in->last_day))
		invalid(j, place(j, "lots", i, "last_day"), "is not in the years 1 to 9999");
}

static void
take_counter(struct judge *j, const Fealty__V1__Opening *o, size_t i, struct opening_counter *ret)
{
	const Fealty__V1__CounterRow *in = o->counters[i];

	if (in->id == NULL || !words_id(in->id))
		invalid(j, place(j, "counters", i, "id"), "is not 1 to 32 of a-z 0-9 _ -");
	for (size_t k = 0; k < i && in->id != NULL; ++k)
		if (o->counters[k]->id != NULL && strcmp(o->counters[k]->id, in->id) == 0)
			invalid(j, place(j, "counters", i, "id"), "is named twice");
	if (in->has_count && in->count > INT64_MAX)
		invalid(j, place(j, "counters", i, "count"), "is too large");
	*ret = (struct opening_counter){ .id = in->id == NULL ? "" : in->id, .count = (int64_t)in->count };
}

static void
take_rows(struct judge *j, const Fealty__V1__Opening *o)
{
	struct cmd *cmd = &j->ret->cmd;
	struct opening_lot *lots = arena_alloc(j->arena, (o->n_lots + 1) * sizeof(*lots));
	struct opening_counter *counters = arena_alloc(j->arena, (o->n_counters + 1) * sizeof(*counters));

	if (lots == NULL || counters == NULL) {
		j->status = ST_NOMEM;
		return;
	}
	for (size_t i = 0; i < o->n_lots; ++i)
		take_lot(j, o->lots[i], i, &lots[i]);
	for (size_t i = 0; i < o->n_counters; ++i)
		take_counter(j, o, i, &counters[i]);
	cmd->u.opening.lots = lots;
	cmd->u.opening.n_lots = o->n_lots;
	cmd->u.opening.counters = counters;
	cmd->u.opening.n_counters = o->n_counters;
}

void
judge_opening(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Opening *o = in->opening;
	struct cmd *cmd = &j->ret->cmd;

	judge_enrolled(j, o->member, o->aliases, o->n_aliases);
	if (o->n_lots > LEDGER_OPENING_LOTS_MAX)
		invalid(j, "lots", "has more than 500 elements; give lots that end together as one");
	else if (o->n_counters > LEDGER_COUNTERS_MAX)
		invalid(j, "counters", "has more than 8 elements, which is all that a program has");
	else
		take_rows(j, o);
	if (o->tier != NULL && !words_id(o->tier))
		invalid(j, "tier", "is not 1 to 32 of a-z 0-9 _ -");
	cmd->u.opening.tier = o->tier;
	cmd->u.opening.tier_until = o->has_tier_until ? o->tier_until : DAY_NEVER;
	if (o->has_tier_until && o->tier == NULL)
		invalid(j, "tier_until", "goes with a tier");
	else if (o->has_tier_until && !day_named(o->tier_until))
		invalid(j, "tier_until", "is not in the years 1 to 9999");
}

void
judge_consent(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Consent *c = in->consent;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, c->member);
	judge_code(j, "purpose", c->purpose);
	if (!c->has_given)
		invalid(j, "given", "is missing");
	cmd->u.consent.purpose = c->purpose;
	cmd->u.consent.given = c->has_given && c->given;
}

void
judge_erase(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->erase->member);
}

static void
judge_standing(struct judge *j, const char *member, const char *reason, bool required)
{
	judge_alias(j, member);
	if (reason != NULL || required)
		judge_code(j, "reason", reason);
	j->ret->cmd.u.standing.reason = reason;
}

void
judge_freeze(struct judge *j, const Fealty__V1__Request *in)
{
	judge_standing(j, in->freeze->member, in->freeze->reason, true);
}

void
judge_unfreeze(struct judge *j, const Fealty__V1__Request *in)
{
	judge_standing(j, in->unfreeze->member, in->unfreeze->reason, false);
}

void
judge_close(struct judge *j, const Fealty__V1__Request *in)
{
	judge_standing(j, in->close->member, in->close->reason, true);
}
