/*
 * The partners section.  A price is money for one whole point: a decimal, or a ratio of two, since 2/3 has no decimal; it is kept as a
 * fraction of minor units in lowest terms, so that a report multiplies first and rounds once.
 */
#include <string.h>

#include "ledger/compile.h"

#define PRICE_DIGITS_MAX 6
#define PRICE_PART_MAX INT64_C(1000000000)	/* of either side of a ratio, and of a price */
#define PRICE_TEXT_MAX 40

/* A positive number of at most six digits after the point, in units of 10^-6. */
static bool
price_part(const char *text, int64_t *ret)
{
	struct decimal d;

	return decimal_parse(text, &d) && decimal_scale(d, PRICE_DIGITS_MAX, ret) == DECIMAL_OK && *ret > 0 &&
	    *ret <= PRICE_PART_MAX * MULTIPLIER_ONE;
}

static bool
compile_price(struct compiler *c, const char *path, const char *text, struct price *ret)
{
	int64_t num = 0, den = MULTIPLIER_ONE;
	char parts[PRICE_TEXT_MAX + 1];

	if (text == NULL)
		return wrong(c, path, "%s is required", path);
	size_t len = strlen(text), slash = strcspn(text, "/");
	bool ok = len <= PRICE_TEXT_MAX;
	if (ok) {
		memcpy(parts, text, len + 1);
		parts[slash] = 0;
		ok = price_part(parts, &num) && (slash == len || price_part(parts + slash + 1, &den));
	}
	if (!ok)
		return wrong(c, path, "%s is money for one point, above zero and at most %lld: a decimal number such as \"0.5\", or an exact ratio such "
		    "as \"2/3\"", path, (long long)PRICE_PART_MAX);
	for (unsigned i = 0; i < c->p->currency_digits; i++) {
		int64_t shared = gcd(den, 10);

		num *= 10 / shared;
		den /= shared;
	}
	int64_t shared = gcd(num, den);
	*ret = (struct price){ num / shared, den / shared };
	return true;
}

static bool
compile_partner(struct compiler *c, size_t at)
{
	const struct partner_def *def = &c->def->partners[at];
	struct program *p = c->p;
	struct partner *partner = &p->partners[at];

	if (!compile_id(c, PATH("partners[%zu].id", at), def->id, partner->id))
		return false;
	for (size_t i = 0; i < at; i++) {
		if (strcmp(p->partners[i].id, partner->id) == 0)
			return wrong(c, PATH("partners[%zu].id", at), "two partners have the id %s", partner->id);
	}
	if (!compile_price(c, PATH("partners[%zu].issue_price", at), def->issue_price, &partner->issue) ||
	    !compile_price(c, PATH("partners[%zu].redeem_price", at), def->redeem_price, &partner->redeem))
		return false;
	if (!def->has_settlement)
		return wrong(c, PATH("partners[%zu].settlement", at), "settlement is required: postpaid or prepaid");
	partner->prepaid = def->prepaid;
	p->n_partners++;
	return true;
}

/* Only where there is a section: without one a partner is a name like a store. */
static bool
check_references(struct compiler *c)
{
	const struct program_def *def = c->def;

	for (size_t at = 0; at < def->n_rules && c->p->n_partners > 0; at++) {
		const struct word_list *named = &def->rules[at].when.partners;

		for (size_t i = 0; i < named->n; i++) {
			if (program_partner(c->p, named->v[i]) == NULL)
				return wrong(c, PATH("earn[%zu].when.partners[%zu]", at, i), "this program has no partner %.40s", named->v[i]);
		}
	}
	return true;
}

bool
compile_partners(struct compiler *c)
{
	size_t n = c->def->n_partners;

	if (n > PROGRAM_PARTNERS_MAX)
		return wrong(c, "partners", "a program has at most %d partners", PROGRAM_PARTNERS_MAX);
	c->p->partners = arena_alloc(c->arena, (n + 1) * sizeof(*c->p->partners));
	if (c->p->partners == NULL) {
		c->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!compile_partner(c, i))
			return false;
	}
	return check_references(c);
}

const struct partner *
program_partner(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_partners; i++) {
		if (strcmp(p->partners[i].id, id) == 0)
			return &p->partners[i];
	}
	return NULL;
}
