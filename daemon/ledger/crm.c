/*
 * Points are told by the accounts that they came from or went to, not by the operation: so an operation that is added later tells of them
 * without a word here.  What an account got is the member's when only one member's points moved; of several each has the sum of what
 * happened to theirs, as far as the account goes: the rest came from another member, or went to one.
 *
 * That rest, and whatever else moved a member's points, is told as adjusted: what its postings sum to, less what was told of them.  So the sum
 * of a member's events is what it has, whichever accounts an operation uses.
 */
#include "ledger/crm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledger/internal.h"

const char *
crm_type_str(enum crm_type type)
{
	static const char *const names[CRM_TYPE_COUNT] = {
		[CRM_POINTS_EARNED] = "points.earned",
		[CRM_POINTS_ACTIVATED] = "points.activated",
		[CRM_POINTS_SPENT] = "points.spent",
		[CRM_POINTS_EXPIRED] = "points.expired",
		[CRM_POINTS_EXPIRING] = "points.expiring",
		[CRM_TIER_UPGRADED] = "tier.upgraded",
		[CRM_TIER_DOWNGRADED] = "tier.downgraded",
		[CRM_TIER_WILL_DOWNGRADE] = "tier.will_downgrade",
		[CRM_VOUCHER_ISSUED] = "voucher.issued",
		[CRM_VOUCHER_USED] = "voucher.used",
		[CRM_VOUCHER_REVOKED] = "voucher.revoked",
		[CRM_VOUCHER_EXPIRING] = "voucher.expiring",
		[CRM_HOLD_EXPIRED] = "hold.expired",
		[CRM_MEMBER_ENROLLED] = "member.enrolled",
		[CRM_MEMBER_ERASED] = "member.erased",
		[CRM_POINTS_ADJUSTED] = "points.adjusted",
		[CRM_POINTS_ADVANCED] = "points.advanced",
	};

	return names[type];
}

struct telling {
	const struct entry *entry;
	struct crm_event base;
	size_t n;
	struct crm_event *events;
};

/* A member gets at most so many, besides what notices tell and what becomes of vouchers. */
#define EVENTS_OF_MEMBER 8

static struct crm_event *
tell(struct telling *t, enum crm_type type, uint64_t member)
{
	struct crm_event *e = &t->events[t->n];

	*e = t->base;
	e->type = type;
	e->member = member;
	e->n = (uint32_t)t->n++;
	return e;
}

static void
tell_points(struct telling *t, enum crm_type type, uint64_t member, int64_t points)
{
	struct crm_event *e = tell(t, type, member);

	e->has_points = true;
	e->points = points;
}

/* ---- points ---- */

static bool
is_members(const struct posting *p)
{
	return p->account == ACCOUNT_MEMBER || p->account == ACCOUNT_PENDING || p->account == ACCOUNT_HELD || p->account == ACCOUNT_DEBT;
}

/* Sums are of one entry whose postings evolve() takes only when nothing overflows; of a forged one they may be cut. */
static int64_t
cut(wide sum)
{
	return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

static int64_t
account_sum(const struct entry *entry, enum account account, enum account partner)
{
	wide sum = 0;

	for (size_t i = 0; i < entry->n_postings; i++) {
		if (entry->postings[i].account == account || (partner != ACCOUNT_NONE && entry->postings[i].account == partner))
			sum += entry->postings[i].points;
	}
	return cut(sum);
}

static int64_t
member_sum(const struct entry *entry, uint64_t member)
{
	wide sum = 0;

	for (size_t i = 0; i < entry->n_postings; i++) {
		if (is_members(&entry->postings[i]) && entry->postings[i].member == member)
			sum += entry->postings[i].points;
	}
	return cut(sum);
}

/* Whether points of this member moved, and of no other. */
static bool
alone(const struct entry *entry, uint64_t member)
{
	bool any = false;

	for (size_t i = 0; i < entry->n_postings; i++) {
		if (!is_members(&entry->postings[i]))
			continue;
		if (entry->postings[i].member != member)
			return false;
		any = true;
	}
	return any;
}

/* Of ${total} that an account gave (below zero) or got, what is this member's, as a number above zero; 0: nothing. */
static int64_t
share_of(const struct entry *entry, uint64_t member, int64_t total)
{
	if (total == 0 || total == INT64_MIN)
		return 0;
	if (alone(entry, member))
		return total < 0 ? -total : total;

	int64_t moved = member_sum(entry, member), most = total < 0 ? -total : total;
	if ((total < 0) != (moved > 0) || moved == 0 || moved == INT64_MIN)
		return 0;
	moved = moved < 0 ? -moved : moved;
	return moved < most ? moved : most;
}

/* Pending points that the entry made: of the member it is about its facts tell them from those that it took. */
static int64_t
made_pending(const struct entry *entry, uint64_t member)
{
	wide sum = 0;

	for (size_t i = 0; member == entry->member && i < entry->n_pendings; i++) {
		if (!entry->pendings[i].has_from && entry->pendings[i].p.points > 0)
			sum += entry->pendings[i].p.points;
	}
	for (size_t i = 0; member != entry->member && i < entry->n_postings; i++) {
		const struct posting *p = &entry->postings[i];
		if (p->account == ACCOUNT_PENDING && p->member == member && p->points > 0)
			sum += p->points;
	}
	return cut(sum);
}

static int64_t
activated(const struct entry *entry)
{
	wide sum = 0;

	if (entry->op != OP_ACTIVATE && entry->op != OP_ACTIVITY)
		return 0;
	for (size_t i = 0; i < entry->n_pendings; i++) {
		if (entry->pendings[i].p.points < 0)
			sum -= entry->pendings[i].p.points;
	}
	return cut(sum);
}

static void
points_of(struct telling *t, uint64_t member)
{
	const struct entry *entry = t->entry;
	int64_t earned = account_sum(entry, ACCOUNT_ISSUED, ACCOUNT_PARTNER_ISSUED), spent = account_sum(entry, ACCOUNT_REDEEMED, ACCOUNT_PARTNER_REDEEMED);
	int64_t expired = account_sum(entry, ACCOUNT_EXPIRED, ACCOUNT_NONE), points;

	if (earned < 0 && (points = share_of(entry, member, earned)) > 0) {
		tell_points(t, CRM_POINTS_EARNED, member, points);
		t->events[t->n - 1].pending = made_pending(entry, member);
	}
	if (member == entry->member && (points = activated(entry)) > 0)
		tell_points(t, CRM_POINTS_ACTIVATED, member, points);
	/* What is transferred is not spent; what became a voucher with it was the receiver's. */
	bool receives = entry->op == OP_TRANSFER && member != entry->member;
	points = entry->op != OP_TRANSFER ? share_of(entry, member, spent) : receives ? spent : 0;
	if (spent > 0 && points > 0)
		tell_points(t, CRM_POINTS_SPENT, member, points);
	if (expired > 0 && (points = share_of(entry, member, expired)) > 0)
		tell_points(t, CRM_POINTS_EXPIRED, member, points);
}

/* What the events that were told say of a member's points. */
static wide
told_points(const struct telling *t, uint64_t member)
{
	wide sum = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct crm_event *e = &t->events[i];

		if (e->member == member && e->type == CRM_POINTS_EARNED)
			sum += e->points;
		else if (e->member == member && (e->type == CRM_POINTS_SPENT || e->type == CRM_POINTS_EXPIRED))
			sum -= e->points;
	}
	return sum;
}

/* Behind all others, so that these have the numbers that they always had. */
static void
points_left(struct telling *t, uint64_t member)
{
	wide rest = member_sum(t->entry, member) - told_points(t, member);

	if (rest != 0 && rest > INT64_MIN && rest < INT64_MAX)
		tell_points(t, CRM_POINTS_ADJUSTED, member, (int64_t)rest);
	if (member == t->entry->member && t->entry->op == OP_ADVANCE && t->entry->u.advance.points > 0)
		tell_points(t, CRM_POINTS_ADVANCED, member, t->entry->u.advance.points);
}

/* ---- the rest ---- */

static const struct tier_state *
state_of(const struct entry *entry, uint64_t member)
{
	if (member == entry->member)
		return entry->has_tier ? &entry->tier : NULL;
	for (size_t i = 0; i < entry->n_sides; i++) {
		if (entry->sides[i].member == member && entry->sides[i].has_tier)
			return &entry->sides[i].tier;
	}
	return NULL;
}

/* Its last day, when it has one and the entry says so. */
static int32_t
tier_last_day(const struct entry *entry, const struct touched *touched)
{
	const struct tier_state *s = state_of(entry, touched->member);
	int32_t day = s == NULL ? DAY_NEVER : strcmp(s->earned, touched->tier_to) == 0 ? s->until : s->gift_until;

	return day == DAY_NEVER ? DAY_NONE : day;
}

static void
tier_of(struct telling *t, const struct touched *touched)
{
	const struct program *p = t->base.program;
	const struct tier *from = touched->tier_from == NULL ? NULL : program_tier(p, touched->tier_from);
	const struct tier *to = touched->tier_to == NULL ? NULL : program_tier(p, touched->tier_to);

	if (from == NULL || to == NULL || from == to)
		return;
	struct crm_event *e = tell(t, to->rank > from->rank ? CRM_TIER_UPGRADED : CRM_TIER_DOWNGRADED, touched->member);
	e->tier = touched->tier_to;
	e->tier_from = touched->tier_from;
	e->last_day = tier_last_day(t->entry, touched);
}

static void
set_voucher(const struct telling *t, const struct voucher_change *c, struct crm_event *e)
{
	e->voucher = c->v.id;
	e->voucher_name = (struct crm_place){ c->has_from ? c->v.from : t->base.entry, c->v.n };
	e->last_day = c->v.last_day == DAY_NEVER ? DAY_NONE : c->v.last_day;
}

/* By its time, or emptied by lots that left it at their midnight. */
static void
hold_of(struct telling *t)
{
	const struct entry *entry = t->entry;
	int64_t held = account_sum(entry, ACCOUNT_HELD, ACCOUNT_NONE);

	if (entry->op != OP_HOLD_TIMEOUT && !(entry->op == OP_HOLD_EXPIRE && entry->has_hold && entry->hold.left == 0))
		return;
	struct crm_event *e = tell(t, CRM_HOLD_EXPIRED, entry->member);
	e->has_points = held < 0 && held > INT64_MIN;
	e->points = e->has_points ? -held : 0;
	e->has_hold = true;
	e->hold = entry->u.capture.hold;
	if (entry->n_vouchers > 0 && entry->vouchers[0].has_from)
		set_voucher(t, &entry->vouchers[0], e);
}

/* One that a hold gives back can be used as before, and one that a hold takes is not used yet; that its day is over no CRM need be told. */
static void
vouchers_of(struct telling *t, uint64_t member, const struct voucher_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct voucher_change *c = &changes[i];

		if (c->v.state == VOUCHER_ISSUED && !c->has_from)
			set_voucher(t, c, tell(t, CRM_VOUCHER_ISSUED, member));
		else if (c->v.state == VOUCHER_USED)
			set_voucher(t, c, tell(t, CRM_VOUCHER_USED, member));
		else if (c->v.state == VOUCHER_REVOKED)
			set_voucher(t, c, tell(t, CRM_VOUCHER_REVOKED, member));
	}
}

static void
told_of(struct telling *t)
{
	static const enum crm_type types[NOTICE_KIND_COUNT] = {
		[NOTICE_EXPIRING] = CRM_POINTS_EXPIRING, [NOTICE_DOWNGRADE] = CRM_TIER_WILL_DOWNGRADE,
		[NOTICE_VOUCHER] = CRM_VOUCHER_EXPIRING,
	};
	const struct entry *entry = t->entry;

	for (size_t i = 0; i < entry->n_told; i++) {
		const struct told *told = &entry->told[i];
		struct crm_event *e = tell(t, types[told->kind], entry->member);

		e->has_points = told->kind == NOTICE_EXPIRING || (told->kind == NOTICE_DOWNGRADE && told->points > 0);
		e->points = told->points;
		e->last_day = told->last_day;
		e->voucher = told->voucher;
		e->voucher_name = (struct crm_place){ told->from, told->n };
		if (told->kind == NOTICE_DOWNGRADE && entry->n_touched > 0)
			e->tier = entry->touched[0].tier;
	}
}

/* What else ends with it is nothing to tell anybody, but of those whose points it held. */
static void
erased(struct telling *t)
{
	const struct entry *entry = t->entry;

	(void)tell(t, CRM_MEMBER_ERASED, entry->member);
	for (size_t i = 0; i < entry->n_touched; i++) {
		if (entry->touched[i].member == entry->member)
			continue;
		points_of(t, entry->touched[i].member);
		points_left(t, entry->touched[i].member);
	}
}

enum status
crm_events(const struct entry *entry, struct entry_id id, int64_t committed_at_us, const struct program *program, struct arena *arena,
    struct crm_event **ret_events, size_t *ret_n)
{
	struct telling t = { .entry = entry, .base = { .entry = id, .op = entry->op, .program = program, .date = entry->business_date,
	    .at_us = entry->has_due_at ? entry->due_at_us : entry->has_at ? entry->at_us : committed_at_us, .last_day = DAY_NONE } };

	*ret_n = 0;
	if (entry->member == 0 || program == NULL)
		return ST_OK;
	size_t n_vouchers = entry->n_vouchers;
	for (size_t i = 0; i < entry->n_sides; i++)
		n_vouchers += entry->sides[i].n_vouchers;
	t.events = arena_alloc(arena, (entry->n_touched * EVENTS_OF_MEMBER + entry->n_told + n_vouchers + EVENTS_OF_MEMBER) * sizeof(*t.events));
	if (t.events == NULL)
		return ST_NOMEM;
	*ret_events = t.events;
	if (entry->op == OP_ERASE) {
		erased(&t);
		*ret_n = t.n;
		return ST_OK;
	}
	if (entry->op == OP_ENROL || entry->op == OP_OPENING)
		(void)tell(&t, CRM_MEMBER_ENROLLED, entry->member);
	for (size_t i = 0; i < entry->n_touched; i++) {
		points_of(&t, entry->touched[i].member);
		if (entry->op != OP_OPENING)	/* it was held before */
			tier_of(&t, &entry->touched[i]);
	}
	vouchers_of(&t, entry->member, entry->vouchers, entry->n_vouchers);
	for (size_t i = 0; i < entry->n_sides; i++)
		vouchers_of(&t, entry->sides[i].member, entry->sides[i].vouchers, entry->sides[i].n_vouchers);
	hold_of(&t);
	told_of(&t);
	for (size_t i = 0; i < entry->n_touched; i++)
		points_left(&t, entry->touched[i].member);
	*ret_n = t.n;
	return ST_OK;
}

/* ---- effects ---- */

/* Program points that events tell as adjusted, and a reply more exactly; at most one of each. */
static const struct { enum account account; const char *type; } moves[] = {
	{ ACCOUNT_ADJUSTED, "points.adjusted" }, { ACCOUNT_CLAWED, "points.clawed" }, { ACCOUNT_REINSTATED, "points.reinstated" },
	{ ACCOUNT_PARTNER_REDEEMED, "points.reinstated" },
};
#define EFFECTS_MOVED_MAX (sizeof(moves) / sizeof(moves[0]) + 1)

/* Of an entry's rules that gave anything; its operation when none did. */
static const char *
rules_of(const struct entry *entry, struct arena *arena)
{
	size_t bytes = 1, at = 0, n = 0;
	const char *one = op_str(entry->op);

	for (size_t i = 0; i < entry->n_grants; i++) {
		if (entry->grants[i].granted <= 0)
			continue;
		one = entry->grants[i].rule;
		bytes += strlen(one) + 1;
		n++;
	}
	if (n < 2)
		return one;
	char *all = arena_alloc(arena, bytes);
	for (size_t i = 0; all != NULL && i < entry->n_grants; i++) {
		if (entry->grants[i].granted <= 0)
			continue;
		size_t len = strlen(entry->grants[i].rule);
		if (at > 0)
			all[at++] = ',';
		memcpy(all + at, entry->grants[i].rule, len + 1);
		at += len;
	}
	return all;
}

static const char *
code_of(const struct entry *entry)
{
	const char *code = entry->op == OP_ERASE ? "ERASED" : entry->op == OP_ADJUST ? entry->u.adjust.reason :
	    entry->op == OP_TIER ? entry->u.tier.reason : entry->op == OP_REDEEM ? entry->u.redeem.reward :
	    entry->op == OP_VOUCHER_VOID ? entry->u.voucher.reason : NULL;

	return code != NULL ? code : op_str(entry->op);
}

static const char *
reason_of(const struct entry *entry, const struct crm_event *e, struct arena *arena)
{
	if (e->voucher != NULL)
		return e->voucher;
	return e->type == CRM_POINTS_EARNED ? rules_of(entry, arena) : code_of(entry);
}

static void
add_move(struct crm_effect *rows, size_t *n, const char *type, int64_t points, const char *reason)
{
	if (points != 0)
		rows[(*n)++] = (struct crm_effect){ .type = type, .has_points = true, .points = points, .reason = reason };
}

static void
moves_of(const struct entry *entry, struct crm_effect *rows, size_t *n)
{
	if (entry->op == OP_TRANSFER)
		add_move(rows, n, "points.transferred", entry->u.other.points, code_of(entry));
	if (entry->op == OP_ADVANCE)
		add_move(rows, n, crm_type_str(CRM_POINTS_ADVANCED), entry->u.advance.points, code_of(entry));
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		int64_t sum = account_sum(entry, moves[i].account, ACCOUNT_NONE), points = share_of(entry, entry->member, sum);

		if (moves[i].account == ACCOUNT_PARTNER_REDEEMED && sum > 0)
			continue;		/* spent */
		add_move(rows, n, moves[i].type, moves[i].account == ACCOUNT_ADJUSTED && sum > 0 ? -points : points, code_of(entry));
	}
}

enum status
crm_effects(const struct entry *entry, const struct program *program, struct arena *arena, struct crm_effect **ret_effects, size_t *ret_n)
{
	struct telling t = { .entry = entry, .base = { .op = entry->op, .program = program } };
	size_t n = 0;

	*ret_n = 0;
	if (entry->member == 0 || program == NULL)
		return ST_OK;
	size_t max = 2 * EVENTS_OF_MEMBER + entry->n_vouchers;
	t.events = arena_take(arena, max * sizeof(*t.events));
	struct crm_effect *rows = arena_take(arena, (max + EFFECTS_MOVED_MAX) * sizeof(*rows));
	if (t.events == NULL || rows == NULL)
		return ST_NOMEM;
	if (entry->op == OP_ENROL || entry->op == OP_OPENING)
		(void)tell(&t, CRM_MEMBER_ENROLLED, entry->member);
	points_of(&t, entry->member);
	if (entry->n_touched > 0 && entry->op != OP_OPENING && entry->op != OP_ERASE)
		tier_of(&t, &entry->touched[0]);
	vouchers_of(&t, entry->member, entry->vouchers, entry->n_vouchers);
	hold_of(&t);
	if (entry->op == OP_ERASE)
		(void)tell(&t, CRM_MEMBER_ERASED, entry->member);
	for (size_t i = 0; i < t.n; i++) {
		const struct crm_event *e = &t.events[i];
		const char *reason = reason_of(entry, e, arena);

		if (reason == NULL)
			return ST_NOMEM;
		rows[n++] = (struct crm_effect){ .type = crm_type_str(e->type), .has_points = e->has_points, .points = e->points, .reason = reason };
	}
	moves_of(entry, rows, &n);
	*ret_effects = rows;
	*ret_n = n;
	return ST_OK;
}

/* ---- places ---- */

const char *
crm_place_format(struct crm_place place, char ret_text[static CRM_PLACE_TEXT_BYTES])
{
	(void)snprintf(ret_text, CRM_PLACE_TEXT_BYTES, "%" PRIu64 ".%" PRIu32 ".%" PRIu32, place.entry.seq, place.entry.index, place.n);
	return ret_text;
}

const char *
crm_entry_format(struct entry_id id, char ret_text[static CRM_PLACE_TEXT_BYTES])
{
	(void)snprintf(ret_text, CRM_PLACE_TEXT_BYTES, "%" PRIu64 ".%" PRIu32, id.seq, id.index);
	return ret_text;
}

/* Digits without a zero in front, up to ${max}, and then ${end}. */
static bool
place_number(const char **text, uint64_t max, char end, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] != end))
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (*p != end)
		return false;
	*ret = n;
	*text = p + (end != '\0');
	return true;
}

bool
crm_place_parse(const char *text, struct crm_place *ret_place)
{
	uint64_t seq, index, n;

	if (!place_number(&text, UINT64_MAX, '.', &seq) || !place_number(&text, UINT32_MAX, '.', &index) ||
	    !place_number(&text, UINT32_MAX, '\0', &n))
		return false;
	*ret_place = (struct crm_place){ { seq, (uint32_t)index }, (uint32_t)n };
	return true;
}

int
crm_place_compare(struct crm_place a, struct crm_place b)
{
	int entries = entry_id_compare(a.entry, b.entry);

	return entries != 0 ? entries : (a.n > b.n) - (a.n < b.n);
}
