/*
 * Points come from the accounts' totals, so what is shown is what was posted.  Cost is points × accounting.cost_per_point, and for the
 * points that are still out × accounting.expected_redemption; exact, rounded down once to the currency's digits.
 */
#include "sim_summary.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "report.h"

void
sim_tally_entry(struct sim_tally *tally, const struct entry *e)
{
	tally->system_entries += e->has_due_at;
	tally->purchases += e->op == OP_PURCHASE;
	tally->redemptions += e->op == OP_REDEEM || e->op == OP_CAPTURE;
	tally->upgrades += e->has_tier && e->op == OP_PURCHASE;
}

/* ---- numbers ---- */

static json_t *
points(int64_t value, unsigned scale)
{
	char text[DECIMAL_TEXT_BYTES];

	return json_string(decimal_format(value, scale, text));
}

static int64_t
outstanding(const struct totals *t)
{
	return t->account[ACCOUNT_MEMBER] + t->account[ACCOUNT_PENDING] + t->account[ACCOUNT_HELD];
}

/* What points cost, × part, in minor units; without a line when it cannot be counted. */
static void
put_money(json_t *object, const char *key, const struct program *p, int64_t amount, struct ratio part)
{
	struct ratio cost;
	int64_t money;

	if (report_point_cost(p, &cost) && ratio_times(cost, part, &cost) && money_of_points(amount, cost, &money) && money >= 0)
		json_put(object, key, points(money, p->currency_digits));
}

/* What partners issued and redeemed counts with the program's own; theirs are net of returns and reversals. */
static void
fold_partners(const struct totals *totals, int64_t ret_account[static ACCOUNT_COUNT])
{
	memcpy(ret_account, totals->account, sizeof(totals->account));
	ret_account[ACCOUNT_ISSUED] += ret_account[ACCOUNT_PARTNER_ISSUED];
	ret_account[ACCOUNT_REDEEMED] += ret_account[ACCOUNT_PARTNER_REDEEMED];
}

static void
put_cost(json_t *object, const struct sim_program *sp, const int64_t account[static ACCOUNT_COUNT])
{
	const struct program *p = sp->versions[sp->n_versions - 1].program;
	struct ratio expected;

	if (!p->has_accounting || !ratio_of_decimal(p->expected_redemption, &expected))
		return;
	put_money(object, "cost_granted", p, -account[ACCOUNT_ISSUED], RATIO_ONE);
	put_money(object, "cost_redeemed", p, account[ACCOUNT_REDEEMED] + account[ACCOUNT_REINSTATED], RATIO_ONE);
	put_money(object, "cost_expected", p, outstanding(&sp->totals), expected);
}

/* ---- one program ---- */

struct members { uint64_t active, repeat; int64_t visits, spend; uint64_t tiers[PROGRAM_TIERS_MAX]; };

static struct members
count_members(const struct sim *sim, const struct sim_program *sp)
{
	const struct program *p = sp->versions[sp->n_versions - 1].program;
	int32_t today = zone_day(&p->zone, sim->now_us);
	struct members c = { 0 };

	for (uint64_t i = 0; i < sp->n_members; i++) {
		const struct member *m = sp->members[i];
		const struct tier *tier = member_tier(m, p, today);
		c.active += m->visits > 0;
		c.repeat += m->visits > 1;
		c.visits += m->visits;
		c.spend += m->spend;
		if (tier != NULL)
			c.tiers[tier - p->tiers]++;
	}
	return c;
}

static void
put_share(json_t *object, const char *key, int64_t part, int64_t whole)
{
	char text[DECIMAL_TEXT_BYTES];

	if (whole > 0 && part >= 0)
		json_put_text(object, key, decimal_format((int64_t)((wide)part * 1000 / whole), 1, text));
}

static json_t *
program_json(struct sim *sim, const struct sim_program *sp)
{
	const struct program *p = sp->versions[sp->n_versions - 1].program;
	int64_t account[ACCOUNT_COUNT];
	struct members c = count_members(sim, sp);
	json_t *object = json_new(), *tiers = json_new();
	static const struct { const char *key; enum account account; int sign; } rows[] = {
		{ "granted", ACCOUNT_ISSUED, -1 }, { "adjusted", ACCOUNT_ADJUSTED, -1 }, { "redeemed", ACCOUNT_REDEEMED, 1 },
		{ "reinstated", ACCOUNT_REINSTATED, -1 },
		{ "expired", ACCOUNT_EXPIRED, 1 }, { "clawed", ACCOUNT_CLAWED, 1 }, { "available", ACCOUNT_MEMBER, 1 },
		{ "pending", ACCOUNT_PENDING, 1 }, { "held", ACCOUNT_HELD, 1 }, { "debt", ACCOUNT_DEBT, -1 },
	};

	fold_partners(&sp->totals, account);
	json_put_text(object, "program", p->id);
	json_put_number(object, "version", p->version);
	json_put_number(object, "members", sp->n_members);
	json_put_number(object, "members_active", c.active);
	json_put_number(object, "members_repeat", c.repeat);
	json_put(object, "purchases", json_integer(c.visits));
	json_put(object, "spend", points(c.spend, p->currency_digits));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		json_put(object, rows[i].key, points(rows[i].sign * account[rows[i].account], p->scale));
	json_put(object, "liability", points(outstanding(&sp->totals), p->scale));
	put_share(object, "redeemed_percent", account[ACCOUNT_REDEEMED], -account[ACCOUNT_ISSUED]);
	put_share(object, "expired_percent", account[ACCOUNT_EXPIRED], -account[ACCOUNT_ISSUED]);
	put_cost(object, sp, account);
	for (size_t i = 0; i < p->n_tiers; i++)
		json_put_number(tiers, p->tiers[i].id, c.tiers[i]);
	json_put(object, "tiers", tiers);
	return object;
}

static json_t *
summary_json(struct sim *sim, const struct sim_tally *tally)
{
	json_t *object = json_new(), *programs = json_array(), *refusals = json_new();
	int64_t took_us = clock_monotonic_us() - tally->began_us;

	assert(programs != NULL);
	json_put_number(object, "events", tally->events);
	json_put_number(object, "applied", tally->applied);
	json_put_number(object, "replayed", tally->replayed);
	json_put_number(object, "refused", tally->refused);
	json_put_number(object, "system_entries", tally->system_entries);
	json_put_number(object, "purchases", tally->purchases);
	json_put_number(object, "redemptions", tally->redemptions);
	json_put_number(object, "upgrades", tally->upgrades);
	json_put_number(object, "events_per_second", took_us <= 0 ? 0 : (uint64_t)((wide)tally->events * 1000000 / took_us));
	for (enum ledger_result r = LEDGER_OK; r < LEDGER_RESULT_COUNT; r++) {
		if (r != LEDGER_OK && tally->by_reason[r] > 0)
			json_put_number(refusals, ledger_result_str(r), tally->by_reason[r]);
	}
	json_put(object, "refusals", refusals);
	for (uint32_t i = 0; i < sim->state.n_programs; i++)
		(void)json_array_append_new(programs, program_json(sim, &sim->state.programs[i]));
	json_put(object, "programs", programs);
	return object;
}

/* ---- as text: the same keys, a line each ---- */

static void
print_value(const char *key, json_t *value, int indent)
{
	const char *inner_key;
	json_t *inner;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, inner) {
			(void)printf("\n");
			print_value("", inner, indent);
		}
		return;
	}
	if (!json_is_object(value)) {
		(void)printf("%*s%-*s", indent, "", 20 - indent, key);
		if (json_is_string(value))
			(void)printf("%16s\n", json_string_value(value));
		else
			(void)printf("%16lld\n", (long long)json_integer_value(value));
		return;
	}
	if (key[0] != '\0' && json_object_size(value) > 0)
		(void)printf("%*s%s\n", indent, "", key);
	json_object_foreach(value, inner_key, inner)
		print_value(inner_key, inner, key[0] != '\0' ? indent + 2 : indent);
}

enum exit_code
sim_summary_print(struct sim *sim, const struct sim_tally *tally, bool json)
{
	json_t *object = summary_json(sim, tally);

	if (json)
		return json_print_line(object, EXIT_DONE);
	print_value("", object, 0);
	json_decref(object);
	return EXIT_DONE;
}
