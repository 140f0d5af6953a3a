/*
 * The steps and their order are those of the daemon's service/command.c:
 *
 *   replay of the request id -> program -> who the alias is -> replay of the receipt number -> roll the member forward -> references -> decide ->
 *   profile and aliases -> apply -> roll forward what is over already -> answer
 */
#include "sim.h"

#include <assert.h>
#include <string.h>

#include "apply/apply.h"

struct step {
	struct sim *sim;
	struct sim_call *call;
	struct request *request;
	const struct program *program;		/* NULL: not found */
	struct sim_profile profile;		/* enrol, profile, merge: as it will be */
	size_t moved_dates;			/* merge: birthdays that come */
	bool ambiguous, too_many_aliases;
	struct buf *out;
};

static bool
refused(const struct step *s)
{
	return s->call->refusal.result != LEDGER_OK;
}

/* The entry of an id, from the open transaction or an earlier one; ST_NOTFOUND. */
static enum status
find_entry(struct sim *sim, struct entry_id id, const struct entry **ret_entry)
{
	struct transaction t;
	struct entry *stored;

	if (sim->is_open && sim->open.seq == id.seq) {
		if (id.index >= sim->open.n_entries)
			return ST_NOTFOUND;
		*ret_entry = &sim->open.entries[id.index];
		return ST_OK;
	}
	enum status st = sim_book_entry(&sim->book, id, &sim->scratch, &t, &stored);
	if (st == ST_OK)
		*ret_entry = stored;
	return st;
}

/* The first outcome, with the member as it is now. */
static enum status
answer_again(struct step *s, struct entry_id id)
{
	struct sim *sim = s->sim;
	const struct entry *stored;

	enum status st = find_entry(sim, id, &stored);
	if (st != ST_OK)
		return st;
	struct sim_answer answer = { .replayed = true, .has_id = true, .id = id, .entry = stored, .as_of_us = sim->now_us };
	if (stored->member != 0) {
		answer.program = sim_state_program(&sim->state, stored->program);
		answer.member = sim_state_member(&sim->state, stored->program, stored->member);
	}
	for (size_t i = 0; i < stored->n_touched; i++) {
		if (stored->touched[i].member == stored->member)
			answer.then = &stored->touched[i];
	}
	s->call->replayed = true;
	return sim_answer(sim, &answer, s->out);
}

/* Whether its fingerprint ends with the member: the daemon keys it with the member's own key. */
static bool
is_personal(enum request_op op)
{
	return op == REQUEST_ENROL || op == REQUEST_PROFILE || op == REQUEST_OPENING;
}

static uint64_t
follow_merges(struct sim *sim, uint32_t program, uint64_t number)
{
	const struct member *m = sim_state_member(&sim->state, program, number);

	while (m != NULL && m->merged_into != 0) {
		number = m->merged_into;
		m = sim_state_member(&sim->state, program, number);
	}
	return number;
}

static enum status
check_request_id(struct step *s)
{
	const struct sim_request *first = sim_book_request(&s->sim->book, s->call->principal, s->request->key);

	if (first == NULL)
		return ST_OK;
	bool forgotten = is_personal(s->request->op) && first->member != 0 &&
	    sim_book_profile(&s->sim->book, first->program, follow_merges(s->sim, first->program, first->member)) == NULL;
	if (!forgotten && memcmp(first->fingerprint, s->request->cmd.fingerprint, sizeof(first->fingerprint)) == 0)
		return answer_again(s, first->id);
	sim_refuse(&s->call->refusal, LEDGER_REQUEST_ID_REUSED, "key",
	    "This request id was used for another command, entry %llu.%u. A new command needs a new request id.",
	    (unsigned long long)first->id.seq, first->id.index);
	return ST_OK;
}

uint32_t
sim_find_program(struct sim *sim, const struct request *r, struct refusal *ret_refusal)
{
	uint32_t count = sim->state.n_programs;

	if (r->program != NULL)
		return sim->state.ledger.program_number(&sim->state, r->program);
	if (count > 1)
		sim_refuse(ret_refusal, LEDGER_INVALID_ARGUMENT, "program", "There are %u programs; name the one that is meant.", count);
	return count == 1 ? 1 : 0;
}

uint64_t
sim_member_of(struct sim *sim, uint32_t program, const char *alias)
{
	return follow_merges(sim, program, sim_book_member(&sim->book, program, alias));
}

static bool
is_provisional(const struct step *s, uint64_t number)
{
	const struct member *m = sim_state_member(&s->sim->state, s->request->cmd.program, number);

	return m != NULL && m->provisional;
}

/* Of somebody who is enrolled: that one, which decide() refuses.  Else who has the first alias, and in cmd.merged who has the others. */
static void
find_enrolled(struct step *s)
{
	struct cmd *cmd = &s->request->cmd;

	for (size_t i = 0; i < s->request->n_aliases; i++) {
		uint64_t owner = sim_member_of(s->sim, cmd->program, s->request->aliases[i]);

		if (owner != 0 && !is_provisional(s, owner)) {
			cmd->member = owner;
			cmd->n_merged = 0;
			return;
		}
		if (owner != 0 && i == 0)
			cmd->member = owner;
		else if (owner != 0)
			command_merge(cmd, owner);
	}
}

static void
find_people(struct step *s)
{
	struct request *r = s->request;

	if (r->op == REQUEST_ENROL || r->op == REQUEST_OPENING) {
		find_enrolled(s);
		return;
	}
	r->cmd.member = sim_member_of(s->sim, r->cmd.program, r->member);
	for (size_t i = 0; i < r->n_aliases && r->op == REQUEST_PROFILE && r->cmd.member != 0; i++) {
		uint64_t owner = sim_member_of(s->sim, r->cmd.program, r->aliases[i]);

		if (owner != 0 && is_provisional(s, owner))
			command_merge(&r->cmd, owner);
	}
}

static void
find_names(struct step *s)
{
	struct request *r = s->request;
	struct sim *sim = s->sim;

	if (r->op == REQUEST_PUBLISH) {
		r->cmd.program = sim->state.ledger.program_number(&sim->state, r->cmd.u.publish.id);
		return;
	}
	if (r->op == REQUEST_APPROVER_KEY)
		return;
	r->cmd.program = sim_find_program(sim, r, &s->call->refusal);
	s->program = sim_state_program(&sim->state, r->cmd.program);
	r->cmd.member = 0;
	r->cmd.n_merged = 0;
	if (r->cmd.program == 0)
		return;
	if (r->member != NULL)
		find_people(s);
	if (r->other != NULL && r->op == REQUEST_ENROL)
		r->cmd.u.enrol.referrer = sim_member_of(sim, r->cmd.program, r->other);
	else if (r->other != NULL)
		r->cmd.u.other.member = sim_member_of(sim, r->cmd.program, r->other);
}

/* A purchase's lines at the program's scale; false when they do not fit it: decide() will say so. */
static bool
scaled_lines(const struct step *s, struct entry_line *lines)
{
	const struct cmd *cmd = &s->request->cmd;

	for (size_t i = 0; i < cmd->u.purchase.n_lines; i++) {
		const struct line *l = &cmd->u.purchase.lines[i];
		lines[i] = (struct entry_line){ .sku = l->sku, .category = l->category, .qty = l->qty };
		if (decimal_scale(l->amount, s->program->currency_digits, &lines[i].amount) != DECIMAL_OK)
			return false;
	}
	return true;
}

static enum status
check_receipt(struct step *s)
{
	struct cmd *cmd = &s->request->cmd;
	struct sim *sim = s->sim;
	struct entry_line lines[LEDGER_LINES_MAX];
	uint8_t digest[32];
	int64_t amount, at_us = cmd->has_occurred_at && cmd->occurred_at_us < sim->now_us ? cmd->occurred_at_us : sim->now_us;

	if (cmd->op != OP_PURCHASE || cmd->u.purchase.receipt_no == NULL || cmd->store == NULL || s->program == NULL)
		return ST_OK;
	const struct sim_receipt *first = sim_book_receipt(&sim->book, cmd->program, cmd->store, cmd->u.purchase.receipt_no,
	    zone_day(&s->program->zone, at_us));
	if (first == NULL)
		return ST_OK;
	bool scaled = decimal_scale(cmd->u.purchase.amount, s->program->currency_digits, &amount) == DECIMAL_OK && scaled_lines(s, lines);
	if (first->member == cmd->member && scaled) {
		enum status st = receipt_digest(amount, lines, cmd->u.purchase.n_lines, digest);
		if (st != ST_OK)
			return st;
		if (memcmp(digest, first->digest, sizeof(digest)) == 0)
			return answer_again(s, first->id);
	}
	sim_refuse(&s->call->refusal, LEDGER_RECEIPT_REUSED, "receipt_no",
	    "This store's receipt of that date is entry %llu.%u already, with another member, amount or lines.",
	    (unsigned long long)first->id.seq, first->id.index);
	return ST_OK;
}

/* ---- references ---- */

/* How many commands of the member, or of those that went into it, have the key; the first of them.  For an approval: of anybody. */
static enum status
by_key(const struct step *s, unsigned *ret_n, struct entry_id *ret_id)
{
	const struct request *r = s->request;
	enum status st = ST_OK;

	*ret_n = 0;
	for (const struct sim_request *row = sim_book_reference(&s->sim->book, r->cmd.program, r->reference); row != NULL && st == ST_OK;
	    row = row->same) {
		bool is_its = r->op == REQUEST_APPROVE;

		if (!is_its)
			st = member_became(&s->sim->state.ledger, r->cmd.program, row->member, r->cmd.member, &is_its);
		if (st == ST_OK && is_its && (*ret_n)++ == 0)
			*ret_id = row->id;
	}
	return st;
}

/* An entry's id, or a request id among the member's commands. */
static enum status
find_hold(struct step *s)
{
	struct request *r = s->request;
	struct entry_id id = { 0 }, keyed = { 0 };
	unsigned n;

	const struct member *m = sim_state_member(&s->sim->state, r->cmd.program, r->cmd.member);
	if (m == NULL)
		return ST_OK;
	enum status st = by_key(s, &n, &keyed);
	bool by_id = entry_id_parse(r->reference, &id) && member_made_hold(&s->sim->state.ledger, m, id);
	s->ambiguous = entry_named_twice(n, keyed, by_id, id);
	if (st != ST_OK || s->ambiguous || n + by_id == 0)
		return st;
	r->cmd.u.capture.hold = by_id ? id : keyed;
	r->cmd.u.capture.found = member_made_hold(&s->sim->state.ledger, m, r->cmd.u.capture.hold);
	return ST_OK;
}

/* Whether a command of this kind may name an entry of that: activities and returns purchases, reversals redemptions; approvals are told what of. */
static bool
may_name(enum op op, enum op past)
{
	if (op == OP_APPROVE)
		return true;
	if (op == OP_REVERSE_REDEEM)
		return past == OP_REDEEM || past == OP_CAPTURE;
	return past == OP_PURCHASE;
}

/* *${ret_entry} is NULL unless the id is of an entry of the member that the command may name. */
static enum status
read_past(const struct step *s, struct entry_id id, const struct entry **ret_entry)
{
	const struct cmd *cmd = &s->request->cmd;
	const struct entry *entry;
	bool is_its = false;

	*ret_entry = NULL;
	enum status st = find_entry(s->sim, id, &entry);
	if (st == ST_OK && may_name(cmd->op, entry->op) && entry->program == cmd->program) {
		is_its = cmd->op == OP_APPROVE && entry->member != 0;
		if (cmd->op != OP_APPROVE)
			st = member_became(&s->sim->state.ledger, cmd->program, entry->member, cmd->member, &is_its);
	}
	if (st == ST_OK && is_its)
		*ret_entry = entry;
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* The earlier entry that a command names. */
static enum status
find_past(struct step *s, struct entry_id *ret_id, const struct entry **ret_entry)
{
	struct request *r = s->request;
	const struct entry *entry = NULL;
	struct entry_id id = { 0 }, keyed = { 0 };
	unsigned n;

	if (r->reference == NULL || r->cmd.program == 0 || (r->op != REQUEST_APPROVE && r->cmd.member == 0))
		return ST_OK;
	enum status st = by_key(s, &n, &keyed);
	if (st == ST_OK && entry_id_parse(r->reference, &id))
		st = read_past(s, id, &entry);
	if (st != ST_OK)
		return st;
	s->ambiguous = entry_named_twice(n, keyed, entry != NULL, id);
	if (s->ambiguous || (n == 0 && entry == NULL))
		return ST_OK;
	*ret_id = entry != NULL ? id : keyed;
	if (entry == NULL)
		st = read_past(s, keyed, &entry);
	*ret_entry = entry;
	return st;
}

/* Whose adjust is approved: the member's it is about, or who that one went into. */
static enum status
find_approved(struct step *s)
{
	struct cmd *cmd = &s->request->cmd;
	const struct entry *entry = NULL;

	enum status st = sim_book_make_references(&s->sim->book);
	if (st == ST_OK)
		st = find_past(s, &cmd->u.approve.id, &entry);
	if (st == ST_OK && entry != NULL)
		cmd->member = follow_merges(s->sim, cmd->program, entry->member);
	return st;
}

/* The voucher that the command's word means, if it is one of the member's. */
static void
find_voucher(struct step *s)
{
	struct request *r = s->request;
	const struct member *m = sim_state_member(&s->sim->state, r->cmd.program, r->cmd.member);
	struct voucher_coder coder = sim_voucher_coder(r->cmd.program);
	struct voucher_ref ref = { 0 };
	bool found = m != NULL && voucher_find(m, &coder, r->voucher, &ref);

	if (r->op == REQUEST_HOLD) {
		r->cmd.u.hold.found = found;
		r->cmd.u.hold.voucher = ref;
	} else {
		r->cmd.u.voucher.found = found;
		r->cmd.u.voucher.voucher = ref;
	}
}

/* ---- profiles ---- */

static size_t
alias_index(const struct sim_profile *p, const char *alias)
{
	for (size_t i = 0; i < p->n_aliases; i++) {
		if (strcmp(p->aliases[i], alias) == 0)
			return i;
	}
	return SIZE_MAX;
}

static void
remove_aliases(struct step *s)
{
	struct sim_profile *p = &s->profile;

	for (size_t i = 0; i < s->request->n_remove && !refused(s); i++) {
		size_t at = alias_index(p, s->request->remove[i]);
		if (at == SIZE_MAX)
			sim_refuse(&s->call->refusal, LEDGER_NOT_FOUND, "remove_aliases", "The member has no such alias, so it cannot be removed.");
		else
			p->aliases[at] = p->aliases[--p->n_aliases];
	}
}

static void
add_aliases(struct step *s)
{
	struct sim_profile *p = &s->profile;
	struct request *r = s->request;

	for (size_t i = 0; i < r->n_aliases && !refused(s); i++) {
		if (alias_index(p, r->aliases[i]) != SIZE_MAX)
			continue;
		uint64_t owner = sim_member_of(s->sim, r->cmd.program, r->aliases[i]);
		if (owner != 0 && !command_merges(&r->cmd, owner))
			sim_refuse(&s->call->refusal, LEDGER_ALREADY_EXISTS, "add_aliases",
			    "The alias belongs to a member already; remove it there first.");
		else if (p->n_aliases == SIM_ALIASES_MAX)
			sim_refuse(&s->call->refusal, LEDGER_INVALID_ARGUMENT, "add_aliases", "A member has at most %d aliases.", SIM_ALIASES_MAX);
		else
			p->aliases[p->n_aliases++] = r->aliases[i];
	}
	if (!refused(s) && p->n_aliases == 0)
		sim_refuse(&s->call->refusal, LEDGER_INVALID_ARGUMENT, "remove_aliases", "A member keeps at least one alias.");
}

/* What is wrong with an alias goes before whose profile it is. */
static void
change_aliases(struct step *s)
{
	struct refusal *refusal = &s->call->refusal, ladder = *refusal;

	if (refused(s) && ladder.result != LEDGER_MEMBER_CLOSED && ladder.result != LEDGER_MEMBER_PROVISIONAL)
		return;
	refusal->result = LEDGER_OK;
	remove_aliases(s);
	if (!refused(s))
		add_aliases(s);
	if (!refused(s))
		*refusal = ladder;
}

/* Of a member that the entry made for an alias that nobody had. */
static enum status
write_provisional(struct step *s, const struct entry *entry)
{
	struct sim_profile profile = { .n_aliases = 1, .aliases = { s->request->member } };
	enum status st = sim_book_link(&s->sim->book, entry->program, s->request->member, entry->member);

	return st == ST_OK ? sim_book_put_profile(&s->sim->book, entry->program, entry->member, &profile) : st;
}

/* Without a profile its personal commands are nobody's replays any more, nor those of members that went into it. */
static enum status
forget(struct step *s, const struct entry *entry)
{
	struct sim_book *book = &s->sim->book;
	enum status st = ST_OK;

	for (size_t i = 0; i < s->profile.n_aliases && st == ST_OK; i++)
		st = sim_book_link(book, entry->program, s->profile.aliases[i], 0);
	return st == ST_OK ? sim_book_forget(book, entry->program, entry->member) : st;
}

static enum status
write_profile(struct step *s, const struct entry *entry)
{
	struct request *r = s->request;
	struct sim_book *book = &s->sim->book;
	enum status st = ST_OK;

	for (size_t i = 0; i < r->n_remove && st == ST_OK; i++)
		st = sim_book_link(book, entry->program, r->remove[i], 0);
	for (size_t i = 0; i < r->n_aliases && st == ST_OK; i++)
		st = sim_book_link(book, entry->program, r->aliases[i], entry->member);
	if (r->has_segments) {
		assert(r->n_segments <= SIM_SEGMENTS_MAX);
		s->profile.n_segments = r->n_segments;
		for (size_t i = 0; i < r->n_segments; i++)
			s->profile.segments[i] = r->segments[i];
	}
	if (r->has_birthday)
		birthday_enter(s->profile.dates, &s->profile.n_dates, r->birthday_month, r->birthday_day, entry->business_date);
	if (st == ST_OK)
		st = sim_book_put_profile(book, entry->program, entry->member, &s->profile);
	if (st == ST_OK && r->has_birthday)
		st = sim_due_birthday(&s->sim->due, entry->program, entry->member, r->birthday_month, r->birthday_day);
	return st;
}

/* The profile that stays takes the aliases, and the birthday and segments if it has none. */
static void
load_merged(struct step *s)
{
	const struct cmd *cmd = &s->request->cmd;
	const struct sim_profile *into = sim_book_profile(&s->sim->book, cmd->program, cmd->u.other.member);
	const struct sim_profile *from = sim_book_profile(&s->sim->book, cmd->program, cmd->member);
	struct sim_profile *p = &s->profile;

	*p = into != NULL ? *into : (struct sim_profile){ 0 };
	if (from == NULL)
		return;
	s->moved_dates = p->n_dates == 0 ? from->n_dates : 0;
	if (p->n_dates == 0) {
		memcpy(p->dates, from->dates, sizeof(p->dates));
		p->n_dates = from->n_dates;
	}
	if (p->n_segments == 0) {
		memcpy(p->segments, from->segments, sizeof(p->segments));
		p->n_segments = from->n_segments;
	}
	s->too_many_aliases = p->n_aliases + from->n_aliases > SIM_ALIASES_MAX;
	for (size_t i = 0; i < from->n_aliases && !s->too_many_aliases; i++)
		p->aliases[p->n_aliases++] = from->aliases[i];
}

static enum status
write_merged(struct step *s, const struct entry *entry)
{
	const struct sim_profile none = { 0 };
	struct sim_book *book = &s->sim->book;
	enum status st = sim_book_put_profile(book, entry->program, entry->member, &s->profile);

	if (st == ST_OK)
		st = sim_book_put_profile(book, entry->program, entry->u.other.member, &none);
	for (size_t i = 0; i < s->moved_dates && st == ST_OK; i++)
		st = sim_due_birthday(&s->sim->due, entry->program, entry->member, s->profile.dates[i].month, s->profile.dates[i].day);
	return st;
}

/* ---- deciding ---- */

/* The aliases that it has, and those that are named. */
static void
prepare_enrolment(struct step *s, const struct sim_profile *profile)
{
	struct request *r = s->request;
	struct sim_profile *p = &s->profile;

	r->cmd.n_segments = r->n_segments;
	r->cmd.segments = r->segments;
	if (profile != NULL)
		*p = *profile;
	for (size_t i = 0; i < r->n_aliases; i++) {
		if (alias_index(p, r->aliases[i]) == SIZE_MAX && p->n_aliases < SIM_ALIASES_MAX)
			p->aliases[p->n_aliases++] = r->aliases[i];
	}
}

static enum status
prepare(struct step *s)
{
	struct request *r = s->request;
	bool asks = is_personal(r->op) || r->op == REQUEST_BIRTHDAY || r->op == REQUEST_ERASE || (s->program != NULL && s->program->names_segments);
	const struct sim_profile *profile = asks && r->cmd.member != 0 ? sim_book_profile(&s->sim->book, r->cmd.program, r->cmd.member) : NULL;

	if (profile != NULL) {
		r->cmd.n_segments = profile->n_segments;
		r->cmd.segments = profile->segments;
	}
	if (r->op == REQUEST_ACTIVITY) {
		const struct entry *purchase = NULL;
		enum status st = find_past(s, &r->cmd.u.activity.purchase, &purchase);
		r->cmd.u.activity.found = purchase != NULL;
		return st;
	}
	if (r->op == REQUEST_RETURN || r->op == REQUEST_REVERSE_REDEEM)
		return find_past(s, &r->cmd.u.past.id, &r->cmd.u.past.entry);
	if (r->op == REQUEST_APPROVE) {
		r->cmd.u.approve.verified = true;		/* nothing is signed here that a signature could be of */
		return find_past(s, &r->cmd.u.approve.id, &r->cmd.u.approve.entry);
	}
	if (r->op == REQUEST_CAPTURE || r->op == REQUEST_RELEASE)
		return find_hold(s);
	if (r->voucher != NULL)
		find_voucher(s);
	if (r->op == REQUEST_MERGE && r->cmd.member != 0 && r->cmd.u.other.member != 0) {
		load_merged(s);
	} else if (r->op == REQUEST_ENROL || r->op == REQUEST_OPENING) {
		prepare_enrolment(s, profile);
	} else if ((r->op == REQUEST_PROFILE || r->op == REQUEST_ERASE) && profile != NULL) {
		s->profile = *profile;
	} else if (r->op == REQUEST_BIRTHDAY && profile != NULL) {
		r->cmd.u.birthday.n_dates = profile->n_dates;
		memcpy(r->cmd.u.birthday.dates, profile->dates, sizeof(profile->dates));
	}
	return ST_OK;
}

static void
refuse_too_large(struct step *s)
{
	sim_refuse(&s->call->refusal, LEDGER_TOO_LARGE, NULL, s->sim->exclusive ? "The atomic batch does not fit one transaction; split it."
	    : "The command does not fit one transaction; give it fewer lines.");
}

static enum status
decide_and_apply(struct step *s, struct entry_id *ret_id, struct entry **ret_entry)
{
	struct sim *sim = s->sim;
	struct request *r = s->request;
	struct refusal *refusal = &s->call->refusal;
	struct entry decided;

	enum status st = decide(&sim->state.ledger, &r->cmd, sim->now_us, &sim->scratch, &decided, refusal);
	if (st != ST_OK)
		return st;
	if (s->ambiguous && refusal->result == LEDGER_NOT_FOUND && refusal->field != NULL && strcmp(refusal->field, "member") != 0)
		sim_refuse(refusal, LEDGER_INVALID_ARGUMENT, refusal->field,
		    "More than one command there has this request id: name the one that is meant by its id.");
	voucher_explain(r->voucher, refusal);
	if (r->op == REQUEST_PROFILE)
		change_aliases(s);
	if (!refused(s) && s->too_many_aliases)
		sim_refuse(refusal, LEDGER_CAP_REACHED, "into", "The two have more than %d aliases together; remove some first.", SIM_ALIASES_MAX);
	bool fits = true;
	if (!refused(s))
		st = sim_entry_fits(sim, &decided, &fits);
	if (!fits)
		refuse_too_large(s);
	if (st != ST_OK || refused(s))
		return st;
	st = sim_apply(sim, &decided, ret_id, ret_entry);
	if (st == ST_OK && r->op == REQUEST_MERGE)
		st = write_merged(s, *ret_entry);
	if (st == ST_OK && is_personal(r->op))
		st = write_profile(s, *ret_entry);
	if (st == ST_OK && (*ret_entry)->provisional)
		st = write_provisional(s, *ret_entry);
	if (st == ST_OK && r->op == REQUEST_ERASE)
		st = forget(s, *ret_entry);
	if (st == ST_OK && r->op == REQUEST_PUBLISH)
		s->call->file->published = true;
	return st;
}

/* A birthday entered on the day itself, or inside its window: its midnight has gone by, and nothing else would come back to it. */
static enum status
catch_up_birthday(struct step *s, const struct entry *entry)
{
	struct sim *sim = s->sim;
	int32_t today = entry->member == 0 || !s->request->has_birthday ? DAY_NONE : zone_day(&s->program->zone, sim->now_us);

	int32_t birthday = today == DAY_NONE ? DAY_NONE : sim_due_birthday_of(&sim->due, entry->program, entry->member, today);
	if (birthday == DAY_NONE)
		return ST_OK;
	struct due due = { .kind = DUE_BIRTHDAY, .at_us = zone_midnight_us(&s->program->zone, today), .birthday = birthday };
	return sim_run_due(sim, entry->program, entry->member, &due);
}

static enum status
answer_now(struct step *s, struct entry_id id, const struct entry *entry)
{
	const struct refusal *refusal = &s->call->refusal;
	struct sim_answer answer = {
		.refusal = refusal, .has_id = entry != NULL, .id = id, .entry = entry, .program = s->program, .as_of_us = s->sim->now_us,
		.terminal = s->sim->terminal_note,
	};
	uint64_t number = entry != NULL ? entry->member : s->request->cmd.member;

	/* RULINGS section 2: from CLOCK_SKEW on a refusal shows the member's balance. */
	if (number != 0 && (refusal->result == LEDGER_OK || refusal->result >= LEDGER_CLOCK_SKEW))
		answer.member = sim_state_member(&s->sim->state, s->request->cmd.program, number);
	return sim_answer(s->sim, &answer, s->out);
}

/* Members that it names or may touch besides its own. */
static enum status
roll_others(struct step *s)
{
	const struct cmd *cmd = &s->request->cmd;
	uint64_t others[LEDGER_OTHERS_MAX];
	size_t n;
	enum status st = command_others(&s->sim->state.ledger, cmd, others, &n);

	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = sim_roll(s->sim, cmd->program, others[i], s->sim->now_us);
	return st;
}

/* By what it is about. */
static bool
may_touch_more(enum request_op op)
{
	return op == REQUEST_CAPTURE || op == REQUEST_RELEASE || op == REQUEST_REVERSE_REDEEM || op == REQUEST_RETURN;
}

/* The entry and what follows from it.  *${ret_entry} stays NULL when there is none. */
static enum status
run_open(struct step *s, struct entry_id *ret_id, struct entry **ret_entry)
{
	struct request *r = s->request;
	struct entry *entry = NULL;

	enum status st = sim_roll(s->sim, r->cmd.program, r->cmd.member, s->sim->now_us);
	if (st == ST_OK && r->reference != NULL)
		st = sim_book_make_references(&s->sim->book);
	if (st == ST_OK)
		st = roll_others(s);
	if (st == ST_OK)
		st = prepare(s);
	if (st == ST_OK && may_touch_more(r->op)) {		/* known now; rolling them forward may move what was looked up */
		st = roll_others(s);
		if (st == ST_OK)
			st = prepare(s);
	}
	if (st == ST_OK)
		st = decide_and_apply(s, ret_id, &entry);
	uint32_t index = ret_id->index;
	if (st == ST_OK && entry != NULL)
		st = catch_up_birthday(s, entry);
	for (size_t i = 0; st == ST_OK && entry != NULL && i < s->sim->open.entries[index].n_touched; i++)
		st = sim_roll(s->sim, r->cmd.program, s->sim->open.entries[index].touched[i].member, s->sim->now_us);
	if (st == ST_OK && entry != NULL)
		*ret_entry = &s->sim->open.entries[index];		/* the roll may have moved them */
	return st;
}

static enum status
run_decision(struct step *s)
{
	struct entry *entry = NULL;
	struct entry_id id = { 0 };
	enum status st = run_open(s, &id, &entry);

	if (st == ST_TOO_LARGE) {		/* of an atomic batch, which is undone */
		refuse_too_large(s);
		st = ST_OK;
	}
	return st == ST_OK ? answer_now(s, id, entry) : st;
}

static enum status
run(struct step *s)
{
	struct sim_call *call = s->call;

	enum status st = check_request_id(s);
	if (st != ST_OK || call->replayed)
		return st;
	if (!refused(s) && s->request->op == REQUEST_PUBLISH && call->file == NULL)
		sim_refuse(&call->refusal, LEDGER_NOT_FOUND, "program", "No further version of this program was given with --program.");
	if (!refused(s)) {
		if (call->file != NULL)
			sim_publish_cmd(&s->request->cmd, call->file);
		find_names(s);
	}
	if (!refused(s) && s->request->op == REQUEST_APPROVE)
		st = find_approved(s);
	if (st == ST_OK && !refused(s))
		st = check_receipt(s);
	if (st != ST_OK || call->replayed)
		return st;
	if (refused(s))
		return answer_now(s, (struct entry_id){ 0 }, NULL);
	return run_decision(s);
}

const uint8_t sim_key[HASH_KEY_BYTES] = { 0 };

void
sim_fingerprint(struct request *request)
{
	if (request_op_writes(request->op))
		hash_keyed(request->cmd.fingerprint, sim_key, request->canonical);
}

/* A simulation signs nothing and has no log. */
static bool
is_daemons(enum request_op op)
{
	return op == REQUEST_CLOCK_ACCEPT || op == REQUEST_ROTATE_KEY || op == REQUEST_SUBSCRIBE || op == REQUEST_CHECKPOINT || op == REQUEST_PROOF ||
	    op == REQUEST_TERMINALS || op == REQUEST_VAULT || op == REQUEST_SCRUB || op == REQUEST_PERSON;
}

/* What the daemon's service/terminal.c does: an entry says which numbers before it were refused in its own batch. */
static enum status
before_numbered(struct sim *sim, struct cmd *cmd)
{
	struct terminal_name name;

	sim->terminal_note = (struct terminal_note){ .gap = 0 };
	if (cmd->terminal_seq == 0 || !terminal_name_set(&name, cmd->store, cmd->terminal))
		return ST_OK;
	if (strcmp(name.store, sim->refused_of.store) != 0 || strcmp(name.terminal, sim->refused_of.terminal) != 0)
		sim->n_refused = 0;
	sim->refused_of = name;
	if (sim->n_refused == 0)
		return ST_OK;
	struct seq_range *all = arena_alloc(&sim->scratch, LEDGER_REFUSED_MAX * sizeof(*all));
	if (all == NULL)
		return ST_NOMEM;
	size_t n = seq_ranges_join(cmd->refused, cmd->n_refused, sim->refused, sim->n_refused, all);
	cmd->n_refused = seq_ranges_below(all, n, cmd->terminal_seq);
	cmd->refused = all;
	return ST_OK;
}

static void
after_numbered(struct sim *sim, const struct cmd *cmd, const struct refusal *refusal)
{
	struct seq_range own = { cmd->terminal_seq, cmd->terminal_seq };

	if (cmd->terminal_seq == 0)
		return;
	sim->n_refused = refusal->result == LEDGER_OK ? 0 : seq_ranges_join(cmd->refused, cmd->n_refused, &own, 1, sim->refused);
}

enum status
sim_play(struct sim *sim, struct sim_call *call, struct buf *out)
{
	struct step s = { .sim = sim, .call = call, .request = call->request, .out = out };

	if (call->refusal.result != LEDGER_OK)
		return sim_refusal(sim, &call->refusal, out);
	if (is_daemons(call->request->op)) {
		sim_refuse(&call->refusal, LEDGER_INVALID_ARGUMENT, "op", "`%s` is a daemon's; a simulation has nothing of it.",
		    request_op_str(call->request->op));
		return sim_refusal(sim, &call->refusal, out);
	}
	if (!request_op_writes(call->request->op))
		return sim_query(sim, call, out);
	call->request->cmd.principal = call->principal;
	call->request->cmd.request_id = call->request->key;
	enum status st = before_numbered(sim, &call->request->cmd);
	if (st == ST_OK)
		st = run(&s);
	after_numbered(sim, &call->request->cmd, &call->refusal);
	return st;
}
