/* Field by field, and by value: what is borrowed may lie elsewhere. */
#include "same_entry.h"

#include "random_transaction.h"

static void
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void
same_id(struct entry_id a, struct entry_id b)
{
	assert_int_equal(a.seq, b.seq);
	assert_int_equal(a.index, b.index);
}

static void
same_lines(const struct entry_line *a, size_t n_a, const struct entry_line *b, size_t n_b)
{
	assert_int_equal(n_a, n_b);
	for (size_t i = 0; i < n_a; ++i) {
		same_text(a[i].sku, b[i].sku);
		same_text(a[i].category, b[i].category);
		assert_int_equal(a[i].qty, b[i].qty);
		assert_int_equal(a[i].amount, b[i].amount);
	}
}

static void
same_purchase(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->u.purchase.amount, b->u.purchase.amount);
	assert_int_equal(a->u.purchase.has_paid_with_points, b->u.purchase.has_paid_with_points);
	assert_int_equal(a->u.purchase.paid_with_points, b->u.purchase.paid_with_points);
	same_text(a->u.purchase.partner, b->u.purchase.partner);
	same_text(a->u.purchase.receipt_no, b->u.purchase.receipt_no);
	same_lines(a->u.purchase.lines, a->u.purchase.n_lines, b->u.purchase.lines, b->u.purchase.n_lines);
}

static void
same_voucher_ref(const struct voucher_ref *a, const struct voucher_ref *b)
{
	same_text(a->id, b->id);
	same_id(a->from, b->from);
	assert_int_equal(a->n, b->n);
}

static void
same_opening(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->u.opening.n_lots, b->u.opening.n_lots);
	assert_int_equal(a->u.opening.n_counters, b->u.opening.n_counters);
	for (size_t i = 0; i < a->u.opening.n_lots; ++i) {
		assert_int_equal(a->u.opening.lots[i].points, b->u.opening.lots[i].points);
		assert_int_equal(a->u.opening.lots[i].last_day, b->u.opening.lots[i].last_day);
	}
	for (size_t i = 0; i < a->u.opening.n_counters; ++i) {
		same_text(a->u.opening.counters[i].id, b->u.opening.counters[i].id);
		assert_int_equal(a->u.opening.counters[i].count, b->u.opening.counters[i].count);
	}
	same_text(a->u.opening.tier, b->u.opening.tier);
	assert_int_equal(a->u.opening.tier_until, b->u.opening.tier_until);
}

static void
same_input(const struct entry *a, const struct entry *b)
{
	switch (a->op) {
	case OP_GENESIS:
		assert_int_equal(a->u.genesis.format, b->u.genesis.format);
		same_text(a->u.genesis.origin, b->u.genesis.origin);
		assert_true(bytes_equal(a->u.genesis.transaction_key, b->u.genesis.transaction_key));
		assert_true(bytes_equal(a->u.genesis.checkpoint_key, b->u.genesis.checkpoint_key));
		assert_int_equal(a->u.genesis.manual_clock, b->u.genesis.manual_clock);
		break;
	case OP_RESTORE:
		assert_true(a->u.restore.lost_size == b->u.restore.lost_size);
		assert_true(bytes_equal(a->u.restore.lost_root, b->u.restore.lost_root));
		same_text(a->u.restore.reason, b->u.restore.reason);
		break;
	case OP_PUBLISH:
		same_text(a->u.publish.id, b->u.publish.id);
		assert_int_equal(a->u.publish.version, b->u.publish.version);
		assert_true(bytes_equal(a->u.publish.definition, b->u.publish.definition));
		assert_true(bytes_equal(a->u.publish.zone_data, b->u.publish.zone_data));
		break;
	case OP_PURCHASE:
		same_purchase(a, b);
		break;
	case OP_HOLD:
		assert_int_equal(a->u.hold.points, b->u.hold.points);
		assert_int_equal(a->u.hold.ttl_us, b->u.hold.ttl_us);
		assert_int_equal(a->u.hold.has_order_amount, b->u.hold.has_order_amount);
		assert_int_equal(a->u.hold.order_amount, b->u.hold.order_amount);
		same_text(a->u.hold.partner, b->u.hold.partner);
		assert_int_equal(a->u.hold.of_voucher, b->u.hold.of_voucher);
		same_voucher_ref(&a->u.hold.voucher, &b->u.hold.voucher);
		assert_int_equal(a->u.hold.pool, b->u.hold.pool);
		same_text(a->u.hold.for_terminal, b->u.hold.for_terminal);
		break;
	case OP_CAPTURE: case OP_RELEASE: case OP_HOLD_TIMEOUT: case OP_HOLD_EXPIRE:
		same_id(a->u.capture.hold, b->u.capture.hold);
		assert_int_equal(a->u.capture.has_points, b->u.capture.has_points);
		assert_int_equal(a->u.capture.points, b->u.capture.points);
		break;
	case OP_REDEEM:
		assert_int_equal(a->u.redeem.points, b->u.redeem.points);
		assert_int_equal(a->u.redeem.has_order_amount, b->u.redeem.has_order_amount);
		assert_int_equal(a->u.redeem.order_amount, b->u.redeem.order_amount);
		same_text(a->u.redeem.partner, b->u.redeem.partner);
		assert_int_equal(a->u.redeem.pool, b->u.redeem.pool);
		assert_int_equal(a->u.redeem.round_down, b->u.redeem.round_down);
		same_text(a->u.redeem.reward, b->u.redeem.reward);
		break;
	case OP_ACTIVITY:
		same_text(a->u.activity.activity, b->u.activity.activity);
		same_text(a->u.activity.partner, b->u.activity.partner);
		assert_int_equal(a->u.activity.has_amount, b->u.activity.has_amount);
		assert_int_equal(a->u.activity.amount, b->u.activity.amount);
		assert_int_equal(a->u.activity.has_score, b->u.activity.has_score);
		assert_int_equal(a->u.activity.score, b->u.activity.score);
		assert_int_equal(a->u.activity.qty, b->u.activity.qty);
		assert_int_equal(a->u.activity.has_purchase, b->u.activity.has_purchase);
		same_id(a->u.activity.purchase, b->u.activity.purchase);
		break;
	case OP_ADJUST:
		assert_int_equal(a->u.adjust.points, b->u.adjust.points);
		same_text(a->u.adjust.reason, b->u.adjust.reason);
		assert_int_equal(a->u.adjust.last_day, b->u.adjust.last_day);
		assert_int_equal(a->u.adjust.tier_points, b->u.adjust.tier_points);
		break;
	case OP_TIER:
		same_text(a->u.tier.tier, b->u.tier.tier);
		same_text(a->u.tier.reason, b->u.tier.reason);
		assert_int_equal(a->u.tier.until, b->u.tier.until);
		break;
	case OP_ZONE_DATA:
		assert_true(bytes_equal(a->u.zone_data.zone_data, b->u.zone_data.zone_data));
		break;
	case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE:
		same_text(a->u.standing.reason, b->u.standing.reason);
		break;
	case OP_RETURN: case OP_REVERSE_REDEEM:
		same_id(a->u.past.entry, b->u.past.entry);
		assert_int_equal(a->u.past.has_amount, b->u.past.has_amount);
		assert_int_equal(a->u.past.has_points, b->u.past.has_points);
		assert_int_equal(a->u.past.amount, b->u.past.amount);
		assert_int_equal(a->u.past.points, b->u.past.points);
		same_lines(a->u.past.lines, a->u.past.n_lines, b->u.past.lines, b->u.past.n_lines);
		break;
	case OP_TRANSFER: case OP_MERGE: case OP_POOL_JOIN:
		assert_int_equal(a->u.other.member, b->u.other.member);
		assert_int_equal(a->u.other.points, b->u.other.points);
		break;
	case OP_ROTATE_KEY:
		assert_int_equal(a->u.rotate_key.kind, b->u.rotate_key.kind);
		assert_true(bytes_equal(a->u.rotate_key.new_key, b->u.rotate_key.new_key));
		assert_int_equal(a->u.rotate_key.overlap_days, b->u.rotate_key.overlap_days);
		assert_int_equal(a->u.rotate_key.recovery, b->u.rotate_key.recovery);
		break;
	case OP_APPROVE:
		same_id(a->u.approve.command, b->u.approve.command);
		assert_true(bytes_equal(a->u.approve.signature, b->u.approve.signature));
		assert_true(bytes_equal(a->u.approve.key_id, b->u.approve.key_id));
		break;
	case OP_APPROVER_KEY:
		same_text(a->u.approver_key.principal, b->u.approver_key.principal);
		assert_true(bytes_equal(a->u.approver_key.public_key, b->u.approver_key.public_key));
		assert_int_equal(a->u.approver_key.until, b->u.approver_key.until);
		break;
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL:
		same_text(a->u.membership.membership, b->u.membership.membership);
		assert_int_equal(a->u.membership.trial, b->u.membership.trial);
		break;
	case OP_ADVANCE:
		assert_int_equal(a->u.advance.points, b->u.advance.points);
		break;
	case OP_VOUCHER_USE: case OP_VOUCHER_VOID:
		same_voucher_ref(&a->u.voucher.voucher, &b->u.voucher.voucher);
		assert_int_equal(a->u.voucher.has_order_amount, b->u.voucher.has_order_amount);
		assert_int_equal(a->u.voucher.order_amount, b->u.voucher.order_amount);
		assert_int_equal(a->u.voucher.offline, b->u.voucher.offline);
		same_text(a->u.voucher.reason, b->u.voucher.reason);
		break;
	case OP_ENROL:
		assert_int_equal(a->u.enrol.referrer, b->u.enrol.referrer);
		break;
	case OP_OPENING:
		same_opening(a, b);
		break;
	case OP_CONSENT:
		same_text(a->u.consent.purpose, b->u.consent.purpose);
		assert_int_equal(a->u.consent.given, b->u.consent.given);
		break;
	case OP_ERASE:
	case OP_LAPSE: case OP_ACTIVATE:
	case OP_TIER_REVIEW: case OP_TIER_LOOK: case OP_INACTIVITY: case OP_ANNIVERSARY: case OP_VOUCHER_EXPIRE: case OP_NOTICE:
	case OP_AUTO_REDEEM: case OP_STAMP_EXPIRE:
	case OP_PROFILE: case OP_BIRTHDAY: case OP_TIER_END: case OP_EXPIRE: case OP_CLOCK_ACCEPT: case OP_NONE:
	case OP_MEMBERSHIP_END: case OP_POOL_LEAVE: case OP_COUNT:
		break;
	}
}

static void
same_tallies(const struct tally *a, size_t n_a, const struct tally *b, size_t n_b)
{
	assert_int_equal(n_a, n_b);
	for (size_t i = 0; i < n_a; ++i) {
		assert_int_equal(a[i].kind, b[i].kind);
		assert_int_equal(a[i].per, b[i].per);
		assert_string_equal(a[i].id, b[i].id);
		assert_int_equal(a[i].at, b[i].at);
		assert_int_equal(a[i].points, b[i].points);
		assert_int_equal(a[i].count, b[i].count);
	}
}

static void
same_tier(const struct tier_state *a, const struct tier_state *b)
{
	assert_string_equal(a->earned, b->earned);
	assert_string_equal(a->gift, b->gift);
	assert_int_equal(a->since, b->since);
	assert_int_equal(a->until, b->until);
	assert_int_equal(a->gift_until, b->gift_until);
	assert_int_equal(a->from, b->from);
	assert_int_equal(a->start, b->start);
	assert_int_equal(a->grace, b->grace);
}

static void
same_clock(const struct inactivity_clock *a, const struct inactivity_clock *b)
{
	assert_int_equal(a->on, b->on);
	assert_int_equal(a->last_day, b->last_day);
	assert_int_equal(a->months, b->months);
	assert_int_equal(a->percent, b->percent);
}

static void
same_followup(const struct followup *a, const struct followup *b)
{
	same_id(a->entry, b->entry);
	assert_int_equal(a->returned, b->returned);
	assert_int_equal(a->left, b->left);
	assert_int_equal(a->clawed, b->clawed);
	assert_int_equal(a->n_stepped, b->n_stepped);
	for (size_t i = 0; i < a->n_stepped; ++i) {
		assert_string_equal(a->stepped[i].rule, b->stepped[i].rule);
		assert_int_equal(a->stepped[i].points, b->stepped[i].points);
	}
	assert_int_equal(a->fallen, b->fallen);
	assert_int_equal(a->reversed, b->reversed);
	assert_int_equal(a->lapsed, b->lapsed);
	assert_int_equal(a->referee_clawed, b->referee_clawed);
	assert_int_equal(a->referrer_clawed, b->referrer_clawed);
	assert_int_equal(a->n_lines, b->n_lines);
	for (size_t i = 0; i < a->n_lines; ++i) {
		assert_int_equal(a->lines[i].qty, b->lines[i].qty);
		assert_int_equal(a->lines[i].amount, b->lines[i].amount);
	}
	assert_int_equal(a->n_activations, b->n_activations);
	for (size_t i = 0; i < a->n_activations; ++i) {
		assert_int_equal(a->activations[i].day, b->activations[i].day);
		assert_int_equal(a->activations[i].last_day, b->activations[i].last_day);
		assert_int_equal(a->activations[i].points, b->activations[i].points);
	}
	assert_int_equal(a->n_owed, b->n_owed);
	for (size_t i = 0; i < a->n_owed; ++i) {
		assert_string_equal(a->owed[i].rule, b->owed[i].rule);
		assert_int_equal(a->owed[i].points, b->owed[i].points);
	}
}

static void
same_pendings(const struct pending_change *a, size_t n_a, const struct pending_change *b, size_t n_b)
{
	assert_int_equal(n_a, n_b);
	for (size_t i = 0; i < n_a; ++i) {
		assert_int_equal(a[i].has_from, b[i].has_from);
		same_id(a[i].p.from, b[i].p.from);
		assert_int_equal(a[i].p.due_day, b[i].p.due_day);
		assert_string_equal(a[i].p.activity, b[i].p.activity);
		assert_string_equal(a[i].p.term, b[i].p.term);
		assert_int_equal(a[i].p.version, b[i].p.version);
		assert_int_equal(a[i].p.class, b[i].p.class);
		assert_int_equal(a[i].p.points, b[i].p.points);
	}
}

static void
same_people(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->provisional, b->provisional);
	assert_int_equal(a->n_merged, b->n_merged);
	for (size_t i = 0; i < a->n_merged; ++i)
		assert_int_equal(a->merged[i], b->merged[i]);
	assert_int_equal(a->has_referral, b->has_referral);
	assert_int_equal(a->referral.referrer, b->referral.referrer);
	assert_int_equal(a->referral.referrer_points, b->referral.referrer_points);
	assert_int_equal(a->referral.referee_points, b->referral.referee_points);
	assert_int_equal(a->referral.referrer_last_day, b->referral.referrer_last_day);
	assert_int_equal(a->referral.referee_last_day, b->referral.referee_last_day);
}

/* Facts that few entries have. */
static void
same_rest(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->conditions, b->conditions);
	same_text(a->multiplied, b->multiplied);
	same_tallies(a->used, a->n_used, b->used, b->n_used);
	assert_int_equal(a->n_falls, b->n_falls);
	for (size_t i = 0; i < a->n_falls; ++i) {
		assert_int_equal(a->falls[i].day, b->falls[i].day);
		assert_int_equal(a->falls[i].points_earned, b->falls[i].points_earned);
		assert_int_equal(a->falls[i].spend, b->falls[i].spend);
		assert_int_equal(a->falls[i].visits, b->falls[i].visits);
		assert_memory_equal(a->falls[i].counters, b->falls[i].counters, sizeof(a->falls[i].counters));
	}
	assert_int_equal(a->n_followups, b->n_followups);
	for (size_t i = 0; i < a->n_followups; ++i)
		same_followup(&a->followups[i], &b->followups[i]);
	assert_int_equal(a->n_sides, b->n_sides);
	for (size_t i = 0; i < a->n_sides; ++i) {
		assert_int_equal(a->sides[i].member, b->sides[i].member);
		assert_int_equal(a->sides[i].has_tier, b->sides[i].has_tier);
		same_tier(&a->sides[i].tier, &b->sides[i].tier);
		same_clock(&a->sides[i].clock, &b->sides[i].clock);
		same_tallies(a->sides[i].tallies, a->sides[i].n_tallies, b->sides[i].tallies, b->sides[i].n_tallies);
		assert_int_equal(a->sides[i].n_vouchers, b->sides[i].n_vouchers);
		for (size_t k = 0; k < a->sides[i].n_vouchers; ++k) {
			assert_int_equal(a->sides[i].vouchers[k].has_from, b->sides[i].vouchers[k].has_from);
			assert_int_equal(a->sides[i].vouchers[k].v.n, b->sides[i].vouchers[k].v.n);
			assert_string_equal(a->sides[i].vouchers[k].v.id, b->sides[i].vouchers[k].v.id);
			assert_int_equal(a->sides[i].vouchers[k].v.last_day, b->sides[i].vouchers[k].v.last_day);
		}
		same_pendings(a->sides[i].pendings, a->sides[i].n_pendings, b->sides[i].pendings, b->sides[i].n_pendings);
	}
}

static void
same_facts(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->n_grants, b->n_grants);
	for (size_t i = 0; i < a->n_grants; ++i) {
		same_text(a->grants[i].rule, b->grants[i].rule);
		assert_int_equal(a->grants[i].wanted, b->grants[i].wanted);
		assert_int_equal(a->grants[i].granted, b->grants[i].granted);
		same_text(a->grants[i].cap, b->grants[i].cap);
	}
	assert_int_equal(a->n_memberships, b->n_memberships);
	for (size_t i = 0; i < a->n_memberships; ++i) {
		const struct membership *x = &a->memberships[i], *y = &b->memberships[i];

		assert_string_equal(x->id, y->id);
		assert_int_equal(x->ended, y->ended);
		assert_int_equal(x->cancelled, y->cancelled);
		assert_int_equal(x->trial, y->trial);
		assert_int_equal(x->anchor, y->anchor);
		assert_int_equal(x->periods, y->periods);
		assert_int_equal(x->next, y->next);
		assert_int_equal(x->ends, y->ends);
		assert_int_equal(x->used, y->used);
	}
	assert_int_equal(a->n_multiplied_by, b->n_multiplied_by);
	for (size_t i = 0; i < a->n_multiplied_by; ++i)
		same_text(a->multiplied_by[i], b->multiplied_by[i]);
	assert_int_equal(a->has_refund, b->has_refund);
	assert_int_equal(a->refund, b->refund);
	assert_int_equal(a->has_metrics, b->has_metrics);
	assert_int_equal(a->metrics.day, b->metrics.day);
	assert_int_equal(a->metrics.points_earned, b->metrics.points_earned);
	assert_int_equal(a->metrics.spend, b->metrics.spend);
	assert_int_equal(a->metrics.visits, b->metrics.visits);
	assert_memory_equal(a->metrics.counters, b->metrics.counters, sizeof(a->metrics.counters));
	assert_int_equal(a->n_segments, b->n_segments);
	for (size_t i = 0; i < a->n_segments; ++i)
		same_text(a->segments[i], b->segments[i]);
	assert_int_equal(a->conflict, b->conflict);
	assert_int_equal(a->n_vouchers, b->n_vouchers);
	for (size_t i = 0; i < a->n_vouchers; ++i) {
		assert_int_equal(a->vouchers[i].has_from, b->vouchers[i].has_from);
		same_id(a->vouchers[i].v.from, b->vouchers[i].v.from);
		assert_int_equal(a->vouchers[i].v.n, b->vouchers[i].v.n);
		assert_string_equal(a->vouchers[i].v.id, b->vouchers[i].v.id);
		assert_int_equal(a->vouchers[i].v.state, b->vouchers[i].v.state);
		assert_int_equal(a->vouchers[i].v.source, b->vouchers[i].v.source);
		assert_string_equal(a->vouchers[i].v.of, b->vouchers[i].v.of);
		assert_int_equal(a->vouchers[i].v.at, b->vouchers[i].v.at);
		assert_int_equal(a->vouchers[i].v.last_day, b->vouchers[i].v.last_day);
	}
	assert_int_equal(a->stamp_conditions, b->stamp_conditions);
	assert_int_equal(a->n_stamps, b->n_stamps);
	for (size_t i = 0; i < a->n_stamps; ++i) {
		assert_string_equal(a->stamps[i].card.id, b->stamps[i].card.id);
		assert_int_equal(a->stamps[i].card.stamps, b->stamps[i].card.stamps);
		assert_int_equal(a->stamps[i].card.last_day, b->stamps[i].card.last_day);
		assert_int_equal(a->stamps[i].card.n_fired, b->stamps[i].card.n_fired);
		assert_memory_equal(a->stamps[i].card.fired, b->stamps[i].card.fired, sizeof(a->stamps[i].card.fired));
		assert_int_equal(a->stamps[i].wanted, b->stamps[i].wanted);
		assert_int_equal(a->stamps[i].granted, b->stamps[i].granted);
		assert_int_equal(a->stamps[i].dropped, b->stamps[i].dropped);
	}
	same_pendings(a->pendings, a->n_pendings, b->pendings, b->n_pendings);
	same_people(a, b);
	same_tallies(a->tallies, a->n_tallies, b->tallies, b->n_tallies);
	assert_int_equal(a->has_tier, b->has_tier);
	same_tier(&a->tier, &b->tier);
	assert_int_equal(a->has_hold, b->has_hold);
	assert_int_equal(a->hold.has_id, b->hold.has_id);
	same_id(a->hold.id, b->hold.id);
	assert_int_equal(a->hold.ends_at_us, b->hold.ends_at_us);
	assert_int_equal(a->hold.left, b->hold.left);
	assert_int_equal(a->hold.expire_at_once, b->hold.expire_at_once);
	same_text(a->hold.for_store, b->hold.for_store);
	same_text(a->hold.for_terminal, b->hold.for_terminal);
	assert_int_equal(a->birthday, b->birthday);
	assert_int_equal(a->has_value, b->has_value);
	assert_int_equal(a->waiting, b->waiting);
	assert_int_equal(a->has_key_change, b->has_key_change);
	assert_true(bytes_equal(a->key_change.old_key, b->key_change.old_key));
	assert_int_equal(a->key_change.has_until, b->key_change.has_until);
	assert_int_equal(a->key_change.until_us, b->key_change.until_us);
	assert_int_equal(a->value, b->value);
	assert_int_equal(a->enrolled, b->enrolled);
	same_clock(&a->clock, &b->clock);
	assert_int_equal(a->n_told, b->n_told);
	for (size_t i = 0; i < a->n_told; ++i) {
		assert_int_equal(a->told[i].kind, b->told[i].kind);
		assert_int_equal(a->told[i].points, b->told[i].points);
		assert_int_equal(a->told[i].last_day, b->told[i].last_day);
		same_text(a->told[i].voucher, b->told[i].voucher);
		same_id(a->told[i].from, b->told[i].from);
		assert_int_equal(a->told[i].n, b->told[i].n);
	}
	same_rest(a, b);
}

static void
same_effects(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->n_postings, b->n_postings);
	for (size_t i = 0; i < a->n_postings; ++i) {
		assert_int_equal(a->postings[i].account, b->postings[i].account);
		assert_int_equal(a->postings[i].member, b->postings[i].member);
		assert_int_equal(a->postings[i].points, b->postings[i].points);
		assert_int_equal(a->postings[i].last_day, b->postings[i].last_day);
		assert_int_equal(a->postings[i].class, b->postings[i].class);
		assert_int_equal(a->postings[i].has_hold, b->postings[i].has_hold);
		same_text(a->postings[i].partner, b->postings[i].partner);
		same_id(a->postings[i].hold, b->postings[i].hold);
	}
	assert_int_equal(a->n_touched, b->n_touched);
	for (size_t i = 0; i < a->n_touched; ++i) {
		const struct touched *x = &a->touched[i], *y = &b->touched[i];
		assert_int_equal(x->member, y->member);
		assert_int_equal(x->has_prev, y->has_prev);
		same_id(x->prev, y->prev);
		assert_int_equal(x->available, y->available);
		assert_int_equal(x->pending, y->pending);
		assert_int_equal(x->held, y->held);
		assert_int_equal(x->debt, y->debt);
		same_text(x->tier, y->tier);
		same_text(x->tier_from, y->tier_from);
		same_text(x->tier_to, y->tier_to);
	}
}

void
same_entry(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->op, b->op);
	same_text(a->principal, b->principal);
	same_text(a->request_id, b->request_id);
	same_text(a->store, b->store);
	same_text(a->terminal, b->terminal);
	assert_int_equal(a->terminal_seq, b->terminal_seq);
	assert_int_equal(a->n_refused, b->n_refused);
	assert_memory_equal(a->refused, b->refused, a->n_refused * sizeof(*a->refused));
	assert_int_equal(a->engine, b->engine);
	assert_int_equal(a->program_version, b->program_version);
	assert_int_equal(a->has_occurred_at, b->has_occurred_at);
	assert_int_equal(a->occurred_at_us, b->occurred_at_us);
	assert_int_equal(a->has_due_at, b->has_due_at);
	assert_int_equal(a->due_at_us, b->due_at_us);
	assert_int_equal(a->has_at, b->has_at);
	assert_int_equal(a->at_us, b->at_us);
	assert_int_equal(a->has_fingerprint, b->has_fingerprint);
	assert_memory_equal(a->fingerprint, b->fingerprint, sizeof(a->fingerprint));
	assert_int_equal(a->business_date, b->business_date);
	assert_int_equal(a->member, b->member);
	assert_int_equal(a->program, b->program);
	same_input(a, b);
	same_facts(a, b);
	same_effects(a, b);
}
