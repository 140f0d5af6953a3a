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

enum status
verify_parts(void *ctx, const uint8_t public_key[static PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    const uint8_t signature[static SIGNATURE_BYTES])
{
	const struct bytes wanted = bytes_of(signature, SIGNATURE_BYTES);
	struct buf all;

	(void)ctx;
	if (n_parts == 1)
		return verify_bytes(public_key, parts[0], wanted);
	buf_init(&all);
	for (size_t i = 0; i < n_parts; i++)
		buf_put(&all, parts[i].data, parts[i].len);
	enum status st = buf_status(&all);
	if (st == ST_OK)
		st = verify_bytes(public_key, buf_bytes(&all), wanted);
	buf_release(&all);
	return st;
}
