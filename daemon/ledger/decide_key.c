/*
 * Replacing a key.  That the new one is in the daemon's hands is not decided here but shown by its signature.
 *
 * Two checkpoint keys sign at a time at most: a rotation that wants an overlap waits for the end of the one before; one without an overlap
 * ends it.  A key that is lost or compromised has no overlap.
 */
#include <inttypes.h>

#include "ledger/internal.h"
#include "ledger/keys.h"

static bool
overlap_ok(struct decision *d)
{
	const struct cmd *cmd = d->cmd;

	if (cmd->u.rotate_key.overlap_days > LEDGER_OVERLAP_DAYS_MAX)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "overlap_days", "an overlap lasts at most %d days", LEDGER_OVERLAP_DAYS_MAX);
	if (cmd->u.rotate_key.overlap_days > 0 && cmd->u.rotate_key.kind == KEY_OF_TRANSACTIONS)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "overlap_days",
		    "each transaction has one key, so only checkpoint keys overlap; leave overlap_days out");
	if (cmd->u.rotate_key.overlap_days > 0 && cmd->u.rotate_key.recovery != RECOVERY_NONE)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "overlap_days",
		    "a key that is %s ends at once; leave overlap_days out, or give 0", key_recovery_str(cmd->u.rotate_key.recovery));
	return true;
}

static bool
syntax_ok(struct decision *d)
{
	const struct cmd *cmd = d->cmd;

	if (cmd->u.rotate_key.kind != KEY_OF_TRANSACTIONS && cmd->u.rotate_key.kind != KEY_OF_CHECKPOINTS)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "kind", "kind is neither transaction nor checkpoint");
	if (cmd->u.rotate_key.new_key.len != PUBLIC_KEY_LEN)
		return refuse_false(d, LEDGER_INVALID_ARGUMENT, "new_key", "new_key has %zu bytes, a public key %d",
		    cmd->u.rotate_key.new_key.len, PUBLIC_KEY_LEN);
	return overlap_ok(d);
}

static bool
overlap_runs(const struct decision *d)
{
	const struct key_history *keys = d->state->keys;
	const struct ledger_key *current = key_history_current(keys, KEY_OF_CHECKPOINTS);

	return key_history_beside(keys, current->from, d->now_us) != NULL;
}

enum status
decide_rotate_key(struct decision *d)
{
	const struct key_history *keys = d->state->keys;
	const struct cmd *cmd = d->cmd;
	struct entry *entry = d->entry;

	if (!syntax_ok(d))
		return ST_OK;
	const struct ledger_key *old = keys == NULL ? NULL : key_history_current(keys, cmd->u.rotate_key.kind);
	const struct ledger_key *there = old == NULL ? NULL : key_history_find(keys, cmd->u.rotate_key.new_key);
	if (old == NULL)
		return refuse(d, LEDGER_NOT_FOUND, "kind", "nothing is signed here, so there is no key to replace");
	if (there != NULL)
		return refuse(d, LEDGER_ALREADY_EXISTS, "new_key",
		    "the ledger has, or had, this key since transaction %" PRIu64 "; make a new one with `fealty key new`", there->named_at);
	if (cmd->u.rotate_key.overlap_days > 0 && overlap_runs(d))
		return refuse(d, LEDGER_ALREADY_EXISTS, "overlap_days",
		    "the overlap of the last rotation is not over; wait for its end, or end it with overlap_days 0");
	if (keys->n == LEDGER_KEYS_MAX)
		return refuse(d, LEDGER_CAP_REACHED, "new_key", "a ledger has at most %d keys in its life", LEDGER_KEYS_MAX);
	entry->u.rotate_key.kind = cmd->u.rotate_key.kind;
	entry->u.rotate_key.new_key = cmd->u.rotate_key.new_key;
	entry->u.rotate_key.overlap_days = cmd->u.rotate_key.overlap_days;
	entry->u.rotate_key.recovery = cmd->u.rotate_key.recovery;
	entry->has_key_change = true;
	entry->key_change.old_key = bytes_of(old->public_key, PUBLIC_KEY_LEN);
	entry->key_change.has_until = cmd->u.rotate_key.kind == KEY_OF_CHECKPOINTS;
	if (entry->key_change.has_until)
		entry->key_change.until_us = d->now_us + (int64_t)cmd->u.rotate_key.overlap_days * US_PER_DAY;
	return ST_OK;
}
