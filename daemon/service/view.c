/* One member, alone, in memory: what is due is applied to the copy only, so a query shows what the scheduler has not come to yet. */
#include <assert.h>
#include <string.h>

#include "service/internal.h"

static enum status
view_member(void *ctx, uint32_t program, uint64_t number, const struct member **ret)
{
	struct view *v = ctx;

	*ret = v->m.program == program && v->m.number == number ? &v->m : NULL;
	return ST_OK;
}

static enum status
view_member_edit(void *ctx, uint32_t program, uint64_t number, bool create, struct member **ret)
{
	struct view *v = ctx;

	assert(!create);
	*ret = v->m.program == program && v->m.number == number ? &v->m : NULL;
	return ST_OK;
}

static const struct program *
view_program_at(void *ctx, uint32_t program, int64_t at_us)
{
	return programs_at(((struct view *)ctx)->programs, program, at_us);
}

static const struct program *
view_program_version(void *ctx, uint32_t program, uint32_t version)
{
	return programs_version(((struct view *)ctx)->programs, program, version);
}

static uint32_t
view_program_number(void *ctx, const char *id)
{
	return programs_number(((struct view *)ctx)->programs, id);
}

static uint32_t
view_program_count(void *ctx)
{
	return programs_count(((struct view *)ctx)->programs);
}

static enum status
view_closed_hold(void *ctx, struct entry_id id, struct closed_hold *ret)
{
	(void)ctx; (void)id; (void)ret;
	return ST_NOTFOUND;
}

static enum status
view_close_hold(void *ctx, struct entry_id id, const struct closed_hold *hold)
{
	(void)ctx; (void)id; (void)hold;
	return ST_OK;
}

static enum status
view_followup(void *ctx, struct entry_id id, const struct followup **ret)
{
	(void)ctx; (void)id; (void)ret;
	return ST_NOTFOUND;
}

static enum status
view_put_followup(void *ctx, const struct followup *followup)
{
	(void)ctx; (void)followup;
	return ST_OK;
}

static enum status
view_totals(void *ctx, uint32_t program, const struct totals **ret)
{
	(void)program;
	*ret = &((struct view *)ctx)->totals;
	return ST_OK;
}

static enum status
view_totals_edit(void *ctx, uint32_t program, struct totals **ret)
{
	(void)program;
	*ret = &((struct view *)ctx)->totals;
	return ST_OK;
}

static enum status
view_publish(void *ctx, uint32_t program, uint32_t version, struct bytes definition, struct bytes zone_data, int64_t at_us)
{
	(void)ctx; (void)program; (void)version; (void)definition; (void)zone_data; (void)at_us;
	return ST_INVALID;
}

void
view_init(struct view *v, struct programs *programs, struct arena *arena)
{
	memset(v, 0, sizeof(*v));
	v->programs = programs;
	v->arena = arena;
	v->state = (struct ledger_state){
		.ctx = v,
		.arena = arena,
		.member = view_member,
		.program_at = view_program_at,
		.program_version = view_program_version,
		.program_number = view_program_number,
		.program_count = view_program_count,
		.closed_hold = view_closed_hold,
		.followup = view_followup,
		.put_followup = view_put_followup,
		.totals = view_totals,
		.member_edit = view_member_edit,
		.close_hold = view_close_hold,
		.totals_edit = view_totals_edit,
		.publish = view_publish,
	};
}

enum status
view_read(struct view *v, struct store_txn *state, uint32_t program, uint64_t number)
{
	enum status st = apply_read_member(state, program, number, v->arena, &v->m);

	if (st == ST_OK)
		member_look(&v->state, &v->m);
	return st;
}

enum status
view_take(struct view *v, struct bytes record, uint32_t program, uint64_t number)
{
	enum status st = apply_take_member(record, program, number, v->arena, &v->m);

	if (st == ST_OK)
		member_look(&v->state, &v->m);
	return st;
}

enum status
view_roll(struct view *v, int64_t until_us)
{
	return roll_ahead(&v->state, &v->m, NULL, 0, 0, until_us, v->arena);
}

bool
view_has_birthdays(const struct ledger_state *state, uint32_t program)
{
	const struct program *p;

	for (uint32_t version = 1; (p = state->program_version(state->ctx, program, version)) != NULL; version++) {
		if (p->has_birthday)
			return true;
	}
	return false;
}

enum status
view_roll_ahead(struct view *v, const struct birthday_date *dates, size_t n_dates, int32_t from, int64_t until_us)
{
	return roll_ahead(&v->state, &v->m, dates, n_dates, from, until_us, v->arena);
}
