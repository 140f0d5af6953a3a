/*
 * State is committed without fsync, so after a power loss its file may be anything.  The mark tells: "running <boot id>" is on disk before
 * the first write, "clean" only after everything was synced.  Trusted: clean, or running in this same boot (the page cache outlived the
 * process).  No mark and no rows: fresh.
 */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK_CLEAN "clean\n"
#define MARK_MAX (sizeof("running ") + BOOT_ID_MAX + 1)

static size_t
running_text(const struct store *store, char ret_text[static MARK_MAX])
{
	int n = snprintf(ret_text, MARK_MAX, "running %s\n", store->boot_id);

	assert(n > 0 && (size_t)n < MARK_MAX);
	return (size_t)n;
}

static bool
state_empty(struct store *store)
{
	struct store_txn *txn;
	uint64_t rows = 0;

	if (store_read(store, STORE_STATE, &txn) != ST_OK)
		return false;
	for (enum store_table t = 0; t < TABLE_COUNT; t++)
		if (store_table_env(t) == STORE_STATE)
			rows += store_rows(txn, t);
	store_abort(txn);
	return rows == 0;
}

void
state_judge(struct store *store)
{
	char running[MARK_MAX];
	uint8_t text[MARK_MAX];
	size_t len;

	store->state_trusted = false;
	if (store->envs[STORE_STATE]->mdb == NULL)
		return;
	enum status st = file_read(store->mark_path, text, sizeof(text), &len);
	if (st == ST_NOTFOUND)
		store->state_trusted = state_empty(store);
	if (st != ST_OK)
		return;
	struct bytes mark = bytes_of(text, len);
	store->state_trusted = bytes_equal(mark, bytes_of(MARK_CLEAN, strlen(MARK_CLEAN))) ||
	    bytes_equal(mark, bytes_of(running, running_text(store, running)));
}

bool
store_state_trusted(const struct store *store)
{
	return store->state_trusted;
}

enum status
store_state_mark_running(struct store *store)
{
	char text[MARK_MAX];

	assert(!store->read_only);
	if (store->state_marked)
		return ST_OK;
	/* Until it was rebuilt, an untrusted state must not get the mark of a good one: a crash right after would make it trusted. */
	if (!store->state_trusted)
		return ST_INVALID;
	enum status st = file_replace(store->mark_path, bytes_of(text, running_text(store, text)));
	store->state_marked = st == ST_OK;
	return st;
}

enum status
state_mark_clean(struct store *store)
{
	struct env *e = store->envs[STORE_STATE];

	assert(e->mdb != NULL && store->state_trusted);
	enum status st = env_status(store, mdb_env_sync(e->mdb, 1));
	if (st == ST_OK)
		st = file_replace(store->mark_path, bytes_of(MARK_CLEAN, strlen(MARK_CLEAN)));
	if (st == ST_OK)
		store->state_marked = false;
	return st;
}

/*
 * Without a mark, state is trusted only when empty.  So: take the mark away, fsynced; then change the files; and mark them as running last.
 * A crash or a power loss in between leaves an untrusted state or an empty one.
 */
static enum status
state_unmark(struct store *store)
{
	assert(!store->read_only && atomic_load(&store->envs[STORE_STATE]->txns) == 0);
	store->state_trusted = false;
	store->state_marked = false;
	if (unlink(store->mark_path) != 0 && errno != ENOENT)
		return file_status(errno);
	return file_sync_dir(store->data_path);
}

static enum status
state_reopen(struct store *store)
{
	enum status st = env_open(store, store->envs[STORE_STATE]);

	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_CORRUPT : st;
	store->state_trusted = true;
	st = store_state_mark_running(store);
	if (st != ST_OK)
		store->state_trusted = false;
	return st;
}

enum status
store_state_discard(struct store *store)
{
	struct env *e = store->envs[STORE_STATE];

	enum status st = state_unmark(store);
	if (st != ST_OK)
		return st;
	env_close(e);
	st = env_remove_files(e->path);
	if (st == ST_OK)
		st = env_create(e->path, STORE_STATE);
	return st == ST_OK ? state_reopen(store) : st;
}

static enum status
state_replace(struct store *store, const char *temp_path, const char *path)
{
	struct env *e = store->envs[STORE_STATE];

	enum status st = state_unmark(store);
	if (st != ST_OK)
		return st;
	env_close(e);
	st = env_remove_files(e->path);		/* lock.mdb too: it knows the old file's transactions */
	if (st == ST_OK && rename(temp_path, path) != 0)
		st = file_status(errno);
	if (st == ST_OK)
		st = file_sync_dir(e->path);
	return st == ST_OK ? state_reopen(store) : st;
}

enum status
store_state_restore(struct store *store, uint64_t size)
{
	struct env *e = store->envs[STORE_STATE];

	assert(!store->read_only && atomic_load(&e->txns) == 0);
	enum status st = file_make_dir(e->path);
	if (st != ST_OK)
		return st;
	char *path = file_path(e->path, "data.mdb");
	char *temp_path = file_path(e->path, "restore.tmp");
	if (path == NULL || temp_path == NULL) {
		st = ST_NOMEM;
		goto out;
	}
	st = snapshot_extract(store, size, temp_path);
	if (st == ST_OK)
		st = state_replace(store, temp_path, path);
	unlink(temp_path);
out:
	free(path);
	free(temp_path);
	return st;
}
