/*
 * Two entries, field by field, in the order of ledger.proto.  The first difference is kept; what comes after it says nothing new.  Rows
 * within a row are named by the outer row alone.
 */
#include "ledger/comparison.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- values ---- */

void
comparison_differ(struct comparison *c, const char *field, const char *stored, const char *decided)
{
	struct redecide_difference *d = c->difference;

	if (c->differs)
		return;
	c->differs = true;
	if (c->list == NULL)
		snprintf(d->field, sizeof(d->field), "%s", field);
	else
		snprintf(d->field, sizeof(d->field), "%s[%zu]%s%s", c->list, c->at, field[0] == 0 ? "" : ".", field);
	snprintf(d->sentence, sizeof(d->sentence), "%s is stored as %.90s, and decided as %.90s", d->field, stored, decided);
}

static void
same_number(struct comparison *c, const char *field, int64_t stored, int64_t decided)
{
	char texts[2][24];

	if (stored == decided)
		return;
	snprintf(texts[0], sizeof(texts[0]), "%" PRId64, stored);
	snprintf(texts[1], sizeof(texts[1]), "%" PRId64, decided);
	comparison_differ(c, field, texts[0], texts[1]);
}

static void
same_unsigned(struct comparison *c, const char *field, uint64_t stored, uint64_t decided)
{
	char texts[2][24];

	if (stored == decided)
		return;
	snprintf(texts[0], sizeof(texts[0]), "%" PRIu64, stored);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, decided);
	comparison_differ(c, field, texts[0], texts[1]);
}

static void
same_bool(struct comparison *c, const char *field, bool stored, bool decided)
{
	if (stored != decided)
		comparison_differ(c, field, stored ? "true" : "false", decided ? "true" : "false");
}

static void
same_presence(struct comparison *c, const char *field, bool stored, bool decided)
{
	if (stored != decided)
		comparison_differ(c, field, stored ? "there" : "absent", decided ? "there" : "absent");
}

static void
same_text(struct comparison *c, const char *field, const char *stored, const char *decided)
{
	same_presence(c, field, stored != NULL, decided != NULL);
	if (stored != NULL && decided != NULL && strcmp(stored, decided) != 0)
		comparison_differ(c, field, stored, decided);
}

static const char *
day_text(int32_t day, char text[static DAY_TEXT_BYTES])
{
	return day == DAY_NONE ? "absent" : day == DAY_CLOCK ? "that of the inactivity clock" : day_format(day, text);
}

static void
same_day(struct comparison *c, const char *field, int32_t stored, int32_t decided)
{
	char texts[2][DAY_TEXT_BYTES];

	if (stored != decided)
		comparison_differ(c, field, day_text(stored, texts[0]), day_text(decided, texts[1]));
}

static void
same_instant(struct comparison *c, const char *field, int64_t stored, int64_t decided)
{
	char texts[2][INSTANT_TEXT_BYTES];

	if (stored != decided)
		comparison_differ(c, field, instant_format(stored, texts[0]), instant_format(decided, texts[1]));
}

static void
same_id(struct comparison *c, const char *field, struct entry_id stored, struct entry_id decided)
{
	char texts[2][40];

	if (stored.seq == decided.seq && stored.index == decided.index)
		return;
	snprintf(texts[0], sizeof(texts[0]), "%" PRIu64 ".%" PRIu32, stored.seq, stored.index);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64 ".%" PRIu32, decided.seq, decided.index);
	comparison_differ(c, field, texts[0], texts[1]);
}

/* A public key, which a sentence has no room for. */
static void
same_key(struct comparison *c, const char *field, struct bytes stored, struct bytes decided)
{
	if (!bytes_equal(stored, decided))
		comparison_differ(c, field, "one key", "another");
}

/* A list, row by row; a row that only one side has differs as a whole. */
typedef void same_row_fn(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i);

static void
same_rows(struct comparison *c, const char *list, const struct entry *stored, const struct entry *decided, size_t n_stored, size_t n_decided,
    same_row_fn *same_row)
{
	c->list = list;
	for (c->at = 0; c->at < n_stored && c->at < n_decided && !c->differs; c->at++)
		same_row(c, stored, decided, c->at);
	if (n_stored != n_decided)
		same_presence(c, "", c->at < n_stored, c->at < n_decided);
	c->list = NULL;
}

/* ---- inputs ---- */

static void
same_line(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct entry_line *a = &stored->u.purchase.lines[i], *b = &decided->u.purchase.lines[i];

	same_text(c, "sku", a->sku, b->sku);
	same_text(c, "category", a->category, b->category);
	same_unsigned(c, "qty", a->qty, b->qty);
	same_number(c, "amount", a->amount, b->amount);
}

static void
same_purchase(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_number(c, "inputs.purchase.amount", a->u.purchase.amount, b->u.purchase.amount);
	same_rows(c, "inputs.purchase.lines", a, b, a->u.purchase.n_lines, b->u.purchase.n_lines, same_line);
	same_text(c, "inputs.purchase.partner", a->u.purchase.partner, b->u.purchase.partner);
	same_presence(c, "inputs.purchase.paid_with_points", a->u.purchase.has_paid_with_points, b->u.purchase.has_paid_with_points);
	same_number(c, "inputs.purchase.paid_with_points", a->u.purchase.paid_with_points, b->u.purchase.paid_with_points);
	same_text(c, "inputs.purchase.receipt_no", a->u.purchase.receipt_no, b->u.purchase.receipt_no);
}

static void
same_activity(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_text(c, "inputs.activity.activity", a->u.activity.activity, b->u.activity.activity);
	same_presence(c, "inputs.activity.amount", a->u.activity.has_amount, b->u.activity.has_amount);
	same_number(c, "inputs.activity.amount", a->u.activity.amount, b->u.activity.amount);
	same_unsigned(c, "inputs.activity.qty", a->u.activity.qty, b->u.activity.qty);
	same_presence(c, "inputs.activity.score", a->u.activity.has_score, b->u.activity.has_score);
	same_unsigned(c, "inputs.activity.score", a->u.activity.score, b->u.activity.score);
	same_presence(c, "inputs.activity.purchase", a->u.activity.has_purchase, b->u.activity.has_purchase);
	same_id(c, "inputs.activity.purchase", a->u.activity.purchase, b->u.activity.purchase);
	same_text(c, "inputs.activity.partner", a->u.activity.partner, b->u.activity.partner);
}

static void
same_voucher_ref(struct comparison *c, const struct voucher_ref *a, const struct voucher_ref *b)
{
	same_text(c, "inputs.voucher.id", a->id, b->id);
	same_id(c, "inputs.voucher.from", a->from, b->from);
	same_unsigned(c, "inputs.voucher.n", a->n, b->n);
}

static void
same_voucher_inputs(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_voucher_ref(c, &a->u.voucher.voucher, &b->u.voucher.voucher);
	same_presence(c, "inputs.order_amount", a->u.voucher.has_order_amount, b->u.voucher.has_order_amount);
	same_number(c, "inputs.order_amount", a->u.voucher.order_amount, b->u.voucher.order_amount);
	same_bool(c, "inputs.offline", a->u.voucher.offline, b->u.voucher.offline);
	same_text(c, "inputs.reason", a->u.voucher.reason, b->u.voucher.reason);
}

static void
same_hold_inputs(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_presence(c, "inputs.hold.voucher", a->u.hold.of_voucher, b->u.hold.of_voucher);
	same_voucher_ref(c, &a->u.hold.voucher, &b->u.hold.voucher);
	same_number(c, "inputs.hold.points", a->u.hold.points, b->u.hold.points);
	same_number(c, "inputs.hold.ttl_us", a->u.hold.ttl_us, b->u.hold.ttl_us);
	same_presence(c, "inputs.hold.order_amount", a->u.hold.has_order_amount, b->u.hold.has_order_amount);
	same_number(c, "inputs.hold.order_amount", a->u.hold.order_amount, b->u.hold.order_amount);
	same_bool(c, "inputs.hold.pool", a->u.hold.pool, b->u.hold.pool);
	same_text(c, "inputs.hold.partner", a->u.hold.partner, b->u.hold.partner);
	same_text(c, "inputs.hold.for_terminal", a->u.hold.for_terminal, b->u.hold.for_terminal);
}

static void
same_redeem(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_number(c, "inputs.redeem.points", a->u.redeem.points, b->u.redeem.points);
	same_presence(c, "inputs.redeem.order_amount", a->u.redeem.has_order_amount, b->u.redeem.has_order_amount);
	same_number(c, "inputs.redeem.order_amount", a->u.redeem.order_amount, b->u.redeem.order_amount);
	same_text(c, "inputs.redeem.reward", a->u.redeem.reward, b->u.redeem.reward);
	same_bool(c, "inputs.redeem.round_down", a->u.redeem.round_down, b->u.redeem.round_down);
	same_bool(c, "inputs.redeem.pool", a->u.redeem.pool, b->u.redeem.pool);
	same_text(c, "inputs.redeem.partner", a->u.redeem.partner, b->u.redeem.partner);
}

static void
same_adjust(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_number(c, "inputs.adjust.points", a->u.adjust.points, b->u.adjust.points);
	same_text(c, "inputs.adjust.reason", a->u.adjust.reason, b->u.adjust.reason);
	same_day(c, "inputs.adjust.last_day", a->u.adjust.last_day, b->u.adjust.last_day);
	same_bool(c, "inputs.adjust.tier_points", a->u.adjust.tier_points, b->u.adjust.tier_points);
}

static void
same_publish(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_text(c, "inputs.publish.program", a->u.publish.id, b->u.publish.id);
	same_unsigned(c, "inputs.publish.version", a->u.publish.version, b->u.publish.version);
	if (!bytes_equal(a->u.publish.definition, b->u.publish.definition))
		comparison_differ(c, "inputs.publish.definition", "other bytes", "these");
	if (!bytes_equal(a->u.publish.zone_data, b->u.publish.zone_data))
		comparison_differ(c, "inputs.publish.zone_data", "other bytes", "these");
}

static void
same_past_line(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct entry_line *a = &stored->u.past.lines[i], *b = &decided->u.past.lines[i];

	same_text(c, "sku", a->sku, b->sku);
	same_text(c, "category", a->category, b->category);
	same_unsigned(c, "qty", a->qty, b->qty);
	same_number(c, "amount", a->amount, b->amount);
}

static void
same_past(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_id(c, "inputs.entry", a->u.past.entry, b->u.past.entry);
	same_presence(c, "inputs.amount", a->u.past.has_amount, b->u.past.has_amount);
	same_number(c, "inputs.amount", a->u.past.amount, b->u.past.amount);
	same_presence(c, "inputs.points", a->u.past.has_points, b->u.past.has_points);
	same_number(c, "inputs.points", a->u.past.points, b->u.past.points);
	same_rows(c, "inputs.lines", a, b, a->u.past.n_lines, b->u.past.n_lines, same_past_line);
}

static void
same_opening_lot(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_number(c, "points", stored->u.opening.lots[i].points, decided->u.opening.lots[i].points);
	same_day(c, "last_day", stored->u.opening.lots[i].last_day, decided->u.opening.lots[i].last_day);
}

static void
same_opening_counter(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_text(c, "id", stored->u.opening.counters[i].id, decided->u.opening.counters[i].id);
	same_number(c, "count", stored->u.opening.counters[i].count, decided->u.opening.counters[i].count);
}

static void
same_opening(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_rows(c, "inputs.opening.lots", a, b, a->u.opening.n_lots, b->u.opening.n_lots, same_opening_lot);
	same_text(c, "inputs.opening.tier", a->u.opening.tier, b->u.opening.tier);
	same_day(c, "inputs.opening.tier_until", a->u.opening.tier_until, b->u.opening.tier_until);
	same_rows(c, "inputs.opening.counters", a, b, a->u.opening.n_counters, b->u.opening.n_counters, same_opening_counter);
}

static void
same_inputs(struct comparison *c, const struct entry *a, const struct entry *b)
{
	switch (a->op) {
	case OP_PUBLISH: same_publish(c, a, b); break;
	case OP_PURCHASE: same_purchase(c, a, b); break;
	case OP_ACTIVITY: same_activity(c, a, b); break;
	case OP_HOLD: same_hold_inputs(c, a, b); break;
	case OP_REDEEM: same_redeem(c, a, b); break;
	case OP_ADJUST: same_adjust(c, a, b); break;
	case OP_CAPTURE: case OP_RELEASE: case OP_HOLD_TIMEOUT: case OP_HOLD_EXPIRE:
		same_id(c, "inputs.hold", a->u.capture.hold, b->u.capture.hold);
		same_presence(c, "inputs.capture.points", a->u.capture.has_points, b->u.capture.has_points);
		same_number(c, "inputs.capture.points", a->u.capture.points, b->u.capture.points);
		break;
	case OP_TIER:
		same_text(c, "inputs.tier.tier", a->u.tier.tier, b->u.tier.tier);
		same_text(c, "inputs.tier.reason", a->u.tier.reason, b->u.tier.reason);
		same_day(c, "inputs.tier.until", a->u.tier.until, b->u.tier.until);
		break;
	case OP_VOUCHER_USE: case OP_VOUCHER_VOID:
		same_voucher_inputs(c, a, b);
		break;
	case OP_RETURN: case OP_REVERSE_REDEEM:
		same_past(c, a, b);
		break;
	case OP_TRANSFER: case OP_MERGE: case OP_POOL_JOIN:
		same_unsigned(c, "inputs.member", a->u.other.member, b->u.other.member);
		same_number(c, "inputs.points", a->u.other.points, b->u.other.points);
		break;
	case OP_ADVANCE:
		same_number(c, "inputs.points", a->u.advance.points, b->u.advance.points);
		break;
	case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE:
		same_text(c, "inputs.reason", a->u.standing.reason, b->u.standing.reason);
		break;
	case OP_ROTATE_KEY:
		same_text(c, "inputs.rotate_key.kind", key_kind_str(a->u.rotate_key.kind), key_kind_str(b->u.rotate_key.kind));
		same_key(c, "inputs.rotate_key.new_key", a->u.rotate_key.new_key, b->u.rotate_key.new_key);
		same_unsigned(c, "inputs.rotate_key.overlap_days", a->u.rotate_key.overlap_days, b->u.rotate_key.overlap_days);
		same_text(c, "inputs.rotate_key.recovery", key_recovery_str(a->u.rotate_key.recovery), key_recovery_str(b->u.rotate_key.recovery));
		break;
	case OP_APPROVE:
		same_id(c, "inputs.approve.command", a->u.approve.command, b->u.approve.command);
		break;
	case OP_APPROVER_KEY:
		same_text(c, "inputs.approver_key.principal", a->u.approver_key.principal, b->u.approver_key.principal);
		same_key(c, "inputs.approver_key.public_key", a->u.approver_key.public_key, b->u.approver_key.public_key);
		same_day(c, "inputs.approver_key.until", a->u.approver_key.until, b->u.approver_key.until);
		break;
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL:
		same_text(c, "inputs.membership", a->u.membership.membership, b->u.membership.membership);
		same_bool(c, "inputs.trial", a->u.membership.trial, b->u.membership.trial);
		break;
	case OP_ENROL:
		same_unsigned(c, "inputs.enrol.referrer", a->u.enrol.referrer, b->u.enrol.referrer);
		break;
	case OP_OPENING:
		same_opening(c, a, b);
		break;
	case OP_CONSENT:
		same_text(c, "inputs.consent.purpose", a->u.consent.purpose, b->u.consent.purpose);
		same_bool(c, "inputs.consent.given", a->u.consent.given, b->u.consent.given);
		break;
	case OP_NONE: case OP_GENESIS: case OP_ZONE_DATA: case OP_RESTORE: case OP_COUNT: case OP_PROFILE: case OP_ERASE: case OP_BIRTHDAY:
	case OP_CLOCK_ACCEPT: case OP_MEMBERSHIP_END: case OP_POOL_LEAVE:
	case OP_TIER_END: case OP_EXPIRE: case OP_LAPSE: case OP_ACTIVATE: case OP_TIER_REVIEW: case OP_TIER_LOOK: case OP_INACTIVITY:
	case OP_ANNIVERSARY: case OP_VOUCHER_EXPIRE: case OP_NOTICE: case OP_AUTO_REDEEM: case OP_STAMP_EXPIRE:
		break;
	}
}

/* ---- facts ---- */

static void
same_grant(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct grant *a = &stored->grants[i], *b = &decided->grants[i];

	same_text(c, "rule", a->rule, b->rule);
	same_number(c, "wanted", a->wanted, b->wanted);
	same_number(c, "granted", a->granted, b->granted);
	same_text(c, "cap", a->cap, b->cap);
}

static void
same_told(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct told *a = &stored->told[i], *b = &decided->told[i];

	same_number(c, "kind", (int64_t)a->kind, (int64_t)b->kind);
	same_number(c, "points", a->points, b->points);
	same_day(c, "last_day", a->last_day, b->last_day);
	same_text(c, "voucher", a->voucher, b->voucher);
	same_id(c, "from", a->from, b->from);
	same_unsigned(c, "n", a->n, b->n);
}

static void
same_counter(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_number(c, "", stored->metrics.counters[i], decided->metrics.counters[i]);
}

static void
same_fall(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct metric_day *a = &stored->falls[i], *b = &decided->falls[i];

	same_day(c, "day", a->day, b->day);
	same_number(c, "metrics.points_earned", a->points_earned, b->points_earned);
	same_number(c, "metrics.spend", a->spend, b->spend);
	same_number(c, "metrics.visits", a->visits, b->visits);
	for (size_t k = 0; k < LEDGER_COUNTERS_MAX; k++)
		same_number(c, "metrics.counters", a->counters[k], b->counters[k]);
}

static void
same_metrics(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_presence(c, "facts.metrics", a->has_metrics, b->has_metrics);
	if (!a->has_metrics || !b->has_metrics)
		return;
	same_number(c, "facts.metrics.points_earned", a->metrics.points_earned, b->metrics.points_earned);
	same_number(c, "facts.metrics.spend", a->metrics.spend, b->metrics.spend);
	same_number(c, "facts.metrics.visits", a->metrics.visits, b->metrics.visits);
	same_rows(c, "facts.metrics.counters", a, b, LEDGER_COUNTERS_MAX, LEDGER_COUNTERS_MAX, same_counter);
}

/* ${prefix}: "facts.", or "" in a row. */
#define FIELD(prefix, name) ((prefix)[0] == 0 ? (name) : "facts." name)

static void
same_tier_state(struct comparison *c, const char *prefix, bool has_a, const struct tier_state *a, bool has_b, const struct tier_state *b)
{
	same_presence(c, FIELD(prefix, "tier"), has_a, has_b);
	if (!has_a || !has_b)
		return;
	same_text(c, FIELD(prefix, "tier.earned"), a->earned, b->earned);
	same_day(c, FIELD(prefix, "tier.since"), a->since, b->since);
	same_day(c, FIELD(prefix, "tier.until"), a->until, b->until);
	same_text(c, FIELD(prefix, "tier.gift"), a->gift, b->gift);
	same_day(c, FIELD(prefix, "tier.gift_until"), a->gift_until, b->gift_until);
	same_day(c, FIELD(prefix, "tier.from"), a->from, b->from);
	same_day(c, FIELD(prefix, "tier.start"), a->start, b->start);
	same_bool(c, FIELD(prefix, "tier.grace"), a->grace, b->grace);
}

static void
same_hold_state(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_presence(c, "facts.hold", a->has_hold, b->has_hold);
	if (!a->has_hold || !b->has_hold)
		return;
	same_presence(c, "facts.hold.id", a->hold.has_id, b->hold.has_id);
	same_id(c, "facts.hold.id", a->hold.id, b->hold.id);
	same_instant(c, "facts.hold.ends_at", a->hold.ends_at_us, b->hold.ends_at_us);
	same_number(c, "facts.hold.left", a->hold.left, b->hold.left);
	same_bool(c, "facts.hold.expire_at_once", a->hold.expire_at_once, b->hold.expire_at_once);
	same_text(c, "facts.hold.for_store", a->hold.for_store, b->hold.for_store);
	same_text(c, "facts.hold.for_terminal", a->hold.for_terminal, b->hold.for_terminal);
}

static void
same_clock(struct comparison *c, const char *prefix, const struct inactivity_clock *a, const struct inactivity_clock *b)
{
	same_presence(c, FIELD(prefix, "inactivity"), a->on, b->on);
	if (!a->on || !b->on)
		return;
	same_day(c, FIELD(prefix, "inactivity.last_day"), a->last_day, b->last_day);
	same_unsigned(c, FIELD(prefix, "inactivity.months"), a->months, b->months);
	same_unsigned(c, FIELD(prefix, "inactivity.percent"), a->percent, b->percent);
}

static void
same_change(struct comparison *c, const struct pending_change *a, const struct pending_change *b)
{
	same_presence(c, "from", a->has_from, b->has_from);
	same_id(c, "from", a->p.from, b->p.from);
	same_day(c, "due_day", a->p.due_day, b->p.due_day);
	same_text(c, "activity", a->p.activity, b->p.activity);
	same_text(c, "term", a->p.term, b->p.term);
	same_unsigned(c, "version", a->p.version, b->p.version);
	same_text(c, "class", lot_class_str(a->p.class), lot_class_str(b->p.class));
	same_number(c, "points", a->p.points, b->p.points);
}

static void
same_pending(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_change(c, &stored->pendings[i], &decided->pendings[i]);
}

static void
same_use(struct comparison *c, const struct tally *a, const struct tally *b)
{
	same_number(c, "kind", a->kind, b->kind);
	same_text(c, "id", a->id, b->id);
	same_number(c, "per", a->per, b->per);
	same_number(c, "at", a->at, b->at);
	same_number(c, "points", a->points, b->points);
	same_number(c, "count", a->count, b->count);
}

static void
same_tally(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_use(c, &stored->tallies[i], &decided->tallies[i]);
}

static void
same_used(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_use(c, &stored->used[i], &decided->used[i]);
}

/* Rows in a row are told as the row. */
static void
same_followup(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct followup *a = &stored->followups[i], *b = &decided->followups[i];

	same_id(c, "entry", a->entry, b->entry);
	same_bool(c, "returned", a->returned, b->returned);
	same_number(c, "left", a->left, b->left);
	same_unsigned(c, "lines", a->n_lines, b->n_lines);
	for (size_t k = 0; k < a->n_lines && k < b->n_lines; k++) {
		same_unsigned(c, "lines.qty", a->lines[k].qty, b->lines[k].qty);
		same_number(c, "lines.amount", a->lines[k].amount, b->lines[k].amount);
	}
	same_number(c, "clawed", a->clawed, b->clawed);
	same_unsigned(c, "stepped", a->n_stepped, b->n_stepped);
	for (size_t k = 0; k < a->n_stepped && k < b->n_stepped; k++) {
		same_text(c, "stepped.rule", a->stepped[k].rule, b->stepped[k].rule);
		same_number(c, "stepped.points", a->stepped[k].points, b->stepped[k].points);
	}
	same_number(c, "fallen", a->fallen, b->fallen);
	same_unsigned(c, "activations", a->n_activations, b->n_activations);
	for (size_t k = 0; k < a->n_activations && k < b->n_activations; k++) {
		same_day(c, "activations.day", a->activations[k].day, b->activations[k].day);
		same_day(c, "activations.last_day", a->activations[k].last_day, b->activations[k].last_day);
		same_number(c, "activations.points", a->activations[k].points, b->activations[k].points);
	}
	same_unsigned(c, "owed", a->n_owed, b->n_owed);
	for (size_t k = 0; k < a->n_owed && k < b->n_owed; k++) {
		same_text(c, "owed.rule", a->owed[k].rule, b->owed[k].rule);
		same_number(c, "owed.points", a->owed[k].points, b->owed[k].points);
	}
	same_number(c, "reversed", a->reversed, b->reversed);
	same_number(c, "lapsed", a->lapsed, b->lapsed);
	same_number(c, "referee_clawed", a->referee_clawed, b->referee_clawed);
	same_number(c, "referrer_clawed", a->referrer_clawed, b->referrer_clawed);
}

static void
same_voucher_change(struct comparison *c, const struct voucher_change *a, const struct voucher_change *b)
{
	same_presence(c, "from", a->has_from, b->has_from);
	same_id(c, "from", a->v.from, b->v.from);
	same_unsigned(c, "n", a->v.n, b->v.n);
	same_text(c, "id", a->v.id, b->v.id);
	same_text(c, "state", voucher_state_str(a->v.state), voucher_state_str(b->v.state));
	same_text(c, "source", voucher_source_str(a->v.source), voucher_source_str(b->v.source));
	same_text(c, "of", a->v.of, b->v.of);
	same_unsigned(c, "at", a->v.at, b->v.at);
	same_day(c, "last_day", a->v.last_day, b->v.last_day);
}

static void
same_stamps(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct stamp_change *a = &stored->stamps[i], *b = &decided->stamps[i];

	same_text(c, "card", a->card.id, b->card.id);
	same_number(c, "stamps", a->card.stamps, b->card.stamps);
	same_day(c, "last_day", a->card.last_day, b->card.last_day);
	same_unsigned(c, "fired", a->card.n_fired, b->card.n_fired);
	for (size_t k = 0; k < a->card.n_fired && k < b->card.n_fired; k++)
		same_unsigned(c, "fired", a->card.fired[k], b->card.fired[k]);
	same_number(c, "wanted", a->wanted, b->wanted);
	same_number(c, "granted", a->granted, b->granted);
	same_number(c, "dropped", a->dropped, b->dropped);
}

static void
same_side(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct side *a = &stored->sides[i], *b = &decided->sides[i];

	same_unsigned(c, "member", a->member, b->member);
	same_tier_state(c, "", a->has_tier, &a->tier, b->has_tier, &b->tier);
	same_clock(c, "", &a->clock, &b->clock);
	same_unsigned(c, "tallies", a->n_tallies, b->n_tallies);
	for (size_t k = 0; k < a->n_tallies && k < b->n_tallies; k++)
		same_use(c, &a->tallies[k], &b->tallies[k]);
	same_unsigned(c, "vouchers", a->n_vouchers, b->n_vouchers);
	for (size_t k = 0; k < a->n_vouchers && k < b->n_vouchers; k++)
		same_voucher_change(c, &a->vouchers[k], &b->vouchers[k]);
	same_unsigned(c, "pendings", a->n_pendings, b->n_pendings);
	for (size_t k = 0; k < a->n_pendings && k < b->n_pendings; k++)
		same_change(c, &a->pendings[k], &b->pendings[k]);
}

static void
same_referral(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_presence(c, "facts.referral", a->has_referral, b->has_referral);
	if (!a->has_referral || !b->has_referral)
		return;
	same_unsigned(c, "facts.referral.referrer", a->referral.referrer, b->referral.referrer);
	same_number(c, "facts.referral.referrer_points", a->referral.referrer_points, b->referral.referrer_points);
	same_number(c, "facts.referral.referee_points", a->referral.referee_points, b->referral.referee_points);
	same_day(c, "facts.referral.referrer_last_day", a->referral.referrer_last_day, b->referral.referrer_last_day);
	same_day(c, "facts.referral.referee_last_day", a->referral.referee_last_day, b->referral.referee_last_day);
}

static void
same_merged(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_unsigned(c, "", stored->merged[i], decided->merged[i]);
}

static void
same_voucher(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_voucher_change(c, &stored->vouchers[i], &decided->vouchers[i]);
}

static void
same_segment(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_text(c, "", stored->segments[i], decided->segments[i]);
}

static void
same_multiplied_by(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_text(c, "", stored->multiplied_by[i], decided->multiplied_by[i]);
}

static void
same_membership(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct membership *a = &stored->memberships[i], *b = &decided->memberships[i];

	same_text(c, "id", a->id, b->id);
	same_bool(c, "ended", a->ended, b->ended);
	same_bool(c, "cancelled", a->cancelled, b->cancelled);
	same_day(c, "trial", a->trial, b->trial);
	same_day(c, "anchor", a->anchor, b->anchor);
	same_unsigned(c, "periods", a->periods, b->periods);
	same_day(c, "next", a->next, b->next);
	same_day(c, "ends", a->ends, b->ends);
	same_day(c, "used", a->used, b->used);
}

static void
same_facts(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_rows(c, "facts.grants", a, b, a->n_grants, b->n_grants, same_grant);
	same_metrics(c, a, b);
	same_tier_state(c, "facts.", a->has_tier, &a->tier, b->has_tier, &b->tier);
	same_hold_state(c, a, b);
	same_day(c, "facts.birthday", a->birthday, b->birthday);
	same_presence(c, "facts.value", a->has_value, b->has_value);
	same_number(c, "facts.value", a->value, b->value);
	same_bool(c, "facts.enrolled", a->enrolled, b->enrolled);
	same_clock(c, "facts.", &a->clock, &b->clock);
	same_rows(c, "facts.pendings", a, b, a->n_pendings, b->n_pendings, same_pending);
	same_rows(c, "facts.vouchers", a, b, a->n_vouchers, b->n_vouchers, same_voucher);
	same_rows(c, "facts.stamps", a, b, a->n_stamps, b->n_stamps, same_stamps);
	same_unsigned(c, "facts.stamp_conditions", a->stamp_conditions, b->stamp_conditions);
	same_rows(c, "facts.segments", a, b, a->n_segments, b->n_segments, same_segment);
	same_rows(c, "facts.tallies", a, b, a->n_tallies, b->n_tallies, same_tally);
	same_unsigned(c, "facts.conditions", a->conditions, b->conditions);
	same_text(c, "facts.multiplied", a->multiplied, b->multiplied);
	same_rows(c, "facts.multiplied_by", a, b, a->n_multiplied_by, b->n_multiplied_by, same_multiplied_by);
	same_rows(c, "facts.memberships", a, b, a->n_memberships, b->n_memberships, same_membership);
	same_presence(c, "facts.refund", a->has_refund, b->has_refund);
	same_number(c, "facts.refund", a->refund, b->refund);
	same_rows(c, "facts.used", a, b, a->n_used, b->n_used, same_used);
	same_rows(c, "facts.falls", a, b, a->n_falls, b->n_falls, same_fall);
	same_rows(c, "facts.followups", a, b, a->n_followups, b->n_followups, same_followup);
	same_rows(c, "facts.sides", a, b, a->n_sides, b->n_sides, same_side);
	same_rows(c, "facts.notices", a, b, a->n_told, b->n_told, same_told);
	same_bool(c, "facts.provisional", a->provisional, b->provisional);
	same_referral(c, a, b);
	same_rows(c, "facts.merged", a, b, a->n_merged, b->n_merged, same_merged);
	same_bool(c, "facts.waiting", a->waiting, b->waiting);
	same_bool(c, "facts.conflict", a->conflict, b->conflict);
	same_presence(c, "facts.key_change", a->has_key_change, b->has_key_change);
	same_key(c, "facts.key_change.old_key", a->key_change.old_key, b->key_change.old_key);
	same_presence(c, "facts.key_change.old_until", a->key_change.has_until, b->key_change.has_until);
	same_instant(c, "facts.key_change.old_until", a->key_change.until_us, b->key_change.until_us);
}

/* ---- all of an entry ---- */

static void
same_posting(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	const struct posting *a = &stored->postings[i], *b = &decided->postings[i];

	if (a->account != b->account)
		comparison_differ(c, "account", account_str(a->account), account_str(b->account));
	same_unsigned(c, "member", a->member, b->member);
	same_number(c, "points", a->points, b->points);
	same_day(c, "last_day", a->last_day, b->last_day);
	if (a->class != b->class)
		comparison_differ(c, "class", lot_class_str(a->class), lot_class_str(b->class));
	same_presence(c, "hold", a->has_hold, b->has_hold);
	same_id(c, "hold", a->hold, b->hold);
	same_text(c, "partner", a->partner, b->partner);
}

static void
same_touched(struct comparison *c, const struct entry *stored, const struct entry *decided, size_t i)
{
	same_unsigned(c, "member", stored->touched[i].member, decided->touched[i].member);
}

void
comparison_entries(struct comparison *c, const struct entry *a, const struct entry *b)
{
	same_text(c, "principal", a->principal, b->principal);
	same_text(c, "request_id", a->request_id, b->request_id);
	same_unsigned(c, "program_version", a->program_version, b->program_version);
	same_presence(c, "occurred_at", a->has_occurred_at, b->has_occurred_at);
	same_instant(c, "occurred_at", a->occurred_at_us, b->occurred_at_us);
	same_presence(c, "due_at", a->has_due_at, b->has_due_at);
	same_instant(c, "due_at", a->due_at_us, b->due_at_us);
	same_day(c, "business_date", a->business_date, b->business_date);
	same_unsigned(c, "member", a->member, b->member);
	same_text(c, "store", a->store, b->store);
	same_text(c, "terminal", a->terminal, b->terminal);
	same_unsigned(c, "terminal_seq", a->terminal_seq, b->terminal_seq);
	same_unsigned(c, "terminal_refused", a->n_refused, b->n_refused);
	for (size_t i = 0; i < a->n_refused && i < b->n_refused; i++) {
		same_unsigned(c, "terminal_refused.first", a->refused[i].first, b->refused[i].first);
		same_unsigned(c, "terminal_refused.last", a->refused[i].last, b->refused[i].last);
	}
	same_unsigned(c, "program", a->program, b->program);
	if (a->op == b->op)
		same_inputs(c, a, b);
	else
		comparison_differ(c, "inputs", op_str(a->op), op_str(b->op));
	same_facts(c, a, b);
	same_rows(c, "postings", a, b, a->n_postings, b->n_postings, same_posting);
	same_rows(c, "touched", a, b, a->n_touched, b->n_touched, same_touched);
}
