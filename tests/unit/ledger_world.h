/**
 * ledger_world.h: for the tests of apply and service: a data directory with keys and a genesis, and a ledger that is built in it entry by entry, as the
 * commit thread builds one but for the signatures.  What fails in a helper fails the test that runs.
 */
#ifndef FEALTY_TESTS_LEDGER_WORLD_H
#define FEALTY_TESTS_LEDGER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apply/apply.h"
#include "signer/signer.h"
#include "store/store.h"

#define WORLD_ENTRIES 64
#define WORLD_LEAVES 512
#define KST_HOURS 9

struct ledger_world {
	char root[64], data[96], keys_path[96], head_lock[96], socket[96];
	bool manual_clock;
	struct keys *keys;
	struct store *store; /* NULL: closed */
	struct apply *apply;
	struct arena arena; /* the test's */
	int64_t now_us; /* of decisions; tests move it */

	struct transaction open; /* n_entries of it are applied */
	struct entry entries[WORLD_ENTRIES];
	struct bytes leaves[WORLD_LEAVES]; /* sealed, not yet in the ledger */
	size_t n_leaves;
	struct refusal refusal; /* of the newest decision */
	size_t n_broken;
	struct {
		int fd, kept;
	} broken[8];
};

/* A directory, keys, and a ledger of one transaction, committed at 2026-03-01T00:00:00Z or at 1 µs on a manual clock; the store is closed. */
void ledger_world_init(struct ledger_world *w, bool manual_clock);
void ledger_world_release(struct ledger_world *w);

/* Opens store and apply, replaying what state lacks (asserted to go well).  Closing without a flush is a crash when ${clean} is false. */
void world_open(struct ledger_world *w);
void world_close(struct ledger_world *w, bool clean);

/* "2026-03-12T10:00:00", local time of Asia/Seoul. */
int64_t kst(const char *local);

/* A program's bytes from YAML, and the zone's data. */
struct bytes world_definition(struct ledger_world *w, const char *yaml);
struct bytes world_zone(struct ledger_world *w);
/* 1 point for each 1 000 won, 10 days to live, 50 points on a birthday, holds of 15 minutes. */
extern const char club_yaml[];

/**
 * A command of program 1 and its member, decided and applied to the open transaction, which begins with the first and ends with world_seal().
 * LEDGER_OK, or the refusal.
 */
struct cmd world_cmd(enum op op, uint64_t member, const char *principal, const char *key);
enum ledger_result world_play(struct ledger_world *w, struct cmd *cmd, struct entry_id *ret_id);
void world_publish(struct ledger_world *w, const char *yaml, const char *key);
uint64_t world_enrol(struct ledger_world *w, const char *key);
struct entry_id world_purchase(struct ledger_world *w, uint64_t member, const char *key, int64_t won);

/* seal: bytes, head and tree; commit: seal, the ledger's commit and state's.  Between the ledger's and state's is where a crash tells. */
void world_seal(struct ledger_world *w);
void world_commit_ledger(struct ledger_world *w);
void world_commit(struct ledger_world *w);

/**
 * The environment ("ledger", "vault", "state") of a store that is open in this process: its writes fail from now on, for want of space or for good,
 * until world_mend().  One at a time.
 */
void world_break(struct ledger_world *w, const char *environment, bool for_good);
void world_mend(struct ledger_world *w);

const struct member *world_member(struct ledger_world *w, uint64_t member);
/* The stored leaf of a transaction, in the world's arena. */
struct bytes world_leaf(struct ledger_world *w, uint64_t seq);

#endif
