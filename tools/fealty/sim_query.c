/* Reads.  A balance of a later day is seen by applying what falls due to the member, answering, and taking it back. */
#include <string.h>

#include "sim.h"

struct query {
	struct sim *sim;
	struct sim_call *call;
	struct request *request;
	uint32_t program;
	const struct program *rules;
	const struct member *member;
	struct buf *out;
};

static enum status
refuse(struct query *q)
{
	return sim_refusal(q->sim, &q->call->refusal, q->out);
}

/* ---- balance and quote ---- */

static enum status
answer_balance(struct query *q, struct sim_answer answer)
{
	struct pool_sums sums;
	enum status st = q->request->pool ? pool_sums_of(&q->sim->state.ledger, q->member, &sums) : ST_OK;

	if (q->request->pool)
		answer.pool = &sums;
	return st == ST_OK ? sim_answer(q->sim, &answer, q->out) : st;
}

/* The member, and when its pool is asked for the others. */
static enum status
look_ahead(struct query *q, int64_t as_of_us)
{
	const struct member *members[LEDGER_POOL_MAX] = { q->member };
	size_t n = 1;
	enum status st = q->request->pool ? pool_of(&q->sim->state.ledger, q->member, members, &n) : ST_OK;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		const struct sim_profile *profile = sim_book_profile(&q->sim->book, q->program, members[i]->number);

		st = roll_ahead(&q->sim->state.ledger, members[i], profile == NULL ? NULL : profile->dates, profile == NULL ? 0 : profile->n_dates,
		    zone_day(&q->rules->zone, q->sim->now_us) + 1, as_of_us, &q->sim->scratch);
	}
	return st;
}

static enum status
run_balance(struct query *q)
{
	int64_t as_of_us = q->request->has_as_of ? q->request->as_of_us : q->sim->now_us;
	struct sim_answer answer = { .program = q->rules, .member = q->member, .as_of_us = as_of_us };

	if (as_of_us < q->sim->now_us) {
		sim_refuse(&q->call->refusal, LEDGER_INVALID_ARGUMENT, "as_of",
		    "A balance can be seen as of now or later, not of the past; use history for that.");
		return refuse(q);
	}
	if (q->request->pool && q->rules->pool_max == 0) {
		sim_refuse(&q->call->refusal, LEDGER_NOT_OFFERED, "pool", "this program has no pools");
		answer.refusal = &q->call->refusal;
		return sim_answer(q->sim, &answer, q->out);
	}
	if (as_of_us == q->sim->now_us)
		return answer_balance(q, answer);
	sim_undo_begin(&q->sim->undo);
	enum status st = look_ahead(q, as_of_us);
	if (st == ST_OK)
		st = answer_balance(q, answer);
	sim_undo_back(&q->sim->undo);
	return st;
}

static enum status
run_quote(struct query *q)
{
	struct cmd *cmd = &q->request->cmd;
	struct refusal *refusal = &q->call->refusal;
	struct entry entry;

	cmd->program = q->program;
	cmd->member = q->member->number;		/* 0: of somebody unknown */
	cmd->principal = q->call->principal;
	const struct sim_profile *profile = sim_book_profile(&q->sim->book, q->program, q->member->number);
	if (profile != NULL) {
		cmd->n_segments = profile->n_segments;
		cmd->segments = profile->segments;
	}
	enum status st = decide(&q->sim->state.ledger, cmd, q->sim->now_us, &q->sim->scratch, &entry, refusal);
	if (st != ST_OK)
		return st;
	struct sim_answer answer = { .refusal = refusal, .program = q->rules, .as_of_us = q->sim->now_us };
	if (refusal->result == LEDGER_OK || refusal->result >= LEDGER_CLOCK_SKEW)
		answer.member = q->member;
	if (refusal->result == LEDGER_OK)
		answer.entry = &entry;
	return sim_answer(q->sim, &answer, q->out);
}

static enum status
run_vouchers(struct query *q)
{
	struct sim_answer answer = { .program = q->rules, .member = q->member, .as_of_us = q->sim->now_us };
	struct voucher_coder coder = sim_voucher_coder(q->program);
	struct reply rows = { 0 };
	enum status st = voucher_rows(&coder, q->rules, q->member, q->request->voucher_state, &q->sim->scratch, &rows);

	answer.n_vouchers = rows.n_vouchers;
	answer.vouchers = rows.vouchers;
	return st == ST_OK ? sim_answer(q->sim, &answer, q->out) : st;
}

/* ---- history ---- */

static int64_t
available_change(const struct entry *e, uint64_t member)
{
	int64_t sum = 0;

	for (size_t i = 0; i < e->n_postings; i++) {
		if (e->postings[i].account == ACCOUNT_MEMBER && e->postings[i].member == member)
			sum += e->postings[i].points;
	}
	return sum;
}

static bool
still_waits(const struct sim_state *state, struct entry_id id)
{
	struct waiting_adjust waiting;

	return state->ledger.waiting(state->ledger.ctx, id, &waiting) == ST_OK && !waiting.approved;
}

static struct history_row
row_of(const struct query *q, const struct entry *e, struct entry_id id, const struct touched *touched)
{
	return (struct history_row){
		.id = id,
		.at_us = e->at_us,
		.business_date = e->business_date,
		.op = e->op,
		.principal = e->principal,
		.key = e->request_id,
		.store = e->store,
		.tier = touched->tier,
		.points = available_change(e, touched->member),
		.available = touched->available,
		.pending = touched->pending,
		.held = touched->held,
		.debt = touched->debt,
		.has_amount = e->op == OP_PURCHASE && e->member == touched->member,
		.amount = e->op == OP_PURCHASE ? e->u.purchase.amount : 0,
		.has_wanted = e->waiting,
		.wanted = e->waiting ? e->u.adjust.points : 0,
		.waiting = e->waiting && still_waits(&q->sim->state, id),
	};
}

static const struct touched *
find_touched(const struct entry *e, uint64_t member)
{
	for (size_t i = 0; i < e->n_touched; i++) {
		if (e->touched[i].member == member)
			return &e->touched[i];
	}
	return NULL;
}

/* Back along the entries, until there are enough rows and the transaction of the last one is complete. */
static enum status
run_history(struct query *q)
{
	const struct request *r = q->request;
	struct reply reply = {
		.scale = q->rules->scale, .currency_digits = q->rules->currency_digits, .seq = sim_seq(q->sim), .as_of_us = q->sim->now_us,
	};
	struct entry_id id = q->member->head;
	struct history_row *rows = NULL;
	size_t cap = 0;

	reply.has_next_before = q->member->has_head;
	/* cppcheck-suppress nullPointer ; a limit is at least 1: there are rows when it is reached */
	while (reply.has_next_before && (reply.n_history < r->limit || rows[reply.n_history - 1].id.seq == id.seq)) {
		struct transaction t;
		struct entry *e;
		enum status st = sim_book_entry(&q->sim->book, id, &q->sim->scratch, &t, &e);
		const struct touched *touched = st == ST_OK ? find_touched(e, q->member->number) : NULL;
		if (touched == NULL)
			return st == ST_OK ? ST_CORRUPT : st;
		if (!r->has_before || id.seq < r->before_seq) {
			rows = arena_grow(&q->sim->scratch, rows, &cap, reply.n_history + 1, sizeof(*rows));
			if (rows == NULL)
				return ST_NOMEM;
			rows[reply.n_history++] = row_of(q, e, id, touched);
		}
		reply.has_next_before = touched->has_prev;
		id = touched->prev;
	}
	reply.history = rows;
	reply.next_before = reply.n_history == 0 ? 0 : rows[reply.n_history - 1].id.seq;
	reply.has_member = true;
	reply.member_no = q->member->number;
	return q->out == NULL ? ST_OK : codec_reply_encode(&reply, &q->sim->scratch, q->out);
}

/* ---- reads that are not about a member ---- */

static enum status
run_transaction(struct query *q)
{
	const struct request *r = q->request;
	struct reply reply = { .seq = sim_seq(q->sim) };
	struct entry_id id = { .seq = r->seq };
	struct buf leaf;

	if (!r->has_seq) {
		const struct sim_request *command = sim_book_request(&q->sim->book, q->call->principal, r->reference);
		if (command != NULL)
			id = command->id;
		else if (!entry_id_parse(r->reference, &id))
			id.seq = UINT64_MAX;
	}
	struct signed_transaction s = { .transaction = sim_book_transaction(&q->sim->book, id.seq) };
	if (s.transaction.len == 0) {
		sim_refuse(&q->call->refusal, LEDGER_NOT_FOUND, r->has_seq ? "seq" : "command", "There is no such transaction in the ledger.");
		return refuse(q);
	}
	if (q->out == NULL)
		return ST_OK;
	buf_init(&leaf);
	codec_signed_encode(&s, &leaf);
	enum status st = buf_status(&leaf);
	reply.transaction = buf_bytes(&leaf);
	if (st == ST_OK)
		st = codec_reply_encode(&reply, &q->sim->scratch, q->out);
	buf_release(&leaf);
	return st;
}

static enum status
run_program(struct query *q)
{
	const struct sim_program *p = q->program == 0 ? NULL : &q->sim->state.programs[q->program - 1];
	struct reply reply = { .seq = sim_seq(q->sim) };

	reply.version = p == NULL ? 0 : q->request->version != 0 ? q->request->version : p->n_versions;
	if (reply.version == 0 || reply.version > p->n_versions) {
		sim_refuse(&q->call->refusal, LEDGER_NOT_FOUND, p == NULL ? "program" : "version",
		    "There is no such program, or no such version of it, in this ledger.");
		return refuse(q);
	}
	reply.program = p->versions[reply.version - 1].definition;
	return q->out == NULL ? ST_OK : codec_reply_encode(&reply, &q->sim->scratch, q->out);
}

static enum status
run_about_member(struct query *q)
{
	struct refusal *refusal = &q->call->refusal;
	struct member newcomer;

	if (q->program == 0) {
		sim_refuse(refusal, LEDGER_NOT_FOUND, "program", "There is no such program in this ledger; publish one first, or look at its id.");
		return refuse(q);
	}
	q->rules = sim_state_program(&q->sim->state, q->program);
	q->member = sim_state_member(&q->sim->state, q->program, sim_member_of(q->sim, q->program, q->request->member));
	if (q->member == NULL && q->request->op == REQUEST_QUOTE && !q->rules->unknown_refuse) {
		member_newcomer(q->rules, 0, zone_day(&q->rules->zone, q->sim->now_us), &newcomer);
		/* cppcheck-suppress autoVariables ; this function answers before it returns */
		q->member = &newcomer;
	}
	if (q->member == NULL) {
		sim_refuse(refusal, LEDGER_NOT_FOUND, "member", "No member of the program has this alias; enrol it first.");
		return refuse(q);
	}
	if (q->request->op == REQUEST_BALANCE)
		return run_balance(q);
	if (q->request->op == REQUEST_VOUCHERS)
		return run_vouchers(q);
	return q->request->op == REQUEST_QUOTE ? run_quote(q) : run_history(q);
}

enum status
sim_query(struct sim *sim, struct sim_call *call, struct buf *out)
{
	struct query q = { .sim = sim, .call = call, .request = call->request, .out = out };

	if (call->request->op == REQUEST_TRANSACTION)
		return run_transaction(&q);
	q.program = sim_find_program(sim, call->request, &call->refusal);
	if (call->refusal.result != LEDGER_OK)
		return refuse(&q);
	return call->request->op == REQUEST_PROGRAM ? run_program(&q) : run_about_member(&q);
}
