/* The file is read whole and cut in place, as import_file.c does.  A member with a bad row is left out whole: half of its points would be wrong. */
#include "opening_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "codec/codec.h"
#include "ledger/decimal.h"

#define COLUMNS_MAX 64

enum column { COLUMN_NONE, COLUMN_MEMBER, COLUMN_ALIASES, COLUMN_POINTS, COLUMN_LAST_DAY, COLUMN_TIER, COLUMN_TIER_UNTIL, COLUMN_COUNTER, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = {
	[COLUMN_NONE] = "", [COLUMN_MEMBER] = "member", [COLUMN_ALIASES] = "aliases", [COLUMN_POINTS] = "points", [COLUMN_LAST_DAY] = "last_day",
	[COLUMN_TIER] = "tier", [COLUMN_TIER_UNTIL] = "tier_until", [COLUMN_COUNTER] = "counter:",
};

struct reader {
	struct opening_file *file;
	unsigned n_columns;
	enum column columns[COLUMNS_MAX];
	char *counters[COLUMNS_MAX];		/* ids */
	char *sentence;
};

static enum status
unusable(struct reader *r, const char *what, const char *detail)
{
	(void)snprintf(r->sentence, 256, "%s%.120s", what, detail);
	text_clean(r->sentence, strlen(r->sentence));
	return ST_INVALID;
}

void
opening_file_bad(struct opening_file *file, struct opening_member *m, uint32_t line, const char *what, const char *detail)
{
	enum status st = import_bad_add(&file->lines, line, what, detail);

	assert(st == ST_OK);
	if (m != NULL)
		m->bad = true;
}

/* ---- the header ---- */

static enum status
read_header(struct reader *r, char **cells, unsigned n)
{
	bool has_member = false;

	r->n_columns = n;
	for (unsigned i = 0; i < n; i++) {
		if (strncmp(cells[i], column_names[COLUMN_COUNTER], strlen(column_names[COLUMN_COUNTER])) == 0) {
			r->columns[i] = COLUMN_COUNTER;
			r->counters[i] = cells[i] + strlen(column_names[COLUMN_COUNTER]);
			continue;
		}
		for (enum column c = COLUMN_MEMBER; c < COLUMN_COUNTER; c++)
			r->columns[i] = strcmp(cells[i], column_names[c]) == 0 ? c : r->columns[i];
		if (r->columns[i] == COLUMN_NONE)
			return unusable(r, "the header names columns: member, aliases, points, last_day, tier, tier_until and counter:<id>, not ", cells[i]);
		for (unsigned k = 0; k < i; k++) {
			if (r->columns[k] == r->columns[i])
				return unusable(r, "the header names a column twice: ", cells[i]);
		}
		has_member |= r->columns[i] == COLUMN_MEMBER;
	}
	return has_member ? ST_OK : unusable(r, "the first line is a header, and it must name the column member", "");
}

static char *
cell(const struct reader *r, char **cells, unsigned n, enum column column)
{
	for (unsigned i = 0; i < r->n_columns && i < n; i++) {
		if (r->columns[i] == column)
			return cells[i][0] == '\0' ? NULL : cells[i];
	}
	return NULL;
}

/* ---- rows ---- */

static struct opening_member *
member_new(struct reader *r, char *name, uint32_t line)
{
	struct opening_file *f = r->file;

	if (f->n == f->cap) {
		f->cap = f->cap == 0 ? 1024 : 2 * f->cap;
		f->members = realloc(f->members, f->cap * sizeof(*f->members));
		assert(f->members != NULL);
	}
	struct opening_member *m = &f->members[f->n++];
	*m = (struct opening_member){ .line = line };
	opening_init(&m->o, name);
	if (!alias_valid(name))
		opening_file_bad(f, m, line, "member is no name of 1 to 128 bytes without control characters: ", name);
	return m;
}

static void
take_aliases(struct reader *r, struct opening_member *m, char *text)
{
	char *save = NULL;

	for (char *alias = strtok_r(text, ";", &save); alias != NULL; alias = strtok_r(NULL, ";", &save)) {
		if (m->o.body.n_aliases == sizeof(m->aliases) / sizeof(m->aliases[0])) {
			opening_file_bad(r->file, m, m->line, "a member comes with at most 16 aliases; this is one too many: ", alias);
			return;
		}
		if (!alias_valid(alias))
			opening_file_bad(r->file, m, m->line, "this alias is no name of 1 to 128 bytes without control characters: ", alias);
		m->aliases[m->o.body.n_aliases++] = alias;
	}
}

/* What stands in a member's first row. */
static void
take_first(struct reader *r, struct opening_member *m, char **cells, unsigned n)
{
	char *aliases = cell(r, cells, n, COLUMN_ALIASES), *tier = cell(r, cells, n, COLUMN_TIER), *until = cell(r, cells, n, COLUMN_TIER_UNTIL);

	if (aliases != NULL)
		take_aliases(r, m, aliases);
	if (!opening_set_tier(&m->o, tier, until))
		opening_file_bad(r->file, m, m->line, "tier_until is no day, YYYY-MM-DD: ", until);
	else if (until != NULL && tier == NULL)
		opening_file_bad(r->file, m, m->line, "tier_until goes with a tier: ", until);
	for (unsigned i = 0; i < r->n_columns && i < n; i++) {
		if (r->columns[i] == COLUMN_COUNTER && cells[i][0] != '\0' && !opening_add_counter(&m->o, r->counters[i], cells[i]))
			opening_file_bad(r->file, m, m->line, "this is no count: ", cells[i]);
	}
}

static void
take_lot(struct reader *r, struct opening_member *m, char **cells, unsigned n, uint32_t line)
{
	char *points = cell(r, cells, n, COLUMN_POINTS), *day = cell(r, cells, n, COLUMN_LAST_DAY);
	struct decimal value;

	if (points == NULL && day == NULL)
		return;
	if (points == NULL || !decimal_parse(points, &value) || value.mantissa <= 0) {
		opening_file_bad(r->file, m, line, "points are a decimal number above zero, not ", points == NULL ? "nothing" : points);
		return;
	}
	if (m->o.body.n_lots == LEDGER_OPENING_LOTS_MAX) {
		opening_file_bad(r->file, m, line, "a member comes with at most 500 lots; give those that end together as one: ", points);
		return;
	}
	sum_add(&m->points, points);
	if (!opening_add_lot(&m->o, points, day))
		opening_file_bad(r->file, m, line, "last_day is no day, YYYY-MM-DD: ", day);
}

static void
take_row(struct reader *r, char **cells, unsigned n, uint32_t line)
{
	char *name = cell(r, cells, n, COLUMN_MEMBER);
	struct opening_member *m = r->file->n == 0 ? NULL : &r->file->members[r->file->n - 1];

	if (n > r->n_columns) {
		opening_file_bad(r->file, m, line, "the row has more columns than the header: ", cells[r->n_columns]);
		return;
	}
	if (name == NULL) {
		opening_file_bad(r->file, m, line, "the row has no member", "");
		return;
	}
	bool first = m == NULL || strcmp(m->o.body.member, name) != 0;
	if (first) {
		m = member_new(r, name, line);
		take_first(r, m, cells, n);
	} else if (cell(r, cells, n, COLUMN_ALIASES) != NULL || cell(r, cells, n, COLUMN_TIER) != NULL ||
	    cell(r, cells, n, COLUMN_TIER_UNTIL) != NULL) {
		opening_file_bad(r->file, m, line, "aliases, tier and tier_until stand in a member's first row: ", name);
	}
	take_lot(r, m, cells, n, line);
}

static enum status
read_lines(struct reader *r)
{
	char *cells[COLUMNS_MAX + 1], *start = (char *)r->file->lines.data.data;
	uint32_t number = 0;
	enum status st = ST_OK;

	if (strncmp(start, "\xef\xbb\xbf", 3) == 0)
		start += 3;		/* a byte order mark */
	for (char *next, *line = start; line != NULL && st == ST_OK; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		number++;
		if (line[strspn(line, " \t,")] == '\0')
			continue;
		unsigned n = import_cut(line, ',', cells, COLUMNS_MAX + 1);
		if (r->n_columns == 0)
			st = n > COLUMNS_MAX ? unusable(r, "the header has more than 64 columns", "") : read_header(r, cells, n);
		else
			take_row(r, cells, n, number);
	}
	return st == ST_OK && r->n_columns == 0 ? unusable(r, "the file is empty: the first line is a header", "") : st;
}

/* ---- names that stand twice ---- */

struct named { const char *name; struct opening_member *m; };

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->m->line > y->m->line) - (x->m->line < y->m->line);
}

/* Of two members with one name the later is bad: rows of a member that do not stand together are such. */
static void
find_twice(struct opening_file *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += 1 + f->members[i].o.body.n_aliases;
	struct named *names = calloc(n + 1, sizeof(*names));
	assert(names != NULL);
	n = 0;
	for (size_t i = 0; i < f->n; i++) {
		struct opening_member *m = &f->members[i];
		names[n++] = (struct named){ m->o.body.member, m };
		for (size_t k = 0; k < m->o.body.n_aliases; k++)
			names[n++] = (struct named){ m->aliases[k], m };
	}
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(names[i].name, names[i - 1].name) == 0)
			opening_file_bad(f, names[i].m, names[i].m->line, "this name stood before; the rows of a member stand together: ", names[i].name);
	}
	free(names);
}

enum status
opening_file_read(const char *path, struct opening_file *ret_file, char ret_sentence[static 256])
{
	struct reader r = { .file = ret_file, .sentence = ret_sentence };

	*ret_file = (struct opening_file){ .n = 0 };
	enum status st = import_data_read(path, &ret_file->lines, ret_sentence);
	if (st == ST_OK)
		st = read_lines(&r);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < ret_file->n; i++)		/* the array moves no more */
		ret_file->members[i].o.body.aliases = ret_file->members[i].aliases;
	find_twice(ret_file);
	return ST_OK;
}

void
opening_file_release(struct opening_file *f)
{
	for (size_t i = 0; i < f->n; i++)
		opening_release(&f->members[i].o);
	free(f->members);
	import_file_release(&f->lines);
}

/* ---- totals ---- */

static struct opening_row *
row_of(struct opening_row **rows, size_t *n, const char *name)
{
	size_t at = 0;

	while (at < *n && strcmp((*rows)[at].name, name) < 0)
		at++;
	if (at < *n && strcmp((*rows)[at].name, name) == 0)
		return &(*rows)[at];
	*rows = realloc(*rows, (*n + 1) * sizeof(**rows));
	assert(*rows != NULL);
	memmove(*rows + at + 1, *rows + at, (*n - at) * sizeof(**rows));
	(*n)++;
	(*rows)[at] = (struct opening_row){ .count = 0 };
	(void)snprintf((*rows)[at].name, sizeof((*rows)[at].name), "%s", name);
	return &(*rows)[at];
}

void
opening_totals_add(struct opening_totals *t, const struct opening_member *m)
{
	const Fealty__V1__Opening *o = &m->o.body;
	char day[DAY_TEXT_BYTES];

	t->members++;
	for (size_t i = 0; i < o->n_lots; i++) {
		const char *name = o->lots[i]->has_last_day ? day_format(o->lots[i]->last_day, day) : "";
		struct opening_row *row = row_of(&t->days, &t->n_days, name);

		row->count++;
		sum_add(&row->points, o->lots[i]->points);
		sum_add(&t->points, o->lots[i]->points);
		t->lots++;
	}
	if (o->tier != NULL)
		row_of(&t->tiers, &t->n_tiers, o->tier)->count++;
	for (size_t i = 0; i < o->n_counters; i++)
		row_of(&t->counters, &t->n_counters, o->counters[i]->id)->count += o->counters[i]->count;
}

void
opening_totals_release(struct opening_totals *t)
{
	free(t->days);
	free(t->tiers);
	free(t->counters);
}
