/*
 * One LMDB environment.  Ledger and vault are synced at each commit, state never (MDB_NOSYNC).  No MDB_WRITEMAP: on a full disk it kills
 * the process.  MDB_NOTLS, so that a read transaction is no thread's.  Table handles are opened once, and only env_create() makes tables:
 * one that is missing later is damage.  LMDB trusts its file, so inspect.c looks at it first.
 */
#include "store/internal.h"
#include "store/page.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define READERS_MAX 512

enum status
store_free_bytes(const struct store *store, uint64_t *ret_bytes)
{
	struct statvfs vfs;

	if (statvfs(store->data_path, &vfs) != 0)
		return file_status(errno);
	*ret_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return ST_OK;
}

/* LMDB says EIO when the end of the disk, or of what a file may be, cut a write short. */
static enum status
io_status(struct store *store, int err)
{
	uint64_t room_bytes = 0;

	if (err == EIO && store_room_bytes(store, &room_bytes) == ST_OK && room_bytes < store->low_space_bytes)
		return ST_FULL;
	enum status st = file_status(err);
	return st == ST_NOTFOUND ? ST_IO : st;	/* a file that went away under LMDB is no missing record */
}

enum status
env_status(struct store *store, int rc)
{
	switch (rc) {
	case MDB_SUCCESS: return ST_OK;
	case MDB_NOTFOUND: return ST_NOTFOUND;
	case MDB_KEYEXIST:
	case MDB_BAD_VALSIZE: return ST_INVALID;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL: return ST_FULL;
	case MDB_READERS_FULL: return ST_BUSY;
	case MDB_MAP_RESIZED: return ST_TOO_LARGE;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
	case MDB_PAGE_FULL:
	case MDB_CURSOR_FULL: return ST_CORRUPT;
	case MDB_PANIC: return file_status(EIO);	/* however little space there is: it stays so until the environment is opened again */
	default: break;
	}
	/* The codes that only a misuse of ours could bring count as a refusal of the system. */
	return io_status(store, rc > 0 ? rc : EIO);
}

static unsigned
env_flags(enum store_env env)
{
	switch (env) {
	case STORE_LEDGER:
	case STORE_VAULT: return MDB_NOTLS;
	case STORE_STATE: return MDB_NOTLS | MDB_NOSYNC;
	}
	abort();
}

static int
open_mdb(size_t map_bytes, const char *path, unsigned flags, MDB_env **ret_mdb)
{
	MDB_env *mdb;

	int rc = mdb_env_create(&mdb);
	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxdbs(mdb, TABLE_COUNT);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(mdb, READERS_MAX);
	if (rc == 0)
		rc = mdb_env_set_mapsize(mdb, map_bytes);
	if (rc == 0)
		rc = mdb_env_open(mdb, path, flags, 0600);
	if (rc != 0) {
		mdb_env_close(mdb);
		return rc;
	}
	*ret_mdb = mdb;
	return 0;
}

static int
create_tables(MDB_env *mdb, enum store_env env)
{
	MDB_txn *txn;
	MDB_dbi dbi;

	int rc = mdb_txn_begin(mdb, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	for (enum store_table t = 0; t < TABLE_COUNT && rc == 0; t++)
		if (store_table_env(t) == env)
			rc = mdb_dbi_open(txn, store_table_str(t), MDB_CREATE, &dbi);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

enum status
env_create(const char *path, enum store_env env)
{
	MDB_env *mdb;

	enum status st = file_make_dir(path);
	if (st != ST_OK)
		return st;
	int rc = open_mdb((size_t)1 << 20, path, env_flags(env), &mdb);
	if (rc == 0) {
		rc = create_tables(mdb, env);
		if (rc == 0)
			rc = mdb_env_sync(mdb, 1);
		mdb_env_close(mdb);
	}
	if (rc == 0)
		return file_sync_dir(path);
	errno = rc > 0 ? rc : EIO;
	st = file_status(errno);
	return st == ST_NOTFOUND ? ST_IO : st;
}

/*
 * Whether LMDB's reader table cannot be written.  Without an entry in it a writer would reuse pages under us, so then we hold off
 * writers: ST_BUSY if there is one, and a shared lock for as long as we read.
 */
static enum status
judge_lockless(struct store *store, const char *path, bool *ret_lockless)
{
	char *lock_path = file_path(path, "lock.mdb");
	if (lock_path == NULL)
		return ST_NOMEM;
	bool writable = faccessat(AT_FDCWD, lock_path, R_OK | W_OK, AT_EACCESS) == 0;
	if (!writable && errno == ENOENT)
		writable = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
	free(lock_path);
	*ret_lockless = !writable;
	if (writable || store->lock_fd >= 0)
		return ST_OK;

	char *writer_path = file_path(store->data_path, "lock");
	if (writer_path == NULL)
		return ST_NOMEM;
	store->lock_fd = open(writer_path, O_RDONLY | O_CLOEXEC);
	free(writer_path);
	if (store->lock_fd < 0 && errno != ENOENT)
		return file_status(errno);
	if (store->lock_fd >= 0 && flock(store->lock_fd, LOCK_SH | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? ST_BUSY : file_status(errno);
	return ST_OK;
}

/* A value lies in a page, which says its own number, and that was looked at a moment ago. */
static const uint8_t *
map_of(const struct env *e, MDB_txn *txn)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat;

	if (mdb_env_stat(e->mdb, &stat) != 0 || mdb_cursor_open(txn, e->main, &cursor) != 0)
		return NULL;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	mdb_cursor_close(cursor);
	if (rc != 0)
		return NULL;
	const uint8_t *page = (const uint8_t *)((uintptr_t)value.mv_data / stat.ms_psize * stat.ms_psize);
	return page - page_number(page) * stat.ms_psize;
}

static enum status
open_tables(struct store *store, struct env *e)
{
	MDB_env *mdb = e->mdb;
	MDB_txn *txn;

	int rc = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return env_status(store, rc);
	enum status st = inspect_env(mdb, txn);
	if (st == ST_OK)
		st = env_status(store, mdb_dbi_open(txn, NULL, 0, &e->main));
	if (st == ST_OK)
		e->map = map_of(e, txn);
	for (enum store_table t = 0; t < TABLE_COUNT && st == ST_OK; t++)
		if (store_table_env(t) == e->env)
			st = env_status(store, mdb_dbi_open(txn, store_table_str(t), 0, &e->dbis[t]));
	if (st != ST_OK) {
		mdb_txn_abort(txn);
		return st == ST_NOTFOUND ? ST_CORRUPT : st;
	}
	return env_status(store, mdb_txn_commit(txn));	/* keeps the handles */
}

enum status
env_open(struct store *store, struct env *e)
{
	unsigned flags = env_flags(e->env) | (store->read_only ? MDB_RDONLY : 0);

	assert(e->mdb == NULL);
	enum status st = inspect_file(e->path);
	if (st != ST_OK)
		return st;
	if (store->read_only) {
		bool lockless;
		st = judge_lockless(store, e->path, &lockless);
		if (st != ST_OK)
			return st;
		if (lockless)
			flags |= MDB_NOLOCK;
	}
	int rc = open_mdb(store->map_bytes, e->path, flags, &e->mdb);
	if (rc != 0)
		return env_status(store, rc);
	st = open_tables(store, e);
	if (st != ST_OK) {
		env_close(e);
		return st;
	}
	int dead;
	rc = store->read_only ? 0 : mdb_reader_check(e->mdb, &dead);
	if (rc != 0)
		env_close(e);
	return env_status(store, rc);
}

void
env_close(struct env *env)
{
	assert(atomic_load(&env->txns) == 0);
	if (env->mdb != NULL)
		mdb_env_close(env->mdb);
	if (env->page_fd >= 0)
		close(env->page_fd);
	env->mdb = NULL;
	env->page_fd = -1;
	env->pages = env->growth = env->pages_ready = 0;
}

struct env *
env_new(enum store_env env, char *path)
{
	struct env *e = path == NULL ? NULL : calloc(1, sizeof(*e));

	if (e == NULL) {
		free(path);
		return NULL;
	}
	e->env = env;
	e->path = path;
	e->page_fd = -1;
	return e;
}

void
env_free(struct env *env)
{
	if (env == NULL)
		return;
	env_close(env);
	free(env->path);
	free(env);
}

struct env *
env_hold(struct store *store, enum store_env env)
{
	pthread_mutex_lock(&store->env_mutex);
	struct env *e = atomic_load(&store->envs[env]);
	atomic_fetch_add(&e->txns, 1);
	pthread_mutex_unlock(&store->env_mutex);
	return e;
}

void
env_release(struct env *env)
{
	int before = atomic_fetch_sub(&env->txns, 1);

	assert(before > 0);
}

enum status
env_remove_files(const char *path)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *file = file_path(path, names[i]);
		if (file == NULL)
			return ST_NOMEM;
		bool gone = unlink(file) == 0 || errno == ENOENT || errno == ENOTDIR;
		free(file);
		if (!gone)
			return file_status(errno);
	}
	return ST_OK;
}
