/* What is asked of a program once it is compiled: its tiers, and which expiry holds where several are written. */
#include <string.h>

#include "ledger/internal.h"

const struct tier *
program_tier(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_tiers; i++) {
		if (strcmp(p->tiers[i].id, id) == 0)
			return &p->tiers[i];
	}
	return NULL;
}

int32_t
program_last_day(const struct program *p, const struct tier *tier, int32_t day)
{
	return rule_last_day(p, NULL, tier, day);
}

int32_t
rule_last_day(const struct program *p, const struct rule *rule, const struct tier *tier, int32_t day)
{
	const struct expiry *e = rule != NULL && rule->has_expiry ? &rule->expiry : tier != NULL && tier->has_expiry ? &tier->expiry : &p->expiry;

	return expiry_last_day(e, day);
}

bool
names_have(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->name[i], name) == 0)
			return true;
	}
	return false;
}

const struct expiry *
program_expiry(const struct program *p, const struct tier *tier)
{
	return tier != NULL && tier->has_expiry ? &tier->expiry : &p->expiry;
}

int64_t
gcd(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}
