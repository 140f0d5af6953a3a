/*
 * The file is read whole and cut in place.  A line that does not parse is noted and left out, never fatal: the rest of a year's purchases
 * should not wait for one of them.
 */
#include "import_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/decimal.h"

#define FILE_BYTES_MAX ((size_t)4 << 30)
#define COLUMNS_MAX 256

static const char *const field_names[IMPORT_FIELD_COUNT] = { "member", "date", "amount", "store", "terminal", "receipt_no" };

struct reader {
	const struct import_format *format;
	struct import_file *file;
	char separator;
	unsigned column[IMPORT_FIELD_COUNT];		/* from 1; 0: not mapped */
	char *name[IMPORT_FIELD_COUNT];			/* as in the header; NULL: given as a number */
	bool has_names;
	char *sentence;
};

static enum status
unusable(struct reader *r, const char *what, const char *detail)
{
	(void)snprintf(r->sentence, 256, "%s%s", what, detail);
	text_clean(r->sentence, strlen(r->sentence));
	return ST_INVALID;
}

/* ---- the mapping ---- */

static enum status
map_one(struct reader *r, char *pair)
{
	char *value = strchr(pair, '='), *end;

	if (value == NULL || value[1] == '\0')
		return unusable(r, "--columns: this is not FIELD=COLUMN: ", pair);
	*value++ = '\0';
	for (unsigned f = 0; f < IMPORT_FIELD_COUNT; f++) {
		if (strcmp(field_names[f], pair) != 0)
			continue;
		errno = 0;
		unsigned long column = strtoul(value, &end, 10);
		if (*end != '\0' || value[0] < '0' || value[0] > '9') {
			r->name[f] = value;
			r->has_names = true;
			return ST_OK;
		}
		if (column == 0 || column > COLUMNS_MAX)
			return unusable(r, "--columns: columns are counted from 1 to 256, not ", value);
		r->column[f] = (unsigned)column;
		return ST_OK;
	}
	return unusable(r, "--columns: the fields are member, date, amount, store, terminal and receipt_no, not ", pair);
}

static enum status
map_columns(struct reader *r, char *text)
{
	char *save = NULL;

	for (char *pair = strtok_r(text, ",", &save); pair != NULL; pair = strtok_r(NULL, ",", &save)) {
		enum status st = map_one(r, pair);
		if (st != ST_OK)
			return st;
	}
	for (unsigned f = IMPORT_MEMBER; f <= IMPORT_AMOUNT; f++)
		if (r->column[f] == 0 && r->name[f] == NULL)
			return unusable(r, "--columns does not say where this is: ", field_names[f]);
	return ST_OK;
}

static enum status
find_names(struct reader *r, char **cells, unsigned n)
{
	for (unsigned f = 0; f < IMPORT_FIELD_COUNT; f++) {
		for (unsigned i = 0; r->name[f] != NULL && r->column[f] == 0 && i < n; i++)
			if (strcmp(cells[i], r->name[f]) == 0)
				r->column[f] = i + 1;
		if (r->name[f] != NULL && r->column[f] == 0)
			return unusable(r, "--columns: the header has no column named ", r->name[f]);
	}
	return ST_OK;
}

/* ---- cutting ---- */

static unsigned
cut_white(char *line, char **cells)
{
	unsigned n = 0;
	char *save = NULL;

	for (char *cell = strtok_r(line, " \t", &save); cell != NULL && n < COLUMNS_MAX; cell = strtok_r(NULL, " \t", &save))
		cells[n++] = cell;
	return n;
}

/* A cell in quotes loses them, and its doubled quotes become one; gives what follows the cell. */
static char *
unquote(char *cell)
{
	char *from = cell + 1, *to = cell;

	while (*from != '\0') {
		if (*from == '"' && *++from != '"')
			break;
		*to++ = *from++;
	}
	*to = '\0';
	return from;
}

static void
trim(char **cell)
{
	*cell += strspn(*cell, " \t");
	size_t len = strlen(*cell);
	while (len > 0 && ((*cell)[len - 1] == ' ' || (*cell)[len - 1] == '\t'))
		(*cell)[--len] = '\0';
}

unsigned
import_cut(char *line, char separator, char **cells, unsigned max)
{
	unsigned n = 0;

	for (char *at = line; at != NULL && n < max;) {
		char *start = at + strspn(at, " ");
		char *end = start[0] == '"' ? unquote(start) : start;
		char *next = strchr(end, separator);
		cells[n] = start;
		if (next != NULL)
			*next++ = '\0';
		if (end == start)
			trim(&cells[n]);
		n++;
		at = next;
	}
	return n;
}

static unsigned
cut(const struct reader *r, char *line, char **cells)
{
	return r->separator == ' ' ? cut_white(line, cells) : import_cut(line, r->separator, cells, COLUMNS_MAX);
}

/* ---- judging one line ---- */

/* Reads as many digits as ${letter} is repeated in the format. */
static bool
read_digits(const char **format, const char **text, int *ret_number)
{
	char letter = **format;

	for (*ret_number = 0; **format == letter; ++*format, ++*text) {
		if (**text < '0' || **text > '9')
			return false;
		*ret_number = *ret_number * 10 + (**text - '0');
	}
	return true;
}

static bool
parse_day(const char *format, const char *text, int32_t *ret_day)
{
	struct date date = { 0 };

	if (format == NULL && day_parse(text, ret_day))
		return true;
	if (format == NULL)
		format = "YYYYMMDD";
	while (*format != '\0') {
		int *part = *format == 'Y' ? &date.year : *format == 'M' ? &date.month : *format == 'D' ? &date.day : NULL;
		if (part != NULL ? !read_digits(&format, &text, part) : *text++ != *format++)
			return false;
	}
	if (*text != '\0' || !date_valid(date))
		return false;
	*ret_day = day_of_date(date);
	return true;
}

/* NULL, or what is wrong, with what it is about in *${ret_detail}. */
static const char *
judge(const struct reader *r, struct import_row *row, char **cells, unsigned n, const char **ret_detail)
{
	struct decimal amount;

	for (unsigned f = 0; f < IMPORT_FIELD_COUNT; f++) {
		row->field[f] =
		    r->column[f] > 0 && r->column[f] <= n && cells[r->column[f] - 1][0] != '\0' ? cells[r->column[f] - 1] : NULL;
		*ret_detail = field_names[f];
		if (f <= IMPORT_AMOUNT && row->field[f] == NULL)
			return "the line has no ";
	}
	*ret_detail = row->field[IMPORT_DATE];
	if (!parse_day(r->format->date_format, row->field[IMPORT_DATE], &row->day))
		return "this is no date: ";
	*ret_detail = row->field[IMPORT_AMOUNT];
	return decimal_parse(row->field[IMPORT_AMOUNT], &amount) ? NULL : "this is no amount: ";
}

enum status
import_bad_add(struct import_file *file, uint32_t line, const char *what, const char *detail)
{
	if (file->n_bad == file->cap_bad) {
		size_t cap = file->cap_bad == 0 ? 64 : 2 * file->cap_bad;
		struct import_bad *bad = realloc(file->bad, cap * sizeof(*bad));
		if (bad == NULL)
			return ST_NOMEM;
		file->bad = bad;
		file->cap_bad = cap;
	}
	struct import_bad *bad = &file->bad[file->n_bad++];
	bad->line = line;
	(void)snprintf(bad->sentence, sizeof(bad->sentence), "%s%.100s", what, detail);
	text_clean(bad->sentence, strlen(bad->sentence));
	return ST_OK;
}

static enum status
read_line(struct reader *r, char *line, uint32_t number)
{
	struct import_file *file = r->file;
	char *cells[COLUMNS_MAX];

	unsigned n = cut(r, line, cells);
	if (n == 0 || (n == 1 && cells[0][0] == '\0'))
		return ST_OK;
	if (r->has_names) {
		r->has_names = false;
		return find_names(r, cells, n);
	}
	file->lines++;
	struct import_row row = { .line = number };
	const char *detail, *what = judge(r, &row, cells, n, &detail);
	if (what != NULL)
		return import_bad_add(file, number, what, detail);
	if (file->n_rows == file->cap_rows) {
		size_t cap = file->cap_rows == 0 ? 4096 : 2 * file->cap_rows;
		struct import_row *rows = realloc(file->rows, cap * sizeof(*rows));
		if (rows == NULL)
			return ST_NOMEM;
		file->rows = rows;
		file->cap_rows = cap;
	}
	file->rows[file->n_rows++] = row;
	return ST_OK;
}

static enum status
read_lines(struct reader *r)
{
	enum status st = ST_OK;
	uint32_t number = 0;

	char *start = (char *)r->file->data.data;
	if (strncmp(start, "\xef\xbb\xbf", 3) == 0)
		start += 3;		/* a byte order mark */
	for (char *next, *line = start; line != NULL && st == ST_OK; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (++number <= r->format->skip_lines)
			continue;
		if (r->separator == 0 && line[strspn(line, " \t")] != '\0')
			r->separator = strchr(line, ',') != NULL ? ',' : ' ';
		if (r->separator != 0)
			st = read_line(r, line, number);
	}
	return st == ST_OK && r->has_names ? unusable(r, "--columns names columns, and the file has no header", "") : st;
}

/* ---- order, and who comes first ---- */

static int
by_date(const void *a, const void *b)
{
	const struct import_row *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static uint64_t
hash_text(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);		/* FNV-1a */

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

/* An open hash of the rows that were first. */
static enum status
mark_first(struct import_file *file)
{
	size_t size = 64;

	while (size < 2 * file->n_rows)
		size *= 2;
	uint32_t *slots = calloc(size, sizeof(*slots));		/* index + 1 */
	if (slots == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < file->n_rows; i++) {
		const char *member = file->rows[i].field[IMPORT_MEMBER];
		size_t at = (size_t)hash_text(member) & (size - 1);
		while (slots[at] != 0 && strcmp(file->rows[slots[at] - 1].field[IMPORT_MEMBER], member) != 0)
			at = (at + 1) & (size - 1);
		if (slots[at] != 0)
			continue;
		slots[at] = (uint32_t)i + 1;
		file->rows[i].first_of_member = true;
		file->n_members++;
	}
	free(slots);
	return ST_OK;
}

static void
make_key_prefix(struct import_file *file)
{
	uint8_t hash[SHA256_BYTES];
	struct bytes whole = buf_bytes(&file->data);

	hash_sha256(hash, &whole, 1);
	(void)hex_format(bytes_of(hash, IMPORT_KEY_PREFIX_DIGITS / 2), file->key_prefix);
}

enum status
import_data_read(const char *path, struct import_file *ret_file, char ret_sentence[static 256])
{
	struct reader r = { .sentence = ret_sentence };

	*ret_file = (struct import_file){ 0 };
	buf_init(&ret_file->data);
	enum status st = file_read_all(path, FILE_BYTES_MAX, &ret_file->data);
	if (st == ST_IO || st == ST_TOO_LARGE)
		return unusable(&r, "the file cannot be read: ", cli_status_words(st));
	if (st != ST_OK)
		return st;
	if (memchr(ret_file->data.data, 0, ret_file->data.len) != NULL)
		return unusable(&r, "the file has a zero byte, so it is no text", "");
	make_key_prefix(ret_file);
	return ST_OK;
}

enum status
import_file_read(const char *path, const struct import_format *format, struct import_file *ret_file, char ret_sentence[static 256])
{
	struct reader r = { .format = format, .file = ret_file, .separator = format->separator, .sentence = ret_sentence };
	enum status st = import_data_read(path, ret_file, ret_sentence);

	if (st != ST_OK)
		return st;
	char *columns = strdup(format->columns);
	if (columns == NULL)
		return ST_NOMEM;
	st = map_columns(&r, columns);
	if (st == ST_OK)
		st = read_lines(&r);
	free(columns);
	if (st != ST_OK)
		return st;
	if (ret_file->n_rows > 0)
		qsort(ret_file->rows, ret_file->n_rows, sizeof(*ret_file->rows), by_date);
	return mark_first(ret_file);
}

void
import_file_release(struct import_file *file)
{
	free(file->rows);
	free(file->bad);
	buf_release(&file->data);
}
