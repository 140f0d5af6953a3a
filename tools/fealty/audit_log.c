/*
 * An exported log.  With a key that was given, its checkpoint is verified first, and what follows is bound to it; without one the log itself
 * says the key, from the genesis through all rotations, and the checkpoint is verified at the end: that finds damage, and not forgery.
 *
 * Tiles and entries are verified against the root before anything in them is looked at, so whatever a server sends can only be refused.
 */
#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log_tiles.h"

struct source {
	struct audit *audit;
	const char *place;
	struct log_fetch *fetch;
	enum exit_code code;			/* once something was told */
	struct log_head head;
	struct log_tiles tiles, past;		/* from left to right; for entries that name an earlier one */
	bool past_open;
};

/* ST_INVALID, with a finding. */
static enum status
damaged(struct audit *audit, const char *file, const char *sentence)
{
	finding_set(&audit->finding, "LOG_DAMAGED", "%s", sentence);
	(void)snprintf(audit->finding.file, sizeof(audit->finding.file), "%s", file);
	return ST_INVALID;
}

static enum status
tiles_status(struct audit *audit, const struct log_tiles *tiles, enum status st)
{
	return st == ST_INVALID ? damaged(audit, tiles->fault.file, tiles->fault.sentence) : st;
}

/* ---- the checkpoint ---- */

static enum status
judge_policy(struct audit *audit, const struct log_head *head)
{
	struct policy_verdict verdict;
	struct checkpoint c;
	struct note note;

	enum note_result parsed = note_parse(log_head_note(head), &note);
	if (parsed != NOTE_OK || checkpoint_parse(note.text, &c) != CHECKPOINT_OK)
		return ST_CORRUPT;		/* it was read before */
	enum status st = policy_check(audit->policy, &note, c.origin, verify_parts, NULL, &verdict);
	if (st == ST_OK && verdict.answer == POLICY_ACCEPTED) {
		audit->has_vkey = true;
		audit->vkey = audit->policy->log[verdict.log].key;
	}
	if (st != ST_OK || audit->has_vkey)
		return st;
	char what[160];
	(void)snprintf(what, sizeof(what), "is not one that the policy trusts: %s", policy_answer_str(verdict.answer));
	const char *reason = verdict.answer == POLICY_FORGED ? "CHECKPOINT_FORGED"
	    : verdict.answer == POLICY_QUORUM_MISSED         ? "CHECKPOINT_UNWITNESSED"
							     : "CHECKPOINT_FOREIGN";
	finding_set_checkpoint(&audit->finding, head->size, reason, what);
	return ST_INVALID;
}

static enum status
read_checkpoint(struct source *s)
{
	struct audit *audit = s->audit;
	const char *why = "it is longer than a checkpoint can be";
	struct buf text;

	enum log_fetch_result result = log_fetch(s->fetch, "checkpoint", LOG_NOTE_BYTES_MAX, &text);
	if (result == LOG_FETCH_FAILED)
		return ST_IO;
	if (result == LOG_FETCH_MISSING)
		return ST_NOTFOUND;
	bool read = result == LOG_FETCH_OK && log_head_read(buf_bytes(&text), &s->head, &why);
	if (result == LOG_FETCH_OK)
		buf_release(&text);
	if (!read) {
		finding_set(&audit->finding, "CHECKPOINT_DAMAGED", "checkpoint cannot be read: %s", why);
		(void)strcpy(audit->finding.file, "checkpoint");
		return ST_INVALID;
	}
	if (audit->policy != NULL)
		return judge_policy(audit, &s->head);
	return audit_checkpoint_trusted(audit, &s->head);
}

/* A log of another name is told at once, and not when all of it has been read. */
static enum status
judge_origin(struct source *s)
{
	struct audit *audit = s->audit;
	struct checkpoint c;
	struct note note;

	if (note_parse(log_head_note(&s->head), &note) != NOTE_OK || checkpoint_parse(note.text, &c) != CHECKPOINT_OK)
		return ST_CORRUPT;		/* it was read before */
	if (bytes_equal(c.origin, bytes_of(audit->genesis.origin, strlen(audit->genesis.origin))))
		return ST_OK;
	finding_set_checkpoint(&audit->finding, s->head.size, "CHECKPOINT_FOREIGN", "is of another log: its origin is not the ledger's");
	return ST_INVALID;
}

/* An export has one checkpoint: it is known to be newest, and there is none that could be missing. */
static enum status
take_checkpoint(struct source *s)
{
	struct audit *audit = s->audit;
	uint8_t root[SHA256_BYTES];

	enum status st = audit_checkpoint_signed(audit, &s->head);
	if (st != ST_OK)
		return st;
	merkle_tree_root(audit_tree(audit), root);
	if (memcmp(root, s->head.root, sizeof(root)) != 0)
		return damaged(audit, "checkpoint", "checkpoint has another root than the transactions give");
	audit_checkpoint_count(audit, &s->head);
	return audit->on_checkpoint == NULL ? ST_OK : audit->on_checkpoint(audit->on_ctx, audit, &s->head);
}

/* ---- an entry that a later one names ---- */

static enum status
copy_of(struct bytes leaf, struct arena *arena, struct bytes *ret_leaf)
{
	char *copy = arena_memdup(arena, leaf.data, leaf.len);

	if (copy == NULL)
		return ST_NOMEM;
	*ret_leaf = bytes_of(copy, leaf.len);
	return ST_OK;
}

static enum status
find_leaf(void *ctx, uint64_t seq, struct arena *arena, struct bytes *ret_leaf)
{
	struct source *s = ctx;
	const struct audit *audit = s->audit;
	struct bytes entries, leaf = bytes_of(NULL, 0);
	unsigned width;

	if (seq >= audit->first + audit->n)
		return ST_NOTFOUND;
	if (seq >= audit->first)
		return copy_of(audit->leaves[seq - audit->first], arena, ret_leaf);
	enum status st = s->past_open ? ST_OK : log_tiles_open(&s->past, s->fetch, s->head.size, s->head.root);
	s->past_open = true;
	if (st == ST_OK)
		st = log_tiles_bundle(&s->past, seq / TILE_WIDTH, &entries, &width);
	if (st != ST_OK)
		return tiles_status(s->audit, &s->past, st);
	for (uint64_t i = 0; i <= seq % TILE_WIDTH; i++) {
		if (bundle_take(&entries, &leaf) != BUNDLE_OK)
			return ST_NOTFOUND;
	}
	return copy_of(leaf, arena, ret_leaf);
}

/* ---- all of it ---- */

static enum status
take_entry(struct audit *audit, struct bytes leaf)
{
	uint64_t seq = audit->first + audit->n;

	if (leaf.len == 0 || leaf.len > LEDGER_LEAF_BYTES_MAX) {
		finding_set_at(&audit->finding, seq, "transaction %" PRIu64 ": it has %zu bytes, and 1 to %d are allowed", seq, leaf.len,
		    LEDGER_LEAF_BYTES_MAX);
		return ST_INVALID;
	}
	enum status st = audit_fits(audit, leaf.len) ? ST_OK : audit_chunk(audit);
	if (st == ST_OK)
		audit_take(audit, leaf);
	return st;
}

/* Transaction 0 by itself: it says the key. */
static enum status
take_bundle(struct source *s, uint64_t index)
{
	struct audit *audit = s->audit;
	struct bytes entries, leaf;
	unsigned width;

	enum status st = log_tiles_bundle(&s->tiles, index, &entries, &width);
	if (st == ST_INVALID) {
		struct log_tiles_fault fault = s->tiles.fault;
		st = audit_drain(audit);		/* an earlier fault is the one to name */
		return st == ST_OK ? damaged(audit, fault.file, fault.sentence) : st;
	}
	while (st == ST_OK && audit->first + audit->n < audit->until && bundle_take(&entries, &leaf) == BUNDLE_OK) {
		bool genesis = audit->first + audit->n == 0;
		st = take_entry(audit, leaf);
		if (st == ST_OK && genesis)
			st = audit_chunk(audit);
		if (st == ST_OK && genesis)
			st = judge_origin(s);
	}
	return st;
}

static enum status
run(struct source *s)
{
	struct audit *audit = s->audit;
	uint64_t bundles;

	enum status st = read_checkpoint(s);
	audit->log_size = s->head.size;
	if (st == ST_OK && audit->evidence != NULL)
		s->code = audit_evidence_begin(audit->evidence, &s->head);
	if (st != ST_OK || s->code != EXIT_DONE)
		return st;
	audit->total = s->head.size < audit->until ? s->head.size : audit->until;
	audit->redecide.find = find_leaf;
	audit->redecide.find_ctx = s;
	st = tiles_status(audit, &s->tiles, log_tiles_open(&s->tiles, s->fetch, s->head.size, s->head.root));
	bundles = tile_count(0, audit->total);
	for (uint64_t i = 0; i < bundles && st == ST_OK; i++)
		st = take_bundle(s, i);
	if (st == ST_OK)
		st = audit_drain(audit);
	if (st == ST_OK && audit->first == s->head.size)
		st = take_checkpoint(s);
	return st == ST_OK && audit->first == s->head.size ? audit_from_end(audit) : st;
}

enum status
audit_log(struct audit *audit, const char *place, enum exit_code *ret_code)
{
	static struct source s;
	const char *error;

	memset(&s, 0, sizeof(s));
	s.audit = audit;
	s.place = place;
	*ret_code = EXIT_DONE;
	enum status st = log_fetch_open(place, audit->timeout_ms, &s.fetch, &error);
	if (st == ST_INVALID) {
		*ret_code = cli_fail(audit->json, EXIT_USAGE, "--log: %s: %s", place, error);
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	st = run(&s);
	*ret_code = s.code;
	if (st == ST_NOTFOUND)
		*ret_code = cli_fail(audit->json, EXIT_USAGE, "%s has no checkpoint: it is no log by C2SP tlog-tiles", place);
	else if (st == ST_IO && log_fetch_error(s.fetch)[0] != '\0')
		*ret_code = cli_fail(audit->json, EXIT_UNAVAILABLE, "%s", log_fetch_error(s.fetch));
	if (*ret_code != EXIT_DONE)
		st = ST_OK;
	log_tiles_close(&s.tiles);
	if (s.past_open)
		log_tiles_close(&s.past);
	log_fetch_close(s.fetch);
	audit->redecide.find = NULL;
	return st;
}
