/**
 * sim.h: a ledger that lives in memory: the daemon's flow of one command without signatures, disk and connections.
 *
 * Every event is one transaction; what the system does before it, one each.  Transaction 0 stands for the genesis, then come the
 * programs' first versions.
 */
#ifndef FEALTY_TOOLS_SIM_H
#define FEALTY_TOOLS_SIM_H

#include "apply/vouchers.h"
#include "sim_book.h"
#include "sim_due.h"
#include "sim_state.h"

/* A version of a program, in the order of its file on the command line. */
struct sim_file {
	const char *path;
	struct bytes definition, zone_data;
	const struct program *program;
	bool published;
};

struct sim {
	struct arena memory;			/* until the end */
	struct arena scratch;			/* of one event */
	struct sim_undo undo;
	struct sim_state state;
	struct sim_book book;
	struct sim_due due;
	size_t n_files;
	struct sim_file *files;			/* borrowed */
	bool started;
	int64_t now_us;
	uint64_t seq;				/* of the next transaction */
	bool is_open;
	struct transaction open;
	size_t cap_open, open_bytes;		/* open_bytes: of its entries, while an atomic batch plays */
	bool exclusive;				/* an atomic batch plays: all of it is one transaction */
	/* Every entry that was applied; members are as they are after it. */
	void (*on_entry)(void *ctx, const struct entry *entry, struct entry_id id);
	void *on_entry_ctx;
	struct terminal_note terminal_note;	/* of the command that plays */
	size_t n_refused;
	struct seq_range refused[LEDGER_REFUSED_MAX];	/* numbers that were refused in this event since one was applied, */
	struct terminal_name refused_of;	/* of this terminal */
	char trouble[240];			/* ST_CORRUPT: what decide() and evolve() disagree about */
};

/* Who sends a request, and what became of it. */
struct sim_call {
	const char *principal;
	struct request *request;		/* of a write, with its fingerprint */
	struct refusal refusal;			/* the codec's; then the outcome */
	bool replayed;
	struct sim_file *file;			/* publish: the version that comes into force; NULL: there is none */
};

void sim_init(struct sim *sim, struct sim_file *files, size_t n_files);
void sim_release(struct sim *sim);

/**
 * sim_clock(sim, at_us): moves the clock, never back (asserted); everything that is due up to it runs.  The first call publishes the
 * first versions. sim_play(sim, call, out): one command or read; appends the Response's bytes to ${out}, unless that is NULL.
 * sim_refusal(): a Response that is nothing but a refusal. sim_event_end(): after each event: closes its transaction and empties scratch.
 * Errors: ST_NOMEM; ST_CORRUPT with sim->trouble; sim_clock(): ST_INVALID with it, when a first version cannot be published.
 */
enum status sim_clock(struct sim *sim, int64_t at_us) MUST_CHECK;
enum status sim_play(struct sim *sim, struct sim_call *call, struct buf *out) MUST_CHECK;
enum status sim_refusal(struct sim *sim, const struct refusal *refusal, struct buf *out) MUST_CHECK;
enum status sim_event_end(struct sim *sim) MUST_CHECK;

/* The fingerprint of a request that was read, if it is a write. */
void sim_fingerprint(struct request *request);

/* Nothing that is simulated is secret: fingerprints, and codes of vouchers, are made with a key of zeros, of the origin SIM_ORIGIN. */
#define SIM_ORIGIN "simulate"
extern const uint8_t sim_key[HASH_KEY_BYTES];
struct voucher_coder sim_voucher_coder(uint32_t program);

/* Around the commands of an atomic batch.  sim_back() undoes them. */
void sim_mark(struct sim *sim);
void sim_keep(struct sim *sim);
enum status sim_back(struct sim *sim) MUST_CHECK;

/* The answer about an applied entry of `system`. */
enum status sim_answer_entry(struct sim *sim, const struct entry *entry, struct entry_id id, struct buf *out) MUST_CHECK;

/* The next version of a program that is still to be published; NULL. */
struct sim_file *sim_next_version(struct sim *sim, const char *id);

void sim_refuse(struct refusal *refusal, enum ledger_result result, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- for the files sim*.c ---- */

/**
 * sim_apply(): an entry that was decided; *${ret_entry} moves when the next one is applied.
 * sim_entry_fits(): whether it fits a transaction, and in an atomic batch the one that is open, as the daemon asks before it adds one; what
 * fits is counted there.
 * sim_run_due(): one thing that is due, if there is something to write.  sim_roll(): all that is due for a member, birthdays apart.
 * Both ST_TOO_LARGE in an atomic batch: it does not fit any more.
 */
enum status sim_entry_fits(struct sim *sim, const struct entry *e, bool *ret_fits) MUST_CHECK;
enum status sim_apply(struct sim *sim, const struct entry *decided, struct entry_id *ret_id, struct entry **ret_entry) MUST_CHECK;
enum status sim_run_due(struct sim *sim, uint32_t program, uint64_t member, const struct due *due) MUST_CHECK;
enum status sim_roll(struct sim *sim, uint32_t program, uint64_t member, int64_t until_us) MUST_CHECK;

/* What publishing a file's version says, but for who says it. */
void sim_publish_cmd(struct cmd *cmd, const struct sim_file *file);

struct sim_answer {
	const struct refusal *refusal;
	bool replayed, has_id;
	struct entry_id id;
	const struct entry *entry;
	const struct program *program;
	const struct member *member;
	const struct touched *then;
	int64_t as_of_us;
	struct terminal_note terminal;
	size_t n_vouchers;			/* as struct reply's */
	const struct reply_voucher *vouchers;
	const struct pool_sums *pool;		/* NULL: not asked for */
};
enum status sim_answer(struct sim *sim, const struct sim_answer *answer, struct buf *out) MUST_CHECK;
/* Newest transaction that there is. */
uint64_t sim_seq(const struct sim *sim);
/* 0, perhaps with a refusal: the program that a request means. */
/* Who an alias is by now; 0: nobody. */
uint64_t sim_member_of(struct sim *sim, uint32_t program, const char *alias);
uint32_t sim_find_program(struct sim *sim, const struct request *request, struct refusal *ret_refusal);
enum status sim_query(struct sim *sim, struct sim_call *call, struct buf *out) MUST_CHECK;

#endif
