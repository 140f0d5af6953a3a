/**
 * Reads: answered on the connection's own thread from short read transactions.
 *
 * State is renewed before ledger and vault, so what state names is always in them.  A statement walks a member's entries backwards through
 * the log by
 * their back-pointers; no index by member exists.
 */
#include <assert.h>
#include <string.h>

#include "apply/vouchers.h"
#include "service/query.h"

#define HISTORY_DEFAULT 20

static enum status
renew(struct store *store, enum store_env env, struct store_txn **txn)
{
	return *txn == NULL ? store_read(store, env, txn) : store_renew(*txn);
}

enum status
loop_renew(struct loop_context *loop)
{
	struct store *store = loop->service->store;

	loop->birthdays_us = atomic_load(&loop->service->birthdays_us);
	enum status st = renew(store, STORE_STATE, &loop->state);
	if (st == ST_OK)
		st = renew(store, STORE_VAULT, &loop->vault);
	if (st == ST_OK)
		st = renew(store, STORE_LEDGER, &loop->ledger);
	return st;
}

void
loop_rest(struct loop_context *loop)
{
	struct store_txn *txns[] = { loop->state, loop->vault, loop->ledger };

	for (size_t i = 0; i < sizeof(txns) / sizeof(*txns); i++) {
		if (txns[i] != NULL)
			store_rest(txns[i]);
	}
}

enum status
read_leaf(struct store_txn *ledger, uint64_t seq, struct bytes *ret_leaf)
{
	uint8_t key[8];

	put_be64(key, seq);
	return store_get(ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), ret_leaf);
}

enum status
leaf_is_good(struct store_txn *state, uint64_t seq, struct bytes leaf)
{
	uint8_t hash[SHA256_BYTES], stored[SHA256_BYTES];
	uint64_t size;

	enum status st = apply_read_tile(state, 0, seq, stored);
	if (st == ST_CORRUPT) {
		enum status read = apply_read_size(state, &size);
		return read != ST_OK ? read : seq >= size ? ST_OK : ST_CORRUPT;
	}
	if (st != ST_OK)
		return st;
	merkle_leaf_hash(leaf, hash);
	return memcmp(hash, stored, sizeof(hash)) == 0 ? ST_OK : ST_CORRUPT;
}

enum status
read_good_leaf(struct store_txn *ledger, struct store_txn *state, uint64_t seq, struct bytes *ret_leaf)
{
	enum status st = read_leaf(ledger, seq, ret_leaf);

	return st == ST_OK ? leaf_is_good(state, seq, *ret_leaf) : st;
}

enum status
read_entry(struct store_txn *ledger, struct store_txn *state, struct entry_id id, struct arena *arena, struct transaction *ret_t, struct entry **ret_entry)
{
	struct signed_transaction s;
	struct bytes leaf;

	enum status st = read_leaf(ledger, id.seq, &leaf);
	if (st == ST_OK && state != NULL)
		st = leaf_is_good(state, id.seq, leaf);
	if (st == ST_OK)
		st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode_one(s.transaction, id.index, arena, ret_t);
	if (st == ST_OK)
		*ret_entry = &ret_t->entries[0];
	return st;
}

/* ---- one read ---- */

static uint32_t
program_of(struct loop_context *loop, const struct request *request, struct refusal *ret_refusal)
{
	struct programs *programs = loop->service->programs;
	uint32_t named = request->program == NULL ? 0 : programs_number(programs, request->program);

	return request_program(request, programs_count(programs), named, ret_refusal);
}

static void
find_program(struct query *q)
{
	q->program = program_of(q->loop, q->request, &q->refusal);
	if (q->program != 0)
		q->rules = programs_at(q->loop->service->programs, q->program, INT64_MAX);
}

static void
find_now(struct query *q)
{
	const struct request *r = q->request;
	int64_t asked = r->has_as_of ? r->as_of_us : r->at_us;

	q->now_us = service_now_us(q->loop->service);
	if (!r->has_as_of && !r->has_at)
		return;
	if (!r->has_as_of && !q->loop->service->manual_clock)
		refusal_set(&q->refusal, LEDGER_INVALID_ARGUMENT, "at", "Only a ledger on a manual clock takes `at`; leave it out.");
	else if (asked < q->now_us)
		refusal_set(&q->refusal, LEDGER_INVALID_ARGUMENT, r->has_as_of ? "as_of" : "at",
		    "A balance can be seen as of now or later, not of the past; use history for that.");
	else
		q->now_us = asked;
}

static enum status
find_member(struct query *q)
{
	struct loop_context *loop = q->loop;
	const struct query_ahead *ahead = q->ahead != NULL && q->ahead->member != 0 && q->ahead->program == q->program ? q->ahead : NULL;

	q->member = 0;
	if (q->program == 0)
		return ST_OK;
	enum status st = ST_OK;
	if (ahead != NULL)
		q->member = ahead->member;
	else if (q->request->member == NULL)
		q->member = q->request->member_no;
	else
		st = vault_lookup(loop->service->vault, loop->vault, q->program, q->request->member, &q->member);
	if (st == ST_NOTFOUND)
		return ST_OK;
	view_init(&q->view, loop->service->programs, &loop->arena);
	if (st == ST_OK && ahead != NULL && ahead->record.data != NULL)
		st = view_take(&q->view, ahead->record, q->program, q->member);
	else if (st == ST_OK)
		st = view_read(&q->view, loop->state, q->program, q->member);
	while (st == ST_OK && q->view.m.merged_into != 0 && !(q->request->op == REQUEST_HISTORY && q->request->member == NULL)) {
		q->member = q->view.m.merged_into;
		st = view_read(&q->view, loop->state, q->program, q->member);
	}
	if (st == ST_NOTFOUND) {
		q->member = 0;		/* the vault is ahead of this snapshot of state: not yet */
		return ST_OK;
	}
	return st;
}

/* A purchase would make it: a quote shows what it would get. */
static bool
is_newcomer(const struct query *q)
{
	return q->request->op == REQUEST_QUOTE && q->member == 0 && q->rules != NULL && !q->rules->unknown_refuse;
}

static void
require_member(struct query *q)
{
	if (q->refusal.result != LEDGER_OK)
		return;
	if (is_newcomer(q)) {
		view_init(&q->view, q->loop->service->programs, &q->loop->arena);
		member_newcomer(q->rules, 0, zone_day(&q->rules->zone, q->now_us), &q->view.m);
		return;
	}
	if (q->program == 0)
		refusal_set(&q->refusal, LEDGER_NOT_FOUND, "program", "There is no such program in this ledger; publish one first, or look at its id.");
	else if (q->member == 0)
		refusal_set(&q->refusal, LEDGER_NOT_FOUND, q->request->member == NULL ? "member_no" : "member",
		    q->request->member == NULL ? "The program has no member of this number." : "No member of the program has this alias; enrol it first.");
}

enum status
query_member(struct loop_context *loop, const struct request *request, uint32_t *ret_program, uint64_t *ret_member,
    struct refusal *ret_refusal)
{
	struct request copy = *request;
	struct query *q = arena_alloc(&loop->arena, sizeof(*q));

	if (q == NULL)
		return ST_NOMEM;
	q->loop = loop;
	q->request = &copy;
	enum status st = loop_renew(loop);
	if (st == ST_OK)
		find_program(q);
	if (st == ST_OK && q->refusal.result == LEDGER_OK)
		st = find_member(q);
	require_member(q);
	*ret_program = q->program;
	*ret_member = q->member;
	*ret_refusal = q->refusal;
	loop_rest(loop);
	return st;
}

enum status
query_refusal(struct query *q, struct buf *out)
{
	struct answer answer = { .refusal = &q->refusal, .seq = q->size == 0 ? 0 : q->size - 1 };

	return answer_encode(&answer, &q->loop->arena, out);
}

/* Birthdays are looked up only for midnights that the scheduler has not gone through: of days to come, and while it is at it. */
static enum status
roll(struct query *q, struct view *view, uint64_t member)
{
	struct loop_context *loop = q->loop;

	if (q->now_us < loop->birthdays_us || !view_has_birthdays(&view->state, q->program))
		return view_roll(view, q->now_us);
	struct profile *profile = arena_alloc(&loop->arena, sizeof(*profile));
	if (profile == NULL)
		return ST_NOMEM;
	enum status st = vault_read(loop->service->vault, loop->vault, q->program, member, &loop->arena, profile);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	return view_roll_ahead(view, profile->dates, st == ST_OK ? profile->n_dates : 0,
	    zone_day(&q->rules->zone, loop->birthdays_us), q->now_us);
}

/* What another member of the pool has, as of the same instant. */
static enum status
add_other(struct query *q, uint64_t number, struct pool_sums *sums)
{
	struct view *view = arena_alloc(&q->loop->arena, sizeof(*view));

	if (view == NULL)
		return ST_NOMEM;
	view_init(view, q->loop->service->programs, &q->loop->arena);
	enum status st = view_read(view, q->loop->state, q->program, number);
	if (st == ST_OK)
		st = roll(q, view, number);
	sums->available += view->m.available;
	sums->pending += view->m.pending;
	sums->held += view->m.held;
	sums->debt += view->m.debt;
	return st;
}

/* The member itself is rolled forward already. */
static enum status
sum_pool(struct query *q, struct pool_sums *ret)
{
	const struct member *m = &q->view.m;
	struct member head = *m;
	enum status st = ST_OK;

	*ret = (struct pool_sums){ m->available, m->pending, m->held, m->debt };
	if (m->pool != 0 && m->pool != q->member) {
		st = apply_read_member(q->loop->state, q->program, m->pool, &q->loop->arena, &head);
		if (st == ST_OK)
			st = add_other(q, m->pool, ret);
	}
	for (size_t i = 0; i < head.n_joined && st == ST_OK; i++) {
		if (head.joined[i] != q->member)
			st = add_other(q, head.joined[i], ret);
	}
	return st == ST_NOTFOUND ? ST_CORRUPT : st;
}

static enum status
run_balance(struct query *q, struct buf *out)
{
	struct answer answer = { .program = q->rules, .member = &q->view.m, .as_of_us = q->now_us, .seq = q->size - 1 };
	struct pool_sums sums;

	if (q->request->pool && q->rules->pool_max == 0) {
		refusal_set(&q->refusal, LEDGER_NOT_OFFERED, "pool", "this program has no pools");
		answer.refusal = &q->refusal;
	}
	enum status st = roll(q, &q->view, q->member);
	if (st == ST_OK && q->request->pool && q->refusal.result == LEDGER_OK) {
		st = sum_pool(q, &sums);
		answer.pool = &sums;
	}
	return st != ST_OK ? st : answer_encode(&answer, &q->loop->arena, out);
}

static enum status
run_vouchers(struct query *q, struct buf *out)
{
	struct voucher_coder coder = voucher_coder_of(q->loop->service, q->program);
	struct answer answer = { .program = q->rules, .member = &q->view.m, .as_of_us = q->now_us, .seq = q->size - 1 };
	struct reply rows = { 0 };

	enum status st = roll(q, &q->view, q->member);
	if (st == ST_OK)
		st = voucher_rows(&coder, q->rules, &q->view.m, q->request->voucher_state, &q->loop->arena, &rows);
	answer.n_vouchers = rows.n_vouchers;
	answer.vouchers = rows.vouchers;
	return st == ST_OK ? answer_encode(&answer, &q->loop->arena, out) : st;
}

/* What a purchase is decided on besides the member: caps of the whole program, and segments when rules ask for them. */
static enum status
load_quote(struct query *q)
{
	struct loop_context *loop = q->loop;
	struct cmd *cmd = &q->request->cmd;
	struct profile *profile = arena_alloc(&loop->arena, sizeof(*profile));

	if (profile == NULL)
		return ST_NOMEM;
	enum status st = apply_read_totals(loop->state, q->program, &q->view.totals);
	if (st != ST_OK || q->rules == NULL || !q->rules->names_segments)
		return st == ST_NOTFOUND ? ST_OK : st;
	st = vault_read(loop->service->vault, loop->vault, q->program, q->member, &loop->arena, profile);
	if (st == ST_OK) {
		cmd->n_segments = profile->n_segments;
		cmd->segments = profile->segments;
	}
	return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status
run_quote(struct query *q, struct buf *out)
{
	struct cmd *cmd = &q->request->cmd;
	struct entry entry;

	enum status st = roll(q, &q->view, q->member);
	if (st == ST_OK)
		st = load_quote(q);
	if (st != ST_OK)
		return st;
	cmd->program = q->program;
	cmd->member = q->member;
	cmd->principal = q->who->principal;
	st = decide(&q->view.state, cmd, q->now_us, &q->loop->arena, &entry, &q->refusal);
	if (st != ST_OK)
		return st;
	struct answer answer = { .refusal = &q->refusal, .program = q->rules, .member = &q->view.m, .as_of_us = q->now_us, .seq = q->size - 1 };
	if (q->refusal.result == LEDGER_OK)
		answer.entry = &entry;
	return answer_encode(&answer, &q->loop->arena, out);
}

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

static void
fill_row(struct history_row *row, struct entry_id id, const struct transaction *t, const struct entry *e, const struct touched *touched)
{
	*row = (struct history_row){
		.id = id,
		.at_us = e->has_due_at ? e->due_at_us : e->has_at ? e->at_us : t->committed_at_us,
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
	};
	if (e->op == OP_PURCHASE && e->member == touched->member) {
		row->has_amount = true;
		row->amount = e->u.purchase.amount;
	}
}

/* An adjust that waits, or waited: state knows which. */
static enum status
fill_waiting(struct query *q, struct history_row *row, const struct entry *e)
{
	struct waiting_adjust waiting = { .approved = false };

	if (!e->waiting)
		return ST_OK;
	row->has_wanted = true;
	row->wanted = e->u.adjust.points;
	enum status st = apply_read_waiting(q->loop->state, row->id, &waiting);
	row->waiting = !waiting.approved;
	return st == ST_NOTFOUND ? ST_OK : st;
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

/* Rows from ${*id} back, until there are ${limit} and the transaction of the last one is complete. */
static enum status
walk_back(struct query *q, struct entry_id *id, bool *more, uint32_t limit, struct history_row **ret_rows, size_t *ret_n)
{
	const struct request *r = q->request;
	struct history_row *rows = NULL;
	size_t n = 0, cap = 0;
	struct arena skipped;
	enum status st = ST_OK;

	arena_init(&skipped, READ_ARENA_BYTES);
	while (st == ST_OK && *more && (n < limit || rows[n - 1].id.seq == id->seq)) {
		bool shown = !r->has_before || id->seq < r->before_seq;
		struct transaction t;
		struct entry *e;
		arena_reset(&skipped);
		st = read_entry(q->loop->ledger, q->loop->state, *id, shown ? &q->loop->arena : &skipped, &t, &e);
		const struct touched *touched = st == ST_OK ? find_touched(e, q->member) : NULL;
		if (touched == NULL) {
			st = st == ST_OK ? ST_CORRUPT : st;
			break;
		}
		if (shown) {
			struct history_row *grown = arena_grow(&q->loop->arena, rows, &cap, n + 1, sizeof(*rows));
			if (grown == NULL) {
				st = ST_NOMEM;
				break;
			}
			rows = grown;
			fill_row(&rows[n], *id, &t, e, touched);
			st = fill_waiting(q, &rows[n++], e);
		}
		*more = touched->has_prev;
		*id = touched->prev;
	}
	arena_release(&skipped);
	*ret_rows = rows;
	*ret_n = n;
	return st;
}

static enum status
run_history(struct query *q, struct buf *out)
{
	uint32_t limit = q->request->limit == 0 ? HISTORY_DEFAULT : q->request->limit;
	struct reply reply = { .scale = q->rules->scale, .currency_digits = q->rules->currency_digits };
	struct entry_id id = q->view.m.head;
	struct history_row *rows;

	reply.has_next_before = q->view.m.has_head;
	enum status st = walk_back(q, &id, &reply.has_next_before, limit, &rows, &reply.n_history);
	if (st != ST_OK)
		return st;
	reply.history = rows;
	reply.next_before = reply.n_history == 0 ? 0 : rows[reply.n_history - 1].id.seq;
	reply.has_member = true;
	reply.member_no = q->member;
	reply.seq = q->size - 1;
	reply.as_of_us = q->now_us;
	return codec_reply_encode(&reply, &q->loop->arena, out);
}

static enum status
run_program(struct query *q, struct buf *out)
{
	struct programs *programs = q->loop->service->programs;
	struct reply reply = { .seq = q->size == 0 ? 0 : q->size - 1 };

	if (q->program != 0) {
		reply.version = q->request->version != 0 ? q->request->version : q->rules->version;
		reply.program = programs_definition(programs, q->program, reply.version);
	}
	if (reply.program.len == 0) {
		refusal_set(&q->refusal, LEDGER_NOT_FOUND, q->program == 0 ? "program" : "version",
		    "There is no such program, or no such version of it, in this ledger.");
		return query_refusal(q, out);
	}
	return codec_reply_encode(&reply, &q->loop->arena, out);
}

static enum status
run_about_member(struct query *q, struct buf *out)
{
	enum status st = find_member(q);

	if (st != ST_OK)
		return st;
	find_now(q);
	require_member(q);
	if (q->refusal.result != LEDGER_OK)
		return query_refusal(q, out);
	switch (q->request->op) {
	case REQUEST_BALANCE: return run_balance(q, out);
	case REQUEST_QUOTE: return run_quote(q, out);
	case REQUEST_HISTORY: return run_history(q, out);
	case REQUEST_VOUCHERS: return run_vouchers(q, out);
	case REQUEST_PERSON: return query_person(q, out);
	default: assert(false); return ST_INVALID;
	}
}

/* These concern all programs, so none has to be named. */
static bool
about_log(enum request_op op)
{
	return op == REQUEST_TRANSACTION || op == REQUEST_CHECKPOINT || op == REQUEST_PROOF || op == REQUEST_TERMINALS || op == REQUEST_VAULT;
}

static enum status
run_about_log(struct query *q, struct buf *out)
{
	switch (q->request->op) {
	case REQUEST_TRANSACTION: return query_transaction(q, out);
	case REQUEST_CHECKPOINT: return query_checkpoint(q, out);
	case REQUEST_PROOF: return query_proof(q, out);
	case REQUEST_TERMINALS: return query_terminals(q, out);
	case REQUEST_VAULT: return query_vault(q, out);
	default: assert(false); return ST_INVALID;
	}
}

enum status
query_run_in(struct loop_context *loop, const struct identity *who, const struct request *request, const struct query_ahead *ahead,
    struct buf *out, enum ledger_result *ret_result)
{
	struct request copy = *request;
	struct query *q = arena_alloc(&loop->arena, sizeof(*q));

	if (q == NULL)
		return ST_NOMEM;
	q->loop = loop;
	q->who = who;
	q->request = &copy;
	q->ahead = ahead;
	enum status st = ST_OK;
	if (request->op == REQUEST_SCRUB) {		/* also, and then above all, when nothing can be read any more */
		q->size = service_size(loop->service);
		st = query_scrub(q, out);
		goto end;
	}
	st = apply_read_size(loop->state, &q->size);
	if (st == ST_OK && about_log(request->op)) {
		st = run_about_log(q, out);
		goto end;
	}
	if (st != ST_OK)
		goto end;
	find_program(q);
	if (q->refusal.result != LEDGER_OK)
		st = query_refusal(q, out);
	else if (request->op == REQUEST_PROGRAM)
		st = run_program(q, out);
	else
		st = run_about_member(q, out);
end:
	*ret_result = q->refusal.result;
	return st;
}

enum status
query_run(struct loop_context *loop, const struct identity *who, const struct request *request, struct buf *out, enum ledger_result *ret_result)
{
	enum status st = request->op == REQUEST_SCRUB ? ST_OK : loop_renew(loop);

	if (st == ST_OK)
		st = query_run_in(loop, who, request, NULL, out, ret_result);
	loop_rest(loop);
	return st;
}

/* Of those that are one program's, by their aliases.  The others are looked for alone, and when it fails all: who is about a damaged page is told. */
static void
look_ahead(struct loop_context *loop, struct work *const *works, size_t n, struct query_ahead *ret_ahead)
{
	const char *aliases[BALANCES_MAX];
	uint64_t members[BALANCES_MAX];
	struct bytes records[BALANCES_MAX];
	size_t of[BALANCES_MAX], n_aliases = 0;
	uint32_t first = 0;

	for (size_t i = 0; i < n; i++) {
		const struct request *request = &works[i]->batch.commands[0];
		struct refusal refusal;
		uint32_t program = program_of(loop, request, &refusal);
		first = first == 0 ? program : first;
		if (request->member == NULL || program == 0 || program != first)
			continue;
		of[n_aliases] = i;
		aliases[n_aliases++] = request->member;
	}
	if (n_aliases == 0)
		return;
	enum status st = vault_lookup_many(loop->service->vault, loop->vault, first, aliases, n_aliases, members);
	if (st == ST_OK)
		st = apply_read_records(loop->state, first, members, n_aliases, records);
	for (size_t i = 0; i < n_aliases && st == ST_OK; i++)
		ret_ahead[of[i]] = (struct query_ahead){ first, members[i], records[i] };
}

enum status
query_begin(struct loop_context *loop, struct work *const *works, size_t n, struct query_ahead *ret_ahead)
{
	assert(n <= BALANCES_MAX);
	memset(ret_ahead, 0, n * sizeof(*ret_ahead));
	enum status st = loop_renew(loop);
	if (st == ST_OK && n > 1)
		look_ahead(loop, works, n, ret_ahead);
	return st;
}
