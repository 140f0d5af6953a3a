/* internal.h: what the files of apply/ share. */
#ifndef FEALTY_APPLY_INTERNAL_H
#define FEALTY_APPLY_INTERNAL_H

#include "apply/apply.h"
#include "apply/overlay.h"
#include "apply/programs.h"
#include "ledger/keys.h"
#include "ledger/terminal.h"

#define META_HEAD "head"
#define META_SCHEDULE "schedule"
#define REQUEST_KEY_BYTES_MAX 256
#define RECEIPT_KEY_BYTES_MAX 256
#define TILE_KEY_BYTES 9

struct apply {
	struct store *store;
	struct store_txn *reader;		/* of state; at rest between batches */
	bool reader_rests;
	struct overlay overlay;
	struct programs *programs;
	struct ledger_state state;

	struct apply_head head, head_flushed;
	struct merkle_tree tree, tree_flushed;
	struct totals *totals, *totals_flushed;	/* [number - 1] */
	size_t n_totals, n_totals_flushed, cap_totals;

	struct key_history keys, keys_flushed;
	apply_verify_fn *verify_approval;	/* in a replay */
	struct terminal_note terminal_note;	/* of the newest entry with a number */
	struct buf schedule;
	int64_t due_bound_us;			/* nothing is due before it */
	int64_t no_hold_at_us;			/* at this instant no hold is left; INSTANT_NEVER: not known of any */
	struct arena scratch;			/* one transaction's, in a replay */
	enum status row_status;		/* of the appends that a leaf made */
	apply_judge_fn *judge;			/* of the entries of a replay; NULL: none */
	void *judge_ctx;
};

/* The read transaction, fresh for the batch. */
enum status apply_reader(struct apply *a, struct store_txn **ret_txn) MUST_CHECK;
/* A row through the overlay.  ST_NOTFOUND. */
enum status apply_row(struct apply *a, enum store_table table, struct bytes key, struct bytes *ret_value) MUST_CHECK;

size_t request_key(const char *principal, const char *key, uint8_t ret_key[static REQUEST_KEY_BYTES_MAX]);	/* 0: too long */
size_t receipt_key(uint32_t program, const char *store, const char *receipt_no, int32_t day,
    uint8_t ret_key[static RECEIPT_KEY_BYTES_MAX]);	/* 0: too long */
enum status request_row_decode(struct bytes value, struct request_row *ret) MUST_CHECK;
enum status head_decode(struct bytes value, struct apply_head *ret) MUST_CHECK;
/* The rows of TABLE_KEY; an empty table is an empty history. */
enum status keys_load_rows(struct store_txn *state, struct key_history *ret_keys) MUST_CHECK;
enum status keys_store_rows(struct store_txn *state, const struct key_history *keys) MUST_CHECK;

/* state.c: fills a->state, for apply_state(). */
void state_init(struct apply *a);

/* approval.c: of struct ledger_state. */
enum status state_approver(void *ctx, const char *principal, struct approver *ret) MUST_CHECK;
enum status state_waiting(void *ctx, struct entry_id id, struct waiting_adjust *ret) MUST_CHECK;
enum status state_put_approver(void *ctx, const char *principal, const struct approver *approver) MUST_CHECK;
enum status state_put_waiting(void *ctx, struct entry_id id, const struct waiting_adjust *waiting) MUST_CHECK;
/* The bytes of a transaction are final: so are those of its entries that wait. */
enum status waiting_seal(struct apply *a, const struct transaction *t, const uint8_t transaction_hash[static SHA256_BYTES]) MUST_CHECK;

/* Whether a transaction shows on its outside, by two signatures, what it does to the keys inside. */
bool rotation_shows(const struct signed_transaction *s, const struct transaction *t) MUST_CHECK;

void tile_key(unsigned level, uint64_t index, uint8_t ret_key[static TILE_KEY_BYTES]);

/* The hash in a row of TABLE_TILE, which was read with ${got}. */
enum status tile_hash(enum status got, struct bytes value, uint8_t ret_hash[static SHA256_BYTES]) MUST_CHECK;

/* Takes up an entry that has a terminal_seq. */
enum status put_terminal(struct apply *apply, const struct entry *entry, struct entry_id id) MUST_CHECK;

#endif
