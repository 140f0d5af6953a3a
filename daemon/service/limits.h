/**
 * limits.h: everything that a peer can have of us, in one table: name, default, least, most, what it is.  The names are those of `--limit`, of the
 * access file, of `field` in a refusal and of the label in /metrics.
 */
#ifndef FEALTY_SERVICE_LIMITS_H
#define FEALTY_SERVICE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Those of a principal and of an address are the same, in the same order: party.h counts for both. */
enum limit {
	LIMIT_CONNECTIONS,
	LIMIT_CONNECTION_IN_FLIGHT,
	LIMIT_CONNECTION_SUBSCRIPTIONS,
	LIMIT_PRINCIPAL_CONNECTIONS,
	LIMIT_PRINCIPAL_IN_FLIGHT,
	LIMIT_PRINCIPAL_SUBSCRIPTIONS,
	LIMIT_PRINCIPAL_COMMANDS_PER_SECOND,
	LIMIT_PRINCIPAL_COMMANDS_BURST,
	LIMIT_PRINCIPAL_BYTES_PER_SECOND,
	LIMIT_PRINCIPAL_BYTES_BURST,
	LIMIT_ADDRESS_CONNECTIONS,
	LIMIT_ADDRESS_IN_FLIGHT,
	LIMIT_ADDRESS_SUBSCRIPTIONS,
	LIMIT_ADDRESS_COMMANDS_PER_SECOND,
	LIMIT_ADDRESS_COMMANDS_BURST,
	LIMIT_ADDRESS_BYTES_PER_SECOND,
	LIMIT_ADDRESS_BYTES_BURST,
	LIMIT_COUNT
};

struct limit_row {
	const char *name;
	uint32_t usual, least, most;
	const char *help;
	bool is_principals;		/* may be said in the access file */
	enum limit counts_as;		/* in /metrics and in refusals: a burst as its rate */
};
extern const struct limit_row limit_table[LIMIT_COUNT];

#define LIMIT_NONE UINT32_MAX		/* above the most of each: not limited */
struct limits { uint32_t of[LIMIT_COUNT]; };

struct limits limits_default(void);
/* What a principal is limited to by the UNIX socket, the operator's door: a connection's own limits and no more. */
struct limits limits_local(const struct limits *limits);

/* Behind a rate stands its burst.  Who says a rate and no burst means that of a second. */
bool limit_is_rate(enum limit limit);

/* False: no limit has the name. */
bool limit_find(const char *name, enum limit *ret) MUST_CHECK;

/**
 * limits_parse(text, limits, ret_why): "NAME=VALUE".  ST_INVALID: *${ret_why} (at least LIMITS_WHY_BYTES) has a sentence, with the list of names
 * when it is none of them.
 */
#define LIMITS_WHY_BYTES 700
enum status limits_parse(const char *text, struct limits *limits, char *ret_why) MUST_CHECK;

#endif
