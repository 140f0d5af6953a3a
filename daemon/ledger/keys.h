/**
 * keys.h: which keys sign a ledger, and what each of them signs.  Pure.
 *
 * The history begins with the two keys of the genesis; each rotate_key entry replaces one of them.  A transaction key signs transactions
 * by their seq, a checkpoint key checkpoints by their size, so that a reader at any place knows what must have signed there.
 */
#ifndef FEALTY_LEDGER_KEYS_H
#define FEALTY_LEDGER_KEYS_H

#include "ledger/ledger.h"

#define LEDGER_KEYS_MAX 256			/* of a ledger, for ever; one more is CAP_REACHED */
#define LEDGER_OVERLAP_DAYS_MAX 365
#define LEDGER_OVERLAP_DAYS_DEFAULT 30

struct ledger_key {
	enum key_kind kind;
	enum key_recovery recovery;		/* why it replaced the one before it out of turn */
	uint8_t public_key[PUBLIC_KEY_LEN];
	uint64_t named_at;			/* seq of the genesis or the rotation that names it */
	uint64_t from;				/* the first seq, or the smallest size, that it signs */
	uint64_t until;				/* the first that its successor signs; UINT64_MAX: there is none */
	int64_t until_us;			/* CHECKPOINT, with a successor: it signs beside that up to then, the instant excluded */
};

/* In the order in which the ledger names them: the genesis's transaction key, its checkpoint key, and so on. */
struct key_history {
	size_t n;
	struct ledger_key keys[LEDGER_KEYS_MAX];
};

/**
 * key_history_follow(h, entry, seq): takes up a genesis or a rotate_key entry of transaction ${seq}.  False: it is none that could stand
 * here: a key that is not of its length or was the ledger's already, an old key that is not the one in force, no room; ${h} is as it was.
 */
bool key_history_follow(struct key_history *h, const struct entry *entry, uint64_t seq) MUST_CHECK;

/* The key in force after all that was followed; NULL before the genesis. */
const struct ledger_key *key_history_current(const struct key_history *h, enum key_kind kind);
/* A key that the ledger has or had; NULL. */
const struct ledger_key *key_history_find(const struct key_history *h, struct bytes public_key);

/**
 * key_history_signers(h, seq, ret_first, ret_second): who signs transaction ${seq}; *${ret_second} is NULL unless it rotates a key.
 * *${ret_first} is NULL when the history does not begin at or before it.
 */
void key_history_signers(const struct key_history *h, uint64_t seq, const struct ledger_key **ret_first, const struct ledger_key **ret_second);

/**
 * key_history_checkpoint(h, size): the key that must have signed a checkpoint of ${size} transactions; NULL as above.
 * key_history_beside(h, size, committed_at_us): the one that may sign it as well, ${committed_at_us} being that of its newest transaction;
 * NULL: none.
 */
const struct ledger_key *key_history_checkpoint(const struct key_history *h, uint64_t size);
const struct ledger_key *key_history_beside(const struct key_history *h, uint64_t size, int64_t committed_at_us);

/* A key as a row of state.  ledger_key_decode(): ST_CORRUPT. */
void ledger_key_encode(const struct ledger_key *key, struct buf *out);
enum status ledger_key_decode(struct bytes value, struct ledger_key *ret_key) MUST_CHECK;

#endif
