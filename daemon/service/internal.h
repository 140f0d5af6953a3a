/* internal.h: what the files of service/ share. */
#ifndef FEALTY_SERVICE_INTERNAL_H
#define FEALTY_SERVICE_INTERNAL_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "apply/apply.h"
#include "service/party.h"
#include "service/fair.h"
#include "service/metrics.h"
#include "service/service.h"
#include "service/vault.h"
#include "signer/signer.h"

#define PRINCIPAL_BYTES 129
#define WORK_ARENA_BYTES ((size_t)2 * 1024 * 1024)
#define BATCH_ARENA_BYTES ((size_t)48 * 1024 * 1024)
#define READ_ARENA_BYTES ((size_t)32 * 1024 * 1024)

/* ---- who ---- */

enum role { ROLE_NONE = 0, ROLE_POS = 1, ROLE_BACKEND = 2, ROLE_AUDITOR = 4, ROLE_OPERATOR = 8, ROLE_APPROVER = 16 };
struct identity {
	enum role role;
	char principal[PRINCIPAL_BYTES];
	char store[TILL_PART_BYTES], terminal[TILL_PART_BYTES];	/* of pos/<store>/<terminal>; "" otherwise */
	struct party *party;		/* the session's, or the work's */
};
/* False when the text is no principal, or not one for this door; "" is what the door gives. */
bool identity_parse(const char *principal, enum net_door door, struct identity *ret) MUST_CHECK;
/**
 * The role table; that a till acts only for its own store and terminal, that an auditor names no alias, and that who is bound to programs acts for
 * these alone: then a program that is not named becomes the one that is meant.  LEDGER_OK or PERMISSION_DENIED; NOT_FOUND: there is no program yet.
 */
void identity_permit(const struct identity *who, struct programs *programs, struct request *request, struct refusal *ret_refusal);
/* Whether it may act for the program of that number; 0: that of the ledger itself. */
bool identity_may(const struct identity *who, struct programs *programs, uint32_t program) MUST_CHECK;

/* ---- a command on its way ---- */

struct work {
	struct net_message message;		/* takes the reply to its connection */
	struct fair_item item;			/* in the queue, in its principal's flow */
	struct party *party, *address;	/* what it counts for, ${charged} commands in flight; NULL: nothing */
	uint32_t charged;
	struct work *next_active;		/* of those that changed something since the last flush */
	bool active, finished, is_batch;
	bool lost;				/* its responses could not be made: the connection ends, the client learns UNKNOWN */
	struct service *service;
	struct net_loop *loop;
	uint64_t conn_id, tag;
	const struct identity *who;		/* in the arena */
	int64_t arrived_us;			/* monotonic */
	struct arena arena;
	struct batch batch;			/* a single command is a batch of one */
	struct bytes *responses;		/* [batch.n], encoded, in the arena */
	enum ledger_result *results;		/* [batch.n], what they say */
	bool *unrecorded;			/* [batch.n], OK, and without an entry of its own: its receipt had one */
	size_t n_done, n_durable;		/* commands that have a response; whose response may leave */
	size_t receipt_bytes;			/* of the receipts in its responses */
	struct refusal whole;			/* of an atomic batch that failed */
	struct buf reply;			/* what leaves */
};
struct work *work_new(struct service *service, struct net_conn *conn, uint64_t tag, size_t arena_bytes) MUST_CHECK;
void work_free(struct work *work);
struct work *work_next(const struct work *work);	/* in a list that came out of the queue; NULL */
/* Of a command in a batch, so that the reply to a full batch fits a frame; what it says of a receipt comes on top. */
#define RESULT_BYTES_MAX (FRAME_REPLY_BYTES_MAX / FRAME_BATCH_COMMANDS_MAX - RESULT_AROUND_BYTES)
#define RESULT_AROUND_BYTES (3 + CODEC_NO_RECEIPT_BYTES)
/* Runs on the connection's thread: sends work->reply and frees it. */
void work_deliver(struct net_message *message, struct net_loop *loop, struct net_conn *conn);

/* A checkpoint: head and signed note, with the longest origin and the two signatures of an overlap. */
#define CHECKPOINT_NOTE_MAX 1024
struct signed_head {
	struct store_head head;
	size_t note_bytes;
	uint8_t note[CHECKPOINT_NOTE_MAX];
};

/**
 * A checkpoint as it is shown: the stored note, with the cosignatures stored for its size (log_note.c).
 *
 * log_note_make(): of the note that the log signed.  log_note_read(): of the stored one; ST_NOTFOUND.  Others are the store's.
 * log_note_serve(), log_note_serve_public(): what service_log_checkpoint() gives from now on; the size never falls (asserted).  One thread
 * alone calls these: the witnesses', or without witnesses the main one.
 */
struct log_note {
	uint64_t size;			/* 0: none yet */
	size_t len;
	uint8_t text[LOG_NOTE_BYTES_MAX];
};
enum status log_note_make(struct store_txn *ledger, uint64_t size, struct bytes signed_note, struct log_note *ret) MUST_CHECK;
enum status log_note_read(struct store_txn *ledger, uint64_t size, struct log_note *ret) MUST_CHECK;
void log_note_serve(struct service *service, const struct log_note *note);
enum status log_note_serve_public(struct service *service) MUST_CHECK;

/* ---- the service ---- */

struct commit;
struct witnesses;
struct keeper;
struct scrub;
struct loop_context;

struct service {
	struct service_params params;
	struct log *log;
	struct store *store;
	struct keys *keys;
	struct apply *apply;			/* the commit thread's */
	struct programs *programs;
	struct vault *vault;
	struct signer *signer;
	struct commit *commit;
	struct witnesses *witnesses;		/* NULL: without a policy */
	struct keeper *keeper;			/* of the vault's epochs */
	struct scrub *scrub;
	struct net *net;
	struct loop_context *loops;		/* one for each net loop */
	char origin[129];
	bool manual_clock;
	uint8_t key_id[KEY_ID_BYTES];

	struct metrics metrics;
	struct parties *parties;

	/* what is durable, for readers */
	pthread_mutex_t head_lock;
	struct store_head head;			/* size and root; guarded */
	struct signed_head checkpoint;		/* the newest that is durable; guarded */
	atomic_uint_fast64_t size;
	_Atomic int64_t birthdays_us;		/* those of midnights before it are granted, in all programs; INSTANT_NEVER: there is none */
	_Atomic int64_t now_us;			/* manual ledgers: the clock's instant; else committed_at of the newest transaction */
	atomic_bool draining, failed;
	struct store_head published;		/* main thread's: what head.lock says */
	struct store_loss loss;			/* with loss_open: of a restored backup, until a head with its record is published */
	bool loss_open, loss_recorded;
	struct signed_head public_checkpoint;	/* the newest at or below what head.lock says, for whoever asks; guarded by head_lock */
	struct log_note served;			/* the checkpoint that is shown when no size is asked for; guarded by head_lock */
	int64_t snapshot_at_us;			/* main thread's: when the next one may begin */
	uint64_t snapshot_size;
	pthread_t snapshot_thread;
	bool snapshot_running;
	atomic_bool snapshot_done;
};

/* The clock for readers: a manual ledger's instant, or the system's, never before the newest transaction. */
int64_t service_now_us(const struct service *service);

/* ---- start ---- */

/* The newest stored checkpoint into service->checkpoint.  ST_CORRUPT: it is none of ours; ST_FORK: the log does not have that head. */
enum status checkpoint_load(struct service *service, uint64_t size) MUST_CHECK;

/**
 * rotate_settle(service, keys, committed_at_us, ret_message): the keys that are loaded become those that the ledger names after all of it, and
 * their files too: a rotation may have been cut short.  ${committed_at_us}: of its newest transaction.  ST_FORMAT with ${ret_message}: they are others.
 */
enum status rotate_settle(struct service *service, const struct key_history *keys, int64_t committed_at_us, char *ret_message) MUST_CHECK;

/* A replay of the ledger verifies approvals from now on. */
void approve_replays(struct apply *apply);

/* ---- loss.c ---- */

/**
 * loss_judge(service, size, ret_accepted): the ledger, of ${size} transactions, does not have what was published, or there is no head.lock: whether an
 * operator has accepted just that, with the restore that made it.  If so published becomes what was kept.  Errors: as store_read().
 * loss_record(commit, ret_message): makes that an entry, before anything else is written; nothing happens when there is none, or the ledger has it.
 * loss_published(service): head.lock has a head with it.
 */
enum status loss_judge(struct service *service, uint64_t size, bool *ret_accepted) MUST_CHECK;
enum status loss_record(struct commit *commit, char *ret_message) MUST_CHECK;
void loss_published(struct service *service);

enum status start_recover(struct service *service, char *ret_message) MUST_CHECK;

/* ---- replies ---- */

/* What makes the codes of a program's vouchers; as long as the service. */
struct voucher_coder;
struct voucher_coder voucher_coder_of(const struct service *service, uint32_t program);

struct answer {
	const struct service *service;		/* for the codes of vouchers that the entry issued; NULL: none are shown */
	const struct refusal *refusal;		/* NULL: OK */
	bool replayed, has_id;
	size_t bytes_max;			/* as struct reply's */
	struct entry_id id;
	const struct entry *entry;		/* NULL: no outcome */
	const struct touched *then;
	const struct program *program;		/* NULL: unknown */
	const struct member *member;		/* NULL: no balance block */
	int64_t as_of_us;
	uint64_t seq;
	struct terminal_note terminal;
	size_t n_vouchers;			/* as struct reply's */
	const struct reply_voucher *vouchers;
	const struct pool_sums *pool;		/* NULL: not asked for */
};
/* Appends an encoded Response. */
enum status answer_encode(const struct answer *answer, struct arena *arena, struct buf *out) MUST_CHECK;
void refusal_set(struct refusal *refusal, enum ledger_result result, const char *field, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
/* RECORD_DAMAGED: what is stored of it is not what was written. */
void refusal_damaged(struct refusal *refusal);
/* Appends a Response that refuses, for when nothing else is known. */
void refusal_encode(const struct refusal *refusal, struct arena *arena, struct buf *out);

/**
 * The program that a request means: its number, or 0 and *${ret_refusal} INVALID_ARGUMENT when it must be named; 0 and OK when there is
 * none.
 */
uint32_t request_program(const struct request *request, uint32_t count, uint32_t number_of_id, struct refusal *ret_refusal);

/* ---- a member alone ---- */

/* A ledger_state that knows one member, for virtual roll-forward and quotes. */
struct view {
	struct ledger_state state;
	struct programs *programs;
	struct arena *arena;
	struct member m;
	struct totals totals;
};
void view_init(struct view *view, struct programs *programs, struct arena *arena);	/* the caller fills view->m, or: */
/* apply_read_member() into view->m, brought up to the versions since. */
enum status view_read(struct view *view, struct store_txn *state, uint32_t program, uint64_t member) MUST_CHECK;
/* Of the record that was read. */
enum status view_take(struct view *view, struct bytes record, uint32_t program, uint64_t member) MUST_CHECK;
enum status view_roll(struct view *view, int64_t until_us) MUST_CHECK;
/* Whether any version of the program has birthdays. */
bool view_has_birthdays(const struct ledger_state *state, uint32_t program);
/* The same with the birthdays of the days from ${from} on: roll_ahead(). */
enum status view_roll_ahead(struct view *view, const struct birthday_date *dates, size_t n_dates, int32_t from, int64_t until_us) MUST_CHECK;

/* ---- reads, on a connection's thread ---- */

#define BALANCES_MAX 32
static_assert(BALANCES_MAX <= STORE_MANY, "they are looked for together");
struct loop_context {
	struct service *service;
	struct net_message wake;		/* tells subscriptions that the head moved */
	atomic_bool wake_posted;
	atomic_uint subscriptions;
	struct store_txn *ledger, *vault, *state;	/* at rest between requests */
	int64_t birthdays_us;			/* the service's, from before these snapshots */
	struct work *balances[BALANCES_MAX];	/* of one connection, read in this turn of it, and to be answered at its end */
	size_t n_balances;
	struct arena arena;
	struct buf out;
	struct command_counts commands;		/* answered on this thread */
	struct counter limits[LIMIT_COUNT];	/* reached on this thread */
};
/* Who a read is about, found before it is run: the alias's member and that one's record, which is the snapshot's.  Member 0: nothing is. */
struct query_ahead { uint32_t program; uint64_t member; struct bytes record; };
/**
 * query_run(): appends the Response of a read, and says what it says.
 * query_begin(): looks for the members of ${works}, single commands, at most BALANCES_MAX, together; then query_run_in() of each, in the same snapshot,
 * and loop_rest() in any case.
 */
enum status query_run(struct loop_context *loop, const struct identity *who, const struct request *request, struct buf *out,
    enum ledger_result *ret_result) MUST_CHECK;
enum status query_begin(struct loop_context *loop, struct work *const *works, size_t n, struct query_ahead *ret_ahead) MUST_CHECK;
enum status query_run_in(struct loop_context *loop, const struct identity *who, const struct request *request, const struct query_ahead *ahead,
    struct buf *out, enum ledger_result *ret_result) MUST_CHECK;
/**
 * A stored transaction's leaf, borrowed from ${ledger}, as it is there: for the start, and for who verifies it.
 * leaf_is_good(): whether it has the hash that was computed when it was written; ${state} is a read transaction, and what it does not have yet was
 * written a moment ago.  ST_CORRUPT: it has not.
 * read_good_leaf(): both, for what is told to others.  ST_NOTFOUND.
 */
enum status leaf_is_good(struct store_txn *state, uint64_t seq, struct bytes leaf) MUST_CHECK;
enum status read_good_leaf(struct store_txn *ledger, struct store_txn *state, uint64_t seq, struct bytes *ret_leaf) MUST_CHECK;
enum status read_leaf(struct store_txn *ledger, uint64_t seq, struct bytes *ret_leaf) MUST_CHECK;
/**
 * An entry, decoded into ${arena}, and its transaction, of which entries[0] is that entry and no other is there.  ${state}: as above; NULL: the leaf is not
 * compared.  ST_NOTFOUND; ST_CORRUPT.
 */
enum status read_entry(struct store_txn *ledger, struct store_txn *state, struct entry_id id, struct arena *arena, struct transaction *ret_t,
    struct entry **ret_entry) MUST_CHECK;
/* Takes fresh snapshots of what is needed, state first, so that ledger and vault are never behind it. */
enum status loop_renew(struct loop_context *loop) MUST_CHECK;
void loop_rest(struct loop_context *loop);
/* The commit thread: subscriptions see that the head moved; ${all}: and what rests in a vault that was replaced lets go of it. */
void loops_wake(struct service *service, bool all);

/* ---- subscriptions ---- */

struct session;
struct subscription;
void subscriptions_pump_all(struct loop_context *loop, struct net_loop *net_loop);

/* ---- the commit thread ---- */

enum status commit_new(struct service *service, struct commit **ret_commit) MUST_CHECK;
enum status commit_start(struct commit *commit) MUST_CHECK;
/* False when the queue is full; the caller answers UNAVAILABLE then and keeps ${work}. */
bool commit_submit(struct commit *commit, struct work *work) MUST_CHECK;
/* Returns when everything submitted before is answered, and ends the thread. */
void commit_drain(struct commit *commit);
/* Any thread: works that wait, and why writes do if they do. */
size_t commit_queue_length(const struct commit *commit);
/* Any thread: the commit thread looks whether there is something to do. */
void commit_wake(struct commit *commit);
enum service_readiness commit_readiness(const struct commit *commit);
void commit_free(struct commit *commit);

#endif
