/* step.h: one command while it is run: command.c, and command_people.c for what concerns the vault. */
#ifndef FEALTY_SERVICE_STEP_H
#define FEALTY_SERVICE_STEP_H

#include "service/commit.h"

struct step {
	struct commit *c;
	struct work *work;
	struct request *request;
	struct refusal *refusal;
	const struct program *program;		/* NULL: not found */
	struct profile *profile;		/* enrol, opening, profile, birthday, erase; merge: of the one that stays.  Nothing until it is read */
	struct profile *merged;			/* merge: of the one that goes */
	size_t moved_dates;			/* birthdays that it brings */
	bool has_profile, ambiguous, too_many_aliases;
	size_t n_others;
	uint64_t others[LEDGER_OTHERS_MAX];	/* whom it may touch besides its own member */
	bool by_receipt;			/* answered with the entry of another command */
	bool has_id;				/* the answer is about an entry, which is this one */
	struct entry_id id;
};

static inline bool
step_refused(const struct step *s)
{
	return s->refusal->result != LEDGER_OK;
}

/* Who an alias is by now, 0: nobody; who a member is by now, who may have gone into another. */
enum status step_find_alias(struct step *s, const char *alias, uint64_t *ret_member) MUST_CHECK;
enum status step_follow_merges(struct step *s, uint64_t number, uint64_t *ret_member) MUST_CHECK;

/* Whether its fingerprint is keyed with the member's own key. */
bool people_is_personal(enum request_op op);
/* cmd.member and cmd.merged from the aliases of the request. */
enum status people_find(struct step *s) MUST_CHECK;
/* Into *s->profile; has_profile: there is one. */
enum status people_load(struct step *s, uint64_t member) MUST_CHECK;
/* The profiles that the command reads, as they will be. */
enum status people_prepare(struct step *s) MUST_CHECK;
/* What the vault has against it, once decide() has nothing, or only what comes after that. */
enum status people_check(struct step *s) MUST_CHECK;
/* What the entry does to the vault; nothing for most. */
enum status people_write(struct step *s, const struct entry *entry, struct entry_id id) MUST_CHECK;

#endif
