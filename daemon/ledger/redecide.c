/*
 * The way back: decimals at the scale of their program, which no version changes, so they come out as the integers that they were; facts
 * as given; references as the ids that they named.  Then decide() or decide_due() as for a live command, and a comparison field by field.
 *
 * An entry may be forged.  What decide() takes for granted of a command that went through the codec it must not find broken here: each
 * value is one that the codec lets pass, or decide() refuses it.
 */
#include "ledger/redecide.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledger/comparison.h"

/* ---- earlier entries ---- */

bool
entry_names(const struct entry *entry, struct entry_id *ret_id)
{
	if (entry->op == OP_RETURN || entry->op == OP_REVERSE_REDEEM) {
		*ret_id = entry->u.past.entry;
		return true;
	}
	if (entry->op == OP_ACTIVITY && entry->u.activity.has_purchase) {
		*ret_id = entry->u.activity.purchase;
		return true;
	}
	if (entry->op == OP_APPROVE) {
		*ret_id = entry->u.approve.command;
		return true;
	}
	return false;
}

/* Whether an entry of this kind may name one of that: activities and returns purchases, reversals redemptions, approvals adjustments. */
static bool
may_name(enum op op, enum op past)
{
	if (op == OP_REVERSE_REDEEM)
		return past == OP_REDEEM || past == OP_CAPTURE;
	return past == (op == OP_APPROVE ? OP_ADJUST : OP_PURCHASE);
}

enum status
entry_may_name(const struct ledger_state *state, const struct entry *entry, const struct entry *past, bool *ret)
{
	*ret = entry->program == past->program && may_name(entry->op, past->op);
	return *ret ? member_became(state, entry->program, past->member, entry->member, ret) : ST_OK;
}

/* ---- from an entry to its command ---- */

static struct decimal
points_of(const struct program *p, int64_t points)
{
	return (struct decimal){ .mantissa = points, .digits = p == NULL ? 0 : (uint8_t)p->scale };
}

static struct decimal
money_of(const struct program *p, int64_t amount)
{
	return (struct decimal){ .mantissa = amount, .digits = p == NULL ? 0 : (uint8_t)p->currency_digits };
}

static enum status
purchase_command(const struct program *p, const struct entry *entry, struct arena *arena, struct cmd *cmd)
{
	size_t n = entry->u.purchase.n_lines;
	struct line *lines = arena_alloc(arena, n * sizeof(*lines));

	if (lines == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct entry_line *line = &entry->u.purchase.lines[i];
		lines[i] = (struct line){ .sku = line->sku, .category = line->category, .qty = line->qty, .amount = money_of(p, line->amount) };
	}
	cmd->u.purchase.amount = money_of(p, entry->u.purchase.amount);
	cmd->u.purchase.n_lines = n;
	cmd->u.purchase.lines = lines;
	cmd->u.purchase.partner = entry->u.purchase.partner;
	cmd->u.purchase.receipt_no = entry->u.purchase.receipt_no;
	cmd->u.purchase.has_paid_with_points = entry->u.purchase.has_paid_with_points;
	cmd->u.purchase.paid_with_points = money_of(p, entry->u.purchase.paid_with_points);
	return ST_OK;
}

/* A return's lines have the amounts that were taken. */
static enum status
past_command(const struct program *p, const struct entry *entry, const struct redecide_given *given, struct arena *arena, struct cmd *cmd)
{
	size_t n = entry->u.past.n_lines;
	struct line *lines = arena_alloc(arena, n * sizeof(*lines));

	if (lines == NULL)
		return ST_NOMEM;
	if (!given->looked)
		return ST_NOTFOUND;
	for (size_t i = 0; i < n; i++) {
		const struct entry_line *line = &entry->u.past.lines[i];
		lines[i] = (struct line){ .sku = line->sku, .category = line->category, .qty = line->qty, .has_amount = true,
		    .amount = money_of(p, line->amount) };
	}
	cmd->u.past.entry = given->past;
	cmd->u.past.id = entry->u.past.entry;
	cmd->u.past.has_amount = entry->u.past.has_amount;
	cmd->u.past.has_points = entry->u.past.has_points;
	cmd->u.past.amount = money_of(p, entry->u.past.amount);
	cmd->u.past.points = points_of(p, entry->u.past.points);
	cmd->u.past.n_lines = n;
	cmd->u.past.lines = lines;
	return ST_OK;
}

static enum status
publish_command(const struct ledger_state *state, const struct entry *entry, const struct redecide_given *given, struct cmd *cmd)
{
	if (given->published == NULL || entry->u.publish.id == NULL)
		return ST_NOTFOUND;
	cmd->program = state->program_number(state->ctx, entry->u.publish.id);
	cmd->u.publish.id = entry->u.publish.id;
	cmd->u.publish.version = entry->u.publish.version;
	cmd->u.publish.definition = entry->u.publish.definition;
	cmd->u.publish.zone_data = entry->u.publish.zone_data;
	cmd->u.publish.compiled = given->published;
	return ST_OK;
}

static void
hold_command(const struct program *p, const struct entry *entry, struct cmd *cmd)
{
	cmd->u.hold.of_voucher = cmd->u.hold.found = entry->u.hold.of_voucher;
	cmd->u.hold.voucher = entry->u.hold.voucher;
	cmd->u.hold.points = points_of(p, entry->u.hold.points);
	cmd->u.hold.has_ttl = true;
	cmd->u.hold.ttl_us = entry->u.hold.ttl_us;
	cmd->u.hold.has_order_amount = entry->u.hold.has_order_amount;
	cmd->u.hold.order_amount = money_of(p, entry->u.hold.order_amount);
	cmd->u.hold.partner = entry->u.hold.partner;
	cmd->u.hold.for_terminal = entry->u.hold.for_terminal;
	cmd->u.hold.pool = entry->u.hold.pool;
}

static void
voucher_command(const struct program *p, const struct entry *entry, struct cmd *cmd)
{
	cmd->u.voucher.found = true;
	cmd->u.voucher.voucher = entry->u.voucher.voucher;
	cmd->u.voucher.offline = entry->u.voucher.offline;
	cmd->u.voucher.has_order_amount = entry->u.voucher.has_order_amount;
	cmd->u.voucher.order_amount = money_of(p, entry->u.voucher.order_amount);
	cmd->u.voucher.reason = entry->u.voucher.reason;
}

static void
capture_command(const struct program *p, const struct entry *entry, struct cmd *cmd)
{
	cmd->u.capture.found = true;
	cmd->u.capture.hold = entry->u.capture.hold;
	cmd->u.capture.has_points = entry->u.capture.has_points;
	cmd->u.capture.points = points_of(p, entry->u.capture.points);
}

static void
redeem_command(const struct program *p, const struct entry *entry, struct cmd *cmd)
{
	cmd->u.redeem.points = points_of(p, entry->u.redeem.points);
	cmd->u.redeem.reward = entry->u.redeem.reward;
	cmd->u.redeem.round_down = entry->u.redeem.round_down;
	cmd->u.redeem.has_order_amount = entry->u.redeem.has_order_amount;
	cmd->u.redeem.order_amount = money_of(p, entry->u.redeem.order_amount);
	cmd->u.redeem.partner = entry->u.redeem.partner;
	cmd->u.redeem.pool = entry->u.redeem.pool;
}

static void
adjust_command(const struct program *p, const struct entry *entry, struct cmd *cmd)
{
	cmd->u.adjust.points = points_of(p, entry->u.adjust.points);
	cmd->u.adjust.reason = entry->u.adjust.reason;
	cmd->u.adjust.last_day = entry->u.adjust.last_day;
	cmd->u.adjust.tier_points = entry->u.adjust.tier_points;
}

static void
tier_command(const struct entry *entry, struct cmd *cmd)
{
	cmd->u.tier.tier = entry->u.tier.tier;
	cmd->u.tier.reason = entry->u.tier.reason;
	cmd->u.tier.until = entry->u.tier.until;
}

static void
activity_command(const struct program *p, const struct entry *entry, const struct redecide_given *given, struct cmd *cmd)
{
	cmd->u.activity.activity = entry->u.activity.activity;
	cmd->u.activity.partner = entry->u.activity.partner;
	cmd->u.activity.has_amount = entry->u.activity.has_amount;
	cmd->u.activity.amount = money_of(p, entry->u.activity.amount);
	cmd->u.activity.qty = entry->u.activity.qty;
	cmd->u.activity.has_score = entry->u.activity.has_score;
	cmd->u.activity.score = entry->u.activity.score;
	cmd->u.activity.names_purchase = entry->u.activity.has_purchase;
	cmd->u.activity.found = entry->u.activity.has_purchase && (given->past != NULL || !given->looked);
	cmd->u.activity.purchase = entry->u.activity.purchase;
}

/* Its signature is looked at where the bytes are that it is of: in the replay. */
static enum status
approve_command(const struct entry *entry, const struct redecide_given *given, struct cmd *cmd)
{
	if (!given->looked)
		return ST_NOTFOUND;
	cmd->u.approve.entry = given->past;
	cmd->u.approve.id = entry->u.approve.command;
	cmd->u.approve.signature = entry->u.approve.signature;
	cmd->u.approve.key_id = entry->u.approve.key_id;
	cmd->u.approve.verified = true;
	return ST_OK;
}

static enum status
opening_command(const struct program *p, const struct entry *entry, struct arena *arena, struct cmd *cmd)
{
	struct opening_lot *lots = arena_alloc(arena, (entry->u.opening.n_lots + 1) * sizeof(*lots));

	if (lots == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < entry->u.opening.n_lots; i++)
		lots[i] = (struct opening_lot){ points_of(p, entry->u.opening.lots[i].points), entry->u.opening.lots[i].last_day };
	cmd->u.opening.lots = lots;
	cmd->u.opening.n_lots = entry->u.opening.n_lots;
	cmd->u.opening.tier = entry->u.opening.tier;
	cmd->u.opening.tier_until = entry->u.opening.tier_until;
	cmd->u.opening.counters = entry->u.opening.counters;
	cmd->u.opening.n_counters = entry->u.opening.n_counters;
	return ST_OK;
}

/* Who had the alias when the vault was asked: the provisional member that is enrolled, or nobody. */
static enum status
alias_was(const struct ledger_state *state, const struct entry *entry, struct cmd *cmd)
{
	const struct member *m = NULL;
	enum status st = state->member(state->ctx, entry->program, entry->member, &m);

	cmd->member = m == NULL ? 0 : entry->member;
	return st;
}

enum status
entry_command(const struct ledger_state *state, const struct entry *entry, const struct redecide_given *given, struct arena *arena,
    struct cmd *ret_cmd)
{
	const struct program *p = state->program_version(state->ctx, entry->program, 1);	/* for the scales, which all have */
	struct cmd *cmd = ret_cmd;
	enum status st;

	*cmd = (struct cmd){
		.op = entry->op, .principal = entry->principal, .request_id = entry->request_id, .store = entry->store, .terminal = entry->terminal,
		.terminal_seq = entry->terminal_seq, .n_refused = entry->n_refused, .refused = entry->refused,
		.has_occurred_at = entry->has_occurred_at, .occurred_at_us = entry->occurred_at_us,
		.n_segments = entry->n_segments, .segments = entry->segments,
		.program = entry->program, .member = entry->provisional ? 0 : entry->member,
	};
	if (entry->n_merged > LEDGER_TOUCHED_MAX)
		return ST_NOTFOUND;
	cmd->n_merged = entry->n_merged;
	for (size_t i = 0; i < entry->n_merged; i++)
		cmd->merged[i] = entry->merged[i];
	switch (entry->op) {
	case OP_PUBLISH: return publish_command(state, entry, given, cmd);
	case OP_ENROL:
		cmd->u.enrol.names_referrer = entry->u.enrol.referrer != 0;
		cmd->u.enrol.referrer = entry->u.enrol.referrer;
		return alias_was(state, entry, cmd);
	case OP_OPENING:
		st = opening_command(p, entry, arena, cmd);
		return st == ST_OK ? alias_was(state, entry, cmd) : st;
	case OP_CONSENT:
		cmd->u.consent.purpose = entry->u.consent.purpose;
		cmd->u.consent.given = entry->u.consent.given;
		return ST_OK;
	case OP_PURCHASE: return purchase_command(p, entry, arena, cmd);
	case OP_HOLD: hold_command(p, entry, cmd); return ST_OK;
	case OP_CAPTURE: case OP_RELEASE: capture_command(p, entry, cmd); return ST_OK;
	case OP_REDEEM: redeem_command(p, entry, cmd); return ST_OK;
	case OP_ADJUST: adjust_command(p, entry, cmd); return ST_OK;
	case OP_TIER: tier_command(entry, cmd); return ST_OK;
	case OP_BIRTHDAY: cmd->u.birthday.given = entry->birthday; return ST_OK;
	case OP_ACTIVITY: activity_command(p, entry, given, cmd); return ST_OK;
	case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE: cmd->u.standing.reason = entry->u.standing.reason; return ST_OK;
	case OP_PROFILE: case OP_CLOCK_ACCEPT: case OP_POOL_LEAVE: case OP_ERASE: return ST_OK;
	case OP_POOL_JOIN: cmd->u.other.member = entry->u.other.member; return ST_OK;
	case OP_TRANSFER:
		cmd->u.other.member = entry->u.other.member;
		cmd->u.other.points = points_of(p, entry->u.other.points);
		return ST_OK;
	case OP_MERGE:			/* the command is about the one that goes, the entry about the one that stays */
		cmd->u.other.member = entry->member;
		cmd->member = entry->u.other.member;
		return ST_OK;
	case OP_ADVANCE: cmd->u.advance.points = points_of(p, entry->u.advance.points); return ST_OK;
	case OP_VOUCHER_USE: case OP_VOUCHER_VOID: voucher_command(p, entry, cmd); return ST_OK;
	case OP_RETURN: case OP_REVERSE_REDEEM: return past_command(p, entry, given, arena, cmd);
	case OP_ROTATE_KEY:
		cmd->u.rotate_key.kind = entry->u.rotate_key.kind;
		cmd->u.rotate_key.new_key = entry->u.rotate_key.new_key;
		cmd->u.rotate_key.overlap_days = entry->u.rotate_key.overlap_days;
		cmd->u.rotate_key.recovery = entry->u.rotate_key.recovery;
		return ST_OK;
	case OP_APPROVE:
		return approve_command(entry, given, cmd);
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL:
		cmd->u.membership.membership = entry->u.membership.membership;
		cmd->u.membership.trial = entry->u.membership.trial;
		return ST_OK;
	case OP_APPROVER_KEY:
		cmd->u.approver_key.principal = entry->u.approver_key.principal;
		cmd->u.approver_key.public_key = entry->u.approver_key.public_key;
		cmd->u.approver_key.until = entry->u.approver_key.until;
		return ST_OK;
	case OP_NONE: case OP_GENESIS: case OP_ZONE_DATA: case OP_RESTORE: case OP_COUNT:
	case OP_HOLD_TIMEOUT: case OP_TIER_END: case OP_EXPIRE: case OP_LAPSE: case OP_ACTIVATE: case OP_TIER_REVIEW: case OP_TIER_LOOK:
	case OP_INACTIVITY: case OP_HOLD_EXPIRE: case OP_ANNIVERSARY: case OP_VOUCHER_EXPIRE: case OP_MEMBERSHIP_END: case OP_NOTICE:
	case OP_AUTO_REDEEM: case OP_STAMP_EXPIRE:
		break;
	}
	return ST_NOTFOUND;
}

static bool
due_kind_of(enum op op, enum due_kind *ret)
{
	switch (op) {
	case OP_HOLD_TIMEOUT: *ret = DUE_HOLD_TIMEOUT; return true;
	case OP_LAPSE: *ret = DUE_LAPSE; return true;
	case OP_ACTIVATE: *ret = DUE_ACTIVATE; return true;
	case OP_BIRTHDAY: *ret = DUE_BIRTHDAY; return true;
	case OP_ANNIVERSARY: *ret = DUE_ANNIVERSARY; return true;
	case OP_TIER_END: *ret = DUE_TIER_END; return true;
	case OP_MEMBERSHIP_END: *ret = DUE_MEMBERSHIP_END; return true;
	case OP_TIER_REVIEW: *ret = DUE_TIER_REVIEW; return true;
	case OP_EXPIRE: *ret = DUE_EXPIRE; return true;
	case OP_INACTIVITY: *ret = DUE_INACTIVITY; return true;
	case OP_HOLD_EXPIRE: *ret = DUE_HOLD_EXPIRE; return true;
	case OP_TIER_LOOK: *ret = DUE_TIER_LOOK; return true;
	case OP_VOUCHER_EXPIRE: *ret = DUE_VOUCHER_EXPIRE; return true;
	case OP_NOTICE: *ret = DUE_NOTICE; return true;
	case OP_AUTO_REDEEM: *ret = DUE_AUTO_REDEEM; return true;
	case OP_STAMP_EXPIRE: *ret = DUE_STAMP_EXPIRE; return true;
	case OP_OPENING: case OP_CONSENT: case OP_ERASE:
	case OP_NONE: case OP_GENESIS: case OP_PUBLISH: case OP_ENROL: case OP_PROFILE: case OP_PURCHASE: case OP_HOLD: case OP_CAPTURE:
	case OP_RELEASE: case OP_REDEEM: case OP_ADJUST: case OP_TIER: case OP_CLOCK_ACCEPT: case OP_ZONE_DATA: case OP_ACTIVITY:
	case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE: case OP_RETURN: case OP_REVERSE_REDEEM: case OP_TRANSFER: case OP_MERGE: case OP_ADVANCE:
	case OP_ROTATE_KEY: case OP_APPROVE: case OP_APPROVER_KEY: case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW:
	case OP_MEMBERSHIP_CANCEL: case OP_VOUCHER_USE: case OP_VOUCHER_VOID: case OP_POOL_JOIN: case OP_POOL_LEAVE: case OP_RESTORE: case OP_COUNT:
		break;
	}
	return false;
}

enum status
entry_due(const struct entry *entry, struct due *ret_due)
{
	struct due due = { .at_us = entry->due_at_us };

	if (!entry->has_due_at || !due_kind_of(entry->op, &due.kind))
		return ST_NOTFOUND;
	if (due.kind == DUE_HOLD_TIMEOUT || due.kind == DUE_HOLD_EXPIRE)
		due.hold = entry->u.capture.hold;
	if (due.kind == DUE_BIRTHDAY)
		due.birthday = entry->birthday;
	*ret_due = due;
	return ST_OK;
}

/* ---- what had to come before it ---- */

static void
out_of_order(struct comparison *c, const char *field, const char *what, int64_t at_us)
{
	char text[INSTANT_TEXT_BYTES];

	c->differs = true;
	snprintf(c->difference->field, sizeof(c->difference->field), "%s", field);
	snprintf(c->difference->sentence, sizeof(c->difference->sentence), "%s: %s at %s", field, what, instant_format(at_us, text));
}

/* Nothing else of the member's is due before it, nor is it done before its time.  Of birthdays only the vault knows. */
static void
due_in_turn(struct comparison *c, const struct member *m, const struct program *p, const struct program *then, const struct due *due,
    int64_t now_us)
{
	/* The midnight before the program began is its first version's, as for decide_due(), which looks at a voucher's window. */
	bool on_the_day = (then != NULL ? then : p)->birthday_voucher == VOUCHER_INDEX_NONE;
	struct due first;
	bool any = due_next(m, p, due->at_us, &first);

	if (due->at_us > now_us)
		out_of_order(c, "due_at", "it is done too early, its transaction is decided", now_us);
	else if (due->kind == DUE_BIRTHDAY && zone_midnight_us(&p->zone, zone_day(&p->zone, due->at_us)) != due->at_us)
		out_of_order(c, "due_at", "rewards of birthdays come at midnight, and not", due->at_us);
	else if (due->kind == DUE_BIRTHDAY && on_the_day && day_ok(due->birthday) && zone_midnight_us(&p->zone, due->birthday) != due->at_us)
		out_of_order(c, "due_at", "the birthday begins", zone_midnight_us(&p->zone, due->birthday));
	else if (due->kind == DUE_BIRTHDAY ? any && (first.at_us < due->at_us || first.kind < due->kind) : any && (first.kind != due->kind ||
	    first.at_us != due->at_us))
		out_of_order(c, "due_at", "something else was due for the member", first.at_us);
}

/* The members that a command names are rolled forward before it is decided. */
static enum status
command_in_turn(struct comparison *c, const struct ledger_state *state, const struct cmd *cmd, int64_t now_us)
{
	uint64_t named[1 + LEDGER_OTHERS_MAX] = { cmd->member };
	size_t n;
	enum status st = command_others(state, cmd, named + 1, &n);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < 1 + n && !c->differs; i++) {
		const struct member *m = NULL;
		st = named[i] == 0 ? ST_OK : state->member(state->ctx, cmd->program, named[i], &m);

		if (st != ST_OK)
			return st;
		if (m != NULL && m->due_at_us <= now_us)
			out_of_order(c, "member", "something was due for the member, and was not done before,", m->due_at_us);
	}
	return ST_OK;
}

/* The day of a claim is a fact of the vault's; that it is claimed in its window is not. */
static enum status
birthday_in_window(struct comparison *c, const struct ledger_state *state, const struct entry *entry, int64_t now_us)
{
	const struct program *p = state->program_version(state->ctx, entry->program, entry->program_version);
	const struct member *m = NULL;
	int32_t before, after;
	enum status st = state->member(state->ctx, entry->program, entry->member, &m);

	if (st != ST_OK || c->differs)
		return st;
	birthday_window(p, m, &before, &after);
	if (entry->birthday < entry->business_date - after || entry->birthday > entry->business_date + before)
		out_of_order(c, "facts.birthday", "its window is not open", now_us);
	return ST_OK;
}

/* ---- deciding again ---- */

static enum status
redecide_command(struct comparison *c, const struct ledger_state *state, const struct entry *entry, const struct cmd *cmd, int64_t now_us,
    struct arena *arena)
{
	struct refusal refusal;
	struct entry decided;
	enum status st = command_in_turn(c, state, cmd, now_us);

	if (st != ST_OK || c->differs)
		return st;
	if (entry->has_due_at) {
		comparison_differ(c, "due_at", "there", "absent");
		return ST_OK;
	}
	st = decide(state, cmd, now_us, arena, &decided, &refusal);
	if (st != ST_OK)
		return st;
	if (refusal.result == LEDGER_OK) {
		comparison_entries(c, entry, &decided);
		return entry->op == OP_BIRTHDAY ? birthday_in_window(c, state, entry, now_us) : ST_OK;
	}
	c->differs = true;
	snprintf(c->difference->field, sizeof(c->difference->field), "inputs.%s", op_str(entry->op));
	snprintf(c->difference->sentence, sizeof(c->difference->sentence), "it is refused: %s: %s", ledger_result_str(refusal.result), refusal.sentence);
	return ST_OK;
}

static enum status
redecide_due(struct comparison *c, const struct ledger_state *state, const struct entry *entry, const struct due *due, int64_t now_us,
    struct arena *arena)
{
	const struct program *p = state->program_version(state->ctx, entry->program, 1);
	const struct member *m = NULL;
	struct entry decided;
	enum status st = state->member(state->ctx, entry->program, entry->member, &m);

	if (st != ST_OK)
		return st;
	if (m != NULL && p != NULL)
		due_in_turn(c, m, p, state->program_at(state->ctx, entry->program, due->at_us), due, now_us);
	if (c->differs)
		return ST_OK;
	st = decide_due(state, entry->program, entry->member, due, arena, &decided);
	if (st == ST_OK) {
		comparison_entries(c, entry, &decided);
	} else if (st == ST_NOTFOUND) {
		out_of_order(c, "due_at", "nothing of the kind was due for the member", due->at_us);
		st = ST_OK;
	}
	return st;
}

enum status
redecide(const struct ledger_state *state, const struct entry *entry, const struct redecide_given *given, int64_t now_us, struct arena *arena,
    enum redecide_result *ret_result, struct redecide_difference *ret_difference)
{
	struct comparison c = { .difference = ret_difference };
	struct cmd cmd;
	struct due due;

	*ret_result = REDECIDE_OTHER_ENGINE;
	if (entry->engine != LEDGER_ENGINE)
		return ST_OK;
	*ret_result = REDECIDE_NOT_DECIDED;
	enum status st = entry_due(entry, &due);
	if (st == ST_OK) {
		st = redecide_due(&c, state, entry, &due, now_us, arena);
	} else {
		st = entry_command(state, entry, given, arena, &cmd);
		if (st == ST_NOTFOUND)
			return ST_OK;
		if (st == ST_OK)
			st = redecide_command(&c, state, entry, &cmd, now_us, arena);
	}
	if (st == ST_OK)
		*ret_result = c.differs ? REDECIDE_DIFFERS : REDECIDE_EQUAL;
	return st;
}
