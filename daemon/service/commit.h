/**
 * commit.h: what the files of the commit thread share: commit.c (the loop and the flush), transaction.c (what a batch consists of),
 * command.c (one command), sched.c (what falls due), checkpoint.c and receipt.c (the signed heads of the log).
 */
#ifndef FEALTY_SERVICE_COMMIT_H
#define FEALTY_SERVICE_COMMIT_H

#include "apply/vouchers.h"
#include "service/calendar.h"
#include "service/fair.h"
#include "service/internal.h"

#define SCHED_CHUNK 500		/* members of a night in a row before commands get a turn, on a real clock: about as long as a flush */
#define BATCH_TRANSACTIONS_MAX 4000
#define BATCH_BYTES_MAX ((size_t)128 * 1024 * 1024)

/* Where birthdays are still to be looked at, from a day and a member on; and members, for what a version made due, up to all of them. */
struct sched_position {
	bool known;
	int32_t day;
	uint64_t from;
	uint32_t look_version;
	uint64_t look_from;
};

/* Rows of TABLE_LOOK as the flush is to leave them. */
struct sched_looks {
	struct look_change { struct due_row row; bool gone; } *changes;
	size_t n, cap;
	bool any_new;
	struct due_row done;		/* the last that has been gone through since the last flush */
	int64_t bound_us;		/* none is before it */
};

/* A transaction whose bytes are final; its signature may still be on its way. */
struct sealed {
	struct sealed *next;
	struct transaction t;
	struct bytes bytes;
	struct sign_job job;
	struct rotation *rotation;		/* NULL: it rotates no key */
	bool in_receipt;
	struct bytes leaf;			/* as the ledger has it; when it is in a receipt */
};

/* The receipts that this batch owes, all in its arena, see receipt.c. */
struct receipt_wish;
struct receipts {
	struct receipt_wish *first;
	struct merkle_tree before;		/* the batch's leaves come after it */
	struct sealed **sealed;			/* [n_leaves], in their order */
	uint8_t (*hashes)[SHA256_BYTES];	/* of the leaves, and room for more */
	size_t n_leaves;
};

/* What a transaction that rotates a key is signed with besides its signature; the pool has no part in it. */
struct rotation { uint8_t key_id[KEY_ID_BYTES], second_key_id[KEY_ID_BYTES], second_signature[SIGNATURE_BYTES]; };

/* How long things took of late, so that those who wait for others can be told how much of them fits (queue.c).  The commit thread's. */
struct pace {
	size_t commands;			/* taken since the last flush */
	int64_t work_us, flush_us;		/* since then: deciding and signing; writing */
	int64_t usual_work_ns, usual_flush_us;	/* of one command; of one group commit */
	int64_t gentle_until_us;		/* monotonic: somebody with little to do was here, while another had more */
	bool gentle;				/* in this batch */
};

struct commit {
	struct service *service;
	struct apply *apply;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;			/* guards the queue */
	pthread_cond_t wake;
	struct fair_queue queue;		/* of works, by principal */
	atomic_size_t queue_length;		/* written under the lock */
	bool stopping;

	/* the thread's own */
	struct pace pace;
	struct arena arena;			/* the batch's: entries, bytes, sealed */
	struct buf scratch, reply;		/* reply: of the command that runs */
	struct profile profile, merged;		/* likewise, see struct step */
	struct sealed *sealed_first, *sealed_last;
	size_t n_sealed;
	struct sealed *rotation;		/* the last of them, if it rotates a key; NULL */
	struct transaction open;		/* n_entries of it are applied */
	bool is_open, group, exclusive;		/* entries may share a transaction; and must (an atomic batch) */
	size_t open_cap, open_bytes;
	struct work *active;
	struct receipts receipts;
	struct terminal_note terminal_note;	/* of the command that runs */
	int64_t clock_us;			/* manual: the clock's instant */
	bool due_pending;			/* manual: what is due at clock_us may not have run yet */
	atomic_bool clock_suspect;		/* writes wait for clock_accept, or for a clock that is right */
	bool clock_far_ahead;			/* ... since the start, over 7 days after the ledger */
	int64_t base_real_us, base_boot_us;	/* what CLOCK_BOOTTIME predicts is counted from here */
	bool unflushed;				/* the ledger has a batch that state could not take yet: nothing is decided and nothing discarded */
	atomic_bool no_space;			/* at the last look writes were refused for want of it */
	bool space_seen;			/* since the last flush: nothing is written before the next, so one look is enough */
	bool undone;				/* the last flush was undone for want of it */
	enum status broken;			/* what was looked at for space failed otherwise: the thread ends */
	int64_t retry_at_us;			/* monotonic: before it what failed for want of space is not tried again */
	int64_t step_us;			/* monotonic: when the step of a commit that is measured began */
	struct signed_head checkpoint, checkpoint_next;	/* the newest that is durable; and that is being written */
	struct cosigner *cosigner;		/* cosignature.c's; NULL: there are no witnesses */
	int64_t checkpoint_at_us;		/* monotonic: when the next one may be made */
	struct calendar *calendar;
	struct sched_position *sched, *sched_flushed;	/* [program - 1]; as of the last flush */
	size_t n_sched;
	struct sched_looks looks;
};

/**
 * ---- readahead.c ----
 *
 * readahead_batch(): of the commands of a batch from ${begin} on; returns up to which.  readahead_works(): of single commands in a list; returns how many.
 */
size_t readahead_batch(struct commit *c, const struct work *w, size_t begin, size_t end);
size_t readahead_works(struct commit *c, const struct work *list);

/* ---- queue.c ---- */

/* Whether there are works.  Waits for one, for cosignatures or for the end, at most ${wait_us}. */
bool queue_wait(struct commit *c, int64_t wait_us, bool *ret_stopping) MUST_CHECK;
/**
 * queue_batch(): a group commit begins.  queue_turn(): the works of the next principal that has not had its turn in this round, a list by
 * work_next(), which is the caller's; NULL: all had.  queue_goes_on(): after that, whether another round belongs to the same group commit.
 */
void queue_batch(struct commit *c);
struct work *queue_turn(struct commit *c) MUST_CHECK;
void queue_put_back(struct commit *c, struct work *work);	/* a batch of which a part was granted, and is done */
bool queue_goes_on(struct commit *c) MUST_CHECK;
void queue_free(struct commit *c);		/* with the works in it */
void pace_init(struct pace *pace);
/* A step of the group commit took so long; and the group commit is done. */
void pace_step(struct pace *pace, enum figure_step step, int64_t us);
void pace_learn(struct pace *pace);

/* ---- transactions of the batch ---- */

/* Now, for decisions: a manual ledger's clock, or max(clock, last committed_at + 1). */
int64_t commit_now_us(const struct commit *c);
/* The open transaction's `now`, opening one for ${program} if needed (sealing what is open for another, or at another instant). */
enum status tx_begin(struct commit *c, uint32_t program) MUST_CHECK;
/* One of the whole ledger, at the start: nobody vouches by it for a clock that is far ahead; then it comes right after the newest transaction. */
enum status tx_begin_unvouched(struct commit *c) MUST_CHECK;
int64_t tx_now_us(const struct commit *c);
/**
 * tx_add(c, entry, bytes, ret_id, ret_entry): applies the entry, of ${bytes} as tx_make_room() measured it (0: it did not), and puts it into the
 * open transaction, or into a new one when it does not fit any more.
 * ST_TOO_LARGE: it fits no transaction, or (exclusive) not this one; nothing was applied.
 */
enum status tx_add(struct commit *c, const struct entry *entry, size_t bytes, struct entry_id *ret_id, struct entry **ret_entry) MUST_CHECK;
/**
 * Seals the open transaction and begins another when the entry does not fit it: then *${ret_bytes} is 0, and whoever decided it decides again, at
 * the new instant.
 */
enum status tx_make_room(struct commit *c, const struct entry *entry, size_t *ret_bytes) MUST_CHECK;
/* Ends the open transaction; nothing happens when it has no entry. */
enum status tx_seal(struct commit *c) MUST_CHECK;
/* A sealed one as it is stored, once the pool has signed. */
enum status tx_leaf(struct commit *c, struct sealed *sealed, struct signed_transaction *ret_leaf) MUST_CHECK;
/* An entry of this batch, or NULL. */
const struct entry *tx_find(const struct commit *c, struct entry_id id);
/**
 * Makes the batch durable and lets its replies go.  ST_FULL: it was undone, its replies say UNAVAILABLE, the daemon goes on.  After ST_OK
 * `unflushed`
 * may be set: then nothing is decided until commit_writable() says so.
 */
enum status commit_flush(struct commit *c) MUST_CHECK;
/* Undoes what is not flushed. */
void commit_discard(struct commit *c);
/* Why no write may be decided now; LEDGER_OK otherwise.  Tries to finish what waits for space. */
void commit_writable(struct commit *c, struct refusal *ret_refusal);
/* It is time to flush; also right after a rotation, which is the last of its batch. */
bool commit_is_large(const struct commit *c);
/* A step of the commit ends here. */
void commit_step_done(struct commit *c, enum figure_step step);
/* The system's clock is right from now on. */
void commit_clock_trusted(struct commit *c);

/* ---- command.c ---- */

/* Moves a manual ledger's clock to the command's `at`, after what falls due up to it.  A refusal when it may not. */
enum status command_clock(struct commit *c, const struct request *request, struct refusal *ret_refusal) MUST_CHECK;
/* The number of the program that it means; 0: there is no such one, or several, of which it names none: *${ret_refusal} says that. */
uint32_t command_program(struct commit *c, const struct request *request, struct refusal *ret_refusal);
/* Runs command ${index} of ${work} and sets its response.  ST_FULL or ST_TOO_LARGE never come back: they are answers. */
enum status command_run(struct commit *c, struct work *work, size_t index, struct refusal *ret_refusal) MUST_CHECK;

/* ---- terminal.c ---- */

/* Before command ${index} runs: which numbers of its terminal were refused before it in the same batch.  ST_NOMEM. */
enum status terminal_prepare(struct commit *c, struct work *work, size_t index) MUST_CHECK;
/* After an entry with a terminal_seq was applied: tells of a gap and a repeat. */
void terminal_added(struct commit *c, const struct entry *entry, struct entry_id id);

/* ---- rotate.c ---- */

/* Loads the next key that the command names; a refusal when it is not in the key directory as it should be. */
enum status rotate_prepare(struct commit *c, const struct request *request, struct refusal *ret_refusal) MUST_CHECK;
bool rotate_is(const struct transaction *t);
/* Signs a sealed rotation by both keys; borrows from ${sealed}. */
enum status rotate_leaf(struct commit *c, struct sealed *sealed, struct signed_transaction *ret_leaf) MUST_CHECK;
/* It is durable: from now on the new key signs.  ST_NOMEM: memory cannot be protected any more. */
enum status rotate_done(struct commit *c, const struct sealed *sealed) MUST_CHECK;
/* What service_params.recover_key asks for, before the thread runs.  On failure ${ret_message} says why, or is as it was. */
enum status rotate_recover(struct commit *c, char *ret_message) MUST_CHECK;

/* ---- zone.c ---- */

/* The system's TZif file of an IANA name, for a publish.  ST_NOTFOUND: no such zone; ST_TOO_LARGE. */
enum status zone_load(const char *name, struct arena *arena, struct bytes *ret_data) MUST_CHECK;

/* ---- publish.c ---- */

/* Compiles a publish's program, with the system's data of its zone; a refusal when that cannot be.  ${arena} is the request's. */
enum status publish_compile(struct commit *c, struct request *request, struct arena *arena, struct refusal *ret_refusal) MUST_CHECK;

/* ---- voucher.c ---- */

/* Looks up the voucher that the command names by a word, if it names one. */
enum status voucher_prepare(struct commit *c, struct request *request) MUST_CHECK;

/* ---- approve.c ---- */

/* Whether the signature of an approve, whose adjust is looked up, is by the key that ${principal} has. */
enum status approve_verify(struct commit *c, struct request *request, const char *principal) MUST_CHECK;
/* A refusal when an approver_key has no key in it. */
void approver_key_check(const struct request *request, struct refusal *ret_refusal);

/* ---- checkpoint.c ---- */

/* Whether a commit of the ledger is to bring a checkpoint, or there are transactions without one for long enough. */
bool checkpoint_due(const struct commit *c) MUST_CHECK;
/* Signs the head as it is applied; nothing is stored. */
enum status checkpoint_sign(const struct commit *c, struct signed_head *ret) MUST_CHECK;
/* The same, and puts it into the ledger's transaction; checkpoint_show() when that is durable. */
enum status checkpoint_append(struct commit *c, struct store_txn *ledger) MUST_CHECK;
void checkpoint_show(struct commit *c);
/* One of its own, between batches; when there is no space, later. */
enum status checkpoint_alone(struct commit *c) MUST_CHECK;

/* ---- receipt.c ---- */

/* The response of command ${index}, which is ${id} and has one already, gets a receipt when the batch is durable. */
enum status receipt_want(struct commit *c, struct work *work, size_t index, struct entry_id id) MUST_CHECK;
/* Before the batch's leaves are made; and each of them as it is. */
enum status receipts_begin(struct commit *c) MUST_CHECK;
enum status receipts_leaf(struct commit *c, struct sealed *sealed, struct bytes leaf) MUST_CHECK;
/* Signs the head and gives all that were wanted.  The ledger has the batch, and state does not have it yet. */
enum status receipts_give(struct commit *c) MUST_CHECK;
/* With the batch that wanted them, given or not. */
void receipts_forget(struct commit *c);

/* ---- cosignature.c; witness.h has how cosignatures come here ---- */

enum status cosigner_new(struct commit *c) MUST_CHECK;
void cosigner_free(struct commit *c);
bool cosign_waits(const struct commit *c);
/* Puts what waits into the ledger's transaction; cosign_done() when that is durable, or undone. */
enum status cosign_append(struct commit *c, struct store_txn *ledger) MUST_CHECK;
void cosign_done(struct commit *c, bool stored);
/* A commit of its own, between batches; without space what waits is dropped, and its witnesses are asked again. */
enum status cosign_alone(struct commit *c) MUST_CHECK;

/* ---- sched.c ---- */

enum status sched_new(struct commit *c) MUST_CHECK;
void sched_free(struct commit *c);
/**
 * Goes over all that is due at or before ${until_us}, at most ${budget} members of it; *${ret_more} when there may be more.  Flushes after
 * every SCHED_CHUNK of them, but not at the end.
 * ST_FULL: no space, and what was not flushed is undone.
 */
enum status sched_run(struct commit *c, int64_t until_us, size_t budget, bool *ret_more) MUST_CHECK;
/* The same for one member, birthdays apart: before and after a command touches it.  ST_TOO_LARGE: only in an atomic batch, see tx_add(). */
enum status sched_roll(struct commit *c, uint32_t program, uint64_t member, int64_t until_us) MUST_CHECK;
/* A birthday of today, which the night did not know of: after a command that entered a date. */
enum status sched_birthday(struct commit *c, uint32_t program, uint64_t member, int64_t now_us) MUST_CHECK;
/* Whether birthdays were looked at since the last flush; before a flush sched_keep() puts down how far, so that a start goes on there. */
bool sched_moved(const struct commit *c);
enum status sched_keep(struct commit *c) MUST_CHECK;
/* The birthdays looked at since the last flush are durable; or undone, to be looked at again. */
void sched_flushed(struct commit *c);
void sched_discarded(struct commit *c);
/* Whether sched_run() would not have to wait for the vault to be read. */
bool sched_ready(const struct commit *c);
/* When the thread must wake up by itself; INSTANT_NEVER. */
enum status sched_next_us(struct commit *c, int64_t *ret_at_us) MUST_CHECK;

#endif
