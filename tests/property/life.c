/*
 * A life is deterministic: everything comes from its tape.  Entries are stored as the ledger stores them, one transaction each, and what is
 * looked at later is read back from there.  An assertion of the core that fails ends the life like a property that does not hold.
 */
#include "life.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "codec/codec.h"

#define ARENA_BYTES ((size_t)512 << 20)
#define ENTRIES_IN_TRANSACTION 3
#define FIRST_SEQ 100
#define ROLL_MAX 4000			/* entries that fall due at once: more never end */

_Noreturn void
life_fail(struct life *l, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	(void)vsnprintf(l->failure, sizeof(l->failure), format, values);
	va_end(values);
	l->failed = true;
	life_log(l, "  => %s", l->failure);
	longjmp(l->way_out, 1);
}

void
life_log(struct life *l, const char *format, ...)
{
	va_list values;

	if (l->log == NULL)
		return;
	va_start(values, format);
	(void)vfprintf(l->log, format, values);
	va_end(values);
	(void)fputc('\n', l->log);
}

void *
life_alloc(struct life *l, size_t len)
{
	void *p = arena_alloc(&l->arena, len);

	assert(p != NULL);
	return p;
}

void
life_swap_memory(struct life *l)
{
	struct arena other = l->arena;

	l->arena = l->brief;
	l->brief = other;
}

const struct member *
life_member(struct life *l, uint64_t number)
{
	const struct member *m;
	enum status st = l->ledger->state.member(l->ledger, 1, number, &m);

	assert(st == ST_OK && m != NULL);
	return m;
}

const struct program *
life_program(struct life *l)
{
	return l->ledger->state.program_at(l->ledger, 1, l->now_us);
}

int32_t
life_today(const struct life *l)
{
	return zone_day(&l->zone, l->now_us);
}

struct entry_id
life_id(const struct life *l, size_t i)
{
	return l->stored[i].id;
}

/* Entries of members have numbers of their own, so that they are the same whenever a program was published. */
struct entry_id
life_next_id(const struct life *l, size_t i)
{
	i += l->n_of_members;
	return (struct entry_id){ FIRST_SEQ + i / ENTRIES_IN_TRANSACTION, (uint32_t)(i % ENTRIES_IN_TRANSACTION) };
}

const char *
life_entry_text(const struct life *l, const struct entry *entry)
{
	static char text[80];
	struct entry_id id = life_id(l, l->n_stored - 1);

	(void)snprintf(text, sizeof(text), "%llu.%u, %s of member %llu", (unsigned long long)id.seq, id.index, op_str(entry->op),
	    (unsigned long long)entry->member);
	return text;
}

/* ---- what is stored ---- */

struct bytes
life_store(struct life *l, const struct entry *entry, struct entry_id id, int64_t committed_at_us)
{
	struct entry one = *entry;
	struct transaction t = { .origin = "any", .seq = id.seq, .committed_at_us = committed_at_us, .program = entry->program, .n_entries = 1,
	    .entries = &one };
	struct buf b;

	buf_init(&b);
	enum status st = codec_transaction_encode(&t, &l->arena, &b);
	assert(st == ST_OK);
	char *copy = arena_memdup(&l->arena, b.data, b.len);
	struct bytes stored = bytes_of(copy, b.len);
	buf_release(&b);
	assert(copy != NULL);
	return stored;
}

struct entry *
life_read(struct life *l, const struct stored *stored)
{
	struct transaction t;
	enum status st = codec_transaction_decode(stored->transaction, &l->arena, &t);

	if (st != ST_OK || t.n_entries != 1)
		life_fail(l, "what is stored of %llu.%u cannot be read: %s", (unsigned long long)stored->id.seq, stored->id.index, status_str(st));
	return &t.entries[0];
}

struct entry *
life_find(struct life *l, struct entry_id id)
{
	for (size_t i = 0; i < l->n_stored; i++) {
		if (l->stored[i].id.seq == id.seq && l->stored[i].id.index == id.index && l->stored[i].transaction.len > 0)
			return life_read(l, &l->stored[i]);
	}
	return NULL;
}

struct memory_state *
life_replay(struct life *l)
{
	struct memory_state *again = life_alloc(l, sizeof(*again));
	enum evolve_fault fault;

	memory_init(again);
	l->again = again;
	for (size_t i = 0; i < l->n_stored; i++) {
		const struct stored *stored = &l->stored[i];
		struct entry *entry = life_read(l, stored);
		enum status st = evolve(&again->state, entry, stored->id, entry->has_at ? entry->at_us : stored->committed_at_us, EVOLVE_REPLAY,
		    &fault);

		assert(st == ST_OK);
		if (fault != EVOLVE_OK)
			life_fail(l, "in a replay entry %llu.%u (%s) cannot be applied: %s", (unsigned long long)stored->id.seq, stored->id.index,
			    op_str(entry->op), evolve_fault_str(fault));
	}
	return again;
}

void
life_forget_replay(struct life *l)
{
	if (l->again != NULL)
		memory_release(l->again);
	l->again = NULL;
}

static void
same_bytes(struct life *l, struct buf *a, struct buf *b, const char *what, unsigned long long number, const char *when)
{
	bool same = bytes_equal(buf_bytes(a), buf_bytes(b));

	buf_release(a);
	buf_release(b);
	if (!same)
		life_fail(l, "the record of %s %llu differs %s", what, number, when);
}

void
life_same_state(struct life *l, const struct memory_state *a, const struct memory_state *b, const char *when)
{
	struct buf bytes[2];

	if (a->n_members != b->n_members || a->n_programs != b->n_programs || a->n_closed != b->n_closed)
		life_fail(l, "there are %zu and %zu members, %zu and %zu closed holds %s", a->n_members, b->n_members, a->n_closed, b->n_closed, when);
	for (size_t i = 0; i < a->n_members; i++) {
		buf_init(&bytes[0]);
		buf_init(&bytes[1]);
		member_encode(a->members[i], &bytes[0]);
		member_encode(b->members[i], &bytes[1]);
		same_bytes(l, &bytes[0], &bytes[1], "member", (unsigned long long)a->members[i]->number, when);
	}
	for (uint32_t p = 0; p < a->n_programs; p++) {
		buf_init(&bytes[0]);
		buf_init(&bytes[1]);
		totals_encode(&a->programs[p].totals, &bytes[0]);
		totals_encode(&b->programs[p].totals, &bytes[1]);
		same_bytes(l, &bytes[0], &bytes[1], "program", p + 1, when);
	}
	if (a->n_followups != b->n_followups)
		life_fail(l, "there are %zu and %zu followups %s", a->n_followups, b->n_followups, when);
	for (size_t i = 0; i < a->n_followups; i++) {
		buf_init(&bytes[0]);
		buf_init(&bytes[1]);
		followup_encode(&a->followups[i], &bytes[0]);
		followup_encode(&b->followups[i], &bytes[1]);
		same_bytes(l, &bytes[0], &bytes[1], "followup", i, when);
	}
	for (size_t i = 0; i < a->n_closed; i++) {
		const struct closed_hold *x = &a->closed[i].hold, *y = &b->closed[i].hold;
		if (a->closed[i].id.seq != b->closed[i].id.seq || a->closed[i].id.index != b->closed[i].id.index || x->member != y->member ||
		    x->end != y->end || strcmp(x->till.store, y->till.store) != 0 || strcmp(x->till.terminal, y->till.terminal) != 0)
			life_fail(l, "closed hold %zu differs %s", i, when);
	}
	if (a->n_waiting != b->n_waiting || a->n_approvers != b->n_approvers)
		life_fail(l, "there are %zu and %zu adjustments that wait, %zu and %zu approvers %s", a->n_waiting, b->n_waiting, a->n_approvers,
		    b->n_approvers, when);
	for (size_t i = 0; i < a->n_waiting; i++) {
		const struct waiting_adjust *x = &a->waiting[i].waiting, *y = &b->waiting[i].waiting;
		if (a->waiting[i].id.seq != b->waiting[i].id.seq || x->member != y->member || x->approved != y->approved || x->by.seq != y->by.seq)
			life_fail(l, "adjustment %zu that waits differs %s", i, when);
	}
}

/* ---- applying ---- */

static void
apply(struct life *l, struct entry *entry)
{
	enum evolve_fault fault;

	assert(l->n_stored < LIFE_ENTRIES_MAX);
	entry->program = entry->op == OP_CLOCK_ACCEPT || entry->op == OP_APPROVER_KEY ? 0 : 1;
	entry->has_at = l->manual;
	entry->at_us = l->now_us;
	struct stored *stored = &l->stored[l->n_stored++];
	stored->id = entry->member == 0 ? (struct entry_id){ l->n_stored - l->n_of_members, 0 } : life_next_id(l, 0);
	l->n_of_members += entry->member != 0;
	stored->committed_at_us = l->now_us;
	if (l->property->decided != NULL)
		l->property->decided(l, entry);
	enum status st = evolve(&l->ledger->state, entry, stored->id, l->now_us, EVOLVE_LIVE, &fault);
	assert(st == ST_OK);
	if (l->log != NULL)
		print_entry(l, entry);
	if (fault != EVOLVE_OK)
		life_fail(l, "entry %s cannot be applied: %s", life_entry_text(l, entry), evolve_fault_str(fault));
	stored->transaction = life_store(l, entry, stored->id, stored->committed_at_us);
	if (l->property->applied != NULL)
		l->property->applied(l, entry);
}

/* Whoever decides a command rolls forward everybody that it may touch. */
static void
roll_others(struct life *l, const struct cmd *cmd)
{
	uint64_t others[LEDGER_OTHERS_MAX];
	size_t n;
	enum status st = command_others(&l->ledger->state, cmd, others, &n);

	assert(st == ST_OK);
	for (size_t i = 0; i < n; i++)
		life_roll(l, others[i]);
}

enum ledger_result
life_play(struct life *l, const struct cmd *cmd)
{
	struct refusal refusal;
	struct entry entry;

	if (l->log != NULL)
		print_command(l, cmd);
	roll_others(l, cmd);
	if (l->property->command != NULL)
		l->property->command(l, cmd);
	enum status st = decide(&l->ledger->state, cmd, l->now_us, &l->arena, &entry, &refusal);
	assert(st == ST_OK);
	if (refusal.result == LEDGER_OK)
		apply(l, &entry);
	else
		life_log(l, "    refused: %s", ledger_result_str(refusal.result));
	return refusal.result;
}

/* ---- what falls due ---- */

static void
run_due(struct life *l, uint64_t member, const struct due *due)
{
	struct entry entry;
	enum status st = decide_due(&l->ledger->state, 1, member, due, &l->arena, &entry);

	if (st == ST_NOTFOUND && due->kind == DUE_BIRTHDAY)
		return;
	if (st == ST_NOTFOUND)
		life_fail(l, "something of the kind %d is due for member %llu, and there is nothing to decide", (int)due->kind,
		    (unsigned long long)member);
	assert(st == ST_OK);
	apply(l, &entry);
}

/* All that is due, but birthdays, before the instant, and of the instant what has its place before ${kind}. */
static void
roll_until(struct life *l, uint64_t member, int64_t until_us, int kind)
{
	const struct program *p = l->ledger->state.program_version(l->ledger, 1, 1);
	struct due due;

	for (unsigned n = 0; due_next(life_member(l, member), p, until_us, &due); n++) {
		if (due.at_us == until_us && (int)due.kind >= kind)
			return;
		if (n == ROLL_MAX)
			life_fail(l, "what is due for member %llu does not end", (unsigned long long)member);
		if (due.at_us != life_member(l, member)->due_at_us)
			life_fail(l, "the record of member %llu has another instant for what is due next", (unsigned long long)member);
		run_due(l, member, &due);
	}
}

void
life_roll(struct life *l, uint64_t member)
{
	struct person *person = &l->people[member - 1];
	int32_t today = life_today(l);

	for (int32_t day = person->swept + 1; day <= today; day++) {
		struct due due = { .kind = DUE_BIRTHDAY, .at_us = zone_midnight_us(&l->zone, day) };
		const struct program *p = l->ledger->state.program_at(l->ledger, 1, due.at_us);

		if (p == NULL || !birthday_may_come(p, person->dates, person->n_dates, day))
			continue;
		roll_until(l, member, due.at_us, DUE_BIRTHDAY);
		due.birthday = birthday_comes(p, life_member(l, member), person->dates, person->n_dates, day);
		if (due.birthday != DAY_NONE)
			run_due(l, member, &due);
	}
	person->swept = today;
	roll_until(l, member, l->now_us, INT32_MAX);
}

/* ---- from the beginning to the end ---- */

static const struct program *
compile(struct life *l, unsigned version)
{
	struct program_error error;
	struct program *p;

	l->defs[version] = any_program(l, version);
	enum status st = program_compile(l->defs[version], &l->zone, &l->arena, &p, &error);
	assert(st == ST_OK || st == ST_INVALID);
	if (st == ST_INVALID)
		life_log(l, "version %u does not compile: %s: %s", version + 1, error.path, error.sentence);
	return st == ST_OK ? p : NULL;
}

static void
be_born(struct life *l)
{
	struct cmd publish = { .op = OP_PUBLISH, .principal = "operator/local", .request_id = "p" }, enrol = { .op = OP_ENROL, .principal = "pos/s1/01",
	    .request_id = "e", .program = 1 };
	size_t n = l->n_people;

	l->first_day = life_today(l) - 70;		/* late events are older than the life */
	publish.u.publish.id = "any";
	publish.u.publish.definition = memory_definition(&l->programs[0]);
	publish.u.publish.compiled = l->programs[0];
	if (life_play(l, &publish) != LEDGER_OK)
		life_fail(l, "the first version is refused");
	for (l->n_people = 0; l->n_people < n; l->n_people++) {
		enum ledger_result result = life_play(l, &enrol);
		if (result != LEDGER_OK)
			life_fail(l, "an enrolment is refused: %s", ledger_result_str(result));
		l->people[l->n_people].swept = life_today(l);
	}
}

static void
live(struct life *l)
{
	if (l->property->begin != NULL)
		l->property->begin(l);
	be_born(l);
	for (size_t block = BLOCK_COMMANDS; block < l->tape->n_blocks; block++)
		any_command(l, block);
	for (uint64_t m = 1; m <= l->n_people; m++)
		life_roll(l, m);
	if (l->property->end != NULL)
		l->property->end(l);
}

bool
life_live(struct life *l, const struct property *property, struct tape *tape, FILE *log, bool keeps_nights)
{
	bool began = instant_parse("2027-01-20T03:00:00Z", &l->now_us);

	assert(began);
	l->property = property;
	l->tape = tape;
	l->log = log;
	l->keeps_nights = keeps_nights;
	arena_init(&l->arena, ARENA_BYTES);
	arena_init(&l->brief, ARENA_BYTES);
	l->ledger = life_alloc(l, sizeof(*l->ledger));
	memory_init(l->ledger);
	if (setjmp(l->way_out) != 0)
		return true;
	for (unsigned v = 0; v < LIFE_VERSIONS; v++)
		l->programs[v] = compile(l, v);
	if (l->programs[0] == NULL)
		return false;
	if (property->sleepless) {
		l->n_people = 1;
		l->manual = false;
	}
	live(l);
	return true;
}

void
life_release(struct life *l)
{
	life_forget_replay(l);
	memory_release(l->ledger);
	arena_release(&l->arena);
	arena_release(&l->brief);
}
