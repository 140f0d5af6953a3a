/*
 * Written beside its place and renamed when it is whole, so nobody ever opens half a database; and so no journal is needed while it is written.
 *
 * Each program has a book of reports beside the tables: what of a purchase's price is the points' is computed once, in C.
 */
#include "export_sqlite.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "report.h"

#define MEMBER_ARENA_BYTES ((size_t)16 << 20)
#define PROGRAMS_MAX 1024
#define PATH_BYTES 4096

enum insert {
	INSERT_PROGRAM, INSERT_TIER, INSERT_PARTNER, INSERT_MEMBER, INSERT_LOT, INSERT_ENTRY, INSERT_POSTING, INSERT_PURCHASE, INSERT_RETURN,
	UPDATE_RETURNED, UPDATE_PRICE, INSERT_LEDGER, INSERT_COUNT
};
_Static_assert(INSERT_COUNT == EXPORT_SQLITE_COUNTS, "each has a count");
static const struct { const char *table, *sql; } inserts[INSERT_COUNT] = {
	[INSERT_PROGRAM] = { "programs", "INSERT INTO programs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)" },
	[INSERT_TIER] = { "tiers", "INSERT INTO tiers VALUES (?,?,?)" },
	[INSERT_PARTNER] = { "partners", "INSERT INTO partners VALUES (?,?,?,?,?,?,?,?,?,?)" },
	[INSERT_MEMBER] = { "members", "INSERT INTO members VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" },
	[INSERT_LOT] = { "lots", "INSERT INTO lots VALUES (?,?,?,?,?,?,?)" },
	[INSERT_ENTRY] = { "entries", "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" },
	[INSERT_POSTING] = { "postings", "INSERT INTO postings VALUES (?,?,?,?,?,?,?,?,?,?,?,?)" },
	[INSERT_PURCHASE] = { "purchases", "INSERT INTO purchases (seq, idx, program, member, day, business_date, store, partner, receipt_no, amount,"
		" paid_with_points, granted) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)" },
	[INSERT_RETURN] = { "returns", "INSERT INTO returns VALUES (?,?,?,?,?,?,?,?,?,?)" },
	[UPDATE_RETURNED] = { NULL, "UPDATE purchases SET returned = returned + ?, clawed = ?, wholly_returned = wholly_returned OR ?"
		" WHERE seq = ? AND idx = ?" },
	[UPDATE_PRICE] = { NULL, "UPDATE purchases SET price = ?, points_part = ? WHERE seq = ? AND idx = ?" },
	[INSERT_LEDGER] = { "ledger", "INSERT INTO ledger VALUES (?,?,?)" },
};

struct export_sqlite {
	char path[PATH_BYTES], temporary[PATH_BYTES];
	sqlite3 *db;
	sqlite3_stmt *insert[INSERT_COUNT];
	struct export_sqlite_count counts[EXPORT_SQLITE_COUNTS];
	size_t n_books;
	struct report_book *books[PROGRAMS_MAX];	/* [program - 1] */
	int64_t now_us;
};

/* ---- SQLite ---- */

static enum status
status_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK: case SQLITE_DONE: case SQLITE_ROW: return ST_OK;
	case SQLITE_NOMEM: return ST_NOMEM;
	case SQLITE_FULL: return ST_FULL;
	case SQLITE_CONSTRAINT: return ST_CORRUPT;
	default: return ST_IO;
	}
}

static enum status
run(struct export_sqlite *x, const char *sql)
{
	return status_of(sqlite3_exec(x->db, sql, NULL, NULL, NULL));
}

/* A row that is being bound, from the first parameter on. */
struct row { sqlite3_stmt *statement; int at; };

static struct row
row_of(struct export_sqlite *x, enum insert insert)
{
	if (inserts[insert].table != NULL)
		x->counts[insert].rows++;
	return (struct row){ x->insert[insert], 0 };
}

static void
put_int(struct row *r, int64_t value)
{
	(void)sqlite3_bind_int64(r->statement, ++r->at, value);
}

static void
put_null(struct row *r)
{
	(void)sqlite3_bind_null(r->statement, ++r->at);
}

static void
put_id(struct row *r, uint64_t number)
{
	if (number == 0)
		put_null(r);
	else
		put_int(r, (int64_t)number);
}

/* NULL and "": none. */
static void
put_text(struct row *r, const char *text)
{
	if (text == NULL || text[0] == '\0')
		put_null(r);
	else
		(void)sqlite3_bind_text(r->statement, ++r->at, text, -1, SQLITE_TRANSIENT);
}

static void
put_day(struct row *r, int32_t day)
{
	char text[DAY_TEXT_BYTES];

	put_text(r, day == DAY_NONE || day == DAY_NEVER || day == DAY_CLOCK ? NULL : day_format(day, text));
}

static void
put_instant(struct row *r, int64_t at_us)
{
	char text[INSTANT_TEXT_BYTES];

	put_text(r, instant_format(at_us, text));
}

static void
put_ratio(struct row *r, bool has, struct ratio ratio)
{
	for (int i = 0; i < 2; i++) {
		if (has)
			put_int(r, i == 0 ? ratio.num : ratio.den);
		else
			put_null(r);
	}
}

static enum status
end_row(struct row *r)
{
	enum status st = status_of(sqlite3_step(r->statement));

	(void)sqlite3_reset(r->statement);
	return st;
}

/* ---- the file ---- */

static bool
is_ours(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *statement = NULL;
	bool ours = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
	    sqlite3_column_int64(statement, 0) == EXPORT_SQLITE_APPLICATION;

	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(db);
	return ours;
}

static enum status
prepare(struct export_sqlite *x)
{
	char pragma[160];

	(void)snprintf(pragma, sizeof(pragma), "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = %d; BEGIN",
	    EXPORT_SQLITE_APPLICATION);
	enum status st = run(x, pragma);
	if (st == ST_OK)
		st = run(x, export_sqlite_tables);
	for (enum insert i = 0; i < INSERT_COUNT && st == ST_OK; i++) {
		x->counts[i].table = inserts[i].table;
		st = status_of(sqlite3_prepare_v3(x->db, inserts[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &x->insert[i], NULL));
	}
	return st;
}

enum status
export_sqlite_begin(const char *path, struct export_sqlite **ret_export, char ret_sentence[static 200])
{
	struct export_sqlite *x = calloc(1, sizeof(*x));
	int fd = -1;

	(void)snprintf(ret_sentence, 200, "there is not enough memory");
	if (x == NULL)
		return ST_NOMEM;
	if (access(path, F_OK) == 0 && !is_ours(path)) {
		(void)snprintf(ret_sentence, 200, "%.100s is there already, and is no export of a ledger: remove it, or give another name", path);
		free(x);
		return ST_INVALID;
	}
	(void)snprintf(x->path, sizeof(x->path), "%s", path);
	if (snprintf(x->temporary, sizeof(x->temporary), "%s.XXXXXX", path) < PATH_BYTES)
		fd = mkstemp(x->temporary);
	if (fd < 0) {
		(void)snprintf(ret_sentence, 200, "%.120s cannot be made: %s", path, strerror(errno));
		free(x);
		return ST_IO;
	}
	(void)close(fd);
	enum status st = status_of(sqlite3_open(x->temporary, &x->db));
	if (st == ST_OK)
		st = prepare(x);
	if (st != ST_OK) {
		(void)snprintf(ret_sentence, 200, "%.120s cannot be written: %s", path, export_sqlite_error(x));
		export_sqlite_free(x);
		return st;
	}
	*ret_export = x;
	return ST_OK;
}

const char *
export_sqlite_error(const struct export_sqlite *x)
{
	return x->db == NULL ? "there is not enough memory" : sqlite3_errmsg(x->db);
}

const struct export_sqlite_count *
export_sqlite_counts(const struct export_sqlite *x)
{
	return x->counts;
}

static void
close_database(struct export_sqlite *x)
{
	for (enum insert i = 0; i < INSERT_COUNT; i++) {
		(void)sqlite3_finalize(x->insert[i]);
		x->insert[i] = NULL;
	}
	(void)sqlite3_close(x->db);
	x->db = NULL;
}

void
export_sqlite_free(struct export_sqlite *x)
{
	if (x == NULL)
		return;
	close_database(x);
	if (x->temporary[0] != '\0')
		(void)unlink(x->temporary);
	for (size_t i = 0; i < x->n_books; i++)
		report_book_free(x->books[i]);
	free(x);
}

/* ---- transactions ---- */

/* A book for each program, as soon as it is there; programs are numbered in the order in which they came. */
static enum status
take_books(struct export_sqlite *x, const struct transaction *t)
{
	for (size_t i = 0; i < t->n_entries; i++) {
		const struct entry *e = &t->entries[i];
		if (e->op != OP_PUBLISH || e->program != x->n_books + 1)
			continue;
		struct report_params params = { .kind = REPORT_LIABILITY, .from = DAY_NONE, .until = DAY_NONE };
		if (x->n_books == PROGRAMS_MAX)
			return ST_TOO_LARGE;
		enum status st = report_book_new(&params, &x->books[x->n_books]);
		if (st != ST_OK)
			return st;
		x->books[x->n_books++]->only = e->program;
	}
	for (size_t i = 0; i < x->n_books; i++) {
		enum status st = report_book_take(x->books[i], t);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* The day of an entry; DAY_NONE where it is of no program. */
static int32_t
day_of(struct export_sqlite *x, const struct entry *e, int64_t at_us)
{
	if (e->program == 0 || e->program > x->n_books || x->books[e->program - 1]->rules == NULL)
		return DAY_NONE;
	return report_day_of(x->books[e->program - 1], at_us);
}

static int64_t
sum_of(const struct entry *e, enum account account)
{
	int64_t sum = 0;

	for (size_t i = 0; i < e->n_postings; i++)
		if (e->postings[i].account == account)
			sum += e->postings[i].points;
	return sum;
}

static enum status
insert_entry(struct export_sqlite *x, const struct transaction *t, const struct entry *e, struct entry_id id, int64_t at_us, int32_t day)
{
	struct row r = row_of(x, INSERT_ENTRY);
	bool activity = e->op == OP_ACTIVITY;

	put_int(&r, (int64_t)id.seq);
	put_int(&r, id.index);
	put_int(&r, e->program);
	put_int(&r, e->program_version);
	put_text(&r, op_str(e->op));
	put_text(&r, e->principal);
	put_text(&r, e->request_id);
	put_text(&r, e->store);
	put_text(&r, e->terminal);
	put_id(&r, e->member);
	put_instant(&r, at_us);
	put_day(&r, day);
	put_day(&r, e->business_date);
	if (e->has_occurred_at)
		put_instant(&r, e->occurred_at_us);
	else
		put_null(&r);
	put_instant(&r, t->committed_at_us);
	if (e->has_value)
		put_int(&r, e->value);
	else
		put_null(&r);
	put_text(&r, activity ? e->u.activity.activity : NULL);
	if (activity && e->u.activity.has_score)
		put_int(&r, e->u.activity.score);
	else
		put_null(&r);
	for (int i = 0; i < 2; i++) {
		if (e->op == OP_RETURN || e->op == OP_REVERSE_REDEEM)
			put_int(&r, i == 0 ? (int64_t)e->u.past.entry.seq : e->u.past.entry.index);
		else
			put_null(&r);
	}
	return end_row(&r);
}

static enum status
insert_postings(struct export_sqlite *x, const struct entry *e, struct entry_id id, int32_t day)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < e->n_postings && st == ST_OK; i++) {
		const struct posting *p = &e->postings[i];
		struct row r = row_of(x, INSERT_POSTING);
		put_int(&r, (int64_t)id.seq);
		put_int(&r, id.index);
		put_int(&r, (int64_t)i);
		put_int(&r, e->program);
		put_day(&r, day);
		put_text(&r, account_str(p->account));
		put_id(&r, p->member);
		put_int(&r, p->points);
		put_day(&r, p->last_day);
		put_int(&r, p->last_day == DAY_CLOCK);
		put_text(&r, p->class == LOT_NONE ? NULL : lot_class_str(p->class));
		put_text(&r, p->partner);
		st = end_row(&r);
	}
	return st;
}

static enum status
insert_purchase(struct export_sqlite *x, const struct entry *e, struct entry_id id, int32_t day)
{
	struct row r = row_of(x, INSERT_PURCHASE);
	int64_t granted = 0;

	for (size_t i = 0; i < e->n_grants; i++)
		granted += e->grants[i].granted;
	put_int(&r, (int64_t)id.seq);
	put_int(&r, id.index);
	put_int(&r, e->program);
	put_id(&r, e->member);
	put_day(&r, day);
	put_day(&r, e->business_date);
	put_text(&r, e->store);
	put_text(&r, e->u.purchase.partner);
	put_text(&r, e->u.purchase.receipt_no);
	put_int(&r, e->u.purchase.amount);
	put_int(&r, e->u.purchase.paid_with_points);
	put_int(&r, granted);
	return end_row(&r);
}

static enum status
insert_return(struct export_sqlite *x, const struct entry *e, struct entry_id id, int32_t day)
{
	int64_t amount = 0, visits = 0, clawed = 0, taken = sum_of(e, ACCOUNT_CLAWED) + sum_of(e, ACCOUNT_PARTNER_ISSUED);
	struct row r = row_of(x, INSERT_RETURN);

	for (size_t i = 0; i < e->n_followups; i++)
		if (e->followups[i].entry.seq == e->u.past.entry.seq && e->followups[i].entry.index == e->u.past.entry.index)
			clawed = e->followups[i].clawed;
	for (size_t i = 0; i < e->n_falls; i++) {
		amount -= e->falls[i].spend;
		visits -= e->falls[i].visits;
	}
	put_int(&r, (int64_t)id.seq);
	put_int(&r, id.index);
	put_int(&r, e->program);
	put_id(&r, e->member);
	put_day(&r, day);
	put_int(&r, (int64_t)e->u.past.entry.seq);
	put_int(&r, e->u.past.entry.index);
	put_int(&r, amount);
	put_int(&r, taken);
	put_int(&r, visits > 0);
	enum status st = end_row(&r);
	r = row_of(x, UPDATE_RETURNED);
	put_int(&r, amount);
	put_int(&r, clawed);
	put_int(&r, visits > 0);
	put_int(&r, (int64_t)e->u.past.entry.seq);
	put_int(&r, e->u.past.entry.index);
	return st == ST_OK ? end_row(&r) : st;
}

static enum status
take_entry(struct export_sqlite *x, const struct transaction *t, uint32_t index)
{
	const struct entry *e = &t->entries[index];
	struct entry_id id = { t->seq, index };
	int64_t at_us = report_instant_of(e, t->committed_at_us);
	int32_t day = day_of(x, e, at_us);

	x->now_us = at_us > x->now_us || t->seq == 0 ? at_us : x->now_us;
	enum status st = insert_entry(x, t, e, id, at_us, day);
	if (st == ST_OK)
		st = insert_postings(x, e, id, day);
	if (st == ST_OK && e->op == OP_PURCHASE)
		st = insert_purchase(x, e, id, day);
	if (st == ST_OK && e->op == OP_RETURN)
		st = insert_return(x, e, id, day);
	return st;
}

enum status
export_sqlite_take(struct export_sqlite *x, const struct transaction *t)
{
	enum status st = take_books(x, t);

	for (uint32_t i = 0; i < t->n_entries && st == ST_OK; i++)
		st = take_entry(x, t, i);
	return st;
}

/* ---- state ---- */

static enum status
insert_lots(struct export_sqlite *x, const struct member *m, const struct lot *lots, size_t n, const struct entry_id *hold)
{
	enum status st = ST_OK;
	char text[40];

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		struct row r = row_of(x, INSERT_LOT);
		if (hold != NULL)
			(void)snprintf(text, sizeof(text), "%llu.%u", (unsigned long long)hold->seq, hold->index);
		put_int(&r, m->program);
		put_id(&r, m->number);
		put_text(&r, hold == NULL ? NULL : text);
		put_day(&r, lots[i].last_day == DAY_CLOCK && m->clock.on ? m->clock.last_day : lots[i].last_day);
		put_int(&r, lots[i].last_day == DAY_CLOCK);
		put_text(&r, lot_class_str(lots[i].class));
		put_int(&r, lots[i].points);
		st = end_row(&r);
	}
	return st;
}

static enum status
insert_member(struct export_sqlite *x, const struct member *m, const struct program *p, int32_t today)
{
	static const char *const standings[] = { [STANDING_ACTIVE] = "active", [STANDING_FROZEN] = "frozen", [STANDING_CLOSED] = "closed" };
	const int64_t numbers[] = { m->available, m->pending, m->held, m->debt, m->points_earned, m->spend, m->visits, (int64_t)m->purchases };
	const struct tier *tier = member_tier(m, p, today);
	struct row r = row_of(x, INSERT_MEMBER);

	put_int(&r, m->program);
	put_id(&r, m->number);
	put_day(&r, m->enrolled_day);
	put_text(&r, m->provisional && m->standing == STANDING_ACTIVE ? "provisional" : standings[m->standing]);
	put_id(&r, m->merged_into);
	put_text(&r, tier == NULL ? NULL : tier->id);
	put_text(&r, m->tier.earned);
	put_day(&r, m->tier.since);
	put_day(&r, m->tier.until);
	put_text(&r, m->tier.gift);
	put_day(&r, m->tier.gift[0] == '\0' ? DAY_NONE : m->tier.gift_until);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		put_int(&r, numbers[i]);
	enum status st = end_row(&r);
	if (st == ST_OK)
		st = insert_lots(x, m, m->lots, m->n_lots, NULL);
	for (size_t i = 0; i < m->n_holds && st == ST_OK; i++)
		st = insert_lots(x, m, m->holds[i].lots, m->holds[i].n_lots, &m->holds[i].id);
	return st;
}

static enum status
take_member(struct export_sqlite *x, struct bytes key, struct bytes value, struct arena *arena)
{
	struct member m;

	arena_reset(arena);
	if (key.len != 12 || get_be32(key.data) == 0 || get_be32(key.data) > x->n_books)
		return ST_CORRUPT;
	enum status st = member_decode(value, arena, &m);
	if (st != ST_OK)
		return st;
	m.program = get_be32(key.data);
	m.number = get_be64(key.data + 4);
	struct report_book *book = x->books[m.program - 1];
	return insert_member(x, &m, book->rules, report_day_of(book, x->now_us));
}

/* The denominator that a partner's prices of all versions have in common, so small that a rest of each can be added up; 0: none is. */
static int64_t
common_den(const struct report_book *book, const char *partner, bool issue)
{
	struct money_sum sum = MONEY_ZERO;

	for (size_t i = 0; i < book->n_versions; i++) {
		const struct partner *terms = program_partner(book->versions[i], partner);
		struct ratio price;

		if (terms == NULL)
			continue;
		if (!report_partner_price(book->versions[i], issue ? terms->issue : terms->redeem, &price) || !money_add(&sum, 0, price))
			return 0;
	}
	return sum.den <= INT64_MAX / (int64_t)(book->n_versions + 1) ? (int64_t)sum.den : 0;
}

static void
put_den(struct row *r, int64_t den)
{
	if (den > 0)
		put_int(r, den);
	else
		put_null(r);
}

static enum status
insert_partners(struct export_sqlite *x, const struct report_book *book, const struct program *p)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < p->n_partners && st == ST_OK; i++) {
		struct ratio issue, redeem;
		if (!report_partner_price(p, p->partners[i].issue, &issue) || !report_partner_price(p, p->partners[i].redeem, &redeem))
			return ST_TOO_LARGE;
		struct row r = row_of(x, INSERT_PARTNER);
		put_int(&r, book->number);
		put_int(&r, p->version);
		put_text(&r, p->partners[i].id);
		put_text(&r, p->partners[i].prepaid ? "prepaid" : "postpaid");
		put_ratio(&r, true, issue);
		put_ratio(&r, true, redeem);
		put_den(&r, common_den(book, p->partners[i].id, true));
		put_den(&r, common_den(book, p->partners[i].id, false));
		st = end_row(&r);
	}
	return st;
}

static enum status
insert_program(struct export_sqlite *x, struct report_book *book, const struct program *p)
{
	struct row r = row_of(x, INSERT_PROGRAM);
	struct ratio cost = RATIO_ONE, expected = RATIO_ONE;

	bool has = report_point_cost(p, &cost) && ratio_of_decimal(p->expected_redemption, &expected);
	put_int(&r, book->number);
	put_text(&r, p->id);
	put_text(&r, p->name);
	put_int(&r, p->version);
	put_text(&r, p->timezone);
	put_text(&r, p->currency);
	put_int(&r, p->currency_digits);
	put_text(&r, p->unit);
	put_int(&r, p->scale);
	put_day(&r, report_day_of(book, x->now_us));
	put_ratio(&r, has, cost);
	put_ratio(&r, has, expected);
	enum status st = end_row(&r);
	for (size_t i = 0; i < p->n_tiers && st == ST_OK; i++) {
		r = row_of(x, INSERT_TIER);
		put_int(&r, book->number);
		put_text(&r, p->tiers[i].id);
		put_int(&r, p->tiers[i].rank);
		st = end_row(&r);
	}
	for (size_t i = 0; i < book->n_versions && st == ST_OK; i++)
		st = insert_partners(x, book, book->versions[i]);
	return st;
}

static enum status
update_prices(struct export_sqlite *x, const struct report_book *book)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < book->n_purchases && st == ST_OK; i++) {
		const struct report_purchase *p = &book->purchases[i];
		struct row r = row_of(x, UPDATE_PRICE);
		put_int(&r, p->price);
		put_int(&r, p->points_part);
		put_int(&r, (int64_t)p->id.seq);
		put_int(&r, p->id.index);
		st = end_row(&r);
	}
	return st;
}

enum status
export_sqlite_state(struct export_sqlite *x, struct store_txn *state)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	struct arena arena;
	enum status st = ST_OK;

	for (size_t i = 0; i < x->n_books && st == ST_OK; i++) {
		st = x->books[i]->too_large ? ST_TOO_LARGE : insert_program(x, x->books[i], x->books[i]->rules);
		if (st == ST_OK)
			st = update_prices(x, x->books[i]);
	}
	if (st == ST_OK)
		st = store_cursor_open(state, TABLE_MEMBER, bytes_of("", 0), &cursor);
	if (st != ST_OK)
		return st;
	arena_init(&arena, MEMBER_ARENA_BYTES);
	while (st == ST_OK && (st = store_cursor_next(cursor, &key, &value)) == ST_OK)
		st = take_member(x, key, value, &arena);
	arena_release(&arena);
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* ---- the end ---- */

static enum status
place(struct export_sqlite *x)
{
	int fd = open(x->temporary, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return ST_IO;
	bool synced = fsync(fd) == 0;
	if (close(fd) != 0 || !synced || rename(x->temporary, x->path) != 0)
		return errno == ENOSPC ? ST_FULL : ST_IO;
	x->temporary[0] = '\0';
	return ST_OK;
}

enum status
export_sqlite_end(struct export_sqlite *x, const char *origin, uint64_t size)
{
	struct row r = row_of(x, INSERT_LEDGER);

	put_text(&r, origin);
	put_int(&r, (int64_t)size);
	put_instant(&r, x->now_us);
	enum status st = end_row(&r);
	if (st == ST_OK)
		st = run(x, export_sqlite_views);
	if (st == ST_OK)
		st = run(x, "COMMIT; ANALYZE");
	if (st != ST_OK)
		return st;
	close_database(x);
	return place(x);
}
