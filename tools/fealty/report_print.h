/* report_print.h: the tables of a report for people, for programs and for spreadsheets. */
#ifndef FEALTY_TOOLS_REPORT_PRINT_H
#define FEALTY_TOOLS_REPORT_PRINT_H

#include "cli.h"
#include "report.h"

/* A row as an object: decimals and dates as text, counts as numbers, what there is none of as null. */
json_t *report_row_json(const struct report_table *table, size_t row);
/* A list of them, for a report of few rows. */
json_t *report_rows_json(const struct report_table *table);

/* RFC 4180, with a line of the columns' names first; lines end with CR LF as it says. */
void report_print_csv(const struct report_table *table);
/* As columns; a table of one row as a line for each of its columns. */
void report_print_text(const struct report_table *table);

#endif
