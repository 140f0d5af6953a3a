/**
 * vault_row.h: the rows of a vault, for vault.c (batches), vault_read.c (what other threads read) and vault_copy.c (another epoch).  Each is good in its
 * place and epoch only: ST_CORRUPT otherwise.
 */
#ifndef FEALTY_SERVICE_VAULT_ROW_H
#define FEALTY_SERVICE_VAULT_ROW_H

#include "service/vault.h"

#define PERSON_KEY 20			/* program be32, member be64, seq be64 */
#define PERSON_PREFIX 12		/* without seq: who it is */
#define ALIAS_VALUE 60			/* bytes of an alias row's value */

void alias_hash(const struct epoch_key *key, uint32_t program, const char *alias, uint8_t ret_hash[static ALIAS_HASH_BYTES]);
enum status alias_seal(const struct epoch_key *key, const uint8_t hash[static ALIAS_HASH_BYTES], uint32_t program, uint64_t member, uint64_t seq,
    struct buf *out) MUST_CHECK;
enum status alias_unseal(const struct epoch_key *key, const uint8_t hash[static ALIAS_HASH_BYTES], uint32_t program, struct bytes value,
    uint64_t *ret_member, uint64_t *ret_seq) MUST_CHECK;

void person_key(uint32_t program, uint64_t member, uint64_t seq, uint8_t ret_key[static PERSON_KEY]);
enum status person_seal(const struct epoch_key *epoch, const uint8_t key[static PERSON_KEY], const struct profile *p, struct buf *out) MUST_CHECK;
enum status person_unseal(const struct epoch_key *epoch, const uint8_t key[static PERSON_KEY], struct bytes value, struct arena *arena,
    struct profile *ret) MUST_CHECK;
/* The row of ${p}, which was read from ${value}, as another epoch has it: its key is wrapped anew, the rest is the same bytes. */
enum status person_rewrap(const struct epoch_key *to, const uint8_t key[static PERSON_KEY], const struct profile *p, struct bytes value,
    struct buf *out) MUST_CHECK;
/**
 * Whether a row opens, for whoever looks for damage: what it holds is wiped at once.  ST_CORRUPT; ST_NOMEM.  The first eight bytes of an alias row's value,
 * its seq, are not sealed.
 */
enum status alias_opens(const struct epoch_key *key, struct bytes row_key, struct bytes value) MUST_CHECK;
enum status person_opens(const struct epoch_key *key, struct bytes row_key, struct bytes value) MUST_CHECK;
/* The newest row of a person.  ST_NOTFOUND. */
enum status person_row(struct store_txn *txn, uint32_t program, uint64_t member, struct bytes *ret_key, struct bytes *ret_value) MUST_CHECK;

/**
 * vault_lookup() and vault_lookup_many() (vault_read.c), for who has the hashes.  Of many: 0 for whom there is no row, and for one that does not open:
 * whoever looks that one up alone is told.
 */
enum status vault_lookup_hash(const struct vault *vault, struct store_txn *txn, uint32_t program, const uint8_t hash[static ALIAS_HASH_BYTES],
    uint64_t *ret_member) MUST_CHECK;
enum status vault_lookup_hashes(const struct vault *vault, struct store_txn *txn, uint32_t program, const struct bytes *hashes, size_t n,
    uint64_t *ret_members) MUST_CHECK;

/* ---- what vault.c has for vault_read.c and vault_copy.c ---- */

/* The key of an epoch that some transaction may still be in (asserted). */
const struct epoch_key *vault_key(const struct vault *vault, uint64_t epoch);
/* The writer's: nothing is owed, nothing is begun.  Its reader lets go of the vault that it is in. */
bool vault_idle(const struct vault *vault);
void vault_reader_close(struct vault *vault);
struct store *vault_store(const struct vault *vault);
/* Keeps a key until it is dropped; ST_NOMEM. */
enum status vault_key_load(struct vault *vault, uint64_t epoch) MUST_CHECK;
void vault_key_drop(struct vault *vault, uint64_t epoch);

/**
 * Whose rows were committed, in batches that changed something, between begin and end.  vault_touched_take(): what was noted until now, as
 * PERSON_PREFIX bytes each, on the heap and the caller's; in what is read after it all of that is to be seen.  ST_NOMEM: some were not noted.
 */
void vault_touched_begin(struct vault *vault);
enum status vault_touched_take(struct vault *vault, uint8_t (**ret_persons)[PERSON_PREFIX], size_t *ret_n) MUST_CHECK;
void vault_touched_end(struct vault *vault);

#endif
