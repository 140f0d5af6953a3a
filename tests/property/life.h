/**
 * life.h: a random program, a few members and what they do for a year or so, all read from a tape; and the hooks by which a property looks on.
 * The core alone, on tests/unit/memory_state.c: no codec but for the stored form of entries, no disk, no clock.
 */
#ifndef FEALTY_TESTS_PROPERTY_LIFE_H
#define FEALTY_TESTS_PROPERTY_LIFE_H

#include <setjmp.h>
#include <stdio.h>

#include "ledger/decide.h"
#include "memory_state.h"
#include "tape.h"

#define LIFE_VERSIONS 2			/* of the program; the second is published by a command */
#define LIFE_MEMBERS_MAX 5
#define LIFE_ENTRIES_MAX 6000
#define LIFE_PAST_MAX 8			/* purchases, and redemptions, that later commands can name */
#define LIFE_SEGMENTS_MAX 3

/* The tape's blocks: what a program is made of, for each version, then one for each command. */
#define BLOCK_HEAD 0
#define BLOCK_SECTIONS 1
#define BLOCK_VOUCHERS 2
#define BLOCK_TIERS 3
#define TIERS_MAX 3
#define BLOCK_RULES (BLOCK_TIERS + TIERS_MAX)
#define RULES_MAX 7
#define BLOCKS_OF_PROGRAM (BLOCK_RULES + RULES_MAX)
#define BLOCK_COMMANDS (LIFE_VERSIONS * BLOCKS_OF_PROGRAM)
#define COMMANDS_MAX 100

struct life;

/* An entry as a ledger stores it. */
struct stored {
	struct entry_id id;
	int64_t committed_at_us;
	struct bytes transaction;		/* with this entry alone */
};

/* Any hook may be NULL, and may call life_fail(). */
struct property {
	const char *name, *what;		/* what: a sentence that is true of every life */
	bool sleepless;				/* run once more with every midnight kept: the entries must be the same, and there is one member */
	void (*begin)(struct life *l);
	void (*command)(struct life *l, const struct cmd *cmd);		/* its member is rolled forward; it is about to be decided */
	void (*decided)(struct life *l, const struct entry *entry);	/* on the state before it */
	void (*applied)(struct life *l, const struct entry *entry);
	void (*end)(struct life *l);
};
extern const struct property properties[];
extern const size_t n_properties;

/* What the vault would know of a member. */
struct person {
	size_t n_dates, n_segments;
	struct birthday_date dates[LEDGER_BIRTHDAYS_MAX];
	const char *segments[LIFE_SEGMENTS_MAX];
	int32_t swept;				/* birthdays through this day were looked at */
	size_t n_purchases, n_redemptions;
	struct entry_id purchases[LIFE_PAST_MAX], redemptions[LIFE_PAST_MAX];	/* the newest, newest first */
};

struct life {
	const struct property *property;
	struct tape *tape;
	FILE *log;				/* what happens, for people; NULL: silent */
	bool keeps_nights;
	struct arena arena;
	struct arena brief;		/* for what is looked at once: a long life has much of it */
	struct memory_state *ledger, *again;	/* again: a replay that nobody has released; NULL */
	void *own;				/* of the property's hooks, in the arena */

	struct zone zone;
	const char *timezone;
	struct program_def *defs[LIFE_VERSIONS];
	const struct program *programs[LIFE_VERSIONS];	/* compiled; NULL: it does not compile */
	int32_t first_day;
	bool manual;				/* entries have `at` */
	int64_t now_us;
	size_t n_people;
	struct person people[LIFE_MEMBERS_MAX];
	struct entry_id newest_hold;

	size_t n_stored, n_of_members;		/* entries; those that are about one */
	struct stored stored[LIFE_ENTRIES_MAX];

	bool failed;
	char failure[600];
	jmp_buf way_out;
};

/**
 * life_live(l, property, tape, log, keeps_nights): from the first block to the end, or to the first failure; false: the tape makes no program that
 * compiles.  Ends with life_release().
 */
bool life_live(struct life *l, const struct property *property, struct tape *tape, FILE *log, bool keeps_nights);
void life_release(struct life *l);

/* Ends the life. */
_Noreturn void life_fail(struct life *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
void life_log(struct life *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory for as long as the life; zeroed. */
void *life_alloc(struct life *l, size_t len);
/* The life's memory and the brief one change places, so that what is looked at once can be forgotten. */
void life_swap_memory(struct life *l);

/* A member of program 1. */
const struct member *life_member(struct life *l, uint64_t number);
/* The version that is in force; NULL before the first. */
const struct program *life_program(struct life *l);
int32_t life_today(const struct life *l);
/* "12.0 purchase of member 1" for sentences about an entry; static memory. */
const char *life_entry_text(const struct life *l, const struct entry *entry);
/* Of stored entry ${i}. */
struct entry_id life_id(const struct life *l, size_t i);
/* The one after next by ${i} that an entry of a member will have. */
struct entry_id life_next_id(const struct life *l, size_t i);

/* Decides and applies; the result.  The member was rolled forward. */
enum ledger_result life_play(struct life *l, const struct cmd *cmd);
/* Applies what is due for a member up to now, birthdays included. */
void life_roll(struct life *l, uint64_t member);
/* A state made anew from what is stored: l->again, until life_forget_replay() or the end of the life. */
struct memory_state *life_replay(struct life *l);
void life_forget_replay(struct life *l);
/* Fails unless two states are the same, byte for byte. */
void life_same_state(struct life *l, const struct memory_state *a, const struct memory_state *b, const char *when);
/* A stored entry, read back. */
struct entry *life_read(struct life *l, const struct stored *stored);

/* The stored entry of an id; NULL: there is none. */
struct entry *life_find(struct life *l, struct entry_id id);

/* The transaction that an entry would be stored as, with its id and instant. */
struct bytes life_store(struct life *l, const struct entry *entry, struct entry_id id, int64_t committed_at_us);

/* ---- generators ---- */

struct program_def *any_program(struct life *l, unsigned version);

/* The clock moves, and somebody does something. */
void any_command(struct life *l, size_t block);

/* ---- print.c ---- */

/* The program as a file of it would be; a command as somebody would tell it, in a line; what came of it, in another. */
void print_program(const struct program_def *def, FILE *out);
void print_command(struct life *l, const struct cmd *cmd);
void print_entry(struct life *l, const struct entry *entry);

/* Decimal text of ${value} at ${scale}, in the life's arena. */
const char *any_text(struct life *l, int64_t value, unsigned scale);

#endif
