/**
 * store.h: the three LMDB environments under the data directory, and the files beside them.  The only user of lmdb.h.
 *
 *   <data>/FORMAT        "fealty 2\n"; anything else is another format
 *   <data>/lock          flock()ed by the one process that writes
 *   <data>/ledger/       transaction, checkpoint, cosignature: append only, durable at each commit
 *   <data>/vault/<n>/    personal data, durable at each commit: the vault of epoch n.  The greatest n counts; <n>.new is being made
 *   <data>/state/        derived from the ledger; committed without fsync
 *   <data>/state.mark    "clean\n", or "running <boot id>\n" while a daemon may write state
 *   <data>/snapshot/     <size>.mdb, compacted copies of state, each with <size>.sum: over its chunks of 1 MiB (the last one shorter,
 * maybe                        empty) sum = BLAKE2b-256 of the chunk keyed with the sum so far, zeros at first; hex and "\n"
 *   <data>/loss.accepted  what an operator accepted with a restore, until the ledger has it
 *   <head lock>          "<size> <hex of the root>\n": the last head shown to anybody; outside the data directory
 *
 * Keys are big-endian so that LMDB's order is ours.  A value read is borrowed from its transaction and ends with it.
 */
#ifndef FEALTY_STORE_STORE_H
#define FEALTY_STORE_STORE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"

#define STORE_KEY_MAX 511	/* bytes of a key */

enum store_env { STORE_LEDGER, STORE_VAULT, STORE_STATE };

enum store_table {
	/* ledger: store_append() and store_add() only */
	TABLE_TRANSACTION,	/* seq be64 -> SignedTransaction */
	TABLE_CHECKPOINT,	/* size be64 -> signed note */
	TABLE_COSIGNATURE,	/* size be64, SHA-256 of the witness's key, which begins with its key id -> signature line of a note */
	/* vault */
	TABLE_VAULT_META,	/* name -> value */
	TABLE_ALIAS,		/* keyed hash of the alias -> seq be64, nonce, sealed (program, member); vault.h */
	TABLE_PERSON,		/* program be32, member be64 -> seq be64, wrapped key, nonce, sealed profile */
	/* state: what the rows hold is written in apply/ and ledger/ */
	TABLE_META,		/* name -> value */
	TABLE_MEMBER,		/* program be32, member be64 -> member record */
	TABLE_HOLD,		/* seq be64, index be32 of the hold's entry -> closed hold */
	TABLE_FOLLOWUP,		/* seq be64, index be32 of an entry -> what later entries did to it */
	TABLE_REQUEST,		/* request id, NUL, principal -> seq, index, program, member, fingerprint */
	TABLE_RECEIPT,		/* program be32, store, NUL, receipt_no, NUL, business date be32 -> seq, index, member, digest */
	TABLE_DUE,		/* due instant be64, program be32, member be64 -> "h" when a hold ends then, else empty */
	TABLE_PROGRAM,		/* number be32 -> program record */
	TABLE_VERSION,		/* number be32, version be32 -> published version */
	TABLE_TILE,		/* level of tiles u8, index be64 -> 32-byte hash of a complete subtree of 256^level leaves */
	TABLE_KEY,		/* place in the history be32 -> a key that signs, or signed */
	TABLE_APPROVER,		/* principal -> the key that its approvals are checked with */
	TABLE_WAITING,		/* seq be64, index be32 of an adjust -> that it waits, or what approved it */
	TABLE_LOOK,		/* due instant be64, program be32, member be64 -> empty: due by a version that came since the member's record */
	TABLE_TERMINAL,		/* store, NUL, terminal, NUL, principal -> its sequence */
	TABLE_COUNT
};

const char *store_table_str(enum store_table t);		/* "transaction", "member", … */
enum store_env store_table_env(enum store_table t);
enum status store_table_parse(const char *name, enum store_table *ret_table) MUST_CHECK;

struct store_params {
	const char *data_path;		/* directory */
	const char *head_lock_path;	/* file outside data_path; NULL when read only */
	const char *boot_id;		/* NULL: the system's */
	size_t map_bytes;		/* of each environment; 0: 1 TiB, or 1 GiB under a sanitizer */
	uint64_t low_space_bytes;	/* store_writable() says ST_FULL below it; 0: 64 MiB */
	bool read_only;			/* no lock, no write; beside a running daemon */
};

struct store;

/**
 * store_create(data_path):
 * Makes the directory (0700), FORMAT and empty environments.  Errors: ST_BUSY if the directory exists and is not empty; ST_IO; ST_FULL.
 */
enum status store_create(const char *data_path) MUST_CHECK;

/**
 * store_open(params, ret_store):
 * On success the caller owns *${ret_store} and ends it with store_close(); blocks on disk.  A state environment that cannot be opened
 * is no error: it counts as untrusted.  Read only: a missing state or vault is no error either.
 * A process opens a data directory at most once at a time, and not across fork().  Read only, on files that cannot be written: LMDB's
 * reader table is not used, and no writer may run (ST_BUSY) nor starts before store_close().
 * Errors: ST_NOMEM; ST_NOTFOUND, no such directory, not a data directory, or ledger or vault is missing in it; ST_FORMAT; ST_BUSY,
 * another process writes; ST_CORRUPT, ledger or vault is damaged where opening looks: meta pages, tables' roots, length of the file;
 * ST_IO.
 */
enum status store_open(const struct store_params *params, struct store **ret_store) MUST_CHECK;

/* Ends all; a writer's state is synced and marked clean when ${clean}. Accepts NULL. */
void store_close(struct store *store, bool clean);

/* ---- transactions; a write transaction of an environment is used by one thread, read transactions are independent of threads ---- */

struct store_txn;

/**
 * The caller owns *${ret_txn}.  store_write() waits for the environment's other write transaction and marks state as running.
 * Errors: ST_NOTFOUND, the environment is not there (state that could not be opened, or read only); ST_BUSY, 512 readers; ST_INVALID, a
 * write to an untrusted state; ST_IO, also for every write after a commit to ledger or vault failed with it; ST_NOMEM.
 */
enum status store_read(struct store *store, enum store_env env, struct store_txn **ret_txn) MUST_CHECK;
enum status store_write(struct store *store, enum store_env env, struct store_txn **ret_txn) MUST_CHECK;

/**
 * Lets go of the snapshot, and takes the newest: a reader between two chunks.  Read transactions only; cursors opened before are good for
 * store_cursor_close() only.
 */
enum status store_renew(struct store_txn *txn) MUST_CHECK;
/* Lets go of the snapshot until store_renew(). */
void store_rest(struct store_txn *txn);

/**
 * Reads: ST_OK; ST_NOTFOUND; ST_CORRUPT; ST_IO.  ${table} belongs to the transaction's environment (asserted).
 * An empty key is below all keys.  store_last(): the greatest key.  store_floor(): the greatest key at or below ${key}.
 * store_ceil(): the least key at or above.
 * Writes: a failure sticks to the transaction and comes back from store_commit(), so writes need no check of their own.
 * store_append(): the key must be greater than all before, never replaced (ST_INVALID sticks otherwise).
 * store_add(): the key must not be there, wherever it belongs (ST_INVALID sticks otherwise).  These two are the only writes on ledger tables.
 * store_delete(): a key that is not there is no error.
 */
enum status store_get(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes *ret_value) MUST_CHECK;
/* As store_get() of each, in one read transaction, in less time; a value without data: ST_NOTFOUND.  At most STORE_MANY. */
#define STORE_MANY 64
enum status store_get_many(struct store_txn *txn, enum store_table table, const struct bytes *keys, size_t n, struct bytes *ret_values) MUST_CHECK;
/* Asks for the page of a value that was read, where LMDB will look before it writes to it (base/ask.h); the value may have ended.  NULL: for nothing. */
void store_ask(const uint8_t *value);
enum status store_last(struct store_txn *txn, enum store_table table, struct bytes *ret_key, struct bytes *ret_value) MUST_CHECK;
enum status store_ceil(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes *ret_key, struct bytes *ret_value)
    MUST_CHECK;
enum status store_floor(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes *ret_key, struct bytes *ret_value)
    MUST_CHECK;
uint64_t store_rows(struct store_txn *txn, enum store_table table);
void store_put(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value);
void store_append(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value);
void store_add(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value);
void store_delete(struct store_txn *txn, enum store_table table, struct bytes key);

/**
 * store_commit(txn): commits and frees; durable on return for ledger and vault.  Errors: a write's, or ST_FULL (disk or map; LMDB reports
 * a full disk as EIO, so statvfs decides), ST_NOMEM, ST_CORRUPT: nothing is committed then; ST_IO: whether it was shows only at the next
 * store_open(), and until then nobody may be able to read either; also when it was for space that LMDB could not write its meta page, as on
 * file systems that copy what is overwritten.
 * store_abort(txn): accepts NULL.
 */
enum status store_commit(struct store_txn *txn) MUST_CHECK;
void store_abort(struct store_txn *txn);

/**
 * A walk over a table in key order, from the least key at or above ${from_key}.  cursor_next() gives ST_NOTFOUND at the end.  What it
 * gives is borrowed from the transaction, which must outlive the cursor and not write to the table meanwhile.  cursor_close() accepts
 * NULL.
 */
struct store_cursor;
enum status store_cursor_open(struct store_txn *txn, enum store_table table, struct bytes from_key, struct store_cursor **ret_cursor)
    MUST_CHECK;
enum status store_cursor_next(struct store_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value) MUST_CHECK;
void store_cursor_close(struct store_cursor *cursor);

/* ---- a fresh vault, in which nothing is of what was deleted ---- */

/* Of the vault in use; and of that which a transaction is in, which another may have replaced: store_renew() moves it. */
uint64_t store_vault_epoch(struct store *store);
/* The newest that is on disk: beside a running daemon it may be above the one that was opened.  Errors: ST_NOTFOUND; ST_NOMEM; ST_IO. */
enum status store_vault_newest(struct store *store, uint64_t *ret_epoch) MUST_CHECK;
uint64_t store_txn_epoch(const struct store_txn *txn);
bool store_txn_outdated(const struct store_txn *txn);

/**
 * store_vault_begin(store, epoch): an empty vault of that epoch, above the one in use (asserted), beside it.  One at a time (asserted).
 * store_vault_write(store, ret_txn): a write transaction of it.  What it commits is on disk after store_vault_sync() only.
 * store_vault_switch(store): fsync, rename, fsync of the directory, and it is the vault; the writer's thread calls it, with no transaction of
 * the fresh one open (asserted), and none for writing of the other.  After a failure either may be found at the next start: end the process.
 * store_vault_abandon(store): removes the fresh one; nothing happens when there is none.
 * store_vault_drop(store): removes the one that was replaced.  ST_BUSY: transactions are in it still.
 * begin, write, sync, abandon and drop belong to one thread, but that switch may come from another, between them.
 * Errors: as store_write() and store_commit(); ST_FULL also when the copy would leave less than low_space_bytes.
 */
enum status store_vault_begin(struct store *store, uint64_t epoch) MUST_CHECK;
enum status store_vault_write(struct store *store, struct store_txn **ret_txn) MUST_CHECK;
enum status store_vault_sync(struct store *store) MUST_CHECK;
enum status store_vault_switch(struct store *store) MUST_CHECK;
void store_vault_abandon(struct store *store);
enum status store_vault_drop(struct store *store) MUST_CHECK;

/* ---- state: trust, mark, snapshots ---- */

/* Whether state may be used as it is: not after a power loss (another boot and no clean mark), nor when it could not be opened. */
bool store_state_trusted(const struct store *store);

/* Writes "running <boot id>", fsynced: before the first write to state; store_write() does it too.  ST_INVALID: state is not trusted. */
enum status store_state_mark_running(struct store *store) MUST_CHECK;

/**
 * Empties state, or replaces it by the snapshot of ${size}; no transaction on state may be open (asserted).  After either it counts as
 * trusted and is marked running.  A restore that fails with ST_NOTFOUND, or ST_CORRUPT because the snapshot's sum is wrong, leaves state
 * as it was; after any other failure ask store_state_trusted().
 */
enum status store_state_discard(struct store *store) MUST_CHECK;
enum status store_state_restore(struct store *store, uint64_t size) MUST_CHECK;

/* The greatest snapshot size at or below ${size}; ST_NOTFOUND. */
enum status store_snapshot_find(struct store *store, uint64_t size, uint64_t *ret_size) MUST_CHECK;

/**
 * store_snapshot_write(store, size):
 * A compacted copy of state as it is now, on disk when it returns; ${size} is the number of transactions applied in it, which the caller
 * reads in the same moment (no state commit between).  Keeps the newest two.  Any thread, beside the writer; the writer waits only for
 * moments.  State must be trusted (asserted).  Errors: ST_FULL, also when the copy would leave less than low_space_bytes; ST_IO; ST_NOMEM;
 * ST_CORRUPT.
 */
enum status store_snapshot_write(struct store *store, uint64_t size) MUST_CHECK;

/* ---- the published head ---- */

struct store_head { uint64_t size; uint8_t root[SHA256_BYTES]; };

/* ST_NOTFOUND: none yet, or no head_lock_path; ST_CORRUPT: not of its format. */
enum status store_head_read(struct store *store, struct store_head *ret_head) MUST_CHECK;
/* Replaced atomically and fsynced. */
enum status store_head_write(struct store *store, const struct store_head *head) MUST_CHECK;

/**
 * A restore from a backup that is older than what was published, or another: <data>/loss.accepted, which `fealty restore` leaves for the next start to
 * record in the ledger.
 * store_loss_write(): replaced atomically and fsynced; also where no store is open.  store_loss_read(): ST_NOTFOUND; ST_CORRUPT, not of its format.
 * store_loss_remove(): one that is not there is no error.
 */
struct store_loss {
	struct store_head kept;		/* the backup's: so many transactions go on */
	struct store_head lost;		/* what head.lock had */
	char principal[129], reason[33];
};
enum status store_loss_write(const char *data_path, const struct store_loss *loss) MUST_CHECK;
enum status store_loss_read(struct store *store, struct store_loss *ret_loss) MUST_CHECK;
enum status store_loss_remove(struct store *store) MUST_CHECK;

/**
 * ST_FULL when less than low_space_bytes are free, or a file may not grow by so much (RLIMIT_FSIZE); for the commit thread to ask before it lets LMDB see
 * a batch.
 */
enum status store_writable(struct store *store) MUST_CHECK;

/* ---- how much ---- */

struct store_sizes {
	uint64_t env_bytes[3];		/* length of each environment's file; 0: it is not open */
	uint64_t free_bytes;		/* on the data directory's disk */
	bool has_snapshot;		/* the newest: */
	uint64_t snapshot_size;		/* transactions in it */
	int64_t snapshot_at_us;		/* when it was written, by the system's clock */
};
/* Any thread; waits for nobody.  Errors: ST_IO. */
enum status store_sizes(struct store *store, struct store_sizes *ret) MUST_CHECK;

/* ---- care ---- */

struct store_key { uint8_t data[STORE_KEY_MAX]; size_t len; };

/**
 * store_inspect(store, table, ret_near):
 * Walks every page of ${table} with all bounds checked, as of one read transaction.  LMDB trusts what it maps and a damaged page can end
 * the process, so an audit asks here before it reads.  What the values hold is not looked at.  Blocks: it reads the whole table.
 * Errors: ST_CORRUPT, and ${ret_near} is the last sound key before the damage (length 0: at the very beginning); as store_read().
 */
enum status store_inspect(struct store *store, enum store_table table, struct store_key *ret_near) MUST_CHECK;

enum store_part {
	STORE_PART_NONE,	/* no page is damaged; what the values hold is not looked at */
	STORE_PART_FILE,	/* it is missing, or cut short */
	STORE_PART_META,	/* the first two pages */
	STORE_PART_TABLES,	/* where the tables are */
	STORE_PART_TABLE,	/* a table */
	STORE_PART_FREE		/* the list of free pages */
};
struct store_damage {
	enum store_env env;		/* ledger or vault */
	uint64_t epoch;			/* the vault's */
	enum store_part part;		/* the first that was found */
	enum store_table table;		/* STORE_PART_TABLE */
	bool has_transactions;		/* the ledger's tables were found */
	bool earlier;			/* ... where the commit before the newest had them */
	uint64_t transactions;		/* so many can be read, from transaction 0 on */
};
/**
 * store_damage_find(data_path, ret_damage):
 * Looks for what is damaged in ledger and vault when store_open() said ST_CORRUPT, without LMDB: every page of the ledger, and of the vault if
 * the ledger has nothing.  LMDB keeps the commit before the newest whole, so what the newest cannot tell is looked for there.  Blocks.
 * Errors: ST_NOTFOUND and ST_FORMAT as store_open(); ST_NOMEM; ST_IO.
 */
enum status store_damage_find(const char *data_path, struct store_damage *ret_damage) MUST_CHECK;
/* "ledger/data.mdb is damaged: its list of free pages cannot be read; transactions 0 to 311 can"; without a full stop. */
#define STORE_DAMAGE_TEXT_BYTES 256
char *store_damage_format(const struct store_damage *damage, char ret_text[static STORE_DAMAGE_TEXT_BYTES]);

/* Frees slots of readers that died; how many. */
int store_reader_check(struct store *store);

/* ---- what the disk has, whatever is in memory ---- */

/* Pages that are not what was written, or that the disk does not give. */
struct store_disk_fault {
	enum store_env env;
	enum store_part part;		/* META, TABLES, TABLE or FREE */
	enum store_table table;		/* STORE_PART_TABLE */
	uint64_t page;			/* its place in data.mdb, in pages; META: 0 or 1 */
	bool unreadable;		/* the disk refused */
	struct store_key from, before;	/* what was there has keys at or above the one and below the other; length 0: it is not known */
};

struct store_disk_visit {
	void *ctx;
	void (*row)(void *ctx, struct bytes key, struct bytes value);	/* borrowed for the call */
	void (*fault)(void *ctx, const struct store_disk_fault *fault);
};

struct store_disk_read {
	uint64_t bytes;			/* that were read of the disk */
	bool direct;			/* past the page cache; false: the file system cannot, and may have answered from memory */
	bool done;			/* there is no row behind these */
	uint64_t epoch;			/* of the vault that was read; 0: of none */
	uint64_t entries;		/* that the table says it has */
	struct store_key next;		/* where to go on, !done */
};

/**
 * store_disk_open(store, env, ret_disk): the file of an environment once more, to be read past LMDB and past memory.  The caller ends it with
 * store_disk_close(), which takes NULL.  One thread at a time.  Between two calls it has no snapshot, but keeps a slot of LMDB's readers, so that a read
 * takes no lock; a vault that was replaced meanwhile is not gone before the next call, or the close.
 * Errors: ST_NOTFOUND, there is none; ST_BUSY, 512 readers; ST_NOMEM; ST_IO.
 *
 * store_disk_read(disk, table, from, bytes_max, visit, ret):
 * Reads rows of ${table} from the key ${from} on (length 0: from the first) from the disk, about ${bytes_max} bytes of it, and shows what it found: first
 * the fault() of each page that is damaged, behind which it went on, then the row() of each, in order.  Every number in LMDB's pages is checked.  A
 * snapshot is held while it reads, and not while it shows.  *${ret} is written before anything is shown.
 *
 * store_disk_structure(disk, visit, ret): the meta pages, the table of tables and the whole tree of free pages; no row() is called.
 *
 * Errors: ST_BUSY: a writer commits too fast to read beside it just now; ST_NOMEM; ST_IO: the file cannot be opened.  Damage is none.
 */
struct store_disk;
enum status store_disk_open(struct store *store, enum store_env env, struct store_disk **ret_disk) MUST_CHECK;
void store_disk_close(struct store_disk *disk);
enum status store_disk_read(struct store_disk *disk, enum store_table table, const struct store_key *from, size_t bytes_max,
    const struct store_disk_visit *visit, struct store_disk_read *ret) MUST_CHECK;
enum status store_disk_structure(struct store_disk *disk, const struct store_disk_visit *visit, struct store_disk_read *ret) MUST_CHECK;

#endif
