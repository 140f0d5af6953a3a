/* Vouchers once more, from entries alone: each is in one state, ends but once, and is what the record says. */
#include "checks.h"

#include <string.h>

#define ERASE_MAX 200		/* daemon/ledger/decide_people.c: beside a thousand lots */

struct voucher_row { uint64_t member; struct voucher v; };

/* In the order of their issue, and found by what a voucher is known by: a life can have a hundred thousand of them. */
struct voucher_book {
	size_t n, cap;
	struct voucher_row *rows;
	size_t *slots;			/* 2 * cap of them: a row's place + 1, 0: free */
};

void
vouchers_begin(struct life *l)
{
	l->own = life_alloc(l, sizeof(struct voucher_book));
}

static bool
same_one(const struct voucher *a, const struct voucher *b)
{
	return a->from.seq == b->from.seq && a->from.index == b->from.index && a->n == b->n;
}

/* The slot of ${v}, or the free one where it would be. */
static size_t *
slot_of(const struct voucher_book *b, const struct voucher *v)
{
	size_t i = (size_t)(v->from.seq * 1000003 + v->from.index * 401 + v->n) % (2 * b->cap);

	while (b->slots[i] != 0 && !same_one(&b->rows[b->slots[i] - 1].v, v))
		i = (i + 1) % (2 * b->cap);
	return &b->slots[i];
}

static struct voucher_row *
row_of(const struct voucher_book *b, const struct voucher *v)
{
	size_t at = b->cap == 0 ? 0 : *slot_of(b, v);

	return at == 0 ? NULL : &b->rows[at - 1];
}

static void
grow(struct life *l, struct voucher_book *b)
{
	struct voucher_row *old = b->rows;

	b->cap = b->cap == 0 ? 256 : 2 * b->cap;
	b->rows = life_alloc(l, b->cap * sizeof(*b->rows));
	b->slots = life_alloc(l, 2 * b->cap * sizeof(*b->slots));
	for (size_t i = 0; i < b->n; i++) {
		b->rows[i] = old[i];
		*slot_of(b, &old[i].v) = i + 1;
	}
}

static void
add(struct life *l, struct voucher_book *b, const struct voucher_row *row)
{
	if (b->n == b->cap)
		grow(l, b);
	b->rows[b->n] = *row;
	*slot_of(b, &row->v) = ++b->n;
}

static bool
is_over(enum voucher_state s)
{
	return s == VOUCHER_USED || s == VOUCHER_EXPIRED || s == VOUCHER_REVOKED;
}

static void
issued(struct life *l, const struct entry *entry, uint64_t member, const struct voucher *v)
{
	struct voucher_book *b = l->own;
	struct voucher_row row = { .member = member, .v = *v };

	if (v->state != VOUCHER_ISSUED)
		life_fail(l, "entry %s: a new voucher is %s", life_entry_text(l, entry), voucher_state_str(v->state));
	row.v.from = life_id(l, l->n_stored - 1);
	if (row_of(b, &row.v) != NULL)
		life_fail(l, "entry %s: voucher %u of it is there twice", life_entry_text(l, entry), v->n);
	add(l, b, &row);
}

/* One that was used, or is of a card and expired, may still be taken back by a return, which makes it debt; nothing else that is over changes. */
static void
changed(struct life *l, const struct entry *entry, uint64_t member, const struct voucher *v)
{
	struct voucher_row *row = row_of(l->own, v);

	if (row == NULL)
		life_fail(l, "entry %s: its voucher %llu.%u.%u was never issued", life_entry_text(l, entry), (unsigned long long)v->from.seq,
		    v->from.index, v->n);
	bool taken_back = (row->v.state == VOUCHER_USED || row->v.state == VOUCHER_EXPIRED) && v->state == VOUCHER_REVOKED && entry->op == OP_RETURN;
	if (row->v.state == v->state || (is_over(row->v.state) && !taken_back))
		life_fail(l, "entry %s: a voucher that was %s is %s", life_entry_text(l, entry), voucher_state_str(row->v.state),
		    voucher_state_str(v->state));
	if (row->member != member)
		life_fail(l, "entry %s: its voucher is member %llu's", life_entry_text(l, entry), (unsigned long long)row->member);
	if (v->state == VOUCHER_EXPIRED && v->last_day >= life_today(l))
		life_fail(l, "entry %s: a voucher expired before its last day was over", life_entry_text(l, entry));
	row->v.state = v->state;
}

static size_t
living_of(const struct voucher_book *b, uint64_t member)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->rows[i].member == member && !is_over(b->rows[i].v.state);
	return n;
}

/* An erasure revokes by name what its entry has room for, which is ERASE_MAX; only what is beyond goes with the record without a word. */
static void
erased(struct life *l, const struct entry *entry)
{
	struct voucher_book *b = l->own;

	if (living_of(b, entry->member) > 0 && entry->n_vouchers < ERASE_MAX)
		life_fail(l, "entry %s: %zu vouchers of the member were not revoked, and there was room for them", life_entry_text(l, entry),
		    living_of(b, entry->member));
	if (life_member(l, entry->member)->n_vouchers != 0)
		life_fail(l, "entry %s: the member still has vouchers", life_entry_text(l, entry));
	for (size_t i = 0; i < b->n; i++) {
		if (b->rows[i].member == entry->member && !is_over(b->rows[i].v.state))
			b->rows[i].v.state = VOUCHER_REVOKED;
	}
}

/* Everything of the record is in the book, and what the book has as usable is in the record. */
static void
same_vouchers(struct life *l, const struct entry *entry, const struct member *m)
{
	struct voucher_book *b = l->own;
	size_t living = 0;

	for (size_t i = 0; i < m->n_vouchers; i++) {
		const struct voucher_row *row = row_of(b, &m->vouchers[i]);
		if (row == NULL || row->member != m->number || row->v.state != m->vouchers[i].state || row->v.last_day != m->vouchers[i].last_day)
			life_fail(l, "after entry %s: voucher %zu of member %llu is not what entries say", life_entry_text(l, entry), i,
			    (unsigned long long)m->number);
		living += !is_over(row->v.state);
	}
	if (living != living_of(b, m->number))
		life_fail(l, "after entry %s: member %llu has not all of the vouchers", life_entry_text(l, entry), (unsigned long long)m->number);
}

static void
move_to(struct voucher_book *b, uint64_t from, uint64_t into)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->rows[i].member == from)
			b->rows[i].member = into;
	}
}

static void
follow(struct life *l, const struct entry *entry, uint64_t member, const struct voucher_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (changes[i].has_from)
			changed(l, entry, member, &changes[i].v);
		else
			issued(l, entry, member, &changes[i].v);
	}
}

void
vouchers_follow(struct life *l, const struct entry *entry)
{
	if (entry->op == OP_MERGE)
		move_to(l->own, entry->u.other.member, entry->member);
	follow(l, entry, entry->member, entry->vouchers, entry->n_vouchers);
	for (size_t i = 0; i < entry->n_sides; i++)
		follow(l, entry, entry->sides[i].member, entry->sides[i].vouchers, entry->sides[i].n_vouchers);
	if (entry->op == OP_ERASE)
		erased(l, entry);
	for (size_t i = 0; i < entry->n_touched; i++)
		same_vouchers(l, entry, life_member(l, entry->touched[i].member));
}
