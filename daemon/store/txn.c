/*
 * Transactions.  The first write that fails sticks: everything after it is void and the commit becomes an abort, so that half a batch is
 * never stored.  A durable environment whose commit failed for another reason than space takes no more writes: the kernel reports a lost
 * page once, and the next fsync would lie.
 *
 * Rows are written in the order of their keys, so that the next one mostly belongs where the last one is: a cursor that stays there finds the
 * place without a way down from the root.  A deletion sends it away, since what a cursor is worth whose row goes is LMDB's to know.
 */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct store_cursor {
	struct store_txn *txn;
	MDB_cursor *mdb;
	struct bytes key, value;	/* of the first row, found by cursor_open() */
	enum status first;		/* whether there is one */
	bool started;
	unsigned renewals;
};

static MDB_val
val_of(struct bytes b)
{
	return (MDB_val){ .mv_size = b.len, .mv_data = (void *)(uintptr_t)b.data };
}

static struct bytes
bytes_of_val(MDB_val v)
{
	return bytes_of(v.mv_data, v.mv_size);
}

/* The map is as large as any file of ours can be: pages beyond it are those of a damaged head. */
static enum status
begin_status(struct store *store, int rc)
{
	return rc == MDB_MAP_RESIZED ? ST_CORRUPT : env_status(store, rc);
}

enum status
txn_begin(struct store *store, struct env *e, bool write, struct store_txn **ret_txn)
{
	struct store_txn *txn = e->mdb == NULL ? NULL : malloc(sizeof(*txn));

	if (txn == NULL) {
		enum status st = e->mdb == NULL ? ST_NOTFOUND : ST_NOMEM;
		env_release(e);
		return st;
	}
	*txn = (struct store_txn){ .store = store, .env = e, .write = write };
	int rc = mdb_txn_begin(e->mdb, NULL, write ? 0 : MDB_RDONLY, &txn->mdb);
	if (rc != 0) {
		env_release(e);
		free(txn);
		return begin_status(store, rc);
	}
	*ret_txn = txn;
	return ST_OK;
}

static void
txn_free(struct store_txn *txn)
{
	env_release(txn->env);
	free(txn);
}

enum status
store_read(struct store *store, enum store_env env, struct store_txn **ret_txn)
{
	return txn_begin(store, env_hold(store, env), false, ret_txn);
}

enum status
store_write(struct store *store, enum store_env env, struct store_txn **ret_txn)
{
	struct env *e = env_hold(store, env);
	enum status st = ST_OK;

	assert(!store->read_only);
	if (atomic_load(&e->failed)) {
		errno = EIO;
		st = ST_IO;
	} else if (env == STORE_STATE && e->mdb != NULL) {
		st = store_state_mark_running(store);
	}
	if (st == ST_OK)
		return txn_begin(store, e, true, ret_txn);
	env_release(e);
	return st;
}

bool
store_txn_outdated(const struct store_txn *txn)
{
	return txn->env != atomic_load(&txn->store->envs[txn->env->env]);
}

uint64_t
store_txn_epoch(const struct store_txn *txn)
{
	assert(txn->env->env == STORE_VAULT);
	return txn->env->epoch;
}

/* A rested one into the environment that took the place of its own. */
static enum status
txn_move(struct store_txn *txn)
{
	struct env *e = env_hold(txn->store, txn->env->env);
	MDB_txn *mdb;

	int rc = mdb_txn_begin(e->mdb, NULL, MDB_RDONLY, &mdb);
	if (rc != 0) {
		env_release(e);
		return begin_status(txn->store, rc);
	}
	mdb_txn_abort(txn->mdb);
	env_release(txn->env);
	txn->mdb = mdb;
	txn->env = e;
	txn->rested = false;
	return ST_OK;
}

enum status
store_renew(struct store_txn *txn)
{
	store_rest(txn);
	if (store_txn_outdated(txn))
		return txn_move(txn);
	int rc = mdb_txn_renew(txn->mdb);
	if (rc != 0)
		return begin_status(txn->store, rc);
	txn->rested = false;
	return ST_OK;
}

void
store_rest(struct store_txn *txn)
{
	assert(!txn->write);
	if (!txn->rested)
		mdb_txn_reset(txn->mdb);
	txn->rested = true;
	txn->renewals++;
}

/* Whether a failed commit took the environment with it: LMDB gives it up, for readers too, when its own page of two could not be written. */
static bool
is_given_up(const struct env *e)
{
	MDB_txn *probe;

	int rc = mdb_txn_begin(e->mdb, NULL, MDB_RDONLY, &probe);
	if (rc == 0)
		mdb_txn_abort(probe);
	return rc == MDB_PANIC;
}

enum status
store_commit(struct store_txn *txn)
{
	assert(txn->write);
	if (txn->failed != ST_OK) {
		enum status failed = txn->failed;
		store_abort(txn);
		return failed;
	}

	struct store *store = txn->store;
	struct env *e = txn->env;
	if (e->env == STORE_STATE)
		env_grow(e);
	enum status st = env_status(store, mdb_txn_commit(txn->mdb));
	if (st != ST_OK && is_given_up(e)) {
		errno = EIO;
		st = ST_IO;
	}
	if (st != ST_OK && st != ST_FULL && st != ST_NOMEM && e->env != STORE_STATE)
		atomic_store(&e->failed, true);
	txn_free(txn);
	return st;
}

void
store_abort(struct store_txn *txn)
{
	if (txn == NULL)
		return;
	mdb_txn_abort(txn->mdb);
	txn_free(txn);
}

static void
assert_usable(const struct store_txn *txn, enum store_table table)
{
	assert(store_table_env(table) == txn->env->env);
	assert(!txn->rested);
}

enum status
store_get(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes *ret_value)
{
	MDB_val k = val_of(key), v;

	assert_usable(txn, table);
	if (txn->failed != ST_OK)
		return txn->failed;
	if (key.len == 0)
		return ST_NOTFOUND;	/* no row has an empty key */
	int rc = mdb_get(txn->mdb, txn->env->dbis[table], &k, &v);
	if (rc == 0)
		*ret_value = bytes_of_val(v);
	return env_status(txn->store, rc);
}

/* An empty key is below all: its ceiling is the first row, and it has no floor. */
static int
seek_ceil(MDB_cursor *cursor, struct bytes key, MDB_val *ret_key, MDB_val *ret_value)
{
	*ret_key = val_of(key);
	return mdb_cursor_get(cursor, ret_key, ret_value, key.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
}

static int
seek_floor(MDB_cursor *cursor, struct bytes key, MDB_val *ret_key, MDB_val *ret_value)
{
	if (key.len == 0)
		return MDB_NOTFOUND;
	int rc = seek_ceil(cursor, key, ret_key, ret_value);
	if (rc == MDB_NOTFOUND)
		return mdb_cursor_get(cursor, ret_key, ret_value, MDB_LAST);
	if (rc != 0 || bytes_equal(bytes_of_val(*ret_key), key))
		return rc;
	return mdb_cursor_get(cursor, ret_key, ret_value, MDB_PREV);
}

static int
seek_last(MDB_cursor *cursor, struct bytes key, MDB_val *ret_key, MDB_val *ret_value)
{
	(void)key;
	return mdb_cursor_get(cursor, ret_key, ret_value, MDB_LAST);
}

static enum status
seek(struct store_txn *txn, enum store_table table, int (*how)(MDB_cursor *, struct bytes, MDB_val *, MDB_val *), struct bytes key,
    struct bytes *ret_key, struct bytes *ret_value)
{
	MDB_cursor *cursor;
	MDB_val k, v;

	assert_usable(txn, table);
	if (txn->failed != ST_OK)
		return txn->failed;
	int rc = mdb_cursor_open(txn->mdb, txn->env->dbis[table], &cursor);
	if (rc != 0)
		return env_status(txn->store, rc);
	rc = how(cursor, key, &k, &v);
	mdb_cursor_close(cursor);
	if (rc == 0) {
		*ret_key = bytes_of_val(k);
		*ret_value = bytes_of_val(v);
	}
	return env_status(txn->store, rc);
}

enum status
store_last(struct store_txn *txn, enum store_table table, struct bytes *ret_key, struct bytes *ret_value)
{
	return seek(txn, table, seek_last, bytes_of(NULL, 0), ret_key, ret_value);
}

enum status
store_ceil(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes *ret_key, struct bytes *ret_value)
{
	return seek(txn, table, seek_ceil, key, ret_key, ret_value);
}

enum status
store_floor(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes *ret_key, struct bytes *ret_value)
{
	return seek(txn, table, seek_floor, key, ret_key, ret_value);
}

uint64_t
store_rows(struct store_txn *txn, enum store_table table)
{
	MDB_stat stat;

	assert_usable(txn, table);
	return mdb_stat(txn->mdb, txn->env->dbis[table], &stat) == 0 ? stat.ms_entries : 0;
}

static int
put_here(struct store_txn *txn, enum store_table table, MDB_val *key, MDB_val *value, unsigned flags)
{
	MDB_cursor **cursor = &txn->put[table];

	int rc = *cursor == NULL ? mdb_cursor_open(txn->mdb, txn->env->dbis[table], cursor) : 0;
	return rc != 0 ? rc : mdb_cursor_put(*cursor, key, value, flags);
}

static void
txn_put(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value, unsigned flags)
{
	MDB_val k = val_of(key), v = val_of(value);

	assert_usable(txn, table);
	assert(txn->write);
	if (txn->failed == ST_OK)
		txn->failed = env_status(txn->store, put_here(txn, table, &k, &v, flags));
}

void
store_put(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value)
{
	assert(txn->env->env != STORE_LEDGER);
	txn_put(txn, table, key, value, 0);
}

void
store_append(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value)
{
	txn_put(txn, table, key, value, MDB_APPEND | MDB_NOOVERWRITE);
}

void
store_add(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value)
{
	txn_put(txn, table, key, value, MDB_NOOVERWRITE);
}

void
store_delete(struct store_txn *txn, enum store_table table, struct bytes key)
{
	MDB_val k = val_of(key);

	assert_usable(txn, table);
	assert(txn->write && txn->env->env != STORE_LEDGER);
	if (txn->failed != ST_OK)
		return;
	if (txn->put[table] != NULL)
		mdb_cursor_close(txn->put[table]);
	txn->put[table] = NULL;
	int rc = mdb_del(txn->mdb, txn->env->dbis[table], &k, NULL);
	if (rc != MDB_NOTFOUND)
		txn->failed = env_status(txn->store, rc);
}

enum status
store_cursor_open(struct store_txn *txn, enum store_table table, struct bytes from_key, struct store_cursor **ret_cursor)
{
	MDB_val k, v;

	assert_usable(txn, table);
	if (txn->failed != ST_OK)
		return txn->failed;
	struct store_cursor *cursor = malloc(sizeof(*cursor));
	if (cursor == NULL)
		return ST_NOMEM;
	*cursor = (struct store_cursor){ .txn = txn, .renewals = txn->renewals };

	enum status st = env_status(txn->store, mdb_cursor_open(txn->mdb, txn->env->dbis[table], &cursor->mdb));
	if (st != ST_OK)
		goto fail;
	st = env_status(txn->store, seek_ceil(cursor->mdb, from_key, &k, &v));
	if (st != ST_OK && st != ST_NOTFOUND)
		goto fail;
	if (st == ST_OK) {
		cursor->key = bytes_of_val(k);
		cursor->value = bytes_of_val(v);
	}
	cursor->first = st;
	*ret_cursor = cursor;
	return ST_OK;
fail:
	store_cursor_close(cursor);
	return st;
}

enum status
store_cursor_next(struct store_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value)
{
	MDB_val k, v;

	assert(cursor->renewals == cursor->txn->renewals);
	if (cursor->first != ST_OK)
		return cursor->first;
	if (!cursor->started) {
		cursor->started = true;
		*ret_key = cursor->key;
		*ret_value = cursor->value;
		return ST_OK;
	}
	int rc = mdb_cursor_get(cursor->mdb, &k, &v, MDB_NEXT);
	if (rc == 0) {
		*ret_key = bytes_of_val(k);
		*ret_value = bytes_of_val(v);
	}
	return env_status(cursor->txn->store, rc);
}

void
store_cursor_close(struct store_cursor *cursor)
{
	if (cursor == NULL)
		return;
	if (cursor->mdb != NULL)
		mdb_cursor_close(cursor->mdb);
	free(cursor);
}
