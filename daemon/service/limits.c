/*
 * The defaults leave room for what an honest peer does: thousands of tills behind one address, and a backend that sends as fast as it can.  What
 * they bound is how much of the server one certificate, or one place, can take from all others.
 */
#include "service/limits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "frame.h"
#include "service/session.h"

#define MANY 1000000u			/* that a count may be */
#define FAST 999999999u		/* that a rate, or a burst, may be */
#define MIB (1024u * 1024u)

#define PRINCIPAL(limit) .is_principals = true, .counts_as = (limit)
#define OTHERS(limit) .is_principals = false, .counts_as = (limit)

const struct limit_row limit_table[LIMIT_COUNT] = {
	[LIMIT_CONNECTIONS] = { "connections", 16384, 1, MANY, "connections, of everybody", OTHERS(LIMIT_CONNECTIONS) },
	[LIMIT_CONNECTION_IN_FLIGHT] = { "connection_in_flight", FRAME_IN_FLIGHT_MAX, 1, FRAME_IN_FLIGHT_MAX,
	    "requests and batches in flight on a connection; HELLO_OK tells it", PRINCIPAL(LIMIT_CONNECTION_IN_FLIGHT) },
	[LIMIT_CONNECTION_SUBSCRIPTIONS] = { "connection_subscriptions", SUBSCRIPTIONS_MAX, 0, SUBSCRIPTIONS_MAX,
	    "subscriptions of a connection", PRINCIPAL(LIMIT_CONNECTION_SUBSCRIPTIONS) },
	[LIMIT_PRINCIPAL_CONNECTIONS] = { "principal_connections", 1024, 1, MANY, "connections of a principal", PRINCIPAL(LIMIT_PRINCIPAL_CONNECTIONS) },
	[LIMIT_PRINCIPAL_IN_FLIGHT] = { "principal_in_flight", 16384, 1, MANY,
	    "writes of a principal that are not answered, each of a batch", PRINCIPAL(LIMIT_PRINCIPAL_IN_FLIGHT) },
	[LIMIT_PRINCIPAL_SUBSCRIPTIONS] = { "principal_subscriptions", 256, 0, MANY, "subscriptions of a principal",
	    PRINCIPAL(LIMIT_PRINCIPAL_SUBSCRIPTIONS) },
	[LIMIT_PRINCIPAL_COMMANDS_PER_SECOND] = { "principal_commands_per_second", 50000, 1, FAST, "commands of a principal a second, each of a batch",
	    PRINCIPAL(LIMIT_PRINCIPAL_COMMANDS_PER_SECOND) },
	[LIMIT_PRINCIPAL_COMMANDS_BURST] = { "principal_commands_burst", 100000, 1, FAST, "commands of a principal at once, after a rest",
	    PRINCIPAL(LIMIT_PRINCIPAL_COMMANDS_PER_SECOND) },
	[LIMIT_PRINCIPAL_BYTES_PER_SECOND] = { "principal_bytes_per_second", 16 * MIB, 1, FAST, "bytes from a principal a second",
	    PRINCIPAL(LIMIT_PRINCIPAL_BYTES_PER_SECOND) },
	[LIMIT_PRINCIPAL_BYTES_BURST] = { "principal_bytes_burst", 64 * MIB, 1, FAST, "bytes from a principal at once, after a rest",
	    PRINCIPAL(LIMIT_PRINCIPAL_BYTES_PER_SECOND) },
	[LIMIT_ADDRESS_CONNECTIONS] = { "address_connections", 4096, 1, MANY, "connections from an address (IPv6: a /64) by TCP",
	    OTHERS(LIMIT_ADDRESS_CONNECTIONS) },
	[LIMIT_ADDRESS_IN_FLIGHT] = { "address_in_flight", 32768, 1, MANY, "writes from an address that are not answered", OTHERS(LIMIT_ADDRESS_IN_FLIGHT) },
	[LIMIT_ADDRESS_SUBSCRIPTIONS] = { "address_subscriptions", 1024, 0, MANY, "subscriptions from an address", OTHERS(LIMIT_ADDRESS_SUBSCRIPTIONS) },
	[LIMIT_ADDRESS_COMMANDS_PER_SECOND] = { "address_commands_per_second", 100000, 1, FAST, "commands from an address a second",
	    OTHERS(LIMIT_ADDRESS_COMMANDS_PER_SECOND) },
	[LIMIT_ADDRESS_COMMANDS_BURST] = { "address_commands_burst", 200000, 1, FAST, "commands from an address at once, after a rest",
	    OTHERS(LIMIT_ADDRESS_COMMANDS_PER_SECOND) },
	[LIMIT_ADDRESS_BYTES_PER_SECOND] = { "address_bytes_per_second", 32 * MIB, 1, FAST, "bytes from an address a second",
	    OTHERS(LIMIT_ADDRESS_BYTES_PER_SECOND) },
	[LIMIT_ADDRESS_BYTES_BURST] = { "address_bytes_burst", 128 * MIB, 1, FAST, "bytes from an address at once, after a rest",
	    OTHERS(LIMIT_ADDRESS_BYTES_PER_SECOND) },
};

struct limits
limits_default(void)
{
	struct limits limits;

	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		assert(limit_table[i].name != NULL && limit_table[i].most < LIMIT_NONE);
		limits.of[i] = limit_table[i].usual;
	}
	return limits;
}

struct limits
limits_local(const struct limits *limits)
{
	struct limits local;

	for (size_t i = 0; i < LIMIT_COUNT; i++)
		local.of[i] = LIMIT_NONE;
	local.of[LIMIT_CONNECTION_IN_FLIGHT] = limits->of[LIMIT_CONNECTION_IN_FLIGHT];
	local.of[LIMIT_CONNECTION_SUBSCRIPTIONS] = limits->of[LIMIT_CONNECTION_SUBSCRIPTIONS];
	return local;
}

bool
limit_is_rate(enum limit limit)
{
	return limit == LIMIT_PRINCIPAL_COMMANDS_PER_SECOND || limit == LIMIT_PRINCIPAL_BYTES_PER_SECOND || limit == LIMIT_ADDRESS_COMMANDS_PER_SECOND ||
	    limit == LIMIT_ADDRESS_BYTES_PER_SECOND;
}

bool
limit_find(const char *name, enum limit *ret)
{
	for (enum limit i = 0; i < LIMIT_COUNT; i++) {
		if (strcmp(limit_table[i].name, name) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static enum status
refuse_name(const char *name, char *why)
{
	size_t len = (size_t)snprintf(why, LIMITS_WHY_BYTES, "there is no limit `%.60s'; there are", name);

	for (size_t i = 0; i < LIMIT_COUNT; i++)
		len += (size_t)snprintf(why + len, LIMITS_WHY_BYTES - len, "%s %s", i == 0 ? "" : ",", limit_table[i].name);
	assert(len < LIMITS_WHY_BYTES);
	return ST_INVALID;
}

/* Digits alone, within what the limit may be. */
static bool
parse_value(const char *text, const struct limit_row *row, uint32_t *ret)
{
	uint64_t v = 0;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || p - text >= 10)
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	if (text[0] == '\0' || v < row->least || v > row->most)
		return false;
	*ret = (uint32_t)v;
	return true;
}

enum status
limits_parse(const char *text, struct limits *limits, char *ret_why)
{
	const char *equals = strchr(text, '=');
	char name[64];
	enum limit limit;

	size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);
	snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : sizeof(name) - 1), text);
	if (!limit_find(name, &limit))
		return refuse_name(name, ret_why);
	if (equals != NULL && parse_value(equals + 1, &limit_table[limit], &limits->of[limit])) {
		if (limit_is_rate(limit) && limits->of[limit + 1] == limit_table[limit + 1].usual)
			limits->of[limit + 1] = limits->of[limit];
		return ST_OK;
	}
	snprintf(ret_why, LIMITS_WHY_BYTES, "%s takes a number from %u to %u, as %s=%u: %s", name, limit_table[limit].least, limit_table[limit].most, name,
	    limit_table[limit].usual, limit_table[limit].help);
	return ST_INVALID;
}
