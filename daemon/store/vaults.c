/*
 * A vault is a directory <data>/vault/<epoch>.  LMDB keeps what was deleted in its free pages, so to be rid of it the rows that are left are copied
 * into a fresh environment, <epoch>.new, which is synced and then gets its name by one rename: whatever stands between two steps, the greatest
 * number is a whole vault, and everything else under vault/ is a remainder that the next writer removes.
 *
 * A transaction holds the environment that it is in.  A reader that rests in the old one is asked to move (store_txn_outdated()); the old file
 * is closed, and so gone from the disk, when the last has.
 */
#include "store/internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRESH ".new"

char *
vault_path(const char *data_path, uint64_t epoch, const char *end)
{
	char *path;

	return asprintf(&path, "%s/vault/%" PRIu64 "%s", data_path, epoch, end) < 0 ? NULL : path;
}

/* The number that a name is, written as we write it; 0: it is none. */
static uint64_t
epoch_of(const char *name)
{
	char *end;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	errno = 0;
	uint64_t epoch = strtoull(name, &end, 10);
	return errno == 0 && *end == '\0' ? epoch : 0;
}

enum status
vault_find_path(const char *data_path, char **ret_path, uint64_t *ret_epoch)
{
	uint64_t newest = 0;

	char *dir_path = file_path(data_path, "vault");
	DIR *dir = dir_path == NULL ? NULL : opendir(dir_path);
	enum status st = dir_path == NULL ? ST_NOMEM : dir == NULL ? file_status(errno) : ST_OK;
	free(dir_path);
	if (dir == NULL)
		return st;
	for (struct dirent *d; (d = readdir(dir)) != NULL;)
		if (epoch_of(d->d_name) > newest)
			newest = epoch_of(d->d_name);
	closedir(dir);
	if (newest == 0)
		return file_status(ENOENT);
	*ret_path = vault_path(data_path, newest, "");
	*ret_epoch = newest;
	return *ret_path == NULL ? ST_NOMEM : ST_OK;
}

static enum status
remove_vault(const char *path)
{
	enum status st = env_remove_files(path);

	if (st == ST_OK && rmdir(path) != 0 && errno != ENOENT)
		st = file_status(errno);
	return st;
}

enum status
vault_clean(const char *data_path, uint64_t epoch)
{
	enum status st = ST_OK;

	char *dir_path = file_path(data_path, "vault");
	if (dir_path == NULL)
		return ST_NOMEM;
	DIR *dir = opendir(dir_path);
	if (dir == NULL)
		st = file_status(errno);
	for (struct dirent *d; dir != NULL && st == ST_OK && (d = readdir(dir)) != NULL;) {
		if (d->d_name[0] == '.' || (epoch != 0 && epoch_of(d->d_name) == epoch))
			continue;
		char *path = file_path(dir_path, d->d_name);
		st = path == NULL ? ST_NOMEM : remove_vault(path);
		free(path);
	}
	if (dir != NULL)
		closedir(dir);
	free(dir_path);
	return st;
}

uint64_t
store_vault_epoch(struct store *store)
{
	struct env *e = env_hold(store, STORE_VAULT);
	uint64_t epoch = e->epoch;

	env_release(e);
	return epoch;
}

enum status
store_vault_newest(struct store *store, uint64_t *ret_epoch)
{
	char *path;

	enum status st = vault_find_path(store->data_path, &path, ret_epoch);
	if (st == ST_OK)
		free(path);
	return st;
}

/* As much as the one in use must be free beside the low-space mark. */
static enum status
check_room(struct store *store)
{
	struct store_sizes sizes;

	enum status st = store_sizes(store, &sizes);
	if (st != ST_OK)
		return st;
	return sizes.free_bytes < store->low_space_bytes + sizes.env_bytes[STORE_VAULT] ? ST_FULL : ST_OK;
}

enum status
store_vault_begin(struct store *store, uint64_t epoch)
{
	assert(!store->read_only && store->fresh == NULL && epoch > store_vault_epoch(store));
	enum status st = check_room(store);
	if (st != ST_OK)
		return st;
	struct env *e = env_new(STORE_VAULT, vault_path(store->data_path, epoch, FRESH));
	if (e == NULL)
		return ST_NOMEM;
	e->epoch = epoch;
	st = remove_vault(e->path);
	if (st == ST_OK)
		st = env_create(e->path, STORE_VAULT);
	if (st == ST_OK)
		st = env_open(store, e);
	if (st == ST_OK)
		st = env_status(store, mdb_env_set_flags(e->mdb, MDB_NOSYNC, 1));
	if (st == ST_OK) {
		store->fresh = e;
		return ST_OK;
	}
	int saved = errno;
	env_close(e);
	(void)!remove_vault(e->path);
	env_free(e);
	errno = saved;
	return st == ST_NOTFOUND ? ST_IO : st;
}

enum status
store_vault_write(struct store *store, struct store_txn **ret_txn)
{
	assert(store->fresh != NULL);
	atomic_fetch_add(&store->fresh->txns, 1);
	return txn_begin(store, store->fresh, true, ret_txn);
}

enum status
store_vault_sync(struct store *store)
{
	assert(store->fresh != NULL);
	return env_status(store, mdb_env_sync(store->fresh->mdb, 1));
}

/* Its directory, and its name. */
static enum status
give_name(struct store *store, struct env *e)
{
	char *path = vault_path(store->data_path, e->epoch, "");
	char *parent = file_path(store->data_path, "vault");
	enum status st = path == NULL || parent == NULL ? ST_NOMEM : file_sync_dir(e->path);

	if (st == ST_OK && rename(e->path, path) != 0)
		st = file_status(errno);
	if (st == ST_OK) {
		free(e->path);
		e->path = path;
		path = NULL;
		st = file_sync_dir(parent);
	}
	free(path);
	free(parent);
	return st;
}

enum status
store_vault_switch(struct store *store)
{
	struct env *e = store->fresh;

	assert(e != NULL && store->old == NULL && atomic_load(&e->txns) == 0);
	enum status st = store_vault_sync(store);
	if (st == ST_OK)
		st = env_status(store, mdb_env_set_flags(e->mdb, MDB_NOSYNC, 0));
	if (st == ST_OK)
		st = give_name(store, e);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_IO : st;
	pthread_mutex_lock(&store->env_mutex);
	store->old = atomic_exchange(&store->envs[STORE_VAULT], e);
	store->fresh = NULL;
	pthread_mutex_unlock(&store->env_mutex);
	return ST_OK;
}

void
store_vault_abandon(struct store *store)
{
	struct env *e = store->fresh;

	if (e == NULL)
		return;
	store->fresh = NULL;
	env_close(e);
	(void)!remove_vault(e->path);		/* else the next writer does */
	env_free(e);
}

enum status
store_vault_drop(struct store *store)
{
	struct env *e = store->old;

	if (e == NULL)
		return ST_OK;
	if (atomic_load(&e->txns) > 0)
		return ST_BUSY;
	store->old = NULL;
	env_close(e);
	enum status st = remove_vault(e->path);
	env_free(e);
	char *parent = file_path(store->data_path, "vault");
	if (st == ST_OK)
		st = parent == NULL ? ST_NOMEM : file_sync_dir(parent);
	free(parent);
	return st;
}
