/*
 * SHA-256 is OpenSSL's, which uses the processor's instructions for it; libsodium's does not, and takes five times as long.  Its functions of
 * old, and not EVP's: they cannot fail, and neither allocate nor look anything up.  OpenSSL 3 calls them deprecated, and has them.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <assert.h>
#include <openssl/sha.h>
#include <sodium.h>

void
hash_sha256(uint8_t ret_hash[static SHA256_BYTES], const struct bytes *parts, size_t n_parts)
{
	SHA256_CTX state;
	int ok = SHA256_Init(&state);

	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].len > 0)
			ok &= SHA256_Update(&state, parts[i].data, parts[i].len);
	}
	ok &= SHA256_Final(ret_hash, &state);
	assert(ok == 1);
}

void
hash_keyed(uint8_t ret_hash[static FINGERPRINT_BYTES], const uint8_t key[static HASH_KEY_BYTES], struct bytes data)
{
	crypto_generichash(ret_hash, FINGERPRINT_BYTES, data.data, data.len, key, HASH_KEY_BYTES);
}
