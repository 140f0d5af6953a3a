/**
 * struct ledger_state over the overlay and the state environment.
 *
 * A member is read from disk at most once in a batch.  member() hands out the overlay's own record, so a later member_edit() of the same
 * member
 * changes what member() showed: decide() never runs while evolve() does.
 */
#include "apply/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum status
apply_reader(struct apply *a, struct store_txn **ret_txn)
{
	enum status st = ST_OK;

	if (a->reader == NULL)
		st = store_read(a->store, STORE_STATE, &a->reader);
	else if (a->reader_rests)
		st = store_renew(a->reader);
	if (st != ST_OK)
		return st;
	a->reader_rests = false;
	*ret_txn = a->reader;
	return ST_OK;
}

enum status
apply_row(struct apply *a, enum store_table table, struct bytes key, struct bytes *ret_value)
{
	struct overlay_row *row = overlay_find_row(&a->overlay, table, key);
	struct store_txn *txn;

	if (row != NULL) {
		*ret_value = row->value;
		return row->dropped ? ST_NOTFOUND : ST_OK;
	}
	enum status st = apply_reader(a, &txn);
	return st != ST_OK ? st : store_get(txn, table, key, ret_value);
}

static enum status
load_member(struct apply *a, uint32_t program, uint64_t number, struct overlay_member **ret)
{
	uint8_t key[MEMBER_KEY_BYTES];
	struct store_txn *txn;
	struct bytes record;

	*ret = overlay_find_member(&a->overlay, program, number);
	if (*ret != NULL)
		return ST_OK;
	enum status st = apply_reader(a, &txn);
	if (st != ST_OK)
		return st;
	member_key(program, number, key);
	st = store_get(txn, TABLE_MEMBER, bytes_of(key, sizeof(key)), &record);
	if (st == ST_NOTFOUND)
		return ST_OK;
	return st != ST_OK ? st : overlay_load_member(&a->overlay, program, number, record, ret);
}

enum status
apply_load_members(struct apply *a, uint32_t program, const uint64_t *numbers, size_t n)
{
	struct bytes records[STORE_MANY];
	uint64_t wanted[STORE_MANY];
	size_t n_wanted = 0;
	struct overlay_member *m;
	struct store_txn *txn;

	assert(n <= STORE_MANY);
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] != 0 && overlay_find_member(&a->overlay, program, numbers[i]) == NULL)
			wanted[n_wanted++] = numbers[i];
	}
	if (n_wanted == 0)
		return ST_OK;
	enum status st = apply_reader(a, &txn);
	if (st == ST_OK)
		st = apply_read_records(txn, program, wanted, n_wanted, records);
	for (size_t i = 0; i < n_wanted && st == ST_OK; i++) {
		if (records[i].data == NULL || overlay_find_member(&a->overlay, program, wanted[i]) != NULL)	/* twice among them */
			continue;
		st = overlay_load_member(&a->overlay, program, wanted[i], records[i], &m);
		if (st == ST_CORRUPT)
			st = ST_OK;
	}
	return st;
}

/* The record, or a copy of it that is brought up to the versions since: what is stored follows from its entries alone. */
static enum status
member_shown(struct apply *a, struct overlay_member *m, const struct member **ret)
{
	*ret = &m->m;
	if (member_is_looked(&a->state, &m->m))
		return ST_OK;
	if (m->looked == NULL && (m->looked = arena_alloc(&a->overlay.arena, sizeof(*m->looked))) == NULL)
		return ST_NOMEM;
	*m->looked = m->m;
	member_look(&a->state, m->looked);
	*ret = m->looked;
	return ST_OK;
}

static enum status
state_member(void *ctx, uint32_t program, uint64_t number, const struct member **ret)
{
	struct overlay_member *m;

	enum status st = load_member(ctx, program, number, &m);
	if (st == ST_OK && m != NULL)
		return member_shown(ctx, m, ret);
	*ret = NULL;
	return st;
}

enum status
apply_look(struct apply *a, uint32_t program, uint64_t number, int64_t *ret_at_us)
{
	const struct member *shown;
	struct overlay_member *m;

	*ret_at_us = INSTANT_NEVER;
	(void)apply_state(a);
	enum status st = load_member(a, program, number, &m);
	if (st != ST_OK || m == NULL)
		return st;
	st = member_shown(a, m, &shown);
	if (st == ST_OK && shown->due_at_us < m->m.due_at_us)
		*ret_at_us = shown->due_at_us;
	return st;
}

static enum status
state_member_edit(void *ctx, uint32_t program, uint64_t number, bool create, struct member **ret)
{
	struct apply *a = ctx;
	struct overlay_member *m;

	enum status st = load_member(a, program, number, &m);
	if (st != ST_OK)
		return st;
	if (m == NULL && create) {
		m = overlay_add_member(&a->overlay, program, number);
		if (m == NULL)
			return ST_NOMEM;
	}
	if (m != NULL)
		overlay_mark_dirty(&a->overlay, m);
	*ret = m == NULL ? NULL : &m->m;
	return ST_OK;
}

static void
hold_key(struct entry_id id, uint8_t ret_key[static 12])
{
	put_be64(ret_key, id.seq);
	put_be32(ret_key + 8, id.index);
}

static enum status
state_closed_hold(void *ctx, struct entry_id id, struct closed_hold *ret)
{
	uint8_t key[12];
	struct bytes value;

	hold_key(id, key);
	enum status st = apply_row(ctx, TABLE_HOLD, bytes_of(key, sizeof(key)), &value);
	if (st != ST_OK)
		return st;
	return closed_hold_decode(value, ret);
}

static enum status
state_close_hold(void *ctx, struct entry_id id, const struct closed_hold *hold)
{
	struct apply *a = ctx;
	uint8_t key[12];
	struct buf value;

	hold_key(id, key);
	buf_init(&value);
	closed_hold_encode(hold, &value);
	enum status st = buf_status(&value);
	if (st == ST_OK)
		st = overlay_put_row(&a->overlay, TABLE_HOLD, bytes_of(key, sizeof(key)), buf_bytes(&value));
	buf_release(&value);
	return st;
}

static enum status
state_followup(void *ctx, struct entry_id id, const struct followup **ret)
{
	struct apply *a = ctx;
	uint8_t key[12];
	struct bytes value;

	hold_key(id, key);
	enum status st = apply_row(a, TABLE_FOLLOWUP, bytes_of(key, sizeof(key)), &value);
	if (st != ST_OK)
		return st;
	struct followup *f = arena_alloc(&a->overlay.arena, sizeof(*f));
	if (f == NULL)
		return ST_NOMEM;
	st = followup_decode(value, &a->overlay.arena, f);
	f->entry = id;
	*ret = f;
	return st;
}

static enum status
state_put_followup(void *ctx, const struct followup *f)
{
	struct apply *a = ctx;
	uint8_t key[12];
	struct buf value;

	hold_key(f->entry, key);
	buf_init(&value);
	followup_encode(f, &value);
	enum status st = buf_status(&value);
	if (st == ST_OK)
		st = overlay_put_row(&a->overlay, TABLE_FOLLOWUP, bytes_of(key, sizeof(key)), buf_bytes(&value));
	buf_release(&value);
	return st;
}

static const struct program *
state_program_at(void *ctx, uint32_t program, int64_t at_us)
{
	return programs_writer_at(((struct apply *)ctx)->programs, program, at_us);
}

static const struct program *
state_program_version(void *ctx, uint32_t program, uint32_t version)
{
	return programs_writer_version(((struct apply *)ctx)->programs, program, version);
}

static uint32_t
state_program_number(void *ctx, const char *id)
{
	return programs_writer_number(((struct apply *)ctx)->programs, id);
}

static uint32_t
state_program_count(void *ctx)
{
	return programs_writer_count(((struct apply *)ctx)->programs);
}

static enum status
state_totals(void *ctx, uint32_t program, const struct totals **ret)
{
	static const struct totals none;
	struct apply *a = ctx;

	*ret = program >= 1 && program <= a->n_totals ? &a->totals[program - 1] : &none;
	return ST_OK;
}

static enum status
state_totals_edit(void *ctx, uint32_t program, struct totals **ret)
{
	struct apply *a = ctx;

	if (program == 0 || program > a->n_totals + 1)
		return ST_INVALID;
	if (program > a->cap_totals) {
		size_t cap = a->cap_totals == 0 ? 8 : a->cap_totals * 2;
		struct totals *grown = realloc(a->totals, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		a->totals = grown;
		grown = realloc(a->totals_flushed, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		a->totals_flushed = grown;
		a->cap_totals = cap;
	}
	if (program > a->n_totals) {
		memset(&a->totals[program - 1], 0, sizeof(*a->totals));
		a->n_totals = program;
	}
	*ret = &a->totals[program - 1];
	return ST_OK;
}

static enum status
state_publish(void *ctx, uint32_t program, uint32_t version, struct bytes definition, struct bytes zone_data, int64_t at_us)
{
	struct apply *a = ctx;
	uint8_t key[8];
	struct buf value;

	enum status st = programs_add(a->programs, program, version, definition, zone_data, at_us);
	if (st != ST_OK)
		return st;
	put_be32(key, program);
	put_be32(key + 4, version);
	buf_init(&value);
	buf_put_be64(&value, (uint64_t)at_us);
	buf_put_varint(&value, zone_data.len);
	buf_put(&value, zone_data.data, zone_data.len);
	buf_put(&value, definition.data, definition.len);
	st = buf_status(&value);
	if (st == ST_OK)
		st = overlay_put_row(&a->overlay, TABLE_VERSION, bytes_of(key, sizeof(key)), buf_bytes(&value));
	buf_release(&value);
	return st;
}

void
state_init(struct apply *a)
{
	a->state = (struct ledger_state){
		.ctx = a,
		.arena = &a->overlay.arena,
		.keys = &a->keys,
		.member = state_member,
		.program_at = state_program_at,
		.program_version = state_program_version,
		.program_number = state_program_number,
		.program_count = state_program_count,
		.closed_hold = state_closed_hold,
		.followup = state_followup,
		.put_followup = state_put_followup,
		.approver = state_approver,
		.waiting = state_waiting,
		.put_approver = state_put_approver,
		.put_waiting = state_put_waiting,
		.totals = state_totals,
		.member_edit = state_member_edit,
		.close_hold = state_close_hold,
		.totals_edit = state_totals_edit,
		.publish = state_publish,
	};
}

const struct ledger_state *
apply_state(struct apply *a)
{
	return &a->state;
}
