/**
 * From files to a ledger that can be trusted:
 *
 *   state is trusted, or replaced by the newest snapshot, or emptied -> who signs, from the genesis and every rotation -> signatures and
 *   chain of the newest transactions -> our keys are those that sign now -> what state lacks is replayed -> the published head is in it ->
 *   vault rows beyond the ledger are dropped
 *
 * The vault comes last: beside an older copy of the ledger its newest rows would be dropped, and they are nowhere else.
 *
 * Each step either holds or ends the start with a sentence that says what to do.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "service/internal.h"

#define VERIFY_NEWEST 1000
#define PROGRESS_US (2 * US_PER_SECOND)

struct start {
	struct service *s;
	char *message;
	uint64_t size;			/* of the ledger */
	struct key_history keys;	/* after all of it */
	int64_t progress_us;
};

#define SAY(start, ...) snprintf((start)->message, SERVICE_MESSAGE_BYTES, __VA_ARGS__)

static enum status
ledger_size(struct start *st, struct store_txn *ledger)
{
	struct bytes key, value;

	enum status status = store_last(ledger, TABLE_TRANSACTION, &key, &value);
	if (status == ST_NOTFOUND) {
		SAY(st, "The ledger is empty: it has no genesis. Make a new one with `fealty init`.");
		return ST_FORMAT;
	}
	if (status != ST_OK || key.len != 8 || get_be64(key.data) == UINT64_MAX) {
		status = status == ST_OK ? ST_CORRUPT : status;
		SAY(st, "The ledger's newest transaction cannot be read (%s). Restore the data directory from a backup.", status_str(status));
		return status;
	}
	st->size = get_be64(key.data) + 1;
	return ST_OK;
}

static enum status
check_genesis(struct start *st, struct store_txn *ledger, struct arena *arena)
{
	struct service *s = st->s;
	struct transaction t;
	struct entry *e;

	enum status status = read_entry(ledger, NULL, (struct entry_id){ 0, 0 }, arena, &t, &e);
	if (status != ST_OK || e->op != OP_GENESIS || e->u.genesis.format != 1 || t.origin == NULL || strlen(t.origin) >= sizeof(s->origin)) {
		SAY(st, "Transaction 0 is not a genesis of format 1: this directory is of another format, or damaged.");
		return ST_FORMAT;
	}
	if (e->u.genesis.manual_clock != s->params.manual_clock) {
		SAY(st, s->params.manual_clock ? "The ledger runs on the real clock; start fealtyd without --clock manual."
		    : "The ledger was made for tests, on a manual clock, and never runs on the real one; start fealtyd with --clock manual.");
		return ST_FORMAT;
	}
	strcpy(s->origin, t.origin);
	s->manual_clock = e->u.genesis.manual_clock;
	return ST_OK;
}

static enum status
verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_TRANSACTION_TYPE, transaction, signature);
}

static enum status
say_damaged(struct start *st, const struct replay_error *error)
{
	SAY(st, "The ledger is damaged: %s. Run `fealty audit` for the whole picture, and restore the data directory from a backup.",
	    error->sentence);
	return ST_CORRUPT;
}

/* Who signs, by the ledger alone; the state, if it is to be asked, only knows where to look. */
static enum status
read_keys(struct start *st, struct store_txn *ledger, bool ask_state)
{
	struct replay_error error;
	struct store_txn *state = NULL;
	enum status status = ask_state ? store_read(st->s->store, STORE_STATE, &state) : ST_OK;

	if (status == ST_OK)
		status = apply_read_keys(ledger, state, st->size, verify, &st->keys, &error);
	if (state != NULL)
		store_abort(state);
	if (status == ST_INVALID)
		return say_damaged(st, &error);
	if (status != ST_OK)
		SAY(st, "The ledger's keys cannot be read from it (%s).", status_str(status));
	return status;
}

static enum status
settle_keys(struct start *st, struct store_txn *ledger, struct arena *arena)
{
	struct transaction t;
	struct entry *e;

	enum status status = read_entry(ledger, NULL, (struct entry_id){ st->size - 1, 0 }, arena, &t, &e);
	if (status == ST_CORRUPT || status == ST_NOTFOUND) {
		struct replay_error error;
		replay_error_set(&error, REPLAY_UNREADABLE, st->size - 1);
		return say_damaged(st, &error);
	}
	SAY(st, "The keys could not be put in their places.");
	return status != ST_OK ? status : rotate_settle(st->s, &st->keys, t.committed_at_us, st->message);
}

/* One of the newest: its signature, and that the next one follows it. ${prev} is what it must name, then what the next must. */
static enum status
verify_one(struct start *st, uint64_t seq, struct bytes leaf, bool has_prev, uint8_t prev[static SHA256_BYTES], struct arena *arena)
{
	struct signed_transaction signed_t;
	struct transaction t;
	struct replay_error error = { .what = REPLAY_OK };
	enum replay_fault fault = REPLAY_OK;

	arena_reset(arena);
	if (codec_signed_decode(leaf, &signed_t) != ST_OK || codec_transaction_decode(signed_t.transaction, arena, &t) != ST_OK)
		replay_error_set(&error, REPLAY_UNREADABLE, seq);
	else if (t.seq != seq)
		replay_error_set(&error, REPLAY_SEQ, seq);
	else if (apply_check_signatures(&st->keys, seq, &signed_t, &t, verify, &fault) != ST_OK)
		return ST_NOMEM;
	else if (fault != REPLAY_OK)
		replay_error_set(&error, fault, seq);
	else if (has_prev && memcmp(t.prev, prev, SHA256_BYTES) != 0)
		replay_error_set(&error, REPLAY_PREV, seq);
	if (error.what != REPLAY_OK)
		return say_damaged(st, &error);
	hash_sha256(prev, &signed_t.transaction, 1);
	return ST_OK;
}

static enum status
verify_newest(struct start *st, struct store_txn *ledger, struct arena *arena)
{
	uint64_t first = st->size > VERIFY_NEWEST ? st->size - VERIFY_NEWEST : 0;
	uint8_t prev[SHA256_BYTES] = { 0 };

	for (uint64_t seq = first; seq < st->size; seq++) {
		struct bytes leaf;
		enum status status = read_leaf(ledger, seq, &leaf);
		if (status != ST_OK) {
			SAY(st, "Transaction %llu cannot be read (%s): the ledger is damaged. Restore the data directory from a backup.",
			    (unsigned long long)seq,
			    status_str(status));
			return status == ST_NOTFOUND ? ST_CORRUPT : status;
		}
		status = verify_one(st, seq, leaf, seq > first || seq == 0, prev, arena);
		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

/* ---- state ---- */

/* Whether the state that is open is one of this ledger's past. */
static enum status
state_belongs(struct start *st, struct store_txn *ledger, bool *ret_belongs)
{
	const struct apply_head *head = apply_head(st->s->apply);
	struct signed_transaction signed_t;
	struct bytes leaf;
	uint8_t hash[SHA256_BYTES];

	*ret_belongs = head->size == 0;
	if (head->size == 0 || head->size > st->size)
		return ST_OK;
	enum status status = read_leaf(ledger, head->size - 1, &leaf);
	if (status == ST_OK)
		status = codec_signed_decode(leaf, &signed_t);
	if (status != ST_OK)
		return status == ST_CORRUPT ? ST_OK : status;
	hash_sha256(hash, &signed_t.transaction, 1);
	*ret_belongs = memcmp(hash, head->prev, sizeof(hash)) == 0;
	return ST_OK;
}

/* Opens what is there; *${ret_usable} says whether it can be built upon. */
static enum status
try_state(struct start *st, struct store_txn *ledger, bool *ret_usable)
{
	*ret_usable = false;
	enum status status = apply_new(st->s->store, &st->s->apply);
	if (status == ST_CORRUPT)
		return ST_OK;
	if (status == ST_OK)
		status = state_belongs(st, ledger, ret_usable);
	if (!*ret_usable) {
		apply_free(st->s->apply);
		st->s->apply = NULL;
	}
	return status;
}

static enum status
try_snapshots(struct start *st, struct store_txn *ledger, bool *ret_usable)
{
	uint64_t limit = st->size, size;

	*ret_usable = false;
	while (!*ret_usable && store_snapshot_find(st->s->store, limit, &size) == ST_OK) {
		enum status status = store_state_restore(st->s->store, size);
		if (status == ST_OK)
			status = try_state(st, ledger, ret_usable);
		else if (status == ST_CORRUPT)
			status = ST_OK;
		if (status != ST_OK)
			return status;
		log_event(st->s->log, LOG_LEVEL_WARNING, "state.snapshot", "size", LOG_N(size), "usable", *ret_usable ? "yes" : "no", NULL);
		if (size == 0)
			break;
		limit = size - 1;
	}
	return ST_OK;
}

/* A state of this boot that is not of this ledger: one of the two is damaged, and a state is not thrown away for a ledger that is. */
static enum status
suspect_ledger(struct start *st, struct store_txn *ledger, struct arena *arena)
{
	enum status status = read_keys(st, ledger, false);

	return status == ST_OK ? verify_newest(st, ledger, arena) : status;
}

static enum status
open_state(struct start *st, struct store_txn *ledger, struct arena *arena)
{
	struct service *s = st->s;
	bool usable = false;
	enum status status = ST_OK;

	s->metrics.start_state = FIGURE_STATE_KEPT;
	if (store_state_trusted(s->store)) {
		status = try_state(st, ledger, &usable);
		if (status == ST_OK && !usable) {
			status = suspect_ledger(st, ledger, arena);
			if (status != ST_OK)
				return status;
		}
	}
	if (status == ST_OK && !usable) {
		log_event(s->log, LOG_LEVEL_WARNING, "state.not_trusted", "remedy", "it is rebuilt from the newest snapshot and the ledger", NULL);
		s->metrics.start_state = FIGURE_STATE_SNAPSHOT;
		status = try_snapshots(st, ledger, &usable);
	}
	if (status == ST_OK && !usable) {
		s->metrics.start_state = FIGURE_STATE_EMPTY;
		status = store_state_discard(s->store);
		if (status == ST_OK)
			status = apply_new(s->store, &s->apply);
	}
	if (status == ST_OK)
		status = store_state_mark_running(s->store);
	if (status != ST_OK)
		SAY(st, "The derived state cannot be opened or rebuilt (%s). Remove the directory state/ and start again: it is rebuilt from the ledger.",
		    status_str(status));
	return status;
}

static bool
progress(void *ctx, uint64_t done, uint64_t total)
{
	struct start *st = ctx;
	int64_t now = clock_monotonic_us();

	if (now - st->progress_us >= PROGRESS_US) {
		st->progress_us = now;
		log_event(st->s->log, LOG_LEVEL_INFO, "replay.progress", "done", LOG_N(done), "of", LOG_N(total), NULL);
	}
	return true;
}

static enum status
replay(struct start *st)
{
	struct replay_error error;
	uint64_t before = apply_head(st->s->apply)->size;

	st->s->metrics.start_replayed = st->size - before;
	st->progress_us = clock_monotonic_us();
	approve_replays(st->s->apply);
	enum status status = apply_replay(st->s->apply, st->s->store, st->size, progress, st, &error);
	if (status == ST_INVALID)
		SAY(st, "The ledger cannot be replayed: %s. Run `fealty audit`, and restore the data directory from a backup.", error.sentence);
	else if (status != ST_OK)
		SAY(st, "The ledger could not be replayed (%s).", status_str(status));
	else if (before < st->size)
		log_event(st->s->log, LOG_LEVEL_INFO, "replay.done", "from", LOG_N(before), "size", LOG_N(st->size), NULL);
	return status == ST_INVALID ? ST_CORRUPT : status;
}

/* ST_FORK: it is not of this ledger, and nobody has accepted that. */
static enum status
compare_published(struct start *st)
{
	struct service *s = st->s;
	uint8_t root[SHA256_BYTES];
	bool accepted = false;

	enum status status = s->published.size <= st->size ? apply_root_at(s->apply, s->published.size, root) : ST_FORK;
	if (status == ST_OK && memcmp(root, s->published.root, sizeof(root)) != 0)
		status = ST_FORK;
	if (status != ST_FORK)
		return status;
	status = loss_judge(s, st->size, &accepted);
	return status == ST_OK && !accepted ? ST_FORK : status;
}

static enum status
check_published_head(struct start *st)
{
	struct service *s = st->s;
	bool accepted;

	enum status status = store_head_read(s->store, &s->published);
	if (status == ST_NOTFOUND)
		return loss_judge(s, st->size, &accepted);
	if (status != ST_OK) {
		SAY(st, "%s cannot be read (%s). It holds the last head that others have seen; restore it, do not remove it.", s->params.head_lock_path,
		    status_str(status));
		return status;
	}
	status = compare_published(st);
	if (status == ST_FORK)
		SAY(st, "The ledger does not contain the head that was published (size %llu in %s): this is an older copy, or another ledger. Going on would fork "
		    "the log. Restore the newest backup with `fealty restore`; when none is new enough, it says how the loss is accepted, and the ledger "
		    "records it.", (unsigned long long)s->published.size, s->params.head_lock_path);
	else if (status != ST_OK)
		SAY(st, "The published head could not be compared (%s).", status_str(status));
	return status;
}

static enum status
check_checkpoint(struct start *st)
{
	enum status status = checkpoint_load(st->s, st->size);

	if (status == ST_CORRUPT)
		SAY(st, "The newest checkpoint in the ledger is none of this log: damaged, or signed by another key. `fealty audit` says more.");
	else if (status == ST_FORK)
		SAY(st, "The ledger does not have the head that its newest checkpoint was signed for (size %llu): its transactions were changed afterwards.",
		    (unsigned long long)st->s->checkpoint.head.size);
	else if (status != ST_OK)
		SAY(st, "The newest checkpoint could not be read (%s).", status_str(status));
	return status;
}

static enum status
recover(struct start *st, struct store_txn *ledger, struct arena *arena)
{
	enum status status = ledger_size(st, ledger);
	if (status == ST_OK)
		status = check_genesis(st, ledger, arena);
	if (status == ST_OK)
		status = open_state(st, ledger, arena);
	if (status == ST_OK)
		status = read_keys(st, ledger, true);
	if (status == ST_OK)
		status = verify_newest(st, ledger, arena);
	if (status == ST_OK)
		status = settle_keys(st, ledger, arena);
	if (status == ST_OK)
		status = replay(st);
	if (status == ST_OK)
		status = check_published_head(st);
	if (status == ST_OK)
		status = check_checkpoint(st);
	if (status != ST_OK)
		return status;
	status = vault_recover(st->s->vault, st->size);
	if (status != ST_OK)
		SAY(st, "The vault cannot be brought to the ledger's head (%s).", status_str(status));
	return status;
}

enum status
start_recover(struct service *s, char *ret_message)
{
	struct start st = { .s = s, .message = ret_message };
	struct store_txn *ledger;
	struct arena arena;

	enum status status = store_read(s->store, STORE_LEDGER, &ledger);
	if (status != ST_OK) {
		SAY(&st, "The ledger cannot be read (%s).", status_str(status));
		return status;
	}
	arena_init(&arena, READ_ARENA_BYTES);
	status = recover(&st, ledger, &arena);
	arena_release(&arena);
	store_abort(ledger);
	return status;
}
