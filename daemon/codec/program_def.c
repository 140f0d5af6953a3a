/* A program's message as struct program_def: its texts as they are.  What they mean, and whether they may stand together, is program_compile()'s. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "codec/scan.h"
#include "codec/text_message.h"
#include "program.pb-c.h"

typedef Fealty__Program__V1__Program PbProgram;

/* ---- filling in ---- */

static enum round_up
round_up_of(Fealty__Program__V1__RoundUp__Of v)
{
	switch (v) {
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__none: return ROUND_UP_NONE;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__month: return ROUND_UP_MONTH;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__quarter: return ROUND_UP_QUARTER;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__half_year: return ROUND_UP_HALF_YEAR;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__year: return ROUND_UP_YEAR;
	default: break;			/* protobuf-c adds a value to its enums; scan_message() lets none but ours through */
	}
	assert(false);
	return ROUND_UP_NONE;
}

static enum rounding_mode
rounding_of(Fealty__Program__V1__RoundingMode__Of v)
{
	switch (v) {
	case FEALTY__PROGRAM__V1__ROUNDING_MODE__OF__floor: return ROUNDING_FLOOR;
	case FEALTY__PROGRAM__V1__ROUNDING_MODE__OF__nearest: return ROUNDING_NEAREST;
	case FEALTY__PROGRAM__V1__ROUNDING_MODE__OF__ceil: return ROUNDING_CEIL;
	default: break;
	}
	assert(false);
	return ROUNDING_FLOOR;
}

static void
fill_expiry(struct expiry_def *def, const Fealty__Program__V1__Expiry *e)
{
	if (e == NULL)
		return;
	*def = (struct expiry_def){
		.given = true,
		.never = e->term_case == FEALTY__PROGRAM__V1__EXPIRY__TERM_NEVER,
		.round_up = e->has_round_up_to ? round_up_of(e->round_up_to) : ROUND_UP_NONE,
	};
	def->on = e->on;
	def->has_on_years = e->has_years;
	def->years = e->years;
	def->n_refresh = e->n_refresh_on;
	def->refresh = (const char *const *)e->refresh_on;
	if (e->term_case == FEALTY__PROGRAM__V1__EXPIRY__TERM_INACTIVITY) {
		def->inactivity = true;
		def->has_inactivity_months = e->inactivity->has_months;
		def->inactivity_months = e->inactivity->months;
		def->n_activities = e->inactivity->n_activities;
		def->activities = (const char *const *)e->inactivity->activities;
		def->has_percent = e->inactivity->has_percent;
		def->percent = e->inactivity->percent;
	}
	if (e->term_case != FEALTY__PROGRAM__V1__EXPIRY__TERM_AFTER)
		return;
	def->has_days = e->after->has_days;
	def->has_months = e->after->has_months;
	def->has_years = e->after->has_years;
	def->days = e->after->days;
	def->months = e->after->months;
	def->years = e->after->years;
}

static struct word_list
word_list_of(size_t n, char **v)
{
	return (struct word_list){ n, (const char *const *)v };
}

static void
fill_when(struct when_def *def, const Fealty__Program__V1__When *w)
{
	if (w == NULL)
		return;
	*def = (struct when_def){
		.min_amount = w->min_amount,
		.max_amount = w->max_amount,
		.categories = word_list_of(w->n_categories, w->categories),
		.skus = word_list_of(w->n_skus, w->skus),
		.exclude_categories = word_list_of(w->n_exclude_categories, w->exclude_categories),
		.stores = word_list_of(w->n_stores, w->stores),
		.partners = word_list_of(w->n_partners, w->partners),
		.tiers = word_list_of(w->n_tiers, w->tiers),
		.segments = word_list_of(w->n_segments, w->segments),
		.weekdays = word_list_of(w->n_weekdays, w->weekdays),
		.min_gap = w->min_gap,
		.hours = w->hours,
		.from = w->from,
		.until = w->until,
		.activity = w->activity,
		.membership = w->membership,
		.has_first_purchase = w->has_first_purchase,
		.first_purchase = w->first_purchase,
		.has_member_days_min = w->has_member_days_min,
		.member_days_min = w->member_days_min,
		.has_previous_month_spend = w->previous_month_spend != NULL,
	};
	if (w->previous_month_spend != NULL) {
		def->previous_min = w->previous_month_spend->min;
		def->waive_months = w->previous_month_spend->waive_months;
	}
}

static enum period
period_of(Fealty__Program__V1__Period__Of v)
{
	switch (v) {
	case FEALTY__PROGRAM__V1__PERIOD__OF__transaction: return PERIOD_TRANSACTION;
	case FEALTY__PROGRAM__V1__PERIOD__OF__day: return PERIOD_DAY;
	case FEALTY__PROGRAM__V1__PERIOD__OF__month: return PERIOD_MONTH;
	case FEALTY__PROGRAM__V1__PERIOD__OF__year: return PERIOD_YEAR;
	case FEALTY__PROGRAM__V1__PERIOD__OF__lifetime: return PERIOD_LIFETIME;
	case FEALTY__PROGRAM__V1__PERIOD__OF__program: return PERIOD_PROGRAM;
	default: break;
	}
	assert(false);
	return PERIOD_TRANSACTION;
}

static void
fill_cap(struct cap_def *def, const Fealty__Program__V1__Cap *c)
{
	*def = (struct cap_def){
		.has_per = c->has_per,
		.per = c->has_per ? period_of(c->per) : PERIOD_TRANSACTION,
		.points = c->points,
		.has_count = c->has_count,
		.count = c->count,
		.group = c->group,
		.over = !c->has_over || c->over == FEALTY__PROGRAM__V1__CAP_OVER__OF__clip ? CAP_CLIP :
		    c->over == FEALTY__PROGRAM__V1__CAP_OVER__OF__reject ? CAP_REJECT : CAP_FALLBACK,
	};
}

static void
fill_pending(struct pending_def *def, const Fealty__Program__V1__PendingTerm *t)
{
	if (t == NULL)
		return;
	*def = (struct pending_def){
		.given = true,
		.has_days = t->has_days,
		.days = t->days,
		.next_month_start = t->until != NULL && t->until->until_case == FEALTY__PROGRAM__V1__PENDING_UNTIL__UNTIL_NEXT_MONTH_START,
		.on_activity = t->on_activity,
		.has_within_days = t->has_within_days,
		.within_days = t->within_days,
	};
}

static enum rule_kind
kind_of(Fealty__Program__V1__EarnKind__Of v)
{
	switch (v) {
	case FEALTY__PROGRAM__V1__EARN_KIND__OF__base: return RULE_BASE;
	case FEALTY__PROGRAM__V1__EARN_KIND__OF__multiplier: return RULE_MULTIPLIER;
	case FEALTY__PROGRAM__V1__EARN_KIND__OF__bonus: return RULE_BONUS;
	case FEALTY__PROGRAM__V1__EARN_KIND__OF__counter: return RULE_COUNTER;
	case FEALTY__PROGRAM__V1__EARN_KIND__OF__voucher: return RULE_VOUCHER;
	default: break;
	}
	assert(false);
	return RULE_BASE;
}

static void
fill_measure(struct rule_def *def, const Fealty__Program__V1__Earn *e)
{
	def->has_per_amount = e->per_amount != NULL;
	def->has_fixed = e->fixed != NULL;
	def->has_per_item = e->per_item != NULL;
	def->has_counter = e->counter != NULL;
	def->multiply = e->multiply;
	def->voucher = e->voucher;
	if (e->per_amount != NULL) {
		def->amount = e->per_amount->amount;
		def->points = e->per_amount->points;
		def->whole_steps = e->per_amount->has_whole_steps && e->per_amount->whole_steps;
	} else if (e->fixed != NULL) {			/* with several program_compile() refuses the rule */
		def->points = e->fixed->points;
	} else if (e->per_item != NULL) {
		def->points = e->per_item->points;
	}
	if (e->counter != NULL) {
		def->counter = e->counter->id;
		def->has_counter_add = e->counter->has_add;
		def->counter_add = e->counter->add;
		def->counter_per_item = e->counter->has_per && e->counter->per == FEALTY__PROGRAM__V1__COUNTER_PER__OF__item;
	}
}

static void
fill_rule(struct rule_def *def, const Fealty__Program__V1__Earn *e)
{
	*def = (struct rule_def){
		.id = e->id,
		.has_priority = e->has_priority,
		.priority = e->priority,
		.on = e->on == FEALTY__PROGRAM__V1__EARN_ON__OF__activity ? ON_ACTIVITY :
		    e->on == FEALTY__PROGRAM__V1__EARN_ON__OF__enrol ? ON_ENROL : ON_PURCHASE,
		.has_kind = e->has_kind,
		.kind = e->has_kind ? kind_of(e->kind) : RULE_BASE,
		.replaces = e->replaces,
		.n_caps = e->n_caps,
	};
	fill_measure(def, e);
	fill_when(&def->when, e->when);
	for (size_t i = 0; i < e->n_caps && i < PROGRAM_CAPS_MAX; i++)
		fill_cap(&def->caps[i], e->caps[i]);
	fill_pending(&def->pending, e->pending);
	fill_expiry(&def->expiry, e->expiry);
}

static size_t
fill_reach(struct all_def any[static PROGRAM_REACH_MAX], const Fealty__Program__V1__Reach *reach)
{
	for (size_t i = 0; i < reach->n_any && i < PROGRAM_REACH_MAX; i++) {
		const Fealty__Program__V1__AllOf *all = reach->any[i];

		any[i].n = all->n_all;
		for (size_t j = 0; j < all->n_all && j < PROGRAM_REACH_MAX; j++)
			any[i].thresholds[j] = (struct threshold_def){ all->all[j]->metric, all->all[j]->at_least };
	}
	return reach->n_any;
}

static enum downgrade
downgrade_of(Fealty__Program__V1__Downgrade__Of v)
{
	switch (v) {
	case FEALTY__PROGRAM__V1__DOWNGRADE__OF__none: return DOWNGRADE_NONE;
	case FEALTY__PROGRAM__V1__DOWNGRADE__OF__one: return DOWNGRADE_ONE;
	case FEALTY__PROGRAM__V1__DOWNGRADE__OF__full: return DOWNGRADE_FULL;
	default: break;
	}
	assert(false);
	return DOWNGRADE_FULL;
}

static void
fill_valid(struct tier_def *def, const Fealty__Program__V1__Tier *t)
{
	const Fealty__Program__V1__Valid *v = t->valid;

	def->has_valid = v != NULL;
	if (v != NULL && v->valid_case == FEALTY__PROGRAM__V1__VALID__VALID_MONTHS) {
		def->valid = VALID_MONTHS;
		def->valid_months = v->months;
	}
	if (v != NULL && v->valid_case == FEALTY__PROGRAM__V1__VALID__VALID_THROUGH)
		def->valid = v->through == FEALTY__PROGRAM__V1__THROUGH_END__OF__end_of_year ? VALID_END_OF_YEAR : VALID_END_OF_NEXT_YEAR;
	if (v != NULL && v->has_round_up_to)
		def->valid_round_up = round_up_of(v->round_up_to);
	def->has_downgrade = t->has_downgrade;
	if (t->has_downgrade)
		def->downgrade = downgrade_of(t->downgrade);
	def->has_grace = t->grace != NULL;
	if (t->grace != NULL) {
		def->grace_months = t->grace->months;
		def->grace_round_up = t->grace->has_round_up_to ? round_up_of(t->grace->round_up_to) : ROUND_UP_NONE;
	}
}

static void
fill_tier(struct tier_def *def, const Fealty__Program__V1__Tier *t)
{
	def->id = t->id;
	def->has_rank = t->has_rank;
	def->rank = t->rank;
	def->earn_multiplier = t->earn_multiplier;
	def->has_reach = t->reach != NULL;
	if (t->reach != NULL)
		def->n_any = fill_reach(def->any, t->reach);
	def->has_keep = t->keep != NULL;
	if (t->keep != NULL)
		def->n_keep = fill_reach(def->keep, t->keep);
	fill_valid(def, t);
	if (t->window != NULL && t->window->window_case == FEALTY__PROGRAM__V1__WINDOW__WINDOW_SINCE_TIER_START)
		def->window = WINDOW_SINCE_TIER_START;
	if (t->window != NULL && t->window->window_case == FEALTY__PROGRAM__V1__WINDOW__WINDOW_CALENDAR_YEAR)
		def->window = WINDOW_CALENDAR_YEAR;
	if (t->window != NULL && t->window->window_case == FEALTY__PROGRAM__V1__WINDOW__WINDOW_ROLLING_MONTHS) {
		def->window = WINDOW_ROLLING_MONTHS;
		def->rolling_months = t->window->rolling_months;
	}
	fill_expiry(&def->expiry, t->expiry);
	def->has_birthday_window = t->birthday != NULL;
	if (t->birthday != NULL) {
		def->birthday_days_before = t->birthday->days_before;
		def->birthday_days_after = t->birthday->days_after;
	}
	def->forfeits_stamps = t->has_forfeit_stamps_on_downgrade && t->forfeit_stamps_on_downgrade;
	def->all_open = t->has_expiry_applies && t->expiry_applies == FEALTY__PROGRAM__V1__EXPIRY_APPLIES__OF__all_open_while_held;
}

static struct term_def
term_def_of(const Fealty__Program__V1__Span *s)
{
	if (s == NULL)
		return (struct term_def){ 0 };
	return (struct term_def){ true, s->has_days, s->has_months, s->has_years, s->days, s->months, s->years };
}

static void
fill_vouchers(struct program_def *def, const PbProgram *p)
{
	def->n_vouchers = p->n_vouchers;
	for (size_t i = 0; i < p->n_vouchers && i < PROGRAM_VOUCHERS_MAX; i++) {
		const Fealty__Program__V1__Voucher *v = p->vouchers[i];

		def->vouchers[i] = (struct voucher_def){ .id = v->id, .name = v->name, .valid = term_def_of(v->valid),
		    .value = v->value == NULL ? NULL : v->value->amount };
	}
}

static struct count_per_def
count_per_def_of(const Fealty__Program__V1__CountPer *c)
{
	if (c == NULL)
		return (struct count_per_def){ 0 };
	return (struct count_per_def){ true, c->has_count, c->has_per, c->count, c->has_per ? period_of(c->per) : PERIOD_TRANSACTION };
}

static void
fill_rewards(struct program_def *def, const PbProgram *p)
{
	def->has_auto_redeem = p->auto_redeem != NULL;
	if (p->auto_redeem != NULL) {
		def->auto_at = p->auto_redeem->at;
		def->auto_voucher = p->auto_redeem->voucher;
		def->auto_tiers = word_list_of(p->auto_redeem->n_tiers, p->auto_redeem->tiers);
	}
	def->n_rewards = p->n_rewards;
	for (size_t i = 0; i < p->n_rewards && i < PROGRAM_REWARDS_MAX; i++) {
		const Fealty__Program__V1__Reward *r = p->rewards[i];

		def->rewards[i] = (struct reward_def){
			.id = r->id, .cost = r->cost, .voucher = r->voucher, .from = r->from, .until = r->until,
			.has_stock = r->has_stock, .stock = r->stock, .per_member = count_per_def_of(r->per_member),
			.tiers = word_list_of(r->n_tiers, r->tiers),
		};
	}
}

static void
fill_cards(struct program_def *def, const PbProgram *p)
{
	def->n_cards = p->n_stamps;
	for (size_t i = 0; i < p->n_stamps && i < PROGRAM_CARDS_MAX; i++) {
		const Fealty__Program__V1__Stamp *s = p->stamps[i];
		struct card_def *card = &def->cards[i];

		*card = (struct card_def){
			.id = s->id, .voucher = s->voucher, .has_per_item = s->has_per_item, .per_item = s->per_item, .has_size = s->has_size,
			.size = s->size, .drop = s->has_overflow && s->overflow == FEALTY__PROGRAM__V1__OVERFLOW__OF__drop,
			.cap = count_per_def_of(s->cap), .n_milestones = s->n_milestones, .valid = term_def_of(s->valid),
		};
		fill_when(&card->when, s->when);
		for (size_t k = 0; k < s->n_milestones && k < PROGRAM_MILESTONES_MAX; k++)
			card->milestones[k] = (struct milestone_def){ s->milestones[k]->has_at, s->milestones[k]->at, s->milestones[k]->voucher };
	}
}

static void
fill_birthday(struct program_def *def, const Fealty__Program__V1__Birthday *b)
{
	if (b == NULL)
		return;
	def->has_birthday = true;
	def->birthday_points = b->reward == NULL ? NULL : b->reward->points;
	def->birthday_voucher = b->reward == NULL ? NULL : b->reward->voucher;
	if (b->window != NULL) {
		def->birthday_days_before = b->window->days_before;
		def->birthday_days_after = b->window->days_after;
	}
	def->guard_days = b->guard_days;
	def->has_requires = b->requires != NULL;
	if (b->requires != NULL) {
		def->requires_points = b->requires->points_earned;
		def->has_within_months = b->requires->has_within_months;
		def->within_months = b->requires->within_months;
	}
	def->birthday_on_claim = b->has_issue && b->issue == FEALTY__PROGRAM__V1__ISSUE__OF__on_claim;
	def->leap_to_march = b->has_leap_day && b->leap_day == FEALTY__PROGRAM__V1__LEAP_DAY__OF__mar_1;
}

static void
fill_redemption(struct program_def *def, const Fealty__Program__V1__Redemption *r)
{
	if (r == NULL)
		return;
	def->has_redemption = true;
	if (r->value != NULL) {
		def->value_points = r->value->points;
		def->value_amount = r->value->amount;
	}
	def->redeem_min = r->min;
	def->redeem_step = r->step;
	def->has_max_percent = r->has_max_percent_of_order;
	def->max_percent_of_order = r->max_percent_of_order;
	if (r->hold != NULL) {
		def->default_ttl = r->hold->default_ttl;
		def->max_ttl = r->hold->max_ttl;
		def->expire_at_once = r->hold->has_expired_lot &&
		    r->hold->expired_lot == FEALTY__PROGRAM__V1__EXPIRED_LOT__OF__expire_at_once;
	}
}

static void
fill_returns(struct program_def *def, const Fealty__Program__V1__Returns *r)
{
	if (r == NULL)
		return;
	if (r->has_claw_back)
		def->claw_back = r->claw_back == FEALTY__PROGRAM__V1__CLAW_BACK__OF__unlimited ? CLAW_UNLIMITED :
		    r->claw_back == FEALTY__PROGRAM__V1__CLAW_BACK__OF__only_pending ? CLAW_ONLY_PENDING : CLAW_WITHIN_BALANCE;
	def->used_voucher_debt = r->has_used_voucher && r->used_voucher == FEALTY__PROGRAM__V1__USED_VOUCHER__OF__debt;
	if (r->restore != NULL && r->restore->restore_case == FEALTY__PROGRAM__V1__RESTORE__RESTORE_NEW_LOT)
		def->restore = RESTORE_NEW_LOT;
	if (r->restore != NULL && r->restore->restore_case == FEALTY__PROGRAM__V1__RESTORE__RESTORE_GRACE_DAYS) {
		def->restore = RESTORE_GRACE;
		def->restore_days = r->restore->grace_days;
	}
}

static void
fill_transfers(struct program_def *def, const Fealty__Program__V1__Transfers *t)
{
	def->has_transfers = t != NULL;
	if (t == NULL)
		return;
	def->transfer_min = t->min;
	def->out_per_year = t->out_per_year;
	def->in_per_year = t->in_per_year;
	def->has_times_per_year = t->has_times_per_year;
	def->times_per_year = t->times_per_year;
	def->transfer_days_min = t->member_days_min;
	def->transfer_restarts = t->has_expiry && t->expiry == FEALTY__PROGRAM__V1__TRANSFER_EXPIRY__OF__restart;
}

static void
fill_partners(struct program_def *def, const PbProgram *p)
{
	def->n_partners = p->n_partners;
	for (size_t i = 0; i < p->n_partners && i < PROGRAM_PARTNERS_MAX; i++) {
		const Fealty__Program__V1__Partner *in = p->partners[i];

		def->partners[i] = (struct partner_def){
			.id = in->id,
			.issue_price = in->issue_price,
			.redeem_price = in->redeem_price,
			.has_settlement = in->has_settlement,
			.prepaid = in->has_settlement && in->settlement == FEALTY__PROGRAM__V1__SETTLEMENT__OF__prepaid,
		};
	}
}

static void
fill_memberships(struct program_def *def, const PbProgram *p)
{
	def->n_memberships = p->n_memberships;
	for (size_t i = 0; i < p->n_memberships && i < PROGRAM_MEMBERSHIPS_MAX; i++) {
		const Fealty__Program__V1__Membership *in = p->memberships[i];

		def->memberships[i] = (struct membership_def){
			.id = in->id,
			.fee = in->fee,
			.earn_multiplier = in->earn_multiplier,
			.has_term = in->has_term,
			.annual = in->has_term && in->term == FEALTY__PROGRAM__V1__TERM__OF__annual,
			.refund_if_unused = in->has_refund_if_unused && in->refund_if_unused,
			.trial_days = in->trial_days,
			.grace_days = in->grace_days,
		};
	}
}

static void
fill_referral(struct program_def *def, const Fealty__Program__V1__Referral *r)
{
	def->has_referral = r != NULL;
	if (r == NULL)
		return;
	def->referrer_points = r->referrer;
	def->referee_points = r->referee;
	def->referral_min_amount = r->min_amount;
	def->has_pending_days = r->has_pending_days;
	def->referral_days = r->pending_days;
	def->has_per_year = r->has_per_year;
	def->referral_per_year = r->per_year;
}

static void
fill_program(struct program_def *def, const PbProgram *p)
{
	def->id = p->id;
	def->name = p->name;
	def->timezone = p->timezone;
	def->currency = p->currency;
	def->has_points = p->points != NULL;
	if (p->points != NULL) {
		def->unit = p->points->unit;
		def->has_scale = p->points->has_scale;
		def->scale = p->points->scale;
	}
	if (p->rounding != NULL) {
		def->rounding = p->rounding->has_mode ? rounding_of(p->rounding->mode) : ROUNDING_FLOOR;
		def->round_once = p->rounding->has_at && p->rounding->at == FEALTY__PROGRAM__V1__ROUNDING_AT__OF__once;
	}
	def->stacking = !p->has_stacking || p->stacking == FEALTY__PROGRAM__V1__STACKING__OF__add ? STACKING_ADD :
	    p->stacking == FEALTY__PROGRAM__V1__STACKING__OF__multiply ? STACKING_MULTIPLY : STACKING_BEST;
	def->carry_remainder = p->has_carry_remainder && p->carry_remainder;
	def->counters = word_list_of(p->n_counters, p->counters);
	def->n_rules = p->n_earn;
	for (size_t i = 0; i < p->n_earn && i < PROGRAM_RULES_MAX; i++)
		fill_rule(&def->rules[i], p->earn[i]);
	fill_expiry(&def->expiry, p->expiry);
	def->n_tiers = p->n_tiers;
	for (size_t i = 0; i < p->n_tiers && i < PROGRAM_TIERS_MAX; i++)
		fill_tier(&def->tiers[i], p->tiers[i]);
	fill_vouchers(def, p);
	fill_rewards(def, p);
	fill_cards(def, p);
	fill_birthday(def, p->birthday);
	fill_redemption(def, p->redemption);
	def->has_anniversary = p->anniversary != NULL;
	if (p->anniversary != NULL) {
		def->has_anniversary_of = p->anniversary->has_of;
		def->anniversary_points = p->anniversary->reward == NULL ? NULL : p->anniversary->reward->points;
		def->anniversary_voucher = p->anniversary->reward == NULL ? NULL : p->anniversary->reward->voucher;
	}
	fill_returns(def, p->returns);
	fill_transfers(def, p->transfers);
	fill_referral(def, p->referral);
	def->unknown_refuse = p->has_unknown_alias && p->unknown_alias == FEALTY__PROGRAM__V1__UNKNOWN_ALIAS__OF__refuse;
	def->has_accounting = p->accounting != NULL;
	if (p->accounting != NULL) {
		def->cost_per_point = p->accounting->cost_per_point;
		def->expected_redemption = p->accounting->expected_redemption;
	}
	def->has_pools = p->pools != NULL;
	def->has_max_members = p->pools != NULL && p->pools->has_max_members;
	def->max_members = p->pools == NULL ? 0 : p->pools->max_members;
	fill_partners(def, p);
	fill_memberships(def, p);
	def->has_advance = p->advance != NULL;
	def->advance_max = p->advance == NULL ? NULL : p->advance->max;
	def->redeem_per_day = p->limits == NULL ? NULL : p->limits->redeem_per_day;
	def->adjust_without_approval = p->limits == NULL ? NULL : p->limits->adjust_without_approval;
	def->has_notices = p->notices != NULL;
	if (p->notices != NULL) {
		def->n_expiring_days = p->notices->n_expiring_days;
		def->expiring_days = p->notices->expiring_days;
		def->n_downgrade_days = p->notices->n_downgrade_days;
		def->downgrade_days = p->notices->downgrade_days;
	}
	def->has_late_days = p->limits != NULL && p->limits->has_late_days;
	if (def->has_late_days)
		def->late_days = p->limits->late_days;
	if (p->limits != NULL)
		def->earn_per_day = p->limits->earn_per_day;
}

/* What struct program_def has no room to leave out. */
static enum status
check_required(const PbProgram *p, struct program_error *ret_error)
{
	for (size_t i = 0; i < p->n_earn; i++) {
		if (p->earn[i]->has_on)
			continue;
		*ret_error = (struct program_error){ .sentence = "`on` is missing; allowed: purchase, activity, enrol" };
		snprintf(ret_error->path, sizeof(ret_error->path), "earn[%zu].on", i);
		return ST_INVALID;
	}
	return ST_OK;
}

enum status
codec_program_def(struct bytes definition, struct arena *arena, struct program_def **ret_def, struct program_error *ret_error)
{
	struct scan_fault fault;
	ProtobufCMessage *message = NULL;

	enum scan_result scanned = scan_message(text_descriptor(CODEC_PROGRAM), definition, &fault);
	if (scanned == SCAN_REFUSED) {
		*ret_error = (struct program_error){ 0 };
		snprintf(ret_error->path, sizeof(ret_error->path), "%s", fault.path);
		snprintf(ret_error->sentence, sizeof(ret_error->sentence), "%s", fault.sentence);
		return ST_INVALID;
	}
	enum status st = ST_INVALID;
	if (scanned == SCAN_OK)
		st = arena_pb_unpack(text_descriptor(CODEC_PROGRAM), definition, arena, &message);
	if (st == ST_INVALID)
		*ret_error = (struct program_error){ .sentence = "this is not a program: its bytes are malformed" };
	if (st == ST_OK)
		st = check_required((const PbProgram *)message, ret_error);
	if (st != ST_OK)
		return st;
	struct program_def *def = arena_alloc(arena, sizeof(*def));
	if (def == NULL)
		return ST_NOMEM;
	fill_program(def, (const PbProgram *)message);
	*ret_def = def;
	return ST_OK;
}
