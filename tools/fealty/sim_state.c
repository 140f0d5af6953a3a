/*
 * Members' numbers are dense from 1, so an array finds them.  A record is copied before it changes while a step may have to be taken
 * back.
 */
#include "sim_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"

#define MEMBERS_MIN 1024

static struct sim_program *
program_row(const struct sim_state *state, uint32_t program)
{
	return program >= 1 && program <= state->n_programs ? &state->programs[program - 1] : NULL;
}

struct member *
sim_state_member(const struct sim_state *state, uint32_t program, uint64_t number)
{
	const struct sim_program *p = program_row(state, program);

	return p != NULL && number >= 1 && number <= p->n_members ? p->members[number - 1] : NULL;
}

const struct program *
sim_state_program(const struct sim_state *state, uint32_t program)
{
	const struct sim_program *p = program_row(state, program);

	return p == NULL || p->n_versions == 0 ? NULL : p->versions[p->n_versions - 1].program;
}

/* ---- reading ---- */

static enum status
on_member(void *ctx, uint32_t program, uint64_t number, const struct member **ret)
{
	*ret = sim_state_member(ctx, program, number);
	return ST_OK;
}

static const struct program *
on_program_version(void *ctx, uint32_t program, uint32_t version)
{
	const struct sim_program *p = program_row(ctx, program);

	return p != NULL && version >= 1 && version <= p->n_versions ? p->versions[version - 1].program : NULL;
}

static const struct program *
on_program_at(void *ctx, uint32_t program, int64_t at_us)
{
	const struct sim_program *p = program_row(ctx, program);

	for (uint32_t v = p == NULL ? 0 : p->n_versions; v > 0; v--) {
		if (p->versions[v - 1].program->in_force_us <= at_us)
			return p->versions[v - 1].program;
	}
	return NULL;
}

static uint32_t
on_program_number(void *ctx, const char *id)
{
	const struct sim_state *state = ctx;

	for (uint32_t i = 0; i < state->n_programs; i++) {
		if (strcmp(state->programs[i].versions[0].program->id, id) == 0)
			return i + 1;
	}
	return 0;
}

static uint32_t
on_program_count(void *ctx)
{
	return ((struct sim_state *)ctx)->n_programs;
}

static struct sim_key
hold_key(struct entry_id id)
{
	struct sim_key key = { 0 };

	sim_key_number(&key, id.seq);
	sim_key_number(&key, id.index);
	return key;
}

/* NULL for nothing, and on failure. */
static void *
copy_of(struct arena *arena, const void *data, size_t bytes)
{
	void *copy = bytes == 0 ? NULL : arena_alloc(arena, bytes);

	if (copy != NULL)
		memcpy(copy, data, bytes);
	return copy;
}

static enum status
on_closed_hold(void *ctx, struct entry_id id, struct closed_hold *ret)
{
	struct sim_key key = hold_key(id);
	const struct closed_hold *hold = sim_table_get(&((struct sim_state *)ctx)->closed_holds, sim_key_bytes(&key));

	if (hold == NULL)
		return ST_NOTFOUND;
	*ret = *hold;
	return ST_OK;
}

static enum status
on_followup(void *ctx, struct entry_id id, const struct followup **ret)
{
	struct sim_key key = hold_key(id);

	*ret = sim_table_get(&((struct sim_state *)ctx)->followups, sim_key_bytes(&key));
	return *ret == NULL ? ST_NOTFOUND : ST_OK;
}

/* What was there before stays as it was, for whoever takes a step back. */
static enum status
on_put_followup(void *ctx, const struct followup *f)
{
	struct sim_state *state = ctx;
	struct sim_key key = hold_key(f->entry);
	struct followup *copy = copy_of(state->arena, f, sizeof(*f));

	if (copy == NULL)
		return ST_NOMEM;
	copy->lines = copy_of(state->arena, f->lines, f->n_lines * sizeof(*f->lines));
	copy->activations = copy_of(state->arena, f->activations, f->n_activations * sizeof(*f->activations));
	copy->owed = copy_of(state->arena, f->owed, f->n_owed * sizeof(*f->owed));
	copy->stepped = copy_of(state->arena, f->stepped, f->n_stepped * sizeof(*f->stepped));
	if ((f->n_lines > 0 && copy->lines == NULL) || (f->n_activations > 0 && copy->activations == NULL) ||
	    (f->n_owed > 0 && copy->owed == NULL) || (f->n_stepped > 0 && copy->stepped == NULL))
		return ST_NOMEM;
	return sim_table_put(&state->followups, sim_key_bytes(&key), copy);
}

static struct sim_key
approver_key(const char *principal)
{
	struct sim_key key = { 0 };

	sim_key_text(&key, principal);
	return key;
}

static enum status
on_approver(void *ctx, const char *principal, struct approver *ret)
{
	struct sim_key key = approver_key(principal);
	const struct approver *approver = sim_table_get(&((struct sim_state *)ctx)->approvers, sim_key_bytes(&key));

	if (approver != NULL)
		*ret = *approver;
	return approver == NULL ? ST_NOTFOUND : ST_OK;
}

static enum status
on_waiting(void *ctx, struct entry_id id, struct waiting_adjust *ret)
{
	struct sim_key key = hold_key(id);
	const struct waiting_adjust *waiting = sim_table_get(&((struct sim_state *)ctx)->waiting, sim_key_bytes(&key));

	if (waiting != NULL)
		*ret = *waiting;
	return waiting == NULL ? ST_NOTFOUND : ST_OK;
}

static enum status
on_put_approver(void *ctx, const char *principal, const struct approver *approver)
{
	struct sim_state *state = ctx;
	struct sim_key key = approver_key(principal);
	void *copy = copy_of(state->arena, approver, sizeof(*approver));

	return copy == NULL ? ST_NOMEM : sim_table_put(&state->approvers, sim_key_bytes(&key), copy);
}

static enum status
on_put_waiting(void *ctx, struct entry_id id, const struct waiting_adjust *waiting)
{
	struct sim_state *state = ctx;
	struct sim_key key = hold_key(id);
	void *copy = copy_of(state->arena, waiting, sizeof(*waiting));

	return copy == NULL ? ST_NOMEM : sim_table_put(&state->waiting, sim_key_bytes(&key), copy);
}

static enum status
on_totals(void *ctx, uint32_t program, const struct totals **ret)
{
	const struct sim_program *p = program_row(ctx, program);

	*ret = p == NULL ? NULL : &p->totals;
	return ST_OK;
}

/* ---- changing ---- */

static enum status
add_member(struct sim_state *state, struct sim_program *p, uint32_t program, uint64_t number, struct member **ret)
{
	assert(p != NULL && number == p->n_members + 1);		/* evolve gives numbers in order */
	if (p->n_members == p->cap_members) {
		uint64_t cap = p->cap_members == 0 ? MEMBERS_MIN : p->cap_members * 2;
		struct member **grown = realloc(p->members, cap * sizeof(struct member *));
		if (grown == NULL)
			return ST_NOMEM;
		p->members = grown;
		p->cap_members = cap;
	}
	struct member *m = arena_alloc(state->arena, sizeof(*m));
	enum status st = m == NULL ? ST_NOMEM : sim_undo_save(state->undo, &p->n_members, sizeof(p->n_members), NULL);
	if (st != ST_OK)
		return st;
	m->program = program;
	m->number = number;
	p->members[p->n_members++] = m;
	*ret = m;
	return ST_OK;
}

static enum status
on_member_edit(void *ctx, uint32_t program, uint64_t number, bool create, struct member **ret)
{
	struct sim_state *state = ctx;
	struct member *m = sim_state_member(state, program, number);

	*ret = m;
	if (m == NULL)
		return create ? add_member(state, program_row(state, program), program, number, ret) : ST_OK;
	if (!state->undo->on)
		return ST_OK;
	struct member *copy = arena_alloc(state->arena, sizeof(*copy));
	enum status st = copy == NULL ? ST_NOMEM : member_copy(m, state->arena, copy);
	return st == ST_OK ? sim_undo_save(state->undo, m, sizeof(*m), copy) : st;
}

static enum status
on_close_hold(void *ctx, struct entry_id id, const struct closed_hold *hold)
{
	struct sim_state *state = ctx;
	struct sim_key key = hold_key(id);
	void *copy = arena_memdup(state->arena, hold, sizeof(*hold));

	return copy == NULL ? ST_NOMEM : sim_table_put(&state->closed_holds, sim_key_bytes(&key), copy);
}

static enum status
on_totals_edit(void *ctx, uint32_t program, struct totals **ret)
{
	struct sim_state *state = ctx;
	struct sim_program *p = program_row(state, program);

	assert(p != NULL);				/* publish() comes first */
	*ret = &p->totals;
	return sim_undo_save(state->undo, &p->totals, sizeof(p->totals), NULL);
}

static enum status
add_program(struct sim_state *state)
{
	if (state->n_programs == state->cap_programs) {
		uint32_t cap = state->cap_programs == 0 ? 4 : state->cap_programs * 2;
		struct sim_program *grown = realloc(state->programs, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		state->programs = grown;
		state->cap_programs = cap;
	}
	state->programs[state->n_programs++] = (struct sim_program){ 0 };
	return ST_OK;
}

static enum status
add_version(struct sim_program *p, struct sim_version version)
{
	if (p->n_versions == p->cap_versions) {
		uint32_t cap = p->cap_versions == 0 ? 4 : p->cap_versions * 2;
		struct sim_version *grown = realloc(p->versions, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		p->versions = grown;
		p->cap_versions = cap;
	}
	p->versions[p->n_versions++] = version;
	return ST_OK;
}

/* Never inside a step that may be taken back: a batch takes no publish, and a look ahead has none. */
static enum status
on_publish(void *ctx, uint32_t program, uint32_t version, struct bytes definition, struct bytes zone_data, int64_t at_us)
{
	struct sim_state *state = ctx;
	struct program_error error;
	struct sim_version v = { 0 };
	char *copy = arena_memdup(state->arena, definition.data, definition.len);

	assert(!state->undo->on);
	if (copy == NULL)
		return ST_NOMEM;
	v.definition = bytes_of(copy, definition.len);
	enum status st = program_from_bytes(v.definition, zone_data, state->arena, &v.program, &error);
	if (st == ST_OK && program == state->n_programs + 1)
		st = add_program(state);
	if (st != ST_OK)
		return st;
	struct sim_program *p = program_row(state, program);
	if (p == NULL || version != p->n_versions + 1)
		return ST_INVALID;
	v.program->number = program;
	v.program->version = version;
	v.program->in_force_us = at_us;
	return add_version(p, v);
}

void
sim_state_init(struct sim_state *state, struct arena *arena, struct sim_undo *undo)
{
	*state = (struct sim_state){ .arena = arena, .undo = undo };
	sim_table_init(&state->closed_holds, arena, undo);
	sim_table_init(&state->followups, arena, undo);
	sim_table_init(&state->approvers, arena, undo);
	sim_table_init(&state->waiting, arena, undo);
	state->ledger = (struct ledger_state){
		.ctx = state,
		.arena = arena,
		.member = on_member,
		.program_at = on_program_at,
		.program_version = on_program_version,
		.program_number = on_program_number,
		.program_count = on_program_count,
		.closed_hold = on_closed_hold,
		.followup = on_followup,
		.put_followup = on_put_followup,
		.approver = on_approver,
		.waiting = on_waiting,
		.put_approver = on_put_approver,
		.put_waiting = on_put_waiting,
		.totals = on_totals,
		.member_edit = on_member_edit,
		.close_hold = on_close_hold,
		.totals_edit = on_totals_edit,
		.publish = on_publish,
	};
}

void
sim_state_release(struct sim_state *state)
{
	for (uint32_t i = 0; i < state->n_programs; i++) {
		free(state->programs[i].versions);
		free(state->programs[i].members);
	}
	free(state->programs);
	sim_table_release(&state->closed_holds);
	sim_table_release(&state->followups);
	sim_table_release(&state->approvers);
	sim_table_release(&state->waiting);
}
