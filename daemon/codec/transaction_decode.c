/**
 * Transactions, read by hand: replay and audit read every one of them.
 * One pass, one sticky status: a message is read to its end whatever it holds, and the status is looked at where an answer is given.
 * A field that we know and that may stand once must not stand twice, and has the type and range of ledger.proto: then no two readers of a
 * ledger see different things in it.  Fields that we do not know are passed over.
 */
#include "codec/ledger_reader.h"
#include "ledger/terminal.h"

#define SIGNATURE_BYTES 64
#define KEY_ID_BYTES 8

/* ---- inputs ---- */

static void
get_genesis(struct message *m, struct entry *e)
{
	uint64_t clock = 0;

	e->u.genesis.origin = "";
	m->singular = FIELDS(GENESIS_FORMAT, GENESIS_CLOCK);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case GENESIS_FORMAT: e->u.genesis.format = get_u32(m); break;
		case GENESIS_ORIGIN: e->u.genesis.origin = get_text(m); break;
		case GENESIS_TRANSACTION_KEY: e->u.genesis.transaction_key = get_bytes(m); break;
		case GENESIS_CHECKPOINT_KEY: e->u.genesis.checkpoint_key = get_bytes(m); break;
		case GENESIS_CLOCK: clock = get_uint(m, CLOCK_IS_MANUAL); break;
		}
	}
	if (clock == 0)
		fail(m->r, ST_CORRUPT);
	e->u.genesis.manual_clock = clock == CLOCK_IS_MANUAL;
}

static void
get_publish(struct message *m, struct entry *e)
{
	e->u.publish.id = "";
	m->singular = FIELDS(PUBLISH_PROGRAM, PUBLISH_ZONE_DATA);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case PUBLISH_PROGRAM: e->u.publish.id = get_text(m); break;
		case PUBLISH_VERSION: e->u.publish.version = get_u32(m); break;
		case PUBLISH_DEFINITION: e->u.publish.definition = get_bytes(m); break;
		case PUBLISH_ZONE_DATA: e->u.publish.zone_data = get_bytes(m); break;
		}
	}
}

static void
get_nothing(struct message *m, struct entry *e)
{
	(void)e;
	while (next(m) != 0)
		continue;
}

static void
get_line(struct message *parent, struct entry_line *l)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(LINE_SKU, LINE_AMOUNT));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case LINE_SKU: l->sku = get_text(&m); break;
		case LINE_CATEGORY: l->category = get_text(&m); break;
		case LINE_QTY: l->qty = get_u32(&m); break;
		case LINE_AMOUNT: l->amount = get_sint(&m); break;
		}
	}
}

struct line_list { void *lines; size_t n, cap; };

static void
get_one_of_lines(struct message *m, struct line_list *list)
{
	struct entry_line *l = append(m->r, &list->lines, &list->n, &list->cap, sizeof(*l));

	if (l != NULL)
		get_line(m, l);
}

static void
get_purchase(struct message *m, struct entry *e)
{
	struct line_list list = { 0 };

	m->singular = FIELDS(PURCHASE_AMOUNT, PURCHASE_RECEIPT_NO) & ~FIELDS(PURCHASE_LINES, PURCHASE_LINES);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case PURCHASE_AMOUNT: e->u.purchase.amount = get_sint(m); break;
		case PURCHASE_LINES: get_one_of_lines(m, &list); break;
		case PURCHASE_PARTNER: e->u.purchase.partner = get_text(m); break;
		case PURCHASE_PAID_WITH_POINTS: e->u.purchase.paid_with_points = get_sint(m); break;
		case PURCHASE_RECEIPT_NO: e->u.purchase.receipt_no = get_text(m); break;
		}
	}
	e->u.purchase.lines = list.lines;
	e->u.purchase.n_lines = list.n;
	e->u.purchase.has_paid_with_points = seen(m, PURCHASE_PAID_WITH_POINTS);
}

static void
get_voucher_ref(struct message *parent, struct voucher_ref *v)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(VOUCHER_REF_ID, VOUCHER_REF_N));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case VOUCHER_REF_ID: v->id = get_text(&m); break;
		case VOUCHER_REF_FROM: v->from = get_entry_id(&m); break;
		case VOUCHER_REF_N: v->n = get_u32(&m); break;
		}
	}
	if (!seen(&m, VOUCHER_REF_FROM))
		fail(m.r, ST_CORRUPT);
}

static void
get_voucher_use(struct message *m, struct entry *e)
{
	m->singular = FIELDS(VOUCHER_USE_VOUCHER, VOUCHER_USE_OFFLINE);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case VOUCHER_USE_VOUCHER: get_voucher_ref(m, &e->u.voucher.voucher); break;
		case VOUCHER_USE_ORDER_AMOUNT: e->u.voucher.order_amount = get_sint(m); break;
		case VOUCHER_USE_OFFLINE: e->u.voucher.offline = get_bool(m); break;
		}
	}
	if (!seen(m, VOUCHER_USE_VOUCHER))
		fail(m->r, ST_CORRUPT);
	e->u.voucher.has_order_amount = seen(m, VOUCHER_USE_ORDER_AMOUNT);
}

static void
get_voucher_void(struct message *m, struct entry *e)
{
	m->singular = FIELDS(VOUCHER_VOID_VOUCHER, VOUCHER_VOID_REASON);
	for (uint32_t n; (n = next(m)) != 0;) {
		if (n == VOUCHER_VOID_VOUCHER)
			get_voucher_ref(m, &e->u.voucher.voucher);
		else if (n == VOUCHER_VOID_REASON)
			e->u.voucher.reason = get_text(m);
	}
	if (!seen(m, VOUCHER_VOID_VOUCHER))
		fail(m->r, ST_CORRUPT);
}

static void
get_hold(struct message *m, struct entry *e)
{
	m->singular = FIELDS(HOLD_POINTS, HOLD_FOR_TERMINAL) | FIELDS(HOLD_POOL, HOLD_PARTNER) | FIELDS(HOLD_VOUCHER, HOLD_VOUCHER);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case HOLD_POINTS: e->u.hold.points = get_sint(m); break;
		case HOLD_TTL_US: e->u.hold.ttl_us = (int64_t)get_uint(m, INT64_MAX); break;
		case HOLD_ORDER_AMOUNT: e->u.hold.order_amount = get_sint(m); break;
		case HOLD_POOL: e->u.hold.pool = get_bool(m); break;
		case HOLD_PARTNER: e->u.hold.partner = get_text(m); break;
		case HOLD_FOR_TERMINAL: e->u.hold.for_terminal = get_text(m); break;
		case HOLD_VOUCHER: get_voucher_ref(m, &e->u.hold.voucher); break;
		}
	}
	e->u.hold.of_voucher = seen(m, HOLD_VOUCHER);
	e->u.hold.has_order_amount = seen(m, HOLD_ORDER_AMOUNT);
}

static void
get_capture(struct message *m, struct entry *e)
{
	m->singular = FIELDS(CAPTURE_HOLD, CAPTURE_POINTS);
	for (uint32_t n; (n = next(m)) != 0;) {
		if (n == CAPTURE_HOLD)
			e->u.capture.hold = get_entry_id(m);
		else if (n == CAPTURE_POINTS && e->op == OP_CAPTURE)
			e->u.capture.points = get_sint(m);
	}
	e->u.capture.has_points = e->op == OP_CAPTURE && seen(m, CAPTURE_POINTS);
}

static void
get_redeem(struct message *m, struct entry *e)
{
	m->singular = FIELDS(REDEEM_POINTS, REDEEM_REWARD) | FIELDS(REDEEM_POOL, REDEEM_PARTNER);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case REDEEM_POINTS: e->u.redeem.points = get_sint(m); break;
		case REDEEM_ORDER_AMOUNT: e->u.redeem.order_amount = get_sint(m); break;
		case REDEEM_ROUND_DOWN: e->u.redeem.round_down = get_bool(m); break;
		case REDEEM_POOL: e->u.redeem.pool = get_bool(m); break;
		case REDEEM_PARTNER: e->u.redeem.partner = get_text(m); break;
		case REDEEM_REWARD: e->u.redeem.reward = get_text(m); break;
		}
	}
	e->u.redeem.has_order_amount = seen(m, REDEEM_ORDER_AMOUNT);
}

static void
get_adjust(struct message *m, struct entry *e)
{
	e->u.adjust.reason = "";
	e->u.adjust.last_day = DAY_NONE;
	m->singular = FIELDS(ADJUST_POINTS, ADJUST_TIER_POINTS);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case ADJUST_POINTS: e->u.adjust.points = get_sint(m); break;
		case ADJUST_REASON: e->u.adjust.reason = get_text(m); break;
		case ADJUST_LAST_DAY: e->u.adjust.last_day = get_day(m, DAY_NONE); break;
		case ADJUST_TIER_POINTS: e->u.adjust.tier_points = get_bool(m); break;
		}
	}
}

static void
get_tier(struct message *m, struct entry *e)
{
	e->u.tier.tier = e->u.tier.reason = "";
	e->u.tier.until = DAY_NEVER;
	m->singular = FIELDS(TIER_TIER, TIER_UNTIL);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case TIER_TIER: e->u.tier.tier = get_text(m); break;
		case TIER_REASON: e->u.tier.reason = get_text(m); break;
		case TIER_UNTIL: e->u.tier.until = get_day(m, DAY_NEVER); break;
		}
	}
}

static void
get_activity(struct message *m, struct entry *e)
{
	e->u.activity.activity = "";
	m->singular = FIELDS(ACTIVITY_ACTIVITY, ACTIVITY_PARTNER);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case ACTIVITY_ACTIVITY: e->u.activity.activity = get_text(m); break;
		case ACTIVITY_AMOUNT: e->u.activity.amount = get_sint(m); break;
		case ACTIVITY_QTY: e->u.activity.qty = get_u32(m); break;
		case ACTIVITY_SCORE: e->u.activity.score = get_u32(m); break;
		case ACTIVITY_PURCHASE: e->u.activity.purchase = get_entry_id(m); break;
		case ACTIVITY_PARTNER: e->u.activity.partner = get_text(m); break;
		}
	}
	e->u.activity.has_amount = seen(m, ACTIVITY_AMOUNT);
	e->u.activity.has_score = seen(m, ACTIVITY_SCORE);
	e->u.activity.has_purchase = seen(m, ACTIVITY_PURCHASE);
}

static void
get_zone_data(struct message *m, struct entry *e)
{
	m->singular = FIELDS(ZONE_DATA_ZONE_DATA, ZONE_DATA_ZONE_DATA);
	while (next(m) != 0)
		if (m->f.number == ZONE_DATA_ZONE_DATA)
			e->u.zone_data.zone_data = get_bytes(m);
}

static void
get_standing(struct message *m, struct entry *e)
{
	m->singular = FIELDS(STANDING_REASON, STANDING_REASON);
	while (next(m) != 0)
		if (m->f.number == STANDING_REASON)
			e->u.standing.reason = get_text(m);
}

static void
get_return(struct message *m, struct entry *e)
{
	struct line_list list = { 0 };

	m->singular = FIELDS(RETURN_PURCHASE, RETURN_AMOUNT);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case RETURN_PURCHASE: e->u.past.entry = get_entry_id(m); break;
		case RETURN_AMOUNT: e->u.past.amount = get_sint(m); break;
		case RETURN_LINES: get_one_of_lines(m, &list); break;
		}
	}
	e->u.past.has_amount = seen(m, RETURN_AMOUNT);
	e->u.past.lines = list.lines;
	e->u.past.n_lines = list.n;
}

static void
get_reverse_redeem(struct message *m, struct entry *e)
{
	m->singular = FIELDS(REVERSE_REDEEM_REDEEM, REVERSE_REDEEM_POINTS);
	for (uint32_t n; (n = next(m)) != 0;) {
		if (n == REVERSE_REDEEM_REDEEM)
			e->u.past.entry = get_entry_id(m);
		else if (n == REVERSE_REDEEM_POINTS)
			e->u.past.points = get_sint(m);
	}
	e->u.past.has_points = seen(m, REVERSE_REDEEM_POINTS);
}

static void
get_transfer(struct message *m, struct entry *e)
{
	m->singular = FIELDS(TRANSFER_TO, TRANSFER_POINTS);
	for (uint32_t n; (n = next(m)) != 0;) {
		if (n == TRANSFER_TO)
			e->u.other.member = get_uint(m, UINT64_MAX);
		else if (n == TRANSFER_POINTS)
			e->u.other.points = get_sint(m);
	}
}

static void
get_merge(struct message *m, struct entry *e)
{
	m->singular = FIELDS(MERGE_FROM, MERGE_FROM);
	while (next(m) != 0)
		if (m->f.number == MERGE_FROM)
			e->u.other.member = get_uint(m, UINT64_MAX);
}

static void
get_pool_join(struct message *m, struct entry *e)
{
	m->singular = FIELDS(POOL_JOIN_HEAD, POOL_JOIN_HEAD);
	while (next(m) != 0)
		if (m->f.number == POOL_JOIN_HEAD)
			e->u.other.member = get_uint(m, UINT64_MAX);
}

static void
get_advance(struct message *m, struct entry *e)
{
	m->singular = FIELDS(ADVANCE_POINTS, ADVANCE_POINTS);
	while (next(m) != 0)
		if (m->f.number == ADVANCE_POINTS)
			e->u.advance.points = get_sint(m);
}

static void
get_recovery(struct message *m, struct entry *e)
{
	char word[LEDGER_ID_MAX + 1] = "";

	get_word(m, word);
	e->u.rotate_key.recovery = key_recovery_of(word);
	if (e->u.rotate_key.recovery == RECOVERY_NONE)
		fail(m->r, ST_CORRUPT);
}

static void
get_rotate_key(struct message *m, struct entry *e)
{
	m->singular = FIELDS(ROTATE_KEY_KIND, ROTATE_KEY_RECOVERY);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case ROTATE_KEY_KIND: e->u.rotate_key.kind = (enum key_kind)get_uint(m, KEY_KIND_COUNT - 1); break;
		case ROTATE_KEY_NEW_KEY: e->u.rotate_key.new_key = get_bytes(m); break;
		case ROTATE_KEY_OVERLAP_DAYS: e->u.rotate_key.overlap_days = get_u32(m); break;
		case ROTATE_KEY_RECOVERY: get_recovery(m, e); break;
		}
	}
}

static void
get_approve(struct message *m, struct entry *e)
{
	m->singular = FIELDS(APPROVE_COMMAND, APPROVE_KEY_ID);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case APPROVE_COMMAND: e->u.approve.command = get_entry_id(m); break;
		case APPROVE_SIGNATURE: e->u.approve.signature = get_bytes(m); break;
		case APPROVE_KEY_ID: e->u.approve.key_id = get_bytes(m); break;
		}
	}
	if (!seen(m, APPROVE_COMMAND))
		fail(m->r, ST_CORRUPT);
}

static void
get_membership(struct message *m, struct entry *e)
{
	e->u.membership.membership = "";
	m->singular = FIELDS(MEMBERSHIP_MEMBERSHIP, MEMBERSHIP_TRIAL);
	for (uint32_t n; (n = next(m)) != 0;) {
		if (n == MEMBERSHIP_MEMBERSHIP)
			e->u.membership.membership = get_text(m);
		else if (n == MEMBERSHIP_TRIAL && e->op == OP_MEMBERSHIP_START)
			e->u.membership.trial = get_bool(m);
	}
}

static void
get_approver_key(struct message *m, struct entry *e)
{
	e->u.approver_key.until = DAY_NEVER;
	m->singular = FIELDS(APPROVER_KEY_PRINCIPAL, APPROVER_KEY_UNTIL);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case APPROVER_KEY_PRINCIPAL: e->u.approver_key.principal = get_text(m); break;
		case APPROVER_KEY_PUBLIC_KEY: e->u.approver_key.public_key = get_bytes(m); break;
		case APPROVER_KEY_UNTIL: e->u.approver_key.until = get_day(m, DAY_NEVER); break;
		}
	}
}

static void
get_enrol(struct message *m, struct entry *e)
{
	m->singular = FIELDS(ENROL_REFERRER, ENROL_REFERRER);
	while (next(m) != 0)
		if (m->f.number == ENROL_REFERRER)
			e->u.enrol.referrer = get_uint(m, UINT64_MAX);
}

static void
get_opening_lot(struct message *parent, struct moved_lot *l)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(OPENING_LOT_POINTS, OPENING_LOT_LAST_DAY));

	l->last_day = DAY_NEVER;
	for (uint32_t n; (n = next(&m)) != 0;) {
		if (n == OPENING_LOT_POINTS)
			l->points = get_sint(&m);
		else if (n == OPENING_LOT_LAST_DAY)
			l->last_day = get_day(&m, DAY_NEVER);
	}
}

static void
get_opening_counter(struct message *parent, struct opening_counter *c)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(OPENING_COUNTER_ID, OPENING_COUNTER_COUNT));

	c->id = "";
	for (uint32_t n; (n = next(&m)) != 0;) {
		if (n == OPENING_COUNTER_ID)
			c->id = get_text(&m);
		else if (n == OPENING_COUNTER_COUNT)
			c->count = get_sint(&m);
	}
}

static void
get_opening(struct message *m, struct entry *e)
{
	void *lots = NULL, *counters = NULL, *row;
	size_t cap_lots = 0, cap_counters = 0;

	e->u.opening.tier_until = DAY_NEVER;
	m->singular = FIELDS(OPENING_TIER, OPENING_TIER_UNTIL);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case OPENING_LOTS:
			if ((row = append(m->r, &lots, &e->u.opening.n_lots, &cap_lots, sizeof(struct moved_lot))) != NULL)
				get_opening_lot(m, row);
			break;
		case OPENING_TIER: e->u.opening.tier = get_text(m); break;
		case OPENING_TIER_UNTIL: e->u.opening.tier_until = get_day(m, DAY_NEVER); break;
		case OPENING_COUNTERS:
			if ((row = append(m->r, &counters, &e->u.opening.n_counters, &cap_counters, sizeof(struct opening_counter))) != NULL)
				get_opening_counter(m, row);
			break;
		}
	}
	e->u.opening.lots = lots;
	e->u.opening.counters = counters;
}

static void
get_consent(struct message *m, struct entry *e)
{
	e->u.consent.purpose = "";
	m->singular = FIELDS(CONSENT_PURPOSE, CONSENT_GIVEN);
	for (uint32_t n; (n = next(m)) != 0;) {
		if (n == CONSENT_PURPOSE)
			e->u.consent.purpose = get_text(m);
		else if (n == CONSENT_GIVEN)
			e->u.consent.given = get_bool(m);
	}
}

static void
get_restore(struct message *m, struct entry *e)
{
	e->u.restore.reason = "";
	m->singular = FIELDS(RESTORE_LOST_SIZE, RESTORE_REASON);
	for (uint32_t n; (n = next(m)) != 0;) {
		switch (n) {
		case RESTORE_LOST_SIZE: e->u.restore.lost_size = get_uint(m, UINT64_MAX); break;
		case RESTORE_LOST_ROOT: e->u.restore.lost_root = get_bytes(m); break;
		case RESTORE_REASON: e->u.restore.reason = get_text(m); break;
		}
	}
}

static void (*const get_input[OP_COUNT])(struct message *m, struct entry *e) = {
	[OP_GENESIS] = get_genesis, [OP_PUBLISH] = get_publish, [OP_ENROL] = get_enrol, [OP_PROFILE] = get_nothing,
	[OP_PURCHASE] = get_purchase, [OP_HOLD] = get_hold, [OP_CAPTURE] = get_capture, [OP_RELEASE] = get_capture,
	[OP_REDEEM] = get_redeem, [OP_ADJUST] = get_adjust, [OP_TIER] = get_tier, [OP_BIRTHDAY] = get_nothing,
	[OP_HOLD_TIMEOUT] = get_capture, [OP_TIER_END] = get_nothing, [OP_EXPIRE] = get_nothing, [OP_CLOCK_ACCEPT] = get_nothing,
	[OP_ACTIVITY] = get_activity, [OP_LAPSE] = get_nothing, [OP_ACTIVATE] = get_nothing,
	[OP_ZONE_DATA] = get_zone_data, [OP_TIER_REVIEW] = get_nothing, [OP_TIER_LOOK] = get_nothing,
	[OP_INACTIVITY] = get_nothing, [OP_HOLD_EXPIRE] = get_capture, [OP_ANNIVERSARY] = get_nothing, [OP_VOUCHER_EXPIRE] = get_nothing,
	[OP_VOUCHER_USE] = get_voucher_use, [OP_VOUCHER_VOID] = get_voucher_void,
	[OP_AUTO_REDEEM] = get_nothing, [OP_STAMP_EXPIRE] = get_nothing, [OP_FREEZE] = get_standing,
	[OP_UNFREEZE] = get_standing, [OP_CLOSE] = get_standing,
	[OP_RETURN] = get_return, [OP_REVERSE_REDEEM] = get_reverse_redeem, [OP_TRANSFER] = get_transfer, [OP_MERGE] = get_merge,
	[OP_ADVANCE] = get_advance, [OP_ROTATE_KEY] = get_rotate_key, [OP_APPROVE] = get_approve, [OP_APPROVER_KEY] = get_approver_key,
	[OP_MEMBERSHIP_START] = get_membership, [OP_MEMBERSHIP_RENEW] = get_membership, [OP_MEMBERSHIP_CANCEL] = get_membership,
	[OP_MEMBERSHIP_END] = get_nothing,
	[OP_NOTICE] = get_nothing, [OP_POOL_JOIN] = get_pool_join, [OP_POOL_LEAVE] = get_nothing,
	[OP_OPENING] = get_opening, [OP_CONSENT] = get_consent, [OP_ERASE] = get_nothing, [OP_RESTORE] = get_restore,
};

/* A oneof: exactly one operation that we know. */
static void
get_inputs(struct message *parent, struct entry *e)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(OP_GENESIS, OP_ACTIVATE));

	for (uint32_t n; (n = next(&m)) != 0;) {
		if (!op_known((enum op)n))
			continue;
		if (e->op != OP_NONE) {
			fail(m.r, ST_CORRUPT);
			return;
		}
		e->op = (enum op)n;
		struct message command = message_of(m.r, get_bytes(&m), 0);
		get_input[n](&command, e);
	}
}

/* ---- effects ---- */

static void
get_posting(struct message *parent, struct posting *p)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(POSTING_ACCOUNT, POSTING_HOLD));

	bool clock = false;

	p->last_day = DAY_NEVER;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case POSTING_ACCOUNT: p->account = (enum account)get_uint(&m, ACCOUNT_COUNT - 1); break;
		case POSTING_MEMBER: p->member = get_uint(&m, UINT64_MAX); break;
		case POSTING_POINTS: p->points = get_sint(&m); break;
		case POSTING_LAST_DAY: p->last_day = get_day(&m, DAY_NEVER); break;
		case POSTING_CLASS: p->class = (enum lot_class)get_uint(&m, LOT_CLASS_COUNT - 1); break;
		case POSTING_PARTNER: p->partner = get_text(&m); break;
		case POSTING_INACTIVITY: clock = get_bool(&m); break;
		case POSTING_HOLD: p->hold = get_entry_id(&m); break;
		}
	}
	if (p->account == ACCOUNT_NONE || p->last_day == DAY_CLOCK || (clock && seen(&m, POSTING_LAST_DAY)))
		fail(m.r, ST_CORRUPT);
	if (clock)
		p->last_day = DAY_CLOCK;
	p->has_hold = seen(&m, POSTING_HOLD);
}

static void
get_after(struct message *parent, struct touched *t)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(AFTER_AVAILABLE, AFTER_TIER_TO));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case AFTER_AVAILABLE: t->available = get_sint(&m); break;
		case AFTER_PENDING: t->pending = get_sint(&m); break;
		case AFTER_HELD: t->held = get_sint(&m); break;
		case AFTER_DEBT: t->debt = get_sint(&m); break;
		case AFTER_TIER: t->tier = get_text(&m); break;
		case AFTER_TIER_FROM: t->tier_from = get_text(&m); break;
		case AFTER_TIER_TO: t->tier_to = get_text(&m); break;
		}
	}
}

static void
get_touched(struct message *parent, struct touched *t)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(TOUCHED_MEMBER, TOUCHED_PREV_INDEX));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case TOUCHED_MEMBER: t->member = get_uint(&m, UINT64_MAX); break;
		case TOUCHED_PREV_SEQ: t->prev.seq = get_uint(&m, UINT64_MAX); break;
		case TOUCHED_PREV_INDEX: t->prev.index = get_u32(&m); break;
		}
	}
	if (seen(&m, TOUCHED_PREV_SEQ) != seen(&m, TOUCHED_PREV_INDEX))
		fail(m.r, ST_CORRUPT);
	t->has_prev = seen(&m, TOUCHED_PREV_SEQ);
}

/* `after` and `touched` are two lists of equal length and one array of ours: either may make a row, whichever comes first. */
struct rows {
	void *postings, *touched;
	struct seq_range *refused;
	size_t cap_postings, cap_touched, n_after, n_touched;
};

static struct touched *
touched_row(struct reader *r, struct entry *e, struct rows *rows, size_t *n)
{
	size_t at = (*n)++;

	if (at < e->n_touched)
		return (struct touched *)rows->touched + at;
	struct touched *t = append(r, &rows->touched, &e->n_touched, &rows->cap_touched, sizeof(*t));
	if (t != NULL)
		t->tier = "";
	return t;
}

static void
get_effect(struct message *m, struct entry *e, struct rows *rows)
{
	struct posting *p;
	struct touched *t;

	switch (m->f.number) {
	case ENTRY_POSTINGS:
		p = append(m->r, &rows->postings, &e->n_postings, &rows->cap_postings, sizeof(*p));
		if (p != NULL)
			get_posting(m, p);
		break;
	case ENTRY_AFTER:
		t = touched_row(m->r, e, rows, &rows->n_after);
		if (t != NULL)
			get_after(m, t);
		break;
	case ENTRY_TOUCHED:
		t = touched_row(m->r, e, rows, &rows->n_touched);
		if (t != NULL)
			get_touched(m, t);
		break;
	}
}

/* Judged when all are there. */
static void
get_refused(struct message *parent, struct entry *e, struct rows *rows)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(SEQ_RANGE_FIRST, SEQ_RANGE_LAST));
	struct seq_range range = { 0 };

	for (uint32_t n; (n = next(&m)) != 0;) {
		if (n == SEQ_RANGE_FIRST)
			range.first = get_uint(&m, UINT64_MAX);
		else if (n == SEQ_RANGE_LAST)
			range.last = get_uint(&m, UINT64_MAX);
	}
	if (rows->refused == NULL)
		rows->refused = arena_alloc(parent->r->arena, LEDGER_REFUSED_MAX * sizeof(*rows->refused));
	if (rows->refused == NULL)
		fail(parent->r, ST_NOMEM);
	else if (e->n_refused == LEDGER_REFUSED_MAX)
		fail(parent->r, ST_CORRUPT);
	else
		rows->refused[e->n_refused++] = range;
}

static void
get_entry(struct message *parent, struct entry *e)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(ENTRY_PRINCIPAL, ENTRY_FACTS) | FIELDS(ENTRY_AT, ENTRY_AT));
	struct rows rows = { 0 };

	e->business_date = e->birthday = DAY_NONE;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case ENTRY_PRINCIPAL: e->principal = get_text(&m); break;
		case ENTRY_REQUEST_ID: e->request_id = get_text(&m); break;
		case ENTRY_ENGINE: e->engine = get_u32(&m); break;
		case ENTRY_PROGRAM_VERSION: e->program_version = get_u32(&m); break;
		case ENTRY_OCCURRED_AT: e->occurred_at_us = get_fixed(&m); break;
		case ENTRY_DUE_AT: e->due_at_us = get_fixed(&m); break;
		case ENTRY_BUSINESS_DATE: e->business_date = get_day(&m, DAY_NONE); break;
		case ENTRY_MEMBER: e->member = get_uint(&m, UINT64_MAX); break;
		case ENTRY_STORE: e->store = get_text(&m); break;
		case ENTRY_TERMINAL: e->terminal = get_text(&m); break;
		case ENTRY_TERMINAL_SEQ: e->terminal_seq = get_uint(&m, UINT64_MAX); break;
		case ENTRY_FINGERPRINT: get_exactly(&m, e->fingerprint, sizeof(e->fingerprint)); break;
		case ENTRY_INPUTS: get_inputs(&m, e); break;
		case ENTRY_FACTS: get_facts(&m, e); break;
		case ENTRY_AT: e->at_us = get_fixed(&m); break;
		case ENTRY_TERMINAL_REFUSED: get_refused(&m, e, &rows); break;
		default: get_effect(&m, e, &rows); break;
		}
	}
	if (e->op == OP_NONE || rows.n_after != rows.n_touched)
		fail(m.r, ST_CORRUPT);
	e->has_occurred_at = seen(&m, ENTRY_OCCURRED_AT);
	e->has_due_at = seen(&m, ENTRY_DUE_AT);
	e->has_at = seen(&m, ENTRY_AT);
	e->has_fingerprint = seen(&m, ENTRY_FINGERPRINT);
	if (e->has_metrics)
		e->metrics.day = e->business_date;
	e->postings = rows.postings;
	e->touched = rows.touched;
	e->refused = rows.refused;
	if (!seq_ranges_valid(e->refused, e->n_refused, e->terminal_seq))
		fail(m.r, ST_CORRUPT);
}

/* How often a field stands in a message that may be malformed further on. */
static size_t
count(struct bytes rest, uint32_t number)
{
	struct field f;
	bool malformed;
	size_t n = 0;

	while (field_next(&rest, &f, &malformed))
		n += f.number == number;
	return n;
}

#define ALL_ENTRIES UINT32_MAX

/* All entries, or only the one at ${index} while the others are passed over unread. */
static void
get_transaction(struct reader *r, struct bytes bytes, uint32_t index, struct transaction *t)
{
	struct message m = message_of(r, bytes, FIELDS(TRANSACTION_ORIGIN, TRANSACTION_PROGRAM));
	size_t cap = index == ALL_ENTRIES ? count(bytes, TRANSACTION_ENTRIES) : 1;
	uint32_t at = 0;

	t->entries = arena_alloc(r->arena, cap * sizeof(*t->entries));		/* entries are large: no growing */
	if (t->entries == NULL)
		fail(r, ST_NOMEM);
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case TRANSACTION_ORIGIN: t->origin = get_text(&m); break;
		case TRANSACTION_SEQ: t->seq = get_uint(&m, UINT64_MAX); break;
		case TRANSACTION_PREV: get_exactly(&m, t->prev, sizeof(t->prev)); break;
		case TRANSACTION_COMMITTED_AT: t->committed_at_us = get_fixed(&m); break;
		case TRANSACTION_PROGRAM: t->program = get_u32(&m); break;
		case TRANSACTION_ENTRIES:
			if (index == ALL_ENTRIES || index == at)
				get_entry(&m, &t->entries[t->n_entries++]);
			else
				(void)get_bytes(&m);
			at++;
			break;
		}
	}
	uint32_t required = FIELDS(TRANSACTION_ORIGIN, TRANSACTION_COMMITTED_AT);
	if ((m.seen & required) != required || at == 0)
		fail(r, ST_CORRUPT);
}

static enum status
decode(struct bytes bytes, uint32_t index, struct arena *arena, struct transaction *ret)
{
	struct reader r = { .arena = arena };
	struct transaction t = { 0 };

	get_transaction(&r, bytes, index, &t);
	if (r.status != ST_OK)
		return r.status;
	for (size_t i = 0; i < t.n_entries; ++i)
		t.entries[i].program = t.program;
	*ret = t;
	return ST_OK;
}

enum status
codec_transaction_decode(struct bytes bytes, struct arena *arena, struct transaction *ret)
{
	return decode(bytes, ALL_ENTRIES, arena, ret);
}

enum status
codec_transaction_decode_one(struct bytes bytes, uint32_t index, struct arena *arena, struct transaction *ret)
{
	struct transaction t;
	enum status st = index == ALL_ENTRIES ? ST_NOTFOUND : decode(bytes, index, arena, &t);

	if (st != ST_OK)
		return st;
	if (t.n_entries == 0)
		return ST_NOTFOUND;
	*ret = t;
	return ST_OK;
}

enum status
codec_transaction_head(struct bytes bytes, struct transaction_head *ret)
{
	struct reader r = { .arena = NULL };		/* nothing is copied */
	struct message m = message_of(&r, bytes, FIELDS(TRANSACTION_ORIGIN, TRANSACTION_PROGRAM));
	struct transaction_head h = { 0 };
	uint32_t required = FIELDS(TRANSACTION_ORIGIN, TRANSACTION_COMMITTED_AT);

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case TRANSACTION_ORIGIN: h.origin = get_bytes(&m); break;
		case TRANSACTION_SEQ: h.seq = get_uint(&m, UINT64_MAX); break;
		case TRANSACTION_PREV: h.prev = get_bytes(&m); break;
		case TRANSACTION_COMMITTED_AT: h.committed_at_us = get_fixed(&m); break;
		case TRANSACTION_ENTRIES: (void)get_bytes(&m); h.n_entries++; break;
		}
	}
	if ((m.seen & required) != required || h.n_entries == 0 || h.prev.len != SHA256_BYTES)
		fail(&r, ST_CORRUPT);
	if (r.status == ST_OK)
		*ret = h;
	return r.status;
}

enum status
codec_signed_decode(struct bytes leaf, struct signed_transaction *ret)
{
	struct reader r = { .arena = NULL };		/* nothing is copied */
	struct message m = message_of(&r, leaf, FIELDS(SIGNED_TRANSACTION, SIGNED_SECOND_KEY_ID));
	struct signed_transaction s = { 0 };

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case SIGNED_TRANSACTION: s.transaction = get_bytes(&m); break;
		case SIGNED_SIGNATURE: s.signature = get_bytes(&m); break;
		case SIGNED_KEY_ID: s.key_id = get_bytes(&m); break;
		case SIGNED_SECOND_SIGNATURE: s.second_signature = get_bytes(&m); break;
		case SIGNED_SECOND_KEY_ID: s.second_key_id = get_bytes(&m); break;
		}
	}
	if (s.transaction.len == 0 || s.signature.len != SIGNATURE_BYTES || s.key_id.len != KEY_ID_BYTES)
		fail(&r, ST_CORRUPT);
	if (seen(&m, SIGNED_SECOND_SIGNATURE) != seen(&m, SIGNED_SECOND_KEY_ID) || (seen(&m, SIGNED_SECOND_KEY_ID) &&
	    (s.second_signature.len != SIGNATURE_BYTES || s.second_key_id.len != KEY_ID_BYTES)))
		fail(&r, ST_CORRUPT);
	if (r.status == ST_OK)
		*ret = s;
	return r.status;
}

enum status
codec_leaf_decode(struct bytes leaf, struct arena *arena, struct transaction *ret)
{
	struct signed_transaction s;
	enum status st = codec_signed_decode(leaf, &s);

	return st == ST_OK ? codec_transaction_decode(s.transaction, arena, ret) : st;
}
