/* Cards of stamps in a record, entries that are forged about them, and what the core says of rewards and points that become vouchers. */
#include "earn_world.h"

#define AT "2026-03-12T10:00:00"

static struct program_def
cards(void)
{
	struct program_def def = program("KRW");

	add(&def, fixed("base", 10, RULE_BASE, "10"));
	def.n_vouchers = 2;
	def.vouchers[0] = (struct voucher_def){ .id = "drink", .name = "Drink" };
	def.vouchers[1] = (struct voucher_def){ .id = "cookie", .name = "Cookie" };
	def.n_cards = 1;
	def.cards[0] = (struct card_def){ .id = "card", .voucher = "drink", .has_per_item = true, .per_item = 1, .has_size = true, .size = 10,
	    .n_milestones = 1, .milestones = { { true, 5, "cookie" } } };
	def.n_rewards = 1;
	def.rewards[0] = (struct reward_def){ .id = "mug", .cost = "10", .voucher = "drink", .has_stock = true, .stock = 1 };
	return def;
}

static struct cmd
items(uint64_t m, uint32_t qty, struct line *line)
{
	struct cmd c = stage_cmd(OP_PURCHASE, m);

	*line = (struct line){ .qty = qty, .has_amount = true, .amount = dec("100") };
	c.u.purchase.amount = dec("100");
	c.u.purchase.lines = line;
	c.u.purchase.n_lines = 1;
	return c;
}

static enum ledger_result
buy_items(struct stage *s, uint64_t m, uint32_t qty)
{
	struct line line;
	struct cmd c = items(m, qty, &line);

	return stage_play(s, &c);
}

/* ---- the record ---- */

static void
a_record_keeps_its_cards(void **state)
{
	struct program_def def = cards();
	struct stage s;
	struct buf bytes;
	struct member back;
	uint64_t m = begin(&s, &def, AT);

	(void)state;
	assert_int_equal(buy_items(&s, m, 17), LEDGER_OK);
	const struct member *there = stage_member(&s, m);
	assert_int_equal(there->n_cards, 1);
	assert_int_equal(there->cards[0].stamps, 7);
	assert_int_equal(there->cards[0].n_fired, 1);
	assert_int_equal(there->n_vouchers, 3);
	buf_init(&bytes);
	member_encode(there, &bytes);
	assert_int_equal(member_decode(buf_bytes(&bytes), &s.arena, &back), ST_OK);
	assert_int_equal(back.n_cards, 1);
	assert_memory_equal(&back.cards[0], &there->cards[0], sizeof(back.cards[0]));
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(member_decode(bytes_of(bytes.data, len), &s.arena, &back), ST_CORRUPT);
	buf_release(&bytes);
	stage_release(&s);
}

static const struct { const char *name; struct stamp_card card; bool ok; } rows[] = {
	{ "some stamps", { .id = "a", .stamps = 3, .last_day = 20000 }, true },
	{ "owed", { .id = "a", .stamps = -3, .last_day = DAY_NEVER }, true },
	{ "a milestone and nothing on it", { .id = "a", .last_day = DAY_NEVER, .n_fired = 1, .fired = { 5 } }, true },
	{ "empty", { .id = "a", .last_day = DAY_NEVER }, false },
	{ "without a name", { .stamps = 3, .last_day = DAY_NEVER }, false },
	{ "owed with an end", { .id = "a", .stamps = -3, .last_day = 20000 }, false },
	{ "an end that is no date", { .id = "a", .stamps = 3, .last_day = DAY_MAX + 1 }, false },
	{ "milestone zero", { .id = "a", .stamps = 3, .last_day = DAY_NEVER, .n_fired = 1 }, false },
	{ "milestones that do not rise", { .id = "a", .stamps = 3, .last_day = DAY_NEVER, .n_fired = 2, .fired = { 5, 5 } }, false },
	{ "too many milestones", { .id = "a", .stamps = 3, .last_day = DAY_NEVER, .n_fired = LEDGER_MILESTONES_MAX + 1 }, false },
	{ "too many stamps", { .id = "a", .stamps = LEDGER_STAMPS_MAX + 1, .last_day = DAY_NEVER }, false },
	{ "owed too many", { .id = "a", .stamps = -LEDGER_STAMPS_MAX - 1, .last_day = DAY_NEVER }, false },
};

static void
a_record_is_judged(void **state)
{
	struct stamp_card two[2] = { { .id = "b", .stamps = 1, .last_day = DAY_NEVER }, { .id = "a", .stamps = 1, .last_day = DAY_NEVER } };
	struct member m = { .n_cards = 2, .cards = two };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stamp_card card = rows[i].card;
		struct member one_card = { .n_cards = 1, .cards = &card };

		if (stamps_check(&one_card) != rows[i].ok)
			fail_msg("%s", rows[i].name);
	}
	assert_false(stamps_check(&m));
	two[1].id[0] = 'b';
	assert_false(stamps_check(&m));
	two[1].id[0] = 'c';
	assert_true(stamps_check(&m));
}

/* ---- forged ---- */

#define FORGE(name, ...) static void forge_##name(struct entry *e, struct stamp_change *c, struct voucher_change *v) { (void)e; (void)c; (void)v; __VA_ARGS__; }
FORGE(nothing)
FORGE(wanted_below, c->wanted = 6)
FORGE(dropped_above, c->dropped = 8)
FORGE(dropped_below, c->dropped = -1)
FORGE(last_day, c->card.stamps = -1; c->card.last_day = e->business_date)
FORGE(fired, c->card.n_fired = 2; c->card.fired[0] = 7; c->card.fired[1] = 5)
FORGE(nameless, c->card.id[0] = 0)
FORGE(no_end, memset(c->card.id, 'x', sizeof(c->card.id)))
FORGE(twice, c[1] = c[0]; e->n_stamps = 2)
FORGE(voucher_skipped, v->v.n = 1)
FORGE(voucher_used, v->v.state = VOUCHER_USED)
FORGE(voucher_not_there, v->has_from = true; v->v.from = (struct entry_id){ 999, 0 })

static const struct { const char *name; void (*forge)(struct entry *, struct stamp_change *, struct voucher_change *); enum evolve_fault want; } forgeries[] = {
	{ "nothing", forge_nothing, EVOLVE_OK },
	{ "wanted below granted", forge_wanted_below, EVOLVE_MALFORMED },
	{ "dropped above granted", forge_dropped_above, EVOLVE_MALFORMED },
	{ "dropped below zero", forge_dropped_below, EVOLVE_MALFORMED },
	{ "an end of what is owed", forge_last_day, EVOLVE_MALFORMED },
	{ "milestones out of order", forge_fired, EVOLVE_MALFORMED },
	{ "a card without a name", forge_nameless, EVOLVE_MALFORMED },
	{ "a name without an end", forge_no_end, EVOLVE_MALFORMED },
	{ "a card twice", forge_twice, EVOLVE_MALFORMED },
	{ "a place that is left out", forge_voucher_skipped, EVOLVE_VOUCHER },
	{ "issued as used", forge_voucher_used, EVOLVE_VOUCHER },
	{ "a voucher of nobody", forge_voucher_not_there, EVOLVE_VOUCHER },
};

static void
a_forged_entry_is_a_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		struct program_def def = cards();
		struct stage s;
		uint64_t m = begin(&s, &def, AT);
		struct stamp_change changes[2];
		struct voucher_change voucher;
		struct line line;
		struct cmd c = items(m, 7, &line);
		enum evolve_fault fault;
		struct entry e;

		assert_int_equal(decide(&s.live.state, &c, s.now_us, &s.arena, &e, &s.refusal), ST_OK);
		assert_int_equal(s.refusal.result, LEDGER_OK);
		assert_true(e.n_stamps == 1 && e.n_vouchers == 1);
		changes[0] = e.stamps[0];
		voucher = e.vouchers[0];
		e.stamps = changes;
		e.vouchers = &voucher;
		forgeries[i].forge(&e, changes, &voucher);
		assert_int_equal(evolve(&s.live.state, &e, (struct entry_id){ 1000, 0 }, s.now_us, EVOLVE_LIVE, &fault), ST_OK);
		if (fault != forgeries[i].want)
			fail_msg("%s: %s", forgeries[i].name, evolve_fault_str(fault));
		stage_release(&s);
	}
}

/* ---- limits ---- */

static void
vouchers_are_not_endless(void **state)
{
	struct program_def def = cards();
	struct stage s;
	uint64_t m = begin(&s, &def, AT);

	(void)state;
	assert_int_equal(buy_items(&s, m, 4000), LEDGER_OK);		/* 400 drinks and 400 cookies */
	assert_int_equal(stage_member(&s, m)->n_vouchers, 800);
	assert_int_equal(buy_items(&s, m, 4000), LEDGER_CAP_REACHED);
	assert_int_equal(buy_items(&s, m, 1000), LEDGER_OK);
	assert_int_equal(buy_items(&s, m, 5), LEDGER_CAP_REACHED);
	assert_int_equal(stage_member(&s, m)->n_vouchers, LEDGER_VOUCHERS_MAX);
	struct cmd c = stage_cmd(OP_REDEEM, m);
	c.u.redeem.reward = "mug";
	assert_int_equal(stage_play(&s, &c), LEDGER_CAP_REACHED);
	stage_release(&s);
}

static void
stock_is_kept_over_versions(void **state)
{
	struct program_def def = cards();
	struct stage s;
	uint64_t m = begin(&s, &def, AT);
	struct cmd c = stage_cmd(OP_REDEEM, m);

	(void)state;
	c.u.redeem.reward = "mug";
	assert_int_equal(buy_items(&s, m, 1), LEDGER_OK);
	assert_int_equal(buy_items(&s, m, 1), LEDGER_OK);
	assert_int_equal(buy_items(&s, m, 1), LEDGER_OK);
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_play(&s, &c), LEDGER_OUT_OF_STOCK);
	def.rewards[0].stock = 2;
	stage_publish(&s, &def);
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_play(&s, &c), LEDGER_OUT_OF_STOCK);
	def.n_rewards = 0;
	stage_publish(&s, &def);
	assert_int_equal(stage_play(&s, &c), LEDGER_NOT_OFFERED);
	stage_release(&s);
}

/* A version with smaller cards: what is on one then may be full already, with the next stamp. */
static void
a_card_becomes_smaller(void **state)
{
	struct program_def def = cards();
	struct stage s;
	uint64_t m = begin(&s, &def, AT);

	(void)state;
	assert_int_equal(buy_items(&s, m, 9), LEDGER_OK);
	def.cards[0].size = 8;
	stage_publish(&s, &def);
	assert_int_equal(buy_items(&s, m, 1), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->cards[0].stamps, 2);
	assert_int_equal(stage_member(&s, m)->n_vouchers, 2);
	stage_release(&s);
}

/* What one entry has no room for becomes vouchers in the nights that follow, and at last all of it. */
static void
many_points_become_vouchers(void **state)
{
	struct program_def def = cards();
	struct stage s;

	(void)state;
	def.has_auto_redeem = true;
	def.auto_at = "10";
	def.auto_voucher = "cookie";
	uint64_t m = begin(&s, &def, AT);
	assert_int_equal(stage_adjust(&s, m, "9005", NULL), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->n_vouchers, 400);
	assert_int_equal(stage_member(&s, m)->available, 5005);
	stage_at(&s, "2026-03-13T00:00:00");
	assert_int_equal(stage_member(&s, m)->n_vouchers, 900);
	assert_int_equal(stage_member(&s, m)->available, 5);
	assert_int_equal(stage_adjust(&s, m, "2000", NULL), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->n_vouchers, LEDGER_VOUCHERS_MAX);
	assert_int_equal(stage_member(&s, m)->available, 1005);
	assert_false(stage_member(&s, m)->has_auto);		/* there is no room, so no night looks for it */
	stage_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_keeps_its_cards),
		cmocka_unit_test(a_record_is_judged),
		cmocka_unit_test(a_forged_entry_is_a_fault),
		cmocka_unit_test(vouchers_are_not_endless),
		cmocka_unit_test(stock_is_kept_over_versions),
		cmocka_unit_test(a_card_becomes_smaller),
		cmocka_unit_test(many_points_become_vouchers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
