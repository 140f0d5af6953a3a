/* What members, tills and operators do.  A refusal is as good an outcome as any: decisions that are refused must change nothing either. */
#include "life.h"

#include <string.h>

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define PICK(t, array) ((array)[tape_draw((t), LEN(array))])

/* Up to some time ahead; exact midnights and the microsecond before them are where mistakes are. */
static void
move_clock(struct life *l)
{
	static const int64_t spans_us[] = { 0, US_PER_SECOND, 200 * US_PER_SECOND, 7200 * US_PER_SECOND, US_PER_DAY, 10 * US_PER_DAY, 40 * US_PER_DAY,
	    200 * US_PER_DAY };
	struct tape *t = l->tape;
	uint32_t how = tape_draw(t, 100);
	int64_t to_us = l->now_us;

	if (how < 85) {
		int64_t span_us = spans_us[how < 20 ? 0 : how < 32 ? 1 : how < 42 ? 2 : how < 58 ? 3 : how < 68 ? 4 : how < 78 ? 5 : how < 83 ? 6 : 7];
		to_us += span_us / 1000 * (int64_t)tape_draw(t, 1001);
	} else {
		to_us = zone_midnight_us(&l->zone, life_today(l) + 1 + (int32_t)tape_draw(t, 30)) - (int64_t)tape_draw(t, 2);
	}
	while (l->keeps_nights) {
		int64_t midnight_us = zone_midnight_us(&l->zone, life_today(l) + 1);
		if (midnight_us > to_us)
			break;
		l->now_us = midnight_us;
		for (uint64_t m = 1; m <= l->n_people; m++)
			life_roll(l, m);
	}
	if (to_us > l->now_us)
		l->now_us = to_us;
}

static struct decimal
decimal_of(int64_t mantissa, unsigned digits)
{
	return (struct decimal){ mantissa, (uint8_t)digits };
}

/* Mostly small, now and then beyond everything; sometimes with fewer digits than the scale has, rarely with more. */
static struct decimal
any_decimal(struct tape *t, unsigned scale)
{
	static const int64_t most[] = { 10, 100, 500, 2000, 20000, 200000, INT64_C(1000000000), INT64_C(1) << 60, INT64_MAX };
	static const int64_t tens[] = { 1, 10, 100, 1000 };
	uint32_t size = tape_draw(t, 100), shape = tape_draw(t, 100);
	int64_t limit = most[size < 25 ? 0 : size < 50 ? 1 : size < 75 ? 2 : size < 88 ? 3 : size < 94 ? 4 : size < 97 ? 5 : size < 98 ? 6 : size < 99 ? 7 : 8];
	int64_t value = (int64_t)((uint64_t)tape_draw(t, UINT32_MAX) << 31 | tape_draw(t, UINT32_MAX) >> 1) % (limit + (limit < INT64_MAX));

	if (size < 75)
		value = 1 + (int64_t)tape_draw(t, (uint32_t)limit);
	if (shape >= 98)
		return decimal_of(value, scale + 1);
	if (shape >= 50 || size >= 75)
		return decimal_of(value, scale);
	return decimal_of(value * tens[scale], scale);		/* whole units */
}

static unsigned
scale_of(const struct life *l)
{
	return l->defs[0]->scale;
}

static unsigned
digits_of(const struct life *l)
{
	return l->programs[0]->currency_digits;
}

static struct cmd
begin(struct life *l, enum op op, uint64_t member)
{
	struct cmd cmd = { .op = op, .principal = "pos/s1/01", .request_id = "r", .program = 1, .member = member };
	struct tape *t = l->tape;

	if (tape_chance(t, 30))
		cmd.store = tape_chance(t, 50) ? "s2" : "s1";
	if (tape_chance(t, 15)) {
		cmd.has_occurred_at = true;
		cmd.occurred_at_us = l->now_us - (int64_t)tape_draw(t, 65) * US_PER_DAY - (int64_t)tape_draw(t, 86400) * US_PER_SECOND;
		if (tape_chance(t, 20))
			cmd.occurred_at_us = l->now_us + (int64_t)tape_draw(t, 400) * US_PER_SECOND;
	}
	return cmd;
}

static void
with_segments(struct life *l, struct cmd *cmd)
{
	const struct person *p = &l->people[cmd->member - 1];

	cmd->n_segments = p->n_segments;
	cmd->segments = p->segments;
}

static void
remember(struct entry_id *ids, size_t *n, struct entry_id id)
{
	memmove(&ids[1], &ids[0], (LIFE_PAST_MAX - 1) * sizeof(*ids));
	ids[0] = id;
	*n += *n < LIFE_PAST_MAX;
}

/* ---- what earns ---- */

static void
any_lines(struct life *l, struct cmd *cmd)
{
	static const char *const categories[] = { NULL, "drink", "food", "gift" }, *const skus[] = { NULL, "latte", "cake" };
	struct tape *t = l->tape;
	size_t n = tape_chance(t, 50) ? 1 + tape_draw(t, 3) : 0;
	struct line *lines = life_alloc(l, n * sizeof(*lines));
	int64_t left = cmd->u.purchase.amount.mantissa;

	for (size_t i = 0; i < n; i++) {
		int64_t amount = left / 4 * (int64_t)tape_draw(t, 5);

		if (tape_chance(t, 5))
			amount += 1 + left;		/* more than there is */
		lines[i] = (struct line){ .category = PICK(t, categories), .sku = PICK(t, skus), .qty = 1 + tape_draw(t, 4),
		    .amount = decimal_of(amount, cmd->u.purchase.amount.digits) };
		left -= amount < left ? amount : left;
	}
	cmd->u.purchase.n_lines = n;
	cmd->u.purchase.lines = lines;
}

static void
any_purchase(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_PURCHASE, member);
	struct person *p = &l->people[member - 1];
	struct tape *t = l->tape;

	cmd.u.purchase.amount = any_decimal(t, digits_of(l));
	if (cmd.u.purchase.amount.mantissa < INT64_MAX / 8)
		any_lines(l, &cmd);
	if (tape_chance(t, 15))
		cmd.u.purchase.partner = tape_chance(t, 50) ? "p2" : "p1";
	cmd.u.purchase.has_paid_with_points = tape_chance(t, 15);
	if (cmd.u.purchase.has_paid_with_points)
		cmd.u.purchase.paid_with_points = decimal_of(cmd.u.purchase.amount.mantissa / 8 * (int64_t)tape_draw(t, 10), cmd.u.purchase.amount.digits);
	with_segments(l, &cmd);
	if (life_play(l, &cmd) != LEDGER_OK)
		return;
	remember(p->purchases, &p->n_purchases, life_id(l, l->n_stored - 1));
}

static void
any_activity(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_ACTIVITY, member);
	const struct person *p = &l->people[member - 1];
	struct tape *t = l->tape;

	cmd.u.activity.activity = tape_chance(t, 50) ? "stay" : "delivered";
	cmd.u.activity.qty = 1 + tape_draw(t, 3);
	cmd.u.activity.has_amount = tape_chance(t, 50);
	if (cmd.u.activity.has_amount)
		cmd.u.activity.amount = any_decimal(t, digits_of(l));
	if (tape_chance(t, 15))
		cmd.u.activity.partner = "p1";
	cmd.u.activity.has_score = tape_chance(t, 10);
	cmd.u.activity.score = cmd.u.activity.has_score ? tape_draw(t, 5) : 0;
	cmd.u.activity.names_purchase = tape_chance(t, 60);
	uint32_t which = tape_draw(t, 3);
	if (cmd.u.activity.names_purchase && which < p->n_purchases) {
		cmd.u.activity.found = true;
		cmd.u.activity.purchase = p->purchases[which];
	}
	with_segments(l, &cmd);
	(void)life_play(l, &cmd);
}

static void
any_adjust(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_ADJUST, member);
	struct tape *t = l->tape;

	cmd.u.adjust.points = any_decimal(t, scale_of(l));
	if (tape_chance(t, 30))
		cmd.u.adjust.points.mantissa = -cmd.u.adjust.points.mantissa;
	cmd.u.adjust.reason = "any";
	cmd.u.adjust.last_day = DAY_NONE;
	if (cmd.u.adjust.points.mantissa > 0 && tape_chance(t, 40))
		cmd.u.adjust.last_day = tape_chance(t, 20) ? DAY_NEVER : life_today(l) + (int32_t)tape_draw(t, 90);
	cmd.u.adjust.tier_points = tape_chance(t, 30);
	(void)life_play(l, &cmd);
}

/* ---- approvals ---- */

#define APPROVER "approver/a"
static const uint8_t approver_key[PUBLIC_KEY_LEN] = { 7 };

static void
register_approver(struct life *l)
{
	struct cmd cmd = { .op = OP_APPROVER_KEY, .principal = "operator/local", .request_id = "k" };

	cmd.u.approver_key.principal = APPROVER;
	cmd.u.approver_key.public_key = bytes_of(approver_key, sizeof(approver_key));
	cmd.u.approver_key.until = tape_chance(l->tape, 70) ? DAY_NEVER : life_today(l) + (int32_t)tape_draw(l->tape, 60);
	(void)life_play(l, &cmd);
}

/* One that waits, or waited, or any other command of the member's. */
static void
any_approval(struct life *l, uint64_t member)
{
	static const uint8_t signature[64] = { 1 };
	struct cmd cmd = begin(l, OP_APPROVE, member);
	const struct memory_state *ms = l->ledger;
	struct bytes key = bytes_of(approver_key, sizeof(approver_key));
	uint8_t hash[SHA256_BYTES];

	if (ms->n_approvers == 0 || tape_chance(l->tape, 10))
		register_approver(l);
	cmd.u.approve.id = life_member(l, member)->head;
	for (size_t i = 0; i < ms->n_waiting; i++) {
		if (ms->waiting[i].waiting.member == member && (!ms->waiting[i].waiting.approved || tape_chance(l->tape, 10)))
			cmd.u.approve.id = ms->waiting[i].id;
	}
	hash_sha256(hash, &key, 1);
	cmd.principal = APPROVER;
	cmd.u.approve.entry = life_find(l, cmd.u.approve.id);
	cmd.u.approve.signature = bytes_of(signature, sizeof(signature));
	cmd.u.approve.key_id = bytes_of(arena_memdup(&l->arena, hash, LEDGER_KEY_ID_LEN), LEDGER_KEY_ID_LEN);
	cmd.u.approve.verified = !tape_chance(l->tape, 5);
	(void)life_play(l, &cmd);
}

/* ---- what spends ---- */

/* Mostly no more than there is; around the limit of a day, when there is one. */
static struct decimal
some_of(struct life *l, int64_t available)
{
	const struct program *p = life_program(l);
	uint32_t parts = tape_draw(l->tape, 5);

	if (p->has_redeem_per_day && p->redeem_per_day > 1 && tape_chance(l->tape, 60))
		return decimal_of(p->redeem_per_day / 2 + (int64_t)tape_draw(l->tape, 3), scale_of(l));
	if (tape_chance(l->tape, 20) || available < 4)
		return any_decimal(l->tape, scale_of(l));
	return decimal_of(available / 4 * (parts == 0 ? 1 : (int64_t)parts), scale_of(l));
}

static bool
any_order(struct life *l, struct decimal *ret)
{
	if (!tape_chance(l->tape, 25))
		return false;
	*ret = any_decimal(l->tape, digits_of(l));
	return true;
}

static bool
in_pool(struct life *l, uint64_t member)
{
	return tape_chance(l->tape, life_member(l, member)->pool != 0 ? 60 : 3);
}

static void
any_redeem(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_REDEEM, member);

	if (tape_chance(l->tape, 40)) {
		cmd.u.redeem.reward = tape_chance(l->tape, 50) ? "small" : "large";
	} else {
		cmd.u.redeem.points = some_of(l, life_member(l, member)->available);
		cmd.u.redeem.has_order_amount = any_order(l, &cmd.u.redeem.order_amount);
		cmd.u.redeem.round_down = tape_chance(l->tape, 30);
	}
	cmd.u.redeem.pool = in_pool(l, member);
	cmd.u.redeem.partner = tape_chance(l->tape, 20) ? "p1" : NULL;
	if (life_play(l, &cmd) == LEDGER_OK)
		remember(l->people[member - 1].redemptions, &l->people[member - 1].n_redemptions, life_id(l, l->n_stored - 1));
}

static void
any_hold(struct life *l, uint64_t member)
{
	static const int64_t ttls_us[] = { 60 * US_PER_SECOND, 3600 * US_PER_SECOND, US_PER_DAY, 12 * US_PER_DAY, 80 * US_PER_DAY, 80 * US_PER_DAY,
	    85 * US_PER_DAY };
	struct cmd cmd = begin(l, OP_HOLD, member);

	cmd.u.hold.points = some_of(l, life_member(l, member)->available);
	cmd.u.hold.has_order_amount = any_order(l, &cmd.u.hold.order_amount);
	cmd.u.hold.has_ttl = tape_chance(l->tape, 80);
	cmd.u.hold.ttl_us = PICK(l->tape, ttls_us);
	cmd.u.hold.for_terminal = tape_chance(l->tape, 20) ? "s/1" : NULL;
	cmd.u.hold.pool = in_pool(l, member);
	cmd.u.hold.partner = tape_chance(l->tape, 20) ? "p2" : NULL;
	if (life_play(l, &cmd) == LEDGER_OK)
		l->newest_hold = life_id(l, l->n_stored - 1);
}

/* One that is open, or whatever was held last, which may be over or somebody else's. */
static struct entry_id
some_hold(struct life *l, uint64_t member, struct decimal *ret_points)
{
	const struct member *m = life_member(l, member);
	uint32_t which = tape_draw(l->tape, 4);
	int64_t left = 0;

	*ret_points = decimal_of(1, 0);
	if (which >= m->n_holds)
		return m->n_holds > 0 ? m->holds[0].id : l->newest_hold;
	for (size_t i = 0; i < m->holds[which].n_lots; i++)
		left += m->holds[which].lots[i].points;
	*ret_points = some_of(l, left);
	return m->holds[which].id;
}

static void
any_capture(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, tape_chance(l->tape, 30) ? OP_RELEASE : OP_CAPTURE, member);
	struct decimal points;

	if (tape_chance(l->tape, 60)) {
		cmd.store = "s";
		cmd.terminal = tape_chance(l->tape, 80) ? "1" : "2";
	}
	cmd.u.capture.found = true;
	cmd.u.capture.hold = some_hold(l, member, &points);
	cmd.u.capture.has_points = cmd.op == OP_CAPTURE && tape_chance(l->tape, 60);
	if (cmd.u.capture.has_points)
		cmd.u.capture.points = points;
	if (life_play(l, &cmd) == LEDGER_OK && cmd.op == OP_CAPTURE)
		remember(l->people[member - 1].redemptions, &l->people[member - 1].n_redemptions, life_id(l, l->n_stored - 1));
}

/* ---- what takes back ---- */

static void
any_returned_lines(struct life *l, struct cmd *cmd)
{
	const struct entry *past = cmd->u.past.entry;
	struct tape *t = l->tape;
	size_t n = 1 + tape_draw(t, 2);
	struct line *lines = life_alloc(l, n * sizeof(*lines));

	for (size_t i = 0; i < n; i++) {
		const struct entry_line *line = &past->u.purchase.lines[tape_draw(t, (uint32_t)past->u.purchase.n_lines)];

		lines[i] = (struct line){ .sku = line->sku, .category = line->category, .qty = 1 + tape_draw(t, line->qty) };
		lines[i].has_amount = tape_chance(t, 30);
		lines[i].amount = decimal_of(line->amount / 4 * (int64_t)tape_draw(t, 5), digits_of(l));
	}
	cmd->u.past.n_lines = n;
	cmd->u.past.lines = lines;
}

static void
any_return(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_RETURN, member);
	const struct person *p = &l->people[member - 1];
	struct tape *t = l->tape;
	uint32_t which = tape_draw(t, 4), how = tape_draw(t, 4);

	if (which < p->n_purchases) {
		cmd.u.past.id = p->purchases[which];
		cmd.u.past.entry = life_find(l, cmd.u.past.id);
	}
	if (cmd.u.past.entry != NULL && how == 3 && cmd.u.past.entry->u.purchase.n_lines > 0) {
		any_returned_lines(l, &cmd);
	} else if (cmd.u.past.entry != NULL && how > 0) {
		int64_t amount = cmd.u.past.entry->u.purchase.amount;
		cmd.u.past.has_amount = true;
		cmd.u.past.amount = decimal_of(tape_chance(t, 70) ? amount / 4 * (int64_t)tape_draw(t, 5) : (int64_t)tape_draw(t, 10), digits_of(l));
	}
	(void)life_play(l, &cmd);
}

static void
any_reversal(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_REVERSE_REDEEM, member);
	const struct person *p = &l->people[member - 1];
	uint32_t which = tape_draw(l->tape, 3);

	if (which < p->n_redemptions) {
		cmd.u.past.id = p->redemptions[which];
		cmd.u.past.entry = life_find(l, cmd.u.past.id);
	}
	cmd.u.past.has_points = tape_chance(l->tape, 50);
	if (cmd.u.past.has_points)
		cmd.u.past.points = any_decimal(l->tape, scale_of(l));
	(void)life_play(l, &cmd);
}

/* ---- what moves between members ---- */

static uint64_t
another(struct life *l, uint64_t member)
{
	uint64_t other = 1 + (member + tape_draw(l->tape, (uint32_t)l->n_people)) % l->n_people;

	life_roll(l, other);
	return other;
}

static void
any_transfer(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_TRANSFER, member);

	cmd.u.other.member = another(l, member);
	cmd.u.other.points = some_of(l, life_member(l, member)->available);
	(void)life_play(l, &cmd);
	life_roll(l, cmd.u.other.member);
}

static void
any_merge(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_MERGE, member);
	struct person *from = &l->people[member - 1], *into;

	cmd.u.other.member = another(l, member);
	into = &l->people[cmd.u.other.member - 1];
	if (life_play(l, &cmd) != LEDGER_OK)
		return;
	for (size_t i = from->n_purchases; i > 0; i--)
		remember(into->purchases, &into->n_purchases, from->purchases[i - 1]);
	for (size_t i = from->n_redemptions; i > 0; i--)
		remember(into->redemptions, &into->n_redemptions, from->redemptions[i - 1]);
	if (into->n_dates == 0) {
		memcpy(into->dates, from->dates, sizeof(into->dates));
		into->n_dates = from->n_dates;
	}
	from->n_dates = 0;
	life_roll(l, cmd.u.other.member);
}

static void
any_advance(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_ADVANCE, member);

	cmd.u.advance.points = any_decimal(l->tape, scale_of(l));
	(void)life_play(l, &cmd);
}

/* ---- households ---- */

static void
any_pool(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, tape_chance(l->tape, 25) ? OP_POOL_LEAVE : OP_POOL_JOIN, member);

	if (cmd.op == OP_POOL_JOIN)
		cmd.u.other.member = another(l, member);
	(void)life_play(l, &cmd);
}

static void
any_membership(struct life *l, uint64_t member)
{
	static const enum op ops[] = { OP_MEMBERSHIP_START, OP_MEMBERSHIP_RENEW, OP_MEMBERSHIP_RENEW, OP_MEMBERSHIP_CANCEL };
	static const char *const ids[] = { "prime", "year", "none" };
	const struct member *m = life_member(l, member);
	struct cmd cmd = begin(l, m->n_memberships == 0 ? OP_MEMBERSHIP_START : PICK(l->tape, ops), member);

	cmd.u.membership.membership = tape_chance(l->tape, 5) ? ids[2] : tape_chance(l->tape, 75) ? ids[0] : ids[1];
	cmd.u.membership.trial = cmd.op == OP_MEMBERSHIP_START && tape_chance(l->tape, 40);
	(void)life_play(l, &cmd);
}

/* ---- what is about the member ---- */

static void
any_gift(struct life *l, uint64_t member)
{
	static const char *const tiers[] = { "gold", "ruby", "green" };
	struct cmd cmd = begin(l, OP_TIER, member);

	cmd.u.tier.tier = tape_chance(l->tape, 25) ? "" : PICK(l->tape, tiers);
	cmd.u.tier.reason = "any";
	cmd.u.tier.until = cmd.u.tier.tier[0] == 0 || tape_chance(l->tape, 20) ? DAY_NEVER : life_today(l) + (int32_t)tape_draw(l->tape, 200);
	(void)life_play(l, &cmd);
}

static void
enter_birthday(struct life *l, uint64_t member)
{
	struct person *p = &l->people[member - 1];
	int32_t day = life_today(l) - 20 + (int32_t)tape_draw(l->tape, 366);
	struct date d = date_of_day(day);

	if (tape_chance(l->tape, 15))
		d = (struct date){ .month = 2, .day = 29 };
	birthday_enter(p->dates, &p->n_dates, d.month, d.day, life_today(l));
	life_log(l, "    born on %02d-%02d", d.month, d.day);
}

static void
enter_segments(struct life *l, uint64_t member)
{
	static const char *const segments[LIFE_SEGMENTS_MAX] = { "vip", "kids", "staff" };
	struct person *p = &l->people[member - 1];

	p->n_segments = 0;
	for (size_t i = 0; i < LIFE_SEGMENTS_MAX; i++) {
		if (tape_chance(l->tape, 40)) {
			p->segments[p->n_segments++] = segments[i];
			life_log(l, "    segment %s", segments[i]);
		}
	}
}

static void
any_profile(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_PROFILE, member);

	cmd.has_occurred_at = false;
	if (life_play(l, &cmd) != LEDGER_OK)
		return;
	if (tape_chance(l->tape, 70))
		enter_birthday(l, member);
	if (tape_chance(l->tape, 50))
		enter_segments(l, member);
}

static void
any_claim(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_BIRTHDAY, member);
	const struct person *p = &l->people[member - 1];

	cmd.u.birthday.given = DAY_NONE;
	cmd.u.birthday.n_dates = p->n_dates;
	memcpy(cmd.u.birthday.dates, p->dates, sizeof(p->dates));
	(void)life_play(l, &cmd);
}

static void
any_standing(struct life *l, uint64_t member)
{
	static const enum op ops[] = { OP_UNFREEZE, OP_UNFREEZE, OP_FREEZE, OP_CLOSE };
	struct cmd cmd = begin(l, PICK(l->tape, ops), member);

	cmd.u.standing.reason = tape_chance(l->tape, 50) ? "any" : NULL;
	(void)life_play(l, &cmd);
}

/* Seldom: a member that is gone is dull. */
static void
any_erasure(struct life *l, uint64_t member)
{
	struct cmd cmd = begin(l, OP_ERASE, member);

	if (!tape_chance(l->tape, 40) || life_play(l, &cmd) != LEDGER_OK)
		return;
	l->people[member - 1].n_dates = 0;
	l->people[member - 1].n_segments = 0;
}

static void
any_enrolment(struct life *l)
{
	struct cmd cmd = begin(l, OP_ENROL, 0);

	if (l->n_people == LIFE_MEMBERS_MAX || l->property->sleepless)
		return;
	if (life_play(l, &cmd) != LEDGER_OK)
		return;
	l->n_people++;
	l->people[l->n_people - 1].swept = life_today(l);
	enter_segments(l, l->n_people);
}

static void
publish_next(struct life *l)
{
	const struct program **compiled = life_alloc(l, sizeof(*compiled));
	struct cmd cmd = { .op = OP_PUBLISH, .principal = "operator/local", .request_id = "p", .program = 1 };

	if (l->programs[1] == NULL || l->ledger->programs[0].n_versions > 1)
		return;
	if (zone_midnight_us(&l->zone, life_today(l)) == l->now_us)
		l->now_us++;			/* what is due at an instant comes before a version that begins there */
	*compiled = l->programs[1];
	cmd.u.publish.id = "any";
	cmd.u.publish.definition = memory_definition(compiled);
	cmd.u.publish.compiled = *compiled;
	(void)life_play(l, &cmd);
}

static void
accept_clock(struct life *l)
{
	struct cmd cmd = { .op = OP_CLOCK_ACCEPT, .principal = "operator/local", .request_id = "c" };

	(void)life_play(l, &cmd);
}

/* The daemon dies and comes back: its state is what the ledger brings about. */
static void
restart(struct life *l)
{
	life_log(l, "  the daemon restarts");
	struct memory_state *again = life_replay(l);
	life_same_state(l, l->ledger, again, "at a restart");
	memory_release(l->ledger);
	l->ledger = again;
	l->again = NULL;
}

/* How often in a hundred; the member that it is about is rolled forward before, because commands are made up from its record. */
static const struct { uint32_t weight; void (*of_member)(struct life *l, uint64_t member); void (*of_all)(struct life *l); } commands[] = {
	{ 3, any_membership, NULL }, { 2, any_pool, NULL },
	{ 23, any_purchase, NULL }, { 1, any_erasure, NULL }, { 3, any_approval, NULL }, { 8, any_activity, NULL }, { 7, any_redeem, NULL }, { 7, any_hold, NULL }, { 7, any_capture, NULL },
	{ 6, any_adjust, NULL }, { 8, any_return, NULL }, { 3, any_reversal, NULL }, { 4, any_transfer, NULL }, { 1, any_merge, NULL },
	{ 3, any_advance, NULL }, { 3, any_gift, NULL }, { 3, any_profile, NULL }, { 2, any_claim, NULL }, { 2, any_standing, NULL },
	{ 1, NULL, any_enrolment }, { 1, NULL, publish_next }, { 1, NULL, accept_clock }, { 1, NULL, restart },
};

void
any_command(struct life *l, size_t block)
{
	size_t which = 0;

	tape_seek(l->tape, block);
	uint32_t what = tape_draw(l->tape, 100);
	while (what >= commands[which].weight)
		what -= commands[which++].weight;
	move_clock(l);
	bool all = tape_chance(l->tape, 30);
	uint64_t member = 1 + tape_draw(l->tape, (uint32_t)l->n_people);
	for (uint64_t m = 1; m <= l->n_people; m++) {
		if (all || (m == member && commands[which].of_member != NULL))
			life_roll(l, m);
	}
	if (commands[which].of_member == NULL) {
		commands[which].of_all(l);
	} else {
		commands[which].of_member(l, member);
		life_roll(l, member);
	}
	l->now_us++;
}
