/**
 * table_text.h: keys and values of every table as text.  What rows hold is written in store.h and apply/; this reads it leniently: a row
 * that is not of its form is printed as hex.
 */
#ifndef FEALTY_TOOLS_TABLE_TEXT_H
#define FEALTY_TOOLS_TABLE_TEXT_H

#include "cli.h"
#include "store/store.h"

#define TABLE_KEY_TEXT_BYTES 1100

/* Forms of keys as people write and read them: "SEQ", "PROGRAM/MEMBER", …; for help texts. */
const char *table_key_form(enum store_table table);

/* Returns ret_text. */
const char *table_key_format(enum store_table table, struct bytes key, char ret_text[static TABLE_KEY_TEXT_BYTES]);

/**
 * table_key_parse(table, text, ret_key):
 * Appends the bytes that all keys named by ${text} begin with.  False when it is not of the table's form.
 */
bool table_key_parse(enum store_table table, const char *text, struct buf *ret_key) MUST_CHECK;

/* A row's value as JSON, never NULL.  Rows of the vault show their shapes only. */
json_t *table_value_json(enum store_table table, struct bytes key, struct bytes value);

#endif
