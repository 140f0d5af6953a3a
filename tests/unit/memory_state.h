/**
 * memory_state.h: a ledger_state in memory, and a stage on which commands are played against it.  For unit tests: what goes
 * wrong in the machinery ends the test with an assertion.
 */
#ifndef FEALTY_TESTS_UNIT_MEMORY_STATE_H
#define FEALTY_TESTS_UNIT_MEMORY_STATE_H

#include "ledger/decide.h"
#include "ledger/keys.h"

#define MEMORY_PROGRAMS_MAX 4
#define MEMORY_VERSIONS_MAX 8
#define MEMORY_MEMBERS_MAX 256
#define MEMORY_HOLDS_MAX 512
#define MEMORY_FOLLOWUPS_MAX 2048
#define MEMORY_APPROVERS_MAX 8
#define MEMORY_WAITING_MAX 128

struct memory_state {
	struct arena arena;
	struct ledger_state state;		/* what decide() and evolve() take */
	uint32_t n_programs;
	struct memory_program {
		struct totals totals;
		uint32_t n_versions;
		const struct program *versions[MEMORY_VERSIONS_MAX];
	} programs[MEMORY_PROGRAMS_MAX];	/* [number - 1] */
	size_t n_members, n_closed;
	struct member *members[MEMORY_MEMBERS_MAX];
	struct { struct entry_id id; struct closed_hold hold; } closed[MEMORY_HOLDS_MAX];
	size_t n_followups;
	struct followup followups[MEMORY_FOLLOWUPS_MAX];
	size_t n_approvers, n_waiting;
	struct { const char *principal; struct approver approver; } approvers[MEMORY_APPROVERS_MAX];
	struct { struct entry_id id; struct waiting_adjust waiting; } waiting[MEMORY_WAITING_MAX];
	struct key_history keys;		/* of 32 ones, and of 32 twos */
};

void memory_init(struct memory_state *ms);
void memory_release(struct memory_state *ms);

/* A definition that publish() takes here: the bytes are the address of a compiled program, which must live as long as the state. */
struct bytes memory_definition(const struct program *const *compiled);

/* NULL when there is none. */
struct member *memory_member(struct memory_state *ms, uint32_t program, uint64_t number);

/* Asserts that every member passes member_check(), and that the program's totals are their sums and sum to zero. */
void memory_trial_balance(struct memory_state *ms);

/* ---- a stage: two states, one alive and one that replays every entry; after each they must be equal ---- */

struct stage {
	struct memory_state live, replay;
	struct arena arena;			/* programs, entries, commands */
	int64_t now_us;
	uint64_t seq;				/* of the next entry */
	size_t n_due;				/* entries of `system` so far */
	struct entry entry;			/* the newest one */
	struct entry_id id;
	struct refusal refusal;
};

void stage_init(struct stage *s);
void stage_release(struct stage *s);

/* A time zone without rules, ${hours} east of UTC. */
struct zone stage_zone(int hours);

/* Compiles (asserted), with zone UTC + 9 h, and publishes as program 1 or as its next version. */
const struct program *stage_publish(struct stage *s, const struct program_def *def);
const struct program *stage_compile(struct stage *s, const struct program_def *def);

/* Moves the clock (never back) to a local time of UTC + 9 h as "2026-03-12T10:00:00"; what falls due for any member is played first. */
void stage_at(struct stage *s, const char *local);

/**
 * stage_play(s, cmd): rolls the member forward, decides, and applies when it is not refused; then what is already due.
 * stage_enrol(): a new member of program 1; its number.
 * stage_purchase/hold/…(): the command of program 1's member; the result.
 */
enum ledger_result stage_play(struct stage *s, const struct cmd *cmd);
uint64_t stage_enrol(struct stage *s);
enum ledger_result stage_purchase(struct stage *s, uint64_t member, const char *amount);
enum ledger_result stage_redeem(struct stage *s, uint64_t member, const char *points);
enum ledger_result stage_hold(struct stage *s, uint64_t member, const char *points, int64_t ttl_us);	/* 0: default */
enum ledger_result stage_capture(struct stage *s, uint64_t member, struct entry_id hold, const char *points);	/* NULL: all */
enum ledger_result stage_release_hold(struct stage *s, uint64_t member, struct entry_id hold);
enum ledger_result stage_adjust(struct stage *s, uint64_t member, const char *points, const char *last_day);	/* NULL: none */

struct cmd stage_cmd(enum op op, uint64_t member);
struct decimal dec(const char *text);
int32_t day(const char *text);
const struct member *stage_member(struct stage *s, uint64_t member);
struct balance stage_balance(struct stage *s, uint64_t member);
/* Points of the newest entry's grants. */
int64_t stage_granted(const struct stage *s);
/* Applies what is due for the member up to now. */
void stage_roll(struct stage *s, uint32_t program, uint64_t member);
/* Applies an entry to both states (asserted to be right). */
void stage_apply(struct stage *s);

#endif
