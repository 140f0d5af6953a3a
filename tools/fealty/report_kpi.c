/* Each figure is a row: its name, of what, its value, its unit, and where it is a share, of what number which. */
#include <stdio.h>
#include <string.h>

#include "report.h"

struct kpi { struct report_book *book; struct report_table *rows; };

static void
begin(struct kpi *k, const char *name, const char *of)
{
	report_text(k->rows, name);
	report_text(k->rows, of);
}

static void
count(struct kpi *k, const char *name, const char *of, int64_t value)
{
	begin(k, name, of);
	report_count(k->rows, value);
	report_text(k->rows, "count");
	report_none(k->rows);
	report_none(k->rows);
}

static void
amount(struct kpi *k, const char *name, int64_t value, const char *unit, unsigned digits)
{
	begin(k, name, NULL);
	report_decimal(k->rows, value, digits);
	report_text(k->rows, unit);
	report_none(k->rows);
	report_none(k->rows);
}

static void
points(struct kpi *k, const char *name, int64_t value)
{
	amount(k, name, value, "points", k->book->rules->scale);
}

static void
money(struct kpi *k, const char *name, int64_t value)
{
	amount(k, name, value, k->book->rules->currency, k->book->rules->currency_digits);
}

/* part / whole as a percentage, or as a number with two digits; none when there is no whole. */
static void
share(struct kpi *k, const char *name, const char *of, int64_t part, int64_t whole, const char *unit, unsigned digits)
{
	bool percent = strcmp(unit, "percent") == 0;
	int64_t value;

	begin(k, name, of);
	if (quotient_of(part, whole, percent ? 4 : 2, &value))
		report_decimal(k->rows, value, 2);
	else
		report_none(k->rows);
	report_text(k->rows, unit);
	report_decimal(k->rows, part, digits);
	report_decimal(k->rows, whole, digits);
}

static void
percent(struct kpi *k, const char *name, const char *of, int64_t part, int64_t whole, unsigned digits)
{
	share(k, name, of, part, whole, "percent", digits);
}

/* ---- members ---- */

struct people { int64_t members, active, purchasers, repeaters, referred, converted, tiers[PROGRAM_TIERS_MAX]; };

static bool
is_there(const struct report_book *book, const struct report_member *m)
{
	int32_t until = book->params.until;

	return m->enrolled && m->enrolled_day <= until && (!m->gone || m->gone_day > until);
}

static struct people
count_people(const struct report_book *book)
{
	struct people c = { 0 };

	for (size_t i = 0; i < book->n_members; i++) {
		const struct report_member *m = &book->members[i];
		bool there = is_there(book, m);
		c.members += there;
		c.active += there && m->active;
		c.purchasers += m->purchases > 0;
		c.repeaters += m->purchases > 1;
		c.referred += m->referred;
		c.converted += m->referred && m->converted;
		if (there && m->tier < PROGRAM_TIERS_MAX)
			c.tiers[m->tier]++;
	}
	return c;
}

static void
put_members(struct kpi *k, const struct people *c)
{
	count(k, "members", NULL, c->members);
	count(k, "members_enrolled", NULL, k->book->enrolled);
	count(k, "members_active", NULL, c->active);
	percent(k, "active_rate", NULL, c->active, c->members, 0);
}

static void
put_purchases(struct kpi *k, const struct people *c)
{
	const struct report_book *book = k->book;
	int64_t net = book->spend - book->returned, each;

	count(k, "purchases", NULL, book->purchases_made);
	money(k, "spend", net);
	count(k, "purchasers", NULL, c->purchasers);
	count(k, "repeat_purchasers", NULL, c->repeaters);
	percent(k, "repeat_purchase_rate", NULL, c->repeaters, c->purchasers, 0);
	share(k, "purchase_frequency", NULL, book->purchases_made, c->purchasers, "purchases", 0);
	begin(k, "average_order_value", NULL);
	if (quotient_of(net, book->purchases_made, 0, &each))
		report_decimal(k->rows, each, book->rules->currency_digits);
	else
		report_none(k->rows);
	report_text(k->rows, book->rules->currency);
	report_none(k->rows);
	report_none(k->rows);
}

static void
put_referrals(struct kpi *k, const struct people *c)
{
	count(k, "referred", NULL, c->referred);
	percent(k, "referral_conversion", NULL, c->converted, c->referred, 0);
}

/* ---- points ---- */

static void
put_points(struct kpi *k)
{
	const struct report_book *book = k->book;
	unsigned scale = book->rules->scale;

	points(k, "points_issued", book->issued);
	points(k, "points_redeemed", book->redeemed);
	points(k, "points_expired", book->expired);
	percent(k, "redemption_rate", NULL, book->redeemed, book->issued, scale);
	percent(k, "redemption_rate_cohort", NULL, book->cohort_redeemed, book->cohort_issued, scale);
	percent(k, "breakage_rate", NULL, book->expired, book->issued, scale);
	percent(k, "breakage_rate_cohort", NULL, book->cohort_expired, book->cohort_issued, scale);
}

/* ---- tiers ---- */

static const char *
move_text(struct report_book *book, size_t from, size_t to)
{
	char text[2 * LEDGER_ID_MAX + 2];

	(void)snprintf(text, sizeof(text), "%s>%s", book->rules->tiers[from].id, book->rules->tiers[to].id);
	return arena_strdup(&book->memory, text);
}

static enum status
put_tiers(struct kpi *k, const struct people *c)
{
	struct report_book *book = k->book;
	size_t n = book->rules->n_tiers;
	int64_t up = 0, down = 0;

	for (size_t i = 0; i < n; i++)
		count(k, "tier_members", book->rules->tiers[i].id, c->tiers[i]);
	for (size_t i = 0; i < n; i++)
		percent(k, "tier_share", book->rules->tiers[i].id, c->tiers[i], c->members, 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			if (book->moves[i][j] == 0)
				continue;
			const char *text = move_text(book, i, j);
			if (text == NULL)
				return ST_NOMEM;
			count(k, "tier_moves", text, book->moves[i][j]);
			*(j > i ? &up : &down) += book->moves[i][j];
		}
	}
	if (n > 0) {
		count(k, "tier_upgrades", NULL, up);
		count(k, "tier_downgrades", NULL, down);
	}
	return ST_OK;
}

/* ---- surveys ---- */

/* From -100 to 100. */
static void
put_scores(struct kpi *k)
{
	for (size_t i = 0; i < k->book->n_activities; i++) {
		const struct report_scores *s = &k->book->scores[i];
		int64_t all = s->promoters + s->passives + s->detractors;
		count(k, "nps_responses", s->activity, all);
		share(k, "nps", s->activity, s->promoters - s->detractors, all, "percent", 0);
	}
}

enum status
report_kpi_table(struct report_book *book, struct report_table *rows)
{
	static const char *const columns[] = { "kpi", "of", "value", "unit", "part", "whole", NULL };
	struct people c = count_people(book);
	struct kpi k = { book, rows };

	report_table_init(rows, columns);
	put_members(&k, &c);
	put_purchases(&k, &c);
	put_points(&k);
	put_referrals(&k, &c);
	enum status st = put_tiers(&k, &c);
	if (st == ST_OK)
		put_scores(&k);
	return st;
}
