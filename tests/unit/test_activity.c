/* Activities, enrolment, counters, points that wait, segments. */
#include "earn_world.h"

/* ---- activities, enrolment, counters ---- */

static struct cmd
activity(uint64_t m, const char *id)
{
	struct cmd c = stage_cmd(OP_ACTIVITY, m);

	c.u.activity.activity = id;
	c.u.activity.qty = 1;
	return c;
}

static int64_t
act(struct stage *s, struct cmd c)
{
	if (stage_play(s, &c) != LEDGER_OK)
		fail_msg("%s: %s", c.u.activity.activity, s->refusal.sentence);
	return stage_granted(s);
}

static struct rule_def *
on(struct rule_def *r, enum rule_on event)
{
	r->on = event;
	return r;
}

static void
activities_earn(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	on(add(&def, fixed("review", 10, RULE_BASE, "5")), ON_ACTIVITY)->when.activity = "review";
	on(add(&def, per_item("photos", 20, RULE_BASE, "2")), ON_ACTIVITY)->when.activity = "photo";
	struct rule_def *r = on(add(&def, per_amount("bill", 30, "100", "1", false)), ON_ACTIVITY);
	r->when.activity = "bill";
	r->when.min_amount = "1000";
	r->n_caps = 1;
	r->caps[0] = cap(PERIOD_DAY, "15", 0, CAP_CLIP, NULL);
	on(add(&def, multiplier("double", 40, "2")), ON_ACTIVITY)->when.stores = (struct word_list){ 2, shops };
	add(&def, per_amount("bought", 50, "1", "1", false));
	def.n_tiers = 1;
	def.tiers[0] = tier_of("only", 0, NULL, NULL, "1.5");
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");

	struct cmd c = activity(m, "review");
	c.u.activity.qty = 7;
	assert_int_equal(act(&s, c), 5 + 2);			/* once whatever the quantity */
	assert_int_equal(stage_member(&s, m)->points_earned, 7);
	assert_int_equal(stage_member(&s, m)->visits, 0);
	c = activity(m, "photo");
	c.u.activity.qty = 3;
	c.store = "s1";
	assert_int_equal(act(&s, c), 6 + 3 + 6);
	assert_int_equal(act(&s, activity(m, "bill")), 0);	/* no amount */
	c = activity(m, "bill");
	c.u.activity.has_amount = true;
	c.u.activity.amount = dec("999");
	assert_int_equal(act(&s, c), 0);
	c.u.activity.amount = dec("1000");
	assert_int_equal(act(&s, c), 10 + 5);
	assert_int_equal(act(&s, c), 5 + 5);			/* the cap is the rule's alone */
	assert_int_equal(act(&s, activity(m, "nothing")), 0);
	assert_int_equal(s.entry.n_postings, 0);
	assert_int_equal(stage_member(&s, m)->spend, 0);
	c.u.activity.amount = dec("1.0");
	assert_int_equal(stage_play(&s, &c), LEDGER_INVALID_ARGUMENT);
	c.u.activity.amount = dec("-1");
	assert_int_equal(stage_play(&s, &c), LEDGER_INVALID_ARGUMENT);
	c = activity(m, "review");
	c.u.activity.names_purchase = true;
	assert_int_equal(stage_play(&s, &c), LEDGER_NOT_FOUND);
	assert_string_equal(s.refusal.field, "purchase");
	c = activity(99, "review");
	assert_int_equal(stage_play(&s, &c), LEDGER_NOT_FOUND);
	stage_release(&s);
}

static void
enrolment_earns(void **state)
{
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	on(add(&def, fixed("welcome", 10, RULE_BASE, "100")), ON_ENROL);
	on(add(&def, fixed("spring", 20, RULE_BONUS, "7")), ON_ENROL)->when.until = "2026-03-31";
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, "1.5");
	def.tiers[1] = tier_of("gold", 1, "points_earned", "157", NULL);
	uint64_t m = begin(&s, &def, "2026-03-31T10:00:00");
	assert_int_equal(stage_granted(&s), 157);
	assert_int_equal(stage_member(&s, m)->available, 157);
	assert_string_equal(s.entry.touched[0].tier, "gold");	/* from the next event */
	stage_at(&s, "2026-04-01T00:00:00");
	uint64_t other = stage_enrol(&s);
	assert_int_equal(stage_granted(&s), 150);
	assert_string_equal(s.entry.touched[0].tier, "green");
	assert_int_equal(stage_member(&s, other)->points_earned, 150);
	assert_int_equal(buy(&s, other, "100"), 0);
	stage_release(&s);
}

static struct rule_def
counter(const char *id, uint32_t priority, const char *which, uint32_t add_each, bool per_each_item)
{
	struct rule_def r = rule(id, priority, RULE_COUNTER);

	r.has_counter = r.has_counter_add = true;
	r.counter = which;
	r.counter_add = add_each;
	r.counter_per_item = per_each_item;
	return r;
}

static void
counters_count(void **state)
{
	static const char *const names[] = { "nights", "drinks" };
	struct program_def def = program("KRW");
	struct stage s;
	const struct line lines[] = { { .category = "drink", .qty = 3, .amount = dec("300") }, { .category = "food", .qty = 9, .amount = dec("1") } };

	(void)state;
	def.counters = (struct word_list){ 2, names };
	on(add(&def, counter("stay", 10, "nights", 1, false)), ON_ACTIVITY)->when.activity = "night";
	add(&def, counter("per-drink", 20, "drinks", 2, true))->when.categories = one(drink);
	struct rule_def *r = add(&def, counter("visit", 30, "nights", 5, false));
	r->n_caps = 1;
	r->caps[0] = cap(PERIOD_DAY, NULL, 2, CAP_CLIP, NULL);
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	struct cmd c = activity(m, "night");
	c.u.activity.qty = 4;
	assert_int_equal(act(&s, c), 0);
	assert_int_equal(s.entry.n_postings, 0);
	assert_int_equal(stage_member(&s, m)->counters[0], 4);
	(void)buy_lines(&s, m, "1000", NULL, lines, 2);
	assert_int_equal(stage_member(&s, m)->counters[0], 9);
	assert_int_equal(stage_member(&s, m)->counters[1], 6);
	(void)buy(&s, m, "1000");
	(void)buy(&s, m, "1000");
	assert_int_equal(stage_member(&s, m)->counters[0], 14);	/* twice a day */
	assert_int_equal(buy(&s, m, "0"), 0);
	assert_int_equal(stage_member(&s, m)->counters[0], 14);
	stage_at(&s, "2026-03-13T00:00:00");
	(void)buy(&s, m, "1000");
	assert_int_equal(stage_member(&s, m)->counters[0], 19);
	assert_int_equal(stage_member(&s, m)->n_days, 2);
	assert_int_equal(stage_member(&s, m)->counts[0].count, 14);
	struct balance b = stage_balance(&s, m);
	assert_int_equal(b.n_counters, 2);
	assert_string_equal(b.counters[0].id, "nights");
	assert_int_equal(b.counters[0].value, 19);
	assert_int_equal(b.counters[1].value, 6);
	assert_int_equal(b.n_remainders, 0);
	stage_release(&s);
}

/* ---- points that wait ---- */

static struct program_def
waiting(void (*set)(struct pending_def *p))
{
	struct program_def def = program("KRW");
	struct rule_def *r = add(&def, per_amount("base", 10, "1", "1", false));

	r->pending.given = true;
	set(&r->pending);
	add(&def, fixed("gift", 20, RULE_BONUS, "5"));
	def.expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 10 };
	def.n_tiers = 2;
	def.tiers[0] = tier_of("green", 0, NULL, NULL, NULL);
	def.tiers[1] = tier_of("gold", 1, "points_earned", "100", "2");
	return def;
}

static void days_14(struct pending_def *p) { p->has_days = true; p->days = 14; }
static void days_0(struct pending_def *p) { p->has_days = true; }
static void next_month(struct pending_def *p) { p->next_month_start = true; }
static void delivered(struct pending_def *p) { p->on_activity = "delivered"; p->has_within_days = true; p->within_days = 3; }

static const struct {
	const char *name;
	void (*set)(struct pending_def *p);
	const char *bought, *before, *at;
} waits_for[] = {
	{ "fourteen days", days_14, "2026-03-12T10:00:00", "2026-03-25T23:59:59", "2026-03-26T00:00:00" },
	{ "the next month", next_month, "2026-03-12T10:00:00", "2026-03-31T23:59:59", "2026-04-01T00:00:00" },
	{ "the next month, from its eve", next_month, "2026-12-31T23:59:59", "2026-12-31T23:59:59", "2027-01-01T00:00:00" },
	{ "the next month, from its first", next_month, "2026-03-01T00:00:00", "2026-03-31T23:59:59", "2026-04-01T00:00:00" },
};

static void
points_wait_for_their_day(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(waits_for) / sizeof(waits_for[0]); i++) {
		struct program_def def = waiting(waits_for[i].set);
		struct stage s;
		uint64_t m = begin(&s, &def, "2026-03-01T00:00:00");
		const struct member *member = stage_member(&s, m);

		go(&s, waits_for[i].bought);
		assert_int_equal(buy(&s, m, "100"), 105);
		assert_int_equal(member->available, 5);
		assert_int_equal(member->pending, 100);
		assert_int_equal(member->points_earned, 5);
		go(&s, waits_for[i].before);
		if (member->pending != 100)
			fail_msg("%s: too early", waits_for[i].name);
		stage_at(&s, waits_for[i].at);
		if (member->pending != 0)
			fail_msg("%s: too late", waits_for[i].name);
		assert_int_equal(member->n_pendings, 0);
		assert_int_equal(member->points_earned, 105);
		assert_string_equal(stage_balance(&s, m).tier, "gold");		/* they count when they activate */
		assert_int_equal(member->tier.since, zone_day(&s.live.programs[0].versions[0]->zone, s.now_us));
		assert_int_equal(member->lots[member->n_lots - 1].last_day, member->tier.since + 10);
		stage_release(&s);
	}
}

static void
no_days_are_at_once(void **state)
{
	struct program_def def = waiting(days_0);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-03-01T00:00:00");
	assert_int_equal(buy(&s, m, "95"), 100);
	assert_int_equal(stage_member(&s, m)->available, 100);
	assert_string_equal(stage_balance(&s, m).tier, "gold");
	stage_release(&s);
}

static void
an_activity_completes_its_purchase(void **state)
{
	struct program_def def = waiting(delivered);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	const struct member *member = stage_member(&s, m);
	(void)buy(&s, m, "40");
	struct entry_id first = s.id;
	(void)buy(&s, m, "60");
	struct entry_id second = s.id;
	stage_at(&s, "2026-03-15T23:59:59");
	struct cmd c = activity(m, "shipped");
	c.u.activity.names_purchase = c.u.activity.found = true;
	c.u.activity.purchase = second;
	(void)act(&s, c);					/* not what it waits for */
	assert_int_equal(member->pending, 100);
	(void)act(&s, activity(m, "delivered"));		/* names no purchase */
	assert_int_equal(member->pending, 100);
	c.u.activity.activity = "delivered";
	(void)act(&s, c);
	assert_int_equal(member->pending, 40);
	assert_int_equal(member->available, 70);
	assert_int_equal(member->points_earned, 70);
	assert_int_equal(member->lots[member->n_lots - 1].last_day, day("2026-03-25"));
	(void)act(&s, c);					/* once */
	assert_int_equal(member->available, 70);
	stage_at(&s, "2026-03-16T00:00:00");			/* the first midnight after three days */
	assert_int_equal(member->pending, 0);
	assert_int_equal(member->available, 70);
	assert_int_equal(s.live.programs[0].totals.account[ACCOUNT_CLAWED], 40);
	c.u.activity.purchase = first;
	(void)act(&s, c);
	assert_int_equal(member->available, 70);
	stage_release(&s);
}

/* Pending cancelled, then activated, then lots expire: all at one midnight. */
static void
the_night_begins_with_what_waits(void **state)
{
	struct program_def def = waiting(delivered);
	struct stage s;

	(void)state;
	struct rule_def *r = add(&def, fixed("later", 30, RULE_BONUS, "7"));
	r->pending = (struct pending_def){ .given = true, .has_days = true, .days = 4 };
	r->expiry = (struct expiry_def){ .given = true, .has_days = true, .days = 1 };
	def.expiry.days = 3;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	(void)buy(&s, m, "40");
	const struct program *p = s.live.programs[0].versions[0];
	static const enum due_kind order[] = { DUE_LAPSE, DUE_ACTIVATE, DUE_EXPIRE };
	s.now_us = zone_midnight_us(&p->zone, day("2026-03-16"));
	for (size_t i = 0; i < 3; i++) {
		struct due due;

		assert_true(due_next(stage_member(&s, m), p, s.now_us, &due));
		assert_int_equal(due.kind, order[i]);
		assert_true(due.at_us == s.now_us);
		assert_int_equal(decide_due(&s.live.state, 1, m, &due, &s.arena, &s.entry), ST_OK);
		assert_string_equal(s.entry.principal, "system");
		stage_apply(&s);
	}
	assert_int_equal(stage_member(&s, m)->available, 7);
	assert_int_equal(stage_member(&s, m)->lots[0].last_day, day("2026-03-17"));	/* the rule's own term, from its start */
	stage_release(&s);
}

static void
debt_is_paid_when_they_activate(void **state)
{
	struct program_def def = waiting(days_14);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	struct memory_state *both[] = { &s.live, &s.replay };
	for (size_t i = 0; i < 2; i++) {
		memory_member(both[i], 1, m)->debt = 30;
		both[i]->programs[0].totals.account[ACCOUNT_DEBT] = -30;
		both[i]->programs[0].totals.account[ACCOUNT_ADVANCED] = 30;
	}
	(void)buy(&s, m, "40");
	assert_int_equal(stage_member(&s, m)->debt, 25);	/* the gift of 5 */
	assert_int_equal(stage_member(&s, m)->pending, 40);
	stage_at(&s, "2026-03-26T00:00:00");
	assert_int_equal(stage_member(&s, m)->debt, 0);
	assert_int_equal(stage_member(&s, m)->available, 15);
	assert_int_equal(stage_member(&s, m)->points_earned, 45);
	stage_release(&s);
}

/* A late event whose day is over already activates in the same transaction, dated to its day. */
static void
late_points_have_waited_already(void **state)
{
	struct program_def def = waiting(days_14);
	struct stage s;

	(void)state;
	def.expiry.days = 40;
	uint64_t m = begin(&s, &def, "2026-03-01T10:00:00");
	stage_at(&s, "2026-04-10T10:00:00");
	assert_int_equal(buy_at(&s, m, "40", "2026-03-05T10:00:00"), 45);
	assert_int_equal(stage_member(&s, m)->pending, 0);
	assert_int_equal(stage_member(&s, m)->lots[1].last_day, day("2026-04-28"));	/* 19 March + 40 */
	stage_release(&s);
}

/* Terms are those of the day of earning, whatever a later version says. */
static void
terms_are_of_the_day_of_earning(void **state)
{
	struct program_def def = waiting(days_14);
	struct stage s;

	(void)state;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	(void)buy(&s, m, "40");
	def.expiry.days = 99;
	def.rules[0].expiry = (struct expiry_def){ .given = true, .never = true };
	stage_publish(&s, &def);
	(void)buy(&s, m, "50");
	stage_at(&s, "2026-03-26T00:00:00");
	const struct member *member = stage_member(&s, m);
	assert_int_equal(member->available, 5 + 40 + 50);	/* the first gift is gone */
	assert_int_equal(member->lots[0].last_day, day("2026-04-05"));
	assert_int_equal(member->lots[0].points, 40);
	assert_int_equal(member->lots[2].last_day, DAY_NEVER);
	assert_int_equal(member->lots[2].points, 50);
	stage_release(&s);
}

static void
a_share_waits_with_the_base(void **state)
{
	struct program_def def = waiting(days_14);
	struct stage s;

	(void)state;
	add(&def, multiplier("with-base", 30, "2"));
	struct rule_def *r = add(&def, multiplier("at-once", 40, "2"));
	days_0(&r->pending);
	r->pending.given = true;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "10"), 35);
	assert_int_equal(stage_member(&s, m)->pending, 20);
	assert_int_equal(stage_member(&s, m)->available, 15);
	assert_int_equal(stage_member(&s, m)->n_pendings, 1);
	stage_release(&s);
}

static void
too_many_rows_wait(void **state)
{
	struct program_def def = waiting(delivered);
	struct stage s;

	(void)state;
	def.rules[0].pending.within_days = 90;
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	for (size_t i = 0; i < LEDGER_PENDINGS_MAX; i++)
		(void)buy(&s, m, "1");
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_CAP_REACHED);
	assert_int_equal(stage_purchase(&s, m, "0"), LEDGER_OK);
	stage_release(&s);
}

/* ---- segments ---- */

static void
segments_are_told_and_recorded(void **state)
{
	static const char *const staff[] = { "staff", "student" };
	static const char *const mine[] = { "north", "student" };
	struct program_def def = program("KRW");
	struct stage s;

	(void)state;
	add(&def, fixed("base", 10, RULE_BASE, "1"));
	add(&def, fixed("extra", 20, RULE_BONUS, "10"))->when.segments = (struct word_list){ 2, staff };
	uint64_t m = begin(&s, &def, "2026-03-12T10:00:00");
	assert_int_equal(buy(&s, m, "100"), 1);
	assert_int_equal(s.entry.n_segments, 0);
	struct cmd c = stage_cmd(OP_PURCHASE, m);
	c.u.purchase.amount = dec("100");
	c.n_segments = 2;
	c.segments = mine;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 11);
	assert_int_equal(s.entry.n_segments, 1);		/* what no rule names stays in the vault */
	assert_string_equal(s.entry.segments[0], "student");
	c.n_segments = 1;
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(stage_granted(&s), 1);
	stage_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(activities_earn),
		cmocka_unit_test(enrolment_earns),
		cmocka_unit_test(counters_count),
		cmocka_unit_test(points_wait_for_their_day),
		cmocka_unit_test(no_days_are_at_once),
		cmocka_unit_test(an_activity_completes_its_purchase),
		cmocka_unit_test(the_night_begins_with_what_waits),
		cmocka_unit_test(debt_is_paid_when_they_activate),
		cmocka_unit_test(late_points_have_waited_already),
		cmocka_unit_test(terms_are_of_the_day_of_earning),
		cmocka_unit_test(a_share_waits_with_the_base),
		cmocka_unit_test(too_many_rows_wait),
		cmocka_unit_test(segments_are_told_and_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
