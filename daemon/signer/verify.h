/* verify.h: one Ed25519 signature (RFC 8032, pure), for whoever has the public key alone. */
#ifndef FEALTY_SIGNER_VERIFY_H
#define FEALTY_SIGNER_VERIFY_H

#include "base/bytes.h"
#include "base/status.h"

#define SIGNATURE_BYTES 64
#define PUBLIC_KEY_BYTES 32

/* Whether ${signature} is the key's over ${bytes}; any thread.  ST_INVALID: it is not; ST_NOMEM. */
enum status verify_bytes(const uint8_t public_key[static PUBLIC_KEY_BYTES], struct bytes bytes, struct bytes signature) MUST_CHECK;
/* The same over ${parts} one behind the other; ${ctx} is not looked at, so that this is a note_verify_fn (merkle/note.h). */
enum status verify_parts(void *ctx, const uint8_t public_key[static PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    const uint8_t signature[static SIGNATURE_BYTES]) MUST_CHECK;

#endif
