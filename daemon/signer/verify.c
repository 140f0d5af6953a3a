/* Apart from the keys, so that who only verifies links nothing that could sign. */
#include "signer/verify.h"

#include <sodium.h>

enum status
verify_bytes(const uint8_t public_key[static PUBLIC_KEY_BYTES], struct bytes bytes, struct bytes signature)
{
	if (signature.len != SIGNATURE_BYTES)
		return ST_INVALID;
	if (sodium_init() < 0)
		return ST_NOMEM;
	return crypto_sign_verify_detached(signature.data, bytes.data, bytes.len, public_key) != 0 ? ST_INVALID : ST_OK;
}
