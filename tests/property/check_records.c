/* Records as bytes. */
#include "checks.h"

#include <string.h>

/* ---- field by field: bytes that are equal again may have lost the same twice ---- */

static bool
same_lots(const struct lot *a, size_t n_a, const struct lot *b, size_t n_b)
{
	bool same = n_a == n_b;

	for (size_t i = 0; same && i < n_a; i++)
		same = a[i].last_day == b[i].last_day && a[i].class == b[i].class && a[i].points == b[i].points;
	return same;
}

static bool
same_numbers_of(const uint64_t *a, size_t n_a, const uint64_t *b, size_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static bool
same_holds(const struct member *a, const struct member *b)
{
	bool same = a->n_holds == b->n_holds;

	for (size_t i = 0; same && i < a->n_holds; i++) {
		const struct hold *x = &a->holds[i], *y = &b->holds[i];
		same = x->id.seq == y->id.seq && x->id.index == y->id.index && x->ends_at_us == y->ends_at_us && x->day == y->day &&
		    x->expire_at_once == y->expire_at_once && strcmp(x->partner, y->partner) == 0 && x->part == y->part && x->pooled == y->pooled &&
		    same_numbers_of(x->owners, x->n_owners, y->owners, y->n_owners) && same_lots(x->lots, x->n_lots, y->lots, y->n_lots);
	}
	return same;
}

static bool
same_day(const struct metric_day *a, const struct metric_day *b)
{
	return a->points_earned == b->points_earned && a->spend == b->spend && a->visits == b->visits &&
	    memcmp(a->counters, b->counters, sizeof(a->counters)) == 0;
}

static bool
same_vouchers(const struct member *a, const struct member *b)
{
	bool same = a->n_vouchers == b->n_vouchers;

	for (size_t i = 0; same && i < a->n_vouchers; i++) {
		const struct voucher *x = &a->vouchers[i], *y = &b->vouchers[i];
		same = x->from.seq == y->from.seq && x->from.index == y->from.index && x->n == y->n && x->state == y->state && x->source == y->source &&
		    strcmp(x->id, y->id) == 0 && strcmp(x->of, y->of) == 0 && x->at == y->at && x->last_day == y->last_day && x->by.seq == y->by.seq &&
		    x->by.index == y->by.index;
	}
	return same;
}

static bool
same_cards(const struct member *a, const struct member *b)
{
	bool same = a->n_cards == b->n_cards && a->has_auto == b->has_auto && a->auto_day == b->auto_day;

	for (size_t i = 0; same && i < a->n_cards; i++) {
		const struct stamp_card *x = &a->cards[i], *y = &b->cards[i];
		same = strcmp(x->id, y->id) == 0 && x->stamps == y->stamps && x->last_day == y->last_day && x->n_fired == y->n_fired &&
		    memcmp(x->fired, y->fired, x->n_fired * sizeof(x->fired[0])) == 0;
	}
	return same;
}

static bool
same_metrics(const struct member *a, const struct member *b)
{
	bool same = a->n_days == b->n_days && a->n_counts == b->n_counts;

	for (size_t i = 0; same && i < a->n_days; i++) {
		const struct day_row *x = &a->days[i], *y = &b->days[i];
		same = x->day == y->day && x->points_earned == y->points_earned && x->spend == y->spend && x->visits == y->visits;
	}
	for (size_t i = 0; same && i < a->n_counts; i++) {
		const struct count_row *x = &a->counts[i], *y = &b->counts[i];
		same = x->day == y->day && x->counter == y->counter && x->count == y->count;
	}
	return same;
}

static bool
same_rows(const struct member *a, const struct member *b)
{
	bool same = a->n_tallies == b->n_tallies && a->n_pendings == b->n_pendings && same_metrics(a, b);

	for (size_t i = 0; same && i < a->n_tallies; i++) {
		const struct tally *x = &a->tallies[i], *y = &b->tallies[i];
		same = x->kind == y->kind && x->per == y->per && strcmp(x->id, y->id) == 0 && x->at == y->at && x->points == y->points &&
		    x->count == y->count;
	}
	for (size_t i = 0; same && i < a->n_pendings; i++) {
		const struct pending *x = &a->pendings[i], *y = &b->pendings[i];
		same = x->due_day == y->due_day && x->from.seq == y->from.seq && x->from.index == y->from.index && x->version == y->version &&
		    strcmp(x->activity, y->activity) == 0 && strcmp(x->term, y->term) == 0 && x->class == y->class && x->points == y->points;
	}
	same = same && a->n_memberships == b->n_memberships;
	for (size_t i = 0; same && i < a->n_memberships; i++) {
		const struct membership *x = &a->memberships[i], *y = &b->memberships[i];
		same = strcmp(x->id, y->id) == 0 && x->ended == y->ended && x->cancelled == y->cancelled && x->trial == y->trial &&
		    x->anchor == y->anchor && x->periods == y->periods && x->next == y->next && x->ends == y->ends && x->used == y->used;
	}
	return same;
}

static bool
same_tier(const struct tier_state *a, const struct tier_state *b)
{
	return strcmp(a->earned, b->earned) == 0 && a->since == b->since && a->until == b->until && strcmp(a->gift, b->gift) == 0 &&
	    a->gift_until == b->gift_until && a->from == b->from && a->start == b->start && a->grace == b->grace;
}

static bool
same_numbers(const struct member *a, const struct member *b)
{
	return a->provisional == b->provisional && a->referred_by == b->referred_by && a->referral_done == b->referral_done &&
	    a->n_consents == b->n_consents && a->enrolled_day == b->enrolled_day && a->available == b->available && a->pending == b->pending && a->held == b->held &&
	    a->debt == b->debt && a->advanced == b->advanced && a->merged_into == b->merged_into && a->points_earned == b->points_earned &&
	    a->spend == b->spend && a->visits == b->visits && a->purchases == b->purchases &&
	    memcmp(a->counters, b->counters, sizeof(a->counters)) == 0 && a->standing == b->standing && a->has_anniversary == b->has_anniversary &&
	    a->anniversary == b->anniversary && a->noticed == b->noticed && a->noticed_before == b->noticed_before &&
	    a->told_day == b->told_day && a->notice_day == b->notice_day && a->has_look == b->has_look &&
	    a->look_day == b->look_day && a->birthday_paid == b->birthday_paid && a->has_head == b->has_head && a->head.seq == b->head.seq &&
	    a->head.index == b->head.index && a->due_at_us == b->due_at_us;
}

static bool
same_clock(const struct inactivity_clock *a, const struct inactivity_clock *b)
{
	return a->on == b->on && (!a->on || (a->last_day == b->last_day && a->months == b->months && a->percent == b->percent));
}

static bool
same_member(const struct member *a, const struct member *b)
{
	return same_numbers(a, b) && a->pool == b->pool && same_numbers_of(a->joined, a->n_joined, b->joined, b->n_joined) &&
	    same_clock(&a->clock, &b->clock) && same_tier(&a->tier, &b->tier) && same_day(&a->start_base, &b->start_base) &&
	    same_lots(a->lots, a->n_lots, b->lots, b->n_lots) && same_holds(a, b) && same_vouchers(a, b) &&
	    same_cards(a, b) && same_rows(a, b);
}

static void
one_survives(struct life *l, const struct entry *entry, uint64_t number)
{
	struct buf bytes[3];
	struct member read, copy;

	const struct member *m = life_member(l, number);
	for (size_t i = 0; i < 3; i++)
		buf_init(&bytes[i]);
	member_encode(m, &bytes[0]);
	enum status st = member_decode(buf_bytes(&bytes[0]), &l->arena, &read), copied = member_copy(m, &l->arena, &copy);
	if (st == ST_OK) {
		member_encode(&read, &bytes[1]);
		member_encode(&copy, &bytes[2]);
	}
	bool same = st == ST_OK && copied == ST_OK && same_member(m, &read) && same_member(m, &copy) && bytes_equal(buf_bytes(&bytes[0]), buf_bytes(&bytes[1])) &&
	    bytes_equal(buf_bytes(&bytes[0]), buf_bytes(&bytes[2]));
	for (size_t i = 0; i < 3; i++)
		buf_release(&bytes[i]);
	if (!same)
		life_fail(l, "after entry %s: the record is not read as it was written: %s", life_entry_text(l, entry), status_str(st));
	if (member_check(&read) != EVOLVE_OK)
		life_fail(l, "after entry %s: the record that was read is wrong: %s", life_entry_text(l, entry), evolve_fault_str(member_check(&read)));
}

void
record_survives(struct life *l, const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_touched; i++)
		one_survives(l, entry, entry->touched[i].member);
}

void
replay_is_equal(struct life *l)
{
	struct memory_state *again = life_replay(l);

	life_same_state(l, l->ledger, again, "in a replay");
	life_forget_replay(l);
}
