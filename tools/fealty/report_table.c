/* Cells, not JSON: a report may have a row for each of millions of members. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define CELLS_MIN 256

void
report_table_init(struct report_table *table, const char *const *columns)
{
	*table = (struct report_table){ 0 };
	while (columns[table->n_columns] != NULL) {
		assert(table->n_columns < REPORT_COLUMNS_MAX);
		table->columns[table->n_columns] = columns[table->n_columns];
		table->n_columns++;
	}
}

void
report_table_release(struct report_table *table)
{
	free(table->cells);
	*table = (struct report_table){ 0 };
}

static void
put(struct report_table *table, struct report_cell cell)
{
	size_t n = table->n_rows * table->n_columns + table->at;

	if (table->failed)
		return;
	if (n == table->cap_cells) {
		size_t cap = n == 0 ? CELLS_MIN : 2 * n;
		struct report_cell *grown = realloc(table->cells, cap * sizeof(*grown));
		if (grown == NULL) {
			table->failed = true;
			table->n_rows = table->at = 0;
			return;
		}
		table->cells = grown;
		table->cap_cells = cap;
	}
	table->cells[n] = cell;
	if (++table->at == table->n_columns) {
		table->at = 0;
		table->n_rows++;
	}
}

void
report_text(struct report_table *table, const char *text)
{
	put(table, (struct report_cell){ .kind = text == NULL ? CELL_NONE : CELL_TEXT, .text = text });
}

void
report_count(struct report_table *table, int64_t number)
{
	put(table, (struct report_cell){ .kind = CELL_COUNT, .number = number });
}

void
report_decimal(struct report_table *table, int64_t value, unsigned digits)
{
	put(table, (struct report_cell){ .kind = CELL_DECIMAL, .digits = (uint8_t)digits, .number = value });
}

void
report_bool(struct report_table *table, bool value)
{
	put(table, (struct report_cell){ .kind = CELL_BOOL, .number = value });
}

void
report_day(struct report_table *table, int32_t day)
{
	put(table, (struct report_cell){ .kind = day == DAY_NONE ? CELL_NONE : CELL_DAY, .number = day });
}

void
report_none(struct report_table *table)
{
	put(table, (struct report_cell){ .kind = CELL_NONE });
}

const char *
report_cell_text(const struct report_cell *cell, char ret_text[static REPORT_CELL_BYTES])
{
	switch (cell->kind) {
	case CELL_NONE: return "";
	case CELL_TEXT: return cell->text;
	case CELL_BOOL: return cell->number != 0 ? "true" : "false";
	case CELL_DAY: return day_format((int32_t)cell->number, ret_text);
	case CELL_DECIMAL: return decimal_format(cell->number, cell->digits, ret_text);
	case CELL_COUNT: (void)snprintf(ret_text, REPORT_CELL_BYTES, "%" PRId64, cell->number); break;
	}
	return ret_text;
}
