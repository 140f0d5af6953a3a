/*
 * Adjustments by hand, and the second principal that large ones need.
 *
 * An adjust above the limit is decided like any other, so that one which could not be made is refused at once; then nothing of it is kept but
 * that it waits.  Its approval decides it once more, by the balance, the standing and the program of that moment, and what it brings about is the
 * approval's.  Nothing but an approval ends the wait.
 *
 * An approver's signature is not judged here but by the caller, who has the bytes that were signed.
 */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"
#include "ledger/keys.h"

/* What is asked for, at scale: by an adjust itself, or by the one that is approved. */
struct adjustment {
	int64_t points;
	int32_t last_day;		/* DAY_NONE: not given */
	bool tier_points;
};

/* ---- adjust ---- */

static enum status
credit(struct decision *d, const struct adjustment *a)
{
	struct lot lot = { .last_day = a->last_day, .class = LOT_ADJUSTMENT, .points = a->points };

	if (lot.last_day == DAY_NONE)
		lot.last_day = program_last_day(d->program, member_tier(d->member, d->program, d->today), d->business_date);
	return decision_credit(d, ACCOUNT_ADJUSTED, &lot);
}

static enum status
debit(struct decision *d, int64_t points)
{
	return decision_take(d, d->member->lots, d->member->n_lots, points, ACCOUNT_MEMBER, ACCOUNT_ADJUSTED, ACCOUNT_ADJUSTED, d->today);
}

/* Whether the ledger's sums can hold it; the metrics that it adds are in the entry. */
static enum status
check_sums(struct decision *d, const struct adjustment *a, bool *ret_fits)
{
	struct entry *e = d->entry;

	e->has_metrics = a->tier_points;
	if (a->tier_points)
		e->metrics = (struct metric_day){ .day = d->business_date, .points_earned = a->points };
	enum status st = decision_account_fits(d, ACCOUNT_ADJUSTED, -a->points, ret_fits);
	if (st == ST_OK && e->has_metrics && !metrics_fit(d->member, &e->metrics))
		*ret_fits = false;
	return st;
}

static bool
has_points(struct decision *d, const struct adjustment *a, const char *field)
{
	if (a->points > 0 || -a->points <= d->member->available)
		return true;
	return refuse_false(d, LEDGER_INSUFFICIENT_POINTS, field, "%s points are available, %s would be taken",
	    POINTS_TEXT(d, d->member->available), POINTS_TEXT(d, -a->points));
}

static enum status
make(struct decision *d, const struct adjustment *a)
{
	enum status st = a->points > 0 ? credit(d, a) : debit(d, -a->points);

	if (st != ST_OK)
		return st;
	if (d->entry->has_metrics)
		decision_upgrade(d, &d->entry->metrics);
	else
		decision_look(d);
	return ST_OK;
}

static bool
needs_approval(const struct decision *d, const struct adjustment *a)
{
	const struct program *p = d->program;

	return p->has_adjust_limit && (a->points > p->adjust_without_approval || a->points < -p->adjust_without_approval);
}

static bool
is_over(const struct decision *d, const struct adjustment *a)
{
	return a->last_day != DAY_NONE && !(last_day_ok(a->last_day) && a->last_day >= d->today);
}

enum status
decide_adjust(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;
	struct adjustment a = { .last_day = cmd->u.adjust.last_day, .tier_points = cmd->u.adjust.tier_points };
	bool fits;

	if (!decision_points(d, "points", cmd->u.adjust.points, &a.points))
		return ST_OK;
	if (is_over(d, &a))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "last_day", "last_day is over already");
	enum status st = check_sums(d, &a, &fits);
	if (st != ST_OK)
		return st;
	if (!fits)
		return refuse(d, LEDGER_INVALID_ARGUMENT, "points", "points are so many that the ledger's sums cannot hold them");
	if (!decision_member_open(d, false) || !has_points(d, &a, "points"))
		return ST_OK;
	e->u.adjust.points = a.points;
	e->u.adjust.reason = cmd->u.adjust.reason;
	e->u.adjust.last_day = a.last_day;
	e->u.adjust.tier_points = a.tier_points;
	e->waiting = needs_approval(d, &a);
	if (!e->waiting)
		return make(d, &a);
	e->has_metrics = false;
	return ST_OK;
}

/* ---- approve ---- */

bool
approver_has_key(const struct approver *approver, struct bytes key_id)
{
	struct bytes key = bytes_of(approver->public_key, PUBLIC_KEY_LEN);
	uint8_t hash[SHA256_BYTES];

	hash_sha256(hash, &key, 1);
	return bytes_equal(key_id, bytes_of(hash, LEDGER_KEY_ID_LEN));
}

static bool
same_principal(const char *a, const char *b)
{
	return a == NULL || b == NULL || strcmp(a, b) == 0;
}

/* The key that the signature names; *${ret_ok} is false when it is refused. */
static enum status
find_key(struct decision *d, struct approver *ret_approver, bool *ret_ok)
{
	const struct cmd *cmd = d->cmd;
	enum status st = cmd->principal == NULL ? ST_NOTFOUND : d->state->approver(d->state->ctx, cmd->principal, ret_approver);

	*ret_ok = st == ST_OK && approver_has_key(ret_approver, cmd->u.approve.key_id);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	if (*ret_ok)
		return ST_OK;
	return refuse(d, LEDGER_NOT_FOUND, "key_id", st == ST_NOTFOUND ? "the principal has no key here that approves; an operator registers it with approver_key"
	    : "the key that the principal has here is another one; sign with it, or let an operator register this one with approver_key");
}

/* Whether the signature approves it, as far as the adjust and the key go; ${waiting} NULL: the entry never waited. */
static bool
may_approve(struct decision *d, const struct waiting_adjust *waiting, const struct approver *approver)
{
	const struct cmd *cmd = d->cmd;
	char text[DAY_TEXT_BYTES];

	if (waiting != NULL && !cmd->u.approve.verified)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "signature",
		    "the signature does not verify: it is by another key, or of another command; `fealty approve` makes it");
	if (waiting != NULL && same_principal(cmd->principal, cmd->u.approve.entry->principal))
		return refuse_false(d, LEDGER_PERMISSION_DENIED, "command", "nobody approves what they sent; another principal has to");
	if (waiting != NULL && waiting->approved)
		return refuse_false(d, LEDGER_ALREADY_EXISTS, "command", "it was approved already, by entry %llu.%u",
		    (unsigned long long)waiting->by.seq, (unsigned)waiting->by.index);
	if (!decision_member_open(d, false))
		return false;
	if (waiting == NULL)
		return refuse_false(d, LEDGER_NOT_ELIGIBLE, "command", "that command does not wait for an approval");
	if (approver->until < d->today)
		return refuse_false(d, LEDGER_NOT_ELIGIBLE, "key_id", "the key ended on %s; an operator registers a new one with approver_key",
		    day_format(approver->until, text));
	return true;
}

static enum status
make_approved(struct decision *d, const struct adjustment *a)
{
	bool fits;

	if (is_over(d, a))
		return refuse(d, LEDGER_NOT_ELIGIBLE, "command", "the last day of its points is over; a new adjust has to be sent");
	enum status st = check_sums(d, a, &fits);
	if (st != ST_OK)
		return st;
	if (!fits)
		return refuse(d, LEDGER_CAP_REACHED, "command", "its points are so many by now that the ledger's sums cannot hold them");
	return has_points(d, a, "command") ? make(d, a) : ST_OK;
}

enum status
decide_approve(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	const struct entry *adjust = cmd->u.approve.entry;
	struct waiting_adjust waiting;
	struct approver approver;
	bool ok;

	if (adjust == NULL || d->member == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "command", "the program has no such command; name the adjust by its id, as its reply and history show it");
	enum status st = find_key(d, &approver, &ok);
	if (st != ST_OK || !ok)
		return st;
	st = d->state->waiting(d->state->ctx, cmd->u.approve.id, &waiting);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	if (!may_approve(d, st == ST_OK ? &waiting : NULL, &approver))
		return ST_OK;
	assert(adjust->op == OP_ADJUST);
	d->entry->u.approve.command = cmd->u.approve.id;
	d->entry->u.approve.signature = cmd->u.approve.signature;
	d->entry->u.approve.key_id = cmd->u.approve.key_id;
	return make_approved(d, &(struct adjustment){ .points = adjust->u.adjust.points, .last_day = adjust->u.adjust.last_day,
	    .tier_points = adjust->u.adjust.tier_points });
}

/* ---- approver_key ---- */

bool
approver_named(const char *principal)
{
	return strncmp(principal, LEDGER_APPROVER, strlen(LEDGER_APPROVER)) == 0 && strlen(principal) <= LEDGER_PRINCIPAL_MAX;
}

enum status
decide_approver_key(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;

	if (cmd->u.approver_key.principal == NULL || !approver_named(cmd->u.approver_key.principal))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "principal", "principal is not that of an approver, " LEDGER_APPROVER "<name>");
	if (cmd->u.approver_key.public_key.len != PUBLIC_KEY_LEN)
		return refuse(d, LEDGER_INVALID_ARGUMENT, "public_key", "public_key has %zu bytes, a public key %d",
		    cmd->u.approver_key.public_key.len, PUBLIC_KEY_LEN);
	if (!last_day_ok(cmd->u.approver_key.until))
		return refuse(d, LEDGER_INVALID_ARGUMENT, "until", "until is not in the years 1 to 9999");
	if (d->state->keys != NULL && key_history_find(d->state->keys, cmd->u.approver_key.public_key) != NULL)
		return refuse(d, LEDGER_ALREADY_EXISTS, "public_key", "this key signs the ledger, or did; an approver has one of their own");
	e->u.approver_key.principal = cmd->u.approver_key.principal;
	e->u.approver_key.public_key = cmd->u.approver_key.public_key;
	e->u.approver_key.until = cmd->u.approver_key.until;
	return ST_OK;
}
