/*
 * The checkpoint of the last audit is the auditor's own: what it signs was verified then.  Its root binds every byte of the transactions
 * before it, so these are not verified again by signature, nor decided again; they are hashed, and replayed for the state that the newer ones
 * need.  A log that does not have that root at that size was rolled back, or forked.
 */
#include "audit.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum exit_code
audit_from_read(struct audit *audit, const char *path)
{
	struct buf text;
	const char *why = "it is longer than a checkpoint can be";

	enum status st = file_read_all(path, LOG_NOTE_BYTES_MAX, &text);
	if (st != ST_OK && st != ST_TOO_LARGE)
		return cli_fail(audit->json, EXIT_USAGE, "--from-checkpoint: %s cannot be read: %s", path, cli_status_words(st));
	bool read = st == ST_OK && log_head_read(buf_bytes(&text), &audit->from, &why);
	if (st == ST_OK)
		buf_release(&text);
	return read ? EXIT_DONE : cli_fail(audit->json, EXIT_USAGE, "--from-checkpoint: %s is no checkpoint: %s", path, why);
}

static enum status
parted(struct audit *audit, const char *how)
{
	char root[2 * SHA256_BYTES + 1], old[2 * SHA256_BYTES + 1];
	uint8_t now[SHA256_BYTES];
	const struct merkle_tree *tree = audit_tree(audit);

	merkle_tree_root(tree, now);
	finding_set(&audit->finding, "HISTORY_DIFFERS",
	    "%s: the last audit saw %" PRIu64 " transactions with the root %s, and here %" PRIu64 " have the root %s", how, audit->from.size,
	    hex_format(bytes_of(audit->from.root, SHA256_BYTES), old), tree->size, hex_format(bytes_of(now, SHA256_BYTES), root));
	audit->finding.has_size = true;
	audit->finding.size = audit->from.size;
	return ST_INVALID;
}

enum status
audit_from_reached(struct audit *audit)
{
	uint8_t root[SHA256_BYTES];

	if (audit->from.size == 0 || audit_tree(audit)->size != audit->from.size)
		return ST_OK;
	audit->from_entries = audit->redecide.seen;
	enum status st = audit_checkpoint_signed(audit, &audit->from);
	if (st != ST_OK)
		return st;
	merkle_tree_root(audit_tree(audit), root);
	if (memcmp(root, audit->from.root, sizeof(root)) == 0)
		return ST_OK;
	return parted(audit, "the log was changed, or rolled back and gone on with");
}

/* Which key it has to have is not known, as the ledger ends before it: by any that the ledger has or had it is this ledger's. */
static bool
is_ours(const struct audit *audit)
{
	const struct key_history *keys = audit_keys(audit);

	for (size_t i = 0; i < keys->n; i++) {
		struct note_key key = note_key_of(bytes_of(audit->genesis.origin, strlen(audit->genesis.origin)), NOTE_ED25519, keys->keys[i].public_key);
		if (keys->keys[i].kind == KEY_OF_CHECKPOINTS && log_head_verify(&audit->from, &key) == LOG_HEAD_OK)
			return true;
	}
	return false;
}

enum status
audit_from_end(struct audit *audit)
{
	if (audit->first >= audit->from.size)
		return ST_OK;
	if (is_ours(audit))
		return parted(audit, "the log was rolled back: its newest transactions are missing");
	finding_set_checkpoint(&audit->finding, audit->from.size, "CHECKPOINT_FOREIGN",
	    "that the last audit had is of another log, or of a key that this one does not name: the ledger is shorter, and none of its keys signed it");
	return ST_INVALID;
}
