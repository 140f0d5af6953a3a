/* Decisions made twice: as a quote and for good, on the same state, and from the stored entry. */
#include "checks.h"

#include <assert.h>
#include <string.h>

#include "ledger/redecide.h"

static _Noreturn void
differs(struct life *l, const char *what, size_t i)
{
	life_fail(l, "the quote and the purchase right after it differ: %s %zu", what, i);
}

/* ---- quotes ---- */

struct quotes {
	bool quoted;
	struct entry quote;
	struct refusal refusal;
};

void
quotes_begin(struct life *l)
{
	l->own = life_alloc(l, sizeof(struct quotes));
}

void
quote_is_grant(struct life *l, const struct cmd *cmd)
{
	struct quotes *q = l->own;
	struct cmd quote = *cmd;
	struct refusal refusal;
	struct entry entry;

	q->quoted = false;
	if (cmd->op != OP_PURCHASE)
		return;
	quote.is_quote = true;
	enum status st = decide(&l->ledger->state, &quote, l->now_us, &l->arena, &q->quote, &q->refusal);
	assert(st == ST_OK);
	st = decide(&l->ledger->state, cmd, l->now_us, &l->arena, &entry, &refusal);
	assert(st == ST_OK);
	if (refusal.result != q->refusal.result)
		life_fail(l, "the quote is answered %s, and the purchase right after it %s", ledger_result_str(q->refusal.result),
		    ledger_result_str(refusal.result));
	q->quoted = refusal.result == LEDGER_OK;
}

void
quoted_entry(struct life *l, const struct entry *entry)
{
	const struct quotes *q = l->own;
	const struct entry *quote = &q->quote;

	if (entry->op != OP_PURCHASE || !q->quoted)
		return;
	if (quote->n_grants != entry->n_grants)
		differs(l, "number of grants", quote->n_grants);
	for (size_t i = 0; i < entry->n_grants; i++) {
		const struct grant *a = &quote->grants[i], *b = &entry->grants[i];
		if (strcmp(a->rule, b->rule) != 0 || a->wanted != b->wanted || a->granted != b->granted)
			differs(l, "grant", i);
	}
	if (quote->metrics.points_earned != entry->metrics.points_earned)
		differs(l, "points_earned", 0);
	if (quote->n_pendings != entry->n_pendings)
		differs(l, "number of pending rows", quote->n_pendings);
	for (size_t i = 0; i < entry->n_pendings; i++) {
		const struct pending *a = &quote->pendings[i].p, *b = &entry->pendings[i].p;
		if (a->points != b->points || a->due_day != b->due_day || strcmp(a->activity, b->activity) != 0)
			differs(l, "pending row", i);
	}
	if (quote->has_tier != entry->has_tier || (quote->has_tier && strcmp(quote->tier.earned, entry->tier.earned) != 0))
		differs(l, "tier", 0);
	/* Lots come first; what the purchase does to the terms of other lots is behind them, and no quote shows it. */
	for (size_t i = 0; i < quote->n_postings; i++) {
		if (i >= entry->n_postings || quote->postings[i].points != entry->postings[i].points ||
		    quote->postings[i].last_day != entry->postings[i].last_day)
			differs(l, "posting", i);
	}
}

/* ---- deciding only reads ---- */

static void
encode_all(struct life *l, struct buf *out)
{
	for (size_t i = 0; i < l->ledger->n_members; i++)
		member_encode(l->ledger->members[i], out);
	totals_encode(&l->ledger->programs[0].totals, out);
}

void
deciding_changes_nothing(struct life *l, const struct cmd *cmd)
{
	struct bytes stored[2] = { { NULL, 0 }, { NULL, 0 } };
	struct refusal refusals[2];
	struct buf before, after;

	buf_init(&before);
	buf_init(&after);
	encode_all(l, &before);
	for (size_t i = 0; i < 2; i++) {
		struct entry entry;
		enum status st = decide(&l->ledger->state, cmd, l->now_us, &l->arena, &entry, &refusals[i]);

		assert(st == ST_OK);
		if (refusals[i].result != LEDGER_OK)
			continue;
		entry.program = cmd->op == OP_CLOCK_ACCEPT || cmd->op == OP_APPROVER_KEY ? 0 : 1;
		stored[i] = life_store(l, &entry, life_next_id(l, 0), l->now_us);
	}
	encode_all(l, &after);
	bool same = bytes_equal(buf_bytes(&before), buf_bytes(&after));
	buf_release(&before);
	buf_release(&after);
	if (!same)
		life_fail(l, "deciding %s changed the state", op_str(cmd->op));
	if (refusals[0].result != refusals[1].result || strcmp(refusals[0].sentence, refusals[1].sentence) != 0 || !bytes_equal(stored[0], stored[1]))
		life_fail(l, "%s is decided in two ways on one state", op_str(cmd->op));
}

/* ---- from the stored entry ---- */

static enum redecide_result
again(struct life *l, const struct entry *entry, struct redecide_difference *ret_difference)
{
	struct redecide_given given = { .looked = true, .published = entry->op == OP_PUBLISH ? l->programs[entry->u.publish.version > 1] : NULL };
	enum redecide_result result;
	struct entry_id past;
	enum status st = ST_OK;
	bool may = false;

	if (entry_names(entry, &past))
		given.past = life_find(l, past);
	if (given.past != NULL)
		st = entry_may_name(&l->ledger->state, entry, given.past, &may);
	assert(st == ST_OK);
	if (!may)
		given.past = NULL;
	st = redecide(&l->ledger->state, entry, &given, l->now_us, &l->arena, &result, ret_difference);

	assert(st == ST_OK);
	return result;
}

/* As it would be read back: what the stored form loses is lost here. */
static struct entry *
read_back(struct life *l, const struct entry *entry)
{
	struct stored stored = { .id = life_id(l, l->n_stored - 1), .committed_at_us = l->now_us };

	stored.transaction = life_store(l, entry, stored.id, stored.committed_at_us);
	return life_read(l, &stored);
}

void
decides_again(struct life *l, const struct entry *entry)
{
	struct redecide_difference difference;
	struct entry *stored = read_back(l, entry);

	switch (again(l, stored, &difference)) {
	case REDECIDE_EQUAL:
		break;
	case REDECIDE_DIFFERS:
		life_fail(l, "entry %s is decided otherwise from what is stored: %s", life_entry_text(l, entry), difference.sentence);
	case REDECIDE_OTHER_ENGINE:
	case REDECIDE_NOT_DECIDED:
		life_fail(l, "entry %s cannot be decided again", life_entry_text(l, entry));
	}
}

/* ---- forgeries ---- */

/* Something that only the decision could have written; false: the entry has nothing of the kind. */
#define FORGE(name, there, ...) \
	static bool \
	forge_##name(struct life *l, struct entry *e) \
	{ \
		(void)l; \
		if (!(there)) \
			return false; \
		__VA_ARGS__; \
		return true; \
	}
#define FIRST(type, list) ((type *)(uintptr_t)(list))
#define LAST(type, list, n) (&((type *)(uintptr_t)(list))[(n) - 1])

FORGE(business_date, e->business_date != DAY_NONE, e->business_date++)
FORGE(due_late, e->has_due_at, e->due_at_us++)
FORGE(due_early, e->has_due_at, e->due_at_us -= US_PER_DAY)
FORGE(granted, e->n_grants > 0, LAST(struct grant, e->grants, e->n_grants)->granted++)
FORGE(wanted, e->n_grants > 0, FIRST(struct grant, e->grants)->wanted++)
FORGE(rule, e->n_grants > 0, FIRST(struct grant, e->grants)->rule = "another")
FORGE(cap, e->n_grants > 0, FIRST(struct grant, e->grants)->cap = "another")
FORGE(no_grant, e->n_grants > 0, e->n_grants--)
FORGE(points_earned, e->has_metrics, e->metrics.points_earned++)
FORGE(spend, e->has_metrics, e->metrics.spend--)
FORGE(visits, e->has_metrics, e->metrics.visits += 2)
FORGE(counter, e->has_metrics, e->metrics.counters[1]++)
FORGE(no_metrics, e->has_metrics, e->has_metrics = false)
FORGE(tier, e->has_tier, strcpy(e->tier.earned, "another"))
FORGE(tier_since, e->has_tier, e->tier.since--)
FORGE(tier_until, e->has_tier, e->tier.until--)
FORGE(tier_from, e->has_tier, e->tier.from--)
FORGE(tier_start, e->has_tier, e->tier.start--)
FORGE(tier_grace, e->has_tier, e->tier.grace = !e->tier.grace)
FORGE(gift, e->has_tier && e->op != OP_TIER, strcpy(e->tier.gift, "another"))
FORGE(gift_until, e->has_tier && e->op != OP_TIER, e->tier.gift_until--)
FORGE(no_tier, e->has_tier, e->has_tier = false)
FORGE(hold_end, e->has_hold, e->hold.ends_at_us++)
FORGE(hold_left, e->has_hold, e->hold.left++)
FORGE(hold_at_once, e->has_hold, e->hold.expire_at_once = !e->hold.expire_at_once)
FORGE(value, e->has_value, e->value++)
FORGE(no_value, e->has_value, e->has_value = false)
FORGE(enrolled, true, e->enrolled = !e->enrolled)
FORGE(clock, e->clock.on, e->clock.last_day++)
FORGE(clock_months, e->clock.on, e->clock.months++)
FORGE(clock_percent, e->clock.on, e->clock.percent++)
FORGE(no_clock, e->clock.on, e->clock.on = false)
FORGE(pending_day, e->n_pendings > 0, FIRST(struct pending_change, e->pendings)->p.due_day++)
FORGE(pending_points, e->n_pendings > 0, LAST(struct pending_change, e->pendings, e->n_pendings)->p.points++)
FORGE(pending_term, e->n_pendings > 0, strcpy(FIRST(struct pending_change, e->pendings)->p.term, "rule:x"))
FORGE(pending_activity, e->n_pendings > 0, strcpy(FIRST(struct pending_change, e->pendings)->p.activity, "x"))
FORGE(pending_version, e->n_pendings > 0, FIRST(struct pending_change, e->pendings)->p.version++)
FORGE(pending_from, e->n_pendings > 0, FIRST(struct pending_change, e->pendings)->p.from.seq++)
FORGE(no_pending, e->n_pendings > 0, e->n_pendings--)
FORGE(tally_points, e->n_tallies > 0, LAST(struct tally, e->tallies, e->n_tallies)->points++)
FORGE(tally_count, e->n_tallies > 0, FIRST(struct tally, e->tallies)->count++)
FORGE(tally_at, e->n_tallies > 0, FIRST(struct tally, e->tallies)->at++)
FORGE(tally_id, e->n_tallies > 0, strcpy(FIRST(struct tally, e->tallies)->id, "x"))
FORGE(no_tally, e->n_tallies > 0, e->n_tallies--)
FORGE(posting_points, e->n_postings > 1, FIRST(struct posting, e->postings)[0].points--, FIRST(struct posting, e->postings)[1].points++)
FORGE(posting_account, e->n_postings > 0, LAST(struct posting, e->postings, e->n_postings)->account = ACCOUNT_OPENING)
FORGE(posting_day, e->n_postings > 0, FIRST(struct posting, e->postings)->last_day--)
FORGE(posting_class, e->n_postings > 0, LAST(struct posting, e->postings, e->n_postings)->class = e->postings[e->n_postings - 1].class == LOT_EARNED ?
    LOT_BIRTHDAY : LOT_EARNED)
FORGE(no_posting, e->n_postings > 0, e->n_postings--)
FORGE(conditions, e->op == OP_PURCHASE, e->conditions ^= UINT64_C(1) << 40)
FORGE(multiplied, e->op == OP_PURCHASE && e->multiplied == NULL, e->multiplied = "another")
FORGE(used, e->n_used > 0, FIRST(struct tally, e->used)->points++)
FORGE(no_used, e->n_used > 0, e->n_used--)
FORGE(fall, e->n_falls > 0, LAST(struct metric_day, e->falls, e->n_falls)->points_earned--)
FORGE(fall_day, e->n_falls > 0, FIRST(struct metric_day, e->falls)->day++)
FORGE(no_fall, e->n_falls > 0, e->n_falls--)
FORGE(clawed, e->n_followups > 0, LAST(struct followup, e->followups, e->n_followups)->clawed++)
FORGE(lapsed, e->n_followups > 0, LAST(struct followup, e->followups, e->n_followups)->lapsed++)
FORGE(left, e->n_followups > 0, FIRST(struct followup, e->followups)->left++)
FORGE(fallen, e->n_followups > 0, FIRST(struct followup, e->followups)->fallen++)
FORGE(reversed, e->n_followups > 0, FIRST(struct followup, e->followups)->reversed++)
FORGE(followup_entry, e->n_followups > 0, FIRST(struct followup, e->followups)->entry.seq++)
FORGE(no_followup, e->n_followups > 0, e->n_followups--)
FORGE(activation, e->n_followups > 0 && e->followups[0].n_activations > 0, FIRST(struct activation, e->followups[0].activations)->points++)
FORGE(side_member, e->n_sides > 0, FIRST(struct side, e->sides)->member++)
FORGE(side_tier, e->n_sides > 0, FIRST(struct side, e->sides)->has_tier = !e->sides[0].has_tier)
FORGE(side_clock, e->n_sides > 0, FIRST(struct side, e->sides)->clock.on = !e->sides[0].clock.on)
FORGE(told_kind, e->n_told > 0, FIRST(struct told, e->told)->kind = e->told[0].kind == NOTICE_EXPIRING ? NOTICE_DOWNGRADE : NOTICE_EXPIRING)
FORGE(told_points, e->n_told > 0, FIRST(struct told, e->told)->points++)
FORGE(told_day, e->n_told > 0, FIRST(struct told, e->told)->last_day++)
FORGE(told_voucher, e->n_told > 0, FIRST(struct told, e->told)->voucher = e->told[0].voucher == NULL ? "drink" : NULL)
FORGE(told_nothing, e->n_told > 0, e->n_told = 0)
FORGE(side_tally, e->n_sides > 0 && e->sides[0].n_tallies > 0, FIRST(struct side, e->sides)->n_tallies--)
FORGE(version, e->op != OP_PUBLISH && e->program_version > 0, e->program_version++)
FORGE(touched, e->n_touched > 0, e->touched[0].member++)

static const struct { const char *field; bool (*forge)(struct life *l, struct entry *e); } forgeries[] = {
	{ "business_date", forge_business_date }, { "due_at", forge_due_late }, { "due_at", forge_due_early },
	{ "facts.grants[", forge_granted }, { "facts.grants[0].wanted", forge_wanted }, { "facts.grants[0].rule", forge_rule },
	{ "facts.grants[0].cap", forge_cap }, { "facts.grants[", forge_no_grant }, { "facts.metrics.points_earned", forge_points_earned },
	{ "facts.metrics.spend", forge_spend }, { "facts.metrics.visits", forge_visits }, { "facts.metrics.counters[1]", forge_counter },
	{ "facts.metrics", forge_no_metrics }, { "facts.tier.earned", forge_tier }, { "facts.tier.since", forge_tier_since },
	{ "facts.tier.until", forge_tier_until }, { "facts.tier.from", forge_tier_from }, { "facts.tier.start", forge_tier_start },
	{ "facts.tier.grace", forge_tier_grace }, { "facts.tier.gift", forge_gift }, { "facts.tier.gift_until", forge_gift_until },
	{ "facts.tier", forge_no_tier }, { "facts.hold.ends_at", forge_hold_end }, { "facts.hold.left", forge_hold_left },
	{ "facts.hold.expire_at_once", forge_hold_at_once }, { "facts.value", forge_value }, { "facts.value", forge_no_value },
	{ "facts.enrolled", forge_enrolled }, { "facts.inactivity.last_day", forge_clock }, { "facts.inactivity.months", forge_clock_months },
	{ "facts.inactivity.percent", forge_clock_percent }, { "facts.inactivity", forge_no_clock }, { "facts.pendings[0].due_day", forge_pending_day },
	{ "facts.pendings[", forge_pending_points }, { "facts.pendings[0].term", forge_pending_term },
	{ "facts.pendings[0].activity", forge_pending_activity }, { "facts.pendings[0].version", forge_pending_version },
	{ "facts.pendings[0].from", forge_pending_from }, { "facts.pendings[", forge_no_pending }, { "facts.tallies[", forge_tally_points },
	{ "facts.tallies[0].count", forge_tally_count }, { "facts.tallies[0].at", forge_tally_at }, { "facts.tallies[0].id", forge_tally_id },
	{ "facts.tallies[", forge_no_tally }, { "postings[0].points", forge_posting_points }, { "postings[", forge_posting_account },
	{ "postings[0].last_day", forge_posting_day }, { "postings[", forge_posting_class }, { "postings[", forge_no_posting },
	{ "facts.conditions", forge_conditions }, { "facts.multiplied", forge_multiplied }, { "facts.used[0].points", forge_used },
	{ "facts.used[", forge_no_used }, { "facts.falls[", forge_fall }, { "facts.falls[0].day", forge_fall_day }, { "facts.falls[", forge_no_fall },
	{ "facts.followups[", forge_clawed }, { "facts.followups[", forge_lapsed },
	{ "facts.followups[0].left", forge_left }, { "facts.followups[0].fallen", forge_fallen },
	{ "facts.followups[0].reversed", forge_reversed }, { "facts.followups[0].entry", forge_followup_entry },
	{ "facts.followups[", forge_no_followup }, { "facts.followups[0].activations", forge_activation },
	{ "facts.sides[0].member", forge_side_member }, { "facts.sides[0].tier", forge_side_tier },
	{ "facts.sides[0].inactivity", forge_side_clock }, { "facts.sides[0].tallies", forge_side_tally },
	{ "facts.notices[0].kind", forge_told_kind }, { "facts.notices[0].points", forge_told_points },
	{ "facts.notices[0].last_day", forge_told_day }, { "facts.notices[0].voucher", forge_told_voucher }, { "facts.notices[", forge_told_nothing },
	{ "program_version", forge_version }, { "touched[0].member", forge_touched },
};

/* A birthday's voucher may come on any midnight of its window: of another one, the business date is what is wrong. */
static bool
in_window(const struct entry *entry)
{
	return entry->op == OP_BIRTHDAY && entry->n_vouchers > 0;
}

void
forgery_differs(struct life *l, const struct entry *entry)
{
	size_t n = sizeof(forgeries) / sizeof(forgeries[0]);

	life_swap_memory(l);
	for (size_t i = 0; i < n; i++) {
		arena_reset(&l->arena);
		struct entry *forged = read_back(l, entry);
		struct redecide_difference difference;

		if (!forgeries[i].forge(l, forged))
			continue;
		if (again(l, forged, &difference) != REDECIDE_DIFFERS)
			life_fail(l, "entry %s with another %s is not noticed", life_entry_text(l, entry), forgeries[i].field);
		if (forgeries[i].forge == forge_due_early && in_window(entry) && strcmp(difference.field, "business_date") == 0)
			continue;
		if (strncmp(difference.field, forgeries[i].field, strlen(forgeries[i].field)) != 0)
			life_fail(l, "entry %s with another %s is noticed as %s", life_entry_text(l, entry), forgeries[i].field, difference.sentence);
	}
	life_swap_memory(l);
}
