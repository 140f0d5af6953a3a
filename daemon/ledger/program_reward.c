/*
 * What vouchers are given for: rewards that points buy, points that become vouchers by themselves, cards of stamps, and the rewards of birthdays
 * and anniversaries.  Cards have the conditions of earn rules, and are for purchases alone: nothing else has items that are bought.
 */
#include <string.h>

#include "ledger/compile.h"

#define STAMPS_PER_ITEM_MAX 1000
#define CARD_SIZE_MAX 100000

bool
compile_grant(struct compiler *c, const char *path, const char *points, const char *voucher, int64_t *ret_points, size_t *ret_voucher)
{
	*ret_voucher = VOUCHER_INDEX_NONE;
	if (points != NULL && voucher != NULL)
		return wrong(c, path, "a reward is points or a voucher, not both");
	if (voucher != NULL)
		return compile_voucher_ref(c, PATH("%.64s.voucher", path), voucher, ret_voucher);
	return compile_points(c, PATH("%.64s.points", path), points, 1, ret_points);
}

/* ---- auto_redeem ---- */

/* Points that become vouchers before they are so many never reach a tier. */
static bool
check_balance_tiers(struct compiler *c)
{
	const struct program *p = c->p;

	for (size_t t = 0; t < p->n_tiers; t++) {
		for (size_t i = 0; i < p->tiers[t].n_any; i++) {
			for (size_t k = 0; k < p->tiers[t].any[i].n; k++) {
				const struct threshold *have = &p->tiers[t].any[i].all[k];
				if (have->metric == METRIC_BALANCE && p->auto_at <= have->at_least)
					return wrong(c, "auto_redeem.at", "nobody keeps the balance that tier %s asks for: at must be above it", p->tiers[t].id);
			}
		}
	}
	return true;
}

static bool
compile_auto_redeem(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	p->has_auto_redeem = def->has_auto_redeem;
	if (!def->has_auto_redeem)
		return true;
	return compile_points(c, "auto_redeem.at", def->auto_at, 1, &p->auto_at) &&
	    compile_voucher_ref(c, "auto_redeem.voucher", def->auto_voucher, &p->auto_voucher) &&
	    compile_tier_list(c, "auto_redeem.tiers", &def->auto_tiers, &p->auto_tiers) && check_balance_tiers(c);
}

/* ---- rewards ---- */

/* ${may_be_any}: also per transaction and program. */
static bool
compile_count_per(struct compiler *c, const char *path, const struct count_per_def *def, bool may_be_any, uint32_t *ret_count,
    enum period *ret_per)
{
	if (!def->given)
		return true;
	if (!def->has_count || def->count == 0)
		return wrong(c, PATH("%.64s.count", path), "count is at least 1");
	if (!def->has_per)
		return wrong(c, PATH("%.64s.per", path), "per is required: %sday, month, year%s lifetime%s", may_be_any ? "transaction, " : "",
		    may_be_any ? "," : " or", may_be_any ? " or program" : "");
	if (!may_be_any && (def->per == PERIOD_TRANSACTION || def->per == PERIOD_PROGRAM))
		return wrong(c, PATH("%.64s.per", path), "per is day, month, year or lifetime: what all members take together is `stock`");
	*ret_count = def->count;
	*ret_per = def->per;
	return true;
}

static bool
compile_reward(struct compiler *c, size_t at)
{
	const struct reward_def *def = &c->def->rewards[at];
	struct program *p = c->p;
	struct reward *r = &p->rewards[at];

	if (!compile_id(c, PATH("rewards[%zu].id", at), def->id, r->id))
		return false;
	for (size_t i = 0; i < at; i++) {
		if (strcmp(p->rewards[i].id, r->id) == 0)
			return wrong(c, PATH("rewards[%zu].id", at), "two rewards have the id %s", r->id);
	}
	r->has_stock = def->has_stock;
	r->stock = def->stock;
	return compile_points(c, PATH("rewards[%zu].cost", at), def->cost, 1, &r->cost) &&
	    compile_voucher_ref(c, PATH("rewards[%zu].voucher", at), def->voucher, &r->voucher) &&
	    compile_count_per(c, PATH("rewards[%zu].per_member", at), &def->per_member, false, &r->per_member, &r->per) &&
	    compile_tier_list(c, PATH("rewards[%zu].tiers", at), &def->tiers, &r->tiers) &&
	    compile_dates(c, PATH("rewards[%zu]", at), def->from, def->until, &r->from, &r->until);
}

/* ---- stamps ---- */

static bool
compile_milestone(struct compiler *c, size_t at, size_t i, struct card *card)
{
	const struct milestone_def *def = &c->def->cards[at].milestones[i];
	struct milestone m = { .at = def->at };
	size_t place = i;

	if (!def->has_at || def->at == 0)
		return wrong(c, PATH("stamps[%zu].milestones[%zu].at", at, i), "at is required: a number of stamps from 1 on");
	if (def->at >= card->size)
		return wrong(c, PATH("stamps[%zu].milestones[%zu].at", at, i), "a milestone is below the card's size of %u stamps", card->size);
	for (size_t k = 0; k < i; k++) {
		if (card->milestones[k].at == m.at)
			return wrong(c, PATH("stamps[%zu].milestones[%zu].at", at, i), "two milestones are at %u stamps", m.at);
	}
	if (!compile_voucher_ref(c, PATH("stamps[%zu].milestones[%zu].voucher", at, i), def->voucher, &m.voucher))
		return false;
	for (; place > 0 && card->milestones[place - 1].at > m.at; place--)
		card->milestones[place] = card->milestones[place - 1];
	card->milestones[place] = m;
	card->n_milestones++;
	return true;
}

/* What min_gap asks of is kept by the id alone. */
static bool
check_gap_id(struct compiler *c, size_t at, const struct card *card)
{
	for (size_t i = 0; i < c->p->n_rules && card->when.min_gap_us > 0; i++) {
		if (strcmp(c->p->rules[i].id, card->id) == 0)
			return wrong(c, PATH("stamps[%zu].when.min_gap", at), "the earn rule %s has the same id; a card with min_gap needs one of its own",
			    card->id);
	}
	return true;
}

static bool
compile_card_head(struct compiler *c, size_t at, struct card *card)
{
	const struct card_def *def = &c->def->cards[at];

	if (!compile_id(c, PATH("stamps[%zu].id", at), def->id, card->id))
		return false;
	for (size_t i = 0; i < at; i++) {
		if (strcmp(c->p->cards[i].id, card->id) == 0)
			return wrong(c, PATH("stamps[%zu].id", at), "two cards have the id %s", card->id);
	}
	if (!def->has_per_item || def->per_item == 0 || def->per_item > STAMPS_PER_ITEM_MAX)
		return wrong(c, PATH("stamps[%zu].per_item", at), "per_item is required, 1 to %d stamps", STAMPS_PER_ITEM_MAX);
	if (!def->has_size || def->size == 0 || def->size > CARD_SIZE_MAX)
		return wrong(c, PATH("stamps[%zu].size", at), "size is required, 1 to %d stamps", CARD_SIZE_MAX);
	card->per_item = def->per_item;
	card->size = def->size;
	card->drop = def->drop;
	return true;
}

static bool
compile_card(struct compiler *c, size_t at)
{
	const struct card_def *def = &c->def->cards[at];
	struct card *card = &c->p->cards[at];

	if (!compile_card_head(c, at, card) || !compile_when(c, PATH("stamps[%zu]", at), &def->when, ON_PURCHASE, &card->when) ||
	    !check_gap_id(c, at, card) || !compile_count_per(c, PATH("stamps[%zu].cap", at), &def->cap, true, &card->cap, &card->cap_per) ||
	    !compile_voucher_ref(c, PATH("stamps[%zu].voucher", at), def->voucher, &card->voucher))
		return false;
	if (def->n_milestones > PROGRAM_MILESTONES_MAX)
		return wrong(c, PATH("stamps[%zu].milestones", at), "a card has at most %d milestones", PROGRAM_MILESTONES_MAX);
	for (size_t i = 0; i < def->n_milestones; i++) {
		if (!compile_milestone(c, at, i, card))
			return false;
	}
	return compile_term(c, PATH("stamps[%zu].valid", at), &def->valid, &card->valid);
}

/* ---- all of it ---- */

bool
compile_rewards(struct compiler *c)
{
	const struct program_def *def = c->def;
	struct program *p = c->p;

	bool good = compile_auto_redeem(c);

	if (!good && !compile_goes_on(c))
		return false;
	if (def->n_rewards > PROGRAM_REWARDS_MAX)
		return wrong(c, "rewards", "a program has at most %d rewards", PROGRAM_REWARDS_MAX);
	for (; p->n_rewards < def->n_rewards; p->n_rewards++) {
		good = compile_reward(c, p->n_rewards) && good;
		if (!good && !compile_goes_on(c))
			return false;
	}
	if (def->n_cards > PROGRAM_CARDS_MAX)
		return wrong(c, "stamps", "a program has at most %d cards of stamps", PROGRAM_CARDS_MAX);
	for (; p->n_cards < def->n_cards; p->n_cards++) {
		good = compile_card(c, p->n_cards) && good;
		if (!good && !compile_goes_on(c))
			return false;
	}
	if (program_stores(p) > LEDGER_PROGRAM_CAPS_MAX)
		return wrong(c, "rewards", "a program has at most %d rewards with a stock and caps of the period program together",
		    LEDGER_PROGRAM_CAPS_MAX);
	return good;
}

const struct reward *
program_reward(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_rewards; i++) {
		if (strcmp(p->rewards[i].id, id) == 0)
			return &p->rewards[i];
	}
	return NULL;
}

const struct card *
program_card(const struct program *p, const char *id)
{
	for (size_t i = 0; i < p->n_cards; i++) {
		if (strcmp(p->cards[i].id, id) == 0)
			return &p->cards[i];
	}
	return NULL;
}
