/**
 * report.h: what `fealty report` and a simulation's `report` are made of: one pass over the entries of a ledger into sums, and tables of them.
 *
 * Everything comes from the entries alone; people have the names that the ledger has, which are member numbers.  packaging/REPORTS.md says what
 * each figure means; the formulas are in report_math.h.
 *
 * The day of an entry is the local date, in its program, of the instant at which it was decided: a command's own instant, and for what the
 * system does the instant it was due at.  Days so never fall behind what was committed before, and a period that is over does not change,
 * whatever late events come: they are of the day on which the ledger learned of them.  Only rfm and churn, which are about people and not about
 * books, go by business dates, on which things happened.
 */
#ifndef FEALTY_TOOLS_REPORT_H
#define FEALTY_TOOLS_REPORT_H

#include "codec/codec.h"
#include "report_math.h"

/* ---- what is asked for ---- */

enum report_kind {
	REPORT_LIABILITY, REPORT_ROLLFORWARD, REPORT_SETTLEMENT, REPORT_KPI, REPORT_RFM, REPORT_CHURN, REPORT_KIND_COUNT
};
const char *report_kind_str(enum report_kind kind);
enum report_kind report_kind_of(const char *word);	/* REPORT_KIND_COUNT: none of them */

struct report_params {
	enum report_kind kind;
	const char *program;		/* id; NULL: the only one */
	const char *partner;		/* settlement: only this one; NULL: all */
	int32_t from, until;		/* local days, inclusive; DAY_NONE: from the first on, until the newest entry's */
	bool has_bgnbd;			/* churn */
	struct bgnbd bgnbd;		/* in weeks */
};

/* Why there is no report. */
enum report_result {
	REPORT_OK,
	REPORT_NO_PROGRAM,		/* there is none of that id, or none at all */
	REPORT_WHICH_PROGRAM,		/* there are several, and none is named */
	REPORT_NO_PARTNER,
	REPORT_NO_PARTNERS,		/* the program has none, and no vouchers either */
	REPORT_BACKWARDS,		/* from is after until */
	REPORT_FUTURE,			/* from is after the ledger's today */
	REPORT_TOO_LARGE,		/* a sum does not fit 64 bits */
};

/* ---- the sums ---- */

struct report_day { int32_t day; int32_t visits; int64_t spend; };

/* Points of a member by when they were issued: before the period, in it, after it. */
enum report_age { AGE_BEFORE, AGE_COHORT, AGE_AFTER, AGE_COUNT };
struct report_points { int64_t open[AGE_COUNT], redeemed[AGE_COUNT], short_points; };	/* short: taken beyond what was there */

struct report_member {
	bool enrolled, gone, active;	/* gone: closed, merged into another or erased; active: did something in the period */
	bool referred, converted;	/* enrolled in the period as somebody's friend; the referral was rewarded, and stands */
	int32_t gone_day, enrolled_day;	/* as days of entries */
	uint8_t tier;			/* index of the program's, at the end of the period; TIER_UNKNOWN */
	uint32_t purchases;		/* in the period, less those wholly returned in it */
	struct report_points points;
	size_t n_days, cap_days;
	struct report_day *days;	/* by business date, rising; without empty ones */
};
#define TIER_UNKNOWN UINT8_MAX

/* A purchase as far as it is not returned; for the settlement also a redemption at a partner, with its version alone. */
struct report_purchase {
	struct entry_id id;
	int64_t price, points, points_part;	/* paid in money; granted; what of the price is the points': of what is left */
	int64_t granted, with_points;	/* at first; paid with points */
	uint32_t version;
	bool counted;			/* among the purchases of the period */
};

/* The books at an end of the period. */
struct report_end {
	int64_t account[ACCOUNT_COUNT];
	int64_t price, points_part;	/* of purchases, less returns; what of it is the points' */
	const struct program *rules;	/* in force then; NULL: not published yet */
};

#define REPORT_ACTIVITIES_MAX 64
struct report_scores { char activity[LEDGER_ID_MAX + 1]; int64_t promoters, passives, detractors; };

struct report_settled {			/* with a partner, in the period */
	char partner[LEDGER_ID_MAX + 1];
	int64_t issued, returned, redeemed, reversed;	/* issued and redeemed are net of the next */
	struct money_sum issued_sum, redeemed_sum;
};

struct report_conflict {		/* of vouchers */
	struct entry_id id;
	int32_t day;
	uint64_t member;
	int64_t value;
	const char *store, *terminal, *voucher;	/* NULL: none; voucher: its id, or its name when it was named so */
};

struct report_book {
	struct report_params params;
	struct arena memory, scratch;	/* programs; of one publish */
	uint32_t only;			/* the number of the program; 0: as params say */
	uint32_t number;		/* of the program; 0: not published yet */
	uint32_t n_programs;		/* that the ledger has */
	char id[LEDGER_ID_MAX + 1];
	size_t n_versions, cap_versions;
	const struct program **versions;	/* [version - 1] */
	const struct program *rules;	/* the newest */
	bool seen;
	int64_t now_us;			/* the greatest instant of any entry */
	uint64_t n_entries;
	int64_t day_from_us, day_until_us;	/* the day that was looked up last: */
	int32_t day;

	size_t n_members, cap_members;
	struct report_member *members;	/* [number - 1] */
	size_t n_purchases, cap_purchases;
	struct report_purchase *purchases;	/* by id */
	struct report_end opening, closing;
	uint64_t volume;		/* of all points and money so far, without signs: below VOLUME_MAX, so that no sum of them can overflow */
	bool too_large;			/* that was not enough, or a product did not fit; what came later was not looked at */

	/* in the period */
	int64_t issued, redeemed, expired;
	int64_t cohort_issued, cohort_redeemed, cohort_expired;	/* of the points issued in it, until now */
	int64_t enrolled, purchases_made, spend, returned;
	int64_t moves[PROGRAM_TIERS_MAX][PROGRAM_TIERS_MAX];	/* from, to */
	size_t n_activities;
	struct report_scores scores[REPORT_ACTIVITIES_MAX];
	size_t n_partners;
	struct report_settled *partners;	/* all that any version has */
	bool has_vouchers;		/* a version has */
	size_t n_conflicts, cap_conflicts;
	struct report_conflict *conflicts;
};

/**
 * report_book_new(params, ret_book): ${params}' texts are borrowed.  ST_NOMEM.
 * report_book_take(book, t): the next transaction, in the order of the log.  ST_NOMEM; ST_CORRUPT: a program does not compile.
 * report_book_free(book): accepts NULL.
 */
enum status report_book_new(const struct report_params *params, struct report_book **ret_book) MUST_CHECK;
enum status report_book_take(struct report_book *book, const struct transaction *t) MUST_CHECK;
void report_book_free(struct report_book *book);

/* After the last transaction, which was decided by ${now_us}; *${ret_sentence} says what is wrong and what to do.  Sets params.from and until. */
enum report_result report_book_end(struct report_book *book, int64_t now_us, char ret_sentence[static 200]) MUST_CHECK;

/* In the files report_*.c. */
/* Members move when there is a new one.  ST_NOMEM; ST_CORRUPT: more of them than the program has entries. */
enum status report_member_of(struct report_book *book, uint64_t number, struct report_member **ret_member) MUST_CHECK;
struct report_purchase *report_purchase_of(struct report_book *book, struct entry_id id);	/* NULL: there is none */
enum status report_purchase_add(struct report_book *book, struct report_purchase **ret_purchase) MUST_CHECK;	/* at the end; they move */
bool report_in_period(const struct report_book *book, int32_t day);
/* The local day of an instant, once the program is published; the instant by which an entry was decided. */
int32_t report_day_of(struct report_book *book, int64_t at_us);
int64_t report_instant_of(const struct entry *e, int64_t committed_at_us);

/* ---- report_ledger.c, report_people.c, report_cohort.c, report_partners.c: what an entry adds ---- */

enum status report_take_books(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day) MUST_CHECK;
enum status report_take_people(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day) MUST_CHECK;
enum status report_take_cohort(struct report_book *book, const struct entry *e, int32_t day) MUST_CHECK;
enum status report_take_partners(struct report_book *book, const struct entry *e, struct entry_id id, int32_t day) MUST_CHECK;
enum status report_take_terms(struct report_book *book, const struct program *p) MUST_CHECK;	/* of a version that is published */
void report_member_merge(struct report_member *into, struct report_member *from);

/* ---- tables ---- */

enum report_cell_kind { CELL_NONE, CELL_TEXT, CELL_COUNT, CELL_DECIMAL, CELL_BOOL, CELL_DAY };
struct report_cell {
	enum report_cell_kind kind;
	uint8_t digits;			/* DECIMAL */
	union { const char *text; int64_t number; };	/* texts live as long as the book */
};
#define REPORT_COLUMNS_MAX 32
struct report_table {
	size_t n_columns;
	const char *columns[REPORT_COLUMNS_MAX];
	size_t n_rows, cap_cells;
	struct report_cell *cells;	/* [n_rows][n_columns] */
	size_t at;			/* of the row that is being filled */
	bool failed;			/* no memory: it is empty */
};

/* Columns are a list that ends with NULL. */
void report_table_init(struct report_table *table, const char *const *columns);
void report_table_release(struct report_table *table);
/* The next cells; a row is full when each column has one. */
void report_text(struct report_table *table, const char *text);			/* NULL: none */
void report_count(struct report_table *table, int64_t number);
void report_decimal(struct report_table *table, int64_t value, unsigned digits);
void report_bool(struct report_table *table, bool value);
void report_day(struct report_table *table, int32_t day);
void report_none(struct report_table *table);
/* The cell's text, in ${ret_text} or borrowed; "" for CELL_NONE. */
#define REPORT_CELL_BYTES 40
const char *report_cell_text(const struct report_cell *cell, char ret_text[static REPORT_CELL_BYTES]);

/**
 * report_tables(book, ret_rows, ret_summary):
 * After report_book_end().  ${ret_rows} is the report; ${ret_summary} its sums, where it has a row for each member, and else without columns.  The
 * caller releases both.  ST_NOMEM; ST_TOO_LARGE: a sum does not fit.
 */
enum status report_tables(struct report_book *book, struct report_table *ret_rows, struct report_table *ret_summary) MUST_CHECK;

enum status report_liability_table(struct report_book *book, struct report_table *rows) MUST_CHECK;
enum status report_rollforward_table(struct report_book *book, struct report_table *rows) MUST_CHECK;
enum status report_settlement_table(struct report_book *book, struct report_table *rows) MUST_CHECK;
enum status report_kpi_table(struct report_book *book, struct report_table *rows) MUST_CHECK;
enum status report_rfm_table(struct report_book *book, struct report_table *rows, struct report_table *summary) MUST_CHECK;
enum status report_churn_table(struct report_book *book, struct report_table *rows, struct report_table *summary) MUST_CHECK;

/* Money for one unit of points, in minor units, of a program with `accounting`: what it costs; what it is worth to who redeems it, by
 * redemption.value, or else what it costs.  False: it has none, or it does not fit. */
bool report_point_cost(const struct program *p, struct ratio *ret) MUST_CHECK;
bool report_point_worth(const struct program *p, struct ratio *ret) MUST_CHECK;
/* A partner's price in the same units. */
bool report_partner_price(const struct program *p, struct price price, struct ratio *ret) MUST_CHECK;

#endif
