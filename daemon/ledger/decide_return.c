/*
 * Returns.  What is clawed back is cumulative: what was granted, less what the purchase would bring with only the rest of it (earn_again.c),
 * less what was taken already; pending points that lapsed are out of both.  So the order of partial returns cannot matter, and what a policy
 * could not take may be taken by a later return of the same purchase.  It never gives points back: where a smaller rest brings more than a
 * larger one (a rule that replaces another, below its min_amount), what a return took stays taken.
 *
 * Rules that carry a remainder are another matter: a return takes its amount out of the member's remainder, whichever purchase it names,
 * and each time that falls below zero one step is added back and its points are taken.
 *
 * The followup of the purchase holds how much of it is left; the entry carries it whole.
 *
 * An audit decides again what others wrote, by an engine that it does not decide itself: purchase and followup are what they say, and need
 * not fit each other.
 */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

struct returning {
	struct decision *d;
	const struct entry *past;		/* the purchase */
	const struct program *version;		/* that it was decided under */
	struct followup f;			/* of it: before, and at the end after this return */
	struct line_left *lines;		/* f.lines, while they change */
	int64_t amount;				/* that this return takes */
	bool ends;				/* wholly returned now, and not before */

	int64_t granted, waiting;		/* that the rest of it is judged by; of it what waited for an activity */
	struct worth *whole, *before, *after;	/* of all that was bought; what was left until now; what is left now */
	int64_t stepped_of[PROGRAM_RULES_MAX];	/* points of the steps that this return gives back, of each rule */
	struct voucher_loss vouchers;
	struct worth_back was_back, back;	/* what steps take: those of earlier returns; with those of this one */
	int64_t target, taken, from_pending;	/* target: what should be taken now */
};

/* ---- what is left ---- */

/* What is left is no more than was bought, and its lines are parts of it. */
static bool
fits(const struct returning *r)
{
	const struct entry *past = r->past;
	int64_t rest = r->f.left;

	if (r->f.left < 0 || r->f.left > past->u.purchase.amount)
		return false;
	for (size_t i = 0; i < past->u.purchase.n_lines; i++) {
		const struct entry_line *bought = &past->u.purchase.lines[i];
		if (r->lines[i].qty > bought->qty || r->lines[i].amount > bought->amount || r->lines[i].amount < 0 || r->lines[i].amount > rest)
			return false;
		rest -= r->lines[i].amount;
	}
	return true;
}

/* As if the first return came to a purchase of which all is left. */
static enum status
begin(struct returning *r)
{
	const struct entry *past = r->past;
	enum status st = followup_load(r->d, r->d->cmd->u.past.id, &r->f);

	if (st != ST_OK)
		return st;
	r->lines = arena_alloc(r->d->arena, (past->u.purchase.n_lines + 1) * sizeof(*r->lines));
	if (r->lines == NULL)
		return ST_NOMEM;
	if (r->f.returned && r->f.n_lines != past->u.purchase.n_lines)
		return ST_CORRUPT;
	for (size_t i = 0; i < past->u.purchase.n_lines; i++) {
		const struct entry_line *line = &past->u.purchase.lines[i];
		r->lines[i] = r->f.returned ? r->f.lines[i] : (struct line_left){ line->qty, line->amount };
	}
	if (!r->f.returned)
		r->f.left = past->u.purchase.amount;
	r->f.n_lines = past->u.purchase.n_lines;
	r->f.lines = r->lines;
	return fits(r) ? ST_OK : ST_CORRUPT;
}

static bool
anything_left(const struct returning *r)
{
	for (size_t i = 0; i < r->f.n_lines; i++) {
		if (r->lines[i].qty > 0)
			return true;
	}
	return r->f.left > 0 || !r->f.returned;
}

static int64_t
left_without_line(const struct returning *r)
{
	int64_t left = r->f.left;

	for (size_t i = 0; i < r->f.n_lines; i++)
		left -= r->lines[i].amount;
	return left;
}

static enum status
refuse_exceeds(struct returning *r, const char *field)
{
	return refuse(r->d, LEDGER_RETURN_EXCEEDS_PURCHASE, field, "more is returned than is left of the purchase");
}

static void
take_all(struct returning *r)
{
	r->amount = r->f.left;
	r->f.left = 0;
	for (size_t i = 0; i < r->f.n_lines; i++)
		r->lines[i] = (struct line_left){ 0 };
}

/* First the part without a line, then the lines from the last to the first; items leave with their whole line. */
static bool
take_amount(struct returning *r, int64_t amount)
{
	int64_t without = left_without_line(r), rest = amount > without ? amount - without : 0;

	if (amount > r->f.left) {
		(void)refuse_exceeds(r, "amount");
		return false;
	}
	if (amount == r->f.left) {
		take_all(r);
		return true;
	}
	for (size_t i = r->f.n_lines; i > 0 && rest > 0; i--) {
		struct line_left *line = &r->lines[i - 1];
		int64_t part = rest < line->amount ? rest : line->amount;

		line->amount -= part;
		rest -= part;
		if (line->amount == 0)
			line->qty = 0;
	}
	r->amount = amount;
	r->f.left -= amount;
	return true;
}

/* ---- by lines ---- */

static bool
same_word(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What a line of the return says of it, a line of the purchase has too; a line without names is one without names. */
static bool
line_is(const struct entry_line *bought, const struct line *named)
{
	if (named->sku == NULL && named->category == NULL)
		return bought->sku == NULL && bought->category == NULL;
	return (named->sku == NULL || same_word(named->sku, bought->sku)) &&
	    (named->category == NULL || same_word(named->category, bought->category));
}

/* Its share of the line, rounded down; the last piece takes the rest. */
static int64_t
share_of_line(const struct entry_line *bought, const struct line_left *left, uint32_t qty)
{
	if (qty >= left->qty)
		return left->amount;
	int64_t share = (int64_t)((wide)bought->amount * qty / bought->qty);
	return share < left->amount ? share : left->amount;
}

/* Takes ${qty} items, with ${amount} if it is given, from lines of the purchase in their order; *${ret_amount}: what went with them. */
static bool
take_line(struct returning *r, const struct line *named, bool given, int64_t amount, int64_t *ret_amount)
{
	uint32_t qty = named->qty;

	*ret_amount = 0;
	for (size_t i = 0; i < r->f.n_lines && qty > 0; i++) {
		const struct entry_line *bought = &r->past->u.purchase.lines[i];
		struct line_left *left = &r->lines[i];
		uint32_t part = qty < left->qty ? qty : left->qty;

		if (part == 0 || !line_is(bought, named))
			continue;
		/* A given amount is the last line's that it reaches, and before it each gives what it has. */
		int64_t money = !given ? share_of_line(bought, left, part) : amount < left->amount ? amount : left->amount;
		left->amount -= money;
		left->qty -= part;
		amount -= given ? money : 0;
		qty -= part;
		*ret_amount += money;
	}
	return qty == 0 && (!given || amount == 0);
}

static enum status
take_lines(struct returning *r, bool *ret_ok)
{
	struct decision *d = r->d;
	size_t n = d->cmd->u.past.n_lines;
	struct entry_line *lines = arena_alloc(d->arena, n * sizeof(*lines));

	*ret_ok = false;
	if (lines == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct line *named = &d->cmd->u.past.lines[i];
		int64_t amount = 0;

		if (named->has_amount && !decision_money(d, "lines", named->amount, &amount))
			return ST_OK;
		lines[i] = (struct entry_line){ .sku = named->sku, .category = named->category, .qty = named->qty };
		if (!take_line(r, named, named->has_amount, amount, &lines[i].amount))
			return refuse_exceeds(r, "lines");
		r->amount += lines[i].amount;
	}
	r->f.left -= r->amount;
	d->entry->u.past.lines = lines;
	d->entry->u.past.n_lines = n;
	*ret_ok = true;
	return ST_OK;
}

/* What this return takes; false in *${ret_ok}: refused. */
static enum status
take(struct returning *r, bool *ret_ok)
{
	struct decision *d = r->d;
	bool all_gone = r->f.returned && r->f.left == 0;
	int64_t amount = d->entry->u.past.amount;

	*ret_ok = false;
	if (!anything_left(r))
		return refuse_exceeds(r, NULL);
	enum status st = ST_OK;
	if (d->cmd->u.past.n_lines > 0)
		st = take_lines(r, ret_ok);
	else if (d->entry->u.past.has_amount)
		*ret_ok = take_amount(r, amount);
	else {
		take_all(r);
		*ret_ok = true;
	}
	r->ends = r->f.left == 0 && !all_gone;
	r->f.returned = true;
	return st;
}

/* ---- what the rest brings ---- */

/* The purchase as it is with so much left. */
static enum status
event_of(const struct returning *r, int64_t left, const struct line_left *lines, struct earn_event *ret)
{
	const struct entry *past = r->past;
	size_t n = past->u.purchase.n_lines, kept = 0;
	struct entry_line *rest = arena_alloc(r->d->arena, (n + 1) * sizeof(*rest));

	if (rest == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (lines[i].qty == 0 && lines[i].amount == 0)
			continue;
		rest[kept] = past->u.purchase.lines[i];
		rest[kept].qty = lines[i].qty;
		rest[kept++].amount = lines[i].amount;
	}
	*ret = (struct earn_event){
		.on = ON_PURCHASE, .store = past->store, .partner = past->u.purchase.partner, .amount = left,
		.paid_with_points = past->u.purchase.paid_with_points < left ? past->u.purchase.paid_with_points : left,
		.lines = rest, .n_lines = kept,
	};
	return ST_OK;
}

static enum status
evaluate(const struct returning *r, int64_t left, const struct line_left *lines, struct worth **ret)
{
	int64_t lapsed = r->f.lapsed < r->waiting ? r->f.lapsed : r->waiting;
	struct earn_event event;
	enum status st = event_of(r, left, lines, &event);

	if (st == ST_OK)
		st = earn_again(r->d, r->version, r->past, &event, r->granted, ret);
	if (st == ST_OK && lapsed > 0)
		worth_clip_lapsed(*ret, r->waiting - lapsed, r->granted - lapsed);
	return st;
}

static enum status
whole_event(const struct returning *r, struct earn_event *ret)
{
	const struct entry *past = r->past;
	struct line_left *lines = arena_alloc(r->d->arena, (r->f.n_lines + 1) * sizeof(*lines));

	if (lines == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < r->f.n_lines; i++)
		lines[i] = (struct line_left){ past->u.purchase.lines[i].qty, past->u.purchase.lines[i].amount };
	return event_of(r, past->u.purchase.amount, lines, ret);
}

/* Without the points of steps a limit had room for more of another rule than it let through. */
static void
clip_to_grants(const struct entry *past, struct worth *whole)
{
	whole->points = 0;
	for (size_t i = 0; i < whole->n; i++) {
		const struct grant *g = past_grant(past, whole->rows[i].name);
		int64_t granted = g == NULL ? 0 : g->granted;

		whole->rows[i].points = whole->rows[i].points < granted ? whole->rows[i].points : granted;
		whole->points += whole->rows[i].points;
	}
}

/* What was granted that is judged by the rest of the purchase: without the points of steps, and of it what waited for an activity. */
static enum status
set_granted(struct returning *r)
{
	struct earn_event event;

	r->granted = 0;
	for (size_t i = 0; i < r->past->n_grants; i++)
		r->granted += r->past->grants[i].granted;
	enum status st = whole_event(r, &event);
	if (st == ST_OK)
		st = earn_again(r->d, r->version, r->past, &event, r->granted, &r->whole);
	if (st != ST_OK)
		return st;
	clip_to_grants(r->past, r->whole);
	r->granted = r->whole->points;
	for (size_t i = 0; i < r->whole->n; i++)
		r->waiting += r->whole->rows[i].waits ? r->whole->rows[i].points : 0;
	return ST_OK;
}

/* The rest may meet a condition that the whole did not, such as max_amount: it never counts for more than the whole did. */
static int64_t
counted(int64_t whole, int64_t rest)
{
	return rest < whole ? rest : whole;
}

/* ---- remainders ---- */

static struct tally
remainder_tally(const struct rule *rule, int64_t money)
{
	struct tally t = { .kind = TALLY_REMAINDER, .per = PERIOD_LIFETIME, .points = money };

	tier_id_copy(t.id, rule->id);
	return t;
}

/* A rule that was not for the whole purchase is not for the rest. */
static int64_t
carried_amount(const struct returning *r, const struct worth *w, size_t rule)
{
	return w->carries[rule] && r->whole->carries[rule] ? counted(r->whole->amount[rule], w->amount[rule]) : 0;
}

static enum status
step_back(struct returning *r)
{
	const struct member *m = r->d->member;

	for (size_t i = 0; i < r->version->n_rules; i++) {
		const struct rule *rule = &r->version->rules[i];
		int64_t money = carried_amount(r, r->before, i) - carried_amount(r, r->after, i), steps = 0;

		if (money <= 0)
			continue;
		const struct tally *kept = tally_find(m->tallies, m->n_tallies, TALLY_REMAINDER, rule->id, PERIOD_LIFETIME, 0);
		int64_t have = kept == NULL ? 0 : kept->points;
		if (money > have)
			steps = (money - have + rule->amount - 1) / rule->amount;
		r->stepped_of[i] = steps * rule->points;
		struct tally t = remainder_tally(rule, steps * rule->amount - money);
		enum status st = t.points == 0 ? ST_OK : decision_tally(r->d, &t);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* With those of earlier returns, in the followup and in ${sums}. */
static enum status
add_steps(struct returning *r, int64_t sums[static PROGRAM_RULES_MAX], bool *ret_any)
{
	struct owed *rows = arena_alloc(r->d->arena, (r->version->n_rules + 1) * sizeof(*rows));
	size_t n = 0;

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < r->version->n_rules; i++) {
		sums[i] = r->stepped_of[i];
		for (size_t k = 0; k < r->f.n_stepped; k++)
			sums[i] += strcmp(r->f.stepped[k].rule, r->version->rules[i].id) == 0 ? r->f.stepped[k].points : 0;
		if (sums[i] == 0)
			continue;
		memcpy(rows[n].rule, r->version->rules[i].id, sizeof(r->version->rules[i].id));
		rows[n++].points = sums[i];
	}
	r->f.stepped = rows;
	r->f.n_stepped = n;
	*ret_any = n > 0;
	return ST_OK;
}

/* ---- taking it ---- */

/* What should be taken now. */
static enum status
set_target(struct returning *r)
{
	int64_t sums[PROGRAM_RULES_MAX] = { 0 }, lapsed = r->f.lapsed < r->waiting ? r->f.lapsed : r->waiting;
	struct earn_event event;
	bool any;
	enum status st = add_steps(r, sums, &any);

	if (st == ST_OK && any)
		st = whole_event(r, &event);
	if (st == ST_OK && any)
		st = earn_carried(r->d, r->version, r->past, &event, r->whole, sums, r->f.lapsed - lapsed, &r->back);
	for (size_t i = 0; i < r->version->n_rules; i++)
		sums[i] -= r->stepped_of[i];
	if (st == ST_OK && any)
		st = earn_carried(r->d, r->version, r->past, &event, r->whole, sums, r->f.lapsed - lapsed, &r->was_back);
	r->target = r->granted - lapsed - r->after->points + r->back.points - r->f.clawed;
	if (r->target < 0)
		r->target = 0;
	return st;
}

/* What was issued at a partner goes back to its account, so that a settlement nets the two. */
static enum account
clawed_to(const struct returning *r)
{
	return r->d->partner != NULL ? ACCOUNT_PARTNER_ISSUED : ACCOUNT_CLAWED;
}

static enum status
take_pending(struct returning *r)
{
	const struct member *m = r->d->member;
	struct lot lot = { .last_day = DAY_NEVER, .class = LOT_EARNED };

	for (size_t i = 0; i < m->n_pendings && r->taken < r->target; i++) {
		struct pending_change change = { .has_from = true, .p = m->pendings[i] };
		int64_t left = r->target - r->taken, part = left < change.p.points ? left : change.p.points;

		if (change.p.class != LOT_EARNED || entry_id_compare(change.p.from, r->f.entry) != 0)
			continue;
		change.p.points = -part;
		enum status st = decision_pending(r->d, &change);
		if (st != ST_OK)
			return st;
		r->taken += part;
	}
	r->from_pending = r->taken;
	return r->taken == 0 ? ST_OK : decision_move(r->d, ACCOUNT_PENDING, clawed_to(r), &lot, r->taken);
}

/* Whether a lot has terms that the purchase's points had. */
static bool
has_its_terms(const struct returning *r, const struct lot *lot)
{
	const struct entry *past = r->past;

	for (size_t i = 0; i < past->n_postings; i++) {
		const struct posting *p = &past->postings[i];
		if (p->account == ACCOUNT_MEMBER && p->points > 0 && p->last_day == lot->last_day && p->class == lot->class && p->class != LOT_REFERRAL)
			return true;
	}
	for (size_t i = 0; i < r->f.n_activations; i++) {
		if (lot->class == LOT_EARNED && r->f.activations[i].last_day == lot->last_day)
			return true;
	}
	return false;
}

/* From lots with its terms, or from the others, in consumption order. */
static enum status
take_lots(struct returning *r, bool its)
{
	const struct member *m = r->d->member;
	struct lot *lots = arena_alloc(r->d->arena, (m->n_lots + 1) * sizeof(*lots));
	int64_t there = 0, left = r->target - r->taken;
	size_t n = 0;

	if (lots == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->n_lots; i++) {
		if (has_its_terms(r, &m->lots[i]) != its)
			continue;
		lots[n++] = m->lots[i];
		there += m->lots[i].points;
	}
	int64_t part = left < there ? left : there;
	r->taken += part;
	return decision_take(r->d, lots, n, part, ACCOUNT_MEMBER, clawed_to(r), clawed_to(r), r->d->today);
}

static enum status
claw(struct returning *r)
{
	const struct lot none = { .last_day = DAY_NEVER, .class = LOT_NONE };
	enum claw_back policy = r->d->program->claw_back;
	enum status st = take_pending(r);

	if (st == ST_OK && policy != CLAW_ONLY_PENDING)
		st = take_lots(r, true);
	if (st == ST_OK && policy != CLAW_ONLY_PENDING)
		st = take_lots(r, false);
	int64_t rest = r->target - r->taken;
	if (st != ST_OK || policy != CLAW_UNLIMITED || rest == 0)
		return st;
	r->taken += rest;
	return decision_move(r->d, ACCOUNT_DEBT, clawed_to(r), &none, rest);
}

/* ---- caps come back ---- */

/* What each component loses by this return; points that could not be taken are owed, and come back when they are. */
struct loss { const struct rule *rule; const char *name; int64_t before, after; };	/* what stands of it */
struct losses { size_t n, cap; struct loss *rows; };

static struct loss *
loss_of(struct losses *l, const struct rule *rule, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->rows[i].name, name) == 0)
			return &l->rows[i];
	}
	assert(l->n < l->cap);
	l->rows[l->n] = (struct loss){ .rule = rule, .name = name };
	return &l->rows[l->n++];
}

/* Room for a row of each that list_losses() and restore_caps() name. */
static struct losses *
losses_new(const struct returning *r)
{
	struct losses *l = arena_alloc(r->d->arena, sizeof(*l));
	size_t cap = r->past->n_grants + r->before->n + r->after->n + r->f.n_owed + 2 * r->version->n_rules + 1 + PROGRAM_MEMBERSHIPS_MAX;

	if (l != NULL)
		*l = (struct losses){ .cap = cap, .rows = arena_alloc(r->d->arena, cap * sizeof(*l->rows)) };
	return l == NULL || l->rows == NULL ? NULL : l;
}

static const struct rule *
rule_of(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		if (strcmp(p->rules[i].id, id) == 0)
			return &p->rules[i];
	}
	return NULL;
}

/* What stands of the points of steps, and of their shares: without what this and earlier returns took back. */
static void
add_steps_lost(const struct returning *r, struct losses *l, size_t index, const struct rule *rule, const char *name)
{
	const struct grant *g = past_grant(r->past, name);
	const struct worth_row *elsewhere = worth_find(r->whole, name);
	int64_t granted = g == NULL ? 0 : g->granted - (elsewhere == NULL ? 0 : elsewhere->points);

	if (r->was_back.of[index] == 0 && r->back.of[index] == 0)
		return;
	struct loss *row = loss_of(l, rule, name);
	row->before += granted - r->was_back.of[index];
	row->after += granted - r->back.of[index];
}

static void
list_losses(const struct returning *r, struct losses *l)
{
	for (size_t i = 0; i < r->past->n_grants; i++)		/* in the order of components */
		(void)loss_of(l, rule_of(r->version, r->past->grants[i].rule), r->past->grants[i].rule);
	for (size_t i = 0; i < r->before->n; i++)
		loss_of(l, r->before->rows[i].rule, r->before->rows[i].name)->before += r->before->rows[i].points;
	for (size_t i = 0; i < r->after->n; i++)
		loss_of(l, r->after->rows[i].rule, r->after->rows[i].name)->after += r->after->rows[i].points;
	for (size_t i = 0; i < r->f.n_owed; i++)
		loss_of(l, rule_of(r->version, r->f.owed[i].rule), r->f.owed[i].rule)->before += r->f.owed[i].points;
	for (size_t i = 0; i < r->version->n_rules; i++)
		add_steps_lost(r, l, i, &r->version->rules[i], r->version->rules[i].id);
	for (size_t i = 0; i < sizeof(r->back.shares) / sizeof(r->back.shares[0]); i++) {
		if (r->back.shares[i] != NULL)
			add_steps_lost(r, l, r->version->n_rules + i, NULL, r->back.shares[i]);
	}
}

/* From the last component back, as far as it was taken. */
static enum status
owe_the_rest(struct returning *r, struct losses *l)
{
	struct owed *owed = arena_alloc(r->d->arena, (l->n + 1) * sizeof(*owed));
	int64_t lost = 0, short_of;
	size_t n = 0;

	if (owed == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < l->n; i++)
		lost += l->rows[i].before - l->rows[i].after;
	short_of = lost - r->taken;
	for (size_t i = 0; i < l->n && short_of > 0; i++) {
		struct loss *row = &l->rows[i];
		int64_t part = row->before - row->after < short_of ? row->before - row->after : short_of;

		if (part <= 0)
			continue;
		row->after += part;
		short_of -= part;
		owed[n].points = part;
		if (strlen(row->name) >= sizeof(owed[n].rule))
			return ST_CORRUPT;
		memcpy(owed[n].rule, row->name, strlen(row->name) + 1);
		n++;
	}
	r->f.owed = owed;
	r->f.n_owed = n;
	return ST_OK;
}

/* One tally of caps over all rules that share it. */
static enum status
give_back(struct returning *r, const struct losses *l, const struct rule *rule, const struct cap *cap)
{
	struct decision *d = r->d;
	enum tally_kind kind = cap->group[0] != 0 ? TALLY_GROUP : TALLY_RULE;
	const char *id = cap->group[0] != 0 ? cap->group : rule->id;
	const struct totals *totals = NULL;
	struct tally t = { .kind = kind, .per = cap->per, .at = period_start(cap->per, r->past->business_date) };
	int64_t before = 0, after = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct rule *other = l->rows[i].rule;
		bool shares = other == rule;

		for (size_t k = 0; other != NULL && cap->group[0] != 0 && k < other->n_caps; k++)
			shares |= other->caps[k].per == cap->per && strcmp(other->caps[k].group, cap->group) == 0;
		before += shares ? l->rows[i].before : 0;
		after += shares ? l->rows[i].after : 0;
	}
	if (after >= before)
		return ST_OK;
	enum status st = cap->per == PERIOD_PROGRAM ? d->state->totals(d->state->ctx, d->entry->program, &totals) : ST_OK;
	if (st != ST_OK)
		return st;
	const struct tally *used = cap->per != PERIOD_PROGRAM ? tally_find(d->member->tallies, d->member->n_tallies, kind, id, cap->per, t.at) :
	    totals == NULL ? NULL : tally_find(totals->tallies, totals->n_tallies, kind, id, cap->per, 0);
	if (used == NULL)
		return ST_OK;			/* long ago: nothing asks for it any more */
	tier_id_copy(t.id, id);
	t.points = before - after < used->points ? after - before : -used->points;
	t.count = before > 0 && after <= 0 && used->count > 0 ? -1 : 0;
	return t.points == 0 && t.count == 0 ? ST_OK : decision_tally(d, &t);
}

/* The first rule of a group stands for all of it. */
static bool
is_first_of(const struct program *p, const struct rule *rule, const struct cap *cap)
{
	for (const struct rule *other = p->rules; cap->group[0] != 0 && other < rule; other++) {
		for (size_t k = 0; k < other->n_caps; k++) {
			if (other->caps[k].per == cap->per && strcmp(other->caps[k].group, cap->group) == 0)
				return false;
		}
	}
	return true;
}

static enum status
give_back_all(struct returning *r, const struct losses *l)
{
	for (size_t i = 0; i < r->version->n_rules; i++) {
		const struct rule *rule = &r->version->rules[i];

		for (size_t k = 0; k < rule->n_caps; k++) {
			const struct cap *cap = &rule->caps[k];
			bool again = false;

			for (size_t j = 0; j < k; j++)		/* points and count of one period are one tally */
				again |= rule->caps[j].per == cap->per && strcmp(rule->caps[j].group, cap->group) == 0;
			if (again || cap->per == PERIOD_TRANSACTION || !is_first_of(r->version, rule, cap))
				continue;
			enum status st = give_back(r, l, rule, cap);
			if (st != ST_OK)
				return st;
		}
	}
	return ST_OK;
}

static enum status
give_back_day(struct returning *r)
{
	const struct member *m = r->d->member;
	int32_t day = r->past->business_date;
	const struct tally *used = tally_find(m->tallies, m->n_tallies, TALLY_EARNED, "", PERIOD_DAY, day);
	struct tally t = { .kind = TALLY_EARNED, .per = PERIOD_DAY, .at = day };

	if (used == NULL || r->taken == 0)
		return ST_OK;
	t.points = r->taken < used->points ? -r->taken : -used->points;
	return decision_tally(r->d, &t);
}

static enum status
restore_caps(struct returning *r)
{
	struct losses *l = losses_new(r);

	if (l == NULL)
		return ST_NOMEM;
	list_losses(r, l);
	enum status st = owe_the_rest(r, l);
	/* A cap of a rule that gives no points counts the events that it granted something in. */
	for (size_t i = 0; i < r->version->n_rules; i++) {
		if (r->vouchers.before[i])
			*loss_of(l, &r->version->rules[i], r->version->rules[i].id) = (struct loss){ .rule = &r->version->rules[i],
			    .name = r->version->rules[i].id, .before = 1, .after = r->vouchers.after[i] };
		if (r->before->counted[i] <= 0)
			continue;
		struct loss *row = loss_of(l, &r->version->rules[i], r->version->rules[i].id);
		row->before = counted(r->whole->counted[i], r->before->counted[i]);
		row->after = counted(r->whole->counted[i], r->after->counted[i]);
	}
	if (st == ST_OK)
		st = give_back_all(r, l);
	return st == ST_OK ? give_back_day(r) : st;
}

/* ---- metrics ---- */

static struct metric_day *
fall_on(struct metric_day *falls, size_t *n, int32_t day)
{
	for (size_t i = 0; i < *n; i++) {
		if (falls[i].day == day)
			return &falls[i];
	}
	falls[*n] = (struct metric_day){ .day = day };
	return &falls[(*n)++];
}

/* On the dates on which the purchase raised them: its own, then those on which pending points activated. */
static void
points_fall(struct returning *r, struct metric_day *falls, size_t *n)
{
	int64_t rest = r->taken - r->from_pending, passed = r->f.fallen;
	int32_t own = r->past->business_date;

	for (size_t i = 0; i <= r->f.n_activations && rest > 0; i++) {
		int64_t raised = i == 0 ? (r->past->has_metrics ? r->past->metrics.points_earned : 0) : r->f.activations[i - 1].points;
		int64_t gone = passed < raised ? passed : raised, part = rest < raised - gone ? rest : raised - gone;

		passed -= gone;
		rest -= part;
		r->f.fallen += part;
		if (part > 0)
			fall_on(falls, n, i == 0 ? own : r->f.activations[i - 1].day)->points_earned -= part;
	}
	if (rest > 0)			/* steps beyond what the purchase itself was granted */
		fall_on(falls, n, own)->points_earned -= rest;
}

static bool
fall_is_empty(const struct metric_day *row)
{
	bool any = row->points_earned != 0 || row->spend != 0 || row->visits != 0;

	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++)
		any |= row->counters[i] != 0;
	return !any;
}

static enum status
metrics_fall(struct returning *r)
{
	struct metric_day *falls = arena_alloc(r->d->arena, (r->f.n_activations + 2) * sizeof(*falls));
	size_t n = 0;

	if (falls == NULL)
		return ST_NOMEM;
	struct metric_day *own = fall_on(falls, &n, r->past->business_date);
	own->spend = -r->amount;
	own->visits = r->ends ? -1 : 0;
	for (size_t i = 0; i < LEDGER_COUNTERS_MAX; i++)
		own->counters[i] = counted(r->whole->counters[i], r->after->counters[i]) - counted(r->whole->counters[i], r->before->counters[i]);
	points_fall(r, falls, &n);
	size_t first = fall_is_empty(&falls[0]) ? 1 : 0;
	r->d->entry->falls = falls + first;
	r->d->entry->n_falls = n - first;
	return ST_OK;
}

/* ---- the whole ---- */

static enum status
take_stamps(struct returning *r, int64_t left, const struct line_left *lines)
{
	struct earn_event before, after;
	enum status st = r->past->n_stamps == 0 ? ST_OK : event_of(r, left, lines, &before);

	if (st == ST_OK && r->past->n_stamps > 0)
		st = event_of(r, r->f.left, r->lines, &after);
	return st == ST_OK && r->past->n_stamps > 0 ? decision_unstamp(r->d, r->version, r->past, r->f.entry, &before, &after) : st;
}

static enum status
run(struct returning *r)
{
	struct line_left *before = arena_alloc(r->d->arena, (r->f.n_lines + 1) * sizeof(*before));
	int64_t left = r->f.left;
	bool ok;

	if (before == NULL)
		return ST_NOMEM;
	memcpy(before, r->lines, r->f.n_lines * sizeof(*before));
	enum status st = take(r, &ok);
	if (st != ST_OK || !ok)
		return st;
	st = set_granted(r);
	if (st == ST_OK)
		st = evaluate(r, left, before, &r->before);
	if (st == ST_OK)
		st = evaluate(r, r->f.left, r->lines, &r->after);
	if (st == ST_OK)
		st = step_back(r);
	if (st == ST_OK)
		st = set_target(r);
	if (st == ST_OK)
		st = claw(r);
	if (st == ST_OK)
		st = return_vouchers(r->d, r->version, r->f.entry, r->after->issues, &r->vouchers);
	if (st != ST_OK || r->d->refusal->result != LEDGER_OK)
		return st;
	st = take_stamps(r, left, before);
	if (st == ST_OK)
		st = restore_caps(r);
	if (st == ST_OK)
		st = metrics_fall(r);
	r->f.clawed += r->taken;
	if (st == ST_OK)
		st = referral_return(r->d, r->version, r->past, left, &r->f);
	return st == ST_OK ? decision_followup(r->d, &r->f) : st;
}

/* All of them before any other rung is asked: digits of the second line go before too many items of the first. */
static bool
line_amounts_ok(struct decision *d)
{
	for (size_t i = 0; i < d->cmd->u.past.n_lines; i++) {
		const struct line *named = &d->cmd->u.past.lines[i];
		int64_t amount;

		if (named->has_amount && !decision_money(d, "lines", named->amount, &amount))
			return false;
	}
	return true;
}

enum status
decide_return(struct decision *d)
{
	const struct entry *past = d->cmd->u.past.entry;
	struct returning r = { .d = d, .past = past };
	struct entry *e = d->entry;

	if (past == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "purchase", "the member has no such purchase");
	assert(past->op == OP_PURCHASE);
	e->u.past.entry = d->cmd->u.past.id;
	e->u.past.has_amount = d->cmd->u.past.has_amount;
	if (e->u.past.has_amount && !decision_money(d, "amount", d->cmd->u.past.amount, &e->u.past.amount))
		return ST_OK;
	if (!line_amounts_ok(d) || !decision_member_open(d, false))
		return ST_OK;
	r.version = d->state->program_version(d->state->ctx, d->entry->program, past->program_version);
	if (r.version == NULL)
		return ST_CORRUPT;
	if (past->u.purchase.partner != NULL && program_partner(r.version, past->u.purchase.partner) != NULL)
		d->partner = past->u.purchase.partner;
	enum status st = begin(&r);
	return st == ST_OK ? run(&r) : st;
}
