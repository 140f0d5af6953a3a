/* sim_due.h: what falls due for which member next: a queue of instants, and a calendar of birthdays. */
#ifndef FEALTY_TOOLS_SIM_DUE_H
#define FEALTY_TOOLS_SIM_DUE_H

#include "sim_book.h"
#include "sim_state.h"

/* Hold time-outs of one instant come before all else at it. */
enum sim_due_class { SIM_DUE_HOLDS, SIM_DUE_NIGHT };
struct sim_due_row {
	int64_t at_us;
	enum sim_due_class class;
	uint32_t program;
	uint64_t member;
	bool is_birthday;		/* the calendar names the member for that day */
};

struct sim_due {
	const struct sim_state *state;
	const struct sim_book *book;
	struct sim_due_row *heap;
	size_t n, cap;
	uint32_t n_programs;
	struct sim_due_program *programs;
};

void sim_due_init(struct sim_due *due, const struct sim_state *state, const struct sim_book *book);
void sim_due_release(struct sim_due *due);

/* A member's record has changed. */
enum status sim_due_member(struct sim_due *due, const struct member *m) MUST_CHECK;
/* A member has a birthday on this day of the year, perhaps not any more: the profile is always asked again. */
enum status sim_due_birthday(struct sim_due *due, uint32_t program, uint64_t member, int month, int day) MUST_CHECK;

/* The member's birthday whose reward comes on ${day}; DAY_NONE. */
int32_t sim_due_birthday_of(const struct sim_due *due, uint32_t program, uint64_t member, int32_t day);

/**
 * sim_due_next(due, now_us, until_us, ret_row):
 * The first row up to ${until_us}, which it takes out, in RULINGS' order of a night; ST_NOTFOUND.  A calendar begins at the day of
 * ${now_us} when it is asked first.
 */
enum status sim_due_next(struct sim_due *due, int64_t now_us, int64_t until_us, struct sim_due_row *ret_row) MUST_CHECK;

#endif
