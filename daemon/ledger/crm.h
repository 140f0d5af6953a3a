/**
 * crm.h: what an entry means to who looks after customers: events for a CRM, derived from the entry alone, so that whoever follows the log
 * from any place sees the same ones.  Pure.
 */
#ifndef FEALTY_LEDGER_CRM_H
#define FEALTY_LEDGER_CRM_H

#include "ledger/ledger.h"
#include "ledger/program.h"

enum crm_type {
	CRM_POINTS_EARNED, CRM_POINTS_ACTIVATED, CRM_POINTS_SPENT, CRM_POINTS_EXPIRED, CRM_POINTS_EXPIRING,
	CRM_TIER_UPGRADED, CRM_TIER_DOWNGRADED, CRM_TIER_WILL_DOWNGRADE,
	CRM_VOUCHER_ISSUED, CRM_VOUCHER_USED, CRM_VOUCHER_REVOKED, CRM_VOUCHER_EXPIRING,
	CRM_HOLD_EXPIRED, CRM_MEMBER_ENROLLED, CRM_MEMBER_ERASED, CRM_POINTS_ADJUSTED, CRM_POINTS_ADVANCED,
	CRM_TYPE_COUNT
};
const char *crm_type_str(enum crm_type type);		/* "points.earned", …; WIRE.md says what each means */

/* The place of an event in the log; and of what else an entry has several of: a voucher's name is that of its issue. */
struct crm_place { struct entry_id entry; uint32_t n; };

/* Events of an entry are numbered by n from 0: a type that is added later comes behind all there are, so that a number never changes. */
struct crm_event {
	enum crm_type type;
	struct entry_id entry;
	uint32_t n;
	enum op op;			/* of the entry */
	const struct program *program;
	uint64_t member;
	int64_t at_us;			/* the instant that the entry was decided at */
	int32_t date;			/* its business date */
	bool has_points;
	int64_t points;			/* above zero, but of a POINTS_ADJUSTED that takes */
	int64_t pending;		/* POINTS_EARNED: of these, those that wait */
	int32_t last_day;		/* DAY_NONE: none */
	const char *tier, *tier_from;	/* NULL: none */
	bool has_hold;
	struct entry_id hold;
	const char *voucher;		/* its id in the program's; NULL: none */
	struct crm_place voucher_name;
};

/**
 * crm_events(entry, id, committed_at_us, program, arena, ret_events, ret_n):
 * The events of an entry that is ${id}, in their order; ${program} is the version that it names.  Strings are the entry's.  Most entries have
 * none, or one.  Of each member's events, until it is erased, earned - spent - expired + adjusted is what it has: available + pending + held - debt.
 * An entry may be forged: nothing in it is trusted, and what does not hold makes no event.  Errors: ST_NOMEM.
 */
enum status crm_events(const struct entry *entry, struct entry_id id, int64_t committed_at_us, const struct program *program,
    struct arena *arena, struct crm_event **ret_events, size_t *ret_n) MUST_CHECK;

/* What an entry did to its member, as its reply says. */
struct crm_effect {
	const char *type;		/* an event's; of what events tell as points.adjusted, also .clawed, .reinstated, .transferred */
	bool has_points;
	int64_t points;			/* above zero, but of a points.adjusted that takes */
	const char *reason;
};

/**
 * crm_effects(entry, program, arena, ret_effects, ret_n):
 * From the same as crm_events(), of the member that the entry is about, without what notices tell.  The reason is the rules that granted, joined
 * by commas; a reward's or a voucher's id; an adjust's or a tier's code; "ERASED"; else the operation.  Errors: ST_NOMEM.
 */
enum status crm_effects(const struct entry *entry, const struct program *program, struct arena *arena, struct crm_effect **ret_effects,
    size_t *ret_n) MUST_CHECK;

/* As text: "<seq>.<index>.<n>". */
#define CRM_PLACE_TEXT_BYTES 44
const char *crm_place_format(struct crm_place place, char ret_text[static CRM_PLACE_TEXT_BYTES]);	/* returns ret_text */
const char *crm_entry_format(struct entry_id id, char ret_text[static CRM_PLACE_TEXT_BYTES]);	/* "<seq>.<index>" */
bool crm_place_parse(const char *text, struct crm_place *ret_place) MUST_CHECK;		/* false: it is none */
/* Below zero: ${a} comes before ${b}; zero: they are one. */
int crm_place_compare(struct crm_place a, struct crm_place b);

#endif
