/* Applying entries that are not as they should be: every fault by its name; and what evolve does by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

/* A member with 1 000.00 points that never expire and an open hold of 100.00; at noon. */
struct scene {
	struct stage s;
	uint64_t member;
	struct entry_id hold;
};

static void
scene_set(struct scene *c)
{
	struct program_def def = full();

	stage_init(&c->s);
	stage_at(&c->s, "2026-03-12T12:00:00");
	stage_publish(&c->s, &def);
	c->member = stage_enrol(&c->s);
	assert_int_equal(stage_adjust(&c->s, c->member, "1100", NULL), LEDGER_OK);
	assert_int_equal(stage_hold(&c->s, c->member, "100", 0), LEDGER_OK);
	c->hold = c->s.id;
}

/* ---- one thing wrong with an entry that would be right ---- */

struct forged {
	struct entry entry;
	struct posting postings[8];
	struct touched touched[2];
	struct tally tallies[2];
	struct pending_change pendings[2];
};

static struct posting
lot_posting(enum account account, uint64_t member, int64_t points)
{
	return (struct posting){ .account = account, .member = member, .points = points, .last_day = DAY_NEVER, .class = LOT_ADJUSTMENT };
}

/* A redemption of 10.00. */
static void
forge(struct scene *c, struct forged *f)
{
	const struct member *m = stage_member(&c->s, c->member);

	*f = (struct forged){ 0 };
	f->postings[0] = lot_posting(ACCOUNT_MEMBER, c->member, -1000);
	f->postings[1] = lot_posting(ACCOUNT_REDEEMED, 0, 1000);
	f->touched[0] = (struct touched){ .member = c->member, .has_prev = true, .prev = m->head, .available = 99000, .held = 10000,
	    .tier = "green" };
	f->entry = (struct entry){
		.op = OP_REDEEM, .principal = "pos/1", .engine = 1, .program_version = 1, .business_date = day("2026-03-12"),
		    .member = c->member,
		.program = 1, .birthday = DAY_NONE, .n_postings = 2, .postings = f->postings, .n_touched = 1, .touched = f->touched,
	};
}

/* A capture of all of the hold. */
static void
forge_capture(struct scene *c, struct forged *f)
{
	const struct hold *hold = member_hold(stage_member(&c->s, c->member), c->hold);

	forge(c, f);
	f->entry.op = OP_CAPTURE;
	f->postings[0] = lot_posting(ACCOUNT_HELD, c->member, -10000);
	f->postings[1].points = 10000;
	f->entry.has_hold = true;
	f->entry.hold.has_id = true;
	f->entry.hold.id = c->hold;
	f->entry.hold.ends_at_us = hold->ends_at_us;
	f->touched[0].available = 100000;
	f->touched[0].held = 0;
}

static void
forge_enrol(struct scene *c, struct forged *f)
{
	forge(c, f);
	f->entry.op = OP_ENROL;
	f->entry.n_postings = 0;
	f->entry.member = f->touched[0].member = c->member + 1;
	f->touched[0] = (struct touched){ .member = c->member + 1, .tier = "green" };
}

static void
forge_publish(struct scene *c, struct forged *f)
{
	(void)c;
	*f = (struct forged){ 0 };
	f->entry = (struct entry){ .op = OP_PUBLISH, .principal = "operator/local", .engine = 1, .business_date = DAY_NONE, .program = 1,
	    .birthday = DAY_NONE };
	f->entry.u.publish.id = "full";
	f->entry.u.publish.version = 2;
}

static struct day_row metric_one[] = { { .day = 20600, .spend = 1 } };

static const struct told told_one[] = { { .kind = NOTICE_EXPIRING, .points = 1, .last_day = 20600 } };

#define FORGE(name, base, ...) static void forge_##name(struct scene *c, struct forged *f) { base(c, f); __VA_ARGS__; }
FORGE(unbalanced, forge, f->postings[1].points = 999)
FORGE(overflow, forge, f->postings[0].points = INT64_MIN; f->postings[1].points = INT64_MAX;
    f->postings[2] = f->postings[1]; f->postings[2].points = 1; f->entry.n_postings = 3)
FORGE(zero, forge, f->postings[2] = lot_posting(ACCOUNT_ISSUED, 0, 0); f->entry.n_postings = 3)
FORGE(partner_named, forge, f->postings[1].partner = "air")
FORGE(partner_missing, forge, f->postings[1].account = ACCOUNT_PARTNER_REDEEMED)
FORGE(partner_empty, forge, f->postings[1].account = ACCOUNT_PARTNER_REDEEMED; f->postings[1].partner = "")
FORGE(partner_long, forge, f->postings[1].account = ACCOUNT_PARTNER_REDEEMED; f->postings[1].partner = "a123456789012345678901234567890123")
FORGE(too_much, forge, f->postings[0].points = -100001; f->postings[1].points = 100001)
FORGE(other_lot, forge, f->postings[0].class = LOT_EARNED)
FORGE(other_day, forge, f->postings[0].last_day = day("2026-12-31"))
FORGE(no_class, forge, f->postings[0].class = LOT_NONE)
FORGE(bad_class, forge, f->postings[0].class = (enum lot_class)77)
FORGE(bad_day, forge, f->postings[0].last_day = INT32_MIN)
FORGE(bad_account, forge, f->postings[1].account = (enum account)99)
FORGE(no_account, forge, f->postings[1].account = ACCOUNT_NONE)
FORGE(program_member, forge, f->postings[1].member = 1)
FORGE(other_member, forge, f->postings[0].member = 7)
FORGE(no_hold, forge, f->postings[1] = lot_posting(ACCOUNT_HELD, f->entry.member, 1000))
FORGE(debt_above, forge, f->postings[1] = lot_posting(ACCOUNT_DEBT, f->entry.member, 1000))
FORGE(pending_below, forge, f->postings[0] = lot_posting(ACCOUNT_PENDING, f->entry.member, -1000))
FORGE(no_member, forge, f->entry.member = f->touched[0].member = 99)
FORGE(member_0, forge, f->entry.member = 0)
FORGE(untouched, forge, f->entry.n_touched = 0)
FORGE(touched_other, forge, f->touched[0].member = 99)
FORGE(touched_two, forge, f->entry.n_touched = 2)
FORGE(program, forge, f->entry.program = 2)
FORGE(version, forge, f->entry.program_version = 2)
FORGE(version_0, forge, f->entry.program_version = 0)
FORGE(prev, forge, f->touched[0].prev.index++)
FORGE(prev_gone, forge, f->touched[0].has_prev = false)
FORGE(available, forge, f->touched[0].available++)
FORGE(pending, forge, f->touched[0].pending++)
FORGE(held, forge, f->touched[0].held--)
FORGE(debt, forge, f->touched[0].debt++)
FORGE(tier, forge, f->touched[0].tier = "gold")
FORGE(tier_null, forge, f->touched[0].tier = NULL)
FORGE(no_date, forge, f->entry.business_date = DAY_NONE)
FORGE(metric_date, forge, f->entry.has_metrics = true; f->entry.metrics = (struct metric_day){ f->entry.business_date + 1, 1, 1, 1, { 0 } })
#define TALLY(...) f->entry.n_tallies = 1; f->entry.tallies = f->tallies; \
    f->tallies[0] = (struct tally){ .kind = TALLY_RULE, .per = PERIOD_MONTH, .id = "base", .at = day("2026-03-01"), .points = 5, .count = 1 }; \
    __VA_ARGS__
FORGE(tally_no_kind, forge, TALLY(f->tallies[0].kind = TALLY_NONE))
FORGE(tally_bad_kind, forge, TALLY(f->tallies[0].kind = TALLY_KIND_COUNT))
FORGE(tally_transaction, forge, TALLY(f->tallies[0].per = PERIOD_TRANSACTION))
FORGE(tally_bad_period, forge, TALLY(f->tallies[0].per = PERIOD_COUNT))
FORGE(tally_mid_month, forge, TALLY(f->tallies[0].at++))
FORGE(tally_no_date, forge, TALLY(f->tallies[0].at = INT64_MAX))
FORGE(tally_lifetime_dated, forge, TALLY(f->tallies[0].per = PERIOD_LIFETIME))
FORGE(tally_no_id, forge, TALLY(f->tallies[0].id[0] = 0))
FORGE(tally_long_id, forge, TALLY(memset(f->tallies[0].id, 'a', sizeof(f->tallies[0].id))))
FORGE(tally_empty, forge, TALLY(f->tallies[0].points = f->tallies[0].count = 0))
FORGE(tally_below, forge, TALLY(f->tallies[0].points = -1))
FORGE(tally_count_below, forge, TALLY(f->tallies[0].count = -1))
FORGE(tally_earned_named, forge, TALLY(f->tallies[0].kind = TALLY_EARNED))
FORGE(tally_gap_month, forge, TALLY(f->tallies[0].kind = TALLY_GAP))
FORGE(tally_program_below, forge, TALLY(f->tallies[0].per = PERIOD_PROGRAM; f->tallies[0].at = 0; f->tallies[0].points = -1))
FORGE(tally_publish, forge_publish, TALLY((void)0))
/* 10.00 that wait, and their row. */
#define WAITS(...) f->postings[0] = lot_posting(ACCOUNT_ISSUED, 0, -1000); f->postings[1] = lot_posting(ACCOUNT_PENDING, f->entry.member, 1000); \
    f->touched[0].available = 100000; f->touched[0].pending = 1000; f->entry.n_pendings = 1; f->entry.pendings = f->pendings; \
    f->pendings[0].p = (struct pending){ .due_day = day("2026-03-20"), .version = 1, .class = LOT_EARNED, .points = 1000 }; __VA_ARGS__
FORGE(waits, forge, WAITS((void)0))
FORGE(waits_no_row, forge, WAITS(f->entry.n_pendings = 0))
FORGE(waits_less, forge, WAITS(f->pendings[0].p.points = 999))
FORGE(waits_nothing, forge, WAITS(f->pendings[0].p.points = 0))
FORGE(waits_twice, forge, WAITS(f->entry.n_pendings = 2; f->pendings[1] = f->pendings[0]))
FORGE(waits_no_day, forge, WAITS(f->pendings[0].p.due_day = DAY_NEVER))
FORGE(waits_no_class, forge, WAITS(f->pendings[0].p.class = LOT_BIRTHDAY))
FORGE(waits_no_version, forge, WAITS(f->pendings[0].p.version = 0))
FORGE(waits_no_end, forge, WAITS(memset(f->pendings[0].p.term, 'a', PENDING_TERM_BYTES)))
FORGE(waits_taken, forge, WAITS(f->pendings[0].p.points = -1000))
FORGE(waits_of_another, forge, WAITS(f->entry.n_pendings = 2; f->pendings[1] = f->pendings[0]; f->pendings[1].has_from = true;
    f->pendings[1].p.from = (struct entry_id){ 1, 0 }; f->pendings[1].p.points = -1000))
FORGE(waits_publish, forge_publish, WAITS(f->entry.n_postings = 0))
FORGE(lapse_undue, forge, WAITS(f->entry.op = OP_LAPSE))
FORGE(activate_undue, forge, WAITS(f->entry.op = OP_ACTIVATE))
FORGE(metric_overflow, forge, f->entry.has_metrics = true; f->entry.metrics = (struct metric_day){ f->entry.business_date, 1, 1, 1, { 0 } };
    memory_member(&c->s.live, 1, c->member)->spend = INT64_MAX)
FORGE(birthday, forge, f->entry.birthday = INT32_MAX)
FORGE(tier_dates, forge, f->entry.has_tier = true; f->entry.tier = (struct tier_state){ .since = INT32_MAX })
FORGE(tier_text, forge, f->entry.has_tier = true; memset(&f->entry.tier, 'x', sizeof(f->entry.tier)))
FORGE(due_without, forge, f->entry.op = OP_EXPIRE; f->postings[1].account = ACCOUNT_EXPIRED)
FORGE(due_far, forge, f->entry.op = OP_EXPIRE; f->entry.has_due_at = true; f->entry.due_at_us = INT64_MAX)
FORGE(tier_from, forge, f->entry.has_tier = true; f->entry.tier = stage_member(&c->s, c->member)->tier; f->entry.tier.from = DAY_NONE)
FORGE(tier_start, forge, f->entry.has_tier = true; f->entry.tier = stage_member(&c->s, c->member)->tier; f->entry.tier.start = DAY_NEVER)
FORGE(tier_base, forge, f->entry.has_tier = true; f->entry.tier = stage_member(&c->s, c->member)->tier;
    f->entry.tier.start = day("2026-01-01"); memory_member(&c->s.live, 1, c->member)->spend = INT64_MIN;
    memory_member(&c->s.live, 1, c->member)->days = metric_one; memory_member(&c->s.live, 1, c->member)->n_days = 1)
FORGE(clock_lot, forge, f->postings[1] = lot_posting(ACCOUNT_MEMBER, f->entry.member, 1000); f->postings[1].last_day = DAY_CLOCK)
FORGE(clock_day, forge, f->entry.clock = (struct inactivity_clock){ true, DAY_NEVER, 12, 100 })
FORGE(clock_months, forge, f->entry.clock = (struct inactivity_clock){ true, day("2026-12-31"), 0, 100 })
FORGE(clock_percent, forge, f->entry.clock = (struct inactivity_clock){ true, day("2026-12-31"), 12, 101 })
FORGE(relot, forge, f->postings[0] = lot_posting(ACCOUNT_HELD, f->entry.member, -1000); f->postings[1] = f->postings[0];
    f->postings[1].points = 1000; f->postings[1].last_day = day("2026-12-31");
    f->postings[0].has_hold = f->postings[1].has_hold = true; f->postings[0].hold = f->postings[1].hold = c->hold;
    f->touched[0].available = 100000)
FORGE(relot_other, forge_relot, f->postings[1].hold.seq += 1000)
FORGE(relot_member, forge_relot, f->postings[0].account = f->postings[1].account = ACCOUNT_MEMBER)
FORGE(tier_moved, forge, f->touched[0].tier_from = "green"; f->touched[0].tier_to = "gold")
FORGE(tier_half_moved, forge, f->touched[0].tier_to = "gold")
FORGE(notice_undue, forge, f->entry.op = OP_NOTICE; f->entry.n_postings = 0; f->touched[0].available = 100000)
FORGE(told, forge, f->entry.n_told = 1; f->entry.told = told_one)
FORGE(look_without, forge, f->entry.op = OP_TIER_LOOK; f->entry.n_postings = 0)
FORGE(close, forge, f->entry.op = OP_CLOSE; f->entry.n_postings = 0; f->touched[0].available = 100000)
FORGE(freeze, forge_close, f->entry.op = OP_FREEZE)
FORGE(at_once, forge_capture, f->entry.hold.expire_at_once = true)
FORGE(another_till, forge_capture, f->entry.hold.for_terminal = "7")
FORGE(hold_expire, forge_capture, f->entry.op = OP_HOLD_EXPIRE; f->postings[1].account = ACCOUNT_EXPIRED; f->entry.has_due_at = true;
    f->entry.due_at_us = c->s.now_us)
FORGE(hold_expire_undue, forge_hold_expire, f->entry.has_due_at = false)
FORGE(redeemed_month, forge, f->tallies[0] = (struct tally){ .kind = TALLY_REDEEMED, .per = PERIOD_MONTH, .at = day("2026-03-01"), .points = 1 };
    f->entry.tallies = f->tallies; f->entry.n_tallies = 1)
FORGE(redeemed_below, forge, f->tallies[0] = (struct tally){ .kind = TALLY_REDEEMED, .per = PERIOD_DAY, .at = day("2026-03-12"), .points = -1 };
    f->entry.tallies = f->tallies; f->entry.n_tallies = 1)
FORGE(op_gap, forge, f->entry.op = (enum op)29)
FORGE(op_none, forge, f->entry.op = OP_NONE)
FORGE(op_far, forge, f->entry.op = (enum op)200)
FORGE(genesis_member, forge, f->entry.op = OP_GENESIS)
FORGE(hold_missing, forge_capture, f->entry.has_hold = false)
FORGE(hold_stray, forge, f->entry.has_hold = true)
FORGE(hold_nameless, forge_capture, f->entry.hold.has_id = false)
FORGE(hold_unknown, forge_capture, f->entry.hold.id.seq += 1000)
FORGE(hold_ends, forge_capture, f->entry.hold.ends_at_us++)
FORGE(hold_left, forge_capture, f->entry.hold.left = 1)
FORGE(hold_release_part, forge_capture, f->entry.op = OP_RELEASE; f->postings[0].points = -1000; f->postings[1].points = 1000;
    f->entry.hold.left = 9000)
FORGE(hold_empty, forge, f->entry.op = OP_HOLD; f->entry.has_hold = true; f->entry.n_postings = 0)
FORGE(hold_backwards, forge, f->entry.op = OP_HOLD; f->entry.has_hold = true; f->entry.hold.left = 1000;
    f->postings[1] = lot_posting(ACCOUNT_HELD, f->entry.member, 1000); c->s.seq = 1)
FORGE(enrol_there, forge_enrol, f->entry.member = f->touched[0].member = 1)
FORGE(enrol_far, forge_enrol, f->entry.member = f->touched[0].member = 9)
FORGE(publish_again, forge_publish, f->entry.u.publish.version = 1)
FORGE(publish_far, forge_publish, f->entry.u.publish.version = 3)
FORGE(publish_number, forge_publish, f->entry.program = 2)
FORGE(publish_other, forge_publish, f->entry.u.publish.id = "other")
FORGE(publish_nameless, forge_publish, f->entry.u.publish.id = NULL)
FORGE(publish_member, forge_publish, f->entry.member = 1)

static const struct { const char *name; void (*forge)(struct scene *c, struct forged *f); enum evolve_fault want; } faults[] = {
	{ "a right redemption", forge, EVOLVE_OK },
	{ "a right capture", forge_capture, EVOLVE_OK },
	{ "a right enrolment", forge_enrol, EVOLVE_OK },
	{ "a hold's lot with another day", forge_relot, EVOLVE_OK },
	{ "a lot of a hold that is not there", forge_relot_other, EVOLVE_NO_LOT },
	{ "a member's lot of a hold", forge_relot_member, EVOLVE_MALFORMED },
	{ "a validity from no day", forge_tier_from, EVOLVE_MALFORMED },
	{ "a tier that begins never", forge_tier_start, EVOLVE_MALFORMED },
	{ "sums since the tier began that overflow", forge_tier_base, EVOLVE_UNBALANCED },
	{ "a lot under no clock", forge_clock_lot, EVOLVE_MALFORMED },
	{ "a clock that never ends", forge_clock_day, EVOLVE_MALFORMED },
	{ "a clock of no months", forge_clock_months, EVOLVE_MALFORMED },
	{ "a clock that takes more than there is", forge_clock_percent, EVOLVE_MALFORMED },
	{ "a look at night that was not due", forge_look_without, EVOLVE_MALFORMED },
	{ "a member closed with points", forge_close, EVOLVE_MALFORMED },
	{ "a member frozen with points", forge_freeze, EVOLVE_OK },
	{ "terms for a hold that is there", forge_at_once, EVOLVE_MALFORMED },
	{ "a terminal for a hold that is there", forge_another_till, EVOLVE_MALFORMED },
	{ "a hold whose lots are over", forge_hold_expire, EVOLVE_OK },
	{ "a hold's lots that ended unasked", forge_hold_expire_undue, EVOLVE_MALFORMED },
	{ "redemptions of a month", forge_redeemed_month, EVOLVE_MALFORMED },
	{ "redemptions taken back that never were", forge_redeemed_below, EVOLVE_NEGATIVE },
	{ "a number between the operations", forge_op_gap, EVOLVE_MALFORMED },
	{ "postings that do not sum to zero", forge_unbalanced, EVOLVE_UNBALANCED },
	{ "postings at the ends of an int64", forge_overflow, EVOLVE_MALFORMED },
	{ "a posting of nothing", forge_zero, EVOLVE_MALFORMED },
	{ "a partner on an account that is none's", forge_partner_named, EVOLVE_MALFORMED },
	{ "a partner's account without a partner", forge_partner_missing, EVOLVE_MALFORMED },
	{ "a partner without a name", forge_partner_empty, EVOLVE_MALFORMED },
	{ "a partner's name that is too long", forge_partner_long, EVOLVE_MALFORMED },
	{ "more than the lot has", forge_too_much, EVOLVE_NO_LOT },
	{ "a lot of another class", forge_other_lot, EVOLVE_NO_LOT },
	{ "a lot of another day", forge_other_day, EVOLVE_NO_LOT },
	{ "a lot without class", forge_no_class, EVOLVE_MALFORMED },
	{ "an unknown class", forge_bad_class, EVOLVE_MALFORMED },
	{ "a day out of the calendar", forge_bad_day, EVOLVE_MALFORMED },
	{ "an unknown account", forge_bad_account, EVOLVE_MALFORMED },
	{ "no account", forge_no_account, EVOLVE_MALFORMED },
	{ "a program's account with a member", forge_program_member, EVOLVE_MALFORMED },
	{ "another member's account", forge_other_member, EVOLVE_NO_MEMBER },
	{ "held points without a hold", forge_no_hold, EVOLVE_NO_LOT },
	{ "debt above zero", forge_debt_above, EVOLVE_NEGATIVE },
	{ "pending below zero", forge_pending_below, EVOLVE_NEGATIVE },
	{ "no such member", forge_no_member, EVOLVE_NO_MEMBER },
	{ "no member at all", forge_member_0, EVOLVE_NO_MEMBER },
	{ "nobody touched", forge_untouched, EVOLVE_NO_MEMBER },
	{ "another one touched", forge_touched_other, EVOLVE_NO_MEMBER },
	{ "two touched", forge_touched_two, EVOLVE_NO_MEMBER },
	{ "no such program", forge_program, EVOLVE_NO_PROGRAM },
	{ "no such version", forge_version, EVOLVE_NO_PROGRAM },
	{ "no version", forge_version_0, EVOLVE_NO_PROGRAM },
	{ "another entry before", forge_prev, EVOLVE_PREV_DIFFERS },
	{ "no entry before", forge_prev_gone, EVOLVE_PREV_DIFFERS },
	{ "another available", forge_available, EVOLVE_AFTER_DIFFERS },
	{ "another pending", forge_pending, EVOLVE_AFTER_DIFFERS },
	{ "another held", forge_held, EVOLVE_AFTER_DIFFERS },
	{ "another debt", forge_debt, EVOLVE_AFTER_DIFFERS },
	{ "another tier", forge_tier, EVOLVE_AFTER_DIFFERS },
	{ "a move between tiers that was none", forge_tier_moved, EVOLVE_AFTER_DIFFERS },
	{ "half of such a move", forge_tier_half_moved, EVOLVE_AFTER_DIFFERS },
	{ "a notice that was not due", forge_notice_undue, EVOLVE_MALFORMED },
	{ "a redemption that tells what ends", forge_told, EVOLVE_MALFORMED },
	{ "no tier", forge_tier_null, EVOLVE_AFTER_DIFFERS },
	{ "no business date", forge_no_date, EVOLVE_MALFORMED },
	{ "metrics of another date", forge_metric_date, EVOLVE_MALFORMED },
	{ "metrics that overflow", forge_metric_overflow, EVOLVE_UNBALANCED },
	{ "a tally of no kind", forge_tally_no_kind, EVOLVE_MALFORMED },
	{ "a tally of a kind that is none", forge_tally_bad_kind, EVOLVE_MALFORMED },
	{ "a tally of one transaction", forge_tally_transaction, EVOLVE_MALFORMED },
	{ "a tally of no period", forge_tally_bad_period, EVOLVE_MALFORMED },
	{ "a tally within a month", forge_tally_mid_month, EVOLVE_MALFORMED },
	{ "a tally after the calendar", forge_tally_no_date, EVOLVE_MALFORMED },
	{ "a lifetime with a date", forge_tally_lifetime_dated, EVOLVE_MALFORMED },
	{ "a tally of no rule", forge_tally_no_id, EVOLVE_MALFORMED },
	{ "a tally whose name has no end", forge_tally_long_id, EVOLVE_MALFORMED },
	{ "a tally of nothing", forge_tally_empty, EVOLVE_MALFORMED },
	{ "a tally below zero", forge_tally_below, EVOLVE_NEGATIVE },
	{ "a tally that counts below zero", forge_tally_count_below, EVOLVE_NEGATIVE },
	{ "the day's points with a name", forge_tally_earned_named, EVOLVE_MALFORMED },
	{ "a gap that is a period", forge_tally_gap_month, EVOLVE_MALFORMED },
	{ "a program's tally below zero", forge_tally_program_below, EVOLVE_NEGATIVE },
	{ "points that wait", forge_waits, EVOLVE_OK },
	{ "waiting points without a row", forge_waits_no_row, EVOLVE_MALFORMED },
	{ "a row of less than was posted", forge_waits_less, EVOLVE_MALFORMED },
	{ "a row of nothing", forge_waits_nothing, EVOLVE_MALFORMED },
	{ "a row twice", forge_waits_twice, EVOLVE_MALFORMED },
	{ "a row that waits for no day", forge_waits_no_day, EVOLVE_MALFORMED },
	{ "a row that waits to be of another class", forge_waits_no_class, EVOLVE_MALFORMED },
	{ "a row of no version", forge_waits_no_version, EVOLVE_MALFORMED },
	{ "a row whose term has no end", forge_waits_no_end, EVOLVE_MALFORMED },
	{ "a row that takes what is not there", forge_waits_taken, EVOLVE_NO_LOT },
	{ "a row that takes what another entry never made", forge_waits_of_another, EVOLVE_NO_LOT },
	{ "a publish that waits", forge_waits_publish, EVOLVE_MALFORMED },
	{ "a lapse that is not due", forge_lapse_undue, EVOLVE_MALFORMED },
	{ "an activation that is not due", forge_activate_undue, EVOLVE_MALFORMED },
	{ "a publish with a tally", forge_tally_publish, EVOLVE_MALFORMED },
	{ "a birthday out of the calendar", forge_birthday, EVOLVE_MALFORMED },
	{ "a tier's dates out of the calendar", forge_tier_dates, EVOLVE_MALFORMED },
	{ "a tier without end", forge_tier_text, EVOLVE_MALFORMED },
	{ "due, but not when", forge_due_without, EVOLVE_MALFORMED },
	{ "due beyond the calendar", forge_due_far, EVOLVE_MALFORMED },
	{ "no operation", forge_op_none, EVOLVE_MALFORMED },
	{ "an unknown operation", forge_op_far, EVOLVE_MALFORMED },
	{ "a genesis that moves points", forge_genesis_member, EVOLVE_MALFORMED },
	{ "a capture without its hold", forge_hold_missing, EVOLVE_MALFORMED },
	{ "a redemption with a hold", forge_hold_stray, EVOLVE_MALFORMED },
	{ "a hold without its name", forge_hold_nameless, EVOLVE_MALFORMED },
	{ "a hold that never was", forge_hold_unknown, EVOLVE_NO_LOT },
	{ "a hold that ends at another time", forge_hold_ends, EVOLVE_MALFORMED },
	{ "a hold with more left", forge_hold_left, EVOLVE_MALFORMED },
	{ "a release of a part", forge_hold_release_part, EVOLVE_MALFORMED },
	{ "a hold of nothing", forge_hold_empty, EVOLVE_MALFORMED },
	{ "a hold older than the one before", forge_hold_backwards, EVOLVE_MALFORMED },
	{ "enrolled twice", forge_enrol_there, EVOLVE_NO_MEMBER },
	{ "a number left out", forge_enrol_far, EVOLVE_NO_MEMBER },
	{ "a version twice", forge_publish_again, EVOLVE_NO_PROGRAM },
	{ "a version left out", forge_publish_far, EVOLVE_NO_PROGRAM },
	{ "another program's id", forge_publish_number, EVOLVE_NO_PROGRAM },
	{ "another id for the program", forge_publish_other, EVOLVE_NO_PROGRAM },
	{ "a program without id", forge_publish_nameless, EVOLVE_MALFORMED },
	{ "a program with a member", forge_publish_member, EVOLVE_MALFORMED },
	{ "a definition that does not compile", forge_publish, EVOLVE_MALFORMED },
};

static void
faults_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct scene c;
		struct forged f;
		enum evolve_fault got;

		scene_set(&c);
		faults[i].forge(&c, &f);
		/* `live` stands for any state here: replay is a way of applying */
		enum status st = evolve(&c.s.live.state, &f.entry, (struct entry_id){ c.s.seq, 0 }, c.s.now_us, EVOLVE_REPLAY, &got);
		assert_int_equal(st, ST_OK);
		if (got != faults[i].want)
			fail_msg("%s: %s", faults[i].name, evolve_fault_str(got));
		stage_release(&c.s);
	}
}

/* ---- entries with anything in them ---- */

static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static int64_t
odd_number(uint64_t *seed)
{
	static const int64_t odd[] = { 0, 1, -1, 1000, -1000, 10000, -10000, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, POINTS_MAX };

	return odd[next_random(seed) % (sizeof(odd) / sizeof(odd[0]))];
}

static int32_t
odd_day(uint64_t *seed)
{
	const int32_t odd[] = { 0, DAY_NONE, DAY_NEVER, DAY_MAX, DAY_MIN, DAY_MAX - 1, day("2026-03-12"), day("2026-03-31") };

	return odd[next_random(seed) % (sizeof(odd) / sizeof(odd[0]))];
}

static void
garble(struct forged *f, struct entry_id c_hold, uint64_t *seed)
{
	struct entry *e = &f->entry;
	struct posting *p = &f->postings[next_random(seed) % 4];

	switch (next_random(seed) % 22) {
	case 18: p->has_hold = !p->has_hold; p->hold = c_hold; break;
	case 19: e->clock = (struct inactivity_clock){ true, odd_day(seed), (uint32_t)odd_number(seed), (uint32_t)next_random(seed) % 120 }; break;
	case 20: p->last_day = DAY_CLOCK; break;
	case 0: e->op = (enum op)(next_random(seed) % (OP_COUNT + 1)); break;
	case 1: e->business_date = odd_day(seed); break;
	case 2: e->has_due_at = !e->has_due_at; e->due_at_us = odd_number(seed); break;
	case 3: e->has_hold = !e->has_hold; break;
	case 4: e->hold.has_id = !e->hold.has_id; break;
	case 5: e->hold.left = odd_number(seed); break;
	case 6: e->hold.ends_at_us = odd_number(seed); break;
	case 7: e->n_postings = next_random(seed) % 5; break;
	case 8: p->account = (enum account)(next_random(seed) % (ACCOUNT_COUNT + 1)); break;
	case 9: p->points = odd_number(seed); break;
	case 10: p->last_day = odd_day(seed); break;
	case 11: p->class = (enum lot_class)(next_random(seed) % (LOT_CLASS_COUNT + 1)); break;
	case 12: p->member = next_random(seed) % 3; break;
	case 13:
		e->has_metrics = true;
		e->metrics = (struct metric_day){ e->business_date, odd_number(seed), odd_number(seed), odd_number(seed), { 0, odd_number(seed) } };
		break;
	case 14:
		e->has_tier = true;
		e->tier = (struct tier_state){ .since = odd_day(seed), .until = odd_day(seed), .gift = "gold",
		    .gift_until = odd_day(seed), .from = odd_day(seed), .start = odd_day(seed) };
		break;
	case 15: e->birthday = odd_day(seed); break;
	case 21:
		e->pendings = f->pendings;
		e->n_pendings = 1;
		f->pendings[0] = (struct pending_change){ .has_from = next_random(seed) % 2 == 0, .p = { .due_day = odd_day(seed),
		    .version = (uint32_t)(next_random(seed) % 2), .points = odd_number(seed) } };
		break;
	case 16:
		e->tallies = f->tallies;
		e->n_tallies = next_random(seed) % 3;
		break;
	case 17:
		e->tallies = f->tallies;
		e->n_tallies = 1;
		f->tallies[0] = (struct tally){ .kind = (enum tally_kind)(next_random(seed) % (TALLY_KIND_COUNT + 1)), .id = "base",
		    .per = (enum period)(next_random(seed) % (PERIOD_COUNT + 1)), .at = next_random(seed) % 2 == 0 ? odd_number(seed) : odd_day(seed),
		    .points = odd_number(seed), .count = odd_number(seed) };
		break;
	}
}

/* Whatever an entry says, evolve ends with a fault or with a record that holds together and falls due at a time that can be told. */
static void
garbled_entries_do_no_harm(void **state)
{
	static void (*const bases[])(struct scene *c, struct forged *f) = { forge, forge_capture, forge_enrol };
	uint64_t seed = 20260312;
	size_t fine = 0, faulty = 0;

	(void)state;
	for (size_t round = 0; round < 300; round++) {
		struct scene c;

		scene_set(&c);
		for (size_t i = 0; i < 20; i++) {
			struct forged f;
			enum evolve_fault got;

			bases[next_random(&seed) % 3](&c, &f);
			for (size_t n = next_random(&seed) % 4; n > 0; n--)
				garble(&f, c.hold, &seed);
			enum evolve_mode mode = next_random(&seed) % 2 == 0 ? EVOLVE_LIVE : EVOLVE_REPLAY;
			enum status st = evolve(&c.s.live.state, &f.entry, (struct entry_id){ c.s.seq++, 0 }, c.s.now_us, mode, &got);
			assert_int_equal(st, ST_OK);
			if (got != EVOLVE_OK) {
				faulty++;
				break;			/* the state is undefined from here */
			}
			fine++;
			const struct member *m = stage_member(&c.s, c.member);
			assert_int_equal(member_check(m), EVOLVE_OK);
			if (member_hold(m, c.hold) == NULL)
				break;
		}
		stage_release(&c.s);
	}
	assert_true(fine > 50 && faulty > 50);
}

/* ---- what evolve does by itself ---- */

static void
lots_beyond_the_thousand_merge(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-01-01T00:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);
	int32_t first = day("2030-01-01");
	for (int32_t i = 0; i < LEDGER_LOTS_MAX + 3; i++) {
		char text[DAY_TEXT_BYTES];

		/* a week apart, but the third and fourth are a day apart */
		assert_int_equal(stage_adjust(&s, m, "1", day_format(first + i * 7 - (i == 3 ? 6 : 0), text)), LEDGER_OK);
	}
	const struct member *r = stage_member(&s, m);
	assert_int_equal(r->n_lots, LEDGER_LOTS_MAX);
	assert_int_equal(r->available, LEDGER_LOTS_MAX + 3);
	/* 14 into 15, a day apart; then the first week, 0 into 7; then the next one that is a week still, 28 into 35 */
	const int32_t want[] = { 7, 15, 35, 42 };
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(r->lots[i].last_day, first + want[i]);
		assert_int_equal(r->lots[i].points, i < 3 ? 2 : 1);
	}
	stage_release(&s);
}

static void
metrics_older_than_the_program_asks_are_dropped(void **state)
{
	struct program_def def = plain("KRW");
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-01-01T00:00:00");
	const struct program *p = stage_publish(&s, &def);
	assert_int_equal(p->metric_days, METRIC_DAYS_KEPT);
	uint64_t m = stage_enrol(&s);
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_OK);
	stage_at(&s, "2027-02-05T00:00:00");			/* 400 days later */
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->n_days, 2);
	stage_at(&s, "2027-02-06T00:00:00");
	assert_int_equal(stage_purchase(&s, m, "1"), LEDGER_OK);
	assert_int_equal(stage_member(&s, m)->n_days, 2);
	assert_int_equal(stage_member(&s, m)->spend, 3);
	stage_release(&s);
}

static void
entries_of_a_member_are_linked(void **state)
{
	struct scene c;

	(void)state;
	scene_set(&c);
	struct entry_id before = c.s.id;
	assert_int_equal(stage_purchase(&c.s, c.member, "100"), LEDGER_OK);
	assert_true(c.s.entry.touched[0].has_prev);
	assert_true(c.s.entry.touched[0].prev.seq == before.seq);
	assert_true(stage_member(&c.s, c.member)->head.seq == c.s.id.seq);
	assert_int_equal(c.s.entry.touched[0].held, 10000);
	assert_int_equal(stage_enrol(&c.s), c.member + 1);
	assert_false(c.s.entry.touched[0].has_prev);
	stage_release(&c.s);
}

static void
no_memory_is_passed_up(void **state)
{
	struct scene c;
	struct forged f;
	enum evolve_fault got;
	struct arena none;

	(void)state;
	scene_set(&c);
	forge(&c, &f);
	f.postings[0] = lot_posting(ACCOUNT_MEMBER, c.member, 1000);
	f.postings[0].class = LOT_EARNED;
	f.postings[1].points = -1000;
	arena_init(&none, 0);
	memory_member(&c.s.live, 1, c.member)->cap_lots = 1;	/* full */
	c.s.live.state.arena = &none;
	assert_int_equal(evolve(&c.s.live.state, &f.entry, (struct entry_id){ c.s.seq, 0 }, c.s.now_us, EVOLVE_REPLAY, &got), ST_NOMEM);
	struct cmd cmd = stage_cmd(OP_PURCHASE, c.member);
	cmd.u.purchase.amount = dec("1");
	assert_int_equal(decide(&c.s.live.state, &cmd, c.s.now_us, &none, &c.s.entry, &c.s.refusal), ST_NOMEM);
	arena_release(&none);
	stage_release(&c.s);
}

static void
spoil_nothing(struct entry *e)
{
	(void)e;
}
static void
spoil_program(struct entry *e)
{
	e->program = 1;
}
static void
spoil_size(struct entry *e)
{
	e->u.restore.lost_size = 0;
}
static void
spoil_root(struct entry *e)
{
	e->u.restore.lost_root.len = 31;
}
static void
spoil_reason(struct entry *e)
{
	e->u.restore.reason = "";
}
static void
spoil_principal(struct entry *e)
{
	e->principal = "pos/0042/07";
}
static void
spoil_member(struct entry *e)
{
	e->member = 1;
}

/* What a restore has lost is said whole, by an operator, and changes nothing. */
static void
a_restore_says_what_is_lost(void **state)
{
	static const struct { const char *name; void (*spoil)(struct entry *e); enum evolve_fault want; } cases[] = {
		{ "as it should be", spoil_nothing, EVOLVE_OK },
		{ "of a program", spoil_program, EVOLVE_MALFORMED },
		{ "of nothing", spoil_size, EVOLVE_MALFORMED },
		{ "half a root", spoil_root, EVOLVE_MALFORMED },
		{ "no reason", spoil_reason, EVOLVE_MALFORMED },
		{ "accepted by a till", spoil_principal, EVOLVE_MALFORMED },
		{ "about a member", spoil_member, EVOLVE_MALFORMED },
	};
	static const uint8_t root[32] = { 1 };
	struct scene c;

	(void)state;
	scene_set(&c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct entry e = { .op = OP_RESTORE, .principal = "operator/kim", .engine = 1, .birthday = DAY_NONE, .business_date = DAY_NONE };
		enum evolve_fault got;

		e.u.restore.lost_size = 9;
		e.u.restore.lost_root = bytes_of(root, sizeof(root));
		e.u.restore.reason = "disk_lost";
		cases[i].spoil(&e);
		assert_int_equal(evolve(&c.s.live.state, &e, (struct entry_id){ c.s.seq, 0 }, c.s.now_us, EVOLVE_REPLAY, &got), ST_OK);
		if (got != cases[i].want)
			fail_msg("%s: fault %d", cases[i].name, (int)got);
	}
	stage_release(&c.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_by_name),
		cmocka_unit_test(garbled_entries_do_no_harm),
		cmocka_unit_test(lots_beyond_the_thousand_merge),
		cmocka_unit_test(metrics_older_than_the_program_asks_are_dropped),
		cmocka_unit_test(entries_of_a_member_are_linked),
		cmocka_unit_test(no_memory_is_passed_up),
		cmocka_unit_test(a_restore_says_what_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
