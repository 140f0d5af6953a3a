/*
 * A program with every option that is compiled, in values small enough that members meet them within a year.  What program_compile() refuses
 * is not made, but for sums that only it can judge; then there is no life to live.  0 on the tape leaves an option out.
 */
#include "life.h"

#include <string.h>

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define PICK(t, array) ((array)[tape_draw((t), LEN(array))])

static const char *const tier_ids[TIERS_MAX] = { "green", "gold", "ruby" };
static const char *const rule_ids[RULES_MAX] = { "base", "second", "third", "fourth", "fifth", "sixth", "seventh" };
static const char *const voucher_ids[] = { "drink", "cookie", "mug" };
static const char *const counter_ids[] = { "nights", "flights" };
static const char *const categories[] = { "drink", "food", "gift" }, *const skus[] = { "latte", "cake" };
static const char *const stores[] = { "s1", "s2" }, *const partners[] = { "p1", "p2" }, *const segments[] = { "vip", "kids", "staff" };
static const char *const memberships[] = { "prime", "year" };
static const char *const weekdays[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* What versions have in common, and caps of groups: read once. */
struct maker {
	struct life *l;
	struct tape *t;
	struct program_def *def;
	const struct program_def *before;	/* the first version; NULL */
	struct cap_def groups[2];
	struct expiry_def clock;		/* the one inactivity */
};

const char *
any_text(struct life *l, int64_t value, unsigned scale)
{
	char *text = life_alloc(l, DECIMAL_TEXT_BYTES);

	return decimal_format(value, scale, text);
}

static unsigned
money_digits(const struct program_def *def)
{
	unsigned digits = 0;
	bool known = currency_digits(def->currency, &digits);

	return known ? digits : 0;
}

/* Points of some size, in units of the scale: from ${least} up. */
static const char *
any_points(struct maker *m, int64_t least, uint32_t most)
{
	static const int64_t tens[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };
	int64_t points = tape_chance(m->t, 70) ? (int64_t)tape_draw(m->t, most + 1) * tens[m->def->scale] : tape_draw(m->t, most + 1);

	return any_text(m->l, points < least ? least : points, m->def->scale);
}

static const char *
any_money(struct maker *m, int64_t least, uint32_t most)
{
	static const int64_t tens[] = { 1, 10, 100, 1000 };
	unsigned digits = money_digits(m->def);
	int64_t money = tape_chance(m->t, 70) ? (int64_t)tape_draw(m->t, most + 1) * tens[digits] : tape_draw(m->t, most + 1);

	return any_text(m->l, money < least ? least : money, digits);
}

/* One word at least, when any. */
static struct word_list
any_words(struct maker *m, const char *const *words, size_t n)
{
	const char **some = life_alloc(m->l, n * sizeof(*some));
	struct word_list list = { 0, some };

	for (size_t i = 0; i < n; i++) {
		if (tape_chance(m->t, 50))
			some[list.n++] = words[i];
	}
	if (list.n == 0)
		some[list.n++] = words[0];
	return list;
}
#define ANY_WORDS(m, array) any_words((m), (array), LEN(array))

/* ---- expiry ---- */

static struct expiry_def
any_expiry(struct maker *m)
{
	static const char *const names[] = { "purchase", "redeem", "stay", "adjust" };
	static const char *const days[] = { "12-31", "02-29", "06-30" };
	struct expiry_def e = { .given = true };
	struct tape *t = m->t;

	switch (tape_draw(t, 7)) {
	case 0: e.never = true; return e;
	case 1: e.has_days = true; e.days = 1 + tape_draw(t, 60); e.round_up = (enum round_up)tape_draw(t, 5); break;
	case 2: case 3: e.has_months = true; e.months = 1 + tape_draw(t, 9); e.round_up = (enum round_up)tape_draw(t, 5); break;
	case 4: e.has_years = true; e.years = 1; e.round_up = (enum round_up)tape_draw(t, 5); break;
	case 5: e.on = PICK(t, days); e.has_on_years = true; e.years = tape_draw(t, 2); break;
	default: return m->clock;
	}
	if (tape_chance(t, 40)) {
		struct word_list list = ANY_WORDS(m, names);
		e.n_refresh = list.n;
		e.refresh = list.v;
	}
	return e;
}

static void
any_clock(struct maker *m)
{
	static const char *const names[] = { "purchase", "redeem", "stay" };
	struct word_list list = ANY_WORDS(m, names);

	m->clock = (struct expiry_def){ .given = true, .inactivity = true, .has_inactivity_months = true, .has_percent = true,
	    .inactivity_months = 1 + tape_draw(m->t, 4), .percent = 100 - tape_draw(m->t, 99), .n_activities = list.n, .activities = list.v };
}

/* ---- the head ---- */

static struct zone
any_zone(struct tape *t, const char **ret_name)
{
	/* The second skips its midnight in spring, and has one twice in autumn. */
	static const struct zone_rule spring[2] = { { 'M', 3, 2, 0, 0, 2 * 3600 }, { 'M', 3, 5, 0, 0, 0 } };
	static const struct zone_rule autumn[2] = { { 'M', 11, 1, 0, 0, 2 * 3600 }, { 'M', 10, 5, 0, 0, 0 } };
	static const char *const names[] = { "UTC", "Asia/Seoul", "America/Los_Angeles", "Asia/Beirut" };
	static const int32_t standard_s[] = { 0, 9 * 3600, -8 * 3600, 2 * 3600 };
	uint32_t which = tape_draw(t, 4);
	struct zone zone = { .first_offset_s = standard_s[which], .has_rules = true, .standard_s = standard_s[which] };

	if (which >= 2) {
		zone.has_dst = true;
		zone.dst_s = standard_s[which] + 3600;
		zone.dst_begin = spring[which - 2];
		zone.dst_end = autumn[which - 2];
	}
	*ret_name = names[which];
	return zone;
}

static void
any_head(struct maker *m)
{
	static const char *const currencies[] = { "KRW", "USD", "KWD" };
	static const uint32_t scales[] = { 0, 2, 1, 3 };
	struct program_def *def = m->def;
	struct tape *t = m->t;

	def->id = "any";
	def->name = "Any";
	def->has_points = def->has_scale = true;
	def->unit = "point";
	def->currency = PICK(t, currencies);
	def->scale = PICK(t, scales);
	def->counters = (struct word_list){ tape_draw(t, 3), counter_ids };
	struct zone zone = any_zone(t, &def->timezone);
	if (m->before != NULL) {
		def->currency = m->before->currency;
		def->scale = m->before->scale;
		def->counters = m->before->counters;
		def->timezone = m->before->timezone;
	} else {
		m->l->zone = zone;
		m->l->timezone = def->timezone;
		m->l->manual = tape_chance(t, 50);
		m->l->n_people = 1 + tape_draw(t, 3);
	}
	def->rounding = (enum rounding_mode)tape_draw(t, 3);
	def->round_once = tape_chance(t, 30);
	def->stacking = (enum stacking)tape_draw(t, 3);
	def->carry_remainder = tape_chance(t, 30);
	if (tape_chance(t, 25))
		def->earn_per_day = any_points(m, 0, 60);
	if (tape_chance(t, 45))
		def->redeem_per_day = any_points(m, 0, 30);
	if (tape_chance(t, 40))
		def->adjust_without_approval = any_points(m, 0, 60);
	def->has_late_days = tape_chance(t, 40);
	def->late_days = tape_draw(t, 4) * 20;
	/* Every cap of a group has one limit. */
	for (size_t i = 0; i < 2; i++) {
		m->groups[i] = (struct cap_def){ .has_per = true, .has_count = i == 1, .per = (enum period)tape_draw(t, PERIOD_COUNT),
		    .group = i == 0 ? "shared" : "counted" };
		if (i == 0)
			m->groups[i].points = any_points(m, 0, 15);
		else
			m->groups[i].count = 1 + tape_draw(t, 3);
	}
	any_clock(m);
}

/* ---- sections ---- */

static void
any_birthday(struct maker *m)
{
	struct program_def *def = m->def;
	struct tape *t = m->t;

	def->has_birthday = true;
	def->birthday_points = any_points(m, 1, 50);
	def->birthday_days_before = tape_draw(t, 15);
	def->birthday_days_after = tape_draw(t, 15);
	def->guard_days = tape_chance(t, 30) ? tape_draw(t, 40) : 0;
	def->birthday_on_claim = tape_chance(t, 30);
	def->leap_to_march = tape_chance(t, 50);
	def->has_requires = def->has_within_months = tape_chance(t, 25);
	if (def->has_requires) {
		def->requires_points = any_points(m, 1, 20);
		def->within_months = 1 + tape_draw(t, 14);
	}
}

static void
any_redemption(struct maker *m)
{
	static const char *const ttls[] = { "90d", "90d", "30d", "1h" };
	struct program_def *def = m->def;
	struct tape *t = m->t;

	def->has_redemption = true;
	if (tape_chance(t, 50)) {
		def->value_points = any_points(m, 1, 100);
		def->value_amount = any_money(m, 1, 1000);
	}
	if (tape_chance(t, 30))
		def->redeem_min = any_points(m, 0, 20);
	if (tape_chance(t, 30))
		def->redeem_step = any_points(m, 1, 10);
	def->has_max_percent = tape_chance(t, 30);
	def->max_percent_of_order = tape_draw(t, 101);
	def->max_ttl = PICK(t, ttls);
	def->default_ttl = tape_chance(t, 30) ? "1h" : NULL;
	def->expire_at_once = tape_chance(t, 65);
}

static void
any_transfers(struct maker *m)
{
	struct program_def *def = m->def;
	struct tape *t = m->t;

	def->has_transfers = true;
	def->transfer_restarts = tape_chance(t, 40);
	if (tape_chance(t, 30))
		def->transfer_min = any_points(m, 0, 10);
	if (tape_chance(t, 30))
		def->out_per_year = any_points(m, 0, 100);
	if (tape_chance(t, 30))
		def->in_per_year = any_points(m, 0, 100);
	def->has_times_per_year = tape_chance(t, 30);
	def->times_per_year = def->has_times_per_year ? 1 + tape_draw(t, 3) : 0;
	def->transfer_days_min = tape_chance(t, 30) ? tape_draw(t, 40) : 0;
}

static void
any_returns(struct maker *m)
{
	struct program_def *def = m->def;
	struct tape *t = m->t;

	def->claw_back = (enum claw_back)tape_draw(t, 3);
	def->restore = (enum restore)tape_draw(t, 3);
	def->restore_days = def->restore == RESTORE_GRACE ? 1 + tape_draw(t, 30) : 0;
	def->has_advance = tape_chance(t, 60);
	if (def->has_advance)
		def->advance_max = any_points(m, 1, 200);
}

static void
any_households(struct maker *m)
{
	static const char *const prices[] = { "1", "2/3", "0.05" }, *const multipliers[] = { "1", "1.2", "1.5", "2" };
	struct program_def *def = m->def;
	struct tape *t = m->t;

	def->n_partners = tape_chance(t, 40) ? LEN(partners) : 0;
	for (size_t i = 0; i < def->n_partners; i++)
		def->partners[i] = (struct partner_def){ .id = partners[i], .issue_price = PICK(t, prices), .redeem_price = PICK(t, prices),
		    .has_settlement = true, .prepaid = tape_chance(t, 30) };
	def->has_pools = def->has_max_members = tape_chance(t, 60);
	def->max_members = 2 + tape_draw(t, 3);
	def->n_memberships = LEN(memberships);
	for (size_t i = 0; i < def->n_memberships; i++)
		def->memberships[i] = (struct membership_def){ .id = memberships[i], .fee = any_money(m, 0, 20), .has_term = true, .annual = i == 1,
		    .trial_days = tape_draw(t, 40), .grace_days = tape_draw(t, 12), .refund_if_unused = tape_chance(t, 50),
		    .earn_multiplier = tape_chance(t, 60) ? PICK(t, multipliers) : NULL };
}

static void
any_sections(struct maker *m)
{
	static const uint32_t expiring[] = { 30, 7, 0 }, downgrade[] = { 30, 1 };
	struct program_def *def = m->def;
	struct tape *t = m->t;

	if (tape_chance(t, 85))
		def->expiry = any_expiry(m);
	if (tape_chance(t, 85))
		any_redemption(m);
	any_returns(m);
	any_households(m);
	if (tape_chance(t, 70))
		any_transfers(m);
	if (tape_chance(t, 50))
		any_birthday(m);
	def->has_anniversary = def->has_anniversary_of = tape_chance(t, 40);
	if (def->has_anniversary)
		def->anniversary_points = any_points(m, 1, 50);
	def->has_notices = tape_chance(t, 40);
	if (def->has_notices) {
		def->n_expiring_days = tape_draw(t, 4);
		def->expiring_days = expiring;
		def->n_downgrade_days = tape_draw(t, 3);
		def->downgrade_days = downgrade;
	}
}

/* ---- vouchers ---- */

/* All of them from the start, so that the second version has what the first has issued; their terms may be others. */
static void
any_vouchers(struct maker *m)
{
	struct tape *t = m->t;

	if (!tape_chance(t, 60))
		return;
	m->def->n_vouchers = LEN(voucher_ids);
	for (size_t i = 0; i < LEN(voucher_ids); i++) {
		struct voucher_def *v = &m->def->vouchers[i];
		uint32_t term = tape_draw(t, 4);

		*v = (struct voucher_def){ .id = voucher_ids[i], .name = voucher_ids[i] };
		v->valid.given = term > 0;
		v->valid.has_days = term == 1;
		v->valid.has_months = term == 2;
		v->valid.has_years = term == 3;
		v->valid.days = tape_draw(t, 40);
		v->valid.months = v->valid.years = 1;
		if (tape_chance(t, 60))
			v->value = any_money(m, 1, 9);
	}
}

/* What brings vouchers besides rules. */
static void
any_rewards(struct maker *m)
{
	static const char *const ids[] = { "small", "large" };
	struct program_def *def = m->def;
	struct tape *t = m->t;

	for (size_t i = 0; i < LEN(ids) && def->n_vouchers > 0 && tape_chance(t, 60); i++) {
		struct reward_def *r = &def->rewards[def->n_rewards++];

		*r = (struct reward_def){ .id = ids[i], .cost = any_points(m, 1, 30), .voucher = PICK(t, voucher_ids), .has_stock = tape_chance(t, 50) };
		r->stock = tape_draw(t, 4);
		r->per_member.given = r->per_member.has_count = r->per_member.has_per = tape_chance(t, 50);
		r->per_member.count = 1 + tape_draw(t, 2);
		r->per_member.per = (enum period)(PERIOD_DAY + tape_draw(t, 4));
	}
	def->has_auto_redeem = def->n_vouchers > 0 && tape_chance(t, 25);
	if (def->has_auto_redeem) {		/* so many that a life has some hundred vouchers at most */
		uint32_t unit = def->scale == 0 ? 1 : 100;
		def->auto_at = any_points(m, 20 * unit, 120 * unit);
		def->auto_voucher = PICK(t, voucher_ids);
	}
}

static void
any_cards(struct maker *m)
{
	static const char *const ids[] = { "card", "other" };
	static const char *const drinks[] = { "drink" };
	struct program_def *def = m->def;
	struct tape *t = m->t;

	for (size_t i = 0; i < LEN(ids) && def->n_vouchers > 0 && tape_chance(t, 60); i++) {
		struct card_def *c = &def->cards[def->n_cards++];

		*c = (struct card_def){ .id = ids[i], .voucher = PICK(t, voucher_ids), .has_per_item = true, .per_item = 1 + tape_draw(t, 2), .has_size = true,
		    .size = 3 + tape_draw(t, 8), .drop = tape_chance(t, 30) };
		c->cap.given = c->cap.has_count = c->cap.has_per = tape_chance(t, 50);
		c->cap.count = 1 + tape_draw(t, 8);
		c->cap.per = (enum period)tape_draw(t, PERIOD_COUNT);
		for (uint32_t at = 1; at < c->size && c->n_milestones < 2; at += 1 + tape_draw(t, 4)) {
			if (tape_chance(t, 50))
				c->milestones[c->n_milestones++] = (struct milestone_def){ true, at, PICK(t, voucher_ids) };
		}
		c->valid.given = c->valid.has_days = tape_chance(t, 40);
		c->valid.days = 1 + tape_draw(t, 40);
		if (tape_chance(t, 40))
			c->when.categories = (struct word_list){ 1, drinks };
		if (tape_chance(t, 30))
			c->when.min_amount = any_money(m, 0, 40);
		if (tape_chance(t, 15))
			c->when.min_gap = "1h";
	}
}

/* A voucher instead of points. */
static void
any_day_vouchers(struct maker *m)
{
	struct program_def *def = m->def;

	if (def->n_vouchers > 0 && def->has_birthday && tape_chance(m->t, 50)) {
		def->birthday_points = NULL;
		def->birthday_voucher = PICK(m->t, voucher_ids);
	}
	if (def->n_vouchers > 0 && def->has_anniversary && tape_chance(m->t, 50)) {
		def->anniversary_points = NULL;
		def->anniversary_voucher = PICK(m->t, voucher_ids);
	}
}

/* ---- tiers ---- */

static void
any_reach(struct maker *m, struct all_def *any, size_t *ret_n, uint32_t most)
{
	static const char *const metrics[] = { "points_earned", "balance", "spend", "visits", "nights", "flights" };
	struct tape *t = m->t;

	*ret_n = 1 + tape_draw(t, 2);
	for (size_t i = 0; i < *ret_n; i++) {
		any[i].n = 1 + tape_chance(t, 25);
		for (size_t k = 0; k < any[i].n; k++) {
			struct threshold_def *threshold = &any[i].thresholds[k];
			uint32_t metric = tape_draw(t, 4 + (uint32_t)m->def->counters.n);

			threshold->metric = metrics[metric];
			threshold->at_least = metric < 2 ? any_points(m, 0, most) : metric == 2 ? any_money(m, 0, most * 20) :
			    any_text(m->l, tape_draw(t, 6), 0);
		}
	}
}

static void
any_tier(struct maker *m, size_t rank, struct tier_def *tier)
{
	static const char *const multipliers[] = { "1", "1.2", "1.5", "2", "1.333333" };
	struct tape *t = m->t;

	*tier = (struct tier_def){ .id = tier_ids[rank], .has_rank = true, .rank = (uint32_t)rank };
	if (tape_chance(t, 40))
		tier->earn_multiplier = PICK(t, multipliers);
	if (tape_chance(t, 30))
		tier->expiry = any_expiry(m);
	tier->all_open = tape_chance(t, 30);
	tier->forfeits_stamps = m->def->n_cards > 0 && tape_chance(t, 30);
	tier->has_birthday_window = m->def->has_birthday && tape_chance(t, 30);
	tier->birthday_days_before = tape_draw(t, 20);
	tier->birthday_days_after = tape_draw(t, 20);
	tier->window = (enum window_kind)tape_draw(t, 4);
	tier->rolling_months = tier->window == WINDOW_ROLLING_MONTHS ? 1 + tape_draw(t, 12) : 0;
	if (rank == 0)
		return;
	tier->has_reach = true;
	any_reach(m, tier->any, &tier->n_any, rank == 1 ? 60 : 300);
	tier->has_keep = tape_chance(t, 40);
	if (tier->has_keep)
		any_reach(m, tier->keep, &tier->n_keep, 60);
	tier->has_valid = tape_chance(t, 80);
	if (tier->has_valid) {
		tier->valid = (enum valid_kind)tape_draw(t, 4);
		tier->valid_months = 1 + tape_draw(t, 6);
		tier->valid_round_up = tier->valid == VALID_MONTHS ? (enum round_up)tape_draw(t, 5) : ROUND_UP_NONE;
	}
	tier->has_downgrade = tape_chance(t, 60);
	tier->downgrade = (enum downgrade)tape_draw(t, 3);
	tier->has_grace = tape_chance(t, 60);
	tier->grace_months = 1 + tape_draw(t, 2);
	tier->grace_round_up = tier->has_grace ? (enum round_up)tape_draw(t, 5) : ROUND_UP_NONE;
}

/* A further version keeps every tier. */
static void
any_tiers(struct maker *m, size_t first_block)
{
	size_t n = m->before == NULL ? 0 : m->before->n_tiers;

	for (size_t i = 0; i < TIERS_MAX; i++) {
		tape_seek(m->t, first_block + i);
		if (!tape_chance(m->t, 70) && i >= n)
			continue;
		if (m->def->n_tiers < i)
			return;			/* no tier without those below it */
		any_tier(m, i, &m->def->tiers[m->def->n_tiers++]);
	}
}

/* ---- rules ---- */

static void
any_measure(struct maker *m, struct rule_def *r)
{
	static const char *const multipliers[] = { "2", "1", "1.5", "3", "1.1", "10" };
	struct tape *t = m->t;
	uint32_t what = r->on == ON_ENROL ? 1 : tape_draw(t, 4);

	switch (r->kind) {
	case RULE_MULTIPLIER:
		r->multiply = PICK(t, multipliers);
		return;
	case RULE_COUNTER:
		/* One rule for each counter, so that a counter shows what its rule did. */
		r->has_counter = true;
		r->counter = counter_ids[m->def->counters.n == 1 ? 0 : r->priority % 2];
		r->has_counter_add = true;
		r->counter_add = 1 + tape_draw(t, 3);
		r->counter_per_item = r->on == ON_PURCHASE && tape_chance(t, 30);
		return;
	case RULE_VOUCHER:
		r->voucher = PICK(t, voucher_ids);
		return;
	case RULE_BASE: case RULE_BONUS:
		break;
	}
	r->has_fixed = what == 1;
	r->has_per_item = what == 2;
	r->has_per_amount = what == 0 || what == 3;
	r->points = any_points(m, 0, r->has_per_amount ? 3 : 20);
	if (r->has_per_amount) {
		r->amount = any_money(m, 1, 10);
		r->whole_steps = tape_chance(t, 40);
	}
}

static void
any_times(struct maker *m, struct when_def *w)
{
	static const char *const gaps[] = { "3m", "2h", "1d", "10d" }, *const hours[] = { "07:00-09:30", "22:00-06:00", "09:00-24:00" };
	static const char *const dates[] = { "2027-03-01", "2027-06-15", "2027-12-31", "2028-02-29" };
	struct tape *t = m->t;

	if (tape_chance(t, 15))
		w->min_gap = PICK(t, gaps);
	if (tape_chance(t, 10))
		w->hours = PICK(t, hours);
	if (tape_chance(t, 10))
		w->weekdays = ANY_WORDS(m, weekdays);
	uint32_t from = tape_draw(t, LEN(dates));
	if (tape_chance(t, 10))
		w->from = dates[from];
	if (tape_chance(t, 10))
		w->until = dates[from + tape_draw(t, (uint32_t)(LEN(dates) - from))];
}

static void
any_when(struct maker *m, struct rule_def *r)
{
	struct when_def *w = &r->when;
	struct tape *t = m->t;

	if (r->on != ON_ENROL) {
		if (tape_chance(t, 12))
			w->membership = PICK(t, memberships);
		if (tape_chance(t, 15))
			w->min_amount = any_money(m, 0, 50);
		if (tape_chance(t, 10))
			w->max_amount = any_text(m->l, 100000000, money_digits(m->def));
		if (tape_chance(t, 10))
			w->partners = ANY_WORDS(m, partners);
	}
	if (r->on == ON_PURCHASE) {
		if (tape_chance(t, 15))
			w->categories = ANY_WORDS(m, categories);
		if (tape_chance(t, 10))
			w->skus = ANY_WORDS(m, skus);
		if (tape_chance(t, 15))
			w->exclude_categories = any_words(m, &categories[1], 2);
	}
	if (r->on == ON_ACTIVITY && tape_chance(t, 40))
		w->activity = tape_chance(t, 50) ? "delivered" : "stay";
	if (tape_chance(t, 10))
		w->stores = ANY_WORDS(m, stores);
	if (tape_chance(t, 15) && m->def->n_tiers > 0)
		w->tiers = any_words(m, tier_ids, m->def->n_tiers);
	if (tape_chance(t, 15))
		w->segments = ANY_WORDS(m, segments);
	w->has_first_purchase = w->first_purchase = tape_chance(t, 8);
	w->has_member_days_min = tape_chance(t, 8);
	w->member_days_min = tape_draw(t, 40);
	w->has_previous_month_spend = tape_chance(t, 10);
	if (w->has_previous_month_spend) {
		w->previous_min = any_money(m, 0, 500);
		w->waive_months = tape_draw(t, 3);
	}
	any_times(m, w);
}

/* With rounding at once there is nothing whole to cap in steps that are not. */
static bool
may_have_caps(const struct maker *m, const struct rule_def *r)
{
	return !m->def->round_once || (r->kind != RULE_MULTIPLIER && (!r->has_per_amount || r->whole_steps));
}

static void
any_caps(struct maker *m, struct rule_def *r)
{
	struct tape *t = m->t;
	bool falls_back = r->replaces != NULL && r->has_per_amount, seen[PERIOD_COUNT][2] = { { false } };
	size_t wanted = may_have_caps(m, r) ? tape_draw(t, 4) : 0;

	for (size_t i = 0; i < wanted; i++) {
		struct cap_def cap = { .has_per = true, .per = (enum period)tape_draw(t, PERIOD_COUNT) };
		enum cap_over over = falls_back && tape_chance(t, 60) ? CAP_FALLBACK : (enum cap_over)tape_draw(t, 2);

		cap.has_count = r->kind == RULE_COUNTER || r->kind == RULE_VOUCHER || tape_chance(t, 30);
		if (cap.has_count)
			cap.count = 1 + tape_draw(t, 3);
		else
			cap.points = any_points(m, 0, 30);
		if (seen[cap.per][cap.has_count])
			continue;
		seen[cap.per][cap.has_count] = true;
		cap.over = over;
		r->caps[r->n_caps++] = cap;
	}
	for (size_t i = 0; i < 2; i++) {
		if (!may_have_caps(m, r) || ((r->kind == RULE_COUNTER || r->kind == RULE_VOUCHER) && i == 0) || !tape_chance(t, 30))
			continue;
		r->caps[r->n_caps] = m->groups[i];
		r->caps[r->n_caps++].over = (enum cap_over)tape_draw(t, falls_back ? 3 : 2);
	}
}

static void
any_pending(struct maker *m, struct rule_def *r)
{
	struct pending_def *p = &r->pending;
	struct tape *t = m->t;

	p->given = true;
	switch (tape_draw(t, r->on == ON_PURCHASE ? 3 : 2)) {
	case 0: p->has_days = true; p->days = tape_draw(t, 30); break;
	case 1: p->next_month_start = true; break;
	default: p->on_activity = "delivered"; p->has_within_days = true; p->within_days = tape_draw(t, 40); break;
	}
}

/* A base rule of the same kind of event before it that replaces none itself. */
static const char *
any_replaced(struct maker *m, const struct rule_def *r)
{
	const struct program_def *def = m->def;

	for (size_t i = 0; i < def->n_rules; i++) {
		const struct rule_def *other = &def->rules[i];
		if (other->kind == RULE_BASE && other->on == r->on && other->replaces == NULL && tape_chance(m->t, 60))
			return other->id;
	}
	return NULL;
}

static bool
counter_is_taken(const struct maker *m, const struct rule_def *r)
{
	for (size_t i = 0; i < m->def->n_rules; i++) {
		if (m->def->rules[i].has_counter && m->def->rules[i].counter == r->counter)
			return true;
	}
	return false;
}

static void
any_rule(struct maker *m, size_t i)
{
	static const enum rule_on events[] = { ON_PURCHASE, ON_PURCHASE, ON_PURCHASE, ON_PURCHASE, ON_ACTIVITY, ON_ACTIVITY, ON_ENROL };
	static const enum rule_kind kinds[] = { RULE_BASE, RULE_BASE, RULE_BASE, RULE_BONUS, RULE_BONUS, RULE_MULTIPLIER, RULE_MULTIPLIER, RULE_COUNTER,
	    RULE_VOUCHER };
	struct tape *t = m->t;
	struct rule_def r = { .id = rule_ids[i], .has_priority = true, .has_kind = true };

	r.on = i == 0 ? ON_PURCHASE : PICK(t, events);
	r.kind = i == 0 ? RULE_BASE : PICK(t, kinds);
	r.priority = 100 - (uint32_t)i * 10 + tape_draw(t, 10);
	if (tape_chance(t, 50))
		r.priority = 200 + (uint32_t)i;
	if (r.kind == RULE_COUNTER && m->def->counters.n == 0)
		r.kind = RULE_BONUS;
	if (r.kind == RULE_VOUCHER && m->def->n_vouchers == 0)
		r.kind = RULE_BONUS;
	any_measure(m, &r);
	if (r.kind == RULE_COUNTER && counter_is_taken(m, &r))
		return;
	if (r.kind == RULE_BASE && tape_chance(t, 40))
		r.replaces = any_replaced(m, &r);
	any_caps(m, &r);
	bool gives_points = r.kind != RULE_COUNTER && r.kind != RULE_VOUCHER;
	if (gives_points && tape_chance(t, 25))
		any_pending(m, &r);
	if (gives_points && tape_chance(t, 20))
		r.expiry = any_expiry(m);
	r.expiry.n_refresh = 0;			/* it goes with the program's expiry, or a tier's */
	any_when(m, &r);
	m->def->rules[m->def->n_rules++] = r;
}

struct program_def *
any_program(struct life *l, unsigned version)
{
	size_t first = (size_t)version * BLOCKS_OF_PROGRAM;
	struct maker m = { .l = l, .t = l->tape, .def = life_alloc(l, sizeof(*m.def)), .before = version == 0 ? NULL : l->defs[0] };

	tape_seek(m.t, first + BLOCK_HEAD);
	any_head(&m);
	tape_seek(m.t, first + BLOCK_SECTIONS);
	any_sections(&m);
	tape_seek(m.t, first + BLOCK_VOUCHERS);
	any_vouchers(&m);
	any_rewards(&m);
	any_cards(&m);
	any_day_vouchers(&m);
	any_tiers(&m, first + BLOCK_TIERS);
	for (size_t i = 0; i < RULES_MAX; i++) {
		tape_seek(m.t, first + BLOCK_RULES + i);
		if (tape_chance(m.t, i == 0 ? 95 : 60))
			any_rule(&m, i);
	}
	return m.def;
}
