/* Partners: prices as they are written, and whose account each posting is of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/internal.h"
#include "memory_state.h"
#include "stage_programs.h"

static struct program_def
coalition(void)
{
	struct program_def def = plain("KRW");

	def.has_redemption = true;
	def.n_partners = 2;
	def.partners[0] = (struct partner_def){ .id = "air", .issue_price = "1", .redeem_price = "2/3", .has_settlement = true };
	def.partners[1] = (struct partner_def){ .id = "bank", .issue_price = "0.5", .redeem_price = "7", .has_settlement = true, .prepaid = true };
	return def;
}

static enum ledger_result
purchase_at(struct stage *s, uint64_t member, const char *amount, const char *partner)
{
	struct cmd c = stage_cmd(OP_PURCHASE, member);

	c.u.purchase.amount = dec(amount);
	c.u.purchase.partner = partner;
	return stage_play(s, &c);
}

/* Reverses, or returns, all that is left of an entry. */
static enum ledger_result
undo(struct stage *s, enum op op, uint64_t member, const struct entry *past, struct entry_id id)
{
	struct cmd c = stage_cmd(op, member);

	c.u.past.entry = past;
	c.u.past.id = id;
	return stage_play(s, &c);
}

static int64_t
account(struct stage *s, enum account a)
{
	return s->live.programs[0].totals.account[a];
}

/* What the newest entry posted to a partner's accounts. */
static int64_t
posted(const struct stage *s, enum account a, const char *partner)
{
	int64_t points = 0;

	for (size_t i = 0; i < s->entry.n_postings; i++) {
		const struct posting *p = &s->entry.postings[i];
		assert_true((p->partner != NULL) == account_is_partners(p->account));
		if (p->account == a && strcmp(p->partner, partner) == 0)
			points += p->points;
	}
	return points;
}

static void
accounts_of_partners(void **state)
{
	struct program_def def = coalition();
	struct stage s;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-01T00:00:00");
	stage_publish(&s, &def);
	uint64_t m = stage_enrol(&s);

	assert_int_equal(purchase_at(&s, m, "100", "air"), LEDGER_OK);
	struct entry air = s.entry;
	struct entry_id air_id = s.id;
	assert_int_equal(posted(&s, ACCOUNT_PARTNER_ISSUED, "air"), -100);
	assert_int_equal(purchase_at(&s, m, "50", "bank"), LEDGER_OK);
	assert_int_equal(posted(&s, ACCOUNT_PARTNER_ISSUED, "bank"), -50);
	assert_int_equal(purchase_at(&s, m, "7", NULL), LEDGER_OK);
	assert_int_equal(account(&s, ACCOUNT_ISSUED), -7);
	assert_int_equal(account(&s, ACCOUNT_PARTNER_ISSUED), -150);

	struct cmd c = stage_cmd(OP_HOLD, m);
	c.u.hold.points = dec("40");
	c.u.hold.partner = "bank";
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	struct entry_id hold = s.id;
	assert_string_equal(stage_member(&s, m)->holds[0].partner, "bank");
	assert_int_equal(stage_capture(&s, m, hold, NULL), LEDGER_OK);
	struct entry captured = s.entry;
	struct entry_id capture = s.id;
	assert_int_equal(posted(&s, ACCOUNT_PARTNER_REDEEMED, "bank"), 40);
	c = stage_cmd(OP_REDEEM, m);
	c.u.redeem.points = dec("10");
	c.u.redeem.partner = "air";
	assert_int_equal(stage_play(&s, &c), LEDGER_OK);
	assert_int_equal(posted(&s, ACCOUNT_PARTNER_REDEEMED, "air"), 10);
	assert_int_equal(account(&s, ACCOUNT_REDEEMED), 0);

	assert_int_equal(undo(&s, OP_REVERSE_REDEEM, m, &captured, capture), LEDGER_OK);
	assert_int_equal(posted(&s, ACCOUNT_PARTNER_REDEEMED, "bank"), -40);
	assert_int_equal(account(&s, ACCOUNT_REINSTATED), 0);
	assert_int_equal(stage_redeem(&s, m, "140"), LEDGER_OK);
	assert_int_equal(undo(&s, OP_RETURN, m, &air, air_id), LEDGER_OK);
	assert_int_equal(posted(&s, ACCOUNT_PARTNER_ISSUED, "air"), 100);	/* 7 of them were there, 93 are owed */
	assert_int_equal(stage_member(&s, m)->debt, 93);
	assert_int_equal(account(&s, ACCOUNT_CLAWED), 0);
	memory_trial_balance(&s.live);
	stage_release(&s);
}

/* Issued, spent and returned again and again, points stay within what a ledger can count: what is owed counts too. */
static void
points_stay_countable(void **state)
{
	struct program_def def = coalition();
	struct stage s;
	enum ledger_result r = LEDGER_OK;

	(void)state;
	stage_init(&s);
	stage_at(&s, "2026-03-01T00:00:00");
	stage_publish(&s, &def);
	for (int i = 0; i < 20 && r == LEDGER_OK; i++) {
		uint64_t m = stage_enrol(&s);

		r = purchase_at(&s, m, "900000000000000000", "air");
		struct entry bought = s.entry;
		struct entry_id id = s.id;
		if (r != LEDGER_OK)
			break;
		assert_int_equal(stage_redeem(&s, m, "900000000000000000"), LEDGER_OK);
		assert_int_equal(undo(&s, OP_RETURN, m, &bought, id), LEDGER_OK);
	}
	assert_int_equal(r, LEDGER_INVALID_ARGUMENT);
	stage_release(&s);
}

static const struct { const char *text, *currency; int64_t num, den; } prices[] = {
	{ "1", "KRW", 1, 1 },
	{ "2/3", "KRW", 2, 3 },
	{ "4/6", "KRW", 2, 3 },
	{ "0.0066", "KRW", 33, 5000 },
	{ "0.50", "USD", 50, 1 },
	{ "1/3", "USD", 100, 3 },
	{ "2.5/1.5", "BHD", 5000, 3 },
	{ "0", "KRW", 0, 0 },			/* above zero */
	{ "-1", "KRW", 0, 0 },
	{ "1/0", "KRW", 0, 0 },
	{ "1/2/3", "KRW", 0, 0 },
	{ "/2", "KRW", 0, 0 },
	{ "1/", "KRW", 0, 0 },
	{ "0.0000001", "KRW", 0, 0 },
	{ "1000000001", "KRW", 0, 0 },
	{ "1e3", "KRW", 0, 0 },
	{ "", "KRW", 0, 0 },
	{ NULL, "KRW", 0, 0 },
};

static void
prices_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
		struct program_def def = coalition();
		struct zone zone = stage_zone(9);
		struct program_error error;
		struct program *p;
		struct arena arena;

		arena_init(&arena, 1u << 22);
		def.currency = prices[i].currency;
		def.partners[1].redeem_price = prices[i].text;
		enum status st = program_compile(&def, &zone, &arena, &p, &error);
		if ((st == ST_OK) != (prices[i].den != 0))
			fail_msg("%s: %d %s", prices[i].text, (int)st, error.sentence);
		if (st == ST_OK) {
			assert_int_equal(p->partners[1].redeem.num, prices[i].num);
			assert_int_equal(p->partners[1].redeem.den, prices[i].den);
		} else {
			assert_string_equal(error.path, "partners[1].redeem_price");
		}
		arena_release(&arena);
	}
}

static const char *const unknown_partner[] = { "sea" };
static void no_id(struct program_def *d) { d->partners[1].id = NULL; }
static void bad_id(struct program_def *d) { d->partners[1].id = "A"; }
static void same_id(struct program_def *d) { d->partners[1].id = "air"; }
static void no_issue(struct program_def *d) { d->partners[0].issue_price = NULL; }
static void no_settlement(struct program_def *d) { d->partners[0].has_settlement = false; }
static void too_many(struct program_def *d) { d->n_partners = PROGRAM_PARTNERS_MAX + 1; }
static void not_there(struct program_def *d) { d->rules[0].when.partners = (struct word_list){ 1, unknown_partner }; }

static const struct { void (*spoil)(struct program_def *d); const char *path; } refusals[] = {
	{ no_id, "partners[1].id" }, { bad_id, "partners[1].id" }, { same_id, "partners[1].id" }, { no_issue, "partners[0].issue_price" },
	{ no_settlement, "partners[0].settlement" }, { too_many, "partners" }, { not_there, "earn[0].when.partners[0]" },
};

static void
partners_that_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct program_def def = coalition();
		struct zone zone = stage_zone(9);
		struct program_error error;
		struct program *p;
		struct arena arena;

		arena_init(&arena, 1u << 22);
		refusals[i].spoil(&def);
		assert_int_equal(program_compile(&def, &zone, &arena, &p, &error), ST_INVALID);
		assert_string_equal(error.path, refusals[i].path);
		arena_release(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_of_partners),
		cmocka_unit_test(points_stay_countable),
		cmocka_unit_test(prices_are_exact),
		cmocka_unit_test(partners_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
