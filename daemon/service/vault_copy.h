/**
 * vault_copy.h: another epoch of the vault: a fresh environment under a fresh key, into which all rows are copied but those that were deleted.
 *
 * One thread copies, beside the writer: all persons in order, each with its aliases, whose hashes are the new epoch's; then again whom the writer
 * touched meanwhile, until that is few.  The writer's thread does these last ones between two batches, and puts the copy in the vault's place.
 *
 *   vault_copy_new() -> vault_copy_run() -> vault_copy_finish(), the writer's -> vault_copy_settle() until it is ST_OK -> vault_copy_free()
 *
 * A vault_copy_free() before finish was ST_OK leaves the vault as it was.
 */
#ifndef FEALTY_SERVICE_VAULT_COPY_H
#define FEALTY_SERVICE_VAULT_COPY_H

#include <stdatomic.h>

#include "service/vault.h"

/* What the vault knows of epochs: row `epochs` of TABLE_VAULT_META. */
struct epoch_old { uint64_t epoch; int64_t replaced_us; };
struct epochs {
	int64_t begun_us;		/* of the vault's; 0: not known */
	size_t n_old;			/* whose keys may be there still, rising */
	struct epoch_old old[EPOCH_KEYS_MAX];
};
enum status vault_epochs_read(struct store_txn *txn, struct epochs *ret) MUST_CHECK;
/* Says when the first epoch began, unless that is known.  The writer's, at start. */
enum status vault_epochs_begin(struct vault *vault, int64_t now_us) MUST_CHECK;

struct vault_copy;
struct vault_copied {
	uint64_t persons, aliases;	/* in the new vault */
	uint64_t again;			/* persons that were copied once more beside the writer, */
	uint64_t rest;			/* and by the writer itself, */
	int64_t stopped_us;		/* which stood still so long for it, */
	int64_t copied_us;		/* after a copy that took so long */
};

/* ${epochs} is copied: what the new vault is to know.  Makes it and its key.  ST_BUSY: a key of that epoch is there; ST_FULL; ST_IO; ST_NOMEM. */
enum status vault_copy_new(struct vault *vault, const char *keys_path, uint64_t epoch, const struct epochs *epochs,
    struct vault_copy **ret_copy) MUST_CHECK;
/* Blocks until few are left to copy; sleeps as long as it works.  ST_INTERRUPTED once ${*stop}.  ST_CORRUPT: a row does not open. */
enum status vault_copy_run(struct vault_copy *copy, const atomic_bool *stop) MUST_CHECK;
/**
 * The writer's thread, between batches (vault_idle(), asserted).  ST_OK: the copy is the vault.  A failure with ${*ret_harmless}: nothing has changed,
 * and the copy is to be freed; without: end the process, the next start finds one or the other.
 */
enum status vault_copy_finish(struct vault_copy *copy, bool *ret_harmless) MUST_CHECK;
/* Closes and removes the old vault, and forgets its key: ST_BUSY while some reader is in it. */
enum status vault_copy_settle(struct vault_copy *copy) MUST_CHECK;
void vault_copy_result(const struct vault_copy *copy, struct vault_copied *ret);
/* NULL too.  Of a copy that did not become the vault, file and key are destroyed. */
void vault_copy_free(struct vault_copy *copy);

#endif
