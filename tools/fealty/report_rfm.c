/* Segments and churn risk: of members who are still there and have bought something that was not returned. */
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define DAYS_A_WEEK 7
#define P_DIGITS 4

struct buyer {
	uint64_t member;
	int32_t first, last;		/* days of purchases */
	int64_t days, visits, spend;	/* days: with one at least */
};

static bool
is_buyer(const struct report_member *m, struct buyer *ret)
{
	struct buyer b = { 0 };

	for (size_t i = 0; i < m->n_days; i++) {
		const struct report_day *d = &m->days[i];
		b.spend += d->spend;
		b.visits += d->visits;
		if (d->visits <= 0)
			continue;
		b.first = b.days == 0 ? d->day : b.first;
		b.last = d->day;
		b.days++;
	}
	*ret = b;
	return b.days > 0;
}

/* By number.  The caller frees them. */
static enum status
find_buyers(const struct report_book *book, struct buyer **ret_buyers, size_t *ret_n)
{
	struct buyer *buyers = calloc(book->n_members + 1, sizeof(*buyers));
	size_t n = 0;

	if (buyers == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < book->n_members; i++) {
		const struct report_member *m = &book->members[i];
		if (m->gone || !is_buyer(m, &buyers[n]))
			continue;
		buyers[n++].member = i + 1;
	}
	*ret_buyers = buyers;
	*ret_n = n;
	return ST_OK;
}

/* ---- segments ---- */

enum { RECENCY, FREQUENCY, MONETARY, MEASURES };
struct scores { size_t n; int64_t *values; size_t *order; uint8_t *score[MEASURES]; };

static void
scores_release(struct scores *s)
{
	free(s->values);
	free(s->order);
	for (size_t i = 0; i < MEASURES; i++)
		free(s->score[i]);
}

static int64_t
measure_of(const struct buyer *b, size_t measure)
{
	return measure == RECENCY ? b->last : measure == FREQUENCY ? b->visits : b->spend;
}

static enum status
make_scores(const struct buyer *buyers, size_t n, struct scores *ret)
{
	*ret = (struct scores){ .n = n, .values = calloc(n + 1, sizeof(*ret->values)), .order = calloc(n + 1, sizeof(*ret->order)) };
	bool memory = ret->values != NULL && ret->order != NULL;
	for (size_t i = 0; i < MEASURES && memory; i++) {
		ret->score[i] = calloc(n + 1, 1);
		memory = ret->score[i] != NULL;
		for (size_t k = 0; k < n && memory; k++)
			ret->values[k] = measure_of(&buyers[k], i);
		if (memory)
			rfm_scores(ret->values, n, ret->order, ret->score[i]);
	}
	return memory ? ST_OK : ST_NOMEM;
}

struct segment { int64_t members, visits, spend; };

static void
put_segments(const struct report_book *book, struct report_table *summary, const struct segment *segments, size_t n)
{
	static const char *const columns[] = { "segment", "members", "share", "purchases", "spend", NULL };
	int64_t share;

	report_table_init(summary, columns);
	for (size_t i = 0; i < RFM_SEGMENTS; i++) {
		report_text(summary, rfm_segment_name(i));
		report_count(summary, segments[i].members);
		if (percent_hundredths(segments[i].members, (int64_t)n, &share))
			report_decimal(summary, share, 2);
		else
			report_none(summary);
		report_count(summary, segments[i].visits);
		report_decimal(summary, segments[i].spend, book->rules->currency_digits);
	}
}

static void
add_to_segment(struct segment *segments, const char *name, const struct buyer *b)
{
	size_t i = 0;

	while (strcmp(rfm_segment_name(i), name) != 0)
		i++;
	segments[i].members++;
	segments[i].visits += b->visits;
	segments[i].spend += b->spend;
}

static void
put_members(const struct report_book *book, struct report_table *rows, const struct buyer *buyers, const struct scores *s, struct segment *segments)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct buyer *b = &buyers[i];
		const char *segment = rfm_segment(s->score[RECENCY][i], s->score[FREQUENCY][i]);
		report_count(rows, (int64_t)b->member);
		report_day(rows, b->last);
		report_count(rows, book->params.until - b->last);
		report_count(rows, b->visits);
		report_decimal(rows, b->spend, book->rules->currency_digits);
		for (size_t k = 0; k < MEASURES; k++)
			report_count(rows, s->score[k][i]);
		report_text(rows, segment);
		add_to_segment(segments, segment, b);
	}
}

enum status
report_rfm_table(struct report_book *book, struct report_table *rows, struct report_table *summary)
{
	static const char *const columns[] = { "member_no", "last_day", "recency_days", "frequency", "monetary", "r", "f", "m", "segment", NULL };
	struct segment segments[RFM_SEGMENTS] = { { 0 } };
	struct buyer *buyers;
	struct scores scores;
	size_t n;

	enum status st = find_buyers(book, &buyers, &n);
	if (st != ST_OK)
		return st;
	st = make_scores(buyers, n, &scores);
	report_table_init(rows, columns);
	if (st == ST_OK) {
		put_members(book, rows, buyers, &scores, segments);
		put_segments(book, summary, segments, n);
	}
	scores_release(&scores);
	free(buyers);
	return st;
}

/* ---- churn ---- */

struct churn { int64_t members, overdue; double alive; };

static void
put_churn(const struct report_book *book, struct report_table *rows, const struct buyer *b, struct churn *sum)
{
	const struct report_params *p = &book->params;
	uint64_t repeats = (uint64_t)b->days - 1;
	int64_t away = p->until - b->last, age = p->until - b->first, gap;
	bool overdue = own_gap_over(repeats, b->last - b->first, away);

	report_count(rows, (int64_t)b->member);
	report_day(rows, b->first);
	report_day(rows, b->last);
	report_count(rows, (int64_t)repeats);
	report_count(rows, b->last - b->first);
	report_count(rows, age);
	report_count(rows, away);
	if (quotient_of(b->last - b->first, (int64_t)repeats, 1, &gap))
		report_decimal(rows, gap, 1);
	else
		report_none(rows);
	if (repeats > 0)
		report_bool(rows, overdue);
	else
		report_none(rows);
	if (p->has_bgnbd) {
		double alive = bgnbd_p_alive(&p->bgnbd, repeats, (double)(b->last - b->first) / DAYS_A_WEEK, (double)age / DAYS_A_WEEK);
		report_decimal(rows, (int64_t)(alive * 10000 + 0.5), P_DIGITS);
		sum->alive += alive;
	} else {
		report_none(rows);
	}
	sum->members++;
	sum->overdue += overdue;
}

static void
put_sums(const struct report_book *book, struct report_table *summary, const struct churn *sum)
{
	static const char *const columns[] = { "members", "overdue", "overdue_share", "expected_alive", NULL };
	int64_t share;

	report_table_init(summary, columns);
	report_count(summary, sum->members);
	report_count(summary, sum->overdue);
	if (percent_hundredths(sum->overdue, sum->members, &share))
		report_decimal(summary, share, 2);
	else
		report_none(summary);
	if (book->params.has_bgnbd)
		report_decimal(summary, (int64_t)(sum->alive * 10 + 0.5), 1);
	else
		report_none(summary);
}

enum status
report_churn_table(struct report_book *book, struct report_table *rows, struct report_table *summary)
{
	static const char *const columns[] = {
		"member_no", "first_day", "last_day", "repeats", "t_x_days", "t_days", "away_days", "mean_gap_days", "overdue", "p_alive", NULL,
	};
	struct churn sum = { 0 };
	struct buyer *buyers;
	size_t n;

	enum status st = find_buyers(book, &buyers, &n);
	if (st != ST_OK)
		return st;
	report_table_init(rows, columns);
	for (size_t i = 0; i < n; i++)
		put_churn(book, rows, &buyers[i], &sum);
	put_sums(book, summary, &sum);
	free(buyers);
	return st;
}
