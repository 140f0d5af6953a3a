/* Which keys sign what: the history of a ledger's keys, the rotation that goes on from it, and who must have signed a transaction. */
#include <stdio.h>
#include <string.h>

#include "ledger_world.h"
#include "ledger/redecide.h"
#include "memory_state.h"
#include "stage_programs.h"

#define DAYS(n) ((int64_t)(n) * US_PER_DAY)
#define NOBODY 0

/* A key that is told by its first letter: 'a' and 'A' are the genesis's. */
static struct bytes
key(char letter)
{
	static uint8_t keys[128][PUBLIC_KEY_LEN];

	memset(keys[(int)letter], letter, PUBLIC_KEY_LEN);
	return bytes_of(keys[(int)letter], PUBLIC_KEY_LEN);
}

static char
letter_of(const struct ledger_key *key)
{
	return key == NULL ? NOBODY : (char)key->public_key[0];
}

static struct entry
genesis(void)
{
	return (struct entry){ .op = OP_GENESIS, .u.genesis = { .transaction_key = key('a'), .checkpoint_key = key('A') } };
}

static struct entry
rotation(enum key_kind kind, char old, char new, enum key_recovery recovery, int64_t until_us)
{
	struct entry e = { .op = OP_ROTATE_KEY, .has_key_change = true };

	e.u.rotate_key.kind = kind;
	e.u.rotate_key.new_key = key(new);
	e.u.rotate_key.recovery = recovery;
	e.key_change.old_key = key(old);
	e.key_change.has_until = kind == KEY_OF_CHECKPOINTS;
	e.key_change.until_us = until_us;
	return e;
}

/* Transaction 10: a to b.  20: A to B, both until the 30th day.  30: b is lost, c.  40: B to C at once. */
static void
a_life(struct key_history *h)
{
	const struct { uint64_t seq; struct entry entry; } steps[] = {
		{ 0, genesis() },
		{ 10, rotation(KEY_OF_TRANSACTIONS, 'a', 'b', RECOVERY_NONE, 0) },
		{ 20, rotation(KEY_OF_CHECKPOINTS, 'A', 'B', RECOVERY_NONE, DAYS(30)) },
		{ 30, rotation(KEY_OF_TRANSACTIONS, 'b', 'c', RECOVERY_LOST, 0) },
		{ 40, rotation(KEY_OF_CHECKPOINTS, 'B', 'C', RECOVERY_COMPROMISED, DAYS(5)) },
	};

	h->n = 0;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_true(key_history_follow(h, &steps[i].entry, steps[i].seq));
}

static void
each_place_has_its_signers(void **state)
{
	static const struct { uint64_t seq; char first, second; } transactions[] = {
		{ 0, 'a', 0 }, { 9, 'a', 0 }, { 10, 'a', 'b' }, { 11, 'b', 0 }, { 20, 'b', 'B' }, { 29, 'b', 0 }, { 30, 'c', 'B' }, { 31, 'c', 0 },
		{ 40, 'c', 'C' }, { 41, 'c', 0 }, { UINT64_MAX - 1, 'c', 0 }, { UINT64_MAX, 'c', 0 },
	};
	static const struct { uint64_t size; int64_t at_us; char must, beside; } checkpoints[] = {
		{ 1, 0, 'A', 0 }, { 20, 0, 'A', 0 },		/* of 20 transactions: the rotation is not in it */
		{ 21, 0, 'B', 'A' }, { 22, DAYS(30) - 1, 'B', 'A' }, { 22, DAYS(30), 'B', 0 },
		{ 40, DAYS(3), 'B', 'A' }, { 41, DAYS(3), 'C', 'B' }, { 41, DAYS(5), 'C', 0 }, { 1000, DAYS(3), 'C', 'B' },
		{ UINT64_MAX, DAYS(5), 'C', 0 },
	};
	struct key_history h;
	const struct ledger_key *first, *second;

	(void)state;
	a_life(&h);
	for (size_t i = 0; i < sizeof(transactions) / sizeof(transactions[0]); i++) {
		key_history_signers(&h, transactions[i].seq, &first, &second);
		assert_int_equal(letter_of(first), transactions[i].first);
		assert_int_equal(letter_of(second), transactions[i].second);
	}
	for (size_t i = 0; i < sizeof(checkpoints) / sizeof(checkpoints[0]); i++) {
		assert_int_equal(letter_of(key_history_checkpoint(&h, checkpoints[i].size)), checkpoints[i].must);
		assert_int_equal(letter_of(key_history_beside(&h, checkpoints[i].size, checkpoints[i].at_us)), checkpoints[i].beside);
	}
	assert_int_equal(letter_of(key_history_current(&h, KEY_OF_TRANSACTIONS)), 'c');
	assert_int_equal(letter_of(key_history_current(&h, KEY_OF_CHECKPOINTS)), 'C');
	assert_int_equal(letter_of(key_history_find(&h, key('b'))), 'b');
	assert_null(key_history_find(&h, key('d')));
	h.n = 0;
	key_history_signers(&h, 0, &first, &second);
	assert_null(first);
	assert_null(key_history_checkpoint(&h, 1));
	assert_null(key_history_beside(&h, 1, 0));
	assert_null(key_history_current(&h, KEY_OF_CHECKPOINTS));
}

static void
what_cannot_follow_changes_nothing(void **state)
{
	struct entry short_key = rotation(KEY_OF_TRANSACTIONS, 'c', 'd', RECOVERY_NONE, 0), endless = rotation(KEY_OF_CHECKPOINTS, 'C', 'D',
	    RECOVERY_NONE, 0), ending = rotation(KEY_OF_TRANSACTIONS, 'c', 'd', RECOVERY_NONE, 0);
	short_key.u.rotate_key.new_key.len = 31;
	endless.key_change.has_until = false;
	ending.key_change.has_until = true;
	const struct { const char *name; uint64_t seq; struct entry entry; } rows[] = {
		{ "a second genesis", 50, genesis() },
		{ "a key that was replaced is replaced again", 50, rotation(KEY_OF_TRANSACTIONS, 'a', 'd', RECOVERY_NONE, 0) },
		{ "a key of the other kind is replaced", 50, rotation(KEY_OF_TRANSACTIONS, 'C', 'd', RECOVERY_NONE, 0) },
		{ "by the key in force", 50, rotation(KEY_OF_TRANSACTIONS, 'c', 'c', RECOVERY_NONE, 0) },
		{ "by a key of before", 50, rotation(KEY_OF_TRANSACTIONS, 'c', 'a', RECOVERY_NONE, 0) },
		{ "by a key of the other kind", 50, rotation(KEY_OF_TRANSACTIONS, 'c', 'A', RECOVERY_NONE, 0) },
		{ "a kind that there is not", 50, rotation(KEY_OF_NOTHING, 'c', 'd', RECOVERY_NONE, 0) },
		{ "a key that is too short", 50, short_key },
		{ "a checkpoint key without an end", 50, endless },
		{ "a transaction key with an overlap", 50, ending },
		{ "before the rotation before it", 30, rotation(KEY_OF_TRANSACTIONS, 'c', 'd', RECOVERY_NONE, 0) },
	};
	struct key_history h, before;

	(void)state;
	a_life(&h);
	before = h;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (key_history_follow(&h, &rows[i].entry, rows[i].seq))
			fail_msg("%s", rows[i].name);
		assert_int_equal(h.n, before.n);
		assert_memory_equal(h.keys, before.keys, before.n * sizeof(before.keys[0]));
	}
}

static void
keys_have_an_end_too(void **state)
{
	struct key_history h = { 0 };
	uint8_t keys[2][PUBLIC_KEY_LEN] = { { 'a' }, { 0 } };
	struct entry first = genesis();

	(void)state;
	memcpy(keys[0], key('a').data, PUBLIC_KEY_LEN);
	assert_true(key_history_follow(&h, &first, 0));
	for (uint64_t seq = 1; h.n < LEDGER_KEYS_MAX; seq++) {
		struct entry e = rotation(KEY_OF_TRANSACTIONS, 'a', 'b', RECOVERY_NONE, 0);
		put_be64(keys[1], seq << 8);
		e.key_change.old_key = bytes_of(keys[0], PUBLIC_KEY_LEN);
		e.u.rotate_key.new_key = bytes_of(keys[1], PUBLIC_KEY_LEN);
		assert_true(key_history_follow(&h, &e, seq));
		memcpy(keys[0], keys[1], PUBLIC_KEY_LEN);
	}
	struct entry e = rotation(KEY_OF_CHECKPOINTS, 'A', 'B', RECOVERY_NONE, 0);
	assert_false(key_history_follow(&h, &e, 1000));
}

static void
rows_keep_all_of_a_key(void **state)
{
	struct key_history h;
	struct ledger_key back;
	struct buf row;

	(void)state;
	a_life(&h);
	for (size_t i = 0; i < h.n; i++) {
		buf_init(&row);
		ledger_key_encode(&h.keys[i], &row);
		assert_int_equal(ledger_key_decode(buf_bytes(&row), &back), ST_OK);
		assert_memory_equal(&back.public_key, &h.keys[i].public_key, PUBLIC_KEY_LEN);
		assert_true(back.kind == h.keys[i].kind && back.recovery == h.keys[i].recovery && back.named_at == h.keys[i].named_at);
		assert_true(back.from == h.keys[i].from && back.until == h.keys[i].until && back.until_us == h.keys[i].until_us);
		for (size_t cut = 0; cut < row.len; cut++)
			assert_int_equal(ledger_key_decode(bytes_of(row.data, cut), &back), ST_CORRUPT);
		row.data[0] = KEY_KIND_COUNT;
		assert_int_equal(ledger_key_decode(buf_bytes(&row), &back), ST_CORRUPT);
		row.data[0] = KEY_OF_TRANSACTIONS;
		row.data[1] = RECOVERY_COUNT;
		assert_int_equal(ledger_key_decode(buf_bytes(&row), &back), ST_CORRUPT);
		buf_release(&row);
	}
}

/* ---- deciding: in memory the keys are 32 ones and 32 twos ---- */

static struct cmd
rotate(enum key_kind kind, char new, uint32_t overlap_days, enum key_recovery recovery)
{
	struct cmd cmd = stage_cmd(OP_ROTATE_KEY, 0);

	cmd.program = 0;
	cmd.u.rotate_key.kind = kind;
	cmd.u.rotate_key.new_key = key(new);
	cmd.u.rotate_key.overlap_days = overlap_days;
	cmd.u.rotate_key.recovery = recovery;
	return cmd;
}

static void
stage_set(struct stage *s)
{
	struct program_def def = full();

	stage_init(s);
	stage_at(s, "2026-03-12T12:00:00");
	stage_publish(s, &def);
}

static void
the_ladder(void **state)
{
	static const struct { const char *name; enum key_kind kind; char new; uint32_t days; enum key_recovery why; enum ledger_result want;
		const char *field; } rows[] = {
		{ "a transaction key", KEY_OF_TRANSACTIONS, 'b', 0, RECOVERY_NONE, LEDGER_OK, NULL },
		{ "a transaction key that was lost", KEY_OF_TRANSACTIONS, 'b', 0, RECOVERY_LOST, LEDGER_OK, NULL },
		{ "a checkpoint key", KEY_OF_CHECKPOINTS, 'b', 30, RECOVERY_NONE, LEDGER_OK, NULL },
		{ "the longest overlap", KEY_OF_CHECKPOINTS, 'b', 365, RECOVERY_NONE, LEDGER_OK, NULL },
		{ "none", KEY_OF_CHECKPOINTS, 'b', 0, RECOVERY_NONE, LEDGER_OK, NULL },
		{ "one day too long", KEY_OF_CHECKPOINTS, 'b', 366, RECOVERY_NONE, LEDGER_INVALID_ARGUMENT, "overlap_days" },
		{ "an overlap of transaction keys", KEY_OF_TRANSACTIONS, 'b', 1, RECOVERY_NONE, LEDGER_INVALID_ARGUMENT, "overlap_days" },
		{ "an overlap with a stolen key", KEY_OF_CHECKPOINTS, 'b', 1, RECOVERY_COMPROMISED, LEDGER_INVALID_ARGUMENT, "overlap_days" },
		{ "no kind", KEY_OF_NOTHING, 'b', 0, RECOVERY_NONE, LEDGER_INVALID_ARGUMENT, "kind" },
		{ "the key in use", KEY_OF_TRANSACTIONS, 1, 0, RECOVERY_NONE, LEDGER_ALREADY_EXISTS, "new_key" },
		{ "the other key in use", KEY_OF_TRANSACTIONS, 2, 0, RECOVERY_NONE, LEDGER_ALREADY_EXISTS, "new_key" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		stage_set(&s);
		struct cmd cmd = rotate(rows[i].kind, rows[i].new, rows[i].days, rows[i].why);
		if (stage_play(&s, &cmd) != rows[i].want)
			fail_msg("%s: %s", rows[i].name, ledger_result_str(s.refusal.result));
		if (rows[i].field != NULL)
			assert_string_equal(s.refusal.field, rows[i].field);
		stage_release(&s);
	}
}

static void
an_overlap_is_counted_from_its_decision(void **state)
{
	struct cmd first = rotate(KEY_OF_CHECKPOINTS, 'b', 30, RECOVERY_NONE), again = rotate(KEY_OF_CHECKPOINTS, 'c', 1, RECOVERY_NONE);
	struct stage s;

	(void)state;
	stage_set(&s);
	int64_t begun_us = s.now_us;
	assert_int_equal(stage_play(&s, &first), LEDGER_OK);
	assert_true(s.entry.key_change.has_until);
	assert_int_equal(s.entry.key_change.until_us, begun_us + DAYS(30));
	assert_int_equal(s.entry.key_change.old_key.data[0], 2);
	assert_int_equal(s.entry.program, 0);
	assert_int_equal(s.entry.business_date, DAY_NONE);
	s.now_us = begun_us + DAYS(30) - 1;
	assert_int_equal(stage_play(&s, &again), LEDGER_ALREADY_EXISTS);
	assert_string_equal(s.refusal.field, "overlap_days");
	again.u.rotate_key.overlap_days = 0;			/* ends it at once */
	assert_int_equal(stage_play(&s, &again), LEDGER_OK);
	assert_int_equal(key_history_current(&s.live.keys, KEY_OF_CHECKPOINTS)->public_key[0], 'c');
	struct cmd third = rotate(KEY_OF_CHECKPOINTS, 'd', 1, RECOVERY_NONE);
	begun_us = s.now_us;
	assert_int_equal(stage_play(&s, &third), LEDGER_OK);
	s.now_us = begun_us + DAYS(1);				/* over, to the microsecond */
	struct cmd fourth = rotate(KEY_OF_CHECKPOINTS, 'e', 1, RECOVERY_NONE);
	assert_int_equal(stage_play(&s, &fourth), LEDGER_OK);
	assert_int_equal(s.replay.keys.n, 6);
	assert_memory_equal(s.live.keys.keys, s.replay.keys.keys, 6 * sizeof(s.live.keys.keys[0]));
	stage_release(&s);
}

static void
nobody_signs_a_simulation(void **state)
{
	struct cmd cmd = rotate(KEY_OF_TRANSACTIONS, 'b', 0, RECOVERY_NONE);
	struct stage s;
	enum evolve_fault fault;

	(void)state;
	stage_set(&s);
	assert_int_equal(stage_play(&s, &cmd), LEDGER_OK);
	s.live.state.keys = NULL;
	assert_int_equal(evolve(&s.live.state, &s.entry, (struct entry_id){ 90, 0 }, s.now_us, EVOLVE_REPLAY, &fault), ST_OK);
	assert_int_equal(fault, EVOLVE_KEYS);
	assert_int_equal(decide(&s.live.state, &cmd, s.now_us, &s.arena, &s.entry, &s.refusal), ST_OK);
	assert_int_equal(s.refusal.result, LEDGER_NOT_FOUND);
	stage_release(&s);
}

static void
forged_rotations_are_faults(void **state)
{
	struct stage s;
	enum evolve_fault fault;
	struct redecide_difference difference;
	struct redecide_given given = { 0 };
	enum redecide_result result;

	(void)state;
	stage_set(&s);
	struct cmd cmd = rotate(KEY_OF_CHECKPOINTS, 'b', 30, RECOVERY_NONE);
	assert_int_equal(decide(&s.live.state, &cmd, s.now_us, &s.arena, &s.entry, &s.refusal), ST_OK);
	struct entry honest = s.entry, forged = honest;
	assert_int_equal(redecide(&s.live.state, &honest, &given, s.now_us, &s.arena, &result, &difference), ST_OK);
	assert_int_equal(result, REDECIDE_EQUAL);

	forged.key_change.until_us += DAYS(300);		/* evolve takes it at its word; deciding again does not */
	assert_int_equal(redecide(&s.live.state, &forged, &given, s.now_us, &s.arena, &result, &difference), ST_OK);
	assert_int_equal(result, REDECIDE_DIFFERS);
	assert_string_equal(difference.field, "facts.key_change.old_until");

	forged = honest;
	forged.has_key_change = false;
	assert_int_equal(evolve(&s.live.state, &forged, (struct entry_id){ 90, 0 }, s.now_us, EVOLVE_REPLAY, &fault), ST_OK);
	assert_int_equal(fault, EVOLVE_MALFORMED);
	forged = honest;
	forged.program = 1;
	assert_int_equal(evolve(&s.live.state, &forged, (struct entry_id){ 90, 0 }, s.now_us, EVOLVE_REPLAY, &fault), ST_OK);
	assert_int_equal(fault, EVOLVE_MALFORMED);
	forged = honest;
	forged.key_change.old_key = key('x');
	assert_int_equal(evolve(&s.live.state, &forged, (struct entry_id){ 90, 0 }, s.now_us, EVOLVE_REPLAY, &fault), ST_OK);
	assert_int_equal(fault, EVOLVE_KEYS);
	struct cmd accept = stage_cmd(OP_CLOCK_ACCEPT, 0);
	accept.program = 0;
	assert_int_equal(stage_play(&s, &accept), LEDGER_OK);
	s.entry.has_key_change = true;
	assert_int_equal(evolve(&s.live.state, &s.entry, (struct entry_id){ 91, 0 }, s.now_us, EVOLVE_REPLAY, &fault), ST_OK);
	assert_int_equal(fault, EVOLVE_MALFORMED);
	stage_release(&s);
}

/* ---- signatures: here a key signs by writing its letter ---- */

static enum status
letters_agree(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	(void)transaction;
	return signature.len == 64 && signature.data[0] == public_key[0] ? ST_OK : ST_INVALID;
}

struct signatures { uint8_t first[64], second[64], first_id[SHA256_BYTES], second_id[SHA256_BYTES]; };

static struct signed_transaction
signed_by(struct signatures *s, char first, char second)
{
	struct bytes keys[2] = { key(first), key(second) };

	*s = (struct signatures){ .first = { (uint8_t)first }, .second = { (uint8_t)second } };
	hash_sha256(s->first_id, &keys[0], 1);
	hash_sha256(s->second_id, &keys[1], 1);
	return (struct signed_transaction){
		.transaction = bytes_of("body", 4), .signature = bytes_of(s->first, 64), .key_id = bytes_of(s->first_id, KEY_ID_BYTES),
		.second_signature = bytes_of(s->second, second == 0 ? 0 : 64), .second_key_id = bytes_of(s->second_id, second == 0 ? 0 : KEY_ID_BYTES),
	};
}

static void
who_must_have_signed(void **state)
{
	static const struct { const char *name; uint64_t seq; bool rotates; char first, second; enum replay_fault want; } rows[] = {
		{ "the genesis's key", 5, false, 'a', 0, REPLAY_OK },
		{ "a rotation", 10, true, 'a', 'b', REPLAY_OK },
		{ "the next key", 11, false, 'b', 0, REPLAY_OK },
		{ "the old key after its end", 11, false, 'a', 0, REPLAY_KEY },
		{ "the next key before its time", 9, false, 'b', 0, REPLAY_KEY },
		{ "a checkpoint key", 9, false, 'A', 0, REPLAY_KEY },
		{ "a key that nobody knows", 9, false, 'x', 0, REPLAY_KEY },
		{ "a rotation without the new key", 10, true, 'a', 0, REPLAY_ROTATION },
		{ "a rotation without the old key", 10, true, 'b', 'a', REPLAY_KEY },
		{ "a rotation by the old key twice", 10, true, 'a', 'a', REPLAY_KEY },
		{ "a rotation to a key of which another signs", 10, true, 'a', 'x', REPLAY_KEY },
		{ "a second signature on any transaction", 12, false, 'b', 'B', REPLAY_ROTATION },
		{ "a checkpoint key's rotation", 20, true, 'b', 'B', REPLAY_OK },
		{ "a checkpoint key's rotation by the one before", 20, true, 'b', 'A', REPLAY_KEY },
		{ "a checkpoint key's rotation without the transaction key", 20, true, 'A', 'B', REPLAY_KEY },
		{ "a recovery", 30, true, 'c', 'B', REPLAY_OK },
		{ "a recovery by the new key alone", 30, true, 'c', 'c', REPLAY_KEY },
		{ "a recovery by a checkpoint key of before", 30, true, 'c', 'A', REPLAY_KEY },
		{ "a recovery by the lost key", 30, true, 'b', 'c', REPLAY_KEY },
		{ "the lost key after the recovery", 31, false, 'b', 0, REPLAY_KEY },
		{ "a compromised checkpoint key is replaced", 40, true, 'c', 'C', REPLAY_OK },
	};
	struct key_history h;

	(void)state;
	a_life(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct signatures bytes;
		struct signed_transaction s = signed_by(&bytes, rows[i].first, rows[i].second);
		struct entry entries[2] = { { .op = rows[i].rotates ? OP_ROTATE_KEY : OP_CLOCK_ACCEPT }, { .op = OP_CLOCK_ACCEPT } };
		struct transaction t = { .seq = rows[i].seq, .n_entries = 1, .entries = entries };
		enum replay_fault fault;
		assert_int_equal(apply_check_signatures(&h, rows[i].seq, &s, &t, letters_agree, &fault), ST_OK);
		if (fault != rows[i].want)
			fail_msg("%s: %s", rows[i].name, replay_fault_str(fault));
		if (rows[i].want != REPLAY_OK || !rows[i].rotates)
			continue;
		bytes.first[0] ^= 1;
		assert_int_equal(apply_check_signatures(&h, rows[i].seq, &s, &t, letters_agree, &fault), ST_OK);
		assert_int_equal(fault, REPLAY_SIGNATURE);
		bytes.first[0] ^= 1;
		bytes.second[0] ^= 1;
		assert_int_equal(apply_check_signatures(&h, rows[i].seq, &s, &t, letters_agree, &fault), ST_OK);
		assert_int_equal(fault, REPLAY_SIGNATURE);
		bytes.second[0] ^= 1;
		t.n_entries = 2;				/* not alone */
		assert_int_equal(apply_check_signatures(&h, rows[i].seq, &s, &t, letters_agree, &fault), ST_OK);
		assert_int_equal(fault, REPLAY_ROTATION);
		t.n_entries = 1;
		t.program = 1;
		assert_int_equal(apply_check_signatures(&h, rows[i].seq, &s, &t, letters_agree, &fault), ST_OK);
		assert_int_equal(fault, REPLAY_ROTATION);
	}
}

/* ---- in a ledger ---- */

static int
setup(void **state)
{
	static struct ledger_world w;

	ledger_world_init(&w, false);
	world_open(&w);
	world_publish(&w, club_yaml, "p");
	world_commit(&w);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct ledger_world *w = *state;

	if (w->store != NULL)
		world_close(w, true);
	ledger_world_release(w);
	return 0;
}

static void
play_rotation(struct ledger_world *w, enum key_kind kind, char new)
{
	struct cmd cmd = rotate(kind, new, kind == KEY_OF_CHECKPOINTS ? 10 : 0, RECOVERY_NONE);
	char name[] = { 'r', new, '\0' };

	cmd.request_id = name;
	cmd.principal = "operator/local";
	w->now_us += US_PER_SECOND;
	world_seal(w);
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	world_seal(w);
}

static void
assert_history(const struct key_history *h, const struct key_history *want)
{
	assert_int_equal(h->n, want->n);
	assert_memory_equal(h->keys, want->keys, want->n * sizeof(want->keys[0]));
}

/* Any signature will do: these leaves have none.  What the ledger says is what counts here. */
static enum status
believe(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	(void)public_key;
	(void)transaction;
	(void)signature;
	return ST_OK;
}

static enum status
doubt(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	(void)public_key;
	(void)transaction;
	(void)signature;
	return ST_INVALID;
}

static void
state_keeps_the_history(void **state)
{
	struct ledger_world *w = *state;
	struct key_history want, before = *apply_keys(w->apply);
	struct replay_error error;

	assert_int_equal(before.n, 2);
	world_enrol(w, "e1");
	play_rotation(w, KEY_OF_TRANSACTIONS, 'b');
	assert_int_equal(apply_keys(w->apply)->n, 3);
	apply_discard(w->apply);
	w->n_leaves = 0;
	assert_history(apply_keys(w->apply), &before);

	play_rotation(w, KEY_OF_TRANSACTIONS, 'b');
	play_rotation(w, KEY_OF_CHECKPOINTS, 'B');
	world_commit(w);
	play_rotation(w, KEY_OF_TRANSACTIONS, 'c');
	want = *apply_keys(w->apply);
	assert_int_equal(want.n, 5);
	world_commit_ledger(w);
	world_close(w, false);			/* state lacks the last */
	world_open(w);
	assert_history(apply_keys(w->apply), &want);
	apply_free(w->apply);
	assert_int_equal(store_state_discard(w->store), ST_OK);
	assert_int_equal(apply_new(w->store, &w->apply), ST_OK);
	assert_int_equal(apply_keys(w->apply)->n, 0);
	assert_int_equal(apply_replay(w->apply, w->store, UINT64_MAX, NULL, NULL, &error), ST_OK);
	assert_history(apply_keys(w->apply), &want);
}

static struct bytes
sign_rotations(struct ledger_world *w, struct bytes leaf, struct key_history *h, uint64_t seq)
{
	const struct ledger_key *first, *second;
	struct signed_transaction s;
	uint8_t ids[2][SHA256_BYTES], nothing[64] = { 0 };
	struct buf out;

	assert_int_equal(apply_follow_keys(h, seq, leaf, &w->arena), ST_OK);
	key_history_signers(h, seq, &first, &second);
	assert_int_equal(codec_signed_decode(leaf, &s), ST_OK);
	hash_sha256(ids[0], &(struct bytes){ first->public_key, PUBLIC_KEY_LEN }, 1);
	s.key_id = bytes_of(ids[0], KEY_ID_BYTES);
	if (second != NULL) {
		hash_sha256(ids[1], &(struct bytes){ second->public_key, PUBLIC_KEY_LEN }, 1);
		s.second_key_id = bytes_of(ids[1], KEY_ID_BYTES);
		s.second_signature = bytes_of(nothing, sizeof(nothing));
	}
	buf_init(&out);
	codec_signed_encode(&s, &out);
	char *copy = arena_memdup(&w->arena, out.data, out.len);
	assert_non_null(copy);
	struct bytes bytes = bytes_of(copy, out.len);
	buf_release(&out);
	return bytes;
}

static void
the_ledger_alone_tells_it_too(void **state)
{
	struct ledger_world *w = *state;
	struct key_history want, got, scratch = { 0 };
	struct replay_error error;
	struct store_txn *ledger, *stored;

	assert_int_equal(apply_follow_keys(&scratch, 0, world_leaf(w, 0), &w->arena), ST_OK);
	world_enrol(w, "e1");
	play_rotation(w, KEY_OF_TRANSACTIONS, 'b');
	for (size_t i = 0; i < w->n_leaves; i++)
		w->leaves[i] = sign_rotations(w, w->leaves[i], &scratch, 2 + i);
	world_commit(w);
	play_rotation(w, KEY_OF_CHECKPOINTS, 'B');
	world_enrol(w, "e2");
	world_seal(w);
	for (size_t i = 0; i < w->n_leaves; i++)
		w->leaves[i] = sign_rotations(w, w->leaves[i], &scratch, 4 + i);
	want = *apply_keys(w->apply);
	assert_int_equal(want.n, 4);
	world_commit_ledger(w);			/* state knows of the first only */

	assert_int_equal(store_read(w->store, STORE_STATE, &stored), ST_OK);
	assert_int_equal(store_read(w->store, STORE_LEDGER, &ledger), ST_OK);
	assert_int_equal(apply_read_keys(ledger, NULL, 6, believe, &got, &error), ST_OK);
	assert_history(&got, &want);
	assert_int_equal(apply_read_keys(ledger, stored, 6, believe, &got, &error), ST_OK);
	assert_history(&got, &want);
	assert_int_equal(apply_read_keys(ledger, stored, 4, believe, &got, &error), ST_OK);
	assert_int_equal(got.n, 3);
	assert_int_equal(apply_read_keys(ledger, stored, 3, believe, &got, &error), ST_OK);
	assert_int_equal(got.n, 2);
	assert_int_equal(apply_read_keys(ledger, NULL, 7, believe, &got, &error), ST_INVALID);
	assert_int_equal(error.what, REPLAY_SEQ);
	assert_int_equal(apply_read_keys(ledger, stored, 6, doubt, &got, &error), ST_INVALID);
	assert_int_equal(error.what, REPLAY_SIGNATURE);
	assert_int_equal(error.seq, 0);
	store_abort(ledger);
	store_abort(stored);
}

static void
a_rotation_shows_on_the_outside(void **state)
{
	struct ledger_world *w = *state;
	struct signed_transaction s;
	struct replay_error error;
	struct buf out;

	play_rotation(w, KEY_OF_TRANSACTIONS, 'b');
	struct bytes leaf = w->leaves[w->n_leaves - 1];
	uint64_t seq = apply_head(w->apply)->size - 1;
	w->n_leaves = 0;
	apply_discard(w->apply);
	buf_init(&out);
	assert_int_equal(codec_signed_decode(leaf, &s), ST_OK);
	s.second_key_id = s.second_signature = bytes_of(NULL, 0);
	codec_signed_encode(&s, &out);
	assert_int_equal(apply_transaction(w->apply, seq, buf_bytes(&out), &error), ST_INVALID);
	assert_int_equal(error.what, REPLAY_ROTATION);
	apply_discard(w->apply);
	assert_int_equal(apply_transaction(w->apply, seq, leaf, &error), ST_OK);
	apply_discard(w->apply);
	buf_release(&out);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_place_has_its_signers),
		cmocka_unit_test(what_cannot_follow_changes_nothing),
		cmocka_unit_test(keys_have_an_end_too),
		cmocka_unit_test(rows_keep_all_of_a_key),
		cmocka_unit_test(the_ladder),
		cmocka_unit_test(an_overlap_is_counted_from_its_decision),
		cmocka_unit_test(nobody_signs_a_simulation),
		cmocka_unit_test(forged_rotations_are_faults),
		cmocka_unit_test(who_must_have_signed),
		TEST(state_keeps_the_history),
		TEST(the_ledger_alone_tells_it_too),
		TEST(a_rotation_shows_on_the_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
