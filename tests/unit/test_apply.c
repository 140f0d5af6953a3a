/* Entries onto state, over real files: what a batch sees, what a flush leaves, what a discard forgets, and what a replay believes. */
#include "ledger_world.h"

#include <stdio.h>
#include <string.h>

#define MIDNIGHT(day) kst(day "T00:00:00")

static int
setup(void **state)
{
	struct ledger_world *w = test_calloc(1, sizeof(*w));

	ledger_world_init(w, false);
	world_open(w);
	world_publish(w, club_yaml, "p1");
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct ledger_world *w = *state;

	ledger_world_release(w);
	test_free(w);
	return 0;
}

static void
assert_due(struct ledger_world *w, int64_t until_us, int64_t at_us, bool hold, uint64_t member)
{
	struct due_row row;

	assert_int_equal(apply_due_first(w->apply, until_us, &row), ST_OK);
	assert_int_equal(row.at_us, at_us);
	assert_int_equal(row.hold, hold);
	assert_int_equal(row.member, member);
}

static void
assert_nothing_due(struct ledger_world *w, int64_t until_us)
{
	struct due_row row;

	assert_int_equal(apply_due_first(w->apply, until_us, &row), ST_NOTFOUND);
}

static struct entry_id
hold(struct ledger_world *w, uint64_t member, const char *principal, const char *key, int64_t ttl_us)
{
	struct cmd cmd = world_cmd(OP_HOLD, member, principal, key);
	struct entry_id id = { 0 };

	cmd.u.hold.points = (struct decimal){ 1, 0 };
	cmd.u.hold.has_ttl = ttl_us != 0;
	cmd.u.hold.ttl_us = ttl_us;
	assert_int_equal(world_play(w, &cmd, &id), LEDGER_OK);
	return id;
}

/* ---- batches ---- */

static void
a_batch_is_seen_at_once_and_survives_after_its_flush(void **state)
{
	struct ledger_world *w = *state;
	uint64_t m = world_enrol(w, "e1");

	world_purchase(w, m, "b1", 12000);
	assert_int_equal(world_member(w, m)->available, 12);
	world_commit(w);
	assert_int_equal(world_member(w, m)->available, 12);
	struct apply_head before = *apply_head(w->apply);
	world_close(w, true);
	world_open(w);
	assert_int_equal(world_member(w, m)->available, 12);
	assert_memory_equal(&before, apply_head(w->apply), sizeof(before));
}

static void
a_discard_forgets_the_batch(void **state)
{
	struct ledger_world *w = *state;
	struct request_row row;
	struct receipt_row receipt;
	uint8_t root[SHA256_BYTES], again[SHA256_BYTES];
	uint64_t m = world_enrol(w, "e1");

	world_commit(w);
	struct apply_head before = *apply_head(w->apply);
	const struct totals *totals;
	assert_int_equal(apply_state(w->apply)->totals(w->apply, 1, &totals), ST_OK);
	struct totals totals_before = *totals;
	merkle_tree_root(apply_tree(w->apply), root);

	struct cmd cmd = world_cmd(OP_PURCHASE, m, "pos/1/1", "b1");
	cmd.u.purchase.amount = (struct decimal){ 5000, 0 };
	cmd.u.purchase.receipt_no = "r1";
	cmd.store = "1";
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	hold(w, m, "pos/1/1", "h1", 0);
	world_publish(w, club_yaml, "p2");
	assert_int_equal(apply_request(w->apply, "pos/1/1", "b1", &row), ST_OK);
	assert_true(apply_overlay_bytes(w->apply) > 0);

	apply_discard(w->apply);
	w->n_leaves = w->open.n_entries = 0;
	assert_memory_equal(&before, apply_head(w->apply), sizeof(before));
	merkle_tree_root(apply_tree(w->apply), again);
	assert_memory_equal(root, again, sizeof(root));
	assert_int_equal(world_member(w, m)->available, 0);
	assert_int_equal(world_member(w, m)->n_holds, 0);
	assert_int_equal(apply_request(w->apply, "pos/1/1", "b1", &row), ST_NOTFOUND);
	assert_int_equal(apply_receipt(w->apply, 1, "1", "r1", world_member(w, m)->enrolled_day, &receipt), ST_NOTFOUND);
	assert_null(apply_state(w->apply)->program_version(w->apply, 1, 2));
	assert_int_equal(apply_state(w->apply)->totals(w->apply, 1, &totals), ST_OK);
	assert_memory_equal(totals, &totals_before, sizeof(*totals));
	assert_nothing_due(w, INSTANT_NEVER - 1);

	world_purchase(w, m, "b1", 7000); /* and it goes on from there */
	world_commit(w);
	assert_int_equal(world_member(w, m)->available, 7);
}

static void
a_crash_before_the_state_commit_is_made_good(void **state)
{
	struct ledger_world *w = *state;
	uint64_t m = world_enrol(w, "e1");
	struct request_row row;

	world_commit(w);
	world_purchase(w, m, "b1", 3000);
	world_commit_ledger(w);
	struct apply_head head = *apply_head(w->apply);
	world_close(w, false);
	world_open(w);
	assert_memory_equal(&head, apply_head(w->apply), sizeof(head));
	assert_int_equal(world_member(w, m)->available, 3);
	assert_int_equal(apply_request(w->apply, "pos/1/1", "b1", &row), ST_OK);
	assert_int_equal(row.id.seq, head.size - 1);
}

static void
a_rebuild_gives_the_same_state(void **state)
{
	struct ledger_world *w = *state;
	uint8_t root[SHA256_BYTES], again[SHA256_BYTES];
	struct replay_error error;
	char key[16];

	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "e%d", i);
		uint64_t m = world_enrol(w, key);
		key[0] = 'b';
		world_purchase(w, m, key, 1000 * (i + 1));
		world_seal(w);
		w->now_us += US_PER_SECOND;
		if (i % 100 == 99)
			world_commit(w);
	}
	struct apply_head head = *apply_head(w->apply);
	merkle_tree_root(apply_tree(w->apply), root);
	const struct totals *totals;
	assert_int_equal(apply_state(w->apply)->totals(w->apply, 1, &totals), ST_OK);
	struct totals before = *totals;

	apply_free(w->apply);
	w->apply = NULL;
	assert_int_equal(store_state_discard(w->store), ST_OK);
	assert_int_equal(apply_new(w->store, &w->apply), ST_OK);
	assert_int_equal(apply_head(w->apply)->size, 0);
	if (apply_replay(w->apply, w->store, 250, NULL, NULL, &error) != ST_OK)
		fail_msg("%s", error.sentence);
	assert_int_equal(apply_head(w->apply)->size, 250);
	assert_int_equal(apply_replay(w->apply, w->store, UINT64_MAX, NULL, NULL, &error), ST_OK);
	assert_memory_equal(&head, apply_head(w->apply), sizeof(head));
	merkle_tree_root(apply_tree(w->apply), again);
	assert_memory_equal(root, again, sizeof(root));
	assert_int_equal(apply_state(w->apply)->totals(w->apply, 1, &totals), ST_OK);
	assert_memory_equal(totals, &before, sizeof(before));
}

static void
old_roots_are_those_that_were(void **state)
{
	struct ledger_world *w = *state;
	static uint8_t roots[301][SHA256_BYTES];
	uint8_t root[SHA256_BYTES];
	uint64_t m = world_enrol(w, "e1"), first;
	char key[16];

	world_seal(w);
	first = apply_head(w->apply)->size;
	merkle_tree_root(apply_tree(w->apply), roots[first]);
	for (uint64_t size = first + 1; size <= 300; size++) {
		snprintf(key, sizeof(key), "b%d", (int)size);
		world_purchase(w, m, key, 1000);
		world_seal(w);
		merkle_tree_root(apply_tree(w->apply), roots[size]);
		if (size == 260)
			world_commit(w);
	}
	for (int flushed = 0; flushed < 2; flushed++) {
		for (uint64_t size = first; size <= 300; size++) {
			assert_int_equal(apply_root_at(w->apply, size, root), ST_OK);
			assert_memory_equal(root, roots[size], sizeof(root));
		}
		assert_int_equal(apply_root_at(w->apply, 301, root), ST_NOTFOUND);
		world_commit(w);
	}
}

/* ---- lookups ---- */

static void
request_ids_are_per_principal(void **state)
{
	struct ledger_world *w = *state;
	uint64_t m = world_enrol(w, "e1");
	struct entry_id one = world_purchase(w, m, "k", 1000);
	struct cmd cmd = world_cmd(OP_PURCHASE, m, "backend/app", "k");
	struct request_row row;

	cmd.fingerprint[5] = 77;
	for (int flushed = 0; flushed < 2; flushed++) {
		assert_int_equal(apply_request(w->apply, "pos/1/1", "k", &row), ST_OK);
		assert_true(
		    row.id.seq == one.seq && row.id.index == one.index && row.program == 1 && row.member == m && row.fingerprint[5] == 'k');
		assert_int_equal(apply_request(w->apply, "pos/1/1", "ke", &row), ST_NOTFOUND);
		assert_int_equal(apply_request(w->apply, "pos/1/11", "k", &row), ST_NOTFOUND);
		assert_int_equal(apply_request(w->apply, "backend/app", "k", &row), ST_NOTFOUND);
		world_commit(w);
	}
	cmd.u.purchase.amount = (struct decimal){ 1000, 0 };
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	assert_int_equal(apply_request(w->apply, "backend/app", "k", &row), ST_OK);
	assert_int_equal(row.fingerprint[5], 77);
}

/* Two principals, one request id: a reference to it is ambiguous, wherever the two rows are. */
static void
references_count_whoever_sent_them(void **state)
{
	struct ledger_world *w = *state;
	uint64_t m = world_enrol(w, "e1"), other = world_enrol(w, "e2");
	struct entry_id first, id;
	unsigned n;

	world_purchase(w, m, "b1", 9000);
	world_purchase(w, other, "b2", 9000);
	first = hold(w, m, "pos/1/1", "h", 0);
	hold(w, other, "pos/1/2", "h", 0);
	for (int flushed = 0; flushed < 2; flushed++) {
		assert_int_equal(apply_reference(w->apply, 1, m, "h", &n, &id), ST_OK);
		assert_int_equal(n, 1);
		assert_true(id.seq == first.seq && id.index == first.index);
		assert_int_equal(apply_reference(w->apply, 2, m, "h", &n, &id), ST_OK);
		assert_int_equal(n, 0);
		world_commit(w);
	}
	hold(w, m, "backend/app", "h", 0); /* one stored, one in the overlay */
	for (int flushed = 0; flushed < 2; flushed++) {
		assert_int_equal(apply_reference(w->apply, 1, m, "h", &n, &id), ST_OK);
		assert_int_equal(n, 2);
		assert_int_equal(apply_reference(w->apply, 1, other, "h", &n, &id), ST_OK);
		assert_int_equal(n, 1);
		world_commit(w);
	}
	assert_int_equal(apply_reference(w->apply, 1, m, "hh", &n, &id), ST_OK);
	assert_int_equal(n, 0);
}

static void
receipts_are_of_a_store_and_a_date(void **state)
{
	struct ledger_world *w = *state;
	uint64_t m = world_enrol(w, "e1");
	struct cmd cmd = world_cmd(OP_PURCHASE, m, "pos/1/1", "b1");
	struct receipt_row row;
	uint8_t digest[32];

	cmd.u.purchase.amount = (struct decimal){ 1500, 0 };
	cmd.u.purchase.receipt_no = "0001";
	cmd.store = "1";
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	int32_t day = zone_day(&apply_state(w->apply)->program_version(w->apply, 1, 1)->zone, w->now_us);
	assert_int_equal(receipt_digest(1500, NULL, 0, digest), ST_OK);
	for (int flushed = 0; flushed < 2; flushed++) {
		assert_int_equal(apply_receipt(w->apply, 1, "1", "0001", day, &row), ST_OK);
		assert_int_equal(row.member, m);
		assert_memory_equal(row.digest, digest, sizeof(digest));
		assert_int_equal(apply_receipt(w->apply, 1, "1", "0001", day + 1, &row), ST_NOTFOUND);
		assert_int_equal(apply_receipt(w->apply, 1, "10", "001", day, &row), ST_NOTFOUND);
		assert_int_equal(apply_receipt(w->apply, 2, "1", "0001", day, &row), ST_NOTFOUND);
		world_commit(w);
	}
	struct entry_line line = { .sku = "a", .category = "bc", .qty = 1, .amount = 1500 },
			  moved = { .sku = "ab", .category = "c", .qty = 1, .amount = 1500 };
	uint8_t one[32], other[32];
	assert_int_equal(receipt_digest(1500, &line, 1, one), ST_OK);
	assert_int_equal(receipt_digest(1500, &moved, 1, other), ST_OK);
	assert_memory_not_equal(one, digest, 32);
	assert_memory_not_equal(one, other, 32);
}

/* ---- what is due ---- */

static void
the_first_due_is_found_in_overlay_and_files(void **state)
{
	struct ledger_world *w = *state;
	int64_t expiry = MIDNIGHT("2026-03-13"); /* ten days from 2 March, and the day after them */
	uint64_t a = world_enrol(w, "e1"), b = world_enrol(w, "e2"), c = world_enrol(w, "e3");

	assert_nothing_due(w, INSTANT_NEVER - 1);
	world_purchase(w, b, "b1", 5000);
	assert_due(w, expiry, expiry, false, b);
	assert_nothing_due(w, expiry - 1);
	assert_due(w, expiry, expiry, false, b); /* the bound did not hide it */
	world_commit(w);
	assert_due(w, expiry, expiry, false, b);

	world_purchase(w, a, "b2", 5000); /* in the overlay, before b at the same instant */
	assert_due(w, expiry, expiry, false, a);
	world_purchase(w, c, "b3", 5000);
	assert_due(w, expiry, expiry, false, a);
	w->now_us += US_PER_DAY;
	hold(w, c, "pos/1/1", "h1", 0); /* and something earlier */
	int64_t ends = w->now_us + INT64_C(900) * US_PER_SECOND;
	assert_due(w, ends, ends, true, c);
	world_commit(w);
	assert_due(w, ends, ends, true, c);
	assert_nothing_due(w, ends - 1);
}

/* A stored row that the overlay supersedes is not seen, nor after a discard missed. */
static void
a_touched_member_hides_its_stored_row(void **state)
{
	struct ledger_world *w = *state;
	uint64_t a = world_enrol(w, "e1"), b = world_enrol(w, "e2");
	int64_t ends = w->now_us + INT64_C(900) * US_PER_SECOND;

	world_purchase(w, a, "b1", 1000);
	world_purchase(w, b, "b2", 1000);
	struct entry_id id = hold(w, a, "pos/1/1", "h1", 0);
	hold(w, b, "pos/1/1", "h2", INT64_C(901) * US_PER_SECOND);
	world_commit(w);
	assert_due(w, ends + US_PER_SECOND, ends, true, a);

	struct cmd cmd = world_cmd(OP_RELEASE, a, "pos/1/1", "x1");
	cmd.u.capture.found = true;
	cmd.u.capture.hold = id;
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	assert_due(w, ends + US_PER_SECOND, ends + US_PER_SECOND, true, b);
	apply_discard(w->apply);
	w->n_leaves = w->open.n_entries = 0;
	assert_due(w, ends + US_PER_SECOND, ends, true, a);
}

/* RULINGS section 10: at each instant hold time-outs first. */
static void
holds_come_first_at_an_instant(void **state)
{
	struct ledger_world *w = *state;
	int64_t midnight = MIDNIGHT("2026-03-13");
	uint64_t a = world_enrol(w, "e1"), b = world_enrol(w, "e2"), c = world_enrol(w, "e3"), d = world_enrol(w, "e4");

	world_purchase(w, a, "b1", 1000);
	world_purchase(w, b, "b2", 1000);
	w->now_us += US_PER_DAY;
	world_purchase(w, c, "b3", 1000);
	world_purchase(w, d, "b4", 1000);
	world_commit(w);
	assert_due(w, midnight, midnight, false, a);
	hold(w, d, "pos/1/1", "h1", midnight - w->now_us);
	assert_due(w, midnight, midnight, true, d);
	world_commit(w);
	hold(w, c, "pos/1/1", "h2", midnight - w->now_us);
	assert_due(w, midnight, midnight, true, c); /* overlay and files mixed */
	world_commit(w);
	assert_due(w, midnight, midnight, true, c);

	apply_discard(w->apply);
	w->now_us = midnight;
	for (int i = 0; i < 4; i++) {
		static const uint64_t order[] = { 3, 4, 1, 2 };
		const struct program *program = apply_state(w->apply)->program_version(w->apply, 1, 1);
		struct entry entry;
		struct entry_id id;
		struct due due;
		assert_due(w, midnight, midnight, i < 2, order[i]);
		assert_true(due_next(world_member(w, order[i]), program, midnight, &due));
		assert_int_equal(due.kind, i < 2 ? DUE_HOLD_TIMEOUT : DUE_EXPIRE);
		assert_int_equal(decide_due(apply_state(w->apply), 1, order[i], &due, &w->arena, &entry), ST_OK);
		world_seal(w);
		enum evolve_fault fault;
		w->open = (struct transaction){ .origin = apply_head(w->apply)->origin,
			.seq = apply_head(w->apply)->size,
			.program = 1,
			.n_entries = 1,
			.entries = w->entries,
			.committed_at_us = apply_head(w->apply)->committed_at_us + 1 };
		memcpy(w->open.prev, apply_head(w->apply)->prev, SHA256_BYTES);
		w->entries[0] = entry;
		id = (struct entry_id){ w->open.seq, 0 };
		assert_int_equal(apply_entry(w->apply, &w->entries[0], id, w->open.committed_at_us, EVOLVE_LIVE, &fault), ST_OK);
		if (i == 1)
			world_commit(w);
	}
	assert_nothing_due(w, midnight);
}

/* ---- programs ---- */

static void
readers_see_programs_after_the_flush(void **state)
{
	struct ledger_world *w = *state;
	struct programs *programs = apply_programs(w->apply);

	assert_int_equal(programs_count(programs), 0);
	assert_null(programs_at(programs, 1, INT64_MAX));
	assert_int_equal(programs_number(programs, "club"), 0);
	assert_int_equal(apply_state(w->apply)->program_count(w->apply), 1);
	world_commit(w);
	assert_int_equal(programs_count(programs), 1);
	assert_int_equal(programs_number(programs, "club"), 1);
	const struct program *first = programs_at(programs, 1, INT64_MAX);
	assert_non_null(first);
	assert_null(programs_at(programs, 1, first->in_force_us - 1));

	w->now_us += US_PER_DAY;
	world_publish(w, club_yaml, "p2");
	assert_ptr_equal(programs_at(programs, 1, INT64_MAX), first);
	assert_null(programs_version(programs, 1, 2));
	assert_int_equal(programs_definition(programs, 1, 2).len, 0);
	assert_int_equal(apply_state(w->apply)->program_at(w->apply, 1, INT64_MAX)->version, 2);
	world_commit(w);
	assert_int_equal(programs_at(programs, 1, INT64_MAX)->version, 2);
	assert_ptr_equal(programs_at(programs, 1, w->now_us - 1), first);
	struct bytes definition = world_definition(w, club_yaml);
	assert_true(bytes_equal(programs_definition(programs, 1, 2), definition));
	world_close(w, true);
	world_open(w);
	assert_int_equal(programs_at(apply_programs(w->apply), 1, INT64_MAX)->version, 2);
	assert_int_equal(programs_at(apply_programs(w->apply), 1, w->now_us - 1)->version, 1);
}

/* On a manual clock many transactions share an instant, and committed_at runs ahead of it. */
static void
a_version_is_in_force_at_the_instant_it_was_published(void **state)
{
	struct ledger_world w;

	(void)state;
	ledger_world_init(&w, true);
	world_open(&w);
	world_publish(&w, club_yaml, "p1");
	uint64_t m = world_enrol(&w, "e1");
	world_purchase(&w, m, "b1", 1000);
	world_publish(&w, club_yaml, "p2"); /* the clock has not moved */
	struct entry_id id = world_purchase(&w, m, "b2", 1000);
	assert_int_equal(w.entries[id.index].program_version, 2);
	world_commit(&w);
	world_close(&w, true);
	world_open(&w);
	assert_int_equal(apply_state(w.apply)->program_at(w.apply, 1, w.now_us)->version, 2);
	ledger_world_release(&w);
}

/* ---- replay ---- */

static bool
stop(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	assert_true(done <= total);
	return false;
}

static void
progress_can_stop_a_replay(void **state)
{
	struct ledger_world *w = *state;
	struct replay_error error;

	world_enrol(w, "e1");
	world_commit(w);
	apply_free(w->apply);
	assert_int_equal(store_state_discard(w->store), ST_OK);
	assert_int_equal(apply_new(w->store, &w->apply), ST_OK);
	assert_int_equal(apply_replay(w->apply, w->store, UINT64_MAX, stop, NULL, &error), ST_INTERRUPTED);
	assert_int_equal(apply_head(w->apply)->size, 3); /* what was done is flushed */
}

/* A purchase of 1 000 won by member 1, as the third transaction after genesis and program; each case changes it. */
struct forgery {
	const char *name;
	void (*change)(struct transaction *t);
	enum replay_fault want;
	enum evolve_fault fault;
};

static void
no_change(struct transaction *t)
{
	(void)t;
}
static void
other_seq(struct transaction *t)
{
	t->seq++;
}
static void
other_origin(struct transaction *t)
{
	t->origin = "elsewhere";
}
static void
other_prev(struct transaction *t)
{
	t->prev[31] ^= 1;
}
static void
same_time(struct transaction *t)
{
	t->committed_at_us = kst("2026-03-02T10:00:00");
}
static void
no_entries(struct transaction *t)
{
	t->n_entries = 0;
}
static void
second_genesis(struct transaction *t)
{
	static const uint8_t key[32];

	t->entries[0] = (struct entry){ .op = OP_GENESIS,
		.engine = 1,
		.business_date = DAY_NONE,
		.birthday = DAY_NONE,
		.program = t->program,
		.u.genesis = {
		    .format = 1, .origin = t->origin, .transaction_key = bytes_of(key, 32), .checkpoint_key = bytes_of(key, 32) } };
}
static void
used_request_id(struct transaction *t)
{
	t->entries[0].request_id = "e1";
}
static void
other_balance(struct transaction *t)
{
	t->entries[0].touched[0].available++;
}
static void
other_tail(struct transaction *t)
{
	t->entries[0].touched[0].prev.index++;
}
static void
unbalanced(struct transaction *t)
{
	struct posting *postings = (struct posting *)(uintptr_t)t->entries[0].postings;

	postings[0].points--;
}
static void
unknown_program(struct transaction *t)
{
	t->entries[0].program_version = 9;
}
static void
unknown_member(struct transaction *t)
{
	t->entries[0].member = t->entries[0].touched[0].member = 9;
}

static const struct forgery forgeries[] = {
	{ "untouched", no_change, REPLAY_OK, EVOLVE_OK },
	{ "another seq", other_seq, REPLAY_SEQ, EVOLVE_OK },
	{ "another origin", other_origin, REPLAY_ORIGIN, EVOLVE_OK },
	{ "a broken chain", other_prev, REPLAY_PREV, EVOLVE_OK },
	{ "time stands still", same_time, REPLAY_TIME, EVOLVE_OK },
	{ "no entries", no_entries, REPLAY_UNREADABLE, EVOLVE_OK },
	{ "a second genesis", second_genesis, REPLAY_GENESIS, EVOLVE_OK },
	{ "a request id that was used", used_request_id, REPLAY_REQUEST_TWICE, EVOLVE_OK },
	{ "another balance", other_balance, REPLAY_ENTRY, EVOLVE_AFTER_DIFFERS },
	{ "another entry before", other_tail, REPLAY_ENTRY, EVOLVE_PREV_DIFFERS },
	{ "points from nowhere", unbalanced, REPLAY_ENTRY, EVOLVE_UNBALANCED },
	{ "a version that is not there", unknown_program, REPLAY_ENTRY, EVOLVE_NO_PROGRAM },
	{ "a member that is not there", unknown_member, REPLAY_ENTRY, EVOLVE_NO_MEMBER },
};

static struct bytes
forge(struct ledger_world *w, struct bytes leaf, void (*change)(struct transaction *t))
{
	struct signed_transaction s;
	struct transaction t;
	struct buf bytes, out;

	assert_int_equal(codec_signed_decode(leaf, &s), ST_OK);
	assert_int_equal(codec_transaction_decode(s.transaction, &w->arena, &t), ST_OK);
	change(&t);
	buf_init(&bytes);
	buf_init(&out);
	assert_int_equal(codec_transaction_encode(&t, &w->arena, &bytes), ST_OK);
	s.transaction = buf_bytes(&bytes);
	codec_signed_encode(&s, &out);
	char *copy = arena_memdup(&w->arena, out.data, out.len);
	assert_non_null(copy);
	struct bytes forged = bytes_of(copy, out.len);
	buf_release(&bytes);
	buf_release(&out);
	return forged;
}

static void
every_forgery_has_a_name(void **state)
{
	struct ledger_world *w = *state;
	struct replay_error error;
	uint64_t m = world_enrol(w, "e1");

	world_commit(w);
	uint64_t seq = apply_head(w->apply)->size;
	w->now_us += US_PER_SECOND;
	world_purchase(w, m, "b1", 1000);
	world_commit_ledger(w);
	apply_discard(w->apply);
	struct bytes leaf = world_leaf(w, seq);
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		const struct forgery *f = &forgeries[i];
		enum status st = apply_transaction(w->apply, seq, forge(w, leaf, f->change), &error);
		if ((st == ST_OK) != (f->want == REPLAY_OK) || error.what != f->want || error.fault != f->fault ||
		    (st != ST_OK && error.seq != seq))
			fail_msg("%s: %s, %d, %s, %s", f->name, status_str(st), error.what, evolve_fault_str(error.fault), error.sentence);
		assert_true(st == ST_OK || strstr(error.sentence, "transaction 3: ") == error.sentence);
		apply_discard(w->apply);
	}
	for (size_t len = 0; len < leaf.len; len += 7) {
		assert_int_equal(apply_transaction(w->apply, seq, bytes_of(leaf.data, len), &error), ST_INVALID);
		assert_int_equal(error.what, REPLAY_UNREADABLE);
		apply_discard(w->apply);
	}
	assert_int_equal(apply_transaction(w->apply, seq + 1, leaf, &error), ST_INVALID);
	assert_int_equal(error.what, REPLAY_SEQ);
	apply_discard(w->apply);
	assert_int_equal(apply_replay(w->apply, w->store, UINT64_MAX, NULL, NULL, &error), ST_OK);
	assert_int_equal(world_member(w, m)->available, 1);
}

static void
wrong_format(struct transaction *t)
{
	t->entries[0].u.genesis.format = 2;
}
static void
wrong_key(struct transaction *t)
{
	t->entries[0].u.genesis.transaction_key.len = 31;
}
static void
wrong_origin(struct transaction *t)
{
	t->entries[0].u.genesis.origin = "another";
}

static void
the_first_is_a_genesis(void **state)
{
	struct ledger_world *w = *state;
	void (*const changes[])(struct transaction * t) = { wrong_format, wrong_key, wrong_origin };
	struct replay_error error;

	struct bytes leaf = world_leaf(w, 0);
	apply_free(w->apply);
	assert_int_equal(store_state_discard(w->store), ST_OK);
	assert_int_equal(apply_new(w->store, &w->apply), ST_OK);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		assert_int_equal(apply_transaction(w->apply, 0, forge(w, leaf, changes[i]), &error), ST_INVALID);
		assert_int_equal(error.what, REPLAY_GENESIS);
	}
	w->n_leaves = 0;
	assert_int_equal(apply_transaction(w->apply, 0, leaf, &error), ST_OK);
	assert_int_equal(apply_head(w->apply)->size, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_batch_is_seen_at_once_and_survives_after_its_flush),
		TEST(a_discard_forgets_the_batch),
		TEST(a_crash_before_the_state_commit_is_made_good),
		TEST(a_rebuild_gives_the_same_state),
		TEST(old_roots_are_those_that_were),
		TEST(request_ids_are_per_principal),
		TEST(references_count_whoever_sent_them),
		TEST(receipts_are_of_a_store_and_a_date),
		TEST(the_first_due_is_found_in_overlay_and_files),
		TEST(a_touched_member_hides_its_stored_row),
		TEST(holds_come_first_at_an_instant),
		TEST(readers_see_programs_after_the_flush),
		cmocka_unit_test(a_version_is_in_force_at_the_instant_it_was_published),
		TEST(progress_can_stop_a_replay),
		TEST(every_forgery_has_a_name),
		TEST(the_first_is_a_genesis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
