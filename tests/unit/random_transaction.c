/*
 * Random transactions: every operation, with and without each field, numbers of all magnitudes.  The generator is the world's, so that a
 * seed gives the same ones again.
 */
#include "random_transaction.h"

#include <stdio.h>

static const char *
any_text(struct world *w)
{
	static const char *const texts[] = { "", "a", "pos/0042/07", "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x8d\xaa",
	    "0123456789012345678901234567890123456789" };

	return texts[below(w, sizeof(texts) / sizeof(texts[0]))];
}

static const char *
any_text_or_none(struct world *w)
{
	return below(w, 3) == 0 ? NULL : any_text(w);
}

/* All magnitudes, the extremes and zero among them. */
static int64_t
any_int(struct world *w)
{
	switch (below(w, 8)) {
	case 0: return 0;
	case 1: return INT64_MIN;
	case 2: return INT64_MAX;
	default: return (int64_t)any(w) >> below(w, 64);
	}
}

static uint64_t
any_uint(struct world *w)
{
	return below(w, 8) == 0 ? 0 : any(w) >> below(w, 64);
}

static int32_t
any_day(struct world *w, int32_t absent)
{
	switch (below(w, 6)) {
	case 0: return absent;
	case 1: return 0;
	case 2: return absent == DAY_NEVER ? INT32_MAX - 1 : INT32_MIN + 1;
	default: return (int32_t)below(w, 60000) - 30000;
	}
}

static bool
any_bool(struct world *w)
{
	return below(w, 2) == 0;
}

static struct entry_id
any_id(struct world *w)
{
	return (struct entry_id){ .seq = any_uint(w), .index = (uint32_t)any_uint(w) };
}

static struct bytes
any_bytes(struct world *w, size_t max)
{
	size_t len = (size_t)below(w, max + 1);
	uint8_t *p = arena_alloc(&w->arena, len);

	assert_non_null(p);
	for (size_t i = 0; i < len; ++i)
		p[i] = (uint8_t)any(w);
	return bytes_of(p, len);
}

static void
any_word(struct world *w, char ret[static LEDGER_ID_MAX + 1])
{
	static const char *const words[] = { "", "gold", "01234567890123456789012345678901" };

	(void)snprintf(ret, LEDGER_ID_MAX + 1, "%s", words[below(w, 3)]);
}

void *
any_array(struct world *w, size_t n, size_t size)
{
	void *p = arena_alloc(&w->arena, n * size);

	assert_non_null(p);
	return p;
}

static const struct entry_line *
any_lines(struct world *w, size_t *ret_n)
{
	size_t n = below(w, 3) == 0 ? (size_t)below(w, 8) : 0;
	struct entry_line *lines = any_array(w, n, sizeof(*lines));

	for (size_t i = 0; i < n; ++i)
		lines[i] = (struct entry_line){ any_text_or_none(w), any_text_or_none(w), (uint32_t)any_uint(w), any_int(w) };
	*ret_n = n;
	return lines;
}

static struct voucher_ref
any_voucher(struct world *w)
{
	return (struct voucher_ref){ .id = any_text_or_none(w), .from = any_id(w), .n = (uint32_t)any_uint(w) };
}

static void
any_opening(struct world *w, struct entry *e)
{
	size_t n = (size_t)below(w, 4);
	struct moved_lot *lots = any_array(w, n, sizeof(*lots));
	struct opening_counter *counters = any_array(w, n, sizeof(*counters));

	for (size_t i = 0; i < n; ++i) {
		lots[i] = (struct moved_lot){ .points = any_int(w), .last_day = any_day(w, DAY_NEVER) };
		counters[i] = (struct opening_counter){ .id = any_text(w), .count = any_int(w) };
	}
	e->u.opening.lots = lots;
	e->u.opening.counters = counters;
	e->u.opening.n_lots = e->u.opening.n_counters = n;
	e->u.opening.tier = any_text_or_none(w);
	e->u.opening.tier_until = any_day(w, DAY_NEVER);
}

static void
any_input(struct world *w, struct entry *e)
{
	bool has = any_bool(w);

	switch (e->op) {
	case OP_GENESIS:
		e->u.genesis.format = (uint32_t)any_uint(w);
		e->u.genesis.origin = any_text(w);
		e->u.genesis.transaction_key = any_bytes(w, 32);
		e->u.genesis.checkpoint_key = any_bytes(w, 32);
		e->u.genesis.manual_clock = any_bool(w);
		break;
	case OP_RESTORE:
		e->u.restore.lost_size = any_uint(w);
		e->u.restore.lost_root = any_bytes(w, 32);
		e->u.restore.reason = any_text(w);
		break;
	case OP_PUBLISH:
		e->u.publish.id = any_text(w);
		e->u.publish.version = (uint32_t)any_uint(w);
		e->u.publish.definition = any_bytes(w, below(w, 8) == 0 ? 20000 : 200);
		e->u.publish.zone_data = any_bytes(w, 300);
		break;
	case OP_PURCHASE:
		e->u.purchase.amount = any_int(w);
		e->u.purchase.has_paid_with_points = has;
		e->u.purchase.paid_with_points = has ? any_int(w) : 0;
		e->u.purchase.lines = any_lines(w, &e->u.purchase.n_lines);
		e->u.purchase.partner = any_text_or_none(w);
		e->u.purchase.receipt_no = any_text_or_none(w);
		break;
	case OP_HOLD:
		e->u.hold.points = any_int(w);
		e->u.hold.ttl_us = (int64_t)(any_uint(w) >> 1);
		e->u.hold.has_order_amount = has;
		e->u.hold.order_amount = has ? any_int(w) : 0;
		e->u.hold.partner = any_text_or_none(w);
		e->u.hold.of_voucher = any_bool(w);
		if (e->u.hold.of_voucher)
			e->u.hold.voucher = any_voucher(w);
		e->u.hold.pool = any_bool(w);
		e->u.hold.for_terminal = any_text_or_none(w);
		break;
	case OP_CAPTURE: case OP_RELEASE: case OP_HOLD_TIMEOUT: case OP_HOLD_EXPIRE:
		has = has && e->op == OP_CAPTURE;
		e->u.capture.hold = any_id(w);
		e->u.capture.has_points = has;
		e->u.capture.points = has ? any_int(w) : 0;
		break;
	case OP_REDEEM:
		e->u.redeem.points = any_int(w);
		e->u.redeem.has_order_amount = has;
		e->u.redeem.order_amount = has ? any_int(w) : 0;
		e->u.redeem.partner = any_text_or_none(w);
		e->u.redeem.pool = any_bool(w);
		e->u.redeem.round_down = any_bool(w);
		e->u.redeem.reward = has ? any_text(w) : NULL;
		break;
	case OP_ADJUST:
		e->u.adjust.points = any_int(w);
		e->u.adjust.reason = any_text(w);
		e->u.adjust.last_day = any_day(w, DAY_NONE);
		e->u.adjust.tier_points = any_bool(w);
		break;
	case OP_TIER:
		e->u.tier.tier = any_text(w);
		e->u.tier.reason = any_text(w);
		e->u.tier.until = any_day(w, DAY_NEVER);
		break;
	case OP_ZONE_DATA:
		e->u.zone_data.zone_data = any_bytes(w, 300);
		break;
	case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE:
		e->u.standing.reason = any_text_or_none(w);
		break;
	case OP_ACTIVITY:
		e->u.activity.activity = any_text(w);
		e->u.activity.partner = any_text_or_none(w);
		e->u.activity.has_amount = has;
		e->u.activity.amount = has ? any_int(w) : 0;
		e->u.activity.has_score = any_bool(w);
		e->u.activity.score = e->u.activity.has_score ? (uint32_t)any_uint(w) : 0;
		e->u.activity.qty = (uint32_t)any_uint(w);
		e->u.activity.has_purchase = any_bool(w);
		if (e->u.activity.has_purchase)
			e->u.activity.purchase = any_id(w);
		break;
	case OP_RETURN:
		e->u.past.entry = any_id(w);
		e->u.past.has_amount = has;
		e->u.past.amount = has ? any_int(w) : 0;
		e->u.past.lines = any_lines(w, &e->u.past.n_lines);
		break;
	case OP_REVERSE_REDEEM:
		e->u.past.entry = any_id(w);
		e->u.past.has_points = has;
		e->u.past.points = has ? any_int(w) : 0;
		break;
	case OP_TRANSFER: case OP_MERGE: case OP_POOL_JOIN:
		e->u.other.member = any_uint(w);
		e->u.other.points = e->op == OP_TRANSFER ? any_int(w) : 0;
		break;
	case OP_ADVANCE:
		e->u.advance.points = any_int(w);
		break;
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL:
		e->u.membership.membership = any_text(w);
		e->u.membership.trial = has && e->op == OP_MEMBERSHIP_START;
		break;
	case OP_VOUCHER_USE:
		e->u.voucher.voucher = any_voucher(w);
		e->u.voucher.has_order_amount = has;
		e->u.voucher.order_amount = has ? any_int(w) : 0;
		e->u.voucher.offline = any_bool(w);
		break;
	case OP_VOUCHER_VOID:
		e->u.voucher.voucher = any_voucher(w);
		e->u.voucher.reason = any_text_or_none(w);
		break;
	case OP_ROTATE_KEY:
		e->u.rotate_key.kind = (enum key_kind)below(w, KEY_KIND_COUNT);
		e->u.rotate_key.new_key = any_bytes(w, 33);
		e->u.rotate_key.overlap_days = (uint32_t)any_uint(w);
		e->u.rotate_key.recovery = (enum key_recovery)below(w, RECOVERY_COUNT);
		break;
	case OP_APPROVE:
		e->u.approve.command = any_id(w);
		e->u.approve.signature = any_bytes(w, 65);
		e->u.approve.key_id = any_bytes(w, 9);
		break;
	case OP_APPROVER_KEY:
		e->u.approver_key.principal = has ? "approver/kim" : NULL;
		e->u.approver_key.public_key = any_bytes(w, 33);
		e->u.approver_key.until = below(w, 2) == 0 ? DAY_NEVER : (int32_t)below(w, 40000);
		break;
	case OP_ENROL:
		e->u.enrol.referrer = any_uint(w);
		break;
	case OP_OPENING:
		any_opening(w, e);
		break;
	case OP_CONSENT:
		e->u.consent.purpose = any_text(w);
		e->u.consent.given = has;
		break;
	case OP_ERASE:
	case OP_LAPSE: case OP_ACTIVATE:
	case OP_TIER_REVIEW: case OP_TIER_LOOK: case OP_INACTIVITY: case OP_ANNIVERSARY: case OP_VOUCHER_EXPIRE: case OP_NOTICE:
	case OP_AUTO_REDEEM: case OP_STAMP_EXPIRE:
	case OP_PROFILE: case OP_BIRTHDAY: case OP_TIER_END: case OP_EXPIRE: case OP_CLOCK_ACCEPT:
	case OP_MEMBERSHIP_END: case OP_POOL_LEAVE: case OP_NONE:
	case OP_COUNT:
		break;
	}
}

static const struct tally *
any_tallies(struct world *w, size_t *ret_n)
{
	size_t n = (size_t)below(w, 3);
	struct tally *tallies = any_array(w, n, sizeof(*tallies));

	for (size_t i = 0; i < n; ++i) {
		tallies[i] = (struct tally){ .kind = (enum tally_kind)(1 + below(w, TALLY_KIND_COUNT - 1)),
			.per = (enum period)below(w, PERIOD_COUNT), .at = any_int(w), .points = any_int(w), .count = any_int(w) };
		any_word(w, tallies[i].id);
	}
	*ret_n = n;
	return tallies;
}

static void
any_stamps(struct world *w, struct entry *e)
{
	struct stamp_change *changes = any_array(w, 2, sizeof(*changes));

	e->n_stamps = (size_t)below(w, 3);
	e->stamp_conditions = any_uint(w);
	for (size_t i = 0; i < e->n_stamps; ++i) {
		changes[i] = (struct stamp_change){ .card = { .stamps = any_int(w), .last_day = any_day(w, DAY_NEVER), .n_fired = below(w, 3) },
		    .wanted = (int64_t)below(w, LEDGER_STAMPS_MAX), .granted = (int64_t)below(w, 9), .dropped = (int64_t)below(w, 3) };
		for (size_t k = 0; k < changes[i].card.n_fired; ++k)
			changes[i].card.fired[k] = (uint32_t)any_uint(w);
		any_word(w, changes[i].card.id);
	}
	e->stamps = changes;
}

static const struct pending_change *
any_changes(struct world *w, size_t *ret_n)
{
	size_t n = (size_t)below(w, 3);
	struct pending_change *changes = any_array(w, n, sizeof(*changes));

	for (size_t i = 0; i < n; ++i) {
		changes[i] = (struct pending_change){ .has_from = any_bool(w) };
		if (changes[i].has_from)
			changes[i].p.from = any_id(w);
		changes[i].p.due_day = (int32_t)below(w, 40000);
		any_word(w, changes[i].p.activity);
		any_word(w, changes[i].p.term);
		changes[i].p.version = (uint32_t)any_uint(w);
		changes[i].p.class = any_bool(w) ? LOT_EARNED : LOT_REFERRAL;
		changes[i].p.points = any_int(w);
	}
	*ret_n = n;
	return changes;
}

static void
any_pendings(struct world *w, struct entry *e)
{
	size_t n = (size_t)below(w, 3);
	const char **segments = any_array(w, n, sizeof(*segments));
	struct voucher_change *vouchers = any_array(w, n, sizeof(*vouchers));

	for (size_t i = 0; i < n; ++i) {
		segments[i] = any_text(w);
		vouchers[i] = (struct voucher_change){ .has_from = any_bool(w), .v = { .n = (uint32_t)any_uint(w), .at = (uint32_t)any_uint(w),
		    .state = (enum voucher_state)below(w, VOUCHER_STATE_COUNT), .source = (enum voucher_source)below(w, VOUCHER_SOURCE_COUNT),
		    .last_day = any_bool(w) ? DAY_NEVER : (int32_t)below(w, 40000) } };
		if (vouchers[i].has_from)
			vouchers[i].v.from = any_id(w);
		any_word(w, vouchers[i].v.id);
		any_word(w, vouchers[i].v.of);
	}
	any_stamps(w, e);
	e->n_segments = e->n_vouchers = n;
	e->pendings = any_changes(w, &e->n_pendings);
	e->vouchers = vouchers;
	e->segments = segments;
}

static void
any_tier(struct world *w, struct tier_state *t)
{
	any_word(w, t->earned);
	any_word(w, t->gift);
	t->since = any_day(w, DAY_NONE);
	t->until = any_day(w, DAY_NEVER);
	t->gift_until = any_day(w, DAY_NEVER);
	t->from = any_day(w, DAY_NONE);
	t->start = any_day(w, DAY_NONE);
	t->grace = any_bool(w);
}

static struct inactivity_clock
any_clock(struct world *w)
{
	return (struct inactivity_clock){ true, any_day(w, DAY_NEVER), (uint32_t)any_uint(w), (uint32_t)any_uint(w) };
}

static void
any_falls(struct world *w, struct entry *e)
{
	size_t n = (size_t)below(w, 3);
	struct metric_day *falls = any_array(w, n, sizeof(*falls));

	for (size_t i = 0; i < n; ++i) {
		falls[i] = (struct metric_day){ (int32_t)below(w, 40000), any_int(w), any_int(w), any_int(w), { 0 } };
		falls[i].counters[below(w, LEDGER_COUNTERS_MAX)] = any_int(w);
	}
	e->n_falls = n;
	e->falls = falls;
}

static void
any_told(struct world *w, struct entry *e)
{
	size_t n = (size_t)below(w, 3);
	struct told *told = any_array(w, n, sizeof(*told));

	for (size_t i = 0; i < n; ++i)
		told[i] = (struct told){ .kind = (enum notice_kind)below(w, NOTICE_KIND_COUNT), .points = any_int(w), .last_day = (int32_t)below(w, 40000) };
	for (size_t i = 0; i < n; ++i) {
		if (told[i].kind != NOTICE_VOUCHER)
			continue;
		told[i].voucher = any_text(w);
		told[i].from = any_id(w);
		told[i].n = (uint32_t)any_uint(w);
	}
	e->n_told = n;
	e->told = told;
}

static void
any_followup(struct world *w, struct followup *f)
{
	size_t n = (size_t)below(w, 3);
	struct line_left *lines = any_array(w, n, sizeof(*lines));
	struct activation *activations = any_array(w, n, sizeof(*activations));
	struct owed *owed = any_array(w, n, sizeof(*owed));

	for (size_t i = 0; i < n; ++i) {
		lines[i] = (struct line_left){ (uint32_t)any_uint(w), any_int(w) };
		activations[i] = (struct activation){ (int32_t)below(w, 40000), below(w, 3) == 0 ? DAY_CLOCK : any_day(w, DAY_NEVER), any_int(w) };
		any_word(w, owed[i].rule);
		owed[i].points = any_int(w);
	}
	*f = (struct followup){ .entry = any_id(w), .returned = any_bool(w), .clawed = any_int(w), .n_stepped = n, .stepped = owed,
	    .fallen = any_int(w), .n_activations = n, .activations = activations, .n_owed = n, .owed = owed, .reversed = any_int(w),
	    .lapsed = any_int(w), .referee_clawed = any_int(w), .referrer_clawed = any_int(w) };
	if (f->returned) {
		f->left = any_int(w);
		f->n_lines = n;
		f->lines = lines;
	}
}

static void
any_followups(struct world *w, struct entry *e)
{
	struct followup *followups = any_array(w, 2, sizeof(*followups));

	e->n_followups = (size_t)below(w, 3);
	for (size_t i = 0; i < e->n_followups; ++i)
		any_followup(w, &followups[i]);
	e->followups = followups;
}

static void
any_sides(struct world *w, struct entry *e)
{
	struct side *sides = any_array(w, 2, sizeof(*sides));

	e->n_sides = (size_t)below(w, 3);
	for (size_t i = 0; i < e->n_sides; ++i) {
		sides[i] = (struct side){ .member = any_uint(w), .has_tier = any_bool(w) };
		if (sides[i].has_tier)
			any_tier(w, &sides[i].tier);
		if (any_bool(w))
			sides[i].clock = any_clock(w);
		sides[i].tallies = any_tallies(w, &sides[i].n_tallies);
		sides[i].n_vouchers = (size_t)below(w, 2);
		sides[i].vouchers = any_array(w, 1, sizeof(*sides[i].vouchers));
		sides[i].vouchers[0] = (struct voucher_change){ .v = { .n = (uint32_t)any_uint(w), .state = VOUCHER_ISSUED,
		    .source = VOUCHER_BY_AUTO_REDEEM, .last_day = any_day(w, DAY_NEVER) } };
		any_word(w, sides[i].vouchers[0].v.id);
		sides[i].pendings = any_changes(w, &sides[i].n_pendings);
	}
	e->sides = sides;
}

static void
any_memberships(struct world *w, struct entry *e)
{
	struct membership *rows = any_array(w, 2, sizeof(*rows));
	const char **ids = any_array(w, 2, sizeof(*ids));

	e->n_memberships = (size_t)below(w, 3);
	for (size_t i = 0; i < e->n_memberships; ++i)
		rows[i] = (struct membership){ .id = "prime", .ended = any_bool(w), .cancelled = any_bool(w), .trial = any_day(w, DAY_NONE),
		    .anchor = any_day(w, DAY_NONE), .periods = (uint32_t)any_uint(w), .next = (int32_t)below(w, 40000),
		    .ends = (int32_t)below(w, 40000), .used = any_day(w, DAY_NONE) };
	e->memberships = rows;
	e->n_multiplied_by = (size_t)below(w, 3);
	for (size_t i = 0; i < e->n_multiplied_by; ++i)
		ids[i] = any_text(w);
	e->multiplied_by = ids;
	e->has_refund = any_bool(w);
	e->refund = e->has_refund ? any_int(w) : 0;
}

static void
any_people(struct world *w, struct entry *e)
{
	size_t n = (size_t)below(w, 4);
	uint64_t *merged = any_array(w, n, sizeof(*merged));

	for (size_t i = 0; i < n; ++i)
		merged[i] = any_uint(w);
	e->n_merged = n;
	e->merged = merged;
	e->provisional = any_bool(w);
	e->has_referral = any_bool(w);
	if (!e->has_referral)
		return;
	e->referral.referrer = any_uint(w);
	e->referral.referrer_points = any_int(w);
	e->referral.referee_points = any_int(w);
	e->referral.referrer_last_day = below(w, 3) == 0 ? DAY_CLOCK : any_day(w, DAY_NEVER);
	e->referral.referee_last_day = below(w, 3) == 0 ? DAY_CLOCK : any_day(w, DAY_NEVER);
}

static void
any_facts(struct world *w, struct entry *e)
{
	size_t n = (size_t)below(w, 4);
	struct grant *grants = any_array(w, n, sizeof(*grants));

	any_memberships(w, e);
	for (size_t i = 0; i < n; ++i)
		grants[i] = (struct grant){ any_text(w), any_int(w), any_int(w), any_bool(w) ? any_text(w) : NULL };
	e->n_grants = n;
	e->grants = grants;
	e->has_metrics = any_bool(w);
	if (e->has_metrics)
		e->metrics = (struct metric_day){ e->business_date, any_int(w), any_int(w), any_int(w), { 0 } };
	for (uint64_t i = e->has_metrics ? below(w, LEDGER_COUNTERS_MAX + 1) : 0; i > 0; --i)
		e->metrics.counters[i - 1] = any_int(w);
	e->tallies = any_tallies(w, &e->n_tallies);
	any_pendings(w, e);
	e->has_tier = any_bool(w);
	if (e->has_tier)
		any_tier(w, &e->tier);
	e->has_hold = any_bool(w);
	if (e->has_hold) {
		e->hold.has_id = any_bool(w);
		if (e->hold.has_id)
			e->hold.id = any_id(w);
		e->hold.ends_at_us = any_int(w);
		e->hold.left = any_int(w);
		e->hold.expire_at_once = any_bool(w);
		e->hold.for_store = any_text_or_none(w);
		e->hold.for_terminal = any_text_or_none(w);
	}
	e->birthday = any_day(w, DAY_NONE);
	e->has_value = any_bool(w);
	e->value = e->has_value ? any_int(w) : 0;
	e->enrolled = any_bool(w);
	any_people(w, e);
	e->clock.on = any_bool(w);
	if (e->clock.on)
		e->clock = any_clock(w);
	e->conditions = any_uint(w);
	e->multiplied = any_text_or_none(w);
	e->used = any_tallies(w, &e->n_used);
	any_falls(w, e);
	any_followups(w, e);
	e->waiting = any_bool(w);
	e->conflict = any_bool(w);
	e->has_key_change = any_bool(w);
	if (e->has_key_change) {
		e->key_change.old_key = any_bytes(w, 33);
		e->key_change.has_until = any_bool(w);
		e->key_change.until_us = e->key_change.has_until ? any_int(w) : 0;
	}
	any_sides(w, e);
	any_told(w, e);
}

static void
any_effects(struct world *w, struct entry *e)
{
	size_t n = (size_t)below(w, below(w, 10) == 0 ? 40 : 4);
	struct posting *postings = any_array(w, n, sizeof(*postings));

	for (size_t i = 0; i < n; ++i)
		postings[i] = (struct posting){ (enum account)(1 + below(w, ACCOUNT_COUNT - 1)), any_uint(w), any_int(w),
		    any_day(w, DAY_NEVER), (enum lot_class)below(w, LOT_CLASS_COUNT), any_bool(w), { 0 }, any_text_or_none(w) };
	for (size_t i = 0; i < n; ++i) {
		if (postings[i].has_hold)
			postings[i].hold = any_id(w);
		if (below(w, 4) == 0)
			postings[i].last_day = DAY_CLOCK;
	}
	e->n_postings = n;
	e->postings = postings;

	n = (size_t)below(w, 4);
	struct touched *touched = any_array(w, n, sizeof(*touched));
	for (size_t i = 0; i < n; ++i) {
		touched[i] = (struct touched){ .member = any_uint(w), .has_prev = any_bool(w), .available = any_int(w),
		    .pending = any_int(w), .held = any_int(w), .debt = any_int(w), .tier = any_text(w),
		    .tier_from = any_text_or_none(w), .tier_to = any_text_or_none(w) };
		if (touched[i].has_prev)
			touched[i].prev = any_id(w);
	}
	e->n_touched = n;
	e->touched = touched;
}

/* Rising, and below the entry's own number. */
static void
any_refused(struct world *w, struct entry *e)
{
	uint64_t n = below(w, 4), from = 1;
	struct seq_range *refused = arena_alloc(&w->arena, 4 * sizeof(*refused));

	for (uint64_t i = 0; i < n && from < e->terminal_seq; ++i) {
		uint64_t first = from + below(w, e->terminal_seq - from), last = first + below(w, e->terminal_seq - first);
		refused[e->n_refused++] = (struct seq_range){ first, last };
		from = last + 1;
	}
	e->refused = refused;
}

static void
any_entry(struct world *w, struct entry *e, enum op op)
{
	*e = (struct entry){ .op = op, .principal = any_text_or_none(w), .request_id = any_text_or_none(w), .store = any_text_or_none(w),
	    .terminal = any_text_or_none(w), .terminal_seq = any_uint(w), .engine = (uint32_t)any_uint(w),
	    .program_version = (uint32_t)any_uint(w), .has_occurred_at = any_bool(w), .has_due_at = any_bool(w),
	    .has_at = any_bool(w), .has_fingerprint = any_bool(w), .business_date = any_day(w, DAY_NONE),
	    .member = any_uint(w), .birthday = DAY_NONE };
	any_refused(w, e);
	if (e->has_occurred_at)
		e->occurred_at_us = any_int(w);
	if (e->has_due_at)
		e->due_at_us = any_int(w);
	if (e->has_at)
		e->at_us = any_int(w);
	for (size_t i = 0; e->has_fingerprint && i < sizeof(e->fingerprint); ++i)
		e->fingerprint[i] = (uint8_t)any(w);
	any_input(w, e);
	if (any_bool(w))
		any_facts(w, e);
	any_effects(w, e);
}

static enum op
any_op(struct world *w)
{
	enum op op;

	do
		op = (enum op)(1 + below(w, OP_COUNT - 1));
	while (!op_known(op));
	return op;
}

struct transaction
any_transaction(struct world *w, size_t n, enum op op)
{
	struct transaction t = { .origin = "example.org/ledger", .seq = any_uint(w), .committed_at_us = any_int(w),
	    .program = (uint32_t)any_uint(w) };

	for (size_t i = 0; i < sizeof(t.prev); ++i)
		t.prev[i] = (uint8_t)any(w);
	t.n_entries = n;
	t.entries = any_array(w, n, sizeof(*t.entries));
	for (size_t i = 0; i < n; ++i) {
		any_entry(w, &t.entries[i], op != OP_NONE ? op : any_op(w));
		t.entries[i].program = t.program;
	}
	return t;
}
