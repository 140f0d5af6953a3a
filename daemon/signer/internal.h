/* internal.h: what the files of signer/ share.  Nobody else includes it. */
#ifndef FEALTY_SIGNER_INTERNAL_H
#define FEALTY_SIGNER_INTERNAL_H

#include "signer/signer.h"

/**
 * Signs PAE(type, body) with the secret half of a signing key.  ${pae} is scratch that is kept from one signature to the next, so that a
 * thread allocates only for the longest body so far.  ST_NOMEM.
 */
enum status keys_sign(const struct keys *keys, enum key_name name, struct buf *pae, const char *type, struct bytes body,
    uint8_t ret_signature[static SIGNATURE_BYTES]) MUST_CHECK;

#endif
