/*
 * One pass.  What a kind of report does not need is not kept: a ledger of millions of entries is read for its KPIs without a row for each
 * purchase day, and for its segments without the books.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "report.h"

#define MEMORY_BYTES_MAX ((size_t)256 << 20)
#define MEMBERS_MIN 1024
#define VOLUME_MAX ((uint64_t)1 << 62)

static const char *const kind_names[REPORT_KIND_COUNT] = {
	[REPORT_LIABILITY] = "liability", [REPORT_ROLLFORWARD] = "rollforward", [REPORT_SETTLEMENT] = "settlement", [REPORT_KPI] = "kpi",
	[REPORT_RFM] = "rfm", [REPORT_CHURN] = "churn",
};

const char *
report_kind_str(enum report_kind kind)
{
	assert(kind < REPORT_KIND_COUNT);
	return kind_names[kind];
}

enum report_kind
report_kind_of(const char *word)
{
	enum report_kind kind = 0;

	while (kind < REPORT_KIND_COUNT && strcmp(kind_names[kind], word) != 0)
		kind++;
	return kind;
}

enum status
report_book_new(const struct report_params *params, struct report_book **ret_book)
{
	struct report_book *book = calloc(1, sizeof(*book));

	if (book == NULL)
		return ST_NOMEM;
	book->params = *params;
	arena_init(&book->memory, MEMORY_BYTES_MAX);
	arena_init(&book->scratch, MEMORY_BYTES_MAX);
	*ret_book = book;
	return ST_OK;
}

void
report_book_free(struct report_book *book)
{
	if (book == NULL)
		return;
	for (size_t i = 0; i < book->n_members; i++)
		free(book->members[i].days);
	free(book->members);
	free(book->purchases);
	free(book->partners);
	arena_release(&book->memory);
	arena_release(&book->scratch);
	free(book);
}

/* ---- for all ---- */

enum status
report_member_of(struct report_book *book, uint64_t number, struct report_member **ret_member)
{
	if (number == 0 || number > book->n_entries)
		return ST_CORRUPT;
	if (number > book->cap_members) {
		size_t cap = book->cap_members == 0 ? MEMBERS_MIN : book->cap_members;
		while (cap < number)
			cap *= 2;
		struct report_member *grown = realloc(book->members, cap * sizeof(*grown));
		if (grown == NULL)
			return ST_NOMEM;
		book->members = grown;
		book->cap_members = cap;
	}
	while (book->n_members < number)
		book->members[book->n_members++] = (struct report_member){ .tier = TIER_UNKNOWN };
	*ret_member = &book->members[number - 1];
	return ST_OK;
}

bool
report_in_period(const struct report_book *book, int32_t day)
{
	const struct report_params *p = &book->params;

	return (p->from == DAY_NONE || day >= p->from) && (p->until == DAY_NONE || day <= p->until);
}

/* Instants come in order nearly always, so most are of the day before them. */
int32_t
report_day_of(struct report_book *book, int64_t at_us)
{
	const struct zone *zone = &book->rules->zone;

	if (at_us >= book->day_from_us && at_us < book->day_until_us)
		return book->day;
	book->day = zone_day(zone, at_us);
	book->day_from_us = zone_midnight_us(zone, book->day);
	book->day_until_us = zone_midnight_us(zone, book->day + 1);
	return book->day;
}

/* ---- programs ---- */

static bool
is_wanted(const struct report_book *book, const char *id, uint32_t number)
{
	if (book->only != 0)
		return number == book->only;
	if (book->params.program != NULL)
		return strcmp(id, book->params.program) == 0;
	return book->number == 0 || strcmp(id, book->id) == 0;
}

static enum status
take_publish(struct report_book *book, const struct entry *e)
{
	struct program_error error;
	struct program *p;

	book->n_programs += e->u.publish.version == 1;
	if (!is_wanted(book, e->u.publish.id, e->program))
		return ST_OK;
	/* the definition's texts may be borrowed by what is compiled of them */
	char *definition = arena_memdup(&book->memory, e->u.publish.definition.data, e->u.publish.definition.len);
	if (definition == NULL)
		return ST_NOMEM;
	enum status st = program_from_bytes(bytes_of(definition, e->u.publish.definition.len), e->u.publish.zone_data, &book->memory, &p, &error);
	if (st != ST_OK)
		return st == ST_INVALID ? ST_CORRUPT : st;
	const struct program **grown = arena_grow(&book->memory, book->versions, &book->cap_versions, book->n_versions + 1, sizeof(*grown));
	if (grown == NULL)
		return ST_NOMEM;
	p->number = e->program;
	p->version = e->u.publish.version;
	book->versions = grown;
	book->versions[book->n_versions++] = p;
	book->rules = p;
	book->number = e->program;
	book->day_from_us = book->day_until_us = 0;
	(void)snprintf(book->id, sizeof(book->id), "%s", e->u.publish.id);
	return report_take_terms(book, p);
}

/* What was in force at the ends of the period. */
static void
take_version(struct report_book *book, int32_t day)
{
	if (book->params.from != DAY_NONE && day < book->params.from)
		book->opening.rules = book->rules;
	if (book->params.until == DAY_NONE || day <= book->params.until)
		book->closing.rules = book->rules;
}

/* ---- entries ---- */

int64_t
report_instant_of(const struct entry *e, int64_t committed_at_us)
{
	if (e->has_due_at)
		return e->due_at_us;
	return e->has_at ? e->at_us : committed_at_us;
}

static void
add_volume(struct report_book *book, int64_t value)
{
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

	book->volume = size > VOLUME_MAX - book->volume ? VOLUME_MAX : book->volume + size;
}

static bool
measure(struct report_book *book, const struct entry *e)
{
	for (size_t i = 0; i < e->n_postings; i++)
		add_volume(book, e->postings[i].points);
	for (size_t i = 0; i < e->n_falls; i++) {
		add_volume(book, e->falls[i].spend);
		add_volume(book, e->falls[i].visits);
	}
	for (size_t i = 0; i < e->n_followups; i++) {
		add_volume(book, e->followups[i].left);
		add_volume(book, e->followups[i].clawed);
		add_volume(book, e->followups[i].lapsed);
	}
	for (size_t i = 0; i < e->n_grants; i++)
		add_volume(book, e->grants[i].granted);
	add_volume(book, e->metrics.spend);
	add_volume(book, e->metrics.visits);
	if (e->op == OP_PURCHASE) {
		add_volume(book, e->u.purchase.amount);
		add_volume(book, e->u.purchase.paid_with_points);
	}
	book->too_large = book->too_large || book->volume == VOLUME_MAX;
	return !book->too_large;
}

/* In the years 1 to 9999: the calendar knows no others. */
#define DAY_MIN (-719162)
#define DAY_MAX 2932896
#define VISITS_MAX 1000			/* of one entry; there is one */
#define INSTANT_MIN (DAY_MIN * US_PER_DAY)
#define INSTANT_MAX (DAY_MAX * US_PER_DAY)

static bool
metrics_ok(const struct metric_day *m)
{
	return m->day >= DAY_MIN && m->day <= DAY_MAX && m->visits >= -VISITS_MAX && m->visits <= VISITS_MAX;
}

/* What the passes over signed nonsense must not stumble on; the audit judges the rest. */
static bool
entry_ok(const struct entry *e, int64_t at_us)
{
	bool ok = at_us >= INSTANT_MIN && at_us <= INSTANT_MAX && (!e->has_metrics || metrics_ok(&e->metrics));

	for (size_t i = 0; i < e->n_falls && ok; i++)
		ok = metrics_ok(&e->falls[i]);
	return ok;
}

static enum status
take_entry(struct report_book *book, const struct entry *e, struct entry_id id, int64_t committed_at_us)
{
	int64_t at_us = report_instant_of(e, committed_at_us);

	if (!entry_ok(e, at_us))
		return ST_CORRUPT;
	if (!book->seen || at_us > book->now_us)
		book->now_us = at_us;
	book->seen = true;
	enum status st = e->op == OP_PUBLISH ? take_publish(book, e) : ST_OK;
	if (st != ST_OK || book->number == 0 || e->program != book->number)
		return st;
	int32_t day = report_day_of(book, at_us);
	book->n_entries++;
	if (!measure(book, e))
		return ST_OK;
	if (e->op == OP_PUBLISH)
		take_version(book, day);
	st = report_take_books(book, e, id, day);
	if (st == ST_OK)
		st = report_take_people(book, e, id, day);
	if (st == ST_OK && book->params.kind == REPORT_SETTLEMENT)
		st = report_take_partners(book, e, id, day);
	if (st == ST_OK && book->params.kind == REPORT_KPI)
		st = report_take_cohort(book, e, day);
	return st;
}

enum status
report_book_take(struct report_book *book, const struct transaction *t)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < t->n_entries && st == ST_OK; i++)
		st = take_entry(book, &t->entries[i], (struct entry_id){ t->seq, (uint32_t)i }, t->committed_at_us);
	return st;
}

/* ---- the end ---- */

static enum report_result
find_program(const struct report_book *book, char *ret_sentence)
{
	const char *id = book->params.program;

	if (id == NULL && book->n_programs > 1) {
		(void)snprintf(ret_sentence, 200, "There are %u programs; name the one that is meant.", (unsigned)book->n_programs);
		return REPORT_WHICH_PROGRAM;
	}
	if (book->number != 0)
		return REPORT_OK;
	(void)snprintf(ret_sentence, 200, id == NULL ? "There is no program yet; publish one first." :
	    "There is no program `%.40s` in this ledger; look at its id.", id);
	return REPORT_NO_PROGRAM;
}

static enum report_result
find_period(struct report_book *book, char *ret_sentence)
{
	struct report_params *p = &book->params;
	int32_t today = report_day_of(book, book->now_us);
	char from[DAY_TEXT_BYTES], other[DAY_TEXT_BYTES];

	if (p->from != DAY_NONE && p->until != DAY_NONE && p->from > p->until) {
		(void)snprintf(ret_sentence, 200, "The period begins on %s and ends before it, on %s.", day_format(p->from, from),
		    day_format(p->until, other));
		return REPORT_BACKWARDS;
	}
	if (p->from != DAY_NONE && p->from > today) {
		(void)snprintf(ret_sentence, 200, "The period begins on %s, and today is %s: nothing of it has happened yet.", day_format(p->from, from),
		    day_format(today, other));
		return REPORT_FUTURE;
	}
	if (p->until == DAY_NONE)
		p->until = today;
	return REPORT_OK;
}

static enum report_result
find_partner(const struct report_book *book, char *ret_sentence)
{
	const char *id = book->params.partner;

	if (book->params.kind != REPORT_SETTLEMENT)
		return REPORT_OK;
	if (book->n_partners == 0 && !book->has_vouchers) {
		(void)snprintf(ret_sentence, 200, "The program `%s` has no partners to settle with, and no vouchers.", book->id);
		return REPORT_NO_PARTNERS;
	}
	if (id == NULL)
		return REPORT_OK;
	for (size_t i = 0; i < book->n_partners; i++)
		if (strcmp(book->partners[i].partner, id) == 0)
			return REPORT_OK;
	(void)snprintf(ret_sentence, 200, "The program `%s` has no partner `%.40s`; look at its id.", book->id, id);
	return REPORT_NO_PARTNER;
}

enum report_result
report_book_end(struct report_book *book, int64_t now_us, char ret_sentence[static 200])
{
	enum report_result result = find_program(book, ret_sentence);

	if (result == REPORT_OK)
		result = find_partner(book, ret_sentence);
	if (result == REPORT_OK) {
		book->now_us = now_us > book->now_us ? now_us : book->now_us;
		result = find_period(book, ret_sentence);
	}
	if (result == REPORT_OK && book->too_large) {
		(void)snprintf(ret_sentence, 200, "A sum of this ledger does not fit 64 bits.");
		result = REPORT_TOO_LARGE;
	}
	return result;
}

enum status
report_tables(struct report_book *book, struct report_table *ret_rows, struct report_table *ret_summary)
{
	enum status st = ST_OK;

	*ret_rows = *ret_summary = (struct report_table){ 0 };
	switch (book->params.kind) {
	case REPORT_LIABILITY: st = report_liability_table(book, ret_rows); break;
	case REPORT_ROLLFORWARD: st = report_rollforward_table(book, ret_rows); break;
	case REPORT_SETTLEMENT: st = report_settlement_table(book, ret_rows); break;
	case REPORT_KPI: st = report_kpi_table(book, ret_rows); break;
	case REPORT_RFM: st = report_rfm_table(book, ret_rows, ret_summary); break;
	case REPORT_CHURN: st = report_churn_table(book, ret_rows, ret_summary); break;
	case REPORT_KIND_COUNT: assert(false);
	}
	if (st == ST_OK && (ret_rows->failed || ret_summary->failed))
		st = ST_NOMEM;
	if (st != ST_OK) {
		report_table_release(ret_rows);
		report_table_release(ret_summary);
	}
	return st;
}
