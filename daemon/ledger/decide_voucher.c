/*
 * What members do with vouchers, and holds of them.  A word that is an id means the voucher that ends first of those that can be used; when
 * none can, one that was used, or that a hold has, answers before one that is over, as the refusals are ordered, and one that was revoked is
 * as if it had never been.  A use is judged by the day on which it happened: what has ended since then could be used then.
 *
 * No points move: a voucher hold has no lots, and whatever ends it says in the same entry what became of its voucher.
 */
#include <assert.h>
#include <string.h>

#include "ledger/internal.h"

/* Of the member's vouchers that are meant; each NULL: there is none. */
struct choice {
	const struct voucher *usable;		/* that ends first */
	const struct voucher *taken;		/* used or held, that changed last */
	const struct voucher *expired, *revoked;
};

bool
voucher_is_meant(const struct voucher *v, const struct voucher_ref *ref)
{
	return ref->id != NULL ? strcmp(v->id, ref->id) == 0 : v->n == ref->n && entry_id_compare(v->from, ref->from) == 0;
}

static bool
can_be_used(const struct voucher *v, int32_t day)
{
	return v->state == VOUCHER_ISSUED || (v->state == VOUCHER_EXPIRED && v->last_day >= day);
}

static struct choice
choose(const struct member *m, const struct voucher_ref *ref, int32_t day)
{
	struct choice c = { 0 };

	for (size_t i = 0; i < m->n_vouchers; i++) {
		const struct voucher *v = &m->vouchers[i];

		if (!voucher_is_meant(v, ref))
			continue;
		if (can_be_used(v, day)) {
			if (c.usable == NULL || v->last_day < c.usable->last_day)
				c.usable = v;
		} else if (v->state == VOUCHER_REVOKED) {
			c.revoked = v;
		} else if (v->state == VOUCHER_EXPIRED) {
			c.expired = v;
		} else if (c.taken == NULL || entry_id_compare(v->by, c.taken->by) > 0) {
			c.taken = v;
		}
	}
	return c;
}

/* Row 8. */
static bool
is_found(struct decision *d, bool found, const struct choice *c)
{
	if (found && (c->usable != NULL || c->taken != NULL || c->expired != NULL))
		return true;
	return refuse_false(d, LEDGER_NOT_FOUND, "voucher", found && c->revoked != NULL ? "the voucher was revoked"
	    : "the member has no such voucher: name one by its id in the program, or by its code");
}

/* Rows 10 to 12. */
static bool
is_offered(struct decision *d, bool spends)
{
	if (d->program->n_vouchers == 0)
		return refuse_false(d, LEDGER_NOT_OFFERED, NULL, "this program has no vouchers any more");
	return decision_member_open(d, spends);
}

/* Rows 17 and 18. */
static bool
is_usable(struct decision *d, const struct choice *c)
{
	char day[DAY_TEXT_BYTES];

	if (c->usable != NULL)
		return true;
	if (c->taken != NULL && c->taken->state == VOUCHER_HELD)
		return refuse_false(d, LEDGER_ALREADY_USED, "voucher", "hold %llu.%u has the voucher; capture or release it first",
		    (unsigned long long)c->taken->by.seq, (unsigned)c->taken->by.index);
	if (c->taken != NULL)
		return refuse_false(d, LEDGER_ALREADY_USED, "voucher", "the voucher was used already, by entry %llu.%u",
		    (unsigned long long)c->taken->by.seq, (unsigned)c->taken->by.index);
	return refuse_false(d, LEDGER_VOUCHER_EXPIRED, "voucher", "the voucher ended on %s", day_format(c->expired->last_day, day));
}

static void
set_value(struct decision *d, const struct voucher *v)
{
	const struct voucher_kind *kind = program_voucher(d->program, v->id);

	d->entry->has_value = kind != NULL && kind->has_value;
	if (d->entry->has_value)
		d->entry->value = kind->value;
}

/* Row 22: as points, a voucher pays at most its share of the order; one without a value, any. */
static bool
share_ok(struct decision *d, bool has_order_amount, int64_t order_amount)
{
	const struct program *p = d->program;

	if (!has_order_amount || !d->entry->has_value || (wide)d->entry->value * 100 <= (wide)order_amount * p->max_percent_of_order)
		return true;
	return refuse_false(d, LEDGER_OVER_ORDER_TOTAL, "voucher", "the voucher is worth more than the %u %% of the order that it may pay",
	    p->max_percent_of_order);
}

static struct voucher_ref
name_of(const struct voucher *v, const char *asked_by)
{
	return (struct voucher_ref){ .id = asked_by, .from = v->from, .n = v->n };
}

/* ---- voucher_use and voucher_void ---- */

enum status
decide_voucher_use(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;
	struct choice c = choose(d->member, &cmd->u.voucher.voucher, d->business_date);

	if (!is_found(d, cmd->u.voucher.found, &c))
		return ST_OK;
	e->u.voucher.offline = cmd->u.voucher.offline;
	e->u.voucher.has_order_amount = cmd->u.voucher.has_order_amount;
	if (cmd->u.voucher.has_order_amount && !decision_money(d, "order_amount", cmd->u.voucher.order_amount, &e->u.voucher.order_amount))
		return ST_OK;
	if (!is_offered(d, true))
		return ST_OK;
	if (c.usable == NULL && c.taken != NULL && cmd->u.voucher.offline) {
		e->conflict = true;
		e->u.voucher.voucher = name_of(c.taken, cmd->u.voucher.voucher.id);
		set_value(d, c.taken);
		return ST_OK;
	}
	if (!is_usable(d, &c))
		return ST_OK;
	set_value(d, c.usable);
	if (!share_ok(d, e->u.voucher.has_order_amount, e->u.voucher.order_amount))
		return ST_OK;
	e->u.voucher.voucher = name_of(c.usable, cmd->u.voucher.voucher.id);
	return decision_voucher(d, c.usable, VOUCHER_USED);
}

enum status
decide_voucher_void(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct choice c = choose(d->member, &cmd->u.voucher.voucher, d->today);

	if (!is_found(d, cmd->u.voucher.found, &c) || !is_offered(d, false) || !is_usable(d, &c))
		return ST_OK;
	d->entry->u.voucher.voucher = name_of(c.usable, cmd->u.voucher.voucher.id);
	d->entry->u.voucher.reason = cmd->u.voucher.reason;
	return decision_voucher(d, c.usable, VOUCHER_REVOKED);
}

/* ---- holds ---- */

enum status
decide_hold_voucher(struct decision *d)
{
	const struct cmd *cmd = d->cmd;
	struct entry *e = d->entry;
	struct choice c = choose(d->member, &cmd->u.hold.voucher, d->today);

	if (!is_found(d, cmd->u.hold.found, &c) || !decision_hold_inputs(d) || !is_offered(d, true) || !is_usable(d, &c))
		return ST_OK;
	set_value(d, c.usable);
	if (!share_ok(d, e->u.hold.has_order_amount, e->u.hold.order_amount) || !decision_hold_room(d))
		return ST_OK;
	e->u.hold.of_voucher = true;
	e->u.hold.voucher = name_of(c.usable, cmd->u.hold.voucher.id);
	enum status st = decision_hold_made(d, 0);
	return st == ST_OK ? decision_voucher(d, c.usable, VOUCHER_HELD) : st;
}

enum status
decision_capture_voucher(struct decision *d, const struct hold *hold)
{
	const struct voucher *v = hold_voucher(d->member, hold);

	set_value(d, v);
	return decision_voucher(d, v, VOUCHER_USED);
}

enum status
decision_release_voucher(struct decision *d, const struct hold *hold)
{
	const struct voucher *v = hold_voucher(d->member, hold);

	return decision_voucher(d, v, v->last_day < d->today ? VOUCHER_EXPIRED : VOUCHER_ISSUED);
}
