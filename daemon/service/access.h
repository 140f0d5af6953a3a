/* access.h: the rules of an access file (codec/access.h), loaded: which row is a principal's. */
#ifndef FEALTY_SERVICE_ACCESS_H
#define FEALTY_SERVICE_ACCESS_H

#include "codec/access.h"
#include "service/limits.h"

struct access;

/**
 * access_load(path, ret_access, ret_why): on failure ${ret_why} (at least ACCESS_WHY_BYTES) has a sentence with the line.  The caller ends it
 * with access_free(), which accepts NULL.  ST_INVALID, ST_IO, ST_NOMEM.
 */
#define ACCESS_WHY_BYTES 1024
enum status access_load(const char *path, struct access **ret_access, char *ret_why) MUST_CHECK;
void access_free(struct access *access);

/* The row that names the principal, or else the one with the longest beginning; NULL: none.  Rows do not add up. */
const struct access_row *access_find(const struct access *access, const char *principal);

/* What the row says, put into ${limits}. */
void access_apply(const struct access_row *row, struct limits *limits);
bool access_has_program(const struct access_row *row, const char *program);

#endif
