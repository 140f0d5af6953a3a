/*
 * A chunk is in our own memory before anything looks at it, so the source can rest, and a damaged page can only strike while it is copied.
 * Of what the signatures and the replay find, the earlier transaction is named: what comes after a broken one proves nothing.
 */
#include "audit.h"
#include "guard.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
finding_reason(struct finding *finding, const char *reason)
{
	(void)snprintf(finding->reason, sizeof(finding->reason), "%s", reason);
}

static void
finding_write(struct finding *finding, const char *reason, const char *format, va_list values)
{
	*finding = (struct finding){ .has_seq = false };
	finding_reason(finding, reason);
	(void)vsnprintf(finding->sentence, sizeof(finding->sentence), format, values);
}

void
finding_set(struct finding *finding, const char *reason, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	finding_write(finding, reason, format, values);
	va_end(values);
}

void
finding_set_at(struct finding *finding, uint64_t seq, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	finding_write(finding, "LEDGER_BROKEN", format, values);
	va_end(values);
	finding->has_seq = true;
	finding->seq = seq;
}

/* ---- the replay's own state, in files that nobody else sees ---- */

static enum status
open_replay_in(struct audit *audit, const char *path)
{
	struct store_params params = { .data_path = path };

	enum status st = store_create(path);
	if (st == ST_OK)
		st = store_open(&params, &audit->store);
	if (st == ST_OK)
		st = store_state_mark_running(audit->store);		/* the last file that the store opens by its name */
	if (st == ST_OK)
		st = apply_new(audit->store, &audit->apply);
	if (st == ST_OK)
		apply_set_approvals(audit->apply, audit_verify_approval);
	return st;
}

/* The names go at once, the files with the process: nothing is left behind, however it ends. */
static enum status
open_replay(struct audit *audit)
{
	const char *parent = getenv("TMPDIR");
	char path[4096];

	int n = snprintf(path, sizeof(path), "%s/fealty-audit.XXXXXX", parent != NULL && parent[0] != '\0' ? parent : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(path) || mkdtemp(path) == NULL)
		return ST_IO;
	enum status st = open_replay_in(audit, path);
	directory_remove(path);
	return st;
}

enum status
audit_init(struct audit *audit, unsigned threads)
{
	audit->leaves = calloc(CHUNK_LEAVES_MAX, sizeof(*audit->leaves));
	audit->data = malloc(CHUNK_BYTES_MAX);
	enum status st = audit->leaves == NULL || audit->data == NULL ? ST_NOMEM : audit_pool_new(threads, &audit->pool);
	if (st == ST_OK)
		st = open_replay(audit);
	if (st != ST_OK)
		audit_release(audit);
	if (st == ST_OK && !audit->no_redecide)
		audit_redecide_begin(&audit->redecide, audit->apply);
	if (st == ST_OK)
		audit_checkpoints_begin(&audit->checkpoints);
	return st;
}

void
audit_release(struct audit *audit)
{
	audit_redecide_release(&audit->redecide);
	audit_checkpoints_release(&audit->checkpoints);
	apply_free(audit->apply);
	store_close(audit->store, false);
	audit_pool_free(audit->pool);
	free(audit->leaves);
	free(audit->data);
	audit->apply = NULL;
	audit->store = NULL;
	audit->pool = NULL;
	audit->leaves = NULL;
	audit->data = NULL;
}

/* ---- a chunk ---- */

bool
audit_fits(const struct audit *audit, size_t leaf_bytes)
{
	return audit->n < CHUNK_LEAVES_MAX && leaf_bytes <= CHUNK_BYTES_MAX - audit->bytes;
}

void
audit_take(struct audit *audit, struct bytes leaf)
{
	assert(audit_fits(audit, leaf.len));
	if (leaf.len > 0)
		memcpy(audit->data + audit->bytes, leaf.data, leaf.len);
	audit->leaves[audit->n++] = bytes_of(audit->data + audit->bytes, leaf.len);
	audit->bytes += leaf.len;
}

static enum status
replay_one(struct audit *audit, size_t i)
{
	struct replay_error error;

	guard_at(GUARD_LEDGER, audit->first + i);
	enum status st = apply_transaction(audit->apply, audit->first + i, audit->leaves[i], &error);
	if (st == ST_INVALID)
		finding_set_at(&audit->finding, error.seq, "%s", error.sentence);
	enum status found = audit_redecide_found(audit, &error);
	if (found != ST_OK || st != ST_OK)
		return found != ST_OK ? found : st;
	return audit_checkpoints_reached(audit);
}

/* What the caller knows of the key from elsewhere must be what the genesis says. */
static enum status
check_pinned(struct audit *audit)
{
	const uint8_t *key = apply_head(audit->apply)->transaction_key;
	uint8_t key_id[KEY_ID_BYTES];

	key_id_of(key, key_id);
	if ((!audit->has_key || memcmp(audit->key, key, PUBLIC_KEY_BYTES) == 0) &&
	    (!audit->has_key_id || memcmp(audit->key_id, key_id, KEY_ID_BYTES) == 0))
		return ST_OK;
	finding_set_at(&audit->finding, 0, "transaction 0: the genesis names another key than the one that was given");
	return ST_INVALID;
}

/* The first key is in transaction 0, so that one is applied before its signature is looked at. */
static enum status
replay_genesis(struct audit *audit, size_t *ret_done)
{
	*ret_done = 0;
	if (audit->first > 0)
		return ST_OK;
	enum status st = replay_one(audit, 0);
	if (st == ST_OK)
		st = check_pinned(audit);
	*ret_done = 1;
	return st;
}

static enum status
replay_rest(struct audit *audit, size_t from)
{
	enum status st = ST_OK;

	for (size_t i = from; i < audit->n && st == ST_OK; i++)
		st = replay_one(audit, i);
	return st == ST_OK ? apply_flush(audit->apply) : st;
}

enum status
audit_chunk(struct audit *audit)
{
	struct audit_verdict verdict = { 0, NULL };
	size_t done;

	if (audit->n == 0)
		return ST_OK;
	enum status st = replay_genesis(audit, &done);
	if (st != ST_OK)
		return st;
	st = audit_pool_start(audit->pool, apply_keys(audit->apply), audit->leaves, audit->n, audit->first);
	if (st != ST_OK)
		return st;
	st = replay_rest(audit, done);
	enum status verified = audit_pool_finish(audit->pool, &verdict, &audit->entries);
	if (verdict.text != NULL && (st != ST_INVALID || verdict.seq <= audit->finding.seq)) {
		finding_set_at(&audit->finding, verdict.seq, "transaction %llu: %s", (unsigned long long)verdict.seq, verdict.text);
		return ST_INVALID;
	}
	if (st != ST_OK || verified != ST_OK)
		return st != ST_OK ? st : verified;
	audit->first += audit->n;
	audit->n = 0;
	audit->bytes = 0;
	progress_show(audit->progress, audit->first, audit->total);
	return ST_OK;
}
