/* What a publish brings is compiled with the zone's data that the ledger will have, so that what is in force later is what was accepted now. */
#include "service/commit.h"

enum status
publish_compile(struct commit *c, struct request *r, struct arena *arena, struct refusal *ret_refusal)
{
	struct program_error error;
	struct program *compiled;

	if (r->cmd.u.publish.definition.len > LEDGER_PROGRAM_BYTES_MAX) {
		refusal_set(ret_refusal, LEDGER_TOO_LARGE, "definition", "A program is at most %d bytes encoded; this one has %zu.",
		    LEDGER_PROGRAM_BYTES_MAX, r->cmd.u.publish.definition.len);
		return ST_OK;
	}
	const char *zone = r->definition->timezone == NULL ? "" : r->definition->timezone;
	enum status st = zone_load(zone, arena, &r->cmd.u.publish.zone_data);
	if (st == ST_NOTFOUND || st == ST_TOO_LARGE) {
		refusal_set(ret_refusal, LEDGER_INVALID_ARGUMENT, "timezone", st == ST_NOTFOUND
		    ? "This machine knows no time zone of that name; use an IANA name such as Asia/Seoul."
		    : "The data of this time zone is larger than the ledger takes.");
		return ST_OK;
	}
	if (st == ST_OK)
		st = program_from_bytes(r->cmd.u.publish.definition, r->cmd.u.publish.zone_data, &c->arena, &compiled, &error);
	if (st == ST_INVALID) {
		char *field = arena_strdup(arena, error.path);
		refusal_set(ret_refusal, LEDGER_INVALID_ARGUMENT, field, "%.199s", error.sentence);
		return ST_OK;
	}
	if (st == ST_OK)
		r->cmd.u.publish.compiled = compiled;
	return st;
}
