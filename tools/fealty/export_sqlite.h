/**
 * export_sqlite.h: a ledger as a SQLite database: tables of what its entries say and of what state follows from them, and views that give the
 * figures of `fealty report`.  packaging/REPORTS.md describes the tables.
 */
#ifndef FEALTY_TOOLS_EXPORT_SQLITE_H
#define FEALTY_TOOLS_EXPORT_SQLITE_H

#include "apply/apply.h"
#include "codec/codec.h"

#define EXPORT_SQLITE_APPLICATION 0x6665616c	/* PRAGMA application_id: "feal" */

struct export_sqlite;

/**
 * export_sqlite_begin(path, ret_export, ret_sentence):
 * A new database beside ${path}.  ST_INVALID: ${path} is there, and is no export of ours; ST_IO; ST_NOMEM; *${ret_sentence}, of 200 bytes, says what.
 * export_sqlite_take(export, t): the next transaction.
 * export_sqlite_state(export, state): when all were taken: programs, and members and lots of a replay's state.
 * export_sqlite_end(export, origin, size): indexes and views; then it becomes ${path}, whole.
 * Errors of these three: ST_FULL, ST_IO, ST_NOMEM, ST_CORRUPT, ST_TOO_LARGE; export_sqlite_error() has SQLite's words.
 * export_sqlite_free(export): what was not ended leaves no file.  Accepts NULL.
 */
enum status export_sqlite_begin(const char *path, struct export_sqlite **ret_export, char ret_sentence[static 200]) MUST_CHECK;
enum status export_sqlite_take(struct export_sqlite *export, const struct transaction *t) MUST_CHECK;
enum status export_sqlite_state(struct export_sqlite *export, struct store_txn *state) MUST_CHECK;
enum status export_sqlite_end(struct export_sqlite *export, const char *origin, uint64_t size) MUST_CHECK;
const char *export_sqlite_error(const struct export_sqlite *export);
void export_sqlite_free(struct export_sqlite *export);

/* Rows by table; those without a name are none. */
#define EXPORT_SQLITE_COUNTS 12
struct export_sqlite_count { const char *table; uint64_t rows; };
const struct export_sqlite_count *export_sqlite_counts(const struct export_sqlite *export);

/* ---- export_sqlite_schema.c ---- */

extern const char export_sqlite_tables[], export_sqlite_views[];

#endif
