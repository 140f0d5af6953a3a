/* text_world.h: what the tests of JSON, YAML and programs share: memory, packaging/examples/, and a program that says all that can be said. */
#ifndef FEALTY_TESTS_TEXT_WORLD_H
#define FEALTY_TESTS_TEXT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

#define BUDGET_BYTES ((size_t)8 * 1024 * 1024)

struct world {
	struct arena arena;
	struct buf bytes, text;
	struct text_error error;
	struct yaml_lines *lines;
};

static inline void
world_init(struct world *w)
{
	*w = (struct world){ .lines = NULL };
	arena_init(&w->arena, BUDGET_BYTES);
	buf_init(&w->bytes);
	buf_init(&w->text);
}

static inline void
world_release(struct world *w)
{
	arena_release(&w->arena);
	buf_release(&w->bytes);
	buf_release(&w->text);
}

static inline void
world_clear(struct world *w)
{
	arena_reset(&w->arena);
	buf_clear(&w->bytes);
	buf_clear(&w->text);
	w->error = (struct text_error){ .line = 0 };
}

static inline enum status
world_yaml(struct world *w, const char *yaml)
{
	return codec_yaml_parse(bytes_of(yaml, strlen(yaml)), &w->arena, &w->bytes, &w->lines, &w->error);
}

/* The error as a line of a terminal: "3: earn[0].id: sentence". */
static inline const char *
world_error(const struct world *w)
{
	static char shown[480];

	snprintf(shown, sizeof(shown), "%u: %s: %s", w->error.line, w->error.path, w->error.sentence);
	return shown;
}

/* A random number generator for mutations: the same row of texts in every run (xorshift64*, Vigna 2016). */
static inline uint64_t
mutation_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* Changes, deletes, repeats or inserts a few bytes; returns the new length, at most ${cap} - 1, with a NUL behind. */
static inline size_t
mutate(char *text, size_t len, size_t cap, uint64_t *state)
{
	static const char alphabet[] = "{}[]:,-\"'\n \t#&*!|>%@\\0129aetn\x80\xc3\xff";
	size_t n = 1 + mutation_next(state) % 4;

	while (n-- > 0 && len > 0) {
		size_t at = mutation_next(state) % len, run = 1 + mutation_next(state) % 8;

		if (run > len - at)
			run = len - at;
		switch (mutation_next(state) % 4) {
		case 0:
			text[at] = alphabet[mutation_next(state) % (sizeof(alphabet) - 1)];
			break;
		case 1:
			memmove(text + at, text + at + run, len - at - run);
			len -= run;
			break;
		case 2:
			if (len + run < cap) {
				memmove(text + at + run, text + at, len - at);
				len += run;
			}
			break;
		case 3:
			text[at] = (char)(mutation_next(state) & 0xff);
			break;
		}
	}
	text[len] = '\0';
	return len;
}

/* Looks upwards from the working directory, or under $FEALTY_SOURCE_ROOT. The caller frees it. */
static inline char *
example_read(const char *name)
{
	static const char *const up[] = { ".", "..", "../..", "../../.." };
	const char *root = getenv("FEALTY_SOURCE_ROOT");
	char path[512];
	FILE *file = NULL;

	for (size_t i = 0; file == NULL && i < (root != NULL ? 1 : sizeof(up) / sizeof(up[0])); i++) {
		snprintf(path, sizeof(path), "%s/packaging/examples/%s", root != NULL ? root : up[i], name);
		file = fopen(path, "re");
	}
	if (file == NULL)
		fail_msg("no %s; is FEALTY_SOURCE_ROOT set?", path);
	char *text = calloc(1, 65536);
	assert_non_null(text);
	size_t len = fread(text, 1, 65535, file);
	assert_true(len > 0 && len < 65535);
	fclose(file);
	return text;
}

/* Every section and every kind of value of the language. */
static const char whole_language[] =
    "id: acme                       # [a-z0-9-]{1,32}\n"
    "name: Acme Rewards\n"
    "timezone: Asia/Seoul\n"
    "currency: KRW\n"
    "points: {unit: star, scale: 0}\n"
    "rounding: {mode: floor, at: each}     # one each\n"
    "stacking: add\n"
    "carry_remainder: false\n"
    "counters: [nights]\n"
    "\n"
    "earn:\n"
    "  - id: base\n"
    "    priority: 10\n"
    "    on: purchase\n"
    "    kind: base\n"
    "    per_amount: {amount: \"1000\", points: \"1\", whole_steps: true}\n"
    "    when:\n"
    "      min_amount: \"1000\"\n"
    "      max_amount: \"900000\"\n"
    "      categories: [drink, food]\n"
    "      skus: [latte]\n"
    "      exclude_categories: [gift-card]\n"
    "      stores: [s1]\n"
    "      partners: [p1]\n"
    "      tiers: [gold]\n"
    "      segments: [student]\n"
    "      min_gap: 3m\n"
    "      weekdays: [mon, sun]\n"
    "      hours: \"07:00-09:30\"\n"
    "      from: 2026-01-01\n"
    "      until: 2026-12-31\n"
    "      first_purchase: true\n"
    "      activity: own_cup\n"
    "      membership: prime\n"
    "      member_days_min: 30\n"
    "      previous_month_spend: {min: \"500000\", waive_months: 2}\n"
    "    replaces: other-rule\n"
    "    caps: [{per: month, points: \"10000\", over: fallback, group: specials}, {per: day, count: 3}]\n"
    "    pending: {days: 14}\n"
    "    expiry: {on: \"12-31\", years: 1, refresh_on: [purchase]}\n"
    "  - {id: fixed, priority: 20, on: activity, kind: bonus, fixed: {points: 5}, pending: {until: next_month_start}}\n"
    "  - {id: items, priority: 30, on: enrol, kind: bonus, per_item: {points: \"1\"}, pending: {on_activity: delivered, within_days: 30}}\n"
    "  - {id: twice, priority: 40, on: purchase, kind: multiplier, multiply: \"2\"}\n"
    "  - {id: gift, priority: 50, on: purchase, kind: voucher, voucher: drink}\n"
    "  - {id: stay, priority: 60, on: purchase, kind: counter, counter: {id: nights, add: 1, per: item}}\n"
    "expiry: {after: {months: 12}, round_up_to: month}\n"
    "tiers:\n"
    "  - {id: green, rank: 0}\n"
    "  - id: gold\n"
    "    rank: 1\n"
    "    reach: {any: [{all: [{metric: points_earned, at_least: \"500\"}]}]}\n"
    "    window: {rolling_months: 12}\n"
    "    keep: {any: [{all: [{metric: spend, at_least: \"400\"}, {metric: visits, at_least: 3}]}]}\n"
    "    valid: {months: 12, round_up_to: none}\n"
    "    downgrade: full\n"
    "    grace: {months: 1, round_up_to: month}\n"
    "    earn_multiplier: \"1.2\"\n"
    "    expiry: never\n"
    "    expiry_applies: new_lots\n"
    "    birthday: {days_before: 0, days_after: 6}\n"
    "    forfeit_stamps_on_downgrade: false\n"
    "  - {id: black, rank: 2, window: since_tier_start, valid: {through: end_of_next_year}}\n"
    "  - {id: lapsing, rank: 3, window: lifetime, valid: forever,\n"
    "     expiry: {inactivity: {months: 24, activities: [purchase], percent: 100}}}\n"
    "birthday:\n"
    "  reward: {voucher: drink}\n"
    "  window: {days_before: 14, days_after: 14}\n"
    "  issue: automatic\n"
    "  leap_day: feb_28\n"
    "  guard_days: 30\n"
    "  requires: {points_earned: \"1\", within_months: 12}\n"
    "anniversary: {of: enrolment, reward: {points: \"100\"}}\n"
    "redemption:\n"
    "  value: {points: \"100\", amount: \"1000\"}\n"
    "  min: \"100\"\n"
    "  step: \"100\"\n"
    "  max_percent_of_order: 100\n"
    "  hold: {default_ttl: 15m, max_ttl: 30d, expired_lot: capturable}\n"
    "auto_redeem: {at: \"12\", voucher: drink, tiers: [gold]}\n"
    "rewards: [{id: mug, cost: \"300\", voucher: mug, stock: 100, per_member: {count: 1, per: year}, tiers: [gold],\n"
    "           from: 2026-01-01, until: 2026-06-30}]\n"
    "vouchers: [{id: drink, name: Free drink, valid: {days: 90}, value: {amount: \"4500\"}}]\n"
    "stamps: [{id: card, per_item: 1, when: {categories: [drink]}, cap: {per: day, count: 5}, size: 10, voucher: drink,\n"
    "          milestones: [{at: 5, voucher: cookie}], overflow: carry, valid: {months: 12}}]\n"
    "returns: {claw_back: unlimited, restore: original, used_voucher: debt}\n"
    "referral: {referrer: \"500\", referee: \"500\", min_amount: \"20000\", pending_days: 14, per_year: 10}\n"
    "transfers: {min: \"1000\", out_per_year: \"500000\", in_per_year: \"2000000\", times_per_year: 6, member_days_min: 30, expiry: keep}\n"
    "pools: {max_members: 5}\n"
    "advance: {max: \"500000\"}\n"
    "partners: [{id: p1, issue_price: \"1\", redeem_price: \"2/3\", settlement: postpaid}]\n"
    "memberships: [{id: prime, term: monthly, fee: \"14.99\", trial_days: 30, grace_days: 7, refund_if_unused: true,\n"
    "               earn_multiplier: \"2\"}]\n"
    "unknown_alias: provisional\n"
    "limits: {late_days: 45, redeem_per_day: \"1000000\", earn_per_day: \"1000000\", adjust_without_approval: \"1000\"}\n"
    "notices: {expiring_days: [180, 150, 120, 90, 60, 30], downgrade_days: [30]}\n"
    "accounting: {cost_per_point: \"6.6\", expected_redemption: \"0.80\"}\n";

#endif
