/**
 * One command: from the names in a request to an entry, in the order that RULINGS section 2 gives to the refusals:
 *
 *   deadline, `at` -> replay of the request id -> the clock -> program -> who the alias is -> replay of the receipt number -> roll the
 *   member forward -> references -> decide -> apply -> vault -> what is due or over already -> answer
 *
 * Moving a manual clock may flush, and so end the life of everything that was looked up before it: it comes before all that is kept in
 * struct step.
 */
#include <assert.h>
#include <string.h>

#include "service/step.h"

/* ---- the clock ---- */

/* Undone with the batch: the instant up to which things are durable, or the one before. */
static void
clock_back(struct commit *c, int64_t before_us)
{
	int64_t durable_us = apply_head(c->apply)->clock_us;

	c->clock_us = durable_us > before_us ? durable_us : before_us;
}

enum status
command_clock(struct commit *c, const struct request *request, struct refusal *ret_refusal)
{
	int64_t before_us = c->clock_us;
	bool moves = request->has_at && request->at_us > before_us, more;

	if (!c->service->manual_clock)
		return ST_OK;
	if (request->has_at && request->at_us < before_us) {
		char text[INSTANT_TEXT_BYTES];
		refusal_set(ret_refusal, LEDGER_INVALID_ARGUMENT, "at", "The clock of this ledger stands at %s and does not go back.",
		    instant_format(c->clock_us, text));
		return ST_OK;
	}
	if (moves && c->exclusive) {
		refusal_set(ret_refusal, LEDGER_INVALID_ARGUMENT, "at",
		    "All commands of an atomic batch are decided at one instant: give them the same `at`.");
		return ST_OK;
	}
	if (c->exclusive || !(moves || c->due_pending))
		return ST_OK;
	enum status st = tx_seal(c);
	if (st != ST_OK)
		return st;
	if (moves)
		c->clock_us = request->at_us;
	c->due_pending = true;
	st = sched_run(c, c->clock_us, SIZE_MAX, &more);
	c->due_pending = st != ST_OK;
	if (st != ST_FULL)
		return st;
	clock_back(c, before_us);
	refusal_set(ret_refusal, LEDGER_UNAVAILABLE, "disk",
	    "The ledger's disk is full: nothing was written. Send the same request id again when there is space.");
	return ST_OK;
}

/* ---- looking names up ---- */

uint32_t
command_program(struct commit *c, const struct request *r, struct refusal *ret_refusal)
{
	const struct ledger_state *state = apply_state(c->apply);
	uint32_t named = r->program == NULL ? 0 : state->program_number(state->ctx, r->program);

	return request_program(r, state->program_count(state->ctx), named, ret_refusal);
}

static enum status
find_program(struct step *s)
{
	struct request *r = s->request;
	const struct ledger_state *state = apply_state(s->c->apply);

	if (r->op == REQUEST_PUBLISH) {
		r->cmd.program = state->program_number(state->ctx, r->cmd.u.publish.id);
		return ST_OK;
	}
	if (r->op == REQUEST_CLOCK_ACCEPT || r->op == REQUEST_ROTATE_KEY || r->op == REQUEST_APPROVER_KEY)
		return ST_OK;
	r->cmd.program = command_program(s->c, r, s->refusal);
	if (r->cmd.program != 0)
		s->program = state->program_at(state->ctx, r->cmd.program, INT64_MAX);
	return ST_OK;
}

static enum status find_approved(struct step *s);

static enum status
find_member(struct step *s)
{
	struct request *r = s->request;
	enum status st = ST_OK;

	r->cmd.member = 0;
	r->cmd.n_merged = 0;
	if (r->member != NULL && r->cmd.program != 0)
		st = people_find(s);
	if (st == ST_OK && r->other != NULL && r->cmd.program != 0)
		st = step_find_alias(s, r->other, r->op == REQUEST_ENROL ? &r->cmd.u.enrol.referrer : &r->cmd.u.other.member);
	if (st == ST_OK && r->op == REQUEST_APPROVE)
		st = find_approved(s);
	return st;
}

/* What a capture or a release names: an entry's id, or a request id among the member's commands. */
static enum status
find_hold(struct step *s)
{
	struct request *r = s->request;
	const struct ledger_state *state = apply_state(s->c->apply);
	struct entry_id by_id = { 0 }, by_key = { 0 };
	const struct member *m;
	unsigned n;

	enum status st = state->member(state->ctx, r->cmd.program, r->cmd.member, &m);
	if (st != ST_OK || m == NULL)
		return st;
	st = apply_reference(s->c->apply, r->cmd.program, r->cmd.member, r->reference, &n, &by_key);
	if (st != ST_OK)
		return st;
	bool has_id = entry_id_parse(r->reference, &by_id) && member_made_hold(state, m, by_id);
	s->ambiguous = entry_named_twice(n, by_key, has_id, by_id);
	if (s->ambiguous || n + has_id == 0)
		return ST_OK;
	r->cmd.u.capture.hold = has_id ? by_id : by_key;
	r->cmd.u.capture.found = member_made_hold(state, m, r->cmd.u.capture.hold);
	return ST_OK;
}

/* Whether a command of this kind may name an entry of that: activities and returns purchases, reversals redemptions; approvals are told what of. */
static bool
may_name(enum op op, enum op past)
{
	if (op == OP_APPROVE)
		return true;
	if (op == OP_REVERSE_REDEEM)
		return past == OP_REDEEM || past == OP_CAPTURE;
	return past == OP_PURCHASE;
}

/* RULINGS section 2: from CLOCK_SKEW on a refusal shows the member's balance. */
static bool
shows_balance(const struct refusal *refusal)
{
	return refusal->result == LEDGER_OK || (refusal->result >= LEDGER_CLOCK_SKEW && refusal->result < LEDGER_UNAVAILABLE);
}

/* Of the newest transaction that an answer sees: the open one, or the last that was sealed. */
static uint64_t
newest_seq(const struct commit *c)
{
	uint64_t size = apply_head(c->apply)->size;

	return c->is_open && c->open.n_entries > 0 ? size : size - 1;
}

static enum status
answer_now(struct step *s, struct entry_id id, const struct entry *entry, struct buf *out)
{
	const struct ledger_state *state = apply_state(s->c->apply);
	struct answer answer = { .service = s->c->service, .refusal = s->refusal, .as_of_us = commit_now_us(s->c),
	    .seq = newest_seq(s->c), .terminal = s->c->terminal_note };
	uint64_t number = entry != NULL ? entry->member : s->request->cmd.member;

	if (entry != NULL) {
		answer.has_id = s->has_id = true;
		answer.id = s->id = id;
		answer.entry = entry;
	}
	answer.program = s->program;
	answer.bytes_max = s->work->is_batch ? RESULT_BYTES_MAX : 0;
	if (number != 0 && s->program != NULL && shows_balance(s->refusal)) {
		enum status st = state->member(state->ctx, s->request->cmd.program, number, &answer.member);
		if (st != ST_OK)
			return st;
	}
	return answer_encode(&answer, &s->work->arena, out);
}

#define DAMAGE_REMEDY "fealty admin scrub and fealty audit say what is damaged; restore it from a backup"

/* Of who the command is about, in vault or state. */
static void
say_damaged(struct step *s)
{
	refusal_damaged(s->refusal);
	log_event(s->c->service->log, LOG_LEVEL_ERROR, "record.damaged", "op", request_op_str(s->request->op), "remedy", DAMAGE_REMEDY, NULL);
}

/* What an entry was read from: as long as it is looked at. */
struct past { struct store_txn *state, *ledger; };

static void
past_release(struct past *past)
{
	store_abort(past->ledger);
	store_abort(past->state);
}

/* An entry that is not of this batch.  When what is stored of it is damaged, s->refusal says so, and *${ret_stored} is untouched. */
static enum status
read_stored(struct step *s, struct entry_id id, struct past *past, const struct entry **ret_stored)
{
	struct service *service = s->c->service;
	struct transaction t;
	struct entry *entry;

	enum status st = store_read(service->store, STORE_STATE, &past->state);
	if (st == ST_OK)
		st = store_read(service->store, STORE_LEDGER, &past->ledger);
	if (st == ST_OK)
		st = read_entry(past->ledger, past->state, id, &s->work->arena, &t, &entry);
	if (st == ST_OK)
		*ret_stored = entry;
	if (st != ST_CORRUPT)
		return st;
	refusal_damaged(s->refusal);
	log_event(service->log, LOG_LEVEL_ERROR, "record.damaged", "environment", "ledger", "seq", LOG_N(id.seq), "op", request_op_str(s->request->op),
	    "remedy", DAMAGE_REMEDY, NULL);
	return ST_OK;
}

/* *${ret_entry} is NULL unless the id is of an entry of the member that the command may name. */
static enum status
read_past(struct step *s, struct entry_id id, const struct entry **ret_entry)
{
	const struct cmd *cmd = &s->request->cmd;
	const struct entry *entry = tx_find(s->c, id);
	struct past past = { NULL, NULL };
	bool is_its = false;

	*ret_entry = NULL;
	enum status st = entry == NULL ? read_stored(s, id, &past, &entry) : ST_OK;
	if (st == ST_OK && entry != NULL && may_name(cmd->op, entry->op) && entry->program == cmd->program) {
		is_its = cmd->op == OP_APPROVE && entry->member != 0;
		if (cmd->op != OP_APPROVE)
			st = member_became(apply_state(s->c->apply), cmd->program, entry->member, cmd->member, &is_its);
	}
	past_release(&past);
	if (st == ST_OK && is_its)
		*ret_entry = entry;
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* The earlier entry that a command names: an entry's id, or a request id among the member's commands; among the program's for an approval. */
static enum status
find_past(struct step *s, struct entry_id *ret_id, const struct entry **ret_entry)
{
	struct request *r = s->request;
	struct entry_id by_id = { 0 }, by_key = { 0 };
	const struct entry *entry = NULL;
	unsigned n = 0;
	uint64_t member = r->op == REQUEST_APPROVE ? 0 : r->cmd.member;

	if (r->reference == NULL || r->cmd.program == 0 || (r->op != REQUEST_APPROVE && member == 0))
		return ST_OK;
	enum status st = apply_reference(s->c->apply, r->cmd.program, member, r->reference, &n, &by_key);
	if (st == ST_OK && entry_id_parse(r->reference, &by_id))
		st = read_past(s, by_id, &entry);
	if (st != ST_OK)
		return st;
	s->ambiguous = entry_named_twice(n, by_key, entry != NULL, by_id);
	if (s->ambiguous || (n == 0 && entry == NULL))
		return ST_OK;
	*ret_id = entry != NULL ? by_id : by_key;
	if (entry == NULL)
		st = read_past(s, by_key, &entry);
	*ret_entry = entry;
	return st;
}

/* Whose adjust is approved: the member's it is about, or who that one went into. */
static enum status
find_approved(struct step *s)
{
	struct cmd *cmd = &s->request->cmd;
	const struct entry *entry = NULL;
	enum status st = find_past(s, &cmd->u.approve.id, &entry);

	return st == ST_OK && entry != NULL ? step_follow_merges(s, entry->member, &cmd->member) : st;
}

/* ---- replays ---- */

/* The first outcome of ${id}, from this batch or from the ledger, with the member as it is now. */
static enum status
answer_again(struct step *s, struct entry_id id, struct buf *out)
{
	const struct ledger_state *state = apply_state(s->c->apply);
	const struct entry *entry = tx_find(s->c, id);
	struct past past = { NULL, NULL };

	enum status st = entry == NULL ? read_stored(s, id, &past, &entry) : ST_OK;
	if (st == ST_OK && step_refused(s)) {
		past_release(&past);
		return answer_now(s, (struct entry_id){ 0 }, NULL, out);
	}
	struct answer answer = { .service = s->c->service, .replayed = true, .has_id = true, .id = id, .entry = entry, .seq = newest_seq(s->c) };
	counter_add(&s->c->service->metrics.replays, 1);
	s->has_id = true;
	s->id = id;
	answer.as_of_us = commit_now_us(s->c);
	answer.bytes_max = s->work->is_batch ? RESULT_BYTES_MAX : 0;
	if (st == ST_OK && entry->member != 0) {
		answer.program = state->program_at(state->ctx, entry->program, INT64_MAX);
		st = state->member(state->ctx, entry->program, entry->member, &answer.member);
		for (size_t i = 0; i < entry->n_touched; i++) {
			if (entry->touched[i].member == entry->member)
				answer.then = &entry->touched[i];
		}
	}
	if (st == ST_OK)
		st = answer_encode(&answer, &s->work->arena, out);
	past_release(&past);
	return st;
}

/* The keyed hash of the body: with the member's key where the body is personal, so that it ends with it. */
static void
fingerprint(struct step *s, uint8_t ret[static FINGERPRINT_BYTES])
{
	const uint8_t *key = people_is_personal(s->request->op) ? s->profile->key : keys_secret(s->c->service->keys, KEY_FINGERPRINT);

	hash_keyed(ret, key, s->request->canonical);
}

static enum status
check_request_id(struct step *s, struct buf *out, bool *ret_answered)
{
	struct request *r = s->request;
	struct request_row row;

	enum status st = apply_request(s->c->apply, s->work->who->principal, r->key, &row);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	if (people_is_personal(r->op)) {
		st = row.member == 0 ? ST_OK : vault_profile(s->c->service->vault, row.program, row.member, &s->work->arena, s->profile);
		s->has_profile = st == ST_OK && row.member != 0;
		if (st != ST_OK && st != ST_NOTFOUND)
			return st;
	}
	uint8_t mine[FINGERPRINT_BYTES];
	if (!people_is_personal(r->op) || s->has_profile) {
		fingerprint(s, mine);
		if (memcmp(mine, row.fingerprint, sizeof(mine)) == 0) {
			*ret_answered = true;
			return answer_again(s, row.id, out);
		}
	}
	refusal_set(s->refusal, LEDGER_REQUEST_ID_REUSED, "key",
	    "This request id was used for another command, entry %llu.%u. A new command needs a new request id.",
	    (unsigned long long)row.id.seq, row.id.index);
	return ST_OK;
}

/* A purchase's lines at the program's scale; false when they do not fit it: decide() will say so. */
static bool
scaled_lines(struct step *s, struct entry_line *lines)
{
	const struct cmd *cmd = &s->request->cmd;

	for (size_t i = 0; i < cmd->u.purchase.n_lines; i++) {
		const struct line *l = &cmd->u.purchase.lines[i];
		lines[i] = (struct entry_line){ .sku = l->sku, .category = l->category, .qty = l->qty };
		if (decimal_scale(l->amount, s->program->currency_digits, &lines[i].amount) != DECIMAL_OK)
			return false;
	}
	return true;
}

/* By the date that the decision will have. */
static enum status
check_receipt(struct step *s, int64_t now_us, struct buf *out, bool *ret_answered)
{
	struct cmd *cmd = &s->request->cmd;
	struct entry_line lines[LEDGER_LINES_MAX];
	struct receipt_row row;
	uint8_t digest[32];
	int64_t amount, at_us = cmd->has_occurred_at && cmd->occurred_at_us < now_us ? cmd->occurred_at_us : now_us;

	if (cmd->op != OP_PURCHASE || cmd->u.purchase.receipt_no == NULL || cmd->store == NULL || s->program == NULL)
		return ST_OK;
	enum status st = apply_receipt(s->c->apply, cmd->program, cmd->store, cmd->u.purchase.receipt_no, zone_day(&s->program->zone, at_us),
	    &row);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	if (row.member == cmd->member && decimal_scale(cmd->u.purchase.amount, s->program->currency_digits, &amount) == DECIMAL_OK
	    && scaled_lines(s, lines)) {
		st = receipt_digest(amount, lines, cmd->u.purchase.n_lines, digest);
		if (st != ST_OK)
			return st;
		if (memcmp(digest, row.digest, sizeof(digest)) == 0) {
			*ret_answered = s->by_receipt = true;
			return answer_again(s, row.id, out);
		}
	}
	refusal_set(s->refusal, LEDGER_RECEIPT_REUSED, "receipt_no",
	    "This store's receipt of that date is entry %llu.%u already, with another member, amount or lines.",
	    (unsigned long long)row.id.seq, row.id.index);
	return ST_OK;
}

/* ---- deciding ---- */

/* The member's segments, when rules ask for them: a purchase reads no profile otherwise. */
static enum status
find_segments(struct step *s)
{
	struct cmd *cmd = &s->request->cmd;

	if (s->program == NULL || !s->program->names_segments || cmd->member == 0)
		return ST_OK;
	enum status st = people_load(s, cmd->member);
	if (st == ST_OK && s->has_profile) {
		cmd->n_segments = s->profile->n_segments;
		cmd->segments = s->profile->segments;
	}
	return st;
}

static enum status
prepare(struct step *s)
{
	struct request *r = s->request;

	if (r->voucher != NULL)
		return voucher_prepare(s->c, r);
	switch (r->op) {
	case REQUEST_PUBLISH:
		return publish_compile(s->c, r, &s->work->arena, s->refusal);
	case REQUEST_ROTATE_KEY:
		return rotate_prepare(s->c, r, s->refusal);
	case REQUEST_CAPTURE: case REQUEST_RELEASE:
		return find_hold(s);
	case REQUEST_PURCHASE:
		return find_segments(s);
	case REQUEST_ACTIVITY: {
		const struct entry *purchase = NULL;
		enum status st = find_past(s, &r->cmd.u.activity.purchase, &purchase);
		r->cmd.u.activity.found = purchase != NULL;
		return st == ST_OK ? find_segments(s) : st;
	}
	case REQUEST_RETURN: case REQUEST_REVERSE_REDEEM:
		return find_past(s, &r->cmd.u.past.id, &r->cmd.u.past.entry);
	case REQUEST_APPROVE: {
		enum status st = find_past(s, &r->cmd.u.approve.id, &r->cmd.u.approve.entry);
		return st == ST_OK ? approve_verify(s->c, r, s->work->who->principal) : st;
	}
	case REQUEST_APPROVER_KEY:
		approver_key_check(r, s->refusal);
		return ST_OK;
	case REQUEST_MERGE:
	case REQUEST_ENROL:
	case REQUEST_OPENING:
	case REQUEST_PROFILE: case REQUEST_BIRTHDAY:
	case REQUEST_ERASE:
		return people_prepare(s);
	default:
		return ST_OK;
	}
}

/* The members that it may touch or may touch, up to now. */
static enum status
roll_named(struct step *s)
{
	const struct cmd *cmd = &s->request->cmd;
	enum status st = ST_OK;

	if (cmd->member != 0)
		st = sched_roll(s->c, cmd->program, cmd->member, tx_now_us(s->c));
	for (size_t i = 0; i < s->n_others && st == ST_OK; i++)
		st = sched_roll(s->c, cmd->program, s->others[i], tx_now_us(s->c));
	return st;
}

/* The same; and what fell due stays in a transaction before the command's own, at whose instant more may be due. */
static enum status
roll_apart(struct step *s)
{
	struct commit *c = s->c;
	enum status st = roll_named(s);

	while (st == ST_OK && c->open.n_entries > 0) {
		uint32_t program = c->open.program;
		st = tx_seal(c);
		if (st == ST_OK)
			st = tx_begin(c, program);
		if (st == ST_OK)
			st = roll_named(s);
	}
	return st;
}

/* Whom a hold or a redemption of a pool touches is known when it is looked up, and rolling them forward may move what was. */
static enum status
roll_and_prepare(struct step *s)
{
	const struct ledger_state *state = apply_state(s->c->apply);
	struct request *r = s->request;
	size_t before;

	enum status st = command_others(state, &r->cmd, s->others, &s->n_others);
	if (st == ST_OK)
		st = r->want_receipt ? roll_apart(s) : roll_named(s);
	before = s->n_others;
	if (st == ST_OK)
		st = prepare(s);
	if (st == ST_OK && !step_refused(s))
		st = command_others(state, &r->cmd, s->others, &s->n_others);
	if (st != ST_OK || s->n_others == before)
		return st;
	st = r->want_receipt ? roll_apart(s) : roll_named(s);
	return st == ST_OK ? prepare(s) : st;
}

/* Its own transaction ends; what follows from it goes into another. */
static enum status
end_alone(struct step *s)
{
	uint32_t program = s->c->open.program;
	enum status st = tx_seal(s->c);

	return st == ST_OK ? tx_begin(s->c, program) : st;
}

/* At the instant of the transaction that has room for it. */
static enum status
decide_in_place(struct step *s, struct entry *ret_entry, size_t *ret_bytes)
{
	struct commit *c = s->c;
	struct request *r = s->request;

	enum status st = decide(apply_state(c->apply), &r->cmd, tx_now_us(c), &c->arena, ret_entry, s->refusal);
	if (st != ST_OK || step_refused(s) || r->op == REQUEST_PUBLISH)
		return st;
	st = tx_make_room(c, ret_entry, ret_bytes);
	if (st != ST_OK || *ret_bytes != 0)
		return st;
	st = roll_named(s);
	return st != ST_OK ? st : decide(apply_state(c->apply), &r->cmd, tx_now_us(c), &c->arena, ret_entry, s->refusal);
}

static enum status
decide_and_apply(struct step *s, struct entry_id *ret_id, struct entry **ret_entry)
{
	struct commit *c = s->c;
	struct request *r = s->request;
	struct entry entry;
	size_t bytes = 0;

	fingerprint(s, r->cmd.fingerprint);
	enum status st = decide_in_place(s, &entry, &bytes);
	if (st != ST_OK)
		return st;
	if (s->ambiguous && s->refusal->result == LEDGER_NOT_FOUND && s->refusal->field != NULL && strcmp(s->refusal->field, "member") != 0)
		refusal_set(s->refusal, LEDGER_INVALID_ARGUMENT, s->refusal->field,
		    "More than one command there has this request id: name the entry by its id.");
	voucher_explain(r->voucher, s->refusal);
	st = people_check(s);
	bool is_friends = r->op == REQUEST_PURCHASE || r->op == REQUEST_RETURN || entry.n_merged > 0;
	if (!step_refused(s) && r->want_receipt && entry.n_touched > 1 && !is_friends && s->work->who->role != ROLE_OPERATOR)
		refusal_set(s->refusal, LEDGER_PERMISSION_DENIED, "want_receipt",
		    "The receipt would show other members of the pool, so only an operator may want it; send the command without want_receipt.");
	if (st != ST_OK || step_refused(s))
		return st;

	if (r->op == REQUEST_PUBLISH)
		st = tx_begin(c, entry.program);
	if (st == ST_OK)
		st = tx_add(c, &entry, bytes, ret_id, ret_entry);
	return st == ST_OK ? people_write(s, *ret_entry, *ret_id) : st;
}

/* What came due before the reply: a birthday just entered, and what is over already. */
static enum status
follow_up(struct step *s, const struct entry *entry)
{
	struct commit *c = s->c;
	int64_t now_us = tx_now_us(c);

	if (entry->member == 0)
		return ST_OK;
	uint64_t touched[LEDGER_TOUCHED_MAX] = { 0 };
	size_t n = entry->n_touched;
	uint32_t program = entry->program;
	for (size_t i = 0; i < n; i++)
		touched[i] = entry->touched[i].member;		/* rolling may move the entry */
	enum status st = s->request->has_birthday ? sched_birthday(c, program, touched[0], now_us) : ST_OK;
	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = sched_roll(c, program, touched[i], now_us);
	return st;
}

static void
clock_accepted(struct commit *c)
{
	commit_clock_trusted(c);
	log_event(c->service->log, LOG_LEVEL_WARNING, "clock.accepted", NULL);
}

static void
refuse_too_large(struct step *s)
{
	refusal_set(s->refusal, LEDGER_TOO_LARGE, NULL, s->c->exclusive ? "The atomic batch does not fit one transaction; split it."
	    : "The command does not fit one transaction; give it fewer lines.");
}

/* In the open transaction. *${ret_entry} stays NULL when there is none. */
static enum status
run_open(struct step *s, struct entry_id *ret_id, struct entry **ret_entry)
{
	struct commit *c = s->c;
	struct request *r = s->request;
	enum status st = roll_and_prepare(s);

	if (st == ST_OK && !step_refused(s))
		st = decide_and_apply(s, ret_id, ret_entry);
	if (st == ST_OK && *ret_entry != NULL && r->want_receipt)
		st = end_alone(s);
	if (st == ST_OK && *ret_entry != NULL)
		st = follow_up(s, *ret_entry);
	if (st == ST_OK && *ret_entry != NULL && r->op == REQUEST_CLOCK_ACCEPT)
		clock_accepted(c);
	if (st != ST_TOO_LARGE)
		return st;
	refuse_too_large(s);
	return ST_OK;
}

static enum status
run_decision(struct step *s, struct buf *out)
{
	struct commit *c = s->c;
	struct entry *entry = NULL;
	struct entry_id id = { 0 };
	bool answered = false;
	bool shares = c->group && !s->request->want_receipt;

	enum status st = shares ? ST_OK : tx_seal(c);
	if (st == ST_OK)
		st = tx_begin(c, s->request->cmd.program);
	if (st == ST_OK)
		st = check_receipt(s, tx_now_us(c), out, &answered);
	if (st != ST_OK || answered)
		return st;
	if (!step_refused(s))
		st = run_open(s, &id, &entry);
	if (st == ST_OK)
		st = answer_now(s, id, step_refused(s) ? NULL : entry, out);
	if (st == ST_OK && !shares)
		st = tx_seal(c);
	return st;
}

static void
check_deadline(struct step *s)
{
	uint32_t deadline_ms = s->request->deadline_ms != 0 ? s->request->deadline_ms : s->work->batch.deadline_ms;

	if (deadline_ms != 0 && clock_monotonic_us() - s->work->arrived_us > (int64_t)deadline_ms * 1000)
		refusal_set(s->refusal, LEDGER_DEADLINE_EXCEEDED, "deadline_ms",
		    "The deadline of %u ms passed before the command was decided; nothing was written.", deadline_ms);
	else if (s->request->has_at && !s->c->service->manual_clock)
		refusal_set(s->refusal, LEDGER_INVALID_ARGUMENT, "at", "Only a ledger on a manual clock takes `at`; leave it out, or use occurred_at.");
}

static bool
clock_waits(const struct step *s)
{
	return s->c->clock_suspect && s->request->op != REQUEST_CLOCK_ACCEPT;
}

static enum status
run(struct step *s, struct buf *out)
{
	bool answered = false;

	check_deadline(s);
	enum status st = step_refused(s) ? ST_OK : check_request_id(s, out, &answered);
	if (answered)
		return st;
	if (st == ST_OK && !step_refused(s))
		st = command_clock(s->c, s->request, s->refusal);
	if (st == ST_OK && !step_refused(s))
		st = find_program(s);
	if (st == ST_OK && !step_refused(s))
		st = find_member(s);
	if (st == ST_CORRUPT) {			/* nothing is begun: a row that rotted refuses its own commands, and ends nothing */
		say_damaged(s);
		st = ST_OK;
	}
	if (st != ST_OK)
		return st;
	if (!step_refused(s) && clock_waits(s))
		refusal_set(s->refusal, LEDGER_UNAVAILABLE, "clock",
		    "The server's clock jumped ahead; writes wait until an operator sets it right or runs `fealty admin clock accept`.");
	if (step_refused(s))
		return answer_now(s, (struct entry_id){ 0 }, NULL, out);
	return run_decision(s, out);
}

enum status
command_run(struct commit *c, struct work *work, size_t index, struct refusal *ret_refusal)
{
	struct step s = { .c = c, .work = work, .request = &work->batch.commands[index], .refusal = ret_refusal, .profile = &c->profile, .merged = &c->merged };
	struct buf *out = &c->reply;

	assert(index == work->n_done);
	s.request->cmd.principal = work->who->principal;
	s.request->cmd.request_id = s.request->key;
	*ret_refusal = work->batch.refusals[index];
	buf_clear(out);
	enum status st = terminal_prepare(c, work, index);
	if (step_refused(&s))
		refusal_encode(ret_refusal, &work->arena, out);
	else if (st == ST_OK)
		st = run(&s, out);
	if (st == ST_OK)
		st = buf_status(out);
	char *copy = st == ST_OK ? arena_memdup(&work->arena, out->data, out->len) : NULL;
	if (st == ST_OK && copy == NULL)
		st = ST_NOMEM;
	if (copy != NULL) {
		work->responses[index] = bytes_of(copy, out->len);
		work->results[index] = ret_refusal->result;
		work->unrecorded[index] = s.by_receipt;
		work->n_done = index + 1;
	}
	if (st == ST_OK && s.request->want_receipt && s.has_id)
		st = receipt_want(c, work, index, s.id);
	return st;
}
