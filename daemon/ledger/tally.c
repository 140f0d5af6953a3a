/*
 * What a member's rules remember, and what a program's do.  One sorted list of numbers: an entry adds to them, and the difference is in
 * the entry, so that a replay needs no rule to be evaluated.  In a record a name that is the one before is left out,
 * and dates of one period count from the one before.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "ledger/internal.h"

static int
tally_compare(const struct tally *a, enum tally_kind kind, const char *id, enum period per, int64_t at)
{
	if (a->kind != kind)
		return a->kind < kind ? -1 : 1;
	int names = strcmp(a->id, id);
	if (names != 0)
		return names;
	if (a->per != per)
		return a->per < per ? -1 : 1;
	return (a->at > at) - (a->at < at);
}

/* Where it stands, or would. */
static size_t
tally_place(const struct tally *tallies, size_t n, enum tally_kind kind, const char *id, enum period per, int64_t at, bool *ret_there)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (tally_compare(&tallies[mid], kind, id, per, at) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_there = low < n && tally_compare(&tallies[low], kind, id, per, at) == 0;
	return low;
}

const struct tally *
tally_find(const struct tally *tallies, size_t n, enum tally_kind kind, const char *id, enum period per, int64_t at)
{
	bool there;
	size_t place = tally_place(tallies, n, kind, id, per, at, &there);

	return there ? &tallies[place] : NULL;
}

static void
tally_remove(struct tally *tallies, size_t *n, size_t at)
{
	memmove(tallies + at, tallies + at + 1, (*n - at - 1) * sizeof(*tallies));
	(*n)--;
	memset(tallies + *n, 0, sizeof(*tallies));		/* totals are compared whole */
}

enum status
tallies_add(struct tally **tallies, size_t *n, size_t *cap, struct arena *arena, const struct tally *add, bool *ret_ok)
{
	bool there;
	size_t place = tally_place(*tallies, *n, add->kind, add->id, add->per, add->at, &there);

	if (!there) {
		*ret_ok = add->points >= 0 && add->count >= 0;
		if (!*ret_ok || (add->points == 0 && add->count == 0))
			return ST_OK;
		if (arena == NULL && *n == *cap) {		/* a fixed array */
			*ret_ok = false;
			return ST_OK;
		}
		struct tally *grown = arena == NULL ? *tallies : arena_grow(arena, *tallies, cap, *n + 1, sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		memmove(grown + place + 1, grown + place, (*n - place) * sizeof(*grown));
		memset(grown + place, 0, sizeof(*grown));
		grown[place].kind = add->kind;
		grown[place].per = add->per;
		tier_id_copy(grown[place].id, add->id);
		grown[place].at = add->at;
		grown[place].points = add->points;
		grown[place].count = add->count;
		*tallies = grown;
		(*n)++;
		return ST_OK;
	}
	struct tally *t = &(*tallies)[place];
	*ret_ok = checked_add(t->points, add->points, &t->points) && checked_add(t->count, add->count, &t->count) && t->points >= 0 &&
	    t->count >= 0;
	if (*ret_ok && t->points == 0 && t->count == 0)
		tally_remove(*tallies, n, place);
	return ST_OK;
}

int64_t
period_start(enum period per, int32_t day)
{
	switch (per) {
	case PERIOD_DAY: return day;
	case PERIOD_MONTH: return day_month_start(day);
	case PERIOD_YEAR: return day_year_start(day);
	case PERIOD_TRANSACTION: case PERIOD_LIFETIME: case PERIOD_PROGRAM: case PERIOD_COUNT: break;
	}
	return 0;
}

void
tallies_prune(struct tally *tallies, size_t *n, int32_t oldest_day, int64_t oldest_us)
{
	int64_t oldest[PERIOD_COUNT];		/* a period is over before the oldest day when it began before the one that holds that */
	size_t kept = 0, gaps = 0;

	for (size_t per = 0; per < PERIOD_COUNT; per++)
		oldest[per] = period_start((enum period)per, oldest_day < DAY_MIN ? DAY_MIN : oldest_day);
	for (size_t i = *n; i > 0; i--)
		gaps += tallies[i - 1].kind == TALLY_GAP;
	for (size_t i = 0; i < *n; i++) {
		bool is_gap = tallies[i].kind == TALLY_GAP;
		bool old = tallies[i].at < (is_gap ? oldest_us : oldest[tallies[i].per]);

		if (is_gap && !old && gaps > LEDGER_GAPS_MAX) {		/* the first of a rule is its oldest */
			gaps--;
			old = true;
		}
		if (old)
			continue;
		if (kept != i)
			tallies[kept] = tallies[i];
		kept++;
	}
	*n = kept;
}

/* All but that its name ends. */
static bool
tally_terms_ok(const struct tally *t)
{
	bool dated = t->per == PERIOD_DAY || t->per == PERIOD_MONTH || t->per == PERIOD_YEAR;

	if (t->kind <= TALLY_NONE || t->kind >= TALLY_KIND_COUNT || t->per <= PERIOD_TRANSACTION || t->per >= PERIOD_COUNT)
		return false;
	bool is_day = t->kind == TALLY_EARNED || t->kind == TALLY_REDEEMED;
	bool is_year = t->kind == TALLY_SENT || t->kind == TALLY_RECEIVED || t->kind == TALLY_YEAR_REFERRED;
	if ((t->id[0] == 0) != (is_day || is_year))
		return false;
	if ((t->kind == TALLY_GAP || t->kind == TALLY_REMAINDER) && t->per != PERIOD_LIFETIME)
		return false;
	if ((is_day && t->per != PERIOD_DAY) || (is_year && t->per != PERIOD_YEAR))
		return false;
	if (t->kind == TALLY_GAP)
		return t->at > INT64_MIN / 4 && t->at < INT64_MAX / 4;
	if (!dated)
		return t->at == 0;
	return t->at >= DAY_MIN && t->at <= DAY_MAX && period_start(t->per, (int32_t)t->at) == t->at;
}

static bool
name_ends(const struct tally *t)
{
	return memchr(t->id, 0, sizeof(t->id)) != NULL;
}

/* The name before ends, so a comparison with it does too; most rows have it again. */
bool
tallies_check(const struct tally *tallies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct tally *t = &tallies[i];
		int order = i == 0 || t[-1].kind < t->kind ? -1 : t[-1].kind > t->kind ? 1 : strcmp(t[-1].id, t->id);

		if (order > 0 || (order < 0 && !name_ends(t)))
			return false;
		if (order == 0 && (t[-1].per > t->per || (t[-1].per == t->per && t[-1].at >= t->at)))
			return false;
		if (!tally_terms_ok(t) || t->points < 0 || t->count < 0 || (t->points == 0 && t->count == 0))
			return false;
	}
	return n <= LEDGER_TALLIES_MAX;
}

enum status
decision_tally(struct decision *d, const struct tally *t)
{
	struct tally *tallies = arena_alloc(d->arena, (d->entry->n_tallies + 1) * sizeof(*tallies));

	if (tallies == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < d->entry->n_tallies; i++)
		tallies[i] = d->entry->tallies[i];
	tallies[d->entry->n_tallies++] = *t;
	d->entry->tallies = tallies;
	return ST_OK;
}

bool
tally_change_ok(const struct tally *t)
{
	return name_ends(t) && tally_terms_ok(t) && (t->points != 0 || t->count != 0);
}

void
tallies_encode(const struct tally *tallies, size_t n, struct buf *out)
{
	buf_put_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		const struct tally *t = &tallies[i];
		bool again = i > 0 && t[-1].kind == t->kind && strcmp(t[-1].id, t->id) == 0;
		uint64_t base = again && t[-1].per == t->per ? (uint64_t)t[-1].at : 0;

		buf_put_u8(out, (uint8_t)((unsigned)t->kind << 4 | (unsigned)t->per << 1 | (again ? 1u : 0u)));
		if (!again)
			buf_put_string(out, t->id);
		buf_put_svarint(out, (int64_t)((uint64_t)t->at - base));
		buf_put_svarint(out, t->points);
		buf_put_svarint(out, t->count);
	}
}

bool
tally_decode(struct cursor *c, const struct tally *before, struct tally *ret)
{
	uint8_t head = cursor_u8(c);

	ret->kind = (enum tally_kind)(head >> 4);
	ret->per = (enum period)(head >> 1 & 7);
	if ((head & 1) != 0) {
		if (before == NULL)
			return false;
		memcpy(ret->id, before->id, sizeof(ret->id));
	} else {
		struct bytes id = cursor_string(c);
		if (id.len > LEDGER_ID_MAX || (id.len > 0 && memchr(id.data, 0, id.len) != NULL))
			return false;
		if (id.len > 0)
			memcpy(ret->id, id.data, id.len);
		ret->id[id.len] = 0;
	}
	uint64_t base = (head & 1) != 0 && before->per == ret->per ? (uint64_t)before->at : 0;
	ret->at = (int64_t)(base + (uint64_t)cursor_svarint(c));
	ret->points = cursor_svarint(c);
	ret->count = cursor_svarint(c);
	return true;
}
