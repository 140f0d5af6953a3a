/*
 * Pools.  A head's record lists who joined it, in that order, and everybody's names the head, the head's own too; that is all: lots stay
 * their owners'.  A pool of one is none: when the last that joined has left, the head is free.
 *
 * A hold from a pool is the holder's, and so is what it is worth to limits; each other owner's part of it lies as a hold of the same id in
 * that one's own record.  A part is neither captured nor released by itself, but times out by itself, and its lots end by themselves: so no
 * record is changed by what falls due for another, and rolling a member forward touches nobody else.
 *
 * A capture takes a hold's lots in consumption order, as of every hold; where two owners' lots end on one day, in spending order.
 *
 * Owners are members for ever, whatever becomes of the pool: they may have left it, or gone into another member, who then has their part.
 * Who is erased takes its own points away from every hold that they are in; of a hold of its own the other parts go back.
 */
#include <assert.h>

#include "ledger/internal.h"

/* ---- who ---- */

enum status
member_followed(const struct ledger_state *state, uint32_t program, uint64_t number, const struct member **ret)
{
	enum status st;

	*ret = NULL;
	do {
		st = state->member(state->ctx, program, number, ret);
		number = *ret == NULL ? 0 : (*ret)->merged_into;
	} while (st == ST_OK && number != 0);
	return st;
}

enum status
pool_of(const struct ledger_state *state, const struct member *m, const struct member *ret[static LEDGER_POOL_MAX], size_t *ret_n)
{
	const struct member *head = m;
	enum status st = ST_OK;

	*ret_n = 0;
	if (m->pool != 0 && m->pool != m->number)
		st = state->member(state->ctx, m->program, m->pool, &head);
	if (st != ST_OK)
		return st;
	if (head == NULL || head->n_joined >= LEDGER_POOL_MAX)
		return ST_CORRUPT;
	ret[(*ret_n)++] = head;
	for (size_t i = 0; i < head->n_joined && st == ST_OK; i++) {
		const struct member *joined = m->number == head->joined[i] ? m : NULL;

		if (joined == NULL)
			st = state->member(state->ctx, m->program, head->joined[i], &joined);
		if (st == ST_OK && joined == NULL)
			return ST_CORRUPT;
		ret[(*ret_n)++] = joined;
	}
	return st;
}

static bool
is_among(const struct member *const *members, size_t n, const struct member *m)
{
	for (size_t i = 0; i < n; i++) {
		if (members[i]->number == m->number)
			return true;
	}
	return false;
}

enum status
hold_owners(const struct ledger_state *state, const struct member *holder, const struct hold *hold,
    const struct member *ret[static LEDGER_POOL_MAX], size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < hold->n_owners && i < LEDGER_POOL_MAX; i++) {
		const struct member *owner;
		enum status st = member_followed(state, holder->program, hold->owners[i], &owner);

		if (st != ST_OK)
			return st;
		if (owner != NULL && owner->number == holder->number)
			owner = holder;
		if (owner != NULL && member_hold(owner, hold->id) != NULL && !is_among(ret, *ret_n, owner))
			ret[(*ret_n)++] = owner;
	}
	return ST_OK;
}

enum status
hold_total(const struct ledger_state *state, const struct member *holder, const struct hold *hold, int64_t *ret_points)
{
	const struct member *owners[LEDGER_POOL_MAX];
	size_t n;

	*ret_points = hold_left(hold);
	if (hold->pooled == 0)
		return ST_OK;
	enum status st = hold_owners(state, holder, hold, owners, &n);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		if (owners[i] != holder)
			*ret_points += hold_left(member_hold(owners[i], hold->id));
	}
	return st;
}

/* ---- whom a command may touch besides its own member ---- */

static void
add_number(uint64_t numbers[static LEDGER_OTHERS_MAX], size_t *n, uint64_t own, uint64_t number)
{
	for (size_t i = 0; i < *n; i++) {
		if (numbers[i] == number)
			return;
	}
	if (number != 0 && number != own && *n < LEDGER_OTHERS_MAX)
		numbers[(*n)++] = number;
}

static enum status
add_redeemed(const struct ledger_state *state, const struct cmd *cmd, uint64_t numbers[static LEDGER_OTHERS_MAX], size_t *n)
{
	const struct entry *past = cmd->u.past.entry;
	enum status st = ST_OK;

	for (size_t i = 0; past != NULL && i < past->n_touched && st == ST_OK; i++) {
		const struct member *owner;

		st = member_followed(state, cmd->program, past->touched[i].member, &owner);
		if (st == ST_OK && owner != NULL)
			add_number(numbers, n, cmd->member, owner->number);
	}
	return st;
}

static enum status
add_owners(const struct ledger_state *state, const struct member *m, const struct hold *hold, uint64_t numbers[static LEDGER_OTHERS_MAX], size_t *n)
{
	const struct member *owners[LEDGER_POOL_MAX];
	size_t n_owners;
	enum status st = hold_owners(state, m, hold, owners, &n_owners);

	for (size_t i = 0; i < n_owners && st == ST_OK; i++)
		add_number(numbers, n, m->number, owners[i]->number);
	return st;
}

enum status
command_others(const struct ledger_state *state, const struct cmd *cmd, uint64_t ret[static LEDGER_OTHERS_MAX], size_t *ret_n)
{
	bool pool = (cmd->op == OP_HOLD && cmd->u.hold.pool) || (cmd->op == OP_REDEEM && cmd->u.redeem.pool) || cmd->op == OP_POOL_LEAVE ||
	    cmd->op == OP_CLOSE || cmd->op == OP_MERGE || cmd->op == OP_ERASE;
	bool of_hold = (cmd->op == OP_CAPTURE || cmd->op == OP_RELEASE) && cmd->u.capture.found;
	const struct member *members[LEDGER_POOL_MAX], *m = NULL;
	enum status st = ST_OK;
	uint64_t referrer;
	size_t n = 0;

	*ret_n = 0;
	for (size_t i = 0; i < cmd->n_merged; i++)
		add_number(ret, ret_n, cmd->member, cmd->merged[i]);
	if (cmd->op == OP_TRANSFER || cmd->op == OP_MERGE || cmd->op == OP_POOL_JOIN)
		add_number(ret, ret_n, cmd->member, cmd->u.other.member);
	if (cmd->program == 0 || cmd->member == 0)
		return ST_OK;
	if (cmd->op == OP_REVERSE_REDEEM)
		return add_redeemed(state, cmd, ret, ret_n);
	if (cmd->op == OP_PURCHASE || cmd->op == OP_RETURN) {
		st = referral_other(state, cmd, &referrer);
		add_number(ret, ret_n, cmd->member, referrer);
		return st;
	}
	if (pool || of_hold)
		st = state->member(state->ctx, cmd->program, cmd->member, &m);
	if (st != ST_OK || m == NULL)
		return st;
	if (pool && m->pool != 0)
		st = pool_of(state, m, members, &n);
	const struct hold *hold = of_hold ? member_hold(m, cmd->u.capture.hold) : NULL;
	for (size_t i = 0; i < n && st == ST_OK; i++)
		add_number(ret, ret_n, cmd->member, members[i]->number);
	if (st == ST_OK && hold != NULL)
		st = add_owners(state, m, hold, ret, ret_n);
	for (size_t i = 0; (cmd->op == OP_ERASE || cmd->op == OP_CLOSE) && i < m->n_holds && st == ST_OK; i++)
		st = add_owners(state, m, &m->holds[i], ret, ret_n);
	return st;
}

/* ---- spending ---- */

static int64_t
spendable(const struct decision *d, const struct member *m)
{
	return m == d->member || m->standing == STANDING_ACTIVE ? m->available : 0;
}

static int64_t
part_of(const struct decision *d, const struct member *m, int64_t left)
{
	return spendable(d, m) < left ? spendable(d, m) : left;
}

/* Whether everybody that gives a part of a new hold has room for it; refused, or not.  The holder's own was seen to. */
static bool
holds_fit(struct decision *d, const struct member *const *members, size_t n, int64_t points)
{
	for (size_t i = 0; i < n && points > 0; i++) {
		int64_t part = part_of(d, members[i], points);

		if (part > 0 && members[i] != d->member && members[i]->n_holds >= LEDGER_HOLDS_MAX)
			return refuse_false(d, LEDGER_CAP_REACHED, NULL, "a member of the pool has %d open holds; capture or release one first",
			    LEDGER_HOLDS_MAX);
		points -= part;
	}
	return true;
}

static enum status
spend_of(struct decision *d, const struct member *m, int64_t points, enum account to)
{
	struct entry scratch;
	struct decision side;

	if (m == d->member)
		return decision_take(d, m->lots, m->n_lots, points, ACCOUNT_MEMBER, to, to, d->today);
	side_begin(d, m, &scratch, &side);
	enum status st = decision_take(&side, m->lots, m->n_lots, points, ACCOUNT_MEMBER, to, to, d->today);
	return st == ST_OK ? side_end(d, &side) : st;
}

/* The order of the postings is that of spending: evolve() takes the owners of a hold from it. */
enum status
decision_spend_pool(struct decision *d, int64_t points, enum account to)
{
	const struct member *members[LEDGER_POOL_MAX];
	int64_t there = 0, left = points;
	size_t n;
	enum status st = pool_of(d->state, d->member, members, &n);

	if (st != ST_OK)
		return st;
	if (to == ACCOUNT_HELD && !holds_fit(d, members, n, points))
		return ST_OK;
	for (size_t i = 0; i < n; i++)
		there += spendable(d, members[i]);
	if (points > there)
		return refuse(d, LEDGER_INSUFFICIENT_POINTS, "points", "%s points are available in the pool, %s were asked for", POINTS_TEXT(d, there),
		    POINTS_TEXT(d, points));
	for (size_t i = 0; i < n && left > 0 && st == ST_OK; i++) {
		int64_t part = part_of(d, members[i], left);

		if (part > 0)
			st = spend_of(d, members[i], part, to);
		left -= part;
	}
	return st;
}

/* ---- holds ---- */

/* Points of a side's part name its hold: the entry is about the holder's.  Postings before ${first} are of another one. */
static void
name_hold(struct decision *side, size_t first, const struct hold *hold)
{
	for (size_t i = first; i < side->entry->n_postings; i++) {
		if (side->postings[i].account != ACCOUNT_HELD)
			continue;
		side->postings[i].has_hold = true;
		side->postings[i].hold = hold->id;
	}
}

static enum status
take_part(struct decision *d, const struct member *owner, const struct hold *hold, int64_t points, enum account to, enum account to_ended)
{
	const struct hold *part = member_hold(owner, hold->id);
	struct entry scratch;
	struct decision side;

	if (owner == d->member)
		return decision_take(d, part->lots, part->n_lots, points, ACCOUNT_HELD, to, to_ended, d->today);
	side_begin(d, owner, &scratch, &side);
	enum status st = decision_take(&side, part->lots, part->n_lots, points, ACCOUNT_HELD, to, to_ended, d->today);
	if (st != ST_OK)
		return st;
	name_hold(&side, 0, hold);
	if (to == ACCOUNT_MEMBER)
		decision_look(&side);
	return side_end(d, &side);
}

/* The day on which a lot ends, by its owner's clock if it is under it. */
static int64_t
ends_on(const struct member *owner, const struct lot *lot)
{
	return lot->last_day == DAY_CLOCK ? owner->clock.last_day : lot->last_day;
}

/* What is left of a part after ${taken} points of the lots up to a day; 0 of those that end later. */
static int64_t
left_by(const struct member *owner, const struct hold *part, int64_t day, int64_t taken)
{
	int64_t points = 0;

	for (size_t i = 0; i < part->n_lots; i++)
		points += ends_on(owner, &part->lots[i]) <= day ? part->lots[i].points : 0;
	return points > taken ? points - taken : 0;
}

/* The next day after ${day} on which a lot of any part ends. */
static int64_t
next_end(const struct member *const *owners, size_t n, struct entry_id id, int64_t day)
{
	int64_t next = INT64_MAX;

	for (size_t k = 0; k < n; k++) {
		const struct hold *part = member_hold(owners[k], id);

		for (size_t i = 0; i < part->n_lots; i++) {
			int64_t end = ends_on(owners[k], &part->lots[i]);
			if (end > day && end < next)
				next = end;
		}
	}
	return next;
}

/* A hold's lots go in consumption order, whosesoever they are, and of one day in spending order: how much of each part that is. */
static void
share_out(const struct member *const *owners, size_t n, struct entry_id id, int64_t points, int64_t shares[static LEDGER_POOL_MAX])
{
	for (int64_t day = next_end(owners, n, id, INT64_MIN); day != INT64_MAX && points > 0; day = next_end(owners, n, id, day)) {
		for (size_t i = 0; i < n && points > 0; i++) {
			int64_t there = left_by(owners[i], member_hold(owners[i], id), day, shares[i]), part = there < points ? there : points;

			shares[i] += part;
			points -= part;
		}
	}
}

enum status
decision_take_hold(struct decision *d, const struct hold *hold, int64_t points, enum account to, enum account to_ended)
{
	const struct member *owners[LEDGER_POOL_MAX];
	int64_t shares[LEDGER_POOL_MAX] = { 0 };
	size_t n;

	if (hold->pooled == 0)
		return decision_take(d, hold->lots, hold->n_lots, points, ACCOUNT_HELD, to, to_ended, d->today);
	enum status st = hold_owners(d->state, d->member, hold, owners, &n);
	if (st != ST_OK)
		return st;
	share_out(owners, n, hold->id, points, shares);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		if (shares[i] > 0)
			st = take_part(d, owners[i], hold, shares[i], to, to_ended);
	}
	return st;
}

/* ---- several at once, as a reversal meets them ---- */

enum status
sides_get(struct sides *sides, uint64_t number, struct decision **ret)
{
	struct decision *d = sides->d;
	const struct member *m;
	enum status st = member_followed(d->state, d->entry->program, number, &m);

	*ret = d;
	if (st != ST_OK || m == NULL || m->number == d->member->number || m->standing == STANDING_CLOSED)
		return st;		/* who is gone for good left it to who asks */
	for (size_t i = 0; i < sides->n; i++) {
		*ret = &sides->rows[i]->decision;
		if (sides->rows[i]->decision.member->number == m->number)
			return ST_OK;
	}
	assert(sides->n < LEDGER_POOL_MAX);
	struct side_row *row = arena_alloc(d->arena, sizeof(*row));
	if (row == NULL)
		return ST_NOMEM;
	sides->rows[sides->n++] = row;
	side_begin(d, m, &row->scratch, &row->decision);
	*ret = &row->decision;
	return ST_OK;
}

enum status
sides_end(struct sides *sides)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < sides->n && st == ST_OK; i++) {
		decision_look(&sides->rows[i]->decision);
		st = side_end(sides->d, &sides->rows[i]->decision);
	}
	return st;
}

/* ---- erasure, closing ---- */

/* Whom it changes besides its member: the pool that it leaves, and the owners of what it holds. */
static enum status
givers_fit(struct decision *d, bool *ret_ok)
{
	uint64_t numbers[LEDGER_OTHERS_MAX];
	size_t n = 0;
	enum status st = command_others(d->state, d->cmd, numbers, &n);

	*ret_ok = n < LEDGER_TOUCHED_MAX;
	if (st != ST_OK || *ret_ok)
		return st;
	return refuse(d, LEDGER_CAP_REACHED, "member", "the member's pool and its open holds are of more than %d others; release a hold first",
	    LEDGER_TOUCHED_MAX - 1);
}

static enum status
give_back(struct sides *sides, const struct hold *hold)
{
	struct decision *d = sides->d, *side;
	const struct member *owners[LEDGER_POOL_MAX];
	size_t n;
	enum status st = hold_owners(d->state, d->member, hold, owners, &n);

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		const struct hold *part = member_hold(owners[i], hold->id);

		if (owners[i] == d->member)
			continue;
		st = sides_get(sides, owners[i]->number, &side);
		size_t first = st == ST_OK ? side->entry->n_postings : 0;
		if (st == ST_OK)
			st = decision_take(side, part->lots, part->n_lots, hold_left(part), ACCOUNT_HELD, ACCOUNT_MEMBER, ACCOUNT_EXPIRED, d->today);
		if (st == ST_OK)
			name_hold(side, first, hold);
	}
	return st;
}

enum status
decision_give_back(struct decision *d)
{
	struct sides sides = { .d = d };
	bool ok;
	enum status st = givers_fit(d, &ok);

	for (size_t i = 0; i < d->member->n_holds && st == ST_OK && ok; i++) {
		if (d->member->holds[i].pooled > 0)
			st = give_back(&sides, &d->member->holds[i]);
	}
	return st == ST_OK && ok ? sides_end(&sides) : st;
}

/* ---- joining and leaving ---- */

enum status
decide_pool_join(struct decision *d)
{
	const struct member *head, *m = d->member;
	struct entry scratch;
	struct decision side;
	enum status st = other_member(d, "head", &head);

	if (st != ST_OK || head == NULL)
		return st;
	d->entry->u.other.member = head->number;
	if (m->pool != 0)
		return refuse(d, LEDGER_ALREADY_EXISTS, "member", "the member is in a pool already; it leaves that first");
	if (head->pool != 0 && head->pool != head->number)
		return refuse(d, LEDGER_ALREADY_EXISTS, "head", "that member is in the pool of another, and heads none");
	if (d->program->pool_max == 0)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no pools");
	if (!decision_member_open(d, false))
		return ST_OK;
	if (head->standing == STANDING_CLOSED)
		return refuse(d, LEDGER_MEMBER_CLOSED, "head", "that member is closed");
	if (!decision_member_enrolled(d))
		return ST_OK;
	if (head->provisional)
		return refuse(d, LEDGER_MEMBER_PROVISIONAL, "head", "that member is not enrolled yet; enrol it first");
	if (head->n_joined + 2 > d->program->pool_max)
		return refuse(d, LEDGER_CAP_REACHED, "head", "a pool has at most %u members, its head among them", d->program->pool_max);
	side_begin(d, head, &scratch, &side);
	return side_end(d, &side);
}

static bool
is_touched(const struct decision *d, const struct member *m)
{
	for (size_t i = 0; i < d->entry->n_sides; i++) {
		if (d->sides[i].member == m->number)
			return true;
	}
	return m->number == d->entry->member;
}

/* Whose records name it: the head, or all of a head's. */
enum status
decision_leave_pool(struct decision *d, const struct member *m)
{
	const struct member *members[LEDGER_POOL_MAX];
	size_t n;

	if (m->pool == 0)
		return ST_OK;
	enum status st = pool_of(d->state, m, members, &n);
	if (m->pool != m->number)
		n = 1;
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		struct entry scratch;
		struct decision side;

		if (is_touched(d, members[i]))
			continue;
		side_begin(d, members[i], &scratch, &side);
		st = side_end(d, &side);
	}
	return st;
}

enum status
decide_pool_leave(struct decision *d)
{
	if (d->member->pool != 0)
		return decision_leave_pool(d, d->member);
	if (d->program->pool_max == 0)
		return refuse(d, LEDGER_NOT_OFFERED, NULL, "this program has no pools");
	return refuse(d, LEDGER_NOT_FOUND, "pool", "the member is in no pool");
}

enum status
pool_sums_of(const struct ledger_state *state, const struct member *m, struct pool_sums *ret)
{
	const struct member *members[LEDGER_POOL_MAX];
	size_t n;
	enum status st = pool_of(state, m, members, &n);

	*ret = (struct pool_sums){ .available = 0 };
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		ret->available += members[i]->available;
		ret->pending += members[i]->pending;
		ret->held += members[i]->held;
		ret->debt += members[i]->debt;
	}
	return st;
}
