/*
 * Settlement with partners: points issued and redeemed there, by the postings that carry the partner's id, each at the price of the version that it
 * was decided under.  What is taken back is credited at the price at which it was charged, in the period in which it comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define PARTNER_COLUMNS 13		/* of a partner's row, and then those of a conflict's */
#define CONFLICT_COLUMNS 7

/* ---- who there is ---- */

static struct report_settled *
settled_of(struct report_book *book, const char *partner)
{
	for (size_t i = 0; i < book->n_partners; i++)
		if (strcmp(book->partners[i].partner, partner) == 0)
			return &book->partners[i];
	return NULL;
}

/* A version may drop a partner, but not what was settled with it before. */
enum status
report_take_terms(struct report_book *book, const struct program *p)
{
	book->has_vouchers = book->has_vouchers || p->n_vouchers > 0;
	for (size_t i = 0; i < p->n_partners; i++) {
		if (settled_of(book, p->partners[i].id) != NULL)
			continue;
		struct report_settled *grown = realloc(book->partners, (book->n_partners + 1) * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		book->partners = grown;
		book->partners[book->n_partners] = (struct report_settled){ .issued_sum = MONEY_ZERO, .redeemed_sum = MONEY_ZERO };
		(void)snprintf(book->partners[book->n_partners].partner, sizeof(grown->partner), "%s", p->partners[i].id);
		book->n_partners++;
	}
	return ST_OK;
}

/* ---- entries ---- */

/* The version whose prices hold: of what is returned or reversed, that of the purchase or redemption. */
static uint32_t
version_of(struct report_book *book, const struct entry *e)
{
	const struct report_purchase *past = e->op == OP_RETURN || e->op == OP_REVERSE_REDEEM ? report_purchase_of(book, e->u.past.entry) : NULL;

	return past != NULL ? past->version : e->program_version;
}

bool
report_partner_price(const struct program *p, struct price price, struct ratio *ret)
{
	struct ratio whole = { price.num, price.den };

	return ratio_shift(whole, -(int)p->scale, ret);
}

static void
settle(struct report_book *book, const struct program *p, const struct partner *partner, struct report_settled *s, const struct posting *posting)
{
	bool issue = posting->account == ACCOUNT_PARTNER_ISSUED;
	int64_t points = issue ? -posting->points : posting->points;
	struct ratio price;

	if (!report_partner_price(p, issue ? partner->issue : partner->redeem, &price) ||
	    !money_add(issue ? &s->issued_sum : &s->redeemed_sum, points, price))
		book->too_large = true;
	*(issue ? &s->issued : &s->redeemed) += points;
	if (points < 0)
		*(issue ? &s->returned : &s->reversed) -= points;
}

/* Reversals name it later. */
static enum status
keep_redemption(struct report_book *book, const struct entry *e, struct entry_id id)
{
	struct report_purchase *p;

	if (e->op != OP_REDEEM && e->op != OP_CAPTURE)
		return ST_OK;
	enum status st = report_purchase_add(book, &p);
	if (st == ST_OK)
		*p = (struct report_purchase){ .id = id, .version = e->program_version };
	return st;
}

/* Another till had the voucher already. */
static enum status
take_conflict(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day)
{
	const struct voucher_ref *v = &e->u.voucher.voucher;
	char name[64];

	if (!report_in_period(book, day))
		return ST_OK;
	struct report_conflict *grown = arena_grow(&book->memory, book->conflicts, &book->cap_conflicts, book->n_conflicts + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	(void)snprintf(name, sizeof(name), "%llu.%u.%u", (unsigned long long)v->from.seq, v->from.index, v->n);
	book->conflicts = grown;
	struct report_conflict *c = &grown[book->n_conflicts++];
	*c = (struct report_conflict){ .id = id, .day = day, .member = e->member, .value = e->has_value ? e->value : 0 };
	c->voucher = arena_strdup(&book->memory, v->id != NULL ? v->id : name);
	c->store = arena_strdup(&book->memory, e->store != NULL ? e->store : "");
	c->terminal = arena_strdup(&book->memory, e->terminal != NULL ? e->terminal : "");
	return c->voucher != NULL && c->store != NULL && c->terminal != NULL ? ST_OK : ST_NOMEM;
}

enum status
report_take_partners(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day)
{
	uint32_t version = version_of(book, e);
	const struct program *p = version >= 1 && version <= book->n_versions ? book->versions[version - 1] : NULL;
	bool any = false;

	if (e->op == OP_VOUCHER_USE && e->conflict)
		return take_conflict(book, e, id, day);
	for (size_t i = 0; i < e->n_postings; i++) {
		const struct posting *posting = &e->postings[i];
		if (posting->partner == NULL || (posting->account != ACCOUNT_PARTNER_ISSUED && posting->account != ACCOUNT_PARTNER_REDEEMED))
			continue;
		struct report_settled *s = settled_of(book, posting->partner);
		const struct partner *partner = p == NULL ? NULL : program_partner(p, posting->partner);
		if (s == NULL || partner == NULL)
			return ST_CORRUPT;
		any = true;
		if (report_in_period(book, day))
			settle(book, p, partner, s, posting);
	}
	return any ? keep_redemption(book, e, id) : ST_OK;
}

/* ---- the table ---- */

/* The newest terms that there are at the end of the period; NULL: it comes later. */
static const struct partner *
terms_of(const struct report_book *book, const char *id)
{
	const struct program *last = book->closing.rules;

	for (uint32_t v = last == NULL ? 0 : last->version; v > 0; v--) {
		const struct partner *partner = program_partner(book->versions[v - 1], id);
		if (partner != NULL)
			return partner;
	}
	return NULL;
}

/* Money for one whole point: a ratio of currency units, as exact as it was written. */
static const char *
price_text(struct report_book *book, struct price price)
{
	struct ratio r = { price.num, price.den };
	char text[64];

	if (!ratio_shift(r, -(int)book->rules->currency_digits, &r))
		return NULL;
	(void)snprintf(text, sizeof(text), r.den == 1 ? "%lld" : "%lld/%lld", (long long)r.num, (long long)r.den);
	return arena_strdup(&book->memory, text);
}

static enum status
put_partner(struct report_book *book, struct report_table *rows, const struct report_settled *s)
{
	const struct partner *terms = terms_of(book, s->partner);
	unsigned scale = book->rules->scale, digits = book->rules->currency_digits;
	int64_t issued, redeemed;

	if (!money_floor(&s->issued_sum, &issued) || !money_floor(&s->redeemed_sum, &redeemed))
		return ST_TOO_LARGE;
	bool prepaid = terms != NULL && terms->prepaid;
	report_text(rows, s->partner);
	report_day(rows, book->params.from);
	report_day(rows, book->params.until);
	report_text(rows, terms == NULL ? NULL : prepaid ? "prepaid" : "postpaid");
	report_decimal(rows, s->issued, scale);
	report_decimal(rows, s->returned, scale);
	report_text(rows, terms == NULL ? NULL : price_text(book, terms->issue));
	report_decimal(rows, issued, digits);
	report_decimal(rows, s->redeemed, scale);
	report_decimal(rows, s->reversed, scale);
	report_text(rows, terms == NULL ? NULL : price_text(book, terms->redeem));
	report_decimal(rows, redeemed, digits);
	report_decimal(rows, (prepaid ? 0 : issued) - redeemed, digits);
	for (size_t i = 0; i < CONFLICT_COLUMNS; i++)
		report_none(rows);
	return ST_OK;
}

/* A row by itself: it is about a store and a voucher, and about no partner. */
static enum status
put_conflict(struct report_book *book, struct report_table *rows, const struct report_conflict *c)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu.%u", (unsigned long long)c->id.seq, c->id.index);
	const char *id = arena_strdup(&book->memory, text);
	if (id == NULL)
		return ST_NOMEM;
	report_none(rows);
	report_day(rows, book->params.from);
	report_day(rows, book->params.until);
	for (size_t i = 3; i < PARTNER_COLUMNS; i++)
		report_none(rows);
	report_text(rows, id);
	report_day(rows, c->day);
	report_text(rows, c->store[0] != '\0' ? c->store : NULL);
	report_text(rows, c->terminal[0] != '\0' ? c->terminal : NULL);
	report_text(rows, c->voucher);
	report_count(rows, (int64_t)c->member);
	report_decimal(rows, c->value, book->rules->currency_digits);
	return ST_OK;
}

enum status
report_settlement_table(struct report_book *book, struct report_table *rows)
{
	static const char *const columns[] = {
		"partner", "from", "until", "settlement", "issued", "returned", "issue_price", "issued_amount", "redeemed", "reversed", "redeem_price",
		"redeemed_amount", "due",
		"conflict", "day", "store", "terminal", "voucher", "member_no", "value", NULL,
	};
	enum status st = ST_OK;

	report_table_init(rows, columns);
	for (size_t i = 0; i < book->n_partners && st == ST_OK; i++)
		if (book->params.partner == NULL || strcmp(book->params.partner, book->partners[i].partner) == 0)
			st = put_partner(book, rows, &book->partners[i]);
	for (size_t i = 0; i < book->n_conflicts && book->params.partner == NULL && st == ST_OK; i++)
		st = put_conflict(book, rows, &book->conflicts[i]);
	return st;
}
