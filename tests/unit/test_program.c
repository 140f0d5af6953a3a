/* What program_compile() refuses, with the key it names, and what it makes of a good file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"

static struct program_def
good(void)
{
	return (struct program_def){
		.id = "acme", .name = "Acme Rewards", .timezone = "Asia/Seoul", .currency = "KRW",
		.has_points = true, .has_scale = true, .unit = "star", .scale = 0,
		.n_rules = 2,
		.rules = {
			{ .id = "bonus", .has_priority = true, .priority = 20, .has_kind = true, .kind = RULE_BONUS, .has_fixed = true,
			    .points = "100" },
			{ .id = "base", .has_priority = true, .priority = 10, .has_kind = true, .has_per_amount = true,
			    .amount = "1000", .points = "1" },
		},
		.n_tiers = 2,
		.tiers = {
			{ .id = "gold", .has_rank = true, .rank = 7, .has_reach = true, .n_any = 1,
			  .any = { { 2, { { "points_earned", "500" }, { "spend", "10000" } } } },
			  .window = WINDOW_ROLLING_MONTHS, .rolling_months = 12, .earn_multiplier = "1.2", .expiry = { .given = true,
			    .never = true } },
			{ .id = "green", .has_rank = true, .rank = 0 },
		},
		.expiry = { .given = true, .has_months = true, .months = 12, .round_up = ROUND_UP_MONTH },
	};
}

static enum status
compile(const struct program_def *def, struct arena *arena, struct program **ret, struct program_error *error)
{
	struct zone zone = stage_zone(9);

	return program_compile(def, &zone, arena, ret, error);
}

static void
compiles_and_sorts(void **state)
{
	struct program_def def = good();
	struct arena arena;
	struct program *p = NULL;
	struct program_error error;

	(void)state;
	arena_init(&arena, 1 << 24);
	assert_int_equal(compile(&def, &arena, &p, &error), ST_OK);
	assert_string_equal(p->rules[0].id, "base");
	assert_int_equal(p->rules[0].amount, 1000);
	assert_string_equal(p->rules[1].id, "bonus");
	assert_int_equal(p->rules[1].points, 100);
	assert_string_equal(p->tiers[0].id, "green");
	assert_int_equal(p->tiers[0].multiplier, 1000000);
	assert_false(p->tiers[0].has_expiry);
	assert_string_equal(p->tiers[1].id, "gold");
	assert_string_equal(p->tiers[1].share_rule, "tier:gold");
	assert_int_equal(p->tiers[1].multiplier, 1200000);
	assert_int_equal(p->tiers[1].any[0].all[0].at_least, 500);
	assert_int_equal(p->tiers[1].any[0].all[1].metric, METRIC_SPEND);
	assert_true(p->tiers[1].has_expiry && p->tiers[1].expiry.never);
	assert_int_equal(p->expiry.months, 12);
	assert_int_equal(p->currency_digits, 0);
	assert_int_equal(p->late_days, 45);
	assert_int_equal(p->metric_days, 12 * 31 + 45);
	assert_int_equal(p->redeem_step, 1);
	assert_int_equal(p->max_percent_of_order, 100);
	assert_int_equal(p->default_ttl_us, 900 * US_PER_SECOND);
	assert_int_equal(p->max_ttl_us, 30 * US_PER_DAY);
	arena_release(&arena);
}

/* ---- refusals: each spoils one key of a good file ---- */

#define SPOIL(name, ...) static void spoil_##name(struct program_def *d) { __VA_ARGS__; }
SPOIL(no_id, d->id = NULL)
SPOIL(bad_id, d->id = "Acme")
SPOIL(underscore_id, d->id = "a_b")
SPOIL(empty_id, d->id = "")
SPOIL(long_id, d->id = "a23456789012345678901234567890123")
SPOIL(no_name, d->name = NULL)
SPOIL(no_timezone, d->timezone = NULL)
SPOIL(no_currency, d->currency = NULL)
SPOIL(bad_currency, d->currency = "XYZ")
SPOIL(lower_currency, d->currency = "usd")
SPOIL(no_points, d->has_points = false)
SPOIL(no_unit, d->unit = NULL)
SPOIL(no_scale, d->has_scale = false)
SPOIL(big_scale, d->scale = 7)
SPOIL(rules_max, d->n_rules = PROGRAM_RULES_MAX + 1)
SPOIL(rule_no_id, d->rules[0].id = NULL)
SPOIL(rule_bad_id, d->rules[0].id = "a b")
SPOIL(rule_no_priority, d->rules[0].has_priority = false)
SPOIL(rule_no_kind, d->rules[0].has_kind = false)
SPOIL(rule_equal_id, d->rules[1].id = "bonus")
SPOIL(rule_equal_priority, d->rules[1].priority = 20)
SPOIL(rule_no_measure, d->rules[0].has_fixed = false)
SPOIL(rule_two_measures, d->rules[0].has_per_amount = true; d->rules[0].amount = "1")
SPOIL(rule_no_amount, d->rules[1].amount = NULL)
SPOIL(rule_zero_amount, d->rules[1].amount = "0")
SPOIL(rule_negative_points, d->rules[1].points = "-1")
SPOIL(rule_surplus_amount, d->rules[1].amount = "1000.0")
SPOIL(rule_surplus_points, d->rules[1].points = "1.5")
SPOIL(rule_word_points, d->rules[0].points = "ten")
SPOIL(rule_huge_points, d->rules[0].points = "9000000000000000000")
SPOIL(once_steps, d->round_once = true; d->rules[0].has_fixed = false; d->rules[0].has_per_amount = true;
    d->rules[0].amount = "1000003"; d->rules[0].points = "1"; d->rules[1].amount = "1000033")
/* ---- the earn section ---- */

#define MULTIPLIER(d, by) (d)->rules[0].has_fixed = false; (d)->rules[0].kind = RULE_MULTIPLIER; (d)->rules[0].multiply = (by)
#define COUNTER(d, which, by) static const char *const counters[] = { "a" }; (d)->counters = (struct word_list){ 1, counters }; \
    (d)->rules[0].has_fixed = false; (d)->rules[0].kind = RULE_COUNTER; (d)->rules[0].has_counter = (d)->rules[0].has_counter_add = true; \
    (d)->rules[0].counter = (which); (d)->rules[0].counter_add = (by)
#define CAP(d, period, most, times) (d)->rules[0].n_caps = 1; \
    (d)->rules[0].caps[0] = (struct cap_def){ .has_per = true, .per = (period), .points = (most), .has_count = (times) > 0, .count = (times) }
#define THIRD(d) (d)->rules[2] = (d)->rules[1]; (d)->rules[2].id = "third"; (d)->rules[2].priority = 30; (d)->n_rules = 3
SPOIL(counter_many, static const char *const v[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" }; d->counters = (struct word_list){ 9, v })
SPOIL(counter_twice, static const char *const v[] = { "a", "a" }; d->counters = (struct word_list){ 2, v })
SPOIL(counter_spend, static const char *const v[] = { "a", "spend" }; d->counters = (struct word_list){ 2, v })
SPOIL(rule_base_multiplies, d->rules[0].has_fixed = false; d->rules[0].multiply = "2")
SPOIL(rule_multiplier_fixed, d->rules[0].kind = RULE_MULTIPLIER)
SPOIL(rule_multiplier_both, d->rules[0].kind = RULE_MULTIPLIER; d->rules[0].multiply = "2")
SPOIL(rule_multiplier_below, MULTIPLIER(d, "0.9"))
SPOIL(rule_multiplier_huge, MULTIPLIER(d, "1000.000001"))
SPOIL(rule_counter_no_measure, d->rules[0].kind = RULE_COUNTER)
SPOIL(rule_counter_unknown, COUNTER(d, "b", 1))
SPOIL(rule_counter_no_id, COUNTER(d, NULL, 1))
SPOIL(rule_counter_zero, COUNTER(d, "a", 0))
SPOIL(rule_counter_item, COUNTER(d, "a", 1); d->rules[0].on = ON_ACTIVITY; d->rules[0].counter_per_item = true)
SPOIL(rule_counter_pending, COUNTER(d, "a", 1); d->rules[0].pending.given = d->rules[0].pending.has_days = true)
SPOIL(rule_counter_cap, COUNTER(d, "a", 1); CAP(d, PERIOD_DAY, "5", 0))
SPOIL(rule_enrol_amount, d->rules[1].on = ON_ENROL)
SPOIL(when_min_max, d->rules[0].when.min_amount = "5"; d->rules[0].when.max_amount = "4")
SPOIL(when_min_digits, d->rules[0].when.min_amount = "5.0")
SPOIL(when_tier, static const char *const v[] = { "gold", "platinum" }; d->rules[0].when.tiers = (struct word_list){ 2, v })
SPOIL(when_word_twice, static const char *const v[] = { "a", "a" }; d->rules[0].when.skus = (struct word_list){ 2, v })
SPOIL(when_word_empty, static const char *const v[] = { "" }; d->rules[0].when.stores = (struct word_list){ 1, v })
SPOIL(when_weekday, static const char *const v[] = { "monday" }; d->rules[0].when.weekdays = (struct word_list){ 1, v })
SPOIL(when_weekday_twice, static const char *const v[] = { "mon", "mon" }; d->rules[0].when.weekdays = (struct word_list){ 2, v })
SPOIL(when_hours_one, d->rules[0].when.hours = "07:00")
SPOIL(when_hours_equal, d->rules[0].when.hours = "07:00-07:00")
SPOIL(when_hours_25, d->rules[0].when.hours = "07:00-25:00")
SPOIL(when_hours_from_24, d->rules[0].when.hours = "24:00-02:00")
SPOIL(when_hours_minute, d->rules[0].when.hours = "07:60-09:00")
SPOIL(when_from, d->rules[0].when.from = "2026-02-29")
SPOIL(when_until, d->rules[0].when.from = "2026-03-02"; d->rules[0].when.until = "2026-03-01")
SPOIL(when_gap, d->rules[0].when.min_gap = "3")
SPOIL(when_gap_long, d->rules[0].when.min_gap = "3651d")
SPOIL(when_first, d->rules[0].when.has_first_purchase = true)
SPOIL(when_activity, d->rules[0].when.activity = "a")
SPOIL(when_previous, d->rules[0].when.has_previous_month_spend = true)
SPOIL(when_lines, static const char *const v[] = { "a" }; d->rules[0].on = ON_ACTIVITY; d->rules[0].when.skus = (struct word_list){ 1, v })
SPOIL(replaces_nothing, d->rules[1].replaces = "other")
SPOIL(replaces_itself, d->rules[1].replaces = "base")
SPOIL(replaces_bonus, d->rules[1].replaces = "bonus")
SPOIL(replaces_by_bonus, d->rules[0].replaces = "base")
SPOIL(replaces_chain, THIRD(d); d->rules[2].replaces = "base"; d->rules[1].replaces = "third")
SPOIL(cap_no_per, CAP(d, PERIOD_DAY, "5", 0); d->rules[0].caps[0].has_per = false)
SPOIL(cap_both, CAP(d, PERIOD_DAY, "5", 5))
SPOIL(cap_neither, CAP(d, PERIOD_DAY, NULL, 0))
SPOIL(cap_zero_count, CAP(d, PERIOD_DAY, NULL, 5); d->rules[0].caps[0].count = 0)
SPOIL(cap_digits, CAP(d, PERIOD_DAY, "5.0", 0))
SPOIL(cap_fallback, CAP(d, PERIOD_DAY, "5", 0); d->rules[0].caps[0].over = CAP_FALLBACK)
SPOIL(cap_twice, CAP(d, PERIOD_DAY, "5", 0); d->rules[0].caps[1] = d->rules[0].caps[0]; d->rules[0].n_caps = 2)
SPOIL(caps_many, d->rules[0].n_caps = PROGRAM_CAPS_MAX + 1)
SPOIL(cap_group, CAP(d, PERIOD_DAY, "5", 0); d->rules[0].caps[0].group = "g"; d->rules[1].caps[0] = d->rules[0].caps[0];
    d->rules[1].n_caps = 1; d->rules[1].caps[0].points = "6")
SPOIL(cap_once, d->round_once = true; d->rules[1].caps[0] = (struct cap_def){ .has_per = true, .points = "5" }; d->rules[1].n_caps = 1)
SPOIL(pending_none, d->rules[0].pending.given = true)
SPOIL(pending_two, d->rules[0].pending = (struct pending_def){ .given = true, .has_days = true, .next_month_start = true })
SPOIL(pending_within, d->rules[0].pending = (struct pending_def){ .given = true, .has_days = true, .has_within_days = true })
SPOIL(pending_no_within, d->rules[0].pending = (struct pending_def){ .given = true, .on_activity = "a" })
SPOIL(pending_enrol, d->rules[0].on = ON_ENROL;
    d->rules[0].pending = (struct pending_def){ .given = true, .on_activity = "a", .has_within_days = true })
SPOIL(pending_long, d->rules[0].pending = (struct pending_def){ .given = true, .has_days = true, .days = 3651 })
SPOIL(day_limit, d->earn_per_day = "x")
SPOIL(stack_overflow, d->stacking = STACKING_MULTIPLY;
    for (size_t i = 2; i < 12; i++) {
	    d->rules[i] = (struct rule_def){ .id = &"abcdefghijklmnop"[i], .has_priority = true, .priority = (uint32_t)(100 + i),
		.has_kind = true, .kind = RULE_MULTIPLIER, .multiply = "999" };
    } d->n_rules = 12)
SPOIL(stack_digits, d->stacking = STACKING_MULTIPLY; THIRD(d); d->rules[2].has_per_amount = false; d->rules[2].kind = RULE_MULTIPLIER;
    d->rules[2].multiply = "1.000001")
SPOIL(expiry_empty, d->expiry = (struct expiry_def){ .given = true })
SPOIL(expiry_two, d->expiry.has_days = true; d->expiry.days = 1)
SPOIL(expiry_zero, d->expiry.months = 0)
SPOIL(expiry_never_rounded, d->expiry = (struct expiry_def){ .given = true, .never = true, .round_up = ROUND_UP_YEAR })
SPOIL(expiry_long, d->expiry.months = 1201)
SPOIL(tiers_max, d->n_tiers = PROGRAM_TIERS_MAX + 1)
SPOIL(tier_no_id, d->tiers[1].id = NULL)
SPOIL(tier_no_rank, d->tiers[0].has_rank = false)
SPOIL(tier_equal_id, d->tiers[1].id = "gold")
SPOIL(tier_equal_rank, d->tiers[1].rank = 7)
SPOIL(tier_no_reach, d->tiers[0].has_reach = false)
SPOIL(tier_lowest_reach, d->tiers[1].has_reach = true; d->tiers[1].n_any = 1)
SPOIL(tier_empty_any, d->tiers[0].n_any = 0)
SPOIL(tier_empty_all, d->tiers[0].any[0].n = 0)
SPOIL(tier_many_all, d->tiers[0].any[0].n = PROGRAM_REACH_MAX + 1)
SPOIL(tier_metric, d->tiers[0].any[0].thresholds[1].metric = "karma")
SPOIL(tier_no_metric, d->tiers[0].any[0].thresholds[1].metric = NULL)
SPOIL(tier_no_at_least, d->tiers[0].any[0].thresholds[1].at_least = NULL)
SPOIL(tier_surplus, d->tiers[0].any[0].thresholds[0].at_least = "500.00")
SPOIL(tier_negative, d->tiers[0].any[0].thresholds[0].at_least = "-1")
SPOIL(tier_no_months, d->tiers[0].rolling_months = 0)
SPOIL(tier_below_one, d->tiers[0].earn_multiplier = "0.999999")
SPOIL(tier_seven_digits, d->tiers[0].earn_multiplier = "1.0000001")
SPOIL(tier_above, d->tiers[0].earn_multiplier = "1000.1")
SPOIL(tier_expiry, d->tiers[0].expiry = (struct expiry_def){ .given = true, .has_days = true })
SPOIL(birthday_points, d->has_birthday = true)
SPOIL(birthday_zero, d->has_birthday = true; d->birthday_points = "0")
SPOIL(birthday_window, d->has_birthday = true; d->birthday_points = "1"; d->birthday_days_before = 181)
SPOIL(birthday_guard, d->has_birthday = true; d->birthday_points = "1"; d->guard_days = 367)
static struct program_def *
with_voucher(struct program_def *d)
{
	d->n_vouchers = 1;
	d->vouchers[0] = (struct voucher_def){ .id = "drink", .name = "Drink" };
	return d;
}
static struct reward_def *
with_reward(struct program_def *d)
{
	d->n_rewards = 2;
	d->rewards[0] = d->rewards[1] = (struct reward_def){ .id = "mug", .cost = "1", .voucher = "drink" };
	d->rewards[1].id = "cup";
	return &with_voucher(d)->rewards[1];
}
static struct card_def *
with_card(struct program_def *d)
{
	d->n_cards = 2;
	d->cards[0] = d->cards[1] = (struct card_def){ .id = "card", .voucher = "drink", .has_per_item = true, .per_item = 1, .has_size = true, .size = 10,
	    .n_milestones = 2, .milestones = { { true, 5, "drink" }, { true, 9, "drink" } } };
	d->cards[1].id = "other";
	return &with_voucher(d)->cards[1];
}
static void
with_auto(struct program_def *d, const char *at, const char *voucher)
{
	d->has_auto_redeem = true;
	d->auto_at = at;
	d->auto_voucher = voucher;
	(void)with_voucher(d);
}
static const char *const nobody[] = { "nobody" };
SPOIL(birthday_both, d->has_birthday = true; d->birthday_points = "1"; d->birthday_voucher = "drink"; (void)with_voucher(d))
SPOIL(birthday_no_voucher, d->has_birthday = true; d->birthday_voucher = "tea"; (void)with_voucher(d))
SPOIL(anniversary_neither, d->has_anniversary = d->has_anniversary_of = true)
SPOIL(auto_no_at, with_auto(d, NULL, "drink"))
SPOIL(auto_zero, with_auto(d, "0", "drink"))
SPOIL(auto_no_voucher, with_auto(d, "5", NULL))
SPOIL(auto_no_tier, with_auto(d, "5", "drink"); d->auto_tiers = (struct word_list){ 1, nobody })
SPOIL(reward_id, with_reward(d)->id = "mug")
SPOIL(reward_cost, with_reward(d)->cost = NULL)
SPOIL(reward_free, with_reward(d)->cost = "0")
SPOIL(reward_voucher, with_reward(d)->voucher = "tea")
SPOIL(reward_per, with_reward(d)->per_member = (struct count_per_def){ .given = true, .has_count = true, .count = 1 })
SPOIL(reward_count, with_reward(d)->per_member = (struct count_per_def){ .given = true, .has_count = true, .has_per = true, .per = PERIOD_DAY })
SPOIL(reward_program, with_reward(d)->per_member = (struct count_per_def){ true, true, true, 1, PERIOD_PROGRAM })
SPOIL(reward_tier, with_reward(d)->tiers = (struct word_list){ 1, nobody })
SPOIL(reward_until, struct reward_def *r = with_reward(d); r->from = "2026-03-02"; r->until = "2026-03-01")
SPOIL(rewards_max, d->n_rewards = PROGRAM_REWARDS_MAX + 1)
SPOIL(card_id, with_card(d)->id = "card")
SPOIL(card_per_item, with_card(d)->has_per_item = false)
SPOIL(card_size, with_card(d)->size = 0)
SPOIL(card_voucher, with_card(d)->voucher = NULL)
SPOIL(card_activity, with_card(d)->when.activity = "survey")
SPOIL(card_hours, with_card(d)->when.hours = "7")
SPOIL(card_tier, with_card(d)->when.tiers = (struct word_list){ 1, nobody })
SPOIL(card_cap, with_card(d)->cap = (struct count_per_def){ .given = true, .has_per = true, .per = PERIOD_DAY })
SPOIL(card_milestone_size, with_card(d)->milestones[1].at = 10)
SPOIL(card_milestone_zero, with_card(d)->milestones[0].at = 0)
SPOIL(card_milestone_twice, with_card(d)->milestones[1].at = 5)
SPOIL(card_milestone_voucher, with_card(d)->milestones[1].voucher = "tea")
SPOIL(card_milestones_max, with_card(d)->n_milestones = PROGRAM_MILESTONES_MAX + 1)
SPOIL(card_valid, with_card(d)->valid = (struct term_def){ .given = true })
SPOIL(card_gap, struct card_def *c = with_card(d); c->when.min_gap = "3m"; c->id = d->rules[0].id)
SPOIL(cards_max, d->n_cards = PROGRAM_CARDS_MAX + 1)
SPOIL(value_half, d->has_redemption = true; d->value_points = "100")
SPOIL(value_zero, d->has_redemption = true; d->value_points = "0"; d->value_amount = "1")
SPOIL(min_negative, d->has_redemption = true; d->redeem_min = "-1")
SPOIL(step_zero, d->has_redemption = true; d->redeem_step = "0")
SPOIL(percent, d->has_redemption = true; d->has_max_percent = true; d->max_percent_of_order = 101)
SPOIL(ttl_word, d->has_redemption = true; d->default_ttl = "soon")
SPOIL(ttl_above_max, d->has_redemption = true; d->default_ttl = "2h"; d->max_ttl = "1h")
SPOIL(ttl_above_default_max, d->has_redemption = true; d->default_ttl = "31d")
SPOIL(ttl_huge, d->has_redemption = true; d->max_ttl = "3651d")
SPOIL(adjust_below_zero, d->adjust_without_approval = "-1")
SPOIL(adjust_surplus, d->adjust_without_approval = "1.001")
SPOIL(late_days, d->has_late_days = true; d->late_days = 3651)

static const struct { void (*spoil)(struct program_def *d); const char *path; } refusals[] = {
	{ spoil_no_id, "id" },
	{ spoil_bad_id, "id" },
	{ spoil_underscore_id, "id" },
	{ spoil_empty_id, "id" },
	{ spoil_long_id, "id" },
	{ spoil_no_name, "name" },
	{ spoil_no_timezone, "timezone" },
	{ spoil_no_currency, "currency" },
	{ spoil_bad_currency, "currency" },
	{ spoil_lower_currency, "currency" },
	{ spoil_no_points, "points" },
	{ spoil_no_unit, "points.unit" },
	{ spoil_no_scale, "points.scale" },
	{ spoil_big_scale, "points.scale" },
	{ spoil_rules_max, "earn" },
	{ spoil_rule_no_id, "earn[0].id" },
	{ spoil_rule_bad_id, "earn[0].id" },
	{ spoil_rule_no_priority, "earn[0].priority" },
	{ spoil_rule_no_kind, "earn[0].kind" },
	{ spoil_rule_equal_id, "earn[1].id" },
	{ spoil_rule_equal_priority, "earn[1].priority" },
	{ spoil_rule_no_measure, "earn[0]" },
	{ spoil_rule_two_measures, "earn[0]" },
	{ spoil_rule_no_amount, "earn[1].per_amount.amount" },
	{ spoil_rule_zero_amount, "earn[1].per_amount.amount" },
	{ spoil_rule_negative_points, "earn[1].per_amount.points" },
	{ spoil_rule_surplus_amount, "earn[1].per_amount.amount" },
	{ spoil_rule_surplus_points, "earn[1].per_amount.points" },
	{ spoil_rule_word_points, "earn[0].fixed.points" },
	{ spoil_rule_huge_points, "earn[0].fixed.points" },
	{ spoil_once_steps, "rounding.at" },
	{ spoil_counter_many, "counters" },
	{ spoil_counter_twice, "counters[1]" },
	{ spoil_counter_spend, "counters[1]" },
	{ spoil_rule_base_multiplies, "earn[0]" },
	{ spoil_rule_multiplier_fixed, "earn[0]" },
	{ spoil_rule_multiplier_both, "earn[0]" },
	{ spoil_rule_multiplier_below, "earn[0].multiply" },
	{ spoil_rule_multiplier_huge, "earn[0].multiply" },
	{ spoil_rule_counter_no_measure, "earn[0]" },
	{ spoil_rule_counter_unknown, "earn[0].counter.id" },
	{ spoil_rule_counter_no_id, "earn[0].counter.id" },
	{ spoil_rule_counter_zero, "earn[0].counter.add" },
	{ spoil_rule_counter_item, "earn[0].counter.per" },
	{ spoil_rule_counter_pending, "earn[0].pending" },
	{ spoil_rule_counter_cap, "earn[0].caps[0].points" },
	{ spoil_rule_enrol_amount, "earn[1].per_amount" },
	{ spoil_when_min_max, "earn[0].when.max_amount" },
	{ spoil_when_min_digits, "earn[0].when.min_amount" },
	{ spoil_when_tier, "earn[0].when.tiers[1]" },
	{ spoil_when_word_twice, "earn[0].when.skus[1]" },
	{ spoil_when_word_empty, "earn[0].when.stores[0]" },
	{ spoil_when_weekday, "earn[0].when.weekdays[0]" },
	{ spoil_when_weekday_twice, "earn[0].when.weekdays[1]" },
	{ spoil_when_hours_one, "earn[0].when.hours" },
	{ spoil_when_hours_equal, "earn[0].when.hours" },
	{ spoil_when_hours_25, "earn[0].when.hours" },
	{ spoil_when_hours_from_24, "earn[0].when.hours" },
	{ spoil_when_hours_minute, "earn[0].when.hours" },
	{ spoil_when_from, "earn[0].when.from" },
	{ spoil_when_until, "earn[0].when.until" },
	{ spoil_when_gap, "earn[0].when.min_gap" },
	{ spoil_when_gap_long, "earn[0].when.min_gap" },
	{ spoil_when_first, "earn[0].when.first_purchase" },
	{ spoil_when_activity, "earn[0].when.activity" },
	{ spoil_when_previous, "earn[0].when.previous_month_spend.min" },
	{ spoil_when_lines, "earn[0].when" },
	{ spoil_replaces_nothing, "earn[1].replaces" },
	{ spoil_replaces_itself, "earn[1].replaces" },
	{ spoil_replaces_bonus, "earn[1].replaces" },
	{ spoil_replaces_by_bonus, "earn[0].replaces" },
	{ spoil_replaces_chain, "earn[1].replaces" },
	{ spoil_cap_no_per, "earn[0].caps[0].per" },
	{ spoil_cap_both, "earn[0].caps[0]" },
	{ spoil_cap_neither, "earn[0].caps[0]" },
	{ spoil_cap_zero_count, "earn[0].caps[0].count" },
	{ spoil_cap_digits, "earn[0].caps[0].points" },
	{ spoil_cap_fallback, "earn[0].caps[0].over" },
	{ spoil_cap_twice, "earn[0].caps[1]" },
	{ spoil_caps_many, "earn[0].caps" },
	{ spoil_cap_group, "earn[1].caps[0].group" },
	{ spoil_cap_once, "earn[1].caps" },
	{ spoil_pending_none, "earn[0].pending" },
	{ spoil_pending_two, "earn[0].pending" },
	{ spoil_pending_within, "earn[0].pending.within_days" },
	{ spoil_pending_no_within, "earn[0].pending.within_days" },
	{ spoil_pending_enrol, "earn[0].pending.on_activity" },
	{ spoil_pending_long, "earn[0].pending.days" },
	{ spoil_day_limit, "limits.earn_per_day" },
	{ spoil_stack_overflow, "earn[7].multiply" },
	{ spoil_stack_digits, "earn[2].multiply" },
	{ spoil_expiry_empty, "expiry" },
	{ spoil_expiry_two, "expiry.after" },
	{ spoil_expiry_zero, "expiry.after.months" },
	{ spoil_expiry_never_rounded, "expiry" },
	{ spoil_expiry_long, "expiry.after.months" },
	{ spoil_tiers_max, "tiers" },
	{ spoil_tier_no_id, "tiers[1].id" },
	{ spoil_tier_no_rank, "tiers[0].rank" },
	{ spoil_tier_equal_id, "tiers[1].id" },
	{ spoil_tier_equal_rank, "tiers[1].rank" },
	{ spoil_tier_no_reach, "tiers[0].reach" },
	{ spoil_tier_lowest_reach, "tiers[1].reach" },
	{ spoil_tier_empty_any, "tiers[0].reach.any" },
	{ spoil_tier_empty_all, "tiers[0].reach.any[0].all" },
	{ spoil_tier_many_all, "tiers[0].reach.any[0].all" },
	{ spoil_tier_metric, "tiers[0].reach.any[0].all[1].metric" },
	{ spoil_tier_no_metric, "tiers[0].reach.any[0].all[1].metric" },
	{ spoil_tier_no_at_least, "tiers[0].reach.any[0].all[1].at_least" },
	{ spoil_tier_surplus, "tiers[0].reach.any[0].all[0].at_least" },
	{ spoil_tier_negative, "tiers[0].reach.any[0].all[0].at_least" },
	{ spoil_tier_no_months, "tiers[0].window.rolling_months" },
	{ spoil_tier_below_one, "tiers[0].earn_multiplier" },
	{ spoil_tier_seven_digits, "tiers[0].earn_multiplier" },
	{ spoil_tier_above, "tiers[0].earn_multiplier" },
	{ spoil_tier_expiry, "tiers[0].expiry.after.days" },
	{ spoil_birthday_points, "birthday.reward.points" },
	{ spoil_birthday_zero, "birthday.reward.points" },
	{ spoil_birthday_window, "birthday.window.days_before" },
	{ spoil_birthday_guard, "birthday.guard_days" },
	{ spoil_birthday_both, "birthday.reward" },
	{ spoil_birthday_no_voucher, "birthday.reward.voucher" },
	{ spoil_anniversary_neither, "anniversary.reward.points" },
	{ spoil_auto_no_at, "auto_redeem.at" },
	{ spoil_auto_zero, "auto_redeem.at" },
	{ spoil_auto_no_voucher, "auto_redeem.voucher" },
	{ spoil_auto_no_tier, "auto_redeem.tiers[0]" },
	{ spoil_reward_id, "rewards[1].id" },
	{ spoil_reward_cost, "rewards[1].cost" },
	{ spoil_reward_free, "rewards[1].cost" },
	{ spoil_reward_voucher, "rewards[1].voucher" },
	{ spoil_reward_per, "rewards[1].per_member.per" },
	{ spoil_reward_count, "rewards[1].per_member.count" },
	{ spoil_reward_program, "rewards[1].per_member.per" },
	{ spoil_reward_tier, "rewards[1].tiers[0]" },
	{ spoil_reward_until, "rewards[1].until" },
	{ spoil_rewards_max, "rewards" },
	{ spoil_card_id, "stamps[1].id" },
	{ spoil_card_per_item, "stamps[1].per_item" },
	{ spoil_card_size, "stamps[1].size" },
	{ spoil_card_voucher, "stamps[1].voucher" },
	{ spoil_card_activity, "stamps[1].when.activity" },
	{ spoil_card_hours, "stamps[1].when.hours" },
	{ spoil_card_tier, "stamps[1].when.tiers[0]" },
	{ spoil_card_cap, "stamps[1].cap.count" },
	{ spoil_card_milestone_size, "stamps[1].milestones[1].at" },
	{ spoil_card_milestone_zero, "stamps[1].milestones[0].at" },
	{ spoil_card_milestone_twice, "stamps[1].milestones[1].at" },
	{ spoil_card_milestone_voucher, "stamps[1].milestones[1].voucher" },
	{ spoil_card_milestones_max, "stamps[1].milestones" },
	{ spoil_card_valid, "stamps[1].valid" },
	{ spoil_card_gap, "stamps[1].when.min_gap" },
	{ spoil_cards_max, "stamps" },
	{ spoil_value_half, "redemption.value.amount" },
	{ spoil_value_zero, "redemption.value.points" },
	{ spoil_min_negative, "redemption.min" },
	{ spoil_step_zero, "redemption.step" },
	{ spoil_percent, "redemption.max_percent_of_order" },
	{ spoil_ttl_word, "redemption.hold.default_ttl" },
	{ spoil_ttl_above_max, "redemption.hold.max_ttl" },
	{ spoil_ttl_above_default_max, "redemption.hold.max_ttl" },
	{ spoil_ttl_huge, "redemption.hold.max_ttl" },
	{ spoil_late_days, "limits.late_days" },
	{ spoil_adjust_below_zero, "limits.adjust_without_approval" },
	{ spoil_adjust_surplus, "limits.adjust_without_approval" },
};

static void
refuses_by_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct program_def def = good();
		struct arena arena;
		struct program *p = NULL;
		struct program_error error = { 0 };

		arena_init(&arena, 1 << 24);
		refusals[i].spoil(&def);
		assert_int_equal(compile(&def, &arena, &p, &error), ST_INVALID);
		assert_string_equal(error.path, refusals[i].path);
		assert_true(strlen(error.sentence) > 10 && strlen(error.sentence) < sizeof(error.sentence) - 1);
		arena_release(&arena);
	}
}

/* Two tiers above the lowest with one rank. */
static void
refuses_equal_ranks(void **state)
{
	struct program_def def = good();
	struct arena arena;
	struct program *p = NULL;
	struct program_error error;

	(void)state;
	arena_init(&arena, 1 << 24);
	def.tiers[2] = def.tiers[0];
	def.tiers[2].id = "ruby";
	def.n_tiers = 3;
	assert_int_equal(compile(&def, &arena, &p, &error), ST_INVALID);
	assert_string_equal(error.path, "tiers[2].rank");
	arena_release(&arena);
}

static void
no_memory_is_no_refusal(void **state)
{
	struct program_def def = good();
	struct arena arena;
	struct program *p = NULL;
	struct program_error error;

	(void)state;
	arena_init(&arena, 1000);
	assert_int_equal(compile(&def, &arena, &p, &error), ST_NOMEM);
	arena_release(&arena);
}

static const struct { struct expiry expiry; const char *from, *last; } terms[] = {
	{ { .months = 1 }, "2026-01-31", "2026-02-28" },				/* X6 */
	{ { .months = 1 }, "2026-01-25", "2026-02-25" },
	{ { .months = 1, .round_up = ROUND_UP_MONTH }, "2026-01-31", "2026-02-28" },
	{ { .months = 1, .round_up = ROUND_UP_MONTH }, "2026-01-25", "2026-02-28" },
	{ { .months = 6, .round_up = ROUND_UP_MONTH }, "2020-12-15", "2021-06-30" },	/* SB2 */
	{ { .months = 6, .round_up = ROUND_UP_MONTH }, "2021-01-02", "2021-07-31" },
	{ { .days = 90 }, "2026-01-01", "2026-04-01" },
	{ { .days = 1, .round_up = ROUND_UP_YEAR }, "2026-12-31", "2027-12-31" },
	{ { .months = 24 }, "2024-02-29", "2026-02-28" },
	{ { .months = 1200 }, "9990-01-01", "9999-12-31" },				/* the calendar's end */
};

static void
last_days(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		struct program p = { .expiry = terms[i].expiry };
		struct tier tier = { .has_expiry = true, .expiry = { .never = true } }, silent = { .has_expiry = false };

		assert_int_equal(program_last_day(&p, NULL, day(terms[i].from)), day(terms[i].last));
		assert_int_equal(program_last_day(&p, &silent, day(terms[i].from)), day(terms[i].last));
		assert_int_equal(program_last_day(&p, &tier, day(terms[i].from)), DAY_NEVER);
	}
}

static void
currencies(void **state)
{
	unsigned digits = 9;

	(void)state;
	assert_true(currency_digits("USD", &digits));
	assert_int_equal(digits, 2);
	assert_true(currency_digits("XPF", &digits));
	assert_int_equal(digits, 0);
	assert_true(currency_digits("TND", &digits));
	assert_int_equal(digits, 3);
	assert_true(currency_digits("ZWG", &digits));
	assert_int_equal(digits, 2);
	assert_true(currency_digits("CLF", &digits));
	assert_int_equal(digits, 4);
	assert_false(currency_digits("US", &digits));
	assert_false(currency_digits("", &digits));
	assert_false(currency_digits("USDX", &digits));
	assert_false(currency_digits("D A", &digits));
	assert_int_equal(digits, 4);
}

static void
common_steps(void **state)
{
	struct program p = {
		.n_rules = 3,
		.rules = { { .measure = MEASURE_PER_AMOUNT, .amount = 100, .points = 10 },
			   { .measure = MEASURE_PER_AMOUNT, .amount = 15, .points = 2 },
			   { .measure = MEASURE_PER_AMOUNT, .amount = 999983, .points = 1, .whole_steps = true } },
	};

	(void)state;
	assert_int_equal(program_common_step(&p), 30);		/* of 10 and 15; whole steps have no fraction */
	p.rules[2].whole_steps = false;
	assert_int_equal(program_common_step(&p), 30 * INT64_C(999983));
	p.rules[1].amount = 999979;
	assert_int_equal(program_common_step(&p), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compiles_and_sorts),
		cmocka_unit_test(refuses_by_path),
		cmocka_unit_test(refuses_equal_ranks),
		cmocka_unit_test(no_memory_is_no_refusal),
		cmocka_unit_test(last_days),
		cmocka_unit_test(currencies),
		cmocka_unit_test(common_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
