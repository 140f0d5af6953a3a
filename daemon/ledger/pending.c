/*
 * Points that wait.  A row of the record is what one entry made under equal terms, so that a return finds its own; what an entry adds
 * and takes is in its facts, and their sum is what it posts to PENDING.
 *
 * The terms of the lot are those of the version, and of the rule or tier, that it was earned under; the clock starts when it activates.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

/* At most, in an entry: of a row with its activation, of a line of a followup, and of all that an entry of `system` takes. */
#define ROW_BYTES 100
#define LINE_BYTES 12
#define ROWS_BYTES_MAX 30000

static int
pending_compare(const struct pending *a, const struct pending *b)
{
	if (a->due_day != b->due_day)
		return a->due_day < b->due_day ? -1 : 1;
	if (a->from.seq != b->from.seq)
		return a->from.seq < b->from.seq ? -1 : 1;
	if (a->from.index != b->from.index)
		return a->from.index < b->from.index ? -1 : 1;
	if (a->version != b->version)
		return a->version < b->version ? -1 : 1;
	int order = strcmp(a->activity, b->activity);
	if (order == 0)
		order = strcmp(a->term, b->term);
	return order != 0 ? order : (a->class > b->class) - (a->class < b->class);
}

bool
pending_ok(const struct pending *p)
{
	return p->points != 0 && (p->class == LOT_EARNED || p->class == LOT_REFERRAL) && day_ok(p->due_day) && p->version > 0 &&
	    memchr(p->activity, 0, sizeof(p->activity)) != NULL && memchr(p->term, 0, sizeof(p->term)) != NULL;
}

enum status
pendings_add(struct member *m, struct arena *arena, const struct pending *add, bool *ret_ok)
{
	size_t at = m->n_pendings;

	while (at > 0 && pending_compare(&m->pendings[at - 1], add) > 0)
		at--;
	if (at > 0 && pending_compare(&m->pendings[at - 1], add) == 0) {
		struct pending *p = &m->pendings[at - 1];

		*ret_ok = checked_add(p->points, add->points, &p->points) && p->points >= 0;
		if (*ret_ok && p->points == 0) {
			memmove(p, p + 1, (m->n_pendings - at) * sizeof(*p));
			m->n_pendings--;
		}
		return ST_OK;
	}
	*ret_ok = add->points > 0 && m->n_pendings < LEDGER_PENDINGS_MAX;
	if (!*ret_ok)
		return ST_OK;
	struct pending *grown = arena_grow(arena, m->pendings, &m->cap_pendings, m->n_pendings + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	memmove(grown + at + 1, grown + at, (m->n_pendings - at) * sizeof(*grown));
	grown[at] = *add;
	m->pendings = grown;
	m->n_pendings++;
	return ST_OK;
}

bool
pendings_check(const struct member *m)
{
	wide sum = 0;

	for (size_t i = 0; i < m->n_pendings; i++) {
		const struct pending *p = &m->pendings[i];

		if (!pending_ok(p) || p->points <= 0 || (i > 0 && pending_compare(p - 1, p) >= 0))
			return false;
		sum += p->points;
	}
	return sum == m->pending && m->n_pendings <= LEDGER_PENDINGS_MAX;
}

void
pendings_encode(const struct member *m, struct buf *out)
{
	buf_put_varint(out, m->n_pendings);
	for (size_t i = 0; i < m->n_pendings; i++) {
		const struct pending *p = &m->pendings[i];

		buf_put_svarint(out, p->due_day);
		buf_put_varint(out, p->from.seq);
		buf_put_varint(out, p->from.index);
		buf_put_varint(out, p->version);
		buf_put_string(out, p->activity);
		buf_put_string(out, p->term);
		buf_put_u8(out, (uint8_t)p->class);
		buf_put_svarint(out, p->points);
	}
}

bool
pending_decode(struct cursor *c, struct pending *ret)
{
	int64_t due_day = cursor_svarint(c);
	uint64_t seq = cursor_varint(c), index = cursor_varint(c), version = cursor_varint(c);

	if (due_day < INT32_MIN || due_day > INT32_MAX || index > UINT32_MAX || version > UINT32_MAX)
		return false;
	ret->due_day = (int32_t)due_day;
	ret->from = (struct entry_id){ seq, (uint32_t)index };
	ret->version = (uint32_t)version;
	bool ok = text_decode(c, ret->activity, sizeof(ret->activity)) && text_decode(c, ret->term, sizeof(ret->term));
	uint8_t class = cursor_u8(c);
	ret->class = class < LOT_CLASS_COUNT ? (enum lot_class)class : LOT_NONE;
	ret->points = cursor_svarint(c);
	return ok;
}

/* ---- what entries do with them ---- */

enum status
decision_pending(struct decision *d, const struct pending_change *change)
{
	struct pending_change *grown = arena_grow(d->arena, d->pendings, &d->cap_pendings, d->entry->n_pendings + 1, sizeof(*grown));

	if (grown == NULL)
		return ST_NOMEM;
	grown[d->entry->n_pendings++] = *change;
	d->entry->pendings = d->pendings = grown;
	return ST_OK;
}

int64_t
decision_pending_left(const struct decision *d, const struct pending *row)
{
	int64_t left = row->points;

	for (size_t i = 0; i < d->entry->n_pendings; i++)
		left += d->pendings[i].has_from && pending_compare(&d->pendings[i].p, row) == 0 ? d->pendings[i].p.points : 0;
	return left;
}

void
pending_term_of(const struct rule *rule, const struct tier *tier, char ret[static PENDING_TERM_BYTES])
{
	ret[0] = 0;
	if (rule != NULL && rule->has_expiry)
		snprintf(ret, PENDING_TERM_BYTES, "rule:%s", rule->id);
	else if (tier != NULL && tier->has_expiry)
		snprintf(ret, PENDING_TERM_BYTES, "tier:%s", tier->id);
}

/* The last day of a lot that activates on ${day}. A version that is not there any more cannot be: versions stay. */
static int32_t
pending_last_day(const struct decision *d, const struct pending *p, int32_t day)
{
	const struct program *version = d->state->program_version(d->state->ctx, d->entry->program, p->version);
	const struct rule *rule = NULL;
	const struct tier *tier = NULL;

	if (version == NULL)
		version = d->program;
	if (strncmp(p->term, "tier:", 5) == 0)
		tier = program_tier(version, p->term + 5);
	for (size_t i = 0; i < version->n_rules && strncmp(p->term, "rule:", 5) == 0; i++) {
		if (strcmp(version->rules[i].id, p->term + 5) == 0)
			rule = &version->rules[i];
	}
	return rule_last_day(version, rule, tier, day);
}

bool
decision_pends_to_clock(const struct decision *d)
{
	for (size_t i = 0; i < d->entry->n_pendings; i++) {
		const struct pending *p = &d->pendings[i].p;

		if (p->points > 0 && p->activity[0] == 0 && p->due_day < d->today && pending_last_day(d, p, p->due_day) == DAY_CLOCK)
			return true;
	}
	return false;
}

static enum status
end_row(struct decision *d, const struct pending *p)
{
	struct pending_change change = { .has_from = true, .p = *p };

	change.p.points = -p->points;
	return decision_pending(d, &change);
}

/* The followup of what earned them, as this entry will leave it. */
static enum status
followup_of(struct decision *d, struct entry_id from, struct followup **ret)
{
	struct followup f;

	for (size_t i = 0; i < d->entry->n_followups; i++) {
		*ret = &d->followups[i];
		if (entry_id_compare((*ret)->entry, from) == 0)
			return ST_OK;
	}
	enum status st = followup_load(d, from, &f);
	if (st == ST_OK)
		st = decision_followup(d, &f);
	if (st == ST_OK)
		*ret = &d->followups[d->entry->n_followups - 1];
	return st;
}

static enum status
note_activation(struct decision *d, const struct pending *p, int32_t last_day)
{
	struct followup *f = NULL;
	enum status st = followup_of(d, p->from, &f);

	if (st != ST_OK)
		return st;
	assert(f != NULL);
	struct activation *rows = arena_alloc(d->arena, (f->n_activations + 1) * sizeof(*rows));
	if (rows == NULL)
		return ST_NOMEM;
	if (f->n_activations > 0)
		memcpy(rows, f->activations, f->n_activations * sizeof(*rows));
	rows[f->n_activations++] = (struct activation){ .day = d->business_date, .last_day = last_day, .points = p->points };
	f->activations = rows;
	return ST_OK;
}

static bool
row_is(const struct decision *d, const struct pending *p, const char *activity, const struct entry_id *from)
{
	if (from != NULL)
		return strcmp(p->activity, activity) == 0 && p->from.seq == from->seq && p->from.index == from->index && p->activity[0] != 0;
	return p->activity[0] == 0 && p->due_day <= d->today;
}

/* Of those that fall due at night an entry takes as many as fit a transaction, with what a return left of each purchase; the rest follows in another. */
static bool
is_full(const struct decision *d)
{
	size_t bytes = d->entry->n_pendings * ROW_BYTES;

	for (size_t i = 0; i < d->entry->n_followups; i++)
		bytes += d->followups[i].n_lines * LINE_BYTES;
	return bytes > ROWS_BYTES_MAX;
}

enum status
decision_activate(struct decision *d, const char *activity, const struct entry_id *from, bool *ret_any)
{
	const struct member *m = d->member;
	struct lot *lots = arena_alloc(d->arena, (m->n_pendings + 1) * sizeof(*lots));
	size_t n = 0;

	if (lots == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->n_pendings; i++) {
		const struct pending *p = &m->pendings[i];
		size_t k = 0;

		if (!row_is(d, p, activity, from))
			continue;
		if (from == NULL && is_full(d))
			break;
		enum status st = end_row(d, p);
		if (st != ST_OK)
			return st;
		int32_t last_day = pending_last_day(d, p, d->business_date);
		st = p->class == LOT_EARNED ? note_activation(d, p, last_day) : ST_OK;
		if (st != ST_OK)
			return st;
		while (k < n && (lots[k].last_day != last_day || lots[k].class != p->class))
			k++;
		if (k == n)
			lots[n++] = (struct lot){ .last_day = last_day, .class = p->class };
		lots[k].points += p->points;
		d->entry->metrics.points_earned += p->class == LOT_EARNED ? p->points : 0;
	}
	*ret_any = n > 0;
	if (n == 0)
		return ST_OK;
	d->entry->has_metrics = true;
	d->entry->metrics.day = d->business_date;
	return decision_credit_lots(d, ACCOUNT_PENDING, lots, n);
}

enum status
decision_lapse(struct decision *d, bool *ret_any)
{
	const struct member *m = d->member;
	struct lot lot = { .last_day = DAY_NEVER, .class = LOT_EARNED };

	for (size_t i = 0; i < m->n_pendings; i++) {
		const struct pending *p = &m->pendings[i];

		if (p->activity[0] == 0 || p->due_day > d->today)
			continue;
		if (is_full(d))
			break;
		struct followup *f = NULL;
		enum status st = end_row(d, p);
		if (st == ST_OK)
			st = followup_of(d, p->from, &f);
		if (st != ST_OK)
			return st;
		assert(f != NULL);
		f->lapsed += p->points;		/* a return does not take them again */
		lot.points += p->points;
	}
	*ret_any = lot.points > 0;
	return lot.points == 0 ? ST_OK : decision_move(d, ACCOUNT_PENDING, ACCOUNT_CLAWED, &lot, lot.points);
}
