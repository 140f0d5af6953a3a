/**
 * scrub_pass.h: one pass over what the disk has of ledger and vault, in steps.  No thread and no clock: scrub.h has those.
 *
 *   ledger: its meta pages, tables and free pages; every transaction against the hash of it that state keeps (table `tile`), its place, and the one before
 *   it; the signature of each 16th, another sixteenth in each pass, and of any that is not as it should be; the tree of those hashes against the stored
 *   checkpoints, whose signatures are verified; cosignatures, as far as they can be read without the witnesses' keys.
 *   vault: its pages, and whether each row of a person or an alias opens under the epoch's key.
 *
 * State is derived, and compared by `fealty audit`; of it a pass reads the hashes of the tree, from the disk as well.
 */
#ifndef FEALTY_SERVICE_SCRUB_PASS_H
#define FEALTY_SERVICE_SCRUB_PASS_H

#include "service/figures.h"
#include "service/internal.h"

#define SCRUB_WHERE_BYTES 96

struct scrub_fault {
	enum figure_scrub kind;
	const char *environment;	/* static: "ledger", "vault", "state" */
	char where[SCRUB_WHERE_BYTES];	/* in it: "transactions 17 to 20"; no alias is ever in it */
	bool has_seq;
	uint64_t seq, last;		/* transactions; of a checkpoint or cosignature its size */
	const char *what;		/* static: "its bytes are not those of its hash" */
};

struct scrub_hooks {
	void *ctx;
	void (*found)(void *ctx, const struct scrub_fault *fault);
	bool (*rest)(void *ctx, uint64_t bytes);	/* now and then, having read so many more; no lock or snapshot is held; false: stop */
};

struct scrub_progress {
	bool direct;			/* the disk is read past the page cache */
	const char *stage;		/* "transactions", "checkpoints", …; static */
	uint64_t position, size;	/* of "transactions" and "checkpoints": up to which one, and how many there were when the pass began */
	uint64_t transactions;		/* looked at */
};

struct scrub_pass;

/**
 * scrub_pass_new(service, keys, number, hooks, ret_pass): ${keys} are copied; who signs later transactions is followed.  ${number} says whose signatures
 * are verified.  The caller ends it with scrub_pass_free(), which takes NULL.  Errors: ST_NOMEM; those of store_read() of state.
 *
 * scrub_pass_step(pass, bytes, ret_done): goes on for about ${bytes} of the disk.  Errors: ST_BUSY: try again; ST_INTERRUPTED: rest() said stop; ST_NOMEM;
 * ST_IO, ST_CORRUPT: files cannot be opened.  Damage is no error.
 */
enum status scrub_pass_new(struct service *service, const struct key_history *keys, uint64_t number, const struct scrub_hooks *hooks,
    struct scrub_pass **ret_pass) MUST_CHECK;
enum status scrub_pass_step(struct scrub_pass *pass, size_t bytes, bool *ret_done) MUST_CHECK;
void scrub_pass_progress(const struct scrub_pass *pass, struct scrub_progress *ret);
void scrub_pass_free(struct scrub_pass *pass);

#endif
