/* stage_programs.h: program definitions and command parts that unit tests of the core share. */
#ifndef FEALTY_TESTS_UNIT_STAGE_PROGRAMS_H
#define FEALTY_TESTS_UNIT_STAGE_PROGRAMS_H

#include "memory_state.h"

/* 1 point per unit of money at scale 0, no sections. */
static inline struct program_def
plain(const char *currency)
{
	return (struct program_def){
		.id = "plain", .name = "Plain", .timezone = "Asia/Seoul", .currency = currency,
		.has_points = true, .has_scale = true, .unit = "point",
		.n_rules = 1,
		.rules = { { .id = "base", .has_priority = true, .has_kind = true, .has_per_amount = true, .amount = "1", .points = "1" } },
	};
}

static inline struct tier_def
tier_of(const char *id, uint32_t rank, const char *metric, const char *at_least, const char *multiplier)
{
	struct tier_def t = { .id = id, .has_rank = true, .rank = rank, .earn_multiplier = multiplier };

	if (metric != NULL) {
		t.has_reach = true;
		t.n_any = 1;
		t.any[0] = (struct all_def){ 1, { { metric, at_least } } };
	}
	return t;
}

/* Every section: KRW, points in hundredths, 100.00 points worth 1 000 won, steps of 5.00 from 10.00, at most half of an order. */
static inline struct program_def
full(void)
{
	struct program_def def = plain("KRW");

	def.id = "full";
	def.scale = 2;
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "points_earned", "1000000", NULL);
	def.has_birthday = true;
	def.birthday_points = "50";
	def.birthday_days_before = 3;
	def.birthday_days_after = 5;
	def.has_redemption = true;
	def.value_points = "100";
	def.value_amount = "1000";
	def.redeem_min = "10";
	def.redeem_step = "5";
	def.has_max_percent = true;
	def.max_percent_of_order = 50;
	def.max_ttl = "1h";
	return def;
}

/* A birthday that the vault has long known. */
static inline void
birthday_date(struct cmd *c, int month, int day_of_month)
{
	c->u.birthday.n_dates = 1;
	c->u.birthday.dates[0] = (struct birthday_date){ month, day_of_month, day("2020-01-01") };
}

#endif
