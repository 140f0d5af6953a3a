/* Sums of every kind.  books_follow() keeps books of its own, by what postings say and nothing else. */
#include "checks.h"

#include <assert.h>
#include <string.h>

#define ROWS_MAX 4096

void
sums_to_zero(struct life *l, const struct entry *entry)
{
	int64_t sum = 0;

	for (size_t i = 0; i < entry->n_postings; i++) {
		if (entry->postings[i].points == 0)
			life_fail(l, "entry %s: posting %zu moves nothing", life_entry_text(l, entry), i);
		sum += entry->postings[i].points;
	}
	if (sum != 0)
		life_fail(l, "entry %s: its postings sum to %lld", life_entry_text(l, entry), (long long)sum);
}

/* ---- a record's numbers and their parts ---- */

static int64_t
sum_of_lots(const struct lot *lots, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += lots[i].points;
	return sum;
}

static void
same_sum(struct life *l, const struct entry *entry, const char *what, int64_t have, int64_t want)
{
	if (have != want)
		life_fail(l, "after entry %s: %s is %lld, and its parts are %lld", life_entry_text(l, entry), what, (long long)have, (long long)want);
}

static void
member_parts(struct life *l, const struct entry *entry, const struct member *m)
{
	int64_t held = 0, pending = 0, earned = 0;

	for (size_t i = 0; i < m->n_holds; i++)
		held += sum_of_lots(m->holds[i].lots, m->holds[i].n_lots);
	for (size_t i = 0; i < m->n_pendings; i++)
		pending += m->pendings[i].points;
	for (size_t i = 0; i < m->n_days; i++)
		earned += m->days[i].points_earned;
	same_sum(l, entry, "available", m->available, sum_of_lots(m->lots, m->n_lots));
	same_sum(l, entry, "held", m->held, held);
	same_sum(l, entry, "pending", m->pending, pending);
	/* A life is longer than the days that are kept. */
	if (m->n_days > 0 && life_today(l) - l->first_day < 300)
		same_sum(l, entry, "points_earned", m->points_earned, earned);
	if (member_check(m) != EVOLVE_OK)
		life_fail(l, "after entry %s: the record is wrong: %s", life_entry_text(l, entry), evolve_fault_str(member_check(m)));
}

static void
program_parts(struct life *l, const struct entry *entry)
{
	const struct memory_state *ms = l->ledger;
	const struct totals *totals = &ms->programs[0].totals;
	int64_t sums[ACCOUNT_COUNT] = { 0 }, all = 0;

	for (size_t i = 0; i < ms->n_members; i++) {
		sums[ACCOUNT_MEMBER] += ms->members[i]->available;
		sums[ACCOUNT_PENDING] += ms->members[i]->pending;
		sums[ACCOUNT_HELD] += ms->members[i]->held;
		sums[ACCOUNT_DEBT] -= ms->members[i]->debt;
	}
	for (enum account a = ACCOUNT_MEMBER; a <= ACCOUNT_DEBT; a++)
		same_sum(l, entry, account_str(a), totals->account[a], sums[a]);
	for (enum account a = ACCOUNT_MEMBER; a < ACCOUNT_COUNT; a++)
		all += totals->account[a];
	same_sum(l, entry, "the sum of all accounts", all, 0);
	if (totals->members != ms->n_members)
		life_fail(l, "after entry %s: the program counts %llu members", life_entry_text(l, entry), (unsigned long long)totals->members);
}

void
parts_are_equal(struct life *l, const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_touched; i++)
		member_parts(l, entry, life_member(l, entry->touched[i].member));
	program_parts(l, entry);
}

/* ---- nothing below zero ---- */

static void
not_below(struct life *l, const struct entry *entry, const char *what, int64_t value, int64_t least)
{
	if (value < least)
		life_fail(l, "after entry %s: %s is %lld", life_entry_text(l, entry), what, (long long)value);
}

static void
member_not_below(struct life *l, const struct entry *entry, const struct member *m)
{
	not_below(l, entry, "available", m->available, 0);
	not_below(l, entry, "pending", m->pending, 0);
	not_below(l, entry, "held", m->held, 0);
	not_below(l, entry, "debt", m->debt, 0);
	not_below(l, entry, "advanced", m->advanced, 0);
	not_below(l, entry, "debt less what was advanced", m->debt - m->advanced, 0);
	for (size_t i = 0; i < m->n_lots; i++)
		not_below(l, entry, "a lot", m->lots[i].points, 1);
	for (size_t i = 0; i < m->n_pendings; i++)
		not_below(l, entry, "a row of pending points", m->pendings[i].points, 1);
	for (size_t i = 0; i < m->n_holds; i++) {
		not_below(l, entry, "the number of lots of a hold", (int64_t)m->holds[i].n_lots, m->holds[i].pooled > 0 ? 0 : 1);
		for (size_t k = 0; k < m->holds[i].n_lots; k++)
			not_below(l, entry, "a lot of a hold", m->holds[i].lots[k].points, 1);
	}
	for (size_t i = 0; i < m->n_tallies; i++) {
		not_below(l, entry, "the points of a tally", m->tallies[i].points, 0);
		not_below(l, entry, "the count of a tally", m->tallies[i].count, 0);
	}
}

void
nothing_is_below_zero(struct life *l, const struct entry *entry)
{
	const int64_t *account = l->ledger->programs[0].totals.account;

	for (size_t i = 0; i < entry->n_touched; i++)
		member_not_below(l, entry, life_member(l, entry->touched[i].member));
	not_below(l, entry, "-issued", -account[ACCOUNT_ISSUED], 0);
	not_below(l, entry, "redeemed", account[ACCOUNT_REDEEMED], 0);
	not_below(l, entry, "what partners redeemed", account[ACCOUNT_PARTNER_REDEEMED], 0);
	not_below(l, entry, "expired", account[ACCOUNT_EXPIRED], 0);
	not_below(l, entry, "clawed", account[ACCOUNT_CLAWED], 0);
	for (size_t i = 0; i < entry->n_grants; i++) {
		not_below(l, entry, "what a rule granted", entry->grants[i].granted, 0);
		not_below(l, entry, "what a rule wanted less what it granted", entry->grants[i].wanted - entry->grants[i].granted, 0);
	}
	if (entry->has_value)
		not_below(l, entry, "the value of a redemption", entry->value, 0);
	for (size_t i = 0; i < entry->n_touched; i++) {
		const struct touched *t = &entry->touched[i];
		int64_t least = t->available < t->pending ? t->available : t->pending;
		not_below(l, entry, "a balance after it", least < t->held ? least : t->held, 0);
		not_below(l, entry, "debt after it", t->debt, 0);
	}
}

/* ---- books by postings alone ---- */

struct book_row {
	uint64_t member;
	enum account account;			/* MEMBER, HELD: a lot; PENDING, DEBT: all of it */
	struct entry_id hold;			/* HELD */
	int32_t last_day;
	enum lot_class class;
	int64_t points;
};
struct books { size_t n; struct book_row rows[ROWS_MAX]; };

void
books_begin(struct life *l)
{
	l->own = life_alloc(l, sizeof(struct books));
}

static struct book_row
row_of(const struct life *l, const struct entry *entry, const struct posting *p)
{
	struct book_row row = { .member = p->member, .account = p->account };

	if (p->account == ACCOUNT_HELD)
		row.hold = p->has_hold ? p->hold : entry->hold.has_id ? entry->hold.id : life_id(l, l->n_stored - 1);
	if (p->account == ACCOUNT_MEMBER || p->account == ACCOUNT_HELD) {
		row.last_day = p->last_day;
		row.class = p->class;
	}
	return row;
}

static int64_t *
book_row(struct books *b, const struct book_row *row)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct book_row *r = &b->rows[i];
		if (r->member == row->member && r->account == row->account && r->hold.seq == row->hold.seq && r->hold.index == row->hold.index &&
		    r->last_day == row->last_day && r->class == row->class)
			return &b->rows[i].points;
	}
	assert(b->n < ROWS_MAX);
	b->rows[b->n] = *row;
	return &b->rows[b->n++].points;
}

static void
same_lots(struct life *l, const struct entry *entry, uint64_t member, enum account account, struct entry_id hold, const struct lot *lots, size_t n)
{
	struct books *b = l->own;

	for (size_t i = 0; i < n; i++) {
		struct book_row row = { .member = member, .account = account, .hold = hold, .last_day = lots[i].last_day, .class = lots[i].class };
		same_sum(l, entry, account == ACCOUNT_HELD ? "a lot of a hold" : "a lot", lots[i].points, *book_row(b, &row));
	}
}

static void
member_follows(struct life *l, const struct entry *entry, const struct member *m)
{
	const struct books *b = l->own;
	int64_t sums[ACCOUNT_COUNT] = { 0 };

	same_lots(l, entry, m->number, ACCOUNT_MEMBER, (struct entry_id){ 0, 0 }, m->lots, m->n_lots);
	for (size_t i = 0; i < m->n_holds; i++)
		same_lots(l, entry, m->number, ACCOUNT_HELD, m->holds[i].id, m->holds[i].lots, m->holds[i].n_lots);
	for (size_t i = 0; i < b->n; i++) {
		if (b->rows[i].member == m->number)
			sums[b->rows[i].account] += b->rows[i].points;
	}
	same_sum(l, entry, "available", m->available, sums[ACCOUNT_MEMBER]);
	same_sum(l, entry, "pending", m->pending, sums[ACCOUNT_PENDING]);
	same_sum(l, entry, "held", m->held, sums[ACCOUNT_HELD]);
	same_sum(l, entry, "debt", m->debt, -sums[ACCOUNT_DEBT]);
}

void
books_follow(struct life *l, const struct entry *entry)
{
	struct books *b = l->own;

	for (size_t i = 0; i < entry->n_postings; i++) {
		struct book_row row = row_of(l, entry, &entry->postings[i]);
		*book_row(b, &row) += entry->postings[i].points;
	}
	for (size_t i = 0; i < entry->n_touched; i++)
		member_follows(l, entry, life_member(l, entry->touched[i].member));
}
