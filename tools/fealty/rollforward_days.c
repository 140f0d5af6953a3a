/*
 * A day begins where the program is.  The ledger itself has the zone's data, and no entry but a publish and a zone's data is read for it.  When
 * the programs are in several zones, a date means one instant only if it begins at once in all of them.
 */
#include "rollforward.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/calendar.h"

#define ENTRY_ARENA_BYTES ((size_t)4 << 20)

struct day_zone { uint32_t program; char id[64]; struct zone zone; };

struct rollforward_days {
	struct rollforward *r;
	struct arena arena;
	int64_t first_at_us;			/* of transaction 0 */
	size_t n_zones, cap_zones;
	struct day_zone *zones;
};

static struct day_zone *
zone_of(struct rollforward_days *d, uint32_t program)
{
	for (size_t i = 0; i < d->n_zones; i++)
		if (d->zones[i].program == program)
			return &d->zones[i];
	if (d->n_zones == d->cap_zones) {
		size_t cap = d->cap_zones == 0 ? 8 : 2 * d->cap_zones;
		struct day_zone *grown = realloc(d->zones, cap * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		d->zones = grown;
		d->cap_zones = cap;
	}
	struct day_zone *z = &d->zones[d->n_zones++];
	*z = (struct day_zone){ .program = program };
	return z;
}

static enum status
take_entry(struct rollforward_days *d, const struct entry *e)
{
	bool publish = e->op == OP_PUBLISH;

	if (!publish && e->op != OP_ZONE_DATA)
		return ST_OK;
	if (publish && d->r->program != NULL && strcmp(e->u.publish.id, d->r->program) != 0)
		return ST_OK;
	struct day_zone *z = zone_of(d, e->program);
	if (z == NULL)
		return ST_NOMEM;
	if (publish)
		(void)snprintf(z->id, sizeof(z->id), "%s", e->u.publish.id);
	return zone_parse(publish ? e->u.publish.zone_data : e->u.zone_data.zone_data, &z->zone) == ST_OK ? ST_OK : ST_CORRUPT;
}

static enum status
on_link(void *ctx, const struct audit_link *link, struct bytes leaf)
{
	struct rollforward_days *d = ctx;
	struct signed_transaction s;
	struct transaction t;

	if (link->head.seq == 0)
		d->first_at_us = link->head.committed_at_us;
	if (d->r->n_seen > 0 && d->r->seen[d->r->n_seen - 1].next_at_us == 0)
		d->r->seen[d->r->n_seen - 1].next_at_us = link->head.committed_at_us;
	arena_reset(&d->arena);
	enum status st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode_one(s.transaction, 0, &d->arena, &t);
	if (st == ST_OK)
		st = take_entry(d, &t.entries[0]);
	return st;
}

static enum status
on_checkpoint(void *ctx, struct audit *audit, const struct log_head *head)
{
	struct rollforward_days *d = ctx;

	return rollforward_seen_add(d->r, head->size, audit->chain.committed_at_us);
}

enum status
rollforward_days_new(struct rollforward *r, struct audit *audit, struct rollforward_days **ret_days)
{
	struct rollforward_days *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ST_NOMEM;
	d->r = r;
	arena_init(&d->arena, ENTRY_ARENA_BYTES);
	audit->on_link = on_link;
	audit->on_checkpoint = on_checkpoint;
	audit->on_ctx = d;
	*ret_days = d;
	return ST_OK;
}

void
rollforward_days_free(struct rollforward_days *d)
{
	if (d == NULL)
		return;
	arena_release(&d->arena);
	free(d->zones);
	free(d);
}

static const struct day_zone *
other_midnight(const struct rollforward_days *d, int32_t day)
{
	for (size_t i = 1; i < d->n_zones; i++)
		if (zone_midnight_us(&d->zones[i].zone, day) != zone_midnight_us(&d->zones[0].zone, day))
			return &d->zones[i];
	return NULL;
}

static enum exit_code
resolve(const struct rollforward_days *d, struct rollforward_point *point)
{
	const struct rollforward *r = d->r;

	if (!point->is_day)
		return EXIT_DONE;
	const struct day_zone *other = other_midnight(d, point->day);
	if (other != NULL)
		return cli_fail(r->json, EXIT_USAGE, "%s: that day begins at different instants for the programs %s and %s: give --program",
		    point->option, d->zones[0].id, other->id);
	int64_t midnight_us = zone_midnight_us(&d->zones[0].zone, point->day);
	point->size = 0;
	point->missed_at_us = d->first_at_us < midnight_us ? d->first_at_us : 0;
	for (size_t i = 0; i < r->n_seen && r->seen[i].committed_at_us < midnight_us; i++) {
		point->size = r->seen[i].size;
		point->missed_at_us = r->seen[i].next_at_us < midnight_us ? r->seen[i].next_at_us : 0;
	}
	return EXIT_DONE;
}

enum exit_code
rollforward_days_end(struct rollforward_days *d)
{
	struct rollforward *r = d->r;

	if (d->n_zones == 0)
		return r->program != NULL
		    ? cli_fail(r->json, EXIT_REFUSED, "--program: there is no program %s in %s", r->program, r->place)
		    : cli_fail(r->json, EXIT_USAGE, "a date means a program's local day, and %s has no program yet: give sizes", r->place);
	enum exit_code code = resolve(d, &r->from);
	return code == EXIT_DONE ? resolve(d, &r->to) : code;
}
