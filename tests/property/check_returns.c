/* What returns take, in whatever order; and points that move between members. */
#include "checks.h"

#include <assert.h>
#include <string.h>

/* ---- claw-backs ---- */

struct purchase { struct entry_id id; int64_t granted, clawed; bool carries; };
struct purchases { size_t n; struct purchase rows[COMMANDS_MAX + 1]; };

void
claws_begin(struct life *l)
{
	l->own = life_alloc(l, sizeof(struct purchases));
}

static bool
same_id(struct entry_id a, struct entry_id b)
{
	return a.seq == b.seq && a.index == b.index;
}

static struct purchase *
purchase_of(struct life *l, struct entry_id id)
{
	struct purchases *p = l->own;

	for (size_t i = 0; i < p->n; i++) {
		if (same_id(p->rows[i].id, id))
			return &p->rows[i];
	}
	return NULL;
}

static int64_t
posted_to(const struct entry *entry, enum account account)
{
	int64_t sum = 0;

	for (size_t i = 0; i < entry->n_postings; i++)
		sum += entry->postings[i].account == account ? entry->postings[i].points : 0;
	return sum;
}

static void
bought(struct life *l, const struct entry *entry)
{
	struct purchases *p = l->own;

	assert(p->n < sizeof(p->rows) / sizeof(p->rows[0]));
	struct purchase *row = &p->rows[p->n++];
	row->id = life_id(l, l->n_stored - 1);
	row->carries = l->programs[entry->program_version - 1]->carry_remainder;
	for (size_t i = 0; i < entry->n_grants; i++)
		row->granted += entry->grants[i].granted;
}

/* Points that lapsed were never the member's, and no return may take them again. */
static void
lapsed(struct life *l, const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_pendings; i++) {
		struct purchase *p = purchase_of(l, entry->pendings[i].p.from);
		if (p != NULL)
			p->clawed -= entry->pendings[i].p.points;
	}
}

static void
returned(struct life *l, const struct entry *entry)
{
	struct purchase *p = purchase_of(l, entry->u.past.entry);
	int64_t taken = posted_to(entry, ACCOUNT_CLAWED) + posted_to(entry, ACCOUNT_PARTNER_ISSUED);	/* bought at a partner's */

	assert(p != NULL && entry->n_followups == 1);
	const struct followup *f = &entry->followups[0];
	p->clawed += taken;
	if (taken < 0)
		life_fail(l, "entry %s gives %lld points", life_entry_text(l, entry), (long long)-taken);
	if (f->clawed + f->lapsed != p->clawed)
		life_fail(l, "entry %s: %lld points were clawed in all, and it says %lld", life_entry_text(l, entry), (long long)p->clawed,
		    (long long)(f->clawed + f->lapsed));
	if (p->carries)
		return;			/* a remainder below zero may take more than this purchase was granted */
	if (p->clawed > p->granted)
		life_fail(l, "entry %s: %lld points were granted, and %lld are clawed", life_entry_text(l, entry), (long long)p->granted,
		    (long long)p->clawed);
	if (f->left == 0 && l->programs[entry->program_version - 1]->claw_back == CLAW_UNLIMITED && p->clawed != p->granted)
		life_fail(l, "entry %s: nothing is left of the purchase, %lld points were granted, and %lld are clawed", life_entry_text(l, entry),
		    (long long)p->granted, (long long)p->clawed);
}

void
claws_are_fair(struct life *l, const struct entry *entry)
{
	if (entry->op == OP_PURCHASE)
		bought(l, entry);
	if (entry->op == OP_LAPSE)
		lapsed(l, entry);
	if (entry->op == OP_RETURN)
		returned(l, entry);
}

/* ---- the order of partial returns ---- */

/* Returns of one purchase, on a state made from what is stored; false when one is refused. */
static bool
return_parts(struct life *l, const struct entry *past, struct entry_id id, const int64_t *amounts, size_t n, struct memory_state *state)
{
	for (size_t i = 0; i < n; i++) {
		struct cmd cmd = { .op = OP_RETURN, .principal = "pos/s1/01", .request_id = "r", .program = 1, .member = past->member };
		struct refusal refusal;
		struct entry entry;
		enum evolve_fault fault;

		cmd.u.past.id = id;
		cmd.u.past.entry = past;
		cmd.u.past.has_amount = true;
		cmd.u.past.amount = (struct decimal){ amounts[i], (uint8_t)l->programs[0]->currency_digits };
		enum status st = decide(&state->state, &cmd, l->now_us, &l->arena, &entry, &refusal);
		assert(st == ST_OK);
		if (refusal.result != LEDGER_OK)
			return false;
		entry.program = 1;
		st = evolve(&state->state, &entry, life_next_id(l, i), l->now_us, EVOLVE_LIVE, &fault);
		assert(st == ST_OK);
		if (fault != EVOLVE_OK)
			life_fail(l, "a partial return cannot be applied: %s", evolve_fault_str(fault));
	}
	return true;
}

struct outcome { bool done; int64_t clawed, left, available, pending, debt, earned, spend; };

static struct outcome
outcome_of(struct life *l, const struct entry *past, struct entry_id id, const int64_t *amounts, size_t n)
{
	life_swap_memory(l);
	struct memory_state *state = life_replay(l);
	struct outcome o = { .done = return_parts(l, past, id, amounts, n, state) };
	const struct member *m = memory_member(state, 1, past->member);
	const struct followup *f = NULL;

	if (o.done) {
		enum status st = state->state.followup(state, id, &f);
		assert(st == ST_OK);
		o.clawed = f->clawed;
		o.left = f->left;
		o.available = m->available;
		o.pending = m->pending;
		o.debt = m->debt;
		o.earned = m->points_earned;
		o.spend = m->spend;
	}
	life_forget_replay(l);
	arena_reset(&l->arena);
	life_swap_memory(l);
	return o;
}

static bool
same_outcome(const struct outcome *x, const struct outcome *y)
{
	return x->done == y->done && x->clawed == y->clawed && x->left == y->left && x->available == y->available && x->pending == y->pending &&
	    x->debt == y->debt && x->earned == y->earned && x->spend == y->spend;
}

/*
 * Both orders, and both parts at once.  A rest may be worth more than the whole was, where a rule with a better rate or max_amount takes
 * over; what was clawed is not given back then, and the order matters.
 */
static void
same_either_way(struct life *l, const struct entry *past, struct entry_id id, int64_t a, int64_t b)
{
	const int64_t one[2] = { a, b }, other[2] = { b, a }, sum = a + b;
	struct outcome once = outcome_of(l, past, id, &sum, 1), first = outcome_of(l, past, id, &a, 1), second = outcome_of(l, past, id, &b, 1);
	struct outcome x = outcome_of(l, past, id, one, 2), y = outcome_of(l, past, id, other, 2);

	if (first.clawed > once.clawed || second.clawed > once.clawed)
		return;
	if (!same_outcome(&x, &once) || !same_outcome(&y, &once))
		life_fail(l, "of purchase %llu.%u is returned %lld: at once that takes %lld points and leaves %lld available, %lld owed; by %lld and then "
		    "%lld: %lld, %lld, %lld; the other way round: %lld, %lld, %lld", (unsigned long long)id.seq, id.index, (long long)sum,
		    (long long)once.clawed, (long long)once.available, (long long)once.debt, (long long)a, (long long)b, (long long)x.clawed,
		    (long long)x.available, (long long)x.debt, (long long)y.clawed, (long long)y.available, (long long)y.debt);
}

void
order_is_the_same(struct life *l)
{
	for (uint64_t member = 1; member <= l->n_people; member++) {
		const struct person *p = &l->people[member - 1];

		for (size_t i = 0; i < p->n_purchases && i < 3; i++) {
			const struct entry *past = life_find(l, p->purchases[i]);
			const struct followup *f = NULL;
			enum status st = l->ledger->state.followup(l->ledger, p->purchases[i], &f);

			assert(past != NULL && (st == ST_OK || st == ST_NOTFOUND));
			int64_t left = st == ST_OK && f->returned ? f->left : past->u.purchase.amount;
			if (left < 2)
				continue;
			same_either_way(l, past, p->purchases[i], 1, left - 1);
			if (left > 5)
				same_either_way(l, past, p->purchases[i], left / 3, left / 2);
		}
	}
}

/* ---- transfers and merges ---- */

struct kept { int64_t available, pending, held, debt, advanced, points_earned, spend, visits, counters; uint64_t purchases; };
struct keeping { struct kept sums; };

static struct kept
sum_all(const struct life *l)
{
	struct kept k = { 0 };

	for (size_t i = 0; i < l->ledger->n_members; i++) {
		const struct member *m = l->ledger->members[i];

		k.available += m->available;
		k.pending += m->pending;
		k.held += m->held;
		k.debt += m->debt;
		k.advanced += m->advanced;
		k.points_earned += m->points_earned;
		k.spend += m->spend;
		k.visits += m->visits;
		for (size_t c = 0; c < LEDGER_COUNTERS_MAX; c++)
			k.counters += m->counters[c];
		k.purchases += m->purchases;
	}
	return k;
}

void
keeping_begin(struct life *l)
{
	l->own = life_alloc(l, sizeof(struct keeping));
}

void
keeping_before(struct life *l, const struct entry *entry)
{
	struct keeping *keeping = l->own;

	(void)entry;
	keeping->sums = sum_all(l);
}

/* A transfer pays the receiver's debt; a merge moves all as it is. */
void
points_are_kept(struct life *l, const struct entry *entry)
{
	const struct kept *a = &((const struct keeping *)l->own)->sums;
	struct kept b = sum_all(l);

	if (entry->op != OP_TRANSFER && entry->op != OP_MERGE)
		return;
	for (size_t i = 0; i < entry->n_postings; i++)		/* what became a voucher with it */
		b.available += entry->postings[i].account == ACCOUNT_REDEEMED ? entry->postings[i].points : 0;
	if (a->available - a->debt != b.available - b.debt || a->pending != b.pending || a->held != b.held || a->points_earned != b.points_earned ||
	    a->spend != b.spend || a->visits != b.visits || a->counters != b.counters || a->purchases != b.purchases)
		life_fail(l, "entry %s does not keep what the members have together", life_entry_text(l, entry));
	if (entry->op == OP_MERGE && (a->available != b.available || a->debt != b.debt || a->advanced != b.advanced))
		life_fail(l, "entry %s does not move what the members have as it is", life_entry_text(l, entry));
	if (posted_to(entry, ACCOUNT_TRANSFERRED) != 0)
		life_fail(l, "entry %s leaves something in transferred", life_entry_text(l, entry));
}
