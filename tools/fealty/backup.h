/**
 * backup.h: what `fealty backup` and `fealty restore` are made of.  packaging/BACKUP.md has the format.
 *
 * A backup is a directory of files that never change, and a manifest that names those that count.  All files are sequences of rows of the
 * store's tables; the ledger's are verified in front of each write by the chain, the tree and the signatures of an audit (audit_chain.c).
 */
#ifndef FEALTY_TOOLS_BACKUP_H
#define FEALTY_TOOLS_BACKUP_H

#include "audit.h"

#define BACKUP_FILE_BYTES ((size_t)16 << 20)		/* a file is ended when it has so many, the ledger's at the next checkpoint; */
#define BACKUP_FILE_BYTES_MAX ((size_t)256 << 20)	/* none is longer than this */
#define BACKUP_NAME_BYTES 56				/* of a file, with its NUL */
#define BACKUP_MANIFEST "manifest"
#define BACKUP_PARTIAL "manifest.partial"		/* how far a run came that did not reach its end */

enum backup_kind { BACKUP_LEDGER, BACKUP_COSIGNATURES, BACKUP_VAULT, BACKUP_KINDS };

struct backup_file {
	enum backup_kind kind;
	uint64_t first;			/* of the ledger: the seq that it begins with; else its place among those of its kind */
	uint64_t bytes;
	uint8_t sha256[SHA256_BYTES];
};
/* "ledger-000000000000-0123456789abcdef": kind, first, and how its SHA-256 begins. */
const char *backup_file_name(const struct backup_file *file, char ret_name[static BACKUP_NAME_BYTES]);

/* ---- backup_manifest.c ---- */

struct backup_manifest {
	char origin[LOG_ORIGIN_BYTES_MAX + 1];
	int64_t made_at_us;
	struct log_head head;		/* its checkpoint; size 0: there is no manifest */
	struct merkle_tree tree;	/* of as many leaves, and its root is the checkpoint's */
	uint64_t cosignatures;		/* those of checkpoints up to this size are among the ledger's files for good */
	uint64_t epoch;			/* of the vault; 0: a partial one, which has none */
	size_t n, cap;
	struct backup_file *files;	/* by kind, in order */
};

void backup_manifest_release(struct backup_manifest *m);
/* ST_NOMEM. */
enum status backup_manifest_add(struct backup_manifest *m, const struct backup_file *file) MUST_CHECK;
/* All but the files of other kinds than the ledger's. ST_NOMEM. */
enum status backup_manifest_copy(const struct backup_manifest *from, struct backup_manifest *ret) MUST_CHECK;
uint64_t backup_manifest_bytes(const struct backup_manifest *m, enum backup_kind kind);
void backup_manifest_print(const struct backup_manifest *m, struct buf *out);
/* NULL, or why it is none, in static words; the caller releases ${ret} in either case. */
const char *backup_manifest_parse(struct bytes text, struct backup_manifest *ret) MUST_CHECK;

/* ---- backup_dir.c ---- */

struct backup_dir {
	const char *path;		/* borrowed */
	int fd;
	uint64_t written, written_bytes, kept;	/* files */
};

/**
 * backup_dir_open(path, make, ret_dir): locked against other runs; the caller ends it with backup_dir_close().
 * Errors: ST_NOTFOUND, it is not there and ${make} is not set; ST_BUSY, another run has it; ST_INVALID, it has files and no manifest; ST_FULL;
 * ST_IO with errno.
 */
enum status backup_dir_open(const char *path, bool make, struct backup_dir *ret_dir) MUST_CHECK;
void backup_dir_close(struct backup_dir *dir);

/* The whole file, which the caller releases. ST_NOTFOUND; ST_TOO_LARGE; ST_NOMEM; ST_IO with errno. */
enum status backup_dir_read(const struct backup_dir *dir, const char *name, struct buf *ret_data) MUST_CHECK;
/* Its length. ST_NOTFOUND; ST_IO. */
enum status backup_dir_size(const struct backup_dir *dir, const char *name, uint64_t *ret_bytes) MUST_CHECK;
/* Replaced whole, synced; one that has these bytes is kept. ST_FULL; ST_IO; ST_NOMEM. */
enum status backup_dir_put(struct backup_dir *dir, const char *name, struct bytes data) MUST_CHECK;
/* The names are on disk. */
enum status backup_dir_sync(struct backup_dir *dir) MUST_CHECK;
/* Removes what neither of the two names; what is not ours stays. */
void backup_dir_clean(struct backup_dir *dir, const struct backup_manifest *one, const struct backup_manifest *other);

/* ---- backup_pack.c: rows to files and back ---- */

struct backup_pack {
	struct backup_dir *dir;			/* borrowed */
	struct backup_manifest *manifest;	/* borrowed; gets the files */
	enum backup_kind kind;
	uint64_t first;
	struct buf data;
	uint64_t rows;
	enum status status;			/* the first write that failed */
};

/* Goes on with ${data}, which it takes over, as what the file has already; NULL: nothing. */
void backup_pack_begin(struct backup_pack *p, struct backup_dir *dir, struct backup_manifest *manifest, enum backup_kind kind, uint64_t first,
    const struct buf *data);
/* ST_NOMEM, and that of the file that was ended because it is full. */
enum status backup_pack_row(struct backup_pack *p, enum store_table table, struct bytes key, struct bytes value) MUST_CHECK;
/* Writes what there is; the next file begins with ${first}. */
enum status backup_pack_cut(struct backup_pack *p, uint64_t first) MUST_CHECK;
void backup_pack_release(struct backup_pack *p);

struct backup_row { enum store_table table; struct bytes key, value; };
/* Takes one off; false: what is left begins with none. */
bool backup_row_take(struct bytes *rest, struct backup_row *ret_row) MUST_CHECK;

/* ---- backup_read.c ---- */

/* Where rows go that were verified; all may be NULL. */
struct backup_sink {
	enum status (*row)(void *ctx, enum store_table table, struct bytes key, struct bytes value);
	enum status (*flush)(void *ctx);	/* after each chunk of the ledger, and now and then of the vault */
	void *ctx;
};

struct backup_read {
	struct backup_dir dir;
	struct backup_manifest manifest;
	struct audit *audit;			/* borrowed; AUDIT_HASHES with its signatures */
	struct backup_sink sink;
	uint64_t rows[BACKUP_KINDS];
};

/* Opens, locks, and reads the manifest; whatever fails is told.  The caller has set the audit, and ends ${r} with backup_read_close(), whatever came of it. */
enum exit_code backup_read_open(const char *path, bool json, struct backup_read *r) MUST_CHECK;
void backup_read_close(struct backup_read *r);
/* All files, each row verified. ST_INVALID: the audit's finding says which file, and which transaction. */
enum status backup_read_all(struct backup_read *r) MUST_CHECK;

/* ---- backup_take.c ---- */

struct backup_take {
	const char *data_path, *head_lock;	/* borrowed; NULL: the default */
	bool json;
	unsigned threads;
	struct log_source *source;
	struct backup_dir dir;
	struct backup_manifest old, next;	/* old: what a run before this one has left, a partial one too */
	struct backup_manifest whole;		/* the newest that reached its end */
	struct audit audit;
	struct progress progress;
	struct backup_pack pack;
	uint64_t rows[BACKUP_KINDS];
	uint64_t size;				/* of the ledger, as it is taken */
};

/* A run to the directory ${target}: ${t} has the paths of the data; what fails is told.  The caller releases ${t} in either case. */
enum exit_code backup_take(struct backup_take *t, const char *target) MUST_CHECK;
void backup_take_release(struct backup_take *t);

#endif
