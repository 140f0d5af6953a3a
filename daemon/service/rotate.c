/*
 * Keys that change hands.  The new key's file lies in the key directory before the command comes; the transaction that names it is signed by
 * both keys; after its commit the files change places.  So at every moment the key directory has what the ledger asks for, and a start
 * finishes what a crash cut short: the ledger says which key is in use.
 *
 * A rotation is the last transaction of its batch: whatever follows is signed by the new key.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "service/commit.h"

static enum key_name
name_of(enum key_kind kind)
{
	return kind == KEY_OF_TRANSACTIONS ? KEY_TRANSACTION : KEY_CHECKPOINT;
}

static struct bytes
key_bytes(const uint8_t public_key[static PUBLIC_KEY_BYTES])
{
	return bytes_of(public_key, PUBLIC_KEY_BYTES);
}

static const char *
key_id_text(const uint8_t public_key[static PUBLIC_KEY_BYTES], char ret_text[static 2 * KEY_ID_BYTES + 1])
{
	uint8_t id[KEY_ID_BYTES];

	key_id_of(public_key, id);
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(ret_text + 2 * i, 3, "%02x", id[i]);
	return ret_text;
}

/* ---- the command ---- */

enum status
rotate_prepare(struct commit *c, const struct request *request, struct refusal *ret_refusal)
{
	const struct service *s = c->service;
	enum key_kind kind = request->cmd.u.rotate_key.kind;
	const char *word = key_kind_str(kind);
	enum key_file file = KEY_FILE_OK;

	if (keys_is_credential(s->keys, name_of(kind))) {
		refusal_set(ret_refusal, LEDGER_NOT_FOUND, "new_key",
		    "%s.key is a credential of the service manager, whose files the daemon cannot change. KEYS.md says how such a key is rotated.", word);
		return ST_OK;
	}
	enum status st = keys_next_load(s->keys, s->params.keys_path, name_of(kind), request->cmd.u.rotate_key.new_key.data, &file);
	if (st == ST_NOMEM)
		return st;
	if (st != ST_OK)
		refusal_set(ret_refusal, LEDGER_NOT_FOUND, "new_key", "The daemon's key directory cannot be read (%s). Set its mode to 0700.",
		    status_str(st));
	else if (file == KEY_FILE_MISSING)
		refusal_set(ret_refusal, LEDGER_NOT_FOUND, "new_key",
		    "There is no %s.next.key in the daemon's key directory. Make it there with `fealty key new --kind %s`.", word, word);
	else if (file == KEY_FILE_UNFIT)
		refusal_set(ret_refusal, LEDGER_NOT_FOUND, "new_key",
		    "%s.next.key in the daemon's key directory is readable by others than its owner, or not by the daemon, or is no key. It must belong to "
		    "the daemon's user, with mode 0400.", word);
	else if (file == KEY_FILE_OTHER)
		refusal_set(ret_refusal, LEDGER_NOT_FOUND, "new_key",
		    "%s.next.key in the daemon's key directory is another key. Name the one that `fealty key new` printed.", word);
	return ST_OK;
}

/* ---- the transaction ---- */

bool
rotate_is(const struct transaction *t)
{
	return t->n_entries == 1 && t->entries[0].op == OP_ROTATE_KEY;
}

static enum status
sign(const struct commit *c, const struct ledger_key *key, struct bytes bytes, uint8_t signature[static SIGNATURE_BYTES],
    uint8_t key_id[static KEY_ID_BYTES])
{
	assert(key != NULL);
	key_id_of(key->public_key, key_id);
	return sign_once_as(c->service->keys, key->public_key, SIGNER_TRANSACTION_TYPE, bytes, signature);
}

enum status
rotate_leaf(struct commit *c, struct sealed *sealed, struct signed_transaction *ret_leaf)
{
	const struct ledger_key *first, *second;
	struct rotation *r = sealed->rotation;

	key_history_signers(apply_keys(c->apply), sealed->t.seq, &first, &second);
	enum status st = sign(c, first, sealed->bytes, sealed->job.signature, r->key_id);
	if (st == ST_OK)
		st = sign(c, second, sealed->bytes, r->second_signature, r->second_key_id);
	if (st != ST_OK)
		return st;
	*ret_leaf = (struct signed_transaction){
		.transaction = sealed->bytes,
		.signature = bytes_of(sealed->job.signature, SIGNATURE_BYTES),
		.key_id = bytes_of(r->key_id, KEY_ID_BYTES),
		.second_signature = bytes_of(r->second_signature, SIGNATURE_BYTES),
		.second_key_id = bytes_of(r->second_key_id, KEY_ID_BYTES),
	};
	return ST_OK;
}

/* ---- after it ---- */

static enum status
promote(struct service *s, enum key_kind kind)
{
	enum status st = keys_promote(s->keys, s->params.keys_path, name_of(kind));

	if (kind == KEY_OF_TRANSACTIONS)
		key_id_of(keys_public(s->keys, KEY_TRANSACTION), s->key_id);
	if (st != ST_IO)
		return st;
	log_event(s->log, LOG_LEVEL_WARNING, "key.files_not_renamed", "kind", key_kind_str(kind), "remedy",
	    "the daemon must be able to write to its key directory; the next start tries again", NULL);
	return ST_OK;
}

enum status
rotate_done(struct commit *c, const struct sealed *sealed)
{
	const struct entry *e = &sealed->t.entries[0];
	char id[2 * KEY_ID_BYTES + 1];

	log_event(c->service->log, e->u.rotate_key.recovery == RECOVERY_NONE ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "key.rotated", "kind",
	    key_kind_str(e->u.rotate_key.kind), "key_id", key_id_text(e->u.rotate_key.new_key.data, id), "seq", LOG_N(sealed->t.seq), "recovery",
	    key_recovery_str(e->u.rotate_key.recovery), NULL);
	return promote(c->service, e->u.rotate_key.kind);
}

/* ---- start ---- */

/* What --recover-key says; false: nothing, or of the other kind. */
static bool
recovers(const struct service *s, enum key_kind kind, enum key_recovery *ret_reason)
{
	const char *said = s->params.recover_key, *colon = said == NULL ? NULL : strchr(said, ':');

	if (colon == NULL || strncmp(said, key_kind_str(kind), (size_t)(colon - said)) != 0)
		return false;
	*ret_reason = key_recovery_of(colon + 1);
	return *ret_reason != RECOVERY_NONE;
}

static enum status
settle(struct service *s, enum key_kind kind, const struct ledger_key *key, char *ret_message)
{
	enum key_recovery reason;
	enum key_file file = KEY_FILE_MISSING;
	char id[2 * KEY_ID_BYTES + 1];
	const char *word = key_kind_str(kind);

	if (bytes_equal(key_bytes(keys_public(s->keys, name_of(kind))), key_bytes(key->public_key)))
		return ST_OK;
	if (keys_is_next(s->keys, name_of(kind), key->public_key)) {
		log_event(s->log, LOG_LEVEL_INFO, "key.rotation_completed", "kind", word, "key_id", key_id_text(key->public_key, id), NULL);
		return promote(s, kind);
	}
	if (recovers(s, kind, &reason))
		return ST_OK;
	if (keys_is_credential(s->keys, name_of(kind))) {
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "The credential %s.key is not the key %s that the ledger names since transaction %llu. Let LoadCredential= have that key; if it was "
		    "rotated, the key directory has it.", word, key_id_text(key->public_key, id), (unsigned long long)key->named_at);
		return ST_FORMAT;
	}
	if (keys_old_load(s->keys, s->params.keys_path, name_of(kind), key->public_key, &file) == ST_OK && file == KEY_FILE_OK) {
		snprintf(ret_message, SERVICE_MESSAGE_BYTES,
		    "The ledger names the key %s, and in %s that is one that was replaced since: this is an older copy of the ledger. Restore the newest "
		    "copy of the data directory.", key_id_text(key->public_key, id), s->params.keys_path);
		return ST_FORMAT;
	}
	snprintf(ret_message, SERVICE_MESSAGE_BYTES,
	    "The keys in %s are not this ledger's: %s.key is not the key %s that it names since transaction %llu. Give the right key directory, or "
	    "its newest copy; if there is none, KEYS.md says how a lost key is recovered.", s->params.keys_path, word,
	    key_id_text(key->public_key, id), (unsigned long long)key->named_at);
	return ST_FORMAT;
}

/* The key before, as long as it signs beside the one in use. */
static enum status
load_overlap(struct service *s, const struct key_history *keys, int64_t committed_at_us)
{
	const struct ledger_key *current = key_history_current(keys, KEY_OF_CHECKPOINTS);
	const struct ledger_key *before = key_history_beside(keys, current->from, committed_at_us);
	enum key_file file = KEY_FILE_OK;
	char id[2 * KEY_ID_BYTES + 1];

	if (before == NULL)
		return ST_OK;
	enum status st = keys_old_load(s->keys, s->params.keys_path, KEY_CHECKPOINT, before->public_key, &file);
	if (st == ST_OK && file != KEY_FILE_OK)
		log_event(s->log, LOG_LEVEL_WARNING, "key.overlap_cut_short", "key_id", key_id_text(before->public_key, id), "remedy",
		    "its file is missing or unfit: checkpoints are signed by the new key alone; put it back, and start again", NULL);
	return st == ST_NOMEM ? st : ST_OK;
}

enum status
rotate_settle(struct service *s, const struct key_history *keys, int64_t committed_at_us, char *ret_message)
{
	enum status st = ST_OK;

	for (enum key_kind kind = KEY_OF_TRANSACTIONS; kind < KEY_KIND_COUNT && st == ST_OK; kind++)
		st = settle(s, kind, key_history_current(keys, kind), ret_message);
	if (st != ST_OK)
		return st;
	key_id_of(keys_public(s->keys, KEY_TRANSACTION), s->key_id);
	return load_overlap(s, keys, committed_at_us);
}

/* ---- recovery ---- */

static enum status
recover_refuse(char *ret_message, const char *why)
{
	snprintf(ret_message, SERVICE_MESSAGE_BYTES, "The key is not recovered, and nothing was changed: %s", why);
	return ST_FORMAT;
}

static enum status
recover_check(const struct service *s, enum key_kind kind, enum key_recovery reason, char *ret_message)
{
	const struct key_history *keys = apply_keys(s->apply);
	const struct ledger_key *current = key_history_current(keys, kind);
	bool is_there = bytes_equal(key_bytes(keys_public(s->keys, name_of(kind))), key_bytes(current->public_key));

	if (keys_is_credential(s->keys, name_of(kind)))
		return recover_refuse(ret_message,
		    "its file is a credential of the service manager. Start without that credential, with the next key in the key directory.");
	if (keys_next_public(s->keys, name_of(kind)) == NULL)
		return recover_refuse(ret_message, is_there ? "the ledger's key is there, and there is no next key; start without --recover-key."
		    : "there is no next key. Make one in the key directory with `fealty key new`, and try again.");
	if (reason == RECOVERY_LOST && is_there)
		return recover_refuse(ret_message,
		    "it is not lost, the key directory has it. Start without --recover-key, and replace it with `fealty key rotate`.");
	return ST_OK;
}

static enum status
recover(struct commit *c, enum key_kind kind, enum key_recovery reason, char *ret_message)
{
	struct service *s = c->service;
	struct cmd cmd = { .op = OP_ROTATE_KEY, .principal = "operator/local" };
	struct refusal refusal;
	struct entry entry, *stored;
	struct entry_id id;

	enum status st = recover_check(s, kind, reason, ret_message);
	if (st == ST_OK)
		st = tx_begin_unvouched(c);
	if (st != ST_OK)
		return st;
	cmd.u.rotate_key.kind = kind;
	cmd.u.rotate_key.recovery = reason;
	cmd.u.rotate_key.new_key = key_bytes(keys_next_public(s->keys, name_of(kind)));
	st = decide(apply_state(c->apply), &cmd, tx_now_us(c), &c->arena, &entry, &refusal);
	if (st != ST_OK)
		return st;
	if (refusal.result != LEDGER_OK)
		return recover_refuse(ret_message, refusal.sentence);
	entry.has_fingerprint = false;
	st = tx_add(c, &entry, 0, &id, &stored);
	if (st == ST_OK)
		st = commit_flush(c);
	if (st == ST_FULL)
		snprintf(ret_message, SERVICE_MESSAGE_BYTES, "The key is not recovered: the ledger's disk is full.");
	return st;
}

enum status
rotate_recover(struct commit *c, char *ret_message)
{
	enum key_recovery reason;

	for (enum key_kind kind = KEY_OF_TRANSACTIONS; kind < KEY_KIND_COUNT; kind++)
		if (recovers(c->service, kind, &reason))
			return recover(c, kind, reason, ret_message);
	return ST_OK;
}
