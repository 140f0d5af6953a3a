/* The vouchers section, and what other sections say of vouchers: those name them, so they look into the definition, which is all there. */
#include <string.h>

#include "ledger/compile.h"

bool
compile_term(struct compiler *c, const char *path, const struct term_def *def, struct term *ret)
{
	int n = (int)def->has_days + (int)def->has_months + (int)def->has_years;
	uint32_t number = def->days + def->months + def->years;

	if (!def->given)
		return true;
	if (n != 1)
		return wrong(c, path, "it needs one of days, months and years");
	if (number == 0 || (uint64_t)number * (def->has_days ? 1 : def->has_months ? 31 : 366) > SPAN_DAYS_MAX)
		return wrong(c, path, "a span is at least 1, and at most %d days long", SPAN_DAYS_MAX);
	*ret = (struct term){ .days = def->days, .months = def->months + 12 * def->years };
	return true;
}

bool
compile_voucher_ref(struct compiler *c, const char *path, const char *id, size_t *ret_index)
{
	const struct program_def *def = c->def;

	if (id == NULL)
		return wrong(c, path, "%s is required: one of the program's vouchers", path);
	for (size_t i = 0; i < def->n_vouchers && i < PROGRAM_VOUCHERS_MAX; i++) {
		if (def->vouchers[i].id != NULL && strcmp(def->vouchers[i].id, id) == 0) {
			*ret_index = i;
			return true;
		}
	}
	return wrong(c, path, "this program has no voucher %.40s", id);
}

static bool
compile_voucher(struct compiler *c, size_t at)
{
	const struct voucher_def *def = &c->def->vouchers[at];
	struct program *p = c->p;
	struct voucher_kind *v = &p->vouchers[at];

	if (!compile_id(c, PATH("vouchers[%zu].id", at), def->id, v->id))
		return false;
	for (size_t i = 0; i < at; i++) {
		if (strcmp(p->vouchers[i].id, v->id) == 0)
			return wrong(c, PATH("vouchers[%zu].id", at), "two vouchers have the id %s", v->id);
	}
	if (!compile_text(c, PATH("vouchers[%zu].name", at), def->name, VOUCHER_NAME_BYTES - 1, v->name))
		return false;
	v->has_value = def->value != NULL;
	return compile_term(c, PATH("vouchers[%zu].valid", at), &def->valid, &v->valid) &&
	    (!v->has_value || compile_money(c, PATH("vouchers[%zu].value.amount", at), def->value, 1, &v->value));
}

bool
compile_vouchers(struct compiler *c)
{
	bool good = true;

	if (c->def->n_vouchers > PROGRAM_VOUCHERS_MAX)
		return wrong(c, "vouchers", "a program has at most %d vouchers", PROGRAM_VOUCHERS_MAX);
	for (size_t i = 0; i < c->def->n_vouchers; i++) {
		good = compile_voucher(c, i) && good;
		if (!good && !compile_goes_on(c))
			return false;
		c->p->n_vouchers++;
	}
	return good;
}

/* Points of a voucher's value are counted when it becomes debt. */
static bool
value_fits(const struct program *p, const struct voucher_kind *v)
{
	return (wide)v->value * p->value_points / p->value_amount < POINTS_MAX;
}

bool
compile_used_voucher(struct compiler *c)
{
	struct program *p = c->p;

	p->used_voucher_debt = c->def->used_voucher_debt;
	if (!p->used_voucher_debt)
		return true;
	if (!p->has_value)
		return wrong(c, "returns.used_voucher", "debt is counted in points, so it needs redemption.value");
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct voucher_kind *v = &p->vouchers[p->rules[i].voucher];

		if (p->rules[i].kind != RULE_VOUCHER)
			continue;
		if (!v->has_value)
			return wrong(c, "returns.used_voucher", "debt needs the value of every voucher that an earn rule issues, and %s has none", v->id);
		if (!value_fits(p, v))
			return wrong(c, "returns.used_voucher", "the value of voucher %s is more points than can be counted", v->id);
	}
	return true;
}

const struct voucher_kind *
program_voucher(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_vouchers; i++) {
		if (strcmp(p->vouchers[i].id, id) == 0)
			return &p->vouchers[i];
	}
	return NULL;
}
