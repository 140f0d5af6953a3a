/* A generator that has stopped making something would let every property hold: what must happen somewhere is counted here. */
#include "checks.h"

#include <string.h>

/* A word each, noted when it happens in an entry. */
#define NOTES_MAX 160
static struct { char words[NOTES_MAX][LEDGER_ID_MAX + 16]; size_t n; } seen;

static void
note(const char *kind, const char *word)
{
	char text[sizeof(seen.words[0])];

	(void)snprintf(text, sizeof(text), "%s %s", kind, word);
	for (size_t i = 0; i < seen.n; i++) {
		if (strcmp(seen.words[i], text) == 0)
			return;
	}
	if (seen.n < NOTES_MAX)
		memcpy(seen.words[seen.n++], text, sizeof(text));
}

static void
note_tallies(const struct entry *entry)
{
	static const char *const kinds[TALLY_KIND_COUNT] = { "none", "rule", "group", "earned", "gap", "remainder", "redeemed", "sent", "received" };
	static const char *const periods[PERIOD_COUNT] = { "transaction", "day", "month", "year", "lifetime", "program" };

	for (size_t i = 0; i < entry->n_tallies; i++) {
		note("tally", kinds[entry->tallies[i].kind]);
		note("per", periods[entry->tallies[i].per]);
	}
}

/* The rule of a grant. */
static void
note_rule(const struct program *p, const char *id)
{
	static const char *const kinds[] = { "base", "bonus", "multiplier", "counter", "voucher" };
	static const char *const measures[] = { "per_amount", "fixed", "per_item", "multiply", "counter", "voucher" };

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *r = &p->rules[i];

		if (strcmp(r->id, id) != 0)
			continue;
		note("kind", kinds[r->kind]);
		note("measure", measures[r->measure]);
		if (r->replaces != RULE_NONE)
			note("rule", "replaces");
		if (r->when.segments.n > 0)
			note("when", "segments");
		if (r->when.has_previous_month_spend)
			note("when", "previous_month_spend");
		if (r->when.categories.n > 0)
			note("when", "categories");
		if (r->when.first_purchase)
			note("when", "first_purchase");
	}
	if (strncmp(id, "tier:", 5) == 0)
		note("kind", "tier");
}

static void
note_caps(const struct program *p, const struct entry *entry)
{
	static const char *const overs[] = { "clip", "reject", "fallback" };

	for (size_t i = 0; i < entry->n_grants; i++) {
		const struct grant *g = &entry->grants[i];

		note_rule(p, g->rule);
		for (size_t r = 0; g->cap != NULL && r < p->n_rules; r++) {
			if (strcmp(p->rules[r].id, g->rule) == 0 && p->rules[r].n_caps > 0)
				note("over", overs[p->rules[r].caps[0].over]);
		}
		if (g->cap != NULL)
			note("cap", g->cap);
	}
}

void
census_decided(struct life *l, const struct entry *entry)
{
	note("op", op_str(entry->op));
	note_tallies(entry);
	for (size_t i = 0; i < entry->n_postings; i++) {
		const struct posting *p = &entry->postings[i];
		note("account", account_str(p->account));
		note("class", lot_class_str(p->class));
		if (p->last_day == DAY_CLOCK)
			note("lot", "clock");
		if (p->has_hold)
			note("posting", "hold");
	}
	if (entry->has_due_at)
		note("by", "system");
	if (entry->has_occurred_at)
		note("by", "late");
	for (size_t i = 0; i < entry->n_vouchers; i++) {
		note("voucher", voucher_state_str(entry->vouchers[i].v.state));
		note("by", voucher_source_str(entry->vouchers[i].v.source));
	}
	if (entry->has_tier && entry->tier.grace)
		note("tier", "grace");
	if (entry->waiting)
		note("fact", "waiting");
	if (entry->program_version == 2)
		note("version", "two");
	if (entry->n_pendings > 0 && entry->pendings[0].p.activity[0] != 0)
		note("pending", "activity");
	if (entry->program_version > 0)
		note_caps(l->programs[entry->program_version - 1], entry);
}

size_t
census_missing(FILE *out)
{
	static const char *const wanted[] = {
		"op publish", "op enrol", "op profile", "op purchase", "op hold", "op capture", "op release", "op redeem", "op adjust", "op tier",
		"op birthday", "op hold_timeout", "op tier_end", "op expire", "op clock_accept", "op activity", "op lapse", "op activate",
		"op tier_review", "op tier_look", "op inactivity", "op hold_expire", "op anniversary", "op freeze", "op unfreeze", "op close",
		"op return", "op reverse_redeem", "op transfer", "op merge", "op advance", "op approve", "op approver_key", "op notice", "fact waiting",
		"op membership_start", "op membership_renew", "op membership_cancel", "op membership_end", "op pool_join", "op pool_leave",
		"account partner_issued", "account partner_redeemed",
		"account debt", "account transferred", "account reinstated",
		"class lent",
		"account member", "account pending", "account held", "account issued", "account redeemed", "account expired", "account adjusted",
		"account clawed", "class earned", "class birthday", "class adjustment", "class anniversary", "lot clock", "posting hold",
		"tally rule", "tally group", "tally earned", "tally gap", "tally remainder", "tally redeemed", "tally sent", "per day", "per month", "per year",
		"per lifetime", "per program", "by system", "by late", "tier grace", "version two", "pending activity", "kind base", "kind bonus",
		"kind multiplier", "kind tier", "measure per_amount", "measure fixed", "measure per_item", "rule replaces", "when segments",
		"when previous_month_spend", "when categories", "when first_purchase", "over clip", "over reject", "over fallback",
		"voucher issued", "voucher expired", "by rule", "op voucher_expire",
		"by reward", "by birthday", "by anniversary", "by card", "by milestone", "by auto_redeem", "voucher revoked", "op auto_redeem", "op stamp_expire",
		"cap transaction", "cap day", "cap month", "cap year", "cap lifetime", "cap program", "cap earn_per_day", "cap shared", "cap counted",
	};
	size_t missing = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		size_t k = 0;

		while (k < seen.n && strcmp(seen.words[k], wanted[i]) != 0)
			k++;
		if (k < seen.n)
			continue;
		(void)fprintf(out, "%s%s", missing++ == 0 ? "" : ", ", wanted[i]);
	}
	return missing;
}
