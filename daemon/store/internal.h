/* internal.h: what the files of store/ share.  Nobody else includes it. */
#ifndef FEALTY_STORE_INTERNAL_H
#define FEALTY_STORE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"

#define ENV_COUNT 3
#define BOOT_ID_MAX 64
#define SUM_BYTES FINGERPRINT_BYTES
#define LOW_SPACE_DEFAULT_BYTES (UINT64_C(64) << 20)

struct env {
	enum store_env env;
	MDB_env *mdb;		/* NULL: not open */
	MDB_dbi dbis[TABLE_COUNT];	/* its own tables' */
	MDB_dbi main;		/* the table of tables */
	const uint8_t *map;	/* where page 0 is in memory, for as long as it is open; NULL: not known */
	char *path;		/* NULL: there is none */
	uint64_t epoch;		/* the vault's */
	int page_fd;		/* grow.c: of the same file, -1: not open */
	uint64_t pages, growth, pages_ready;	/* at the last commit; the most of one; up to which they are in memory one by one */
	atomic_int txns;	/* that are open: it is not closed before they are */
	atomic_bool failed;	/* a durable commit failed: what the disk holds is not known, so no more writes */
};

struct store {
	char *data_path, *head_lock_path, *mark_path, *snapshot_path;
	char boot_id[BOOT_ID_MAX + 1];
	size_t map_bytes;
	uint64_t low_space_bytes;
	bool read_only;
	int lock_fd;
	pthread_mutex_t env_mutex;	/* guards the change of a vault for another, and who holds which */
	_Atomic(struct env *) envs[ENV_COUNT];
	struct env *fresh, *old;	/* vaults: one that is being made, one that was replaced; NULL */
	bool state_trusted;
	bool state_marked;	/* "running" is on disk since we opened */
	pthread_mutex_t snapshot_mutex;
};

struct store_txn {
	struct store *store;
	struct env *env;	/* held */
	MDB_txn *mdb;
	bool write, rested;
	enum status failed;	/* the first write that failed */
	MDB_cursor *put[TABLE_COUNT];	/* where each table was written last; NULL: nowhere yet.  LMDB frees them with the transaction */
	unsigned renewals;	/* so that a cursor can tell that its snapshot is gone */
};

/* ---- store.c ---- */

/* ST_NOTFOUND: no data directory; ST_FORMAT: of another format. */
enum status store_check_format(const char *data_path) MUST_CHECK;
/* "ledger", … */
const char *store_env_str(enum store_env env);

/* ---- file.c: small files, whole or not at all ---- */

/* The status of an errno, which is kept. */
enum status file_status(int err) MUST_CHECK;
/* "<dir>/<name>" on the heap, or NULL. */
char *file_path(const char *dir, const char *name);
/* At most ${cap} bytes; a longer file gives its first ${cap}.  ST_NOTFOUND; ST_IO. */
enum status file_read(const char *path, uint8_t *ret_data, size_t cap, size_t *ret_len) MUST_CHECK;
enum status file_write_all(int fd, struct bytes data) MUST_CHECK;
/* Temporary file beside it, fsync, rename, fsync of the directory. */
enum status file_replace(const char *path, struct bytes content) MUST_CHECK;
/* The last two of these steps; closes ${fd}.  ${temp_path} is removed on failure. */
enum status file_publish(int fd, const char *temp_path, const char *path) MUST_CHECK;
enum status file_sync_dir(const char *path) MUST_CHECK;
/* mkdir 0700; one that is there already is no error. */
enum status file_make_dir(const char *path) MUST_CHECK;
void hex_put(char *ret_hex, struct bytes data);
bool hex_get(uint8_t *ret_data, size_t len, const char *hex) MUST_CHECK;

/* ---- txn.c ---- */

/* A transaction of an environment that is held; it is let go of with it, and on failure. */
enum status txn_begin(struct store *store, struct env *env, bool write, struct store_txn **ret_txn) MUST_CHECK;

/* ---- env.c: one environment ---- */

/* Sets errno for ST_IO.  EIO with less room than the low-space mark is ST_FULL. */
enum status env_status(struct store *store, int rc) MUST_CHECK;
/* Makes directory, file and empty tables, on disk when it returns. */
enum status env_create(const char *path, enum store_env env) MUST_CHECK;
/* On the heap, not open; ${path} becomes its own, and NULL is no memory.  env_free() closes it and takes NULL. */
struct env *env_new(enum store_env env, char *path) MUST_CHECK;
void env_free(struct env *env);
/* Opens it and its tables.  ST_NOTFOUND; ST_CORRUPT; ST_BUSY, lockless beside a writer; ST_NOMEM; ST_IO. */
enum status env_open(struct store *store, struct env *env) MUST_CHECK;
void env_close(struct env *env);
/* The one that is in use now, which is not closed before env_release(). */
struct env *env_hold(struct store *store, enum store_env env) MUST_CHECK;
void env_release(struct env *env);
/* Removes the files, not the directory. */
enum status env_remove_files(const char *path) MUST_CHECK;
enum status store_free_bytes(const struct store *store, uint64_t *ret_bytes) MUST_CHECK;
/* What may still be written: what is free, and no more than what the longest of our files may grow by (RLIMIT_FSIZE). */
enum status store_room_bytes(struct store *store, uint64_t *ret_bytes) MUST_CHECK;

/* ---- state.c ---- */

/* Sets state_trusted from the mark and from what was opened. */
void state_judge(struct store *store);
/* Syncs state and marks it clean. */
enum status state_mark_clean(struct store *store) MUST_CHECK;

/* ---- grow.c: pages that will be written one by one are kept one by one ---- */

/* Before a commit: the end of the file is made ready for twice what the largest one so far added.  Its length may be more than what is used. */
void env_grow(struct env *env);
/* file_write_all() for a file that LMDB will write to. */
enum status file_write_pages(int fd, struct bytes data) MUST_CHECK;

/* ---- vaults.c ---- */

/* "<data>/vault/<epoch>" of the newest vault that is whole.  ST_NOTFOUND; ST_NOMEM; ST_IO. */
enum status vault_find_path(const char *data_path, char **ret_path, uint64_t *ret_epoch) MUST_CHECK;
/* "<data>/vault/<epoch><end>", or NULL. */
char *vault_path(const char *data_path, uint64_t epoch, const char *end);
/* Removes every vault under it but that of ${epoch}; 0: all. */
enum status vault_clean(const char *data_path, uint64_t epoch) MUST_CHECK;

/* ---- snapshot.c ---- */

/* Copies the snapshot to ${path}, if its sum is right. */
enum status snapshot_extract(struct store *store, uint64_t size, const char *path) MUST_CHECK;

/* ---- inspect.c: LMDB's pages read with every bound checked ---- */

/* Both meta pages make sense and the file is about as long as they say.  ST_NOTFOUND: no file.  Before mdb_env_open() trusts them. */
enum status inspect_file(const char *env_path) MUST_CHECK;
/* The table of tables and each root, as ${txn} sees them; all pages when the file is shorter than it should be. */
enum status inspect_env(MDB_env *mdb, MDB_txn *txn) MUST_CHECK;

#endif
