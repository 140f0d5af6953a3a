/*
 * A chunk is in our own memory before anything looks at it, so the source can rest, and a damaged page can only strike while it is copied.
 * Of what the signatures and the replay find, the earlier transaction is named: what comes after a broken one proves nothing.  The signatures of
 * a chunk are verified while it is replayed and while the next one is read, so that no thread waits.
 */
#include "audit.h"
#include "guard.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define MEASURE_EVERY 8		/* chunks */
#define CHAIN_ARENA_BYTES ((size_t)64 << 20)

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
	text_clean(finding->sentence, strlen(finding->sentence));		/* it may say what is in the ledger */
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

void
finding_set_checkpoint(struct finding *finding, uint64_t size, const char *reason, const char *what)
{
	finding_set(finding, reason, "the checkpoint of %llu %s %s", (unsigned long long)size, size == 1 ? "transaction" : "transactions", what);
	finding->has_size = true;
	finding->size = size;
	finding->seq = size == 0 ? 0 : size - 1;
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
	audit->threads = threads;
	audit->leaves = calloc(CHUNK_LEAVES_MAX, sizeof(*audit->leaves));
	audit->data = malloc(CHUNK_BYTES_MAX);
	audit->other_leaves = calloc(CHUNK_LEAVES_MAX, sizeof(*audit->leaves));
	audit->other_data = malloc(CHUNK_BYTES_MAX);
	audit->chain.links = audit->depth == AUDIT_HASHES ? calloc(CHUNK_LEAVES_MAX, sizeof(*audit->chain.links)) : NULL;
	merkle_tree_init(&audit->chain.tree);
	arena_init(&audit->chain.arena, CHAIN_ARENA_BYTES);
	enum status st = audit->leaves == NULL || audit->data == NULL || audit->other_leaves == NULL || audit->other_data == NULL ||
		(audit->depth == AUDIT_HASHES && audit->chain.links == NULL)
	    ? ST_NOMEM
	    : audit_pool_new(threads, &audit->pool);
	if (st == ST_OK && audit->depth != AUDIT_HASHES)
		st = open_replay(audit);
	if (st != ST_OK)
		audit_release(audit);
	if (st == ST_OK && audit->depth != AUDIT_HASHES)
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
	free(audit->other_leaves);
	free(audit->other_data);
	free(audit->chain.links);
	arena_release(&audit->chain.arena);
	audit->apply = NULL;
	audit->store = NULL;
	audit->pool = NULL;
	audit->leaves = NULL;
	audit->data = NULL;
	audit->other_leaves = NULL;
	audit->other_data = NULL;
	audit->checking.n = 0;
	audit->chain.links = NULL;
}

const struct merkle_tree *
audit_tree(const struct audit *audit)
{
	return audit->depth == AUDIT_HASHES ? &audit->chain.tree : apply_tree(audit->apply);
}

const struct key_history *
audit_keys(const struct audit *audit)
{
	return audit->depth == AUDIT_HASHES ? &audit->chain.keys : apply_keys(audit->apply);
}

int64_t
audit_committed_at_us(const struct audit *audit)
{
	return audit->depth == AUDIT_HASHES ? audit->chain.committed_at_us : apply_head(audit->apply)->committed_at_us;
}

struct note_key
audit_checkpoint_key(const struct audit *audit, uint64_t size)
{
	return note_key_of(bytes_of(audit->genesis.origin, strlen(audit->genesis.origin)), NOTE_ED25519,
	    key_history_checkpoint(audit_keys(audit), size)->public_key);
}

/* ---- a chunk ---- */

bool
audit_is_old(const struct audit *audit)
{
	return audit->first < audit->from.size;
}

/* A chunk ends where the last audit did, so that it is all old or all new. */
bool
audit_fits(const struct audit *audit, size_t leaf_bytes)
{
	return audit->n < CHUNK_LEAVES_MAX && leaf_bytes <= CHUNK_BYTES_MAX - audit->bytes &&
	    (audit->n == 0 || audit->first + audit->n != audit->from.size);
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

enum status
audit_reached(struct audit *audit)
{
	const struct merkle_tree *tree = audit_tree(audit);

	if (audit->head_compared && tree->size == audit->published.size) {
		merkle_tree_root(tree, audit->published_root);
		audit->head_reached = true;
	}
	while (audit->next_extra < audit->n_extra && audit->extra[audit->next_extra].size == tree->size) {
		const struct log_head *head = &audit->extra[audit->next_extra++];
		enum status st = audit_checkpoint_judge(audit, head);
		if (st != ST_OK)
			return st;
		audit_checkpoint_count(audit, head);
	}
	return audit_checkpoints_reached(audit);
}

static enum status
show_link(struct audit *audit, size_t i)
{
	struct audit_link link = { .rotates = false };
	struct signed_transaction s;

	enum status st = codec_signed_decode(audit->leaves[i], &s);
	if (st == ST_OK)
		st = codec_transaction_head(s.transaction, &link.head);
	return st == ST_OK ? audit->on_link(audit->on_ctx, &link, audit->leaves[i]) : st;
}

static enum status
replay_leaf(struct audit *audit, size_t i)
{
	struct replay_error error;

	guard_at(GUARD_LEDGER, audit->first + i);
	enum status st = apply_transaction(audit->apply, audit->first + i, audit->leaves[i], &error);
	if (st == ST_INVALID && error.what != REPLAY_OK)
		finding_set_at(&audit->finding, error.seq, "%s", error.sentence);
	enum status found = audit_redecide_found(audit, &error);
	if (found != ST_OK || st != ST_OK)
		return found != ST_OK ? found : st;
	if (audit->first + i == 0)
		st = audit_genesis(audit, audit->leaves[0]);
	if (st == ST_OK && audit->on_link != NULL)
		st = show_link(audit, i);
	return st;
}

static enum status
replay_one(struct audit *audit, size_t i)
{
	enum status st = replay_leaf(audit, i);

	return st == ST_OK ? audit_reached(audit) : st;
}

/* What the caller knows of the key from elsewhere must be what the genesis says. */
static enum status
check_pinned(struct audit *audit)
{
	uint8_t key_id[KEY_ID_BYTES];

	key_id_of(audit->genesis.transaction_key, key_id);
	if ((!audit->has_key || memcmp(audit->key, audit->genesis.transaction_key, PUBLIC_KEY_BYTES) == 0) &&
	    (!audit->has_key_id || memcmp(audit->key_id, key_id, KEY_ID_BYTES) == 0))
		return ST_OK;
	finding_set_at(&audit->finding, 0, "transaction 0: the genesis names another key than the one that was given");
	return ST_INVALID;
}

enum status
audit_genesis(struct audit *audit, struct bytes leaf)
{
	enum status st = log_genesis_read(leaf, &audit->genesis);

	if (st == ST_CORRUPT) {
		finding_set_at(&audit->finding, 0, "transaction 0: its signature does not verify, or its origin cannot be the name of a log");
		st = ST_INVALID;
	}
	if (st == ST_OK)
		st = check_pinned(audit);
	return st;
}

/* ${from} 1: of the genesis, too, the checkpoint is judged only here, where a signature that is bad is the finding that counts. */
static enum status
replay_rest(struct audit *audit, size_t from)
{
	enum status st = from == 1 ? audit_reached(audit) : ST_OK;

	for (size_t i = from; i < audit->n && st == ST_OK; i++)
		st = replay_one(audit, i);
	return st == ST_OK ? apply_flush(audit->apply) : st;
}

double
audit_cpu_seconds(void)
{
	struct timespec now;

	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec / 1e9 : 0;
}

/* Now and then a chunk is verified once more with nothing beside it: what the machine could do, under the same load as the audit. */
static enum status
measure(struct audit *audit, const struct audit_work *work)
{
	struct key_history keys = *apply_keys(audit->apply);	/* of that chunk, or later: each key knows what it signs */
	struct audit_work again = { work->leaves, work->n, work->first_seq, &keys, NULL };
	struct audit_verdict verdict;
	int64_t begun_us = clock_monotonic_us();
	double begun_cpu = audit_cpu_seconds();

	audit_pool_start(audit->pool, &again);
	enum status st = audit_pool_finish(audit->pool, &verdict);
	audit->measured_seconds += (double)(clock_monotonic_us() - begun_us) / 1e6;
	audit->measured_cpu_seconds += audit_cpu_seconds() - begun_cpu;
	audit->measured += work->n;
	return st;
}

static enum status
keep_evidence(struct audit *audit, const struct audit_work *work)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < work->n && st == ST_OK && audit->evidence != NULL; i++)
		st = audit_evidence_take(audit->evidence, work->leaves[i]);
	return st;
}

/* The verdict on the signatures of the chunk that was replayed last. */
static enum status
finish_checking(struct audit *audit)
{
	struct audit_work work = audit->checking;
	struct audit_verdict verdict;

	if (work.n == 0)
		return ST_OK;
	audit->checking.n = 0;
	enum status st = audit_pool_finish(audit->pool, &verdict);
	if (verdict.text != NULL) {
		finding_set_at(&audit->finding, verdict.seq, "transaction %llu: %s", (unsigned long long)verdict.seq, verdict.text);
		return ST_INVALID;
	}
	if (st == ST_OK)
		st = keep_evidence(audit, &work);
	audit->signatures += work.n;
	return st == ST_OK && audit->measure && ++audit->checked_chunks % MEASURE_EVERY == 1 ? measure(audit, &work) : st;
}

/* The other half of the memory is for the next chunk. */
static void
swap_chunks(struct audit *audit)
{
	struct bytes *leaves = audit->leaves;
	uint8_t *data = audit->data;

	audit->leaves = audit->other_leaves;
	audit->data = audit->other_data;
	audit->other_leaves = leaves;
	audit->other_data = data;
}

/* ${done} leaves are replayed already.  The signatures may still be verified afterwards, while the next chunk is read. */
static enum status
replay_and_verify(struct audit *audit, size_t done)
{
	struct key_history keys = *apply_keys(audit->apply);
	struct audit_work work = { audit->leaves, audit->n, audit->first, &keys, NULL };

	enum status st = audit_pool_follow_keys(audit->pool, work.leaves, work.n, work.first_seq, &keys);
	if (st == ST_OK)
		st = finish_checking(audit);
	if (st != ST_OK)
		return st;
	audit_pool_start(audit->pool, &work);
	audit->checking = (struct audit_work){ audit->leaves, audit->n, audit->first, NULL, NULL };
	st = replay_rest(audit, done);
	if (st == ST_OK) {
		swap_chunks(audit);
		return ST_OK;
	}
	struct finding found = audit->finding;
	enum status verified = finish_checking(audit);
	if (verified == ST_INVALID && (st != ST_INVALID || audit->finding.seq <= found.seq))
		return ST_INVALID;
	audit->finding = found;
	return st;
}

/* The first key is in transaction 0, so that one is applied before its signature is looked at. */
static enum status
replay_chunk(struct audit *audit)
{
	bool trusted = audit->depth == AUDIT_REPLAY || audit_is_old(audit);
	size_t done = audit->first == 0 ? 1 : 0;

	audit->redecide.off = audit->no_redecide || trusted;
	enum status st = done == 1 ? replay_leaf(audit, 0) : ST_OK;
	if (st != ST_OK)
		return st;
	return trusted ? replay_rest(audit, done) : replay_and_verify(audit, done);
}

enum status
audit_chunk(struct audit *audit)
{
	if (audit->n == 0)
		return ST_OK;
	enum status st = audit->depth == AUDIT_HASHES ? audit_chain_chunk(audit) : replay_chunk(audit);
	if (st == ST_OK)
		st = audit_from_reached(audit);
	if (st != ST_OK)
		return st;
	audit->first += audit->n;
	audit->chunks++;
	audit->n = 0;
	audit->bytes = 0;
	progress_show(audit->progress, audit->first, audit->total);
	return ST_OK;
}

enum status
audit_drain(struct audit *audit)
{
	enum status st = audit_chunk(audit);

	return st == ST_OK ? finish_checking(audit) : st;
}
