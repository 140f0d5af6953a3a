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

void
hash_hmac_sha256(uint8_t ret_mac[static SHA256_BYTES], struct bytes key, const struct bytes *parts, size_t n_parts)
{
	crypto_auth_hmacsha256_state state;

	static_assert(crypto_auth_hmacsha256_BYTES == SHA256_BYTES, "");
	crypto_auth_hmacsha256_init(&state, key.data, key.len);
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].len > 0)
			crypto_auth_hmacsha256_update(&state, parts[i].data, parts[i].len);
	}
	crypto_auth_hmacsha256_final(&state, ret_mac);
	sodium_memzero(&state, sizeof(state));
}
