/* What an entry means to a CRM: each event from an entry that was put together by hand, what makes none, and places. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ledger/crm.h"

#define MEMBER(m, n) { .account = ACCOUNT_MEMBER, .member = (m), .points = (n), .last_day = 100, .class = LOT_EARNED }
#define OF(a, m, n) { .account = (a), .member = (m), .points = (n) }
#define PROGRAM(a, n) { .account = (a), .points = (n) }
#define POSTINGS(...) .postings = (const struct posting[]){ __VA_ARGS__ }, \
    .n_postings = sizeof((const struct posting[]){ __VA_ARGS__ }) / sizeof(struct posting)
#define TOUCHED(...) .touched = (struct touched[]){ __VA_ARGS__ }, .n_touched = sizeof((struct touched[]){ __VA_ARGS__ }) / sizeof(struct touched)
#define PENDINGS(...) .pendings = (const struct pending_change[]){ __VA_ARGS__ }, \
    .n_pendings = sizeof((const struct pending_change[]){ __VA_ARGS__ }) / sizeof(struct pending_change)
#define VOUCHERS(...) .vouchers = (const struct voucher_change[]){ __VA_ARGS__ }, \
    .n_vouchers = sizeof((const struct voucher_change[]){ __VA_ARGS__ }) / sizeof(struct voucher_change)
#define TOLD(...) .told = (const struct told[]){ __VA_ARGS__ }, .n_told = sizeof((const struct told[]){ __VA_ARGS__ }) / sizeof(struct told)
#define ENTRY(operation, ...) { .op = (operation), .member = 7, .business_date = 90, .birthday = DAY_NONE, __VA_ARGS__ }
#define NEW_VOUCHER(number, s) { .v = { .n = (number), .state = (s), .source = VOUCHER_BY_RULE, .id = "drink", .last_day = 120 } }
#define OLD_VOUCHER(s) { .has_from = true, .v = { .from = { 3, 1 }, .n = 2, .state = (s), .source = VOUCHER_BY_RULE, .id = "drink", .last_day = DAY_NEVER } }

static const struct { const char *name; struct entry entry; const char *want; } cases[] = {
	{ "a new member", ENTRY(OP_ENROL, TOUCHED({ .member = 7 })), "member.enrolled 7" },
	{ "one who earns by it", ENTRY(OP_ENROL, TOUCHED({ .member = 7 }), POSTINGS(PROGRAM(ACCOUNT_ISSUED, -50), MEMBER(7, 50))),
	    "member.enrolled 7, points.earned 7 50" },
	{ "one moved in from elsewhere", ENTRY(OP_OPENING, TOUCHED({ .member = 7, .tier_from = "green", .tier_to = "gold" }),
	    POSTINGS(PROGRAM(ACCOUNT_OPENING, -50), MEMBER(7, 50))), "member.enrolled 7, points.adjusted 7 50" },
	{ "erased, with all that was left", ENTRY(OP_ERASE, TOUCHED({ .member = 7, .tier_from = "gold", .tier_to = "green" }),
	    POSTINGS(MEMBER(7, -50), PROGRAM(ACCOUNT_EXPIRED, 50)), VOUCHERS(OLD_VOUCHER(VOUCHER_REVOKED))), "member.erased 7" },
	{ "erased, and points of another with it, in a hold of a pool", ENTRY(OP_ERASE, TOUCHED({ .member = 7 }, { .member = 9 }),
	    POSTINGS(MEMBER(7, -50), OF(ACCOUNT_HELD, 9, -8), PROGRAM(ACCOUNT_EXPIRED, 58))), "member.erased 7, points.expired 9 8" },
	{ "points at once, in debt and later", ENTRY(OP_PURCHASE, TOUCHED({ .member = 7 }),
	    POSTINGS(PROGRAM(ACCOUNT_ISSUED, -60), OF(ACCOUNT_DEBT, 7, 10), MEMBER(7, 30), OF(ACCOUNT_PENDING, 7, 20)),
	    PENDINGS({ .p = { .points = 20 } })), "points.earned 7 60 pending 20" },
	{ "nothing earned", ENTRY(OP_PURCHASE, TOUCHED({ .member = 7 })), "" },
	{ "terms that change", ENTRY(OP_PURCHASE, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, -30), MEMBER(7, 30))), "" },
	{ "of a partner", ENTRY(OP_PURCHASE, TOUCHED({ .member = 7 }), POSTINGS(PROGRAM(ACCOUNT_PARTNER_ISSUED, -5), MEMBER(7, 5))), "points.earned 7 5" },
	{ "two members", ENTRY(OP_PURCHASE, TOUCHED({ .member = 7 }, { .member = 9 }),
	    POSTINGS(PROGRAM(ACCOUNT_ISSUED, -15), MEMBER(7, 5), OF(ACCOUNT_PENDING, 9, 10))), "points.earned 7 5, points.earned 9 10 pending 10" },
	{ "one that another goes into", ENTRY(OP_ENROL, TOUCHED({ .member = 7 }, { .member = 9 }),
	    POSTINGS(PROGRAM(ACCOUNT_ISSUED, -10), MEMBER(7, 34), MEMBER(9, -24))),
	    "member.enrolled 7, points.earned 7 10, points.adjusted 7 24, points.adjusted 9 -24" },
	{ "activated by its day", ENTRY(OP_ACTIVATE, TOUCHED({ .member = 7 }), POSTINGS(OF(ACCOUNT_PENDING, 7, -20), OF(ACCOUNT_DEBT, 7, 5), MEMBER(7, 15)),
	    PENDINGS({ true, { .points = -20 } })), "points.activated 7 20" },
	{ "activated by an activity that earns", ENTRY(OP_ACTIVITY, TOUCHED({ .member = 7 }),
	    POSTINGS(PROGRAM(ACCOUNT_ISSUED, -8), OF(ACCOUNT_PENDING, 7, -17), MEMBER(7, 25)), PENDINGS({ true, { .points = -20 } }, { .p = { .points = 3 } })),
	    "points.earned 7 8 pending 3, points.activated 7 20" },
	{ "lapsed", ENTRY(OP_LAPSE, TOUCHED({ .member = 7 }), POSTINGS(OF(ACCOUNT_PENDING, 7, -20), PROGRAM(ACCOUNT_CLAWED, 20)),
	    PENDINGS({ true, { .points = -20 } })), "points.adjusted 7 -20" },
	{ "spent", ENTRY(OP_REDEEM, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, -30), PROGRAM(ACCOUNT_REDEEMED, 30))), "points.spent 7 30" },
	{ "captured", ENTRY(OP_CAPTURE, TOUCHED({ .member = 7 }), POSTINGS(OF(ACCOUNT_HELD, 7, -30), PROGRAM(ACCOUNT_REDEEMED, 30)), .has_hold = true),
	    "points.spent 7 30" },
	{ "out of two purses", ENTRY(OP_REDEEM, TOUCHED({ .member = 7 }, { .member = 9 }),
	    POSTINGS(MEMBER(7, -10), MEMBER(9, -20), PROGRAM(ACCOUNT_REDEEMED, 30))), "points.spent 7 10, points.spent 9 20" },
	{ "given back", ENTRY(OP_REVERSE_REDEEM, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, 30), PROGRAM(ACCOUNT_REINSTATED, -30))), "points.adjusted 7 30" },
	{ "taken back", ENTRY(OP_RETURN, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, -30), PROGRAM(ACCOUNT_CLAWED, 30))), "points.adjusted 7 -30" },
	{ "taken back into debt", ENTRY(OP_RETURN, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, -20), OF(ACCOUNT_DEBT, 7, -10), PROGRAM(ACCOUNT_CLAWED, 30))),
	    "points.adjusted 7 -30" },
	{ "taken back by a partner", ENTRY(OP_RETURN, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, -5), PROGRAM(ACCOUNT_PARTNER_ISSUED, 5))),
	    "points.adjusted 7 -5" },
	{ "adjusted", ENTRY(OP_ADJUST, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, 30), PROGRAM(ACCOUNT_ADJUSTED, -30))), "points.adjusted 7 30" },
	{ "approved, and pays debt", ENTRY(OP_APPROVE, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, 20), OF(ACCOUNT_DEBT, 7, 10), PROGRAM(ACCOUNT_ADJUSTED, -30))),
	    "points.adjusted 7 30" },
	{ "taken by hand", ENTRY(OP_ADJUST, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, -30), PROGRAM(ACCOUNT_ADJUSTED, 30))), "points.adjusted 7 -30" },
	{ "lent", ENTRY(OP_ADVANCE, TOUCHED({ .member = 7 }), .u.advance.points = 30, POSTINGS(MEMBER(7, 30), OF(ACCOUNT_DEBT, 7, -30))),
	    "points.advanced 7 30" },
	{ "sent", ENTRY(OP_TRANSFER, TOUCHED({ .member = 7 }, { .member = 9 }), POSTINGS(MEMBER(7, -30), PROGRAM(ACCOUNT_TRANSFERRED, 30),
	    PROGRAM(ACCOUNT_TRANSFERRED, -30), MEMBER(9, 30))), "points.adjusted 7 -30, points.adjusted 9 30" },
	{ "sent, and spent by whom it came to", ENTRY(OP_TRANSFER, TOUCHED({ .member = 7 }, { .member = 9 }), POSTINGS(MEMBER(7, -30), MEMBER(9, 30),
	    MEMBER(9, -12), PROGRAM(ACCOUNT_REDEEMED, 12))), "points.spent 9 12, points.adjusted 7 -30, points.adjusted 9 30" },
	{ "two become one", ENTRY(OP_MERGE, TOUCHED({ .member = 7 }, { .member = 9 }), POSTINGS(MEMBER(9, -30), MEMBER(7, 30), OF(ACCOUNT_HELD, 9, -4),
	    OF(ACCOUNT_HELD, 7, 4), OF(ACCOUNT_DEBT, 9, 3), OF(ACCOUNT_DEBT, 7, -3))), "points.adjusted 7 31, points.adjusted 9 -31" },
	{ "ended", ENTRY(OP_EXPIRE, TOUCHED({ .member = 7 }), POSTINGS(MEMBER(7, -30), PROGRAM(ACCOUNT_EXPIRED, 30))), "points.expired 7 30" },
	{ "released, partly too late", ENTRY(OP_RELEASE, TOUCHED({ .member = 7 }), .has_hold = true,
	    POSTINGS(OF(ACCOUNT_HELD, 7, -30), MEMBER(7, 20), PROGRAM(ACCOUNT_EXPIRED, 10))), "points.expired 7 10" },
	{ "a hold's time is over", ENTRY(OP_HOLD_TIMEOUT, TOUCHED({ .member = 7 }), .has_hold = true, .u.capture.hold = { 4, 5 },
	    POSTINGS(OF(ACCOUNT_HELD, 7, -30), MEMBER(7, 20), PROGRAM(ACCOUNT_EXPIRED, 10))), "points.expired 7 10, hold.expired 7 30 hold 4.5" },
	{ "a hold emptied by midnights", ENTRY(OP_HOLD_EXPIRE, TOUCHED({ .member = 7 }), .has_hold = true, .u.capture.hold = { 4, 5 },
	    POSTINGS(OF(ACCOUNT_HELD, 7, -30), PROGRAM(ACCOUNT_EXPIRED, 30))), "points.expired 7 30, hold.expired 7 30 hold 4.5" },
	{ "a hold with something left", ENTRY(OP_HOLD_EXPIRE, TOUCHED({ .member = 7 }), .has_hold = true, .hold.left = 1, .u.capture.hold = { 4, 5 },
	    POSTINGS(OF(ACCOUNT_HELD, 7, -30), PROGRAM(ACCOUNT_EXPIRED, 30))), "points.expired 7 30" },
	{ "a hold of a voucher", ENTRY(OP_HOLD_TIMEOUT, TOUCHED({ .member = 7 }), .has_hold = true, .u.capture.hold = { 4, 5 },
	    VOUCHERS(OLD_VOUCHER(VOUCHER_ISSUED))), "hold.expired 7 hold 4.5 voucher drink 3.1.2" },
	{ "up", ENTRY(OP_PURCHASE, TOUCHED({ .member = 7, .tier_from = "green", .tier_to = "gold" }), .has_tier = true,
	    .tier = { .earned = "gold", .until = 200, .gift_until = DAY_NEVER }), "tier.upgraded 7 green gold through 200" },
	{ "down to one for ever", ENTRY(OP_TIER_REVIEW, TOUCHED({ .member = 7, .tier_from = "gold", .tier_to = "green" }), .has_tier = true,
	    .tier = { .earned = "green", .until = DAY_NEVER, .gift_until = DAY_NEVER }), "tier.downgraded 7 gold green" },
	{ "a gift", ENTRY(OP_TIER, TOUCHED({ .member = 7, .tier_from = "green", .tier_to = "ruby" }), .has_tier = true,
	    .tier = { .earned = "green", .until = DAY_NEVER, .gift = "ruby", .gift_until = 99 }), "tier.upgraded 7 green ruby through 99" },
	{ "of the other member", ENTRY(OP_TRANSFER, TOUCHED({ .member = 7 }, { .member = 9, .tier_from = "green", .tier_to = "gold" }),
	    .n_sides = 1, .sides = &(const struct side){ .member = 9, .has_tier = true, .tier = { .earned = "gold", .until = 50 } }),
	    "tier.upgraded 9 green gold through 50" },
	{ "a tier that is not there", ENTRY(OP_TIER, TOUCHED({ .member = 7, .tier_from = "green", .tier_to = "lead" })), "" },
	{ "half a move", ENTRY(OP_TIER, TOUCHED({ .member = 7, .tier_to = "gold" })), "" },
	{ "vouchers", ENTRY(OP_PURCHASE, TOUCHED({ .member = 7 }), VOUCHERS(NEW_VOUCHER(0, VOUCHER_ISSUED), NEW_VOUCHER(1, VOUCHER_ISSUED))),
	    "voucher.issued 7 through 120 voucher drink 20.3.0, voucher.issued 7 through 120 voucher drink 20.3.1" },
	{ "a voucher is used", ENTRY(OP_CAPTURE, TOUCHED({ .member = 7 }), VOUCHERS(OLD_VOUCHER(VOUCHER_USED))), "voucher.used 7 voucher drink 3.1.2" },
	{ "a voucher is revoked", ENTRY(OP_RETURN, TOUCHED({ .member = 7 }), VOUCHERS(OLD_VOUCHER(VOUCHER_REVOKED))), "voucher.revoked 7 voucher drink 3.1.2" },
	{ "a voucher is held, and comes back", ENTRY(OP_HOLD, TOUCHED({ .member = 7 }), VOUCHERS(OLD_VOUCHER(VOUCHER_HELD), OLD_VOUCHER(VOUCHER_ISSUED))), "" },
	{ "a voucher ends", ENTRY(OP_VOUCHER_EXPIRE, TOUCHED({ .member = 7 }), VOUCHERS(OLD_VOUCHER(VOUCHER_EXPIRED))), "" },
	{ "an adjustment comes behind all that was there before", ENTRY(OP_RETURN, TOUCHED({ .member = 7, .tier_from = "gold", .tier_to = "green" }),
	    POSTINGS(MEMBER(7, -30), PROGRAM(ACCOUNT_CLAWED, 30)), VOUCHERS(OLD_VOUCHER(VOUCHER_REVOKED)),
	    TOLD({ .kind = NOTICE_EXPIRING, .points = 5, .last_day = 100 })),
	    "tier.downgraded 7 gold green, voucher.revoked 7 voucher drink 3.1.2, points.expiring 7 5 through 100, points.adjusted 7 -30" },
	{ "notices", ENTRY(OP_NOTICE, TOUCHED({ .member = 7, .tier = "gold" }), TOLD({ .kind = NOTICE_EXPIRING, .points = 5, .last_day = 100 },
	    { .kind = NOTICE_DOWNGRADE, .points = 40, .last_day = 101 },
	    { .kind = NOTICE_VOUCHER, .last_day = 102, .voucher = "drink", .from = { 3, 1 }, .n = 2 })),
	    "points.expiring 7 5 through 100, tier.will_downgrade 7 40 gold through 101, voucher.expiring 7 through 102 voucher drink 3.1.2" },
	{ "a downgrade that asks for no points", ENTRY(OP_NOTICE, TOUCHED({ .member = 7, .tier = "gold" }), TOLD({ .kind = NOTICE_DOWNGRADE, .last_day = 101 })),
	    "tier.will_downgrade 7 gold through 101" },
	{ "what nobody is touched by", { .op = OP_CLOCK_ACCEPT, .birthday = DAY_NONE, .business_date = DAY_NONE }, "" },
	{ "forged sums", ENTRY(OP_EXPIRE, TOUCHED({ .member = 7 }), POSTINGS(PROGRAM(ACCOUNT_EXPIRED, INT64_MAX), PROGRAM(ACCOUNT_EXPIRED, INT64_MAX),
	    OF(ACCOUNT_MEMBER, 7, INT64_MIN), OF(ACCOUNT_MEMBER, 9, 1))), "" },
};

static void
print_event(const struct crm_event *e, char *out, size_t cap)
{
	char text[CRM_PLACE_TEXT_BYTES];
	size_t n = strlen(out);

#define ADD(...) (void)snprintf(out + strlen(out), cap - strlen(out), __VA_ARGS__)
	ADD("%s%s %d", n > 0 ? ", " : "", crm_type_str(e->type), (int)e->member);
	if (e->has_points)
		ADD(" %lld", (long long)e->points);
	if (e->pending != 0)
		ADD(" pending %lld", (long long)e->pending);
	if (e->tier_from != NULL)
		ADD(" %s", e->tier_from);
	if (e->tier != NULL)
		ADD(" %s", e->tier);
	if (e->last_day != DAY_NONE)
		ADD(" through %d", (int)e->last_day);
	if (e->has_hold)
		ADD(" hold %s", crm_entry_format(e->hold, text));
	if (e->voucher != NULL)
		ADD(" voucher %s %s", e->voucher, crm_place_format(e->voucher_name, text));
#undef ADD
}

static void
each_entry_has_its_events(void **state)
{
	static const struct program program = { .n_tiers = 3, .tiers = { { .id = "green", .rank = 0 }, { .id = "gold", .rank = 1 }, { .id = "ruby", .rank = 2 } } };
	const struct entry_id id = { 20, 3 };
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct crm_event *events = NULL;
		char got[600] = "";
		size_t n;

		assert_int_equal(crm_events(&cases[i].entry, id, 1234, &program, &arena, &events, &n), ST_OK);
		for (size_t k = 0; k < n; k++) {
			print_event(&events[k], got, sizeof(got));
			assert_int_equal(events[k].n, k);
			assert_true(events[k].entry.seq == 20 && events[k].entry.index == 3 && events[k].op == cases[i].entry.op);
			assert_true(events[k].at_us == 1234 && events[k].date == 90 && events[k].program == &program);
		}
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: \"%s\", and should be \"%s\"", cases[i].name, got, cases[i].want);
	}
	arena_release(&arena);
}

/* The instant is that of the decision. */
static void
an_event_is_of_its_instant(void **state)
{
	static const struct program program = { .n_tiers = 0 };
	struct entry due = ENTRY(OP_ENROL, TOUCHED({ .member = 7 }), .has_at = true, .at_us = 20, .has_due_at = true, .due_at_us = 10);
	struct crm_event *events;
	struct arena arena;
	size_t n;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (int i = 0; i < 3; i++) {
		static const int64_t want[] = { 10, 20, 30 };
		assert_int_equal(crm_events(&due, (struct entry_id){ 1, 0 }, 30, &program, &arena, &events, &n), ST_OK);
		assert_int_equal(n, 1);
		assert_int_equal(events[0].at_us, want[i]);
		due.has_at = i == 0;
		due.has_due_at = false;
	}
	arena_release(&arena);
}

static void
places_are_read_as_they_are_written(void **state)
{
	static const struct { const char *text; bool good; } places[] = {
		{ "0.0.0", true }, { "41.0.2", true }, { "18446744073709551615.4294967295.4294967295", true }, { "18446744073709551616.0.0", false },
		{ "1.4294967296.0", false }, { "1.0.4294967296", false }, { "1.0", false }, { "1", false }, { "", false }, { "1.0.0.0", false }, { "1.0.", false },
		{ "01.0.0", false }, { "1.00.0", false }, { "1.0.01", false }, { "-1.0.0", false }, { "+1.0.0", false }, { " 1.0.0", false }, { "1.0.0 ", false },
		{ "1..0", false }, { "a.0.0", false }, { "1,0,0", false },
	};
	char text[CRM_PLACE_TEXT_BYTES];
	struct crm_place place;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (crm_place_parse(places[i].text, &place) != places[i].good)
			fail_msg("%s", places[i].text);
		if (places[i].good)
			assert_string_equal(crm_place_format(place, text), places[i].text);
	}
}

static void
places_have_an_order(void **state)
{
	static const struct crm_place rising[] = { { { 0, 0 }, 0 }, { { 0, 0 }, 1 }, { { 0, 2 }, 0 }, { { 3, 0 }, 0 }, { { 3, 0 }, 7 }, { { UINT64_MAX, 1 }, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rising) / sizeof(rising[0]); i++) {
		for (size_t k = 0; k < sizeof(rising) / sizeof(rising[0]); k++) {
			int order = crm_place_compare(rising[i], rising[k]);
			assert_true(i < k ? order < 0 : i > k ? order > 0 : order == 0);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_has_its_events),
		cmocka_unit_test(an_event_is_of_its_instant),
		cmocka_unit_test(places_are_read_as_they_are_written),
		cmocka_unit_test(places_have_an_order),
	};

	return cmocka_run_group_tests_name("crm", tests, NULL, NULL);
}
