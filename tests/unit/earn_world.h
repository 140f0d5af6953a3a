/* earn_world.h: rules put together, and purchases played, for the unit tests of earning.  Unused parts are no fault: all is inline. */
#ifndef FEALTY_TESTS_UNIT_EARN_WORLD_H
#define FEALTY_TESTS_UNIT_EARN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/* ---- building programs ---- */

static inline struct rule_def
rule(const char *id, uint32_t priority, enum rule_kind kind)
{
	return (struct rule_def){ .id = id, .has_priority = true, .priority = priority, .has_kind = true, .kind = kind };
}

static inline struct rule_def
per_amount(const char *id, uint32_t priority, const char *amount, const char *points, bool whole_steps)
{
	struct rule_def r = rule(id, priority, RULE_BASE);

	r.has_per_amount = true;
	r.amount = amount;
	r.points = points;
	r.whole_steps = whole_steps;
	return r;
}

static inline struct rule_def
fixed(const char *id, uint32_t priority, enum rule_kind kind, const char *points)
{
	struct rule_def r = rule(id, priority, kind);

	r.has_fixed = true;
	r.points = points;
	return r;
}

static inline struct rule_def
per_item(const char *id, uint32_t priority, enum rule_kind kind, const char *points)
{
	struct rule_def r = rule(id, priority, kind);

	r.has_per_item = true;
	r.points = points;
	return r;
}

static inline struct rule_def
multiplier(const char *id, uint32_t priority, const char *multiply)
{
	struct rule_def r = rule(id, priority, RULE_MULTIPLIER);

	r.multiply = multiply;
	return r;
}

static inline struct program_def
program(const char *currency)
{
	struct program_def def = plain(currency);

	def.n_rules = 0;
	return def;
}

static inline struct rule_def *
add(struct program_def *def, struct rule_def r)
{
	def->rules[def->n_rules] = r;
	return &def->rules[def->n_rules++];
}

static inline struct word_list
one(const char *const *word)
{
	return (struct word_list){ 1, word };
}
static const char *const drink[] = { "drink", "snack" }, *const food[] = { "food" }, *const latte[] = { "latte" };
static const char *const shops[] = { "s1", "s2" };
static const char *const online[] = { "online" }, *const restaurant[] = { "restaurant" }, *const cup[] = { "cup" };

static inline struct cap_def
cap(enum period per, const char *points, uint32_t count, enum cap_over over, const char *group)
{
	return (struct cap_def){ .has_per = true, .per = per, .points = points, .has_count = count > 0, .count = count, .over = over,
	    .group = group };
}

/* ---- playing them ---- */

static inline uint64_t
begin(struct stage *s, const struct program_def *def, const char *at)
{
	stage_init(s);
	stage_at(s, at);
	stage_publish(s, def);
	return stage_enrol(s);
}

/* As stage_at(), for several events of one second. */
static inline void
go(struct stage *s, const char *local)
{
	char text[64];
	int64_t at_us;

	snprintf(text, sizeof(text), "%s+09:00", local);
	assert_true(instant_parse(text, &at_us));
	if (at_us > s->now_us)
		stage_at(s, local);
}

static inline int64_t
buy(struct stage *s, uint64_t m, const char *amount)
{
	if (stage_purchase(s, m, amount) != LEDGER_OK)
		fail_msg("%s: %s", amount, s->refusal.sentence);
	return stage_granted(s);
}

static inline int64_t
buy_lines(struct stage *s, uint64_t m, const char *amount, const char *paid, const struct line *lines, size_t n)
{
	struct cmd c = stage_cmd(OP_PURCHASE, m);

	c.u.purchase.amount = dec(amount);
	c.u.purchase.has_paid_with_points = paid != NULL;
	if (paid != NULL)
		c.u.purchase.paid_with_points = dec(paid);
	c.u.purchase.lines = lines;
	c.u.purchase.n_lines = n;
	enum ledger_result got = stage_play(s, &c);
	if (got != LEDGER_OK)
		fail_msg("%s: %s", amount, s->refusal.sentence);
	return stage_granted(s);
}

static inline int64_t
buy_at(struct stage *s, uint64_t m, const char *amount, const char *occurred)
{
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	char text[64];

	snprintf(text, sizeof(text), "%s+09:00", occurred);
	c.u.purchase.amount = dec(amount);
	c.has_occurred_at = true;
	assert_true(instant_parse(text, &c.occurred_at_us));
	assert_int_equal(stage_play(s, &c), LEDGER_OK);
	return stage_granted(s);
}

static const struct grant *
grant_of(const struct stage *s, const char *id)
{
	for (size_t i = 0; i < s->entry.n_grants; i++) {
		if (strcmp(s->entry.grants[i].rule, id) == 0)
			return &s->entry.grants[i];
	}
	return NULL;
}

static inline int64_t
granted_by(const struct stage *s, const char *id)
{
	const struct grant *g = grant_of(s, id);

	return g == NULL ? 0 : g->granted;
}

static inline int64_t
wanted(const struct stage *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->entry.n_grants; i++)
		sum += s->entry.grants[i].wanted;
	return sum;
}

/* 1 per full 1 000, gold ×1.5, a campaign ×2, 100 on top. */
static inline struct program_def
x1(enum stacking stacking)
{
	struct program_def def = program("KRW");

	def.stacking = stacking;
	add(&def, per_amount("base", 10, "1000", "1", true));
	add(&def, multiplier("campaign", 20, "2"));
	add(&def, fixed("gift", 30, RULE_BONUS, "100"));
	def.n_tiers = 1;
	def.tiers[0] = tier_of("gold", 0, NULL, NULL, "1.5");
	return def;
}

#endif
