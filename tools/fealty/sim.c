/*
 * What an entry brings about is seen by evolve() alone, as in the daemon; here the rest follows it: the queue of what falls due, request
 * ids, the transaction. Everything of an event that is not kept lives in scratch, so that a simulation of any length takes the memory of
 * its state and its log.
 */
#include "sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

#define MEMORY_BYTES_MAX (SIZE_MAX / 4)
#define SCRATCH_BYTES_MAX ((size_t)1 << 30)
#define ROWS_SMALL 64			/* of an entry that is not worth measuring */

void
sim_init(struct sim *sim, struct sim_file *files, size_t n_files)
{
	*sim = (struct sim){ .files = files, .n_files = n_files, .seq = 1 };
	arena_init(&sim->memory, MEMORY_BYTES_MAX);
	arena_init(&sim->scratch, SCRATCH_BYTES_MAX);
	sim->undo = (struct sim_undo){ .arena = &sim->memory };
	sim_state_init(&sim->state, &sim->memory, &sim->undo);
	sim_book_init(&sim->book, &sim->memory, &sim->undo);
	sim_due_init(&sim->due, &sim->state, &sim->book);
}

void
sim_release(struct sim *sim)
{
	sim_due_release(&sim->due);
	sim_book_release(&sim->book);
	sim_state_release(&sim->state);
	arena_release(&sim->scratch);
	arena_release(&sim->memory);
}

void
sim_refuse(struct refusal *refusal, enum ledger_result result, const char *field, const char *format, ...)
{
	va_list values;

	refusal->result = result;
	refusal->field = field;
	va_start(values, format);
	(void)vsnprintf(refusal->sentence, sizeof(refusal->sentence), format, values);
	va_end(values);
}

uint64_t
sim_seq(const struct sim *sim)
{
	return sim->is_open ? sim->open.seq : sim->seq - 1;
}

/* ---- transactions ---- */

static enum status
add_entry(struct sim *sim, const struct entry *entry, struct entry_id *ret_id, struct entry **ret_entry)
{
	if (!sim->is_open) {
		sim->open = (struct transaction){ .origin = SIM_ORIGIN, .seq = sim->seq, .committed_at_us = sim->now_us };
		sim->cap_open = 0;
		sim->is_open = true;
	}
	struct entry *grown = arena_grow(&sim->scratch, sim->open.entries, &sim->cap_open, sim->open.n_entries + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	sim->open.program = entry->program;
	sim->open.entries = grown;
	*ret_id = (struct entry_id){ sim->open.seq, (uint32_t)sim->open.n_entries };
	*ret_entry = &grown[sim->open.n_entries++];
	**ret_entry = *entry;
	(*ret_entry)->has_at = true;
	(*ret_entry)->at_us = sim->now_us;
	return ST_OK;
}

static enum status
close_transaction(struct sim *sim)
{
	if (!sim->is_open)
		return ST_OK;
	sim->is_open = false;
	sim->seq++;
	return sim_book_put_transaction(&sim->book, &sim->open, &sim->scratch);
}

enum status
sim_event_end(struct sim *sim)
{
	enum status st = close_transaction(sim);

	arena_reset(&sim->scratch);
	sim->n_refused = 0;
	return st;
}

static enum status
touch(struct sim *sim, const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_touched; i++) {
		const struct member *m = sim_state_member(&sim->state, entry->program, entry->touched[i].member);
		enum status st = m == NULL ? ST_OK : sim_due_member(&sim->due, m);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* A version makes things due for members that it does not touch. */
static enum status
look_at_all(struct sim *sim, uint32_t program)
{
	const struct sim_program *p = &sim->state.programs[program - 1];
	enum status st = ST_OK;

	for (uint64_t i = 0; i < p->n_members && st == ST_OK; i++) {
		if (p->members[i] == NULL)
			continue;
		member_look(&sim->state.ledger, p->members[i]);
		st = sim_due_member(&sim->due, p->members[i]);
	}
	return st;
}

enum status
sim_apply(struct sim *sim, const struct entry *decided, struct entry_id *ret_id, struct entry **ret_entry)
{
	enum evolve_fault fault;

	enum status st = add_entry(sim, decided, ret_id, ret_entry);
	if (st == ST_OK)
		st = evolve(&sim->state.ledger, *ret_entry, *ret_id, sim->now_us, EVOLVE_LIVE, &fault);
	if (st == ST_OK && fault != EVOLVE_OK) {
		(void)snprintf(sim->trouble, sizeof(sim->trouble), "the entry decided for `%s` cannot be applied: %s; this is a bug of the engine",
		    op_str(decided->op), evolve_fault_str(fault));
		st = ST_CORRUPT;
	}
	if (st == ST_OK)
		st = touch(sim, *ret_entry);
	if (st == ST_OK && decided->op == OP_PUBLISH)
		st = look_at_all(sim, decided->program);
	if (st == ST_OK)
		st = sim_book_put_entry(&sim->book, *ret_entry, *ret_id, &sim->terminal_note);
	if (st == ST_OK && sim->on_entry != NULL)
		sim->on_entry(sim->on_entry_ctx, *ret_entry, *ret_id);
	return st;
}

static size_t
entry_rows(const struct entry *e)
{
	size_t rows = e->n_postings + e->n_vouchers + e->n_pendings + e->n_followups + e->n_stamps + e->n_sides + e->n_told;

	for (size_t i = 0; i < e->n_followups; i++)
		rows += e->followups[i].n_lines;
	for (size_t i = 0; i < e->n_sides; i++)
		rows += e->sides[i].n_vouchers;
	return rows + (e->op == OP_PURCHASE ? e->u.purchase.n_lines : 0) + (e->op == OP_RETURN ? e->u.past.n_lines : 0);
}

/* Nearly all are far from it, which is seen without measuring. */
enum status
sim_entry_fits(struct sim *sim, const struct entry *e, bool *ret_fits)
{
	struct buf written;
	size_t bytes;

	*ret_fits = true;
	if (!sim->exclusive && entry_rows(e) < ROWS_SMALL)
		return ST_OK;
	buf_init(&written);
	enum status st = codec_entry_bytes(e, &written, &bytes);
	buf_release(&written);
	if (st != ST_OK)
		return st;
	bytes += e->n_touched * CODEC_AFTER_MARGIN;
	if (sim->exclusive && (!sim->is_open || sim->open.program == e->program))
		bytes += sim->open_bytes;
	*ret_fits = bytes + CODEC_TRANSACTION_OVERHEAD <= LEDGER_LEAF_BYTES_MAX;
	sim->open_bytes = bytes;
	return ST_OK;
}

/* ---- what falls due ---- */

/* ST_OK as well when there was nothing to write after all. */
enum status
sim_run_due(struct sim *sim, uint32_t program, uint64_t member, const struct due *due)
{
	struct entry decided, *entry;
	struct entry_id id;
	bool fits = true;

	enum status st = decide_due(&sim->state.ledger, program, member, due, &sim->scratch, &decided);
	if (st == ST_OK)
		st = sim_entry_fits(sim, &decided, &fits);
	if (st == ST_OK && fits)
		return sim_apply(sim, &decided, &id, &entry);
	if (!fits && sim->exclusive)
		return ST_TOO_LARGE;
	if (!fits) {
		(void)snprintf(sim->trouble, sizeof(sim->trouble), "what is due of member %llu, `%s`, fits no transaction; this is a bug of the engine",
		    (unsigned long long)member, op_str(decided.op));
		return ST_CORRUPT;
	}
	if (st != ST_NOTFOUND)
		return st;
	if (due->kind == DUE_BIRTHDAY)
		return ST_OK;
	(void)snprintf(sim->trouble, sizeof(sim->trouble),
	    "due_next() says that something of member %llu is due, and decide_due() that nothing is; this is a bug of the engine",
	    (unsigned long long)member);
	return ST_CORRUPT;
}

enum status
sim_roll(struct sim *sim, uint32_t program, uint64_t member, int64_t until_us)
{
	const struct member *m = sim_state_member(&sim->state, program, member);
	const struct program *rules = sim_state_program(&sim->state, program);
	enum status st = ST_OK;
	struct due due;

	if (m == NULL || m->due_at_us > until_us)
		return ST_OK;
	while (st == ST_OK && due_next(m, rules, until_us, &due))
		st = sim_run_due(sim, program, member, &due);
	return st;
}

/* One member at one instant: hold time-outs, or the night with the birthday in its place. */
static enum status
run_row(struct sim *sim, const struct sim_due_row *row)
{
	const struct member *m = sim_state_member(&sim->state, row->program, row->member);
	const struct program *rules = sim_state_program(&sim->state, row->program);
	bool asked = row->class == SIM_DUE_HOLDS;		/* the birthday has its place in the night */
	enum status st = ST_OK;
	struct due due;

	while (st == ST_OK) {
		bool any = due_next(m, rules, row->at_us, &due);
		if (any && row->class == SIM_DUE_HOLDS && due.kind != DUE_HOLD_TIMEOUT)
			break;
		int32_t birthday = DAY_NONE;
		if (!asked && (!any || due.kind > DUE_BIRTHDAY)) {
			birthday = sim_due_birthday_of(&sim->due, row->program, row->member, zone_day(&rules->zone, row->at_us));
			asked = true;
		}
		if (birthday != DAY_NONE) {
			due = (struct due){ .kind = DUE_BIRTHDAY, .at_us = row->at_us, .birthday = birthday };
		} else if (!any) {
			break;
		}
		st = sim_run_due(sim, row->program, row->member, &due);
		if (st == ST_OK)
			st = sim_event_end(sim);
	}
	return st == ST_OK ? sim_due_member(&sim->due, m) : st;
}

/* ---- programs and the clock ---- */

struct sim_file *
sim_next_version(struct sim *sim, const char *id)
{
	for (size_t i = 0; i < sim->n_files; i++) {
		if (!sim->files[i].published && strcmp(sim->files[i].program->id, id) == 0)
			return &sim->files[i];
	}
	return NULL;
}

void
sim_publish_cmd(struct cmd *cmd, const struct sim_file *file)
{
	cmd->op = OP_PUBLISH;
	cmd->u.publish.id = file->program->id;
	cmd->u.publish.definition = file->definition;
	cmd->u.publish.zone_data = file->zone_data;
	cmd->u.publish.compiled = file->program;
}

static enum status
publish_first(struct sim *sim, struct sim_file *file)
{
	struct cmd cmd = { .principal = "simulate" };
	struct refusal refusal;
	struct entry decided, *entry;
	struct entry_id id;

	sim_publish_cmd(&cmd, file);
	enum status st = decide(&sim->state.ledger, &cmd, sim->now_us, &sim->scratch, &decided, &refusal);
	if (st == ST_OK && refusal.result != LEDGER_OK) {
		(void)snprintf(sim->trouble, sizeof(sim->trouble), "%s cannot be published: %s", file->path, refusal.sentence);
		return ST_INVALID;
	}
	if (st == ST_OK)
		st = sim_apply(sim, &decided, &id, &entry);
	file->published = true;
	return st == ST_OK ? sim_event_end(sim) : st;
}

/* The first version of each program is in force from the start. */
static enum status
start(struct sim *sim)
{
	enum status st = ST_OK;

	sim->started = true;
	for (size_t i = 0; i < sim->n_files && st == ST_OK; i++) {
		if (sim->state.ledger.program_number(&sim->state, sim->files[i].program->id) == 0)
			st = publish_first(sim, &sim->files[i]);
	}
	return st;
}

enum status
sim_clock(struct sim *sim, int64_t at_us)
{
	struct sim_due_row row;
	int64_t before_us = sim->now_us;
	enum status st = ST_OK;

	if (sim->started && at_us == sim->now_us)
		return ST_OK;
	assert(!sim->started || at_us > sim->now_us);
	sim->now_us = at_us;
	if (!sim->started)
		return start(sim);
	while (st == ST_OK) {
		st = sim_due_next(&sim->due, before_us, at_us, &row);
		if (st == ST_OK)
			st = run_row(sim, &row);
	}
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* ---- answers ---- */

struct voucher_coder
sim_voucher_coder(uint32_t program)
{
	return (struct voucher_coder){ .key = sim_key, .origin = SIM_ORIGIN, .program = program };
}

enum status
sim_answer(struct sim *sim, const struct sim_answer *a, struct buf *out)
{
	struct reply reply = { .replayed = a->replayed, .has_id = a->has_id, .id = a->id, .entry = a->entry, .then = a->then,
	    .terminal = a->terminal,
	    .n_vouchers = a->n_vouchers, .vouchers = a->vouchers };
	struct balance balance;

	if (out == NULL)
		return ST_OK;
	if (a->refusal != NULL)
		reply.refusal = *a->refusal;
	if (a->program != NULL) {
		reply.rules = a->program;
		reply.scale = a->program->scale;
		reply.currency_digits = a->program->currency_digits;
	}
	reply.seq = sim_seq(sim);
	reply.as_of_us = a->as_of_us;
	if (a->member != NULL && a->program != NULL) {
		int32_t today = zone_day(&a->program->zone, a->as_of_us);
		enum status st = balance_of(a->member, a->program, today, &sim->scratch, &balance);
		if (st == ST_OK && !a->replayed && reply.refusal.result == LEDGER_OK)
			st = notices_of(a->member, a->program, a->has_id ? a->entry : NULL, today, &sim->scratch, &balance);
		if (st != ST_OK)
			return st;
		reply.balance = &balance;
		reply.pool = a->pool;
		reply.has_member = true;
		reply.member_no = a->member->number;
	}
	enum status st = ST_OK;
	if (a->has_id && a->entry != NULL && a->entry->n_vouchers > 0) {
		struct voucher_coder coder = sim_voucher_coder(a->entry->program);
		st = voucher_codes(&coder, a->entry, a->id, &sim->scratch, &reply);
	}
	return st == ST_OK ? codec_reply_encode(&reply, &sim->scratch, out) : st;
}

enum status
sim_refusal(struct sim *sim, const struct refusal *refusal, struct buf *out)
{
	struct sim_answer answer = { .refusal = refusal };

	return sim_answer(sim, &answer, out);
}

enum status
sim_answer_entry(struct sim *sim, const struct entry *entry, struct entry_id id, struct buf *out)
{
	struct sim_answer answer = {
		.has_id = true, .id = id, .entry = entry, .as_of_us = entry->has_due_at ? entry->due_at_us : sim->now_us,
		.program = sim_state_program(&sim->state, entry->program),
		.member = sim_state_member(&sim->state, entry->program, entry->member),
	};

	return sim_answer(sim, &answer, out);
}

/* ---- batches that are all or nothing ---- */

void
sim_mark(struct sim *sim)
{
	assert(!sim->is_open);
	sim->exclusive = true;
	sim->open_bytes = 0;
	sim_undo_begin(&sim->undo);
}

void
sim_keep(struct sim *sim)
{
	sim->exclusive = false;
	sim_undo_keep(&sim->undo);
}

enum status
sim_back(struct sim *sim)
{
	enum status st = ST_OK;

	sim->exclusive = false;
	sim_undo_back(&sim->undo);
	for (size_t i = 0; sim->is_open && i < sim->open.n_entries && st == ST_OK; i++)
		st = touch(sim, &sim->open.entries[i]);
	sim->is_open = false;
	return st;
}
