/*
 * Points of the one program that is simulated, by its own rules and not by the daemon's code:
 *   a purchase earns 1 point for each whole ${price} of the version in force, good for EXPIRY_DAYS days after the day in Seoul;
 *   what is taken goes from the lots that end first; a hold keeps its lots until it ends, is captured in parts, or released;
 *   a transfer keeps the last days.  What a return takes and what a birthday brings is taken from the entry, and only its sums are checked.
 */
#include "world.h"

#include <string.h>

#include "base/clock.h"

#define LOTS_MAX 64
#define HOLDS_MAX 24
#define SEOUL_US (INT64_C(9) * 3600 * US_PER_SECOND)
#define EXPIRY_DAYS 10

struct lots {
	unsigned n;
	struct { int32_t day; int64_t points; } of[LOTS_MAX];
};
struct hold_of { bool open; const struct command *command; int64_t ends_us; struct lots lots; };
struct person {
	bool there;
	uint64_t number;
	struct lots lots;
	struct hold_of holds[HOLDS_MAX];
	int64_t debt, rolled_us;
	uint64_t changed_seq;
	bool birthdays;				/* it has one, so what a read looks ahead to is not known */
};

static struct {
	struct person people[MEMBERS];
	int64_t price;
} model;

static int32_t
day_of(int64_t us)
{
	return (int32_t)((us + SEOUL_US) / US_PER_DAY);
}

/* ---- lots, by their last days ---- */

static int64_t
lots_sum(const struct lots *l)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < l->n; i++)
		sum += l->of[i].points;
	return sum;
}

static void
lots_add(struct lots *l, int32_t day, int64_t points)
{
	unsigned i = 0;

	while (i < l->n && l->of[i].day < day)
		i++;
	if (i == l->n || l->of[i].day != day) {
		if (l->n == LOTS_MAX)
			broken("the model has no room for lots");
		memmove(&l->of[i + 1], &l->of[i], (l->n - i) * sizeof(l->of[0]));
		l->of[i].day = day;
		l->of[i].points = 0;
		l->n++;
	}
	l->of[i].points += points;
	if (l->of[i].points < 0)
		broken("a lot that ends on day %d has %lld points", day, (long long)l->of[i].points);
	if (l->of[i].points == 0)
		memmove(&l->of[i], &l->of[i + 1], (--l->n - i) * sizeof(l->of[0]));
}

/* Those that end first, into ${to} unless that is NULL; there are enough. */
static void
lots_take(struct lots *from, int64_t points, struct lots *to)
{
	while (points > 0) {
		int32_t day = from->of[0].day;
		int64_t part = from->of[0].points < points ? from->of[0].points : points;
		lots_add(from, day, -part);
		if (to != NULL)
			lots_add(to, day, part);
		points -= part;
	}
}

static void
lots_expire(struct lots *l, int32_t today)
{
	while (l->n > 0 && l->of[0].day < today)
		lots_add(l, l->of[0].day, -l->of[0].points);
}

/* ---- a person ---- */

static void
gain(struct person *p, int32_t day, int64_t points)
{
	int64_t paid = points < p->debt ? points : p->debt;

	p->debt -= paid;
	if (points > paid)
		lots_add(&p->lots, day, points - paid);
}

static void
give_back(struct person *p, struct hold_of *h, int64_t at_us)
{
	lots_expire(&h->lots, day_of(at_us));
	for (unsigned i = 0; i < h->lots.n; i++)
		lots_add(&p->lots, h->lots.of[i].day, h->lots.of[i].points);
	h->open = false;
}

static void
roll(struct person *p, int64_t to_us)
{
	for (unsigned i = 0; i < HOLDS_MAX; i++) {
		if (p->holds[i].open && p->holds[i].ends_us <= to_us)
			give_back(p, &p->holds[i], p->holds[i].ends_us);
	}
	lots_expire(&p->lots, day_of(to_us));
	if (to_us > p->rolled_us)
		p->rolled_us = to_us;
}

static int64_t
held(const struct person *p)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < HOLDS_MAX; i++) {
		if (p->holds[i].open)
			sum += lots_sum(&p->holds[i].lots);
	}
	return sum;
}

static struct hold_of *
find_hold(struct person *p, const struct command *hold)
{
	for (unsigned i = 0; i < HOLDS_MAX; i++) {
		if (p->holds[i].open && p->holds[i].command == hold)
			return &p->holds[i];
	}
	return NULL;
}

static struct hold_of *
free_hold(struct person *p)
{
	for (unsigned i = 0; i < HOLDS_MAX; i++) {
		if (!p->holds[i].open)
			return &p->holds[i];
	}
	return NULL;
}

/* As the ledger posted it. */
static void
adopt(struct person *p, const struct entry *e)
{
	for (size_t i = 0; i < e->n_postings; i++) {
		const struct posting *posting = &e->postings[i];
		if (posting->member != p->number)
			continue;
		if (posting->account == ACCOUNT_MEMBER)
			lots_add(&p->lots, posting->last_day, posting->points);
		else if (posting->account == ACCOUNT_DEBT)
			p->debt -= posting->points;
	}
}

/* ---- what commands do; a sentence's end when they may not ---- */

static const char *
do_enrol(struct person *p, const struct command *c, const struct entry *e)
{
	if (p->there)
		return "is enrolled already";
	*p = (struct person){ .there = true, .number = e->member, .birthdays = command_has_birthday(c) };
	return NULL;
}

static const char *
do_hold(struct person *p, const struct command *c, int64_t now_us)
{
	struct hold_of *h = free_hold(p);

	if (lots_sum(&p->lots) < c->amount)
		return "has too few points";
	if (h == NULL)
		return "has more holds than the model";
	*h = (struct hold_of){ .open = true, .command = c, .ends_us = now_us + c->ttl_s * US_PER_SECOND };
	lots_take(&p->lots, c->amount, &h->lots);
	return NULL;
}

static const char *
do_capture(struct person *p, const struct command *c)
{
	struct hold_of *h = find_hold(p, command_at(c->of));

	if (h == NULL)
		return "has no such hold";
	if (lots_sum(&h->lots) < c->amount)
		return "has a smaller hold";
	lots_take(&h->lots, c->amount, NULL);
	h->open = h->lots.n > 0;
	return NULL;
}

static const char *
do_transfer(struct person *p, struct person *to, const struct command *c)
{
	struct lots moved = { 0 };

	if (!to->there || to == p)
		return "has nobody to give them to";
	if (lots_sum(&p->lots) < c->amount)
		return "has too few points";
	lots_take(&p->lots, c->amount, &moved);
	for (unsigned i = 0; i < moved.n; i++)
		gain(to, moved.of[i].day, moved.of[i].points);
	return NULL;
}

/* ${e} NULL: only whether it may; what an entry alone can tell is left out. */
static const char *
act(struct person *p, struct person *other, const struct command *c, const struct entry *e, int64_t now_us)
{
	struct hold_of *h;

	if (c->deed != DEED_ENROL && !p->there)
		return "is not enrolled";
	switch (c->deed) {
	case DEED_ENROL: return p->there ? "is enrolled already" : e == NULL ? NULL : do_enrol(p, c, e);
	case DEED_PURCHASE: gain(p, day_of(now_us) + EXPIRY_DAYS, c->amount / model.price); return NULL;
	case DEED_REDEEM:
		if (lots_sum(&p->lots) < c->amount)
			return "has too few points";
		lots_take(&p->lots, c->amount, NULL);
		return NULL;
	case DEED_HOLD: return do_hold(p, c, now_us);
	case DEED_CAPTURE: return do_capture(p, c);
	case DEED_RELEASE:
		h = find_hold(p, command_at(c->of));
		if (h == NULL)
			return "has no such hold";
		give_back(p, h, now_us);
		return NULL;
	case DEED_RETURN:
		if (e != NULL)
			adopt(p, e);
		return NULL;
	case DEED_TRANSFER: return do_transfer(p, other, c);
	case DEED_ERASE: *p = (struct person){ 0 }; return NULL;
	case DEED_PUBLISH: case DEED_ROTATE: case DEED_CLOCK: case DEED_BATCH: case DEED_BALANCE: case DEED_HISTORY: case DEED_VAULT: case DEED_COUNT: break;
	}
	return NULL;
}

static struct person *
person_of(uint64_t number)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		if (model.people[i].there && model.people[i].number == number)
			return &model.people[i];
	}
	return NULL;
}

static void
compare(const struct transaction *t, uint32_t index, const struct person *p, uint64_t number)
{
	const struct entry *e = &t->entries[index];

	for (size_t i = 0; i < e->n_touched; i++) {
		const struct touched *after = &e->touched[i];
		if (after->member != number)
			continue;
		if (after->available != lots_sum(&p->lots) || after->held != held(p) || after->debt != p->debt)
			broken("%s %llu.%u: member %llu has %lld available, %lld held, %lld debt; the model says %lld, %lld, %lld", op_str(e->op),
			    (unsigned long long)t->seq, index, (unsigned long long)number, (long long)after->available, (long long)after->held,
			    (long long)after->debt, (long long)lots_sum(&p->lots), (long long)held(p), (long long)p->debt);
	}
}

static void
system_entry(const struct transaction *t, uint32_t index)
{
	const struct entry *e = &t->entries[index];
	struct person *p = person_of(e->member);

	if (p == NULL || e->op == OP_TIER_REVIEW || e->op == OP_TIER_LOOK)
		return;
	p->changed_seq = t->seq;
	if (e->op == OP_BIRTHDAY) {
		adopt(p, e);
		return;
	}
	roll(p, e->due_at_us);
	if (e->op == OP_EXPIRE)
		compare(t, index, p, p->number);
}

void
model_entry(const struct transaction *t, uint32_t index, struct command *c)
{
	const struct entry *e = &t->entries[index];
	int64_t now_us = t->committed_at_us;

	if (c == NULL) {
		system_entry(t, index);
		return;
	}
	if (c->deed == DEED_PUBLISH)
		model.price = c->amount;
	if (c->deed >= DEED_PUBLISH)
		return;
	struct person *p = &model.people[c->member], *other = &model.people[c->other];
	uint64_t number = p->there ? p->number : e->member, other_number = other->number;
	roll(p, now_us);
	if (c->deed == DEED_TRANSFER)
		roll(other, now_us);
	const char *why = act(p, other, c, e, now_us);
	if (why != NULL)
		broken("%s %s is in the ledger at %llu.%u, but the member %s", op_str(e->op), c->key, (unsigned long long)t->seq, index, why);
	if (number != e->member)
		broken("%s %s is of member %llu, and the alias is of %llu", op_str(e->op), c->key, (unsigned long long)e->member, (unsigned long long)number);
	compare(t, index, p, number);
	if (c->deed == DEED_TRANSFER) {
		compare(t, index, other, other_number);
		other->changed_seq = t->seq;
	}
	c->want_available = lots_sum(&p->lots);
	c->want_held = held(p);
	p->changed_seq = t->seq;
}

unsigned
model_people(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MEMBERS; i++)
		n += model.people[i].there;
	return n;
}

bool
model_balance(unsigned member, uint64_t seq, int64_t at_us, bool *ret_there, int64_t *ret_available, int64_t *ret_held)
{
	struct person p = model.people[member];

	if (p.changed_seq > seq || at_us < p.rolled_us || p.birthdays)
		return false;
	roll(&p, at_us);
	*ret_there = p.there;
	*ret_available = lots_sum(&p.lots);
	*ret_held = held(&p);
	return true;
}

static bool
unchanged(const struct person *p, const struct command *c)
{
	return p->changed_seq < c->first_size && p->rolled_us <= c->first_us && !p->birthdays;
}

bool
model_would_accept(const struct command *c, int64_t now_us)
{
	struct person p = model.people[c->member], other = model.people[c->other];
	int64_t since_us = c->first_us;

	if (c->deed >= DEED_PUBLISH || c->amount == 0 || now_us < since_us || !unchanged(&p, c) || !unchanged(&other, c))
		return false;
	roll(&p, since_us);
	roll(&other, since_us);
	struct person later = p, other_later = other;
	if (act(&p, &other, c, NULL, since_us) != NULL)
		return false;
	roll(&later, now_us);
	roll(&other_later, now_us);
	return act(&later, &other_later, c, NULL, now_us) == NULL;
}
