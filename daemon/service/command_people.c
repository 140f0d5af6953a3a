/**
 * The people that a command is about: who an alias is, and what the vault keeps of them.  A provisional member has one alias and a key that
 * nothing is keyed with, so its row goes when it goes into another member; one that a merge took keeps its row, whose key the
 * fingerprint of its enrolment needs, until it is forgotten with the member that it went into.
 */
#include <assert.h>
#include <string.h>

#include "service/step.h"

/* Who a member is by now: it may have gone into another. */
enum status
step_follow_merges(struct step *s, uint64_t number, uint64_t *ret_member)
{
	const struct ledger_state *state = apply_state(s->c->apply);
	const struct member *m = NULL;
	enum status st = ST_OK;

	while (st == ST_OK && number != 0) {
		*ret_member = number;
		st = state->member(state->ctx, s->request->cmd.program, number, &m);
		number = m == NULL ? 0 : m->merged_into;
	}
	return st;
}

/* Who an alias is: it stays with the member it was given to.  0: nobody. */
enum status
step_find_alias(struct step *s, const char *alias, uint64_t *ret_member)
{
	uint64_t number = 0;
	enum status st = vault_find(s->c->service->vault, s->request->cmd.program, alias, &number);

	*ret_member = 0;
	if (st == ST_OK)
		st = step_follow_merges(s, number, ret_member);
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* ---- who the aliases of an enrolment are ---- */

static enum status
is_provisional(struct step *s, uint64_t number, bool *ret)
{
	const struct ledger_state *state = apply_state(s->c->apply);
	const struct member *m = NULL;
	enum status st = state->member(state->ctx, s->request->cmd.program, number, &m);

	*ret = m != NULL && m->provisional;
	return st;
}

/* Of somebody who is enrolled: that one, which decide() refuses.  Else who has the first alias, and in cmd.merged who has the others. */
static enum status
find_enrolled(struct step *s)
{
	struct request *r = s->request;
	bool provisional = true;
	enum status st = ST_OK;

	for (size_t i = 0; i < r->n_aliases && st == ST_OK; i++) {
		uint64_t owner = 0;

		st = step_find_alias(s, r->aliases[i], &owner);
		if (st == ST_OK && owner != 0)
			st = is_provisional(s, owner, &provisional);
		if (st != ST_OK || owner == 0)
			continue;
		if (!provisional) {
			r->cmd.member = owner;
			r->cmd.n_merged = 0;
			return ST_OK;
		}
		if (i == 0)
			r->cmd.member = owner;
		else
			command_merge(&r->cmd, owner);
	}
	return st;
}

/* A profile's further aliases may be provisional members'. */
static enum status
find_added(struct step *s)
{
	struct request *r = s->request;
	enum status st = ST_OK;

	for (size_t i = 0; i < r->n_aliases && st == ST_OK && r->cmd.member != 0; i++) {
		uint64_t owner = 0;
		bool provisional = false;

		st = step_find_alias(s, r->aliases[i], &owner);
		if (st == ST_OK && owner != 0 && owner != r->cmd.member)
			st = is_provisional(s, owner, &provisional);
		if (st == ST_OK && provisional)
			command_merge(&r->cmd, owner);
	}
	return st;
}

enum status
people_find(struct step *s)
{
	struct request *r = s->request;

	if (r->op == REQUEST_ENROL || r->op == REQUEST_OPENING)
		return find_enrolled(s);
	enum status st = step_find_alias(s, r->member, &r->cmd.member);
	return st == ST_OK && r->op == REQUEST_PROFILE ? find_added(s) : st;
}

/* ---- profiles ---- */

bool
people_is_personal(enum request_op op)
{
	return op == REQUEST_ENROL || op == REQUEST_PROFILE || op == REQUEST_OPENING;
}

enum status
people_load(struct step *s, uint64_t member)
{
	enum status st = vault_profile(s->c->service->vault, s->request->cmd.program, member, &s->work->arena, s->profile);

	s->has_profile = st == ST_OK;
	return st == ST_NOTFOUND ? ST_OK : st;
}


static size_t
alias_index(const struct profile *p, const char *alias)
{
	for (size_t i = 0; i < p->n_aliases; i++) {
		if (strcmp(p->aliases[i], alias) == 0)
			return i;
	}
	return SIZE_MAX;
}

/* Whether the aliases of a `profile` may be added and removed, and the profile as it will be. */
static enum status
change_aliases(struct step *s)
{
	struct request *r = s->request;
	struct profile *p = s->profile;
	uint64_t owner;

	for (size_t i = 0; i < r->n_remove; i++) {
		size_t at = alias_index(p, r->remove[i]);
		if (at == SIZE_MAX) {
			refusal_set(s->refusal, LEDGER_NOT_FOUND, "remove_aliases", "The member has no such alias, so it cannot be removed.");
			return ST_OK;
		}
		p->aliases[at] = p->aliases[--p->n_aliases];
	}
	for (size_t i = 0; i < r->n_aliases; i++) {
		if (alias_index(p, r->aliases[i]) != SIZE_MAX)
			continue;
		enum status st = step_find_alias(s, r->aliases[i], &owner);
		if (st != ST_OK)
			return st;
		if (owner != 0 && !command_merges(&r->cmd, owner)) {
			refusal_set(s->refusal, LEDGER_ALREADY_EXISTS, "add_aliases", "The alias belongs to a member already; remove it there first.");
			return ST_OK;
		}
		if (p->n_aliases == PROFILE_ALIASES_MAX) {
			refusal_set(s->refusal, LEDGER_INVALID_ARGUMENT, "add_aliases", "A member has at most %d aliases.", PROFILE_ALIASES_MAX);
			return ST_OK;
		}
		p->aliases[p->n_aliases++] = r->aliases[i];
	}
	if (p->n_aliases == 0)
		refusal_set(s->refusal, LEDGER_INVALID_ARGUMENT, "remove_aliases", "A member keeps at least one alias.");
	return ST_OK;
}

/* ---- writing ---- */

static enum status
write_profile(struct step *s, const struct entry *entry, struct entry_id id)
{
	struct request *r = s->request;
	struct vault *vault = s->c->service->vault;
	enum status st = ST_OK;

	for (size_t i = 0; i < r->n_remove && st == ST_OK; i++)
		st = vault_unlink(vault, entry->program, r->remove[i], id.seq);
	for (size_t i = 0; i < r->n_aliases && st == ST_OK; i++)
		st = vault_link(vault, entry->program, r->aliases[i], entry->member, id.seq);
	for (size_t i = 0; i < entry->n_merged && st == ST_OK; i++)
		st = vault_forget(vault, entry->program, entry->merged[i], id.seq);
	if (r->has_segments) {
		s->profile->n_segments = r->n_segments;
		for (size_t i = 0; i < r->n_segments; i++)
			s->profile->segments[i] = r->segments[i];
	}
	if (r->has_birthday)
		birthday_enter(s->profile->dates, &s->profile->n_dates, r->birthday_month, r->birthday_day, entry->business_date);
	if (st == ST_OK)
		st = vault_put_profile(vault, entry->program, entry->member, id.seq, s->profile);
	if (st == ST_OK && r->has_birthday)
		st = calendar_add(s->c->calendar, entry->program, entry->member, r->birthday_month, r->birthday_day);
	return st;
}

/* Of a member that the entry made for an alias that nobody had. */
static enum status
write_provisional(struct step *s, const struct entry *entry, struct entry_id id)
{
	struct vault *vault = s->c->service->vault;

	vault_profile_init(s->profile);
	s->profile->aliases[s->profile->n_aliases++] = s->request->member;
	enum status st = vault_link(vault, entry->program, s->request->member, entry->member, id.seq);
	return st == ST_OK ? vault_put_profile(vault, entry->program, entry->member, id.seq, s->profile) : st;
}

/* The calendar may name it still: whoever asks it looks for the profile. */
static enum status
forget(struct step *s, const struct entry *entry, struct entry_id id)
{
	struct vault *vault = s->c->service->vault;
	enum status st = ST_OK;

	for (size_t i = 0; i < s->profile->n_aliases && st == ST_OK; i++)
		st = vault_unlink(vault, entry->program, s->profile->aliases[i], id.seq);
	for (size_t i = 0; i < s->profile->n_absorbed && st == ST_OK; i++)
		st = vault_forget(vault, entry->program, s->profile->absorbed[i], id.seq);
	return st == ST_OK ? vault_forget(vault, entry->program, entry->member, id.seq) : st;
}

/* ---- merges ---- */

/* Whose rows are to be forgotten with the one that stays. */
static void
absorb_profile(struct profile *into, struct profile *from, uint64_t number)
{
	into->absorbed[into->n_absorbed++] = number;
	for (size_t i = 0; i < from->n_absorbed; i++)
		into->absorbed[into->n_absorbed++] = from->absorbed[i];
	from->n_absorbed = 0;
}

/* What the two profiles of a merge become: the one that stays takes the aliases, and the birthday and segments if it has none. */
static enum status
load_merged(struct step *s)
{
	const struct cmd *cmd = &s->request->cmd;
	struct vault *vault = s->c->service->vault;
	struct profile *into = s->profile, *from = s->merged;

	vault_profile_init(into);
	vault_profile_init(from);
	enum status st = vault_profile(vault, cmd->program, cmd->u.other.member, &s->work->arena, into);
	if (st == ST_OK || st == ST_NOTFOUND)
		st = vault_profile(vault, cmd->program, cmd->member, &s->work->arena, from);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	s->moved_dates = into->n_dates == 0 ? from->n_dates : 0;
	if (into->n_dates == 0) {
		memcpy(into->dates, from->dates, sizeof(into->dates));
		into->n_dates = from->n_dates;
	}
	if (into->n_segments == 0) {
		memcpy(into->segments, from->segments, sizeof(into->segments));
		into->n_segments = from->n_segments;
	}
	s->too_many_aliases = into->n_aliases + from->n_aliases > PROFILE_ALIASES_MAX;
	for (size_t i = 0; i < from->n_aliases && !s->too_many_aliases; i++)
		into->aliases[into->n_aliases++] = from->aliases[i];
	s->too_many_aliases |= into->n_absorbed + from->n_absorbed + 1 > PROFILE_ABSORBED_MAX;
	if (!s->too_many_aliases)
		absorb_profile(into, from, cmd->member);
	from->n_aliases = from->n_segments = from->n_dates = 0;
	return ST_OK;
}

static void
check_merge(struct step *s)
{
	if (s->too_many_aliases)
		refusal_set(s->refusal, LEDGER_CAP_REACHED, "into", "The two have more than %d aliases together, or went into each other as often; remove some first.",
		    PROFILE_ALIASES_MAX);
}

static enum status
write_merged(struct step *s, const struct entry *entry, struct entry_id id)
{
	struct vault *vault = s->c->service->vault;
	enum status st = vault_put_profile(vault, entry->program, entry->member, id.seq, s->profile);

	if (st == ST_OK)
		st = vault_put_profile(vault, entry->program, entry->u.other.member, id.seq, s->merged);
	for (size_t i = 0; i < s->moved_dates && st == ST_OK; i++)
		st = calendar_add(s->c->calendar, entry->program, entry->member, s->profile->dates[i].month, s->profile->dates[i].day);
	return st;
}

/* ---- what a command asks for ---- */

/* Those that it has, and those that are named. */
static enum status
prepare_enrolment(struct step *s)
{
	struct request *r = s->request;
	struct profile *p = s->profile;

	r->cmd.n_segments = r->n_segments;
	r->cmd.segments = r->segments;
	vault_profile_init(p);
	enum status st = r->cmd.member == 0 ? ST_OK : people_load(s, r->cmd.member);
	for (size_t i = 0; i < r->n_aliases && st == ST_OK; i++) {
		if (alias_index(p, r->aliases[i]) == SIZE_MAX && p->n_aliases < PROFILE_ALIASES_MAX)
			p->aliases[p->n_aliases++] = r->aliases[i];
	}
	return st;
}

static enum status
prepare_profile(struct step *s)
{
	struct request *r = s->request;

	vault_profile_init(s->profile);	/* for a member that the vault does not know: never a key that others know */
	enum status st = r->cmd.member == 0 ? ST_OK : people_load(s, r->cmd.member);
	if (r->op == REQUEST_BIRTHDAY) {
		r->cmd.u.birthday.n_dates = s->profile->n_dates;
		memcpy(r->cmd.u.birthday.dates, s->profile->dates, sizeof(s->profile->dates));
		r->cmd.u.birthday.given = DAY_NONE;
	}
	return st;
}

enum status
people_prepare(struct step *s)
{
	const struct request *r = s->request;

	if (r->op == REQUEST_MERGE)
		return r->cmd.member == 0 || r->cmd.u.other.member == 0 ? ST_OK : load_merged(s);
	return r->op == REQUEST_ENROL || r->op == REQUEST_OPENING ? prepare_enrolment(s) : prepare_profile(s);
}

/* What is wrong with an alias goes before whose profile it is. */
static enum status
check_profile(struct step *s)
{
	struct refusal ladder = *s->refusal;

	if (step_refused(s) && ladder.result != LEDGER_MEMBER_CLOSED && ladder.result != LEDGER_MEMBER_PROVISIONAL)
		return ST_OK;
	s->refusal->result = LEDGER_OK;
	enum status st = change_aliases(s);
	if (!step_refused(s))
		*s->refusal = ladder;
	return st;
}

enum status
people_check(struct step *s)
{
	if (s->request->op == REQUEST_MERGE && !step_refused(s))
		check_merge(s);
	return s->request->op == REQUEST_PROFILE ? check_profile(s) : ST_OK;
}

enum status
people_write(struct step *s, const struct entry *entry, struct entry_id id)
{
	if (entry->provisional)
		return write_provisional(s, entry, id);
	if (people_is_personal(s->request->op))
		return write_profile(s, entry, id);
	if (s->request->op == REQUEST_ERASE)
		return forget(s, entry, id);
	return s->request->op == REQUEST_MERGE ? write_merged(s, entry, id) : ST_OK;
}
