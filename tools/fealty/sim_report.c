/* A report reads the simulation's log from its beginning, as `fealty report` reads a ledger's: what it says is in the entries. */
#include "sim_report.h"

#include <stdio.h>
#include <string.h>

#include "report_print.h"

/* ---- the event ---- */

static void
refuse(struct refusal *refusal, const char *field, const char *why)
{
	if (refusal->result == LEDGER_OK)
		sim_refuse(refusal, LEDGER_INVALID_ARGUMENT, field, "`%s` %s.", field, why);
}

static const char *
text_of(json_t *object, const char *key, struct arena *arena, struct refusal *refusal)
{
	json_t *value = json_object_get(object, key);

	if (value == NULL)
		return NULL;
	if (!json_is_string(value)) {
		refuse(refusal, key, "is not a text");
		return NULL;
	}
	return arena_strdup(arena, json_string_value(value));
}

static int32_t
day_of(json_t *object, const char *key, struct arena *arena, struct refusal *refusal)
{
	const char *text = text_of(object, key, arena, refusal);
	int32_t day = DAY_NONE;

	if (text != NULL && !day_parse(text, &day))
		refuse(refusal, key, "is no date such as 2026-12-31");
	return day;
}

static void
refuse_unknown(json_t *object, struct arena *arena, struct refusal *refusal)
{
	static const char *const known[] = { "op", "at", "report", "program", "partner", "from", "until" };
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		size_t i = 0;
		while (i < sizeof(known) / sizeof(*known) && strcmp(known[i], key) != 0)
			i++;
		if (i < sizeof(known) / sizeof(*known))
			continue;
		const char *copy = arena_strdup(arena, key);
		refuse(refusal, copy == NULL ? "" : copy, "is not a field of report");
	}
}

enum status
sim_report_read(json_t *object, struct arena *arena, struct sim_event *event)
{
	struct refusal *refusal = &event->batch.refusals[0];
	struct report_params *p = &event->report;

	event->is_report = true;
	refuse_unknown(object, arena, refusal);
	const char *kind = text_of(object, "report", arena, refusal);
	if (kind == NULL)
		refuse(refusal, "report", "is missing: liability, rollforward, settlement, kpi, rfm or churn");
	p->kind = kind == NULL ? REPORT_KIND_COUNT : report_kind_of(kind);
	if (p->kind == REPORT_KIND_COUNT)
		refuse(refusal, "report", "is not one of liability, rollforward, settlement, kpi, rfm and churn");
	p->program = text_of(object, "program", arena, refusal);
	p->partner = text_of(object, "partner", arena, refusal);
	p->from = day_of(object, "from", arena, refusal);
	p->until = day_of(object, "until", arena, refusal);
	if (p->partner != NULL && p->kind != REPORT_SETTLEMENT)
		refuse(refusal, "partner", "is about the settlement only");
	if (p->from != DAY_NONE && p->until != DAY_NONE && p->from > p->until)
		refuse(refusal, "until", "is before `from`");
	return ST_OK;
}

/* ---- the report ---- */

static const struct { enum ledger_result result; const char *field; } refusals[] = {
	[REPORT_OK] = { LEDGER_OK, NULL },
	[REPORT_NO_PROGRAM] = { LEDGER_NOT_FOUND, "program" },
	[REPORT_WHICH_PROGRAM] = { LEDGER_INVALID_ARGUMENT, "program" },
	[REPORT_NO_PARTNER] = { LEDGER_NOT_FOUND, "partner" },
	[REPORT_NO_PARTNERS] = { LEDGER_NOT_OFFERED, NULL },
	[REPORT_BACKWARDS] = { LEDGER_INVALID_ARGUMENT, "until" },
	[REPORT_FUTURE] = { LEDGER_INVALID_ARGUMENT, "from" },
	[REPORT_TOO_LARGE] = { LEDGER_TOO_LARGE, NULL },
};

static enum status
read_log(struct sim *sim, struct report_book *book)
{
	struct transaction t;
	enum status st = ST_OK;

	for (uint64_t seq = 0; seq < sim->book.n_transactions && st == ST_OK; seq++) {
		struct bytes bytes = sim_book_transaction(&sim->book, seq);
		if (bytes.len == 0)
			continue;
		arena_reset(&sim->scratch);
		st = codec_transaction_decode(bytes, &sim->scratch, &t);
		if (st == ST_OK)
			st = report_book_take(book, &t);
	}
	arena_reset(&sim->scratch);
	return st;
}

static enum status
make_rows(struct report_book *book, json_t **ret_rows)
{
	struct report_table rows, summary;

	enum status st = report_tables(book, &rows, &summary);
	if (st != ST_OK)
		return st;
	*ret_rows = report_rows_json(&rows);
	report_table_release(&rows);
	report_table_release(&summary);
	return ST_OK;
}

enum status
sim_report(struct sim *sim, const struct report_params *params, struct refusal *refusal, json_t **ret_rows)
{
	struct report_book *book;
	char sentence[200];

	*ret_rows = NULL;
	enum status st = report_book_new(params, &book);
	if (st != ST_OK)
		return st;
	st = read_log(sim, book);
	enum report_result result = st == ST_OK ? report_book_end(book, sim->now_us, sentence) : REPORT_OK;
	if (st == ST_OK && result != REPORT_OK)
		sim_refuse(refusal, refusals[result].result, refusals[result].field, "%s", sentence);
	else if (st == ST_OK)
		st = make_rows(book, ret_rows);
	report_book_free(book);
	return st;
}
