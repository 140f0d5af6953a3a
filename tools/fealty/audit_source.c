/*
 * The directory of a stopped or a running daemon.  The size is taken once, at the start.  Between chunks the read transaction rests, so
 * that the daemon's files do not grow because of us.
 *
 * The state is compared at the moment when our replay is as far as it is: first we replay up to where it was when we looked, then we hold a
 * snapshot of it and replay the little that came in between; when that is no longer little, the snapshot is let go and it starts again.
 */
#include "audit.h"
#include "guard.h"

#include <stdio.h>
#include <string.h>

#define CATCH_UP_MAX 20000		/* transactions replayed while a snapshot of a running daemon's state is held */

static enum status
ledger_size(struct store_txn *ledger, uint64_t *ret_size)
{
	struct bytes key, value;

	guard_at(GUARD_LEDGER, 0);
	enum status st = store_last(ledger, TABLE_TRANSACTION, &key, &value);
	if (st == ST_OK && (key.len != 8 || get_be64(key.data) == UINT64_MAX))
		st = ST_CORRUPT;
	*ret_size = st == ST_OK ? get_be64(key.data) + 1 : 0;
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* A leaf that is not where it should be, or cannot be one. */
static enum status
judge_row(struct audit *audit, uint64_t seq, struct bytes key, struct bytes value)
{
	if (key.len != 8 || get_be64(key.data) != seq) {
		finding_set_at(&audit->finding, seq, "transaction %llu: it is missing", (unsigned long long)seq);
		return ST_INVALID;
	}
	if (value.len == 0 || value.len > LEDGER_LEAF_BYTES_MAX) {
		finding_set_at(&audit->finding, seq, "transaction %llu: it has %zu bytes, and 1 to %d are allowed", (unsigned long long)seq,
		    value.len, LEDGER_LEAF_BYTES_MAX);
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
fill_chunk(struct audit *audit, struct store_txn *ledger, uint64_t until)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	uint8_t from[8];

	put_be64(from, audit->first);
	guard_at(GUARD_LEDGER, audit->first);
	enum status st = store_cursor_open(ledger, TABLE_TRANSACTION, bytes_of(from, sizeof(from)), &cursor);
	if (st != ST_OK)
		return st;
	while (st == ST_OK && audit->first + audit->n < until) {
		uint64_t seq = audit->first + audit->n;
		guard_at(GUARD_LEDGER, seq);
		st = store_cursor_next(cursor, &key, &value);
		if (st == ST_NOTFOUND) {
			finding_set_at(&audit->finding, seq, "transaction %llu: it is missing", (unsigned long long)seq);
			st = ST_INVALID;
		}
		if (st == ST_OK)
			st = judge_row(audit, seq, key, value);
		if (st == ST_OK && !audit_fits(audit, value.len))
			break;
		if (st == ST_OK)
			audit_take(audit, value);
	}
	store_cursor_close(cursor);
	return st;
}

enum status
audit_fill(struct audit *audit, struct store_txn *ledger, uint64_t until)
{
	enum status st = fill_chunk(audit, ledger, until);

	if (st == ST_OK)
		st = audit_checkpoints_fill(audit, ledger);
	store_rest(ledger);
	return st;
}

/* What was read before a row that is missing or damaged is still judged first: an earlier fault there is the one to name. */
static enum status
replay_until(struct audit *audit, struct store_txn *ledger, uint64_t until)
{
	enum status st = ST_OK;

	if (audit->total < until)
		audit->total = until;
	while (st == ST_OK && audit->first < until) {
		enum status filled = audit_fill(audit, ledger, until);
		struct finding found = audit->finding;
		st = filled == ST_OK ? audit_chunk(audit) : audit_drain(audit);
		if (st == ST_OK && filled != ST_OK) {
			audit->finding = found;
			st = filled;
		}
		if (st == ST_CORRUPT) {
			finding_set_at(&audit->finding, audit->first,
			    "transaction %llu: it cannot be read from the file, which is damaged near there",
			    (unsigned long long)audit->first);
			st = ST_INVALID;
		}
		if (st == ST_OK)
			st = store_renew(ledger);
	}
	return st == ST_OK ? audit_drain(audit) : st;
}

static enum status
state_size(struct store_txn *state, uint64_t *ret_size)
{
	guard_at(GUARD_STATE, 0);
	enum status st = apply_read_size(state, ret_size);
	if (st == ST_NOTFOUND) {
		*ret_size = 0;
		st = ST_OK;
	}
	return st;
}

/* The daemon's state is at ${size}, in the snapshot that ${state} holds, and so is the replay. */
static enum status
compare_now(struct audit *audit, struct store_txn *state, uint64_t size)
{
	audit->state_size = size;
	audit->state_compared = true;
	guard_at(GUARD_STATE, 0);
	return audit_state(audit, state);
}

static enum status
catch_up_and_compare(struct audit *audit, struct store_txn *ledger, struct store_txn *state)
{
	uint64_t size;

	enum status st = state_size(state, &size);
	while (st == ST_OK && size > audit->first + CATCH_UP_MAX) {
		store_rest(state);
		st = store_renew(ledger);
		if (st == ST_OK)
			st = replay_until(audit, ledger, size);
		if (st == ST_OK)
			st = store_renew(state);
		if (st == ST_OK)
			st = state_size(state, &size);
	}
	if (st == ST_OK && size < audit->first) {
		audit->state_note = "the daemon rebuilt it meanwhile; run the audit again";
		return ST_OK;
	}
	if (st == ST_OK)
		st = store_renew(ledger); /* the ledger is committed before the state, so a newer view of it has all that the state has */
	if (st == ST_OK)
		st = replay_until(audit, ledger, size);
	return st == ST_OK ? compare_now(audit, state, size) : st;
}

/* ${size} is the ledger's at the start; a state beyond it can only be of a running daemon, or it does not belong to this ledger. */
static enum status
compare_state(struct audit *audit, struct store *source, struct store_txn *ledger)
{
	struct store_txn *state;
	uint64_t size, newest;

	if (!store_state_trusted(source)) {
		audit->state_note = "it is not there, or not trusted after a power loss; the daemon rebuilds it when it starts";
		return ST_OK;
	}
	if (store_read(source, STORE_STATE, &state) != ST_OK) {
		audit->state_note = "it cannot be opened; the daemon rebuilds it when it starts";
		return ST_OK;
	}
	enum status st = state_size(state, &size);
	if (st == ST_OK)
		st = store_renew(ledger);
	if (st == ST_OK)
		st = ledger_size(ledger, &newest);
	if (st == ST_OK && size == 0) {
		audit->state_note = "it is empty; the daemon rebuilds it when it starts";
	} else if (st == ST_OK && size > newest) {
		finding_set(&audit->finding, "STATE_DIFFERS", "state/ has applied %llu transactions, and the ledger has only %llu",
		    (unsigned long long)size, (unsigned long long)newest);
		st = ST_INVALID;
	} else if (st == ST_OK) {
		store_rest(state);
		st = replay_until(audit, ledger, size);
		if (st == ST_OK)
			st = store_renew(state);
		if (st == ST_OK)
			st = catch_up_and_compare(audit, ledger, state);
	}
	store_abort(state);
	return st == ST_CORRUPT ? audit_state_unreadable(audit) : st;	/* what the ledger's pages are was looked at before */
}

/* A ledger that lost its newest transactions is whole in itself; only what was published before tells. */
static enum status
compare_head(struct audit *audit)
{
	if (!audit->head_compared)
		return ST_OK;
	if (audit->published.size > audit->first && audit->first < audit->until) {
		finding_set(&audit->finding, "HEAD_DIFFERS",
		    "the ledger has %llu transactions, and %llu were published: the newest are missing", (unsigned long long)audit->first,
		    (unsigned long long)audit->published.size);
		return ST_INVALID;
	}
	if (audit->head_reached && memcmp(audit->published_root, audit->published.root, SHA256_BYTES) != 0) {
		finding_set(&audit->finding, "HEAD_DIFFERS",
		    "the first %llu transactions are not those that were published under that size",
		    (unsigned long long)audit->published.size);
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
read_published(struct audit *audit, struct store *source)
{
	enum status st = store_head_read(source, &audit->published);

	audit->head_compared = st == ST_OK;
	if (st != ST_CORRUPT)
		return ST_OK;
	finding_set(&audit->finding, "HEAD_DIFFERS", "the file with the published head is not of its format");
	return ST_INVALID;
}

/* LMDB is let near the pages only when all of them are sound; when they are not, what comes before the damage is still judged first. */
static enum status
inspect_pages(struct audit *audit, struct store *source, struct store_txn *ledger)
{
	struct store_key near;

	enum status st = store_inspect(source, TABLE_TRANSACTION, &near);
	if (st != ST_CORRUPT)
		return st;
	uint64_t sound = near.len == 8 ? get_be64(near.data) + 1 : 0;
	st = replay_until(audit, ledger, sound);
	if (st != ST_OK)
		return st;
	finding_set_at(&audit->finding, sound, "transaction %llu: it cannot be read: a page of ledger/data.mdb is damaged there",
	    (unsigned long long)sound);
	finding_reason(&audit->finding, "LEDGER_DAMAGED");
	return ST_INVALID;
}

enum status
audit_damage(struct audit *audit, const char *data_path, enum status st)
{
	char text[STORE_DAMAGE_TEXT_BYTES];
	struct store_damage damage;

	if (st != ST_CORRUPT && st != ST_NOTFOUND)
		return st;
	enum status found = store_damage_find(data_path, &damage);
	if (found != ST_OK)
		return found;
	const char *reason = damage.env == STORE_VAULT ? "VAULT_DAMAGED" : "LEDGER_DAMAGED";
	if (damage.part == STORE_PART_NONE)
		finding_set(&audit->finding, reason, "a file of the directory is damaged: it cannot be read as what it should be");
	else if (damage.part == STORE_PART_TABLE && damage.table == TABLE_TRANSACTION)
		finding_set_at(&audit->finding, damage.transactions, "%s", store_damage_format(&damage, text));
	else
		finding_set(&audit->finding, reason, "%s", store_damage_format(&damage, text));
	finding_reason(&audit->finding, reason);
	return ST_INVALID;
}

struct lookup { struct store *source; };

static enum status
find_leaf(void *ctx, uint64_t seq, struct arena *arena, struct bytes *ret_leaf)
{
	struct store *source = ctx;
	struct store_txn *ledger;
	struct bytes leaf;
	uint8_t key[8];

	enum status st = store_read(source, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	put_be64(key, seq);
	guard_at(GUARD_LEDGER, seq);
	st = store_get(ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &leaf);
	char *copy = st == ST_OK ? arena_memdup(arena, leaf.data, leaf.len) : NULL;
	if (st == ST_OK && copy == NULL)
		st = ST_NOMEM;
	if (st == ST_OK)
		*ret_leaf = bytes_of(copy, leaf.len);
	store_abort(ledger);
	return st;
}

enum status
audit_directory(struct audit *audit, struct store *source, bool no_state)
{
	struct store_txn *ledger;
	uint64_t size = 0;

	enum status st = store_read(source, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	audit->redecide.find = find_leaf;
	audit->redecide.find_ctx = source;
	st = read_published(audit, source);
	if (st == ST_OK)
		st = inspect_pages(audit, source, ledger);
	if (st == ST_OK)
		st = store_renew(ledger);		/* what was published before this view of the ledger must be in it */
	if (st == ST_OK)
		st = ledger_size(ledger, &size);
	if (size > audit->until)
		size = audit->until;
	audit->total = size;
	if (st == ST_OK && size == 0) {
		finding_set_at(&audit->finding, 0, "transaction 0: the ledger is empty, it has not even a genesis");
		st = ST_INVALID;
	}
	if (st == ST_OK && no_state && audit->state_note == NULL)
		audit->state_note = "as asked";
	if (st == ST_OK && !no_state)
		st = compare_state(audit, source, ledger);
	if (st == ST_OK)
		st = replay_until(audit, ledger, size);
	if (st == ST_OK)
		st = audit_from_end(audit);
	if (st == ST_OK)
		st = ledger_size(ledger, &size);	/* as this view has it: more was written meanwhile, and more checkpoints with it */
	if (st == ST_OK)
		st = audit_checkpoints_end(audit, ledger, size);
	if (st == ST_OK)
		st = audit_cosignatures(audit, ledger);
	if (st == ST_OK)
		st = compare_head(audit);
	store_abort(ledger);
	return st;
}
