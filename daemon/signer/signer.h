/**
 * signer.h: signing keys and the pool that signs.  The only user of crypto_sign.
 *
 * A key directory (mode 0700) holds files of mode 0400, each 32 random bytes as 64 hex digits and a newline:
 *   transaction.key  seed of the Ed25519 key that signs transactions
 *   checkpoint.key   seed of the Ed25519 key that signs checkpoints
 *   transaction.next.key, checkpoint.next.key                what a rotation is to put in their places
 *   transaction.<key id>.old.key, checkpoint.<key id>.old.key  what it replaced
 *   alias.key        keys the hash of aliases
 *   vault.key        seals the vault, together with the epoch's
 *   vault.<epoch>.key  the epochs', of which the newest seals the vault; see below
 *   fingerprint.key  keys the fingerprints of commands
 *   voucher.key      makes the codes of vouchers
 * Secrets live in locked memory (sodium_mlock is checked), are excluded from core dumps, and are wiped.
 */
#ifndef FEALTY_SIGNER_SIGNER_H
#define FEALTY_SIGNER_SIGNER_H

#include "base/hash.h"
#include "signer/verify.h"

#define KEY_ID_BYTES 8
#define SIGNER_TRANSACTION_TYPE "application/vnd.fealty.transaction.v1+protobuf"
#define SIGNER_APPROVAL_TYPE "application/vnd.fealty.approval.v1"

enum key_name { KEY_TRANSACTION, KEY_CHECKPOINT, KEY_ALIAS, KEY_VAULT, KEY_FINGERPRINT, KEY_VOUCHER, KEY_COUNT };

struct keys;

/**
 * keys_create(dir): makes the directory, unless it is there, and all files, fsynced; of epoch 1 too.  Blocks.  On failure it leaves
 * no file behind that it made.  ST_BUSY: a file is already there (none is ever overwritten); ST_INVALID: the directory is open to others than its owner;
 * ST_IO; ST_NOMEM: as below.
 *
 * keys_load(dir, ret_keys, ret_bad): blocks; the caller ends the keys with keys_free(), which takes NULL.  ST_NOTFOUND; ST_INVALID: the
 * directory or a file is open to others than its owner, or a file is of another owner (root's will do), a symbolic link, or not of the
 * form; ST_IO; ST_NOMEM: memory could not be locked (raise RLIMIT_MEMLOCK).  Of a signing key the file, or that of the next one, or both:
 * where a rotation was cut short the ledger says which is in use.  On failure *${ret_bad} is the static name of the file, or
 * NULL when it is the directory or memory.
 */
enum status keys_create(const char *dir) MUST_CHECK;
enum status keys_load(const char *dir, struct keys **ret_keys, const char **ret_bad) MUST_CHECK;

/**
 * keys_load_with(dir, credentials, ret_keys, ret_fault): the same, but a key whose file lies in the directory ${credentials} (systemd's
 * $CREDENTIALS_DIRECTORY; NULL: there is none) is taken from there, and ${dir} need not be there when all are.  That directory and the files in
 * it must belong to root or us and be closed to others; of root's group they may be readable, as systemd shows that our user is on their
 * access list.  ST_NOTFOUND, ST_INVALID, ST_IO, ST_NOMEM as above; *${ret_fault} is always written.
 */
struct keys_fault {
	const char *file;			/* static; NULL: it is the directory, or memory */
	bool in_credentials;
};
enum status keys_load_with(const char *dir, const char *credentials, struct keys **ret_keys, struct keys_fault *ret_fault) MUST_CHECK;
bool keys_is_credential(const struct keys *keys, enum key_name name) MUST_CHECK;	/* the two signing keys only */
void keys_free(struct keys *keys);

/* Borrowed until keys_free(). */
const uint8_t *keys_secret(const struct keys *keys, enum key_name name);	/* 32 bytes; not for the two signing keys (asserted) */
const uint8_t *keys_public(const struct keys *keys, enum key_name name);	/* 32 bytes, zeros when it is not there; the two signing keys only */

/* ---- rotating: the two signing keys only ---- */

enum key_file {
	KEY_FILE_OK,
	KEY_FILE_MISSING,
	KEY_FILE_UNFIT,			/* readable by others, or not by us, or not of the form */
	KEY_FILE_OTHER			/* a key, and not the one that was named */
};

/**
 * Makes <name>.next.key in a directory that is there, fsynced.  Errors as keys_create(); ST_NOTFOUND: no such directory, or not one with a
 * daemon's other keys.
 */
enum status keys_next_create(const char *dir, enum key_name name, uint8_t ret_public[static PUBLIC_KEY_BYTES]) MUST_CHECK;

/**
 * keys_next_load(keys, dir, name, public_key, ret_file): reads the file of the next key, which must be that of ${public_key}.
 * keys_old_load(): the same of one that was replaced.
 * Nothing is loaded unless *${ret_file} is KEY_FILE_OK.  Blocks; no signature may be on its way in a pool.  ST_IO; ST_NOMEM; of the directory
 * ST_NOTFOUND, ST_INVALID.
 */
enum status keys_next_load(struct keys *keys, const char *dir, enum key_name name, const uint8_t public_key[static PUBLIC_KEY_BYTES],
    enum key_file *ret_file) MUST_CHECK;
enum status keys_old_load(struct keys *keys, const char *dir, enum key_name name, const uint8_t public_key[static PUBLIC_KEY_BYTES],
    enum key_file *ret_file) MUST_CHECK;

/* Whether the next key is loaded and is this one; its public half, or NULL. */
bool keys_is_next(const struct keys *keys, enum key_name name, const uint8_t public_key[static PUBLIC_KEY_BYTES]) MUST_CHECK;
const uint8_t *keys_next_public(const struct keys *keys, enum key_name name);

/**
 * keys_promote(keys, dir, name): the next key, which is loaded (asserted), takes the place of the one in use, which is no credential (asserted), and
 * so do the files; the one before stays in its file under another name, and a checkpoint key in memory too.  ST_IO: in memory it is done, the files
 * are as they were; the next start puts them right.  ST_NOMEM: memory cannot be protected any more.
 */
enum status keys_promote(struct keys *keys, const char *dir, enum key_name name) MUST_CHECK;

/**
 * key_file_create(path, ret_public): a new Ed25519 key in a file of that form, mode 0400, fsynced: a person's own, an approver's.  ST_BUSY: the file is
 * there; ST_IO with errno; ST_NOMEM.
 * key_file_sign(path, type, body, ret_public, ret_signature): a signature of PAE(type, body) by it.  ST_NOTFOUND; ST_INVALID: readable by others, or
 * not of the form; ST_IO; ST_NOMEM.  Both block.
 */
enum status key_file_create(const char *path, uint8_t ret_public[static PUBLIC_KEY_BYTES]) MUST_CHECK;
enum status key_file_sign(const char *path, const char *type, struct bytes body, uint8_t ret_public[static PUBLIC_KEY_BYTES],
    uint8_t ret_signature[static SIGNATURE_BYTES]) MUST_CHECK;

/* First 8 bytes of SHA-256 of the public key. */
void key_id_of(const uint8_t public_key[static PUBLIC_KEY_BYTES], uint8_t ret_id[static KEY_ID_BYTES]);

/* DSSE's pre-authentication encoding, appended to ${out}: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body. */
void pae_put(struct buf *out, const char *type, struct bytes body);

/* One signature, on the calling thread. Ed25519 (RFC 8032, pure) over PAE(type, body). ST_NOMEM. */
enum status sign_once(const struct keys *keys, enum key_name name, const char *type, struct bytes body,
    uint8_t ret_signature[static SIGNATURE_BYTES]) MUST_CHECK;

/* The same over the bytes themselves, as a signed note has it. */
enum status sign_bytes(const struct keys *keys, enum key_name name, struct bytes bytes, uint8_t ret_signature[static SIGNATURE_BYTES]) MUST_CHECK;

/* Both by the key, of those that are loaded, that ${public_key} is the public half of; ST_NOTFOUND: none is. */
enum status sign_once_as(const struct keys *keys, const uint8_t public_key[static PUBLIC_KEY_BYTES], const char *type, struct bytes body,
    uint8_t ret_signature[static SIGNATURE_BYTES]) MUST_CHECK;
enum status sign_bytes_as(const struct keys *keys, const uint8_t public_key[static PUBLIC_KEY_BYTES], struct bytes bytes,
    uint8_t ret_signature[static SIGNATURE_BYTES]) MUST_CHECK;

/* Whether the signature holds; any thread. ST_INVALID: it does not; ST_NOMEM. */
enum status sign_verify(const uint8_t public_key[static PUBLIC_KEY_BYTES], const char *type, struct bytes body,
    struct bytes signature) MUST_CHECK;

/* Whether the bytes are a public key by which a signature can hold: a point of the curve, in its one encoding, of the main group. */
bool sign_key_usable(const uint8_t public_key[static PUBLIC_KEY_BYTES]) MUST_CHECK;

/* ---- epoch keys: what the vault is sealed with, for as long as anything may be read that it sealed ---- */

/**
 * In the key directory, vault.<epoch>.key of the same form: made, replaced and destroyed by the daemon, so not among credentials.  Two keys come of
 * one, in locked memory; both need it, so neither exists after it is destroyed:
 *   EPOCH_SEALS  BLAKE2b-256(vault.key, "fealty vault seal" ‖ epoch be64 ‖ epoch key)   wraps members' keys and seals alias rows
 *   EPOCH_NAMES  BLAKE2b-256(alias.key, "fealty vault name" ‖ epoch be64 ‖ epoch key)   keys the hashes of aliases
 * epoch_key_create(): ST_BUSY: it is there; else as keys_create().  epoch_key_load(): as keys_load(); the caller frees it.
 * epoch_key_list(): the epochs of which a file is there, rising; at most EPOCH_KEYS_MAX of them.
 * epoch_key_destroy(): overwrites the file, fsync, unlinks it, fsync of the directory; one that is not there is no error.  What the file
 * system or the medium keeps of what was overwritten is beyond it.
 */
#define EPOCH_KEYS_MAX 4096
enum epoch_use { EPOCH_SEALS, EPOCH_NAMES, EPOCH_USES };
struct epoch_key;
enum status epoch_key_create(const char *dir, uint64_t epoch) MUST_CHECK;
enum status epoch_key_load(const char *dir, const struct keys *keys, uint64_t epoch, struct epoch_key **ret_key) MUST_CHECK;
void epoch_key_free(struct epoch_key *key);		/* NULL too */
uint64_t epoch_key_epoch(const struct epoch_key *key);
const uint8_t *epoch_key_secret(const struct epoch_key *key, enum epoch_use use);	/* 32 bytes */
enum status epoch_key_list(const char *dir, uint64_t ret_epochs[static EPOCH_KEYS_MAX], size_t *ret_n) MUST_CHECK;
enum status epoch_key_destroy(const char *dir, uint64_t epoch) MUST_CHECK;

/* ---- the pool ---- */

struct signer;

struct sign_job {
	struct sign_job *next;			/* the pool's */
	struct bytes body;			/* transaction bytes, borrowed until signer_wait() returns */
	uint8_t signature[SIGNATURE_BYTES];	/* written by the pool */
};

/**
 * ${threads} workers that sign transactions with the KEY_TRANSACTION in use; with 0 the waiting thread signs all.  ${keys} is borrowed and outlives
 * the pool. ST_NOMEM, also when no thread can be had.  The workers block all signals.  signer_free() takes NULL; it drops jobs that
 * nobody waited for.
 */
enum status signer_new(const struct keys *keys, unsigned threads, struct signer **ret_signer) MUST_CHECK;
void signer_free(struct signer *signer);

/**
 * One thread submits and waits: jobs start at once; the wait helps signing, and returns when all submitted jobs are signed.
 * ST_NOMEM: at least one of them could not be signed; none of them may be used.
 */
void signer_submit(struct signer *signer, struct sign_job *job);
enum status signer_wait(struct signer *signer) MUST_CHECK;

#endif
