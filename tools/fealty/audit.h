/**
 * audit.h: what `fealty audit` and `fealty rollforward` are made of.  Leaves come in chunks, from the files, over the wire, or from an export;
 * a pool verifies their signatures while the chunk is replayed onto a state of the audit's own; at the end the books are balanced, and the
 * daemon's state is compared with ours.
 */
#ifndef FEALTY_TOOLS_AUDIT_H
#define FEALTY_TOOLS_AUDIT_H

#include "apply/apply.h"
#include "cli.h"
#include "ledger/redecide.h"
#include "log_genesis.h"
#include "log_head.h"
#include "merkle/policy.h"
#include "merkle/tile.h"
#include "progress.h"
#include "signer/signer.h"

#define CHUNK_LEAVES_MAX 1000		/* the state's part that a chunk touches should stay in the caches */
#define CHUNK_BYTES_MAX ((size_t)8 << 20)

/* What was found first.  reason is "" while nothing was. */
struct finding {
	char reason[32];		/* "LEDGER_BROKEN", "LEDGER_DAMAGED", "VAULT_DAMAGED", "BOOKS_BROKEN", "STATE_DIFFERS", "HEAD_DIFFERS",
					 * "DECISION_DIFFERS", "CHECKPOINT_DAMAGED", "CHECKPOINT_FOREIGN", "CHECKPOINT_FORGED", "CHECKPOINT_DIFFERS",
					 * "CHECKPOINT_MISSING", "CHECKPOINT_UNWITNESSED", "HISTORY_DIFFERS", "LOG_DAMAGED", "COSIGNATURE_DAMAGED" */
	bool has_seq, has_size;
	uint64_t seq;			/* also without has_seq, where it is known: what is found before it is named instead */
	uint64_t size;			/* of the checkpoint that is bad */
	char file[TILE_PATH_BYTES + 1];	/* of the export; "": none */
	char sentence[400];
};
void finding_set(struct finding *finding, const char *reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
void finding_set_at(struct finding *finding, uint64_t seq, const char *format, ...) __attribute__((format(printf, 3, 4)));
void finding_reason(struct finding *finding, const char *reason);
/* A checkpoint of ${size} that is bad; ${what} goes on from "the checkpoint of N transactions". */
void finding_set_checkpoint(struct finding *finding, uint64_t size, const char *reason, const char *what);

/* ---- audit_pool.c ---- */

struct audit_pool;

/* The earliest leaf that fails; text says what is wrong with it, or is NULL. */
struct audit_verdict { uint64_t seq; const char *text; };

/* What a leaf is in the chain and in the tree. */
struct audit_link {
	struct transaction_head head;			/* borrowed from the leaf */
	uint8_t leaf[SHA256_BYTES], transaction[SHA256_BYTES];	/* the tree's leaf hash; what the next transaction's prev is */
	bool rotates;					/* has a second signature */
};

/* All is borrowed until audit_pool_finish(). */
struct audit_work {
	const struct bytes *leaves;
	size_t n;
	uint64_t first_seq;			/* of leaves[0] */
	const struct key_history *keys;		/* with those that these leaves name; NULL: signatures are not looked at */
	struct audit_link *links;		/* [n], filled; NULL: not wanted */
};

enum status audit_pool_new(unsigned threads, struct audit_pool **ret_pool) MUST_CHECK;
void audit_pool_free(struct audit_pool *pool);		/* accepts NULL */
/* What the ${n} leaves from ${first_seq} on name is added to ${keys}, who sign the leaves before them, or some of these as well.  The pool may work
 * meanwhile.  ST_NOMEM. */
enum status audit_pool_follow_keys(struct audit_pool *pool, const struct bytes *leaves, size_t n, uint64_t first_seq, struct key_history *keys)
    MUST_CHECK;
void audit_pool_start(struct audit_pool *pool, const struct audit_work *todo);
/* Helps, and waits. ST_NOMEM. */
enum status audit_pool_finish(struct audit_pool *pool, struct audit_verdict *ret_verdict) MUST_CHECK;

/* Two of apply_verify_fn: of transactions, and of approvals. */
enum status audit_verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature) MUST_CHECK;
enum status audit_verify_approval(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes body, struct bytes signature) MUST_CHECK;

/* ---- audit_redecide.c ---- */

/* Gives an earlier leaf once more, in the arena's memory. ST_NOTFOUND. */
typedef enum status audit_find_fn(void *ctx, uint64_t seq, struct arena *arena, struct bytes *ret_leaf);

/* Entries that were decided a second time.  begun is false when there was no replay. */
struct audit_redecide {
	bool begun, off;			/* off: entries are counted only */
	uint64_t seen, equal, other_engine, not_decided;
	json_t *losses;				/* array: what restores have lost, as their entries say */
	struct arena arena;			/* of one entry */
	audit_find_fn *find;			/* for entries that name an earlier one; NULL: they cannot be decided again */
	void *find_ctx;
	bool differs;				/* one of them: */
	struct entry_id id;
	enum op op;
	struct redecide_difference difference;
};
struct audit;

/* From now on ${apply}'s replay is judged; both must stay where they are until the replay is over.  release() accepts one that was not begun. */
void audit_redecide_begin(struct audit_redecide *r, struct apply *apply);
void audit_redecide_release(struct audit_redecide *r);
/* After a transaction was applied, or ${error} says why not: ST_INVALID, with a finding, when an entry before that differs. */
enum status audit_redecide_found(struct audit *audit, const struct replay_error *error) MUST_CHECK;

/* ---- audit_checkpoint.c ---- */

struct audit_checkpoint;
struct audit_checkpoints {
	bool begun, compared;			/* compared is false while none could be looked at */
	bool from_stored, published_stored;	/* the checkpoint of the last audit, and the published one, are among them */
	uint64_t verified;
	struct log_head newest;			/* verified, and not above what was published; size 0: none */
	struct arena arena;			/* of those that the chunk reaches: */
	size_t n, cap, next;
	struct audit_checkpoint *rows;
};

void audit_checkpoints_begin(struct audit_checkpoints *checkpoints);
void audit_checkpoints_release(struct audit_checkpoints *checkpoints);		/* accepts one that was not begun */
/* Forgets the rows that were taken; takes one, by rising size, that the chunk reaches.  ST_INVALID: it cannot be a checkpoint; ST_NOMEM. */
void audit_checkpoints_forget(struct audit_checkpoints *checkpoints);
enum status audit_checkpoints_take(struct audit *audit, struct bytes key, struct bytes value) MUST_CHECK;
uint64_t audit_checkpoints_last(const struct audit_checkpoints *checkpoints);	/* the size of the last one that was taken, of which there is one */
/* Copies those that the chunk will reach, which is filled.  ST_INVALID: a row cannot be a checkpoint. */
enum status audit_checkpoints_fill(struct audit *audit, struct store_txn *ledger) MUST_CHECK;
/* After a transaction was applied: judges the checkpoint of just so many, if there is one.  ST_INVALID, with a finding. */
enum status audit_checkpoints_reached(struct audit *audit) MUST_CHECK;
/* That none is of more transactions than ${ledger}, with ${size}, has, and that those which others have seen are still there. */
enum status audit_checkpoints_end(struct audit *audit, struct store_txn *ledger, uint64_t size) MUST_CHECK;
/* Whether a checkpoint of just the tree's size has its root, and the log's key signed it; who waits for it is told.  ST_INVALID, with a finding. */
enum status audit_checkpoint_judge(struct audit *audit, const struct log_head *head) MUST_CHECK;
/* One that was judged is among the report's, and perhaps the newest. */
void audit_checkpoint_count(struct audit *audit, const struct log_head *head);
/* Whether the key signed it that the ledger had then, and in an overlap perhaps the one before: the tree has just its size.  ST_INVALID, with
 * a finding. */
enum status audit_checkpoint_signed(struct audit *audit, const struct log_head *head) MUST_CHECK;
/* Whether the key that was given, if one was, signed the newest one.  ST_INVALID, with a finding. */
enum status audit_checkpoint_trusted(struct audit *audit, const struct log_head *head) MUST_CHECK;

/* ---- audit_chain.c: hashes only ---- */

struct audit_chain {
	struct merkle_tree tree;
	uint8_t prev[SHA256_BYTES];		/* of the next transaction */
	int64_t committed_at_us;
	struct key_history keys;
	struct arena arena;			/* of a transaction that names keys */
	struct audit_link *links;
};
/* As audit_chunk(), for AUDIT_HASHES: the tree and the chain, the seqs, origins and times; entries are not read. */
enum status audit_chain_chunk(struct audit *audit) MUST_CHECK;
/**
 * audit_chain_resume(audit, tree, keys, genesis, newest): goes on behind the transactions of ${tree}, which somebody has verified: ${keys} are those
 * that they name, ${genesis} and ${newest} the first and the last of them.  ST_CORRUPT; ST_NOMEM.
 */
enum status audit_chain_resume(struct audit *audit, const struct merkle_tree *tree, const struct key_history *keys, struct bytes genesis,
    struct bytes newest) MUST_CHECK;

/* ---- audit_from.c: the checkpoint of the last audit ---- */

/* ${path} must be a checkpoint; whose, shows when the genesis is known.  EXIT_DONE, or it was told why not. */
enum exit_code audit_from_read(struct audit *audit, const char *path) MUST_CHECK;
/* After each chunk; when all has been read.  ST_INVALID, with a finding. */
enum status audit_from_reached(struct audit *audit) MUST_CHECK;
enum status audit_from_end(struct audit *audit) MUST_CHECK;

/* ---- audit_cosignature.c ---- */

/* That each that is stored can stand behind a checkpoint that is stored.  ST_INVALID, with a finding. */
enum status audit_cosignatures(struct audit *audit, struct store_txn *ledger) MUST_CHECK;

/* ---- audit_replay.c ---- */

enum audit_depth {
	AUDIT_WHOLE,			/* signatures, replay, decided once more */
	AUDIT_REPLAY,			/* replayed only: a root that is signed says that the bytes are right */
	AUDIT_HASHES,			/* chain and tree only */
};

struct audit_evidence;

struct audit {
	enum audit_depth depth;
	bool json, no_redecide, measure;
	bool check_signatures;		/* with AUDIT_HASHES: signatures as well */
	bool has_key, has_key_id, has_vkey;	/* pinned by the caller */
	uint8_t key[PUBLIC_KEY_BYTES], key_id[KEY_ID_BYTES];
	struct note_key vkey;		/* of the newest checkpoint; the name is borrowed */
	const struct policy *policy;	/* vkey is one of its logs; NULL: none */
	uint64_t until;			/* of the log only its first so many */
	uint32_t timeout_ms;		/* of a server that has an exported log, for each resource */
	struct log_head from;		/* size 0: there was no audit before */
	struct audit_evidence *evidence;	/* that takes what was verified; NULL: none is wanted */
	/* after each verified checkpoint of the ledger, with the replay at just its size; NULL: nobody wants to know */
	enum status (*on_checkpoint)(void *ctx, struct audit *audit, const struct log_head *head);
	/* after each transaction; of a replay the link has the head alone */
	enum status (*on_link)(void *ctx, const struct audit_link *link, struct bytes leaf);
	void *on_ctx;
	const struct log_head *extra;	/* checkpoints that the caller has besides, by rising size */
	size_t n_extra, next_extra;
	uint64_t log_size;		/* of the checkpoint of an exported log, once it was read */

	struct audit_pool *pool;
	struct store *store;		/* of the replay, in a temporary directory that is gone already */
	struct apply *apply;		/* NULL with AUDIT_HASHES */
	struct audit_chain chain;
	struct log_genesis genesis;	/* once the first chunk was verified */
	struct audit_redecide redecide;
	struct audit_checkpoints checkpoints;
	struct progress *progress;
	uint64_t total;			/* for the progress */
	uint64_t signatures, state_rows;
	uint64_t from_entries;		/* in the transactions of the audit before */
	bool state_compared;
	uint64_t state_size;
	const char *state_note;		/* why it was not compared */
	bool head_compared, head_reached;
	struct store_head published;	/* the head that the daemon showed last, when it is known */
	uint8_t published_root[SHA256_BYTES];	/* what the ledger has at that size, when it was reached */
	unsigned threads;
	uint64_t measured;		/* signatures verified a second time, alone, and how long it took */
	double measured_seconds, measured_cpu_seconds;
	struct finding finding;

	/* the chunk */
	uint64_t first;			/* seq of leaves[0]; also transactions audited */
	uint64_t chunks;
	size_t n, bytes;
	struct bytes *leaves, *other_leaves;	/* other: of the chunk before, whose signatures are verified still */
	uint8_t *data, *other_data;
	struct audit_work checking;	/* n is 0: all are verified */
	uint64_t checked_chunks;
};

/* Fields up to the pool are the caller's.  On failure everything is let go. */
enum status audit_init(struct audit *audit, unsigned threads) MUST_CHECK;
void audit_release(struct audit *audit);

/* Of all threads of this process. */
double audit_cpu_seconds(void);

/* The tree of what was verified, the keys that it names, and when its newest transaction was committed. */
const struct merkle_tree *audit_tree(const struct audit *audit);
const struct key_history *audit_keys(const struct audit *audit);
int64_t audit_committed_at_us(const struct audit *audit);
/* The ledger's key of checkpoints of ${size} transactions, which were verified; borrows the origin. */
struct note_key audit_checkpoint_key(const struct audit *audit, uint64_t size);
/* Whether the next chunk is of what an earlier audit has verified, and its checkpoint binds. */
bool audit_is_old(const struct audit *audit);

/* Whether a leaf of so many bytes fits the chunk; an empty chunk takes any that may be stored. */
bool audit_fits(const struct audit *audit, size_t leaf_bytes);
/* Copies a leaf into the chunk, which has room. */
void audit_take(struct audit *audit, struct bytes leaf);
/**
 * audit_chunk(audit): replays what is in the chunk, and empties it; its signatures are verified by the next one's replay.
 * audit_drain(audit): the same, and all is verified.
 * ST_INVALID: audit->finding says what; other errors are machinery's.
 */
enum status audit_chunk(struct audit *audit) MUST_CHECK;
enum status audit_drain(struct audit *audit) MUST_CHECK;
/* After the tree has grown by one: what is to be looked at at just this size.  ST_INVALID, with a finding. */
enum status audit_reached(struct audit *audit) MUST_CHECK;
/* When transaction 0 was verified: whose ledger it is, against what the caller knows of its keys.  ST_INVALID, with a finding. */
enum status audit_genesis(struct audit *audit, struct bytes leaf) MUST_CHECK;

/* ---- audit_source.c ---- */

/* The ledger of a directory, up to audit->until; that it contains the published head, if the store knows one; and unless ${no_state} the
 * comparison of its state at the right moment. */
enum status audit_directory(struct audit *audit, struct store *source, bool no_state) MUST_CHECK;
/* Of the transactions below ${until} as many as fit the chunk, and the checkpoints that it reaches; ${ledger} rests afterwards.  ST_INVALID, with a
 * finding. */
enum status audit_fill(struct audit *audit, struct store_txn *ledger, uint64_t until) MUST_CHECK;
/* When the files of a directory could not be opened or read, with ${st}: ST_INVALID and a finding if that is damage, else ${st}. */
enum status audit_damage(struct audit *audit, const char *data_path, enum status st) MUST_CHECK;

/* ---- audit_log.c ---- */

/**
 * audit_log(audit, place, ret_code):
 * The log that is exported to the directory ${place}, or served under that http or https address: the checkpoint, by the key that was
 * given, and by that which the log has then, every tile against its root, every entry against its tile, and what audit_chunk() does.  *${ret_code} is
 * not EXIT_DONE when it could not be read, which was told then.
 */
enum status audit_log(struct audit *audit, const char *place, enum exit_code *ret_code) MUST_CHECK;

/* ---- audit_books.c ---- */

/* ST_INVALID: the finding says which program does not balance. Fills what the report tells of programs. */
struct audit_program { uint32_t number, versions; const char *id; unsigned scale; struct totals totals; };
struct audit_books { size_t n; struct audit_program *programs; uint64_t members; };
enum status audit_books(struct audit *audit, struct audit_books *ret_books) MUST_CHECK;
void audit_books_release(struct audit_books *books);

/* ---- audit_state.c ---- */

/* Compares every derived row of two state snapshots at the same size.  ST_INVALID: the finding names the first that differs. */
enum status audit_state(struct audit *audit, struct store_txn *theirs) MUST_CHECK;
/* ST_INVALID, with a finding. */
enum status audit_state_unreadable(struct audit *audit) MUST_CHECK;

/* ---- audit_report.c ---- */

/* What an audit that found nothing has verified, and nothing that another run would say otherwise: no times. */
json_t *audit_report_json(const struct audit *audit, const struct audit_books *books);
/* Prints it, with how long it took. */
enum exit_code audit_report(const struct audit *audit, const struct audit_books *books, double seconds);
/* The finding. */
enum exit_code audit_report_finding(const struct audit *audit);

/* ---- audit_evidence.c ---- */

/**
 * audit_evidence_new(path, policy, json, ret): a directory for the evidence, made if it is not there.  ${policy} is the text of the policy
 * that the auditor goes by, borrowed; of no length: one is made of the log's key.  The caller ends it with _free(), which accepts NULL.
 * audit_evidence_begin(e, head): it will be of the log up to ${head}; a directory that has anything else is refused.
 * audit_evidence_take(e, leaf): the next leaf, verified.  ST_FULL; ST_IO.
 * audit_evidence_end(e, audit, books): when all is verified: checkpoint, policy, keys, report, and the manifest last.
 * What returns an exit code has told why it is not EXIT_DONE.
 */
enum exit_code audit_evidence_new(const char *path, struct bytes policy, bool json, struct audit_evidence **ret_evidence) MUST_CHECK;
void audit_evidence_free(struct audit_evidence *e);
enum exit_code audit_evidence_begin(struct audit_evidence *e, const struct log_head *head) MUST_CHECK;
enum status audit_evidence_take(struct audit_evidence *e, struct bytes leaf) MUST_CHECK;
enum exit_code audit_evidence_end(struct audit_evidence *e, const struct audit *audit, const struct audit_books *books) MUST_CHECK;

#endif
