/* sim_expect.h: an event's `expect` against the reply. */
#ifndef FEALTY_TOOLS_SIM_EXPECT_H
#define FEALTY_TOOLS_SIM_EXPECT_H

#include <stdbool.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/bytes.h"

/**
 * sim_expect_ids(ids, definition, scratch): adds what a program lets a dotted key name: its counters, rules, stamp cards and memberships.
 * ${ids} is an object of the caller's; it grows.
 */
enum status sim_expect_ids(json_t *ids, struct bytes definition, struct arena *scratch) MUST_CHECK;

/* The first key of ${expect} that no reply can have; NULL when all exist. */
const char *sim_expect_unknown(json_t *expect, json_t *ids);

/**
 * sim_expect_compare(expect, reply, on_difference, ctx):
 * By value, for the keys that ${expect} names: decimals as numbers, dotted keys as paths, what the reply lacks as "0", [], false and
 * null.  on_difference() is called for each key that differs; ${got} NULL: the reply lacks it.  True: there was none.
 */
bool sim_expect_compare(json_t *expect, json_t *reply, void (*on_difference)(void *ctx, const char *key, json_t *expected, json_t *got), void *ctx);

#endif
