/**
 * overlay.h: the records that a batch touches, in memory over the state environment.  apply's own.
 * Members are kept decoded; rows of all other tables as bytes.  All memory is the batch's arena: overlay_reset() forgets everything.
 */
#ifndef FEALTY_APPLY_OVERLAY_H
#define FEALTY_APPLY_OVERLAY_H

#include "ledger/ledger.h"
#include "store/store.h"

#define OVERLAY_BUCKETS 4096		/* at first: four times as many whenever there are as many records as buckets, until the reset */

struct overlay_member {
	struct overlay_member *next;		/* in its bucket */
	struct overlay_member *next_dirty;
	bool dirty;
	int64_t stored_due_us;			/* of its row in TABLE_DUE; INSTANT_NEVER: none */
	bool stored_hold;			/* what that row says */
	const uint8_t *stored_at;		/* its record, to be asked for and not to be read; NULL: there is none */
	struct member m;			/* as its newest entry left it, and as it is stored */
	struct member *looked;			/* as decisions see it, when versions were published since; NULL: not asked for yet */
};

struct overlay_row {
	struct overlay_row *next;		/* in its bucket */
	struct overlay_row *next_row;
	enum store_table table;
	struct bytes key, value;
	bool dropped;				/* there is no such row any more */
};

struct overlay {
	struct arena arena;
	struct overlay_member **members;	/* [n_member_buckets]; first_members, or of its own */
	struct overlay_row **rows;		/* [n_row_buckets]; likewise */
	size_t n_member_buckets, n_row_buckets;
	struct overlay_member *dirty;
	size_t n_members, n_dirty;
	struct overlay_row *all_rows;
	size_t n_rows;
	struct overlay_member *first_members[OVERLAY_BUCKETS];
	struct overlay_row *first_rows[OVERLAY_BUCKETS];
};

void overlay_init(struct overlay *o, size_t budget_bytes);
void overlay_release(struct overlay *o);
void overlay_reset(struct overlay *o);

/* NULL: not in the overlay. */
struct overlay_member *overlay_find_member(const struct overlay *o, uint32_t program, uint64_t number);
/* A new, zeroed one, clean; NULL beyond the budget. */
struct overlay_member *overlay_add_member(struct overlay *o, uint32_t program, uint64_t number) MUST_CHECK;
/* One as it is stored, clean.  ST_CORRUPT: the record is none, and nothing was added; ST_NOMEM, beyond the budget too. */
enum status overlay_load_member(struct overlay *o, uint32_t program, uint64_t number, struct bytes record, struct overlay_member **ret) MUST_CHECK;
void overlay_mark_dirty(struct overlay *o, struct overlay_member *m);

/* Rows of TABLE_REQUEST share a bucket when their request ids are equal, whoever the principal. */
struct overlay_row *overlay_find_row(const struct overlay *o, enum store_table table, struct bytes key);
struct overlay_row *overlay_bucket(const struct overlay *o, enum store_table table, struct bytes key);
/* Copies key and value; replaces the value of a row that is there. */
enum status overlay_put_row(struct overlay *o, enum store_table table, struct bytes key, struct bytes value) MUST_CHECK;
/* The row is to go, if there is one. */
enum status overlay_drop_row(struct overlay *o, enum store_table table, struct bytes key) MUST_CHECK;

/* Puts everything into a write transaction of state, in key order; failures stick to the transaction.  May be repeated. ST_NOMEM. */
enum status overlay_write(const struct overlay *o, struct store_txn *state) MUST_CHECK;

/* Keys of the tables that both sides build. */
#define MEMBER_KEY_BYTES 12
#define DUE_KEY_BYTES 20
/* Whether what is due next is the end of a hold: the value of a row in TABLE_DUE is one byte then, and empty otherwise. */
bool member_due_is_hold(const struct member *m) MUST_CHECK;
void member_key(uint32_t program, uint64_t number, uint8_t ret_key[static MEMBER_KEY_BYTES]);
void due_key(int64_t at_us, uint32_t program, uint64_t number, uint8_t ret_key[static DUE_KEY_BYTES]);

#endif
