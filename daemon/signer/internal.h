/* internal.h: what the files of signer/ share.  Nobody else includes it. */
#ifndef FEALTY_SIGNER_INTERNAL_H
#define FEALTY_SIGNER_INTERNAL_H

#include "signer/signer.h"

#define KEY_FILE_BYTES 65		/* 64 hex digits and a newline */

/**
 * Signs PAE(type, body) with the secret half of a signing key.  ${pae} is scratch that is kept from one signature to the next, so that a
 * thread allocates only for the longest body so far.  ST_NOMEM.
 */
enum status keys_sign(const struct keys *keys, enum key_name name, struct buf *pae, const char *type, struct bytes body,
    uint8_t ret_signature[static SIGNATURE_BYTES]) MUST_CHECK;

/* ---- key files, for keys.c and epoch_key.c ---- */

/* Zeroed, locked, not in a core dump; the caller ends it with keys_free().  NULL: no memory, or it cannot be locked. */
struct keys *keys_alloc(void) MUST_CHECK;
bool keys_lock_and_hide(void *p, size_t len) MUST_CHECK;

/* ST_NOTFOUND; ST_INVALID: others than its owner may enter or change it; ST_IO. */
enum status key_dir_open(const char *dir, int *ret_fd) MUST_CHECK;

/* A new file of 32 random bytes, whose copy stays in ${scratch}.  ST_BUSY: it is there; ST_IO. */
enum status key_file_create_random(int dir_fd, const char *name, struct keys *scratch) MUST_CHECK;

/* "vault.17.key" */
#define EPOCH_NAME_BYTES 40
const char *epoch_key_name(uint64_t epoch, char ret_name[static EPOCH_NAME_BYTES]);

/* *${ret_seed}: the 32 bytes of a file in a key directory, in ${scratch}.  ST_NOTFOUND; ST_INVALID; ST_IO. */
enum status key_file_load(int dir_fd, const char *name, struct keys *scratch, const uint8_t **ret_seed) MUST_CHECK;

#endif
