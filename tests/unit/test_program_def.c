/* From a program's bytes to what program_compile() takes: every option arrives, or is refused by its name. */
#include <protobuf-c/protobuf-c.h>

#include "program.pb-c.h"
#include "text_world.h"

static enum status
def_of(struct world *w, const char *yaml, struct program_def **ret_def, struct program_error *ret_error)
{
	if (world_yaml(w, yaml) != ST_OK)
		fail_msg("%s in\n%s", world_error(w), yaml);
	return codec_program_def(buf_bytes(&w->bytes), &w->arena, ret_def, ret_error);
}

/* ---- what is built arrives ---- */

static const char everything_built[] =
    "id: acme\nname: Acme\ntimezone: Asia/Seoul\ncurrency: KRW\npoints: {unit: star, scale: 2}\n"
    "rounding: {mode: ceil, at: once}\nstacking: best\ncarry_remainder: true\n"
    "counters: [nights, stays]\n"
    "earn:\n"
    "  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: 1000, points: 1, whole_steps: true}}\n"
    "  - {id: visit, priority: 20, on: purchase, kind: bonus, fixed: {points: 5}}\n"
    "  - {id: bare, on: purchase}\n"
    "  - id: rich\n    on: activity\n    kind: multiplier\n    multiply: 1.5\n    replaces: base\n"
    "    when: {min_amount: 1, max_amount: 2, categories: [a, b], skus: [c], exclude_categories: [d], stores: [e], partners: [f],\n"
    "      tiers: [gold], segments: [g], min_gap: 3m, weekdays: [mon, sun], hours: '07:00-09:30', from: 2026-01-01, until: 2026-12-31,\n"
    "      first_purchase: true, activity: review, member_days_min: 4,\n"
    "      previous_month_spend: {min: 500, waive_months: 2}}\n"
    "    caps: [{per: program, points: 10, over: fallback, group: h}, {per: day, count: 3, over: reject}]\n"
    "    pending: {on_activity: delivered, within_days: 30}\n"
    "    expiry: {after: {days: 5}}\n"
    "  - {id: count, on: enrol, kind: counter, counter: {id: nights, add: 2, per: item}, pending: {until: next_month_start}}\n"
    "  - {id: each, on: purchase, per_item: {points: 8}, pending: {days: 14}}\n"
    "expiry: {after: {days: 1, months: 2, years: 3}, round_up_to: quarter}\n"
    "tiers:\n"
    "  - {id: green, rank: 0, window: lifetime, expiry: {never: {}, round_up_to: none}}\n"
    "  - id: gold\n"
    "    rank: 7\n"
    "    reach: {any: [{all: [{metric: spend, at_least: 4}, {metric: visits, at_least: 3}]},\n"
    "                  {all: [{metric: points_earned, at_least: 2}]}]}\n"
    "    window: {rolling_months: 12}\n"
    "    valid: forever\n"
    "    earn_multiplier: 1.2\n"
    "    expiry: {after: {months: 24}, round_up_to: half_year}\n"
    "    expiry_applies: new_lots\n"
    "  - {id: black, window: calendar_year}\n"
    "birthday: {reward: {points: 50}, window: {days_before: 3, days_after: 14}, issue: on_claim, leap_day: mar_1, guard_days: 30}\n"
    "redemption:\n"
    "  value: {points: 100, amount: 900}\n"
    "  min: 200\n"
    "  step: 10\n"
    "  max_percent_of_order: 55\n"
    "  hold: {default_ttl: 15m, max_ttl: 30d, expired_lot: capturable}\n"
    "unknown_alias: refuse\n"
    "limits: {late_days: 9, earn_per_day: 77}\n";

static void
check_rules(const struct program_def *d)
{
	assert_int_equal(d->n_rules, 6);
	assert_string_equal(d->rules[0].id, "base");
	assert_true(d->rules[0].has_priority && d->rules[0].has_kind && d->rules[0].has_per_amount && !d->rules[0].has_fixed);
	assert_int_equal(d->rules[0].priority, 10);
	assert_int_equal(d->rules[0].kind, RULE_BASE);
	assert_string_equal(d->rules[0].amount, "1000");
	assert_string_equal(d->rules[0].points, "1");
	assert_true(d->rules[0].whole_steps);
	assert_true(!d->rules[1].has_per_amount && d->rules[1].has_fixed && !d->rules[1].whole_steps);
	assert_int_equal(d->rules[1].kind, RULE_BONUS);
	assert_string_equal(d->rules[1].points, "5");
	assert_null(d->rules[1].amount);
	assert_true(!d->rules[2].has_priority && !d->rules[2].has_kind && !d->rules[2].has_per_amount && !d->rules[2].has_fixed);
}

static void
check_words(const struct word_list *words, const char *first, size_t n)
{
	assert_int_equal(words->n, n);
	assert_string_equal(words->v[0], first);
}

static void
check_rich_rule(const struct rule_def *r)
{
	const struct when_def *w = &r->when;

	assert_int_equal(r->on, ON_ACTIVITY);
	assert_int_equal(r->kind, RULE_MULTIPLIER);
	assert_string_equal(r->multiply, "1.5");
	assert_string_equal(r->replaces, "base");
	assert_string_equal(w->min_amount, "1");
	assert_string_equal(w->max_amount, "2");
	check_words(&w->categories, "a", 2);
	check_words(&w->skus, "c", 1);
	check_words(&w->exclude_categories, "d", 1);
	check_words(&w->stores, "e", 1);
	check_words(&w->partners, "f", 1);
	check_words(&w->tiers, "gold", 1);
	check_words(&w->segments, "g", 1);
	check_words(&w->weekdays, "mon", 2);
	assert_string_equal(w->min_gap, "3m");
	assert_string_equal(w->hours, "07:00-09:30");
	assert_string_equal(w->from, "2026-01-01");
	assert_string_equal(w->until, "2026-12-31");
	assert_string_equal(w->activity, "review");
	assert_true(w->has_first_purchase && w->first_purchase && w->has_member_days_min && w->has_previous_month_spend);
	assert_int_equal(w->member_days_min, 4);
	assert_string_equal(w->previous_min, "500");
	assert_int_equal(w->waive_months, 2);
	assert_int_equal(r->n_caps, 2);
	assert_true(r->caps[0].has_per && !r->caps[0].has_count && r->caps[1].has_count);
	assert_int_equal(r->caps[0].per, PERIOD_PROGRAM);
	assert_string_equal(r->caps[0].points, "10");
	assert_int_equal(r->caps[0].over, CAP_FALLBACK);
	assert_string_equal(r->caps[0].group, "h");
	assert_int_equal(r->caps[1].per, PERIOD_DAY);
	assert_int_equal(r->caps[1].count, 3);
	assert_int_equal(r->caps[1].over, CAP_REJECT);
	assert_true(r->pending.given && r->pending.has_within_days && !r->pending.has_days && !r->pending.next_month_start);
	assert_string_equal(r->pending.on_activity, "delivered");
	assert_int_equal(r->pending.within_days, 30);
	assert_int_equal(r->expiry.days, 5);
}

static void
check_other_rules(const struct program_def *d)
{
	const struct rule_def *count = &d->rules[4], *each = &d->rules[5];

	assert_int_equal(count->on, ON_ENROL);
	assert_int_equal(count->kind, RULE_COUNTER);
	assert_true(count->has_counter && count->has_counter_add && count->counter_per_item && count->pending.next_month_start);
	assert_string_equal(count->counter, "nights");
	assert_int_equal(count->counter_add, 2);
	assert_true(each->has_per_item && !each->has_fixed && each->pending.has_days);
	assert_string_equal(each->points, "8");
	assert_int_equal(each->pending.days, 14);
	assert_int_equal(d->stacking, STACKING_BEST);
	assert_true(d->carry_remainder);
	check_words(&d->counters, "nights", 2);
	assert_string_equal(d->earn_per_day, "77");
}

static void
check_expiry(const struct expiry_def *e, struct expiry_def want)
{
	assert_int_equal(e->given, want.given);
	assert_int_equal(e->never, want.never);
	assert_int_equal(e->has_days, want.has_days);
	assert_int_equal(e->has_months, want.has_months);
	assert_int_equal(e->has_years, want.has_years);
	assert_int_equal(e->days, want.days);
	assert_int_equal(e->months, want.months);
	assert_int_equal(e->years, want.years);
	assert_int_equal(e->round_up, want.round_up);
}

static void
check_tiers(const struct program_def *d)
{
	const struct tier_def *gold = &d->tiers[1];

	assert_int_equal(d->n_tiers, 3);
	assert_string_equal(d->tiers[0].id, "green");
	assert_true(d->tiers[0].has_rank && !d->tiers[0].has_reach && d->tiers[0].earn_multiplier == NULL);
	assert_int_equal(d->tiers[0].window, WINDOW_LIFETIME);
	check_expiry(&d->tiers[0].expiry, (struct expiry_def){ .given = true, .never = true });
	assert_int_equal(gold->rank, 7);
	assert_true(gold->has_reach);
	assert_int_equal(gold->n_any, 2);
	assert_int_equal(gold->any[0].n, 2);
	assert_string_equal(gold->any[0].thresholds[1].metric, "visits");
	assert_string_equal(gold->any[0].thresholds[1].at_least, "3");
	assert_int_equal(gold->any[1].n, 1);
	assert_string_equal(gold->any[1].thresholds[0].metric, "points_earned");
	assert_int_equal(gold->window, WINDOW_ROLLING_MONTHS);
	assert_int_equal(gold->rolling_months, 12);
	assert_string_equal(gold->earn_multiplier, "1.2");
	check_expiry(&gold->expiry, (struct expiry_def){ .given = true, .has_months = true, .months = 24, .round_up = ROUND_UP_HALF_YEAR });
	assert_int_equal(d->tiers[2].window, WINDOW_CALENDAR_YEAR);
	assert_false(d->tiers[2].has_rank);
	check_expiry(&d->tiers[2].expiry, (struct expiry_def){ .given = false });
}

static void
test_everything_built_arrives(void **state)
{
	struct program_error error;
	struct program_def *d;
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(def_of(&w, everything_built, &d, &error), ST_OK);
	assert_string_equal(d->id, "acme");
	assert_string_equal(d->name, "Acme");
	assert_string_equal(d->timezone, "Asia/Seoul");
	assert_string_equal(d->currency, "KRW");
	assert_true(d->has_points && d->has_scale);
	assert_string_equal(d->unit, "star");
	assert_int_equal(d->scale, 2);
	assert_int_equal(d->rounding, ROUNDING_CEIL);
	assert_true(d->round_once);
	check_rules(d);
	check_rich_rule(&d->rules[3]);
	check_other_rules(d);
	check_expiry(&d->expiry, (struct expiry_def){ .given = true, .has_days = true, .has_months = true, .has_years = true,
	    .days = 1, .months = 2, .years = 3, .round_up = ROUND_UP_QUARTER });
	check_tiers(d);
	assert_true(d->has_birthday && d->birthday_on_claim && d->leap_to_march);
	assert_string_equal(d->birthday_points, "50");
	assert_int_equal(d->birthday_days_before, 3);
	assert_int_equal(d->birthday_days_after, 14);
	assert_int_equal(d->guard_days, 30);
	assert_true(d->has_redemption && d->has_max_percent && d->has_late_days);
	assert_string_equal(d->value_points, "100");
	assert_string_equal(d->value_amount, "900");
	assert_string_equal(d->redeem_min, "200");
	assert_string_equal(d->redeem_step, "10");
	assert_int_equal(d->max_percent_of_order, 55);
	assert_string_equal(d->default_ttl, "15m");
	assert_string_equal(d->max_ttl, "30d");
	assert_int_equal(d->late_days, 9);
	world_release(&w);
}

static const char life[] =
    "expiry: {on: 06-30, years: 2, refresh_on: [purchase, visit]}\n"
    "tiers:\n"
    "  - {id: green, rank: 0, expiry: {inactivity: {months: 24, activities: [redeem], percent: 40}}}\n"
    "  - id: gold\n"
    "    keep: {any: [{all: [{metric: balance, at_least: 9}]}]}\n"
    "    window: since_tier_start\n"
    "    valid: {months: 18, round_up_to: quarter}\n"
    "    downgrade: one\n"
    "    grace: {months: 3, round_up_to: month}\n"
    "    expiry: {refresh_on: [hold], after: {days: 7}}\n"
    "    expiry_applies: all_open_while_held\n"
    "    birthday: {days_before: 4, days_after: 5}\n"
    "  - {id: black, valid: {through: end_of_next_year}, downgrade: none}\n"
    "  - {id: white, valid: {through: end_of_year}, downgrade: full, grace: {months: 1}}\n"
    "birthday: {requires: {points_earned: 11, within_months: 12}}\n"
    "anniversary: {of: enrolment, reward: {points: 77}}\n"
    "redemption: {hold: {expired_lot: expire_at_once}}\n"
    "limits: {redeem_per_day: 1000}\n"
    "notices: {expiring_days: [30, 7], downgrade_days: [60]}\n";

static void
check_life_of_tiers(const struct tier_def *t)
{
	assert_true(t[0].expiry.inactivity && t[0].expiry.has_inactivity_months && t[0].expiry.has_percent);
	assert_int_equal(t[0].expiry.inactivity_months, 24);
	assert_int_equal(t[0].expiry.percent, 40);
	assert_int_equal(t[0].expiry.n_activities, 1);
	assert_string_equal(t[0].expiry.activities[0], "redeem");
	assert_false(t[0].has_keep || t[0].has_valid || t[0].has_downgrade || t[0].has_grace || t[0].all_open || t[0].has_birthday_window);
	assert_true(t[1].has_keep && t[1].has_valid && t[1].has_downgrade && t[1].has_grace && t[1].all_open && t[1].has_birthday_window);
	assert_int_equal(t[1].n_keep, 1);
	assert_string_equal(t[1].keep[0].thresholds[0].metric, "balance");
	assert_string_equal(t[1].keep[0].thresholds[0].at_least, "9");
	assert_int_equal(t[1].window, WINDOW_SINCE_TIER_START);
	assert_int_equal(t[1].valid, VALID_MONTHS);
	assert_int_equal(t[1].valid_months, 18);
	assert_int_equal(t[1].valid_round_up, ROUND_UP_QUARTER);
	assert_int_equal(t[1].downgrade, DOWNGRADE_ONE);
	assert_int_equal(t[1].grace_months, 3);
	assert_int_equal(t[1].grace_round_up, ROUND_UP_MONTH);
	assert_int_equal(t[1].expiry.n_refresh, 1);
	assert_string_equal(t[1].expiry.refresh[0], "hold");
	assert_int_equal(t[1].birthday_days_before, 4);
	assert_int_equal(t[1].birthday_days_after, 5);
	assert_int_equal(t[2].valid, VALID_END_OF_NEXT_YEAR);
	assert_int_equal(t[2].downgrade, DOWNGRADE_NONE);
	assert_int_equal(t[3].valid, VALID_END_OF_YEAR);
	assert_int_equal(t[3].downgrade, DOWNGRADE_FULL);
	assert_int_equal(t[3].grace_round_up, ROUND_UP_NONE);
}

static void
test_the_life_of_members_arrives(void **state)
{
	struct program_error error;
	struct program_def *d;
	struct world w;

	(void)state;
	world_init(&w);
	if (def_of(&w, life, &d, &error) != ST_OK)
		fail_msg("%s: %s", error.path, error.sentence);
	assert_string_equal(d->expiry.on, "06-30");
	assert_true(d->expiry.has_on_years && !d->expiry.never && !d->expiry.has_years);
	assert_int_equal(d->expiry.years, 2);
	assert_int_equal(d->expiry.n_refresh, 2);
	assert_string_equal(d->expiry.refresh[1], "visit");
	assert_int_equal(d->n_tiers, 4);
	check_life_of_tiers(d->tiers);
	assert_true(d->has_requires && d->has_within_months && d->has_anniversary && d->has_anniversary_of && d->expire_at_once && d->has_notices);
	assert_string_equal(d->requires_points, "11");
	assert_int_equal(d->within_months, 12);
	assert_string_equal(d->anniversary_points, "77");
	assert_string_equal(d->redeem_per_day, "1000");
	assert_int_equal(d->n_expiring_days, 2);
	assert_int_equal(d->expiring_days[1], 7);
	assert_int_equal(d->n_downgrade_days, 1);
	assert_int_equal(d->downgrade_days[0], 60);
	world_release(&w);
}

static void
test_what_is_left_out(void **state)
{
	static const char *const empty[] = { "{}\n", "points: {}\nrounding: {}\nbirthday: {}\nredemption: {}\nlimits: {}\n",
		"birthday: {reward: {}, window: {}}\nredemption: {value: {}, hold: {}}\n" };
	struct program_error error;
	struct program_def *d;
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		world_clear(&w);
		assert_int_equal(def_of(&w, empty[i], &d, &error), ST_OK);
		assert_null(d->id);
		assert_null(d->unit);
		assert_null(d->birthday_points);
		assert_null(d->value_points);
		assert_null(d->max_ttl);
		assert_int_equal(d->rounding, ROUNDING_FLOOR);
		assert_true(!d->has_scale && !d->round_once && !d->has_max_percent && !d->has_late_days && !d->expiry.given);
		assert_int_equal(d->has_points, i == 1);
		assert_int_equal(d->has_birthday, i > 0);
		assert_int_equal(d->has_redemption, i > 0);
		assert_int_equal(d->n_rules + d->n_tiers, 0);
	}
	world_release(&w);
}

static void
test_examples(void **state)
{
	static const char *const names[] = { "acme.yaml", "cdnow.yaml" };
	struct program_error error;
	struct program_def *d;
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *yaml = example_read(names[i]);

		world_clear(&w);
		if (def_of(&w, yaml, &d, &error) != ST_OK)
			fail_msg("%s: %s: %s", names[i], error.path, error.sentence);
		assert_true(strncmp(d->id, names[i], strlen(d->id)) == 0);
		assert_true(d->n_tiers > 1 && d->n_rules > 0);
		free(yaml);
	}
	world_release(&w);
}

/* Lists beyond the maxima are counted, and not written past their ends. */
static void
test_long_lists(void **state)
{
	struct program_error error;
	struct program_def *d;
	char yaml[32768];
	struct world w;
	size_t len = 0;

	(void)state;
	world_init(&w);
	len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "earn:\n");
	for (int i = 0; i < PROGRAM_RULES_MAX + 36; i++)
		len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "- {id: r%d, on: purchase}\n", i);
	len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "tiers:\n- reach:\n    any:\n");
	for (int i = 0; i < PROGRAM_REACH_MAX + 4; i++) {
		len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "    - all:\n");
		for (int j = 0; j < PROGRAM_REACH_MAX + 5; j++)
			len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "      - {metric: m%d}\n", j);
	}
	for (int i = 1; i < PROGRAM_TIERS_MAX + 3; i++)
		len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "- {id: t%d}\n", i);
	assert_true(len < sizeof(yaml));
	assert_int_equal(def_of(&w, yaml, &d, &error), ST_OK);
	assert_int_equal(d->n_rules, PROGRAM_RULES_MAX + 36);
	assert_string_equal(d->rules[PROGRAM_RULES_MAX - 1].id, "r63");
	assert_int_equal(d->n_tiers, PROGRAM_TIERS_MAX + 3);
	assert_string_equal(d->tiers[PROGRAM_TIERS_MAX - 1].id, "t15");
	assert_int_equal(d->tiers[0].n_any, PROGRAM_REACH_MAX + 4);
	assert_int_equal(d->tiers[0].any[PROGRAM_REACH_MAX - 1].n, PROGRAM_REACH_MAX + 5);
	assert_string_equal(d->tiers[0].any[PROGRAM_REACH_MAX - 1].thresholds[PROGRAM_REACH_MAX - 1].metric, "m15");
	assert_null(d->tiers[1].earn_multiplier);
	world_release(&w);
}

/* ---- every leaf of the language ---- */

struct leaves {
	struct world w;
	unsigned n;
};

/* A program with nothing in it but one leaf: `{"earn":[{"when":{"hours":"7"}}]}`. */
static void
check_leaf(struct leaves *l, const char *open, const char *close, const char *word)
{
	struct program_error error;
	struct program_def *d;
	char json[512];

	snprintf(json, sizeof(json), "%s%s%s", open, word, close);
	world_clear(&l->w);
	if (codec_json_parse(CODEC_PROGRAM, json, &l->w.arena, &l->w.bytes, &l->w.error) != ST_OK)
		fail_msg("%s: %s", json, world_error(&l->w));
	enum status st = codec_program_def(buf_bytes(&l->w.bytes), &l->w.arena, &d, &error);
	bool missing_on = st == ST_INVALID && strcmp(error.path, "earn[0].on") == 0 && strstr(error.sentence, "missing") != NULL;
	if (st != ST_OK && !missing_on)
		fail_msg("%s is refused: %s: %s", json, error.path, error.sentence);
	l->n++;
}

static void
walk(struct leaves *l, const ProtobufCMessageDescriptor *type, const char *open, const char *close)
{
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		bool list = field->label == PROTOBUF_C_LABEL_REPEATED, message = field->type == PROTOBUF_C_TYPE_MESSAGE;
		char o[256], c[64];

		snprintf(o, sizeof(o), "%s{\"%s\":%s", open, field->name, list ? "[" : "");
		snprintf(c, sizeof(c), "%s}%s", list ? "]" : "", close);
		if (message && ((const ProtobufCMessageDescriptor *)field->descriptor)->n_fields > 0) {
			walk(l, field->descriptor, o, c);
		} else if (message) {
			check_leaf(l, o, c, "{}");
		} else if (field->type == PROTOBUF_C_TYPE_ENUM) {
			const ProtobufCEnumDescriptor *words = field->descriptor;
			char word[64];

			for (unsigned k = 0; k < words->n_values; k++) {
				snprintf(word, sizeof(word), "\"%s\"", words->values[k].name);
				check_leaf(l, o, c, word);
			}
		} else if (field->type == PROTOBUF_C_TYPE_BOOL) {
			check_leaf(l, o, c, "true");
			check_leaf(l, o, c, "false");
		} else {
			check_leaf(l, o, c, "7");
		}
	}
}

static void
test_every_leaf_of_the_language(void **state)
{
	struct leaves l = { .n = 0 };

	(void)state;
	world_init(&l.w);
	walk(&l, &fealty__program__v1__program__descriptor, "", "");
	assert_true(l.n > 200);
	world_release(&l.w);
}

static const struct { const char *yaml, *path, *says; unsigned line; } refusals[] = {
	{ "earn:\n- id: a\n", "earn[0].on", "`on` is missing; allowed: purchase", 2 },
	{ "earn:\n- on: purchase\n- id: b\n", "earn[1].on", "`on` is missing; allowed: purchase", 3 },
};

static void
test_refusals(void **state)
{
	struct program_error error;
	struct program_def *d;
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		world_clear(&w);
		enum status st = def_of(&w, refusals[i].yaml, &d, &error);

		if (st != ST_INVALID || strcmp(error.path, refusals[i].path) != 0 || strstr(error.sentence, refusals[i].says) == NULL ||
		    yaml_line_of(w.lines, error.path) != refusals[i].line)
			fail_msg("%s: status %d, %s: %s", refusals[i].path, (int)st, error.path, error.sentence);
	}
	world_release(&w);
}

static void
test_bytes_that_are_no_program(void **state)
{
	static const struct { const char *name, *bytes; size_t len; const char *path; } cases[] = {
		{ "truncated",              "\x0a\x04" "a", 3, "" },
		{ "a group",                "\x0b\x0c", 2, "" },
		{ "an unknown field",       "\x98\x06\x01", 3, "99" },
		{ "one inside",             "\x2a\x03\x98\x06\x01", 5, "points.99" },
		{ "an unknown word",        "\x38\x09", 2, "stacking" },
		{ "a text that is no UTF-8", "\x12\x01\xff", 3, "name" },
		{ "a NUL in a text",        "\x12\x02" "a\0", 4, "name" },
		{ "a field twice",          "\x0a\x01" "a\x0a\x01" "b", 6, "id" },
	};
	struct program_error error;
	struct program_def *d;
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&error, 'x', sizeof(error));
		if (codec_program_def(bytes_of(cases[i].bytes, cases[i].len), &w.arena, &d, &error) != ST_INVALID)
			fail_msg("%s is taken", cases[i].name);
		assert_string_equal(error.path, cases[i].path);
		assert_true(strlen(error.sentence) > 0);
	}
	world_release(&w);
}

static void
test_budget(void **state)
{
	struct program_error error;
	struct program_def *d;
	bool fitted = false;
	struct world w;
	struct arena arena;

	(void)state;
	world_init(&w);
	assert_int_equal(world_yaml(&w, everything_built), ST_OK);
	for (size_t budget = 0; budget < (size_t)1024 * 1024 && !fitted; budget += 1000) {
		arena_init(&arena, budget);
		enum status st = codec_program_def(buf_bytes(&w.bytes), &arena, &d, &error);

		assert_true(st == ST_NOMEM || st == ST_OK);
		fitted = st == ST_OK;
		arena_release(&arena);
	}
	assert_true(fitted);
	world_release(&w);
}

static void
test_mutations(void **state)
{
	unsigned rounds = getenv("FEALTY_TEST_LONG") != NULL ? 500000 : 20000, refused = 0;
	uint64_t random = 1126;
	struct program_error error;
	struct program_def *d;
	char bytes[4096];
	struct world w;
	size_t whole;

	(void)state;
	world_init(&w);
	assert_int_equal(world_yaml(&w, everything_built), ST_OK);
	whole = w.bytes.len;
	assert_true(whole < sizeof(bytes));
	for (unsigned i = 0; i < rounds; i++) {
		arena_reset(&w.arena);
		memcpy(bytes, w.bytes.data, whole);
		size_t len = mutate(bytes, whole, sizeof(bytes), &random);
		error.sentence[0] = '\0';
		enum status st = codec_program_def(bytes_of(bytes, len), &w.arena, &d, &error);

		assert_true(st == ST_OK || (st == ST_INVALID && strlen(error.sentence) > 0));
		refused += st == ST_INVALID;
	}
	assert_true(refused > rounds / 4 && refused < rounds);
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_built_arrives),
		cmocka_unit_test(test_the_life_of_members_arrives),
		cmocka_unit_test(test_what_is_left_out),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_every_leaf_of_the_language),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bytes_that_are_no_program),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
