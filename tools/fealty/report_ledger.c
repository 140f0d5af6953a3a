/*
 * Points by account and what customers paid for them: the roll-forward and the liability.
 *
 * A purchase's price is shared between goods and points when it is made, under its version's accounting, and again for what is left of it at each
 * return; so the sum over purchases is what a ledger of single contracts would have.  What is bought at a partner is no sale of ours.
 */
#include <stdlib.h>
#include <string.h>

#include "points_lines.h"
#include "report.h"

#define PURCHASES_MIN 4096

/* ---- what a point costs, and what it is worth ---- */

bool
report_point_cost(const struct program *p, struct ratio *ret)
{
	struct ratio cost;

	return p->has_accounting && ratio_of_decimal(p->cost_per_point, &cost) &&
	    ratio_shift(cost, (int)p->currency_digits - (int)p->scale, ret);
}

bool
report_point_worth(const struct program *p, struct ratio *ret)
{
	if (p->has_accounting && p->has_value && p->value_points > 0)
		return ratio_of(p->value_amount, p->value_points, ret);
	return report_point_cost(p, ret);
}

static bool
expected_of(const struct program *p, struct ratio *ret)
{
	return p->has_accounting && ratio_of_decimal(p->expected_redemption, ret);
}

/* Its stand-alone selling price: with the likelihood that it is redeemed. */
static bool
selling_price(const struct program *p, struct ratio *ret)
{
	struct ratio worth, expected;

	return report_point_worth(p, &worth) && expected_of(p, &expected) && ratio_times(worth, expected, ret);
}

/* ---- purchases ---- */

static const struct program *
version_of(const struct report_book *book, uint32_t version)
{
	return version >= 1 && version <= book->n_versions ? book->versions[version - 1] : NULL;
}

static int
id_order(const void *a, const void *b)
{
	const struct entry_id *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

struct report_purchase *
report_purchase_of(struct report_book *book, struct entry_id id)
{
	return book->n_purchases == 0 ? NULL : bsearch(&id, book->purchases, book->n_purchases, sizeof(*book->purchases), id_order);
}

enum status
report_purchase_add(struct report_book *book, struct report_purchase **ret_purchase)
{
	if (book->n_purchases == book->cap_purchases) {
		size_t cap = book->cap_purchases == 0 ? PURCHASES_MIN : 2 * book->cap_purchases;
		struct report_purchase *grown = realloc(book->purchases, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		book->purchases = grown;
		book->cap_purchases = cap;
	}
	*ret_purchase = &book->purchases[book->n_purchases++];
	return ST_OK;
}

/* By the rules of the program: what came with the purchase, and neither birthdays nor what a referral is rewarded with. */
static int64_t
granted_of(const struct entry *e)
{
	int64_t sum = 0;

	for (size_t i = 0; i < e->n_grants; i++)
		sum += e->grants[i].granted;
	return sum;
}

/* The price that the points have in what is left; 0 where the program has no accounting, or where nothing was granted. */
static int64_t
points_part(struct report_book *book, const struct report_purchase *p)
{
	const struct program *rules = version_of(book, p->version);
	struct ratio price;
	int64_t part = 0;

	if (rules == NULL || p->price <= 0 || p->points <= 0 || !selling_price(rules, &price))
		return 0;
	if (!ifrs_allocate(p->price, p->points, price, &part))
		book->too_large = true;
	return part;
}

static void
add_to_ends(struct report_book *book, int32_t day, int64_t price, int64_t part)
{
	const struct report_params *p = &book->params;
	struct report_end *ends[] = { &book->opening, &book->closing };
	bool in[] = { p->from != DAY_NONE && day < p->from, p->until == DAY_NONE || day <= p->until };

	for (size_t i = 0; i < 2; i++) {
		if (!in[i])
			continue;
		ends[i]->price += price;
		ends[i]->points_part += part;
	}
}

/* At a partner that the program settles with; without such a section a partner is no more than a name. */
static bool
is_at_partner(const struct report_book *book, const struct entry *e)
{
	const struct program *rules = version_of(book, e->program_version);

	return e->u.purchase.partner != NULL && rules != NULL && rules->n_partners > 0;
}

static enum status
take_purchase(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day)
{
	struct report_purchase *p;

	enum status st = report_purchase_add(book, &p);
	if (st != ST_OK)
		return st;
	bool ours = !is_at_partner(book, e);
	*p = (struct report_purchase){
		.id = id, .version = e->program_version, .with_points = e->u.purchase.paid_with_points, .granted = granted_of(e),
		.price = ours ? e->u.purchase.amount - e->u.purchase.paid_with_points : 0,
	};
	p->points = p->granted;
	p->points_part = points_part(book, p);
	add_to_ends(book, day, p->price, p->points_part);
	return ST_OK;
}

/* What is left of a purchase as a return or a lapse leaves it; of its amount what was paid with points counts first. */
static void
take_followup(struct report_book *book, const struct followup *f, int32_t day)
{
	struct report_purchase *p = report_purchase_of(book, f->entry), before;

	if (p == NULL)
		return;
	before = *p;
	if (f->returned && p->price > 0)
		p->price = f->left > p->with_points ? f->left - p->with_points : 0;
	p->points = p->granted - f->clawed - f->lapsed;
	p->points_part = points_part(book, p);
	add_to_ends(book, day, p->price - before.price, p->points_part - before.points_part);
}

/* ---- accounts ---- */

static void
take_postings(struct report_book *book, const struct entry *e, int32_t day)
{
	const struct report_params *params = &book->params;
	bool opening = params->from != DAY_NONE && day < params->from, closing = params->until == DAY_NONE || day <= params->until;

	for (size_t i = 0; i < e->n_postings; i++) {
		const struct posting *p = &e->postings[i];
		if (p->account >= ACCOUNT_COUNT)
			continue;
		if (opening)
			book->opening.account[p->account] += p->points;
		if (closing)
			book->closing.account[p->account] += p->points;
	}
}

static bool
keeps_purchases(enum report_kind kind)
{
	return kind == REPORT_LIABILITY || kind == REPORT_KPI || kind == REPORT_SETTLEMENT;
}

enum status
report_take_books(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day)
{
	enum status st = ST_OK;

	take_postings(book, e, day);
	if (!keeps_purchases(book->params.kind))
		return ST_OK;
	if (e->op == OP_PURCHASE)
		st = take_purchase(book, e, id, day);
	for (size_t i = 0; i < e->n_followups && st == ST_OK; i++)
		take_followup(book, &e->followups[i], day);
	return st;
}

/* ---- the roll-forward ---- */

static int64_t
owed(const struct report_end *end)
{
	int64_t sum = 0;

	for (enum account a = ACCOUNT_MEMBER; a <= ACCOUNT_DEBT; a++)
		sum += end->account[a];
	return sum;
}

enum status
report_rollforward_table(struct report_book *book, struct report_table *rows)
{
	const char *columns[REPORT_COLUMNS_MAX] = { "from", "until", "opening" };
	unsigned scale = book->rules->scale;
	size_t n = 3;

	for (size_t i = 0; i < POINTS_LINES; i++)
		columns[n++] = points_lines[i].name;
	columns[n++] = "closing";
	columns[n] = NULL;
	report_table_init(rows, columns);
	report_day(rows, book->params.from);
	report_day(rows, book->params.until);
	report_decimal(rows, owed(&book->opening), scale);
	for (size_t i = 0; i < POINTS_LINES; i++) {
		enum account a = points_lines[i].account;
		report_decimal(rows, book->opening.account[a] - book->closing.account[a], scale);
	}
	report_decimal(rows, owed(&book->closing), scale);
	return book->too_large ? ST_TOO_LARGE : ST_OK;
}

/* ---- the liability ---- */

struct liability {
	int64_t open, redeemed, kept;		/* points */
	bool has_costs, has_recognised;
	struct ratio cost, worth, expected;
	int64_t expected_total, recognised;
};

static enum status
liability_of(struct report_book *book, const struct report_end *end, struct liability *ret)
{
	const int64_t *account = end->account;
	struct liability l = { 0 };

	l.open = account[ACCOUNT_MEMBER] + account[ACCOUNT_PENDING] + account[ACCOUNT_HELD];
	l.redeemed = account[ACCOUNT_REDEEMED] + account[ACCOUNT_PARTNER_REDEEMED] + account[ACCOUNT_REINSTATED];
	l.kept = l.open + l.redeemed + account[ACCOUNT_EXPIRED];
	l.has_costs = end->rules != NULL && report_point_cost(end->rules, &l.cost) && report_point_worth(end->rules, &l.worth) &&
	    expected_of(end->rules, &l.expected);
	if (l.has_costs && (!ifrs_expected(l.redeemed, l.open, l.kept, l.expected, &l.expected_total) ||
	    !ifrs_recognised(end->points_part, l.redeemed, l.open, l.kept, l.expected, &l.recognised)))
		return ST_TOO_LARGE;
	*ret = l;
	return book->too_large ? ST_TOO_LARGE : ST_OK;
}

/* Costs in money; ST_TOO_LARGE. */
static enum status
put_costs(struct report_table *rows, const struct liability *l, unsigned digits)
{
	struct ratio both;
	int64_t full, likely;

	if (!ratio_times(l->cost, l->expected, &both) || !money_of_points(l->open, l->cost, &full) || !money_of_points(l->open, both, &likely))
		return ST_TOO_LARGE;
	report_decimal(rows, full, digits);
	report_decimal(rows, likely, digits);
	return ST_OK;
}

static void
put_none(struct report_table *rows, size_t n)
{
	while (n-- > 0)
		report_none(rows);
}

static void
put_ifrs(struct report_book *book, struct report_table *rows, const struct liability *before, const struct liability *l)
{
	const struct report_end *end = &book->closing;
	unsigned digits = book->rules->currency_digits;

	report_decimal(rows, end->price - end->points_part, digits);
	report_decimal(rows, end->points_part, digits);
	report_decimal(rows, l->expected_total, book->rules->scale);
	report_decimal(rows, l->recognised, digits);
	report_decimal(rows, l->recognised - before->recognised, digits);
	report_decimal(rows, end->points_part - l->recognised, digits);
}

enum status
report_liability_table(struct report_book *book, struct report_table *rows)
{
	static const char *const columns[] = {
		"as_of", "available", "pending", "held", "open", "debt", "redeemed", "expired", "cost_full", "cost_expected", "price", "ifrs_goods",
		"ifrs_points", "ifrs_expected", "ifrs_recognised", "ifrs_recognised_in_period", "ifrs_deferred", NULL,
	};
	const struct program *p = book->rules;
	const struct report_end *end = &book->closing;
	struct liability before, l;

	enum status st = liability_of(book, &book->opening, &before);
	if (st == ST_OK)
		st = liability_of(book, end, &l);
	if (st != ST_OK)
		return st;
	report_table_init(rows, columns);
	report_day(rows, book->params.until);
	for (enum account a = ACCOUNT_MEMBER; a <= ACCOUNT_HELD; a++)
		report_decimal(rows, end->account[a], p->scale);
	report_decimal(rows, l.open, p->scale);
	report_decimal(rows, -end->account[ACCOUNT_DEBT], p->scale);
	report_decimal(rows, l.redeemed, p->scale);
	report_decimal(rows, end->account[ACCOUNT_EXPIRED], p->scale);
	if (!l.has_costs)
		put_none(rows, 2);
	else
		st = put_costs(rows, &l, p->currency_digits);
	report_decimal(rows, end->price, p->currency_digits);
	if (st == ST_OK && l.has_costs)
		put_ifrs(book, rows, &before, &l);
	else
		put_none(rows, 6);
	return st;
}
