/**
 * vault.h: who is who: aliases and profiles.  The only place that sees personal data after the codec.
 *
 *   TABLE_ALIAS   BLAKE2b-256(EPOCH_NAMES, program be32 ‖ alias) -> seq be64, nonce, sealed (program be32, member be64)
 *                 sealed by XChaCha20-Poly1305-IETF under EPOCH_SEALS, with the row's key and the epoch as associated data
 *   TABLE_PERSON  program be32, member be64, seq be64 -> nonce, wrapped member key; nonce, sealed profile
 *                 the member key is wrapped under EPOCH_SEALS, bound to the row's key and the epoch; the profile, which has the aliases' text, sealed
 *                 under the member key, bound to the row's key
 *
 * EPOCH_NAMES and EPOCH_SEALS are of the vault's epoch (signer.h).  A rotation of the epoch copies all that is left into a fresh vault under the next
 * epoch's key, see vault_copy.h: what was deleted stays behind, in a file that is removed and under a key that is destroyed.
 *
 * Changes belong to a batch: they are seen at once by the thread that makes them, written by vault_write_additions() before the ledger's
 * commit, and
 * finished by vault_write_removals() after it.  The row `batch` of TABLE_VAULT_META names what the newest batch added, what that replaced,
 * and what it
 * will remove, so that vault_recover() can take back additions that the ledger never got, and repeat removals that it did get.
 */
#ifndef FEALTY_SERVICE_VAULT_H
#define FEALTY_SERVICE_VAULT_H

#include "ledger/ledger.h"
#include "signer/signer.h"
#include "store/store.h"

#define ALIAS_HASH_BYTES 32
#define MEMBER_KEY_SECRET_BYTES 32
#define PROFILE_ALIASES_MAX 64
#define PROFILE_SEGMENTS_MAX 64
#define PROFILE_ABSORBED_MAX 64

struct vault;

/* What is kept of a person.  Strings live in the arena that it was read into. */
struct profile {
	uint8_t key[MEMBER_KEY_SECRET_BYTES];	/* the member's: seals the profile, and keys fingerprints of enrol and profile */
	size_t n_dates;
	struct birthday_date dates[LEDGER_BIRTHDAYS_MAX];	/* oldest first */
	size_t n_aliases, n_segments;
	const char *aliases[PROFILE_ALIASES_MAX];
	const char *segments[PROFILE_SEGMENTS_MAX];
	size_t n_absorbed;
	uint64_t absorbed[PROFILE_ABSORBED_MAX];	/* members that went into this one and whose rows are here still: they are forgotten with it */
};

/**
 * ${store}, ${keys} and ${keys_path}, their directory, are borrowed.  One thread changes and reads through it; vault_lookup() and vault_read() serve
 * all.  Errors: those of epoch_key_load() of the vault's epoch; ST_NOMEM.
 */
enum status vault_new(struct store *store, const struct keys *keys, const char *keys_path, struct vault **ret_vault) MUST_CHECK;
void vault_free(struct vault *vault);

/* At start, with the ledger at ${size}: see above. */
enum status vault_recover(struct vault *vault, uint64_t size) MUST_CHECK;

/* ---- reading from any thread, what is committed: ${txn} is a read transaction of the vault ---- */

/* The member of an alias; ST_NOTFOUND. ST_CORRUPT: a row that does not open (another vault key?). */
enum status vault_lookup(const struct vault *vault, struct store_txn *txn, uint32_t program, const char *alias,
    uint64_t *ret_member) MUST_CHECK;
/* Of each, at most STORE_MANY, in less time; 0: nobody, or ask for it alone. */
enum status vault_lookup_many(const struct vault *vault, struct store_txn *txn, uint32_t program, const char *const *aliases, size_t n,
    uint64_t *ret_members) MUST_CHECK;
enum status vault_read(const struct vault *vault, struct store_txn *txn, uint32_t program, uint64_t member, struct arena *arena,
    struct profile *ret) MUST_CHECK;

/* ---- the writer, through its batch ---- */

enum status vault_find(struct vault *vault, uint32_t program, const char *alias, uint64_t *ret_member) MUST_CHECK;
/* As vault_find() of each, at most STORE_MANY, in less time; 0: nobody, or ask for it alone. */
enum status vault_find_many(struct vault *vault, uint32_t program, const char *const *aliases, size_t n, uint64_t *ret_members) MUST_CHECK;
enum status vault_profile(struct vault *vault, uint32_t program, uint64_t member, struct arena *arena, struct profile *ret) MUST_CHECK;
/* A fresh member key and nothing else. */
void vault_profile_init(struct profile *profile);
/* Records for the batch; the profile is copied.  ${seq} is the transaction that says so. */
enum status vault_put_profile(struct vault *vault, uint32_t program, uint64_t member, uint64_t seq,
    const struct profile *profile) MUST_CHECK;
enum status vault_link(struct vault *vault, uint32_t program, const char *alias, uint64_t member, uint64_t seq) MUST_CHECK;
enum status vault_unlink(struct vault *vault, uint32_t program, const char *alias, uint64_t seq) MUST_CHECK;

/* Every row of a person ends with the batch, and with it the key: what it sealed and keyed cannot be read or tested again. */
enum status vault_forget(struct vault *vault, uint32_t program, uint64_t member, uint64_t seq) MUST_CHECK;

bool vault_changed(const struct vault *vault);		/* the batch has something to write */
size_t vault_bytes(const struct vault *vault);		/* that it holds, to bound a batch */
enum status vault_write_additions(struct vault *vault) MUST_CHECK;
enum status vault_write_removals(struct vault *vault) MUST_CHECK;	/* and ends the batch */
/* Ends the batch: forgets it, unless vault_settle() still has to finish it. */
void vault_discard(struct vault *vault);
/* After a batch whose ledger commit failed: undoes the additions that were written, and ends the batch. */
enum status vault_undo(struct vault *vault) MUST_CHECK;
/* Finishes removals or an undoing that failed for want of space.  Nothing else may be changed before it is ST_OK. */
enum status vault_settle(struct vault *vault) MUST_CHECK;

/* Every birthday of every profile in the vault, for the calendar.  Any thread; blocks on disk. false from ${visit} stops. */
enum status vault_each_birthday(const struct vault *vault, bool (*visit)(void *ctx, uint32_t program, uint64_t member,
    const struct birthday_date *date),
    void *ctx) MUST_CHECK;

#endif
