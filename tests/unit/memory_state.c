/* Rows are found by walking: a test has few. */
#include "memory_state.h"

#include <assert.h>
#include <string.h>

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

static struct memory_program *
program_row(struct memory_state *ms, uint32_t program)
{
	assert(program >= 1 && program <= MEMORY_PROGRAMS_MAX);
	return &ms->programs[program - 1];
}

struct member *
memory_member(struct memory_state *ms, uint32_t program, uint64_t number)
{
	for (size_t i = 0; i < ms->n_members; i++) {
		if (ms->members[i]->program == program && ms->members[i]->number == number)
			return ms->members[i];
	}
	return NULL;
}

static enum status
on_member(void *ctx, uint32_t program, uint64_t number, const struct member **ret)
{
	struct memory_state *ms = ctx;
	struct member *looked, *m = memory_member(ms, program, number);

	*ret = m;
	if (m == NULL || member_is_looked(&ms->state, m))
		return ST_OK;
	looked = arena_alloc(&ms->arena, sizeof(*m));
	assert(looked != NULL);
	*looked = *m;
	member_look(&ms->state, looked);
	*ret = looked;
	return ST_OK;
}

static const struct program *
on_program_version(void *ctx, uint32_t program, uint32_t version)
{
	struct memory_state *ms = ctx;

	if (program < 1 || program > ms->n_programs || version < 1 || version > ms->programs[program - 1].n_versions)
		return NULL;
	return ms->programs[program - 1].versions[version - 1];
}

static const struct program *
on_program_at(void *ctx, uint32_t program, int64_t at_us)
{
	struct memory_state *ms = ctx;
	const struct program *found = NULL;

	for (uint32_t v = 1; program >= 1 && program <= ms->n_programs && v <= ms->programs[program - 1].n_versions; v++) {
		const struct program *p = on_program_version(ctx, program, v);
		if (p->in_force_us <= at_us)
			found = p;
	}
	return found;
}

static uint32_t
on_program_number(void *ctx, const char *id)
{
	struct memory_state *ms = ctx;

	for (uint32_t i = 0; i < ms->n_programs; i++) {
		if (ms->programs[i].n_versions > 0 && strcmp(ms->programs[i].versions[0]->id, id) == 0)
			return i + 1;
	}
	return 0;
}

static uint32_t
on_program_count(void *ctx)
{
	return ((struct memory_state *)ctx)->n_programs;
}

static enum status
on_closed_hold(void *ctx, struct entry_id id, struct closed_hold *ret)
{
	struct memory_state *ms = ctx;

	for (size_t i = 0; i < ms->n_closed; i++) {
		if (ms->closed[i].id.seq == id.seq && ms->closed[i].id.index == id.index) {
			*ret = ms->closed[i].hold;
			return ST_OK;
		}
	}
	return ST_NOTFOUND;
}

static enum status
on_followup(void *ctx, struct entry_id id, const struct followup **ret)
{
	struct memory_state *ms = ctx;

	for (size_t i = 0; i < ms->n_followups; i++) {
		if (ms->followups[i].entry.seq == id.seq && ms->followups[i].entry.index == id.index) {
			*ret = &ms->followups[i];
			return ST_OK;
		}
	}
	return ST_NOTFOUND;
}

/* Through its bytes, so that every test that has one tries them too. */
static enum status
on_put_followup(void *ctx, const struct followup *f)
{
	struct memory_state *ms = ctx;
	struct followup *row = NULL;
	struct buf bytes;

	for (size_t i = 0; i < ms->n_followups && row == NULL; i++) {
		if (ms->followups[i].entry.seq == f->entry.seq && ms->followups[i].entry.index == f->entry.index)
			row = &ms->followups[i];
	}
	if (row == NULL) {
		assert(ms->n_followups < MEMORY_FOLLOWUPS_MAX);
		row = &ms->followups[ms->n_followups++];
	}
	buf_init(&bytes);
	followup_encode(f, &bytes);
	enum status st = followup_decode(buf_bytes(&bytes), &ms->arena, row);
	buf_release(&bytes);
	row->entry = f->entry;
	return st;
}

static enum status
on_approver(void *ctx, const char *principal, struct approver *ret)
{
	struct memory_state *ms = ctx;

	for (size_t i = 0; i < ms->n_approvers; i++) {
		if (strcmp(ms->approvers[i].principal, principal) == 0) {
			*ret = ms->approvers[i].approver;
			return ST_OK;
		}
	}
	return ST_NOTFOUND;
}

static enum status
on_put_approver(void *ctx, const char *principal, const struct approver *approver)
{
	struct memory_state *ms = ctx;
	size_t at = 0;

	while (at < ms->n_approvers && strcmp(ms->approvers[at].principal, principal) != 0)
		at++;
	assert(at < MEMORY_APPROVERS_MAX);
	if (at == ms->n_approvers)
		ms->approvers[ms->n_approvers++].principal = arena_strdup(&ms->arena, principal);
	ms->approvers[at].approver = *approver;
	return ST_OK;
}

static enum status
on_waiting(void *ctx, struct entry_id id, struct waiting_adjust *ret)
{
	struct memory_state *ms = ctx;

	for (size_t i = 0; i < ms->n_waiting; i++) {
		if (ms->waiting[i].id.seq == id.seq && ms->waiting[i].id.index == id.index) {
			*ret = ms->waiting[i].waiting;
			return ST_OK;
		}
	}
	return ST_NOTFOUND;
}

static enum status
on_put_waiting(void *ctx, struct entry_id id, const struct waiting_adjust *waiting)
{
	struct memory_state *ms = ctx;
	size_t at = 0;

	while (at < ms->n_waiting && (ms->waiting[at].id.seq != id.seq || ms->waiting[at].id.index != id.index))
		at++;
	assert(at < MEMORY_WAITING_MAX);
	if (at == ms->n_waiting)
		ms->waiting[ms->n_waiting++].id = id;
	ms->waiting[at].waiting = *waiting;
	return ST_OK;
}

static enum status
on_totals(void *ctx, uint32_t program, const struct totals **ret)
{
	struct memory_state *ms = ctx;

	*ret = program >= 1 && program <= ms->n_programs ? &ms->programs[program - 1].totals : NULL;
	return ST_OK;
}

static enum status
on_member_edit(void *ctx, uint32_t program, uint64_t number, bool create, struct member **ret)
{
	struct memory_state *ms = ctx;
	struct member *m = memory_member(ms, program, number);

	if (m == NULL && create) {
		assert(ms->n_members < MEMORY_MEMBERS_MAX);
		m = arena_alloc(&ms->arena, sizeof(*m));
		assert(m != NULL);
		m->program = program;
		m->number = number;
		ms->members[ms->n_members++] = m;
	}
	*ret = m;
	return ST_OK;
}

static enum status
on_close_hold(void *ctx, struct entry_id id, const struct closed_hold *hold)
{
	struct memory_state *ms = ctx;

	assert(ms->n_closed < MEMORY_HOLDS_MAX);
	ms->closed[ms->n_closed].id = id;
	ms->closed[ms->n_closed].hold = *hold;
	ms->n_closed++;
	return ST_OK;
}

static enum status
on_totals_edit(void *ctx, uint32_t program, struct totals **ret)
{
	struct memory_state *ms = ctx;

	if (program > ms->n_programs)
		ms->n_programs = program;
	*ret = &program_row(ms, program)->totals;
	return ST_OK;
}

static enum status
on_publish(void *ctx, uint32_t program, uint32_t version, struct bytes definition, struct bytes zone_data, int64_t at_us)
{
	struct memory_state *ms = ctx;
	const struct program *compiled;

	(void)zone_data;
	if (definition.len != sizeof(compiled))
		return ST_INVALID;
	memcpy(&compiled, definition.data, sizeof(compiled));
	struct program *p = arena_alloc(&ms->arena, sizeof(*p));
	assert(p != NULL && version <= MEMORY_VERSIONS_MAX);
	*p = *compiled;
	p->number = program;
	p->version = version;
	p->in_force_us = at_us;
	if (program > ms->n_programs)
		ms->n_programs = program;
	program_row(ms, program)->versions[version - 1] = p;
	program_row(ms, program)->n_versions = version;
	return ST_OK;
}

struct bytes
memory_definition(const struct program *const *compiled)
{
	return bytes_of(compiled, sizeof(*compiled));
}

void
memory_init(struct memory_state *ms)
{
	uint8_t keys[2][PUBLIC_KEY_LEN];
	struct entry genesis = { .op = OP_GENESIS, .u.genesis = { .transaction_key = bytes_of(keys[0], PUBLIC_KEY_LEN),
		.checkpoint_key = bytes_of(keys[1], PUBLIC_KEY_LEN) } };

	*ms = (struct memory_state){ 0 };
	arena_init(&ms->arena, ARENA_BYTES);
	memset(keys[0], 1, sizeof(keys[0]));
	memset(keys[1], 2, sizeof(keys[1]));
	bool followed = key_history_follow(&ms->keys, &genesis, 0);
	assert(followed);
	ms->state = (struct ledger_state){
		.ctx = ms, .arena = &ms->arena, .keys = &ms->keys, .member = on_member, .program_at = on_program_at, .program_version = on_program_version,
		.program_number = on_program_number, .program_count = on_program_count, .closed_hold = on_closed_hold,
		.approver = on_approver, .waiting = on_waiting,
		.put_approver = on_put_approver, .put_waiting = on_put_waiting,
		.followup = on_followup, .put_followup = on_put_followup, .totals = on_totals,
		.member_edit = on_member_edit, .close_hold = on_close_hold, .totals_edit = on_totals_edit, .publish = on_publish,
	};
}

void
memory_release(struct memory_state *ms)
{
	arena_release(&ms->arena);
}

void
memory_trial_balance(struct memory_state *ms)
{
	for (uint32_t p = 1; p <= ms->n_programs; p++) {
		const int64_t *account = ms->programs[p - 1].totals.account;
		int64_t sums[ACCOUNT_COUNT] = { 0 }, all = 0;
		uint64_t members = 0;

		for (size_t i = 0; i < ms->n_members; i++) {
			const struct member *m = ms->members[i];
			if (m->program != p)
				continue;
			assert(member_check(m) == EVOLVE_OK);
			members++;
			sums[ACCOUNT_MEMBER] += m->available;
			sums[ACCOUNT_PENDING] += m->pending;
			sums[ACCOUNT_HELD] += m->held;
			sums[ACCOUNT_DEBT] -= m->debt;
		}
		for (size_t i = 0; i < ACCOUNT_COUNT; i++)
			all += account[i];
		assert(all == 0 && members == ms->programs[p - 1].totals.members);
		for (size_t a = ACCOUNT_MEMBER; a <= ACCOUNT_DEBT; a++)
			assert(sums[a] == account[a]);
	}
}

/* ---- the stage ---- */

void
stage_init(struct stage *s)
{
	*s = (struct stage){ .seq = 1 };
	memory_init(&s->live);
	memory_init(&s->replay);
	arena_init(&s->arena, ARENA_BYTES);
}

void
stage_release(struct stage *s)
{
	memory_release(&s->live);
	memory_release(&s->replay);
	arena_release(&s->arena);
}

struct zone
stage_zone(int hours)
{
	return (struct zone){ .first_offset_s = hours * 3600 };
}

static void
assert_states_equal(struct stage *s)
{
	struct buf a, b;

	buf_init(&a);
	buf_init(&b);
	assert(s->live.n_members == s->replay.n_members && s->live.n_closed == s->replay.n_closed);
	for (size_t i = 0; i < s->live.n_members; i++) {
		member_encode(s->live.members[i], &a);
		member_encode(s->replay.members[i], &b);
	}
	for (uint32_t p = 0; p < s->live.n_programs; p++) {
		totals_encode(&s->live.programs[p].totals, &a);
		totals_encode(&s->replay.programs[p].totals, &b);
	}
	assert(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
	buf_release(&a);
	buf_release(&b);
}

void
stage_apply(struct stage *s)
{
	enum evolve_fault fault;
	struct entry_id id = { s->seq++, 0 };
	enum status st = evolve(&s->live.state, &s->entry, id, s->now_us, EVOLVE_LIVE, &fault);

	assert(st == ST_OK && fault == EVOLVE_OK);
	st = evolve(&s->replay.state, &s->entry, id, s->now_us, EVOLVE_REPLAY, &fault);
	assert(st == ST_OK && fault == EVOLVE_OK);
	s->id = id;
	memory_trial_balance(&s->live);
	assert_states_equal(s);
}

/* The newest entry stays the command's: what falls due is played aside. */
void
stage_roll(struct stage *s, uint32_t program, uint64_t member)
{
	const struct program *p = s->live.state.program_version(&s->live, program, 1);
	const struct member *m;
	struct due due;
	struct entry entry = s->entry;
	struct entry_id id = s->id;

	while (p != NULL && on_member(&s->live, program, member, &m) == ST_OK && m != NULL && due_next(m, p, s->now_us, &due)) {
		enum status st = decide_due(&s->live.state, program, member, &due, &s->arena, &s->entry);
		assert(st == ST_OK);
		assert(m->due_at_us == due.at_us);
		stage_apply(s);
		s->n_due++;
	}
	s->entry = entry;
	s->id = id;
}

enum ledger_result
stage_play(struct stage *s, const struct cmd *cmd)
{
	stage_roll(s, cmd->program, cmd->member);
	enum status st = decide(&s->live.state, cmd, s->now_us, &s->arena, &s->entry, &s->refusal);

	assert(st == ST_OK);
	if (s->refusal.result != LEDGER_OK)
		return s->refusal.result;
	if (!cmd->is_quote) {
		stage_apply(s);
		stage_roll(s, cmd->program, cmd->member);
		s->now_us++;
	}
	return LEDGER_OK;
}

struct cmd
stage_cmd(enum op op, uint64_t member)
{
	struct cmd cmd = { .op = op, .principal = "pos/0042/07", .request_id = "r", .program = 1, .member = member };

	if (op == OP_ADJUST) {
		cmd.u.adjust.reason = "test";
		cmd.u.adjust.last_day = DAY_NONE;
	} else if (op == OP_TIER) {
		cmd.u.tier.reason = "test";
		cmd.u.tier.tier = "";
		cmd.u.tier.until = DAY_NEVER;
	} else if (op == OP_BIRTHDAY) {
		cmd.u.birthday.given = DAY_NONE;
	}
	return cmd;
}

const struct program *
stage_compile(struct stage *s, const struct program_def *def)
{
	struct zone zone = stage_zone(9);
	struct program *p = NULL;
	struct program_error error;
	enum status st = program_compile(def, &zone, &s->arena, &p, &error);

	assert(st == ST_OK);
	return p;
}

const struct program *
stage_publish(struct stage *s, const struct program_def *def)
{
	const struct program **p = arena_alloc(&s->arena, sizeof(*p));
	struct cmd cmd = stage_cmd(OP_PUBLISH, 0);

	assert(p != NULL);
	*p = stage_compile(s, def);
	cmd.u.publish.id = def->id;
	cmd.u.publish.definition = memory_definition(p);
	cmd.u.publish.compiled = *p;
	enum ledger_result result = stage_play(s, &cmd);
	assert(result == LEDGER_OK);
	return *p;
}

void
stage_at(struct stage *s, const char *local)
{
	char text[64];
	int64_t at_us = 0;
	size_t len = strlen(local);

	assert(len + sizeof("+09:00") <= sizeof(text));
	memcpy(text, local, len);
	memcpy(text + len, "+09:00", sizeof("+09:00"));
	bool ok = instant_parse(text, &at_us);
	assert(ok && at_us >= s->now_us);
	s->now_us = at_us;
	for (size_t i = 0; i < s->live.n_members; i++)
		stage_roll(s, s->live.members[i]->program, s->live.members[i]->number);
}

struct decimal
dec(const char *text)
{
	struct decimal d = { 0 };
	bool ok = decimal_parse(text, &d);

	assert(ok);
	return d;
}

int32_t
day(const char *text)
{
	int32_t d = 0;
	bool ok = day_parse(text, &d);

	assert(ok);
	return d;
}

uint64_t
stage_enrol(struct stage *s)
{
	struct cmd cmd = stage_cmd(OP_ENROL, 0);
	enum ledger_result result = stage_play(s, &cmd);

	assert(result == LEDGER_OK);
	return s->entry.member;
}

enum ledger_result
stage_purchase(struct stage *s, uint64_t member, const char *amount)
{
	struct cmd cmd = stage_cmd(OP_PURCHASE, member);

	cmd.u.purchase.amount = dec(amount);
	return stage_play(s, &cmd);
}

enum ledger_result
stage_redeem(struct stage *s, uint64_t member, const char *points)
{
	struct cmd cmd = stage_cmd(OP_REDEEM, member);

	cmd.u.redeem.points = dec(points);
	return stage_play(s, &cmd);
}

enum ledger_result
stage_hold(struct stage *s, uint64_t member, const char *points, int64_t ttl_us)
{
	struct cmd cmd = stage_cmd(OP_HOLD, member);

	cmd.u.hold.points = dec(points);
	cmd.u.hold.has_ttl = ttl_us != 0;
	cmd.u.hold.ttl_us = ttl_us;
	return stage_play(s, &cmd);
}

enum ledger_result
stage_capture(struct stage *s, uint64_t member, struct entry_id hold, const char *points)
{
	struct cmd cmd = stage_cmd(OP_CAPTURE, member);

	cmd.u.capture.found = true;
	cmd.u.capture.hold = hold;
	cmd.u.capture.has_points = points != NULL;
	if (points != NULL)
		cmd.u.capture.points = dec(points);
	return stage_play(s, &cmd);
}

enum ledger_result
stage_release_hold(struct stage *s, uint64_t member, struct entry_id hold)
{
	struct cmd cmd = stage_cmd(OP_RELEASE, member);

	cmd.u.capture.found = true;
	cmd.u.capture.hold = hold;
	return stage_play(s, &cmd);
}

enum ledger_result
stage_adjust(struct stage *s, uint64_t member, const char *points, const char *last_day)
{
	struct cmd cmd = stage_cmd(OP_ADJUST, member);

	cmd.u.adjust.points = dec(points);
	if (last_day != NULL)
		cmd.u.adjust.last_day = strcmp(last_day, "never") == 0 ? DAY_NEVER : day(last_day);
	return stage_play(s, &cmd);
}

const struct member *
stage_member(struct stage *s, uint64_t member)
{
	const struct member *m = memory_member(&s->live, 1, member);

	assert(m != NULL);
	return m;
}

struct balance
stage_balance(struct stage *s, uint64_t member)
{
	const struct program *p = s->live.state.program_at(&s->live, 1, s->now_us);
	struct balance b;
	enum status st = balance_of(stage_member(s, member), p, zone_day(&p->zone, s->now_us), &s->arena, &b);

	assert(st == ST_OK);
	return b;
}

int64_t
stage_granted(const struct stage *s)
{
	int64_t granted = 0;

	for (size_t i = 0; i < s->entry.n_grants; i++)
		granted += s->entry.grants[i].granted;
	return granted;
}
