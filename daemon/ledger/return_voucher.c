/*
 * Vouchers that a purchase issued, when some of it is returned: what the rest does not earn any more is revoked, in a hold as well, which is
 * over then.  One that was used stays used, or becomes debt of its value, once: it is settled then.  One that ended unused cost nobody anything.
 *
 * What it is worth says the program in force, as it says the policy; a voucher that it has no more, the version of the purchase.
 */
#include "ledger/internal.h"

#include <string.h>

static const struct voucher *
issued_by(const struct member *m, struct entry_id purchase, const struct rule *rule)
{
	for (size_t i = 0; i < m->n_vouchers; i++) {
		const struct voucher *v = &m->vouchers[i];

		if (v->source == VOUCHER_BY_RULE && entry_id_compare(v->from, purchase) == 0 && strcmp(v->of, rule->id) == 0)
			return v;
	}
	return NULL;
}

/* Points of a voucher's value at redemption.value, rounded up; 0: it has none. */
static wide
points_of(const struct decision *d, const struct program *version, const struct voucher *v)
{
	const struct program *p = d->program;
	const struct voucher_kind *kind = program_voucher(p, v->id);

	if (kind == NULL || !kind->has_value)
		kind = program_voucher(version, v->id);
	if (kind == NULL || !kind->has_value || !p->has_value)
		return 0;
	return ((wide)kind->value * p->value_points + p->value_amount - 1) / p->value_amount;
}

static bool
sums_fit(struct decision *d, wide points, enum status *ret_status)
{
	const struct totals *totals = NULL;

	*ret_status = d->state->totals(d->state->ctx, d->entry->program, &totals);
	return *ret_status == ST_OK && points + (totals == NULL ? 0 : totals->account[ACCOUNT_REDEEMED]) <= POINTS_MAX;
}

/* What the entry has left of the member's lots so far. */
static struct lot *
lots_left(const struct decision *d, size_t *ret_n, int64_t *ret_points)
{
	const struct member *m = d->member;
	struct lot *lots = arena_alloc(d->arena, (m->n_lots + 1) * sizeof(*lots));

	if (lots == NULL)
		return NULL;
	if (m->n_lots > 0)
		memcpy(lots, m->lots, m->n_lots * sizeof(*lots));
	*ret_n = m->n_lots;
	*ret_points = m->available;
	for (size_t i = 0; i < d->entry->n_postings; i++) {
		const struct posting *p = &d->postings[i];
		struct lot taken = { .last_day = p->last_day, .class = p->class, .points = -p->points };

		if (p->account == ACCOUNT_MEMBER && p->points < 0 && lots_take(lots, ret_n, &taken))
			*ret_points -= taken.points;
	}
	return lots;
}

/* From available first; they count as redeemed, which is what the voucher was. */
static enum status
owe(struct decision *d, int64_t points)
{
	const struct lot none = { .last_day = DAY_NEVER, .class = LOT_NONE };
	int64_t available;
	size_t n;
	struct lot *lots = lots_left(d, &n, &available);

	if (lots == NULL)
		return ST_NOMEM;
	int64_t now = points < available ? points : available;
	enum status st = decision_take(d, lots, n, now, ACCOUNT_MEMBER, ACCOUNT_REDEEMED, ACCOUNT_REDEEMED, d->today);
	if (st != ST_OK || points == now)
		return st;
	return decision_move(d, ACCOUNT_DEBT, ACCOUNT_REDEEMED, &none, points - now);
}

/* *${ret_settled} is false when it stays used. */
static enum status
settle_used(struct decision *d, const struct program *version, const struct voucher *v, bool *ret_settled)
{
	wide points = d->program->used_voucher_debt ? points_of(d, version, v) : 0;
	enum status st = ST_OK;

	*ret_settled = points > 0;
	if (!*ret_settled)
		return ST_OK;
	if (!sums_fit(d, points, &st))
		return st != ST_OK ? st : refuse(d, LEDGER_CAP_REACHED, "purchase",
		    "the voucher that it issued was used, and its value in points is more than the ledger's sums can hold");
	st = owe(d, (int64_t)points);
	return st == ST_OK ? decision_voucher(d, v, VOUCHER_SETTLED) : st;
}

enum status
return_vouchers(struct decision *d, const struct program *version, struct entry_id purchase, const bool issues[static PROGRAM_RULES_MAX],
    struct voucher_loss *ret_loss)
{
	enum status st = ST_OK;

	*ret_loss = (struct voucher_loss){ 0 };
	for (size_t i = 0; i < version->n_rules && st == ST_OK && d->refusal->result == LEDGER_OK; i++) {
		const struct rule *rule = &version->rules[i];
		const struct voucher *v = rule->kind == RULE_VOUCHER ? issued_by(d->member, purchase, rule) : NULL;
		bool taken = false;

		if (v == NULL || v->state == VOUCHER_REVOKED || v->state == VOUCHER_SETTLED)
			continue;
		if (!issues[i] && (v->state == VOUCHER_ISSUED || v->state == VOUCHER_HELD)) {
			taken = true;
			st = decision_voucher(d, v, VOUCHER_REVOKED);
		} else if (!issues[i] && v->state == VOUCHER_USED) {
			st = settle_used(d, version, v, &taken);
		}
		ret_loss->before[i] = true;
		ret_loss->after[i] = !taken;
	}
	return st;
}
