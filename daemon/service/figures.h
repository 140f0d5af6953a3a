/**
 * figures.h: what a service says of itself, for whoever shows it: a copy of all counters as numbers with their names.  Counters begin at
 * 0 with the process. Nothing in it names a member, an alias or a principal.
 */
#ifndef FEALTY_SERVICE_FIGURES_H
#define FEALTY_SERVICE_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service;

/* Whether a write would be accepted now; of several reasons against it, the first. */
enum service_readiness {
	SERVICE_READY,
	SERVICE_STOPPING,		/* it drains, or its disk failed */
	SERVICE_WAITS_FOR_CLOCK,	/* the clock is far ahead: an operator has to look */
	SERVICE_WAITS_FOR_DISK,		/* there is too little space */
};
/* Any thread, between service_open() and service_close(). */
enum service_readiness service_readiness(struct service *service);

#define FIGURE_BOUNDS_MAX 16
struct figure_histogram {
	size_t n_bounds;
	uint64_t bounds[FIGURE_BOUNDS_MAX];		/* rising; a value is counted at the first that is not below it, */
	uint64_t counts[FIGURE_BOUNDS_MAX + 1];		/* and above the last in counts[n_bounds] */
	uint64_t sum;
};

/* Commands by operation (rows) and by reason (columns), "OK" first. */
#define FIGURE_OPS_MAX 64
#define FIGURE_REASONS_MAX 64
struct figure_commands {
	size_t n_ops, n_reasons;
	const char *ops[FIGURE_OPS_MAX], *reasons[FIGURE_REASONS_MAX];
	uint64_t counts[FIGURE_OPS_MAX][FIGURE_REASONS_MAX];
};

#define FIGURE_LIMITS_MAX 24
struct figure_count {
	const char *name;
	uint64_t count;
};

enum figure_step { FIGURE_STEP_DECIDE, FIGURE_STEP_SIGN, FIGURE_STEP_VAULT, FIGURE_STEP_LEDGER, FIGURE_STEP_RECEIPTS, FIGURE_STEP_STATE, FIGURE_STEP_COUNT };
const char *figure_step_str(enum figure_step step);		/* "decide", "sign", … */

enum figure_state { FIGURE_STATE_KEPT, FIGURE_STATE_SNAPSHOT, FIGURE_STATE_EMPTY, FIGURE_STATE_COUNT };
const char *figure_state_str(enum figure_state state);		/* "kept", "snapshot", "empty" */

/* A witness of the log that is asked. */
#define FIGURE_WITNESSES_MAX 32
#define FIGURE_WITNESS_ANSWERS 9
struct figure_witness {
	const char *name;			/* in the policy; borrowed from the service */
	uint64_t asked;
	uint64_t answers[FIGURE_WITNESS_ANSWERS];	/* by status code */
	uint64_t bad_answers;			/* that are none by the protocol, or whose signatures do not hold */
	bool fork;				/* it has seen another log of this name, and has not cosigned since */
	uint64_t cosigned_size, cosigned_age_us;	/* of its newest cosignature that is stored; size 0: there is none */
};
const char *figure_witness_answer_str(size_t answer);	/* "200", …, "none" */

/* What a scrub may find wrong. */
enum figure_scrub {
	FIGURE_SCRUB_TRANSACTION, FIGURE_SCRUB_CHECKPOINT, FIGURE_SCRUB_COSIGNATURE,
	FIGURE_SCRUB_TILE,			/* state's hashes of the ledger */
	FIGURE_SCRUB_VAULT, FIGURE_SCRUB_PAGE, FIGURE_SCRUB_COUNT
};
const char *figure_scrub_str(enum figure_scrub kind);		/* "transaction", "checkpoint", … */

struct figure_scrubs {
	bool on, running, direct;		/* direct: the disk is read past the page cache */
	uint64_t passes, bytes, transactions;	/* whole passes; read by all of them */
	uint64_t position, size;		/* transactions: of this pass, or the newest; and how many it has in all */
	int64_t last_at_us;			/* when the last whole pass ended, since 1970; 0: none since the start */
	uint64_t last_us;			/* how long it took */
	uint64_t faults[FIGURE_SCRUB_COUNT];	/* that are known: found by the last whole pass, or since */
};

struct figures {
	const char *origin;			/* borrowed from the service */
	bool manual_clock;
	uint32_t engine;
	enum service_readiness readiness;

	uint64_t transactions;			/* in the ledger, durable */
	uint64_t commits, commits_undone;	/* group commits; and those that found no space */
	struct figure_histogram commit_transactions;
	struct figure_histogram steps_us[FIGURE_STEP_COUNT];	/* of a group commit */
	struct figure_histogram answer_us;	/* from a write's arrival until its answer may leave */
	struct figure_commands commands;	/* answered; those of a batch each by itself */
	uint64_t replays;			/* of them, answered by their first outcome */
	uint64_t terminal_gaps, terminal_repeats;	/* of them, whose number showed that others are missing; or had been used before */
	size_t n_entries;
	struct figure_count entries[FIGURE_OPS_MAX];	/* durable, by operation */
	uint64_t system_entries;		/* of them, made by the schedule */

	uint64_t queue_length;			/* requests and batches that wait for the commit thread */
	uint64_t subscriptions;
	unsigned connections;
	uint64_t rejected;			/* peers whose TLS handshake failed */
	int64_t cert_ends_at, crl_ends_at;	/* seconds since 1970; 0: there is none */
	uint64_t accepted, refused, received_bytes, sent_bytes;

	size_t n_limits;
	struct figure_count limits[FIGURE_LIMITS_MAX];	/* how often each was reached; a burst counts as its rate */

	bool has_sizes;				/* the files could be looked at */
	struct figure_count file_bytes[3];	/* of each environment */
	uint64_t free_bytes;			/* on the ledger's disk */
	bool has_snapshot;
	uint64_t snapshot_transactions, snapshot_age_us;

	uint64_t public_size, served_size;	/* of the newest public checkpoint; and of the one that is served; 0: none yet */
	size_t n_witnesses;			/* 0: there is no policy, and nothing of the rest */
	struct figure_witness witnesses[FIGURE_WITNESSES_MAX];
	uint64_t cosigned_size, cosigned_age_us;	/* of the newest that has its quorum; size 0: none */

	struct figure_scrubs scrub;

	enum figure_state start_state;		/* where state came from at the start */
	uint64_t start_us, start_replayed;	/* how long it took, and transactions replayed in it */
};

/* Any thread, between service_attach() and service_close().  Looks at a few files, and waits for nobody. */
void service_figures(struct service *service, struct figures *ret);

#endif
