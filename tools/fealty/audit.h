/**
 * audit.h: what `fealty audit` is made of.  Leaves come in chunks, from the files or over the wire; a pool verifies their signatures while
 * the chunk is replayed onto a state of the audit's own; at the end the books are balanced, and the daemon's state is compared with ours.
 */
#ifndef FEALTY_TOOLS_AUDIT_H
#define FEALTY_TOOLS_AUDIT_H

#include "apply/apply.h"
#include "cli.h"
#include "ledger/redecide.h"
#include "progress.h"
#include "signer/signer.h"

#define CHUNK_LEAVES_MAX 2000
#define CHUNK_BYTES_MAX ((size_t)8 << 20)

/* What was found first.  reason is "" while nothing was. */
struct finding {
	char reason[32];		/* "LEDGER_BROKEN", "LEDGER_DAMAGED", "VAULT_DAMAGED", "BOOKS_BROKEN", "STATE_DIFFERS", "HEAD_DIFFERS",
					 * "DECISION_DIFFERS", "CHECKPOINT_DAMAGED", "CHECKPOINT_FOREIGN", "CHECKPOINT_FORGED", "CHECKPOINT_DIFFERS" */
	bool has_seq, has_size;
	uint64_t seq;			/* also without has_seq, where it is known: what is found before it is named instead */
	uint64_t size;			/* of the checkpoint that is bad */
	char sentence[400];
};
void finding_set(struct finding *finding, const char *reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
void finding_set_at(struct finding *finding, uint64_t seq, const char *format, ...) __attribute__((format(printf, 3, 4)));
void finding_reason(struct finding *finding, const char *reason);

/* ---- audit_pool.c ---- */

struct audit_pool;

/* The earliest leaf that fails; text says what is wrong with it, or is NULL. */
struct audit_verdict { uint64_t seq; const char *text; };

enum status audit_pool_new(unsigned threads, struct audit_pool **ret_pool) MUST_CHECK;
void audit_pool_free(struct audit_pool *pool);		/* accepts NULL */
/**
 * Lets the workers verify ${n} leaves, the first of which is ${first_seq}; they are borrowed until audit_pool_finish().  ${keys} is who signs
 * after the leaves before them, or after some of these as well.  ST_NOMEM: none is being verified.
 */
enum status audit_pool_start(
    struct audit_pool *pool, const struct key_history *keys, const struct bytes *leaves, size_t n, uint64_t first_seq) MUST_CHECK;
/* Helps, and waits; adds the entries seen to *${ret_entries}. ST_NOMEM. */
enum status audit_pool_finish(struct audit_pool *pool, struct audit_verdict *ret_verdict, uint64_t *ret_entries) MUST_CHECK;

/* Two of apply_verify_fn: of transactions, and of approvals. */
enum status audit_verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature) MUST_CHECK;
enum status audit_verify_approval(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes body, struct bytes signature) MUST_CHECK;

/* ---- audit_redecide.c ---- */

/* Entries that were decided a second time.  asked is false when none is. */
struct audit_redecide {
	bool asked;
	uint64_t equal, other_engine, not_decided;
	struct arena arena;			/* of one entry */
	struct store *source;			/* of the ledger, for entries that name an earlier one; NULL: they cannot be decided again */
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
	uint64_t verified;
	struct arena arena;			/* of those that the chunk reaches: */
	size_t n, cap, next;
	struct audit_checkpoint *rows;
};

void audit_checkpoints_begin(struct audit_checkpoints *checkpoints);
void audit_checkpoints_release(struct audit_checkpoints *checkpoints);		/* accepts one that was not begun */
/* Copies those that the chunk will reach, which is filled.  ST_INVALID: a row cannot be a checkpoint. */
enum status audit_checkpoints_fill(struct audit *audit, struct store_txn *ledger) MUST_CHECK;
/* After a transaction was applied: judges the checkpoint of just so many, if there is one.  ST_INVALID, with a finding. */
enum status audit_checkpoints_reached(struct audit *audit) MUST_CHECK;
/* That none is of more transactions than ${ledger}, with ${size}, has. */
enum status audit_checkpoints_end(struct audit *audit, struct store_txn *ledger, uint64_t size) MUST_CHECK;

/* ---- audit_replay.c ---- */

struct audit {
	bool json, no_redecide;
	bool has_key, has_key_id;	/* pinned by the caller */
	uint8_t key[PUBLIC_KEY_BYTES], key_id[KEY_ID_BYTES];
	struct audit_pool *pool;
	struct store *store;		/* of the replay, in a temporary directory that is gone already */
	struct apply *apply;
	struct audit_redecide redecide;
	struct audit_checkpoints checkpoints;
	struct progress *progress;
	uint64_t total;			/* for the progress */
	uint64_t entries, state_rows;
	bool state_compared;
	uint64_t state_size;
	const char *state_note;		/* why it was not compared */
	bool head_compared;
	struct store_head published;	/* the head that the daemon showed last, when it is known */
	struct finding finding;

	/* the chunk */
	uint64_t first;			/* seq of leaves[0]; also transactions audited */
	size_t n, bytes;
	struct bytes *leaves;
	uint8_t *data;
};

/* Fields up to the pool are the caller's.  On failure everything is let go. */
enum status audit_init(struct audit *audit, unsigned threads) MUST_CHECK;
void audit_release(struct audit *audit);

/* Whether a leaf of so many bytes fits the chunk; an empty chunk takes any that may be stored. */
bool audit_fits(const struct audit *audit, size_t leaf_bytes);
/* Copies a leaf into the chunk, which has room. */
void audit_take(struct audit *audit, struct bytes leaf);
/**
 * audit_chunk(audit): verifies and replays what is in the chunk, and empties it.  ST_INVALID: audit->finding says what; other errors are
 * machinery's.
 */
enum status audit_chunk(struct audit *audit) MUST_CHECK;

/* ---- audit_source.c ---- */

/* The ledger of a directory, whole; that it contains the published head, if the store knows one; and unless ${no_state} the comparison of
 * its state at the right moment. */
enum status audit_directory(struct audit *audit, struct store *source, bool no_state) MUST_CHECK;
/* When the files of a directory could not be opened or read, with ${st}: ST_INVALID and a finding if that is damage, else ${st}. */
enum status audit_damage(struct audit *audit, const char *data_path, enum status st) MUST_CHECK;

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

#endif
