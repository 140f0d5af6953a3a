/**
 * apply.h: entries onto `state`: the one way in which the daemon, a replay at start, a rebuild and an audit move it.
 *
 * An apply holds an overlay in memory: the records that a batch touches.  decide() reads through it, evolve() writes to it, and
 * apply_flush() writes it to the state environment in one transaction, after the batch's ledger commit; apply_discard() forgets it.
 * One thread uses an apply; the program table inside it may be read by any thread, and shows only flushed versions there.
 */
#ifndef FEALTY_APPLY_APPLY_H
#define FEALTY_APPLY_APPLY_H

#include "codec/codec.h"
#include "ledger/keys.h"
#include "ledger/decide.h"
#include "ledger/terminal.h"
#include "merkle/proof.h"
#include "store/store.h"

struct apply;
struct programs;

/**
 * apply_new(store, ret_apply): reads the program table and the head from the store's state; an empty state is at size 0.
 * Errors: ST_NOMEM; ST_IO; ST_CORRUPT: a record of state cannot be read (discard it and rebuild).
 */
enum status apply_new(struct store *store, struct apply **ret_apply) MUST_CHECK;
void apply_free(struct apply *apply);		/* accepts NULL; an unflushed batch is lost */

/* What decide() and evolve() take; valid as long as the apply. */
const struct ledger_state *apply_state(struct apply *apply);

/* Where state is: transactions applied (flushed or not), SHA-256 of the newest Transaction (zeros at 0), its committed_at, and the tree. */
struct apply_head {
	uint64_t size;
	uint8_t prev[SHA256_BYTES];
	int64_t committed_at_us;
	int64_t clock_us;			/* manual ledgers: the clock's instant; else committed_at_us */
	bool manual_clock;
	char origin[129];
	uint8_t transaction_key[32], checkpoint_key[32];	/* of the genesis: what later ones follow from, see apply_keys() */
};
const struct apply_head *apply_head(const struct apply *apply);
const struct merkle_tree *apply_tree(const struct apply *apply);
/* The keys that sign, by what is applied. */
const struct key_history *apply_keys(const struct apply *apply);
/* The root that the log had at ${size} <= flushed size. */
enum status apply_root_at(struct apply *apply, uint64_t size, uint8_t ret_root[static SHA256_BYTES]) MUST_CHECK;
/* proof_inclusion() of a leaf in the tree as it is applied, from what is stored and what the overlay has. */
enum status apply_inclusion(struct apply *apply, uint64_t index, struct proof *ret_proof) MUST_CHECK;

/**
 * apply_entry(apply, entry, id, committed_at_us, mode, ret_fault):
 * evolve(), and the entry's request id and receipt number.  What a version is in force from is the instant by which commands are decided:
 * on a manual
 * ledger the entry's `at`.  As evolve() for faults and errors.
 */
enum status apply_entry(struct apply *apply, struct entry *entry, struct entry_id id, int64_t committed_at_us, enum evolve_mode mode,
    enum evolve_fault *ret_fault) MUST_CHECK;

/**
 * apply_seal(apply, t, transaction): all entries of ${t} are applied and these are its bytes: the head moves past it.  t->seq must be
 * head.size (asserted).
 * apply_leaf(apply, leaf): its signed bytes, in the order of the seals: the tree moves.  Every sealed transaction needs its leaf before
 * apply_flush() (asserted).
 */
void apply_seal(struct apply *apply, const struct transaction *t, struct bytes transaction);
enum status apply_leaf(struct apply *apply, struct bytes leaf) MUST_CHECK;

/* Writes the overlay and commits.  On failure nothing was written and the overlay is still there. */
enum status apply_flush(struct apply *apply) MUST_CHECK;
/* Back to what is flushed. */
void apply_discard(struct apply *apply);
/**
 * How far the scheduler has come, in its own words: written with the next flush, read back at start, and empty when state was rebuilt, since the
 * ledger does not tell.  Borrowed until it is set again.
 */
struct bytes apply_schedule(const struct apply *apply);
enum status apply_set_schedule(struct apply *apply, struct bytes schedule) MUST_CHECK;
/* Bytes that the overlay holds, to bound a batch. */
size_t apply_overlay_bytes(const struct apply *apply);

/* ---- lookups through the overlay ---- */

struct request_row {
	struct entry_id id;
	uint32_t program;
	uint64_t member;
	uint8_t fingerprint[FINGERPRINT_BYTES];
};
/* ST_NOTFOUND. */
enum status apply_request(struct apply *apply, const char *principal, const char *key, struct request_row *ret) MUST_CHECK;
/* The entries of a member (0: of the whole program) that a request id names, whoever sent it: how many (2 means at least two), and the first. */
enum status apply_reference(struct apply *apply, uint32_t program, uint64_t member, const char *key, unsigned *ret_n,
    struct entry_id *ret_id) MUST_CHECK;

struct receipt_row { struct entry_id id; uint64_t member; uint8_t digest[32]; };
enum status apply_receipt(struct apply *apply, uint32_t program, const char *store, const char *receipt_no, int32_t business_date,
    struct receipt_row *ret) MUST_CHECK;
/* What makes two purchases with one receipt number equal: amount and lines. */
enum status receipt_digest(int64_t amount, const struct entry_line *lines, size_t n_lines, uint8_t ret_digest[static 32]) MUST_CHECK;

/* What the newest entry with a terminal_seq said of its terminal's sequence, whether flushed or not. */
struct terminal_note apply_terminal_note(const struct apply *apply);

/* A row of TABLE_TERMINAL.  ST_CORRUPT. */
struct terminal_row {
	struct terminal_name name;		/* as the commands say, a till's own */
	char principal[LEDGER_PRINCIPAL_MAX + 1];
	struct terminal_state state;
};
enum status terminal_row_decode(struct bytes key, struct bytes value, struct terminal_row *ret) MUST_CHECK;

/* The first at or before ${until_us} by instant, then holds before all else, then program and member; ST_NOTFOUND. */
struct due_row { int64_t at_us; bool hold; uint32_t program; uint64_t member; };
enum status apply_due_first(struct apply *apply, int64_t until_us, struct due_row *ret) MUST_CHECK;
bool due_before(const struct due_row *a, const struct due_row *b) MUST_CHECK;		/* in that order */

/* Members that will be asked for soon, at most STORE_MANY, so that asking for them costs little; 0, who is not there and a damaged record are passed over. */
enum status apply_load_members(struct apply *apply, uint32_t program, const uint64_t *numbers, size_t n) MUST_CHECK;

/**
 * What versions make due for members that had no entry since: rows of TABLE_LOOK, which the schedule writes as it looks at them all, and which the
 * ledger does not tell of.  One that is out of date does no harm: the member is asked.
 * apply_look(): when something is due for a member before what its record says; INSTANT_NEVER.
 * apply_put_look(): the row of a member is there, or (${gone}) is not any more, with the next flush.
 * apply_look_first(): the first that is flushed behind ${after}; ST_NOTFOUND.
 */
enum status apply_look(struct apply *apply, uint32_t program, uint64_t member, int64_t *ret_at_us) MUST_CHECK;
enum status apply_put_look(struct apply *apply, const struct due_row *row, bool gone) MUST_CHECK;
enum status apply_look_first(struct apply *apply, const struct due_row *after, struct due_row *ret) MUST_CHECK;

/* ---- reading flushed state from any thread ---- */

/* A state read transaction's view. ST_NOTFOUND; memory from ${arena}. */
enum status apply_read_member(struct store_txn *state, uint32_t program, uint64_t number, struct arena *arena,
    struct member *ret) MUST_CHECK;
/* The records of at most STORE_MANY members, in the snapshot, without data for who is not there; and the member of one.  ST_CORRUPT, ST_NOMEM. */
enum status apply_read_records(struct store_txn *state, uint32_t program, const uint64_t *numbers, size_t n, struct bytes *ret_records) MUST_CHECK;
enum status apply_take_member(struct bytes record, uint32_t program, uint64_t number, struct arena *arena, struct member *ret) MUST_CHECK;
enum status apply_read_size(struct store_txn *state, uint64_t *ret_size) MUST_CHECK;
enum status apply_read_request(struct store_txn *state, const char *principal, const char *key, struct request_row *ret) MUST_CHECK;
/* The complete subtree of 256^level leaves that begins with leaf index × 256^level; ST_CORRUPT: it is not there. */
enum status apply_read_tile(struct store_txn *state, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES]) MUST_CHECK;
enum status apply_read_totals(struct store_txn *state, uint32_t program, struct totals *ret) MUST_CHECK;

struct programs *apply_programs(struct apply *apply);
/* Any thread; the pointers live as long as the apply. */
const struct program *programs_at(struct programs *programs, uint32_t number, int64_t at_us);
const struct program *programs_version(struct programs *programs, uint32_t number, uint32_t version);
uint32_t programs_number(struct programs *programs, const char *id);	/* 0: none */
uint32_t programs_count(struct programs *programs);
struct bytes programs_definition(struct programs *programs, uint32_t number, uint32_t version);

/**
 * program_from_bytes(definition, zone_data, arena, ret_program, ret_error):
 * codec_program_def() and program_compile() in one: what a publish is judged by, everywhere.  Errors: theirs.
 */
enum status program_from_bytes(struct bytes definition, struct bytes zone_data, struct arena *arena, struct program **ret_program,
    struct program_error *ret_error) MUST_CHECK;

/* ---- what can be wrong with a stored transaction ---- */

enum replay_fault {
	REPLAY_OK,
	REPLAY_UNREADABLE,	/* the leaf or the transaction is no such message */
	REPLAY_SEQ,		/* gap: its seq is not its place */
	REPLAY_ORIGIN,
	REPLAY_PREV,		/* the chain is broken */
	REPLAY_TIME,		/* committed_at does not rise */
	REPLAY_KEY,		/* signed by another key than the one in force there */
	REPLAY_SIGNATURE,
	REPLAY_ROTATION,	/* a key is rotated, and not alone in a transaction with two signatures; or nothing is, and there are two */
	REPLAY_APPROVAL,	/* an approval's signature is not by the key that its principal had there, or not of what waited */
	REPLAY_GENESIS,		/* transaction 0 is no genesis, or there is another one */
	REPLAY_REQUEST_TWICE,	/* a principal's request id was applied before */
	REPLAY_ENTRY,		/* evolve refuses an entry: see fault and index */
};
struct replay_error {
	enum replay_fault what;
	enum evolve_fault fault;
	uint64_t seq;
	uint32_t index;
	char sentence[240];	/* "transaction 17: its signature does not verify" */
};

const char *replay_fault_str(enum replay_fault fault);	/* a sentence's end: "its signature does not verify" */

/* An error with its sentence; for KEY and SIGNATURE, which the caller checks. */
void replay_error_set(struct replay_error *error, enum replay_fault what, uint64_t seq);

/* ---- keys and signatures ---- */

/* Whether a signature of a transaction, or of what the function says, is that key's: ST_OK; ST_INVALID; ST_NOMEM.  apply/ knows no cryptography. */
typedef enum status apply_verify_fn(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature);

/**
 * apply_check_signatures(keys, seq, s, t, verify, ret_fault):
 * Whether transaction ${seq} is signed by whoever has to.  ${keys} goes on to it at least, ${t} is what ${s} holds.  *${ret_fault} is
 * REPLAY_OK, KEY, SIGNATURE or ROTATION.  Any thread.  Errors: ST_NOMEM.
 */
enum status apply_check_signatures(const struct key_history *keys, uint64_t seq, const struct signed_transaction *s, const struct transaction *t,
    apply_verify_fn *verify, enum replay_fault *ret_fault) MUST_CHECK;

/**
 * apply_follow_keys(keys, seq, leaf, arena): takes up what transaction ${seq} does to the keys, if it does anything; it is not verified, and
 * what cannot be read or could not stand there is passed over.  Cheap for the others, whose entries it does not look at.  ST_NOMEM.
 */
enum status apply_follow_keys(struct key_history *keys, uint64_t seq, struct bytes leaf, struct arena *arena) MUST_CHECK;

/**
 * apply_read_keys(ledger, state, size, verify, ret_keys, ret_error):
 * The history of the first ${size} > 0 transactions of a ledger, from its own transactions: the genesis and every rotation are verified, from the
 * genesis's key on.  ${state} is a read transaction on its state, begun before that on ${ledger}, which saves looking at transactions that it has
 * applied; NULL: all are looked at.  Errors: ST_INVALID and *${ret_error}: one of them cannot be what it should; ST_CORRUPT; ST_IO; ST_NOMEM.
 */
enum status apply_read_keys(struct store_txn *ledger, struct store_txn *state, uint64_t size, apply_verify_fn *verify,
    struct key_history *ret_keys, struct replay_error *ret_error) MUST_CHECK;

/* ---- approvals ---- */

/**
 * What an approver signs of an adjust: SHA-256 of the bytes of the transaction that holds it, and its index, big-endian; as the body of a DSSE PAE
 * whose type is the caller's to know.
 */
#define APPROVAL_BODY_BYTES (SHA256_BYTES + 4)
void approval_body(const uint8_t transaction_hash[static SHA256_BYTES], uint32_t index, uint8_t ret_body[static APPROVAL_BODY_BYTES]);

/**
 * apply_check_approval(apply, principal, adjust, signature, verify, ret_ok):
 * Whether ${signature} is of ${adjust}, which waits or waited, by the key that ${principal} has now; false as well when one of the two is not
 * there.  ${verify} is given the body.  Errors: ST_CORRUPT, ST_IO, ST_NOMEM.
 */
enum status apply_check_approval(struct apply *apply, const char *principal, struct entry_id adjust, struct bytes signature,
    apply_verify_fn *verify, bool *ret_ok) MUST_CHECK;

/* How a replay verifies approvals; without it every one of them is REPLAY_APPROVAL. */
void apply_set_approvals(struct apply *apply, apply_verify_fn *verify);

/* Readers: an adjust that waits or waited; ST_NOTFOUND. */
enum status apply_read_waiting(struct store_txn *state, struct entry_id id, struct waiting_adjust *ret) MUST_CHECK;

/* A row of TABLE_APPROVER, of TABLE_WAITING.  ST_CORRUPT. */
enum status approver_row_decode(struct bytes value, struct approver *ret) MUST_CHECK;
enum status waiting_row_decode(struct bytes value, struct waiting_adjust *ret) MUST_CHECK;

/* ---- what stands behind a checkpoint ---- */

#define LOG_NOTE_BYTES_MAX 16384			/* of one as it is shown: room for the lines of many witnesses */
#define COSIGNATURE_KEY_BYTES (8 + SHA256_BYTES)	/* of the table: size, SHA-256 of the witness's key */

/* Appends to the note that the log signed, of *${len} bytes, the lines that are stored for ${size}, as far as there is room.  ST_IO. */
enum status apply_put_cosignatures(struct store_txn *ledger, uint64_t size, uint8_t text[static LOG_NOTE_BYTES_MAX], size_t *len) MUST_CHECK;

/* ---- replay ---- */

/**
 * apply_transaction(apply, seq, leaf, ret_error):
 * Reads, checks (all of enum replay_fault but KEY and SIGNATURE) and applies one stored transaction; what it does to the keys is then in
 * apply_keys().  ST_INVALID with *${ret_error}; ST_NOMEM; ST_IO.  Call apply_flush() now and then.
 */
enum status apply_transaction(struct apply *apply, uint64_t seq, struct bytes leaf, struct replay_error *ret_error) MUST_CHECK;

/**
 * apply_set_judge(apply, judge, ctx): from now on apply_transaction() shows every entry to judge(), with the state before it and the instant
 * by which commands were decided, and passes up what it returns but ST_OK.  NULL: no more.
 */
typedef enum status apply_judge_fn(void *ctx, const struct ledger_state *state, const struct entry *entry, struct entry_id id, int64_t now_us);
void apply_set_judge(struct apply *apply, apply_judge_fn *judge, void *ctx);

/**
 * apply_replay(apply, store, until_size, progress, ctx, ret_error):
 * Applies the ledger's transactions from where state is up to ${until_size} (UINT64_MAX: all), flushing as it goes.  progress(ctx, done,
 * total) may be NULL;
 * false from it stops with ST_INTERRUPTED.
 */
enum status apply_replay(struct apply *apply, struct store *store, uint64_t until_size, bool (*progress)(void *ctx, uint64_t done,
    uint64_t total),
    void *ctx, struct replay_error *ret_error) MUST_CHECK;

#endif
