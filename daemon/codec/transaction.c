/**
 * Transactions, written by hand: every command that changes something comes through here.
 * A scalar that is zero is left out where absence means zero; a field whose absence says something (days, `has_…`, strings that may
 * be NULL) is written exactly when it is there, zero or not.  So equal entries give equal bytes, and codec_transaction_decode() gives
 * back what was encoded.
 */
#include "codec/codec.h"

#include <assert.h>

#include "codec/field.h"
#include "codec/ledger_fields.h"

static void
put_uint_unless_zero(struct buf *out, uint32_t number, uint64_t v)
{
	if (v != 0)
		field_put_uint(out, number, v);
}

static void
put_sint_unless_zero(struct buf *out, uint32_t number, int64_t v)
{
	if (v != 0)
		field_put_sint(out, number, v);
}

static void
put_day_unless(struct buf *out, uint32_t number, int32_t day, int32_t absent)
{
	if (day != absent)
		field_put_sint(out, number, day);
}

static void
put_text_if_given(struct buf *out, uint32_t number, const char *v)
{
	if (v != NULL)
		field_put_text(out, number, v);
}

static void
put_text_unless_empty(struct buf *out, uint32_t number, const char *v)
{
	if (v != NULL && v[0] != '\0')
		field_put_text(out, number, v);
}

static void
put_bytes_unless_empty(struct buf *out, uint32_t number, struct bytes v)
{
	if (v.len > 0)
		field_put_bytes(out, number, v);
}

static void
put_entry_id(struct buf *out, uint32_t number, struct entry_id id)
{
	size_t begun = field_begin(out, number);

	field_put_uint(out, ENTRY_ID_SEQ, id.seq);
	put_uint_unless_zero(out, ENTRY_ID_INDEX, id.index);
	field_end(out, begun);
}

/* ---- inputs ---- */

static void
put_genesis(struct buf *out, const struct entry *e)
{
	put_uint_unless_zero(out, GENESIS_FORMAT, e->u.genesis.format);
	put_text_unless_empty(out, GENESIS_ORIGIN, e->u.genesis.origin);
	put_bytes_unless_empty(out, GENESIS_TRANSACTION_KEY, e->u.genesis.transaction_key);
	put_bytes_unless_empty(out, GENESIS_CHECKPOINT_KEY, e->u.genesis.checkpoint_key);
	field_put_uint(out, GENESIS_CLOCK, e->u.genesis.manual_clock ? CLOCK_IS_MANUAL : CLOCK_IS_REAL);
}

static void
put_publish(struct buf *out, const struct entry *e)
{
	put_text_unless_empty(out, PUBLISH_PROGRAM, e->u.publish.id);
	put_uint_unless_zero(out, PUBLISH_VERSION, e->u.publish.version);
	put_bytes_unless_empty(out, PUBLISH_DEFINITION, e->u.publish.definition);
	put_bytes_unless_empty(out, PUBLISH_ZONE_DATA, e->u.publish.zone_data);
}

static void
put_nothing(struct buf *out, const struct entry *e)
{
	(void)out;
	(void)e;
}

static void
put_lines(struct buf *out, uint32_t number, const struct entry_line *lines, size_t n)
{
	for (size_t i = 0; i < n; ++i) {
		const struct entry_line *l = &lines[i];
		size_t begun = field_begin(out, number);

		put_text_if_given(out, LINE_SKU, l->sku);
		put_text_if_given(out, LINE_CATEGORY, l->category);
		put_uint_unless_zero(out, LINE_QTY, l->qty);
		put_sint_unless_zero(out, LINE_AMOUNT, l->amount);
		field_end(out, begun);
	}
}

static void
put_purchase(struct buf *out, const struct entry *e)
{
	put_sint_unless_zero(out, PURCHASE_AMOUNT, e->u.purchase.amount);
	put_lines(out, PURCHASE_LINES, e->u.purchase.lines, e->u.purchase.n_lines);
	put_text_if_given(out, PURCHASE_PARTNER, e->u.purchase.partner);
	if (e->u.purchase.has_paid_with_points)
		field_put_sint(out, PURCHASE_PAID_WITH_POINTS, e->u.purchase.paid_with_points);
	put_text_if_given(out, PURCHASE_RECEIPT_NO, e->u.purchase.receipt_no);
}

static void
put_voucher_ref(struct buf *out, uint32_t number, const struct voucher_ref *v)
{
	size_t begun = field_begin(out, number);

	put_text_if_given(out, VOUCHER_REF_ID, v->id);
	put_entry_id(out, VOUCHER_REF_FROM, v->from);
	put_uint_unless_zero(out, VOUCHER_REF_N, v->n);
	field_end(out, begun);
}

static void
put_voucher_use(struct buf *out, const struct entry *e)
{
	put_voucher_ref(out, VOUCHER_USE_VOUCHER, &e->u.voucher.voucher);
	if (e->u.voucher.has_order_amount)
		field_put_sint(out, VOUCHER_USE_ORDER_AMOUNT, e->u.voucher.order_amount);
	put_uint_unless_zero(out, VOUCHER_USE_OFFLINE, e->u.voucher.offline);
}

static void
put_voucher_void(struct buf *out, const struct entry *e)
{
	put_voucher_ref(out, VOUCHER_VOID_VOUCHER, &e->u.voucher.voucher);
	put_text_if_given(out, VOUCHER_VOID_REASON, e->u.voucher.reason);
}

static void
put_hold(struct buf *out, const struct entry *e)
{
	assert(e->u.hold.ttl_us >= 0);
	put_sint_unless_zero(out, HOLD_POINTS, e->u.hold.points);
	put_uint_unless_zero(out, HOLD_TTL_US, (uint64_t)e->u.hold.ttl_us);
	if (e->u.hold.has_order_amount)
		field_put_sint(out, HOLD_ORDER_AMOUNT, e->u.hold.order_amount);
	put_text_if_given(out, HOLD_FOR_TERMINAL, e->u.hold.for_terminal);
	if (e->u.hold.of_voucher)
		put_voucher_ref(out, HOLD_VOUCHER, &e->u.hold.voucher);
	put_uint_unless_zero(out, HOLD_POOL, e->u.hold.pool);
	put_text_if_given(out, HOLD_PARTNER, e->u.hold.partner);
}

static void
put_capture(struct buf *out, const struct entry *e)
{
	put_entry_id(out, CAPTURE_HOLD, e->u.capture.hold);
	if (e->op == OP_CAPTURE && e->u.capture.has_points)
		field_put_sint(out, CAPTURE_POINTS, e->u.capture.points);
}

static void
put_redeem(struct buf *out, const struct entry *e)
{
	put_sint_unless_zero(out, REDEEM_POINTS, e->u.redeem.points);
	if (e->u.redeem.has_order_amount)
		field_put_sint(out, REDEEM_ORDER_AMOUNT, e->u.redeem.order_amount);
	put_uint_unless_zero(out, REDEEM_ROUND_DOWN, e->u.redeem.round_down);
	put_text_if_given(out, REDEEM_REWARD, e->u.redeem.reward);
	put_uint_unless_zero(out, REDEEM_POOL, e->u.redeem.pool);
	put_text_if_given(out, REDEEM_PARTNER, e->u.redeem.partner);
}

static void
put_adjust(struct buf *out, const struct entry *e)
{
	put_sint_unless_zero(out, ADJUST_POINTS, e->u.adjust.points);
	put_text_unless_empty(out, ADJUST_REASON, e->u.adjust.reason);
	put_day_unless(out, ADJUST_LAST_DAY, e->u.adjust.last_day, DAY_NONE);
	put_uint_unless_zero(out, ADJUST_TIER_POINTS, e->u.adjust.tier_points);
}

static void
put_tier(struct buf *out, const struct entry *e)
{
	put_text_unless_empty(out, TIER_TIER, e->u.tier.tier);
	put_text_unless_empty(out, TIER_REASON, e->u.tier.reason);
	put_day_unless(out, TIER_UNTIL, e->u.tier.until, DAY_NEVER);
}

static void
put_activity(struct buf *out, const struct entry *e)
{
	put_text_unless_empty(out, ACTIVITY_ACTIVITY, e->u.activity.activity);
	if (e->u.activity.has_amount)
		field_put_sint(out, ACTIVITY_AMOUNT, e->u.activity.amount);
	put_uint_unless_zero(out, ACTIVITY_QTY, e->u.activity.qty);
	if (e->u.activity.has_score)
		field_put_uint(out, ACTIVITY_SCORE, e->u.activity.score);
	if (e->u.activity.has_purchase)
		put_entry_id(out, ACTIVITY_PURCHASE, e->u.activity.purchase);
	put_text_if_given(out, ACTIVITY_PARTNER, e->u.activity.partner);
}

static void
put_zone_data(struct buf *out, const struct entry *e)
{
	put_bytes_unless_empty(out, ZONE_DATA_ZONE_DATA, e->u.zone_data.zone_data);
}

static void
put_standing(struct buf *out, const struct entry *e)
{
	put_text_if_given(out, STANDING_REASON, e->u.standing.reason);
}

static void
put_return(struct buf *out, const struct entry *e)
{
	put_entry_id(out, RETURN_PURCHASE, e->u.past.entry);
	if (e->u.past.has_amount)
		field_put_sint(out, RETURN_AMOUNT, e->u.past.amount);
	put_lines(out, RETURN_LINES, e->u.past.lines, e->u.past.n_lines);
}

static void
put_reverse_redeem(struct buf *out, const struct entry *e)
{
	put_entry_id(out, REVERSE_REDEEM_REDEEM, e->u.past.entry);
	if (e->u.past.has_points)
		field_put_sint(out, REVERSE_REDEEM_POINTS, e->u.past.points);
}

static void
put_transfer(struct buf *out, const struct entry *e)
{
	put_uint_unless_zero(out, TRANSFER_TO, e->u.other.member);
	put_sint_unless_zero(out, TRANSFER_POINTS, e->u.other.points);
}

static void
put_merge(struct buf *out, const struct entry *e)
{
	put_uint_unless_zero(out, MERGE_FROM, e->u.other.member);
}

static void
put_pool_join(struct buf *out, const struct entry *e)
{
	put_uint_unless_zero(out, POOL_JOIN_HEAD, e->u.other.member);
}

static void
put_advance(struct buf *out, const struct entry *e)
{
	put_sint_unless_zero(out, ADVANCE_POINTS, e->u.advance.points);
}

static void
put_rotate_key(struct buf *out, const struct entry *e)
{
	field_put_uint(out, ROTATE_KEY_KIND, (uint64_t)e->u.rotate_key.kind);
	put_bytes_unless_empty(out, ROTATE_KEY_NEW_KEY, e->u.rotate_key.new_key);
	put_uint_unless_zero(out, ROTATE_KEY_OVERLAP_DAYS, e->u.rotate_key.overlap_days);
	put_text_unless_empty(out, ROTATE_KEY_RECOVERY, key_recovery_str(e->u.rotate_key.recovery));
}

static void
put_approve(struct buf *out, const struct entry *e)
{
	put_entry_id(out, APPROVE_COMMAND, e->u.approve.command);
	put_bytes_unless_empty(out, APPROVE_SIGNATURE, e->u.approve.signature);
	put_bytes_unless_empty(out, APPROVE_KEY_ID, e->u.approve.key_id);
}

static void
put_membership(struct buf *out, const struct entry *e)
{
	put_text_unless_empty(out, MEMBERSHIP_MEMBERSHIP, e->u.membership.membership);
	if (e->op == OP_MEMBERSHIP_START)
		put_uint_unless_zero(out, MEMBERSHIP_TRIAL, e->u.membership.trial);
}

static void
put_approver_key(struct buf *out, const struct entry *e)
{
	put_text_if_given(out, APPROVER_KEY_PRINCIPAL, e->u.approver_key.principal);
	put_bytes_unless_empty(out, APPROVER_KEY_PUBLIC_KEY, e->u.approver_key.public_key);
	put_day_unless(out, APPROVER_KEY_UNTIL, e->u.approver_key.until, DAY_NEVER);
}

static void
put_enrol(struct buf *out, const struct entry *e)
{
	put_uint_unless_zero(out, ENROL_REFERRER, e->u.enrol.referrer);
}

static void
put_opening(struct buf *out, const struct entry *e)
{
	for (size_t i = 0; i < e->u.opening.n_lots; ++i) {
		size_t begun = field_begin(out, OPENING_LOTS);

		put_sint_unless_zero(out, OPENING_LOT_POINTS, e->u.opening.lots[i].points);
		put_day_unless(out, OPENING_LOT_LAST_DAY, e->u.opening.lots[i].last_day, DAY_NEVER);
		field_end(out, begun);
	}
	put_text_if_given(out, OPENING_TIER, e->u.opening.tier);
	put_day_unless(out, OPENING_TIER_UNTIL, e->u.opening.tier_until, DAY_NEVER);
	for (size_t i = 0; i < e->u.opening.n_counters; ++i) {
		size_t begun = field_begin(out, OPENING_COUNTERS);

		put_text_unless_empty(out, OPENING_COUNTER_ID, e->u.opening.counters[i].id);
		put_sint_unless_zero(out, OPENING_COUNTER_COUNT, e->u.opening.counters[i].count);
		field_end(out, begun);
	}
}

static void
put_consent(struct buf *out, const struct entry *e)
{
	put_text_unless_empty(out, CONSENT_PURPOSE, e->u.consent.purpose);
	put_uint_unless_zero(out, CONSENT_GIVEN, e->u.consent.given);
}

static void
put_restore(struct buf *out, const struct entry *e)
{
	put_uint_unless_zero(out, RESTORE_LOST_SIZE, e->u.restore.lost_size);
	put_bytes_unless_empty(out, RESTORE_LOST_ROOT, e->u.restore.lost_root);
	put_text_unless_empty(out, RESTORE_REASON, e->u.restore.reason);
}

static void (*const put_input[OP_COUNT])(struct buf *out, const struct entry *e) = {
	[OP_GENESIS] = put_genesis, [OP_PUBLISH] = put_publish, [OP_ENROL] = put_enrol, [OP_PROFILE] = put_nothing,
	[OP_PURCHASE] = put_purchase, [OP_HOLD] = put_hold, [OP_CAPTURE] = put_capture, [OP_RELEASE] = put_capture,
	[OP_REDEEM] = put_redeem, [OP_ADJUST] = put_adjust, [OP_TIER] = put_tier, [OP_BIRTHDAY] = put_nothing,
	[OP_HOLD_TIMEOUT] = put_capture, [OP_TIER_END] = put_nothing, [OP_EXPIRE] = put_nothing, [OP_CLOCK_ACCEPT] = put_nothing,
	[OP_ACTIVITY] = put_activity, [OP_LAPSE] = put_nothing, [OP_ACTIVATE] = put_nothing,
	[OP_ZONE_DATA] = put_zone_data, [OP_TIER_REVIEW] = put_nothing, [OP_TIER_LOOK] = put_nothing,
	[OP_INACTIVITY] = put_nothing, [OP_HOLD_EXPIRE] = put_capture, [OP_ANNIVERSARY] = put_nothing, [OP_VOUCHER_EXPIRE] = put_nothing,
	[OP_VOUCHER_USE] = put_voucher_use, [OP_VOUCHER_VOID] = put_voucher_void,
	[OP_AUTO_REDEEM] = put_nothing, [OP_STAMP_EXPIRE] = put_nothing, [OP_FREEZE] = put_standing,
	[OP_UNFREEZE] = put_standing, [OP_CLOSE] = put_standing,
	[OP_RETURN] = put_return, [OP_REVERSE_REDEEM] = put_reverse_redeem, [OP_TRANSFER] = put_transfer, [OP_MERGE] = put_merge,
	[OP_ADVANCE] = put_advance, [OP_ROTATE_KEY] = put_rotate_key, [OP_APPROVE] = put_approve, [OP_APPROVER_KEY] = put_approver_key,
	[OP_MEMBERSHIP_START] = put_membership, [OP_MEMBERSHIP_RENEW] = put_membership, [OP_MEMBERSHIP_CANCEL] = put_membership,
	[OP_MEMBERSHIP_END] = put_nothing,
	[OP_NOTICE] = put_nothing, [OP_POOL_JOIN] = put_pool_join, [OP_POOL_LEAVE] = put_nothing,
	[OP_OPENING] = put_opening, [OP_CONSENT] = put_consent, [OP_ERASE] = put_nothing, [OP_RESTORE] = put_restore,
};

static void
put_inputs(struct buf *out, const struct entry *e)
{
	size_t inputs = field_begin(out, ENTRY_INPUTS);
	size_t command = field_begin(out, (uint32_t)e->op);

	put_input[e->op](out, e);
	field_end(out, command);
	field_end(out, inputs);
}

/* ---- facts ---- */

static void
put_tier_state(struct buf *out, uint32_t number, const struct tier_state *t)
{
	size_t begun = field_begin(out, number);

	put_text_unless_empty(out, TIER_STATE_EARNED, t->earned);
	put_day_unless(out, TIER_STATE_SINCE, t->since, DAY_NONE);
	put_day_unless(out, TIER_STATE_UNTIL, t->until, DAY_NEVER);
	put_text_unless_empty(out, TIER_STATE_GIFT, t->gift);
	put_day_unless(out, TIER_STATE_GIFT_UNTIL, t->gift_until, DAY_NEVER);
	put_day_unless(out, TIER_STATE_FROM, t->from, DAY_NONE);
	put_day_unless(out, TIER_STATE_START, t->start, DAY_NONE);
	put_uint_unless_zero(out, TIER_STATE_GRACE, t->grace);
	field_end(out, begun);
}

static void
put_hold_state(struct buf *out, const struct entry *e)
{
	size_t begun = field_begin(out, FACTS_HOLD);

	if (e->hold.has_id)
		put_entry_id(out, HOLD_STATE_ID, e->hold.id);
	field_put_fixed(out, HOLD_STATE_ENDS_AT, e->hold.ends_at_us);
	put_sint_unless_zero(out, HOLD_STATE_LEFT, e->hold.left);
	put_uint_unless_zero(out, HOLD_STATE_EXPIRE_AT_ONCE, e->hold.expire_at_once);
	put_text_if_given(out, HOLD_STATE_FOR_STORE, e->hold.for_store);
	put_text_if_given(out, HOLD_STATE_FOR_TERMINAL, e->hold.for_terminal);
	field_end(out, begun);
}

static void
put_counters(struct buf *out, const int64_t *counters)
{
	size_t n = LEDGER_COUNTERS_MAX;

	while (n > 0 && counters[n - 1] == 0)
		n--;
	for (size_t i = 0; i < n; ++i)
		field_put_sint(out, METRICS_COUNTERS, counters[i]);
}

static void
put_tally(struct buf *out, uint32_t number, const struct tally *t)
{
	size_t begun = field_begin(out, number);

	field_put_uint(out, TALLY_FIELD_KIND, (uint64_t)t->kind);
	put_text_unless_empty(out, TALLY_FIELD_ID, t->id);
	put_uint_unless_zero(out, TALLY_FIELD_PER, (uint64_t)t->per);
	put_sint_unless_zero(out, TALLY_FIELD_AT, t->at);
	put_sint_unless_zero(out, TALLY_FIELD_POINTS, t->points);
	put_sint_unless_zero(out, TALLY_FIELD_COUNT, t->count);
	field_end(out, begun);
}

static void
put_clock(struct buf *out, uint32_t number, const struct inactivity_clock *c)
{
	size_t begun = field_begin(out, number);

	field_put_sint(out, CLOCK_LAST_DAY, c->last_day);
	put_uint_unless_zero(out, CLOCK_MONTHS, c->months);
	put_uint_unless_zero(out, CLOCK_PERCENT, c->percent);
	field_end(out, begun);
}

static void
put_pending(struct buf *out, uint32_t number, const struct pending_change *c)
{
	size_t begun = field_begin(out, number);

	if (c->has_from)
		put_entry_id(out, PENDING_FROM, c->p.from);
	put_sint_unless_zero(out, PENDING_DUE_DAY, c->p.due_day);
	put_text_unless_empty(out, PENDING_ACTIVITY_ID, c->p.activity);
	put_text_unless_empty(out, PENDING_TERM, c->p.term);
	put_uint_unless_zero(out, PENDING_VERSION, c->p.version);
	put_sint_unless_zero(out, PENDING_POINTS, c->p.points);
	if (c->p.class != LOT_EARNED)
		field_put_uint(out, PENDING_CLASS, (uint64_t)c->p.class);
	field_end(out, begun);
}

static void
put_voucher(struct buf *out, uint32_t number, const struct voucher_change *c)
{
	size_t begun = field_begin(out, number);

	if (c->has_from)
		put_entry_id(out, VOUCHER_FROM, c->v.from);
	put_uint_unless_zero(out, VOUCHER_N, c->v.n);
	put_text_unless_empty(out, VOUCHER_ID, c->v.id);
	put_uint_unless_zero(out, VOUCHER_STATE, (uint64_t)c->v.state);
	put_uint_unless_zero(out, VOUCHER_SOURCE, (uint64_t)c->v.source);
	put_text_unless_empty(out, VOUCHER_OF, c->v.of);
	put_uint_unless_zero(out, VOUCHER_AT, c->v.at);
	put_day_unless(out, VOUCHER_LAST_DAY, c->v.last_day, DAY_NEVER);
	field_end(out, begun);
}

static void
put_stamps(struct buf *out, const struct stamp_change *c)
{
	size_t begun = field_begin(out, FACTS_STAMPS);

	put_text_unless_empty(out, STAMP_CARD, c->card.id);
	put_sint_unless_zero(out, STAMP_STAMPS, c->card.stamps);
	put_day_unless(out, STAMP_LAST_DAY, c->card.last_day, DAY_NEVER);
	for (size_t i = 0; i < c->card.n_fired; ++i)
		field_put_uint(out, STAMP_FIRED, c->card.fired[i]);
	put_uint_unless_zero(out, STAMP_WANTED, (uint64_t)c->wanted);
	put_uint_unless_zero(out, STAMP_GRANTED, (uint64_t)c->granted);
	put_uint_unless_zero(out, STAMP_DROPPED, (uint64_t)c->dropped);
	field_end(out, begun);
}

static void
put_metrics(struct buf *out, uint32_t number, const struct metric_day *m)
{
	size_t begun = field_begin(out, number);

	put_sint_unless_zero(out, METRICS_POINTS_EARNED, m->points_earned);
	put_sint_unless_zero(out, METRICS_SPEND, m->spend);
	put_sint_unless_zero(out, METRICS_VISITS, m->visits);
	put_counters(out, m->counters);
	field_end(out, begun);
}

static void
put_fall(struct buf *out, const struct metric_day *m)
{
	size_t begun = field_begin(out, FACTS_FALLS);

	field_put_sint(out, DATED_DAY, m->day);
	put_metrics(out, DATED_METRICS, m);
	field_end(out, begun);
}

static void
put_activation(struct buf *out, const struct activation *a)
{
	size_t begun = field_begin(out, FOLLOWUP_ACTIVATIONS);

	field_put_sint(out, ACTIVATION_DAY, a->day);
	if (a->last_day != DAY_CLOCK)
		put_day_unless(out, ACTIVATION_LAST_DAY, a->last_day, DAY_NEVER);
	put_uint_unless_zero(out, ACTIVATION_INACTIVITY, a->last_day == DAY_CLOCK);
	put_sint_unless_zero(out, ACTIVATION_POINTS, a->points);
	field_end(out, begun);
}

static void
put_returned(struct buf *out, const struct followup *f)
{
	field_put_uint(out, FOLLOWUP_RETURNED, 1);
	put_sint_unless_zero(out, FOLLOWUP_LEFT, f->left);
	for (size_t i = 0; i < f->n_lines; ++i) {
		size_t begun = field_begin(out, FOLLOWUP_LINES);

		put_uint_unless_zero(out, LINE_LEFT_QTY, f->lines[i].qty);
		put_sint_unless_zero(out, LINE_LEFT_AMOUNT, f->lines[i].amount);
		field_end(out, begun);
	}
}

static void
put_points(struct buf *out, uint32_t number, const struct owed *points, size_t n)
{
	for (size_t i = 0; i < n; ++i) {
		size_t begun = field_begin(out, number);

		put_text_unless_empty(out, OWED_RULE, points[i].rule);
		put_sint_unless_zero(out, OWED_POINTS, points[i].points);
		field_end(out, begun);
	}
}

static void
put_followup(struct buf *out, const struct followup *f)
{
	size_t begun = field_begin(out, FACTS_FOLLOWUPS);

	put_entry_id(out, FOLLOWUP_ENTRY, f->entry);
	if (f->returned)
		put_returned(out, f);
	put_sint_unless_zero(out, FOLLOWUP_CLAWED, f->clawed);
	put_points(out, FOLLOWUP_STEPPED, f->stepped, f->n_stepped);
	put_sint_unless_zero(out, FOLLOWUP_FALLEN, f->fallen);
	for (size_t i = 0; i < f->n_activations; ++i)
		put_activation(out, &f->activations[i]);
	put_points(out, FOLLOWUP_OWED, f->owed, f->n_owed);
	put_sint_unless_zero(out, FOLLOWUP_REVERSED, f->reversed);
	put_sint_unless_zero(out, FOLLOWUP_LAPSED, f->lapsed);
	put_sint_unless_zero(out, FOLLOWUP_REFEREE_CLAWED, f->referee_clawed);
	put_sint_unless_zero(out, FOLLOWUP_REFERRER_CLAWED, f->referrer_clawed);
	field_end(out, begun);
}

static void
put_side(struct buf *out, const struct side *s)
{
	size_t begun = field_begin(out, FACTS_SIDES);

	put_uint_unless_zero(out, SIDE_MEMBER, s->member);
	if (s->has_tier)
		put_tier_state(out, SIDE_TIER, &s->tier);
	if (s->clock.on)
		put_clock(out, SIDE_INACTIVITY, &s->clock);
	for (size_t i = 0; i < s->n_tallies; ++i)
		put_tally(out, SIDE_TALLIES, &s->tallies[i]);
	for (size_t i = 0; i < s->n_vouchers; ++i)
		put_voucher(out, SIDE_VOUCHERS, &s->vouchers[i]);
	for (size_t i = 0; i < s->n_pendings; ++i)
		put_pending(out, SIDE_PENDINGS, &s->pendings[i]);
	field_end(out, begun);
}

static void
put_referral(struct buf *out, const struct entry *e)
{
	size_t begun = field_begin(out, FACTS_REFERRAL);

	put_uint_unless_zero(out, REFERRAL_REFERRER, e->referral.referrer);
	put_sint_unless_zero(out, REFERRAL_REFERRER_POINTS, e->referral.referrer_points);
	put_sint_unless_zero(out, REFERRAL_REFEREE_POINTS, e->referral.referee_points);
	if (e->referral.referrer_last_day != DAY_CLOCK)
		put_day_unless(out, REFERRAL_REFERRER_LAST_DAY, e->referral.referrer_last_day, DAY_NEVER);
	if (e->referral.referee_last_day != DAY_CLOCK)
		put_day_unless(out, REFERRAL_REFEREE_LAST_DAY, e->referral.referee_last_day, DAY_NEVER);
	put_uint_unless_zero(out, REFERRAL_REFERRER_INACTIVITY, e->referral.referrer_last_day == DAY_CLOCK);
	put_uint_unless_zero(out, REFERRAL_REFEREE_INACTIVITY, e->referral.referee_last_day == DAY_CLOCK);
	field_end(out, begun);
}

static void
put_membership_state(struct buf *out, const struct membership *s)
{
	size_t begun = field_begin(out, FACTS_MEMBERSHIPS);

	put_text_unless_empty(out, STATE_ID, s->id);
	put_uint_unless_zero(out, STATE_ENDED, s->ended);
	put_uint_unless_zero(out, STATE_CANCELLED, s->cancelled);
	put_day_unless(out, STATE_TRIAL, s->trial, DAY_NONE);
	put_day_unless(out, STATE_ANCHOR, s->anchor, DAY_NONE);
	put_uint_unless_zero(out, STATE_PERIODS, s->periods);
	field_put_sint(out, STATE_NEXT, s->next);
	field_put_sint(out, STATE_ENDS, s->ends);
	put_day_unless(out, STATE_USED, s->used, DAY_NONE);
	field_end(out, begun);
}

static void
put_member_facts(struct buf *out, const struct entry *e)
{
	for (size_t i = 0; i < e->n_memberships; ++i)
		put_membership_state(out, &e->memberships[i]);
	put_uint_unless_zero(out, FACTS_PROVISIONAL, e->provisional);
	if (e->has_referral)
		put_referral(out, e);
	if (e->has_refund)
		field_put_sint(out, FACTS_REFUND, e->refund);
}

static void
put_told(struct buf *out, const struct told *t)
{
	size_t begun = field_begin(out, FACTS_NOTICES);

	field_put_uint(out, TOLD_KIND, (uint64_t)t->kind + 1);
	put_sint_unless_zero(out, TOLD_POINTS, t->points);
	field_put_sint(out, TOLD_LAST_DAY, t->last_day);
	if (t->voucher != NULL) {
		field_put_text(out, TOLD_VOUCHER, t->voucher);
		put_entry_id(out, TOLD_FROM, t->from);
		put_uint_unless_zero(out, TOLD_N, t->n);
	}
	field_end(out, begun);
}

static void
put_key_change(struct buf *out, const struct entry *e)
{
	size_t begun = field_begin(out, FACTS_KEY_CHANGE);

	put_bytes_unless_empty(out, KEY_CHANGE_OLD_KEY, e->key_change.old_key);
	if (e->key_change.has_until)
		field_put_fixed(out, KEY_CHANGE_OLD_UNTIL, e->key_change.until_us);
	field_end(out, begun);
}

static void
put_facts(struct buf *out, const struct entry *e)
{
	for (size_t i = 0; i < e->n_grants; ++i) {
		size_t begun = field_begin(out, FACTS_GRANTS);

		put_text_unless_empty(out, GRANT_RULE, e->grants[i].rule);
		put_sint_unless_zero(out, GRANT_WANTED, e->grants[i].wanted);
		put_sint_unless_zero(out, GRANT_GRANTED, e->grants[i].granted);
		put_text_if_given(out, GRANT_CAP, e->grants[i].cap);
		field_end(out, begun);
	}
	if (e->has_metrics)
		put_metrics(out, FACTS_METRICS, &e->metrics);
	if (e->has_tier)
		put_tier_state(out, FACTS_TIER, &e->tier);
	if (e->has_hold)
		put_hold_state(out, e);
	put_day_unless(out, FACTS_BIRTHDAY, e->birthday, DAY_NONE);
	if (e->has_value)
		field_put_sint(out, FACTS_VALUE, e->value);
	put_uint_unless_zero(out, FACTS_ENROLLED, e->enrolled);
	for (size_t i = 0; i < e->n_tallies; ++i)
		put_tally(out, FACTS_TALLIES, &e->tallies[i]);
	for (size_t i = 0; i < e->n_pendings; ++i)
		put_pending(out, FACTS_PENDING, &e->pendings[i]);
	for (size_t i = 0; i < e->n_segments; ++i)
		field_put_text(out, FACTS_SEGMENTS, e->segments[i]);
	put_uint_unless_zero(out, FACTS_CONDITIONS, e->conditions);
	put_text_if_given(out, FACTS_MULTIPLIED, e->multiplied);
	for (size_t i = 0; i < e->n_used; ++i)
		put_tally(out, FACTS_USED, &e->used[i]);
	for (size_t i = 0; i < e->n_falls; ++i)
		put_fall(out, &e->falls[i]);
	for (size_t i = 0; i < e->n_followups; ++i)
		put_followup(out, &e->followups[i]);
	for (size_t i = 0; i < e->n_sides; ++i)
		put_side(out, &e->sides[i]);
	if (e->has_key_change)
		put_key_change(out, e);
	put_uint_unless_zero(out, FACTS_WAITING, e->waiting);
	for (size_t i = 0; i < e->n_vouchers; ++i)
		put_voucher(out, FACTS_VOUCHERS, &e->vouchers[i]);
	if (e->clock.on)
		put_clock(out, FACTS_INACTIVITY, &e->clock);
	for (size_t i = 0; i < e->n_stamps; ++i)
		put_stamps(out, &e->stamps[i]);
	put_member_facts(out, e);
	put_uint_unless_zero(out, FACTS_CONFLICT, e->conflict);
	put_uint_unless_zero(out, FACTS_STAMP_CONDITIONS, e->stamp_conditions);
	for (size_t i = 0; i < e->n_told; ++i)
		put_told(out, &e->told[i]);
	for (size_t i = 0; i < e->n_merged; ++i)
		field_put_uint(out, FACTS_MERGED, e->merged[i]);
	for (size_t i = 0; i < e->n_multiplied_by; ++i)
		field_put_text(out, FACTS_MULTIPLIED_BY, e->multiplied_by[i]);
}

static bool
has_facts(const struct entry *e)
{
	return e->n_grants > 0 || e->has_metrics || e->has_tier || e->has_hold || e->birthday != DAY_NONE || e->has_value || e->enrolled ||
	    e->clock.on || e->n_tallies > 0 || e->n_pendings > 0 || e->n_segments > 0 || e->conditions != 0 || e->multiplied != NULL ||
	    e->provisional || e->has_referral || e->n_merged > 0 || e->n_used > 0 || e->n_falls > 0 || e->n_followups > 0 || e->n_sides > 0 || e->has_key_change ||
	    e->waiting || e->n_vouchers > 0 || e->n_memberships > 0 || e->has_refund || e->n_multiplied_by > 0 || e->n_told > 0 ||
	    e->conflict || e->n_stamps > 0 || e->stamp_conditions != 0;
}

/* ---- effects ---- */

static void
put_posting(struct buf *out, const struct posting *p)
{
	size_t begun = field_begin(out, ENTRY_POSTINGS);

	field_put_uint(out, POSTING_ACCOUNT, (uint64_t)p->account);
	put_uint_unless_zero(out, POSTING_MEMBER, p->member);
	put_sint_unless_zero(out, POSTING_POINTS, p->points);
	if (p->last_day != DAY_CLOCK)
		put_day_unless(out, POSTING_LAST_DAY, p->last_day, DAY_NEVER);
	put_uint_unless_zero(out, POSTING_CLASS, (uint64_t)p->class);
	put_text_if_given(out, POSTING_PARTNER, p->partner);
	put_uint_unless_zero(out, POSTING_INACTIVITY, p->last_day == DAY_CLOCK);
	if (p->has_hold)
		put_entry_id(out, POSTING_HOLD, p->hold);
	field_end(out, begun);
}

static void
put_after(struct buf *out, const struct touched *t)
{
	size_t begun = field_begin(out, ENTRY_AFTER);

	put_sint_unless_zero(out, AFTER_AVAILABLE, t->available);
	put_sint_unless_zero(out, AFTER_PENDING, t->pending);
	put_sint_unless_zero(out, AFTER_HELD, t->held);
	put_sint_unless_zero(out, AFTER_DEBT, t->debt);
	put_text_unless_empty(out, AFTER_TIER, t->tier);
	put_text_if_given(out, AFTER_TIER_FROM, t->tier_from);
	put_text_if_given(out, AFTER_TIER_TO, t->tier_to);
	field_end(out, begun);
}

static void
put_touched(struct buf *out, const struct touched *t)
{
	size_t begun = field_begin(out, ENTRY_TOUCHED);

	put_uint_unless_zero(out, TOUCHED_MEMBER, t->member);
	if (t->has_prev) {
		field_put_uint(out, TOUCHED_PREV_SEQ, t->prev.seq);
		field_put_uint(out, TOUCHED_PREV_INDEX, t->prev.index);
	}
	field_end(out, begun);
}

static void
put_entry(struct buf *out, const struct entry *e)
{
	size_t begun = field_begin(out, TRANSACTION_ENTRIES);

	assert(op_known(e->op));
	put_text_if_given(out, ENTRY_PRINCIPAL, e->principal);
	put_text_if_given(out, ENTRY_REQUEST_ID, e->request_id);
	put_uint_unless_zero(out, ENTRY_ENGINE, e->engine);
	put_uint_unless_zero(out, ENTRY_PROGRAM_VERSION, e->program_version);
	if (e->has_occurred_at)
		field_put_fixed(out, ENTRY_OCCURRED_AT, e->occurred_at_us);
	if (e->has_due_at)
		field_put_fixed(out, ENTRY_DUE_AT, e->due_at_us);
	put_day_unless(out, ENTRY_BUSINESS_DATE, e->business_date, DAY_NONE);
	put_uint_unless_zero(out, ENTRY_MEMBER, e->member);
	put_text_if_given(out, ENTRY_STORE, e->store);
	put_text_if_given(out, ENTRY_TERMINAL, e->terminal);
	put_uint_unless_zero(out, ENTRY_TERMINAL_SEQ, e->terminal_seq);
	if (e->has_fingerprint)
		field_put_bytes(out, ENTRY_FINGERPRINT, bytes_of(e->fingerprint, sizeof(e->fingerprint)));
	put_inputs(out, e);
	if (has_facts(e)) {
		size_t facts = field_begin(out, ENTRY_FACTS);

		put_facts(out, e);
		field_end(out, facts);
	}
	for (size_t i = 0; i < e->n_postings; ++i)
		put_posting(out, &e->postings[i]);
	for (size_t i = 0; i < e->n_touched; ++i)
		put_after(out, &e->touched[i]);
	for (size_t i = 0; i < e->n_touched; ++i)
		put_touched(out, &e->touched[i]);
	if (e->has_at)
		field_put_fixed(out, ENTRY_AT, e->at_us);
	for (size_t i = 0; i < e->n_refused; ++i) {
		size_t range = field_begin(out, ENTRY_TERMINAL_REFUSED);

		field_put_uint(out, SEQ_RANGE_FIRST, e->refused[i].first);
		field_put_uint(out, SEQ_RANGE_LAST, e->refused[i].last);
		field_end(out, range);
	}
	field_end(out, begun);
}

enum status
codec_transaction_encode(const struct transaction *t, struct arena *arena, struct buf *out)
{
	(void)arena;		/* nothing is built before it is written */
	field_put_text(out, TRANSACTION_ORIGIN, t->origin);
	field_put_uint(out, TRANSACTION_SEQ, t->seq);
	field_put_bytes(out, TRANSACTION_PREV, bytes_of(t->prev, sizeof(t->prev)));
	field_put_fixed(out, TRANSACTION_COMMITTED_AT, t->committed_at_us);
	put_uint_unless_zero(out, TRANSACTION_PROGRAM, t->program);
	for (size_t i = 0; i < t->n_entries; ++i) {
		assert(t->entries[i].program == t->program);
		put_entry(out, &t->entries[i]);
	}
	return buf_status(out);
}

enum status
codec_entry_bytes(const struct entry *e, struct buf *scratch, size_t *ret_bytes)
{
	buf_clear(scratch);
	put_entry(scratch, e);
	enum status st = buf_status(scratch);
	if (st == ST_OK)
		*ret_bytes = scratch->len;
	return st;
}

void
codec_signed_encode(const struct signed_transaction *s, struct buf *out)
{
	field_put_bytes(out, SIGNED_TRANSACTION, s->transaction);
	field_put_bytes(out, SIGNED_SIGNATURE, s->signature);
	field_put_bytes(out, SIGNED_KEY_ID, s->key_id);
	put_bytes_unless_empty(out, SIGNED_SECOND_SIGNATURE, s->second_signature);
	put_bytes_unless_empty(out, SIGNED_SECOND_KEY_ID, s->second_key_id);
}
