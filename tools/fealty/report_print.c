/* Rows are printed one after the other, so that a report of millions is never in memory as text. */
#include "report_print.h"

#include <stdio.h>
#include <string.h>

#define GAP 2

/* ---- for programs ---- */

static json_t *
cell_json(const struct report_cell *cell)
{
	char text[REPORT_CELL_BYTES];

	switch (cell->kind) {
	case CELL_NONE: return json_null();
	case CELL_BOOL: return json_boolean(cell->number != 0);
	case CELL_COUNT: return json_integer(cell->number);
	case CELL_TEXT: case CELL_DECIMAL: case CELL_DAY: break;
	}
	return json_string(report_cell_text(cell, text));
}

json_t *
report_row_json(const struct report_table *table, size_t row)
{
	json_t *object = json_new();

	for (size_t i = 0; i < table->n_columns; i++)
		json_put(object, table->columns[i], cell_json(&table->cells[row * table->n_columns + i]));
	return object;
}

json_t *
report_rows_json(const struct report_table *table)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < table->n_rows; i++)
		(void)json_array_append_new(rows, report_row_json(table, i));
	return rows;
}

/* ---- for spreadsheets ---- */

static void
csv_field(const char *text)
{
	if (text[strcspn(text, ",\"\r\n")] == '\0') {
		(void)fputs(text, stdout);
		return;
	}
	(void)putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			(void)putchar('"');
		(void)putchar(*text);
	}
	(void)putchar('"');
}

void
report_print_csv(const struct report_table *table)
{
	char text[REPORT_CELL_BYTES];

	for (size_t i = 0; i < table->n_columns; i++)
		(void)printf("%s%s", i == 0 ? "" : ",", table->columns[i]);
	(void)fputs("\r\n", stdout);
	for (size_t row = 0; row < table->n_rows; row++) {
		for (size_t i = 0; i < table->n_columns; i++) {
			if (i > 0)
				(void)putchar(',');
			csv_field(report_cell_text(&table->cells[row * table->n_columns + i], text));
		}
		(void)fputs("\r\n", stdout);
	}
}

/* ---- for people ---- */

static void
print_one(const struct report_table *table)
{
	char text[REPORT_CELL_BYTES];

	for (size_t i = 0; i < table->n_columns; i++) {
		const char *value = report_cell_text(&table->cells[i], text);
		(void)printf("%-26s %20s\n", table->columns[i], value[0] == '\0' ? "-" : value);
	}
}

static void
find_widths(const struct report_table *table, int *widths, bool *left)
{
	char text[REPORT_CELL_BYTES];

	for (size_t i = 0; i < table->n_columns; i++) {
		widths[i] = (int)strlen(table->columns[i]);
		left[i] = false;
		for (size_t row = 0; row < table->n_rows; row++) {
			const struct report_cell *cell = &table->cells[row * table->n_columns + i];
			int len = (int)strlen(report_cell_text(cell, text));
			widths[i] = len > widths[i] ? len : widths[i];
			left[i] = left[i] || cell->kind == CELL_TEXT;
		}
	}
}

static void
print_field(const char *text, int width, bool left, bool last)
{
	if (left && last)
		(void)printf("%s\n", text);
	else
		(void)printf("%*s%*s", left ? -width : width, text, last ? 0 : GAP, "");
	if (last && !left)
		(void)printf("\n");
}

void
report_print_text(const struct report_table *table)
{
	int widths[REPORT_COLUMNS_MAX];
	bool left[REPORT_COLUMNS_MAX];
	char text[REPORT_CELL_BYTES];

	if (table->n_rows == 1) {
		print_one(table);
		return;
	}
	find_widths(table, widths, left);
	for (size_t i = 0; i < table->n_columns; i++)
		print_field(table->columns[i], widths[i], left[i], i + 1 == table->n_columns);
	for (size_t row = 0; row < table->n_rows; row++) {
		for (size_t i = 0; i < table->n_columns; i++) {
			const char *value = report_cell_text(&table->cells[row * table->n_columns + i], text);
			print_field(value[0] == '\0' ? "-" : value, widths[i], left[i], i + 1 == table->n_columns);
		}
	}
}
